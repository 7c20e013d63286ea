#include "feature/steady.h"

#include <stdlib.h>

#include "feature/kernels.h"
#include "feature/lookahead.h"

#define STEP static inline __attribute__((always_inline))
#define RARELY(condition) __builtin_expect(condition, 0)

/* What may be read from a frame. */
enum output { OUT_EVENTS, OUT_COUNT, OUT_SUM, OUT_MEAN, OUT_OR, OUT_AND, N_OUTPUTS };

struct steady_frame {
    int64_t start;
    uint32_t low,
        sum;   /* offsets in the entity: of the cursor, and of what runs along, 0 where nothing does */
    bool more; /* other outputs than events and mean */
    struct vector outputs[N_OUTPUTS]; /* state NULL: no such window */
};

struct steady_end {
    int64_t end;
    uint32_t high;      /* offset of the cursor in the entity */
    uint32_t exclusive; /* 1: the event itself is not in the frames */
    int n_frames;
};

struct steady {
    enum run_along run;
    enum pack pack;
    int scale, n_ends;
    char mark;                        /* the bit of the byte at mark_byte that says that an event counts */
    size_t value, mark_byte, arrival; /* in a retained event; arrival 0: it has no number */
    size_t size;                      /* of a retained event */
    size_t slot, n_slots;
    int64_t retain;
    uint32_t longest; /* offset of the cursor of a frame that begins as early as events are retained */
    struct steady_end *ends;
    struct steady_frame *frames; /* those of the first end, then those of the next */
};

/* The way of all frames, or RUN_ANYTHING. */
static enum run_along way_of(const struct layout *layout)
{
    enum run_along run = RUN_NOTHING;
    bool more = layout->lasting || layout->has_text || layout->mark_width > 1 || layout->n_stored > 1 ||
                layout->n_linked || layout->n_extremes || layout->n_marked ||
                layout->readings[layout->n_readings - 1].kind > READ_MEAN_DOUBLE;
    for (int f = 0; f < layout->n_frames; f++) {
        enum run_along one = layout->frames[f].run;
        more |= one != RUN_NOTHING && run != RUN_NOTHING && one != run;
        run = one != RUN_NOTHING ? one : run;
    }
    for (int e = 0; e < layout->n_ends; e++)
        more |= layout->ends[e].run == RUN_ANYTHING;
    for (int i = 1; i < layout->n_accumulators; i++)
        more |= layout->accumulators[i].slot != layout->accumulators[0].slot;
    more |= run == RUN_NOTHING && layout->group->n_slots;
    return more ? RUN_ANYTHING : run;
}

static enum output output_of(enum reading_kind kind)
{
    switch (kind) {
    case READ_EVENTS:
        return OUT_EVENTS;
    case READ_SMALL_COUNT:
    case READ_EXACT_COUNT:
        return OUT_COUNT;
    case READ_SMALL_SUM:
    case READ_SUM_DOUBLE:
        return OUT_SUM;
    case READ_SMALL_OR:
        return OUT_OR;
    case READ_SMALL_AND:
        return OUT_AND;
    default:
        return OUT_MEAN;
    }
}

/* False where two windows read the same of a frame. */
static bool find_outputs(const struct layout *layout, int frame, struct steady *steady,
                         struct steady_frame *ret)
{
    for (int r = 0; r < layout->n_readings; r++) {
        const struct reading *reading = &layout->readings[r];
        struct vector *output = &ret->outputs[output_of(reading->kind)];
        if (reading->frame != frame)
            continue;
        if (output->state)
            return false;
        *output = reading->out;
        ret->more |= output != &ret->outputs[OUT_EVENTS] && output != &ret->outputs[OUT_MEAN];
        steady->scale = reading->kind == READ_SMALL_MEAN ? reading->scale : steady->scale;
    }
    return true;
}

