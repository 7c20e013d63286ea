#include "train/logistic.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/memory.h"
#include "model/linear.h"

enum {
    BLOCK_ROWS =
        1024,    /* rows that are standardised at a time: with 100 features they fill the second cache */
    MEMORY = 10, /* pairs of steps and gradient changes that L-BFGS remembers */
    ITERATIONS = 1000,
    SEARCHES = 60
};

/* The problem: parameters are the weights and, last, the intercept. */
struct problem {
    const struct examples *examples;
    int features, n; /* n = features + 1 */
    double c, tolerance;
    double positive, negative; /* weight of a fraud, of another row */
    double total;              /* weight of all rows */
    double *means, *sds;
    double *block, *margins; /* BLOCK_ROWS x features, BLOCK_ROWS */
};

/* One point of the search. */
struct point {
    double value;
    double *at, *gradient; /* n each */
};

static double row_weight(const struct problem *problem, int64_t r)
{
    double weight = problem->examples->labels[r] == 1 ? problem->positive : problem->negative;
    return problem->examples->weights ? weight * (double)problem->examples->weights[r] : weight;
}

/* Mean and standard deviation of the present values of each feature, in two passes. */
static void standardise(struct problem *problem)
{
    const struct examples *examples = problem->examples;
    size_t width = (size_t)problem->features;
    for (size_t f = 0; f < width; f++) {
        double sum = 0, squares = 0;
        int64_t n = 0;
        for (int64_t r = 0; r < examples->rows; r++) {
            float x = examples->x[(size_t)r * width + f];
            sum += isnan(x) ? 0 : (double)x;
            n += !isnan(x);
        }
        double mean = n ? sum / (double)n : 0;
        for (int64_t r = 0; r < examples->rows; r++) {
            float x = examples->x[(size_t)r * width + f];
            double apart = isnan(x) ? 0 : (double)x - mean;
            squares += apart * apart;
        }
        double sd = n ? sqrt(squares / (double)n) : 0;
        problem->means[f] = mean;
        /* A constant's deviation is rounding error and must not be divided by. */
        problem->sds[f] = sd > 1e-12 * fabs(mean) ? sd : 0;
    }
}

static void fill_block(const struct problem *problem, int64_t from, int rows)
{
    size_t width = (size_t)problem->features;
    for (int r = 0; r < rows; r++) {
        const float *x = problem->examples->x + (size_t)(from + r) * width;
        double *z = problem->block + (size_t)r * width;
        for (size_t f = 0; f < width; f++)
            z[f] = isnan(x[f]) || problem->sds[f] == 0 ? 0
                                                       : ((double)x[f] - problem->means[f]) / problem->sds[f];
    }
}

/* Value and gradient at point->at, divided by the total weight so that the tolerance means the same for any
 * size. */
static void evaluate(struct problem *problem, struct point *point)
{
    int d = problem->features;
    double loss = 0, intercept = point->at[d], penalty = cblas_ddot(d, point->at, 1, point->at, 1);
    for (int f = 0; f < d; f++)
        point->gradient[f] = point->at[f] / problem->c;
    point->gradient[d] = 0;
    for (int64_t from = 0; from < problem->examples->rows; from += BLOCK_ROWS) {
        int64_t left = problem->examples->rows - from;
        int rows = left < BLOCK_ROWS ? (int)left : BLOCK_ROWS;
        fill_block(problem, from, rows);
        cblas_dgemv(CblasRowMajor, CblasNoTrans, rows, d, 1, problem->block, d, point->at, 1, 0,
                    problem->margins, 1);
        for (int r = 0; r < rows; r++) {
            double margin = problem->margins[r] + intercept, weight = row_weight(problem, from + r);
            double label = (double)problem->examples->labels[from + r], tail = exp(-fabs(margin));
            loss += weight * (log1p(tail) + (margin > 0 ? margin : 0) - label * margin);
            double p = margin > 0 ? 1 / (1 + tail) : tail / (1 + tail);
            problem->margins[r] = weight * (p - label);
            point->gradient[d] += problem->margins[r];
        }
        cblas_dgemv(CblasRowMajor, CblasTrans, rows, d, 1, problem->block, d, problem->margins, 1, 1,
                    point->gradient, 1);
    }
    point->value = (loss + penalty / (2 * problem->c)) / problem->total;
    cblas_dscal(problem->n, 1 / problem->total, point->gradient, 1);
}

/* What L-BFGS remembers: steps s and gradient changes y, oldest first in a ring. */
struct history {
    int n, count, newest;
    double *s, *y, rho[MEMORY], alpha[MEMORY];
};

static void history_add(struct history *history, const struct point *from, const struct point *to)
{
    int n = history->n, slot = history->count ? (history->newest + 1) % MEMORY : 0;
    double *s = history->s + (size_t)slot * (size_t)n, *y = history->y + (size_t)slot * (size_t)n;
    for (int i = 0; i < n; i++) {
        s[i] = to->at[i] - from->at[i];
        y[i] = to->gradient[i] - from->gradient[i];
    }
    double curvature = cblas_ddot(n, s, 1, y, 1);
    if (!(curvature > 0))
        return; /* rounding ate it: a pair like this would break positive definiteness */
    history->rho[slot] = 1 / curvature;
    history->newest = slot;
    history->count += history->count < MEMORY;
}

