#include "model/onnx/graph.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/kind.h"

/* What a name of the graph stands for. */
enum meaning { MEANS_COLUMNS, MEANS_CONSTANT, MEANS_SCORES, MEANS_LABELS };

struct value {
    struct wire name;
    enum meaning meaning;
    int first, width; /* of columns */
    const struct onnx_tensor *tensor;
    int tail; /* of scores: how many steps of the tail made them */
};

struct building {
    struct arena *arena;
    struct onnx_graph graph;
    struct forest *forest;
    struct value *values;
    size_t n_values, value_capacity, step_capacity, tail_capacity, origin_capacity;
    bool has_trees;
};

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory to read an ONNX model");
}

static const char *text_of(struct wire wire, char *buffer, size_t size)
{
    size_t n = wire_size(wire) < size - 1 ? wire_size(wire) : size - 1;
    if (n)
        memcpy(buffer, wire.at, n);
    buffer[n] = 0;
    return buffer;
}

static int refuse(const struct onnx_node *node, const char *why, struct error *error)
{
    char op[64];
    return error_set(error, CODE_UNSUPPORTED, "operator %s %s", text_of(node->op, op, sizeof op), why);
}

static int broken(const struct onnx_node *node, const char *what, struct error *error)
{
    char op[64];
    return error_set(error, CODE_INVALID, "operator %s: %s", text_of(node->op, op, sizeof op), what);
}

static bool same(struct wire a, struct wire b)
{
    return wire_size(a) == wire_size(b) && (!wire_size(a) || memcmp(a.at, b.at, wire_size(a)) == 0);
}

static struct value *find_value(const struct building *building, struct wire name)
{
    for (size_t i = 0; i < building->n_values; i++)
        if (same(building->values[i].name, name))
            return &building->values[i];
    return NULL;
}

static int add_value(struct building *building, struct value value, struct error *error)
{
    char name[64];
    if (find_value(building, value.name))
        return error_set(error, CODE_INVALID, "the graph gives \"%s\" twice",
                         text_of(value.name, name, sizeof name));
    if (!memory_grow(&building->values, &building->value_capacity, building->n_values + 1,
                     sizeof *building->values))
        return no_memory(error);
    building->values[building->n_values++] = value;
    return OK;
}

/* New slots at the end of a row; `origin`: the inputs that they are made of, one per slot. */
static int add_slots(struct building *building, int width, const int *origin, int *ret, struct error *error)
{
    struct onnx_graph *graph = &building->graph;
    if (width > LIMIT_MODEL_SLOTS - graph->slots)
        return error_set(error, CODE_LIMIT, "the steps before the trees make more than %d values of a row",
                         LIMIT_MODEL_SLOTS);
    size_t total = (size_t)graph->slots + (size_t)width;
    int offset = origin ? (int)(origin - graph->origins) : -1; /* it may point into what moves now */
    if (!memory_grow(&graph->origins, &building->origin_capacity, total, sizeof *graph->origins))
        return no_memory(error);
    for (int i = 0; i < width; i++)
        graph->origins[graph->slots + i] = offset < 0 ? graph->slots + i : graph->origins[offset + i];
    *ret = graph->slots;
    graph->slots += width;
    return OK;
}

static int add_step(struct building *building, struct onnx_step step, struct error *error)
{
    struct onnx_graph *graph = &building->graph;
    if (graph->n_steps == LIMIT_MODEL_SLOTS)
        return error_set(error, CODE_LIMIT, "more than %d steps before the trees", LIMIT_MODEL_SLOTS);
    if (!memory_grow(&graph->steps, &building->step_capacity, (size_t)graph->n_steps + 1,
                     sizeof *graph->steps))
        return no_memory(error);
    graph->steps[graph->n_steps++] = step;
    return OK;
}

/* ---- inputs ---- */

