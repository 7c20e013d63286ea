/*
 * How a group's entities lie in memory; computed once per plan. Internal to feature/.
 *
 *   entity:  [header | key words | low per frame | high per end | marked positions | accumulators | extremes
 * ...] events:  [time | slot values ... | arrival | marks] x capacity      one block, or pages of RING_PAGE
 * events (ring.h)
 *
 * A retained event's parts lie together, because what is touched per event are single events far apart: the
 * newest, and those that the frames' cursors pass. An event's marks say which slots have a value for it
 * (argument not NULL and FILTER true). Only slots that need more than the mark keep the value itself.
 * Positions are counters that only grow (modulo 2^32). Retained events are in (time, arrival) order. Where
 * events have to be found again, to learn late columns or to be erased, an event's arrival number (its lowest
 * 32 bits) tells it from others of its time.
 *
 * A frame's events are those at low <= position < high. Frames that end alike share their high cursor, and
 * with it one structure for all of their minima (extremes.h): windows of one hour, one day and thirty days
 * cost one.
 */
#ifndef SHRIKE_FEATURE_LAYOUT_H
#define SHRIKE_FEATURE_LAYOUT_H

#include "feature/compile.h"
#include "feature/deque.h"
#include "feature/distinct.h"
#include "feature/exact.h"
#include "feature/exact_squares.h"
#include "feature/pack.h"

/* What runs along with a frame for one slot. */
enum accumulator_kind {
    ACCUMULATE_COUNT,   /* int64_t */
    ACCUMULATE_SMALL,   /* struct small_sum: of integers below 2^32 */
    ACCUMULATE_INT,     /* struct exact */
    ACCUMULATE_WIDE,    /* struct exact */
    ACCUMULATE_DOUBLE,  /* struct exact */
    ACCUMULATE_SQUARES, /* struct exact_squares */
    ACCUMULATE_LINKED,  /* int64_t: different values (recent.h) */
    ACCUMULATE_DISTINCT /* int64_t: the same of a frame without a start; the values are in a map (distinct.h)
                         */
};

struct small_sum {
    int64_t sum, count;
};

/* sum / (count * 10^scale); count > 0. Where both are whole doubles, one division rounds once. */
static inline double small_mean(int64_t sum, int64_t count, int scale)
{
    const int64_t limit = INT64_C(1) << 53;
    if (scale == 0 && sum < limit && sum > -limit)
        return (double)sum / (double)count;
    struct exact exact = {.sum = sum, .count = count};
    return exact_mean_wide(&exact, scale);
}

struct accumulator {
    int frame, slot;
    enum accumulator_kind kind;
    enum pack pack;
    size_t offset;    /* in the entity */
    size_t value;     /* of the slot's value in a retained event */
    size_t mark_byte; /* of a retained event: has it a value for the slot? */
    int mark_bit;
    int map, place; /* ACCUMULATE_DISTINCT: of layout->maps, and the frame's place in it */
    int linked;     /* ACCUMULATE_LINKED: of layout->linked */
};

/* A slot's count(DISTINCT)s of frames with a start. */
struct linked {
    int slot, index; /* of layout->linked */
    enum pack pack;
    size_t value;  /* in a retained event */
    size_t offset; /* of a struct recent * in the entity (chains.h): NULL but for events in pages */
};

/* Those of frames without one: one map for all frames. */
struct map {
    int slot;
    struct distinct_shape shape;
    size_t offset; /* of its struct distinct in the entity */
};

/* A slot's minima or maxima over all frames with one end. */
struct extreme {
    int slot, end;
    int sign; /* 1 = largest, -1 = smallest */
    enum rep rep;
    enum pack pack;
    size_t value;
    size_t offset; /* of its struct extremes in the entity */
    size_t gone;   /* of the struct gone of what was evicted, where a frame has no start; else 0 */
};

/* Where the first (per frame) or the last (per end) marked event lies. */
struct marked {
    int slot, frame, end; /* frame -1: the last of an end */
    size_t offset;        /* of a uint32_t position in the entity */
};

/* The first or last value ever, where a frame has no start. */
struct remembered {
    int rows, slot; /* as in struct window */
    bool last;
    enum rep rep;
    enum pack pack;
    size_t value;
    size_t offset; /* of a struct gone */
};

/* See extremes.h. */
struct extremes {
    struct deque list;
};

/* What is left of an evicted event. */
struct gone {
    union value value;
    bool found, is_null;
};

/* How a window's result comes out of a view. */
enum reading_kind {
    READ_EVENTS, /* count(*): the cursors' distance */
    READ_COUNT,  /* of an accumulator that is a number */
    READ_SMALL_COUNT,
    READ_SMALL_SUM,
    READ_SMALL_MEAN,
    READ_SMALL_OR,
    READ_SMALL_AND,
    READ_EXACT_COUNT,
    READ_SUM_DOUBLE,
    READ_SUM_WIDE,
    READ_MEAN_DOUBLE,
    READ_MEAN_WIDE,
    READ_VARIANCE,
    READ_EXTREME,
    READ_FIRST,
    READ_LAST
};

