#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK = 16 << 10, ALIGN = 16, LINE = 64 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

void *memory_new(size_t n, size_t size)
{
    return calloc(n ? n : 1, size ? size : 1);
}

bool memory_grow(void *array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 8, bytes;
    if (wanted < need)
        wanted = need;
    if (__builtin_mul_overflow(wanted, size, &bytes))
        return false;
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, bytes);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

void *memory_aligned(size_t size)
{
    size_t rounded = (size + LINE - 1) / LINE * LINE;
    return aligned_alloc(LINE, rounded ? rounded : LINE);
}

char *memory_text(const char *data, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy) {
        if (n)
            memcpy(copy, data, n);
        copy[n] = 0;
    }
    return copy;
}

void *arena_new(struct arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    struct arena_block *block = arena->head;
    if (!block || block->size - block->used < bytes) {
        size_t room = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->size = room;
        block->next = arena->head;
        arena->head = block;
    }
    void *piece = block->data + block->used;
    block->used += bytes;
    return piece;
}

char *arena_text(struct arena *arena, const char *data, size_t n)
{
    char *copy = arena_new(arena, n + 1, 1);
    if (copy && n)
        memcpy(copy, data, n);
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = n < 0 ? NULL : arena_new(arena, (size_t)n + 1, 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void arena_done(struct arena *arena)
{
    while (arena->head) {
        struct arena_block *next = arena->head->next;
        free(arena->head);
        arena->head = next;
    }
}

void buffer_init(struct buffer *buffer, size_t maximum)
{
    assert(maximum > 0);
    *buffer = (struct buffer){.maximum = maximum};
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
    if (buffer->data)
        buffer->data[0] = 0;
}

static char *buffer_room(struct buffer *buffer, size_t n)
{
    if (buffer->failed)
        return NULL;
    if (n > buffer->maximum || buffer->size > buffer->maximum - n ||
        !memory_grow(&buffer->data, &buffer->capacity, buffer->size + n + 1, 1)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const char *data, size_t n)
{
    char *room = buffer_room(buffer, n);
    if (room) {
        if (n)
            memcpy(room, data, n);
        buffer->size += n;
        buffer->data[buffer->size] = 0;
    }
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *room = n < 0 ? NULL : buffer_room(buffer, (size_t)n);
    if (room) {
        vsnprintf(room, (size_t)n + 1, format, again);
        buffer->size += (size_t)n;
    }
    va_end(again);
}

int buffer_check(const struct buffer *buffer, const char *what, struct error *error)
{
    if (buffer->failed)
        return error_set(error, CODE_LIMIT, "%s would be larger than %zu bytes", what, buffer->maximum);
    return OK;
}
