/*
 * An event that is erased from its entity. It leaves the retained events and the sums of frames without a
 * start; then the entity is written and read again, and everything else follows from the events that are
 * left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "feature/advance.h"
#include "feature/entity_save.h"
#include "feature/extremes.h"
#include "feature/ring.h"
#include "feature/strings.h"

/* An event that an end has been fed is in all frames without a start that end there. */
static bool leave_unbounded(struct share *share, struct entity *entity, uint32_t position)
{
    const struct layout *layout = share->layout;
    const uint32_t *highs = entity_highs(layout, entity);
    const char *event = event_at(layout, entity, position);
    bool fine = true;
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        if (frame->unbounded && position - entity->first < highs[frame->end] - entity->first)
            fine &= frame_run(share, frame, entity, event, (struct reach){0, 0, 1}, -1);
    }
    return fine;
}

static bool cut_event(struct share *share, struct entity *entity, uint32_t position)
{
    const struct layout *layout = share->layout;
    uint32_t *highs = entity_highs(layout, entity);
    bool fine = leave_unbounded(share, entity, position);
    share_drop_texts(share, event_at(layout, entity, position));
    for (int i = 0; i < layout->n_ends; i++)
        highs[i] -= position - entity->first < highs[i] - entity->first;
    deque_cut(&entity->events, position, 1);
    return fine;
}

/* Ends that are counted in rows stand elsewhere once there are fewer: frames without a start follow them. */
static bool follow_ends(struct share *share, struct entity *entity)
{
    const struct layout *layout = share->layout;
    bool fine = true;
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        uint32_t had = entity_highs(layout, entity)[frame->end] - entity->first;
        uint32_t has = entity_stand(layout, entity, &layout->ends[frame->end]);
        for (; frame->unbounded && had > has; had--)
            fine &= frame_run(share, frame, entity, event_at(layout, entity, entity->first + had - 1),
                              (struct reach){0, 0, 1}, -1);
        for (; frame->unbounded && had < has; had++)
            fine &= frame_run(share, frame, entity, event_at(layout, entity, entity->first + had),
                              (struct reach){0, 0, 1}, 1);
    }
    return fine;
}

/* An event that has gone is still part of frames without a start, all of which it has passed. */
static bool leave_gone(struct share *share, struct entity *entity, const struct arrival *arrival)
{
    const struct layout *layout = share->layout;
    bool fine = true;
    memset(share->event, 0, layout->event_size);
    for (int i = 0; i < layout->n_stored; i++)
        pack_put(share->event + layout->stored[i].offset, layout->stored[i].pack,
                 &arrival->values[layout->stored[i].slot]);
    for (int i = 0; i < layout->n_accumulators; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        if (layout->frames[accumulator->frame].unbounded && (arrival->marks >> accumulator->slot & 1))
            fine &= accumulator_run(share, accumulator, entity, (char *)entity, share->event, -1);
    }
    --*entity_evicted(layout, entity);
    return fine;
}

/* ---- written and read again ---- */

struct reading_again {
    const struct buffer *bytes;
    size_t at;
};

static int write_bytes(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "an entity", error);
}

static int read_bytes(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    struct reading_again *reading = context;
    size_t left = reading->bytes->size - reading->at, n = left < capacity ? left : capacity;
    (void)error;
    memcpy(data, reading->bytes->data + reading->at, n);
    reading->at += n;
    *ret_size = n;
    return OK;
}

static bool read_again(struct share *share, struct entity *entity, const struct buffer *bytes)
{
    const struct layout *layout = share->layout;
    struct reading_again reading = {bytes, 0};
    struct bytes_in in;
    const uint64_t *key = entity_keys(layout, entity);
    struct entity *again = memory_aligned(layout->entity_size);
    if (!again || bytes_in_init(&in, read_bytes, &reading, NULL) != OK) {
        free(again);
        return false;
    }
    entity_init(layout, key, again);
    bool fine = entity_load(share, again, NULL, &in);
    bytes_in_done(&in);
    for (int i = 0; i < layout->n_text_keys; i++)
        if (!(key[layout->n_words - 1] >> layout->text_keys[i].part & 1))
            strings_hold(share->strings, key[layout->text_keys[i].word]);
    entity_done(share, entity);
    memcpy(entity, again, layout->entity_size);
    free(again);
    return fine;
}

