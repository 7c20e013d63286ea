#include "model/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/import.h"
#include "model/json_field.h"
#include "model/kind.h"
#include "model/onnx/onnx.h"
#include "model/ubjson.h"

void model_init(struct model *model, const struct model_kind *kind, int features, char **names)
{
    assert(features > 0);
    *model = (struct model){
        .kind = kind, .references = 1, .features = features, .outputs = 1, .margins = 1, .names = names};
}

void model_done(struct model *model)
{
    model_names_free(model->names, model->features);
    free(model->categorical);
    model->names = NULL;
    model->categorical = NULL;
}

int model_names_read(yyjson_val *names, int features, char ***ret, struct error *error)
{
    if (yyjson_is_null(names))
        names = NULL;
    if (names && !yyjson_is_arr(names))
        return error_set(error, CODE_INVALID, "the model's feature names are not an array");
    if (!names || yyjson_arr_size(names) == 0) {
        *ret = NULL;
        return OK;
    }
    if (yyjson_arr_size(names) != (size_t)features)
        return error_set(error, CODE_INVALID, "the model has %zu feature names for %d features",
                         yyjson_arr_size(names), features);
    char **copies = memory_new((size_t)features, sizeof *copies);
    int code = copies ? OK : error_set(error, CODE_MEMORY, "no memory for the model's feature names");
    size_t i, n;
    yyjson_val *name;
    yyjson_arr_foreach(names, i, n, name)
    {
        if (!code && !yyjson_is_str(name))
            code = error_set(error, CODE_INVALID, "the model's name of feature %zu is not a string", i);
        if (!code && !(copies[i] = memory_text(yyjson_get_str(name), yyjson_get_len(name))))
            code = error_set(error, CODE_MEMORY, "no memory for the model's feature names");
    }
    if (code)
        model_names_free(copies, features);
    else
        *ret = copies;
    return code;
}

void model_names_free(char **names, int features)
{
    for (int i = 0; names && i < features; i++)
        free(names[i]);
    free(names);
}

static const struct model_format xgboost_json = {"XGBoost JSON", "xgboost", "model.json"},
                                 xgboost_ubjson = {"XGBoost UBJSON", "xgboost", "model.ubj"},
                                 lightgbm_text = {"LightGBM text", "lightgbm", "model.txt"},
                                 onnx_trees = {"ONNX", "onnx", "model.onnx"},
                                 own_linear = {"Shrike linear", "linear", "model.json"};

static int read_xgboost(yyjson_val *root, const struct model_columns *columns, struct model **ret,
                        struct error *error)
{
    struct xgboost_learner learner;
    char **names = NULL;
    int *order = NULL, code = xgboost_learner_read(root, &learner, error);
    if (code)
        return code;
    code = model_names_read(learner.names, learner.head.features, &names, error);
    if (!code)
        code = model_order(names, learner.head.features, columns, &order, error);
    if (!code && strcmp(learner.booster_name, "gblinear") == 0)
        code = gblinear_read(&learner, names, order, ret, error);
    else if (!code)
        code = forest_read_xgboost(&learner, names, order, ret, error);
    if (code)
        model_names_free(names, learner.head.features);
    else
        snprintf((*ret)->library, sizeof(*ret)->library, "%s", learner.version);
    free(order);
    xgboost_learner_done(&learner);
    return code;
}

/* `xgboost`: the format that an XGBoost document came in. */
static int read_root(yyjson_val *root, const struct model_format *xgboost,
                     const struct model_columns *columns, struct model **ret, struct error *error)
{
    bool own = yyjson_is_obj(root) && yyjson_obj_get(root, "shrike");
    int code;
    if (own)
        code = linear_read(root, ret, error);
    else if (yyjson_is_obj(root) && yyjson_obj_get(root, "learner"))
        code = read_xgboost(root, columns, ret, error);
    else
        return error_set(error, CODE_INVALID,
                         "not a model that Shrike reads: expected XGBoost's model (an object with "
                         "\"learner\") or Shrike's "
                         "linear model (an object with \"shrike\")");
    if (!code)
        (*ret)->format = own ? &own_linear : xgboost;
    return code;
}

static int parse_ubjson(const char *data, size_t size, const struct model_columns *columns,
                        struct model **ret, struct error *error)
{
    struct ubjson document;
    int code = ubjson_read(data, size, &document, error);
    if (code)
        return code;
    code = read_root(document.values, &xgboost_ubjson, columns, ret, error);
    ubjson_done(&document);
    return code;
}

