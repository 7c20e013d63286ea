/*
 * How an entity's retained events with a value for a slot are linked, where there are more than DEQUE_BARE:
 *
 *   beside the events (deque.h), per linked slot:
 *     in a block    links [ before | behind ] per event, 1 byte each; heads [ position ], 1 byte, per bucket
 *     in a page     links, 2 bytes each, or 4 where the deque is wide
 *   struct recent   heads of an entity in pages, 2 or 4 bytes, one per bucket, in pages of their own
 *
 * before: the distance to the previous event of the value. behind: to the next one; the newest of its value
 * has none, and there says instead how far back the next older newest event of its bucket is; a spare bit
 * tells which. So a bucket is a chain of different values, newest first, whose links cost nothing, and what
 * is evicted falls off its end. 0: there is none; the same where a distance leads beyond the oldest event. A
 * head is the low bytes of a position, which say twice as much as there are events, and one before the oldest
 * means that there is none. Those that were overtaken are moved along, two with every event that goes.
 *
 * A block has as many buckets as room for events, and another block is linked anew. In pages there are four
 * times as many buckets as values, but no more than events: they are split and joined one at a time. So no
 * call does work in proportion to the size but that which makes links wide, of at most 32,768 events, or
 * narrow again.
 *
 * Inside, events are named by their place: how far they are from the oldest. Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_CHAINS_H
#define SHRIKE_FEATURE_CHAINS_H

#include "base/hash.h"
#include "feature/ring.h"

#define NO_PLACE UINT32_MAX

#define CHAINS_INLINE static inline __attribute__((always_inline))

enum { CHAINS_NARROW_MOST = 1 << 15 /* events whose links take two bytes */, HEADS_PAGE = 2048 };

struct recent {
    union {
        char *block;
        char **pages; /* where there is room for more than HEADS_PAGE */
    };
    uint32_t buckets, room;
    uint32_t values, kept; /* different ones; the next head to move along */
    int width;             /* bytes of a head */
};

/* A slot's events of one entity; what is asked all the time stands beside. */
struct chains {
    const struct layout *layout;
    const struct linked *linked;
    const struct entity *entity;
    struct recent *recent; /* of an entity in pages */
    char *heads;           /* of a block */
    uint32_t first, count; /* entity->first; events that are linked */
    int width, head_width; /* bytes of a link's fields, and of a head */
    bool paged;
};

/* 0: none. chained: where there is none behind. */
struct link {
    uint32_t before, behind, chained;
};

/* A value as it is looked for. */
struct wanted {
    uint64_t key[2], hash;
};

CHAINS_INLINE void value_key(const char *at, enum pack pack, uint64_t key[2])
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

CHAINS_INLINE struct wanted wanted_at(const char *at, enum pack pack)
{
    struct wanted wanted;
    value_key(at, pack, wanted.key);
    wanted.hash = hash_word(wanted.key[0], 0);
    if (pack == PACK_WIDE)
        wanted.hash = hash_word(wanted.key[1], wanted.hash);
    return wanted;
}

CHAINS_INLINE bool wanted_is_at(const struct wanted *wanted, const char *at, enum pack pack)
{
    uint64_t key[2];
    if (pack == PACK_INT32)
        return pack_int(at, PACK_INT32) == (int64_t)wanted->key[0];
    value_key(at, pack, key);
    return key[0] == wanted->key[0] && key[1] == wanted->key[1];
}

CHAINS_INLINE uint32_t get_field(const char *at, int width)
{
    uint16_t two;
    uint32_t four;
    if (width == 1)
        return (uint8_t)*at;
    if (width == 2) {
        memcpy(&two, at, sizeof two);
        return two;
    }
    memcpy(&four, at, sizeof four);
    return four;
}

CHAINS_INLINE void put_field(char *at, int width, uint32_t value)
{
    uint16_t two = (uint16_t)value;
    if (width == 1)
        *at = (char)value;
    else if (width == 2)
        memcpy(at, &two, sizeof two);
    else
        memcpy(at, &value, sizeof value);
}

static inline bool chains_are_paged(const struct entity *entity)
{
    return entity->capacity > RING_PAGE;
}

/* Bytes of each of an event's two fields. */
static inline int link_width(const struct entity *entity)
{
    return !chains_are_paged(entity) ? 1 : entity->events.wide ? 4 : 2;
}

/* How many events a width tells apart: a bit is spare. */
static inline uint32_t width_limit(int width)
{
    return UINT32_C(1) << (8 * width - 1);
}

