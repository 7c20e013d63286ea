/*
 * Files in and out: every type through every format, batches cut anywhere, several files in order,
 * conversions, and each kind of bad input with its message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>

static void batches_may_be_cut_anywhere(void **state)
{
    (void)state;
    const char *path = in("cut.parquet");
    static const int64_t sizes[] = {1, 3, 100, 2047, 2048, 2049, 5000, 100000};
    run_sql("COPY (SELECT i::INTEGER AS n, 'k' || (i %% 9) AS t FROM range(10000) r(i)) TO '%s' "
            "(ROW_GROUP_SIZE 3000)",
            path);
    char *first = strdup(read_one(path, NULL));
    assert_contains(first, "{\"n\":9999,\"t\":\"k0\"}\n");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int threads = 1; threads <= 2; threads++) {
            struct reader_options options = {
                .paths = &path, .n_paths = 1, .batch_rows = sizes[i], .threads = threads};
            assert_string_equal(read_all(options, NULL), first);
        }
    }
    free(first);
}

static void rows_know_their_number_and_file(void **state)
{
    (void)state;
    const char *paths[] = {in("n1.parquet"), in("n2.parquet")};
    run_sql("COPY (SELECT i AS n FROM range(5000) r(i)) TO '%s'", paths[0]);
    run_sql("COPY (SELECT i AS n FROM range(10) r(i)) TO '%s'", paths[1]);
    struct reader *reader;
    struct table table;
    struct reader_options options = {.paths = paths, .n_paths = 2, .batch_rows = 3000};
    assert_int_equal(reader_open(&options, &reader, NULL), OK);
    assert_int_equal(reader_rows(reader), 5010);
    table_init(&table, reader_schema(reader), NULL);
    int64_t rows = 0;
    while (reader_next(reader, &table, NULL) == OK && table.length) {
        bool second = rows >= 5000;
        assert_string_equal(reader_path(reader), paths[second]);
        assert_int_equal(table.first_row, rows - (second ? 5000 : 0) + 1);
        assert_int_equal(((int64_t *)table.columns[0].data)[0], table.first_row - 1);
        rows += table.length;
    }
    assert_int_equal(rows, 5010);
    table_done(&table);
    reader_close(reader);
}

static void globs_are_read_in_order_of_names(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in("g"), 0777), 0);
    text_file("g/b.csv", "n\n3\n");
    text_file("g/a.csv", "n\n1\n2\n");
    text_file("g/c.csv", "n\n");
    text_file("g/d.csv", "n\n4\n");
    text_file("g/[x].csv", "n\n9\n");
    assert_string_equal(read_one(in("g/?.csv"), NULL), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n");
    assert_string_equal(read_one(in("g/[x].csv"), NULL), "{\"n\":9}\n");
    const char *paths[] = {in("g/d.csv"), in("g/[ab].csv")};
    assert_string_equal(read_all((struct reader_options){.paths = paths, .n_paths = 2}, NULL),
                        "{\"n\":4}\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    assert_contains(read_one(in("g/x*.csv"), NULL), "not_found");
}

static void only_wanted_columns_are_read(void **state)
{
    (void)state;
    const char *path = in("nested.parquet");
    run_sql("COPY (SELECT i::INTEGER AS n, [i, i] AS list, {'a': i} AS pair, 'x'::BLOB AS bytes, "
            "uuid_v5 AS id, TIME '10:00:00' AS t FROM range(2) r(i), "
            "(SELECT '00000000-0000-0000-0000-000000000001'::UUID AS uuid_v5)) TO '%s'",
            path);
    const char *names[] = {"ID", "n", "none"};
    struct type types[] = {TYPE(VARCHAR), TYPE(INT64), TYPE(DOUBLE)};
    struct schema *schema = schema_of(3, names, types);
    schema->fields[2].optional = true;
    assert_string_equal(read_one(path, schema),
                        "{\"ID\":\"00000000-0000-0000-0000-000000000001\",\"n\":0,\"none\":null}\n"
                        "{\"ID\":\"00000000-0000-0000-0000-000000000001\",\"n\":1,\"none\":null}\n");
    schema_unref(schema);
    assert_contains(read_one(path, NULL), "unsupported");
    assert_contains(read_one(path, NULL), "\"list\"");
}

/* One Parquet column of an SQL expression, read as a type; the only row's value, or the error. */
static const char *converted(const char *expression, struct type type, enum time_unit unit)
{
    static char answer[2048];
    char sql[512];
    const char *path = in("convert.parquet"), *name = "v";
    snprintf(sql, sizeof sql, "COPY (SELECT %s AS v) TO '%%s'", expression);
    run_sql(sql, path);
    struct schema *schema = schema_of(1, &name, &type);
    char *rows = read_all((struct reader_options){.paths = &path, .n_paths = 1, .time_unit = unit}, schema);
    rows[strcspn(rows, "\n")] = 0;
    snprintf(answer, sizeof answer, "%s", rows);
    schema_unref(schema);
    return answer;
}

