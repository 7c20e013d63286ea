/*
 * Forests: tree ensembles as they were trained, plain, and what scores them.
 *
 * struct forest is the trained model and nothing else: importers fill it, everything else reads it. What
 * scores is separate: an engine (struct forest_engine), compiled from a forest into whatever layout it
 * likes. The scalar engine walks the plain nodes themselves; it is the oracle that every other engine is
 * compared with.
 *
 * Layout: the nodes of all trees lie in one array, tree after tree, each tree in breadth-first order from
 * its root, so that the two children of a split are neighbours and one index finds both. A node has 16
 * bytes, four to a cache line:
 *
 *   nodes   | root | l r | ll lr rl rr | ... | root of tree 1 | ...
 *   cover     one double per node: the sum of hessians that training saw there
 *   gain      one double per node: what the split gained, 0 for a leaf
 *
 * Only nodes that are reached from a root are kept. Threads: immutable, shared by all. Limits:
 * LIMIT_MODEL_TREES trees, LIMIT_TREE_DEPTH levels, LIMIT_COLUMNS features, INT32_MAX nodes.
 */
#ifndef SHRIKE_MODEL_FOREST_FOREST_H
#define SHRIKE_MODEL_FOREST_FOREST_H

#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/error.h"
#include "model/model.h"

enum { FOREST_LEAF = -1 };

struct forest_node {
    float value;     /* the threshold of a split: x < value goes left; or the leaf's value */
    int32_t feature; /* FOREST_LEAF: a leaf */
    int32_t left;    /* index of the left child in `nodes`; the right one is left + 1 */
    int32_t missing; /* where NaN goes: 0 left, 1 right */
};

/* How a margin becomes a score. */
enum forest_link { FOREST_IDENTITY, FOREST_SIGMOID };

struct forest {
    int features;
    int trees;
    int32_t *roots; /* trees + 1: roots[t] is the first node of tree t, roots[trees] the number of nodes */
    struct forest_node *nodes;
    double *cover, *gain;
    int depth;         /* splits on the longest way from a root to a leaf */
    float base_margin; /* what the sum starts from */
    double expected;   /* what the margin is when no feature is known */
    enum forest_link link;
};

void forest_done(struct forest *forest);

/* Fills a zeroed forest from XGBoost's JSON: gbtree with binary:logistic, binary:logitraw or
 * reg:squarederror, as versions 1.0 to 3.x write it. Everything is checked: after OK each walk ends at a
 * leaf. On failure the caller calls forest_done. *ret_names: the array of feature names, or NULL. */
int forest_read_xgboost(yyjson_val *root, struct forest *forest, yyjson_val **ret_names, struct error *error);

/* ret[r] = score of row r of a row-major matrix n x features. */
typedef void forest_predict(const struct forest *forest, const void *compiled, const float *rows, size_t n,
                            float *ret_scores);

/* What scores a forest. `compiled` is the engine's own form of it; NULL where it works on the plain one. */
struct forest_engine {
    const char *name;
    forest_predict *predict;
    void *compiled;
};

/* XGBoost's own order and arithmetic: the float32 sum of base margin and leaves in tree order, then the
 * link. */
forest_predict forest_scalar_predict;
/* A margin's score: what every engine ends with. */
void forest_apply_link(const struct forest *forest, float *scores, size_t n);

/* Path-dependent TreeSHAP; see model_explain. */
double forest_shap_expected(const struct forest *forest);
size_t forest_shap_scratch(const struct forest *forest);
void forest_shap(const struct forest *forest, const float *rows, size_t n, double *ret_contributions,
                 void *scratch);

void forest_importance(const struct forest *forest, struct importance *ret);

#endif
