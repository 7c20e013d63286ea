/* What windows remember: the edges of frames, ties, late and too late events, NULL keys, batches, threads,
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "differential/random.h"
#include "differential/rescan.h"
#include "feature/state.h"
#include "table/json_rows.h"
#include "allocations.h"

/* A plan, a state, and events as JSON lines. */
struct fixture {
    struct plan *plan;
    struct state *state;
    struct json_rows *rows;
    struct table batch, features;
    struct buffer text;
    struct error error;
};

#define KEYED "CREATE TABLE t (ts BIGINT, k VARCHAR, x DOUBLE, n INTEGER);\nSELECT "
#define OVER(start, end) " OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN " start " PRECEDING AND " end ")"

static void start(struct fixture *fixture, const char *sql, int threads, int64_t lateness)
{
    struct state_options options = {.threads = threads, .lateness_us = lateness};
    memset(fixture, 0, sizeof *fixture);
    buffer_init(&fixture->text, 1 << 20);
    if (plan_compile(sql, strlen(sql), "test.sql", &fixture->plan, &fixture->error) != OK)
        fail_msg("%s", fixture->error.message);
    assert_int_equal(state_new(fixture->plan, &options, &fixture->state, &fixture->error), OK);
    assert_int_equal(json_rows_new(plan_events(fixture->plan), TIME_UNIT_NONE, &fixture->rows, NULL), OK);
    assert_int_equal(table_init(&fixture->batch, plan_events(fixture->plan), NULL), OK);
    assert_int_equal(table_init(&fixture->features, plan_features(fixture->plan), NULL), OK);
}

static void stop(struct fixture *fixture)
{
    table_done(&fixture->batch);
    table_done(&fixture->features);
    json_rows_free(fixture->rows);
    state_free(fixture->state);
    plan_unref(fixture->plan);
    buffer_done(&fixture->text);
}

/* Takes one event and gives its features as JSON members. */
static const char *take(struct fixture *fixture, const char *line)
{
    table_clear(&fixture->batch);
    if (json_rows_parse(fixture->rows, line, strlen(line), &fixture->batch, &fixture->error) != OK ||
        state_take(fixture->state, &fixture->batch, &fixture->features, &fixture->error) != OK)
        fail_msg("%s: %s", line, fixture->error.message);
    assert_int_equal(fixture->features.length, 1);
    buffer_clear(&fixture->text);
    json_rows_write_members(&fixture->features, 0, &fixture->text);
    return fixture->text.data;
}

static struct state_counters counters_of(const struct fixture *fixture)
{
    struct state_counters counters;
    state_counters(fixture->state, &counters);
    return counters;
}

static void test_both_edges_of_a_frame_are_in_it(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          KEYED "count(*)" OVER("10", "3 PRECEDING") " AS c, sum(n)" OVER(
              "10", "CURRENT ROW") " AS s, min(n)" OVER("10", "10 PRECEDING") " AS m FROM t",
          1, 0);
    assert_string_equal(take(&f, "{\"ts\":100,\"k\":\"a\",\"n\":1}"), "\"c\":0,\"s\":1,\"m\":null");
    assert_string_equal(take(&f, "{\"ts\":102,\"k\":\"a\",\"n\":2}"), "\"c\":0,\"s\":3,\"m\":null");
    assert_string_equal(take(&f, "{\"ts\":103,\"k\":\"a\",\"n\":4}"), "\"c\":1,\"s\":7,\"m\":null");
    assert_string_equal(take(&f, "{\"ts\":110,\"k\":\"a\",\"n\":8}"), "\"c\":3,\"s\":15,\"m\":1");
    assert_string_equal(take(&f, "{\"ts\":111,\"k\":\"a\",\"n\":16}"), "\"c\":2,\"s\":30,\"m\":null");
    assert_string_equal(take(&f, "{\"ts\":113,\"k\":\"a\",\"n\":32}"), "\"c\":2,\"s\":60,\"m\":4");
    assert_string_equal(take(&f, "{\"ts\":200,\"k\":\"a\",\"n\":64}"), "\"c\":0,\"s\":64,\"m\":null");
    stop(&f);
}

