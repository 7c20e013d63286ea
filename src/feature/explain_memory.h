/*
 * How much memory a group's windows take under a load: expected values, from the sizes and growth rules of
 * the engine (entities.c, deque.c, chains.c, distinct.c), for events that come evenly spread (Poisson).
 * Internal to feature/.
 */
#ifndef SHRIKE_FEATURE_EXPLAIN_MEMORY_H
#define SHRIKE_FEATURE_EXPLAIN_MEMORY_H

#include "feature/layout.h"

struct memory_estimate {
    double live;     /* entities that have something retained */
    double retained; /* events */
    double bytes;
};

/* `entities` of them share `events` per unit of time (of the plan's: microseconds or steps). */
void explain_memory(const struct layout *layout, double entities, double events, struct memory_estimate *ret);

#endif
