/*
 * Which kinds of windows the random plans have, and what each kind met: a table of aggregate x frame x what
 * rescan.h calls seen. A cell that can be reached and stayed empty is a hole in the test.
 */
#ifndef SHRIKE_TESTS_COVERAGE_H
#define SHRIKE_TESTS_COVERAGE_H

#include "differential/rescan.h"

enum shape {
    SHAPE_EVENTS, /* count(*) */
    SHAPE_COUNT,
    SHAPE_SUM,
    SHAPE_AVG,
    SHAPE_MIN,
    SHAPE_MAX,
    SHAPE_VAR_POP,
    SHAPE_VAR_SAMP,
    SHAPE_STDDEV_POP,
    SHAPE_STDDEV_SAMP,
    SHAPE_DISTINCT,
    SHAPE_BOOL_OR,
    SHAPE_BOOL_AND,
    SHAPE_FIRST,
    SHAPE_FIRST_KNOWN, /* IGNORE NULLS */
    SHAPE_LAST,
    SHAPE_LAST_KNOWN,
    SHAPES
};

enum reach {
    REACH_TO_NOW, /* RANGE */
    REACH_EXCLUSIVE,
    REACH_ZERO,
    REACH_DELAYED,
    REACH_POINT,
    REACH_ALL, /* from an unbounded start */
    REACH_ALL_EXCLUSIVE,
    REACH_ALL_DELAYED,
    REACH_ROWS, /* ROWS */
    REACH_ROW,  /* the current one */
    REACH_ROWS_BEFORE,
    REACH_ROW_BEFORE, /* one: lag */
    REACH_ALL_ROWS_BEFORE,
    REACHES
};

struct coverage {
    int64_t windows[SHAPES][REACHES];
    int64_t seen[SHAPES][REACHES][SEEN_COUNT]; /* windows that met it */
};

enum shape coverage_shape(const struct plan *plan, const struct window *window);
enum reach coverage_reach(const struct frame *frame);

void coverage_note(struct coverage *coverage, const struct plan *plan, const struct rescan *rescan);
void coverage_add(struct coverage *coverage, const struct coverage *other);
/* How many cells that can be reached are empty. */
int coverage_empty(const struct coverage *coverage);
/* Prints the table; returns the same. */
int coverage_print(const struct coverage *coverage);

#endif
