/* What windows are compiled to: frames in their one form, slots, groups and levels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "feature/compile.h"

#define HEAD                                                                                            \
    "CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, k INTEGER, v VARCHAR, x DOUBLE, n INTEGER,\n" \
    "                b BOOLEAN, m DECIMAL(10,2), y TINYINT DEFAULT 0);\n"                               \
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=7 days';\n"
#define O " OVER (PARTITION BY k ORDER BY ts"
#define UNBOUNDED FRAME_UNBOUNDED

static struct plan *compile_whole(const char *select)
{
    struct plan *plan = NULL;
    struct error error = {0};
    char sql[4096];
    snprintf(sql, sizeof sql, "%s%s", HEAD, select);
    if (plan_compile(sql, strlen(sql), "test.sql", &plan, &error) != OK)
        fail_msg("%lld:%lld: %s\n%s", (long long)error.line, (long long)error.column, error.message, sql);
    return plan;
}

static struct plan *compile(const char *item)
{
    char select[4096];
    snprintf(select, sizeof select, "SELECT %s AS f FROM t", item);
    return compile_whole(select);
}

static const struct {
    const char *text;
    struct frame frame;
} frames[] = {
    {"", {FRAME_RANGE, false, UNBOUNDED, 0}},
    {" RANGE UNBOUNDED PRECEDING", {FRAME_RANGE, false, UNBOUNDED, 0}},
    {" ROWS UNBOUNDED PRECEDING", {FRAME_RANGE, false, UNBOUNDED, 0}},
    {" RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE NO OTHERS",
     {FRAME_RANGE, false, UNBOUNDED, 0}},
    {" RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 7 DAY PRECEDING",
     {FRAME_RANGE, false, UNBOUNDED, 7 * DAY_US}},
    {" RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
     {FRAME_RANGE, true, UNBOUNDED, 0}},
    {" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
     {FRAME_RANGE, true, UNBOUNDED, 0}},
    {" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING", {FRAME_RANGE, true, UNBOUNDED, 0}},
    {" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING EXCLUDE CURRENT ROW",
     {FRAME_RANGE, true, UNBOUNDED, 0}},
    {" ROWS BETWEEN UNBOUNDED PRECEDING AND 0 PRECEDING", {FRAME_RANGE, false, UNBOUNDED, 0}},
    {" ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING", {FRAME_ROWS, false, UNBOUNDED, 2}},
    {" RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW",
     {FRAME_RANGE, true, HOUR_US, 0}},
    {" RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND INTERVAL 0 DAY PRECEDING EXCLUDE CURRENT ROW",
     {FRAME_RANGE, true, HOUR_US, 0}},
    {" RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND INTERVAL 1 SECOND PRECEDING EXCLUDE CURRENT ROW",
     {FRAME_RANGE, false, HOUR_US, SECOND_US}},
    {" RANGE CURRENT ROW", {FRAME_RANGE, false, 0, 0}},
    {" RANGE BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE CURRENT ROW", {FRAME_RANGE, true, 0, 0}},
    {" ROWS 5 PRECEDING", {FRAME_ROWS, false, 5, 0}},
    {" ROWS CURRENT ROW", {FRAME_ROWS, false, 0, 0}},
    {" ROWS BETWEEN 5 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW", {FRAME_ROWS, false, 5, 1}},
    {" ROWS BETWEEN 5 PRECEDING AND 2 PRECEDING EXCLUDE CURRENT ROW", {FRAME_ROWS, false, 5, 2}},
    {" ROWS BETWEEN 2 * 3 PRECEDING AND '2'::INTEGER PRECEDING", {FRAME_ROWS, false, 6, 2}},
    {" ROWS 1000000 PRECEDING", {FRAME_ROWS, false, 1000000, 0}},
};

static void test_a_frame_has_one_form(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        char item[256];
        snprintf(item, sizeof item, "sum(x)" O "%s)", frames[i].text);
        struct plan *plan = compile(item);
        assert_int_equal(plan->n_groups, 1);
        assert_int_equal(plan->groups[0].n_frames, 1);
        const struct frame *found = &plan->groups[0].frames[0], *expected = &frames[i].frame;
        if (found->unit != expected->unit || found->exclusive != expected->exclusive ||
            found->start != expected->start || found->end != expected->end)
            fail_msg("%s: found unit %d, exclusive %d, %lld to %lld", frames[i].text, found->unit,
                     found->exclusive, (long long)found->start, (long long)found->end);
        plan_unref(plan);
    }
}

/* rows: NONE, OWN (the slot itself) or FILTER (another slot, of the filter alone). */
enum { NONE, OWN, FILTER };
static const struct {
    const char *call;
    enum aggregate aggregate;
    enum type_id type, slot; /* of the result, of the slot's argument */
    bool argument, filter;
    int rows;
} calls[] = {
    {"count(*)", AGGREGATE_COUNT, TYPE_INT64, 0, false, false, NONE},
    {"stddev(n)", AGGREGATE_STDDEV_SAMP, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"stddev_samp(x)", AGGREGATE_STDDEV_SAMP, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"stddev_pop(m)", AGGREGATE_STDDEV_POP, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"variance(x)", AGGREGATE_VAR_SAMP, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"var_samp(x) FILTER (WHERE b)", AGGREGATE_VAR_SAMP, TYPE_DOUBLE, TYPE_DOUBLE, true, true, NONE},
    {"var_pop(x)", AGGREGATE_VAR_POP, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"mean(n)", AGGREGATE_AVG, TYPE_DOUBLE, TYPE_INT32, true, false, NONE},
    {"avg(m)", AGGREGATE_AVG, TYPE_DOUBLE, TYPE_DECIMAL, true, false, NONE},
    {"count(DISTINCT v)", AGGREGATE_DISTINCT, TYPE_INT64, TYPE_VARCHAR, true, false, NONE},
    {"count(DISTINCT x) FILTER (WHERE b)", AGGREGATE_DISTINCT, TYPE_INT64, TYPE_DOUBLE, true, true, NONE},
    {"bool_or(b)", AGGREGATE_BOOL_OR, TYPE_BOOLEAN, TYPE_BOOLEAN, true, false, NONE},
    {"bool_and(n > 1) FILTER (WHERE b)", AGGREGATE_BOOL_AND, TYPE_BOOLEAN, TYPE_BOOLEAN, true, true, NONE},
    {"count_if(b)", AGGREGATE_SUM, TYPE_HUGEINT, TYPE_BOOLEAN, true, false, NONE},
    {"count_if(n > 1) FILTER (WHERE b)", AGGREGATE_SUM, TYPE_HUGEINT, TYPE_BOOLEAN, true, true, NONE},
    {"min(v)", AGGREGATE_MIN, TYPE_VARCHAR, TYPE_VARCHAR, true, false, NONE},
    {"max(DISTINCT v)", AGGREGATE_MAX, TYPE_VARCHAR, TYPE_VARCHAR, true, false, NONE},
    {"first_value(v)", AGGREGATE_FIRST, TYPE_VARCHAR, TYPE_VARCHAR, true, false, NONE},
    {"first(m)", AGGREGATE_FIRST, TYPE_DECIMAL, TYPE_DECIMAL, true, false, NONE},
    {"first_value(v IGNORE NULLS)", AGGREGATE_FIRST, TYPE_VARCHAR, TYPE_VARCHAR, true, false, OWN},
    {"last_value(x RESPECT NULLS)", AGGREGATE_LAST, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"last(x IGNORE NULLS)", AGGREGATE_LAST, TYPE_DOUBLE, TYPE_DOUBLE, true, false, OWN},
    {"any_value(ts)", AGGREGATE_FIRST, TYPE_TIMESTAMP, TYPE_TIMESTAMP, true, false, OWN},
    {"any_value(x) FILTER (WHERE b)", AGGREGATE_FIRST, TYPE_DOUBLE, TYPE_DOUBLE, true, true, OWN},
    {"arbitrary(x)", AGGREGATE_FIRST, TYPE_DOUBLE, TYPE_DOUBLE, true, false, NONE},
    {"arbitrary(x) FILTER (WHERE b)", AGGREGATE_FIRST, TYPE_DOUBLE, TYPE_DOUBLE, true, true, FILTER},
};

