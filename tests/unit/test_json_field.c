/* Numbers of models: the nearest float and double of any digits, as the C library rounds them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "model/json_field.h"

static void check(const char *text)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), JSON_FIELD_FLAGS);
    yyjson_val *root = yyjson_doc_get_root(document);
    float expected = strtof(text, NULL), number = 0;
    double expected_double = strtod(text, NULL), wide = 0;
    if (!json_field_float(root, &number) || memcmp(&number, &expected, sizeof number) != 0)
        fail_msg("%s: %.9g, expected %.9g", text, (double)number, (double)expected);
    if (!json_field_double(root, &wide) || memcmp(&wide, &expected_double, sizeof wide) != 0)
        fail_msg("%s: %.17g, expected %.17g", text, wide, expected_double);
    yyjson_doc_free(document);
}

static void test_numbers_round_once(void **state)
{
    (void)state;
    static const char *const chosen[] = {
        "0",
        "-0",
        "-0.0",
        "0e5",
        "1",
        "9007199254740993",
        "9007199254740992",
        "16777217",               /* in the middle of two floats */
        "16777217.0000000000001", /* above it by less than a double sees */
        "16777216.999999999999999999",
        "1.00000005960464477539",
        "1e22",
        "1e23",
        "3.4028235e38",
        "3.4028236e38",
        "1e39",
        "1e-45",
        "7.006492321624085e-46",
        "1.1754943e-38",
        "1.17549429e-38",
        "1e-320",
        "1E+5",
        "5E-1",
        "123456789012345678",
        "1234567890123456789",
        "0.000000000000000000000001",
        "1e-400",
        "0.30000001192092896",
    };
    for (size_t i = 0; i < sizeof chosen / sizeof chosen[0]; i++)
        check(chosen[i]);
    for (uint64_t i = 1; i <= 200000; i++) {
        char text[64];
        uint64_t bits = hash_word(i, 5);
        uint32_t half = (uint32_t)bits;
        float number;
        memcpy(&number, &half, sizeof number);
        if (!isfinite(number))
            continue;
        /* As XGBoost writes it; with too few and too many digits; and the middle between two floats. */
        snprintf(text, sizeof text, "%.*E", (int)(bits >> 32) % 20, (double)number);
        check(text);
        snprintf(text, sizeof text, "%.25g", ((double)number + (double)nextafterf(number, 0)) / 2);
        check(text);
        snprintf(text, sizeof text, "%.8g", (double)(bits >> 40) / (double)(1 + (bits & 1023)));
        check(text);
    }
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"\"",    "\"x\"",   "\"1x\"",  "\" 1\"", "\"1 \"", "\"1e\"",
                                        "\"1e+\"", "\"-\"",   "\"0x1\"", "true",   "null",   "[1]",
                                        "\"+1\"",  "\"inf\"", "\"nan\"", "\".5\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        yyjson_doc *document = yyjson_read(texts[i], strlen(texts[i]), JSON_FIELD_FLAGS);
        assert_non_null(document);
        float number;
        double wide;
        if (json_field_float(yyjson_doc_get_root(document), &number) ||
            json_field_double(yyjson_doc_get_root(document), &wide))
            fail_msg("%s was taken as a number", texts[i]);
        yyjson_doc_free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_round_once),
        cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
