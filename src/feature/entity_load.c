#include "base/limits.h"
#include "feature/advance.h"
#include "feature/entity_save.h"
#include "feature/extremes.h"
#include "feature/recent.h"
#include "feature/ring.h"
#include "feature/strings.h"

bool renumber(const struct renumbering *texts, struct strings *strings, uint64_t *number, struct bytes_in *in)
{
    size_t low = 0, n = texts ? texts->n : 0;
    if (!texts) {
        strings_hold(strings, *number);
        return true;
    }
    while (n) {
        size_t half = n / 2;
        bool before = texts->was[low + half] < *number;
        low += before ? half + 1 : 0;
        n = before ? n - half - 1 : half;
    }
    if (low == texts->n || texts->was[low] != *number)
        return bytes_refuse(in, "a text's number is that of no text");
    *number = texts->now[low];
    strings_hold(strings, *number);
    return true;
}

static bool renumber_event(const struct share *share, char *event, const struct renumbering *texts,
                           struct bytes_in *in)
{
    const struct layout *layout = share->layout;
    uint64_t marks = event_marks(layout, event);
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        union value value = {.wide = 0};
        if (!stored->text || !(marks >> stored->slot & 1))
            continue;
        value.integer = pack_int(event + stored->offset, stored->pack);
        uint64_t number = (uint64_t)value.integer;
        if (!renumber(texts, share->strings, &number, in))
            return false;
        value.integer = (int64_t)number;
        pack_put(event + stored->offset, stored->pack, &value);
    }
    return true;
}

/* An ENUM's code has a text. */
static bool check_code(const struct type *type, int64_t code, struct bytes_in *in)
{
    if (type->id != TYPE_ENUM || (code >= 0 && code < dictionary_size(type->values)))
        return true;
    return bytes_refuse(in, "an ENUM's code %lld is beyond its values", (long long)code);
}

static bool check_codes(const struct layout *layout, const char *event, struct bytes_in *in)
{
    uint64_t marks = event_marks(layout, event);
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        const struct type *type = &layout->group->slots[stored->slot].type;
        if (type->id != TYPE_ENUM || !(marks >> stored->slot & 1))
            continue;
        if (!check_code(type, pack_int(event + stored->offset, stored->pack), in))
            return false;
    }
    return true;
}

/* Values that mean something elsewhere. */
static bool refers(const struct layout *layout)
{
    bool found = false;
    for (int i = 0; i < layout->n_stored; i++)
        found |= layout->stored[i].text || layout->group->slots[layout->stored[i].slot].type.id == TYPE_ENUM;
    return found;
}

/* The events at the end, which were read. One that fails is not counted: its texts that were held stay so. */
static bool accept_events(struct share *share, struct entity *entity, uint32_t n, int64_t before,
                          const struct renumbering *texts, struct bytes_in *in)
{
    const struct layout *layout = share->layout;
    bool referring = refers(layout);
    char *event = event_at(layout, entity, entity->end);
    for (uint32_t i = 0; i < n; i++, event += layout->event_size) {
        int64_t time = event_time(event);
        if (time < before || time > entity->position)
            return bytes_refuse(in, "events are not in the order of time");
        if (referring && (!check_codes(layout, event, in) || !renumber_event(share, event, texts, in)))
            return false;
        for (int l = 0; l < layout->n_linked; l++)
            recent_put(layout, &layout->linked[l], entity, &share->pool);
        entity->end++;
        before = time;
    }
    return true;
}

/* How many events fit behind the last one without another block or page. */
static uint32_t room(const struct entity *entity)
{
    uint32_t capacity = entity->capacity;
    if (capacity > RING_PAGE)
        return RING_PAGE - entity->end % RING_PAGE;
    uint32_t free = capacity - ring_count(entity), straight = capacity - (entity->end & (capacity - 1));
    return free < straight ? free : straight;
}

