/*
 * An entity's retained events by position: a deque of them, in order of time. A hot entity grows and shrinks
 * page by page (deque.h). Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_RING_H
#define SHRIKE_FEATURE_RING_H

#include "feature/layout.h"

enum { RING_FIRST = DEQUE_FIRST, RING_PAGE = DEQUE_PAGE };

static inline char *event_at(const struct layout *layout, const struct entity *entity, uint32_t position)
{
    return deque_place(&entity->events, position, layout->event_size);
}

static inline int64_t event_time(const char *event)
{
    int64_t time;
    memcpy(&time, event, sizeof time);
    return time;
}

static inline int64_t time_at(const struct layout *layout, const struct entity *entity, uint32_t position)
{
    return event_time(event_at(layout, entity, position));
}

static inline uint64_t event_marks(const struct layout *layout, const char *event)
{
    if (layout->mark_width == 1)
        return *(const uint8_t *)(event + layout->marks_offset);
    uint64_t marks = 0;
    if (layout->mark_width)
        memcpy(&marks, event + layout->marks_offset, sizeof marks);
    return marks;
}

static inline void event_put_marks(const struct layout *layout, char *event, uint64_t marks)
{
    if (layout->mark_width == 1)
        event[layout->marks_offset] = (char)marks;
    else if (layout->mark_width)
        memcpy(event + layout->marks_offset, &marks, sizeof marks);
}

static inline uint32_t ring_count(const struct entity *entity)
{
    return deque_count(&entity->events);
}

/* Position + n, but not before the oldest event: n may be negative. */
static inline uint32_t ring_clamp(const struct entity *entity, int64_t offset)
{
    return entity->first + (uint32_t)(offset > 0 ? offset : 0);
}

/* Asks memory for the directory's lines that lead to the oldest and to the newest event. */
static inline __attribute__((always_inline)) void ring_prefetch_directory(const struct entity *entity)
{
    char **pages = entity->ring;
    uint32_t mask = entity->capacity / RING_PAGE - 1;
    __builtin_prefetch(&pages[entity->first / RING_PAGE & mask]);
    __builtin_prefetch(&pages[entity->end / RING_PAGE & mask]);
}

/* Asks memory for where each cursor stands and the next event, whose time ends its way, and for the newest.
 * (A function that only asks memory has no effect in a compiler's eyes: what is not inlined is left out.) */
static inline __attribute__((always_inline)) void ring_prefetch(const struct layout *layout,
                                                                const struct entity *entity, bool paged)
{
    /* The lower cursors, then the upper ones. */
    const uint32_t *cursors = entity_lows(layout, entity),
                   *last = entity_highs(layout, entity) + layout->n_ends;
    uint32_t mask = (paged ? entity->capacity / RING_PAGE : entity->capacity) - 1;
    size_t size = layout->event_size;
    for (; cursors != last; cursors++) {
        uint32_t at = *cursors;
        const char *event = paged ? ((char **)entity->ring)[at / RING_PAGE & mask] + at % RING_PAGE * size
                                  : (const char *)entity->ring + (at & mask) * size;
        __builtin_prefetch(event);
        __builtin_prefetch(event + size + sizeof(int64_t) - 1);
    }
    if (!paged)
        __builtin_prefetch((const char *)entity->ring + (entity->end & mask) * size);
    else if (entity->end % RING_PAGE)
        __builtin_prefetch(event_at(layout, entity, entity->end));
}

/* First position whose time is >= time (after = false) or > time (after = true). */
uint32_t ring_search(const struct layout *layout, const struct entity *entity, int64_t time, bool after);

#endif
