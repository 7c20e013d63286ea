/*
 * Blocks of a few sizes that come and go. They are cut from slabs of 2 MiB, one size each, so that millions
 * of small blocks lie close together and in huge pages: an event touches some twenty lines far apart, and
 * finding their pages would cost as much as the lines. A block given back is the next of its size to be
 * taken; a slab without blocks in use goes back to the system, but for a share of what is in use. So windows
 * that move on allocate nothing, and what has gone quiet frees its memory. Where entities have outgrown a
 * size, few blocks in many slabs remain; owners who come by may have them moved together (pool_tidy). Larger
 * blocks are malloc's.
 *
 * The address sanitizer is told which blocks are in use, and has a gap behind each.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_POOL_H
#define SHRIKE_FEATURE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pages.h"

enum { POOL_SIZES = 192, POOL_LISTS = 256, POOL_SLAB = PAGES_HUGE, POOL_LARGEST = 64 << 10 };

struct pool_slab;

/* The slabs of a size. */
struct pool_list {
    size_t size;
    struct pool_slab *open; /* those with room */
    uint32_t slabs;
};

struct pool {
    struct pool_list lists[POOL_LISTS]; /* hashed by size */
    int n;
    int64_t used, idle; /* bytes of blocks: taken, given back */
};

/* A block of `size` bytes, at least 8, not zeroed, as aligned as the size. NULL: no memory. */
void *pool_take(struct pool *pool, size_t size);
void pool_give(struct pool *pool, void *block, size_t size); /* takes NULL */
/* Does so much lie idle that blocks should be moved together? Then pool_tidy may move one: where it lies now.
 */
bool pool_is_loose(const struct pool *pool);
void *pool_tidy(struct pool *pool, void *block, size_t size); /* takes NULL */
/* Gives back what is idle; all blocks have been given back. */
void pool_done(struct pool *pool);

#endif
