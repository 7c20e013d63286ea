/*
 * Big numbers for tests: a sum of doubles or integers as one long binary number, added up the slowest and
 * plainest way, divided by long division and rounded once. Shares nothing with src/feature/exact.c, whose
 * oracle it is.
 *
 * 128 digits of 32 bits hold every double, sums of billions of them, and 462 bits below the smallest double
 * for what a division leaves over. Two of them: what was added that is positive, and what is negative.
 */
#ifndef SHRIKE_TESTS_BIG_H
#define SHRIKE_TESTS_BIG_H

#include <stdbool.h>
#include <stdint.h>

enum { BIG_DIGITS = 128, BIG_LOWEST = -1536 }; /* bit 0 of digit 0 is worth 2^BIG_LOWEST */

struct big {
    uint32_t positive[BIG_DIGITS], negative[BIG_DIGITS];
    int64_t nan, infinite, minus_infinite;
};

void big_add_double(struct big *big, double value);
void big_add_wide(struct big *big, __int128 value);

/* (sum / n) / 10^scale to the nearest double, ties to even. NaN and infinities as in IEEE addition. */
double big_quotient(const struct big *big, int64_t n, int scale);
static inline double big_sum(const struct big *big)
{
    return big_quotient(big, 1, 0);
}
/* The sum of integers; false where it needs more than 127 bits and a sign. */
bool big_wide(const struct big *big, __int128 *ret);

/* (n Sxx - Sx^2) / n^2, of a sample / (n (n - 1)), of n < 2^32 doubles, rounded once; NaN where one is not
 * finite. False: fewer than one value, of a sample two. */
bool big_variance(const double *values, int64_t n, bool sample, double *ret);

#endif
