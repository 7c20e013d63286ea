/*
 * Trees walked over the values as they are, by pointer: for forests whose trees are few for their features,
 * or whose columns are more than a node can name. A step takes longer than one over bytes, but nothing is
 * done for a feature that no way comes by.
 *
 * A split asks for a value's key (engine.h). Of many rows the keys are made first, of one row where a split
 * looks. Eight rows go through a tree side by side, or one row through ENGINE_BUNDLE trees, because each step
 * waits for memory; a leaf leads to itself, until none moves.
 */
#include <string.h>

#include "model/forest/direct.h"

enum { SIDE_BY_SIDE = 8, KEYS = 8192 /* on the stack: of SIDE_BY_SIDE rows, or rows are taken one by one */ };

static inline int32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7fffffff) > KEY_INFINITY ? KEY_MISSING : engine_key(bits) + 1;
}

static inline uint32_t step(const struct direct_node *node, int32_t key)
{
    return node->left + (node->cut < (int32_t)((uint32_t)key - (node->test & 1)));
}

static inline double leaf_at(const struct forest_engine *engine, uint32_t at)
{
    return engine->wide ? engine->leaves_wide[at] : engine->leaves[at];
}

/* In the arithmetic of the library that trained the forest. */
static inline double add_leaf(const struct forest_engine *engine, double sum, double leaf)
{
    return engine->wide ? sum + leaf : (double)((float)sum + (float)leaf);
}

static double start(const struct forest *forest, int group)
{
    return forest->head.sum == FOREST_SUM_FLOAT ? forest->base[group] : 0;
}

static double finish(const struct forest *forest, int group, double sum)
{
    if (forest->head.sum == FOREST_SUM_FLOAT)
        return (double)((float)sum / (float)forest->head.divisor);
    return sum / forest->head.divisor + forest->base[group];
}

/* ---- many rows ---- */

/* The leaves that SIDE_BY_SIDE rows come to in one tree. */
static inline void walk_rows(const struct direct_node *nodes, uint32_t root, const int32_t *keys,
                             size_t width, uint32_t *at)
{
    uint32_t moved;
    for (int i = 0; i < SIDE_BY_SIDE; i++)
        at[i] = root;
    do {
        const int32_t *row = keys;
        moved = 0;
#pragma GCC unroll 8
        for (int i = 0; i < SIDE_BY_SIDE; i++, row += width) {
            const struct direct_node *node = &nodes[at[i]];
            uint32_t next = step(node, row[node->test >> 1]);
            moved |= next ^ at[i];
            at[i] = next;
        }
    } while (moved);
}

/* A multiple of SIDE_BY_SIDE rows through the trees of a group. */
static void add_group(const struct forest_engine *engine, int group, const int32_t *keys, size_t n,
                      double *sums)
{
    size_t width = (size_t)engine->n_used;
    for (int32_t t = engine->group_starts[group]; t < engine->group_starts[group + 1]; t++)
        for (size_t r = 0; r < n; r += SIDE_BY_SIDE) {
            uint32_t at[SIDE_BY_SIDE];
            walk_rows(engine->direct, engine->starts[t], keys + r * width, width, at);
            for (size_t i = 0; i < SIDE_BY_SIDE; i++)
                sums[r + i] = add_leaf(engine, sums[r + i], leaf_at(engine, at[i]));
        }
}

static void make_keys(const struct forest_engine *engine, const float *rows, size_t n, int32_t *ret)
{
    size_t features = (size_t)engine->forest->head.features, width = (size_t)engine->n_used;
    if (width == features)
        for (size_t i = 0; i < n * width; i++)
            ret[i] = key_of(rows[i]);
    else
        for (size_t r = 0; r < n; r++, rows += features, ret += width)
            for (size_t i = 0; i < width; i++)
                ret[i] = key_of(rows[engine->used[i]]);
}

/* Rows whose keys fit; up to a multiple of SIDE_BY_SIDE they are filled up with the first one's. */
static void add_rows(const struct forest_engine *engine, const float *rows, size_t n, double *ret_margins)
{
    const struct forest *forest = engine->forest;
    size_t width = (size_t)engine->n_used, groups = (size_t)forest->head.groups;
    size_t whole = (n + SIDE_BY_SIDE - 1) / SIDE_BY_SIDE * SIDE_BY_SIDE;
    int32_t keys[KEYS];
    double sums[ENGINE_BLOCK];
    make_keys(engine, rows, n, keys);
    for (size_t r = n; r < whole; r++)
        memcpy(keys + r * width, keys, width * sizeof *keys);
    for (size_t g = 0; g < groups; g++) {
        for (size_t r = 0; r < whole; r++)
            sums[r] = start(forest, (int)g);
        add_group(engine, (int)g, keys, whole, sums);
        for (size_t r = 0; r < n; r++)
            ret_margins[r * groups + g] = finish(forest, (int)g, sums[r]);
    }
}

static void direct_row(const struct forest_engine *engine, const float *row, double *ret_margins);

static void direct_batch(const struct forest_engine *engine, const float *rows, size_t n, double *ret_margins)
{
    size_t width = (size_t)engine->forest->head.features, groups = (size_t)engine->forest->head.groups;
    size_t used = engine->n_used ? (size_t)engine->n_used : 1;
    size_t most = KEYS / used / SIDE_BY_SIDE * SIDE_BY_SIDE;
    most = most < ENGINE_BLOCK ? most : ENGINE_BLOCK;
    if (!most)
        for (size_t r = 0; r < n; r++)
            direct_row(engine, rows + r * width, ret_margins + r * groups);
    for (size_t from = 0; most && from < n; from += most)
        add_rows(engine, rows + from * width, n - from < most ? n - from : most, ret_margins + from * groups);
}

/* ---- one row ---- */

static double add_trees(const struct forest_engine *engine, const uint32_t *roots, int n, const float *row,
                        double sum)
{
    uint32_t at[ENGINE_BUNDLE], moved;
    memcpy(at, roots, (size_t)n * sizeof *at);
    do {
        moved = 0;
        for (int i = 0; i < n; i++) {
            const struct direct_node *node = &engine->direct[at[i]];
            uint32_t next = step(node, key_of(row[engine->used[node->test >> 1]]));
            moved |= next ^ at[i];
            at[i] = next;
        }
    } while (moved);
    for (int i = 0; i < n; i++)
        sum = add_leaf(engine, sum, leaf_at(engine, at[i]));
    return sum;
}

static void direct_row(const struct forest_engine *engine, const float *row, double *ret_margins)
{
    const struct forest *forest = engine->forest;
    for (int g = 0; g < forest->head.groups; g++) {
        double sum = start(forest, g);
        int32_t end = engine->group_starts[g + 1];
        for (int32_t t = engine->group_starts[g]; t < end; t += ENGINE_BUNDLE) {
            int n = end - t < ENGINE_BUNDLE ? end - t : ENGINE_BUNDLE;
            sum = add_trees(engine, engine->starts + t, n, row, sum);
        }
        ret_margins[g] = finish(forest, g, sum);
    }
}

const struct forest_kernel kernel_direct = {"direct", false, direct_batch, direct_row, NULL};