static int take_input(struct building *building, const struct onnx_value *input, struct error *error)
{
    char name[64];
    bool number = input->type == ONNX_FLOAT || input->type == ONNX_INT32 || input->type == ONNX_INT64 ||
                  input->type == ONNX_BOOL;
    int first;
    text_of(input->name, name, sizeof name);
    if (!number)
        return error_set(error, CODE_UNSUPPORTED,
                         "input \"%s\" has elements of type %lld; expected float, int32, int64 or bool", name,
                         (long long)input->type);
    if (input->dimensions != 2 || input->width < 1)
        return error_set(error, CODE_UNSUPPORTED,
                         "input \"%s\" has no known number of columns; expected the shape [rows, columns]",
                         name);
    if (input->width > LIMIT_COLUMNS - building->graph.inputs)
        return error_set(error, CODE_LIMIT, "the model has more than %d features", LIMIT_COLUMNS);
    int code = add_slots(building, (int)input->width, NULL, &first, error);
    if (code)
        return code;
    building->graph.inputs += (int)input->width;
    return add_value(building,
                     (struct value){.name = input->name, .first = first, .width = (int)input->width}, error);
}

/* One column each: the names of the inputs are those of the features. */
static int take_names(struct building *building, const struct onnx *onnx, struct error *error)
{
    struct onnx_graph *graph = &building->graph;
    if (graph->inputs < 2 || (size_t)graph->inputs != building->n_values)
        return OK;
    graph->names = memory_new((size_t)graph->inputs, sizeof *graph->names);
    if (!graph->names)
        return no_memory(error);
    for (int i = 0; i < graph->inputs; i++) {
        struct wire name = building->values[i].name;
        if (memchr(name.at, 0, wire_size(name)))
            return error_set(error, CODE_INVALID, "the name of input %d has a zero byte", i);
        if (!(graph->names[i] = memory_text((const char *)name.at, wire_size(name))))
            return no_memory(error);
    }
    (void)onnx;
    return OK;
}

static const struct onnx_tensor *find_tensor(const struct onnx *onnx, struct wire name)
{
    for (int i = 0; i < onnx->n_tensors; i++)
        if (same(onnx->tensors[i].name, name))
            return &onnx->tensors[i];
    return NULL;
}

static int take_inputs(struct building *building, const struct onnx *onnx, struct error *error)
{
    int code = OK;
    for (int i = 0; i < onnx->n_inputs && !code; i++)
        if (!find_tensor(onnx, onnx->inputs[i].name)) /* old files list initializers as inputs too */
            code = take_input(building, &onnx->inputs[i], error);
    if (!code && !building->graph.inputs)
        code = error_set(error, CODE_INVALID, "the graph has no input");
    if (!code)
        code = take_names(building, onnx, error);
    for (int i = 0; i < onnx->n_tensors && !code; i++)
        code = add_value(building,
                         (struct value){.name = onnx->tensors[i].name,
                                        .meaning = MEANS_CONSTANT,
                                        .tensor = &onnx->tensors[i]},
                         error);
    return code;
}

/* ---- before the ensemble ---- */

/* `n` values as `width` ones: they are as many, or one for all. */
static int spread(struct building *building, const struct onnx_node *node, const float *values, size_t n,
                  int width, const float **ret, struct error *error)
{
    if (n == (size_t)width) {
        *ret = values;
        return OK;
    }
    if (n != 1)
        return broken(node, "its constants are not one for each column", error);
    float *copies = arena_new(building->arena, (size_t)width, sizeof *copies);
    if (!copies)
        return no_memory(error);
    for (int i = 0; i < width; i++)
        copies[i] = values[0];
    *ret = copies;
    return OK;
}

static int attribute_of(struct building *building, const struct onnx_node *node, const char *name, int width,
                        const float **ret, struct error *error)
{
    float *values;
    size_t n;
    int code = onnx_floats(node, name, building->arena, &values, &n, error);
    return code ? code : spread(building, node, values, n, width, ret, error);
}

