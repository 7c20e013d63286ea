/* count(DISTINCT) of a busy entity against the events themselves: buckets that are split and joined, blocks
 * and pages that follow each other, links of each width, while events arrive late and too late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "feature/state.h"

enum { EVENTS = 24000, LATENESS = 60, VALUES = 6000, NOTHING = -1 };

enum { PHASES = 6 };

/* How far the frames reach back, and how many values come: few, many, all different; and back, so that there
 * is less again. */
struct course {
    int longest, middle, rows;
    int64_t values[PHASES];
};

static const char sql[] =
    "CREATE TABLE t (ts BIGINT, k INTEGER, v INTEGER);\n"
    "SELECT count(DISTINCT v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN %d PRECEDING AND CURRENT ROW) "
    "AS a, "
    "count(DISTINCT v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN %d PRECEDING AND 30 PRECEDING) AS b, "
    "count(DISTINCT v) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN %d PRECEDING AND CURRENT ROW) AS c "
    "FROM t";

struct event {
    int64_t time;
    int32_t value;
};

/* Events in (time, arrival) order. */
struct history {
    struct event events[EVENTS];
    int64_t n;
    int32_t seen[VALUES];
    int32_t mark;
};

static int64_t count_different(struct history *history, int64_t from, int64_t to)
{
    int64_t n = 0;
    history->mark++;
    for (int64_t i = from; i < to; i++) {
        int32_t value = history->events[i].value;
        if (value == NOTHING || history->seen[value] == history->mark)
            continue;
        history->seen[value] = history->mark;
        n++;
    }
    return n;
}

static int64_t put(struct history *history, struct event event)
{
    int64_t at = history->n++;
    for (; at > 0 && history->events[at - 1].time > event.time; at--)
        history->events[at] = history->events[at - 1];
    history->events[at] = event;
    return at;
}

static int64_t first_at(const struct history *history, int64_t time)
{
    int64_t at = 0;
    while (at < history->n && history->events[at].time < time)
        at++;
    return at;
}

static void take(struct state *state, struct table *batch, struct table *features, struct event event)
{
    struct error error = {0};
    table_clear(batch);
    assert_int_equal(table_reserve(batch, 1, &error), OK);
    ((int64_t *)batch->columns[0].data)[0] = event.time;
    ((int32_t *)batch->columns[1].data)[0] = 7;
    ((int32_t *)batch->columns[2].data)[0] = event.value;
    for (int c = 0; c < 3; c++) {
        batch->columns[c].length = 1;
        batch->columns[c].validity[0] = (uint8_t)(c < 2 || event.value != NOTHING);
        batch->columns[c].nulls = c == 2 && event.value == NOTHING;
    }
    batch->length = 1;
    if (state_take(state, batch, features, &error) != OK)
        fail_msg("%s", error.message);
}

static void check_counts(const struct course *course)
{
    static struct history history;
    char text[1024];
    struct state_options options = {.threads = 1, .lateness_us = LATENESS};
    struct plan *plan;
    struct state *state;
    struct table batch, features;
    struct error error = {0};
    struct random random = {11};
    history = (struct history){0};
    snprintf(text, sizeof text, sql, course->longest, course->middle, course->rows);
    if (plan_compile(text, strlen(text), "test.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    assert_int_equal(state_new(plan, &options, &state, &error), OK);
    assert_int_equal(table_init(&batch, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    int64_t high = 0;
    for (int64_t i = 0; i < EVENTS; i++) {
        int64_t late = random_below(&random, 8) == 0 ? (int64_t)random_below(&random, LATENESS + 9) : 0;
        struct event event = {i - late, (int32_t)random_below(&random, course->values[i * PHASES / EVENTS])};
        if (random_below(&random, 20) == 0)
            event.value = NOTHING;
        high = event.time > high ? event.time : high;
        take(state, &batch, &features, event);
        /* What came too late sees what is left, which other tests look at, and is seen by nothing. */
        if (event.time < high - LATENESS)
            continue;
        int64_t at = put(&history, event);
        const int64_t *a = (const int64_t *)features.columns[0].data,
                      *b = (const int64_t *)features.columns[1].data,
                      *c = (const int64_t *)features.columns[2].data;
        int64_t from = at > course->rows ? at - course->rows : 0;
        assert_int_equal(a[0],
                         count_different(&history, first_at(&history, event.time - course->longest), at + 1));
        assert_int_equal(b[0], count_different(&history, first_at(&history, event.time - course->middle),
                                               first_at(&history, event.time - 29)));
        assert_int_equal(c[0], count_different(&history, from, at + 1));
    }
    struct state_counters counters;
    state_counters(state, &counters);
    assert_true(counters.too_late > 100);
    table_done(&batch);
    table_done(&features);
    state_free(state);
    plan_unref(plan);
}

static void test_counts_of_a_busy_entity(void **unused)
{
    (void)unused;
    check_counts(&(struct course){2000, 900, 300, {3, VALUES, 40, VALUES, 700, 2}});
}

/* So few events that they lie in one block, most of the time, which has room for 128. */
static void test_counts_in_a_block(void **unused)
{
    (void)unused;
    check_counts(&(struct course){50, 40, 20, {3, 100, 150, VALUES, 200, 300}});
}

/* So many events of one entity that a position takes four bytes, then two, then one again. */
static void test_counts_of_a_hot_entity(void **unused)
{
    enum { HOT = 150000, REACH = 70000, DIFFERENT = 120000 };
    static const char hot[] =
        "CREATE TABLE t (ts BIGINT, k INTEGER, v INTEGER);\n"
        "SELECT count(DISTINCT v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN 70000 PRECEDING AND CURRENT "
        "ROW) AS a, 1 AS b, 2 AS c FROM t";
    static int32_t values[HOT], times[DIFFERENT];
    static int64_t at[HOT];
    struct state_options options = {.threads = 1};
    struct plan *plan;
    struct state *state;
    struct table batch, features;
    struct error error = {0};
    struct random random = {12};
    int64_t different = 0, time = 0, first = 0;
    (void)unused;
    if (plan_compile(hot, strlen(hot), "test.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    assert_int_equal(state_new(plan, &options, &state, &error), OK);
    assert_int_equal(table_init(&batch, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    for (int64_t i = 0; i < HOT; i++) {
        time += i < HOT / 2 ? 1 : (int64_t)random_below(&random, (i - HOT / 2) / 8 + 1) + 1;
        values[i] = (int32_t)random_below(&random, DIFFERENT);
        at[i] = time;
        different += times[values[i]]++ == 0;
        for (; at[first] < time - REACH; first++)
            different -= --times[values[first]] == 0;
        take(state, &batch, &features, (struct event){time, values[i]});
        assert_int_equal(((const int64_t *)features.columns[0].data)[0], different);
    }
    assert_true(HOT - first < 100);
    table_done(&batch);
    table_done(&features);
    state_free(state);
    plan_unref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts_of_a_busy_entity),
                                       cmocka_unit_test(test_counts_in_a_block),
                                       cmocka_unit_test(test_counts_of_a_hot_entity)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
