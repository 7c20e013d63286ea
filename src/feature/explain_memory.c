#include "feature/explain_memory.h"

#include <math.h>

#include "feature/recent.h"

enum { FIRST_BUCKETS = 1024 /* of the table of entities */, POISSON_MOST = 200 };

/* Of the pool's blocks, up to a sixteenth wait to be used again. */
static const double IDLE = 0.06;

static double power2_above(double n, double least)
{
    double power = least;
    while (power < n)
        power *= 2;
    return power;
}

/* Memory of n items of one deque. */
static double deque_of(double n, double item)
{
    if (n <= 0)
        return 0;
    if (n <= DEQUE_PAGE)
        return power2_above(n, DEQUE_FIRST) * item;
    /* Half a page is empty at either end, and the directory is a power of two. */
    double pages = n / DEQUE_PAGE + 1;
    return pages * DEQUE_PAGE * item + power2_above(pages, 2) * sizeof(void *);
}

/* An extreme of n values without a trend has as many positions as a random order has records. */
static double extreme_of(const struct extreme *extreme, double n)
{
    double entry = sizeof(uint32_t) + (double)pack_width(extreme->pack);
    return n <= 0 ? 0 : power2_above(log(n) + 0.58 + 1 / (2 * n), 4) * entry;
}

/* Of links, what lies beside so many events of one entity; the heads of their buckets in a block, too. */
static double beside(const struct layout *layout, double n)
{
    double each = n <= DEQUE_BARE ? 0 : n <= RING_PAGE ? DEQUE_BLOCK_BESIDE : DEQUE_PAGE_BESIDE;
    return layout->n_linked * (n > CHAINS_NARROW_MOST ? 2 * each : each);
}

/* Those of events in pages. At most: all values differ. */
static double heads_of(double n)
{
    return n <= RING_PAGE ? 0 : sizeof(struct recent) + deque_of(n, n > CHAINS_NARROW_MOST ? 4 : 2);
}

static double map_of(const struct map *map, double n)
{
    double entry = ceil((map->shape.key_words * 8 + map->shape.n_frames * 4) / 8.0) * 8;
    return n <= 0 ? 0 : power2_above(n * 4 / 3, 4) * entry;
}

static double events_memory(const struct layout *layout, double n)
{
    double bytes = deque_of(n, (double)layout->event_size + beside(layout, n));
    for (int i = 0; i < layout->n_extremes; i++)
        bytes += extreme_of(&layout->extremes[i], n);
    bytes += layout->n_linked * heads_of(n);
    for (int i = 0; i < layout->n_maps; i++)
        bytes += map_of(&layout->maps[i], n);
    return bytes;
}

/* The mean over entities of `mean` events each. A block shrinks late, so it has the size of the busiest time
 * that an entity had lately. */
static double mean_memory(const struct layout *layout, double mean)
{
    double busy = mean + 3 * sqrt(mean);
    if (mean > POISSON_MOST)
        return events_memory(layout, mean > RING_PAGE ? mean : busy);
    double probability = exp(-mean), bytes = 0;
    for (int n = 1; n < POISSON_MOST + 12 * 15; n++) {
        probability *= mean / n;
        bytes += probability * events_memory(layout, fmax(n, busy));
    }
    return bytes;
}

void explain_memory(const struct layout *layout, double entities, double events, struct memory_estimate *ret)
{
    double mean = events * (double)layout->retain / entities, rows = layout->retain_rows;
    double retained = fmax(mean, rows), inside = layout->lasting ? 1 : 1 - exp(-mean);
    double per_entity = retained > mean ? events_memory(layout, retained) : mean_memory(layout, mean);
    ret->live = ceil(entities * inside);
    ret->retained = entities * retained;
    ret->bytes = ret->live * (double)layout->entity_size;
    ret->bytes += power2_above(2 * ret->live, FIRST_BUCKETS) * sizeof(uint64_t);
    ret->bytes += entities * per_entity * (1 + IDLE);
}
