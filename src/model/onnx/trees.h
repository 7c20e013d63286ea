/*
 * TreeEnsembleClassifier and TreeEnsembleRegressor (ai.onnx.ml 1 to 3) -> struct forest.
 *
 * The operators' attributes are parallel lists: one element per node (nodes_treeids, nodes_nodeids,
 * nodes_modes, nodes_featureids, nodes_values, nodes_truenodeids, nodes_falsenodeids) and one per leaf and
 * output (class_ids or target_ids, ..._treeids, ..._nodeids, ..._weights). A tree's first node is its root. A
 * leaf that adds to several outputs makes one tree per output.
 *
 * Arithmetic is ONNX Runtime's on one thread: the leaves of a row are added in float32, from 0 in the order
 * of the trees, and the base afterwards. The forest has the sum alone; what follows is the ensemble's.
 */
#ifndef SHRIKE_MODEL_ONNX_TREES_H
#define SHRIKE_MODEL_ONNX_TREES_H

#include "model/forest/forest.h"
#include "model/onnx/proto.h"

enum onnx_transform { ONNX_NONE, ONNX_LOGISTIC, ONNX_SOFTMAX, ONNX_SOFTMAX_ZERO };

struct onnx_ensemble {
    enum onnx_transform transform;
    int groups;    /* sums per row */
    bool single;   /* a classifier of two classes with one sum: the score is the second class's */
    bool zero;     /* of that, the other class takes part in the transform with a sum of 0 */
    float divisor; /* 1, or the number of trees where the regressor averages */
    float *base;   /* by group, in the arena */
};

/* `features`: the width of what the operator is given. */
int onnx_trees_read(const struct onnx_node *node, int features, struct arena *arena,
                    struct forest *ret_forest, struct onnx_ensemble *ret, struct error *error);

/* From the sums of one row to its scores, in float32; returns how many. */
int onnx_ensemble_finish(const struct onnx_ensemble *ensemble, const float *sums, float *ret_scores);

#endif
