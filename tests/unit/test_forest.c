/*
 * Forests against what is known of them: predictions that XGBoost recorded, XGBoost's own library on random
 * models, small models worked out by hand, and damaged ones.
 */
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xgboost/c_api.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "models.h"

enum { MODEL_MAXIMUM = 64 << 20 };

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A reproducible stream of random numbers. */
struct random {
    uint64_t state;
};

static uint64_t random_next(struct random *random)
{
    random->state++;
    return hash_word(random->state, 17);
}

static double random_unit(struct random *random)
{
    return (double)(random_next(random) >> 11) * 0x1p-53;
}

/* ------------------------------------------------------------------------------------- recorded
 * predictions */

static double *read_numbers(const char *path, size_t *ret_n)
{
    char *text;
    size_t size, n = 0, capacity = 0;
    double *numbers = NULL;
    struct error error = {0};
    if (file_read(path, MODEL_MAXIMUM, &text, &size, &error))
        fail_msg("%s", error.message);
    for (char *at = text, *end; *at; at = *end ? end + 1 : end) {
        double number = strtod(at, &end);
        if (end == at)
            break;
        assert_true(memory_grow(&numbers, &capacity, n + 1, sizeof *numbers));
        numbers[n++] = number;
    }
    free(text);
    *ret_n = n;
    return numbers;
}

static void check_recorded(const char *name)
{
    const char *data = getenv("SHRIKE_DATA");
    char path[512];
    struct model *model;
    struct error error = {0};
    snprintf(path, sizeof path, "%s/models/%s.json", data ? data : "../shared", name);
    int code = model_load(path, &model, &error);
    if (code == CODE_NOT_FOUND) {
        print_message("skipped: %s is not there; set SHRIKE_DATA\n", path);
        skip();
    }
    assert_int_equal(code, OK);
    snprintf(path, sizeof path, "%s/models/%s.rows.csv", data ? data : "../shared", name);
    size_t n, features = (size_t)model_features(model), mismatches = 0;
    double *numbers = read_numbers(path, &n);
    assert_int_equal(n % (features + 1), 0);
    size_t rows = n / (features + 1);
    assert_int_equal(rows, 2000);
    float *x = memory_new(rows * features, sizeof *x), *scores = memory_new(rows, sizeof *scores);
    for (size_t r = 0; r < rows; r++)
        for (size_t f = 0; f < features; f++)
            x[r * features + f] = (float)numbers[r * (features + 1) + f];
    model_predict(model, x, rows, scores);
    for (size_t r = 0; r < rows; r++) {
        float recorded = (float)numbers[r * (features + 1) + features], one;
        model_predict(model, x + r * features, 1, &one);
        mismatches +=
            float_bits(recorded) != float_bits(scores[r]) || float_bits(one) != float_bits(scores[r]);
    }
    print_message("%s: %zu mismatches in %zu recorded predictions\n", name, mismatches, rows);
    assert_int_equal(mismatches, 0);
    free(numbers);
    free(x);
    free(scores);
    model_unref(model);
}

static void test_recorded_higgs(void **state)
{
    (void)state;
    check_recorded("higgs");
}

static void test_recorded_airline(void **state)
{
    (void)state;
    check_recorded("airline");
}

/* ------------------------------------------------------------------------------------------ XGBoost as
 * oracle */

static void xgb(int result)
{
    if (result)
        fail_msg("%s", XGBGetLastError());
}

struct trial {
    size_t rows, features;
    float *x, *y;
    DMatrixHandle matrix;
    BoosterHandle booster;
};

/* Few distinct values, so that thresholds are hit exactly; NaN, both zeros, denormals and large numbers
 * among them. */
static float random_value(struct random *random)
{
    double kind = random_unit(random);
    if (kind < 0.15)
        return NAN;
    if (kind < 0.2)
        return kind < 0.175 ? -0.0f : 0.0f;
    if (kind < 0.22)
        return kind < 0.21 ? 1e-40f : -1e30f;
    if (kind < 0.6)
        return (float)floor(random_unit(random) * 8);
    return (float)(random_unit(random) * 10 - 5);
}

