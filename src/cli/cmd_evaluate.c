/* shrike evaluate: how good a model is on days after its training */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/parallel.h"
#include "cli/commands.h"
#include "cli/evaluate_text.h"
#include "cli/pipe.h"
#include "monitor/report.h"
#include "registry/registry.h"
#include "score/dataset.h"
#include "train/evaluate.h"
#include "train/split.h"

enum { EXPLAINED_ROWS = 2000, PREDICT_ROWS = 4096 };

/* All that one evaluation holds, so that one place frees it. */
struct task {
    const struct arguments *arguments;
    struct version version;
    struct evaluate_options options;
    struct dataset_options input;
    struct labels_options labels;
    struct span spans[2];
    struct dataset dataset;
    float *score;
    double *amount;
    struct evaluation evaluation;
    struct report_driver *drivers;
    struct report *report;
    char title[LIMIT_NAME + 32], kind[64], training[2 * UNITS_TEXT_SIZE + 4];
    struct span trained; /* the same; empty where the manifest does not say */
    bool steps;          /* event times are integer steps */
};

/* ---- times ---- */

/* The training span of a version, from its manifest; false where it does not say. */
static bool find_training(struct task *task, int64_t *ret_from)
{
    yyjson_doc *doc = yyjson_read(task->version.manifest, strlen(task->version.manifest), 0);
    yyjson_val *train = yyjson_ptr_get(yyjson_doc_get_root(doc), "/training/train");
    yyjson_val *from = yyjson_obj_get(train, "from"), *to = yyjson_obj_get(train, "to");
    struct span span = {0};
    bool found;
    if (task->steps) {
        found = yyjson_is_int(from) && yyjson_is_int(to);
        span = (struct span){yyjson_get_sint(from), yyjson_get_sint(to)};
    } else {
        found = yyjson_is_str(from) && yyjson_is_str(to) &&
                units_time(yyjson_get_str(from), &span.from_us, NULL) == OK &&
                units_time(yyjson_get_str(to), &span.to_us, NULL) == OK;
    }
    if (found) {
        char text[2][UNITS_TEXT_SIZE];
        snprintf(task->training, sizeof task->training, "%s..%s",
                 report_time_text(task->steps, span.from_us, text[0]),
                 report_time_text(task->steps, span.to_us, text[1]));
        *ret_from = span.from_us;
        task->trained = span;
    }
    yyjson_doc_free(doc);
    return found;
}

static int read_times(struct task *task, struct error *error)
{
    const struct arguments *arguments = task->arguments;
    struct evaluate_options *options = &task->options;
    const char *delay = argument_text(arguments, "delay"), *start = argument_text(arguments, "train-start");
    int rc = split_read_span(argument_text(arguments, "test"), "test", task->steps, &options->test, error);
    if (rc)
        return rc;
    options->delay_us = 0;
    plan_label_after(task->version.plan, &options->delay_us);
    if (delay) {
        rc = split_read_delay(delay, "delay", task->steps, &options->delay_us, error);
        if (rc)
            return rc;
    }
    bool found = find_training(task, &options->known_from_us);
    if (start && task->steps)
        return split_read_delay(start, "train-start", true, &options->known_from_us, error);
    if (start) {
        if (units_time(start, &options->known_from_us, error) == OK)
            return OK;
        error_prefix(error, "--train-start");
        error->code = CODE_USAGE;
        return CODE_USAGE;
    }
    if (found)
        return OK;
    options->known_from_us = options->test.from_us;
    if (argument_text(arguments, "entity") && !options->keep_known)
        return error_set(
            error, CODE_USAGE,
            "the model's manifest names no training span: --train-start says from when on frauds count as "
            "known cases, --keep-known removes none");
    return OK;
}

/* A model knows the answers of its training rows. */
static void warn_of_overlap(const struct task *task)
{
    const struct span *test = &task->options.test, *trained = &task->trained;
    bool known = trained->from_us < trained->to_us;
    if (known && test->from_us < trained->to_us && trained->from_us < test->to_us)
        log_line(LOG_WARNING,
                 "--test %s overlaps the span that the model was trained on (%s): figures look better than "
                 "they are; test on events behind that",
                 argument_text(task->arguments, "test"), task->training);
}

