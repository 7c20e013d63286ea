/*
 * Late columns that become known: labels, a bank's answer. Rows go through the program of step 1 (state.c)
 * twice, as they were known and as they are known now; each group whose slots look at a late column finds the
 * event by its time and its arrival number, and takes the difference in.
 */
#include <stdlib.h>
#include <string.h>

#include "feature/expr_walk.h"
#include "feature/state_struct.h"

/* What a group's slots were known to be, of RUN rows. */
struct known {
    uint64_t *marks;
    union value *values;
};

struct learning {
    struct table blind; /* borrowed columns */
    void *nothing;      /* zeros: the values and the bitmap of a column of NULLs */
    size_t nothing_size;
    bool *columns; /* of the events: are they looked at? */
    struct known *known;
    size_t n_groups;
    int64_t longest; /* frame with a start over a late column */
    bool endless;    /* there is one without a start */
};

static bool is_late(const struct slot *slot)
{
    return (slot->argument && slot->argument->late) || (slot->filter && slot->filter->late);
}

static bool learns(const struct plan *plan, const struct window *window)
{
    const struct group *group = &plan->groups[window->group];
    return group->level == 0 && window->slot >= 0 && is_late(&group->slots[window->slot]);
}

/* The columns that keys and slots over late columns look at, and the event time. */
static bool find_columns(const struct plan *plan, bool *columns)
{
    bool *seen = memory_new(plan->n_exprs, sizeof *seen);
    if (!seen)
        return false;
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct group *group = &plan->groups[plan->windows[w].group];
        if (!learns(plan, &plan->windows[w]))
            continue;
        expr_walk_slot(plan, group, plan->windows[w].slot, seen);
        for (size_t k = 0; k < group->n_keys; k++)
            expr_walk(plan, group->keys[k], seen);
    }
    for (size_t e = 0; e < plan->n_exprs; e++)
        if (seen[e] && plan->exprs[e]->kind == EXPR_COLUMN)
            columns[plan->exprs[e]->index] = true;
    if (plan->time_column >= 0)
        columns[plan->time_column] = true;
    free(seen);
    return true;
}

static int check_windows(const struct plan *plan, struct learning *learning, struct error *error)
{
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        const struct group *group = &plan->groups[window->group];
        const struct frame *frame = &group->frames[window->frame];
        if (!learns(plan, window))
            continue;
        if (leakage_is_stuck(plan, window))
            return error_set(
                error, CODE_UNSUPPORTED,
                "min, max, first and last of %s cannot follow labels in a frame without a start: "
                "what is forgotten cannot be taken back; give the frame a start, or use count, "
                "sum, bool_or or bool_and",
                plan->events->fields[leakage_slot_column(&group->slots[window->slot])].name);
        learning->endless |= frame->start == FRAME_UNBOUNDED;
        if (frame->start != FRAME_UNBOUNDED && frame->start > learning->longest)
            learning->longest = frame->start;
    }
    return OK;
}

static bool known_new(const struct plan *plan, struct learning *learning)
{
    for (size_t g = 0; g < plan->n_groups; g++) {
        const struct group *group = &plan->groups[g];
        struct known *known = &learning->known[g];
        known->marks = memory_new(RUN, sizeof *known->marks);
        known->values = memory_new(RUN * group->n_slots, sizeof *known->values);
        if (!known->marks || !known->values)
            return false;
    }
    return true;
}

int learning_new(const struct plan *plan, struct learning **ret, struct error *error)
{
    struct learning *learning = memory_new(1, sizeof *learning);
    if (!learning)
        return error_set(error, CODE_MEMORY, "no memory for the windows");
    learning->n_groups = plan->n_groups;
    learning->columns = memory_new((size_t)plan->events->n, sizeof *learning->columns);
    learning->known = memory_new(plan->n_groups, sizeof *learning->known);
    int rc = OK;
    if (!learning->columns || !learning->known || !known_new(plan, learning) ||
        !find_columns(plan, learning->columns))
        rc = error_set(error, CODE_MEMORY, "no memory for the windows");
    if (rc == OK)
        rc = check_windows(plan, learning, error);
    if (rc == OK)
        rc = table_init_lent(&learning->blind, plan->events, error);
    if (rc != OK) {
        learning_free(learning);
        return rc;
    }
    *ret = learning;
    return OK;
}

