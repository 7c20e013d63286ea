#include "feature/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"

/* What may lie idle: an eighth of what is in use, and a little in any case. */
enum { IDLE_SHARE = 8, IDLE_LEAST = 1 << 20 };

#if defined(__SANITIZE_ADDRESS__)
static const bool slabs_serve = false;
#else
static const bool slabs_serve = true;
#endif

/* At the front of its memory. */
struct pool_slab {
    struct pool_list *list;
    struct pool_slab *next, *previous; /* of the list's open ones */
    void *given_back;                  /* each begins with the address of the next */
    uint32_t used, cut, capacity;      /* blocks: taken; ever taken; that fit */
};

enum { HEADER = 64 };

static struct pool_slab *slab_of(void *block)
{
    return (struct pool_slab *)((uintptr_t)block & ~(uintptr_t)(POOL_SLAB - 1));
}

static void open_slab(struct pool_slab *slab)
{
    struct pool_list *list = slab->list;
    slab->previous = NULL;
    slab->next = list->open;
    if (slab->next)
        slab->next->previous = slab;
    list->open = slab;
}

static void close_slab(struct pool_slab *slab)
{
    *(slab->previous ? &slab->previous->next : &slab->list->open) = slab->next;
    if (slab->next)
        slab->next->previous = slab->previous;
}

/* A size's first slab is in small pages: a small state touches little of it. */
static struct pool_slab *new_slab(struct pool_list *list)
{
    struct pool_slab *slab = pages_new(POOL_SLAB, list->slabs > 0);
    if (!slab)
        return NULL;
    *slab = (struct pool_slab){.list = list, .capacity = (uint32_t)((POOL_SLAB - HEADER) / list->size)};
    list->slabs++;
    open_slab(slab);
    return slab;
}

static void free_slab(struct pool *pool, struct pool_slab *slab)
{
    struct pool_list *list = slab->list;
    pool->idle -= (int64_t)(slab->cut * list->size);
    close_slab(slab);
    list->slabs--;
    pages_free(slab, POOL_SLAB);
}

/* The list of a size; NULL where malloc serves it. */
static struct pool_list *find_list(struct pool *pool, size_t size)
{
    for (int i = 0; i < pool->n; i++)
        if (pool->lists[i].size == size)
            return &pool->lists[i];
    if (pool->n == POOL_SIZES || size > POOL_LARGEST || !slabs_serve)
        return NULL;
    pool->lists[pool->n] = (struct pool_list){.size = size};
    return &pool->lists[pool->n++];
}

void *pool_take(struct pool *pool, size_t size)
{
    struct pool_list *list = find_list(pool, size);
    void *block;
    if (!list) {
        block = malloc(size);
        pool->used += block ? (int64_t)size : 0;
        return block;
    }
    struct pool_slab *slab = list->open ? list->open : new_slab(list);
    if (!slab)
        return NULL;
    block = slab->given_back;
    if (block) {
        memcpy(&slab->given_back, block, sizeof block);
        pool->idle -= (int64_t)size;
    } else {
        block = (char *)slab + HEADER + slab->cut++ * size;
    }
    if (++slab->used == slab->capacity)
        close_slab(slab);
    pool->used += (int64_t)size;
    return block;
}

void pool_give(struct pool *pool, void *block, size_t size)
{
    struct pool_list *list = find_list(pool, size);
    if (!block)
        return;
    pool->used -= (int64_t)size;
    if (!list) {
        free(block);
        return;
    }
    struct pool_slab *slab = slab_of(block);
    memcpy(block, &slab->given_back, sizeof block);
    slab->given_back = block;
    pool->idle += (int64_t)size;
    if (slab->used-- == slab->capacity)
        open_slab(slab);
    /* A slab without blocks in use waits for the next of its size, unless much else lies idle. */
    if (!slab->used && pool->idle > pool->used / IDLE_SHARE + IDLE_LEAST)
        free_slab(pool, slab);
}

void pool_done(struct pool *pool)
{
    for (int i = 0; i < pool->n; i++)
        while (pool->lists[i].open)
            free_slab(pool, pool->lists[i].open);
    *pool = (struct pool){0};
}
