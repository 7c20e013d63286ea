/*
 * The report of an evaluation: gathered once, then written as JSON for programs and as one HTML file for
 * people.
 *
 * The HTML stands alone: no script, no font, no picture and no address from outside; plots are SVG drawn
 * here, and every plot's numbers are in a table too. It follows the reader's light or dark setting and
 * prints. All text that comes from outside (names, paths) is escaped.
 *
 * Threads: none shared. Memory: a few hundred KiB; the HTML is at most LIMIT_REPORT_BYTES.
 */
#ifndef SHRIKE_MONITOR_REPORT_H
#define SHRIKE_MONITOR_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"
#include "train/evaluate.h"
#include "train/metrics.h"

enum { REPORT_THRESHOLDS = 16, REPORT_BINS = 10, REPORT_HISTOGRAM = 50, REPORT_NAME = 64 };

/* One row of the threshold table. */
struct report_threshold {
    char name[REPORT_NAME]; /* "best F1" */
    bool from_test;         /* chosen on the very rows it is judged on */
    bool possible;          /* false: no threshold does it; only the name is set */
    double threshold;
    struct confusion confusion;
    double cost;          /* NaN: no costs given */
    double amount_caught; /* NaN: no amounts given */
};

/* How much a feature moves the scores: the mean of |contribution to the log odds| over sampled test rows.
 * gain: how much the model's training gained by it (model_importance). */
struct report_driver {
    const char *feature;
    double weight, gain;
};

/* What is said besides the figures. Texts may be NULL where unknown; they are borrowed. */
struct report_about {
    const char *model, *kind, *directory; /* "handbook version 3", "forest" */
    const char *plan_hash, *fingerprint;
    const char *training; /* "2018-07-25..2018-08-01" */
    const char *const *files;
    int n_files;
    int64_t rows_seen, rows_filtered; /* filtered: left out by the plan's WHERE */
    const char *entity, *amount; /* columns */
    bool steps;                  /* times are integer steps */
    bool labels_arrived;         /* labels came by themselves; else the events' own were assumed on time */
};

struct report {
    struct report_about about;
    struct evaluate_options options;
    const struct evaluation *evaluation;
    struct cost cost;
    bool has_cost;
    struct report_threshold thresholds[REPORT_THRESHOLDS];
    int n_thresholds;
    int chosen;                    /* whose confusion matrix is shown; -1 = none */
    struct report_driver *drivers; /* largest first; borrowed */
    int n_drivers;
    struct score_bin width[REPORT_BINS], quantile[REPORT_BINS], histogram[REPORT_HISTOGRAM];
    int n_quantile;
    double calibration_error;                                  /* over the quantile bins */
    struct curve_point roc[CURVE_POINTS], curve[CURVE_POINTS]; /* curve: precision-recall */
    int n_roc, n_curve;
    double alerts_days; /* days that alerts per day are counted over */
};

/* Fills bins and curves from the evaluation, which is borrowed. Thresholds are added afterwards. */
void report_init(struct report *report, const struct report_about *about,
                 const struct evaluate_options *options, const struct evaluation *evaluation);
/* Costs must be set before thresholds are added. */
void report_set_cost(struct report *report, struct cost cost);
/* Add rows to the threshold table (asserted: fewer than REPORT_THRESHOLDS) and give their index. */
int report_add_threshold(struct report *report, const char *name, double threshold);
int report_add_precision(struct report *report, double precision);
int report_add_alerts(struct report *report, double alerts_per_day);
int report_add_share(struct report *report, double share_of_rows);
int report_add_best_f1(struct report *report);
int report_add_lowest_cost(struct report *report);

/* Appends one JSON object, without a newline. NaN and infinities are null. */
int report_json(const struct report *report, struct buffer *out, struct error *error);
/* Appends a whole HTML page. */
int report_html(const struct report *report, struct buffer *out, struct error *error);

/* "2018-08-08" for the start of a day, "2018-08-08 10:00:00" for other times, the number for a step. Returns
 * text. */
const char *report_time_text(bool steps, int64_t time_us, char text[UNITS_TEXT_SIZE]);
/* The same of a day's number. */
const char *report_day_text(const struct report *report, int64_t day, char text[UNITS_TEXT_SIZE]);
/* How labels became known: "assumed on time". */
const char *report_labels_text(const struct report *report);
/* "58,264". Returns text. */
const char *report_count_text(int64_t value, char text[UNITS_TEXT_SIZE]);

#endif
