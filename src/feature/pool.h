/*
 * Blocks of a few sizes that come and go: given back, they wait for the next of their size, up to a share of
 * what is in use, and go back to the system beyond that. So windows that move on allocate nothing, and what
 * has gone quiet frees its memory.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_POOL_H
#define SHRIKE_FEATURE_POOL_H

#include <stddef.h>
#include <stdint.h>

enum { POOL_SIZES = 48 };

struct pool_list {
    size_t size;
    void *head; /* each block begins with the address of the next */
};

struct pool {
    struct pool_list lists[POOL_SIZES];
    int n;
    int64_t used, idle; /* bytes */
};

/* A block of `size` bytes, at least 8, not zeroed. NULL: no memory. */
void *pool_take(struct pool *pool, size_t size);
void pool_give(struct pool *pool, void *block, size_t size); /* takes NULL */
/* Frees what is idle. */
void pool_done(struct pool *pool);

#endif
