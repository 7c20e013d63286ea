/*
 * Taking events: four steps per slice of a batch.
 *
 *   1. before:  slots and key parts of every row, by the expression program        rows split over threads
 *   2. order:   high water and floor of every row; texts to numbers                one thread, a few ns a row
 *   3. windows: find the entity, take the event, read the windows                  keys split over threads
 *   4. after:   features from columns and window results                           rows split over threads
 *
 * Steps 1 to 3 are done once per level: windows over windows come after those they look at.
 *
 * Step 3 looks ahead: events are taken while the entities of later rows are on their way from memory. Which
 * thread owns a key depends on the number of threads; results do not, since entities do not know each other.
 */
#include "feature/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/parallel.h"
#include "base/units.h"
#include "feature/kernels.h"
#include "feature/ring.h"
#include "feature/state_struct.h"
#include "feature/strings.h"

enum {
    SLICE = 1024,        /* rows per round: its window results and slots stay in the second-level cache */
    SLICE_SHARED = 2048, /* the same for several threads, who wait for each other at its end */
    AHEAD = 8,           /* rows that go a step towards their entities together */
    FEW = 16,            /* rows at most that are taken group by group */
};

/* Rows of the slice that task t of n has in steps 1 and 4: multiples of 64, so that no two share a bitmap's
 * byte. */
static void share_of(int64_t rows, int task, int tasks, int64_t *ret_from, int64_t *ret_to)
{
    int64_t blocks = (rows + 63) / 64;
    *ret_from = 0;
    *ret_to = rows;
    if (tasks == 1)
        return;
    *ret_from = blocks * task / tasks * 64;
    *ret_to = blocks * (task + 1) / tasks * 64;
    if (*ret_to > rows)
        *ret_to = rows;
}

/* WHERE is the last root of level 0. */
static void find_wanted(struct state *state, const struct program *program, int root, int64_t row, int64_t n)
{
    const struct vector *where = program_root(program, root);
    for (int64_t i = 0; i < n; i++) {
        state->wanted[row + i] = where->state[i] == STATE_VALUE && BOOLEANS(where)[i];
        state->filtered[state->from + row + i] = !state->wanted[row + i];
    }
}

/* The bucket of a single event is on its way while what else the event brings is computed. */
static void ask_bucket(const struct state *state, const struct staged *staged)
{
    const uint32_t row = 0;
    for (int t = 0; t < state->threads && !staged->layout.n_text_keys; t++)
        entities_prefetch(staged->shares[t], staged->hashes, &row, 1);
}

static void step_before(void *context, int task)
{
    struct state *state = context;
    struct program *program = state->before[state->level][task];
    int64_t from, to;
    share_of(state->n, task, state->threads, &from, &to);
    for (int64_t row = from; row < to; row += RUN) {
        int64_t n = to - row < RUN ? to - row : RUN;
        program_run(program, state->events, state->plan->events, state->from + row, n, state->windows, row);
        if (state->wanted && state->level == 0)
            find_wanted(state, program, state->where_root, row, n);
        for (size_t g = 0; g < state->plan->n_groups; g++)
            if (state->groups[g].level == state->level) {
                stage_rows(&state->groups[g], program, row, n, state->wanted, &state->errors[task]);
                if (state->alone)
                    ask_bucket(state, &state->groups[g]);
            }
    }
}

static bool step_texts(struct state *state)
{
    if (!state->strings)
        return true;
    if (state->level == 0)
        strings_sweep(state->strings, state->n);
    for (size_t g = 0; g < state->plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        if (staged->level == state->level && stage_has_texts(staged) &&
            !stage_texts(staged, state->strings, state->n, state->wanted, ~UINT64_C(0)))
            return false;
    }
    return true;
}

static struct arrivals arrivals_of(const struct state *state, const struct staged *staged)
{
    return (struct arrivals){.times = state->times,
                             .floors = state->floors,
                             .marks = staged->marks,
                             .values = staged->values,
                             .entities = staged->found,
                             .number = state->arrival};
}

