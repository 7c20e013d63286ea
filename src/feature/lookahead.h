/*
 * The look ahead of the steady step (steady.h): an event's way to its entity, in steps so that memory is
 * asked for long before it is used. With every event that is taken, one that comes later goes each of these
 * steps: its bucket is asked for; what the bucket says (the entity) is; the entity is found, and what it says
 * (its ring) is asked for; and what that says where it lies in pages. So memory is asked for little by
 * little, never for many lines at once. Internal to feature/.
 */
#ifndef SHRIKE_FEATURE_LOOKAHEAD_H
#define SHRIKE_FEATURE_LOOKAHEAD_H

#include "feature/entities_struct.h"

enum {
    LOOKAHEAD_APART = 12,                /* rows from one step to the next */
    LOOKAHEAD_ALL = 4 * LOOKAHEAD_APART, /* and from the first step to where the event is taken */
};

struct lookahead {
    struct entities *entities;
    const uint64_t *hashes, *keys; /* by row; n_words each */
    struct entity **found;         /* by row: what is found */
    const uint32_t *rows;
    int n;
    bool paged; /* some entity has pages */
};

static inline __attribute__((always_inline)) void lookahead_guess(const struct lookahead *look, uint32_t row)
{
    const struct entities *entities = look->entities;
    uint32_t tag = (uint32_t)look->hashes[row];
    struct entity *entity = entities_guess_one(entities, &entities->now, tag);
    if (!entity && entities->old.buckets)
        entity = entities_guess_one(entities, &entities->old, tag);
    look->found[row] = entity;
    if (!entity)
        return;
    const char *line = (const char *)((uintptr_t)entity & ~(uintptr_t)63),
               *end = (const char *)entity + entities->share.layout->entity_size;
    for (; line < end; line += 64)
        __builtin_prefetch(line);
}

/* False: no memory. */
static inline __attribute__((always_inline)) bool lookahead_find(struct lookahead *look, uint32_t row)
{
    struct entities *entities = look->entities;
    const struct layout *layout = entities->share.layout;
    const uint64_t *key = look->keys + row * (size_t)layout->n_words;
    struct entity *entity = look->found[row];
    bool new = false;
    if (__builtin_expect(!entities_is(layout, entity, key), 0)) {
        look->found[row] = entity = entities_find(entities, look->hashes[row], key, &new);
        if (!entity)
            return false;
    }
    /* Every row holds its texts; an entity holds them once. */
    if (layout->n_text_keys && !new)
        share_drop_key(&entities->share, key);
    if (entity->capacity > RING_PAGE) {
        ring_prefetch_directory(entity);
        look->paged = true;
    } else if (entity->ring) {
        ring_prefetch(layout, entity, false);
    }
    return true;
}

/* One row goes each of the steps: the i-th the first, earlier ones the others. i: below n + LOOKAHEAD_ALL. */
static inline __attribute__((always_inline)) bool lookahead_step(struct lookahead *look, int i)
{
    const struct entities *entities = look->entities;
    const unsigned n = (unsigned)look->n, at = (unsigned)i;
    const uint32_t *rows = look->rows;
    if (at < n) {
        uint32_t tag = (uint32_t)look->hashes[rows[at]];
        __builtin_prefetch(&entities->now.buckets[tag & entities->now.mask]);
        if (entities->old.buckets)
            __builtin_prefetch(&entities->old.buckets[tag & entities->old.mask]);
    }
    if (at - LOOKAHEAD_APART < n)
        lookahead_guess(look, rows[at - LOOKAHEAD_APART]);
    if (at - 2 * LOOKAHEAD_APART < n && !lookahead_find(look, rows[at - 2 * LOOKAHEAD_APART]))
        return false;
    if (look->paged && at - 3 * LOOKAHEAD_APART < n) {
        const struct entity *entity = look->found[rows[at - 3 * LOOKAHEAD_APART]];
        if (entity->capacity > RING_PAGE)
            ring_prefetch(entities->share.layout, entity, true);
    }
    return true;
}

#endif
