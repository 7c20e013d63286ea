#include "model/forest/build.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/shap.h"

static int out_of_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the forest");
}

static int node_error(const struct forest_builder *builder, int64_t node, const char *what,
                      struct error *error)
{
    return error_set(error, CODE_INVALID, "tree %d node %lld: %s", builder->forest.trees, (long long)node,
                     what);
}

int forest_builder_init(struct forest_builder *builder, const struct forest_head *head, const double *base,
                        struct error *error)
{
    *builder = (struct forest_builder){.forest = {.head = *head}};
    struct forest *forest = &builder->forest;
    if (head->features < 1 || head->features > LIMIT_COLUMNS)
        return error_set(error, CODE_LIMIT, "the forest has %d features; expected 1 to %d", head->features,
                         LIMIT_COLUMNS);
    if (head->groups < 1 || head->groups > LIMIT_MODEL_OUTPUTS)
        return error_set(error, CODE_LIMIT, "the forest has %d outputs; expected 1 to %d", head->groups,
                         LIMIT_MODEL_OUTPUTS);
    if (!isfinite(head->divisor) || !isfinite(head->link_scale))
        return error_set(error, CODE_INVALID, "the forest's divisor or scale is not a finite number");
    if (head->divisor == 0)
        forest->head.divisor = 1;
    if (head->link_scale == 0)
        forest->head.link_scale = 1;
    forest->base = memory_new((size_t)head->groups, sizeof *forest->base);
    forest->expected = memory_new((size_t)head->groups, sizeof *forest->expected);
    if (!forest->base || !forest->expected ||
        !memory_grow(&forest->roots, &builder->tree_capacity, 1, sizeof *forest->roots) ||
        !memory_grow(&forest->set_starts, &builder->start_capacity, 1, sizeof *forest->set_starts))
        return out_of_memory(error);
    forest->roots[0] = 0;
    forest->set_starts[0] = 0;
    for (int g = 0; base && g < head->groups; g++) {
        forest->base[g] = head->sum == FOREST_SUM_FLOAT ? (double)(float)base[g] : base[g];
        if (!isfinite(forest->base[g]))
            return error_set(error, CODE_INVALID, "the base of output %d is not a finite number", g);
    }
    return OK;
}

void forest_builder_done(struct forest_builder *builder)
{
    forest_done(&builder->forest);
    free(builder->queue);
    free(builder->levels);
    free(builder->seen);
    *builder = (struct forest_builder){0};
}

static int tree_room(struct forest_builder *builder, int64_t count, struct error *error)
{
    struct forest *forest = &builder->forest;
    size_t n = (size_t)count, total = (size_t)builder->nodes + n, trees = (size_t)forest->trees + 1;
    if (total > INT32_MAX)
        return error_set(error, CODE_LIMIT, "tree %d: the forest has more than %d nodes", forest->trees,
                         INT32_MAX);
    if (!memory_grow(&forest->roots, &builder->tree_capacity, trees + 1, sizeof *forest->roots) ||
        !memory_grow(&forest->groups, &builder->group_capacity, trees, sizeof *forest->groups) ||
        !memory_grow(&forest->nodes, &builder->node_capacity, total, sizeof *forest->nodes) ||
        !memory_grow(&forest->values, &builder->value_capacity, total, sizeof *forest->values) ||
        !memory_grow(&forest->cover, &builder->cover_capacity, total, sizeof *forest->cover) ||
        !memory_grow(&forest->gain, &builder->gain_capacity, total, sizeof *forest->gain) ||
        !memory_grow(&builder->queue, &builder->queue_capacity, n, sizeof *builder->queue) ||
        !memory_grow(&builder->levels, &builder->level_capacity, n, sizeof *builder->levels) ||
        !memory_grow(&builder->seen, &builder->seen_capacity, n, 1))
        return out_of_memory(error);
    memset(builder->seen, 0, n);
    return OK;
}

/* The float32 that compares with every float32 as the double does (build.h). */
static float round_threshold(enum forest_test test, double threshold)
{
    float rounded = (float)threshold;
    if (test == FOREST_LESS && (double)rounded < threshold)
        rounded = nextafterf(rounded, INFINITY);
    if (test == FOREST_AT_MOST && (double)rounded > threshold)
        rounded = nextafterf(rounded, -INFINITY);
    return rounded;
}

