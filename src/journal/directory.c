#include "journal/directory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"

/* ---- the lock ---- */

enum { TEXT_SIZE = 512, SHOWN_SIZE = 64, LOCK_TRIES = 50, LOCK_TRY_US = 10000 };

/* Best effort: on a full disk the lock holds without a name. */
static void write_holder(struct state_directory *directory, const char *path)
{
    char host[256] = "unknown", text[TEXT_SIZE];
    time_t now = (time_t)(directory->io->wall_us(directory->io->context) / 1000000);
    struct tm since;
    gethostname(host, sizeof host - 1);
    gmtime_r(&now, &since);
    int n = snprintf(text, sizeof text, "process %ld on %s since %04d-%02d-%02dT%02d:%02d:%02dZ\n",
                     (long)getpid(), host, since.tm_year + 1900, since.tm_mon + 1, since.tm_mday,
                     since.tm_hour, since.tm_min, since.tm_sec);
    if (!io_truncate(directory->io, directory->lock, path, 0, NULL))
        io_write(directory->io, directory->lock, path, text, (size_t)n, 0, NULL);
}

static int name_holder(const struct io *io, int file, const char *path, const char *directory,
                       struct error *error)
{
    char text[TEXT_SIZE];
    size_t n = 0;
    if (io_read(io, file, path, text, sizeof text - 1, 0, &n, NULL) || n == 0)
        n = (size_t)snprintf(text, sizeof text, "another process");
    text[n] = 0;
    text[strcspn(text, "\n")] = 0;
    return error_set(error, CODE_UNAVAILABLE,
                     "the state directory %s is in use by %s: stop it, or name another directory", directory,
                     text);
}

/* A process that was killed while it made a snapshot may have left a child that has yet to see it. */
static int wait_for_lock(const struct state_directory *directory)
{
    const struct io *io = directory->io;
    int number = io->lock(io->context, directory->lock);
    for (int i = 0; i < LOCK_TRIES && (number == EWOULDBLOCK || number == EINTR); i++) {
        if (number == EWOULDBLOCK)
            usleep(LOCK_TRY_US);
        number = io->lock(io->context, directory->lock);
    }
    return number;
}

static int take_lock(struct state_directory *directory, struct error *error)
{
    const struct io *io = directory->io;
    char path[IO_PATH_SIZE];
    int number = 0, code = io_path(path, directory->path, "lock", error);
    if (!code)
        code = io_open(io, path, IO_WRITE | IO_CREATE, &directory->lock, error);
    if (code)
        return code;
    number = wait_for_lock(directory);
    if (number == EWOULDBLOCK)
        return name_holder(io, directory->lock, path, directory->path, error);
    if (number)
        return error_set_errno(error, number, "cannot lock %s", path);
    write_holder(directory, path);
    return OK;
}

/* ---- the file `format` ---- */

static const char first_line[] = "shrike state";

static const char *byte_order(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first ? "little" : "big";
}

static void put_format(const struct state_directory *directory, char text[TEXT_SIZE])
{
    char identity[2 * JOURNAL_IDENTITY + 1];
    for (int i = 0; i < JOURNAL_IDENTITY; i++)
        snprintf(identity + 2 * i, 3, "%02x", directory->identity[i]);
    int n = snprintf(text, TEXT_SIZE, "%s\nformat %d\nbyte order %s\nidentity %s\n", first_line,
                     DIRECTORY_FORMAT, byte_order(), identity);
    snprintf(text + n, TEXT_SIZE - (size_t)n, "checksum %08x\n", crc32c(0, text, (size_t)n));
}

static bool read_identity(const char *text, uint8_t identity[JOURNAL_IDENTITY])
{
    for (int i = 0; i < JOURNAL_IDENTITY; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        identity[i] = (uint8_t)byte;
    }
    return true;
}

/* The text must be what this version would write with the same identity, so nothing in it can be damaged
 * unnoticed. What another version or machine wrote is told by its lines. */
static int read_format(struct state_directory *directory, const char *path, const char *text,
                       struct error *error)
{
    char expected[TEXT_SIZE], order[8] = "", identity[2 * JOURNAL_IDENTITY + 1] = "";
    int format = 0;
    int n = sscanf(text, "shrike state\nformat %d\nbyte order %7s\nidentity %32s", &format, order, identity);
    if (n >= 1 && format > DIRECTORY_FORMAT && strncmp(text, first_line, sizeof first_line - 1) == 0)
        return error_set(error, CODE_UNSUPPORTED,
                         "the state directory %s has format %d, this version of Shrike reads format %d: open "
                         "it with the version that wrote it, or name another directory",
                         directory->path, format, DIRECTORY_FORMAT);
    if (n >= 2 && strcmp(order, byte_order()) != 0 &&
        (strcmp(order, "little") == 0 || strcmp(order, "big") == 0))
        return error_set(
            error, CODE_UNSUPPORTED,
            "the state directory %s was written on a machine of %s-endian byte order, this one is "
            "%s-endian: open it on a machine of that kind, or name another directory",
            directory->path, order, byte_order());
    if (n == 3 && read_identity(identity, directory->identity)) {
        put_format(directory, expected);
        if (strcmp(text, expected) == 0)
            return OK;
    }
    return error_set(
        error, CODE_CORRUPT,
        "%s is damaged: expected \"%s\", format %d, the byte order, an identity of %d digits and "
        "their checksum",
        path, first_line, DIRECTORY_FORMAT, 2 * JOURNAL_IDENTITY);
}

