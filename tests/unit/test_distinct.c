/* Tables of distinct values against counters that count the plain way, and what a single call costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "differential/random.h"
#include "feature/distinct.h"

/* Allocations fail by chance and are counted, where no sanitizer has put its own functions in their place. */
static int failing; /* percent */
static int64_t failed, blocks;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool can_fail = false;
#else
static const bool can_fail = true;
static struct random failures = {1};
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void __libc_free(void *block);

static bool fails(void)
{
    bool fail = failing && random_chance(&failures, failing);
    failed += fail;
    blocks += !fail;
    return fail;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void free(void *block)
{
    blocks -= block != NULL;
    __libc_free(block);
}
#endif

enum { FRAMES = 5, RANGE = 20000 };

/* The key that stands for number i: close together, far apart, or as two words of which either differs. */
enum keys { KEYS_DENSE, KEYS_ROUND, KEYS_DOUBLE, KEYS_LOW_WORD, KEYS_HIGH_WORD, KEYS_N };

static void key_of(enum keys keys, int64_t i, uint64_t ret[2])
{
    double value = (double)i;
    ret[0] = ret[1] = 0;
    switch (keys) {
    case KEYS_ROUND:
        ret[0] = (uint64_t)i << 40;
        break;
    case KEYS_DOUBLE:
        memcpy(ret, &value, sizeof value);
        break;
    case KEYS_HIGH_WORD:
        ret[1] = (uint64_t)i;
        break;
    default:
        ret[0] = (uint64_t)i;
        break;
    }
}

static int words_of(enum keys keys)
{
    return keys >= KEYS_LOW_WORD ? 2 : 1;
}

/* Adds and removes at random, ever more and then ever fewer, and counts along. */
static void compare(enum keys keys, int n_frames, int64_t range, int64_t steps, uint64_t seed)
{
    struct distinct_shape shape = {.n_frames = n_frames, .key_words = words_of(keys)};
    struct distinct distinct = {0};
    struct random random = {seed};
    uint32_t *counts = calloc((size_t)(range * n_frames), sizeof *counts);
    int64_t live[FRAMES] = {0}, expected[FRAMES] = {0}, total = 0;
    assert_non_null(counts);
    for (int64_t step = 0; step < steps || total > 0; step++) {
        int64_t i = random_below(&random, range);
        int f = (int)random_below(&random, n_frames);
        uint64_t key[2];
        uint32_t *count = &counts[i * n_frames + f];
        key_of(keys, i, key);
        if (*count && random_chance(&random, step < steps / 2 ? 30 : step < steps ? 70 : 100)) {
            distinct_remove(&shape, &distinct, key, f, &live[f]);
            expected[f] -= --*count == 0;
            total--;
        } else if (step < steps) {
            assert_true(distinct_add(&shape, &distinct, key, f, &live[f]));
            expected[f] += ++*count == 1;
            total++;
        }
        assert_memory_equal(live, expected, sizeof live);
    }
    assert_int_equal(distinct_bytes(&shape, &distinct), 0);
    assert_null(distinct.entries);
    free(counts);
}

static void test_counts_as_the_plain_way_does(void **unused)
{
    (void)unused;
    for (int keys = 0; keys < KEYS_N; keys++)
        for (int frames = 1; frames <= FRAMES; frames += 2) {
            compare((enum keys)keys, frames, 3, 300, 1);
            compare((enum keys)keys, frames, 40, 3000, 2);
            compare((enum keys)keys, frames, 700, 20000, 3);
            compare((enum keys)keys, frames, RANGE, 100000, 4);
        }
}

static void test_frames_count_for_themselves(void **unused)
{
    (void)unused;
    const struct distinct_shape shape = {.n_frames = 2, .key_words = 1};
    struct distinct distinct = {0};
    int64_t live[2] = {0};
    const uint64_t zero = 0, one = 1;
    assert_true(distinct_add(&shape, &distinct, &zero, 0, &live[0]));
    assert_true(distinct_add(&shape, &distinct, &zero, 0, &live[0]));
    assert_true(distinct_add(&shape, &distinct, &zero, 1, &live[1]));
    assert_true(distinct_add(&shape, &distinct, &one, 1, &live[1]));
    assert_int_equal(live[0], 1);
    assert_int_equal(live[1], 2);
    assert_int_equal(distinct.used, 2);
    distinct_remove(&shape, &distinct, &zero, 1, &live[1]);
    assert_int_equal(live[1], 1);
    distinct_remove(&shape, &distinct, &zero, 0, &live[0]);
    assert_int_equal(live[0], 1);
    distinct_remove(&shape, &distinct, &zero, 0, &live[0]);
    assert_int_equal(live[0], 0);
    assert_int_equal(distinct.used, 1);
    assert_true(distinct_bytes(&shape, &distinct) > 0);
    distinct_done(&distinct);
    assert_int_equal(distinct_bytes(&shape, &distinct), 0);
}

static void test_few_values_take_little_memory(void **unused)
{
    (void)unused;
    const struct distinct_shape shape = {.n_frames = 2, .key_words = 1};
    struct distinct distinct = {0};
    int64_t live = 0;
    assert_true(sizeof distinct <= 16);
    for (uint64_t key = 0; key < 3; key++)
        assert_true(distinct_add(&shape, &distinct, &key, 0, &live));
    assert_int_equal(distinct_bytes(&shape, &distinct), 64);
    distinct_done(&distinct);
}

/* A million values come and go in turn: no call moves many entries, and memory follows the number of values.
 */
static void million(enum keys keys)
{
    const struct distinct_shape shape = {.n_frames = 1, .key_words = words_of(keys)};
    const int64_t n = 1000000;
    struct distinct distinct = {0};
    uint64_t most = 0;
    int64_t live = 0;
    size_t entry = shape.key_words == 2 ? 24 : 16;
    for (int64_t i = 0; i < 2 * n; i++) {
        uint64_t key[2], before = distinct_moved(&distinct);
        key_of(keys, i % n, key);
        if (i < n)
            assert_true(distinct_add(&shape, &distinct, key, 0, &live));
        else
            distinct_remove(&shape, &distinct, key, 0, &live);
        int64_t values = i < n ? i + 1 : 2 * n - 1 - i;
        uint64_t moved = distinct_moved(&distinct) - before;
        if (distinct_moved(&distinct) >= before && moved > most)
            most = moved;
        if (live != values)
            fail_msg("%lld values, expected %lld", (long long)live, (long long)values);
        if (distinct_bytes(&shape, &distinct) > 8 * entry * (size_t)values + 8192)
            fail_msg("%zu bytes for %lld values", distinct_bytes(&shape, &distinct), (long long)values);
        if (i == n - 1)
            assert_in_range(distinct_bytes(&shape, &distinct), entry * (size_t)n, 3 * entry * (size_t)n);
    }
    assert_in_range(most, 100, 1000);
    assert_int_equal(distinct_bytes(&shape, &distinct), 0);
}

static void test_no_call_moves_many_entries(void **unused)
{
    (void)unused;
    for (int keys = 0; keys < KEYS_N; keys++)
        million((enum keys)keys);
}

/* Back and forth at the sizes where tables change their shape: no memory is lost and nothing is moved again
 * and again. */
static void test_to_and_fro_at_every_size(void **unused)
{
    (void)unused;
    const struct distinct_shape shape = {.n_frames = 1, .key_words = 1};
    struct distinct distinct = {0};
    int64_t live = 0;
    for (uint64_t size = 0; size < 3000; size++) {
        uint64_t more = size + 1;
        assert_true(distinct_add(&shape, &distinct, &size, 0, &live));
        uint64_t before = distinct_moved(&distinct);
        for (int i = 0; i < 20; i++) {
            assert_true(distinct_add(&shape, &distinct, &more, 0, &live));
            distinct_remove(&shape, &distinct, &more, 0, &live);
        }
        if (before)
            assert_in_range(distinct_moved(&distinct) - before, 0, 1000);
        assert_int_equal(live, more);
    }
    for (uint64_t size = 3000; size-- > 0;) {
        distinct_remove(&shape, &distinct, &size, 0, &live);
        for (int i = 0; i < 20; i++) {
            assert_true(distinct_add(&shape, &distinct, &size, 0, &live));
            distinct_remove(&shape, &distinct, &size, 0, &live);
        }
        assert_int_equal(live, size);
    }
    assert_int_equal(distinct_bytes(&shape, &distinct), 0);
}

/* Where memory is short, adding changes nothing or does it all, and removing always works. */
static void test_without_memory(void **unused)
{
    (void)unused;
    const struct distinct_shape shape = {.n_frames = 1, .key_words = 1};
    const uint64_t n = 4000;
    for (int percent = 5; percent <= 100; percent += 19) {
        struct distinct distinct = {0};
        int64_t live = 0, refused = 0, before = blocks;
        failed = 0;
        for (uint64_t i = 0; i < n; i++) {
            failing = percent;
            bool added = distinct_add(&shape, &distinct, &i, 0, &live);
            failing = 0;
            refused += !added;
            assert_int_equal(live, i + added);
            assert_true(added || distinct_add(&shape, &distinct, &i, 0, &live));
        }
        assert_true(!can_fail || (refused > 0 && failed > refused));
        failing = percent;
        for (uint64_t i = 0; i < n; i++) {
            distinct_remove(&shape, &distinct, &i, 0, &live);
            assert_int_equal(live, n - 1 - i);
        }
        failing = 0;
        assert_int_equal(distinct_bytes(&shape, &distinct), 0);
        assert_int_equal(blocks, before);
    }
}

static void test_a_large_table_is_freed(void **unused)
{
    (void)unused;
    const struct distinct_shape shape = {.n_frames = 3, .key_words = 2};
    struct distinct distinct = {0};
    int64_t live = 0;
    for (uint64_t i = 0; i < 5000; i++)
        assert_true(distinct_add(&shape, &distinct, (const uint64_t[2]){i, ~i}, 2, &live));
    assert_int_equal(live, 5000);
    distinct_done(&distinct);
    assert_int_equal(distinct_bytes(&shape, &distinct), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_as_the_plain_way_does),
        cmocka_unit_test(test_frames_count_for_themselves),
        cmocka_unit_test(test_few_values_take_little_memory),
        cmocka_unit_test(test_no_call_moves_many_entries),
        cmocka_unit_test(test_to_and_fro_at_every_size),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_a_large_table_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
