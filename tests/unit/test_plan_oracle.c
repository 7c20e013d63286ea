/*
 * The oracle's SQL, run by DuckDB: without ties and late events it says what the plan's own SQL says there;
 * with them, what the definition says, event by event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "feature/plan.h"
#include "table/duck.h"

#define COLUMNS \
    "id BIGINT, ts BIGINT, k INTEGER, x DOUBLE, n INTEGER, v VARCHAR, b BOOLEAN, y INTEGER DEFAULT 0"
#define ORDER " OVER (PARTITION BY k ORDER BY ts"

static struct duck duck;
static struct error error;

static void run(const char *sql)
{
    if (duck_run(&duck, sql, &error) != OK)
        fail_msg("%s\n%s", error.message, sql);
}

static struct plan *compile(const char *select)
{
    struct buffer sql;
    struct plan *plan = NULL;
    buffer_init(&sql, 1 << 20);
    buffer_format(&sql,
                  "CREATE TABLE t (" COLUMNS
                  ");\nCOMMENT ON COLUMN t.y IS 'shrike: label, late after=3 days';\n%s",
                  select);
    if (plan_compile(sql.data, sql.size, "test.sql", &plan, &error) != OK)
        fail_msg("%lld:%lld: %s\n%s", (long long)error.line, (long long)error.column, error.message, select);
    buffer_done(&sql);
    return plan;
}

/* The table t with the columns that the oracle needs, in the order of id. */
static void add_columns(const struct plan *plan, int lateness)
{
    struct buffer sql;
    buffer_init(&sql, 1 << 20);
    buffer_text(&sql, "CREATE OR REPLACE TABLE shrike_events AS ");
    plan_oracle_events(plan, "(SELECT *, id AS shrike_seq FROM t)", lateness, &sql);
    run(sql.data);
    buffer_done(&sql);
}

static int64_t count(const char *sql)
{
    char *text = NULL;
    if (duck_value(&duck, sql, NULL, 0, &text, &error) != OK)
        fail_msg("%s\n%s", error.message, sql);
    int64_t n = strtoll(text, NULL, 10);
    free(text);
    return n;
}

/* Where all events come in order, the oracle and the plan's own SQL agree in every row; what WHERE leaves out
 * is NULL there and missing here. `own` gives id and f. */
static void agree(const char *own)
{
    struct buffer sql;
    buffer_init(&sql, 1 << 20);
    struct plan *plan = compile(own);
    add_columns(plan, 0);
    buffer_format(&sql, "CREATE OR REPLACE TABLE a AS SELECT row_number() OVER () - 1 AS id, f FROM (%s)",
                  plan_oracle(plan));
    run(sql.data);
    buffer_clear(&sql);
    buffer_format(&sql, "CREATE OR REPLACE TABLE o AS %s", own);
    run(sql.data);
    int64_t differ =
        count("SELECT count(*) FROM a FULL JOIN o USING (id) WHERE a.f IS DISTINCT FROM o.f AND NOT "
              "coalesce(abs(TRY_CAST(a.f AS DOUBLE) - TRY_CAST(o.f AS DOUBLE)) < 1e-9, false)");
    if (differ || count("SELECT count(*) FROM a") != count("SELECT count(*) FROM t") ||
        count("SELECT count(DISTINCT f) FROM a") < 2)
        fail_msg("%lld rows differ, or all are alike: %s", (long long)differ, own);
    plan_unref(plan);
    buffer_done(&sql);
}

static void agree_item(const char *item)
{
    char own[4096];
    snprintf(own, sizeof own, "SELECT id, %s AS f FROM t", item);
    agree(own);
}

