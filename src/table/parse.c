#include "table/parse.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"

enum { TEXT_SIZE = 512, DECIMAL_DIGITS = 38 };

const char parse_not_in_enum[] = "is not among the ENUM's values";

static const char not_number[] = "is not a number";
static const char out_of_range[] = "is out of the type's range";
static const char needs_unit[] =
    "is an integer where a time is expected; --time-unit s|ms|us says what it means";
static const char not_whole[] = "is not a whole number";

/* A number's digits: value = mantissa * 10^exponent. `digits` counts significant digits; more than 38 do not
 * fit and `mantissa` is then not to be used. */
struct digits {
    bool negative;
    int digits;
    int64_t exponent;
    unsigned __int128 mantissa;
};

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline void take_digit(struct digits *ret, char c)
{
    if (ret->digits || c != '0')
        ret->digits++;
    if (ret->digits <= DECIMAL_DIGITS)
        ret->mantissa = ret->mantissa * 10 + (unsigned)(c - '0');
}

/* [sign] digits [. digits] [e [sign] digits], nothing else. Trailing zeros of the fraction are dropped, so
 * that 1.500 has one decimal. */
static bool read_digits(const char *p, const char *end, struct digits *ret)
{
    *ret = (struct digits){0};
    if (p < end && (*p == '-' || *p == '+'))
        ret->negative = *p++ == '-';
    const char *start = p;
    while (p < end && is_digit(*p))
        take_digit(ret, *p++);
    int64_t seen = p - start;
    if (p < end && *p == '.') {
        const char *fraction = ++p, *last = p;
        for (; p < end && is_digit(*p); p++) {
            if (*p != '0')
                last = p + 1;
        }
        seen += p - fraction;
        for (const char *q = fraction; q < last; q++)
            take_digit(ret, *q);
        ret->exponent = -(last - fraction);
    }
    if (seen == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        bool negative = false;
        int64_t exponent = 0;
        if (++p < end && (*p == '-' || *p == '+'))
            negative = *p++ == '-';
        if (p == end)
            return false;
        for (; p < end && is_digit(*p); p++) {
            if (exponent < 100000)
                exponent = exponent * 10 + (*p - '0');
        }
        ret->exponent += negative ? -exponent : exponent;
    }
    return p == end;
}

static unsigned __int128 power_of_ten(int n)
{
    unsigned __int128 power = 1;
    for (; n > 0; n--)
        power *= 10;
    return power;
}

/* digits * 10^scale as an integer below 10^38; a number with more than `scale` decimals is refused. */
static const char *scale_digits(const struct digits *digits, int scale, __int128 *ret)
{
    if (digits->digits == 0) {
        *ret = 0;
        return NULL;
    }
    int64_t shift = digits->exponent + scale;
    unsigned __int128 value = digits->mantissa;
    if (digits->digits > DECIMAL_DIGITS)
        return shift < 0 ? "has more digits than the type can hold" : out_of_range;
    if (shift < 0) {
        /* Only zeros may go: 1200e-2 is 12. */
        if (shift < -DECIMAL_DIGITS || value % power_of_ten((int)-shift))
            return scale ? "has more decimals than the type can hold" : not_whole;
        value /= power_of_ten((int)-shift);
    } else {
        if (shift + digits->digits > DECIMAL_DIGITS)
            return out_of_range;
        value *= power_of_ten((int)shift);
    }
    *ret = digits->negative ? -(__int128)value : (__int128)value;
    return NULL;
}

/* HUGEINT reaches beyond 38 digits: its 39th is read here. */
static const char *read_hugeint(const char *p, const char *end, const struct digits *digits, __int128 *ret)
{
    if (digits->exponent != 0 || digits->digits != DECIMAL_DIGITS + 1)
        return scale_digits(digits, 0, ret);
    __int128 value = 0;
    for (; p < end && *p != '.'; p++) {
        int digit = *p - '0';
        if (!is_digit(*p))
            continue;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digits->negative ? -digit : digit, &value))
            return out_of_range;
    }
    *ret = value;
    return NULL;
}

