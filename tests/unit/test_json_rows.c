/* JSON rows: every type both ways, what is refused and how it is said, numbers by their digits and to the
 * last bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "table/json_rows.h"

struct fixture {
    struct schema *schema;
    struct table table;
    struct json_rows *rows;
    struct error error;
    struct buffer out;
};

static void start(struct fixture *fixture, const struct type *types, int n, enum time_unit unit)
{
    char name[8];
    memset(fixture, 0, sizeof *fixture);
    fixture->schema = schema_new(0);
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%c", 'a' + i);
        assert_int_equal(schema_add(fixture->schema, name, types[i], NULL), OK);
    }
    assert_int_equal(table_init(&fixture->table, fixture->schema, NULL), OK);
    assert_int_equal(json_rows_new(fixture->schema, unit, &fixture->rows, NULL), OK);
    buffer_init(&fixture->out, 1 << 20);
}

static void stop(struct fixture *fixture)
{
    json_rows_free(fixture->rows);
    table_done(&fixture->table);
    schema_unref(fixture->schema);
    buffer_done(&fixture->out);
}

static int parse(struct fixture *fixture, const char *line)
{
    return json_rows_parse(fixture->rows, line, strlen(line), &fixture->table, &fixture->error);
}

/* Parses one line and writes it again. */
static const char *again(struct fixture *fixture, const char *line)
{
    int code = parse(fixture, line);
    if (code != OK)
        fail_msg("%s: %s", line, fixture->error.message);
    buffer_clear(&fixture->out);
    json_rows_write(&fixture->table, fixture->table.length - 1, &fixture->out);
    return fixture->out.data;
}

/* One column of the type: the line is refused with a message that has both words, and the table stays as it
 * was. */
static void refused(struct type type, enum time_unit unit, const char *line, const char *word,
                    const char *other)
{
    struct fixture fixture;
    start(&fixture, &type, 1, unit);
    int code = parse(&fixture, line);
    if (code != CODE_INVALID || !strstr(fixture.error.message, word) || !strstr(fixture.error.message, other))
        fail_msg("%s: %d %s", line, code, code ? fixture.error.message : "");
    assert_int_equal(fixture.table.length, 0);
    assert_int_equal(fixture.table.columns[0].length, 0);
    stop(&fixture);
}

static void same(struct type type, const char *line)
{
    struct fixture fixture;
    start(&fixture, &type, 1, TIME_UNIT_NONE);
    assert_string_equal(again(&fixture, line), line);
    stop(&fixture);
}

static void becomes(struct type type, enum time_unit unit, const char *line, const char *expected)
{
    struct fixture fixture;
    start(&fixture, &type, 1, unit);
    assert_string_equal(again(&fixture, line), expected);
    stop(&fixture);
}

#define TYPE(name) ((struct type){.id = TYPE_##name})
#define DECIMAL(p, s) ((struct type){.id = TYPE_DECIMAL, .precision = p, .scale = s})

