/* Training through XGBoost's C API: what goes in is used or refused, what comes out predicts with the best
 * rounds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/hash.h"
#include "base/memory.h"
#include "model/model.h"
#include "train/xgboost.h"

enum { ROWS = 3000, FEATURES = 4 };
static const char *const names[FEATURES] = {"amount", "night", "customer_count_7d", "noise"};

struct sample {
    float x[ROWS * FEATURES], y[ROWS];
    struct examples examples;
};

static double unit(uint64_t i, uint64_t seed)
{
    return (double)(hash_word(i, seed) >> 11) * 0x1p-53;
}

static struct sample *make(uint64_t seed)
{
    struct sample *s = memory_new(1, sizeof *s);
    for (uint64_t r = 0; r < ROWS; r++) {
        for (uint64_t f = 0; f < FEATURES; f++)
            s->x[r * FEATURES + f] = (float)unit(r * FEATURES + f, seed);
        if (unit(r, seed + 1) < 0.1)
            s->x[r * FEATURES + 2] = NAN;
        double margin = 6 * ((double)s->x[r * FEATURES] - 0.5) + 2 * (double)s->x[r * FEATURES + 1] - 3;
        s->y[r] = unit(r, seed + 2) < 1 / (1 + exp(-margin));
    }
    s->examples = (struct examples){.rows = ROWS, .x = s->x, .labels = s->y};
    return s;
}

static struct trainer_options base_options(void)
{
    return (struct trainer_options){.names = names, .features = FEATURES, .seed = 42, .threads = 1};
}

static void expect(const struct param *params, int n, int early_stopping, enum code code, const char *part)
{
    struct sample *train = make(1);
    struct trainer_options options = base_options();
    struct trained trained = {0};
    struct error error = {0};
    options.params = params;
    options.n_params = n;
    options.rounds = 2;
    options.early_stopping = early_stopping;
    int got = xgboost_train(&train->examples, NULL, &options, &trained, &error);
    if (got != (int)code || !strstr(error.message, part))
        fail_msg("expected %s with \"%s\", got %d \"%s\"", code_info(code)->name, part, got, error.message);
    assert_null(trained.model);
    free(train);
}

static void test_bad_parameters(void **state)
{
    (void)state;
    expect((struct param[]){{"max_dept", "3"}}, 1, 0, CODE_USAGE, "\"max_dept\"");
    expect((struct param[]){{"max_depth", "deep"}}, 1, 0, CODE_INVALID, "max_depth");
    expect((struct param[]){{"eta", "-1"}}, 1, 0, CODE_INVALID, "XGBoost cannot");
    expect((struct param[]){{"objective", "multi:softmax"}}, 1, 0, CODE_UNSUPPORTED, "multi:softmax");
    expect((struct param[]){{"booster", "gblinear"}}, 1, 0, CODE_UNSUPPORTED, "gblinear");
    expect((struct param[]){{"n_estimators", "0"}}, 1, 0, CODE_USAGE, "n_estimators=0");
    expect((struct param[]){{"base_score", "1.5"}}, 1, 0, CODE_INVALID, "base_score");
    expect((struct param[]){{"eta", "0.1"}}, 1, 5, CODE_USAGE, "early stopping");
    expect((struct param[]){{"early_stopping_rounds", "5"}}, 1, 0, CODE_USAGE, "early stopping");
}

static void test_bad_rows(void **state)
{
    (void)state;
    struct sample *s = make(1);
    struct trainer_options options = base_options();
    struct trained trained = {0};
    struct error error = {0};
    struct examples none = s->examples;
    none.rows = 0;
    assert_int_equal(xgboost_train(&none, NULL, &options, &trained, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "the training rows are empty"));
    memset(s->y, 0, sizeof s->y);
    assert_int_equal(xgboost_train(&s->examples, NULL, &options, &trained, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "without fraud"));
    s->y[3] = NAN;
    assert_int_equal(xgboost_train(&s->examples, NULL, &options, &trained, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "row 4"));
    assert_null(trained.model);
    free(s);
}

static const char *parameter(const struct trained *trained, const char *name, char *ret, size_t size)
{
    yyjson_doc *document = yyjson_read(trained->parameters, strlen(trained->parameters), 0);
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(document), name);
    if (yyjson_is_int(value))
        snprintf(ret, size, "%d", yyjson_get_int(value));
    else
        snprintf(ret, size, "%s", yyjson_is_str(value) ? yyjson_get_str(value) : "(none)");
    yyjson_doc_free(document);
    return ret;
}

static void test_defaults_are_written_down(void **state)
{
    (void)state;
    struct sample *train = make(1);
    struct trainer_options options = base_options();
    struct trained trained = {0};
    struct error error = {0};
    char text[64];
    struct param params[] = {{"eta", "0.25"}, {"n_estimators", "7"}, {"scale_pos_weight", "auto"}};
    options.params = params;
    options.n_params = 3;
    assert_int_equal(xgboost_train(&train->examples, NULL, &options, &trained, &error), OK);
    assert_string_equal(parameter(&trained, "tree_method", text, sizeof text), "hist");
    assert_string_equal(parameter(&trained, "base_score", text, sizeof text), "5E-1");
    assert_string_equal(parameter(&trained, "eta", text, sizeof text), "0.25");
    assert_string_equal(parameter(&trained, "max_depth", text, sizeof text), "6");
    assert_string_equal(parameter(&trained, "seed", text, sizeof text), "42");
    assert_string_equal(parameter(&trained, "num_boost_round", text, sizeof text), "7");
    double frauds = 0;
    for (int r = 0; r < ROWS; r++)
        frauds += (double)train->y[r];
    double weight = strtod(parameter(&trained, "scale_pos_weight", text, sizeof text), NULL);
    assert_true(fabs(weight - (ROWS - frauds) / frauds) < 1e-4);
    assert_int_equal(trained.rounds, 7);
    assert_int_equal(trained.best_round, -1);
    assert_string_equal(trained.library, "xgboost");
    struct model *model;
    assert_int_equal(model_parse(trained.model, trained.model_size, &model, &error), OK);
    assert_string_equal(model_feature_name(model, 2), "customer_count_7d");
    model_unref(model);
    trained_done(&trained);
    free(train);
}

static double log_loss(const struct model *model, const struct sample *s)
{
    static float scores[ROWS];
    model_predict(model, s->x, ROWS, scores);
    double sum = 0;
    for (int r = 0; r < ROWS; r++)
        sum -= log(s->y[r] == 1 ? (double)scores[r] : 1 - (double)scores[r]);
    return sum / ROWS;
}

static void count_rounds(void *context, int round, const char *text)
{
    int *rounds = context;
    assert_int_equal(round, *rounds);
    assert_non_null(strstr(text, "valid-"));
    ++*rounds;
}

/* The saved model predicts with the best round as its last: its loss on the valid rows is the best score.
 */
