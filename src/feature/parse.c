#include "feature/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/units.h"

/* How many statements DuckDB sees in a piece of text; -1 where it does not parse. */
static int64_t count_statements(struct duck *duck, const char *sql, size_t size)
{
    char *copy = memory_text(sql, size);
    if (!copy)
        return -1;
    duckdb_extracted_statements statements = NULL;
    int64_t n = (int64_t)duckdb_extract_statements(duck->connection, copy, &statements);
    if (n == 0 && statements && duckdb_extract_statements_error(statements))
        n = -1;
    if (statements)
        duckdb_destroy_extracted(&statements);
    free(copy);
    return n;
}

/* Finds where the last statement begins: the first semicolon that leaves n - 1 statements before it and one
 * after. */
static int find_last(struct duck *duck, const char *sql, size_t size, int64_t n, size_t *ret)
{
    if (n == 1) {
        *ret = 0;
        return OK;
    }
    for (size_t i = 0; i < size; i++)
        if (sql[i] == ';' && count_statements(duck, sql, i + 1) == n - 1 &&
            count_statements(duck, sql + i + 1, size - i - 1) == 1) {
            *ret = i + 1;
            return OK;
        }
    return CODE_INVALID;
}

/* Runs one statement of the preamble after a look at its kind: a plan may create its table and types, nothing
 * else. */
static int run_preamble(struct parsed *parsed, duckdb_extracted_statements statements, idx_t i,
                        struct error *error)
{
    duckdb_prepared_statement prepared = NULL;
    int rc = OK;
    if (duckdb_prepare_extracted_statement(parsed->duck.connection, statements, i, &prepared) !=
        DuckDBSuccess) {
        rc = duck_error(error, CODE_INVALID, duckdb_prepare_error(prepared));
    } else {
        duckdb_statement_type type = duckdb_prepared_statement_type(prepared);
        duckdb_result result;
        if (type != DUCKDB_STATEMENT_TYPE_CREATE && type != DUCKDB_STATEMENT_TYPE_ALTER)
            rc = error_set(
                error, CODE_UNSUPPORTED,
                "statement %llu: a plan has CREATE TABLE, CREATE TYPE and COMMENT ON statements and ends "
                "with one SELECT",
                (unsigned long long)i + 1);
        else {
            if (duckdb_execute_prepared(prepared, &result) != DuckDBSuccess)
                rc = duck_error(error, CODE_INVALID, duckdb_result_error(&result));
            duckdb_destroy_result(&result);
        }
    }
    duckdb_destroy_prepare(&prepared);
    if (rc != OK)
        error_at(error, parsed->name, 0, 0);
    return rc;
}

/* Where DuckDB's parser stopped: its message ends with "LINE 3: the line" and a caret under the place. A long
 * line is cut there ("..."), and then the column is not known. */
static void place_syntax_error(const struct parsed *parsed, const char *message, const char *sql,
                               struct error *error)
{
    const char *shown = message ? strstr(message, "\nLINE ") : NULL;
    char *text;
    int64_t line = shown ? strtoll(shown + strlen("\nLINE "), &text, 10) : 0;
    if (line <= 0 || strncmp(text, ": ", 2) != 0) {
        /* "at end of input" is the last line that holds anything; what DuckDB finds later has no place. */
        int64_t last = 1;
        for (const char *p = sql; *p; p++)
            last += *p == '\n' && p[1 + strspn(p + 1, " \t\r\n")];
        error_at(error, parsed->name, message && strstr(message, "end of input") ? last : 0, 0);
        return;
    }
    text += 2;
    const char *below = strchr(text, '\n'), *caret = below ? strchr(below, '^') : NULL;
    bool cut = strncmp(text, "...", 3) == 0;
    error_at(error, parsed->name, line, caret && !cut ? caret - below - (text - (shown + 1)) : 0);
}

static int split(struct parsed *parsed, const char *sql, size_t size, struct error *error)
{
    char *copy = memory_text(sql, size);
    if (!copy)
        return error_set(error, CODE_MEMORY, "no memory for %s", parsed->name);
    duckdb_extracted_statements statements = NULL;
    idx_t n = duckdb_extract_statements(parsed->duck.connection, copy, &statements);
    int rc = OK;
    const char *message = statements ? duckdb_extract_statements_error(statements) : NULL;
    if (n == 0 && message && message[0]) {
        rc = strstr(message, "FILTER is not implemented for non-aggregate")
                 ? error_set(
                       error, CODE_UNSUPPORTED,
                       "SQL has no FILTER for first_value, last_value and lag; write any_value(x) FILTER "
                       "(WHERE ...), or last_value(CASE WHEN ... THEN x END IGNORE NULLS)")
                 : duck_error(error, CODE_INVALID, message);
        place_syntax_error(parsed, message, copy, error);
    } else if (n == 0) {
        rc = error_set(
            error, CODE_INVALID,
            "the plan is empty: it needs a CREATE TABLE for the events and a SELECT for the features");
        error_at(error, parsed->name, 0, 0);
    }
    free(copy);
    for (idx_t i = 0; rc == OK && i + 1 < n; i++)
        rc = run_preamble(parsed, statements, i, error);
    if (rc == OK && find_last(&parsed->duck, sql, size, (int64_t)n, &parsed->select_offset) != OK) {
        rc = error_set(error, CODE_INVALID, "the SELECT at the end cannot be told from what precedes it");
        error_at(error, parsed->name, 0, 0);
    }
    if (statements)
        duckdb_destroy_extracted(&statements);
    if (rc != OK)
        return rc;
    parsed->select_sql = memory_text(sql + parsed->select_offset, size - parsed->select_offset);
    return parsed->select_sql ? OK : error_set(error, CODE_MEMORY, "no memory for %s", parsed->name);
}

