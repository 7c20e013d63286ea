/*
 * Casts to VARCHAR, in DuckDB's text: the shortest decimals that read back to the same DOUBLE or FLOAT, dates
 * before year 1 with (BC), a TIMESTAMP's fraction without its trailing zeros.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "feature/kernels.h"
#include "feature/time_math.h"

/* No value's text is longer: 39 digits of a HUGEINT, a sign, a point. */
enum { TEXT_BYTES = 64 };

static void put(const struct call *call, int64_t i, const char *text, size_t size)
{
    char *out = scratch_take(call->scratch, size);
    if (!out) {
        call->out->state[i] = STATE_ERROR;
        return;
    }
    memcpy(out, text, size);
    TEXTS(call->out)[i] = (struct text){out, size};
}

/* Writes a number backwards before `end`, at least `digits` digits; returns where it begins. */
static char *digits_before(char *end, unsigned __int128 value, int digits)
{
    for (; value || digits > 0; value /= 10, digits--)
        *--end = (char)('0' + (int)(value % 10));
    return end;
}

static size_t format_decimal(__int128 value, int precision, int scale, char *text)
{
    char buffer[TEXT_BYTES], *end = buffer + sizeof buffer, *at = end;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    unsigned __int128 power = (unsigned __int128)power10_wide(scale);
    if (scale) {
        at = digits_before(at, rest % power, scale);
        *--at = '.';
    }
    /* Where all digits stand behind the point, none stands before it. */
    at = digits_before(at, rest / power, precision > scale || scale == 0);
    if (value < 0)
        *--at = '-';
    memcpy(text, at, (size_t)(end - at));
    return (size_t)(end - at);
}

/* Appends to a text of at most 2 * TEXT_BYTES of which `at` bytes are used; returns how many then are. */
static size_t add(char *text, size_t at, const char *format, ...) __attribute__((format(printf, 3, 4)));
static size_t add(char *text, size_t at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text + at, 2 * TEXT_BYTES - at, format, arguments);
    va_end(arguments);
    return at + (size_t)n;
}