/* Where a block's links begin. */
CHAINS_INLINE char *block_links(const struct layout *layout, const struct linked *linked,
                                const struct entity *entity)
{
    size_t before = layout->event_size + DEQUE_BLOCK_BESIDE * (size_t)linked->index;
    return (char *)entity->ring + entity->capacity * before;
}

CHAINS_INLINE char *page_link(const struct layout *layout, const struct linked *linked,
                              const struct entity *entity, uint32_t position)
{
    char **pages = entity->ring, *page = pages[position / RING_PAGE & (entity->capacity / RING_PAGE - 1)];
    size_t link = (size_t)DEQUE_PAGE_BESIDE << entity->events.wide;
    return page + RING_PAGE * (layout->event_size + link * (size_t)linked->index) +
           position % RING_PAGE * link;
}

static inline char *link_place(const struct layout *layout, const struct linked *linked,
                               const struct entity *entity, uint32_t position)
{
    if (chains_are_paged(entity))
        return page_link(layout, linked, entity, position);
    return block_links(layout, linked, entity) + 2 * (position & (entity->capacity - 1));
}

CHAINS_INLINE struct link get_link(const char *at, int width)
{
    uint32_t before = get_field(at, width), behind = get_field(at + width, width), spare = width_limit(width);
    return behind & spare ? (struct link){before, behind ^ spare, 0} : (struct link){before, 0, behind};
}

CHAINS_INLINE void put_link(char *at, int width, struct link link)
{
    put_field(at, width, link.before);
    put_field(at + width, width, link.behind ? link.behind | width_limit(width) : link.chained);
}

static inline struct recent **recent_at(const struct linked *linked, const struct entity *entity)
{
    return entity_at(entity, linked->offset);
}

CHAINS_INLINE struct chains chains_of(const struct layout *layout, const struct linked *linked,
                                      const struct entity *entity)
{
    struct chains chains = {.layout = layout,
                            .linked = linked,
                            .entity = entity,
                            .first = entity->first,
                            .count = ring_count(entity),
                            .width = link_width(entity),
                            .head_width = 1,
                            .paged = chains_are_paged(entity)};
    if (chains.paged) {
        chains.recent = *recent_at(linked, entity);
        chains.head_width = chains.recent->width;
    } else {
        chains.heads = block_links(layout, linked, entity) + 2 * (size_t)entity->capacity;
    }
    return chains;
}

CHAINS_INLINE uint32_t bucket_of(const struct chains *chains, uint64_t hash)
{
    if (!chains->paged)
        return (uint32_t)hash & (chains->entity->capacity - 1);
    uint32_t n = chains->recent->buckets, top = UINT32_C(1) << (31 - __builtin_clz(n));
    uint32_t low = (uint32_t)hash & (top * 2 - 1);
    return low < n ? low : low ^ top;
}

CHAINS_INLINE char *chains_link_at(const struct chains *chains, uint32_t place)
{
    const struct entity *entity = chains->entity;
    uint32_t position = chains->first + place;
    if (chains->paged)
        return page_link(chains->layout, chains->linked, entity, position);
    return block_links(chains->layout, chains->linked, entity) + 2 * (position & (entity->capacity - 1));
}

/* By place. A distance beyond the oldest event is 0. */
CHAINS_INLINE struct link chains_link(const struct chains *chains, uint32_t place)
{
    struct link link = get_link(chains_link_at(chains, place), chains->width);
    link.before = link.before > place ? 0 : link.before;
    link.chained = link.chained > place ? 0 : link.chained;
    return link;
}

CHAINS_INLINE void chains_put_link(const struct chains *chains, uint32_t place, struct link link)
{
    put_link(chains_link_at(chains, place), chains->width, link);
}

CHAINS_INLINE char *recent_head_at(const struct recent *recent, uint32_t bucket, int width)
{
    if (recent->room <= HEADS_PAGE)
        return recent->block + bucket * (size_t)width;
    return recent->pages[bucket / HEADS_PAGE] + bucket % HEADS_PAGE * (size_t)width;
}

CHAINS_INLINE char *chains_head_at(const struct chains *chains, uint32_t bucket)
{
    return chains->paged ? recent_head_at(chains->recent, bucket, chains->head_width)
                         : chains->heads + bucket;
}

/* A bucket's newest event, or NO_PLACE. */
CHAINS_INLINE uint32_t chains_head(const struct chains *chains, uint32_t bucket)
{
    uint32_t position = get_field(chains_head_at(chains, bucket), chains->head_width);
    uint32_t place = (position - chains->first) & (UINT32_MAX >> (32 - 8 * chains->head_width));
    return place < chains->count ? place : NO_PLACE;
}