/* A booster of so many rounds over rows and features as the trial says. */
static void trial_train(struct trial *trial, struct random *random, const char *const *params, int rounds)
{
    trial->x = memory_new(trial->rows * trial->features, sizeof(float));
    trial->y = memory_new(trial->rows, sizeof(float));
    for (size_t i = 0; i < trial->rows * trial->features; i++)
        trial->x[i] = random_value(random);
    for (size_t r = 0; r < trial->rows; r++) {
        float first = trial->x[r * trial->features];
        trial->y[r] = (isnan(first) ? 0.5 : (double)first > 1 ? 0.9 : 0.2) > random_unit(random);
    }
    xgb(XGDMatrixCreateFromMat(trial->x, trial->rows, trial->features, NAN, &trial->matrix));
    xgb(XGDMatrixSetFloatInfo(trial->matrix, "label", trial->y, trial->rows));
    xgb(XGBoosterCreate(&trial->matrix, 1, &trial->booster));
    xgb(XGBoosterSetParam(trial->booster, "nthread", "1"));
    for (size_t i = 0; params[i]; i += 2)
        xgb(XGBoosterSetParam(trial->booster, params[i], params[i + 1]));
    for (int i = 0; i < rounds; i++)
        xgb(XGBoosterUpdateOneIter(trial->booster, i, trial->matrix));
}

static void trial_start(struct trial *trial, struct random *random, const char *const *params)
{
    trial->rows = 50 + random_next(random) % 400;
    trial->features = 1 + random_next(random) % 12;
    trial_train(trial, random, params, 1 + (int)(random_next(random) % 40));
}

static void trial_stop(struct trial *trial)
{
    XGBoosterFree(trial->booster);
    XGDMatrixFree(trial->matrix);
    free(trial->x);
    free(trial->y);
}

/* The text belongs to the booster. */
static const char *trial_json(struct trial *trial, size_t *ret_size)
{
    const char *data;
    bst_ulong size;
    xgb(XGBoosterSaveModelToBuffer(trial->booster, "{\"format\":\"json\"}", &size, &data));
    *ret_size = size;
    return data;
}

static struct model *trial_model(struct trial *trial)
{
    size_t size;
    const char *data = trial_json(trial, &size);
    return parse_bytes(data, size);
}

/* type: 0 prediction, 1 margin, 2 contributions. The result belongs to the booster until its next call. */
static const float *trial_predict(struct trial *trial, int type)
{
    char config[128];
    const bst_ulong *shape;
    bst_ulong dimensions;
    const float *result;
    snprintf(
        config, sizeof config,
        "{\"type\":%d,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,\"strict_shape\":false}",
        type);
    xgb(XGBoosterPredictFromDMatrix(trial->booster, trial->matrix, config, &shape, &dimensions, &result));
    return result;
}

static const char *const settings[][12] = {
    {"objective", "binary:logistic", "max_depth", "6", "eta", "0.3", "tree_method", "exact", "base_score",
     "0.5"},
    {"objective", "binary:logistic", "max_depth", "3", "eta", "1", "tree_method", "hist", "base_score",
     "0.037"},
    {"objective", "binary:logitraw", "max_depth", "8", "tree_method", "exact", "base_score", "0.2"},
    {"objective", "reg:squarederror", "max_depth", "10", "tree_method", "hist", "min_child_weight", "0",
     "base_score", "-1.7"},
    {"objective", "binary:logistic", "max_depth", "0", "max_leaves", "20", "grow_policy", "lossguide",
     "tree_method", "hist"},
    {"objective", "binary:logistic", "max_depth", "6", "gamma", "1.5", "tree_method", "exact",
     "num_parallel_tree", "3"},
};
enum { SETTINGS = sizeof settings / sizeof settings[0], TRIALS_EACH = 12 };

static void test_predictions_equal_xgboost(void **state)
{
    (void)state;
    struct random random = {1};
    size_t mismatches = 0, compared = 0;
    for (int t = 0; t < SETTINGS * TRIALS_EACH; t++) {
        struct trial trial;
        trial_start(&trial, &random, settings[t % SETTINGS]);
        struct model *model = trial_model(&trial);
        assert_int_equal(model_features(model), trial.features);
        float *scores = memory_new(trial.rows, sizeof *scores);
        model_predict(model, trial.x, trial.rows, scores);
        const float *expected = trial_predict(&trial, 0);
        for (size_t r = 0; r < trial.rows; r++)
            mismatches += float_bits(expected[r]) != float_bits(scores[r]);
        compared += trial.rows;
        free(scores);
        model_unref(model);
        trial_stop(&trial);
    }
    print_message("%zu mismatches in %zu predictions\n", mismatches, compared);
    assert_int_equal(mismatches, 0);
}

/* One row of contributions: how far from XGBoost's, and how far their sum is from the margin, in shares of
 * the largest. */
