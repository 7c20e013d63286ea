/*
 * Verification: the features of a file computed a second time, by the definition itself, with DuckDB, and
 * compared. Every window is a correlated subquery there (plan_oracle), so it is slow: seconds for thousands
 * of rows.
 */
#ifndef SHRIKE_SCORE_VERIFY_H
#define SHRIKE_SCORE_VERIFY_H

#include "feature/plan.h"

struct verify_options {
    struct plan *plan;
    const char *events_path;   /* Parquet, with the columns of plan_events, in arrival order */
    const char *features_path; /* what is to be verified, any format of file_io.h, in the same order */
    int64_t lateness_us;
    int threads;
};

struct verify_result {
    int64_t rows, values, mismatches;
};

/* DOUBLE and FLOAT features agree within 1e-9 * max(1, |x|) (DuckDB's own sums are not exact), all else
 * exactly. CODE_MISMATCH names the first feature and row that differ and both values; *ret is filled then,
 * too. */
int verify_with_duckdb(const struct verify_options *options, struct verify_result *ret, struct error *error);

#endif
