#include "model/forest/forest.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/import.h"
#include "model/kind.h"

/* The kind "forest". */
struct forest_model {
    struct model face;
    struct forest forest;
};

static const struct forest_model *of(const struct model *model)
{
    return (const struct forest_model *)model;
}

static const char *kind_kernel(const struct model *model)
{
    (void)model;
    return "scalar";
}

/* The margins of a block of rows lie on the stack: at least one row, as LIMIT_MODEL_OUTPUTS fit. */
static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    const struct forest *forest = &of(model)->forest;
    double margins[LIMIT_MODEL_OUTPUTS];
    size_t groups = (size_t)forest->head.groups, block = LIMIT_MODEL_OUTPUTS / groups;
    size_t outputs = (size_t)forest_outputs(forest), width = (size_t)forest->head.features;
    block = block < 64 ? block : 64;
    for (size_t from = 0; from < n; from += block) {
        size_t count = n - from < block ? n - from : block;
        forest_margins(forest, rows + from * width, count, margins);
        forest_apply_link(&forest->head, margins, count, ret_scores + from * outputs);
    }
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
    if (!self || !find_categorical(forest, &categorical) ||
        !model_names_sort(names, forest->head.features, order)) {
        free(categorical);
        free(self);
        return error_set(error, CODE_MEMORY, "no memory for a forest");
    }
    model_init(&self->face, &forest_kind, forest->head.features, names);
    self->face.categorical = categorical;
    self->face.outputs = forest_outputs(forest);
    self->face.margins = forest->head.groups;
    self->forest = *forest;
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
            feature->gain += forest->gain[i];
            feature->cover += forest->cover[i];
            feature->weight++;
        }
    for (int f = 0; f < forest->head.features; f++)
        if (ret[f].weight > 0) {
            ret[f].gain /= ret[f].weight;
            ret[f].cover /= ret[f].weight;
        }
}