static void check_row(const double *ours, const float *theirs, size_t features, double margin, double *worst,
                      double *worst_sum)
{
    double largest = 1e-6, sum = 0, apart = 0;
    for (size_t f = 0; f <= features; f++) {
        sum += ours[f];
        largest = fmax(largest, fabs(ours[f]));
        apart = fmax(apart, fabs(ours[f] - (double)theirs[f]));
    }
    *worst = fmax(*worst, apart / largest);
    *worst_sum = fmax(*worst_sum, fabs(sum - margin) / largest);
}

static void test_contributions_equal_xgboost(void **state)
{
    (void)state;
    struct random random = {2};
    double worst = 0, worst_sum = 0;
    for (int t = 0; t < SETTINGS * TRIALS_EACH; t++) {
        struct trial trial;
        trial_start(&trial, &random, settings[t % SETTINGS]);
        struct model *model = trial_model(&trial);
        size_t width = trial.features + 1;
        double *ours = memory_new(trial.rows * width, sizeof *ours);
        void *scratch = memory_aligned(model_explain_scratch(model));
        model_explain(model, trial.x, trial.rows, ours, scratch);
        const float *margins = trial_predict(&trial, 1);
        float *kept = memory_new(trial.rows, sizeof *kept);
        memcpy(kept, margins, trial.rows * sizeof *kept);
        const float *theirs = trial_predict(&trial, 2);
        for (size_t r = 0; r < trial.rows; r++)
            check_row(ours + r * width, theirs + r * width, trial.features, (double)kept[r], &worst,
                      &worst_sum);
        free(kept);
        free(ours);
        free(scratch);
        model_unref(model);
        trial_stop(&trial);
    }
    print_message(
        "largest difference %.2g, of the sum to the margin %.2g (of a row's largest contribution)\n", worst,
        worst_sum);
    assert_true(worst < 1e-5);
    assert_true(worst_sum < 1e-5);
}

