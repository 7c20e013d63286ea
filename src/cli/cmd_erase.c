/* shrike erase: events of a state directory are forgotten, and their bytes go. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/pipe.h"
#include "score/current.h"
#include "score/erasing.h"
#include "table/json_rows.h"

/* Values of a column, as texts, ascending. */
struct job {
    const struct arguments *arguments;
    struct current current;
    struct plan *plan;
    struct durable *durable;
    int column;
    const char *name; /* of the column, in the plan */
    char **texts;
    size_t n_texts, texts_capacity;
    bool *met; /* per text */
    struct buffer text;
    uint64_t *seqs; /* found */
    size_t n_seqs, seqs_capacity;
    struct progress progress;
    bool *traces;
};

/* ---- what is asked for ---- */

static int add_text(struct job *job, const char *text, size_t size, struct error *error)
{
    char *copy = memory_text(text, size);
    if (!copy || !memory_grow(&job->texts, &job->texts_capacity, job->n_texts + 1, sizeof *job->texts)) {
        free(copy);
        return error_set(error, CODE_MEMORY, "no memory for the ids");
    }
    job->texts[job->n_texts++] = copy;
    return OK;
}

/* A file of ids, one a line. */
static int read_ids(struct job *job, const char *path, struct error *error)
{
    char *text;
    size_t size;
    int rc = file_read(path, INT32_MAX, &text, &size, error);
    if (rc != OK)
        return rc;
    for (size_t at = 0; rc == OK && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - text) - at : size - at,
               bare = n && text[at + n - 1] == '\r' ? n - 1 : n;
        if (bare)
            rc = add_text(job, text + at, bare, error);
        at += n + 1;
    }
    free(text);
    return rc;
}

static int read_where(struct job *job, const char *where, struct error *error)
{
    const char *equals = strchr(where, '=');
    char name[LIMIT_NAME + 1];
    if (!equals || (size_t)(equals - where) >= sizeof name)
        return error_set(error, CODE_USAGE, "--where %s: expected COLUMN=VALUE, as in customer_id=17", where);
    snprintf(name, sizeof name, "%.*s", (int)(equals - where), where);
    job->column = schema_find(plan_events(job->plan), name);
    if (job->column < 0)
        return error_set(error, CODE_USAGE, "--where: the events have no column %s", name);
    return add_text(job, equals + 1, strlen(equals + 1), error);
}

/* As it is written on the command line: texts without quotes. */
static const char *text_of(struct job *job, const struct column *column, const struct type *type, int64_t i)
{
    buffer_clear(&job->text);
    json_write_value(column, type, i, &job->text);
    if (job->text.size >= 2 && job->text.data[0] == '"') {
        bool plain = type->id != TYPE_VARCHAR && type->id != TYPE_ENUM;
        size_t size = job->text.size - 2;
        const char *text = plain ? job->text.data + 1 : column_text(column, i, &size);
        char *copy = memory_text(text, size);
        buffer_clear(&job->text);
        buffer_text(&job->text, copy ? copy : "");
        free(copy);
    }
    return job->text.data ? job->text.data : "";
}

/* {"column": value} of a text of the command line. */
static void put_object(const struct field *field, const char *text, struct buffer *out)
{
    enum type_id id = field->type.id;
    bool number = (id == TYPE_DOUBLE || id == TYPE_FLOAT) && text[strspn(text, "0123456789+-.eE")] == 0;
    bool truth = id == TYPE_BOOLEAN && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
    buffer_clear(out);
    buffer_text(out, "{");
    json_write_string(out, field->name, strlen(field->name));
    buffer_text(out, ":");
    if (number || truth)
        buffer_text(out, text);
    else
        json_write_string(out, text, strlen(text));
    buffer_text(out, "}");
}

/* Texts as values of the column are written. What no value can be is a mistake, and not nobody's. */
static int read_values(struct job *job, struct error *error)
{
    const struct field *field = &plan_events(job->plan)->fields[job->column];
    struct schema *schema = schema_new(0);
    struct json_rows *rows = NULL;
    struct table value = {0};
    struct buffer object;
    char type[LIMIT_NAME];
    int rc = schema ? schema_add(schema, field->name, field->type, error)
                    : error_set(error, CODE_MEMORY, "no memory for the ids");
    if (rc == OK)
        rc = json_rows_new(schema, TIME_UNIT_NONE, &rows, error);
    if (rc == OK)
        rc = table_init(&value, schema, error);
    buffer_init(&object, LIMIT_JSON_LINE);
    for (size_t i = 0; rc == OK && i < job->n_texts; i++) {
        table_clear(&value);
        put_object(field, job->texts[i], &object);
        if (object.failed || json_rows_parse(rows, object.data, object.size, &value, NULL) != OK ||
            column_is_null(&value.columns[0], 0)) {
            bool secret = field->roles & ROLE_SECRET;
            rc = error_set(error, CODE_USAGE, "%s is %s, and %s%.64s%s is no value of that", field->name,
                           type_text(&field->type, type, sizeof type), secret ? "what is given" : "'",
                           secret ? "" : job->texts[i], secret ? "" : "'");
            break;
        }
        const char *text = text_of(job, &value.columns[0], &field->type, 0);
        char *copy = memory_text(text, strlen(text));
        free(job->texts[i]);
        job->texts[i] = copy;
        rc = copy ? OK : error_set(error, CODE_MEMORY, "no memory for the ids");
    }
    buffer_done(&object);
    table_done(&value);
    json_rows_free(rows);
    schema_unref(schema);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_repeated(struct job *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->n_texts; i++)
        if (n && strcmp(job->texts[n - 1], job->texts[i]) == 0)
            free(job->texts[i]);
        else
            job->texts[n++] = job->texts[i];
    job->n_texts = n;
}

