/*
 * The encodings of Parquet's pages (https://github.com/apache/parquet-format, Encodings.md), as pure
 * functions from values to bytes, and the choice of codes for values that repeat. For src/table only.
 *
 * Every encoder returns the bytes it wrote; its _bound says how much room it must have, which is more than
 * that by a word because stores are whole words. Threads: reentrant; a struct numbers belongs to one thread.
 */
#ifndef SHRIKE_TABLE_PARQUET_ENCODE_H
#define SHRIKE_TABLE_PARQUET_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits that hold the codes 0 .. n - 1, at least 1: not every reader expects a width of 0. */
int parquet_code_bits(int64_t n);

/* n codes below 2^bits (1..16) as runs and packed groups of eight: the values of an RLE_DICTIONARY page,
 * without the leading byte that says the width. `codes` has room for n rounded up to eight. */
size_t parquet_hybrid_bound(int64_t n, int bits);
size_t parquet_hybrid(uint16_t *codes, int64_t n, int bits, uint8_t *out);

/* Definition levels of rows [from, from + n), with their length in front: 1 where a value is present, 0 for
 * NULL. validity NULL: all are present. */
size_t parquet_levels_bound(int64_t n);
size_t parquet_levels(const uint8_t *validity, int64_t from, int64_t n, uint8_t *out);

/* n integers of `width` 4 or 8 bytes as differences: DELTA_BINARY_PACKED. */
size_t parquet_delta_bound(int64_t n, int width);
size_t parquet_delta(const void *values, int64_t n, int width, uint8_t *out);

/* Codes for the distinct values of a column chunk, in the order in which they appear. */
struct numbers {
    int n;
    uint64_t *values; /* the value of each code, compared by its bits */
    uint16_t *slots;  /* open hash table of codes + 1 */
};
bool numbers_init(struct numbers *numbers);
void numbers_done(struct numbers *numbers); /* takes a zeroed struct */

/* Codes of n values of `width` 4 or 8 bytes. False where so many are distinct that a dictionary would not
 * save a quarter of the bytes; that is mostly seen after an eighth of the values. */
bool numbers_assign(struct numbers *numbers, const void *values, int64_t n, int width, uint16_t *codes);

#endif
