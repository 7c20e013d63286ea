/* CRC-32, against the check value of its catalogue and against one bit after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32.h"

static uint32_t bit_by_bit(const uint8_t *data, size_t size)
{
    uint32_t rest = UINT32_MAX;
    for (size_t i = 0; i < 8 * size; i++) {
        uint32_t bit = (rest ^ (uint32_t)data[i / 8] >> i % 8) & 1;
        rest = rest >> 1 ^ (bit ? 0xedb88320 : 0);
    }
    return ~rest;
}

static void known_sum(void **state)
{
    (void)state;
    struct crc32_table table;
    crc32_init(&table);
    assert_int_equal(crc32_of(&table, "123456789", 9), 0xcbf43926);
    assert_int_equal(crc32_of(&table, NULL, 0), 0);
}

static void any_length_and_place(void **state)
{
    (void)state;
    struct crc32_table table;
    uint8_t bytes[512];
    crc32_init(&table);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i * 31 + 7 * i);
    for (size_t from = 0; from < 16; from++) {
        for (size_t size = 0; from + size <= sizeof bytes; size++)
            assert_int_equal(crc32_of(&table, bytes + from, size), bit_by_bit(bytes + from, size));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sum),
        cmocka_unit_test(any_length_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
