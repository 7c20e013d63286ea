#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/units.h"
#include "table/parse.h"

/* What kind of thing a type's values are; conversions are between kinds. */
enum kind { KIND_BOOLEAN, KIND_INTEGER, KIND_REAL, KIND_DECIMAL, KIND_TEXT, KIND_DATE, KIND_TIME };

static enum kind kind_of(enum type_id id)
{
    switch (id) {
    case TYPE_BOOLEAN:
        return KIND_BOOLEAN;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return KIND_REAL;
    case TYPE_DECIMAL:
        return KIND_DECIMAL;
    case TYPE_VARCHAR:
    case TYPE_ENUM:
        return KIND_TEXT;
    case TYPE_DATE:
        return KIND_DATE;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return KIND_TIME;
    default:
        return KIND_INTEGER;
    }
}

const char *convert_reason(const struct type *from, const struct type *to, enum time_unit unit, bool parsed)
{
    static const char no_way[] = "such values do not convert without loss";
    enum kind source = kind_of(from->id), target = kind_of(to->id);
    if (source == KIND_TEXT) {
        if (target == KIND_TEXT || parsed)
            return NULL;
        return "text is parsed in CSV and JSON only";
    }
    switch (target) {
    case KIND_TEXT:
        return no_way;
    case KIND_TIME:
        if (source == KIND_INTEGER)
            return unit == TIME_UNIT_NONE ? "say what the integers mean with --time-unit s|ms|us" : NULL;
        return source == KIND_TIME || source == KIND_DATE ? NULL : no_way;
    case KIND_DATE:
        return source == KIND_TIME || source == KIND_DATE ? NULL : no_way;
    default:
        return source == KIND_TIME || source == KIND_DATE ? no_way : NULL;
    }
}

/* The value as an integer, where it is one. */
static const char *whole(const struct column *column, const struct type *from, int64_t i, __int128 *ret)
{
    switch (kind_of(from->id)) {
    case KIND_REAL: {
        double real = column_double(column, from, i);
        if (!(fabs(real) < 0x1p126) || real != trunc(real))
            return "is not a whole number of the type's range";
        *ret = (__int128)real;
        return NULL;
    }
    case KIND_DECIMAL: {
        __int128 wide = column_wide(column, i);
        for (int k = 0; k < from->scale; k++) {
            if (wide % 10)
                return "is not a whole number";
            wide /= 10;
        }
        *ret = wide;
        return NULL;
    }
    default:
        if (from->id == TYPE_HUGEINT)
            *ret = column_wide(column, i);
        else if (from->id == TYPE_UINT64)
            *ret = (uint64_t)column_int(column, from, i);
        else
            *ret = column_int(column, from, i);
        return NULL;
    }
}

static const char *to_real(const struct column *column, const struct type *from, const struct type *to,
                           int64_t i, struct value *ret)
{
    double real = column_double(column, from, i);
    if (kind_of(from->id) == KIND_INTEGER) {
        __int128 wide;
        whole(column, from, i, &wide);
        if (fabs(real) >= 0x1p126 || (__int128)real != wide)
            return "has more digits than a DOUBLE holds";
    }
    if (to->id == TYPE_FLOAT && kind_of(from->id) != KIND_DECIMAL && !isnan(real) &&
        (double)(float)real != real)
        return "has more digits than a FLOAT holds";
    ret->real = real;
    return NULL;
}

/* Numbers into DECIMAL, and numbers into integers by way of their text in the target's digits: parse_number
 * knows the ranges. Shortest text of a real that reads back is what people mean by it. */
static const char *to_decimal(const struct column *column, const struct type *from, const struct type *to,
                              int64_t i, struct value *ret)
{
    char text[64];
    __int128 wide;
    if (kind_of(from->id) == KIND_REAL) {
        double real = column_double(column, from, i), back = 0;
        int digits = from->id == TYPE_FLOAT ? 6 : 15, most = from->id == TYPE_FLOAT ? 9 : 17;
        if (!isfinite(real))
            return "is not a finite number";
        for (; digits <= most; digits++) {
            snprintf(text, sizeof text, "%.*e", digits - 1, real);
            sscanf(text, "%lf", &back);
            if (from->id == TYPE_FLOAT ? (float)back == (float)real : back == real)
                break;
        }
        return parse_number(to, TIME_UNIT_NONE, text, strlen(text), ret);
    }
    int scale = 0;
    if (from->id == TYPE_DECIMAL) {
        wide = column_wide(column, i);
        scale = from->scale;
    } else {
        whole(column, from, i, &wide);
    }
    for (; scale < to->scale; scale++) {
        if (__builtin_mul_overflow(wide, 10, &wide))
            return "is out of the type's range";
    }
    for (; scale > to->scale; scale--) {
        if (wide % 10)
            return "has more decimals than the type can hold";
        wide /= 10;
    }
    return fit_decimal(wide, to, ret);
}

