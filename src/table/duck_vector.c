#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/bits.h"
#include "table/duck.h"

static const struct {
    duckdb_type duck;
    enum type_id id;
    const char *name;
} duck_types[] = {
    {DUCKDB_TYPE_BOOLEAN, TYPE_BOOLEAN, "BOOLEAN"},
    {DUCKDB_TYPE_TINYINT, TYPE_INT8, "TINYINT"},
    {DUCKDB_TYPE_SMALLINT, TYPE_INT16, "SMALLINT"},
    {DUCKDB_TYPE_INTEGER, TYPE_INT32, "INTEGER"},
    {DUCKDB_TYPE_BIGINT, TYPE_INT64, "BIGINT"},
    {DUCKDB_TYPE_UTINYINT, TYPE_UINT8, "UTINYINT"},
    {DUCKDB_TYPE_USMALLINT, TYPE_UINT16, "USMALLINT"},
    {DUCKDB_TYPE_UINTEGER, TYPE_UINT32, "UINTEGER"},
    {DUCKDB_TYPE_UBIGINT, TYPE_UINT64, "UBIGINT"},
    {DUCKDB_TYPE_HUGEINT, TYPE_HUGEINT, "HUGEINT"},
    {DUCKDB_TYPE_FLOAT, TYPE_FLOAT, "FLOAT"},
    {DUCKDB_TYPE_DOUBLE, TYPE_DOUBLE, "DOUBLE"},
    {DUCKDB_TYPE_DECIMAL, TYPE_DECIMAL, "DECIMAL"},
    {DUCKDB_TYPE_VARCHAR, TYPE_VARCHAR, "VARCHAR"},
    {DUCKDB_TYPE_DATE, TYPE_DATE, "DATE"},
    {DUCKDB_TYPE_TIMESTAMP, TYPE_TIMESTAMP, "TIMESTAMP"},
    {DUCKDB_TYPE_TIMESTAMP_S, TYPE_TIMESTAMP, "TIMESTAMP_S"},
    {DUCKDB_TYPE_TIMESTAMP_MS, TYPE_TIMESTAMP, "TIMESTAMP_MS"},
    {DUCKDB_TYPE_TIMESTAMP_NS, TYPE_TIMESTAMP, "TIMESTAMP_NS"},
    {DUCKDB_TYPE_TIMESTAMP_TZ, TYPE_TIMESTAMPTZ, "TIMESTAMP WITH TIME ZONE"},
    {DUCKDB_TYPE_ENUM, TYPE_ENUM, "ENUM"},
    {DUCKDB_TYPE_SQLNULL, TYPE_INT32, "NULL"},
    {DUCKDB_TYPE_TIME, TYPE_COUNT, "TIME"},
    {DUCKDB_TYPE_TIME_TZ, TYPE_COUNT, "TIME WITH TIME ZONE"},
    {DUCKDB_TYPE_TIME_NS, TYPE_COUNT, "TIME_NS"},
    {DUCKDB_TYPE_INTERVAL, TYPE_COUNT, "INTERVAL"},
    {DUCKDB_TYPE_UHUGEINT, TYPE_COUNT, "UHUGEINT"},
    {DUCKDB_TYPE_BLOB, TYPE_COUNT, "BLOB"},
    {DUCKDB_TYPE_LIST, TYPE_COUNT, "LIST"},
    {DUCKDB_TYPE_ARRAY, TYPE_COUNT, "ARRAY"},
    {DUCKDB_TYPE_STRUCT, TYPE_COUNT, "STRUCT"},
    {DUCKDB_TYPE_MAP, TYPE_COUNT, "MAP"},
    {DUCKDB_TYPE_UNION, TYPE_COUNT, "UNION"},
    {DUCKDB_TYPE_UUID, TYPE_COUNT, "UUID"},
    {DUCKDB_TYPE_BIT, TYPE_COUNT, "BIT"},
    {DUCKDB_TYPE_BIGNUM, TYPE_COUNT, "BIGNUM"},
};

enum { N_DUCK_TYPES = sizeof duck_types / sizeof *duck_types };

/* The values of an ENUM. */
static int enum_values(duckdb_logical_type logical, struct dictionary **ret, struct error *error)
{
    uint32_t n = duckdb_enum_dictionary_size(logical);
    if (n > LIMIT_DICTIONARY)
        return error_set(error, CODE_LIMIT, "an ENUM of %u values has more than %d", n, LIMIT_DICTIONARY);
    struct dictionary *values = dictionary_new();
    for (uint32_t i = 0; values && i < n; i++) {
        char *value = duckdb_enum_dictionary_value(logical, i);
        if (!value || dictionary_add(values, value, strlen(value)) < 0) {
            dictionary_unref(values);
            values = NULL;
        }
        duckdb_free(value);
    }
    if (!values)
        return error_set(error, CODE_MEMORY, "no memory for an ENUM of %u values", n);
    *ret = values;
    return OK;
}

