/*
 * Files of labels: the plan's id, one or more of its late columns by their names, and when each label
 * arrived.
 *
 * Threads: one.
 */
#ifndef SHRIKE_SCORE_LABEL_FILE_H
#define SHRIKE_SCORE_LABEL_FILE_H

#include "score/labels.h"

/* Opens them as one: the id, the time (label_time_type), the late columns that the first of them has.
 * columns: per column of the plan's events the one of the rows, -1 where there is none; of its
 * label_schema_new, the same. The plan has an id, an event time and a late column (label_book_check). */
int label_file_open(const struct plan *plan, const struct labels_options *options, int *ret_columns,
                    struct reader **ret, struct error *error);
/* reader_next; a label without an id or a time is an error. */
int label_file_next(struct reader *reader, struct table *batch, struct error *error);

/* A label's time is counted as the events' time is; days become a time. */
struct type label_time_type(const struct plan *plan);

#endif