static int parse_json(const char *data, size_t size, const struct model_columns *columns, struct model **ret,
                      struct error *error)
{
    yyjson_read_err problem;
    /* Without YYJSON_READ_INSITU the text is copied first and not written to: the const is safe to drop. */
    yyjson_doc *document = yyjson_read_opts((char *)data, size, JSON_FIELD_FLAGS, NULL, &problem);
    if (!document && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return error_set(error, CODE_MEMORY, "no memory to read a model of %zu bytes", size);
    if (!document)
        return error_set(error, CODE_CORRUPT, "the model is not whole JSON: %s at byte %zu of %zu",
                         problem.msg, problem.pos, size);
    int code = read_root(yyjson_doc_get_root(document), &xgboost_json, columns, ret, error);
    yyjson_doc_free(document);
    return code;
}

static int parse_lightgbm(const char *data, size_t size, const struct model_columns *columns,
                          struct model **ret, struct error *error)
{
    struct forest forest = {0};
    char **names;
    int *order = NULL, code = forest_import_lightgbm(data, size, &forest, &names, error);
    if (code)
        return code;
    int features = forest.head.features;
    code = model_order(names, features, columns, &order, error);
    if (!code)
        code = forest_model_new(&forest, names, order, ret, error);
    if (code)
        model_names_free(names, features);
    else
        (*ret)->format = &lightgbm_text;
    free(order);
    forest_done(&forest);
    return code;
}

int model_parse_for(const char *data, size_t size, const char *const *columns, int n, struct model **ret,
                    struct error *error)
{
    struct model_columns wanted = {.names = columns, .n = n};
    if (size > LIMIT_MODEL_BYTES)
        return error_set(error, CODE_LIMIT, "the model has %zu bytes; Shrike reads at most %d", size,
                         LIMIT_MODEL_BYTES);
    if (ubjson_recognise(data, size))
        return parse_ubjson(data, size, &wanted, ret, error);
    if (forest_recognise_lightgbm(data, size))
        return parse_lightgbm(data, size, &wanted, ret, error);
    if (onnx_recognise(data, size)) {
        int code = onnx_read(data, size, &wanted, ret, error);
        if (!code)
            (*ret)->format = &onnx_trees;
        return code;
    }
    return parse_json(data, size, &wanted, ret, error);
}

int model_parse(const char *data, size_t size, struct model **ret, struct error *error)
{
    return model_parse_for(data, size, NULL, 0, ret, error);
}

int model_load(const char *path, struct model **ret, struct error *error)
{
    char *data;
    size_t size;
    int code = file_read(path, LIMIT_MODEL_BYTES, &data, &size, error);
    if (code)
        return code;
    code = model_parse(data, size, ret, error);
    if (code)
        error_at(error, path, 0, 0);
    free(data);
    return code;
}

struct model *model_ref(struct model *model)
{
    __atomic_add_fetch(&model->references, 1, __ATOMIC_RELAXED);
    return model;
}

void model_unref(struct model *model)
{
    if (!model || __atomic_sub_fetch(&model->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    model_done(model);
    model->kind->free(model);
}

const char *model_kind(const struct model *model)
{
    return model->kind->name;
}

const char *model_kernel(const struct model *model)
{
    return model->kind->kernel ? model->kind->kernel(model) : "scalar";
}

const struct model_format *model_format(const struct model *model)
{
    return model->format;
}

const char *model_library_version(const struct model *model)
{
    return model->library;
}

const char *model_kernel_why(const struct model *model)
{
    return model->kind->kernel_why ? model->kind->kernel_why(model) : "linear models have one kernel";
}

int model_features(const struct model *model)
{
    return model->features;
}

int model_outputs(const struct model *model)
{
    return model->outputs;
}

int model_margins(const struct model *model)
{
    return model->margins;
}

const char *model_feature_name(const struct model *model, int i)
{
    assert(i >= 0 && i < model->features);
    return model->names ? model->names[i] : NULL;
}

bool model_feature_categorical(const struct model *model, int i)
{
    assert(i >= 0 && i < model->features);
    return model->categorical && model->categorical[i];
}

void model_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    model->kind->predict(model, rows, n, ret_scores);
}

/* Rows of a task, a whole chunk of a forest's kernels; a batch is spread from TASK_ROWS_LEAST on. With fewer
 * rows the batch is done before a thread that sleeps has woken. */
enum { TASK_ROWS = 256, TASK_ROWS_LEAST = 1024 };

struct spread {
    const struct model *model;
    const float *rows;
    size_t n;
    float *scores;
};

static void predict_task(void *context, int task)
{
    const struct spread *spread = context;
    size_t from = (size_t)task * TASK_ROWS, left = spread->n - from;
    model_predict(spread->model, spread->rows + from * (size_t)spread->model->features,
                  left < TASK_ROWS ? left : TASK_ROWS,
                  spread->scores + from * (size_t)spread->model->outputs);
}

void model_predict_spread(const struct model *model, struct parallel *pool, const float *rows, size_t n,
                          float *ret_scores)
{
    struct spread spread = {model, rows, n, ret_scores};
    if (n < TASK_ROWS_LEAST || parallel_threads(pool) == 1)
        model_predict(model, rows, n, ret_scores);
    else
        parallel_for(pool, (int)((n + TASK_ROWS - 1) / TASK_ROWS), predict_task, &spread);
}

size_t model_explain_scratch(const struct model *model)
{
    return model->kind->explain_scratch ? model->kind->explain_scratch(model) : 0;
}

void model_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                   void *scratch)
{
    model->kind->explain(model, rows, n, ret_contributions, scratch);
}

void model_importance(const struct model *model, struct importance *ret)
{
    model->kind->importance(model, ret);
}
