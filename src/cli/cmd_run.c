/* shrike run: events in one by one, decisions out one by one, with state between them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/pipe.h"
#include "cli/run_follow.h"
#include "cli/run_state.h"
#include "cli/scored.h"
#include "score/dataset.h"
#include "table/json_rows.h"

struct job {
    const struct arguments *arguments;
    struct scorer scorer;
    struct buffer line;
    FILE *out, *letters; /* letters: dead ones; NULL = standard error's log */
    char staging[4096];
    int64_t seq, dead;
    struct run_state *state; /* NULL without --state */
    char source[4096];       /* as the state knows the file at hand; "": it has no positions */
    int64_t rows, taken;     /* of it: read so far; taken before this run */
    struct state_counters before; /* as other runs have left them */
};

/* Decisions of a batch, a line each. To standard output they go at once; a file is written through its
 * buffer. */
static int emit(struct job *job, const struct table *events, const struct decisions *decisions,
                struct error *error)
{
    buffer_clear(&job->line);
    for (int64_t i = 0; i < decisions->n; i++) {
        scored_json(&job->scorer, events, decisions, i, ++job->seq, &job->line);
        buffer_text(&job->line, "\n");
        if (job->line.size < LIMIT_JSON_LINE && i + 1 < decisions->n)
            continue;
        if (job->line.failed)
            return error_set(error, CODE_MEMORY, "no memory for a decision");
        if (fwrite(job->line.data, 1, job->line.size, job->out) != job->line.size)
            return error_set_errno(error, errno, "cannot write the decisions");
        buffer_clear(&job->line);
    }
    if (job->out == stdout && fflush(stdout) != 0)
        return error_set_errno(error, errno, "cannot write the decisions");
    return OK;
}

static int write_letter(struct job *job, const char *what, const struct error *why, struct error *error)
{
    char text[ERROR_MESSAGE_SIZE + ERROR_PLACE_SIZE + 64];
    error_format(why, text, sizeof text);
    if (!job->letters) {
        log_line(LOG_WARNING, "%s set aside: %s", what, text);
        return OK;
    }
    struct buffer line;
    buffer_init(&line, LIMIT_JSON_LINE);
    buffer_format(&line, "{\"line\":%lld,\"error\":", (long long)why->line);
    json_write_string(&line, text, strlen(text));
    buffer_text(&line, "}\n");
    bool fine = !line.failed && fwrite(line.data, 1, line.size, job->letters) == line.size &&
                fflush(job->letters) == 0;
    buffer_done(&line);
    return fine ? OK : error_set_errno(error, errno, "cannot write the dead letters");
}

/* An event that cannot be read is set aside and the stream goes on. */
static int set_aside(struct job *job, const struct error *why, struct error *error)
{
    /* It was set aside before, by the run that took what follows it. */
    if (job->state && job->rows < job->taken)
        return OK;
    job->dead++;
    return write_letter(job, "event", why, error);
}

/* Labels whose event did not come. */
static int lost(void *context, const char *id, struct error *error)
{
    struct job *job = context;
    struct error why = {0};
    const struct plan *plan = job->scorer.version.plan;
    error_set(&why, CODE_NOT_FOUND, "labels of %s %s: no event of that id is known, and none came in time",
              plan_events(plan)->fields[plan_id_column(plan)].name, id);
    return write_letter(job, "labels", &why, error);
}

/* behind: at which row of its source the events end. */
static int take(struct job *job, const struct table *events, int64_t behind, struct error *error)
{
    struct decisions decisions;
    if (job->state) {
        job->seq += events->length;
        return run_state_take(job->state, events, job->source, behind, !job->source[0], error);
    }
    int rc = engine_take(job->scorer.engine, events, &decisions, error);
    return rc == OK ? emit(job, events, &decisions, error) : rc;
}

/* Takes the events of a batch that have a time; the others, without a place in any window, are set aside. */
static int take_batch(struct job *job, const struct table *events, const char *path, struct error *error)
{
    struct error why = {0};
    int column = plan_time_column(job->scorer.version.plan);
    bool timeless = column >= 0 && events->columns[column].nulls;
    if (!timeless)
        return take(job, events, job->rows, error);
    struct table one = {0};
    int rc = table_init(&one, events->schema, error);
    for (int64_t i = 0; rc == OK && i < events->length; i++) {
        if (column_is_null(&events->columns[column], i)) {
            error_set(&why, CODE_INVALID, "%s is NULL: every event needs its time",
                      events->schema->fields[column].name);
            error_at(&why, path, events->first_row ? events->first_row + i : 0, 0);
            rc = set_aside(job, &why, error);
            continue;
        }
        table_clear(&one);
        rc = table_append(&one, events, i, 1, error);
        if (rc == OK)
            rc = take(job, &one, job->rows - (events->length - i - 1), error);
    }
    table_done(&one);
    return rc;
}

