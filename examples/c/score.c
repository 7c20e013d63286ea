/* Scores one row: score model.json 1.5 nan 0.25 ... (one value per feature). Build it with
 *     cc score.c $(pkg-config --cflags --libs shrike) -o score */
#include <shrike/scorer.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static float scores[4096]; /* no model has more outputs */
    float *row = calloc((size_t)argc + 1, sizeof *row);
    struct shrike_error error;
    struct shrike_scorer *scorer = NULL;
    int features = argc - 2, code = shrike_scorer_load(argc > 1 ? argv[1] : NULL, &scorer, &error);
    for (int i = 0; row && i < features; i++)
        row[i] = strtof(argv[i + 2], NULL);
    if (code == SHRIKE_OK)
        code = shrike_scorer_predict_row(scorer, row, features, scores, &error);
    for (int i = 0; code == SHRIKE_OK && i < shrike_scorer_outputs(scorer); i++)
        printf("%.9g\n", scores[i]);
    if (code != SHRIKE_OK)
        fprintf(stderr, "%s: %s\n", error.place, error.message);
    shrike_scorer_free(scorer);
    free(row);
    return code;
}
