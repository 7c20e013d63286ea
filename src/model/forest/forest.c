#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/forest/engine.h"
#include "model/forest/import.h"
#include "model/kind.h"

/* The kind "forest": the trained model, without what nobody asks it any more, and beside it what scores and
 * explains. */
struct forest_model {
    struct model face;
    struct forest forest;
    struct forest_engine engine;
    struct shap_plan shap;
    struct importance *importance; /* by feature */
};

static const struct forest_model *of(const struct model *model)
{
    return (const struct forest_model *)model;
}

static const char *kind_kernel(const struct model *model)
{
    return forest_engine_name(&of(model)->engine);
}

static const char *kind_kernel_why(const struct model *model)
{
    return of(model)->engine.why;
}

static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    forest_engine_predict(&of(model)->engine, rows, n, ret_scores);
}

static size_t kind_explain_scratch(const struct model *model)
{
    return shap_scratch(&of(model)->shap);
}

static void kind_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                         void *scratch)
{
    of(model)->engine.explain(&of(model)->shap, rows, n, ret_contributions, scratch);
}

static void kind_importance(const struct model *model, struct importance *ret)
{
    memcpy(ret, of(model)->importance, (size_t)model->features * sizeof *ret);
}

static void compiled_done(struct forest_model *self)
{
    forest_engine_done(&self->engine);
    shap_plan_done(&self->shap);
    free(self->importance);
}

static void kind_free(struct model *model)
{
    struct forest_model *self = (struct forest_model *)model;
    compiled_done(self);
    forest_done(&self->forest);
    free(self);
}

static const struct model_kind forest_kind = {
    .name = "forest",
    .kernel = kind_kernel,
    .kernel_why = kind_kernel_why,
    .predict = kind_predict,
    .explain_scratch = kind_explain_scratch,
    .explain = kind_explain,
    .importance = kind_importance,
    .free = kind_free,
};

/* By feature, whether a split asks for its category; *ret is NULL where none does. False: no memory. */
static bool find_categorical(const struct forest *forest, bool **ret)
{
    bool *flags = forest->sets ? memory_new((size_t)forest->head.features, sizeof *flags) : NULL;
    for (int32_t i = 0; flags && i < forest->roots[forest->trees]; i++)
        if (forest->nodes[i].test == FOREST_MEMBER)
            flags[forest->nodes[i].feature] = true;
    *ret = flags;
    return flags || !forest->sets;
}

/* Compiles the forest where it stays, since what is compiled refers to it. */
static int compile(struct forest_model *self, struct error *error)
{
    const struct forest *forest = &self->forest;
    int code = forest_engine_init(&self->engine, forest, error);
    if (!code)
        code = shap_plan_init(&self->shap, forest, error);
    if (code)
        return code;
    self->importance = memory_new((size_t)forest->head.features, sizeof *self->importance);
    if (!self->importance)
        return error_set(error, CODE_MEMORY, "no memory for a forest");
    forest_importance(forest, self->importance);
    return OK;
}

/* Half of a forest's memory: the engine has the leaves' values too, and the rest is in shares and sums. */
static void give_back(struct forest_model *self)
{
    struct forest *forest = &self->forest;
    free(forest->cover);
    free(forest->gain);
    forest->cover = forest->gain = NULL;
    if (!self->engine.kernel)
        return;
    free(forest->values);
    forest->values = NULL;
}

int forest_read_xgboost(const struct xgboost_learner *learner, char **names, const int *order,
                        struct model **ret, struct error *error)
{
    struct forest forest = {0};
    int code = forest_import_xgboost(learner, &forest, error);
    if (!code)
        code = forest_model_new(&forest, names, order, ret, error);
    forest_done(&forest);
    return code;
}

int forest_model_new(struct forest *forest, char **names, const int *order, struct model **ret,
                     struct error *error)
{
    bool *categorical = NULL;
    struct forest_model *self = memory_new(1, sizeof *self);
    for (int32_t i = 0; order && i < forest->roots[forest->trees]; i++)
        if (forest->nodes[i].test != FOREST_LEAF)
            forest->nodes[i].feature = order[forest->nodes[i].feature];
    if (!self || !find_categorical(forest, &categorical)) {
        free(self);
        return error_set(error, CODE_MEMORY, "no memory for a forest");
    }
    self->forest = *forest;
    int code = compile(self, error);
    if (!code && !model_names_sort(names, forest->head.features, order))
        code = error_set(error, CODE_MEMORY, "no memory for the model's feature names");
    if (code) {
        compiled_done(self);
        free(categorical);
        free(self);
        return code;
    }
    give_back(self);
    model_init(&self->face, &forest_kind, forest->head.features, names);
    self->face.categorical = categorical;
    self->face.outputs = forest_outputs(forest);
    self->face.margins = forest->head.groups;
    *forest = (struct forest){0};
    *ret = &self->face;
    return OK;
}

void forest_done(struct forest *forest)
{
    free(forest->roots);
    free(forest->groups);
    free(forest->base);
    free(forest->expected);
    free(forest->nodes);
    free(forest->values);
    free(forest->cover);
    free(forest->gain);
    free(forest->set_starts);
    free(forest->set_words);
    *forest = (struct forest){0};
}

/* A feature that splits nowhere has 0 everywhere. */
void forest_importance(const struct forest *forest, struct importance *ret)
{
    for (int f = 0; f < forest->head.features; f++)
        ret[f] = (struct importance){0};
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++)
        if (forest->nodes[i].test != FOREST_LEAF) {
            struct importance *feature = &ret[forest->nodes[i].feature];
            feature->total_gain += forest->gain[i];
            feature->total_cover += forest->cover[i];
            feature->weight++;
        }
    for (int f = 0; f < forest->head.features; f++)
        if (ret[f].weight > 0) {
            ret[f].gain = ret[f].total_gain / ret[f].weight;
            ret[f].cover = ret[f].total_cover / ret[f].weight;
        }
}