static void every_type_reads_back_as_written(void **state)
{
    (void)state;
    same(TYPE(BOOLEAN), "{\"a\":true}");
    same(TYPE(BOOLEAN), "{\"a\":false}");
    same(TYPE(INT8), "{\"a\":-128}");
    same(TYPE(UINT8), "{\"a\":255}");
    same(TYPE(INT16), "{\"a\":-32768}");
    same(TYPE(UINT16), "{\"a\":65535}");
    same(TYPE(INT32), "{\"a\":-2147483648}");
    same(TYPE(UINT32), "{\"a\":4294967295}");
    same(TYPE(INT64), "{\"a\":-9223372036854775808}");
    same(TYPE(UINT64), "{\"a\":18446744073709551615}");
    same(TYPE(HUGEINT), "{\"a\":-170141183460469231731687303715884105728}");
    same(TYPE(HUGEINT), "{\"a\":170141183460469231731687303715884105727}");
    same(TYPE(FLOAT), "{\"a\":0.1}");
    same(TYPE(FLOAT), "{\"a\":-99999.99}");
    same(TYPE(FLOAT), "{\"a\":1}");
    same(TYPE(FLOAT), "{\"a\":0.0001}");
    same(TYPE(FLOAT), "{\"a\":100000}");
    same(TYPE(FLOAT), "{\"a\":1.1754944e-38}");
    same(TYPE(DOUBLE), "{\"a\":0.30000000000000004}");
    same(TYPE(DOUBLE), "{\"a\":5e-324}");
    same(DECIMAL(10, 2), "{\"a\":-57.16}");
    same(DECIMAL(38, 38), "{\"a\":0.00000000000000000000000000000000000001}");
    same(DECIMAL(38, 0), "{\"a\":99999999999999999999999999999999999999}");
    same(TYPE(VARCHAR), "{\"a\":\"\"}");
    same(TYPE(VARCHAR),
         "{\"a\":\"quote \\\" slash \\\\ line \\n tab \\t return \\r bell \\u0007 nul \\u0000 \xc3\xa9\"}");
    same(TYPE(DATE), "{\"a\":\"2018-07-25\"}");
    same(TYPE(TIMESTAMP), "{\"a\":\"2018-07-25T10:11:12\"}");
    same(TYPE(TIMESTAMP), "{\"a\":\"1969-12-31T23:59:59.999999\"}");
    same(TYPE(TIMESTAMP), "{\"a\":\"0001-01-01T00:00:00\"}");
    same(TYPE(TIMESTAMP), "{\"a\":\"294246-12-31T23:59:59.00001\"}");
    same(TYPE(TIMESTAMPTZ), "{\"a\":\"2018-07-25T10:11:12.5Z\"}");
    for (int id = 0; id < TYPE_ENUM; id++)
        same(id == TYPE_DECIMAL ? DECIMAL(4, 1) : (struct type){.id = (enum type_id)id}, "{\"a\":null}");
}

static void numbers_take_their_forms(void **state)
{
    (void)state;
    becomes(TYPE(INT32), 0, "{\"a\":12.0}", "{\"a\":12}");
    becomes(TYPE(INT32), 0, "{\"a\":1.2e1}", "{\"a\":12}");
    becomes(TYPE(INT32), 0, "{\"a\":1200e-2}", "{\"a\":12}");
    becomes(TYPE(INT64), 0, "{\"a\":\"9007199254740993\"}", "{\"a\":9007199254740993}");
    becomes(TYPE(INT8), 0, "{\"a\":true}", "{\"a\":1}");
    becomes(TYPE(BOOLEAN), 0, "{\"a\":0}", "{\"a\":false}");
    becomes(DECIMAL(10, 2), 0, "{\"a\":12.340}", "{\"a\":12.34}");
    becomes(DECIMAL(10, 2), 0, "{\"a\":5}", "{\"a\":5.00}");
    becomes(DECIMAL(10, 2), 0, "{\"a\":\"0.07\"}", "{\"a\":0.07}");
    becomes(DECIMAL(10, 2), 0, "{\"a\":-0.0}", "{\"a\":0.00}");
    /* Just above the middle of two floats: rounding to a double first would lose that. */
    becomes(TYPE(FLOAT), 0, "{\"a\":1.000000059604644775390625000001}", "{\"a\":1.0000001}");
    /* Beyond what a double holds. */
    becomes(DECIMAL(38, 10), 0, "{\"a\":1234567890123456789012345678.0123456789}",
            "{\"a\":1234567890123456789012345678.0123456789}");
    refused(TYPE(DOUBLE), 0, "{\"a\":1e400}", "range", "DOUBLE");
}

