/*
 * struct forest -> struct forest_engine: columns, then the layout of every tree (engine.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/columns.h"
#include "model/forest/direct.h"
#include "model/forest/kernel.h"

/* A tree is laid out complete up to this depth whatever its shape, and up to the second one where it fills a
 * quarter of its places: beyond, the places cost more cache than the pointers that they save. */
enum { COMPLETE_DEPTH = 8, COMPLETE_DEEPEST = 12, COMPLETE_SHARE = 4 };

struct compiler {
    struct forest_engine *engine;
    const struct forest *forest;
    struct split_place *places;                         /* by node */
    int32_t *numbers;                                   /* the forest's number of each tree of the engine */
    size_t tops, heads, tiles, linked, starts, bundles; /* what the trees planned so far take */
};

static int tree_depth(const struct forest *forest, int32_t tree, uint8_t *levels)
{
    int32_t first = forest->roots[tree], n = forest->roots[tree + 1] - first;
    int depth = 0;
    levels[0] = 0;
    for (int32_t i = 0; i < n; i++) {
        const struct forest_node *node = &forest->nodes[first + i];
        if (node->test == FOREST_LEAF)
            continue;
        int below = levels[i] < UINT8_MAX ? levels[i] + 1 : UINT8_MAX;
        levels[node->left - first] = levels[node->left - first + 1] = (uint8_t)below;
        depth = below > depth ? below : depth;
    }
    return depth;
}

static size_t real_size(const struct forest_engine *engine)
{
    return engine->wide ? sizeof(double) : sizeof(float);
}

static bool complete(const struct compiler *compiler, int depth, int32_t nodes)
{
    if (compiler->engine->columns > ENGINE_NARROW)
        return false;
    return depth <= COMPLETE_DEPTH || (depth <= COMPLETE_DEEPEST && (2 << depth) <= COMPLETE_SHARE * nodes);
}

/* Decides the shape of a tree and takes room for it. */
static void plan_tree(struct compiler *compiler, int32_t number, struct engine_tree *tree, uint8_t *levels)
{
    const struct forest *forest = compiler->forest;
    struct forest_engine *engine = compiler->engine;
    int32_t nodes = forest->roots[number + 1] - forest->roots[number];
    int depth = tree_depth(forest, number, levels);
    bool tops = engine->kernel->tops && engine->columns <= ENGINE_NARROW;
    *tree = (struct engine_tree){.group = forest->groups[number],
                                 .run = 1,
                                 .tops = compiler->tops,
                                 .heads = compiler->heads,
                                 .tiles = compiler->tiles,
                                 .linked = compiler->linked,
                                 .starts = compiler->starts};
    tree->kind = complete(compiler, depth, nodes) ? TREE_COMPLETE : TREE_LINKED;
    if (tree->kind == TREE_COMPLETE && engine->packed && depth == ENGINE_TOP + ENGINE_PACKED_STEPS)
        tree->kind = TREE_PACKED;
    tree->depth = (uint8_t)depth;
    tree->top = !tops ? 0 : depth < ENGINE_TOP ? (uint8_t)depth : ENGINE_TOP;
    compiler->tops += ((size_t)1 << tree->top) - 1;
    compiler->heads += (size_t)1 << tree->top;
    if (tree->kind != TREE_LINKED) {
        compiler->tiles += engine_tile(depth - tree->top, real_size(engine)) << tree->top;
    } else {
        compiler->linked += (size_t)nodes;
        compiler->starts += (size_t)1 << tree->top;
    }
}

static void put_real(const struct forest_engine *engine, void *to, double value)
{
    if (engine->wide)
        *(double *)to = value;
    else
        *(float *)to = (float)value;
}

static uint16_t narrow_node(struct split_place split)
{
    return (uint16_t)(split.column << 8 | split.threshold);
}

/* The split at place `place` of a top; the root's place is 1. */
static void put_top(struct compiler *compiler, const struct engine_tree *tree, size_t place,
                    struct split_place split)
{
    compiler->engine->tops[tree->tops + place - 1] =
        (struct engine_top){.offset = (uint32_t)split.column * ENGINE_BLOCK,
                            .limit = (uint32_t)(254 - split.threshold) * 0x01010101u};
    compiler->engine->heads[tree->heads + place] = narrow_node(split);
}

