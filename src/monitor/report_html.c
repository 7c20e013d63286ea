#include <math.h>
#include <stdio.h>

#include "base/embedded.h"
#include "monitor/figures.h"
#include "monitor/html.h"
#include "monitor/report.h"

/* report.css, compiled in. */
extern const struct embedded_file report_style[];

static void put_head(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    const char *model = report->about.model ? report->about.model : "model";
    char from[UNITS_TEXT_SIZE], to[UNITS_TEXT_SIZE], rows[UNITS_TEXT_SIZE], frauds[UNITS_TEXT_SIZE];
    buffer_text(out,
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                "content=\"width=device-width,initial-scale=1\"><title>Evaluation of ");
    html_text(out, model);
    buffer_text(out, "</title><style>\n");
    buffer_append(out, report_style[0].data, report_style[0].size);
    buffer_text(out, "</style></head>\n<body><main>\n<header><p class=\"over\">Evaluation</p><h1>");
    html_text(out, model);
    buffer_format(out,
                  "</h1><p class=\"lead\">Tested on %s to %s (the end excluded): %s rows, %s of them frauds.",
                  report_time_text(report->about.steps, report->options.test.from_us, from),
                  report_time_text(report->about.steps, report->options.test.to_us, to),
                  report_count_text(e->rows, rows), report_count_text(e->frauds, frauds));
    if (e->known_rows) {
        buffer_format(out, " %s rows of %s values of ", report_count_text(e->known_rows, rows),
                      report_count_text(e->known_entities, frauds));
        html_text(out, report->about.entity);
        buffer_text(out, " whose fraud was known by then are left out.");
    }
    buffer_text(out, "</p></header>\n");
}

static void put_tile(struct buffer *out, const char *name, double value, int digits, const char *about)
{
    buffer_text(out, "<div class=\"tile\"><span>");
    html_text(out, name);
    buffer_text(out, "</span><b>");
    figure_number(out, value, digits);
    buffer_text(out, "</b><small>");
    html_text(out, about);
    buffer_text(out, "</small></div>\n");
}

static void put_tiles(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    char about[256], name[64], found[UNITS_TEXT_SIZE], compromised[UNITS_TEXT_SIZE];
    buffer_text(out, "<section class=\"tiles\" aria-label=\"Headline figures\">\n");
    put_tile(out, "AUC ROC", e->auc, 3,
             "How often a fraud scores higher than another payment. Chance is 0.5.");
    double base = e->rows ? (double)e->frauds / (double)e->rows : NAN;
    snprintf(about, sizeof about, "Precision over all recalls. Chance is %.4f, so %.0f times better.", base,
             base > 0 ? e->average_precision / base : 0.0);
    put_tile(out, "Average precision", e->average_precision, 3,
             e->frauds ? about : "Not defined without a fraud.");
    if (isfinite(e->precision_at_k)) {
        snprintf(name, sizeof name, "Precision@%d", e->top_k);
        snprintf(about, sizeof about, "Of the %d highest %.80s values a day, %.1f are truly compromised.",
                 e->top_k, report->about.entity, e->precision_at_k * e->top_k);
        put_tile(out, name, e->precision_at_k, 3, about);
        snprintf(name, sizeof name, "Found by %d a day", e->top_k);
        snprintf(about, sizeof about, "%s of %s compromised %.80s values.",
                 report_count_text(e->found, found), report_count_text(e->compromised, compromised),
                 report->about.entity);
        buffer_text(out, "<div class=\"tile\"><span>");
        html_text(out, name);
        buffer_format(out, "</span><b>%.0f %%</b><small>",
                      e->compromised ? 100.0 * (double)e->found / (double)e->compromised : 0.0);
        html_text(out, about);
        buffer_text(out, "</small></div>\n");
    }
    put_tile(out, "Log loss", e->log_loss, 4,
             "How surprising the truth was, given the scores. Lower is better.");
    buffer_text(out, "</section>\n");
}

static void put_cell(struct buffer *out, const char *css_class, int64_t value, const char *what)
{
    char text[UNITS_TEXT_SIZE];
    buffer_format(out, "<td class=\"%s\"><b>%s</b><small>%s</small></td>", css_class,
                  report_count_text(value, text), what);
}

