#include "score/archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"

#define SWITCH_FILE "switch"

enum { PIECE = 1 << 20, SUM = 4, NUMBER_SIZE = 16 };

int archive_init(struct archive *ret, const struct state_directory *directory, struct error *error)
{
    ret->io = directory->io;
    return io_path(ret->directory, directory->path, "versions", error);
}

int archive_path(const struct archive *archive, uint32_t number, char ret[IO_PATH_SIZE], struct error *error)
{
    char name[NUMBER_SIZE];
    snprintf(name, sizeof name, "%u", number);
    return io_path(ret, archive->directory, name, error);
}

/* ---- removing ---- */

static int note_name(void *argument, const char *name)
{
    if (strcmp(name, SWITCH_FILE) != 0)
        buffer_append(argument, name, strlen(name) + 1);
    return 0;
}

/* `switch` first: from then on it is none. */
static int remove_one(const struct archive *archive, uint32_t number, struct error *error)
{
    char directory[IO_PATH_SIZE], path[IO_PATH_SIZE];
    struct buffer names;
    buffer_init(&names, 1 << 20);
    int rc = archive_path(archive, number, directory, error);
    if (rc == OK)
        rc = io_path(path, directory, SWITCH_FILE, error);
    if (rc == OK)
        rc = io_remove(archive->io, path, error);
    if (rc == OK)
        rc = io_list(archive->io, directory, note_name, &names, error);
    for (size_t at = 0; rc == OK && at < names.size; at += strlen(names.data + at) + 1) {
        rc = io_path(path, directory, names.data + at, error);
        if (rc == OK)
            rc = io_remove(archive->io, path, error);
    }
    buffer_done(&names);
    return rc == OK ? io_remove(archive->io, directory, error) : rc;
}

/* What a making or a version that never decided has left. */
static int remove_left(const struct archive *archive, uint32_t number, struct error *error)
{
    struct error own = {0};
    int rc = remove_one(archive, number, &own);
    if (rc != OK && rc != CODE_NOT_FOUND && error)
        *error = own;
    return rc == CODE_NOT_FOUND ? OK : rc;
}

/* ---- keeping ---- */

static int copy_pieces(const struct archive *archive, int from, const char *source, int to,
                       const char *target, struct error *error)
{
    char *piece = malloc(PIECE);
    uint64_t at = 0;
    size_t n = PIECE;
    int rc = piece ? OK : error_set(error, CODE_MEMORY, "no memory to copy %s", source);
    while (rc == OK && n == PIECE) {
        rc = io_read(io_system(), from, source, piece, PIECE, at, &n, error);
        if (rc == OK && n)
            rc = io_write(archive->io, to, target, piece, n, at, error);
        at += n;
    }
    free(piece);
    return rc == OK ? io_sync(archive->io, to, target, error) : rc;
}

static int copy_file(const struct archive *archive, const char *source, const char *target,
                     struct error *error)
{
    int from, to, rc = io_open(io_system(), source, IO_READ, &from, error);
    if (rc != OK)
        return rc;
    rc = io_open(archive->io, target, IO_WRITE | IO_CREATE | IO_EMPTY, &to, error);
    if (rc == OK) {
        rc = copy_pieces(archive, from, source, to, target, error);
        io_close(archive->io, to);
    }
    io_close(io_system(), from);
    return rc;
}

struct copying {
    const struct archive *archive;
    const char *from, *to;
    struct error *error;
    int rc;
};

/* Files alone: what a version is lies in one directory. */
static int copy_name(void *argument, const char *name)
{
    struct copying *copying = argument;
    char source[IO_PATH_SIZE], target[IO_PATH_SIZE];
    struct stat about;
    copying->rc = io_path(source, copying->from, name, copying->error);
    if (copying->rc == OK)
        copying->rc = io_path(target, copying->to, name, copying->error);
    if (copying->rc != OK)
        return EIO;
    if (name[0] == '.' || strncmp(name, SWITCH_FILE, strlen(SWITCH_FILE)) == 0 || stat(source, &about) != 0 ||
        !S_ISREG(about.st_mode))
        return 0;
    copying->rc = copy_file(copying->archive, source, target, copying->error);
    return copying->rc == OK ? 0 : EIO;
}

static int copy_files(const struct archive *archive, const char *from, const char *to, struct error *error)
{
    struct copying copying = {archive, from, to, error, OK};
    struct error own = {0};
    int rc = io_list(io_system(), from, copy_name, &copying, &own);
    if (copying.rc != OK)
        return copying.rc;
    if (rc != OK && error)
        *error = own;
    return rc;
}

static int write_switch(const struct archive *archive, const char *directory, const void *body, size_t size,
                        struct error *error)
{
    char staging[IO_PATH_SIZE], path[IO_PATH_SIZE];
    uint32_t sum = crc32c(0, body, size);
    int file, rc = io_path(path, directory, SWITCH_FILE, error);
    if (rc == OK)
        rc = io_path(staging, directory, SWITCH_FILE ".new", error);
    if (rc == OK)
        rc = io_open(archive->io, staging, IO_WRITE | IO_CREATE | IO_EMPTY, &file, error);
    if (rc != OK)
        return rc;
    rc = io_write(archive->io, file, staging, &sum, SUM, 0, error);
    if (rc == OK)
        rc = io_write(archive->io, file, staging, body, size, SUM, error);
    if (rc == OK)
        rc = io_sync(archive->io, file, staging, error);
    io_close(archive->io, file);
    if (rc == OK)
        rc = io_rename(archive->io, staging, path, error);
    return rc == OK ? io_sync_directory(archive->io, directory, error) : rc;
}

