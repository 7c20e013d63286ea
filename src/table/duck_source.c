/*
 * Parquet and CSV files through DuckDB: one streaming query per file, which keeps the file's row order.
 * Columns come as the file types them (CSV: as text) and are converted here, so that an error knows the row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/parse.h"
#include "table/source.h"

/* How one wanted column comes out of the query. */
struct input {
    int output; /* column of the query, -1 where the file has none */
    struct type type;
    bool direct; /* as wanted */
    struct column scratch;
};

struct duck_source {
    struct source base;
    struct source_options *options;
    char *path;
    bool is_csv;
    struct input *inputs; /* one per wanted column */
    duckdb_prepared_statement statement;
    duckdb_result result;
    bool running, ended;
    duckdb_data_chunk held; /* fetched, does not fit the batch */
    struct table staged;    /* rows of a chunk larger than a batch */
    int64_t staged_taken;
    int64_t row; /* rows converted so far */
};

static int place(const char *path, int64_t line, int code, struct error *error)
{
    error_at(error, path, line, 0);
    return code;
}

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for reading");
}

/* An error of DuckDB while reading a file that exists. */
static int read_error(const char *path, bool is_csv, const char *message, struct error *error)
{
    if (is_csv)
        return csv_error(path, message ? message : "", error);
    int code = duck_error(error, CODE_CORRUPT, message);
    if (code == CODE_CORRUPT)
        error_prefix(error, "the Parquet file is damaged or incomplete");
    return place(path, 0, code, error);
}

static int prepare(struct duck *duck, const char *path, bool is_csv, const struct buffer *sql,
                   duckdb_prepared_statement *ret, struct error *error)
{
    duckdb_prepared_statement statement;
    int code = buffer_check(sql, "the query for a file", error);
    if (code != OK)
        return code;
    if (duckdb_prepare(duck->connection, sql->data, &statement) != DuckDBSuccess) {
        code = read_error(path, is_csv, duckdb_prepare_error(statement), error);
        duckdb_destroy_prepare(&statement);
        return code;
    }
    *ret = statement;
    return OK;
}

static void parquet_sql(const char *path, struct buffer *sql)
{
    buffer_text(sql, "read_parquet(");
    duck_literal(sql, path);
    buffer_text(sql, ", hive_partitioning = false)");
}

/* The names and types of a Parquet file by way of a statement that is never run. */
static int parquet_describe(struct duck *duck, const char *path, duckdb_prepared_statement *ret,
                            struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, LIMIT_SQL);
    buffer_text(&sql, "FROM ");
    parquet_sql(path, &sql);
    int code = prepare(duck, path, false, &sql, ret, error);
    buffer_done(&sql);
    return code;
}

int duck_source_rows(struct duck *duck, const char *path, int64_t *ret, struct error *error)
{
    char *text = NULL;
    int code =
        duck_value(duck, "SELECT sum(num_rows) FROM parquet_file_metadata($1)", &path, 1, &text, error);
    if (code != OK)
        return place(path, 0, code, error);
    *ret = text ? strtoll(text, NULL, 10) : 0;
    free(text);
    return OK;
}

static bool is_nested(duckdb_type id)
{
    return id == DUCKDB_TYPE_LIST || id == DUCKDB_TYPE_STRUCT || id == DUCKDB_TYPE_MAP ||
           id == DUCKDB_TYPE_ARRAY || id == DUCKDB_TYPE_UNION || id == DUCKDB_TYPE_BLOB ||
           id == DUCKDB_TYPE_BIT;
}

static int parquet_schema(struct duck *duck, const char *path, struct schema **ret, struct error *error)
{
    duckdb_prepared_statement statement;
    int code = parquet_describe(duck, path, &statement, error);
    if (code != OK)
        return code;
    struct schema *schema = schema_new(0);
    if (!schema)
        code = no_memory(error);
    idx_t n = duckdb_prepared_statement_column_count(statement);
    for (idx_t i = 0; code == OK && i < n; i++) {
        duckdb_logical_type logical = duckdb_prepared_statement_column_logical_type(statement, i);
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        struct type type = {.id = TYPE_VARCHAR};
        code = duck_type(logical, &type, error);
        if (code == CODE_UNSUPPORTED && !is_nested(duckdb_get_type_id(logical)))
            code = OK; /* UUIDs, times of day and the like are read as text. */
        if (code == OK)
            code = schema_add(schema, name, type, error);
        else
            error_prefix(error, "column \"%s\"", name);
        dictionary_unref(type.values);
        duckdb_destroy_logical_type(&logical);
        duckdb_free((void *)name);
    }
    duckdb_destroy_prepare(&statement);
    if (code == OK) {
        *ret = schema;
        return OK;
    }
    schema_unref(schema);
    return place(path, 0, code, error);
}

