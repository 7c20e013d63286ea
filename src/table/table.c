#include "table/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/bits.h"

static const struct {
    const char *name;
    size_t width;
} types[TYPE_INTERVAL + 1] = {
    [TYPE_BOOLEAN] = {"BOOLEAN", 0},
    [TYPE_INT8] = {"TINYINT", 1},
    [TYPE_INT16] = {"SMALLINT", 2},
    [TYPE_INT32] = {"INTEGER", 4},
    [TYPE_INT64] = {"BIGINT", 8},
    [TYPE_UINT8] = {"UTINYINT", 1},
    [TYPE_UINT16] = {"USMALLINT", 2},
    [TYPE_UINT32] = {"UINTEGER", 4},
    [TYPE_UINT64] = {"UBIGINT", 8},
    [TYPE_HUGEINT] = {"HUGEINT", 16},
    [TYPE_FLOAT] = {"FLOAT", 4},
    [TYPE_DOUBLE] = {"DOUBLE", 8},
    [TYPE_DECIMAL] = {"DECIMAL", 16},
    [TYPE_VARCHAR] = {"VARCHAR", 0},
    [TYPE_DATE] = {"DATE", 4},
    [TYPE_TIMESTAMP] = {"TIMESTAMP", 8},
    [TYPE_TIMESTAMPTZ] = {"TIMESTAMP WITH TIME ZONE", 8},
    [TYPE_ENUM] = {"ENUM", 4},
    [TYPE_INTERVAL] = {"INTERVAL", 16},
};

size_t type_width(enum type_id id)
{
    assert(id <= TYPE_INTERVAL && id != TYPE_COUNT);
    return types[id].width;
}

bool type_is_integer(enum type_id id)
{
    return id >= TYPE_INT8 && id <= TYPE_HUGEINT;
}

static bool dictionaries_equal(const struct dictionary *a, const struct dictionary *b)
{
    if (a == b)
        return true;
    if (!a || !b || dictionary_size(a) != dictionary_size(b))
        return false;
    for (int32_t code = 0; code < dictionary_size(a); code++) {
        size_t size, size_b;
        const char *text = dictionary_text(a, code, &size), *text_b = dictionary_text(b, code, &size_b);
        if (size != size_b || (size && memcmp(text, text_b, size) != 0))
            return false;
    }
    return true;
}

bool type_equal(const struct type *a, const struct type *b)
{
    if (a->id != b->id)
        return false;
    if (a->id == TYPE_DECIMAL)
        return a->precision == b->precision && a->scale == b->scale;
    return a->id != TYPE_ENUM || dictionaries_equal(a->values, b->values);
}

static void enum_text(const struct dictionary *values, struct buffer *out)
{
    buffer_text(out, "ENUM(");
    for (int32_t code = 0; values && code < dictionary_size(values); code++) {
        size_t size;
        const char *value = dictionary_text(values, code, &size);
        buffer_text(out, code ? ", '" : "'");
        for (size_t i = 0; i < size; i++) {
            buffer_append(out, &value[i], 1);
            if (value[i] == '\'')
                buffer_append(out, "'", 1);
        }
        buffer_append(out, "'", 1);
    }
    buffer_append(out, ")", 1);
}

const char *type_text(const struct type *type, char *text, size_t size)
{
    assert(size > 0);
    if (type->id == TYPE_DECIMAL) {
        snprintf(text, size, "DECIMAL(%d,%d)", type->precision, type->scale);
    } else if (type->id == TYPE_ENUM) {
        struct buffer out;
        buffer_init(&out, LIMIT_SQL);
        enum_text(type->values, &out);
        snprintf(text, size, "%s", out.data ? out.data : "ENUM");
        if ((out.failed || out.size >= size) && size > 4)
            memcpy(text + strlen(text) - 3, "...", 3);
        buffer_done(&out);
    } else {
        snprintf(text, size, "%s", types[type->id].name);
    }
    return text;
}

