/*
 * The oracle: features as plain SQL, every window a subquery that says the definition itself:
 *
 *   WITH shrike_windows_1 AS (SELECT e.*, (SELECT ... FROM shrike_events p WHERE ...) AS shrike_window_1, ...
 *        FROM shrike_events e), shrike_windows_2 AS (... FROM shrike_windows_1 e)
 *   SELECT e.x / e.shrike_window_1 AS ... FROM shrike_windows_2 e
 *
 * Windows over windows are one more such step. e is the event at hand, p one of those that its windows may
 * hold; what columns shrike_events has, plan.h says.
 */
#include <string.h>

#include "base/limits.h"
#include "feature/compile.h"

static void print_own(void *context, int64_t index, struct buffer *out)
{
    const struct binder *binder = context;
    const char *sql = binder->inputs[index].sql;
    buffer_text(out, sql ? sql : "NULL");
}

static void print_member(void *context, int64_t index, struct buffer *out)
{
    const struct binder *binder = context;
    const char *sql = binder->inputs[index].member_sql;
    buffer_text(out, sql ? sql : "NULL");
}

static int print_of_event(struct binder *binder, yyjson_val *bound, struct buffer *out, struct error *error)
{
    struct sql_context context = {print_own, binder};
    return parse_print(bound, &context, out, error);
}

static int print_of_member(struct binder *binder, yyjson_val *bound, struct buffer *out, struct error *error)
{
    struct sql_context context = {print_member, binder};
    return parse_print(bound, &context, out, error);
}

/* Has p the keys of e? Begins with AND. */
static int print_keys(struct binder *binder, yyjson_val *partitions, struct buffer *out, struct error *error)
{
    int rc = OK;
    for (size_t i = 0; rc == OK && i < yyjson_arr_size(partitions); i++) {
        buffer_text(out, " AND ");
        rc = print_of_member(binder, yyjson_arr_get(partitions, i), out, error);
        buffer_text(out, " IS NOT DISTINCT FROM ");
        if (rc == OK)
            rc = print_of_event(binder, yyjson_arr_get(partitions, i), out, error);
    }
    return rc;
}

/* The events that a frame of time may hold. What is no longer retained shows to events that are too late. */
static void print_range(const struct frame *frame, struct buffer *out)
{
    buffer_format(out, " AND p.shrike_time <= e.shrike_time - %lld", (long long)frame->end);
    if (frame->start == FRAME_UNBOUNDED)
        buffer_text(out, " AND (p.shrike_seq = e.shrike_seq OR NOT e.shrike_too_late)");
    else
        buffer_format(out,
                      " AND p.shrike_time >= e.shrike_time - %lld AND (p.shrike_seq = e.shrike_seq OR "
                      "p.shrike_time >= e.shrike_floor - %lld)",
                      (long long)frame->start, (long long)frame->start);
    if (frame->exclusive)
        buffer_text(out, " AND p.shrike_seq <> e.shrike_seq");
}

/* shrike_before: is p in order before e, or e itself? shrike_back: how many rows lie from p to e. shrike_old:
 * how many of those that only stay for frames of rows, being older than the floor, lie from p on. */
static void print_rows(const struct frame *frame, struct buffer *out)
{
    buffer_format(out, " WHERE p.shrike_before AND p.shrike_back >= %lld", (long long)frame->end);
    if (frame->start == FRAME_UNBOUNDED)
        buffer_text(out, " AND NOT e.shrike_too_late");
    else
        buffer_format(out,
                      " AND p.shrike_back <= %lld AND (p.shrike_seq = e.shrike_seq OR p.shrike_old <= %lld)",
                      (long long)frame->start, (long long)frame->start);
}

