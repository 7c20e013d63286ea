/*
 * Runs of bits, least significant first, as in Arrow's and DuckDB's validity bitmaps and BOOLEAN columns.
 * Copies go 64 bits at a time at any bit offset.
 *
 * Memory: a target has room for whole 64-bit words (buffers of a table are padded to 64 bytes); bits of the
 * target beyond the run may be overwritten, bits before it are kept. No more of a source is read than the
 * words the run lies in.
 */
#ifndef SHRIKE_TABLE_BITS_H
#define SHRIKE_TABLE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool bits_get(const uint8_t *bits, int64_t i)
{
    return bits[i >> 3] >> (i & 7) & 1;
}

static inline void bits_put(uint8_t *bits, int64_t i, bool value)
{
    uint8_t mask = (uint8_t)(1u << (i & 7));
    bits[i >> 3] = (uint8_t)(value ? bits[i >> 3] | mask : bits[i >> 3] & ~mask);
}

/* Writes all 64 bits of word at bit offset `at`: up to two words of the target. */
static inline void bits_put_word(uint8_t *bits, int64_t at, uint64_t word)
{
    uint8_t *place = bits + (at >> 6) * 8;
    int shift = (int)(at & 63);
    if (shift == 0) {
        memcpy(place, &word, 8);
        return;
    }
    uint64_t low, high = word >> (64 - shift);
    memcpy(&low, place, 8);
    low = (low & ((UINT64_C(1) << shift) - 1)) | word << shift;
    memcpy(place, &low, 8);
    memcpy(place + 8, &high, 8);
}

/* Writes the lowest n (1..64) bits of word: the second word of the target is touched only where the run
 * reaches it. */
static inline void bits_put_some(uint8_t *bits, int64_t at, uint64_t word, int n)
{
    int shift = (int)(at & 63);
    if (shift == 0 || shift + n > 64) {
        bits_put_word(bits, at, word);
        return;
    }
    uint8_t *place = bits + (at >> 6) * 8;
    uint64_t low;
    memcpy(&low, place, 8);
    low = (low & ((UINT64_C(1) << shift) - 1)) | word << shift;
    memcpy(place, &low, 8);
}

/* n (1..64) bits from bit offset `from`; bits above n are not defined. */
static inline uint64_t bits_some(const uint8_t *bits, int64_t from, int n)
{
    const uint8_t *place = bits + (from >> 6) * 8;
    int shift = (int)(from & 63);
    uint64_t low, high;
    memcpy(&low, place, 8);
    if (shift + n <= 64)
        return low >> shift;
    memcpy(&high, place + 8, 8);
    return low >> shift | high << (64 - shift);
}

static inline void bits_copy(uint8_t *target, int64_t at, const uint8_t *source, int64_t from, int64_t n)
{
    for (; n >= 64; n -= 64, at += 64, from += 64)
        bits_put_word(target, at, bits_some(source, from, 64));
    if (n > 0)
        bits_put_some(target, at, bits_some(source, from, (int)n), (int)n);
}

static inline void bits_fill(uint8_t *target, int64_t at, int64_t n)
{
    for (; n >= 64; n -= 64, at += 64)
        bits_put_word(target, at, UINT64_MAX);
    if (n > 0)
        bits_put_some(target, at, UINT64_MAX, (int)n);
}

/* How many of n bits from `from` are set. */
static inline int64_t bits_count(const uint8_t *bits, int64_t from, int64_t n)
{
    int64_t count = 0;
    for (; n >= 64; n -= 64, from += 64)
        count += __builtin_popcountll(bits_some(bits, from, 64));
    if (n > 0)
        count += __builtin_popcountll(bits_some(bits, from, (int)n) << (64 - n));
    return count;
}

#endif
