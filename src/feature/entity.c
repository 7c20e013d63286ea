#include "feature/entity.h"

#include <stdlib.h>
#include <string.h>

#include "feature/extremes.h"
#include "feature/advance.h"
#include "feature/kernels.h"
#include "feature/recent.h"
#include "feature/ring.h"
#include "feature/strings.h"

int share_init(const struct layout *layout, struct strings *strings, struct share *ret, struct error *error)
{
    size_t frames = (size_t)layout->n_frames, ends = (size_t)layout->n_ends;
    struct share share = {.layout = layout, .strings = strings};
    share.lows = memory_new(frames, sizeof *share.lows);
    share.view_lows = memory_new(frames, sizeof *share.view_lows);
    share.inside = memory_new(frames, sizeof *share.inside);
    share.highs = memory_new(ends, sizeof *share.highs);
    share.view_highs = memory_new(ends, sizeof *share.view_highs);
    share.fed = memory_new(ends, sizeof *share.fed);
    share.alone = memory_aligned(layout->entity_size);
    share.event = memory_new(layout->event_size, 1);
    if (share.alone)
        memset(share.alone, 0, layout->entity_size);
    if (!share.lows || !share.view_lows || !share.inside || !share.highs || !share.view_highs || !share.fed ||
        !share.alone || !share.event) {
        share_done(&share);
        return error_set(error, CODE_MEMORY, "no memory for the windows");
    }
    *ret = share;
    return OK;
}

void share_done(struct share *share)
{
    free(share->lows);
    free(share->view_lows);
    free(share->inside);
    free(share->highs);
    free(share->view_highs);
    free(share->fed);
    for (int i = 0; share->alone && i < share->layout->n_accumulators; i++)
        accumulator_clear(&share->layout->accumulators[i], share->alone);
    free(share->alone);
    free(share->event);
    pool_done(&share->pool);
    *share = (struct share){0};
}

/* Releases the texts of an event that is no longer retained. */
void share_drop_texts(const struct share *share, const char *event)
{
    uint64_t marks = event_marks(share->layout, event);
    for (int i = 0; i < share->layout->n_stored; i++) {
        const struct stored *stored = &share->layout->stored[i];
        if (stored->text && !stored->forever && (marks >> stored->slot & 1))
            strings_release(share->strings, (uint64_t)pack_int(event + stored->offset, stored->pack));
    }
}

void share_drop_key(const struct share *share, const uint64_t *key)
{
    const struct layout *layout = share->layout;
    for (int i = 0; i < layout->n_text_keys; i++) {
        bool is_null = key[layout->n_words - 1] >> layout->text_keys[i].part & 1;
        if (!is_null)
            strings_release(share->strings, key[layout->text_keys[i].word]);
    }
}

/* A value that outlives its event takes its text along. */
static void keep_gone(struct share *share, struct gone *gone, const union value *value, bool is_null,
                      bool text)
{
    if (text && !is_null)
        strings_hold(share->strings, (uint64_t)value->integer);
    if (text && gone->found && !gone->is_null)
        strings_release(share->strings, (uint64_t)gone->value.integer);
    *gone = (struct gone){.value = *value, .found = true, .is_null = is_null};
}

/* What frames without a start still need of an event that goes. */
static void remember(struct share *share, struct entity *entity, const char *event)
{
    const struct layout *layout = share->layout;
    uint64_t marks = event_marks(layout, event);
    union value value = {.wide = 0};
    for (int i = 0; i < layout->n_extremes; i++) {
        const struct extreme *extreme = &layout->extremes[i];
        struct gone *gone = entity_at(entity, extreme->gone);
        if (!extreme->gone || !(marks >> extreme->slot & 1))
            continue;
        extreme_load(extreme, event, &value);
        if (!gone->found || extreme_order(extreme, share->strings, &value, &gone->value) >= 0)
            keep_gone(share, gone, &value, false, extreme->rep == REP_TEXT);
    }
    for (int i = 0; i < layout->n_remembered; i++) {
        const struct remembered *remembered = &layout->remembered[i];
        struct gone *gone = entity_at(entity, remembered->offset);
        bool counts = remembered->rows < 0 || (marks >> remembered->rows & 1);
        if (!counts || (gone->found && !remembered->last))
            continue;
        bool is_null = !(marks >> remembered->slot & 1);
        if (!is_null)
            pack_value(event + remembered->value, remembered->pack, remembered->rep, &value);
        keep_gone(share, gone, &value, is_null, remembered->rep == REP_TEXT);
    }
    ++*entity_evicted(layout, entity);
}

