#include "table/duck.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"

static int duck_config(duckdb_config *ret, const struct duck_options *options, struct error *error)
{
    int threads = options && options->threads > 0 ? options->threads : 1;
    int64_t memory = options && options->memory_bytes > 0 ? options->memory_bytes : INT64_C(1) << 30;
    const char *base = getenv("TMPDIR");
    char threads_text[16], memory_text[32], directory[512];
    snprintf(threads_text, sizeof threads_text, "%d", threads);
    snprintf(memory_text, sizeof memory_text, "%lldKiB", (long long)(memory >> 10));
    snprintf(directory, sizeof directory, "%s/shrike-duckdb-%ld", base && *base ? base : "/tmp",
             (long)getpid());
    /* Nothing may come over the network: what an extension would do is either in the library or an error. */
    const char *const settings[][2] = {
        {"threads", threads_text},
        {"memory_limit", memory_text},
        {"temp_directory", directory},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"preserve_insertion_order", "true"},
    };
    duckdb_config config;
    if (duckdb_create_config(&config) != DuckDBSuccess)
        return error_set(error, CODE_MEMORY, "no memory for DuckDB's settings");
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (duckdb_set_config(config, settings[i][0], settings[i][1]) != DuckDBSuccess) {
            duckdb_destroy_config(&config);
            return error_set(error, CODE_INTERNAL, "DuckDB refused the setting %s = %s", settings[i][0],
                             settings[i][1]);
        }
    }
    *ret = config;
    return OK;
}

int duck_open(struct duck *ret, const struct duck_options *options, struct error *error)
{
    const char *version = duckdb_library_version();
    if (strcmp(version, SHRIKE_DUCKDB_VERSION) != 0)
        return error_set(error, CODE_UNSUPPORTED, "the DuckDB library found is %s, Shrike needs exactly %s",
                         version, SHRIKE_DUCKDB_VERSION);
    duckdb_config config;
    int code = duck_config(&config, options, error);
    if (code != OK)
        return code;
    struct duck duck = {0};
    char *message = NULL;
    if (duckdb_open_ext(NULL, &duck.database, config, &message) != DuckDBSuccess)
        code = duck_error(error, CODE_INTERNAL, message);
    else if (duckdb_connect(duck.database, &duck.connection) != DuckDBSuccess)
        code = error_set(error, CODE_INTERNAL, "DuckDB gave no connection");
    else
        code = duck_run(&duck, "SET TimeZone = 'UTC'", error);
    duckdb_free(message);
    duckdb_destroy_config(&config);
    if (code != OK) {
        duck_close(&duck);
        return code;
    }
    *ret = duck;
    return OK;
}

void duck_close(struct duck *duck)
{
    if (duck->connection)
        duckdb_disconnect(&duck->connection);
    if (duck->database)
        duckdb_close(&duck->database);
    *duck = (struct duck){0};
}

int duck_query(struct duck *duck, const char *sql, const char *const *parameters, int n_parameters,
               duckdb_result *ret, struct error *error)
{
    duckdb_prepared_statement statement = NULL;
    duckdb_result result;
    int code = OK;
    if (n_parameters == 0) {
        /* Not prepared, so that several statements may follow each other. */
        if (duckdb_query(duck->connection, sql, &result) != DuckDBSuccess) {
            code = duck_error(error, CODE_INVALID, duckdb_result_error(&result));
            duckdb_destroy_result(&result);
            return code;
        }
        *ret = result;
        return OK;
    }
    if (duckdb_prepare(duck->connection, sql, &statement) != DuckDBSuccess)
        code = duck_error(error, CODE_INVALID, duckdb_prepare_error(statement));
    for (int i = 0; code == OK && i < n_parameters; i++) {
        duckdb_state state = parameters[i] ? duckdb_bind_varchar(statement, (idx_t)i + 1, parameters[i])
                                           : duckdb_bind_null(statement, (idx_t)i + 1);
        if (state != DuckDBSuccess)
            code = duck_error(error, CODE_INTERNAL, duckdb_prepare_error(statement));
    }
    if (code == OK && duckdb_execute_prepared(statement, &result) != DuckDBSuccess) {
        code = duck_error(error, CODE_INVALID, duckdb_result_error(&result));
        duckdb_destroy_result(&result);
    }
    duckdb_destroy_prepare(&statement);
    if (code == OK)
        *ret = result;
    return code;
}

