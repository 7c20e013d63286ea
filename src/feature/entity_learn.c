/* An event that turns out to be another: what its entity keeps is made as if it had always been that. */
#include <string.h>

#include "feature/advance.h"
#include "feature/extremes.h"
#include "feature/ring.h"
#include "feature/strings.h"

bool entity_find(const struct layout *layout, const struct entity *entity, const struct arrival *arrival,
                 uint32_t *ret)
{
    uint32_t position = ring_search(layout, entity, arrival->time, false), number;
    for (; position != entity->end; position++) {
        const char *event = event_at(layout, entity, position);
        if (event_time(event) != arrival->time)
            break;
        memcpy(&number, event + layout->arrival_offset, sizeof number);
        if (number == arrival->number) {
            *ret = position;
            return true;
        }
    }
    return false;
}

static bool is_late(const struct layout *layout, int slot)
{
    return layout->late >> slot & 1;
}

/* Puts what late columns say into an event; the texts are held for it. */
static void put_late(const struct share *share, char *event, const struct arrival *arrival)
{
    const struct layout *layout = share->layout;
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        const union value *value = &arrival->values[stored->slot];
        if (!is_late(layout, stored->slot))
            continue;
        pack_put(event + stored->offset, stored->pack, value);
        if (stored->text && (arrival->marks >> stored->slot & 1))
            strings_hold(share->strings, (uint64_t)value->integer);
    }
    uint64_t marks = event_marks(layout, event) & ~layout->late;
    event_put_marks(layout, event, marks | (arrival->marks & layout->late));
}

/* Releases the texts that an event had for late columns. */
static void drop_late(const struct share *share, const char *event)
{
    const struct layout *layout = share->layout;
    uint64_t marks = event_marks(layout, event);
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        if (stored->text && !stored->forever && is_late(layout, stored->slot) && (marks >> stored->slot & 1))
            strings_release(share->strings, (uint64_t)pack_int(event + stored->offset, stored->pack));
    }
}

/* Does the event have all of that already? */
static bool is_known(const struct layout *layout, const char *event, const struct arrival *now)
{
    uint64_t marks = event_marks(layout, event);
    char packed[sizeof(union value)];
    if ((marks ^ now->marks) & layout->late)
        return false;
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        if (!is_late(layout, stored->slot) || !(marks >> stored->slot & 1))
            continue;
        pack_put(packed, stored->pack, &now->values[stored->slot]);
        if (memcmp(packed, event + stored->offset, pack_width(stored->pack)) != 0)
            return false;
    }
    return true;
}

static bool is_fed(const struct layout *layout, const struct entity *entity, int end, uint32_t position)
{
    return position - entity->first < entity_highs(layout, entity)[end] - entity->first;
}

/* Adds the event to all frames that hold it where they stand, or takes it out. */
static bool run_frames(struct share *share, struct entity *entity, uint32_t position, int sign)
{
    const struct layout *layout = share->layout;
    const char *event = event_at(layout, entity, position);
    bool fine = true;
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        uint32_t low = entity_lows(layout, entity)[f], high = entity_highs(layout, entity)[frame->end];
        bool after = frame->unbounded || position - entity->first >= low - entity->first;
        if (after && is_fed(layout, entity, frame->end, position))
            fine &= frame_run(share, frame, entity, event,
                              (struct reach){position, position - low, high - position}, sign);
    }
    return fine;
}

static bool has_mark(const struct layout *layout, const struct entity *entity, uint32_t position, int slot)
{
    return event_marks(layout, event_at(layout, entity, position)) >> slot & 1;
}

/* Without the event's former value those come back that nothing but it has beaten: they lie between it and
 * the one before it in the list. */
static bool learn_extreme(struct share *share, const struct extreme *extreme, struct entity *entity,
                          uint32_t position)
{
    const struct layout *layout = share->layout;
    struct extremes *extremes = entity_at(entity, extreme->offset);
    uint32_t i = extremes_before(entity, extremes, position), back = position;
    bool fine = true;
    if (!is_fed(layout, entity, extreme->end, position))
        return true;
    if (i < extremes_count(extremes) && extremes_at(extremes, i) == position) {
        back = i ? extremes_at(extremes, i - 1) + 1 : entity->first;
        extremes_remove(extremes, i);
    }
    for (uint32_t p = position;; p--) {
        if (has_mark(layout, entity, p, extreme->slot))
            fine &= extremes_insert(extreme, share->strings, entity, extremes, p, event_at(layout, entity, p),
                                    &share->pool);
        if (p == back)
            return fine;
    }
}