static bool fill(const struct layout *layout, struct steady *steady)
{
    struct steady_frame *frame = steady->frames;
    for (int e = 0; e < layout->n_ends; e++) {
        const struct layout_end *end = &layout->ends[e];
        steady->ends[e] = (struct steady_end){.end = end->end,
                                              .high = (uint32_t)(layout->highs_offset + 4 * (size_t)e),
                                              .exclusive = end->exclusive};
        for (int f = 0; f < layout->n_frames; f++) {
            const struct layout_frame *known = &layout->frames[f];
            if (known->end != e)
                continue;
            frame->start = known->start;
            frame->low = (uint32_t)(layout->lows_offset + 4 * (size_t)f);
            if (known->start == layout->retain)
                steady->longest = frame->low;
            frame->sum = known->n_accumulators ? (uint32_t)known->accumulators->offset : 0;
            if (!find_outputs(layout, f, steady, frame++))
                return false;
            steady->ends[e].n_frames++;
        }
    }
    return true;
}

int steady_new(const struct layout *layout, struct steady **ret, struct error *error)
{
    *ret = NULL;
    if (way_of(layout) == RUN_ANYTHING)
        return OK;
    struct steady *steady = memory_new(1, sizeof *steady);
    if (steady) {
        steady->run = way_of(layout);
        steady->size = layout->event_size;
        steady->arrival = layout->arrival_offset;
        steady->n_slots = layout->group->n_slots;
        steady->retain = layout->retain;
        steady->n_ends = layout->n_ends;
        steady->ends = memory_new((size_t)layout->n_ends, sizeof *steady->ends);
        steady->frames = memory_new((size_t)layout->n_frames, sizeof *steady->frames);
    }
    if (!steady || !steady->ends || !steady->frames) {
        steady_free(steady);
        return error_set(error, CODE_MEMORY, "no memory for the windows");
    }
    if (layout->n_accumulators) {
        const struct accumulator *accumulator = layout->accumulators;
        steady->slot = (size_t)accumulator->slot;
        steady->pack = accumulator->pack;
        steady->value = accumulator->value;
        steady->mark_byte = accumulator->mark_byte;
        steady->mark = (char)(1 << accumulator->mark_bit);
    }
    if (fill(layout, steady))
        *ret = steady;
    else
        steady_free(steady);
    return OK;
}

void steady_free(struct steady *steady)
{
    if (!steady)
        return;
    free(steady->ends);
    free(steady->frames);
    free(steady);
}

/* Where events lie; in a register each while the cursors move. */
struct walk {
    char *ring;
    uint32_t mask;
    size_t size;
};

STEP char *walk_at(const struct walk *walk, uint32_t position, bool paged)
{
    if (!paged)
        return walk->ring + (position & walk->mask) * walk->size;
    return ((char **)walk->ring)[position / RING_PAGE & walk->mask] + position % RING_PAGE * walk->size;
}

/* Cursors move up to an event of some time. They need no limit: the newest event stops them, because no frame
 * begins after it, and the frames of an end before it do not have it. */

/* What enters all frames of an end, and where and when it does. */
struct gain {
    __int128 grid; /* RUN_DOUBLE */
    int64_t sum;   /* RUN_SMALL */
    int64_t count, time;
    struct walk walk;
    uint32_t high, row;
};

/* The same for a value that is not on the grid, or would leave it. */
static __attribute__((noinline)) bool spill(const struct steady_end *end, const struct steady_frame *frames,
                                            struct entity *entity, double value)
{
    bool fine = true;
    for (int f = 0; f < end->n_frames; f++)
        fine &= !frames[f].sum || exact_add(entity_at(entity, frames[f].sum), value);
    return fine;
}

STEP bool is_marked(const struct steady *steady, const char *event)
{
    return __builtin_expect(event[steady->mark_byte] & steady->mark, 1);
}

