/* What plans are refused for, each with its place in the text, and what a plan that compiles says of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "feature/compile.h"

#define HEAD                                                                                          \
    "CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, d DATE, k INTEGER, v VARCHAR, x DOUBLE, n " \
    "INTEGER,\n"                                                                                      \
    "                y TINYINT DEFAULT 0);\n"                                                         \
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=7 days';\n"
#define W " OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)"

#define O " OVER (PARTITION BY k ORDER BY ts"

enum { INVALID = CODE_INVALID, UNSUPPORTED = CODE_UNSUPPORTED, LIMIT = CODE_LIMIT };

/* The second feature of a plan, on line 5. */
static const struct {
    const char *text;
    int code, column;
    const char *words;
} features[] = {
    {"avg(y)" W, INVALID, 3, "leakage: this frame ends at the current"},
    {"count(*) FILTER (WHERE y = 1)" W, INVALID, 3, "leakage: this frame ends at the current"},
    {"count(*) OVER (PARTITION BY y ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)",
     INVALID, 3, "leakage: PARTITION BY y, a late column,"},
    {"y", INVALID, 3, "leakage: feature f uses the late column y of the event itself"},
    {"coalesce(x, 0) + y", INVALID, 18, "leakage: feature f uses the late column y of the event itself"},
    {"sum(x * y)" W, INVALID, 3, "leakage: this frame ends at the current"},
    {"count(*) OVER (ORDER BY y RANGE BETWEEN 7 PRECEDING AND CURRENT ROW)", UNSUPPORTED, 3,
     "a window must be ordered by a column of"},
    {"random()", UNSUPPORTED, 3, "random() changes from call to call, so"},
    {"hour(now())", UNSUPPORTED, 8, "now() changes from call to call, so a"},
    {"count(*) FILTER (WHERE x > random())" W, UNSUPPORTED, 30, "random() changes from call to call, so"},
    {"nosuch(x)", INVALID, 3, "Scalar Function with name nosuch does"},
    {"xx + 1", INVALID, 3, "Referenced column \"xx\" not found in"},
    {"sum(x)" O " GROUPS 3 PRECEDING)", UNSUPPORTED, 3, "GROUPS counts events of one time as one; write"},
    {"sum(x)" O " ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING)", UNSUPPORTED, 3,
     "FOLLOWING would see the future"},
    {"sum(x)" O " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)", UNSUPPORTED, 3,
     "FOLLOWING would see the future"},
    {"sum(x)" O " ROWS BETWEEN n PRECEDING AND CURRENT ROW)", UNSUPPORTED, 3,
     "a number of rows must be a constant, as in ROWS 10 PRECEDING"},
    {"sum(x)" O " ROWS -1 PRECEDING)", UNSUPPORTED, 3, "a frame that begins or ends after the event"},
    {"sum(x)" O " ROWS 2.5 PRECEDING)", INVALID, 3, "NULL or not a whole number of rows"},
    {"sum(x)" O " ROWS 1000001 PRECEDING)", LIMIT, 3, "a frame of 1000001 rows is too long, at most 1000000"},
    {"sum(x)" O " ROWS BETWEEN 2 PRECEDING AND 3 PRECEDING)", INVALID, 3, "the frame ends before it begins"},
    {"sum(x)" O " ROWS BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE CURRENT ROW)", INVALID, 3,
     "the frame is the current row and excludes it"},
    {"sum(x)" O " ROWS BETWEEN 5 PRECEDING AND CURRENT ROW EXCLUDE TIES)", UNSUPPORTED, 3,
     "EXCLUDE TIES: of events with one time"},
    {"sum(x)" O " RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW EXCLUDE GROUP)", UNSUPPORTED, 3,
     "EXCLUDE GROUP: write EXCLUDE CURRENT ROW, or"},
    {"avg(y)" O ")", INVALID, 3, "leakage: this frame ends at the current"},
    {"avg(y)" O " ROWS BETWEEN 9 PRECEDING AND 5 PRECEDING)", INVALID, 3,
     "leakage: rows may be of any age, also"},
    {"avg(y)" O " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)", INVALID, 3,
     "leakage: rows may be of any age"},
    {"lag(y, 100)" O ")", INVALID, 3, "leakage: rows may be of any age, also"},
    {"lag(x, 1, y)" O ")", INVALID, 3, "leakage: feature f uses the late column y of the event itself"},
    {"last_value(y)" W, INVALID, 3, "leakage: this frame ends at the current"},
    {"count_if(y = 1)" W, INVALID, 3, "leakage: this frame ends at the current"},
    {"sum(x) OVER (PARTITION BY k)", UNSUPPORTED, 3, "a window without ORDER BY would see the"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts DESC RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "ORDER BY ... DESC would see the future;"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN CURRENT ROW AND INTERVAL 1 DAY FOLLOWING)",
     UNSUPPORTED, 3, "FOLLOWING would see the future; frames"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 1 MONTH PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "months and years differ in length, so"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1 month 3 days' PRECEDING AND CURRENT "
     "ROW)",
     UNSUPPORTED, 3, "months and years differ in length, so"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL (-1) DAY PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "a frame that begins or ends after the"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN to_days(n) PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "a frame's length must be a constant, as"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 2 DAY "
     "PRECEDING)",
     INVALID, 3, "the frame ends before it begins: it is"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN CAST(NULL AS INTERVAL) PRECEDING AND CURRENT "
     "ROW)",
     UNSUPPORTED, 3, "a frame's length must be a constant, as"},
    {"sum(x) OVER (PARTITION BY k ORDER BY ts, id RANGE BETWEEN CURRENT ROW AND CURRENT ROW)", UNSUPPORTED, 3,
     "a window is ordered by the event time"},
    {"sum(x) OVER (PARTITION BY k ORDER BY n + 1 RANGE BETWEEN 7 PRECEDING AND CURRENT ROW)", UNSUPPORTED, 3,
     "a window must be ordered by a column of"},
    {"sum(x) OVER (PARTITION BY k ORDER BY CAST(ts AS DATE) RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND "
     "CURRENT ROW)",
     UNSUPPORTED, 3, "a window must be ordered by a column of"},
    {"sum(n) OVER (PARTITION BY k ORDER BY x RANGE BETWEEN 7 PRECEDING AND CURRENT ROW)", UNSUPPORTED, 3,
     "the event time x must be TIMESTAMP,"},
    {"sum(x) OVER (PARTITION BY k ORDER BY n RANGE BETWEEN 2.5 PRECEDING AND CURRENT ROW)", INVALID, 3,
     "a frame's length is NULL or not a whole"},
    {"sum(x) OVER (PARTITION BY k ORDER BY CAST(n AS TINYINT) RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "a window must be ordered by a column of"},
    {"sum(n) OVER (PARTITION BY k ORDER BY CAST(n AS DOUBLE) RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "a window must be ordered by a column of"},
    {"sum(n) OVER (PARTITION BY k ORDER BY CAST(x AS INTEGER) RANGE BETWEEN 2 PRECEDING AND CURRENT ROW)",
     UNSUPPORTED, 3, "a window must be ordered by a column of"},
    {"lead(x)" O ")", UNSUPPORTED, 3, "lead would see the future; lag(x) looks back"},
    {"lag(x, n)" O ")", UNSUPPORTED, 3, "a number of rows must be a constant"},
    {"lag(x, -1)" O ")", UNSUPPORTED, 3, "a frame that begins or ends after the event"},
    {"lag(x, NULL)" O ")", INVALID, 3, "NULL or not a whole number of rows"},
    {"lag(x, 1000001)" O ")", LIMIT, 3, "a frame of 1000001 rows is too long"},
    {"lag(x IGNORE NULLS)" O ")", UNSUPPORTED, 3, "lag(... IGNORE NULLS): write last_value(x IGNORE NULLS)"},
    {"lag(x) OVER (PARTITION BY k)", UNSUPPORTED, 3, "a window without ORDER BY would see the"},
    {"nth_value(x, 2)" W, UNSUPPORTED, 3, "nth_value: write lag(x, n) to count back"},
    {"row_number()" O ")", UNSUPPORTED, 3, "row_number: write count(*) OVER (... ROWS UNBOUNDED"},
    {"rank()" O ")", UNSUPPORTED, 3, "rank: by time it is a count, write"},
    {"dense_rank()" O ")", UNSUPPORTED, 3, "dense_rank: write count(DISTINCT ts)"},
    {"percent_rank()" O ")", UNSUPPORTED, 3, "percent_rank would see the future"},
    {"cume_dist()" O ")", UNSUPPORTED, 3, "cume_dist would see the future"},
    {"ntile(4)" O ")", UNSUPPORTED, 3, "ntile would see the future"},
    {"median(x)" W, UNSUPPORTED, 3, "median: write avg, or count(*) FILTER"},
    {"quantile_cont(x, 0.9)" W, UNSUPPORTED, 3, "quantiles: write count(*) FILTER"},
    {"mode(n)" W, UNSUPPORTED, 3, "mode: write count(*) FILTER (WHERE x = ...)"},
    {"list(x)" W, UNSUPPORTED, 3, "a list is no feature; write count(DISTINCT x)"},
    {"string_agg(v, ',')" W, UNSUPPORTED, 3, "a list is no feature; write count(DISTINCT x)"},
    {"approx_count_distinct(v)" W, UNSUPPORTED, 3,
     "approx_count_distinct: write count(DISTINCT x), which is"},
    {"arg_max(v, x)" W, UNSUPPORTED, 3, "arg_max: write max(x), or last_value"},
    {"fsum(x)" W, UNSUPPORTED, 3, "fsum: write sum(x), which is exact"},
    {"corr(x, n)" W, UNSUPPORTED, 3, "corr: write it with avg(x * y)"},
    {"entropy(x)" W, UNSUPPORTED, 3,
     "the window function entropy cannot run event by event; there are count"},
    {"sum(DISTINCT x)" W, UNSUPPORTED, 3,
     "sum(DISTINCT ...) cannot run event by event; count(DISTINCT x) can"},
    {"stddev(DISTINCT x)" W, UNSUPPORTED, 3, "stddev(DISTINCT ...) cannot run event by event"},
    {"count_if(DISTINCT n > 1)" W, UNSUPPORTED, 3, "count_if(DISTINCT ...) cannot run event by event"},
    {"sum(x ORDER BY n)" W, UNSUPPORTED, 3, "ORDER BY inside of a call: values come in"},
    {"first_value(x ORDER BY n)" W, UNSUPPORTED, 3, "ORDER BY inside of a call: values come in"},
    {"min(x, 2)" W, UNSUPPORTED, 3, "min takes one argument here"},
    {"avg(ts)" W, UNSUPPORTED, 3, "the mean of a date or time: take it of epoch(...)"},
    {"first_value(ts - TIMESTAMP '2020-01-01')" W, UNSUPPORTED, 3, "an INTERVAL is no value that"},
    {"[x, n]", UNSUPPORTED, 4, "type LIST is not"},
    {"{'a': x}", UNSUPPORTED, 4, "type STRUCT is not"},
    {"sum(sum(x)" W ")" W, INVALID, 7, "window function calls cannot be"},
    {"(x +", INVALID, 8, "syntax error at or near"},
    {"v + x", INVALID, 5, "No function matches the given name and"},
    {"CAST('a' AS INTEGER)", INVALID, 3, "Could not convert string 'a' to"},
};

/* What follows the head, from line 4 on. */
static const struct {
    const char *sql;
    int code, line, column;
    const char *words;
} statements[] = {
    {"SELECT x\nFROM tt", INVALID, 5, 6, "Table with name tt does not exist! Did"},
    {"SELECT x FROM t;\nSELECT n FROM t", UNSUPPORTED, 0, 0, "statement 3: a plan has CREATE TABLE,"},
    {"SELECT 1;\n", UNSUPPORTED, 4, 8, "a SELECT without FROM gives one row;"},
    {"INSERT INTO t(id) VALUES (1);\nSELECT x FROM t", UNSUPPORTED, 0, 0,
     "statement 3: a plan has CREATE TABLE,"},
    {"DROP TABLE t;\nSELECT x FROM t", UNSUPPORTED, 0, 0, "statement 3: a plan has CREATE TABLE,"},
    {"WITH RECURSIVE a AS (SELECT x FROM t UNION ALL SELECT x FROM a)\nSELECT x FROM a", UNSUPPORTED, 5, 8,
     "WITH RECURSIVE cannot run event by event"},
    {"WITH a AS (SELECT x FROM t UNION ALL SELECT x FROM t)\nSELECT x FROM a", UNSUPPORTED, 5, 8,
     "UNION has no meaning for features"},
    {"WITH a AS (SELECT x FROM t LIMIT 3)\nSELECT x FROM a", UNSUPPORTED, 4, 19, "LIMIT has no meaning for"},
    {"WITH a AS (SELECT k,\n sum(x) AS s FROM t GROUP BY k)\nSELECT s FROM a", UNSUPPORTED, 4, 19,
     "GROUP BY cannot run event by event"},
    {"WITH a AS (SELECT x FROM t)\nSELECT a.x, b.x AS z FROM a, a b", UNSUPPORTED, 5, 8,
     "a join or subquery"},
    {"WITH a AS (SELECT ts, k,\n  median(x)" W " AS m FROM t)\nSELECT m FROM a", UNSUPPORTED, 5, 3,
     "median: write avg"},
    {"WITH a AS (SELECT ts, k,\n  avg(y)" W " AS m FROM t)\nSELECT m FROM a", INVALID, 5, 3,
     "leakage: this frame ends at the current"},
    {"WITH a AS (SELECT ts, k, y + 1 AS z FROM t)\nSELECT avg(z)" W " AS m FROM a", INVALID, 5, 8,
     "leakage: this frame ends at the current row, where y is not"},
    {"WITH a AS (SELECT ts, k, x * y AS z FROM t)\nSELECT x\n, z FROM (SELECT z, 1 AS x FROM a)", INVALID, 6,
     3, "leakage: feature z uses the late column y"},
    {"WITH a AS (SELECT ts, y + 1 AS z FROM t)\nSELECT count(*) OVER (PARTITION BY z ORDER BY ts) AS f FROM "
     "a",
     INVALID, 5, 8, "leakage: PARTITION BY y, a late column"},
    {"SELECT count(*) OVER (ORDER BY ts) AS f FROM (SELECT ts + INTERVAL 1 DAY AS ts FROM t)", UNSUPPORTED, 4,
     8, "a window must be ordered by a column of the events"},
    {"WITH a AS (SELECT ts, k, count(*)" W " AS c FROM t), b AS (SELECT ts, k,\n max(c)" W
     " AS m FROM a)\nSELECT x,"
     "\n  min(m)" W " AS f FROM (SELECT *, 1 AS x FROM b)",
     UNSUPPORTED, 7, 3, "a window over a window over a window"},
    {"SELECT c FROM (SELECT k, ts - ts AS c FROM t)", UNSUPPORTED, 4, 8,
     "an INTERVAL is no value that a feature"},
    {"SELECT c\nFROM (SELECT count(*)" W " AS c FROM t) WHERE\n  c > 1", UNSUPPORTED, 6, 5,
     "WHERE over the windows of an inner SELECT"},
    {"SELECT x,\n (SELECT max(x) FROM t) AS m FROM t", UNSUPPORTED, 4, 8,
     "a join or subquery cannot run event by"},
    {"SELECT x,\n EXISTS (SELECT 1 FROM t) AS m FROM t", UNSUPPORTED, 4, 8,
     "a join or subquery cannot run event by"},
    {"SELECT x,\n x IN (SELECT x FROM t) AS m FROM t", UNSUPPORTED, 4, 8,
     "a join cannot run event by event; bring"},
    {"SELECT x,\n (SELECT max(x) FROM t p WHERE p.k = t.k) AS m FROM t", UNSUPPORTED, 4, 8,
     "a subquery cannot run event by event;"},
    {"SELECT x\nFROM t WHERE y = 0", INVALID, 5, 16, "leakage: WHERE looks at the late column y"},
    {"SELECT x\nFROM (SELECT x, y = 0 AS z FROM t)\nWHERE x > 1 AND z", INVALID, 6, 13,
     "leakage: WHERE looks at"},
    {"SELECT x\nFROM t WHERE x > random()", UNSUPPORTED, 5, 18, "random() changes from call to call"},
    {"SELECT x\nFROM t WHERE count(*)" W " > 1", INVALID, 5, 14, "WHERE clause cannot contain window"},
    {"SELECT k,\n sum(x) AS s FROM t GROUP BY k", UNSUPPORTED, 4, 8, "GROUP BY cannot run event by event;"},
    {"SELECT\n sum(x) AS s FROM t", UNSUPPORTED, 5, 2, "GROUP BY cannot run event by event;"},
    {"SELECT x FROM t\nORDER BY x", UNSUPPORTED, 4, 8, "ORDER BY at the end has no meaning for"},
    {"SELECT x FROM t\nLIMIT 3", UNSUPPORTED, 4, 8, "LIMIT has no meaning for features: one"},
    {"SELECT DISTINCT x FROM t", UNSUPPORTED, 4, 17, "DISTINCT has no meaning for features:"},
    {"SELECT x FROM t\nQUALIFY count(*)" W " > 1", UNSUPPORTED, 5, 107,
     "QUALIFY has no meaning for features"},
    {"SELECT k FROM t GROUP BY k HAVING sum(x) > 1", UNSUPPORTED, 4, 8, "GROUP BY cannot run event by event"},
    {"SELECT x FROM t UNION ALL\nSELECT x FROM t", UNSUPPORTED, 4, 1, "the last statement must be a plain"},
    {"SELECT a.x\nFROM t a JOIN t b ON a.id = b.id", UNSUPPORTED, 4, 8,
     "a join cannot run event by event; bring"},
    {"SELECT a.x\nFROM t a, t b", UNSUPPORTED, 4, 8, "a join or subquery cannot run event by"},
    {"SELECT x FROM (VALUES (1)) v(x)", UNSUPPORTED, 4, 8, "VALUES cannot be the events"},
    {"SELECT 1 AS x", UNSUPPORTED, 4, 8, "a SELECT without FROM gives one row;"},
    {"SELECT unnest([1,2]) AS x FROM t", UNSUPPORTED, 4, 8, "unnest makes several rows of one; a"},
    {"SELECT sum(x)" W " AS a,\n  sum(x) OVER (PARTITION BY k ORDER BY d RANGE BETWEEN INTERVAL 7 DAY "
     "PRECEDING AND CURRENT ROW) AS f FROM t",
     UNSUPPORTED, 5, 3, "windows are ordered by ts and by d; a"},
    {"SELECT x,\n  n AS X\nFROM t", INVALID, 5, 3, "two features are named"},
    {"SELECT x,\n  n AS \"a[0]\"\nFROM t", INVALID, 5, 3, "feature name \"a[0]\" has one of [ ] < >,"},
    {"SELECT x,\n  x + $1 AS f\nFROM t", UNSUPPORTED, 4, 1, "a plan has no parameters; write the"},
    {"SELECT x FROM t USING SAMPLE 10%", UNSUPPORTED, 4, 8, "a sample has no meaning for features:"},
    {"SELECT * FROM t", INVALID, 4, 8, "leakage: feature y uses the late column y"},
    {"SELECT rowid AS r FROM t", UNSUPPORTED, 4, 8, "a reference to something that is not a"},
    {"CREATE VIEW w AS SELECT * FROM t;\nSELECT x FROM w", UNSUPPORTED, 0, 0,
     "a plan has no views: write WITH w AS (...) in front of the SELECT"},
    {"CREATE TABLE u (a INTEGER);\nSELECT x FROM t", INVALID, 0, 0, "a plan has exactly one CREATE TABLE,"},
    {"SELECT * FROM range(10)", UNSUPPORTED, 4, 8, "a table function cannot be the events;"},
    {"SELECT * FROM read_csv('/etc/passwd')", INVALID, 4, 15, "Cannot access file \"/etc/passwd\" - file"},
};

static const struct {
    const char *sql;
    int code, line, column;
    const char *words;
} files[] = {
    {"SELECT 1 AS x", INVALID, 0, 0, "a plan has exactly one CREATE TABLE, for"},
    {"", INVALID, 0, 0, "the plan is empty: it needs a CREATE TABLE"},
    {"-- hi", INVALID, 0, 0, "the plan is empty: it needs a CREATE TABLE"},
    {HEAD, INVALID, 3, 1, "a plan ends with a SELECT, whose columns"},
    {"CREATE TABLE t (ts TIMESTAMP, y INT);COMMENT ON COLUMN t.y IS 'shrike: lable';SELECT ts FROM t",
     INVALID, 0, 0, "column y: unknown role \"lable\"; the roles"},
    {"CREATE TABLE t (ts TIMESTAMP, y INT);COMMENT ON COLUMN t.y IS 'shrike: label';SELECT ts FROM t",
     INVALID, 0, 0, "column y: a label needs its delay: 'shrike:"},
    {"CREATE TABLE t (ts TIMESTAMP, y INT);COMMENT ON COLUMN t.y IS 'shrike: label, late after=soon';SELECT "
     "ts FROM t",
     INVALID, 0, 0, "column y: expected \"late after=DURATION\""},
    {"CREATE TABLE t (ts TIMESTAMP, y INT, z INT);COMMENT ON COLUMN t.y IS 'shrike: label, late "
     "after=1d';COMMENT ON COLUMN t.z IS 'shrike: label, late after=1d';SELECT ts FROM t",
     INVALID, 0, 0, "columns y and z are both labels; a plan has"},
    {"CREATE TABLE t (ts TIMESTAMP, y INT[]);SELECT ts FROM t", UNSUPPORTED, 0, 0,
     "column y: the type LIST has no place in a"},
    {"CREATE TABLE t (ts TIME);SELECT ts FROM t", UNSUPPORTED, 0, 0,
     "column ts: the type TIME has no place in a"},
    {"CREATE TABLE t (ts TIMESTAMP_NS, b BLOB);SELECT ts FROM t", UNSUPPORTED, 0, 0,
     "column b: the type BLOB has no place in a"},
    {"CREATE TABLE t (ts TIMESTAMP, x INT, y INT GENERATED ALWAYS AS (x + 1));SELECT y FROM t", INVALID, 0, 0,
     "Referenced column \"x\" was not found because"},
    {"ATTACH 'x.db';CREATE TABLE t (x INT);SELECT x FROM t", UNSUPPORTED, 0, 0,
     "statement 1: a plan has CREATE TABLE,"},
    {"CREATE TABLE t (x INT);COPY t TO 'x.csv';SELECT x FROM t", INVALID, 0, 0,
     "Cannot access file \"x.csv\" - file system"},
    {"CREATE TABLE t (x INT);SET threads=1;SELECT x FROM t", UNSUPPORTED, 0, 0,
     "statement 2: a plan has CREATE TABLE,"},
    {"PRAGMA database_list;CREATE TABLE t (x INT);SELECT x FROM t", UNSUPPORTED, 0, 0,
     "statement 1: a plan has CREATE TABLE,"},
    {"CREATE TABLE t (x INT);\n\nSELECT 'gr\xc3\xbc\xc3\x9f', '\xff' AS s FROM t", INVALID, 3, 17,
     "not UTF-8 here"},
    {"CREATE TABLE t (x INT);\nSELECT '\xed\xa0\x80' AS s FROM t", INVALID, 2, 9, "not UTF-8 here"},
    {HEAD "SELECT first_value(x) FILTER (WHERE n > 1) OVER (ORDER BY ts) AS f FROM t", UNSUPPORTED, 0, 0,
     "SQL has no FILTER for first_value, last_value and lag; write any_value(x) FILTER"},
    {"CREATE TABLE t (x INT);\nSELECT x FROM\n\n", INVALID, 2, 0, "syntax error at end of input"},
    {"CREATE TABLE t (x INT);\nSELEKT 'Disk quota exceeded'", INVALID, 2, 1, "syntax error"},
    {"CREATE TABLE t (ts TIMESTAMP, y INT DEFAULT random());\nCOMMENT ON COLUMN t.y IS 'shrike: label, late "
     "after=1d';\n"
     "SELECT sum(y) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 3 DAY PRECEDING AND INTERVAL 2 DAY PRECEDING) "
     "AS s FROM t",
     UNSUPPORTED, 3, 8, "random() changes from call to call"},
    {"CREATE TABLE t (d DATE, k INT);\nSELECT sum(k) OVER (ORDER BY d RANGE BETWEEN 3 PRECEDING AND CURRENT "
     "ROW) AS a FROM t",
     UNSUPPORTED, 2, 8, "a frame's length is an INTERVAL"},
};

static int wrong;

static void refuse(const char *sql, int code, int line, int column, const char *words)
{
    struct plan *plan = NULL;
    struct error error = {0};
    int rc = plan_compile(sql, strlen(sql), "test.sql", &plan, &error);
    if (rc != code || (int)error.code != code || error.line != line || error.column != column ||
        !strstr(error.message, words) || strcmp(error.place, "test.sql") != 0 || plan) {
        print_error("expected code %d at %d:%d \"%s\", found %d at %lld:%lld: %s\n%s\n\n", code, line, column,
                    words, rc, (long long)error.line, (long long)error.column, error.message, sql);
        wrong++;
    }
    plan_unref(plan);
}

static struct plan *compile(const char *sql)
{
    struct plan *plan = NULL;
    struct error error = {0};
    if (plan_compile(sql, strlen(sql), "test.sql", &plan, &error) != OK)
        fail_msg("%lld:%lld: %s\n%s", (long long)error.line, (long long)error.column, error.message, sql);
    return plan;
}

static void test_features_are_refused_at_their_place(void **unused)
{
    (void)unused;
    wrong = 0;
    char sql[4096];
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        snprintf(sql, sizeof sql, "%sSELECT x,\n  %s AS f\nFROM t", HEAD, features[i].text);
        refuse(sql, features[i].code, 5, features[i].column, features[i].words);
    }
    assert_int_equal(wrong, 0);
}

