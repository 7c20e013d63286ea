#include "feature/places.h"

#include <string.h>

enum {
    GROUP = 8,
    FREE = 0,
    GONE = 1,         /* free, but those behind it may have passed it */
    PER_ARRIVAL = 32, /* places that are moved at a time, */
    AT_ONCE = 64      /* or all of so many */
};

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define TOP_BITS (EACH_BYTE << 7)

/* One table. */
struct view_of {
    char *memory;
    uint32_t capacity;
    int width;
};

/* At the end of a table's memory, unaligned: what is yet to be moved to it. */
struct places_old {
    char *memory;
    uint32_t capacity, moved;
    int width;
};

void distinct_key(const char *at, enum pack pack, uint64_t key[2])
{
    places_key(at, pack, key);
}

static size_t bytes_of(uint32_t capacity, int width)
{
    return capacity * (1 + (size_t)width) + sizeof(struct places_old);
}

static struct view_of now_of(const struct places *places)
{
    return (struct view_of){places->memory, places->capacity, places->width};
}

static char *old_at(const struct places *places)
{
    return places->memory + bytes_of(places->capacity, places->width) - sizeof(struct places_old);
}

static struct places_old get_old(const struct places *places)
{
    struct places_old old = {0};
    if (places->moving)
        memcpy(&old, old_at(places), sizeof old);
    return old;
}

static struct view_of view_old(const struct places_old *old)
{
    return (struct view_of){old->memory, old->capacity, old->width};
}

static inline uint8_t tag_of(uint64_t hash)
{
    return (uint8_t)(hash | 0x80);
}

static inline uint32_t home_of(const struct view_of *table, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * (table->capacity / GROUP) >> 32);
}

static inline uint32_t next_of(const struct view_of *table, uint32_t group)
{
    return group + 1 == table->capacity / GROUP ? 0 : group + 1;
}

static inline uint64_t tags_at(const struct view_of *table, uint32_t group)
{
    uint64_t tags;
    memcpy(&tags, table->memory + (size_t)group * GROUP, sizeof tags);
    return tags;
}

/* A bit per place of a group, at 8 i + 7: has it the tag (or so it seems), is it free, may it be taken? */
static inline uint64_t having(uint64_t tags, uint8_t tag)
{
    uint64_t x = tags ^ EACH_BYTE * tag;
    return (x - EACH_BYTE) & ~x & TOP_BITS;
}

static inline uint64_t those_free(uint64_t tags)
{
    return ~(tags | tags << 7) & TOP_BITS;
}

static inline uint64_t those_open(uint64_t tags)
{
    return ~tags & TOP_BITS;
}

static inline uint32_t place_in(uint32_t group, uint64_t bits)
{
    return group * GROUP + (uint32_t)__builtin_ctzll(bits) / 8;
}

static inline char *position_at(const struct view_of *table, uint32_t i)
{
    return table->memory + table->capacity + (size_t)i * (size_t)table->width;
}

/* Positions are at or after `first`, by less than their bytes can say. */
static inline uint32_t get_position(const struct view_of *table, uint32_t i, uint32_t first)
{
    const char *at = position_at(table, i);
    uint8_t byte;
    uint16_t two;
    uint32_t four;
    switch (table->width) {
    case 1:
        memcpy(&byte, at, sizeof byte);
        return first + (uint8_t)(byte - first);
    case 2:
        memcpy(&two, at, sizeof two);
        return first + (uint16_t)(two - first);
    default:
        memcpy(&four, at, sizeof four);
        return four;
    }
}

void place_put(const struct place *place, uint32_t position)
{
    if (place->width)
        memcpy(place->at, &position, (size_t)place->width); /* the low bytes of a little-endian number */
}

