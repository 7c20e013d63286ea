#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/units.h"
#include "table/arrow.h"
#include "table/bits.h"
#include "table/parse.h"

/* The table type of a format; CODE_UNSUPPORTED names the format. */
static int format_type(const struct ArrowSchema *arrow, struct type *ret, struct error *error)
{
    static const struct {
        const char *format;
        enum type_id id;
    } formats[] = {
        {"b", TYPE_BOOLEAN}, {"c", TYPE_INT8},   {"C", TYPE_UINT8},  {"s", TYPE_INT16},
        {"S", TYPE_UINT16},  {"i", TYPE_INT32},  {"I", TYPE_UINT32}, {"l", TYPE_INT64},
        {"L", TYPE_UINT64},  {"f", TYPE_FLOAT},  {"g", TYPE_DOUBLE}, {"u", TYPE_VARCHAR},
        {"U", TYPE_VARCHAR}, {"tdD", TYPE_DATE}, {"tdm", TYPE_DATE}, {"n", TYPE_INT32},
    };
    const char *format = arrow->dictionary ? arrow->dictionary->format : arrow->format;
    if (arrow->dictionary && strcmp(format, "u") != 0 && strcmp(format, "U") != 0)
        return error_set(error, CODE_UNSUPPORTED, "Arrow's dictionary of %s is not of text", format);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(format, formats[i].format) == 0) {
            *ret = (struct type){.id = formats[i].id};
            return OK;
        }
    }
    if (strncmp(format, "ts", 2) == 0 && format[2] && strchr("smun", format[2]) && format[3] == ':') {
        *ret = (struct type){.id = format[4] ? TYPE_TIMESTAMPTZ : TYPE_TIMESTAMP};
        return OK;
    }
    if (strncmp(format, "d:", 2) == 0) {
        char *end;
        long precision = strtol(format + 2, &end, 10);
        long scale = *end == ',' ? strtol(end + 1, &end, 10) : -1;
        bool wide = *end == 0 || strcmp(end, ",128") == 0;
        if (wide && precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision) {
            *ret =
                (struct type){.id = TYPE_DECIMAL, .precision = (uint8_t)precision, .scale = (uint8_t)scale};
            return OK;
        }
    }
    return error_set(error, CODE_UNSUPPORTED, "Arrow's format \"%s\" has no place in a table", format);
}

static int check_struct(const struct ArrowSchema *arrow, struct error *error)
{
    if (!arrow->release || !arrow->format || strcmp(arrow->format, "+s") != 0)
        return error_set(error, CODE_INVALID, "an Arrow struct (\"+s\") is expected, not \"%s\"",
                         arrow->format ? arrow->format : "");
    return OK;
}

int arrow_import_schema(const struct ArrowSchema *arrow, struct schema **ret, struct error *error)
{
    int code = check_struct(arrow, error);
    if (code != OK)
        return code;
    struct schema *schema = schema_new(0);
    if (!schema)
        return error_set(error, CODE_MEMORY, "no memory for a schema");
    for (int64_t i = 0; code == OK && i < arrow->n_children; i++) {
        const struct ArrowSchema *child = arrow->children[i];
        const char *name = child->name ? child->name : "";
        struct type type;
        code = format_type(child, &type, error);
        if (code == OK)
            code = schema_add(schema, name, type, error);
        else
            error_prefix(error, "column \"%s\"", name);
    }
    if (code == OK)
        *ret = schema;
    else
        schema_unref(schema);
    return code;
}

/* Appends n bits of a bitmap that need not be padded to whole words. */
static int append_bits(uint8_t *target, int64_t at, const uint8_t *source, int64_t from, int64_t n,
                       struct error *error)
{
    size_t first = (size_t)from / 8, size = ((size_t)from + (size_t)n + 7) / 8 - first;
    uint8_t *padded = memory_aligned(size + 8);
    if (!padded)
        return error_set(error, CODE_MEMORY, "no memory for a bitmap");
    memcpy(padded, source + first, size);
    memset(padded + size, 0, 8);
    bits_copy(target, at, padded, from % 8, n);
    free(padded);
    return OK;
}

static int import_validity(const struct ArrowArray *array, int64_t from, int64_t n, struct column *column,
                           struct error *error)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;
    if (!bits || array->null_count == 0 || n == 0)
        return OK;
    int code = append_bits(column->validity, 0, bits, from, n, error);
    if (code == OK)
        column->nulls = n - bits_count(column->validity, 0, n);
    return code;
}

