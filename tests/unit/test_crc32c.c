/* CRC-32C, against the sums of RFC 3720 and against one bit after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/crc32c.h"

static uint32_t bit_by_bit(const uint8_t *data, size_t size)
{
    uint32_t rest = UINT32_MAX;
    for (size_t i = 0; i < 8 * size; i++) {
        uint32_t bit = (rest ^ (uint32_t)data[i / 8] >> i % 8) & 1;
        rest = rest >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
    return ~rest;
}

/* RFC 3720, appendix B.4, and the check value of the catalogue. */
static void known_sums(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void any_length_and_place(void **state)
{
    (void)state;
    uint8_t bytes[1100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * i * 31 + 7 * i);
    for (size_t from = 0; from < 16; from++) {
        for (size_t size = 0; from + size <= sizeof bytes; size += 1 + size / 300 * 7) {
            uint32_t sum = bit_by_bit(bytes + from, size);
            assert_int_equal(crc32c(0, bytes + from, size), sum);
            assert_int_equal(crc32c_by_table(0, bytes + from, size), sum);
        }
    }
}

static void in_parts(void **state)
{
    (void)state;
    uint8_t bytes[700];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 211 + i / 3);
    uint32_t whole = bit_by_bit(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = crc32c(0, bytes, cut);
        assert_int_equal(crc32c(first, bytes + cut, sizeof bytes - cut), whole);
        assert_int_equal(crc32c_by_table(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(any_length_and_place),
        cmocka_unit_test(in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