static void test_of_two_events_at_one_time_the_second_sees_the_first(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          KEYED "count(*)" OVER("0", "CURRENT ROW") " AS z, sum(n)" OVER(
              "5", "CURRENT ROW") " AS s, count(*)" OVER("5", "5 PRECEDING") " AS p FROM t",
          1, 0);
    assert_string_equal(take(&f, "{\"ts\":1,\"k\":\"a\",\"n\":1}"), "\"z\":1,\"s\":1,\"p\":0");
    assert_string_equal(take(&f, "{\"ts\":1,\"k\":\"a\",\"n\":2}"), "\"z\":2,\"s\":3,\"p\":0");
    assert_string_equal(take(&f, "{\"ts\":1,\"k\":\"b\",\"n\":4}"), "\"z\":1,\"s\":4,\"p\":0");
    assert_string_equal(take(&f, "{\"ts\":1,\"k\":\"a\",\"n\":8}"), "\"z\":3,\"s\":11,\"p\":0");
    assert_string_equal(take(&f, "{\"ts\":6,\"k\":\"a\",\"n\":16}"), "\"z\":1,\"s\":27,\"p\":3");
    stop(&f);
}

static void test_a_late_event_is_put_in_its_place(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          KEYED "count(*)" OVER("10", "CURRENT ROW") " AS c, sum(n)" OVER(
              "10", "5 PRECEDING") " AS d, max(n)" OVER("10", "CURRENT ROW") " AS m FROM t",
          1, 100);
    take(&f, "{\"ts\":100,\"k\":\"a\",\"n\":1}");
    assert_string_equal(take(&f, "{\"ts\":108,\"k\":\"a\",\"n\":2}"), "\"c\":2,\"d\":1,\"m\":2");
    /* Its own windows end at its own time: it does not see 108. */
    assert_string_equal(take(&f, "{\"ts\":105,\"k\":\"a\",\"n\":50}"), "\"c\":2,\"d\":1,\"m\":50");
    /* What is taken later sees it; a tie with it, too, and a second late one sees the first. */
    assert_string_equal(take(&f, "{\"ts\":105,\"k\":\"a\",\"n\":4}"), "\"c\":3,\"d\":1,\"m\":50");
    assert_string_equal(take(&f, "{\"ts\":109,\"k\":\"a\",\"n\":8}"), "\"c\":5,\"d\":1,\"m\":50");
    assert_string_equal(take(&f, "{\"ts\":110,\"k\":\"a\",\"n\":8}"), "\"c\":6,\"d\":55,\"m\":50");
    assert_string_equal(take(&f, "{\"ts\":20,\"k\":\"a\",\"n\":9}"), "\"c\":1,\"d\":null,\"m\":9");
    assert_string_equal(take(&f, "{\"ts\":116,\"k\":\"a\",\"n\":3}"), "\"c\":4,\"d\":18,\"m\":8");
    assert_int_equal(counters_of(&f).late, 3);
    assert_int_equal(counters_of(&f).too_late, 0);
    stop(&f);
}

static void test_a_too_late_event_is_answered_and_forgotten(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          KEYED "count(*)" OVER("10", "CURRENT ROW") " AS c, sum(n)" OVER("20", "5 PRECEDING") " AS d FROM t",
          1, 5);
    take(&f, "{\"ts\":92,\"k\":\"a\",\"n\":1}");
    take(&f, "{\"ts\":100,\"k\":\"a\",\"n\":2}");
    /* 95 is as late as can be. */
    assert_string_equal(take(&f, "{\"ts\":95,\"k\":\"a\",\"n\":4}"), "\"c\":2,\"d\":null");
    assert_string_equal(take(&f, "{\"ts\":94,\"k\":\"a\",\"n\":8}"), "\"c\":2,\"d\":null");
    assert_int_equal(counters_of(&f).too_late, 1);
    assert_string_equal(take(&f, "{\"ts\":100,\"k\":\"a\",\"n\":16}"), "\"c\":4,\"d\":5");
    /* One that lies before all that is retained sees itself. */
    assert_string_equal(take(&f, "{\"ts\":3,\"k\":\"a\",\"n\":32}"), "\"c\":1,\"d\":null");
    /* Of an entity that is new with it, too, and nothing stays. */
    assert_string_equal(take(&f, "{\"ts\":3,\"k\":\"b\",\"n\":64}"), "\"c\":1,\"d\":null");
    assert_string_equal(take(&f, "{\"ts\":100,\"k\":\"b\",\"n\":1}"), "\"c\":1,\"d\":null");
    assert_string_equal(take(&f, "{\"ts\":105,\"k\":\"a\",\"n\":1}"), "\"c\":4,\"d\":23");
    assert_int_equal(counters_of(&f).too_late, 3);
    stop(&f);
}

