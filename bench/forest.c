/*
 * Scoring of one forest by one library, called from C: Shrike, or a peer that is loaded at run time.
 *
 *   bench_forest LIBRARY MODEL ROWS.f32 FEATURES BATCH [--explain] [--threads N] [--seconds S]
 *
 * LIBRARY: "shrike", or the path of libxgboost.so, lib_lightgbm.so or a library that tl2cgen made; peers are
 * told apart by what they export. ROWS: float32, row-major. Rows go in in batches of BATCH; 1 uses the
 * library's way for one row where it has one. Prints CPU nanoseconds per row, the median of the rounds that
 * fit in the seconds, and the sum of the scores. CPU time is that of the process, threads included; with
 * --threads wall nanoseconds are printed instead.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "model/model.h"

enum { MOST_ROUNDS = 1000, ROWS_MAXIMUM = 1 << 30, ENTRY_FEATURES = 4096 };

struct job {
    const char *model, *config;
    float *rows, *scores;
    size_t n, features, batch;
    bool explain;
    int threads;
    void *library, *handle;
    struct model *ours;
    double *contributions;
    void *scratch;
    struct parallel *parallel;
    /* Scores rows [from, from + n). */
    void (*score)(struct job *job, size_t from, size_t n);
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bench_forest: %s\n", what);
    exit(1);
}

static void *symbol(const struct job *job, const char *name)
{
    void *found = dlsym(job->library, name);
    if (!found)
        die(name);
    return found;
}

/* ---- Shrike ---- */

static void shrike_score(struct job *job, size_t from, size_t n)
{
    if (job->explain)
        model_explain(job->ours, job->rows + from * job->features, n,
                      job->contributions + from * (job->features + 1), job->scratch);
    else
        model_predict(job->ours, job->rows + from * job->features, n, job->scores + from);
}

static void shrike_open(struct job *job)
{
    struct error error = {0};
    if (model_load(job->model, &job->ours, &error))
        die(error.message);
    if (model_outputs(job->ours) != 1 || (size_t)model_features(job->ours) != job->features)
        die("the rows are not the model's");
    job->scratch = memory_aligned(model_explain_scratch(job->ours) + 64);
    job->contributions = memory_new(job->explain ? job->n * (job->features + 1) : 1, sizeof(double));
    job->score = shrike_score;
}

/* ---- XGBoost ---- */

static int (*xgboost_dense)(void *, const char *, const char *, void *, const uint64_t **, uint64_t *,
                            const float **);
static int (*xgboost_matrix)(const float *, uint64_t, uint64_t, float, void **);
static int (*xgboost_predict)(void *, void *, const char *, const uint64_t **, uint64_t *, const float **);
static int (*xgboost_free)(void *);

/* The rows are named by their address, in JSON. */
static void xgboost_score(struct job *job, size_t from, size_t n)
{
    char array[256];
    const uint64_t *shape;
    uint64_t dimensions;
    const float *result;
    if (job->explain) {
        void *matrix;
        if (xgboost_matrix(job->rows + from * job->features, n, job->features, NAN, &matrix) ||
            xgboost_predict(job->handle, matrix, job->config, &shape, &dimensions, &result))
            die("XGBoost does not explain");
        xgboost_free(matrix);
        return;
    }
    (void)snprintf(array, sizeof array,
                   "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\",\"version\":3}",
                   (size_t)(job->rows + from * job->features), n, job->features);
    if (xgboost_dense(job->handle, array, job->config, NULL, &shape, &dimensions, &result))
        die("XGBoost does not predict");
    memcpy(job->scores + from, result, n * sizeof *result);
}

static void xgboost_open(struct job *job)
{
    int (*create)(const void *, uint64_t, void **) = symbol(job, "XGBoosterCreate");
    int (*load)(void *, const char *) = symbol(job, "XGBoosterLoadModel");
    int (*set)(void *, const char *, const char *) = symbol(job, "XGBoosterSetParam");
    xgboost_dense = symbol(job, "XGBoosterPredictFromDense");
    xgboost_matrix = symbol(job, "XGDMatrixCreateFromMat");
    xgboost_predict = symbol(job, "XGBoosterPredictFromDMatrix");
    xgboost_free = symbol(job, "XGDMatrixFree");
    int (*configure)(const char *) = symbol(job, "XGBSetGlobalConfig");
    if (configure("{\"verbosity\":0}") || create(NULL, 0, &job->handle) || load(job->handle, job->model) ||
        set(job->handle, "nthread", "1"))
        die("XGBoost does not load the model");
    job->config = job->explain
                      ? "{\"type\":2,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
                        "\"strict_shape\":false}"
                      : "{\"type\":0,\"iteration_begin\":0,\"iteration_end\":0,\"strict_shape\":false,"
                        "\"missing\":NaN,\"cache_id\":0}";
    job->score = xgboost_score;
}

/* ---- LightGBM ---- */

static int (*lightgbm_batch)(void *, const void *, int, int32_t, int32_t, int, int, int, int, const char *,
                             int64_t *, double *);
static int (*lightgbm_row)(void *, const void *, int64_t *, double *);
static void *lightgbm_fast;

