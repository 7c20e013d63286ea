#include "feature/adopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feature/entity_save.h"
#include "feature/expr_text.h"
#include "feature/expr_walk.h"
#include "feature/state_struct.h"

struct adoption {
    struct plan *before, *now; /* before: or NULL */
    const struct expr **twins; /* per expression of `now`: the same of `before`, or NULL */
    int *sources;              /* per group of `now`: of `before`, or -1 */
    bool same_order;           /* events have the same time and WHERE */
};

/* ---- what is the same ---- */

static bool same_value(const struct expr *a, const struct expr *b)
{
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    switch (a->rep) {
    case REP_TEXT:
        return a->value.text.size == b->value.text.size &&
               (!a->value.text.size ||
                memcmp(a->value.text.data, b->value.text.data, a->value.text.size) == 0);
    case REP_INTERVAL:
        return a->value.interval.months == b->value.interval.months &&
               a->value.interval.days == b->value.interval.days &&
               a->value.interval.micros == b->value.interval.micros;
    case REP_DOUBLE:
        return memcmp(&a->value.real, &b->value.real, sizeof a->value.real) == 0;
    case REP_WIDE:
        return a->value.wide == b->value.wide;
    case REP_BOOLEAN:
        return a->value.boolean == b->value.boolean;
    default:
        return a->value.integer == b->value.integer;
    }
}

/* Of expressions that `now` looks at, NULL for none. */
static bool are_twins(const struct adoption *adoption, const struct expr *now, const struct expr *before)
{
    return now ? adoption->twins[now->id] && adoption->twins[now->id] == before : !before;
}

static bool same_slot(const struct adoption *adoption, const struct group *now, int n,
                      const struct group *before, int b)
{
    if (n < 0 || b < 0)
        return n < 0 && b < 0;
    const struct slot *a = &now->slots[n], *c = &before->slots[b];
    return a->rep == c->rep && are_twins(adoption, a->argument, c->argument) &&
           are_twins(adoption, a->filter, c->filter);
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
    return a->unit == b->unit && a->exclusive == b->exclusive && a->start == b->start && a->end == b->end;
}

static bool same_keys(const struct adoption *adoption, const struct group *now, const struct group *before)
{
    bool same = now->n_keys == before->n_keys && now->level == before->level;
    for (size_t k = 0; same && k < now->n_keys; k++)
        same = are_twins(adoption, now->keys[k], before->keys[k]);
    return same;
}

static bool same_window(const struct adoption *adoption, const struct window *now,
                        const struct window *before)
{
    const struct group *a = &adoption->now->groups[now->group];
    const struct group *b = &adoption->before->groups[before->group];
    return now->aggregate == before->aggregate && now->rep == before->rep &&
           type_equal(&now->type, &before->type) && same_keys(adoption, a, b) &&
           same_frame(&a->frames[now->frame], &b->frames[before->frame]) &&
           same_slot(adoption, a, now->slot, b, before->slot) &&
           same_slot(adoption, a, now->rows, b, before->rows);
}

static bool same_column(const struct adoption *adoption, int now, int before)
{
    const struct plan *a = adoption->now, *b = adoption->before;
    return strcasecmp(a->events->fields[now].name, b->events->fields[before].name) == 0;
}

/* What is below both is compared before. */
static bool same_expr(const struct adoption *adoption, const struct expr *now, const struct expr *before)
{
    bool same = now->kind == before->kind && now->rep == before->rep && now->n_args == before->n_args &&
                now->late == before->late && type_equal(&now->type, &before->type);
    for (int i = 0; same && i < now->n_args; i++)
        same = are_twins(adoption, now->args[i], before->args[i]);
    if (!same)
        return false;
    switch (now->kind) {
    case EXPR_CONSTANT:
        return same_value(now, before);
    case EXPR_COLUMN:
        return same_column(adoption, now->index, before->index);
    case EXPR_WINDOW:
        return same_window(adoption, &adoption->now->windows[now->index],
                           &adoption->before->windows[before->index]);
    default:
        return now->run == before->run;
    }
}