/* Events are read by blocks and pages, so that a number of them that is too large ends with the bytes. */
static bool load_events(struct share *share, struct entity *entity, const struct renumbering *texts,
                        struct bytes_in *in)
{
    const struct layout *layout = share->layout;
    uint32_t n = bytes_get_u32(in);
    int64_t before = INT64_MIN;
    if (n && !entity->capacity && !recent_begin(layout, entity, n, &share->pool))
        return bytes_no_memory(in);
    while (n && in->rc == OK) {
        if (!recent_reserve(layout, entity, &share->pool))
            return bytes_no_memory(in);
        uint32_t some = room(entity);
        some = some < n ? some : n;
        if (!bytes_get(in, event_at(layout, entity, entity->end), some * layout->event_size) ||
            !accept_events(share, entity, some, before, texts, in))
            return false;
        before = time_at(layout, entity, entity->end - 1);
        n -= some;
    }
    return in->rc == OK;
}

/* What is left of an event that was evicted, of a slot. An extreme is never NULL. */
static bool load_gone(struct share *share, struct gone *gone, const struct slot *slot, bool extreme,
                      const struct renumbering *texts, struct bytes_in *in)
{
    uint8_t marks = bytes_get_u8(in);
    struct gone loaded = {.found = marks & 1, .is_null = marks >> 1 & 1};
    if (!loaded.found)
        return in->rc == OK;
    if (extreme && loaded.is_null)
        return bytes_refuse(in, "a minimum or maximum is NULL");
    if (!bytes_get(in, &loaded.value, sizeof loaded.value))
        return false;
    if (!loaded.is_null && !check_code(&slot->type, loaded.value.integer, in))
        return false;
    if (slot->rep == REP_TEXT && !loaded.is_null) {
        uint64_t number = (uint64_t)loaded.value.integer;
        if (!renumber(texts, share->strings, &number, in))
            return false;
        loaded.value.integer = (int64_t)number;
    }
    *gone = loaded;
    return true;
}

static bool load_accumulator(const struct accumulator *accumulator, struct entity *entity,
                             struct bytes_in *in)
{
    void *at = entity_at(entity, accumulator->offset);
    struct small_sum *small = at;
    int64_t count;
    switch (accumulator->kind) {
    case ACCUMULATE_COUNT:
    case ACCUMULATE_LINKED:
    case ACCUMULATE_DISTINCT:
        bytes_get(in, at, sizeof count);
        count = *(int64_t *)at;
        break;
    case ACCUMULATE_SMALL:
        bytes_get(in, at, sizeof *small);
        count = small->count;
        break;
    case ACCUMULATE_SQUARES:
        exact_squares_load(at, in);
        count = ((const struct exact_squares *)at)->sum.count;
        break;
    default:
        exact_load(at, in);
        count = ((const struct exact *)at)->count;
    }
    return count < 0 ? bytes_refuse(in, "a count is negative") : in->rc == OK;
}

/* Texts of a map are its keys. */
struct loaded_map {
    const struct map *map;
    struct share *share;
    const struct renumbering *texts;
};

static bool map_key(void *context, uint64_t *key, struct bytes_in *in)
{
    const struct loaded_map *loaded = context;
    const struct slot *slot = &loaded->share->layout->group->slots[loaded->map->slot];
    return slot->rep != REP_TEXT || renumber(loaded->texts, loaded->share->strings, &key[0], in);
}

static bool load_map(struct share *share, struct entity *entity, const struct map *map,
                     const struct renumbering *texts, struct bytes_in *in)
{
    struct loaded_map loaded = {map, share, texts};
    struct distinct *distinct = entity_at(entity, map->offset);
    bool fine = distinct_load(&map->shape, distinct, map_key, &loaded, in);
    share->bytes += (int64_t)distinct_bytes(&map->shape, distinct);
    return fine;
}

