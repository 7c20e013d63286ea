/* What `plan explain` says of known plans, and that its estimate is what the engine then takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/units.h"
#include "feature/compile.h"
#include "feature/explain.h"
#include "feature/state.h"

#define HEAD                                                                                           \
    "CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, k BIGINT, v VARCHAR, x DOUBLE, n INTEGER,\n" \
    "                y TINYINT DEFAULT 0);\n"                                                          \
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=7 days';\n"
#define WEEK "(PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW)"
#define DAY "(PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW)"
#define PAST \
    "(PARTITION BY v ORDER BY ts RANGE BETWEEN INTERVAL 9 DAY PRECEDING AND INTERVAL 8 DAY PRECEDING)"

static const struct explain_load load = {
    .events_per_day = 1000, .steps_per_day = 24, .entities = 100, .dedupe = INT64_MIN};

static struct plan *compile(const char *sql)
{
    struct plan *plan;
    struct error error;
    if (plan_compile(sql, strlen(sql), "t.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    return plan;
}

static void explain(const struct plan *plan, const struct explain_load *with, struct explain *ret)
{
    struct error error;
    if (explain_new(plan, with, ret, &error) != OK)
        fail_msg("%s", error.message);
}

static bool says(const struct explain_group *group, const char *sentence)
{
    for (int i = 0; i < group->n_shared; i++)
        if (strcmp(group->shared[i], sentence) == 0)
            return true;
    return false;
}

static void windows_and_users(void **state)
{
    (void)state;
    struct plan *plan = compile(
        HEAD "SELECT x, n + 1 AS m, count(*) OVER " DAY " AS a, min(x) OVER " DAY " AS b, min(x) OVER " WEEK
             " AS c, sum(x) OVER " WEEK " AS d, x / nullif(sum(x) OVER " WEEK
             ", 0) AS e, avg(x) FILTER (WHERE n > 3) OVER " WEEK " AS f, sum(y) OVER " PAST " AS g FROM t");
    struct explain e;
    explain(plan, &load, &e);
    assert_int_equal(e.n_groups, 2);
    assert_int_equal(e.n_windows, 6);
    assert_int_equal(e.n_plain, 2);
    assert_int_equal(e.n_columns, 6);
    assert_null(e.where);
    const struct explain_group *k = &e.groups[0], *v = &e.groups[1];
    assert_string_equal(k->keys, "k");
    assert_int_equal(k->n_windows, 5);
    assert_string_equal(k->windows[0].call, "count(*)");
    assert_string_equal(k->windows[0].frame, "1d .. now");
    assert_int_equal(k->windows[0].cost, COST_AMORTISED);
    assert_int_equal(k->windows[1].cost, COST_BISECTED);
    assert_string_equal(k->windows[3].call, "sum(x)");
    assert_int_equal(k->windows[3].n_features, 2);
    assert_string_equal(k->windows[3].features[0], "d");
    assert_string_equal(k->windows[3].features[1], "e");
    assert_string_equal(k->windows[4].call, "avg(x) FILTER (WHERE n > 3)");
    assert_true(says(k, "2 frames end alike: one cursor"));
    assert_true(says(k, "x is kept once per event for 3 windows"));
    assert_true(says(k, "one structure for the minima of x serves 2 frames"));
    assert_int_equal(k->retain, 7 * DAY_US);
    assert_string_equal(k->kept, "events of the last 7d; entities go 7d after their last event");
    assert_int_equal(k->event_bytes, 8 + 8 + 8 + 1); /* time, x, x where n > 3, marks */
    assert_false(k->lasting || k->has_texts);
    assert_string_equal(v->windows[0].call, "sum(coalesce(y, 0))");
    assert_string_equal(v->windows[0].frame, "9d .. 8d");
    assert_true(v->has_texts);
    assert_int_equal(v->n_shared, 0);
    explain_done(&e);
    plan_unref(plan);
}

