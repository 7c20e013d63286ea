/*
 * Contributions by integration against the published algorithm, on random forests: with covers of zero,
 * features passed many times, deep trees, several groups; and their sum against the margin.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "differential/random_forest.h"
#include "differential/shap_oracle.h"
#include "model/forest/engine.h"

enum { ROWS = 19 }; /* two blocks and a rest */

struct worst {
    double apart, sum; /* in shares of a row's largest contribution */
};

static void compare(const struct forest *forest, const double *ours, const double *theirs,
                    const double *margins, struct worst *worst)
{
    size_t width = (size_t)forest->head.features + 1;
    for (size_t i = 0; i < ROWS * (size_t)forest->head.groups; i++) {
        double largest = 1e-9, apart = 0, sum = 0;
        for (size_t f = 0; f < width; f++) {
            sum += ours[i * width + f];
            largest = fmax(largest, fabs(theirs[i * width + f]));
            apart = fmax(apart, fabs(theirs[i * width + f] - ours[i * width + f]));
        }
        worst->apart = fmax(worst->apart, apart / largest);
        worst->sum = fmax(worst->sum, fabs(sum - margins[i]) / largest);
    }
}

static void check(const struct forest_shape *shape, struct forest_random *random, const char *kernel,
                  struct worst *worst)
{
    struct forest forest;
    struct forest_engine engine;
    struct shap_plan plan;
    struct error error = {0};
    random_forest(shape, random, &forest);
    setenv("SHRIKE_KERNEL", kernel, 1);
    int code = forest_engine_init(&engine, &forest, &error);
    unsetenv("SHRIKE_KERNEL");
    if (code == CODE_USAGE) {
        forest_done(&forest);
        return; /* this processor has it not */
    }
    if (code || shap_plan_init(&plan, &forest, &error))
        fail_msg("%s: %s", shape->name, error.message);
    size_t groups = (size_t)shape->groups, width = (size_t)shape->features + 1;
    float *rows = memory_new(FOREST_ROWS * (width - 1), sizeof *rows);
    double *margins = memory_new(ROWS * groups, sizeof *margins);
    double *ours = memory_new(ROWS * groups * width, sizeof *ours);
    double *theirs = memory_new(ROWS * groups * width, sizeof *theirs);
    void *scratch = malloc(shap_scratch(&plan)), *slow = malloc(shap_oracle_scratch(&forest));
    random_rows(shape, random, rows);
    forest_margins(&forest, rows, ROWS, margins);
    engine.explain(&plan, rows, ROWS, ours, scratch);
    shap_oracle(&forest, rows, ROWS, theirs, slow);
    compare(&forest, ours, theirs, margins, worst);
    free(rows);
    free(margins);
    free(ours);
    free(theirs);
    free(scratch);
    free(slow);
    shap_plan_done(&plan);
    forest_engine_done(&engine);
    forest_done(&forest);
}

static void test_random_forests(void **state)
{
    (void)state;
    static const char *const kernels[] = {"scalar", "avx2", "avx512"};
    struct forest_random random = {21};
    struct worst worst = {0};
    for (int s = 0; s < FOREST_SHAPES; s++)
        for (size_t k = 0; k < sizeof kernels / sizeof kernels[0] && forest_shapes[s].trees <= 100; k++)
            check(&forest_shapes[s], &random, kernels[k], &worst);
    print_message("largest difference %.2g, of the sum to the margin %.2g\n", worst.apart, worst.sum);
    assert_true(worst.apart < 1e-9);
    assert_true(worst.sum < 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_forests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