/* What a too late event sees does not depend on what happens to be in memory: here 80 still is, in an entity
 * that nobody moved on. */
static void test_memory_does_not_show(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, KEYED "count(*)" OVER("10", "CURRENT ROW") " AS c FROM t", 1, 5);
    take(&f, "{\"ts\":80,\"k\":\"a\"}");
    take(&f, "{\"ts\":100,\"k\":\"b\"}");
    assert_string_equal(take(&f, "{\"ts\":82,\"k\":\"a\"}"), "\"c\":1"); /* 80 < 100 - 5 - 10 */
    take(&f, "{\"ts\":94,\"k\":\"c\"}");
    stop(&f);
    start(&f, KEYED "count(*)" OVER("10", "CURRENT ROW") " AS c FROM t", 1, 10);
    take(&f, "{\"ts\":80,\"k\":\"a\"}");
    take(&f, "{\"ts\":100,\"k\":\"b\"}");
    assert_string_equal(take(&f, "{\"ts\":82,\"k\":\"a\"}"), "\"c\":2"); /* 80 = 100 - 10 - 10 */
    stop(&f);
}

static void test_null_keys_are_one_group(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          "CREATE TABLE t (ts BIGINT, a INTEGER, b INTEGER);\nSELECT count(*) OVER (PARTITION BY a, b ORDER "
          "BY ts RANGE "
          "BETWEEN 9 PRECEDING AND CURRENT ROW) AS c FROM t",
          1, 0);
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":null,\"b\":0}"), "\"c\":1");
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":0,\"b\":null}"), "\"c\":1");
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":0,\"b\":0}"), "\"c\":1");
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":null,\"b\":null}"), "\"c\":1");
    assert_string_equal(take(&f, "{\"ts\":2,\"a\":null,\"b\":0}"), "\"c\":2");
    assert_string_equal(take(&f, "{\"ts\":2,\"a\":null,\"b\":null}"), "\"c\":2");
    assert_int_equal(counters_of(&f).entities, 4);
    stop(&f);
}

static void test_equal_keys_are_equal(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          "CREATE TABLE t (ts BIGINT, a INTEGER);\nSELECT count(*) OVER (PARTITION BY CASE a WHEN 0 THEN "
          "0.0::DOUBLE WHEN "
          "1 THEN -0.0::DOUBLE WHEN 2 THEN 'nan'::DOUBLE ELSE -'nan'::DOUBLE END ORDER BY ts RANGE BETWEEN 9 "
          "PRECEDING "
          "AND CURRENT ROW) AS c FROM t",
          1, 0);
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":0}"), "\"c\":1");
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":1}"), "\"c\":2");
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":2}"), "\"c\":1");
    assert_string_equal(take(&f, "{\"ts\":1,\"a\":3}"), "\"c\":2");
    stop(&f);
}

static void test_what_cannot_be_computed_is_counted(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          KEYED
          "sum(ln(x))" OVER("9", "CURRENT ROW") " AS s, count(*) FILTER (WHERE x > 0 AND ln(x) > 0)" OVER(
              "9", "CURRENT ROW") " AS c, coalesce(ln(x), 7) AS l, n // n AS z FROM t",
          1, 0);
    assert_string_equal(take(&f, "{\"ts\":1,\"k\":\"a\",\"x\":1,\"n\":5}"),
                        "\"s\":0.0,\"c\":0,\"l\":0.0,\"z\":1");
    assert_int_equal(counters_of(&f).expression_errors, 0);
    assert_string_equal(take(&f, "{\"ts\":2,\"k\":\"a\",\"x\":-1,\"n\":0}"),
                        "\"s\":0.0,\"c\":0,\"l\":null,\"z\":null");
    assert_int_equal(counters_of(&f).expression_errors,
                     2); /* the argument of sum, and l; the FILTER is settled before */
    assert_string_equal(take(&f, "{\"ts\":3,\"k\":\"a\",\"n\":0}"), "\"s\":0.0,\"c\":0,\"l\":7.0,\"z\":null");
    assert_int_equal(counters_of(&f).expression_errors, 2);
    stop(&f);
}