static void values_convert_where_nothing_is_lost(void **state)
{
    (void)state;
    struct type decimal = {.id = TYPE_DECIMAL, .precision = 6, .scale = 2};
    assert_string_equal(converted("7::TINYINT", TYPE(INT64), 0), "{\"v\":7}");
    assert_string_equal(converted("-7::SMALLINT", TYPE(INT32), 0), "{\"v\":-7}");
    assert_string_equal(converted("7::BIGINT", TYPE(INT8), 0), "{\"v\":7}");
    assert_string_equal(converted("18446744073709551615::UBIGINT", TYPE(HUGEINT), 0),
                        "{\"v\":18446744073709551615}");
    assert_string_equal(converted("3::DOUBLE", TYPE(INT32), 0), "{\"v\":3}");
    assert_string_equal(converted("3::INTEGER", TYPE(DOUBLE), 0), "{\"v\":3.0}");
    assert_string_equal(converted("0.5::DOUBLE", TYPE(FLOAT), 0), "{\"v\":0.5}");
    assert_string_equal(converted("0.1::DOUBLE", decimal, 0), "{\"v\":0.10}");
    assert_string_equal(converted("0.1::FLOAT", decimal, 0), "{\"v\":0.10}");
    assert_string_equal(converted("57.16::DECIMAL(10,2)", TYPE(DOUBLE), 0), "{\"v\":57.16}");
    assert_string_equal(converted("5.100::DECIMAL(10,3)", decimal, 0), "{\"v\":5.10}");
    assert_string_equal(converted("12::DECIMAL(30,0)", TYPE(INT16), 0), "{\"v\":12}");
    assert_string_equal(converted("true", TYPE(INT8), 0), "{\"v\":1}");
    assert_string_equal(converted("0", TYPE(BOOLEAN), 0), "{\"v\":false}");
    assert_string_equal(converted("DATE '2018-07-25'", TYPE(TIMESTAMP), 0),
                        "{\"v\":\"2018-07-25T00:00:00\"}");
    assert_string_equal(converted("TIMESTAMP '2018-07-25'", TYPE(DATE), 0), "{\"v\":\"2018-07-25\"}");
    assert_string_equal(converted("TIMESTAMP_NS '2018-07-25 00:00:00.000001999'", TYPE(TIMESTAMP), 0),
                        "{\"v\":\"2018-07-25T00:00:00.000001\"}");
    assert_string_equal(converted("TIMESTAMP_MS '2018-07-25 01:02:03.004'", TYPE(TIMESTAMP), 0),
                        "{\"v\":\"2018-07-25T01:02:03.004\"}");
    assert_string_equal(converted("TIMESTAMPTZ '2018-07-25 01:02:03+02'", TYPE(TIMESTAMP), 0),
                        "{\"v\":\"2018-07-24T23:02:03\"}");
    assert_string_equal(converted("1532513472::BIGINT", TYPE(TIMESTAMP), TIME_UNIT_S),
                        "{\"v\":\"2018-07-25T10:11:12\"}");
    assert_string_equal(converted("42::BIGINT", TYPE(VARCHAR), 0), "{\"v\":\"42\"}");
    assert_string_equal(converted("NULL::BIGINT", TYPE(INT8), 0), "{\"v\":null}");
    assert_string_equal(converted("NULL::DOUBLE", TYPE(INT8), 0), "{\"v\":null}");
}

