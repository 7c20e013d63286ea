/* The linear model's file and its scores, worked out by hand; damaged files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/linear.h"
#include "models.h"

static const double weights[] = {2, -1, 5}, means[] = {10, 0.1, 7}, sds[] = {4, 0.5, 0};
static const char *const names[] = {"amount", "ratio", "constant \"quoted\""};

static struct model *make(char **ret_text, size_t *ret_size)
{
    struct linear linear = {
        .n = 3, .intercept = -0.3, .weights = weights, .means = means, .sds = sds, .names = names};
    assert_int_equal(linear_write(&linear, ret_text, ret_size, NULL), OK);
    return parse_bytes(*ret_text, *ret_size);
}

static void test_scores_and_reasons(void **state)
{
    (void)state;
    char *text;
    size_t size;
    struct model *model = make(&text, &size);
    assert_string_equal(model_kind(model), "linear");
    assert_int_equal(model_features(model), 3);
    assert_string_equal(model_feature_name(model, 2), names[2]);
    /* amount: 2 (14 - 10) / 4 = 2; ratio: -(0.6 - 0.1) / 0.5 = -1; the constant adds nothing. */
    float rows[2][3] = {{14, 0.6f, 100}, {NAN, NAN, NAN}}, scores[2];
    double contributions[2][4];
    model_predict(model, rows[0], 2, scores);
    assert_true(fabs((double)scores[0] - 1 / (1 + exp(-0.7))) < 1e-7);
    assert_true(fabs((double)scores[1] - 1 / (1 + exp(0.3))) < 1e-7);
    assert_int_equal(model_explain_scratch(model), 0);
    model_explain(model, rows[0], 2, contributions[0], NULL);
    assert_true(contributions[0][0] == 2);
    assert_true(fabs(contributions[0][1] + 1) < 1e-6);
    assert_true(contributions[0][2] == 0);
    assert_true(contributions[0][3] == -0.3);
    assert_true(contributions[1][0] == 0);
    struct importance importance[3];
    model_importance(model, importance);
    assert_true(importance[1].gain == 1 && importance[2].gain == 5);
    model_unref(model);
    free(text);
}

static void test_truncation(void **state)
{
    (void)state;
    char *text;
    size_t size;
    model_unref(make(&text, &size));
    for (size_t n = 0; n < size; n++) {
        struct model *model = NULL;
        struct error error = {0};
        char *part = malloc(n ? n : 1);
        memcpy(part, text, n);
        assert_int_not_equal(model_parse(part, n, &model, &error), OK);
        assert_null(model);
        free(part);
    }
    free(text);
}

#define LINEAR(version, features, intercept, weights, sds)                                                \
    "{\"shrike\":\"linear\",\"version\":" version ",\"features\":[" features "],\"intercept\":" intercept \
    ",\"weights\":[" weights "],\"means\":[0],\"sds\":[" sds "]}"

static void test_damaged(void **state)
{
    (void)state;
    struct model *model;
    const char *good = LINEAR("1", "\"a\"", "0", "1", "1");
    assert_int_equal(model_parse(good, strlen(good), &model, NULL), OK);
    model_unref(model);
    expect_error("{\"shrike\":\"net\"}", CODE_UNSUPPORTED, "\"net\"");
    expect_error("{\"shrike\":3}", CODE_INVALID, "\"shrike\" is not a string");
    expect_error(LINEAR("2", "\"a\"", "0", "1", "1"), CODE_UNSUPPORTED, "format version 2");
    expect_error(LINEAR("1", "", "0", "", ""), CODE_INVALID, "0 features");
    expect_error(LINEAR("1", "7", "0", "1", "1"), CODE_INVALID, "name of feature 0");
    expect_error(LINEAR("1", "\"a\"", "NaN", "1", "1"), CODE_INVALID, "intercept");
    expect_error(LINEAR("1", "\"a\"", "0", "1,2", "1"), CODE_INVALID, "\"weights\" has 2 elements");
    expect_error(LINEAR("1", "\"a\"", "0", "1e999", "1"), CODE_INVALID, "\"weights\" element 0");
    expect_error(LINEAR("1", "\"a\"", "0", "1", "-1"), CODE_INVALID, "\"sds\" element 0 is negative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores_and_reasons),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
