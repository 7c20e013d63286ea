/*
 * Labels that arrive later than their events, for random plans: on time, late, corrected, repeated, overtaken
 * by newer ones, of events that are in no window and of some that never come.
 */
#ifndef SHRIKE_TESTS_LABELS_H
#define SHRIKE_TESTS_LABELS_H

#include "differential/random_plan.h"
#include "feature/compile.h"

/* In the order of arrival. */
struct label {
    int64_t event;    /* row */
    int64_t position; /* the first event that is taken after it; behind its own */
    int64_t time;     /* the label with the highest one counts; of equal ones the last to arrive */
    int64_t source;   /* row of `values` whose late columns it says */
};

struct labels {
    struct label *list;
    int64_t n;
    struct table values;
};

void labels_make(struct random *random, const struct random_plan *made, struct plan *plan,
                 struct labels *ret);
void labels_done(struct labels *labels); /* takes a zeroed one */

/* Appends a value of another column of the same type, NULL for i < 0. */
void labels_append(struct column *to, const struct type *type, const struct column *from, int64_t i);

#endif
