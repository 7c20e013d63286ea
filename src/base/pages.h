/*
 * Memory in pieces of at most PAGES_HUGE bytes, each on a boundary of as much, so that the piece that an
 * address lies in is known, and so that it can be one huge page, if the system has them for those who ask
 * (madvise): then finding its place costs a processor nothing.
 *
 * Threads: any, at once; a lock is held while a piece comes, goes or is gathered, so a forked process must
 * call none of these. Memory: a piece takes up address space of PAGES_HUGE bytes; without `huge` only
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

/* Makes one page again of every huge one that a fork has broken up: what is written while the forked process
 * lives is copied in small pages, and the next fork has to copy the table of them, 8 ms for a GiB. Takes
 * about 0.3 ms a page, which cannot be used meanwhile. Linux before 6.1 cannot do it. */
void pages_gather(void);

#endif
