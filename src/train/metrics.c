#include "train/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

/*
 * Sorting. A row is one word: the score's bits, mapped so that unsigned order is descending score, above the
 * row number. Three counting passes of 11, 11 and 10 bits over the score sort it; the row number rides along.
 */
enum { PASSES = 3, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static uint32_t key_of_score(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 becomes +0: they are equal, so they must be one group */
    memcpy(&bits, &score, sizeof bits);
    uint32_t ascending = bits & UINT32_C(0x80000000) ? ~bits : bits | UINT32_C(0x80000000);
    return ~ascending;
}

static void sort_words(uint64_t *words, uint64_t *other, int64_t n)
{
    for (int pass = 0; pass < PASSES; pass++) {
        int shift = 32 + pass * DIGIT_BITS;
        int64_t start[DIGITS] = {0}, sum = 0;
        for (int64_t i = 0; i < n; i++)
            start[words[i] >> shift & (DIGITS - 1)]++;
        for (int d = 0; d < DIGITS; d++) {
            int64_t count = start[d];
            start[d] = sum;
            sum += count;
        }
        for (int64_t i = 0; i < n; i++)
            other[start[words[i] >> shift & (DIGITS - 1)]++] = words[i];
        uint64_t *swap = words;
        words = other;
        other = swap;
    }
}

static int check_rows(const float *scores, const float *labels, int64_t n, struct error *error)
{
    if (n > LIMIT_METRIC_ROWS)
        return error_set(error, CODE_LIMIT, "metrics take at most %lld rows, there are %lld",
                         (long long)LIMIT_METRIC_ROWS, (long long)n);
    for (int64_t i = 0; i < n; i++) {
        if (isnan(scores[i])) {
            error_set(error, CODE_INVALID, "the score of row %lld is not a number", (long long)i + 1);
            error_at(error, NULL, i + 1, 0);
            return CODE_INVALID;
        }
        if (labels[i] != 0.0f && labels[i] != 1.0f) {
            error_set(error, CODE_INVALID, "the label of row %lld is %g, expected 0 or 1", (long long)i + 1,
                      (double)labels[i]);
            error_at(error, NULL, i + 1, 0);
            return CODE_INVALID;
        }
    }
    return OK;
}

/* Walks the sorted words and closes a group where the score changes. */
static void fill_groups(const uint64_t *words, const float *scores, const float *labels,
                        const double *amounts, struct ranking *ranking)
{
    int64_t frauds = 0, group = 0, n = ranking->rows;
    double amount = 0.0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = (int64_t)(words[i] & UINT32_MAX);
        bool fraud = labels[row] != 0.0f;
        frauds += fraud;
        if (fraud && amounts)
            amount += amounts[row];
        if (i + 1 < n && words[i] >> 32 == words[i + 1] >> 32)
            continue;
        ranking->score[group] = scores[row] + 0.0f;
        ranking->above[group] = frauds;
        ranking->others[group] = i + 1 - frauds;
        if (amounts)
            ranking->amount[group] = amount;
        group++;
    }
    ranking->frauds = frauds;
}

int ranking_make(const float *scores, const float *labels, const double *amounts, int64_t n,
                 struct ranking *ret, struct error *error)
{
    int rc = check_rows(scores, labels, n, error);
    if (rc)
        return rc;
    struct ranking ranking = {.rows = n};
    uint64_t *words = memory_new((size_t)n, sizeof *words), *other = memory_new((size_t)n, sizeof *other);
    if (!words || !other)
        goto out_of_memory;
    for (int64_t i = 0; i < n; i++)
        words[i] = (uint64_t)key_of_score(scores[i]) << 32 | (uint64_t)i;
    sort_words(words, other, n);
    static_assert(PASSES % 2 == 1, "the sorted words end in the other array");
    for (int64_t i = 0; i < n; i++)
        ranking.n += i + 1 == n || other[i] >> 32 != other[i + 1] >> 32;
    size_t groups = (size_t)ranking.n;
    ranking.score = memory_new(groups, sizeof *ranking.score);
    ranking.above = memory_new(groups, sizeof *ranking.above);
    ranking.others = memory_new(groups, sizeof *ranking.others);
    ranking.amount = amounts ? memory_new(groups, sizeof *ranking.amount) : NULL;
    if (!ranking.score || !ranking.above || !ranking.others || (amounts && !ranking.amount))
        goto out_of_memory;
    fill_groups(other, scores, labels, amounts, &ranking);
    free(words);
    free(other);
    *ret = ranking;
    return OK;
out_of_memory:
    free(words);
    free(other);
    ranking_done(&ranking);
    return error_set(error, CODE_MEMORY, "no memory to rank %lld scores", (long long)n);
}

