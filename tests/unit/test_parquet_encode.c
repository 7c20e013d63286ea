/* The encoders of Parquet pages, against decoders that follow the format's text value by value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "table/parquet_encode.h"
#include "table/parquet_thrift.h"
#include "table/varint.h"

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static uint64_t read_varint(const uint8_t **in)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t byte = *(*in)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
}

static int64_t read_zigzag(const uint8_t **in)
{
    uint64_t value = read_varint(in);
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

static uint64_t read_bits(const uint8_t *in, uint64_t at, int bits)
{
    uint64_t value = 0;
    for (int i = 0; i < bits; i++, at++)
        value |= (uint64_t)(in[at / 8] >> at % 8 & 1) << i;
    return value;
}

/* Compares n codes with what the hybrid says, and counts its runs. */
static int check_hybrid(const uint8_t *in, size_t size, int bits, const uint16_t *codes, int64_t n)
{
    const uint8_t *end = in + size;
    int runs = 0;
    int64_t i = 0;
    while (i < n) {
        uint64_t header = read_varint(&in);
        if (header & 1) {
            int64_t packed = (int64_t)(header >> 1) * 8;
            for (int64_t k = 0; k < packed && i < n; k++, i++)
                assert_int_equal(read_bits(in, (uint64_t)(k * bits), bits), codes[i]);
            in += packed * bits / 8;
        } else {
            uint64_t value = in[0] | (bits > 8 ? (uint64_t)in[1] << 8 : 0);
            in += bits > 8 ? 2 : 1;
            assert_true(header >> 1 <= (uint64_t)(n - i));
            for (uint64_t k = 0; k < header >> 1; k++, i++)
                assert_int_equal(value, codes[i]);
            runs++;
        }
    }
    assert_ptr_equal(in, end);
    return runs;
}

static void codes_read_back(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 7, 8, 9, 31, 32, 33, 64, 1000, 4099};
    uint16_t codes[4099 + 8], kept[4099 + 8];
    for (int bits = 1; bits <= 16; bits++) {
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            for (int shape = 0; shape < 3; shape++) {
                int64_t n = lengths[k];
                uint64_t mask = (UINT64_C(1) << bits) - 1, value = 0;
                for (int64_t i = 0; i < n; i++) {
                    if (shape == 0 || next_random() % (shape == 1 ? 100 : 20) == 0)
                        value = next_random() & mask;
                    codes[i] = (uint16_t)value;
                }
                memcpy(kept, codes, sizeof kept);
                size_t bound = parquet_hybrid_bound(n, bits);
                uint8_t *out = malloc(bound);
                size_t size = parquet_hybrid(codes, n, bits, out);
                assert_true(size <= bound);
                int runs = check_hybrid(out, size, bits, kept, n);
                assert_true(shape != 1 || n < 1000 || runs > 0);
                free(out);
            }
        }
    }
}

