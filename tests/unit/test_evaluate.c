/* The evaluation protocol: who is known when, what precision@k counts, and all of it against a slow
 * definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/evaluate.h"

enum { MOST = 4000 };
static struct {
    int64_t n, time_us[MOST], entity[MOST];
    float label[MOST], score[MOST];
    double amount[MOST];
} rows;

static void add(int64_t time_us, int64_t entity, int label, double score)
{
    rows.time_us[rows.n] = time_us;
    rows.entity[rows.n] = entity;
    rows.label[rows.n] = (float)label;
    rows.score[rows.n] = (float)score;
    rows.amount[rows.n] = 1.0 + (double)rows.n;
    rows.n++;
}

static struct evaluate_input input(void)
{
    return (struct evaluate_input){.n = rows.n,
                                   .time_us = rows.time_us,
                                   .entity = rows.entity,
                                   .label = rows.label,
                                   .score = rows.score,
                                   .amount = rows.amount};
}

static struct evaluation evaluate(const struct evaluate_options *options)
{
    struct evaluate_input in = input();
    struct evaluation result;
    struct error error;
    int rc = evaluate_run(&in, options, &result, &error);
    if (rc)
        fail_msg("%s", error.message);
    return result;
}

static int64_t day(double d)
{
    return (int64_t)(d * (double)DAY_US);
}

/* Delay two days, test day 10: known up to, but not including, the start of day 8. */
static void test_known_boundary(void **state)
{
    (void)state;
    const struct evaluate_options options = {
        .test = {day(10), day(11)}, .known_from_us = day(5), .delay_us = day(2), .top_k = 10};
    rows.n = 0;
    add(day(8) - 1, 0, 1, NAN); /* known */
    add(day(8), 1, 1, NAN);     /* a moment too late */
    add(day(5), 2, 1, NAN);     /* known: the first training day counts */
    add(day(5) - 1, 3, 1, NAN); /* before training */
    add(day(6), 4, 0, NAN);     /* not a fraud */
    for (int e = 0; e < 5; e++)
        add(day(10.5), e, 1, 0.5 + e * 0.01);
    add(day(11), 4, 1, NAN); /* beyond the span */
    struct evaluation r = evaluate(&options);
    assert_int_equal(r.rows, 3);
    assert_int_equal(r.frauds, 3);
    assert_int_equal(r.known_rows, 2);
    assert_int_equal(r.known_frauds, 2);
    assert_int_equal(r.known_entities, 2);
    assert_int_equal(r.n_days, 1);
    assert_int_equal(r.days[0].day, 10);
    assert_int_equal(r.days[0].compromised, 3);
    assert_true(r.precision_at_k == 0.3);
    assert_true(isnan(r.auc));
    assert_true(metrics_amount(&r.ranking) == 7.0 + 9.0 + 10.0);
    evaluation_done(&r);

    struct evaluate_options keep = options;
    keep.keep_known = true;
    r = evaluate(&keep);
    assert_int_equal(r.rows, 5);
    assert_int_equal(r.known_rows, 0);
    evaluation_done(&r);
}

/* A fraud of the test span itself becomes known on later days. */
static void test_known_within_test(void **state)
{
    (void)state;
    const struct evaluate_options options = {
        .test = {day(10), day(13)}, .known_from_us = day(0), .delay_us = day(1), .top_k = 0};
    rows.n = 0;
    for (int d = 10; d < 13; d++)
        add(day(d + 0.25), 7, d == 10, 0.5);
    struct evaluation r = evaluate(&options);
    assert_int_equal(r.n_days, 3);
    assert_int_equal(r.rows, 2);
    assert_int_equal(r.days[1].known_rows, 0);
    assert_int_equal(r.days[2].known_rows, 1);
    assert_int_equal(r.days[2].rows, 0);
    assert_true(isnan(r.precision_at_k));
    evaluation_done(&r);
}