static bool is_json(const char *path)
{
    const char *ending = strrchr(path, '.');
    return strcmp(path, "-") == 0 ||
           (ending && (strncmp(ending, ".json", 5) == 0 || strcmp(ending, ".ndjson") == 0));
}

/* A file that was cut or replaced would be passed by up to where the former one ended. */
static int leave_source(const struct job *job, struct error *error)
{
    if (!job->source[0] || job->rows >= job->taken)
        return OK;
    return error_set(error, CODE_CONFLICT,
                     "%s has %lld events, and %lld of them were taken before: it may grow, and must not "
                     "change before that; give new events in a file of another name",
                     job->source + strlen("source "), (long long)job->rows, (long long)job->taken);
}

/* Which file the batch is of, and how much of that was taken before. */
static int enter_source(struct job *job, const char *path, struct error *error)
{
    char whole[PATH_MAX], source[sizeof job->source];
    if (!job->state)
        return OK;
    bool known = strcmp(path, "-") != 0 && realpath(path, whole);
    snprintf(source, sizeof source, known ? "source %s" : "", whole);
    if (strcmp(source, job->source) == 0 && source[0])
        return OK;
    int rc = leave_source(job, error);
    memcpy(job->source, source, sizeof source);
    job->rows = 0;
    job->taken = source[0] ? run_state_taken(job->state, source) : 0;
    return rc;
}

/* The rows of a batch that were not taken before this run. */
static int take_new(struct job *job, const struct table *events, const char *path, struct error *error)
{
    int rc = enter_source(job, path, error);
    int64_t before = job->rows, skip = job->taken - before;
    job->rows += events->length;
    if (rc != OK)
        return rc;
    if (skip <= 0)
        return take_batch(job, events, path, error);
    if (skip >= events->length)
        return OK;
    struct table rest = {0};
    rc = table_init(&rest, events->schema, error);
    if (rc == OK)
        rc = table_append(&rest, events, skip, events->length - skip, error);
    rest.first_row = events->first_row ? events->first_row + skip : 0;
    if (rc == OK)
        rc = take_batch(job, &rest, path, error);
    table_done(&rest);
    return rc;
}

static int read_all(struct job *job, struct error *error)
{
    struct reader_options from = {.columns = plan_events(job->scorer.version.plan),
                                  .time_unit = pipe_time_unit(job->arguments),
                                  .batch_rows = argument_integer(job->arguments, "batch"),
                                  .threads = 1,
                                  .lacks = dataset_warn_lacks};
    struct reader *reader;
    struct table events = {0};
    struct progress progress;
    from.paths = argument_list(job->arguments, "source", &from.n_paths);
    int rc = reader_open(&from, &reader, error);
    if (rc != OK)
        return rc;
    rc = table_init(&events, from.columns, error);
    progress_start(&progress, "scoring", "events", reader_rows(reader));
    while (rc == OK) {
        struct error why = {0};
        rc = reader_next(reader, &events, &why);
        bool broken = rc == CODE_INVALID && why.line && is_json(reader_path(reader));
        if (broken && !argument_flag(job->arguments, "strict")) {
            rc = enter_source(job, reader_path(reader), error);
            if (rc == OK)
                rc = set_aside(job, &why, error);
            continue;
        }
        if (rc != OK) {
            if (error)
                *error = why;
            break;
        }
        if (events.length == 0)
            break;
        rc = take_new(job, &events, reader_path(reader), error);
        progress_add(&progress, events.length);
    }
    if (rc == OK)
        rc = leave_source(job, error);
    progress_stop(&progress);
    pipe_report_enums(reader);
    reader_close(reader);
    table_done(&events);
    return rc;
}

static int open_files(struct job *job, struct error *error)
{
    const char *sink = argument_text(job->arguments, "sink"),
               *letters = argument_text(job->arguments, "dead-letters");
    buffer_init(&job->line, 64 * (size_t)LIMIT_JSON_LINE);
    job->out = stdout;
    if (!is_json(sink))
        return error_set(error, CODE_USAGE,
                         "--sink %s: decisions are JSON lines; the name must end in .jsonl, or be -", sink);
    if (strcmp(sink, "-") != 0 && !argument_given(job->arguments, "state")) {
        int rc = file_staging(sink, job->staging, sizeof job->staging, error);
        if (rc != OK)
            return rc;
        file_guard(job->staging);
        if (!(job->out = fopen(job->staging, "we")))
            return error_set_errno(error, errno, "cannot write %s", sink);
    }
    if (letters && !(job->letters = fopen(letters, "ae")))
        return error_set_errno(error, errno, "cannot write %s", letters);
    return OK;
}

