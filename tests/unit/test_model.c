/* What model.h promises of every kind: scoring allocates nothing, and many threads may score with one model.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocations.h"
#include "base/memory.h"
#include "models.h"

static const char forest_text[] =
    "{\"learner\":{\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_feature\":\"3\"},\"objective\":{"
    "\"name\":"
    "\"binary:logistic\"},\"gradient_booster\":{\"name\":\"gbtree\",\"model\":{\"trees\":[{\"tree_param\":{"
    "\"num_nodes\":\"5\"},\"left_children\":[1,-1,3,-1,-1],\"right_children\":[2,-1,4,-1,-1],\"split_"
    "indices\":[0,0,2,"
    "0,0],\"split_conditions\":[0.5,1,2,-0.5,0.25],\"default_left\":[1,0,0,0,0],\"sum_hessian\":[8,2,6,4,2],"
    "\"loss_changes\":[3,0,1,0,0]}]}}}}";
static const char linear_text[] =
    "{\"shrike\":\"linear\",\"version\":1,\"features\":[\"a\",\"b\",\"c\"],\"intercept\":0.5,"
    "\"weights\":[1,-2,0.25],\"means\":[0,1,2],\"sds\":[1,2,0.5]}";

enum { ROWS = 1000, FEATURES = 3, THREADS = 4, TIMES = 50 };
static float rows[ROWS * FEATURES];

/* The model of the text, with rows for it. */
static struct model *prepare(const char *text)
{
    for (int i = 0; i < ROWS * FEATURES; i++)
        rows[i] = i % 11 == 0 ? NAN : (float)(i % 7) - 2;
    return parse(text);
}

static void check_allocations(const char *text)
{
    struct model *model = prepare(text);
    static float scores[ROWS];
    static double contributions[ROWS * (FEATURES + 1)];
    void *scratch = memory_aligned(model_explain_scratch(model));
    size_t before = allocations;
    assert_true(before > 0 || !counting);
    model_predict(model, rows, ROWS, scores);
    model_predict(model, rows, 1, scores);
    model_explain(model, rows, ROWS, contributions, scratch);
    assert_int_equal(allocations, before);
    free(scratch);
    model_unref(model);
}

static void test_scoring_allocates_nothing(void **state)
{
    (void)state;
    if (!counting)
        print_message("the sanitizer's allocator cannot be counted\n");
    check_allocations(forest_text);
    check_allocations(linear_text);
}

struct job {
    struct model *model;
    float scores[ROWS];
    double contributions[ROWS * (FEATURES + 1)];
    void *scratch;
};

static void *work(void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < TIMES; i++) {
        struct model *model = model_ref(job->model);
        model_predict(model, rows, ROWS, job->scores);
        model_explain(model, rows, ROWS, job->contributions, job->scratch);
        model_unref(model);
    }
    return NULL;
}

static void check_threads(const char *text)
{
    static struct job jobs[THREADS];
    pthread_t threads[THREADS];
    struct model *model = prepare(text);
    for (int t = 0; t < THREADS; t++) {
        jobs[t].model = model;
        jobs[t].scratch = memory_aligned(model_explain_scratch(model));
        assert_int_equal(pthread_create(&threads[t], NULL, work, &jobs[t]), 0);
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int t = 1; t < THREADS; t++) {
        assert_memory_equal(jobs[t].scores, jobs[0].scores, sizeof jobs[0].scores);
        assert_memory_equal(jobs[t].contributions, jobs[0].contributions, sizeof jobs[0].contributions);
    }
    for (int t = 0; t < THREADS; t++)
        free(jobs[t].scratch);
    model_unref(model);
}

static void test_many_threads(void **state)
{
    (void)state;
    check_threads(forest_text);
    check_threads(linear_text);
}

/* Batches around the sizes at which they are spread, and parts that do not come out even. */
static void check_spread(const char *text)
{
    enum { MANY = 5000 };
    static float many[MANY * FEATURES], expected[MANY], scores[MANY];
    static const size_t sizes[] = {0, 1, 255, 1023, 1024, 1025, 1280, MANY};
    struct model *model = parse(text);
    struct parallel *pool;
    struct error error = {0};
    assert_int_equal(parallel_new(3, &pool, &error), OK);
    for (int i = 0; i < MANY * FEATURES; i++)
        many[i] = i % 13 == 0 ? NAN : (float)(i % 31) / 8 - 1;
    model_predict(model, many, MANY, expected);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        memset(scores, 0xff, sizeof scores);
        model_predict_spread(model, pool, many, sizes[s], scores);
        assert_memory_equal(scores, expected, sizes[s] * sizeof *scores);
        for (size_t r = sizes[s]; r < MANY; r++)
            assert_true(isnan(scores[r]));
    }
    parallel_free(pool);
    model_unref(model);
}

static void test_spreading_keeps_the_bits(void **state)
{
    (void)state;
    check_spread(forest_text);
    check_spread(linear_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scoring_allocates_nothing),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_spreading_keeps_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