static int check_report(const struct arguments *arguments, struct error *error)
{
    const char *path = argument_text(arguments, "report"), *ending = path ? strrchr(path, '.') : NULL;
    if (!path || (ending && (strcmp(ending, ".html") == 0 || strcmp(ending, ".htm") == 0)))
        return OK;
    return error_set(error, CODE_USAGE,
                     "--report %s: a report is one HTML file, and its name must end in .html; --json prints "
                     "the same for programs",
                     path);
}

/* ---- rows ---- */

/* The rows whose labels say who is known, and the test rows. */
static void choose_spans(struct task *task)
{
    const struct evaluate_options *options = &task->options;
    task->spans[0] = options->test;
    task->spans[1] = (struct span){options->known_from_us, options->test.from_us};
    bool known = task->input.entity && !options->keep_known && task->spans[1].from_us < task->spans[1].to_us;
    task->input.spans = task->spans;
    task->input.n_spans = known ? 2 : 1;
}

static int read_rows(struct task *task, struct error *error)
{
    const struct arguments *arguments = task->arguments;
    struct plan *plan = task->version.plan;
    static const char *const units[] = {"s", "ms", "us"};
    const char *unit = argument_text(arguments, "time-unit"), *label = argument_text(arguments, "label");
    for (int i = 0; unit && i < 3; i++)
        if (strcmp(unit, units[i]) == 0)
            task->input.time_unit = (enum time_unit)(TIME_UNIT_S + i);
    if (!label) {
        int column = plan_label_column(plan);
        if (column < 0)
            return error_set(error, CODE_USAGE, "the plan names no label column: give --label COLUMN");
        label = plan_events(plan)->fields[column].name;
    }
    task->input.label = label;
    task->input.paths = argument_list(arguments, "in", &task->input.n_paths);
    task->input.entity = argument_text(arguments, "entity");
    task->input.threads = (int)argument_integer(arguments, "threads");
    task->input.memory = pipe_memory(arguments);
    task->input.quiet = argument_flag(arguments, "json");
    if (pipe_labels(arguments, &task->labels))
        task->input.labels = &task->labels;
    choose_spans(task);
    return dataset_read(plan, &task->input, &task->dataset, error);
}

static bool in_test(const struct task *task, int64_t i)
{
    int64_t t = task->dataset.time_us[i];
    return t >= task->options.test.from_us && t < task->options.test.to_us;
}

/* Amounts of the dataset's rows, which come in file order, in a second pass over that one column. */
static int read_amounts(struct task *task, struct error *error)
{
    const char *name = argument_text(task->arguments, "amount");
    struct schema *events = plan_events(task->version.plan), *schema = NULL;
    struct reader *reader = NULL;
    struct table table = {0};
    if (!name)
        return OK;
    int column = schema_find(events, name);
    if (column < 0)
        return error_set(error, CODE_USAGE, "--amount %s: the plan's table %s has no such column", name,
                         plan_table_name(task->version.plan));
    task->amount = memory_new((size_t)task->dataset.rows, sizeof *task->amount);
    schema = schema_new(0);
    if (!task->amount || !schema)
        return schema_unref(schema), error_set(error, CODE_MEMORY, "no memory for the amounts");
    int rc = schema_add(schema, name, events->fields[column].type, error);
    struct reader_options options = {.paths = task->input.paths,
                                     .n_paths = task->input.n_paths,
                                     .columns = schema,
                                     .time_unit = task->input.time_unit,
                                     .threads = task->input.threads,
                                     .lacks = dataset_warn_lacks};
    if (!rc)
        rc = reader_open(&options, &reader, error);
    if (!rc)
        rc = table_init(&table, reader_schema(reader), error);
    int64_t first = 0, i = 0;
    while (!rc && i < task->dataset.rows && !(rc = reader_next(reader, &table, error)) && table.length) {
        for (; i < task->dataset.rows && task->dataset.row[i] < first + table.length; i++) {
            int64_t at = task->dataset.row[i] - first;
            /* A missing amount is none: it neither adds to what was caught nor to what was missed. */
            task->amount[i] = column_is_null(&table.columns[0], at)
                                  ? 0.0
                                  : column_double(&table.columns[0], &schema->fields[0].type, at);
        }
        first += table.length;
    }
    table_done(&table);
    reader_close(reader);
    schema_unref(schema);
    return rc;
}

/* ---- scores ---- */