static void a_constant_is_one_run(void **state)
{
    (void)state;
    static uint16_t codes[80000 + 8];
    uint8_t out[200];
    memset(codes, 0, sizeof codes);
    /* 80000 << 1 in seven bits a byte, then the value. */
    static const uint8_t expected[] = {0x80, 0xe2, 0x09, 0x00};
    uint8_t *room = malloc(parquet_hybrid_bound(80000, 3));
    size_t size = parquet_hybrid(codes, 80000, 3, room);
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(room, expected, size);
    free(room);
    /* The format's own example: 1 to 7 in three bits, here behind a 0. */
    static uint16_t counted[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const uint8_t packed[] = {0x03, 0x88, 0xc6, 0xfa};
    assert_int_equal(parquet_hybrid(counted, 8, 3, out), sizeof packed);
    assert_memory_equal(out, packed, sizeof packed);
}

static void the_widths_of_codes(void **state)
{
    (void)state;
    assert_int_equal(parquet_code_bits(1), 1);
    assert_int_equal(parquet_code_bits(2), 1);
    assert_int_equal(parquet_code_bits(3), 2);
    assert_int_equal(parquet_code_bits(256), 8);
    assert_int_equal(parquet_code_bits(257), 9);
    assert_int_equal(parquet_code_bits(65535), 16);
}

static void levels_read_back(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 63, 64, 65, 500};
    uint64_t validity[24];
    uint16_t codes[512];
    for (size_t i = 0; i < 24; i++)
        validity[i] = next_random();
    for (size_t k = 0; k < 5; k++) {
        for (int64_t from = 0; from < 70; from += 23) {
            int64_t n = lengths[k];
            uint8_t *out = malloc(parquet_levels_bound(n));
            size_t size = parquet_levels((const uint8_t *)validity, from, n, out);
            uint32_t length;
            memcpy(&length, out, 4);
            assert_int_equal(length + 4, size);
            for (int64_t i = 0; i < n; i++)
                codes[i] = validity[(from + i) / 64] >> (from + i) % 64 & 1;
            check_hybrid(out + 4, length, 1, codes, n);
            size = parquet_levels(NULL, from, n, out);
            for (int64_t i = 0; i < n; i++)
                codes[i] = 1;
            assert_int_equal(check_hybrid(out + 4, size - 4, 1, codes, n), 1);
            free(out);
        }
    }
}

static void check_delta(const void *values, int64_t n, int width)
{
    size_t bound = parquet_delta_bound(n, width);
    uint8_t *out = malloc(bound);
    size_t size = parquet_delta(values, n, width, out);
    const uint8_t *in = out;
    assert_true(size <= bound);
    assert_int_equal(read_varint(&in), 128);
    assert_int_equal(read_varint(&in), 4);
    assert_int_equal(read_varint(&in), n);
    uint64_t value = (uint64_t)read_zigzag(&in);
    for (int64_t i = 0; i < n;) {
        uint64_t least = i > 0 ? (uint64_t)read_zigzag(&in) : 0;
        const uint8_t *widths = in;
        int block = i > 0 ? 128 : 1;
        in += i > 0 ? 4 : 0;
        for (int k = 0; k < block && i < n; k++, i++) {
            if (i > 0) {
                assert_true(widths[k / 32] <= width * 8);
                value += least + read_bits(in, (uint64_t)(k % 32 * widths[k / 32]), widths[k / 32]);
            }
            uint64_t expected = width == 8 ? ((const uint64_t *)values)[i] : ((const uint32_t *)values)[i];
            assert_int_equal(width == 8 ? value : (uint32_t)value, expected);
            if (i > 0 && (k % 32 == 31 || i == n - 1))
                in += widths[k / 32] * 4;
        }
    }
    assert_ptr_equal(in, out + size);
    free(out);
}

static void differences_read_back(void **state)
{
    (void)state;
    static const int64_t lengths[] = {0, 1, 2, 32, 33, 34, 128, 129, 130, 1000};
    uint64_t wide[1000];
    uint32_t narrow[1000];
    for (int bits = 0; bits <= 64; bits += 4) {
        for (int i = 0; i < 1000; i++) {
            uint64_t step = bits ? next_random() >> (64 - bits) : 3;
            wide[i] = bits == 64 ? step : (i ? wide[i - 1] : 0) + step;
            narrow[i] = (uint32_t)wide[i];
        }
        /* The largest step there is, both ways. */
        wide[500] = (uint64_t)INT64_MIN, wide[501] = INT64_MAX;
        narrow[500] = (uint32_t)INT32_MIN, narrow[501] = INT32_MAX;
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            check_delta(wide, lengths[k], 8);
            check_delta(narrow, lengths[k], 4);
        }
    }
}

enum { MANY = 100000 };

