#include "feature/recent.h"

#include <string.h>

enum { AT_ONCE = 8 /* values that are asked for */ };

void distinct_key(const char *at, enum pack pack, uint64_t key[2])
{
    value_key(at, pack, key);
}

static struct wanted wanted_of(const struct linked *linked, const char *event)
{
    return wanted_at(event + linked->value, linked->pack);
}

static inline bool has_value(const struct layout *layout, const struct linked *linked, const char *event)
{
    return event[layout->marks_offset + (size_t)(linked->slot / 8)] >> linked->slot % 8 & 1;
}

/* ---- few events ---- */

static inline bool is_same(enum pack pack, const char *a, const char *b)
{
    uint64_t x[2], y[2];
    if (pack == PACK_INT32)
        return memcmp(a, b, sizeof(int32_t)) == 0;
    value_key(a, pack, x);
    value_key(b, pack, y);
    return x[0] == y[0] && x[1] == y[1];
}

bool recent_scan(const struct layout *layout, const struct linked *linked, const struct entity *entity,
                 struct reach reach)
{
    const char *value = event_at(layout, entity, reach.position) + linked->value;
    uint32_t end = reach.position + reach.behind;
    for (uint32_t p = reach.position - reach.before; p != end; p++) {
        const char *event = event_at(layout, entity, p);
        if (is_same(linked->pack, event + linked->value, value) && p != reach.position &&
            has_value(layout, linked, event))
            return false;
    }
    return true;
}

/* ---- more of them ---- */

/* The newest event of a value so far, of which `place` is the next, leaves its chain. How far it is. */
CHAINS_INLINE uint32_t leave_chain(const struct chains *chains, uint32_t bucket, uint32_t newer,
                                   uint32_t last, uint32_t place)
{
    struct link link = chains_link(chains, last);
    chains_follow(chains, bucket, newer, link_older(link, last));
    link.behind = place - last;
    chains_put_link(chains, last, link);
    return place - last;
}

/* Links an event that is newer than all that are linked. */
CHAINS_INLINE void link_newest(const struct chains *chains, uint32_t place, const struct wanted *wanted)
{
    uint32_t bucket = bucket_of(chains, wanted->hash), newer, head;
    uint32_t last = chains_find(chains, bucket, wanted, &newer);
    struct link link = {0, 0, 0};
    if (last != NO_PLACE)
        link.before = leave_chain(chains, bucket, newer, last, place);
    else
        chains_count_value(chains, 1);
    head = chains_head(chains, bucket);
    link.chained = head == NO_PLACE ? 0 : place - head;
    chains_put_link(chains, place, link);
    chains_put_head(chains, bucket, place);
}

/* The same for widths that a compiler knows. */
CHAINS_INLINE void append_as(struct chains chains, int width, int head_width, bool paged)
{
    chains.width = width;
    chains.head_width = head_width;
    chains.paged = paged;
    const char *value = chains_value(&chains, chains.count), *event = value - chains.linked->value;
    if (has_value(chains.layout, chains.linked, event)) {
        struct wanted wanted = wanted_at(value, chains.linked->pack);
        link_newest(&chains, chains.count, &wanted);
    } else {
        chains_put_link(&chains, chains.count, (struct link){0, 0, 0});
    }
}

/* The event behind those that are linked is, too. (Heads may be wider than links where memory was short.) */
static inline void append(struct chains *chains, struct pool *pool)
{
    if (!chains->paged)
        append_as(*chains, 1, 1, false);
    else if (chains->width == 2 && chains->head_width == 2)
        append_as(*chains, 2, 2, true);
    else if (chains->width == 4)
        append_as(*chains, 4, 4, true);
    else
        append_as(*chains, 2, 4, true);
    chains->count++;
    chains_fit(chains, pool);
}

/* What lies beside the events is lost with their block. */
static bool link_anew(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    bool fine = true;
    for (int i = 0; fine && recent_is_linked(entity) && i < layout->n_linked; i++) {
        fine = chains_begin(layout, &layout->linked[i], entity, pool);
        if (!fine)
            break;
        struct chains chains = chains_of(layout, &layout->linked[i], entity);
        for (chains.count = 0; chains.count != ring_count(entity);)
            append(&chains, pool);
    }
    for (int i = 0; !chains_are_paged(entity) && i < layout->n_linked; i++)
        recent_free(&layout->linked[i], entity, pool);
    return fine;
}

