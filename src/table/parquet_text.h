/*
 * The strings of one column of one row group: codes into a dictionary of their own until they turn out not to
 * repeat, then plain. For src/table only.
 *
 * Threads: each belongs to one at a time. Memory: the distinct strings and two bytes a row, or all strings.
 */
#ifndef SHRIKE_TABLE_PARQUET_TEXT_H
#define SHRIKE_TABLE_PARQUET_TEXT_H

#include "table/parquet_pages.h"
#include "table/table.h"

struct parquet_text {
    uint16_t *codes; /* room for the rows of a group, rounded up to eight */
    int64_t n;       /* strings taken */
    struct dictionary *strings;
    size_t size; /* bytes of the dictionary's strings */
    bool plain;
    struct parquet_bytes bytes; /* where plain: each string behind its length of 4 bytes */
    /* Columns that come with a dictionary: the codes here of its codes, -1 where not met yet. */
    struct dictionary *known; /* a reference; NULL: recoded is of no use */
    int32_t *recoded;
    size_t recoded_capacity;
};

int parquet_text_init(struct parquet_text *text, int64_t rows, struct error *error);
void parquet_text_done(struct parquet_text *text); /* takes a zeroed struct */

/* Takes the strings of rows [from, from + n) that are not NULL. */
int parquet_text_take(struct parquet_text *text, const struct column *column, int64_t from, int64_t n,
                      struct error *error);

/* Appends the pages of facts->rows rows, of which those of validity (NULL: all) have the strings taken. */
int parquet_text_encode(struct parquet_text *text, const uint8_t *validity, struct parquet_scratch *scratch,
                        struct parquet_bytes *pages, struct parquet_facts *facts, struct error *error);

/* Empty again, for the next group. */
void parquet_text_clear(struct parquet_text *text);

#endif