static bool rebuild(struct share *share, struct entity *entity)
{
    struct buffer bytes;
    struct bytes_out out;
    buffer_init(&bytes, SIZE_MAX / 2);
    bool fine = bytes_out_init(&out, write_bytes, &bytes, NULL) == OK;
    if (fine) {
        entity_save(share->layout, entity, &out);
        fine = bytes_out_finish(&out) == OK;
    }
    fine = fine && read_again(share, entity, &bytes);
    buffer_done(&bytes);
    return fine;
}

/* Frames stand at the newest event that is left: one that comes behind it is not late, and would pass them
 * otherwise. */
static void stand_at_last(const struct layout *layout, struct entity *entity)
{
    if (!ring_count(entity))
        return;
    int64_t last = time_at(layout, entity, entity->end - 1);
    entity->position = last < entity->position ? last : entity->position;
}

bool entity_erase(struct share *share, struct entity *entity, const struct arrival *arrivals, int64_t n,
                  bool sums, bool *ret_retained)
{
    const struct layout *layout = share->layout;
    bool fine = true, any = false;
    for (int64_t i = 0; i < n; i++) {
        uint32_t position;
        ret_retained[i] = entity_find(layout, entity, &arrivals[i], &position);
        any |= ret_retained[i];
        if (ret_retained[i])
            fine &= cut_event(share, entity, position);
        else if (layout->unbounded && sums)
            fine &= leave_gone(share, entity, &arrivals[i]);
    }
    if (!any || !fine)
        return fine;
    stand_at_last(layout, entity);
    if (layout->unbounded)
        fine = follow_ends(share, entity);
    return fine && rebuild(share, entity);
}

bool entity_is_empty(const struct layout *layout, const struct entity *entity)
{
    return !ring_count(entity) && (!layout->unbounded || !*entity_evicted(layout, entity));
}

/* ---- what may stay ---- */

static bool same_value(const struct remembered *remembered, const union value *a, const union value *b)
{
    char x[sizeof *a], y[sizeof *a];
    pack_put(x, remembered->pack, a);
    pack_put(y, remembered->pack, b);
    return memcmp(x, y, pack_width(remembered->pack)) == 0;
}

static bool is_extreme(const struct layout *layout, const struct strings *strings,
                       const struct entity *entity, const struct arrival *arrival, int which)
{
    const struct extreme *extreme = &layout->extremes[which];
    const struct gone *gone = entity_at(entity, extreme->gone);
    return extreme->gone && (arrival->marks >> extreme->slot & 1) && gone->found &&
           extreme_order(extreme, strings, &arrival->values[extreme->slot], &gone->value) >= 0;
}

static bool is_remembered(const struct layout *layout, const struct entity *entity,
                          const struct arrival *arrival, int which)
{
    const struct remembered *remembered = &layout->remembered[which];
    const struct gone *gone = entity_at(entity, remembered->offset);
    bool counts = remembered->rows < 0 || (arrival->marks >> remembered->rows & 1);
    bool is_null = !(arrival->marks >> remembered->slot & 1);
    if (!counts || !gone->found || is_null != gone->is_null)
        return false;
    return is_null || same_value(remembered, &arrival->values[remembered->slot], &gone->value);
}

void entity_traces(const struct layout *layout, const struct strings *strings, const struct entity *entity,
                   const struct arrival *arrival, bool *ret)
{
    for (int i = 0; i < layout->n_readings; i++) {
        const struct reading *reading = &layout->readings[i];
        bool place = reading->kind == READ_FIRST || reading->kind == READ_LAST;
        if (!reading->unbounded)
            continue;
        if (reading->kind == READ_EXTREME)
            ret[reading->window] |= is_extreme(layout, strings, entity, arrival, reading->extreme);
        else if (place && reading->remembered >= 0)
            ret[reading->window] |= is_remembered(layout, entity, arrival, reading->remembered);
    }
}