/* The split of node `at`, or one before a leaf's repetition: it leads to the leaf either way. */
static struct split_place split_of(const struct compiler *compiler, int32_t at)
{
    return compiler->forest->nodes[at].test == FOREST_LEAF ? (struct split_place){0, 254}
                                                           : compiler->places[at];
}

static int32_t child(const struct compiler *compiler, int32_t at, int side)
{
    const struct forest_node *node = &compiler->forest->nodes[at];
    return node->test == FOREST_LEAF ? at : node->left + side;
}

static void put_tile(struct compiler *compiler, uint8_t *tile, int steps, int32_t at, size_t place)
{
    struct forest_engine *engine = compiler->engine;
    size_t real = real_size(engine), leaves = (size_t)1 << steps;
    if (place >= leaves) {
        put_real(engine, tile + engine_tile_nodes(steps, real) + (place - leaves) * real,
                 compiler->forest->values[at]);
        return;
    }
    ((uint16_t *)tile)[place] = narrow_node(split_of(compiler, at));
    put_tile(compiler, tile, steps, child(compiler, at, 0), 2 * place);
    put_tile(compiler, tile, steps, child(compiler, at, 1), 2 * place + 1);
}

/* A tile of two steps as registers take it: the columns of its splits in bytes 0 to 2, their limits 4 bytes
 * further on; the leaves in the order of the ways, the root's answer in bit 0. */
static void put_packed(struct compiler *compiler, uint8_t *tile, int32_t at)
{
    struct forest_engine *engine = compiler->engine;
    int32_t nodes[3] = {at, child(compiler, at, 0), child(compiler, at, 1)};
    for (int i = 0; i < 3; i++) {
        struct split_place split = split_of(compiler, nodes[i]);
        tile[i] = engine_index(engine, (uint32_t)split.column);
        tile[4 + i] = (uint8_t)(254 - split.threshold);
    }
    for (int way = 0; way < 4; way++)
        put_real(engine, tile + ENGINE_PACKED + (size_t)way * real_size(engine),
                 compiler->forest->values[child(compiler, nodes[1 + (way & 1)], way >> 1)]);
}

/* Puts node `at` on place `place` of the tree's top, or what is below the top: a tile, or where a linked tree
 * goes on. */
static void put_tree(struct compiler *compiler, const struct engine_tree *tree, int32_t first, int32_t at,
                     size_t place)
{
    struct forest_engine *engine = compiler->engine;
    size_t below = (size_t)1 << tree->top;
    if (place < below) {
        put_top(compiler, tree, place, split_of(compiler, at));
        put_tree(compiler, tree, first, child(compiler, at, 0), 2 * place);
        put_tree(compiler, tree, first, child(compiler, at, 1), 2 * place + 1);
    } else if (tree->kind != TREE_LINKED) {
        int steps = tree->depth - tree->top;
        uint8_t *tile = engine->tiles + tree->tiles + (place - below) * engine_tile(steps, real_size(engine));
        if (tree->kind == TREE_PACKED)
            put_packed(compiler, tile, at);
        else
            put_tile(compiler, tile, steps, at, 1);
    } else {
        engine->starts[tree->starts + place - below] = (uint32_t)(at - first);
    }
}

static void put_linked(struct compiler *compiler, const struct engine_tree *tree, int32_t first, int32_t n)
{
    struct forest_engine *engine = compiler->engine;
    const struct forest *forest = compiler->forest;
    for (int32_t i = 0; i < n; i++) {
        const struct forest_node *node = &forest->nodes[first + i];
        struct split_place split = compiler->places[first + i];
        size_t at = tree->linked + (size_t)i;
        bool leaf = node->test == FOREST_LEAF;
        engine->linked[at] = leaf ? (struct engine_node){255, (uint32_t)i}
                                  : (struct engine_node){(uint32_t)split.column << 8 | split.threshold,
                                                         (uint32_t)(node->left - first)};
        put_real(engine, engine->wide ? (void *)&engine->leaves_wide[at] : (void *)&engine->leaves[at],
                 leaf ? forest->values[first + i] : 0);
    }
}

