/*
 * ONNX models of trees: small graphs written field by field, scored by hand, damaged and cut.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/memory.h"
#include "model/onnx/wire.h"
#include "models.h"

enum { MAXIMUM = 1 << 16 };

/* ---- writing messages ---- */

static void put_varint(struct buffer *out, uint64_t value)
{
    do {
        char byte = (char)((value & 127) | (value > 127 ? 128 : 0));
        buffer_append(out, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_number(struct buffer *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_float(struct buffer *out, unsigned field, float value)
{
    put_varint(out, field << 3 | 5);
    buffer_append(out, (const char *)&value, sizeof value);
}

static void put_text(struct buffer *out, unsigned field, const char *text)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, strlen(text));
    buffer_text(out, text);
}

/* Moves a finished message into another one. */
static void put_message(struct buffer *out, unsigned field, struct buffer *message)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, message->size);
    buffer_append(out, message->data, message->size);
    buffer_done(message);
}

/* "name: 1 2 3", "name: 0.5 f", "name: BRANCH_LEQ LEAF s": a list attribute of integers, floats or strings.
 */
static void put_attribute(struct buffer *node, const char *text)
{
    char copy[256], *words[32], *state;
    struct buffer attribute;
    int n = 0;
    snprintf(copy, sizeof copy, "%s", text);
    char *name = strtok_r(copy, ":", &state);
    for (char *word; n < 32 && (word = strtok_r(NULL, " ", &state));)
        words[n++] = word;
    assert_true(n > 0);
    char kind = words[n - 1][0];
    bool integers = kind != 'f' && kind != 's';
    buffer_init(&attribute, MAXIMUM);
    put_text(&attribute, 1, name);
    for (int i = 0; i < n - !integers; i++)
        if (integers)
            put_number(&attribute, 8, (uint64_t)strtoll(words[i], NULL, 10));
        else if (kind == 'f')
            put_float(&attribute, 7, strtof(words[i], NULL));
        else
            put_text(&attribute, 9, words[i]);
    put_message(node, 5, &attribute);
}

static void put_string(struct buffer *node, const char *name, const char *value)
{
    struct buffer attribute;
    buffer_init(&attribute, MAXIMUM);
    put_text(&attribute, 1, name);
    put_text(&attribute, 4, value);
    put_message(node, 5, &attribute);
}

static void put_value(struct buffer *graph, unsigned field, const char *name, int type, int width)
{
    struct buffer value, outer, tensor, shape, dimension;
    buffer_init(&value, MAXIMUM);
    buffer_init(&outer, MAXIMUM);
    buffer_init(&tensor, MAXIMUM);
    buffer_init(&shape, MAXIMUM);
    buffer_init(&dimension, MAXIMUM);
    put_text(&dimension, 2, "rows");
    put_message(&shape, 1, &dimension);
    buffer_init(&dimension, MAXIMUM);
    put_number(&dimension, 1, (uint64_t)width);
    put_message(&shape, 1, &dimension);
    put_number(&tensor, 1, (uint64_t)type);
    put_message(&tensor, 2, &shape);
    put_message(&outer, 1, &tensor);
    put_text(&value, 1, name);
    put_message(&value, 2, &outer);
    put_message(graph, field, &value);
}

static void node_start(struct buffer *node, const char *op, const char *input, const char *output)
{
    buffer_init(node, MAXIMUM);
    put_text(node, 1, input);
    put_text(node, 2, output);
    put_text(node, 4, op);
}

/* The attributes of a regressor: x1 <= 0.5 ? 1 : (x0 < 2 ? 10 : 20). */
static const char *const tree[] = {
    "nodes_treeids: 0 0 0 0 0",      "nodes_nodeids: 0 1 2 3 4",
    "nodes_featureids: 1 0 0 0 0",   "nodes_modes: BRANCH_LEQ LEAF BRANCH_LT LEAF LEAF s",
    "nodes_values: 0.5 0 2 0 0 f",   "nodes_truenodeids: 1 0 3 0 0",
    "nodes_falsenodeids: 2 0 4 0 0", "target_treeids: 0 0 0",
    "target_nodeids: 1 3 4",         "target_ids: 0 0 0",
    "target_weights: 1 10 20 f",     "base_values: 0.5 f",
};
enum { ATTRIBUTES = sizeof tree / sizeof tree[0] };

/* The model, with the attribute of the same name as `change` replaced (NULL: none). */
static struct buffer model_bytes(const char *change)
{
    struct buffer model, graph, node;
    buffer_init(&model, MAXIMUM);
    buffer_init(&graph, MAXIMUM);
    node_start(&node, "TreeEnsembleRegressor", "x", "y");
    size_t name = change ? strcspn(change, ":") + 1 : 0;
    for (int i = 0; i < ATTRIBUTES; i++)
        put_attribute(&node, change && !strncmp(tree[i], change, name) ? change : tree[i]);
    put_message(&graph, 1, &node);
    put_value(&graph, 11, "x", 1, 2);
    put_value(&graph, 12, "y", 1, 1);
    put_number(&model, 1, 8);
    put_text(&model, 2, "by hand");
    put_text(&model, 3, "1.2");
    put_message(&model, 7, &graph);
    assert_false(model.failed);
    return model;
}

