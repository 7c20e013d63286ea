/*
 * Labels from a file of their own, and events through the windows with each label told when it arrives.
 *
 * The file has the plan's id, one or more of its late columns by their names, and when each label arrived. A
 * label arrives before the first event at which the largest event time so far, that event's included, has
 * reached its time, but behind its own event. Of an id's labels the one with the highest time counts; of
 * equal ones the last in the file.
 *
 * Threads: one caller. Memory: the file's rows, and of each event that has a label there the columns that
 * windows over late columns look at.
 */
#ifndef SHRIKE_SCORE_LABELS_H
#define SHRIKE_SCORE_LABELS_H

#include "base/units.h"
#include "feature/plan.h"
#include "feature/state.h"
#include "table/file_io.h"

struct labels_options {
    const char *const *paths; /* .parquet, .csv, .jsonl, globs */
    int n_paths;
    const char *time_column; /* NULL: label_time */
    enum time_unit time_unit;
    int64_t until; /* labels that arrived after it are no truth (labels_truth); INT64_MAX: all are */
};

struct labels_counters {
    int64_t labels;  /* in the file */
    int64_t told;    /* to the windows, or no news to them */
    int64_t outside; /* their event is in no window: too late, or left out by WHERE */
    int64_t pending; /* later than the last event */
    int64_t unknown; /* their id is that of no event */
};

struct labels;
/* The plan needs a PRIMARY KEY and a late column. */
int labels_open(struct plan *plan, const struct labels_options *options, struct labels **ret,
                struct error *error);
void labels_free(struct labels *labels); /* takes NULL */

/* state_take with what becomes known meanwhile. The state was made with options.learns. events: columns of
 * plan_events, others may follow. An id that has labels and comes twice is an error. */
int labels_take(struct labels *labels, struct state *state, const struct table *events,
                struct table *ret_features, struct error *error);
/* What state_filtered is, of the last batch. */
const uint8_t *labels_filtered(const struct labels *labels);
/* The same for state_marks. */
const uint8_t *labels_marks(const struct labels *labels);

/* Do the files speak of a column of the events? */
bool labels_has(const struct labels *labels, int column);
/* The column and row in which the truth of an event's column stands: that of its label that counts by
 * options.until. NULL: there is none. */
const struct column *labels_truth(const struct labels *labels, const struct table *events, int64_t i,
                                  int column, int64_t *ret_row);

void labels_count(const struct labels *labels, struct labels_counters *ret);

#endif
