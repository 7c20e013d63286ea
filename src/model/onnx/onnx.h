/*
 * ONNX models of trees, as skl2onnx and onnxmltools export them from scikit-learn, XGBoost and LightGBM:
 * steps over the columns, a TreeEnsembleClassifier or TreeEnsembleRegressor, steps over the scores (graph.h
 * says which).
 *
 * The trees are a forest as any other; this kind of model makes its rows and finishes its sums. Scores have
 * the bits of ONNX Runtime's CPU prediction on one thread; but for Exp, whose last bit is its own. A
 * classifier of two classes gives the second class's score, one of several classes a score each.
 */
#ifndef SHRIKE_MODEL_ONNX_ONNX_H
#define SHRIKE_MODEL_ONNX_ONNX_H

#include "model/kind.h"

/* Whether these bytes may be ONNX: a message whose first field is ModelProto's ir_version. */
bool onnx_recognise(const char *data, size_t size);

int onnx_read(const char *data, size_t size, const struct model_columns *columns, struct model **ret,
              struct error *error);

#endif