void ranking_done(struct ranking *ranking)
{
    free(ranking->score);
    free(ranking->above);
    free(ranking->others);
    free(ranking->amount);
    *ranking = (struct ranking){0};
}

/* What group i alone holds. */
static int64_t group_frauds(const struct ranking *ranking, int64_t i)
{
    return ranking->above[i] - (i ? ranking->above[i - 1] : 0);
}

static int64_t group_others(const struct ranking *ranking, int64_t i)
{
    return ranking->others[i] - (i ? ranking->others[i - 1] : 0);
}

static double ratio(double part, double whole)
{
    return whole > 0.0 ? part / whole : NAN;
}

double metrics_auc(const struct ranking *ranking)
{
    /* Twice the number of (fraud, other) pairs in the right order, ties counting one of two. */
    unsigned __int128 twice = 0;
    for (int64_t i = 0; i < ranking->n; i++) {
        int64_t higher = i ? ranking->above[i - 1] : 0;
        twice +=
            (unsigned __int128)group_others(ranking, i) * (uint64_t)(2 * higher + group_frauds(ranking, i));
    }
    unsigned __int128 pairs =
        (unsigned __int128)ranking->frauds * (uint64_t)(ranking->rows - ranking->frauds);
    return pairs ? (double)twice / (2.0 * (double)pairs) : NAN;
}

double metrics_average_precision(const struct ranking *ranking)
{
    double sum = 0.0;
    for (int64_t i = 0; i < ranking->n; i++) {
        int64_t above = ranking->above[i], step = group_frauds(ranking, i);
        if (step)
            sum += (double)step * ((double)above / (double)(above + ranking->others[i]));
    }
    return ratio(sum, (double)ranking->frauds);
}

double metrics_log_loss(const struct ranking *ranking)
{
    const double edge = 0x1p-23;
    double sum = 0.0;
    for (int64_t i = 0; i < ranking->n; i++) {
        double p = fmin(fmax((double)ranking->score[i], edge), 1.0 - edge);
        sum -= (double)group_frauds(ranking, i) * log(p) + (double)group_others(ranking, i) * log1p(-p);
    }
    return ratio(sum, (double)ranking->rows);
}

double metrics_brier(const struct ranking *ranking)
{
    double sum = 0.0;
    for (int64_t i = 0; i < ranking->n; i++) {
        double p = (double)ranking->score[i];
        sum += (double)group_frauds(ranking, i) * (1.0 - p) * (1.0 - p) +
               (double)group_others(ranking, i) * p * p;
    }
    return ratio(sum, (double)ranking->rows);
}

