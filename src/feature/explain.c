#include "feature/explain.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/units.h"
#include "feature/explain_memory.h"
#include "feature/expr_text.h"
#include "feature/expr_walk.h"

struct explainer {
    const struct plan *plan;
    const struct explain_load *load;
    struct explain *out;
    bool *reach; /* what each feature looks at: a row of plan->n_exprs per feature, by expr->id */
    bool failed; /* no memory */
};

const char *explain_cost_text(enum explain_cost cost)
{
    static const char *const texts[] = {
        [COST_CONSTANT] = "O(1)",
        [COST_AMORTISED] = "O(1) amortised",
        [COST_HASHED] = "O(1) amortised, hashed",
        [COST_BISECTED] = "O(1) amortised, read O(log n)",
    };
    return texts[cost];
}

/* Keeps a buffer's text; one that was too long ends in "...". */
static const char *keep(struct explainer *explainer, struct buffer *text)
{
    const char *data = text->data ? text->data : "";
    char *copy = arena_format(&explainer->out->arena, "%s%s", data, text->failed ? "..." : "");
    explainer->failed |= !copy;
    buffer_done(text);
    return copy;
}

static const char *say(struct explainer *explainer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *say(struct explainer *explainer, const char *format, ...)
{
    char text[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *copy = arena_text(&explainer->out->arena, text, strlen(text));
    explainer->failed |= !copy;
    return copy;
}

static void *room(struct explainer *explainer, size_t n, size_t size)
{
    void *memory = arena_new(&explainer->out->arena, n ? n : 1, size);
    explainer->failed |= !memory;
    return memory;
}

/* ---- what looks at what ---- */

static bool reaches(const struct explainer *explainer, int feature, size_t expr)
{
    return explainer->reach[(size_t)feature * explainer->plan->n_exprs + expr];
}

static void find_columns(struct explainer *explainer, bool *used)
{
    const struct plan *plan = explainer->plan;
    struct explain *out = explainer->out;
    if (plan->time_column >= 0)
        used[plan->time_column] = true;
    for (size_t e = 0; e < plan->n_exprs; e++) {
        out->n_calls += plan->exprs[e]->kind == EXPR_CALL;
        for (int f = 0; f <= plan->features->n; f++)
            if (plan->exprs[e]->kind == EXPR_COLUMN && reaches(explainer, f, e))
                used[plan->exprs[e]->index] = true;
    }
    for (int c = 0; c < plan->events->n; c++)
        if (used[c])
            out->columns[out->n_columns++] = plan->events->fields[c].name;
    for (int f = 0; f < plan->features->n; f++)
        out->n_plain += plan->roots[f]->level == 0;
}

static void find_users(struct explainer *explainer, int window, struct explain_window *ret)
{
    const struct plan *plan = explainer->plan;
    ret->features = room(explainer, (size_t)plan->features->n, sizeof *ret->features);
    for (int f = 0; ret->features && f < plan->features->n; f++)
        for (size_t e = 0; e < plan->n_exprs; e++)
            if (plan->exprs[e]->kind == EXPR_WINDOW && plan->exprs[e]->index == window &&
                reaches(explainer, f, e))
                ret->features[ret->n_features++] = plan->features->fields[f].name;
}

/* ---- groups ---- */

static enum explain_cost cost_of(const struct window *window, const struct frame *frame)
{
    if (window->aggregate == AGGREGATE_MIN || window->aggregate == AGGREGATE_MAX)
        return COST_BISECTED;
    if (window->aggregate == AGGREGATE_DISTINCT)
        return COST_HASHED;
    return frame->start == FRAME_UNBOUNDED || frame->unit == FRAME_ROWS ? COST_CONSTANT : COST_AMORTISED;
}

static void explain_windows(struct explainer *explainer, const struct layout *layout,
                            struct explain_group *group)
{
    const struct plan *plan = explainer->plan;
    group->windows = room(explainer, (size_t)layout->n_readings, sizeof *group->windows);
    for (size_t w = 0; group->windows && w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        if (&plan->groups[window->group] != layout->group)
            continue;
        const struct frame *frame = &layout->group->frames[window->frame];
        struct explain_window *one = &group->windows[group->n_windows++];
        struct buffer text;
        buffer_init(&text, LIMIT_JSON_LINE);
        window_text(plan, window, &text);
        one->call = keep(explainer, &text);
        buffer_init(&text, LIMIT_NAME);
        frame_text(plan, frame, &text);
        one->frame = keep(explainer, &text);
        one->cost = cost_of(window, frame);
        find_users(explainer, (int)w, one);
    }
}

static const char *slot_text(struct explainer *explainer, const struct layout *layout, int slot)
{
    const struct slot *of = &layout->group->slots[slot];
    struct buffer text;
    buffer_init(&text, LIMIT_NAME);
    if (of->argument)
        expr_text(explainer->plan, of->argument, &text);
    if (of->argument && of->filter)
        buffer_text(&text, " where ");
    if (of->filter)
        expr_text(explainer->plan, of->filter, &text);
    return keep(explainer, &text);
}

/* Sentences about frames of one end, slots of several windows, sums and minima that several windows read. */
static void explain_sharing(struct explainer *explainer, const struct layout *layout,
                            struct explain_group *group)
{
    size_t most = (size_t)(layout->n_ends + layout->n_stored + layout->n_accumulators + layout->n_extremes);
    group->shared = room(explainer, most, sizeof *group->shared);
    if (!group->shared)
        return;
    for (int e = 0; e < layout->n_ends; e++) {
        int frames = 0;
        for (int f = 0; f < layout->n_frames; f++)
            frames += layout->frames[f].end == e;
        if (frames > 1)
            group->shared[group->n_shared++] = say(explainer, "%d frames end alike: one cursor", frames);
    }
    for (int s = 0; s < layout->n_stored; s++) {
        int windows = 0;
        for (int r = 0; r < layout->n_readings; r++)
            windows += layout->readings[r].slot == layout->stored[s].slot;
        if (windows > 1)
            group->shared[group->n_shared++] =
                say(explainer, "%s is kept once per event for %d windows",
                    slot_text(explainer, layout, layout->stored[s].slot), windows);
    }
    for (int a = 0; a < layout->n_accumulators; a++) {
        int windows = 0;
        for (int r = 0; r < layout->n_readings; r++)
            windows += layout->readings[r].offset == layout->accumulators[a].offset;
        if (windows > 1)
            group->shared[group->n_shared++] =
                say(explainer, "one sum of %s serves %d windows",
                    slot_text(explainer, layout, layout->accumulators[a].slot), windows);
    }
    for (int x = 0; x < layout->n_extremes; x++) {
        int windows = 0;
        for (int r = 0; r < layout->n_readings; r++)
            windows += layout->readings[r].kind == READ_EXTREME && layout->readings[r].extreme == x;
        if (windows > 1)
            group->shared[group->n_shared++] =
                say(explainer, "one structure for the %s of %s serves %d frames",
                    layout->extremes[x].sign > 0 ? "maxima" : "minima",
                    slot_text(explainer, layout, layout->extremes[x].slot), windows);
    }
}

static void explain_state(struct explainer *explainer, const struct layout *layout,
                          struct explain_group *group)
{
    group->n_frames = layout->n_frames;
    group->n_slots = (int)layout->group->n_slots;
    group->n_accumulators = layout->n_accumulators;
    group->n_extremes = layout->n_extremes;
    group->n_maps = layout->n_maps;
    group->entity_bytes = layout->entity_size;
    group->event_bytes = layout->event_size;
    group->label_bytes = layout->late ? sizeof(uint32_t) : 0;
    group->erasure_bytes = sizeof(uint32_t);
    group->retain = layout->retain;
    group->retain_rows = layout->retain_rows;
    group->lasting = layout->lasting;
    group->has_texts = layout->has_text || layout->n_text_keys;
    group->grows = layout->n_maps > 0;
    char length[UNITS_TEXT_SIZE];
    const char *events, *entities = "entities stay for ever";
    long long rows = (long long)group->retain_rows;
    if (explainer->plan->time_is_step)
        snprintf(length, sizeof length, "%lld steps", (long long)group->retain);
    else
        units_duration_text(group->retain, length);
    if (!rows)
        events = say(explainer, "events of the last %s", length);
    else if (group->retain)
        events = say(explainer, "events of the last %s, and the last %lld however old", length, rows);
    else
        events = say(explainer, "the last %lld events", rows);
    if (!group->lasting)
        entities = say(explainer, "entities go %s after their last event", length);
    group->kept = say(explainer, "%s; %s", events, entities);
}

/* Events per unit of the plan's time. */
static double rate_of(const struct explainer *explainer)
{
    const struct explain_load *load = explainer->load;
    return load->events_per_day / (explainer->plan->time_is_step ? load->steps_per_day : (double)DAY_US);
}

static double entities_of(const struct explainer *explainer, const struct group *group, const char *keys)
{
    const struct explain_load *load = explainer->load;
    if (group->n_keys == 0)
        return 1;
    for (int i = 0; keys && i < load->n_keys; i++)
        if (strcasecmp(load->keys[i], keys) == 0)
            return load->key_entities[i];
    return load->entities;
}

static int explain_group(struct explainer *explainer, int g, struct explain_group *ret, struct error *error)
{
    const struct group *group = &explainer->plan->groups[g];
    struct layout layout;
    struct buffer text;
    struct memory_estimate estimate;
    int rc = layout_new(explainer->plan, g, LAYOUT_FINDS_NONE, &layout, error);
    if (rc != OK)
        return rc;
    buffer_init(&text, LIMIT_JSON_LINE);
    keys_text(explainer->plan, group, &text);
    ret->keys = keep(explainer, &text);
    ret->keyed = group->n_keys > 0;
    ret->level = group->level;
    explain_windows(explainer, &layout, ret);
    explain_sharing(explainer, &layout, ret);
    explain_state(explainer, &layout, ret);
    ret->entities = entities_of(explainer, group, ret->keys);
    explain_memory(&layout, ret->entities, rate_of(explainer), &estimate);
    ret->live = estimate.live;
    ret->retained = estimate.retained;
    ret->bytes = estimate.bytes;
    layout_done(&layout);
    return OK;
}

static int check_keys(const struct explainer *explainer, struct error *error)
{
    const struct explain_load *load = explainer->load;
    for (int i = 0; i < load->n_keys; i++) {
        struct buffer names;
        bool found = false;
        buffer_init(&names, ERROR_MESSAGE_SIZE / 2);
        for (int g = 0; g < explainer->out->n_groups; g++) {
            const char *keys = explainer->out->groups[g].keys;
            found |= strcasecmp(load->keys[i], keys) == 0;
            buffer_format(&names, "%s%s", g ? "; " : "", keys);
        }
        if (!found)
            error_set(error, CODE_USAGE, "no window has PARTITION BY %s; there are: %s", load->keys[i],
                      names.data ? names.data : "none");
        buffer_done(&names);
        if (!found)
            return CODE_USAGE;
    }
    return OK;
}

/* ---- late columns ---- */

static bool slot_reads(const struct explainer *explainer, const struct group *group, int slot, int column,
                       bool *seen)
{
    const struct plan *plan = explainer->plan;
    memset(seen, 0, plan->n_exprs * sizeof *seen);
    expr_walk_slot(plan, group, slot, seen);
    for (size_t e = 0; e < plan->n_exprs; e++)
        if (seen[e] && plan->exprs[e]->kind == EXPR_COLUMN && plan->exprs[e]->index == column)
            return true;
    return false;
}

static void explain_late(struct explainer *explainer, bool *seen)
{
    const struct plan *plan = explainer->plan;
    struct explain *out = explainer->out;
    out->late = room(explainer, (size_t)plan->events->n, sizeof *out->late);
    for (int c = 0; out->late && c < plan->events->n; c++) {
        if (!plan->late[c].is_late)
            continue;
        struct explain_late *late = &out->late[out->n_late++];
        late->column = plan->events->fields[c].name;
        late->fallback =
            plan->late[c].has_number ? say(explainer, "%g", plan->late[c].number) : plan->late[c].default_sql;
        late->after_us = plan->late[c].after_us;
        late->after_steps = plan->late[c].after_steps;
        late->nearest = INT64_MAX;
        for (size_t w = 0; w < plan->n_windows; w++) {
            const struct window *window = &plan->windows[w];
            const struct group *group = &plan->groups[window->group];
            if (!slot_reads(explainer, group, window->slot, c, seen))
                continue;
            int64_t end = group->frames[window->frame].end;
            late->n_windows++;
            late->nearest = end < late->nearest ? end : late->nearest;
        }
    }
}

static void explain_ids(struct explainer *explainer)
{
    const struct explain_load *load = explainer->load;
    struct explain *out = explainer->out;
    out->dedupe = load->dedupe != INT64_MIN ? load->dedupe : plan_dedupe(explainer->plan);
    if (explainer->plan->id_column >= 0)
        out->ids = rate_of(explainer) * (double)out->dedupe;
}

/* ---- the whole ---- */

static int explain_plan(struct explainer *explainer, bool *seen, bool *used, struct error *error)
{
    const struct plan *plan = explainer->plan;
    struct explain *out = explainer->out;
    int rc = OK;
    for (int f = 0; f < plan->features->n; f++)
        expr_walk(plan, plan->roots[f], explainer->reach + (size_t)f * plan->n_exprs);
    /* The row after the features' is that of WHERE. */
    if (plan->where) {
        struct buffer text;
        expr_walk(plan, plan->where, explainer->reach + (size_t)plan->features->n * plan->n_exprs);
        buffer_init(&text, LIMIT_JSON_LINE);
        expr_text(plan, plan->where, &text);
        out->where = keep(explainer, &text);
    }
    out->steps = plan->time_is_step;
    out->n_all_columns = plan->events->n;
    out->columns = room(explainer, (size_t)plan->events->n, sizeof *out->columns);
    out->groups = room(explainer, plan->n_groups, sizeof *out->groups);
    if (explainer->failed)
        return error_set(error, CODE_MEMORY, "no memory to explain the plan");
    find_columns(explainer, used);
    for (size_t g = 0; rc == OK && g < plan->n_groups; g++) {
        struct explain_group *group = &out->groups[out->n_groups++];
        rc = explain_group(explainer, (int)g, group, error);
        out->bytes += group->bytes;
        out->retained += group->retained;
        out->n_windows += group->n_windows;
    }
    explain_late(explainer, seen);
    if (rc == OK && explainer->failed)
        rc = error_set(error, CODE_MEMORY, "no memory to explain the plan");
    explain_ids(explainer);
    return rc == OK ? check_keys(explainer, error) : rc;
}

int explain_new(const struct plan *plan, const struct explain_load *load, struct explain *ret,
                struct error *error)
{
    struct explain out = {0};
    struct explainer explainer = {.plan = plan, .load = load, .out = &out};
    explainer.reach = memory_new(((size_t)plan->features->n + 1) * plan->n_exprs, sizeof(bool));
    bool *seen = memory_new(plan->n_exprs, sizeof *seen);
    bool *used = memory_new((size_t)plan->events->n, sizeof *used);
    int rc = explainer.reach && seen && used ? explain_plan(&explainer, seen, used, error)
                                             : error_set(error, CODE_MEMORY, "no memory to explain the plan");
    free(explainer.reach);
    free(seen);
    free(used);
    if (rc == OK)
        *ret = out;
    else
        arena_done(&out.arena);
    return rc;
}

void explain_done(struct explain *explain)
{
    arena_done(&explain->arena);
    *explain = (struct explain){0};
}
