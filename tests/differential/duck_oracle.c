#include "differential/duck_oracle.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 2048 };

/* duck_fill writes ENUM as VARCHAR and HUGEINT as DECIMAL(38,0): the raw table has those, a cast makes the
 * rest. */
static duckdb_logical_type raw_type(const struct type *type, char *text, size_t size)
{
    static const duckdb_type plain[] = {
        [TYPE_BOOLEAN] = DUCKDB_TYPE_BOOLEAN,
        [TYPE_INT8] = DUCKDB_TYPE_TINYINT,
        [TYPE_INT16] = DUCKDB_TYPE_SMALLINT,
        [TYPE_INT32] = DUCKDB_TYPE_INTEGER,
        [TYPE_INT64] = DUCKDB_TYPE_BIGINT,
        [TYPE_UINT8] = DUCKDB_TYPE_UTINYINT,
        [TYPE_UINT16] = DUCKDB_TYPE_USMALLINT,
        [TYPE_UINT32] = DUCKDB_TYPE_UINTEGER,
        [TYPE_UINT64] = DUCKDB_TYPE_UBIGINT,
        [TYPE_FLOAT] = DUCKDB_TYPE_FLOAT,
        [TYPE_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [TYPE_VARCHAR] = DUCKDB_TYPE_VARCHAR,
        [TYPE_DATE] = DUCKDB_TYPE_DATE,
        [TYPE_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
        [TYPE_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [TYPE_ENUM] = DUCKDB_TYPE_VARCHAR,
    };
    struct type raw = *type;
    if (type->id == TYPE_HUGEINT)
        raw = (struct type){.id = TYPE_DECIMAL, .precision = 38};
    if (type->id == TYPE_ENUM)
        raw = (struct type){.id = TYPE_VARCHAR};
    type_text(&raw, text, size);
    if (raw.id == TYPE_DECIMAL)
        return duckdb_create_decimal_type(raw.precision, raw.scale);
    return duckdb_create_logical_type(plain[raw.id]);
}

static int append_all(struct duck *duck, const struct schema *schema, const struct table *events,
                      duckdb_logical_type *types, struct error *error)
{
    duckdb_appender appender;
    if (duckdb_appender_create(duck->connection, NULL, "raw", &appender) != DuckDBSuccess)
        return error_set(error, CODE_INTERNAL, "no appender");
    for (int64_t from = 0; from < events->length; from += CHUNK) {
        int64_t n = events->length - from < CHUNK ? events->length - from : CHUNK;
        duckdb_data_chunk chunk = duckdb_create_data_chunk(types, (idx_t)schema->n);
        for (int c = 0; c < schema->n; c++)
            duck_fill(duckdb_data_chunk_get_vector(chunk, (idx_t)c), &schema->fields[c].type,
                      &events->columns[c], from, n);
        duckdb_data_chunk_set_size(chunk, (idx_t)n);
        duckdb_append_data_chunk(appender, chunk);
        duckdb_destroy_data_chunk(&chunk);
    }
    int rc = duckdb_appender_close(appender) == DuckDBSuccess
                 ? OK
                 : error_set(error, CODE_INTERNAL, "append: %s", duckdb_appender_error(appender));
    duckdb_appender_destroy(&appender);
    return rc;
}

static int create_raw(struct duck *duck, const struct schema *schema, const struct table *events,
                      struct error *error)
{
    struct buffer sql;
    char text[512];
    duckdb_logical_type *types = memory_new((size_t)schema->n, sizeof *types);
    buffer_init(&sql, 1 << 20);
    buffer_text(&sql, "CREATE OR REPLACE TABLE raw (");
    for (int c = 0; c < schema->n; c++) {
        types[c] = raw_type(&schema->fields[c].type, text, sizeof text);
        buffer_text(&sql, c ? ", " : "");
        duck_identifier(&sql, schema->fields[c].name);
        buffer_format(&sql, " %s", text);
    }
    buffer_text(&sql, ")");
    int rc = duck_run(duck, sql.data, error);
    if (rc == OK)
        rc = append_all(duck, schema, events, types, error);
    for (int c = 0; c < schema->n; c++)
        duckdb_destroy_logical_type(&types[c]);
    free(types);
    buffer_done(&sql);
    return rc;
}

static void print_columns(const struct plan *plan, bool defaults, struct buffer *sql)
{
    char text[512];
    for (int c = 0; c < plan->events->n; c++) {
        const struct field *field = &plan->events->fields[c];
        const char *fallback = plan->late[c].is_late && defaults ? plan->late[c].default_sql : NULL;
        buffer_format(sql, "%s%sCAST(", c ? ", " : "", fallback ? "coalesce(" : "");
        duck_identifier(sql, field->name);
        buffer_format(sql, " AS %s)", type_text(&field->type, text, sizeof text));
        if (fallback)
            buffer_format(sql, ", %s)", fallback);
        buffer_text(sql, " AS ");
        duck_identifier(sql, field->name);
    }
}

int duck_oracle_load(struct duck *duck, const struct plan *plan, const struct table *events, int64_t lateness,
                     struct error *error)
{
    struct buffer sql, from;
    buffer_init(&sql, 1 << 20);
    buffer_init(&from, 1 << 20);
    int rc = create_raw(duck, plan->events, events, error);
    buffer_text(&sql, "CREATE OR REPLACE TABLE ");
    duck_identifier(&sql, plan->table_name);
    buffer_text(&sql, " AS SELECT ");
    print_columns(plan, true, &sql);
    buffer_text(&sql, ", rowid AS shrike_seq FROM raw ORDER BY rowid");
    if (rc == OK)
        rc = duck_run(duck, sql.data, error);
    buffer_clear(&sql);
    buffer_text(&from, "(SELECT ");
    print_columns(plan, false, &from);
    buffer_text(&from, ", rowid AS shrike_seq FROM raw)");
    buffer_text(&sql, "CREATE OR REPLACE TABLE shrike_events AS ");
    plan_oracle_events(plan, from.data, lateness, &sql);
    buffer_text(&sql, " ORDER BY shrike_seq");
    buffer_done(&from);
    if (rc == OK)
        rc = duck_run(duck, sql.data, error);
    buffer_done(&sql);
    return rc;
}

int duck_oracle_query(struct duck *duck, const char *sql, struct schema *schema, struct table *ret,
                      struct error *error)
{
    duckdb_result result;
    struct table table = {0};
    char text[512];
    int rc = duck_query(duck, sql, NULL, 0, &result, error);
    if (rc != OK)
        return rc;
    rc = table_init(&table, schema, error);
    for (int f = 0; rc == OK && f < schema->n; f++) {
        duckdb_logical_type logical = duckdb_column_logical_type(&result, (idx_t)f);
        struct type type = {0};
        rc = duck_type(logical, &type, error);
        if (rc == OK && !type_equal(&type, &schema->fields[f].type))
            rc = error_set(error, CODE_MISMATCH, "DuckDB says %s", type_text(&type, text, sizeof text));
        dictionary_unref(type.values);
        duckdb_destroy_logical_type(&logical);
    }
    for (duckdb_data_chunk chunk; rc == OK && (chunk = duckdb_fetch_chunk(result));) {
        int64_t n = (int64_t)duckdb_data_chunk_get_size(chunk);
        rc = table_reserve(&table, table.length + n, error);
        for (int f = 0; rc == OK && f < schema->n; f++)
            rc = duck_append(duckdb_data_chunk_get_vector(chunk, (idx_t)f), n, &schema->fields[f].type,
                             &table.columns[f], error);
        table.length += n;
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    if (rc == OK)
        *ret = table;
    else
        table_done(&table);
    return rc;
}