static inline bool find_value(const struct view_of *table, const struct layout *layout,
                              const struct linked *linked, const struct entity *entity,
                              const struct wanted *wanted, struct place *ret)
{
    uint32_t home = home_of(table, wanted->hash), group = home;
    do {
        uint64_t tags = tags_at(table, group);
        for (uint64_t bits = having(tags, tag_of(wanted->hash)); bits; bits &= bits - 1) {
            uint32_t i = place_in(group, bits), position = get_position(table, i, entity->first);
            if (wanted_is_at(wanted, event_at(layout, entity, position) + linked->value, linked->pack)) {
                *ret = (struct place){position_at(table, i), table->width, position};
                return true;
            }
        }
        if (those_free(tags))
            return false;
        group = next_of(table, group);
    } while (group != home);
    return false;
}

bool places_find(const struct places *places, const struct layout *layout, const struct linked *linked,
                 const struct entity *entity, const struct wanted *wanted, struct place *ret)
{
    struct view_of now = now_of(places);
    if (find_value(&now, layout, linked, entity, wanted, ret))
        return true;
    struct places_old old = get_old(places);
    struct view_of before = view_old(&old);
    return old.memory && find_value(&before, layout, linked, entity, wanted, ret);
}

/* The place of a position; capacity: there is none. */
static uint32_t find_position(const struct view_of *table, uint32_t first, uint64_t hash, uint32_t position)
{
    uint32_t home = home_of(table, hash), group = home;
    do {
        uint64_t tags = tags_at(table, group);
        for (uint64_t bits = having(tags, tag_of(hash)); bits; bits &= bits - 1)
            if (get_position(table, place_in(group, bits), first) == position)
                return place_in(group, bits);
        if (those_free(tags))
            break;
        group = next_of(table, group);
    } while (group != home);
    return table->capacity;
}

/* The table that holds a position, and where. */
static bool find_table(const struct places *places, uint32_t first, uint64_t hash, uint32_t position,
                       struct view_of *ret_table, uint32_t *ret)
{
    *ret_table = now_of(places);
    *ret = find_position(ret_table, first, hash, position);
    if (*ret < ret_table->capacity || !places->moving)
        return *ret < ret_table->capacity;
    struct places_old old = get_old(places);
    *ret_table = view_old(&old);
    *ret = find_position(ret_table, first, hash, position);
    return *ret < ret_table->capacity;
}

bool places_find_position(const struct places *places, const struct entity *entity, uint64_t hash,
                          uint32_t position, struct place *ret)
{
    struct view_of table;
    uint32_t i;
    if (!find_table(places, entity->first, hash, position, &table, &i))
        return false;
    *ret = (struct place){position_at(&table, i), table.width, position};
    return true;
}

void places_drop(struct places *places, const struct entity *entity, uint64_t hash, uint32_t position)
{
    struct view_of table;
    uint32_t i;
    if (!find_table(places, entity->first, hash, position, &table, &i))
        return;
    bool passed = !those_free(tags_at(&table, i / GROUP));
    table.memory[i] = passed ? GONE : FREE;
    places->live--;
    places->used -= !passed && table.memory == places->memory;
}

/* Puts a position where its value has none; there is room. */
static void put(struct places *places, uint64_t hash, uint32_t position)
{
    struct view_of table = now_of(places);
    uint32_t group = home_of(&table, hash);
    uint64_t open;
    while (!(open = those_open(tags_at(&table, group))))
        group = next_of(&table, group);
    uint32_t i = place_in(group, open);
    places->used += table.memory[i] == FREE;
    table.memory[i] = (char)tag_of(hash);
    place_put(&(struct place){position_at(&table, i), table.width, position}, position);
}

/* Moves what is in up to n places of the old table. */
static void move_some(struct places *places, const struct layout *layout, const struct linked *linked,
                      const struct entity *entity, uint32_t n, struct pool *pool)
{
    if (!places->moving)
        return;
    struct places_old old = get_old(places);
    struct view_of from = view_old(&old);
    for (; n && old.moved < old.capacity; n--, old.moved++) {
        if (!(from.memory[old.moved] & 0x80))
            continue;
        uint32_t position = get_position(&from, old.moved, entity->first);
        struct wanted wanted = wanted_at(event_at(layout, entity, position) + linked->value, linked->pack);
        put(places, wanted.hash, position);
        from.memory[old.moved] = GONE;
    }
    memcpy(old_at(places), &old, sizeof old);
    if (old.moved < old.capacity)
        return;
    pool_give(pool, old.memory, bytes_of(old.capacity, old.width));
    places->moving = false;
}

