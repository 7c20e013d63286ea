#include "feature/recent.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

enum {
    CAPACITY_FIRST = 4,
    AT_ONCE = 64, /* entries that are moved together; of larger tables PER_ARRIVAL at a time */
    PER_ARRIVAL = 16
};

/* A value as it is looked for. */
struct wanted {
    uint64_t key[2], hash;
    uint8_t tag; /* never 0, which is a free place */
};

static inline __attribute__((always_inline)) void key_of(const char *at, enum pack pack, uint64_t key[2])
{
    key[1] = 0;
    if (pack == PACK_DOUBLE || pack == PACK_FLOAT) {
        double value = pack_real(at, pack);
        value = value == 0 ? 0 : value;
        memcpy(key, &value, sizeof value);
        if (value != value)
            key[0] = UINT64_C(0x7ff8000000000000);
    } else if (pack == PACK_WIDE) {
        __int128 value = pack_wide(at);
        memcpy(key, &value, sizeof value);
    } else {
        key[0] = (uint64_t)pack_int(at, pack);
    }
}

void distinct_key(const char *at, enum pack pack, uint64_t key[2])
{
    key_of(at, pack, key);
}

static inline __attribute__((always_inline)) struct wanted wanted_at(const char *at, enum pack pack)
{
    struct wanted wanted;
    key_of(at, pack, wanted.key);
    wanted.hash = hash_word(wanted.key[0], 0);
    if (pack == PACK_WIDE)
        wanted.hash = hash_word(wanted.key[1], wanted.hash);
    wanted.tag = (uint8_t)(wanted.hash >> 56) | 1;
    return wanted;
}

static inline __attribute__((always_inline)) struct wanted wanted_of(const struct linked *linked,
                                                                     const char *event)
{
    return wanted_at(event + linked->value, linked->pack);
}

static struct recent *recent_of(const struct linked *linked, const struct entity *entity)
{
    return entity_at(entity, linked->offset);
}

static void put_link(const struct linked *linked, char *event, struct link link)
{
    memcpy(event + linked->link, &link, sizeof link);
}

static bool has_value(const struct layout *layout, const struct linked *linked, const char *event)
{
    return event_marks(layout, event) >> linked->slot & 1;
}

static bool is_retained(const struct entity *entity, uint32_t position)
{
    return position - entity->first < ring_count(entity);
}

/* The event before with the same value, if it is retained. */
static bool find_before(const struct entity *entity, uint32_t position, struct link link, uint32_t *ret)
{
    *ret = position - link.before;
    return link.before && link.before <= position - entity->first;
}

static size_t places_bytes(uint32_t capacity)
{
    return capacity * (sizeof(uint32_t) + 1);
}

static uint8_t *tags_of(const struct recent_table *table)
{
    return (uint8_t *)(table->positions + table->capacity);
}

static bool places_new(uint32_t capacity, struct pool *pool, struct recent_table *ret)
{
    *ret = (struct recent_table){pool_take(pool, places_bytes(capacity)), capacity};
    if (!ret->positions)
        return false;
    memset(tags_of(ret), 0, capacity);
    return true;
}

static void places_done(struct recent_table *table, struct pool *pool)
{
    pool_give(pool, table->positions, places_bytes(table->capacity));
    *table = (struct recent_table){0};
}

