/*
 * Exact sums. Results never depend on the order or the history of additions and removals: a sum is an
 * integer, and it is rounded once, to nearest even, when it is read.
 *
 * A double is m * 2^e. On a grid of 2^-75 it is an integer of 128 bits if it is a multiple of 2^-75 and below
 * 2^51: every amount from micro-units to 10^15. Adding and removing it is one 128-bit addition. What does not
 * fit (tiny, huge, or a sum beyond 2^127) spills, exactly too, into an accumulator as wide as all of double's
 * range (2240 bits, allocated when first needed); NaN and infinities are counted there, so that they leave
 * again. Integers and DECIMALs use the same 128 bits in units of their own.
 *
 *   struct exact (32 bytes): [ sum 16 | count 8 | spill 8 ]
 *
 * Threads: one owner. Source of the idea of the wide accumulator: Kulisch, "Computer arithmetic and validity"
 * (2008).
 */
#ifndef SHRIKE_FEATURE_EXACT_H
#define SHRIKE_FEATURE_EXACT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

struct exact_spill;

struct exact {
    __int128 sum;
    int64_t count;             /* values added and not removed; NULL is not added */
    struct exact_spill *spill; /* NULL until something does not fit; owned */
};

enum { EXACT_GRID = 75 }; /* the unit of a double's sum is 2^-EXACT_GRID */
#define EXACT_UNIT 0x1p-75

void exact_done(struct exact *exact);

/* Bytes that sums spilled into on this thread, less what this thread gave back: its difference over some work
 * is what that work took, without a look at each sum. */
int64_t exact_spilled(void);

/* The slow ways, for what does not fit. sign: +1 to add, -1 to remove. False: no memory, nothing changed. */
bool exact_spill_double(struct exact *exact, double value, int sign);
bool exact_spill_wide(struct exact *exact, __int128 value, int sign);

/* value on the grid, where that takes no more than a multiplication: below 2^42, and not 0. */
static inline __attribute__((always_inline)) bool exact_is_usual(double value, __int128 *ret)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int shift = (int)(bits >> 52 & 2047) - (1075 - EXACT_GRID);
    uint64_t mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if ((unsigned)shift >= 64)
        return false;
    __int128 magnitude = (__int128)((unsigned __int128)mantissa * (UINT64_C(1) << shift));
    *ret = __builtin_expect((int64_t)bits < 0, 0) ? -magnitude : magnitude;
    return true;
}

/* value on the grid, or false where it is off it. */
static inline bool exact_on_grid(double value, __int128 *ret)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int shift = (int)(bits >> 52 & 2047) - (1075 - EXACT_GRID);
    uint64_t mantissa = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
    if (exact_is_usual(value, ret))
        return true;
    if (shift < 0 || shift > 73) {
        *ret = 0;
        return value == 0;
    }
    __int128 sign = (int64_t)bits >> 63;
    *ret = ((__int128)((unsigned __int128)mantissa << shift) ^ sign) - sign;
    return true;
}

/* Adds (sign 1) or removes (-1) a value that exact_on_grid was asked about before: one conversion may serve
 * several sums. */
static inline __attribute__((always_inline)) bool exact_run(struct exact *exact, double value, bool on_grid,
                                                            __int128 grid, int sign)
{
    __int128 sum;
    bool over = sign > 0 ? __builtin_add_overflow(exact->sum, grid, &sum)
                         : __builtin_sub_overflow(exact->sum, grid, &sum);
    if (on_grid && !over)
        exact->sum = sum;
    else if (!exact_spill_double(exact, value, sign))
        return false;
    exact->count += sign;
    return true;
}

static inline bool exact_add(struct exact *exact, double value)
{
    __int128 grid;
    bool on_grid = exact_on_grid(value, &grid);
    return exact_run(exact, value, on_grid, grid, 1);
}

static inline bool exact_remove(struct exact *exact, double value)
{
    __int128 grid;
    bool on_grid = exact_on_grid(value, &grid);
    return exact_run(exact, value, on_grid, grid, -1);
}

static inline bool exact_add_wide(struct exact *exact, __int128 value)
{
    __int128 sum;
    if (__builtin_add_overflow(exact->sum, value, &sum)) {
        if (!exact_spill_wide(exact, value, 1))
            return false;
    } else {
        exact->sum = sum;
    }
    exact->count++;
    return true;
}

static inline bool exact_remove_wide(struct exact *exact, __int128 value)
{
    __int128 sum;
    if (__builtin_sub_overflow(exact->sum, value, &sum)) {
        if (!exact_spill_wide(exact, value, -1))
            return false;
    } else {
        exact->sum = sum;
    }
    exact->count--;
    return true;
}

/* To bytes and back: sum, count, and whether there is a spill, which follows. Loads into an empty one. */
void exact_save(const struct exact *exact, struct bytes_out *out);
bool exact_load(struct exact *exact, struct bytes_in *in);

/* The sum of doubles, rounded once. */
double exact_sum(const struct exact *exact);
/* The sum of integers or DECIMALs in their own unit; false where it does not fit. */
bool exact_sum_wide(const struct exact *exact, __int128 *ret);
/* Sum / count, rounded once; count > 0. */
double exact_mean_slow(const struct exact *exact);
/* Sum / (count * 10^scale) of integers (scale 0) or DECIMALs, rounded once. */
double exact_mean_wide(const struct exact *exact, int scale);

/* sum / n in double arithmetic, where that can be shown to be the one rounding: for a sum below 2^106 and n
 * below 2^26, nearly always. The sum is hi + lo exactly. Of q, which is hi / n but for two roundings, the
 * remainder hi - q * n is a double, found exactly by two halves of q; so q + e, e = (remainder + lo) / n, is
 * off by no more than the three roundings of e. Where e a little smaller and e a little larger give the same
 * sum with q, that is the quotient to the nearest (Ziv's test). */
static inline __attribute__((always_inline)) bool exact_divide(__int128 sum, uint64_t n, double *ret)
{
    int64_t high = (int64_t)(sum >> 64);
    uint64_t low = (uint64_t)sum, bits;
    if (((uint64_t)high + (UINT64_C(1) << 41)) >> 42 || n >> 26)
        return false;
    double a = (double)high * 0x1p64, b = (double)(int64_t)(low >> 32) * 0x1p32;
    double hi = a + b, lo = b - (hi - a) + (double)(int64_t)(low & UINT32_MAX);
    double divisor = (double)(int64_t)n, part = 1 / divisor, q = hi * part, upper;
    memcpy(&bits, &q, sizeof bits);
    bits &= ~((UINT64_C(1) << 27) - 1);
    memcpy(&upper, &bits, sizeof upper);
    double rest = hi - upper * divisor - (q - upper) * divisor;
    double e = (rest + lo) * part, margin = __builtin_fabs(e) * 0x1p-49;
    *ret = q + (e + margin);
    return *ret == q + (e - margin);
}

/* Sum / count, rounded once; count > 0. */
static inline __attribute__((always_inline)) double exact_mean(const struct exact *exact)
{
    double value;
    if (!exact->spill && exact_divide(exact->sum, (uint64_t)exact->count, &value))
        return value * EXACT_UNIT;
    return exact_mean_slow(exact);
}

#endif
