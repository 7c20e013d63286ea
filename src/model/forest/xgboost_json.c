/*
 * Trees of XGBoost's model document -> struct forest.
 *
 *   learner.gradient_booster      "gbtree": model.trees, model.tree_info (the output that each tree adds to);
 *                                 "dart": gbtree.model, and a weight per tree in weight_drop, which later
 *                                 releases keep beside the trees
 *   a tree                        arrays by node: left_children (-1: leaf), right_children, split_indices,
 *                                 split_conditions (of a leaf: its value), default_left, sum_hessian,
 *                                 loss_changes, split_type (1: categorical)
 *   its categorical splits        arrays by such split: categories_nodes, and where in `categories` its own
 *                                 begin (categories_segments) and how many they are (categories_sizes)
 *
 * Categories lead right; all else leads left. The builder checks what the trees say; here it is only read.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/build.h"
#include "model/forest/import.h"
#include "model/json_field.h"
#include "model/xgboost_learner.h"

enum { PLACE_SIZE = 64 };

/* A tree being read: cursors over its parallel arrays, which have n elements each. */
struct tree {
    int number;
    int64_t n;
    yyjson_val **left, **right, **feature, **condition, **missing, **cover, **gain, **type; /* by node */
};

/* Memory that all trees of a model share while it is read. */
struct reading {
    struct forest_builder builder;
    yyjson_val **cells; /* eight arrays of `n` values, of the tree at hand */
    size_t cell_capacity;
    struct forest_item *items;
    size_t item_capacity;
    uint32_t *words; /* the category sets of the tree at hand, one behind the other */
    size_t word_capacity;
};

static int out_of_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the forest");
}

static int node_error(const struct tree *tree, int64_t node, const char *what, struct error *error)
{
    return error_set(error, CODE_INVALID, "tree %d node %lld: %s", tree->number, (long long)node, what);
}

static int find_array(yyjson_val *object, const char *name, const struct tree *tree, yyjson_val **ret,
                      struct error *error)
{
    char place[PLACE_SIZE];
    snprintf(place, sizeof place, "tree %d", tree->number);
    return json_field_array(object, name, place, ret, error);
}

/* Spreads one array of the tree into cells, so that nodes can be looked at in any order. */
static int spread(yyjson_val *object, const char *name, const struct tree *tree, yyjson_val **ret,
                  struct error *error)
{
    yyjson_val *array, *value;
    size_t i, n;
    int code = find_array(object, name, tree, &array, error);
    if (code)
        return code;
    if (yyjson_arr_size(array) != (size_t)tree->n)
        return error_set(error, CODE_INVALID, "tree %d: \"%s\" has %zu elements; expected num_nodes = %lld",
                         tree->number, name, yyjson_arr_size(array), (long long)tree->n);
    yyjson_arr_foreach(array, i, n, value) ret[i] = value;
    return OK;
}

static int check_types(const struct tree *tree, struct error *error)
{
    for (int64_t i = 0; tree->type && i < tree->n; i++) {
        int64_t type;
        if (!json_field_integer(tree->type[i], &type) || type < 0 || type > 1)
            return node_error(tree, i, "\"split_type\" is neither 0 nor 1", error);
    }
    return OK;
}

