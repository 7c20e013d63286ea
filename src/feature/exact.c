#include "feature/exact.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "feature/kernels.h"

/*
 * Bit 0 of the wide accumulator is worth 2^-1074, the smallest double. 2098 bits hold every double, 64 more
 * their sums. It is a two's complement number, least significant limb first. The 128-bit sum's unit lies at
 * bit 999.
 */
enum { LIMBS = 35, SMALLEST = -1074, GRID_BIT = -SMALLEST - EXACT_GRID };

struct exact_spill {
    uint64_t limbs[LIMBS];
    int64_t nan, positive, negative; /* how many NaN, +inf, -inf are in the sum */
};

void exact_done(struct exact *exact)
{
    free(exact->spill);
    exact->spill = NULL;
}

static void limbs_add(uint64_t *limbs, int bit, unsigned __int128 value, bool negative)
{
    int limb = bit / 64, shift = bit % 64;
    uint64_t parts[3] = {(uint64_t)value << shift, (uint64_t)(value >> 1 >> (63 - shift)),
                         shift ? (uint64_t)(value >> 64 >> (64 - shift)) : 0};
    uint64_t carry = 0;
    for (int i = limb; i < LIMBS; i++) {
        uint64_t part = i - limb < 3 ? parts[i - limb] : 0;
        uint64_t sum;
        if (negative) {
            bool borrow = __builtin_sub_overflow(limbs[i], part, &sum);
            borrow |= __builtin_sub_overflow(sum, carry, &limbs[i]);
            carry = borrow;
        } else {
            bool over = __builtin_add_overflow(limbs[i], part, &sum);
            over |= __builtin_add_overflow(sum, carry, &limbs[i]);
            carry = over;
        }
        if (!carry && i - limb >= 2)
            break;
    }
}

static void limbs_add_signed(uint64_t *limbs, __int128 value)
{
    unsigned __int128 magnitude = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    limbs_add(limbs, GRID_BIT, magnitude, value < 0);
}

static bool spill_ready(struct exact *exact)
{
    if (!exact->spill)
        exact->spill = calloc(1, sizeof *exact->spill);
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
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        int exponent = (int)(bits >> 52 & 2047);
        uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
        if (exponent)
            mantissa |= UINT64_C(1) << 52;
        limbs_add(exact->spill->limbs, exponent ? exponent - 1 : 0, mantissa,
                  ((int64_t)bits < 0) != (sign < 0));
    }
    return true;
}

bool exact_spill_wide(struct exact *exact, __int128 value, int sign)
{
    if (!spill_ready(exact))
        return false;
    unsigned __int128 magnitude = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    limbs_add(exact->spill->limbs, GRID_BIT, magnitude, (value < 0) != (sign < 0));
    return true;
}