/* The narrowest of a few types that takes every text of the column's first rows. */
static enum type_id guess_type(const struct column *texts)
{
    static const enum type_id candidates[] = {TYPE_INT64, TYPE_DOUBLE, TYPE_DATE, TYPE_TIMESTAMP,
                                              TYPE_BOOLEAN};
    for (size_t k = 0; k < sizeof candidates / sizeof *candidates; k++) {
        struct type type = {.id = candidates[k]};
        struct value value;
        bool good = true, any = false;
        for (int64_t i = 0; good && i < texts->length; i++) {
            size_t size;
            if (column_is_null(texts, i))
                continue;
            const char *text = column_text(texts, i, &size);
            good = size && !parse_value(&type, TIME_UNIT_NONE, text, size, &value);
            any = true;
        }
        if (good && any)
            return candidates[k];
    }
    return TYPE_VARCHAR;
}

static int csv_schema(struct duck *duck, const char *path, enum format format, struct schema **ret,
                      struct error *error)
{
    struct csv csv;
    int code = csv_open(duck, path, format, &csv, error);
    if (code != OK)
        return code;
    struct schema *texts = schema_new(0), *schema = schema_new(0);
    if (!texts || !schema)
        code = no_memory(error);
    for (int i = 0; code == OK && i < csv.n; i++)
        code = schema_add(texts, csv.names[i], (struct type){.id = TYPE_VARCHAR}, error);
    struct coder *coders = memory_new((size_t)csv.n, sizeof *coders);
    struct table table = {0};
    struct source *source = NULL;
    if (code == OK && !coders)
        code = no_memory(error);
    for (int i = 0; coders && i < csv.n; i++)
        coders[i].plain = true;
    struct source_options options = {texts, TIME_UNIT_NONE, LIMIT_BATCH_ROWS, duck, coders, NULL, 0};
    if (code == OK)
        code = table_init(&table, texts, error);
    if (code == OK)
        code = duck_source_open(&options, path, format, &source, error);
    if (code == OK)
        code = source->next(source, &table, error);
    for (int i = 0; code == OK && i < csv.n; i++)
        code = schema_add(schema, csv.names[i], (struct type){.id = guess_type(&table.columns[i])}, error);
    if (source)
        source->close(source);
    if (table.schema)
        table_done(&table);
    free(coders);
    csv_done(&csv);
    schema_unref(texts);
    if (code == OK)
        *ret = schema;
    else
        schema_unref(schema);
    return code;
}

int duck_source_schema(struct duck *duck, const char *path, enum format format, struct schema **ret,
                       struct error *error)
{
    return format == FORMAT_PARQUET ? parquet_schema(duck, path, ret, error)
                                    : csv_schema(duck, path, format, ret, error);
}

/* Checks one wanted column against the file's and appends how to select it. */
static int choose_input(struct duck_source *source, int i, duckdb_logical_type logical, int *outputs,
                        const char *name, struct buffer *sql, struct error *error)
{
    const struct field *field = &source->options->schema->fields[i];
    struct input *input = &source->inputs[i];
    char is[64], wanted[64];
    struct error unsupported = {0};
    bool text = field->type.id == TYPE_VARCHAR;
    int code = duck_type(logical, &input->type, &unsupported);
    if (code != OK && !(text && code == CODE_UNSUPPORTED)) {
        if (error)
            *error = unsupported;
        error_prefix(error, "column \"%s\" (%s expected)", field->name,
                     type_text(&field->type, wanted, sizeof wanted));
        return code == CODE_UNSUPPORTED ? CODE_INVALID : code;
    }
    bool cast = text && (code != OK || input->type.id != TYPE_VARCHAR);
    if (cast) {
        dictionary_unref(input->type.values);
        input->type = (struct type){.id = TYPE_VARCHAR};
    }
    const char *reason =
        convert_reason(&input->type, &field->type, source->options->time_unit, source->is_csv);
    if (reason)
        return error_set(error, CODE_INVALID, "column \"%s\" is %s, where %s is expected: %s", field->name,
                         type_text(&input->type, is, sizeof is),
                         type_text(&field->type, wanted, sizeof wanted), reason);
    input->direct = type_equal(&input->type, &field->type);
    input->output = (*outputs)++;
    buffer_text(sql, *outputs > 1 ? ", " : "");
    buffer_text(sql, cast ? "CAST(" : "");
    duck_identifier(sql, name);
    buffer_text(sql, cast ? " AS VARCHAR)" : "");
    return OK;
}

