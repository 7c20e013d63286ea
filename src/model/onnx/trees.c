#include "model/onnx/trees.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/forest/build.h"

/* One weight of a leaf. */
struct leaf {
    int64_t node;   /* its position among all nodes */
    int64_t target; /* as the file numbers them */
    float weight;
};

struct reading {
    const struct onnx_node *node;
    struct arena *arena;
    struct forest_builder builder;
    size_t n; /* nodes */
    int64_t *trees, *ids, *features, *yes, *no, *tracks;
    size_t n_tracks;
    float *values;
    struct wire *modes;
    struct leaf *leaves; /* by node */
    size_t n_leaves;
    struct forest_item *items;
    int64_t *positions; /* of the tree at hand: (id, item) sorted by id */
    struct error *error;
};

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the forest");
}

static int lengths(const char *name, size_t got, size_t expected, struct error *error)
{
    return error_set(error, CODE_INVALID, "attribute \"%s\" has %zu elements; expected %zu", name, got,
                     expected);
}

static int take_integers(struct reading *reading, const char *name, int64_t **ret, struct error *error)
{
    size_t n;
    int code = onnx_integers(reading->node, name, reading->arena, ret, &n, error);
    return code || n == reading->n ? code : lengths(name, n, reading->n, error);
}

static int take_nodes(struct reading *reading, struct error *error)
{
    size_t n;
    struct wire unsupported;
    if (onnx_attribute(reading->node, "nodes_values_as_tensor", &unsupported))
        return error_set(error, CODE_UNSUPPORTED,
                         "thresholds in double (nodes_values_as_tensor) are not supported");
    int code =
        onnx_integers(reading->node, "nodes_treeids", reading->arena, &reading->trees, &reading->n, error);
    if (!code && reading->n > INT32_MAX)
        code = error_set(error, CODE_LIMIT, "the forest has more than %d nodes", INT32_MAX);
    if (!code)
        code = take_integers(reading, "nodes_nodeids", &reading->ids, error);
    if (!code)
        code = take_integers(reading, "nodes_featureids", &reading->features, error);
    if (!code)
        code = take_integers(reading, "nodes_truenodeids", &reading->yes, error);
    if (!code)
        code = take_integers(reading, "nodes_falsenodeids", &reading->no, error);
    if (!code)
        code = onnx_floats(reading->node, "nodes_values", reading->arena, &reading->values, &n, error);
    if (!code && n != reading->n)
        code = lengths("nodes_values", n, reading->n, error);
    if (!code)
        code = onnx_texts(reading->node, "nodes_modes", reading->arena, &reading->modes, &n, error);
    if (!code && n != reading->n)
        code = lengths("nodes_modes", n, reading->n, error);
    if (!code)
        code = onnx_integers(reading->node, "nodes_missing_value_tracks_true", reading->arena,
                             &reading->tracks, &reading->n_tracks, error);
    if (!code && reading->n_tracks && reading->n_tracks != reading->n)
        code = lengths("nodes_missing_value_tracks_true", reading->n_tracks, reading->n, error);
    return code;
}

/* ---- one tree ---- */

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The item with that node id, or -1. */
static int64_t find_item(const struct reading *reading, size_t n, int64_t id)
{
    const int64_t *found = bsearch(&id, reading->positions, n, 2 * sizeof *reading->positions, compare_ids);
    return found ? found[1] : -1;
}

static int node_error(const struct reading *reading, size_t at, const char *what, struct error *error)
{
    return error_set(error, CODE_INVALID, "tree %" PRId64 " node %" PRId64 ": %s", reading->trees[at],
                     reading->ids[at], what);
}

/* What each mode asks, and whether its answer is the other way round. A NaN is greater than nothing, less
 * than nothing and equal to nothing, unless it is said to lead to the true node. */