/* "7 days" or, where the event time is an integer, "24 steps". */
static bool read_after(const char *text, struct late *late)
{
    char *unit;
    errno = 0;
    long long steps = strtoll(text, &unit, 10);
    unit += strspn(unit, " \t");
    if (strcasecmp(unit, "steps") != 0 && strcasecmp(unit, "step") != 0)
        return units_duration(text, &late->after_us, NULL) == OK;
    late->after_steps = steps;
    return !errno && steps >= 1 && steps <= LIMIT_EVENT_TIME;
}

/* "shrike: label, late after=7 days": words separated by commas. */
static int read_role(const char *comment, const char *column, struct field *field, struct late *late,
                     struct error *error)
{
    const char *prefix = "shrike:";
    while (isspace((unsigned char)*comment))
        comment++;
    if (strncasecmp(comment, prefix, strlen(prefix)) != 0)
        return OK;
    comment += strlen(prefix);
    char words[256];
    snprintf(words, sizeof words, "%s", comment);
    char *rest = words;
    for (char *word; (word = strsep(&rest, ","));) {
        while (isspace((unsigned char)*word))
            word++;
        char *end = word + strlen(word);
        while (end > word && isspace((unsigned char)end[-1]))
            *--end = 0;
        if (strcasecmp(word, "label") == 0) {
            field->roles |= ROLE_LABEL;
        } else if (strcasecmp(word, "secret") == 0) {
            field->roles |= ROLE_SECRET;
        } else if (strncasecmp(word, "late", 4) == 0) {
            char *equals = strchr(word, '=');
            if (!equals || strncasecmp(word, "late after", 10) != 0 || !read_after(equals + 1, late))
                return error_set(
                    error, CODE_INVALID,
                    "column %s: expected \"late after=DURATION\" (late after=7 days) or, where the "
                    "event time is an integer, \"late after=24 steps\", found \"%s\"",
                    column, word);
            field->roles |= ROLE_LATE;
            late->is_late = true;
        } else {
            return error_set(
                error, CODE_INVALID,
                "column %s: unknown role \"%s\"; the roles are label, late after=DURATION and secret", column,
                word);
        }
    }
    if ((field->roles & ROLE_LABEL) && !late->is_late)
        return error_set(error, CODE_INVALID,
                         "column %s: a label needs its delay: 'shrike: label, late after=7 days'", column);
    return OK;
}

static char *result_text(duckdb_result *result, idx_t column, idx_t row)
{
    return duckdb_value_is_null(result, column, row) ? NULL : duckdb_value_varchar(result, column, row);
}

static int read_default(struct parsed *parsed, struct late *late, struct error *error)
{
    struct buffer sql;
    char *number = NULL;
    buffer_init(&sql, LIMIT_SQL);
    buffer_format(&sql, "SELECT CAST(TRY_CAST(%s AS DOUBLE) AS VARCHAR)", late->default_sql);
    int rc = duck_value(&parsed->duck, sql.data, NULL, 0, &number, error);
    late->has_number = rc == OK && number;
    late->number = late->has_number ? strtod(number, NULL) : 0;
    free(number);
    buffer_done(&sql);
    return rc;
}

/* Which column of the events the catalog speaks of there. */
static int read_name(const struct parsed *parsed, duckdb_result *result, idx_t row, int *ret,
                     struct error *error)
{
    char *name = result_text(result, 0, row);
    int rc = OK;
    *ret = name ? schema_find(parsed->events, name) : -1;
    if (*ret < 0)
        rc = error_set(error, CODE_INTERNAL, "DuckDB names column %s, which the table has not",
                       name ? name : "NULL");
    duckdb_free(name);
    return rc;
}