static double xgb_importance(BoosterHandle booster, const char *type, int feature)
{
    char config[64], name[16];
    bst_ulong n, dimensions;
    const char **names;
    const bst_ulong *shape;
    const float *scores;
    snprintf(config, sizeof config, "{\"importance_type\":\"%s\"}", type);
    snprintf(name, sizeof name, "f%d", feature);
    xgb(XGBoosterFeatureScore(booster, config, &n, &names, &dimensions, &shape, &scores));
    for (bst_ulong i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return (double)scores[i];
    return 0;
}

static void test_importance_equals_xgboost(void **state)
{
    (void)state;
    struct random random = {3};
    for (int t = 0; t < SETTINGS; t++) {
        struct trial trial;
        trial_start(&trial, &random, settings[t]);
        struct model *model = trial_model(&trial);
        struct importance importance[16];
        model_importance(model, importance);
        for (int f = 0; f < (int)trial.features; f++) {
            const double ours[] = {importance[f].gain, importance[f].cover, importance[f].total_gain,
                                   importance[f].total_cover};
            static const char *const types[] = {"gain", "cover", "total_gain", "total_cover"};
            for (int i = 0; i < 4; i++) {
                double theirs = xgb_importance(trial.booster, types[i], f);
                assert_true(fabs(ours[i] - theirs) <= 1e-5 * fabs(theirs));
            }
            assert_true(importance[f].weight == xgb_importance(trial.booster, "weight", f));
        }
        model_unref(model);
        trial_stop(&trial);
    }
}

/* -------------------------------------------------------------------------------------------------- memory
 */

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* All that a model keeps once it is loaded, by the size of its JSON. */
static double memory_by_json(const char *data, size_t size)
{
    size_t before = bytes_in_use();
    struct model *model = parse_bytes(data, size);
    double share = (double)(bytes_in_use() - before) / (double)size;
    model_unref(model);
    return share;
}

/* Of trees that their rows fill, as those of large models are: a tree that is nearly all leaves takes more,
 * for its first levels are laid out whole. Sanitizers have allocators that mallinfo2 knows nothing of. */
static void test_memory_is_at_most_the_json(void **state)
{
    (void)state;
    static const char *const depths[] = {"6", "8", "10"};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    for (size_t t = 0; t < sizeof depths / sizeof *depths; t++) {
        const char *const filled[] = {"objective", "binary:logistic", "tree_method", "hist", "eta",
                                      "0.05",      "max_depth",       depths[t],     NULL};
        struct random random = {4};
        struct trial trial = {.rows = 12000, .features = 20};
        size_t size;
        trial_train(&trial, &random, filled, 60);
        const char *data = trial_json(&trial, &size);
        double share = memory_by_json(data, size);
        print_message("depth %s: %.2f bytes of memory by byte of JSON\n", depths[t], share);
        assert_true(share <= 1);
        trial_stop(&trial);
    }
}

/* ----------------------------------------------------------------------------------------------- made by
 * hand */

#define HEAD(objective, base)                                                                       \
    "{\"learner\":{\"feature_names\":[\"a\",\"b\"],\"learner_model_param\":{\"base_score\":\"" base \
    "\",\"num_class\":\"0\",\"num_feature\":\"2\"},\"objective\":{\"name\":\"" objective            \
    "\"},\"gradient_booster\":{\"name\":\"gbtree\",\"model\":{\"tree_info\":[0],\"trees\":["
#define TAIL "]}}},\"version\":[1,7,4]}"
#define TREE(n, left, right, feature, condition, missing, cover)                                        \
    "{\"tree_param\":{\"num_nodes\":\"" n "\"},\"left_children\":[" left "],\"right_children\":[" right \
    "],\"split_indices\":[" feature "],\"split_conditions\":[" condition "],\"default_left\":[" missing \
    "],\"sum_hessian\":[" cover "],\"loss_changes\":[" cover "]}"
/* a < 0.5 ? 1 : (b < 2 ? 10 : 20); node 5 is an orphan that pruning left. */
#define GOOD                                                                                          \
    TREE("6", "1,-1,3,-1,-1,-1", "2,-1,4,-1,-1,-1", "0,0,1,0,0,0", "0.5,1,2,10,20,99", "1,0,0,0,0,0", \
         "8,2,6,4,2,1")

static float score(const struct model *model, float a, float b)
{
    float row[2] = {a, b}, result;
    model_predict(model, row, 1, &result);
    return result;
}

static void test_by_hand(void **state)
{
    (void)state;
    struct model *model = parse(HEAD("reg:squarederror", "0") GOOD TAIL);
    assert_string_equal(model_kind(model), "forest");
    assert_true(strlen(model_kernel(model)) > 0 && strlen(model_kernel_why(model)) > 0);
    assert_string_equal(model_feature_name(model, 1), "b");
    assert_true(score(model, 0.49f, 0) == 1);
    assert_true(score(model, 0.5f, 0) == 10); /* not less than the threshold: right */
    assert_true(score(model, 1, 2) == 20);
    assert_true(score(model, NAN, 5) == 1);  /* default left */
    assert_true(score(model, 1, NAN) == 20); /* default right */
    assert_true(score(model, -INFINITY, 0) == 1);
    assert_true(score(model, INFINITY, -INFINITY) == 10);
    double contributions[3];
    float row[2] = {1, 0};
    void *scratch = memory_aligned(model_explain_scratch(model));
    model_explain(model, row, 1, contributions, scratch);
    /* v({}) = 2/8 + 6/8 (4/6 10 + 2/6 20) = 10.25; v(a) = 13 1/3; v(b) = 2/8 + 6/8 10 = 7.75; v(ab) = 10.
     */
    double expected_a = ((13.0 + 1.0 / 3 - 10.25) + (10 - 7.75)) / 2;
    double expected_b = ((7.75 - 10.25) + (10 - (13.0 + 1.0 / 3))) / 2;
    assert_true(fabs(contributions[0] - expected_a) < 1e-12);
    assert_true(fabs(contributions[1] - expected_b) < 1e-12);
    assert_true(fabs(contributions[2] - 10.25) < 1e-12);
    free(scratch);
    model_unref(model);
}

static void test_no_tree_and_base_score(void **state)
{
    (void)state;
    struct model *model =
        parse("{\"learner\":{\"learner_model_param\":{\"base_score\":\"[2.5E-1]\",\"num_feature\":\"1\"},"
              "\"objective\":{\"name\":\"binary:logistic\"},\"gradient_booster\":{\"name\":\"gbtree\","
              "\"model\":{\"trees\":[]}}}}");
    float result, row = 3;
    model_predict(model, &row, 1, &result);
    assert_true(fabsf(result - 0.25f) < 1e-7f);
    assert_null(model_feature_name(model, 0));
    model_unref(model_ref(model));
    model_unref(model);
    model_unref(NULL);
}

/* Covers of zero: the way that training never saw weighs nothing, and the sum still is the margin. */
static void test_cover_of_zero(void **state)
{
    (void)state;
    static const char *const covers[] = {"8,0,8,8,0,1", "8,8,0,0,0,1", "0,0,0,0,0,0", "8,0,8,0,8,1"};
    static const float rows[][2] = {{0, 0}, {1, 0}, {1, 5}, {NAN, NAN}};
    for (size_t c = 0; c < 4; c++) {
        char text[2048];
        snprintf(text, sizeof text, "%s%s%s%s", HEAD("reg:squarederror", "0"),
                 "{\"tree_param\":{\"num_nodes\":\"6\"},\"left_children\":[1,-1,3,-1,-1,-1],\"right_"
                 "children\":[2,-1,4,-1,"
                 "-1,-1],\"split_indices\":[0,0,0,0,0,0],\"split_conditions\":[0.5,1,2,10,20,99],\"default_"
                 "left\":[1,0,0,"
                 "0,0,0],\"loss_changes\":[1,1,1,1,1,1],\"sum_hessian\":[",
                 covers[c], "]}" TAIL);
        struct model *model = parse(text);
        double *scratch = memory_aligned(model_explain_scratch(model));
        for (size_t r = 0; r < 4; r++) {
            double contributions[3];
            model_explain(model, rows[r], 1, contributions, scratch);
            double sum = contributions[0] + contributions[1] + contributions[2];
            assert_true(fabs(sum - (double)score(model, rows[r][0], rows[r][1])) < 1e-9);
        }
        free(scratch);
        model_unref(model);
    }
}

/* ----------------------------------------------------------------------------------------------------
 * damaged */

#define BAD(...) HEAD("reg:squarederror", "0") TREE(__VA_ARGS__) TAIL

static void test_damaged_trees(void **state)
{
    (void)state;
    expect_error(BAD("3", "1,0,-1", "2,2,-1", "0,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 1: its left child 0 is reached a second time");
    expect_error(BAD("3", "1,-1,-1", "1,-1,-1", "0,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: its right child 1 is reached a second time");
    expect_error(BAD("3", "1,-1,-1", "3,-1,-1", "0,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: the right child is not a node; expected 0 to 2");
    expect_error(BAD("3", "-2,-1,-1", "2,-1,-1", "0,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: the left child is not a node");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "2,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: the split's feature is not one of 0 to 1");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "-1,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: the split's feature");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "0,0,0", "NaN,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: the threshold is not a finite number");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "0,0,0", "1,1e99,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 1: the leaf's value is not a finite number");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "0,0,0", "1,1,1", "2,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0 node 0: \"default_left\"");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "0,0,0", "1,1,1", "0,0,0", "1,-1,1"), CODE_INVALID,
                 "tree 0 node 1: \"sum_hessian\"");
    expect_error(BAD("4", "1,-1,-1", "2,-1,-1", "0,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0: \"left_children\" has 3 elements; expected num_nodes = 4");
    expect_error(BAD("3", "1,-1,-1", "2,-1,-1", "0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_INVALID,
                 "tree 0: \"split_indices\" has 2 elements");
    expect_error(BAD("2000000000", "1,-1,-1", "2,-1,-1", "0,0,0", "1,1,1", "0,0,0", "1,1,1"), CODE_LIMIT,
                 "num_nodes");
    expect_error(BAD("0", "", "", "", "", "", ""), CODE_INVALID, "num_nodes");
}

static void test_what_is_not_supported(void **state)
{
    (void)state;
    expect_error(HEAD("multi:softprob", "0") GOOD TAIL, CODE_INVALID, "0 classes");
    expect_error(HEAD("reg:unheard", "0") GOOD TAIL, CODE_UNSUPPORTED,
                 "objective \"reg:unheard\" is not supported; Shrike scores binary:logistic, reg:logistic");
    expect_error(HEAD("count:poisson", "0") GOOD TAIL, CODE_INVALID, "base_score 0 of count:poisson");
    expect_error(HEAD("binary:logistic", "1") GOOD TAIL, CODE_INVALID, "base_score");
    expect_error(HEAD("binary:logistic", "x") GOOD TAIL, CODE_INVALID, "base_score");
    expect_error(HEAD("binary:logistic", "[1,2]") GOOD TAIL, CODE_INVALID,
                 "base_score has 2 values for 1 outputs");
    expect_error("{}", CODE_INVALID, "not a model");
    expect_error("[1]", CODE_INVALID, "not a model");
    expect_error("{\"learner\":{\"gradient_booster\":{\"name\":\"gbforest\"}}}", CODE_UNSUPPORTED,
                 "booster \"gbforest\" is not supported");
    expect_error("{\"learner\":{\"gradient_booster\":{\"name\":1}}}", CODE_INVALID,
                 "\"name\" is not a string");
    assert_true(model_supports("binary:logistic", "gbtree"));
    assert_true(model_supports("survival:cox", "dart"));
    assert_false(model_supports("binary:logistic", "gblinear"));
    assert_false(model_supports("binary:logistic", "gbforest"));
    assert_false(model_supports("multi:softprob", "gbtree"));
    assert_false(model_supports("multi:softmax", "gbtree"));
}

/* A chain as deep as LIMIT_TREE_DEPTH is read; one level more is refused. */
static void chain(int depth, struct buffer *out)
{
    static const char *const names[] = {"left_children",    "right_children", "split_indices",
                                        "split_conditions", "default_left",   "sum_hessian",
                                        "loss_changes"};
    int n = 2 * depth + 1;
    buffer_text(out, HEAD("reg:squarederror", "0") "{\"tree_param\":{\"num_nodes\":\"");
    buffer_format(out, "%d\"}", n);
    for (int a = 0; a < 7; a++) {
        buffer_format(out, ",\"%s\":[", names[a]);
        for (int i = 0; i < n; i++) {
            bool split = i % 2 == 0 && i < n - 1;
            int value = a == 0   ? (split ? i + 1 : -1)
                        : a == 1 ? (split ? i + 2 : -1)
                        : a == 2 ? 0
                        : a == 4 ? 0
                                 : i + 1;
            buffer_format(out, "%s%d", i ? "," : "", value);
        }
        buffer_text(out, "]");
    }
    buffer_text(out, "}" TAIL);
}

static void test_depth_limit(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 1 << 20);
    chain(512, &text);
    struct model *model = parse(text.data);
    assert_true(score(model, 2000, 0) == 1025);
    double contributions[3];
    float row[2] = {2000, 0};
    void *scratch = memory_aligned(model_explain_scratch(model));
    model_explain(model, row, 1, contributions, scratch);
    assert_true(fabs(contributions[0] + contributions[1] + contributions[2] - 1025) < 1e-6);
    free(scratch);
    model_unref(model);
    buffer_clear(&text);
    chain(513, &text);
    expect_error(text.data, CODE_LIMIT, "deeper than 512 levels");
    buffer_done(&text);
}

