#include "differential/later.h"

#include <stdlib.h>
#include <string.h>

#include "differential/reborn.h"
#include "feature/state.h"

enum { MOST_AT_ONCE = 5 };

/* What has been told up to `label` and `erasure`. */
struct telling {
    struct trial *trial;
    const struct later *later;
    const struct rescan *expected;
    const char *what;
    struct state_options options;
    struct state *state;
    struct table before, now, erased, batch, out, all;
    int64_t arrivals[MOST_AT_ONCE], *gone; /* of labels; of those to be erased */
    int64_t *said, *numbers;               /* per event: the label that counts, or -1; its arrival number */
    bool *is_gone;                         /* per event */
    int64_t label, erasure, gap;
    bool *traces;    /* per feature */
    int64_t *traced; /* the first row that need not be the same */
};

static void append_value(const struct telling *telling, struct table *table, int c, int64_t event,
                         int64_t label)
{
    const struct plan *plan = telling->trial->plan;
    const struct type *type = &plan->events->fields[c].type;
    const struct labels *labels = telling->later->labels;
    if (labels && plan->late[c].is_late)
        labels_append(&table->columns[c], type, &labels->values.columns[c],
                      label < 0 ? -1 : labels->list[label].source);
    else
        labels_append(&table->columns[c], type, &telling->trial->events.columns[c], event);
}

/* An event with its late columns as a label has them. */
static void append_event(const struct telling *telling, struct table *table, int64_t event, int64_t label)
{
    for (int c = 0; c < telling->trial->plan->events->n; c++)
        append_value(telling, table, c, event, label);
    table->length++;
}

/* The same; what state_learn does not look at is NULL. */
static void append_learnt(const struct telling *telling, struct table *table, int64_t event, int64_t label)
{
    const struct plan *plan = telling->trial->plan;
    for (int c = 0; c < plan->events->n; c++) {
        bool known = plan->late[c].is_late || state_learns_from(telling->state, c);
        append_value(telling, table, c, known ? event : -1, label);
    }
    table->length++;
}

/* ---- labels ---- */

static int learn(struct telling *telling, struct error *error)
{
    int rc = telling->now.length
                 ? state_learn(telling->state, &telling->before, &telling->now, telling->arrivals, error)
                 : OK;
    table_clear(&telling->before);
    table_clear(&telling->now);
    return rc;
}

/* Labels that come before event `at`, some at a time. */
static int tell_labels(struct telling *telling, int64_t at, struct error *error)
{
    const struct labels *labels = telling->later->labels;
    int rc = OK;
    for (; rc == OK && labels && telling->label < labels->n; telling->label++) {
        const struct label *label = &labels->list[telling->label];
        int64_t *said = &telling->said[label->event];
        if (label->position > at)
            break;
        if (!telling->expected->entered[label->event] || telling->is_gone[label->event] ||
            (*said >= 0 && label->time < labels->list[*said].time))
            continue;
        telling->arrivals[telling->now.length] = telling->numbers[label->event];
        append_learnt(telling, &telling->before, label->event, *said);
        append_learnt(telling, &telling->now, label->event, telling->label);
        *said = telling->label;
        if (telling->now.length == MOST_AT_ONCE || random_chance(&telling->trial->random, 40))
            rc = learn(telling, error);
    }
    return rc == OK ? learn(telling, error) : rc;
}

/* ---- erasures ---- */

/* All that come before event `at`. */
static int erase(struct telling *telling, int64_t at, struct error *error)
{
    const struct erasures *erasures = telling->later->erasures;
    int rc = OK;
    table_clear(&telling->erased);
    for (; erasures && telling->erasure < erasures->n; telling->erasure++) {
        const struct erasure *erasure = &erasures->list[telling->erasure];
        if (erasure->position > at)
            break;
        if (!telling->expected->entered[erasure->event])
            continue;
        telling->gone[telling->erased.length] = telling->numbers[erasure->event];
        telling->is_gone[erasure->event] = true;
        append_event(telling, &telling->erased, erasure->event, telling->said[erasure->event]);
        telling->trial->run->erased++;
    }
    if (telling->erased.length)
        rc = state_forget(telling->state, &telling->erased, telling->gone, telling->traces, error);
    for (int f = 0; f < telling->trial->plan->features->n; f++)
        if (telling->traces[f] && at < telling->traced[f])
            telling->traced[f] = at;
    return rc;
}

/* ---- events ---- */

static int64_t next_batch(struct telling *telling, int64_t from, int64_t size)
{
    const struct labels *labels = telling->later->labels;
    const struct erasures *erasures = telling->later->erasures;
    int64_t n = telling->trial->events.length - from;
    n = size > 0 && size < n ? size : 1 + random_below(&telling->trial->random, n);
    if (labels && telling->label < labels->n && labels->list[telling->label].position - from < n)
        n = labels->list[telling->label].position - from;
    if (erasures && telling->erasure < erasures->n && erasures->list[telling->erasure].position - from < n)
        n = erasures->list[telling->erasure].position - from;
    return n;
}

/* Arrival numbers with gaps: a journal numbers labels, too. */
static int take(struct telling *telling, int64_t from, int64_t n, struct error *error)
{
    int64_t arrival = state_arrival(telling->state) + random_below(&telling->trial->random, telling->gap);
    state_set_arrival(telling->state, arrival);
    table_clear(&telling->batch);
    int rc = table_append(&telling->batch, &telling->trial->events, from, n, error);
    if (rc == OK)
        rc = state_take(telling->state, &telling->batch, &telling->out, error);
    for (int64_t i = 0; rc == OK && i < n; i++) {
        telling->numbers[from + i] = arrival + i;
        if (state_entered(telling->state)[i] != telling->expected->entered[from + i])
            trial_fail(telling->trial, telling->what, "event %lld: entered or not", (long long)(from + i));
    }
    return rc == OK ? table_append(&telling->all, &telling->out, 0, n, error) : rc;
}

