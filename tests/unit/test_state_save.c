/*
 * A state as bytes: that it answers the same once it was loaded is tested by random plans; here, what happens
 * to bytes that are not those of a state.
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
#include "differential/random.h"
#include "feature/state.h"

static const char sql[] =
    "CREATE TABLE t (ts TIMESTAMP, card VARCHAR, amount DOUBLE, kind ENUM('a', 'b', 'c'), shop VARCHAR);\n"
    "SELECT sum(amount) OVER day AS s, stddev_samp(amount) OVER ever AS v, min(shop) OVER ever AS "
    "first_shop,\n"
    "  count(DISTINCT shop) OVER ever AS shops, count(DISTINCT kind) OVER day AS kinds,\n"
    "  last_value(kind) OVER past AS last_kind, max(amount) OVER day AS largest,\n"
    "  lag(amount) OVER card AS before\n"
    "FROM t WINDOW card AS (PARTITION BY card ORDER BY ts),\n"
    "  day AS (card RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),\n"
    "  past AS (card RANGE BETWEEN INTERVAL 3 DAY PRECEDING AND INTERVAL 1 HOUR PRECEDING),\n"
    "  ever AS (card RANGE UNBOUNDED PRECEDING);";

struct reading {
    const char *data;
    size_t size, at;
};

static int write_buffer(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "a state", error);
}

static int read_some(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    (void)error;
    struct reading *reading = context;
    size_t left = reading->size - reading->at, n = left < capacity ? left : capacity;
    n = n > 1000 ? 1000 : n;
    memcpy(data, reading->data + reading->at, n);
    reading->at += n;
    *ret_size = n;
    return OK;
}

static int fail_to_read(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    (void)context, (void)data, (void)capacity, (void)ret_size;
    return error_set(error, CODE_IO, "the disk is gone");
}

static struct plan *compile(const char *text)
{
    struct plan *plan = NULL;
    struct error error = {0};
    if (plan_compile(text, strlen(text), "test.sql", &plan, &error) != OK)
        fail_msg("%s", error.message);
    return plan;
}

static void fill(struct random *random, struct table *events, int n)
{
    static const double amounts[] = {1.5, 1e300, 0.1, 1e-300, 7};
    assert_int_equal(table_reserve(events, n, NULL), OK);
    for (int i = 0; i < n; i++) {
        char text[32];
        const struct field *fields = events->schema->fields;
        struct column *columns = events->columns;
        column_append_int(&columns[0], &fields[0].type, i * INT64_C(600000000));
        snprintf(text, sizeof text, "card-%d", (int)random_below(random, 9));
        assert_int_equal(column_append_text(&columns[1], text, strlen(text), NULL), OK);
        column_append_double(&columns[2], &fields[2].type, amounts[random_below(random, 5)]);
        column_append_int(&columns[3], &fields[3].type, random_below(random, 3));
        snprintf(text, sizeof text, "shop-%d", (int)random_below(random, 40));
        assert_int_equal(column_append_text(&columns[4], text, strlen(text), NULL), OK);
    }
    events->length = n;
}

/* A state that has taken n events, as bytes. */
static void make(struct plan *plan, int n, struct buffer *ret)
{
    struct state_options options = {.threads = 1};
    struct random random = {42};
    struct state *state;
    struct table events, features;
    struct error error = {0};
    assert_int_equal(state_new(plan, &options, &state, &error), OK);
    assert_int_equal(table_init(&events, plan_events(plan), NULL), OK);
    assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
    fill(&random, &events, n);
    assert_int_equal(state_take(state, &events, &features, &error), OK);
    buffer_init(ret, SIZE_MAX / 2);
    assert_int_equal(state_save(state, write_buffer, ret, &error), OK);
    table_done(&events);
    table_done(&features);
    state_free(state);
}