static void find_twins(struct adoption *adoption)
{
    const struct plan *now = adoption->now, *before = adoption->before;
    for (size_t i = 0; i < now->n_exprs; i++)
        for (size_t j = 0; j < before->n_exprs && !adoption->twins[i]; j++)
            if (same_expr(adoption, now->exprs[i], before->exprs[j]))
                adoption->twins[i] = before->exprs[j];
}

/* The group's next window in the order of the plan, from w on. */
static size_t next_window(const struct plan *plan, size_t w, int group)
{
    while (w < plan->n_windows && plan->windows[w].group != group)
        w++;
    return w;
}

/* All that a group keeps follows from these, in this order. */
static bool same_group(const struct adoption *adoption, int n, int b)
{
    const struct plan *now = adoption->now, *before = adoption->before;
    const struct group *a = &now->groups[n], *c = &before->groups[b];
    bool same = same_keys(adoption, a, c) && a->n_frames == c->n_frames && a->n_slots == c->n_slots;
    for (size_t f = 0; same && f < a->n_frames; f++)
        same = same_frame(&a->frames[f], &c->frames[f]);
    for (size_t s = 0; same && s < a->n_slots; s++)
        same = same_slot(adoption, a, (int)s, c, (int)s);
    size_t i = next_window(now, 0, n), j = next_window(before, 0, b);
    for (; same && i < now->n_windows && j < before->n_windows;
         i = next_window(now, i + 1, n), j = next_window(before, j + 1, b)) {
        const struct window *x = &now->windows[i], *y = &before->windows[j];
        same = x->frame == y->frame && x->slot == y->slot && x->rows == y->rows &&
               x->aggregate == y->aggregate && type_equal(&x->type, &y->type);
    }
    return same && i == now->n_windows && j == before->n_windows;
}

static bool has_same_order(const struct adoption *adoption)
{
    const struct plan *now = adoption->now, *before = adoption->before;
    if (now->time_column < 0 || before->time_column < 0)
        return now->time_column < 0 && before->time_column < 0;
    const struct field *a = &now->events->fields[now->time_column];
    const struct field *b = &before->events->fields[before->time_column];
    return strcasecmp(a->name, b->name) == 0 && type_equal(&a->type, &b->type) &&
           are_twins(adoption, now->where, before->where);
}

int adoption_new(struct plan *before, struct plan *now, struct adoption **ret, struct error *error)
{
    struct adoption *adoption = memory_new(1, sizeof *adoption);
    if (!adoption)
        return error_set(error, CODE_MEMORY, "no memory to compare plans");
    adoption->before = before ? plan_ref(before) : NULL;
    adoption->now = plan_ref(now);
    adoption->twins = memory_new(now->n_exprs + 1, sizeof *adoption->twins);
    adoption->sources = memory_new(now->n_groups + 1, sizeof *adoption->sources);
    if (!adoption->twins || !adoption->sources) {
        adoption_free(adoption);
        return error_set(error, CODE_MEMORY, "no memory to compare plans");
    }
    if (before) {
        find_twins(adoption);
        adoption->same_order = has_same_order(adoption);
    }
    for (size_t n = 0; n < now->n_groups; n++) {
        adoption->sources[n] = -1;
        for (size_t b = 0; adoption->same_order && b < before->n_groups && adoption->sources[n] < 0; b++)
            if (same_group(adoption, (int)n, (int)b))
                adoption->sources[n] = (int)b;
    }
    *ret = adoption;
    return OK;
}

void adoption_free(struct adoption *adoption)
{
    if (!adoption)
        return;
    free(adoption->twins);
    free(adoption->sources);
    plan_unref(adoption->before);
    plan_unref(adoption->now);
    free(adoption);
}

/* ---- how far the others reach back ---- */

/* Of one group: its longest frame, and the longest of the windows that it looks at. */
struct reach {
    bool all;
    int64_t length;
    int frame; /* of the group */
};

