#include "model/forest/forest.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/kind.h"

/* The kind "forest": the trained model and, beside it, the engine that was chosen to score it. */
struct forest_model {
    struct model face;
    struct forest forest;
    struct forest_engine engine;
};

static const struct forest_model *of(const struct model *model)
{
    return (const struct forest_model *)model;
}

static const char *kind_kernel(const struct model *model)
{
    return of(model)->engine.name;
}

static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    const struct forest_model *self = of(model);
    self->engine.predict(&self->forest, self->engine.compiled, rows, n, ret_scores);
}

static size_t kind_explain_scratch(const struct model *model)
{
    return forest_shap_scratch(&of(model)->forest);
}

static void kind_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                         void *scratch)
{
    forest_shap(&of(model)->forest, rows, n, ret_contributions, scratch);
}

static void kind_importance(const struct model *model, struct importance *ret)
{
    forest_importance(&of(model)->forest, ret);
}

static void kind_free(struct model *model)
{
    struct forest_model *self = (struct forest_model *)model;
    forest_done(&self->forest);
    free(self);
}

static const struct model_kind forest_kind = {
    .name = "forest",
    .kernel = kind_kernel,
    .predict = kind_predict,
    .explain_scratch = kind_explain_scratch,
    .explain = kind_explain,
    .importance = kind_importance,
    .free = kind_free,
};

int forest_read(yyjson_val *root, struct model **ret, struct error *error)
{
    struct forest_model *self = memory_new(1, sizeof *self);
    if (!self)
        return error_set(error, CODE_MEMORY, "no memory for a forest");
    yyjson_val *names;
    int code = forest_read_xgboost(root, &self->forest, &names, error);
    if (!code)
        code = model_init(&self->face, &forest_kind, self->forest.features, names, error);
    if (code) {
        model_done(&self->face);
        forest_done(&self->forest);
        free(self);
        return code;
    }
    self->engine = (struct forest_engine){.name = "scalar", .predict = forest_scalar_predict};
    *ret = &self->face;
    return OK;
}

void forest_done(struct forest *forest)
{
    free(forest->roots);
    free(forest->nodes);
    free(forest->cover);
    free(forest->gain);
    *forest = (struct forest){0};
}

/* A feature that splits nowhere has 0 everywhere. */
void forest_importance(const struct forest *forest, struct importance *ret)
{
    for (int f = 0; f < forest->features; f++)
        ret[f] = (struct importance){0};
    for (int32_t i = 0; i < forest->roots[forest->trees]; i++)
        if (forest->nodes[i].feature != FOREST_LEAF) {
            struct importance *feature = &ret[forest->nodes[i].feature];
            feature->gain += forest->gain[i];
            feature->cover += forest->cover[i];
            feature->weight++;
        }
    for (int f = 0; f < forest->features; f++)
        if (ret[f].weight > 0) {
            ret[f].gain /= ret[f].weight;
            ret[f].cover /= ret[f].weight;
        }
}
