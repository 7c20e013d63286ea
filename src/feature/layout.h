/*
 * How a group's entities lie in memory; computed once per plan. Internal to feature/.
 *
 *   entity:  [header | key words | cursor per frame | sums | counts]          one block, 64-byte aligned
 *   ring:    [time | slot values ... | marks] x capacity      one block, capacity a power of two
 *
 * A retained event's parts lie together, because what is touched per event are single events far apart: the
 * newest, and those that the frames' cursors pass. An event's marks say which slots have a value for it
 * (argument not NULL and FILTER true). Only slots that are summed or compared keep the value itself.
 * Positions in the ring are counters that only grow (modulo 2^32); a value lies at position modulo capacity.
 * Retained events are in (time, arrival) order.
 */
#ifndef SHRIKE_FEATURE_LAYOUT_H
#define SHRIKE_FEATURE_LAYOUT_H

#include "feature/compile.h"
#include "feature/exact.h"
#include "feature/pack.h"

/* What runs along with a frame for one slot: an exact sum (which counts too) or only a count. */
enum accumulator_kind { ACCUMULATE_COUNT, ACCUMULATE_INT, ACCUMULATE_WIDE, ACCUMULATE_DOUBLE };

struct accumulator {
    int frame, slot;
    bool summed;
    enum accumulator_kind kind;
    enum pack pack;
    size_t offset; /* in the entity */
    size_t value;  /* of the slot's value in a retained event */
};

/* How a window's result comes out of a view. */
enum reading_kind {
    READ_EVENTS,      /* count(*): the cursors' distance */
    READ_COUNT,       /* of an accumulator that only counts */
    READ_SUM_COUNT,   /* of one that sums */
    READ_SUM_DOUBLE,
    READ_SUM_WIDE,
    READ_MEAN_DOUBLE,
    READ_MEAN_WIDE,
    READ_EXTREME
};

struct reading {
    enum reading_kind kind;
    int window, frame, slot;
    size_t offset; /* of the accumulator in the entity */
    int scale;     /* of a DECIMAL mean */
    bool decimal;  /* READ_SUM_WIDE: a sum of at most 38 digits */
    size_t value;  /* READ_EXTREME: of the slot's value in a retained event */
    enum pack pack;
    int sign;      /* READ_EXTREME: 1 = largest, -1 = smallest */
};

/* A slot's value in a retained event. */
struct stored {
    int slot;
    size_t offset;
    enum pack pack;
};

struct layout {
    const struct group *group;
    int n_words;         /* of the key: one per part (two for WIDE) and one of NULL marks */
    int mark_width;      /* bytes: 0 without slots, 1 up to 8, else 8 */
    size_t keys_offset, cursors_offset, entity_size;
    struct stored *stored;
    int n_stored;
    size_t marks_offset, event_size; /* of a retained event, bytes */
    struct accumulator *accumulators; /* those of one frame stand together */
    int n_accumulators;
    int *frame_first;                 /* n_frames + 1: where each frame's begin */
    int longest_frame;                /* its low cursor is the lowest */
    struct reading *readings;         /* one per window of the group */
    int n_readings;
    int64_t longest;         /* the longest frame's start */
};

struct cursor {
    uint32_t low, high; /* the frame's events: low <= position < high */
};

struct entity {
    void *ring;
    int64_t position; /* the time that the frames stand at */
    uint32_t first, end, capacity;
    uint32_t reserved;
};

int layout_new(const struct plan *plan, int group, struct layout *ret, struct error *error);
void layout_done(struct layout *layout);

static inline uint64_t *entity_keys(const struct layout *layout, struct entity *entity)
{
    return (uint64_t *)((char *)entity + layout->keys_offset);
}

static inline struct cursor *entity_cursors(const struct layout *layout, struct entity *entity)
{
    return (struct cursor *)((char *)entity + layout->cursors_offset);
}

/* An event as it goes into a ring. values: 16 bytes per slot. */
struct arrival {
    int64_t time, floor; /* floor: high water - lateness */
    uint64_t marks;
    const union value *values;
};

/* Takes one event into an entity and leaves its window results in `results` (accumulators of
 * layout->entity_size bytes, as in an entity) and `cursors`. in_order, late and too late events alike;
 * *ret_late says which (0, 1, 2). The view to read from: the entity itself, or `scratch` for events that are
 * not the newest. False: no memory. */
struct view {
    struct entity *entity;
    const struct cursor *cursors;
    const char *accumulators; /* base that accumulator offsets count from */
};
bool entity_take(const struct layout *layout, struct entity *entity, const struct arrival *arrival,
                 char *scratch, struct view *ret);
/* Fetches what entity_take will touch: the newest events and where the frames' cursors stand. */
void entity_prefetch(const struct layout *layout, const struct entity *entity);
/* After the results of a too late event have been read: takes it out again. */
void entity_untake(const struct layout *layout, struct entity *entity, const struct arrival *arrival);

/* Writes the result of every window of the group to row `i` of its vector (windows[w], as the plan numbers
 * them). A sum beyond its type is an error, an aggregate over nothing but count NULL. */
void view_read(const struct layout *layout, const struct view *view, struct vector *windows, int64_t i);

/* Entities of one group and one share of the keys. */
struct entities;
int entities_new(const struct layout *layout, struct entities **ret, struct error *error);
void entities_free(struct entities *entities); /* takes NULL */
/* The entity of a key, new if there is none; NULL: no memory. */
struct entity *entities_find(struct entities *entities, uint64_t hash, const uint64_t *key);
void entities_prefetch(const struct entities *entities, uint64_t hash);
int64_t entities_count(const struct entities *entities);
int64_t entities_bytes(const struct entities *entities);
int64_t entities_retained(const struct entities *entities);

#endif