int duck_run(struct duck *duck, const char *sql, struct error *error)
{
    duckdb_result result;
    int code = duck_query(duck, sql, NULL, 0, &result, error);
    if (code == OK)
        duckdb_destroy_result(&result);
    return code;
}

int duck_value(struct duck *duck, const char *sql, const char *const *parameters, int n_parameters,
               char **ret, struct error *error)
{
    duckdb_result result;
    int code = duck_query(duck, sql, parameters, n_parameters, &result, error);
    if (code != OK)
        return code;
    char *copy = NULL;
    if (duckdb_row_count(&result) > 0 && duckdb_column_count(&result) > 0 &&
        !duckdb_value_is_null(&result, 0, 0)) {
        char *text = duckdb_value_varchar(&result, 0, 0);
        copy = text ? memory_text(text, strlen(text)) : NULL;
        duckdb_free(text);
        if (!copy)
            code = error_set(error, CODE_MEMORY, "no memory for DuckDB's answer");
    }
    duckdb_destroy_result(&result);
    if (code == OK)
        *ret = copy;
    return code;
}

static bool mentions(const char *message, const char *const *words)
{
    for (; *words; words++) {
        if (strcasestr(message, *words))
            return true;
    }
    return false;
}

static bool is_about_text(const char *message)
{
    static const char *const kinds[] = {
        "Parser Error: ",
        "Syntax Error: ",
        "Binder Error: ",
        "Catalog Error: ",
    };
    bool found = strncmp(message, "syntax error", strlen("syntax error")) == 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        found |= strncmp(message, kinds[i], strlen(kinds[i])) == 0;
    return found;
}

int duck_error(struct error *error, enum code code, const char *message)
{
    static const char *const memory[] = {"Out of Memory Error", "could not allocate", "failed to allocate",
                                         "Cannot allocate memory", NULL};
    static const char *const space[] = {"No space left on device", "Disk quota exceeded", NULL};
    static const char *const kinds[] = {"Invalid Input",
                                        "IO",
                                        "Binder",
                                        "Parser",
                                        "Catalog",
                                        "Conversion",
                                        "Out of Range",
                                        "Not implemented",
                                        "Invalid",
                                        "Constraint",
                                        "Permission",
                                        "Out of Memory",
                                        "INTERNAL",
                                        "Serialization",
                                        "Syntax",
                                        "HTTP",
                                        NULL};
    char text[ERROR_MESSAGE_SIZE];
    if (!message || !*message)
        return error_set(error, code, "DuckDB failed without saying why");
    /* What is wrong with a statement's text may repeat any words of it. */
    bool about_text = is_about_text(message);
    if (!about_text && mentions(message, memory))
        code = CODE_MEMORY;
    else if (!about_text && mentions(message, space))
        code = CODE_NO_SPACE;
    else if (!about_text && strstr(message, "File too large"))
        code = CODE_LIMIT;
    const char *start = message, *end = strstr(message, "\nLINE ");
    for (size_t i = 0; kinds[i];) {
        size_t n = strlen(kinds[i]);
        bool found = strncmp(start, kinds[i], n) == 0 && strncmp(start + n, " Error: ", 8) == 0;
        start += found ? n + 8 : 0;
        /* Messages that were passed up carry several kinds. */
        i = found ? 0 : i + 1;
    }
    if (!end || end < start)
        end = message + strlen(message);
    size_t n = 0;
    for (const char *p = start; p < end && n < sizeof text - 1; p++) {
        bool space_now = isspace((unsigned char)*p);
        if (!space_now)
            text[n++] = *p;
        else if (n > 0 && text[n - 1] != ' ')
            text[n++] = ' ';
    }
    while (n > 0 && text[n - 1] == ' ')
        n--;
    text[n] = 0;
    return error_set(error, code, "%s", text);
}

void duck_literal(struct buffer *sql, const char *text)
{
    buffer_append(sql, "'", 1);
    for (const char *p = text; *p; p++) {
        buffer_append(sql, p, 1);
        if (*p == '\'')
            buffer_append(sql, p, 1);
    }
    buffer_append(sql, "'", 1);
}

void duck_identifier(struct buffer *sql, const char *text)
{
    buffer_append(sql, "\"", 1);
    for (const char *p = text; *p; p++) {
        buffer_append(sql, p, 1);
        if (*p == '"')
            buffer_append(sql, p, 1);
    }
    buffer_append(sql, "\"", 1);
}