/* Trees by group, so that a kernel sums one group at a time; the order within a group is the forest's. */
static int order_trees(struct compiler *compiler, struct error *error)
{
    const struct forest *forest = compiler->forest;
    struct forest_engine *engine = compiler->engine;
    int groups = forest->head.groups;
    engine->trees = forest->trees;
    engine->tree = memory_new((size_t)forest->trees + 1, sizeof *engine->tree);
    engine->group_starts = memory_new((size_t)groups + 1, sizeof *engine->group_starts);
    compiler->numbers = memory_new((size_t)forest->trees + 1, sizeof *compiler->numbers);
    int32_t *filled = memory_new((size_t)groups, sizeof *filled);
    if (engine->tree && engine->group_starts && compiler->numbers && filled) {
        for (int t = 0; t < forest->trees; t++)
            engine->group_starts[forest->groups[t] + 1]++;
        for (int g = 0; g < groups; g++)
            engine->group_starts[g + 1] += engine->group_starts[g];
        for (int32_t t = 0; t < forest->trees; t++) {
            int32_t group = forest->groups[t];
            compiler->numbers[engine->group_starts[group] + filled[group]++] = t;
        }
    }
    bool good = engine->tree && engine->group_starts && compiler->numbers && filled;
    free(filled);
    return good ? OK : error_set(error, CODE_MEMORY, "no memory for the trees");
}

static bool same_run(const struct engine_tree *a, const struct engine_tree *b)
{
    return a->kind != TREE_LINKED && a->kind == b->kind && a->depth == b->depth && a->group == b->group;
}

static bool fits_part(const struct forest_engine *engine, const struct engine_part *part, int32_t tree)
{
    return part->trees < ENGINE_BUNDLE && engine->tree[part->first].top == engine->tree[tree].top;
}

static void plan_registers(struct forest_engine *engine)
{
    int registers = (engine->columns + ENGINE_REGISTER - 1) / ENGINE_REGISTER;
    engine->packed = engine->kernel->tops && registers <= ENGINE_REGISTERS;
    engine->registers = registers < 1 ? 1 : registers == 3 ? 4 : registers;
}

/* Parts never span groups. Also counts the bytes of the bundles. */
static int plan_parts(struct compiler *compiler, struct error *error)
{
    struct forest_engine *engine = compiler->engine;
    int groups = compiler->forest->head.groups;
    engine->part = memory_new((size_t)engine->trees + 1, sizeof *engine->part);
    engine->part_starts = memory_new((size_t)groups + 1, sizeof *engine->part_starts);
    if (!engine->part || !engine->part_starts)
        return error_set(error, CODE_MEMORY, "no memory for the trees");
    size_t split = (size_t)2 * ENGINE_BUNDLE;
    int32_t n = 0;
    for (int g = 0; g < groups; g++) {
        engine->part_starts[g] = n;
        for (int32_t t = engine->group_starts[g]; t < engine->group_starts[g + 1]; n++) {
            struct engine_part *part = &engine->part[n];
            *part = (struct engine_part){.first = t, .splits = compiler->bundles};
            while (t < engine->group_starts[g + 1] && fits_part(engine, part, t)) {
                part->trees++;
                t++;
            }
            int top = engine->tree[part->first].top;
            part->bundled = engine->packed && top && part->trees >= ENGINE_BUNDLE_LEAST;
            compiler->bundles += part->bundled ? (((size_t)1 << top) - 1) * split : 0;
        }
    }
    engine->part_starts[groups] = n;
    return OK;
}

