#include "monitor/figures.h"

#include <math.h>
#include <stdio.h>

#include "monitor/html.h"
#include "monitor/plot.h"

enum { TABLE_POINTS = 20 };

void figure_number(struct buffer *out, double value, int digits)
{
    if (isfinite(value))
        buffer_format(out, "%.*f", digits, value);
    else
        buffer_text(out, "&ndash;");
}

static void begin_figure(struct buffer *out, const char *title, const char *about)
{
    buffer_format(out, "<figure class=\"card\"><figcaption><h3>%s</h3><p>", title);
    html_text(out, about);
    buffer_text(out, "</p></figcaption>\n");
}

/* heads: names of the columns, split at | */
static void begin_table(struct buffer *out, const char *caption, const char *heads)
{
    buffer_format(out,
                  "<details><summary>%s</summary><div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th "
                  "scope=\"col\">",
                  caption);
    for (; *heads; heads++) {
        if (*heads == '|')
            buffer_text(out, "</th><th scope=\"col\">");
        else
            buffer_append(out, heads, 1);
    }
    buffer_text(out, "</th></tr></thead><tbody>\n");
}

static void end_figure(struct buffer *out)
{
    buffer_text(out, "</tbody></table></div></details></figure>\n");
}

static void put_cell(struct buffer *out, double value, int digits)
{
    buffer_text(out, "<td>");
    figure_number(out, value, digits);
    buffer_text(out, "</td>");
}

static void put_count(struct buffer *out, int64_t value)
{
    char text[UNITS_TEXT_SIZE];
    buffer_format(out, "<td>%s</td>", report_count_text(value, text));
}

/* About twenty points, both ends among them. */
static void put_points(struct buffer *out, const struct curve_point *points, int n)
{
    int rows = n < TABLE_POINTS ? n : TABLE_POINTS;
    for (int i = 0; i < rows; i++) {
        const struct curve_point *p = &points[rows > 1 ? (int)((int64_t)i * (n - 1) / (rows - 1)) : 0];
        buffer_text(out, "<tr>");
        put_cell(out, p->threshold, 4);
        put_cell(out, p->x, 4);
        put_cell(out, p->y, 4);
        buffer_text(out, "</tr>");
    }
}

static const struct report_threshold *chosen(const struct report *report)
{
    const struct report_threshold *t = report->chosen >= 0 ? &report->thresholds[report->chosen] : NULL;
    return t && t->possible ? t : NULL;
}

static void dot_at_threshold(const struct report *report, struct plot *plot, double x, double y, double dy)
{
    const struct report_threshold *t = chosen(report);
    if (!t || !isfinite(x) || !isfinite(y))
        return;
    char text[UNITS_TEXT_SIZE + REPORT_NAME];
    snprintf(text, sizeof text, "threshold %.3f (%s)", t->threshold, t->name);
    plot_dot(plot, x, y, 5, "mark", text);
    snprintf(text, sizeof text, "%.3f", t->threshold);
    plot_note(plot, x, y, x > 0.85 ? -9 : 9, dy, x > 0.85 ? "end" : "start", text);
}

void figure_roc(const struct report *report, struct buffer *out)
{
    char about[128];
    if (report->n_roc)
        snprintf(about, sizeof about, "Area under the curve %.3f. Chance is the dashed line.",
                 report->evaluation->auc);
    else
        snprintf(about, sizeof about, "Not defined: the test rows hold one class only.");
    begin_figure(out, "ROC curve", about);
    struct plot plot = {.out = out, .x1 = 1, .y1 = 1};
    plot_begin(&plot, "ROC curve", about, "false alarm rate", "recall");
    plot_axis_y(&plot, 0.2, false);
    plot_axis_x(&plot, 0.2);
    plot_segment(&plot, 0, 0, 1, 1, "chance");
    plot_area(&plot, report->roc, report->n_roc, "area");
    plot_line(&plot, report->roc, report->n_roc, "curve");
    const struct report_threshold *t = chosen(report);
    if (t)
        dot_at_threshold(report, &plot, confusion_false_alarm_rate(t->confusion),
                         confusion_recall(t->confusion), 16);
    plot_end(&plot);
    begin_table(out, "Points of the ROC curve", "threshold|false alarm rate|recall");
    put_points(out, report->roc, report->n_roc);
    end_figure(out);
}

