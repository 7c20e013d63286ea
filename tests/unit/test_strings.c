/* Numbers of texts: equal for equal texts while they are held, free again after a sweep, from several
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "feature/strings.h"

/* Allocations fail by chance, where no sanitizer has put its own functions in their place. */
static _Thread_local int failing; /* percent */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool can_fail = false;
#else
static const bool can_fail = true;
static struct random failures = {1};
void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
    return failing && random_chance(&failures, failing) ? NULL : __libc_malloc(size);
}
#endif

static uint64_t number(struct strings *strings, const char *data, size_t size)
{
    uint64_t value = UINT64_MAX;
    assert_true(strings_number(strings, (struct text){data, size}, &value));
    struct text text = strings_text(strings, value);
    assert_int_equal(text.size, size);
    assert_memory_equal(text.data, data, size);
    return value;
}

static uint64_t number_of(struct strings *strings, int64_t i)
{
    char data[64];
    return number(strings, data, (size_t)snprintf(data, sizeof data, "card-%lld", (long long)i));
}

static void test_equal_texts_have_one_number(void **unused)
{
    (void)unused;
    struct strings *strings = strings_new();
    assert_non_null(strings);
    static const struct text texts[] = {{"", 0}, {"a", 1}, {"ab", 2}, {"a\0", 2}, {"a\0b", 3}, {"b", 1}};
    enum { N = sizeof texts / sizeof *texts };
    for (int round = 0; round < 3; round++)
        for (uint64_t i = 0; i < N; i++)
            assert_int_equal(number(strings, texts[i].data, texts[i].size), i);
    for (int64_t i = 0; i < 5000; i++)
        assert_int_equal(number_of(strings, i), N + i);
    for (int64_t i = 4999; i >= 0; i--)
        assert_int_equal(number_of(strings, i), N + i);
    assert_int_equal(strings_sweep(strings, INT64_MAX), 0);
    assert_int_equal(strings_count(strings), N + 5000);
    strings_free(strings);
    strings_free(NULL);
}

static void test_a_sweep_frees_what_nobody_holds(void **unused)
{
    (void)unused;
    struct strings *strings = strings_new();
    assert_non_null(strings);
    for (int64_t i = 0; i < 10; i++)
        assert_int_equal(number_of(strings, i), i);
    strings_hold(strings, 3);
    for (uint64_t i = 0; i < 10; i++)
        if (i != 5)
            strings_release(strings, i);
    assert_int_equal(strings_count(strings), 10); /* nothing goes by itself */
    assert_int_equal(number_of(strings, 7), 7);   /* it came again in time */
    assert_int_equal(strings_sweep(strings, 4), 3);
    assert_int_equal(strings_sweep(strings, 2), 1);
    assert_int_equal(strings_sweep(strings, 4), 3);
    assert_int_equal(strings_sweep(strings, 100), 0);
    assert_int_equal(strings_count(strings), 3);
    static const uint64_t held[] = {3, 5, 7};
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(strings, (int64_t)held[i]), held[i]);
    bool used[10] = {[3] = true, [5] = true, [7] = true};
    for (int64_t i = 100; i < 107; i++) {
        uint64_t value = number_of(strings, i);
        assert_true(value < 10 && !used[value]);
        used[value] = true;
    }
    assert_int_equal(number_of(strings, 107), 10);
    strings_free(strings);
}

/* Texts that come, are held and go at random, against a plain list. */
static void test_as_a_plain_list_does(void **unused)
{
    (void)unused;
    enum { RANGE = 4000, STEPS = 200000 };
    static int64_t references[RANGE];
    static uint64_t numbers[RANGE];
    struct random random = {1};
    struct strings *strings = strings_new();
    assert_non_null(strings);
    int64_t held = 0;
    for (int64_t step = 0; step < STEPS; step++) {
        int64_t range = step < STEPS / 2 ? RANGE : RANGE / 8, i = random_below(&random, RANGE);
        if (references[i] && (i >= range || random_chance(&random, 60))) {
            strings_release(strings, numbers[i]);
            held -= --references[i] == 0;
        } else if (references[i] && random_chance(&random, 50)) {
            strings_hold(strings, numbers[i]);
            references[i]++;
        } else if (i < range) {
            uint64_t value = number_of(strings, i);
            assert_true(!references[i] || value == numbers[i]);
            numbers[i] = value;
            held += ++references[i] == 1;
        }
        strings_sweep(strings, random_below(&random, 4));
    }
    strings_sweep(strings, INT64_MAX);
    assert_int_equal(strings_count(strings), held);
    static int64_t owner[2 * RANGE];
    for (int64_t i = 0; i < RANGE; i++)
        if (references[i]) {
            assert_int_equal(number_of(strings, i), numbers[i]);
            assert_true(numbers[i] < 2 * RANGE && !owner[numbers[i]]); /* no two have one number */
            owner[numbers[i]] = 1;
        }
    strings_free(strings);
}