const char *fit_integer(__int128 wide, enum type_id id, struct value *ret)
{
    static const struct {
        int64_t minimum;
        uint64_t maximum;
    } ranges[TYPE_COUNT] = {
        [TYPE_INT8] = {INT8_MIN, INT8_MAX},    [TYPE_INT16] = {INT16_MIN, INT16_MAX},
        [TYPE_INT32] = {INT32_MIN, INT32_MAX}, [TYPE_INT64] = {INT64_MIN, INT64_MAX},
        [TYPE_UINT8] = {0, UINT8_MAX},         [TYPE_UINT16] = {0, UINT16_MAX},
        [TYPE_UINT32] = {0, UINT32_MAX},       [TYPE_UINT64] = {0, UINT64_MAX},
    };
    if (id == TYPE_HUGEINT) {
        ret->wide = wide;
        return NULL;
    }
    if (wide < ranges[id].minimum || wide > (__int128)ranges[id].maximum)
        return out_of_range;
    ret->integer = (int64_t)wide;
    return NULL;
}

const char *fit_decimal(__int128 wide, const struct type *type, struct value *ret)
{
    __int128 limit = (__int128)power_of_ten(type->precision);
    if (wide <= -limit || wide >= limit)
        return out_of_range;
    ret->wide = wide;
    return NULL;
}

const char *fit_time(__int128 wide, enum time_unit unit, struct value *ret)
{
    static const int64_t factors[] = {[TIME_UNIT_S] = 1000000, [TIME_UNIT_MS] = 1000, [TIME_UNIT_US] = 1};
    if (unit == TIME_UNIT_NONE)
        return needs_unit;
    const __int128 far = (__int128)1 << 64;
    if (wide > far || wide < -far)
        return out_of_range;
    wide *= factors[unit];
    if (wide > TIME_MOST || wide < TIME_LEAST)
        return out_of_range;
    ret->integer = (int64_t)wide;
    return NULL;
}

/* Nearest double. Up to 2^53 and 10^22 both factors are exact, so that one operation rounds once. */
static const char *read_double(const char *p, const char *end, struct value *ret)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct digits digits;
    if (read_digits(p, end, &digits)) {
        if (digits.digits <= 19 && digits.mantissa <= (uint64_t)1 << 53 && digits.exponent <= 22 &&
            digits.exponent >= -22) {
            double value = (double)(uint64_t)digits.mantissa;
            value = digits.exponent < 0 ? value / powers[-digits.exponent] : value * powers[digits.exponent];
            ret->real = digits.negative ? -value : value;
            return NULL;
        }
    } else {
        const char *q = p < end && (*p == '-' || *p == '+') ? p + 1 : p;
        size_t left = (size_t)(end - q);
        bool named = (left == 3 && (strncasecmp(q, "nan", 3) == 0 || strncasecmp(q, "inf", 3) == 0)) ||
                     (left == 8 && strncasecmp(q, "infinity", 8) == 0);
        if (!named)
            return not_number;
    }
    char text[TEXT_SIZE], *after;
    size_t size = (size_t)(end - p);
    if (size >= sizeof text)
        return "is a number of too many digits";
    memcpy(text, p, size);
    text[size] = 0;
    ret->real = strtod(text, &after);
    return isinf(ret->real) && is_digit(text[size - 1]) ? out_of_range : NULL;
}

/* Nearest float, rounded once: by way of a double it would be rounded twice. */
static const char *read_float(const char *p, const char *end, struct value *ret)
{
    struct value value;
    const char *reason = read_double(p, end, &value);
    char text[TEXT_SIZE];
    size_t size = (size_t)(end - p);
    if (reason || size >= sizeof text)
        return reason ? reason : "is a number of too many digits";
    memcpy(text, p, size);
    text[size] = 0;
    float nearest = strtof(text, NULL);
    if (isinf(nearest) && !isinf(value.real))
        return out_of_range;
    ret->real = (double)nearest;
    return NULL;
}

