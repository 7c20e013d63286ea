/*
 * One column of one row group on its way into a Parquet file: takes rows until the group is full, then
 * becomes pages.
 *
 *   rows -> validity + values without the NULLs -> codes or differences -> LZ4 or not -> pages
 *
 * What is chosen for a chunk follows from its values alone, so a file does not depend on threads or batches.
 * For src/table only.
 *
 * Threads: a chunk belongs to one thread at a time. Memory: the values of a group as they are, and its pages;
 * both are kept for the next group.
 */
#ifndef SHRIKE_TABLE_PARQUET_CHUNK_H
#define SHRIKE_TABLE_PARQUET_CHUNK_H

#include "table/parquet_text.h"

struct parquet_chunk {
    struct type type;
    int64_t rows;               /* taken of this group */
    int64_t n;                  /* values among them that are not NULL */
    uint8_t *validity;          /* of the rows; true only while n < rows */
    uint8_t *values;            /* n of them, as wide as in the file; BOOLEAN: bits */
    struct parquet_text text;   /* VARCHAR and ENUM, instead of values */
    struct parquet_bytes pages; /* after parquet_chunk_encode */
};

enum parquet_physical parquet_physical(const struct type *type);
/* Bytes that a row takes in memory, strings' own bytes aside. */
int parquet_width(const struct type *type);

/* For groups of at most so many rows. The type's ENUM values stay the schema's. */
int parquet_chunk_init(struct parquet_chunk *ret, const struct type *type, int64_t rows, struct error *error);
void parquet_chunk_done(struct parquet_chunk *chunk); /* takes a zeroed struct */

/* Takes rows [from, from + n) of a column of its type; there is room for them. */
int parquet_chunk_take(struct parquet_chunk *chunk, const struct column *column, int64_t from, int64_t n,
                       struct error *error);

/* Makes the pages of what was taken, of at least one row. The chunk then takes the next group; the pages stay
 * until that one is encoded. */
int parquet_chunk_encode(struct parquet_chunk *chunk, struct parquet_scratch *scratch,
                         struct parquet_facts *ret, struct error *error);

#endif
