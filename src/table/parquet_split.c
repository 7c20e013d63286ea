/*
 * BYTE_STREAM_SPLIT. Sixteen values at a time are a matrix of bytes that is turned on its side by
 * interleavings of halves, which compilers make one instruction of where the processor has vectors.
 */
#include <string.h>

#include "table/parquet_encode.h"

enum { LANE = 16 };

typedef uint8_t lane __attribute__((vector_size(LANE)));

#define LOWER(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define UPPER(a, b) \
    __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* `width` lanes of bytes b with index value * width + byte: each step moves the uppermost bit of the index to
 * its lower end, so that four of them leave byte * 16 + value. */
static void turn(lane *lanes, int width)
{
    lane next[8];
    for (int step = 0; step < 4; step++) {
        for (int i = 0; i < width / 2; i++) {
            next[2 * i] = LOWER(lanes[i], lanes[i + width / 2]);
            next[2 * i + 1] = UPPER(lanes[i], lanes[i + width / 2]);
        }
        memcpy(lanes, next, (size_t)width * LANE);
    }
}

static inline int64_t split_lanes(const uint8_t *in, int64_t n, int width, uint8_t *out)
{
    int64_t i = 0;
    for (; i + LANE <= n; i += LANE) {
        lane lanes[8];
        memcpy(lanes, in + i * width, (size_t)(LANE * width));
        turn(lanes, width);
        for (int b = 0; b < width; b++)
            memcpy(out + b * n + i, &lanes[b], LANE);
    }
    return i;
}

void parquet_split(const void *values, int64_t n, int width, uint8_t *out)
{
    const uint8_t *in = values;
    int64_t i = width == 8 ? split_lanes(in, n, 8, out) : split_lanes(in, n, 4, out);
    for (; i < n; i++) {
        for (int b = 0; b < width; b++)
            out[b * n + i] = in[i * width + b];
    }
}