static bool load_unbounded(struct share *share, struct entity *entity, const struct renumbering *texts,
                           struct bytes_in *in)
{
    const struct layout *layout = share->layout;
    int64_t *evicted = entity_evicted(layout, entity);
    bool fine = true;
    *evicted = bytes_get_i64(in);
    if (*evicted < 0)
        return bytes_refuse(in, "a count is negative");
    for (int i = 0; fine && i < layout->n_extremes; i++) {
        const struct extreme *extreme = &layout->extremes[i];
        if (extreme->gone)
            fine = load_gone(share, entity_at(entity, extreme->gone), &layout->group->slots[extreme->slot],
                             true, texts, in);
    }
    for (int i = 0; fine && i < layout->n_remembered; i++) {
        const struct remembered *remembered = &layout->remembered[i];
        fine = load_gone(share, entity_at(entity, remembered->offset),
                         &layout->group->slots[remembered->slot], false, texts, in);
    }
    for (int i = 0; fine && i < layout->n_accumulators; i++)
        if (layout->frames[layout->accumulators[i].frame].unbounded)
            fine = load_accumulator(&layout->accumulators[i], entity, in);
    for (int i = 0; fine && i < layout->n_maps; i++)
        fine = load_map(share, entity, &layout->maps[i], texts, in);
    return fine;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t entity_stand(const struct layout *layout, const struct entity *entity, const struct layout_end *end)
{
    uint32_t n = ring_count(entity);
    if (end->unit == FRAME_ROWS)
        return ring_clamp(entity, (int64_t)n - end->end) - entity->first;
    return least(ring_search(layout, entity, entity->position - end->end, true) - entity->first,
                 n - (uint32_t)(n && end->exclusive));
}

/* Where the cursors stand at the entity's position, as offsets from the oldest event, which is 0. */
static void stand(const struct layout *layout, struct entity *entity)
{
    uint32_t *lows = entity_lows(layout, entity), *highs = entity_highs(layout, entity);
    uint32_t n = ring_count(entity);
    for (int i = 0; i < layout->n_ends; i++)
        highs[i] = entity_stand(layout, entity, &layout->ends[i]);
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        uint32_t low = 0;
        if (frame->unit == FRAME_ROWS && !frame->unbounded)
            low = ring_clamp(entity, (int64_t)n - 1 - frame->start);
        else if (!frame->unbounded)
            low = ring_search(layout, entity, entity->position - frame->start, false);
        lows[f] = least(low, highs[frame->end]);
    }
}

/* What an end was fed: its extremes and last marked events. */
static bool feed(struct share *share, struct entity *entity, int e)
{
    const struct layout *layout = share->layout;
    const struct layout_end *end = &layout->ends[e];
    uint32_t high = entity_highs(layout, entity)[e];
    if (end->first_extreme == end->last_extreme && end->first_marked == end->last_marked)
        return true;
    for (uint32_t position = 0; position != high; position++) {
        const char *event = event_at(layout, entity, position);
        uint64_t marks = event_marks(layout, event);
        for (int i = end->first_extreme; i < end->last_extreme; i++) {
            const struct extreme *extreme = &layout->extremes[i];
            if ((marks >> extreme->slot & 1) &&
                !extremes_push(extreme, share->strings, entity_at(entity, extreme->offset), position, event,
                               &share->pool))
                return false;
        }
        for (int i = end->first_marked; i < end->last_marked; i++)
            if (marks >> layout->marked[i].slot & 1)
                *entity_marked(entity, &layout->marked[i]) = position;
    }
    return true;
}

/* Everything that follows from the events and from where the frames stand. */
static bool follow(struct share *share, struct entity *entity)
{
    const struct layout *layout = share->layout;
    const uint32_t *lows = entity_lows(layout, entity), *highs = entity_highs(layout, entity);
    bool fine = true;
    stand(layout, entity);
    for (int i = 0; i < layout->n_ends; i++)
        fine &= feed(share, entity, i);
    for (int f = 0; f < layout->n_frames; f++) {
        const struct layout_frame *frame = &layout->frames[f];
        uint32_t low = lows[f], high = highs[frame->end];
        for (; !frame->unbounded && frame->n_accumulators && low != high; low++)
            fine &= frame_run(share, frame, entity, event_at(layout, entity, low),
                              (struct reach){low, low - lows[f], 1}, 1);
    }
    for (int i = 0; i < layout->n_marked; i++)
        if (layout->marked[i].frame >= 0)
            *entity_marked(entity, &layout->marked[i]) = lows[layout->marked[i].frame];
    return fine;
}

bool entity_load(struct share *share, struct entity *entity, const struct renumbering *texts,
                 struct bytes_in *in)
{
    const struct layout *layout = share->layout;
    entity->position = bytes_get_i64(in);
    if (entity->position != INT64_MIN &&
        (entity->position > 2 * LIMIT_EVENT_TIME || entity->position < -2 * LIMIT_EVENT_TIME))
        return bytes_refuse(in, "a time is out of range");
    if (!load_events(share, entity, texts, in))
        return false;
    if (layout->unbounded && !load_unbounded(share, entity, texts, in))
        return false;
    if (entity->position == INT64_MIN)
        return true;
    return follow(share, entity) || bytes_no_memory(in);
}