static bool is_endless(const struct frame *frame)
{
    return frame->unit == FRAME_ROWS || frame->start == FRAME_UNBOUNDED;
}

static void add_inner(const struct plan *plan, const struct group *group, struct reach *reach)
{
    bool *seen = memory_new(plan->n_exprs + 1, sizeof *seen);
    int64_t longest = 0;
    if (!seen) {
        reach->all = true; /* more than is needed */
        return;
    }
    for (size_t k = 0; k < group->n_keys; k++)
        expr_walk(plan, group->keys[k], seen);
    for (size_t s = 0; s < group->n_slots; s++)
        expr_walk_slot(plan, group, (int)s, seen);
    for (size_t e = 0; e < plan->n_exprs; e++) {
        if (!seen[e] || plan->exprs[e]->kind != EXPR_WINDOW)
            continue;
        const struct window *window = &plan->windows[plan->exprs[e]->index];
        const struct frame *frame = &plan->groups[window->group].frames[window->frame];
        reach->all |= is_endless(frame);
        if (!is_endless(frame) && frame->start > longest)
            longest = frame->start;
    }
    reach->length += longest;
    free(seen);
}

static struct reach reach_of(const struct plan *plan, const struct group *group)
{
    struct reach reach = {0};
    for (size_t f = 0; f < group->n_frames; f++) {
        const struct frame *frame = &group->frames[f];
        bool longer = is_endless(frame) ? !reach.all : !reach.all && frame->start > reach.length;
        if (longer)
            reach = (struct reach){is_endless(frame), is_endless(frame) ? 0 : frame->start, (int)f};
    }
    if (group->level)
        add_inner(plan, group, &reach);
    return reach;
}

static void name_window(const struct plan *plan, const struct group *group, int frame, char *ret, size_t size)
{
    struct buffer text;
    buffer_init(&text, 4096);
    keys_text(plan, group, &text);
    if (group->n_frames) {
        buffer_text(&text, ": ");
        frame_text(plan, &group->frames[frame], &text);
    }
    snprintf(ret, size, "%s", text.data ? text.data : "");
    buffer_done(&text);
}

void adoption_need(const struct adoption *adoption, struct adoption_need *ret)
{
    const struct plan *plan = adoption->now;
    struct adoption_need need = {.reach = -1};
    for (size_t g = 0; g < plan->n_groups; g++) {
        if (adoption->sources[g] >= 0) {
            need.kept++;
            continue;
        }
        struct reach reach = reach_of(plan, &plan->groups[g]);
        need.filled++;
        if (need.all || (!reach.all && reach.length <= need.reach))
            continue;
        need.all = reach.all;
        need.reach = reach.length;
        name_window(plan, &plan->groups[g], reach.frame, need.window, sizeof need.window);
    }
    if (need.reach < 0)
        need.reach = 0;
    *ret = need;
}

/* ---- taking over ---- */

enum { CHUNK = 4 << 20 };

struct moving {
    struct state *now;
    struct staged *to;
    const struct layout *layout; /* of what is moved */
    struct renumbering texts;
    struct buffer bytes;
    size_t at; /* read so far */
    struct bytes_out out;
    struct error *error;
    int rc;
};

static int put_bytes(void *context, const void *data, size_t size, struct error *error)
{
    struct moving *moving = context;
    buffer_append(&moving->bytes, data, size);
    return buffer_check(&moving->bytes, "windows that are taken over", error);
}

static int get_bytes(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    struct moving *moving = context;
    (void)error;
    size_t left = moving->bytes.size - moving->at, n = left < capacity ? left : capacity;
    memcpy(data, moving->bytes.data + moving->at, n);
    moving->at += n;
    *ret_size = n;
    return OK;
}

static void begin_chunk(struct moving *moving)
{
    buffer_clear(&moving->bytes);
    moving->at = 0;
    moving->rc = bytes_out_init(&moving->out, put_bytes, moving, moving->error);
}

