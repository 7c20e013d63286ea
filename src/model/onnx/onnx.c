#include "model/onnx/onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/forest/import.h"
#include "model/onnx/graph.h"

struct onnx_model {
    struct model face;
    struct model *trees; /* gives the sums: a forest without base and link */
    struct onnx_graph graph;
    int *order;         /* by input: the column of a row that it is */
    struct arena arena; /* what the graph points to */
};

static const struct onnx_model *of(const struct model *model)
{
    return (const struct onnx_model *)model;
}

static const char *kind_kernel(const struct model *model)
{
    return model_kernel(of(model)->trees);
}

static const char *kind_kernel_why(const struct model *model)
{
    return model_kernel_why(of(model)->trees);
}

/* What the trees take of one row. */
static void prepare(const struct onnx_model *self, const float *row, float *ret)
{
    float slots[LIMIT_MODEL_SLOTS];
    for (int i = 0; i < self->graph.inputs; i++)
        slots[i] = row[self->order[i]];
    onnx_graph_prepare(&self->graph, slots);
    memcpy(ret, slots + self->graph.first, (size_t)self->graph.width * sizeof *ret);
}

static void finish(const struct onnx_model *self, const float *sums, float *ret_scores)
{
    int n = onnx_ensemble_finish(&self->graph.ensemble, sums, ret_scores);
    for (int t = 0; t < self->graph.n_tail; t++) {
        const struct onnx_tail *tail = &self->graph.tail[t];
        for (int i = 0; i < n; i++)
            ret_scores[i] = tail->kind == TAIL_EXP        ? expf(ret_scores[i])
                            : tail->kind == TAIL_MULTIPLY ? ret_scores[i] * tail->operand
                                                          : ret_scores[i] + tail->operand;
    }
}

/* Prepared rows and their sums lie on the stack, so many at a time as fit there. */
static void kind_predict(const struct model *model, const float *rows, size_t n, float *ret_scores)
{
    const struct onnx_model *self = of(model);
    float prepared[LIMIT_MODEL_SLOTS], sums[LIMIT_MODEL_OUTPUTS];
    size_t width = (size_t)self->graph.width, groups = (size_t)self->graph.ensemble.groups;
    size_t features = (size_t)model->features, outputs = (size_t)model->outputs;
    size_t block = LIMIT_MODEL_SLOTS / width, most = LIMIT_MODEL_OUTPUTS / groups;
    block = block < most ? block : most;
    for (size_t from = 0; from < n; from += block) {
        size_t count = n - from < block ? n - from : block;
        for (size_t r = 0; r < count; r++)
            prepare(self, rows + (from + r) * features, prepared + r * width);
        model_predict(self->trees, prepared, count, sums);
        for (size_t r = 0; r < count; r++)
            finish(self, sums + r * groups, ret_scores + (from + r) * outputs);
    }
}

/* The trees' own scratch, behind the contributions of what they take. */
static size_t inner_size(const struct onnx_model *self)
{
    size_t size = (size_t)model_margins(self->trees) * ((size_t)self->graph.width + 1) * sizeof(double);
    return (size + 63) / 64 * 64;
}

static size_t kind_explain_scratch(const struct model *model)
{
    return inner_size(of(model)) + model_explain_scratch(of(model)->trees);
}

/* A prepared column's contribution is that of the input it was made of. The margin is the sum with its base,
 * before post_transform and what follows. */
static void kind_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                         void *scratch)
{
    const struct onnx_model *self = of(model);
    const struct onnx_graph *graph = &self->graph;
    float prepared[LIMIT_MODEL_SLOTS];
    double *inner = scratch;
    size_t features = (size_t)model->features, width = (size_t)graph->width;
    for (size_t r = 0; r < n; r++) {
        prepare(self, rows + r * features, prepared);
        model_explain(self->trees, prepared, 1, inner, (char *)scratch + inner_size(self));
        for (int g = 0; g < graph->ensemble.groups; g++) {
            double *ret =
                ret_contributions + (r * (size_t)graph->ensemble.groups + (size_t)g) * (features + 1);
            const double *of_trees = inner + (size_t)g * (width + 1);
            double divisor = (double)graph->ensemble.divisor;
            memset(ret, 0, (features + 1) * sizeof *ret);
            for (size_t i = 0; i < width; i++)
                ret[self->order[graph->origins[graph->first + (int)i]]] += of_trees[i] / divisor;
            ret[features] = of_trees[width] / divisor + (double)graph->ensemble.base[g];
        }
    }
}

