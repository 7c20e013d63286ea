/* Window results out of a view: of the newest event from what runs along, of an earlier one with more search.
 */
#include <math.h>

#include "feature/entity.h"
#include "feature/extremes.h"
#include "feature/kernels.h"
#include "feature/ring.h"
#include "feature/strings.h"

/* A frame's events in a view. */
struct span {
    uint32_t low, high;
    bool whole; /* and all that was evicted: a frame without a start */
};

static inline struct span span_of(const struct view *view, const struct reading *reading)
{
    bool whole = reading->unbounded && !view->too_late;
    return (struct span){whole ? view->entity->first : view->lows[reading->frame], view->highs[reading->end],
                         whole};
}

static inline bool within(const struct span *span, uint32_t position)
{
    return position - span->low < span->high - span->low;
}

/* A value from an event or from what is left of one; a text by its number. */
static void put_value(const struct share *share, const struct reading *reading, const union value *value,
                      int64_t i)
{
    const struct vector *window = &reading->out;
    window->state[i] = value ? STATE_VALUE : STATE_NULL;
    if (!value)
        return;
    if (window->rep == REP_BOOLEAN)
        BOOLEANS(window)[i] = value->integer != 0;
    else if (reading->rep == REP_TEXT)
        TEXTS(window)[i] = strings_text(share->strings, (uint64_t)value->integer);
    else
        memcpy((char *)window->data + (size_t)i * rep_width(window->rep), value, rep_width(window->rep));
}

/* The best of `best` and the event at `position`; equal ones: the event. */
static bool better(const struct share *share, const struct extreme *extreme, const struct entity *entity,
                   uint32_t position, bool found, union value *best)
{
    union value value;
    extreme_load(extreme, event_at(share->layout, entity, position), &value);
    if (found && extreme_order(extreme, share->strings, &value, best) < 0)
        return false;
    *best = value;
    return true;
}

static bool is_marked(const struct layout *layout, const struct entity *entity, uint32_t position, int slot)
{
    return slot < 0 || (event_marks(layout, event_at(layout, entity, position)) >> slot & 1);
}

/* Of an event that is not the newest: what stood there before it, then itself. The extreme of all later
 * events is that of the frame too if it lies in it, and nearly always it does; else the frame is scanned. */
static bool late_extreme(const struct share *share, const struct view *view, const struct extreme *extreme,
                         const struct span *span, union value *best)
{
    const struct layout *layout = share->layout;
    const struct entity *entity = view->entity;
    const struct extremes *extremes = entity_at(entity, extreme->offset);
    uint32_t fed = entity_highs(layout, entity)[extreme->end] - entity->first, at = span->high;
    uint32_t i = extremes_before(entity, extremes, span->low);
    bool found = false;
    if (span->high - entity->first <= fed && i < extremes_count(extremes) &&
        within(span, extremes_at(extremes, i))) {
        at = extremes_at(extremes, i);
        extremes_value(extreme, extremes, i, best);
        found = true;
    } else {
        for (uint32_t p = span->low; p != span->high; p++)
            if (p != view->position && is_marked(layout, entity, p, extreme->slot) &&
                better(share, extreme, entity, p, found, best)) {
                at = p;
                found = true;
            }
    }
    uint32_t self = view->position;
    if (!within(span, self) || !is_marked(layout, entity, self, extreme->slot))
        return found;
    union value value = *best;
    if (better(share, extreme, entity, self, found, &value) &&
        (!found || self - span->low > at - span->low ||
         extreme_order(extreme, share->strings, &value, best) != 0))
        *best = value;
    return true;
}

static void read_extreme(const struct share *share, const struct reading *reading, const struct view *view,
                         int64_t i)
{
    const struct extreme *extreme = &share->layout->extremes[reading->extreme];
    const struct entity *entity = view->entity;
    const struct extremes *extremes = entity_at(entity, extreme->offset);
    const struct gone *gone = entity_at(entity, extreme->gone);
    struct span span = span_of(view, reading);
    union value best = {.wide = 0};
    bool found;
    if (view->late) {
        found = late_extreme(share, view, extreme, &span, &best);
    } else {
        uint32_t n = extremes_before(entity, extremes, span.low);
        found = n < extremes_count(extremes) && within(&span, extremes_at(extremes, n));
        if (found)
            extremes_value(extreme, extremes, n, &best);
    }
    if (span.whole && extreme->gone && gone->found &&
        (!found || extreme_order(extreme, share->strings, &gone->value, &best) > 0)) {
        best = gone->value;
        found = true;
    }
    put_value(share, reading, found ? &best : NULL, i);
}

/* Position of the first event of a frame that counts. In order, where it was found last time is remembered.
 */
static bool find_first(const struct share *share, const struct reading *reading, const struct view *view,
                       const struct span *span, uint32_t *ret)
{
    const struct layout *layout = share->layout;
    uint32_t position = span->low, *start = NULL;
    if (reading->marked >= 0 && !view->late) {
        start = entity_marked(view->entity, &layout->marked[reading->marked]);
        if (within(span, *start) || *start == span->high)
            position = *start;
    }
    while (position != span->high && !is_marked(layout, view->entity, position, reading->rows))
        position++;
    if (start)
        *start = position;
    *ret = position;
    return position != span->high;
}

