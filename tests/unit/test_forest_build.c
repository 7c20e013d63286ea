/*
 * The forest builder and the walk over what it built: thresholds in double, missing values, category sets,
 * several groups, both arithmetics, and what it refuses.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/build.h"

static const struct forest_head plain = {.features = 2, .groups = 1, .sum = FOREST_SUM_DOUBLE};

static struct forest_item leaf(double value)
{
    return (struct forest_item){.test = FOREST_LEAF, .value = value, .cover = 1};
}

static struct forest_item split(enum forest_test test, double threshold, int64_t yes, int64_t no)
{
    return (struct forest_item){.test = test, .value = threshold, .yes = yes, .no = no, .cover = 2};
}

static void build(const struct forest_head *head, const double *base, const struct forest_item *items,
                  int64_t n, struct forest *ret)
{
    struct forest_builder builder;
    struct error error = {0};
    if (forest_builder_init(&builder, head, base, &error) ||
        forest_builder_tree(&builder, items, n, 0, 1, &error) || forest_builder_finish(&builder, ret, &error))
        fail_msg("%s", error.message);
    forest_builder_done(&builder);
}

/* 1 where the stump's test holds, else 0. */
static double answer(const struct forest_head *head, struct forest_item root, float x)
{
    struct forest_item items[] = {root, leaf(1), leaf(0)};
    struct forest forest;
    float row[2] = {x, 0};
    double margin;
    build(head, NULL, items, 3, &forest);
    forest_margins(&forest, row, 1, &margin);
    forest_done(&forest);
    return margin;
}

/* A comparison with a double and its float32 stand-in agree on every float32 near it. */
static void test_double_thresholds(void **state)
{
    (void)state;
    static const double fixed[] = {0,        -0.0,      0.1,        1e300,          -1e300,   0x1p-149,
                                   0x1p-150, -0x1p-150, 16777217.0, 0x1.fffffep127, INFINITY, -INFINITY};
    size_t compared = 0;
    for (uint64_t i = 0; i < 400; i++) {
        double threshold = fixed[i % 12];
        if (i >= 12) {
            uint64_t bits = hash_word(i, 3);
            memcpy(&threshold, &bits, sizeof bits);
            if (i % 2)
                threshold = (double)(int64_t)bits * 0x1p-62;
            if (isnan(threshold))
                continue;
        }
        float near = (float)threshold;
        const float values[] = {near,
                                nextafterf(near, INFINITY),
                                nextafterf(near, -INFINITY),
                                0,
                                -0.0f,
                                INFINITY,
                                -INFINITY,
                                1e-45f,
                                -1e-45f};
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++, compared++) {
            double x = (double)values[v];
            assert_true(answer(&plain, split(FOREST_LESS, threshold, 1, 2), values[v]) == (x < threshold));
            assert_true(answer(&plain, split(FOREST_AT_MOST, threshold, 1, 2), values[v]) ==
                        (x <= threshold));
            assert_true(answer(&plain, split(FOREST_EQUAL, threshold, 1, 2), values[v]) == (x == threshold));
        }
    }
    assert_true(compared > 2000);
}

static void test_missing(void **state)
{
    (void)state;
    struct forest_item root = split(FOREST_LESS, -1, 1, 2);
    assert_true(answer(&plain, root, NAN) == 0);
    assert_true(answer(&plain, root, 1e-36f) == 0);
    root.missing_yes = true;
    assert_true(answer(&plain, root, NAN) == 1);
    assert_true(answer(&plain, root, -1e-36f) == 0);
    root.zero_missing = true;
    assert_true(answer(&plain, root, -1e-36f) == 1);
    assert_true(answer(&plain, root, 1e-35f) == 1);
    assert_true(answer(&plain, root, nextafterf(1e-35f, 1)) == 0);
}

