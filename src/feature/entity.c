/*
 * One entity's retained events and the running sums of its frames.
 *
 * An event that is the newest of its entity (the common case) is appended, each frame's two cursors move
 * forward, and what passes them is added to and removed from the frame's sums: amortised O(1) per event and
 * frame. A late event is inserted at its place; the frames that cover it gain it, and its own windows, which
 * lie in the past, are summed up from the ring. Because sums are exact, all ways end in the same bits.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "feature/kernels.h"
#include "feature/layout.h"

static inline char *event_at(const struct layout *layout, const struct entity *entity, uint32_t position)
{
    return (char *)entity->ring + (position & (entity->capacity - 1)) * layout->event_size;
}

static inline int64_t time_of(const char *event)
{
    int64_t time;
    memcpy(&time, event, sizeof time);
    return time;
}

static inline int64_t time_at(const struct layout *layout, const struct entity *entity, uint32_t position)
{
    return time_of(event_at(layout, entity, position));
}

static inline uint64_t marks_of(const struct layout *layout, const char *event)
{
    if (layout->mark_width == 1)
        return *(const uint8_t *)(event + layout->marks_offset);
    uint64_t marks = 0;
    memcpy(&marks, event + layout->marks_offset, (size_t)layout->mark_width);
    return marks;
}

static inline void put_event(const struct layout *layout, char *event, const struct arrival *arrival)
{
    memcpy(event, &arrival->time, sizeof arrival->time);
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        pack_put(event + stored->offset, stored->pack, &arrival->values[stored->slot]);
    }
    memcpy(event + layout->marks_offset, &arrival->marks, (size_t)layout->mark_width);
}

static bool ring_grow(const struct layout *layout, struct entity *entity)
{
    struct entity grown = *entity;
    grown.capacity = entity->capacity ? entity->capacity * 2 : 4;
    if (!grown.capacity || !(grown.ring = malloc(layout->event_size * grown.capacity)))
        return false;
    for (uint32_t position = entity->first; position != entity->end; position++)
        memcpy(event_at(layout, &grown, position), event_at(layout, entity, position), layout->event_size);
    free(entity->ring);
    *entity = grown;
    return true;
}

/* Adds (sign 1) or removes (-1) an event's value of one slot; `base` is the entity or a scratch block of its
 * shape. `kind` is the accumulator's, given apart so that it may be a constant. */
static inline __attribute__((always_inline)) bool accumulate_one(const struct accumulator *accumulator,
                                                                 enum accumulator_kind kind, char *base,
                                                                 const char *event, int sign)
{
    struct exact *exact = (struct exact *)(base + accumulator->offset);
    const char *at = event + accumulator->value;
    __int128 wide;
    switch (kind) {
    case ACCUMULATE_DOUBLE:
        return sign > 0 ? exact_add(exact, pack_real(at, accumulator->pack))
                        : exact_remove(exact, pack_real(at, accumulator->pack));
    case ACCUMULATE_INT:
        wide = pack_int(at, accumulator->pack);
        break;
    case ACCUMULATE_WIDE:
        wide = pack_wide(at);
        break;
    default:
        *(int64_t *)(base + accumulator->offset) += sign;
        return true;
    }
    return sign > 0 ? exact_add_wide(exact, wide) : exact_remove_wide(exact, wide);
}

/* The same for all slots that a frame runs along with. */
static bool accumulate(const struct layout *layout, size_t frame, char *base, const char *event, int sign)
{
    uint64_t marks = marks_of(layout, event);
    bool fine = true;
    for (int i = layout->frame_first[frame]; i < layout->frame_first[frame + 1]; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        if (marks >> accumulator->slot & 1)
            fine &= accumulate_one(accumulator, accumulator->kind, base, event, sign);
    }
    return fine;
}

/* How a frame's cursors move: without anything to run along, with one slot of one kind (nearly always), with
 * several. */
enum run_along { RUN_NONE = -2, RUN_SEVERAL = -1 /* or an enum accumulator_kind */ };

