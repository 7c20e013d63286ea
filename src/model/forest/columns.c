#include "model/forest/columns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A split on its way to its column. Splits that share a column are neighbours once sorted. The order is that
 * of one number, from its top bits down: the feature, what the split asks, where its missing values go,
 * whether zeros are among them, and the cut; FOREST_EQUAL: the value; FOREST_MEMBER: the rank of the set. */
struct split {
    uint64_t order;
    int32_t node;
};

enum { ORDER_FEATURE = 40, ORDER_TEST = 34, ORDER_MISSING_LEFT = 33, ORDER_ZERO_MISSING = 32 };
enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };

static int32_t float_key(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return engine_key(bits);
}

static int32_t cut_of(const struct split *split)
{
    return (int32_t)((uint32_t)split->order ^ UINT32_C(0x80000000));
}

static uint64_t order_of(const struct forest_node *node, uint8_t test, int32_t key)
{
    return (uint64_t)node->feature << ORDER_FEATURE | (uint64_t)test << ORDER_TEST |
           (uint64_t)node->missing_left << ORDER_MISSING_LEFT |
           (uint64_t)node->zero_missing << ORDER_ZERO_MISSING | ((uint32_t)key ^ UINT32_C(0x80000000));
}

static bool is_cut(const struct split *split)
{
    return (split->order >> ORDER_TEST & 7) == FOREST_LESS;
}

static bool same_column(const struct split *a, const struct split *b)
{
    uint64_t differing = a->order ^ b->order;
    return (is_cut(a) ? differing >> ORDER_ZERO_MISSING : differing) == 0;
}

/* A category set among others: what qsort sees. */
struct ranked {
    const uint32_t *words;
    int64_t n;
    int32_t set;
};

static int compare_sets(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return a->n ? memcmp(a->words, b->words, (size_t)a->n * sizeof *a->words) : 0;
}

/* By set its number in an order in which equal sets have one. */
static int rank_sets(const struct forest *forest, int32_t **ret, struct error *error)
{
    size_t n = (size_t)forest->sets;
    struct ranked *sets = memory_new(n + 1, sizeof *sets);
    int32_t *ranks = memory_new(n + 1, sizeof *ranks);
    if (!sets || !ranks) {
        free(sets);
        free(ranks);
        return error_set(error, CODE_MEMORY, "no memory for the forest's category sets");
    }
    for (int32_t i = 0; i < forest->sets; i++)
        sets[i] = (struct ranked){.words = n ? forest->set_words + forest->set_starts[i] : NULL,
                                  .n = forest->set_starts[i + 1] - forest->set_starts[i],
                                  .set = i};
    qsort(sets, n, sizeof *sets, compare_sets);
    for (size_t i = 1; i < n; i++)
        ranks[sets[i].set] = ranks[sets[i - 1].set] + (compare_sets(&sets[i - 1], &sets[i]) != 0);
    free(sets);
    *ret = ranks;
    return OK;
}

/* Both comparisons with a threshold become "key < cut", so that they can share a column. */
static size_t gather_splits(const struct forest *forest, const int32_t *ranks, struct split *splits)
{
    size_t n = 0;
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++) {
        const struct forest_node *node = &forest->nodes[i];
        if (node->test == FOREST_LEAF)
            continue;
        bool at_most = node->test == FOREST_AT_MOST;
        int32_t key = node->test == FOREST_MEMBER ? ranks[node->set] : float_key(node->threshold) + at_most;
        splits[n++] = (struct split){order_of(node, at_most ? FOREST_LESS : node->test, key), i};
    }
    return n;
}

/* Sorts by the order's digits, the last one first (a radix sort); digits that all splits share are passed
 * over. The result is in one of the two arrays, the other is room of the same size. */
