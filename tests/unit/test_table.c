/* Columns of every type, NULLs at any bit offset, dictionaries that meet, and what a failed append leaves
 * behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "table/bits.h"
#include "table/table.h"

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct dictionary *colours(void)
{
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "red", 3);
    dictionary_add(values, "green", 5);
    dictionary_add(values, "blue", 4);
    return values;
}

/* One column per type. */
static struct schema *every_type(void)
{
    struct schema *schema = schema_new(0);
    struct dictionary *values = colours();
    for (int id = 0; id < TYPE_COUNT; id++) {
        struct type type = {.id = (enum type_id)id};
        char name[16];
        snprintf(name, sizeof name, "c%d", id);
        if (id == TYPE_DECIMAL)
            type.precision = 10, type.scale = 2;
        if (id == TYPE_ENUM)
            type.values = values;
        assert_int_equal(schema_add(schema, name, type, NULL), OK);
    }
    dictionary_unref(values);
    return schema;
}

/* Row i of every_type, a function of i alone. */
static void append_row(struct table *table, int64_t i)
{
    struct error error;
    assert_int_equal(table_reserve(table, table->length + 1, &error), OK);
    for (int k = 0; k < table->schema->n; k++) {
        const struct type *type = &table->schema->fields[k].type;
        struct column *column = &table->columns[k];
        char text[32];
        if ((i * 7 + k) % 5 == 0) {
            column_append_null(column, type);
            continue;
        }
        switch (type->id) {
        case TYPE_BOOLEAN:
            column_append_boolean(column, (i + k) % 3 == 0);
            break;
        case TYPE_FLOAT:
        case TYPE_DOUBLE:
            column_append_double(column, type, (double)i / 4);
            break;
        case TYPE_HUGEINT:
        case TYPE_DECIMAL:
            column_append_wide(column, (__int128)i << 40);
            break;
        case TYPE_VARCHAR:
            snprintf(text, sizeof text, "text %lld", (long long)(i % 13));
            assert_int_equal(column_append_text(column, text, strlen(text), &error), OK);
            break;
        case TYPE_ENUM:
            column_append_int(column, type, i % 3);
            break;
        default:
            column_append_int(column, type, i % 100);
        }
    }
    table->length++;
}

static void assert_same_value(const struct table *a, int64_t i, const struct table *b, int64_t j, int k)
{
    const struct type *type = &a->schema->fields[k].type;
    const struct column *x = &a->columns[k], *y = &b->columns[k];
    size_t size_x, size_y;
    assert_int_equal(column_is_null(x, i), column_is_null(y, j));
    if (column_is_null(x, i))
        return;
    switch (type->id) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        assert_true(column_double(x, type, i) == column_double(y, type, j));
        break;
    case TYPE_HUGEINT:
    case TYPE_DECIMAL:
        assert_true(column_wide(x, i) == column_wide(y, j));
        break;
    case TYPE_VARCHAR:
    case TYPE_ENUM: {
        const char *text_x = column_text(x, i, &size_x), *text_y = column_text(y, j, &size_y);
        assert_int_equal(size_x, size_y);
        assert_memory_equal(text_x, text_y, size_x);
        break;
    }
    default:
        assert_int_equal(column_int(x, type, i), column_int(y, type, j));
    }
}

static void assert_nulls_counted(const struct table *table)
{
    for (int k = 0; k < table->schema->n; k++) {
        int64_t nulls = 0;
        for (int64_t i = 0; i < table->length; i++)
            nulls += column_is_null(&table->columns[k], i);
        assert_int_equal(table->columns[k].length, table->length);
        assert_int_equal(table->columns[k].nulls, nulls);
    }
}

static void every_type_reads_back_what_was_appended(void **state)
{
    (void)state;
    struct schema *schema = every_type();
    struct table table;
    struct error error;
    size_t size;
    assert_int_equal(table_init(&table, schema, &error), OK);
    for (int64_t i = 0; i < 300; i++)
        append_row(&table, i);
    assert_nulls_counted(&table);
    assert_int_equal(column_int(&table.columns[TYPE_INT8], &schema->fields[TYPE_INT8].type, 6), 6);
    assert_int_equal(column_int(&table.columns[TYPE_DATE], &schema->fields[TYPE_DATE].type, 299), 99);
    assert_true(column_double(&table.columns[TYPE_FLOAT], &schema->fields[TYPE_FLOAT].type, 6) == 1.5);
    assert_true(column_wide(&table.columns[TYPE_HUGEINT], 200) == (__int128)200 << 40);
    assert_memory_equal(column_text(&table.columns[TYPE_VARCHAR], 12, &size), "text 12", 7);
    assert_int_equal(size, 7);
    assert_memory_equal(column_text(&table.columns[TYPE_ENUM], 1, &size), "green", 5);
    table_clear(&table);
    assert_int_equal(table.length, 0);
    append_row(&table, 0);
    assert_nulls_counted(&table);
    table_done(&table);
    schema_unref(schema);
}