static void values_that_do_not_fit_are_refused_with_their_row(void **state)
{
    (void)state;
    struct type decimal = {.id = TYPE_DECIMAL, .precision = 6, .scale = 2};
    assert_contains(converted("128", TYPE(INT8), 0),
                    "convert.parquet:1: row 1, column \"v\": the value \"128\"");
    assert_contains(converted("-1", TYPE(UINT64), 0), "range");
    assert_contains(converted("1.5::DOUBLE", TYPE(INT32), 0), "whole");
    assert_contains(converted("'nan'::DOUBLE", TYPE(INT32), 0), "whole");
    assert_contains(converted("9007199254740993", TYPE(DOUBLE), 0), "more digits");
    assert_contains(converted("0.1::DOUBLE", TYPE(FLOAT), 0), "more digits");
    assert_contains(converted("0.123::DOUBLE", decimal, 0), "more decimals");
    assert_contains(converted("10000::DOUBLE", decimal, 0), "range");
    assert_contains(converted("'inf'::DOUBLE", decimal, 0), "finite");
    assert_contains(converted("5.123::DECIMAL(10,3)", decimal, 0), "more decimals");
    assert_contains(converted("2", TYPE(BOOLEAN), 0), "0 or 1");
    assert_contains(converted("TIMESTAMP '2018-07-25 01:00:00'", TYPE(DATE), 0), "date");
    assert_contains(converted("'infinity'::TIMESTAMP", TYPE(TIMESTAMP), 0), "infinite");
    assert_contains(converted("1532513472", TYPE(TIMESTAMP), 0), "--time-unit");
    assert_contains(converted("TIMESTAMP '2018-07-25'", TYPE(DOUBLE), 0),
                    "TIMESTAMP, where DOUBLE is expected");
    assert_contains(converted("'5'", TYPE(INT32), 0), "VARCHAR, where INTEGER is expected");
    assert_contains(converted("[5]", TYPE(INT32), 0), "LIST");
    const char *path = in("row.parquet"), *name = "n";
    struct type type = TYPE(INT16);
    run_sql("COPY (SELECT CASE i WHEN 70001 THEN 40000 ELSE 1 END AS n FROM range(90000) r(i)) TO '%s'",
            path);
    struct schema *schema = schema_of(1, &name, &type);
    for (int threads = 1; threads <= 2; threads++)
        assert_contains(
            read_all((struct reader_options){.paths = &path, .n_paths = 1, .threads = threads}, schema),
            "row.parquet:70002: row 70002, column \"n\"");
    schema_unref(schema);
}

static void text_of_csv_is_parsed(void **state)
{
    (void)state;
    const char *names[] = {"id", "ts", "amount", "ok"};
    struct type types[] = {
        TYPE(INT32), TYPE(TIMESTAMP), {.id = TYPE_DECIMAL, .precision = 8, .scale = 2}, TYPE(BOOLEAN)};
    struct schema *schema = schema_of(4, names, types);
    assert_string_equal(
        read_one(text_file("t.csv", "OK,amount,ts,other,id\r\nt, 1.5,2018-07-25,x,7\r\n,,,,\r\n"), schema),
        "{\"id\":7,\"ts\":\"2018-07-25T00:00:00\",\"amount\":1.50,\"ok\":true}\n"
        "{\"id\":null,\"ts\":null,\"amount\":null,\"ok\":null}\n");
    assert_string_equal(read_one(text_file("s.csv", "id;ts;amount;ok\n1;2018-07-25 10:00:00;2;0\n"), schema),
                        "{\"id\":1,\"ts\":\"2018-07-25T10:00:00\",\"amount\":2.00,\"ok\":false}\n");
    assert_contains(
        read_one(text_file("w.csv", "id,ts,amount,ok\n1,,,\n1.5,,,\n"), schema),
        "w.csv:3: row 2, column \"id\": the value \"1.5\" is not a whole number (INTEGER expected)");
    assert_contains(read_one(text_file("u.csv", "id,ts,amount,ok\n1,1532513472,,\n"), schema), "--time-unit");
    schema_unref(schema);
    /* Without a schema the first rows say the types. */
    assert_string_equal(
        read_one(text_file("g.csv", "a,b,c,d,e,f\n1,1.5,2018-07-25,2018-07-25 10:00:00,true,x\n2,,,,,\n"),
                 NULL),
        "{\"a\":1,\"b\":1.5,\"c\":\"2018-07-25\",\"d\":\"2018-07-25T10:00:00\",\"e\":true,\"f\":\"x\"}\n"
        "{\"a\":2,\"b\":null,\"c\":null,\"d\":null,\"e\":null,\"f\":null}\n");
    assert_string_equal(read_one(text_file("h.csv", "a,b\n"), NULL), "");
}

