/*
 * Memory: checked sizes, aligned blocks, an arena for what lives and dies together, a growable buffer with a
 * maximum.
 *
 * Threads: each object belongs to one thread. Failure: allocation functions return NULL; callers answer
 * CODE_MEMORY.
 */
#ifndef SHRIKE_BASE_MEMORY_H
#define SHRIKE_BASE_MEMORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* n * size zeroed bytes; NULL where the product overflows or memory is out. */
void *memory_new(size_t n, size_t size);

/* Grows *array (of elements of `size` bytes, capacity *capacity) to hold at least `need`, at least doubling.
 * False where memory is out; the array is then untouched. */
bool memory_grow(void *array, size_t *capacity, size_t need, size_t size);

/* 64-byte aligned, not zeroed; release with free(). */
void *memory_aligned(size_t size);

/* A copy of n bytes with a terminating zero. */
char *memory_text(const char *data, size_t n);

/* Arena: pieces are never freed one by one, only together. All pieces are zeroed and 16-byte aligned. */
struct arena {
    struct arena_block *head;
};

void *arena_new(struct arena *arena, size_t n, size_t size);
char *arena_text(struct arena *arena, const char *data, size_t n);
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_done(struct arena *arena);

/* Buffer: bytes that grow up to a maximum given at init. After a failed append `failed` stays true and all
 * further appends do nothing, so that a writer may check once at its end. data is always zero-terminated when
 * not NULL. */
struct buffer {
    char *data;
    size_t size, capacity, maximum;
    bool failed;
};

void buffer_init(struct buffer *buffer, size_t maximum);
void buffer_done(struct buffer *buffer);
void buffer_clear(struct buffer *buffer);
void buffer_append(struct buffer *buffer, const char *data, size_t n);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* OK, or CODE_LIMIT saying that `what` would be larger than the buffer's maximum. */
int buffer_check(const struct buffer *buffer, const char *what, struct error *error);

#endif
