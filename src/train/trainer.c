#include "train/trainer.h"

#include <stdlib.h>

void trained_done(struct trained *trained)
{
    free(trained->model);
    free(trained->parameters);
    *trained = (struct trained){0};
}

int examples_check(const struct examples *examples, const char *what, int64_t *ret_frauds,
                   struct error *error)
{
    int64_t frauds = 0;
    for (int64_t r = 0; r < examples->rows; r++) {
        float label = examples->labels[r];
        if (label != 0 && label != 1)
            return error_set(error, CODE_INVALID, "row %lld of %s has the label %g; expected 0 or 1",
                             (long long)r + 1, what, (double)label);
        frauds += label == 1;
    }
    if (examples->rows == 0)
        return error_set(error, CODE_INVALID, "%s are empty: no row has its time in that span", what);
    if (frauds == 0 || frauds == examples->rows)
        return error_set(error, CODE_INVALID, "%s are all %s (%lld rows): there is nothing to tell apart",
                         what, frauds ? "frauds" : "without fraud", (long long)examples->rows);
    *ret_frauds = frauds;
    return OK;
}
