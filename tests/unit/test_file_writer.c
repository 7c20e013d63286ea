/* Files out: every type through every format and back, and what is left of a file that was not finished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "files.h"

#include <sys/stat.h>
#include <sys/wait.h>

/* A column of each type. */
static struct schema *every_type(void)
{
    struct schema *schema = schema_new(0);
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "pos", 3);
    dictionary_add(values, "web, or \"phone\"", 15);
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

enum { EVERY_ROWS = 20000 };

static void fill_every_type(struct table *table, int64_t from, int64_t n)
{
    static const char *const texts[] = {"",           "plain",   "with, comma", "with \"quotes\"",
                                        "two\nlines", " spaces "};
    table_clear(table);
    assert_int_equal(table_reserve(table, n, NULL), OK);
    for (int64_t i = from; i < from + n; i++) {
        for (int k = 0; k < table->schema->n; k++) {
            const struct type *type = &table->schema->fields[k].type;
            struct column *column = &table->columns[k];
            const char *text = texts[i % 6];
            if ((i * 11 + k) % 7 == 0) {
                column_append_null(column, type);
                continue;
            }
            switch (type->id) {
            case TYPE_BOOLEAN:
                column_append_boolean(column, (i + k) % 3 == 0);
                break;
            case TYPE_FLOAT:
            case TYPE_DOUBLE:
                column_append_double(column, type, (double)(i - 100) / 7);
                break;
            case TYPE_HUGEINT:
            case TYPE_DECIMAL:
                column_append_wide(column, (__int128)(i - 50) * 1000000007);
                break;
            case TYPE_VARCHAR:
                assert_int_equal(column_append_text(column, text, strlen(text), NULL), OK);
                break;
            case TYPE_ENUM:
                column_append_int(column, type, i % 2);
                break;
            case TYPE_TIMESTAMP:
            case TYPE_TIMESTAMPTZ:
                column_append_int(column, type, (i - 500) * 1234567891);
                break;
            default:
                column_append_int(column, type, i % 100);
            }
        }
    }
    table->length = n;
}

/* Written in pieces of `piece` rows. */
static void write_every_type(const char *path, struct schema *schema, int64_t piece)
{
    struct writer *writer;
    struct table table;
    struct error error;
    assert_int_equal(table_init(&table, schema, NULL), OK);
    if (writer_open(&(struct writer_options){.path = path, .schema = schema}, &writer, &error) != OK)
        fail_msg("%s", error.message);
    for (int64_t from = 0; from < EVERY_ROWS; from += piece) {
        int64_t n = EVERY_ROWS - from < piece ? EVERY_ROWS - from : piece;
        fill_every_type(&table, from, n);
        assert_int_equal(writer_append(writer, &table, &error), OK);
    }
    assert_int_equal(access(path, F_OK), -1);
    if (writer_finish(writer, &error) != OK)
        fail_msg("%s", error.message);
    table_done(&table);
}

static void every_type_survives_every_format(void **state)
{
    (void)state;
    static const char *const names[] = {"e.parquet", "e.csv", "e.csv.gz", "e.tsv", "e.jsonl"};
    struct schema *schema = every_type();
    struct table table;
    struct buffer expected;
    buffer_init(&expected, 64 << 20);
    table_init(&table, schema, NULL);
    fill_every_type(&table, 0, EVERY_ROWS);
    for (int64_t i = 0; i < EVERY_ROWS; i++) {
        json_rows_write(&table, i, &expected);
        buffer_append(&expected, "\n", 1);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = in(names[i]);
        write_every_type(path, schema, i % 2 ? 777 : 30000);
        for (int threads = 1; threads <= 2; threads++) {
            char *rows =
                read_all((struct reader_options){.paths = &path, .n_paths = 1, .threads = threads}, schema);
            if (strcmp(rows, expected.data) != 0) {
                size_t at = 0;
                while (rows[at] == expected.data[at])
                    at++;
                size_t back = at < 300 ? at : 300;
                fail_msg("%s, from byte %zu: %.600s\nexpected: %.600s", names[i], at, rows + at - back,
                         expected.data + at - back);
            }
        }
    }
    buffer_done(&expected);
    table_done(&table);
    schema_unref(schema);
}

static void files_without_rows_are_files(void **state)
{
    (void)state;
    static const char *const names[] = {"none.parquet", "none.csv", "none.csv.gz"};
    struct schema *schema = every_type();
    struct writer *writer;
    for (int i = 0; i < 3; i++) {
        const char *path = in(names[i]);
        assert_int_equal(writer_open(&(struct writer_options){.path = path, .schema = schema}, &writer, NULL),
                         OK);
        assert_int_equal(writer_finish(writer, NULL), OK);
        assert_string_equal(read_one(path, schema), "");
    }
    schema_unref(schema);
}