STEP bool gain_event(const struct steady *steady, const struct steady_end *end,
                     const struct steady_frame *frames, struct entity *entity, const char *event,
                     struct gain *gain, enum run_along run)
{
    if (run == RUN_NOTHING || !is_marked(steady, event))
        return true;
    if (run == RUN_SMALL) {
        gain->sum += pack_int(event + steady->value, steady->pack);
    } else {
        double value = pack_real(event + steady->value, PACK_DOUBLE);
        __int128 grid, sum;
        if (RARELY(!exact_is_usual(value, &grid) || __builtin_add_overflow(gain->grid, grid, &sum)))
            return spill(end, frames, entity, value);
        gain->grid = sum;
    }
    gain->count++;
    return true;
}

/* The number of events: never NULL, which the windows' vectors are told beforehand (state.c). */
STEP void put_events(const struct vector *out, uint32_t row, int64_t events)
{
    if (out->state)
        INTS(out)[row] = events;
}

STEP void put_count(const struct vector *out, uint32_t row, int64_t count)
{
    if (out->state) {
        out->state[row] = STATE_VALUE;
        INTS(out)[row] = count;
    }
}

/* The mean; that of no values is NULL, and a number all the same: whether there are any is hard to guess. */
STEP void put_mean(const struct vector *out, uint32_t row, int64_t count, double mean)
{
    if (out->state) {
        out->state[row] = count != 0;
        DOUBLES(out)[row] = mean;
    }
}

/* A frame takes what its end gained, lets go of what is older than its start, and is read. */
STEP bool run_small(const struct steady *steady, const struct steady_frame *frame, struct entity *entity,
                    const struct gain *gain, bool paged)
{
    uint32_t *cursor = entity_at(entity, frame->low), low = *cursor, high = gain->high, row = gain->row;
    struct small_sum *small = entity_at(entity, frame->sum);
    int64_t oldest = gain->time - frame->start, sum = small->sum + gain->sum,
            count = small->count + gain->count;
    struct walk walk = gain->walk;
    for (;; low++) {
        const char *event = walk_at(&walk, low, paged);
        if (event_time(event) >= oldest)
            break;
        if (!is_marked(steady, event))
            continue;
        sum -= pack_int(event + steady->value, steady->pack);
        count--;
    }
    *cursor = low;
    small->sum = sum;
    small->count = count;
    const struct vector *out = frame->outputs;
    put_events(&out[OUT_EVENTS], row, (uint32_t)(high - low));
    put_mean(&out[OUT_MEAN], row, count, small_mean(sum, count + !count, steady->scale));
    if (!frame->more)
        return true;
    put_count(&out[OUT_COUNT], row, count);
    if (out[OUT_SUM].state) {
        out[OUT_SUM].state[row] = count != 0;
        WIDES(&out[OUT_SUM])[row] = sum;
    }
    if (out[OUT_OR].state) {
        out[OUT_OR].state[row] = count != 0;
        BOOLEANS(&out[OUT_OR])[row] = sum > 0;
    }
    if (out[OUT_AND].state) {
        out[OUT_AND].state[row] = count != 0;
        BOOLEANS(&out[OUT_AND])[row] = sum == count;
    }
    return true;
}

