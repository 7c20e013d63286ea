/*
 * Taking events: four steps per slice of a batch.
 *
 *   1. before:  slots and key parts of every row, by the expression program        rows split over threads
 *   2. order:   high water and floor of every row; VARCHAR keys to numbers         one thread, a few ns a row
 *   3. windows: find the entity, take the event, read the windows                  keys split over threads
 *   4. after:   features from columns and window results                           rows split over threads
 *
 * Step 3 looks ahead: first all entities of the slice are found with their buckets prefetched, then events
 * are taken with the entity of a later row on its way from memory. Which thread owns a key depends on the
 * number of threads; results do not, because entities do not know each other.
 */
#include "feature/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/parallel.h"
#include "feature/kernels.h"
#include "feature/layout.h"
#include "feature/strings.h"

enum {
    SLICE = 4096, /* rows per round: window results and slots of a slice stay in the second-level cache */
    RUN = 512,    /* rows per run of an expression program: its vectors stay in the caches, too */
    AHEAD_BUCKET = 16,
    AHEAD_ENTITY = 8,
};

/* What step 1 leaves for step 3, per group: arrays of SLICE rows. */
struct staged {
    struct layout layout;
    uint64_t *hashes, *keys, *marks;   /* keys: n_words per row */
    union value *values;               /* n_slots per row */
    struct entity **found;             /* per row: its entity */
    struct entities **shares;          /* one per thread */
    char **scratch;                    /* one entity's block per thread, for events that are not the newest */
    struct strings *strings;           /* VARCHAR key parts to numbers */
    struct text *texts;                /* SLICE x key parts, where a part is VARCHAR */
    int first_root;                    /* of the group's keys and slots in the before program */
};

struct state {
    struct plan *plan;
    struct state_options options;
    struct parallel *parallel;
    int threads;
    struct program **before, **after; /* one per thread */
    struct staged *groups;
    int64_t *times, *floors;          /* SLICE */
    struct vector *windows;           /* results of SLICE rows per window */
    struct column *time_column;
    int64_t high_water;
    bool started, failed;
    struct state_counters counters;
    int64_t *errors;                  /* expression errors per thread */
    int64_t *nulls;                   /* NULLs per thread and feature, of the slice */
    /* The batch at hand, for the tasks. */
    const struct table *events;
    struct table *features;
    int64_t from, n;
};

/* Rows of the slice that task t of n has in steps 1 and 4: multiples of 64, so that no two share a bitmap's
 * byte. */
static void share_of(int64_t rows, int task, int tasks, int64_t *ret_from, int64_t *ret_to)
{
    int64_t blocks = (rows + 63) / 64;
    *ret_from = blocks * task / tasks * 64;
    *ret_to = blocks * (task + 1) / tasks * 64;
    if (*ret_to > rows)
        *ret_to = rows;
}

/* The words of one key part: equal values give equal words (-0.0 is 0.0, every NaN the same). */
static void key_words(const struct vector *part, int64_t i, uint64_t *ret)
{
    switch (part->rep) {
    case REP_BOOLEAN:
        ret[0] = BOOLEANS(part)[i];
        break;
    case REP_WIDE:
        ret[0] = (uint64_t)WIDES(part)[i];
        ret[1] = (uint64_t)(WIDES(part)[i] >> 64);
        break;
    case REP_DOUBLE: {
        double value = DOUBLES(part)[i] == 0 ? 0 : DOUBLES(part)[i];
        memcpy(ret, &value, sizeof value);
        if (value != value)
            ret[0] = UINT64_C(0x7ff8000000000000);
        break;
    }
    case REP_INT:
        ret[0] = (uint64_t)INTS(part)[i];
        break;
    default:
        ret[0] = 0; /* filled in step 2 */
    }
}

