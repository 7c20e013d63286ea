/* shrike generate: simulated payments to a file, to a directory with a file a day, or as a stream of JSON
 * lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/pipe.h"
#include "stream/generator.h"
#include "table/file_io.h"

enum { DEFAULT_DAYS = 183 };
/* A throttled stream is released in pieces of about this much time, which is as even as a pipe's reader
 * can see. */
enum { PIECE_NS = 5 * 1000 * 1000, SECOND_NS = 1000 * 1000 * 1000 };

static const struct option options[] = {
    {.name = "profile",
     .kind = OPTION_CHOICE,
     .argument = "handbook",
     .fallback = "handbook",
     .text =
         "What is simulated. handbook: customers and terminals with three kinds of fraud, as in the Fraud "
         "Detection Handbook."},
    {.name = "out",
     .kind = OPTION_TEXT,
     .argument = "FILE|DIR|-",
     .required = true,
     .text = "Where to: a .parquet, .csv or .jsonl file; a directory (DIR/), which gets one Parquet file a "
             "day; or "
             "- for JSON lines on standard output."},
    {.name = "days",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 1,
     .maximum = LIMIT_GENERATOR_DAYS,
     .text = "Days of simulated time (default 183, or as many as --rows takes)."},
    {.name = "rows",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 1,
     .maximum = 1e15,
     .text = "Stop after N transactions."},
    {.name = "seed",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .fallback = "1",
     .minimum = 0,
     .maximum = 9e15,
     .text = "The same seed gives the same transactions, on any machine and with any number of threads."},
    {.name = "start",
     .kind = OPTION_TIME,
     .argument = "DATE",
     .fallback = "2018-04-01",
     .text = "The first day."},
    {.name = "customers",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .text = "Customers; each makes about two transactions a day (default 5000)."},
    {.name = "terminals", .kind = OPTION_INTEGER, .argument = "N", .text = "Terminals (default 10000)."},
    {.name = "radius",
     .kind = OPTION_REAL,
     .argument = "X",
     .text = "How far a customer goes for a terminal, on a square of side 100 (default 5)."},
    {.name = "rate",
     .kind = OPTION_REAL,
     .argument = "N",
     .minimum = 1e-3,
     .maximum = 1e9,
     .text = "With --out -: release N rows a second, instead of as fast as possible."},
    {.name = "threads",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .fallback = "1",
     .minimum = 1,
     .maximum = LIMIT_THREADS,
     .text = "Threads that simulate, and that encode Parquet files."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print a summary as JSON (not with --out -)."},
    {0},
};

/* Where rows go. In a directory, a day's file is finished when the next day begins. */
struct target {
    const char *path;
    bool is_directory, is_stream;
    double rate; /* rows a second, 0 = no limit */
    struct schema *schema;
    struct writer *writer;
    int64_t day; /* of the writer, in days since 1970 */
    int64_t started_ns, released;
    struct table piece; /* of a throttled stream */
    int64_t files;
    int threads; /* that encode */
};

struct summary {
    int64_t rows, frauds, first_us, last_us;
};

static bool is_directory(const char *path)
{
    struct stat status;
    size_t n = strlen(path);
    const char *slash = strrchr(path, '/');
    return (n && path[n - 1] == '/') || (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) ||
           !strchr(slash ? slash : path, '.');
}

static int column_of(const struct schema *schema, unsigned role)
{
    for (int i = 0; i < schema->n; i++)
        if (schema->fields[i].roles & role)
            return i;
    return -1;
}

static int target_init(struct target *target, const struct arguments *arguments, struct schema *schema,
                       struct error *error)
{
    const char *path = argument_text(arguments, "out");
    *target = (struct target){.path = path, .schema = schema, .started_ns = clock_monotonic_ns()};
    target->threads = pipe_threads(arguments);
    target->is_stream = strcmp(path, "-") == 0;
    target->is_directory = !target->is_stream && is_directory(path);
    if (argument_given(arguments, "rate"))
        target->rate = argument_real(arguments, "rate");
    if (target->rate > 0 && !target->is_stream)
        return error_set(error, CODE_USAGE, "--rate paces a stream: it goes with --out -, not with --out %s",
                         path);
    if (target->is_stream && argument_flag(arguments, "json"))
        return error_set(error, CODE_USAGE,
                         "--json prints a summary where --out - prints the rows: take one of them");
    if (target->is_directory) {
        int code = file_make_directory(path, error);
        if (code)
            return code;
    } else {
        struct writer_options writer = {.path = path, .schema = schema, .threads = target->threads};
        int code = writer_open(&writer, &target->writer, error);
        if (code)
            return code;
        target->files = 1;
    }
    return table_init(&target->piece, schema, error);
}

static int target_finish(struct target *target, struct error *error)
{
    struct writer *writer = target->writer;
    target->writer = NULL;
    return writer ? writer_finish(writer, error) : OK;
}

static void target_done(struct target *target)
{
    writer_abandon(target->writer);
    if (target->piece.schema)
        table_done(&target->piece);
}

static int open_day(struct target *target, int64_t day, struct error *error)
{
    char date[UNITS_TEXT_SIZE], path[4096];
    int code = target_finish(target, error);
    if (code)
        return code;
    size_t n = strlen(target->path);
    bool slash = n && target->path[n - 1] == '/';
    int length = snprintf(path, sizeof path, "%s%s%s.parquet", target->path, slash ? "" : "/",
                          units_date_text((int32_t)day, date));
    if (length >= (int)sizeof path)
        return error_set(error, CODE_USAGE, "the name of directory %.100s... is too long", target->path);
    struct writer_options writer = {.path = path, .schema = target->schema, .threads = target->threads};
    code = writer_open(&writer, &target->writer, error);
    if (code)
        return code;
    target->day = day;
    target->files++;
    return OK;
}

/* Row i leaves no earlier than i / rate seconds after the start. */
static int write_paced(struct target *target, const struct table *table, struct error *error)
{
    int64_t most = (int64_t)(target->rate * PIECE_NS / SECOND_NS);
    most = most < 1 ? 1 : most;
    for (int64_t i = 0; i < table->length;) {
        int64_t due_ns = target->started_ns + (int64_t)((double)target->released * SECOND_NS / target->rate);
        struct timespec due = {.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL)) {
        }
        int64_t n = table->length - i < most ? table->length - i : most;
        table_clear(&target->piece);
        int code = table_append(&target->piece, table, i, n, error);
        if (!code)
            code = writer_append(target->writer, &target->piece, error);
        if (code)
            return code;
        target->released += n;
        i += n;
    }
    return OK;
}