static const char *const in_order[] = {
    "sum(x)" ORDER ")",
    "sum(x)" ORDER " ROWS UNBOUNDED PRECEDING)",
    "count(*)" ORDER " RANGE BETWEEN UNBOUNDED PRECEDING AND 4 PRECEDING)",
    "count(*)" ORDER " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)",
    "sum(n)" ORDER " RANGE BETWEEN 9 PRECEDING AND 2 PRECEDING EXCLUDE CURRENT ROW)",
    "sum(n)" ORDER " RANGE BETWEEN 9 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)",
    "sum(n)" ORDER " ROWS 3 PRECEDING)",
    "sum(n)" ORDER " ROWS BETWEEN 3 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)",
    "sum(n)" ORDER " ROWS BETWEEN 5 PRECEDING AND 2 PRECEDING)",
    "sum(n)" ORDER " ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING)",
    "sum(n)" ORDER " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)",
    "sum(n)" ORDER " ROWS BETWEEN CURRENT ROW AND CURRENT ROW)",
    "min(v)" ORDER " ROWS 2 PRECEDING)",
    "max(v)" ORDER " RANGE 6 PRECEDING)",
    "stddev(x)" ORDER " RANGE 6 PRECEDING)",
    "stddev_pop(x)" ORDER " ROWS 3 PRECEDING)",
    "variance(n)" ORDER ")",
    "var_pop(x) FILTER (WHERE n > 2)" ORDER ")",
    "count(DISTINCT v)" ORDER " RANGE 8 PRECEDING)",
    "count(DISTINCT x) FILTER (WHERE b)" ORDER ")",
    "first_value(x)" ORDER " RANGE 5 PRECEDING)",
    "first(v)" ORDER " ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING)",
    "last_value(n)" ORDER " ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING)",
    "first_value(v IGNORE NULLS)" ORDER ")",
    "last_value(x IGNORE NULLS)" ORDER " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)",
    "any_value(v)" ORDER " RANGE 5 PRECEDING)",
    "any_value(v) FILTER (WHERE n > 2)" ORDER " RANGE 5 PRECEDING)",
    "arbitrary(v) FILTER (WHERE n > 2)" ORDER " RANGE 5 PRECEDING)",
    "bool_or(b)" ORDER " ROWS 1 PRECEDING)",
    "bool_and(b) FILTER (WHERE n > 1)" ORDER " RANGE 6 PRECEDING)",
    "count_if(b)" ORDER " RANGE 6 PRECEDING)",
    "count_if(b) FILTER (WHERE n > 1)" ORDER " RANGE 6 PRECEDING)",
    "lag(v)" ORDER ")",
    "lag(n, 2, id)" ORDER ")",
    "lag(x, 3, x / 2)" ORDER ")",
    "lag(n, 0, 7)" ORDER ")",
    "coalesce(ts - lag(ts)" ORDER "), -1)",
    "avg(n)" ORDER " ROWS 4 PRECEDING) / nullif(stddev(n)" ORDER "), 0)",
    "count(*) OVER (ORDER BY ts ROWS 3 PRECEDING)",
    "max(n) OVER (PARTITION BY v, b ORDER BY ts)",
};

/* 300 events, none at the time of another. */
static void make_in_order(void)
{
    run("CREATE OR REPLACE TABLE t AS SELECT i AS id, 3 * i // 2 + i % 2 AS ts, (hash(i) % 5)::INTEGER AS k, "
        "CASE WHEN hash(i + 1000) % 4 > 0 THEN (hash(i + 2000) % 7) / 3 END AS x, (hash(i + 3000) % "
        "6)::INTEGER AS n, "
        "CASE WHEN hash(i + 4000) % 5 > 0 THEN chr((97 + hash(i + 5000) % 4)::INTEGER) END AS v, "
        "CASE WHEN hash(i + 6000) % 6 > 0 THEN hash(i + 7000) % 3 = 0 END AS b, 0 AS y FROM range(300) r(i)");
    assert_int_equal(count("SELECT count(DISTINCT ts) FROM t"), 300);
}

static void test_in_order_it_is_the_plans_own_sql(void **unused)
{
    (void)unused;
    make_in_order();
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++)
        agree_item(in_order[i]);
}

#define INNER                                                                                               \
    "WITH a AS (SELECT *, ts - lag(ts)" ORDER ") AS gap, count(*)" ORDER " RANGE 6 PRECEDING) AS c, x / 2 " \
    "AS half FROM t) "

static const char *const nested[] = {
    INNER "SELECT id, gap + half AS f FROM a",
    INNER "SELECT id, avg(gap)" ORDER " ROWS 4 PRECEDING) AS f FROM a",
    INNER "SELECT id, stddev(gap) FILTER (WHERE c > 1)" ORDER ") / c AS f FROM a",
    INNER "SELECT id, max(c) OVER (PARTITION BY n ORDER BY ts RANGE 9 PRECEDING) AS f FROM a",
    INNER "SELECT id, count(*) OVER (PARTITION BY c, k > 2 ORDER BY ts) AS f FROM a",
    INNER "SELECT id, lag(c, 1, gap)" ORDER ") AS f FROM a",
    INNER "SELECT id, sum(half)" ORDER ") + count(*)" ORDER " RANGE 6 PRECEDING) AS f FROM a",
    INNER
    ", b AS (SELECT id, ts, k AS card, c * 2 + n AS z FROM a) SELECT id, sum(z) OVER (PARTITION BY card "
    "ORDER BY ts) AS f FROM b",
    "SELECT id, g AS f FROM (SELECT id, first_value(m)" ORDER
    " RANGE 8 PRECEDING) AS g FROM (SELECT id, ts, k, "
    "count(DISTINCT v)" ORDER ") AS m FROM (SELECT * FROM t)))",
    "WITH a(i, w, card, u) AS MATERIALIZED (SELECT id, ts, k, x FROM t) SELECT i AS id, sum(u) OVER "
    "(PARTITION BY "
    "card ORDER BY w) AS f FROM a",
};

