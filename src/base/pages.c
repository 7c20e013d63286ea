#include "base/pages.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* The huge ones, in no order. One that found no place here is never gathered. */
static struct {
    pthread_mutex_t lock;
    void **pieces;
    size_t n, capacity;
} huge_ones = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_huge(void *piece)
{
    pthread_mutex_lock(&huge_ones.lock);
    if (huge_ones.n == huge_ones.capacity) {
        size_t capacity = huge_ones.capacity ? 2 * huge_ones.capacity : 64;
        void **grown = realloc(huge_ones.pieces, capacity * sizeof *grown);
        if (grown) {
            huge_ones.pieces = grown;
            huge_ones.capacity = capacity;
        }
    }
    if (huge_ones.n < huge_ones.capacity)
        huge_ones.pieces[huge_ones.n++] = piece;
    pthread_mutex_unlock(&huge_ones.lock);
}

/* The newest are the likeliest to go. */
static void unmap(void *piece)
{
    pthread_mutex_lock(&huge_ones.lock);
    for (size_t i = huge_ones.n; i-- > 0;)
        if (huge_ones.pieces[i] == piece) {
            huge_ones.pieces[i] = huge_ones.pieces[--huge_ones.n];
            break;
        }
    if (!huge_ones.n) {
        free(huge_ones.pieces);
        huge_ones.pieces = NULL;
        huge_ones.capacity = 0;
    }
    munmap(piece, PAGES_HUGE);
    pthread_mutex_unlock(&huge_ones.lock);
}

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
    if (huge) {
        madvise(memory + before, PAGES_HUGE, MADV_HUGEPAGE);
        note_huge(memory + before);
    }
    return memory + before;
}

void pages_free(void *pages, size_t size)
{
    if (size > PAGES_HUGE)
        free(pages);
    else if (pages)
        unmap(pages);
}

/* Has whoever runs the machine forbidden huge pages? Gathering would not ask. */
static bool forbidden(void)
{
    char text[64] = "";
    int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    return n <= 0 || strstr(text, "[never]");
}

void pages_gather(void)
{
    bool more = !forbidden();
    for (size_t i = 0; more; i++) {
        pthread_mutex_lock(&huge_ones.lock);
        more = i < huge_ones.n;
        if (more)
            madvise(huge_ones.pieces[i], PAGES_HUGE, MADV_COLLAPSE);
        pthread_mutex_unlock(&huge_ones.lock);
    }
}
