/*
 * Training with XGBoost through its C API, parameters by its own names.
 *
 * XGBoost knows many parameters by many names, and ignores what it does not know; here that is an error.
 * objective, base_score and tree_method are always set, so that a version of XGBoost with other defaults
 * trains the same model: binary:logistic, 0.5 and hist unless given. n_estimators, num_boost_round and
 * early_stopping_rounds, which belong to its Python package, are understood too; scale_pos_weight=auto is
 * the number of legitimate rows per fraud.
 *
 * The result has the best round as its last one: whoever predicts with all its trees predicts with the best
 * ones.
 */
#ifndef SHRIKE_TRAIN_XGBOOST_H
#define SHRIKE_TRAIN_XGBOOST_H

#include "train/trainer.h"

enum { XGBOOST_ROUNDS = 100 }; /* when none are given */

/* valid may be NULL; it is watched, and early stopping needs it. */
int xgboost_train(const struct examples *train, const struct examples *valid,
                  const struct trainer_options *options, struct trained *ret, struct error *error);

#endif
