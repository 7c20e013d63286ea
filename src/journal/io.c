#include "journal/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int io_open(const struct io *io, const char *path, int flags, int *ret_file, struct error *error)
{
    int number;
    do {
        number = io->open(io->context, path, flags, ret_file);
    } while (number == EINTR);
    if (number)
        return error_set_errno(error, number, "cannot %s %s", flags & IO_CREATE ? "create" : "open", path);
    return OK;
}

void io_close(const struct io *io, int file)
{
    if (file >= 0)
        io->close(io->context, file);
}

int io_read(const struct io *io, int file, const char *path, void *data, size_t size, uint64_t offset,
            size_t *ret, struct error *error)
{
    size_t done = 0;
    while (done < size) {
        size_t n = 0;
        int number = io->read(io->context, file, (char *)data + done, size - done, offset + done, &n);
        if (number == EINTR)
            continue;
        if (number)
            return error_set_errno(error, number, "cannot read %s at byte %llu", path,
                                   (unsigned long long)(offset + done));
        if (n == 0)
            break;
        done += n;
    }
    *ret = done;
    return OK;
}

int io_write(const struct io *io, int file, const char *path, const void *data, size_t size, uint64_t offset,
             struct error *error)
{
    for (size_t done = 0; done < size;) {
        size_t n = 0;
        int number = io->write(io->context, file, (const char *)data + done, size - done, offset + done, &n);
        if (number == EINTR)
            continue;
        if (!number && n == 0)
            number = EIO; /* a disk that takes nothing and gives no reason would be asked for ever */
        if (number)
            return error_set_errno(error, number, "cannot write %s at byte %llu", path,
                                   (unsigned long long)(offset + done));
        done += n;
    }
    return OK;
}

int io_size(const struct io *io, int file, const char *path, uint64_t *ret, struct error *error)
{
    int number = io->size(io->context, file, ret);
    return number ? error_set_errno(error, number, "cannot ask for the size of %s", path) : OK;
}

int io_truncate(const struct io *io, int file, const char *path, uint64_t size, struct error *error)
{
    int number;
    do {
        number = io->truncate(io->context, file, size);
    } while (number == EINTR);
    if (number)
        return error_set_errno(error, number, "cannot cut %s to %llu bytes", path, (unsigned long long)size);
    return OK;
}

/* Always CODE_IO: a full disk that shows here has lost data, one that shows while writing has not. */
static int sync_failed(int number, const char *path, struct error *error)
{
    if (!number)
        return OK;
    return error_set(error, CODE_IO, "cannot flush %s to the disk: %s", path, strerror(number));
}

int io_sync(const struct io *io, int file, const char *path, struct error *error)
{
    /* Not repeated, EINTR included: what a failed sync has dropped, the next one does not miss. */
    return sync_failed(io->sync(io->context, file), path, error);
}

int io_forget(const struct io *io, int file, const char *path, uint64_t offset, uint64_t size,
              struct error *error)
{
    int number = io->forget(io->context, file, offset, size);
    return number ? error_set_errno(error, number, "cannot read %s anew", path) : OK;
}

int io_sync_directory(const struct io *io, const char *path, struct error *error)
{
    return sync_failed(io->sync_directory(io->context, path), path, error);
}

int io_make_directory(const struct io *io, const char *path, struct error *error)
{
    int number = io->make_directory(io->context, path);
    if (number && number != EEXIST)
        return error_set_errno(error, number, "cannot create the directory %s", path);
    return OK;
}

int io_rename(const struct io *io, const char *from, const char *to, struct error *error)
{
    int number = io->rename(io->context, from, to);
    return number ? error_set_errno(error, number, "cannot rename %s to %s", from, to) : OK;
}

int io_remove(const struct io *io, const char *path, struct error *error)
{
    int number = io->remove(io->context, path);
    if (number && number != ENOENT)
        return error_set_errno(error, number, "cannot remove %s", path);
    return OK;
}

int io_list(const struct io *io, const char *path, int (*each)(void *argument, const char *name),
            void *argument, struct error *error)
{
    int number = io->list(io->context, path, each, argument);
    return number ? error_set_errno(error, number, "cannot list the directory %s", path) : OK;
}

int io_path(char ret[IO_PATH_SIZE], const char *directory, const char *name, struct error *error)
{
    int n = snprintf(ret, IO_PATH_SIZE, "%s/%s", directory, name);
    if (n < 0 || n >= IO_PATH_SIZE)
        return error_set(error, CODE_LIMIT, "the path %.100s... is longer than %d bytes", directory,
                         IO_PATH_SIZE - 1);
    return OK;
}
