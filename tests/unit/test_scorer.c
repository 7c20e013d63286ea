/* The installed interface to models: what a model tells of itself, scores and contributions, what wrong
 * arguments say, and that scoring allocates nothing and may be done by many threads. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocations.h"
#include "shrike/scorer.h"

/* One tree: a < 0.5 or missing: 1, else c < 2: -0.5, else 0.25; log odds. */
static const char forest_text[] =
    "{\"learner\":{\"feature_names\":[\"a\",\"b\",\"c\"],\"learner_model_param\":{\"base_score\":\"5E-1\","
    "\"num_feature\":\"3\"},\"objective\":{\"name\":\"binary:logistic\"},\"gradient_booster\":{\"name\":"
    "\"gbtree\",\"model\":{\"trees\":[{\"tree_param\":{\"num_nodes\":\"5\"},\"left_children\":[1,-1,3,-1,-1],"
    "\"right_children\":[2,-1,4,-1,-1],\"split_indices\":[0,0,2,0,0],\"split_conditions\":[0.5,1,2,-0.5,0.25]"
    ","
    "\"default_left\":[1,0,0,0,0],\"sum_hessian\":[8,2,6,4,2],\"loss_changes\":[3,0,1,0,0]}]}}}}";

enum { FEATURES = 3, ROWS = 4, THREADS = 4, TIMES = 200 };

static const float rows[ROWS * FEATURES] = {0.25F, 9, 9, NAN, 9, 0, 0.5F, 9, 1, 3, 9, 2};
static const double margins[ROWS] = {1, 1, -0.5, 0.25};
static const double mean = (2 * 1 + 4 * -0.5 + 2 * 0.25) / 8; /* the base: leaves by their covers */

static struct shrike_scorer *parse(const char *text)
{
    struct shrike_scorer *scorer = NULL;
    struct shrike_error error = {0};
    if (shrike_scorer_parse(text, strlen(text), &scorer, &error))
        fail_msg("%s", error.message);
    return scorer;
}

static void test_a_model_tells_what_it_takes(void **state)
{
    (void)state;
    struct shrike_scorer *scorer = parse(forest_text);
    assert_string_equal(shrike_scorer_format(scorer), "XGBoost JSON");
    assert_int_equal(shrike_scorer_features(scorer), FEATURES);
    assert_int_equal(shrike_scorer_outputs(scorer), 1);
    assert_int_equal(shrike_scorer_margins(scorer), 1);
    assert_string_equal(shrike_scorer_feature_name(scorer, 2), "c");
    assert_null(shrike_scorer_feature_name(scorer, 3));
    assert_null(shrike_scorer_feature_name(scorer, -1));
    assert_int_equal(shrike_scorer_feature_categorical(scorer, 0), 0);
    assert_int_equal(shrike_scorer_feature_categorical(scorer, 3), 0);
    shrike_scorer_free(scorer);
    assert_null(shrike_scorer_format(NULL));
    assert_int_equal(shrike_scorer_features(NULL), 0);
    assert_int_equal(shrike_scorer_outputs(NULL), 0);
    assert_int_equal(shrike_scorer_margins(NULL), 0);
    assert_int_equal(shrike_scorer_scratch(NULL), 0);
    assert_null(shrike_scorer_feature_name(NULL, 0));
    assert_int_equal(shrike_scorer_feature_categorical(NULL, 0), 0);
    shrike_scorer_free(NULL);
}

static void test_scores_of_a_batch_and_of_each_row(void **state)
{
    (void)state;
    struct shrike_scorer *scorer = parse(forest_text);
    float scores[ROWS], one;
    assert_int_equal(shrike_scorer_predict(scorer, rows, ROWS, FEATURES, scores, NULL), SHRIKE_OK);
    for (int i = 0; i < ROWS; i++) {
        assert_true(fabs(scores[i] - 1 / (1 + exp(-margins[i]))) < 1e-6);
        const float *row = rows + (size_t)i * FEATURES;
        assert_int_equal(shrike_scorer_predict_row(scorer, row, FEATURES, &one, NULL), SHRIKE_OK);
        assert_memory_equal(&one, &scores[i], sizeof one);
    }
    assert_int_equal(shrike_scorer_predict(scorer, NULL, 0, FEATURES, NULL, NULL), SHRIKE_OK);
    shrike_scorer_free(scorer);
}

