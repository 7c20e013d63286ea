/* Windows of a bound plan: frames, slots and groups, with the checks that keep the future and unknown labels
 * out. */
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "feature/compile.h"

static const char *text_of(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text ? text : "";
}

/* Where the text has the length of a bound frame, `ts - length`. */
static uint64_t length_location(yyjson_val *bound)
{
    return parse_location(yyjson_arr_get(yyjson_obj_get(yyjson_obj_get(bound, "start_expr"), "children"), 1));
}

/* Could the syntax tree's window be the bound one? The frame's length, of which both know the place in the
 * text, tells windows of one shape apart. */
static bool looks_like(yyjson_val *node, yyjson_val *bound)
{
    uint64_t length = length_location(bound);
    return strcmp(text_of(node, "class"), "WINDOW") == 0 &&
           strcmp(text_of(node, "type"), text_of(bound, "type")) == 0 &&
           (!*text_of(bound, "name") ||
            strncasecmp(text_of(node, "function_name"), text_of(bound, "name"), 3) == 0) &&
           strcmp(text_of(node, "start"), text_of(bound, "start")) == 0 &&
           strcmp(text_of(node, "end"), text_of(bound, "end")) == 0 &&
           yyjson_get_bool(yyjson_obj_get(node, "distinct")) ==
               yyjson_get_bool(yyjson_obj_get(bound, "distinct")) &&
           (length == UINT64_MAX || length == parse_location(yyjson_obj_get(node, "start_expr")));
}

/* The n-th (from 0) such window, so that errors point at it. */
static yyjson_val *find_window(yyjson_val *node, yyjson_val *bound, int *n)
{
    yyjson_val *found = NULL;
    if (yyjson_is_obj(node)) {
        if (looks_like(node, bound) && (*n)-- == 0)
            return node;
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; !found && (key = yyjson_obj_iter_next(&iter));)
            found = find_window(yyjson_obj_iter_get_val(key), bound, n);
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; !found && (item = yyjson_arr_iter_next(&iter));)
            found = find_window(item, bound, n);
    }
    return found;
}

/* Windows that look alike are in the order of the SELECT in both trees. */
static yyjson_val *locate_window(yyjson_val *select_list, yyjson_val *list, size_t at)
{
    yyjson_val *bound = yyjson_arr_get(list, at), *found;
    int earlier = 0, first = 0;
    for (size_t i = 0; i < at; i++) {
        yyjson_val *other = yyjson_arr_get(list, i);
        earlier += strcmp(text_of(other, "name"), text_of(bound, "name")) == 0 &&
                   strcmp(text_of(other, "type"), text_of(bound, "type")) == 0 &&
                   strcmp(text_of(other, "start"), text_of(bound, "start")) == 0 &&
                   strcmp(text_of(other, "end"), text_of(bound, "end")) == 0 &&
                   length_location(other) == length_location(bound);
    }
    found = find_window(select_list, bound, &earlier);
    found = found ? found : find_window(select_list, bound, &first);
    return found ? found : select_list;
}

static int check_kind(const struct binder *binder, yyjson_val *bound, enum aggregate *ret,
                      struct error *error)
{
    static const struct {
        const char *name;
        enum aggregate aggregate;
    } aggregates[] = {{"count", AGGREGATE_COUNT}, {"count_star", AGGREGATE_COUNT}, {"sum", AGGREGATE_SUM},
                      {"avg", AGGREGATE_AVG},     {"mean", AGGREGATE_AVG},         {"min", AGGREGATE_MIN},
                      {"max", AGGREGATE_MAX}};
    const char *name = text_of(bound, "name");
    if (strcmp(text_of(bound, "type"), "WINDOW_AGGREGATE") == 0 &&
        !yyjson_get_bool(yyjson_obj_get(bound, "distinct")))
        for (size_t i = 0; i < sizeof aggregates / sizeof *aggregates; i++)
            if (strcmp(name, aggregates[i].name) == 0) {
                *ret = aggregates[i].aggregate;
                return OK;
            }
    return bind_refuse(
        binder, NULL, CODE_UNSUPPORTED, error,
        "the window function %s%s is not supported yet; use count, sum, avg, min or max over a RANGE frame",
        *name ? name : text_of(bound, "type"),
        yyjson_get_bool(yyjson_obj_get(bound, "distinct")) ? " with DISTINCT" : "");
}