static void times_take_their_forms(void **state)
{
    (void)state;
    becomes(TYPE(TIMESTAMP), 0, "{\"a\":\"2018-07-25\"}", "{\"a\":\"2018-07-25T00:00:00\"}");
    becomes(TYPE(TIMESTAMP), 0, "{\"a\":\"2018-07-25 10:11:12+02:00\"}", "{\"a\":\"2018-07-25T08:11:12\"}");
    becomes(TYPE(TIMESTAMP), TIME_UNIT_S, "{\"a\":1532513472}", "{\"a\":\"2018-07-25T10:11:12\"}");
    becomes(TYPE(TIMESTAMP), TIME_UNIT_MS, "{\"a\":1532513472001}", "{\"a\":\"2018-07-25T10:11:12.001\"}");
    becomes(TYPE(TIMESTAMPTZ), TIME_UNIT_US, "{\"a\":-1}", "{\"a\":\"1969-12-31T23:59:59.999999Z\"}");
    refused(TYPE(TIMESTAMP), TIME_UNIT_NONE, "{\"a\":1532513472}", "--time-unit", "TIMESTAMP");
    refused(TYPE(TIMESTAMP), TIME_UNIT_S, "{\"a\":1e18}", "range", "TIMESTAMP");
    refused(TYPE(TIMESTAMP), TIME_UNIT_US, "{\"a\":-62135596800000001}", "range", "TIMESTAMP");
    refused(TYPE(TIMESTAMP), 0, "{\"a\":\"0000-12-31\"}", "range", "TIMESTAMP");
    refused(TYPE(DATE), 0, "{\"a\":\"0000-12-31\"}", "range", "DATE");
    refused(TYPE(TIMESTAMP), TIME_UNIT_S, "{\"a\":1.5}", "whole", "TIMESTAMP");
    refused(TYPE(TIMESTAMP), 0, "{\"a\":\"yesterday\"}", "\"yesterday\" is not a time", "TIMESTAMP");
    refused(TYPE(DATE), 0, "{\"a\":\"2018-02-30\"}", "not a date", "DATE");
    refused(TYPE(DATE), 0, "{\"a\":\"2018-02-03 10:00:00\"}", "a time where a date", "DATE");
    refused(TYPE(DATE), 0, "{\"a\":17000}", "a number where a date", "DATE");
}

static void wrong_values_name_key_and_type(void **state)
{
    (void)state;
    refused(TYPE(INT32), 0, "{\"a\":\"x\"}", "\"a\": the value \"x\" is not a number", "INTEGER expected");
    refused(TYPE(INT32), 0, "{\"a\":1.5}", "1.5 is not a whole number", "INTEGER");
    refused(TYPE(INT32), 0, "{\"a\":2147483648}", "range", "INTEGER");
    refused(TYPE(INT8), 0, "{\"a\":-129}", "range", "TINYINT");
    refused(TYPE(UINT64), 0, "{\"a\":-1}", "range", "UBIGINT");
    refused(TYPE(UINT64), 0, "{\"a\":18446744073709551616}", "range", "UBIGINT");
    refused(TYPE(HUGEINT), 0, "{\"a\":170141183460469231731687303715884105728}", "range", "HUGEINT");
    refused(TYPE(INT64), 0, "{\"a\":1e99999999999999999999}", "range", "BIGINT");
    refused(TYPE(INT64), 0, "{\"a\":1e-99999999999999999999}", "whole", "BIGINT");
    refused(DECIMAL(10, 2), 0, "{\"a\":1.234}", "more decimals", "DECIMAL(10,2)");
    refused(DECIMAL(10, 2), 0, "{\"a\":100000000}", "range", "DECIMAL(10,2)");
    refused(TYPE(FLOAT), 0, "{\"a\":1e39}", "range", "FLOAT");
    refused(TYPE(DOUBLE), 0, "{\"a\":\"1.5\"}", "is text", "DOUBLE");
    refused(TYPE(DOUBLE), 0, "{\"a\":[1]}", "is an array", "DOUBLE");
    refused(TYPE(DOUBLE), 0, "{\"a\":{}}", "is an object", "DOUBLE");
    refused(TYPE(DOUBLE), 0, "{\"a\":true}", "is true or false", "DOUBLE");
    refused(TYPE(VARCHAR), 0, "{\"a\":1}", "a number where text", "VARCHAR");
    refused(TYPE(VARCHAR), 0, "{\"a\":true}", "is true or false", "VARCHAR");
    refused(TYPE(BOOLEAN), 0, "{\"a\":2}", "not true or false", "BOOLEAN");
    refused(TYPE(BOOLEAN), 0, "{\"a\":\"true\"}", "is text", "BOOLEAN");
}