static void test_windows_over_windows(void **unused)
{
    (void)unused;
    make_in_order();
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        agree(nested[i]);
}

static const char *const filtered[] = {
    "SELECT id, count(*)" ORDER ") AS f FROM t WHERE n > 2",
    "SELECT id, lag(id)" ORDER ") AS f FROM t WHERE x > 0.5 AND (b OR n < 3)",
    "SELECT id, ln(x) + sum(ln(x))" ORDER ") AS f FROM t WHERE x > 0",
    "SELECT id, sum(z)" ORDER
    " ROWS 3 PRECEDING) AS f FROM (SELECT *, x + 1 AS z FROM t WHERE n <> 1) WHERE z < 2.9",
    "WITH a AS (SELECT *, count(*)" ORDER ") AS c FROM t WHERE n < 4) SELECT id, avg(c)" ORDER
    ") AS f FROM a",
    "SELECT id, n AS f FROM t WHERE v = 'a'",
};

static void test_what_where_leaves_out(void **unused)
{
    (void)unused;
    make_in_order();
    for (size_t i = 0; i < sizeof filtered / sizeof *filtered; i++)
        agree(filtered[i]);
}

/* The features of every event as texts, in arrival order. */
static void expect(const char *item, int lateness, const char *expected)
{
    struct buffer sql;
    char select[4096];
    buffer_init(&sql, 1 << 20);
    snprintf(select, sizeof select, "SELECT %s AS f FROM t", item);
    struct plan *plan = compile(select);
    add_columns(plan, lateness);
    buffer_format(&sql, "SELECT string_agg(coalesce(CAST(f AS VARCHAR), '-'), ' ') FROM (%s)",
                  plan_oracle(plan));
    char *found = NULL;
    if (duck_value(&duck, sql.data, NULL, 0, &found, &error) != OK)
        fail_msg("%s\n%s", error.message, sql.data);
    if (strcmp(found, expected) != 0)
        fail_msg("%s: expected %s, found %s", item, expected, found);
    free(found);
    plan_unref(plan);
    buffer_done(&sql);
}

/* Arrival:  0  1  2  3  4  5  6
 * ts:      10 20 20 15 30  5 28    with a lateness of 5, event 5 is too late (30 - 5 > 5); 3 and 6 are late.
 * n:        1  2  3  4  5  6  7    Order at the end: 0 3 1 2 6 4. */
static const struct {
    const char *item, *expected;
} late[] = {
    {"sum(n) OVER (ORDER BY ts)", "1 3 6 5 15 6 17"},
    {"sum(n) OVER (ORDER BY ts RANGE 10 PRECEDING)", "1 3 6 5 10 6 12"},
    {"sum(n) OVER (ORDER BY ts RANGE 30 PRECEDING)", "1 3 6 5 15 6 17"},
    {"count(*) OVER (ORDER BY ts RANGE BETWEEN 30 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)",
     "0 1 2 1 4 0 4"},
    {"count(*) OVER (ORDER BY ts RANGE BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE CURRENT ROW)",
     "0 0 1 0 0 0 0"},
    {"sum(n) OVER (ORDER BY ts ROWS 1 PRECEDING)", "1 3 5 5 8 6 10"},
    {"sum(n) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)", "- 1 3 1 5 - 5"},
    {"sum(n) OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING)", "- - 1 - 7 - 7"},
    {"lag(n, 1, -1) OVER (ORDER BY ts)", "-1 1 2 1 3 -1 3"},
    {"first_value(n) OVER (ORDER BY ts RANGE 10 PRECEDING)", "1 1 1 1 2 6 2"},
    {"last_value(n) OVER (ORDER BY ts)", "1 2 3 4 5 6 7"},
    {"last_value(n) OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)", "- 1 2 1 3 - 3"},
};