static void test_calls_become_aggregates_of_slots(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char item[256];
        snprintf(item, sizeof item, "%s" O " ROWS 5 PRECEDING)", calls[i].call);
        struct plan *plan = compile(item);
        const struct group *group = &plan->groups[0];
        const struct window *window = &plan->windows[0];
        assert_int_equal(plan->n_windows, 1);
        assert_int_equal(plan->roots[0]->kind, EXPR_WINDOW);
        assert_int_equal(window->aggregate, calls[i].aggregate);
        assert_int_equal(window->type.id, calls[i].type);
        assert_int_equal(window->rep, rep_of_type(&window->type));
        assert_int_equal(group->level, 0);
        assert_int_equal(plan->roots[0]->level, 1);
        if (!calls[i].argument && !calls[i].filter) {
            assert_int_equal(window->slot, -1);
        } else {
            const struct slot *slot = &group->slots[window->slot];
            assert_int_equal(slot->argument != NULL, calls[i].argument);
            assert_int_equal(slot->filter != NULL, calls[i].filter);
            assert_int_equal(slot->type.id, calls[i].slot);
            assert_int_equal(slot->rep, rep_of_type(&slot->type));
        }
        if (calls[i].rows == FILTER) {
            assert_null(group->slots[window->rows].argument);
            assert_ptr_equal(group->slots[window->rows].filter, group->slots[window->slot].filter);
        } else {
            assert_int_equal(window->rows, calls[i].rows == OWN ? window->slot : -1);
        }
        plan_unref(plan);
    }
}