/* Can an event to come, at or after `floor`, still see the oldest one? */
static inline bool is_needed(const struct layout *layout, const struct entity *entity, int64_t floor)
{
    if (time_at(layout, entity, entity->first) >= floor - layout->retain)
        return true;
    uint32_t rows = layout->retain_rows;
    return rows && (ring_count(entity) <= rows + 1 || time_at(layout, entity, entity->first + rows) >= floor);
}

static void evict_old(struct share *share, struct entity *entity, int64_t floor)
{
    const struct layout *layout = share->layout;
    while (entity->first != entity->end && !is_needed(layout, entity, floor)) {
        const char *event = event_at(layout, entity, entity->first);
        if (layout->unbounded)
            remember(share, entity, event);
        if (layout->has_text)
            share_drop_texts(share, event);
        for (int i = 0; i < layout->n_linked; i++)
            recent_evict(layout, &layout->linked[i], entity, &share->pool);
        entity->first++;
    }
    for (int i = 0; i < layout->n_extremes; i++)
        extremes_evict(entity, entity_at(entity, layout->extremes[i].offset), &share->pool);
    for (int f = 0; layout->unbounded && f < layout->n_frames; f++)
        if (layout->frames[f].unbounded)
            entity_lows(layout, entity)[f] = entity->first;
    recent_shrink(layout, entity, &share->pool);
}

static inline void evict(struct share *share, struct entity *entity, int64_t floor)
{
    if (entity->first != entity->end && !is_needed(share->layout, entity, floor))
        evict_old(share, entity, floor);
}

/* Is the event, put before what was at `position`, among those that an end has been fed? */
static bool was_passed(const struct layout_end *end, const struct entity *entity, uint32_t high,
                       uint32_t position, int64_t time)
{
    if (position != high)
        return position - entity->first < high - entity->first;
    return end->unit == FRAME_RANGE && entity->position != INT64_MIN && time <= entity->position - end->end;
}

/* Does the frame, where it stands, begin with the event that was put where its oldest one was? */
static bool is_first(const struct entity *entity, const struct layout_frame *frame, int64_t time)
{
    if (frame->unit == FRAME_ROWS)
        return (int64_t)ring_count(entity) - 1 <= frame->start; /* it is not full yet */
    return entity->position != INT64_MIN && time >= entity->position - frame->start;
}

/* How far a frame, where it stands, reaches from an event in it. */
static struct reach reach_of(const struct layout *layout, const struct entity *entity, int frame,
                             uint32_t position)
{
    uint32_t low = entity_lows(layout, entity)[frame];
    uint32_t high = entity_highs(layout, entity)[layout->frames[frame].end];
    return (struct reach){position, position - low, high - position};
}

/* Makes the frames, where they stand, count an event that was put at `position`. */
static bool join(struct share *share, struct entity *entity, uint32_t position, int64_t time)
{
    const struct layout *layout = share->layout;
    uint32_t *lows = entity_lows(layout, entity), *highs = entity_highs(layout, entity);
    const char *event = event_at(layout, entity, position);
    bool fine = true;
    for (int i = 0; i < layout->n_ends; i++) {
        share->fed[i] = was_passed(&layout->ends[i], entity, highs[i], position, time);
        highs[i] += share->fed[i];
    }
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        uint32_t low = lows[f] - entity->first, at = position - entity->first;
        bool after = frame->unbounded || at > low || (at == low && is_first(entity, frame, time));
        share->inside[f] = share->fed[frame->end] && after;
        if (!frame->unbounded && share->fed[frame->end] && !share->inside[f])
            lows[f]++;
        if (share->inside[f])
            fine &= frame_run(share, frame, entity, event, reach_of(layout, entity, f, position), 1);
    }
    return fine;
}