/* The two-loop recursion: direction = -H gradient. */
static void find_direction(struct history *history, const double *gradient, double *direction)
{
    int n = history->n;
    cblas_dcopy(n, gradient, 1, direction, 1);
    for (int i = 0; i < history->count; i++) {
        int slot = (history->newest - i + MEMORY) % MEMORY;
        const double *s = history->s + (size_t)slot * (size_t)n, *y = history->y + (size_t)slot * (size_t)n;
        history->alpha[slot] = history->rho[slot] * cblas_ddot(n, s, 1, direction, 1);
        cblas_daxpy(n, -history->alpha[slot], y, 1, direction, 1);
    }
    if (history->count) {
        const double *y = history->y + (size_t)history->newest * (size_t)n;
        cblas_dscal(n, 1 / (history->rho[history->newest] * cblas_ddot(n, y, 1, y, 1)), direction, 1);
    }
    for (int i = history->count - 1; i >= 0; i--) {
        int slot = (history->newest - i + MEMORY) % MEMORY;
        const double *s = history->s + (size_t)slot * (size_t)n, *y = history->y + (size_t)slot * (size_t)n;
        double beta = history->rho[slot] * cblas_ddot(n, y, 1, direction, 1);
        cblas_daxpy(n, history->alpha[slot] - beta, s, 1, direction, 1);
    }
    cblas_dscal(n, -1, direction, 1);
}

/* Weak Wolfe conditions by bisection. False: no step makes the value smaller, which near the optimum is
 * rounding. */
static bool search(struct problem *problem, const struct point *from, const double *direction,
                   struct point *to)
{
    double slope = cblas_ddot(problem->n, from->gradient, 1, direction, 1), step = 1, low = 0,
           high = INFINITY;
    if (!(slope < 0))
        return false;
    for (int i = 0; i < SEARCHES; i++) {
        cblas_dcopy(problem->n, from->at, 1, to->at, 1);
        cblas_daxpy(problem->n, step, direction, 1, to->at, 1);
        evaluate(problem, to);
        if (!(to->value <= from->value + 1e-4 * step * slope))
            high = step;
        else if (cblas_ddot(problem->n, to->gradient, 1, direction, 1) < 0.9 * slope)
            low = step;
        else
            return true;
        step = isinf(high) ? 2 * low : (low + high) / 2;
    }
    return false;
}

static double gradient_size(const struct problem *problem, const struct point *point)
{
    return fabs(point->gradient[cblas_idamax(problem->n, point->gradient, 1)]);
}

/* Goes from the point at `best` to the optimum; ends there. Gives whether the tolerance was reached. */
static bool descend(struct problem *problem, const struct trainer_options *options, int iterations,
                    struct history *history, struct point *best, struct point *next, double *direction,
                    int *ret_rounds)
{
    evaluate(problem, best);
    for (*ret_rounds = 0; *ret_rounds < iterations; ++*ret_rounds) {
        double size = gradient_size(problem, best);
        if (options->progress) {
            char text[64];
            snprintf(text, sizeof text, "loss:%.6f gradient:%.1e", best->value, size);
            options->progress(options->context, *ret_rounds, text);
        }
        if (size <= problem->tolerance)
            return true;
        find_direction(history, best->gradient, direction);
        if (!search(problem, best, direction, next)) {
            if (history->count == 0)
                return false;
            history->count = 0; /* once more along the gradient itself */
            continue;
        }
        history_add(history, best, next);
        struct point swap = *best;
        *best = *next;
        *next = swap;
    }
    return gradient_size(problem, best) <= problem->tolerance;
}

static int real_param(const struct param *param, double *ret, struct error *error)
{
    char *end;
    double value = strtod(param->value, &end);
    if (end == param->value || *end || !(value > 0) || isinf(value))
        return error_set(error, CODE_USAGE, "%s=%s: expected a number above 0", param->name, param->value);
    *ret = value;
    return OK;
}

static int read_params(const struct trainer_options *options, struct problem *problem, int *ret_iterations,
                       struct error *error)
{
    double iterations = options->rounds ? options->rounds : ITERATIONS;
    problem->c = 1;
    problem->tolerance = 1e-8;
    for (int i = 0; i < options->n_params; i++) {
        const struct param *param = &options->params[i];
        double *target = strcmp(param->name, "C") == 0          ? &problem->c
                         : strcmp(param->name, "max_iter") == 0 ? &iterations
                         : strcmp(param->name, "tol") == 0      ? &problem->tolerance
                                                                : NULL;
        if (!target)
            return error_set(error, CODE_USAGE,
                             "the linear model has no parameter \"%s\"; it has C, max_iter and tol",
                             param->name);
        int code = real_param(param, target, error);
        if (code)
            return code;
    }
    if (options->early_stopping)
        return error_set(error, CODE_USAGE, "the linear model goes to its optimum: it has no early stopping");
    if (iterations > 1e6)
        return error_set(error, CODE_USAGE, "max_iter=%g: expected at most 1000000", iterations);
    *ret_iterations = (int)iterations;
    return OK;
}

