/*
 * Intervals: making them, adding them to times, and what times and dates do among themselves. Months, days
 * and microseconds stay apart; only comparing carries them over, 30 days to a month.
 */
#include <math.h>

#include "base/units.h"
#include "feature/kernels.h"
#include "feature/time_math.h"

/* to_days(n) and the like: n times a unit in one of the three counts. */
#define MAKE(name, member, factor)                                                           \
    static void name##_run(const struct call *call, int64_t n)                               \
    {                                                                                        \
        states_copy(call, n);                                                                \
        for (int64_t i = 0; i < n; i++) {                                                    \
            struct interval *out = &INTERVALS(call->out)[i];                                 \
            *out = (struct interval){0};                                                     \
            if (call->out->state[i] == STATE_VALUE &&                                        \
                __builtin_mul_overflow(INTS(call->in[0])[i], INT64_C(factor), &out->member)) \
                call->out->state[i] = STATE_ERROR;                                           \
        }                                                                                    \
    }

MAKE(to_millennia, months, 12000)
MAKE(to_centuries, months, 1200)
MAKE(to_decades, months, 120)
MAKE(to_years, months, 12)
MAKE(to_quarters, months, 3)
MAKE(to_months, months, 1)
MAKE(to_weeks, days, 7)
MAKE(to_days, days, 1)
MAKE(to_hours, micros, 3600000000)
MAKE(to_minutes, micros, 60000000)
MAKE(to_microseconds, micros, 1)

static void make_real(const struct call *call, int64_t n, double factor)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        double micros = nearbyint(DOUBLES(call->in[0])[i] * factor);
        INTERVALS(call->out)[i] = (struct interval){0};
        if (call->out->state[i] != STATE_VALUE)
            continue;
        if (micros >= -9223372036854775808.0 && micros < 9223372036854775808.0)
            INTERVALS(call->out)[i].micros = (int64_t)micros;
        else
            call->out->state[i] = STATE_ERROR;
    }
}

static void to_seconds_run(const struct call *call, int64_t n)
{
    make_real(call, n, 1e6);
}

static void to_milliseconds_run(const struct call *call, int64_t n)
{
    make_real(call, n, 1e3);
}

static bool negate(struct interval in, struct interval *ret)
{
    *ret = (struct interval){0};
    return !__builtin_sub_overflow(0, in.months, &ret->months) &&
           !__builtin_sub_overflow(0, in.days, &ret->days) &&
           !__builtin_sub_overflow(INT64_C(0), in.micros, &ret->micros);
}

static bool add(struct interval a, struct interval b, struct interval *ret)
{
    *ret = (struct interval){0};
    return !__builtin_add_overflow(a.months, b.months, &ret->months) &&
           !__builtin_add_overflow(a.days, b.days, &ret->days) &&
           !__builtin_add_overflow(a.micros, b.micros, &ret->micros);
}

static bool subtract(struct interval a, struct interval b, struct interval *ret)
{
    *ret = (struct interval){0};
    return !__builtin_sub_overflow(a.months, b.months, &ret->months) &&
           !__builtin_sub_overflow(a.days, b.days, &ret->days) &&
           !__builtin_sub_overflow(a.micros, b.micros, &ret->micros);
}

static bool multiply(struct interval in, int64_t factor, struct interval *ret)
{
    *ret = (struct interval){0};
    return factor == (int32_t)factor && !__builtin_mul_overflow(in.months, (int32_t)factor, &ret->months) &&
           !__builtin_mul_overflow(in.days, (int32_t)factor, &ret->days) &&
           !__builtin_mul_overflow(in.micros, factor, &ret->micros);
}

/* A DATE becomes the TIMESTAMP of its midnight first. */
static bool shift(int64_t time, enum type_id type, struct interval interval, int64_t *ret)
{
    if (type == TYPE_DATE && !time_is_finite(time, TYPE_DATE))
        time = time > 0 ? INT64_MAX : -INT64_MAX;
    else if (type == TYPE_DATE && !time_join(time, 0, &time))
        return false;
    /* With a time zone, DuckDB adds the microseconds first: where they reach another month, that is the one
     * that counts. */
    if (type == TYPE_TIMESTAMPTZ && __builtin_add_overflow(time, interval.micros, &time))
        return false;
    if (type == TYPE_TIMESTAMPTZ)
        interval.micros = 0;
    return time_add(time, interval, ret);
}

static bool shift_back(int64_t time, enum type_id type, struct interval interval, int64_t *ret)
{
    if (type == TYPE_TIMESTAMPTZ && interval.micros == INT64_MIN) {
        interval.micros = 0;
        return !__builtin_add_overflow(time, INT64_MIN, &time) && shift_back(time, type, interval, ret);
    }
    return negate(interval, &interval) && shift(time, type, interval, ret);
}

/* TIMESTAMP - TIMESTAMP: days and the rest, no months. */
static bool difference(int64_t a, int64_t b, struct interval *ret)
{
    int64_t micros;
    if (!time_is_finite(a, TYPE_TIMESTAMP) || !time_is_finite(b, TYPE_TIMESTAMP) ||
        __builtin_sub_overflow(a, b, &micros))
        return false;
    *ret = (struct interval){.days = (int32_t)(micros / DAY_US), .micros = micros % DAY_US};
    return true;
}

