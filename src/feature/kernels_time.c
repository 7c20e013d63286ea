/*
 * Parts of dates and times. A TIMESTAMP counts microseconds from 1970, a DATE days; before 1970 both are
 * negative, so every division here rounds down. What is infinite has no parts: NULL.
 */
#include <math.h>

#include "base/units.h"
#include "feature/kernels.h"
#include "feature/time_math.h"

/* The input as days and microseconds of the day, for DATE and TIMESTAMP alike. */
struct moment {
    int64_t day, time;
    int year, month, of_month;
};

static inline struct moment moment_of(enum type_id from, int64_t value)
{
    struct moment at = {.day = value};
    if (from != TYPE_DATE) {
        at.day = floor_divide(value, DAY_US);
        at.time = time_of_day(value);
    }
    return at;
}

static int64_t year_day(int64_t day)
{
    int year, month, of_month;
    time_civil(day, &year, &month, &of_month);
    return day - time_days(year, 1, 1) + 1;
}

/* The Thursday of a day's ISO week decides its ISO year. */
static int64_t thursday(int64_t day)
{
    return monday_of(day) + 3;
}

static int64_t iso_week(int64_t day)
{
    return (year_day(thursday(day)) - 1) / 7 + 1;
}

int64_t time_iso_year(int64_t day)
{
    int year, month, of_month;
    time_civil(thursday(day), &year, &month, &of_month);
    return year;
}

static int64_t year_week(int64_t day)
{
    int64_t year = time_iso_year(day), week = iso_week(day);
    return year * 100 + (year > 0 ? week : -week);
}

/* Centuries and millennia begin with their year 1, and before it count backwards: there is none with number
 * 0. */
static int64_t hundreds(int year, int years)
{
    return year > 0 ? (year - 1) / years + 1 : -(-(int64_t)year / years) - 1;
}

static int64_t epoch_microseconds(struct moment at, uint8_t *state)
{
    int64_t out = 0;
    if (__builtin_mul_overflow(at.day, DAY_US, &out) || __builtin_add_overflow(out, at.time, &out))
        *state = STATE_ERROR;
    return out;
}

static int64_t epoch_nanoseconds(struct moment at, uint8_t *state)
{
    int64_t out = epoch_microseconds(at, state);
    if (__builtin_mul_overflow(out, INT64_C(1000), &out))
        *state = STATE_ERROR;
    return out;
}

/* With a time zone, DuckDB counts milliseconds and adds the rest. */
static double seconds(const struct call *call, int64_t in)
{
    int64_t millis = floor_divide(in, 1000);
    if (call->from == TYPE_TIMESTAMPTZ)
        return (double)millis / 1000 + (double)(in - millis * 1000) / 1e6;
    return call->from == TYPE_DATE ? (double)in * 86400 : (double)in / 1e6;
}

#define PART(name, values, expression)                         \
    static void name##_run(const struct call *call, int64_t n) \
    {                                                          \
        const int64_t *ins = INTS(call->in[0]);                \
        typeof(values(call->out)) outs = values(call->out);    \
        uint8_t *states = call->out->state;                    \
        enum type_id from = call->from;                        \
        states_copy(call, n);                                  \
        for (int64_t i = 0; i < n; i++) {                      \
            int64_t in = ins[i];                               \
            uint8_t *state = &states[i];                       \
            if (*state != STATE_VALUE)                         \
                continue;                                      \
            if (!time_is_finite(in, from)) {                   \
                *state = STATE_NULL;                           \
                continue;                                      \
            }                                                  \
            struct moment at = moment_of(from, in);            \
            (void)at;                                          \
            outs[i] = (expression);                            \
        }                                                      \
    }

#define CIVIL time_civil(at.day, &at.year, &at.month, &at.of_month)

PART(hour, INTS, at.time / HOUR_US)
PART(minute, INTS, at.time / MINUTE_US % 60)
PART(second, INTS, at.time / SECOND_US % 60)
PART(millisecond, INTS, at.time / 1000 % 60000)
PART(microsecond, INTS, at.time % MINUTE_US)
PART(nanosecond, INTS, at.time % MINUTE_US * 1000)
PART(day_of_week, INTS, at.day + 4 - 7 * floor_divide(at.day + 4, 7))
PART(iso_day_of_week, INTS, at.day - monday_of(at.day) + 1)
PART(day_of_year, INTS, year_day(at.day))
PART(week, INTS, iso_week(at.day))
PART(iso_year, INTS, time_iso_year(at.day))
PART(year_week, INTS, year_week(at.day))
PART(day, INTS, (CIVIL, at.of_month))
PART(month, INTS, (CIVIL, at.month))
PART(year, INTS, (CIVIL, at.year))
PART(quarter, INTS, (CIVIL, (at.month - 1) / 3 + 1))
PART(decade, INTS, (CIVIL, at.year / 10))
PART(century, INTS, (CIVIL, hundreds(at.year, 100)))
PART(millennium, INTS, (CIVIL, hundreds(at.year, 1000)))
PART(era, INTS, (CIVIL, at.year > 0))
PART(zone, INTS, 0 * at.time)
PART(last_day, INTS, (CIVIL, at.day - at.of_month + time_month_days(at.year, at.month)))
PART(julian, DOUBLES, (double)(at.day + 2440588) + (double)at.time / (double)DAY_US)
PART(epoch, DOUBLES, seconds(call, in))
PART(epoch_us, INTS, epoch_microseconds(at, state))
PART(epoch_ns, INTS, epoch_nanoseconds(at, state))