/* Positions that are kept elsewhere follow the events that move to make or to close a gap. */
static void shift_positions(const struct layout *layout, struct entity *entity, uint32_t position, int by)
{
    for (int i = 0; i < layout->n_marked; i++) {
        uint32_t *marked = entity_marked(entity, &layout->marked[i]);
        if (*marked - entity->first >= position - entity->first)
            *marked += (uint32_t)by;
    }
    for (int i = 0; i < layout->n_extremes; i++)
        extremes_shift(entity, entity_at(entity, layout->extremes[i].offset), position, by);
}

static bool is_too_late(const struct arrival *arrival)
{
    return arrival->time < arrival->floor && arrival->floor != FLOOR_AHEAD;
}

/* The frames of an event at `position` that is not the newest. */
static void find_view(struct share *share, const struct entity *entity, const struct arrival *arrival,
                      uint32_t position)
{
    const struct layout *layout = share->layout;
    bool too_late = is_too_late(arrival);
    for (int i = 0; i < layout->n_ends; i++) {
        const struct layout_end *end = &layout->ends[i];
        share->view_highs[i] = end->unit == FRAME_ROWS
                                   ? ring_clamp(entity, (int64_t)(position - entity->first) + 1 - end->end)
                               : end->exclusive ? position
                                                : ring_search(layout, entity, arrival->time - end->end, true);
    }
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        uint32_t high = share->view_highs[frame->end], low;
        bool itself = high == position + 1;
        if (frame->unbounded) {
            low = !too_late ? entity->first : itself ? position : high;
        } else if (frame->unit == FRAME_RANGE) {
            int64_t from = too_late ? arrival->floor : arrival->time;
            low = ring_search(layout, entity, from - frame->start, false);
            if (itself && low - entity->first > position - entity->first)
                low = position;
        } else {
            low = ring_clamp(entity, (int64_t)(position - entity->first) - frame->start);
            if (too_late) {
                /* Of what came before the floor, `start` events are retained besides this one. */
                int64_t floor = ring_search(layout, entity, arrival->floor, false) - entity->first;
                uint32_t oldest = ring_clamp(entity, floor - 1 - frame->start);
                bool older = position - entity->first < oldest - entity->first;
                low = !older ? oldest : itself ? position : high;
            }
        }
        share->view_lows[f] = low - entity->first < high - entity->first ? low : high;
    }
}

/* Adds or removes the event at `offset` from the oldest. */
static bool run_at(struct share *share, const struct layout_frame *frame, struct entity *entity,
                   uint32_t offset, uint32_t before, uint32_t behind, int sign)
{
    uint32_t position = entity->first + offset;
    return frame_run(share, frame, entity, event_at(share->layout, entity, position),
                     (struct reach){position, before, behind}, sign);
}

/* Moves a frame's sums from the events [a, b) to [c, d), offsets from the oldest, by one at either end at a
 * time: what both have stays. */
static bool move(struct share *share, const struct layout_frame *frame, struct entity *entity, uint32_t a,
                 uint32_t b, uint32_t c, uint32_t d)
{
    bool fine = true;
    for (; a < b && (a < c || a >= d); a++)
        fine &= run_at(share, frame, entity, a, 0, b - a, -1);
    for (; a < b && b > d; b--)
        fine &= run_at(share, frame, entity, b - 1, b - 1 - a, 1, -1);
    if (a == b)
        a = b = c;
    for (; a > c; a--)
        fine &= run_at(share, frame, entity, a - 1, 0, b - a + 1, 1);
    for (; b < d; b++)
        fine &= run_at(share, frame, entity, b, b - a, 1, 1);
    return fine;
}