/* Text of one string; a large string has 64-bit offsets. */
static const char *text_at(const struct ArrowSchema *arrow, const struct ArrowArray *array, int64_t i,
                           size_t *ret_size)
{
    const char *bytes = array->buffers[2];
    int64_t from, to;
    i += array->offset;
    if (arrow->format[0] == 'U') {
        const int64_t *offsets = array->buffers[1];
        from = offsets[i];
        to = offsets[i + 1];
    } else {
        const int32_t *offsets = array->buffers[1];
        from = offsets[i];
        to = offsets[i + 1];
    }
    *ret_size = to > from ? (size_t)(to - from) : 0;
    return bytes ? bytes + from : "";
}

static int64_t index_at(const struct ArrowSchema *arrow, const struct ArrowArray *array, int64_t i)
{
    const void *data = array->buffers[1];
    switch (arrow->format[0]) {
    case 'c':
        return ((const int8_t *)data)[i];
    case 'C':
        return ((const uint8_t *)data)[i];
    case 's':
        return ((const int16_t *)data)[i];
    case 'S':
        return ((const uint16_t *)data)[i];
    case 'i':
        return ((const int32_t *)data)[i];
    case 'I':
        return ((const uint32_t *)data)[i];
    case 'l':
    case 'L':
        return ((const int64_t *)data)[i];
    default:
        return -1;
    }
}

/* Text goes in by value: codes of a dictionary that is not ours are looked up. */
static int import_text(const struct ArrowSchema *arrow, const struct ArrowArray *array, int64_t from,
                       int64_t n, struct column *column, struct error *error)
{
    static const struct type varchar = {.id = TYPE_VARCHAR};
    const uint8_t *bits = array->null_count && array->n_buffers > 0 ? array->buffers[0] : NULL;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = from + i;
        size_t size;
        const char *text = NULL;
        if (bits && !bits_get(bits, at)) {
            column_append_null(column, &varchar);
            continue;
        }
        if (arrow->dictionary) {
            int64_t index = index_at(arrow, array, at);
            const struct ArrowArray *values = array->dictionary;
            if (index < 0 || index >= values->length)
                return error_set(error, CODE_INVALID, "index %lld lies outside a dictionary of %lld",
                                 (long long)index, (long long)values->length);
            const uint8_t *present = values->null_count && values->n_buffers > 0 ? values->buffers[0] : NULL;
            if (!present || bits_get(present, index + values->offset))
                text = text_at(arrow->dictionary, values, index, &size);
        } else {
            text = text_at(arrow, array, at - array->offset, &size);
        }
        int code = OK;
        if (text)
            code = column_append_text(column, text, size, error);
        else
            column_append_null(column, &varchar);
        if (code != OK)
            return code;
    }
    return OK;
}

/* Microseconds from seconds, milliseconds, microseconds or nanoseconds. */
static int import_times(char unit, const int64_t *values, int64_t n, struct column *column,
                        struct error *error)
{
    int64_t *places = column->data, factor = unit == 's' ? SECOND_US : unit == 'm' ? 1000 : 1;
    for (int64_t i = 0; i < n; i++) {
        if (unit == 'n') {
            places[i] = values[i] / 1000 - (values[i] % 1000 < 0);
        } else if (__builtin_mul_overflow(values[i], factor, &places[i])) {
            places[i] = 0;
            if (column_is_null(column, i))
                continue;
            error_set(error, CODE_INVALID, "a time is out of range: %lld", (long long)values[i]);
            error_at(error, NULL, i + 1, 0);
            return CODE_INVALID;
        }
    }
    return OK;
}

/* An array that lacks a buffer or a dictionary that its format asks for. */
static int check_buffers(const struct ArrowSchema *arrow, const struct ArrowArray *array, struct error *error)
{
    const char *format = arrow->format;
    int64_t expected = strcmp(format, "n") == 0 ? 0 : *format == 'u' || *format == 'U' ? 3 : 2;
    if (array->n_buffers < expected)
        return error_set(error, CODE_INVALID, "has %lld Arrow buffers, its format \"%s\" needs %lld",
                         (long long)array->n_buffers, format, (long long)expected);
    if (!arrow->dictionary)
        return OK;
    if (!array->dictionary)
        return error_set(error, CODE_INVALID, "has indices but no dictionary");
    return check_buffers(arrow->dictionary, array->dictionary, error);
}

