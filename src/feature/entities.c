/*
 * From keys to entities: an open-addressing table of 8-byte entries (32 bits of the hash, number of the
 * entity) over blocks of entities that never move, so that pointers stay good while the table grows.
 */
#include <stdlib.h>
#include <string.h>

#include "feature/layout.h"

enum { BLOCK = 1024, FIRST_BUCKETS = 1024 };

struct bucket {
    uint32_t tag, number; /* number 0 = empty, else index + 1 */
};

struct entities {
    const struct layout *layout;
    struct bucket *buckets;
    uint32_t mask;
    uint32_t n;
    char **blocks;
    size_t n_blocks, blocks_capacity;
};

int entities_new(const struct layout *layout, struct entities **ret, struct error *error)
{
    struct entities *entities = memory_new(1, sizeof *entities);
    if (entities)
        entities->buckets = memory_new(FIRST_BUCKETS, sizeof *entities->buckets);
    if (!entities || !entities->buckets) {
        free(entities);
        return error_set(error, CODE_MEMORY, "no memory for the entities of a window");
    }
    entities->layout = layout;
    entities->mask = FIRST_BUCKETS - 1;
    *ret = entities;
    return OK;
}

static struct entity *at(const struct entities *entities, uint32_t index)
{
    return (struct entity *)(entities->blocks[index / BLOCK] +
                             (index % BLOCK) * entities->layout->entity_size);
}

void entities_free(struct entities *entities)
{
    if (!entities)
        return;
    const struct layout *layout = entities->layout;
    for (uint32_t i = 0; i < entities->n; i++) {
        struct entity *entity = at(entities, i);
        free(entity->ring);
        for (int a = 0; a < layout->n_accumulators; a++)
            if (layout->accumulators[a].summed)
                exact_done((struct exact *)((char *)entity + layout->accumulators[a].offset));
    }
    for (size_t b = 0; b < entities->n_blocks; b++)
        free(entities->blocks[b]);
    free(entities->blocks);
    free(entities->buckets);
    free(entities);
}

static bool grow(struct entities *entities)
{
    uint32_t size = (entities->mask + 1) * 2, mask = size - 1;
    struct bucket *buckets = size ? memory_new(size, sizeof *buckets) : NULL;
    if (!buckets)
        return false;
    for (uint32_t i = 0; i <= entities->mask; i++) {
        if (!entities->buckets[i].number)
            continue;
        uint32_t j = entities->buckets[i].tag & mask;
        while (buckets[j].number)
            j = (j + 1) & mask;
        buckets[j] = entities->buckets[i];
    }
    free(entities->buckets);
    entities->buckets = buckets;
    entities->mask = mask;
    return true;
}

static struct entity *add(struct entities *entities, const uint64_t *key)
{
    if (entities->n == UINT32_MAX)
        return NULL;
    if (entities->n / BLOCK == entities->n_blocks) {
        if (!memory_grow(&entities->blocks, &entities->blocks_capacity, entities->n_blocks + 1,
                         sizeof *entities->blocks))
            return NULL;
        char *block = memory_aligned(BLOCK * entities->layout->entity_size);
        if (!block)
            return NULL;
        memset(block, 0, BLOCK * entities->layout->entity_size);
        entities->blocks[entities->n_blocks++] = block;
    }
    struct entity *entity = at(entities, entities->n++);
    entity->position = INT64_MIN;
    memcpy(entity_keys(entities->layout, entity), key, (size_t)entities->layout->n_words * 8);
    return entity;
}

static inline bool same_key(const uint64_t *a, const uint64_t *b, int n_words)
{
    for (int i = 0; i < n_words; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

struct entity *entities_find(struct entities *entities, uint64_t hash, const uint64_t *key)
{
    uint32_t tag = (uint32_t)hash, i = tag & entities->mask;
    int n_words = entities->layout->n_words;
    for (; entities->buckets[i].number; i = (i + 1) & entities->mask)
        if (entities->buckets[i].tag == tag) {
            struct entity *entity = at(entities, entities->buckets[i].number - 1);
            if (same_key(entity_keys(entities->layout, entity), key, n_words))
                return entity;
        }
    if ((uint64_t)entities->n * 2 >= entities->mask) {
        if (!grow(entities))
            return NULL;
        for (i = tag & entities->mask; entities->buckets[i].number;)
            i = (i + 1) & entities->mask;
    }
    struct entity *entity = add(entities, key);
    if (entity)
        entities->buckets[i] = (struct bucket){tag, entities->n};
    return entity;
}

void entities_prefetch(const struct entities *entities, uint64_t hash)
{
    __builtin_prefetch(&entities->buckets[(uint32_t)hash & entities->mask]);
}

int64_t entities_count(const struct entities *entities)
{
    return entities->n;
}

int64_t entities_bytes(const struct entities *entities)
{
    int64_t bytes = (int64_t)(entities->mask + 1) * (int64_t)sizeof *entities->buckets +
                    (int64_t)(entities->n_blocks * BLOCK * entities->layout->entity_size);
    for (uint32_t i = 0; i < entities->n; i++)
        bytes += (int64_t)(at(entities, i)->capacity * entities->layout->event_size);
    return bytes;
}

int64_t entities_retained(const struct entities *entities)
{
    int64_t retained = 0;
    for (uint32_t i = 0; i < entities->n; i++)
        retained += (int64_t)(uint32_t)(at(entities, i)->end - at(entities, i)->first);
    return retained;
}
