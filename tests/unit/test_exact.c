/* Exact sums against long binary numbers: what fits the 128 bits, what spills, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "differential/big.h"
#include "differential/random.h"
#include "feature/exact.h"
#include "feature/kernels.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? UINT64_C(0x7ff8000000000000) : bits;
}

#define assert_same(a, b)                                           \
    do {                                                            \
        double first_ = (a), second_ = (b);                         \
        if (bits_of(first_) != bits_of(second_))                    \
            fail_msg("%s is %a, expected %a", #a, first_, second_); \
    } while (0)

/* The sum and the mean of values[0, n), added up anew each way. */
static void check_window(const struct exact *exact, const double *values, int64_t n)
{
    struct big big = {0};
    for (int64_t i = 0; i < n; i++)
        big_add_double(&big, values[i]);
    assert_int_equal(exact->count, n);
    assert_same(exact_sum(exact), big_sum(&big));
    if (n)
        assert_same(exact_mean(exact), big_quotient(&big, n, 0));
}

/* Slides a window of `width` over the values and compares at every step. */
static void slide(const double *values, int64_t n, int64_t width)
{
    struct exact exact = {0};
    for (int64_t i = 0; i < n + width; i++) {
        int64_t from = i + 1 > width ? i + 1 - width : 0, to = i < n ? i + 1 : n;
        if (i < n)
            assert_true(exact_add(&exact, values[i]));
        if (i >= width)
            assert_true(exact_remove(&exact, values[i - width]));
        if (to > from)
            check_window(&exact, values + from, to - from);
    }
    assert_int_equal(exact.count, 0);
    assert_same(exact_sum(&exact), 0.0);
    exact_done(&exact);
}

enum { VALUES = 400 };

static void test_amounts_stay_on_the_grid(void **unused)
{
    (void)unused;
    struct random random = {1};
    double values[VALUES];
    struct exact exact = {0};
    for (int i = 0; i < VALUES; i++) {
        values[i] = (double)(random_below(&random, 2000000000) - 1000000000) / 100;
        assert_true(exact_add(&exact, values[i]));
    }
    assert_null(exact.spill);
    slide(values, VALUES, 1);
    slide(values, VALUES, 37);
}

static void test_every_double_is_summed_exactly(void **unused)
{
    (void)unused;
    struct random random = {2};
    double values[VALUES];
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < VALUES; i++) {
            double mantissa = (double)(random_below(&random, INT64_C(1) << 53)) - 0x1p52;
            values[i] = ldexp(mantissa, (int)random_below(&random, 8 + round * 280) - 4 - round * 140);
            if (!isfinite(values[i]))
                values[i] = DBL_MAX;
        }
        slide(values, VALUES, 1 + 11 * round);
    }
}

static void test_special_values_leave_again(void **unused)
{
    (void)unused;
    static const double values[] = {1.5,   NAN,       2.5,   INFINITY, -1,   INFINITY, -INFINITY, 3,    NAN,
                                    0.25,  -INFINITY, 7,     8,        -0.0, 5e-324,   -0.0,      -0.0, 1e308,
                                    1e308, -1e308,    1e308, 1,        2,    3,        4};
    for (int64_t width = 1; width < 8; width++)
        slide(values, (int64_t)(sizeof values / sizeof *values), width);
}

static void test_subnormals(void **unused)
{
    (void)unused;
    static const double values[] = {5e-324,
                                    5e-324,
                                    -5e-324,
                                    0x1p-1022,
                                    -0x0.0000000000003p-1022,
                                    0x1.fffffffffffffp-1022,
                                    0x0.fffffffffffffp-1022,
                                    5e-324,
                                    0x1p-1074,
                                    0x1p-1073,
                                    0x1p-75,
                                    0x1p-76};
    for (int64_t width = 1; width < 6; width++)
        slide(values, (int64_t)(sizeof values / sizeof *values), width);
    struct exact exact = {0};
    for (int i = 0; i < 3; i++)
        assert_true(exact_add(&exact, 5e-324));
    assert_true(exact_add(&exact, 0));
    assert_true(exact_add(&exact, 0));
    assert_same(exact_mean(&exact), 5e-324); /* 3/5 of the smallest */
    assert_true(exact_add(&exact, -0.0));
    assert_same(exact_mean(&exact), 0); /* exactly half: to even */
    exact_done(&exact);
}

static void test_128_bits_overflow_into_the_spill_and_back(void **unused)
{
    (void)unused;
    const double large = 0x1.fffffffffffffp50; /* just below 2^51, where the grid ends */
    for (int sign = -1; sign <= 1; sign += 2) {
        double values[VALUES];
        for (int i = 0; i < VALUES; i++)
            values[i] = sign * (i % 5 == 4 ? 0x1p-75 : large);
        slide(values, VALUES, 50);
        struct exact exact = {0};
        assert_true(exact_add(&exact, sign * large));
        assert_null(exact.spill);
        for (int i = 0; i < 3; i++)
            assert_true(exact_add(&exact, sign * large));
        assert_non_null(exact.spill);
        for (int i = 0; i < 3; i++)
            assert_true(exact_remove(&exact, sign * large));
        check_window(&exact, values, 1);
        exact_done(&exact);
    }
}