/* A power of two that is a normal double. */
static double power2(int exponent)
{
    assert(exponent >= -1022 && exponent <= 1023);
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* value (+ a bit below it if sticky) to the nearest double, ties to even. */
static double round_magnitude(unsigned __int128 value, bool sticky)
{
    uint64_t high = (uint64_t)(value >> 64);
    int top = high              ? 127 - __builtin_clzll(high)
              : (uint64_t)value ? 63 - __builtin_clzll((uint64_t)value)
                                : 0;
    if (top <= 52)
        return (double)(uint64_t)value;
    int shift = top - 52;
    unsigned __int128 half = (unsigned __int128)1 << (shift - 1), rest = value & ((half << 1) - 1);
    uint64_t mantissa = (uint64_t)(value >> shift);
    if (rest > half || (rest == half && (sticky || (mantissa & 1))))
        mantissa++;
    return (double)mantissa * power2(shift);
}

/* The whole sum as a magnitude in limbs (64 * PAD bits below 2^-1074 appended) for the slow ways; true if
 * negative. */
enum { PAD = 4, TOTAL = LIMBS + PAD };

static bool total_magnitude(const struct exact *exact, uint64_t total[TOTAL])
{
    memset(total, 0, TOTAL * sizeof *total);
    memcpy(total + PAD, exact->spill->limbs, LIMBS * sizeof *total);
    limbs_add_signed(total + PAD, exact->sum);
    bool negative = total[TOTAL - 1] >> 63;
    if (negative) {
        uint64_t carry = 1;
        for (int i = 0; i < TOTAL; i++) {
            total[i] = ~total[i] + carry;
            carry = carry && total[i] == 0;
        }
    }
    return negative;
}

static bool divide(uint64_t total[TOTAL], uint64_t divisor)
{
    unsigned __int128 rest = 0;
    for (int i = TOTAL - 1; i >= 0; i--) {
        rest = rest << 64 | total[i];
        total[i] = (uint64_t)(rest / divisor);
        rest %= divisor;
    }
    return rest != 0;
}

/* Rounds the magnitude; bit 0 is worth 2^(SMALLEST - 64 * PAD). Subnormals lose bits before the rounding, not
 * after. */
static double round_total(const uint64_t total[TOTAL], bool sticky)
{
    int limb = TOTAL - 1;
    while (limb >= 0 && !total[limb])
        limb--;
    if (limb < 0)
        return 0;
    int top = limb * 64 + 63 - __builtin_clzll(total[limb]);
    int last = top - 52 > 64 * PAD ? top - 52 : 64 * PAD; /* the bit that becomes the mantissa's lowest */
    uint64_t mantissa = 0;
    for (int bit = last; bit <= top; bit++)
        mantissa |= (total[bit / 64] >> (bit % 64) & 1) << (bit - last);
    bool half = total[(last - 1) / 64] >> ((last - 1) % 64) & 1;
    for (int bit = 0; !sticky && bit < last - 1; bit++)
        sticky = total[bit / 64] >> (bit % 64) & 1;
    if (half && (sticky || (mantissa & 1)))
        mantissa++;
    return ldexp((double)mantissa, last - 64 * PAD + SMALLEST);
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
        sticky |= divide(total, divisors[i]);
    value = round_total(total, sticky);
    /* Integers count units of 1, not of 2^-75: scaling by a power of two is exact, since they are never
     * subnormal. */
    value = ldexp(value, unit);
    return negative ? -value : value;
}

static unsigned __int128 magnitude(__int128 value)
{
    return value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
}

double exact_sum(const struct exact *exact)
{
    if (exact->spill)
        return slow(exact, NULL, 0, 0);
    double value = round_magnitude(magnitude(exact->sum), false) * power2(-EXACT_GRID);
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

/* high:low / divisor, where high < divisor: one instruction where the processor has it. */
static inline uint64_t divide_wide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *ret_rest)
{
#if defined(__x86_64__)
    uint64_t quotient;
    __asm__("divq %4" : "=a"(quotient), "=d"(*ret_rest) : "0"(low), "1"(high), "r"(divisor) : "cc");
    return quotient;
#else
    unsigned __int128 value = (unsigned __int128)high << 64 | low;
    *ret_rest = (uint64_t)(value % divisor);
    return (uint64_t)(value / divisor);
#endif
}

/* sum / divisor * 2^unit, rounded once. The sum is shifted so that the quotient has 63 or 64 bits: ten more
 * than a double keeps; what is lost at either end only has to be known to be there. divisor < 2^63; the
 * result is normal. */
static double divide_once(__int128 sum, uint64_t divisor, int unit)
{
    unsigned __int128 value = magnitude(sum);
    if (!value)
        return 0;
    uint64_t high = (uint64_t)(value >> 64), rest;
    int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)value);
    int shift = 63 + 64 - __builtin_clzll(divisor) - bits;
    bool sticky = false;
    if (shift >= 0) {
        value <<= shift;
    } else {
        sticky = (value & (((unsigned __int128)1 << -shift) - 1)) != 0;
        value >>= -shift;
    }
    uint64_t quotient = divide_wide((uint64_t)(value >> 64), (uint64_t)value, divisor, &rest);
    sticky |= rest != 0;
    int drop = 64 - __builtin_clzll(quotient) - 53;
    uint64_t mantissa = quotient >> drop, half = UINT64_C(1) << (drop - 1),
             below = quotient & ((half << 1) - 1);
    mantissa += below > half || (below == half && (sticky || (mantissa & 1)));
    double rounded = (double)mantissa * power2(drop - shift + unit);
    return sum < 0 ? -rounded : rounded;
}

double exact_mean(const struct exact *exact)
{
    assert(exact->count > 0);
    uint64_t n = (uint64_t)exact->count;
    if (exact->spill)
        return slow(exact, &n, 1, 0);
    return divide_once(exact->sum, n, -EXACT_GRID);
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
