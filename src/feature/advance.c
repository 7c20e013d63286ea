#include "feature/advance.h"

#include <string.h>

#include "feature/extremes.h"
#include "feature/recent.h"
#include "feature/ring.h"

#define INLINE static inline __attribute__((always_inline))

static bool run_distinct(struct share *share, const struct accumulator *accumulator, struct entity *entity,
                         int64_t *live, const char *event, int sign)
{
    const struct map *map = &share->layout->maps[accumulator->map];
    struct distinct *distinct = entity_at(entity, map->offset);
    uint64_t key[2];
    bool fine = true;
    distinct_key(event + accumulator->value, accumulator->pack, key);
    share->bytes -= (int64_t)distinct_bytes(&map->shape, distinct);
    if (sign > 0)
        fine = distinct_add(&map->shape, distinct, key, accumulator->place, live);
    else
        distinct_remove(&map->shape, distinct, key, accumulator->place, live);
    share->bytes += (int64_t)distinct_bytes(&map->shape, distinct);
    return fine;
}

static void run_linked(const struct layout *layout, const struct accumulator *accumulator,
                       const struct entity *entity, int64_t *live, struct reach reach, int sign)
{
    const struct linked *linked = &layout->linked[accumulator->linked];
    *live += recent_is_alone(layout, linked, entity, reach) ? sign : 0;
}

/* Adds (sign 1) or removes (-1) an event's value; `base` is the entity, or share->alone. reach: of the frame
 * with the event. */
INLINE bool run_one(struct share *share, const struct accumulator *accumulator, struct entity *entity,
                    char *base, const char *event, struct reach reach, int sign)
{
    char *to = base + accumulator->offset;
    const char *at = event + accumulator->value;
    struct small_sum *small = (struct small_sum *)to;
    struct exact *exact = (struct exact *)to;
    __int128 wide;
    switch (accumulator->kind) {
    case ACCUMULATE_DOUBLE:
        return sign > 0 ? exact_add(exact, pack_real(at, accumulator->pack))
                        : exact_remove(exact, pack_real(at, accumulator->pack));
    case ACCUMULATE_SMALL:
        small->sum += sign * pack_int(at, accumulator->pack);
        small->count += sign;
        return true;
    case ACCUMULATE_COUNT:
        *(int64_t *)to += sign;
        return true;
    case ACCUMULATE_INT:
        wide = pack_int(at, accumulator->pack);
        return sign > 0 ? exact_add_wide(exact, wide) : exact_remove_wide(exact, wide);
    case ACCUMULATE_WIDE:
        wide = pack_wide(at);
        return sign > 0 ? exact_add_wide(exact, wide) : exact_remove_wide(exact, wide);
    case ACCUMULATE_SQUARES:
        return sign > 0 ? exact_squares_add((struct exact_squares *)to, pack_real(at, accumulator->pack))
                        : exact_squares_remove((struct exact_squares *)to, pack_real(at, accumulator->pack));
    case ACCUMULATE_LINKED:
        run_linked(share->layout, accumulator, entity, (int64_t *)to, reach, sign);
        return true;
    default:
        return run_distinct(share, accumulator, entity, (int64_t *)to, event, sign);
    }
}

/* The same for all that runs along with a frame. */
static inline bool run_frame(struct share *share, const struct layout_frame *frame, struct entity *entity,
                             const char *event, struct reach reach, int sign)
{
    const struct layout *layout = share->layout;
    uint64_t marks = event_marks(layout, event);
    bool fine = true;
    for (int i = 0; i < frame->n_accumulators; i++) {
        const struct accumulator *accumulator = &frame->accumulators[i];
        if (marks >> accumulator->slot & 1)
            fine &= run_one(share, accumulator, entity, (char *)entity, event, reach, sign);
    }
    return fine;
}

bool frame_run(struct share *share, const struct layout_frame *frame, struct entity *entity,
               const char *event, struct reach reach, int sign)
{
    return run_frame(share, frame, entity, event, reach, sign);
}

bool accumulator_run(struct share *share, const struct accumulator *accumulator, struct entity *entity,
                     char *base, const char *event, int sign)
{
    return run_one(share, accumulator, entity, base, event, (struct reach){0, 0, 1}, sign);
}

