/*
 * What must not change a feature, and what must relate features to each other, whatever the values are: the
 * order of arrival within the lateness, batches, threads, other entities, memory that was taken back; a
 * window is the sum of its parts. No oracle is needed: the state is compared with itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "differential/trial.h"
#include "feature/state.h"

enum { SEEDS = 6, EVENTS = 1500, PROBES = 60, KEYS = 7, LATENESS = 40 };

struct event {
    int64_t ts, k, n;
    double x;
    const char *v; /* NULL: NULL, and so are n, x and b */
    bool b;
};

struct events {
    struct event *list;
    int n;
};

#define TABLE "CREATE TABLE t (ts BIGINT, k INTEGER, n INTEGER, x DOUBLE, v VARCHAR, b BOOLEAN);\n"

/* A named window, and whether aggregates that ask in which order events of one time came are taken over it.
 */
struct named {
    const char *name, *frame;
    bool free, ordered;
};

static const struct named free_plan[] = {
    {"span", "RANGE BETWEEN 30 PRECEDING AND CURRENT ROW", true, false},
    {"past", "RANGE BETWEEN 200 PRECEDING AND 9 PRECEDING", true, false},
    {"known", "RANGE BETWEEN UNBOUNDED PRECEDING AND 5 PRECEDING", true, false},
    {"ever", "RANGE UNBOUNDED PRECEDING", true, false},
    {0},
};
static const struct named ordered_plan[] = {
    {"others", "RANGE BETWEEN 30 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW", true, false},
    {"span", "RANGE BETWEEN 50 PRECEDING AND CURRENT ROW", false, true},
    {"ever", "RANGE UNBOUNDED PRECEDING", false, true},
    {"before", "ROWS BETWEEN 9 PRECEDING AND 2 PRECEDING", false, true},
    {"row3", "ROWS BETWEEN 3 PRECEDING AND 3 PRECEDING", false, true},
    {"last12", "ROWS 12 PRECEDING", true, false},
    {0},
};
/* Frames that let go of what is old. */
static const struct named short_plan[] = {
    {"span", "RANGE BETWEEN 30 PRECEDING AND CURRENT ROW", true, false},
    {"past", "RANGE BETWEEN 20 PRECEDING AND 3 PRECEDING", false, true},
    {0},
};

static const char *const free_aggregates[] = {
    "count(*)",       "sum(x)",     "avg(x) FILTER (WHERE b)", "sum(n)", "min(n)",    "max(n)",
    "stddev_samp(x)", "var_pop(n)", "count(DISTINCT v)",       "min(v)", "bool_or(b)"};
static const char *const ordered_aggregates[] = {"first_value(v)", "last_value(x IGNORE NULLS)"};

static const char *const texts[] = {"", "x", "card-1", "a longer piece of text, 40 bytes at least",
                                    "\xc3\xa9"};

static struct event random_event(struct random *random, int64_t ts)
{
    struct event event = {.ts = ts, .k = random_below(random, KEYS)};
    if (random_chance(random, 10))
        return event;
    event.v = texts[random_below(random, (int64_t)(sizeof texts / sizeof *texts))];
    event.n = random_below(random, 2000) - 1000;
    event.x = random_chance(random, 10) ? 1e17 : (double)random_below(random, 100000) / 7;
    event.b = random_chance(random, 40);
    return event;
}

/* In order of time; with ties, or all at different times. */
static struct events make_events(struct random *random, bool ties)
{
    struct events events = {memory_new(EVENTS, sizeof *events.list), EVENTS};
    int64_t ts = 1000;
    assert_non_null(events.list);
    for (int i = 0; i < EVENTS; i++) {
        ts += (ties ? 0 : 1) + random_below(random, 4);
        events.list[i] = random_event(random, ts);
    }
    return events;
}

