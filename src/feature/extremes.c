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

static uint32_t *slot_of(const struct extremes *extremes, uint32_t i)
{
    return &extremes->positions[(extremes->first + i) & (extremes->capacity - 1)];
}

static void put(const struct extreme *shape, const struct extremes *extremes, uint32_t i, uint32_t position,
                const char *value)
{
    *slot_of(extremes, i) = position;
    memcpy(extremes_place(shape, extremes, i), value, pack_width(shape->pack));
}

static void copy(const struct extreme *shape, const struct extremes *to, uint32_t i,
                 const struct extremes *from, uint32_t j)
{
    put(shape, to, i, extremes_at(from, j), extremes_place(shape, from, j));
}

static bool reserve(const struct extreme *shape, struct extremes *extremes, struct pool *pool)
{
    if (extremes->n < extremes->capacity)
        return true;
    struct extremes grown = {NULL, 0, extremes->n, extremes->capacity ? extremes->capacity * 2 : 4};
    grown.positions = pool_take(pool, extremes_bytes(shape, &grown));
    if (!grown.positions)
        return false;
    for (uint32_t i = 0; i < extremes->n; i++)
        copy(shape, &grown, i, extremes, i);
    pool_give(pool, extremes->positions, extremes_bytes(shape, extremes));
    *extremes = grown;
    return true;
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
    union value value;
    extreme_load(shape, event, &value);
    extremes->n = better_than(shape, strings, extremes, extremes->n, &value);
    if (!reserve(shape, extremes, pool))
        return false;
    put(shape, extremes, extremes->n++, position, event + shape->value);
    return true;
}

bool extremes_insert(const struct extreme *shape, const struct strings *strings, const struct entity *entity,
                     struct extremes *extremes, uint32_t position, const char *event, struct pool *pool)
{
    uint32_t at = extremes_before(entity, extremes, position);
    union value value;
    extreme_load(shape, event, &value);
    if (at < extremes->n) {
        union value later;
        extremes_value(shape, extremes, at, &later);
        if (extreme_order(shape, strings, &later, &value) >= 0)
            return true;
    }
    if (!reserve(shape, extremes, pool))
        return false;
    uint32_t kept = better_than(shape, strings, extremes, at, &value);
    uint32_t behind = extremes->n - at;
    if (kept == at)
        for (uint32_t i = behind; i-- > 0;)
            copy(shape, extremes, at + i + 1, extremes, at + i);
    else
        for (uint32_t i = 0; i < behind; i++)
            copy(shape, extremes, kept + 1 + i, extremes, at + i);
    put(shape, extremes, kept, position, event + shape->value);
    extremes->n = kept + 1 + behind;
    return true;
}

void extremes_shift(const struct entity *entity, struct extremes *extremes, uint32_t position, int by)
{
    for (uint32_t i = extremes_before(entity, extremes, position); i < extremes->n; i++)
        *slot_of(extremes, i) += (uint32_t)by;
}

void extremes_evict(const struct entity *entity, struct extremes *extremes)
{
    uint32_t count = ring_count(entity);
    while (extremes->n && extremes_at(extremes, 0) - entity->first >= count) {
        extremes->first++;
        extremes->n--;
    }
}

void extremes_done(const struct extreme *shape, struct extremes *extremes, struct pool *pool)
{
    pool_give(pool, extremes->positions, extremes_bytes(shape, extremes));
    *extremes = (struct extremes){0};
}
