/* shrike train: files and a plan in, a registered model version out */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/entry.h"
#include "cli/pipe.h"
#include "train/split.h"
#include "train/training.h"
#include "train/xgboost.h"

static const struct option options[] = {
    ENTRY_OPTION_NAME,
    {.name = "plan",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .fallback = "features.sql",
     .text = "The plan: its columns are the model's input."},
    {.name = "in",
     .kind = OPTION_LIST,
     .argument = "FILE...",
     .required = true,
     .text = "Files of events in the order they happened: Parquet, CSV or JSON lines; patterns like "
             "2018-*.parquet too."},
    {.name = "label",
     .kind = OPTION_TEXT,
     .argument = "COLUMN",
     .text = "Column that holds the truth, 0 or 1. Default: the plan's label."},
    {.name = "train",
     .kind = OPTION_TEXT,
     .argument = "FROM..TO",
     .text = "Events to learn from, by their time, half open: dates, or steps where the plan's time is an "
             "integer. Earlier events feed the windows."},
    {.name = "valid",
     .kind = OPTION_TEXT,
     .argument = "FROM..TO",
     .text = "Events to judge by meanwhile. They start at least the label's delay after the training span."},
    {.name = "delay",
     .kind = OPTION_TEXT,
     .argument = "TIME",
     .text = "How long the truth takes to become known. Default: what the plan says of its label."},
    PIPE_OPTION_LABELS,
    {.name = "labels-until",
     .kind = OPTION_TEXT,
     .argument = "TIME",
     .text = "Learn from what --labels had said by then; windows are told later ones, too. Default: all."},
    {.name = "model",
     .kind = OPTION_CHOICE,
     .argument = "xgboost|linear",
     .fallback = "xgboost",
     .text = "Gradient boosted trees, or logistic regression on standardised inputs."},
    {.name = "param",
     .kind = OPTION_LIST,
     .argument = "NAME=VALUE...",
     .text = "Parameters by the library's own names: max_depth=6 eta=0.3 (xgboost), C=1 (linear)."},
    {.name = "rounds",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 1,
     .maximum = LIMIT_MODEL_TREES,
     .text = "Boosting rounds (default 100), or iterations at most (linear, default 1000)."},
    {.name = "early-stopping",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 1,
     .maximum = LIMIT_MODEL_TREES,
     .text = "Stop after N rounds without a better last metric on the valid rows, and keep the best round."},
    {.name = "class-weight",
     .kind = OPTION_CHOICE,
     .argument = "none|balanced",
     .fallback = "none",
     .text = "balanced: frauds weigh as much in total as all other rows."},
    {.name = "split",
     .kind = OPTION_CHOICE,
     .argument = "time|stratified",
     .fallback = "time",
     .text = "By the spans, or by chance within each class (for comparison: it looks into the future)."},
    {.name = "fraction",
     .kind = OPTION_REAL,
     .with = "split=stratified",
     .argument = "X",
     .fallback = "0.8",
     .minimum = 0,
     .maximum = 1,
     .text = "Share of the rows that a stratified split trains on."},
    {.name = "sample",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 1,
     .maximum = 9e15,
     .text = "Learn from N rows at most, chosen by the seed."},
    {.name = "seed",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .fallback = "42",
     .minimum = 0,
     .maximum = INT32_MAX,
     .text = "Seed of everything that is left to chance."},
    {.name = "threshold",
     .kind = OPTION_REAL,
     .argument = "X",
     .minimum = 0,
     .maximum = 1,
     .text = "Score from which on an event is declined. Default: the one with the highest F1."},
    ENTRY_OPTION_RULES,
    ENTRY_OPTION_REASONS,
    ENTRY_OPTION_REGISTRY,
    ENTRY_OPTION_ALIAS,
    {.name = "threads",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 1,
     .maximum = LIMIT_THREADS,
     .text = "Threads. Default: as many as the machine has processors."},
    PIPE_OPTION_MEMORY,
    {.name = "time-unit",
     .kind = OPTION_CHOICE,
     .argument = "s|ms|us",
     .text = "What integers mean where the plan wants a TIMESTAMP."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print JSON."},
    {0},
};

/* What one run of the verb holds; freed in one place. */
struct run {
    struct entry entry;
    struct labels_options labels;
    struct param *params;
    int n_params;
    struct training training;
};

static void run_done(struct run *run)
{
    for (int i = 0; i < run->n_params; i++)
        free((void *)run->params[i].name);
    free(run->params);
    training_done(&run->training);
    entry_done(&run->entry);
}

static int read_params(const struct arguments *arguments, struct run *run, struct error *error)
{
    int n;
    const char *const *list = argument_list(arguments, "param", &n);
    run->params = memory_new((size_t)n, sizeof *run->params);
    if (!run->params)
        return error_set(error, CODE_MEMORY, "no memory for %d parameters", n);
    for (int i = 0; i < n; i++) {
        const char *equals = strchr(list[i], '=');
        if (!equals || equals == list[i])
            return error_set(error, CODE_USAGE, "--param %s: expected NAME=VALUE", list[i]);
        char *name = memory_text(list[i], strlen(list[i]));
        if (!name)
            return error_set(error, CODE_MEMORY, "no memory for %d parameters", n);
        name[equals - list[i]] = 0;
        run->params[run->n_params++] = (struct param){name, name + (equals - list[i]) + 1};
    }
    return OK;
}

static int64_t integer_or(const struct arguments *arguments, const char *name, int64_t otherwise)
{
    return argument_given(arguments, name) ? argument_integer(arguments, name) : otherwise;
}

static enum time_unit read_time_unit(const struct arguments *arguments)
{
    const char *unit = argument_text(arguments, "time-unit");
    if (!unit)
        return TIME_UNIT_NONE;
    return strcmp(unit, "s") == 0 ? TIME_UNIT_S : strcmp(unit, "ms") == 0 ? TIME_UNIT_MS : TIME_UNIT_US;
}

/* The label, and how long it takes; what the command line says goes before what the plan says. */
static int read_label(const struct arguments *arguments, const struct plan *plan,
                      struct training_options *ret, struct error *error)
{
    int column = plan_label_column(plan);
    const char *label = argument_text(arguments, "label");
    if (!label && column < 0)
        return error_set(error, CODE_USAGE, "the plan names no label: give --label COLUMN");
    ret->label = label ? label : plan_events(plan)->fields[column].name;
    ret->delay_us = 0;
    bool of_plan = column >= 0 && schema_find(plan_events(plan), ret->label) == column &&
                   plan_label_after(plan, &ret->delay_us);
    if (!argument_given(arguments, "delay") && !of_plan && ret->split == TRAINING_BY_TIME)
        return error_set(error, CODE_USAGE,
                         "how long does \"%s\" take to become known? Give --delay TIME, 0 for at once",
                         ret->label);
    const char *delay = argument_text(arguments, "delay");
    return delay ? split_read_delay(delay, "delay", ret->steps, &ret->delay_us, error) : OK;
}

static int read_labels(const struct arguments *arguments, struct labels_options *labels,
                       struct training_options *ret, struct error *error)
{
    const char *until = argument_text(arguments, "labels-until");
    if (pipe_labels(arguments, labels))
        ret->labels = labels;
    else if (until)
        return error_set(error, CODE_USAGE, "--labels-until says which of --labels count: there are none");
    if (until && ret->steps)
        return split_read_delay(until, "labels-until", true, &labels->until, error);
    if (until && units_time(until, &labels->until, error) != OK) {
        error_prefix(error, "--labels-until");
        return error->code = CODE_USAGE;
    }
    return OK;
}

static int read_options(const struct arguments *arguments, struct run *run, struct training_options *ret,
                        struct error *error)
{
    int time = plan_time_column(run->entry.plan);
    *ret = (struct training_options){
        .plan = run->entry.plan,
        .steps = time >= 0 && type_is_integer(plan_events(run->entry.plan)->fields[time].type.id),
        .time_unit = read_time_unit(arguments),
        .split = strcmp(argument_text(arguments, "split"), "stratified") == 0 ? TRAINING_STRATIFIED
                                                                              : TRAINING_BY_TIME,
        .has_train = argument_given(arguments, "train"),
        .has_valid = argument_given(arguments, "valid"),
        .fraction = argument_real(arguments, "fraction"),
        .sample = integer_or(arguments, "sample", 0),
        .kind = strcmp(argument_text(arguments, "model"), "linear") == 0 ? TRAINING_LINEAR : TRAINING_XGBOOST,
        .params = run->params,
        .n_params = run->n_params,
        .rounds = (int)integer_or(arguments, "rounds", 0),
        .early_stopping = (int)integer_or(arguments, "early-stopping", 0),
        .class_weight = strcmp(argument_text(arguments, "class-weight"), "balanced") == 0
                            ? CLASS_WEIGHT_BALANCED
                            : CLASS_WEIGHT_NONE,
        .seed = (uint64_t)argument_integer(arguments, "seed"),
        .threads = (int)integer_or(arguments, "threads", cpu_count()),
        .memory = pipe_memory(arguments),
        .threshold = argument_given(arguments, "threshold") ? argument_real(arguments, "threshold") : NAN,
        .quiet = argument_flag(arguments, "json"),
    };
    ret->paths = argument_list(arguments, "in", &ret->n_paths);
    int code = OK;
    if (ret->has_train)
        code = split_read_span(argument_text(arguments, "train"), "train", ret->steps, &ret->train, error);
    if (!code && ret->has_valid)
        code = split_read_span(argument_text(arguments, "valid"), "valid", ret->steps, &ret->valid, error);
    if (code)
        return code;
    if (ret->split == TRAINING_BY_TIME && !ret->has_train)
        return error_set(error, CODE_USAGE,
                         "give --train FROM..TO, or --split stratified to divide the rows by chance");
    code = read_labels(arguments, &run->labels, ret, error);
    return code ? code : read_label(arguments, run->entry.plan, ret, error);
}

/* Progress starts with the first round: reading the files shows its own. */
struct show {
    struct progress progress;
    const char *unit;
    int64_t total;
    bool started;
};

static void show_round(void *context, int round, const char *text)
{
    struct show *show = context;
    if (!show->started)
        progress_start(&show->progress, "training", show->unit, show->total);
    show->started = true;
    progress_add(&show->progress, round + 1 - show->progress.done);
    progress_note(&show->progress, "%s", text);
}

static int train(struct run *run, struct training_options *training, struct error *error)
{
    bool linear = training->kind == TRAINING_LINEAR;
    struct show show = {.unit = linear ? "iterations" : "rounds"};
    if (!linear)
        show.total = training->rounds ? training->rounds : XGBOOST_ROUNDS;
    training->progress = show_round;
    training->context = &show;
    int code = training_run(training, &run->training, error);
    if (show.started)
        progress_stop(&show.progress);
    return code;
}

static int enter(const struct arguments *arguments, struct run *run, struct error *error)
{
    const struct training *training = &run->training;
    struct version_content content = {
        .model_data = training->trained.model,
        .model_size = training->trained.model_size,
        .model_format = model_format(training->model),
        .library_version = training->trained.library_version,
        .positive_class = NO_CLASS,
        .threshold = training->threshold,
        .training_json = training->training_json,
        .metrics_json = training->metrics_json,
        .profile_json = training->profile_json,
    };
    return entry_add(arguments, &run->entry, &content, error);
}

/* A JSON text as a member of the answer. */
static void put_json(yyjson_mut_doc *document, yyjson_mut_val *root, const char *name, const char *text)
{
    yyjson_doc *read = yyjson_read(text, strlen(text), 0);
    yyjson_mut_val *copy = yyjson_val_mut_copy(document, yyjson_doc_get_root(read));
    yyjson_doc_free(read);
    if (copy)
        yyjson_mut_obj_add_val(document, root, name, copy);
}

static int print_json(const struct arguments *arguments, const struct run *run, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    entry_put_json(arguments, &run->entry, document, root);
    put_json(document, root, "metrics", run->training.metrics_json);
    put_json(document, root, "training", run->training.training_json);
    return entry_print_json(document, error);
}

static void print_figure(double value)
{
    if (isnan(value))
        printf("  %9s", "-");
    else
        printf("  %9.4f", value);
}

static void print_quality(const char *name, const struct training_quality *quality)
{
    printf("%-6s  %9lld  %7lld", name, (long long)quality->rows, (long long)quality->frauds);
    print_figure(quality->auc);
    print_figure(quality->average_precision);
    print_figure(quality->log_loss);
    print_figure(quality->precision);
    print_figure(quality->recall);
    print_figure(quality->f1);
    putchar('\n');
}

static const char *delay_text(const struct training_options *how, char text[UNITS_TEXT_SIZE])
{
    if (!how->steps)
        return units_duration_text(how->delay_us, text);
    snprintf(text, UNITS_TEXT_SIZE, "%lld steps", (long long)how->delay_us);
    return text;
}

static void print_text(const struct arguments *arguments, const struct run *run,
                       const struct training_options *how)
{
    const struct training *training = &run->training;
    const struct trained *trained = &training->trained;
    char delay[UNITS_TEXT_SIZE];
    printf("%s %s, %d features, %d %s", trained->library, trained->library_version,
           model_features(training->model), trained->rounds,
           how->kind == TRAINING_LINEAR ? "iterations" : "rounds");
    if (trained->best_round >= 0)
        printf(" (best %s %.6f)", trained->metric, trained->best_score);
    printf("%s\n", trained->converged ? "" : " (stopped before the optimum: raise --rounds)");
    if (how->split == TRAINING_STRATIFIED)
        printf("split by chance, %.0f%% to train: rows of one time on both sides, so figures look better "
               "than live\n",
               100 * how->fraction);
    else if (!how->labels)
        printf("labels \"%s\" assumed on time, %s after the event\n", how->label, delay_text(how, delay));
    if (how->labels) {
        char until[UNITS_TEXT_SIZE] = "";
        if (how->labels->until != INT64_MAX && how->steps)
            snprintf(until, sizeof until, "%lld", (long long)how->labels->until);
        else if (how->labels->until != INT64_MAX)
            units_time_text(how->labels->until, until);
        printf("labels \"%s\" as they arrived%s%s: %lld, of which %lld are of ids that no event has\n",
               how->label, *until ? " until " : "", until, (long long)training->labels.labels,
               (long long)training->labels.unknown);
    }
    if (training->rows_filtered)
        printf("%lld of %lld rows left out by the plan's WHERE\n", (long long)training->rows_filtered,
               (long long)training->rows_seen);
    printf("\n%-6s  %9s  %7s  %9s  %9s  %9s  %9s  %9s  %9s\n", "rows", "count", "frauds", "AUC", "AP",
           "log loss", "precision", "recall", "F1");
    print_quality("train", &training->train);
    if (training->has_valid)
        print_quality("valid", &training->valid);
    printf("\nthreshold %.6g (%s)\n", training->threshold, training->threshold_from);
    entry_print(arguments, &run->entry);
    printf("models:/%s/%d\n", argument_text(arguments, "name"), run->entry.number);
}

static int run_with(const struct arguments *arguments, struct run *run, struct error *error)
{
    struct training_options training;
    int code = entry_open(arguments, &run->entry, error);
    if (!code)
        code = read_params(arguments, run, error);
    if (!code)
        code = read_options(arguments, run, &training, error);
    if (!code)
        code = train(run, &training, error);
    if (!code)
        code = enter(arguments, run, error);
    if (code)
        return code;
    if (argument_flag(arguments, "json"))
        return print_json(arguments, run, error);
    print_text(arguments, run, &training);
    return OK;
}

static int run_train(const struct arguments *arguments, struct error *error)
{
    struct run run = {0};
    int code = run_with(arguments, &run, error);
    run_done(&run);
    return code;
}

const struct command command_train = {
    .name = "train",
    .summary = "Train a model on a plan's features and register it.",
    .positionals = "",
    .example = "shrike train --name cards --plan features.sql --in transactions.parquet \\\n"
               "    --train 2018-07-25..2018-08-01 --valid 2018-08-08..2018-08-15 --delay 7d \\\n"
               "    --param max_depth=6 eta=0.3 --early-stopping 20 --alias champion",
    .options = options,
    .run = run_train,
};
