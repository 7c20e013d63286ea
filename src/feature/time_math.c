#include "feature/time_math.h"

/* Counted in eras of 400 years from March 1 of year 0, so that the leap day is a year's last. */
void time_civil(int64_t day, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = day + 719468, era = floor_divide(shifted, 146097), of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

int64_t time_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_divide(year, 400), of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int time_month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

bool time_date(int64_t year, int64_t month, int64_t day, int64_t *ret)
{
    if (year < -6000000 || year > 6000000 || month < 1 || month > 12 || day < 1 ||
        day > time_month_days(year, (int)month))
        return false;
    int64_t days = time_days(year, (int)month, (int)day);
    if (days <= -INT32_MAX || days >= INT32_MAX)
        return false;
    *ret = days;
    return true;
}

bool time_join(int64_t day, int64_t time, int64_t *ret)
{
    int64_t value;
    if (__builtin_mul_overflow(day, DAY_US, &value) || __builtin_add_overflow(value, time, &value) ||
        !time_is_finite(value, TYPE_TIMESTAMP))
        return false;
    *ret = value;
    return true;
}

bool time_add(int64_t value, struct interval interval, int64_t *ret)
{
    int64_t day = floor_divide(value, DAY_US), time = time_of_day(value);
    if (!time_is_finite(value, TYPE_TIMESTAMP)) {
        *ret = value;
        return true;
    }
    if (interval.months) {
        int year, month, of_month;
        time_civil(day, &year, &month, &of_month);
        int64_t months = (int64_t)year * 12 + month - 1 + interval.months, to = floor_divide(months, 12);
        int of_year = (int)(months - to * 12) + 1, last = time_month_days(to, of_year);
        if (!time_date(to, of_year, of_month < last ? of_month : last, &day))
            return false;
    }
    day += interval.days;
    day += interval.micros / DAY_US;
    if (day <= -INT32_MAX || day >= INT32_MAX)
        return false;
    return time_join(day, time + interval.micros % DAY_US, ret);
}
