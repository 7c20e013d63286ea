#include <errno.h>
#include <glob.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/source.h"

/* Batches of the read-ahead: one being filled, one waiting, so that neither side idles for the other's
 * jitter. */
enum { SLOTS = 3 };

/* One batch that was read ahead. */
struct slot {
    struct table table;
    int file; /* index of the path it came from */
    int code;
    struct error error;
};

struct reader {
    struct source_options shared; /* changed by whoever reads */
    struct duck duck;
    char **paths;
    enum format *formats;
    int n_paths;
    int file; /* index of the open one */
    struct source *source;
    int64_t rows;
    int given; /* index of the file of the last batch given */
    /* Reading ahead: a job of the pool fills slots; NULL: batches are read when they are asked for. */
    struct parallel *pool, *own;
    struct parallel_job job;
    struct slot slots[SLOTS];
    _Atomic int64_t filled, taken; /* counts of slots; slot i is i % SLOTS */
    _Atomic int64_t unknown_enums;
    _Atomic bool reading; /* the job is posted and not at its end */
    _Atomic bool awaited; /* the next batch is: the job ends with it */
    _Atomic bool stop;
    bool ended; /* the end or an error has been read; of the job while it is one */
};

int format_of(const char *path, enum format *ret, struct error *error)
{
    static const struct {
        const char *ending;
        enum format format;
    } endings[] = {
        {".parquet", FORMAT_PARQUET}, {".csv", FORMAT_CSV},    {".csv.gz", FORMAT_CSV},
        {".tsv", FORMAT_TSV},         {".tsv.gz", FORMAT_TSV}, {".jsonl", FORMAT_JSON},
        {".ndjson", FORMAT_JSON},     {".json", FORMAT_JSON},
    };
    if (strcmp(path, "-") == 0) {
        *ret = FORMAT_JSON;
        return OK;
    }
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i].ending);
        if (size > n && strcasecmp(path + size - n, endings[i].ending) == 0) {
            *ret = endings[i].format;
            return OK;
        }
    }
    error_set(
        error, CODE_USAGE,
        "the ending says no known format; expected .parquet, .csv, .csv.gz, .tsv, .jsonl, .ndjson or .json, "
        "or - for JSON lines");
    error_at(error, path, 0, 0);
    return CODE_USAGE;
}

/* Levenshtein's distance, case ignored, of names up to LIMIT_NAME. */
static int distance(const char *a, const char *b)
{
    int row[LIMIT_NAME + 1];
    size_t n = strnlen(b, LIMIT_NAME);
    for (size_t k = 0; k <= n; k++)
        row[k] = (int)k;
    for (int i = 1; *a; a++, i++) {
        int corner = row[0];
        row[0] = i;
        for (size_t k = 1; k <= n; k++) {
            int change = corner + (strncasecmp(a, &b[k - 1], 1) != 0);
            int least = row[k] < row[k - 1] ? row[k] + 1 : row[k - 1] + 1;
            corner = row[k];
            row[k] = change < least ? change : least;
        }
    }
    return row[n];
}

int missing_column(const char *path, const char *wanted, const char *const *names, int n, struct error *error)
{
    char list[600] = "";
    int nearest = -1, best = (int)(strlen(wanted) + 2) / 3 + 1;
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        int there = distance(wanted, names[i]);
        if (there < best) {
            best = there;
            nearest = i;
        }
        if (used + strlen(names[i]) + 8 < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
        else if (list[used - 1] != '.')
            used += (size_t)snprintf(list + used, sizeof list - used, ", ...");
    }
    if (nearest >= 0)
        error_set(error, CODE_INVALID, "no column \"%s\" (is \"%s\" meant?); there are: %s", wanted,
                  names[nearest], list);
    else
        error_set(error, CODE_INVALID, "no column \"%s\"; there are: %s", wanted, list);
    error_at(error, path, 0, 0);
    return CODE_INVALID;
}

static int add_path(struct reader *reader, const char *path, struct error *error)
{
    size_t n = (size_t)reader->n_paths + 1;
    char *copy = memory_text(path, strlen(path));
    char **paths = realloc(reader->paths, n * sizeof *paths);
    if (paths)
        reader->paths = paths;
    enum format *formats = realloc(reader->formats, n * sizeof *formats);
    if (formats)
        reader->formats = formats;
    if (!copy || !paths || !formats) {
        free(copy);
        return error_set(error, CODE_MEMORY, "no memory for a list of files");
    }
    paths[reader->n_paths++] = copy;
    return format_of(path, &formats[reader->n_paths - 1], error);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A file of that very name comes before a pattern. */
static int expand(struct reader *reader, const char *path, struct error *error)
{
    struct stat status;
    if (strcmp(path, "-") == 0 || stat(path, &status) == 0 || !strpbrk(path, "*?["))
        return add_path(reader, path, error);
    glob_t found = {0};
    int code = OK;
    switch (glob(path, GLOB_NOSORT, NULL, &found)) {
    case 0:
        qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare_paths);
        for (size_t i = 0; code == OK && i < found.gl_pathc; i++)
            code = add_path(reader, found.gl_pathv[i], error);
        break;
    case GLOB_NOMATCH:
        code = error_set(error, CODE_NOT_FOUND, "no file matches this pattern");
        error_at(error, path, 0, 0);
        break;
    default:
        code = error_set(error, CODE_IO, "the pattern cannot be expanded");
        error_at(error, path, 0, 0);
    }
    globfree(&found);
    return code;
}

