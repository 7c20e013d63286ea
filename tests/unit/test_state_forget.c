/* Events that are erased: what their windows say from then on, what may stay, and that no byte of them does.
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

#define TABLE "CREATE TABLE t (ts BIGINT, k VARCHAR, n INTEGER, v VARCHAR);\nSELECT "
#define OVER(frame) " OVER (PARTITION BY k ORDER BY ts " frame ")"

/* An arrival number beyond 32 bits. */
static const int64_t FAR = (INT64_C(1) << 40) + 7;

struct fixture {
    struct plan *plan;
    struct state *state;
    struct state_options options;
    struct json_rows *rows;
    struct table batch, features;
    struct buffer text;
    struct error error;
    bool traces[4];
};

static void start(struct fixture *fixture, const char *sql)
{
    *fixture = (struct fixture){.options = {.threads = 1, .lateness_us = 5, .forgets = true}};
    buffer_init(&fixture->text, 1 << 20);
    if (plan_compile(sql, strlen(sql), "test.sql", &fixture->plan, &fixture->error) != OK ||
        state_new(fixture->plan, &fixture->options, &fixture->state, &fixture->error) != OK)
        fail_msg("%s", fixture->error.message);
    struct schema *events = plan_events(fixture->plan);
    assert_int_equal(json_rows_new(events, TIME_UNIT_NONE, &fixture->rows, NULL), OK);
    assert_int_equal(table_init(&fixture->batch, events, NULL), OK);
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

static void event(struct fixture *fixture, int ts, const char *k, int n, const char *v)
{
    char line[200];
    snprintf(line, sizeof line, "{\"ts\":%d,\"k\":\"%s\",\"n\":%d,\"v\":\"%s\"}", ts, k, n, v);
    table_clear(&fixture->batch);
    if (json_rows_parse(fixture->rows, line, strlen(line), &fixture->batch, &fixture->error) != OK)
        fail_msg("%s: %s", line, fixture->error.message);
}

static const char *take(struct fixture *fixture, int ts, const char *k, int n, const char *v)
{
    event(fixture, ts, k, n, v);
    if (state_take(fixture->state, &fixture->batch, &fixture->features, &fixture->error) != OK)
        fail_msg("%s", fixture->error.message);
    buffer_clear(&fixture->text);
    json_rows_write_members(&fixture->features, 0, &fixture->text);
    return fixture->text.data;
}

static void forget(struct fixture *fixture, int64_t arrival, int ts, const char *k, int n, const char *v)
{
    event(fixture, ts, k, n, v);
    if (state_forget(fixture->state, &fixture->batch, &arrival, fixture->traces, &fixture->error) != OK)
        fail_msg("%s", fixture->error.message);
}

static int write_text(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "a state", error);
}

/* Is the text anywhere in the saved state? */
static bool is_saved(struct fixture *fixture, const char *text)
{
    struct buffer bytes;
    buffer_init(&bytes, 1 << 20);
    assert_int_equal(state_save(fixture->state, write_text, &bytes, NULL), OK);
    bool found = memmem(bytes.data, bytes.size, text, strlen(text)) != NULL;
    buffer_done(&bytes);
    return found;
}

static void test_windows_read_as_if_it_had_never_been(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "sum(n)" OVER("RANGE 10 PRECEDING") " AS s, max(n)" OVER(
                  "RANGE 10 PRECEDING") " AS m,\n"
                                        " first_value(n)" OVER("ROWS 3 PRECEDING") " AS r, sum(n)" OVER(
                                            "RANGE UNBOUNDED PRECEDING") " AS a FROM t");
    state_set_arrival(f.state, FAR);
    take(&f, 1, "a", 10, "x");
    take(&f, 2, "a", 100, "x");
    assert_string_equal(take(&f, 3, "a", 1, "x"), "\"s\":111,\"m\":100,\"r\":10,\"a\":111");
    forget(&f, FAR + 1, 2, "a", 100, "x");
    assert_string_equal(take(&f, 4, "a", 2, "x"), "\"s\":13,\"m\":10,\"r\":10,\"a\":13");
    /* Of two of one time the one that is meant. */
    take(&f, 4, "a", 4, "x");
    forget(&f, FAR + 3, 4, "a", 2, "x");
    assert_string_equal(take(&f, 4, "a", 0, "x"), "\"s\":15,\"m\":10,\"r\":10,\"a\":15");
    for (int i = 0; i < 4; i++)
        assert_false(f.traces[i]);
    stop(&f);
}

/* What comes behind those that are left is not late, whatever time the erased one had. */
static void test_the_newest_goes(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "count(n)" OVER("RANGE UNBOUNDED PRECEDING EXCLUDE CURRENT ROW") " AS a, count(n)" OVER(
                  "RANGE BETWEEN 10 PRECEDING AND 2 PRECEDING") " AS d,\n"
                                                                " max(n)" OVER("RANGE 1 PRECEDING") " AS m "
                                                                                                    "FROM t");
    take(&f, 10, "a", 1, "x");
    take(&f, 11, "a", 2, "x");
    take(&f, 15, "a", 3, "x");
    forget(&f, 2, 15, "a", 3, "x");
    assert_string_equal(take(&f, 13, "a", 4, "x"), "\"a\":2,\"d\":2,\"m\":4");
    assert_string_equal(take(&f, 12, "a", 5, "x"), "\"a\":2,\"d\":1,\"m\":5");
    assert_string_equal(take(&f, 14, "a", 6, "x"), "\"a\":4,\"d\":3,\"m\":6");
    /* And where none is left but what frames without a start remember. */
    take(&f, 100, "a", 7, "x");
    take(&f, 104, "a", 8, "x");
    forget(&f, 6, 100, "a", 7, "x");
    forget(&f, 7, 104, "a", 8, "x");
    assert_string_equal(take(&f, 101, "a", 9, "x"), "\"a\":5,\"d\":0,\"m\":9");
    assert_string_equal(take(&f, 99, "a", 1, "x"), "\"a\":5,\"d\":0,\"m\":1");
    stop(&f);
}