/* FROM ... WHERE ...: the members of a window. */
static int print_members(struct binder *binder, yyjson_val *bound, const struct frame *frame,
                         struct buffer *out, struct error *error)
{
    if (frame->unit == FRAME_ROWS)
        buffer_text(
            out, " FROM (SELECT p.*, count(*) FILTER (WHERE p.shrike_before) OVER back - 1 AS shrike_back, "
                 "count(*) FILTER (WHERE p.shrike_waits) OVER back AS shrike_old FROM (SELECT p.*, "
                 "(p.shrike_time, p.shrike_seq) <= (e.shrike_time, e.shrike_seq) AS shrike_before, "
                 "p.shrike_time < e.shrike_floor AND p.shrike_seq <> e.shrike_seq AS shrike_waits");
    buffer_format(out,
                  " FROM %s p WHERE p.shrike_seq <= e.shrike_seq AND (p.shrike_seq = e.shrike_seq OR NOT "
                  "p.shrike_too_late)%s",
                  binder->oracle.relation, binder->plan->where ? " AND NOT p.shrike_filtered" : "");
    int rc = print_keys(binder, yyjson_obj_get(bound, "partitions"), out, error);
    if (frame->unit == FRAME_ROWS) {
        buffer_text(out, ") p WINDOW back AS (ORDER BY p.shrike_time DESC, p.shrike_seq DESC ROWS UNBOUNDED "
                         "PRECEDING)) p");
        print_rows(frame, out);
    } else {
        print_range(frame, out);
    }
    return rc;
}

/* " FILTER (WHERE filter AND before argument after)", either of which may be missing. */
static void print_filter(const char *filter, const char *before, const char *argument, const char *after,
                         struct buffer *out)
{
    if (!*filter && !before)
        return;
    buffer_format(out, " FILTER (WHERE %s%s", filter, *filter && before ? " AND " : "");
    if (before)
        buffer_format(out, "%s%s%s", before, argument, after);
    buffer_text(out, ")");
}

/* DuckDB stops where a deviation is not finite; here it is NaN. */
static void print_deviation(const char *name, bool sample, const char *argument, const char *filter,
                            struct buffer *out)
{
    buffer_text(out, "CASE");
    if (sample) {
        buffer_format(out, " WHEN count(%s)", argument);
        print_filter(filter, NULL, NULL, NULL, out);
        buffer_text(out, " < 2 THEN NULL");
    }
    buffer_text(out, " WHEN count(*)");
    print_filter(filter, "NOT isfinite(", argument, ")", out);
    buffer_format(out, " > 0 THEN CAST('nan' AS DOUBLE) ELSE %s(%s)", name, argument);
    print_filter(filter, "isfinite(", argument, ")", out);
    buffer_text(out, " END");
}

/* What is selected from a window's members. */
static void print_aggregate(yyjson_val *bound, const struct aggregation *how, const char *argument,
                            const char *filter, struct buffer *out)
{
    const char *name = tree_text(bound, "name");
    bool first = how->aggregate == AGGREGATE_FIRST;
    switch (how->aggregate) {
    case AGGREGATE_VAR_POP:
    case AGGREGATE_STDDEV_POP:
        print_deviation(name, false, argument, filter, out);
        break;
    case AGGREGATE_VAR_SAMP:
    case AGGREGATE_STDDEV_SAMP:
        print_deviation(name, true, argument, filter, out);
        break;
    case AGGREGATE_FIRST:
    case AGGREGATE_LAST:
        buffer_format(out, "%s(%s ORDER BY p.shrike_time, p.shrike_seq)", first ? "first" : "last", argument);
        print_filter(filter, how->skips_nulls ? "" : NULL, argument, " IS NOT NULL", out);
        break;
    case AGGREGATE_DISTINCT:
        buffer_format(out, "count(DISTINCT %s)", argument);
        print_filter(filter, NULL, NULL, NULL, out);
        break;
    default:
        buffer_format(out, "%s(%s)", *argument ? name : "count", *argument ? argument : "*");
        print_filter(filter, NULL, NULL, NULL, out);
    }
}