void learning_free(struct learning *learning)
{
    if (!learning)
        return;
    for (size_t g = 0; learning->known && g < learning->n_groups; g++) {
        free(learning->known[g].marks);
        free(learning->known[g].values);
    }
    free(learning->known);
    free(learning->columns);
    free(learning->nothing);
    table_done_lent(&learning->blind);
    free(learning);
}

int learning_blind(struct learning *learning, const struct plan *plan, const struct table *events,
                   const struct table **ret, struct error *error)
{
    size_t size = ((size_t)events->length + 1) * sizeof(__int128);
    if (size > learning->nothing_size) {
        void *nothing = memory_new(size, 1);
        if (!nothing)
            return error_set(error, CODE_MEMORY, "no memory for a batch");
        free(learning->nothing);
        learning->nothing = nothing;
        learning->nothing_size = size;
    }
    for (int c = 0; c < plan->events->n; c++)
        learning->blind.columns[c] = plan->late[c].is_late ? (struct column){.length = events->length,
                                                                             .nulls = events->length,
                                                                             .validity = learning->nothing,
                                                                             .data = learning->nothing,
                                                                             .offsets = learning->nothing}
                                                           : events->columns[c];
    learning->blind.length = events->length;
    learning->blind.first_row = events->first_row;
    *ret = &learning->blind;
    return OK;
}

/* Rows [from, from + n) to the keys and slots of every group that learns. False: no memory. */
static bool stage(struct state *state, const struct table *events, int64_t from, int64_t n)
{
    struct program *program = state->before[0][0];
    int64_t errors = 0; /* counted when the event was taken */
    program_run(program, events, state->plan->events, from, n, state->windows, 0);
    for (size_t g = 0; g < state->plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        if (!staged->layout.late)
            continue;
        stage_rows(staged, program, 0, n, NULL, &errors);
        if (stage_has_texts(staged) && !stage_texts(staged, state->strings, n, NULL, staged->layout.late))
            return false;
    }
    return true;
}

static void release_texts(const struct state *state, const struct staged *staged, const uint64_t *marks,
                          const union value *values, int64_t n)
{
    const struct layout *layout = &staged->layout;
    size_t slots = layout->group->n_slots;
    for (int64_t i = 0; i < n; i++)
        for (int s = 0; s < layout->n_stored; s++) {
            const struct stored *stored = &layout->stored[s];
            if (stored->text && (marks[i] & layout->late & UINT64_C(1) << stored->slot))
                strings_release(state->strings,
                                (uint64_t)values[(size_t)i * slots + (size_t)stored->slot].integer);
        }
}

static void release_keys(struct staged *staged, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        share_drop_key(entities_share(staged->shares[0]), staged->keys + i * staged->layout.n_words);
}

/* Puts aside what was staged. */
static void keep_known(struct state *state, int64_t n)
{
    for (size_t g = 0; g < state->plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        struct known *known = &state->learning->known[g];
        size_t slots = staged->layout.group->n_slots;
        if (!staged->layout.late)
            continue;
        memcpy(known->marks, staged->marks, (size_t)n * sizeof *known->marks);
        memcpy(known->values, staged->values, (size_t)n * slots * sizeof *known->values);
        release_keys(staged, n);
    }
}