static int read_column(struct parsed *parsed, duckdb_result *columns, idx_t row, struct error *error)
{
    int i, rc = read_name(parsed, columns, row, &i, error);
    if (rc != OK)
        return rc;
    char *comment = result_text(columns, 1, row), *fallback = result_text(columns, 2, row);
    struct field *field = &parsed->events->fields[i];
    if (comment)
        rc = read_role(comment, field->name, field, &parsed->late[i], error);
    if (fallback) {
        struct buffer sql;
        buffer_init(&sql, LIMIT_SQL);
        buffer_format(&sql, "CAST((%s) AS ", fallback);
        parse_print_column_type(&field->type, &sql);
        buffer_text(&sql, ")");
        parsed->late[i].default_sql = sql.data;
        if (rc == OK)
            rc = buffer_check(&sql, "a column's DEFAULT", error);
        if (rc == OK)
            rc = read_default(parsed, &parsed->late[i], error);
    }
    field->optional = parsed->late[i].is_late;
    duckdb_free(comment);
    duckdb_free(fallback);
    return rc;
}

/* Two simple queries: one that joins them takes DuckDB longer than both. */
static int read_columns(struct parsed *parsed, struct error *error)
{
    duckdb_result columns, keys;
    int rc = duck_query(
        &parsed->duck, "SELECT column_name, comment, column_default FROM duckdb_columns() WHERE NOT internal",
        NULL, 0, &columns, error);
    if (rc != OK)
        return rc;
    for (idx_t i = 0; rc == OK && i < duckdb_row_count(&columns); i++)
        rc = read_column(parsed, &columns, i, error);
    duckdb_destroy_result(&columns);
    if (rc == OK)
        rc = duck_query(&parsed->duck,
                        "SELECT unnest(constraint_column_names) FROM duckdb_constraints() "
                        "WHERE constraint_type = 'PRIMARY KEY'",
                        NULL, 0, &keys, error);
    if (rc != OK)
        return rc;
    for (idx_t row = 0; rc == OK && row < duckdb_row_count(&keys); row++) {
        int i;
        rc = read_name(parsed, &keys, row, &i, error);
        if (rc == OK)
            parsed->events->fields[i].roles |= ROLE_ID;
    }
    duckdb_destroy_result(&keys);
    return rc;
}

/* The one table that the preamble created: names, types, primary key, comments, defaults. */
static int read_events(struct parsed *parsed, struct error *error)
{
    parsed->table_name = NULL;
    char *count = NULL;
    int rc = duck_value(&parsed->duck, "SELECT CAST(count(*) AS VARCHAR) FROM duckdb_tables()", NULL, 0,
                        &count, error);
    if (rc == OK && strcmp(count, "1") != 0)
        rc = error_set(error, CODE_INVALID, "a plan has exactly one CREATE TABLE, for the events; found %s",
                       count);
    free(count);
    count = NULL;
    if (rc == OK)
        rc = duck_value(&parsed->duck, "SELECT any_value(view_name) FROM duckdb_views() WHERE NOT internal",
                        NULL, 0, &count, error);
    if (rc == OK && count)
        rc = error_set(error, CODE_UNSUPPORTED,
                       "a plan has no views: write WITH %s AS (...) in front of the SELECT", count);
    free(count);
    if (rc == OK)
        rc = duck_value(&parsed->duck, "SELECT table_name FROM duckdb_tables()", NULL, 0, &parsed->table_name,
                        error);
    if (rc != OK)
        return rc;

    struct buffer sql;
    buffer_init(&sql, LIMIT_SQL);
    buffer_text(&sql, "SELECT * FROM ");
    duck_identifier(&sql, parsed->table_name);
    buffer_text(&sql, " LIMIT 0");
    duckdb_result rows;
    rc = duck_query(&parsed->duck, sql.data, NULL, 0, &rows, error);
    buffer_done(&sql);
    if (rc != OK)
        return rc;
    int n = (int)duckdb_column_count(&rows);
    parsed->events = schema_new(0);
    parsed->late = memory_new((size_t)n, sizeof *parsed->late);
    if (!parsed->events || !parsed->late)
        rc = error_set(error, CODE_MEMORY, "no memory for %d columns", n);
    for (int i = 0; rc == OK && i < n; i++) {
        duckdb_logical_type logical = duckdb_column_logical_type(&rows, (idx_t)i);
        struct type type = {0};
        rc = duck_type(logical, &type, error);
        if (rc != OK)
            error_prefix(error, "column %s", duckdb_column_name(&rows, (idx_t)i));
        else
            rc = schema_add(parsed->events, duckdb_column_name(&rows, (idx_t)i), type, error);
        dictionary_unref(type.values);
        duckdb_destroy_logical_type(&logical);
    }
    duckdb_destroy_result(&rows);
    if (rc != OK)
        return rc;
    return read_columns(parsed, error);
}

