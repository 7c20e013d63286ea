/*
 * Logistic regression: at the optimum of a convex function the gradient is zero, and that is computed here
 * anew, in the plainest way. A case with one binary feature has its optimum in closed form without penalty.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/hash.h"
#include "base/memory.h"
#include "model/model.h"
#include "train/logistic.h"

enum { ROWS = 2500, FEATURES = 5 };
static const char *const names[FEATURES] = {"a", "b", "c", "d", "constant"};
static float x[ROWS * FEATURES], y[ROWS], weights[ROWS];

static double unit(uint64_t i, uint64_t seed)
{
    return (double)(hash_word(i, seed) >> 11) * 0x1p-53;
}

/* Features of very different size, one nearly a copy of another, some values missing, one constant. */
static struct examples make(void)
{
    for (uint64_t r = 0; r < ROWS; r++) {
        float *row = x + r * FEATURES;
        row[0] = (float)(unit(r, 1) * 1000);
        row[1] = (float)(unit(r, 2) * 1e-3);
        row[2] = row[0] + (float)unit(r, 3);
        row[3] = unit(r, 4) < 0.2 ? NAN : (float)floor(unit(r, 5) * 4);
        row[4] = 3.3f;
        double margin = (double)row[0] / 200 - 4 + (isnan(row[3]) ? 0 : (double)row[3] - 1.5);
        y[r] = unit(r, 6) < 1 / (1 + exp(-margin));
        weights[r] = (float)(0.5 + unit(r, 7));
    }
    return (struct examples){.rows = ROWS, .x = x, .labels = y};
}

struct solution {
    double intercept, weights[FEATURES], means[FEATURES], sds[FEATURES];
};

static void read_array(yyjson_val *root, const char *name, double *ret)
{
    for (size_t i = 0; i < FEATURES; i++)
        ret[i] = yyjson_get_num(yyjson_arr_get(yyjson_obj_get(root, name), i));
}

static struct solution train(const struct examples *examples, struct trainer_options options)
{
    struct trained trained = {0};
    struct error error = {0};
    struct solution solution;
    options.names = names;
    options.features = FEATURES;
    if (logistic_train(examples, NULL, &options, &trained, &error))
        fail_msg("%s", error.message);
    assert_true(trained.converged);
    assert_true(trained.rounds < 300);
    yyjson_doc *document = yyjson_read(trained.model, trained.model_size, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    solution.intercept = yyjson_get_num(yyjson_obj_get(root, "intercept"));
    read_array(root, "weights", solution.weights);
    read_array(root, "means", solution.means);
    read_array(root, "sds", solution.sds);
    yyjson_doc_free(document);
    trained_done(&trained);
    return solution;
}

/* The largest part of the gradient per row, from the definition. */
static double gradient(const struct examples *examples, const struct solution *s, double c, double positive,
                       double negative)
{
    double g[FEATURES + 1] = {0}, largest = 0, total = 0;
    for (int r = 0; r < ROWS; r++) {
        double z[FEATURES], margin = s->intercept;
        for (int f = 0; f < FEATURES; f++) {
            double value = (double)x[r * FEATURES + f];
            z[f] = isnan(value) || s->sds[f] == 0 ? 0 : (value - s->means[f]) / s->sds[f];
            margin += s->weights[f] * z[f];
        }
        double weight =
            (y[r] == 1 ? positive : negative) * (examples->weights ? (double)examples->weights[r] : 1);
        double residual = weight * (1 / (1 + exp(-margin)) - (double)y[r]);
        for (int f = 0; f < FEATURES; f++)
            g[f] += residual * z[f];
        g[FEATURES] += residual;
        total += weight;
    }
    for (int f = 0; f < FEATURES; f++)
        largest = fmax(largest, fabs(g[f] + s->weights[f] / c));
    return fmax(largest, fabs(g[FEATURES])) / total;
}

static void test_gradient_is_zero(void **state)
{
    (void)state;
    struct examples examples = make();
    struct solution s = train(&examples, (struct trainer_options){0});
    assert_true(gradient(&examples, &s, 1, 1, 1) < 2e-8);
    assert_true(fabs(s.weights[0] + s.weights[2]) > 0.5);
    assert_true(s.sds[4] == 0 && s.weights[4] == 0);
    assert_true(fabs(s.means[4] - 3.3) < 1e-6);
}

static void test_penalty_weights_and_balance(void **state)
{
    (void)state;
    struct examples examples = make();
    struct param strong[] = {{"C", "0.001"}};
    struct solution s = train(&examples, (struct trainer_options){.params = strong, .n_params = 1});
    assert_true(gradient(&examples, &s, 0.001, 1, 1) < 2e-8);
    double frauds = 0;
    for (int r = 0; r < ROWS; r++)
        frauds += (double)y[r];
    s = train(&examples, (struct trainer_options){.balanced = true});
    assert_true(gradient(&examples, &s, 1, ROWS / (2 * frauds), ROWS / (2 * (ROWS - frauds))) < 2e-8);
    examples.weights = weights;
    s = train(&examples, (struct trainer_options){0});
    assert_true(gradient(&examples, &s, 1, 1, 1) < 2e-8);
}

/* Separable rows: without the penalty the weights would grow for ever. */
static void test_separable(void **state)
{
    (void)state;
    struct examples examples = make();
    for (int r = 0; r < ROWS; r++)
        y[r] = x[r * FEATURES] > 500;
    struct param weak[] = {{"C", "1000000"}};
    struct solution s = train(&examples, (struct trainer_options){.params = weak, .n_params = 1});
    assert_true(gradient(&examples, &s, 1e6, 1, 1) < 2e-8);
}

static void test_same_bytes_again(void **state)
{
    (void)state;
    struct examples examples = make();
    struct solution a = train(&examples, (struct trainer_options){0}),
                    b = train(&examples, (struct trainer_options){0});
    assert_memory_equal(&a, &b, sizeof a);
}

static void test_bad_parameters(void **state)
{
    (void)state;
    struct examples examples = make();
    static const struct {
        struct param param;
        const char *part;
    } cases[] = {{{"c", "1"}, "no parameter \"c\""}, {{"C", "0"}, "C=0"}, {{"tol", "x"}, "tol=x"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trainer_options options = {
            .names = names, .features = FEATURES, .params = &cases[i].param, .n_params = 1};
        struct trained trained = {0};
        struct error error = {0};
        assert_int_equal(logistic_train(&examples, NULL, &options, &trained, &error), CODE_USAGE);
        assert_non_null(strstr(error.message, cases[i].part));
        assert_null(trained.model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_is_zero), cmocka_unit_test(test_penalty_weights_and_balance),
        cmocka_unit_test(test_separable),        cmocka_unit_test(test_same_bytes_again),
        cmocka_unit_test(test_bad_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
