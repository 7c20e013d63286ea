/* Durations, sizes, times and spans: what is read, what is refused, and that printing and reading agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/units.h"

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"7d", 7 * DAY_US},
        {"7 days", 7 * DAY_US},
        {"1 day", DAY_US},
        {"1h30m", HOUR_US + 30 * MINUTE_US},
        {"1 h 30 min", HOUR_US + 30 * MINUTE_US},
        {"90 s", 90 * SECOND_US},
        {"250ms", 250000},
        {"10us", 10},
        {"2w", 14 * DAY_US},
        {"0", 0},
        {"0d", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = -1;
        assert_int_equal(units_duration(cases[i].text, &us, NULL), OK);
        assert_int_equal(us, cases[i].us);
    }
}

static void broken_durations_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", "7", "d", "-7d", "7x", "7d 3", "1.5h", "99999999999999999999d", "300000000d", "7 dayss"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 42;
        struct error error = {0};
        assert_int_equal(units_duration(cases[i], &us, &error), CODE_INVALID);
        assert_int_equal(us, 42);
        assert_non_null(strstr(error.message, "expected"));
    }
}

static void sizes_are_read(void **state)
{
    (void)state;
    int64_t bytes;
    assert_int_equal(units_size("4096", &bytes, NULL), OK);
    assert_int_equal(bytes, 4096);
    assert_int_equal(units_size("64KiB", &bytes, NULL), OK);
    assert_int_equal(bytes, 65536);
    assert_int_equal(units_size("64 MiB", &bytes, NULL), OK);
    assert_int_equal(bytes, 67108864);
    assert_int_equal(units_size("2GiB", &bytes, NULL), OK);
    assert_int_equal(bytes, INT64_C(2147483648));
    assert_int_equal(units_size("1kB", &bytes, NULL), OK);
    assert_int_equal(bytes, 1000);
    assert_int_equal(units_size("1 XB", &bytes, NULL), CODE_INVALID);
    assert_int_equal(units_size("9000000000GiB", &bytes, NULL), CODE_INVALID);
    assert_int_equal(units_size("", &bytes, NULL), CODE_INVALID);
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01", 0},
        {"2018-07-25", INT64_C(1532476800000000)},
        {"2018-07-25 10:11:12", INT64_C(1532513472000000)},
        {"2018-07-25 10:11", INT64_C(1532513460000000)},
        {"2018-07-25T10:11:12.123456Z", INT64_C(1532513472123456)},
        {"2018-07-25T10:11:12.5+02:00", INT64_C(1532506272500000)},
        {"2018-07-25 10:11:12-0330", INT64_C(1532526072000000)},
        {"2018-07-25 10:11:12.1234567", INT64_C(1532513472123456)},
        {"1969-12-31 23:59:59.999999", -1},
        {"2000-02-29", INT64_C(951782400000000)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 0;
        struct error error = {0};
        assert_int_equal(units_time(cases[i].text, &us, &error), OK);
        assert_int_equal(us, cases[i].us);
    }
}

static void broken_times_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "2018",
                                        "2018-13-01",
                                        "2018-02-29",
                                        "1900-02-29",
                                        "2018-01-01 24:00:00",
                                        "2018-01-01 10:60",
                                        "2018-01-01 10:00:60",
                                        "2018-01-01 10:00:00.",
                                        "2018-01-01 10:00:00+2",
                                        "2018-01-01x",
                                        "2018-01-01 ",
                                        "18-01-01",
                                        "999999-01-01",
                                        "2018-01-01 10:00:00+02:0"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 42;
        assert_int_equal(units_time(cases[i], &us, NULL), CODE_INVALID);
        assert_int_equal(us, 42);
    }
}

static void spans_are_half_open_and_not_empty(void **state)
{
    (void)state;
    struct span span = {1, 2};
    assert_int_equal(units_span("2018-07-25..2018-08-01", &span, NULL), OK);
    assert_int_equal(span.to_us - span.from_us, 7 * DAY_US);
    assert_int_equal(units_span("2018-08-01..2018-08-01", &span, NULL), CODE_INVALID);
    assert_int_equal(units_span("2018-08-01", &span, NULL), CODE_INVALID);
    assert_int_equal(units_span("2018-08-01..", &span, NULL), CODE_INVALID);
    assert_int_equal(span.to_us - span.from_us, 7 * DAY_US);
}

static void every_day_survives_the_calendar(void **state)
{
    (void)state;
    int64_t expected = units_days(-400, 1, 1);
    int last_year = -401;
    for (int64_t days = expected; days < units_days(4000, 1, 1); days++) {
        int year, month, day;
        units_civil(days, &year, &month, &day);
        assert_int_equal(units_days(year, month, day), days);
        if (year != last_year) {
            assert_int_equal(month, 1);
            assert_int_equal(day, 1);
            assert_int_equal(year, last_year + 1);
            last_year = year;
        }
    }
}

static void printed_times_are_read_back(void **state)
{
    (void)state;
    char text[UNITS_TEXT_SIZE];
    assert_string_equal(units_time_text(INT64_C(1532513472123456), text), "2018-07-25 10:11:12.123456");
    assert_string_equal(units_time_text(INT64_C(1532513472100000), text), "2018-07-25 10:11:12.1");
    assert_string_equal(units_time_text(0, text), "1970-01-01 00:00:00");
    assert_string_equal(units_time_text(-1, text), "1969-12-31 23:59:59.999999");
    assert_string_equal(units_date_text(-1000000, text), "0769-02-04 (BC)");
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        int64_t us = (int64_t)(random >> 8), back;
        us %= 100000 * DAY_US;
        assert_int_equal(units_time(units_time_text(us, text), &back, NULL), OK);
        assert_int_equal(back, us);
        assert_int_equal(units_duration(units_duration_text(us, text), &back, NULL), OK);
        assert_int_equal(back, us);
    }
    /* The longest texts there are fit. */
    assert_true(strlen(units_time_text(INT64_MIN, text)) < UNITS_TEXT_SIZE - 1);
    assert_true(strlen(units_time_text(INT64_MAX, text)) < UNITS_TEXT_SIZE - 1);
    assert_int_equal(units_duration(units_duration_text(INT64_MAX, text), &(int64_t){0}, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(broken_durations_are_refused),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(broken_times_are_refused),
        cmocka_unit_test(spans_are_half_open_and_not_empty),
        cmocka_unit_test(every_day_survives_the_calendar),
        cmocka_unit_test(printed_times_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
