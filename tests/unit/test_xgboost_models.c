/*
 * What XGBoost models may contain beside plain trees, worked out by hand: categories, several classes,
 * weights of trees, linear boosters, bases of every kind; and each of them damaged.
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

#include "models.h"


#define LEARNER(version, objective, base, classes, booster)                                            \
    "{\"version\":" version ",\"learner\":{\"feature_names\":[\"a\",\"b\"],\"learner_model_param\":"   \
    "{\"base_score\":\"" base "\",\"num_class\":\"" classes "\",\"num_feature\":\"2\"},\"objective\":" \
    "{\"name\":\"" objective "\"},\"gradient_booster\":{" booster "}}}"
#define TREES(info, trees) "\"model\":{\"tree_info\":[" info "],\"trees\":[" trees "]}"
#define GBTREE(info, trees) "\"name\":\"gbtree\"," TREES(info, trees)

/* b < 3 ? yes : no, a missing one right. */
#define STUMP(yes, no)                                                                                \
    "{\"tree_param\":{\"num_nodes\":\"3\"},\"left_children\":[1,-1,-1],\"right_children\":[2,-1,-1]," \
    "\"split_indices\":[1,0,0],\"split_conditions\":[3," yes "," no "],\"default_left\":[0,0,0],"     \
    "\"sum_hessian\":[2,1,1],\"loss_changes\":[1,0,0]}"
/* a among the categories ? 10 : 20, a missing one left, to 20. */
#define CATEGORIES(types, nodes, starts, sizes, categories)                                                \
    "{\"tree_param\":{\"num_nodes\":\"3\"},\"left_children\":[1,-1,-1],\"right_children\":[2,-1,-1],"      \
    "\"split_indices\":[0,0,0],\"split_conditions\":[NaN,20,10],\"default_left\":[1,0,0],"                 \
    "\"sum_hessian\":[2,1,1],\"loss_changes\":[1,0,0],\"split_type\":[" types                              \
    "],\"categories_nodes\":[" nodes "],\"categories_segments\":[" starts "],\"categories_sizes\":[" sizes \
    "],\"categories\":[" categories "]}"

static void assert_scores(const char *text, float a, float b, const float *expected, int n)
{
    struct model *model = parse(text);
    float row[2] = {a, b}, scores[4];
    assert_int_equal(model_outputs(model), n);
    model_predict(model, row, 1, scores);
    for (int i = 0; i < n; i++)
        if (scores[i] != expected[i])
            fail_msg("output %d is %.9g, expected %.9g", i, (double)scores[i], (double)expected[i]);
    model_unref(model);
}

#define ONE(value) &(const float){value}, 1