/* Steps all frames from where they stand to the view, or back. */
static bool step(struct share *share, struct entity *entity, bool too_late, bool back)
{
    const struct layout *layout = share->layout;
    bool fine = true;
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        if (!frame->n_accumulators || (frame->unbounded && too_late))
            continue;
        uint32_t first = entity->first;
        uint32_t a = frame->unbounded ? 0 : entity_lows(layout, entity)[f] - first;
        uint32_t b = entity_highs(layout, entity)[frame->end] - first;
        uint32_t c = share->view_lows[f] - first, d = share->view_highs[frame->end] - first;
        fine &= back ? move(share, frame, entity, c, d, a, b) : move(share, frame, entity, a, b, c, d);
    }
    return fine;
}

/* Sums of frames without a start for a too late event, which has no part in those that stand: itself. */
static bool sum_alone(struct share *share, struct entity *entity, uint32_t position)
{
    const struct layout *layout = share->layout;
    const char *event = event_at(layout, entity, position);
    bool fine = true;
    for (int i = 0; i < layout->n_accumulators; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        const struct layout_frame *frame = &layout->frames[accumulator->frame];
        if (!frame->unbounded)
            continue;
        accumulator_clear(accumulator, share->alone);
        bool itself = share->view_highs[frame->end] == position + 1;
        if (!itself || !(event_marks(layout, event) >> accumulator->slot & 1))
            continue;
        if (accumulator->kind == ACCUMULATE_DISTINCT)
            *(int64_t *)(share->alone + accumulator->offset) = 1;
        else
            fine &= accumulator_run(share, accumulator, entity, share->alone, event, 1);
    }
    return fine;
}

static bool take_late(struct share *share, struct entity *entity, const struct arrival *arrival,
                      struct view *ret)
{
    const struct layout *layout = share->layout;
    uint32_t position = ring_search(layout, entity, arrival->time, true);
    bool too_late = is_too_late(arrival);
    memcpy(share->lows, entity_lows(layout, entity), (size_t)layout->n_frames * sizeof *share->lows);
    memcpy(share->highs, entity_highs(layout, entity), (size_t)layout->n_ends * sizeof *share->highs);
    shift_positions(layout, entity, position, 1);
    for (int i = 0; i < layout->n_linked; i++)
        recent_open(layout, &layout->linked[i], entity, position);
    deque_open(&entity->events, position);
    event_put(layout, event_at(layout, entity, position), arrival);
    for (int i = 0; i < layout->n_linked; i++)
        recent_insert(layout, &layout->linked[i], entity, position);
    bool fine = join(share, entity, position, arrival->time);
    find_view(share, entity, arrival, position);
    fine &= step(share, entity, too_late, false);
    if (layout->unbounded && too_late)
        fine &= sum_alone(share, entity, position);
    bool outside = arrival->time < arrival->floor;
    *ret = (struct view){entity, share->view_lows, share->view_highs, position, true, too_late, outside};
    return fine;
}

/* Takes an event that is too late, or ahead, out of everything. */
static bool leave(struct share *share, struct entity *entity, uint32_t position)
{
    const struct layout *layout = share->layout;
    const char *event = event_at(layout, entity, position);
    bool fine = true;
    for (int f = 0; f < layout->n_frames; f++)
        if (share->inside[f])
            fine &= frame_run(share, &layout->frames[f], entity, event, reach_of(layout, entity, f, position),
                              -1);
    if (layout->has_text)
        share_drop_texts(share, event);
    for (int i = 0; i < layout->n_linked; i++) {
        recent_remove(layout, &layout->linked[i], entity, position);
        recent_close(layout, &layout->linked[i], entity, position);
    }
    deque_cut(&entity->events, position, 1);
    shift_positions(layout, entity, position + 1, -1);
    memcpy(entity_lows(layout, entity), share->lows, (size_t)layout->n_frames * sizeof *share->lows);
    memcpy(entity_highs(layout, entity), share->highs, (size_t)layout->n_ends * sizeof *share->highs);
    return fine;
}

