#include "feature/deque.h"

#include <string.h>

enum { PAGES_AT_ONCE = 8 /* that one call gives back */ };

static size_t block_bytes(const struct deque *deque, uint32_t capacity)
{
    size_t beside = capacity > DEQUE_BARE ? (size_t)deque->beside * DEQUE_BLOCK_BESIDE : 0;
    return capacity * (deque->item + beside);
}

static size_t page_bytes(const struct deque *deque)
{
    return DEQUE_PAGE * (deque->item + ((size_t)deque->beside * DEQUE_PAGE_BESIDE << deque->wide));
}

static bool is_paged(uint32_t capacity)
{
    return capacity > DEQUE_PAGE;
}

/* Items lie together, in both, up to the next multiple of the smaller block or page. */
static void copy_items(const struct deque *to, const struct deque *from)
{
    uint32_t together = from->capacity < to->capacity ? from->capacity : to->capacity, n;
    size_t item = from->item;
    together = together < DEQUE_PAGE ? together : DEQUE_PAGE;
    for (uint32_t position = from->first; position != from->end; position += n) {
        uint32_t left = from->end - position;
        n = together - (position & (together - 1));
        n = n < left ? n : left;
        memcpy(deque_place(to, position, item), deque_place(from, position, item), n * item);
    }
}

/* Copies the items into one block of another capacity. */
static bool resize_block(struct deque *deque, uint32_t capacity, struct pool *pool)
{
    struct deque other = *deque;
    other.capacity = capacity;
    other.memory = pool_take(pool, block_bytes(deque, capacity));
    if (!other.memory)
        return false;
    copy_items(&other, deque);
    deque_free(deque, pool);
    *deque = other;
    return true;
}

static uint32_t page_of(uint32_t position)
{
    return position / DEQUE_PAGE;
}

/* Pages from that of the oldest item to that of `end`, whose page counts once something was put into it. */
static uint32_t pages_used(const struct deque *deque, uint32_t end)
{
    uint32_t last = page_of(end) + (end % DEQUE_PAGE != 0);
    return (last - page_of(deque->first)) & (UINT32_MAX / DEQUE_PAGE);
}

static char *take_page(const struct deque *deque, struct pool *pool)
{
    return pool_take(pool, page_bytes(deque));
}

static void give_page(const struct deque *deque, char *page, struct pool *pool)
{
    pool_give(pool, page, page_bytes(deque));
}

static char **take_directory(uint32_t slots, struct pool *pool)
{
    char **pages = pool_take(pool, slots * sizeof *pages);
    if (pages)
        memset(pages, 0, slots * sizeof *pages);
    return pages;
}

/* From a full block to two pages. */
static bool make_pages(struct deque *deque, struct pool *pool)
{
    struct deque other = *deque;
    char **pages = take_directory(2, pool);
    if (!pages)
        return false;
    other.memory = pages;
    other.capacity = 2 * DEQUE_PAGE;
    pages[0] = take_page(deque, pool);
    pages[1] = take_page(deque, pool);
    if (!pages[0] || !pages[1]) {
        deque_free(&other, pool);
        return false;
    }
    copy_items(&other, deque);
    deque_free(deque, pool);
    *deque = other;
    return true;
}

/* Another size of the directory. Pages with items keep their number; of the others, what fits stays. */
static bool resize_directory(struct deque *deque, uint32_t slots, struct pool *pool)
{
    uint32_t old_slots = deque->capacity / DEQUE_PAGE, first = page_of(deque->first);
    uint32_t used = pages_used(deque, deque->end);
    char **pages = take_directory(slots, pool), **old = deque->memory;
    if (!pages)
        return false;
    for (uint32_t i = 0; i < old_slots; i++) {
        uint32_t number = first + i, from = number & (old_slots - 1), to = number & (slots - 1);
        if (i < used || (i < slots && old[from] && !pages[to])) {
            pages[to] = old[from];
        } else {
            give_page(deque, old[from], pool);
        }
    }
    pool_give(pool, old, old_slots * sizeof *old);
    deque->memory = pages;
    deque->capacity = slots * DEQUE_PAGE;
    return true;
}

static bool reserve_page(struct deque *deque, struct pool *pool)
{
    uint32_t slots = deque->capacity / DEQUE_PAGE;
    if (pages_used(deque, deque->end + 1) > slots) {
        if (!resize_directory(deque, slots * 2, pool))
            return false;
        slots *= 2;
    }
    char **page = &((char **)deque->memory)[page_of(deque->end) & (slots - 1)];
    if (!*page)
        *page = take_page(deque, pool);
    return *page != NULL;
}