#define PAIR(name, first, second, expression)                              \
    static void name##_run(const struct call *call, int64_t n)             \
    {                                                                      \
        states_both(call, n);                                              \
        for (int64_t i = 0; i < n; i++)                                    \
            if (call->out->state[i] == STATE_VALUE) {                      \
                typeof(first(call->in[0])[0]) a = first(call->in[0])[i];   \
                typeof(second(call->in[1])[0]) b = second(call->in[1])[i]; \
                if (!(expression))                                         \
                    call->out->state[i] = STATE_ERROR;                     \
            }                                                              \
    }

PAIR(add, INTERVALS, INTERVALS, add(a, b, &INTERVALS(call->out)[i]))
PAIR(subtract, INTERVALS, INTERVALS, subtract(a, b, &INTERVALS(call->out)[i]))
PAIR(multiply, INTERVALS, INTS, multiply(a, b, &INTERVALS(call->out)[i]))
PAIR(multiply_left, INTS, INTERVALS, multiply(b, a, &INTERVALS(call->out)[i]))
PAIR(shift, INTS, INTERVALS, shift(a, call->from, b, &INTS(call->out)[i]))
PAIR(shift_left, INTERVALS, INTS, shift(b, call->second, a, &INTS(call->out)[i]))
PAIR(shift_back, INTS, INTERVALS, shift_back(a, call->from, b, &INTS(call->out)[i]))
PAIR(difference, INTS, INTS, difference(a, b, &INTERVALS(call->out)[i]))

/* DATE + INTEGER: days. */
static bool shift_days(int64_t day, int64_t days, int64_t *ret)
{
    *ret = time_is_finite(day, TYPE_DATE) ? day + days : day;
    return !time_is_finite(day, TYPE_DATE) || (*ret == (int32_t)*ret && time_is_finite(*ret, TYPE_DATE));
}

PAIR(shift_days, INTS, INTS, shift_days(a, b, &INTS(call->out)[i]))
PAIR(shift_days_left, INTS, INTS, shift_days(b, a, &INTS(call->out)[i]))
PAIR(shift_days_back, INTS, INTS, shift_days(a, -b, &INTS(call->out)[i]))

static void negate_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        if (call->out->state[i] == STATE_VALUE &&
            !negate(INTERVALS(call->in[0])[i], &INTERVALS(call->out)[i]))
            call->out->state[i] = STATE_ERROR;
}

static void same_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    memcpy(call->out->data, call->in[0]->data, (size_t)n * sizeof(struct interval));
}

/* Whole days of the time go to the days, whole months of 30 days to the months; what is negative stays
 * negative. */
static int order(struct interval a, struct interval b)
{
    int64_t days[2] = {a.days + a.micros / DAY_US, b.days + b.micros / DAY_US};
    int64_t months[2] = {a.months + days[0] / 30, b.months + days[1] / 30};
    int64_t micros[2] = {a.micros % DAY_US, b.micros % DAY_US};
    if (months[0] != months[1])
        return months[0] < months[1] ? -1 : 1;
    if (days[0] % 30 != days[1] % 30)
        return days[0] % 30 < days[1] % 30 ? -1 : 1;
    return (micros[0] > micros[1]) - (micros[0] < micros[1]);
}

#define COMPARISON(name, op)                                                    \
    static void name##_run(const struct call *call, int64_t n)                  \
    {                                                                           \
        states_both(call, n);                                                   \
        for (int64_t i = 0; i < n; i++)                                         \
            if (call->out->state[i] == STATE_VALUE)                             \
                BOOLEANS(call->out)                                             \
        [i] = order(INTERVALS(call->in[0])[i], INTERVALS(call->in[1])[i]) op 0; \
    }

COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(greater, >)
COMPARISON(at_most, <=)
COMPARISON(at_least, >=)

static void coalesce_run(const struct call *call, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const struct vector *from = call->in[call->in[0]->state[i] == STATE_NULL];
        INTERVALS(call->out)[i] = INTERVALS(from)[i];
        call->out->state[i] = from->state[i];
    }
}

static void choose_run(const struct call *call, int64_t n)
{
    const struct vector *condition = call->in[0];
    for (int64_t i = 0; i < n; i++) {
        const struct vector *from =
            call->in[condition->state[i] == STATE_VALUE && BOOLEANS(condition)[i] ? 1 : 2];
        INTERVALS(call->out)[i] = INTERVALS(from)[i];
        call->out->state[i] = condition->state[i] == STATE_ERROR ? STATE_ERROR : from->state[i];
    }
}

static void is_null_run(const struct call *call, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        BOOLEANS(call->out)[i] = call->in[0]->state[i] == STATE_NULL;
        call->out->state[i] = call->in[0]->state[i] == STATE_ERROR ? STATE_ERROR : STATE_VALUE;
    }
}

static void is_not_null_run(const struct call *call, int64_t n)
{
    is_null_run(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] ^= 1;
}

