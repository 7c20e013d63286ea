/* Metrics against values worked out by hand (as fractions) and against slow definitions on random data. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/metrics.h"

static void near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g, expected %.17g", value, expected);
}

static struct ranking make(const float *scores, const float *labels, const double *amounts, int64_t n)
{
    struct ranking ranking;
    struct error error;
    assert_int_equal(ranking_make(scores, labels, amounts, n, &ranking, &error), OK);
    return ranking;
}

/* Scores with a tie between a fraud and another row. In order: .9 F, .8 -, .7 F -, .2 -, .1 F. */
static const float small_scores[] = {0.1f, 0.7f, 0.9f, 0.7f, 0.8f, 0.2f};
static const float small_labels[] = {1, 1, 1, 0, 0, 0};
static const double small_amounts[] = {5, 20, 100, 7, 8, 9};
enum { SMALL = 6 };

static void test_ranking(void **state)
{
    (void)state;
    struct ranking r = make(small_scores, small_labels, small_amounts, SMALL);
    assert_int_equal(r.rows, 6);
    assert_int_equal(r.frauds, 3);
    assert_int_equal(r.n, 5);
    const int64_t above[] = {1, 1, 2, 2, 3}, others[] = {0, 1, 2, 3, 3};
    const double amount[] = {100, 100, 120, 120, 125};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(r.above[i], above[i]);
        assert_int_equal(r.others[i], others[i]);
        assert_true(r.amount[i] == amount[i]);
    }
    assert_true(r.score[0] == 0.9f && r.score[4] == 0.1f);
    ranking_done(&r);
}

static void test_area(void **state)
{
    (void)state;
    struct ranking r = make(small_scores, small_labels, NULL, SMALL);
    /* Pairs won: .9 beats 3; .7 beats .2 and ties with .7; .1 beats none: 3 + 1.5 + 0 of 9. */
    assert_true(metrics_auc(&r) == 4.5 / 9.0);
    /* Steps: 1/3 * 1/1 + 1/3 * 2/4 + 1/3 * 3/6 = 2/3. */
    near(metrics_average_precision(&r), 2.0 / 3.0, 1e-15);
    ranking_done(&r);
}

static void test_losses(void **state)
{
    (void)state;
    const float scores[] = {0.5f, 0.25f, 1.0f, 0.0f}, labels[] = {1, 0, 0, 0};
    struct ranking r = make(scores, labels, NULL, 4);
    near(metrics_brier(&r), (0.25 + 0.0625 + 1.0 + 0.0) / 4, 1e-15);
    double expected = (-log(0.5) - log(0.75) - log(0x1p-23) - log1p(-0x1p-23)) / 4;
    near(metrics_log_loss(&r), expected, 1e-12);
    ranking_done(&r);
}

static void test_undefined(void **state)
{
    (void)state;
    const float scores[] = {0.5f, 0.25f}, ones[] = {1, 1}, zeros[] = {0, 0};
    struct curve_point points[CURVE_POINTS];
    struct ranking r = make(scores, ones, NULL, 2);
    assert_true(isnan(metrics_auc(&r)));
    assert_true(metrics_average_precision(&r) == 1.0);
    assert_int_equal(metrics_roc(&r, CURVE_POINTS, points), 0);
    ranking_done(&r);
    r = make(scores, zeros, NULL, 2);
    assert_true(isnan(metrics_auc(&r)));
    assert_true(isnan(metrics_average_precision(&r)));
    assert_true(isnan(metrics_cost(&r, 0.5, (struct cost){1, 1, 1})));
    assert_int_equal(metrics_precision_recall(&r, CURVE_POINTS, points), 0);
    ranking_done(&r);
    r = make(scores, zeros, NULL, 0);
    assert_int_equal(r.n, 0);
    assert_true(isnan(metrics_auc(&r)) && isnan(metrics_brier(&r)) && isnan(metrics_log_loss(&r)));
    assert_true(isnan(confusion_precision(metrics_confusion(&r, 0.5))));
    struct score_bin bins[4];
    assert_int_equal(metrics_bins_quantile(&r, 4, bins), 0);
    metrics_bins_width(&r, 4, bins);
    assert_true(isnan(metrics_calibration_error(bins, 4)));
    ranking_done(&r);
}

static void test_refused(void **state)
{
    (void)state;
    const float scores[] = {0.5f, NAN}, labels[] = {1, 0}, fine[] = {0.5f, 0.5f}, odd[] = {0.5f, 0};
    struct ranking r = {0};
    struct error error;
    assert_int_equal(ranking_make(scores, labels, NULL, 2, &r, &error), CODE_INVALID);
    assert_int_equal(error.line, 2);
    assert_int_equal(ranking_make(fine, odd, NULL, 2, &r, &error), CODE_INVALID);
    assert_int_equal(error.line, 1);
    assert_non_null(strstr(error.message, "expected 0 or 1"));
    assert_null(r.score);
}