static struct model *parse_buffer(const struct buffer *bytes)
{
    return parse_bytes(bytes->data, bytes->size);
}

static float score(const struct model *model, float a, float b)
{
    float row[2] = {a, b}, result;
    model_predict(model, row, 1, &result);
    return result;
}

static void test_a_tree(void **state)
{
    (void)state;
    struct buffer bytes = model_bytes(NULL);
    struct model *model = parse_buffer(&bytes);
    assert_int_equal(model_features(model), 2);
    assert_int_equal(model_outputs(model), 1);
    assert_string_equal(model_format(model)->name, "ONNX");
    assert_string_equal(model_library_version(model), "by hand 1.2");
    assert_true(score(model, 0, 0.5F) == 1.5F && score(model, 1, 1) == 10.5F && score(model, 2, 1) == 20.5F);
    assert_true(score(model, 1, NAN) == 10.5F && score(model, NAN, 1) == 20.5F);
    double contributions[3];
    float row[2] = {2, 1};
    void *scratch = memory_aligned(model_explain_scratch(model));
    model_explain(model, row, 1, contributions, scratch);
    assert_true(fabs(contributions[0] + contributions[1] + contributions[2] - 20.5) < 1e-9);
    free(scratch);
    model_unref(model);
    buffer_done(&bytes);
    bytes = model_bytes("nodes_values: inf 0 2 0 0 f");
    model = parse_buffer(&bytes);
    assert_true(score(model, 0, INFINITY) == 1.5F);
    model_unref(model);
    buffer_done(&bytes);
}

static void test_damaged_trees(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        enum code code;
        const char *part;
    } cases[] = {
        {"nodes_truenodeids: 0 0 3 0 0", CODE_INVALID, "node 0: its left child 0 is reached a second time"},
        {"nodes_falsenodeids: 1 0 4 0 0", CODE_INVALID, "is reached a second time"},
        {"nodes_truenodeids: 9 0 3 0 0", CODE_INVALID, "tree 0 node 0: a child is not a node of the tree"},
        {"nodes_truenodeids: -1 0 3 0 0", CODE_INVALID, "tree 0 node 0: a child is not a node of the tree"},
        {"nodes_nodeids: 0 1 1 3 4", CODE_INVALID, "tree 0 node 1: its number is given twice"},
        {"nodes_treeids: 0 0 1 1 1", CODE_INVALID, "tree 0 has no node 3"},
        {"nodes_featureids: 2 0 0 0 0", CODE_INVALID,
         "tree 0 node 0: the split's feature is not one of 0 to 1"},
        {"nodes_featureids: -1 0 0 0 0", CODE_INVALID, "tree 0 node 0: the split's feature"},
        {"nodes_values: nan 0 2 0 0 f", CODE_INVALID, "tree 0 node 0: the threshold is not a number"},
        {"nodes_values: 1 0 2 0 f", CODE_INVALID, "\"nodes_values\" has 4 elements; expected 5"},
        {"nodes_modes: BRANCH_LEQ LEAF BRANCH_LT LEAF s", CODE_INVALID, "\"nodes_modes\" has 4 elements"},
        {"nodes_modes: BRANCH_MEMBER LEAF BRANCH_LT LEAF LEAF s", CODE_UNSUPPORTED, "mode \"BRANCH_MEMBER\""},
        {"target_weights: 1 10 inf f", CODE_INVALID, "the leaf's value is not a finite number"},
        {"target_nodeids: 1 3 9", CODE_INVALID, "element 2 of \"target_nodeids\": tree 0 has no node 9"},
        {"target_nodeids: 1 3 2", CODE_INVALID, "tree 0 node 2: has a weight and is not a leaf"},
        {"target_ids: 0 0 1", CODE_INVALID, "a weight is for output 1; expected 0 to 0"},
        {"target_ids: 0 0", CODE_INVALID, "\"target_treeids\" has 3 elements; expected 2"},
        {"base_values: nan f", CODE_INVALID, "element 0 of \"base_values\""},
        {"base_values: 1 2 f", CODE_UNSUPPORTED, "2 base_values for 1 sums"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer bytes = model_bytes(cases[i].change);
        struct model *model = NULL;
        struct error error = {0};
        int got = model_parse(bytes.data, bytes.size, &model, &error);
        if (got != (int)cases[i].code || !strstr(error.message, cases[i].part))
            fail_msg("%s: expected \"%s\", got %d \"%s\"", cases[i].change, cases[i].part, got,
                     error.message);
        assert_null(model);
        buffer_done(&bytes);
    }
}