static void stage_keys(struct staged *staged, const struct program *program, int64_t row, int64_t n,
                       int64_t *errors)
{
    const struct group *group = staged->layout.group;
    int words = staged->layout.n_words;
    for (int64_t i = 0; i < n; i++) {
        uint64_t *key = staged->keys + (row + i) * words, *word = key, nulls = 0;
        for (size_t k = 0; k < group->n_keys; k++) {
            const struct vector *part = program_root(program, staged->first_root + (int)k);
            int width = part->rep == REP_WIDE ? 2 : 1;
            word[0] = word[width - 1] = 0;
            /* A key that could not be computed is as unknown as a NULL one. */
            *errors += part->state[i] == STATE_ERROR;
            if (part->state[i] == STATE_VALUE)
                key_words(part, i, word);
            else
                nulls |= UINT64_C(1) << (k & 63);
            if (part->rep == REP_TEXT)
                staged->texts[(row + i) * (int64_t)group->n_keys + (int64_t)k] =
                    part->state[i] == STATE_VALUE ? TEXTS(part)[i] : (struct text){NULL, 0};
            word += width;
        }
        *word = nulls;
    }
}

static void stage_slots(struct staged *staged, const struct program *program, int64_t row, int64_t n,
                        int64_t *errors)
{
    const struct group *group = staged->layout.group;
    int root = staged->first_root + (int)group->n_keys;
    memset(staged->marks + row, 0, (size_t)n * sizeof *staged->marks);
    for (size_t s = 0; s < group->n_slots; s++) {
        const struct slot *slot = &group->slots[s];
        const struct vector *argument = slot->argument ? program_root(program, root++) : NULL;
        const struct vector *filter = slot->filter ? program_root(program, root++) : NULL;
        size_t width = argument ? rep_width(argument->rep) : 0;
        for (int64_t i = 0; i < n; i++) {
            bool wanted = !filter || (filter->state[i] == STATE_VALUE && BOOLEANS(filter)[i]);
            bool marked = wanted && (!argument || argument->state[i] == STATE_VALUE);
            /* What cannot be computed is not aggregated, like NULL, but it is counted. */
            *errors += (filter && filter->state[i] == STATE_ERROR) ||
                       (wanted && argument && argument->state[i] == STATE_ERROR);
            staged->marks[row + i] |= (uint64_t)marked << s;
            union value *value = &staged->values[(row + i) * (int64_t)group->n_slots + (int64_t)s];
            if (!argument || argument->rep == REP_BOOLEAN)
                value->integer = argument ? BOOLEANS(argument)[i] : 0;
            else
                memcpy(value, (const char *)argument->data + (size_t)i * width, width);
        }
    }
}

static void hash_keys(struct staged *staged, int64_t from, int64_t to)
{
    int words = staged->layout.n_words;
    for (int64_t i = from; i < to; i++) {
        uint64_t hash = 0;
        for (int w = 0; w < words; w++)
            hash = hash_word(staged->keys[i * words + w], hash);
        staged->hashes[i] = hash;
    }
}

static void step_before(void *context, int task)
{
    struct state *state = context;
    int64_t from, to;
    share_of(state->n, task, state->threads, &from, &to);
    for (int64_t row = from; row < to; row += RUN) {
        int64_t n = to - row < RUN ? to - row : RUN;
        program_run(state->before[task], state->events, state->plan->events, state->from + row, n, NULL, 0);
        for (size_t g = 0; g < state->plan->n_groups; g++) {
            struct staged *staged = &state->groups[g];
            stage_keys(staged, state->before[task], row, n, &state->errors[task]);
            stage_slots(staged, state->before[task], row, n, &state->errors[task]);
            if (!staged->texts)
                hash_keys(staged, row, row + n);
        }
    }
}

static int64_t event_time(const struct state *state, int64_t i)
{
    int column = state->plan->time_column;
    return column_int(&state->events->columns[column], &state->plan->events->fields[column].type, i) *
           state->plan->time_scale;
}

