/*
 * The steady step against the general way: a plan that it serves, and the same with one more window that it
 * does not serve, give the same bits for the same events. Among these are ties, late and too late ones,
 * NULLs, what is off the grid of exact sums, and entities with more events than a block holds; with a WHERE
 * and without, one by one, in batches, and on two threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "feature/state.h"
#include "feature/steady.h"

enum { EVENTS = 6000, LATENESS = 30 };

#define COLUMNS "ts BIGINT, k INTEGER, x DOUBLE, n TINYINT, m INTEGER, d DECIMAL(4, 2), b BOOLEAN"
#define WINDOWS                                                 \
    "WINDOW w AS (PARTITION BY k ORDER BY ts), "                \
    "brief AS (w RANGE BETWEEN 7 PRECEDING AND CURRENT ROW), "  \
    "wide AS (w RANGE BETWEEN 900 PRECEDING AND CURRENT ROW), " \
    "past AS (w RANGE BETWEEN 80 PRECEDING AND 20 PRECEDING), " \
    "others AS (w RANGE BETWEEN 40 PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)"

static struct plan *compile(const char *features, const char *where)
{
    struct plan *plan = NULL;
    struct error error = {0};
    struct buffer sql;
    buffer_init(&sql, 1 << 16);
    buffer_format(&sql, "CREATE TABLE t (%s); SELECT %s FROM t %s %s", COLUMNS, features, where, WINDOWS);
    if (plan_compile(sql.data, sql.size, "test.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    buffer_done(&sql);
    return plan;
}

/* Does the plan's only group take the steady step? */
static bool is_steady(struct plan *plan)
{
    struct layout layout;
    struct steady *steady;
    assert_int_equal(layout_new(plan, 0, false, &layout, NULL), OK);
    assert_int_equal(steady_new(&layout, &steady, NULL), OK);
    bool found = steady != NULL;
    steady_free(steady);
    layout_done(&layout);
    return found;
}

static double draw_real(struct random *random)
{
    static const double odd[] = {0,        -0.0,      1e-300, 1e300,   -1e300, NAN,
                                 INFINITY, -INFINITY, 5e12,   0x1p-75, -3e15};
    if (random_chance(random, 4))
        return odd[random_below(random, (int64_t)(sizeof odd / sizeof *odd))];
    return (double)(random_below(random, 20000) - 5000) / 100;
}

/* One entity has most events, a few have some, and now and then there is a gap in which all is forgotten. */
static void make_events(struct random *random, bool nulls, struct table *ret)
{
    const struct field *fields = ret->schema->fields;
    int64_t ts = 0;
    assert_int_equal(table_reserve(ret, EVENTS, NULL), OK);
    for (int i = 0; i < EVENTS; i++) {
        ts += random_chance(random, 70) ? random_below(random, 4) : 0;
        ts += i % 2500 == 2499 ? 2000 : 0;
        int64_t late = random_chance(random, 3) ? random_below(random, 2 * LATENESS) : 0;
        column_append_int(&ret->columns[0], &fields[0].type, ts - late);
        column_append_int(&ret->columns[1], &fields[1].type,
                          random_chance(random, 60) ? 0 : random_below(random, 9));
        for (int c = 2; c < 7; c++) {
            struct column *column = &ret->columns[c];
            if (nulls && random_chance(random, 12))
                column_append_null(column, &fields[c].type);
            else if (c == 2)
                column_append_double(column, &fields[c].type, draw_real(random));
            else if (c == 5)
                column_append_wide(column, random_below(random, 19999) - 9999);
            else if (c == 6)
                column_append_boolean(column, random_chance(random, 80));
            else
                column_append_int(column, &fields[c].type,
                                  random_below(random, c == 3 ? 256 : 1 << 20) - 128);
        }
    }
    ret->length = EVENTS;
}

