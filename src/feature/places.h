/*
 * From a value to the position of the last retained event that has it: a hash table of positions and of seven
 * bits of each value's hash; values are compared in the events.
 *
 *   struct places (24 bytes, all zero = empty): a table; while it takes the place of another one, a few
 * entries at a time, the other one is named at the end of its memory table: [ tag, 1 byte ... | position, 1,
 * 2 or 4 bytes ... | struct places_old ]
 *
 * Places are in groups of eight, whose tags are compared at once, so that a table serves well until 7/8 of
 * its places are in use. Positions are kept to as many bytes as tell an entity's retained events apart. No
 * call does work in proportion to the size.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_PLACES_H
#define SHRIKE_FEATURE_PLACES_H

#include "base/hash.h"
#include "feature/ring.h"

/* How many events positions of one and of two bytes are good for: fewer than they tell apart, as another
 * table takes its place while events arrive. */
enum { PLACES_LIMIT_1 = 192, PLACES_LIMIT_2 = 49152 };

/* A value as it is looked for. */
struct wanted {
    uint64_t key[2], hash;
};

static inline __attribute__((always_inline)) void places_key(const char *at, enum pack pack, uint64_t key[2])
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

static inline struct wanted wanted_at(const char *at, enum pack pack)
{
    struct wanted wanted;
    places_key(at, pack, wanted.key);
    wanted.hash = hash_word(wanted.key[0], 0);
    if (pack == PACK_WIDE)
        wanted.hash = hash_word(wanted.key[1], wanted.hash);
    return wanted;
}

static inline bool wanted_is_at(const struct wanted *wanted, const char *at, enum pack pack)
{
    uint64_t key[2];
    places_key(at, pack, key);
    return key[0] == wanted->key[0] && key[1] == wanted->key[1];
}

/* Where a position is kept. */
struct place {
    char *at;
    int width;         /* 0: nowhere */
    uint32_t position; /* that is kept there */
};

void place_put(const struct place *place, uint32_t position);

/* A value's place, or that which holds a position. */
bool places_find(const struct places *places, const struct layout *layout, const struct linked *linked,
                 const struct entity *entity, const struct wanted *wanted, struct place *ret);
bool places_find_position(const struct places *places, const struct entity *entity, uint64_t hash,
                          uint32_t position, struct place *ret);
/* A place for a value that has none. False: no memory. */
bool places_add(struct places *places, const struct layout *layout, const struct linked *linked,
                const struct entity *entity, uint64_t hash, uint32_t position, struct pool *pool);
/* The place that holds a position, if there is one, is free again. */
void places_drop(struct places *places, const struct entity *entity, uint64_t hash, uint32_t position);
/* Begins another table, or goes on with it. */
bool places_change(struct places *places, const struct layout *layout, const struct linked *linked,
                   const struct entity *entity, struct pool *pool);
void places_tidy(struct places *places, struct pool *pool);
void places_done(struct places *places, struct pool *pool);

/* Asks memory for where a value will be looked up; then, by what came, for the event that may have it. */
void places_prefetch(const struct places *places, uint64_t hash);
void places_prefetch_event(const struct places *places, const struct layout *layout,
                           const struct linked *linked, const struct entity *entity, uint64_t hash);

/* Makes sure that one event more can be told apart: to be called before each. False: no memory. */
static inline bool places_prepare(struct places *places, const struct layout *layout,
                                  const struct linked *linked, const struct entity *entity, struct pool *pool)
{
    uint32_t count = ring_count(entity);
    bool fits = places->width == 1   ? count < PLACES_LIMIT_1
                : places->width == 2 ? count < PLACES_LIMIT_2
                                     : places->width == 4;
    return (fits && !places->moving) || places_change(places, layout, linked, entity, pool);
}

#endif