/* Sizes are powers of two and three between each two. */
static uint32_t capacity_for(uint32_t values)
{
    uint64_t least = ((uint64_t)values * 5 + 3) / 4, power = GROUP;
    while (power * 2 < least)
        power *= 2;
    uint64_t step = power / 4 < GROUP ? GROUP : power / 4;
    return (uint32_t)(least <= power ? power : power + (least - power + step - 1) / step * step);
}

/* Another table, for one event more than there are and for the values that come while it is filled. */
static bool resize(struct places *places, const struct layout *layout, const struct linked *linked,
                   const struct entity *entity, struct pool *pool)
{
    uint32_t count = ring_count(entity);
    struct places new = {.live = places->live};
    new.capacity = capacity_for(places->live + 1 + places->capacity / PER_ARRIVAL);
    new.width = count < PLACES_LIMIT_1 * 3 / 4 ? 1 : count < PLACES_LIMIT_2 * 3 / 4 ? 2 : 4;
    new.memory = pool_take(pool, bytes_of(new.capacity, new.width));
    if (!new.memory)
        return false;
    memset(new.memory, FREE, new.capacity);
    move_some(places, layout, linked, entity, UINT32_MAX, pool);
    if (places->capacity) {
        struct places_old old = {places->memory, places->capacity, 0, places->width};
        new.moving = true;
        memcpy(old_at(&new), &old, sizeof old);
    }
    *places = new;
    move_some(places, layout, linked, entity, new.capacity <= AT_ONCE ? UINT32_MAX : PER_ARRIVAL, pool);
    return true;
}

bool places_add(struct places *places, const struct layout *layout, const struct linked *linked,
                const struct entity *entity, uint64_t hash, uint32_t position, struct pool *pool)
{
    bool full = ((uint64_t)places->used + 1) * 8 > (uint64_t)places->capacity * 7;
    bool wide = places->live < places->capacity / 8 && places->capacity > AT_ONCE && !places->moving;
    if ((full || wide) && !resize(places, layout, linked, entity, pool))
        return false;
    put(places, hash, position);
    places->live++;
    return true;
}

bool places_change(struct places *places, const struct layout *layout, const struct linked *linked,
                   const struct entity *entity, struct pool *pool)
{
    if (!places->moving)
        return resize(places, layout, linked, entity, pool);
    move_some(places, layout, linked, entity, PER_ARRIVAL, pool);
    return true;
}

void places_tidy(struct places *places, struct pool *pool)
{
    if (places->capacity)
        places->memory = pool_tidy(pool, places->memory, bytes_of(places->capacity, places->width));
}

void places_done(struct places *places, struct pool *pool)
{
    struct places_old old = get_old(places);
    if (old.memory)
        pool_give(pool, old.memory, bytes_of(old.capacity, old.width));
    if (places->capacity)
        pool_give(pool, places->memory, bytes_of(places->capacity, places->width));
    *places = (struct places){0};
}

void places_prefetch(const struct places *places, uint64_t hash)
{
    struct view_of table = now_of(places);
    uint32_t group = home_of(&table, hash);
    __builtin_prefetch(table.memory + (size_t)group * GROUP);
    __builtin_prefetch(position_at(&table, group * GROUP));
}

void places_prefetch_event(const struct places *places, const struct layout *layout,
                           const struct linked *linked, const struct entity *entity, uint64_t hash)
{
    struct view_of table = now_of(places);
    uint32_t group = home_of(&table, hash);
    uint64_t bits = having(tags_at(&table, group), tag_of(hash));
    if (!bits)
        return;
    const char *event = event_at(layout, entity, get_position(&table, place_in(group, bits), entity->first));
    __builtin_prefetch(event + linked->value);
    __builtin_prefetch(event + linked->link + sizeof(struct link) - 1);
}
