/*
 * Datasets: the rows that training and evaluation look at. All events of the files run through the plan's
 * windows, in file order, as in `features`; the rows whose event time lies in one of the wanted spans are
 * kept as model input.
 *
 * Values become model input as semantics say: BOOLEAN 0/1, ENUM its code, NULL and NaN missing (NaN), all
 * else to float32 once, to nearest. An infinity is an error that names feature and row.
 */
#ifndef SHRIKE_SCORE_DATASET_H
#define SHRIKE_SCORE_DATASET_H

#include <stdbool.h>

#include "base/units.h"
#include "feature/plan.h"
#include "score/labels.h"
#include "table/file_io.h"

/* A reader_lacks: a warning. */
void dataset_warn_lacks(const char *path, const char *column, int64_t rows);

struct dataset_options {
    const char *const *paths;
    int n_paths;
    enum time_unit time_unit;
    const struct span *spans; /* rows outside all of them only feed the windows */
    int n_spans;              /* 0 = keep every row */
    const char *label;        /* column of the events that holds the truth; NULL = none */
    const struct labels_options *labels; /* late columns come from there; NULL: the rows' own */
    const char *entity;       /* column for per-entity metrics; NULL = none */
    int threads;
    int64_t memory; /* bytes that windows and kept rows may take together; 0 = no limit */
    bool quiet;
};

/* Arrays of `rows` elements, in file order. */
struct dataset {
    int64_t rows;
    int features;
    float *x;          /* rows x features, row-major */
    float *label; /* 0 or 1 (NULL label: the column's default, else an error); NULL where none was asked */
    int64_t *time_us;  /* event time; an integer step is taken as it is */
    int64_t *entity;   /* a number per distinct entity value, 0.. in order of first appearance in the files;
                          NULL: none */
    int64_t *row;      /* row number in the files, from 0 */
    struct labels_counters labels; /* zeros without labels */
    int64_t rows_seen;             /* rows of the files */
    int64_t rows_filtered; /* of them, those that the plan's WHERE leaves out: they are never kept */
    char fingerprint[65]; /* SHA-256 over names, sizes and content of the input files */
};

int dataset_read(struct plan *plan, const struct dataset_options *options, struct dataset *ret,
                 struct error *error);
void dataset_done(struct dataset *dataset);

/* Are all features of types that a model takes? The error names the first that is not. */
int dataset_check_features(const struct schema *features, struct error *error);
/* A table of model input (plan_features) to float32, row-major: infinities stay (raw), or are missing
 * (scoring). */
void dataset_convert_raw(const struct table *features, float *ret);
void dataset_convert(const struct table *features, float *ret);

#endif