/* Seconds: a year of 12 months has 365.25 days, the months beyond have 30. */
static double seconds(struct interval in)
{
    int64_t days = (int64_t)in.months % 12 * 30 + in.days,
            whole = (int64_t)(in.months / 12) * INT64_C(31557600) + days * 86400;
    return (double)whole + (double)in.micros / 1e6;
}

static bool all_micros(struct interval in, int64_t *ret)
{
    __int128 length = interval_length(in);
    *ret = (int64_t)length;
    return *ret == length;
}

#define PART(name, values, expression)                          \
    static void name##_run(const struct call *call, int64_t n)  \
    {                                                           \
        states_copy(call, n);                                   \
        for (int64_t i = 0; i < n; i++)                         \
            if (call->out->state[i] == STATE_VALUE) {           \
                struct interval in = INTERVALS(call->in[0])[i]; \
                values(call->out)[i] = (expression);            \
            }                                                   \
    }

PART(epoch, DOUBLES, seconds(in))
PART(millennium, INTS, in.months / 12000)
PART(century, INTS, in.months / 1200)
PART(decade, INTS, in.months / 120)
PART(year, INTS, in.months / 12)
PART(quarter, INTS, in.months % 12 / 3 + 1)
PART(month, INTS, in.months % 12)
PART(day, INTS, in.days)
PART(hour, INTS, in.micros / HOUR_US)
PART(minute, INTS, in.micros % HOUR_US / MINUTE_US)
PART(second, INTS, in.micros % MINUTE_US / SECOND_US)
PART(millisecond, INTS, in.micros % MINUTE_US / 1000)
PART(microsecond, INTS, in.micros % MINUTE_US)

static void whole_micros_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        if (call->out->state[i] == STATE_VALUE && !all_micros(INTERVALS(call->in[0])[i], &INTS(call->out)[i]))
            call->out->state[i] = STATE_ERROR;
}

/* Milliseconds of the months, of the days and of the rest, each cut off on its own. */
static void whole_millis_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        struct interval in = INTERVALS(call->in[0])[i];
        if (call->out->state[i] == STATE_VALUE)
            INTS(call->out)[i] = ((int64_t)in.months * 30 + in.days) * (DAY_US / 1000) + in.micros / 1000;
    }
}

const struct kernel kernels_interval[] = {
    {"to_millennia", "i", "v", to_millennia_run},
    {"to_centuries", "i", "v", to_centuries_run},
    {"to_decades", "i", "v", to_decades_run},
    {"to_years", "i", "v", to_years_run},
    {"to_quarters", "i", "v", to_quarters_run},
    {"to_months", "i", "v", to_months_run},
    {"to_weeks", "i", "v", to_weeks_run},
    {"to_days", "i", "v", to_days_run},
    {"to_hours", "i", "v", to_hours_run},
    {"to_minutes", "i", "v", to_minutes_run},
    {"to_seconds", "d", "v", to_seconds_run},
    {"to_milliseconds", "d", "v", to_milliseconds_run},
    {"to_microseconds", "i", "v", to_microseconds_run},
    {"+", "vv", "v", add_run},
    {"-", "vv", "v", subtract_run},
    {"*", "vi", "v", multiply_run},
    {"*", "iv", "v", multiply_left_run},
    {"+", "iv", "i", shift_run},
    {"+", "vi", "i", shift_left_run},
    {"-", "iv", "i", shift_back_run},
    {"-", "ii", "v", difference_run},
    {"DATE +", "ii", "i", shift_days_run},
    {"+ DATE", "ii", "i", shift_days_left_run},
    {"DATE -", "ii", "i", shift_days_back_run},
    {"-", "v", "v", negate_run},
    {"normalized_interval", "v", "v", same_run},
    {"COMPARE_EQUAL", "vv", "b", equal_run},
    {"COMPARE_NOTEQUAL", "vv", "b", not_equal_run},
    {"COMPARE_LESSTHAN", "vv", "b", less_run},
    {"COMPARE_GREATERTHAN", "vv", "b", greater_run},
    {"COMPARE_LESSTHANOREQUALTO", "vv", "b", at_most_run},
    {"COMPARE_GREATERTHANOREQUALTO", "vv", "b", at_least_run},
    {"COALESCE", "vv", "v", coalesce_run},
    {"IF", "bvv", "v", choose_run},
    {"IS NULL", "v", "b", is_null_run},
    {"IS NOT NULL", "v", "b", is_not_null_run},
    {"epoch", "v", "d", epoch_run},
    {"epoch_ms", "v", "i", whole_millis_run},
    {"epoch_us", "v", "i", whole_micros_run},
    {"millennium", "v", "i", millennium_run},
    {"century", "v", "i", century_run},
    {"decade", "v", "i", decade_run},
    {"year", "v", "i", year_run},
    {"quarter", "v", "i", quarter_run},
    {"month", "v", "i", month_run},
    {"day", "v", "i", day_run},
    {"hour", "v", "i", hour_run},
    {"minute", "v", "i", minute_run},
    {"second", "v", "i", second_run},
    {"millisecond", "v", "i", millisecond_run},
    {"microsecond", "v", "i", microsecond_run},
    {0},
};