static void test_statements_are_refused_at_their_place(void **unused)
{
    (void)unused;
    wrong = 0;
    char sql[4096];
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        snprintf(sql, sizeof sql, "%s%s", HEAD, statements[i].sql);
        refuse(sql, statements[i].code, statements[i].line, statements[i].column, statements[i].words);
    }
    assert_int_equal(wrong, 0);
}

static void test_files_are_refused(void **unused)
{
    (void)unused;
    wrong = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        refuse(files[i].sql, files[i].code, files[i].line, files[i].column, files[i].words);
    assert_int_equal(wrong, 0);
}

/* Windows of one shape: the error is in the third. */
static void test_the_right_window_is_named(void **unused)
{
    (void)unused;
    wrong = 0;
    refuse(HEAD "SELECT sum(k) OVER w AS a,\n  sum(k + 1) OVER w AS b,\n    sum(y) OVER w AS c,\n sum(k + 2) "
                "OVER w AS d\n"
                "FROM t WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 3 DAY PRECEDING AND "
                "CURRENT ROW)",
           CODE_INVALID, 6, 5, "leakage");
    refuse(HEAD "SELECT sum(k)" W
                " AS a,\n  sum(y) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 8 DAY PRECEDING "
                "AND CURRENT ROW) AS b FROM t",
           CODE_INVALID, 5, 3, "leakage");
    assert_int_equal(wrong, 0);
}

