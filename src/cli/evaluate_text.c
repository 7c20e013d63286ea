#include "cli/evaluate_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELL = 12, DAYS_SHOWN = 31 };

/* A right-aligned number, "-" where it is not defined. */
static void put_number(struct buffer *out, int width, double value, int digits)
{
    if (isfinite(value))
        buffer_format(out, "%*.*f", width, digits, value);
    else
        buffer_format(out, "%*s", width, "-");
}

static void put_count(struct buffer *out, int width, int64_t value)
{
    char text[UNITS_TEXT_SIZE];
    buffer_format(out, "%*s", width, report_count_text(value, text));
}

static void put_head(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    const char *labels = report_labels_text(report);
    char from[UNITS_TEXT_SIZE], to[UNITS_TEXT_SIZE], a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE];
    buffer_format(out, "%s (%s)", report->about.model, report->about.kind);
    if (report->about.training)
        buffer_format(out, ", trained on %s", report->about.training);
    buffer_format(out, "\ntest %s..%s: %s rows, %s frauds\n",
                  report_time_text(report->about.steps, report->options.test.from_us, from),
                  report_time_text(report->about.steps, report->options.test.to_us, to),
                  report_count_text(e->rows, a), report_count_text(e->frauds, b));
    if (report->about.rows_filtered)
        buffer_format(out, "%s of %s rows in the files left out by the plan's WHERE\n",
                      report_count_text(report->about.rows_filtered, a),
                      report_count_text(report->about.rows_seen, b));
    if (!report->about.entity) {
        buffer_format(out, "known cases kept (no --entity); labels %s\n", labels);
        return;
    }
    if (report->options.keep_known) {
        buffer_format(out, "known cases kept; labels %s\n", labels);
        return;
    }
    if (report->about.steps)
        snprintf(to, sizeof to, "%lld steps", (long long)report->options.delay_us);
    else
        units_duration_text(report->options.delay_us, to);
    buffer_format(out,
                  "known cases removed: %s rows of %s %s values with a fraud since %s, known after %s; "
                  "labels %s\n",
                  report_count_text(e->known_rows, a), report_count_text(e->known_entities, b),
                  report->about.entity,
                  report_time_text(report->about.steps, report->options.known_from_us, from), to, labels);
}

static void put_metrics(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    buffer_text(out, "\n  AUC ROC            ");
    put_number(out, 8, e->auc, 3);
    buffer_text(out, "\n  average precision  ");
    put_number(out, 8, e->average_precision, 3);
    if (isfinite(e->precision_at_k)) {
        char name[32], found[UNITS_TEXT_SIZE], compromised[UNITS_TEXT_SIZE];
        snprintf(name, sizeof name, "precision@%d", e->top_k);
        buffer_format(out, "\n  %-17s  ", name);
        put_number(out, 8, e->precision_at_k, 3);
        buffer_format(out, "   %s of %s compromised %s values found", report_count_text(e->found, found),
                      report_count_text(e->compromised, compromised), report->about.entity);
    }
    buffer_text(out, "\n  log loss           ");
    put_number(out, 8, e->log_loss, 4);
    buffer_text(out, "\n  Brier score        ");
    put_number(out, 8, e->brier, 5);
    buffer_text(out, "\n");
}

static void put_thresholds(const struct report *report, struct buffer *out)
{
    bool amounts = isfinite(metrics_amount(&report->evaluation->ranking)), from_test = false;
    buffer_format(out, "\n  %-22s%10s%*s%*s%*s%8s", "alerts", "threshold", CELL,
                  report->about.steps ? "per step" : "per day", CELL, "precision", 9, "recall", "F1");
    if (amounts)
        buffer_format(out, "%16s", "amount caught");
    if (report->has_cost)
        buffer_format(out, "%14s", "cost");
    buffer_text(out, "\n");
    for (int i = 0; i < report->n_thresholds; i++) {
        const struct report_threshold *t = &report->thresholds[i];
        char name[REPORT_NAME + 2];
        snprintf(name, sizeof name, "%s%s", t->name, t->from_test ? "*" : "");
        from_test |= t->from_test;
        buffer_format(out, "%s %-22s", i == report->chosen ? ">" : " ", name);
        if (!t->possible) {
            buffer_text(out, "  no threshold does this\n");
            continue;
        }
        put_number(out, 10, t->threshold, 4);
        put_number(out, CELL, (double)(t->confusion.caught + t->confusion.false_alarms) / report->alerts_days,
                   1);
        put_number(out, CELL, confusion_precision(t->confusion), 3);
        put_number(out, 9, confusion_recall(t->confusion), 3);
        put_number(out, 8, confusion_f1(t->confusion), 3);
        if (amounts) {
            put_number(out, 14, t->amount_caught / metrics_amount(&report->evaluation->ranking) * 100, 1);
            buffer_text(out, " %");
        }
        if (report->has_cost)
            put_number(out, 14, t->cost, 2);
        buffer_text(out, "\n");
    }
    if (from_test)
        buffer_text(out, "  * chosen on these same rows: expect a little less in operation\n");
}

static void put_confusion(const struct report *report, struct buffer *out)
{
    if (report->chosen < 0 || !report->thresholds[report->chosen].possible)
        return;
    struct confusion c = report->thresholds[report->chosen].confusion;
    char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE], m[UNITS_TEXT_SIZE], p[UNITS_TEXT_SIZE];
    buffer_format(out, "  at %.4f: %s caught, %s missed, %s false alarms, %s passed\n",
                  report->thresholds[report->chosen].threshold, report_count_text(c.caught, a),
                  report_count_text(c.missed, m), report_count_text(c.false_alarms, b),
                  report_count_text(c.passed, p));
}

static void put_days(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    bool at_k = isfinite(e->precision_at_k);
    char name[32];
    snprintf(name, sizeof name, "precision@%d", e->top_k);
    buffer_format(out, "\n  %-12s%10s%9s%10s%12s", report->about.steps ? "step" : "day", "rows", "frauds",
                  "AUC ROC", "avg prec");
    if (at_k)
        buffer_format(out, "%16s", name);
    int shown = e->n_days < DAYS_SHOWN ? e->n_days : DAYS_SHOWN;
    for (int i = 0; i < shown; i++) {
        const struct evaluation_day *day = &e->days[i];
        char text[UNITS_TEXT_SIZE];
        buffer_format(out, "\n  %-12s", report_day_text(report, day->day, text));
        put_count(out, 10, day->rows);
        put_count(out, 9, day->frauds);
        put_number(out, 10, day->auc, 3);
        put_number(out, 12, day->average_precision, 3);
        if (at_k)
            put_number(out, 16, day->precision_at_k, 3);
    }
    if (shown < e->n_days)
        buffer_format(out, "\n  ... and %d more: --json or --report shows all", e->n_days - shown);
}

int evaluate_text(const struct report *report, const char *html_path, struct buffer *out, struct error *error)
{
    put_head(report, out);
    put_metrics(report, out);
    put_thresholds(report, out);
    put_confusion(report, out);
    put_days(report, out);
    if (html_path)
        buffer_format(out, "\n\nreport: %s", html_path);
    return buffer_check(out, "the report", error);
}