/* Every proper beginning of a model is an error and leaves the output alone; so does every single damaged
 * byte survive. */
static void test_truncation_and_damage(void **state)
{
    (void)state;
    static const char text[] = HEAD("binary:logistic", "5E-1") GOOD TAIL;
    size_t size = sizeof text - 1;
    struct error error = {0};
    for (size_t n = 0; n < size; n++) {
        struct model *model = NULL;
        char *part = malloc(n ? n : 1); /* an exact block: reading behind it is seen by the sanitizer */
        memcpy(part, text, n);
        assert_int_not_equal(model_parse(part, n, &model, &error), OK);
        assert_null(model);
        free(part);
    }
    struct random random = {4};
    for (int i = 0; i < 20000; i++) {
        char copy[sizeof text];
        struct model *model;
        memcpy(copy, text, sizeof text);
        copy[random_next(&random) % size] = (char)(random_next(&random) & 127);
        copy[random_next(&random) % size] = "0123456789-.,[]{}\"eE"[random_next(&random) % 20];
        if (model_parse(copy, size, &model, &error) == OK) {
            if (model_features(model) == 2)
                score(model, 1, 1);
            model_unref(model);
        }
    }
}

static void test_missing_file(void **state)
{
    (void)state;
    struct model *model = NULL;
    struct error error = {0};
    assert_int_equal(model_load("/nonexistent/model.json", &model, &error), CODE_NOT_FOUND);
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_higgs),
        cmocka_unit_test(test_recorded_airline),
        cmocka_unit_test(test_predictions_equal_xgboost),
        cmocka_unit_test(test_contributions_equal_xgboost),
        cmocka_unit_test(test_importance_equals_xgboost),
        cmocka_unit_test(test_memory_is_at_most_the_json),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_no_tree_and_base_score),
        cmocka_unit_test(test_cover_of_zero),
        cmocka_unit_test(test_damaged_trees),
        cmocka_unit_test(test_what_is_not_supported),
        cmocka_unit_test(test_depth_limit),
        cmocka_unit_test(test_truncation_and_damage),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
