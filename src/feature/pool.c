#include "feature/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"

/* What may lie idle: a sixteenth of what is in use, and a little in any case; beyond LOOSE_SHARE, and a slab
 * of each size, blocks are moved together. */
enum { IDLE_SHARE = 16, IDLE_LEAST = 1 << 20, LOOSE_SHARE = 24, LITTLE = 1 << 17 };

/* Under the address sanitizer what is not in use may not be touched, nor what lies between two blocks. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
enum { GAP = 0 };
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
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

/* From one block to the next. The sanitizer knows multiples of 8. */
static size_t stride_of(size_t size)
{
    return GAP ? (size + 7) / 8 * 8 + GAP : size;
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
    *slab = (struct pool_slab){.list = list,
                               .capacity = (uint32_t)((POOL_SLAB - HEADER) / stride_of(list->size))};
    ASAN_POISON_MEMORY_REGION((char *)slab + HEADER, POOL_SLAB - HEADER);
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
    ASAN_UNPOISON_MEMORY_REGION(slab, POOL_SLAB);
    pages_free(slab, POOL_SLAB);
}

/* The list of a size; NULL where malloc serves it. */
static struct pool_list *find_list(struct pool *pool, size_t size)
{
    uint32_t i = (uint32_t)size * UINT32_C(2654435769) >> 24;
    for (; pool->lists[i].size; i = (i + 1) % POOL_LISTS)
        if (pool->lists[i].size == size)
            return &pool->lists[i];
    if (pool->n == POOL_SIZES || size > POOL_LARGEST)
        return NULL;
    pool->n++;
    pool->lists[i].size = size;
    return &pool->lists[i];
}

static void *take_block(struct pool *pool, struct pool_slab *slab)
{
    size_t size = slab->list->size;
    char *block = slab->given_back;
    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block, size);
        memcpy(&slab->given_back, block, sizeof slab->given_back);
        pool->idle -= (int64_t)size;
    } else {
        block = (char *)slab + HEADER + slab->cut++ * stride_of(size);
        ASAN_UNPOISON_MEMORY_REGION(block, size);
    }
    if (++slab->used == slab->capacity)
        close_slab(slab);
    return block;
}

void *pool_take(struct pool *pool, size_t size)
{
    struct pool_list *list = find_list(pool, size);
    struct pool_slab *slab = !list ? NULL : list->open ? list->open : new_slab(list);
    void *block = slab ? take_block(pool, slab) : list ? NULL : malloc(size);
    pool->used += block ? (int64_t)size : 0;
    return block;
}

static bool much_is_idle(const struct pool *pool)
{
    return pool->idle > pool->used / IDLE_SHARE + IDLE_LEAST;
}

static void give_block(struct pool *pool, struct pool_slab *slab, char *block)
{
    size_t size = slab->list->size;
    memcpy(block, &slab->given_back, sizeof slab->given_back);
    slab->given_back = block;
    ASAN_POISON_MEMORY_REGION(block, size);
    pool->idle += (int64_t)size;
    if (slab->used-- == slab->capacity)
        open_slab(slab);
    /* A slab without blocks in use waits for the next of its size, unless much else lies idle. A size that
     * few blocks have would go and come again with each of them. */
    bool little = slab->list->slabs == 1 && slab->cut * size <= LITTLE;
    if (!slab->used && !little && much_is_idle(pool))
        free_slab(pool, slab);
}

void pool_give(struct pool *pool, void *block, size_t size)
{
    if (!block)
        return;
    pool->used -= (int64_t)size;
    if (find_list(pool, size))
        give_block(pool, slab_of(block), block);
    else
        free(block);
}

bool pool_is_loose(const struct pool *pool)
{
    int64_t unavoidable = (int64_t)pool->n * POOL_SLAB;
    return pool->idle - unavoidable > pool->used / LOOSE_SHARE && pool->n < POOL_SIZES;
}

void *pool_tidy(struct pool *pool, void *block, size_t size)
{
    if (!block || size > POOL_LARGEST)
        return block;
    struct pool_slab *from = slab_of(block), *to = from->list->open;
    if (!to || to == from || from->used > from->capacity - from->capacity / LOOSE_SHARE)
        return block;
    void *moved = memcpy(take_block(pool, to), block, size);
    give_block(pool, from, block);
    return moved;
}

void pool_done(struct pool *pool)
{
    assert(pool->used == 0);
    for (int i = 0; i < POOL_LISTS; i++)
        while (pool->lists[i].open)
            free_slab(pool, pool->lists[i].open);
    *pool = (struct pool){0};
}
