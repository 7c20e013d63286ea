/*
 * XGBoost's linear booster.
 *
 *   margin = (bias + base) + sum of x * weight, feature after feature in float32; the link makes the score
 *
 * A missing value adds nothing. The base is that of the first output for all of them: so the library adds it
 * (3.1 to 3.4 estimate one for each class, and predict with the first). The document has one list, `weights`:
 * for each feature one weight per output, then the biases.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/json_field.h"
#include "model/kind.h"

struct gblinear {
    struct model face;
    struct forest_head head; /* groups and link */
    float *weights;          /* features x groups */
    float *starts;           /* by group: bias + base; one block, which starts at weights */
    int *columns; /* by feature of the file: where a row has it; the order of a sum is the file's */
};

static const struct gblinear *of(const struct model *model)
{
    return (const struct gblinear *)model;
}

static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    const struct gblinear *self = of(model);
    double margins[LIMIT_MODEL_OUTPUTS];
    int groups = self->head.groups;
    for (size_t r = 0; r < n; r++) {
        const float *row = rows + r * (size_t)model->features;
        for (int g = 0; g < groups; g++) {
            float sum = self->starts[g];
            for (int f = 0; f < model->features; f++)
                if (!isnan(row[self->columns[f]]))
                    sum += row[self->columns[f]] * self->weights[f * groups + g];
            margins[g] = (double)sum;
        }
        forest_apply_link(&self->head, margins, 1, ret_scores + r * (size_t)model->outputs);
    }
}

static void kind_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                         void *scratch)
{
    (void)scratch;
    const struct gblinear *self = of(model);
    int groups = self->head.groups, features = model->features;
    for (size_t r = 0; r < n; r++) {
        const float *row = rows + r * (size_t)features;
        for (int g = 0; g < groups; g++) {
            double *ret = ret_contributions + (r * (size_t)groups + (size_t)g) * ((size_t)features + 1);
            for (int f = 0; f < features; f++) {
                float x = row[self->columns[f]];
                ret[self->columns[f]] = isnan(x) ? 0 : (double)x * (double)self->weights[f * groups + g];
            }
            ret[features] = (double)self->starts[g];
        }
    }
}

/* The mean size of a feature's weights. */
static void kind_importance(const struct model *model, struct importance *ret)
{
    const struct gblinear *self = of(model);
    int groups = self->head.groups;
    for (int f = 0; f < model->features; f++) {
        double size = 0;
        for (int g = 0; g < groups; g++)
            size += fabs((double)self->weights[f * groups + g]) / groups;
        ret[self->columns[f]] = (struct importance){size, size, size, size, size};
    }
}

static void kind_free(struct model *model)
{
    struct gblinear *self = (struct gblinear *)model;
    free(self->weights);
    free(self->columns);
    free(self);
}

static const struct model_kind gblinear_kind = {
    .name = "linear",
    .predict = kind_predict,
    .explain = kind_explain,
    .importance = kind_importance,
    .free = kind_free,
};

static int read_weights(const struct xgboost_learner *learner, struct gblinear *self, struct error *error)
{
    yyjson_val *model, *array, *value;
    size_t i, size, groups = (size_t)learner->head.groups, features = (size_t)learner->head.features;
    int code = json_field_object(learner->booster, "model", "gradient_booster", &model, error);
    if (!code)
        code = json_field_array(model, "weights", "gradient_booster.model", &array, error);
    if (code)
        return code;
    if (yyjson_arr_size(array) != (features + 1) * groups)
        return error_set(error, CODE_INVALID,
                         "\"weights\" has %zu elements; %zu features, a bias and %zu outputs take %zu",
                         yyjson_arr_size(array), features, groups, (features + 1) * groups);
    self->weights = memory_new((features + 1) * groups, sizeof *self->weights);
    if (!self->weights)
        return error_set(error, CODE_MEMORY, "no memory for a linear model");
    self->starts = self->weights + features * groups;
    yyjson_arr_foreach(array, i, size, value)
    {
        if (!json_field_float(value, &self->weights[i]) || !isfinite(self->weights[i]))
            return error_set(error, CODE_INVALID, "\"weights\" element %zu is not a finite number", i);
    }
    for (size_t g = 0; g < groups; g++)
        self->starts[g] += (float)learner->base[0];
    return OK;
}

static int fill_columns(struct gblinear *self, int features, const int *order, struct error *error)
{
    self->columns = memory_new((size_t)features, sizeof *self->columns);
    for (int f = 0; self->columns && f < features; f++)
        self->columns[f] = order ? order[f] : f;
    return self->columns ? OK : error_set(error, CODE_MEMORY, "no memory for a linear model");
}

int gblinear_read(const struct xgboost_learner *learner, char **names, const int *order, struct model **ret,
                  struct error *error)
{
    int features = learner->head.features;
    struct gblinear *self = memory_new(1, sizeof *self);
    if (!self)
        return error_set(error, CODE_MEMORY, "no memory for a linear model");
    int code = fill_columns(self, features, order, error);
    if (!code)
        code = read_weights(learner, self, error);
    if (!code && !model_names_sort(names, features, order))
        code = error_set(error, CODE_MEMORY, "no memory for a linear model");
    if (code) {
        kind_free(&self->face);
        return code;
    }
    model_init(&self->face, &gblinear_kind, features, names);
    self->head = learner->head;
    self->face.margins = learner->head.groups;
    self->face.outputs = learner->head.link == FOREST_ARGMAX ? 1 : learner->head.groups;
    *ret = &self->face;
    return OK;
}