static int set_test(const struct reading *reading, size_t at, struct forest_item *item, struct error *error)
{
    static const struct {
        const char *mode;
        enum forest_test test;
        bool other;
    } modes[] = {
        {"BRANCH_LEQ", FOREST_AT_MOST, false}, {"BRANCH_LT", FOREST_LESS, false},
        {"BRANCH_GT", FOREST_AT_MOST, true},   {"BRANCH_GTE", FOREST_LESS, true},
        {"BRANCH_EQ", FOREST_EQUAL, false},    {"BRANCH_NEQ", FOREST_EQUAL, true},
    };
    struct wire mode = reading->modes[at];
    bool tracks = reading->n_tracks && reading->tracks[at] == 1;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (wire_is(mode, modes[i].mode)) {
            item->test = modes[i].test;
            if (modes[i].other) {
                int64_t no = item->no;
                item->no = item->yes;
                item->yes = no;
            }
            item->missing_yes =
                modes[i].test == FOREST_EQUAL && modes[i].other ? false : tracks != modes[i].other;
            return OK;
        }
    return error_set(error, CODE_UNSUPPORTED,
                     "tree %" PRId64 " node %" PRId64 ": mode \"%.*s\" is not supported", reading->trees[at],
                     reading->ids[at], (int)(wire_size(mode) < 40 ? wire_size(mode) : 40),
                     (const char *)mode.at);
}

/* The items of nodes from..from+n-1, without the values of the leaves. */
static int fill_items(struct reading *reading, size_t from, size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++) {
        reading->positions[2 * i] = reading->ids[from + i];
        reading->positions[2 * i + 1] = (int64_t)i;
    }
    qsort(reading->positions, n, 2 * sizeof *reading->positions, compare_ids);
    for (size_t i = 1; i < n; i++)
        if (reading->positions[2 * i] == reading->positions[2 * i - 2])
            return node_error(reading, from + (size_t)reading->positions[2 * i + 1],
                              "its number is given twice", error);
    for (size_t i = 0; i < n; i++) {
        struct forest_item *item = &reading->items[i];
        size_t at = from + i;
        *item = (struct forest_item){.test = FOREST_LEAF};
        if (wire_is(reading->modes[at], "LEAF"))
            continue;
        item->value = (double)reading->values[at];
        item->feature = reading->features[at];
        item->yes = find_item(reading, n, reading->yes[at]);
        item->no = find_item(reading, n, reading->no[at]);
        if (item->yes < 0 || item->no < 0)
            return node_error(reading, at, "a child is not a node of the tree", error);
        int code = set_test(reading, at, item, error);
        if (code)
            return code;
    }
    return OK;
}