static struct text day_name(int64_t day)
{
    static const char *const names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};
    const char *name = names[day - monday_of(day)];
    return (struct text){name, strlen(name)};
}

static struct text month_name(int month)
{
    static const char *const names[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
    return (struct text){names[month - 1], strlen(names[month - 1])};
}

PART(day_name, TEXTS, day_name(at.day))
PART(month_name, TEXTS, (CIVIL, month_name(at.month)))

/* epoch_ms of a time counts milliseconds; of an integer it is the time of that many milliseconds. */
static void epoch_ms_run(const struct call *call, int64_t n)
{
    bool back = call->type == TYPE_TIMESTAMP || call->type == TYPE_TIMESTAMPTZ;
    epoch_us_run(call, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t *out = &INTS(call->out)[i];
        if (call->out->state[i] != STATE_VALUE && !back)
            continue;
        if (!back) {
            *out /= 1000;
            continue;
        }
        call->out->state[i] = call->in[0]->state[i];
        if (call->out->state[i] == STATE_VALUE &&
            (__builtin_mul_overflow(INTS(call->in[0])[i], INT64_C(1000), out) ||
             !time_is_finite(*out, TYPE_TIMESTAMP)))
            call->out->state[i] = STATE_ERROR;
    }
}

/* make_timestamp(microseconds) */
static void make_timestamp_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        INTS(call->out)[i] = INTS(call->in[0])[i];
        if (call->out->state[i] == STATE_VALUE && !time_is_finite(INTS(call->out)[i], TYPE_TIMESTAMP))
            call->out->state[i] = STATE_ERROR;
    }
}

/* to_timestamp(seconds) */
static void to_timestamp_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        double micros = nearbyint(DOUBLES(call->in[0])[i] * 1e6);
        if (call->out->state[i] != STATE_VALUE)
            continue;
        if (micros > -9223372036854775808.0 && micros < 9223372036854775808.0)
            INTS(call->out)[i] = (int64_t)micros;
        else
            call->out->state[i] = STATE_ERROR;
    }
}

static void make_date_run(const struct call *call, int64_t n)
{
    states_all(call, n);
    for (int64_t i = 0; i < n; i++)
        if (call->out->state[i] == STATE_VALUE &&
            !time_date(INTS(call->in[0])[i], INTS(call->in[1])[i], INTS(call->in[2])[i], &INTS(call->out)[i]))
            call->out->state[i] = STATE_ERROR;
}

/* The parts that all have their other names too. */
const struct kernel kernels_time[] = {
    {"hour", "i", "i", hour_run},
    {"minute", "i", "i", minute_run},
    {"second", "i", "i", second_run},
    {"millisecond", "i", "i", millisecond_run},
    {"microsecond", "i", "i", microsecond_run},
    {"nanosecond", "i", "i", nanosecond_run},
    {"dayofweek", "i", "i", day_of_week_run},
    {"weekday", "i", "i", day_of_week_run},
    {"dow", "i", "i", day_of_week_run},
    {"isodow", "i", "i", iso_day_of_week_run},
    {"dayofyear", "i", "i", day_of_year_run},
    {"doy", "i", "i", day_of_year_run},
    {"week", "i", "i", week_run},
    {"weekofyear", "i", "i", week_run},
    {"isoyear", "i", "i", iso_year_run},
    {"yearweek", "i", "i", year_week_run},
    {"day", "i", "i", day_run},
    {"dayofmonth", "i", "i", day_run},
    {"month", "i", "i", month_run},
    {"quarter", "i", "i", quarter_run},
    {"year", "i", "i", year_run},
    {"decade", "i", "i", decade_run},
    {"century", "i", "i", century_run},
    {"millennium", "i", "i", millennium_run},
    {"era", "i", "i", era_run},
    {"timezone", "i", "i", zone_run},
    {"timezone_hour", "i", "i", zone_run},
    {"timezone_minute", "i", "i", zone_run},
    {"last_day", "i", "i", last_day_run},
    {"dayname", "i", "t", day_name_run},
    {"monthname", "i", "t", month_name_run},
    {"julian", "i", "d", julian_run},
    {"epoch", "i", "d", epoch_run},
    {"epoch_us", "i", "i", epoch_us_run},
    {"epoch_ms", "i", "i", epoch_ms_run},
    {"epoch_ns", "i", "i", epoch_ns_run},
    {"make_timestamp", "i", "i", make_timestamp_run},
    {"to_timestamp", "d", "i", to_timestamp_run},
    {"make_date", "iii", "i", make_date_run},
    {0},
};
