/*
 * The graph of an ONNX model of trees: what is done with the inputs before the ensemble, and with its scores
 * after it. Only what converters put there is known; everything else is refused by the name of its operator.
 *
 *   inputs -> Cast, Identity, Scaler, Imputer, Normalizer, Concat, ArrayFeatureExtractor, Mul, Add, Sub, Div
 * -> ensemble ensemble -> Identity, Cast, ZipMap, Exp, Mul, Add -> output
 *
 * A row lies in one array of slots: the inputs one after another, then what each step makes of earlier slots.
 * All arithmetic is float32, as the runtime's. Steps on labels are passed over: a score is what is asked for.
 *
 * Limits: LIMIT_MODEL_STEPS steps, LIMIT_MODEL_SLOTS slots.
 */
#ifndef SHRIKE_MODEL_ONNX_GRAPH_H
#define SHRIKE_MODEL_ONNX_GRAPH_H

#include "model/forest/forest.h"
#include "model/onnx/proto.h"
#include "model/onnx/trees.h"

enum onnx_step_kind {
    STEP_COPY,
    STEP_SCALE,  /* (x - a) * b */
    STEP_IMPUTE, /* x == a, or missing where a is NaN: b */
    STEP_MULTIPLY,
    STEP_ADD,
    STEP_SUBTRACT,
    STEP_DIVIDE,
    STEP_NORM_MAX, /* of the whole range */
    STEP_NORM_L1,
    STEP_NORM_L2
};

/* Slots from..from+width-1 -> to..to+width-1; a and b have one value per slot where the kind has them. */
struct onnx_step {
    enum onnx_step_kind kind;
    int from, to, width;
    const float *a, *b;
};

enum onnx_tail_kind { TAIL_EXP, TAIL_MULTIPLY, TAIL_ADD };

struct onnx_tail {
    enum onnx_tail_kind kind;
    float operand;
};

struct onnx_graph {
    int inputs;   /* columns of a row */
    char **names; /* of them, or NULL; released with model_names_free */
    int slots;    /* of a row, the inputs first */
    int first;    /* the slots that the ensemble takes: first..first+width-1 */
    int width;
    int *origins; /* by slot: the input that it is made of */
    struct onnx_step *steps;
    struct onnx_tail *tail;
    int n_steps, n_tail;
    struct onnx_ensemble ensemble;
};

/* Steps and lists are in the arena; the forest and the names are the caller's to release. */
int onnx_graph_read(const struct onnx *onnx, struct arena *arena, struct onnx_graph *ret,
                    struct forest *ret_forest, struct error *error);

/* Makes the slots behind the inputs of one row. */
void onnx_graph_prepare(const struct onnx_graph *graph, float *slots);

#endif