static int constant_of(struct building *building, const struct onnx_node *node, const struct value *value,
                       int width, const float **ret, struct error *error)
{
    float *values;
    size_t n;
    if (value->tensor->type != ONNX_FLOAT)
        return refuse(node, "with a constant that is not float is not supported", error);
    int code = onnx_tensor_floats(value->tensor, building->arena, &values, &n, error);
    return code ? code : spread(building, node, values, n, width, ret, error);
}

/* One step over all columns of a value, into new slots under the name of the node's output. */
static int add_simple(struct building *building, const struct onnx_node *node, struct onnx_step step,
                      struct error *error)
{
    int code = add_slots(building, step.width, building->graph.origins + step.from, &step.to, error);
    if (!code)
        code = add_step(building, step, error);
    if (!code)
        code = add_value(
            building, (struct value){.name = node->outputs[0], .first = step.to, .width = step.width}, error);
    return code;
}

static int take_scaler(struct building *building, const struct onnx_node *node, const struct value *input,
                       struct error *error)
{
    struct onnx_step step = {.kind = STEP_SCALE, .from = input->first, .width = input->width};
    int code = attribute_of(building, node, "offset", step.width, &step.a, error);
    if (!code)
        code = attribute_of(building, node, "scale", step.width, &step.b, error);
    return code ? code : add_simple(building, node, step, error);
}

static int take_imputer(struct building *building, const struct onnx_node *node, const struct value *input,
                        struct error *error)
{
    struct onnx_step step = {.kind = STEP_IMPUTE, .from = input->first, .width = input->width};
    float replaced = 0;
    (void)onnx_attribute_float(node, "replaced_value_float", &replaced);
    int code = spread(building, node, &replaced, 1, step.width, &step.a, error);
    if (!code && step.a == &replaced) { /* of a single column */
        float *copy = arena_new(building->arena, 1, sizeof *copy);
        if (!copy)
            return no_memory(error);
        *copy = replaced;
        step.a = copy;
    }
    if (!code)
        code = attribute_of(building, node, "imputed_value_floats", step.width, &step.b, error);
    return code ? code : add_simple(building, node, step, error);
}

static int take_normalizer(struct building *building, const struct onnx_node *node, const struct value *input,
                           struct error *error)
{
    struct onnx_step step = {.kind = STEP_NORM_MAX, .from = input->first, .width = input->width};
    struct wire norm;
    if (onnx_attribute_text(node, "norm", &norm)) {
        if (!wire_is(norm, "MAX") && !wire_is(norm, "L1") && !wire_is(norm, "L2"))
            return broken(node, "norm is not MAX, L1 or L2", error);
        step.kind = wire_is(norm, "L1") ? STEP_NORM_L1 : wire_is(norm, "L2") ? STEP_NORM_L2 : STEP_NORM_MAX;
    }
    return add_simple(building, node, step, error);
}

static int take_concat(struct building *building, const struct onnx_node *node, struct error *error)
{
    int64_t axis = 0;
    int width = 0, first;
    (void)onnx_attribute_integer(node, "axis", &axis);
    if (axis != 1 && axis != -1)
        return refuse(node, "along another axis than the columns is not supported", error);
    for (int i = 0; i < node->n_inputs; i++) {
        const struct value *input = find_value(building, node->inputs[i]);
        if (!input || input->meaning != MEANS_COLUMNS)
            return broken(node, "an input is not a part of the rows", error);
        if (input->width > LIMIT_MODEL_SLOTS - width)
            return error_set(error, CODE_LIMIT,
                             "the steps before the trees make more than %d values of a row",
                             LIMIT_MODEL_SLOTS);
        width += input->width;
    }
    int to = building->graph.slots, code = OK;
    for (int i = 0; i < node->n_inputs && !code; i++) {
        const struct value *input = find_value(building, node->inputs[i]);
        struct onnx_step step = {.kind = STEP_COPY, .from = input->first, .width = input->width};
        code = add_slots(building, step.width, building->graph.origins + step.from, &first, error);
        step.to = first;
        if (!code)
            code = add_step(building, step, error);
    }
    return code ? code
                : add_value(building, (struct value){.name = node->outputs[0], .first = to, .width = width},
                            error);
}

