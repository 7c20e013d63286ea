/* Spans and the label delay; splits and samples by chance: sizes, order, reproducibility, evenness. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "train/split.h"

static struct span days(int from, int to)
{
    return (struct span){from * DAY_US, to * DAY_US};
}

static void test_label_delay(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(split_check(days(10, 17), days(24, 31), 7 * DAY_US, false, &error), OK);
    assert_int_equal(split_check(days(10, 17), days(17, 31), 0, false, &error), OK);
    assert_int_equal(split_check(days(10, 17), days(23, 31), 7 * DAY_US, false, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "1970-01-25"));
    assert_non_null(strstr(error.message, "7d"));
    assert_int_equal(split_check(days(10, 17), days(1, 5), 0, false, &error), CODE_INVALID);
}

static void test_steps(void **state)
{
    (void)state;
    struct error error = {0};
    struct span train, valid;
    int64_t delay;
    assert_int_equal(split_read_span("1..400", "train", true, &train, &error), OK);
    assert_int_equal(split_read_span("424..500", "valid", true, &valid, &error), OK);
    assert_int_equal(split_read_delay("24", "delay", true, &delay, &error), OK);
    assert_int_equal(split_check(train, valid, delay, true, &error), OK);
    assert_int_equal(split_check(train, valid, 25, true, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "start it at 425 or later"));
    static const char *const bad[] = {
        "400", "..", "5..1", "a..b", "1..99999999999999999999", "2018-01-01..2018-02-01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(split_read_span(bad[i], "train", true, &train, &error), CODE_USAGE);
        assert_non_null(strstr(error.message, "--train"));
    }
    assert_int_equal(split_read_delay("-1", "delay", true, &delay, &error), CODE_USAGE);
    assert_int_equal(split_read_span("2018-07-25..2018-08-01", "train", false, &train, &error), OK);
    assert_int_equal(train.to_us - train.from_us, 7 * DAY_US);
    assert_int_equal(split_read_delay("7d", "delay", false, &delay, &error), OK);
    assert_int_equal(delay, 7 * DAY_US);
    assert_int_not_equal(split_read_span("400..500", "train", false, &train, &error), OK);
    assert_non_null(strstr(error.message, "--train"));
}

static void test_by_time(void **state)
{
    (void)state;
    const int64_t times[] = {5 * DAY_US, 1 * DAY_US, 3 * DAY_US, 3 * DAY_US - 1, 2 * DAY_US};
    struct rows rows = {0};
    struct error error = {0};
    assert_int_equal(split_by_time(times, 5, days(1, 3), &rows, &error), OK);
    assert_int_equal(rows.n, 3);
    assert_true(rows.at[0] == 1 && rows.at[1] == 3 && rows.at[2] == 4);
    rows_done(&rows);
}

enum { ROWS = 10000 };

static struct rows all_rows(void)
{
    struct rows rows = {ROWS, memory_new(ROWS, sizeof(int64_t))};
    for (int64_t i = 0; i < ROWS; i++)
        rows.at[i] = i;
    return rows;
}

static void test_stratified(void **state)
{
    (void)state;
    static float labels[ROWS];
    static int taken[ROWS];
    struct rows rows = all_rows(), train, valid;
    struct error error = {0};
    int frauds = 0;
    for (int r = 0; r < ROWS; r++) {
        labels[r] = r % 97 == 0;
        frauds += r % 97 == 0;
    }
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_int_equal(split_stratified(labels, &rows, 0.8, seed, &train, &valid, &error), OK);
        int train_frauds = 0;
        for (int64_t i = 0; i < train.n; i++) {
            train_frauds += labels[train.at[i]] == 1;
            taken[train.at[i]]++;
            assert_true(i == 0 || train.at[i] > train.at[i - 1]);
        }
        for (int64_t i = 0; i < valid.n; i++)
            taken[valid.at[i]] += 1000;
        assert_int_equal(train_frauds, (int)lround(frauds * 0.8));
        assert_int_equal(train.n, lround(frauds * 0.8) + lround((ROWS - frauds) * 0.8));
        assert_int_equal(train.n + valid.n, ROWS);
        rows_done(&train);
        rows_done(&valid);
    }
    /* Each row was on exactly one side each time, and no row is always on the same side: 50 draws at 0.8, 5
     * sd. */
    for (int r = 0; r < ROWS; r++) {
        assert_int_equal(taken[r] % 1000 + taken[r] / 1000, 50);
        assert_in_range(taken[r] % 1000, 26, 50);
    }
    rows_done(&rows);
}

static void test_stratified_refuses(void **state)
{
    (void)state;
    float labels[] = {0, 0, 1};
    int64_t at[] = {0, 1, 2};
    struct rows rows = {3, at}, train = {0}, valid = {0};
    struct error error = {0};
    assert_int_equal(split_stratified(labels, &rows, 0.8, 1, &train, &valid, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "1 with fraud"));
    assert_int_equal(split_stratified(labels, &rows, 1, 1, &train, &valid, &error), CODE_USAGE);
    assert_null(train.at);
}

static void test_sample(void **state)
{
    (void)state;
    struct rows a = all_rows(), b = all_rows(), c = all_rows();
    split_sample(&a, 100, 5);
    split_sample(&b, 100, 5);
    split_sample(&c, 100, 6);
    assert_int_equal(a.n, 100);
    assert_memory_equal(a.at, b.at, 100 * sizeof *a.at);
    assert_memory_not_equal(a.at, c.at, 100 * sizeof *a.at);
    for (int i = 1; i < 100; i++)
        assert_true(a.at[i] > a.at[i - 1]);
    split_sample(&a, 1000, 5);
    assert_int_equal(a.n, 100);
    rows_done(&a);
    rows_done(&b);
    rows_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_delay),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_stratified),
        cmocka_unit_test(test_stratified_refuses),
        cmocka_unit_test(test_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
