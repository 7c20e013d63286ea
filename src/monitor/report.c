#include "monitor/report.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void report_init(struct report *report, const struct report_about *about,
                 const struct evaluate_options *options, const struct evaluation *evaluation)
{
    memset(report, 0, sizeof *report);
    report->about = *about;
    report->options = *options;
    report->evaluation = evaluation;
    report->chosen = -1;
    const struct ranking *ranking = &evaluation->ranking;
    metrics_bins_width(ranking, REPORT_BINS, report->width);
    metrics_bins_width(ranking, REPORT_HISTOGRAM, report->histogram);
    report->n_quantile = metrics_bins_quantile(ranking, REPORT_BINS, report->quantile);
    report->calibration_error = metrics_calibration_error(report->quantile, report->n_quantile);
    report->n_roc = metrics_roc(ranking, CURVE_POINTS, report->roc);
    report->n_curve = metrics_precision_recall(ranking, CURVE_POINTS, report->curve);
    report->alerts_days = evaluation->n_days ? evaluation->n_days : 1;
}

void report_set_cost(struct report *report, struct cost cost)
{
    report->cost = cost;
    report->has_cost = true;
}

static int add(struct report *report, const char *name, bool from_test, bool possible, double threshold)
{
    assert(report->n_thresholds < REPORT_THRESHOLDS);
    const struct ranking *ranking = &report->evaluation->ranking;
    struct report_threshold *row = &report->thresholds[report->n_thresholds];
    *row = (struct report_threshold){.from_test = from_test, .possible = possible, .threshold = threshold};
    snprintf(row->name, sizeof row->name, "%s", name);
    if (possible) {
        row->confusion = metrics_confusion(ranking, threshold);
        row->cost = report->has_cost ? metrics_cost(ranking, threshold, report->cost) : NAN;
        row->amount_caught = metrics_amount_caught(ranking, threshold);
    }
    return report->n_thresholds++;
}

int report_add_threshold(struct report *report, const char *name, double threshold)
{
    return add(report, name, false, true, threshold);
}

int report_add_precision(struct report *report, double precision)
{
    char name[REPORT_NAME];
    double threshold = NAN;
    bool possible = metrics_threshold_precision(&report->evaluation->ranking, precision, &threshold);
    snprintf(name, sizeof name, "precision %g", precision);
    return add(report, name, true, possible, threshold);
}

int report_add_alerts(struct report *report, double alerts_per_day)
{
    char name[REPORT_NAME];
    double threshold = NAN, alerts = floor(fmin(alerts_per_day * report->alerts_days, 0x1p62));
    bool possible = metrics_threshold_alerts(&report->evaluation->ranking, (int64_t)alerts, &threshold);
    snprintf(name, sizeof name, report->about.steps ? "%g alerts per step" : "%g alerts per day",
             alerts_per_day);
    return add(report, name, true, possible, threshold);
}

int report_add_share(struct report *report, double share_of_rows)
{
    char name[REPORT_NAME];
    double threshold = NAN, alerts = floor(share_of_rows * (double)report->evaluation->rows);
    bool possible = metrics_threshold_alerts(&report->evaluation->ranking, (int64_t)alerts, &threshold);
    snprintf(name, sizeof name, "%g %% of rows", share_of_rows * 100.0);
    return add(report, name, true, possible, threshold);
}

int report_add_best_f1(struct report *report)
{
    double threshold = NAN;
    bool possible = metrics_threshold_f1(&report->evaluation->ranking, &threshold);
    return add(report, "best F1", true, possible, threshold);
}

int report_add_lowest_cost(struct report *report)
{
    double threshold = NAN;
    bool possible = metrics_threshold_cost(&report->evaluation->ranking, report->cost, &threshold);
    return add(report, "lowest cost", true, possible, threshold);
}

const char *report_day_text(const struct report *report, int64_t day, char text[UNITS_TEXT_SIZE])
{
    if (report->about.steps || day < INT32_MIN || day > INT32_MAX)
        snprintf(text, UNITS_TEXT_SIZE, "%lld", (long long)day);
    else
        units_date_text((int32_t)day, text);
    return text;
}

const char *report_time_text(bool steps, int64_t time_us, char text[UNITS_TEXT_SIZE])
{
    if (steps)
        snprintf(text, UNITS_TEXT_SIZE, "%lld", (long long)time_us);
    else if (time_us % DAY_US || time_us / DAY_US < INT32_MIN || time_us / DAY_US > INT32_MAX)
        units_time_text(time_us, text);
    else
        units_date_text((int32_t)(time_us / DAY_US), text);
    return text;
}

const char *report_labels_text(const struct report *report)
{
    return report->about.labels_arrived ? "as they arrived" : "assumed on time";
}

const char *report_count_text(int64_t value, char text[UNITS_TEXT_SIZE])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    for (int i = 0; i < n; i++) {
        if (i && digits[i - 1] != '-' && (n - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}
