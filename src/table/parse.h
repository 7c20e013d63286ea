/*
 * One value of a type: parsed from text (CSV fields, JSON numbers and strings) or converted from a value of
 * another type, always without loss: a value that does not fit is refused with a reason, never rounded or
 * cut. (Only text and decimals become the nearest DOUBLE or FLOAT, which is what such text means.)
 *
 * Functions give NULL, or the reason as static text that completes 'the value "x" ...'. Threads: pure
 * functions.
 */
#ifndef SHRIKE_TABLE_PARSE_H
#define SHRIKE_TABLE_PARSE_H

#include "table/file_io.h"

struct value {
    union {
        bool boolean;    /* BOOLEAN */
        int64_t integer; /* integers up to 64 bits (UINT64 by its bits), dates, times, codes */
        __int128 wide;   /* HUGEINT, DECIMAL */
        double real;     /* FLOAT, DOUBLE */
    };
};

/* Times are those that text can write and units_time reads: 0001-01-01 to the end of the year 294246, which
 * is about what 64 bits of microseconds hold. An integer beyond is mostly one of another unit. */
#define DATE_LEAST (-719162)
#define DATE_MOST 106751981
#define TIME_LEAST (DATE_LEAST * INT64_C(86400000000))
#define TIME_MOST ((DATE_MOST + 1) * INT64_C(86400000000) - 1)

/* What ENUM text outside the ENUM is answered with, so that callers can make it NULL instead. */
extern const char parse_not_in_enum[];

/* Text of any type but VARCHAR, spaces around it allowed. */
const char *parse_value(const struct type *type, enum time_unit unit, const char *data, size_t size,
                        struct value *ret);

/* A JSON number into the type: a number into a time needs the unit, and text and codes are not numbers. */
const char *parse_number(const struct type *type, enum time_unit unit, const char *data, size_t size,
                         struct value *ret);

/* Numbers into the ranges of integers (HUGEINT too), DECIMAL (already scaled) and times. */
const char *fit_integer(__int128 wide, enum type_id id, struct value *ret);
const char *fit_decimal(__int128 wide, const struct type *type, struct value *ret);
const char *fit_time(__int128 wide, enum time_unit unit, struct value *ret);

/* Appends to a column with room. */
void value_append(struct column *column, const struct type *type, const struct value *value);

/* Whether values of `from` can go into `to` at all: NULL, or the reason. Text parses only where `parsed` is
 * set. */
const char *convert_reason(const struct type *from, const struct type *to, enum time_unit unit, bool parsed);

/* Appends all values of `source` to `target`. On failure the target has its former rows, and the error names
 * the value; its line is the row of the source, from 1. unknown_enums counts texts outside the ENUM, which
 * become NULL. */
int convert_append(const struct column *source, const struct type *from, struct column *target,
                   const struct type *to, enum time_unit unit, int64_t *unknown_enums, struct error *error);

#endif
