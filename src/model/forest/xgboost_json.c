/*
 * XGBoost's JSON model -> struct forest.
 *
 * The document (doc/model.schema of XGBoost; versions 1.0 to 3.x write the parts used here alike):
 *
 *   learner.learner_model_param   num_feature, num_class, num_target, base_score: numbers as strings;
 *                                 base_score is "5E-1", from 3.1 on "[5E-1]"
 *   learner.objective.name        decides how base_score and margin are linked
 *   learner.gradient_booster      name "gbtree"; model.trees, model.tree_info
 *   a tree                        arrays by node: left_children (-1: leaf), right_children, split_indices,
 *                                 split_conditions (of a leaf: its value), default_left, sum_hessian,
 *                                 loss_changes
 *
 * The builder checks what the trees say; here it is only read.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/build.h"
#include "model/forest/import.h"
#include "model/json_field.h"

enum { PLACE_SIZE = 64 };

struct objective {
    const char *name;
    enum forest_link link;
    bool logit_base; /* base_score is a probability: the margin starts at its log odds */
};

static const struct objective objectives[] = {
    {"binary:logistic", FOREST_SIGMOID, true},
    {"binary:logitraw", FOREST_IDENTITY, false},
    {"reg:squarederror", FOREST_IDENTITY, false},
};

static const struct objective *objective_find(const char *name)
{
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++)
        if (strcmp(objectives[i].name, name) == 0)
            return &objectives[i];
    return NULL;
}

bool model_supports(const char *objective, const char *booster)
{
    return objective_find(objective) && strcmp(booster, "gbtree") == 0;
}

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
};

static int out_of_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the forest");
}

static int node_error(const struct tree *tree, int64_t node, const char *what, struct error *error)
{
    return error_set(error, CODE_INVALID, "tree %d node %lld: %s", tree->number, (long long)node, what);
}

/* Spreads one array of the tree into cells, so that nodes can be looked at in any order. */
static int spread(yyjson_val *object, const char *name, const struct tree *tree, yyjson_val **ret,
                  struct error *error)
{
    char place[PLACE_SIZE];
    yyjson_val *array, *value;
    size_t i, n;
    snprintf(place, sizeof place, "tree %d", tree->number);
    int code = json_field_array(object, name, place, &array, error);
    if (code)
        return code;
    if (yyjson_arr_size(array) != (size_t)tree->n)
        return error_set(error, CODE_INVALID, "tree %d: \"%s\" has %zu elements; expected num_nodes = %lld",
                         tree->number, name, yyjson_arr_size(array), (long long)tree->n);
    yyjson_arr_foreach(array, i, n, value) ret[i] = value;
    return OK;
}