static struct split *sort_splits(struct split *splits, struct split *room, size_t n)
{
    uint64_t differing = 0;
    for (size_t i = 1; i < n; i++)
        differing |= splits[0].order ^ splits[i].order;
    for (int shift = 0; shift < 64; shift += DIGIT_BITS) {
        size_t starts[DIGITS + 1] = {0};
        if (!(differing >> shift & (DIGITS - 1)))
            continue;
        for (size_t i = 0; i < n; i++)
            starts[(splits[i].order >> shift & (DIGITS - 1)) + 1]++;
        for (size_t d = 1; d < DIGITS; d++)
            starts[d] += starts[d - 1];
        for (size_t i = 0; i < n; i++)
            room[starts[splits[i].order >> shift & (DIGITS - 1)]++] = splits[i];
        struct split *sorted = room;
        room = splits;
        splits = sorted;
    }
    return splits;
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

static int kind_of(const struct work *work, const struct split *split)
{
    return !is_cut(split) ? COLUMN_SPECIAL : work->n > ENGINE_CUT_BLOCK ? COLUMN_LARGE : COLUMN_SMALL;
}

/* Writes the cuts of the column at hand: a large column's pivots, the last cut of each block, come first. */
static int close_column(struct work *work, const struct split *split, struct error *error)
{
    struct forest_engine *engine = work->engine;
    if (engine->columns == ENGINE_COLUMNS)
        return error_set(error, CODE_LIMIT, "the forest's splits need more than %d columns", ENGINE_COLUMNS);
    const struct forest_node *node = &engine->forest->nodes[split->node];
    int kind = kind_of(work, split);
    size_t blocks = kind == COLUMN_LARGE ? 1 + ENGINE_CUT_BLOCK : kind == COLUMN_SMALL;
    if (!memory_grow(&engine->column, &work->column_capacity, (size_t)engine->columns + 1,
                     sizeof *engine->column) ||
        !memory_grow(&engine->cuts, &work->cut_capacity, (work->cut_blocks + blocks + 1) * ENGINE_CUT_BLOCK,
                     sizeof *engine->cuts))
        return error_set(error, CODE_MEMORY, "no memory for the forest's columns");
    engine->column[engine->columns++] =
        (struct engine_column){.feature = node->feature,
                               .kind = (uint8_t)kind,
                               .missing_left = node->missing_left,
                               .zero_missing = node->zero_missing,
                               .test = is_cut(split) ? FOREST_LESS : node->test,
                               .set = node->test == FOREST_MEMBER ? node->set : 0,
                               .equal = node->test == FOREST_EQUAL ? cut_of(split) : 0,
                               .cuts = (int32_t)work->cut_blocks};
    int32_t *at = engine->cuts + work->cut_blocks * ENGINE_CUT_BLOCK;
    for (size_t i = 0; i < blocks * ENGINE_CUT_BLOCK; i++)
        at[i] = INT32_MAX;
    int first = kind == COLUMN_LARGE ? ENGINE_CUT_BLOCK : 0;
    for (int i = 0; kind != COLUMN_SPECIAL && i < work->n; i++) {
        at[first + i] = work->cuts[i] - !node->missing_left;
        if (kind == COLUMN_LARGE && i % ENGINE_CUT_BLOCK == ENGINE_CUT_BLOCK - 1)
            at[i / ENGINE_CUT_BLOCK] = at[first + i];
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
        bool cut = is_cut(split);
        if (cut && (!work->n || work->cuts[work->n - 1] != cut_of(split)))
            work->cuts[work->n++] = cut_of(split);
        work->places[split->node] =
            (struct split_place){work->engine->columns, cut ? (uint8_t)(work->n - 1) : 0};
        bool last = i + 1 == n || !same_column(split, split + 1);
        bool full = work->n == ENGINE_CUTS && !last && split[1].order != split->order;
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
    int32_t *cuts = realloc(engine->cuts, (work->cut_blocks + 1) * ENGINE_CUT_BLOCK * sizeof *cuts);
    engine->cuts = cuts ? cuts : engine->cuts; /* what growing by doubling left over */
    return OK;
}

static int place_columns(struct work *work, const struct forest *forest, const int32_t *ranks,
                         struct error *error)
{
    size_t nodes = (size_t)forest->roots[forest->trees] + 1;
    struct split *splits = memory_new(nodes, sizeof *splits), *room = memory_new(nodes, sizeof *room);
    int code = splits && room ? OK : error_set(error, CODE_MEMORY, "no memory for the forest's splits");
    if (!code) {
        size_t n = gather_splits(forest, ranks, splits);
        const struct split *sorted = sort_splits(splits, room, n);
        code = place_splits(work, sorted, n, error);
        if (!code)
            code = sort_columns(work, sorted, n, error);
    }
    free(splits);
    free(room);
    return code;
}

int engine_columns(struct forest_engine *engine, const struct forest *forest, struct split_place *places,
                   struct error *error)
{
    struct work work = {.engine = engine, .places = places};
    int32_t *ranks = NULL;
    int code = rank_sets(forest, &ranks, error);
    if (!code)
        code = place_columns(&work, forest, ranks, error);
    free(ranks);
    return code;
}
