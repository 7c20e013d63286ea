/*
 * Every kernel against the walk over the plain nodes, on random forests of many shapes: the same bits for
 * every row, alone and in batches.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmocka.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "model/forest/build.h"
#include "model/forest/engine.h"

struct random {
    uint64_t state;
};

static uint64_t draw(struct random *random, uint64_t below)
{
    return hash_word(++random->state, 29) % below;
}

/* What a random forest is made of. */
struct shape {
    const char *name;
    int features, trees, depth, groups;
    int thresholds;  /* distinct ones per feature */
    int full;        /* of 100 places above the depth, how many are splits */
    int odd;         /* of 100 splits, how many test equality or membership */
    bool both_sides; /* missing values of a feature go left here and right there */
    enum forest_sum sum;
};

static const struct shape shapes[] = {
    {"constant", 1, 3, 0, 1, 1, 0, 0, false, FOREST_SUM_FLOAT},
    {"stump", 1, 1, 1, 1, 1, 100, 0, false, FOREST_SUM_FLOAT},
    {"small", 3, 10, 3, 1, 5, 90, 0, true, FOREST_SUM_DOUBLE},
    {"all depths", 5, 40, 8, 1, 12, 60, 0, true, FOREST_SUM_FLOAT},
    {"typical", 13, 100, 8, 1, 250, 97, 0, false, FOREST_SUM_FLOAT},
    {"in double", 28, 50, 7, 1, 100, 97, 0, true, FOREST_SUM_DOUBLE},
    {"many thresholds", 4, 60, 9, 1, 2000, 97, 0, true, FOREST_SUM_FLOAT},
    {"exactly 255", 1, 30, 8, 1, 255, 100, 0, false, FOREST_SUM_FLOAT},
    {"exactly 256", 1, 30, 8, 1, 256, 100, 0, false, FOREST_SUM_FLOAT},
    {"depth 12", 20, 12, 12, 1, 60, 99, 0, true, FOREST_SUM_FLOAT},
    {"leaf-wise", 20, 40, 30, 1, 60, 70, 0, true, FOREST_SUM_DOUBLE},
    {"three classes", 10, 90, 5, 3, 40, 95, 0, true, FOREST_SUM_FLOAT},
    {"seven classes", 10, 70, 9, 7, 40, 90, 10, true, FOREST_SUM_DOUBLE},
    {"categories", 8, 60, 6, 1, 20, 95, 40, true, FOREST_SUM_FLOAT},
    {"40 columns", 40, 60, 7, 1, 30, 97, 0, false, FOREST_SUM_FLOAT},
    {"60 columns", 60, 60, 7, 1, 30, 97, 0, false, FOREST_SUM_FLOAT},
    {"150 columns", 150, 80, 7, 1, 30, 97, 0, false, FOREST_SUM_FLOAT},
    {"700 features", 700, 200, 8, 1, 30, 97, 0, true, FOREST_SUM_FLOAT},
    {"2000 features", 2000, 300, 7, 1, 500, 97, 0, true, FOREST_SUM_DOUBLE},
    {"2000 trees", 30, 2000, 6, 1, 100, 97, 0, false, FOREST_SUM_FLOAT},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], MOST_ITEMS = 1 << 14, ROWS = 301 };

/* Thresholds and values come from the same few numbers, so that they meet. */
static float number(const struct shape *shape, uint64_t feature, uint64_t which)
{
    static const float special[] = {0, -0.0f, 1e-40f, -1e-45f, 1e-35f, 3e38f, -3e38f, 1, 2, 7};
    uint64_t i = which % (uint64_t)shape->thresholds;
    if (i < sizeof special / sizeof special[0] && shape->thresholds > 8)
        return special[i];
    return (float)((double)(hash_word(i, feature) >> 40) * 0x1p-20 - 8);
}

