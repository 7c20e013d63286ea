/*
 * Metrics of a binary model: how well scores tell frauds from the rest.
 *
 * A ranking is the one thing that is sorted: the distinct scores from the highest to the lowest, with how
 * many frauds and how many others have at least each score. Every metric that does not look at single rows
 * reads it, so ties are handled in one place: rows of equal score are one step, never an order.
 *
 *   score   0.97  0.91  0.40 ...        groups of equal score, descending
 *   frauds     3     4     4 ...        with a score >= that one
 *   others     0     1    17 ...
 *
 * An alert is a row whose score is at or above a threshold. A metric that is not defined (no fraud at all, no
 * alert) is NaN, never 0.
 *
 * Threads: functions share nothing; a ranking may be read by many threads. Memory: 8 bytes per row while
 * sorting, then 28 bytes per distinct score. Time: O(n), a radix sort. Limit: LIMIT_METRIC_ROWS rows.
 */
#ifndef SHRIKE_TRAIN_METRICS_H
#define SHRIKE_TRAIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct ranking {
    int64_t rows, frauds; /* of the whole set */
    int64_t n;            /* distinct scores */
    float *score;         /* n, descending */
    int64_t *above;       /* n: frauds with a score >= score[i] */
    int64_t *others;      /* n: the rest with a score >= score[i] */
    double *amount;       /* n: amount of the frauds with a score >= score[i]; NULL where none was given */
};

/* Ranks n rows. Labels are 0 or 1. amounts may be NULL. CODE_INVALID where a score is NaN or a label is
 * neither 0 nor 1 (the error's line is the row, from 1). */
int ranking_make(const float *scores, const float *labels, const double *amounts, int64_t n,
                 struct ranking *ret, struct error *error);
void ranking_done(struct ranking *ranking); /* takes a zeroed one */

/* Area under the ROC curve: the probability that a fraud scores higher than another row, ties counted half
 * (Mann-Whitney U). Exact: counted in integers, divided once. */
double metrics_auc(const struct ranking *ranking);

/* Average precision: sum over distinct scores of (recall step) * precision, without interpolation, as
 * scikit-learn's average_precision_score. */
double metrics_average_precision(const struct ranking *ranking);

/* Mean of -log(probability given to the truth), scores cut to [2^-23, 1 - 2^-23] (float32's resolution at 1).
 */
double metrics_log_loss(const struct ranking *ranking);

/* Mean squared difference between score and label (Brier 1950). */
double metrics_brier(const struct ranking *ranking);

/* What a threshold does: an alert where score >= threshold. */
struct confusion {
    int64_t caught, false_alarms, missed, passed; /* true and false positives, false and true negatives */
};
struct confusion metrics_confusion(const struct ranking *ranking, double threshold);
double confusion_precision(struct confusion c); /* caught / alerts */
double confusion_recall(struct confusion c);    /* caught / frauds */
double confusion_f1(struct confusion c);        /* 2 caught / (2 caught + false alarms + missed) */
double confusion_accuracy(struct confusion c);
double confusion_false_alarm_rate(struct confusion c); /* false alarms / others */

/* What mistakes cost. A missed fraud costs `missed` plus `missed_share` of its amount. */
struct cost {
    double false_alarm, missed, missed_share;
};
/* NaN where missed_share needs amounts and the ranking has none. */
double metrics_cost(const struct ranking *ranking, double threshold, struct cost cost);
/* Amount of the frauds caught at a threshold and of all frauds; NaN without amounts. */
double metrics_amount_caught(const struct ranking *ranking, double threshold);
double metrics_amount(const struct ranking *ranking);

/* Thresholds. Each gives false, and leaves the threshold alone, where no alert at all is the only answer.
 * precision: the lowest threshold whose alerts are right at least that often, so the highest recall.
 * alerts: the lowest threshold with at most that many alerts; ties are never split.
 * f1: the threshold with the highest F1; cost: the one with the lowest cost. The higher threshold wins a
 * draw. */
bool metrics_threshold_precision(const struct ranking *ranking, double precision, double *ret_threshold);
bool metrics_threshold_alerts(const struct ranking *ranking, int64_t alerts, double *ret_threshold);
bool metrics_threshold_f1(const struct ranking *ranking, double *ret_threshold);
bool metrics_threshold_cost(const struct ranking *ranking, struct cost cost, double *ret_threshold);

/* Curves, thinned to at most `maximum` points (>= 3) at about equal distance along the curve; both ends are
 * kept. ROC: x = false alarm rate, y = recall, from (0, 0). Precision-recall: x = recall, y = precision, from
 * the first group. Gives the number of points, 0 where the curve is not defined. The first ROC point's
 * threshold is infinite. */
struct curve_point {
    double x, y, threshold;
};
enum { CURVE_POINTS = 500 };
int metrics_roc(const struct ranking *ranking, int maximum, struct curve_point *ret);
int metrics_precision_recall(const struct ranking *ranking, int maximum, struct curve_point *ret);

/* Bins of scores, lowest first, for calibration and histograms. `low` is the smallest score that belongs
 * (equal width: the bin's edge), `high` the largest (equal width: the next edge). mean NaN where the bin is
 * empty. */
struct score_bin {
    double low, high, mean;
    int64_t rows, frauds;
};
/* `bins` bins of equal width over [0, 1]; scores outside go to the nearest. */
void metrics_bins_width(const struct ranking *ranking, int bins, struct score_bin *ret);
/* At most `bins` bins of about equal rows; equal scores are never split. Gives how many there are. */
int metrics_bins_quantile(const struct ranking *ranking, int bins, struct score_bin *ret);
/* Expected calibration error: mean over rows of |share of frauds - mean score| of the bin (Naeini 2015). */
double metrics_calibration_error(const struct score_bin *bins, int n);

#endif
