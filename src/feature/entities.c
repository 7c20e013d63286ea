/*
 * From keys to entities: an open-addressing table of 8-byte entries (32 bits of the hash, number of the
 * entity). One of another size takes its place a few entries at a time, so that no event waits for all of
 * them; meanwhile a key is looked for in both. The table stands over blocks of entities that never move, so
 * that pointers stay good while the table grows. A block is at most a huge page, of as many entities as a
 * power of two. One whose entities are all gone is freed.
 */
#include "feature/entities_struct.h"

#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "feature/ring.h"
#include "feature/strings.h"

enum {
    FIRST_BUCKETS = 1024,
    NONE = UINT32_MAX,
    AT_A_TIME = 32,    /* buckets that are moved with every entity that comes or goes */
    MOVABLE_SHARE = 4, /* of the entities, whose blocks a round may move: that costs more than a look */
    EVENTS_A_LOOK = 4, /* a look at an entity is a line of memory that the event does not need */
    LOOKS_AT_ONCE = 16 /* one after the other they cost less than one by one */
};

static void free_table(struct key_table *table)
{
    pages_table_free(table->buckets, (size_t)table->mask + 1, sizeof *table->buckets);
    *table = (struct key_table){NULL, 0};
}

static size_t block_bytes(const struct entities *entities)
{
    return entities->share.layout->entity_size << entities->shift;
}

/* Numbers of all entities that the blocks have room for. */
static uint32_t end_of(const struct entities *entities)
{
    return (uint32_t)(entities->n_blocks << entities->shift);
}

int entities_new(const struct layout *layout, struct strings *strings, struct entities **ret,
                 struct error *error)
{
    struct entities *entities = memory_new(1, sizeof *entities);
    if (entities)
        entities->now.buckets = pages_table(FIRST_BUCKETS, sizeof *entities->now.buckets);
    if (!entities || !entities->now.buckets) {
        free(entities);
        return error_set(error, CODE_MEMORY, "no memory for the entities of a window");
    }
    int rc = share_init(layout, strings, &entities->share, error);
    if (rc != OK) {
        pages_table_free(entities->now.buckets, FIRST_BUCKETS, sizeof *entities->now.buckets);
        free(entities);
        return rc;
    }
    entities->now.mask = FIRST_BUCKETS - 1;
    while (entities->shift < 14 && layout->entity_size << (entities->shift + 1) <= PAGES_HUGE)
        entities->shift++;
    entities->open = NONE;
    *ret = entities;
    return OK;
}

struct share *entities_share(struct entities *entities)
{
    return &entities->share;
}

/* Is there an entity at this number? */
static bool is_used(const struct entities *entities, uint32_t index)
{
    const struct block *block = &entities->blocks[block_of(entities, index)];
    return block->memory && place_of(entities, index) < block->fresh &&
           entities_at(entities, index)->events.item;
}

void entities_free(struct entities *entities)
{
    if (!entities)
        return;
    for (uint32_t i = 0; i < end_of(entities); i++)
        if (is_used(entities, i))
            entity_done(&entities->share, entities_at(entities, i));
    for (size_t b = 0; b < entities->n_blocks; b++)
        pages_free(entities->blocks[b].memory, block_bytes(entities));
    free(entities->blocks);
    free_table(&entities->now);
    free_table(&entities->old);
    share_done(&entities->share);
    free(entities);
}

/* A table without an entry that was moved, and without the key: where it belongs. */
static void put(const struct key_table *table, struct bucket bucket)
{
    uint32_t i = bucket.tag & table->mask;
    while (table->buckets[i].number)
        i = (i + 1) & table->mask;
    table->buckets[i] = bucket;
}