static struct forest_item random_split(const struct shape *shape, struct random *random,
                                       const uint32_t *words)
{
    uint64_t feature = draw(random, (uint64_t)shape->features);
    struct forest_item item = {.test = draw(random, 3) ? FOREST_LESS : FOREST_AT_MOST,
                               .feature = (int64_t)feature,
                               .value = (double)number(shape, feature, draw(random, UINT64_MAX)),
                               .missing_yes = shape->both_sides ? draw(random, 2) : feature % 2,
                               .zero_missing = shape->both_sides && draw(random, 10) == 0,
                               .cover = 1};
    if (draw(random, 100) < (uint64_t)shape->odd) {
        item.test = draw(random, 3) ? FOREST_MEMBER : FOREST_EQUAL;
        item.set = words + draw(random, 3);
        item.set_words = draw(random, 3);
    }
    if (item.test == FOREST_AT_MOST && draw(random, 20) == 0)
        item.value = INFINITY;
    return item;
}

/* Grows a tree in the items and returns how many there are. */
static int64_t random_tree(const struct shape *shape, struct random *random, const uint32_t *words,
                           struct forest_item *items, int *levels)
{
    int64_t n = 1;
    levels[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        bool split = levels[i] < shape->depth && n + 2 <= MOST_ITEMS &&
                     draw(random, 100) < (i ? (uint64_t)shape->full : 95);
        if (!split) {
            items[i] = (struct forest_item){.test = FOREST_LEAF,
                                            .value = ((double)draw(random, 1 << 30) - (1 << 29)) * 0x1.7p-31};
            continue;
        }
        items[i] = random_split(shape, random, words);
        items[i].yes = n;
        items[i].no = n + 1;
        levels[n] = levels[n + 1] = levels[i] + 1;
        n += 2;
    }
    return n;
}

static void random_forest(const struct shape *shape, struct random *random, struct forest *ret)
{
    static const uint32_t words[] = {0x86, 0, 0x80000001, 0x13, 0};
    struct forest_head head = {.features = shape->features,
                               .groups = shape->groups,
                               .sum = shape->sum,
                               .link = FOREST_IDENTITY,
                               .divisor = draw(random, 2) ? 1 : 3,
                               .fractions_of_category = draw(random, 2)};
    double base[8] = {0.25, -1, 0.125, 3, 0, 1, 2};
    struct forest_item *items = memory_new(MOST_ITEMS, sizeof *items);
    int *levels = memory_new(MOST_ITEMS, sizeof *levels);
    struct forest_builder builder;
    struct error error = {0};
    int code = forest_builder_init(&builder, &head, base, &error);
    for (int t = 0; !code && t < shape->trees; t++) {
        int64_t n = random_tree(shape, random, words, items, levels);
        code = forest_builder_tree(&builder, items, n, (int64_t)draw(random, (uint64_t)shape->groups), 1,
                                   &error);
    }
    if (code || forest_builder_finish(&builder, ret, &error))
        fail_msg("%s: %s", shape->name, error.message);
    forest_builder_done(&builder);
    free(items);
    free(levels);
}

static void random_rows(const struct shape *shape, struct random *random, float *rows)
{
    for (size_t i = 0; i < (size_t)ROWS * (size_t)shape->features; i++) {
        uint64_t kind = draw(random, 20);
        float value = number(shape, i % (uint64_t)shape->features, draw(random, UINT64_MAX));
        rows[i] = kind == 0   ? NAN
                  : kind == 1 ? -NAN
                  : kind == 2 ? INFINITY
                  : kind == 3 ? -INFINITY
                  : kind == 4 ? (float)draw(random, 100)
                  : kind == 5 ? -0.5f
                  : kind == 6 ? nextafterf(value, INFINITY)
                  : kind == 7 ? nextafterf(value, -INFINITY)
                  : kind == 8 ? -value
                              : value;
    }
}

/* Scores are float32, margins were; a margin of a forest that sums in double is rounded once. */
static size_t differing(const struct forest *forest, const double *margins, const float *scores, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n * (size_t)forest->head.groups; i++) {
        float expected = (float)margins[i];
        count += memcmp(&expected, &scores[i], sizeof expected) != 0;
    }
    return count;
}

/* Engines compared: those that walk the plain nodes, and compiled ones. */
static size_t compared[2];

