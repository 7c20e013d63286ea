/* shrike features: a plan, or several, over files, one row out per row in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/pipe.h"
#include "feature/state.h"
#include "score/verify.h"
#include "table/duck.h"
#include "table/file_io.h"

struct job {
    const struct arguments *arguments;
    struct plan *plan;
    struct kept kept;
    struct state *state;
    struct labels *labels; /* NULL without --labels */
    struct schema *out;
    struct table features;
    struct writer *writer, *copy; /* copy: the events, for --verify */
    struct table row;             /* borrowed columns: what is written, */
    struct table wanted;          /* or of them the rows that WHERE does not leave out */
};

/* What is written: the kept columns, then the features. */
static int out_schema(struct job *job, struct error *error)
{
    struct schema *features = plan_features(job->plan);
    job->out = schema_new(0);
    int rc = job->out ? OK : error_set(error, CODE_MEMORY, "no memory for the columns");
    for (int i = 0; rc == OK && i < job->kept.n; i++) {
        const struct field *field = &job->kept.in->fields[job->kept.columns[i]];
        if (schema_find(features, field->name) >= 0)
            rc = error_set(error, CODE_CONFLICT, "--keep %s: the plan has a feature of that name already",
                           field->name);
        else
            rc = schema_add(job->out, field->name, field->type, error);
    }
    for (int i = 0; rc == OK && i < features->n; i++)
        rc = schema_add(job->out, features->fields[i].name, features->fields[i].type, error);
    return rc;
}

/* The rows that WHERE does not leave out, run by run. */
static int pick_wanted(struct job *job, const uint8_t *filtered, struct error *error)
{
    int64_t n = job->row.length, to;
    int rc = OK;
    table_clear(&job->wanted);
    for (int64_t from = 0; rc == OK && from < n; from = to) {
        for (to = from; to < n && filtered[to] == filtered[from]; to++)
            ;
        if (!filtered[from])
            rc = table_append(&job->wanted, &job->row, from, to - from, error);
    }
    return rc;
}

static int take_batch(struct job *job, const struct table *events, struct error *error)
{
    int rc = job->labels ? labels_take(job->labels, job->state, events, &job->features, error)
                         : state_take(job->state, events, &job->features, error);
    if (rc != OK)
        return rc;
    for (int i = 0; i < job->out->n; i++)
        job->row.columns[i] =
            i < job->kept.n ? events->columns[job->kept.columns[i]] : job->features.columns[i - job->kept.n];
    job->row.length = events->length;
    const uint8_t *filtered = job->labels ? labels_filtered(job->labels) : state_filtered(job->state);
    if (filtered)
        rc = pick_wanted(job, filtered, error);
    if (rc == OK)
        rc = writer_append(job->writer, filtered ? &job->wanted : &job->row, error);
    return rc == OK && job->copy ? writer_append(job->copy, events, error) : rc;
}

static int open_job(struct job *job, struct error *error)
{
    const struct arguments *a = job->arguments;
    struct state_options with = {.threads = pipe_threads(a),
                                 .lateness_us = argument_integer(a, "lateness"),
                                 .memory = pipe_memory(a),
                                 .strict = argument_flag(a, "strict")};
    struct writer_options to = {.path = argument_text(a, "out")};
    struct labels_options labels;
    with.learns = pipe_labels(a, &labels);
    int rc = pipe_keep(a, job->plan, &job->kept, error);
    if (rc == OK && with.learns)
        rc = labels_open(job->plan, &labels, &job->labels, error);
    if (rc == OK)
        rc = out_schema(job, error);
    if (rc == OK)
        rc = state_new(job->plan, &with, &job->state, error);
    if (rc == OK)
        rc = table_init(&job->features, plan_features(job->plan), error);
    if (rc == OK)
        rc = table_init_lent(&job->row, job->out, error);
    if (rc == OK)
        rc = table_init(&job->wanted, job->out, error);
    if (rc != OK)
        return rc;
    to.schema = job->out;
    to.pool = state_pool(job->state);
    return writer_open(&to, &job->writer, error);
}

static int read_all(struct job *job, const char *copy_path, struct error *error)
{
    struct reader *reader;
    struct table events = {0};
    struct progress progress;
    int rc = pipe_reader(job->arguments, job->kept.in, state_pool(job->state), &reader, error);
    if (rc != OK)
        return rc;
    rc = table_init(&events, job->kept.in, error);
    if (rc == OK && copy_path) {
        struct writer_options to = {
            .path = copy_path, .schema = job->kept.in, .pool = state_pool(job->state)};
        rc = writer_open(&to, &job->copy, error);
    }
    progress_start(&progress, "computing features", "rows", reader_rows(reader));
    while (rc == OK && (rc = reader_next(reader, &events, error)) == OK && events.length > 0) {
        rc = take_batch(job, &events, error);
        progress_add(&progress, events.length);
    }
    progress_stop(&progress);
    pipe_report_enums(reader);
    reader_close(reader);
    table_done(&events);
    return rc;
}

static void close_job(struct job *job)
{
    table_done_lent(&job->row);
    table_done(&job->wanted);
    table_done(&job->features);
    writer_abandon(job->writer);
    writer_abandon(job->copy);
    state_free(job->state); /* whose threads they have */
    labels_free(job->labels);
    schema_unref(job->out);
    pipe_kept_done(&job->kept);
    plan_unref(job->plan);
}