static void move_some(struct entities *entities, uint32_t n)
{
    struct key_table *old = &entities->old;
    if (!old->buckets)
        return;
    for (; n && entities->moved <= old->mask; n--, entities->moved++) {
        struct bucket *bucket = &old->buckets[entities->moved];
        if (bucket->number && bucket->number != BUCKET_MOVED)
            put(&entities->now, *bucket);
        if (bucket->number)
            bucket->number = BUCKET_MOVED;
    }
    if (entities->moved > old->mask)
        free_table(old);
}

/* Begins to move to a table of another size. */
static bool resize(struct entities *entities, uint32_t size)
{
    struct bucket *buckets = size ? pages_table(size, sizeof *buckets) : NULL;
    if (!buckets)
        return false;
    move_some(entities, UINT32_MAX);
    entities->old = entities->now;
    entities->now = (struct key_table){buckets, size - 1};
    entities->moved = 0;
    return true;
}

static void list_open(struct entities *entities, uint32_t b)
{
    struct block *block = &entities->blocks[b];
    if (block->is_open)
        return;
    block->is_open = true;
    block->next_open = entities->open;
    entities->open = b;
}

/* A block with room, a new one if there is none; NONE: no memory. */
static uint32_t open_block(struct entities *entities)
{
    if (entities->open == NONE) {
        if (entities->n_blocks == UINT32_MAX >> entities->shift ||
            !memory_grow(&entities->blocks, &entities->blocks_capacity, entities->n_blocks + 1,
                         sizeof *entities->blocks))
            return NONE;
        entities->blocks[entities->n_blocks] = (struct block){.free = NONE, .next_open = NONE};
        list_open(entities, (uint32_t)entities->n_blocks++);
    }
    struct block *block = &entities->blocks[entities->open];
    if (!block->memory) {
        block->memory = pages_new(block_bytes(entities), entities->blocks_in_use > 0);
        if (!block->memory)
            return NONE;
        entities->blocks_in_use++;
    }
    return entities->open;
}

/* The number of a place for one more entity, NONE: no memory. */
static uint32_t take_place(struct entities *entities)
{
    uint32_t b = open_block(entities);
    if (b == NONE)
        return NONE;
    struct block *block = &entities->blocks[b];
    uint32_t place = block->free;
    uint32_t index = b << entities->shift;
    if (place != NONE) {
        block->free = entities_at(entities, index + place)->end;
    } else {
        place = block->fresh++;
        entities->touched += (int64_t)entities->share.layout->entity_size;
    }
    if (++block->used == UINT32_C(1) << entities->shift) {
        entities->open = block->next_open;
        block->is_open = false;
    }
    return index + place;
}

static void give_place(struct entities *entities, uint32_t index)
{
    uint32_t b = block_of(entities, index);
    struct block *block = &entities->blocks[b];
    struct entity *entity = entities_at(entities, index);
    entity->events.item = 0;
    entity->end = block->free;
    block->free = place_of(entities, index);
    if (--block->used == 0) {
        entities->touched -= block->fresh * (int64_t)entities->share.layout->entity_size;
        block->fresh = 0;
        block->free = NONE;
        /* The last one waits for the next entity. */
        if (entities->blocks_in_use > 1) {
            pages_free(block->memory, block_bytes(entities));
            block->memory = NULL;
            entities->blocks_in_use--;
        }
    }
    list_open(entities, b);
}

