/*
 * Importers: files of the training libraries -> struct forest. Each feeds a builder (build.h), which checks
 * trees; what is left to an importer is its format and the model's head.
 */
#ifndef SHRIKE_MODEL_FOREST_IMPORT_H
#define SHRIKE_MODEL_FOREST_IMPORT_H

#include <yyjson.h>

#include "model/forest/forest.h"

/* XGBoost's JSON: gbtree with binary:logistic, binary:logitraw or reg:squarederror, as versions 1.0 to 3.x
 * write it. *ret_names: the array of feature names, or NULL. On failure the outputs are untouched. */
int forest_import_xgboost(yyjson_val *root, struct forest *ret, yyjson_val **ret_names, struct error *error);

/* A model that scores the forest, which is moved into it on success. names as for model_init (kind.h). */
int forest_model_new(struct forest *forest, yyjson_val *names, struct model **ret, struct error *error);

#endif
