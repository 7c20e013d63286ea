/*
 * How random plans are made up: the pieces that random_expression.c, random_window.c and random_plan.c
 * share. Columns of the events: keys k0..k2, numbers a0..a3 of random types, and one each of
 *
 *   b BOOLEAN  v VARCHAR  c ENUM  d DATE  u TIMESTAMP  y the label  z VARCHAR, late too
 *   x DOUBLE, now and then NaN or an infinity      h SMALLINT, beyond a TINYINT as often as not
 *
 * and of an inner query, where the plan has one: i0 a count, i1 and i2 numbers, i3 VARCHAR and i4 BOOLEAN
 * that come from windows, i5 a number that does not.
 */
#ifndef SHRIKE_TESTS_RANDOM_MAKER_H
#define SHRIKE_TESTS_RANDOM_MAKER_H

#include "differential/coverage.h"
#include "differential/random_plan.h"

enum { NAMED_WINDOWS = 4 }; /* g0..g3 of the WINDOW clause */

struct maker {
    struct random *random;
    struct random_plan *plan;
    bool windows; /* may a window be part of the expression? */
    bool inner;   /* are i0..i5 in sight? */
    bool inexact, has_window, uses_inexact;
    bool inner_inexact; /* i2 is a window that DuckDB rounds differently */
    char label_type[32];
    struct random aside; /* for choices that are to leave the others as they are */
};

static inline int die(struct maker *maker, int n)
{
    return (int)random_below(maker->random, n);
}

#define PICK(maker, list) (list)[die(maker, (int)(sizeof(list) / sizeof *(list)))]

/* Expressions over columns, and over windows where maker->windows. */
void make_number(struct maker *maker, int depth, struct buffer *out);
void make_truth(struct maker *maker, int depth, struct buffer *out);
void make_text(struct maker *maker, int depth, struct buffer *out);
void make_moment(struct maker *maker, struct buffer *out);

/* One of the kinds of windows that the coverage table lists: cell < WINDOW_CELLS. `visit` counts how often
 * the cell was asked for, so that each comes with NULLs, labels, errors and so on in turn. */
void make_window(struct maker *maker, int cell, int visit, struct buffer *out);
/* One of that aggregate over any frame, as a query within has it. */
void make_plain_window(struct maker *maker, enum shape shape, struct buffer *out);
/* Windows as parts of expressions, of one kind of values. */
void make_number_window(struct maker *maker, struct buffer *out);
void make_text_window(struct maker *maker, struct buffer *out);
void make_truth_window(struct maker *maker, struct buffer *out);

#endif