static bool learn_row(struct state *state, struct staged *staged, const struct known *known, int64_t i,
                      int64_t time, int64_t number)
{
    size_t slots = staged->layout.group->n_slots;
    uint64_t hash = staged->hashes[i];
    int t = entities_owner(hash, state->threads);
    struct share *share = entities_share(staged->shares[t]);
    struct entity *entity =
        entities_look_up(staged->shares[t], hash, staged->keys + i * staged->layout.n_words);
    struct arrival before = {.time = time,
                             .number = (uint32_t)number,
                             .marks = known->marks[i],
                             .values = known->values + (size_t)i * slots};
    struct arrival now = {.time = time,
                          .number = (uint32_t)number,
                          .marks = staged->marks[i],
                          .values = staged->values + (size_t)i * slots};
    if (!entity)
        return true;
    int64_t spilled = exact_spilled();
    bool fine = entity_learn(share, entity, &before, &now);
    share->bytes += exact_spilled() - spilled;
    return fine;
}

static int64_t time_of(const struct plan *plan, const struct table *events, int64_t i)
{
    int column = plan->time_column;
    return column_int(&events->columns[column], &plan->events->fields[column].type, i) * plan->time_scale;
}

static bool learn_rows(struct state *state, const struct table *before, const struct table *now,
                       const int64_t *arrivals, int64_t from, int64_t n)
{
    const struct plan *plan = state->plan;
    if (!stage(state, before, from, n))
        return false;
    keep_known(state, n);
    bool fine = stage(state, now, from, n);
    for (size_t g = 0; fine && g < plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        const struct known *known = &state->learning->known[g];
        if (!staged->layout.late)
            continue;
        for (int64_t i = 0; i < n; i++)
            fine &= learn_row(state, staged, known, i, time_of(plan, now, from + i), arrivals[from + i]);
        release_keys(staged, n);
        release_texts(state, staged, staged->marks, staged->values, n);
        release_texts(state, staged, known->marks, known->values, n);
    }
    return fine;
}

int state_learn(struct state *state, const struct table *before, const struct table *now,
                const int64_t *arrivals, struct error *error)
{
    if (!state->learning)
        return error_set(error, CODE_INTERNAL, "a state that was not made for it cannot learn labels");
    if (state->failed)
        return error_set(error, CODE_MEMORY, "the state ran out of memory before and can no longer be used");
    bool late = false;
    for (size_t g = 0; g < state->plan->n_groups; g++)
        late |= state->groups[g].layout.late > 0;
    for (int64_t from = 0; late && from < now->length; from += RUN) {
        int64_t n = now->length - from < RUN ? now->length - from : RUN;
        if (!learn_rows(state, before, now, arrivals, from, n)) {
            state->failed = true;
            return error_set(error, CODE_MEMORY,
                             "no memory for the windows; the state can no longer be used");
        }
    }
    state->counters.learnt += now->length;
    int64_t seen = state->high_water - state->options.lateness_us - state->learning->longest;
    for (int64_t i = 0; late && i < now->length; i++)
        state->counters.outlived += time_of(state->plan, now, i) < seen;
    return OK;
}

int64_t state_arrival(const struct state *state)
{
    return state->arrival;
}

void state_set_arrival(struct state *state, int64_t arrival)
{
    state->arrival = arrival;
}

const uint8_t *state_entered(const struct state *state)
{
    return state->entered;
}

int64_t state_learns_for(const struct state *state, bool *ret_endless)
{
    const struct plan *plan = state->plan;
    int64_t after = 0;
    *ret_endless = state->learning && state->learning->endless;
    for (int c = 0; c < plan->events->n; c++) {
        const struct late *late = &plan->late[c];
        int64_t known = plan->time_is_step ? late->after_steps : late->after_us;
        after = late->is_late && known > after ? known : after;
    }
    return after + (state->learning ? state->learning->longest : 0);
}

const uint8_t *state_marks(const struct state *state)
{
    return state->marks;
}

bool state_learns_from(const struct state *state, int column)
{
    return state->learning && state->learning->columns[column];
}