static int read_asked(struct job *job, struct error *error)
{
    const char *where = argument_text(job->arguments, "where"), *file = argument_text(job->arguments, "ids");
    int n = 0, rc = OK;
    const char *const *ids = argument_list(job->arguments, "id", &n);
    if ((where != NULL) == (n > 0 || file != NULL))
        return error_set(error, CODE_USAGE, "which events? Give --id or --ids, or --where");
    job->column = plan_id_column(job->plan);
    if (!where && job->column < 0)
        return error_set(error, CODE_USAGE, "the events have no id (a PRIMARY KEY): name them by --where");
    for (int i = 0; rc == OK && i < n; i++)
        rc = add_text(job, ids[i], strlen(ids[i]), error);
    if (rc == OK && file)
        rc = read_ids(job, file, error);
    if (rc == OK && where)
        rc = read_where(job, where, error);
    if (rc == OK)
        rc = read_values(job, error);
    if (rc != OK)
        return rc;
    job->name = plan_events(job->plan)->fields[job->column].name;
    if (job->n_texts)
        qsort(job->texts, job->n_texts, sizeof *job->texts, by_text);
    drop_repeated(job);
    job->met = memory_new(job->n_texts + 1, sizeof *job->met);
    return job->met ? OK : error_set(error, CODE_MEMORY, "no memory for the ids");
}

/* ---- what there is ---- */

static int match(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                 const struct decisions *decisions, struct error *error)
{
    struct job *job = context;
    (void)then;
    (void)decisions;
    /* A former plan's events may have their columns elsewhere. */
    job->column = schema_find(events->schema, job->name);
    if (job->column < 0)
        return OK;
    for (int64_t i = 0; i < events->length; i++) {
        if (column_is_null(&events->columns[job->column], i))
            continue;
        const char *text =
            text_of(job, &events->columns[job->column], &events->schema->fields[job->column].type, i);
        char **found = bsearch(&text, job->texts, job->n_texts, sizeof *job->texts, by_text);
        if (!found)
            continue;
        job->met[found - job->texts] = true;
        if (!memory_grow(&job->seqs, &job->seqs_capacity, job->n_seqs + 1, sizeof *job->seqs))
            return error_set(error, CODE_MEMORY, "no memory for the events");
        job->seqs[job->n_seqs++] = seq + (uint64_t)i;
    }
    progress_add(&job->progress, events->length);
    return OK;
}

static int find_events(struct job *job, struct error *error)
{
    struct journal_state state;
    durable_journal_state(job->durable, &state);
    progress_start(&job->progress, "looking for them among", "events",
                   (int64_t)(state.next_seq - state.oldest_seq));
    int rc = durable_history(job->durable, state.oldest_seq, match, job, error);
    progress_stop(&job->progress);
    return rc;
}

/* ---- the state, as whoever had it left it ---- */

static int open_state(struct job *job, struct error *error)
{
    const char *directory = argument_text(job->arguments, "state");
    int rc = current_read(NULL, directory, &job->current, error);
    if (rc != OK)
        return rc;
    const struct switch_record *version = &job->current.version;
    rc = plan_compile(version->plan_sql.data, version->plan_sql.size, "the plan in the journal", &job->plan,
                      error);
    if (rc != OK)
        return rc;
    struct durable_version nobody = {.plan = job->plan};
    struct durable_options options = {.directory = directory,
                                      .engine = {.state = {.threads = 1,
                                                           .lateness_us = version->lateness_us,
                                                           .max_ahead_us = version->max_ahead_us,
                                                           .learns = version->learns}},
                                      .dedupe_us = -1,
                                      .retain_bytes = UINT64_MAX};
    return durable_open(&nobody, &options, &job->durable, NULL, error);
}

static size_t count_unknown(const struct job *job)
{
    size_t unknown = 0;
    for (size_t i = 0; i < job->n_texts; i++)
        unknown += !job->met[i];
    return unknown;
}