static void late_and_ids(void **state)
{
    (void)state;
    struct plan *plan = compile(HEAD "SELECT sum(y) OVER " PAST " AS g, max(y) OVER " PAST " AS h FROM t");
    struct explain e;
    explain(plan, &load, &e);
    assert_int_equal(e.n_late, 1);
    assert_string_equal(e.late[0].column, "y");
    assert_string_equal(e.late[0].fallback, "0");
    assert_int_equal(e.late[0].n_windows, 2);
    assert_int_equal(e.late[0].nearest, 8 * DAY_US);
    assert_int_equal(e.dedupe, 7 * DAY_US);
    assert_int_equal(e.ids, 7000);
    explain_done(&e);
    plan_unref(plan);
    plan = compile("CREATE TABLE t (s INTEGER, x DOUBLE); SELECT sum(x) OVER (ORDER BY s RANGE BETWEEN 24 "
                   "PRECEDING AND 1 PRECEDING) AS a FROM t");
    explain(plan, &load, &e);
    assert_int_equal(e.n_late + (int)e.ids, 0);
    assert_string_equal(e.groups[0].windows[0].frame, "24 steps .. 1 step");
    assert_false(e.groups[0].keyed);
    assert_int_equal(e.groups[0].retained, 1000);
    explain_done(&e);
    plan_unref(plan);
}

