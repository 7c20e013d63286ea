/*
 * What an XGBoost model says beside its booster: how many features and outputs it has, how a margin becomes a
 * prediction, where the margins start, and what the features are called. Trees and linear boosters share it.
 *
 * The document (doc/model.schema of XGBoost; versions 1.0 to 3.x write the parts used here alike):
 *
 *   version                       [3, 2, 0]
 *   learner.learner_model_param   num_feature, num_class, num_target, base_score: numbers as strings;
 *                                 base_score is "5E-1", from 3.1 on a list with one value per output,
 * "[5E-1]" learner.objective.name        decides how base_score and margin are linked
 *   learner.gradient_booster      name and model
 *   learner.feature_names         or none
 *
 * A prediction of the model is the one of Booster.predict, with all trees. Models with several targets are
 * refused, several classes are not.
 */
#ifndef SHRIKE_MODEL_XGBOOST_LEARNER_H
#define SHRIKE_MODEL_XGBOOST_LEARNER_H

#include <yyjson.h>

#include "base/error.h"
#include "model/forest/forest.h"

struct xgboost_learner {
    struct forest_head head;  /* features, groups, the float32 sum and the link */
    double *base;             /* head.groups margins that the sums start from, float32 values */
    yyjson_val *booster;      /* gradient_booster; it and what follows belongs to the document */
    const char *booster_name; /* "gbtree", "dart", "gblinear" */
    yyjson_val *names;        /* or NULL */
    char version[24];         /* of the library: "3.2.0", or "" */
};

/* On failure *ret is untouched. */
int xgboost_learner_read(yyjson_val *root, struct xgboost_learner *ret, struct error *error);
void xgboost_learner_done(struct xgboost_learner *learner); /* takes a zeroed one */

#endif
