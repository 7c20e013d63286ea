/*
 * A state that is told labels later than their events, and to forget events, against the rescan that knows
 * when each came.
 */
#ifndef SHRIKE_TESTS_LATER_H
#define SHRIKE_TESTS_LATER_H

#include "differential/trial.h"

/* NULL: none. max_ahead as in rescan_options. */
struct later {
    const struct labels *labels;
    const struct erasures *erasures;
    int64_t max_ahead;
};

/* Events in batches of one, with three threads, and with restarts; to the bit, but for features that keep a
 * trace of an event that was erased. */
void compare_later(struct trial *trial, const struct later *later, const char *what);

/* Has the plan windows over late columns, all of which can follow? */
bool can_learn(const struct plan *plan);

#endif