static void test_categories(void **state)
{
    (void)state;
    const char *text = LEARNER("[2,0,0]", "reg:squarederror", "0", "0",
                               GBTREE("0", CATEGORIES("1,0,0", "0", "0", "3", "0,33,5")));
    static const float members[] = {0, 5, 33, 0.5F, -0.0F, 5.9F},
                       others[] = {1, 32, 34, 65, 4, -1, -0.5F, 1e9F, 16777216, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        assert_scores(text, members[i], 0, ONE(10));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_scores(text, others[i], 0, ONE(20));
    struct model *model = parse(text);
    assert_true(model_feature_categorical(model, 0));
    assert_false(model_feature_categorical(model, 1));
    model_unref(model);
}

#define BAD(...) LEARNER("[2,0,0]", "reg:squarederror", "0", "0", GBTREE("0", CATEGORIES(__VA_ARGS__)))

static void test_damaged_categories(void **state)
{
    (void)state;
    expect_error(BAD("2,0,0", "0", "0", "1", "0"), CODE_INVALID, "tree 0 node 0: \"split_type\"");
    expect_error(BAD("1,0,0", "", "", "", ""), CODE_INVALID, "tree 0 node 0: a categorical split without");
    expect_error(BAD("1,0,0", "0,0", "0,0", "1,1", "0"), CODE_INVALID,
                 "tree 0 node 0: its categories are given twice");
    expect_error(BAD("1,0,0", "1", "0", "1", "0"), CODE_INVALID, "element 0 of \"categories_nodes\"");
    expect_error(BAD("1,0,0", "3", "0", "1", "0"), CODE_INVALID, "element 0 of \"categories_nodes\"");
    expect_error(BAD("1,0,0", "-1", "0", "1", "0"), CODE_INVALID, "element 0 of \"categories_nodes\"");
    expect_error(BAD("1,0,0", "0", "0,1", "1", "0"), CODE_INVALID, "expected one length");
    expect_error(BAD("1,0,0", "0", "0", "0", "0"), CODE_INVALID, "lie outside of");
    expect_error(BAD("1,0,0", "0", "1", "1", "0"), CODE_INVALID, "lie outside of");
    expect_error(BAD("1,0,0", "0", "0", "9223372036854775807", "0"), CODE_INVALID, "lie outside of");
    expect_error(BAD("1,0,0", "0", "-1", "1", "0"), CODE_INVALID, "lie outside of");
    expect_error(BAD("1,0,0", "0", "0", "1", "-1"), CODE_INVALID, "tree 0 node 0: a category is not one of");
    expect_error(BAD("1,0,0", "0", "0", "1", "16777216"), CODE_INVALID, "a category is not one of");
    expect_error(BAD("0,0,0", "", "", "", ""), CODE_INVALID, "tree 0 node 0: the threshold is not");
}

static void test_classes(void **state)
{
    (void)state;
    float two = expf(-2), sum = 1 + 2 * two;
    const float even[3] = {1 / sum, two / sum, two / sum}; /* margins 3, 1, 1 */
#define CLASSES(objective, base)             \
    LEARNER("[3,1,0]", objective, base, "3", \
            GBTREE("0,2,0", STUMP("1", "0") "," STUMP("0", "5") "," STUMP("1", "0")))
    assert_scores(CLASSES("multi:softprob", "[1,1,1]"), 0, 2, even, 3);
    assert_scores(CLASSES("multi:softprob", "1"), 0, 2, even, 3);
    assert_scores(CLASSES("multi:softmax", "[1,1,1]"), 0, 2, ONE(0));
    assert_scores(CLASSES("multi:softmax", "[1,1,1]"), 0, NAN, ONE(2));
    assert_scores(CLASSES("multi:softmax", "[1,9,1]"), 0, 2, ONE(1));
    expect_error(CLASSES("multi:softprob", "[1,1]"), CODE_INVALID, "base_score has 2 values for 3 outputs");
    expect_error(LEARNER("[1,7,0]", "multi:softprob", "1", "3", GBTREE("3", STUMP("1", "0"))), CODE_INVALID,
                 "tree 0 adds to output 3; expected 0 to 2");
    expect_error(LEARNER("[1,7,0]", "multi:softprob", "1", "3", GBTREE("0,1", STUMP("1", "0"))), CODE_INVALID,
                 "\"tree_info\" has 2 elements for 1 trees");
    expect_error(LEARNER("[1,7,0]", "binary:logistic", "0.5", "3", GBTREE("0", STUMP("1", "0"))),
                 CODE_INVALID, "3 classes; binary:logistic has one output");
    expect_error(LEARNER("[1,7,0]", "multi:softmax", "0.5", "99999", GBTREE("0", STUMP("1", "0"))),
                 CODE_LIMIT, "num_class");
}

/* More rows than go through at once, each with the score and the contributions of its class. */
static void test_one_class(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    static float rows[ROWS][2], all[ROWS][3], one[ROWS];
    double contributions[3][3], own[3];
    struct error error = {0};
    struct model *model = parse(CLASSES("multi:softprob", "[1,1,1]")), *class;
    for (int r = 0; r < ROWS; r++)
        rows[r][1] = r % 7 ? (float)(r % 5) : NAN;
    model_predict(model, &rows[0][0], ROWS, &all[0][0]);
    for (int c = 0; c < 3; c++) {
        assert_int_equal(model_of_class(model, c, &class, &error), OK);
        assert_int_equal(model_outputs(class), 1);
        assert_int_equal(model_margins(class), 1);
        assert_string_equal(model_feature_name(class, 1), "b");
        assert_string_equal(model_format(class)->name, "XGBoost JSON");
        assert_string_equal(model_kernel(class), model_kernel(model));
        model_predict(class, &rows[0][0], ROWS, one);
        for (int r = 0; r < ROWS; r++)
            assert_true(one[r] == all[r][c]);
        void *scratch = aligned_alloc(64, (model_explain_scratch(class) + 63) / 64 * 64);
        for (int r = 0; r < 10; r++) {
            model_explain(model, rows[r], 1, &contributions[0][0], scratch);
            model_explain(class, rows[r], 1, own, scratch);
            assert_memory_equal(own, contributions[c], sizeof own);
        }
        free(scratch);
        model_unref(class);
    }
    assert_int_equal(model_of_class(model, 3, &class, &error), CODE_INVALID);
    assert_int_equal(model_of_class(model, -1, &class, &error), CODE_INVALID);
    model_unref(model);
    model = parse(CLASSES("multi:softmax", "[1,1,1]"));
    assert_int_equal(model_of_class(model, 0, &class, &error), CODE_UNSUPPORTED);
    model_unref(model);
}

static void test_weights_of_trees(void **state)
{
    (void)state;
#define DART(weights)                                                   \
    LEARNER("[1,7,0]", "reg:squarederror", "0.5", "0",                  \
            "\"name\":\"dart\",\"gbtree\":{\"name\":\"gbtree\"," TREES( \
                "0,0", STUMP("1", "2") "," STUMP("10", "20")) "}" weights)
    assert_scores(DART(",\"weight_drop\":[0.5,2]"), 0, 0, ONE(0.5F + 0.5F + 20));
    assert_scores(DART(",\"weight_drop\":[0.5,2]"), 0, 3, ONE(0.5F + 1 + 40));
    expect_error(DART(",\"weight_drop\":[0.5]"), CODE_INVALID, "\"weight_drop\" has 1 elements for 2 trees");
    expect_error(DART(",\"weight_drop\":[0.5,null]"), CODE_INVALID, "element 1 of \"weight_drop\"");
    expect_error(DART(",\"weight_drop\":[0.5,1e60]"), CODE_INVALID,
                 "the weight of tree 1 is not a finite number");
    expect_error(DART(""), CODE_INVALID, "\"weight_drop\" is missing");
}

static void test_linear_boosters(void **state)
{
    (void)state;
#define LINEAR(objective, base, classes, weights) \
    LEARNER("[1,7,0]", objective, base, classes,  \
            "\"name\":\"gblinear\",\"model\":{\"weights\":[" weights "]}")
    const char *text = LINEAR("reg:squarederror", "0.5", "0", "2,-3,10");
    assert_scores(text, 1, 2, ONE(6.5F));
    assert_scores(text, NAN, 2, ONE(4.5F));
    assert_scores(LINEAR("multi:softmax", "0.5", "2", "1,2,0,0,5,0"), 6, NAN, ONE(1));
    assert_scores(LINEAR("multi:softmax", "0.5", "2", "1,2,0,0,5,0"), 4, NAN, ONE(0));
    struct model *model = parse(text);
    double contributions[3];
    float row[2] = {1, 2};
    struct importance importance[2];
    model_explain(model, row, 1, contributions, NULL);
    assert_true(contributions[0] == 2 && contributions[1] == -6 && contributions[2] == 10.5);
    model_importance(model, importance);
    assert_true(importance[0].gain == 2 && importance[1].weight == 3);
    assert_string_equal(model_kind(model), "linear");
    model_unref(model);
    expect_error(LINEAR("reg:squarederror", "0.5", "0", "2,-3"), CODE_INVALID, "\"weights\" has 2 elements");
    expect_error(LINEAR("reg:squarederror", "0.5", "0", "2,NaN,1"), CODE_INVALID, "\"weights\" element 1");
}

static void test_bases(void **state)
{
    (void)state;
#define BASE(version, objective, base) LEARNER(version, objective, base, "0", GBTREE("0", STUMP("0", "0")))
    assert_scores(BASE("[1,0,0]", "count:poisson", "2"), 0, 0, ONE(expf(logf(2))));
    assert_scores(BASE("[3,1,0]", "binary:hinge", "[5E-1]"), 0, 0, ONE(1));
    assert_scores(BASE("[1,7,0]", "binary:logitraw", "-2.5"), 0, 0, ONE(-2.5F));
    /* From 3.1 on a base at the end is kept off it; before, it was refused. */
    assert_scores(BASE("[3,1,0]", "binary:logitraw", "[0]"), 0, 0, ONE(0));
    float least = -logf(1.0F / 1e-6F - 1.0F);
    assert_scores(BASE("[3,1,0]", "binary:logistic", "[0]"), 0, 0, ONE(1 / (expf(-least) + 1 + 1e-16F)));
    expect_error(BASE("[3,0,0]", "binary:logistic", "0"), CODE_INVALID, "is not a probability");
    expect_error(BASE("[3,1,0]", "binary:logistic", "[1.5]"), CODE_INVALID, "is not a probability");
    expect_error(BASE("[3,1,0]", "reg:gamma", "[-1]"), CODE_INVALID, "is not above 0");
    expect_error(BASE("[3,1,0]", "reg:gamma", "[]"), CODE_INVALID, "base_score has 0 values for 1 outputs");
    expect_error(BASE("[3,1,0]", "reg:squarederror", "[[1]]"), CODE_INVALID, "is not a finite number");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_damaged_categories),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_one_class),
        cmocka_unit_test(test_weights_of_trees),
        cmocka_unit_test(test_linear_boosters),
        cmocka_unit_test(test_bases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
