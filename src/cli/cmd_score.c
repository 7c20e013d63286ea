/* shrike score: a model version over files, one decision out per row in. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/pipe.h"
#include "cli/scored.h"

struct job {
    const struct arguments *arguments;
    struct scorer scorer;
    struct kept kept;
    int *columns, n_columns; /* of the input, in front of the decision: id, time, --keep */
    struct schema *out;
    struct table scored;
    struct writer *writer;
    int64_t counts[DECISIONS]; /* per enum decision */
};

static bool is_listed(const struct job *job, int column)
{
    for (int i = 0; i < job->n_columns; i++)
        if (job->columns[i] == column)
            return true;
    return false;
}

static int choose_columns(struct job *job, struct error *error)
{
    const struct plan *plan = job->scorer.version.plan;
    int candidates[2] = {plan_id_column(plan), plan_time_column(plan)};
    job->columns = memory_new((size_t)job->kept.n + 2, sizeof *job->columns);
    if (!job->columns)
        return error_set(error, CODE_MEMORY, "no memory for the columns");
    for (int i = 0; i < 2; i++)
        if (candidates[i] >= 0 && !is_listed(job, candidates[i]))
            job->columns[job->n_columns++] = candidates[i];
    for (int i = 0; i < job->kept.n; i++)
        if (!is_listed(job, job->kept.columns[i]))
            job->columns[job->n_columns++] = job->kept.columns[i];
    return OK;
}

static int open_job(struct job *job, struct error *error)
{
    int reasons = (int)argument_integer(job->arguments, "explain");
    struct writer_options to = {.path = argument_text(job->arguments, "out")};
    int rc = scorer_open(job->arguments, reasons, pipe_threads(job->arguments), 0, &job->scorer, error);
    if (rc == OK)
        rc = pipe_keep(job->arguments, job->scorer.version.plan, &job->kept, error);
    if (rc == OK)
        rc = choose_columns(job, error);
    if (rc != OK)
        return rc;
    job->out = scored_schema(&job->scorer, job->kept.in, job->columns, job->n_columns, reasons, error);
    if (!job->out)
        return error ? (int)error->code : (int)CODE_MEMORY;
    rc = table_init(&job->scored, job->out, error);
    to.schema = job->out;
    to.pool = state_pool(engine_state(job->scorer.engine));
    return rc == OK ? writer_open(&to, &job->writer, error) : rc;
}

static int take_batch(struct job *job, const struct table *events, struct error *error)
{
    struct decisions decisions;
    int rc = engine_take(job->scorer.engine, events, &decisions, error);
    table_clear(&job->scored);
    if (rc == OK)
        rc = scored_append(&job->scorer, events, job->columns, job->n_columns, &decisions, &job->scored,
                           error);
    for (int64_t i = 0; rc == OK && i < decisions.n; i++)
        if (decisions.decisions[i] >= 0)
            job->counts[decisions.decisions[i]]++;
    return rc == OK ? writer_append(job->writer, &job->scored, error) : rc;
}

static int read_all(struct job *job, struct error *error)
{
    struct reader *reader;
    struct table events = {0};
    struct progress progress;
    int rc = pipe_reader(job->arguments, job->kept.in, state_pool(engine_state(job->scorer.engine)), &reader,
                         error);
    if (rc != OK)
        return rc;
    rc = table_init(&events, job->kept.in, error);
    progress_start(&progress, "scoring", "rows", reader_rows(reader));
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
    table_done(&job->scored);
    writer_abandon(job->writer);
    schema_unref(job->out);
    free(job->columns);
    pipe_kept_done(&job->kept);
    scorer_close(&job->scorer);
}

static void print_summary(const struct job *job, int64_t nanoseconds)
{
    char size[UNITS_TEXT_SIZE];
    struct state_counters counters;
    state_counters(engine_state(job->scorer.engine), &counters);
    struct labels_counters labels = {0};
    if (job->scorer.labels)
        labels_count(job->scorer.labels, &labels);
    double seconds = (double)nanoseconds / 1e9;
    if (argument_flag(job->arguments, "json")) {
        printf("{\"rows\":%lld,\"seconds\":%.3f,\"approve\":%lld,\"review\":%lld,\"decline\":%lld,"
               "\"filtered\":%lld,\"too_late\":%lld,\"expression_errors\":%lld,\"entities\":%lld,\"retained_"
               "events\":%lld,"
               "\"state_bytes\":%lld",
               (long long)counters.events, seconds, (long long)job->counts[0], (long long)job->counts[1],
               (long long)job->counts[2], (long long)counters.filtered, (long long)counters.too_late,
               (long long)counters.expression_errors, (long long)counters.entities,
               (long long)counters.retained, (long long)counters.bytes);
        pipe_print_labels(job->scorer.labels ? &labels : NULL);
        printf("}\n");
        return;
    }
    log_line(LOG_INFO, "%lld events scored in %.2f s: %lld approve, %lld review, %lld decline",
             (long long)counters.events, seconds, (long long)job->counts[0], (long long)job->counts[1],
             (long long)job->counts[2]);
    pipe_report_filtered(&counters);
    if (job->scorer.labels)
        pipe_report_labels(&labels);
    log_line(LOG_INFO, "%lld entities hold %lld events in %s", (long long)counters.entities,
             (long long)counters.retained, units_size_text(counters.bytes, size));
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct job job = {.arguments = arguments};
    int64_t started = clock_monotonic_ns();
    int rc = open_job(&job, error);
    if (rc == OK)
        rc = read_all(&job, error);
    if (rc == OK) {
        struct writer *writer = job.writer;
        job.writer = NULL;
        rc = writer_finish(writer, error);
    }
    if (rc == OK)
        print_summary(&job, clock_monotonic_ns() - started);
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
     .text = "Columns of the input to put beside id and time, in front of the score."},
    {.name = "explain",
     .kind = OPTION_INTEGER,
     .argument = "K",
     .fallback = "0",
     .minimum = 0,
     .maximum = LIMIT_REASONS,
     .text = "The K strongest reasons of each score, as feature and contribution to its log odds."},
    PIPE_OPTION_EXPLAIN_FROM,
    PIPE_OPTION_THRESHOLD,
    PIPE_OPTION_REGISTRY,
    PIPE_OPTION_LABELS,
    PIPE_OPTION_LATENESS,
    PIPE_OPTION_TIME_UNIT,
    PIPE_OPTION_THREADS,
    PIPE_OPTION_MEMORY,
    {.name = "json", .kind = OPTION_FLAG, .text = "Print a summary as JSON."},
    {0},
};

const struct command command_score = {
    .name = "score",
    .summary = "Score the events of files with a model version.",
    .positionals = "MODEL",
    .minimum = 1,
    .maximum = 1,
    .example = "shrike score models:/fraud@champion --in new.parquet --out scored.parquet --explain 3",
    .options = options,
    .run = run,
};
