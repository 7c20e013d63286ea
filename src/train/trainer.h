/*
 * What all trainers share: rows in, a model's file and what is worth knowing about it out.
 *
 * Threads: one training at a time per struct; XGBoost and BLAS use threads of their own. Memory: XGBoost
 * copies the rows (4 bytes a value, once more while it sorts or bins them); logistic regression works on
 * blocks.
 */
#ifndef SHRIKE_TRAIN_TRAINER_H
#define SHRIKE_TRAIN_TRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Rows to learn from. x: rows x features, row-major, NaN = missing, no infinities; labels 0 or 1; weights:
 * one per row, at least 0, or NULL for 1 each. */
struct examples {
    int64_t rows;
    const float *x;
    const float *labels;
    const float *weights;
};

/* One parameter by the library's own name. A name may come more than once where the library takes that. */
struct param {
    const char *name, *value;
};

struct trainer_options {
    const char *const *names; /* of the features */
    int features;
    const struct param *params;
    int n_params;
    int rounds;         /* boosting rounds, or iterations at most; 0 = the trainer's default */
    int early_stopping; /* stop after so many rounds without a better last metric on the valid rows; 0 =
                           never */
    bool balanced;      /* frauds weigh as much in total as the rest */
    uint64_t seed;
    int threads; /* 0 = 1 */
    /* Called after each round; text is what the trainer has to say of it ("valid-logloss:0.03"). May be
     * NULL. */
    void (*progress)(void *context, int round, const char *text);
    void *context;
};

/* All texts are the caller's; trained_done frees them. */
struct trained {
    char *model; /* zero-terminated */
    size_t model_size;
    char *parameters; /* a JSON object: every parameter that was used, those left at their default too */
    char library[32]; /* "xgboost" */
    char library_version[32];
    int rounds;     /* in the model */
    int best_round; /* from 0, of early stopping; -1 without */
    double best_score;
    char metric[64]; /* what best_score is: "valid-logloss"; "" without */
    bool converged;  /* false: the optimum was not reached within the rounds */
};
void trained_done(struct trained *trained); /* takes a zeroed one */

/* Counts rows with label 1 and those with label 0; an error where one of the two is missing, or a label is
 * neither. `what` names the rows in the message ("the training rows"). */
int examples_check(const struct examples *examples, const char *what, int64_t *ret_frauds,
                   struct error *error);

#endif