static void test_categories(void **state)
{
    (void)state;
    const uint32_t words[] = {1u << 0 | 1u << 31, 1u << 1, 0};
    struct forest_item root = split(FOREST_MEMBER, 0, 1, 2);
    root.set = words;
    root.set_words = 3;
    static const struct {
        float x;
        double member;
    } cases[] = {{0, 1},     {-0.0f, 1},    {0.9f, 1},     {1, 0},         {31, 1},    {32, 0},
                 {33, 1},    {64, 0},       {95, 0},       {96, 0},        {-0.5f, 0}, {-1, 0},
                 {1e30f, 0}, {1u << 24, 0}, {INFINITY, 0}, {-INFINITY, 0}, {NAN, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_true(answer(&plain, root, cases[i].x) == cases[i].member);
    struct forest_head fractions = plain;
    fractions.fractions_of_category = true;
    assert_true(answer(&fractions, root, -0.5f) == 1);
    assert_true(answer(&fractions, root, -1) == 0);
    root.missing_yes = true;
    assert_true(answer(&plain, root, NAN) == 1);
}

/* Three groups, leaves of 0.1 each: the sums differ by their arithmetic, as do the scores. */
static void test_groups_and_arithmetic(void **state)
{
    (void)state;
    static const double base[] = {0.5, 0, -1};
    for (int sum = FOREST_SUM_FLOAT; sum <= FOREST_SUM_DOUBLE; sum++) {
        struct forest_head head = {
            .features = 1, .groups = 3, .sum = sum, .link = FOREST_ARGMAX, .divisor = 2};
        struct forest_builder builder;
        struct forest forest;
        struct forest_item item = leaf(0.1);
        struct error error = {0};
        assert_int_equal(forest_builder_init(&builder, &head, base, &error), OK);
        for (int t = 0; t < 30; t++)
            assert_int_equal(forest_builder_tree(&builder, &item, 1, t % 3, t < 3 ? 0.5 : 1, &error), OK);
        assert_int_equal(forest_builder_finish(&builder, &forest, &error), OK);
        forest_builder_done(&builder);
        double margins[6];
        float rows[2] = {0, NAN}, scores[6];
        forest_margins(&forest, rows, 2, margins);
        for (int g = 0; g < 3; g++) {
            float in_float = (float)base[g];
            double in_double = 0;
            for (int t = 0; t < 10; t++) {
                in_float += t ? 0.1f : 0.1f * 0.5f;
                in_double += t ? 0.1 : 0.1 * 0.5;
            }
            double expected = sum == FOREST_SUM_FLOAT ? (double)(in_float / 2) : in_double / 2 + base[g];
            assert_true(margins[g] == expected && margins[3 + g] == expected);
        }
        forest_apply_link(&forest.head, margins, 2, scores);
        assert_int_equal(forest_outputs(&forest), 1);
        assert_true(scores[0] == 0 && scores[1] == 0);
        forest.head.link = FOREST_SOFTMAX_DOUBLE;
        forest_apply_link(&forest.head, margins, 2, scores);
        assert_int_equal(forest_outputs(&forest), 3);
        double total = 0;
        for (int g = 0; g < 3; g++)
            total += exp(margins[g]);
        for (int g = 0; g < 3; g++)
            assert_true(fabs((double)scores[3 + g] - exp(margins[g]) / total) < 1e-7);
        forest_done(&forest);
    }
}

static void expect_refusal(const struct forest_head *head, const struct forest_item *items, int64_t n,
                           enum code code, const char *part)
{
    struct forest_builder builder;
    struct error error = {0};
    int got = forest_builder_init(&builder, head, NULL, &error);
    if (!got)
        got = forest_builder_tree(&builder, items, n, 0, 1, &error);
    if (got != (int)code || !strstr(error.message, part))
        fail_msg("expected \"%s\", got %d \"%s\"", part, got, error.message);
    forest_builder_done(&builder);
}

static void test_refusals(void **state)
{
    (void)state;
    struct forest_item good[] = {split(FOREST_LESS, 0, 1, 2), leaf(1), leaf(0)}, items[3];
    struct forest_head head = plain;
    head.groups = LIMIT_MODEL_OUTPUTS + 1;
    expect_refusal(&head, good, 3, CODE_LIMIT, "outputs");
    head = plain;
    head.divisor = NAN;
    expect_refusal(&head, good, 3, CODE_INVALID, "divisor");
    expect_refusal(&plain, good, 0, CODE_INVALID, "tree 0 has no node");
    memcpy(items, good, sizeof good);
    items[0].value = NAN;
    expect_refusal(&plain, items, 3, CODE_INVALID, "tree 0 node 0: the threshold is not a number");
    memcpy(items, good, sizeof good);
    items[1].value = INFINITY;
    expect_refusal(&plain, items, 3, CODE_INVALID, "tree 0 node 1: the leaf's value is not a finite number");
    memcpy(items, good, sizeof good);
    items[2].cover = -1;
    expect_refusal(&plain, items, 3, CODE_INVALID, "tree 0 node 2: the cover");
    memcpy(items, good, sizeof good);
    items[0].no = 0;
    expect_refusal(&plain, items, 3, CODE_INVALID, "tree 0 node 0: its right child 0 is reached a second");
    memcpy(items, good, sizeof good);
    items[0].feature = 2;
    expect_refusal(&plain, items, 3, CODE_INVALID, "the split's feature is not one of 0 to 1");
    uint32_t *words = memory_new(LIMIT_CATEGORY / 32 + 1, sizeof *words);
    words[LIMIT_CATEGORY / 32] = 1;
    memcpy(items, good, sizeof good);
    items[0].test = FOREST_MEMBER;
    items[0].set = words;
    items[0].set_words = LIMIT_CATEGORY / 32 + 1;
    expect_refusal(&plain, items, 3, CODE_LIMIT, "a category is beyond");
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double_thresholds), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_categories),        cmocka_unit_test(test_groups_and_arithmetic),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
