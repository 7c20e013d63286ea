#include "model/forest/direct.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

bool direct_fits(const struct forest *forest)
{
    bool splits = false;
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++) {
        const struct forest_node *node = &forest->nodes[i];
        bool compares = node->test == FOREST_LESS || node->test == FOREST_AT_MOST;
        if (node->test != FOREST_LEAF && (!compares || node->zero_missing))
            return false;
        splits |= node->test != FOREST_LEAF;
    }
    return splits;
}

int direct_features(const struct forest *forest, int32_t *ret_numbers)
{
    uint8_t seen[LIMIT_COLUMNS] = {0};
    int n = 0;
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++)
        if (forest->nodes[i].test != FOREST_LEAF)
            seen[forest->nodes[i].feature] = 1;
    for (int f = 0; f < forest->head.features; f++)
        n += seen[f];
    bool all = 2 * n > forest->head.features;
    n = 0;
    for (int f = 0; f < forest->head.features; f++) {
        bool taken = all || seen[f];
        if (ret_numbers)
            ret_numbers[f] = taken ? n : -1;
        n += taken;
    }
    return n;
}

static struct direct_node split_node(const struct forest_node *node, const int32_t *numbers)
{
    uint32_t bits, less = !node->missing_left;
    memcpy(&bits, &node->threshold, sizeof bits);
    return (struct direct_node){.cut = engine_key(bits) + (node->test == FOREST_AT_MOST) - (int32_t)less,
                                .test = (uint32_t)numbers[node->feature] << 1 | less,
                                .left = (uint32_t)node->left};
}

static int take_room(struct forest_engine *engine, struct error *error)
{
    const struct forest *forest = engine->forest;
    size_t nodes = (size_t)forest->roots[forest->trees], real = engine->wide ? sizeof(double) : sizeof(float);
    void *leaves = memory_aligned((nodes + 1) * real);
    engine->leaves = engine->wide ? NULL : leaves;
    engine->leaves_wide = engine->wide ? leaves : NULL;
    engine->direct = memory_aligned((nodes + 1) * sizeof *engine->direct);
    engine->starts = memory_aligned(((size_t)forest->trees + 1) * sizeof *engine->starts);
    engine->used = memory_new((size_t)forest->head.features, sizeof *engine->used);
    if (!leaves || !engine->direct || !engine->starts || !engine->used)
        return error_set(error, CODE_MEMORY, "no memory for the trees");
    return OK;
}

int direct_compile(struct forest_engine *engine, const int32_t *numbers, struct error *error)
{
    const struct forest *forest = engine->forest;
    int32_t numbered[LIMIT_COLUMNS];
    int code = take_room(engine, error);
    if (code)
        return code;
    engine->n_used = direct_features(forest, numbered);
    for (int f = 0; f < forest->head.features; f++)
        if (numbered[f] >= 0)
            engine->used[numbered[f]] = f;
    for (int t = 0; t < forest->trees; t++)
        engine->starts[t] = (uint32_t)forest->roots[numbers[t]];
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++) {
        const struct forest_node *node = &forest->nodes[i];
        bool leaf = node->test == FOREST_LEAF;
        double value = leaf ? forest->values[i] : 0;
        engine->direct[i] =
            leaf ? (struct direct_node){INT32_MAX, 0, (uint32_t)i} : split_node(node, numbered);
        if (engine->wide)
            engine->leaves_wide[i] = value;
        else
            engine->leaves[i] = (float)value;
    }
    return OK;
}
