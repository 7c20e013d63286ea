/*
 * Rows with the columns of one schema as rows with those of another, by their names: what was written for a
 * plan, read for a later one. A column that the other schema lacks is left out, one that is new is NULL.
 *
 * Threads: one. Memory: none that grows.
 */
#ifndef SHRIKE_TABLE_REMAP_H
#define SHRIKE_TABLE_REMAP_H

#include "table/table.h"

struct remap {
    struct schema *to;
    int *sources; /* per column of `to`: which it was, or -1 */
    bool same;    /* nothing changes */
};

/* CODE_CONFLICT names a column whose type is another. */
int remap_init(struct remap *ret, const struct schema *from, struct schema *to, struct error *error);
void remap_done(struct remap *remap); /* takes a zeroed one */

/* All rows of `from` into `ret`, cleared first, which has the columns of `to`. */
int remap_rows(const struct remap *remap, const struct table *from, struct table *ret, struct error *error);

#endif