static int missing(const struct duck_source *source, int i, const char *const *names, int n,
                   struct error *error)
{
    const struct field *field = &source->options->schema->fields[i];
    return field->optional ? OK : missing_column(source->path, field->name, names, n, error);
}

static int select_csv(struct duck_source *source, enum format format, struct buffer *sql, struct error *error)
{
    struct csv csv;
    int outputs = 0, code = csv_open(source->options->duck, source->path, format, &csv, error);
    if (code != OK)
        return code;
    duckdb_logical_type varchar = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    for (int i = 0; code == OK && i < source->options->schema->n; i++) {
        int k = csv_find(&csv, source->options->schema->fields[i].name);
        char name[16];
        snprintf(name, sizeof name, "c%d", k);
        if (k < 0)
            code = missing(source, i, (const char *const *)csv.names, csv.n, error);
        else
            code = choose_input(source, i, varchar, &outputs, name, sql, error);
    }
    buffer_text(sql, outputs ? " FROM " : "c0 FROM ");
    csv_sql(&csv, source->path, sql);
    duckdb_destroy_logical_type(&varchar);
    csv_done(&csv);
    return code;
}

static int select_parquet(struct duck_source *source, struct buffer *sql, struct error *error)
{
    duckdb_prepared_statement statement;
    int outputs = 0, code = parquet_describe(source->options->duck, source->path, &statement, error);
    if (code != OK)
        return code;
    int n = (int)duckdb_prepared_statement_column_count(statement);
    const char **names = memory_new((size_t)n, sizeof *names);
    if (!names)
        code = no_memory(error);
    for (int i = 0; names && i < n; i++)
        names[i] = duckdb_prepared_statement_column_name(statement, (idx_t)i);
    for (int i = 0; code == OK && i < source->options->schema->n; i++) {
        int k = 0;
        while (k < n && strcasecmp(names[k], source->options->schema->fields[i].name) != 0)
            k++;
        if (k == n) {
            code = missing(source, i, names, n, error);
            continue;
        }
        duckdb_logical_type logical = duckdb_prepared_statement_column_logical_type(statement, (idx_t)k);
        code = choose_input(source, i, logical, &outputs, names[k], sql, error);
        duckdb_destroy_logical_type(&logical);
    }
    buffer_text(sql, outputs ? " FROM " : "true FROM ");
    parquet_sql(source->path, sql);
    for (int i = 0; names && i < n; i++)
        duckdb_free((void *)names[i]);
    free(names);
    duckdb_destroy_prepare(&statement);
    return code;
}

/* The next chunk with rows; NULL at the end. */
static int fetch(struct duck_source *source, duckdb_data_chunk *ret, struct error *error)
{
    duckdb_data_chunk chunk = source->held;
    source->held = NULL;
    if (!source->running) {
        if (duckdb_execute_prepared_streaming(source->statement, &source->result) != DuckDBSuccess) {
            int code = read_error(source->path, source->is_csv, duckdb_result_error(&source->result), error);
            duckdb_destroy_result(&source->result);
            return code;
        }
        source->running = true;
    }
    if (!chunk && !source->ended)
        chunk = duckdb_fetch_chunk(source->result);
    const char *message = chunk || source->ended ? NULL : duckdb_result_error(&source->result);
    if (message)
        return read_error(source->path, source->is_csv, message, error);
    if (chunk && duckdb_data_chunk_get_size(chunk) == 0)
        duckdb_destroy_data_chunk(&chunk);
    /* Asking a result that has ended is an error to DuckDB. */
    source->ended = !chunk;
    *ret = chunk;
    return OK;
}

/* DuckDB's infinite times, and those that no text could write, have no place on a time line that is computed
 * with. */
