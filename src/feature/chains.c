#include "feature/chains.h"

#include <string.h>

enum {
    STEPS = 2, /* buckets that an event splits or joins at most */
    NARROW_SHARE = 4,
    HEADS_FIRST = 64
};

static size_t heads_bytes(const struct recent *recent, uint32_t room)
{
    return (size_t)room * (size_t)recent->width;
}

/* A directory has as many slots as a power of two. */
static size_t directory_bytes(uint32_t pages)
{
    size_t slots = 2;
    while (slots < pages)
        slots *= 2;
    return slots * sizeof(char *);
}

static void free_heads(struct recent *recent, struct pool *pool)
{
    uint32_t pages = recent->room / HEADS_PAGE;
    if (recent->room <= HEADS_PAGE) {
        pool_give(pool, recent->block, heads_bytes(recent, recent->room));
        return;
    }
    for (uint32_t i = 0; i < pages; i++)
        pool_give(pool, recent->pages[i], heads_bytes(recent, HEADS_PAGE));
    pool_give(pool, recent->pages, directory_bytes(pages));
}

/* Copies the heads into one block of another size. */
static bool resize_block(struct recent *recent, uint32_t room, struct pool *pool)
{
    char *block = pool_take(pool, heads_bytes(recent, room));
    if (!block)
        return false;
    if (recent->block)
        memcpy(block, recent->block, heads_bytes(recent, recent->buckets));
    pool_give(pool, recent->block, heads_bytes(recent, recent->room));
    recent->block = block;
    recent->room = room;
    return true;
}

/* A directory for another number of pages, of which it gets the first `kept`. */
static bool resize_directory(struct recent *recent, uint32_t kept, uint32_t pages, struct pool *pool)
{
    uint32_t had = recent->room / HEADS_PAGE;
    if (had > 1 && directory_bytes(had) == directory_bytes(pages))
        return true;
    char **directory = pool_take(pool, directory_bytes(pages));
    if (!directory)
        return false;
    memcpy(directory, had > 1 ? recent->pages : &recent->block, kept * sizeof *directory);
    if (had > 1)
        pool_give(pool, recent->pages, directory_bytes(had));
    recent->pages = directory;
    return true;
}

static bool add_page(struct recent *recent, struct pool *pool)
{
    uint32_t pages = recent->room / HEADS_PAGE;
    char *page = pool_take(pool, heads_bytes(recent, HEADS_PAGE));
    if (!page || !resize_directory(recent, pages, pages + 1, pool)) {
        pool_give(pool, page, heads_bytes(recent, HEADS_PAGE));
        return false;
    }
    recent->pages[pages] = page;
    recent->room += HEADS_PAGE;
    return true;
}

/* Room for one bucket more. Blocks are powers of two and the halves between them. */
static bool reserve_head(struct recent *recent, struct pool *pool)
{
    uint32_t room = recent->room;
    if (recent->buckets < room)
        return true;
    if (room >= HEADS_PAGE)
        return add_page(recent, pool);
    bool power = !(room & (room - 1));
    return resize_block(recent, !room ? HEADS_FIRST : power ? room / 2 * 3 : room / 3 * 4, pool);
}

/* Gives the last page back. Without memory for another directory it stays. */
static void drop_page(struct recent *recent, struct pool *pool)
{
    uint32_t pages = recent->room / HEADS_PAGE - 1;
    char *last = recent->pages[pages], **directory = recent->pages;
    if (pages > 1 && !resize_directory(recent, pages, pages, pool))
        return;
    if (pages == 1) {
        recent->block = directory[0];
        pool_give(pool, directory, directory_bytes(2));
    }
    pool_give(pool, last, heads_bytes(recent, HEADS_PAGE));
    recent->room -= HEADS_PAGE;
}

static void shrink_heads(struct recent *recent, struct pool *pool)
{
    if (recent->room > HEADS_PAGE) {
        if (recent->buckets + 2 * HEADS_PAGE <= recent->room)
            drop_page(recent, pool);
    } else if (recent->buckets < recent->room / 4 && recent->room > HEADS_FIRST) {
        uint32_t room = HEADS_FIRST;
        while (room < 2 * recent->buckets)
            room *= 2;
        resize_block(recent, room, pool);
    }
}

void recent_free(const struct linked *linked, const struct entity *entity, struct pool *pool)
{
    struct recent *recent = *recent_at(linked, entity);
    if (!recent)
        return;
    free_heads(recent, pool);
    pool_give(pool, recent, sizeof *recent);
    *recent_at(linked, entity) = NULL;
}

void recent_tidy(const struct linked *linked, const struct entity *entity, struct pool *pool)
{
    struct recent *recent = *recent_at(linked, entity);
    if (!recent)
        return;
    if (recent->room <= HEADS_PAGE)
        recent->block = pool_tidy(pool, recent->block, heads_bytes(recent, recent->room));
    *recent_at(linked, entity) = pool_tidy(pool, recent, sizeof *recent);
}

static bool begin_recent(const struct linked *linked, const struct entity *entity, struct pool *pool)
{
    struct recent *recent = pool_take(pool, sizeof *recent);
    if (!recent)
        return false;
    *recent = (struct recent){.width = entity->events.wide ? 4 : 2};
    if (!reserve_head(recent, pool)) {
        pool_give(pool, recent, sizeof *recent);
        return false;
    }
    recent->buckets = 1;
    *recent_at(linked, entity) = recent;
    return true;
}