static int take_extractor(struct building *building, const struct onnx_node *node, const struct value *input,
                          struct error *error)
{
    const struct value *indices = node->n_inputs == 2 ? find_value(building, node->inputs[1]) : NULL;
    int64_t *columns;
    size_t n;
    int from = input->first, width = input->width, to = building->graph.slots, first;
    if (!indices || indices->meaning != MEANS_CONSTANT || indices->tensor->type != ONNX_INT64)
        return refuse(node, "without constant indices is not supported", error);
    int code = onnx_tensor_integers(indices->tensor, building->arena, &columns, &n, error);
    if (!code && (n < 1 || n > LIMIT_MODEL_SLOTS))
        code = broken(node, "the number of its indices", error);
    for (size_t i = 0; i < n && !code; i++) {
        if (columns[i] < 0 || columns[i] >= width)
            return broken(node, "an index is beyond the columns", error);
        struct onnx_step step = {.kind = STEP_COPY, .from = from + (int)columns[i], .width = 1};
        code = add_slots(building, 1, building->graph.origins + step.from, &first, error);
        step.to = first;
        if (!code)
            code = add_step(building, step, error);
    }
    return code ? code
                : add_value(building, (struct value){.name = node->outputs[0], .first = to, .width = (int)n},
                            error);
}

/* Mul, Add, Sub, Div with a constant. */
static int take_arithmetic(struct building *building, const struct onnx_node *node, enum onnx_step_kind kind,
                           struct error *error)
{
    const struct value *a = node->n_inputs == 2 ? find_value(building, node->inputs[0]) : NULL,
                       *b = a ? find_value(building, node->inputs[1]) : NULL;
    bool either = kind == STEP_MULTIPLY || kind == STEP_ADD;
    if (either && a && b && a->meaning == MEANS_CONSTANT) {
        const struct value *first = a;
        a = b;
        b = first;
    }
    if (!a || !b || a->meaning != MEANS_COLUMNS || b->meaning != MEANS_CONSTANT)
        return refuse(node, "of something but the rows and a constant is not supported", error);
    struct onnx_step step = {.kind = kind, .from = a->first, .width = a->width};
    int code = constant_of(building, node, b, step.width, &step.a, error);
    return code ? code : add_simple(building, node, step, error);
}

static int take_copy(struct building *building, const struct onnx_node *node, const struct value *input,
                     struct error *error)
{
    int64_t type = ONNX_FLOAT;
    if (wire_is(node->op, "Cast") && (!onnx_attribute_integer(node, "to", &type) || type != ONNX_FLOAT))
        return refuse(node, "of the rows to another type than float is not supported", error);
    struct value copy = *input;
    copy.name = node->outputs[0];
    return add_value(building, copy, error);
}

static int take_before(struct building *building, const struct onnx_node *node, const struct value *input,
                       struct error *error)
{
    if (wire_is(node->op, "Cast") || wire_is(node->op, "Identity"))
        return take_copy(building, node, input, error);
    if (wire_is(node->op, "Scaler"))
        return take_scaler(building, node, input, error);
    if (wire_is(node->op, "Imputer"))
        return take_imputer(building, node, input, error);
    if (wire_is(node->op, "Normalizer"))
        return take_normalizer(building, node, input, error);
    if (wire_is(node->op, "Concat"))
        return take_concat(building, node, error);
    if (wire_is(node->op, "ArrayFeatureExtractor"))
        return take_extractor(building, node, input, error);
    if (wire_is(node->op, "Mul"))
        return take_arithmetic(building, node, STEP_MULTIPLY, error);
    if (wire_is(node->op, "Add"))
        return take_arithmetic(building, node, STEP_ADD, error);
    if (wire_is(node->op, "Sub"))
        return take_arithmetic(building, node, STEP_SUBTRACT, error);
    if (wire_is(node->op, "Div"))
        return take_arithmetic(building, node, STEP_DIVIDE, error);
    return refuse(node, "before the trees is not supported", error);
}

