#include "model/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/memory.h"
#include "model/json_field.h"
#include "model/kind.h"
#include "model/ubjson.h"

int model_init(struct model *model, const struct model_kind *kind, int features, yyjson_val *names,
               struct error *error)
{
    assert(features > 0);
    *model = (struct model){.kind = kind, .references = 1, .features = features, .outputs = 1, .margins = 1};
    if (yyjson_is_null(names))
        names = NULL;
    if (names && !yyjson_is_arr(names))
        return error_set(error, CODE_INVALID, "the model's feature names are not an array");
    if (!names || yyjson_arr_size(names) == 0)
        return OK;
    if (yyjson_arr_size(names) != (size_t)features)
        return error_set(error, CODE_INVALID, "the model has %zu feature names for %d features",
                         yyjson_arr_size(names), features);
    model->names = memory_new((size_t)features, sizeof *model->names);
    if (!model->names)
        return error_set(error, CODE_MEMORY, "no memory for the model's feature names");
    size_t i, n;
    yyjson_val *name;
    yyjson_arr_foreach(names, i, n, name)
    {
        if (!yyjson_is_str(name))
            return error_set(error, CODE_INVALID, "the model's name of feature %zu is not a string", i);
        model->names[i] = memory_text(yyjson_get_str(name), yyjson_get_len(name));
        if (!model->names[i])
            return error_set(error, CODE_MEMORY, "no memory for the model's feature names");
    }
    return OK;
}

void model_done(struct model *model)
{
    for (int i = 0; model->names && i < model->features; i++)
        free(model->names[i]);
    free(model->names);
    model->names = NULL;
}

static int read_root(yyjson_val *root, struct model **ret, struct error *error)
{
    if (yyjson_is_obj(root) && yyjson_obj_get(root, "shrike"))
        return linear_read(root, ret, error);
    if (yyjson_is_obj(root) && yyjson_obj_get(root, "learner"))
        return forest_read(root, ret, error);
    return error_set(
        error, CODE_INVALID,
        "not a model that Shrike reads: expected XGBoost's model (an object with \"learner\") or Shrike's "
        "linear model (an object with \"shrike\")");
}

static int parse_ubjson(const char *data, size_t size, struct model **ret, struct error *error)
{
    struct ubjson document;
    int code = ubjson_read(data, size, &document, error);
    if (code)
        return code;
    code = read_root(document.values, ret, error);
    ubjson_done(&document);
    return code;
}

static int parse_json(const char *data, size_t size, struct model **ret, struct error *error)
{
    yyjson_read_err problem;
    /* Without YYJSON_READ_INSITU the text is copied first and not written to: the const is safe to drop. */
    yyjson_doc *document = yyjson_read_opts((char *)data, size, JSON_FIELD_FLAGS, NULL, &problem);
    if (!document && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return error_set(error, CODE_MEMORY, "no memory to read a model of %zu bytes", size);
    if (!document)
        return error_set(error, CODE_CORRUPT, "the model is not whole JSON: %s at byte %zu of %zu",
                         problem.msg, problem.pos, size);
    int code = read_root(yyjson_doc_get_root(document), ret, error);
    yyjson_doc_free(document);
    return code;
}

int model_parse(const char *data, size_t size, struct model **ret, struct error *error)
{
    if (size > LIMIT_MODEL_BYTES)
        return error_set(error, CODE_LIMIT, "the model has %zu bytes; Shrike reads at most %d", size,
                         LIMIT_MODEL_BYTES);
    if (ubjson_recognise(data, size))
        return parse_ubjson(data, size, ret, error);
    return parse_json(data, size, ret, error);
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
    return model->kind->kernel(model);
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

void model_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    model->kind->predict(model, rows, n, ret_scores);
}

size_t model_explain_scratch(const struct model *model)
{
    return model->kind->explain_scratch(model);
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