/* Reads the shape of one tree: num_nodes and the arrays, all of the same length. */
static int tree_open(struct reading *reading, yyjson_val *object, struct tree *tree, struct error *error)
{
    char place[PLACE_SIZE];
    yyjson_val *param;
    snprintf(place, sizeof place, "tree %d", tree->number);
    if (!yyjson_is_obj(object))
        return error_set(error, CODE_INVALID, "tree %d is not an object", tree->number);
    int code = json_field_object(object, "tree_param", place, &param, error);
    if (!code)
        code = json_field_count(param, "num_nodes", place, 1, INT32_MAX / 2, &tree->n, error);
    int64_t vector = 0;
    if (!code && yyjson_obj_get(param, "size_leaf_vector"))
        code = json_field_count(param, "size_leaf_vector", place, 0, INT32_MAX, &vector, error);
    if (code)
        return code;
    if (vector > 1)
        return error_set(error, CODE_UNSUPPORTED,
                         "tree %d has leaves of %lld values: multi-target trees are not "
                         "supported",
                         tree->number, (long long)vector);
    /* The left children are there for every node: their number bounds what is allocated for a claimed
     * num_nodes. */
    if (yyjson_arr_size(yyjson_obj_get(object, "left_children")) != (size_t)tree->n)
        return error_set(
            error, CODE_INVALID, "tree %d: \"left_children\" has %zu elements; expected num_nodes = %lld",
            tree->number, yyjson_arr_size(yyjson_obj_get(object, "left_children")), (long long)tree->n);
    static const char *const names[] = {"left_children",    "right_children", "split_indices",
                                        "split_conditions", "default_left",   "sum_hessian",
                                        "loss_changes",     "split_type"};
    yyjson_val ***const arrays[] = {&tree->left,    &tree->right, &tree->feature, &tree->condition,
                                    &tree->missing, &tree->cover, &tree->gain,    &tree->type};
    size_t n = (size_t)tree->n;
    if (!memory_grow(&reading->cells, &reading->cell_capacity, 8 * n, sizeof(yyjson_val *)) ||
        !memory_grow(&reading->items, &reading->item_capacity, n, sizeof *reading->items))
        return out_of_memory(error);
    for (size_t i = 0; i < 8; i++) {
        *arrays[i] = NULL;
        if (arrays[i] == &tree->type && !yyjson_obj_get(object, names[i]))
            continue; /* before 1.3 there were no categorical splits and no types */
        *arrays[i] = reading->cells + i * n;
        code = spread(object, names[i], tree, *arrays[i], error);
        if (code)
            return code;
    }
    return check_types(tree, error);
}

/* Whether node i is categorical; its categories are given apart. */
static bool is_categorical(const struct tree *tree, int64_t i)
{
    int64_t type = 0;
    return tree->type && json_field_integer(tree->type[i], &type) && type == 1;
}

/* A child that is not a whole number is one that the builder refuses. */
static int64_t child(yyjson_val *value)
{
    int64_t number;
    return json_field_integer(value, &number) ? number : -1;
}

/* Reads node i from the cells. A leaf has left child -1 and, in sound models, right child -1. */
static int read_item(const struct tree *tree, int64_t i, struct forest_item *item, struct error *error)
{
    int64_t left;
    float value, cover, gain;
    *item = (struct forest_item){.feature = -1};
    if (!json_field_integer(tree->left[i], &left))
        return node_error(tree, i, "\"left_children\" is not a whole number", error);
    /* Categorical splits have a NaN there. */
    if (!json_field_float(tree->condition[i], &value) || (!isfinite(value) && !is_categorical(tree, i)))
        return node_error(tree, i,
                          left == -1 ? "the leaf's value is not a finite number"
                                     : "the threshold is not a finite number",
                          error);
    if (!json_field_float(tree->cover[i], &cover) || !isfinite(cover) || cover < 0)
        return node_error(tree, i, "\"sum_hessian\" is not a number of at least 0", error);
    if (!json_field_float(tree->gain[i], &gain))
        return node_error(tree, i, "\"loss_changes\" is not a number", error);
    item->value = (double)value;
    item->cover = (double)cover;
    item->gain = (double)gain;
    if (left == -1)
        return OK;
    item->test = FOREST_LESS;
    item->yes = left;
    item->no = child(tree->right[i]);
    if (!json_field_integer(tree->feature[i], &item->feature))
        item->feature = -1;
    if (!json_field_boolean(tree->missing[i], &item->missing_yes))
        return node_error(tree, i, "\"default_left\" is neither true nor false", error);
    return OK;
}

/* The set of one split, `size` categories from `from` on, appended to the words. */
static int read_set(struct reading *reading, const struct tree *tree, int64_t node, yyjson_val **from,
                    int64_t size, size_t *words, struct forest_item *item, struct error *error)
{
    int64_t category, largest = 0;
    for (int64_t i = 0; i < size; i++) {
        if (!json_field_integer(from[i], &category) || category < 0 || category >= LIMIT_CATEGORY)
            return error_set(error, CODE_INVALID, "tree %d node %lld: a category is not one of 0 to %d",
                             tree->number, (long long)node, LIMIT_CATEGORY - 1);
        largest = category > largest ? category : largest;
    }
    size_t count = (size_t)largest / 32 + 1;
    if (count > LIMIT_MODEL_SETS / sizeof *reading->words - *words)
        return error_set(error, CODE_LIMIT, "tree %d node %lld: the category sets have more than %d bytes",
                         tree->number, (long long)node, LIMIT_MODEL_SETS);
    if (!memory_grow(&reading->words, &reading->word_capacity, *words + count, sizeof *reading->words))
        return out_of_memory(error);
    uint32_t *set = reading->words + *words;
    memset(set, 0, count * sizeof *set);
    for (int64_t i = 0; i < size; i++)
        if (json_field_integer(from[i], &category))
            set[category / 32] |= UINT32_C(1) << (category % 32);
    item->set_words = count;
    *words += count;
    return OK;
}

