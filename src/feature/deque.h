/*
 * Items of one size by position: put in at the end, taken away at either side. Positions are counters that
 * only grow at the front (modulo 2^32). Up to DEQUE_PAGE items lie in one block whose size is a power of two;
 * more lie in pages of DEQUE_PAGE behind a directory, so that many grow and shrink page by page: no step
 * costs more than a few pages and a copy of the directory (8 bytes per DEQUE_PAGE items).
 *
 * Pages that were emptied are used again; shrinking gives memory back once less than a quarter is used.
 *
 * Behind the items of a block of more than DEQUE_BARE, or of a page, an owner may have room of his own,
 * `beside` times 3 bytes an item of a block, 4 of a page, or 8 if the deque is wide. The deque does not look
 * at it: it is lost with every block of another size, and does not follow items that move.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_FEATURE_DEQUE_H
#define SHRIKE_FEATURE_DEQUE_H

#include <stdbool.h>

#include "feature/pool.h"

enum { DEQUE_FIRST = 4, DEQUE_BARE = 16, DEQUE_PAGE = 128, DEQUE_BLOCK_BESIDE = 3, DEQUE_PAGE_BESIDE = 4 };

struct deque {
    void *memory; /* the block or the directory */
    uint32_t first, end, capacity;
    uint16_t item; /* bytes of one */
    uint8_t beside;
    bool wide;
};

static inline uint32_t deque_count(const struct deque *deque)
{
    return deque->end - deque->first;
}

/* The item at a position, for a caller who has its size at hand. */
static inline char *deque_place(const struct deque *deque, uint32_t position, size_t item)
{
    if (deque->capacity <= DEQUE_PAGE)
        return (char *)deque->memory + (position & (deque->capacity - 1)) * item;
    char **pages = deque->memory;
    return pages[position / DEQUE_PAGE & (deque->capacity / DEQUE_PAGE - 1)] + position % DEQUE_PAGE * item;
}

static inline char *deque_at(const struct deque *deque, uint32_t position)
{
    return deque_place(deque, position, deque->item);
}

/* Room for one more item at deque->end. False: no memory, nothing changed. */
bool deque_reserve(struct deque *deque, struct pool *pool);
/* Of a deque that has no memory: room for n items, of more than DEQUE_PAGE for as many, in one block. */
bool deque_begin(struct deque *deque, uint32_t n, struct pool *pool);
/* Opens a gap at `position`; room was reserved. deque->end grows. */
void deque_open(struct deque *deque, uint32_t position);
/* Takes out n items from `position` on. */
void deque_cut(struct deque *deque, uint32_t position, uint32_t n);
void deque_give_back(struct deque *deque, struct pool *pool);
/* Lets the pool move the block. */
void deque_tidy(struct deque *deque, struct pool *pool);
/* Makes pages wide, or narrow again; `convert` brings what lies beside the items of each. False: no memory,
 * nothing changed. */
typedef void deque_convert(char *to, const char *from, uint32_t n);
bool deque_widen(struct deque *deque, bool wide, deque_convert *convert, struct pool *pool);
/* Frees all memory; first and end stay. */
void deque_free(struct deque *deque, struct pool *pool);

/* Gives some memory back where less than a quarter of it is in use. */
static inline void deque_shrink(struct deque *deque, struct pool *pool)
{
    if (deque_count(deque) < deque->capacity / 4 && deque->capacity > 2 * DEQUE_FIRST)
        deque_give_back(deque, pool);
}

/* Halves a block that is little used: for an owner who comes by now and then. */
static inline void deque_fit(struct deque *deque, struct pool *pool)
{
    if (deque_count(deque) * 8 <= deque->capacity * 3 && deque->capacity > DEQUE_FIRST &&
        deque->capacity <= DEQUE_PAGE)
        deque_give_back(deque, pool);
}

#endif