struct reading {
    enum reading_kind kind;
    int window, frame, end, slot, rows;
    enum rep rep; /* of the slot */
    enum pack pack;
    size_t offset;     /* of the accumulator in the entity */
    size_t value;      /* of the slot's value in a retained event */
    int scale;         /* of a DECIMAL mean */
    bool decimal;      /* READ_SUM_WIDE: a sum of at most 38 digits */
    bool unbounded;    /* the frame has no start */
    bool sample, root; /* READ_VARIANCE */
    struct vector out; /* the window's vector */
    int extreme;       /* READ_EXTREME: of layout->extremes */
    int marked;        /* READ_FIRST, READ_LAST: of layout->marked, -1 where every event counts */
    int remembered;    /* the same: of layout->remembered, -1 without */
};

/* A slot's value in a retained event. */
struct stored {
    int slot;
    size_t offset;
    enum pack pack;
    bool text;    /* a number of the strings, held once per retained event */
    bool forever; /* and never released: a frame without a start has it in its map */
};

/* A VARCHAR part of the key: which word is its number. */
struct text_key {
    int part, word;
};

/* What runs along with a frame or an end, where it is of one kind: its loop has no choices left. */
enum run_along { RUN_NOTHING, RUN_SMALL, RUN_DOUBLE, RUN_ANYTHING };

struct layout_frame {
    enum frame_unit unit;
    bool unbounded;
    enum run_along run;
    int64_t start;
    int end;
    struct accumulator *accumulators; /* copies of those that run along */
    int n_accumulators;
};

struct layout_end {
    enum frame_unit unit;
    bool exclusive;
    enum run_along run;
    int64_t end;
    int first, last; /* its accumulators: layout->accumulators[first .. last) */
    int first_extreme, last_extreme;
    int first_marked, last_marked; /* the last marked events */
};

struct layout {
    const struct group *group;
    int n_words;    /* of the key: one per part (two for WIDE) and one of NULL marks */
    int mark_width; /* bytes: 0 without slots, 1 up to 8, else 8 */
    size_t keys_offset, lows_offset, highs_offset, evicted_offset, entity_size;
    size_t marks_offset, event_size; /* of a retained event, bytes */
    size_t arrival_offset;           /* 0: events have no arrival number, because none is looked for */
    uint64_t late;                   /* slots that look at a late column, and can learn its value */
    struct layout_frame *frames;
    struct layout_end *ends;
    struct stored *stored;
    struct accumulator *accumulators; /* those of one end, and in it of one slot, stand together */
    struct accumulator *frame_accumulators;
    struct linked *linked;
    struct map *maps;
    struct extreme *extremes; /* by end */
    struct marked *marked;    /* the last ones by end, then the first ones */
    struct remembered *remembered;
    struct reading *readings; /* one per window of the group, by kind */
    struct text_key *text_keys;
    int n_text_keys;
    int n_frames, n_ends, n_stored, n_accumulators, n_linked, n_maps, n_extremes, n_marked, n_remembered,
        n_readings;
    /* What has to be retained: events of [floor - retain, ...] and the `retain_rows` events before. */
    int64_t retain;
    uint32_t retain_rows;
    bool has_text;  /* a stored value is text */
    bool unbounded; /* a frame has no start: evicted events count on */
    bool lasting;   /* an entity never becomes nothing again: unbounded frames, rows */
};

/* The newest event's time and position are where the frames stand. */
struct entity {
    union {
        struct deque events; /* item: 0 where there is no entity */
        struct { /* the same by other names; see ring.h */
            void *ring;
            uint32_t first, end, capacity;
        };
    };
    int64_t position; /* the time that the frames stand at; INT64_MIN: nowhere */
};

/* Which retained events have to be found again. */
enum layout_finds {
    LAYOUT_FINDS_NONE,
    LAYOUT_FINDS_LATE /* in groups with late columns */,
    LAYOUT_FINDS_ALL
};
int layout_new(const struct plan *plan, int group, enum layout_finds finds, struct layout *ret,
               struct error *error);
void layout_done(struct layout *layout);
/* Back to nothing: frees what spilled. base: the entity or a block of its shape. */
void accumulator_clear(const struct accumulator *accumulator, char *base);

static inline void *entity_at(const struct entity *entity, size_t offset)
{
    return (char *)(uintptr_t)entity + offset;
}

static inline uint64_t *entity_keys(const struct layout *layout, const struct entity *entity)
{
    return entity_at(entity, layout->keys_offset);
}

static inline uint32_t *entity_lows(const struct layout *layout, const struct entity *entity)
{
    return entity_at(entity, layout->lows_offset);
}

static inline uint32_t *entity_highs(const struct layout *layout, const struct entity *entity)
{
    return entity_at(entity, layout->highs_offset);
}

/* Events that were evicted, where a frame without a start still counts them. */
static inline int64_t *entity_evicted(const struct layout *layout, const struct entity *entity)
{
    return entity_at(entity, layout->evicted_offset);
}

static inline uint32_t *entity_marked(const struct entity *entity, const struct marked *marked)
{
    return entity_at(entity, marked->offset);
}

#endif
