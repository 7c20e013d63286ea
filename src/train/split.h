/*
 * Which rows are learnt from, and which are looked at meanwhile.
 *
 * By time: spans, the later one at least the label delay behind the earlier one; otherwise a model would
 * learn from labels that nobody has yet when the first valid row is decided. Stratified: by chance, each
 * class divided alike; it looks into the future and is there because others do it, for comparison.
 *
 * All choices by chance depend on seed and row alone, so they are the same on every machine. Row lists are
 * in file order. Threads: functions share nothing.
 */
#ifndef SHRIKE_TRAIN_SPLIT_H
#define SHRIKE_TRAIN_SPLIT_H

#include <stdbool.h>

#include "base/units.h"

/* Row indices, ascending. */
struct rows {
    int64_t n;
    int64_t *at;
};
void rows_done(struct rows *rows); /* takes a zeroed one */

/* Reads "FROM..TO" and a delay as the plan counts time: dates and durations, or, where its event time is an
 * integer, steps ("400..500", "24"). `option` names the option in the message. */
int split_read_span(const char *text, const char *option, bool steps, struct span *ret, struct error *error);
int split_read_delay(const char *text, const char *option, bool steps, int64_t *ret, struct error *error);

/* OK where `valid` may be used beside `train`; the error says how far apart they have to be and why. */
int split_check(struct span train, struct span valid, int64_t delay, bool steps, struct error *error);

/* Rows whose time lies in the span. */
int split_by_time(const int64_t *time_us, int64_t n, struct span span, struct rows *ret, struct error *error);

/* Divides `rows` (by index into labels): of each class, the given fraction, rounded to nearest but at least
 * one row on each side, goes to train. */
int split_stratified(const float *labels, const struct rows *rows, double fraction, uint64_t seed,
                     struct rows *ret_train, struct rows *ret_valid, struct error *error);

/* Keeps n of the rows, all of them where there are no more. Every subset is equally likely. */
void split_sample(struct rows *rows, int64_t n, uint64_t seed);

#endif