int duck_type(duckdb_logical_type logical, struct type *ret, struct error *error)
{
    duckdb_type id = duckdb_get_type_id(logical);
    int i = 0;
    while (i < N_DUCK_TYPES && duck_types[i].duck != id)
        i++;
    if (i == N_DUCK_TYPES)
        return error_set(error, CODE_UNSUPPORTED, "DuckDB's type number %d has no place in a table", (int)id);
    if (duck_types[i].id == TYPE_COUNT)
        return error_set(error, CODE_UNSUPPORTED, "the type %s has no place in a table", duck_types[i].name);
    struct type type = {.id = duck_types[i].id};
    if (type.id == TYPE_DECIMAL) {
        type.precision = duckdb_decimal_width(logical);
        type.scale = duckdb_decimal_scale(logical);
    } else if (type.id == TYPE_ENUM) {
        int code = enum_values(logical, &type.values, error);
        if (code != OK)
            return code;
    }
    *ret = type;
    return OK;
}

/* One byte per value becomes one bit. */
static void append_booleans(const uint8_t *bytes, int64_t n, struct column *column)
{
    for (int64_t i = 0; i < n; i += 64) {
        int64_t here = n - i < 64 ? n - i : 64;
        uint64_t word = 0;
        for (int64_t k = 0; k < here; k++)
            word |= (uint64_t)(bytes[i + k] & 1) << k;
        bits_put_some(column->data, column->length + i, word, (int)here);
    }
}

#define WIDEN(source_type, target_type)                                            \
    do {                                                                           \
        const source_type *source_values = data;                                   \
        target_type *target_values = (target_type *)column->data + column->length; \
        for (int64_t k = 0; k < n; k++)                                            \
            target_values[k] = (target_type)source_values[k];                      \
    } while (0)

static void append_decimals(const void *data, duckdb_type internal, int64_t n, struct column *column)
{
    if (internal == DUCKDB_TYPE_SMALLINT)
        WIDEN(int16_t, __int128);
    else if (internal == DUCKDB_TYPE_INTEGER)
        WIDEN(int32_t, __int128);
    else if (internal == DUCKDB_TYPE_BIGINT)
        WIDEN(int64_t, __int128);
    else
        memcpy((__int128 *)column->data + column->length, data, (size_t)n * sizeof(__int128));
}

static void append_codes(const void *data, duckdb_type internal, int64_t n, struct column *column)
{
    if (internal == DUCKDB_TYPE_UTINYINT)
        WIDEN(uint8_t, int32_t);
    else if (internal == DUCKDB_TYPE_USMALLINT)
        WIDEN(uint16_t, int32_t);
    else
        WIDEN(uint32_t, int32_t);
}

/* Times of other units as microseconds; nanoseconds are cut towards the past. */
static int append_times(const int64_t *data, duckdb_type id, const uint64_t *valid, int64_t n,
                        struct column *column, struct error *error)
{
    int64_t *target = (int64_t *)column->data + column->length;
    int64_t factor = id == DUCKDB_TYPE_TIMESTAMP_S ? 1000000 : 1000;
    for (int64_t i = 0; i < n; i++) {
        bool present = !valid || (valid[i >> 6] >> (i & 63) & 1);
        if (!present) {
            target[i] = 0;
        } else if (id == DUCKDB_TYPE_TIMESTAMP_NS) {
            target[i] = data[i] / 1000 - (data[i] % 1000 < 0);
        } else if (__builtin_mul_overflow(data[i], factor, &target[i])) {
            error_set(error, CODE_INVALID, "a time is out of range: %lld %s since 1970", (long long)data[i],
                      factor == 1000 ? "milliseconds" : "seconds");
            error_at(error, NULL, i + 1, 0);
            return CODE_INVALID;
        }
    }
    return OK;
}

static const char *string_of(duckdb_string_t *string, size_t *ret_size)
{
    *ret_size = duckdb_string_t_length(*string);
    return duckdb_string_t_data(string);
}

static int append_strings(duckdb_string_t *strings, const uint64_t *valid, int64_t n, struct column *column,
                          struct error *error)
{
    size_t total = column->data_size, size;
    for (int64_t i = 0; i < n; i++) {
        if (valid && !(valid[i >> 6] >> (i & 63) & 1))
            continue;
        string_of(&strings[i], &size);
        if (size > LIMIT_STRING) {
            error_set(error, CODE_LIMIT, "a text of %zu bytes is longer than %d", size, LIMIT_STRING);
            error_at(error, NULL, i + 1, 0);
            return CODE_LIMIT;
        }
        total += size;
    }
    int code = column_reserve_bytes(column, total, error);
    if (code != OK)
        return code;
    char *target = (char *)column->data;
    int32_t *offsets = column->offsets + column->length;
    for (int64_t i = 0; i < n; i++) {
        if (!valid || (valid[i >> 6] >> (i & 63) & 1)) {
            const char *text = string_of(&strings[i], &size);
            memcpy(target + column->data_size, text, size);
            column->data_size += size;
        }
        offsets[i + 1] = (int32_t)column->data_size;
    }
    return OK;
}

