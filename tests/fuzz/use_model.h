/*
 * What every fuzz target of a model format does: whatever the bytes are, the answer is a model that can be
 * used or an error. A model that is read is also scored and explained, on rows made of values that trees
 * treat differently.
 */
#ifndef SHRIKE_FUZZ_USE_MODEL_H
#define SHRIKE_FUZZ_USE_MODEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

enum { ROWS = 4 };

/* Of a model of several classes each one by itself gives what it gives among the others. */
static inline void use_class(struct model *model, const float *rows, const float *scores)
{
    struct model *class;
    int outputs = model_outputs(model), number = outputs - 1;
    float own[ROWS];
    if (outputs == 1 || model_of_class(model, number, &class, NULL))
        return;
    model_predict(class, rows, ROWS, own);
    for (int r = 0; r < ROWS; r++)
        if (memcmp(&own[r], &scores[r * outputs + number], sizeof own[r]) != 0)
            abort();
    model_unref(class);
}

static inline void use(struct model *model)
{
    static const float values[] = {NAN, -0.0f, 0.5f, 1e30f, -INFINITY, 2, INFINITY};
    size_t features = (size_t)model_features(model), outputs = (size_t)model_outputs(model);
    float *rows = memory_new(ROWS * features, sizeof *rows);
    float *scores = memory_new((ROWS + 1) * outputs, sizeof *scores), *again = scores + ROWS * outputs;
    double *contributions =
        memory_new(ROWS * (size_t)model_margins(model) * (features + 1), sizeof *contributions);
    struct importance *importance = memory_new(features, sizeof *importance);
    void *scratch = memory_aligned(model_explain_scratch(model));
    if (rows && scores && contributions && importance && scratch) {
        for (size_t i = 0; i < ROWS * features; i++)
            rows[i] = values[(i * 31 + i / features) % (sizeof values / sizeof values[0])];
        model_predict(model, rows, ROWS, scores);
        model_predict(model, rows + (ROWS - 1) * features, 1, again);
        if (memcmp(again, again - outputs, outputs * sizeof *scores) != 0)
            abort(); /* a batch of one gives the bits of the batch */
        use_class(model, rows, scores);
        model_explain(model, rows, ROWS, contributions, scratch);
        model_importance(model, importance);
        for (int f = 0; f < model_features(model); f++)
            if (model_feature_name(model, f) && strlen(model_feature_name(model, f)) > 1u << 20)
                abort();
    }
    free(rows);
    free(scores);
    free(contributions);
    free(importance);
    free(scratch);
}

static inline void use_bytes(const uint8_t *data, size_t size)
{
    struct model *model = NULL;
    struct error error = {0};
    int code = model_parse((const char *)data, size, &model, &error);
    if (code == OK)
        use(model);
    else if (model || !error.message[0] || (int)error.code != code)
        abort();
    model_unref(model);
}

#endif
