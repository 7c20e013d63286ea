#include "feature/extremes.h"

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

static uint32_t *slot_of(struct extremes *extremes, uint32_t i)
{
    return &extremes->positions[(extremes->first + i) & (extremes->capacity - 1)];
}

static bool reserve(struct extremes *extremes, struct pool *pool)
{
    if (extremes->n < extremes->capacity)
        return true;
    uint32_t capacity = extremes->capacity ? extremes->capacity * 2 : 4;
    uint32_t *positions = pool_take(pool, capacity * sizeof *positions);
    if (!positions)
        return false;
    for (uint32_t i = 0; i < extremes->n; i++)
        positions[i] = extremes_at(extremes, i);
    pool_give(pool, extremes->positions, extremes->capacity * sizeof *positions);
    *extremes = (struct extremes){positions, 0, extremes->n, capacity};
    return true;
}

/* How many of the first `n` are better than `value`: they stand in front. */
static uint32_t better_than(const struct extreme *shape, const struct layout *layout,
                            const struct entity *entity, const struct strings *strings,
                            const struct extremes *extremes, uint32_t n, const union value *value)
{
    uint32_t low = 0;
    union value other;
    /* Nearly always the newest few decide. */
    for (int tries = 0; n && tries < 3; tries++, n--) {
        extreme_load(shape, event_at(layout, entity, extremes_at(extremes, n - 1)), &other);
        if (extreme_order(shape, strings, &other, value) > 0)
            return n;
    }
    while (n) {
        uint32_t half = n / 2;
        extreme_load(shape, event_at(layout, entity, extremes_at(extremes, low + half)), &other);
        if (extreme_order(shape, strings, &other, value) > 0) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

bool extremes_push(const struct extreme *shape, const struct layout *layout, const struct entity *entity,
                   const struct strings *strings, struct extremes *extremes, uint32_t position,
                   struct pool *pool)
{
    union value value;
    extreme_load(shape, event_at(layout, entity, position), &value);
    extremes->n = better_than(shape, layout, entity, strings, extremes, extremes->n, &value);
    if (!reserve(extremes, pool))
        return false;
    *slot_of(extremes, extremes->n++) = position;
    return true;
}

bool extremes_insert(const struct extreme *shape, const struct layout *layout, const struct entity *entity,
                     const struct strings *strings, struct extremes *extremes, uint32_t position,
                     struct pool *pool)
{
    uint32_t at = extremes_before(entity, extremes, position);
    union value value, later;
    extreme_load(shape, event_at(layout, entity, position), &value);
    if (at < extremes->n) {
        extreme_load(shape, event_at(layout, entity, extremes_at(extremes, at)), &later);
        if (extreme_order(shape, strings, &later, &value) >= 0)
            return true;
    }
    if (!reserve(extremes, pool))
        return false;
    uint32_t kept = better_than(shape, layout, entity, strings, extremes, at, &value);
    uint32_t behind = extremes->n - at;
    if (kept == at)
        for (uint32_t i = behind; i-- > 0;)
            *slot_of(extremes, at + i + 1) = extremes_at(extremes, at + i);
    else
        for (uint32_t i = 0; i < behind; i++)
            *slot_of(extremes, kept + 1 + i) = extremes_at(extremes, at + i);
    *slot_of(extremes, kept) = position;
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

void extremes_done(struct extremes *extremes, struct pool *pool)
{
    pool_give(pool, extremes->positions, extremes->capacity * sizeof *extremes->positions);
    *extremes = (struct extremes){0};
}