void figure_precision_recall(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    double base = e->rows ? (double)e->frauds / (double)e->rows : 0;
    char about[160];
    if (report->n_curve)
        snprintf(about, sizeof about,
                 "Average precision %.3f. Chance is the dashed line: %.2f %% of the rows are frauds.",
                 e->average_precision, base * 100);
    else
        snprintf(about, sizeof about, "Not defined: the test rows hold no fraud.");
    begin_figure(out, "Precision and recall", about);
    struct plot plot = {.out = out, .x1 = 1, .y1 = 1};
    plot_begin(&plot, "Precision-recall curve", about, "recall", "precision");
    plot_axis_y(&plot, 0.2, false);
    plot_axis_x(&plot, 0.2);
    plot_segment(&plot, 0, base, 1, base, "chance");
    plot_area(&plot, report->curve, report->n_curve, "area");
    plot_line(&plot, report->curve, report->n_curve, "curve");
    const struct report_threshold *t = chosen(report);
    if (t)
        dot_at_threshold(report, &plot, confusion_recall(t->confusion), confusion_precision(t->confusion),
                         -7);
    plot_end(&plot);
    begin_table(out, "Points of the precision-recall curve", "threshold|recall|precision");
    put_points(out, report->curve, report->n_curve);
    end_figure(out);
}

void figure_histogram(const struct report *report, struct buffer *out)
{
    int64_t most = 1;
    for (int b = 0; b < REPORT_HISTOGRAM; b++)
        most = report->histogram[b].rows > most ? report->histogram[b].rows : most;
    begin_figure(out, "Scores", "How many rows get which score, on a logarithmic scale.");
    buffer_text(out, "<p class=\"legend\"><span class=\"key other\"></span>not fraud"
                     "<span class=\"key fraud\"></span>fraud</p>");
    struct plot plot = {
        .out = out, .x1 = 1, .y0 = 0.5, .y1 = pow(10, ceil(log10((double)most + 1))), .log_y = true};
    plot_begin(&plot, "Histogram of scores", "Rows per score, frauds and others apart.", "score", "rows");
    plot_axis_y(&plot, 1, false);
    plot_axis_x(&plot, 0.2);
    const double width = 1.0 / REPORT_HISTOGRAM;
    for (int b = 0; b < REPORT_HISTOGRAM; b++) {
        const struct score_bin *bin = &report->histogram[b];
        char tooltip[160];
        snprintf(tooltip, sizeof tooltip, "score %.2f to %.2f: %lld frauds, %lld others", bin->low, bin->high,
                 (long long)bin->frauds, (long long)(bin->rows - bin->frauds));
        if (bin->rows > bin->frauds)
            plot_bar(&plot, bin->low + width * 0.06, bin->high - width * 0.06,
                     (double)(bin->rows - bin->frauds), "other", tooltip);
        if (bin->frauds)
            plot_bar(&plot, bin->low + width * 0.26, bin->high - width * 0.26, (double)bin->frauds, "fraud",
                     tooltip);
    }
    plot_end(&plot);
    begin_table(out, "Rows per score", "score from|to|frauds|others");
    for (int b = 0; b < REPORT_HISTOGRAM; b++) {
        const struct score_bin *bin = &report->histogram[b];
        if (!bin->rows)
            continue;
        buffer_text(out, "<tr>");
        put_cell(out, bin->low, 2);
        put_cell(out, bin->high, 2);
        put_count(out, bin->frauds);
        put_count(out, bin->rows - bin->frauds);
        buffer_text(out, "</tr>");
    }
    end_figure(out);
}

/* Wilson's interval (1927) for a share: what the count behind a dot allows to say, at 95 %. */
static void wilson(int64_t frauds, int64_t rows, double *ret_low, double *ret_high)
{
    const double z = 1.959963984540054;
    double n = (double)rows, p = (double)frauds / n, scale = 1 / (1 + z * z / n);
    double middle = (p + z * z / (2 * n)) * scale;
    double half = z * scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *ret_low = fmax(middle - half, 0.0);
    *ret_high = fmin(middle + half, 1.0);
}