/* Turns the tops of a part's trees by 90 degrees: split after split, tree by tree. */
static void put_bundle(struct forest_engine *engine, const struct engine_part *part)
{
    size_t splits = ((size_t)1 << engine->tree[part->first].top) - 1;
    uint8_t *at = engine->bundles + part->splits;
    for (size_t s = 0; s < splits; s++, at += 2 * ENGINE_BUNDLE)
        for (int32_t i = 0; i < part->trees; i++) {
            const struct engine_top *top = &engine->tops[engine->tree[part->first + i].tops + s];
            at[i] = engine_index(engine, top->offset / ENGINE_BLOCK);
            at[ENGINE_BUNDLE + i] = (uint8_t)top->limit;
        }
}

static int take_room(struct compiler *compiler, struct error *error)
{
    struct forest_engine *engine = compiler->engine;
    engine->bundles = memory_aligned(compiler->bundles + 1);
    engine->tops = memory_aligned((compiler->tops + 1) * sizeof *engine->tops);
    engine->heads = memory_aligned((compiler->heads + 1) * sizeof *engine->heads);
    engine->tiles = memory_aligned(compiler->tiles + 1);
    engine->linked = memory_aligned((compiler->linked + 1) * sizeof *engine->linked);
    engine->starts = memory_aligned((compiler->starts + 1) * sizeof *engine->starts);
    void *leaves = memory_aligned((compiler->linked + 1) * real_size(engine));
    engine->leaves = engine->wide ? NULL : leaves;
    engine->leaves_wide = engine->wide ? leaves : NULL;
    if (!engine->bundles || !engine->tops || !engine->heads || !engine->tiles || !engine->linked ||
        !engine->starts || !leaves)
        return error_set(error, CODE_MEMORY, "no memory for the trees");
    return OK;
}

/* First the shapes of all trees, which say how much room they take; then their parts. */
static int place_trees(struct compiler *compiler, struct error *error)
{
    const struct forest *forest = compiler->forest;
    struct forest_engine *engine = compiler->engine;
    uint8_t *levels = memory_new((size_t)forest->roots[forest->trees] + 1, 1);
    if (!levels)
        return error_set(error, CODE_MEMORY, "no memory for the trees");
    for (int t = 0; t < forest->trees; t++)
        plan_tree(compiler, compiler->numbers[t], &engine->tree[t], levels);
    for (int t = forest->trees - 2; t >= 0; t--)
        if (same_run(&engine->tree[t], &engine->tree[t + 1]))
            engine->tree[t].run = engine->tree[t + 1].run + 1;
    free(levels);
    int code = plan_parts(compiler, error);
    if (code)
        return code;
    code = take_room(compiler, error);
    if (code)
        return code;
    for (int t = 0; t < forest->trees; t++) {
        int32_t first = forest->roots[compiler->numbers[t]], next = forest->roots[compiler->numbers[t] + 1];
        put_tree(compiler, &engine->tree[t], first, first, 1);
        if (engine->tree[t].kind == TREE_LINKED)
            put_linked(compiler, &engine->tree[t], first, next - first);
    }
    for (int32_t p = 0; p < engine->part_starts[forest->head.groups]; p++)
        if (engine->part[p].bundled)
            put_bundle(engine, &engine->part[p]);
    return OK;
}

/* A block's tops cost as much for one row as for all of its rows, and walks side by side as much for one as
 * for eight. Up to how many rows are faster one by one was measured on forests of 10 to 300 trees, 3 to 10
 * levels and 4 to 150 features: the more splits rows pass in bundles and the fewer registers these look at,
 * the more. */
static size_t rows_alone(const struct forest_engine *engine)
{
    enum { LEAST = 3, SPLITS_A_ROW = 6 };
    size_t places = 0, trees = engine->trees ? (size_t)engine->trees : 1;
    int32_t parts = engine->part_starts ? engine->part_starts[engine->forest->head.groups] : 0;
    for (int32_t p = 0; p < parts; p++)
        if (engine->part[p].bundled)
            places += (size_t)engine->part[p].trees << engine->tree[engine->part[p].first].top;
    return LEAST + (places ? places / trees / SPLITS_A_ROW / (size_t)engine->registers : 0);
}

/* Levels of all trees, as if each were full. */
static double all_steps(const struct forest *forest)
{
    double steps = 0;
    for (int t = 0; t < forest->trees; t++)
        for (int32_t nodes = forest->roots[t + 1] - forest->roots[t]; nodes > 1; nodes /= 2)
            steps++;
    return steps;
}

