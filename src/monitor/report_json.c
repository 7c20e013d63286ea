#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "monitor/report.h"

typedef yyjson_mut_doc doc;
typedef yyjson_mut_val val;

static void add_real(doc *d, val *object, const char *key, double value)
{
    if (isfinite(value))
        yyjson_mut_obj_add_real(d, object, key, value);
    else
        yyjson_mut_obj_add_null(d, object, key);
}

static void push_real(doc *d, val *array, double value)
{
    if (isfinite(value))
        yyjson_mut_arr_add_real(d, array, value);
    else
        yyjson_mut_arr_add_null(d, array);
}

static void add_text(doc *d, val *object, const char *key, const char *text)
{
    if (text)
        yyjson_mut_obj_add_strcpy(d, object, key, text);
    else
        yyjson_mut_obj_add_null(d, object, key);
}

static val *add_about(doc *d, val *root, const struct report *report)
{
    const struct report_about *about = &report->about;
    char text[UNITS_TEXT_SIZE];
    val *model = yyjson_mut_obj_add_obj(d, root, "model");
    add_text(d, model, "name", about->model);
    add_text(d, model, "kind", about->kind);
    add_text(d, model, "directory", about->directory);
    add_text(d, model, "plan_hash", about->plan_hash);
    add_text(d, model, "training", about->training);
    val *data = yyjson_mut_obj_add_obj(d, root, "data");
    val *files = yyjson_mut_obj_add_arr(d, data, "files");
    for (int i = 0; i < about->n_files; i++)
        yyjson_mut_arr_add_strcpy(d, files, about->files[i]);
    add_text(d, data, "fingerprint", about->fingerprint);
    yyjson_mut_obj_add_int(d, data, "rows_seen", about->rows_seen);
    yyjson_mut_obj_add_int(d, data, "rows_filtered", about->rows_filtered);
    val *protocol = yyjson_mut_obj_add_obj(d, root, "protocol");
    add_text(d, protocol, "test_from", report_time_text(about->steps, report->options.test.from_us, text));
    add_text(d, protocol, "test_to", report_time_text(about->steps, report->options.test.to_us, text));
    add_text(d, protocol, "known_from", report_time_text(about->steps, report->options.known_from_us, text));
    if (about->steps)
        yyjson_mut_obj_add_int(d, protocol, "delay", report->options.delay_us);
    else
        add_text(d, protocol, "delay", units_duration_text(report->options.delay_us, text));
    add_text(d, protocol, "entity", about->entity);
    add_text(d, protocol, "amount", about->amount);
    yyjson_mut_obj_add_bool(d, protocol, "known_removed", about->entity && !report->options.keep_known);
    yyjson_mut_obj_add_str(d, protocol, "labels", report_labels_text(report));
    return root;
}

static void add_metrics(doc *d, val *root, const struct report *report)
{
    const struct evaluation *e = report->evaluation;
    yyjson_mut_obj_add_int(d, root, "rows", e->rows);
    yyjson_mut_obj_add_int(d, root, "frauds", e->frauds);
    val *known = yyjson_mut_obj_add_obj(d, root, "known");
    yyjson_mut_obj_add_int(d, known, "rows", e->known_rows);
    yyjson_mut_obj_add_int(d, known, "frauds", e->known_frauds);
    yyjson_mut_obj_add_int(d, known, "entities", e->known_entities);
    val *metrics = yyjson_mut_obj_add_obj(d, root, "metrics");
    add_real(d, metrics, "auc", e->auc);
    add_real(d, metrics, "average_precision", e->average_precision);
    add_real(d, metrics, "precision_at_k", e->precision_at_k);
    yyjson_mut_obj_add_int(d, metrics, "k", e->top_k);
    yyjson_mut_obj_add_int(d, metrics, "compromised", e->compromised);
    yyjson_mut_obj_add_int(d, metrics, "found", e->found);
    add_real(d, metrics, "log_loss", e->log_loss);
    add_real(d, metrics, "brier", e->brier);
    add_real(d, metrics, "calibration_error", report->calibration_error);
    add_real(d, metrics, "amount", metrics_amount(&e->ranking));
}

static void add_thresholds(doc *d, val *root, const struct report *report)
{
    val *rows = yyjson_mut_obj_add_arr(d, root, "thresholds");
    for (int i = 0; i < report->n_thresholds; i++) {
        const struct report_threshold *t = &report->thresholds[i];
        val *row = yyjson_mut_arr_add_obj(d, rows);
        add_text(d, row, "name", t->name);
        yyjson_mut_obj_add_bool(d, row, "chosen_on_test", t->from_test);
        if (!t->possible) {
            yyjson_mut_obj_add_null(d, row, "threshold");
            continue;
        }
        struct confusion c = t->confusion;
        add_real(d, row, "threshold", t->threshold);
        yyjson_mut_obj_add_int(d, row, "alerts", c.caught + c.false_alarms);
        add_real(d, row, "alerts_per_day", (double)(c.caught + c.false_alarms) / report->alerts_days);
        yyjson_mut_obj_add_int(d, row, "caught", c.caught);
        yyjson_mut_obj_add_int(d, row, "false_alarms", c.false_alarms);
        yyjson_mut_obj_add_int(d, row, "missed", c.missed);
        yyjson_mut_obj_add_int(d, row, "passed", c.passed);
        add_real(d, row, "precision", confusion_precision(c));
        add_real(d, row, "recall", confusion_recall(c));
        add_real(d, row, "f1", confusion_f1(c));
        add_real(d, row, "accuracy", confusion_accuracy(c));
        add_real(d, row, "false_alarm_rate", confusion_false_alarm_rate(c));
        add_real(d, row, "cost", t->cost);
        add_real(d, row, "amount_caught", t->amount_caught);
    }
    if (report->chosen >= 0)
        yyjson_mut_obj_add_int(d, root, "chosen", report->chosen);
    else
        yyjson_mut_obj_add_null(d, root, "chosen");
}

