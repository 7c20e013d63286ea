/*
 * Reference profiles: what the training rows looked like, for later comparison (drift).
 *
 * One JSON object per feature:
 *   "name", "count" (present values), "missing", "mean", "sd" (population), "min", "max",
 *   "quantiles": 101 values, the 0th to 100th percentile, interpolated linearly (numpy's default), and
 * either "values": [{"value": x, "count": n}, ...] ascending, where there are at most LIMIT_PROFILE_VALUES
 * distinct ones, or "histogram": {"edges": [e0 .. ek], "counts": [n1 .. nk]}, bins between deciles, each
 * [e, next) and the last closed; equal deciles are joined. A feature without any present value has count 0
 * and none of the figures.
 *
 * Threads: functions share nothing. Memory: 8 bytes per row. Time: a radix sort per feature.
 */
#ifndef SHRIKE_TRAIN_PROFILE_H
#define SHRIKE_TRAIN_PROFILE_H

#include <stdint.h>

#include "base/error.h"

/* Columns to be profiled: x is row-major with `features` columns; rows x features values. */
struct profile_input {
    int64_t rows;
    int features;
    const float *x;
    const char *const *names;
    const float *scores; /* of the model for these rows; NULL = none */
    int64_t frauds;
};

/* {"rows": n, "frauds": n, "features": [...], "score": {...}}: zero-terminated, free with free(). */
int profile_write(const struct profile_input *input, char **ret_json, struct error *error);

#endif
