/*
 * Rows as bytes, as they lie in a journal: packed column by column, without padding, little-endian.
 *
 *   rows u32 | per column: nulls u8 (1: the bitmap follows) | bitmap, (rows + 7) / 8 bytes, bit set = present
 *            | values: BOOLEAN a bitmap, VARCHAR the sizes u32 each and then the bytes, else type_width each
 *
 * The schema is not written: whoever reads has to know it. ENUMs are codes of the schema's type.
 */
#ifndef SHRIKE_TABLE_PACKED_H
#define SHRIKE_TABLE_PACKED_H

#include "base/memory.h"
#include "table/table.h"

/* Appends rows [from, from + n). */
void packed_write(const struct table *table, int64_t from, int64_t n, struct buffer *out);

/* Fills `ret`, cleared first, from the front of `data`; *ret_used: how many bytes they took. At most
 * `most_rows`. CODE_CORRUPT says what is wrong with the bytes; the table then is empty. */
int packed_read(const void *data, size_t size, int64_t most_rows, struct table *ret, size_t *ret_used,
                struct error *error);

#endif