/* Several columns may be of one input. */
static void kind_importance(const struct model *model, struct importance *ret)
{
    const struct onnx_model *self = of(model);
    const struct onnx_graph *graph = &self->graph;
    struct importance inner[LIMIT_COLUMNS];
    model_importance(self->trees, inner);
    memset(ret, 0, (size_t)model->features * sizeof *ret);
    for (int i = 0; i < graph->width; i++) {
        struct importance *feature = &ret[self->order[graph->origins[graph->first + i]]];
        feature->weight += inner[i].weight;
        feature->total_gain += inner[i].total_gain;
        feature->total_cover += inner[i].total_cover;
        if (feature->weight > 0) {
            feature->gain = feature->total_gain / feature->weight;
            feature->cover = feature->total_cover / feature->weight;
        }
    }
}

static void kind_free(struct model *model)
{
    struct onnx_model *self = (struct onnx_model *)model;
    model_unref(self->trees);
    free(self->order);
    free(self->graph.steps);
    free(self->graph.tail);
    free(self->graph.origins);
    arena_done(&self->arena);
    free(self);
}

static const struct model_kind onnx_kind = {
    .name = "forest",
    .kernel = kind_kernel,
    .kernel_why = kind_kernel_why,
    .predict = kind_predict,
    .explain_scratch = kind_explain_scratch,
    .explain = kind_explain,
    .importance = kind_importance,
    .free = kind_free,
};

bool onnx_recognise(const char *data, size_t size)
{
    return size >= 2 && data[0] == 0x08 && (unsigned char)data[1] < 128;
}

static void library_of(const struct onnx *onnx, char *ret, size_t size)
{
    size_t name = wire_size(onnx->producer), version = wire_size(onnx->producer_version);
    if (name && name < size && !memchr(onnx->producer.at, 0, name) &&
        !(version && memchr(onnx->producer_version.at, 0, version)))
        snprintf(ret, size, "%.*s %.*s", (int)name, (const char *)onnx->producer.at,
                 (int)(version < size ? version : 0), version ? (const char *)onnx->producer_version.at : "");
}

static int fill_order(struct onnx_model *self, const struct model_columns *columns, struct error *error)
{
    int n = self->graph.inputs, code = model_order(self->graph.names, n, columns, &self->order, error);
    if (code)
        return code;
    if (!self->order) {
        self->order = memory_new((size_t)n, sizeof *self->order);
        for (int i = 0; self->order && i < n; i++)
            self->order[i] = i;
    } else if (!model_names_sort(self->graph.names, n, self->order)) {
        return error_set(error, CODE_MEMORY, "no memory to read an ONNX model");
    }
    return self->order ? OK : error_set(error, CODE_MEMORY, "no memory to read an ONNX model");
}

static int read_parts(struct onnx_model *self, const char *data, size_t size,
                      const struct model_columns *columns, struct error *error)
{
    struct onnx onnx;
    struct forest forest = {0};
    int code = onnx_parse(data, size, &self->arena, &onnx, error);
    if (!code)
        code = onnx_graph_read(&onnx, &self->arena, &self->graph, &forest, error);
    if (!code)
        code = fill_order(self, columns, error);
    if (!code)
        code = forest_model_new(&forest, NULL, NULL, &self->trees, error);
    forest_done(&forest);
    if (code)
        return code;
    model_init(&self->face, &onnx_kind, self->graph.inputs, self->graph.names);
    self->graph.names = NULL;
    self->face.outputs = self->face.margins = self->graph.ensemble.groups;
    library_of(&onnx, self->face.library, sizeof self->face.library);
    return OK;
}

int onnx_read(const char *data, size_t size, const struct model_columns *columns, struct model **ret,
              struct error *error)
{
    struct onnx_model *self = memory_new(1, sizeof *self);
    if (!self)
        return error_set(error, CODE_MEMORY, "no memory to read an ONNX model");
    int code = read_parts(self, data, size, columns, error);
    if (code) {
        model_names_free(self->graph.names, self->graph.inputs);
        kind_free(&self->face);
        return code;
    }
    *ret = &self->face;
    return OK;
}