/* The shortest digits that read back: "d.ddde[+-]dd" in text. */
static void shortest_double(double value, char text[TEXT_BYTES])
{
    for (int digits = fabs(value) < 2.3e-308 ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, TEXT_BYTES, "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

/* All digits of a FLOAT, or of what lies midway between two. */
enum { ALL_DIGITS = 120 };

/* What value's digits are from the first `digits` on: zeros, "5" and zeros, or others. */
enum rest { REST_NONE, REST_HALF, REST_OTHER };

static enum rest rest_behind(double value, int digits)
{
    char all[ALL_DIGITS + 16];
    snprintf(all, sizeof all, "%.*e", ALL_DIGITS - 1, value);
    const char *rest = all + digits + 1; /* behind the point */
    bool half = *rest == '5';
    rest += half;
    return rest[strspn(rest, "0")] != 'e' ? REST_OTHER : half ? REST_HALF : REST_NONE;
}

/* Do the digits in text lie midway between value and a neighbour of it? */
static bool is_between(double value, int digits, const char *text)
{
    double read = strtod(text, NULL), toward = read < value ? 0 : (double)INFINITY,
           middle = (value + (double)nextafterf((float)value, (float)toward)) / 2;
    return read == middle && rest_behind(middle, digits) == REST_NONE;
}

/* Below a power of two the neighbour is nearer than above it: the nearest digits may be too far where those
 * above are not. */
static void round_up(double value, int digits, char text[TEXT_BYTES])
{
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    snprintf(text, TEXT_BYTES, "%.*e", digits - 1, value + pow(10, exponent - digits + 1) / 2);
}

/* DuckDB does not decide where two texts are as short and as near, or where one also could be that of the
 * neighbour: such a FLOAT has the text of the DOUBLE that it is. */
static void shortest_float(double value, char text[TEXT_BYTES])
{
    for (int digits = fabs(value) < 1.2e-38 ? 1 : 6; digits <= 9; digits++) {
        snprintf(text, TEXT_BYTES, "%.*e", digits - 1, value);
        bool between = is_between(value, digits, text);
        int exponent;
        if (!between && strtod(text, NULL) < value && (double)strtof(text, NULL) != value &&
            frexp(value, &exponent) == 0.5)
            round_up(value, digits, text);
        if (!between && (double)strtof(text, NULL) != value)
            continue;
        if (between || rest_behind(value, digits) == REST_HALF)
            shortest_double(value, text);
        return;
    }
}

/* 0.0001 to 9999999999999998.0 in full, others with an exponent of two digits or more. */
static size_t format_real(double value, bool narrow, char *text)
{
    char form[TEXT_BYTES], digits[TEXT_BYTES];
    size_t at = add(text, 0, signbit(value) ? "-" : "");
    if (value != value || isinf(value))
        return add(text, at, isinf(value) ? "inf" : "nan");
    if (narrow)
        shortest_float(fabs(value), form);
    else
        shortest_double(fabs(value), form);
    int n = 0, exponent = (int)strtol(strchr(form, 'e') + 1, NULL, 10);
    for (const char *p = form; *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (exponent < -4 || exponent >= 16) {
        at = add(text, at, "%c%s%.*s", digits[0], n > 1 ? "." : "", n - 1, digits + 1);
        return add(text, at, "e%+03d", exponent);
    }
    if (exponent < 0)
        return add(text, at, "0.%.*s%.*s", -exponent - 1, "000", n, digits);
    for (int i = 0; i < n || i <= exponent + 1; i++) {
        if (i == exponent + 1)
            text[at++] = '.';
        text[at++] = i < n ? digits[i] : '0';
    }
    return at;
}

/* DuckDB puts " (BC)" behind the date, before the time. */
static size_t format_day(int64_t day, char *text)
{
    int year, month, of_month;
    time_civil(day, &year, &month, &of_month);
    return add(text, 0, "%04d-%02d-%02d%s", year > 0 ? year : 1 - year, month, of_month,
               year > 0 ? "" : " (BC)");
}

static size_t format_infinite(bool negative, char *text)
{
    return add(text, 0, negative ? "-infinity" : "infinity");
}

static size_t format_date(int64_t value, char *text)
{
    return time_is_finite(value, TYPE_DATE) ? format_day(value, text) : format_infinite(value < 0, text);
}

static size_t format_timestamp(int64_t value, enum type_id type, char *text)
{
    if (!time_is_finite(value, TYPE_TIMESTAMP))
        return format_infinite(value < 0, text);
    int64_t day = floor_divide(value, DAY_US), time = time_of_day(value);
    int hour = (int)(time / HOUR_US), minute = (int)(time / MINUTE_US % 60),
        second = (int)(time / SECOND_US % 60);
    size_t size = add(text, format_day(day, text), " %02d:%02d:%02d", hour, minute, second);
    if (time % SECOND_US) {
        size = add(text, size, ".%06d", (int)(time % SECOND_US));
        while (text[size - 1] == '0')
            size--;
    }
    return add(text, size, type == TYPE_TIMESTAMPTZ ? "+00" : "");
}

#define FORMAT(name, expression)                               \
    static void name##_run(const struct call *call, int64_t n) \
    {                                                          \
        char text[2 * TEXT_BYTES];                             \
        states_copy(call, n);                                  \
        for (int64_t i = 0; i < n; i++)                        \
            if (call->out->state[i] == STATE_VALUE)            \
                put(call, i, text, (expression));              \
    }

FORMAT(integer, format_decimal(INTS(call->in[0])[i], 39, 0, text))
FORMAT(wide, format_decimal(WIDES(call->in[0])[i], 39, 0, text))
FORMAT(short_decimal, format_decimal(INTS(call->in[0])[i], call->from_precision, call->from_scale, text))
FORMAT(long_decimal, format_decimal(WIDES(call->in[0])[i], call->from_precision, call->from_scale, text))
FORMAT(real, format_real(DOUBLES(call->in[0])[i], call->from == TYPE_FLOAT, text))
FORMAT(date, format_date(INTS(call->in[0])[i], text))
FORMAT(timestamp, format_timestamp(INTS(call->in[0])[i], call->from, text))

static void boolean_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        const char *word = BOOLEANS(call->in[0])[i] ? "true" : "false";
        TEXTS(call->out)[i] = (struct text){word, strlen(word)};
    }
}

expr_run expr_find_format(const struct type *from)
{
    switch (from->id) {
    case TYPE_BOOLEAN:
        return boolean_run;
    case TYPE_DATE:
        return date_run;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return timestamp_run;
    case TYPE_DECIMAL:
        return rep_of_type(from) == REP_INT ? short_decimal_run : long_decimal_run;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return real_run;
    default:
        return !type_is_integer(from->id) ? NULL : rep_of_type(from) == REP_INT ? integer_run : wide_run;
    }
}
