/*
 * What people write and Shrike computes with: durations ("7d", "90 s", "1h30m"), sizes ("64MiB"), times (ISO
 * dates, UTC) and spans of time ("2018-07-25..2018-08-01", half open).
 *
 * Times are microseconds since 1970-01-01 UTC, proleptic Gregorian, without leap seconds, as in DuckDB's
 * TIMESTAMP.
 */
#ifndef SHRIKE_BASE_UNITS_H
#define SHRIKE_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

struct span {
    int64_t from_us, to_us; /* from_us <= t < to_us */
};

/* "7d", "7 days", "1h30m", "250ms", "10us", "0": never negative. Weeks and days are multiples of hours. */
int units_duration(const char *text, int64_t *ret_us, struct error *error);

/* "4096", "64KiB", "64MiB", "2GiB", "1kB", "1MB". */
int units_size(const char *text, int64_t *ret_bytes, struct error *error);

/* "2018-07-25", "2018-07-25 10:11:12", "2018-07-25T10:11:12.123456Z", "+02:00" offsets too. */
int units_time(const char *text, int64_t *ret_us, struct error *error);

/* "FROM..TO", each a time; FROM < TO. */
int units_span(const char *text, struct span *ret, struct error *error);

enum { UNITS_TEXT_SIZE = 40 };

/* "2018-07-25 10:11:12.123456", the fraction only where it is not zero, as DuckDB prints it. Returns text. */
const char *units_time_text(int64_t us, char text[UNITS_TEXT_SIZE]);
/* "2018-07-25". days since 1970-01-01. */
const char *units_date_text(int32_t days, char text[UNITS_TEXT_SIZE]);
/* "7d", "1h30m", "250ms": what units_duration reads back. */
const char *units_duration_text(int64_t us, char text[UNITS_TEXT_SIZE]);

/* "512 MiB", "1.5 GiB": rounded to one digit behind the point. */
const char *units_size_text(int64_t bytes, char text[UNITS_TEXT_SIZE]);

/* Civil date of a day number and back (days since 1970-01-01; month 1..12, day 1..31). */
void units_civil(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int64_t units_days(int year, int month, int day);

#endif
