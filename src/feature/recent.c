#include "feature/recent.h"

#include <string.h>

enum { LARGE = 256 /* places of a table */ };

static struct wanted wanted_of(const struct linked *linked, const char *event)
{
    return wanted_at(event + linked->value, linked->pack);
}

static struct places *places_of(const struct linked *linked, const struct entity *entity)
{
    return entity_at(entity, linked->offset);
}

static void put_link(const struct linked *linked, char *event, struct link link)
{
    memcpy(event + linked->link, &link, sizeof link);
}

static inline bool has_value(const struct layout *layout, const struct linked *linked, const char *event)
{
    return event[layout->marks_offset + (size_t)(linked->slot / 8)] >> linked->slot % 8 & 1;
}

/* The event before with the same value, if it is retained. */
static bool find_before(const struct entity *entity, uint32_t position, struct link link, uint32_t *ret)
{
    *ret = position - link.before;
    return link.before && link.before <= position - entity->first;
}

static inline bool is_same(const struct linked *linked, const char *a, const char *b)
{
    uint64_t x[2], y[2];
    if (linked->pack == PACK_INT32)
        return memcmp(a, b, sizeof(int32_t)) == 0;
    places_key(a, linked->pack, x);
    places_key(b, linked->pack, y);
    return x[0] == y[0] && x[1] == y[1];
}

/* Where there is no table. */
static bool scan(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                 uint32_t position, struct place *ret)
{
    const char *value = event_at(layout, entity, position) + linked->value;
    for (uint32_t p = entity->end; p != entity->first;) {
        const char *event = event_at(layout, entity, --p);
        if (has_value(layout, linked, event) && is_same(linked, event + linked->value, value) &&
            p != position) {
            *ret = (struct place){.width = 0, .position = p};
            return true;
        }
    }
    return false;
}

/* The last event but the one at `position` that has its value. *ret_hash: if there is a table. */
static inline bool look_up(const struct layout *layout, const struct linked *linked,
                           const struct entity *entity, uint32_t position, uint64_t *ret_hash,
                           struct place *ret)
{
    const struct places *places = places_of(linked, entity);
    if (!places->capacity)
        return scan(layout, linked, entity, position, ret);
    struct wanted wanted = wanted_of(linked, event_at(layout, entity, position));
    *ret_hash = wanted.hash;
    return places_find(places, layout, linked, entity, &wanted, ret);
}

/* Makes a table of the events but the one at `position`. */
static bool begin_table(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                        uint32_t position, struct pool *pool)
{
    struct places *places = places_of(linked, entity);
    bool fine = places_prepare(places, layout, linked, entity, pool);
    for (uint32_t p = entity->first; fine && p != entity->end; p++) {
        const char *event = event_at(layout, entity, p);
        if (p == position || !has_value(layout, linked, event) || link_of(linked, event).behind)
            continue;
        uint64_t hash = wanted_of(linked, event).hash;
        fine = places_add(places, layout, linked, entity, hash, p, pool);
    }
    return fine;
}

/* Before an event's value is looked up. False: no memory. */
static bool prepare(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                    uint32_t position, struct pool *pool)
{
    struct places *places = places_of(linked, entity);
    if (places->capacity)
        return places_prepare(places, layout, linked, entity, pool);
    return ring_count(entity) <= RECENT_SCANNED || begin_table(layout, linked, entity, position, pool);
}

/* The first event of a value gets a place. */
static bool add_value(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                      uint64_t hash, uint32_t position, struct pool *pool)
{
    struct places *places = places_of(linked, entity);
    return !places->capacity || places_add(places, layout, linked, entity, hash, position, pool);
}

/* Makes `last` and `position`, behind it, neighbours; *link is what is to be put at `position`. */
static void link_behind(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                        uint32_t last, uint32_t position, struct link *link)
{
    char *other = event_at(layout, entity, last);
    struct link others = link_of(linked, other);
    link->before = others.behind = position - last;
    put_link(linked, other, others);
}

bool recent_put(const struct layout *layout, const struct linked *linked, struct entity *entity,
                uint32_t position, struct pool *pool)
{
    char *event = event_at(layout, entity, position);
    struct link link = {0, 0};
    struct place last;
    uint64_t hash = 0;
    bool fine = prepare(layout, linked, entity, position, pool);
    if (!has_value(layout, linked, event))
        return fine;
    if (look_up(layout, linked, entity, position, &hash, &last)) {
        link_behind(layout, linked, entity, last.position, position, &link);
        place_put(&last, position);
    } else {
        fine &= add_value(layout, linked, entity, hash, position, pool);
    }
    put_link(linked, event, link);
    return fine;
}

void recent_evict(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  struct pool *pool)
{
    const char *event = event_at(layout, entity, entity->first);
    struct places *places = places_of(linked, entity);
    if (!places->capacity)
        return;
    if (ring_count(entity) <= RECENT_SCANNED / 2)
        places_done(places, pool);
    else if (has_value(layout, linked, event) && !link_of(linked, event).behind)
        places_drop(places, entity, wanted_of(linked, event).hash, entity->first);
}

