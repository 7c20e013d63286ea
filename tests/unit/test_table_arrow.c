/* Arrow's structs: tables out and back, what other programs hand in (offsets, large text, other units, moved
 * children). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "table/arrow.h"
#include "table/json_rows.h"

static struct schema *every_type(void)
{
    struct schema *schema = schema_new(0);
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "pos", 3);
    dictionary_add(values, "web", 3);
    for (int id = 0; id < TYPE_COUNT; id++) {
        struct type type = {.id = (enum type_id)id};
        char name[16];
        snprintf(name, sizeof name, "c%d", id);
        if (id == TYPE_DECIMAL)
            type.precision = 20, type.scale = 3;
        if (id == TYPE_ENUM)
            type.values = values;
        assert_int_equal(schema_add(schema, name, type, NULL), OK);
    }
    dictionary_unref(values);
    return schema;
}

static void fill(struct table *table, int64_t n, bool nulls)
{
    table_clear(table);
    assert_int_equal(table_reserve(table, n, NULL), OK);
    for (int64_t i = 0; i < n; i++) {
        for (int k = 0; k < table->schema->n; k++) {
            const struct type *type = &table->schema->fields[k].type;
            struct column *column = &table->columns[k];
            if (nulls && (i * 11 + k) % 7 == 0) {
                column_append_null(column, type);
            } else if (type->id == TYPE_BOOLEAN) {
                column_append_boolean(column, i % 3 == 0);
            } else if (type->id == TYPE_FLOAT || type->id == TYPE_DOUBLE) {
                column_append_double(column, type, (double)i / 4);
            } else if (type->id == TYPE_HUGEINT || type->id == TYPE_DECIMAL) {
                column_append_wide(column, (__int128)(i - 5) * 1000000007);
            } else if (type->id == TYPE_VARCHAR) {
                char text[24];
                int size = snprintf(text, sizeof text, "%.*s", (int)(i % 20), "some text of a length");
                assert_int_equal(column_append_text(column, text, (size_t)size, NULL), OK);
            } else {
                column_append_int(column, type, i % 2);
            }
        }
    }
    table->length = n;
}

static char *rows_of(const struct table *table)
{
    struct buffer out;
    buffer_init(&out, 16 << 20);
    buffer_text(&out, "");
    for (int64_t i = 0; i < table->length; i++) {
        json_rows_write(table, i, &out);
        buffer_append(&out, "\n", 1);
    }
    return out.data;
}

static void assert_message(const struct error *error, const char *part)
{
    if (!strstr(error->message, part))
        fail_msg("\"%s\" is not in: %s", part, error->message);
}

static void every_type_goes_out_and_comes_back(void **state)
{
    (void)state;
    struct schema *schema = every_type();
    struct table table, back;
    struct error error;
    static const int64_t lengths[] = {0, 1, 63, 64, 65, 1000};
    int64_t unknown = 0;
    table_init(&table, schema, NULL);
    table_init(&back, schema, NULL);
    for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
        struct ArrowSchema arrow;
        struct ArrowArray array;
        fill(&table, lengths[i / 2], i % 2);
        char *before = rows_of(&table);
        assert_int_equal(arrow_export(&table, &arrow, &array, &error), OK);
        assert_int_equal(table.length, 0);
        assert_int_equal(array.length, lengths[i / 2]);
        table_clear(&back);
        if (arrow_import(&arrow, &array, TIME_UNIT_NONE, &back, &unknown, &error) != OK)
            fail_msg("%s", error.message);
        char *after = rows_of(&back);
        assert_string_equal(after, before);
        free(before);
        free(after);
        array.release(&array);
        arrow.release(&arrow);
        assert_null(array.release);
        assert_null(arrow.release);
    }
    table_done(&table);
    table_done(&back);
    schema_unref(schema);
}

static void the_formats_are_those_of_the_interface(void **state)
{
    (void)state;
    static const char *const formats[] = {"b",      "c", "s", "i",      "l", "C",   "S",    "I",       "L",
                                          "d:38,0", "f", "g", "d:20,3", "u", "tdD", "tsu:", "tsu:UTC", "i"};
    struct schema *schema = every_type(), *back;
    struct table table;
    struct ArrowSchema arrow;
    struct ArrowArray array;
    table_init(&table, schema, NULL);
    fill(&table, 3, false);
    const void *data = table.columns[TYPE_INT64].data;
    assert_int_equal(arrow_export(&table, &arrow, &array, NULL), OK);
    assert_string_equal(arrow.format, "+s");
    assert_int_equal(arrow.n_children, TYPE_COUNT);
    for (int i = 0; i < TYPE_COUNT; i++)
        assert_string_equal(arrow.children[i]->format, formats[i]);
    assert_string_equal(arrow.children[TYPE_ENUM]->dictionary->format, "u");
    assert_int_equal(array.children[TYPE_ENUM]->dictionary->length, 2);
    assert_int_equal(array.children[TYPE_VARCHAR]->n_buffers, 3);
    /* Moved, not copied; no bitmap where nothing is NULL. */
    assert_ptr_equal(array.children[TYPE_INT64]->buffers[1], data);
    assert_null(array.children[TYPE_INT64]->buffers[0]);
    assert_int_equal(arrow_import_schema(&arrow, &back, NULL), OK);
    assert_int_equal(back->n, TYPE_COUNT);
    assert_int_equal(back->fields[TYPE_DECIMAL].type.scale, 3);
    assert_int_equal(back->fields[TYPE_TIMESTAMPTZ].type.id, TYPE_TIMESTAMPTZ);
    assert_int_equal(back->fields[TYPE_ENUM].type.id, TYPE_VARCHAR);
    assert_string_equal(back->fields[3].name, "c3");
    schema_unref(back);
    array.release(&array);
    arrow.release(&arrow);
    table_done(&table);
    schema_unref(schema);
}

