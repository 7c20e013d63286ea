/*
 * What the entities of a group are made of. Internal to feature/: entities.h is the view of others, but for
 * the look ahead (lookahead.h), which goes the same way a step at a time.
 */
#ifndef SHRIKE_FEATURE_ENTITIES_STRUCT_H
#define SHRIKE_FEATURE_ENTITIES_STRUCT_H

#include "feature/entities.h"

#define BUCKET_MOVED UINT32_MAX

struct bucket {
    uint32_t tag, number; /* number 0 = empty, BUCKET_MOVED, else index + 1 */
};

struct key_table {
    struct bucket *buckets;
    uint32_t mask;
};

struct block {
    char *memory; /* NULL: none of its entities is in use */
    uint32_t used;
    uint32_t fresh;     /* those from here on were never used */
    uint32_t free;      /* place of one that was given back (linked by entity.end), or NONE */
    uint32_t next_open; /* blocks with room form a list */
    bool is_open;
};

struct entities {
    struct share share;
    struct key_table now, old; /* old: what is yet to be moved */
    uint32_t moved;            /* buckets of the old one that were */
    uint32_t n;
    struct block *blocks;
    size_t n_blocks, blocks_capacity, blocks_in_use;
    int64_t touched; /* bytes of the blocks that were ever used */
    int shift;       /* a block has 2^shift entities */
    uint32_t open, hand;
    uint32_t rounds; /* of the hand over all of them */
    int64_t due;     /* looks of the next sweep, times EVENTS_A_LOOK */
};

static inline uint32_t block_of(const struct entities *entities, uint32_t index)
{
    return index >> entities->shift;
}

static inline uint32_t place_of(const struct entities *entities, uint32_t index)
{
    return index & ((UINT32_C(1) << entities->shift) - 1);
}

static inline struct entity *entities_at(const struct entities *entities, uint32_t index)
{
    return (struct entity *)(entities->blocks[block_of(entities, index)].memory +
                             place_of(entities, index) * entities->share.layout->entity_size);
}

/* The entity that a key has, by its tag alone. */
static inline struct entity *entities_guess_one(const struct entities *entities,
                                                const struct key_table *table, uint32_t tag)
{
    uint32_t i = tag & table->mask;
    for (; table->buckets[i].number; i = (i + 1) & table->mask)
        if (table->buckets[i].tag == tag && table->buckets[i].number != BUCKET_MOVED)
            return entities_at(entities, table->buckets[i].number - 1);
    return NULL;
}

#endif
