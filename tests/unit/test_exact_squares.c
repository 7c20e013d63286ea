/* Exact variances against long binary numbers, against fractions worked out elsewhere, and against themselves
 * after another history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "differential/big.h"
#include "differential/random.h"
#include "feature/exact_squares.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? UINT64_C(0x7ff8000000000000) : bits;
}

static void assert_same(double got, double expected)
{
    if (bits_of(got) != bits_of(expected))
        fail_msg("%a, expected %a", got, expected);
}

static void check(const struct exact_squares *squares, const double *values, int64_t n)
{
    for (int sample = 0; sample <= 1; sample++) {
        double got = -1, expected = -1;
        assert_int_equal(exact_squares_variance(squares, sample, &got),
                         big_variance(values, n, sample, &expected));
        assert_same(got, expected);
    }
    struct exact sum = {0};
    for (int64_t i = 0; i < n; i++)
        assert_true(exact_add(&sum, values[i]));
    assert_int_equal(squares->sum.count, n);
    assert_same(exact_sum(&squares->sum), exact_sum(&sum));
    if (n)
        assert_same(exact_mean(&squares->sum), exact_mean(&sum));
    exact_done(&sum);
}

/* Slides a window of `width` over the values and compares at every step. */
static void slide(const double *values, int64_t n, int64_t width)
{
    struct exact_squares squares = {0};
    for (int64_t i = 0; i < n + width; i++) {
        int64_t from = i + 1 > width ? i + 1 - width : 0, to = i < n ? i + 1 : n;
        if (i < n)
            assert_true(exact_squares_add(&squares, values[i]));
        if (i >= width)
            assert_true(exact_squares_remove(&squares, values[i - width]));
        check(&squares, values + (from < to ? from : 0), from < to ? to - from : 0);
    }
    exact_squares_done(&squares);
}

enum { VALUES = 200 };

static void test_amounts_stay_on_the_grid(void **unused)
{
    (void)unused;
    struct random random = {1};
    double values[VALUES];
    struct exact_squares squares = {0};
    for (int i = 0; i < VALUES; i++) {
        values[i] = (double)(random_below(&random, 2000000000) - 1000000000) / 100;
        assert_true(exact_squares_add(&squares, values[i]));
    }
    assert_null(squares.sum.spill);
    slide(values, VALUES, 1);
    slide(values, VALUES, 2);
    slide(values, VALUES, 37);
}

static void test_the_whole_grid(void **unused)
{
    (void)unused;
    struct random random = {2};
    double values[VALUES];
    for (int spread = 1; spread <= 73; spread += 8) {
        for (int i = 0; i < VALUES; i++) {
            double mantissa = (double)(random_below(&random, INT64_C(1) << 53)) - 0x1p52;
            values[i] = ldexp(mantissa, (int)random_below(&random, spread) - EXACT_GRID);
        }
        slide(values, VALUES, 1 + spread / 2);
    }
}

static void test_every_double(void **unused)
{
    (void)unused;
    struct random random = {3};
    double values[VALUES];
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < VALUES; i++) {
            double mantissa = (double)(random_below(&random, INT64_C(1) << 53)) - 0x1p52;
            values[i] = ldexp(mantissa, (int)random_below(&random, 8 + round * 280) - 4 - round * 140);
            if (!isfinite(values[i]))
                values[i] = DBL_MAX;
        }
        slide(values, VALUES, 1 + 5 * round);
    }
}

