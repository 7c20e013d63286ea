#include "base/units.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"us", 1},
    {"microsecond", 1},
    {"microseconds", 1},
    {"ms", 1000},
    {"millisecond", 1000},
    {"milliseconds", 1000},
    {"s", SECOND_US},
    {"sec", SECOND_US},
    {"second", SECOND_US},
    {"seconds", SECOND_US},
    {"m", MINUTE_US},
    {"min", MINUTE_US},
    {"minute", MINUTE_US},
    {"minutes", MINUTE_US},
    {"h", HOUR_US},
    {"hour", HOUR_US},
    {"hours", HOUR_US},
    {"d", DAY_US},
    {"day", DAY_US},
    {"days", DAY_US},
    {"w", 7 * DAY_US},
    {"week", 7 * DAY_US},
    {"weeks", 7 * DAY_US},
    {NULL, 0},
};

static const struct unit sizes[] = {
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", 1000 * 1000 * 1000},
    {"TB", INT64_C(1000000000000)},
    {"KiB", 1 << 10},
    {"MiB", 1 << 20},
    {"GiB", 1 << 30},
    {"TiB", INT64_C(1) << 40},
    {NULL, 0},
};

static const char *skip_spaces(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* Decimal digits at *p; false where there is none or the number leaves 63 bits. */
static bool read_number(const char **p, int64_t *ret)
{
    if (!isdigit((unsigned char)**p))
        return false;
    int64_t value = 0;
    for (; isdigit((unsigned char)**p); ++*p)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, **p - '0', &value))
            return false;
    *ret = value;
    return true;
}

static const struct unit *read_unit(const char **p, const struct unit *units)
{
    size_t n = 0;
    while (isalpha((unsigned char)(*p)[n]))
        n++;
    for (const struct unit *unit = units; n && unit->name; unit++)
        if (strlen(unit->name) == n && memcmp(unit->name, *p, n) == 0) {
            *p += n;
            return unit;
        }
    return NULL;
}

int units_duration(const char *text, int64_t *ret_us, struct error *error)
{
    const char *p = skip_spaces(text);
    int64_t total = 0;
    if (*p == '0' && !*skip_spaces(p + 1)) {
        *ret_us = 0;
        return OK;
    }
    do {
        int64_t value;
        const struct unit *unit = NULL;
        if (read_number(&p, &value)) {
            p = skip_spaces(p);
            unit = read_unit(&p, durations);
        }
        if (!unit || __builtin_mul_overflow(value, unit->factor, &value) ||
            __builtin_add_overflow(total, value, &total))
            return error_set(
                error, CODE_INVALID,
                "'%s' is not a duration; expected a number with a unit, such as 7d, 12h, 1h30m, 90s, 250ms",
                text);
        p = skip_spaces(p);
    } while (*p);
    *ret_us = total;
    return OK;
}

