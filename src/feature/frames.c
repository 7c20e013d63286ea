/* The frame of a window: how far back it reaches, in time or in rows. */
#include <string.h>

#include "base/limits.h"
#include "base/units.h"
#include "feature/compile.h"

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
int compile_order(struct binder *binder, yyjson_val *bound, struct error *error)
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
    if (strcmp(tree_text(order, "type"), "DESCENDING") == 0)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "ORDER BY ... DESC would see the future; order by the event time ascending");
    yyjson_val *expression = yyjson_obj_get(order, "expression"), *cast = NULL;
    if (strcmp(tree_text(expression, "expression_class"), "BOUND_CAST") == 0) {
        cast = expression;
        expression = yyjson_obj_get(expression, "child");
    }
    struct expr *column = NULL;
    struct type to = {0};
    if (strcmp(tree_text(expression, "expression_class"), "BOUND_REF") == 0) {
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

/* A constant INTERVAL in microseconds, or the most that there are. */
static int interval_us(struct binder *binder, const char *sql, struct expr **ret, struct error *error)
{
    struct expr *length, us = {.kind = EXPR_CONSTANT, .type = {.id = TYPE_INT64}, .rep = REP_INT};
    int rc = bind_sql_interval(binder, sql, &length, error);
    if (rc != OK)
        return rc;
    struct interval interval = length->value.interval;
    us.is_null = length->is_null;
    if (!us.is_null && interval.months != 0)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "months and years differ in length, so they cannot be a frame; write INTERVAL 30 DAY");
    int64_t days;
    if (!us.is_null && (__builtin_mul_overflow(interval.days, DAY_US, &days) ||
                        __builtin_add_overflow(days, interval.micros, &us.value.integer)))
        us.value.integer = interval.days < 0 ? INT64_MIN : INT64_MAX;
    return bind_add(binder, &us, ret, error);
}

/* A constant as a whole number; NULL where it is none. */
static int whole_number(struct binder *binder, const char *sql, struct expr **ret, struct error *error)
{
    static const struct type bigint = {.id = TYPE_INT64};
    struct buffer text;
    buffer_init(&text, 4 * (size_t)LIMIT_SQL);
    buffer_format(&text, "CASE WHEN TRY_CAST(%s AS BIGINT) = %s THEN CAST(%s AS BIGINT) END", sql, sql, sql);
    int rc = bind_sql_constant(binder, text.data, &bigint, ret, error);
    buffer_done(&text);
    return rc;
}

/* A constant length: of time, of steps or of rows. */
static int length(struct binder *binder, yyjson_val *bound, enum frame_unit unit, int64_t *ret,
                  struct error *error)
{
    const char *of = unit == FRAME_ROWS ? "rows" : binder->plan->time_is_step ? "steps" : "time";
    int64_t most = unit == FRAME_ROWS ? LIMIT_FRAME_ROWS : LIMIT_EVENT_TIME;
    bool interval = unit == FRAME_RANGE && !binder->plan->time_is_step;
    struct expr *value = NULL;
    struct buffer sql;
    if (!bind_is_constant(bound))
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           unit == FRAME_ROWS
                               ? "a number of rows must be a constant, as in ROWS 10 PRECEDING or lag(x, 2)"
                               : "a frame's length must be a constant, as in INTERVAL 7 DAY PRECEDING");
    if (interval && strcmp(tree_text(yyjson_obj_get(bound, "return_type"), "id"), "INTERVAL") != 0)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "over a date or time, a frame's length is an INTERVAL: INTERVAL 7 DAY PRECEDING");
    buffer_init(&sql, LIMIT_SQL);
    int rc = parse_print(bound, NULL, &sql, error);
    if (rc == OK)
        rc = buffer_check(&sql, "a frame's length", error);
    if (rc == OK)
        rc = interval ? interval_us(binder, sql.data, &value, error)
                      : whole_number(binder, sql.data, &value, error);
    buffer_done(&sql);
    if (rc == OK && value->is_null)
        rc = bind_refuse(binder, NULL, CODE_INVALID, error,
                         "a frame's length is NULL or not a whole number of %s", of);
    if (rc == OK && value->value.integer < 0)
        rc = bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                         "a frame that begins or ends after the event would see the future");
    if (rc == OK && value->value.integer == INT64_MAX)
        rc = bind_refuse(binder, NULL, CODE_LIMIT, error, "a frame is too long, at most %lld %s are possible",
                         (long long)most, interval ? "microseconds" : of);
    else if (rc == OK && value->value.integer > most)
        rc = bind_refuse(binder, NULL, CODE_LIMIT, error,
                         "a frame of %lld %s is too long, at most %lld is possible",
                         (long long)value->value.integer, interval ? "microseconds" : of, (long long)most);
    if (rc == OK)
        *ret = value->value.integer;
    return rc;
}

