/*
 * Casts from VARCHAR, as lenient as DuckDB's: spaces around numbers, 1_000, 1.5 and 1e3 as integers (rounded
 * half away from zero), 0x1F; dates with - / \ or spaces. What cannot be read is an error.
 */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "base/units.h"
#include "feature/kernels.h"
#include "feature/time_math.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct text strip(struct text text)
{
    while (text.size && is_space(text.data[0]))
        text = (struct text){text.data + 1, text.size - 1};
    while (text.size && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

enum { DIGITS = 96, EXPONENT_MOST = 32767 };

/* A decimal number: 0.d0 d1 d2 ... * 10^point, leading zeros left out. Digits beyond DIGITS do not matter to
 * any type. */
struct digits {
    char digit[DIGITS];
    int n, whole; /* whole: how many stood before the point */
    int point, exponent;
    bool negative;
};

/* A run of digits with single underscores between them. `whole`: before the point. False: an underscore out
 * of place. */
static bool read_run(struct text text, size_t *at, struct digits *ret, bool whole, bool *ret_any)
{
    while (*at < text.size && is_digit(text.data[*at])) {
        char digit = text.data[(*at)++];
        *ret_any = true;
        if (digit != '0' || ret->n) {
            if (ret->n < DIGITS)
                ret->digit[ret->n++] = (char)(digit - '0');
            ret->point += whole;
            ret->whole += whole;
        } else {
            ret->point -= !whole;
        }
        if (*at < text.size && text.data[*at] == '_' && (++*at == text.size || !is_digit(text.data[*at])))
            return false;
    }
    return true;
}

static bool read_exponent(struct text text, size_t *at, struct digits *ret)
{
    int64_t exponent = 0;
    bool negative = *at < text.size && text.data[*at] == '-';
    *at += *at < text.size && (negative || text.data[*at] == '+');
    size_t first = *at;
    for (; *at < text.size && is_digit(text.data[*at]); ++*at)
        if ((exponent = exponent * 10 + text.data[*at] - '0') > EXPONENT_MOST)
            return false;
    ret->exponent = (int)(negative ? -exponent : exponent);
    return *at > first;
}

static bool read_digits(struct text text, struct digits *ret)
{
    text = strip(text);
    size_t at = 0;
    bool before = false, after = false;
    *ret = (struct digits){.negative = text.size && text.data[0] == '-'};
    at += text.size && (text.data[0] == '-' || text.data[0] == '+');
    if (!read_run(text, &at, ret, true, &before))
        return false;
    if (at < text.size && text.data[at] == '.') {
        at++;
        if (!read_run(text, &at, ret, false, &after))
            return false;
    }
    if (!before && !after)
        return false;
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
        at++;
        if (!read_exponent(text, &at, ret))
            return false;
    }
    return at == text.size;
}

/* The number times 10^scale, rounded half away from zero. */
static bool digits_value(const struct digits *digits, int scale, __int128 *ret)
{
    int places = digits->point + digits->exponent + scale;
    unsigned __int128 value = 0, most = (unsigned __int128)1 << 127;
    for (int i = 0; i < places && digits->n; i++)
        if (__builtin_mul_overflow(value, (unsigned __int128)10, &value) ||
            __builtin_add_overflow(value, (unsigned __int128)(i < digits->n ? digits->digit[i] : 0), &value))
            return false;
    value += places >= 0 && places < digits->n && digits->digit[places] >= 5;
    if (value > most || (value == most && !digits->negative))
        return false;
    *ret = (__int128)(digits->negative ? -value : value);
    return true;
}

/* 0x1F and 0b101. */
static bool read_based(struct text text, int bits, __int128 *ret)
{
    __int128 value = 0;
    for (size_t i = 2; i < text.size; i++) {
        char c = text.data[i];
        int digit = is_digit(c)                  ? c - '0'
                    : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                                 : 16;
        if (c == '_' && i > 2 && i + 1 < text.size && text.data[i - 1] != '_')
            continue;
        if (digit >> bits || (value = value << bits | digit) > (__int128)UINT64_MAX)
            return false;
    }
    *ret = value;
    return text.size > 2;
}

static bool read_integer(struct text text, enum type_id type, __int128 *ret)
{
    struct digits digits;
    text = strip(text);
    if (type != TYPE_HUGEINT && text.size > 1 && text.data[0] == '0' && (text.data[1] | 32) == 'x')
        return read_based(text, 4, ret);
    if (type != TYPE_HUGEINT && text.size > 1 && text.data[0] == '0' && (text.data[1] | 32) == 'b')
        return read_based(text, 1, ret);
    if (!read_digits(text, &digits) || (type != TYPE_HUGEINT && digits.whole > 20))
        return false;
    /* What is unsigned takes a minus before zeros only. */
    if (digits.negative && type >= TYPE_UINT8 && type <= TYPE_UINT64)
        for (size_t i = 1; i < text.size; i++)
            if (text.data[i] != '0')
                return false;
    return digits_value(&digits, 0, ret);
}

static bool read_decimal(const struct call *call, struct text text, __int128 *ret)
{
    struct digits digits;
    __int128 limit = power10_wide(call->precision);
    return read_digits(text, &digits) && digits.whole <= call->precision - call->scale &&
           digits_value(&digits, call->scale, ret) && *ret<limit && * ret> - limit;
}

static bool number_word(struct text text)
{
    static const char *const words[] = {"inf", "infinity", "nan"};
    if (text.size && text.data[0] == '-')
        text = (struct text){text.data + 1, text.size - 1};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text.size == strlen(words[i]) && strncasecmp(text.data, words[i], text.size) == 0)
            return true;
    return false;
}

