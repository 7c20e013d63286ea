/* Windows of a bound plan: their groups, slots and frames. */
#include <string.h>

#include "base/limits.h"
#include "feature/compile.h"
#include "feature/expr_walk.h"

/* What a window aggregates, of which events. */
struct subject {
    struct expr **keys;
    size_t n_keys;
    struct slot slot;
    struct frame frame;
    int level; /* of the group that it needs */
};

static void raise_level(struct subject *subject, const struct expr *expr)
{
    if (expr && expr->level > subject->level)
        subject->level = expr->level;
}

static int bind_keys(struct binder *binder, yyjson_val *partitions, struct subject *subject,
                     struct error *error)
{
    struct plan *plan = binder->plan;
    size_t n = yyjson_arr_size(partitions);
    if (n > LIMIT_KEYS)
        return bind_refuse(binder, NULL, CODE_LIMIT, error,
                           "PARTITION BY has %zu expressions, at most %d are possible", n, LIMIT_KEYS);
    subject->keys = arena_new(&plan->arena, n ? n : 1, sizeof *subject->keys);
    subject->n_keys = n;
    if (!subject->keys)
        return error_set(error, CODE_MEMORY, "no memory for a window's keys");
    for (size_t i = 0; i < n; i++) {
        int rc = bind_expr(binder, yyjson_arr_get(partitions, i), 0, &subject->keys[i], error);
        if (rc != OK)
            return rc;
        int late = leakage_column(subject->keys[i]);
        if (late >= 0)
            return bind_refuse(binder, NULL, CODE_INVALID, error,
                               "leakage: PARTITION BY %s, a late column, which is not known at the event",
                               plan->events->fields[late].name);
        raise_level(subject, subject->keys[i]);
    }
    return OK;
}

/* avg() and sum() widen integers, which changes nothing but that they would need another slot than count()
 * of the same. What a window gives back as it came in keeps the type that it has there. */
static bool may_be_narrow(enum aggregate aggregate)
{
    return aggregate == AGGREGATE_COUNT || aggregate == AGGREGATE_SUM || aggregate == AGGREGATE_AVG;
}

static int bind_slot(struct binder *binder, yyjson_val *bound, enum aggregate aggregate, struct slot *ret,
                     struct error *error)
{
    yyjson_val *argument = yyjson_arr_get(yyjson_obj_get(bound, "children"), 0);
    yyjson_val *filter = yyjson_obj_get(bound, "filters");
    struct slot slot = {.type = {.id = TYPE_BOOLEAN}};
    int rc = OK;
    binder->in_window = true;
    if (argument)
        rc = bind_expr(binder, argument, 0, &slot.argument, error);
    if (rc == OK && filter)
        rc = bind_condition(binder, filter, 0, &slot.filter, error);
    binder->in_window = false;
    if (rc == OK && slot.argument) {
        if (may_be_narrow(aggregate))
            slot.argument = expr_narrowest(slot.argument);
        slot.type = slot.argument->type;
        slot.rep = slot.argument->rep;
    }
    if (rc == OK)
        *ret = slot;
    return rc;
}

/* lag(x, n) looks at one row, whatever the frame says. */
static int bind_lag(struct binder *binder, yyjson_val *bound, struct frame *ret, struct error *error)
{
    yyjson_val *offset = yyjson_obj_get(bound, "offset_expr");
    int64_t back = 1;
    int rc = offset ? compile_row_count(binder, offset, &back, error) : OK;
    if (rc == OK)
        *ret = (struct frame){FRAME_ROWS, false, back, back};
    return rc;
}

static int bind_subject(struct binder *binder, yyjson_val *bound, const struct aggregation *how,
                        struct subject *ret, struct error *error)
{
    bool rows = how->is_lag || strstr(tree_text(bound, "end"), "ROWS");
    struct subject subject = {0};
    int rc = compile_order(binder, bound, error);
    if (rc == OK)
        rc = how->is_lag ? bind_lag(binder, bound, &subject.frame, error)
                         : compile_frame(binder, bound, &subject.frame, error);
    if (rc == OK)
        rc = bind_slot(binder, bound, how->aggregate, &subject.slot, error);
    if (rc == OK)
        rc = leakage_check(binder, &subject.slot, &subject.frame, rows, error);
    if (rc == OK)
        rc = bind_keys(binder, yyjson_obj_get(bound, "partitions"), &subject, error);
    if (rc != OK)
        return rc;
    raise_level(&subject, subject.slot.argument);
    raise_level(&subject, subject.slot.filter);
    if (subject.level > 1)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "a window over a window over a window: windows may look at the results of others, but "
            "not at those that do so themselves");
    *ret = subject;
    return OK;
}

/* The window's result as an expression; the same window twice is one. */
static int add_window(struct binder *binder, const struct window *window, struct expr **ret,
                      struct error *error)
{
    struct plan *plan = binder->plan;
    int index = intern_window(plan, window);
    if (index < 0)
        return error_set(error, CODE_MEMORY, "no memory for a window");
    if (plan->groups[window->group].n_slots > LIMIT_SLOTS || plan->n_windows > LIMIT_WINDOWS)
        return bind_refuse(
            binder, NULL, CODE_LIMIT, error,
            "a plan has at most %d windows, and %d different (argument, FILTER) pairs per entity",
            LIMIT_WINDOWS, LIMIT_SLOTS);
    struct expr expr = {.kind = EXPR_WINDOW,
                        .type = window->type,
                        .rep = window->rep,
                        .index = index,
                        .level = plan->groups[window->group].level + 1};
    return bind_add(binder, &expr, ret, error);
}

