/* Events that are erased later. */
#include <stdlib.h>

#include "differential/later.h"

static int by_position(const void *a, const void *b)
{
    const struct erasure *x = a, *y = b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return (x->event > y->event) - (x->event < y->event);
}

void erasures_make(struct random *random, int64_t rows, struct erasures *ret)
{
    static const int64_t most[] = {1, 4, 20, 100, 400};
    int percent = random_chance(random, 10) ? 80 : 12;
    struct erasures erasures = {.list = memory_new((size_t)rows, sizeof *erasures.list)};
    if (!erasures.list)
        abort();
    for (int64_t e = 0; e < rows; e++)
        if (random_chance(random, percent))
            erasures.list[erasures.n++] =
                (struct erasure){e, e + 1 + random_below(random, most[random_below(random, 5)])};
    /* Several at one time. */
    for (int64_t i = 0; i + 1 < erasures.n; i++)
        if (random_chance(random, 30) && erasures.list[i].position > erasures.list[i + 1].event)
            erasures.list[i + 1].position = erasures.list[i].position;
    qsort(erasures.list, (size_t)erasures.n, sizeof *erasures.list, by_position);
    *ret = erasures;
}

void erasures_done(struct erasures *erasures)
{
    free(erasures->list);
    *erasures = (struct erasures){0};
}

/* Where labels come, too, and clocks are ahead, in every combination. */
void compare_erasing(struct trial *trial)
{
    struct erasures erasures;
    struct labels labels = {0};
    struct later later = {.erasures = &erasures};
    erasures_make(&trial->random, trial->events.length, &erasures);
    compare_later(trial, &later, "erasures");
    bool learns = can_learn(trial->plan) && random_chance(&trial->random, 70);
    if (learns) {
        labels_make(&trial->random, &trial->made, trial->plan, &labels);
        later.labels = &labels;
    }
    if (random_chance(&trial->random, 50))
        later.max_ahead = trial_max_ahead(trial);
    if (later.labels || later.max_ahead)
        compare_later(trial, &later,
                      !later.max_ahead ? "erasures, labels"
                      : learns         ? "erasures, labels, ahead"
                                       : "erasures, ahead");
    labels_done(&labels);
    erasures_done(&erasures);
}
