/*
 * Building a forest: what every importer feeds, and where everything that a file can get wrong is found.
 *
 *   forest_builder_init(&builder, &head, base, ...);
 *   for each tree: forest_builder_tree(&builder, items, n, group, weight, &error)
 *   forest_builder_finish(&builder, &forest, &error)
 *   forest_builder_done(&builder)                      in any case
 *
 * A tree is an array of items, in any order, item 0 the root; children are named by their index. The builder
 * renumbers breadth-first, drops items that no way leads to, and refuses cycles, items reached twice,
 * children and features out of range, NaN, and trees beyond the limits; messages name tree and node (the
 * item's index). The items belong to the caller and may be reused for the next tree.
 *
 * Thresholds are doubles here. For every float32 x, x < T holds iff x < t, where t is the least float32 not
 * below T; and x <= T iff x <= t, where t is the largest float32 not above T. So the forest keeps float32.
 *
 * How formats map: `yes` is where the test leads when it holds. "x > t" and "x >= t" are FOREST_AT_MOST and
 * FOREST_LESS with the children exchanged. XGBoost's category sets lead right: exchange the children too.
 * LightGBM without missing type: NaN counts as 0, so missing_yes says where 0 goes. A tree whose leaves hold
 * a vector is given once per group. Base and weight are in the units of the margin.
 */
#ifndef SHRIKE_MODEL_FOREST_BUILD_H
#define SHRIKE_MODEL_FOREST_BUILD_H

#include "model/forest/forest.h"

struct forest_item {
    enum forest_test test;
    double value; /* the threshold of a split, the value of a leaf */
    int64_t feature;
    int64_t yes, no;     /* children */
    bool missing_yes;    /* where NaN goes */
    bool zero_missing;   /* see struct forest_node */
    double cover, gain;  /* 0 where the format has none */
    const uint32_t *set; /* FOREST_MEMBER: bit c of these words says that category c is a member */
    size_t set_words;
};

struct forest_builder {
    struct forest forest;
    int64_t nodes, set_words; /* filled so far */
    size_t tree_capacity, group_capacity, node_capacity, value_capacity, cover_capacity, gain_capacity;
    size_t start_capacity, word_capacity;
    int32_t *queue; /* of the tree at hand: numbers of items in breadth-first order */
    int32_t *levels;
    unsigned char *seen;
    size_t queue_capacity, level_capacity, seen_capacity;
};

/* base: head->groups margins that the sums start from, or NULL for zeros. */
int forest_builder_init(struct forest_builder *builder, const struct forest_head *head, const double *base,
                        struct error *error);
/* weight scales the leaves (DART), in the arithmetic of the sum; 1 leaves them as they are. */
int forest_builder_tree(struct forest_builder *builder, const struct forest_item *items, int64_t n,
                        int64_t group, double weight, struct error *error);
/* Moves the forest out. On failure *ret is untouched. */
int forest_builder_finish(struct forest_builder *builder, struct forest *ret, struct error *error);
void forest_builder_done(struct forest_builder *builder);

#endif