/* An event passes the high cursor of an end: every frame with that end gains it. */
static bool feed(struct share *share, const struct layout_end *end, struct entity *entity, uint32_t position,
                 const char *event)
{
    const struct layout *layout = share->layout;
    uint64_t marks = event_marks(layout, event);
    const uint32_t *lows = entity_lows(layout, entity);
    bool fine = true;
    for (int i = end->first; i < end->last; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        struct reach reach = {position, position - lows[accumulator->frame], 1};
        if (marks >> accumulator->slot & 1)
            fine &= run_one(share, accumulator, entity, (char *)entity, event, reach, 1);
    }
    for (int i = end->first_extreme; i < end->last_extreme; i++) {
        const struct extreme *extreme = &layout->extremes[i];
        if (marks >> extreme->slot & 1)
            fine &= extremes_push(extreme, share->strings, entity_at(entity, extreme->offset), position,
                                  event, &share->pool);
    }
    for (int i = end->first_marked; i < end->last_marked; i++)
        if (marks >> layout->marked[i].slot & 1)
            *entity_marked(entity, &layout->marked[i]) = position;
    return fine;
}

static inline bool is_marked(const struct accumulator *accumulator, const char *event)
{
    return event[accumulator->mark_byte] >> accumulator->mark_bit & 1;
}

/* The same where the frames run along with one slot, in one way. */
INLINE bool feed_alike(const struct layout *layout, const struct layout_end *end, char *base,
                       const char *event, enum run_along run)
{
    const struct accumulator *accumulator = &layout->accumulators[end->first];
    const struct accumulator *last = &layout->accumulators[end->last];
    bool fine = true;
    if (!is_marked(accumulator, event))
        return true;
    if (run == RUN_SMALL) {
        int64_t value = pack_int(event + accumulator->value, accumulator->pack);
        for (; accumulator != last; accumulator++) {
            struct small_sum *small = (struct small_sum *)(base + accumulator->offset);
            small->sum += value;
            small->count++;
        }
    } else {
        double value = pack_real(event + accumulator->value, PACK_DOUBLE);
        __int128 grid;
        bool on_grid = exact_on_grid(value, &grid);
        for (; accumulator != last; accumulator++)
            fine &= exact_run((struct exact *)(base + accumulator->offset), value, on_grid, grid, 1);
    }
    return fine;
}

/* Takes an event from a frame that runs along with one slot. */
INLINE bool drop_alike(const struct accumulator *accumulator, char *base, const char *event,
                       enum run_along run)
{
    char *at = base + accumulator->offset;
    if (!is_marked(accumulator, event))
        return true;
    if (run == RUN_DOUBLE)
        return exact_remove((struct exact *)at, pack_real(event + accumulator->value, PACK_DOUBLE));
    struct small_sum *small = (struct small_sum *)at;
    small->sum -= pack_int(event + accumulator->value, accumulator->pack);
    small->count--;
    return true;
}

/* Where events lie; in a register each while the cursors move. */
struct walk {
    char *ring;
    uint32_t mask;
    size_t size;
};

INLINE const char *walk_at(const struct walk *walk, uint32_t position, bool paged)
{
    if (!paged)
        return walk->ring + (position & walk->mask) * walk->size;
    return ((char **)walk->ring)[position / RING_PAGE & walk->mask] + position % RING_PAGE * walk->size;
}

/* Feeds an end what is not newer than `newest`, and not at `limit`. */
INLINE bool feed_until(struct share *share, const struct layout_end *end, struct entity *entity,
                       const struct walk *walk, bool paged, uint32_t *at, uint32_t limit, int64_t newest,
                       enum run_along run)
{
    uint32_t high = *at;
    bool fine = true;
    for (; high != limit; high++) {
        const char *event = walk_at(walk, high, paged);
        if (event_time(event) > newest)
            break;
        if (run == RUN_ANYTHING)
            fine &= feed(share, end, entity, high, event);
        else if (run != RUN_NOTHING)
            fine &= feed_alike(share->layout, end, (char *)entity, event, run);
    }
    *at = high;
    return fine;
}