static void lightgbm_score(struct job *job, size_t from, size_t n)
{
    static double out[1 << 16];
    int64_t size;
    const float *rows = job->rows + from * job->features;
    int code = n == 1 ? lightgbm_row(lightgbm_fast, rows, &size, out)
                      : lightgbm_batch(job->handle, rows, 0, (int32_t)n, (int32_t)job->features, 1, 0, 0, -1,
                                       "num_threads=1", &size, out);
    if (code)
        die("LightGBM does not predict");
    for (size_t r = 0; r < n; r++)
        job->scores[from + r] = (float)out[r];
}

static void lightgbm_open(struct job *job)
{
    int rounds;
    int (*load)(const char *, int *, void **) = symbol(job, "LGBM_BoosterCreateFromModelfile");
    int (*fast)(void *, int, int, int, int, int32_t, const char *, void **) =
        symbol(job, "LGBM_BoosterPredictForMatSingleRowFastInit");
    lightgbm_batch = symbol(job, "LGBM_BoosterPredictForMat");
    lightgbm_row = symbol(job, "LGBM_BoosterPredictForMatSingleRowFast");
    if (job->batch > 1 << 16 || load(job->model, &rounds, &job->handle) ||
        fast(job->handle, 0, 0, -1, 0, (int32_t)job->features, "num_threads=1", &lightgbm_fast))
        die("LightGBM does not load the model");
    job->score = lightgbm_score;
}

/* ---- tl2cgen ---- */

union entry {
    int missing;
    float value;
    int quantised;
};
static void (*tl2cgen_predict)(union entry *, int, float *);

static void tl2cgen_score(struct job *job, size_t from, size_t n)
{
    union entry row[ENTRY_FEATURES];
    for (size_t r = from; r < from + n; r++) {
        for (size_t f = 0; f < job->features; f++) {
            float x = job->rows[r * job->features + f];
            row[f].value = x;
            if (isnan(x))
                row[f].missing = -1;
        }
        tl2cgen_predict(row, 0, &job->scores[r]);
    }
}

static void tl2cgen_open(struct job *job)
{
    if (job->features > ENTRY_FEATURES)
        die("too many features");
    tl2cgen_predict = symbol(job, "predict");
    job->score = tl2cgen_score;
}

/* ---- measuring ---- */

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void one_batch(void *context, int task)
{
    struct job *job = context;
    size_t from = (size_t)task * job->batch;
    job->score(job, from, job->n - from < job->batch ? job->n - from : job->batch);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct job *job, double limit)
{
    static double rounds[MOST_ROUNDS];
    clockid_t clock = job->threads ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
    int n = 0, tasks = (int)((job->n + job->batch - 1) / job->batch);
    double start = seconds(CLOCK_MONOTONIC), sum = 0;
    for (int i = -1; i < MOST_ROUNDS && (n < 3 || seconds(CLOCK_MONOTONIC) - start < limit); i++) {
        double before = seconds(clock);
        if (job->parallel)
            parallel_for(job->parallel, tasks, one_batch, job);
        else
            for (int task = 0; task < tasks; task++)
                one_batch(job, task);
        if (i >= 0) /* the first round warms the caches */
            rounds[n++] = (seconds(clock) - before) / (double)job->n * 1e9;
    }
    qsort(rounds, (size_t)n, sizeof *rounds, compare_doubles);
    for (size_t r = 0; r < job->n && !job->explain; r++)
        sum += (double)job->scores[r];
    printf("%.3f %.9g %s\n", rounds[n / 2], sum, job->ours ? model_kernel(job->ours) : "-");
}

static void open_library(struct job *job, const char *name)
{
    if (strcmp(name, "shrike") == 0) {
        shrike_open(job);
        return;
    }
    /* Its own symbols first: this program holds an XGBoost too. */
    job->library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (!job->library)
        die(dlerror());
    if (dlsym(job->library, "XGBoosterCreate"))
        xgboost_open(job);
    else if (dlsym(job->library, "LGBM_BoosterCreateFromModelfile"))
        lightgbm_open(job);
    else
        tl2cgen_open(job);
}

int main(int count, char **words)
{
    struct job job = {0};
    struct error error = {0};
    double limit = 0.3;
    char *data;
    size_t size;
    if (count < 6)
        die("LIBRARY MODEL ROWS.f32 FEATURES BATCH [--explain] [--threads N] [--seconds S]");
    job.model = words[2];
    job.features = (size_t)atol(words[4]);
    job.batch = (size_t)atol(words[5]);
    for (int i = 6; i < count; i++) {
        if (strcmp(words[i], "--explain") == 0)
            job.explain = true;
        else if (strcmp(words[i], "--threads") == 0 && i + 1 < count)
            job.threads = atoi(words[++i]);
        else if (strcmp(words[i], "--seconds") == 0 && i + 1 < count)
            limit = atof(words[++i]);
        else
            die(words[i]);
    }
    if (file_read(words[3], ROWS_MAXIMUM, &data, &size, &error))
        die(error.message);
    if (!job.features || !job.batch || size % (job.features * sizeof(float)))
        die("the rows have another width");
    job.rows = (float *)data;
    job.n = size / sizeof(float) / job.features;
    job.scores = memory_new(job.n, sizeof *job.scores);
    if (job.threads && parallel_new(job.threads, &job.parallel, &error))
        die(error.message);
    open_library(&job, words[1]);
    measure(&job, limit);
    return 0;
}
