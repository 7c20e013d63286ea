/*
 * Events that are erased. Rows go through the program of step 1 (state.c) once more, which gives their
 * entities and values; each entity is told what it had of them. Of groups over results of windows neither is
 * known any more, and all their entities are looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "feature/expr_walk.h"
#include "feature/ring.h"
#include "feature/state_struct.h"

/* Erased events, RUN at a time. */
struct forgetting {
    struct state *state;
    const struct table *events;
    const int64_t *arrivals;
    bool *traces; /* per window */
};

static int64_t time_of(const struct plan *plan, const struct table *events, int64_t i)
{
    int column = plan->time_column;
    return column_int(&events->columns[column], &plan->events->fields[column].type, i) * plan->time_scale;
}

/* ---- groups over the events ---- */

/* An event on its way to its entity. */
struct going {
    struct entity *entity;
    struct entities *entities;
    struct arrival arrival;
};

static int by_entity(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const struct going *)a)->entity,
              y = (uintptr_t)((const struct going *)b)->entity;
    return (x > y) - (x < y);
}

static bool stage(struct state *state, const struct table *events, int64_t from, int64_t n)
{
    struct program *program = state->before[0] ? state->before[0][0] : NULL;
    int64_t errors = 0; /* counted when the event was taken */
    if (program)
        program_run(program, events, state->plan->events, from, n, state->windows, 0);
    for (size_t g = 0; g < state->plan->n_groups; g++) {
        struct staged *staged = &state->groups[g];
        if (staged->level != 0)
            continue;
        stage_rows(staged, program, 0, n, NULL, &errors);
        if (stage_has_texts(staged) && !stage_texts(staged, state->strings, n, NULL, ~UINT64_C(0)))
            return false;
    }
    return true;
}

static void release_texts(const struct state *state, const struct staged *staged, int64_t n)
{
    const struct layout *layout = &staged->layout;
    size_t slots = layout->group->n_slots;
    for (int64_t i = 0; i < n; i++) {
        share_drop_key(entities_share(staged->shares[0]), staged->keys + i * layout->n_words);
        for (int s = 0; s < layout->n_stored; s++) {
            const struct stored *stored = &layout->stored[s];
            const union value *value = &staged->values[(size_t)i * slots + (size_t)stored->slot];
            if (stored->text && (staged->marks[i] >> stored->slot & 1))
                strings_release(state->strings, (uint64_t)value->integer);
        }
    }
}

/* The entities of the staged rows, each with its events together; how many events have one. */
static int64_t find_entities(const struct forgetting *forgetting, const struct staged *staged, int64_t from,
                             int64_t n, struct going *ret)
{
    const struct state *state = forgetting->state;
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t hash = staged->hashes[i];
        int t = entities_owner(hash, state->threads);
        struct going going = {
            .entity = entities_look_up(staged->shares[t], hash, staged->keys + i * staged->layout.n_words),
            .entities = staged->shares[t],
            .arrival = {.time = time_of(state->plan, forgetting->events, from + i),
                        .number = (uint32_t)forgetting->arrivals[from + i],
                        .marks = staged->marks[i],
                        .values = staged->values + (size_t)i * staged->layout.group->n_slots}};
        if (going.entity)
            ret[found++] = going;
    }
    qsort(ret, (size_t)found, sizeof *ret, by_entity);
    return found;
}

static bool erase_from(const struct forgetting *forgetting, const struct going *going, int64_t n)
{
    struct share *share = entities_share(going->entities);
    const struct layout *layout = share->layout;
    struct arrival arrivals[RUN];
    bool retained[RUN];
    int64_t spilled = exact_spilled();
    for (int64_t i = 0; i < n; i++)
        arrivals[i] = going[i].arrival;
    bool fine = entity_erase(share, going->entity, arrivals, n, true, retained);
    share->bytes += exact_spilled() - spilled;
    if (!fine)
        return false;
    if (entity_is_empty(layout, going->entity)) {
        entities_remove(going->entities, going->entity);
        return true;
    }
    for (int64_t i = 0; layout->unbounded && i < n; i++)
        if (!retained[i])
            entity_traces(layout, share->strings, going->entity, &arrivals[i], forgetting->traces);
    return true;
}

