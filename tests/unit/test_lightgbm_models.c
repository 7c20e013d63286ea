/* LightGBM's text models, worked out by hand, and damaged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "models.h"

#define HEAD(classes, trees, objective)                                                          \
    "tree\nversion=v4\nnum_class=" classes "\nnum_tree_per_iteration=" trees "\nlabel_index=0\n" \
    "max_feature_idx=1\nobjective=" objective "\nfeature_names=a b\nfeature_infos=[0:1] [0:1]\n"
#define TREE(number, leaves, more) "\nTree=" number "\nnum_leaves=" leaves "\n" more "shrinkage=1\n\n"
#define END "\nend of trees\n\nparameters:\n[boosting: gbdt]\n"
/* a <= threshold ? 1 : (b <= 2 ? 10 : 20) */
#define SPLITS(threshold, decision)                                                                    \
    "num_cat=0\nsplit_feature=0 1\nsplit_gain=4 2\nthreshold=" threshold " 2\ndecision_type=" decision \
    " 10\nleft_child=-1 -2\nright_child=1 -3\nleaf_value=1 10 20\nleaf_count=5 3 2\ninternal_count=10 5\n"
#define ONE_TREE(threshold, decision) \
    HEAD("1", "1", "regression") TREE("0", "3", SPLITS(threshold, decision)) END

static void assert_score(const char *text, float a, float b, double expected)
{
    struct model *model = parse(text);
    float row[2] = {a, b}, score;
    assert_int_equal(model_outputs(model), 1);
    model_predict(model, row, 1, &score);
    if (score != (float)expected)
        fail_msg("a %g, b %g: %.9g, expected %.9g", (double)a, (double)b, (double)score, expected);
    model_unref(model);
}

static void test_comparisons_in_double(void **state)
{
    (void)state;
    /* 0.1 lies between two float32; the larger of them is the one that 0.1f names. */
    assert_score(ONE_TREE("0.10000000000000001", "2"), 0.1F, 0, 10);
    assert_score(ONE_TREE("0.10000000000000001", "2"), nextafterf(0.1F, 0), 0, 1);
    assert_score(ONE_TREE("0.10000000149011612", "2"), 0.1F, 0, 1);
    assert_score(ONE_TREE("inf", "10"), INFINITY, 0, 1);
    assert_score(ONE_TREE("inf", "8"), NAN, 3, 20);
    assert_score(ONE_TREE("-inf", "8"), -3e38F, 2, 10);
}

static void test_missing_values(void **state)
{
    (void)state;
    /* None is missing: NaN counts as 0, wherever the default leads. */
    assert_score(ONE_TREE("0.5", "0"), NAN, 0, 1);
    assert_score(ONE_TREE("-0.5", "2"), NAN, 0, 10);
    /* Zero is. */
    assert_score(ONE_TREE("-0.5", "6"), 0, 0, 1);
    assert_score(ONE_TREE("-0.5", "6"), 1e-35F, 0, 1);
    assert_score(ONE_TREE("-0.5", "6"), NAN, 0, 1);
    assert_score(ONE_TREE("-0.5", "6"), 2e-35F, 0, 10);
    assert_score(ONE_TREE("0.5", "4"), -0.0F, 0, 10);
    /* NaN is. */
    assert_score(ONE_TREE("-0.5", "10"), NAN, 0, 1);
    assert_score(ONE_TREE("0.5", "8"), NAN, 3, 20);
    assert_score(ONE_TREE("0.5", "8"), 0, 3, 1);
    expect_error(ONE_TREE("0.5", "14"), CODE_INVALID, "tree 0 node 0: the decision type 14");
}

/* The library takes what lies within 1e-35 of 0 for 0. */
static void test_bounds_of_zero(void **state)
{
    (void)state;
    assert_score(ONE_TREE("-1.0000000180025095e-35", "10"), -1e-35F, 0, 10);
    assert_score(ONE_TREE("-1.0000000180025095e-35", "10"), -2e-35F, 0, 1);
    assert_score(ONE_TREE("1.0000000180025095e-35", "10"), 1e-35F, 0, 1);
    assert_score(ONE_TREE("0", "10"), 1e-40F, 0, 1);
    assert_score(ONE_TREE("0", "10"), 2e-35F, 0, 10);
}

#define CATEGORICAL(boundaries, words)                                                               \
    HEAD("1", "1", "regression")                                                                     \
    TREE("0", "2",                                                                                   \
         "num_cat=1\nsplit_feature=0\nthreshold=0\ndecision_type=1\nleft_child=-1\n"                 \
         "right_child=-2\nleaf_value=1 2\ncat_boundaries=" boundaries "\ncat_threshold=" words "\n") \
    END

