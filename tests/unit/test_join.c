/* Plans joined: to the bit the features of each alone, what they share kept once, and what cannot be joined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "differential/random_plan.h"
#include "feature/compile.h"
#include "feature/state.h"
#include "table/json_rows.h"

enum { ROWS = 6000, PARTS = 3, LATENESS = 40 };

#define TABLE                                                                                    \
    "CREATE TYPE kind AS ENUM ('chip', 'web', 'swipe');"                                         \
    "CREATE TABLE t (id BIGINT PRIMARY KEY, ts BIGINT, k INTEGER, v VARCHAR, x DOUBLE, e kind, " \
    "y TINYINT DEFAULT 0); COMMENT ON COLUMN t.y IS 'shrike: label, late after=1 day';"
#define HOUR " OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN 60 PRECEDING AND CURRENT ROW)"
#define DAY " OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN 1440 PRECEDING AND CURRENT ROW)"
#define SHOP " OVER (PARTITION BY v ORDER BY ts RANGE BETWEEN 300 PRECEDING AND 5 PRECEDING)"
#define ROWS_OF "OVER (PARTITION BY k ORDER BY ts ROWS 3 PRECEDING)"

static const char *const texts[PARTS] = {
    TABLE "SELECT x, sum(x)" HOUR " AS s, sum(x)" DAY " AS d, avg(y)" SHOP
          " AS risk, v || 'a' AS w, e, max(e)" DAY " AS me, count(*) FILTER (WHERE e = 'web')" HOUR
          " AS web FROM t",
    TABLE "SELECT s / 2 AS half, avg(s) " ROWS_OF " AS m, lag(s) OVER (PARTITION BY k ORDER BY ts) AS l "
          "FROM (SELECT *, sum(x)" HOUR " AS s FROM t)",
    /* The same table without a column that this plan has no use for, in another order. */
    "CREATE TYPE kind AS ENUM ('chip', 'web', 'swipe'); CREATE TABLE t (e kind, k INTEGER, v VARCHAR, ts "
    "BIGINT, x DOUBLE, id BIGINT PRIMARY KEY);"
    "SELECT sum(x)" DAY " AS d, sum(x)" HOUR " / 2 AS x, stddev(x)" HOUR " AS sd, count(DISTINCT v) " ROWS_OF
    " AS shops, last_value(v) OVER (ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS "
    "before, "
    "e = 'web' AS web FROM t"};