static void test_a_million_texts_pass_through_bounded_memory(void **unused)
{
    (void)unused;
    enum { HELD = 1000, TEXTS = 1000000 };
    static uint64_t numbers[HELD];
    struct strings *strings = strings_new();
    assert_non_null(strings);
    for (int64_t i = 0; i < TEXTS; i++) {
        if (i >= HELD)
            strings_release(strings, numbers[i % HELD]);
        numbers[i % HELD] = number_of(strings, i);
        strings_sweep(strings, 2);
        if (numbers[i % HELD] >= 4 * HELD)
            fail_msg("number %llu while %d texts are held", (unsigned long long)numbers[i % HELD], HELD);
        if (strings_bytes(strings) > HELD * 256)
            fail_msg("%zu bytes while %d texts are held", strings_bytes(strings), HELD);
    }
    strings_free(strings);
}

/* After a peak, only 32 bytes per number stay. */
static void test_memory_comes_back_after_a_peak(void **unused)
{
    (void)unused;
    enum { TEXTS = 100000, NUMBERS = 1 << 17 };
    struct strings *strings = strings_new();
    assert_non_null(strings);
    size_t empty = strings_bytes(strings);
    for (int round = 0; round < 3; round++) {
        for (int64_t i = 0; i < TEXTS; i++)
            assert_in_range(number_of(strings, round * 1000 + i), 0, TEXTS - 1);
        size_t full = strings_bytes(strings);
        /* 32 bytes for each of 2^17 numbers, 4 for each bucket, 10 or 11 for a text */
        assert_in_range(full, 32 * NUMBERS + 13 * TEXTS, empty + 32 * NUMBERS + 4 * NUMBERS + 12 * TEXTS);
        for (uint64_t i = 0; i < TEXTS; i++)
            strings_release(strings, i);
        int64_t forgotten = 0;
        for (int64_t i = 0; i < TEXTS; i += 100)
            forgotten += strings_sweep(strings, 100);
        assert_int_equal(forgotten, TEXTS);
        assert_int_equal(strings_count(strings), 0);
        assert_in_range(strings_bytes(strings), 32 * NUMBERS, empty + 32 * NUMBERS);
    }
    strings_free(strings);
}

enum { THREADS = 3, SHARED = 50, ROUNDS = 10000 };

static void *hold_and_release(void *context)
{
    struct strings *strings = context;
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < SHARED; i++)
            strings_hold(strings, i);
        for (uint64_t i = 0; i < SHARED; i++) {
            if (strings_text(strings, i).size < 6)
                return NULL;
            strings_release(strings, i);
        }
    }
    return context;
}

static void test_threads_hold_and_release_while_texts_are_added(void **unused)
{
    (void)unused;
    struct strings *strings = strings_new();
    pthread_t threads[THREADS];
    assert_non_null(strings);
    for (int64_t i = 0; i < SHARED; i++)
        assert_int_equal(number_of(strings, i), i);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, hold_and_release, strings), 0);
    for (int64_t i = 0; i < 20000; i++)
        number_of(strings, i);
    for (int t = 0; t < THREADS; t++) {
        void *fine = NULL;
        assert_int_equal(pthread_join(threads[t], &fine), 0);
        assert_non_null(fine);
    }
    assert_int_equal(strings_sweep(strings, INT64_MAX), 0);
    for (uint64_t i = 0; i < SHARED; i++) {
        strings_release(strings, i);
        strings_release(strings, i);
    }
    assert_int_equal(strings_sweep(strings, INT64_MAX), SHARED); /* no reference was lost or left over */
    strings_free(strings);
}

static void test_without_memory(void **unused)
{
    (void)unused;
    struct strings *strings = strings_new();
    assert_non_null(strings);
    int64_t refused = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        char data[32];
        struct text text = {data, (size_t)snprintf(data, sizeof data, "%llu", (unsigned long long)i)};
        uint64_t value = 12345678;
        failing = 30;
        bool numbered = strings_number(strings, text, &value);
        failing = 0;
        refused += !numbered;
        assert_int_equal(value, numbered ? i : 12345678);
        assert_int_equal(strings_count(strings), i + numbered);
        assert_int_equal(number(strings, text.data, text.size), i);
    }
    assert_true(!can_fail || refused > 2000);
    strings_free(strings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_texts_have_one_number),
        cmocka_unit_test(test_a_sweep_frees_what_nobody_holds),
        cmocka_unit_test(test_as_a_plain_list_does),
        cmocka_unit_test(test_a_million_texts_pass_through_bounded_memory),
        cmocka_unit_test(test_memory_comes_back_after_a_peak),
        cmocka_unit_test(test_threads_hold_and_release_while_texts_are_added),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