static void test_an_event_without_time_is_an_error_and_leaves_no_trace(void **unused)
{
    (void)unused;
    struct fixture f;
    static const char first[] = "{\"ts\":1,\"k\":\"a\"}", second[] = "{\"k\":\"a\"}";
    start(&f, KEYED "count(*)" OVER("9", "CURRENT ROW") " AS c FROM t", 1, 0);
    assert_int_equal(json_rows_parse(f.rows, first, strlen(first), &f.batch, NULL), OK);
    assert_int_equal(json_rows_parse(f.rows, second, strlen(second), &f.batch, NULL), OK);
    f.batch.first_row = 41;
    assert_int_equal(state_take(f.state, &f.batch, &f.features, &f.error), CODE_INVALID);
    assert_non_null(strstr(f.error.message, "row 42"));
    assert_string_equal(take(&f, first), "\"c\":1");
    stop(&f);
}

/* Many entities, ties, late and too late rows, every aggregate; more rows than a slice holds. */
static const char many[] =
    "CREATE TYPE colour AS ENUM ('red', 'green');\n"
    "CREATE TABLE t (ts BIGINT, k VARCHAR, x DOUBLE, n INTEGER, d DECIMAL(12,2), c colour);\n"
    "SELECT count(*) OVER a AS f0, sum(x) OVER a AS f1, avg(x) FILTER (WHERE n > 3) OVER a AS f2, min(x) "
    "OVER b AS f3,\n"
    "max(n) OVER b AS f4, sum(d) OVER b AS f5, avg(d) OVER a AS f6, count(k) OVER c AS f7, sum(n) OVER c AS "
    "f8, k AS f9,\n"
    "min(c) OVER (ORDER BY ts RANGE BETWEEN 3 PRECEDING AND CURRENT ROW) AS f10, x / nullif(avg(x) OVER a, "
    "0) AS f11\n"
    "FROM t WINDOW a AS (PARTITION BY k ORDER BY ts RANGE BETWEEN 500 PRECEDING AND CURRENT ROW),\n"
    "b AS (PARTITION BY k, c ORDER BY ts RANGE BETWEEN 900 PRECEDING AND 20 PRECEDING),\n"
    "c AS (PARTITION BY n % 7 ORDER BY ts RANGE BETWEEN 60 PRECEDING AND 60 PRECEDING)";

/* Windows so long that no entity of the first thousand events goes quiet while they come again. */
static const char lasting[] =
    "CREATE TABLE t (ts BIGINT, k VARCHAR, x DOUBLE, n INTEGER, d DECIMAL(12,2), c INTEGER);\n"
    "SELECT count(*) OVER a AS f0, sum(x) OVER a AS f1, avg(x) FILTER (WHERE n > 3) OVER a AS f2, min(x) "
    "OVER b AS f3, max(n) OVER b AS f4, sum(d) OVER b AS f5, avg(d) OVER a AS f6, sum(n) OVER a AS f7\n"
    "FROM t WINDOW a AS (PARTITION BY n ORDER BY ts RANGE BETWEEN 3500 PRECEDING AND CURRENT ROW),\n"
    "b AS (PARTITION BY n, c ORDER BY ts RANGE BETWEEN 3900 PRECEDING AND 20 PRECEDING)";

enum { ROWS = 9000 };