static struct plan *compile(const char *sql)
{
    struct plan *plan = NULL;
    struct error error = {0};
    if (plan_compile(sql, strlen(sql), "part.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    return plan;
}

static struct plan *join(struct plan *const *plans, int n)
{
    struct plan *joined = NULL;
    struct error error = {0};
    if (plan_join(plans, n, &joined, &error) != OK)
        fail_msg("%s", error.message);
    return joined;
}

/* Late and too late ones, ties, NULLs. */
static void fill(struct schema *schema, struct table *ret)
{
    struct random random = {7};
    struct json_rows *rows;
    char line[300], x[40];
    assert_int_equal(table_init(ret, schema, NULL), OK);
    assert_int_equal(json_rows_new(schema, TIME_UNIT_NONE, &rows, NULL), OK);
    for (int i = 0; i < ROWS; i++) {
        int64_t late = random_chance(&random, 10) ? random_below(&random, 80) : 0;
        snprintf(x, sizeof x, random_chance(&random, 10) ? "null" : "%.17g",
                 (double)random_below(&random, 1000000) / 700);
        snprintf(line, sizeof line,
                 "{\"id\":%d,\"ts\":%lld,\"k\":%lld,\"v\":\"shop %lld\",\"x\":%s,\"e\":\"%s\",\"y\":%s}", i,
                 (long long)(1000 + i / 2 - late), (long long)random_below(&random, 20),
                 (long long)random_below(&random, 9), x, random_chance(&random, 50) ? "web" : "chip",
                 random_chance(&random, 30) ? "1" : "null");
        assert_int_equal(json_rows_parse(rows, line, strlen(line), ret, NULL), OK);
    }
    json_rows_free(rows);
}

/* The columns of `events` that the schema has. */
static void choose(const struct table *events, struct schema *schema, struct table *ret)
{
    assert_int_equal(table_init_lent(ret, schema, NULL), OK);
    for (int c = 0; c < schema->n; c++)
        ret->columns[c] = events->columns[schema_find(events->schema, schema->fields[c].name)];
    ret->length = events->length;
}

static int64_t take(struct plan *plan, const struct table *events, int threads, int64_t lateness,
                    struct table *ret)
{
    struct state_options options = {.threads = threads, .lateness_us = lateness};
    struct state *state = NULL;
    struct table chosen;
    struct error error = {0};
    choose(events, plan_events(plan), &chosen);
    assert_int_equal(state_new(plan, &options, &state, NULL), OK);
    assert_int_equal(table_init(ret, plan_features(plan), NULL), OK);
    if (state_take(state, &chosen, ret, &error) != OK)
        fail_msg("%s", error.message);
    int64_t bytes = state_bytes(state);
    table_done_lent(&chosen);
    state_free(state);
    return bytes;
}

static bool same_bits(const struct column *a, const struct column *b, const struct type *type, int64_t i)
{
    size_t width = type_width(type->id), size_a, size_b;
    if (column_is_null(a, i) || column_is_null(b, i))
        return column_is_null(a, i) == column_is_null(b, i);
    if (type->id == TYPE_BOOLEAN)
        return column_boolean(a, i) == column_boolean(b, i);
    if (type->id == TYPE_VARCHAR) {
        const char *x = column_text(a, i, &size_a), *y = column_text(b, i, &size_b);
        return size_a == size_b && memcmp(x, y, size_a) == 0;
    }
    return memcmp((const char *)a->data + (size_t)i * width, (const char *)b->data + (size_t)i * width,
                  width) == 0;
}

/* The joined plan's features with those of each part by itself. */
static void assert_as_alone(struct plan *joined, struct plan *const *plans, int n, const struct table *events,
                            int64_t lateness)
{
    assert_int_equal(plan_parts(joined), n);
    for (int threads = 1; threads <= 3; threads++) {
        struct table together, alone;
        int first, count;
        take(joined, events, threads, lateness, &together);
        for (int p = 0; p < n; p++) {
            const struct schema *features = plan_features(plans[p]);
            take(plans[p], events, 1, lateness, &alone);
            plan_part(joined, p, &first, &count);
            assert_int_equal(count, features->n);
            for (int f = 0; f < count; f++) {
                assert_true(
                    type_equal(&plan_features(joined)->fields[first + f].type, &features->fields[f].type));
                for (int64_t i = 0; i < events->length; i++)
                    if (!same_bits(&together.columns[first + f], &alone.columns[f], &features->fields[f].type,
                                   i))
                        fail_msg("%s of part %d differs in row %lld", features->fields[f].name, p,
                                 (long long)i);
            }
            table_done(&alone);
        }
        table_done(&together);
    }
}

static void test_features_are_those_of_each_alone(void **unused)
{
    (void)unused;
    static const char *const names[] = {"x",       "s",   "d",     "risk",   "w",        "e",
                                        "me",      "web", "half",  "m",      "l",        "plan3_d",
                                        "plan3_x", "sd",  "shops", "before", "plan3_web"};
    struct plan *plans[PARTS];
    struct table events;
    for (int p = 0; p < PARTS; p++)
        plans[p] = compile(texts[p]);
    struct plan *joined = join(plans, PARTS);
    fill(plan_events(joined), &events);
    assert_int_equal(plan_features(joined)->n, (int)(sizeof names / sizeof *names));
    for (int f = 0; f < plan_features(joined)->n; f++)
        assert_string_equal(plan_features(joined)->fields[f].name, names[f]);
    assert_string_equal(plan_events(joined)->fields[plan_time_column(joined)].name, "ts");
    assert_int_equal(plan_id_column(joined), 0);
    assert_int_equal(plan_label_column(joined), 6);
    assert_as_alone(joined, plans, PARTS, &events, LATENESS);
    assert_as_alone(joined, plans, PARTS, &events, 0);
    /* The parts may go, and their order does not matter. */
    struct plan *turned[PARTS] = {plans[2], plans[1], plans[0]}, *other = join(turned, PARTS);
    assert_as_alone(other, turned, PARTS, &events, LATENESS);
    for (int p = 0; p < PARTS; p++)
        plan_unref(plans[p]);
    struct table features;
    take(joined, &events, 2, LATENESS, &features);
    table_done(&features);
    table_done(&events);
    plan_unref(other);
    plan_unref(joined);
}

static void test_equal_windows_are_kept_once(void **unused)
{
    (void)unused;
    struct plan *plans[2] = {compile(texts[0]), compile(texts[0])}, *joined = join(plans, 2);
    struct table events, features;
    assert_int_equal(joined->n_windows, plans[0]->n_windows);
    assert_int_equal(joined->n_groups, plans[0]->n_groups);
    assert_int_equal(joined->n_exprs, plans[0]->n_exprs);
    for (size_t g = 0; g < joined->n_groups; g++) {
        assert_int_equal(joined->groups[g].n_frames, plans[0]->groups[g].n_frames);
        assert_int_equal(joined->groups[g].n_slots, plans[0]->groups[g].n_slots);
    }
    assert_ptr_equal(joined->roots[1], joined->roots[1 + plans[0]->features->n]);
    fill(plan_events(joined), &events);
    int64_t alone = take(plans[0], &events, 1, 0, &features);
    table_done(&features);
    assert_int_equal(take(joined, &events, 1, 0, &features), alone);
    table_done(&features);
    table_done(&events);
    plan_unref(joined);
    /* Of another plan over the same entities only what it has beyond that. */
    plan_unref(plans[1]);
    plans[1] =
        compile(TABLE "SELECT sum(x)" DAY " AS d, count(*)" HOUR " AS c, sum(x + 1)" HOUR " AS s FROM t");
    joined = join(plans, 2);
    assert_int_equal(joined->n_windows, plans[0]->n_windows + 2);
    assert_int_equal(joined->n_groups, plans[0]->n_groups);
    plan_unref(joined);
    plan_unref(plans[0]);
    plan_unref(plans[1]);
}

static void test_where_is_part_of_what_is_shared(void **unused)
{
    (void)unused;
    static const char first[] = TABLE "SELECT x, sum(x)" HOUR " AS s FROM t WHERE k > 3 AND e = 'web'";
    static const char second[] = TABLE "SELECT count(*)" HOUR " AS c FROM t WHERE k > 3 AND e = 'web'";
    struct plan *plans[2] = {compile(first), compile(second)}, *joined = join(plans, 2);
    struct table events;
    fill(plan_events(joined), &events);
    assert_true(plan_has_where(joined));
    assert_as_alone(joined, plans, 2, &events, LATENESS);
    table_done(&events);
    plan_unref(joined);
    plan_unref(plans[0]);
    plan_unref(plans[1]);
}

static void assert_refused(const char *first, const char *second, enum code code, const char *message)
{
    struct plan *plans[2] = {compile(first), compile(second)}, *joined = NULL;
    struct error error = {0};
    assert_int_equal(plan_join(plans, 2, &joined, &error), code);
    assert_null(joined);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
    plan_unref(plans[0]);
    plan_unref(plans[1]);
}

static void test_what_cannot_go_together_is_refused(void **unused)
{
    (void)unused;
    static const char one[] =
        "CREATE TABLE t (ts BIGINT, k INTEGER, x DOUBLE); SELECT count(*) OVER (ORDER BY ts) AS c FROM t";
    assert_refused(one, "CREATE TABLE u (ts BIGINT); SELECT ts FROM u", CODE_CONFLICT, "is over the table u");
    assert_refused(one, "CREATE TABLE t (ts BIGINT, z INTEGER); SELECT ts FROM t", CODE_CONFLICT,
                   "has no column z in part.sql");
    assert_refused(one, "CREATE TABLE t (k BIGINT); SELECT k FROM t", CODE_CONFLICT,
                   "column k is BIGINT, and INTEGER in");
    assert_refused(one, "CREATE TABLE t (k INTEGER PRIMARY KEY); SELECT k FROM t", CODE_CONFLICT,
                   "column k has another role");
    assert_refused(
        one,
        "CREATE TABLE t (k INTEGER, x DOUBLE); COMMENT ON COLUMN t.x IS 'shrike: late after=2 days';"
        "SELECT k FROM t",
        CODE_CONFLICT, "column x has another role");
    assert_refused(
        one, "CREATE TABLE t (ts BIGINT, k INTEGER, x DOUBLE); SELECT count(*) OVER (ORDER BY k) AS c FROM t",
        CODE_CONFLICT, "the event time is k, and ts in");
    assert_refused(one, "CREATE TABLE t (ts BIGINT, k INTEGER); SELECT k FROM t WHERE k > 1", CODE_CONFLICT,
                   "the WHERE is not that of");
    assert_refused("CREATE TABLE t (ts BIGINT, k INTEGER); SELECT k FROM t WHERE k > 1",
                   "CREATE TABLE t (ts BIGINT, k INTEGER); SELECT k FROM t WHERE k > 2", CODE_CONFLICT,
                   "the WHERE is not that of");
}

static void test_limits_hold_for_all_together(void **unused)
{
    (void)unused;
    struct buffer sql[2];
    for (int p = 0; p < 2; p++) {
        buffer_init(&sql[p], 1 << 20);
        buffer_text(&sql[p], "CREATE TABLE t (ts BIGINT, x DOUBLE); SELECT ts");
        for (int i = 0; i < 40; i++)
            buffer_format(&sql[p], ", sum(x + %d) OVER (ORDER BY ts) AS f%d", 40 * p + i, i);
        buffer_text(&sql[p], " FROM t");
    }
    assert_refused(sql[0].data, sql[1].data, CODE_LIMIT, "more than 64 different (argument, FILTER) pairs");
    buffer_done(&sql[0]);
    buffer_done(&sql[1]);
}

/* Items of one random plan, dealt to three that overlap. False: one of them does not compile. */
static bool try_random(struct random *random)
{
    struct random_plan made;
    struct plan *plans[PARTS] = {NULL}, *joined;
    struct table events;
    struct error error;
    random_plan_make(random, (int64_t)random_below(random, 1000), &made);
    for (int p = 0; p < PARTS; p++) {
        int items[MAX_ITEMS], n = 0;
        for (int i = 0; i < made.n_items; i++)
            if (i % PARTS == p || random_chance(random, 40))
                items[n++] = i;
        char *sql = n ? random_plan_sql(&made, items, n) : NULL;
        bool fine = sql && plan_compile(sql, strlen(sql), "part.sql", &plans[p], &error) == OK;
        free(sql);
        for (; !fine && p >= 0; p--)
            plan_unref(plans[p]);
        if (p < 0) {
            random_plan_done(&made);
            return false;
        }
    }
    if (plan_join(plans, PARTS, &joined, &error) == OK) {
        random_plan_events(random, &made, plan_events(joined), plan_time_column(joined), &events);
        assert_as_alone(joined, plans, PARTS, &events, made.lateness);
        table_done(&events);
        plan_unref(joined);
    } else {
        fail_msg("%s", error.message);
    }
    for (int p = 0; p < PARTS; p++)
        plan_unref(plans[p]);
    random_plan_done(&made);
    return true;
}

static void test_random_plans(void **unused)
{
    (void)unused;
    struct random random = {11};
    for (int joined = 0, tried = 0; joined < 20; tried++) {
        joined += try_random(&random);
        assert_in_range(tried, 0, 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_are_those_of_each_alone),
        cmocka_unit_test(test_equal_windows_are_kept_once),
        cmocka_unit_test(test_where_is_part_of_what_is_shared),
        cmocka_unit_test(test_what_cannot_go_together_is_refused),
        cmocka_unit_test(test_limits_hold_for_all_together),
        cmocka_unit_test(test_random_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