static void test_contributions_sum_to_the_margin(void **state)
{
    (void)state;
    struct shrike_scorer *scorer = parse(forest_text);
    double own[ROWS][FEATURES + 1], lent[ROWS][FEATURES + 1];
    void *scratch = malloc(shrike_scorer_scratch(scorer));
    assert_int_equal(shrike_scorer_explain(scorer, rows, ROWS, FEATURES, own[0], NULL, NULL), SHRIKE_OK);
    assert_int_equal(shrike_scorer_explain(scorer, rows, ROWS, FEATURES, lent[0], scratch, NULL), SHRIKE_OK);
    assert_memory_equal(own, lent, sizeof own);
    for (int i = 0; i < ROWS; i++) {
        assert_true(fabs(own[i][0] + own[i][1] + own[i][2] + own[i][3] - margins[i]) < 1e-6);
        assert_true(fabs(own[i][FEATURES] - mean) < 1e-6);
        assert_true(own[i][0] != 0 && own[i][1] == 0);
    }
    free(scratch);
    shrike_scorer_free(scorer);
}

static void refused(int code, int expected, struct shrike_error *error, const char *message)
{
    assert_int_equal(code, expected);
    assert_int_equal(error->code, expected);
    assert_non_null(strstr(error->message, message));
    memset(error, 0, sizeof *error);
}

static void test_wrong_rows_are_refused(void **state)
{
    (void)state;
    struct shrike_scorer *scorer = parse(forest_text);
    struct shrike_error error = {0};
    float scores[ROWS + 1] = {7};
    double contributions[FEATURES + 1] = {7}, scratch[2];
#define PREDICT(...) shrike_scorer_predict(__VA_ARGS__, &error)
#define EXPLAIN(...) shrike_scorer_explain(__VA_ARGS__, &error)
    refused(PREDICT(NULL, rows, 1, 3, scores), SHRIKE_USAGE, &error, "scorer is NULL");
    refused(PREDICT(scorer, NULL, 1, 3, scores), SHRIKE_USAGE, &error, "rows is NULL");
    refused(PREDICT(scorer, rows, 1, 3, NULL), SHRIKE_USAGE, &error, "ret_scores is NULL");
    refused(PREDICT(scorer, rows, 1, 4, scores), SHRIKE_INVALID, &error, "of 4 features, the model has 3");
    refused(PREDICT(scorer, rows, 1, -3, scores), SHRIKE_INVALID, &error, "-3 features");
    refused(PREDICT(scorer, rows, SIZE_MAX / 2, 3, scores), SHRIKE_LIMIT, &error, "memory can hold");
    const float *odd = (const float *)((uintptr_t)rows + 1);
    refused(PREDICT(scorer, odd, 1, 3, scores), SHRIKE_USAGE, &error, "rows is not aligned to 4");
    refused(shrike_scorer_predict_row(scorer, NULL, 3, scores, &error), SHRIKE_USAGE, &error, "rows is NULL");
    refused(EXPLAIN(NULL, rows, 1, 3, contributions, NULL), SHRIKE_USAGE, &error, "scorer is NULL");
    refused(EXPLAIN(scorer, NULL, 1, 3, contributions, NULL), SHRIKE_USAGE, &error, "rows is NULL");
    refused(EXPLAIN(scorer, rows, 1, 3, NULL, NULL), SHRIKE_USAGE, &error, "ret_contributions is NULL");
    refused(EXPLAIN(scorer, rows, 1, 2, contributions, NULL), SHRIKE_INVALID, &error, "of 2 features");
    refused(EXPLAIN(scorer, rows, SIZE_MAX / 16, 3, contributions, NULL), SHRIKE_LIMIT, &error, "memory");
    void *crooked = (char *)scratch + (((uintptr_t)scratch & 15) ? 0 : 8);
    refused(EXPLAIN(scorer, rows, 1, 3, contributions, crooked), SHRIKE_USAGE, &error, "not aligned to 16");
    assert_true(scores[0] == 7 && contributions[0] == 7);
    assert_int_equal(shrike_scorer_predict(scorer, rows, 1, 4, scores, NULL), SHRIKE_INVALID);
    shrike_scorer_free(scorer);
}