bool chains_begin(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  struct pool *pool)
{
    recent_free(linked, entity, pool);
    if (chains_are_paged(entity) && !begin_recent(linked, entity, pool))
        return false;
    struct chains chains = chains_of(layout, linked, entity);
    uint32_t buckets = chains.paged ? chains.recent->buckets : entity->capacity;
    for (uint32_t bucket = 0; bucket < buckets; bucket++)
        chains_put_head(&chains, bucket, NO_PLACE);
    return true;
}

static uint32_t bucket_at(const struct chains *chains, uint32_t place)
{
    return bucket_of(chains, wanted_at(chains_value(chains, place), chains->linked->pack).hash);
}

void chains_insert(const struct chains *chains, uint32_t bucket, uint32_t place, struct link *link)
{
    uint32_t newer = NO_PLACE, next = chains_head(chains, bucket);
    while (next != NO_PLACE && next > place) {
        newer = next;
        next = chains_older(chains, next);
    }
    link->chained = next == NO_PLACE ? 0 : place - next;
    chains_follow(chains, bucket, newer, place);
}

/* Where the last bucket's values come from, and go to when it is given up. */
static uint32_t origin_of(uint32_t bucket)
{
    return bucket ^ UINT32_C(1) << (31 - __builtin_clz(bucket));
}

/* A new bucket takes its values out of another one's. */
static void split(const struct chains *chains, struct pool *pool)
{
    if (!reserve_head(chains->recent, pool))
        return; /* longer chains are as good */
    uint32_t last = chains->recent->buckets++, origin = origin_of(last), place = chains_head(chains, origin);
    uint32_t stays = NO_PLACE, goes = NO_PLACE;
    chains_put_head(chains, origin, NO_PLACE);
    chains_put_head(chains, last, NO_PLACE);
    while (place != NO_PLACE) {
        uint32_t next = chains_older(chains, place), bucket = bucket_at(chains, place);
        uint32_t *tail = bucket == last ? &goes : &stays;
        chains_follow(chains, bucket, *tail, place);
        *tail = place;
        place = next;
    }
    if (stays != NO_PLACE)
        chains_follow(chains, origin, stays, NO_PLACE);
    if (goes != NO_PLACE)
        chains_follow(chains, last, goes, NO_PLACE);
}

/* The last bucket gives its values back. */
static void join(const struct chains *chains, struct pool *pool)
{
    uint32_t last = chains->recent->buckets - 1, origin = origin_of(last), a = chains_head(chains, origin);
    uint32_t b = chains_head(chains, last), tail = NO_PLACE;
    while (a != NO_PLACE || b != NO_PLACE) {
        bool take_a = b == NO_PLACE || (a != NO_PLACE && a > b);
        uint32_t *from = take_a ? &a : &b, place = *from;
        *from = chains_older(chains, place);
        chains_follow(chains, origin, tail, place);
        tail = place;
    }
    chains->recent->buckets--;
    shrink_heads(chains->recent, pool);
}

void chains_change(const struct chains *chains, struct pool *pool)
{
    const struct recent *recent = chains->recent;
    uint32_t wanted = chains_buckets(chains);
    for (int i = 0; i < STEPS && recent->buckets < wanted; i++)
        split(chains, pool);
    for (int i = 0; i < STEPS && recent->buckets / 2 > wanted + 1; i++)
        join(chains, pool);
}

/* ---- other widths ---- */

/* The same heads with another width. False: no memory, nothing changed. */
static bool change_heads(const struct chains *chains, int width, struct pool *pool)
{
    struct recent changed = {.width = width, .values = chains->recent->values, .kept = chains->recent->kept};
    bool fine = true;
    while (fine && changed.buckets != chains->recent->buckets) {
        fine = reserve_head(&changed, pool);
        if (!fine)
            break;
        uint32_t bucket = changed.buckets++, position = chains->first + chains_head(chains, bucket);
        put_field(recent_head_at(&changed, bucket, width), width, position);
    }
    free_heads(fine ? chains->recent : &changed, pool);
    if (fine)
        *chains->recent = changed;
    return fine;
}

static void make_wide(char *to, const char *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        put_link(to + 8 * (size_t)i, 4, get_link(from + 4 * (size_t)i, 2));
}

/* Distances that two bytes cannot say lead beyond the oldest event. */
static void make_narrow(char *to, const char *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct link link = get_link(from + 8 * (size_t)i, 4);
        link.before = link.before >= CHAINS_NARROW_MOST ? 0 : link.before;
        link.chained = link.chained >= CHAINS_NARROW_MOST ? 0 : link.chained;
        put_link(to + 4 * (size_t)i, 2, link);
    }
}

static bool change_all_heads(const struct layout *layout, struct entity *entity, int width, struct pool *pool)
{
    bool fine = true;
    for (int i = 0; fine && i < layout->n_linked; i++) {
        struct chains chains = chains_of(layout, &layout->linked[i], entity);
        fine = chains.head_width == width || change_heads(&chains, width, pool);
    }
    return fine;
}

bool chains_widen(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    return change_all_heads(layout, entity, 4, pool) && deque_widen(&entity->events, true, make_wide, pool);
}

/* Without memory for it the wider ones are as good. */
void chains_narrow(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    if (entity->events.wide && ring_count(entity) < CHAINS_NARROW_MOST / NARROW_SHARE &&
        deque_widen(&entity->events, false, make_narrow, pool))
        change_all_heads(layout, entity, 2, pool);
}
