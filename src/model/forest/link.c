/*
 * Links: what turns a row's margins into its scores, operation by operation as the training library does it,
 * because a score's last bit depends on the order and the width of each operation.
 */
#include <math.h>

#include "model/forest/forest.h"

int forest_outputs(const struct forest *forest)
{
    return forest->head.link == FOREST_ARGMAX ? 1 : forest->head.groups;
}

/* XGBoost's: the cap keeps expf finite; 1e-16f vanishes in float32 but is kept. */
float forest_sigmoid(float margin)
{
    float exponent = -margin < 88.7f ? -margin : 88.7f;
    return 1.0f / (expf(exponent) + 1.0f + 1e-16f);
}

static float one(const struct forest_head *head, double margin)
{
    switch (head->link) {
    case FOREST_SIGMOID:
        return forest_sigmoid((float)margin);
    case FOREST_EXP:
        return expf((float)margin);
    case FOREST_HINGE:
        return margin > 0 ? 1.0f : 0.0f;
    case FOREST_SIGMOID_DOUBLE:
        return (float)(1.0 / (1.0 + exp(-head->link_scale * margin)));
    case FOREST_EXP_DOUBLE:
        return (float)exp(margin);
    case FOREST_SQUARE_DOUBLE:
        return (float)(((margin > 0) - (margin < 0)) * margin * margin);
    case FOREST_SOFTPLUS_DOUBLE:
        return (float)log1p(exp(margin));
    default:
        return (float)margin;
    }
}

static int largest(const double *margins, int n)
{
    int at = 0;
    for (int g = 1; g < n; g++)
        if (margins[g] > margins[at])
            at = g;
    return at;
}

/* XGBoost's common::Softmax: exponentials in float32, their sum in double, the quotients by its float32. */
static void softmax(const double *margins, int n, float *ret)
{
    float top = (float)margins[largest(margins, n)];
    double sum = 0;
    for (int g = 0; g < n; g++) {
        ret[g] = expf((float)margins[g] - top);
        sum += (double)ret[g];
    }
    for (int g = 0; g < n; g++)
        ret[g] /= (float)sum;
}

/* Twice the exponentials, so that no memory is needed for them in double. */
static void softmax_double(const double *margins, int n, float *ret)
{
    double top = margins[largest(margins, n)], sum = 0;
    for (int g = 0; g < n; g++)
        sum += exp(margins[g] - top);
    for (int g = 0; g < n; g++)
        ret[g] = (float)(exp(margins[g] - top) / sum);
}

void forest_apply_link(const struct forest_head *head, const double *margins, size_t n, float *ret_scores)
{
    int groups = head->groups;
    size_t width = (size_t)groups;
    for (size_t r = 0; r < n; r++) {
        const double *row = margins + r * width;
        if (head->link == FOREST_ARGMAX)
            ret_scores[r] = (float)largest(row, groups);
        else if (head->link == FOREST_SOFTMAX)
            softmax(row, groups, ret_scores + r * width);
        else if (head->link == FOREST_SOFTMAX_DOUBLE)
            softmax_double(row, groups, ret_scores + r * width);
        else
            for (size_t g = 0; g < width; g++)
                ret_scores[r * width + g] = one(head, row[g]);
    }
}
