/*
 * The outside of CSV files. DuckDB's guessing of dialects is not used, because it skips rows that do not fit
 * its guess: the header line is read as it stands, gives the delimiter and the names, and every row must then
 * have that shape.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/source.h"

static char delimiter_of(const char *line)
{
    static const char candidates[] = ",;\t|";
    char best = ',';
    int most = 0;
    for (const char *c = candidates; *c; c++) {
        int count = 0;
        bool quoted = false;
        for (const char *p = line; *p; p++) {
            quoted ^= *p == '"';
            count += !quoted && *p == *c;
        }
        if (count > most) {
            most = count;
            best = *c;
        }
    }
    return best;
}

/* Takes one field of the header off *line into text (of at least as many bytes); false at a quote that never
 * ends. */
static bool take_field(const char **line, char delimiter, char *text)
{
    const char *p = *line;
    bool quoted = *p == '"';
    if (quoted)
        p++;
    while (*p && (quoted || *p != delimiter)) {
        if (quoted && *p == '"') {
            if (p[1] != '"') {
                quoted = false;
                p++;
                continue;
            }
            p++;
        }
        *text++ = *p++;
    }
    *text = 0;
    *line = p;
    return !quoted;
}

static int parse_header(const char *path, const char *line, struct csv *csv, struct error *error)
{
    char *text = malloc(strlen(line) + 1);
    csv->names = memory_new(LIMIT_COLUMNS, sizeof *csv->names);
    int code = text && csv->names ? OK : error_set(error, CODE_MEMORY, "no memory for a header");
    for (bool more = true; code == OK && more;) {
        if (csv->n == LIMIT_COLUMNS)
            code = error_set(error, CODE_LIMIT, "the header has more than %d columns", LIMIT_COLUMNS);
        else if (!take_field(&line, csv->delimiter, text))
            code = error_set(error, CODE_INVALID, "the header has a quote that does not end");
        else if (!(csv->names[csv->n] = memory_text(text, strlen(text))))
            code = error_set(error, CODE_MEMORY, "no memory for a header");
        else
            csv->n++;
        more = *line != 0;
        line += more;
    }
    free(text);
    if (code != OK)
        error_at(error, path, 1, 0);
    return code;
}

int csv_open(struct duck *duck, const char *path, enum format format, struct csv *ret, struct error *error)
{
    /* One column per line, by way of characters that text does not have. */
    static const char sql[] = "SELECT line FROM read_csv($1, auto_detect = false, header = false, "
                              "columns = {'line': 'VARCHAR'}, delim = chr(31), quote = '', escape = '', "
                              "nullstr = chr(30), hive_partitioning = false) LIMIT 1";
    char *line = NULL;
    int code = duck_value(duck, sql, &path, 1, &line, error);
    if (code != OK)
        return csv_error(path, error ? error->message : "", error);
    if (!line || !*line) {
        free(line);
        error_set(error, CODE_INVALID, "the file has no header line");
        error_at(error, path, 1, 0);
        return CODE_INVALID;
    }
    struct csv csv = {.delimiter = format == FORMAT_TSV ? '\t' : delimiter_of(line)};
    code = parse_header(path, line, &csv, error);
    free(line);
    if (code == OK)
        *ret = csv;
    else
        csv_done(&csv);
    return code;
}

void csv_done(struct csv *csv)
{
    for (int i = 0; i < csv->n; i++)
        free(csv->names[i]);
    free(csv->names);
    *csv = (struct csv){0};
}

int csv_find(const struct csv *csv, const char *name)
{
    for (int i = 0; i < csv->n; i++) {
        if (strcasecmp(csv->names[i], name) == 0)
            return i;
    }
    return -1;
}

void csv_sql(const struct csv *csv, const char *path, struct buffer *sql)
{
    buffer_text(sql, "read_csv(");
    duck_literal(sql, path);
    buffer_text(sql, ", columns = {");
    for (int i = 0; i < csv->n; i++)
        buffer_format(sql, "%s'c%d': 'VARCHAR'", i ? ", " : "", i);
    buffer_format(sql, "}, delim = chr(%d)", csv->delimiter);
    /* A quoted nothing is an empty text, an unquoted one is NULL. */
    buffer_text(sql, ", auto_detect = false, header = true, quote = '\"', escape = '\"', nullstr = '', "
                     "allow_quoted_nulls = false, null_padding = false, strict_mode = true, "
                     "hive_partitioning = false)");
}

int csv_error(const char *path, const char *message, struct error *error)
{
    static const char start[] = "CSV Error on Line: ", fields[] = "Expected Number of Columns: ";
    static const char *const reasons[][2] = {
        {"unterminated quote", "a quote does not end, or is followed by something else than a delimiter"},
        {"Invalid unicode", "the row is not UTF-8"},
        {"", "the row is broken, or longer than 2 MB"},
    };
    const char *found = strstr(message, start), *counts = strstr(message, fields);
    long long expected, seen;
    if (!found) {
        int code = duck_error(error, CODE_INVALID, message);
        error_at(error, path, 0, 0);
        return code;
    }
    long long line = strtoll(found + sizeof start - 1, NULL, 10);
    /* DuckDB's text repeats the row, which may hold what is secret: only its kind is passed on. */
    if (counts && sscanf(counts + sizeof fields - 1, "%lld Found: %lld", &expected, &seen) == 2) {
        error_set(error, CODE_INVALID, "the row has %lld fields, where the header has %lld", seen, expected);
    } else {
        size_t i = 0;
        while (!strstr(message, reasons[i][0]))
            i++;
        error_set(error, CODE_INVALID, "%s", reasons[i][1]);
    }
    error_at(error, path, line, 0);
    return CODE_INVALID;
}
