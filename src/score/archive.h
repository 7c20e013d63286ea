/*
 * The versions that have decided, kept with the state: what they were can be read when the registry no longer
 * has them, or is elsewhere.
 *
 *   STATE/versions/NUMBER/switch   CRC-32C u32 | the body of its switch (records.h); made last
 *   STATE/versions/NUMBER/...      the files of the version, as the registry has them
 *
 * NUMBER is that of the version's switch. A directory without `switch` is one that was being made.
 *
 * Threads: one at a time. Memory: a piece of a file.
 */
#ifndef SHRIKE_SCORE_ARCHIVE_H
#define SHRIKE_SCORE_ARCHIVE_H

#include "base/memory.h"
#include "journal/directory.h"

struct archive {
    const struct io *io;
    char directory[IO_PATH_SIZE];
};

/* Of a state directory that is taken. Nothing is made before archive_put. */
int archive_init(struct archive *ret, const struct state_directory *directory, struct error *error);

/* Keeps a version: the body of its switch, and copies of the files in `files`, unless NULL. It is on the disk
 * when this returns. */
int archive_put(const struct archive *archive, uint32_t number, const void *body, size_t size,
                const char *files, struct error *error);

/* The kept version with the lowest number that is not below `number`: a version that was not kept had the
 * plan of the next one that is. *ret_number is 0 where there is none; ret_body: cleared, gets the switch. */
int archive_find(const struct archive *archive, uint32_t number, uint32_t *ret_number,
                 struct buffer *ret_body, struct error *error);

/* The directory of a version. */
int archive_path(const struct archive *archive, uint32_t number, char ret[IO_PATH_SIZE], struct error *error);

/* Removes those below `first`. */
int archive_trim(const struct archive *archive, uint32_t first, struct error *error);

#endif