/* Copies a category set behind the others. */
static int take_set(struct forest_builder *builder, int64_t i, const struct forest_item *item, int32_t *ret,
                    struct error *error)
{
    struct forest *forest = &builder->forest;
    size_t words = item->set_words;
    while (words > 0 && item->set[words - 1] == 0)
        words--;
    if (words > LIMIT_CATEGORY / 32)
        return error_set(error, CODE_LIMIT, "tree %d node %lld: a category is beyond %d", forest->trees,
                         (long long)i, LIMIT_CATEGORY - 1);
    size_t total = (size_t)builder->set_words + words;
    if (total > LIMIT_MODEL_SETS / sizeof *forest->set_words)
        return error_set(error, CODE_LIMIT, "tree %d node %lld: the category sets have more than %d bytes",
                         forest->trees, (long long)i, LIMIT_MODEL_SETS);
    if (!memory_grow(&forest->set_starts, &builder->start_capacity, (size_t)forest->sets + 2,
                     sizeof *forest->set_starts) ||
        (words && !memory_grow(&forest->set_words, &builder->word_capacity, total, sizeof *item->set)))
        return out_of_memory(error);
    if (words)
        memcpy(forest->set_words + builder->set_words, item->set, words * sizeof *item->set);
    builder->set_words += (int64_t)words;
    *ret = forest->sets++;
    forest->set_starts[forest->sets] = builder->set_words;
    return OK;
}

static int take_split(struct forest_builder *builder, int64_t i, const struct forest_item *item,
                      struct forest_node *node, struct error *error)
{
    int features = builder->forest.head.features;
    if (item->feature < 0 || item->feature >= features)
        return error_set(error, CODE_INVALID, "tree %d node %lld: the split's feature is not one of 0 to %d",
                         builder->forest.trees, (long long)i, features - 1);
    *node = (struct forest_node){.feature = (int32_t)item->feature,
                                 .test = (uint8_t)item->test,
                                 .missing_left = item->missing_yes,
                                 .zero_missing = item->zero_missing};
    if (item->test == FOREST_MEMBER)
        return take_set(builder, i, item, &node->set, error);
    if (isnan(item->value))
        return node_error(builder, i, "the threshold is not a number", error);
    node->threshold = round_threshold(item->test, item->value);
    /* A double that no float32 equals is equal to none. */
    if (item->test == FOREST_EQUAL && (double)node->threshold != item->value) {
        node->test = FOREST_LESS;
        node->threshold = -INFINITY;
    }
    return OK;
}

/* Fills node `at` of the forest from item i. */
static int take_item(struct forest_builder *builder, int64_t i, const struct forest_item *item, int64_t at,
                     double weight, struct error *error)
{
    struct forest *forest = &builder->forest;
    if (!isfinite(item->cover) || item->cover < 0)
        return node_error(builder, i, "the cover is not a number of at least 0", error);
    forest->cover[at] = item->cover;
    forest->values[at] = 0;
    forest->gain[at] = 0;
    if (item->test != FOREST_LEAF) {
        forest->gain[at] = item->gain;
        return take_split(builder, i, item, &forest->nodes[at], error);
    }
    double value = item->value;
    if (forest->head.sum == FOREST_SUM_FLOAT)
        value = (double)((float)value * (float)weight);
    else if (weight != 1)
        value *= weight;
    if (!isfinite(value))
        return node_error(builder, i, "the leaf's value is not a finite number", error);
    forest->values[at] = value;
    forest->nodes[at] = (struct forest_node){.test = FOREST_LEAF};
    return OK;
}