static void test_early_stopping(void **state)
{
    (void)state;
    struct sample *train = make(1), *valid = make(9);
    struct trainer_options options = base_options();
    struct trained trained = {0};
    struct error error = {0};
    int rounds = 0;
    options.rounds = 500;
    options.early_stopping = 10;
    options.progress = count_rounds;
    options.context = &rounds;
    assert_int_equal(xgboost_train(&train->examples, &valid->examples, &options, &trained, &error), OK);
    assert_true(trained.best_round > 0 && trained.best_round < 200);
    assert_int_equal(trained.rounds, trained.best_round + 1);
    assert_int_equal(rounds, trained.best_round + 11);
    assert_string_equal(trained.metric, "valid-logloss");
    struct model *model;
    assert_int_equal(model_parse(trained.model, trained.model_size, &model, &error), OK);
    assert_true(fabs(log_loss(model, valid) - trained.best_score) < 1e-5);
    assert_non_null(strstr(trained.model, "\"best_iteration\""));
    model_unref(model);
    trained_done(&trained);
    free(train);
    free(valid);
}

/* Where more is better the direction turns: the best round is that of the highest AUC, not the first one.
 */
static void test_early_stopping_upwards(void **state)
{
    (void)state;
    struct sample *train = make(1), *valid = make(9);
    struct trainer_options options = base_options();
    struct trained trained = {0};
    struct error error = {0};
    struct param params[] = {{"eval_metric", "logloss"}, {"eval_metric", "auc"}, {"eta", "0.05"}};
    options.params = params;
    options.n_params = 3;
    options.rounds = 200;
    options.early_stopping = 10;
    assert_int_equal(xgboost_train(&train->examples, &valid->examples, &options, &trained, &error), OK);
    assert_string_equal(trained.metric, "valid-auc");
    assert_true(trained.best_round > 0);
    assert_true(trained.best_score > 0.8);
    trained_done(&trained);
    free(train);
    free(valid);
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    struct sample *train = make(1);
    struct trainer_options options = base_options();
    struct error error = {0};
    struct trained trained[3] = {{0}};
    struct param params[] = {{"subsample", "0.5"}};
    options.params = params;
    options.n_params = 1;
    options.rounds = 5;
    for (int i = 0; i < 3; i++) {
        options.seed = i < 2 ? 7 : 8;
        assert_int_equal(xgboost_train(&train->examples, NULL, &options, &trained[i], &error), OK);
    }
    assert_string_equal(trained[0].model, trained[1].model);
    assert_string_not_equal(trained[0].model, trained[2].model);
    for (int i = 0; i < 3; i++)
        trained_done(&trained[i]);
    free(train);
}

static void test_weights(void **state)
{
    (void)state;
    struct sample *train = make(1), *doubled = make(1);
    static float weights[ROWS];
    struct trainer_options options = base_options();
    struct error error = {0};
    struct trained plain, weighted;
    struct param params[] = {{"min_child_weight", "0"}, {"lambda", "0"}};
    options.params = params;
    options.n_params = 2;
    options.rounds = 3;
    for (int r = 0; r < ROWS; r++)
        weights[r] = train->y[r] == 1 ? 3 : 1;
    doubled->examples.weights = weights;
    assert_int_equal(xgboost_train(&doubled->examples, NULL, &options, &weighted, &error), OK);
    assert_int_equal(xgboost_train(&train->examples, NULL, &options, &plain, &error), OK);
    struct model *a, *b;
    assert_int_equal(model_parse(plain.model, plain.model_size, &a, &error), OK);
    assert_int_equal(model_parse(weighted.model, weighted.model_size, &b, &error), OK);
    static float x[ROWS], y[ROWS];
    model_predict(a, train->x, ROWS, x);
    model_predict(b, train->x, ROWS, y);
    double difference = 0;
    for (int r = 0; r < ROWS; r++)
        difference += (double)y[r] - (double)x[r];
    assert_true(difference / ROWS > 0.05);
    model_unref(a);
    model_unref(b);
    trained_done(&plain);
    trained_done(&weighted);
    free(train);
    free(doubled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_parameters),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_defaults_are_written_down),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_early_stopping_upwards),
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