/* Is it worth to count thresholds? Beside the walk over values: in nanoseconds, as measured on forests of 1
 * to 500 trees, 3 to 8 levels and 30 to 1000 features. Beside the walk over the plain nodes, where the other
 * cannot be: in its steps, one of which costs what counting in two large columns does. */
static bool quantising_pays(const struct forest *forest, const struct forest_engine *engine)
{
    double steps = all_steps(forest);
    int special = engine->columns - engine->large - engine->small;
    if (!direct_fits(forest))
        return engine->large + 0.5 * engine->small + 3.0 * special <= 2 * steps;
    double a_step = engine->columns <= ENGINE_NARROW ? 0.4 : 3;
    double counted = 0.4 * forest->head.features + 5.0 * engine->large + 1.4 * engine->small + a_step * steps;
    return counted <= 1.2 * direct_features(forest, NULL) + 2.0 * steps;
}

/* The trees as they are: over values where all splits can be asked so, else by the plain walk. */
static int compile_direct(struct compiler *compiler, struct error *error)
{
    struct forest_engine *engine = compiler->engine;
    bool fits = direct_fits(compiler->forest);
    engine->kernel = fits ? &kernel_direct : NULL;
    free(engine->column);
    free(engine->cuts);
    engine->column = NULL;
    engine->cuts = NULL;
    engine->columns = engine->large = engine->small = 0;
    if (!fits)
        return OK;
    int code = order_trees(compiler, error);
    return code ? code : direct_compile(engine, compiler->numbers, error);
}

static int compile(struct compiler *compiler, const char *why, struct error *error)
{
    struct forest_engine *engine = compiler->engine;
    const struct forest *forest = compiler->forest;
    int code = engine_columns(engine, forest, compiler->places, error);
    if (code == CODE_LIMIT) {
        snprintf(engine->why, sizeof engine->why, "its splits need more than %d columns", ENGINE_COLUMNS);
        return compile_direct(compiler, error);
    }
    if (!code && !quantising_pays(forest, engine)) {
        snprintf(engine->why, sizeof engine->why, "its trees are too few for %d columns", engine->columns);
        return compile_direct(compiler, error);
    }
    engine->stride = ((size_t)engine->columns + 31) / 32 * 32;
    engine->stride = engine->stride ? engine->stride : 32;
    plan_registers(engine);
    if (!code)
        code = order_trees(compiler, error);
    if (!code)
        code = place_trees(compiler, error);
    if (!code)
        snprintf(engine->why, sizeof engine->why, "%s", why);
    return code;
}

int forest_engine_init(struct forest_engine *engine, const struct forest *forest, struct error *error)
{
    const char *why;
    *engine = (struct forest_engine){.forest = forest, .wide = forest->head.sum == FOREST_SUM_DOUBLE};
    int code = kernel_choose(&engine->kernel, &why, error);
    if (code)
        return code;
    engine->explain = engine->kernel->explain;
    struct compiler compiler = {.engine = engine, .forest = forest};
    compiler.places = memory_new((size_t)forest->roots[forest->trees] + 1, sizeof *compiler.places);
    code = compiler.places ? compile(&compiler, why, error)
                           : error_set(error, CODE_MEMORY, "no memory for the forest's splits");
    free(compiler.places);
    free(compiler.numbers);
    if (code)
        forest_engine_done(engine);
    else
        engine->alone = rows_alone(engine);
    return code;
}

void forest_engine_done(struct forest_engine *engine)
{
    free(engine->column);
    free(engine->cuts);
    free(engine->tree);
    free(engine->group_starts);
    free(engine->part);
    free(engine->part_starts);
    free(engine->bundles);
    free(engine->tops);
    free(engine->heads);
    free(engine->tiles);
    free(engine->linked);
    free(engine->starts);
    free(engine->direct);
    free(engine->used);
    free(engine->leaves);
    free(engine->leaves_wide);
    *engine = (struct forest_engine){0};
}
