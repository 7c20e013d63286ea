/*
 * A whole training: files -> rows -> split -> trainer -> judged model, with everything a manifest says
 * about it.
 *
 * Files are read once, through the plan's windows; rows outside the spans only feed those. The model is
 * judged on the valid rows, or on the training rows where there are none. Labels count as known on time:
 * the rows' own values are used, and the valid span starts a label delay after the training span, so that
 * each of them has arrived by then.
 *
 * Threads: one training at a time. Memory: the kept rows as float32, and a copy of the training rows while
 * they are trained on.
 */
#ifndef SHRIKE_TRAIN_TRAINING_H
#define SHRIKE_TRAIN_TRAINING_H

#include <math.h>

#include "feature/plan.h"
#include "model/model.h"
#include "score/dataset.h"
#include "train/trainer.h"

enum training_kind { TRAINING_XGBOOST, TRAINING_LINEAR };
enum training_split { TRAINING_BY_TIME, TRAINING_STRATIFIED };
enum class_weight { CLASS_WEIGHT_NONE, CLASS_WEIGHT_BALANCED };

struct training_options {
    struct plan *plan;
    const char *const *paths;
    int n_paths;
    enum time_unit time_unit;
    const char *label; /* a column of the events */
    const struct labels_options *labels; /* as in dataset_options */
    enum training_split split;
    bool has_train,
        has_valid; /* by time: train is needed. Stratified: train, where given, is what is divided */
    struct span train, valid;
    int64_t delay_us;
    bool steps; /* the plan's event time is an integer: spans and delay count its steps, not microseconds */
    double fraction; /* stratified: of each class, to train */
    int64_t sample;  /* train on so many rows at most (stratified: divide so many); 0 = all */
    enum training_kind kind;
    const struct param *params;
    int n_params;
    int rounds, early_stopping; /* 0 = default, never */
    enum class_weight class_weight;
    uint64_t seed;
    int threads;
    int64_t memory;   /* as in dataset_options */
    double threshold; /* NaN: the one with the highest F1 */
    bool quiet;
    void (*progress)(void *context, int round, const char *text); /* or NULL */
    void *context;
};

/* How good the model is on some rows. What is not defined is NaN. */
struct training_quality {
    int64_t rows, frauds;
    double auc, average_precision, log_loss;
    double precision, recall, f1; /* at the threshold */
};

struct training {
    struct trained trained;
    struct model *model;
    int64_t rows_seen, rows_filtered; /* in the files; of them, left out by the plan's WHERE */
    struct labels_counters labels;
    bool has_valid;
    struct training_quality train, valid;
    double threshold;
    const char *threshold_from; /* "given", "highest F1 on the valid rows", ... */
    char *training_json, *metrics_json, *profile_json;
};

int training_run(const struct training_options *options, struct training *ret, struct error *error);
void training_done(struct training *training); /* takes a zeroed one */

#endif