/* The place that names the last retained event of a value. */
static bool find_value(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                       const struct recent_table *table, const struct wanted *wanted, uint32_t *ret)
{
    const uint8_t *tags = tags_of(table);
    uint32_t mask = table->capacity - 1, i = (uint32_t)wanted->hash & mask;
    for (; table->capacity && tags[i]; i = (i + 1) & mask) {
        if (tags[i] != wanted->tag || !is_retained(entity, table->positions[i]))
            continue;
        const char *event = event_at(layout, entity, table->positions[i]);
        uint64_t key[2];
        key_of(event + linked->value, linked->pack, key);
        if (key[0] == wanted->key[0] && key[1] == wanted->key[1] && !link_of(linked, event).behind) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* The place of a value's last event, in the table or in what is left of the one before; NULL: there is none.
 */
static uint32_t *find_last(const struct layout *layout, const struct linked *linked,
                           const struct entity *entity, const struct wanted *wanted)
{
    struct recent *recent = recent_of(linked, entity);
    uint32_t i;
    if (find_value(layout, linked, entity, &recent->now, wanted, &i))
        return &recent->now.positions[i];
    if (find_value(layout, linked, entity, &recent->old, wanted, &i))
        return &recent->old.positions[i];
    return NULL;
}

/* Puts a position where its value has none; there is room. */
static void put_position(const struct entity *entity, struct recent *recent, const struct wanted *wanted,
                         uint32_t position)
{
    uint8_t *tags = tags_of(&recent->now);
    uint32_t mask = recent->now.capacity - 1, i = (uint32_t)wanted->hash & mask;
    while (tags[i] && is_retained(entity, recent->now.positions[i]))
        i = (i + 1) & mask;
    if (tags[i])
        recent->stale -= recent->stale > 0;
    else
        recent->used++;
    tags[i] = wanted->tag;
    recent->now.positions[i] = position;
}

/* Moves up to n entries of the old table. */
static void move_some(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                      struct recent *recent, uint32_t n, struct pool *pool)
{
    const uint8_t *tags = tags_of(&recent->old);
    for (; n && recent->moved < recent->old.capacity; n--, recent->moved++) {
        uint32_t position = recent->old.positions[recent->moved];
        if (!tags[recent->moved] || !is_retained(entity, position))
            continue;
        const char *event = event_at(layout, entity, position);
        if (link_of(linked, event).behind)
            continue;
        struct wanted wanted = wanted_of(linked, event);
        put_position(entity, recent, &wanted, position);
    }
    if (recent->old.capacity && recent->moved == recent->old.capacity)
        places_done(&recent->old, pool);
}

/* Room for one value more: at most three quarters of the places are in use, by values that are gone too. */
static bool make_room(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                      struct recent *recent, struct pool *pool)
{
    if (recent->old.capacity)
        move_some(layout, linked, entity, recent, PER_ARRIVAL, pool);
    if ((uint64_t)recent->used * 4 + 4 <= (uint64_t)recent->now.capacity * 3)
        return true;
    move_some(layout, linked, entity, recent, UINT32_MAX, pool);
    uint32_t live = recent->used - (recent->stale < recent->used ? recent->stale : recent->used);
    uint32_t capacity = CAPACITY_FIRST, least = recent->now.capacity / 2;
    while (capacity < least || (uint64_t)capacity * 5 < (uint64_t)live * 8 + 8)
        capacity *= 2;
    struct recent_table table;
    if (!places_new(capacity, pool, &table))
        return false;
    *recent = (struct recent){.now = table, .old = recent->now};
    move_some(layout, linked, entity, recent, recent->old.capacity <= AT_ONCE ? UINT32_MAX : PER_ARRIVAL,
              pool);
    return true;
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

/* The first event of its value, or one whose value's place is in the table that goes, gets a place. */
static bool add_position(const struct layout *layout, const struct linked *linked,
                         const struct entity *entity, const struct wanted *wanted, uint32_t position,
                         struct pool *pool)
{
    struct recent *recent = recent_of(linked, entity);
    if (!make_room(layout, linked, entity, recent, pool))
        return false;
    put_position(entity, recent, wanted, position);
    return true;
}

bool recent_put(const struct layout *layout, const struct linked *linked, struct entity *entity,
                uint32_t position, struct pool *pool)
{
    char *event = event_at(layout, entity, position);
    struct recent *recent = recent_of(linked, entity);
    struct link link = {0, 0};
    bool fine = true;
    uint32_t i;
    if (!has_value(layout, linked, event))
        return true;
    struct wanted wanted = wanted_of(linked, event);
    if (find_value(layout, linked, entity, &recent->now, &wanted, &i)) {
        link_behind(layout, linked, entity, recent->now.positions[i], position, &link);
        recent->now.positions[i] = position;
    } else {
        if (find_value(layout, linked, entity, &recent->old, &wanted, &i))
            link_behind(layout, linked, entity, recent->old.positions[i], position, &link);
        fine = add_position(layout, linked, entity, &wanted, position, pool);
    }
    put_link(linked, event, link);
    return fine;
}

void recent_evict(const struct layout *layout, const struct linked *linked, struct entity *entity)
{
    const char *event = event_at(layout, entity, entity->first);
    struct recent *recent = recent_of(linked, entity);
    if (has_value(layout, linked, event) && !link_of(linked, event).behind && !recent->old.capacity)
        recent->stale++;
}

static void shift_one(const struct layout *layout, const struct linked *linked, struct entity *entity,
                      uint32_t position, uint32_t moving, int by)
{
    char *event = event_at(layout, entity, moving);
    uint32_t before;
    if (!has_value(layout, linked, event))
        return;
    struct link link = link_of(linked, event);
    if (!link.behind) {
        struct wanted wanted = wanted_of(linked, event);
        *find_last(layout, linked, entity, &wanted) += (uint32_t)by;
    }
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

bool recent_insert(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position, struct pool *pool)
{
    char *event = event_at(layout, entity, position);
    struct link link = {0, 0};
    uint32_t before;
    bool fine = true;
    if (!has_value(layout, linked, event))
        return true;
    struct wanted wanted = wanted_of(linked, event);
    uint32_t *last = find_last(layout, linked, entity, &wanted);
    if (!last) {
        fine = add_position(layout, linked, entity, &wanted, position, pool);
    } else if (*last - entity->first < position - entity->first) {
        link_behind(layout, linked, entity, *last, position, &link);
        *last = position;
    } else {
        uint32_t behind = *last;
        struct link others = link_of(linked, event_at(layout, entity, behind));
        bool retained;
        while ((retained = find_before(entity, behind, others, &before)) &&
               before - entity->first > position - entity->first) {
            behind = before;
            others = link_of(linked, event_at(layout, entity, behind));
        }
        if (retained)
            link_behind(layout, linked, entity, before, position, &link);
        link.behind = others.before = behind - position;
        put_link(linked, event_at(layout, entity, behind), others);
    }
    put_link(linked, event, link);
    return fine;
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
        struct wanted wanted = wanted_of(linked, event);
        *find_last(layout, linked, entity, &wanted) = retained ? before : entity->first - 1;
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
    /* Until the gap is closed, nothing may take it for its value's last event. */
    link.behind = 1;
    put_link(linked, event, link);
}

void recent_tidy(struct recent *recent, struct pool *pool)
{
    recent->now.positions = pool_tidy(pool, recent->now.positions, places_bytes(recent->now.capacity));
}

void recent_done(struct recent *recent, struct pool *pool)
{
    places_done(&recent->now, pool);
    places_done(&recent->old, pool);
    *recent = (struct recent){0};
}

static inline __attribute__((always_inline)) struct wanted wanted_value(const struct linked *linked,
                                                                        const union value *value)
{
    char packed[16];
    pack_put(packed, linked->pack, value);
    return wanted_at(packed, linked->pack);
}

void recent_prefetch(const struct linked *linked, const struct entity *entity, const union value *value)
{
    const struct recent_table *table = &recent_of(linked, entity)->now;
    if (!table->capacity)
        return;
    uint32_t i = (uint32_t)wanted_value(linked, value).hash & (table->capacity - 1);
    __builtin_prefetch(tags_of(table) + i);
    __builtin_prefetch(table->positions + i);
}

void recent_prefetch_last(const struct layout *layout, const struct linked *linked,
                          const struct entity *entity, const union value *value)
{
    const struct recent_table *table = &recent_of(linked, entity)->now;
    const struct wanted wanted = wanted_value(linked, value);
    const uint8_t *tags = tags_of(table);
    uint32_t mask = table->capacity - 1, i = (uint32_t)wanted.hash & mask;
    for (; table->capacity && tags[i]; i = (i + 1) & mask)
        if (tags[i] == wanted.tag && is_retained(entity, table->positions[i])) {
            const char *event = event_at(layout, entity, table->positions[i]);
            __builtin_prefetch(event + linked->value);
            __builtin_prefetch(event + linked->link + sizeof(struct link) - 1);
            return;
        }
}