static int check_times(const struct column *column, const struct type *type, int64_t from,
                       struct error *error)
{
    bool date = type->id == TYPE_DATE, bad = false;
    int64_t least = date ? DATE_LEAST : TIME_LEAST, most = date ? DATE_MOST : TIME_MOST;
    for (int64_t i = from; i < column->length; i++) {
        int64_t value = date ? ((const int32_t *)column->data)[i] : ((const int64_t *)column->data)[i];
        bad |= value < least || value > most;
    }
    for (int64_t i = from; bad && i < column->length; i++) {
        int64_t value = column_int(column, type, i);
        if (!column_is_null(column, i) && (value < least || value > most)) {
            error_set(error, CODE_INVALID, "the time is infinite or beyond the years 1 to 294246");
            return place(NULL, i - from + 1, CODE_INVALID, error);
        }
    }
    return OK;
}

/* Writes the codes of a chunk's strings behind the target's rows. False where the dictionary takes no more.
 */
static bool code_strings(struct coder *coder, const struct column *texts, struct column *target)
{
    int32_t *codes = (int32_t *)target->data + target->length;
    for (int64_t i = 0; i < texts->length; i++) {
        size_t size;
        if (column_is_null(texts, i)) {
            codes[i] = 0;
            continue;
        }
        const char *text = column_text(texts, i, &size);
        codes[i] = dictionary_find(coder->dictionary, text, size);
        if (codes[i] >= 0)
            continue;
        if (dictionary_is_shared(coder->dictionary)) {
            /* Earlier batches keep theirs; the codes so far stay the same. */
            struct dictionary *copy = dictionary_copy(coder->dictionary);
            if (!copy)
                return false;
            dictionary_unref(coder->dictionary);
            coder->dictionary = copy;
        }
        codes[i] = dictionary_add(coder->dictionary, text, size);
        if (codes[i] < 0)
            return false;
    }
    return true;
}

static int append_coded(struct coder *coder, duckdb_vector vector, int64_t n, struct input *input,
                        struct column *target, struct error *error)
{
    enum { TRIAL = 4096 };
    if (!coder->plain && !coder->dictionary && !(coder->dictionary = dictionary_new()))
        return no_memory(error);
    if (coder->plain || (target->length && !target->dictionary))
        return duck_append(vector, n, &input->type, target, error);
    struct column *texts = &input->scratch;
    column_truncate(texts, &input->type, 0);
    int code = duck_append(vector, n, &input->type, texts, error);
    dictionary_unref(target->dictionary);
    target->dictionary = coder->dictionary;
    if (code == OK)
        code = column_reserve(target, &input->type, target->length + n, error);
    target->dictionary = NULL;
    bool coded = code == OK && code_strings(coder, texts, target);
    target->dictionary = dictionary_ref(coder->dictionary);
    if (code != OK)
        return code;
    coder->seen += n - texts->nulls;
    coder->plain = !coded || (coder->seen >= TRIAL && dictionary_size(coder->dictionary) > coder->seen / 2);
    if (!coded)
        return duck_append(vector, n, &input->type, target, error);
    column_append_validity(target, texts, 0, n);
    target->length += n;
    return OK;
}

static int append_input(struct duck_source *source, int i, duckdb_data_chunk chunk, int64_t n,
                        struct table *table, struct error *error)
{
    const struct type *type = &table->schema->fields[i].type;
    struct column *target = &table->columns[i];
    struct input *input = &source->inputs[i];
    if (input->output < 0) {
        for (int64_t k = 0; k < n; k++)
            column_append_null(target, type);
        return OK;
    }
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)input->output);
    if (type->id == TYPE_VARCHAR)
        return append_coded(&source->options->coders[i], vector, n, input, target, error);
    int64_t before = target->length;
    int code;
    if (input->direct) {
        code = duck_append(vector, n, type, target, error);
    } else {
        column_truncate(&input->scratch, &input->type, 0);
        if (input->type.id == TYPE_ENUM && !input->scratch.dictionary)
            input->scratch.dictionary = dictionary_ref(input->type.values);
        code = duck_append(vector, n, &input->type, &input->scratch, error);
        if (code == OK)
            code = convert_append(&input->scratch, &input->type, target, type, source->options->time_unit,
                                  &source->options->unknown_enums, error);
    }
    if (code == OK && (type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMPTZ || type->id == TYPE_DATE))
        code = check_times(target, type, before, error);
    return code;
}

