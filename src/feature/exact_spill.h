/*
 * What a struct exact spills into: an accumulator as wide as all of double's range. Internal to exact.c and
 * exact_squares.c, whose own spill begins with one.
 *
 * Bit 0 is worth 2^-1074, the smallest double. 2098 bits hold every double, 64 more their sums. It is a two's
 * complement number in limbs.
 *
 * Threads, memory: as in exact.h.
 */
#ifndef SHRIKE_FEATURE_EXACT_SPILL_H
#define SHRIKE_FEATURE_EXACT_SPILL_H

#include "feature/exact.h"

enum { EXACT_LIMBS = 35, EXACT_SMALLEST = -1074 };

struct exact_spill {
    uint64_t limbs[EXACT_LIMBS];
    int64_t nan, positive, negative; /* how many NaN, +inf, -inf are in the sum */
};

/* Adds to exact_spilled. */
void exact_spill_count(int64_t bytes);

/* The magnitude of the whole sum, spilled or not, in units of 2^-1074; true if negative. */
bool exact_total(const struct exact *exact, uint64_t ret[EXACT_LIMBS]);

#endif