static void add_days(doc *d, val *root, const struct report *report)
{
    val *rows = yyjson_mut_obj_add_arr(d, root, "days");
    for (int i = 0; i < report->evaluation->n_days; i++) {
        const struct evaluation_day *day = &report->evaluation->days[i];
        char text[UNITS_TEXT_SIZE];
        val *row = yyjson_mut_arr_add_obj(d, rows);
        add_text(d, row, "day", report_day_text(report, day->day, text));
        yyjson_mut_obj_add_int(d, row, "rows", day->rows);
        yyjson_mut_obj_add_int(d, row, "frauds", day->frauds);
        yyjson_mut_obj_add_int(d, row, "known_rows", day->known_rows);
        yyjson_mut_obj_add_int(d, row, "entities", day->entities);
        yyjson_mut_obj_add_int(d, row, "compromised", day->compromised);
        yyjson_mut_obj_add_int(d, row, "found", day->found);
        add_real(d, row, "auc", day->auc);
        add_real(d, row, "average_precision", day->average_precision);
        add_real(d, row, "precision_at_k", day->precision_at_k);
    }
}

static void add_bins(doc *d, val *root, const char *key, const struct score_bin *bins, int n)
{
    val *rows = yyjson_mut_obj_add_arr(d, root, key);
    for (int b = 0; b < n; b++) {
        val *row = yyjson_mut_arr_add_obj(d, rows);
        add_real(d, row, "low", bins[b].low);
        add_real(d, row, "high", bins[b].high);
        add_real(d, row, "mean_score", bins[b].mean);
        yyjson_mut_obj_add_int(d, row, "rows", bins[b].rows);
        yyjson_mut_obj_add_int(d, row, "frauds", bins[b].frauds);
    }
}

/* Points as [x, y, threshold]. */
static void add_curve(doc *d, val *root, const char *key, const struct curve_point *points, int n)
{
    val *rows = yyjson_mut_obj_add_arr(d, root, key);
    for (int i = 0; i < n; i++) {
        val *row = yyjson_mut_arr_add_arr(d, rows);
        push_real(d, row, points[i].x);
        push_real(d, row, points[i].y);
        push_real(d, row, points[i].threshold);
    }
}

static void add_drivers(doc *d, val *root, const struct report *report)
{
    val *rows = yyjson_mut_obj_add_arr(d, root, "drivers");
    for (int i = 0; i < report->n_drivers; i++) {
        val *row = yyjson_mut_arr_add_obj(d, rows);
        add_text(d, row, "feature", report->drivers[i].feature);
        add_real(d, row, "mean_absolute_contribution", report->drivers[i].weight);
        add_real(d, row, "gain", report->drivers[i].gain);
    }
}

int report_json(const struct report *report, struct buffer *out, struct error *error)
{
    doc *d = yyjson_mut_doc_new(NULL);
    val *root = d ? yyjson_mut_obj(d) : NULL;
    if (!root) {
        yyjson_mut_doc_free(d);
        return error_set(error, CODE_MEMORY, "no memory for the report");
    }
    yyjson_mut_doc_set_root(d, root);
    add_about(d, root, report);
    add_metrics(d, root, report);
    add_thresholds(d, root, report);
    add_days(d, root, report);
    val *calibration = yyjson_mut_obj_add_obj(d, root, "calibration");
    add_bins(d, calibration, "equal_width", report->width, REPORT_BINS);
    add_bins(d, calibration, "quantile", report->quantile, report->n_quantile);
    add_bins(d, root, "histogram", report->histogram, REPORT_HISTOGRAM);
    add_curve(d, root, "roc", report->roc, report->n_roc);
    add_curve(d, root, "precision_recall", report->curve, report->n_curve);
    add_drivers(d, root, report);
    /* Paths are bytes; those that are not UTF-8 go out as they are rather than not at all. */
    size_t size = 0;
    char *text = yyjson_mut_write(d, YYJSON_WRITE_ALLOW_INVALID_UNICODE, &size);
    yyjson_mut_doc_free(d);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory for the report");
    buffer_append(out, text, size);
    free(text);
    return buffer_check(out, "the report", error);
}