static void fill(const struct plan *plan, struct table *events)
{
    const struct field *fields = plan_events(plan)->fields;
    struct random random = {7};
    int64_t now = 0;
    char name[16];
    assert_int_equal(table_init(events, plan_events(plan), NULL), OK);
    assert_int_equal(table_reserve(events, ROWS, NULL), OK);
    for (int i = 0; i < ROWS; i++) {
        now += random_below(&random, 3);
        int64_t late = random_chance(&random, 10) ? random_below(&random, 150) : 0;
        column_append_int(&events->columns[0], &fields[0].type, now - late);
        snprintf(name, sizeof name, "card-%d", (int)(random_below(&random, 60) * random_below(&random, 60)));
        if (random_chance(&random, 3))
            column_append_null(&events->columns[1], &fields[1].type);
        else
            column_append_text(&events->columns[1], name, strlen(name), NULL);
        column_append_double(&events->columns[2], &fields[2].type, (double)random_below(&random, 100000) / 7);
        column_append_int(&events->columns[3], &fields[3].type, random_below(&random, 50));
        column_append_wide(&events->columns[4], random_below(&random, 1000000) - 500000);
        column_append_int(&events->columns[5], &fields[5].type, random_below(&random, 2));
    }
    events->length = ROWS;
}

static void compare(const struct table *expected, const struct table *found, int64_t from)
{
    struct buffer a, b;
    buffer_init(&a, 1 << 16);
    buffer_init(&b, 1 << 16);
    for (int64_t i = 0; i < found->length; i++) {
        buffer_clear(&a);
        buffer_clear(&b);
        json_rows_write(expected, from + i, &a);
        json_rows_write(found, i, &b);
        if (strcmp(a.data, b.data) != 0)
            fail_msg("row %lld\n%s\n%s", (long long)(from + i), a.data, b.data);
    }
    buffer_done(&a);
    buffer_done(&b);
}

static void test_batches_and_threads_do_not_show(void **unused)
{
    (void)unused;
    static const struct {
        int threads;
        int64_t rows;
    } ways[] = {{1, ROWS}, {1, 1}, {2, ROWS}, {3, 4097}, {4, ROWS}, {4, 63}, {2, 1000}};
    struct plan *plan = NULL;
    struct table events, batch, features;
    struct rescan rescan;
    assert_int_equal(plan_compile(many, strlen(many), "many.sql", &plan, NULL), OK);
    fill(plan, &events);
    struct rescan_options how = {.lateness = 100};
    assert_int_equal(rescan_run(plan, &events, &how, &rescan, NULL), OK);
    assert_true(rescan.too_late > 100 && rescan.late > 2 * rescan.too_late);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct state *state = NULL;
        struct state_options options = {.threads = ways[w].threads, .lateness_us = 100};
        assert_int_equal(state_new(plan, &options, &state, NULL), OK);
        assert_int_equal(table_init(&batch, plan_events(plan), NULL), OK);
        assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
        for (int64_t from = 0; from < ROWS; from += ways[w].rows) {
            int64_t n = ROWS - from < ways[w].rows ? ROWS - from : ways[w].rows;
            table_clear(&batch);
            assert_int_equal(table_append(&batch, &events, from, n, NULL), OK);
            assert_int_equal(state_take(state, &batch, &features, NULL), OK);
            assert_int_equal(features.length, n);
            compare(&rescan.features, &features, from);
        }
        table_done(&batch);
        table_done(&features);
        state_free(state);
    }
    rescan_done(&rescan);
    table_done(&events);
    plan_unref(plan);
}

static void test_memory_is_bounded_by_the_windows(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          "CREATE TABLE t (ts BIGINT, k INTEGER, x DOUBLE);\nSELECT sum(x) OVER (PARTITION BY k ORDER BY ts "
          "RANGE BETWEEN "
          "99 PRECEDING AND CURRENT ROW) AS s FROM t",
          1, 10);
    int64_t bytes = 0;
    assert_int_equal(table_reserve(&f.batch, 1, NULL), OK);
    for (int i = 0; i < 20000; i++) {
        table_clear(&f.batch);
        column_append_int(&f.batch.columns[0], &plan_events(f.plan)->fields[0].type, i);
        column_append_int(&f.batch.columns[1], &plan_events(f.plan)->fields[1].type, i % 10);
        column_append_double(&f.batch.columns[2], &plan_events(f.plan)->fields[2].type, 1);
        f.batch.length = 1;
        assert_int_equal(state_take(f.state, &f.batch, &f.features, NULL), OK);
        if (i == 2000)
            bytes = counters_of(&f).bytes;
    }
    assert_int_equal(counters_of(&f).bytes, bytes);
    assert_in_range(counters_of(&f).retained, 100, 130);
    assert_true(column_double(&f.features.columns[0], &plan_features(f.plan)->fields[0].type, 0) == 10);
    stop(&f);
}

