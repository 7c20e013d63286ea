/* The calls of struct io as the operating system has them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/io.h"

static int system_open(void *context, const char *path, int flags, int *ret_file)
{
    (void)context;
    int mode = flags & IO_WRITE ? O_RDWR : O_RDONLY;
    if (flags & IO_CREATE)
        mode |= O_CREAT | (flags & IO_EMPTY ? O_TRUNC : 0);
    int file = open(path, mode | O_CLOEXEC, 0666);
    if (file < 0)
        return errno;
    /* What is opened for reading is read from one end to the other. */
    int unheard = flags & IO_WRITE ? 0 : posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
    (void)unheard;
    *ret_file = file;
    return 0;
}

static void system_close(void *context, int file)
{
    (void)context;
    close(file);
}

static int system_read(void *context, int file, void *data, size_t size, uint64_t offset, size_t *ret)
{
    (void)context;
    ssize_t n = pread(file, data, size, (off_t)offset);
    if (n < 0)
        return errno;
    *ret = (size_t)n;
    return 0;
}

static int system_write(void *context, int file, const void *data, size_t size, uint64_t offset, size_t *ret)
{
    (void)context;
    ssize_t n = pwrite(file, data, size, (off_t)offset);
    if (n < 0)
        return errno;
    *ret = (size_t)n;
    return 0;
}

static int system_size(void *context, int file, uint64_t *ret)
{
    (void)context;
    struct stat status;
    if (fstat(file, &status))
        return errno;
    *ret = (uint64_t)status.st_size;
    return 0;
}

static int system_truncate(void *context, int file, uint64_t size)
{
    (void)context;
    return ftruncate(file, (off_t)size) ? errno : 0;
}

static int system_sync(void *context, int file)
{
    (void)context;
    return fdatasync(file) ? errno : 0;
}

static int system_forget(void *context, int file, uint64_t offset, uint64_t size)
{
    (void)context;
    int number = posix_fadvise(file, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
    /* A file system without a cache of its own has nothing to forget. */
    return number == EINVAL || number == ENOSYS ? 0 : number;
}

static void system_write_back(void *context, int file, uint64_t offset, uint64_t size)
{
    (void)context;
    int failed = sync_file_range(file, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
    (void)failed; /* the sync at the end says what could not be written */
}

static int system_sync_directory(void *context, const char *path)
{
    (void)context;
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), number = 0;
    if (file < 0)
        return errno;
    /* Some file systems cannot flush a directory and say EINVAL; there is nothing else to ask of them. */
    if (fsync(file) && errno != EINVAL)
        number = errno;
    close(file);
    return number;
}

static int system_make_directory(void *context, const char *path)
{
    (void)context;
    return mkdir(path, 0777) ? errno : 0;
}

static int system_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return rename(from, to) ? errno : 0;
}

static int system_remove(void *context, const char *path)
{
    (void)context;
    return remove(path) ? errno : 0;
}

static int system_list(void *context, const char *path, int (*each)(void *argument, const char *name),
                       void *argument)
{
    (void)context;
    DIR *directory = opendir(path);
    if (!directory)
        return errno;
    int number = 0;
    while (!number) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry) {
            number = errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            number = each(argument, entry->d_name);
    }
    closedir(directory);
    return number;
}

static int system_lock(void *context, int file)
{
    (void)context;
    return flock(file, LOCK_EX | LOCK_NB) ? errno : 0;
}

static int64_t system_wall_us(void *context)
{
    (void)context;
    return clock_wall_us();
}

static int system_random(void *context, void *data, size_t size)
{
    (void)context;
    return getentropy(data, size) ? errno : 0;
}

const struct io *io_system(void)
{
    static const struct io io = {
        .open = system_open,
        .close = system_close,
        .read = system_read,
        .write = system_write,
        .size = system_size,
        .truncate = system_truncate,
        .sync = system_sync,
        .forget = system_forget,
        .write_back = system_write_back,
        .sync_directory = system_sync_directory,
        .make_directory = system_make_directory,
        .rename = system_rename,
        .remove = system_remove,
        .list = system_list,
        .lock = system_lock,
        .wall_us = system_wall_us,
        .random = system_random,
    };
    return &io;
}
