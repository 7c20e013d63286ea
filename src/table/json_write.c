#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "base/units.h"
#include "table/json_rows.h"

void json_write_string(struct buffer *out, const char *data, size_t size)
{
    size_t plain = 0;
    buffer_append(out, "\"", 1);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_append(out, data + plain, i - plain);
        plain = i + 1;
        switch (c) {
        case '"':
            buffer_append(out, "\\\"", 2);
            break;
        case '\\':
            buffer_append(out, "\\\\", 2);
            break;
        case '\n':
            buffer_append(out, "\\n", 2);
            break;
        case '\t':
            buffer_append(out, "\\t", 2);
            break;
        case '\r':
            buffer_append(out, "\\r", 2);
            break;
        default:
            buffer_format(out, "\\u%04x", c);
        }
    }
    buffer_append(out, data + plain, size - plain);
    buffer_append(out, "\"", 1);
}

void json_write_double(struct buffer *out, double value)
{
    if (!isfinite(value)) {
        buffer_append(out, "null", 4);
        return;
    }
    /* yyjson prints the shortest form; its writer asks for some room beyond the value's own. */
    char room[512];
    yyjson_alc allocator;
    yyjson_val number = {0};
    size_t size;
    yyjson_alc_pool_init(&allocator, room, sizeof room);
    yyjson_set_real(&number, value);
    char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &allocator, &size, NULL);
    if (text)
        buffer_append(out, text, size);
    else
        buffer_format(out, "%.17g", value);
}

/* Digits of an integer, with a point before the last `scale` of them. */
static void write_wide(struct buffer *out, __int128 value, int scale)
{
    char text[64], *p = text + sizeof text;
    bool negative = value < 0;
    unsigned __int128 rest = negative ? -(unsigned __int128)value : (unsigned __int128)value;
    for (int place = 0; rest > 0 || place <= scale; place++) {
        if (place && place == scale)
            *--p = '.';
        if (rest <= UINT64_MAX) {
            uint64_t small = (uint64_t)rest;
            *--p = (char)('0' + small % 10);
            rest = small / 10;
        } else {
            *--p = (char)('0' + (int)(rest % 10));
            rest /= 10;
        }
    }
    if (negative)
        *--p = '-';
    buffer_append(out, p, (size_t)(text + sizeof text - p));
}

/*
 * Floats of everyday size, such as scores: the nearest number of 6 to 9 digits is tried in double precision,
 * where digits and power of ten are exact and their quotient is rounded once. Rounding that to a float is
 * rounding the text itself, unless the double lies in the middle of two floats: that, and other sizes, are
 * left to the C library.
 */
static bool write_small_float(struct buffer *out, float value)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6, 1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14};
    double size = fabs((double)value);
    int places = 5;
    if (!(size >= 1e-5 && size < 1e5))
        return false;
    for (double least = 1; places < 10 && size < least; places++)
        least /= 10;
    for (double most = 10; size >= most; most *= 10)
        places--;
    for (int i = 0; i < 4; i++, places++) {
        int64_t digits = llrint(size * powers[places]);
        double nearest = (double)digits / powers[places];
        uint64_t bits;
        memcpy(&bits, &nearest, sizeof bits);
        if ((bits & 0x1fffffff) == 0x10000000)
            return false;
        if ((double)(float)nearest != size)
            continue;
        for (; places > 0 && digits % 10 == 0; places--)
            digits /= 10;
        write_wide(out, value < 0 ? -digits : digits, places);
        return true;
    }
    return false;
}

void json_write_float(struct buffer *out, float value)
{
    if (!isfinite(value)) {
        buffer_append(out, "null", 4);
        return;
    }
    if (write_small_float(out, value))
        return;
    char text[32];
    int size = 0;
    for (int digits = 6; digits <= 9; digits++) {
        size = snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    buffer_append(out, text, (size_t)size);
}

static void put_digits(char *place, int value, int n)
{
    for (; n > 0; n--, value /= 10)
        place[n - 1] = (char)('0' + value % 10);
}

/* "2018-07-25T10:11:12.5", with Z for UTC. Times beyond four digits of years are rare and units' business. */
static void write_time(struct buffer *out, int64_t us, bool utc)
{
    char text[UNITS_TEXT_SIZE + 4] = "\"";
    int year, month, day, size = 20;
    int64_t days = us / DAY_US - (us % DAY_US < 0), rest = us - days * DAY_US;
    units_civil(days, &year, &month, &day);
    if (year > 0 && year < 10000) {
        memcpy(text + 1, "0000-00-00T00:00:00", 20);
        put_digits(text + 1, year, 4);
        put_digits(text + 6, month, 2);
        put_digits(text + 9, day, 2);
        put_digits(text + 12, (int)(rest / HOUR_US), 2);
        put_digits(text + 15, (int)(rest / MINUTE_US % 60), 2);
        put_digits(text + 18, (int)(rest / SECOND_US % 60), 2);
        if (rest % SECOND_US) {
            text[size++] = '.';
            put_digits(text + size, (int)(rest % SECOND_US), 6);
            for (size += 6; text[size - 1] == '0';)
                size--;
        }
    } else {
        units_time_text(us, text + 1);
        char *space = strchr(text, ' ');
        if (space)
            *space = 'T';
        size = (int)strlen(text);
    }
    buffer_append(out, text, (size_t)size);
    buffer_append(out, "Z\"", utc ? 2 : 0);
    buffer_append(out, "\"", utc ? 0 : 1);
}

void json_write_value(const struct column *column, const struct type *type, int64_t i, struct buffer *out)
{
    char text[UNITS_TEXT_SIZE];
    size_t size;
    const char *string;
    if (column_is_null(column, i)) {
        buffer_append(out, "null", 4);
        return;
    }
    switch (type->id) {
    case TYPE_BOOLEAN:
        buffer_text(out, column_boolean(column, i) ? "true" : "false");
        break;
    case TYPE_HUGEINT:
        write_wide(out, column_wide(column, i), 0);
        break;
    case TYPE_DECIMAL:
        write_wide(out, column_wide(column, i), type->scale);
        break;
    case TYPE_UINT64:
        write_wide(out, (uint64_t)column_int(column, type, i), 0);
        break;
    case TYPE_FLOAT:
        json_write_float(out, ((const float *)column->data)[i]);
        break;
    case TYPE_DOUBLE:
        json_write_double(out, ((const double *)column->data)[i]);
        break;
    case TYPE_VARCHAR:
    case TYPE_ENUM:
        string = column_text(column, i, &size);
        json_write_string(out, string, size);
        break;
    case TYPE_DATE:
        buffer_format(out, "\"%s\"", units_date_text((int32_t)column_int(column, type, i), text));
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        write_time(out, column_int(column, type, i), type->id == TYPE_TIMESTAMPTZ);
        break;
    default:
        write_wide(out, column_int(column, type, i), 0);
    }
}

void json_rows_write_members(const struct table *table, int64_t i, struct buffer *out)
{
    for (int k = 0; k < table->schema->n; k++) {
        const struct field *field = &table->schema->fields[k];
        if (k)
            buffer_append(out, ",", 1);
        json_write_string(out, field->name, strlen(field->name));
        buffer_append(out, ":", 1);
        json_write_value(&table->columns[k], &field->type, i, out);
    }
}

void json_rows_write(const struct table *table, int64_t i, struct buffer *out)
{
    buffer_append(out, "{", 1);
    json_rows_write_members(table, i, out);
    buffer_append(out, "}", 1);
}
