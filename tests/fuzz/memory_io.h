/* A disk of a few files in memory, for targets that read what the journal writes. */
#ifndef SHRIKE_TESTS_FUZZ_MEMORY_IO_H
#define SHRIKE_TESTS_FUZZ_MEMORY_IO_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/io.h"

enum { MEMORY_FILES = 16 };

static struct memory_file {
    char path[64]; /* "": none */
    uint8_t *data;
    uint64_t size, capacity;
} memory_files[MEMORY_FILES];

static inline void memory_resize(struct memory_file *file, uint64_t size)
{
    if (size > file->capacity) {
        file->capacity = 2 * size;
        file->data = realloc(file->data, file->capacity);
        if (!file->data)
            abort();
    }
    if (size > file->size)
        memset(file->data + file->size, 0, size - file->size);
    file->size = size;
}

static inline int memory_find(const char *path)
{
    for (int i = 0; i < MEMORY_FILES; i++)
        if (strcmp(memory_files[i].path, path) == 0)
            return i;
    return -1;
}

static inline struct memory_file *memory_put(const char *path, const void *data, uint64_t size)
{
    int i = memory_find("");
    if (i < 0)
        abort();
    snprintf(memory_files[i].path, sizeof memory_files[i].path, "%.63s", path);
    memory_resize(&memory_files[i], size);
    if (size)
        memcpy(memory_files[i].data, data, size);
    return &memory_files[i];
}

static inline void memory_clear(void)
{
    for (int i = 0; i < MEMORY_FILES; i++) {
        memory_files[i].path[0] = 0;
        memory_files[i].size = 0;
    }
}

static int memory_open(void *context, const char *path, int flags, int *ret_file)
{
    (void)context;
    int i = memory_find(path);
    if (i < 0 && !(flags & IO_CREATE))
        return ENOENT;
    if (i < 0)
        i = (int)(memory_put(path, "", 0) - memory_files);
    if (flags & IO_EMPTY)
        memory_files[i].size = 0;
    *ret_file = i;
    return 0;
}

static void memory_close(void *context, int file)
{
    (void)context, (void)file;
}

static int memory_read(void *context, int file, void *data, size_t size, uint64_t offset, size_t *ret)
{
    (void)context;
    uint64_t have = memory_files[file].size, n = offset < have ? have - offset : 0;
    *ret = n < size ? (size_t)n : size;
    if (*ret)
        memcpy(data, memory_files[file].data + offset, *ret);
    return 0;
}

static int memory_write(void *context, int file, const void *data, size_t size, uint64_t offset, size_t *ret)
{
    (void)context;
    if (offset + size > memory_files[file].size)
        memory_resize(&memory_files[file], offset + size);
    memcpy(memory_files[file].data + offset, data, size);
    *ret = size;
    return 0;
}

static int memory_size(void *context, int file, uint64_t *ret)
{
    (void)context;
    *ret = memory_files[file].size;
    return 0;
}

static int memory_truncate(void *context, int file, uint64_t size)
{
    (void)context;
    memory_resize(&memory_files[file], size);
    return 0;
}

static int memory_sync(void *context, int file)
{
    (void)context, (void)file;
    return 0;
}

static int memory_forget(void *context, int file, uint64_t offset, uint64_t size)
{
    (void)context, (void)file, (void)offset, (void)size;
    return 0;
}

static void memory_write_back(void *context, int file, uint64_t offset, uint64_t size)
{
    (void)context, (void)file, (void)offset, (void)size;
}

static int memory_name(void *context, const char *path)
{
    (void)context, (void)path;
    return 0;
}

/* An open file keeps its number: the bytes change places. */
static int memory_rename(void *context, const char *from, const char *to)
{
    (void)context;
    int source = memory_find(from), target = memory_find(to);
    if (source < 0)
        return ENOENT;
    if (target >= 0)
        memory_files[target].path[0] = 0;
    snprintf(memory_files[source].path, sizeof memory_files[source].path, "%s", to);
    return 0;
}

static int memory_remove(void *context, const char *path)
{
    (void)context;
    int i = memory_find(path);
    if (i < 0)
        return ENOENT;
    memory_files[i].path[0] = 0;
    return 0;
}

static int memory_list(void *context, const char *path, int (*each)(void *argument, const char *name),
                       void *argument)
{
    (void)context;
    size_t n = strlen(path);
    for (int i = 0; i < MEMORY_FILES; i++) {
        const char *name = memory_files[i].path;
        int number = strncmp(name, path, n) == 0 && name[n] == '/' ? each(argument, name + n + 1) : 0;
        if (number)
            return number;
    }
    return 0;
}

static int64_t memory_wall_us(void *context)
{
    (void)context;
    return 0;
}

static int memory_random(void *context, void *data, size_t size)
{
    (void)context;
    memset(data, 5, size);
    return 0;
}

static const struct io memory_io = {.open = memory_open,
                                    .close = memory_close,
                                    .read = memory_read,
                                    .write = memory_write,
                                    .size = memory_size,
                                    .truncate = memory_truncate,
                                    .sync = memory_sync,
                                    .forget = memory_forget,
                                    .write_back = memory_write_back,
                                    .sync_directory = memory_name,
                                    .make_directory = memory_name,
                                    .rename = memory_rename,
                                    .remove = memory_remove,
                                    .list = memory_list,
                                    .lock = memory_sync,
                                    .wall_us = memory_wall_us,
                                    .random = memory_random};

#endif
