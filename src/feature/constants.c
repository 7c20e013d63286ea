/* Constants of a plan: what DuckDB computes once, when the plan is compiled. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "feature/compile.h"

bool bind_is_constant(yyjson_val *bound)
{
    if (yyjson_is_obj(bound)) {
        const char *class = tree_text(bound, "expression_class");
        if (strcmp(class, "BOUND_REF") == 0 || strcmp(class, "BOUND_WINDOW") == 0)
            return false;
        yyjson_obj_iter iter = yyjson_obj_iter_with(bound);
        for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
            if (!bind_is_constant(yyjson_obj_iter_get_val(key)))
                return false;
    } else if (yyjson_is_arr(bound)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(bound);
        for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));)
            if (!bind_is_constant(item))
                return false;
    }
    return true;
}

/* random() and now() have no place in a feature: the same event would not give the same value again. */
static int refuse_volatile(struct binder *binder, yyjson_val *bound, struct error *error)
{
    int rc = OK;
    if (yyjson_is_obj(bound)) {
        if (strcmp(tree_text(bound, "expression_class"), "BOUND_FUNCTION") == 0) {
            const char *name = tree_text(bound, "name");
            char *stability = NULL;
            rc = duck_value(&binder->parsed->duck,
                            "SELECT max(stability) FROM duckdb_functions() WHERE function_name = $1 AND "
                            "function_type = 'scalar'",
                            &name, 1, &stability, error);
            if (rc == OK && stability && strcmp(stability, "CONSISTENT") != 0)
                rc = bind_refuse(
                    binder, name, CODE_UNSUPPORTED, error,
                    "%s() changes from call to call, so a feature cannot use it; use a column of the event",
                    name);
            free(stability);
        }
        yyjson_obj_iter iter = yyjson_obj_iter_with(bound);
        for (yyjson_val *key; rc == OK && (key = yyjson_obj_iter_next(&iter));)
            rc = refuse_volatile(binder, yyjson_obj_iter_get_val(key), error);
    } else if (yyjson_is_arr(bound)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(bound);
        for (yyjson_val *item; rc == OK && (item = yyjson_arr_iter_next(&iter));)
            rc = refuse_volatile(binder, item, error);
    }
    return rc;
}

static void read_value(const struct column *column, struct plan *plan, struct expr *expr)
{
    struct type *type = &expr->type;
    switch (expr->rep) {
    case REP_BOOLEAN:
        expr->value.boolean = column_boolean(column, 0);
        break;
    case REP_INT:
        expr->value.integer =
            type->id == TYPE_DECIMAL ? (int64_t)column_wide(column, 0) : column_int(column, type, 0);
        break;
    case REP_WIDE:
        expr->value.wide = type->id == TYPE_UINT64 ? (__int128)(uint64_t)column_int(column, type, 0)
                                                   : column_wide(column, 0);
        break;
    case REP_DOUBLE:
        expr->value.real = column_double(column, type, 0);
        break;
    default: {
        size_t size;
        const char *text = column_text(column, 0, &size);
        expr->value.text.data = arena_text(&plan->arena, text, size);
        expr->value.text.size = size;
    }
    }
}

int bind_sql_constant(struct binder *binder, const char *sql, const struct type *type, struct expr **ret,
                      struct error *error)
{
    struct buffer query;
    duckdb_result result;
    buffer_init(&query, 8 * (size_t)LIMIT_SQL);
    buffer_format(&query, "SELECT %s", sql);
    int rc = buffer_check(&query, "a constant", error);
    if (rc == OK)
        rc = duck_query(&binder->parsed->duck, query.data, NULL, 0, &result, error);
    buffer_done(&query);
    if (rc != OK)
        return bind_refuse(binder, NULL, CODE_INVALID, error, "%s", error ? error->message : "");
    struct schema *schema = schema_new(0);
    struct table table = {0};
    struct expr expr = {.kind = EXPR_CONSTANT, .type = *type, .rep = rep_of_type(type)};
    if (!schema || (rc = schema_add(schema, "value", *type, error)) != OK ||
        (rc = table_init(&table, schema, error)) != OK) {
        rc = rc != OK ? rc : error_set(error, CODE_MEMORY, "no memory for a constant");
    } else {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
        rc = table_reserve(&table, 1, error);
        if (rc == OK && chunk)
            rc = duck_append(duckdb_data_chunk_get_vector(chunk, 0), 1, type, &table.columns[0], error);
        expr.is_null = rc == OK && (!chunk || column_is_null(&table.columns[0], 0));
        if (rc == OK && !expr.is_null)
            read_value(&table.columns[0], binder->plan, &expr);
        if (chunk)
            duckdb_destroy_data_chunk(&chunk);
        if (rc == OK)
            rc = bind_add(binder, &expr, ret, error);
    }
    table_done(&table);
    schema_unref(schema);
    duckdb_destroy_result(&result);
    return rc;
}