static void children_may_be_moved_away(void **state)
{
    (void)state;
    struct schema *schema = every_type();
    struct table table;
    struct ArrowSchema arrow;
    struct ArrowArray array;
    table_init(&table, schema, NULL);
    fill(&table, 10, true);
    assert_int_equal(arrow_export(&table, &arrow, &array, NULL), OK);
    struct ArrowArray child = *array.children[TYPE_VARCHAR];
    array.children[TYPE_VARCHAR]->release = NULL;
    array.release(&array);
    arrow.release(&arrow);
    const int32_t *offsets = child.buffers[1];
    assert_int_equal(offsets[0], 0);
    child.release(&child);
    table_done(&table);
    schema_unref(schema);
}

static void release_nothing_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_nothing_array(struct ArrowArray *array)
{
    array->release = NULL;
}

/* One column under a struct, all on the caller's stack. */
struct foreign {
    struct ArrowSchema schema, child, values;
    struct ArrowArray array, column, dictionary;
    struct ArrowSchema *schemas[1];
    struct ArrowArray *arrays[1];
    const void *no_buffers[1];
};

static void foreign_start(struct foreign *foreign, const char *format, int64_t n, int64_t n_buffers,
                          const void **buffers)
{
    memset(foreign, 0, sizeof *foreign);
    foreign->schemas[0] = &foreign->child;
    foreign->arrays[0] = &foreign->column;
    foreign->child = (struct ArrowSchema){.format = format, .name = "V", .release = release_nothing_schema};
    foreign->column = (struct ArrowArray){.length = n,
                                          .null_count = buffers[0] ? -1 : 0,
                                          .n_buffers = n_buffers,
                                          .buffers = buffers,
                                          .release = release_nothing_array};
    foreign->schema = (struct ArrowSchema){.format = "+s",
                                           .name = "",
                                           .n_children = 1,
                                           .children = foreign->schemas,
                                           .release = release_nothing_schema};
    foreign->array = (struct ArrowArray){.length = n,
                                         .n_buffers = 1,
                                         .buffers = foreign->no_buffers,
                                         .n_children = 1,
                                         .children = foreign->arrays,
                                         .release = release_nothing_array};
}