/* A graph of one step before the tree, and one after. */
static struct buffer chain_bytes(const char *before, const char *attribute, const char *after, int type)
{
    struct buffer model, graph, node;
    buffer_init(&model, MAXIMUM);
    buffer_init(&graph, MAXIMUM);
    node_start(&node, before, "x", "scaled");
    if (attribute)
        put_attribute(&node, attribute);
    put_message(&graph, 1, &node);
    node_start(&node, "TreeEnsembleRegressor", "scaled", "sum");
    for (int i = 0; i < ATTRIBUTES; i++)
        put_attribute(&node, tree[i]);
    put_string(&node, "aggregate_function", "AVERAGE");
    put_message(&graph, 1, &node);
    node_start(&node, after, "sum", "y");
    put_message(&graph, 1, &node);
    put_value(&graph, 11, "x", type, 2);
    put_value(&graph, 12, "y", 1, 1);
    put_number(&model, 1, 8);
    put_message(&model, 7, &graph);
    return model;
}

static void refuse_chain(const char *before, const char *attribute, const char *after, int type,
                         const char *part)
{
    struct buffer bytes = chain_bytes(before, attribute, after, type);
    struct model *model = NULL;
    struct error error = {0};
    assert_int_not_equal(model_parse(bytes.data, bytes.size, &model, &error), OK);
    if (!strstr(error.message, part))
        fail_msg("expected \"%s\", got \"%s\"", part, error.message);
    buffer_done(&bytes);
}

static void test_steps(void **state)
{
    (void)state;
    struct buffer bytes = chain_bytes("Normalizer", NULL, "Exp", 1);
    struct model *model = parse_buffer(&bytes);
    /* The norm is the largest value: (1, 4) -> (0.25, 1), (8, 4) -> (1, 0.5). */
    assert_true(score(model, 1, 4) == expf(10.5F) && score(model, 8, 4) == expf(1.5F));
    assert_null(model_feature_name(model, 0));
    model_unref(model);
    buffer_done(&bytes);
    refuse_chain("Normalizer", NULL, "Sigmoid", 1, "operator Sigmoid after the trees is not supported");
    refuse_chain("MatMul", NULL, "Exp", 1, "operator MatMul before the trees is not supported");
    refuse_chain("Scaler", "scale: 1 2 3 f", "Exp", 1,
                 "operator Scaler: its constants are not one for each column");
    refuse_chain("Normalizer", NULL, "Exp", 11, "input \"x\" has elements of type 11");
    refuse_chain("Normalizer", NULL, "TreeEnsembleRegressor", 1,
                 "operator TreeEnsembleRegressor after the trees");
}

/* No part of a model is a model; changed bytes give an error or a model that can be used. */
static void test_truncation_and_damage(void **state)
{
    (void)state;
    struct buffer bytes = chain_bytes("Normalizer", NULL, "Identity", 1);
    struct error error = {0};
    for (size_t n = 2; n < bytes.size; n++) {
        struct model *model = NULL;
        char *part = malloc(n); /* an exact block: reading behind it is seen by the sanitizer */
        assert_non_null(part);
        memcpy(part, bytes.data, n);
        assert_int_equal(model_parse(part, n, &model, &error), CODE_CORRUPT);
        assert_null(model);
        free(part);
    }
    for (uint64_t i = 0; i < 20000; i++) {
        struct model *model = NULL;
        char *copy = memory_text(bytes.data, bytes.size);
        assert_non_null(copy);
        for (uint64_t k = 0; k <= i % 3; k++)
            copy[2 + hash_word(4 * i + k, 1) % (bytes.size - 2)] = (char)hash_word(4 * i + k, 2);
        if (model_parse(copy, bytes.size, &model, &error) == OK && model_features(model) == 2)
            (void)score(model, 1, 1);
        model_unref(model);
        free(copy);
    }
    buffer_done(&bytes);
}

static void test_wire(void **state)
{
    (void)state;
    static const unsigned char good[] = {0x08, 0x96, 0x01, 0x12, 0x02, 'h', 'i', 0x1d, 0, 0, 0x80, 0x3f};
    struct wire wire = {good, good + sizeof good};
    struct wire_field field;
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_true(field.number == 1 && field.value == 150);
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_true(field.number == 2 && wire_is(field.bytes, "hi") && !wire_is(field.bytes, "h"));
    assert_int_equal(wire_next(&wire, &field), 1);
    assert_true(field.number == 3 && wire_float(field.value) == 1);
    assert_int_equal(wire_next(&wire, &field), 0);
    static const unsigned char bad[][12] = {
        {0x08},                                                                   /* no value */
        {0x00, 0x01},                                                             /* field 0 */
        {0x12, 0x05, 'h', 'i'},                                                   /* longer than the rest */
        {0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},       /* 2^64 - 1 bytes */
        {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, /* a varint without end */
        {0x0b, 0x0c},                                                             /* a group */
        {0x1d, 0, 0, 0},                                                          /* half a float */
    };
    static const size_t sizes[] = {1, 2, 4, 11, 12, 2, 4};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        wire = (struct wire){bad[i], bad[i] + sizes[i]};
        assert_int_equal(wire_next(&wire, &field), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_a_tree),
        cmocka_unit_test(test_damaged_trees),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_truncation_and_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
