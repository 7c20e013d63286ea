/*
 * Files of labels for an engine behind a journal: each label is told before the first event at which the
 * largest event time so far, that event's included, has reached its time.
 *
 * How many rows of a file were read before, the journal knows: of those, labels up to the largest event time
 * of then have been told. Rows behind them are new, whatever their times: a file may grow.
 *
 * Threads: one. Memory: the rows that are not told yet.
 */
#ifndef SHRIKE_SCORE_LABEL_FEED_H
#define SHRIKE_SCORE_LABEL_FEED_H

#include "score/label_said.h"
#include "score/labels.h"

struct label_feed;

/* How many rows of a file were read before. */
typedef int64_t label_feed_read(void *context, const char *path);

/* labels: label_schema_new of the plan. latest: the largest event time so far; INT64_MIN: there was no event.
 * CODE_CONFLICT: a file has fewer rows than were read of it before. */
int label_feed_open(const struct plan *plan, struct schema *labels, const struct labels_options *options,
                    label_feed_read *read, void *context, int64_t latest, struct label_feed **ret,
                    struct error *error);
void label_feed_free(struct label_feed *feed); /* takes NULL */

/* The next labels that are due at this time, in order, some hundreds at once; *ret is NULL where none is, and
 * valid until the next call. */
int label_feed_due(struct label_feed *feed, int64_t latest, const struct label_rows **ret,
                   struct error *error);
/* Is any? */
bool label_feed_is_due(const struct label_feed *feed, int64_t latest);

/* The n-th file, as it was read; NULL: there is none. */
const char *label_feed_file(const struct label_feed *feed, int n, int64_t *ret_rows);
void label_feed_count(const struct label_feed *feed, int64_t *ret_rows, int64_t *ret_pending);

#endif