static bool find_last(const struct share *share, const struct reading *reading, const struct view *view,
                      const struct span *span, uint32_t *ret)
{
    const struct layout *layout = share->layout;
    uint32_t position = span->high - 1;
    if (reading->marked >= 0 && !view->late) {
        position = *entity_marked(view->entity, &layout->marked[reading->marked]);
        *ret = position;
        return within(span, position) && is_marked(layout, view->entity, position, reading->rows);
    }
    while (within(span, position) && !is_marked(layout, view->entity, position, reading->rows))
        position--;
    *ret = position;
    return within(span, position);
}

static void read_place(const struct share *share, const struct reading *reading, const struct view *view,
                       int64_t i)
{
    struct span span = span_of(view, reading);
    const struct gone *gone = NULL;
    union value value = {.wide = 0};
    uint32_t position;
    if (span.whole) {
        gone = entity_at(view->entity, share->layout->remembered[reading->remembered].offset);
        gone = gone->found ? gone : NULL;
    }
    bool first = reading->kind == READ_FIRST;
    bool found = first ? !gone && find_first(share, reading, view, &span, &position)
                       : find_last(share, reading, view, &span, &position);
    if (found) {
        const char *event = event_at(share->layout, view->entity, position);
        bool is_null = !(event_marks(share->layout, event) >> reading->slot & 1);
        if (!is_null)
            pack_value(event + reading->value, reading->pack, reading->rep, &value);
        put_value(share, reading, is_null ? NULL : &value, i);
    } else {
        put_value(share, reading, gone && !gone->is_null ? &gone->value : NULL, i);
    }
}

/* A DECIMAL sum has 38 digits, a little less than 127 bits hold. */
static uint8_t read_wide(const struct reading *reading, const struct exact *exact, __int128 *ret)
{
    const __int128 limit = (__int128)power10[18] * power10[18] * 100;
    if (!exact_sum_wide(exact, ret))
        return STATE_ERROR;
    return reading->decimal && (*ret >= limit || *ret <= -limit) ? STATE_ERROR : STATE_VALUE;
}

static void read_variance(const struct reading *reading, const struct exact_squares *squares, int64_t i)
{
    double value = 0;
    bool found = exact_squares_variance(squares, reading->sample, &value);
    reading->out.state[i] = found ? STATE_VALUE : STATE_NULL;
    DOUBLES(&reading->out)[i] = reading->root ? sqrt(value) : value;
}

static int64_t count_events(const struct share *share, const struct reading *reading, const struct view *view)
{
    struct span span = span_of(view, reading);
    int64_t n = (uint32_t)(span.high - span.low);
    return span.whole ? n + *entity_evicted(share->layout, view->entity) : n;
}

void view_read(const struct share *share, const struct view *view, int64_t i)
{
    const struct layout *layout = share->layout;
    const char *entity = (const char *)view->entity, *beyond = view->too_late ? share->alone : entity;
    for (const struct reading *reading = layout->readings, *last = reading + layout->n_readings;
         reading != last; reading++) {
        const struct vector *out = &reading->out;
        const void *at = (reading->unbounded ? beyond : entity) + reading->offset;
        const struct small_sum *small = at;
        const struct exact *exact = at;
        switch (reading->kind) {
        case READ_EVENTS:
            out->state[i] = STATE_VALUE;
            INTS(out)[i] = count_events(share, reading, view);
            break;
        case READ_COUNT:
            out->state[i] = STATE_VALUE;
            INTS(out)[i] = *(const int64_t *)at;
            break;
        case READ_SMALL_COUNT:
            out->state[i] = STATE_VALUE;
            INTS(out)[i] = small->count;
            break;
        case READ_SMALL_SUM:
            out->state[i] = small->count ? STATE_VALUE : STATE_NULL;
            WIDES(out)[i] = small->sum;
            break;
        case READ_SMALL_MEAN:
            out->state[i] = small->count ? STATE_VALUE : STATE_NULL;
            if (small->count)
                DOUBLES(out)[i] = small_mean(small->sum, small->count, reading->scale);
            break;
        case READ_SMALL_OR:
            out->state[i] = small->count ? STATE_VALUE : STATE_NULL;
            BOOLEANS(out)[i] = small->sum > 0;
            break;
        case READ_SMALL_AND:
            out->state[i] = small->count ? STATE_VALUE : STATE_NULL;
            BOOLEANS(out)[i] = small->sum == small->count;
            break;
        case READ_EXACT_COUNT:
            out->state[i] = STATE_VALUE;
            INTS(out)[i] = exact->count;
            break;
        case READ_SUM_DOUBLE:
            out->state[i] = exact->count ? STATE_VALUE : STATE_NULL;
            if (exact->count)
                DOUBLES(out)[i] = exact_sum(exact);
            break;
        case READ_SUM_WIDE:
            out->state[i] = exact->count ? read_wide(reading, exact, &WIDES(out)[i]) : STATE_NULL;
            break;
        case READ_MEAN_DOUBLE:
            out->state[i] = exact->count ? STATE_VALUE : STATE_NULL;
            if (exact->count)
                DOUBLES(out)[i] = exact_mean(exact);
            break;
        case READ_MEAN_WIDE:
            out->state[i] = exact->count ? STATE_VALUE : STATE_NULL;
            if (exact->count)
                DOUBLES(out)[i] = exact_mean_wide(exact, reading->scale);
            break;
        case READ_VARIANCE:
            read_variance(reading, at, i);
            break;
        case READ_EXTREME:
            read_extreme(share, reading, view, i);
            break;
        default:
            read_place(share, reading, view, i);
        }
    }
}