static bool take_events(struct state *state, struct staged *staged, int share, const uint32_t *rows, int n)
{
    struct arrivals arrivals = arrivals_of(state, staged);
    return arrivals_take(entities_share(staged->shares[share]), staged->steady, &arrivals, rows, n);
}

static void fail(struct state *state)
{
    __atomic_store_n(&state->failed, true, __ATOMIC_RELAXED);
}

/* The rows of a share of the keys. Windows of rows that WHERE leaves out are NULL; of others some steps
 * expect that they are values (steady.c). */
static int find_rows(const struct state *state, const struct staged *staged, int share, uint32_t *ret)
{
    int n = state->threads == 1 && !state->wanted ? (int)state->n : 0;
    for (int i = 0; i < n; i++)
        ret[i] = (uint32_t)i;
    /* Guessing whose a key is would be wrong half the time. */
    for (int64_t i = 0; state->threads > 1 && !state->wanted && i < state->n; i++) {
        ret[n] = (uint32_t)i;
        n += entities_owner(staged->hashes[i], state->threads) == share;
    }
    for (int64_t i = 0; state->wanted && i < state->n; i++) {
        bool wanted = state->wanted[i];
        bool mine = wanted ? entities_owner(staged->hashes[i], state->threads) == share : share == 0;
        for (int r = 0; mine && r < staged->layout.n_readings; r++)
            state->windows[staged->layout.readings[r].window].state[i] = wanted ? STATE_VALUE : STATE_NULL;
        if (mine && wanted)
            ret[n++] = (uint32_t)i;
    }
    return n;
}

/* An event's way to its entity, in steps so that memory is asked for long before it is used: its bucket, what
 * the bucket says (the entity), what the entity says (its ring), what that says (single events), and then the
 * event is taken. Each for n rows. */
static bool ask_rings(struct staged *staged, struct entities *entities, const uint32_t *rows, int n,
                      bool *ret_more)
{
    const struct layout *layout = &staged->layout;
    size_t n_words = (size_t)layout->n_words;
    for (int j = 0; j < n; j++) {
        uint32_t row = rows[j];
        const uint64_t *key = staged->keys + row * n_words;
        bool new = false;
        if (!entities_is(layout, staged->found[row], key))
            staged->found[row] = entities_find(entities, staged->hashes[row], key, &new);
        if (!staged->found[row])
            return false;
        /* Every row holds its texts; an entity holds them once. */
        if (layout->n_text_keys && !new)
            share_drop_key(entities_share(entities), key);
    }
    *ret_more = entity_prefetch(layout, staged->found, staged->values, rows, n);
    return true;
}

/* Every event may have left an entity with nothing. */
static void sweep(struct state *state, struct staged *staged, int share, int n)
{
    entities_sweep(staged->shares[share], state->high_water - state->options.lateness_us, n);
}

/* How many of a block's n rows there are. */
static int block_rows(int n, int block)
{
    int left = n - block * AHEAD;
    return block < 0 || left <= 0 ? 0 : left < AHEAD ? left : AHEAD;
}

static bool take_rows(struct state *state, struct staged *staged, int share, const uint32_t *rows, int n)
{
    struct entities *entities = staged->shares[share];
    struct arrivals arrivals = arrivals_of(state, staged);
    bool more = false;
    if (staged->steady)
        return arrivals_find_and_take(entities, staged->steady, &arrivals, staged->hashes, staged->keys, rows,
                                      n);
    for (int b = 0; b * AHEAD < n + 4 * AHEAD; b++) {
        const uint32_t *at = rows + (ptrdiff_t)b * AHEAD;
        entities_prefetch(entities, staged->hashes, at, block_rows(n, b));
        entities_guess(entities, staged->hashes, at - AHEAD, block_rows(n, b - 1), staged->found);
        if (more)
            entity_prefetch_more(&staged->layout, staged->found, staged->values, at - 3 * AHEAD,
                                 block_rows(n, b - 3));
        if (!ask_rings(staged, entities, at - 2 * AHEAD, block_rows(n, b - 2), &more) ||
            !take_events(state, staged, share, at - 4 * AHEAD, block_rows(n, b - 4)))
            return false;
    }
    return true;
}