INLINE bool advance_end(struct share *share, struct entity *entity, const struct walk *walk, bool paged,
                        const struct layout_end *end, uint32_t *high, int64_t time, uint32_t limit)
{
    int64_t newest = time - end->end;
    if (end->unit == FRAME_ROWS) {
        limit = ring_clamp(entity, (int64_t)ring_count(entity) - end->end);
        if (limit - entity->first < *high - entity->first)
            return true;
        newest = INT64_MAX;
    }
    switch (end->run) {
    case RUN_NOTHING:
        return feed_until(share, end, entity, walk, paged, high, limit, newest, RUN_NOTHING);
    case RUN_SMALL:
        return feed_until(share, end, entity, walk, paged, high, limit, newest, RUN_SMALL);
    case RUN_DOUBLE:
        return feed_until(share, end, entity, walk, paged, high, limit, newest, RUN_DOUBLE);
    default:
        return feed_until(share, end, entity, walk, paged, high, limit, newest, RUN_ANYTHING);
    }
}

/* Takes from a frame what is older than `oldest`, up to `limit`. */
INLINE bool drop_until(struct share *share, const struct layout_frame *frame, struct entity *entity,
                       const struct walk *walk, bool paged, uint32_t *at, uint32_t limit, int64_t oldest,
                       enum run_along run)
{
    uint32_t low = *at, end = entity_highs(share->layout, entity)[frame->end];
    bool fine = true;
    for (; low != limit; low++) {
        const char *event = walk_at(walk, low, paged);
        if (event_time(event) >= oldest)
            break;
        if (run == RUN_ANYTHING)
            fine &= run_frame(share, frame, entity, event, (struct reach){low, 0, end - low}, -1);
        else if (run != RUN_NOTHING)
            fine &= drop_alike(frame->accumulators, (char *)entity, event, run);
    }
    *at = low;
    return fine;
}

INLINE bool advance_low(struct share *share, struct entity *entity, const struct walk *walk, bool paged,
                        const struct layout_frame *frame, uint32_t *low, uint32_t limit, int64_t time,
                        bool current)
{
    int64_t oldest = time - frame->start;
    if (frame->unbounded)
        return true;
    if (frame->unit == FRAME_ROWS) {
        uint32_t target = ring_clamp(entity, (int64_t)ring_count(entity) - 1 - frame->start);
        if (current && target - entity->first < limit - entity->first)
            limit = target;
        if (limit - entity->first < *low - entity->first)
            return true;
        oldest = INT64_MAX;
    }
    switch (frame->run) {
    case RUN_NOTHING:
        return drop_until(share, frame, entity, walk, paged, low, limit, oldest, RUN_NOTHING);
    case RUN_SMALL:
        return drop_until(share, frame, entity, walk, paged, low, limit, oldest, RUN_SMALL);
    case RUN_DOUBLE:
        return drop_until(share, frame, entity, walk, paged, low, limit, oldest, RUN_DOUBLE);
    default:
        return drop_until(share, frame, entity, walk, paged, low, limit, oldest, RUN_ANYTHING);
    }
}

INLINE bool advance(struct share *share, struct entity *entity, int64_t time, bool current, bool paged)
{
    const struct layout *layout = share->layout;
    struct walk walk = {entity->ring, (paged ? entity->capacity / RING_PAGE : entity->capacity) - 1,
                        layout->event_size};
    uint32_t *lows = entity_lows(layout, entity), *highs = entity_highs(layout, entity);
    bool fine = true;
    for (int i = 0; i < layout->n_ends; i++) {
        const struct layout_end *end = &layout->ends[i];
        uint32_t limit = entity->end - (uint32_t)(current && end->exclusive);
        fine &= advance_end(share, entity, &walk, paged, end, &highs[i], time, limit);
    }
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        fine &= advance_low(share, entity, &walk, paged, frame, &lows[f], highs[frame->end], time, current);
    }
    entity->position = time;
    return fine;
}

bool frames_advance(struct share *share, struct entity *entity, int64_t time, bool current)
{
    return entity->capacity > RING_PAGE ? advance(share, entity, time, current, true)
                                        : advance(share, entity, time, current, false);
}