/* Every alignment of source and target against a copy made value by value. */
static void appended_rows_keep_their_values_at_any_offset(void **state)
{
    (void)state;
    struct schema *schema = every_type();
    struct table source, target, whole;
    struct error error;
    uint64_t seed = 42;
    table_init(&source, schema, &error);
    table_init(&target, schema, &error);
    table_init(&whole, schema, &error);
    for (int64_t i = 0; i < 500; i++)
        append_row(&source, i);
    for (int round = 0; round < 200; round++) {
        table_clear(&target);
        int64_t froms[8], ns[8];
        int pieces = 1 + (int)(next_random(&seed) % 8);
        for (int p = 0; p < pieces; p++) {
            froms[p] = (int64_t)(next_random(&seed) % 400);
            ns[p] = (int64_t)(next_random(&seed) % 100);
            assert_int_equal(table_append(&target, &source, froms[p], ns[p], &error), OK);
        }
        assert_nulls_counted(&target);
        for (int64_t p = 0, at = 0; p < pieces; at += ns[p++]) {
            for (int64_t i = 0; i < ns[p]; i++) {
                for (int k = 0; k < schema->n; k++)
                    assert_same_value(&source, froms[p] + i, &target, at + i, k);
            }
        }
    }
    table_done(&source);
    table_done(&target);
    table_done(&whole);
    schema_unref(schema);
}

static void buffers_are_aligned_and_kept(void **state)
{
    (void)state;
    struct schema *schema = every_type();
    struct table table;
    struct error error;
    table_init(&table, schema, &error);
    for (int64_t i = 0; i < 100; i++)
        append_row(&table, i);
    void *before[TYPE_COUNT];
    for (int k = 0; k < schema->n; k++) {
        before[k] = table.columns[k].data;
        assert_int_equal((uintptr_t)table.columns[k].data % 64, 0);
        assert_int_equal((uintptr_t)table.columns[k].validity % 64, 0);
        assert_int_equal(table.columns[k].data_capacity % 64, 0);
    }
    table_clear(&table);
    for (int64_t i = 0; i < 100; i++)
        append_row(&table, i);
    for (int k = 0; k < schema->n; k++)
        assert_ptr_equal(table.columns[k].data, before[k]);
    table_done(&table);
    schema_unref(schema);
}

static void dictionary_gives_codes_in_order_of_arrival(void **state)
{
    (void)state;
    struct dictionary *dictionary = dictionary_new();
    char text[16];
    size_t size;
    assert_int_equal(dictionary_find(dictionary, "x", 1), -1);
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(text, sizeof text, "%d", i);
        assert_int_equal(dictionary_add(dictionary, text, (size_t)n), i);
        assert_int_equal(dictionary_add(dictionary, text, (size_t)n), i);
    }
    assert_int_equal(dictionary_add(dictionary, "", 0), 5000);
    assert_int_equal(dictionary_size(dictionary), 5001);
    assert_int_equal(dictionary_find(dictionary, "4999", 4), 4999);
    assert_int_equal(dictionary_find(dictionary, "49990", 5), -1);
    assert_memory_equal(dictionary_text(dictionary, 123, &size), "123", 3);
    struct dictionary *copy = dictionary_copy(dictionary);
    assert_int_equal(dictionary_add(copy, "new", 3), 5001);
    assert_int_equal(dictionary_find(dictionary, "new", 3), -1);
    dictionary_unref(copy);
    dictionary_unref(dictionary);
}

static void dictionary_is_full_at_its_limit(void **state)
{
    (void)state;
    struct dictionary *dictionary = dictionary_new();
    char text[16];
    for (int i = 0; i < LIMIT_DICTIONARY; i++)
        assert_int_equal(dictionary_add(dictionary, text, (size_t)snprintf(text, sizeof text, "%d", i)), i);
    assert_int_equal(dictionary_add(dictionary, "one more", 8), -1);
    assert_int_equal(dictionary_add(dictionary, "7", 1), 7);
    dictionary_unref(dictionary);
}