int bind_sql_interval(struct binder *binder, const char *sql, struct expr **ret, struct error *error)
{
    struct buffer query;
    duckdb_result result;
    buffer_init(&query, 2 * LIMIT_SQL);
    buffer_format(&query, "SELECT %s", sql);
    int rc = buffer_check(&query, "a constant", error);
    if (rc == OK)
        rc = duck_query(&binder->parsed->duck, query.data, NULL, 0, &result, error);
    buffer_done(&query);
    if (rc != OK)
        return bind_refuse(binder, NULL, CODE_INVALID, error, "%s", error ? error->message : "");
    struct expr expr = {
        .kind = EXPR_CONSTANT, .type = {.id = TYPE_INTERVAL}, .rep = REP_INTERVAL, .is_null = true};
    duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
    duckdb_vector vector = chunk ? duckdb_data_chunk_get_vector(chunk, 0) : NULL;
    uint64_t *validity = vector ? duckdb_vector_get_validity(vector) : NULL;
    if (vector && (!validity || duckdb_validity_row_is_valid(validity, 0))) {
        const duckdb_interval *interval = duckdb_vector_get_data(vector);
        expr.is_null = false;
        expr.value.interval = (struct interval){interval->months, interval->days, interval->micros};
    }
    if (chunk)
        duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&result);
    return bind_add(binder, &expr, ret, error);
}

int bind_constant(struct binder *binder, yyjson_val *bound, struct expr **ret, struct error *error)
{
    struct type type;
    int rc = bind_type_of(binder, bound, &type, error);
    if (rc == OK)
        rc = refuse_volatile(binder, bound, error);
    if (rc != OK)
        return rc;
    struct buffer sql;
    buffer_init(&sql, LIMIT_SQL);
    buffer_text(&sql, "CAST(");
    rc = parse_print(bound, NULL, &sql, error);
    if (rc != OK)
        rc = bind_refuse(binder, NULL, (enum code)rc, error, "%s", error ? error->message : "");
    buffer_text(&sql, " AS ");
    parse_print_column_type(&type, &sql);
    buffer_text(&sql, ")");
    if (rc == OK)
        rc = buffer_check(&sql, "a constant", error);
    if (rc == OK)
        rc = type.id == TYPE_INTERVAL ? bind_sql_interval(binder, sql.data, ret, error)
                                      : bind_sql_constant(binder, sql.data, &type, ret, error);
    buffer_done(&sql);
    return rc;
}

/* A DEFAULT is the same for every event. */
int bind_default(struct binder *binder, const char *fallback, const struct type *type, struct expr **ret,
                 struct error *error)
{
    struct buffer select;
    char *json = NULL;
    const char *parameter;
    buffer_init(&select, 2 * (size_t)LIMIT_SQL);
    buffer_format(&select, "SELECT %s", fallback);
    parameter = select.data;
    int rc = buffer_check(&select, "a column's DEFAULT", error);
    if (rc == OK)
        rc = duck_value(&binder->parsed->duck, "SELECT json_serialize_plan($1::VARCHAR, skip_null := true)",
                        &parameter, 1, &json, error);
    yyjson_doc *doc = json ? yyjson_read(json, strlen(json), YYJSON_READ_ALLOW_INF_AND_NAN) : NULL;
    if (rc == OK && doc)
        rc = refuse_volatile(binder, yyjson_doc_get_root(doc), error);
    if (rc == OK)
        rc = bind_sql_constant(binder, fallback, type, ret, error);
    yyjson_doc_free(doc);
    free(json);
    buffer_done(&select);
    return rc;
}