/* DuckDB puts a cast to BIGINT around a number of rows, which would round it. */
int compile_row_count(struct binder *binder, yyjson_val *bound, int64_t *ret, struct error *error)
{
    if (strcmp(tree_text(bound, "expression_class"), "BOUND_CAST") == 0)
        bound = yyjson_obj_get(bound, "child");
    return length(binder, bound, FRAME_ROWS, ret, error);
}

/* One end of a frame, as its distance back. DuckDB binds INTERVAL 7 DAY PRECEDING as `ts - INTERVAL 7 DAY`.
 */
static int edge(struct binder *binder, const char *kind, yyjson_val *bound, int64_t *ret, struct error *error)
{
    if (strcmp(kind, "UNBOUNDED_PRECEDING") == 0) {
        *ret = FRAME_UNBOUNDED;
        return OK;
    }
    if (strcmp(kind, "EXPR_PRECEDING_ROWS") == 0)
        return compile_row_count(binder, bound, ret, error);
    if (strcmp(kind, "EXPR_PRECEDING_RANGE") != 0) {
        *ret = 0;
        return OK;
    }
    yyjson_val *children = yyjson_obj_get(bound, "children");
    if (strcmp(tree_text(bound, "name"), "-") != 0 || yyjson_arr_size(children) != 2)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "a frame's length must be a constant, as in INTERVAL 7 DAY PRECEDING");
    return length(binder, yyjson_arr_get(children, 1), FRAME_RANGE, ret, error);
}

/* One meaning, one form: see compile.h. */
static struct frame normal(struct frame frame, bool excluded)
{
    bool rows = frame.unit == FRAME_ROWS;
    if (excluded && rows && frame.end == 0)
        frame.end = 1;
    frame.exclusive = excluded && !rows && frame.end == 0;
    if (rows && frame.start == FRAME_UNBOUNDED && frame.end <= 1)
        frame = (struct frame){FRAME_RANGE, frame.end == 1, FRAME_UNBOUNDED, 0};
    return frame;
}

/* What a frame cannot be, and what to write instead. */
static int refuse_frame(struct binder *binder, yyjson_val *bound, struct error *error)
{
    const char *start = tree_text(bound, "start"), *end = tree_text(bound, "end");
    const char *exclude = tree_text(bound, "exclude_clause");
    if (strstr(start, "FOLLOWING") || strstr(end, "FOLLOWING"))
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "FOLLOWING would see the future; frames end at CURRENT ROW or INTERVAL ... PRECEDING");
    if (strstr(start, "GROUPS") || strstr(end, "GROUPS"))
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "GROUPS counts events of one time as one; write RANGE with a length of time, or ROWS");
    if (strcmp(exclude, "GROUP") == 0)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "EXCLUDE GROUP: write EXCLUDE CURRENT ROW, or let the frame end at INTERVAL 1 MICROSECOND "
            "PRECEDING, which leaves out all events of the same time");
    if (strcmp(exclude, "TIES") == 0)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "EXCLUDE TIES: of events with one time only those that arrived before are seen; leave "
            "it out, or write EXCLUDE CURRENT ROW");
    return OK;
}

int compile_frame(struct binder *binder, yyjson_val *bound, struct frame *ret, struct error *error)
{
    const char *start = tree_text(bound, "start"), *end = tree_text(bound, "end");
    bool rows = strstr(start, "ROWS") || strstr(end, "ROWS");
    bool excluded = strcmp(tree_text(bound, "exclude_clause"), "CURRENT_ROW") == 0;
    struct frame frame = {.unit = rows ? FRAME_ROWS : FRAME_RANGE};
    int rc = refuse_frame(binder, bound, error);
    if (rc == OK)
        rc = edge(binder, start, yyjson_obj_get(bound, "start_expr"), &frame.start, error);
    if (rc == OK)
        rc = edge(binder, end, yyjson_obj_get(bound, "end_expr"), &frame.end, error);
    if (rc != OK)
        return rc;
    if (frame.end > frame.start)
        return bind_refuse(binder, NULL, CODE_INVALID, error,
                           "the frame ends before it begins: it is always empty");
    if (excluded && rows && frame.start == 0)
        return bind_refuse(binder, NULL, CODE_INVALID, error,
                           "the frame is the current row and excludes it: it is always empty");
    *ret = normal(frame, excluded);
    return OK;
}
