/* Plans at the edges: long types, long lists, deep nests, far times, wide keys, and where errors point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "feature/state.h"
#include "score/rules.h"

static struct error error;

/* Compiles `preamble`, then SELECT `select` FROM t; NULL where that fails, with `error` filled. */
static struct plan *compile(const char *preamble, const char *select)
{
    struct buffer sql;
    struct plan *plan = NULL;
    buffer_init(&sql, 2 * (size_t)LIMIT_SQL);
    buffer_format(&sql, "%s;\nSELECT %s FROM t", preamble, select);
    assert_false(sql.failed);
    error_clear(&error);
    if (plan_compile(sql.data, sql.size, "edge.sql", &plan, &error) != OK)
        plan = NULL;
    buffer_done(&sql);
    return plan;
}

static struct plan *must_compile(const char *preamble, const char *select)
{
    struct plan *plan = compile(preamble, select);
    if (!plan)
        fail_msg("%s", error.message);
    return plan;
}

static void must_fail(const char *preamble, const char *select, enum code code, const char *words)
{
    struct plan *plan = compile(preamble, select);
    assert_null(plan);
    assert_int_equal(error.code, code);
    if (!strstr(error.message, words))
        fail_msg("\"%s\" is not in: %s", words, error.message);
}

static void test_columns_of_errors_count_characters(void **unused)
{
    (void)unused;
    must_fail("CREATE TABLE t (ts TIMESTAMP, a DOUBLE)", "'äöü' AS s, nothing(a) AS b", CODE_INVALID,
              "nothing");
    assert_int_equal(error.line, 2);
    assert_int_equal(error.column, 20);
}

static void test_a_name_may_have_parentheses(void **unused)
{
    (void)unused;
    struct plan *plan = must_compile("CREATE TABLE t (ts TIMESTAMP, a DOUBLE)", "a AS \"a (eur)\"");
    assert_string_equal(plan_features(plan)->fields[0].name, "a (eur)");
    plan_unref(plan);
    must_fail("CREATE TABLE t (ts TIMESTAMP, a DOUBLE)", "a + 1", CODE_INVALID, "no name");
}

static void test_an_enum_may_be_long(void **unused)
{
    (void)unused;
    struct buffer sql;
    buffer_init(&sql, LIMIT_SQL);
    buffer_text(&sql, "CREATE TYPE category AS ENUM (");
    for (int i = 0; i < 1000; i++)
        buffer_format(&sql, "%s'a category''s long name, number %d'", i ? ", " : "", i);
    buffer_text(&sql,
                ");\nCREATE TABLE t (ts TIMESTAMP, k category DEFAULT 'a category''s long name, number 7')");
    struct plan *plan = must_compile(sql.data, "k = 'a category''s long name, number 999' AS last, k AS k");
    assert_int_equal(dictionary_size(plan_features(plan)->fields[1].type.values), 1000);
    struct plan *over = NULL;
    static const char select[] = "SELECT k = 'a category''s long name, number 3' AS third FROM scored";
    assert_int_equal(
        plan_compile_over(plan_features(plan), "scored", select, strlen(select), "rules.sql", &over, &error),
        OK);
    plan_unref(over);
    plan_unref(plan);
    buffer_done(&sql);
}

