/* Ids against a plain list that is searched from the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "differential/random.h"
#include "score/ids.h"

enum { EVENTS = 60000, HORIZON = 5000 };

struct taken {
    uint64_t key, body;
    int64_t high;
};

struct reading {
    const struct buffer *buffer;
    size_t at;
};

static int write_buffer(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "ids", error);
}

static int read_buffer(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    (void)error;
    struct reading *reading = context;
    size_t left = reading->buffer->size - reading->at, n = left < capacity ? left : capacity;
    memcpy(data, reading->buffer->data + reading->at, n);
    reading->at += n;
    *ret_size = n;
    return OK;
}

static struct ids *again(struct ids *ids)
{
    struct buffer buffer;
    struct bytes_out out;
    struct bytes_in in;
    buffer_init(&buffer, SIZE_MAX / 2);
    assert_int_equal(bytes_out_init(&out, write_buffer, &buffer, NULL), OK);
    ids_save(ids, &out);
    assert_int_equal(bytes_out_finish(&out), OK);
    struct reading reading = {&buffer, 0};
    assert_int_equal(bytes_in_init(&in, read_buffer, &reading, NULL), OK);
    struct ids *loaded = ids_new(HORIZON);
    assert_true(ids_load(loaded, &in) && bytes_at_end(&in));
    assert_int_equal(ids_count(loaded), ids_count(ids));
    bytes_in_done(&in);
    buffer_done(&buffer);
    ids_free(ids);
    return loaded;
}

static void test_ids_are_known_until_the_horizon(void **unused)
{
    (void)unused;
    struct random random = {3};
    struct ids *ids = ids_new(HORIZON);
    struct taken *list = memory_new(EVENTS, sizeof *list);
    uint64_t n = 0;
    int64_t high = 0, found_some = 0, expired = 0;
    assert_true(ids && list);
    for (int i = 0; i < EVENTS; i++) {
        high += random_below(&random, i % 20000 < 10000 ? 3 : 1);
        struct id_key key = {{(uint64_t)random_below(&random, 30000), 0}};
        uint64_t seq = 0, body = 0, expected = UINT64_MAX;
        for (uint64_t j = n; j > 0 && list[j - 1].high >= high - HORIZON; j--)
            if (list[j - 1].key == key.words[0]) {
                expected = j - 1;
                break;
            }
        bool found = ids_find(ids, key, high, &seq, &body);
        assert_int_equal(found, expected != UINT64_MAX);
        if (found) {
            assert_true(seq == expected && body == list[expected].body);
            found_some++;
            continue;
        }
        list[n] = (struct taken){key.words[0], (uint64_t)random_below(&random, 1 << 30), high};
        assert_true(ids_add(ids, key, n, list[n].body, high));
        n++;
        int64_t before = ids_count(ids);
        ids_expire(ids, high);
        expired += before - ids_count(ids);
        if (i % 7001 == 0)
            ids = again(ids);
    }
    assert_true(found_some > EVENTS / 10 && expired > 5000);
    for (int i = 0; i < EVENTS; i++)
        ids_expire(ids, INT64_MAX / 2);
    assert_int_equal(ids_count(ids), 0);
    ids_free(ids);
    free(list);
}

/* It is known for as long as those that came with it, and keeps none behind it from being given up. */
static void test_one_that_is_ahead_does_not_stay(void **unused)
{
    (void)unused;
    struct ids *ids = ids_new(HORIZON);
    uint64_t seq, body;
    assert_true(ids);
    assert_true(ids_add(ids, (struct id_key){{1, 0}}, 1, 0, INT64_MAX / 4));
    ids_expire(ids, 0);
    assert_true(ids_find(ids, (struct id_key){{1, 0}}, 0, &seq, &body));
    for (uint64_t i = 2; i < 100; i++) {
        assert_true(ids_add(ids, (struct id_key){{i, 0}}, i, 0, (int64_t)i));
        ids_expire(ids, (int64_t)i);
    }
    assert_true(ids_find(ids, (struct id_key){{1, 0}}, 100, &seq, &body));
    ids_expire(ids, 2 + HORIZON + 1);
    assert_false(ids_find(ids, (struct id_key){{1, 0}}, 2 + HORIZON + 1, &seq, &body));
    assert_true(ids_find(ids, (struct id_key){{3, 0}}, 2 + HORIZON + 1, &seq, &body));
    ids_free(ids);
}

static void test_memory_is_given_back(void **unused)
{
    (void)unused;
    enum { PAGE = 2 << 20, MANY = 300000 }; /* bytes; ids, which take six pages */
    struct ids *ids = ids_new(HORIZON);
    int64_t high = 0;
    assert_non_null(ids);
    for (; high < MANY; high++) {
        assert_true(ids_add(ids, (struct id_key){{(uint64_t)high, 0}}, (uint64_t)high, 0, high));
        ids_expire(ids, high);
        assert_true(ids_bytes(ids) < 2 * PAGE);
    }
    assert_int_equal(ids_count(ids), HORIZON + 1);
    for (int i = 0; i < MANY; i++)
        ids_expire(ids, INT64_MAX / 2);
    assert_int_equal(ids_count(ids), 0);
    assert_true(ids_bytes(ids) <= PAGE);
    ids_free(ids);
}

static void test_texts_and_numbers_have_keys(void **unused)
{
    (void)unused;
    struct type text = {.id = TYPE_VARCHAR}, number = {.id = TYPE_INT64};
    struct schema *schema = schema_new(0);
    struct table table;
    assert_int_equal(schema_add(schema, "a", text, NULL), OK);
    assert_int_equal(schema_add(schema, "b", number, NULL), OK);
    assert_int_equal(table_init(&table, schema, NULL), OK);
    assert_int_equal(table_reserve(&table, 3, NULL), OK);
    assert_int_equal(column_append_text(&table.columns[0], "x", 1, NULL), OK);
    assert_int_equal(column_append_text(&table.columns[0], "y", 1, NULL), OK);
    column_append_null(&table.columns[0], &text);
    for (int i = 0; i < 3; i++)
        column_append_int(&table.columns[1], &number, i % 2);
    table.length = 3;
    struct id_key a = id_key_of(&table.columns[0], &text, 0), b = id_key_of(&table.columns[0], &text, 1),
                  c = id_key_of(&table.columns[0], &text, 2), d = id_key_of(&table.columns[1], &number, 0),
                  e = id_key_of(&table.columns[1], &number, 2);
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_memory_equal(&d, &e, sizeof d);
    table_done(&table);
    schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_known_until_the_horizon),
        cmocka_unit_test(test_one_that_is_ahead_does_not_stay),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_texts_and_numbers_have_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