static void predict_block(void *context, int block)
{
    struct task *task = context;
    int64_t from = (int64_t)block * PREDICT_ROWS, to = from + PREDICT_ROWS;
    if (to > task->dataset.rows)
        to = task->dataset.rows;
    for (int64_t i = from, end; i < to; i = end) {
        bool test = in_test(task, i);
        for (end = i + 1; end < to && in_test(task, end) == test; end++)
            ;
        if (test)
            model_predict(task->version.model, task->dataset.x + (size_t)i * (size_t)task->dataset.features,
                          (size_t)(end - i), task->score + i);
    }
}

static int predict(struct task *task, struct error *error)
{
    int64_t rows = task->dataset.rows;
    struct parallel *pool;
    int rc = parallel_new(task->input.threads, &pool, error);
    if (rc)
        return rc;
    task->score = memory_new((size_t)rows, sizeof *task->score);
    if (task->score)
        parallel_for(pool, (int)((rows + PREDICT_ROWS - 1) / PREDICT_ROWS), predict_block, task);
    else
        rc = error_set(error, CODE_MEMORY, "no memory for %lld scores", (long long)rows);
    parallel_free(pool);
    return rc;
}

static int compare_drivers(const void *a, const void *b)
{
    const struct report_driver *p = a, *q = b;
    return (p->weight < q->weight) - (p->weight > q->weight);
}

/* Mean |contribution| per feature over test rows picked at even distances, and the training's own gain. */
static int find_drivers(struct task *task, struct error *error)
{
    const struct dataset *dataset = &task->dataset;
    int features = dataset->features;
    size_t scratch_size = model_explain_scratch(task->version.model);
    void *scratch = memory_aligned(scratch_size ? scratch_size : 1);
    double *contributions = memory_new((size_t)features + 1, sizeof *contributions);
    struct importance *importance = memory_new((size_t)features, sizeof *importance);
    task->drivers = memory_new((size_t)features, sizeof *task->drivers);
    if (!scratch || !contributions || !importance || !task->drivers) {
        free(scratch);
        free(contributions);
        free(importance);
        return error_set(error, CODE_MEMORY, "no memory to explain the scores");
    }
    int64_t rows = 0, seen = 0, taken = 0;
    for (int64_t i = 0; i < dataset->rows; i++)
        rows += in_test(task, i);
    int64_t wanted = rows < EXPLAINED_ROWS ? rows : EXPLAINED_ROWS;
    for (int64_t i = 0; i < dataset->rows && taken < wanted; i++) {
        if (!in_test(task, i) || seen++ < taken * rows / wanted)
            continue;
        model_explain(task->version.model, dataset->x + (size_t)i * (size_t)features, 1, contributions,
                      scratch);
        for (int f = 0; f < features; f++)
            task->drivers[f].weight += fabs(contributions[f]);
        taken++;
    }
    model_importance(task->version.model, importance);
    for (int f = 0; f < features; f++) {
        task->drivers[f].gain = importance[f].gain;
        task->drivers[f].feature = plan_features(task->version.plan)->fields[f].name;
        task->drivers[f].weight /= taken ? (double)taken : 1.0;
    }
    qsort(task->drivers, (size_t)features, sizeof *task->drivers, compare_drivers);
    free(scratch);
    free(contributions);
    free(importance);
    return OK;
}

/* ---- report ---- */

static int add_thresholds(struct task *task, struct error *error)
{
    const struct arguments *arguments = task->arguments;
    struct report *report = task->report;
    bool false_alarm = argument_given(arguments, "cost-false-alarm"),
         missed = argument_given(arguments, "cost-missed");
    if (false_alarm || missed) {
        struct cost cost = {.missed_share = task->amount ? 1.0 : 0.0};
        cost.false_alarm = false_alarm ? argument_real(arguments, "cost-false-alarm") : 0.0;
        cost.missed = missed ? argument_real(arguments, "cost-missed") : 0.0;
        if (!missed && !task->amount)
            return error_set(error, CODE_USAGE,
                             "--cost-false-alarm needs --cost-missed, --amount or both: what does a "
                             "missed fraud cost?");
        if (!false_alarm)
            return error_set(error, CODE_USAGE,
                             "--cost-missed needs --cost-false-alarm: what does a false alarm cost?");
        report_set_cost(report, cost);
    }
    int given = -1;
    if (argument_given(arguments, "threshold"))
        given = report_add_threshold(report, "given", argument_real(arguments, "threshold"));
    if (argument_given(arguments, "precision")) {
        int i = report_add_precision(report, argument_real(arguments, "precision"));
        given = given < 0 ? i : given;
    }
    if (argument_given(arguments, "alerts-per-day")) {
        int i = report_add_alerts(report, argument_real(arguments, "alerts-per-day"));
        given = given < 0 ? i : given;
    }
    if (argument_given(arguments, "alert-share")) {
        int i = report_add_share(report, argument_real(arguments, "alert-share"));
        given = given < 0 ? i : given;
    }
    if (report->has_cost) {
        int i = report_add_lowest_cost(report);
        given = given < 0 ? i : given;
    }
    int model = isnan(task->version.threshold)
                    ? -1
                    : report_add_threshold(report, "the model's", task->version.threshold);
    int f1 = report_add_best_f1(report);
    if (!argument_given(arguments, "precision"))
        report_add_precision(report, 0.9);
    if (!argument_given(arguments, "alerts-per-day"))
        report_add_alerts(report, 100);
    report->chosen = given >= 0 ? given : model >= 0 ? model : f1;
    return OK;
}