static void test_a_plan_knows_its_columns(void **unused)
{
    (void)unused;
    struct plan *plan = compile(HEAD "-- a comment; with a semicolon\nSELECT ';' AS s, x AS \"a;b\", sum(n)" W
                                     " AS total -- the end; really\n FROM t ; \n-- and after\n");
    double number = -1;
    assert_string_equal(plan_table_name(plan), "t");
    assert_int_equal(plan_id_column(plan), 0);
    assert_int_equal(plan_time_column(plan), 1);
    assert_int_equal(plan_label_column(plan), 7);
    char after[UNITS_TEXT_SIZE];
    int64_t delay = 0;
    assert_true(plan_label_after(plan, &delay));
    assert_true(delay == 7 * DAY_US);
    assert_string_equal(plan_label_after_text(plan, after), "7d");
    assert_true(plan_late_default(plan, 7, &number));
    assert_true(number == 0);
    assert_int_equal(plan_features(plan)->n, 3);
    assert_string_equal(plan_features(plan)->fields[1].name, "a;b");
    assert_int_equal(plan_features(plan)->fields[2].type.id, TYPE_HUGEINT);
    assert_int_equal(plan_events(plan)->fields[7].roles, ROLE_LABEL | ROLE_LATE);
    assert_true(plan_events(plan)->fields[7].optional);
    assert_int_equal(strlen(plan_hash(plan)), 64);
    assert_null(plan_warning(plan, 0));
    plan_unref(plan);
}

