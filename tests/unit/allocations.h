/*
 * Counts the allocations of a thread, where no sanitizer has put its own functions in their place. Each test
 * program includes it once.
 */
#ifndef SHRIKE_TESTS_UNIT_ALLOCATIONS_H
#define SHRIKE_TESTS_UNIT_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local size_t allocations;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool counting = false;
#else
static const bool counting = true;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
    allocations++;
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

/* Slabs and blocks of entities come from the system itself. */
void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset)
{
    allocations++;
    return (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
}
#endif

#endif