static void shift_one(const struct layout *layout, const struct linked *linked, struct entity *entity,
                      uint32_t position, uint32_t moving, int by)
{
    const struct places *places = places_of(linked, entity);
    char *event = event_at(layout, entity, moving);
    uint32_t before;
    struct place place;
    if (!has_value(layout, linked, event))
        return;
    struct link link = link_of(linked, event);
    if (!link.behind && places->capacity &&
        places_find_position(places, entity, wanted_of(linked, event).hash, moving, &place))
        place_put(&place, moving + (uint32_t)by);
    bool retained = find_before(entity, moving, link, &before);
    if (!link.before || (retained && before - entity->first >= position - entity->first))
        return;
    if (retained) {
        char *other = event_at(layout, entity, before);
        struct link others = link_of(linked, other);
        others.behind += (uint32_t)by;
        put_link(linked, other, others);
    }
    link.before += (uint32_t)by;
    put_link(linked, event, link);
}

void recent_shift(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  uint32_t position, int by)
{
    if (by > 0)
        for (uint32_t p = entity->end; p != position; p--)
            shift_one(layout, linked, entity, position, p - 1, by);
    else
        for (uint32_t p = position + 1; p != entity->end; p++)
            shift_one(layout, linked, entity, position, p, by);
}

/* Links an event between those of its value, of which some are behind it: the last is at `last`. */
static void link_between(const struct layout *layout, const struct linked *linked, struct entity *entity,
                         uint32_t last, uint32_t position, struct link *link)
{
    uint32_t behind = last, before;
    struct link others = link_of(linked, event_at(layout, entity, behind));
    bool retained;
    while ((retained = find_before(entity, behind, others, &before)) &&
           before - entity->first > position - entity->first) {
        behind = before;
        others = link_of(linked, event_at(layout, entity, behind));
    }
    if (retained)
        link_behind(layout, linked, entity, before, position, link);
    link->behind = others.before = behind - position;
    put_link(linked, event_at(layout, entity, behind), others);
}

bool recent_insert(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position, struct pool *pool)
{
    char *event = event_at(layout, entity, position);
    struct link link = {0, 0};
    struct place last;
    uint64_t hash = 0;
    bool fine = prepare(layout, linked, entity, position, pool);
    if (!has_value(layout, linked, event))
        return fine;
    if (!look_up(layout, linked, entity, position, &hash, &last)) {
        fine &= add_value(layout, linked, entity, hash, position, pool);
    } else if (last.position - entity->first < position - entity->first) {
        link_behind(layout, linked, entity, last.position, position, &link);
        place_put(&last, position);
    } else {
        link_between(layout, linked, entity, last.position, position, &link);
    }
    put_link(linked, event, link);
    return fine;
}

/* The last event of its value, which goes: the one before is the last then, if there is one. */
static void remove_last(const struct linked *linked, struct entity *entity, const char *event,
                        uint32_t position, bool retained, uint32_t before)
{
    struct places *places = places_of(linked, entity);
    uint64_t hash = wanted_of(linked, event).hash;
    struct place place;
    if (!places->capacity)
        return;
    if (!retained)
        places_drop(places, entity, hash, position);
    else if (places_find_position(places, entity, hash, position, &place))
        place_put(&place, before);
}

void recent_remove(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position)
{
    char *event = event_at(layout, entity, position);
    uint32_t before;
    if (!has_value(layout, linked, event))
        return;
    struct link link = link_of(linked, event), others;
    bool retained = find_before(entity, position, link, &before);
    if (!link.behind) {
        remove_last(linked, entity, event, position, retained, before);
    } else {
        char *other = event_at(layout, entity, position + link.behind);
        others = link_of(linked, other);
        others.before = retained ? link.before + link.behind : 0;
        put_link(linked, other, others);
    }
    if (retained) {
        others = link_of(linked, event_at(layout, entity, before));
        others.behind = link.behind ? link.before + link.behind : 0;
        put_link(linked, event_at(layout, entity, before), others);
    }
}

static inline __attribute__((always_inline)) uint64_t hash_of(const struct linked *linked,
                                                              const union value *value)
{
    char packed[16];
    pack_put(packed, linked->pack, value);
    return wanted_at(packed, linked->pack).hash;
}

void recent_prefetch(const struct linked *linked, const struct entity *entity, const union value *value)
{
    const struct places *places = places_of(linked, entity);
    if (places->capacity)
        places_prefetch(places, hash_of(linked, value));
}

void recent_prefetch_last(const struct layout *layout, const struct linked *linked,
                          const struct entity *entity, const union value *value)
{
    const struct places *places = places_of(linked, entity);
    if (places->capacity)
        places_prefetch_event(places, layout, linked, entity, hash_of(linked, value));
    /* The oldest event may be about to leave its place, which is in no cache where the table is large. */
    if (places->capacity > LARGE)
        places_prefetch(places, wanted_of(linked, event_at(layout, entity, entity->first)).hash);
}