static void check(const struct shape *shape, const struct forest *forest, const float *rows,
                  const double *margins, const char *kernel)
{
    struct forest_engine engine;
    struct error error = {0};
    setenv("SHRIKE_KERNEL", kernel, 1);
    int code = forest_engine_init(&engine, forest, &error);
    unsetenv("SHRIKE_KERNEL");
    if (code == CODE_USAGE)
        return; /* this processor has it not */
    if (code)
        fail_msg("%s: %s", shape->name, error.message);
    compared[engine.kernel != NULL]++;
    size_t width = (size_t)shape->features, groups = (size_t)shape->groups;
    float *scores = memory_new(ROWS * groups, sizeof *scores);
    static const size_t sizes[] = {1, 2, 7, 8, 63, 64, 65, 256, 257, ROWS};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t r = 0; r < ROWS; r += sizes[s]) {
            size_t n = ROWS - r < sizes[s] ? ROWS - r : sizes[s];
            forest_engine_predict(&engine, rows + r * width, n, scores + r * groups);
        }
        size_t count = differing(forest, margins, scores, ROWS);
        if (count)
            fail_msg("%s, kernel %s (%s), batches of %zu: %zu scores differ", shape->name, kernel,
                     forest_engine_name(&engine), sizes[s], count);
    }
    free(scores);
    forest_engine_done(&engine);
}

static const char *const kernels[] = {"scalar", "avx2", "avx512"};

static void test_random_forests(void **state)
{
    (void)state;
    struct random random = {11};
    for (int s = 0; s < SHAPES; s++)
        for (int round = 0; round < (shapes[s].trees < 200 ? 4 : 1); round++) {
            const struct shape *shape = &shapes[s];
            struct forest forest;
            random_forest(shape, &random, &forest);
            float *rows = memory_new((size_t)ROWS * (size_t)shape->features, sizeof *rows);
            double *margins = memory_new((size_t)ROWS * (size_t)shape->groups, sizeof *margins);
            random_rows(shape, &random, rows);
            forest_margins(&forest, rows, ROWS, margins);
            for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
                check(shape, &forest, rows, margins, kernels[k]);
            free(rows);
            free(margins);
            forest_done(&forest);
        }
    print_message("%zu compiled engines compared, %zu walked as they are\n", compared[1], compared[0]);
    assert_true(compared[1] > 2 * compared[0]);
}

/* A program that flushes denormals must get the same scores. */
static void test_flushing(void **state)
{
    (void)state;
#if defined(__x86_64__)
    struct random random = {12};
    const struct shape *shape = &shapes[4];
    struct forest forest;
    random_forest(shape, &random, &forest);
    float *rows = memory_new((size_t)ROWS * (size_t)shape->features, sizeof *rows);
    double *margins = memory_new(ROWS, sizeof *margins);
    random_rows(shape, &random, rows);
    forest_margins(&forest, rows, ROWS, margins);
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
        check(shape, &forest, rows, margins, kernels[k]);
    _mm_setcsr(before);
    free(rows);
    free(margins);
    forest_done(&forest);
#endif
}

static void test_kernel_by_name(void **state)
{
    (void)state;
    struct random random = {13};
    struct forest forest;
    struct forest_engine engine;
    struct error error = {0};
    random_forest(&shapes[3], &random, &forest);
    setenv("SHRIKE_KERNEL", "mmx", 1);
    assert_int_equal(forest_engine_init(&engine, &forest, &error), CODE_USAGE);
    assert_non_null(strstr(error.message, "'mmx' is no kernel; expected scalar, avx2 or avx512"));
    setenv("SHRIKE_KERNEL", "scalar", 1);
    assert_int_equal(forest_engine_init(&engine, &forest, &error), OK);
    assert_string_equal(forest_engine_name(&engine), "scalar");
    assert_string_equal(engine.why, "SHRIKE_KERNEL names it");
    forest_engine_done(&engine);
    unsetenv("SHRIKE_KERNEL");
    forest_done(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_forests),
        cmocka_unit_test(test_flushing),
        cmocka_unit_test(test_kernel_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
