#include <math.h>

#include "model/forest/forest.h"

/*
 * The slow, obvious walk: the oracle of all faster engines.
 *
 * Bits: XGBoost's CPU predictor starts from the base margin and adds each tree's leaf in tree order, in
 * float32; the sum is done here in the same order, so that it is the same number. Rows are taken in blocks
 * so that a tree is used for many rows while it is in the cache; that does not change the order within a
 * row.
 */
enum { BLOCK_ROWS = 64 };

/* `x < value` is false for NaN, which is why missing values are looked at first. */
static inline float walk(const struct forest_node *nodes, int32_t at, const float *row)
{
    while (nodes[at].feature != FOREST_LEAF) {
        const struct forest_node *node = &nodes[at];
        float x = row[node->feature];
        at = node->left + (isnan(x) ? node->missing : !(x < node->value));
    }
    return nodes[at].value;
}

void forest_scalar_predict(const struct forest *forest, const void *compiled, const float *rows, size_t n,
                           float *ret_scores)
{
    (void)compiled;
    size_t width = (size_t)forest->features;
    for (size_t from = 0; from < n; from += BLOCK_ROWS) {
        size_t block = n - from < BLOCK_ROWS ? n - from : BLOCK_ROWS;
        float *scores = ret_scores + from;
        for (size_t r = 0; r < block; r++)
            scores[r] = forest->base_margin;
        for (int t = 0; t < forest->trees; t++)
            for (size_t r = 0; r < block; r++)
                scores[r] += walk(forest->nodes, forest->roots[t], rows + (from + r) * width);
    }
    forest_apply_link(forest, ret_scores, n);
}

/* XGBoost's sigmoid, operation by operation: the cap keeps expf finite, 1e-16f vanishes in float32 but is
 * kept. */
static float sigmoid(float margin)
{
    float exponent = -margin < 88.7f ? -margin : 88.7f;
    return 1.0f / (expf(exponent) + 1.0f + 1e-16f);
}

void forest_apply_link(const struct forest *forest, float *scores, size_t n)
{
    if (forest->link == FOREST_SIGMOID)
        for (size_t r = 0; r < n; r++)
            scores[r] = sigmoid(scores[r]);
}