static bool step_order(struct state *state)
{
    for (int64_t i = 0; i < state->n; i++) {
        int64_t time = event_time(state, state->from + i);
        if (state->started && time < state->high_water) {
            state->counters.late++;
            state->counters.too_late += time < state->high_water - state->options.lateness_us;
        } else {
            state->high_water = time;
            state->started = true;
        }
        state->times[i] = time;
        state->floors[i] = state->high_water - state->options.lateness_us;
    }
    for (size_t g = 0; g < state->plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        if (!staged->texts)
            continue;
        int64_t n_keys = (int64_t)staged->layout.group->n_keys;
        for (int64_t i = 0; i < state->n; i++) {
            int at = 0;
            for (int64_t k = 0; k < n_keys; k++) {
                enum rep rep = staged->layout.group->keys[k]->rep;
                struct text text = staged->texts[i * n_keys + k];
                if (rep == REP_TEXT && text.data &&
                    !strings_number(staged->strings, text, &staged->keys[i * staged->layout.n_words + at]))
                    return false;
                at += rep == REP_WIDE ? 2 : 1;
            }
        }
        hash_keys(staged, 0, state->n);
    }
    return true;
}

static bool take_event(struct state *state, struct staged *staged, int share, int64_t i)
{
    const struct layout *layout = &staged->layout;
    struct arrival arrival = {.time = state->times[i],
                              .floor = state->floors[i],
                              .marks = staged->marks[i],
                              .values = staged->values + i * (int64_t)layout->group->n_slots};
    struct view view;
    if (!entity_take(layout, staged->found[i], &arrival, staged->scratch[share], &view))
        return false;
    view_read(layout, &view, state->windows, i);
    if (arrival.time < arrival.floor)
        entity_untake(layout, staged->found[i], &arrival);
    return true;
}

/* Task = group x share of its keys. */
static void step_windows(void *context, int task)
{
    struct state *state = context;
    struct staged *staged = &state->groups[task / state->threads];
    int share = task % state->threads, words = staged->layout.n_words;
    struct entities *entities = staged->shares[share];
    uint32_t rows[SLICE];
    int n = 0;
    for (int64_t i = 0; i < state->n; i++)
        if (state->threads == 1 || (int)((staged->hashes[i] >> 32) % (uint64_t)state->threads) == share)
            rows[n++] = (uint32_t)i;
    for (int j = 0; j < n; j++) {
        if (j + AHEAD_BUCKET < n)
            entities_prefetch(entities, staged->hashes[rows[j + AHEAD_BUCKET]]);
        uint32_t i = rows[j];
        staged->found[i] =
            entities_find(entities, staged->hashes[i], staged->keys + (size_t)i * (size_t)words);
        if (!staged->found[i]) {
            __atomic_store_n(&state->failed, true, __ATOMIC_RELAXED);
            return;
        }
    }
    for (int j = 0; j < n; j++) {
        if (j + 2 * AHEAD_ENTITY < n) {
            const char *entity = (const char *)staged->found[rows[j + 2 * AHEAD_ENTITY]];
            for (size_t line = 0; line < staged->layout.entity_size; line += 64)
                __builtin_prefetch(entity + line);
        }
        if (j + AHEAD_ENTITY < n)
            entity_prefetch(&staged->layout, staged->found[rows[j + AHEAD_ENTITY]]);
        if (!take_event(state, staged, share, rows[j])) {
            __atomic_store_n(&state->failed, true, __ATOMIC_RELAXED);
            return;
        }
    }
}

static void step_after(void *context, int task)
{
    struct state *state = context;
    int tasks = state->plan->has_text ? 1 : state->threads;
    int64_t from, to;
    share_of(state->n, task, tasks, &from, &to);
    for (int64_t row = from; row < to; row += RUN) {
        int64_t n = to - row < RUN ? to - row : RUN;
        program_run(state->after[task], state->events, state->plan->events, state->from + row, n,
                    state->windows, row);
        for (int f = 0; f < state->plan->features->n; f++) {
            const struct vector *vector = program_root(state->after[task], f);
            int64_t *nulls = &state->nulls[task * state->plan->features->n + f];
            if (!vector_put(vector, n, &state->plan->features->fields[f].type, &state->features->columns[f],
                            state->from + row, nulls, &state->errors[task]))
                __atomic_store_n(&state->failed, true, __ATOMIC_RELAXED);
        }
    }
}