static inline __attribute__((always_inline)) bool advance_frame(const struct layout *layout,
                                                                struct entity *entity, size_t f, int64_t time,
                                                                int run)
{
    struct cursor *at = &entity_cursors(layout, entity)[f], cursor = *at;
    const struct frame *frame = &layout->group->frames[f];
    const struct accumulator *one = &layout->accumulators[layout->frame_first[f]];
    int64_t newest = time - frame->end, oldest = time - frame->start;
    bool fine = true;
    for (; cursor.high != entity->end; cursor.high++) {
        const char *event = event_at(layout, entity, cursor.high);
        if (time_of(event) > newest)
            break;
        if (run == RUN_SEVERAL)
            fine &= accumulate(layout, f, (char *)entity, event, 1);
        else if (run >= 0 && (marks_of(layout, event) >> one->slot & 1))
            fine &= accumulate_one(one, (enum accumulator_kind)run, (char *)entity, event, 1);
    }
    for (; cursor.low != cursor.high; cursor.low++) {
        const char *event = event_at(layout, entity, cursor.low);
        if (time_of(event) >= oldest)
            break;
        if (run == RUN_SEVERAL)
            fine &= accumulate(layout, f, (char *)entity, event, -1);
        else if (run >= 0 && (marks_of(layout, event) >> one->slot & 1))
            fine &= accumulate_one(one, (enum accumulator_kind)run, (char *)entity, event, -1);
    }
    *at = cursor;
    return fine;
}

/* Moves every frame forward to `time`, which is not before where they stand. */
static bool advance(const struct layout *layout, struct entity *entity, int64_t time)
{
    size_t n_frames = layout->group->n_frames;
    bool fine = true;
    for (size_t f = 0; f < n_frames; f++) {
        int n = layout->frame_first[f + 1] - layout->frame_first[f];
        int run = n == 0  ? RUN_NONE
                  : n > 1 ? RUN_SEVERAL
                          : (int)layout->accumulators[layout->frame_first[f]].kind;
        switch (run) {
        case RUN_NONE:
            fine &= advance_frame(layout, entity, f, time, RUN_NONE);
            break;
        case ACCUMULATE_DOUBLE:
            fine &= advance_frame(layout, entity, f, time, ACCUMULATE_DOUBLE);
            break;
        case ACCUMULATE_INT:
            fine &= advance_frame(layout, entity, f, time, ACCUMULATE_INT);
            break;
        default:
            fine &= advance_frame(layout, entity, f, time, RUN_SEVERAL);
        }
    }
    entity->position = time;
    return fine;
}

/* Forgets events that no event to come can see. */
static void evict(const struct layout *layout, struct entity *entity, int64_t floor)
{
    uint32_t limit =
        layout->group->n_frames ? entity_cursors(layout, entity)[layout->longest_frame].low : entity->end;
    while (entity->first != limit && time_at(layout, entity, entity->first) < floor - layout->longest)
        entity->first++;
}