static void test_the_only_time_is_the_event_time(void **unused)
{
    (void)unused;
    struct plan *plan = compile("CREATE TABLE t (a INTEGER, ts DATE);\r\nSELECT a FROM t");
    assert_int_equal(plan_time_column(plan), 1);
    plan_unref(plan);
    plan = compile("CREATE TABLE t (a INTEGER, ts DATE, u DATE);SELECT a FROM t");
    assert_int_equal(plan_time_column(plan), -1);
    assert_int_equal(plan_id_column(plan), -1);
    plan_unref(plan);
}

static void test_what_is_said_twice_is_kept_once(void **unused)
{
    (void)unused;
    struct plan *plan =
        compile(HEAD "SELECT sum(x)" W " AS a, sum(x)" W " + 1 AS b, avg(x)" W " AS c, count(x)" W " AS d,\n"
                     "count(*)" W " AS e, sum(x) FILTER (WHERE n > 3)" W " AS f FROM t");
    assert_int_equal(plan->n_groups, 1);
    assert_int_equal(plan->groups[0].n_frames, 1);
    assert_int_equal(plan->groups[0].n_slots, 2);
    assert_int_equal(plan->n_windows, 5);
    plan_unref(plan);
}

static void test_labels_half_known_are_warned_of(void **unused)
{
    (void)unused;
    struct plan *plan = compile(
        HEAD "SELECT avg(y) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 17 DAY PRECEDING AND "
             "INTERVAL 3 DAY PRECEDING) AS r FROM t");
    assert_non_null(plan_warning(plan, 0));
    assert_non_null(strstr(plan_warning(plan, 0), "ends 3d before the event, but y is known only after 7d"));
    assert_null(plan_warning(plan, 1));
    plan_unref(plan);
    plan = compile(HEAD "SELECT avg(y) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 17 DAY "
                        "PRECEDING AND INTERVAL 7 "
                        "DAY PRECEDING) AS r FROM t");
    assert_null(plan_warning(plan, 0));
    plan_unref(plan);
}