static int append_chunk(struct duck_source *source, duckdb_data_chunk chunk, struct table *table,
                        struct error *error)
{
    int64_t n = (int64_t)duckdb_data_chunk_get_size(chunk);
    int code = table_reserve(table, table->length + n, error);
    for (int i = 0; code == OK && i < table->schema->n; i++) {
        struct error why = {0};
        code = append_input(source, i, chunk, n, table, &why);
        if (code == OK)
            continue;
        int64_t row = why.line ? source->row + why.line : 0;
        if (error)
            *error = why;
        if (row)
            error_prefix(error, "row %lld, column \"%s\"", (long long)row, table->schema->fields[i].name);
        else
            error_prefix(error, "column \"%s\"", table->schema->fields[i].name);
        /* A CSV file's first line is its header. */
        place(source->path, row ? row + source->is_csv : 0, code, error);
    }
    if (code == OK) {
        table->length += n;
        source->row += n;
    }
    return code;
}

static int duck_source_next(struct source *base, struct table *table, struct error *error)
{
    struct duck_source *source = (struct duck_source *)base;
    table->first_row = source->row - (source->staged.length - source->staged_taken) + 1;
    int64_t room = source->options->batch_rows, left = source->staged.length - source->staged_taken;
    while (left == 0 && table->length < room) {
        duckdb_data_chunk chunk;
        int code = fetch(source, &chunk, error);
        if (code != OK)
            return code;
        if (!chunk)
            return OK;
        int64_t n = (int64_t)duckdb_data_chunk_get_size(chunk);
        if (table->length && table->length + n > room) {
            source->held = chunk;
            return OK;
        }
        bool fits = n <= room;
        if (!fits && !source->staged.schema)
            code = table_init(&source->staged, table->schema, error);
        if (code == OK && !fits)
            table_clear(&source->staged);
        if (code == OK)
            code = append_chunk(source, chunk, fits ? table : &source->staged, error);
        duckdb_destroy_data_chunk(&chunk);
        if (code != OK)
            return code;
        if (!fits) {
            source->staged_taken = 0;
            left = n;
        }
    }
    if (left == 0)
        return OK;
    int64_t n = left < room ? left : room;
    int code = table_append(table, &source->staged, source->staged_taken, n, error);
    if (code == OK)
        source->staged_taken += n;
    return code;
}

static void duck_source_close(struct source *base)
{
    struct duck_source *source = (struct duck_source *)base;
    for (int i = 0; source->inputs && i < source->options->schema->n; i++) {
        struct input *input = &source->inputs[i];
        dictionary_unref(input->type.values);
        dictionary_unref(input->scratch.dictionary);
        free(input->scratch.validity);
        free(input->scratch.data);
        free(input->scratch.offsets);
    }
    if (source->held)
        duckdb_destroy_data_chunk(&source->held);
    if (source->running)
        duckdb_destroy_result(&source->result);
    if (source->statement)
        duckdb_destroy_prepare(&source->statement);
    if (source->staged.schema)
        table_done(&source->staged);
    free(source->inputs);
    free(source->path);
    free(source);
}

int duck_source_open(struct source_options *options, const char *path, enum format format,
                     struct source **ret, struct error *error)
{
    struct duck_source *source = memory_new(1, sizeof *source);
    if (!source)
        return no_memory(error);
    source->base = (struct source){duck_source_next, duck_source_close};
    source->options = options;
    source->is_csv = format != FORMAT_PARQUET;
    source->path = memory_text(path, strlen(path));
    source->inputs = memory_new((size_t)options->schema->n, sizeof *source->inputs);
    struct buffer sql;
    buffer_init(&sql, LIMIT_SQL);
    int code = source->path && source->inputs ? OK : no_memory(error);
    for (int i = 0; code == OK && i < options->schema->n; i++)
        source->inputs[i].output = -1;
    buffer_text(&sql, "SELECT ");
    if (code == OK)
        code = source->is_csv ? select_csv(source, format, &sql, error) : select_parquet(source, &sql, error);
    if (code == OK)
        code = prepare(options->duck, path, source->is_csv, &sql, &source->statement, error);
    else
        place(path, error ? error->line : 0, code, error);
    buffer_done(&sql);
    if (code == OK)
        *ret = &source->base;
    else
        duck_source_close(&source->base);
    return code;
}
