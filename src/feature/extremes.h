/*
 * Minima or maxima of all frames that end alike, over one slot: the positions of those events that no later
 * event beats. They are in order of time and their values get worse only towards the front being best: the
 * extreme of a frame is the first of them at or after its low cursor.
 *
 * A new event drops those it beats or equals, which are found by bisection, so that no single event costs
 * more than O(log n) and what a deque costs. A constant few of them for values without a trend, at worst one
 * per event: 4 bytes and the value, which stands beside so that no event is looked at. Where values are equal
 * (0.0 and -0.0, NaNs) the newest stands.
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
void extremes_evict(const struct entity *entity, struct extremes *extremes, struct pool *pool);
void extremes_done(struct extremes *extremes, struct pool *pool);

/* How many there are. */
static inline uint32_t extremes_count(const struct extremes *extremes)
{
    return deque_count(&extremes->list);
}

/* The i-th: [ position, 4 bytes | value ]. */
static inline char *extremes_entry(const struct extremes *extremes, uint32_t i)
{
    return deque_at(&extremes->list, extremes->list.first + i);
}

/* Takes the i-th out; those that it beat are the caller's to insert again. */
static inline void extremes_remove(struct extremes *extremes, uint32_t i)
{
    deque_cut(&extremes->list, extremes->list.first + i, 1);
}

static inline uint32_t extremes_at(const struct extremes *extremes, uint32_t i)
{
    uint32_t position;
    memcpy(&position, extremes_entry(extremes, i), sizeof position);
    return position;
}

static inline void extremes_value(const struct extreme *shape, const struct extremes *extremes, uint32_t i,
                                  union value *ret)
{
    pack_value(extremes_entry(extremes, i) + sizeof(uint32_t), shape->pack, shape->rep, ret);
}

/* Asks memory for the newest, which a new event is compared with, and for the oldest. */
static inline __attribute__((always_inline)) void extremes_prefetch(const struct extremes *extremes)
{
    if (!extremes_count(extremes) || extremes->list.capacity > DEQUE_PAGE)
        return;
    __builtin_prefetch(extremes_entry(extremes, 0));
    __builtin_prefetch(extremes_entry(extremes, extremes_count(extremes) - 1));
}

static inline __attribute__((always_inline)) uint32_t extremes_search(const struct deque *list,
                                                                      uint32_t first, uint32_t offset,
                                                                      bool paged)
{
    const char *block = list->memory;
    uint32_t low = list->first, n = deque_count(list), mask = list->capacity - 1, at;
    size_t item = list->item;
    while (n) {
        uint32_t half = n / 2;
        memcpy(&at, paged ? deque_at(list, low + half) : block + ((low + half) & mask) * item, sizeof at);
        if (at - first < offset) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low - list->first;
}

/* Number of them before `position`. */
static inline uint32_t extremes_before(const struct entity *entity, const struct extremes *extremes,
                                       uint32_t position)
{
    const struct deque *list = &extremes->list;
    uint32_t offset = position - entity->first;
    return list->capacity > DEQUE_PAGE ? extremes_search(list, entity->first, offset, true)
                                       : extremes_search(list, entity->first, offset, false);
}

#endif