/* The last marked event of an end, which is looked at alone. */
static void learn_last(const struct layout *layout, const struct marked *marked, struct entity *entity,
                       uint32_t position)
{
    uint32_t *at = entity_marked(entity, marked), old = *at - entity->first;
    if (!is_fed(layout, entity, marked->end, position))
        return;
    bool stands = is_fed(layout, entity, marked->end, *at) && has_mark(layout, entity, *at, marked->slot);
    if (has_mark(layout, entity, position, marked->slot)) {
        if (!stands || position - entity->first > old)
            *at = position;
    } else if (*at == position) {
        while (position != entity->first && !has_mark(layout, entity, position, marked->slot))
            position--;
        *at = position;
    }
}

/* Where the first marked event of a frame is looked for from there on: one that has lost its mark is passed
 * then. */
static void learn_first(const struct layout *layout, const struct marked *marked, struct entity *entity,
                        uint32_t position)
{
    uint32_t *at = entity_marked(entity, marked), offset = position - entity->first;
    uint32_t low = entity_lows(layout, entity)[marked->frame] - entity->first;
    if (has_mark(layout, entity, position, marked->slot) && offset >= low && offset < *at - entity->first)
        *at = position;
}

/* What is kept by position. */
static bool learn_positions(struct share *share, struct entity *entity, uint32_t position)
{
    const struct layout *layout = share->layout;
    bool fine = true;
    for (int i = 0; i < layout->n_extremes; i++)
        if (is_late(layout, layout->extremes[i].slot))
            fine &= learn_extreme(share, &layout->extremes[i], entity, position);
    for (int i = 0; i < layout->n_marked; i++) {
        const struct marked *marked = &layout->marked[i];
        if (!is_late(layout, marked->slot))
            continue;
        if (marked->frame < 0)
            learn_last(layout, marked, entity, position);
        else
            learn_first(layout, marked, entity, position);
    }
    return fine;
}

static bool learn_retained(struct share *share, struct entity *entity, uint32_t position,
                           const struct arrival *now)
{
    const struct layout *layout = share->layout;
    char *event = event_at(layout, entity, position);
    if (is_known(layout, event, now))
        return true;
    bool fine = run_frames(share, entity, position, -1);
    for (int i = 0; i < layout->n_linked; i++)
        if (is_late(layout, layout->linked[i].slot))
            recent_remove(layout, &layout->linked[i], entity, position);
    drop_late(share, event);
    put_late(share, event, now);
    for (int i = 0; i < layout->n_linked; i++)
        if (is_late(layout, layout->linked[i].slot))
            recent_insert(layout, &layout->linked[i], entity, position);
    fine &= run_frames(share, entity, position, 1);
    return fine & learn_positions(share, entity, position);
}

/* An event that has gone is still part of frames without a start, all of which it has passed. */
static bool run_gone(struct share *share, struct entity *entity, const struct arrival *arrival, int sign)
{
    const struct layout *layout = share->layout;
    bool fine = true;
    memset(share->event, 0, layout->event_size);
    put_late(share, share->event, arrival);
    for (int i = 0; i < layout->n_accumulators; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        if (layout->frames[accumulator->frame].unbounded && is_late(layout, accumulator->slot) &&
            (arrival->marks >> accumulator->slot & 1))
            fine &= accumulator_run(share, accumulator, entity, (char *)entity, share->event, sign);
    }
    drop_late(share, share->event);
    return fine;
}

bool entity_learn(struct share *share, struct entity *entity, const struct arrival *before,
                  const struct arrival *now)
{
    uint32_t position;
    if (entity_find(share->layout, entity, now, &position))
        return learn_retained(share, entity, position, now);
    if (!share->layout->unbounded)
        return true;
    return run_gone(share, entity, before, -1) & run_gone(share, entity, now, 1);
}
