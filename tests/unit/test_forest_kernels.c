/*
 * Every kernel against the walk over the plain nodes, on random forests of many shapes: the same bits for
 * every row, alone and in batches.
 */
#include <math.h>
#include <pthread.h>
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
#include "base/memory.h"
#include "differential/random_forest.h"
#include "model/forest/engine.h"

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

/* Engines compared: those that walk the plain nodes, those that walk over values, and those that quantise. */
enum { PLAIN, DIRECT, QUANTISED };
static size_t compared[3];

static void check(const struct forest_shape *shape, const struct forest *forest, const float *rows,
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
    compared[!engine.kernel ? PLAIN : engine.direct ? DIRECT : QUANTISED]++;
    size_t width = (size_t)shape->features, groups = (size_t)shape->groups;
    float *scores = memory_new(FOREST_ROWS * groups, sizeof *scores);
    static const size_t sizes[] = {1, 2, 7, 8, 63, 64, 65, 256, 257, FOREST_ROWS};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (size_t r = 0; r < FOREST_ROWS; r += sizes[s]) {
            size_t n = FOREST_ROWS - r < sizes[s] ? FOREST_ROWS - r : sizes[s];
            forest_engine_predict(&engine, rows + r * width, n, scores + r * groups);
        }
        size_t count = differing(forest, margins, scores, FOREST_ROWS);
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
    struct forest_random random = {11};
    for (int s = 0; s < FOREST_SHAPES; s++)
        for (int round = 0; round < (forest_shapes[s].trees < 200 ? 4 : 1); round++) {
            const struct forest_shape *shape = &forest_shapes[s];
            struct forest forest;
            random_forest(shape, &random, &forest);
            float *rows = memory_new((size_t)FOREST_ROWS * (size_t)shape->features, sizeof *rows);
            double *margins = memory_new((size_t)FOREST_ROWS * (size_t)shape->groups, sizeof *margins);
            random_rows(shape, &random, rows);
            forest_margins(&forest, rows, FOREST_ROWS, margins);
            for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++)
                check(shape, &forest, rows, margins, kernels[k]);
            free(rows);
            free(margins);
            forest_done(&forest);
        }
    print_message("%zu engines that quantise, %zu that walk over values, %zu over the plain nodes\n",
                  compared[QUANTISED], compared[DIRECT], compared[PLAIN]);
    assert_true(compared[QUANTISED] > 2 * (compared[DIRECT] + compared[PLAIN]));
    assert_true(compared[DIRECT] >= 30);
}

/* A program that flushes denormals must get the same scores. */
static void test_flushing(void **state)
{
    (void)state;
#if defined(__x86_64__)
    struct forest_random random = {12};
    const struct forest_shape *shape = &forest_shapes[4];
    struct forest forest;
    random_forest(shape, &random, &forest);
    float *rows = memory_new((size_t)FOREST_ROWS * (size_t)shape->features, sizeof *rows);
    double *margins = memory_new(FOREST_ROWS, sizeof *margins);
    random_rows(shape, &random, rows);
    forest_margins(&forest, rows, FOREST_ROWS, margins);
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
    struct forest_random random = {13};
    struct forest forest;
    struct forest_engine engine;
    struct error error = {0};
    random_forest(&forest_shapes[3], &random, &forest);
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

static size_t rows_alone(int shape, const char *kernel)
{
    struct forest_random random = {15};
    struct forest forest;
    struct forest_engine engine;
    struct error error = {0};
    random_forest(&forest_shapes[shape], &random, &forest);
    setenv("SHRIKE_KERNEL", kernel, 1);
    int code = forest_engine_init(&engine, &forest, &error);
    unsetenv("SHRIKE_KERNEL");
    size_t alone = engine.alone;
    forest_engine_done(&engine);
    forest_done(&forest);
    return code ? 0 : alone; /* 0: this processor has the kernel not */
}

/* Few rows go one by one: more where bundles have many splits and look at few registers. */
static void test_rows_alone(void **state)
{
    (void)state;
    enum { SMALL = 2, COLUMNS_60 = 15, COLUMNS_28 = 16, COLUMNS_150 = 19, OVER_VALUES = 23 };
    for (size_t k = 1; k < sizeof kernels / sizeof kernels[0]; k++)
        if (rows_alone(SMALL, kernels[k])) {
            assert_int_equal(rows_alone(SMALL, kernels[k]), 4);
            assert_int_equal(rows_alone(COLUMNS_28, kernels[k]), 8);
            assert_int_equal(rows_alone(COLUMNS_60, kernels[k]), 5);
            assert_int_equal(rows_alone(COLUMNS_150, kernels[k]), 3);
            assert_int_equal(rows_alone(OVER_VALUES, kernels[k]), 3);
        }
    assert_int_equal(rows_alone(COLUMNS_28, "scalar"), 3);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* What include/shrike/scorer.h promises of the stack; sanitizers take more. */
static void test_stack(void **state)
{
    (void)state;
}
#else
/* Scoring in a thread whose stack is painted, to see how far it came. */
struct deep {
    const struct forest_engine *engine;
    const float *rows;
    float *scores;
    const uint8_t *top; /* where the thread's own variables lie; above are those of libraries */
};

static void *score_deep(void *pointer)
{
    struct deep *deep = pointer;
    uint8_t here = 0;
    deep->top = &here;
    forest_engine_predict(deep->engine, deep->rows, FOREST_ROWS, deep->scores);
    forest_engine_predict(deep->engine, deep->rows, 1, deep->scores);
    return NULL;
}

enum { STACK = 1 << 20, PAINT = 0xa5 };

static size_t stack_used(struct deep *deep)
{
    uint8_t *stack = memory_aligned(STACK);
    pthread_attr_t attributes;
    pthread_t thread;
    memset(stack, PAINT, STACK);
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, score_deep, deep), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    size_t untouched = 0;
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    size_t used = (size_t)(deep->top - stack) - untouched;
    free(stack);
    return used;
}

/* What include/shrike/scorer.h promises. */
static void test_stack(void **state)
{
    (void)state;
    struct forest_random random = {14};
    for (int s = 0; s < FOREST_SHAPES; s++) {
        const struct forest_shape *shape = &forest_shapes[s];
        struct forest forest;
        random_forest(shape, &random, &forest);
        float *rows = memory_new((size_t)FOREST_ROWS * (size_t)shape->features, sizeof *rows);
        float *scores = memory_new((size_t)FOREST_ROWS * (size_t)shape->groups, sizeof *scores);
        random_rows(shape, &random, rows);
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
            struct forest_engine engine;
            struct error error = {0};
            setenv("SHRIKE_KERNEL", kernels[k], 1);
            if (forest_engine_init(&engine, &forest, &error))
                continue; /* this processor has it not */
            size_t used = stack_used(&(struct deep){&engine, rows, scores, NULL});
            if (used > (shape->groups > 512 ? 128u << 10 : 64u << 10))
                fail_msg("%s, kernel %s: %zu bytes of stack", shape->name, kernels[k], used);
            forest_engine_done(&engine);
        }
        unsetenv("SHRIKE_KERNEL");
        free(rows);
        free(scores);
        forest_done(&forest);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_forests),
        cmocka_unit_test(test_flushing),
        cmocka_unit_test(test_kernel_by_name),
        cmocka_unit_test(test_rows_alone),
        cmocka_unit_test(test_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
