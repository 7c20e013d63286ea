#include "model/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/json_field.h"
#include "model/kind.h"

enum { FORMAT_VERSION = 1 };

struct linear_model {
    struct model face;
    double intercept;
    double *weights, *means,
        *scales; /* scale = 1 / sd, 0 where sd is 0; one block, which starts at weights */
};

static const struct linear_model *of(const struct model *model)
{
    return (const struct linear_model *)model;
}

static double term(const struct linear_model *self, const float *row, int i)
{
    return isnan(row[i]) ? 0 : self->weights[i] * (((double)row[i] - self->means[i]) * self->scales[i]);
}

static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    const struct linear_model *self = of(model);
    for (size_t r = 0; r < n; r++) {
        const float *row = rows + r * (size_t)model->features;
        double margin = self->intercept;
        for (int i = 0; i < model->features; i++)
            margin += term(self, row, i);
        ret_scores[r] = (float)(1 / (1 + exp(-margin)));
    }
}

static void kind_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                         void *scratch)
{
    (void)scratch;
    const struct linear_model *self = of(model);
    for (size_t r = 0; r < n; r++) {
        double *contributions = ret_contributions + r * ((size_t)model->features + 1);
        for (int i = 0; i < model->features; i++)
            contributions[i] = term(self, rows + r * (size_t)model->features, i);
        contributions[model->features] = self->intercept;
    }
}

static void kind_importance(const struct model *model, struct importance *ret)
{
    for (int i = 0; i < model->features; i++) {
        double size = fabs(of(model)->weights[i]);
        ret[i] = (struct importance){size, size, size, size, size};
    }
}

static void kind_free(struct model *model)
{
    struct linear_model *self = (struct linear_model *)model;
    free(self->weights);
    free(self);
}

static const struct model_kind linear_kind = {
    .name = "linear",
    .predict = kind_predict,
    .explain = kind_explain,
    .importance = kind_importance,
    .free = kind_free,
};

static int read_array(yyjson_val *root, const char *name, int n, double *ret, struct error *error)
{
    yyjson_val *array, *value;
    size_t i, size;
    int code = json_field_array(root, name, "linear model", &array, error);
    if (code)
        return code;
    if (yyjson_arr_size(array) != (size_t)n)
        return error_set(error, CODE_INVALID, "linear model: \"%s\" has %zu elements for %d features", name,
                         yyjson_arr_size(array), n);
    yyjson_arr_foreach(array, i, size, value)
    {
        if (!json_field_double(value, &ret[i]) || !isfinite(ret[i]))
            return error_set(error, CODE_INVALID, "linear model: \"%s\" element %zu is not a finite number",
                             name, i);
    }
    return OK;
}

static int read_values(yyjson_val *root, struct linear_model *self, struct error *error)
{
    int n = self->face.features;
    self->weights = memory_new(3 * (size_t)n, sizeof(double));
    if (!self->weights)
        return error_set(error, CODE_MEMORY, "no memory for a linear model");
    self->means = self->weights + n;
    self->scales = self->means + n;
    if (!json_field_double(yyjson_obj_get(root, "intercept"), &self->intercept) || !isfinite(self->intercept))
        return error_set(error, CODE_INVALID, "linear model: \"intercept\" is not a finite number");
    int code = read_array(root, "weights", n, self->weights, error);
    if (!code)
        code = read_array(root, "means", n, self->means, error);
    if (!code)
        code = read_array(root, "sds", n, self->scales, error);
    if (code)
        return code;
    for (int i = 0; i < n; i++) {
        if (self->scales[i] < 0)
            return error_set(error, CODE_INVALID, "linear model: \"sds\" element %d is negative", i);
        self->scales[i] = self->scales[i] > 0 ? 1 / self->scales[i] : 0;
    }
    return OK;
}

int linear_read(yyjson_val *root, struct model **ret, struct error *error)
{
    yyjson_val *names;
    const char *kind;
    int64_t version;
    int code = json_field_text(root, "shrike", "model", &kind, error);
    if (code)
        return code;
    if (strcmp(kind, "linear") != 0)
        return error_set(error, CODE_UNSUPPORTED, "a model of kind \"%s\" is not supported; expected linear",
                         kind);
    code = json_field_count(root, "version", "linear model", 1, INT32_MAX, &version, error);
    if (!code && version > FORMAT_VERSION)
        return error_set(error, CODE_UNSUPPORTED,
                         "linear model of format version %lld; this Shrike reads up to %d",
                         (long long)version, FORMAT_VERSION);
    if (!code)
        code = json_field_array(root, "features", "linear model", &names, error);
    if (code)
        return code;
    size_t n = yyjson_arr_size(names);
    if (n == 0 || n > LIMIT_COLUMNS)
        return error_set(error, n ? CODE_LIMIT : CODE_INVALID, "linear model: %zu features; expected 1 to %d",
                         n, LIMIT_COLUMNS);
    struct linear_model *self = memory_new(1, sizeof *self);
    if (!self)
        return error_set(error, CODE_MEMORY, "no memory for a linear model");
    char **texts = NULL;
    code = model_names_read(names, (int)n, &texts, error);
    model_init(&self->face, &linear_kind, (int)n, texts);
    if (!code)
        code = read_values(root, self, error);
    if (code) {
        model_done(&self->face);
        kind_free(&self->face);
        return code;
    }
    *ret = &self->face;
    return OK;
}

int linear_write(const struct linear *linear, char **ret_data, size_t *ret_size, struct error *error)
{
    size_t n = (size_t)linear->n, size;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document), *names = yyjson_mut_arr(document);
    yyjson_mut_doc_set_root(document, root);
    for (size_t i = 0; i < n; i++)
        yyjson_mut_arr_add_str(document, names, linear->names[i]);
    bool good =
        yyjson_mut_obj_add_str(document, root, "shrike", "linear") &&
        yyjson_mut_obj_add_int(document, root, "version", FORMAT_VERSION) &&
        yyjson_mut_obj_add_val(document, root, "features", names) &&
        yyjson_mut_obj_add_real(document, root, "intercept", linear->intercept) &&
        yyjson_mut_obj_add_val(document, root, "weights",
                               yyjson_mut_arr_with_real(document, linear->weights, n)) &&
        yyjson_mut_obj_add_val(document, root, "means",
                               yyjson_mut_arr_with_real(document, linear->means, n)) &&
        yyjson_mut_obj_add_val(document, root, "sds", yyjson_mut_arr_with_real(document, linear->sds, n));
    char *data = good ? yyjson_mut_write(document, YYJSON_WRITE_PRETTY, &size) : NULL;
    yyjson_mut_doc_free(document);
    if (!data)
        return error_set(error, CODE_MEMORY,
                         "the linear model could not be written: no memory, or a value is not finite");
    *ret_data = data;
    *ret_size = size;
    return OK;
}