/* The sink under its final name, or nothing. */
static int close_files(struct job *job, int rc, struct error *error)
{
    if (job->letters)
        fclose(job->letters);
    buffer_done(&job->line);
    if (job->out == stdout)
        return rc;
    if (job->out && fclose(job->out) != 0 && rc == OK)
        rc = error_set_errno(error, errno, "cannot write %s", argument_text(job->arguments, "sink"));
    if (rc == OK)
        rc = file_commit(job->staging, argument_text(job->arguments, "sink"), error);
    if (rc != OK && job->staging[0])
        remove(job->staging);
    if (job->staging[0])
        file_forget(job->staging);
    return rc;
}

/* Also of a run that failed: how far it came. */
static void print_summary(const struct job *job)
{
    char size[UNITS_TEXT_SIZE];
    struct state_counters counters;
    int64_t repeated = job->state ? run_state_repeated(job->state) : 0;
    state_counters(engine_state(job->scorer.engine), &counters);
    counters.events -= job->before.events;
    counters.filtered -= job->before.filtered;
    counters.too_late -= job->before.too_late;
    counters.ahead -= job->before.ahead;
    log_line(LOG_INFO,
             "%lld events scored, %lld set aside, %lld too late for the windows, %lld ahead of time",
             (long long)(job->seq - counters.filtered - repeated), (long long)job->dead,
             (long long)counters.too_late, (long long)counters.ahead);
    if (repeated)
        log_line(LOG_INFO, "%lld events were there before, and have their decision", (long long)repeated);
    pipe_report_filtered(&counters);
    if (job->state)
        run_state_report_labels(job->state);
    if (job->scorer.labels) {
        struct labels_counters labels;
        labels_count(job->scorer.labels, &labels);
        pipe_report_labels(&labels);
    }
    log_line(LOG_INFO, "%lld entities hold %lld events in %s", (long long)counters.entities,
             (long long)counters.retained, units_size_text(counters.bytes, size));
}

/* An event under an id that another one has: it is set aside. */
static int conflict(void *context, const struct table *events, int64_t i, uint64_t seq, struct error *error)
{
    struct job *job = context;
    struct error why = {0};
    int id = plan_id_column(job->scorer.version.plan);
    job->seq--;
    error_set(&why, CODE_CONFLICT, "event %llu has this %s, and other values", (unsigned long long)seq,
              events->schema->fields[id].name);
    error_at(&why, job->source[0] ? job->source + strlen("source ") : "standard input",
             events->first_row ? events->first_row + i : 0, 0);
    return set_aside(job, &why, error);
}

/* Of events that come as they happen, clocks are not trusted without end. */
static int64_t max_ahead(const struct arguments *arguments)
{
    int n = 0;
    bool lines = false;
    const char *const *sources = argument_list(arguments, "source", &n);
    for (int i = 0; i < n; i++)
        lines |= strcmp(sources[i], "-") == 0;
    if (argument_given(arguments, "max-ahead"))
        return argument_integer(arguments, "max-ahead");
    return lines ? HOUR_US : 0;
}

static int open_engine(struct job *job, struct error *error)
{
    const struct arguments *arguments = job->arguments;
    int reasons = (int)argument_integer(arguments, "explain"), threads = pipe_threads(arguments);
    struct engine_options options;
    if (!argument_given(arguments, "state"))
        return scorer_open(arguments, reasons, threads, max_ahead(arguments), &job->scorer, error);
    run_follow_prepare();
    int rc = scorer_open_version(arguments, reasons, threads, &job->scorer, &options, error);
    options.state.max_ahead_us = max_ahead(arguments);
    return rc == OK ? run_state_open(arguments, &job->scorer, &options,
                                     &(struct run_letters){conflict, lost, job}, &job->state, error)
                    : rc;
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct job job = {.arguments = arguments};
    int rc = scored_read_key(arguments, error);
    if (rc == OK)
        rc = open_engine(&job, error);
    if (rc == OK) {
        state_counters(engine_state(job.scorer.engine), &job.before);
        rc = open_files(&job, error);
        if (rc == OK) {
            rc = read_all(&job, error);
            if (rc == OK && job.state)
                rc = run_state_lost(job.state, error);
            print_summary(&job);
        }
        rc = close_files(&job, rc, error);
        rc = run_state_close(job.state, rc, error);
    }
    scorer_close(&job.scorer);
    return rc;
}