/* What the operating system can say about a file before anyone reads it. */
static int check_file(const char *path, struct error *error)
{
    struct stat status;
    int code = OK;
    if (stat(path, &status) != 0)
        code = error_set_errno(error, errno, "cannot read the file");
    else if (S_ISDIR(status.st_mode))
        code = error_set(error, CODE_INVALID, "is a directory, where a file is expected");
    else if (access(path, R_OK) != 0)
        code = error_set_errno(error, errno, "cannot read the file");
    else if (S_ISREG(status.st_mode) && status.st_size == 0)
        code = error_set(error, CODE_INVALID, "the file is empty (0 bytes)");
    if (code != OK)
        error_at(error, path, 0, 0);
    return code;
}

static int open_file(struct reader *reader, int i, struct source **ret, struct error *error)
{
    if (reader->formats[i] == FORMAT_JSON)
        return json_source_open(&reader->shared, reader->paths[i], ret, error);
    return duck_source_open(&reader->shared, reader->paths[i], reader->formats[i], ret, error);
}

static int find_schema(struct reader *reader, struct error *error)
{
    if (reader->formats[0] != FORMAT_JSON)
        return duck_source_schema(&reader->duck, reader->paths[0], reader->formats[0], &reader->shared.schema,
                                  error);
    error_set(error, CODE_UNSUPPORTED,
              "JSON lines do not say the types of their columns; a plan must name them");
    error_at(error, reader->paths[0], 0, 0);
    return CODE_UNSUPPORTED;
}

/* Opens every file once, so that a bad one is told before hours of work; the first one stays open. */
static int check_files(struct reader *reader, struct error *error)
{
    int code = OK;
    bool all_known = true;
    for (int i = reader->n_paths - 1; code == OK && i >= 0; i--) {
        int64_t rows = 0;
        struct source *source;
        bool standard = strcmp(reader->paths[i], "-") == 0;
        if (standard && reader->n_paths > 1)
            return error_set(error, CODE_USAGE, "standard input (-) cannot be read together with files");
        code = open_file(reader, i, &source, error);
        if (code == OK && i > 0)
            source->close(source);
        else if (code == OK)
            reader->source = source;
        if (code == OK && reader->formats[i] == FORMAT_PARQUET)
            code = duck_source_rows(&reader->duck, reader->paths[i], &rows, error);
        all_known = all_known && reader->formats[i] == FORMAT_PARQUET;
        reader->rows += rows;
    }
    if (!all_known)
        reader->rows = 0;
    return code;
}

static int prepare(struct reader *reader, const struct reader_options *options, struct error *error)
{
    int code = OK;
    bool duck = false;
    if (options->n_paths == 0)
        return error_set(error, CODE_USAGE, "no input file is given");
    for (int i = 0; code == OK && i < options->n_paths; i++)
        code = expand(reader, options->paths[i], error);
    for (int i = 0; code == OK && i < reader->n_paths; i++) {
        duck = duck || reader->formats[i] != FORMAT_JSON;
        if (strcmp(reader->paths[i], "-") != 0)
            code = check_file(reader->paths[i], error);
    }
    if (code == OK && duck) {
        /* One thread: more do not make an ordered stream faster, the reader's own thread does. */
        code = duck_open(&reader->duck, NULL, error);
        reader->shared.duck = &reader->duck;
    }
    if (code == OK && options->columns)
        reader->shared.schema = schema_ref(options->columns);
    else if (code == OK)
        code = find_schema(reader, error);
    if (code != OK)
        return code;
    reader->shared.coders = memory_new((size_t)reader->shared.schema->n, sizeof *reader->shared.coders);
    if (!reader->shared.coders)
        return error_set(error, CODE_MEMORY, "no memory for reading");
    return check_files(reader, error);
}

/* Replaces the table's rows by the next ones of the open file or of the first one after it that has any. */
static int read_batch(struct reader *reader, struct table *table, struct error *error)
{
    table_clear(table);
    while (reader->file < reader->n_paths) {
        int code = OK;
        if (!reader->source)
            code = open_file(reader, reader->file, &reader->source, error);
        if (code == OK)
            code = reader->source->next(reader->source, table, error);
        if (code != OK || table->length)
            return code;
        reader->source->close(reader->source);
        reader->source = NULL;
        reader->file++;
    }
    return OK;
}

/* Fills free slots until the end, an error or stop. A batch that is waited for is the last of its job: the
 * next one may be long in coming, from a pipe, say. */
