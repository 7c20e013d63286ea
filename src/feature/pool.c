#include "feature/pool.h"

#include <stdlib.h>
#include <string.h>

/* What may lie idle: an eighth of what is in use, and a little in any case. */
enum { IDLE_SHARE = 8, IDLE_LEAST = 1 << 20 };

/* The list of a size; NULL where all lists have other sizes. */
static struct pool_list *find_list(struct pool *pool, size_t size)
{
    for (int i = 0; i < pool->n; i++)
        if (pool->lists[i].size == size)
            return &pool->lists[i];
    if (pool->n == POOL_SIZES)
        return NULL;
    pool->lists[pool->n] = (struct pool_list){.size = size};
    return &pool->lists[pool->n++];
}

void *pool_take(struct pool *pool, size_t size)
{
    struct pool_list *list = find_list(pool, size);
    void *block = list ? list->head : NULL;
    if (block) {
        memcpy(&list->head, block, sizeof list->head);
        pool->idle -= (int64_t)size;
    } else {
        block = malloc(size);
    }
    pool->used += block ? (int64_t)size : 0;
    return block;
}

void pool_give(struct pool *pool, void *block, size_t size)
{
    struct pool_list *list = find_list(pool, size);
    if (!block)
        return;
    pool->used -= (int64_t)size;
    if (!list || pool->idle + (int64_t)size > pool->used / IDLE_SHARE + IDLE_LEAST) {
        free(block);
        return;
    }
    memcpy(block, &list->head, sizeof list->head);
    list->head = block;
    pool->idle += (int64_t)size;
}

void pool_done(struct pool *pool)
{
    for (int i = 0; i < pool->n; i++)
        for (void *block = pool->lists[i].head, *next; block; block = next) {
            memcpy(&next, block, sizeof next);
            free(block);
        }
    *pool = (struct pool){0};
}