/* All features of the events, taken in batches or in ones. */
static void take(struct plan *plan, const struct table *events, int64_t batch, int threads, struct table *ret)
{
    struct state_options options = {.threads = threads, .lateness_us = LATENESS};
    struct state *state;
    struct table piece, features;
    assert_int_equal(state_new(plan, &options, &state, NULL), OK);
    assert_int_equal(table_init(&piece, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    assert_int_equal(table_init(ret, plan_features(plan), NULL), OK);
    for (int64_t from = 0; from < events->length; from += batch) {
        int64_t n = events->length - from < batch ? events->length - from : batch;
        table_clear(&piece);
        assert_int_equal(table_append(&piece, events, from, n, NULL), OK);
        assert_int_equal(state_take(state, &piece, &features, NULL), OK);
        assert_int_equal(table_append(ret, &features, 0, n, NULL), OK);
    }
    table_done(&piece);
    table_done(&features);
    state_free(state);
}

static void compare(const struct table *a, const struct table *b, int n)
{
    for (int c = 0; c < n; c++) {
        enum type_id id = a->schema->fields[c].type.id;
        for (int64_t i = 0; i < a->length; i++) {
            const struct column *x = &a->columns[c], *y = &b->columns[c];
            size_t width = type_width(id);
            assert_int_equal(column_is_null(x, i), column_is_null(y, i));
            if (column_is_null(x, i))
                continue;
            bool same = id == TYPE_BOOLEAN ? column_boolean(x, i) == column_boolean(y, i)
                                           : memcmp((char *)x->data + (size_t)i * width,
                                                    (char *)y->data + (size_t)i * width, width) == 0;
            if (!same)
                fail_msg("row %lld of %s differs", (long long)i, a->schema->fields[c].name);
        }
    }
}

static void check_events(struct plan *steady, struct plan *general, uint64_t seed)
{
    static const struct {
        int64_t batch;
        int threads;
    } ways[] = {{613, 1}, {1, 1}, {5000, 2}};
    struct random random = {seed};
    struct table events, expected, found;
    assert_int_equal(table_init(&events, plan_events(steady), NULL), OK);
    make_events(&random, seed % 2, &events);
    take(general, &events, 997, 1, &expected);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        take(steady, &events, ways[i].batch, ways[i].threads, &found);
        compare(&found, &expected, found.schema->n);
        table_done(&found);
    }
    table_done(&events);
    table_done(&expected);
}

/* `extra` is a window more, which the steady step does not serve. */
static void check(const char *features, const char *extra)
{
    static const char *const wheres[] = {"", "WHERE b"};
    struct buffer more;
    buffer_init(&more, 1 << 16);
    buffer_format(&more, "%s, %s AS extra", features, extra);
    for (size_t w = 0; w < sizeof wheres / sizeof *wheres; w++) {
        struct plan *steady = compile(features, wheres[w]), *general = compile(more.data, wheres[w]);
        assert_true(is_steady(steady));
        assert_false(is_steady(general));
        for (uint64_t seed = 0; seed < 4; seed++)
            check_events(steady, general, seed);
        plan_unref(steady);
        plan_unref(general);
    }
    buffer_done(&more);
}

static void doubles(void **context)
{
    (void)context;
    check("count(*) OVER brief AS a, avg(x) OVER brief AS b, avg(x) OVER wide AS c, count(x) OVER wide AS d, "
          "sum(x) OVER past AS e, count(*) OVER past AS f, avg(x) OVER others AS g, sum(x) OVER others AS h",
          "max(x) OVER wide");
    /* A frame that nothing runs along with beside others. */
    check("count(*) OVER brief AS a, avg(x) OVER wide AS b, count(*) OVER past AS c", "max(x) OVER wide");
}

static void integers(void **context)
{
    (void)context;
    check("count(*) OVER brief AS a, avg(n) OVER brief AS b, avg(n) OVER wide AS c, avg(n) OVER past AS d, "
          "avg(n) OVER others AS e, count(*) OVER others AS f",
          "max(n) OVER wide");
    check("sum(n) OVER brief AS a, sum(n) OVER past AS b, sum(n) OVER wide AS c", "max(n) OVER wide");
    check("avg(m) OVER wide AS a, avg(m) OVER past AS b, count(*) OVER brief AS c", "min(m) OVER wide");
    /* avg() and sum() widen their argument, count() does not. */
    check("count(n) OVER wide AS a, avg(n) OVER wide AS b, sum(n) OVER brief AS c, count(n) OVER brief AS d",
          "max(n) OVER wide");
    check("avg(m) OVER past AS a, count(m) OVER past AS b, count(*) OVER past AS c", "max(m) OVER wide");
    check("avg(d) OVER wide AS a, avg(d) OVER past AS b", "min(d) OVER wide");
    check("bool_or(b) OVER brief AS a, bool_and(b) OVER wide AS b, bool_or(b) OVER past AS c, "
          "bool_and(b) OVER past AS d",
          "max(n) OVER wide");
}

static void counts(void **context)
{
    (void)context;
    check("count(*) OVER brief AS a, count(*) OVER wide AS b, count(*) OVER past AS c, "
          "count(*) OVER others AS d",
          "max(n) OVER wide");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles),
        cmocka_unit_test(integers),
        cmocka_unit_test(counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