/* Casts that DuckDB puts around the event time, so that a frame's length can be subtracted, lose nothing. */
static bool keeps_time(const struct type *from, const struct type *to)
{
    if (from->id == TYPE_DATE)
        return to->id == TYPE_TIMESTAMP || to->id == TYPE_TIMESTAMPTZ;
    if (type_is_integer(from->id))
        return to->id == TYPE_DECIMAL ||
               (type_is_integer(to->id) && type_width(to->id) > type_width(from->id));
    return false;
}

/* The one ORDER BY expression of a window as an event column: itself, or a DATE cast to TIMESTAMP. */
static int check_order(struct binder *binder, yyjson_val *bound, struct error *error)
{
    struct plan *plan = binder->plan;
    yyjson_val *orders = yyjson_obj_get(bound, "orders"), *order = yyjson_arr_get(orders, 0);
    if (yyjson_arr_size(orders) == 0)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "a window without ORDER BY would see the future; write OVER (PARTITION BY ... ORDER BY ts RANGE "
            "BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)");
    if (yyjson_arr_size(orders) != 1)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "a window is ordered by the event time alone; ties are in arrival order");
    if (strcmp(text_of(order, "type"), "DESCENDING") == 0)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "ORDER BY ... DESC would see the future; order by the event time ascending");
    yyjson_val *expression = yyjson_obj_get(order, "expression"), *cast = NULL;
    if (strcmp(text_of(expression, "expression_class"), "BOUND_CAST") == 0) {
        cast = expression;
        expression = yyjson_obj_get(expression, "child");
    }
    struct expr *column = NULL;
    struct type to = {0};
    if (strcmp(text_of(expression, "expression_class"), "BOUND_REF") == 0) {
        int rc = bind_expr(binder, expression, 0, &column, error);
        if (rc != OK)
            return rc;
    }
    bool kept = column && (!cast || (bind_type(yyjson_obj_get(cast, "return_type"), &to, plan, NULL) == OK &&
                                     keeps_time(&column->type, &to)));
    if (!kept || column->kind != EXPR_COLUMN || plan->late[column->index].is_late)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "a window must be ordered by a column of the events: the event time");
    const struct field *field = &plan->events->fields[column->index];
    enum type_id id = field->type.id;
    bool time = id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ || id == TYPE_DATE;
    if (!time && !(type_is_integer(id) && id != TYPE_HUGEINT && id != TYPE_UINT64))
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "the event time %s must be TIMESTAMP, TIMESTAMPTZ, DATE or an integer step",
                           field->name);
    if (plan->time_column >= 0 && plan->time_column != column->index)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "windows are ordered by %s and by %s; a plan has one event time",
                           plan->events->fields[plan->time_column].name, field->name);
    plan->time_column = column->index;
    plan->time_is_step = !time;
    plan->time_scale = id == TYPE_DATE ? DAY_US : 1;
    return OK;
}