static const char *read_boolean(const char *p, size_t size, struct value *ret)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}, {"t", true}, {"f", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (size == strlen(words[i].text) && strncasecmp(p, words[i].text, size) == 0) {
            ret->boolean = words[i].value;
            return NULL;
        }
    }
    return "is not true or false";
}

static const char *read_time(const struct type *type, enum time_unit unit, const char *p, const char *end,
                             struct value *ret)
{
    struct digits digits;
    char text[UNITS_TEXT_SIZE * 2];
    size_t size = (size_t)(end - p);
    if (type->id != TYPE_DATE && read_digits(p, end, &digits)) {
        __int128 wide;
        const char *reason = scale_digits(&digits, 0, &wide);
        return reason ? reason : fit_time(wide, unit, ret);
    }
    int64_t us;
    const char *bad = type->id == TYPE_DATE
                          ? "is not a date such as 2018-07-25"
                          : "is not a time such as 2018-07-25 10:11:12 or 2018-07-25T10:11:12.5Z";
    if (size >= sizeof text || memchr(p, 0, size))
        return bad;
    memcpy(text, p, size);
    text[size] = 0;
    if (units_time(text, &us, NULL) != OK)
        return bad;
    if (us < TIME_LEAST || us > TIME_MOST)
        return out_of_range;
    if (type->id == TYPE_DATE) {
        if (us % DAY_US)
            return "is a time where a date is expected";
        us /= DAY_US;
    }
    ret->integer = us;
    return NULL;
}

const char *parse_number(const struct type *type, enum time_unit unit, const char *data, size_t size,
                         struct value *ret)
{
    const char *end = data + size, *reason;
    struct digits digits;
    __int128 wide;
    switch (type->id) {
    case TYPE_DOUBLE:
        return read_double(data, end, ret);
    case TYPE_FLOAT:
        return read_float(data, end, ret);
    case TYPE_BOOLEAN:
        return size == 1 ? read_boolean(data, size, ret) : "is not true or false";
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return read_time(type, unit, data, end, ret);
    case TYPE_DATE:
        return "is a number where a date is expected";
    case TYPE_VARCHAR:
    case TYPE_ENUM:
        return "is a number where text is expected";
    default:
        break;
    }
    if (!read_digits(data, end, &digits))
        return not_number;
    if (type->id == TYPE_DECIMAL) {
        reason = scale_digits(&digits, type->scale, &wide);
        return reason ? reason : fit_decimal(wide, type, ret);
    }
    reason =
        type->id == TYPE_HUGEINT ? read_hugeint(data, end, &digits, &wide) : scale_digits(&digits, 0, &wide);
    return reason ? reason : fit_integer(wide, type->id, ret);
}

const char *parse_value(const struct type *type, enum time_unit unit, const char *data, size_t size,
                        struct value *ret)
{
    const char *end = data + size;
    assert(type->id != TYPE_VARCHAR);
    if (type->id == TYPE_ENUM) {
        int32_t code = dictionary_find(type->values, data, size);
        if (code < 0)
            return parse_not_in_enum;
        ret->integer = code;
        return NULL;
    }
    while (data < end && (*data == ' ' || *data == '\t'))
        data++;
    while (data < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size = (size_t)(end - data);
    if (type->id == TYPE_BOOLEAN)
        return read_boolean(data, size, ret);
    if (type->id == TYPE_DATE || type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMPTZ)
        return read_time(type, unit, data, end, ret);
    return parse_number(type, unit, data, size, ret);
}

void value_append(struct column *column, const struct type *type, const struct value *value)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
        column_append_boolean(column, value->boolean);
        break;
    case TYPE_HUGEINT:
    case TYPE_DECIMAL:
        column_append_wide(column, value->wide);
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        column_append_double(column, type, value->real);
        break;
    default:
        column_append_int(column, type, value->integer);
    }
}
