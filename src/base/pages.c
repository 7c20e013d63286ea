#include "base/pages.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Between two pages that are gathered, so that whoever waits for the first gets on; and how many in a row may
 * fail. */
enum { GATHER_PAUSE_US = 1000, GATHER_FAILURES = 8, PIECES = PAGES_CHUNK / PAGES_HUGE };

/* A mapping: of pieces, or a large one's own. */
struct chunk {
    char *memory;
    size_t size;
    uint64_t used; /* a bit for each piece; all for a large one */
    bool huge;
};

static struct {
    pthread_mutex_t lock;
    struct chunk *chunks;
    size_t n, capacity;
} mapped = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t round_up(size_t size)
{
    return (size + PAGES_HUGE - 1) / PAGES_HUGE * PAGES_HUGE;
}

/* Address space on a boundary of PAGES_HUGE. */
static char *map(size_t size, bool huge)
{
    size_t all = size + PAGES_HUGE;
    char *memory =
        mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)memory & (PAGES_HUGE - 1));
    if (before)
        munmap(memory, before);
    munmap(memory + before + size, PAGES_HUGE - before);
    if (huge)
        madvise(memory + before, size, MADV_HUGEPAGE);
    return memory + before;
}

static struct chunk *new_chunk(size_t size, bool huge)
{
    if (!memory_grow(&mapped.chunks, &mapped.capacity, mapped.n + 1, sizeof *mapped.chunks))
        return NULL;
    char *memory = map(size, huge);
    if (!memory)
        return NULL;
    mapped.chunks[mapped.n] = (struct chunk){memory, size, 0, huge};
    return &mapped.chunks[mapped.n++];
}

static void free_chunk(struct chunk *chunk)
{
    munmap(chunk->memory, chunk->size);
    *chunk = mapped.chunks[--mapped.n];
    if (!mapped.n) {
        free(mapped.chunks);
        mapped.chunks = NULL;
        mapped.capacity = 0;
    }
}

static void *take_piece(bool huge)
{
    struct chunk *chunk = NULL;
    for (size_t c = mapped.n; c-- > 0 && !chunk;)
        if (mapped.chunks[c].huge == huge && ~mapped.chunks[c].used)
            chunk = &mapped.chunks[c];
    if (!chunk)
        chunk = new_chunk(PAGES_CHUNK, huge);
    if (!chunk)
        return NULL;
    int piece = __builtin_ctzll(~chunk->used);
    chunk->used |= UINT64_C(1) << piece;
    return chunk->memory + (size_t)piece * PAGES_HUGE;
}

static void *take_large(size_t size, bool huge)
{
    struct chunk *chunk = new_chunk(round_up(size), huge);
    if (!chunk)
        return NULL;
    chunk->used = UINT64_MAX;
    return chunk->memory;
}

void *pages_new(size_t size, bool huge)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    pthread_mutex_lock(&mapped.lock);
    void *pages = size > PAGES_HUGE ? take_large(size, huge) : take_piece(huge);
    pthread_mutex_unlock(&mapped.lock);
    return pages;
}

/* Mapped anew, for a broken page would not be a huge one when it is touched again. */
static void empty_piece(char *piece, bool huge)
{
    void *anew = mmap(piece, PAGES_HUGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (anew == MAP_FAILED)
        madvise(piece, PAGES_HUGE, MADV_DONTNEED);
    else if (huge)
        madvise(piece, PAGES_HUGE, MADV_HUGEPAGE);
}

static void give_piece(struct chunk *chunk, char *piece)
{
    uint64_t bit = UINT64_C(1) << ((size_t)(piece - chunk->memory) / PAGES_HUGE);
    chunk->used &= ~bit;
    if (chunk->used)
        empty_piece(piece, chunk->huge);
    else
        free_chunk(chunk);
}

/* The newest are the likeliest to go. */
static struct chunk *chunk_of(const char *memory)
{
    size_t c = mapped.n - 1;
    while (memory < mapped.chunks[c].memory || memory >= mapped.chunks[c].memory + mapped.chunks[c].size)
        c--;
    return &mapped.chunks[c];
}

void pages_free(void *pages, size_t size)
{
    if (!pages)
        return;
    pthread_mutex_lock(&mapped.lock);
    struct chunk *chunk = chunk_of(pages);
    if (size > PAGES_HUGE)
        free_chunk(chunk);
    else
        give_piece(chunk, pages);
    pthread_mutex_unlock(&mapped.lock);
}

/* ---- tables ---- */

static bool is_large(size_t bytes)
{
    return bytes >= PAGES_HUGE;
}

void *pages_table(size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return is_large(bytes) ? pages_new(bytes, true) : memory_new(n, size);
}

void pages_table_free(void *table, size_t n, size_t size)
{
    if (is_large(n * size))
        pages_free(table, n * size);
    else
        free(table);
}

/* ---- gathering ---- */

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

/* From where on to look: the chunk, and the offset in it. */
struct cursor {
    size_t chunk, at;
};

/* The next huge piece in use, NULL: that was all. Where chunks come and go meanwhile, some may be passed by.
 */
static void *next_huge(struct cursor *cursor)
{
    void *ret = NULL;
    pthread_mutex_lock(&mapped.lock);
    while (!ret && cursor->chunk < mapped.n) {
        const struct chunk *chunk = &mapped.chunks[cursor->chunk];
        uint64_t bit = UINT64_C(1) << (cursor->at / PAGES_HUGE % PIECES);
        if (!chunk->huge || cursor->at >= chunk->size) {
            *cursor = (struct cursor){cursor->chunk + 1, 0};
            continue;
        }
        if (chunk->used & bit)
            ret = chunk->memory + cursor->at;
        cursor->at += PAGES_HUGE;
    }
    pthread_mutex_unlock(&mapped.lock);
    return ret;
}

/* The lock is not held meanwhile: a piece that is given back just then is an error here and no harm. */
void pages_gather(const _Atomic bool *leave)
{
    struct cursor cursor = {0};
    int failures = 0;
    void *piece;
    if (forbidden())
        return;
    while (!*leave && failures < GATHER_FAILURES && (piece = next_huge(&cursor))) {
        failures = madvise(piece, PAGES_HUGE, MADV_COLLAPSE) == 0 ? 0 : failures + 1;
        usleep(GATHER_PAUSE_US);
    }
}
