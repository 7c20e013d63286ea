/*
 * A state directory: what one engine has on the disk. `format` says what it is, `journal/` and `snapshots/`
 * hold it, `lock` names the process that has it. One process at a time.
 *
 * Threads: one. Memory: nothing that grows.
 */
#ifndef SHRIKE_JOURNAL_DIRECTORY_H
#define SHRIKE_JOURNAL_DIRECTORY_H

#include "journal/segment.h"

enum { DIRECTORY_FORMAT = 1 };

struct state_directory {
    const struct io *io;
    char path[IO_PATH_SIZE], journal[IO_PATH_SIZE], snapshots[IO_PATH_SIZE];
    uint8_t identity[JOURNAL_IDENTITY]; /* made by chance with the directory; all its files carry it */
    bool made;                          /* now, not before */
    int lock;
};

/* Takes the directory, and makes it, with its parents, where there is none or an empty one. CODE_UNAVAILABLE
 * names the process that has it; CODE_UNSUPPORTED another format or kind of machine; CODE_CONFLICT a
 * directory of something else. io NULL: the system's. */
int state_directory_open(struct state_directory *directory, const struct io *io, const char *path,
                         struct error *error);

/* Gives it back. */
void state_directory_close(struct state_directory *directory);

/* In a forked child: it has no part in the lock any more, which the parent keeps. */
void state_directory_forked(struct state_directory *directory);

#endif