static void broken_lines_say_where(void **state)
{
    (void)state;
    struct fixture fixture;
    struct type type = TYPE(DOUBLE);
    start(&fixture, &type, 1, 0);
    static const struct {
        const char *line;
        int byte;
    } broken[] = {{"{\"a\":1", 7},         {"{\"a\":NaN}", 6},
                  {"{\"a\":Infinity}", 6}, {"{\"a\":-Infinity}", 7},
                  {"{\"a\":1} x", 9},      {"{\"a\":01}", 6},
                  {"{\"a\":1,}", 8},       {"{\"a\":\"\xff\"}", 7},
                  {"{'a':1}", 2},          {"", 1},
                  {"nothing", 2}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        int code = parse(&fixture, broken[i].line);
        if (code != CODE_INVALID || !strstr(fixture.error.message, "broken JSON"))
            fail_msg("%s: %d %s", broken[i].line, code, fixture.error.message);
        if (llabs(fixture.error.column - broken[i].byte) > 1)
            fail_msg("%s: byte %lld", broken[i].line, (long long)fixture.error.column);
    }
    assert_int_equal(parse(&fixture, "[1]"), CODE_INVALID);
    assert_non_null(strstr(fixture.error.message, "object"));
    char *line = malloc(LIMIT_JSON_LINE + 2);
    memset(line, ' ', LIMIT_JSON_LINE + 1);
    line[LIMIT_JSON_LINE + 1] = 0;
    assert_int_equal(parse(&fixture, line), CODE_LIMIT);
    memcpy(line, "{}", 2);
    line[LIMIT_JSON_LINE] = 0;
    assert_int_equal(parse(&fixture, line), OK);
    free(line);
    assert_int_equal(fixture.table.length, 1);
    stop(&fixture);
}

static void keys_match_in_any_order(void **state)
{
    (void)state;
    struct fixture fixture;
    struct type types[] = {TYPE(INT32), TYPE(VARCHAR), TYPE(DOUBLE)};
    start(&fixture, types, 3, 0);
    assert_string_equal(again(&fixture, "{\"c\":0.5,\"x\":[{}],\"a\":1,\"b\":\"t\"}"),
                        "{\"a\":1,\"b\":\"t\",\"c\":0.5}");
    assert_string_equal(again(&fixture, "{\"B\":\"u\"}"), "{\"a\":null,\"b\":\"u\",\"c\":null}");
    assert_string_equal(again(&fixture, "{\"a\":1,\"a\":null,\"a\":3}"), "{\"a\":3,\"b\":null,\"c\":null}");
    assert_string_equal(again(&fixture, "{\"\\u0061\":7}"), "{\"a\":7,\"b\":null,\"c\":null}");
    assert_string_equal(again(&fixture, "{}"), "{\"a\":null,\"b\":null,\"c\":null}");
    /* A row that breaks in its last column leaves no part of itself. */
    assert_int_equal(parse(&fixture, "{\"a\":9,\"b\":\"long enough\",\"c\":\"no\"}"), CODE_INVALID);
    assert_int_equal(fixture.table.length, 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture.table.columns[i].length, 5);
    assert_string_equal(again(&fixture, "{\"b\":\"v\",\"c\":2}"), "{\"a\":null,\"b\":\"v\",\"c\":2.0}");
    stop(&fixture);
}

static void enums_are_codes_and_unknown_ones_null(void **state)
{
    (void)state;
    struct fixture fixture;
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "pos", 3);
    dictionary_add(values, "web", 3);
    struct type types[] = {{.id = TYPE_ENUM, .values = values}, TYPE(INT32)};
    start(&fixture, types, 2, 0);
    assert_string_equal(again(&fixture, "{\"a\":\"web\"}"), "{\"a\":\"web\",\"b\":null}");
    assert_int_equal(column_int(&fixture.table.columns[0], &types[0], 0), 1);
    assert_string_equal(again(&fixture, "{\"a\":\"fax\"}"), "{\"a\":null,\"b\":null}");
    assert_int_equal(json_rows_unknown_enums(fixture.rows), 1);
    /* A refused row counts nothing. */
    assert_int_equal(parse(&fixture, "{\"a\":\"fax\",\"b\":\"x\"}"), CODE_INVALID);
    assert_int_equal(json_rows_unknown_enums(fixture.rows), 1);
    assert_int_equal(parse(&fixture, "{\"a\":1}"), CODE_INVALID);
    stop(&fixture);
    dictionary_unref(values);
}

