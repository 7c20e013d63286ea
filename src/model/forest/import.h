/*
 * Importers: files of the training libraries -> struct forest. Each feeds a builder (build.h), which checks
 * trees; what is left to an importer is its format and the model's head.
 */
#ifndef SHRIKE_MODEL_FOREST_IMPORT_H
#define SHRIKE_MODEL_FOREST_IMPORT_H

#include "model/forest/forest.h"
#include "model/xgboost_learner.h"

/* XGBoost's trees, of the boosters gbtree and dart. On failure *ret is untouched. */
int forest_import_xgboost(const struct xgboost_learner *learner, struct forest *ret, struct error *error);

/* LightGBM's text model. *ret_names: a name per feature, to be released with model_names_free, or NULL. */
bool forest_recognise_lightgbm(const char *data, size_t size);
int forest_import_lightgbm(const char *data, size_t size, struct forest *ret, char ***ret_names,
                           struct error *error);

/* A model that scores the forest, which is moved into it on success, and with it the names (one per feature,
 * or NULL). order: as of model_order (kind.h), the columns that its features are in, or NULL. */
int forest_model_new(struct forest *forest, char **names, const int *order, struct model **ret,
                     struct error *error);
/* Both for XGBoost. */
int forest_read_xgboost(const struct xgboost_learner *learner, char **names, const int *order,
                        struct model **ret, struct error *error);

#endif