static int load(struct plan *plan, int64_t lateness, bytes_read *read, struct reading *reading,
                struct error *error)
{
    struct state_options options = {.threads = 1, .lateness_us = lateness};
    struct state *state;
    assert_int_equal(state_new(plan, &options, &state, NULL), OK);
    int rc = state_load(state, read, reading, error);
    if (rc != OK) {
        struct table events, features;
        assert_int_equal(table_init(&events, plan_events(plan), NULL), OK);
        assert_int_equal(table_init(&features, plan_features(plan), NULL), OK);
        assert_int_not_equal(state_take(state, &events, &features, NULL), OK);
        table_done(&events);
        table_done(&features);
    }
    state_free(state);
    return rc;
}

static void test_a_state_that_ends_early_is_refused(void **unused)
{
    (void)unused;
    struct plan *plan = compile(sql);
    struct buffer bytes;
    make(plan, 60, &bytes);
    size_t step = 31;
    for (size_t size = 0; size < bytes.size; size += size < 300 ? 1 : step) {
        struct reading reading = {bytes.data, size, 0};
        struct error error = {0};
        assert_int_equal(load(plan, 0, read_some, &reading, &error), CODE_CORRUPT);
        assert_non_null(strstr(error.message, "bytes: "));
    }
    struct reading reading = {bytes.data, bytes.size, 0};
    assert_int_equal(load(plan, 0, read_some, &reading, NULL), OK);
    buffer_append(&bytes, "x", 1);
    reading = (struct reading){bytes.data, bytes.size, 0};
    struct error error = {0};
    assert_int_equal(load(plan, 0, read_some, &reading, &error), CODE_CORRUPT);
    assert_non_null(strstr(error.message, "more than there should be"));
    buffer_done(&bytes);
    plan_unref(plan);
}

/* Most flips make another state, which is for the checksums around it to see; none may do harm. */
static void test_flipped_bits_do_no_harm(void **unused)
{
    (void)unused;
    struct plan *plan = compile(sql);
    struct buffer bytes;
    make(plan, 25, &bytes);
    for (size_t i = 0; i < bytes.size; i += 7) {
        struct reading reading = {bytes.data, bytes.size, 0};
        bytes.data[i] ^= (char)(1 << i % 8);
        int rc = load(plan, 0, read_some, &reading, NULL);
        assert_true(rc == OK || rc == CODE_CORRUPT);
        bytes.data[i] ^= (char)(1 << i % 8);
    }
    buffer_done(&bytes);
    plan_unref(plan);
}

static void assert_refused(int rc, const struct error *error, enum code code, const char *words)
{
    assert_int_equal(rc, code);
    if (!strstr(error->message, words))
        fail_msg("\"%s\" does not say \"%s\"", error->message, words);
}

static void test_what_is_not_its_own_is_refused_by_name(void **unused)
{
    (void)unused;
    struct plan *plan = compile(sql), *other = compile("CREATE TABLE t (ts TIMESTAMP, k INTEGER);\n"
                                                       "SELECT count(*) OVER (PARTITION BY k ORDER BY ts "
                                                       "RANGE INTERVAL 1 DAY PRECEDING) AS n FROM t;");
    struct buffer bytes;
    struct error error = {0};
    make(plan, 50, &bytes);
    struct reading reading = {bytes.data, bytes.size, 0};
    assert_refused(load(other, 0, read_some, &reading, &error), &error, CODE_CORRUPT, "another plan");
    reading.at = 0;
    assert_refused(load(plan, 5, read_some, &reading, &error), &error, CODE_CORRUPT,
                   "lateness of 0, not of 5");
    assert_refused(load(plan, 0, fail_to_read, NULL, &error), &error, CODE_IO, "the disk is gone");
    bytes.data[0] ^= 1;
    reading.at = 0;
    assert_refused(load(plan, 0, read_some, &reading, &error), &error, CODE_CORRUPT, "no state of windows");
    buffer_done(&bytes);
    plan_unref(plan);
    plan_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_state_that_ends_early_is_refused),
        cmocka_unit_test(test_flipped_bits_do_no_harm),
        cmocka_unit_test(test_what_is_not_its_own_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