/* What the column becomes as a type: its rows as JSON lines, or the error's message. */
static const char *imported(struct foreign *foreign, enum type_id id, enum time_unit unit)
{
    static char answer[2048];
    struct schema *schema = schema_new(0);
    struct table table;
    struct error error;
    int64_t unknown = 0;
    assert_int_equal(schema_add(schema, "v", (struct type){.id = id}, NULL), OK);
    table_init(&table, schema, NULL);
    if (arrow_import(&foreign->schema, &foreign->array, unit, &table, &unknown, &error) == OK) {
        char *rows = rows_of(&table);
        snprintf(answer, sizeof answer, "%s", rows);
        free(rows);
    } else {
        assert_int_equal(table.columns[0].length, 0);
        assert_int_equal(table.length, 0);
        snprintf(answer, sizeof answer, "%lld: %s", (long long)error.line, error.message);
    }
    table_done(&table);
    schema_unref(schema);
    return answer;
}

static void slices_are_read_from_their_offset(void **state)
{
    (void)state;
    struct foreign foreign;
    static const uint8_t valid[] = {0xb6, 0x01}, bits[] = {0x99, 0x01}; /* of nine values */
    static const int32_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    const void *buffers[] = {valid, numbers};
    foreign_start(&foreign, "i", 9, 2, buffers);
    assert_string_equal(
        imported(&foreign, TYPE_INT32, 0),
        "{\"v\":null}\n{\"v\":1}\n{\"v\":2}\n{\"v\":null}\n{\"v\":4}\n{\"v\":5}\n{\"v\":null}\n"
        "{\"v\":7}\n{\"v\":8}\n");
    /* The struct starts at its row 2, the column at its value 3: value 5 first. */
    foreign.array.offset = 2;
    foreign.array.length = 3;
    foreign.column.offset = 3;
    foreign.column.length = 6;
    assert_string_equal(imported(&foreign, TYPE_INT32, 0), "{\"v\":5}\n{\"v\":null}\n{\"v\":7}\n");
    foreign.child.format = "b";
    buffers[1] = bits;
    assert_string_equal(imported(&foreign, TYPE_BOOLEAN, 0), "{\"v\":false}\n{\"v\":null}\n{\"v\":true}\n");
    foreign.column.length = 4;
    assert_non_null(strstr(imported(&foreign, TYPE_BOOLEAN, 0), "fewer than the struct"));
}

static void foreign_types_become_ours(void **state)
{
    (void)state;
    struct foreign foreign;
    static const int64_t offsets[] = {0, 3, 3, 8}, times[] = {1532513472, -1, 0};
    const void *buffers[] = {NULL, offsets,
                             "one"
                             "three"};
    foreign_start(&foreign, "U", 3, 3, buffers);
    assert_string_equal(imported(&foreign, TYPE_VARCHAR, 0),
                        "{\"v\":\"one\"}\n{\"v\":\"\"}\n{\"v\":\"three\"}\n");
    buffers[1] = times;
    foreign_start(&foreign, "tss:", 3, 2, buffers);
    assert_string_equal(imported(&foreign, TYPE_TIMESTAMP, 0),
                        "{\"v\":\"2018-07-25T10:11:12\"}\n{\"v\":\"1969-12-31T23:59:59\"}\n{\"v\":\"1970-01-"
                        "01T00:00:00\"}\n");
    foreign_start(&foreign, "tsn:Europe/Berlin", 2, 2, buffers);
    assert_string_equal(imported(&foreign, TYPE_TIMESTAMPTZ, 0),
                        "{\"v\":\"1970-01-01T00:00:01.532513Z\"}\n{\"v\":\"1969-12-31T23:59:59.999999Z\"}\n");
    foreign_start(&foreign, "l", 1, 2, buffers);
    assert_string_equal(imported(&foreign, TYPE_TIMESTAMP, TIME_UNIT_S), "{\"v\":\"2018-07-25T10:11:12\"}\n");
    assert_string_equal(imported(&foreign, TYPE_INT32, 0), "{\"v\":1532513472}\n");
    assert_non_null(strstr(imported(&foreign, TYPE_TIMESTAMP, 0), "--time-unit"));
    assert_non_null(
        strstr(imported(&foreign, TYPE_INT8, 0), "1: column \"v\": the value \"1532513472\" is out of"));
    buffers[0] = buffers[1] = NULL;
    foreign_start(&foreign, "n", 2, 0, buffers);
    assert_string_equal(imported(&foreign, TYPE_DOUBLE, 0), "{\"v\":null}\n{\"v\":null}\n");
}