static int check_categories(yyjson_val *object, const struct tree *tree, struct error *error)
{
    yyjson_val *nodes = yyjson_obj_get(object, "categories_nodes");
    if (nodes && yyjson_arr_size(nodes) > 0)
        return error_set(error, CODE_UNSUPPORTED, "tree %d: categorical splits are not supported yet",
                         tree->number);
    for (int64_t i = 0; tree->type && i < tree->n; i++) {
        int64_t type;
        if (!json_field_integer(tree->type[i], &type) || type < 0 || type > 1)
            return node_error(tree, i, "\"split_type\" is neither 0 nor 1", error);
        if (type == 1)
            return error_set(error, CODE_UNSUPPORTED,
                             "tree %d node %lld: categorical splits are not supported yet", tree->number,
                             (long long)i);
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
    return check_categories(object, tree, error);
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
    float value;
    *item = (struct forest_item){.feature = -1};
    if (!json_field_integer(tree->left[i], &left))
        return node_error(tree, i, "\"left_children\" is not a whole number", error);
    if (!json_field_float(tree->condition[i], &value) || !isfinite(value))
        return node_error(tree, i,
                          left == -1 ? "the leaf's value is not a finite number"
                                     : "the threshold is not a finite number",
                          error);
    if (!json_field_double(tree->cover[i], &item->cover) || !isfinite(item->cover) || item->cover < 0)
        return node_error(tree, i, "\"sum_hessian\" is not a number of at least 0", error);
    if (!json_field_double(tree->gain[i], &item->gain))
        return node_error(tree, i, "\"loss_changes\" is not a number", error);
    item->value = (double)value;
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

static int read_tree(struct reading *reading, yyjson_val *object, int number, int64_t group,
                     struct error *error)
{
    struct tree tree = {.number = number};
    int code = tree_open(reading, object, &tree, error);
    for (int64_t i = 0; !code && i < tree.n; i++)
        code = read_item(&tree, i, &reading->items[i], error);
    return code ? code : forest_builder_tree(&reading->builder, reading->items, tree.n, group, 1, error);
}

static int read_trees(struct reading *reading, yyjson_val *model, struct error *error)
{
    yyjson_val *trees, *object;
    int code = json_field_array(model, "trees", "gradient_booster.model", &trees, error);
    if (code)
        return code;
    size_t i, n = yyjson_arr_size(trees);
    yyjson_val *groups = yyjson_obj_get(model, "tree_info");
    if (groups && yyjson_arr_size(groups) != n)
        return error_set(error, CODE_INVALID, "\"tree_info\" has %zu elements for %zu trees",
                         yyjson_arr_size(groups), n);
    yyjson_arr_foreach(trees, i, n, object)
    {
        code = read_tree(reading, object, (int)i, 0, error);
        if (code)
            return code;
    }
    return OK;
}

/* "5E-1", or from version 3.1 on "[5E-1]", here without its brackets. */
static int read_base_score(yyjson_val *param, float *ret, struct error *error)
{
    const char *text;
    int code = json_field_text(param, "base_score", "learner_model_param", &text, error);
    if (code)
        return code;
    yyjson_read_err problem;
    yyjson_doc *document = yyjson_read_opts((char *)text, strlen(text), JSON_FIELD_FLAGS, NULL, &problem);
    yyjson_val *value = yyjson_doc_get_root(document);
    bool several = yyjson_arr_size(value) > 1;
    if (yyjson_is_arr(value))
        value = yyjson_arr_get_first(value);
    bool good = json_field_float(value, ret) && isfinite(*ret);
    yyjson_doc_free(document);
    if (several)
        return error_set(error, CODE_UNSUPPORTED,
                         "base_score has several values: multi-target models are not supported");
    return good ? OK : error_set(error, CODE_INVALID, "base_score \"%s\" is not a finite number", text);
}

/* XGBoost keeps base_score after the inverse link; the margin is computed back in float32, as XGBoost does.
 */
static int read_base(yyjson_val *param, const struct objective *objective, double *ret,
                     struct error *error)
{
    float base;
    int code = read_base_score(param, &base, error);
    if (code)
        return code;
    if (objective->logit_base && !(base > 0 && base < 1))
        return error_set(error, CODE_INVALID, "base_score %g of %s is not a probability between 0 and 1",
                         (double)base, objective->name);
    *ret = (double)(objective->logit_base ? -logf(1.0f / base - 1.0f) : base);
    return OK;
}

/* Starts the builder from what the model says beside its trees. */
static int read_param(yyjson_val *learner, const struct objective *objective, struct forest_builder *builder,
                      struct error *error)
{
    yyjson_val *param;
    int64_t classes = 0, targets = 1, features = 0;
    int code = json_field_object(learner, "learner_model_param", "learner", &param, error);
    if (!code && yyjson_obj_get(param, "num_class"))
        code = json_field_count(param, "num_class", "learner_model_param", 0, INT32_MAX, &classes, error);
    if (!code && yyjson_obj_get(param, "num_target"))
        code = json_field_count(param, "num_target", "learner_model_param", 0, INT32_MAX, &targets, error);
    if (!code)
        code =
            json_field_count(param, "num_feature", "learner_model_param", 1, LIMIT_COLUMNS, &features, error);
    if (code)
        return code;
    if (classes > 1 || targets > 1)
        return error_set(error, CODE_UNSUPPORTED, "the model has %lld outputs; Shrike scores models with one",
                         (long long)(classes > targets ? classes : targets));
    double base;
    code = read_base(param, objective, &base, error);
    struct forest_head head = {
        .features = (int)features, .groups = 1, .sum = FOREST_SUM_FLOAT, .link = objective->link};
    return code ? code : forest_builder_init(builder, &head, &base, error);
}

int forest_import_xgboost(yyjson_val *root, struct forest *ret, yyjson_val **ret_names, struct error *error)
{
    yyjson_val *learner, *objective, *booster, *model;
    const char *name;
    int code = json_field_object(root, "learner", "model", &learner, error);
    if (!code)
        code = json_field_object(learner, "gradient_booster", "learner", &booster, error);
    if (!code)
        code = json_field_text(booster, "name", "gradient_booster", &name, error);
    if (code)
        return code;
    if (strcmp(name, "gbtree") != 0)
        return error_set(error, CODE_UNSUPPORTED, "booster \"%s\" is not supported; Shrike scores gbtree",
                         name);
    code = json_field_object(learner, "objective", "learner", &objective, error);
    if (!code)
        code = json_field_text(objective, "name", "objective", &name, error);
    if (code)
        return code;
    const struct objective *known = objective_find(name);
    if (!known)
        return error_set(error, CODE_UNSUPPORTED,
                         "objective \"%s\" is not supported; Shrike scores %s, %s and %s", name,
                         objectives[0].name, objectives[1].name, objectives[2].name);
    code = json_field_object(booster, "model", "gradient_booster", &model, error);
    if (code)
        return code;
    struct reading reading = {0};
    code = read_param(learner, known, &reading.builder, error);
    if (!code)
        code = read_trees(&reading, model, error);
    if (!code)
        code = forest_builder_finish(&reading.builder, ret, error);
    free(reading.cells);
    free(reading.items);
    forest_builder_done(&reading.builder);
    if (code)
        return code;
    *ret_names = yyjson_obj_get(learner, "feature_names");
    return OK;
}