static int refuse_event(const struct state *state, const struct table *events, int64_t i, const char *reason,
                        struct error *error)
{
    const struct plan *plan = state->plan;
    error_set(error, CODE_INVALID, "%s is %s", plan->events->fields[plan->time_column].name, reason);
    if (events->first_row) {
        error_prefix(error, "row %lld", (long long)(events->first_row + i));
        error_at(error, NULL, events->first_row + i, 0);
    }
    return CODE_INVALID;
}

/* Before anything is taken: every event needs a time, and one that can be computed with. */
static int check_events(const struct state *state, const struct table *events, struct error *error)
{
    int index = state->plan->time_column;
    if (index < 0)
        return OK;
    const struct column *column = &events->columns[index];
    const struct type *type = &state->plan->events->fields[index].type;
    int64_t most = LIMIT_EVENT_TIME / state->plan->time_scale;
    for (int64_t i = 0; i < events->length; i++) {
        if (column_is_null(column, i))
            return refuse_event(state, events, i, "NULL: every event needs its time", error);
        int64_t time = column_int(column, type, i);
        if (time > most || time < -most)
            return refuse_event(state, events, i, "out of the range of event times", error);
    }
    return OK;
}

/* Makes room for n features, bitmaps included, and marks the columns as long as they will be. */
static int prepare_features(struct table *features, int64_t n, struct error *error)
{
    table_clear(features);
    int rc = table_reserve(features, n, error);
    for (int f = 0; rc == OK && f < features->schema->n; f++) {
        struct column *column = &features->columns[f];
        column->length = features->schema->fields[f].type.id == TYPE_VARCHAR ? 0 : n;
    }
    return rc;
}

static int take_slice(struct state *state, struct error *error)
{
    int tasks = state->plan->has_text ? 1 : state->threads, n_features = state->plan->features->n;
    memset(state->nulls, 0, (size_t)(state->threads * n_features) * sizeof *state->nulls);
    if (state->plan->n_groups) {
        parallel_for(state->parallel, state->threads, step_before, state);
        if (!step_order(state))
            state->failed = true;
        else
            parallel_for(state->parallel, (int)state->plan->n_groups * state->threads, step_windows, state);
    }
    if (!state->failed)
        parallel_for(state->parallel, tasks, step_after, state);
    if (state->failed)
        return error_set(error, CODE_MEMORY, "no memory for the windows; the state can no longer be used");
    for (int t = 0; t < state->threads; t++)
        for (int f = 0; f < n_features; f++)
            state->features->columns[f].nulls += state->nulls[t * n_features + f];
    return OK;
}

int state_take(struct state *state, const struct table *events, struct table *ret_features,
               struct error *error)
{
    if (state->failed)
        return error_set(error, CODE_MEMORY, "the state ran out of memory before and can no longer be used");
    int rc = check_events(state, events, error);
    if (rc == OK)
        rc = prepare_features(ret_features, events->length, error);
    if (rc != OK)
        return rc;
    state->events = events;
    state->features = ret_features;
    for (int64_t from = 0; rc == OK && from < events->length; from += SLICE) {
        state->from = from;
        state->n = events->length - from < SLICE ? events->length - from : SLICE;
        rc = take_slice(state, error);
    }
    if (rc != OK) {
        table_clear(ret_features);
        return rc;
    }
    int64_t errors = 0;
    for (int t = 0; t < state->threads; t++) {
        errors += state->errors[t];
        state->errors[t] = 0;
    }
    state->counters.events += events->length;
    state->counters.expression_errors += errors;
    ret_features->length = events->length;
    ret_features->first_row = events->first_row;
    if (errors && state->options.strict)
        return error_set(error, CODE_INVALID,
                         "%lld features could not be computed (overflow or a function outside its domain)",
                         (long long)errors);
    return OK;
}

