#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/bits.h"
#include "table/table.h"

enum { PAD = 64 };

/* Grows an aligned block to at least `need` bytes, keeping its first `used`. */
static bool block_grow(void *block, size_t *capacity, size_t need, size_t used)
{
    if (need <= *capacity)
        return true;
    size_t wanted = *capacity > SIZE_MAX / 4 ? need : *capacity * 2;
    if (wanted < need)
        wanted = need;
    wanted = (wanted + PAD - 1) / PAD * PAD;
    void *old, *grown = memory_aligned(wanted);
    if (!grown)
        return false;
    memcpy(&old, block, sizeof old);
    if (used)
        memcpy(grown, old, used);
    free(old);
    memcpy(block, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

static size_t bitmap_bytes(int64_t n)
{
    return ((size_t)n + 63) / 64 * 8;
}

static bool is_plain(const struct column *column, const struct type *type)
{
    return type->id == TYPE_VARCHAR && !column->dictionary;
}

int column_reserve(struct column *column, const struct type *type, int64_t n, struct error *error)
{
    if (n < 0 || n > INT32_MAX)
        return error_set(error, CODE_LIMIT, "a column holds at most %d rows, %lld were asked for", INT32_MAX,
                         (long long)n);
    size_t rows = (size_t)n, used = (size_t)column->length;
    bool room = block_grow(&column->validity, &column->validity_capacity, bitmap_bytes(n),
                           column->nulls ? bitmap_bytes(column->length) : 0);
    if (room && is_plain(column, type)) {
        bool first = !column->offsets;
        room = block_grow(&column->offsets, &column->offsets_capacity, (rows + 1) * sizeof(int32_t),
                          first ? 0 : (used + 1) * sizeof(int32_t));
        if (room && first)
            column->offsets[0] = 0;
    } else if (room && type->id == TYPE_BOOLEAN) {
        room =
            block_grow(&column->data, &column->data_capacity, bitmap_bytes(n), bitmap_bytes(column->length));
    } else if (room) {
        size_t width = type->id == TYPE_VARCHAR ? sizeof(int32_t) : type_width(type->id);
        room = block_grow(&column->data, &column->data_capacity, rows * width, used * width);
    }
    return room ? OK : error_set(error, CODE_MEMORY, "no memory for a column of %lld rows", (long long)n);
}

int column_reserve_bytes(struct column *column, size_t n, struct error *error)
{
    if (n > INT32_MAX)
        return error_set(error, CODE_LIMIT, "a text column holds at most 2 GiB in one batch");
    if (!block_grow(&column->data, &column->data_capacity, n ? n : 1, column->data_size))
        return error_set(error, CODE_MEMORY, "no memory for %zu bytes of text", n);
    return OK;
}

uint8_t *column_validity(struct column *column)
{
    if (!block_grow(&column->validity, &column->validity_capacity, bitmap_bytes(column->length),
                    column->nulls ? bitmap_bytes(column->length) : 0))
        return NULL;
    if (!column->nulls)
        bits_fill(column->validity, 0, column->length);
    return column->validity;
}

int column_set_null(struct column *column, int64_t i, struct error *error)
{
    assert(i >= 0 && i < column->length);
    uint8_t *validity = column_validity(column);
    if (!validity)
        return error_set(error, CODE_MEMORY, "no memory for a column's NULLs");
    if (bits_get(validity, i)) {
        bits_put(validity, i, false);
        column->nulls++;
    }
    return OK;
}

/* Counts one more value, whose place in the data buffer is written already. */
static inline void count_value(struct column *column)
{
    if (column->nulls)
        bits_put(column->validity, column->length, true);
    column->length++;
}

void column_append_null(struct column *column, const struct type *type)
{
    int64_t i = column->length;
    assert(column->validity_capacity * 8 > (size_t)i);
    if (!column->nulls)
        bits_fill(column->validity, 0, i);
    bits_put(column->validity, i, false);
    column->nulls++;
    column->length++;
    if (is_plain(column, type))
        column->offsets[i + 1] = (int32_t)column->data_size;
    else if (type->id == TYPE_BOOLEAN)
        bits_put(column->data, i, false);
    else {
        size_t width = type->id == TYPE_VARCHAR ? sizeof(int32_t) : type_width(type->id);
        memset((char *)column->data + (size_t)i * width, 0, width);
    }
}

void column_append_boolean(struct column *column, bool value)
{
    bits_put(column->data, column->length, value);
    count_value(column);
}

void column_append_int(struct column *column, const struct type *type, int64_t value)
{
    int64_t i = column->length;
    switch (type->id) {
    case TYPE_INT8:
    case TYPE_UINT8:
        ((uint8_t *)column->data)[i] = (uint8_t)value;
        break;
    case TYPE_INT16:
    case TYPE_UINT16:
        ((uint16_t *)column->data)[i] = (uint16_t)value;
        break;
    case TYPE_INT32:
    case TYPE_UINT32:
    case TYPE_DATE:
    case TYPE_ENUM:
    case TYPE_VARCHAR:
        ((uint32_t *)column->data)[i] = (uint32_t)value;
        break;
    case TYPE_INT64:
    case TYPE_UINT64:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        ((int64_t *)column->data)[i] = value;
        break;
    case TYPE_HUGEINT:
        ((__int128 *)column->data)[i] = value;
        break;
    default:
        assert(false && "an integer goes into integers, dates, times and codes only");
    }
    count_value(column);
}

void column_append_wide(struct column *column, __int128 value)
{
    ((__int128 *)column->data)[column->length] = value;
    count_value(column);
}

void column_append_double(struct column *column, const struct type *type, double value)
{
    assert(type->id == TYPE_FLOAT || type->id == TYPE_DOUBLE);
    if (type->id == TYPE_FLOAT)
        ((float *)column->data)[column->length] = (float)value;
    else
        ((double *)column->data)[column->length] = value;
    count_value(column);
}

int column_append_text(struct column *column, const char *data, size_t size, struct error *error)
{
    static const struct type varchar = {.id = TYPE_VARCHAR};
    if (size > LIMIT_STRING)
        return error_set(error, CODE_LIMIT, "a text of %zu bytes is longer than %d", size, LIMIT_STRING);
    int code = column->dictionary ? column_decode(column, error) : OK;
    if (code == OK)
        code = column_reserve(column, &varchar, column->length + 1, error);
    if (code == OK)
        code = column_reserve_bytes(column, column->data_size + size, error);
    if (code != OK)
        return code;
    if (size)
        memcpy((char *)column->data + column->data_size, data, size);
    column->data_size += size;
    column->offsets[column->length + 1] = (int32_t)column->data_size;
    count_value(column);
    return OK;
}

int column_append_from(struct column *to, const struct type *type, const struct column *from, int64_t i,
                       struct error *error)
{
    size_t size;
    const char *text;
    if (!from || column_is_null(from, i)) {
        column_append_null(to, type);
        return OK;
    }
    switch (type->id) {
    case TYPE_VARCHAR:
        text = column_text(from, i, &size);
        return column_append_text(to, text, size, error);
    case TYPE_BOOLEAN:
        column_append_boolean(to, column_boolean(from, i));
        return OK;
    case TYPE_HUGEINT:
    case TYPE_DECIMAL:
        column_append_wide(to, column_wide(from, i));
        return OK;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        column_append_double(to, type, column_double(from, type, i));
        return OK;
    default:
        column_append_int(to, type, column_int(from, type, i));
        return OK;
    }
}

int column_decode(struct column *column, struct error *error)
{
    if (!column->dictionary)
        return OK;
    size_t total = 0, size;
    for (int64_t i = 0; i < column->length; i++) {
        if (!column_is_null(column, i))
            column_text(column, i, &size), total += size;
    }
    if (total > INT32_MAX)
        return error_set(error, CODE_LIMIT, "a text column holds at most 2 GiB in one batch");
    size_t rows_bytes = ((size_t)column->length + 1) * sizeof(int32_t);
    char *bytes = memory_aligned(total);
    if (!bytes || !block_grow(&column->offsets, &column->offsets_capacity, rows_bytes, 0)) {
        free(bytes);
        return error_set(error, CODE_MEMORY, "no memory for %zu bytes of text", total);
    }
    size_t used = 0;
    column->offsets[0] = 0;
    for (int64_t i = 0; i < column->length; i++) {
        if (!column_is_null(column, i)) {
            const char *text = column_text(column, i, &size);
            memcpy(bytes + used, text, size);
            used += size;
        }
        column->offsets[i + 1] = (int32_t)used;
    }
    dictionary_unref(column->dictionary);
    column->dictionary = NULL;
    free(column->data);
    column->data = bytes;
    column->data_size = total;
    column->data_capacity = (total + PAD - 1) / PAD * PAD;
    return OK;
}

void column_truncate(struct column *column, const struct type *type, int64_t n)
{
    assert(n >= 0 && n <= column->length);
    if (column->nulls)
        column->nulls = n - bits_count(column->validity, 0, n);
    column->length = n;
    if (is_plain(column, type))
        column->data_size = n ? (size_t)column->offsets[n] : 0;
}

void column_append_validity(struct column *target, const struct column *source, int64_t from, int64_t n)
{
    int64_t nulls = 0;
    if (source->nulls)
        nulls = n - bits_count(source->validity, from, n);
    if (nulls && !target->nulls)
        bits_fill(target->validity, 0, target->length);
    if (nulls)
        bits_copy(target->validity, target->length, source->validity, from, n);
    else if (target->nulls)
        bits_fill(target->validity, target->length, n);
    target->nulls += nulls;
}

int64_t column_int(const struct column *column, const struct type *type, int64_t i)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
        return column_boolean(column, i);
    case TYPE_INT8:
        return ((const int8_t *)column->data)[i];
    case TYPE_UINT8:
        return ((const uint8_t *)column->data)[i];
    case TYPE_INT16:
        return ((const int16_t *)column->data)[i];
    case TYPE_UINT16:
        return ((const uint16_t *)column->data)[i];
    case TYPE_INT32:
    case TYPE_DATE:
    case TYPE_ENUM:
    case TYPE_VARCHAR:
        return ((const int32_t *)column->data)[i];
    case TYPE_UINT32:
        return ((const uint32_t *)column->data)[i];
    case TYPE_INT64:
    case TYPE_UINT64:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return ((const int64_t *)column->data)[i];
    default:
        assert(false && "integers, dates, times and codes only");
        return 0;
    }
}

