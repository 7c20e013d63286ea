#include "table/json_rows.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <yyjson.h>

#include "base/limits.h"
#include "table/parse.h"

/*
 * A line is copied into `text` and parsed in place; yyjson's nodes come from `pool`. Both are sized for the
 * longest line so far. Keys mostly come in the same order on every line: `order` remembers which column the
 * k-th key was, `slots` is the open hash table (column + 1) for keys that come elsewhere.
 */
struct json_rows {
    struct schema *schema;
    enum time_unit time_unit;
    int64_t unknown_enums;
    size_t *name_sizes;
    int *order;
    int *slots;
    size_t n_slots;
    bool *seen;          /* by any line: one per column */
    yyjson_val **values; /* of the line: one per column */
    char *text;
    size_t text_capacity;
    char *pool;
    size_t pool_capacity;
};

static const yyjson_read_flag flags = YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW;

static size_t hash_name(const char *name, size_t size)
{
    uint64_t h = size;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint64_t)tolower((unsigned char)name[i])) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32);
}

static bool is_name(const struct json_rows *rows, int column, const char *key, size_t size)
{
    return rows->name_sizes[column] == size && strncasecmp(rows->schema->fields[column].name, key, size) == 0;
}

/* The column of a key, or -1. */
static int find_column(const struct json_rows *rows, const char *key, size_t size)
{
    size_t mask = rows->n_slots - 1;
    for (size_t slot = hash_name(key, size) & mask; rows->slots[slot]; slot = (slot + 1) & mask) {
        if (is_name(rows, rows->slots[slot] - 1, key, size))
            return rows->slots[slot] - 1;
    }
    return -1;
}

int json_rows_new(struct schema *schema, enum time_unit time_unit, struct json_rows **ret,
                  struct error *error)
{
    struct json_rows *rows = memory_new(1, sizeof *rows);
    if (!rows)
        return error_set(error, CODE_MEMORY, "no memory for JSON rows");
    size_t n = (size_t)schema->n;
    rows->schema = schema_ref(schema);
    rows->time_unit = time_unit;
    rows->n_slots = 16;
    while (rows->n_slots < n * 4)
        rows->n_slots *= 2;
    rows->name_sizes = memory_new(n, sizeof *rows->name_sizes);
    rows->order = memory_new(n, sizeof *rows->order);
    rows->slots = memory_new(rows->n_slots, sizeof *rows->slots);
    rows->values = memory_new(n, sizeof(yyjson_val *));
    rows->seen = memory_new(n, sizeof *rows->seen);
    if (!rows->seen || !rows->name_sizes || !rows->order || !rows->slots || !rows->values) {
        json_rows_free(rows);
        return error_set(error, CODE_MEMORY, "no memory for JSON rows");
    }
    for (int i = 0; i < schema->n; i++) {
        const char *name = schema->fields[i].name;
        rows->name_sizes[i] = strlen(name);
        rows->order[i] = i;
        size_t slot = hash_name(name, rows->name_sizes[i]) & (rows->n_slots - 1);
        while (rows->slots[slot])
            slot = (slot + 1) & (rows->n_slots - 1);
        rows->slots[slot] = i + 1;
    }
    *ret = rows;
    return OK;
}

void json_rows_free(struct json_rows *rows)
{
    if (!rows)
        return;
    schema_unref(rows->schema);
    free(rows->name_sizes);
    free(rows->order);
    free(rows->slots);
    free(rows->values);
    free(rows->seen);
    free(rows->text);
    free(rows->pool);
    free(rows);
}

int64_t json_rows_unknown_enums(const struct json_rows *rows)
{
    return rows->unknown_enums;
}

bool json_rows_seen(const struct json_rows *rows, int column)
{
    return rows->seen[column];
}