static bool read_real(struct text text, bool narrow, double *ret)
{
    struct digits digits;
    char copy[512];
    size_t size = 0;
    text = strip(text);
    if (text.size && text.data[0] == '+')
        text = (struct text){text.data + 1, text.size - 1};
    if (text.size && text.data[0] == '+')
        return false;
    if (text.size >= sizeof copy || !(number_word(text) || read_digits(text, &digits)))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] != '_')
            copy[size++] = text.data[i];
    copy[size] = 0;
    *ret = narrow ? (double)strtof(copy, NULL) : strtod(copy, NULL);
    return true;
}

static bool read_boolean(struct text text, uint8_t *ret)
{
    static const struct {
        const char *word;
        uint8_t value;
    } words[] = {{"true", 1},  {"t", 1}, {"yes", 1}, {"y", 1}, {"1", 1},
                 {"false", 0}, {"f", 0}, {"no", 0},  {"n", 0}, {"0", 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text.size == strlen(words[i].word) && strncasecmp(text.data, words[i].word, text.size) == 0) {
            *ret = words[i].value;
            return true;
        }
    return false;
}

/* One or two digits. */
static bool read_two(struct text text, size_t *at, int64_t *ret)
{
    if (*at == text.size || !is_digit(text.data[*at]))
        return false;
    *ret = text.data[(*at)++] - '0';
    if (*at < text.size && is_digit(text.data[*at]))
        *ret = *ret * 10 + text.data[(*at)++] - '0';
    return true;
}

static bool read_word(struct text text, size_t *at, const char *word)
{
    size_t size = strlen(word);
    if (text.size - *at < size || strncasecmp(text.data + *at, word, size) != 0)
        return false;
    *at += size;
    return true;
}

/* "infinity", "inf", "epoch", alone. */
static bool read_special(struct text text, size_t at, bool negative, int64_t *ret)
{
    if (read_word(text, &at, "infinity") || read_word(text, &at, "inf"))
        *ret = negative ? -INT32_MAX : INT32_MAX;
    else if (read_word(text, &at, "epoch"))
        *ret = 0;
    else
        return false;
    while (at < text.size && is_space(text.data[at]))
        at++;
    return at == text.size;
}

/* A date at the start of a text; what follows is the caller's, as long as it is no digit. */
static bool read_date(struct text text, size_t *ret_at, int64_t *ret)
{
    size_t at = 0;
    int64_t year = 0, month, day;
    while (at < text.size && is_space(text.data[at]))
        at++;
    bool negative = at < text.size && text.data[at] == '-';
    at += negative;
    if (at < text.size && !is_digit(text.data[at])) {
        *ret_at = text.size;
        return read_special(text, at, negative, ret);
    }
    for (; at < text.size && is_digit(text.data[at]); at++)
        if ((year = year * 10 + text.data[at] - '0') >= 1000000000)
            return false;
    if (at == text.size || !strchr(" -/\\", text.data[at]))
        return false;
    char separator = text.data[at++];
    if (!read_two(text, &at, &month) || at == text.size || text.data[at++] != separator ||
        !read_two(text, &at, &day))
        return false;
    year = negative ? -year : year;
    if (at < text.size && is_space(text.data[at]) && text.size - at >= 5 &&
        strncasecmp(text.data + at + 1, "(bc)", 4) == 0) {
        if (year <= 0)
            return false;
        year = 1 - year;
        at += 5;
    }
    if (at < text.size && is_digit(text.data[at]))
        return false;
    *ret_at = at;
    return time_date(year, month, day, ret);
}

static bool read_clock(struct text text, size_t *at, int64_t *ret)
{
    int64_t hour = 0, minute = 0, second = 0, micros = 0, unit = 100000;
    while (*at < text.size && is_space(text.data[*at]))
        ++*at;
    size_t first = *at;
    for (; *at < text.size && is_digit(text.data[*at]) && *at - first < 9; ++*at)
        hour = hour * 10 + text.data[*at] - '0';
    if (*at == first || *at == text.size || text.data[(*at)++] != ':')
        return false;
    if (*at < text.size && (!read_two(text, at, &minute) || minute > 59))
        return false;
    if (*at < text.size && text.data[(*at)++] != ':')
        return false;
    if (*at < text.size && (!read_two(text, at, &second) || second > 59))
        return false;
    if (*at < text.size && text.data[*at] == '.')
        for (++*at; *at < text.size && is_digit(text.data[*at]); ++*at, unit /= 10)
            micros += (text.data[*at] - '0') * unit;
    *ret = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + micros;
    return *ret <= DAY_US;
}

static bool two_digits(struct text text, size_t at)
{
    return at + 2 <= text.size && is_digit(text.data[at]) && is_digit(text.data[at + 1]);
}

/* What may follow a time: Z, an offset, UTC. A TIMESTAMP is without a zone, so DuckDB leaves them out of the
 * value. */
static bool read_zone(struct text text, size_t at)
{
    char c = at < text.size ? text.data[at] : 0;
    if (c == 'Z') {
        at++;
    } else if ((c == '+' || c == '-') && two_digits(text, at + 1)) {
        at += 3;
        for (int i = 0; i < 2; i++) {
            bool colon = at < text.size && text.data[at] == ':';
            if (two_digits(text, at + colon))
                at += 2u + colon;
        }
    } else if (c == ' ') {
        at++;
        if (at < text.size && text.data[at] != ' ' && !read_word(text, &at, "utc"))
            return false;
    } else if (c) {
        return false;
    }
    while (at < text.size && is_space(text.data[at]))
        at++;
    return at == text.size;
}

static bool read_timestamp(struct text text, int64_t *ret)
{
    size_t at;
    int64_t day, time = 0;
    if (!read_date(text, &at, &day))
        return false;
    if (at == text.size) {
        *ret = day > 0 ? INT64_MAX : -INT64_MAX;
        return !time_is_finite(day, TYPE_DATE) || time_join(day, 0, ret);
    }
    at += text.data[at] == ' ' || text.data[at] == 'T';
    return read_clock(text, &at, &time) && time_join(day, time, ret) && read_zone(text, at);
}

#define PARSE(name, body)                                      \
    static void name##_run(const struct call *call, int64_t n) \
    {                                                          \
        states_copy(call, n);                                  \
        for (int64_t i = 0; i < n; i++) {                      \
            struct text in = TEXTS(call->in[0])[i];            \
            __int128 wide = 0;                                 \
            size_t at = 0;                                     \
            (void)wide, (void)at;                              \
            if (call->out->state[i] == STATE_VALUE && !(body)) \
                call->out->state[i] = STATE_ERROR;             \
        }                                                      \
    }

PARSE(boolean, read_boolean(in, &BOOLEANS(call->out)[i]))
PARSE(integer, read_integer(in, call->type, &wide) && (INTS(call->out)[i] = (int64_t)wide) == wide &&
                   int_fits((int64_t)wide, call->type))
PARSE(wide,
      (read_integer(in, call->type, &WIDES(call->out)[i]) && wide_fits(WIDES(call->out)[i], call->type)))
PARSE(short_decimal, read_decimal(call, in, &wide) && (INTS(call->out)[i] = (int64_t)wide, true))
PARSE(long_decimal, read_decimal(call, in, &WIDES(call->out)[i]))
PARSE(real, read_real(in, call->type == TYPE_FLOAT, &DOUBLES(call->out)[i]))
PARSE(date, read_date(in, &at, &INTS(call->out)[i]))
PARSE(timestamp, read_timestamp(in, &INTS(call->out)[i]))

expr_run expr_find_parse(const struct type *to)
{
    switch (to->id) {
    case TYPE_BOOLEAN:
        return boolean_run;
    case TYPE_DATE:
        return date_run;
    case TYPE_TIMESTAMP:
        return timestamp_run;
    case TYPE_DECIMAL:
        return rep_of_type(to) == REP_INT ? short_decimal_run : long_decimal_run;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        return real_run;
    default:
        return !type_is_integer(to->id) ? NULL : rep_of_type(to) == REP_INT ? integer_run : wide_run;
    }
}
