/*
 * The footer of a Parquet file: its schema, and of every row group where its chunks are and what is known of
 * them. For src/table only.
 *
 * Memory: about 100 bytes a chunk, up to LIMIT_PARQUET_FOOTER. A failed append shows at the end.
 */
#ifndef SHRIKE_TABLE_PARQUET_FOOTER_H
#define SHRIKE_TABLE_PARQUET_FOOTER_H

#include "base/memory.h"
#include "table/parquet_pages.h"
#include "table/table.h"

struct parquet_footer {
    const struct schema *schema; /* the caller's */
    struct buffer groups;        /* those added, as they will stand in the footer */
    int64_t n_groups, rows;
};

void parquet_footer_init(struct parquet_footer *footer, const struct schema *schema);
void parquet_footer_done(struct parquet_footer *footer); /* takes a zeroed struct */

/* A row group that begins at byte `offset`: facts and bytes of one chunk per column, in that order. */
void parquet_footer_add(struct parquet_footer *footer, int64_t offset, const struct parquet_facts *facts,
                        const int64_t *sizes);

/* Appends the footer with its length and the mark that ends the file. */
int parquet_footer_write(const struct parquet_footer *footer, struct buffer *out, struct error *error);

#endif
