/*
 * Memory for what may become large, in pieces of PAGES_HUGE bytes, each on a boundary of as much, so that the
 * piece that an address lies in is known, and so that it can be one huge page, if the system has them for
 * those who ask (madvise): then finding its place costs a processor nothing, and a fork 1 to 2 ms a GiB.
 * Pieces lie together in mappings of PAGES_CHUNK bytes: a fork pays for each mapping, too.
 *
 * Threads: any, at once; a lock is held while a piece comes or goes, so a forked process must call none of
 * these. Memory: without `huge` only what is touched takes memory; a mapping takes address space alone.
 */
#ifndef SHRIKE_BASE_PAGES_H
#define SHRIKE_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum { PAGES_HUGE = 2 << 20, PAGES_CHUNK = 64 * PAGES_HUGE };

/* Zeroed. Larger ones have a mapping of their own. NULL: no memory. */
void *pages_new(size_t size, bool huge);
void pages_free(void *pages, size_t size); /* takes NULL; size: as it was asked for */

/* A table that may be small, then it is malloc's, or large. Zeroed. NULL: no memory. */
void *pages_table(size_t n, size_t size);
void pages_table_free(void *table, size_t n, size_t size); /* takes NULL */

/* Makes one page again of every huge one that a fork has broken up: what is written while the forked process
 * lives is copied in small pages, the next fork has to copy the tables of them (8 ms for a GiB instead of 1),
 * and what was copied is kept twice. A page cannot be used while it is gathered, for 0.5 to 1.5 ms; after
 * each there is a pause of 1 ms. Ends early when *leave. Linux before 6.1 cannot do it. */
void pages_gather(const _Atomic bool *leave);

#endif