static void bad_files_are_told_apart(void **state)
{
    (void)state;
    const char *name = "n";
    struct type type = TYPE(INT32);
    struct schema *schema = schema_of(1, &name, &type);
    char *bytes;
    size_t size;
    assert_contains(read_one(in("absent.parquet"), schema), "not_found");
    assert_contains(read_one(in("absent.parquet"), schema),
                    "absent.parquet: cannot read the file: No such file");
    assert_contains(read_one(in("x.xlsx"), schema), "usage");
    assert_contains(read_one(in("x.xlsx"), schema), ".parquet, .csv");
    assert_contains(read_one(text_file("zero.parquet", ""), schema), "0 bytes");
    assert_contains(read_one(text_file("zero.csv", ""), schema), "0 bytes");
    assert_contains(read_one(text_file("zero.jsonl", ""), schema), "0 bytes");
    assert_int_equal(mkdir(in("d.csv"), 0777), 0);
    assert_contains(read_one(in("d.csv"), schema), "is a directory");
    assert_contains(read_one(text_file("text.parquet", "this is no parquet file at all"), schema), "corrupt");
    run_sql("COPY (SELECT i::INTEGER AS n FROM range(100000) r(i)) TO '%s'", in("whole.parquet"));
    assert_int_equal(file_read(in("whole.parquet"), 64 << 20, &bytes, &size, NULL), OK);
    assert_int_equal(file_write(in("half.parquet"), bytes, size / 2, NULL), OK);
    assert_contains(read_one(in("half.parquet"), schema), "corrupt");
    assert_contains(read_one(in("half.parquet"), schema),
                    "half.parquet: the Parquet file is damaged or incomplete");
    memset(bytes + size / 4, 0xff, size / 4);
    assert_int_equal(file_write(in("damaged.parquet"), bytes, size, NULL), OK);
    assert_contains(read_one(in("damaged.parquet"), schema), "corrupt");
    free(bytes);
    assert_contains(read_one(text_file("b.csv", "n,m\n1,2\n3\n4,5\n"), schema), "invalid");
    assert_contains(read_one(text_file("b.csv", "n,m\n1,2\n3\n4,5\n"), schema),
                    "b.csv:3: the row has 1 fields, where the header has 2");
    assert_contains(read_one(text_file("b.csv", "n,m\n1,2\n1,\"2\n4111\n"), schema), "b.csv:3: a quote");
    assert_null(strstr(read_one(in("b.csv"), schema), "4111"));
    assert_contains(read_one(text_file("b.csv", "n,m\n1,2\n1,\"2\"x\n"), schema), "b.csv:3: a quote");
    assert_contains(read_one(text_file("b.csv", "n,m\n1,\xff\n"), schema), "b.csv:2: the row is not UTF-8");
    assert_contains(read_one(text_file("b.csv", "n,m\n1,2\n3,4,5\n"), schema), "b.csv:3: ");
    assert_contains(read_one(text_file("b.csv", "n,\"m\n1,2\n"), schema), "b.csv:1: ");
    text_file("b.jsonl", "{\"n\":1}\n\n{\"n\":2}\r\n{\"n\":3");
    assert_contains(read_one(in("b.jsonl"), schema), "{\"n\":1}\n{\"n\":2}\ninvalid ");
    assert_contains(read_one(in("b.jsonl"), schema), "b.jsonl:4:7: broken JSON");
    schema_unref(schema);
}