/* First position whose time is >= time (after = false) or > time (after = true). */
static uint32_t search(const struct layout *layout, const struct entity *entity, int64_t time, bool after)
{
    uint32_t low = entity->first, n = entity->end - entity->first;
    while (n) {
        uint32_t half = n / 2;
        int64_t at = time_at(layout, entity, low + half);
        if (after ? at <= time : at < time) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* Where an event of that time stands to a frame at the entity's position: -1 before, 0 in, 1 after. */
static int side(const struct layout *layout, const struct entity *entity, size_t frame, int64_t time)
{
    if (entity->position == INT64_MIN)
        return 1; /* the frames stand nowhere yet: all events are ahead of them */
    if (time < entity->position - layout->group->frames[frame].start)
        return -1;
    return time > entity->position - layout->group->frames[frame].end;
}

static bool insert(const struct layout *layout, struct entity *entity, const struct arrival *arrival,
                   uint32_t *ret)
{
    uint32_t position = search(layout, entity, arrival->time, true);
    struct cursor *cursors = entity_cursors(layout, entity);
    bool fine = true;
    for (uint32_t p = entity->end++; p != position; p--)
        memcpy(event_at(layout, entity, p), event_at(layout, entity, p - 1), layout->event_size);
    put_event(layout, event_at(layout, entity, position), arrival);
    for (size_t f = 0; f < layout->group->n_frames; f++) {
        int where = side(layout, entity, f, arrival->time);
        cursors[f].low += where < 0;
        cursors[f].high += where <= 0;
        if (where == 0)
            fine &= accumulate(layout, f, (char *)entity, event_at(layout, entity, position), 1);
    }
    *ret = position;
    return fine;
}

void entity_untake(const struct layout *layout, struct entity *entity, const struct arrival *arrival)
{
    uint32_t position = search(layout, entity, arrival->time, true) - 1;
    struct cursor *cursors = entity_cursors(layout, entity);
    for (size_t f = 0; f < layout->group->n_frames; f++) {
        int where = side(layout, entity, f, arrival->time);
        if (where == 0)
            accumulate(layout, f, (char *)entity, event_at(layout, entity, position), -1);
        cursors[f].low -= where < 0;
        cursors[f].high -= where <= 0;
    }
    for (uint32_t p = position; p + 1 != entity->end; p++)
        memcpy(event_at(layout, entity, p), event_at(layout, entity, p + 1), layout->event_size);
    entity->end--;
}

/* The windows of an event that is not the newest, summed up from the ring into scratch. The event itself is
 * in it. */
static bool look_back(const struct layout *layout, struct entity *entity, const struct arrival *arrival,
                      uint32_t position, char *scratch)
{
    struct cursor *cursors = (struct cursor *)(scratch + layout->cursors_offset);
    bool fine = true;
    for (int i = 0; i < layout->n_accumulators; i++)
        if (layout->accumulators[i].summed)
            exact_done((struct exact *)(scratch + layout->accumulators[i].offset));
    memset(scratch, 0, layout->entity_size);
    for (size_t f = 0; f < layout->group->n_frames; f++) {
        const struct frame *frame = &layout->group->frames[f];
        int64_t oldest = arrival->time - frame->start;
        /* What the frame still retains begins at floor - start; a too late event may ask for more. */
        if (oldest < arrival->floor - frame->start)
            oldest = arrival->floor - frame->start;
        uint32_t low = search(layout, entity, oldest, false);
        uint32_t high = search(layout, entity, arrival->time - frame->end, true);
        if (low - entity->first > high - entity->first)
            low = high;
        /* A too late event may lie before what is retained and is still part of its own window. */
        if (frame->end == 0 && position - entity->first < low - entity->first)
            low = position, high = position + 1;
        cursors[f] = (struct cursor){low, high};
        for (uint32_t p = low; p != high; p++)
            fine &= accumulate(layout, f, scratch, event_at(layout, entity, p), 1);
    }
    return fine;
}

bool entity_take(const struct layout *layout, struct entity *entity, const struct arrival *arrival,
                 char *scratch, struct view *ret)
{
    bool newest = arrival->time >= entity->position && arrival->time >= arrival->floor;
    if (newest)
        evict(layout, entity, arrival->floor);
    if (entity->end - entity->first == entity->capacity && !ring_grow(layout, entity))
        return false;
    if (newest) {
        put_event(layout, event_at(layout, entity, entity->end++), arrival);
        *ret = (struct view){entity, entity_cursors(layout, entity), (char *)entity};
        return advance(layout, entity, arrival->time);
    }
    uint32_t position;
    bool fine = insert(layout, entity, arrival, &position);
    fine &= look_back(layout, entity, arrival, position, scratch);
    *ret = (struct view){entity, (struct cursor *)(scratch + layout->cursors_offset), scratch};
    return fine;
}

void entity_prefetch(const struct layout *layout, const struct entity *entity)
{
    const struct cursor *cursors = (const struct cursor *)((const char *)entity + layout->cursors_offset);
    if (!entity->ring)
        return;
    for (size_t f = 0; f < layout->group->n_frames; f++) {
        __builtin_prefetch(event_at(layout, entity, cursors[f].low));
        __builtin_prefetch(event_at(layout, entity, cursors[f].high));
    }
    __builtin_prefetch(event_at(layout, entity, entity->end));
}

/* A slot's value in its representation. */
static inline void load_value(const struct reading *reading, enum rep rep, const char *event,
                              union value *ret)
{
    const char *at = event + reading->value;
    if (rep == REP_DOUBLE)
        ret->real = pack_real(at, reading->pack);
    else if (rep == REP_WIDE)
        ret->wide = pack_wide(at);
    else
        ret->integer = pack_int(at, reading->pack);
}

static inline int value_order(enum rep rep, const union value *a, const union value *b)
{
    if (rep == REP_DOUBLE)
        return double_order(a->real, b->real);
    if (rep == REP_WIDE)
        return (a->wide > b->wide) - (a->wide < b->wide);
    return (a->integer > b->integer) - (a->integer < b->integer);
}

/* The smallest or largest value of a frame; NULL where it has none. */
static void read_extreme(const struct layout *layout, const struct reading *reading, const struct view *view,
                         struct vector *window, int64_t i)
{
    struct cursor cursor = view->cursors[reading->frame];
    enum rep rep = layout->group->slots[reading->slot].rep;
    union value best = {.wide = 0}, value;
    bool found = false;
    for (uint32_t p = cursor.low; p != cursor.high; p++) {
        const char *event = event_at(layout, view->entity, p);
        if (!(marks_of(layout, event) >> reading->slot & 1))
            continue;
        load_value(reading, rep, event, &value);
        if (!found || value_order(rep, &value, &best) * reading->sign > 0)
            best = value;
        found = true;
    }
    window->state[i] = found ? STATE_VALUE : STATE_NULL;
    if (window->rep == REP_BOOLEAN)
        BOOLEANS(window)[i] = best.integer != 0;
    else
        memcpy((char *)window->data + (size_t)i * rep_width(window->rep), &best, rep_width(window->rep));
}

/* A DECIMAL sum has 38 digits, a little less than 127 bits hold. */
static uint8_t read_wide(const struct reading *reading, const struct exact *exact, __int128 *ret)
{
    const __int128 limit = (__int128)power10[18] * power10[18] * 100;
    if (!exact_sum_wide(exact, ret))
        return STATE_ERROR;
    return reading->decimal && (*ret >= limit || *ret <= -limit) ? STATE_ERROR : STATE_VALUE;
}

static inline double read_real(const struct reading *reading, const struct exact *exact)
{
    if (reading->kind == READ_MEAN_DOUBLE)
        return exact_mean(exact);
    return reading->kind == READ_SUM_DOUBLE ? exact_sum(exact) : exact_mean_wide(exact, reading->scale);
}

void view_read(const struct layout *layout, const struct view *view, struct vector *windows, int64_t i)
{
    for (int r = 0; r < layout->n_readings; r++) {
        const struct reading *reading = &layout->readings[r];
        const char *at = view->accumulators + reading->offset;
        const struct exact *exact = (const struct exact *)at;
        struct vector *window = &windows[reading->window];
        const struct cursor *cursor;
        switch (reading->kind) {
        case READ_EVENTS:
            cursor = &view->cursors[reading->frame];
            INTS(window)[i] = (uint32_t)(cursor->high - cursor->low);
            window->state[i] = STATE_VALUE;
            break;
        case READ_COUNT:
            INTS(window)[i] = *(const int64_t *)at;
            window->state[i] = STATE_VALUE;
            break;
        case READ_SUM_COUNT:
            INTS(window)[i] = exact->count;
            window->state[i] = STATE_VALUE;
            break;
        case READ_EXTREME:
            read_extreme(layout, reading, view, window, i);
            break;
        case READ_SUM_WIDE:
            window->state[i] = exact->count ? read_wide(reading, exact, &WIDES(window)[i]) : STATE_NULL;
            break;
        default:
            window->state[i] = exact->count ? STATE_VALUE : STATE_NULL;
            if (exact->count)
                DOUBLES(window)[i] = read_real(reading, exact);
        }
    }
}