STEP bool run_double(const struct steady *steady, const struct steady_frame *frame, struct entity *entity,
                     const struct gain *gain, bool paged)
{
    uint32_t *cursor = entity_at(entity, frame->low), low = *cursor, high = gain->high, row = gain->row;
    struct exact *exact = entity_at(entity, frame->sum);
    int64_t oldest = gain->time - frame->start;
    struct walk walk = gain->walk;
    __int128 sum;
    bool fine = true;
    exact->count += gain->count;
    if (RARELY(__builtin_add_overflow(exact->sum, gain->grid, &sum))) {
        fine &= exact_spill_wide(exact, gain->grid, 1);
        sum = exact->sum;
    }
    for (;; low++) {
        const char *event = walk_at(&walk, low, paged);
        if (event_time(event) >= oldest)
            break;
        if (!is_marked(steady, event))
            continue;
        double value = pack_real(event + steady->value, PACK_DOUBLE);
        __int128 grid, rest;
        if (RARELY(!exact_is_usual(value, &grid) || __builtin_sub_overflow(sum, grid, &rest))) {
            exact->sum = sum;
            fine &= exact_remove(exact, value);
            sum = exact->sum;
            continue;
        }
        sum = rest;
        exact->count--;
    }
    *cursor = low;
    exact->sum = sum;
    const struct vector *out = frame->outputs;
    int64_t count = exact->count;
    put_events(&out[OUT_EVENTS], row, (uint32_t)(high - low));
    if (out[OUT_MEAN].state) {
        double mean;
        if (RARELY(exact->spill || !exact_divide(sum, (uint64_t)(count + !count), &mean)))
            put_mean(&out[OUT_MEAN], row, count, count ? exact_mean_slow(exact) : 0);
        else
            put_mean(&out[OUT_MEAN], row, count, mean * EXACT_UNIT);
    }
    if (!frame->more)
        return fine;
    put_count(&out[OUT_COUNT], row, count);
    if (out[OUT_SUM].state) {
        out[OUT_SUM].state[row] = count != 0;
        DOUBLES(&out[OUT_SUM])[row] = exact_sum(exact);
    }
    return fine;
}

/* Nothing but the number of events is read. */
STEP bool run_nothing(const struct steady_frame *frame, struct entity *entity, const struct gain *gain,
                      bool paged)
{
    uint32_t *cursor = entity_at(entity, frame->low), low = *cursor, high = gain->high;
    int64_t oldest = gain->time - frame->start;
    while (event_time(walk_at(&gain->walk, low, paged)) < oldest)
        low++;
    *cursor = low;
    put_events(&frame->outputs[OUT_EVENTS], gain->row, (uint32_t)(high - low));
    return true;
}

STEP bool run_frame(const struct steady *steady, const struct steady_frame *frame, struct entity *entity,
                    const struct gain *gain, bool paged, enum run_along run)
{
    if (run == RUN_SMALL && frame->sum)
        return run_small(steady, frame, entity, gain, paged);
    if (run == RUN_DOUBLE && frame->sum)
        return run_double(steady, frame, entity, gain, paged);
    return run_nothing(frame, entity, gain, paged);
}

STEP void put_event(const struct steady *steady, char *event, const struct arrivals *arrivals, uint32_t row,
                    int64_t time, enum run_along run)
{
    const union value *value = arrivals->values + row * steady->n_slots + steady->slot;
    uint32_t number = (uint32_t)(arrivals->number + row);
    memcpy(event, &time, sizeof time);
    if (run == RUN_DOUBLE)
        memcpy(event + steady->value, value, sizeof(double));
    else if (run == RUN_SMALL)
        pack_put(event + steady->value, steady->pack, value);
    if (RARELY(steady->arrival != 0))
        memcpy(event + steady->arrival, &number, sizeof number);
    if (run != RUN_NOTHING)
        event[steady->mark_byte] = (char)arrivals->marks[row];
}

/* An event that is the newest of its entity. There is room for it. */
STEP bool take_newest(struct share *share, const struct steady *steady, struct entity *entity,
                      const struct arrivals *arrivals, uint32_t row, int64_t time, int64_t floor, bool paged,
                      enum run_along run)
{
    const struct steady_frame *frame = steady->frames;
    struct walk walk = {entity->ring, (paged ? entity->capacity / RING_PAGE : entity->capacity) - 1,
                        steady->size};
    uint32_t end = entity->end + 1, first = entity->first;
    bool fine = true;
    put_event(steady, walk_at(&walk, end - 1, paged), arrivals, row, time, run);
    entity->end = end;
    entity->position = time;
    for (int e = 0; e < steady->n_ends; e++) {
        const struct steady_end *at = &steady->ends[e];
        uint32_t *cursor = entity_at(entity, at->high), high = *cursor, limit = end - at->exclusive;
        int64_t newest = time - at->end;
        struct gain gain = {.time = time, .walk = walk, .row = row};
        for (; at->end ? event_time(walk_at(&walk, high, paged)) <= newest : high != limit; high++)
            fine &= gain_event(steady, at, frame, entity, walk_at(&walk, high, paged), &gain, run);
        *cursor = gain.high = high;
        for (const struct steady_frame *last = frame + at->n_frames; frame != last; frame++)
            fine &= run_frame(steady, frame, entity, &gain, paged, run);
    }
    /* Where no event may come late, what the longest frame lets go of. */
    if (floor == time)
        first = *(const uint32_t *)entity_at(entity, steady->longest);
    while (event_time(walk_at(&walk, first, paged)) < floor - steady->retain)
        first++;
    entity->first = first;
    deque_shrink(&entity->events, &share->pool);
    return fine;
}

