/* Sizes that overflow, buffers at their maximum, arenas; errors that are longer than their room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

static void sizes_that_overflow_are_no_memory(void **state)
{
    (void)state;
    struct arena arena = {0};
    int64_t *array = NULL;
    size_t capacity = 0;
    assert_null(memory_new(SIZE_MAX / 2, 4));
    assert_null(arena_new(&arena, SIZE_MAX / 2, 4));
    assert_false(memory_grow(&array, &capacity, SIZE_MAX / 4, sizeof *array));
    assert_null(array);
    assert_int_equal(capacity, 0);
    arena_done(&arena);
}

static void arrays_grow_and_keep_their_content(void **state)
{
    (void)state;
    int64_t *array = NULL;
    size_t capacity = 0;
    for (int64_t i = 0; i < 10000; i++) {
        assert_true(memory_grow(&array, &capacity, (size_t)i + 1, sizeof *array));
        array[i] = i * i;
    }
    for (int64_t i = 0; i < 10000; i++)
        assert_int_equal(array[i], i * i);
    free(array);
}

static void arena_pieces_are_apart_aligned_and_zero(void **state)
{
    (void)state;
    struct arena arena = {0};
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        size_t size = i * i;
        pieces[i] = arena_new(&arena, size, 1);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (size_t j = 0; j < size; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < i * i; j++)
            assert_int_equal(pieces[i][j], i);
    assert_string_equal(arena_format(&arena, "%d %s", 7, "seven"), "7 seven");
    assert_string_equal(arena_text(&arena, "abcdef", 3), "abc");
    arena_done(&arena);
}

static void buffers_stop_at_their_maximum(void **state)
{
    (void)state;
    struct buffer buffer;
    struct error error = {0};
    buffer_init(&buffer, 10);
    buffer_text(&buffer, "01234");
    buffer_format(&buffer, "%d", 56789);
    assert_string_equal(buffer.data, "0123456789");
    assert_int_equal(buffer_check(&buffer, "the text", &error), OK);
    buffer_text(&buffer, "x");
    assert_true(buffer.failed);
    assert_string_equal(buffer.data, "0123456789");
    buffer_text(&buffer, "");
    assert_int_equal(buffer_check(&buffer, "the text", &error), CODE_LIMIT);
    assert_non_null(strstr(error.message, "the text"));
    buffer_clear(&buffer);
    buffer_text(&buffer, "again");
    assert_string_equal(buffer.data, "again");
    buffer_done(&buffer);
}

static void long_messages_are_cut_and_terminated(void **state)
{
    (void)state;
    struct error error = {0};
    char text[3 * ERROR_MESSAGE_SIZE], line[ERROR_MESSAGE_SIZE + ERROR_PLACE_SIZE + 64];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(error_set(&error, CODE_INVALID, "%s", text), CODE_INVALID);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
    error_prefix(&error, "%s", text);
    assert_int_equal(strlen(error.message), ERROR_MESSAGE_SIZE - 1);
    error_at(&error, text, 3, 4);
    assert_int_equal(strlen(error.place), ERROR_PLACE_SIZE - 1);
    assert_int_equal(error_set(NULL, CODE_LIMIT, "nobody listens"), CODE_LIMIT);
    error_set(&error, CODE_INVALID, "message");
    error_prefix(&error, "context");
    error_at(&error, "file.sql", 3, 4);
    assert_string_equal(error_format(&error, line, sizeof line), "file.sql:3:4: context: message");
    error_at(&error, NULL, 3, 0);
    assert_string_equal(error_format(&error, line, sizeof line), "file.sql:3: context: message");
}

static void codes_have_names_and_statuses_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < CODE_COUNT; i++) {
        assert_non_null(code_info((enum code)i)->name);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(code_info((enum code)i)->name, code_info((enum code)j)->name);
            assert_int_not_equal(code_info((enum code)i)->exit_status, code_info((enum code)j)->exit_status);
        }
    }
}

static void hashes_depend_on_every_byte(void **state)
{
    (void)state;
    unsigned char bytes[40] = {0};
    for (size_t n = 1; n <= sizeof bytes; n++) {
        uint64_t zero = hash_bytes(bytes, n, 1);
        assert_int_not_equal(zero, hash_bytes(bytes, n - 1, 1));
        assert_int_not_equal(zero, hash_bytes(bytes, n, 2));
        for (size_t i = 0; i < n; i++) {
            bytes[i] = 1;
            assert_int_not_equal(zero, hash_bytes(bytes, n, 1));
            bytes[i] = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_overflow_are_no_memory),
        cmocka_unit_test(arrays_grow_and_keep_their_content),
        cmocka_unit_test(arena_pieces_are_apart_aligned_and_zero),
        cmocka_unit_test(buffers_stop_at_their_maximum),
        cmocka_unit_test(long_messages_are_cut_and_terminated),
        cmocka_unit_test(codes_have_names_and_statuses_of_their_own),
        cmocka_unit_test(hashes_depend_on_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