/* lag(x, n, d): the first of one row, and d where there is none. */
static void test_lag_is_the_first_of_one_row(void **unused)
{
    (void)unused;
    struct plan *plan =
        compile("lag(x)" O ") AS e, lag(x, 1, NULL)" O ") AS g, lag(v, 3, 'none')" O
                " RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS h, lag(x, 0)" O ")");
    const struct group *group = &plan->groups[0];
    assert_int_equal(plan->n_groups, 1);
    assert_int_equal(group->n_frames, 3);
    for (int f = 0; f < 3; f++) {
        static const int64_t back[] = {1, 3, 0};
        assert_int_equal(group->frames[f].unit, FRAME_ROWS);
        assert_int_equal(group->frames[f].start, back[f]);
        assert_int_equal(group->frames[f].end, back[f]);
    }
    assert_int_equal(plan->roots[0]->kind, EXPR_WINDOW);
    assert_ptr_equal(plan->roots[0], plan->roots[1]);
    assert_int_equal(plan->windows[plan->roots[0]->index].aggregate, AGGREGATE_FIRST);
    assert_int_equal(plan->windows[plan->roots[0]->index].rows, -1);
    const struct expr *choice = plan->roots[2];
    assert_int_equal(choice->kind, EXPR_CALL);
    assert_int_equal(choice->n_args, 3);
    assert_int_equal(choice->level, 1);
    assert_int_equal(choice->args[1]->kind, EXPR_CONSTANT);
    assert_int_equal(plan->windows[choice->args[2]->index].aggregate, AGGREGATE_FIRST);
    const struct window *rows = &plan->windows[choice->args[0]->args[0]->index];
    assert_int_equal(rows->aggregate, AGGREGATE_COUNT);
    assert_int_equal(rows->slot, -1);
    assert_int_equal(rows->frame, plan->windows[choice->args[2]->index].frame);
    plan_unref(plan);
}

/* A label may be looked at without a bound at the start, where the end is in the past. */
static void test_labels_of_long_ago(void **unused)
{
    (void)unused;
    struct plan *plan = compile(
        "avg(y)" O
        " RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 7 DAY PRECEDING) AS e, last_value(y IGNORE NULLS)" O
        " RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND INTERVAL 7 DAY PRECEDING)");
    assert_null(plan_warning(plan, 0));
    plan_unref(plan);
    plan = compile("avg(y)" O " RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 3 DAY PRECEDING)");
    assert_non_null(strstr(plan_warning(plan, 0), "ends 3d before the event"));
    plan_unref(plan);
}