/* What a plan over (ts BIGINT, k INTEGER) makes of one event, as an integer; -1: NULL, -2: refused. */
static int64_t take(struct plan *plan, struct state *state, int64_t ts, int32_t k)
{
    struct table events, features;
    int64_t answer = -2;
    assert_int_equal(table_init(&events, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    assert_int_equal(table_reserve(&events, 1, NULL), OK);
    column_append_int(&events.columns[0], &plan_events(plan)->fields[0].type, ts);
    column_append_int(&events.columns[1], &plan_events(plan)->fields[1].type, k);
    events.length = events.first_row = 1;
    if (state_take(state, &events, &features, &error) == OK)
        answer = column_is_null(&features.columns[0], 0) ? -1
                 : plan_features(plan)->fields[0].type.id == TYPE_BOOLEAN
                     ? column_boolean(&features.columns[0], 0)
                     : column_int(&features.columns[0], &plan_features(plan)->fields[0].type, 0);
    table_done(&events);
    table_done(&features);
    return answer;
}

static int64_t take_one(struct plan *plan, int64_t ts, int32_t k)
{
    struct state *state = NULL;
    struct state_options options = {.threads = 1};
    assert_int_equal(state_new(plan, &options, &state, &error), OK);
    int64_t answer = take(plan, state, ts, k);
    state_free(state);
    return answer;
}

static void test_nests_of_in_stay_small(void **unused)
{
    (void)unused;
    struct buffer select;
    buffer_init(&select, LIMIT_SQL);
    for (int i = 0; i < 60; i++)
        buffer_text(&select, "(");
    buffer_text(&select, "k IN (1, 2)");
    for (int i = 0; i < 60; i++)
        buffer_text(&select, ") IN (true, NULL)");
    buffer_text(&select, " AS a");
    struct plan *plan = must_compile("CREATE TABLE t (ts BIGINT, k INTEGER)", select.data);
    assert_int_equal(take_one(plan, 0, 2), 1);
    assert_int_equal(take_one(plan, 0, 3), -1);
    plan_unref(plan);
    buffer_done(&select);
}

static void test_endless_chains_are_refused(void **unused)
{
    (void)unused;
    struct buffer select;
    buffer_init(&select, LIMIT_SQL);
    for (int i = 0; i < LIMIT_EXPRESSION_CHAIN + 10; i++)
        buffer_text(&select, i ? " AND b" : "b");
    buffer_text(&select, " AS a");
    must_fail("CREATE TABLE t (ts BIGINT, b BOOLEAN)", select.data, CODE_LIMIT,
              "chain of more than 10000 calls");
    buffer_done(&select);
}

#define WINDOW(frame) \
    "count(*) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN " frame " AND CURRENT ROW) AS n"

static void test_far_times_are_refused_and_near_ones_add_up(void **unused)
{
    (void)unused;
    static const char table[] = "CREATE TABLE t (ts BIGINT, k INTEGER)";
    must_fail(table, WINDOW("2305843009213693953 PRECEDING"), CODE_LIMIT, "too long");
    struct plan *plan = must_compile(table, WINDOW("2305843009213693952 PRECEDING"));
    struct state_options options = {.threads = 1, .lateness_us = INT64_MAX};
    struct state *state = NULL;
    assert_int_equal(state_new(plan, &options, &state, &error), OK);
    assert_int_equal(take(plan, state, INT64_MIN, 1), -2);
    assert_non_null(strstr(error.message, "row 1: ts is out of the range"));
    assert_int_equal(error.line, 1);
    assert_int_equal(take(plan, state, INT64_MAX, 1), -2);
    assert_int_equal(take(plan, state, -LIMIT_EVENT_TIME, 1), 1);
    assert_int_equal(take(plan, state, 0, 1), 2);
    assert_int_equal(take(plan, state, LIMIT_EVENT_TIME, 1), 2);
    assert_int_equal(take(plan, state, -1, 1), 2); /* late */
    state_free(state);
    plan_unref(plan);

    plan = must_compile("CREATE TABLE t (ts DATE, k INTEGER)", WINDOW("INTERVAL 1 DAY PRECEDING"));
    assert_int_equal(take_one(plan, INT32_MAX, 1), -2);
    assert_int_equal(take_one(plan, 20000, 1), 1);
    plan_unref(plan);
}

static void test_too_many_keys_are_refused(void **unused)
{
    (void)unused;
    struct buffer select;
    buffer_init(&select, LIMIT_SQL);
    buffer_text(&select, "count(*) OVER (PARTITION BY k");
    for (int i = 1; i <= LIMIT_KEYS; i++)
        buffer_format(&select, ", k + %d", i);
    buffer_text(&select, " ORDER BY ts RANGE BETWEEN 5 PRECEDING AND CURRENT ROW) AS n");
    must_fail("CREATE TABLE t (ts BIGINT, k INTEGER)", select.data, CODE_LIMIT, "65 expressions");
    buffer_done(&select);
}

static int compile_rules(const char *table, const char *sql)
{
    struct plan *plan = must_compile(table, "k AS k2");
    struct rules *rules = NULL;
    error_clear(&error);
    int rc = rules_compile(sql, strlen(sql), "rules.sql", plan, &rules, &error);
    rules_unref(rules);
    plan_unref(plan);
    return rc;
}

static void test_rules_need_no_time(void **unused)
{
    (void)unused;
    struct plan *plan = must_compile("CREATE TABLE t (ts BIGINT, opened TIMESTAMP)", "opened AS o"),
                *over = NULL;
    static const char select[] = "SELECT o IS NULL AS unknown FROM scored";
    assert_int_equal(plan_time_column(plan), 1);
    assert_int_equal(
        plan_compile_over(plan_features(plan), "scored", select, strlen(select), "rules.sql", &over, &error),
        OK);
    assert_int_equal(plan_time_column(over), -1);
    plan_unref(over);
    plan_unref(plan);
}

static void test_rules_have_no_windows(void **unused)
{
    (void)unused;
    static const char table[] = "CREATE TABLE t (ts TIMESTAMP, k INTEGER)";
    assert_int_equal(
        compile_rules(
            table, "SELECT CASE WHEN score > 0.5 THEN 'decline' ELSE 'approve' END AS decision FROM scored"),
        OK);
    int rc = compile_rules(
        table, "SELECT 'review' AS decision, count(*) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN "
               "INTERVAL 1 DAY PRECEDING AND CURRENT ROW) > 5 AS often FROM scored");
    assert_int_equal(rc, CODE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "window"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_of_errors_count_characters),
        cmocka_unit_test(test_a_name_may_have_parentheses),
        cmocka_unit_test(test_an_enum_may_be_long),
        cmocka_unit_test(test_nests_of_in_stay_small),
        cmocka_unit_test(test_endless_chains_are_refused),
        cmocka_unit_test(test_far_times_are_refused_and_near_ones_add_up),
        cmocka_unit_test(test_too_many_keys_are_refused),
        cmocka_unit_test(test_rules_need_no_time),
        cmocka_unit_test(test_rules_have_no_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