static int files_in(const char *name)
{
    char command[200];
    snprintf(command, sizeof command, "exit $(ls -A '%s' | wc -l)", in(name));
    return WEXITSTATUS(system(command));
}

static void what_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct schema *schema = every_type();
    struct table table;
    struct writer *writer;
    struct error error;
    static const char *const names[] = {"out/x.parquet", "out/x.csv", "out/x.jsonl"};
    assert_int_equal(mkdir(in("out"), 0777), 0);
    table_init(&table, schema, NULL);
    fill_every_type(&table, 0, 10000);
    /* Of Parquet with several threads while a row group is on its way. */
    for (int i = 0; i < 6; i++) {
        struct writer_options options = {
            .path = in(names[i % 3]), .schema = schema, .threads = i < 3 ? 1 : 3};
        assert_int_equal(writer_open(&options, &writer, &error), OK);
        for (int k = 0; k < 20; k++)
            assert_int_equal(writer_append(writer, &table, &error), OK);
        assert_int_equal(files_in("out"), 1);
        writer_abandon(writer);
        assert_int_equal(files_in("out"), 0);
    }
    writer_abandon(NULL);
    assert_int_equal(
        writer_open(&(struct writer_options){.path = in("no/x.parquet"), .schema = schema}, &writer, &error),
        CODE_NOT_FOUND);
    assert_contains(error.message, "No such file");
    assert_int_equal(
        writer_open(&(struct writer_options){.path = in("x.txt"), .schema = schema}, &writer, &error),
        CODE_USAGE);
    table_done(&table);
    schema_unref(schema);
}

static void integers_of_38_digits_are_kept_and_of_39_refused(void **state)
{
    (void)state;
    const char *name = "h", *path = in("h.parquet");
    struct type type = TYPE(HUGEINT);
    struct schema *schema = schema_of(1, &name, &type);
    struct table table;
    struct writer *writer;
    struct error error;
    table_init(&table, schema, NULL);
    for (int digits = 38; digits <= 39; digits++) {
        __int128 value = 0;
        for (int i = 0; i < 38; i++)
            value = value * 10 + 9;
        table_clear(&table);
        table_reserve(&table, 1, NULL);
        column_append_wide(&table.columns[0], digits == 38 ? -value : value + 1);
        table.length = 1;
        assert_int_equal(
            writer_open(&(struct writer_options){.path = path, .schema = schema}, &writer, &error), OK);
        int code = writer_append(writer, &table, &error);
        assert_int_equal(writer_finish(writer, &error), code);
        assert_int_equal(code, digits == 38 ? OK : CODE_INVALID);
    }
    assert_contains(error.message, "\"h\"");
    struct reader *reader;
    assert_int_equal(reader_open(&(struct reader_options){.paths = &path, .n_paths = 1}, &reader, &error),
                     OK);
    assert_int_equal(reader_schema(reader)->fields[0].type.precision, 38);
    reader_close(reader);
    /* The refused file did not touch the one before it. */
    assert_string_equal(read_one(path, schema), "{\"h\":-99999999999999999999999999999999999999}\n");
    table_done(&table);
    schema_unref(schema);
}

static void a_full_device_is_no_space(void **state)
{
    (void)state;
    const char *name = "n";
    struct type type = TYPE(INT32);
    struct schema *schema = schema_of(1, &name, &type);
    struct table table;
    static const char *const names[] = {"full.jsonl", "full.csv", "full.parquet"};
    if (access("/dev/full", W_OK) != 0)
        skip();
    table_init(&table, schema, NULL);
    table_reserve(&table, 100000, NULL);
    for (int i = 0; i < 100000; i++)
        column_append_int(&table.columns[0], &type, i * 7919);
    table.length = 100000;
    for (int i = 0; i < 3; i++)
        assert_int_equal(symlink("/dev/full", in(names[i])), 0);
    for (int k = 0; k < 6; k++) {
        int i = k % 3;
        struct writer_options options = {.path = in(names[i]), .schema = schema, .threads = k < 3 ? 1 : 3};
        struct writer *writer;
        struct error error = {0};
        assert_int_equal(writer_open(&options, &writer, &error), OK);
        int code = OK;
        for (int n = 0; code == OK && n < 30; n++)
            code = writer_append(writer, &table, &error);
        int last = writer_finish(writer, &error);
        if (last != CODE_NO_SPACE || (code != OK && code != CODE_NO_SPACE))
            fail_msg("%s: %d, %d %s", names[i], code, last, error.message);
        assert_string_equal(error.place, in(names[i]));
    }
    table_done(&table);
    schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_survives_every_format),
        cmocka_unit_test(files_without_rows_are_files),
        cmocka_unit_test(what_is_given_up_leaves_nothing),
        cmocka_unit_test(integers_of_38_digits_are_kept_and_of_39_refused),
        cmocka_unit_test(a_full_device_is_no_space),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