static void foreign_dictionaries_are_looked_up(void **state)
{
    (void)state;
    struct foreign foreign;
    static const uint8_t indices[] = {1, 0, 1, 2};
    static const int32_t offsets[] = {0, 1, 3};
    const void *buffers[] = {NULL, indices}, *texts[] = {NULL, offsets, "abb"};
    foreign_start(&foreign, "C", 3, 2, buffers);
    foreign.values = (struct ArrowSchema){.format = "u", .release = release_nothing_schema};
    foreign.dictionary =
        (struct ArrowArray){.length = 2, .n_buffers = 3, .buffers = texts, .release = release_nothing_array};
    foreign.child.dictionary = &foreign.values;
    foreign.column.dictionary = &foreign.dictionary;
    assert_string_equal(imported(&foreign, TYPE_VARCHAR, 0),
                        "{\"v\":\"bb\"}\n{\"v\":\"a\"}\n{\"v\":\"bb\"}\n");
    foreign.array.length = foreign.column.length = 4;
    assert_non_null(strstr(imported(&foreign, TYPE_VARCHAR, 0), "outside a dictionary"));
}

static void what_has_no_place_is_refused(void **state)
{
    (void)state;
    struct foreign foreign;
    const void *buffers[] = {NULL, NULL};
    struct schema *schema;
    struct error error;
    static const char *const formats[] = {"+l", "z", "ttu", "d:10,2,256", "d:39,0", "vu", "tsx:", ""};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        foreign_start(&foreign, formats[i], 0, 2, buffers);
        assert_int_equal(arrow_import_schema(&foreign.schema, &schema, &error), CODE_UNSUPPORTED);
        assert_message(&error, "column \"V\"");
    }
    foreign_start(&foreign, "i", 0, 2, buffers);
    foreign.child.name = "other";
    assert_non_null(strstr(imported(&foreign, TYPE_INT32, 0), "not among the Arrow columns"));
    foreign.schema.format = "i";
    assert_int_equal(arrow_import_schema(&foreign.schema, &schema, &error), CODE_INVALID);
    struct table table;
    struct ArrowSchema arrow;
    struct ArrowArray array;
    schema = schema_new(0);
    schema_add(schema, "h", (struct type){.id = TYPE_HUGEINT}, NULL);
    table_init(&table, schema, NULL);
    table_reserve(&table, 1, NULL);
    column_append_wide(&table.columns[0], (((__int128)1 << 126) - 1) * 2 + 1);
    table.length = 1;
    assert_int_equal(arrow_export(&table, &arrow, &array, &error), CODE_INVALID);
    assert_int_equal(table.length, 1);
    table_done(&table);
    schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_goes_out_and_comes_back),
        cmocka_unit_test(the_formats_are_those_of_the_interface),
        cmocka_unit_test(children_may_be_moved_away),
        cmocka_unit_test(slices_are_read_from_their_offset),
        cmocka_unit_test(foreign_types_become_ours),
        cmocka_unit_test(foreign_dictionaries_are_looked_up),
        cmocka_unit_test(what_has_no_place_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