/* Parses the line into rows->values. */
static int read_object(struct json_rows *rows, const char *line, size_t size, struct error *error)
{
    if (size > LIMIT_JSON_LINE)
        return error_set(error, CODE_LIMIT, "a line of %zu bytes is longer than %d", size, LIMIT_JSON_LINE);
    size_t pool = yyjson_read_max_memory_usage(size, flags);
    if (!memory_grow(&rows->text, &rows->text_capacity, size + YYJSON_PADDING_SIZE, 1) ||
        !memory_grow(&rows->pool, &rows->pool_capacity, pool, 1))
        return error_set(error, CODE_MEMORY, "no memory for a line of %zu bytes", size);
    memcpy(rows->text, line, size);
    memset(rows->text + size, 0, YYJSON_PADDING_SIZE);
    yyjson_alc allocator;
    yyjson_read_err broken;
    yyjson_alc_pool_init(&allocator, rows->pool, rows->pool_capacity);
    yyjson_doc *document = yyjson_read_opts(rows->text, size, flags, &allocator, &broken);
    if (!document) {
        error_set(error, CODE_INVALID, "broken JSON: %s", broken.msg);
        error_at(error, NULL, 0, (int64_t)broken.pos + 1);
        return CODE_INVALID;
    }
    yyjson_val *root = yyjson_doc_get_root(document);
    if (!yyjson_is_obj(root))
        return error_set(error, CODE_INVALID, "an object {...} is expected, not %s",
                         yyjson_get_type_desc(root));
    memset(rows->values, 0, (size_t)rows->schema->n * sizeof(yyjson_val *));
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        const char *name = yyjson_get_str(key);
        size_t name_size = yyjson_get_len(key);
        int column = i < (size_t)rows->schema->n ? rows->order[i] : -1;
        if (column < 0 || !is_name(rows, column, name, name_size)) {
            column = find_column(rows, name, name_size);
            if (column >= 0 && i < (size_t)rows->schema->n)
                rows->order[i] = column;
        }
        if (column >= 0) {
            rows->values[column] = value;
            rows->seen[column] = true;
        }
    }
    return OK;
}

static int refuse(const struct field *field, yyjson_val *value, const char *reason, struct error *error)
{
    char wanted[64], shown[80] = "";
    const char *text = yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value);
    type_text(&field->type, wanted, sizeof wanted);
    if (text && !(field->roles & ROLE_SECRET))
        snprintf(shown, sizeof shown, " %s%.60s%s%s", yyjson_is_raw(value) ? "" : "\"", text,
                 strlen(text) > 60 ? "..." : "", yyjson_is_raw(value) ? "" : "\"");
    return error_set(error, CODE_INVALID, "\"%s\": the value%s %s (%s expected)", field->name, shown, reason,
                     wanted);
}

static bool takes_text(enum type_id id)
{
    return type_is_integer(id) || id == TYPE_DECIMAL || id == TYPE_DATE || id == TYPE_TIMESTAMP ||
           id == TYPE_TIMESTAMPTZ || id == TYPE_ENUM;
}

static int append_value(struct json_rows *rows, int i, struct column *column, struct error *error)
{
    const struct field *field = &rows->schema->fields[i];
    const struct type *type = &field->type;
    yyjson_val *json = rows->values[i];
    struct value value;
    const char *reason;
    if (!json || yyjson_is_null(json)) {
        column_append_null(column, type);
        return OK;
    }
    if (yyjson_is_raw(json)) {
        reason = parse_number(type, rows->time_unit, yyjson_get_raw(json), yyjson_get_len(json), &value);
    } else if (yyjson_is_bool(json)) {
        bool number = type->id == TYPE_BOOLEAN || type_is_integer(type->id);
        reason = number ? parse_number(type, TIME_UNIT_NONE, yyjson_get_bool(json) ? "1" : "0", 1, &value)
                        : "is true or false";
    } else if (yyjson_is_str(json) && type->id == TYPE_VARCHAR) {
        int code = column_append_text(column, yyjson_get_str(json), yyjson_get_len(json), error);
        if (code != OK)
            error_prefix(error, "\"%s\"", field->name);
        return code;
    } else if (yyjson_is_str(json) && takes_text(type->id)) {
        reason = parse_value(type, rows->time_unit, yyjson_get_str(json), yyjson_get_len(json), &value);
    } else {
        reason = yyjson_is_str(json) ? "is text" : yyjson_is_arr(json) ? "is an array" : "is an object";
    }
    if (reason == parse_not_in_enum) {
        rows->unknown_enums++;
        column_append_null(column, type);
        return OK;
    }
    if (reason)
        return refuse(field, json, reason, error);
    value_append(column, type, &value);
    return OK;
}

int json_rows_parse(struct json_rows *rows, const char *line, size_t size, struct table *table,
                    struct error *error)
{
    int64_t unknown = rows->unknown_enums;
    int code = read_object(rows, line, size, error);
    if (code == OK)
        code = table_reserve(table, table->length + 1, error);
    if (code != OK)
        return code;
    for (int i = 0; i < rows->schema->n; i++) {
        code = append_value(rows, i, &table->columns[i], error);
        if (code == OK)
            continue;
        for (int k = 0; k < i; k++)
            column_truncate(&table->columns[k], &rows->schema->fields[k].type, table->length);
        rows->unknown_enums = unknown;
        return code;
    }
    table->length++;
    return OK;
}
