#include "feature/exact.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "feature/exact_spill.h"
#include "feature/kernels.h"
#include "feature/limbs.h"

enum { GRID_BIT = -EXACT_SMALLEST - EXACT_GRID }; /* of the accumulator: the 128-bit sum's unit */

static _Thread_local int64_t spilled;

int64_t exact_spilled(void)
{
    return spilled;
}

void exact_spill_count(int64_t bytes)
{
    spilled += bytes;
}

void exact_done(struct exact *exact)
{
    spilled -= exact->spill ? (int64_t)sizeof *exact->spill : 0;
    free(exact->spill);
    exact->spill = NULL;
}

static bool spill_ready(struct exact *exact)
{
    if (!exact->spill) {
        exact->spill = calloc(1, sizeof *exact->spill);
        spilled += exact->spill ? (int64_t)sizeof *exact->spill : 0;
    }
    return exact->spill != NULL;
}

bool exact_spill_double(struct exact *exact, double value, int sign)
{
    if (!spill_ready(exact))
        return false;
    if (isnan(value)) {
        exact->spill->nan += sign;
    } else if (isinf(value)) {
        *(value > 0 ? &exact->spill->positive : &exact->spill->negative) += sign;
    } else {
        int exponent;
        uint64_t mantissa = limbs_mantissa(value, &exponent);
        limbs_add(exact->spill->limbs, EXACT_LIMBS, exponent - EXACT_SMALLEST, mantissa,
                  (value < 0) != (sign < 0));
    }
    return true;
}

bool exact_spill_wide(struct exact *exact, __int128 value, int sign)
{
    if (!spill_ready(exact))
        return false;
    limbs_add(exact->spill->limbs, EXACT_LIMBS, GRID_BIT, limbs_magnitude(value), (value < 0) != (sign < 0));
    return true;
}

/* value to the nearest double, ties to even. */
static double round_magnitude(unsigned __int128 value)
{
    int shift = limbs_bits(value) - 53;
    if (shift <= 0)
        return (double)(uint64_t)value;
    unsigned __int128 half = (unsigned __int128)1 << (shift - 1), rest = value & ((half << 1) - 1);
    uint64_t mantissa = (uint64_t)(value >> shift);
    if (rest > half || (rest == half && (mantissa & 1)))
        mantissa++;
    return (double)mantissa * limbs_power2(shift);
}

bool exact_total(const struct exact *exact, uint64_t ret[EXACT_LIMBS])
{
    if (exact->spill)
        memcpy(ret, exact->spill->limbs, sizeof exact->spill->limbs);
    else
        memset(ret, 0, sizeof exact->spill->limbs);
    limbs_add(ret, EXACT_LIMBS, GRID_BIT, limbs_magnitude(exact->sum), exact->sum < 0);
    return limbs_absolute(ret, EXACT_LIMBS);
}

/* The same with limbs below 2^-1074 for what a division leaves over. */
enum { PAD = 4, TOTAL = EXACT_LIMBS + PAD };

static bool total_magnitude(const struct exact *exact, uint64_t total[TOTAL])
{
    memset(total, 0, PAD * sizeof *total);
    return exact_total(exact, total + PAD);
}

static bool special(const struct exact *exact, double *ret)
{
    const struct exact_spill *spill = exact->spill;
    if (spill->nan || (spill->positive && spill->negative))
        *ret = NAN;
    else if (spill->positive || spill->negative)
        *ret = spill->positive ? INFINITY : -INFINITY;
    else
        return false;
    return true;
}

static double slow(const struct exact *exact, const uint64_t *divisors, int n, int unit)
{
    uint64_t total[TOTAL];
    double value;
    if (special(exact, &value))
        return value;
    bool negative = total_magnitude(exact, total), sticky = false;
    for (int i = 0; i < n; i++)
        sticky |= limbs_divide(total, TOTAL, divisors[i]);
    value = limbs_round(total, TOTAL, EXACT_SMALLEST - 64 * PAD, sticky);
    /* Integers count units of 1, not of 2^-75: scaling by a power of two is exact, since they are never
     * subnormal. */
    value = ldexp(value, unit);
    return negative ? -value : value;
}

double exact_sum(const struct exact *exact)
{
    if (exact->spill)
        return slow(exact, NULL, 0, 0);
    double value = round_magnitude(limbs_magnitude(exact->sum)) * limbs_power2(-EXACT_GRID);
    return exact->sum < 0 ? -value : value;
}

bool exact_sum_wide(const struct exact *exact, __int128 *ret)
{
    if (!exact->spill) {
        *ret = exact->sum;
        return true;
    }
    uint64_t total[TOTAL];
    bool negative = total_magnitude(exact, total);
    unsigned __int128 value = 0;
    for (int bit = 0; bit < TOTAL * 64; bit++) {
        int at = bit - 64 * PAD - GRID_BIT;
        if (total[bit / 64] >> (bit % 64) & 1) {
            if (at < 0 || at >= 127)
                return false;
            value |= (unsigned __int128)1 << at;
        }
    }
    *ret = negative ? -(__int128)value : (__int128)value;
    return true;
}

/* sum / divisor * 2^unit, rounded once. divisor < 2^63. */
static double divide_once(__int128 sum, uint64_t divisor, int unit)
{
    double value = limbs_quotient(limbs_magnitude(sum), false, divisor, unit);
    return sum < 0 ? -value : value;
}

double exact_mean_slow(const struct exact *exact)
{
    assert(exact->count > 0);
    uint64_t n = (uint64_t)exact->count;
    /* Two values are often as far from one double as from the next, which exact_divide cannot tell. Halves
     * are exact, so that the sum alone is rounded. */
    if (!exact->spill && !(n & (n - 1)))
        return (double)exact->sum / (double)n * EXACT_UNIT;
    return exact->spill ? slow(exact, &n, 1, 0) : divide_once(exact->sum, n, -EXACT_GRID);
}

double exact_mean_wide(const struct exact *exact, int scale)
{
    assert(exact->count > 0 && scale >= 0 && scale <= 38);
    uint64_t divisors[4] = {(uint64_t)exact->count}, divisor;
    int n = 1;
    if (!exact->spill && scale <= 18 &&
        !__builtin_mul_overflow(divisors[0], (uint64_t)power10[scale], &divisor) &&
        divisor < UINT64_C(1) << 63)
        return divide_once(exact->sum, divisor, 0);
    for (int left = scale; left > 0; left -= 18)
        divisors[n++] = (uint64_t)power10[left < 18 ? left : 18];
    struct exact copy = *exact;
    struct exact_spill none = {0};
    if (!copy.spill)
        copy.spill = &none;
    return slow(&copy, divisors, n, EXACT_GRID);
}

void exact_save(const struct exact *exact, struct bytes_out *out)
{
    bytes_put(out, &exact->sum, sizeof exact->sum);
    bytes_put_i64(out, exact->count);
    bytes_put_u8(out, exact->spill != NULL);
    if (exact->spill)
        bytes_put(out, exact->spill, sizeof *exact->spill);
}

bool exact_load(struct exact *exact, struct bytes_in *in)
{
    bytes_get(in, &exact->sum, sizeof exact->sum);
    exact->count = bytes_get_i64(in);
    if (!bytes_get_u8(in))
        return in->rc == OK;
    if (!spill_ready(exact))
        return bytes_no_memory(in);
    return bytes_get(in, exact->spill, sizeof *exact->spill);
}