CHAINS_INLINE void chains_put_head(const struct chains *chains, uint32_t bucket, uint32_t place)
{
    /* NO_PLACE is -1: one before the oldest. */
    put_field(chains_head_at(chains, bucket), chains->head_width, chains->first + place);
}

CHAINS_INLINE const char *chains_value(const struct chains *chains, uint32_t place)
{
    const struct entity *entity = chains->entity;
    uint32_t position = chains->first + place;
    size_t item = chains->layout->event_size;
    if (!chains->paged)
        return (char *)entity->ring + (position & (entity->capacity - 1)) * item + chains->linked->value;
    char **pages = entity->ring;
    const char *page = pages[position / RING_PAGE & (entity->capacity / RING_PAGE - 1)];
    return page + position % RING_PAGE * item + chains->linked->value;
}

/* What an event's link says to be the next of its chain. */
CHAINS_INLINE uint32_t link_older(struct link link, uint32_t place)
{
    return link.chained ? place - link.chained : NO_PLACE;
}

CHAINS_INLINE uint32_t chains_older(const struct chains *chains, uint32_t place)
{
    return link_older(chains_link(chains, place), place);
}

/* The newest event of a value, in its bucket; NO_PLACE: there is none. ret_newer: the one before it in the
 * chain, or NO_PLACE. */
CHAINS_INLINE uint32_t chains_find(const struct chains *chains, uint32_t bucket, const struct wanted *wanted,
                                   uint32_t *ret_newer)
{
    uint32_t place = chains_head(chains, bucket), newer = NO_PLACE;
    while (place != NO_PLACE && !wanted_is_at(wanted, chains_value(chains, place), chains->linked->pack)) {
        newer = place;
        place = chains_older(chains, place);
    }
    *ret_newer = newer;
    return place;
}

/* Lets `place` follow `newer` in a chain; NO_PLACE: the bucket itself, nothing. */
CHAINS_INLINE void chains_follow(const struct chains *chains, uint32_t bucket, uint32_t newer, uint32_t place)
{
    if (newer == NO_PLACE) {
        chains_put_head(chains, bucket, place);
        return;
    }
    struct link link = chains_link(chains, newer);
    link.chained = place == NO_PLACE ? 0 : newer - place;
    chains_put_link(chains, newer, link);
}

/* One value more (by = 1), or less (-1). */
CHAINS_INLINE void chains_count_value(const struct chains *chains, int by)
{
    if (chains->paged)
        chains->recent->values += (uint32_t)by;
}

/* Begins the heads of an entity none of whose events is linked; what it had is given back. False: no memory.
 */
bool chains_begin(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  struct pool *pool);
void recent_free(const struct linked *linked, const struct entity *entity, struct pool *pool);
void recent_tidy(const struct linked *linked, const struct entity *entity, struct pool *pool);
/* Splits or joins buckets of an entity in pages, a few at a time. */
void chains_change(const struct chains *chains, struct pool *pool);
/* Puts an event, of which nothing is behind, into its chain; *link becomes its own. */
void chains_insert(const struct chains *chains, uint32_t bucket, uint32_t place, struct link *link);
/* Other widths for all slots of an entity in pages. False: no memory. */
bool chains_widen(const struct layout *layout, struct entity *entity, struct pool *pool);
void chains_narrow(const struct layout *layout, struct entity *entity, struct pool *pool);

/* Four times as many buckets as values, but no more than events. */
CHAINS_INLINE uint32_t chains_buckets(const struct chains *chains)
{
    uint32_t most = 4 * chains->recent->values;
    return most < chains->count ? most : chains->count;
}

/* After a value has come or an event has gone. */
CHAINS_INLINE void chains_fit(const struct chains *chains, struct pool *pool)
{
    if (!chains->paged)
        return;
    uint32_t buckets = chains->recent->buckets, wanted = chains_buckets(chains);
    if (buckets < wanted || buckets / 2 > wanted + 1)
        chains_change(chains, pool);
}

CHAINS_INLINE void chains_keep_one(const struct chains *chains, uint32_t bucket)
{
    if (chains_head(chains, bucket) == NO_PLACE)
        chains_put_head(chains, bucket, NO_PLACE);
}

/* An event has gone: moves two heads along, if they were overtaken. */
CHAINS_INLINE void chains_keep(const struct chains *chains)
{
    struct recent *recent = chains->recent;
    for (uint32_t i = 0; i < 2; i++) {
        if (!chains->paged) {
            chains_keep_one(chains, (2 * chains->first + i) & (chains->entity->capacity - 1));
            continue;
        }
        recent->kept = recent->kept < recent->buckets ? recent->kept : 0;
        chains_keep_one(chains, recent->kept++);
    }
}

#endif