/* events: that there are. */
static void print_json(const struct job *job, uint64_t events, const struct durable_erased *erased,
                       uint64_t segments, bool waits)
{
    struct buffer line;
    const struct schema *features = plan_features(job->plan);
    bool first = true;
    buffer_init(&line, LIMIT_JSON_LINE);
    buffer_format(&line,
                  "{\"events\":%" PRIu64 ",\"unknown\":%zu,\"erased\":%" PRIu64 ",\"segments\":%" PRIu64
                  ",\"carried_out\":%s,\"traces\":[",
                  events, count_unknown(job), erased->events, segments, waits ? "false" : "true");
    for (int f = 0; f < features->n; f++)
        if (job->traces[f]) {
            buffer_text(&line, first ? "" : ",");
            json_write_string(&line, features->fields[f].name, strlen(features->fields[f].name));
            first = false;
        }
    buffer_text(&line, "]}");
    printf("%s\n", line.failed ? "{}" : line.data);
    buffer_done(&line);
}

static void print_text(const struct job *job, const struct durable_erased *erased, uint64_t segments,
                       bool waits)
{
    const struct schema *features = plan_features(job->plan);
    printf("%" PRIu64 " events erased%s\n", erased->events,
           waits ? "; their bytes stay until a run carries it out, or an erasure without --later" : "");
    if (!waits)
        printf("%" PRIu64 " segments of the journal rewritten, the windows saved without them\n", segments);
    for (int f = 0; f < features->n; f++)
        if (job->traces[f])
            log_line(
                LOG_WARNING,
                "%s may still say something of them: it looks at all of the past, of which single events "
                "cannot be taken back; only a new state is without them",
                features->fields[f].name);
}

static int erase(struct job *job, struct error *error)
{
    struct durable_erased erased = {.traces = job->traces};
    bool later = argument_flag(job->arguments, "later"), waits = false;
    uint64_t segments = 0;
    int64_t since;
    int rc = durable_erase(job->durable, job->seqs, job->n_seqs, &erased, error);
    if (rc == OK && !later)
        rc = durable_carry_out(job->durable, &segments, error);
    if (rc == OK)
        rc = durable_erasures_wait(job->durable, &waits, &since, error);
    if (rc == OK)
        rc = durable_close(job->durable, error);
    else
        durable_abandon(job->durable);
    job->durable = NULL;
    if (rc != OK)
        return rc;
    if (argument_flag(job->arguments, "json"))
        print_json(job, job->n_seqs, &erased, segments, waits);
    else
        print_text(job, &erased, segments, waits);
    return OK;
}

static int find_and_erase(struct job *job, struct error *error)
{
    struct durable_erased none = {.events = 0};
    uint64_t erasable;
    int rc = open_state(job, error);
    if (rc == OK)
        rc = read_asked(job, error);
    if (rc == OK) {
        job->traces = memory_new((size_t)plan_features(job->plan)->n + 1, sizeof *job->traces);
        rc = job->traces ? find_events(job, error) : error_set(error, CODE_MEMORY, "no memory for features");
    }
    if (rc != OK)
        return rc;
    if (count_unknown(job))
        log_line(LOG_WARNING, "%zu of %zu are nobody's in this journal", count_unknown(job), job->n_texts);
    if (!argument_flag(job->arguments, "dry-run"))
        return erase(job, error);
    rc = durable_erasable(job->durable, job->seqs, job->n_seqs, &erasable, error);
    if (rc != OK)
        return rc;
    if (argument_flag(job->arguments, "json"))
        print_json(job, erasable, &none, 0, true);
    else
        printf("%" PRIu64 " events would be erased\n", erasable);
    return OK;
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct job job = {.arguments = arguments};
    buffer_init(&job.text, 2 * LIMIT_STRING);
    int rc = find_and_erase(&job, error);
    durable_abandon(job.durable);
    for (size_t i = 0; i < job.n_texts; i++)
        free(job.texts[i]);
    free(job.texts);
    free(job.met);
    free(job.seqs);
    free(job.traces);
    buffer_done(&job.text);
    plan_unref(job.plan);
    current_done(&job.current);
    return rc;
}

static const struct option options[] = {
    {.name = "state",
     .kind = OPTION_TEXT,
     .argument = "DIR",
     .required = true,
     .text = "The directory of `run --state`. No run may have it at the same time."},
    {.name = "id", .kind = OPTION_LIST, .argument = "ID", .text = "Ids (PRIMARY KEY) of the events."},
    {.name = "ids", .kind = OPTION_TEXT, .argument = "FILE", .text = "A file of ids, one a line."},
    {.name = "where",
     .kind = OPTION_TEXT,
     .argument = "COLUMN=VALUE",
     .text = "All events that have this value in this column: those of one customer, say."},
    {.name = "later",
     .kind = OPTION_FLAG,
     .text = "Windows forget at once; journal and snapshots are rewritten by the next erasure, or by the run "
             "when "
             "its --erase-within is over."},
    {.name = "dry-run", .kind = OPTION_FLAG, .text = "Say how many events there are, and erase nothing."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print what was done as JSON."},
    {0},
};

const struct command command_erase = {
    .name = "erase",
    .summary = "Erase events from a state: from windows, journal, decisions and snapshots.",
    .positionals = "",
    .example = "shrike erase --state state --where customer_id=17",
    .options = options,
    .run = run,
};
