#include "feature/ring.h"

#include <string.h>

static size_t block_bytes(const struct layout *layout, uint32_t capacity)
{
    return (size_t)capacity * layout->event_size;
}

static bool is_paged(uint32_t capacity)
{
    return capacity > RING_PAGE;
}

/* Copies the events into one block of another capacity. */
static bool resize_block(const struct layout *layout, struct entity *entity, uint32_t capacity,
                         struct pool *pool)
{
    struct entity other = *entity;
    other.capacity = capacity;
    other.ring = pool_take(pool, block_bytes(layout, capacity));
    if (!other.ring)
        return false;
    for (uint32_t position = entity->first; position != entity->end; position++)
        memcpy(event_at(layout, &other, position), event_at(layout, entity, position), layout->event_size);
    if (!is_paged(entity->capacity))
        pool_give(pool, entity->ring, block_bytes(layout, entity->capacity));
    entity->ring = other.ring;
    entity->capacity = capacity;
    return true;
}

static uint32_t page_of(uint32_t position)
{
    return position / RING_PAGE;
}

/* Pages from that of the oldest event to that of `end`, whose page counts once something was put into it. */
static uint32_t pages_used(const struct entity *entity, uint32_t end)
{
    uint32_t last = page_of(end) + (end % RING_PAGE != 0);
    return (last - page_of(entity->first)) & (UINT32_MAX / RING_PAGE);
}

static char *take_page(const struct layout *layout, struct pool *pool)
{
    return pool_take(pool, block_bytes(layout, RING_PAGE));
}

static void give_page(const struct layout *layout, char *page, struct pool *pool)
{
    pool_give(pool, page, block_bytes(layout, RING_PAGE));
}

static char **take_directory(uint32_t slots, struct pool *pool)
{
    char **pages = pool_take(pool, slots * sizeof *pages);
    if (pages)
        memset(pages, 0, slots * sizeof *pages);
    return pages;
}

/* From a full block to two pages. */
static bool make_pages(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    struct entity other = *entity;
    char **pages = take_directory(2, pool);
    if (!pages)
        return false;
    pages[0] = take_page(layout, pool);
    pages[1] = take_page(layout, pool);
    if (!pages[0] || !pages[1]) {
        give_page(layout, pages[0], pool);
        give_page(layout, pages[1], pool);
        pool_give(pool, pages, 2 * sizeof *pages);
        return false;
    }
    other.ring = pages;
    other.capacity = 2 * RING_PAGE;
    for (uint32_t position = entity->first; position != entity->end; position++)
        memcpy(event_at(layout, &other, position), event_at(layout, entity, position), layout->event_size);
    pool_give(pool, entity->ring, block_bytes(layout, RING_PAGE));
    *entity = other;
    return true;
}

/* Another size of the directory. Pages with events keep their number; of the others, what fits stays. */
static bool resize_directory(const struct layout *layout, struct entity *entity, uint32_t slots,
                             struct pool *pool)
{
    uint32_t old_slots = entity->capacity / RING_PAGE, first = page_of(entity->first);
    uint32_t used = pages_used(entity, entity->end);
    char **pages = take_directory(slots, pool), **old = entity->ring;
    if (!pages)
        return false;
    for (uint32_t i = 0; i < old_slots; i++) {
        uint32_t number = first + i, from = number & (old_slots - 1), to = number & (slots - 1);
        if (i < used || (i < slots && old[from] && !pages[to])) {
            pages[to] = old[from];
        } else {
            give_page(layout, old[from], pool);
        }
    }
    pool_give(pool, old, old_slots * sizeof *old);
    entity->ring = pages;
    entity->capacity = slots * RING_PAGE;
    return true;
}

static bool reserve_page(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    uint32_t slots = entity->capacity / RING_PAGE;
    if (pages_used(entity, entity->end + 1) > slots) {
        if (!resize_directory(layout, entity, slots * 2, pool))
            return false;
        slots *= 2;
    }
    char **page = &((char **)entity->ring)[page_of(entity->end) & (slots - 1)];
    if (!*page)
        *page = take_page(layout, pool);
    return *page != NULL;
}

bool ring_reserve(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    if (is_paged(entity->capacity))
        return entity->end % RING_PAGE != 0 || reserve_page(layout, entity, pool);
    if (ring_count(entity) < entity->capacity)
        return true;
    if (entity->capacity < RING_PAGE)
        return resize_block(layout, entity, entity->capacity ? entity->capacity * 2 : RING_FIRST, pool);
    /* A block may have begun in the middle of a page: then its events lie in both pages already. */
    return make_pages(layout, entity, pool) &&
           (entity->end % RING_PAGE != 0 || reserve_page(layout, entity, pool));
}

void ring_open(const struct layout *layout, struct entity *entity, uint32_t position)
{
    for (uint32_t p = entity->end++; p != position; p--)
        memcpy(event_at(layout, entity, p), event_at(layout, entity, p - 1), layout->event_size);
}

void ring_close(const struct layout *layout, struct entity *entity, uint32_t position)
{
    for (uint32_t p = position; p + 1 != entity->end; p++)
        memcpy(event_at(layout, entity, p), event_at(layout, entity, p + 1), layout->event_size);
    entity->end--;
}

void ring_free(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    if (is_paged(entity->capacity)) {
        char **pages = entity->ring;
        uint32_t slots = entity->capacity / RING_PAGE;
        for (uint32_t i = 0; i < slots; i++)
            give_page(layout, pages[i], pool);
        pool_give(pool, pages, slots * sizeof *pages);
    } else {
        pool_give(pool, entity->ring, block_bytes(layout, entity->capacity));
    }
    entity->ring = NULL;
    entity->capacity = 0;
}

/* Failing to shrink is no failure: the larger memory serves as well. */
void ring_shrink(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    uint32_t count = ring_count(entity);
    if (count >= entity->capacity / 4 || entity->capacity <= 2 * RING_FIRST)
        return;
    if (!is_paged(entity->capacity)) {
        resize_block(layout, entity, entity->capacity / 2, pool);
    } else if (entity->capacity > 4 * RING_PAGE) {
        resize_directory(layout, entity, entity->capacity / RING_PAGE / 2, pool);
    } else if (count < RING_PAGE / 2) {
        struct entity small = *entity;
        if (!resize_block(layout, &small, RING_PAGE, pool))
            return;
        ring_free(layout, entity, pool);
        *entity = small;
    }
}

uint32_t ring_search(const struct layout *layout, const struct entity *entity, int64_t time, bool after)
{
    uint32_t low = entity->first, n = ring_count(entity);
    while (n) {
        uint32_t half = n / 2;
        int64_t at = time_at(layout, entity, low + half);
        if (after ? at <= time : at < time) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}
