/*
 * Least and greatest values of a column chunk, by which readers skip row groups. For src/table only;
 * reentrant.
 */
#ifndef SHRIKE_TABLE_PARQUET_BOUNDS_H
#define SHRIKE_TABLE_PARQUET_BOUNDS_H

#include "table/parquet_pages.h"
#include "table/table.h"

/* Of n > 0 integers as wide as the type is in the file. Returns greatest - least. */
uint64_t parquet_bound_integers(const void *values, int64_t n, const struct type *type,
                                struct parquet_facts *facts);

/* Of n > 0 floating-point numbers of `width` 4 or 8 bytes; counts the NaNs among them. Beside NaNs there are
 * no bounds, since some readers take them for the greatest values. */
void parquet_bound_reals(const void *values, int64_t n, int width, struct parquet_facts *facts);

#endif