/* The before program's roots: for each group its key parts, then each slot's argument and filter. */
static struct expr **before_roots(struct state *state, int *ret_n)
{
    const struct plan *plan = state->plan;
    size_t n = 0;
    for (size_t g = 0; g < plan->n_groups; g++)
        n += plan->groups[g].n_keys + 2 * plan->groups[g].n_slots;
    struct expr **roots = memory_new(n, sizeof *roots);
    int at = 0;
    for (size_t g = 0; roots && g < plan->n_groups; g++) {
        const struct group *group = &plan->groups[g];
        state->groups[g].first_root = at;
        for (size_t k = 0; k < group->n_keys; k++)
            roots[at++] = group->keys[k];
        for (size_t s = 0; s < group->n_slots; s++) {
            if (group->slots[s].argument)
                roots[at++] = group->slots[s].argument;
            if (group->slots[s].filter)
                roots[at++] = group->slots[s].filter;
        }
    }
    *ret_n = at;
    return roots;
}

static int new_programs(struct state *state, struct error *error)
{
    int n_before;
    struct expr **roots = before_roots(state, &n_before);
    if (!roots)
        return error_set(error, CODE_MEMORY, "no memory for the plan's expressions");
    int rc = OK;
    for (int t = 0; rc == OK && t < state->threads; t++) {
        rc = program_new(roots, n_before, RUN, &state->before[t], error);
        if (rc == OK)
            rc = program_new(state->plan->roots, state->plan->features->n, RUN, &state->after[t], error);
    }
    free(roots);
    return rc;
}

static int new_staged(struct state *state, size_t g, struct error *error)
{
    struct staged *staged = &state->groups[g];
    const struct group *group = &state->plan->groups[g];
    int rc = layout_new(state->plan, (int)g, &staged->layout, error);
    if (rc != OK)
        return rc;
    bool text = false;
    for (size_t k = 0; k < group->n_keys; k++)
        text |= group->keys[k]->rep == REP_TEXT;
    staged->hashes = memory_new(SLICE, sizeof *staged->hashes);
    staged->keys = memory_new((size_t)SLICE * (size_t)staged->layout.n_words, sizeof *staged->keys);
    staged->marks = memory_new(SLICE, sizeof *staged->marks);
    staged->values = memory_new(SLICE * group->n_slots, sizeof *staged->values);
    staged->found = memory_new(SLICE, sizeof *staged->found);
    staged->shares = memory_new((size_t)state->threads, sizeof *staged->shares);
    staged->scratch = memory_new((size_t)state->threads, sizeof *staged->scratch);
    if (text) {
        staged->texts = memory_new(SLICE * group->n_keys, sizeof *staged->texts);
        staged->strings = strings_new();
    }
    if (!staged->hashes || !staged->keys || !staged->marks || !staged->values || !staged->found ||
        !staged->shares || !staged->scratch || (text && (!staged->texts || !staged->strings)))
        return error_set(error, CODE_MEMORY, "no memory for the windows");
    for (int t = 0; rc == OK && t < state->threads; t++) {
        staged->scratch[t] = memory_aligned(staged->layout.entity_size);
        if (!staged->scratch[t])
            return error_set(error, CODE_MEMORY, "no memory for the windows");
        memset(staged->scratch[t], 0, staged->layout.entity_size);
        rc = entities_new(&staged->layout, &staged->shares[t], error);
    }
    return rc;
}

static int new_windows(struct state *state, struct error *error)
{
    for (size_t w = 0; w < state->plan->n_windows; w++) {
        struct vector *vector = &state->windows[w];
        vector->rep = state->plan->windows[w].rep;
        vector->data = memory_aligned(SLICE * rep_width(vector->rep));
        vector->state = memory_aligned(SLICE);
        if (!vector->data || !vector->state)
            return error_set(error, CODE_MEMORY, "no memory for the windows");
    }
    return OK;
}

