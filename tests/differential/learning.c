/* A state that is told labels later than their events, against the rescan that knows when each arrived. */
#include <stdlib.h>
#include <string.h>

#include "differential/reborn.h"
#include "differential/trial.h"
#include "feature/state.h"

enum { MOST_AT_ONCE = 5 };

/* A class that has been told labels up to `next`. */
struct pupil {
    struct trial *trial;
    const struct labels *labels;
    const struct rescan *expected;
    struct state_options options;
    struct state *state;
    struct table before, now, batch, out, all;
    int64_t arrivals[MOST_AT_ONCE];
    int64_t *said, *numbers; /* per event: the label that counts, or -1; its arrival number */
    int64_t next, gap;
};

/* Appends an event with its late columns as a label has them; what state_learn does not look at is NULL. */
static void append_event(const struct pupil *pupil, struct table *table, int64_t event, int64_t label)
{
    const struct plan *plan = pupil->trial->plan;
    for (int c = 0; c < plan->events->n; c++) {
        const struct type *type = &plan->events->fields[c].type;
        if (plan->late[c].is_late)
            labels_append(&table->columns[c], type, &pupil->labels->values.columns[c],
                          label < 0 ? -1 : pupil->labels->list[label].source);
        else
            labels_append(&table->columns[c], type, &pupil->trial->events.columns[c],
                          state_learns_from(pupil->state, c) ? event : -1);
    }
    table->length++;
}

static int tell(struct pupil *pupil, struct error *error)
{
    int rc = pupil->now.length
                 ? state_learn(pupil->state, &pupil->before, &pupil->now, pupil->arrivals, error)
                 : OK;
    table_clear(&pupil->before);
    table_clear(&pupil->now);
    return rc;
}

/* Labels that come before event `at`, some at a time. */
static int tell_labels(struct pupil *pupil, int64_t at, struct error *error)
{
    int rc = OK;
    for (; rc == OK && pupil->next < pupil->labels->n; pupil->next++) {
        const struct label *label = &pupil->labels->list[pupil->next];
        int64_t *said = &pupil->said[label->event];
        if (label->position > at)
            break;
        if (!pupil->expected->entered[label->event] ||
            (*said >= 0 && label->time < pupil->labels->list[*said].time))
            continue;
        pupil->arrivals[pupil->now.length] = pupil->numbers[label->event];
        append_event(pupil, &pupil->before, label->event, *said);
        append_event(pupil, &pupil->now, label->event, pupil->next);
        *said = pupil->next;
        if (pupil->now.length == MOST_AT_ONCE || random_chance(&pupil->trial->random, 40))
            rc = tell(pupil, error);
    }
    return rc == OK ? tell(pupil, error) : rc;
}

static int64_t next_batch(struct pupil *pupil, int64_t from, int64_t size)
{
    int64_t left = pupil->trial->events.length - from;
    int64_t until = pupil->next < pupil->labels->n ? pupil->labels->list[pupil->next].position - from : left;
    int64_t n = size > 0 ? size : 1 + random_below(&pupil->trial->random, left);
    n = n < until ? n : until;
    return n < left ? n : left;
}

/* Arrival numbers with gaps: a journal numbers labels, too. */
static int take(struct pupil *pupil, int64_t from, int64_t n, struct error *error)
{
    int64_t arrival = state_arrival(pupil->state) + random_below(&pupil->trial->random, pupil->gap);
    state_set_arrival(pupil->state, arrival);
    table_clear(&pupil->batch);
    int rc = table_append(&pupil->batch, &pupil->trial->events, from, n, error);
    if (rc == OK)
        rc = state_take(pupil->state, &pupil->batch, &pupil->out, error);
    if (rc != OK)
        return rc;
    for (int64_t i = 0; i < n; i++) {
        pupil->numbers[from + i] = arrival + i;
        if (state_entered(pupil->state)[i] != pupil->expected->entered[from + i])
            trial_fail(pupil->trial, "labels", "event %lld: entered or not", (long long)(from + i));
    }
    return table_append(&pupil->all, &pupil->out, 0, n, error);
}

static int learn_all(struct pupil *pupil, int64_t size, bool restarts, struct error *error)
{
    struct trial *trial = pupil->trial;
    int rc = OK;
    for (int64_t from = 0; rc == OK && from < trial->events.length;) {
        rc = tell_labels(pupil, from, error);
        if (rc == OK && restarts && random_chance(&trial->random, 5)) {
            pupil->options.threads = 1 + (int)random_below(&trial->random, 3);
            rc = reborn(trial->plan, &pupil->options, &pupil->state, error);
        }
        int64_t n = next_batch(pupil, from, size);
        if (rc == OK)
            rc = take(pupil, from, n, error);
        from += n;
    }
    return rc;
}

static void learn_in_batches(struct trial *trial, const struct labels *labels, const struct rescan *expected,
                             int threads, int64_t size, bool restarts, const char *what)
{
    struct pupil pupil = {.trial = trial,
                          .labels = labels,
                          .expected = expected,
                          .options = {.threads = threads,
                                      .lateness_us = trial->made.lateness,
                                      .learns = true,
                                      .forgets = size < 0},
                          .said = memory_new((size_t)trial->events.length, sizeof *pupil.said),
                          .numbers = memory_new((size_t)trial->events.length, sizeof *pupil.numbers),
                          .gap = restarts ? INT64_C(1) << 33 : 3};
    struct error error = {0};
    struct schema *events = trial->plan->events, *features = trial->plan->features;
    if (!pupil.said || !pupil.numbers || table_init(&pupil.before, events, NULL) != OK ||
        table_init(&pupil.now, events, NULL) != OK || table_init(&pupil.batch, events, NULL) != OK ||
        table_init(&pupil.out, features, NULL) != OK || table_init(&pupil.all, features, NULL) != OK ||
        table_reserve(&pupil.before, MOST_AT_ONCE, NULL) != OK ||
        table_reserve(&pupil.now, MOST_AT_ONCE, NULL) != OK ||
        state_new(trial->plan, &pupil.options, &pupil.state, &error) != OK)
        abort();
    for (int64_t i = 0; i < trial->events.length; i++)
        pupil.said[i] = -1;
    if (learn_all(&pupil, size, restarts, &error) == OK)
        compare_bits(trial, what, &expected->features, &pupil.all);
    else
        trial_fail(trial, what, "%s", error.message);
    table_done(&pupil.before);
    table_done(&pupil.now);
    table_done(&pupil.batch);
    table_done(&pupil.out);
    table_done(&pupil.all);
    state_free(pupil.state);
    free(pupil.said);
    free(pupil.numbers);
}

/* Has the plan windows over late columns, all of which can follow? */
static bool can_learn(const struct plan *plan)
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

void compare_learning(struct trial *trial)
{
    struct labels labels;
    struct rescan expected;
    struct error error = {0};
    if (!can_learn(trial->plan))
        return;
    labels_make(&trial->random, &trial->made, trial->plan, &labels);
    struct rescan_options options = {.lateness = trial->made.lateness, .labels = &labels};
    if (rescan_run(trial->plan, &trial->events, &options, &expected, &error) != OK)
        abort();
    learn_in_batches(trial, &labels, &expected, 1, 1, false, "labels, batches of one");
    learn_in_batches(trial, &labels, &expected, 3, -1, false, "labels, three threads");
    learn_in_batches(trial, &labels, &expected, 2, -1, true, "labels, restarts");
    compare_book(trial, &labels);
    coverage_note(&trial->run->coverage, trial->plan, &expected);
    trial->run->taught++;
    trial->run->labels += labels.n;
    rescan_done(&expected);
    labels_done(&labels);
}