static void secrets_are_not_told(void **state)
{
    (void)state;
    struct fixture fixture;
    struct type type = TYPE(INT64);
    start(&fixture, &type, 1, 0);
    fixture.schema->fields[0].roles = ROLE_SECRET;
    assert_int_equal(parse(&fixture, "{\"a\":\"4111-1111\"}"), CODE_INVALID);
    assert_null(strstr(fixture.error.message, "4111"));
    stop(&fixture);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void reals_read_back_to_the_same_bits(void **state)
{
    (void)state;
    struct fixture fixture;
    struct type types[] = {TYPE(DOUBLE), TYPE(FLOAT)};
    uint64_t seed = 99;
    start(&fixture, types, 2, 0);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random(&seed);
        uint32_t half = (uint32_t)(bits >> 20);
        double wide;
        float narrow;
        memcpy(&wide, &bits, 8);
        memcpy(&narrow, &half, 4);
        if (i % 3 == 0)
            wide = (double)(int64_t)(bits % 10000000) / 100, narrow = (float)(bits % 100000) / 1000;
        if (i % 3 == 1)
            narrow = (float)ldexp((double)(bits >> 40), -24); /* scores */
        if (!isfinite(wide) || !isfinite(narrow))
            continue;
        table_clear(&fixture.table);
        table_reserve(&fixture.table, 1, NULL);
        column_append_double(&fixture.table.columns[0], &types[0], wide);
        column_append_double(&fixture.table.columns[1], &types[1], (double)narrow);
        fixture.table.length = 1;
        buffer_clear(&fixture.out);
        json_rows_write(&fixture.table, 0, &fixture.out);
        if (parse(&fixture, fixture.out.data) != OK)
            fail_msg("%s: %s", fixture.out.data, fixture.error.message);
        const double *doubles = fixture.table.columns[0].data;
        const float *floats = fixture.table.columns[1].data;
        if (memcmp(&doubles[1], &wide, 8) || memcmp(&floats[1], &narrow, 4))
            fail_msg("%s reads back as %.17g and %.9g", fixture.out.data, doubles[1], (double)floats[1]);
    }
    stop(&fixture);
}

/* The reader's own quick path against the C library, on digits as people write them. */
static void decimal_text_becomes_the_nearest_double(void **state)
{
    (void)state;
    struct fixture fixture;
    struct type type = TYPE(DOUBLE);
    uint64_t seed = 5;
    char line[96];
    start(&fixture, &type, 1, 0);
    for (int i = 0; i < 200000; i++) {
        uint64_t a = next_random(&seed), b = next_random(&seed);
        int n = snprintf(line, sizeof line, "{\"a\":%s%llu.%0*llue%d}", a & 1 ? "-" : "",
                         (unsigned long long)(a >> (a % 60)), (int)(b % 12) + 1,
                         (unsigned long long)(b >> 40), (int)(b % 80) - 40);
        assert_true(n > 0 && parse(&fixture, line) == OK);
        const double *values = fixture.table.columns[0].data;
        double expected = strtod(line + 5, NULL);
        if (memcmp(&values[0], &expected, sizeof expected))
            fail_msg("%s reads as %.17g, not %.17g", line, values[0], expected);
        table_clear(&fixture.table);
    }
    stop(&fixture);
}

static void what_json_lacks_is_null(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1000);
    json_write_double(&out, NAN);
    json_write_double(&out, -INFINITY);
    json_write_float(&out, INFINITY);
    json_write_double(&out, -0.0);
    assert_string_equal(out.data, "nullnullnull-0.0");
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads_back_as_written),
        cmocka_unit_test(numbers_take_their_forms),
        cmocka_unit_test(times_take_their_forms),
        cmocka_unit_test(wrong_values_name_key_and_type),
        cmocka_unit_test(broken_lines_say_where),
        cmocka_unit_test(keys_match_in_any_order),
        cmocka_unit_test(enums_are_codes_and_unknown_ones_null),
        cmocka_unit_test(secrets_are_not_told),
        cmocka_unit_test(reals_read_back_to_the_same_bits),
        cmocka_unit_test(decimal_text_becomes_the_nearest_double),
        cmocka_unit_test(what_json_lacks_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
