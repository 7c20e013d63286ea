/*
 * Integers in seven bits a byte, the lowest first (ULEB128), as Parquet and Thrift have them. Reentrant.
 */
#ifndef SHRIKE_TABLE_VARINT_H
#define SHRIKE_TABLE_VARINT_H

#include <stddef.h>
#include <stdint.h>

enum { VARINT_SIZE = 10 }; /* of the largest */

/* Bytes written. */
static inline size_t varint_put(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    for (; value >= 128; value >>= 7)
        out[size++] = (uint8_t)(value | 128);
    out[size++] = (uint8_t)value;
    return size;
}

/* Small numbers of either sign become small numbers without one. */
static inline uint64_t varint_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

#endif