/* The window's frame and slots in its group. False: no memory. */
static bool place(struct group *group, const struct aggregation *how, const struct subject *subject,
                  struct window *window)
{
    const struct slot *slot = &subject->slot;
    struct slot rows = {.filter = slot->filter, .type = {.id = TYPE_BOOLEAN}};
    bool one = how->aggregate == AGGREGATE_FIRST || how->aggregate == AGGREGATE_LAST;
    window->slot = window->rows = -1;
    window->frame = intern_frame(group, &subject->frame);
    if (window->frame < 0)
        return false;
    if (slot->argument || slot->filter) {
        window->slot = intern_slot(group, slot);
        if (window->slot < 0)
            return false;
    }
    if (one && how->skips_nulls) {
        window->rows = window->slot;
    } else if (one && slot->filter) {
        window->rows = intern_slot(group, &rows);
        return window->rows >= 0;
    }
    return true;
}

/* The default of lag is the event's own and stands where there is no such row. */
static int bind_lag_default(struct binder *binder, yyjson_val *fallback, const struct window *window,
                            struct expr **result, struct error *error)
{
    static const struct type bigint = {.id = TYPE_INT64}, boolean = {.id = TYPE_BOOLEAN};
    struct window rows = {.group = window->group,
                          .frame = window->frame,
                          .slot = -1,
                          .rows = -1,
                          .aggregate = AGGREGATE_COUNT,
                          .type = bigint,
                          .rep = REP_INT};
    struct expr zero = {.kind = EXPR_CONSTANT, .type = bigint, .rep = REP_INT};
    struct expr *none[2], *choice[3] = {NULL, NULL, *result};
    int rc = bind_expr(binder, fallback, 0, &choice[1], error);
    if (rc != OK || (choice[1]->kind == EXPR_CONSTANT && choice[1]->is_null))
        return rc;
    rc = add_window(binder, &rows, &none[0], error);
    if (rc == OK)
        rc = bind_add(binder, &zero, &none[1], error);
    if (rc == OK)
        rc = bind_call(binder, "COMPARE_EQUAL", &boolean, none, 2, &choice[0], error);
    return rc == OK ? bind_call(binder, "IF", &window->type, choice, 3, result, error) : rc;
}

static int compile_window(struct binder *binder, yyjson_val *bound, struct input *ret, struct error *error)
{
    struct plan *plan = binder->plan;
    yyjson_val *fallback = yyjson_obj_get(bound, "default_expr");
    struct aggregation how;
    struct subject subject;
    struct window window = {0};
    struct input input = {0};
    int rc = aggregate_find(binder, bound, &how, error);
    if (rc == OK)
        rc = bind_subject(binder, bound, &how, &subject, error);
    if (rc == OK)
        rc = bind_type_of(binder, bound, &window.type, error);
    if (rc != OK)
        return rc;
    window.aggregate = how.aggregate;
    window.rep = rep_of_type(&window.type);
    if (window.aggregate == AGGREGATE_AVG && window.rep != REP_DOUBLE)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "the mean of a date or time: take it of epoch(...)");
    window.group = intern_group(plan, subject.keys, subject.n_keys, subject.level);
    if (window.group < 0 || !place(&plan->groups[window.group], &how, &subject, &window))
        return error_set(error, CODE_MEMORY, "no memory for a window");
    rc = add_window(binder, &window, &input.expr, error);
    if (rc == OK)
        rc = leakage_warn(binder, &window, error);
    if (rc == OK && fallback)
        rc = bind_lag_default(binder, fallback, &window, &input.expr, error);
    if (rc == OK)
        rc = oracle_window(binder, bound, &how, &subject.frame, &input, error);
    if (rc == OK)
        *ret = input;
    return rc;
}

int compile_windows(struct binder *binder, yyjson_val *op, struct error *error)
{
    yyjson_val *list = yyjson_obj_get(op, "expressions"), *bound;
    size_t i, n;
    if (!bind_inputs(binder, binder->n_inputs + yyjson_arr_size(list)))
        return error_set(error, CODE_MEMORY, "no memory for the plan");
    oracle_begin_windows(&binder->oracle);
    yyjson_arr_foreach(list, i, n, bound)
    {
        struct input input = {0};
        int rc = OK;
        binder->item = sites_take(binder->sites, bound);
        if (binder->parsed->over)
            rc = bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                             "a window has no place here; make it a feature of the plan and use that");
        if (rc == OK)
            rc = compile_window(binder, bound, &input, error);
        input.refused = rc != OK;
        rc = bind_note(binder, rc, error);
        if (rc != OK)
            return rc;
        binder->inputs[binder->n_inputs++] = input;
    }
    oracle_end_windows(&binder->oracle);
    return OK;
}
