/*
 * Events that are erased again, for random plans: soon after they were taken, long after, some in no window,
 * some together.
 */
#ifndef SHRIKE_TESTS_ERASURES_H
#define SHRIKE_TESTS_ERASURES_H

#include "differential/random_plan.h"

/* In the order of their coming. */
struct erasure {
    int64_t event;    /* row */
    int64_t position; /* the first event that is taken after it; behind its own */
};

struct erasures {
    struct erasure *list;
    int64_t n;
};

void erasures_make(struct random *random, int64_t rows, struct erasures *ret);
void erasures_done(struct erasures *erasures);

#endif