bool deque_reserve(struct deque *deque, struct pool *pool)
{
    if (is_paged(deque->capacity))
        return deque->end % DEQUE_PAGE != 0 || reserve_page(deque, pool);
    if (deque_count(deque) < deque->capacity)
        return true;
    if (deque->capacity < DEQUE_PAGE)
        return resize_block(deque, deque->capacity ? deque->capacity * 2 : DEQUE_FIRST, pool);
    /* A block may have begun in the middle of a page: then its items lie in both pages already. */
    return make_pages(deque, pool) && (deque->end % DEQUE_PAGE != 0 || reserve_page(deque, pool));
}

bool deque_begin(struct deque *deque, uint32_t n, struct pool *pool)
{
    uint32_t capacity = DEQUE_FIRST;
    while (capacity < n && capacity < DEQUE_PAGE)
        capacity *= 2;
    return resize_block(deque, capacity, pool);
}

void deque_open(struct deque *deque, uint32_t position)
{
    for (uint32_t p = deque->end++; p != position; p--)
        memcpy(deque_at(deque, p), deque_at(deque, p - 1), deque->item);
}

void deque_cut(struct deque *deque, uint32_t position, uint32_t n)
{
    for (uint32_t p = position; n && p + n != deque->end; p++)
        memcpy(deque_at(deque, p), deque_at(deque, p + n), deque->item);
    deque->end -= n;
}

bool deque_widen(struct deque *deque, bool wide, deque_convert *convert, struct pool *pool)
{
    struct deque other = *deque;
    uint32_t slots = deque->capacity / DEQUE_PAGE;
    size_t items = (size_t)DEQUE_PAGE * deque->item;
    char **pages = take_directory(slots, pool), **old = deque->memory;
    other.memory = pages;
    other.wide = wide;
    for (uint32_t i = 0; pages && i < slots; i++) {
        if (!old[i])
            continue;
        pages[i] = take_page(&other, pool);
        if (!pages[i]) {
            deque_free(&other, pool);
            return false;
        }
        memcpy(pages[i], old[i], items);
        convert(pages[i] + items, old[i] + items, DEQUE_PAGE * (uint32_t)deque->beside);
    }
    if (!pages)
        return false;
    deque_free(deque, pool);
    *deque = other;
    return true;
}

void deque_free(struct deque *deque, struct pool *pool)
{
    if (is_paged(deque->capacity)) {
        char **pages = deque->memory;
        uint32_t slots = deque->capacity / DEQUE_PAGE;
        for (uint32_t i = 0; i < slots; i++)
            give_page(deque, pages[i], pool);
        pool_give(pool, pages, slots * sizeof *pages);
    } else {
        pool_give(pool, deque->memory, block_bytes(deque, deque->capacity));
    }
    deque->memory = NULL;
    deque->capacity = 0;
}

void deque_tidy(struct deque *deque, struct pool *pool)
{
    if (!is_paged(deque->capacity))
        deque->memory = pool_tidy(pool, deque->memory, block_bytes(deque, deque->capacity));
}

/* Gives back a few pages without items. Are there none left? */
static bool give_some(struct deque *deque, struct pool *pool)
{
    uint32_t slots = deque->capacity / DEQUE_PAGE, first = page_of(deque->first);
    char **pages = deque->memory;
    int given = 0;
    for (uint32_t i = pages_used(deque, deque->end); i < slots; i++) {
        char **page = &pages[(first + i) & (slots - 1)];
        if (!*page)
            continue;
        if (given++ == PAGES_AT_ONCE)
            return false;
        give_page(deque, *page, pool);
        *page = NULL;
    }
    return true;
}

/* Failing to shrink is no failure: the larger memory serves as well. */
void deque_give_back(struct deque *deque, struct pool *pool)
{
    if (!is_paged(deque->capacity)) {
        resize_block(deque, deque->capacity / 2, pool);
    } else if (deque->capacity > 4 * DEQUE_PAGE) {
        if (give_some(deque, pool))
            resize_directory(deque, deque->capacity / DEQUE_PAGE / 2, pool);
    } else if (deque_count(deque) < DEQUE_PAGE / 2) {
        resize_block(deque, DEQUE_PAGE, pool);
    }
}