static char *write_parameters(const struct problem *problem, const struct trainer_options *options,
                              int iterations)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "penalty", "l2");
    yyjson_mut_obj_add_real(document, root, "C", problem->c);
    yyjson_mut_obj_add_real(document, root, "tol", problem->tolerance);
    yyjson_mut_obj_add_int(document, root, "max_iter", iterations);
    yyjson_mut_obj_add_bool(document, root, "fit_intercept", true);
    yyjson_mut_obj_add_str(document, root, "class_weight", options->balanced ? "balanced" : "none");
    yyjson_mut_obj_add_str(document, root, "solver", "lbfgs");
    char *text = yyjson_mut_write(document, 0, NULL);
    yyjson_mut_doc_free(document);
    return text;
}

/* The version is between the first two spaces of "OpenBLAS 0.3.21 NO_LAPACKE ...". */
static void library_version(char *ret, size_t size)
{
    const char *config = openblas_get_config(), *space = strchr(config, ' ');
    const char *version = space ? space + 1 : config;
    snprintf(ret, size, "%.*s", (int)strcspn(version, " "), version);
}

static int finish(struct problem *problem, const struct trainer_options *options, const struct point *best,
                  struct trained *ret, int iterations, struct error *error)
{
    struct linear linear = {
        .n = problem->features,
        .intercept = best->at[problem->features],
        .weights = best->at,
        .means = problem->means,
        .sds = problem->sds,
        .names = options->names,
    };
    int code = linear_write(&linear, &ret->model, &ret->model_size, error);
    if (code)
        return code;
    ret->parameters = write_parameters(problem, options, iterations);
    if (!ret->parameters)
        return error_set(error, CODE_MEMORY, "no memory for the parameters");
    snprintf(ret->library, sizeof ret->library, "openblas");
    library_version(ret->library_version, sizeof ret->library_version);
    ret->best_round = -1;
    return OK;
}

static int train_with(struct problem *problem, const struct trainer_options *options, struct arena *arena,
                      int iterations, struct trained *trained, struct error *error)
{
    size_t n = (size_t)problem->n, d = (size_t)problem->features;
    struct history history = {.n = problem->n};
    struct point best = {0}, next = {0};
    double *direction;
    if (!(problem->means = arena_new(arena, d, sizeof(double))) ||
        !(problem->sds = arena_new(arena, d, sizeof(double))) ||
        !(problem->block = arena_new(arena, d * BLOCK_ROWS, sizeof(double))) ||
        !(problem->margins = arena_new(arena, BLOCK_ROWS, sizeof(double))) ||
        !(history.s = arena_new(arena, n * MEMORY, sizeof(double))) ||
        !(history.y = arena_new(arena, n * MEMORY, sizeof(double))) ||
        !(best.at = arena_new(arena, n, sizeof(double))) ||
        !(best.gradient = arena_new(arena, n, sizeof(double))) ||
        !(next.at = arena_new(arena, n, sizeof(double))) ||
        !(next.gradient = arena_new(arena, n, sizeof(double))) ||
        !(direction = arena_new(arena, n, sizeof(double))))
        return error_set(error, CODE_MEMORY, "no memory to train a linear model of %d features",
                         problem->features);
    openblas_set_num_threads(1);
    standardise(problem);
    trained->converged =
        descend(problem, options, iterations, &history, &best, &next, direction, &trained->rounds);
    return finish(problem, options, &best, trained, iterations, error);
}

int logistic_train(const struct examples *train, const struct examples *valid,
                   const struct trainer_options *options, struct trained *ret, struct error *error)
{
    (void)valid;
    struct problem problem = {.examples = train, .features = options->features, .n = options->features + 1};
    struct trained trained = {0};
    struct arena arena = {0};
    int64_t frauds;
    int iterations = 0, code = read_params(options, &problem, &iterations, error);
    if (!code)
        code = examples_check(train, "the training rows", &frauds, error);
    if (code)
        return code;
    /* Balanced: each class weighs half of all rows, as scikit-learn's class_weight="balanced". */
    problem.positive = options->balanced ? (double)train->rows / (2 * (double)frauds) : 1;
    problem.negative = options->balanced ? (double)train->rows / (2 * (double)(train->rows - frauds)) : 1;
    for (int64_t r = 0; r < train->rows; r++)
        problem.total += row_weight(&problem, r);
    code = train_with(&problem, options, &arena, iterations, &trained, error);
    arena_done(&arena);
    if (code) {
        trained_done(&trained);
        return code;
    }
    *ret = trained;
    return OK;
}
