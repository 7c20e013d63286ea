#include "model/onnx/proto.h"

#include <limits.h>
#include <string.h>

#include "base/limits.h"

static int damaged(const char *what, struct error *error)
{
    return error_set(error, CODE_CORRUPT, "the model is not whole ONNX: its %s is damaged or cut off", what);
}

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory to read an ONNX model");
}

/* ---- the graph ---- */

/* How often the message has a field, -1 where it is damaged. */
static int64_t count(struct wire message, uint32_t number)
{
    struct wire_field field;
    int64_t n = 0;
    int got;
    while ((got = wire_next(&message, &field)) > 0)
        n += field.number == number && field.type == WIRE_BYTES;
    return got < 0 ? -1 : n;
}

/* All fields of that number: messages or texts. */
static int take_list(struct wire message, uint32_t number, int64_t limit, const char *what,
                     struct arena *arena, struct wire **ret, int *ret_n, struct error *error)
{
    struct wire_field field;
    int64_t n = count(message, number);
    if (n < 0)
        return damaged(what, error);
    if (n > limit)
        return error_set(error, CODE_LIMIT, "the model's %s has %lld elements; Shrike reads at most %lld",
                         what, (long long)n, (long long)limit);
    struct wire *list = arena_new(arena, (size_t)n + 1, sizeof *list);
    if (!list)
        return no_memory(error);
    for (int64_t i = 0; i < n && wire_next(&message, &field) > 0;)
        if (field.number == number && field.type == WIRE_BYTES)
            list[i++] = field.bytes;
    *ret = list;
    *ret_n = (int)n;
    return OK;
}

static struct wire bytes_of(struct wire message, uint32_t number)
{
    struct wire_field field = {0};
    return wire_find(message, number, WIRE_BYTES, &field) ? field.bytes : (struct wire){0};
}

static int64_t integer_of(struct wire message, uint32_t number)
{
    struct wire_field field = {0};
    return wire_find(message, number, WIRE_VARINT, &field) ? (int64_t)field.value : 0;
}

static int take_node(struct wire message, struct arena *arena, struct onnx_node *ret, struct error *error)
{
    *ret = (struct onnx_node){.message = message, .op = bytes_of(message, 4)};
    int code = take_list(message, 1, LIMIT_COLUMNS, "node", arena, &ret->inputs, &ret->n_inputs, error);
    return code ? code
                : take_list(message, 2, LIMIT_COLUMNS, "node", arena, &ret->outputs, &ret->n_outputs, error);
}

static struct onnx_value read_value(struct wire message)
{
    struct wire tensor = bytes_of(bytes_of(message, 2), 1), shape = bytes_of(tensor, 2);
    struct onnx_value value = {.name = bytes_of(message, 1), .type = integer_of(tensor, 1)};
    struct wire_field field;
    while (value.dimensions < INT_MAX && wire_next(&shape, &field) > 0)
        if (field.number == 1 && field.type == WIRE_BYTES) {
            value.dimensions++;
            value.width = integer_of(field.bytes, 1);
        }
    return value;
}

static int take_values(struct wire graph, uint32_t number, struct arena *arena, struct onnx_value **ret,
                       int *ret_n, struct error *error)
{
    struct wire *list = NULL;
    int code = take_list(graph, number, LIMIT_COLUMNS, "graph", arena, &list, ret_n, error);
    if (code)
        return code;
    *ret = arena_new(arena, (size_t)*ret_n + 1, sizeof **ret);
    if (!*ret)
        return no_memory(error);
    for (int i = 0; i < *ret_n; i++)
        (*ret)[i] = read_value(list[i]);
    return OK;
}

static int take_tensors(struct wire graph, struct arena *arena, struct onnx *ret, struct error *error)
{
    struct wire *list = NULL;
    int code = take_list(graph, 5, LIMIT_COLUMNS, "graph", arena, &list, &ret->n_tensors, error);
    if (code)
        return code;
    ret->tensors = arena_new(arena, (size_t)ret->n_tensors + 1, sizeof *ret->tensors);
    if (!ret->tensors)
        return no_memory(error);
    for (int i = 0; i < ret->n_tensors; i++)
        ret->tensors[i] = (struct onnx_tensor){
            .name = bytes_of(list[i], 8), .message = list[i], .type = integer_of(list[i], 2)};
    return OK;
}