static inline bool same_key(const uint64_t *a, const uint64_t *b, int n_words)
{
    for (int i = 0; i < n_words; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* The bucket of a key, or the empty one where it belongs; NULL: there is no table. */
static inline struct bucket *find_bucket(const struct entities *entities, const struct key_table *table,
                                         uint32_t tag, const uint64_t *key)
{
    const struct layout *layout = entities->share.layout;
    uint32_t i = tag & table->mask;
    if (!table->buckets)
        return NULL;
    for (; table->buckets[i].number; i = (i + 1) & table->mask)
        if (table->buckets[i].tag == tag && table->buckets[i].number != BUCKET_MOVED &&
            same_key(entity_keys(layout, entities_at(entities, table->buckets[i].number - 1)), key,
                     layout->n_words))
            break;
    return &table->buckets[i];
}

static struct entity *add(struct entities *entities, uint32_t tag, const uint64_t *key)
{
    const struct layout *layout = entities->share.layout;
    move_some(entities, AT_A_TIME);
    if ((uint64_t)entities->n * 2 >= entities->now.mask && !resize(entities, (entities->now.mask + 1) * 2))
        return NULL;
    uint32_t index = take_place(entities);
    if (index == NONE)
        return NULL;
    struct entity *entity = entities_at(entities, index);
    entity_init(layout, key, entity);
    put(&entities->now, (struct bucket){tag, index + 1});
    entities->n++;
    entities->due += 2 * EVENTS_A_LOOK;
    return entity;
}

struct entity *entities_look_up(const struct entities *entities, uint64_t hash, const uint64_t *key)
{
    uint32_t tag = (uint32_t)hash;
    const struct bucket *bucket = find_bucket(entities, &entities->now, tag, key);
    if (!bucket->number && entities->old.buckets)
        bucket = find_bucket(entities, &entities->old, tag, key);
    return bucket->number ? entities_at(entities, bucket->number - 1) : NULL;
}

struct entity *entities_find(struct entities *entities, uint64_t hash, const uint64_t *key, bool *ret_new)
{
    struct entity *entity = entities_look_up(entities, hash, key);
    *ret_new = !entity;
    return entity ? entity : add(entities, (uint32_t)hash, key);
}

/* Closes the gap that an emptied bucket leaves in the run of those behind it. */
static void empty_bucket(const struct key_table *table, struct bucket *bucket)
{
    struct bucket *buckets = table->buckets;
    uint32_t mask = table->mask, gap = (uint32_t)(bucket - buckets);
    for (uint32_t i = (gap + 1) & mask; buckets[i].number; i = (i + 1) & mask) {
        uint32_t home = buckets[i].tag & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            buckets[gap] = buckets[i];
            gap = i;
        }
    }
    buckets[gap] = (struct bucket){0, 0};
}

static void remove_entity(struct entities *entities, uint32_t index)
{
    const struct layout *layout = entities->share.layout;
    struct entity *entity = entities_at(entities, index);
    const uint64_t *key = entity_keys(layout, entity);
    uint32_t tag = (uint32_t)entities_hash(key, layout->n_words);
    struct bucket *bucket = find_bucket(entities, &entities->now, tag, key);
    if (bucket->number)
        empty_bucket(&entities->now, bucket);
    else
        find_bucket(entities, &entities->old, tag, key)->number = BUCKET_MOVED;
    entities->n--;
    entity_done(&entities->share, entity);
    give_place(entities, index);
    /* A smaller table is as good; without memory for it the larger one is, too. */
    move_some(entities, AT_A_TIME);
    if (entities->now.mask >= FIRST_BUCKETS && entities->n < entities->now.mask / 16 &&
        !entities->old.buckets)
        resize(entities, (entities->now.mask + 1) / 4);
}

void entities_remove(struct entities *entities, struct entity *entity)
{
    const uint64_t *key = entity_keys(entities->share.layout, entity);
    uint32_t tag = (uint32_t)entities_hash(key, entities->share.layout->n_words);
    const struct bucket *bucket = find_bucket(entities, &entities->now, tag, key);
    if (!bucket->number)
        bucket = find_bucket(entities, &entities->old, tag, key);
    remove_entity(entities, bucket->number - 1);
}

/* An entity whose turn it is. False: it is no more. */
static bool look_after(struct entities *entities, uint32_t index, int64_t floor, bool movable)
{
    struct share *share = &entities->share;
    struct entity *entity = entities_at(entities, index);
    if (entity_is_quiet(share->layout, entity, floor) && entity_forget_quiet(share, entity, floor)) {
        remove_entity(entities, index);
        return false;
    }
    if (movable)
        entity_tidy(share, entity);
    return true;
}

/* The next of a block, n at most, until one goes, with which its block may. How many were looked at. */
static int64_t sweep_block(struct entities *entities, const struct block *block, int64_t floor, int64_t n,
                           bool loose)
{
    const struct layout *layout = entities->share.layout;
    uint32_t place = place_of(entities, entities->hand), left = block->fresh - place;
    const struct entity *entity = entities_at(entities, entities->hand);
    uint32_t most = n < left ? (uint32_t)n : left, i = 0;
    while (i < most) {
        uint32_t index = entities->hand++;
        i++;
        bool movable = loose && (index + entities->rounds) % MOVABLE_SHARE == 0;
        if (entity->events.item && (movable || entity_is_quiet(layout, entity, floor)) &&
            !look_after(entities, index, floor, movable))
            break;
        entity = entity_at(entity, layout->entity_size);
    }
    return i;
}

void entities_sweep(struct entities *entities, int64_t floor, int64_t events)
{
    bool loose = pool_is_loose(&entities->share.pool);
    entities->due += loose ? events * EVENTS_A_LOOK : events;
    if (entities->due < LOOKS_AT_ONCE * EVENTS_A_LOOK)
        return;
    int64_t n = entities->due / EVENTS_A_LOOK;
    entities->due = 0;
    while (n > 0 && entities->n) {
        if (entities->hand >= end_of(entities)) {
            entities->hand = 0;
            entities->rounds++;
        }
        uint32_t b = block_of(entities, entities->hand);
        const struct block *block = &entities->blocks[b];
        if (block->memory && place_of(entities, entities->hand) < block->fresh) {
            n -= sweep_block(entities, block, floor, n, loose);
        } else {
            entities->hand = (b + 1) << entities->shift;
            n--;
        }
    }
}

void entities_prefetch(const struct entities *entities, const uint64_t *hashes, const uint32_t *rows, int n)
{
    for (int j = 0; j < n; j++)
        __builtin_prefetch(&entities->now.buckets[(uint32_t)hashes[rows[j]] & entities->now.mask]);
    for (int j = 0; entities->old.buckets && j < n; j++)
        __builtin_prefetch(&entities->old.buckets[(uint32_t)hashes[rows[j]] & entities->old.mask]);
}

void entities_guess(const struct entities *entities, const uint64_t *hashes, const uint32_t *rows, int n,
                    struct entity **ret)
{
    size_t size = entities->share.layout->entity_size;
    for (int j = 0; j < n; j++) {
        struct entity *entity = entities_guess_one(entities, &entities->now, (uint32_t)hashes[rows[j]]);
        if (!entity && entities->old.buckets)
            entity = entities_guess_one(entities, &entities->old, (uint32_t)hashes[rows[j]]);
        ret[rows[j]] = entity;
        if (!entity)
            continue;
        for (size_t line = 0; line < size; line += 64)
            __builtin_prefetch((const char *)entity + line);
        __builtin_prefetch((const char *)entity + size - 1);
    }
}

int64_t entities_count(const struct entities *entities)
{
    return entities->n;
}

int64_t entities_bytes(const struct entities *entities)
{
    int64_t buckets = (int64_t)entities->now.mask + 1;
    if (entities->old.buckets)
        buckets += (int64_t)entities->old.mask + 1;
    return buckets * (int64_t)sizeof(struct bucket) + entities->touched + entities->share.bytes +
           entities->share.pool.used + entities->share.pool.idle;
}

int64_t entities_retained(const struct entities *entities)
{
    int64_t retained = 0;
    for (uint32_t i = 0; i < end_of(entities); i++)
        if (is_used(entities, i))
            retained += ring_count(entities_at(entities, i));
    return retained;
}

void entities_each(const struct entities *entities, entities_visit *visit, void *context)
{
    for (uint32_t i = 0; i < end_of(entities); i++)
        if (is_used(entities, i))
            visit(context, entities_at(entities, i));
}