static void test_what_is_no_model_is_refused(void **state)
{
    (void)state;
    struct shrike_error error = {0};
    struct shrike_scorer *scorer = NULL;
    size_t size = strlen(forest_text);
    refused(shrike_scorer_load(NULL, &scorer, &error), SHRIKE_USAGE, &error, "path is NULL");
    refused(shrike_scorer_load("x", NULL, &error), SHRIKE_USAGE, &error, "ret_scorer is NULL");
    refused(shrike_scorer_parse(NULL, 1, &scorer, &error), SHRIKE_USAGE, &error, "data is NULL");
    refused(shrike_scorer_parse("{}", 2, NULL, &error), SHRIKE_USAGE, &error, "ret_scorer is NULL");
    refused(shrike_scorer_parse("", 0, &scorer, &error), SHRIKE_CORRUPT, &error, "");
    refused(shrike_scorer_parse("{}", 2, &scorer, &error), SHRIKE_INVALID, &error, "not a model");
    for (size_t cut = 0; cut < size; cut++) {
        char *part = malloc(cut + 1);
        memcpy(part, forest_text, cut);
        refused(shrike_scorer_parse(part, cut, &scorer, &error), SHRIKE_CORRUPT, &error, "");
        free(part);
    }
    assert_int_equal(shrike_scorer_load("/nowhere/m.json", &scorer, &error), SHRIKE_NOT_FOUND);
    assert_non_null(strstr(error.message, "/nowhere/m.json"));
    assert_null(scorer);
}

static void test_scoring_allocates_nothing(void **state)
{
    (void)state;
    struct shrike_scorer *scorer = parse(forest_text);
    float scores[ROWS];
    double contributions[ROWS * (FEATURES + 1)];
    void *scratch = malloc(shrike_scorer_scratch(scorer));
    size_t before = allocations;
    assert_true(before > 0 || !counting);
    assert_int_equal(shrike_scorer_predict(scorer, rows, ROWS, FEATURES, scores, NULL), SHRIKE_OK);
    assert_int_equal(shrike_scorer_predict_row(scorer, rows, FEATURES, scores, NULL), SHRIKE_OK);
    assert_int_equal(shrike_scorer_explain(scorer, rows, ROWS, FEATURES, contributions, scratch, NULL), 0);
    assert_int_equal(allocations, before);
    free(scratch);
    shrike_scorer_free(scorer);
}

struct job {
    const struct shrike_scorer *scorer;
    float scores[ROWS];
    double contributions[ROWS * (FEATURES + 1)];
    int failures;
};

static void *work(void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < TIMES; i++) {
        job->failures += shrike_scorer_predict(job->scorer, rows, ROWS, FEATURES, job->scores, NULL) != 0;
        job->failures +=
            shrike_scorer_explain(job->scorer, rows, ROWS, FEATURES, job->contributions, NULL, NULL) != 0;
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    struct shrike_scorer *scorer = parse(forest_text);
    pthread_t threads[THREADS];
    struct job jobs[THREADS] = {0};
    for (int t = 0; t < THREADS; t++) {
        jobs[t].scorer = scorer;
        assert_int_equal(pthread_create(&threads[t], NULL, work, &jobs[t]), 0);
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(jobs[t].failures, 0);
        assert_memory_equal(jobs[t].scores, jobs[0].scores, sizeof jobs[0].scores);
        assert_memory_equal(jobs[t].contributions, jobs[0].contributions, sizeof jobs[0].contributions);
    }
    shrike_scorer_free(scorer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_model_tells_what_it_takes),
        cmocka_unit_test(test_scores_of_a_batch_and_of_each_row),
        cmocka_unit_test(test_contributions_sum_to_the_margin),
        cmocka_unit_test(test_wrong_rows_are_refused),
        cmocka_unit_test(test_what_is_no_model_is_refused),
        cmocka_unit_test(test_scoring_allocates_nothing),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
