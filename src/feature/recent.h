/*
 * count(DISTINCT) without counting values: an entity's retained events that have a value for a slot are
 * linked to the previous and to the next one with the same value. An event is its value's only one in a frame
 * [low, high) where neither neighbour lies in it; so frames gain and lose values by a look at the event's
 * links, whatever their number. Only an event that arrives has to be looked up: a table knows the last event
 * of each value (places.h). Up to RECENT_SCANNED events are looked through instead.
 *
 *   link, in the retained event (8 bytes): [ distance to the previous | to the next event of its value ]; 0:
 *   none
 *
 * An evicted event may still be named by the next one's link: the distance then leads beyond the oldest.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_RECENT_H
#define SHRIKE_FEATURE_RECENT_H

#include "feature/places.h"

enum { RECENT_SCANNED = 16 };

static inline struct link link_of(const struct linked *linked, const char *event)
{
    struct link link;
    memcpy(&link, event + linked->link, sizeof link);
    return link;
}

/* How far from an event a frame that holds it begins, and how far behind it ends: position - low and
 * high - position. */
struct reach {
    uint32_t before, behind;
};

/* Is the event the only one of its value within reach? */
static inline bool link_is_alone(struct link link, struct reach reach)
{
    return (!link.before || link.before > reach.before) && (!link.behind || link.behind >= reach.behind);
}

/* The words by which count(DISTINCT) knows a value: 0.0 is -0.0, all NaNs are one. */
void distinct_key(const char *at, enum pack pack, uint64_t key[2]);

/* Links the newest event, at `position`, which is entity->end. False: no memory. */
bool recent_put(const struct layout *layout, const struct linked *linked, struct entity *entity,
                uint32_t position, struct pool *pool);
/* The event at entity->first, the oldest, is about to go. */
void recent_evict(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  struct pool *pool);
/* Events from `position` on are about to move one up (by = 1), to make room there, or down to it (-1). */
void recent_shift(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  uint32_t position, int by);
/* Links an event that was put between others. False: no memory. */
bool recent_insert(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position, struct pool *pool);
/* Takes it out again. */
void recent_remove(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position);
/* Asks memory for where an arriving value will be looked up; then, by that, for the last event that has
 * it. */
void recent_prefetch(const struct linked *linked, const struct entity *entity, const union value *value);
void recent_prefetch_last(const struct layout *layout, const struct linked *linked,
                          const struct entity *entity, const union value *value);

#endif
