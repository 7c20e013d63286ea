/*
 * Forests: tree ensembles as they were trained, plain, whatever library trained them.
 *
 * struct forest is the trained model and nothing else: importers fill it through a builder (build.h), which
 * checks everything, and everything else reads it. What scores fast is apart (struct forest_engine,
 * engine.h), compiled from a forest into whatever layout it likes. The walk over the plain nodes
 * (forest_margins) is the oracle that every engine is compared with.
 *
 * The score of a row: each tree leads the row to one leaf and adds the leaf's value to the sum of the tree's
 * group (a class of a multiclass model; else there is one group); sum, base and divisor give one margin per
 * group, and the link turns the margins into scores.
 *
 * Layout: the nodes of all trees lie in one array, tree after tree, each tree in breadth-first order from
 * its root, so that the two children of a split are neighbours and one index finds both. A node has 16
 * bytes, four to a cache line:
 *
 *   nodes   | root | l r | ll lr rl rr | ... | root of tree 1 | ...
 *   values    one double per node: of a leaf what it adds, 0 for a split
 *   cover     one double per node: the sum of hessians, or the number of rows, that training saw there
 *   gain      one double per node: what the split gained, 0 for a leaf
 *
 * A loaded model gives cover, gain and, where an engine scores, values back once they are compiled.
 *
 * Only nodes that are reached from a root are kept. Rows are float32, so thresholds are too: a comparison
 * with a double is the same as one with the float32 next to it (build.h). Threads: immutable, shared by all.
 * Limits: LIMIT_MODEL_TREES trees, LIMIT_TREE_DEPTH levels, LIMIT_COLUMNS features, LIMIT_MODEL_OUTPUTS
 * groups, LIMIT_CATEGORY categories, INT32_MAX nodes.
 */
#ifndef SHRIKE_MODEL_FOREST_FOREST_H
#define SHRIKE_MODEL_FOREST_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

/* The question that a split asks of its feature's value; yes goes left. */
enum forest_test {
    FOREST_LEAF,    /* none */
    FOREST_LESS,    /* x < threshold */
    FOREST_AT_MOST, /* x <= threshold; the threshold may be infinite: any known value */
    FOREST_EQUAL,   /* x == threshold */
    FOREST_MEMBER,  /* the category that x stands for is one of a set */
};

struct forest_node {
    union {
        float threshold;
        int32_t set; /* FOREST_MEMBER: which one, forest_set_has */
    };
    int32_t feature;      /* 0 for a leaf */
    int32_t left;         /* index of the left child in `nodes`; the right one is left + 1 */
    uint8_t test;         /* enum forest_test */
    uint8_t missing_left; /* where NaN goes */
    uint8_t zero_missing; /* values within FOREST_ZERO of 0 go where NaN goes (LightGBM) */
};

/* LightGBM's kZeroThreshold. */
#define FOREST_ZERO 1e-35f

/* The arithmetic of the sum. Leaves are added in the order of the trees. */
enum forest_sum {
    FOREST_SUM_FLOAT,  /* base, then each leaf, in float32, then divided (XGBoost) */
    FOREST_SUM_DOUBLE, /* from 0 in double; then divided, then the base added (LightGBM, ONNX) */
};

/* How margins become scores; link.c has their formulas. One score per group, but FOREST_ARGMAX gives one. */
enum forest_link {
    FOREST_IDENTITY,
    FOREST_SIGMOID,        /* in float32, as XGBoost computes it */
    FOREST_EXP,            /* in float32 */
    FOREST_HINGE,          /* margin > 0 */
    FOREST_SOFTMAX,        /* float32 exponentials, their sum in double, as XGBoost computes it */
    FOREST_ARGMAX,         /* the number of the largest margin, the first of equal ones */
    FOREST_SIGMOID_DOUBLE, /* 1 / (1 + exp(-link_scale * margin)) in double, each group by itself */
    FOREST_EXP_DOUBLE,
    FOREST_SOFTMAX_DOUBLE,
    FOREST_SQUARE_DOUBLE,   /* margin * |margin|: LightGBM's regression of square roots */
    FOREST_SOFTPLUS_DOUBLE, /* log(1 + exp(margin)) */
};

/* What the whole model has, beside its trees. */
struct forest_head {
    int features;
    int groups; /* margins per row */
    enum forest_sum sum;
    enum forest_link link;
    double link_scale;          /* FOREST_SIGMOID_DOUBLE; 0 counts as 1 */
    double divisor;             /* the sum is divided by it: random forests that average; 0 counts as 1 */
    bool fractions_of_category; /* -0.7 stands for category 0 (LightGBM), not for none (XGBoost) */
};

struct forest {
    struct forest_head head;
    int trees;
    int32_t *roots;   /* trees + 1: roots[t] is the first node of tree t, roots[trees] the number of nodes */
    int32_t *groups;  /* by tree: the group that it adds to */
    double *base;     /* by group; float32 values where the sum is in float32 */
    double *expected; /* by group: the margin when no feature is known */
    struct forest_node *nodes;
    double *values, *cover, *gain;
    int sets;
    int64_t *set_starts; /* sets + 1 places in set_words; bit c of a set's words: category c is in it */
    uint32_t *set_words;
    int depth; /* splits on the longest way from a root to a leaf */
};

void forest_done(struct forest *forest);

int forest_outputs(const struct forest *forest); /* scores per row */

/* Whether category x (a float32 that is not NaN) is in the set. A fraction is cut off; what is negative,
 * LIMIT_CATEGORY or more, or beyond the set's words is in no set. */
bool forest_set_has(const struct forest *forest, int32_t set, float x);

/* Whether the row's value goes left at a split. */
bool forest_goes_left(const struct forest *forest, const struct forest_node *node, float x);

/* The oracle: n x groups margins of a row-major matrix n x features, in the library's own order and
 * arithmetic. A float32 margin is exact in its double. */
void forest_margins(const struct forest *forest, const float *rows, size_t n, double *ret_margins);

/* n x forest_outputs scores from n x groups margins. */
void forest_apply_link(const struct forest_head *head, const double *margins, size_t n, float *ret_scores);
/* FOREST_SIGMOID of one margin. */
float forest_sigmoid(float margin);

void forest_importance(const struct forest *forest, struct importance *ret);

#endif
