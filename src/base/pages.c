#include "base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *pages_new(size_t size, bool huge)
{
    if (size > PAGES_HUGE)
        return calloc(1, size);
    char *memory = mmap(NULL, 2 * PAGES_HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)memory & (PAGES_HUGE - 1));
    if (before)
        munmap(memory, before);
    munmap(memory + before + PAGES_HUGE, PAGES_HUGE - before);
    if (huge)
        madvise(memory + before, PAGES_HUGE, MADV_HUGEPAGE);
    return memory + before;
}

void pages_free(void *pages, size_t size)
{
    if (size > PAGES_HUGE)
        free(pages);
    else if (pages)
        munmap(pages, PAGES_HUGE);
}