/* A bound like `ts - INTERVAL 7 DAY` as its distance back. */
static int distance(struct binder *binder, yyjson_val *bound, int64_t *ret, struct error *error)
{
    yyjson_val *children = yyjson_obj_get(bound, "children"), *length = yyjson_arr_get(children, 1);
    struct buffer sql, text;
    buffer_init(&sql, LIMIT_SQL);
    buffer_init(&text, LIMIT_SQL);
    int rc = OK;
    if (strcmp(text_of(bound, "name"), "-") != 0 || yyjson_arr_size(children) != 2 ||
        !bind_is_constant(length))
        rc = bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                         "a frame's length must be a constant, as in INTERVAL 7 DAY PRECEDING");
    bool interval = strcmp(text_of(yyjson_obj_get(length, "return_type"), "id"), "INTERVAL") == 0;
    if (rc == OK && !binder->plan->time_is_step && !interval)
        rc = bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                         "over a date or time, a frame's length is an INTERVAL: INTERVAL 7 DAY PRECEDING");
    if (rc == OK)
        rc = parse_print(length, NULL, &sql, error);
    struct type bigint = {.id = TYPE_INT64};
    struct expr *months = NULL, *value = NULL;
    if (rc == OK && !binder->plan->time_is_step) {
        buffer_format(&text, "CAST(date_part('year', %s) * 12 + date_part('month', %s) AS BIGINT)", sql.data,
                      sql.data);
        rc = bind_sql_constant(binder, text.data, &bigint, &months, error);
        if (rc == OK && (months->is_null || months->value.integer != 0))
            rc = bind_refuse(
                binder, NULL, CODE_UNSUPPORTED, error,
                "months and years differ in length, so they cannot be a frame; write INTERVAL 30 DAY");
        buffer_clear(&text);
        buffer_format(
            &text, "CAST(epoch_us(TIMESTAMP '2000-01-01' + %s) - epoch_us(TIMESTAMP '2000-01-01') AS BIGINT)",
            sql.data);
    } else if (rc == OK) {
        buffer_format(&text, "CASE WHEN CAST(%s AS BIGINT) = %s THEN CAST(%s AS BIGINT) END", sql.data,
                      sql.data, sql.data);
    }
    if (rc == OK)
        rc = bind_sql_constant(binder, text.data, &bigint, &value, error);
    if (rc == OK && value->is_null)
        rc = bind_refuse(binder, NULL, CODE_INVALID, error,
                         "a frame's length is NULL or not a whole number of steps");
    if (rc == OK && value->value.integer < 0)
        rc = bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                         "a frame that begins or ends after the event would see the future");
    if (rc == OK && value->value.integer > LIMIT_EVENT_TIME)
        rc = bind_refuse(binder, NULL, CODE_LIMIT, error,
                         "a frame of %lld is too long, at most %lld is possible",
                         (long long)value->value.integer, (long long)LIMIT_EVENT_TIME);
    if (rc == OK)
        *ret = value->value.integer;
    buffer_done(&sql);
    buffer_done(&text);
    return rc;
}

static int check_frame(struct binder *binder, yyjson_val *bound, struct frame *ret, struct error *error)
{
    const char *start = text_of(bound, "start"), *end = text_of(bound, "end");
    struct frame frame = {0};
    int rc = OK;
    if (strstr(start, "FOLLOWING") || strstr(end, "FOLLOWING"))
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "FOLLOWING would see the future; frames end at CURRENT ROW or INTERVAL ... PRECEDING");
    if (strstr(start, "ROWS") || strstr(end, "ROWS") || strstr(start, "GROUPS") || strstr(end, "GROUPS"))
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "ROWS and GROUPS frames are not supported yet; write RANGE BETWEEN INTERVAL ... PRECEDING AND "
            "CURRENT ROW");
    if (strcmp(start, "EXPR_PRECEDING_RANGE") != 0)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "an unbounded frame is not supported yet; give it a length: RANGE BETWEEN INTERVAL 30 DAY "
            "PRECEDING AND CURRENT ROW");
    if (strcmp(text_of(bound, "exclude_clause"), "NO_OTHER") != 0)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "EXCLUDE is not supported yet");
    rc = distance(binder, yyjson_obj_get(bound, "start_expr"), &frame.start, error);
    if (rc == OK && strcmp(end, "EXPR_PRECEDING_RANGE") == 0)
        rc = distance(binder, yyjson_obj_get(bound, "end_expr"), &frame.end, error);
    if (rc == OK && frame.end > frame.start)
        rc = bind_refuse(binder, NULL, CODE_INVALID, error,
                         "the frame ends before it begins: it is always empty");
    if (rc == OK)
        *ret = frame;
    return rc;
}

/* Which late column an expression looks at, -1 if none. */
static int late_column(const struct plan *plan, const struct expr *expr)
{
    if (!expr || !expr->late)
        return -1;
    if (expr->kind == EXPR_COLUMN)
        return plan->late[expr->index].is_late ? expr->index : -1;
    for (int i = 0; i < expr->n_args; i++) {
        int found = late_column(plan, expr->args[i]);
        if (found >= 0)
            return found;
    }
    return -1;
}

