#include "model/forest/columns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A split on its way to its column. Splits that share a column are neighbours once sorted. */
struct split {
    int32_t node, feature;
    uint8_t test, missing_left, zero_missing;
    int32_t key; /* the cut; FOREST_EQUAL: the value; FOREST_MEMBER: the set */
    const struct forest *forest;
};

static int32_t float_key(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return engine_key(bits);
}

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_sets(const struct forest *forest, int32_t a, int32_t b)
{
    int64_t n = forest->set_starts[a + 1] - forest->set_starts[a];
    int by = order(n, forest->set_starts[b + 1] - forest->set_starts[b]);
    return by || !n ? by
                    : memcmp(forest->set_words + forest->set_starts[a],
                             forest->set_words + forest->set_starts[b], (size_t)n * sizeof(uint32_t));
}

/* By column: the feature, its missing values, and for special splits what they ask. */
static int compare_columns(const struct split *a, const struct split *b)
{
    int by = order(a->feature, b->feature);
    by = by ? by : order(a->test, b->test);
    by = by ? by : order(a->missing_left, b->missing_left);
    by = by ? by : order(a->zero_missing, b->zero_missing);
    if (by || a->test == FOREST_LESS)
        return by;
    return a->test == FOREST_MEMBER ? compare_sets(a->forest, a->key, b->key) : order(a->key, b->key);
}

static int compare_splits(const void *left, const void *right)
{
    const struct split *a = left, *b = right;
    int by = compare_columns(a, b);
    return by || a->test == FOREST_MEMBER ? by : order(a->key, b->key);
}

/* Both comparisons with a threshold become "key < cut", so that they can share a column. */
static size_t gather_splits(const struct forest *forest, struct split *splits)
{
    size_t n = 0;
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++) {
        const struct forest_node *node = &forest->nodes[i];
        if (node->test == FOREST_LEAF)
            continue;
        struct split *split = &splits[n++];
        *split = (struct split){.node = i,
                                .feature = node->feature,
                                .test = node->test,
                                .missing_left = node->missing_left,
                                .zero_missing = node->zero_missing,
                                .forest = forest};
        split->key = node->test == FOREST_MEMBER ? node->set : float_key(node->threshold);
        if (node->test == FOREST_AT_MOST) {
            split->test = FOREST_LESS;
            split->key++;
        }
    }
    qsort(splits, n, sizeof *splits, compare_splits);
    return n;
}

static int32_t kind_of(int cuts, uint8_t test)
{
    return test != FOREST_LESS ? COLUMN_SPECIAL : cuts > ENGINE_CUT_BLOCK ? COLUMN_LARGE : COLUMN_SMALL;
}

/* What columns.c works on: the columns in the order of the sorted splits, before they are put in the order of
 * their kinds. */
struct work {
    struct forest_engine *engine;
    struct split_place *places;
    size_t column_capacity, cut_capacity, cut_blocks;
    int32_t cuts[ENGINE_CUTS]; /* of the column at hand */
    int n;
};