/* Worked out with Python's fractions, which the quotient of two integers rounds once. */
static const struct known {
    int n;
    double values[5], population, sample;
} known[] = {
    {2, {2, 4}, 0x1p+0, 0x1p+1},
    {4, {1, 2, 3, 4}, 0x1.4000000000000p+0, 0x1.aaaaaaaaaaaabp+0},
    {3, {0.1, 0.2, 0.3}, 0x1.b4e81b4e81b4dp-8, 0x1.47ae147ae147ap-7},
    {3, {0.1, 0.1, 0.1}, 0, 0},
    {2, {0.0, -0.0}, 0, 0},
    {3, {1e15 + 0.125, 1e15, 1e15 - 0.125}, 0x1.5555555555555p-7, 0x1p-6},
    {3, {1e15, 1e15 + 1, 1e15 + 2}, 0x1.5555555555555p-1, 0x1p+0},
    {2, {1e-300, 2e-300}, 0, 0},
    {2, {1e-160, 3e-160}, 0x0.00000000007e8p-1022, 0x0.0000000000fd0p-1022},
    {3, {1e-162, 2e-162, 4e-162}, 0, 0},
    {3, {1e-154, -1e-154, 3e-154}, 0x1.32ce6959a6cdcp-1022, 0x1.cc359e067a34ap-1022},
    {2, {5e-324, 1}, 0x1p-2, 0x1p-1},
    {2, {0x1p-537, 0}, 0, 0},
    {2, {0x1p-536, 0}, 0x0.0000000000001p-1022, 0x0.0000000000002p-1022},
    {3, {0x1.8p-536, 0, 0}, 0x0.0000000000002p-1022, 0x0.0000000000003p-1022},
    {2, {0x1.8p-536, 0}, 0x0.0000000000002p-1022, 0x0.0000000000004p-1022},
    {4, {0x1p-511, 0x1p-512, 0, 0x1.8p-511}, 0x0.5000000000000p-1022, 0x0.6aaaaaaaaaaabp-1022},
    {2, {1e300, -1e300}, INFINITY, INFINITY},
    {3, {1e154, -1e154, 2e154}, 0x1.bb097421970f9p+1023, INFINITY},
    {2, {1e154, 3e154}, 0x1.1ccf385ebc8a1p+1023, INFINITY},
    {2, {0x1p512, -0x1p512}, INFINITY, INFINITY},
    {2, {0x1.fffffffffffffp511, -0x1.fffffffffffffp511}, 0x1.ffffffffffffep+1023, INFINITY},
    {3, {1e300, 1e300 + 1e285, 1e300}, INFINITY, INFINITY},
    {2, {1.7976931348623157e308, 1.7976931348623157e308}, 0, 0},
    {3, {1e16, 1, 0x1p-75}, 0x1.187bdf63db730p+104, 0x1.a4b9cf15c92c8p+104},
    {2, {1e200, 1e-200}, INFINITY, INFINITY},
    {3, {1e8, 1e-8, 3}, 0x1.f9465a8c68b95p+50, 0x1.7af4c3e94e8b0p+51},
    {3, {0x1p50, 0x1p50 + 0.25, 0x1p-75}, 0x1.c71c71c71c71ep+97, 0x1.5555555555557p+98},
    {5, {12.34, 56.78, 90.12, 34.56, 78.9}, 0x1.9470be0ded28ap+9, 0x1.f98ced916872cp+9},
    {5, {9007199254740992.0, 3.14159, -2.71828, 1e-5, 7e-9}, 0x1.47ae147ae147bp+103, 0x1.9999999999999p+103},
    /* Half-way between two doubles but for the lowest bit of all. */
    {4,
     {94906267 + 0x1p-10, 0x1p-10 - 94906267, 0x1p-10 + 0x1p-62, 0x1p-10 - 0x1p-62},
     0x1.0000007c84bedp+52,
     0x1.555555fb5ba91p+52},
    {4, {0x1.6a09e6cp50, -0x1.6a09e6cp50, 0x1p-23, -0x1p-23}, 0x1.0000007c84bedp+100, 0x1.555555fb5ba91p+100},
    {4, {0x1.6a09e6cp50, -0x1.6a09e6cp50, 0, 0}, 0x1.0000007c84becp+100, 0x1.555555fb5ba91p+100},
    {4, {94906267, -94906267, 0, 0}, 0x1.0000007c84becp+52, 0x1.555555fb5ba91p+52},
    {4, {0x1p-537, -0x1p-537, 0x1p-600, -0x1p-600}, 0x0.0000000000001p-1022, 0x0.0000000000001p-1022},
    {4, {0x1p-537, -0x1p-537, 5e-324, -5e-324}, 0x0.0000000000001p-1022, 0x0.0000000000001p-1022},
    {4, {0x1p-537, -0x1p-537, 0, 0}, 0, 0x0.0000000000001p-1022},
};

static void test_known_values(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct exact_squares squares = {0};
        double value = -1;
        for (int v = 0; v < known[i].n; v++)
            assert_true(exact_squares_add(&squares, known[i].values[v]));
        assert_true(exact_squares_variance(&squares, false, &value));
        assert_same(value, known[i].population);
        assert_true(exact_squares_variance(&squares, true, &value));
        assert_same(value, known[i].sample);
        check(&squares, known[i].values, known[i].n);
        exact_squares_done(&squares);
    }
}

