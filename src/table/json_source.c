/* JSON lines from a file or standard input, which gives its rows as they arrive. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/json_rows.h"
#include "table/source.h"

/* Bytes asked for at once; the buffer holds one more of the longest lines, so that a line never wraps. */
enum { READ_SIZE = 256 << 10, BUFFER_SIZE = LIMIT_JSON_LINE + READ_SIZE };

/* Rows after which it is said which columns none of them had: fewer may all lack what is rare. */
enum { LOOK_AT = 1000 };

struct json_source {
    struct source base;
    struct source_options *options;
    struct json_rows *rows;
    char *path;
    int fd;
    bool standard, ended;
    bool looked; /* which columns the first rows have */
    int64_t rows_read;
    bool skipping; /* within a line that was too long and is refused already */
    char *buffer;
    size_t start, end; /* bytes [start, end) of the buffer are read but not parsed */
    size_t scanned;    /* no newline before this one */
    int64_t line;      /* lines taken so far */
    int failed;        /* what the next call answers: rows before a broken line are given first */
    struct error error;
};

/* One more read; at the end of the input `ended` is set. */
static int fill(struct json_source *source, struct error *error)
{
    if (source->start > 0) {
        memmove(source->buffer, source->buffer + source->start, source->end - source->start);
        source->scanned -= source->start;
        source->end -= source->start;
        source->start = 0;
    }
    ssize_t n = read(source->fd, source->buffer + source->end, BUFFER_SIZE - source->end);
    if (n < 0) {
        int code = error_set_errno(error, errno, "cannot read the events");
        error_at(error, source->path, 0, 0);
        return code;
    }
    source->ended = n == 0;
    source->end += (size_t)n;
    return OK;
}

/* Drops what is left of a line that was too long; false where more must be read. */
static bool skip_rest(struct json_source *source)
{
    char *line = source->buffer + source->start, *newline = memchr(line, '\n', source->end - source->start);
    source->start = newline ? source->start + (size_t)(newline - line) + 1 : source->end;
    source->scanned = source->start;
    source->skipping = !newline;
    return newline;
}

/* The next whole line without its newline, or false where more must be read. */
static bool take_line(struct json_source *source, const char **ret, size_t *ret_size)
{
    if (source->start == source->end || (source->skipping && !skip_rest(source)))
        return false;
    char *from = source->buffer + source->scanned, *line = source->buffer + source->start;
    char *newline = source->scanned < source->end ? memchr(from, '\n', source->end - source->scanned) : NULL;
    if (!newline && !source->ended && source->end - source->start <= LIMIT_JSON_LINE) {
        source->scanned = source->end;
        return false;
    }
    /* A line that is too long is given in part, which json_rows_parse refuses. */
    source->skipping = !newline && !source->ended;
    size_t size = newline ? (size_t)(newline - line) : source->end - source->start;
    source->start += size + (newline != NULL);
    source->scanned = source->start;
    source->line++;
    *ret = line;
    *ret_size = size && line[size - 1] == '\r' ? size - 1 : size;
    return true;
}

static bool is_blank(const char *line, size_t size)
{
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    return size == 0;
}

/* Parses what lies in the buffer, until the batch is full, a line breaks or no whole line is left. */
static void parse_lines(struct json_source *source, struct table *table)
{
    const char *line;
    size_t size;
    while (table->length < source->options->batch_rows && take_line(source, &line, &size)) {
        if (is_blank(line, size))
            continue;
        source->failed = json_rows_parse(source->rows, line, size, table, &source->error);
        if (source->failed) {
            error_at(&source->error, source->path, source->line, source->error.column);
            return;
        }
        if (table->length == 1)
            table->first_row = source->line;
    }
}

/* The columns that the first rows lack. */
static void say_lacks(const struct json_source *source, int64_t rows)
{
    const struct schema *schema = source->options->schema;
    bool any = false;
    for (int c = 0; c < schema->n; c++)
        any |= json_rows_seen(source->rows, c);
    if (!any)
        source->options->lacks(source->path, NULL, rows);
    for (int c = 0; any && c < schema->n; c++)
        if (!schema->fields[c].optional && !json_rows_seen(source->rows, c))
            source->options->lacks(source->path, schema->fields[c].name, rows);
}

static int json_source_next(struct source *base, struct table *table, struct error *error)
{
    struct json_source *source = (struct json_source *)base;
    int64_t unknown = json_rows_unknown_enums(source->rows);
    int code = OK;
    while (code == OK && !source->failed) {
        parse_lines(source, table);
        bool enough = table->length == source->options->batch_rows || (source->standard && table->length);
        if (source->failed || enough || (source->ended && source->start == source->end))
            break;
        code = fill(source, error);
    }
    source->rows_read += table->length;
    if (!source->looked && source->rows_read && (source->rows_read >= LOOK_AT || source->ended)) {
        source->looked = true;
        if (source->options->lacks)
            say_lacks(source, source->rows_read);
    }
    source->options->unknown_enums += json_rows_unknown_enums(source->rows) - unknown;
    if (code == OK && source->failed && table->length == 0) {
        code = source->failed;
        source->failed = OK;
        if (error)
            *error = source->error;
    }
    return code;
}

static void json_source_close(struct source *base)
{
    struct json_source *source = (struct json_source *)base;
    json_rows_free(source->rows);
    if (source->fd >= 0 && !source->standard)
        close(source->fd);
    free(source->buffer);
    free(source->path);
    free(source);
}

int json_source_open(struct source_options *options, const char *path, struct source **ret,
                     struct error *error)
{
    struct json_source *source = memory_new(1, sizeof *source);
    if (!source)
        return error_set(error, CODE_MEMORY, "no memory for reading");
    source->base = (struct source){json_source_next, json_source_close};
    source->options = options;
    source->standard = strcmp(path, "-") == 0;
    source->path = source->standard ? memory_text("standard input", 14) : memory_text(path, strlen(path));
    source->buffer = malloc(BUFFER_SIZE);
    source->fd = source->standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int code = json_rows_new(options->schema, options->time_unit, &source->rows, error);
    if (code == OK && (!source->path || !source->buffer))
        code = error_set(error, CODE_MEMORY, "no memory for reading");
    if (code == OK && source->fd < 0) {
        code = error_set_errno(error, errno, "cannot read the file");
        error_at(error, path, 0, 0);
    }
    if (code == OK)
        *ret = &source->base;
    else
        json_source_close(&source->base);
    return code;
}