/* ---- the ensemble and what follows it ---- */

static int take_ensemble(struct building *building, const struct onnx_node *node, const struct value *input,
                         struct error *error)
{
    bool classifier = wire_is(node->op, "TreeEnsembleClassifier");
    if (building->has_trees)
        return refuse(node, "stands twice in the model, which is not supported", error);
    if (node->n_outputs < (classifier ? 2 : 1))
        return broken(node, "it has no output for scores", error);
    building->graph.first = input->first;
    building->graph.width = input->width;
    int code = onnx_trees_read(node, input->width, building->arena, building->forest,
                               &building->graph.ensemble, error);
    if (code)
        return code;
    building->has_trees = true;
    if (classifier)
        code = add_value(building, (struct value){.name = node->outputs[0], .meaning = MEANS_LABELS}, error);
    return code
               ? code
               : add_value(building,
                           (struct value){.name = node->outputs[classifier], .meaning = MEANS_SCORES}, error);
}

static int add_tail(struct building *building, const struct onnx_node *node, const struct value *scores,
                    const struct onnx_tail *step, struct error *error)
{
    struct onnx_graph *graph = &building->graph;
    struct value value = *scores;
    value.name = node->outputs[0];
    if (step) {
        if (scores->tail != graph->n_tail)
            return refuse(node, "on scores that are used twice is not supported", error);
        if (!memory_grow(&graph->tail, &building->tail_capacity, (size_t)graph->n_tail + 1,
                         sizeof *graph->tail))
            return no_memory(error);
        graph->tail[graph->n_tail++] = *step;
        value.tail = graph->n_tail;
    }
    return add_value(building, value, error);
}

static int take_after(struct building *building, const struct onnx_node *node, const struct value *scores,
                      struct error *error)
{
    bool multiply = wire_is(node->op, "Mul");
    int64_t type = 0;
    if (wire_is(node->op, "Identity") || wire_is(node->op, "ZipMap") ||
        (wire_is(node->op, "Cast") && onnx_attribute_integer(node, "to", &type) && type == ONNX_FLOAT))
        return add_tail(building, node, scores, NULL, error);
    if (wire_is(node->op, "Exp"))
        return add_tail(building, node, scores, &(struct onnx_tail){TAIL_EXP, 0}, error);
    if (!multiply && !wire_is(node->op, "Add"))
        return refuse(node, "after the trees is not supported", error);
    for (int i = 0; i < node->n_inputs; i++) {
        const struct value *operand = find_value(building, node->inputs[i]);
        const float *number;
        if (!operand || operand->meaning != MEANS_CONSTANT)
            continue;
        int code = constant_of(building, node, operand, 1, &number, error);
        struct onnx_tail step = {multiply ? TAIL_MULTIPLY : TAIL_ADD, code ? 0 : *number};
        return code ? code : add_tail(building, node, scores, &step, error);
    }
    return refuse(node, "of something but the scores and a constant is not supported", error);
}

/* Outputs of a node that only labels lead to. */
static int take_labels(struct building *building, const struct onnx_node *node, struct error *error)
{
    int code = OK;
    for (int i = 0; i < node->n_outputs && !code; i++)
        code = add_value(building, (struct value){.name = node->outputs[i], .meaning = MEANS_LABELS}, error);
    return code;
}