int state_new(struct plan *plan, const struct state_options *options, struct state **ret, struct error *error)
{
    struct state *state = memory_new(1, sizeof *state);
    if (!state)
        return error_set(error, CODE_MEMORY, "no memory for the windows");
    state->plan = plan_ref(plan);
    state->options = *options;
    if (state->options.lateness_us > LIMIT_EVENT_TIME)
        state->options.lateness_us = LIMIT_EVENT_TIME;
    int rc = parallel_new(options->threads > 0 ? options->threads : 1, &state->parallel, error);
    if (rc != OK)
        goto fail;
    state->threads = parallel_threads(state->parallel);
    size_t threads = (size_t)state->threads;
    state->before = memory_new(threads, sizeof *state->before);
    state->after = memory_new(threads, sizeof *state->after);
    state->groups = memory_new(plan->n_groups, sizeof *state->groups);
    state->times = memory_new(SLICE, sizeof *state->times);
    state->floors = memory_new(SLICE, sizeof *state->floors);
    state->windows = memory_new(plan->n_windows, sizeof *state->windows);
    state->errors = memory_new(threads, sizeof *state->errors);
    state->nulls = memory_new(threads * (size_t)plan->features->n, sizeof *state->nulls);
    if (!state->before || !state->after || !state->groups || !state->times || !state->floors ||
        !state->windows || !state->errors || !state->nulls)
        rc = error_set(error, CODE_MEMORY, "no memory for the windows");
    for (size_t g = 0; rc == OK && g < plan->n_groups; g++)
        rc = new_staged(state, g, error);
    if (rc == OK)
        rc = new_windows(state, error);
    if (rc == OK)
        rc = new_programs(state, error);
    if (rc != OK)
        goto fail;
    *ret = state;
    return OK;
fail:
    state_free(state);
    return rc;
}

static void free_staged(struct state *state, struct staged *staged)
{
    for (int t = 0; t < state->threads; t++) {
        if (staged->shares)
            entities_free(staged->shares[t]);
        if (!staged->scratch || !staged->scratch[t])
            continue;
        for (int a = 0; a < staged->layout.n_accumulators; a++)
            if (staged->layout.accumulators[a].summed)
                exact_done((struct exact *)(staged->scratch[t] + staged->layout.accumulators[a].offset));
        free(staged->scratch[t]);
    }
    free(staged->shares);
    free(staged->scratch);
    free(staged->hashes);
    free(staged->keys);
    free(staged->marks);
    free(staged->values);
    free(staged->found);
    free(staged->texts);
    strings_free(staged->strings);
    layout_done(&staged->layout);
}

void state_free(struct state *state)
{
    if (!state)
        return;
    for (size_t g = 0; state->groups && g < state->plan->n_groups; g++)
        free_staged(state, &state->groups[g]);
    for (size_t w = 0; state->windows && w < state->plan->n_windows; w++) {
        free(state->windows[w].data);
        free(state->windows[w].state);
    }
    for (int t = 0; t < state->threads; t++) {
        if (state->before)
            program_free(state->before[t]);
        if (state->after)
            program_free(state->after[t]);
    }
    free(state->before);
    free(state->after);
    free(state->groups);
    free(state->times);
    free(state->floors);
    free(state->windows);
    free(state->errors);
    free(state->nulls);
    parallel_free(state->parallel);
    plan_unref(state->plan);
    free(state);
}

void state_counters(const struct state *state, struct state_counters *ret)
{
    struct state_counters counters = state->counters;
    for (size_t g = 0; g < state->plan->n_groups; g++)
        for (int t = 0; t < state->threads; t++) {
            const struct entities *entities = state->groups[g].shares[t];
            counters.entities += entities_count(entities);
            counters.retained += entities_retained(entities);
            counters.bytes += entities_bytes(entities);
        }
    *ret = counters;
}
