/*
 * Contributions: exact path-dependent TreeSHAP (Lundberg, Erion, Lee 2018), computed by integration.
 *
 * A feature's Shapley value is the integral over t from 0 to 1 of what the feature changes when each other
 * feature is known with probability t (Owen 1972). For one leaf, on whose way a feature j is passed with the
 * share zero_j of the training rows, and by this row (one_j = 1) or not (0), that is
 *
 *   value * (one_i - zero_i) * integral of the product over j != i of ((1 - t) * zero_j + t * one_j)
 *
 * a polynomial whose degree is the number of features on the way, less one: m points of Gauss and Legendre
 * integrate it exactly up to degree 2m - 1. So four points, one register of doubles, do for trees of depth 8,
 * and each four more for eight more features on a way.
 *
 * The sum over leaves is one way down and one way up each tree (as in Yu et al., Linear TreeShap, 2022):
 * down, a node gets the product over its way; up, the sum of its leaves' value times product. A split divides
 * its feature's factor out of that sum again. A feature that is passed twice replaces its earlier factor.
 * Where the row has left a feature's way already, a split only shares out. O(nodes) per row and four points.
 *
 * Threads: a plan is immutable. Memory: scoring works in the caller's scratch. The sum of a row's
 * contributions and its base is the margin, whatever the covers are; a split without cover halves.
 */
#ifndef SHRIKE_MODEL_FOREST_SHAP_H
#define SHRIKE_MODEL_FOREST_SHAP_H

#include "model/forest/forest.h"

/* Points that are computed together. */
enum { SHAP_LANES = 4 };
typedef double shap_lanes __attribute__((vector_size(SHAP_LANES * sizeof(double))));

/* Rows that go through a tree one after another, so that it is read once for all of them. */
enum { SHAP_ROWS = 8 };

/* A split, the root's first and each before those below it. Nodes are counted from the tree's root. */
struct shap_split {
    double share[2]; /* left, right: of the training rows that came here */
    double value[2]; /* of a child that is a leaf; 1 of others */
    double before;   /* the product of the shares of all splits by this feature on the way here */
    int32_t node;
    int32_t same; /* the node behind the last split by the same feature above, or -1 */
};

struct shap_plan {
    const struct forest *forest;
    struct shap_split *splits;
    int32_t *starts; /* by tree, and one behind: its first split */
    int32_t largest; /* nodes of the largest tree */
    int groups;      /* of SHAP_LANES points */
    shap_lanes *points, *weights;
};

int shap_plan_init(struct shap_plan *plan, const struct forest *forest, struct error *error);
void shap_plan_done(struct shap_plan *plan);

/* Bytes of scratch, 16-byte aligned. */
size_t shap_scratch(const struct shap_plan *plan);

/* n x groups x (features + 1) contributions; see model_explain. One per instruction set, by the same source.
 */
typedef void shap_explain(const struct shap_plan *plan, const float *rows, size_t n,
                          double *ret_contributions, void *scratch);

/* The margin of each group when no feature is known. */
void shap_expected(const struct forest *forest, double *ret_expected);

#endif