struct schema *schema_new(int n)
{
    if (n < 0 || n > LIMIT_COLUMNS)
        return NULL;
    struct schema *schema = memory_new(1, sizeof *schema);
    if (!schema)
        return NULL;
    schema->fields = memory_new((size_t)n, sizeof *schema->fields);
    if (!schema->fields) {
        free(schema);
        return NULL;
    }
    schema->references = 1;
    schema->n = n;
    return schema;
}

struct schema *schema_ref(struct schema *schema)
{
    __atomic_add_fetch(&schema->references, 1, __ATOMIC_RELAXED);
    return schema;
}

void schema_unref(struct schema *schema)
{
    if (!schema || __atomic_sub_fetch(&schema->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (int i = 0; i < schema->n; i++) {
        free(schema->fields[i].name);
        dictionary_unref(schema->fields[i].type.values);
    }
    free(schema->fields);
    free(schema);
}

int schema_find(const struct schema *schema, const char *name)
{
    for (int i = 0; i < schema->n; i++) {
        if (strcasecmp(schema->fields[i].name, name) == 0)
            return i;
    }
    return -1;
}

int schema_add(struct schema *schema, const char *name, struct type type, struct error *error)
{
    if (schema->n >= LIMIT_COLUMNS)
        return error_set(error, CODE_LIMIT, "more than %d columns", LIMIT_COLUMNS);
    if (strlen(name) > LIMIT_NAME)
        return error_set(error, CODE_LIMIT, "the column name \"%.40s...\" is longer than %d bytes", name,
                         LIMIT_NAME);
    struct field *fields = realloc(schema->fields, ((size_t)schema->n + 1) * sizeof *fields);
    if (fields)
        schema->fields = fields;
    char *copy = fields ? memory_text(name, strlen(name)) : NULL;
    if (!copy)
        return error_set(error, CODE_MEMORY, "no memory for a schema");
    if (type.values)
        dictionary_ref(type.values);
    fields[schema->n++] = (struct field){.name = copy, .type = type};
    return OK;
}

int table_init(struct table *table, struct schema *schema, struct error *error)
{
    struct column *columns = memory_new((size_t)schema->n, sizeof *columns);
    if (!columns)
        return error_set(error, CODE_MEMORY, "no memory for a table of %d columns", schema->n);
    *table = (struct table){.schema = schema_ref(schema), .columns = columns};
    table_clear(table);
    return OK;
}

int table_init_lent(struct table *table, struct schema *schema, struct error *error)
{
    struct column *columns = memory_new((size_t)schema->n, sizeof *columns);
    if (!columns)
        return error_set(error, CODE_MEMORY, "no memory for a table of %d columns", schema->n);
    *table = (struct table){.schema = schema_ref(schema), .columns = columns};
    return OK;
}

void table_done_lent(struct table *table)
{
    free(table->columns);
    schema_unref(table->schema);
    *table = (struct table){0};
}

void table_done(struct table *table)
{
    for (int i = 0; table->columns && i < table->schema->n; i++) {
        struct column *column = &table->columns[i];
        free(column->validity);
        free(column->data);
        free(column->offsets);
        dictionary_unref(column->dictionary);
    }
    free(table->columns);
    schema_unref(table->schema);
    *table = (struct table){0};
}

void table_clear(struct table *table)
{
    table->length = 0;
    for (int i = 0; i < table->schema->n; i++) {
        struct column *column = &table->columns[i];
        struct dictionary *values = table->schema->fields[i].type.values;
        column->length = column->nulls = 0;
        column->data_size = 0;
        if (column->dictionary != values) {
            dictionary_unref(column->dictionary);
            column->dictionary = values ? dictionary_ref(values) : NULL;
        }
    }
}

int table_reserve(struct table *table, int64_t n, struct error *error)
{
    if (n <= table->reserved)
        return OK;
    for (int i = 0; i < table->schema->n; i++) {
        int code = column_reserve(&table->columns[i], &table->schema->fields[i].type, n, error);
        if (code != OK)
            return code;
    }
    for (int i = 0; i < table->schema->n; i++)
        if (table->schema->fields[i].type.id == TYPE_VARCHAR)
            return OK;
    table->reserved = n;
    return OK;
}

static int append_plain(struct column *target, const struct column *source, int64_t from, int64_t n,
                        struct error *error)
{
    int32_t start = n ? source->offsets[from] : 0;
    size_t size = n ? (size_t)(source->offsets[from + n] - start) : 0;
    int code = column_reserve_bytes(target, target->data_size + size, error);
    if (code != OK)
        return code;
    if (size)
        memcpy((char *)target->data + target->data_size, (const char *)source->data + start, size);
    int32_t shift = (int32_t)target->data_size - start;
    for (int64_t i = 0; i < n; i++)
        target->offsets[target->length + i + 1] = source->offsets[from + i + 1] + shift;
    target->data_size += size;
    column_append_validity(target, source, from, n);
    target->length += n;
    return OK;
}

/* Text row by row: dictionaries that differ, or a plain column on one side. ENUM values must be among the
 * target's. */
static int append_texts(struct column *target, const struct type *type, const struct column *source,
                        int64_t from, int64_t n, struct error *error)
{
    if (type->id == TYPE_VARCHAR && target->dictionary && dictionary_is_shared(target->dictionary)) {
        struct dictionary *copy = dictionary_copy(target->dictionary);
        if (!copy)
            return error_set(error, CODE_MEMORY, "no memory for a dictionary");
        dictionary_unref(target->dictionary);
        target->dictionary = copy;
    }
    for (int64_t i = from; i < from + n; i++) {
        if (column_is_null(source, i)) {
            column_append_null(target, type);
            continue;
        }
        size_t size;
        const char *text = column_text(source, i, &size);
        int32_t value = -1;
        if (type->id == TYPE_ENUM)
            value = dictionary_find(target->dictionary, text, size);
        else if (target->dictionary)
            value = dictionary_add(target->dictionary, text, size);
        if (value >= 0) {
            column_append_int(target, type, value);
            continue;
        }
        if (type->id == TYPE_ENUM)
            return error_set(error, CODE_INVALID, "\"%.*s\" is not a value of the target's ENUM", (int)size,
                             text);
        bool was_coded = target->dictionary;
        int code = column_append_text(target, text, size, error);
        if (code == OK && was_coded)
            code = column_reserve(target, type, target->length + from + n - i, error);
        if (code != OK)
            return code;
    }
    return OK;
}

static int append_column(struct column *target, const struct type *type, const struct column *source,
                         int64_t from, int64_t n, struct error *error)
{
    bool text = type->id == TYPE_VARCHAR;
    if (text && target->length == 0 && source->dictionary) {
        dictionary_ref(source->dictionary);
        dictionary_unref(target->dictionary);
        target->dictionary = source->dictionary;
    }
    int code = column_reserve(target, type, target->length + n, error);
    if (code != OK)
        return code;
    if (text && !target->dictionary && !source->dictionary)
        return append_plain(target, source, from, n, error);
    if ((text || type->id == TYPE_ENUM) && target->dictionary != source->dictionary)
        return append_texts(target, type, source, from, n, error);
    if (type->id == TYPE_BOOLEAN) {
        bits_copy(target->data, target->length, source->data, from, n);
    } else {
        size_t width = text ? sizeof(int32_t) : type_width(type->id);
        if (n)
            memcpy((char *)target->data + (size_t)target->length * width,
                   (const char *)source->data + (size_t)from * width, (size_t)n * width);
    }
    column_append_validity(target, source, from, n);
    target->length += n;
    return OK;
}

int table_append(struct table *table, const struct table *source, int64_t from, int64_t n,
                 struct error *error)
{
    assert(table != source && table->schema->n == source->schema->n);
    assert(from >= 0 && n >= 0 && from + n <= source->length);
    for (int i = 0; i < table->schema->n; i++) {
        const struct type *type = &table->schema->fields[i].type;
        assert(type->id == source->schema->fields[i].type.id);
        int code = append_column(&table->columns[i], type, &source->columns[i], from, n, error);
        if (code != OK) {
            for (int k = 0; k <= i; k++)
                column_truncate(&table->columns[k], &table->schema->fields[k].type, table->length);
            return code;
        }
    }
    table->length += n;
    return OK;
}
