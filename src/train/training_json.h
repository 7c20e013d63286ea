/*
 * What a manifest says about a training, as JSON texts (zero-terminated, free with free()).
 *
 * metrics: {"train": {...}, "valid": {...}, "threshold": {"value", "chosen"}}; each part with rows, frauds,
 * auc, average_precision, log_loss, and precision, recall, f1 at the threshold; null where not defined.
 * training: spans, split, label and its delay, rows, every parameter, seed, libraries, files with their
 * fingerprint, and how much each feature matters.
 */
#ifndef SHRIKE_TRAIN_TRAINING_JSON_H
#define SHRIKE_TRAIN_TRAINING_JSON_H

#include "train/training.h"

int training_json_metrics(const struct training *training, char **ret, struct error *error);
int training_json_training(const struct training_options *options, const struct training *training,
                           const char *fingerprint, char **ret, struct error *error);

#endif