/* A group of level 1 looks at results of level 0, by its slots or its keys; what does not need them stays in
 * level 0, where it shares its group. */
static void test_levels(void **unused)
{
    (void)unused;
    struct plan *plan = compile_whole(
        "WITH a AS (SELECT *, count(*)" O ") AS c, x + 1 AS x1 FROM t) SELECT max(c)" O ") AS f, max(x1)" O
        ") AS g, count(*) OVER (PARTITION BY c ORDER BY ts) AS h, count(*) FILTER (WHERE c > 1)" O
        ") + c AS i, c AS j,"
        " count(*)" O ") AS l FROM a");
    const int levels[] = {2, 1, 2, 2, 1, 1};
    for (int f = 0; f < 6; f++)
        assert_int_equal(plan->roots[f]->level, levels[f]);
    assert_ptr_equal(plan->roots[4], plan->roots[5]);
    assert_int_equal(plan->n_groups, 3);
    const struct window *over = &plan->windows[plan->roots[0]->index];
    assert_int_equal(plan->groups[over->group].level, 1);
    assert_int_equal(plan->groups[over->group].n_slots, 2);
    assert_ptr_equal(plan->groups[over->group].slots[over->slot].argument, plan->roots[4]);
    const struct window *keyed = &plan->windows[plan->roots[2]->index];
    assert_int_equal(plan->groups[keyed->group].level, 1);
    assert_ptr_equal(plan->groups[keyed->group].keys[0], plan->roots[4]);
    const struct window *under = &plan->windows[plan->roots[4]->index];
    assert_int_equal(plan->groups[under->group].level, 0);
    assert_int_equal(plan->windows[plan->roots[1]->index].group, under->group);
    assert_false(plan_has_where(plan));
    assert_null(plan->where);
    plan_unref(plan);
}

/* A late column goes through inner SELECTs; in a window it is its DEFAULT where it is missing, also inside of
 * an inner expression. */
static void test_late_columns_of_inner_selects(void **unused)
{
    (void)unused;
    struct plan *plan = compile_whole("SELECT avg(z) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN "
                                      "INTERVAL 9 DAY PRECEDING AND INTERVAL 7 DAY "
                                      "PRECEDING) AS f, avg(w) OVER (PARTITION BY k ORDER BY ts RANGE "
                                      "BETWEEN INTERVAL 9 DAY PRECEDING AND INTERVAL "
                                      "7 DAY PRECEDING) AS g FROM (SELECT *, y AS z, y * 2 AS w FROM t)");
    for (int slot = 0; slot < 2; slot++) {
        const struct expr *argument = plan->groups[0].slots[slot].argument;
        while (argument->args[0]->kind == EXPR_CALL)
            argument = argument->args[0];
        assert_int_equal(argument->n_args, 2);
        assert_int_equal(argument->args[0]->kind, EXPR_COLUMN);
        assert_int_equal(argument->args[1]->kind, EXPR_CONSTANT);
        assert_ptr_equal(argument->run, expr_find("COALESCE", 2, (enum rep[]){REP_INT, REP_INT}, REP_INT));
    }
    plan_unref(plan);
}

static void test_where_is_a_condition_of_events(void **unused)
{
    (void)unused;
    struct plan *plan = compile_whole("SELECT x FROM t WHERE x > 0 AND ln(x) < 3");
    assert_true(plan_has_where(plan));
    assert_int_equal(plan->where->rep, REP_BOOLEAN);
    assert_int_equal(plan->where->n_args, 2);
    assert_int_equal(plan->where->level, 0);
    plan_unref(plan);
    plan = compile_whole("SELECT u FROM (SELECT x AS u, b FROM t WHERE n > 1) WHERE b");
    assert_int_equal(plan->where->n_args, 2);
    assert_int_equal(plan->where->args[1]->kind, EXPR_COLUMN);
    plan_unref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frame_has_one_form),
        cmocka_unit_test(test_calls_become_aggregates_of_slots),
        cmocka_unit_test(test_lag_is_the_first_of_one_row),
        cmocka_unit_test(test_labels_of_long_ago),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_late_columns_of_inner_selects),
        cmocka_unit_test(test_where_is_a_condition_of_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