static void test_threshold(void **state)
{
    (void)state;
    struct ranking r = make(small_scores, small_labels, small_amounts, SMALL);
    struct confusion c = metrics_confusion(&r, (double)0.7f);
    assert_int_equal(c.caught, 2);
    assert_int_equal(c.false_alarms, 2);
    assert_int_equal(c.missed, 1);
    assert_int_equal(c.passed, 1);
    near(confusion_precision(c), 0.5, 0);
    near(confusion_recall(c), 2.0 / 3, 1e-16);
    near(confusion_f1(c), 4.0 / 7, 1e-16);
    near(confusion_accuracy(c), 0.5, 0);
    near(confusion_false_alarm_rate(c), 2.0 / 3, 1e-16);
    assert_int_equal(metrics_confusion(&r, 2.0).caught, 0);
    assert_int_equal(metrics_confusion(&r, 2.0).false_alarms, 0);
    assert_true(isnan(confusion_precision(metrics_confusion(&r, 2.0))));
    assert_int_equal(metrics_confusion(&r, -1.0).missed, 0);
    /* Two false alarms, one missed fraud of amount 5. */
    near(metrics_cost(&r, (double)0.7f, (struct cost){.false_alarm = 10, .missed = 3, .missed_share = 2}), 33,
         0);
    near(metrics_amount_caught(&r, (double)0.7f), 120, 0);
    near(metrics_amount_caught(&r, 2.0), 0, 0);
    near(metrics_amount(&r), 125, 0);
    ranking_done(&r);
}

static void test_choices(void **state)
{
    (void)state;
    struct ranking r = make(small_scores, small_labels, small_amounts, SMALL);
    double t = -7;
    assert_true(metrics_threshold_precision(&r, 0.9, &t) && t == (double)0.9f);
    assert_true(metrics_threshold_precision(&r, 0.5, &t) && t == (double)0.1f);
    /* The tie at .7 does not fit into three alerts. */
    assert_true(metrics_threshold_alerts(&r, 3, &t) && t == (double)0.8f);
    assert_true(metrics_threshold_alerts(&r, 4, &t) && t == (double)0.7f);
    t = -7;
    assert_false(metrics_threshold_alerts(&r, 0, &t));
    assert_false(metrics_threshold_precision(&r, 1.5, &t));
    assert_true(t == -7);
    /* F1 down the ranking: 2/4, 2/5, 4/7, 4/8, 6/9. */
    assert_true(metrics_threshold_f1(&r, &t) && t == (double)0.1f);
    /* Cost down the ranking: 25 + 0, 25 + 30, 5 + 60, ...: nothing is 125. */
    assert_true(metrics_threshold_cost(&r, (struct cost){.false_alarm = 30, .missed_share = 1}, &t));
    assert_true(t == (double)0.9f);
    assert_false(metrics_threshold_cost(&r, (struct cost){.false_alarm = 1}, &t));
    ranking_done(&r);
    /* F1 is 2/3 after one row and again after four: the higher threshold wins. */
    const float scores[] = {0.9f, 0.8f, 0.7f, 0.6f}, labels[] = {1, 0, 0, 1};
    r = make(scores, labels, NULL, 4);
    assert_true(metrics_threshold_f1(&r, &t) && t == (double)0.9f);
    ranking_done(&r);
}

/* Random scores on a coarse grid (many ties), about one fraud in eight. */
enum { RANDOM = 700 };
static float random_scores[RANDOM], random_labels[RANDOM];

static void fill_random(unsigned seed, int grid)
{
    for (int i = 0; i < RANDOM; i++) {
        seed = seed * 1664525u + 1013904223u;
        random_labels[i] = seed >> 29 == 0;
        seed = seed * 1664525u + 1013904223u;
        random_scores[i] =
            (float)((seed >> 8) % (unsigned)grid) / (float)grid * (random_labels[i] != 0 ? 1.0f : 0.8f);
    }
}