/* An array of the tree, spread. */
struct list {
    yyjson_val **cells;
    size_t n;
};

static int read_list(yyjson_val *object, const char *name, const struct tree *tree, struct list *ret,
                     struct error *error)
{
    yyjson_val *array, *value;
    size_t i, n;
    int code = find_array(object, name, tree, &array, error);
    if (code)
        return code;
    ret->n = yyjson_arr_size(array);
    ret->cells = memory_new(ret->n, sizeof *ret->cells);
    if (!ret->cells)
        return out_of_memory(error);
    yyjson_arr_foreach(array, i, n, value) ret->cells[i] = value;
    return OK;
}

enum { LIST_NODES, LIST_STARTS, LIST_SIZES, LIST_CATEGORIES, LISTS };

static int read_split_set(struct reading *reading, const struct tree *tree, const struct list *lists,
                          size_t i, size_t *words, struct error *error)
{
    int64_t node, start, size;
    if (!json_field_integer(lists[LIST_NODES].cells[i], &node) || node < 0 || node >= tree->n ||
        !is_categorical(tree, node))
        return error_set(error, CODE_INVALID,
                         "tree %d: element %zu of \"categories_nodes\" is not a categorical split",
                         tree->number, i);
    struct forest_item *item = &reading->items[node];
    if (item->set_words)
        return node_error(tree, node, "its categories are given twice", error);
    int64_t n = (int64_t)lists[LIST_CATEGORIES].n;
    if (!json_field_integer(lists[LIST_STARTS].cells[i], &start) || start < 0 || start > n ||
        !json_field_integer(lists[LIST_SIZES].cells[i], &size) || size < 1 || size > n - start)
        return node_error(tree, node, "its categories lie outside of \"categories\"", error);
    return read_set(reading, tree, node, lists[LIST_CATEGORIES].cells + start, size, words, item, error);
}

/* Gives the categorical splits their sets, once all are read and the words stay where they are. */
static int place_sets(const struct reading *reading, const struct tree *tree, const struct list *nodes,
                      struct error *error)
{
    const uint32_t *words = reading->words;
    for (size_t i = 0; i < nodes->n; i++) {
        int64_t node;
        if (!json_field_integer(nodes->cells[i], &node))
            continue; /* refused before */
        reading->items[node].set = words;
        words += reading->items[node].set_words;
    }
    for (int64_t i = 0; i < tree->n; i++)
        if (is_categorical(tree, i) && reading->items[i].test != FOREST_LEAF) {
            struct forest_item *item = &reading->items[i];
            int64_t left = item->yes;
            if (!item->set_words)
                return node_error(tree, i, "a categorical split without categories", error);
            item->test = FOREST_MEMBER;
            item->yes = item->no;
            item->no = left;
            item->missing_yes = !item->missing_yes;
        }
    return OK;
}

static int read_sets(struct reading *reading, yyjson_val *object, const struct tree *tree,
                     struct error *error)
{
    static const char *const names[] = {"categories_nodes", "categories_segments", "categories_sizes",
                                        "categories"};
    struct list lists[LISTS] = {0};
    size_t words = 0;
    int code = OK;
    if (!yyjson_obj_get(object, names[LIST_NODES]))
        return OK; /* before 1.3 there were none */
    for (int i = 0; i < LISTS && !code; i++)
        code = read_list(object, names[i], tree, &lists[i], error);
    if (!code && (lists[LIST_STARTS].n != lists[LIST_NODES].n || lists[LIST_SIZES].n != lists[LIST_NODES].n))
        code = error_set(error, CODE_INVALID,
                         "tree %d: \"categories_nodes\", \"categories_segments\" and \"categories_sizes\" "
                         "have %zu, %zu and %zu elements; expected one length",
                         tree->number, lists[LIST_NODES].n, lists[LIST_STARTS].n, lists[LIST_SIZES].n);
    for (size_t i = 0; !code && i < lists[LIST_NODES].n; i++)
        code = read_split_set(reading, tree, lists, i, &words, error);
    if (!code)
        code = place_sets(reading, tree, &lists[LIST_NODES], error);
    for (int i = 0; i < LISTS; i++)
        free(lists[i].cells);
    return code;
}