/* Where the weights of node `at` or a later one begin. */
static size_t find_leaf(const struct reading *reading, int64_t at)
{
    size_t low = 0, high = reading->n_leaves;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reading->leaves[middle].node < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds the tree once for each output that a leaf of it has a weight of. Adding 0 for the others changes no
 * sum, but a tree of nothing else would cost time. */
static int add_tree(struct reading *reading, size_t from, size_t n, int groups, struct error *error)
{
    int code = fill_items(reading, from, n, error);
    size_t first = find_leaf(reading, (int64_t)from), last = find_leaf(reading, (int64_t)(from + n));
    for (int g = 0; g < groups && !code; g++) {
        bool found = false;
        for (size_t i = first; i < last; i++) {
            const struct leaf *leaf = &reading->leaves[i];
            struct forest_item *item = &reading->items[leaf->node - (int64_t)from];
            if (item->test != FOREST_LEAF)
                return node_error(reading, (size_t)leaf->node, "has a weight and is not a leaf", error);
            if (i == first || reading->leaves[i - 1].node != leaf->node)
                item->value = 0;
            if (leaf->target == g) {
                item->value = (double)((float)item->value + leaf->weight);
                found = true;
            }
        }
        if (found || (groups == 1 && g == 0))
            code = forest_builder_tree(&reading->builder, reading->items, (int64_t)n, g, 1, error);
    }
    return code;
}

static int add_trees(struct reading *reading, int groups, struct error *error)
{
    int code = OK;
    for (size_t from = 0, to; from < reading->n && !code; from = to) {
        for (to = from + 1; to < reading->n && reading->trees[to] == reading->trees[from];)
            to++;
        code = add_tree(reading, from, to - from, groups, error);
    }
    return code;
}

/* ---- leaves ---- */

static int compare_nodes(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    if (x[0] != y[0])
        return x[0] < y[0] ? -1 : 1;
    return x[1] < y[1] ? -1 : x[1] > y[1];
}

static int compare_leaves(const void *a, const void *b)
{
    const struct leaf *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return x->target < y->target ? -1 : x->target > y->target;
}

/* Nodes by tree and number, to find those of the weights. */
static int64_t *sorted_nodes(struct reading *reading)
{
    int64_t *keys = arena_new(reading->arena, reading->n + 1, 3 * sizeof *keys);
    for (size_t i = 0; keys && i < reading->n; i++) {
        keys[3 * i] = reading->trees[i];
        keys[3 * i + 1] = reading->ids[i];
        keys[3 * i + 2] = (int64_t)i;
    }
    if (keys)
        qsort(keys, reading->n, 3 * sizeof *keys, compare_nodes);
    return keys;
}

/* `kind`: "class" or "target". */
static int take_leaves(struct reading *reading, const char *kind, struct error *error)
{
    static const char *const endings[] = {"ids", "treeids", "nodeids", "weights"};
    char names[4][24];
    int64_t *targets, *trees, *nodes, *keys;
    float *weights;
    size_t n[4] = {0};
    for (int i = 0; i < 4; i++)
        snprintf(names[i], sizeof names[i], "%s_%s", kind, endings[i]);
    int code = onnx_integers(reading->node, names[0], reading->arena, &targets, &n[0], error);
    if (!code)
        code = onnx_integers(reading->node, names[1], reading->arena, &trees, &n[1], error);
    if (!code)
        code = onnx_integers(reading->node, names[2], reading->arena, &nodes, &n[2], error);
    if (!code)
        code = onnx_floats(reading->node, names[3], reading->arena, &weights, &n[3], error);
    for (int i = 1; i < 4 && !code; i++)
        if (n[i] != n[0])
            code = lengths(names[i], n[i], n[0], error);
    if (code)
        return code;
    reading->n_leaves = n[0];
    reading->leaves = arena_new(reading->arena, n[0] + 1, sizeof *reading->leaves);
    keys = sorted_nodes(reading);
    if (!reading->leaves || !keys)
        return no_memory(error);
    for (size_t i = 0; i < n[0]; i++) {
        int64_t key[3] = {trees[i], nodes[i], 0};
        const int64_t *found = bsearch(key, keys, reading->n, 3 * sizeof *keys, compare_nodes);
        if (!found)
            return error_set(error, CODE_INVALID,
                             "element %zu of \"%s\": tree %" PRId64 " has no node %" PRId64, i, names[2],
                             trees[i], nodes[i]);
        reading->leaves[i] = (struct leaf){found[2], targets[i], weights[i]};
    }
    qsort(reading->leaves, n[0], sizeof *reading->leaves, compare_leaves);
    return OK;
}

/* Whether any weight is for output 0, and for another one; whether any is below 0. */
static void survey(const struct reading *reading, bool ret_for[2], bool *ret_negative)
{
    ret_for[0] = ret_for[1] = *ret_negative = false;
    for (size_t i = 0; i < reading->n_leaves; i++) {
        ret_for[reading->leaves[i].target != 0] = true;
        *ret_negative |= reading->leaves[i].weight < 0;
    }
}

/* ---- what comes after the sum ---- */

static int take_transform(const struct onnx_node *node, enum onnx_transform *ret, struct error *error)
{
    static const char *const names[] = {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"};
    struct wire text;
    *ret = ONNX_NONE;
    if (!onnx_attribute_text(node, "post_transform", &text))
        return OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (wire_is(text, names[i])) {
            *ret = (enum onnx_transform)i;
            return OK;
        }
    return error_set(error, CODE_UNSUPPORTED, "post_transform \"%.*s\" is not supported",
                     (int)(wire_size(text) < 40 ? wire_size(text) : 40), (const char *)text.at);
}

/* A base per group; `given` of them are there. */
static int take_base(struct reading *reading, struct onnx_ensemble *ret, struct error *error)
{
    float *base;
    size_t given;
    int code = onnx_floats(reading->node, "base_values", reading->arena, &base, &given, error);
    if (code)
        return code;
    if (given && (given != (size_t)ret->groups || (ret->single && ret->zero)))
        return error_set(error, CODE_UNSUPPORTED, "%zu base_values for %d sums are not supported", given,
                         ret->groups);
    ret->base = given ? base : arena_new(reading->arena, (size_t)ret->groups, sizeof *ret->base);
    if (!ret->base)
        return no_memory(error);
    for (int g = 0; g < ret->groups; g++)
        if (!isfinite(ret->base[g]))
            return error_set(error, CODE_INVALID, "element %d of \"base_values\" is not a finite number", g);
    return OK;
}

static int take_classifier(struct reading *reading, struct onnx_ensemble *ret, struct error *error)
{
    int64_t *labels;
    struct wire *texts;
    size_t n, m;
    bool sums[2], negative;
    int code = onnx_integers(reading->node, "classlabels_int64s", reading->arena, &labels, &n, error);
    if (!code)
        code = onnx_texts(reading->node, "classlabels_strings", reading->arena, &texts, &m, error);
    if (code)
        return code;
    n += m;
    if (n < 2 || n > LIMIT_MODEL_OUTPUTS)
        return error_set(error, n < 2 ? CODE_INVALID : CODE_LIMIT,
                         "the model has %zu classes; expected 2 to %d", n, LIMIT_MODEL_OUTPUTS);
    code = take_leaves(reading, "class", error);
    if (code)
        return code;
    survey(reading, sums, &negative);
    ret->groups = (int)n;
    if (n > 2 || (sums[0] && sums[1]))
        return OK;
    /* Two classes and the weights of one: the runtime makes the score of both of it, by rules of its own. */
    ret->single = true;
    ret->groups = 1;
    ret->zero = sums[1];
    for (size_t i = 0; i < reading->n_leaves; i++)
        if (sums[1] && reading->leaves[i].target != 1)
            return error_set(error, CODE_INVALID, "a weight is for class %" PRId64 " of 2",
                             reading->leaves[i].target);
        else
            reading->leaves[i].target = 0;
    if (sums[1])
        return OK;
    if (ret->transform == ONNX_NONE && negative)
        return error_set(
            error, CODE_UNSUPPORTED,
            "a classifier of two classes with weights below 0 and without post_transform is not supported");
    if (!negative)
        ret->transform = ONNX_NONE;
    if (ret->transform != ONNX_LOGISTIC && ret->transform != ONNX_NONE)
        return error_set(error, CODE_UNSUPPORTED, "softmax of one sum is not supported");
    return OK;
}

static int take_regressor(struct reading *reading, struct onnx_ensemble *ret, struct error *error)
{
    int64_t targets = 1;
    struct wire aggregate;
    (void)onnx_attribute_integer(reading->node, "n_targets", &targets);
    if (targets != 1)
        return error_set(error, CODE_UNSUPPORTED,
                         "the model has %" PRId64 " targets; Shrike scores models with one target", targets);
    if (ret->transform != ONNX_NONE)
        return error_set(error, CODE_UNSUPPORTED, "a regressor with a post_transform is not supported");
    ret->groups = 1;
    if (onnx_attribute_text(reading->node, "aggregate_function", &aggregate) && !wire_is(aggregate, "SUM")) {
        if (!wire_is(aggregate, "AVERAGE"))
            return error_set(error, CODE_UNSUPPORTED,
                             "an aggregate_function but SUM and AVERAGE is not supported");
        ret->divisor = 0; /* known when the trees are counted */
    }
    return take_leaves(reading, "target", error);
}

static int check_targets(const struct reading *reading, int groups, struct error *error)
{
    for (size_t i = 0; i < reading->n_leaves; i++)
        if (reading->leaves[i].target < 0 || reading->leaves[i].target >= groups)
            return error_set(error, CODE_INVALID, "a weight is for output %" PRId64 "; expected 0 to %d",
                             reading->leaves[i].target, groups - 1);
    return OK;
}

static int build(struct reading *reading, int features, struct onnx_ensemble *ensemble, struct forest *ret,
                 struct error *error)
{
    struct forest_head head = {.features = features, .groups = ensemble->groups, .sum = FOREST_SUM_FLOAT};
    reading->items = arena_new(reading->arena, reading->n + 1, sizeof *reading->items);
    reading->positions = arena_new(reading->arena, reading->n + 1, 2 * sizeof *reading->positions);
    if (!reading->items || !reading->positions)
        return no_memory(error);
    int code = forest_builder_init(&reading->builder, &head, NULL, error);
    if (!code)
        code = add_trees(reading, ensemble->groups, error);
    if (!code)
        code = forest_builder_finish(&reading->builder, ret, error);
    if (!code && ensemble->divisor == 0)
        ensemble->divisor = ret->trees ? (float)ret->trees : 1;
    forest_builder_done(&reading->builder);
    return code;
}

int onnx_trees_read(const struct onnx_node *node, int features, struct arena *arena,
                    struct forest *ret_forest, struct onnx_ensemble *ret, struct error *error)
{
    struct reading reading = {.node = node, .arena = arena};
    struct onnx_ensemble ensemble = {.divisor = 1};
    int code = take_nodes(&reading, error);
    if (!code)
        code = take_transform(node, &ensemble.transform, error);
    if (!code)
        code = wire_is(node->op, "TreeEnsembleClassifier") ? take_classifier(&reading, &ensemble, error)
                                                           : take_regressor(&reading, &ensemble, error);
    if (!code)
        code = check_targets(&reading, ensemble.groups, error);
    if (!code)
        code = take_base(&reading, &ensemble, error);
    if (!code)
        code = build(&reading, features, &ensemble, ret_forest, error);
    if (!code)
        *ret = ensemble;
    return code;
}

/* ---- scores ---- */

static float logistic(float x)
{
    float y = 1 / (1 + expf(-fabsf(x)));
    return x < 0 ? 1 - y : y;
}

/* SOFTMAX_ZERO leaves what is near 0 out of the sum, and scales it. */
static void softmax(float *values, int n, bool skip_zero)
{
    float largest = -3.402823466e+38F, sum = 0;
    for (int i = 0; i < n; i++)
        largest = values[i] > largest ? values[i] : largest;
    float scale = expf(-largest);
    for (int i = 0; i < n; i++) {
        if (skip_zero && !(values[i] > 0.0000001f || values[i] < -0.0000001f)) {
            values[i] *= scale;
            continue;
        }
        values[i] = expf(values[i] - largest);
        sum += values[i];
    }
    for (int i = 0; i < n; i++)
        values[i] /= sum;
}

static void transform(enum onnx_transform how, float *values, int n)
{
    if (how == ONNX_SOFTMAX || how == ONNX_SOFTMAX_ZERO)
        softmax(values, n, how == ONNX_SOFTMAX_ZERO);
    for (int i = 0; how == ONNX_LOGISTIC && i < n; i++)
        values[i] = logistic(values[i]);
}

int onnx_ensemble_finish(const struct onnx_ensemble *ensemble, const float *sums, float *ret_scores)
{
    int n = ensemble->groups;
    for (int g = 0; g < n; g++)
        ret_scores[g] = sums[g] / ensemble->divisor + ensemble->base[g];
    if (ensemble->single && ensemble->zero) {
        float pair[2] = {0, ret_scores[0]};
        transform(ensemble->transform, pair, 2);
        ret_scores[0] = pair[1];
    } else {
        transform(ensemble->transform, ret_scores, n);
    }
    return n;
}