int onnx_parse(const char *data, size_t size, struct arena *arena, struct onnx *ret, struct error *error)
{
    struct wire model = {(const unsigned char *)data, (const unsigned char *)data + size}, *list = NULL;
    struct onnx onnx = {0};
    int64_t graphs = count(model, 7);
    if (graphs < 1)
        return graphs < 0 ? damaged("model", error)
                          : error_set(error, CODE_CORRUPT, "the model is not whole ONNX: it has no graph");
    onnx.producer = bytes_of(model, 2);
    onnx.producer_version = bytes_of(model, 3);
    struct wire graph = bytes_of(model, 7);
    int code = take_list(graph, 1, LIMIT_MODEL_STEPS, "graph", arena, &list, &onnx.n_nodes, error);
    if (code)
        return code;
    onnx.nodes = arena_new(arena, (size_t)onnx.n_nodes + 1, sizeof *onnx.nodes);
    if (!onnx.nodes)
        return no_memory(error);
    for (int i = 0; i < onnx.n_nodes && !code; i++)
        code = take_node(list[i], arena, &onnx.nodes[i], error);
    if (!code)
        code = take_values(graph, 11, arena, &onnx.inputs, &onnx.n_inputs, error);
    if (!code)
        code = take_values(graph, 12, arena, &onnx.outputs, &onnx.n_outputs, error);
    if (!code)
        code = take_tensors(graph, arena, &onnx, error);
    if (!code)
        *ret = onnx;
    return code;
}

/* ---- attributes ---- */

bool onnx_attribute(const struct onnx_node *node, const char *name, struct wire *ret)
{
    struct wire message = node->message;
    struct wire_field field;
    while (wire_next(&message, &field) > 0)
        if (field.number == 5 && field.type == WIRE_BYTES && wire_is(bytes_of(field.bytes, 1), name)) {
            *ret = field.bytes;
            return true;
        }
    return false;
}

bool onnx_attribute_float(const struct onnx_node *node, const char *name, float *ret)
{
    struct wire attribute;
    struct wire_field field;
    if (!onnx_attribute(node, name, &attribute) || !wire_find(attribute, 2, WIRE_FIXED32, &field))
        return false;
    *ret = wire_float(field.value);
    return true;
}

bool onnx_attribute_integer(const struct onnx_node *node, const char *name, int64_t *ret)
{
    struct wire attribute;
    struct wire_field field;
    if (!onnx_attribute(node, name, &attribute) || !wire_find(attribute, 3, WIRE_VARINT, &field))
        return false;
    *ret = (int64_t)field.value;
    return true;
}

bool onnx_attribute_text(const struct onnx_node *node, const char *name, struct wire *ret)
{
    struct wire attribute;
    struct wire_field field;
    if (!onnx_attribute(node, name, &attribute) || !wire_find(attribute, 4, WIRE_BYTES, &field))
        return false;
    *ret = field.bytes;
    return true;
}

/* The numbers of one field, 64 bits each. Counted first, so that the memory is that of what is there. */
static int take_numbers(struct wire message, uint32_t number, enum wire_type type, const char *what,
                        struct arena *arena, uint64_t **ret, size_t *ret_n, struct error *error)
{
    struct wire walk = message, packed = {0};
    uint64_t value;
    size_t n = 0;
    int got;
    while ((got = wire_next_number(&walk, &packed, number, type, &value)) > 0)
        n++;
    if (got < 0)
        return damaged(what, error);
    if (n > LIMIT_MODEL_VALUES)
        return error_set(error, CODE_LIMIT, "the model's %s has %zu numbers; Shrike reads at most %d", what,
                         n, LIMIT_MODEL_VALUES);
    *ret = arena_new(arena, n + 1, sizeof **ret);
    if (!*ret)
        return no_memory(error);
    packed = (struct wire){0};
    for (size_t i = 0; i < n; i++)
        (void)wire_next_number(&message, &packed, number, type, &(*ret)[i]);
    *ret_n = n;
    return OK;
}