/* The general way. */
static bool take_any(struct share *share, struct entity *entity, const struct arrivals *arrivals,
                     uint32_t row)
{
    struct view view;
    struct arrival arrival = {.time = arrivals->times[row],
                              .floor = arrivals->floors[row],
                              .number = (uint32_t)(arrivals->number + row),
                              .marks = arrivals->marks[row],
                              .values = arrivals->values + row * share->layout->group->n_slots};
    if (!entity_take(share, entity, &arrival, &view))
        return false;
    view_read(share, &view, row);
    return !view.late || entity_settle(share, entity, &view);
}

STEP bool take_one(struct share *share, const struct steady *steady, struct entity *entity,
                   const struct arrivals *arrivals, uint32_t row, enum run_along run)
{
    int64_t time = arrivals->times[row], floor = arrivals->floors[row];
    uint32_t count = ring_count(entity);
    if (run == RUN_ANYTHING || RARELY(time < entity->position) || RARELY(time < floor))
        return take_any(share, entity, arrivals, row);
    if (RARELY(count >= entity->capacity) || RARELY(entity->capacity > RING_PAGE)) {
        if (!deque_reserve(&entity->events, &share->pool))
            return false;
        if (entity->capacity > RING_PAGE)
            return take_newest(share, steady, entity, arrivals, row, time, floor, true, run);
    }
    return take_newest(share, steady, entity, arrivals, row, time, floor, false, run);
}

STEP bool take_rows(struct share *share, const struct steady *steady, const struct arrivals *arrivals,
                    struct lookahead *look, const uint32_t *rows, int n, enum run_along run)
{
    int behind = look ? LOOKAHEAD_ALL : 0;
    for (int j = -behind; j < n; j++) {
        if (look && !lookahead_step(look, j + behind))
            return false;
        if (j >= 0 && !take_one(share, steady, arrivals->entities[rows[j]], arrivals, rows[j], run))
            return false;
    }
    return true;
}

static bool take(struct share *share, const struct steady *steady, const struct arrivals *arrivals,
                 struct lookahead *look, const uint32_t *rows, int n)
{
    switch (steady ? steady->run : RUN_ANYTHING) {
    case RUN_NOTHING:
        return take_rows(share, steady, arrivals, look, rows, n, RUN_NOTHING);
    case RUN_SMALL:
        return take_rows(share, steady, arrivals, look, rows, n, RUN_SMALL);
    case RUN_DOUBLE:
        return take_rows(share, steady, arrivals, look, rows, n, RUN_DOUBLE);
    default:
        return take_rows(share, steady, arrivals, look, rows, n, RUN_ANYTHING);
    }
}

bool arrivals_take(struct share *share, const struct steady *steady, const struct arrivals *arrivals,
                   const uint32_t *rows, int n)
{
    return take(share, steady, arrivals, NULL, rows, n);
}

bool arrivals_find_and_take(struct entities *entities, const struct steady *steady,
                            const struct arrivals *arrivals, const uint64_t *hashes, const uint64_t *keys,
                            const uint32_t *rows, int n)
{
    struct lookahead look = {.entities = entities,
                             .hashes = hashes,
                             .keys = keys,
                             .found = arrivals->entities,
                             .rows = rows,
                             .n = n};
    return take(&entities->share, steady, arrivals, &look, rows, n);
}
