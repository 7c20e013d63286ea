#include "table/packed.h"

#include <string.h>

#include "table/bits.h"

static size_t bit_bytes(int64_t n)
{
    return ((size_t)n + 7) / 8;
}

/* Bits [from, from + n) of a bitmap, from the first bit on. */
static void write_bits(const uint8_t *bits, int64_t from, int64_t n, struct buffer *out)
{
    if (from % 8 == 0) {
        size_t whole = (size_t)n / 8;
        buffer_append(out, (const char *)bits + from / 8, whole);
        if (n % 8) {
            char last = (char)(bits[from / 8 + (int64_t)whole] & ((1 << n % 8) - 1));
            buffer_append(out, &last, 1);
        }
        return;
    }
    for (int64_t i = 0; i < n; i += 8) {
        unsigned byte = 0;
        for (int64_t j = 0; j < 8 && i + j < n; j++)
            byte |= (unsigned)bits_get(bits, from + i + j) << j;
        char one = (char)byte;
        buffer_append(out, &one, 1);
    }
}

static void write_texts(const struct column *column, int64_t from, int64_t n, struct buffer *out)
{
    for (int64_t i = from; i < from + n; i++) {
        size_t size = 0;
        if (!column_is_null(column, i))
            column_text(column, i, &size);
        uint32_t narrow = (uint32_t)size;
        buffer_append(out, (const char *)&narrow, sizeof narrow);
    }
    for (int64_t i = from; i < from + n; i++) {
        size_t size = 0;
        if (column_is_null(column, i))
            continue;
        const char *text = column_text(column, i, &size);
        buffer_append(out, text, size);
    }
}

/* What lies under a NULL is 0, so that equal rows are equal bytes. */
static void write_values(const struct column *column, size_t width, int64_t from, int64_t n,
                         struct buffer *out)
{
    size_t at = out->size;
    buffer_append(out, (const char *)column->data + (size_t)from * width, (size_t)n * width);
    for (int64_t i = 0; column->nulls && !out->failed && i < n; i++)
        if (column_is_null(column, from + i))
            memset(out->data + at + (size_t)i * width, 0, width);
}

static void write_booleans(const struct column *column, int64_t from, int64_t n, struct buffer *out)
{
    size_t at = out->size;
    write_bits(column->data, from, n, out);
    for (int64_t i = 0; column->nulls && !out->failed && i < n; i++)
        if (column_is_null(column, from + i))
            bits_put((uint8_t *)out->data + at, i, false);
}

void packed_write(const struct table *table, int64_t from, int64_t n, struct buffer *out)
{
    uint32_t rows = (uint32_t)n;
    buffer_append(out, (const char *)&rows, sizeof rows);
    for (int c = 0; c < table->schema->n; c++) {
        const struct column *column = &table->columns[c];
        const struct type *type = &table->schema->fields[c].type;
        /* Of these rows alone: what a row's bytes are does not depend on others. */
        char nulls = column->nulls > 0 && bits_count(column->validity, from, n) < n;
        buffer_append(out, &nulls, 1);
        if (nulls)
            write_bits(column->validity, from, n, out);
        if (type->id == TYPE_VARCHAR)
            write_texts(column, from, n, out);
        else if (type->id == TYPE_BOOLEAN)
            write_booleans(column, from, n, out);
        else
            write_values(column, type_width(type->id), from, n, out);
    }
}

/* What is left of the bytes. */
struct rest {
    const char *data;
    size_t size;
};

static const char *take(struct rest *rest, size_t n)
{
    if (n > rest->size)
        return NULL;
    const char *data = rest->data;
    rest->data += n;
    rest->size -= n;
    return data;
}

static int short_of(const struct field *field, struct error *error)
{
    return error_set(error, CODE_CORRUPT, "the packed rows end within column %s", field->name);
}

static int read_nulls(struct rest *rest, const struct field *field, int64_t n, struct column *column,
                      struct error *error)
{
    const char *nulls = take(rest, 1);
    if (!nulls || (*nulls != 0 && *nulls != 1))
        return nulls ? error_set(error, CODE_CORRUPT, "no column of packed rows begins where %s should",
                                 field->name)
                     : short_of(field, error);
    if (!*nulls || n == 0)
        return OK;
    const char *bits = take(rest, bit_bytes(n));
    if (!bits)
        return short_of(field, error);
    memcpy(column->validity, bits, bit_bytes(n));
    for (int64_t i = 0; i < n; i++)
        column->nulls += !bits_get(column->validity, i);
    return OK;
}

static int read_texts(struct rest *rest, const struct field *field, int64_t n, struct column *column,
                      struct error *error)
{
    const char *sizes = take(rest, (size_t)n * sizeof(uint32_t));
    uint64_t total = 0;
    if (!sizes)
        return short_of(field, error);
    column->offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t size;
        memcpy(&size, sizes + i * 4, sizeof size);
        total += size;
        if (total > rest->size || total > INT32_MAX)
            return short_of(field, error);
        column->offsets[i + 1] = (int32_t)total;
    }
    int rc = column_reserve_bytes(column, (size_t)total, error);
    if (rc != OK)
        return rc;
    memcpy(column->data, take(rest, (size_t)total), (size_t)total);
    column->data_size = (size_t)total;
    return OK;
}

static int check_codes(const struct field *field, const struct column *column, int64_t n, struct error *error)
{
    int32_t most = dictionary_size(field->type.values);
    const int32_t *codes = column->data;
    for (int64_t i = 0; i < n; i++)
        if (!column_is_null(column, i) && (codes[i] < 0 || codes[i] >= most))
            return error_set(error, CODE_CORRUPT, "%s has code %d; its ENUM has %d values", field->name,
                             codes[i], most);
    return OK;
}

static int read_column(struct rest *rest, const struct field *field, int64_t n, struct column *column,
                       struct error *error)
{
    int rc = read_nulls(rest, field, n, column, error);
    if (rc != OK)
        return rc;
    if (field->type.id == TYPE_VARCHAR) {
        rc = read_texts(rest, field, n, column, error);
    } else {
        size_t size = field->type.id == TYPE_BOOLEAN ? bit_bytes(n) : (size_t)n * type_width(field->type.id);
        const char *data = take(rest, size);
        if (!data)
            return short_of(field, error);
        memcpy(column->data, data, size);
        if (field->type.id == TYPE_ENUM)
            rc = check_codes(field, column, n, error);
    }
    column->length = rc == OK ? n : 0;
    return rc;
}

int packed_read(const void *data, size_t size, int64_t most_rows, struct table *ret, size_t *ret_used,
                struct error *error)
{
    struct rest rest = {data, size};
    uint32_t rows;
    const char *head = take(&rest, sizeof rows);
    table_clear(ret);
    if (!head)
        return error_set(error, CODE_CORRUPT, "packed rows are missing");
    memcpy(&rows, head, sizeof rows);
    if (rows > most_rows)
        return error_set(error, CODE_CORRUPT, "%u packed rows, at most %lld were expected", rows,
                         (long long)most_rows);
    /* Also where there are none: texts begin at an offset. */
    int rc = table_reserve(ret, rows ? rows : 1, error);
    for (int c = 0; rc == OK && c < ret->schema->n; c++)
        rc = read_column(&rest, &ret->schema->fields[c], rows, &ret->columns[c], error);
    if (rc != OK) {
        table_clear(ret);
        return rc;
    }
    ret->length = rows;
    *ret_used = size - rest.size;
    return OK;
}