static void fill(const struct events *events, struct table *ret)
{
    assert_int_equal(table_reserve(ret, events->n, NULL), OK);
    for (int i = 0; i < events->n; i++) {
        const struct event *event = &events->list[i];
        const struct field *fields = ret->schema->fields;
        struct column *columns = ret->columns;
        column_append_int(&columns[0], &fields[0].type, event->ts);
        column_append_int(&columns[1], &fields[1].type, event->k);
        if (!event->v) {
            for (int c = 2; c < 6; c++)
                column_append_null(&columns[c], &fields[c].type);
            continue;
        }
        column_append_int(&columns[2], &fields[2].type, event->n);
        column_append_double(&columns[3], &fields[3].type, event->x);
        assert_int_equal(column_append_text(&columns[4], event->v, strlen(event->v), NULL), OK);
        column_append_boolean(&columns[5], event->b);
    }
    ret->length = events->n;
}

static struct plan *compile(const char *sql)
{
    struct plan *plan = NULL;
    struct error error = {0};
    if (plan_compile(sql, strlen(sql), "test.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    return plan;
}

static void print_aggregates(const char *const *aggregates, size_t n, const char *name, struct buffer *out)
{
    for (size_t a = 0; a < n; a++)
        buffer_format(out, "%s OVER %s AS %s%zu%c,\n", aggregates[a], name, name, a, *aggregates[a]);
}

static struct plan *compile_named(const struct named *list)
{
    struct buffer sql;
    buffer_init(&sql, 1 << 16);
    buffer_text(&sql, TABLE "SELECT ");
    for (const struct named *named = list; named->name; named++) {
        if (named->free)
            print_aggregates(free_aggregates, sizeof free_aggregates / sizeof *free_aggregates, named->name,
                             &sql);
        if (named->ordered)
            print_aggregates(ordered_aggregates, sizeof ordered_aggregates / sizeof *ordered_aggregates,
                             named->name, &sql);
    }
    buffer_text(&sql, "k FROM t WINDOW g AS (PARTITION BY k ORDER BY ts)");
    for (const struct named *named = list; named->name; named++)
        buffer_format(&sql, ",\n%s AS (g %s)", named->name, named->frame);
    struct plan *plan = compile(sql.data);
    buffer_done(&sql);
    return plan;
}

/* Takes all events, `batch` at a time (0: all at once), and leaves their features in *ret. */
static struct state_counters take(struct plan *plan, const struct events *events, int threads, int64_t batch,
                                  struct table *ret)
{
    struct state_options options = {.threads = threads, .lateness_us = LATENESS};
    struct state *state = NULL;
    struct table all, some, features;
    struct state_counters counters;
    struct error error = {0};
    assert_int_equal(state_new(plan, &options, &state, NULL), OK);
    assert_int_equal(table_init(&all, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&some, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    assert_int_equal(table_init(ret, plan_features(plan), NULL), OK);
    fill(events, &all);
    for (int64_t from = 0; from < all.length;) {
        int64_t n = batch && batch < all.length - from ? batch : all.length - from;
        table_clear(&some);
        assert_int_equal(table_append(&some, &all, from, n, NULL), OK);
        if (state_take(state, &some, &features, &error) != OK)
            fail_msg("%s", error.message);
        assert_int_equal(table_append(ret, &features, 0, n, NULL), OK);
        from += n;
    }
    state_counters(state, &counters);
    state_free(state);
    table_done(&all);
    table_done(&some);
    table_done(&features);
    return counters;
}

/* Rows of two tables are equal to the bit. */
static void assert_same_row(const struct table *a, int64_t row_a, const struct table *b, int64_t row_b)
{
    struct table one, other;
    assert_int_equal(table_init(&one, a->schema, NULL), OK);
    assert_int_equal(table_init(&other, a->schema, NULL), OK);
    assert_int_equal(table_append(&one, a, row_a, 1, NULL), OK);
    assert_int_equal(table_append(&other, b, row_b, 1, NULL), OK);
    for (int f = 0; f < a->schema->n; f++)
        if (!same_bits(&one.columns[f], &other.columns[f], &a->schema->fields[f].type, 0))
            fail_msg("feature %s differs: row %lld and %lld", a->schema->fields[f].name, (long long)row_a,
                     (long long)row_b);
    table_done(&one);
    table_done(&other);
}

static void swap(struct event *a, struct event *b)
{
    struct event event = *a;
    *a = *b;
    *b = event;
}

/* Another order of arrival in which no event is too late: each is delayed by less than the lateness. */
static struct events delay(struct random *random, const struct events *events)
{
    struct events delayed = {memory_new((size_t)events->n, sizeof *delayed.list), events->n};
    int64_t *due = memory_new((size_t)events->n, sizeof *due);
    assert_true(delayed.list && due);
    for (int i = 0; i < events->n; i++) {
        int at = i;
        delayed.list[i] = events->list[i];
        due[i] = events->list[i].ts + random_below(random, LATENESS);
        for (; at && due[at - 1] > due[at]; at--) {
            int64_t time = due[at];
            due[at] = due[at - 1];
            due[at - 1] = time;
            swap(&delayed.list[at], &delayed.list[at - 1]);
        }
    }
    free(due);
    return delayed;
}

/* Events that ask what the state is after all others, some of them late. */
static void add_probes(struct random *random, struct events *events)
{
    int64_t high = 0;
    events->list = realloc(events->list, (size_t)(events->n + PROBES) * sizeof *events->list);
    assert_non_null(events->list);
    for (int i = 0; i < events->n; i++)
        high = events->list[i].ts > high ? events->list[i].ts : high;
    for (int i = 0; i < PROBES; i++)
        events->list[events->n++] = random_event(random, high + i / 2 - random_below(random, LATENESS / 2));
}

static void check_arrival(const struct named *list, bool ties)
{
    struct plan *plan = compile_named(list);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random = {seed}, same = {seed};
        struct events events = make_events(&random, ties), delayed = delay(&random, &events);
        struct table one, other;
        add_probes(&same, &events);
        same.state = seed;
        add_probes(&same, &delayed);
        assert_int_equal(take(plan, &events, 1, 0, &one).too_late, 0);
        struct state_counters counters = take(plan, &delayed, 2, 100, &other);
        assert_true(counters.late > EVENTS / 2 && counters.too_late == 0);
        for (int i = EVENTS; i < events.n; i++)
            assert_same_row(&one, i, &other, i);
        table_done(&one);
        table_done(&other);
        free(events.list);
        free(delayed.list);
    }
    plan_unref(plan);
}

static void test_any_arrival_order_within_the_lateness_ends_in_the_same_state(void **unused)
{
    (void)unused;
    check_arrival(free_plan, true);
    check_arrival(ordered_plan, false);
}

static void test_batches_and_threads_change_nothing(void **unused)
{
    (void)unused;
    static const struct named *const plans[] = {free_plan, ordered_plan, short_plan};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct plan *plan = compile_named(plans[seed % 3]);
        struct random random = {seed};
        struct events sorted = make_events(&random, true), events = delay(&random, &sorted);
        struct table one, other;
        take(plan, &events, 1, 0, &one);
        for (int threads = 1; threads <= 4; threads++) {
            take(plan, &events, threads, 1 + random_below(&random, threads == 2 ? 3 : 400), &other);
            for (int i = 0; i < events.n; i++)
                assert_same_row(&one, i, &other, i);
            table_done(&other);
        }
        table_done(&one);
        free(sorted.list);
        free(events.list);
        plan_unref(plan);
    }
}

/* Puts events of other entities between, none of which moves the high water. *ret_rows: where the old ones
 * are. */
static struct events add_others(struct random *random, const struct events *events, int others, int *ret_rows)
{
    struct events mixed = {memory_new((size_t)(events->n * (others + 1)), sizeof *mixed.list), 0};
    int64_t high = 0;
    assert_non_null(mixed.list);
    for (int i = 0; i < events->n; i++) {
        ret_rows[i] = mixed.n;
        mixed.list[mixed.n++] = events->list[i];
        high = events->list[i].ts > high ? events->list[i].ts : high;
        for (int j = 0; j < others; j++) {
            struct event other = random_event(random, high - random_below(random, 2 * LATENESS));
            other.k = KEYS + random_below(random, 100000);
            mixed.list[mixed.n++] = other;
        }
    }
    return mixed;
}

static void check_others(const struct named *list, int others, bool shrinks)
{
    struct plan *plan = compile_named(list);
    for (uint64_t seed = 1; seed <= SEEDS / 2; seed++) {
        struct random random = {seed};
        int rows[EVENTS];
        struct events sorted = make_events(&random, true), events = delay(&random, &sorted);
        struct events mixed = add_others(&random, &events, others, rows);
        struct table alone, among;
        take(plan, &events, 1, 0, &alone);
        struct state_counters counters = take(plan, &mixed, 2, 500, &among);
        for (int i = 0; i < events.n; i++)
            assert_same_row(&alone, i, &among, rows[i]);
        assert_true(counters.too_late > 0);
        if (shrinks)
            assert_true(counters.entities < EVENTS && counters.retained < EVENTS);
        table_done(&alone);
        table_done(&among);
        free(sorted.list);
        free(events.list);
        free(mixed.list);
    }
    plan_unref(plan);
}

static void test_events_of_other_entities_change_nothing(void **unused)
{
    (void)unused;
    check_others(free_plan, 2, false);
    check_others(ordered_plan, 2, false);
}

/* Every entity is quiet for longer than any frame now and then: thousands come and go. */
static void test_memory_taken_back_from_quiet_entities_changes_nothing(void **unused)
{
    (void)unused;
    check_others(short_plan, 6, true);
}

/* The same entities that were quiet, and swept, are there again as if they had never been. */
static void test_an_entity_that_comes_back_is_a_new_one(void **unused)
{
    (void)unused;
    struct plan *plan = compile_named(short_plan);
    struct random random = {7};
    struct events first = make_events(&random, true), again = {memory_new(3 * EVENTS, sizeof *again.list), 0};
    struct table one, other;
    assert_non_null(again.list);
    for (int i = 0; i < EVENTS; i++)
        again.list[again.n++] = first.list[i];
    for (int i = 0; i < EVENTS; i++) { /* time passes with one other entity */
        again.list[again.n++] = (struct event){.ts = 100000 + i, .k = KEYS};
    }
    for (int i = 0; i < EVENTS; i++) {
        again.list[again.n] = first.list[i];
        again.list[again.n++].ts += 200000;
    }
    take(plan, &first, 1, 0, &one);
    take(plan, &again, 1, 10, &other);
    for (int i = 0; i < EVENTS; i++)
        assert_same_row(&one, i, &other, i + 2 * EVENTS);
    table_done(&one);
    table_done(&other);
    free(first.list);
    free(again.list);
    plan_unref(plan);
}

/* Every feature is a relation that holds for each event. */
static const char *const relations = TABLE
    "SELECT sum(n) OVER span IS NOT DISTINCT FROM CASE WHEN count(n) OVER span > 0\n"
    "         THEN coalesce(sum(n) OVER old, 0) + coalesce(sum(n) OVER new, 0) END AS sum_of_two,\n"
    "       count(*) OVER span = count(*) OVER old + count(*) OVER new AS count_of_two,\n"
    "       count(*) OVER ever = count(*) OVER known + count(*) OVER span AS count_of_all,\n"
    "       count(*) OVER ever = 1 + count(*) OVER ever_others AS all_but_one,\n"
    "       count(*) OVER span = 1 + count(*) OVER span_others AS span_but_one,\n"
    "       min(n) OVER span IS NOT DISTINCT FROM least(min(n) OVER old, min(n) OVER new) AS min_of_two,\n"
    "       max(v) OVER span IS NOT DISTINCT FROM greatest(max(v) OVER old, max(v) OVER new) AS max_of_two,\n"
    "       coalesce(sum(n) OVER rows10, 0) =\n"
    "         coalesce(sum(n) OVER rows_old, 0) + coalesce(sum(n) OVER rows_new, 0) AS rows_of_two,\n"
    "       count(*) OVER rows10 = least(10, count(*) OVER ever) AS rows_of_all,\n"
    "       count(*) OVER rows_before = greatest(0, count(*) OVER ever - 4) AS rows_before_now,\n"
    "       var_pop(n) OVER span IS NOT DISTINCT FROM var_pop(n + 5000) OVER span AS shifted,\n"
    "       4 * var_samp(x) OVER span IS NOT DISTINCT FROM var_samp(-2 * x) OVER span AS doubled,\n"
    "       lag(n, 4) OVER g IS NOT DISTINCT FROM first_value(n) OVER row4 AS lagged,\n"
    "       last_value(n) OVER ever IS NOT DISTINCT FROM n AS last_is_now,\n"
    "       count(DISTINCT n) OVER span BETWEEN\n"
    "         greatest(count(DISTINCT n) OVER old, count(DISTINCT n) OVER new) AND\n"
    "         count(DISTINCT n) OVER old + count(DISTINCT n) OVER new AS distinct_of_two,\n"
    "       bool_or(b) OVER span IS NOT DISTINCT FROM NOT bool_and(NOT b) OVER span AS de_morgan,\n"
    "       count(*) FILTER (WHERE b) OVER span + count(*) FILTER (WHERE NOT b) OVER span =\n"
    "         count(b) OVER span AS filtered\n"
    "FROM t WINDOW g AS (PARTITION BY k ORDER BY ts),\n"
    "  span AS (g RANGE BETWEEN 30 PRECEDING AND CURRENT ROW),\n"
    "  old AS (g RANGE BETWEEN 30 PRECEDING AND 11 PRECEDING),\n"
    "  new AS (g RANGE BETWEEN 10 PRECEDING AND CURRENT ROW),\n"
    "  span_others AS (g RANGE BETWEEN 30 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW),\n"
    "  ever AS (g RANGE UNBOUNDED PRECEDING),\n"
    "  known AS (g RANGE BETWEEN UNBOUNDED PRECEDING AND 31 PRECEDING),\n"
    "  ever_others AS (g RANGE UNBOUNDED PRECEDING EXCLUDE CURRENT ROW),\n"
    "  rows10 AS (g ROWS 9 PRECEDING), row4 AS (g ROWS BETWEEN 4 PRECEDING AND 4 PRECEDING),\n"
    "  rows_old AS (g ROWS BETWEEN 9 PRECEDING AND 4 PRECEDING), rows_new AS (g ROWS 3 PRECEDING),\n"
    "  rows_before AS (g ROWS BETWEEN UNBOUNDED PRECEDING AND 4 PRECEDING);";

static void test_a_window_is_the_sum_of_its_parts(void **unused)
{
    (void)unused;
    struct plan *plan = compile(relations);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random random = {seed};
        struct events sorted = make_events(&random, true), events = delay(&random, &sorted);
        struct table features;
        struct state_counters counters = take(plan, &events, 2, 300, &features);
        assert_true(counters.late > EVENTS / 2 && counters.too_late == 0);
        for (int f = 0; f < features.schema->n; f++)
            for (int i = 0; i < events.n; i++)
                if (column_is_null(&features.columns[f], i) || !column_boolean(&features.columns[f], i))
                    fail_msg("seed %d: %s does not hold for event %d", (int)seed,
                             features.schema->fields[f].name, i);
        table_done(&features);
        free(sorted.list);
        free(events.list);
    }
    plan_unref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_arrival_order_within_the_lateness_ends_in_the_same_state),
        cmocka_unit_test(test_batches_and_threads_change_nothing),
        cmocka_unit_test(test_events_of_other_entities_change_nothing),
        cmocka_unit_test(test_memory_taken_back_from_quiet_entities_changes_nothing),
        cmocka_unit_test(test_an_entity_that_comes_back_is_a_new_one),
        cmocka_unit_test(test_a_window_is_the_sum_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
