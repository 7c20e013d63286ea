/* Labels that become known later than their events: when they count, whose they are, what they cannot reach.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential/reborn.h"
#include "feature/state.h"
#include "table/json_rows.h"

#define TABLE                                                                                         \
    "CREATE TABLE t (id BIGINT PRIMARY KEY, ts BIGINT, k VARCHAR, n INTEGER, y INTEGER DEFAULT 0);\n" \
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=2 steps';\nSELECT "
#define OVER(start) " OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN " start " PRECEDING AND 2 PRECEDING)"

/* An arrival number beyond 32 bits. */
static const int64_t FAR = (INT64_C(1) << 40) + 7;

struct fixture {
    struct plan *plan;
    struct state *state;
    struct state_options options;
    struct json_rows *rows;
    struct table batch, before, now, features;
    struct buffer text;
    struct error error;
};

static void start(struct fixture *fixture, const char *sql, int64_t lateness)
{
    *fixture = (struct fixture){.options = {.threads = 1, .lateness_us = lateness, .learns = true}};
    buffer_init(&fixture->text, 1 << 20);
    if (plan_compile(sql, strlen(sql), "test.sql", &fixture->plan, &fixture->error) != OK ||
        state_new(fixture->plan, &fixture->options, &fixture->state, &fixture->error) != OK)
        fail_msg("%s", fixture->error.message);
    struct schema *events = plan_events(fixture->plan);
    assert_int_equal(json_rows_new(events, TIME_UNIT_NONE, &fixture->rows, NULL), OK);
    assert_int_equal(table_init(&fixture->batch, events, NULL), OK);
    assert_int_equal(table_init(&fixture->before, events, NULL), OK);
    assert_int_equal(table_init(&fixture->now, events, NULL), OK);
    assert_int_equal(table_init(&fixture->features, plan_features(fixture->plan), NULL), OK);
}

static void stop(struct fixture *fixture)
{
    table_done(&fixture->batch);
    table_done(&fixture->before);
    table_done(&fixture->now);
    table_done(&fixture->features);
    json_rows_free(fixture->rows);
    state_free(fixture->state);
    plan_unref(fixture->plan);
    buffer_done(&fixture->text);
}

static void parse(struct fixture *fixture, const char *line, struct table *ret)
{
    table_clear(ret);
    if (json_rows_parse(fixture->rows, line, strlen(line), ret, &fixture->error) != OK)
        fail_msg("%s: %s", line, fixture->error.message);
}

/* An event "ts", "k", n, whose own label is never looked at. */
static const char *take(struct fixture *fixture, int ts, const char *k, int n)
{
    char line[100];
    snprintf(line, sizeof line, "{\"ts\":%d,\"k\":\"%s\",\"n\":%d,\"y\":99}", ts, k, n);
    parse(fixture, line, &fixture->batch);
    if (state_take(fixture->state, &fixture->batch, &fixture->features, &fixture->error) != OK)
        fail_msg("%s: %s", line, fixture->error.message);
    buffer_clear(&fixture->text);
    json_rows_write_members(&fixture->features, 0, &fixture->text);
    return fixture->text.data;
}

/* The same event's label: "null" or a number, before and now. */
static void learn(struct fixture *fixture, int64_t arrival, int ts, const char *k, int n, const char *before,
                  const char *now)
{
    char line[100];
    snprintf(line, sizeof line, "{\"ts\":%d,\"k\":\"%s\",\"n\":%d,\"y\":%s}", ts, k, n, before);
    parse(fixture, line, &fixture->before);
    snprintf(line, sizeof line, "{\"ts\":%d,\"k\":\"%s\",\"n\":%d,\"y\":%s}", ts, k, n, now);
    parse(fixture, line, &fixture->now);
    if (state_learn(fixture->state, &fixture->before, &fixture->now, &arrival, &fixture->error) != OK)
        fail_msg("%s: %s", line, fixture->error.message);
}

static void test_a_label_counts_from_its_arrival(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          TABLE "sum(y)" OVER("10") " AS s, max(y)" OVER("10") " AS m, count(*) FILTER (WHERE y = 3)" OVER(
              "10") " AS c FROM t",
          0);
    take(&f, 1, "a", 0);
    take(&f, 2, "a", 0);
    assert_string_equal(take(&f, 3, "a", 0), "\"s\":0,\"m\":0,\"c\":0");
    learn(&f, 0, 1, "a", 0, "null", "3"); /* after the frame's end had passed it */
    learn(&f, 2, 3, "a", 0, "null", "5"); /* before that */
    assert_string_equal(take(&f, 4, "a", 0), "\"s\":3,\"m\":3,\"c\":1");
    assert_string_equal(take(&f, 5, "a", 0), "\"s\":8,\"m\":5,\"c\":1");
    learn(&f, 2, 3, "a", 0, "5", "1"); /* what the larger one had beaten comes back */
    assert_string_equal(take(&f, 6, "a", 0), "\"s\":4,\"m\":3,\"c\":1");
    learn(&f, 0, 1, "a", 0, "3", "null");
    assert_string_equal(take(&f, 7, "a", 0), "\"s\":1,\"m\":1,\"c\":0");
    stop(&f);
}