/* The events lie elsewhere now than in what had room for so many. */
static bool follow(const struct layout *layout, struct entity *entity, uint32_t capacity, struct pool *pool)
{
    bool stay = capacity == entity->capacity || (capacity > RING_PAGE && chains_are_paged(entity));
    return stay || link_anew(layout, entity, pool);
}

bool recent_reserve(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    uint32_t capacity = entity->capacity;
    bool full = ring_count(entity) > CHAINS_NARROW_MOST - RING_PAGE;
    if (!deque_reserve(&entity->events, pool))
        return false;
    if (!layout->n_linked)
        return true;
    return follow(layout, entity, capacity, pool) &&
           (!full || entity->events.wide || chains_widen(layout, entity, pool));
}

bool recent_begin(const struct layout *layout, struct entity *entity, uint32_t n, struct pool *pool)
{
    return deque_begin(&entity->events, n, pool) && link_anew(layout, entity, pool);
}

/* To link in a block takes no memory. */
void recent_shrink(const struct layout *layout, struct entity *entity, struct pool *pool)
{
    uint32_t capacity = entity->capacity;
    deque_shrink(&entity->events, pool);
    if (!layout->n_linked)
        return;
    follow(layout, entity, capacity, pool);
    if (chains_are_paged(entity))
        chains_narrow(layout, entity, pool);
}

void recent_put(const struct layout *layout, const struct linked *linked, struct entity *entity,
                struct pool *pool)
{
    if (!recent_is_linked(entity))
        return;
    struct chains chains = chains_of(layout, linked, entity);
    append(&chains, pool);
}

void recent_evict(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  struct pool *pool)
{
    if (!recent_is_linked(entity))
        return;
    struct chains chains = chains_of(layout, linked, entity);
    if (chains.paged && has_value(layout, linked, event_at(layout, entity, entity->first)) &&
        !chains_link(&chains, 0).behind)
        chains.recent->values--;
    chains.first++;
    chains.count--;
    chains_keep(&chains);
    chains_fit(&chains, pool);
}

/* ---- those that are late ---- */

/* The links of the event at `moving`, which goes to the next place or, by = -1, to the one before, as do all
 * that are newer. */
static void move_one(const struct chains *chains, uint32_t place, uint32_t moving, int by)
{
    const char *event = event_at(chains->layout, chains->entity, chains->entity->first + moving);
    struct link link = chains_link(chains, moving);
    if (!has_value(chains->layout, chains->linked, event))
        return;
    if (!link.behind) {
        uint32_t bucket = bucket_of(chains, wanted_of(chains->linked, event).hash);
        if (chains_head(chains, bucket) == moving)
            chains_put_head(chains, bucket, moving + (uint32_t)by);
    }
    if (link.chained && moving - link.chained < place)
        link.chained += (uint32_t)by;
    if (link.before && moving - link.before < place) {
        struct link others = chains_link(chains, moving - link.before);
        others.behind += (uint32_t)by;
        chains_put_link(chains, moving - link.before, others);
        link.before += (uint32_t)by;
    }
    chains_put_link(chains, moving, link);
}

/* The links themselves follow. */
static void move_links(const struct chains *chains, uint32_t from, uint32_t to)
{
    memcpy(chains_link_at(chains, to), chains_link_at(chains, from), 2 * (size_t)chains->width);
}

void recent_open(const struct layout *layout, const struct linked *linked, struct entity *entity,
                 uint32_t position)
{
    if (!recent_is_linked(entity))
        return;
    struct chains chains = chains_of(layout, linked, entity);
    uint32_t place = position - entity->first, end = chains.count++;
    for (uint32_t moving = end; moving != place; moving--)
        move_one(&chains, place, moving - 1, 1);
    for (uint32_t to = end; to != place; to--)
        move_links(&chains, to - 1, to);
}