/* A column of `n` strings "PREFIX<i>", coded. */
static void coded(struct table *table, const char *prefix, int n)
{
    struct column *column = &table->columns[0];
    static const struct type varchar = {.id = TYPE_VARCHAR};
    struct dictionary *dictionary = dictionary_new();
    char text[32];
    table_clear(table);
    column->dictionary = dictionary;
    assert_int_equal(column_reserve(column, &varchar, n + 1, NULL), OK);
    for (int i = 0; i < n; i++)
        column_append_int(
            column, &varchar,
            dictionary_add(dictionary, text, (size_t)snprintf(text, sizeof text, "%s%d", prefix, i)));
    column_append_null(column, &varchar);
    table->length = n + 1;
}

static void assert_text(const struct table *table, int64_t i, const char *expected)
{
    size_t size;
    const char *text = column_text(&table->columns[0], i, &size);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
}

static void dictionaries_that_meet_are_joined(void **state)
{
    (void)state;
    struct schema *schema = schema_new(0);
    schema_add(schema, "s", (struct type){.id = TYPE_VARCHAR}, NULL);
    struct table a, b, target;
    struct error error;
    table_init(&a, schema, &error);
    table_init(&b, schema, &error);
    table_init(&target, schema, &error);
    coded(&a, "a", 3);
    coded(&b, "b", 2);
    assert_int_equal(table_append(&target, &a, 0, 4, &error), OK);
    assert_ptr_equal(target.columns[0].dictionary, a.columns[0].dictionary);
    assert_int_equal(table_append(&target, &b, 0, 3, &error), OK);
    assert_int_equal(dictionary_size(a.columns[0].dictionary), 3);
    assert_int_equal(dictionary_size(target.columns[0].dictionary), 5);
    assert_text(&target, 2, "a2");
    assert_true(column_is_null(&target.columns[0], 3));
    assert_text(&target, 5, "b1");
    assert_true(column_is_null(&target.columns[0], 6));
    /* Too many together: plain, with the same texts. */
    coded(&a, "a", LIMIT_DICTIONARY);
    assert_int_equal(table_append(&target, &a, 0, a.length, &error), OK);
    assert_null(target.columns[0].dictionary);
    assert_text(&target, 5, "b1");
    assert_true(column_is_null(&target.columns[0], 6));
    assert_text(&target, 7 + LIMIT_DICTIONARY - 1, "a65535");
    assert_true(column_is_null(&target.columns[0], target.length - 1));
    assert_int_equal(target.columns[0].nulls, 3);
    /* And into a plain one. */
    assert_int_equal(table_append(&target, &b, 1, 1, &error), OK);
    assert_text(&target, target.length - 1, "b1");
    table_clear(&target);
    assert_null(target.columns[0].dictionary);
    table_done(&a);
    table_done(&b);
    table_done(&target);
    schema_unref(schema);
}

static void a_failed_append_leaves_the_table_as_it_was(void **state)
{
    (void)state;
    struct schema *schema = schema_new(0), *other = schema_new(0);
    struct dictionary *few = colours(), *more = colours();
    dictionary_add(more, "mauve", 5);
    schema_add(schema, "n", (struct type){.id = TYPE_INT32}, NULL);
    schema_add(schema, "e", (struct type){.id = TYPE_ENUM, .values = few}, NULL);
    schema_add(other, "n", (struct type){.id = TYPE_INT32}, NULL);
    schema_add(other, "e", (struct type){.id = TYPE_ENUM, .values = more}, NULL);
    struct table table, source;
    struct error error;
    table_init(&table, schema, &error);
    table_init(&source, other, &error);
    table_reserve(&source, 4, &error);
    for (int i = 0; i < 4; i++) {
        column_append_int(&source.columns[0], &other->fields[0].type, i);
        column_append_int(&source.columns[1], &other->fields[1].type, i);
    }
    source.length = 4;
    assert_int_equal(table_append(&table, &source, 0, 3, &error), OK);
    assert_int_equal(table_append(&table, &source, 1, 3, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "mauve"));
    assert_int_equal(table.length, 3);
    assert_int_equal(table.columns[0].length, 3);
    assert_int_equal(table.columns[1].length, 3);
    assert_int_equal(table_append(&table, &source, 0, 1, &error), OK);
    table_done(&table);
    table_done(&source);
    schema_unref(schema);
    schema_unref(other);
    dictionary_unref(few);
    dictionary_unref(more);
}