static int check_leakage(const struct binder *binder, const struct slot *slot, const struct frame *frame,
                         struct error *error)
{
    struct plan *plan = binder->plan;
    int late = late_column(plan, slot->argument);
    if (late < 0)
        late = late_column(plan, slot->filter);
    if (late < 0)
        return OK;
    const char *name = plan->events->fields[late].name;
    char after[UNITS_TEXT_SIZE], end[UNITS_TEXT_SIZE];
    int64_t known_us = plan->late[late].after_us;
    units_duration_text(known_us, after);
    if (plan->time_is_step)
        known_us = 1; /* steps have no length of their own: any delay is the user's word */
    if (frame->end == 0)
        return bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: this frame ends at the current row, where %s is not known yet; it is known after %s: "
            "let the frame end at INTERVAL ... PRECEDING of at least that",
            name, after);
    if (frame->end < known_us)
        return plan_warn(plan, error,
                         "a frame over %s ends %s before the event, but %s is known only after %s: it sees "
                         "labels half known "
                         "(frauds arrive, their absence does not)",
                         name, units_duration_text(frame->end, end), name, after);
    return OK;
}

static int find_frame(struct group *group, const struct frame *frame)
{
    for (size_t i = 0; i < group->n_frames; i++)
        if (group->frames[i].unit == frame->unit && group->frames[i].exclusive == frame->exclusive &&
            group->frames[i].start == frame->start && group->frames[i].end == frame->end)
            return (int)i;
    if (!memory_grow(&group->frames, &group->frames_capacity, group->n_frames + 1, sizeof *group->frames))
        return -1;
    group->frames[group->n_frames] = *frame;
    return (int)group->n_frames++;
}

static int find_slot(struct group *group, const struct slot *slot)
{
    for (size_t i = 0; i < group->n_slots; i++)
        if (group->slots[i].argument == slot->argument && group->slots[i].filter == slot->filter)
            return (int)i;
    if (!memory_grow(&group->slots, &group->slots_capacity, group->n_slots + 1, sizeof *group->slots))
        return -1;
    group->slots[group->n_slots] = *slot;
    return (int)group->n_slots++;
}

static int find_group(struct binder *binder, yyjson_val *partitions, size_t *ret, struct error *error)
{
    struct plan *plan = binder->plan;
    size_t n = yyjson_arr_size(partitions);
    if (n > LIMIT_KEYS)
        return bind_refuse(binder, NULL, CODE_LIMIT, error,
                           "PARTITION BY has %zu expressions, at most %d are possible", n, LIMIT_KEYS);
    struct expr **keys = arena_new(&plan->arena, n ? n : 1, sizeof *keys);
    if (!keys)
        return error_set(error, CODE_MEMORY, "no memory for a window's keys");
    for (size_t i = 0; i < n; i++) {
        int rc = bind_expr(binder, yyjson_arr_get(partitions, i), 0, &keys[i], error);
        if (rc != OK)
            return rc;
        int late = late_column(plan, keys[i]);
        if (late >= 0)
            return bind_refuse(binder, NULL, CODE_INVALID, error,
                               "leakage: PARTITION BY %s, a late column, which is not known at the event",
                               plan->events->fields[late].name);
    }
    for (size_t g = 0; g < plan->n_groups; g++)
        if (plan->groups[g].n_keys == n &&
            (n == 0 || memcmp(plan->groups[g].keys, keys, n * sizeof *keys) == 0)) {
            *ret = g;
            return OK;
        }
    if (!memory_grow(&plan->groups, &plan->groups_capacity, plan->n_groups + 1, sizeof *plan->groups))
        return error_set(error, CODE_MEMORY, "no memory for a window");
    plan->groups[plan->n_groups] = (struct group){.keys = keys, .n_keys = n};
    *ret = plan->n_groups++;
    return OK;
}

static bool is_mark(const struct slot *slot)
{
    return !slot->argument && !slot->filter;
}

static int bind_slot(struct binder *binder, yyjson_val *bound, struct slot *ret, struct error *error)
{
    yyjson_val *argument = yyjson_arr_get(yyjson_obj_get(bound, "children"), 0);
    yyjson_val *filter = yyjson_obj_get(bound, "filters");
    struct slot slot = {.type = {.id = TYPE_BOOLEAN}};
    int rc = OK;
    binder->default_late = true;
    if (argument)
        rc = bind_expr(binder, argument, 0, &slot.argument, error);
    if (rc == OK && filter && !yyjson_is_null(filter))
        rc = bind_condition(binder, filter, 0, &slot.filter, error);
    binder->default_late = false;
    if (rc == OK && slot.argument) {
        slot.type = slot.argument->type;
        slot.rep = slot.argument->rep;
    }
    if (rc == OK)
        *ret = slot;
    return rc;
}