static int write_rows(struct target *target, const struct table *table, int time, struct error *error)
{
    if (target->is_directory) {
        int64_t day = ((const int64_t *)table->columns[time].data)[0] / DAY_US;
        int code = target->writer && day == target->day ? OK : open_day(target, day, error);
        if (code)
            return code;
    }
    return target->rate > 0 ? write_paced(target, table, error) : writer_append(target->writer, table, error);
}

static void count(struct summary *summary, const struct table *table, int time, int label)
{
    const int64_t *times = table->columns[time].data;
    const int8_t *labels = label < 0 ? NULL : table->columns[label].data;
    if (!summary->rows)
        summary->first_us = times[0];
    summary->last_us = times[table->length - 1];
    summary->rows += table->length;
    for (int64_t i = 0; labels && i < table->length; i++)
        summary->frauds += labels[i];
}

static int write_all(struct generator *generator, struct target *target, int64_t expected,
                     struct summary *summary, struct error *error)
{
    struct table table;
    int time = column_of(target->schema, ROLE_TIME), label = column_of(target->schema, ROLE_LABEL);
    int code = table_init(&table, target->schema, error);
    if (code)
        return code;
    struct progress progress;
    progress_start(&progress, "generate", "rows", expected);
    while (!(code = generator_next(generator, &table, error)) && table.length) {
        code = write_rows(target, &table, time, error);
        if (code)
            break;
        count(summary, &table, time, label);
        progress_add(&progress, table.length);
    }
    if (!code)
        code = target_finish(target, error);
    progress_stop(&progress);
    table_done(&table);
    return code;
}

static void print_summary(const struct summary *summary, const struct target *target, uint64_t seed,
                          bool json)
{
    char first[UNITS_TEXT_SIZE] = "", last[UNITS_TEXT_SIZE] = "";
    double percent = summary->rows ? 100.0 * (double)summary->frauds / (double)summary->rows : 0;
    if (summary->rows) {
        units_time_text(summary->first_us, first);
        units_time_text(summary->last_us, last);
    }
    if (json)
        printf(
            "{\"rows\":%lld,\"frauds\":%lld,\"first\":\"%s\",\"last\":\"%s\",\"seed\":%llu,\"files\":%lld}\n",
            (long long)summary->rows, (long long)summary->frauds, first, last, (unsigned long long)seed,
            (long long)target->files);
    else if (!target->is_stream)
        log_line(LOG_INFO, "%lld transactions, %lld of them fraud (%.3f %%), %s to %s, in %s",
                 (long long)summary->rows, (long long)summary->frauds, percent, first, last, target->path);
}

static int run(const struct arguments *arguments, struct error *error)
{
    static const char *const names[] = {"customers", "terminals", "radius"};
    enum { NAMES = sizeof names / sizeof *names };
    struct generator_value values[NAMES];
    int n_values = 0;
    for (int i = 0; i < NAMES; i++)
        if (argument_given(arguments, names[i]))
            values[n_values++] = (struct generator_value){
                names[i], strcmp(names[i], "radius") ? (double)argument_integer(arguments, names[i])
                                                     : argument_real(arguments, names[i])};
    bool has_rows = argument_given(arguments, "rows"), has_days = argument_given(arguments, "days");
    const char *out = argument_text(arguments, "out");
    struct generator_options generator_options = {
        .profile = argument_text(arguments, "profile"),
        .values = values,
        .n_values = n_values,
        .seed = (uint64_t)argument_integer(arguments, "seed"),
        .start_us = argument_integer(arguments, "start"),
        .days = has_days   ? argument_integer(arguments, "days")
                : has_rows ? LIMIT_GENERATOR_DAYS
                           : DEFAULT_DAYS,
        .rows = has_rows ? argument_integer(arguments, "rows") : 0,
        .threads = (int)argument_integer(arguments, "threads"),
        .whole_days = strcmp(out, "-") && is_directory(out),
    };
    struct generator *generator = NULL;
    struct target target = {0};
    struct summary summary = {0};
    int code = generator_open(&generator_options, &generator, error);
    if (!code)
        code = target_init(&target, arguments, generator_schema(generator), error);
    if (!code)
        code = write_all(generator, &target, generator_options.rows, &summary, error);
    if (!code)
        print_summary(&summary, &target, generator_options.seed, argument_flag(arguments, "json"));
    target_done(&target);
    generator_close(generator);
    return code;
}

const struct command command_generate = {
    .name = "generate",
    .summary = "Simulate card payments with fraud, the same for a seed everywhere.",
    .positionals = "",
    .example = "shrike generate --profile handbook --days 183 --seed 7 --out payments.parquet\n"
               "shrike generate --rows 1000 --rate 50 --out - | shrike run models:/fraud@champion --source - "
               "--sink -",
    .options = options,
    .run = run,
};