static void test_sums_round_once_to_even(void **unused)
{
    (void)unused;
    static const struct {
        double values[4], sum;
    } cases[] = {
        {{0x1p53, 1}, 0x1p53},              /* half: to even, down */
        {{0x1p53, 2, 1}, 0x1p53 + 4},       /* half: to even, up */
        {{0x1p53, 1, 5e-324}, 0x1p53 + 2},  /* more than half, far below */
        {{0x1p53, 1, -5e-324}, 0x1p53},     /* less than half */
        {{0x1p53, 1, 0x1p-75}, 0x1p53 + 2}, /* the same on the grid */
        {{-0x1p53, -1, -0x1p-75}, -0x1p53 - 2},
        {{1e16, 1, -1e16}, 1},
        {{0.1, 0.2, -0.3}, 0x1p-55 * 1.0},
        {{1.7976931348623157e308, 1.7976931348623157e308, -1.7976931348623157e308}, 1.7976931348623157e308},
        {{1.7976931348623157e308, 1e292, 0}, INFINITY}, /* beyond the largest: as one rounding gives */
        {{1.7976931348623157e308, 1e291, 0}, 1.7976931348623157e308},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct exact exact = {0};
        for (int v = 0; v < 4; v++)
            assert_true(exact_add(&exact, cases[i].values[v]));
        assert_same(exact_sum(&exact), cases[i].sum);
        check_window(&exact, cases[i].values, 4);
        exact_done(&exact);
    }
}

static __int128 random_wide(struct random *random, int bits)
{
    unsigned __int128 value = (unsigned __int128)random_bits(random) << 64 | random_bits(random);
    value >>= 127 - random_below(random, bits) % 127;
    return random_chance(random, 50) ? -(__int128)value : (__int128)value;
}

/* Integers and DECIMALs of up to `bits`, in a sliding window. */
static void slide_wide(struct random *random, int bits, int width)
{
    __int128 values[VALUES];
    struct exact exact = {0};
    for (int i = 0; i < VALUES; i++)
        values[i] = random_wide(random, bits);
    for (int i = 0; i < VALUES; i++) {
        struct big big = {0};
        __int128 sum = 0, expected = 0;
        int from = i >= width ? i - width + 1 : 0, scale = (int)random_below(random, 39);
        assert_true(exact_add_wide(&exact, values[i]));
        if (i >= width)
            assert_true(exact_remove_wide(&exact, values[i - width]));
        for (int p = from; p <= i; p++)
            big_add_wide(&big, values[p]);
        assert_int_equal(exact_sum_wide(&exact, &sum), big_wide(&big, &expected));
        assert_true(sum == expected);
        assert_same(exact_mean_wide(&exact, 0), big_quotient(&big, i - from + 1, 0));
        assert_same(exact_mean_wide(&exact, scale), big_quotient(&big, i - from + 1, scale));
    }
    exact_done(&exact);
}

static void test_integers_and_decimals(void **unused)
{
    (void)unused;
    struct random random = {3};
    for (int bits = 1; bits <= 127; bits += 7)
        slide_wide(&random, bits, 1 + bits / 3);
    slide_wide(&random, 127, 60);
}

static void test_integer_sums_beyond_127_bits_come_back(void **unused)
{
    (void)unused;
    const __int128 large = (__int128)(~(unsigned __int128)0 >> 1);
    struct exact exact = {0};
    __int128 sum = 0;
    for (int i = 0; i < 3; i++)
        assert_true(exact_add_wide(&exact, large));
    assert_false(exact_sum_wide(&exact, &sum));
    assert_same(exact_mean_wide(&exact, 0), 0x1p127);
    assert_same(exact_mean_wide(&exact, 38), 1.7014118346046923);
    for (int i = 0; i < 2; i++)
        assert_true(exact_remove_wide(&exact, large));
    assert_true(exact_sum_wide(&exact, &sum));
    assert_true(sum == large);
    assert_true(exact_remove_wide(&exact, large));
    assert_true(exact_sum_wide(&exact, &sum));
    assert_true(sum == 0);
    exact_done(&exact);
}

static void test_means_divide_once(void **unused)
{
    (void)unused;
    struct random random = {4};
    struct exact exact = {0};
    struct big big = {0};
    for (int64_t n = 1; n <= 3000; n++) {
        double value = (double)random_below(&random, 1000000) / 100;
        assert_true(exact_add(&exact, value));
        big_add_double(&big, value);
        assert_same(exact_mean(&exact), big_quotient(&big, n, 0));
    }
    exact_done(&exact);
    exact = (struct exact){0};
    assert_true(exact_add(&exact, 0.1) && exact_add(&exact, 0.1) && exact_add(&exact, 0.1));
    assert_same(exact_mean(&exact), 0.1);
}

static void test_order_and_history_do_not_show(void **unused)
{
    (void)unused;
    static const double values[] = {1e300, 1.1, -1e300, 5e-324, 3.3, 1e15, -7e-20, 0x1p51, 12.5};
    enum { N = sizeof values / sizeof *values };
    struct random random = {5};
    double first = 0;
    for (int round = 0; round < 50; round++) {
        struct exact exact = {0};
        bool in[N] = {0};
        for (int step = 0; step < 60; step++) {
            int64_t i = random_below(&random, N);
            assert_true(in[i] ? exact_remove(&exact, values[i]) : exact_add(&exact, values[i]));
            in[i] = !in[i];
        }
        for (int i = 0; i < N; i++)
            assert_true(in[i] || exact_add(&exact, values[i]));
        if (round == 0)
            first = exact_sum(&exact);
        assert_same(exact_sum(&exact), first);
        check_window(&exact, values, N);
        exact_done(&exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts_stay_on_the_grid),
        cmocka_unit_test(test_every_double_is_summed_exactly),
        cmocka_unit_test(test_special_values_leave_again),
        cmocka_unit_test(test_subnormals),
        cmocka_unit_test(test_128_bits_overflow_into_the_spill_and_back),
        cmocka_unit_test(test_sums_round_once_to_even),
        cmocka_unit_test(test_integers_and_decimals),
        cmocka_unit_test(test_integer_sums_beyond_127_bits_come_back),
        cmocka_unit_test(test_means_divide_once),
        cmocka_unit_test(test_order_and_history_do_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
