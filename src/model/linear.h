/*
 * Linear models: logistic regression on standardised inputs.
 *
 *   margin = intercept + sum of weight * (x - mean) / sd;  score = 1 / (1 + exp(-margin)), in double,
 * rounded once
 *
 * A missing value counts as the mean and so adds nothing; a feature with sd 0 adds nothing either. File
 * format, one JSON object: {"shrike": "linear", "version": 1, "features": [names], "intercept": x,
 * "weights": [], "means": [], "sds": []}, the arrays in the order of the features, weights in units of the
 * standardised inputs.
 */
#ifndef SHRIKE_MODEL_LINEAR_H
#define SHRIKE_MODEL_LINEAR_H

#include <stddef.h>

#include "base/error.h"

/* n coefficients; the arrays belong to the caller. */
struct linear {
    int n;
    double intercept;
    const double *weights, *means, *sds;
    const char *const *names;
};

/* The file's text in a new zero-terminated block (free with free()), digits enough to read back the same
 * bits. */
int linear_write(const struct linear *linear, char **ret_data, size_t *ret_size, struct error *error);

#endif
