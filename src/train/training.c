#include "train/training.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/logistic.h"
#include "train/metrics.h"
#include "train/profile.h"
#include "train/split.h"
#include "train/training_json.h"
#include "train/xgboost.h"

/* What one training works with; freed in one place. */
struct work {
    const struct training_options *options;
    struct dataset data;
    struct rows train_rows, valid_rows;
    struct examples train, valid; /* x and labels are owned here */
    float *train_scores, *valid_scores;
    const char **names;
};

static int check_options(const struct training_options *options, struct error *error)
{
    if (schema_find(plan_events(options->plan), options->label) < 0)
        return error_set(error, CODE_INVALID, "the plan's events have no column \"%s\" to be the label",
                         options->label);
    if (options->split == TRAINING_STRATIFIED) {
        if (options->has_valid)
            return error_set(error, CODE_USAGE,
                             "a stratified split makes its own valid rows: no valid span beside it");
        return OK;
    }
    if (!options->has_train)
        return error_set(error, CODE_USAGE, "a split by time needs the span of the training rows");
    return options->has_valid
               ? split_check(options->train, options->valid, options->delay_us, options->steps, error)
               : OK;
}

static int read_data(struct work *work, struct error *error)
{
    const struct training_options *options = work->options;
    struct span spans[2] = {options->train, options->valid};
    struct dataset_options dataset = {
        .paths = options->paths,
        .n_paths = options->n_paths,
        .time_unit = options->time_unit,
        .spans = spans,
        .n_spans = options->has_train + options->has_valid,
        .label = options->label,
        .labels = options->labels,
        .threads = options->threads,
        .memory = options->memory,
        .quiet = options->quiet,
    };
    return dataset_read(options->plan, &dataset, &work->data, error);
}

static int split_rows(struct work *work, struct error *error)
{
    const struct training_options *options = work->options;
    const struct dataset *data = &work->data;
    const struct span all = {INT64_MIN, INT64_MAX};
    int code;
    if (options->split == TRAINING_STRATIFIED) {
        struct rows pool;
        code =
            split_by_time(data->time_us, data->rows, options->has_train ? options->train : all, &pool, error);
        if (code)
            return code;
        if (options->sample)
            split_sample(&pool, options->sample, options->seed);
        code = split_stratified(data->label, &pool, options->fraction, options->seed, &work->train_rows,
                                &work->valid_rows, error);
        rows_done(&pool);
        return code;
    }
    code = split_by_time(data->time_us, data->rows, options->train, &work->train_rows, error);
    if (!code && options->has_valid)
        code = split_by_time(data->time_us, data->rows, options->valid, &work->valid_rows, error);
    if (!code && options->sample)
        split_sample(&work->train_rows, options->sample, options->seed);
    return code;
}

/* Copies the chosen rows to lie one behind the other, as the trainers want them. */
static int gather(const struct dataset *data, const struct rows *rows, struct examples *ret,
                  struct error *error)
{
    size_t width = (size_t)data->features, n = (size_t)rows->n;
    float *x = memory_new(n * width, sizeof *x), *labels = memory_new(n, sizeof *labels);
    if (!x || !labels) {
        free(x);
        free(labels);
        return error_set(error, CODE_MEMORY, "no memory for %zu rows of %zu features", n, width);
    }
    for (size_t i = 0; i < n; i++) {
        size_t row = (size_t)rows->at[i];
        memcpy(x + i * width, data->x + row * width, width * sizeof *x);
        labels[i] = data->label[row];
    }
    *ret = (struct examples){.rows = rows->n, .x = x, .labels = labels};
    return OK;
}

static int prepare(struct work *work, struct error *error)
{
    const struct schema *features = plan_features(work->options->plan);
    work->names = memory_new((size_t)features->n, sizeof *work->names);
    if (!work->names)
        return error_set(error, CODE_MEMORY, "no memory for the names of %d features", features->n);
    for (int i = 0; i < features->n; i++)
        work->names[i] = features->fields[i].name;
    int code = gather(&work->data, &work->train_rows, &work->train, error);
    if (!code)
        code = gather(&work->data, &work->valid_rows, &work->valid, error);
    free(work->data.x); /* the copies are enough from here on, and this is the largest block */
    work->data.x = NULL;
    return code;
}

static int train(struct work *work, struct training *training, struct error *error)
{
    const struct training_options *options = work->options;
    struct trainer_options trainer = {
        .names = work->names,
        .features = work->data.features,
        .params = options->params,
        .n_params = options->n_params,
        .rounds = options->rounds,
        .early_stopping = options->early_stopping,
        .balanced = options->class_weight == CLASS_WEIGHT_BALANCED,
        .seed = options->seed,
        .threads = options->threads,
        .progress = options->progress,
        .context = options->context,
    };
    const struct examples *valid = training->has_valid ? &work->valid : NULL;
    int code = options->kind == TRAINING_LINEAR
                   ? logistic_train(&work->train, valid, &trainer, &training->trained, error)
                   : xgboost_train(&work->train, valid, &trainer, &training->trained, error);
    if (code)
        return code;
    code = model_parse(training->trained.model, training->trained.model_size, &training->model, error);
    if (code)
        error_prefix(error, "the model that was just trained");
    return code;
}