static int compile_window(struct binder *binder, yyjson_val *bound, struct expr **ret, struct error *error)
{
    struct plan *plan = binder->plan;
    struct window window = {.slot = -1, .rows = -1};
    struct frame frame;
    struct slot slot;
    size_t group = 0;
    int rc = check_kind(binder, bound, &window.aggregate, error);
    if (rc == OK)
        rc = check_order(binder, bound, error);
    if (rc == OK)
        rc = check_frame(binder, bound, &frame, error);
    if (rc == OK)
        rc = bind_type(yyjson_obj_get(bound, "return_type"), &window.type, plan, error) == OK
                 ? OK
                 : bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s", error ? error->message : "");
    if (rc == OK)
        rc = bind_slot(binder, bound, &slot, error);
    if (rc == OK)
        rc = check_leakage(binder, &slot, &frame, error);
    if (rc == OK)
        rc = find_group(binder, yyjson_obj_get(bound, "partitions"), &group, error);
    if (rc != OK)
        return rc;
    window.rep = rep_of_type(&window.type);
    window.group = (int)group;
    bool summed = window.aggregate == AGGREGATE_SUM || window.aggregate == AGGREGATE_AVG;
    bool extreme = window.aggregate == AGGREGATE_MIN || window.aggregate == AGGREGATE_MAX;
    if (slot.rep == REP_TEXT && (summed || extreme))
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "min and max of VARCHAR are not supported yet");
    if (window.aggregate == AGGREGATE_AVG && window.rep != REP_DOUBLE)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "the mean of a date or time is not supported yet; take it of epoch(...)");
    window.frame = find_frame(&plan->groups[group], &frame);
    if (!is_mark(&slot))
        window.slot = find_slot(&plan->groups[group], &slot);
    if (window.frame < 0 || (window.slot < 0 && !is_mark(&slot)) ||
        !memory_grow(&plan->windows, &plan->windows_capacity, plan->n_windows + 1, sizeof *plan->windows))
        return error_set(error, CODE_MEMORY, "no memory for a window");
    if (plan->groups[group].n_slots > LIMIT_SLOTS || plan->n_windows >= LIMIT_WINDOWS)
        return bind_refuse(
            binder, NULL, CODE_LIMIT, error,
            "a plan has at most %d windows, and %d different (argument, FILTER) pairs per entity",
            LIMIT_WINDOWS, LIMIT_SLOTS);
    size_t index = 0;
    while (index < plan->n_windows &&
           !(plan->windows[index].group == window.group && plan->windows[index].frame == window.frame &&
             plan->windows[index].slot == window.slot && plan->windows[index].rows == window.rows &&
             plan->windows[index].aggregate == window.aggregate))
        index++;
    plan->windows[index] = window;
    plan->n_windows += index == plan->n_windows;
    struct expr expr = {.kind = EXPR_WINDOW, .type = window.type, .rep = window.rep, .index = (int)index};
    expr.level = 1;
    *ret = bind_intern(plan, &expr);
    return *ret ? OK : error_set(error, CODE_MEMORY, "no memory for an expression");
}

static void print_input(void *context, int64_t index, struct buffer *out)
{
    const struct binder *binder = context;
    const char *sql = binder->inputs_sql[index];
    buffer_text(out, sql ? sql : "NULL");
}

/* Prints with every event column taken from alias `p` instead of `e`. */
static int print_inner(struct binder *binder, yyjson_val *bound, struct buffer *out, struct error *error)
{
    struct binder inner = *binder;
    char **sql = memory_new(binder->n_inputs, sizeof *sql);
    int rc = sql ? OK : error_set(error, CODE_MEMORY, "no memory for the oracle");
    for (size_t i = 0; rc == OK && i < binder->n_inputs; i++) {
        const struct expr *input = binder->inputs[i];
        if (!input || input->kind != EXPR_COLUMN)
            continue;
        const struct late *late = &binder->plan->late[input->index];
        struct buffer name;
        buffer_init(&name, LIMIT_SQL);
        buffer_text(&name, late->default_sql ? "coalesce(p." : "p.");
        duck_identifier(&name, binder->plan->events->fields[input->index].name);
        if (late->default_sql)
            buffer_format(&name, ", %s)", late->default_sql);
        sql[i] = arena_text(&binder->plan->arena, name.data, name.size);
        /* Only a late column is its DEFAULT where it is missing; any other is NULL. */
        if (!late->is_late)
            sql[i] = arena_format(&binder->plan->arena, "p%s", binder->inputs_sql[i] + 1);
        buffer_done(&name);
    }
    inner.inputs_sql = sql;
    struct sql_context context = {print_input, &inner};
    if (rc == OK)
        rc = parse_print(bound, &context, out, error);
    free(sql);
    return rc;
}