/* *ret_found is false where there is no such file. */
static int load_format(struct state_directory *directory, bool *ret_found, struct error *error)
{
    const struct io *io = directory->io;
    char path[IO_PATH_SIZE], text[TEXT_SIZE];
    size_t n = 0;
    int file, code = io_path(path, directory->path, "format", error);
    *ret_found = false;
    if (!code)
        code = io_open(io, path, IO_READ, &file, error);
    if (code == CODE_NOT_FOUND)
        return OK;
    if (code)
        return code;
    code = io_read(io, file, path, text, sizeof text - 1, 0, &n, error);
    io_close(io, file);
    if (code)
        return code;
    text[n] = 0;
    *ret_found = true;
    return read_format(directory, path, text, error);
}

static int write_format(struct state_directory *directory, struct error *error)
{
    const struct io *io = directory->io;
    char path[IO_PATH_SIZE], staging[IO_PATH_SIZE], text[TEXT_SIZE];
    int file, code = io_path(path, directory->path, "format", error);
    if (!code)
        code = io_path(staging, directory->path, "format.new", error);
    if (!code)
        code = io_open(io, staging, IO_WRITE | IO_CREATE | IO_EMPTY, &file, error);
    if (code)
        return code;
    put_format(directory, text);
    code = io_write(io, file, staging, text, strlen(text), 0, error);
    if (!code)
        code = io_sync(io, file, staging, error);
    io_close(io, file);
    if (!code)
        code = io_rename(io, staging, path, error);
    return code ? code : io_sync_directory(io, directory->path, error);
}

/* ---- making one ---- */

/* With its parents; each name is on the disk before there is anything below it. */
static int make_path(const struct io *io, const char *path, struct error *error)
{
    char part[IO_PATH_SIZE], parent[IO_PATH_SIZE];
    size_t n = strlen(path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        int number = io->make_directory(io->context, part);
        if (number == EEXIST && i < n)
            continue; /* not ours to flush: whoever made it may not even let us read what is above */
        if (number && number != EEXIST)
            return error_set_errno(error, number, "cannot create the directory %s", part);
        const char *slash = strrchr(part, '/');
        size_t m = slash == part ? 1 : slash ? (size_t)(slash - part) : 1;
        memcpy(parent, slash ? part : ".", m);
        parent[m] = 0;
        int code = io_sync_directory(io, parent, error);
        if (code)
            return code;
    }
    return OK;
}

/* Whether a name may be in a directory that is to become a state directory. */
static int check_name(void *argument, const char *name)
{
    static const char *const own[] = {"lock", "format.new", "journal", "snapshots", "lost+found"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i]) == 0)
            return 0;
    if (!*(char *)argument)
        snprintf(argument, SHOWN_SIZE, "%s", name);
    return 0;
}

static int note_any(void *argument, const char *name)
{
    (void)name;
    *(bool *)argument = true;
    return 0;
}

/* Nothing is in it but what an interrupted making may have left. */
static int check_empty(const struct state_directory *directory, struct error *error)
{
    char foreign[SHOWN_SIZE] = "";
    bool any = false;
    int code = io_list(directory->io, directory->path, check_name, foreign, error);
    if (!code && foreign[0])
        return error_set(
            error, CODE_CONFLICT,
            "%s is no state directory: it has '%s' and no file 'format'; name an empty directory "
            "or a new one",
            directory->path, foreign);
    if (!code && directory->io->list(directory->io->context, directory->journal, note_any, &any) == 0 && any)
        return error_set(
            error, CODE_CORRUPT,
            "the state directory %s has a journal and no file 'format': bring it back from a copy",
            directory->path);
    return code;
}

static int make(struct state_directory *directory, struct error *error)
{
    const struct io *io = directory->io;
    int code = check_empty(directory, error), number;
    if (!code)
        code = io_make_directory(io, directory->journal, error);
    if (!code)
        code = io_make_directory(io, directory->snapshots, error);
    if (code)
        return code;
    /* The directories are there for good before `format` says that all is. */
    code = io_sync_directory(io, directory->path, error);
    if (code)
        return code;
    number = io->random(io->context, directory->identity, sizeof directory->identity);
    if (number)
        return error_set_errno(error, number, "cannot make an identity for %s", directory->path);
    directory->made = true;
    return write_format(directory, error);
}

/* ---- opening ---- */

/* Without the lock: nothing is put into a directory of something else, nor of another version. */
static int prepare(struct state_directory *directory, struct error *error)
{
    bool found;
    int code = load_format(directory, &found, error);
    if (!code && !found)
        code = make_path(directory->io, directory->path, error);
    if (!code && !found)
        code = check_empty(directory, error);
    return code;
}

static int open_locked(struct state_directory *directory, struct error *error)
{
    bool found;
    int code = load_format(directory, &found, error);
    if (code)
        return code;
    if (!found)
        return make(directory, error);
    /* A process that died may have renamed `format` and not flushed the name. */
    return io_sync_directory(directory->io, directory->path, error);
}

int state_directory_open(struct state_directory *directory, const struct io *io, const char *path,
                         struct error *error)
{
    struct state_directory own = {.io = io ? io : io_system(), .lock = -1};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || n >= sizeof own.path)
        return error_set(error, CODE_INVALID, "'%.100s' is not a name of a directory", path);
    memcpy(own.path, path, n);
    int code = io_path(own.journal, own.path, "journal", error);
    if (!code)
        code = io_path(own.snapshots, own.path, "snapshots", error);
    if (!code)
        code = prepare(&own, error);
    if (!code)
        code = take_lock(&own, error);
    if (!code)
        code = open_locked(&own, error);
    if (code) {
        state_directory_close(&own);
        return code;
    }
    *directory = own;
    return OK;
}

void state_directory_close(struct state_directory *directory)
{
    io_close(directory->io, directory->lock);
    directory->lock = -1;
}

void state_directory_forked(struct state_directory *directory)
{
    state_directory_close(directory);
}