/* Is the last marked event, by its offset from the oldest, one indeed? There may have been none yet. */
static bool was_fed(const struct layout *layout, const struct entity *entity, const struct marked *marked,
                    uint32_t offset)
{
    uint32_t fed = entity_highs(layout, entity)[marked->end] - entity->first;
    return offset < fed &&
           event_marks(layout, event_at(layout, entity, entity->first + offset)) >> marked->slot & 1;
}

/* Extremes and marked positions take the late event in: after its own windows were read, because they, other
 * than sums, cannot step back. */
static bool join_positions(struct share *share, struct entity *entity, uint32_t position)
{
    const struct layout *layout = share->layout;
    const char *event = event_at(layout, entity, position);
    uint64_t marks = event_marks(layout, event);
    bool fine = true;
    for (int i = 0; i < layout->n_extremes; i++) {
        const struct extreme *extreme = &layout->extremes[i];
        if (share->fed[extreme->end] && (marks >> extreme->slot & 1))
            fine &= extremes_insert(extreme, share->strings, entity, entity_at(entity, extreme->offset),
                                    position, event, &share->pool);
    }
    for (int i = 0; i < layout->n_marked; i++) {
        const struct marked *marked = &layout->marked[i];
        uint32_t *at = entity_marked(entity, marked), new = position - entity->first,
                 old = *at - entity->first;
        if (!(marks >> marked->slot & 1))
            continue;
        /* The first one is looked for from there on, so one that is yet to enter the frame counts, too. */
        if (marked->frame >= 0
                ? (share->inside[marked->frame] || !share->fed[marked->end]) && new < old
                : share->fed[marked->end] && (new > old || !was_fed(layout, entity, marked, old)))
            *at = position;
    }
    return fine;
}

bool entity_settle(struct share *share, struct entity *entity, const struct view *view)
{
    bool fine = step(share, entity, view->too_late, true);
    if (view->outside)
        return fine & leave(share, entity, view->position);
    fine &= join_positions(share, entity, view->position);
    return fine & frames_advance(share, entity, entity->position, true);
}

bool entity_take(struct share *share, struct entity *entity, const struct arrival *arrival, struct view *ret)
{
    const struct layout *layout = share->layout;
    bool room = entity->capacity <= RING_PAGE && ring_count(entity) < entity->capacity;
    if (!room && !recent_reserve(layout, entity, &share->pool))
        return false;
    /* Where erasing has left no event, none is there to be late behind. */
    bool late = arrival->time < entity->position && ring_count(entity);
    if (late || arrival->time < arrival->floor)
        return take_late(share, entity, arrival, ret);
    event_put(layout, event_at(layout, entity, entity->end), arrival);
    for (int i = 0; i < layout->n_linked; i++)
        recent_put(layout, &layout->linked[i], entity, &share->pool);
    *ret = (struct view){
        entity, entity_lows(layout, entity), entity_highs(layout, entity), entity->end++, false, false,
        false};
    bool fine = frames_advance(share, entity, arrival->time, true);
    evict(share, entity, arrival->floor);
    return fine;
}

bool entity_prefetch(const struct layout *layout, struct entity *const *entities, const union value *values,
                     const uint32_t *rows, int n)
{
    bool more = layout->n_linked > 0;
    for (int j = 0; j < n; j++) {
        const struct entity *entity = entities[rows[j]];
        if (entity->capacity > RING_PAGE) {
            ring_prefetch_directory(entity);
            more = true;
        } else if (entity->ring) {
            ring_prefetch(layout, entity, false);
        }
        for (int i = 0; i < layout->n_extremes; i++)
            extremes_prefetch(entity_at(entity, layout->extremes[i].offset));
    }
    for (int i = 0; i < layout->n_linked; i++)
        recent_prefetch(layout, &layout->linked[i], entities, values, rows, n);
    return more;
}