/* An entity counts once a day with its highest score, and is out once it was found. */
static void test_precision_at_k(void **state)
{
    (void)state;
    const struct evaluate_options options = {
        .test = {day(10), day(12)}, .known_from_us = day(0), .delay_us = day(7), .top_k = 2};
    rows.n = 0;
    add(day(10.1), 0, 1, 0.1); /* compromised by a row of low score: its highest one ranks it */
    add(day(10.2), 0, 0, 0.9);
    add(day(10.25), 0, 1, 0.3); /* compromised twice: one entity all the same */
    add(day(10.3), 1, 0, 0.8);
    add(day(10.4), 2, 1, 0.7);
    add(day(11.1), 0, 1, 0.9); /* found yesterday */
    add(day(11.2), 1, 0, 0.2);
    add(day(11.3), 2, 1, 0.6);
    add(day(11.4), 3, 1, 0.6); /* equal score: entity 2 comes first, both fit */
    add(day(11.5), 4, 1, 0.6);
    struct evaluation r = evaluate(&options);
    assert_int_equal(r.days[0].entities, 3);
    assert_int_equal(r.days[0].compromised, 2);
    assert_int_equal(r.days[0].found, 1);
    assert_int_equal(r.days[1].entities, 4);
    assert_int_equal(r.days[1].compromised, 3);
    assert_int_equal(r.days[1].found, 2);
    assert_true(r.precision_at_k == 0.75);
    assert_int_equal(r.compromised, 4);
    assert_int_equal(r.found, 3);
    assert_int_equal(r.rows, 10);
    evaluation_done(&r);
}

static void test_steps_and_negative_days(void **state)
{
    (void)state;
    rows.n = 0;
    add(3, 0, 1, NAN);
    add(10, 0, 0, 0.5);
    add(11, 1, 1, 0.75);
    const struct evaluate_options steps = {.test = {10, 12}, .delay_us = 6, .day_us = 1, .top_k = 1};
    struct evaluation r = evaluate(&steps);
    assert_int_equal(r.known_rows, 1);
    assert_int_equal(r.n_days, 2);
    assert_int_equal(r.days[1].day, 11);
    assert_true(r.precision_at_k == 1.0);
    evaluation_done(&r);

    rows.n = 0;
    add(-1, 0, 1, 0.5);
    add(0, 0, 0, 0.5);
    const struct evaluate_options early = {
        .test = {-DAY_US, DAY_US}, .known_from_us = -DAY_US, .keep_known = true};
    r = evaluate(&early);
    assert_int_equal(r.n_days, 2);
    assert_int_equal(r.days[0].day, -1);
    assert_int_equal(r.days[1].day, 0);
    evaluation_done(&r);
}

static void test_without_entities(void **state)
{
    (void)state;
    rows.n = 0;
    add(day(1), 0, 1, NAN);
    add(day(10), 0, 1, 0.5);
    add(day(10), 0, 0, 0.25);
    struct evaluate_input in = input();
    in.entity = NULL;
    in.amount = NULL;
    struct evaluation r;
    struct error error;
    const struct evaluate_options options = {.test = {day(10), day(11)}, .top_k = 5};
    assert_int_equal(evaluate_run(&in, &options, &r, &error), OK);
    assert_int_equal(r.rows, 2);
    assert_true(r.auc == 1.0 && isnan(r.precision_at_k) && isnan(metrics_amount(&r.ranking)));
    evaluation_done(&r);
}