static int rank(const struct examples *examples, const struct model *model, float **ret_scores,
                struct ranking *ret, struct error *error)
{
    float *scores = memory_new((size_t)examples->rows, sizeof *scores);
    if (!scores)
        return error_set(error, CODE_MEMORY, "no memory for %lld scores", (long long)examples->rows);
    model_predict(model, examples->x, (size_t)examples->rows, scores);
    int code = ranking_make(scores, examples->labels, NULL, examples->rows, ret, error);
    if (code) {
        free(scores);
        return code;
    }
    *ret_scores = scores;
    return OK;
}

/* The logarithm of a score is a loss only where scores are probabilities: not for margins and regressions.
 */
static bool are_probabilities(const struct ranking *ranking)
{
    return ranking->n == 0 || (ranking->score[0] <= 1 && ranking->score[ranking->n - 1] >= 0);
}

static struct training_quality judge(const struct ranking *ranking, double threshold)
{
    struct confusion confusion = metrics_confusion(ranking, threshold);
    return (struct training_quality){
        .rows = ranking->rows,
        .frauds = ranking->frauds,
        .auc = metrics_auc(ranking),
        .average_precision = metrics_average_precision(ranking),
        .log_loss = are_probabilities(ranking) ? metrics_log_loss(ranking) : NAN,
        .precision = confusion_precision(confusion),
        .recall = confusion_recall(confusion),
        .f1 = confusion_f1(confusion),
    };
}

static void choose_threshold(const struct training_options *options, const struct ranking *ranking,
                             struct training *training)
{
    training->threshold = options->threshold;
    training->threshold_from = "given";
    if (!isnan(options->threshold))
        return;
    training->threshold_from =
        training->has_valid ? "highest F1 on the valid rows" : "highest F1 on the training rows";
    if (!metrics_threshold_f1(ranking, &training->threshold)) {
        training->threshold = 0.5;
        training->threshold_from = "0.5: no row with fraud to choose one by";
    }
}

static int assess(struct work *work, struct training *training, struct error *error)
{
    struct ranking train_ranking = {0}, valid_ranking = {0};
    int code = rank(&work->train, training->model, &work->train_scores, &train_ranking, error);
    if (!code && training->has_valid)
        code = rank(&work->valid, training->model, &work->valid_scores, &valid_ranking, error);
    if (!code) {
        choose_threshold(work->options, training->has_valid ? &valid_ranking : &train_ranking, training);
        training->train = judge(&train_ranking, training->threshold);
        if (training->has_valid)
            training->valid = judge(&valid_ranking, training->threshold);
    }
    ranking_done(&train_ranking);
    ranking_done(&valid_ranking);
    return code;
}

static int describe(struct work *work, struct training *training, struct error *error)
{
    struct profile_input profile = {
        .rows = work->train.rows,
        .features = work->data.features,
        .x = work->train.x,
        .names = work->names,
        .scores = work->train_scores,
        .frauds = training->train.frauds,
    };
    int code = profile_write(&profile, &training->profile_json, error);
    if (!code)
        code = training_json_metrics(training, &training->metrics_json, error);
    if (!code)
        code = training_json_training(work->options, training, work->data.fingerprint,
                                      &training->training_json, error);
    return code;
}

static int run(struct work *work, struct training *training, struct error *error)
{
    int code = check_options(work->options, error);
    if (!code)
        code = read_data(work, error);
    if (!code)
        code = split_rows(work, error);
    if (code)
        return code;
    training->rows_seen = work->data.rows_seen;
    training->rows_filtered = work->data.rows_filtered;
    training->labels = work->data.labels;
    training->has_valid = work->options->has_valid || work->options->split == TRAINING_STRATIFIED;
    if (training->has_valid && work->valid_rows.n == 0)
        return error_set(error, CODE_INVALID, "the valid span has no row in it");
    code = prepare(work, error);
    if (!code)
        code = train(work, training, error);
    if (!code)
        code = assess(work, training, error);
    if (!code)
        code = describe(work, training, error);
    return code;
}

static void examples_done(struct examples *examples)
{
    free((void *)examples->x);
    free((void *)examples->labels);
}

int training_run(const struct training_options *options, struct training *ret, struct error *error)
{
    struct work work = {.options = options};
    struct training training = {0};
    int code = run(&work, &training, error);
    dataset_done(&work.data);
    rows_done(&work.train_rows);
    rows_done(&work.valid_rows);
    examples_done(&work.train);
    examples_done(&work.valid);
    free(work.train_scores);
    free(work.valid_scores);
    free(work.names);
    if (code) {
        training_done(&training);
        return code;
    }
    *ret = training;
    return OK;
}

void training_done(struct training *training)
{
    trained_done(&training->trained);
    model_unref(training->model);
    free(training->training_json);
    free(training->metrics_json);
    free(training->profile_json);
    *training = (struct training){0};
}