static int take_node(struct building *building, const struct onnx_node *node, struct error *error)
{
    struct value *input = NULL;
    bool labels = false;
    if (node->n_outputs < 1)
        return broken(node, "it has no output", error);
    for (int i = 0; i < node->n_inputs; i++) {
        struct value *value = find_value(building, node->inputs[i]);
        if (!value)
            return broken(node, "an input is given by nothing before it", error);
        labels |= value->meaning == MEANS_LABELS;
        if (!input || input->meaning == MEANS_CONSTANT)
            input = value;
    }
    if (labels)
        return take_labels(building, node, error);
    if (!input || input->meaning == MEANS_CONSTANT)
        return refuse(node, "of constants is not supported", error);
    struct value copy = *input; /* the list of values may move */
    if (input->meaning == MEANS_SCORES)
        return take_after(building, node, &copy, error);
    if (wire_is(node->op, "TreeEnsembleClassifier") || wire_is(node->op, "TreeEnsembleRegressor"))
        return take_ensemble(building, node, &copy, error);
    return take_before(building, node, &copy, error);
}

/* The first output of the graph that is scores. */
static int check_outputs(const struct building *building, const struct onnx *onnx, struct error *error)
{
    if (!building->has_trees)
        return error_set(
            error, CODE_UNSUPPORTED,
            "an ONNX model without TreeEnsembleClassifier or TreeEnsembleRegressor is not supported");
    for (int i = 0; i < onnx->n_outputs; i++) {
        const struct value *value = find_value(building, onnx->outputs[i].name);
        if (!value || value->meaning != MEANS_SCORES)
            continue;
        if (value->tail != building->graph.n_tail)
            return error_set(error, CODE_UNSUPPORTED,
                             "an ONNX model that gives several scores is not supported");
        return OK;
    }
    return error_set(error, CODE_INVALID, "none of the graph's outputs is the trees' score");
}

int onnx_graph_read(const struct onnx *onnx, struct arena *arena, struct onnx_graph *ret,
                    struct forest *ret_forest, struct error *error)
{
    struct building building = {.arena = arena, .forest = ret_forest};
    int code = take_inputs(&building, onnx, error);
    for (int i = 0; i < onnx->n_nodes && !code; i++)
        code = take_node(&building, &onnx->nodes[i], error);
    if (!code)
        code = check_outputs(&building, onnx, error);
    free(building.values);
    *ret = building.graph;
    return code;
}

/* ---- rows ---- */

/* The runtime's: a range whose norm is 0 stays as it is, and L2 takes the root of each square's share. */
static void normalize(enum onnx_step_kind kind, const float *from, float *to, int n)
{
    float sum = kind == STEP_NORM_MAX ? -3.402823466e+38F : 0;
    for (int i = 0; i < n; i++) {
        if (kind == STEP_NORM_MAX)
            sum = from[i] > sum ? from[i] : sum;
        else
            sum += kind == STEP_NORM_L1 ? fabsf(from[i]) : from[i] * from[i];
    }
    for (int i = 0; i < n; i++) {
        if (sum == 0)
            to[i] = from[i];
        else if (kind == STEP_NORM_L2)
            to[i] = from[i] < 0 ? -sqrtf(from[i] * from[i] / sum) : sqrtf(from[i] * from[i] / sum);
        else
            to[i] = from[i] / sum;
    }
}

static float element(const struct onnx_step *step, float x, int i)
{
    switch (step->kind) {
    case STEP_SCALE:
        return (x - step->a[i]) * step->b[i];
    case STEP_IMPUTE:
        return (isnan(step->a[i]) ? isnan(x) : x == step->a[i]) ? step->b[i] : x;
    case STEP_MULTIPLY:
        return x * step->a[i];
    case STEP_ADD:
        return x + step->a[i];
    case STEP_SUBTRACT:
        return x - step->a[i];
    case STEP_DIVIDE:
        return x / step->a[i];
    default:
        return x;
    }
}

void onnx_graph_prepare(const struct onnx_graph *graph, float *slots)
{
    for (int s = 0; s < graph->n_steps; s++) {
        const struct onnx_step *step = &graph->steps[s];
        const float *from = slots + step->from;
        float *to = slots + step->to;
        if (step->kind >= STEP_NORM_MAX)
            normalize(step->kind, from, to, step->width);
        for (int i = 0; step->kind < STEP_NORM_MAX && i < step->width; i++)
            to[i] = element(step, from[i], i);
    }
}
