#include "feature/exact_squares.h"

#include <math.h>
#include <stdlib.h>

#include "feature/exact_spill.h"
#include "feature/limbs.h"

/*
 * Bit 0 of the wide accumulator of squares is worth 2^-2148, the smallest square. 4196 bits hold every
 * square, 63 more their sums, and 63 more the sums times their count: then the numerator of a variance fits
 * too. The denominator needs no bits below: 1074 of them lie below the smallest double already.
 */
enum { LIMBS = 68, UNIT = 2 * EXACT_SMALLEST, GRID_BIT = -UNIT - 2 * EXACT_GRID };

struct squares_spill {
    struct exact_spill sum; /* first, so that it is also the spill of struct exact, and freed as such */
    uint64_t limbs[LIMBS];
};

static struct squares_spill *spill_of(const struct exact_squares *squares)
{
    return (struct squares_spill *)squares->sum.spill;
}

/* What a spill has beyond that of a sum, which counts its own part. */
static const int64_t beyond = sizeof(struct squares_spill) - sizeof(struct exact_spill);

void exact_squares_done(struct exact_squares *squares)
{
    if (squares->sum.spill)
        exact_spill_count(-beyond);
    exact_done(&squares->sum);
}

static bool spill_ready(struct exact_squares *squares)
{
    if (!squares->sum.spill) {
        struct squares_spill *spill = calloc(1, sizeof *spill);
        if (!spill)
            return false;
        squares->sum.spill = &spill->sum;
        exact_spill_count(sizeof *spill);
    }
    return true;
}

bool exact_squares_spill(struct exact_squares *squares, double value, int sign)
{
    if (!spill_ready(squares))
        return false;
    exact_spill_double(&squares->sum, value, sign);
    if (isfinite(value)) {
        int exponent;
        uint64_t mantissa = limbs_mantissa(value, &exponent);
        limbs_add(spill_of(squares)->limbs, LIMBS, 2 * exponent - UNIT,
                  (unsigned __int128)mantissa * mantissa, sign < 0);
    }
    squares->sum.count += sign;
    return true;
}

/* n Sxx - Sx^2 where nothing is spilled, in units of 2^(-2 * EXACT_GRID). */
static void numerator_on_grid(const struct exact_squares *squares, uint64_t ret[5])
{
    unsigned __int128 square[2], part = 0;
    bool borrow = false;
    for (int i = 0; i < 4; i++) {
        uint64_t limb = (uint64_t)(squares->squares[i / 2] >> (64 * (i % 2)));
        part = (part >> 64) + (unsigned __int128)limb * (uint64_t)squares->sum.count;
        ret[i] = (uint64_t)part;
    }
    exact_square(squares->sum.sum, square);
    for (int i = 0; i < 4; i++) {
        uint64_t limb = (uint64_t)(square[i / 2] >> (64 * (i % 2)));
        bool under = __builtin_sub_overflow(ret[i], limb, &limb);
        borrow = under | __builtin_sub_overflow(limb, (uint64_t)borrow, &ret[i]);
    }
    ret[4] = (uint64_t)(part >> 64) - borrow;
}

/* The quotient of the numerator's upper 128 bits and whether others are set. The result is normal, from
 * 2^-213 to 2^103, or 0. divisor < 2^63. */
static double variance_on_grid(const struct exact_squares *squares, uint64_t divisor)
{
    uint64_t limbs[5];
    numerator_on_grid(squares, limbs);
    int last = 4, shift = 0;
    while (last > 1 && !limbs[last])
        last--;
    unsigned __int128 value = (unsigned __int128)limbs[last] << 64 | limbs[last - 1];
    bool sticky = false;
    if (last > 1) {
        shift = __builtin_clzll(limbs[last]);
        value = value << shift | limbs[last - 2] >> 1 >> (63 - shift);
        sticky = limbs[last - 2] << shift != 0;
        for (int i = 0; i < last - 2; i++)
            sticky |= limbs[i] != 0;
    }
    return limbs_quotient(value, sticky, divisor, 64 * (last - 1) - shift - 2 * EXACT_GRID);
}

/* The same for all doubles and counts, in limbs. */
static double variance_of_all(const struct exact_squares *squares, uint64_t n, uint64_t degrees)
{
    uint64_t limbs[LIMBS] = {0}, sum[EXACT_LIMBS];
    if (squares->sum.spill)
        memcpy(limbs, spill_of(squares)->limbs, sizeof limbs);
    limbs_add(limbs, LIMBS, GRID_BIT, squares->squares[0], false);
    limbs_add(limbs, LIMBS, GRID_BIT + 128, squares->squares[1], false);
    limbs_multiply(limbs, LIMBS, n);
    exact_total(&squares->sum, sum);
    for (int i = 0; i < EXACT_LIMBS; i++)
        for (int j = 0; sum[i] && j < EXACT_LIMBS; j++)
            if (sum[j])
                limbs_add(limbs, LIMBS, 64 * (i + j), (unsigned __int128)sum[i] * sum[j], true);
    bool sticky = limbs_divide(limbs, LIMBS, n);
    sticky |= limbs_divide(limbs, LIMBS, degrees);
    return limbs_round(limbs, LIMBS, UNIT, sticky);
}

bool exact_squares_variance(const struct exact_squares *squares, bool sample, double *ret)
{
    const struct exact_spill *spill = squares->sum.spill;
    int64_t n = squares->sum.count, degrees = n - sample, divisor;
    if (degrees <= 0)
        return false;
    if (spill && (spill->nan || spill->positive || spill->negative))
        *ret = NAN;
    else if (!spill && !__builtin_mul_overflow(n, degrees, &divisor))
        *ret = variance_on_grid(squares, (uint64_t)divisor);
    else
        *ret = variance_of_all(squares, (uint64_t)n, (uint64_t)degrees);
    return true;
}

void exact_squares_save(const struct exact_squares *squares, struct bytes_out *out)
{
    bytes_put(out, &squares->sum.sum, sizeof squares->sum.sum);
    bytes_put_i64(out, squares->sum.count);
    bytes_put(out, squares->squares, sizeof squares->squares);
    bytes_put_u8(out, squares->sum.spill != NULL);
    if (squares->sum.spill)
        bytes_put(out, spill_of(squares), sizeof(struct squares_spill));
}

bool exact_squares_load(struct exact_squares *squares, struct bytes_in *in)
{
    bytes_get(in, &squares->sum.sum, sizeof squares->sum.sum);
    squares->sum.count = bytes_get_i64(in);
    bytes_get(in, squares->squares, sizeof squares->squares);
    if (!bytes_get_u8(in))
        return in->rc == OK;
    if (!spill_ready(squares))
        return bytes_no_memory(in);
    return bytes_get(in, spill_of(squares), sizeof(struct squares_spill));
}
