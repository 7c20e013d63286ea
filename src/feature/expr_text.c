#include "feature/expr_text.h"

#include <ctype.h>
#include <string.h>

#include "base/units.h"

static void wide_text(__int128 value, int scale, struct buffer *out)
{
    char text[48], *at = text + sizeof text;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    *--at = 0;
    for (int digit = 0; rest || digit <= scale; digit++) {
        if (digit && digit == scale)
            *--at = '.';
        *--at = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    buffer_format(out, "%s%s", value < 0 ? "-" : "", at);
}

static void quoted(const char *data, size_t size, struct buffer *out)
{
    buffer_text(out, "'");
    for (size_t i = 0; i < size; i++)
        buffer_append(out, data[i] == '\'' ? "''" : data + i, data[i] == '\'' ? 2 : 1);
    buffer_text(out, "'");
}

static void time_text(const struct expr *expr, struct buffer *out)
{
    char text[UNITS_TEXT_SIZE];
    if (expr->type.id == TYPE_DATE)
        units_date_text((int32_t)expr->value.integer, text);
    else
        units_time_text(expr->value.integer, text);
    buffer_format(out, "'%s'", text);
}

static void interval_text(struct interval interval, struct buffer *out)
{
    char text[UNITS_TEXT_SIZE];
    buffer_text(out, "INTERVAL '");
    if (interval.months)
        buffer_format(out, "%d months%s", interval.months, interval.days || interval.micros ? " " : "");
    if (interval.days)
        buffer_format(out, "%d days%s", interval.days, interval.micros ? " " : "");
    if (interval.micros || (!interval.months && !interval.days))
        buffer_format(out, "%s%s", interval.micros < 0 ? "-" : "",
                      units_duration_text(interval.micros < 0 ? -interval.micros : interval.micros, text));
    buffer_text(out, "'");
}

static void constant_text(const struct expr *expr, struct buffer *out)
{
    size_t size;
    const char *text;
    if (expr->is_null) {
        buffer_text(out, "NULL");
        return;
    }
    switch (expr->rep) {
    case REP_BOOLEAN:
        buffer_text(out, expr->value.boolean ? "true" : "false");
        break;
    case REP_WIDE:
        wide_text(expr->value.wide, expr->type.id == TYPE_DECIMAL ? expr->type.scale : 0, out);
        break;
    case REP_DOUBLE:
        buffer_format(out, "%.15g", expr->value.real);
        break;
    case REP_TEXT:
        quoted(expr->value.text.data, expr->value.text.size, out);
        break;
    case REP_INTERVAL:
        interval_text(expr->value.interval, out);
        break;
    case REP_INT:
        if (expr->type.id == TYPE_ENUM) {
            text = dictionary_text(expr->type.values, (int32_t)expr->value.integer, &size);
            quoted(text, size, out);
        } else if (expr->type.id == TYPE_DATE || expr->type.id == TYPE_TIMESTAMP ||
                   expr->type.id == TYPE_TIMESTAMPTZ) {
            time_text(expr, out);
        } else {
            wide_text(expr->value.integer, expr->type.id == TYPE_DECIMAL ? expr->type.scale : 0, out);
        }
    }
}

static const char *operator_text(const char *name)
{
    static const struct {
        const char *name, *text;
    } renamed[] = {
        {"COMPARE_EQUAL", "="},
        {"COMPARE_NOTEQUAL", "<>"},
        {"COMPARE_LESSTHAN", "<"},
        {"COMPARE_GREATERTHAN", ">"},
        {"COMPARE_LESSTHANOREQUALTO", "<="},
        {"COMPARE_GREATERTHANOREQUALTO", ">="},
        {"COMPARE_DISTINCT_FROM", "IS DISTINCT FROM"},
        {"COMPARE_NOT_DISTINCT_FROM", "IS NOT DISTINCT FROM"},
        {"AND THEN", "AND"},
        {"OR ELSE", "OR"},
        {"DATE +", "+"},
        {"+ DATE", "+"},
        {"DATE -", "-"},
    };
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (strcmp(name, renamed[i].name) == 0)
            return renamed[i].text;
    bool word = strcmp(name, "AND") == 0 || strcmp(name, "OR") == 0;
    return word || !(isalpha((unsigned char)name[0]) || name[0] == '_') ? name : NULL;
}

/* Casts between numbers, and of a date to a time, say nothing to a reader. */
static bool is_plain_cast(const struct expr *expr)
{
    enum type_id from = expr->args[0]->type.id, to = expr->type.id;
    bool in = type_is_integer(from) || from == TYPE_DECIMAL || from == TYPE_FLOAT;
    bool out = type_is_integer(to) || to == TYPE_DECIMAL || to == TYPE_DOUBLE;
    return (in && out) || (from == TYPE_DATE && to == TYPE_TIMESTAMP);
}

static void cast_text(const struct plan *plan, const struct expr *expr, const char *name, struct buffer *out)
{
    const struct expr *from = expr->n_args == 2 ? expr->args[1] : expr->args[0];
    char type[256];
    buffer_format(out, "%s(", name);
    expr_text(plan, from, out);
    buffer_format(out, " AS %s)", type_text(&expr->type, type, sizeof type));
}

static void case_text(const struct plan *plan, const struct expr *expr, struct buffer *out)
{
    buffer_text(out, "CASE WHEN ");
    expr_text(plan, expr->args[0], out);
    buffer_text(out, " THEN ");
    expr_text(plan, expr->args[1], out);
    buffer_text(out, " ELSE ");
    expr_text(plan, expr->args[2], out);
    buffer_text(out, " END");
}

static bool is_infix(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && expr->n_args == 2 && operator_text(expr_name(expr));
}

/* An argument of an operator, in parentheses where it is one itself. */
static void operand_text(const struct plan *plan, const struct expr *expr, struct buffer *out)
{
    while (expr->kind == EXPR_CALL && strcmp(expr_name(expr), "CAST") == 0 && is_plain_cast(expr))
        expr = expr->args[0];
    bool nested = is_infix(expr);
    buffer_text(out, nested ? "(" : "");
    expr_text(plan, expr, out);
    buffer_text(out, nested ? ")" : "");
}

static void call_text(const struct plan *plan, const struct expr *expr, struct buffer *out)
{
    const char *name = expr_name(expr), *infix = operator_text(name);
    if (strcmp(name, "CAST") == 0 && is_plain_cast(expr)) {
        expr_text(plan, expr->args[0], out);
    } else if (strcmp(name, "CAST") == 0 || strcmp(name, "TRY_CAST") == 0) {
        cast_text(plan, expr, name, out);
    } else if (strcmp(name, "IF") == 0) {
        case_text(plan, expr, out);
    } else if (strcmp(name, "IS NULL") == 0 || strcmp(name, "IS NOT NULL") == 0) {
        operand_text(plan, expr->args[0], out);
        buffer_format(out, " %s", name);
    } else if (infix && expr->n_args == 2) {
        operand_text(plan, expr->args[0], out);
        buffer_format(out, " %s ", infix);
        operand_text(plan, expr->args[1], out);
    } else if ((infix || strcmp(name, "NOT") == 0) && expr->n_args == 1) {
        buffer_format(out, "%s%s", name, infix ? "" : " ");
        operand_text(plan, expr->args[0], out);
    } else {
        for (const char *c = name; *c; c++)
            buffer_append(out, &(char){(char)tolower((unsigned char)*c)}, 1);
        for (int i = 0; i < expr->n_args; i++) {
            buffer_text(out, i ? ", " : "(");
            expr_text(plan, expr->args[i], out);
        }
        buffer_text(out, ")");
    }
}

void expr_text(const struct plan *plan, const struct expr *expr, struct buffer *out)
{
    if (out->failed)
        return;
    if (expr->kind == EXPR_CONSTANT) {
        constant_text(expr, out);
    } else if (expr->kind == EXPR_COLUMN) {
        buffer_text(out, plan->events->fields[expr->index].name);
    } else if (expr->kind == EXPR_CALL) {
        call_text(plan, expr, out);
    } else {
        const struct window *window = &plan->windows[expr->index];
        const struct group *group = &plan->groups[window->group];
        window_text(plan, window, out);
        buffer_text(out, " OVER (");
        keys_text(plan, group, out);
        buffer_text(out, ": ");
        frame_text(plan, &group->frames[window->frame], out);
        buffer_text(out, ")");
    }
}

void window_text(const struct plan *plan, const struct window *window, struct buffer *out)
{
    static const char *const names[] = {
        [AGGREGATE_COUNT] = "count",
        [AGGREGATE_SUM] = "sum",
        [AGGREGATE_AVG] = "avg",
        [AGGREGATE_MIN] = "min",
        [AGGREGATE_MAX] = "max",
        [AGGREGATE_VAR_POP] = "var_pop",
        [AGGREGATE_VAR_SAMP] = "var_samp",
        [AGGREGATE_STDDEV_POP] = "stddev_pop",
        [AGGREGATE_STDDEV_SAMP] = "stddev",
        [AGGREGATE_DISTINCT] = "count",
        [AGGREGATE_BOOL_OR] = "bool_or",
        [AGGREGATE_BOOL_AND] = "bool_and",
        [AGGREGATE_FIRST] = "first",
        [AGGREGATE_LAST] = "last",
    };
    const struct slot *slot = window->slot < 0 ? NULL : &plan->groups[window->group].slots[window->slot];
    bool place = window->aggregate == AGGREGATE_FIRST || window->aggregate == AGGREGATE_LAST;
    buffer_format(out, "%s(%s", names[window->aggregate],
                  window->aggregate == AGGREGATE_DISTINCT ? "DISTINCT " : "");
    if (slot && slot->argument)
        expr_text(plan, slot->argument, out);
    else
        buffer_text(out, "*");
    buffer_text(out, place && window->rows == window->slot ? " IGNORE NULLS)" : ")");
    if (slot && slot->filter) {
        buffer_text(out, " FILTER (WHERE ");
        expr_text(plan, slot->filter, out);
        buffer_text(out, ")");
    }
}

static void bound_text(const struct plan *plan, const struct frame *frame, int64_t bound, struct buffer *out)
{
    char text[UNITS_TEXT_SIZE];
    bool rows = frame->unit == FRAME_ROWS;
    if (bound == 0)
        buffer_text(out, "now");
    else if (rows || plan->time_is_step)
        buffer_format(out, "%lld %s%s", (long long)bound, rows ? "row" : "step", bound == 1 ? "" : "s");
    else
        buffer_text(out, units_duration_text(bound, text));
}

void frame_text(const struct plan *plan, const struct frame *frame, struct buffer *out)
{
    if (frame->start == FRAME_UNBOUNDED)
        buffer_text(out, "ever");
    else
        bound_text(plan, frame, frame->start, out);
    buffer_text(out, " .. ");
    bound_text(plan, frame, frame->end, out);
    buffer_text(out, frame->exclusive ? " but itself" : "");
}

void keys_text(const struct plan *plan, const struct group *group, struct buffer *out)
{
    if (group->n_keys == 0)
        buffer_text(out, "all events");
    for (size_t k = 0; k < group->n_keys; k++) {
        buffer_text(out, k ? ", " : "");
        expr_text(plan, group->keys[k], out);
    }
}
