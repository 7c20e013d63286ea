/*
 * count(DISTINCT) without counting values: an event is its value's only one in a frame [low, high) where
 * neither the previous nor the next event with the same value lies in it; so frames gain and lose values by a
 * look at where those are, whatever their number. The events of a small block (DEQUE_BARE) are looked
 * through; more are linked (chains.h), and only an event that arrives is looked up.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_RECENT_H
#define SHRIKE_FEATURE_RECENT_H

#include "feature/chains.h"

/* Where an event is, how far from it a frame that holds it begins, and how far behind it ends: position - low
 * and high - position. */
struct reach {
    uint32_t position, before, behind;
};

/* The words by which count(DISTINCT) knows a value: 0.0 is -0.0, all NaNs are one. */
void distinct_key(const char *at, enum pack pack, uint64_t key[2]);

static inline bool recent_is_linked(const struct entity *entity)
{
    return entity->capacity > DEQUE_BARE;
}

/* The same where the events are looked through. */
bool recent_scan(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                 struct reach reach);

/* Is the event, which has a value, the only one of it within reach? */
static inline bool recent_is_alone(const struct layout *layout, const struct linked *linked,
                                   const struct entity *entity, struct reach reach)
{
    if (!recent_is_linked(entity))
        return recent_scan(layout, linked, entity, reach);
    struct link link = get_link(link_place(layout, linked, entity, reach.position), link_width(entity));
    return (!link.before || link.before > reach.before) && (!link.behind || link.behind >= reach.behind);
}

/* Room for one event more at entity->end, also beside it: what entity->events is reserved by. False: no
 * memory. */
bool recent_reserve(const struct layout *layout, struct entity *entity, struct pool *pool);
/* A block for n events of an entity that has none. */
bool recent_begin(const struct layout *layout, struct entity *entity, uint32_t n, struct pool *pool);
/* Events have gone: gives some memory back where little of it is in use. */
void recent_shrink(const struct layout *layout, struct entity *entity, struct pool *pool);

/* Links the newest event, at entity->end. */
void recent_put(const struct layout *layout, const struct linked *linked, struct entity *entity,
                struct pool *pool);
/* The event at entity->first, the oldest, is about to go. */
void recent_evict(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  struct pool *pool);
/* Events from `position` on are about to move one up, to make room there. */
void recent_open(const struct layout *layout, const struct linked *linked, struct entity *entity,
                 uint32_t position);
/* Links the event that was put there. */
void recent_insert(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position);
/* Takes it out of the links again; those behind it are about to move down to it. */
void recent_remove(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position);
void recent_close(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  uint32_t position);

/* Asks memory for what linking these rows' values, as they arrive, will touch; then, by what came, for what
 * it leads to. */
void recent_prefetch(const struct layout *layout, const struct linked *linked, struct entity *const *entities,
                     const union value *values, const uint32_t *rows, int n);
void recent_prefetch_more(const struct layout *layout, const struct linked *linked,
                          struct entity *const *entities, const union value *values, const uint32_t *rows,
                          int n);

#endif
