/* A state that is told to forget events, against the rescan that knows when each was erased. */
#include <stdlib.h>

#include "differential/reborn.h"
#include "differential/trial.h"
#include "feature/state.h"

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

struct forgetful {
    struct trial *trial;
    const struct erasures *erasures;
    const struct rescan *expected;
    struct state_options options;
    struct state *state;
    struct table erased, batch, out, all;
    int64_t *arrivals, *numbers; /* of those to be erased; per event */
    int64_t next;
    bool *traces;    /* per feature */
    int64_t *traced; /* the first row that need not be the same */
};

/* All that come before event `at`. */
static int erase(struct forgetful *forgetful, int64_t at, struct error *error)
{
    struct trial *trial = forgetful->trial;
    int rc = OK;
    table_clear(&forgetful->erased);
    for (; rc == OK && forgetful->next < forgetful->erasures->n; forgetful->next++) {
        const struct erasure *erasure = &forgetful->erasures->list[forgetful->next];
        if (erasure->position > at)
            break;
        if (!forgetful->expected->entered[erasure->event])
            continue;
        forgetful->arrivals[forgetful->erased.length] = forgetful->numbers[erasure->event];
        rc = table_append(&forgetful->erased, &trial->events, erasure->event, 1, error);
        trial->run->erased++;
    }
    if (rc == OK && forgetful->erased.length)
        rc =
            state_forget(forgetful->state, &forgetful->erased, forgetful->arrivals, forgetful->traces, error);
    for (int f = 0; f < trial->plan->features->n; f++)
        if (forgetful->traces[f] && at < forgetful->traced[f])
            forgetful->traced[f] = at;
    return rc;
}

static int64_t next_batch(struct forgetful *forgetful, int64_t from, int64_t size)
{
    int64_t left = forgetful->trial->events.length - from, until = left;
    if (forgetful->next < forgetful->erasures->n)
        until = forgetful->erasures->list[forgetful->next].position - from;
    int64_t n = size > 0 ? size : 1 + random_below(&forgetful->trial->random, left);
    n = n < until ? n : until;
    return n < left ? n : left;
}

/* Arrival numbers with gaps, and beyond 32 bits. */
static int take(struct forgetful *forgetful, int64_t from, int64_t n, struct error *error)
{
    int64_t arrival =
        state_arrival(forgetful->state) + random_below(&forgetful->trial->random, INT64_C(1) << 28);
    state_set_arrival(forgetful->state, arrival);
    table_clear(&forgetful->batch);
    int rc = table_append(&forgetful->batch, &forgetful->trial->events, from, n, error);
    if (rc == OK)
        rc = state_take(forgetful->state, &forgetful->batch, &forgetful->out, error);
    for (int64_t i = 0; rc == OK && i < n; i++) {
        forgetful->numbers[from + i] = arrival + i;
        if (state_entered(forgetful->state)[i] != forgetful->expected->entered[from + i])
            trial_fail(forgetful->trial, "erasures", "event %lld: entered or not", (long long)(from + i));
    }
    return rc == OK ? table_append(&forgetful->all, &forgetful->out, 0, n, error) : rc;
}

static void compare(struct forgetful *forgetful, const char *what)
{
    const struct schema *features = forgetful->trial->plan->features;
    for (int f = 0; f < features->n; f++) {
        const struct column *expected = &forgetful->expected->features.columns[f],
                            *found = &forgetful->all.columns[f];
        forgetful->trial->run->traced += forgetful->traces[f];
        for (int64_t i = 0; i < forgetful->traced[f]; i++)
            if (!same_bits(expected, found, &features->fields[f].type, i)) {
                trial_differs(forgetful->trial, what, f, i, expected, found);
                return;
            }
    }
}

static int take_all(struct forgetful *forgetful, int64_t size, bool restarts, struct error *error)
{
    struct trial *trial = forgetful->trial;
    int rc = OK;
    for (int64_t from = 0; rc == OK && from < trial->events.length;) {
        rc = erase(forgetful, from, error);
        if (rc == OK && restarts && random_chance(&trial->random, 10)) {
            forgetful->options.threads = 1 + (int)random_below(&trial->random, 3);
            rc = reborn(trial->plan, &forgetful->options, &forgetful->state, error);
        }
        int64_t n = next_batch(forgetful, from, size);
        if (rc == OK)
            rc = take(forgetful, from, n, error);
        from += n;
    }
    return rc;
}

static void erase_in_batches(struct trial *trial, const struct erasures *erasures,
                             const struct rescan *expected, int threads, int64_t size, bool restarts,
                             const char *what)
{
    struct schema *events = trial->plan->events, *features = trial->plan->features;
    size_t rows = (size_t)trial->events.length;
    struct forgetful forgetful = {
        .trial = trial,
        .erasures = erasures,
        .expected = expected,
        .options = {.threads = threads, .lateness_us = trial->made.lateness, .forgets = true},
        .arrivals = memory_new(rows, sizeof *forgetful.arrivals),
        .numbers = memory_new(rows, sizeof *forgetful.numbers),
        .traces = memory_new((size_t)features->n, sizeof *forgetful.traces),
        .traced = memory_new((size_t)features->n, sizeof *forgetful.traced)};
    struct error error = {0};
    if (!forgetful.arrivals || !forgetful.numbers || !forgetful.traces || !forgetful.traced ||
        table_init(&forgetful.erased, events, NULL) != OK ||
        table_init(&forgetful.batch, events, NULL) != OK ||
        table_init(&forgetful.out, features, NULL) != OK ||
        table_init(&forgetful.all, features, NULL) != OK ||
        state_new(trial->plan, &forgetful.options, &forgetful.state, &error) != OK)
        abort();
    for (int f = 0; f < features->n; f++)
        forgetful.traced[f] = trial->events.length;
    if (take_all(&forgetful, size, restarts, &error) == OK)
        compare(&forgetful, what);
    else
        trial_fail(trial, what, "%s", error.message);
    table_done(&forgetful.erased);
    table_done(&forgetful.batch);
    table_done(&forgetful.out);
    table_done(&forgetful.all);
    state_free(forgetful.state);
    free(forgetful.arrivals);
    free(forgetful.numbers);
    free(forgetful.traces);
    free(forgetful.traced);
}

void compare_erasing(struct trial *trial)
{
    struct erasures erasures;
    struct rescan expected;
    struct error error = {0};
    erasures_make(&trial->random, trial->events.length, &erasures);
    struct rescan_options options = {.lateness = trial->made.lateness, .erasures = &erasures};
    if (rescan_run(trial->plan, &trial->events, &options, &expected, &error) != OK)
        abort();
    erase_in_batches(trial, &erasures, &expected, 1, 1, false, "erasures, batches of one");
    erase_in_batches(trial, &erasures, &expected, 3, -1, false, "erasures, three threads");
    erase_in_batches(trial, &erasures, &expected, 2, -1, true, "erasures, restarts");
    coverage_note(&trial->run->coverage, trial->plan, &expected);
    rescan_done(&expected);
    erasures_done(&erasures);
}
