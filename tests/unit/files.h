/*
 * What the tests of files share: a directory of their own, files of text or from SQL, rows read as JSON
 * lines. Each test program includes it once.
 */
#ifndef SHRIKE_TESTS_UNIT_FILES_H
#define SHRIKE_TESTS_UNIT_FILES_H

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "table/duck.h"
#include "table/file_io.h"
#include "table/json_rows.h"

#define TYPE(name) ((struct type){.id = TYPE_##name})

static char directory[64];

static inline int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/shrike-file-io-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static inline int remove_directory(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

/* A path in the test's directory; the last eight stay valid. */
static inline const char *in(const char *name)
{
    static char paths[8][128];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static inline const char *text_file(const char *name, const char *text)
{
    const char *path = in(name);
    assert_int_equal(file_write(path, text, strlen(text), NULL), OK);
    return path;
}

static inline void run_sql(const char *format, const char *path)
{
    struct duck duck;
    struct error error;
    char sql[2048];
    snprintf(sql, sizeof sql, format, path);
    assert_int_equal(duck_open(&duck, NULL, &error), OK);
    if (duck_run(&duck, sql, &error) != OK)
        fail_msg("%s: %s", sql, error.message);
    duck_close(&duck);
}

static inline struct schema *schema_of(int n, const char *const *names, const struct type *types)
{
    struct schema *schema = schema_new(0);
    for (int i = 0; i < n; i++)
        assert_int_equal(schema_add(schema, names[i], types[i], NULL), OK);
    return schema;
}

/* All rows as JSON lines, or the error as "code place:line: message". */
static inline char *read_all(struct reader_options options, struct schema *schema)
{
    static struct buffer out;
    struct reader *reader;
    struct table table;
    struct error error = {0};
    char text[2048];
    if (!out.maximum)
        buffer_init(&out, 64 << 20);
    buffer_clear(&out);
    options.columns = schema;
    int code = reader_open(&options, &reader, &error);
    if (code == OK) {
        assert_int_equal(table_init(&table, reader_schema(reader), NULL), OK);
        int64_t most = options.batch_rows ? options.batch_rows : 16384;
        do {
            code = reader_next(reader, &table, &error);
            assert_true(table.length <= most);
            for (int64_t i = 0; i < table.length; i++) {
                json_rows_write(&table, i, &out);
                buffer_append(&out, "\n", 1);
            }
        } while (code == OK && table.length);
        if (code == OK) {
            /* The end stays the end. */
            assert_int_equal(reader_next(reader, &table, &error), OK);
            assert_int_equal(table.length, 0);
        }
        table_done(&table);
        reader_close(reader);
    }
    if (code != OK)
        buffer_format(&out, "%s %s", code_info((enum code)code)->name,
                      error_format(&error, text, sizeof text));
    if (!out.data)
        buffer_text(&out, "");
    return out.data;
}

static inline char *read_one(const char *path, struct schema *schema)
{
    return read_all((struct reader_options){.paths = &path, .n_paths = 1}, schema);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

#endif