static int tell_all(struct telling *telling, int64_t size, bool restarts, struct error *error)
{
    struct trial *trial = telling->trial;
    int rc = OK;
    for (int64_t from = 0; rc == OK && from < trial->events.length;) {
        rc = tell_labels(telling, from, error);
        if (rc == OK)
            rc = erase(telling, from, error);
        if (rc == OK && restarts && random_chance(&trial->random, 8)) {
            telling->options.threads = 1 + (int)random_below(&trial->random, 3);
            rc = reborn(trial->plan, &telling->options, &telling->state, error);
        }
        int64_t n = next_batch(telling, from, size);
        if (rc == OK)
            rc = take(telling, from, n, error);
        from += n;
    }
    return rc;
}

/* ---- */

static void compare(struct telling *telling)
{
    const struct schema *features = telling->trial->plan->features;
    for (int f = 0; f < features->n; f++) {
        const struct column *expected = &telling->expected->features.columns[f],
                            *found = &telling->all.columns[f];
        telling->trial->run->traced += telling->traces[f];
        for (int64_t i = 0; i < telling->traced[f]; i++)
            if (!same_bits(expected, found, &features->fields[f].type, i)) {
                trial_differs(telling->trial, telling->what, f, i, expected, found);
                return;
            }
    }
}

static void begin(struct telling *telling)
{
    const struct plan *plan = telling->trial->plan;
    size_t rows = (size_t)telling->trial->events.length, n = (size_t)plan->features->n;
    struct error error = {0};
    telling->gone = memory_new(rows, sizeof *telling->gone);
    telling->said = memory_new(rows, sizeof *telling->said);
    telling->numbers = memory_new(rows, sizeof *telling->numbers);
    telling->is_gone = memory_new(rows, sizeof *telling->is_gone);
    telling->traces = memory_new(n, sizeof *telling->traces);
    telling->traced = memory_new(n, sizeof *telling->traced);
    if (!telling->gone || !telling->said || !telling->numbers || !telling->is_gone || !telling->traces ||
        !telling->traced || table_init(&telling->before, plan->events, NULL) != OK ||
        table_init(&telling->now, plan->events, NULL) != OK ||
        table_init(&telling->erased, plan->events, NULL) != OK ||
        table_init(&telling->batch, plan->events, NULL) != OK ||
        table_init(&telling->out, plan->features, NULL) != OK ||
        table_init(&telling->all, plan->features, NULL) != OK ||
        table_reserve(&telling->before, MOST_AT_ONCE, NULL) != OK ||
        table_reserve(&telling->now, MOST_AT_ONCE, NULL) != OK ||
        table_reserve(&telling->erased, telling->trial->events.length, NULL) != OK ||
        state_new(telling->trial->plan, &telling->options, &telling->state, &error) != OK)
        abort();
    for (size_t i = 0; i < rows; i++)
        telling->said[i] = -1;
    for (size_t f = 0; f < n; f++)
        telling->traced[f] = (int64_t)rows;
}

static void end(struct telling *telling)
{
    table_done(&telling->before);
    table_done(&telling->now);
    table_done(&telling->erased);
    table_done(&telling->batch);
    table_done(&telling->out);
    table_done(&telling->all);
    state_free(telling->state);
    free(telling->gone);
    free(telling->said);
    free(telling->numbers);
    free(telling->is_gone);
    free(telling->traces);
    free(telling->traced);
}

static void tell_in_batches(struct trial *trial, const struct later *later, const struct rescan *expected,
                            int threads, int64_t size, bool restarts, const char *what)
{
    struct telling telling = {.trial = trial,
                              .later = later,
                              .expected = expected,
                              .what = what,
                              .options = {.threads = threads,
                                          .lateness_us = trial->made.lateness,
                                          .max_ahead_us = later->max_ahead,
                                          .learns = later->labels != NULL,
                                          .forgets = later->erasures || size < 0},
                              .gap = restarts ? INT64_C(1) << 33 : 3};
    struct error error = {0};
    begin(&telling);
    if (tell_all(&telling, size, restarts, &error) == OK)
        compare(&telling);
    else
        trial_fail(trial, what, "%s", error.message);
    end(&telling);
}

void compare_later(struct trial *trial, const struct later *later, const char *what)
{
    struct rescan_options options = {.lateness = trial->made.lateness,
                                     .max_ahead = later->max_ahead,
                                     .labels = later->labels,
                                     .erasures = later->erasures};
    struct rescan expected;
    struct error error = {0};
    char text[100];
    if (rescan_run(trial->plan, &trial->events, &options, &expected, &error) != OK)
        abort();
    snprintf(text, sizeof text, "%s, batches of one", what);
    tell_in_batches(trial, later, &expected, 1, 1, false, text);
    snprintf(text, sizeof text, "%s, three threads", what);
    tell_in_batches(trial, later, &expected, 3, -1, false, text);
    snprintf(text, sizeof text, "%s, restarts", what);
    tell_in_batches(trial, later, &expected, 2, -1, true, text);
    coverage_note(&trial->run->coverage, trial->plan, &expected);
    trial->run->ahead += expected.ahead;
    rescan_done(&expected);
}

bool can_learn(const struct plan *plan)
{
    bool late = false;
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        if (leakage_is_stuck(plan, window))
            return false;
        late |=
            window->slot >= 0 && leakage_slot_column(&plan->groups[window->group].slots[window->slot]) >= 0;
    }
    return late;
}