static int read_tree(struct reading *reading, yyjson_val *object, int number, int64_t group, double weight,
                     struct error *error)
{
    struct tree tree = {.number = number};
    int code = tree_open(reading, object, &tree, error);
    for (int64_t i = 0; !code && i < tree.n; i++)
        code = read_item(&tree, i, &reading->items[i], error);
    if (!code)
        code = read_sets(reading, object, &tree, error);
    return code ? code : forest_builder_tree(&reading->builder, reading->items, tree.n, group, weight, error);
}

/* An array with one element per tree; *ret is NULL where there is none. */
static int find_by_tree(yyjson_val *object, const char *name, size_t trees, yyjson_val **ret,
                        struct error *error)
{
    yyjson_val *array = yyjson_obj_get(object, name);
    if (array && yyjson_arr_size(array) != trees)
        return error_set(error, CODE_INVALID, "\"%s\" has %zu elements for %zu trees", name,
                         yyjson_arr_size(array), trees);
    *ret = trees ? yyjson_arr_get_first(array) : NULL;
    return OK;
}

/* `drops`: where the weights of the trees are, if there are any. */
static int read_trees(struct reading *reading, yyjson_val *model, yyjson_val *drops, struct error *error)
{
    yyjson_val *trees = NULL, *object, *group = NULL, *drop = NULL;
    int code = json_field_array(model, "trees", "gradient_booster.model", &trees, error);
    size_t i, n = yyjson_arr_size(trees);
    if (!code)
        code = find_by_tree(model, "tree_info", n, &group, error);
    if (!code && drops)
        code = find_by_tree(drops, "weight_drop", n, &drop, error);
    if (code)
        return code;
    yyjson_arr_foreach(trees, i, n, object)
    {
        int64_t number = 0;
        float weight = 1;
        if (group && !json_field_integer(group, &number))
            return error_set(error, CODE_INVALID, "element %zu of \"tree_info\" is not a whole number", i);
        if (drop && !json_field_float(drop, &weight))
            return error_set(error, CODE_INVALID, "element %zu of \"weight_drop\" is not a number", i);
        code = read_tree(reading, object, (int)i, number, (double)weight, error);
        if (code)
            return code;
        group = group ? unsafe_yyjson_get_next(group) : NULL;
        drop = drop ? unsafe_yyjson_get_next(drop) : NULL;
    }
    return OK;
}

static int read_booster(const struct xgboost_learner *learner, struct reading *reading, struct error *error)
{
    yyjson_val *booster = learner->booster, *model, *drops = NULL;
    int code = OK;
    if (strcmp(learner->booster_name, "dart") == 0) {
        drops = booster;
        code = json_field_object(drops, "gbtree", "gradient_booster", &booster, error);
    }
    if (!code)
        code = json_field_object(booster, "model", "gradient_booster", &model, error);
    if (code)
        return code;
    if (yyjson_obj_get(model, "weight_drop"))
        drops = model;
    if (strcmp(learner->booster_name, "dart") == 0 && !yyjson_obj_get(drops, "weight_drop"))
        return error_set(error, CODE_INVALID, "gradient_booster: \"weight_drop\" is missing");
    return read_trees(reading, model, drops, error);
}

int forest_import_xgboost(const struct xgboost_learner *learner, struct forest *ret, struct error *error)
{
    struct reading reading = {0};
    int code = forest_builder_init(&reading.builder, &learner->head, learner->base, error);
    if (!code)
        code = read_booster(learner, &reading, error);
    if (!code)
        code = forest_builder_finish(&reading.builder, ret, error);
    free(reading.cells);
    free(reading.items);
    free(reading.words);
    forest_builder_done(&reading.builder);
    return code;
}