#define STEPS(after, frame)                                                                          \
    "CREATE TABLE t (s INTEGER, y TINYINT DEFAULT 0);COMMENT ON COLUMN t.y IS 'shrike: label, late " \
    "after=" after "';\nSELECT avg(y) OVER (ORDER BY s RANGE BETWEEN 99 PRECEDING AND " frame        \
    ") AS r FROM t"

static void test_a_label_is_late_by_steps(void **unused)
{
    (void)unused;
    char after[UNITS_TEXT_SIZE];
    int64_t delay = 0;
    struct plan *plan = compile(STEPS("24 steps", "24 PRECEDING"));
    assert_null(plan_warning(plan, 0));
    assert_true(plan_label_after(plan, &delay));
    assert_true(delay == 24);
    assert_string_equal(plan_label_after_text(plan, after), "24 steps");
    plan_unref(plan);
    plan = compile(STEPS("24STEP", "23 PRECEDING"));
    assert_non_null(strstr(plan_warning(plan, 0),
                           "ends 23 steps before the event, but y is known only after 24 "
                           "steps"));
    plan_unref(plan);
    /* How many steps a day has is the user's word. */
    plan = compile(STEPS("1 day", "1 PRECEDING"));
    assert_null(plan_warning(plan, 0));
    assert_false(plan_label_after(plan, &delay));
    assert_string_equal(plan_label_after_text(plan, after), "1d");
    plan_unref(plan);
    wrong = 0;
    refuse(STEPS("1 step", "CURRENT ROW"), INVALID, 2, 8,
           "it is known after 1 step: let the frame end at n PRECEDING");
    refuse(STEPS("1 day", "0 PRECEDING"), INVALID, 2, 8,
           "it is known after 1d: let the frame end at n PRECEDING");
    refuse(STEPS("0 steps", "CURRENT ROW"), INVALID, 0, 0,
           "late after=24 steps\", found \"late after=0 steps\"");
    refuse(STEPS("-3 steps", "CURRENT ROW"), INVALID, 0, 0, "found \"late after=-3 steps\"");
    refuse(STEPS("steps", "CURRENT ROW"), INVALID, 0, 0, "found \"late after=steps\"");
    refuse(STEPS("99999999999999999999 steps", "CURRENT ROW"), INVALID, 0, 0, "column y: expected");
    refuse("CREATE TABLE t (ts TIMESTAMP, y INT);COMMENT ON COLUMN t.y IS 'shrike: late after=3 "
           "steps';SELECT ts FROM t",
           INVALID, 0, 0, "column y is late by steps, but the event time ts is none");
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_are_refused_at_their_place),
        cmocka_unit_test(test_statements_are_refused_at_their_place),
        cmocka_unit_test(test_files_are_refused),
        cmocka_unit_test(test_the_right_window_is_named),
        cmocka_unit_test(test_a_plan_knows_its_columns),
        cmocka_unit_test(test_the_only_time_is_the_event_time),
        cmocka_unit_test(test_what_is_said_twice_is_kept_once),
        cmocka_unit_test(test_labels_half_known_are_warned_of),
        cmocka_unit_test(test_a_label_is_late_by_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