void entity_prefetch_more(const struct layout *layout, struct entity *const *entities,
                          const union value *values, const uint32_t *rows, int n)
{
    for (int j = 0; j < n; j++)
        if (entities[rows[j]]->capacity > RING_PAGE)
            ring_prefetch(layout, entities[rows[j]], true);
    for (int i = 0; i < layout->n_linked; i++)
        recent_prefetch_more(layout, &layout->linked[i], entities, values, rows, n);
}

bool entity_forget_quiet(struct share *share, struct entity *entity, int64_t floor)
{
    const struct layout *layout = share->layout;
    if (!layout->lasting || (entity->position == INT64_MIN && !ring_count(entity)))
        return true;
    if (layout->retain_rows || !ring_count(entity))
        return false;
    /* Only sums without a start remain: every event has entered them. */
    frames_advance(share, entity, floor, false);
    evict(share, entity, INT64_MAX);
    deque_free(&entity->events, &share->pool);
    for (int i = 0; i < layout->n_linked; i++)
        recent_free(&layout->linked[i], entity, &share->pool);
    return false;
}

void entity_tidy(struct share *share, struct entity *entity)
{
    const struct layout *layout = share->layout;
    deque_tidy(&entity->events, &share->pool);
    for (int i = 0; i < layout->n_extremes; i++) {
        struct extremes *extremes = entity_at(entity, layout->extremes[i].offset);
        deque_fit(&extremes->list, &share->pool);
        deque_tidy(&extremes->list, &share->pool);
    }
    for (int i = 0; i < layout->n_linked; i++)
        recent_tidy(&layout->linked[i], entity, &share->pool);
}

void entity_init(const struct layout *layout, const uint64_t *key, struct entity *ret)
{
    memset(ret, 0, layout->entity_size);
    ret->position = INT64_MIN;
    ret->events.item = (uint16_t)layout->event_size;
    ret->events.beside = (uint8_t)layout->n_linked;
    memcpy(entity_keys(layout, ret), key, (size_t)layout->n_words * 8);
}

static void drop_map(struct share *share, const struct map *map, struct entity *entity)
{
    struct distinct *distinct = entity_at(entity, map->offset);
    share->bytes -= (int64_t)distinct_bytes(&map->shape, distinct);
    distinct_done(distinct);
}

void entity_done(struct share *share, struct entity *entity)
{
    const struct layout *layout = share->layout;
    for (; layout->has_text && entity->first != entity->end; entity->first++)
        share_drop_texts(share, event_at(layout, entity, entity->first));
    share_drop_key(share, entity_keys(layout, entity));
    if (entity->ring)
        deque_free(&entity->events, &share->pool);
    for (int i = 0; i < layout->n_accumulators; i++)
        accumulator_clear(&layout->accumulators[i], (char *)entity);
    for (int i = 0; i < layout->n_linked; i++)
        recent_free(&layout->linked[i], entity, &share->pool);
    for (int i = 0; i < layout->n_maps; i++)
        drop_map(share, &layout->maps[i], entity);
    for (int i = 0; i < layout->n_extremes; i++) {
        const struct extreme *extreme = &layout->extremes[i];
        struct gone *gone = entity_at(entity, extreme->gone);
        extremes_done(entity_at(entity, extreme->offset), &share->pool);
        if (extreme->gone && extreme->rep == REP_TEXT && gone->found)
            strings_release(share->strings, (uint64_t)gone->value.integer);
    }
    for (int i = 0; i < layout->n_remembered; i++) {
        struct gone *gone = entity_at(entity, layout->remembered[i].offset);
        if (layout->remembered[i].rep == REP_TEXT && gone->found && !gone->is_null)
            strings_release(share->strings, (uint64_t)gone->value.integer);
    }
}