static void put_bins(struct buffer *out, const struct score_bin *bins, int n, const char *kind)
{
    for (int b = 0; b < n; b++) {
        if (!bins[b].rows)
            continue;
        buffer_format(out, "<tr><td class=\"text\">%s</td>", kind);
        put_cell(out, bins[b].low, 4);
        put_cell(out, bins[b].high, 4);
        put_count(out, bins[b].rows);
        put_count(out, bins[b].frauds);
        put_cell(out, bins[b].mean, 4);
        put_cell(out, (double)bins[b].frauds / (double)bins[b].rows, 4);
        buffer_text(out, "</tr>");
    }
}

void figure_calibration(const struct report *report, struct buffer *out)
{
    char about[192];
    snprintf(about, sizeof about,
             "Brier score %.5f, calibration error %.4f. On the dashed line a score is the "
             "true share of frauds; bars are 95 %% intervals.",
             report->evaluation->brier, report->calibration_error);
    begin_figure(out, "Calibration", about);
    struct plot plot = {.out = out, .x1 = 1, .y1 = 1};
    plot_begin(&plot, "Calibration", about, "mean score of the bin", "share of frauds");
    plot_axis_y(&plot, 0.2, false);
    plot_axis_x(&plot, 0.2);
    plot_segment(&plot, 0, 0, 1, 1, "chance");
    struct curve_point line[REPORT_BINS];
    int n = 0;
    for (int b = 0; b < REPORT_BINS; b++) {
        const struct score_bin *bin = &report->width[b];
        if (bin->rows && bin->mean >= 0 && bin->mean <= 1)
            line[n++] = (struct curve_point){bin->mean, (double)bin->frauds / (double)bin->rows, 0};
    }
    plot_line(&plot, line, n, "curve thin");
    for (int b = 0; b < REPORT_BINS; b++) {
        const struct score_bin *bin = &report->width[b];
        if (!bin->rows || bin->mean < 0 || bin->mean > 1)
            continue;
        double low, high, share = (double)bin->frauds / (double)bin->rows;
        char tooltip[160];
        wilson(bin->frauds, bin->rows, &low, &high);
        snprintf(tooltip, sizeof tooltip, "mean score %.3f: %lld frauds of %lld rows (%.3f)", bin->mean,
                 (long long)bin->frauds, (long long)bin->rows, share);
        plot_segment(&plot, bin->mean, low, bin->mean, high, "whisker");
        plot_dot(&plot, bin->mean, share, 4.5, "point", tooltip);
    }
    plot_end(&plot);
    begin_table(out, "Bins of equal width and of equal rows",
                "bins|score from|to|rows|frauds|mean score|share of frauds");
    put_bins(out, report->width, REPORT_BINS, "width");
    put_bins(out, report->quantile, report->n_quantile, "rows");
    end_figure(out);
}

static double day_value(const struct report *report, const struct evaluation_day *day)
{
    return isfinite(report->evaluation->precision_at_k) ? day->precision_at_k : day->average_precision;
}

static void put_days(const struct report *report, struct buffer *out)
{
    for (int i = 0; i < report->evaluation->n_days; i++) {
        const struct evaluation_day *day = &report->evaluation->days[i];
        char text[UNITS_TEXT_SIZE];
        buffer_format(out, "<tr><th scope=\"row\">%s</th>", report_day_text(report, day->day, text));
        put_count(out, day->rows);
        put_count(out, day->frauds);
        put_count(out, day->known_rows);
        put_count(out, day->compromised);
        put_count(out, day->found);
        put_cell(out, day->auc, 3);
        put_cell(out, day->average_precision, 3);
        put_cell(out, day->precision_at_k, 3);
        buffer_text(out, "</tr>");
    }
}