static int make_report(struct task *task, struct error *error)
{
    const struct version *version = &task->version;
    task->report = memory_new(1, sizeof *task->report);
    if (!task->report)
        return error_set(error, CODE_MEMORY, "no memory for the report");
    if (version->name && version->name[0])
        snprintf(task->title, sizeof task->title, "%s version %d", version->name, version->number);
    else
        snprintf(task->title, sizeof task->title, "%s", version->directory);
    snprintf(task->kind, sizeof task->kind, "%s", model_kind(version->model));
    struct report_about about = {.model = task->title,
                                 .labels_arrived = task->input.labels,
                                 .kind = task->kind,
                                 .directory = version->directory,
                                 .plan_hash = plan_hash(version->plan),
                                 .fingerprint = task->dataset.fingerprint,
                                 .training = task->training[0] ? task->training : NULL,
                                 .files = task->input.paths,
                                 .n_files = task->input.n_paths,
                                 .rows_seen = task->dataset.rows_seen,
                                 .rows_filtered = task->dataset.rows_filtered,
                                 .entity = task->input.entity,
                                 .amount = task->amount ? argument_text(task->arguments, "amount") : NULL,
                                 .steps = task->steps};
    report_init(task->report, &about, &task->options, &task->evaluation);
    task->report->drivers = task->drivers;
    task->report->n_drivers = task->dataset.features;
    return add_thresholds(task, error);
}

static int put_out(struct task *task, struct error *error)
{
    const char *path = argument_text(task->arguments, "report");
    struct buffer out;
    int rc = OK;
    buffer_init(&out, LIMIT_REPORT_BYTES);
    if (path) {
        rc = report_html(task->report, &out, error);
        if (!rc)
            rc = file_write(path, out.data, out.size, error);
        buffer_clear(&out);
    }
    if (!rc && argument_flag(task->arguments, "json"))
        rc = report_json(task->report, &out, error);
    else if (!rc)
        rc = evaluate_text(task->report, path, &out, error);
    if (!rc) {
        fwrite(out.data, 1, out.size, stdout);
        putchar('\n');
        rc = fflush(stdout) ? error_set_errno(error, errno, "writing to standard output") : OK;
    }
    buffer_done(&out);
    return rc;
}

static void task_done(struct task *task)
{
    free(task->report);
    free(task->drivers);
    evaluation_done(&task->evaluation);
    free(task->amount);
    free(task->score);
    dataset_done(&task->dataset);
    version_done(&task->version);
}

static int evaluate(struct task *task, struct error *error)
{
    const struct arguments *arguments = task->arguments;
    int rc = check_report(arguments, error);
    if (rc)
        return rc;
    rc = version_open(argument_positional(arguments, 0), argument_text(arguments, "registry"), &task->version,
                      error);
    if (rc)
        return rc;
    const struct plan *plan = task->version.plan;
    int time_column = plan_time_column(plan);
    task->steps = time_column >= 0 && type_is_integer(plan_events(plan)->fields[time_column].type.id);
    task->options.keep_known = argument_flag(arguments, "keep-known");
    task->options.top_k = (int)argument_integer(arguments, "top-k");
    task->options.day_us = task->steps ? 1 : DAY_US;
    rc = read_times(task, error);
    if (!rc)
        warn_of_overlap(task);
    if (!rc)
        rc = read_rows(task, error);
    if (!rc)
        rc = read_amounts(task, error);
    if (!rc)
        rc = predict(task, error);
    if (rc)
        return rc;
    struct evaluate_input input = {.n = task->dataset.rows,
                                   .time_us = task->dataset.time_us,
                                   .entity = task->dataset.entity,
                                   .label = task->dataset.label,
                                   .score = task->score,
                                   .amount = task->amount};
    rc = evaluate_run(&input, &task->options, &task->evaluation, error);
    if (!rc)
        rc = find_drivers(task, error);
    if (!rc)
        rc = make_report(task, error);
    return rc ? rc : put_out(task, error);
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct task task = {.arguments = arguments};
    int rc = evaluate(&task, error);
    task_done(&task);
    return rc;
}