static void put_confusion(const struct report *report, struct buffer *out)
{
    if (report->chosen < 0 || !report->thresholds[report->chosen].possible)
        return;
    const struct report_threshold *t = &report->thresholds[report->chosen];
    buffer_format(out, "<section class=\"card\"><h3>At threshold %.4f</h3><p>", t->threshold);
    html_text(out, t->name);
    buffer_text(out, ": an alert where the score is at least that.</p><div class=\"scroll\" tabindex=\"0\">"
                     "<table class=\"confusion\"><thead><tr><td></td><th scope=\"col\">alert</th><th "
                     "scope=\"col\">no alert"
                     "</th></tr></thead><tbody><tr><th scope=\"row\">fraud</th>");
    put_cell(out, "right", t->confusion.caught, "caught");
    put_cell(out, "wrong", t->confusion.missed, "missed");
    buffer_text(out, "</tr><tr><th scope=\"row\">not fraud</th>");
    put_cell(out, "wrong", t->confusion.false_alarms, "false alarms");
    put_cell(out, "right", t->confusion.passed, "passed");
    buffer_text(out, "</tr></tbody></table></div><p class=\"fine\">Precision ");
    figure_number(out, confusion_precision(t->confusion), 3);
    buffer_text(out, ", recall ");
    figure_number(out, confusion_recall(t->confusion), 3);
    buffer_text(out, ", accuracy ");
    figure_number(out, confusion_accuracy(t->confusion), 4);
    buffer_text(out, ".</p></section>\n");
}

static void put_number(struct buffer *out, double value, int digits)
{
    buffer_text(out, "<td>");
    figure_number(out, value, digits);
    buffer_text(out, "</td>");
}

static void put_threshold(const struct report *report, int i, bool amounts, struct buffer *out)
{
    bool plain = !amounts && !report->has_cost;
    const struct report_threshold *t = &report->thresholds[i];
    struct confusion c = t->confusion;
    buffer_format(out, "<tr%s><th scope=\"row\">", i == report->chosen ? " class=\"on\"" : "");
    html_text(out, t->name);
    buffer_format(out, "%s</th>", t->from_test ? "&thinsp;*" : "");
    if (!t->possible) {
        buffer_format(out, "<td class=\"text\" colspan=\"%d\">no threshold does this</td></tr>\n",
                      5 + (plain ? 1 : report->has_cost + amounts));
        return;
    }
    put_number(out, t->threshold, 4);
    put_number(out, (double)(c.caught + c.false_alarms) / report->alerts_days, 1);
    put_number(out, confusion_precision(c), 3);
    put_number(out, confusion_recall(c), 3);
    put_number(out, confusion_f1(c), 3);
    if (plain)
        put_number(out, confusion_false_alarm_rate(c) * 100, 3);
    if (amounts)
        put_number(out, t->amount_caught / metrics_amount(&report->evaluation->ranking) * 100, 1);
    if (report->has_cost)
        put_number(out, t->cost, 2);
    buffer_text(out, "</tr>\n");
}

static void put_thresholds(const struct report *report, struct buffer *out)
{
    bool amounts = isfinite(metrics_amount(&report->evaluation->ranking));
    bool from_test = false;
    buffer_format(
        out,
        "<section class=\"card\"><h3>What a threshold gives</h3><p>Choose by the alerts you can look at, or "
        "by "
        "how often an alert must be right.</p><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>"
        "<th scope=\"col\">aim</th><th scope=\"col\">threshold</th><th scope=\"col\">alerts per %s</th>"
        "<th scope=\"col\">precision</th><th scope=\"col\">recall</th><th scope=\"col\">F1</th>",
        report->about.steps ? "step" : "day");
    /* The card has room for one or two of these. */
    if (!amounts && !report->has_cost)
        buffer_text(out, "<th scope=\"col\">false alarms, %</th>");
    if (amounts)
        buffer_text(out, "<th scope=\"col\">amount caught, %</th>");
    if (report->has_cost)
        buffer_text(out, "<th scope=\"col\">cost</th>");
    buffer_text(out, "</tr></thead><tbody>\n");
    for (int i = 0; i < report->n_thresholds; i++) {
        put_threshold(report, i, amounts, out);
        from_test |= report->thresholds[i].from_test;
    }
    buffer_text(out, "</tbody></table></div>");
    if (from_test)
        buffer_text(
            out,
            "<p class=\"fine\">* chosen on these same test rows: expect a little less in operation.</p>");
    buffer_text(out, "</section>\n");
}