int archive_put(const struct archive *archive, uint32_t number, const void *body, size_t size,
                const char *files, struct error *error)
{
    char path[IO_PATH_SIZE], above[IO_PATH_SIZE];
    int rc = archive_path(archive, number, path, error);
    if (rc != OK)
        return rc;
    memcpy(above, archive->directory, sizeof above);
    *strrchr(above, '/') = 0;
    rc = io_make_directory(archive->io, archive->directory, error);
    if (rc == OK)
        rc = io_sync_directory(archive->io, above, error);
    if (rc == OK)
        rc = remove_left(archive, number, error);
    if (rc == OK)
        rc = io_make_directory(archive->io, path, error);
    if (rc == OK)
        rc = io_sync_directory(archive->io, archive->directory, error);
    if (rc == OK && files)
        rc = copy_files(archive, files, path, error);
    if (rc == OK)
        rc = io_sync_directory(archive->io, path, error);
    if (rc == OK)
        rc = write_switch(archive, path, body, size, error);
    if (rc != OK)
        error_prefix(error, "a version cannot be kept with the state");
    return rc;
}

/* ---- finding ---- */

struct numbers {
    uint32_t *list;
    size_t n, capacity;
};

static int take_number(void *argument, const char *name)
{
    struct numbers *numbers = argument;
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (*end || !number || number > UINT32_MAX)
        return 0;
    if (!memory_grow(&numbers->list, &numbers->capacity, numbers->n + 1, sizeof *numbers->list))
        return ENOMEM;
    numbers->list[numbers->n++] = (uint32_t)number;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int list_numbers(const struct archive *archive, struct numbers *ret, struct error *error)
{
    struct error own = {0};
    *ret = (struct numbers){0};
    int rc = io_list(archive->io, archive->directory, take_number, ret, &own);
    if (rc == CODE_NOT_FOUND)
        return OK; /* nothing was kept yet */
    if (rc != OK) {
        free(ret->list);
        *ret = (struct numbers){0};
        if (error)
            *error = own;
        return rc;
    }
    if (ret->n)
        qsort(ret->list, ret->n, sizeof *ret->list, ascending);
    return OK;
}

/* *ret_found is false where the version was being made. */
static int read_switch(const struct archive *archive, uint32_t number, bool *ret_found, struct buffer *ret,
                       struct error *error)
{
    char directory[IO_PATH_SIZE], path[IO_PATH_SIZE];
    uint32_t sum = 0;
    uint64_t size = 0;
    size_t n = 0;
    int file, rc = archive_path(archive, number, directory, error);
    if (rc == OK)
        rc = io_path(path, directory, SWITCH_FILE, error);
    if (rc != OK)
        return rc;
    *ret_found = io_open(archive->io, path, IO_READ, &file, error) == OK;
    if (!*ret_found) {
        error_clear(error);
        return OK;
    }
    rc = io_size(archive->io, file, path, &size, error);
    char *bytes = rc == OK && size >= SUM && size <= ret->maximum ? malloc(size) : NULL;
    if (rc == OK && bytes)
        rc = io_read(archive->io, file, path, bytes, size, 0, &n, error);
    io_close(archive->io, file);
    if (rc == OK && bytes && n == size)
        memcpy(&sum, bytes, SUM);
    if (rc == OK && (!bytes || n != size || crc32c(0, bytes + SUM, size - SUM) != sum))
        rc = error_set(error, CODE_CORRUPT, "%s is damaged: its checksum is not that of its bytes", path);
    buffer_clear(ret);
    if (rc == OK)
        buffer_append(ret, bytes + SUM, size - SUM);
    free(bytes);
    return rc;
}

int archive_find(const struct archive *archive, uint32_t number, uint32_t *ret_number,
                 struct buffer *ret_body, struct error *error)
{
    struct numbers numbers;
    bool found = false;
    int rc = list_numbers(archive, &numbers, error);
    *ret_number = 0;
    for (size_t i = 0; rc == OK && !found && i < numbers.n; i++) {
        if (numbers.list[i] < number)
            continue;
        rc = read_switch(archive, numbers.list[i], &found, ret_body, error);
        if (rc == OK && found)
            *ret_number = numbers.list[i];
    }
    free(numbers.list);
    return rc;
}

/* ---- */

int archive_trim(const struct archive *archive, uint32_t first, struct error *error)
{
    struct numbers numbers;
    int rc = list_numbers(archive, &numbers, error);
    for (size_t i = 0; rc == OK && i < numbers.n; i++)
        if (numbers.list[i] < first)
            rc = remove_one(archive, numbers.list[i], error);
    free(numbers.list);
    return rc;
}