static void test_what_is_no_longer_retained_leaves_sums_and_may_leave_traces(void **unused)
{
    (void)unused;
    struct fixture f;
    start(
        &f,
        TABLE "sum(n)" OVER(
            "RANGE UNBOUNDED PRECEDING") " AS s,\n"
                                         " max(n)" OVER("RANGE UNBOUNDED PRECEDING") " AS m, count(n)" OVER(
                                             "RANGE 2 PRECEDING") " AS c,\n"
                                                                  " min(n)" OVER(
                                                                      "RANGE UNBOUNDED PRECEDING") " AS l "
                                                                                                   "FROM t");
    take(&f, 1, "a", 50, "x");
    take(&f, 2, "a", 100, "x");
    take(&f, 100, "a", 60, "x");
    /* Neither the largest nor the least... */
    take(&f, 101, "a", 10, "x");
    take(&f, 200, "a", 70, "x");
    forget(&f, 0, 1, "a", 50, "x");
    assert_false(f.traces[0] || f.traces[1] || f.traces[2] || f.traces[3]);
    assert_string_equal(take(&f, 201, "a", 1, "x"), "\"s\":241,\"m\":100,\"c\":2,\"l\":1");
    /* ... and the largest. */
    forget(&f, 1, 2, "a", 100, "x");
    assert_true(f.traces[1]);
    assert_false(f.traces[0] || f.traces[2] || f.traces[3]);
    assert_string_equal(take(&f, 202, "a", 1, "x"), "\"s\":142,\"m\":100,\"c\":3,\"l\":1");
    stop(&f);
}

/* Keys and values, also those of a frame without a start, whose texts are never let go otherwise. */
static void test_no_byte_of_it_is_saved(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "count(DISTINCT v)" OVER(
                  "RANGE UNBOUNDED PRECEDING") " AS d,\n"
                                               " last_value(v)" OVER("RANGE 10 PRECEDING") " AS l FROM t");
    take(&f, 1, "someone", 1, "a secret");
    take(&f, 2, "another", 1, "no secret");
    take(&f, 3, "another", 1, "a secret too");
    assert_true(is_saved(&f, "someone") && is_saved(&f, "a secret"));
    forget(&f, 0, 1, "someone", 1, "a secret");
    forget(&f, 2, 3, "another", 1, "a secret too");
    assert_false(is_saved(&f, "someone") || is_saved(&f, "a secret"));
    assert_true(is_saved(&f, "another") && is_saved(&f, "no secret"));
    assert_string_equal(take(&f, 4, "another", 1, "new"), "\"d\":2,\"l\":\"new\"");
    assert_string_equal(take(&f, 5, "someone", 1, "b"), "\"d\":1,\"l\":\"b\"");
    stop(&f);
}

static void test_windows_over_windows_lose_it_and_keep_what_others_saw(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, "CREATE TABLE t (ts BIGINT, k VARCHAR, n INTEGER, v VARCHAR);\n"
              "WITH i AS (SELECT ts, v, count(*)" OVER(
                  "RANGE 10 PRECEDING") " AS c FROM t)\n"
                                        "SELECT sum(c) OVER (PARTITION BY v ORDER BY ts RANGE 10 PRECEDING) "
                                        "AS s FROM i");
    take(&f, 1, "a", 1, "x");
    take(&f, 2, "a", 1, "x");
    assert_string_equal(take(&f, 3, "a", 1, "x"), "\"s\":6");
    forget(&f, 0, 1, "a", 1, "x");
    /* 2 and 3 of the others, which saw it, and 3 of its own, which does not. */
    assert_string_equal(take(&f, 4, "a", 1, "x"), "\"s\":8");
    stop(&f);
}

static void test_a_state_of_the_other_kind_is_refused(void **unused)
{
    (void)unused;
    struct fixture f;
    start(&f, TABLE "sum(n)" OVER("RANGE 10 PRECEDING") " AS s FROM t");
    take(&f, 1, "a", 1, "x");
    f.options.forgets = false;
    assert_int_equal(reborn(f.plan, &f.options, &f.state, &f.error), CODE_CORRUPT);
    assert_non_null(strstr(f.error.message, "kept so that events can be erased"));
    state_free(f.state);
    assert_int_equal(state_new(f.plan, &f.options, &f.state, NULL), OK);
    assert_int_equal(state_forget(f.state, &f.batch, NULL, f.traces, &f.error), CODE_INTERNAL);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_read_as_if_it_had_never_been),
        cmocka_unit_test(test_the_newest_goes),
        cmocka_unit_test(test_what_is_no_longer_retained_leaves_sums_and_may_leave_traces),
        cmocka_unit_test(test_no_byte_of_it_is_saved),
        cmocka_unit_test(test_windows_over_windows_lose_it_and_keep_what_others_saw),
        cmocka_unit_test(test_a_state_of_the_other_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
