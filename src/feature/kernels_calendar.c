/*
 * date_trunc, date_diff and date_sub, one kernel per part. date_diff counts the boundaries between two times,
 * date_sub the whole units. Infinite times truncate to themselves and have no differences: NULL.
 */
#include "base/units.h"
#include "feature/kernels.h"
#include "feature/time_math.h"

struct date {
    int year, month, day;
};

static struct date date_of(int64_t day)
{
    struct date date;
    time_civil(day, &date.year, &date.month, &date.day);
    return date;
}

static int64_t trunc_years(int64_t day, int years)
{
    return time_days(date_of(day).year / years * years, 1, 1);
}

static int64_t trunc_months(int64_t day, int months)
{
    struct date date = date_of(day);
    return time_days(date.year, (date.month - 1) / months * months + 1, 1);
}

static int64_t trunc_iso_year(int64_t day)
{
    return monday_of(time_days(time_iso_year(day), 1, 4));
}

/* A part is either days (a first day) or a number of microseconds that divides a day. */
#define TRUNC(name, first_day, step)                                                   \
    static void trunc_##name##_run(const struct call *call, int64_t n)                 \
    {                                                                                  \
        states_copy(call, n);                                                          \
        for (int64_t i = 0; i < n; i++) {                                              \
            int64_t in = INTS(call->in[0])[i], *out = &INTS(call->out)[i];             \
            if (call->out->state[i] != STATE_VALUE)                                    \
                continue;                                                              \
            if (!time_is_finite(in, call->from)) {                                     \
                *out = call->type == TYPE_DATE ? in : in > 0 ? INT64_MAX : -INT64_MAX; \
                continue;                                                              \
            }                                                                          \
            int64_t day = call->from == TYPE_DATE ? in : floor_divide(in, DAY_US);     \
            int64_t time = call->from == TYPE_DATE ? 0 : time_of_day(in);              \
            int64_t to = (first_day);                                                  \
            if (call->type == TYPE_DATE)                                               \
                *out = to;                                                             \
            else if (!time_join(to, time / (step) * (step), out))                      \
                call->out->state[i] = STATE_ERROR;                                     \
        }                                                                              \
    }

TRUNC(millennium, trunc_years(day, 1000), DAY_US)
TRUNC(century, trunc_years(day, 100), DAY_US)
TRUNC(decade, trunc_years(day, 10), DAY_US)
TRUNC(year, trunc_years(day, 1), DAY_US)
TRUNC(iso_year, trunc_iso_year(day), DAY_US)
TRUNC(quarter, trunc_months(day, 3), DAY_US)
TRUNC(month, trunc_months(day, 1), DAY_US)
TRUNC(week, monday_of(day), DAY_US)
TRUNC(day, day, DAY_US)
TRUNC(hour, day, HOUR_US)
TRUNC(minute, day, MINUTE_US)
TRUNC(second, day, SECOND_US)
TRUNC(millisecond, day, INT64_C(1000))
TRUNC(microsecond, day, INT64_C(1))

/* Both ends of a difference. */
struct ends {
    int64_t from, to;       /* days */
    int64_t from_us, to_us; /* microseconds, where they fit */
    bool fits;
};

static struct ends ends_of(const struct call *call, int64_t from, int64_t to)
{
    struct ends ends = {.from = from, .to = to, .from_us = from, .to_us = to, .fits = true};
    if (call->from == TYPE_DATE) {
        ends.fits = !__builtin_mul_overflow(from, DAY_US, &ends.from_us) &&
                    !__builtin_mul_overflow(to, DAY_US, &ends.to_us);
    } else {
        ends.from = floor_divide(from, DAY_US);
        ends.to = floor_divide(to, DAY_US);
    }
    return ends;
}

static int64_t years_between(struct ends ends, int years)
{
    return date_of(ends.to).year / years - date_of(ends.from).year / years;
}

static int64_t months_between(struct ends ends, int months)
{
    struct date from = date_of(ends.from), to = date_of(ends.to);
    return (to.year * 12 + to.month - 1) / months - (from.year * 12 + from.month - 1) / months;
}

static bool steps_between(const struct call *call, struct ends ends, int64_t step, int64_t *ret)
{
    if (call->from == TYPE_DATE && step >= SECOND_US) {
        *ret = (ends.to - ends.from) * (DAY_US / step);
        return true;
    }
    return ends.fits &&
           !__builtin_sub_overflow(floor_divide(ends.to_us, step), floor_divide(ends.from_us, step), ret);
}

/* Whole months, negative where `to` is earlier. The last day of a month completes it, however long the month
 * before was. */
static int64_t whole_months(int64_t from_us, int64_t to_us)
{
    if (from_us > to_us)
        return -whole_months(to_us, from_us);
    int64_t from_day = floor_divide(from_us, DAY_US), to_day = floor_divide(to_us, DAY_US);
    int64_t from_time = time_of_day(from_us), to_time = time_of_day(to_us);
    struct date from = date_of(from_day), to = date_of(to_day);
    int last = time_month_days(to.year, to.month);
    if (to.day == last && from.day > last)
        from.day = last;
    bool short_of = to.day < from.day || (to.day == from.day && to_time < from_time);
    return (int64_t)(to.year - from.year) * 12 + to.month - from.month - short_of;
}