static void test_refused(void **state)
{
    (void)state;
    rows.n = 0;
    add(day(9), 0, 0, 0.5);
    add(day(11), 0, 0, NAN);
    struct evaluate_input in = input();
    struct evaluation r = {0};
    struct error error;
    struct evaluate_options options = {.test = {day(10), day(11)}, .top_k = 5};
    assert_int_equal(evaluate_run(&in, &options, &r, &error), CODE_INVALID);
    assert_string_equal(error.message,
                        "no row lies in the test span 1970-01-11 00:00:00..1970-01-12 00:00:00");
    options.test.to_us = day(12);
    assert_int_equal(evaluate_run(&in, &options, &r, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "has no score"));
    rows.score[1] = 0.5f;
    rows.label[1] = 2;
    assert_int_equal(evaluate_run(&in, &options, &r, &error), CODE_INVALID);
    rows.label[1] = 0;
    rows.time_us[1] = day(300000);
    options.test.to_us = day(400000);
    options.test.from_us = 0;
    assert_int_equal(evaluate_run(&in, &options, &r, &error), CODE_LIMIT);
    assert_null(r.days);
}

enum { ENTITIES = 60, DAYS = 20, FIRST_TEST = 12, K = 8, DELAY = 3 };

static bool slow_known(int64_t entity, int64_t d)
{
    for (int64_t i = 0; i < rows.n; i++)
        if (rows.entity[i] == entity && rows.label[i] != 0 && rows.time_us[i] / DAY_US >= 4 &&
            rows.time_us[i] / DAY_US <= d - DELAY - 1)
            return true;
    return false;
}

/* Is the entity among the K best of the day? Counted: fewer than K others are ahead of it. */
static bool slow_top(const double *best, int entity)
{
    int ahead = 0;
    for (int e = 0; e < ENTITIES; e++)
        ahead += best[e] > best[entity] || (best[e] == best[entity] && e < entity);
    return ahead < K;
}

static void test_slow_definition(void **state)
{
    (void)state;
    unsigned seed = 11;
    rows.n = 0;
    for (int i = 0; i < MOST; i++) {
        seed = seed * 1664525u + 1013904223u;
        int64_t t = (int64_t)(seed >> 8) * (DAY_US * DAYS >> 24);
        seed = seed * 1664525u + 1013904223u;
        int64_t entity = (seed >> 8) % ENTITIES;
        seed = seed * 1664525u + 1013904223u;
        bool fraud = (seed >> 8) % 60 == 0;
        add(t, entity, fraud, (double)(seed >> 16 & 15) / 16 + (fraud ? 0.25 : 0));
    }
    const struct evaluate_options options = {
        .test = {day(FIRST_TEST), day(DAYS)}, .known_from_us = day(4), .delay_us = day(DELAY), .top_k = K};
    struct evaluation r = evaluate(&options);
    bool found[ENTITIES] = {false};
    int64_t total = 0;
    for (int d = FIRST_TEST; d < DAYS; d++) {
        double best[ENTITIES];
        bool compromised[ENTITIES] = {false};
        int64_t kept = 0, hits = 0;
        for (int e = 0; e < ENTITIES; e++)
            best[e] = -1;
        for (int64_t i = 0; i < rows.n; i++) {
            int64_t e = rows.entity[i];
            if (rows.time_us[i] / DAY_US != d || slow_known(e, d))
                continue;
            kept++;
            if (found[e])
                continue;
            best[e] = fmax(best[e], (double)rows.score[i]);
            compromised[e] |= rows.label[i] != 0;
        }
        for (int e = 0; e < ENTITIES; e++)
            hits += best[e] >= 0 && compromised[e] && slow_top(best, e);
        for (int e = 0; e < ENTITIES; e++)
            found[e] |= best[e] >= 0 && compromised[e] && slow_top(best, e);
        assert_int_equal(r.days[d - FIRST_TEST].rows, kept);
        assert_int_equal(r.days[d - FIRST_TEST].found, hits);
        total += kept;
    }
    assert_int_equal(r.rows, total);
    assert_true(r.known_rows > 100 && r.found > 5);
    evaluation_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_boundary),   cmocka_unit_test(test_known_within_test),
        cmocka_unit_test(test_precision_at_k),   cmocka_unit_test(test_steps_and_negative_days),
        cmocka_unit_test(test_without_entities), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_slow_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
