/*
 * Memory in pieces of at most PAGES_HUGE bytes, each on a boundary of as much, so that the piece that an
 * address lies in is known, and so that it can be one huge page, if the system has them for those who ask
 * (madvise): then finding its place costs a processor nothing.
 *
 * Threads: none of its own. Memory: a piece takes up address space of PAGES_HUGE bytes; without `huge` only
 * what is touched takes memory.
 */
#ifndef SHRIKE_BASE_PAGES_H
#define SHRIKE_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum { PAGES_HUGE = 2 << 20 };

/* Zeroed. Larger ones are malloc's, without a boundary. NULL: no memory. */
void *pages_new(size_t size, bool huge);
void pages_free(void *pages, size_t size); /* takes NULL; size: as it was asked for */

#endif
