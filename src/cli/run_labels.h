/*
 * `run --state --labels`: labels of files go into the journal between events. How far each file was read
 * stands there, too, so that a restart tells no label twice and loses none, and a file that has grown is read
 * on.
 */
#ifndef SHRIKE_CLI_RUN_LABELS_H
#define SHRIKE_CLI_RUN_LABELS_H

#include "cli/options.h"
#include "score/durable.h"

struct run_labels;

/* An id, as JSON, that no event had in time. */
typedef int run_lost(void *context, const char *id, struct error *error);

/* Reads --labels and tells those that were due before; *ret is NULL without the option. */
int run_labels_open(const struct arguments *arguments, struct plan *plan, struct durable *durable,
                    struct run_labels **ret, struct error *error);
void run_labels_close(struct run_labels *labels); /* takes NULL */

/* Tells the labels that come before row `from` of events; *ret_n: how many rows, up to `to`, may be taken
 * then before labels come again. */
int run_labels_next(struct run_labels *labels, const struct table *events, int64_t from, int64_t to,
                    int64_t *ret_n, struct error *error);
/* Hands on the ids that were given up since the last call. */
int run_labels_lost(struct run_labels *labels, run_lost *lost, void *context, struct error *error);

/* What became of them. */
void run_labels_report(const struct run_labels *labels);

#endif