/* Fills an empty column with rows [from, from + n), counted in the array's buffers. */
static int import_column(const struct ArrowSchema *arrow, const struct ArrowArray *array, int64_t from,
                         int64_t n, const struct type *type, struct column *column, struct error *error)
{
    int code = check_buffers(arrow, array, error);
    if (code == OK)
        code = column_reserve(column, type, n, error);
    if (code != OK || n == 0)
        return code;
    if (type->id == TYPE_VARCHAR)
        return import_text(arrow, array, from, n, column, error);
    if (strcmp(arrow->format, "n") == 0) {
        for (int64_t i = 0; i < n; i++)
            column_append_null(column, type);
        return OK;
    }
    code = import_validity(array, from, n, column, error);
    if (code != OK)
        return code;
    column->length = n;
    const char *data = array->buffers[1];
    if (type->id == TYPE_BOOLEAN)
        return append_bits(column->data, 0, array->buffers[1], from, n, error);
    if (type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMPTZ)
        return import_times(arrow->format[2], (const int64_t *)data + from, n, column, error);
    if (strcmp(arrow->format, "tdm") == 0) {
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)column->data)[i] = (int32_t)(((const int64_t *)data)[from + i] / (DAY_US / 1000));
        return OK;
    }
    size_t width = type_width(type->id);
    memcpy(column->data, data + (size_t)from * width, (size_t)n * width);
    return OK;
}

static int import_field(const struct ArrowSchema *arrow, const struct ArrowArray *array, int64_t from,
                        int64_t n, enum time_unit unit, const struct type *wanted, struct column *target,
                        int64_t *unknown_enums, struct error *error)
{
    struct type type;
    struct column column = {0};
    int code = format_type(arrow, &type, error);
    if (code != OK)
        return code;
    const char *reason = convert_reason(&type, wanted, unit, false);
    if (reason) {
        char is[64], expected[64];
        return error_set(error, CODE_INVALID, "is %s, where %s is expected: %s",
                         type_text(&type, is, sizeof is), type_text(wanted, expected, sizeof expected),
                         reason);
    }
    if (array->length < from + n)
        return error_set(error, CODE_INVALID, "has %lld rows, fewer than the struct's %lld",
                         (long long)array->length, (long long)(from + n));
    code = import_column(arrow, array, from + array->offset, n, &type, &column, error);
    if (code == OK && type_equal(&type, wanted)) {
        struct schema schema = {.n = 1, .fields = &(struct field){.type = *wanted}};
        struct table whole = {.schema = &schema, .columns = &column, .length = n};
        struct table into = {.schema = &schema, .columns = target, .length = target->length};
        code = table_append(&into, &whole, 0, n, error);
    } else if (code == OK) {
        code = convert_append(&column, &type, target, wanted, unit, unknown_enums, error);
    }
    free(column.validity);
    free(column.data);
    free(column.offsets);
    return code;
}

/* A null count of -1 is one that nobody has counted. */
static bool has_null_rows(const struct ArrowArray *array)
{
    const uint8_t *bits = array->null_count != 0 && array->n_buffers > 0 ? array->buffers[0] : NULL;
    for (int64_t i = 0; bits && i < array->length; i++) {
        if (!bits_get(bits, array->offset + i))
            return true;
    }
    return false;
}

int arrow_import(const struct ArrowSchema *arrow, const struct ArrowArray *array, enum time_unit time_unit,
                 struct table *table, int64_t *unknown_enums, struct error *error)
{
    int code = check_struct(arrow, error);
    if (code == OK && (!array->release || array->n_children != arrow->n_children))
        code = error_set(error, CODE_INVALID, "the Arrow array does not have the %lld columns of its schema",
                         (long long)arrow->n_children);
    if (code == OK && has_null_rows(array))
        code = error_set(error, CODE_INVALID, "the Arrow struct has rows that are NULL as a whole");
    for (int i = 0; code == OK && i < table->schema->n; i++) {
        const struct field *field = &table->schema->fields[i];
        struct column *target = &table->columns[i];
        int64_t k = 0;
        while (k < arrow->n_children &&
               (!arrow->children[k]->name || strcasecmp(arrow->children[k]->name, field->name) != 0))
            k++;
        if (k < arrow->n_children) {
            code = import_field(arrow->children[k], array->children[k], array->offset, array->length,
                                time_unit, &field->type, target, unknown_enums, error);
        } else if (field->optional) {
            code = column_reserve(target, &field->type, table->length + array->length, error);
            for (int64_t row = 0; code == OK && row < array->length; row++)
                column_append_null(target, &field->type);
        } else {
            code = error_set(error, CODE_INVALID, "is not among the Arrow columns");
        }
        if (code != OK)
            error_prefix(error, "column \"%s\"", field->name);
    }
    for (int i = 0; code != OK && i < table->schema->n; i++) {
        if (table->columns[i].length > table->length)
            column_truncate(&table->columns[i], &table->schema->fields[i].type, table->length);
    }
    if (code == OK)
        table->length += array->length;
    return code;
}
