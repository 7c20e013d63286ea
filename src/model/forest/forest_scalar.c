/*
 * The slow, obvious walk: the oracle of all engines.
 *
 * Bits: XGBoost's CPU predictor starts from the base margin and adds each tree's leaf in tree order, in
 * float32; LightGBM's adds them in double from 0. The sums are done here in the same order and width, so
 * that they are the same numbers. Rows are taken in blocks so that a tree is used for many rows while it is
 * in the cache; that does not change the order within a row.
 */
#include <math.h>

#include "base/limits.h"
#include "model/forest/forest.h"

enum { BLOCK_ROWS = 64 };

bool forest_set_has(const struct forest *forest, int32_t set, float x)
{
    if (!(x < (float)LIMIT_CATEGORY) || !(forest->head.fractions_of_category ? x > -1 : x >= 0))
        return false;
    int64_t category = (int64_t)x, word = forest->set_starts[set] + category / 32;
    return word < forest->set_starts[set + 1] && forest->set_words[word] >> (category % 32) & 1;
}

bool forest_goes_left(const struct forest *forest, const struct forest_node *node, float x)
{
    if (isnan(x) || (node->zero_missing && fabsf(x) <= FOREST_ZERO))
        return node->missing_left;
    switch (node->test) {
    case FOREST_LESS:
        return x < node->threshold;
    case FOREST_AT_MOST:
        return x <= node->threshold;
    case FOREST_EQUAL:
        return x == node->threshold;
    default:
        return forest_set_has(forest, node->set, x);
    }
}

static double walk(const struct forest *forest, int32_t at, const float *row)
{
    const struct forest_node *nodes = forest->nodes;
    while (nodes[at].test != FOREST_LEAF)
        at = nodes[at].left + !forest_goes_left(forest, &nodes[at], row[nodes[at].feature]);
    return forest->values[at];
}

static void block_margins(const struct forest *forest, const float *rows, size_t n, double *margins)
{
    size_t width = (size_t)forest->head.features, groups = (size_t)forest->head.groups;
    bool in_float = forest->head.sum == FOREST_SUM_FLOAT;
    for (size_t i = 0; i < n * groups; i++)
        margins[i] = in_float ? forest->base[i % groups] : 0;
    for (int t = 0; t < forest->trees; t++)
        for (size_t r = 0; r < n; r++) {
            double *sum = margins + r * groups + forest->groups[t];
            double leaf = walk(forest, forest->roots[t], rows + r * width);
            *sum = in_float ? (double)((float)*sum + (float)leaf) : *sum + leaf;
        }
    double divisor = forest->head.divisor;
    for (size_t i = 0; i < n * groups; i++)
        if (in_float)
            margins[i] = (double)((float)margins[i] / (float)divisor);
        else
            margins[i] = margins[i] / divisor + forest->base[i % groups];
}

void forest_margins(const struct forest *forest, const float *rows, size_t n, double *ret_margins)
{
    for (size_t from = 0; from < n; from += BLOCK_ROWS)
        block_margins(forest, rows + from * (size_t)forest->head.features,
                      n - from < BLOCK_ROWS ? n - from : BLOCK_ROWS,
                      ret_margins + from * (size_t)forest->head.groups);
}