static void print_summary(const struct job *job, int64_t nanoseconds)
{
    char size[UNITS_TEXT_SIZE];
    struct state_counters counters;
    state_counters(job->state, &counters);
    struct labels_counters labels = {0};
    if (job->labels)
        labels_count(job->labels, &labels);
    double seconds = (double)nanoseconds / 1e9;
    if (argument_flag(job->arguments, "json")) {
        printf(
            "{\"rows\":%lld,\"filtered\":%lld,\"features\":%d,\"seconds\":%.3f,\"late\":%lld,\"too_late\":%"
            "lld,"
            "\"expression_errors\":%lld,\"entities\":%lld,\"retained_events\":%lld,\"state_bytes\":%lld",
            (long long)counters.events, (long long)counters.filtered, plan_features(job->plan)->n, seconds,
            (long long)counters.late, (long long)counters.too_late, (long long)counters.expression_errors,
            (long long)counters.entities, (long long)counters.retained, (long long)counters.bytes);
        pipe_print_labels(job->labels ? &labels : NULL);
        printf("}\n");
        return;
    }
    log_line(LOG_INFO, "%lld rows, %d features, %.2f s; %lld entities hold %lld events in %s",
             (long long)counters.events, plan_features(job->plan)->n, seconds, (long long)counters.entities,
             (long long)counters.retained, units_size_text(counters.bytes, size));
    pipe_report_filtered(&counters);
    if (job->labels)
        pipe_report_labels(&labels);
    if (counters.too_late)
        log_line(LOG_WARNING,
                 "%lld rows came later than --lateness allows: they have features but entered no window",
                 (long long)counters.too_late);
    if (counters.expression_errors)
        log_line(
            LOG_WARNING,
            "%lld values could not be computed (overflow, or a function outside its domain) and are NULL",
            (long long)counters.expression_errors);
}

static int verify(struct job *job, const char *copy_path, struct error *error)
{
    struct verify_options options = {.plan = job->plan,
                                     .events_path = copy_path,
                                     .features_path = argument_text(job->arguments, "out"),
                                     .lateness_us = argument_integer(job->arguments, "lateness")};
    struct verify_result result;
    int rc = verify_with_duckdb(&options, &result, error);
    if (rc == OK)
        log_line(LOG_INFO, "DuckDB %s agrees: %lld values, 0 mismatches", SHRIKE_DUCKDB_VERSION + 1,
                 (long long)result.values);
    return rc;
}

/* One plan, or several as one. */
static int load_plans(struct job *job, struct error *error)
{
    int n = argument_positionals(job->arguments), loaded = 0, rc = OK;
    struct plan **plans = memory_new((size_t)n, sizeof *plans);
    if (!plans)
        return error_set(error, CODE_MEMORY, "no memory for %d plans", n);
    for (; rc == OK && loaded < n; loaded += rc == OK)
        rc = plan_load(argument_positional(job->arguments, loaded), &plans[loaded], error);
    if (rc == OK && n == 1)
        job->plan = plan_ref(plans[0]);
    else if (rc == OK)
        rc = plan_join(plans, n, &job->plan, error);
    while (loaded > 0)
        plan_unref(plans[--loaded]);
    free(plans);
    return rc;
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct job job = {.arguments = arguments};
    const char *oracle = argument_text(arguments, "verify");
    char copy[4096] = "";
    int64_t started = clock_monotonic_ns();
    if (oracle)
        snprintf(copy, sizeof copy, "%s.events.parquet", argument_text(arguments, "out"));
    if (oracle && strcmp(argument_text(arguments, "out"), "-") == 0)
        return error_set(error, CODE_USAGE, "--verify reads the result again, so --out must be a file");
    if (oracle && argument_given(arguments, "labels"))
        return error_set(error, CODE_USAGE, "--verify knows no --labels: DuckDB takes them as on time");
    if (oracle && argument_positionals(arguments) > 1)
        return error_set(error, CODE_USAGE, "--verify takes one plan at a time");
    int rc = load_plans(&job, error);
    if (rc == OK)
        rc = open_job(&job, error);
    if (rc == OK)
        rc = read_all(&job, oracle ? copy : NULL, error);
    if (rc == OK) {
        struct writer *writer = job.writer;
        job.writer = NULL;
        rc = writer_finish(writer, error);
    }
    if (rc == OK && job.copy) {
        struct writer *writer = job.copy;
        job.copy = NULL;
        rc = writer_finish(writer, error);
    }
    if (rc == OK)
        print_summary(&job, clock_monotonic_ns() - started);
    if (rc == OK && oracle)
        rc = verify(&job, copy, error);
    if (oracle)
        remove(copy);
    close_job(&job);
    return rc;
}

static const struct option options[] = {
    PIPE_OPTION_IN,
    {.name = "out",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .required = true,
     .text = "Where to: .parquet, .csv, .jsonl, or - for JSON lines on standard output."},
    {.name = "keep",
     .kind = OPTION_LIST,
     .argument = "COLUMN",
     .text = "Columns of the input to put in front of the features."},
    PIPE_OPTION_LABELS,
    PIPE_OPTION_LATENESS,
    PIPE_OPTION_TIME_UNIT,
    PIPE_OPTION_THREADS,
    PIPE_OPTION_MEMORY,
    {.name = "strict",
     .kind = OPTION_FLAG,
     .text = "Stop at the first value that cannot be computed, instead of making it NULL."},
    {.name = "verify",
     .kind = OPTION_CHOICE,
     .argument = "duckdb",
     .text =
         "Compute everything a second time, by the definition, with DuckDB, and compare. Slow: for samples."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print a summary as JSON."},
    {0},
};

const struct command command_features = {
    .name = "features",
    .summary = "Compute features over files, one row out per row in; plans over one table share windows.",
    .positionals = "features.sql...",
    .minimum = 1,
    .maximum = LIMIT_PLANS,
    .example = "shrike features features.sql --in transactions.parquet --keep tx_id --out features.parquet",
    .options = options,
    .run = run,
};