static void put_fact(struct buffer *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buffer_format(out, "<dt>%s</dt><dd>", name);
    html_text(out, value);
    buffer_text(out, "</dd>\n");
}

static void put_protocol(const struct report *report, struct buffer *out)
{
    char from[UNITS_TEXT_SIZE], to[UNITS_TEXT_SIZE], text[256];
    const struct evaluate_options *o = &report->options;
    put_fact(out, "Training span", report->about.training);
    snprintf(text, sizeof text, "%s..%s", report_time_text(report->about.steps, o->test.from_us, from),
             report_time_text(report->about.steps, o->test.to_us, to));
    put_fact(out, "Test span", text);
    if (report->about.steps)
        snprintf(to, sizeof to, "%lld steps", (long long)o->delay_us);
    else
        units_duration_text(o->delay_us, to);
    snprintf(text, sizeof text, "%s; labels %s", to, report_labels_text(report));
    put_fact(out, "Label delay", text);
    if (!report->about.entity)
        snprintf(text, sizeof text, "not removed: no entity column was given");
    else if (o->keep_known)
        snprintf(text, sizeof text, "kept");
    else
        snprintf(text, sizeof text,
                 "removed from a test day: %.80s values with a fraud from %s up to %s before that day",
                 report->about.entity, report_time_text(report->about.steps, o->known_from_us, from), to);
    put_fact(out, "Known cases", text);
    if (report->has_cost) {
        snprintf(text, sizeof text, "%g per false alarm, %g per missed fraud%s", report->cost.false_alarm,
                 report->cost.missed, report->cost.missed_share != 0 ? " plus its amount" : "");
        put_fact(out, "Cost", text);
    }
}

static void put_about(const struct report *report, struct buffer *out)
{
    const struct report_about *about = &report->about;
    char count[UNITS_TEXT_SIZE];
    buffer_text(out, "<h2>Where this comes from</h2><section class=\"card\"><dl>\n");
    put_fact(out, "Model", about->model);
    put_fact(out, "Kind", about->kind);
    put_fact(out, "Directory", about->directory);
    put_fact(out, "Plan (SHA-256)", about->plan_hash);
    put_protocol(report, out);
    for (int i = 0; i < about->n_files; i++)
        put_fact(out, "Data", about->files[i]);
    put_fact(out, "Rows read", report_count_text(about->rows_seen, count));
    if (about->rows_filtered)
        put_fact(out, "Left out by WHERE", report_count_text(about->rows_filtered, count));
    put_fact(out, "Data (SHA-256)", about->fingerprint);
    put_fact(out, "Made by", "Shrike " SHRIKE_VERSION);
    buffer_text(out, "</dl></section>\n");
}

int report_html(const struct report *report, struct buffer *out, struct error *error)
{
    put_head(report, out);
    put_tiles(report, out);
    buffer_text(out, "<h2>Alerts</h2><div class=\"pair alerts\">\n");
    put_thresholds(report, out);
    put_confusion(report, out);
    buffer_text(out, "</div><h2>How well frauds are told apart</h2><div class=\"pair\">\n");
    figure_roc(report, out);
    figure_precision_recall(report, out);
    buffer_text(out, "</div><div class=\"pair\">\n");
    figure_histogram(report, out);
    figure_calibration(report, out);
    buffer_text(out, "</div><h2>Over time, and why</h2><div class=\"pair\">\n");
    figure_days(report, out);
    figure_drivers(report, out);
    buffer_text(out, "</div>\n");
    put_about(report, out);
    buffer_text(out, "</main></body></html>\n");
    return buffer_check(out, "the report", error);
}