__int128 column_wide(const struct column *column, int64_t i)
{
    return ((const __int128 *)column->data)[i];
}

static double wide_double(__int128 value, unsigned scale)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
                                    1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29,
                                    1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38};
    const __int128 exact = (__int128)1 << 53;
    if (scale == 0)
        return (double)value;
    if (value <= exact && value >= -exact)
        return (double)value / powers[scale];
    /* As DuckDB casts: whole part and fraction apart, so that large values keep their digits. */
    __int128 power = 1;
    for (unsigned i = 0; i < scale; i++)
        power *= 10;
    return (double)(value / power) + (double)(value % power) / powers[scale];
}

double column_double(const struct column *column, const struct type *type, int64_t i)
{
    switch (type->id) {
    case TYPE_FLOAT:
        return (double)((const float *)column->data)[i];
    case TYPE_DOUBLE:
        return ((const double *)column->data)[i];
    case TYPE_HUGEINT:
        return wide_double(column_wide(column, i), 0);
    case TYPE_DECIMAL:
        return wide_double(column_wide(column, i), type->scale);
    case TYPE_UINT64:
        return (double)((const uint64_t *)column->data)[i];
    default:
        return (double)column_int(column, type, i);
    }
}

const char *column_text(const struct column *column, int64_t i, size_t *ret_size)
{
    if (column->dictionary)
        return dictionary_text(column->dictionary, ((const int32_t *)column->data)[i], ret_size);
    *ret_size = (size_t)(column->offsets[i + 1] - column->offsets[i]);
    return (const char *)column->data + column->offsets[i];
}
