/*
 * Days, months and microseconds: the arithmetic under the date functions. Days and microseconds count from
 * 1970-01-01, proleptic Gregorian. A DATE is infinite at +-INT32_MAX, a TIMESTAMP at +-INT64_MAX, as in
 * DuckDB.
 */
#ifndef SHRIKE_FEATURE_TIME_MATH_H
#define SHRIKE_FEATURE_TIME_MATH_H

#include "base/units.h"
#include "feature/expr.h"

static inline int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The time of day of a TIMESTAMP. */
static inline int64_t time_of_day(int64_t value)
{
    int64_t time = value % DAY_US;
    return time < 0 ? time + DAY_US : time;
}

static inline int64_t monday_of(int64_t day)
{
    return day - (day + 3 - 7 * floor_divide(day + 3, 7));
}

static inline bool time_is_finite(int64_t value, enum type_id type)
{
    int64_t infinite = type == TYPE_DATE ? INT32_MAX : INT64_MAX;
    return value != infinite && value != -infinite;
}

/* Civil date of a day and back, over all years that a DATE has. */
void time_civil(int64_t day, int *ret_year, int *ret_month, int *ret_day);
int64_t time_days(int64_t year, int month, int day);
int time_month_days(int64_t year, int month);
int64_t time_iso_year(int64_t day);
/* A day that exists and that a DATE holds. */
bool time_date(int64_t year, int64_t month, int64_t day, int64_t *ret);
/* Midnight plus a time of day; false where a TIMESTAMP does not reach. */
bool time_join(int64_t day, int64_t time, int64_t *ret);
/* TIMESTAMP + INTERVAL: months by the calendar, ending at the month's last day, then days, then the time of
 * day. */
bool time_add(int64_t value, struct interval interval, int64_t *ret);

#endif