static void read_ahead(struct parallel_job *job)
{
    struct reader *reader = (struct reader *)((char *)job - offsetof(struct reader, job));
    while (!reader->ended && !reader->stop &&
           reader->filled - reader->taken < (reader->awaited ? 1 : SLOTS)) {
        struct slot *slot = &reader->slots[reader->filled % SLOTS];
        slot->code = read_batch(reader, &slot->table, &slot->error);
        slot->file = reader->file;
        reader->ended = slot->code != OK || slot->table.length == 0;
        reader->unknown_enums = reader->shared.unknown_enums;
        reader->filled++;
    }
    reader->reading = false;
}

/* Has the free slots filled, but for the moment in which a job ends that saw none: then the next call does.
 */
static void go_on(struct reader *reader)
{
    if (reader->reading)
        return;
    parallel_wait(reader->pool, &reader->job);
    if (reader->ended || reader->filled - reader->taken == SLOTS)
        return;
    reader->reading = true;
    parallel_post(reader->pool, &reader->job);
}

static int start_ahead(struct reader *reader, const struct reader_options *options, struct error *error)
{
    int code = options->pool ? OK : parallel_new(2, &reader->own, error);
    for (int i = 0; code == OK && i < SLOTS; i++)
        code = table_init(&reader->slots[i].table, reader->shared.schema, error);
    if (code != OK)
        return code;
    reader->pool = options->pool ? options->pool : reader->own;
    reader->job.run = read_ahead;
    reader->awaited = true;
    go_on(reader);
    return OK;
}

int reader_open(const struct reader_options *options, struct reader **ret, struct error *error)
{
    struct reader *reader = memory_new(1, sizeof *reader);
    if (!reader)
        return error_set(error, CODE_MEMORY, "no memory for reading");
    reader->shared.batch_rows = options->batch_rows > 0 ? options->batch_rows : LIMIT_BATCH_ROWS;
    reader->shared.time_unit = options->time_unit;
    reader->shared.lacks = options->lacks;
    int code = prepare(reader, options, error);
    int threads = options->pool ? parallel_threads(options->pool) : options->threads;
    /* Events that arrive one by one are handed on at once, by the thread that waits for them. */
    if (code == OK && threads > 1 && strcmp(reader->paths[0], "-") != 0)
        code = start_ahead(reader, options, error);
    if (code == OK)
        *ret = reader;
    else
        reader_close(reader);
    return code;
}

struct schema *reader_schema(const struct reader *reader)
{
    return reader->shared.schema;
}

int64_t reader_rows(const struct reader *reader)
{
    return reader->rows;
}

const char *reader_path(const struct reader *reader)
{
    int i = reader->given < reader->n_paths ? reader->given : reader->n_paths - 1;
    return reader->paths[i];
}

int64_t reader_unknown_enums(struct reader *reader)
{
    return reader->pool ? reader->unknown_enums : reader->shared.unknown_enums;
}

/* Gives the batch of a slot away and lets it be filled again. */
static void take_slot(struct reader *reader, struct slot *slot, struct table *table)
{
    struct column *columns = table->columns;
    int64_t reserved = table->reserved; /* by the columns, and goes with them */
    table->columns = slot->table.columns;
    table->reserved = slot->table.reserved;
    slot->table.columns = columns;
    slot->table.reserved = reserved;
    table->length = slot->table.length;
    table->first_row = slot->table.first_row;
    reader->taken++;
}

int reader_next(struct reader *reader, struct table *table, struct error *error)
{
    if (!reader->pool) {
        int code = read_batch(reader, table, error);
        reader->given = reader->file;
        if (code != OK)
            table_clear(table);
        return code;
    }
    go_on(reader);
    while (reader->filled == reader->taken) {
        reader->awaited = true;
        parallel_wait(reader->pool, &reader->job);
        go_on(reader);
    }
    reader->awaited = false;
    struct slot *slot = &reader->slots[reader->taken % SLOTS];
    reader->given = slot->file;
    if (slot->code != OK || slot->table.length == 0) {
        /* The end and an error are not taken, so that they are there when asked again. */
        table_clear(table);
        if (slot->code != OK && error)
            *error = slot->error;
        return slot->code;
    }
    take_slot(reader, slot, table);
    go_on(reader);
    return OK;
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    reader->stop = true;
    if (reader->pool)
        parallel_wait(reader->pool, &reader->job);
    parallel_free(reader->own);
    for (int i = 0; i < SLOTS; i++) {
        if (reader->slots[i].table.schema)
            table_done(&reader->slots[i].table);
    }
    if (reader->source)
        reader->source->close(reader->source);
    for (int i = 0; reader->shared.coders && i < reader->shared.schema->n; i++)
        dictionary_unref(reader->shared.coders[i].dictionary);
    free(reader->shared.coders);
    schema_unref(reader->shared.schema);
    duck_close(&reader->duck);
    for (int i = 0; i < reader->n_paths; i++)
        free(reader->paths[i]);
    free(reader->paths);
    free(reader->formats);
    free(reader);
}