void recent_close(const struct layout *layout, const struct linked *linked, struct entity *entity,
                  uint32_t position)
{
    if (!recent_is_linked(entity))
        return;
    struct chains chains = chains_of(layout, linked, entity);
    uint32_t place = position - entity->first;
    for (uint32_t moving = place + 1; moving != chains.count; moving++)
        move_one(&chains, place, moving, -1);
    for (uint32_t from = place + 1; from != chains.count; from++)
        move_links(&chains, from, from - 1);
}

/* Links an event between those of its value, of which some are behind it: the newest is `last`. */
static void link_between(const struct chains *chains, uint32_t last, uint32_t place, struct link *link)
{
    uint32_t behind = last;
    struct link others = chains_link(chains, behind);
    while (others.before && behind - others.before > place) {
        behind -= others.before;
        others = chains_link(chains, behind);
    }
    if (others.before) {
        uint32_t before = behind - others.before;
        struct link first = chains_link(chains, before);
        first.behind = link->before = place - before;
        chains_put_link(chains, before, first);
    }
    link->behind = others.before = behind - place;
    chains_put_link(chains, behind, others);
}

void recent_insert(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position)
{
    if (!recent_is_linked(entity))
        return;
    struct chains chains = chains_of(layout, linked, entity);
    const char *event = event_at(layout, entity, position);
    uint32_t place = position - entity->first, newer;
    struct link link = {0, 0, 0};
    if (has_value(layout, linked, event)) {
        struct wanted wanted = wanted_of(linked, event);
        uint32_t bucket = bucket_of(&chains, wanted.hash);
        uint32_t last = chains_find(&chains, bucket, &wanted, &newer);
        if (last != NO_PLACE && last > place) {
            link_between(&chains, last, place, &link);
        } else {
            link.before = last != NO_PLACE ? leave_chain(&chains, bucket, newer, last, place) : 0;
            if (last == NO_PLACE)
                chains_count_value(&chains, 1);
            chains_insert(&chains, bucket, place, &link);
        }
    }
    chains_put_link(&chains, place, link);
}

/* The newest event of its value goes: the one before is the newest then, if there is one. */
static void remove_newest(const struct chains *chains, const struct wanted *wanted, struct link link,
                          uint32_t place)
{
    uint32_t bucket = bucket_of(chains, wanted->hash), newer;
    chains_find(chains, bucket, wanted, &newer);
    chains_follow(chains, bucket, newer, link_older(link, place));
    if (!link.before) {
        chains_count_value(chains, -1);
        return;
    }
    struct link others = chains_link(chains, place - link.before);
    others.behind = 0;
    chains_insert(chains, bucket, place - link.before, &others);
    chains_put_link(chains, place - link.before, others);
}

void recent_remove(const struct layout *layout, const struct linked *linked, struct entity *entity,
                   uint32_t position)
{
    const char *event = event_at(layout, entity, position);
    uint32_t place = position - entity->first;
    if (!recent_is_linked(entity) || !has_value(layout, linked, event))
        return;
    struct chains chains = chains_of(layout, linked, entity);
    struct link link = chains_link(&chains, place);
    if (!link.behind) {
        struct wanted wanted = wanted_of(linked, event);
        remove_newest(&chains, &wanted, link, place);
        return;
    }
    struct link others = chains_link(&chains, place + link.behind);
    others.before = link.before ? link.before + link.behind : 0;
    chains_put_link(&chains, place + link.behind, others);
    if (link.before) {
        others = chains_link(&chains, place - link.before);
        others.behind = link.before + link.behind;
        chains_put_link(&chains, place - link.before, others);
    }
}

/* ---- memory ---- */

CHAINS_INLINE struct wanted wanted_value(const struct linked *linked, const union value *value)
{
    char packed[16];
    if (linked->pack == PACK_INT32) {
        uint64_t key = (uint64_t)value->integer;
        return (struct wanted){{key, 0}, hash_word(key, 0)};
    }
    pack_put(packed, linked->pack, value);
    return wanted_at(packed, linked->pack);
}