static const struct option options[] = {
    {.name = "in",
     .kind = OPTION_LIST,
     .argument = "FILE",
     .required = true,
     .text = "Events: Parquet, CSV or JSON lines, from before the test span too: they fill the windows and "
             "say who is known."},
    {.name = "test",
     .kind = OPTION_TEXT,
     .argument = "FROM..TO",
     .required = true,
     .text = "Span of the test rows, the end excluded, as in 2018-08-08..2018-08-15."},
    PIPE_OPTION_LABELS,
    {.name = "delay",
     .kind = OPTION_TEXT,
     .argument = "DURATION",
     .text = "How long after an event its label arrives. Default: what the plan says of its label."},
    {.name = "train-start",
     .kind = OPTION_TEXT,
     .argument = "TIME",
     .text = "From when on frauds make known cases. Default: the start of the model's training span."},
    {.name = "entity",
     .kind = OPTION_TEXT,
     .argument = "COLUMN",
     .text = "What a fraud compromises, as customer_id: known cases are removed and precision@k is counted."},
    {.name = "top-k",
     .kind = OPTION_INTEGER,
     .with = "entity",
     .argument = "K",
     .fallback = "100",
     .minimum = 1,
     .maximum = 1000000000,
     .text = "How many entities are looked at per day."},
    {.name = "keep-known", .kind = OPTION_FLAG, .text = "Do not remove known cases."},
    {.name = "label",
     .kind = OPTION_TEXT,
     .argument = "COLUMN",
     .text = "The truth. Default: the plan's label column."},
    {.name = "amount",
     .kind = OPTION_TEXT,
     .argument = "COLUMN",
     .text = "Column with the amount: shows what share of it is caught. With costs, a missed fraud also "
             "costs its amount."},
    {.name = "threshold", .kind = OPTION_REAL, .argument = "X", .text = "Judge this threshold."},
    {.name = "precision",
     .kind = OPTION_REAL,
     .argument = "P",
     .maximum = 1,
     .text = "Find the lowest threshold whose alerts are right at least that often."},
    {.name = "alerts-per-day",
     .kind = OPTION_REAL,
     .argument = "N",
     .maximum = 1e15,
     .text = "Find the lowest threshold with at most that many alerts per day on average."},
    {.name = "alert-share",
     .kind = OPTION_REAL,
     .argument = "S",
     .maximum = 1,
     .text = "Find the lowest threshold that alerts at most that share of the rows."},
    {.name = "cost-false-alarm",
     .kind = OPTION_REAL,
     .argument = "X",
     .maximum = 1e15,
     .text = "Cost of a false alarm."},
    {.name = "cost-missed",
     .kind = OPTION_REAL,
     .argument = "X",
     .maximum = 1e15,
     .text = "Cost of a missed fraud."},
    {.name = "report",
     .kind = OPTION_TEXT,
     .argument = "FILE.html",
     .text = "Write a report with plots, in one file."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print everything as JSON."},
    {.name = "registry",
     .kind = OPTION_TEXT,
     .argument = "DIR",
     .fallback = "models",
     .text = "Directory of the registry."},
    {.name = "threads",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .fallback = "0",
     .minimum = 0,
     .maximum = LIMIT_THREADS,
     .text = "Threads to use; 0 = as many as there are."},
    PIPE_OPTION_MEMORY,
    {.name = "time-unit",
     .kind = OPTION_CHOICE,
     .argument = "s|ms|us",
     .text = "What integers mean that stand where the plan has a TIMESTAMP."},
    {0},
};

const struct command command_evaluate = {
    .name = "evaluate",
    .summary = "Judge a model on days after its training, as an investigation team would.",
    .positionals = "MODEL",
    .minimum = 1,
    .maximum = 1,
    .example =
        "shrike evaluate models:/handbook/latest --in transactions.parquet --test 2018-08-08..2018-08-15 \\\n"
        "    --delay 7d --entity customer_id --top-k 100 --report evaluation.html",
    .options = options,
    .run = run,
};