static const struct option options[] = {
    {.name = "source",
     .kind = OPTION_LIST,
     .argument = "FILE",
     .required = true,
     .text =
         "Where events come from: files as in --in of other verbs, or - for JSON lines on standard input."},
    {.name = "sink",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .required = true,
     .text = "Where decisions go: a .jsonl file, or - for standard output, line by line as they are made."},
    {.name = "explain",
     .kind = OPTION_INTEGER,
     .argument = "K",
     .fallback = "3",
     .minimum = 0,
     .maximum = LIMIT_REASONS,
     .text = "The K strongest reasons of each score."},
    {.name = "dead-letters",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .text = "Where events go that cannot be read, with the reason; default: a warning each."},
    {.name = "strict",
     .kind = OPTION_FLAG,
     .text = "Stop at the first event that cannot be read, instead of setting it aside."},
    {.name = "state",
     .kind = OPTION_TEXT,
     .argument = "DIR",
     .text =
         "Keep windows, events and decisions in this directory: a restart goes on where the last run ended, "
         "however it ended. Each decision is in a sink file once."},
    {.name = "dedupe",
     .kind = OPTION_DURATION,
     .with = "state",
     .argument = "DURATION",
     .text =
         "With --state: know the ids (PRIMARY KEY) of events for so long. One that comes again has its first "
         "decision; another one under its id is set aside. 0: ids are not looked at. Default: as the state "
         "was kept; a new one knows them for the longest delay of a late column, or a day."},
    {.name = "follow",
     .kind = OPTION_FLAG,
     .with = "state",
     .text = "With --state: look every second whether MODEL (an alias) is another version by now, which then "
             "takes over with the next event. Without, SIGHUP asks for that."},
    {.name = "backfill",
     .kind = OPTION_LIST,
     .with = "state",
     .argument = "journal|FILE",
     .text =
         "With --state: take over the state of another plan. Windows that are in both plans keep what they "
         "remember; the others take past events again, from the journal, or from these files (what came "
         "before the journal's first event) and then the journal."},
    {.name = "fsync",
     .kind = OPTION_CHOICE,
     .with = "state",
     .argument = "commit|interval|never",
     .fallback = "commit",
     .text =
         "With --state: flush to the disk before a decision goes out, ten times a second, or when the system "
         "likes. What is not flushed is lost when the power fails, not when the program ends."},
    {.name = "snapshot-every",
     .kind = OPTION_SIZE,
     .with = "state",
     .argument = "SIZE",
     .fallback = "256MiB",
     .text = "With --state: after so much journal, save what the windows remember."},
    {.name = "retain",
     .kind = OPTION_SIZE,
     .with = "state",
     .argument = "SIZE",
     .fallback = "64GiB",
     .text = "With --state: keep so much journal for replay, beyond what a restart needs."},
    {.name = "erase-within",
     .kind = OPTION_DURATION,
     .with = "state",
     .argument = "DURATION",
     .fallback = "30d",
     .text =
         "With --state: how long after `shrike erase --later` the bytes of erased events may stay in journal "
         "and snapshots."},
    {.name = "batch",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .fallback = "1024",
     .minimum = 1,
     .maximum = LIMIT_BATCH_ROWS,
     .text = "Events taken at once where so many are waiting. It never changes a result."},
    PIPE_OPTION_EXPLAIN_FROM,
    PIPE_OPTION_THRESHOLD,
    PIPE_OPTION_SECRET_KEY,
    PIPE_OPTION_REGISTRY,
    PIPE_OPTION_LABELS,
    PIPE_OPTION_LATENESS,
    {.name = "max-ahead",
     .kind = OPTION_DURATION,
     .argument = "DURATION",
     .text = "How far beyond the latest time so far an event may be and still count as the latest; one that "
             "is further "
             "ahead enters no windows. 0: as far as it likes. Default: 1h with events on standard input, "
             "else 0."},
    PIPE_OPTION_TIME_UNIT,
    PIPE_OPTION_THREADS,
    PIPE_OPTION_MEMORY,
    {0},
};

const struct command command_run = {
    .name = "run",
    .summary = "Score a stream of events, one decision per event, with reasons.",
    .positionals = "MODEL",
    .minimum = 1,
    .maximum = 1,
    .example = "tail -F payments.jsonl | shrike run models:/fraud@champion --source - --sink -",
    .options = options,
    .run = run,
};
