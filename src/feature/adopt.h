/*
 * A change of plan: which groups of windows are the same in both, so that what they remember may be taken
 * over, and how much history those need that are not.
 *
 * Groups are the same where they have the same keys, frames, arguments, FILTERs and windows, over columns of
 * the same names and types, and events have the same time and WHERE. Names of features, and what is computed
 * behind the windows, do not matter.
 *
 * Threads: one. Memory: a number per expression and per group; state_adopt takes a few MiB beside the states.
 */
#ifndef SHRIKE_FEATURE_ADOPT_H
#define SHRIKE_FEATURE_ADOPT_H

#include "feature/state.h"

struct adoption;

/* before NULL: nothing is the same. References both. */
int adoption_new(struct plan *before, struct plan *now, struct adoption **ret, struct error *error);
void adoption_free(struct adoption *adoption); /* takes NULL */

/* What history the groups need that are not the same. */
struct adoption_need {
    int kept, filled; /* groups */
    bool all;         /* from the first event on: rows, lag, frames without a start */
    int64_t reach;    /* otherwise: events back to the high water less the lateness less this */
    char window[200]; /* the group and frame that reaches back farthest: "card: 30d .. now" */
};
void adoption_need(const struct adoption *adoption, struct adoption_need *ret);

/* Puts what `before` remembers of the groups that are the same in place of what `now` does, and its high
 * water and counters where events have the same time and WHERE. After a failure `now` is of no use. */
int state_adopt(struct state *now, const struct state *before, const struct adoption *adoption,
                struct error *error);

/* The largest time of the events taken, but those that WHERE leaves out; INT64_MIN: none was. */
int64_t state_high_water(const struct state *state);

#endif