static void test_events_of_one_time_are_told_apart(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f,
          TABLE "sum(n) FILTER (WHERE y = 1)" OVER("10") " AS s, last_value(y)" OVER(
              "10") " AS l, count(DISTINCT y)" OVER("10") " AS d FROM t",
          0);
    take(&f, 1, "a", 10);
    state_set_arrival(f.state, FAR);
    take(&f, 1, "a", 20);
    take(&f, 1, "a", 30);
    take(&f, 1, "b", 40);
    learn(&f, FAR, 1, "a", 20, "null", "1");
    assert_string_equal(take(&f, 3, "a", 0), "\"s\":20,\"l\":0,\"d\":2");
    learn(&f, FAR + 1, 1, "a", 30, "null", "1");
    assert_int_equal(reborn(f.plan, &f.options, &f.state, &f.error), OK);
    learn(&f, 0, 1, "a", 10, "null", "1");
    assert_string_equal(take(&f, 3, "a", 0), "\"s\":60,\"l\":1,\"d\":1");
    assert_int_equal(state_arrival(f.state), FAR + 5);
    stop(&f);
}

static void test_frames_without_a_start_reach_events_that_are_gone(void **unused)
{
    (void)unused;
    struct fixture f;
    struct state_counters counters;
    start(&f,
          TABLE "sum(y)" OVER("UNBOUNDED") " AS s, count(DISTINCT y)" OVER("UNBOUNDED") " AS d, sum(y)" OVER(
              "5") " AS few FROM t",
          0);
    take(&f, 1, "a", 0);
    take(&f, 2, "a", 0);
    assert_string_equal(take(&f, 100, "a", 0), "\"s\":0,\"d\":1,\"few\":null");
    state_counters(f.state, &counters);
    assert_int_equal(counters.retained, 1);
    learn(&f, 0, 1, "a", 0, "null", "7");
    assert_string_equal(take(&f, 101, "a", 0), "\"s\":7,\"d\":2,\"few\":null");
    learn(&f, 0, 1, "a", 0, "7", "4");
    learn(&f, 1, 2, "a", 0, "null", "4");
    assert_string_equal(take(&f, 102, "a", 0), "\"s\":8,\"d\":2,\"few\":0");
    state_counters(f.state, &counters);
    assert_int_equal(counters.learnt, 3);
    assert_int_equal(counters.outlived, 3);
    stop(&f);
}

static void test_what_entered_is_said(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "sum(y)" OVER("10") " AS s FROM t WHERE n > 0", 3);
    take(&f, 10, "a", 1);
    assert_true(state_entered(f.state)[0]);
    take(&f, 11, "a", 0);
    assert_false(state_entered(f.state)[0]);
    take(&f, 7, "a", 1);
    assert_true(state_entered(f.state)[0]);
    take(&f, 6, "a", 1);
    assert_false(state_entered(f.state)[0]);
    stop(&f);
}

static void test_columns_that_are_needed(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "sum(y)" OVER("10") " AS s, sum(n) OVER (ORDER BY ts) AS all_n FROM t", 0);
    const bool needed[] = {false, true, true, false, true}; /* id, ts, k, n, y */
    for (int c = 0; c < 5; c++)
        assert_int_equal(state_learns_from(f.state, c), needed[c]);
    stop(&f);
}

static void test_what_cannot_follow_is_refused(void **unused)
{
    (void)unused;
    static const char *const calls[] = {"min(y)", "max(n) FILTER (WHERE y > 0)", "first_value(y)",
                                        "last_value(y IGNORE NULLS)"};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        char sql[500];
        struct plan *plan;
        struct state *state = NULL;
        struct state_options options = {.learns = true};
        struct error error = {0};
        snprintf(sql, sizeof sql, TABLE "%s" OVER("UNBOUNDED") " AS m FROM t", calls[c]);
        assert_int_equal(plan_compile(sql, strlen(sql), "test.sql", &plan, &error), OK);
        assert_non_null(strstr(plan_warning(plan, 0), "y in a frame without a start cannot follow labels"));
        assert_int_equal(state_new(plan, &options, &state, &error), CODE_UNSUPPORTED);
        assert_non_null(strstr(error.message, "min, max, first and last of y cannot follow labels"));
        options.learns = false;
        assert_int_equal(state_new(plan, &options, &state, NULL), OK);
        assert_int_equal(state_learn(state, NULL, NULL, NULL, &error), CODE_INTERNAL);
        assert_null(state_entered(state));
        state_free(state);
        plan_unref(plan);
    }
}

static void test_a_state_of_the_other_kind_is_refused(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "sum(y)" OVER("10") " AS s FROM t", 0);
    take(&f, 1, "a", 0);
    f.options.learns = false;
    assert_int_equal(reborn(f.plan, &f.options, &f.state, &f.error), CODE_CORRUPT);
    assert_non_null(strstr(f.error.message, "it was kept for labels that come later"));
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_label_counts_from_its_arrival),
        cmocka_unit_test(test_events_of_one_time_are_told_apart),
        cmocka_unit_test(test_frames_without_a_start_reach_events_that_are_gone),
        cmocka_unit_test(test_what_entered_is_said),
        cmocka_unit_test(test_columns_that_are_needed),
        cmocka_unit_test(test_what_cannot_follow_is_refused),
        cmocka_unit_test(test_a_state_of_the_other_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