/* Bytes of the character at `text`, of which `left` bytes are there; 0 where it is not UTF-8. */
static size_t utf8_width(const unsigned char *text, size_t left)
{
    size_t n = text[0] < 0x80   ? 1
               : text[0] < 0xc2 ? 0
               : text[0] < 0xe0 ? 2
               : text[0] < 0xf0 ? 3
               : text[0] < 0xf5 ? 4
                                : 0;
    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than need be, one half of a pair, beyond the last code. */
    bool strange = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
                   (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f);
    return n > 2 && strange ? 0 : n;
}

static int check_text(const char *sql, size_t size, const char *name, struct error *error)
{
    int64_t line = 1, column = 1;
    int rc = OK;
    if (size > LIMIT_SQL) {
        line = column = 0;
        rc = error_set(error, CODE_LIMIT, "the text is larger than %d bytes", LIMIT_SQL);
    }
    for (size_t at = 0, width; rc == OK && at < size; at += width) {
        width = utf8_width((const unsigned char *)sql + at, size - at);
        if (!width)
            rc = error_set(error, CODE_INVALID, "the text is not UTF-8 here: is it SQL?");
        else if (!sql[at])
            rc = error_set(error, CODE_INVALID, "the text has a zero byte: is it SQL?");
        else if (sql[at] == '\n')
            line++, column = 1;
        else
            column++;
    }
    if (rc != OK)
        error_at(error, name, line, column);
    return rc;
}

int parse_plan(const char *sql, size_t size, const char *name, struct plan_findings *findings,
               struct parsed *ret, struct error *error)
{
    struct parsed parsed = {.name = name, .sql = sql};
    int rc = check_text(sql, size, name, error);
    if (rc == OK)
        rc = duck_open(&parsed.duck, NULL, error);
    if (rc == OK)
        rc = duck_run(&parsed.duck, "SET enable_external_access = false", error);
    if (rc == OK)
        rc = split(&parsed, sql, size, error);
    if (rc == OK) {
        rc = read_events(&parsed, error);
        if (rc != OK && error && !error->place[0])
            error_at(error, name, 0, 0);
    }
    if (rc == OK)
        rc = parse_select(&parsed, findings, error);
    if (rc != OK) {
        parse_done(&parsed);
        return rc;
    }
    *ret = parsed;
    return OK;
}

static int create_table(struct parsed *parsed, const struct schema *schema, const char *table,
                        struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, 16 * (size_t)LIMIT_SQL);
    buffer_text(&sql, "CREATE TABLE ");
    duck_identifier(&sql, table);
    for (int i = 0; i < schema->n; i++) {
        buffer_text(&sql, i ? ", " : " (");
        duck_identifier(&sql, schema->fields[i].name);
        buffer_text(&sql, " ");
        parse_print_column_type(&schema->fields[i].type, &sql);
    }
    buffer_text(&sql, ")");
    int rc = buffer_check(&sql, "the table's definition", error);
    if (rc == OK)
        rc = duck_run(&parsed->duck, sql.data, error);
    buffer_done(&sql);
    return rc;
}

int parse_over(struct schema *schema, const char *table, const char *sql, size_t size, const char *name,
               struct plan_findings *findings, struct parsed *ret, struct error *error)
{
    struct parsed parsed = {.name = name, .sql = sql, .over = true};
    int rc = check_text(sql, size, name, error);
    if (rc == OK)
        rc = duck_open(&parsed.duck, NULL, error);
    if (rc == OK)
        rc = duck_run(&parsed.duck, "SET enable_external_access = false", error);
    if (rc == OK)
        rc = create_table(&parsed, schema, table, error);
    if (rc == OK && count_statements(&parsed.duck, sql, size) > 1) {
        rc = error_set(error, CODE_INVALID, "expected one SELECT, found several statements");
        error_at(error, name, 0, 0);
    }
    if (rc == OK) {
        parsed.events = schema_ref(schema);
        parsed.late = memory_new((size_t)schema->n, sizeof *parsed.late);
        parsed.table_name = memory_text(table, strlen(table));
        parsed.select_sql = memory_text(sql, size);
        rc = parsed.late && parsed.table_name && parsed.select_sql
                 ? parse_select(&parsed, findings, error)
                 : error_set(error, CODE_MEMORY, "no memory for %s", name);
    }
    if (rc != OK) {
        parse_done(&parsed);
        return rc;
    }
    *ret = parsed;
    return OK;
}

void parse_done(struct parsed *parsed)
{
    for (int i = 0; parsed->late && parsed->events && i < parsed->events->n; i++)
        free(parsed->late[i].default_sql);
    free(parsed->late);
    schema_unref(parsed->events);
    free(parsed->table_name);
    free(parsed->select_sql);
    free(parsed->blanks);
    yyjson_doc_free(parsed->syntax);
    yyjson_doc_free(parsed->bound);
    duck_close(&parsed->duck);
    *parsed = (struct parsed){0};
}