/* Task = group x share of its keys. */
static void step_windows(void *context, int task)
{
    struct state *state = context;
    struct staged *staged = &state->groups[task / state->threads];
    int share = task % state->threads;
    uint32_t rows[SLICE_SHARED];
    if (staged->level != state->level)
        return;
    int64_t spilled = exact_spilled();
    int n = find_rows(state, staged, share, rows);
    if (!take_rows(state, staged, share, rows, n))
        fail(state);
    sweep(state, staged, share, n);
    entities_share(staged->shares[share])->bytes += exact_spilled() - spilled;
}

/* The same for few rows on one thread, where the groups rather than the rows are what memory can be asked for
 * together: an event waits three times, not three times per group. */
static bool take_few(struct state *state)
{
    uint32_t rows[FEW];
    struct staged *groups = state->groups;
    int n_groups = (int)state->plan->n_groups, n = 0;
    bool more = false, any_more = false;
    int64_t spilled = exact_spilled();
    for (int g = 0; g < n_groups; g++)
        if (groups[g].level == state->level) {
            n = find_rows(state, &groups[g], 0, rows);
            entities_prefetch(groups[g].shares[0], groups[g].hashes, rows, n);
        }
    for (int g = 0; g < n_groups; g++)
        if (groups[g].level == state->level)
            entities_guess(groups[g].shares[0], groups[g].hashes, rows, n, groups[g].found);
    /* While the entities of a single event are on their way, what its features need besides windows. */
    if (state->alone && !state->early) {
        program_run_early(state->after[0], state->events, state->plan->events, state->from, n);
        state->early = true;
    }
    for (int g = 0; g < n_groups; g++) {
        if (groups[g].level == state->level && !ask_rings(&groups[g], groups[g].shares[0], rows, n, &more))
            return false;
        any_more |= more;
    }
    for (int g = 0; any_more && g < n_groups; g++)
        if (groups[g].level == state->level)
            entity_prefetch_more(&groups[g].layout, groups[g].found, groups[g].values, rows, n);
    for (int g = 0; g < n_groups; g++)
        if (groups[g].level == state->level) {
            if (!take_events(state, &groups[g], 0, rows, n))
                return false;
            sweep(state, &groups[g], 0, n);
        }
    /* On one thread it makes no difference whose sums they are. */
    if (n_groups)
        entities_share(groups[0].shares[0])->bytes += exact_spilled() - spilled;
    return true;
}

/* Features of rows that WHERE leaves out are NULL, whatever they would be. */
static void blank(struct vector *vector, const uint8_t *wanted, uint8_t *states, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        states[i] = wanted[i] ? vector->state[i] : STATE_NULL;
    vector->state = states;
}

