#include "feature/extremes.h"

#include <string.h>

#include "feature/kernels.h"
#include "feature/strings.h"

void extreme_load(const struct extreme *shape, const char *event, union value *ret)
{
    pack_value(event + shape->value, shape->pack, shape->rep, ret);
}

int extreme_order(const struct extreme *shape, const struct strings *strings, const union value *a,
                  const union value *b)
{
    int order;
    if (shape->rep == REP_DOUBLE)
        order = double_order(a->real, b->real);
    else if (shape->rep == REP_WIDE)
        order = (a->wide > b->wide) - (a->wide < b->wide);
    else if (shape->rep == REP_TEXT)
        order = text_order(strings_text(strings, (uint64_t)a->integer),
                           strings_text(strings, (uint64_t)b->integer));
    else
        order = (a->integer > b->integer) - (a->integer < b->integer);
    return order * shape->sign;
}

static void put(char *entry, const struct extreme *shape, uint32_t position, const char *event)
{
    memcpy(entry, &position, sizeof position);
    memcpy(entry + sizeof position, event + shape->value, pack_width(shape->pack));
}

static bool reserve(const struct extreme *shape, struct extremes *extremes, struct pool *pool)
{
    extremes->list.item = (uint16_t)(sizeof(uint32_t) + pack_width(shape->pack));
    return deque_reserve(&extremes->list, pool);
}

static bool is_better(const struct extreme *shape, const struct strings *strings,
                      const struct extremes *extremes, uint32_t i, const union value *value)
{
    union value other;
    extremes_value(shape, extremes, i, &other);
    return extreme_order(shape, strings, &other, value) > 0;
}

/* How many of the first `n` are better than `value`: they stand in front. */
static uint32_t better_than(const struct extreme *shape, const struct strings *strings,
                            const struct extremes *extremes, uint32_t n, const union value *value)
{
    uint32_t low = 0;
    /* Nearly always the newest few decide. */
    for (int tries = 0; n && tries < 3; tries++, n--)
        if (is_better(shape, strings, extremes, n - 1, value))
            return n;
    while (n) {
        uint32_t half = n / 2;
        if (is_better(shape, strings, extremes, low + half, value)) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

bool extremes_push(const struct extreme *shape, const struct strings *strings, struct extremes *extremes,
                   uint32_t position, const char *event, struct pool *pool)
{
    struct deque *list = &extremes->list;
    union value value;
    extreme_load(shape, event, &value);
    list->end = list->first + better_than(shape, strings, extremes, deque_count(list), &value);
    bool room = deque_count(list) < list->capacity && list->capacity <= DEQUE_PAGE;
    if (!room && !reserve(shape, extremes, pool))
        return false;
    put(deque_at(list, list->end++), shape, position, event);
    return true;
}

bool extremes_insert(const struct extreme *shape, const struct strings *strings, const struct entity *entity,
                     struct extremes *extremes, uint32_t position, const char *event, struct pool *pool)
{
    struct deque *list = &extremes->list;
    uint32_t at = extremes_before(entity, extremes, position);
    union value value;
    extreme_load(shape, event, &value);
    if (at < deque_count(list)) {
        union value later;
        extremes_value(shape, extremes, at, &later);
        if (extreme_order(shape, strings, &later, &value) >= 0)
            return true;
    }
    uint32_t kept = better_than(shape, strings, extremes, at, &value);
    if (kept == at) {
        if (!reserve(shape, extremes, pool))
            return false;
        deque_open(list, list->first + at);
    }
    put(extremes_entry(extremes, kept), shape, position, event);
    deque_cut(list, list->first + kept + 1, at - kept - (kept < at));
    return true;
}

void extremes_shift(const struct entity *entity, struct extremes *extremes, uint32_t position, int by)
{
    for (uint32_t i = extremes_before(entity, extremes, position); i < extremes_count(extremes); i++) {
        uint32_t moved = extremes_at(extremes, i) + (uint32_t)by;
        memcpy(extremes_entry(extremes, i), &moved, sizeof moved);
    }
}

void extremes_evict(const struct entity *entity, struct extremes *extremes, struct pool *pool)
{
    uint32_t count = ring_count(entity), n = extremes_count(extremes);
    while (extremes_count(extremes) && extremes_at(extremes, 0) - entity->first >= count)
        extremes->list.first++;
    if (extremes_count(extremes) < n)
        deque_shrink(&extremes->list, pool);
}

void extremes_done(struct extremes *extremes, struct pool *pool)
{
    deque_free(&extremes->list, pool);
}
