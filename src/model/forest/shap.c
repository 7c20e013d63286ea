#include "model/forest/shap.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static double share(const struct forest *forest, int32_t parent, int32_t child)
{
    return forest->cover[parent] > 0 ? forest->cover[child] / forest->cover[parent] : 0.5;
}

/* What node `at` is worth when no feature is known. The recursion is as deep as the tree, LIMIT_TREE_DEPTH
 * at most. */
static double expected(const struct forest *forest, int32_t at)
{
    const struct forest_node *node = &forest->nodes[at];
    if (node->test == FOREST_LEAF)
        return forest->values[at];
    int32_t left = node->left, right = node->left + 1;
    return share(forest, at, left) * expected(forest, left) +
           share(forest, at, right) * expected(forest, right);
}

void shap_expected(const struct forest *forest, double *ret_expected)
{
    const struct forest_head *head = &forest->head;
    for (int g = 0; g < head->groups; g++)
        ret_expected[g] = 0;
    for (int t = 0; t < forest->trees; t++)
        ret_expected[forest->groups[t]] += expected(forest, forest->roots[t]);
    for (int g = 0; g < head->groups; g++)
        ret_expected[g] = head->sum == FOREST_SUM_FLOAT
                              ? (ret_expected[g] + forest->base[g]) / head->divisor
                              : ret_expected[g] / head->divisor + forest->base[g];
}

/* What planning a tree remembers of the way to the node at hand: by feature the node behind its last split.
 */
struct way {
    const struct forest *forest;
    int32_t root;
    struct shap_split *splits; /* of the tree */
    int32_t *place;            /* by node of the tree: its split */
    int32_t *last;
    double *zero; /* by node of the tree: the product of the shares by the feature that leads there */
    int most;     /* features on one way */
};

static void plan_node(struct way *way, int32_t at, int features)
{
    const struct forest_node *node = &way->forest->nodes[at];
    if (node->test == FOREST_LEAF) {
        way->most = features > way->most ? features : way->most;
        return;
    }
    int32_t *last = &way->last[node->feature], before = *last;
    struct shap_split *split = &way->splits[way->place[at - way->root]];
    *split = (struct shap_split){
        .node = at - way->root, .same = before, .before = before < 0 ? 1 : way->zero[before]};
    for (int side = 0; side < 2; side++) {
        int32_t child = node->left + side;
        bool leaf = way->forest->nodes[child].test == FOREST_LEAF;
        split->share[side] = share(way->forest, at, child);
        way->zero[child - way->root] = split->share[side] * split->before;
        split->value[side] = leaf ? way->forest->values[child] : 1;
        *last = child - way->root;
        plan_node(way, child, features + (before < 0));
    }
    *last = before;
}

/* Splits keep the order of the forest's nodes, in which children come later. */
static void plan_tree(struct shap_plan *plan, struct way *way, int tree)
{
    const struct forest *forest = plan->forest;
    int32_t n = forest->roots[tree + 1] - forest->roots[tree], splits = 0;
    way->root = forest->roots[tree];
    way->splits = plan->splits + plan->starts[tree];
    for (int32_t i = 0; i < n; i++)
        if (forest->nodes[way->root + i].test != FOREST_LEAF)
            way->place[i] = splits++;
    plan->starts[tree + 1] = plan->starts[tree] + splits;
    plan_node(way, way->root, 0);
}

static int plan_trees(struct shap_plan *plan, struct error *error)
{
    const struct forest *forest = plan->forest;
    struct way way = {.forest = forest};
    for (int t = 0; t < forest->trees; t++) {
        int32_t n = forest->roots[t + 1] - forest->roots[t];
        plan->largest = n > plan->largest ? n : plan->largest;
    }
    way.last = memory_new((size_t)forest->head.features, sizeof *way.last);
    way.place = memory_new((size_t)plan->largest + 1, sizeof *way.place);
    way.zero = memory_new((size_t)plan->largest + 1, sizeof *way.zero);
    plan->starts = memory_new((size_t)forest->trees + 1, sizeof *plan->starts);
    /* A tree has one leaf more than splits. */
    plan->splits = memory_new((size_t)forest->roots[forest->trees] / 2 + 1, sizeof *plan->splits);
    bool good = way.last && way.place && way.zero && plan->starts && plan->splits;
    for (int f = 0; good && f < forest->head.features; f++)
        way.last[f] = -1;
    for (int t = 0; good && t < forest->trees; t++)
        plan_tree(plan, &way, t);
    plan->groups = way.most ? (way.most + 2 * SHAP_LANES - 1) / (2 * SHAP_LANES) : 1;
    free(way.last);
    free(way.place);
    free(way.zero);
    return good ? OK : error_set(error, CODE_MEMORY, "no memory for the model's contributions");
}

/* Points and weights for the integral from 0 to 1: the roots of the Legendre polynomial of degree n, by
 * Newton's method from the usual first guess. */
static void gauss_legendre(int n, double *points, double *weights)
{
    for (int i = 0; i < n; i++) {
        double x = cos(M_PI * (i + 0.75) / (n + 0.5)), slope = 1;
        for (int round = 0; round < 100; round++) {
            double p = 1, below = 0;
            for (int k = 1; k <= n; k++) {
                double next = ((2 * k - 1) * x * p - (k - 1) * below) / k;
                below = p;
                p = next;
            }
            slope = n * (x * p - below) / (x * x - 1);
            x -= p / slope;
            if (fabs(p / slope) < 1e-16)
                break;
        }
        points[i] = (1 + x) / 2;
        weights[i] = 1 / ((1 - x * x) * slope * slope);
    }
}

int shap_plan_init(struct shap_plan *plan, const struct forest *forest, struct error *error)
{
    *plan = (struct shap_plan){.forest = forest};
    int code = plan_trees(plan, error);
    if (!code) {
        plan->points = memory_aligned((size_t)plan->groups * sizeof *plan->points);
        plan->weights = memory_aligned((size_t)plan->groups * sizeof *plan->weights);
        if (!plan->points || !plan->weights)
            code = error_set(error, CODE_MEMORY, "no memory for the model's contributions");
    }
    if (code)
        shap_plan_done(plan);
    else
        gauss_legendre(plan->groups * SHAP_LANES, (double *)plan->points, (double *)plan->weights);
    return code;
}

void shap_plan_done(struct shap_plan *plan)
{
    free(plan->splits);
    free(plan->starts);
    free(plan->points);
    free(plan->weights);
    *plan = (struct shap_plan){0};
}

/* Per node of the largest tree a product, a reciprocal and a byte, per feature and row a sum; some more to
 * align the start. */
size_t shap_scratch(const struct shap_plan *plan)
{
    size_t nodes = (size_t)plan->largest, features = (size_t)plan->forest->head.features;
    return (2 * nodes + SHAP_ROWS * features + 1) * sizeof(shap_lanes) + nodes;
}
