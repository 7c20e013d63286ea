/*
 * The messages of ONNX (onnx.proto3) that a model of trees is made of, as views of the file's bytes. Numbers
 * in brackets are the fields of the schema:
 *
 *   ModelProto      producer_name [2], producer_version [3], graph [7]
 *   GraphProto      node [1], initializer [5], input [11], output [12]
 *   NodeProto       input [1], output [2], op_type [4], attribute [5]
 *   AttributeProto  name [1], f [2], i [3], s [4], floats [7], ints [8], strings [9]
 *   ValueInfoProto  name [1], type [2] -> tensor_type [1] -> elem_type [1], shape [2] -> dim [1] -> dim_value
 * [1] TensorProto     dims [1], data_type [2], float_data [4], int64_data [7], name [8], raw_data [9]
 *
 * Lists are copied into an arena; everything else points into the file. Limits: LIMIT_MODEL_STEPS nodes,
 * LIMIT_MODEL_VALUES numbers.
 */
#ifndef SHRIKE_MODEL_ONNX_PROTO_H
#define SHRIKE_MODEL_ONNX_PROTO_H

#include "base/error.h"
#include "base/memory.h"
#include "model/onnx/wire.h"

enum { ONNX_FLOAT = 1, ONNX_INT32 = 6, ONNX_INT64 = 7, ONNX_BOOL = 9 }; /* TensorProto.DataType */

struct onnx_node {
    struct wire message, op;
    struct wire *inputs, *outputs;
    int n_inputs, n_outputs;
};

struct onnx_value { /* an input or output of the graph */
    struct wire name;
    int64_t type;  /* of its elements; 0 where it is no tensor */
    int64_t width; /* its last dimension; 0 where that is not known */
    int dimensions;
};

struct onnx_tensor {
    struct wire name, message;
    int64_t type;
};

struct onnx {
    struct wire producer, producer_version;
    struct onnx_node *nodes;
    struct onnx_value *inputs, *outputs;
    struct onnx_tensor *tensors; /* the initializers */
    int n_nodes, n_inputs, n_outputs, n_tensors;
};

/* CODE_CORRUPT where the messages are damaged or end too early. */
int onnx_parse(const char *data, size_t size, struct arena *arena, struct onnx *ret, struct error *error);

/* The attribute of that name, if the node has it. */
bool onnx_attribute(const struct onnx_node *node, const char *name, struct wire *ret);
bool onnx_attribute_float(const struct onnx_node *node, const char *name, float *ret);
bool onnx_attribute_integer(const struct onnx_node *node, const char *name, int64_t *ret);
bool onnx_attribute_text(const struct onnx_node *node, const char *name, struct wire *ret);

/* Lists of numbers; *ret_n is 0 where the node has none. */
int onnx_floats(const struct onnx_node *node, const char *name, struct arena *arena, float **ret,
                size_t *ret_n, struct error *error);
int onnx_integers(const struct onnx_node *node, const char *name, struct arena *arena, int64_t **ret,
                  size_t *ret_n, struct error *error);
int onnx_texts(const struct onnx_node *node, const char *name, struct arena *arena, struct wire **ret,
               size_t *ret_n, struct error *error);

/* The elements of an initializer of type ONNX_FLOAT or ONNX_INT64. */
int onnx_tensor_floats(const struct onnx_tensor *tensor, struct arena *arena, float **ret, size_t *ret_n,
                       struct error *error);
int onnx_tensor_integers(const struct onnx_tensor *tensor, struct arena *arena, int64_t **ret, size_t *ret_n,
                         struct error *error);

#endif