/* The last group at or above the threshold, -1 = none. */
static int64_t last_group(const struct ranking *ranking, double threshold)
{
    int64_t low = 0, high = ranking->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((double)ranking->score[middle] >= threshold)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

static struct confusion confusion_of_group(const struct ranking *ranking, int64_t group)
{
    int64_t caught = group < 0 ? 0 : ranking->above[group], alarms = group < 0 ? 0 : ranking->others[group];
    return (struct confusion){
        .caught = caught,
        .false_alarms = alarms,
        .missed = ranking->frauds - caught,
        .passed = ranking->rows - ranking->frauds - alarms,
    };
}

struct confusion metrics_confusion(const struct ranking *ranking, double threshold)
{
    return confusion_of_group(ranking, last_group(ranking, threshold));
}

double confusion_precision(struct confusion c)
{
    return ratio((double)c.caught, (double)(c.caught + c.false_alarms));
}

double confusion_recall(struct confusion c)
{
    return ratio((double)c.caught, (double)(c.caught + c.missed));
}

double confusion_f1(struct confusion c)
{
    return ratio(2.0 * (double)c.caught, (double)(2 * c.caught + c.false_alarms + c.missed));
}

double confusion_accuracy(struct confusion c)
{
    return ratio((double)(c.caught + c.passed), (double)(c.caught + c.passed + c.false_alarms + c.missed));
}

double confusion_false_alarm_rate(struct confusion c)
{
    return ratio((double)c.false_alarms, (double)(c.false_alarms + c.passed));
}

static double cost_of_group(const struct ranking *ranking, int64_t group, struct cost cost)
{
    struct confusion c = confusion_of_group(ranking, group);
    double sum = cost.false_alarm * (double)c.false_alarms + cost.missed * (double)c.missed;
    if (cost.missed_share != 0.0) {
        if (!ranking->amount)
            return NAN;
        double caught = group < 0 ? 0.0 : ranking->amount[group];
        sum += cost.missed_share * (metrics_amount(ranking) - caught);
    }
    return sum;
}

double metrics_cost(const struct ranking *ranking, double threshold, struct cost cost)
{
    return cost_of_group(ranking, last_group(ranking, threshold), cost);
}

double metrics_amount_caught(const struct ranking *ranking, double threshold)
{
    if (!ranking->amount)
        return NAN;
    int64_t group = last_group(ranking, threshold);
    return group < 0 ? 0.0 : ranking->amount[group];
}

double metrics_amount(const struct ranking *ranking)
{
    if (!ranking->amount)
        return NAN;
    return ranking->n ? ranking->amount[ranking->n - 1] : 0.0;
}

bool metrics_threshold_precision(const struct ranking *ranking, double precision, double *ret_threshold)
{
    for (int64_t i = ranking->n - 1; i >= 0; i--) {
        double alerts = (double)(ranking->above[i] + ranking->others[i]);
        if ((double)ranking->above[i] / alerts >= precision) {
            *ret_threshold = (double)ranking->score[i];
            return true;
        }
    }
    return false;
}

bool metrics_threshold_alerts(const struct ranking *ranking, int64_t alerts, double *ret_threshold)
{
    int64_t low = 0, high = ranking->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (ranking->above[middle] + ranking->others[middle] <= alerts)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    *ret_threshold = (double)ranking->score[low - 1];
    return true;
}

bool metrics_threshold_f1(const struct ranking *ranking, double *ret_threshold)
{
    double best = 0.0;
    int64_t at = -1;
    for (int64_t i = 0; i < ranking->n; i++) {
        double f1 = confusion_f1(confusion_of_group(ranking, i));
        if (f1 > best) {
            best = f1;
            at = i;
        }
    }
    if (at < 0)
        return false;
    *ret_threshold = (double)ranking->score[at];
    return true;
}

bool metrics_threshold_cost(const struct ranking *ranking, struct cost cost, double *ret_threshold)
{
    double best = cost_of_group(ranking, -1, cost);
    int64_t at = -1;
    for (int64_t i = 0; i < ranking->n; i++) {
        double value = cost_of_group(ranking, i, cost);
        if (value < best) {
            best = value;
            at = i;
        }
    }
    if (at < 0)
        return false;
    *ret_threshold = (double)ranking->score[at];
    return true;
}

/* Point i of a curve: i = -1 is where nothing is an alert. */
typedef struct curve_point curve_function(const struct ranking *ranking, int64_t i);

static struct curve_point roc_point(const struct ranking *ranking, int64_t i)
{
    if (i < 0)
        return (struct curve_point){0.0, 0.0, INFINITY};
    double others = (double)(ranking->rows - ranking->frauds);
    return (struct curve_point){(double)ranking->others[i] / others,
                                (double)ranking->above[i] / (double)ranking->frauds,
                                (double)ranking->score[i]};
}

static struct curve_point precision_point(const struct ranking *ranking, int64_t i)
{
    double above = (double)ranking->above[i];
    return (struct curve_point){above / (double)ranking->frauds, above / (above + (double)ranking->others[i]),
                                (double)ranking->score[i]};
}

/* Keeps the ends and every point at least `step` away from the one kept before it; counts only where ret is
 * NULL. */
static int walk_curve(const struct ranking *ranking, int64_t first, double step, curve_function *point,
                      struct curve_point *ret)
{
    int kept = 0;
    struct curve_point last = {0.0, 0.0, 0.0};
    for (int64_t i = first; i < ranking->n; i++) {
        struct curve_point p = point(ranking, i);
        bool end = i == first || i == ranking->n - 1;
        if (!end && fmax(fabs(p.x - last.x), fabs(p.y - last.y)) < step)
            continue;
        last = p;
        if (ret)
            ret[kept] = p;
        kept++;
    }
    return kept;
}

static int thin_curve(const struct ranking *ranking, int64_t first, int maximum, curve_function *point,
                      struct curve_point *ret)
{
    assert(maximum >= 3);
    double step = 0.0;
    while (walk_curve(ranking, first, step, point, NULL) > maximum)
        step = step > 0.0 ? step * 1.25 : 0.25 / maximum;
    return walk_curve(ranking, first, step, point, ret);
}

int metrics_roc(const struct ranking *ranking, int maximum, struct curve_point *ret)
{
    if (!ranking->frauds || ranking->frauds == ranking->rows)
        return 0;
    return thin_curve(ranking, -1, maximum, roc_point, ret);
}

int metrics_precision_recall(const struct ranking *ranking, int maximum, struct curve_point *ret)
{
    if (!ranking->frauds)
        return 0;
    return thin_curve(ranking, 0, maximum, precision_point, ret);
}

static void add_group(const struct ranking *ranking, int64_t i, struct score_bin *bin)
{
    int64_t frauds = group_frauds(ranking, i), rows = frauds + group_others(ranking, i);
    bin->rows += rows;
    bin->frauds += frauds;
    bin->mean += (double)rows * (double)ranking->score[i]; /* a sum until the bin is closed */
}

static void close_bin(struct score_bin *bin)
{
    bin->mean = ratio(bin->mean, (double)bin->rows);
}

void metrics_bins_width(const struct ranking *ranking, int bins, struct score_bin *ret)
{
    assert(bins > 0);
    for (int b = 0; b < bins; b++)
        ret[b] = (struct score_bin){.low = (double)b / bins, .high = (double)(b + 1) / bins};
    for (int64_t i = 0; i < ranking->n; i++) {
        double place = floor((double)ranking->score[i] * bins);
        int b = (int)fmin(fmax(place, 0.0), (double)(bins - 1));
        add_group(ranking, i, &ret[b]);
    }
    for (int b = 0; b < bins; b++)
        close_bin(&ret[b]);
}

int metrics_bins_quantile(const struct ranking *ranking, int bins, struct score_bin *ret)
{
    assert(bins > 0);
    int used = 0;
    int64_t seen = 0, share = 1; /* the open bin ends with the group that reaches rows * share / bins */
    bool open = false;
    for (int64_t i = ranking->n - 1; i >= 0; i--) {
        double score = (double)ranking->score[i];
        if (!open)
            ret[used] = (struct score_bin){.low = score};
        open = true;
        add_group(ranking, i, &ret[used]);
        ret[used].high = score;
        seen += group_frauds(ranking, i) + group_others(ranking, i);
        if ((__int128)seen * bins < (__int128)ranking->rows * share)
            continue;
        /* A large group may have reached the ends of several bins at once. */
        share = (int64_t)((__int128)seen * bins / ranking->rows) + 1;
        close_bin(&ret[used]);
        used++;
        open = false;
    }
    return used;
}

double metrics_calibration_error(const struct score_bin *bins, int n)
{
    double sum = 0.0, rows = 0.0;
    for (int b = 0; b < n; b++) {
        if (bins[b].rows)
            sum += fabs((double)bins[b].frauds - bins[b].mean * (double)bins[b].rows);
        rows += (double)bins[b].rows;
    }
    return ratio(sum, rows);
}