static bool forget_rows(const struct forgetting *forgetting, int64_t from, int64_t n)
{
    struct state *state = forgetting->state;
    struct going going[RUN];
    bool fine = stage(state, forgetting->events, from, n);
    for (size_t g = 0; fine && g < state->plan->n_groups; g++) {
        const struct staged *staged = &state->groups[g];
        if (staged->level != 0)
            continue;
        int64_t found = find_entities(forgetting, staged, from, n, going);
        for (int64_t i = 0, j = 0; fine && i < found; i = j) {
            while (j < found && going[j].entity == going[i].entity)
                j++;
            fine = erase_from(forgetting, going + i, j - i);
        }
        release_texts(state, staged, n);
    }
    return fine;
}

/* ---- groups over results of windows ---- */

/* The events in the order of time, and those that some entity has retained. */
struct search {
    const struct layout *layout;
    struct arrival *arrivals; /* sorted */
    int64_t n, found;
    struct entity **entities; /* that have retained any */
    size_t n_entities, capacity;
    bool failed;
};

static int by_time(const void *a, const void *b)
{
    const struct arrival *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static void search_entity(void *context, const struct entity *entity)
{
    struct search *search = context;
    int64_t found = 0;
    for (uint32_t position = entity->first; position != entity->end; position++) {
        const char *event = event_at(search->layout, entity, position);
        struct arrival key = {.time = event_time(event)};
        memcpy(&key.number, event + search->layout->arrival_offset, sizeof key.number);
        found += bsearch(&key, search->arrivals, (size_t)search->n, sizeof key, by_time) != NULL;
    }
    search->found += found;
    if (!found)
        return;
    if (memory_grow(&search->entities, &search->capacity, search->n_entities + 1, sizeof *search->entities))
        search->entities[search->n_entities++] = (struct entity *)(uintptr_t)entity;
    else
        search->failed = true;
}

static bool erase_searched(struct search *search, struct entities *entities, bool *retained)
{
    struct share *share = entities_share(entities);
    bool fine = !search->failed;
    int64_t spilled = exact_spilled();
    for (size_t i = 0; fine && i < search->n_entities; i++) {
        fine = entity_erase(share, search->entities[i], search->arrivals, search->n, false, retained);
        if (fine && entity_is_empty(share->layout, search->entities[i]))
            entities_remove(entities, search->entities[i]);
    }
    share->bytes += exact_spilled() - spilled;
    search->n_entities = 0;
    return fine;
}

/* What was computed of an event that is no longer retained is not known any more. */
static void trace_all(const struct layout *layout, bool *traces)
{
    for (int i = 0; i < layout->n_readings; i++)
        traces[layout->readings[i].window] |= layout->readings[i].unbounded;
}

static bool forget_inner(const struct forgetting *forgetting, struct staged *staged)
{
    const struct plan *plan = forgetting->state->plan;
    int64_t n = forgetting->events->length;
    struct search search = {.layout = &staged->layout, .n = n};
    bool *retained = memory_new((size_t)n, sizeof *retained), fine = true;
    search.arrivals = memory_new((size_t)n, sizeof *search.arrivals);
    for (int64_t i = 0; search.arrivals && i < n; i++)
        search.arrivals[i] = (struct arrival){.time = time_of(plan, forgetting->events, i),
                                              .number = (uint32_t)forgetting->arrivals[i]};
    fine = retained && search.arrivals;
    if (fine)
        qsort(search.arrivals, (size_t)n, sizeof *search.arrivals, by_time);
    for (int t = 0; fine && t < forgetting->state->threads; t++) {
        entities_each(staged->shares[t], search_entity, &search);
        fine = erase_searched(&search, staged->shares[t], retained);
    }
    if (search.found < n && staged->layout.unbounded)
        trace_all(&staged->layout, forgetting->traces);
    free(search.arrivals);
    free(search.entities);
    free(retained);
    return fine;
}

/* ---- what is left ---- */

/* Features that look at one of the windows, themselves or through others. False: no memory. */
static bool find_features(const struct plan *plan, const bool *windows, bool *ret)
{
    bool fine = true;
    for (int f = 0; fine && f < plan->features->n; f++) {
        bool *seen = memory_new(plan->n_exprs, sizeof *seen);
        fine = seen != NULL;
        if (fine)
            expr_walk(plan, plan->roots[f], seen);
        for (size_t e = 0; fine && e < plan->n_exprs; e++)
            ret[f] |= seen[e] && plan->exprs[e]->kind == EXPR_WINDOW && windows[plan->exprs[e]->index];
        free(seen);
    }
    return fine;
}

static bool keeps_texts(const struct state *state)
{
    bool found = false;
    for (size_t g = 0; g < state->plan->n_groups; g++)
        for (int i = 0; i < state->groups[g].layout.n_stored; i++)
            found |= state->groups[g].layout.stored[i].forever;
    return found;
}

struct copying {
    struct buffer bytes;
    size_t at;
};

static int write_copy(void *context, const void *data, size_t size, struct error *error)
{
    struct copying *copying = context;
    buffer_append(&copying->bytes, data, size);
    return buffer_check(&copying->bytes, "the windows", error);
}

static int read_copy(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    struct copying *copying = context;
    size_t left = copying->bytes.size - copying->at, n = left < capacity ? left : capacity;
    (void)error;
    memcpy(data, copying->bytes.data + copying->at, n);
    copying->at += n;
    *ret_size = n;
    return OK;
}

/* Texts that frames without a start count are held by all events that ever had them. Read anew, the state
 * holds those that are left. */
static int renew(struct state *state, struct error *error)
{
    struct copying copying = {.at = 0};
    struct state *other = NULL, swap;
    buffer_init(&copying.bytes, SIZE_MAX / 2);
    int rc = state_save(state, write_copy, &copying, error);
    if (rc == OK)
        rc = state_new(state->plan, &state->options, &other, error);
    if (rc == OK)
        rc = state_load(other, read_copy, &copying, error);
    if (rc == OK) {
        swap = *state;
        *state = *other;
        *other = swap;
    }
    state_free(other);
    buffer_done(&copying.bytes);
    return rc;
}

int state_forget(struct state *state, const struct table *events, const int64_t *arrivals, bool *ret_traces,
                 struct error *error)
{
    const struct plan *plan = state->plan;
    if (!state->options.forgets)
        return error_set(error, CODE_INTERNAL, "a state that was not made for it cannot forget events");
    if (state->failed)
        return error_set(error, CODE_MEMORY, "the state ran out of memory before and can no longer be used");
    bool *traces = memory_new(plan->n_windows, sizeof *traces);
    struct forgetting forgetting = {state, events, arrivals, traces};
    bool fine = traces != NULL;
    for (int64_t from = 0; fine && from < events->length; from += RUN)
        fine = forget_rows(&forgetting, from, events->length - from < RUN ? events->length - from : RUN);
    for (size_t g = 0; fine && events->length && g < plan->n_groups; g++)
        if (state->groups[g].level > 0)
            fine = forget_inner(&forgetting, &state->groups[g]);
    if (fine)
        fine = find_features(plan, traces, ret_traces);
    free(traces);
    if (!fine) {
        state->failed = true;
        return error_set(error, CODE_MEMORY, "no memory for the windows; the state can no longer be used");
    }
    return events->length && keeps_texts(state) ? renew(state, error) : OK;
}
