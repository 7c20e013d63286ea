/*
 * The system calls that durability rests on. Everything in journal/ reaches the disk through a struct io; a
 * test puts a disk in its place that fails, tears and forgets.
 *
 * The calls of the struct answer 0 or a number of errno; names are whole paths. The functions below repeat
 * what was cut short or interrupted, and turn numbers into errors that name the file.
 *
 * Threads: io_system() is used by any number of them; a file may be read, written and synced by several at
 * once. Memory: nothing is allocated.
 */
#ifndef SHRIKE_JOURNAL_IO_H
#define SHRIKE_JOURNAL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    IO_READ = 0,
    IO_WRITE = 1,  /* and read */
    IO_CREATE = 2, /* with IO_WRITE: made where it is missing */
    IO_EMPTY = 4,  /* with IO_CREATE: cut to nothing where it is there */
};

struct io {
    void *context;
    int (*open)(void *context, const char *path, int flags, int *ret_file);
    void (*close)(void *context, int file);
    /* May move fewer bytes than asked for; a read of 0 bytes is the end of the file. */
    int (*read)(void *context, int file, void *data, size_t size, uint64_t offset, size_t *ret);
    int (*write)(void *context, int file, const void *data, size_t size, uint64_t offset, size_t *ret);
    int (*size)(void *context, int file, uint64_t *ret);
    int (*truncate)(void *context, int file, uint64_t size);
    /* Contents and size are on the disk when it answers 0. After anything else it is unknown which of them
     * are, and asking again proves nothing: the system may have dropped what it could not write. */
    int (*sync)(void *context, int file);
    /* What is cached of these bytes of a file (size 0: to its end) and is not waiting to be written is read
     * from the disk next time. */
    int (*forget)(void *context, int file, uint64_t offset, uint64_t size);
    /* Writing of these bytes begins; nothing waits for it and nothing is promised. */
    void (*write_back)(void *context, int file, uint64_t offset, uint64_t size);
    /* Names in the directory are on the disk when it answers 0: what was created, renamed, removed there. */
    int (*sync_directory)(void *context, const char *path);
    int (*make_directory)(void *context, const char *path);
    int (*rename)(void *context, const char *from, const char *to); /* replaces `to` */
    int (*remove)(void *context, const char *path);                 /* a file, or a directory without any */
    /* Calls `each` for every name but . and .. until it answers other than 0, which is passed on. */
    int (*list)(void *context, const char *path, int (*each)(void *argument, const char *name),
                void *argument);
    /* Until the file is closed or the process ends. EWOULDBLOCK where another holder has it. */
    int (*lock)(void *context, int file);
    int64_t (*wall_us)(void *context); /* since 1970 UTC */
    int (*random)(void *context, void *data, size_t size);
};

const struct io *io_system(void);

int io_open(const struct io *io, const char *path, int flags, int *ret_file, struct error *error);
void io_close(const struct io *io, int file);

/* Up to `size` bytes from `offset` on; fewer only at the end of the file. */
int io_read(const struct io *io, int file, const char *path, void *data, size_t size, uint64_t offset,
            size_t *ret, struct error *error);
/* All of them, or an error: some may then have been written. */
int io_write(const struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
             struct error *error);
int io_size(const struct io *io, int file, const char *path, uint64_t *ret, struct error *error);
int io_truncate(const struct io *io, int file, const char *path, uint64_t size, struct error *error);
/* CODE_IO whatever the reason: CODE_NO_SPACE says that nothing was lost, and here that is unknown. */
int io_sync(const struct io *io, int file, const char *path, struct error *error);
int io_forget(const struct io *io, int file, const char *path, uint64_t offset, uint64_t size,
              struct error *error);
int io_sync_directory(const struct io *io, const char *path, struct error *error);
int io_make_directory(const struct io *io, const char *path, struct error *error); /* exists: OK */
int io_rename(const struct io *io, const char *from, const char *to, struct error *error);
int io_remove(const struct io *io, const char *path, struct error *error); /* is not there: OK */
int io_list(const struct io *io, const char *path, int (*each)(void *argument, const char *name),
            void *argument, struct error *error);

/* "DIRECTORY/NAME" into ret, or CODE_LIMIT. */
enum { IO_PATH_SIZE = 4096 };
int io_path(char ret[IO_PATH_SIZE], const char *directory, const char *name, struct error *error);

#endif
