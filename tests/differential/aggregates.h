/*
 * The aggregates of windows over members that were collected before, each in the plainest way: the slow half
 * of the rescan that knows nothing of time.
 */
#ifndef SHRIKE_TESTS_AGGREGATES_H
#define SHRIKE_TESTS_AGGREGATES_H

#include "feature/compile.h"

/* A slot over all events: argument, and where it counts. */
struct values {
    struct vector argument;
    bool *marks;
};

/* Members of a window: rows of the events in (time, arrival) order. */
struct members {
    const int64_t *rows;
    int64_t n;
};

/* DuckDB's order of two values of a vector: NaN is the largest and equals NaN, 0.0 equals -0.0. */
int values_order(const struct vector *vector, int64_t a, int64_t b);

/* Writes the result to row e. `rows`: for FIRST and LAST, which events count. Returns the magnitude that
 * errors of rounding are measured by (rescan.h). */
double aggregate_members(const struct window *window, const struct slot *slot, const struct values *values,
                         const struct values *rows, struct members members, struct vector *result, int64_t e);

#endif
