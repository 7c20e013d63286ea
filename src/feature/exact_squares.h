/*
 * Exact variances: beside an exact sum, the exact sum of the squares of the same doubles. Like the sum, it
 * never depends on the order or the history of additions and removals, and the variance is rounded once, to
 * nearest even, when it is read: equal values have a variance of exactly 0, however large.
 *
 * A double on the sum's grid of 2^-75, below 2^51, has a square on a grid of 2^-150, below 2^102: an integer
 * of 256 bits holds at least 16 of the largest and 2^90 amounts of a thousand. Where the sum or the squares
 * do not fit, the value goes into the spill, which then is wide enough for the square of any double.
 *
 *   struct exact_squares (64 bytes, one cache line): [ sum 32 | squares 32 ]
 *
 * The members' count, sum and mean are read from `sum` with exact_sum and exact_mean; values go in and out
 * only through the functions here. Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_EXACT_SQUARES_H
#define SHRIKE_FEATURE_EXACT_SQUARES_H

#include "feature/exact.h"

struct exact_squares {
    struct exact sum;             /* its spill is the spill of both */
    unsigned __int128 squares[2]; /* low, high; in units of 2^(-2 * EXACT_GRID) */
};

void exact_squares_done(struct exact_squares *squares);

/* As exact_save and exact_load. */
void exact_squares_save(const struct exact_squares *squares, struct bytes_out *out);
bool exact_squares_load(struct exact_squares *squares, struct bytes_in *in);

/* The slow way, for what does not fit. sign: +1 to add, -1 to remove. False: no memory, nothing changed. */
bool exact_squares_spill(struct exact_squares *squares, double value, int sign);

/* value^2, for |value| < 2^127. */
static inline void exact_square(__int128 value, unsigned __int128 ret[2])
{
    unsigned __int128 magnitude = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    uint64_t low = (uint64_t)magnitude, high = (uint64_t)(magnitude >> 64);
    unsigned __int128 middle = ((unsigned __int128)low * high) << 1;
    bool carry = __builtin_add_overflow((unsigned __int128)low * low, middle << 64, &ret[0]);
    ret[1] = (unsigned __int128)high * high + (middle >> 64) + carry;
}

static inline bool exact_squares_add(struct exact_squares *squares, double value)
{
    __int128 grid, sum;
    unsigned __int128 square[2], low, high;
    bool fits = exact_on_grid(value, &grid) && !__builtin_add_overflow(squares->sum.sum, grid, &sum);
    if (fits) {
        exact_square(grid, square);
        bool carry = __builtin_add_overflow(squares->squares[0], square[0], &low);
        fits = !__builtin_add_overflow(squares->squares[1], square[1] + carry, &high);
    }
    if (!fits)
        return exact_squares_spill(squares, value, 1);
    squares->sum.sum = sum;
    squares->sum.count++;
    squares->squares[0] = low;
    squares->squares[1] = high;
    return true;
}

static inline bool exact_squares_remove(struct exact_squares *squares, double value)
{
    __int128 grid, sum;
    unsigned __int128 square[2], low, high;
    bool fits = exact_on_grid(value, &grid) && !__builtin_sub_overflow(squares->sum.sum, grid, &sum);
    if (fits) {
        exact_square(grid, square);
        bool borrow = __builtin_sub_overflow(squares->squares[0], square[0], &low);
        fits = !__builtin_sub_overflow(squares->squares[1], square[1] + borrow, &high);
    }
    if (!fits)
        return exact_squares_spill(squares, value, -1);
    squares->sum.sum = sum;
    squares->sum.count--;
    squares->squares[0] = low;
    squares->squares[1] = high;
    return true;
}

/* (n Sxx - Sx^2) / n^2, of a sample / (n (n - 1)), rounded once. False (NULL): no value, of a sample no two.
 * NaN where a NaN or an infinity is among the values; infinity where the result is beyond the doubles. */
bool exact_squares_variance(const struct exact_squares *squares, bool sample, double *ret);

#endif