/* What does not fit a sum of 128 bits takes memory of its own, until its entity goes. */
static void test_what_spills_counts_as_memory(void **unused)
{
    (void)unused;
    static const char sql[] = KEYED "sum(x)" OVER("9", "CURRENT ROW") " AS s, var_pop(x)" OVER(
        "9", "CURRENT ROW") " AS v, "
                            "sum(x) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND "
                            "CURRENT ROW) AS u, "
                            "sum(n) OVER (ORDER BY ts RANGE BETWEEN 9 PRECEDING AND CURRENT ROW) AS n FROM t";
    char line[100];
    struct fixture plain, spilled;
    start(&plain, sql, 1, 0);
    start(&spilled, sql, 1, 0);
    take(&plain, "{\"ts\":1,\"k\":\"a\",\"x\":1}");
    take(&spilled, "{\"ts\":1,\"k\":\"a\",\"x\":1e300}");
    int64_t more = state_bytes(spilled.state) - state_bytes(plain.state);
    assert_in_range(more, 1000, 3000);
    take(&spilled, "{\"ts\":2,\"k\":\"a\",\"x\":1}");
    /* Too late: read beside the sums that stand, in a place that all such events share. */
    for (int i = 0; i < 3; i++) {
        assert_non_null(strstr(take(&spilled, "{\"ts\":1,\"k\":\"a\",\"x\":1e300}"), "\"u\":1e300"));
        assert_in_range(state_bytes(spilled.state) - state_bytes(plain.state), more, more + 1000);
    }
    state_free(plain.state);
    state_free(spilled.state);
    plain.state = spilled.state = NULL;
    stop(&plain);
    stop(&spilled);
    /* Without frames that never end, entities go. */
    start(&plain, KEYED "sum(x)" OVER("9", "CURRENT ROW") " AS s FROM t", 1, 0);
    start(&spilled, KEYED "sum(x)" OVER("9", "CURRENT ROW") " AS s FROM t", 1, 0);
    take(&plain, "{\"ts\":1,\"k\":\"a\",\"x\":1}");
    take(&spilled, "{\"ts\":1,\"k\":\"a\",\"x\":1e300}");
    assert_true(state_bytes(spilled.state) > state_bytes(plain.state));
    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof line, "{\"ts\":%d,\"k\":\"b\",\"x\":1}", 20 + i);
        take(&plain, line);
        take(&spilled, line);
    }
    assert_int_equal(counters_of(&spilled).entities, 1);
    assert_int_equal(state_bytes(spilled.state), state_bytes(plain.state));
    stop(&plain);
    stop(&spilled);
}

/* Every event is an entity of its own. */
static void fill_entities(struct table *batch, int64_t n)
{
    struct schema *schema = batch->schema;
    static int64_t next;
    table_clear(batch);
    assert_int_equal(table_reserve(batch, n, NULL), OK);
    for (int64_t i = 0; i < n; i++, next++) {
        column_append_int(&batch->columns[0], &schema->fields[0].type, next);
        column_append_int(&batch->columns[1], &schema->fields[1].type, next);
    }
    batch->length = n;
}

