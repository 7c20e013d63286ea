/*
 * Minima or maxima of all frames that end alike, over one slot: the positions of those events that no later
 * event beats. They are in order of time and their values get worse only towards the front being best: the
 * extreme of a frame is the first of them at or after its low cursor.
 *
 * A new event drops those it beats or equals: amortised O(1), and found by bisection, so that no single event
 * costs more than O(log n) but for a copy when the list doubles. A constant few of them for values without a
 * trend, at worst one per event: 4 bytes and the value, which stands beside so that no event is looked at.
 * Where values are equal (0.0 and -0.0, NaNs) the newest stands.
 */
#ifndef SHRIKE_FEATURE_EXTREMES_H
#define SHRIKE_FEATURE_EXTREMES_H

#include "feature/ring.h"

struct strings;

/* > 0 where a beats b. */
int extreme_order(const struct extreme *shape, const struct strings *strings, const union value *a,
                  const union value *b);
void extreme_load(const struct extreme *shape, const char *event, union value *ret);

/* Takes in the event at `position`, which lies after all that were taken in. False: no memory. */
bool extremes_push(const struct extreme *shape, const struct strings *strings, struct extremes *extremes,
                   uint32_t position, const char *event, struct pool *pool);
/* The same anywhere between them. */
bool extremes_insert(const struct extreme *shape, const struct strings *strings, const struct entity *entity,
                     struct extremes *extremes, uint32_t position, const char *event, struct pool *pool);
/* Positions from `position` on move by `by`. */
void extremes_shift(const struct entity *entity, struct extremes *extremes, uint32_t position, int by);
/* Forgets what lies before entity->first. */
void extremes_evict(const struct entity *entity, struct extremes *extremes);
void extremes_done(const struct extreme *shape, struct extremes *extremes, struct pool *pool);

/* Bytes of a list's memory. */
static inline size_t extremes_bytes(const struct extreme *shape, const struct extremes *extremes)
{
    return extremes->capacity * (sizeof *extremes->positions + pack_width(shape->pack));
}

static inline uint32_t extremes_at(const struct extremes *extremes, uint32_t i)
{
    return extremes->positions[(extremes->first + i) & (extremes->capacity - 1)];
}

static inline char *extremes_place(const struct extreme *shape, const struct extremes *extremes, uint32_t i)
{
    return (char *)(extremes->positions + extremes->capacity) +
           ((extremes->first + i) & (extremes->capacity - 1)) * pack_width(shape->pack);
}

static inline void extremes_value(const struct extreme *shape, const struct extremes *extremes, uint32_t i,
                                  union value *ret)
{
    pack_value(extremes_place(shape, extremes, i), shape->pack, shape->rep, ret);
}

/* Asks memory for the newest, which a new event is compared with, and for the oldest. */
static inline __attribute__((always_inline)) void extremes_prefetch(const struct extreme *shape,
                                                                    const struct extremes *extremes)
{
    if (!extremes->capacity)
        return;
    __builtin_prefetch(extremes->positions + (extremes->first & (extremes->capacity - 1)));
    __builtin_prefetch(extremes_place(shape, extremes, extremes->n - 1));
}

/* Number of them before `position`. */
static inline uint32_t extremes_before(const struct entity *entity, const struct extremes *extremes,
                                       uint32_t position)
{
    uint32_t low = 0, n = extremes->n, offset = position - entity->first;
    while (n) {
        uint32_t half = n / 2;
        if (extremes_at(extremes, low + half) - entity->first < offset) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

#endif