static void test_nothing_has_no_variance(void **unused)
{
    (void)unused;
    struct exact_squares squares = {0};
    double value = 7;
    assert_false(exact_squares_variance(&squares, false, &value));
    assert_false(exact_squares_variance(&squares, true, &value));
    assert_true(exact_squares_add(&squares, 1e300));
    assert_false(exact_squares_variance(&squares, true, &value));
    assert_same(value, 7);
    assert_true(exact_squares_variance(&squares, false, &value));
    assert_same(value, 0);
    exact_squares_done(&squares);
    /* Not even that of an infinity. */
    squares = (struct exact_squares){0};
    assert_true(exact_squares_add(&squares, INFINITY));
    assert_false(exact_squares_variance(&squares, true, &value));
    assert_true(exact_squares_variance(&squares, false, &value));
    assert_same(value, NAN);
    exact_squares_done(&squares);
}

static void test_equal_values_vary_by_exactly_nothing(void **unused)
{
    (void)unused;
    static const double values[] = {0.1, -1e15 / 3, 1e300, 5e-324, DBL_MAX, -0.0, 0x1.fffffffffffffp50};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct exact_squares squares = {0};
        for (int n = 1; n <= 1000; n++) {
            double value = -1;
            assert_true(exact_squares_add(&squares, values[i]));
            assert_true(exact_squares_variance(&squares, n > 1, &value));
            assert_same(value, 0);
        }
        exact_squares_done(&squares);
    }
}

static void test_special_values_leave_again(void **unused)
{
    (void)unused;
    static const double values[] = {1.5,  NAN, 2.5,       INFINITY, -1, INFINITY, -INFINITY, 3,     NAN,
                                    0.25, 2,   -INFINITY, 7,        8,  5e-324,   -0.0,      1e308, 1e308};
    for (int64_t width = 1; width < 8; width++)
        slide(values, (int64_t)(sizeof values / sizeof *values), width);
}

static void test_256_bits_overflow_into_the_spill_and_back(void **unused)
{
    (void)unused;
    const double large = 0x1.fffffffffffffp50; /* just below 2^51, where the grid ends */
    double values[40];
    struct exact_squares squares = {0};
    for (int i = 0; i < 40; i++) {
        values[i] = i % 2 ? large : -large;
        assert_true(exact_squares_add(&squares, values[i]));
        assert_int_equal(squares.sum.spill != NULL, i >= 16); /* 16 of them fit, though the sum stays 0 */
    }
    check(&squares, values, 40);
    for (int i = 39; i > 0; i--)
        assert_true(exact_squares_remove(&squares, values[i]));
    check(&squares, values, 1);
    exact_squares_done(&squares);
    slide(values, 40, 20);
}

/* A million million values of 1 and as many of -1, as if they had been added: more than one division holds.
 */
static void test_counts_beyond_one_division(void **unused)
{
    (void)unused;
    const int64_t n = INT64_C(2) << 40;
    struct exact_squares squares = {.sum.count = n};
    squares.squares[1] = (unsigned __int128)n << (2 * EXACT_GRID - 128);
    double value = -1;
    assert_true(exact_squares_variance(&squares, false, &value));
    assert_same(value, 1);
    assert_true(exact_squares_variance(&squares, true, &value));
    assert_same(value, 0x1.00000000008p0); /* n / (n - 1) = 1 + 2^-41 + 2^-82 ... */
}

/* After any history, the same members give the same bits as if they alone had been added. */
static void test_order_and_history_do_not_show(void **unused)
{
    (void)unused;
    static const double values[] = {1e300, 1.1,    -1e300, 5e-324, 3.3,
                                    1e15,  -7e-20, 0x1p51, 12.5,   1e15 + 0.125};
    enum { N = sizeof values / sizeof *values };
    struct random random = {5};
    for (int round = 0; round < 200; round++) {
        struct exact_squares squares = {0};
        bool in[N] = {0};
        double members[N];
        int64_t n = 0, choice = 1 + random_below(&random, N);
        for (int step = 0; step < 100; step++) {
            int64_t i = random_below(&random, choice);
            assert_true(in[i] ? exact_squares_remove(&squares, values[i])
                              : exact_squares_add(&squares, values[i]));
            in[i] = !in[i];
        }
        for (int i = N - 1; i >= 0; i--)
            if (in[i])
                members[n++] = values[i];
        check(&squares, members, n);
        exact_squares_done(&squares);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_amounts_stay_on_the_grid),
        cmocka_unit_test(test_the_whole_grid),
        cmocka_unit_test(test_every_double),
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_nothing_has_no_variance),
        cmocka_unit_test(test_equal_values_vary_by_exactly_nothing),
        cmocka_unit_test(test_special_values_leave_again),
        cmocka_unit_test(test_256_bits_overflow_into_the_spill_and_back),
        cmocka_unit_test(test_counts_beyond_one_division),
        cmocka_unit_test(test_order_and_history_do_not_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