static void test_ties_and_late_events(void **unused)
{
    (void)unused;
    run("CREATE OR REPLACE TABLE t AS SELECT i AS id, [10, 20, 20, 15, 30, 5, 28][i + 1]::BIGINT AS ts, 0 AS "
        "k, "
        "0.5 AS x, (i + 1)::INTEGER AS n, '' AS v, true AS b, 0 AS y FROM range(7) r(i)");
    for (size_t i = 0; i < sizeof late / sizeof *late; i++)
        expect(late[i].item, 5, late[i].expected);
}

/* An event that is too late sees nothing but itself in a frame without a bound, and in a frame of n rows what
 * came after the floor, 50, and the last n before it.
 * Arrival:  0  1  2  3  4  5
 * ts:      10 20 30 60 12 35   In order: 10 [12] 20 30 [35] 60. The last one before the floor is 30, the last
 * n:        1  2  3  4  5  6   two are 20 and 30, the last three are all. 12 is no member for 35. */
static void test_rows_of_what_is_too_late(void **unused)
{
    (void)unused;
    static const struct {
        const char *item, *expected;
    } rows[] = {
        {"sum(n) OVER (ORDER BY ts ROWS 1 PRECEDING)", "1 3 5 7 5 9"},
        {"sum(n) OVER (ORDER BY ts ROWS 2 PRECEDING)", "1 3 6 9 5 11"},
        {"sum(n) OVER (ORDER BY ts ROWS 3 PRECEDING)", "1 3 6 10 6 12"},
        {"sum(n) OVER (ORDER BY ts ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING)", "- - 1 3 - 3"},
        {"sum(n) OVER (ORDER BY ts)", "1 3 6 10 5 6"},
        {"count(*) OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING)", "0 0 1 2 0 0"},
    };
    run("CREATE OR REPLACE TABLE t AS SELECT i AS id, [10, 20, 30, 60, 12, 35][i + 1]::BIGINT AS ts, 0 AS k, "
        "0.5 AS x, (i + 1)::INTEGER AS n, '' AS v, true AS b, 0 AS y FROM range(6) r(i)");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(rows[i].item, 10, rows[i].expected);
}

/* What WHERE leaves out does not move the high water: with a lateness of 0, event 3 is not late. */
static void test_where_does_not_move_the_high_water(void **unused)
{
    (void)unused;
    run("CREATE OR REPLACE TABLE t AS SELECT i AS id, [99, 10, 50, 40, 60][i + 1]::BIGINT AS ts, 0 AS k, 0.5 "
        "AS x, "
        "[9, 1, 9, 2, 3][i + 1]::INTEGER AS n, '' AS v, true AS b, 0 AS y FROM range(5) r(i)");
    expect("sum(n) OVER (ORDER BY ts) AS f FROM t WHERE n < 9 --", 0, "- 1 - 3 6");
    expect("sum(n) OVER (ORDER BY ts)", 0, "9 1 9 2 3");
}

/* Values that DuckDB's own deviation stops at. */
static void test_deviations_that_are_not_finite(void **unused)
{
    (void)unused;
    static const char *const sample = "- nan nan nan", *const whole = "nan nan nan nan";
    run("CREATE OR REPLACE TABLE t AS SELECT i AS id, i AS ts, 0 AS k, ['inf', '1', '-inf', 'nan'][i + "
        "1]::DOUBLE "
        "AS x, 0 AS n, '' AS v, true AS b, 0 AS y FROM range(4) r(i)");
    expect("stddev(x) OVER (ORDER BY ts)", 0, sample);
    expect("var_samp(x) FILTER (WHERE n = 0) OVER (ORDER BY ts)", 0, sample);
    expect("var_pop(x) OVER (ORDER BY ts)", 0, whole);
}

static int open_duck(void **unused)
{
    (void)unused;
    return duck_open(&duck, NULL, &error);
}

static int close_duck(void **unused)
{
    (void)unused;
    duck_close(&duck);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_it_is_the_plans_own_sql),
        cmocka_unit_test(test_windows_over_windows),
        cmocka_unit_test(test_what_where_leaves_out),
        cmocka_unit_test(test_where_does_not_move_the_high_water),
        cmocka_unit_test(test_ties_and_late_events),
        cmocka_unit_test(test_rows_of_what_is_too_late),
        cmocka_unit_test(test_deviations_that_are_not_finite),
    };
    return cmocka_run_group_tests(tests, open_duck, close_duck);
}