static void how_long_ids_are_known(void **state)
{
    (void)state;
    static const char hour[] = "SELECT count(*) OVER (ORDER BY s RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND "
                               "CURRENT ROW) AS a FROM t";
    static const char steps[] =
        "SELECT count(*) OVER (ORDER BY s RANGE BETWEEN 24 PRECEDING AND CURRENT ROW) AS a FROM t";
    static const char late[] = "COMMENT ON COLUMN t.y IS 'shrike: label, late after=%s'; ";
    static const struct {
        const char *id, *time, *after, *select;
        int64_t known;
    } cases[] = {
        {"PRIMARY KEY", "TIMESTAMP", NULL, hour, DAY_US},
        {"PRIMARY KEY", "TIMESTAMP", "2 hours", hour, 2 * HOUR_US},
        {"", "TIMESTAMP", "2 hours", hour, 0},
        {"PRIMARY KEY", "BIGINT", "48 steps", steps, 48},
        {"PRIMARY KEY", "BIGINT", NULL, steps, 0},
        {"PRIMARY KEY", "BIGINT", NULL, "SELECT y AS a FROM t", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[1024], comment[256] = "";
        if (cases[i].after)
            snprintf(comment, sizeof comment, late, cases[i].after);
        snprintf(sql, sizeof sql, "CREATE TABLE t (id BIGINT %s, s %s, y TINYINT DEFAULT 0); %s%s",
                 cases[i].id, cases[i].time, comment, cases[i].select);
        struct plan *plan = compile(sql);
        assert_int_equal(plan_dedupe(plan), cases[i].known);
        plan_unref(plan);
    }
}

static void what_stays(void **state)
{
    (void)state;
    struct plan *plan = compile(HEAD "SELECT sum(x) OVER " WEEK " AS a FROM t");
    struct explain e;
    struct frame *frame = &plan->groups[0].frames[0];
    *frame = (struct frame){.unit = FRAME_ROWS, .start = 10};
    explain(plan, &load, &e);
    assert_string_equal(e.groups[0].windows[0].frame, "10 rows .. now");
    assert_int_equal(e.groups[0].windows[0].cost, COST_CONSTANT);
    assert_string_equal(e.groups[0].kept, "the last 10 events; entities stay for ever");
    assert_int_equal(e.groups[0].retained, 1000);
    assert_int_equal(e.groups[0].live, 100);
    explain_done(&e);
    *frame = (struct frame){.start = FRAME_UNBOUNDED, .exclusive = true};
    plan->windows[0].aggregate = AGGREGATE_DISTINCT;
    explain(plan, &load, &e);
    assert_string_equal(e.groups[0].windows[0].call, "count(DISTINCT x)");
    assert_string_equal(e.groups[0].windows[0].frame, "ever .. now but itself");
    assert_int_equal(e.groups[0].windows[0].cost, COST_HASHED);
    assert_true(e.groups[0].lasting && e.groups[0].grows);
    explain_done(&e);
    plan_unref(plan);
}

static void keys_have_counts(void **state)
{
    (void)state;
    const char *names[] = {"V"};
    const double counts[] = {7};
    struct explain_load with = load;
    struct plan *plan = compile(HEAD "SELECT sum(y) OVER " PAST " AS g, sum(x) OVER " DAY " AS h FROM t");
    struct explain e;
    struct error error;
    with.keys = names;
    with.key_entities = counts;
    with.n_keys = 1;
    explain(plan, &with, &e);
    assert_int_equal(e.groups[0].entities, 7);
    assert_int_equal(e.groups[1].entities, 100);
    explain_done(&e);
    names[0] = "w";
    assert_int_equal(explain_new(plan, &with, &e, &error), CODE_USAGE);
    assert_string_equal(error.message, "no window has PARTITION BY w; there are: v; k");
    plan_unref(plan);
}

/* 2000 entities and 200,000 events over eight days. */
static void fill(const struct plan *plan, struct state *state)
{
    enum { EVENTS = 200000, BATCH = 10000 };
    struct table events, features;
    struct error error;
    uint64_t random = 1;
    assert_int_equal(table_init(&events, plan->events, &error), OK);
    assert_int_equal(table_init(&features, plan->features, &error), OK);
    for (int from = 0; from < EVENTS; from += BATCH) {
        table_clear(&events);
        assert_int_equal(table_reserve(&events, BATCH, &error), OK);
        for (int c = 0; c < plan->events->n; c++) {
            struct column *column = &events.columns[c];
            for (int i = 0; i < BATCH; i++) {
                random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
                int64_t value =
                    c == 1 ? (int64_t)(from + i) * (8 * DAY_US / EVENTS) : (int64_t)(random >> 33) % 2000;
                if (c == 2)
                    ((double *)column->data)[i] = (double)value;
                else
                    ((int64_t *)column->data)[i] = value;
            }
            column->length = BATCH;
        }
        events.length = BATCH;
        assert_int_equal(state_take(state, &events, &features, &error), OK);
    }
    table_done(&events);
    table_done(&features);
}

static void estimate_is_what_is_taken(void **state)
{
    (void)state;
    struct plan *plan = compile(
        "CREATE TABLE t (k BIGINT, ts TIMESTAMP, x DOUBLE); SELECT sum(x) OVER " DAY
        " AS a, max(x) OVER " WEEK
        " AS b, count(*) OVER (PARTITION BY k + 1 ORDER BY ts RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND "
        "CURRENT ROW) AS c FROM t");
    struct explain_load with = load;
    struct explain e;
    struct error error;
    struct state_counters counters;
    struct state *engine;
    struct state_options options = {.threads = 1};
    with.events_per_day = 25000;
    with.entities = 2000;
    explain(plan, &with, &e);
    assert_int_equal(state_new(plan, &options, &engine, &error), OK);
    state_counters(engine, &counters);
    double before = (double)counters.bytes;
    fill(plan, engine);
    state_counters(engine, &counters);
    double taken = (double)counters.bytes - before;
    if (e.bytes < 0.7 * taken || e.bytes > 1.4 * taken)
        fail_msg("estimated %.0f, taken %.0f", e.bytes, taken);
    if (e.retained < 0.9 * (double)counters.retained || e.retained > 1.1 * (double)counters.retained)
        fail_msg("estimated %.0f, retained %lld", e.retained, (long long)counters.retained);
    state_free(engine);
    explain_done(&e);
    plan_unref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_and_users),      cmocka_unit_test(late_and_ids),
        cmocka_unit_test(how_long_ids_are_known), cmocka_unit_test(what_stays),
        cmocka_unit_test(keys_have_counts),       cmocka_unit_test(estimate_is_what_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