static int print_window(struct binder *binder, yyjson_val *bound, const struct aggregation *how,
                        const struct frame *frame, struct buffer *out, struct error *error)
{
    yyjson_val *argument = yyjson_arr_get(yyjson_obj_get(bound, "children"), 0);
    yyjson_val *filter = yyjson_obj_get(bound, "filters"), *fallback = yyjson_obj_get(bound, "default_expr");
    struct buffer of, where;
    buffer_init(&of, LIMIT_SQL);
    buffer_init(&where, LIMIT_SQL);
    buffer_text(&of, "");
    buffer_text(&where, "");
    int rc = argument ? print_of_member(binder, argument, &of, error) : OK;
    if (rc == OK && filter)
        rc = print_of_member(binder, filter, &where, error);
    if (rc == OK && (of.failed || where.failed))
        rc = error_set(error, CODE_LIMIT, "the oracle's query is too large");
    buffer_text(out, "(SELECT ");
    if (rc == OK && fallback) {
        buffer_text(out, "CASE WHEN count(*) = 0 THEN ");
        rc = print_of_event(binder, fallback, out, error);
        buffer_text(out, " ELSE ");
    }
    if (rc == OK)
        print_aggregate(bound, how, of.data, where.data, out);
    buffer_text(out, fallback ? " END" : "");
    if (rc == OK)
        rc = print_members(binder, bound, frame, out, error);
    buffer_text(out, ")");
    buffer_done(&of);
    buffer_done(&where);
    return rc;
}

static bool put_text(struct plan *plan, char **ret, const struct buffer *text)
{
    *ret = text->failed ? NULL : arena_text(&plan->arena, text->data ? text->data : "", text->size);
    return *ret;
}

int oracle_window(struct binder *binder, yyjson_val *bound, const struct aggregation *how,
                  const struct frame *frame, struct input *input, struct error *error)
{
    struct oracle *oracle = &binder->oracle;
    int n = ++oracle->n_windows;
    buffer_text(&oracle->with, ", ");
    int rc = print_window(binder, bound, how, frame, &oracle->with, error);
    buffer_format(&oracle->with, " AS shrike_window_%d", n);
    input->sql = arena_format(&binder->plan->arena, "e.shrike_window_%d", n);
    input->member_sql = arena_format(&binder->plan->arena, "p.shrike_window_%d", n);
    if (rc == OK && (!input->sql || !input->member_sql))
        rc = error_set(error, CODE_MEMORY, "no memory for the oracle");
    return rc;
}

void oracle_begin_windows(struct oracle *oracle)
{
    buffer_format(&oracle->with, "%s shrike_windows_%d AS MATERIALIZED (SELECT e.*",
                  oracle->with.size ? ", " : "WITH ", oracle->n_relations + 1);
}

void oracle_end_windows(struct oracle *oracle)
{
    buffer_format(&oracle->with, " FROM %s e)", oracle->relation);
    snprintf(oracle->relation, sizeof oracle->relation, "shrike_windows_%d", ++oracle->n_relations);
}

int oracle_inner(struct binder *binder, yyjson_val *bound, struct input *input, struct error *error)
{
    struct buffer own, member;
    buffer_init(&own, 16 * (size_t)LIMIT_SQL);
    buffer_init(&member, 16 * (size_t)LIMIT_SQL);
    int rc = print_of_event(binder, bound, &own, error);
    if (rc == OK)
        rc = print_of_member(binder, bound, &member, error);
    if (rc == OK &&
        (!put_text(binder->plan, &input->sql, &own) || !put_text(binder->plan, &input->member_sql, &member)))
        rc = error_set(error, CODE_LIMIT, "the oracle's query is too large");
    buffer_done(&own);
    buffer_done(&member);
    return rc;
}

int oracle_condition(struct binder *binder, yyjson_val *bound, struct error *error)
{
    struct buffer *where = &binder->oracle.where;
    buffer_text(where, where->size ? " AND (" : "(");
    int rc = print_of_event(binder, bound, where, error);
    buffer_text(where, ")");
    return rc;
}