/* Writes the cuts of the column at hand: a large column's pivots, the last cut of each block, come first. */
static int close_column(struct work *work, const struct split *split, struct error *error)
{
    struct forest_engine *engine = work->engine;
    if (engine->columns == ENGINE_COLUMNS)
        return error_set(error, CODE_LIMIT, "the forest's splits need more than %d columns", ENGINE_COLUMNS);
    int kind = kind_of(work->n, split->test), features = engine->forest->head.features;
    size_t blocks = kind == COLUMN_LARGE ? 1 + ENGINE_CUT_BLOCK : kind == COLUMN_SMALL;
    if (!memory_grow(&engine->column, &work->column_capacity, (size_t)engine->columns + 1,
                     sizeof *engine->column) ||
        !memory_grow(&engine->cuts, &work->cut_capacity, (work->cut_blocks + blocks + 1) * ENGINE_CUT_BLOCK,
                     sizeof *engine->cuts))
        return error_set(error, CODE_MEMORY, "no memory for the forest's columns");
    engine->column[engine->columns++] =
        (struct engine_column){.source = split->feature + (split->missing_left ? 0 : features),
                               .feature = split->feature,
                               .kind = (uint8_t)kind,
                               .missing_left = split->missing_left,
                               .zero_missing = split->zero_missing,
                               .test = split->test,
                               .set = split->key,
                               .equal = split->key,
                               .cuts = (int32_t)work->cut_blocks};
    int32_t *at = engine->cuts + work->cut_blocks * ENGINE_CUT_BLOCK;
    for (size_t i = 0; i < blocks * ENGINE_CUT_BLOCK; i++)
        at[i] = INT32_MAX;
    int first = kind == COLUMN_LARGE ? ENGINE_CUT_BLOCK : 0;
    for (int i = 0; kind != COLUMN_SPECIAL && i < work->n; i++) {
        at[first + i] = work->cuts[i];
        if (kind == COLUMN_LARGE && i % ENGINE_CUT_BLOCK == ENGINE_CUT_BLOCK - 1)
            at[i / ENGINE_CUT_BLOCK] = work->cuts[i];
    }
    work->cut_blocks += blocks;
    work->n = 0;
    return OK;
}

/* Gives each split its column and threshold; a column ends where the next split differs or it is full. */
static int place_splits(struct work *work, const struct split *splits, size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++) {
        const struct split *split = &splits[i];
        bool cut = split->test == FOREST_LESS;
        if (cut && (!work->n || work->cuts[work->n - 1] != split->key))
            work->cuts[work->n++] = split->key;
        work->places[split->node] =
            (struct split_place){work->engine->columns, cut ? (uint8_t)(work->n - 1) : 0};
        bool last = i + 1 == n || compare_columns(split, split + 1) != 0;
        bool full = work->n == ENGINE_CUTS && !last && split[1].key != split->key;
        int code = last || full ? close_column(work, split, error) : OK;
        if (code)
            return code;
    }
    return OK;
}

/* Brings large columns to the front and special ones to the back, and renames them in the places. */
static int sort_columns(struct work *work, const struct split *splits, size_t n, struct error *error)
{
    struct forest_engine *engine = work->engine;
    size_t columns = (size_t)engine->columns;
    struct engine_column *sorted = memory_new(columns + 1, sizeof *sorted);
    int32_t *names = memory_new(columns + 1, sizeof *names), at = 0;
    if (!sorted || !names) {
        free(sorted);
        free(names);
        return error_set(error, CODE_MEMORY, "no memory for the forest's columns");
    }
    for (int kind = COLUMN_LARGE; kind <= COLUMN_SPECIAL; kind++) {
        for (size_t c = 0; c < columns; c++)
            if (engine->column[c].kind == kind) {
                names[c] = at;
                sorted[at++] = engine->column[c];
            }
        if (kind == COLUMN_LARGE)
            engine->large = at;
        else if (kind == COLUMN_SMALL)
            engine->small = at - engine->large;
    }
    for (size_t i = 0; i < n; i++)
        work->places[splits[i].node].column = names[work->places[splits[i].node].column];
    free(engine->column);
    free(names);
    engine->column = sorted;
    return OK;
}

int engine_columns(struct forest_engine *engine, const struct forest *forest, struct split_place *places,
                   struct error *error)
{
    struct work work = {.engine = engine, .places = places};
    struct split *splits = memory_new((size_t)forest->roots[forest->trees] + 1, sizeof *splits);
    if (!splits)
        return error_set(error, CODE_MEMORY, "no memory for the forest's splits");
    size_t n = gather_splits(forest, splits);
    int code = place_splits(&work, splits, n, error);
    if (!code)
        code = sort_columns(&work, splits, n, error);
    free(splits);
    return code;
}