static void test_beyond_the_memory_limit_nothing_is_taken(void **unused)
{
    (void)unused;
    enum { LIMIT = 1 << 20 };
    static const char sql[] =
        "CREATE TABLE t (ts BIGINT, k BIGINT);\nSELECT count(*) OVER (PARTITION BY k ORDER "
        "BY ts RANGE BETWEEN 1000000 PRECEDING AND CURRENT ROW) AS c FROM t";
    struct fixture f;
    struct state *state = NULL;
    struct state_options options = {.threads = 2, .memory = LIMIT};
    struct state_counters before, after;
    start(&f, sql, 1, 0);
    assert_int_equal(state_new(f.plan, &options, &state, NULL), OK);
    int rc, batches = 0;
    do {
        state_counters(state, &before);
        assert_int_equal(before.events, 1000 * batches);
        fill_entities(&f.batch, 1000);
        rc = state_take(state, &f.batch, &f.features, &f.error);
    } while (rc == OK && ++batches < 1000);
    assert_int_equal(rc, CODE_LIMIT);
    assert_in_range(batches, 2, 100);
    assert_int_equal(f.features.length, 0);
    assert_true(before.bytes > LIMIT && before.bytes < 2 * LIMIT);
    assert_int_equal(state_bytes(state), before.bytes);
    assert_non_null(strstr(f.error.message, "000 events the windows take 1"));
    assert_non_null(strstr(f.error.message, "the memory limit of 1 MiB"));
    state_counters(state, &after);
    assert_memory_equal(&before, &after, sizeof before);
    state_free(state);
    /* Of a batch beyond LIMIT_BATCH_ROWS so many are taken, and no more. */
    assert_int_equal(state_new(f.plan, &options, &state, NULL), OK);
    fill_entities(&f.batch, 3 * LIMIT_BATCH_ROWS);
    assert_int_equal(state_take(state, &f.batch, &f.features, &f.error), CODE_LIMIT);
    state_counters(state, &after);
    assert_int_equal(after.events, LIMIT_BATCH_ROWS);
    state_free(state);
    stop(&f);
}

/* Late ones, too late ones and every aggregate included: known entities cost no allocation. */
static void test_taking_allocates_nothing(void **unused)
{
    (void)unused;
    struct plan *plan = NULL;
    struct state *state = NULL;
    struct state_options options = {.threads = 1, .lateness_us = 100};
    struct table events, one, features;
    size_t before = 0;
    if (!counting) {
        print_message("the sanitizer's allocator cannot be counted\n");
        skip();
    }
    assert_int_equal(plan_compile(lasting, strlen(lasting), "lasting.sql", &plan, NULL), OK);
    assert_int_equal(state_new(plan, &options, &state, NULL), OK);
    fill(plan, &events);
    assert_int_equal(table_init(&one, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    /* The same times over and over, so that after the first rounds no window holds more than it did. */
    for (int round = 0; round < 12; round++) {
        before = allocations;
        for (int i = 0; i < 1000; i++) {
            table_clear(&one);
            assert_int_equal(table_append(&one, &events, i, 1, NULL), OK);
            ((int64_t *)one.columns[0].data)[0] += round * 1000;
            assert_int_equal(state_take(state, &one, &features, NULL), OK);
        }
    }
    assert_int_equal(allocations - before, 0);
    table_done(&one);
    table_done(&features);
    table_done(&events);
    state_free(state);
    plan_unref(plan);
}

static void test_strict_says_what_could_not_be_computed(void **unused)
{
    (void)unused;
    struct fixture f;
    struct state *strict = NULL;
    struct state_options options = {.threads = 1, .strict = true};
    static const char line[] = "{\"ts\":1,\"k\":\"a\",\"x\":-1}";
    start(&f, KEYED "ln(x) AS l FROM t", 1, 0);
    assert_string_equal(take(&f, line), "\"l\":null");
    assert_int_equal(state_new(f.plan, &options, &strict, NULL), OK);
    assert_int_equal(state_take(strict, &f.batch, &f.features, &f.error), CODE_INVALID);
    assert_non_null(strstr(f.error.message, "1 features could not be computed"));
    state_free(strict);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_edges_of_a_frame_are_in_it),
        cmocka_unit_test(test_of_two_events_at_one_time_the_second_sees_the_first),
        cmocka_unit_test(test_a_late_event_is_put_in_its_place),
        cmocka_unit_test(test_a_too_late_event_is_answered_and_forgotten),
        cmocka_unit_test(test_memory_does_not_show),
        cmocka_unit_test(test_null_keys_are_one_group),
        cmocka_unit_test(test_equal_keys_are_equal),
        cmocka_unit_test(test_what_cannot_be_computed_is_counted),
        cmocka_unit_test(test_an_event_without_time_is_an_error_and_leaves_no_trace),
        cmocka_unit_test(test_batches_and_threads_do_not_show),
        cmocka_unit_test(test_memory_is_bounded_by_the_windows),
        cmocka_unit_test(test_beyond_the_memory_limit_nothing_is_taken),
        cmocka_unit_test(test_what_spills_counts_as_memory),
        cmocka_unit_test(test_taking_allocates_nothing),
        cmocka_unit_test(test_strict_says_what_could_not_be_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
