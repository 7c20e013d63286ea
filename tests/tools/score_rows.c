/*
 * score_rows MODEL: float32 rows of the model's features from standard input, its float32 scores to standard
 * output, both as they lie in memory. For tests that compare with the libraries that train models.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/model.h"

enum { BLOCK = 100 };

int main(int argc, char **argv)
{
    struct error error = {0};
    struct model *model;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL < ROWS > SCORES\n", argv[0]);
        return 2;
    }
    if (model_load(argv[1], &model, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    size_t features = (size_t)model_features(model), outputs = (size_t)model_outputs(model), n;
    float *rows = memory_new(BLOCK * features, sizeof *rows);
    float *scores = memory_new(BLOCK * outputs, sizeof *scores);
    if (!rows || !scores)
        return 1;
    while ((n = fread(rows, features * sizeof *rows, BLOCK, stdin)) > 0) {
        model_predict(model, rows, n, scores);
        if (fwrite(scores, outputs * sizeof *scores, n, stdout) != n)
            return 1;
    }
    free(rows);
    free(scores);
    model_unref(model);
    return 0;
}