static bool whole_steps(struct ends ends, int64_t step, int64_t *ret)
{
    if (!ends.fits || __builtin_sub_overflow(ends.to_us, ends.from_us, ret))
        return false;
    *ret /= step;
    return true;
}

static bool whole(struct ends ends, int months, int64_t *ret)
{
    if (ends.fits)
        *ret = whole_months(ends.from_us, ends.to_us) / months;
    return ends.fits;
}

/* `expression` puts the difference into *ret and says whether it could. */
#define BETWEEN(name, expression)                                                                       \
    static void name##_run(const struct call *call, int64_t n)                                          \
    {                                                                                                   \
        states_both(call, n);                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                               \
            int64_t from = INTS(call->in[0])[i], to = INTS(call->in[1])[i], *ret = &INTS(call->out)[i]; \
            if (call->out->state[i] != STATE_VALUE)                                                     \
                continue;                                                                               \
            if (!time_is_finite(from, call->from) || !time_is_finite(to, call->from)) {                 \
                call->out->state[i] = STATE_NULL;                                                       \
                continue;                                                                               \
            }                                                                                           \
            struct ends ends = ends_of(call, from, to);                                                 \
            if (!(expression))                                                                          \
                call->out->state[i] = STATE_ERROR;                                                      \
        }                                                                                               \
    }

BETWEEN(diff_millennium, (*ret = years_between(ends, 1000), true))
BETWEEN(diff_century, (*ret = years_between(ends, 100), true))
BETWEEN(diff_decade, (*ret = years_between(ends, 10), true))
BETWEEN(diff_year, (*ret = years_between(ends, 1), true))
BETWEEN(diff_iso_year, (*ret = time_iso_year(ends.to) - time_iso_year(ends.from), true))
BETWEEN(diff_quarter, (*ret = months_between(ends, 3), true))
BETWEEN(diff_month, (*ret = months_between(ends, 1), true))
BETWEEN(diff_week, (*ret = (ends.to - ends.from) / 7, true))
BETWEEN(diff_day, (*ret = ends.to - ends.from, true))
BETWEEN(diff_hour, steps_between(call, ends, HOUR_US, ret))
BETWEEN(diff_minute, steps_between(call, ends, MINUTE_US, ret))
BETWEEN(diff_second, steps_between(call, ends, SECOND_US, ret))
BETWEEN(diff_millisecond, steps_between(call, ends, 1000, ret))
BETWEEN(diff_microsecond, steps_between(call, ends, 1, ret))
BETWEEN(sub_millennium, whole(ends, 12000, ret))
BETWEEN(sub_century, whole(ends, 1200, ret))
BETWEEN(sub_decade, whole(ends, 120, ret))
BETWEEN(sub_year, whole(ends, 12, ret))
BETWEEN(sub_quarter, whole(ends, 3, ret))
BETWEEN(sub_month, whole(ends, 1, ret))
BETWEEN(sub_week, whole_steps(ends, 7 * DAY_US, ret))
BETWEEN(sub_day, whole_steps(ends, DAY_US, ret))
BETWEEN(sub_hour, whole_steps(ends, HOUR_US, ret))
BETWEEN(sub_minute, whole_steps(ends, MINUTE_US, ret))
BETWEEN(sub_second, whole_steps(ends, SECOND_US, ret))
BETWEEN(sub_millisecond, whole_steps(ends, 1000, ret))
BETWEEN(sub_microsecond, whole_steps(ends, 1, ret))

#define PART(sql, trunc, diff, sub)                                                                       \
    {"date_trunc " sql, "i", "i", trunc_##trunc##_run}, {"date_diff " sql, "ii", "i", diff_##diff##_run}, \
    {                                                                                                     \
        "date_sub " sql, "ii", "i", sub_##sub##_run                                                       \
    }

const struct kernel kernels_calendar[] = {
    PART("millennium", millennium, millennium, millennium),
    PART("century", century, century, century),
    PART("decade", decade, decade, decade),
    PART("year", year, year, year),
    PART("isoyear", iso_year, iso_year, year),
    PART("quarter", quarter, quarter, quarter),
    PART("month", month, month, month),
    PART("week", week, week, week),
    PART("yearweek", week, week, week),
    PART("day", day, day, day),
    PART("dow", day, day, day),
    PART("isodow", day, day, day),
    PART("doy", day, day, day),
    PART("julian", day, day, day),
    PART("hour", hour, hour, hour),
    PART("minute", minute, minute, minute),
    PART("second", second, second, second),
    PART("epoch", second, second, second),
    PART("millisecond", millisecond, millisecond, millisecond),
    PART("microsecond", microsecond, microsecond, microsecond),
    {0},
};