static void step_after(void *context, int task)
{
    struct state *state = context;
    uint8_t states[RUN];
    int tasks = state->plan->has_text ? 1 : state->threads;
    int64_t from, to;
    share_of(state->n, task, tasks, &from, &to);
    for (int64_t row = from; row < to; row += RUN) {
        int64_t n = to - row < RUN ? to - row : RUN;
        if (!state->early)
            program_run_early(state->after[task], state->events, state->plan->events, state->from + row, n);
        program_run_late(state->after[task], state->events, state->plan->events, state->from + row, n,
                         state->windows, row);
        const struct schema *schema = state->plan->features;
        int64_t *nulls = &state->nulls[task * schema->n];
        if (state->alone) {
            vectors_put_row(state->roots[task], schema, state->features->columns, &state->errors[task]);
            continue;
        }
        for (int f = 0; f < schema->n; f++) {
            const struct vector *root = state->roots[task][f];
            struct vector blanked;
            if (state->wanted) {
                blanked = *root;
                blank(&blanked, state->wanted + row, states, n);
                root = &blanked;
            }
            if (!vector_put(root, n, &schema->fields[f].type, &state->features->columns[f], state->from + row,
                            &nulls[f], &state->errors[task]))
                fail(state);
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
    const int64_t *plain = column->nulls ? NULL : state_plain_times(column, type);
    int64_t most = LIMIT_EVENT_TIME / state->plan->time_scale;
    bool fine = plain != NULL;
    for (int64_t i = 0; plain && i < events->length; i++)
        fine &= plain[i] <= most && plain[i] >= -most;
    for (int64_t i = 0; !fine && i < events->length; i++) {
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

int64_t state_bytes(const struct state *state)
{
    int64_t bytes = state->strings ? (int64_t)strings_bytes(state->strings) : 0;
    for (size_t g = 0; g < state->plan->n_groups; g++)
        for (int t = 0; t < state->threads; t++)
            bytes += entities_bytes(state->groups[g].shares[t]);
    return bytes;
}

static int check_memory(const struct state *state, struct error *error)
{
    char limit[UNITS_TEXT_SIZE], bytes[UNITS_TEXT_SIZE];
    struct state_counters counters;
    if (!state->options.memory || state_bytes(state) <= state->options.memory)
        return OK;
    state_counters(state, &counters);
    return error_set(error, CODE_LIMIT,
                     "after %lld events the windows take %s, more than the memory limit of %s: %lld entities "
                     "hold %lld events; raise the limit (--memory), or shorten the windows",
                     (long long)counters.events, units_size_text(counters.bytes, bytes),
                     units_size_text(state->options.memory, limit), (long long)counters.entities,
                     (long long)counters.retained);
}

static int take_slice(struct state *state, struct error *error)
{
    int tasks = state->plan->has_text ? 1 : state->threads, n_features = state->plan->features->n;
    state->early = false;
    if (!state->alone)
        memset(state->nulls, 0, (size_t)(state->threads * n_features) * sizeof *state->nulls);
    for (state->level = 0; state->level < LEVELS && !state->failed; state->level++) {
        if (!state->before[state->level])
            continue;
        parallel_for(state->parallel, state->threads, step_before, state);
        if (state->level == 0)
            state_order(state);
        if (!step_texts(state))
            state->failed = true;
        else if (state->threads == 1 && state->n <= FEW)
            state->failed = !take_few(state);
        else
            parallel_for(state->parallel, (int)state->plan->n_groups * state->threads, step_windows, state);
    }
    if (!state->failed)
        parallel_for(state->parallel, tasks, step_after, state);
    if (state->failed)
        return error_set(error, CODE_MEMORY, "no memory for the windows; the state can no longer be used");
    for (int t = 0; t < state->threads && !state->alone; t++)
        for (int f = 0; f < n_features; f++)
            state->features->columns[f].nulls += state->nulls[t * n_features + f];
    return OK;
}

int state_admit(const struct state *state, const struct table *events, struct error *error)
{
    if (state->failed)
        return error_set(error, CODE_MEMORY, "the state ran out of memory before and can no longer be used");
    int rc = check_events(state, events, error);
    return rc == OK ? check_memory(state, error) : rc;
}

int state_take(struct state *state, const struct table *events, struct table *ret_features,
               struct error *error)
{
    if (state->failed)
        return error_set(error, CODE_MEMORY, "the state ran out of memory before and can no longer be used");
    int rc = check_events(state, events, error);
    state->alone = events->length == 1 && !state->wanted && ret_features->reserved > 0;
    if (rc == OK && !state->alone)
        rc = prepare_features(ret_features, events->length, error);
    if (rc != OK)
        return rc;
    size_t rows = (size_t)events->length;
    if ((state->wanted && !memory_grow(&state->filtered, &state->filtered_capacity, rows, 1)) ||
        !memory_grow(&state->marks, &state->marks_capacity, rows, 1) ||
        (state->entered && !memory_grow(&state->entered, &state->entered_capacity, rows, 1)))
        return error_set(error, CODE_MEMORY, "no memory for a batch");
    state->events = events;
    if (state->learning)
        rc = learning_blind(state->learning, state->plan, events, &state->events, error);
    state->features = ret_features;
    int64_t slice = state->threads > 1 ? SLICE_SHARED : SLICE;
    for (int64_t from = 0; rc == OK && from < events->length; from += slice) {
        state->from = from;
        state->n = events->length - from < slice ? events->length - from : slice;
        if (from % LIMIT_BATCH_ROWS == 0)
            rc = check_memory(state, error);
        if (rc == OK)
            rc = take_slice(state, error);
        state->counters.events += rc == OK ? state->n : 0;
        state->arrival += rc == OK ? state->n : 0;
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
    state->counters.expression_errors += errors;
    ret_features->length = events->length;
    ret_features->first_row = events->first_row;
    if (errors && state->options.strict)
        return error_set(error, CODE_INVALID,
                         "%lld features could not be computed (overflow or a function outside its domain)",
                         (long long)errors);
    return OK;
}

/* The roots of a level's before program: for each group its key parts, then each slot's argument and filter;
 * WHERE at the end of level 0. */
static struct expr **before_roots(struct state *state, int level, int *ret_n)
{
    const struct plan *plan = state->plan;
    size_t n = 1;
    for (size_t g = 0; g < plan->n_groups; g++)
        n += plan->groups[g].n_keys + 2 * plan->groups[g].n_slots;
    struct expr **roots = memory_new(n, sizeof *roots);
    int at = 0;
    for (size_t g = 0; roots && g < plan->n_groups; g++) {
        const struct group *group = &plan->groups[g];
        if (group->level != level)
            continue;
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
    if (roots && plan->where && level == 0) {
        state->where_root = at;
        roots[at++] = plan->where;
    }
    *ret_n = at;
    return roots;
}

static bool has_level(const struct plan *plan, int level)
{
    bool found = level == 0 && plan->where;
    for (size_t g = 0; g < plan->n_groups; g++)
        found |= plan->groups[g].level == level;
    return found;
}

static int new_before(struct state *state, int level, struct error *error)
{
    int n, rc = OK;
    if (!has_level(state->plan, level))
        return OK;
    struct expr **roots = before_roots(state, level, &n);
    state->before[level] = memory_new((size_t)state->threads, sizeof *state->before[level]);
    if (!roots || !state->before[level])
        rc = error_set(error, CODE_MEMORY, "no memory for the plan's expressions");
    for (int t = 0; rc == OK && t < state->threads; t++)
        rc = program_new(roots, n, RUN, &state->before[level][t], error);
    free(roots);
    return rc;
}

static int new_programs(struct state *state, struct error *error)
{
    int rc = OK;
    for (int level = 0; rc == OK && level < LEVELS; level++)
        rc = new_before(state, level, error);
    for (int t = 0; rc == OK && t < state->threads; t++) {
        int n = state->plan->features->n;
        rc = program_new(state->plan->roots, n, RUN, &state->after[t], error);
        if (rc != OK)
            break;
        state->roots[t] = memory_new((size_t)n, sizeof **state->roots);
        if (!state->roots[t])
            return error_set(error, CODE_MEMORY, "no memory for the windows");
        for (int f = 0; f < n; f++)
            state->roots[t][f] = program_root(state->after[t], f);
    }
    return rc;
}

static int new_groups(struct state *state, struct error *error)
{
    const struct plan *plan = state->plan;
    bool text = false;
    for (size_t g = 0; g < plan->n_groups; g++) {
        for (size_t k = 0; k < plan->groups[g].n_keys; k++)
            text |= plan->groups[g].keys[k]->rep == REP_TEXT;
        for (size_t s = 0; s < plan->groups[g].n_slots; s++)
            text |= plan->groups[g].slots[s].rep == REP_TEXT;
    }
    if (text && !(state->strings = strings_new()))
        return error_set(error, CODE_MEMORY, "no memory for texts");
    enum layout_finds finds = state->options.forgets  ? LAYOUT_FINDS_ALL
                              : state->options.learns ? LAYOUT_FINDS_LATE
                                                      : LAYOUT_FINDS_NONE;
    int rc = OK;
    for (size_t g = 0; rc == OK && g < plan->n_groups; g++)
        rc = staged_new(plan, (int)g, finds, SLICE_SHARED, state->threads, state->strings, &state->groups[g],
                        error);
    return rc;
}

static int new_windows(struct state *state, struct error *error)
{
    int rc = OK;
    for (size_t w = 0; w < state->plan->n_windows; w++) {
        struct vector *vector = &state->windows[w];
        vector->rep = state->plan->windows[w].rep;
        vector->data = memory_aligned(SLICE_SHARED * rep_width(vector->rep));
        vector->state = memory_aligned(SLICE_SHARED);
        if (!vector->data || !vector->state)
            return error_set(error, CODE_MEMORY, "no memory for the windows");
        memset(vector->state, STATE_VALUE, SLICE_SHARED);
    }
    for (size_t g = 0; rc == OK && g < state->plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        for (int r = 0; r < staged->layout.n_readings; r++) {
            struct reading *reading = &staged->layout.readings[r];
            reading->out = state->windows[reading->window];
        }
        rc = steady_new(&staged->layout, &staged->steady, error);
    }
    return rc;
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
    if (state->options.max_ahead_us > LIMIT_EVENT_TIME)
        state->options.max_ahead_us = 0;
    int rc = parallel_new(options->threads > 0 ? options->threads : 1, &state->parallel, error);
    if (rc != OK)
        goto fail;
    state->threads = parallel_threads(state->parallel);
    size_t threads = (size_t)state->threads;
    state->after = memory_new(threads, sizeof *state->after);
    state->roots = memory_new(threads, sizeof *state->roots);
    state->groups = memory_new(plan->n_groups, sizeof *state->groups);
    state->times = memory_new(SLICE_SHARED, sizeof *state->times);
    state->floors = memory_new(SLICE_SHARED, sizeof *state->floors);
    state->windows = memory_new(plan->n_windows, sizeof *state->windows);
    state->errors = memory_new(threads, sizeof *state->errors);
    state->nulls = memory_new(threads * (size_t)plan->features->n, sizeof *state->nulls);
    if (plan->where) {
        state->wanted = memory_new(SLICE_SHARED, sizeof *state->wanted);
        state->filtered = memory_new(1, sizeof *state->filtered);
    }
    if (!state->after || !state->roots || !state->groups || !state->times || !state->floors ||
        !state->windows || !state->errors || !state->nulls ||
        (plan->where && (!state->wanted || !state->filtered)))
        rc = error_set(error, CODE_MEMORY, "no memory for the windows");
    if (rc == OK && options->learns)
        rc = learning_new(plan, &state->learning, error);
    if (rc == OK && (options->learns || options->forgets) &&
        !(state->entered = memory_new(1, sizeof *state->entered)))
        rc = error_set(error, CODE_MEMORY, "no memory for the windows");
    if (rc == OK)
        rc = new_groups(state, error);
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

void state_free(struct state *state)
{
    if (!state)
        return;
    for (size_t g = 0; state->groups && g < state->plan->n_groups; g++)
        staged_done(&state->groups[g]);
    for (size_t w = 0; state->windows && w < state->plan->n_windows; w++) {
        free(state->windows[w].data);
        free(state->windows[w].state);
    }
    for (int t = 0; t < state->threads; t++) {
        for (int level = 0; level < LEVELS; level++)
            if (state->before[level])
                program_free(state->before[level][t]);
        if (state->after)
            program_free(state->after[t]);
        if (state->roots)
            free(state->roots[t]);
    }
    for (int level = 0; level < LEVELS; level++)
        free(state->before[level]);
    strings_free(state->strings);
    free(state->wanted);
    free(state->filtered);
    free(state->entered);
    free(state->marks);
    learning_free(state->learning);
    free(state->after);
    free(state->roots);
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
    counters.bytes = state_bytes(state);
    for (size_t g = 0; g < state->plan->n_groups; g++)
        for (int t = 0; t < state->threads; t++) {
            const struct entities *entities = state->groups[g].shares[t];
            counters.entities += entities_count(entities);
            counters.retained += entities_retained(entities);
        }
    *ret = counters;
}

struct parallel *state_pool(const struct state *state)
{
    return state->parallel;
}

const uint8_t *state_filtered(const struct state *state)
{
    return state->filtered;
}
