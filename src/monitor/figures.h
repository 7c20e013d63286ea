/* The figures of a report: each appends one <figure> with an SVG plot and a folded table of its numbers. */
#ifndef SHRIKE_MONITOR_FIGURES_H
#define SHRIKE_MONITOR_FIGURES_H

#include "monitor/report.h"

void figure_roc(const struct report *report, struct buffer *out);
void figure_precision_recall(const struct report *report, struct buffer *out);
void figure_histogram(const struct report *report, struct buffer *out);
void figure_calibration(const struct report *report, struct buffer *out);
void figure_days(const struct report *report, struct buffer *out);
void figure_drivers(const struct report *report, struct buffer *out);

/* A number for a table cell with that many digits after the point; a dash where it is not finite. */
void figure_number(struct buffer *out, double value, int digits);

#endif