/* Queues one child of item i, checked and marked. */
static int take_child(struct forest_builder *builder, int64_t i, int64_t child, int64_t n, const char *side,
                      int32_t *ret, struct error *error)
{
    if (child < 0 || child >= n)
        return error_set(error, CODE_INVALID,
                         "tree %d node %lld: the %s child is not a node; expected 0 to %lld",
                         builder->forest.trees, (long long)i, side, (long long)n - 1);
    if (builder->seen[child])
        return error_set(error, CODE_INVALID, "tree %d node %lld: its %s child %lld is reached a second time",
                         builder->forest.trees, (long long)i, side, (long long)child);
    builder->seen[child] = 1;
    *ret = (int32_t)child;
    return OK;
}

/* The queue holds, for each new node, the number of its item. */
static int take_items(struct forest_builder *builder, const struct forest_item *items, int64_t n,
                      double weight, struct error *error)
{
    struct forest *forest = &builder->forest;
    int64_t first = builder->nodes;
    int32_t queued = 1;
    builder->queue[0] = 0;
    builder->levels[0] = 0;
    builder->seen[0] = 1;
    for (int32_t at = 0; at < queued; at++) {
        int32_t i = builder->queue[at], level = builder->levels[at];
        int code = take_item(builder, i, &items[i], first + at, weight, error);
        if (code)
            return code;
        if (level > forest->depth)
            forest->depth = level;
        if (items[i].test == FOREST_LEAF)
            continue;
        if (level == LIMIT_TREE_DEPTH)
            return error_set(error, CODE_LIMIT, "tree %d node %d: the tree is deeper than %d levels",
                             forest->trees, i, LIMIT_TREE_DEPTH);
        forest->nodes[first + at].left = (int32_t)(first + queued);
        code = take_child(builder, i, items[i].yes, n, "left", &builder->queue[queued], error);
        if (!code)
            code = take_child(builder, i, items[i].no, n, "right", &builder->queue[queued + 1], error);
        if (code)
            return code;
        builder->levels[queued] = builder->levels[queued + 1] = level + 1;
        queued += 2;
    }
    builder->nodes += queued;
    return OK;
}

int forest_builder_tree(struct forest_builder *builder, const struct forest_item *items, int64_t n,
                        int64_t group, double weight, struct error *error)
{
    struct forest *forest = &builder->forest;
    if (forest->trees == LIMIT_MODEL_TREES)
        return error_set(error, CODE_LIMIT, "the model has more than %d trees", LIMIT_MODEL_TREES);
    if (n < 1)
        return error_set(error, CODE_INVALID, "tree %d has no node", forest->trees);
    if (group < 0 || group >= forest->head.groups)
        return error_set(error, CODE_INVALID, "tree %d adds to output %lld; expected 0 to %d", forest->trees,
                         (long long)group, forest->head.groups - 1);
    if (!isfinite(weight))
        return error_set(error, CODE_INVALID, "the weight of tree %d is not a finite number", forest->trees);
    int code = tree_room(builder, n, error);
    if (!code)
        code = take_items(builder, items, n, weight, error);
    if (code)
        return code;
    forest->groups[forest->trees++] = (int32_t)group;
    forest->roots[forest->trees] = (int32_t)builder->nodes;
    return OK;
}

/* The array without what growing by doubling left over. A failure to shrink costs memory and nothing else. */
static void *trimmed(void *array, size_t n, size_t size)
{
    void *shrunk = n ? realloc(array, n * size) : NULL;
    return shrunk ? shrunk : array;
}

int forest_builder_finish(struct forest_builder *builder, struct forest *ret, struct error *error)
{
    struct forest *forest = &builder->forest;
    size_t n = (size_t)builder->nodes;
    forest->nodes = trimmed(forest->nodes, n, sizeof *forest->nodes);
    forest->values = trimmed(forest->values, n, sizeof *forest->values);
    forest->cover = trimmed(forest->cover, n, sizeof *forest->cover);
    forest->gain = trimmed(forest->gain, n, sizeof *forest->gain);
    forest->set_words = trimmed(forest->set_words, (size_t)builder->set_words, sizeof *forest->set_words);
    shap_expected(forest, forest->expected);
    for (int g = 0; g < forest->head.groups; g++)
        if (!isfinite(forest->expected[g]))
            return error_set(error, CODE_INVALID, "the leaves of output %d do not add up to a number", g);
    *ret = *forest;
    *forest = (struct forest){0};
    return OK;
}