int units_size(const char *text, int64_t *ret_bytes, struct error *error)
{
    const char *p = skip_spaces(text);
    int64_t value = 0, factor = 1;
    bool good = read_number(&p, &value);
    p = skip_spaces(p);
    if (good && *p) {
        const struct unit *unit = read_unit(&p, sizes);
        factor = unit ? unit->factor : 0;
        p = skip_spaces(p);
    }
    if (!good || !factor || *p || __builtin_mul_overflow(value, factor, &value))
        return error_set(error, CODE_INVALID,
                         "'%s' is not a size; expected bytes or a unit, such as 4096, 64KiB, 2GiB", text);
    *ret_bytes = value;
    return OK;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar, counted in eras of 400 years that begin on 1
 * March. */
int64_t units_days(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void units_civil(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *ret_month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static int month_length(int64_t year, int64_t month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : lengths[month - 1];
}

/* A number of `least` to `most` digits within [from, to]. */
static bool read_field(const char **p, int least, int most, int64_t from, int64_t to, int64_t *ret)
{
    const char *start = *p;
    if (!read_number(p, ret))
        return false;
    return *p - start >= least && *p - start <= most && *ret >= from && *ret <= to;
}

static bool read_date(const char **p, int64_t *ret_days)
{
    int64_t year, month, day;
    if (!read_field(p, 4, 6, 0, 294246, &year) || *(*p)++ != '-' || !read_field(p, 1, 2, 1, 12, &month) ||
        *(*p)++ != '-' || !read_field(p, 1, 2, 1, month_length(year, month), &day))
        return false;
    *ret_days = units_days((int)year, (int)month, (int)day);
    return true;
}

/* Microseconds of a fraction's digits; digits after the sixth are cut off, as DuckDB does. */
static bool read_fraction(const char **p, int64_t *ret_us)
{
    int64_t us = 0;
    int n = 0;
    for (; isdigit((unsigned char)**p); ++*p, n++)
        if (n < 6)
            us = us * 10 + (**p - '0');
    for (int i = n; i < 6; i++)
        us *= 10;
    *ret_us = us;
    return n > 0;
}

/* "HH:MM", "HH:MM:SS" or "HH:MM:SS.ffffff". */
static bool read_clock(const char **p, int64_t *ret_us)
{
    int64_t hour, minute, second = 0, fraction = 0;
    if (!read_field(p, 1, 2, 0, 23, &hour) || *(*p)++ != ':' || !read_field(p, 2, 2, 0, 59, &minute))
        return false;
    if (**p == ':') {
        ++*p;
        if (!read_field(p, 2, 2, 0, 59, &second))
            return false;
        if (**p == '.') {
            ++*p;
            if (!read_fraction(p, &fraction))
                return false;
        }
    }
    *ret_us = hour * HOUR_US + minute * MINUTE_US + second * SECOND_US + fraction;
    return true;
}

/* "", "Z", "+02", "+0200", "+02:00", " UTC". */
static bool read_zone(const char **p, int64_t *ret_us)
{
    *ret_us = 0;
    if (strcmp(*p, "Z") == 0 || strcmp(*p, "z") == 0 || strcmp(*p, " UTC") == 0) {
        *p += strlen(*p);
        return true;
    }
    if (**p != '+' && **p != '-')
        return **p == 0;
    int64_t sign = *(*p)++ == '-' ? -1 : 1, hour = 0, minute = 0;
    if (!isdigit((unsigned char)(*p)[0]) || !isdigit((unsigned char)(*p)[1]))
        return false;
    hour = ((*p)[0] - '0') * 10 + ((*p)[1] - '0');
    *p += 2;
    if (**p == ':')
        ++*p;
    if (**p && !read_field(p, 2, 2, 0, 59, &minute))
        return false;
    *ret_us = sign * (hour * HOUR_US + minute * MINUTE_US);
    return hour <= 15;
}

int units_time(const char *text, int64_t *ret_us, struct error *error)
{
    const char *p = text;
    int64_t days, clock_us = 0, zone_us = 0;
    bool good = read_date(&p, &days);
    if (good && (*p == ' ' || *p == 'T' || *p == 't')) {
        p++;
        good = read_clock(&p, &clock_us) && read_zone(&p, &zone_us);
    }
    if (!good || *p)
        return error_set(
            error, CODE_INVALID,
            "'%s' is not a time; expected 2018-07-25, 2018-07-25 10:11:12 or 2018-07-25T10:11:12Z", text);
    *ret_us = days * DAY_US + clock_us - zone_us;
    return OK;
}

int units_span(const char *text, struct span *ret, struct error *error)
{
    const char *dots = strstr(text, "..");
    char from[64];
    struct span span;
    if (!dots || (size_t)(dots - text) >= sizeof from)
        return error_set(error, CODE_INVALID, "'%s' is not a span of time; expected FROM..TO, such as "
                         "2018-07-25..2018-08-01 (the end is not included)", text);
    memcpy(from, text, (size_t)(dots - text));
    from[dots - text] = 0;
    int code = units_time(from, &span.from_us, error);
    if (!code)
        code = units_time(dots + 2, &span.to_us, error);
    if (code)
        return code;
    if (span.from_us >= span.to_us)
        return error_set(error, CODE_INVALID, "the span '%s' is empty: its end is not after its begin", text);
    *ret = span;
    return OK;
}

/* Year 0 is 1 BC, as DuckDB prints it. */
static int print_date(int64_t days, char *text, size_t size, const char **ret_suffix)
{
    int year, month, day;
    units_civil(days, &year, &month, &day);
    *ret_suffix = year <= 0 ? " (BC)" : "";
    return snprintf(text, size, "%04d-%02d-%02d%s", year <= 0 ? 1 - year : year, month, day, *ret_suffix);
}

const char *units_date_text(int32_t days, char text[UNITS_TEXT_SIZE])
{
    const char *suffix;
    print_date(days, text, UNITS_TEXT_SIZE, &suffix);
    return text;
}

const char *units_time_text(int64_t us, char text[UNITS_TEXT_SIZE])
{
    int64_t days = us / DAY_US - (us % DAY_US < 0);
    int64_t rest = us % DAY_US + (us % DAY_US < 0 ? DAY_US : 0);
    const char *suffix;
    int used = print_date(days, text, UNITS_TEXT_SIZE, &suffix);
    size_t left = UNITS_TEXT_SIZE - (size_t)used;
    used += snprintf(text + used, left, " %02d:%02d:%02d", (int)(rest / HOUR_US),
                     (int)(rest / MINUTE_US % 60), (int)(rest / SECOND_US % 60));
    int fraction = (int)(rest % SECOND_US);
    if (fraction) {
        used += snprintf(text + used, UNITS_TEXT_SIZE - (size_t)used, ".%06d", fraction);
        while (text[used - 1] == '0')
            text[--used] = 0;
    }
    return text;
}

const char *units_duration_text(int64_t us, char text[UNITS_TEXT_SIZE])
{
    static const struct unit parts[] = {{"d", DAY_US}, {"h", HOUR_US}, {"m", MINUTE_US}, {"s", SECOND_US},
                                        {"ms", 1000},  {"us", 1},      {NULL, 0}};
    int used = 0;
    if (us == 0)
        snprintf(text, UNITS_TEXT_SIZE, "0");
    for (const struct unit *unit = parts; unit->name && us > 0; unit++)
        if (us / unit->factor) {
            used += snprintf(text + used, UNITS_TEXT_SIZE - (size_t)used, "%lld%s",
                             (long long)(us / unit->factor), unit->name);
            us %= unit->factor;
        }
    return text;
}

const char *units_size_text(int64_t bytes, char text[UNITS_TEXT_SIZE])
{
    static const char *const names[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof names / sizeof *names; unit++)
        value /= 1024;
    bool whole = value == (double)(int64_t)value;
    snprintf(text, UNITS_TEXT_SIZE, "%.*f %s", whole ? 0 : 1, value, names[unit]);
    return text;
}