int oracle_feature(struct binder *binder, yyjson_val *bound, const char *name, struct error *error)
{
    struct buffer *features = &binder->oracle.features;
    bool where = binder->plan->where;
    buffer_text(features, features->size ? ", " : "SELECT ");
    buffer_text(features, where ? "CASE WHEN NOT e.shrike_filtered THEN " : "");
    int rc = print_of_event(binder, bound, features, error);
    buffer_text(features, where ? " END AS " : " AS ");
    duck_identifier(features, name);
    return rc;
}

void oracle_init(struct oracle *ret)
{
    *ret = (struct oracle){.relation = "shrike_events"};
    buffer_init(&ret->with, 64 * (size_t)LIMIT_SQL);
    buffer_init(&ret->features, 64 * (size_t)LIMIT_SQL);
    buffer_init(&ret->where, LIMIT_SQL);
}

void oracle_done(struct oracle *oracle)
{
    buffer_done(&oracle->with);
    buffer_done(&oracle->features);
    buffer_done(&oracle->where);
}

int oracle_finish(struct binder *binder, struct error *error)
{
    struct plan *plan = binder->plan;
    struct oracle *oracle = &binder->oracle;
    buffer_text(&oracle->with, oracle->with.size ? " " : "");
    buffer_format(&oracle->features, " FROM %s e ORDER BY e.shrike_seq", oracle->relation);
    if (oracle->with.failed || oracle->features.failed)
        return error_set(error, CODE_LIMIT, "the oracle's query is too large");
    plan->oracle = arena_format(&plan->arena, "%s%s", oracle->with.data, oracle->features.data);
    if (!plan->oracle || (plan->where && !put_text(plan, &plan->where_sql, &oracle->where)))
        return error_set(error, CODE_MEMORY, "no memory for the oracle");
    return OK;
}

void plan_oracle_events(const struct plan *plan, const char *from, int64_t lateness, struct buffer *out)
{
    buffer_format(
        out,
        "SELECT *, shrike_high - %lld AS shrike_floor, NOT shrike_filtered AND shrike_time < shrike_high "
        "- %lld AS shrike_too_late FROM (SELECT *, max(shrike_time) FILTER (WHERE NOT shrike_filtered) "
        "OVER (ORDER BY shrike_seq ROWS UNBOUNDED PRECEDING) AS shrike_high FROM (SELECT e.*, %s AS "
        "shrike_time, ",
        (long long)lateness, (long long)lateness, plan->time_sql ? plan->time_sql : "CAST(0 AS BIGINT)");
    if (plan->where_sql)
        buffer_format(out, "coalesce(NOT (%s), true)", plan->where_sql);
    else
        buffer_text(out, "false");
    buffer_format(out, " AS shrike_filtered FROM %s e))", from);
}

/* The two names of an event column. Only a late column is its DEFAULT where it is missing. */
int oracle_column(struct binder *binder, int column, struct input *input, struct error *error)
{
    struct plan *plan = binder->plan;
    const struct late *late = &plan->late[column];
    const char *fallback = late->is_late ? late->default_sql : NULL;
    struct buffer name;
    buffer_init(&name, LIMIT_SQL);
    duck_identifier(&name, plan->events->fields[column].name);
    int rc = buffer_check(&name, "a column's name", error);
    if (rc == OK) {
        input->sql = arena_format(&plan->arena, "e.%s", name.data);
        input->member_sql = fallback ? arena_format(&plan->arena, "coalesce(p.%s, %s)", name.data, fallback)
                                     : arena_format(&plan->arena, "p.%s", name.data);
        if (!input->sql || !input->member_sql)
            rc = error_set(error, CODE_MEMORY, "no memory for the oracle");
    }
    buffer_done(&name);
    return rc;
}
