/*
 * An entity's retained events by position. Up to RING_PAGE events lie in one block whose size is a power of
 * two; more lie in pages of RING_PAGE events behind a directory, so that a hot entity grows and shrinks page
 * by page: no step costs more than a page and a copy of the directory (8 bytes per RING_PAGE events).
 *
 * Pages that were emptied at the front are used again at the back; shrinking gives memory back once less than
 * a quarter is used. Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_RING_H
#define SHRIKE_FEATURE_RING_H

#include "feature/layout.h"
#include "feature/pool.h"

enum { RING_FIRST = 4, RING_PAGE = 256 };

static inline char *event_at(const struct layout *layout, const struct entity *entity, uint32_t position)
{
    if (entity->capacity <= RING_PAGE)
        return (char *)entity->ring + (position & (entity->capacity - 1)) * layout->event_size;
    char **pages = entity->ring;
    return pages[position / RING_PAGE & (entity->capacity / RING_PAGE - 1)] +
           position % RING_PAGE * layout->event_size;
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

static inline uint32_t ring_count(const struct entity *entity)
{
    return entity->end - entity->first;
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

/* Room for one more event at entity->end. False: no memory, nothing changed. */
bool ring_reserve(const struct layout *layout, struct entity *entity, struct pool *pool);
/* Opens a gap at `position`; room was reserved. entity->end grows. */
void ring_open(const struct layout *layout, struct entity *entity, uint32_t position);
/* Closes it again. */
void ring_close(const struct layout *layout, struct entity *entity, uint32_t position);
/* Gives memory back where much of it lies idle. */
void ring_shrink(const struct layout *layout, struct entity *entity, struct pool *pool);
void ring_free(const struct layout *layout, struct entity *entity, struct pool *pool);
/* First position whose time is >= time (after = false) or > time (after = true). */
uint32_t ring_search(const struct layout *layout, const struct entity *entity, int64_t time, bool after);

#endif