static void limits_are_errors(void **state)
{
    (void)state;
    struct schema *schema = schema_new(0);
    struct table table;
    struct error error;
    char *name = malloc(LIMIT_NAME + 2);
    memset(name, 'x', LIMIT_NAME + 1);
    name[LIMIT_NAME + 1] = 0;
    assert_int_equal(schema_add(schema, name, (struct type){.id = TYPE_INT32}, &error), CODE_LIMIT);
    assert_int_equal(schema_add(schema, name + 1, (struct type){.id = TYPE_VARCHAR}, &error), OK);
    table_init(&table, schema, &error);
    assert_int_equal(table_reserve(&table, (int64_t)INT32_MAX + 1, &error), CODE_LIMIT);
    char *text = calloc(1, LIMIT_STRING + 1);
    assert_int_equal(column_append_text(&table.columns[0], text, LIMIT_STRING + 1, &error), CODE_LIMIT);
    assert_int_equal(column_append_text(&table.columns[0], text, LIMIT_STRING, &error), OK);
    assert_int_equal(table.columns[0].length, 1);
    free(text);
    free(name);
    table_done(&table);
    assert_null(schema_new(LIMIT_COLUMNS + 1));
    schema_unref(schema);
}

static void types_have_names_that_sql_reads(void **state)
{
    (void)state;
    char text[64];
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "it's", 4);
    dictionary_add(values, "b", 1);
    struct type type = {.id = TYPE_ENUM, .values = values},
                decimal = {.id = TYPE_DECIMAL, .precision = 10, .scale = 2};
    assert_string_equal(type_text(&type, text, sizeof text), "ENUM('it''s', 'b')");
    assert_string_equal(type_text(&type, text, 12), "ENUM('it...");
    assert_string_equal(type_text(&decimal, text, sizeof text), "DECIMAL(10,2)");
    struct type same = type, other = {.id = TYPE_ENUM, .values = colours()};
    assert_true(type_equal(&type, &same));
    assert_false(type_equal(&type, &other));
    dictionary_unref(other.values);
    dictionary_unref(values);
}

static void decimals_become_the_nearest_doubles(void **state)
{
    (void)state;
    struct schema *schema = schema_new(0);
    schema_add(schema, "d", (struct type){.id = TYPE_DECIMAL, .precision = 38, .scale = 2}, NULL);
    struct table table;
    table_init(&table, schema, NULL);
    table_reserve(&table, 2, NULL);
    column_append_wide(&table.columns[0], 5716);
    column_append_wide(&table.columns[0], (__int128)INT64_MAX * 100 + 25);
    assert_true(column_double(&table.columns[0], &schema->fields[0].type, 0) == 57.16);
    assert_true(column_double(&table.columns[0], &schema->fields[0].type, 1) == 9223372036854775807.25);
    table_done(&table);
    schema_unref(schema);
}

static void runs_of_bits_copy_at_every_offset(void **state)
{
    (void)state;
    uint8_t source[64], target[64], expected[64];
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)next_random(&seed);
    for (int64_t at = 0; at < 130; at++) {
        for (int64_t from = 0; from < 130; from += 7) {
            for (int64_t n = 0; n < 150; n += 13) {
                memset(target, 0x55, sizeof target);
                memcpy(expected, target, sizeof target);
                bits_copy(target, at, source, from, n);
                int64_t set = 0;
                for (int64_t i = 0; i < n; i++) {
                    bits_put(expected, at + i, bits_get(source, from + i));
                    set += bits_get(source, from + i);
                }
                for (int64_t i = 0; i < at + n; i++)
                    assert_int_equal(bits_get(target, i), bits_get(expected, i));
                assert_int_equal(bits_count(source, from, n), set);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads_back_what_was_appended),
        cmocka_unit_test(appended_rows_keep_their_values_at_any_offset),
        cmocka_unit_test(buffers_are_aligned_and_kept),
        cmocka_unit_test(dictionary_gives_codes_in_order_of_arrival),
        cmocka_unit_test(dictionary_is_full_at_its_limit),
        cmocka_unit_test(dictionaries_that_meet_are_joined),
        cmocka_unit_test(a_failed_append_leaves_the_table_as_it_was),
        cmocka_unit_test(limits_are_errors),
        cmocka_unit_test(types_have_names_that_sql_reads),
        cmocka_unit_test(decimals_become_the_nearest_doubles),
        cmocka_unit_test(runs_of_bits_copy_at_every_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
