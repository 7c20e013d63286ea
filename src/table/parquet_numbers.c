/* Codes for values that repeat. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "table/parquet_encode.h"

/* Twice as many slots as codes, of which the highest stands for "none" in a slot. */
enum { SLOT_BITS = 17, MOST = 65535, BLOCKS = 16, FIRST_LOOK = 2, SURE_LOOK = 4 };

bool numbers_init(struct numbers *numbers)
{
    *numbers = (struct numbers){.values = memory_aligned(MOST * sizeof *numbers->values),
                                .slots = memory_aligned(sizeof *numbers->slots << SLOT_BITS)};
    if (numbers->values && numbers->slots)
        return true;
    numbers_done(numbers);
    return false;
}

void numbers_done(struct numbers *numbers)
{
    free(numbers->values);
    free(numbers->slots);
    *numbers = (struct numbers){0};
}

/* Whether a dictionary of `distinct` values and the codes save a quarter. */
static bool pays(double distinct, double n, int width)
{
    int bits = parquet_code_bits((int64_t)distinct);
    return distinct <= MOST && distinct * width + n * bits / 8 <= n * width * 3 / 4;
}

/* The code of a value, a new one where it has none; -1 where there are no more. */
static int code_of(struct numbers *numbers, uint64_t value)
{
    uint64_t hash = (value ^ value >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = hash >> (64 - SLOT_BITS), mask = ((size_t)1 << SLOT_BITS) - 1;
    for (; numbers->slots[slot]; slot = (slot + 1) & mask) {
        int code = numbers->slots[slot] - 1;
        if (numbers->values[code] == value)
            return code;
    }
    if (numbers->n == MOST)
        return -1;
    numbers->values[numbers->n++] = value;
    numbers->slots[slot] = (uint16_t)numbers->n;
    return numbers->n - 1;
}

static inline bool assign(struct numbers *numbers, const void *values, int64_t from, int64_t to, int width,
                          uint16_t *codes)
{
    uint64_t before = 0;
    int code = -1;
    for (int64_t i = from; i < to; i++) {
        uint64_t value = width == 8 ? ((const uint64_t *)values)[i] : ((const uint32_t *)values)[i];
        if (code < 0 || value != before)
            code = code_of(numbers, value);
        if (code < 0)
            return false;
        before = value;
        codes[i] = (uint16_t)code;
    }
    return true;
}

bool numbers_assign(struct numbers *numbers, const void *values, int64_t n, int width, uint16_t *codes)
{
    memset(numbers->slots, 0, sizeof *numbers->slots << SLOT_BITS);
    numbers->n = 0;
    for (int block = 0; block < BLOCKS; block++) {
        int64_t from = n * block / BLOCKS, to = n * (block + 1) / BLOCKS;
        int before = numbers->n;
        if (!(width == 8 ? assign(numbers, values, from, to, 8, codes)
                         : assign(numbers, values, from, to, 4, codes)))
            return false;
        /* New values come ever more seldom: at the pace of this block there will be at most so many, and
         * early on far fewer, so that only a hopeless case is given up then. */
        double pace = to > from ? (double)(numbers->n - before) / (double)(to - from) : 0;
        double most = numbers->n + pace * (double)(n - to);
        if (block + 1 < SURE_LOOK)
            most /= 1.5;
        if (block + 1 >= FIRST_LOOK && !pays(most, (double)n, width))
            return false;
    }
    return n > 0;
}