static void append_valid(const uint64_t *valid, int64_t n, struct column *column)
{
    const uint8_t *bits = (const uint8_t *)valid;
    int64_t nulls = valid ? n - bits_count(bits, 0, n) : 0;
    if (nulls && !column->nulls)
        bits_fill(column->validity, 0, column->length);
    if (nulls)
        bits_copy(column->validity, column->length, bits, 0, n);
    else if (column->nulls)
        bits_fill(column->validity, column->length, n);
    column->nulls += nulls;
}

static int append_data(duckdb_vector vector, int64_t n, const struct type *type, struct column *column,
                       struct error *error)
{
    void *data = duckdb_vector_get_data(vector);
    const uint64_t *valid = duckdb_vector_get_validity(vector);
    duckdb_type id = DUCKDB_TYPE_INVALID, internal = DUCKDB_TYPE_INVALID;
    if (type->id == TYPE_DECIMAL || type->id == TYPE_ENUM || type->id == TYPE_TIMESTAMP) {
        /* The same type comes in several widths or units. */
        duckdb_logical_type logical = duckdb_vector_get_column_type(vector);
        id = duckdb_get_type_id(logical);
        if (type->id == TYPE_DECIMAL)
            internal = duckdb_decimal_internal_type(logical);
        else if (type->id == TYPE_ENUM)
            internal = duckdb_enum_internal_type(logical);
        duckdb_destroy_logical_type(&logical);
    }
    switch (type->id) {
    case TYPE_BOOLEAN:
        append_booleans(data, n, column);
        return OK;
    case TYPE_DECIMAL:
        append_decimals(data, internal, n, column);
        return OK;
    case TYPE_ENUM:
        append_codes(data, internal, n, column);
        return OK;
    case TYPE_VARCHAR:
        return append_strings(data, valid, n, column, error);
    case TYPE_TIMESTAMP:
        if (id != DUCKDB_TYPE_TIMESTAMP)
            return append_times(data, id, valid, n, column, error);
        break;
    default:
        break;
    }
    size_t width = type_width(type->id);
    memcpy((char *)column->data + (size_t)column->length * width, data, (size_t)n * width);
    return OK;
}

int duck_append(duckdb_vector vector, int64_t n, const struct type *type, struct column *column,
                struct error *error)
{
    if (n == 0)
        return OK;
    int code = type->id == TYPE_VARCHAR ? column_decode(column, error) : OK;
    if (code == OK)
        code = column_reserve(column, type, column->length + n, error);
    if (code == OK)
        code = append_data(vector, n, type, column, error);
    if (code != OK)
        return code;
    append_valid(duckdb_vector_get_validity(vector), n, column);
    column->length += n;
    return OK;
}

static void fill_decimals(void *data, int precision, const __int128 *values, int64_t n)
{
#define NARROW(target_type)                     \
    do {                                        \
        target_type *places = data;             \
        for (int64_t k = 0; k < n; k++)         \
            places[k] = (target_type)values[k]; \
    } while (0)
    /* DuckDB's own widths. */
    if (precision <= 4)
        NARROW(int16_t);
    else if (precision <= 9)
        NARROW(int32_t);
    else if (precision <= 18)
        NARROW(int64_t);
    else
        memcpy(data, values, (size_t)n * sizeof *values);
#undef NARROW
}

static void fill_strings(duckdb_vector vector, const struct column *column, int64_t from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (column_is_null(column, from + i))
            continue;
        size_t size;
        const char *text = column_text(column, from + i, &size);
        duckdb_vector_assign_string_element_len(vector, (idx_t)i, text, size);
    }
}

void duck_fill(duckdb_vector vector, const struct type *type, const struct column *column, int64_t from,
               int64_t n)
{
    void *data = duckdb_vector_get_data(vector);
    int64_t nulls = column->nulls ? n - bits_count(column->validity, from, n) : 0;
    if (nulls) {
        duckdb_vector_ensure_validity_writable(vector);
        bits_copy((uint8_t *)duckdb_vector_get_validity(vector), 0, column->validity, from, n);
    }
    if (type->id == TYPE_BOOLEAN) {
        bool *places = data;
        for (int64_t i = 0; i < n; i++)
            places[i] = column_boolean(column, from + i);
    } else if (type->id == TYPE_DECIMAL || type->id == TYPE_HUGEINT) {
        int precision = type->id == TYPE_HUGEINT ? 38 : type->precision;
        fill_decimals(data, precision, (const __int128 *)column->data + from, n);
    } else if (type->id == TYPE_VARCHAR || type->id == TYPE_ENUM) {
        fill_strings(vector, column, from, n);
    } else {
        size_t width = type_width(type->id);
        memcpy(data, (const char *)column->data + (size_t)from * width, (size_t)n * width);
    }
}