static const char *convert_value(const struct column *column, const struct type *from, const struct type *to,
                                 enum time_unit unit, int64_t i, struct value *ret)
{
    __int128 wide;
    const char *reason;
    enum kind source = kind_of(from->id);
    switch (kind_of(to->id)) {
    case KIND_REAL:
        return to_real(column, from, to, i, ret);
    case KIND_DECIMAL:
        return to_decimal(column, from, to, i, ret);
    case KIND_DATE: {
        int64_t time = column_int(column, from, i);
        if (source == KIND_TIME && time % DAY_US)
            return "is a time where a date is expected";
        ret->integer = source == KIND_TIME ? time / DAY_US : time;
        return NULL;
    }
    case KIND_TIME:
        ret->integer = column_int(column, from, i);
        if (source == KIND_DATE && (ret->integer < DATE_LEAST || ret->integer > DATE_MOST))
            return "is out of the type's range";
        if (source == KIND_DATE)
            ret->integer *= DAY_US;
        if (source != KIND_INTEGER)
            return NULL;
        whole(column, from, i, &wide);
        return fit_time(wide, unit, ret);
    case KIND_BOOLEAN:
        reason = whole(column, from, i, &wide);
        if (reason || wide < 0 || wide > 1)
            return "is not 0 or 1";
        ret->boolean = wide == 1;
        return NULL;
    default:
        reason = whole(column, from, i, &wide);
        return reason ? reason : fit_integer(wide, to->id, ret);
    }
}

/* The value as text, for the error. */
static void describe(const struct column *column, const struct type *type, int64_t i, char *text, size_t size)
{
    char buffer[UNITS_TEXT_SIZE];
    size_t n;
    const char *string;
    switch (kind_of(type->id)) {
    case KIND_TEXT:
        string = column_text(column, i, &n);
        snprintf(text, size, "%.*s%s", (int)(n < 60 ? n : 60), string, n > 60 ? "..." : "");
        break;
    case KIND_DATE:
        snprintf(text, size, "%s", units_date_text((int32_t)column_int(column, type, i), buffer));
        break;
    case KIND_TIME:
        snprintf(text, size, "%s", units_time_text(column_int(column, type, i), buffer));
        break;
    case KIND_REAL:
    case KIND_DECIMAL:
        snprintf(text, size, "%.17g", column_double(column, type, i));
        break;
    default:
        if (type->id == TYPE_HUGEINT)
            snprintf(text, size, "%.17g", column_double(column, type, i));
        else if (type->id == TYPE_UINT64)
            snprintf(text, size, "%llu", (unsigned long long)column_int(column, type, i));
        else
            snprintf(text, size, "%lld", (long long)column_int(column, type, i));
    }
}

static int refuse(const struct column *source, const struct type *from, const struct type *to, int64_t i,
                  const char *reason, struct error *error)
{
    char value[80], name[64];
    describe(source, from, i, value, sizeof value);
    error_set(error, CODE_INVALID, "the value \"%s\" %s (%s expected)", value, reason,
              type_text(to, name, sizeof name));
    error_at(error, NULL, i + 1, 0);
    return CODE_INVALID;
}

/* Widening of the usual widths, which needs no check per value. */
static bool widen(const struct column *source, enum type_id from, struct column *target, enum type_id to)
{
#define WIDEN(source_type, target_type)                                     \
    do {                                                                    \
        const source_type *values = source->data;                           \
        target_type *places = (target_type *)target->data + target->length; \
        for (int64_t k = 0; k < source->length; k++)                        \
            places[k] = (target_type)values[k];                             \
        return true;                                                        \
    } while (0)
    if (to == TYPE_INT64 && from == TYPE_INT32)
        WIDEN(int32_t, int64_t);
    if (to == TYPE_INT64 && from == TYPE_INT16)
        WIDEN(int16_t, int64_t);
    if (to == TYPE_INT64 && from == TYPE_INT8)
        WIDEN(int8_t, int64_t);
    if (to == TYPE_INT32 && from == TYPE_INT16)
        WIDEN(int16_t, int32_t);
    if (to == TYPE_INT32 && from == TYPE_INT8)
        WIDEN(int8_t, int32_t);
    if (to == TYPE_DOUBLE && from == TYPE_INT32)
        WIDEN(int32_t, double);
    if (to == TYPE_DOUBLE && from == TYPE_INT8)
        WIDEN(int8_t, double);
    if (to == TYPE_DOUBLE && from == TYPE_FLOAT)
        WIDEN(float, double);
    return false;
#undef WIDEN
}

int convert_append(const struct column *source, const struct type *from, struct column *target,
                   const struct type *to, enum time_unit unit, int64_t *unknown_enums, struct error *error)
{
    int64_t rows = target->length, unknown = 0;
    int code = column_reserve(target, to, rows + source->length, error);
    if (code != OK)
        return code;
    if (widen(source, from->id, target, to->id)) {
        column_append_validity(target, source, 0, source->length);
        target->length += source->length;
        return OK;
    }
    bool text = kind_of(from->id) == KIND_TEXT;
    for (int64_t i = 0; i < source->length; i++) {
        struct value value;
        size_t size = 1;
        const char *reason = NULL, *data = NULL;
        if (column_is_null(source, i)) {
            column_append_null(target, to);
            continue;
        }
        if (text)
            data = column_text(source, i, &size);
        if (size == 0 && to->id != TYPE_ENUM) {
            /* Quoted and empty: no value for anything but text. */
            column_append_null(target, to);
            continue;
        }
        reason = text ? parse_value(to, unit, data, size, &value)
                      : convert_value(source, from, to, unit, i, &value);
        if (reason == parse_not_in_enum) {
            unknown++;
            column_append_null(target, to);
            continue;
        }
        if (reason) {
            column_truncate(target, to, rows);
            return refuse(source, from, to, i, reason, error);
        }
        value_append(target, to, &value);
    }
    *unknown_enums += unknown;
    return OK;
}