/* (What only asks memory has no effect in a compiler's eyes: it is left out where it is not inlined.) */
CHAINS_INLINE void prefetch_links(const struct layout *layout, const struct linked *linked,
                                  const struct entity *entity)
{
    const uint32_t *lows = entity_lows(layout, entity);
    if (!chains_are_paged(entity) || entity->end % RING_PAGE)
        __builtin_prefetch(link_place(layout, linked, entity, entity->end));
    for (int f = 0; f < layout->n_frames; f++)
        __builtin_prefetch(link_place(layout, linked, entity, lows[f]));
}

CHAINS_INLINE void prefetch_block(const struct layout *layout, const struct linked *linked,
                                  const struct entity *entity, const union value *value)
{
    if (recent_is_linked(entity)) {
        struct chains chains = chains_of(layout, linked, entity);
        __builtin_prefetch(chains_head_at(&chains, bucket_of(&chains, wanted_value(linked, value).hash)));
        __builtin_prefetch(chains_head_at(&chains, 2 * chains.first & (entity->capacity - 1)));
        prefetch_links(layout, linked, entity);
        return;
    }
    for (size_t line = 0; line < entity->capacity * layout->event_size; line += 64)
        __builtin_prefetch((const char *)entity->ring + line);
}

void recent_prefetch(const struct layout *layout, const struct linked *linked, struct entity *const *entities,
                     const union value *values, const uint32_t *rows, int n)
{
    const size_t n_slots = layout->group->n_slots;
    for (int j = 0; j < n; j++) {
        const struct entity *entity = entities[rows[j]];
        if (chains_are_paged(entity))
            __builtin_prefetch(*recent_at(linked, entity));
        else
            prefetch_block(layout, linked, entity, &values[rows[j] * n_slots + (size_t)linked->slot]);
    }
}

/* A value that is to be looked up: where its bucket is, and the event that it is compared with. */
struct search {
    struct chains chains;
    struct wanted wanted;
    uint32_t bucket, place;
};

CHAINS_INLINE void begin_search(const struct layout *layout, const struct linked *linked,
                                const struct entity *entity, const union value *value, struct search *search)
{
    search->place = NO_PLACE;
    search->chains.count = 0;
    if (!recent_is_linked(entity))
        return;
    search->chains = chains_of(layout, linked, entity);
    search->wanted = wanted_value(linked, value);
    search->bucket = bucket_of(&search->chains, search->wanted.hash);
    if (!search->chains.paged)
        return;
    const struct recent *recent = search->chains.recent;
    __builtin_prefetch(recent_head_at(recent, search->bucket, recent->width));
    __builtin_prefetch(recent_head_at(recent, recent->kept, recent->width));
    prefetch_links(layout, linked, entity);
}

CHAINS_INLINE void ask_event(const struct search *search)
{
    if (search->place == NO_PLACE)
        return;
    __builtin_prefetch(chains_value(&search->chains, search->place));
    __builtin_prefetch(chains_link_at(&search->chains, search->place));
}

CHAINS_INLINE void prefetch_some(const struct layout *layout, const struct linked *linked,
                                 struct entity *const *entities, const union value *values,
                                 const uint32_t *rows, int n)
{
    struct search searches[AT_ONCE];
    for (int j = 0; j < n; j++) {
        const union value *value = &values[rows[j] * layout->group->n_slots + (size_t)linked->slot];
        begin_search(layout, linked, entities[rows[j]], value, &searches[j]);
    }
    for (int j = 0; j < n; j++) {
        struct search *search = &searches[j];
        if (search->chains.count)
            search->place = chains_head(&search->chains, search->bucket);
        ask_event(search);
    }
    for (int j = 0; j < n; j++) {
        struct search *search = &searches[j];
        uint32_t place = search->place;
        if (place == NO_PLACE ||
            wanted_is_at(&search->wanted, chains_value(&search->chains, place), linked->pack))
            continue;
        search->place = chains_older(&search->chains, place);
        ask_event(search);
    }
}

void recent_prefetch_more(const struct layout *layout, const struct linked *linked,
                          struct entity *const *entities, const union value *values, const uint32_t *rows,
                          int n)
{
    for (; n > 0; n -= AT_ONCE, rows += AT_ONCE)
        prefetch_some(layout, linked, entities, values, rows, n < AT_ONCE ? n : AT_ONCE);
}
