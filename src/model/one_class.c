/*
 * One class of a model of several, as a model with one score: the class's probability, and the contributions
 * to its margin. What the inner model gives of the other classes is computed and left.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/kind.h"

struct one_class {
    struct model face;
    struct model_kind kind; /* called as the inner model's is */
    struct model *inner;
    int class;
};

static const struct one_class *of(const struct model *model)
{
    return (const struct one_class *)model;
}

static const char *kind_kernel(const struct model *model)
{
    return model_kernel(of(model)->inner);
}

static const char *kind_kernel_why(const struct model *model)
{
    return model_kernel_why(of(model)->inner);
}

/* As many rows at a time as have their scores on the stack: at least one. */
static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    const struct one_class *self = of(model);
    float scores[LIMIT_MODEL_OUTPUTS];
    size_t classes = (size_t)model_outputs(self->inner), most = LIMIT_MODEL_OUTPUTS / classes;
    for (size_t from = 0; from < n; from += most) {
        size_t count = n - from < most ? n - from : most;
        model_predict(self->inner, rows + from * (size_t)model->features, count, scores);
        for (size_t r = 0; r < count; r++)
            ret_scores[from + r] = scores[r * classes + (size_t)self->class];
    }
}

/* The contributions of one row to all margins, in front of the inner model's own scratch. */
static size_t row_size(const struct one_class *self)
{
    size_t width = (size_t)self->face.features + 1;
    return ((size_t)model_margins(self->inner) * width * sizeof(double) + 63) / 64 * 64;
}

static size_t kind_explain_scratch(const struct model *model)
{
    return row_size(of(model)) + model_explain_scratch(of(model)->inner);
}

static void kind_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                         void *scratch)
{
    const struct one_class *self = of(model);
    size_t features = (size_t)model->features, width = features + 1;
    const double *own = (const double *)scratch + (size_t)self->class * width;
    for (size_t r = 0; r < n; r++) {
        model_explain(self->inner, rows + r * features, 1, scratch, (char *)scratch + row_size(self));
        memcpy(ret_contributions + r * width, own, width * sizeof *own);
    }
}

static void kind_importance(const struct model *model, struct importance *ret)
{
    model_importance(of(model)->inner, ret);
}

static void kind_free(struct model *model)
{
    struct one_class *self = (struct one_class *)model;
    model_unref(self->inner);
    free(self);
}

/* The inner model's names and categories, once more: a model owns its own. */
static bool copy_features(const struct model *inner, char ***ret_names, bool **ret_categorical)
{
    size_t n = (size_t)inner->features;
    char **names = inner->names ? memory_new(n, sizeof *names) : NULL;
    bool *categorical = inner->categorical ? memory_new(n, sizeof *categorical) : NULL;
    bool good = (names || !inner->names) && (categorical || !inner->categorical);
    for (size_t i = 0; good && names && i < n; i++)
        good = (names[i] = memory_text(inner->names[i], strlen(inner->names[i]))) != NULL;
    if (good && categorical)
        memcpy(categorical, inner->categorical, n * sizeof *categorical);
    if (!good) {
        model_names_free(names, inner->features);
        free(categorical);
        return false;
    }
    *ret_names = names;
    *ret_categorical = categorical;
    return true;
}

static int check_class(const struct model *model, int class, struct error *error)
{
    if (model->margins == 1)
        return error_set(error, CODE_INVALID, "class %d of a model that has one score and no classes", class);
    if (model->outputs == 1)
        return error_set(error, CODE_UNSUPPORTED,
                         "the model answers with the number of the likeliest of its %d classes, and with no "
                         "probability of class %d (multi:softprob gives them)",
                         model->margins, class);
    if (class < 0 || class >= model->outputs)
        return error_set(error, CODE_INVALID, "the model has no class %d; expected 0 to %d", class,
                         model->outputs - 1);
    return OK;
}

int model_of_class(struct model *inner, int class, struct model **ret, struct error *error)
{
    char **names = NULL;
    bool *categorical = NULL;
    int code = check_class(inner, class, error);
    if (code)
        return code;
    struct one_class *self = memory_new(1, sizeof *self);
    if (!self || !copy_features(inner, &names, &categorical)) {
        free(self);
        return error_set(error, CODE_MEMORY, "no memory for a class of the model");
    }
    self->kind = (struct model_kind){.name = model_kind(inner),
                                     .kernel = kind_kernel,
                                     .kernel_why = kind_kernel_why,
                                     .predict = kind_predict,
                                     .explain_scratch = kind_explain_scratch,
                                     .explain = kind_explain,
                                     .importance = kind_importance,
                                     .free = kind_free};
    model_init(&self->face, &self->kind, inner->features, names);
    self->face.categorical = categorical;
    self->face.format = inner->format;
    memcpy(self->face.library, inner->library, sizeof self->face.library);
    self->inner = model_ref(inner);
    self->class = class;
    *ret = &self->face;
    return OK;
}