static void test_categories(void **state)
{
    (void)state;
    static const float left[] = {0, 33, 31, -0.5F, 33.9F, -0.0F},
                       right[] = {1, 32, 64, -1, NAN, 1e9F, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        assert_score(CATEGORICAL("0 2", "2147483649 2"), left[i], 0, 1);
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_score(CATEGORICAL("0 2", "2147483649 2"), right[i], 0, 2);
    struct model *model = parse(CATEGORICAL("0 1", "5"));
    assert_true(model_feature_categorical(model, 0));
    assert_string_equal(model_feature_name(model, 1), "b");
    model_unref(model);
    expect_error(CATEGORICAL("0 2", "5"), CODE_INVALID, "\"cat_threshold\" is shorter than 2 numbers");
    expect_error(CATEGORICAL("0 2", "4294967296 1"), CODE_INVALID, "element 0 of \"cat_threshold\"");
    expect_error(CATEGORICAL("2 0", "1 1"), CODE_INVALID, "element 1 of \"cat_boundaries\" is less");
    expect_error(CATEGORICAL("0 -1", "1"), CODE_INVALID, "element 1 of \"cat_boundaries\"");
    expect_error(CATEGORICAL("0 0", ""), CODE_INVALID, "no words");
    expect_error(CATEGORICAL("0", ""), CODE_INVALID, "\"cat_boundaries\"");
    expect_error(HEAD("1", "1", "regression") TREE("0", "3", SPLITS("0", "1")) END, CODE_INVALID,
                 "tree 0 node 0: its category set");
}

static void test_sums_and_links(void **state)
{
    (void)state;
#define CONSTANT(number, value) TREE(number, "1", "num_cat=0\nleaf_value=" value "\n")
    assert_score(HEAD("1", "1", "binary sigmoid:2") CONSTANT("0", "0.5") CONSTANT("1", "0.25") END, 0, 0,
                 1 / (1 + exp(-1.5)));
    assert_score(HEAD("1", "1", "regression sqrt") CONSTANT("0", "-3") END, 0, 0, -9);
    assert_score(HEAD("1", "1", "poisson") CONSTANT("0", "-3") END, 0, 0, exp(-3));
    assert_score(HEAD("1", "1", "cross_entropy_lambda") CONSTANT("0", "-3") END, 0, 0, log1p(exp(-3)));
    assert_score(HEAD("1", "1", "regression") "average_output\n" CONSTANT("0", "3") CONSTANT("1", "4") END, 0,
                 0, 3.5);
    assert_score(HEAD("1", "1", "regression") END, 0, 0, 0);
    struct model *model =
        parse(HEAD("2", "2", "multiclass num_class:2") CONSTANT("0", "1") CONSTANT("1", "2") END);
    float row[2] = {0}, scores[2];
    assert_int_equal(model_outputs(model), 2);
    model_predict(model, row, 1, scores);
    assert_true(scores[0] == (float)(exp(-1) / (exp(-1) + 1)) && scores[1] == (float)(1 / (exp(-1) + 1)));
    model_unref(model);
    expect_error(HEAD("2", "2", "multiclass num_class:2") CONSTANT("0", "1") END, CODE_INVALID,
                 "1 trees do not give 2 trees per iteration");
    expect_error(HEAD("1", "1", "binary sigmoid:-1") CONSTANT("0", "1") END, CODE_INVALID, "sigmoid:-1");
    expect_error(HEAD("1", "1", "unheard") CONSTANT("0", "1") END, CODE_UNSUPPORTED, "\"unheard\"");
}

/* ONE_TREE with one line replaced. */
static char *changed(const char *key, const char *line)
{
    const char *text = ONE_TREE("0.5", "10"), *at = strstr(text, key);
    struct buffer buffer;
    assert_non_null(at);
    buffer_init(&buffer, 1 << 16);
    buffer_append(&buffer, text, (size_t)(at - text));
    buffer_text(&buffer, line);
    buffer_text(&buffer, strchr(at, '\n'));
    assert_false(buffer.failed);
    return buffer.data;
}

static void test_damage(void **state)
{
    (void)state;
    static const struct {
        const char *key, *line;
        enum code code;
        const char *part;
    } cases[] = {
        {"num_class=", "num_class=0", CODE_INVALID, "\"num_class\""},
        {"num_class=", "num_class=99999", CODE_INVALID, "\"num_class\""},
        {"num_tree_per", "num_tree_per_iteration=x", CODE_INVALID, "\"num_tree_per_iteration\""},
        {"max_feature_idx=", "max_feature_idx=4096", CODE_INVALID, "\"max_feature_idx\""},
        {"max_feature_idx=", "max_feature_idx=2", CODE_INVALID,
         "\"feature_names\" has 2 names for 3 features"},
        {"feature_names=", "feature_names=a b c", CODE_INVALID, "\"feature_names\" has 3 names"},
        {"Tree=0", "Tree=1", CODE_CORRUPT, "expected Tree=0, found \"Tree=1\""},
        {"num_leaves=", "num_leaves=0", CODE_INVALID, "tree 0: \"num_leaves\""},
        {"num_leaves=", "num_leaves=500000000", CODE_INVALID, "\"leaf_value\" is shorter than 500000000"},
        {"num_leaves=", "num_leaves=2", CODE_INVALID, "\"leaf_value\" has more than 2 numbers"},
        {"num_cat=", "num_cat=-1", CODE_INVALID, "\"num_cat\""},
        {"num_cat=", "num_cat=9", CODE_INVALID, "\"cat_boundaries\" is missing"},
        {"num_cat=", "num_cat=0\nis_linear=1", CODE_UNSUPPORTED, "tree 0 has linear leaves"},
        {"left_child=", "left_child=0 -2", CODE_INVALID,
         "tree 0 node 0: its left child 0 is reached a second"},
        {"left_child=", "left_child=1 -2", CODE_INVALID, "is reached a second time"},
        {"left_child=", "left_child=-1 -1", CODE_INVALID, "is reached a second time"},
        {"left_child=", "left_child=-1 2", CODE_INVALID, "element 1 of \"left_child\""},
        {"left_child=", "left_child=-1 -4", CODE_INVALID, "element 1 of \"left_child\""},
        {"left_child=", "left_child=-1 0.5", CODE_INVALID, "element 1 of \"left_child\""},
        {"left_child=", "x=", CODE_INVALID, "tree 0: \"left_child\" is missing"},
        {"right_child=", "right_child=1", CODE_INVALID, "\"right_child\" is shorter"},
        {"split_feature=", "split_feature=0 2", CODE_INVALID, "element 1 of \"split_feature\""},
        {"split_feature=", "split_feature=0 -1", CODE_INVALID, "element 1 of \"split_feature\""},
        {"threshold=", "threshold=nan 2", CODE_INVALID, "element 0 of \"threshold\""},
        {"threshold=", "threshold=0x1 2", CODE_INVALID, "element 0 of \"threshold\""},
        {"leaf_value=", "leaf_value=1 inf 20", CODE_INVALID, "element 1 of \"leaf_value\""},
        {"leaf_value=", "leaf_value=1 1e999 20", CODE_INVALID, "element 1 of \"leaf_value\""},
        {"leaf_count=", "leaf_count=5 -3 2", CODE_INVALID, "element 1 of \"leaf_count\""},
        {"decision_type=", "decision_type=10 200", CODE_INVALID, "element 1 of \"decision_type\""},
        {"end of trees", "nonsense", CODE_CORRUPT, "expected Tree=1, found \"nonsense\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = changed(cases[i].key, cases[i].line);
        expect_error(text, cases[i].code, cases[i].part);
        free(text);
    }
}

static void test_truncation(void **state)
{
    (void)state;
    static const char text[] = ONE_TREE("0.5", "10");
    size_t whole = (size_t)(strstr(text, "end of trees") - text) + strlen("end of trees");
    for (size_t n = 0; n < whole; n++) {
        struct model *model = NULL;
        struct error error = {0};
        char *part = malloc(n ? n : 1); /* an exact block: reading behind it is seen by the sanitizer */
        assert_non_null(part);
        memcpy(part, text, n);
        assert_int_equal(model_parse(part, n, &model, &error), CODE_CORRUPT);
        assert_null(model);
        free(part);
    }
}

/* Windows' ends of lines, no names but LightGBM's own numbers, and reasons from the counts of rows. */
static void test_other_forms(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1 << 16);
    for (const char *at = ONE_TREE("0.5", "10"); *at; at++)
        buffer_format(&buffer, *at == '\n' ? "\r\n" : "%c", *at);
    assert_score(buffer.data, 1, 3, 20);
    buffer_done(&buffer);
    char *text = changed("feature_names=", "feature_names=Column_0 Column_1");
    struct model *model = parse(text);
    free(text);
    assert_null(model_feature_name(model, 0));
    double contributions[3];
    void *scratch = memory_aligned(model_explain_scratch(model));
    model_explain(model, (float[2]){1, 3}, 1, contributions, scratch);
    /* base: half of the rows 1, 3 of 10 rows 10, 2 of 10 rows 20 */
    assert_true(fabs(contributions[2] - (0.5 + 3 + 4)) < 1e-12);
    assert_true(fabs(contributions[0] + contributions[1] + contributions[2] - 20) < 1e-12);
    free(scratch);
    model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparisons_in_double),
        cmocka_unit_test(test_missing_values),
        cmocka_unit_test(test_bounds_of_zero),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_sums_and_links),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_other_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