static void missing_columns_list_what_there_is(void **state)
{
    (void)state;
    const char *name = "amout", *far = "merchant";
    struct type type = TYPE(DOUBLE);
    struct schema *schema = schema_of(1, &name, &type), *other = schema_of(1, &far, &type);
    const char *csv = text_file("m.csv", "tx_id,ts,amount\n1,2,3\n");
    assert_contains(read_one(csv, schema),
                    "no column \"amout\" (is \"amount\" meant?); there are: tx_id, ts, amount");
    assert_contains(read_one(csv, other), "no column \"merchant\"; there are: tx_id, ts, amount");
    run_sql("COPY (SELECT 1 AS tx_id, 2.0 AS amount) TO '%s'", in("m.parquet"));
    assert_contains(read_one(in("m.parquet"), schema), "(is \"amount\" meant?)");
    /* Every file is looked at before the first row is given. */
    run_sql("COPY (SELECT 1.0::DOUBLE AS amout) TO '%s'", in("good.parquet"));
    const char *paths[] = {in("good.parquet"), in("m.parquet")};
    struct reader *reader;
    struct reader_options options = {.paths = paths, .n_paths = 2, .columns = schema};
    struct error error;
    assert_int_equal(reader_open(&options, &reader, &error), CODE_INVALID);
    assert_string_equal(error.place, paths[1]);
    schema_unref(schema);
    schema_unref(other);
}

static void repeated_text_is_coded_and_unknown_enums_are_counted(void **state)
{
    (void)state;
    const char *path = in("dict.parquet"), *names[] = {"few", "many", "few"};
    run_sql("COPY (SELECT CASE WHEN i %% 5 = 4 THEN NULL ELSE 'k' || (i %% 5) END AS few, 'm' || i AS many "
            "FROM range(50000) r(i)) TO '%s'",
            path);
    struct dictionary *values = dictionary_new();
    dictionary_add(values, "k2", 2);
    struct type types[] = {TYPE(VARCHAR), TYPE(VARCHAR), {.id = TYPE_ENUM, .values = values}};
    struct schema *schema = schema_of(3, names, types);
    for (int threads = 1; threads <= 2; threads++) {
        struct reader_options options = {.paths = &path, .n_paths = 1, .columns = schema, .threads = threads};
        struct reader *reader;
        struct table table;
        int64_t row = 0;
        assert_int_equal(reader_open(&options, &reader, NULL), OK);
        table_init(&table, schema, NULL);
        while (reader_next(reader, &table, NULL) == OK && table.length) {
            assert_non_null(table.columns[0].dictionary);
            assert_int_equal(dictionary_size(table.columns[0].dictionary), 4);
            assert_true(row == 0 || !table.columns[1].dictionary);
            for (int64_t i = 0; i < table.length; i++, row++) {
                char text[32];
                size_t size;
                snprintf(text, sizeof text, "m%lld", (long long)row);
                assert_memory_equal(column_text(&table.columns[1], i, &size), text, strlen(text));
                assert_int_equal(size, strlen(text));
                assert_int_equal(column_is_null(&table.columns[0], i), row % 5 == 4);
                assert_int_equal(column_is_null(&table.columns[2], i), row % 5 != 2);
                if (row % 5 < 4)
                    assert_int_equal(column_text(&table.columns[0], i, &size)[1], '0' + row % 5);
            }
        }
        assert_int_equal(row, 50000);
        assert_int_equal(reader_unknown_enums(reader), 30000);
        table_done(&table);
        reader_close(reader);
    }
    schema_unref(schema);
    dictionary_unref(values);
}

