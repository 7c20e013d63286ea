/*
 * The files by which MLflow knows a model version: MLmodel (YAML) and the environment that goes with it.
 *
 * An XGBoost model loads with mlflow.xgboost.load_model(DIR) as an xgboost.Booster, and with mlflow.pyfunc,
 * whose predict gives the probabilities. A linear model is described, with a flavour only Shrike knows:
 * nothing in Python loads it.
 */
#ifndef SHRIKE_REGISTRY_MLMODEL_H
#define SHRIKE_REGISTRY_MLMODEL_H

#include "registry/registry.h"

/* The text of MLmodel. model_sha256 makes its model_uuid. */
void mlmodel_write(const struct version_content *content, int number, int64_t created_us,
                   const char *model_sha256, struct buffer *ret);

/* The n-th of the environment files: its name, and its text into `ret`. NULL after the last. */
const char *mlmodel_environment(const struct version_content *content, int n, struct buffer *ret);

#endif