/*
 * The definition as a correlated subquery. shrike_seq, shrike_time, shrike_high and shrike_too_late are
 * columns that verification adds to the events (see verify.c).
 */
static int print_window(struct binder *binder, yyjson_val *bound, const struct frame *frame,
                        struct buffer *out, struct error *error)
{
    yyjson_val *argument = yyjson_arr_get(yyjson_obj_get(bound, "children"), 0);
    yyjson_val *filter = yyjson_obj_get(bound, "filters"), *partitions = yyjson_obj_get(bound, "partitions");
    struct sql_context outer = {print_input, binder};
    int rc = OK;
    buffer_format(out, "(SELECT %s(",
                  strcmp(text_of(bound, "name"), "count_star") == 0 ? "count" : text_of(bound, "name"));
    if (argument)
        rc = print_inner(binder, argument, out, error);
    else
        buffer_text(out, "*");
    buffer_text(out, ")");
    if (rc == OK && filter && !yyjson_is_null(filter)) {
        buffer_text(out, " FILTER (WHERE ");
        rc = print_inner(binder, filter, out, error);
        buffer_text(out, ")");
    }
    buffer_format(
        out,
        " FROM shrike_events p WHERE p.shrike_seq <= e.shrike_seq AND p.shrike_time >= e.shrike_time - %lld"
        " AND p.shrike_time <= e.shrike_time - %lld AND (NOT p.shrike_too_late OR p.shrike_seq = "
        "e.shrike_seq)"
        " AND (p.shrike_seq = e.shrike_seq OR p.shrike_time >= e.shrike_floor - %lld)",
        (long long)frame->start, (long long)frame->end, (long long)frame->start);
    for (size_t i = 0; rc == OK && i < yyjson_arr_size(partitions); i++) {
        buffer_text(out, " AND ");
        rc = print_inner(binder, yyjson_arr_get(partitions, i), out, error);
        buffer_text(out, " IS NOT DISTINCT FROM ");
        if (rc == OK)
            rc = parse_print(yyjson_arr_get(partitions, i), &outer, out, error);
    }
    buffer_text(out, ")");
    return rc;
}

int compile_windows(struct binder *binder, yyjson_val *operator, struct error * error)
{
    yyjson_val *list = yyjson_obj_get(operator, "expressions"), *bound;
    size_t first = binder->n_inputs, i, n;
    struct plan *plan = binder->plan;
    int rc = OK;
    yyjson_arr_foreach(list, i, n, bound)
    {
        struct expr *expr;
        struct buffer sql;
        binder->item = locate_window(binder->parsed->select_list, list, i);
        if (binder->parsed->over)
            rc = bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                             "a window has no place here; make it a feature of the plan and use that");
        if (rc == OK)
            rc = compile_window(binder, bound, &expr, error);
        if (rc != OK)
            return rc;
        const struct window *window = &plan->windows[expr->index];
        buffer_init(&sql, LIMIT_SQL);
        rc = print_window(binder, bound, &plan->groups[window->group].frames[window->frame], &sql, error);
        char *text = rc == OK ? arena_text(&plan->arena, sql.data, sql.size) : NULL;
        buffer_done(&sql);
        if (rc != OK)
            return rc;
        size_t at = first + i;
        if (!text ||
            !memory_grow(&binder->inputs, &binder->inputs_capacity, at + 1, sizeof *binder->inputs) ||
            !memory_grow(&binder->inputs_sql, &binder->sql_capacity, at + 1, sizeof *binder->inputs_sql))
            return error_set(error, CODE_MEMORY, "no memory for a window");
        binder->inputs[at] = expr;
        binder->inputs_sql[at] = text;
    }
    binder->n_inputs = first + yyjson_arr_size(list);
    return OK;
}