/* Who writes into a pipe may wait for what becomes of a batch before the next one. */
static void a_full_batch_of_a_pipe_is_given_at_once(void **state)
{
    (void)state;
    const char *path = in("pipe.jsonl"), *name = "n";
    struct type type = TYPE(INT32);
    struct schema *schema = schema_of(1, &name, &type);
    struct reader *reader;
    struct table table;
    assert_int_equal(mkfifo(path, 0600), 0);
    int pipe = open(path, O_RDWR);
    assert_true(pipe >= 0);
    struct reader_options options = {
        .paths = &path, .n_paths = 1, .columns = schema, .batch_rows = 2, .threads = 2};
    assert_int_equal(write(pipe, "{\"n\":0}\n{\"n\":0}\n", 16), 16);
    alarm(60);
    assert_int_equal(reader_open(&options, &reader, NULL), OK);
    table_init(&table, schema, NULL);
    for (int batch = 0; batch < 8; batch++) {
        char lines[32];
        assert_int_equal(reader_next(reader, &table, NULL), OK);
        assert_int_equal(table.length, 2);
        assert_int_equal(((int32_t *)table.columns[0].data)[1], batch);
        /* Now and then the reader waits for it already. */
        if (batch % 2)
            usleep(5000);
        int n = snprintf(lines, sizeof lines, "{\"n\":%d}\n{\"n\":%d}\n", batch + 1, batch + 1);
        if (batch < 7)
            assert_int_equal(write(pipe, lines, (size_t)n), n);
    }
    close(pipe);
    assert_int_equal(reader_next(reader, &table, NULL), OK);
    assert_int_equal(table.length, 0);
    alarm(0);
    table_done(&table);
    reader_close(reader);
    schema_unref(schema);
}

static void standard_input_gives_rows_as_they_come(void **state)
{
    (void)state;
    const char *path = "-", *name = "n";
    struct type type = TYPE(INT32);
    struct schema *schema = schema_of(1, &name, &type);
    struct reader *reader;
    struct table table;
    struct error error;
    int pipes[2], kept = dup(STDIN_FILENO);
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[0], STDIN_FILENO);
    assert_int_equal(
        reader_open(&(struct reader_options){.paths = &path, .n_paths = 1, .columns = schema, .threads = 4},
                    &reader, &error),
        OK);
    table_init(&table, schema, NULL);
    assert_int_equal(write(pipes[1], "{\"n\":1}\n{\"n\":", 13), 13);
    assert_int_equal(reader_next(reader, &table, &error), OK);
    assert_int_equal(table.length, 1);
    /* A broken line does not take the good ones before it along, nor those behind it. */
    assert_int_equal(write(pipes[1], "2}\n{\"n\":}\n{\"n\":4}\n", 18), 18);
    assert_int_equal(reader_next(reader, &table, &error), OK);
    assert_int_equal(table.length, 1);
    assert_int_equal(((int32_t *)table.columns[0].data)[0], 2);
    assert_int_equal(reader_next(reader, &table, &error), CODE_INVALID);
    assert_int_equal(error.line, 3);
    assert_int_equal(table.length, 0);
    assert_int_equal(reader_next(reader, &table, &error), OK);
    assert_int_equal(table.length, 1);
    assert_int_equal(((int32_t *)table.columns[0].data)[0], 4);
    close(pipes[1]);
    assert_int_equal(reader_next(reader, &table, &error), OK);
    assert_int_equal(table.length, 0);
    dup2(kept, STDIN_FILENO);
    close(kept);
    close(pipes[0]);
    table_done(&table);
    reader_close(reader);
    schema_unref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_may_be_cut_anywhere),
        cmocka_unit_test(rows_know_their_number_and_file),
        cmocka_unit_test(globs_are_read_in_order_of_names),
        cmocka_unit_test(only_wanted_columns_are_read),
        cmocka_unit_test(values_convert_where_nothing_is_lost),
        cmocka_unit_test(values_that_do_not_fit_are_refused_with_their_row),
        cmocka_unit_test(text_of_csv_is_parsed),
        cmocka_unit_test(bad_files_are_told_apart),
        cmocka_unit_test(missing_columns_list_what_there_is),
        cmocka_unit_test(repeated_text_is_coded_and_unknown_enums_are_counted),
        cmocka_unit_test(a_full_batch_of_a_pipe_is_given_at_once),
        cmocka_unit_test(standard_input_gives_rows_as_they_come),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
