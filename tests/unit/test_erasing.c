/* Records of erasures: what is not one is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "score/erasing.h"

static const uint64_t seqs[] = {3, 7, 8, UINT64_C(1) << 40};

static void write_record(struct buffer *ret)
{
    buffer_init(ret, 1 << 16);
    record_erasure(false, 1700000000000000, seqs, 4, ret);
    assert_false(ret->failed);
}

static void test_what_is_written_is_read(void **unused)
{
    (void)unused;
    struct buffer bytes;
    struct erasure_record found;
    write_record(&bytes);
    assert_int_equal(record_read_erasure(bytes.data, bytes.size, &found, NULL), OK);
    assert_false(found.done);
    assert_int_equal(found.asked_us, 1700000000000000);
    assert_int_equal(found.n, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(erasure_seq(&found, i), seqs[i]);
    buffer_done(&bytes);
}

/* An exact copy, so that reading beyond it is seen under the address sanitizer. */
static int read_copy(const char *data, size_t size, struct error *error)
{
    char *copy = memory_text(data, size);
    struct erasure_record found;
    int rc = record_read_erasure(copy, size, &found, error);
    free(copy);
    return rc;
}

static void test_one_that_ends_early_or_late_is_refused(void **unused)
{
    (void)unused;
    struct buffer bytes;
    struct error error = {0};
    write_record(&bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        error_clear(&error);
        assert_int_equal(read_copy(bytes.data, size, &error), CODE_CORRUPT);
        assert_non_null(strstr(error.message, "erasure"));
    }
    buffer_append(&bytes, "x", 1);
    assert_int_equal(read_copy(bytes.data, bytes.size, &error), CODE_CORRUPT);
    buffer_done(&bytes);
}

/* Bits of a number leave another number; in all else they are noticed. */
static void test_flipped_bits_do_no_harm(void **unused)
{
    (void)unused;
    struct buffer bytes;
    int refused = 0;
    write_record(&bytes);
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
        int rc = read_copy(bytes.data, bytes.size, NULL);
        assert_true(rc == OK || rc == CODE_CORRUPT);
        refused += rc != OK;
        bytes.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_in_range(refused, 7 + 32 + 64, 8 * (int)bytes.size);
    buffer_done(&bytes);
}

static void test_no_number_and_numbers_out_of_order_are_refused(void **unused)
{
    (void)unused;
    static const uint64_t wrong[][2] = {{0, 1}, {5, 5}, {6, 5}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct buffer bytes;
        buffer_init(&bytes, 1 << 10);
        record_erasure(false, 0, wrong[i], 2, &bytes);
        assert_int_equal(read_copy(bytes.data, bytes.size, NULL), CODE_CORRUPT);
        buffer_done(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_one_that_ends_early_or_late_is_refused),
        cmocka_unit_test(test_flipped_bits_do_no_harm),
        cmocka_unit_test(test_no_number_and_numbers_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
