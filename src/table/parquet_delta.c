/*
 * DELTA_BINARY_PACKED: blocks of 128 differences, each with its least difference, from which the others are
 * told in four miniblocks of 32, every one with as many bits as its largest needs.
 */
#include <string.h>

#include "table/parquet_encode.h"
#include "table/varint.h"

enum { BLOCK = 128, MINIS = 4, MINI = BLOCK / MINIS, WORD = 8 };

/* Differences wrap around at the width of the type: one of 4 bytes never needs more than 32 bits. */
static int64_t difference(const void *values, int64_t i, int width)
{
    if (width == 8) {
        const uint64_t *wide = values;
        return (int64_t)(wide[i] - wide[i - 1]);
    }
    const uint32_t *narrow = values;
    return (int32_t)(narrow[i] - narrow[i - 1]);
}

static int bits_of(const uint64_t *values)
{
    uint64_t all = 0;
    for (int i = 0; i < MINI; i++)
        all |= values[i];
    return all ? 64 - __builtin_clzll(all) : 0;
}

static size_t pack(const uint64_t *values, int bits, uint8_t *out)
{
    uint64_t word = 0;
    int used = 0;
    uint8_t *place = out;
    for (int i = 0; i < MINI; i++) {
        word |= values[i] << used;
        used += bits;
        if (used < 64)
            continue;
        memcpy(place, &word, WORD);
        place += WORD;
        used -= 64;
        word = used ? values[i] >> (bits - used) : 0;
    }
    memcpy(place, &word, WORD);
    return (size_t)(MINI * bits / 8);
}

/* The differences of values [from, from + n), n at most BLOCK, to the ones before them. */
static size_t put_block(const void *values, int64_t from, int n, int width, uint8_t *out)
{
    int64_t differences[BLOCK], least = INT64_MAX;
    uint64_t above[BLOCK] = {0};
    for (int i = 0; i < n; i++) {
        differences[i] = difference(values, from + i, width);
        least = differences[i] < least ? differences[i] : least;
    }
    for (int i = 0; i < n; i++)
        above[i] = (uint64_t)differences[i] - (uint64_t)least;
    size_t size = varint_put(out, varint_zigzag(least));
    uint8_t *widths = out + size;
    size += MINIS;
    for (int k = 0; k < MINIS; k++) {
        int bits = k * MINI < n ? bits_of(above + k * MINI) : 0;
        widths[k] = (uint8_t)bits;
        if (bits)
            size += pack(above + k * MINI, bits, out + size);
    }
    return size;
}

size_t parquet_delta_bound(int64_t n, int width)
{
    size_t blocks = ((size_t)n + BLOCK - 1) / BLOCK;
    return 4 * VARINT_SIZE + blocks * ((size_t)(BLOCK * width) + VARINT_SIZE + MINIS) + WORD;
}

size_t parquet_delta(const void *values, int64_t n, int width, uint8_t *out)
{
    int64_t first = 0;
    if (n > 0)
        first = width == 8 ? *(const int64_t *)values : *(const int32_t *)values;
    size_t size = varint_put(out, BLOCK);
    size += varint_put(out + size, MINIS);
    size += varint_put(out + size, (uint64_t)n);
    size += varint_put(out + size, varint_zigzag(first));
    for (int64_t from = 1; from < n; from += BLOCK)
        size += put_block(values, from, n - from < BLOCK ? (int)(n - from) : BLOCK, width, out + size);
    return size;
}