static int take_floats(struct wire message, uint32_t number, const char *what, struct arena *arena,
                       float **ret, size_t *ret_n, struct error *error)
{
    uint64_t *numbers;
    int code = take_numbers(message, number, WIRE_FIXED32, what, arena, &numbers, ret_n, error);
    if (code)
        return code;
    float *floats = arena_new(arena, *ret_n + 1, sizeof *floats);
    if (!floats)
        return no_memory(error);
    for (size_t i = 0; i < *ret_n; i++)
        floats[i] = wire_float(numbers[i]);
    *ret = floats;
    return OK;
}

int onnx_floats(const struct onnx_node *node, const char *name, struct arena *arena, float **ret,
                size_t *ret_n, struct error *error)
{
    struct wire attribute = {0};
    (void)onnx_attribute(node, name, &attribute);
    return take_floats(attribute, 7, name, arena, ret, ret_n, error);
}

int onnx_integers(const struct onnx_node *node, const char *name, struct arena *arena, int64_t **ret,
                  size_t *ret_n, struct error *error)
{
    struct wire attribute = {0};
    uint64_t *numbers;
    (void)onnx_attribute(node, name, &attribute);
    int code = take_numbers(attribute, 8, WIRE_VARINT, name, arena, &numbers, ret_n, error);
    if (!code)
        *ret = (int64_t *)numbers;
    return code;
}

int onnx_texts(const struct onnx_node *node, const char *name, struct arena *arena, struct wire **ret,
               size_t *ret_n, struct error *error)
{
    struct wire attribute = {0};
    int n;
    (void)onnx_attribute(node, name, &attribute);
    int code = take_list(attribute, 9, LIMIT_MODEL_VALUES, name, arena, ret, &n, error);
    if (!code)
        *ret_n = (size_t)n;
    return code;
}

/* ---- initializers ---- */

/* raw_data is little-endian, whatever machine wrote it. */
static int take_raw(struct wire raw, size_t width, struct arena *arena, uint64_t **ret, size_t *ret_n,
                    struct error *error)
{
    size_t n = wire_size(raw) / width;
    if (wire_size(raw) % width)
        return damaged("initializer", error);
    *ret = arena_new(arena, n + 1, sizeof **ret);
    if (!*ret)
        return no_memory(error);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < width; k++)
            (*ret)[i] |= (uint64_t)raw.at[i * width + k] << (8 * k);
    *ret_n = n;
    return OK;
}

int onnx_tensor_floats(const struct onnx_tensor *tensor, struct arena *arena, float **ret, size_t *ret_n,
                       struct error *error)
{
    uint64_t *numbers;
    struct wire raw = bytes_of(tensor->message, 9);
    if (!wire_size(raw))
        return take_floats(tensor->message, 4, "initializer", arena, ret, ret_n, error);
    int code = take_raw(raw, 4, arena, &numbers, ret_n, error);
    float *floats = code ? NULL : arena_new(arena, *ret_n + 1, sizeof *floats);
    if (code || !floats)
        return code ? code : no_memory(error);
    for (size_t i = 0; i < *ret_n; i++)
        floats[i] = wire_float(numbers[i]);
    *ret = floats;
    return OK;
}

int onnx_tensor_integers(const struct onnx_tensor *tensor, struct arena *arena, int64_t **ret, size_t *ret_n,
                         struct error *error)
{
    uint64_t *numbers;
    struct wire raw = bytes_of(tensor->message, 9);
    int code = wire_size(raw) ? take_raw(raw, 8, arena, &numbers, ret_n, error)
                              : take_numbers(tensor->message, 7, WIRE_VARINT, "initializer", arena, &numbers,
                                             ret_n, error);
    if (!code)
        *ret = (int64_t *)numbers;
    return code;
}
