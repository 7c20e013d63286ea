/*
 * Path-dependent TreeSHAP as it was published: the oracle of the kernels that integrate.
 *
 * Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles (2018),
 * Algorithm 2. On the way down a tree one keeps, per distinct feature of the path, the share of training
 * rows that would go this way if the feature were unknown (zero), whether this row goes this way (one), and
 * the weight of the coalitions of each size. A leaf then gives each feature of its path the weighted
 * difference. O(leaves * depth^2) per tree and row.
 *
 * The sum of a row's contributions and its base is the margin, whatever the covers are: with no feature
 * known the products of `zero` give the base, with all known the row's leaf. A split without cover halves
 * it.
 *
 * Memory: each level of the recursion works on a copy of the path above it; the copies of a path of length
 * n lie one behind the other, n * (n + 1) / 2 steps in all, in the caller's scratch.
 */
#include <string.h>

#include "differential/shap_oracle.h"

struct step {
    double zero, one, weight;
    int64_t feature;
};

enum { NO_FEATURE = -1 };

size_t shap_oracle_scratch(const struct forest *forest)
{
    size_t longest = (size_t)forest->depth + 2; /* the root's empty step, a step per split, one spare */
    return longest * (longest + 1) / 2 * sizeof(struct step);
}

static void path_extend(struct step *path, int length, double zero, double one, int64_t feature)
{
    path[length] = (struct step){.zero = zero, .one = one, .weight = length ? 0 : 1, .feature = feature};
    double scale = 1.0 / (length + 1);
    for (int i = length - 1; i >= 0; i--) {
        path[i + 1].weight += one * path[i].weight * (i + 1) * scale;
        path[i].weight *= zero * (length - i) * scale;
    }
}

/* Takes step `at` out of a path whose last step has index `last`: undoes its path_extend. */
static void path_unwind(struct step *path, int last, int at)
{
    double zero = path[at].zero, one = path[at].one, carry = path[last].weight;
    for (int i = last - 1; i >= 0; i--) {
        if (one != 0) {
            double weight = path[i].weight;
            path[i].weight = carry * (last + 1) / ((i + 1) * one);
            carry = weight - path[i].weight * zero * (last - i) / (last + 1);
        } else {
            path[i].weight = path[i].weight * (last + 1) / (zero * (last - i));
        }
    }
    for (int i = at; i < last; i++) {
        path[i].zero = path[i + 1].zero;
        path[i].one = path[i + 1].one;
        path[i].feature = path[i + 1].feature;
    }
}

/* The sum of the weights that path_unwind would leave, without writing them. */
static double unwound_weight(const struct step *path, int last, int at)
{
    double zero = path[at].zero, one = path[at].one, carry = path[last].weight, sum = 0;
    for (int i = last - 1; i >= 0; i--) {
        if (one != 0) {
            double weight = carry * (last + 1) / ((i + 1) * one);
            sum += weight;
            carry = path[i].weight - weight * zero * (last - i) / (last + 1);
        } else {
            sum += path[i].weight * (last + 1) / (zero * (last - i));
        }
    }
    return sum;
}

struct walk {
    const struct forest *forest;
    const float *row;
    double *contributions;
};

static double share(const struct forest *forest, int32_t parent, int32_t child)
{
    return forest->cover[parent] > 0 ? forest->cover[child] / forest->cover[parent] : 0.5;
}

/* Visits node `at`, which is reached from the path above (its last step has index last - 1) by the step
 * given. */
static void visit(const struct walk *walk, int32_t at, const struct step *above, int last, double zero,
                  double one, int64_t feature)
{
    const struct forest *forest = walk->forest;
    struct step *path = (struct step *)above + last;
    memcpy(path, above, (size_t)last * sizeof *path);
    path_extend(path, last, zero, one, feature);
    const struct forest_node *node = &forest->nodes[at];
    if (node->test == FOREST_LEAF) {
        for (int i = 1; i <= last; i++)
            walk->contributions[path[i].feature] +=
                unwound_weight(path, last, i) * (path[i].one - path[i].zero) * forest->values[at];
        return;
    }
    int32_t hot = node->left + !forest_goes_left(forest, node, walk->row[node->feature]);
    int32_t cold = hot == node->left ? hot + 1 : hot - 1;
    double known_zero = 1, known_one = 1;
    for (int i = 1; i <= last; i++)
        if (path[i].feature == node->feature) {
            known_zero = path[i].zero;
            known_one = path[i].one;
            path_unwind(path, last, i);
            last--;
            break;
        }
    double hot_zero = known_zero * share(forest, at, hot), cold_zero = known_zero * share(forest, at, cold);
    /* A way that neither this row nor any training row takes weighs nothing, and its division would be 0 /
     * 0. */
    if (hot_zero > 0 || known_one > 0)
        visit(walk, hot, path, last + 1, hot_zero, known_one, node->feature);
    if (cold_zero > 0)
        visit(walk, cold, path, last + 1, cold_zero, 0, node->feature);
}

void shap_oracle(const struct forest *forest, const float *rows, size_t n, double *ret_contributions,
                 void *scratch)
{
    size_t width = (size_t)forest->head.features, groups = (size_t)forest->head.groups;
    for (size_t r = 0; r < n; r++) {
        double *contributions = ret_contributions + r * groups * (width + 1);
        memset(contributions, 0, groups * (width + 1) * sizeof *contributions);
        for (int t = 0; t < forest->trees; t++) {
            struct walk walk = {forest, rows + r * width,
                                contributions + (size_t)forest->groups[t] * (width + 1)};
            visit(&walk, forest->roots[t], scratch, 0, 1, 1, NO_FEATURE);
        }
        for (size_t g = 0; g < groups; g++) {
            for (size_t f = 0; f < width; f++)
                contributions[g * (width + 1) + f] /= forest->head.divisor;
            contributions[g * (width + 1) + width] = forest->expected[g];
        }
    }
}