static void test_slow_definitions(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 20; seed++) {
        fill_random(seed, seed % 3 ? 40 : 100000);
        struct ranking r = make(random_scores, random_labels, NULL, RANDOM);
        int64_t twice = 0, pairs = 0;
        double precision_sum = 0, frauds = 0;
        for (int i = 0; i < RANDOM; i++) {
            if (random_labels[i] == 0)
                continue;
            int64_t above = 0, alerts = 0;
            for (int j = 0; j < RANDOM; j++) {
                alerts += random_scores[j] >= random_scores[i];
                above += random_scores[j] >= random_scores[i] && random_labels[j] != 0;
                if (random_labels[j] != 0)
                    continue;
                pairs++;
                twice += 2 * (random_scores[i] > random_scores[j]) + (random_scores[i] == random_scores[j]);
            }
            precision_sum += (double)above / (double)alerts;
            frauds++;
        }
        near(metrics_auc(&r), (double)twice / (2.0 * (double)pairs), 1e-15);
        near(metrics_average_precision(&r), precision_sum / frauds, 1e-13);
        ranking_done(&r);
    }
}

static void test_signed_zero_and_negative(void **state)
{
    (void)state;
    const float scores[] = {-0.0f, 0.0f, -1.5f, 3.0f, -INFINITY}, labels[] = {1, 0, 0, 1, 0};
    struct ranking r = make(scores, labels, NULL, 5);
    assert_int_equal(r.n, 4);
    assert_true(r.score[0] == 3.0f && r.score[1] == 0.0f && r.score[2] == -1.5f && r.score[3] == -INFINITY);
    assert_true(metrics_auc(&r) == 5.5 / 6.0);
    ranking_done(&r);
}

static double curve_area(const struct curve_point *points, int n)
{
    double area = 0;
    for (int i = 1; i < n; i++)
        area += (points[i].x - points[i - 1].x) * (points[i].y + points[i - 1].y) / 2;
    return area;
}

static void test_curves(void **state)
{
    (void)state;
    struct curve_point points[CURVE_POINTS];
    fill_random(5, 100000);
    struct ranking r = make(random_scores, random_labels, NULL, RANDOM);
    int n = metrics_roc(&r, CURVE_POINTS, points);
    assert_in_range(n, 50, CURVE_POINTS);
    assert_true(points[0].x == 0 && points[0].y == 0 && isinf(points[0].threshold));
    assert_true(points[n - 1].x == 1 && points[n - 1].y == 1);
    near(curve_area(points, n), metrics_auc(&r), 0.002);
    n = metrics_roc(&r, 20, points);
    assert_in_range(n, 5, 20);
    near(curve_area(points, n), metrics_auc(&r), 0.05);
    n = metrics_precision_recall(&r, 100, points);
    assert_in_range(n, 5, 100);
    assert_true(points[n - 1].x == 1);
    near(points[n - 1].y, (double)r.frauds / RANDOM, 1e-15);
    struct confusion first = metrics_confusion(&r, points[0].threshold);
    near(points[0].y, confusion_precision(first), 0);
    ranking_done(&r);
}

static void test_bins(void **state)
{
    (void)state;
    struct ranking r = make(small_scores, small_labels, NULL, SMALL);
    struct score_bin bins[5];
    metrics_bins_width(&r, 5, bins);
    const int64_t rows[] = {1, 1, 0, 2, 2}, frauds[] = {1, 0, 0, 1, 1};
    for (int b = 0; b < 5; b++) {
        assert_int_equal(bins[b].rows, rows[b]);
        assert_int_equal(bins[b].frauds, frauds[b]);
    }
    assert_true(isnan(bins[2].mean));
    near(bins[4].mean, 0.85, 1e-7);
    near(metrics_calibration_error(bins, 5), (0.9 + 0.2 + 0.4 + 0.7) / 6, 1e-7);
    assert_int_equal(metrics_bins_quantile(&r, 3, bins), 3);
    assert_true(bins[0].low == (double)0.1f && bins[0].high == (double)0.2f);
    assert_int_equal(bins[1].rows, 2);
    assert_int_equal(bins[2].frauds, 1);
    ranking_done(&r);
}

/* One score holds nine rows in ten: the bins it swallows are left out, and never more come out than were
 * asked for. */
static void test_quantile_with_large_group(void **state)
{
    (void)state;
    float scores[100], labels[100];
    for (int i = 0; i < 100; i++) {
        scores[i] = i < 90 ? 0.0f : (float)i / 100;
        labels[i] = i == 99;
    }
    struct ranking r = make(scores, labels, NULL, 100);
    struct score_bin bins[10];
    assert_int_equal(metrics_bins_quantile(&r, 10, bins), 2);
    assert_int_equal(bins[0].rows, 90);
    assert_int_equal(bins[1].rows, 10);
    assert_int_equal(bins[1].frauds, 1);
    ranking_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranking),
        cmocka_unit_test(test_area),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_undefined),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_slow_definitions),
        cmocka_unit_test(test_signed_zero_and_negative),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_quantile_with_large_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