void figure_days(const struct report *report, struct buffer *out)
{
    const struct evaluation *e = report->evaluation;
    bool at_k = isfinite(e->precision_at_k);
    char about[224], label[64], mean[32];
    if (at_k)
        snprintf(about, sizeof about,
                 "Of the %d %.60s values with the highest score each day, the share that was truly "
                 "compromised. The dashed line is the mean, %.3f.",
                 e->top_k, report->about.entity, e->precision_at_k);
    else
        snprintf(about, sizeof about, "Average precision of each day.");
    snprintf(label, sizeof label, at_k ? "precision@%d" : "average precision", e->top_k);
    double most = 0.05;
    for (int i = 0; i < e->n_days; i++)
        most = fmax(most, isfinite(day_value(report, &e->days[i])) ? day_value(report, &e->days[i]) : 0);
    double step = most > 0.5 ? 0.2 : most > 0.2 ? 0.1 : most > 0.1 ? 0.05 : 0.02;
    begin_figure(out, "Day by day", about);
    struct plot plot = {.out = out, .x1 = e->n_days, .y1 = ceil(most / step - 1e-9) * step};
    plot_begin(&plot, "Day by day", about, report->about.steps ? "step" : "day (UTC)", label);
    plot_axis_y(&plot, step, false);
    int every = (e->n_days + 7) / 8;
    for (int i = 0; i < e->n_days; i++) {
        char text[UNITS_TEXT_SIZE], tooltip[UNITS_TEXT_SIZE + 64];
        double value = day_value(report, &e->days[i]);
        report_day_text(report, e->days[i].day, text);
        snprintf(tooltip, sizeof tooltip, "%s: %.3f", text, value);
        if (isfinite(value))
            plot_bar(&plot, i + 0.18, i + 0.82, value, "bar", tooltip);
        /* The year is in the table; the axis has room for month and day. */
        if (i % every == 0)
            plot_tick_x(&plot, i + 0.5, report->about.steps ? text : text + 5);
    }
    if (at_k) {
        plot_segment(&plot, 0, e->precision_at_k, e->n_days, e->precision_at_k, "mean");
        snprintf(mean, sizeof mean, "%.3f", e->precision_at_k);
        plot_note(&plot, e->n_days, e->precision_at_k, -2, -6, "end", mean);
    }
    plot_end(&plot);
    begin_table(out, "Figures of each day",
                "day|rows|frauds|known rows removed|compromised|found|AUC ROC|average precision|precision@k");
    put_days(report, out);
    end_figure(out);
}

void figure_drivers(const struct report *report, struct buffer *out)
{
    enum { SHOWN = 15 };
    if (!report->n_drivers)
        return;
    int n = report->n_drivers < SHOWN ? report->n_drivers : SHOWN;
    double largest = report->drivers[0].weight, sum = 0;
    for (int i = 0; i < report->n_drivers; i++)
        sum += report->drivers[i].weight;
    buffer_text(
        out,
        "<section class=\"card\"><h3>What moves the scores</h3><p>Mean absolute contribution of each feature "
        "to the log odds, over a sample of the test rows; and its gain in training.</p><div class=\"scroll\" "
        "tabindex=\"0\">"
        "<table class=\"drivers\"><thead><tr><th scope=\"col\">feature</th><th "
        "scope=\"col\">contribution</th>"
        "<th scope=\"col\">share</th><th scope=\"col\">gain</th><th scope=\"col\"><span "
        "class=\"hidden\">bar</span></th></tr></thead>"
        "<tbody>\n");
    for (int i = 0; i < n; i++) {
        double weight = report->drivers[i].weight;
        buffer_text(out, "<tr><th scope=\"row\">");
        html_text(out, report->drivers[i].feature);
        buffer_text(out, "</th>");
        put_cell(out, weight, 3);
        buffer_format(out, "<td>%.1f %%</td>", sum > 0 ? weight / sum * 100 : 0.0);
        put_cell(out, report->drivers[i].gain, 2);
        buffer_format(out,
                      "<td class=\"wide\"><svg viewBox=\"0 0 200 12\" preserveAspectRatio=\"none\" "
                      "aria-hidden=\"true\"><rect class=\"bar\" width=\"%.1f\" height=\"12\" "
                      "rx=\"2\"/></svg></td></tr>",
                      largest > 0 ? weight / largest * 200 : 0.0);
    }
    buffer_text(out, "</tbody></table></div>");
    if (n < report->n_drivers)
        buffer_format(out, "<p>%d features with smaller contributions are not shown.</p>",
                      report->n_drivers - n);
    buffer_text(out, "</section>\n");
}