/* Codes of MANY values of which about `distinct` differ. */
static bool assign(struct numbers *numbers, uint64_t distinct, int width, uint16_t *codes)
{
    uint64_t *wide = malloc(MANY * sizeof *wide);
    uint32_t *narrow = malloc(MANY * sizeof *narrow);
    for (int i = 0; i < MANY; i++) {
        wide[i] = next_random() % distinct * UINT64_C(0x100000001b3);
        narrow[i] = (uint32_t)wide[i];
    }
    bool coded = numbers_assign(numbers, width == 8 ? (void *)wide : (void *)narrow, MANY, width, codes);
    for (int i = 0; coded && i < MANY; i++) {
        assert_true(codes[i] < numbers->n);
        assert_int_equal(numbers->values[codes[i]], width == 8 ? wide[i] : narrow[i]);
    }
    free(wide);
    free(narrow);
    return coded;
}

static void values_that_repeat_are_coded(void **state)
{
    (void)state;
    struct numbers numbers;
    uint16_t *codes = malloc(MANY * sizeof *codes);
    assert_true(numbers_init(&numbers));
    assert_true(assign(&numbers, 1, 8, codes));
    assert_int_equal(numbers.n, 1);
    assert_true(assign(&numbers, 2000, 8, codes));
    assert_int_equal(numbers.n, 2000);
    assert_true(assign(&numbers, 20000, 8, codes));
    assert_true(assign(&numbers, 2000, 4, codes));
    /* No quarter would be saved, and far too many. */
    assert_false(assign(&numbers, 60000, 4, codes));
    assert_false(assign(&numbers, UINT32_MAX, 8, codes));
    assert_false(numbers_assign(&numbers, codes, 0, 8, codes));
    numbers_done(&numbers);
    free(codes);
}

/* Positive and negative zero, and NaNs of different bits, are different values. */
static void values_are_told_apart_by_their_bits(void **state)
{
    (void)state;
    struct numbers numbers;
    uint16_t codes[400];
    double values[400];
    uint64_t odd_nan = UINT64_C(0x7ff8000000000001);
    for (int i = 0; i < 400; i += 4) {
        values[i] = 0.0;
        values[i + 1] = -0.0;
        values[i + 2] = __builtin_nan("");
        memcpy(&values[i + 3], &odd_nan, 8);
    }
    assert_true(numbers_init(&numbers));
    assert_true(numbers_assign(&numbers, values, 400, 8, codes));
    assert_int_equal(numbers.n, 4);
    for (int i = 0; i < 400; i++)
        assert_int_equal(codes[i], i % 4);
    numbers_done(&numbers);
}

static void thrift_is_compact(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1000);
    struct thrift thrift = {.out = &out};
    thrift_begin(&thrift);
    thrift_int(&thrift, 1, THRIFT_I32, -2);
    thrift_bool(&thrift, 3, true);
    thrift_bool(&thrift, 4, false);
    thrift_binary(&thrift, 5, "ab", 2);
    thrift_struct(&thrift, 10);
    thrift_byte(&thrift, 1, 8);
    thrift_end(&thrift);
    thrift_list(&thrift, 12, THRIFT_I32, 2);
    thrift_element_int(&thrift, 64);
    thrift_element_int(&thrift, 1);
    thrift_list(&thrift, 13, THRIFT_BINARY, 15);
    thrift_element_text(&thrift, "x");
    thrift_empty(&thrift, 14);
    thrift_end(&thrift);
    static const uint8_t expected[] = {0x15, 3,    0x21, 0x12, 0x18, 2,    'a', 'b', 0x5c, 0x13, 8, 0, 0x29,
                                       0x25, 0x80, 0x01, 2,    0x19, 0xf8, 15,  1,   'x',  0x1c, 0, 0};
    assert_int_equal(out.size, sizeof expected);
    assert_memory_equal(out.data, expected, sizeof expected);
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_read_back),
        cmocka_unit_test(a_constant_is_one_run),
        cmocka_unit_test(the_widths_of_codes),
        cmocka_unit_test(levels_read_back),
        cmocka_unit_test(differences_read_back),
        cmocka_unit_test(values_that_repeat_are_coded),
        cmocka_unit_test(values_are_told_apart_by_their_bits),
        cmocka_unit_test(thrift_is_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
