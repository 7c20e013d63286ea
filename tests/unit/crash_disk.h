/*
 * A disk in memory that loses what was not flushed. It is a struct io; what is visible (the system's cache)
 * and what would be there after the power failed are kept apart, for the bytes of each file and for each
 * name.
 *
 * When the power fails, any part of what was written and not flushed may be on the disk: each sector of 512
 * bytes on its own, in any order, of any of its versions; new sizes, or not; creations, renames and removals
 * each, or not. A failed flush loses what it should have written, silently for those that follow, as Linux
 * does it.
 *
 * Threads: any. Everything it does follows from the seed and the calls.
 */
#ifndef SHRIKE_TESTS_UNIT_CRASH_DISK_H
#define SHRIKE_TESTS_UNIT_CRASH_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/io.h"

/* Places in the code that a flush may be left out at, told by what went before it. */
enum crash_site {
    SITE_COMMIT,            /* a file that was written, under its final name */
    SITE_CLOSE,             /* a file that was cut after being written */
    SITE_OPEN,              /* a file that was opened and not changed since */
    SITE_CUT,               /* a file that was read anew and then cut */
    SITE_STAGED_HEAD,       /* a new file of at most 64 bytes under a staging name */
    SITE_STAGED,            /* a longer one */
    SITE_DIRECTORY_OPEN,    /* a directory in which nothing has changed since it was listed */
    SITE_DIRECTORY_MADE,    /* the last change was a new directory */
    SITE_DIRECTORY_CREATE,  /* the last change was a new name, or a rename to one */
    SITE_DIRECTORY_REPLACE, /* a rename over a name that was there */
    SITE_FORGET,            /* not a flush: what is in the cache is not read anew */
    SITE_DIRECTORY_REMOVE,  /* a removal */
    SITE_COUNT
};
const char *crash_site_name(enum crash_site site);

struct crash_disk;

struct crash_disk *crash_disk_new(uint64_t seed);
void crash_disk_free(struct crash_disk *disk);
const struct io *crash_disk_io(struct crash_disk *disk);

/* The process dies: files are closed, locks given back, the cache stays. */
void crash_disk_kill(struct crash_disk *disk);
/* The power fails and comes back. */
void crash_disk_crash(struct crash_disk *disk);
/* After so many further calls that change or flush something, nothing happens any more and all calls answer
 * EIO, until crash_disk_crash or crash_disk_kill. Negative: never. */
void crash_disk_stop_after(struct crash_disk *disk, int64_t calls);
bool crash_disk_stopped(const struct crash_disk *disk);

/* Flushes at this place, of names that end like this, answer 0 and do nothing. NULL: none is left out. */
void crash_disk_leave_out(struct crash_disk *disk, enum crash_site site, const char *end);
uint64_t crash_disk_flushes(const struct crash_disk *disk, enum crash_site site); /* so far */

void crash_disk_set_space(struct crash_disk *disk, uint64_t bytes);     /* ENOSPC beyond; UINT64_MAX: none */
void crash_disk_fail_sync_in(struct crash_disk *disk, int64_t flushes); /* EIO once; negative: never */
bool crash_disk_sync_failed(const struct crash_disk *disk);             /* since the process began */
void crash_disk_fail_write_in(struct crash_disk *disk, int64_t writes);
void crash_disk_set_unruly(struct crash_disk *disk, bool unruly); /* short writes and reads, EINTR */
void crash_disk_set_slow(struct crash_disk *disk, int64_t sync_us);

/* The visible bytes of a file, to look at or to damage; NULL where there is none. */
uint8_t *crash_disk_bytes(struct crash_disk *disk, const char *path, uint64_t *ret_size);
/* Puts a file there, bytes and name on the disk. */
void crash_disk_put(struct crash_disk *disk, const char *path, const void *data, uint64_t size);

/* A generator for tests: the same numbers for the same seed. */
static inline uint64_t crash_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