/* What was written so far goes into the entities of `now`. */
static void end_chunk(struct moving *moving)
{
    struct bytes_in in;
    bytes_put_u8(&moving->out, 0);
    moving->rc = bytes_out_finish(&moving->out);
    if (moving->rc == OK)
        moving->rc = bytes_in_init(&in, get_bytes, moving, moving->error);
    if (moving->rc != OK)
        return;
    int64_t spilled = exact_spilled();
    state_load_entities(moving->now, moving->to, &moving->texts, &in);
    moving->rc = in.rc;
    entities_share(moving->to->shares[0])->bytes += exact_spilled() - spilled;
    bytes_in_done(&in);
}

static void move_entity(void *context, const struct entity *entity)
{
    struct moving *moving = context;
    if (moving->rc != OK)
        return;
    state_save_entity(moving->layout, entity, &moving->out);
    if (moving->out.total < CHUNK)
        return;
    end_chunk(moving);
    if (moving->rc == OK)
        begin_chunk(moving);
}

/* Without those that are there. */
static int empty_group(struct state *now, struct staged *group, struct error *error)
{
    int rc = OK;
    for (int t = 0; rc == OK && t < now->threads; t++) {
        struct entities *none;
        rc = entities_new(&group->layout, now->strings, &none, error);
        if (rc != OK)
            break;
        entities_free(group->shares[t]);
        group->shares[t] = none;
    }
    return rc;
}

static int move_group(struct moving *moving, const struct state *before, int from, int to)
{
    const struct staged *source = &before->groups[from];
    moving->to = &moving->now->groups[to];
    moving->layout = &source->layout;
    if (entity_shape(&source->layout) != entity_shape(&moving->to->layout))
        return error_set(moving->error, CODE_INTERNAL, "windows that are the same are laid out otherwise");
    int rc = empty_group(moving->now, moving->to, moving->error);
    if (rc != OK)
        return rc;
    begin_chunk(moving);
    if (moving->rc != OK)
        return moving->rc;
    for (int t = 0; t < before->threads; t++)
        entities_each(source->shares[t], move_entity, moving);
    if (moving->rc == OK)
        end_chunk(moving);
    return moving->rc;
}

/* The texts of `before` get numbers in `now`, each held once. */
static int move_texts(struct moving *moving, const struct state *before)
{
    struct bytes_in in;
    if (!before->strings || !moving->now->strings)
        return OK;
    begin_chunk(moving);
    if (moving->rc != OK)
        return moving->rc;
    strings_save(before->strings, &moving->out);
    moving->rc = bytes_out_finish(&moving->out);
    if (moving->rc == OK)
        moving->rc = bytes_in_init(&in, get_bytes, moving, moving->error);
    if (moving->rc != OK)
        return moving->rc;
    strings_load(moving->now->strings, &moving->texts, &in);
    moving->rc = in.rc;
    bytes_in_done(&in);
    return moving->rc;
}

static void take_order(struct state *now, const struct state *before)
{
    if (before->started && (!now->started || before->high_water > now->high_water))
        now->high_water = before->high_water;
    now->started |= before->started;
    now->arrival = before->arrival;
    now->counters = before->counters;
}

int state_adopt(struct state *now, const struct state *before, const struct adoption *adoption,
                struct error *error)
{
    struct moving moving = {.now = now, .error = error};
    if (!adoption->same_order)
        return OK;
    buffer_init(&moving.bytes, SIZE_MAX / 2);
    int rc = move_texts(&moving, before);
    for (size_t g = 0; rc == OK && g < now->plan->n_groups; g++)
        if (adoption->sources[g] >= 0)
            rc = move_group(&moving, before, adoption->sources[g], (int)g);
    for (size_t i = 0; i < moving.texts.n; i++)
        strings_release(now->strings, moving.texts.now[i]);
    renumbering_done(&moving.texts);
    buffer_done(&moving.bytes);
    take_order(now, before);
    now->failed |= rc != OK;
    return rc;
}

int64_t state_high_water(const struct state *state)
{
    return state->started ? state->high_water : INT64_MIN;
}
