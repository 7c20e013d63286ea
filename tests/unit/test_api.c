/* The installed C interface: codes, plans, batches of any cut, whose memory is whose, and what bad input
 * says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "shrike/features.h"

static const char plan_sql[] =
    "CREATE TYPE kind AS ENUM ('chip', 'online');\n"
    "CREATE TABLE payments (ts TIMESTAMP, card BIGINT, shop VARCHAR, kind kind, amount DOUBLE, "
    "fraud TINYINT DEFAULT 0);\n"
    "COMMENT ON COLUMN payments.fraud IS 'shrike: label, late after=1 day';\n"
    "SELECT amount > 15 AS large, shop, kind, count(*) OVER day AS n, sum(amount) OVER day AS total,\n"
    "  coalesce(sum(fraud) OVER known, 0) AS frauds, ln(amount) AS logarithm FROM payments\n"
    "WINDOW day AS (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),\n"
    "  known AS (PARTITION BY card ORDER BY ts RANGE BETWEEN INTERVAL 9 DAY PRECEDING AND INTERVAL 1 DAY "
    "PRECEDING)";

enum { ROWS = 5, COLUMNS = 5 };

static const int64_t ts_us[ROWS + 1] = {-1, 0, 3600000000, 3600000000, 90000000000, 90000000001};
static const int32_t card[ROWS + 1] = {-1, 7, 8, 7, 7, 7};
static const int32_t shop_offsets[ROWS + 2] = {0, 1, 3, 3, 5, 6, 8};
static const char shops[] = "?aabbcdd";
static const int8_t kinds[ROWS + 1] = {0, 1, 0, 2, 1, 0};
static const int32_t kind_offsets[] = {0, 6, 10, 16};
static const char kind_texts[] = "onlinechipcheque";
static const double amounts[ROWS + 1] = {-1, 10.5, 20, 0.1, 0, 5.25};
static const uint8_t amount_bits[] = {0x2f}; /* row 4 of the buffer, row 3 of the batch, is NULL */

static int released;

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    released++;
    array->release = NULL;
}

/* ROWS payments; every column begins at row 1 of its buffers. */
struct batch {
    struct ArrowSchema schema, fields[COLUMNS], *field_list[COLUMNS], kind_schema;
    struct ArrowArray array, columns[COLUMNS], *column_list[COLUMNS], kind_values;
    const void *buffers[COLUMNS][3], *kind_buffers[3], *no_nulls[1];
};

static void batch_init(struct batch *batch)
{
    static const struct {
        const char *name, *format;
        const void *bits, *data, *text;
    } columns[COLUMNS] = {{"ts", "tsu:", NULL, ts_us, NULL},
                          {"CARD", "i", NULL, card, NULL},
                          {"shop", "u", NULL, shop_offsets, shops},
                          {"kind", "c", NULL, kinds, NULL},
                          {"amount", "g", amount_bits, amounts, NULL}};
    memset(batch, 0, sizeof *batch);
    for (int i = 0; i < COLUMNS; i++) {
        batch->buffers[i][0] = columns[i].bits;
        batch->buffers[i][1] = columns[i].data;
        batch->buffers[i][2] = columns[i].text;
        batch->fields[i] = (struct ArrowSchema){
            .format = columns[i].format, .name = columns[i].name, .release = release_schema};
        batch->columns[i] = (struct ArrowArray){.length = ROWS,
                                                .offset = 1,
                                                .null_count = columns[i].bits ? -1 : 0,
                                                .n_buffers = columns[i].text ? 3 : 2,
                                                .buffers = batch->buffers[i],
                                                .release = release_array};
        batch->field_list[i] = &batch->fields[i];
        batch->column_list[i] = &batch->columns[i];
    }
    batch->kind_buffers[1] = kind_offsets;
    batch->kind_buffers[2] = kind_texts;
    batch->kind_schema = (struct ArrowSchema){.format = "u", .release = release_schema};
    batch->kind_values = (struct ArrowArray){
        .length = 3, .n_buffers = 3, .buffers = batch->kind_buffers, .release = release_array};
    batch->fields[3].dictionary = &batch->kind_schema;
    batch->columns[3].dictionary = &batch->kind_values;
    batch->schema = (struct ArrowSchema){
        .format = "+s", .n_children = COLUMNS, .children = batch->field_list, .release = release_schema};
    batch->array = (struct ArrowArray){.length = ROWS,
                                       .n_buffers = 1,
                                       .buffers = batch->no_nulls,
                                       .n_children = COLUMNS,
                                       .children = batch->column_list,
                                       .release = release_array};
}

static struct shrike_plan *compile(void)
{
    struct shrike_plan *plan = NULL;
    struct shrike_error error = {0};
    int code = shrike_plan_compile(plan_sql, strlen(plan_sql), "payments.sql", &plan, &error);
    if (code != SHRIKE_OK)
        fail_msg("%s", error.message);
    return plan;
}

static void test_a_state_outlives_its_batches(void **unused)
{
    (void)unused;
    static const char sql[] =
        "CREATE TABLE payments (ts TIMESTAMP, card BIGINT); SELECT count(*) OVER (PARTITION BY "
        "card ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) AS n, "
        "card > 7 AS high FROM payments";
    struct shrike_options options = {.size = sizeof options, .lateness_us = INT64_C(172800000000)};
    struct shrike_plan *plan = NULL;
    struct shrike_state *state = NULL;
    struct batch batch;
    struct ArrowSchema schemas[4];
    struct ArrowArray features[4];
    assert_int_equal(shrike_plan_compile(sql, strlen(sql), "payments.sql", &plan, NULL), SHRIKE_OK);
    assert_int_equal(shrike_state_new(plan, &options, &state, NULL), SHRIKE_OK);
    shrike_plan_free(plan);
    batch_init(&batch);
    /* No column of text, which would make room anew each time; each batch's features are memory of their own.
     */
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            shrike_state_take(state, &batch.schema, &batch.array, &schemas[i], &features[i], NULL),
            SHRIKE_OK);
    shrike_state_free(state);
    for (int i = 0; i < 4; i++) {
        const int64_t *n = features[i].children[0]->buffers[1];
        assert_int_equal(features[i].length, ROWS);
        assert_int_equal(n[1], i + 1);
        features[i].release(&features[i]);
        schemas[i].release(&schemas[i]);
    }
}

static struct shrike_state *start(const struct shrike_options *options)
{
    struct shrike_plan *plan = compile();
    struct shrike_state *state = NULL;
    assert_int_equal(shrike_state_new(plan, options, &state, NULL), SHRIKE_OK);
    shrike_plan_free(plan); /* the state keeps what it needs */
    return state;
}

static void test_codes_are_the_exit_statuses(void **unused)
{
    (void)unused;
    static const int codes[CODE_COUNT] = {SHRIKE_OK,          1,
                                          SHRIKE_USAGE,       SHRIKE_INVALID,
                                          SHRIKE_UNSUPPORTED, SHRIKE_NOT_FOUND,
                                          SHRIKE_CONFLICT,    SHRIKE_CORRUPT,
                                          SHRIKE_LIMIT,       SHRIKE_MEMORY,
                                          SHRIKE_IO,          SHRIKE_NO_SPACE,
                                          SHRIKE_UNAVAILABLE, SHRIKE_INTERRUPTED,
                                          SHRIKE_INTERNAL};
    for (int i = 0; i < CODE_COUNT; i++) {
        assert_int_equal(code_info((enum code)i)->exit_status, codes[i]);
        assert_string_equal(shrike_code_name(codes[i]), code_info((enum code)i)->name);
    }
    assert_string_equal(shrike_code_name(99), "unknown");
    assert_string_equal(shrike_version(), SHRIKE_VERSION);
}

static void test_a_bad_plan_has_a_place(void **unused)
{
    (void)unused;
    static const char sql[] = "CREATE TABLE t (ts TIMESTAMP, a INTEGER);\nSELECT\n  nothing(a) AS b FROM t";
    struct shrike_plan *plan = NULL;
    struct shrike_error error = {0};
    assert_int_equal(shrike_plan_compile(sql, strlen(sql), "bad.sql", &plan, &error), SHRIKE_INVALID);
    assert_null(plan);
    assert_int_equal(error.code, SHRIKE_INVALID);
    assert_string_equal(error.place, "bad.sql");
    assert_int_equal(error.line, 3);
    assert_int_equal(error.column, 3);
    assert_non_null(strstr(error.message, "nothing"));
    assert_int_equal(shrike_plan_load("no/such/file.sql", &plan, &error), SHRIKE_NOT_FOUND);
    assert_string_equal(shrike_code_name(error.code), "not_found");
    assert_int_equal(shrike_plan_load("no/such/file.sql", &plan, NULL), SHRIKE_NOT_FOUND);
    assert_null(plan);
}

static void test_a_plan_tells_its_columns(void **unused)
{
    (void)unused;
    static const char *const formats[] = {"b", "u", "i", "l", "g", "d:38,0", "g"};
    struct shrike_plan *plan = compile();
    struct ArrowSchema schema, moved;
    assert_int_equal(shrike_plan_events(plan, &schema, NULL), SHRIKE_OK);
    assert_int_equal(schema.n_children, 6);
    assert_string_equal(schema.children[2]->name, "shop");
    assert_string_equal(schema.children[2]->format, "u");
    schema.release(&schema);
    assert_null(schema.release);
    assert_int_equal(shrike_plan_features(plan, &schema, NULL), SHRIKE_OK);
    assert_int_equal(schema.n_children, 7);
    for (int i = 0; i < 7; i++)
        assert_string_equal(schema.children[i]->format, formats[i]);
    assert_non_null(schema.children[2]->dictionary);
    assert_null(shrike_plan_warning(plan, 0));
    assert_null(shrike_plan_warning(plan, -1));
    shrike_plan_free(plan);
    /* A child may be moved out and outlive its parent, and the plan. */
    moved = *schema.children[2];
    schema.children[2]->release = NULL;
    schema.release(&schema);
    assert_string_equal(moved.name, "kind");
    moved.release(&moved);
    shrike_plan_free(NULL);
    shrike_state_free(NULL);
}

static void test_features_of_a_batch(void **unused)
{
    (void)unused;
    static const int64_t n[ROWS] = {1, 1, 2, 2, 2};
    static const double total[ROWS] = {10.5, 20, 10.6, 0.1, 5.25};
    struct batch batch;
    struct ArrowSchema schema;
    struct ArrowArray features;
    struct shrike_error error = {0};
    struct shrike_state *state = start(NULL);
    batch_init(&batch);
    released = 0;
    if (shrike_state_take(state, &batch.schema, &batch.array, &schema, &features, &error) != SHRIKE_OK)
        fail_msg("%s", error.message);
    assert_int_equal(released, 0);
    assert_ptr_equal(batch.array.release, release_array);
    assert_int_equal(shrike_state_counter(state, SHRIKE_EVENTS), ROWS);
    assert_int_equal(shrike_state_counter(state, SHRIKE_UNKNOWN_ENUMS), 1);
    assert_int_equal(shrike_state_counter(state, SHRIKE_ENTITIES), 2);
    assert_int_equal(shrike_state_counter(state, SHRIKE_EXPRESSION_ERRORS), 0);
    assert_true(shrike_state_counter(state, SHRIKE_BYTES) > 0);
    assert_int_equal(shrike_state_counter(state, 99), -1);
    shrike_state_free(state);

    assert_int_equal(features.length, ROWS);
    assert_int_equal(features.n_children, 7);
    const uint8_t *large = features.children[0]->buffers[1];
    assert_int_equal(large[0] & 0x17, 0x02);
    assert_int_equal(features.children[0]->null_count, 1);
    const int32_t *offsets = features.children[1]->buffers[1];
    assert_int_equal(offsets[ROWS], 7);
    assert_memory_equal(features.children[1]->buffers[2], "aabbcdd", 7);
    const int32_t *kind = features.children[2]->buffers[1];
    assert_int_equal(kind[0], 0); /* "chip": a code of the plan's ENUM, not of the batch's dictionary */
    assert_int_equal(kind[1], 1);
    assert_int_equal(features.children[2]->null_count, 1);
    assert_int_equal(features.children[2]->dictionary->length, 2);
    assert_memory_equal(features.children[3]->buffers[1], n, sizeof n);
    assert_memory_equal(features.children[4]->buffers[1], total, sizeof total);
    assert_null(features.children[4]->buffers[0]);
    const uint8_t *present = features.children[6]->buffers[0];
    assert_int_equal(present[0] & 0x1f, 0x17); /* no logarithm of an unknown amount */
    features.release(&features);
    schema.release(&schema);
}

/* Rows of a child as text, for comparing two features arrays bit by bit. */
static void compare_rows(const struct ArrowArray *whole, int64_t row, const struct ArrowArray *one)
{
    static const size_t widths[] = {0, 0, 4, 8, 8, 16, 8};
    for (int c = 0; c < 7; c++) {
        const struct ArrowArray *a = whole->children[c], *b = one->children[c];
        const uint8_t *bits_a = a->buffers[0], *bits_b = b->buffers[0];
        bool null_a = bits_a && !(bits_a[row >> 3] >> (row & 7) & 1), null_b = bits_b && !(bits_b[0] & 1);
        assert_int_equal(null_a, null_b);
        if (!null_a && widths[c])
            assert_memory_equal((const char *)a->buffers[1] + (size_t)row * widths[c], b->buffers[1],
                                widths[c]);
    }
}

static void test_a_batch_of_one_equals_the_whole(void **unused)
{
    (void)unused;
    struct batch batch;
    struct ArrowSchema schema, one_schema;
    struct ArrowArray whole, one;
    struct shrike_options options = {.size = sizeof options, .threads = 2};
    struct shrike_state *at_once = start(&options), *one_by_one = start(NULL);
    batch_init(&batch);
    assert_int_equal(shrike_state_take(at_once, &batch.schema, &batch.array, &schema, &whole, NULL),
                     SHRIKE_OK);
    for (int64_t i = 0; i < ROWS; i++) {
        batch.array.offset = i;
        batch.array.length = 1;
        assert_int_equal(shrike_state_take(one_by_one, &batch.schema, &batch.array, &one_schema, &one, NULL),
                         SHRIKE_OK);
        compare_rows(&whole, i, &one);
        one.release(&one);
        one_schema.release(&one_schema);
    }
    batch.array.length = 0;
    assert_int_equal(shrike_state_take(one_by_one, &batch.schema, &batch.array, &one_schema, &one, NULL),
                     SHRIKE_OK);
    assert_int_equal(one.length, 0);
    one.release(&one);
    one_schema.release(&one_schema);
    whole.release(&whole);
    schema.release(&schema);
    shrike_state_free(at_once);
    shrike_state_free(one_by_one);
}

/* A thread's whole life with a plan that others use: NULL where its counts are right. */
static void *use_plan(void *context)
{
    struct shrike_plan *plan = context;
    struct shrike_state *state = NULL;
    struct batch batch;
    struct ArrowSchema schema, events;
    struct ArrowArray features;
    if (shrike_state_new(plan, NULL, &state, NULL) != SHRIKE_OK ||
        shrike_plan_events(plan, &events, NULL) != SHRIKE_OK)
        return "no state";
    events.release(&events);
    batch_init(&batch);
    int code = shrike_state_take(state, &batch.schema, &batch.array, &schema, &features, NULL);
    shrike_state_free(state);
    if (code != SHRIKE_OK)
        return "no features";
    const int64_t *n = features.children[3]->buffers[1];
    bool right = features.length == ROWS && n[2] == 2;
    features.release(&features);
    schema.release(&schema);
    return right ? NULL : "wrong features";
}

static void test_threads_share_a_plan(void **unused)
{
    (void)unused;
    struct shrike_plan *plan = compile();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_plan, plan), 0);
    for (int i = 0; i < 4; i++) {
        void *problem;
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        assert_null(problem);
    }
    shrike_plan_free(plan);
}

/* Takes the batch, which must fail; nothing is taken then. */
static void refused(struct shrike_state *state, const struct batch *batch, int code, const char *words)
{
    struct ArrowSchema schema = {.n_children = -7};
    struct ArrowArray features = {.length = -7};
    struct shrike_error error = {0};
    assert_int_equal(shrike_state_take(state, &batch->schema, &batch->array, &schema, &features, &error),
                     code);
    assert_int_equal(error.code, code);
    assert_string_equal(error.place, "events");
    if (!strstr(error.message, words))
        fail_msg("\"%s\" is not in: %s", words, error.message);
    assert_int_equal(schema.n_children, -7);
    assert_int_equal(features.length, -7);
    assert_int_equal(shrike_state_counter(state, SHRIKE_EVENTS), 0);
}

static void test_bad_events_are_refused(void **unused)
{
    (void)unused;
    struct shrike_state *state = start(NULL);
    struct batch batch;
    batch_init(&batch);
    batch.array.release = NULL;
    refused(state, &batch, SHRIKE_USAGE, "released");
    batch_init(&batch);
    batch.schema.format = "+l";
    refused(state, &batch, SHRIKE_INVALID, "struct");
    batch_init(&batch);
    batch.fields[1].name = "client";
    batch.fields[4].name = NULL;
    refused(state, &batch, SHRIKE_INVALID, "lack card, amount; they have ts, client, shop, kind, ");
    batch_init(&batch);
    batch.fields[2].format = "vu";
    refused(state, &batch, SHRIKE_UNSUPPORTED, "column \"shop\": Arrow's format \"vu\"");
    batch_init(&batch);
    batch.fields[0].format = "l";
    refused(state, &batch, SHRIKE_INVALID, "column \"ts\": is BIGINT, where TIMESTAMP is expected");
    batch_init(&batch);
    batch.fields[4].format = "u";
    batch.columns[4].n_buffers = 3;
    refused(state, &batch, SHRIKE_INVALID, "column \"amount\"");
    batch_init(&batch);
    batch.columns[2].n_buffers = 2;
    refused(state, &batch, SHRIKE_INVALID, "column \"shop\": has 2 Arrow buffers");
    batch_init(&batch);
    batch.columns[3].dictionary = NULL;
    refused(state, &batch, SHRIKE_INVALID, "column \"kind\": has indices but no dictionary");
    batch_init(&batch);
    batch.array.n_children = 4;
    refused(state, &batch, SHRIKE_INVALID, "columns");
    batch_init(&batch);
    batch.array.offset = 1;
    refused(state, &batch, SHRIKE_INVALID, "has 5 rows");
    batch_init(&batch);
    batch.array.length = INT64_C(1) << 31;
    refused(state, &batch, SHRIKE_LIMIT, "2147483648 events");
    batch_init(&batch);
    batch.array.null_count = -1;
    batch.no_nulls[0] = amount_bits;
    refused(state, &batch, SHRIKE_INVALID, "NULL as a whole");
    batch_init(&batch);
    batch.columns[0].null_count = 1;
    batch.buffers[0][0] = amount_bits;
    refused(state, &batch, SHRIKE_INVALID, "ts is NULL");
    shrike_state_free(state);
}

static void test_bad_options_are_refused(void **unused)
{
    (void)unused;
    static const struct shrike_options bad[] = {
        {.size = 8},
        {.size = sizeof *bad, .threads = -1},
        {.size = sizeof *bad, .threads = 1000},
        {.size = sizeof *bad, .time_unit = 4},
        {.size = sizeof *bad, .lateness_us = -1},
        {.size = sizeof *bad, .memory = -1},
    };
    static const char *const words[] = {"size", "threads", "threads", "time_unit", "lateness_us", "memory"};
    struct shrike_plan *plan = compile();
    for (int i = 0; i < 6; i++) {
        struct shrike_state *state = NULL;
        struct shrike_error error = {0};
        assert_int_equal(shrike_state_new(plan, &bad[i], &state, &error), SHRIKE_USAGE);
        assert_null(state);
        assert_non_null(strstr(error.message, words[i]));
    }
    shrike_plan_free(plan);
}

static void test_beyond_the_memory_limit_nothing_is_taken(void **unused)
{
    (void)unused;
    struct shrike_options options = {.size = sizeof options, .memory = 1 << 20};
    struct shrike_state *state = start(&options);
    struct batch batch;
    struct ArrowSchema schema;
    struct ArrowArray features;
    batch_init(&batch);
    assert_int_equal(shrike_state_take(state, &batch.schema, &batch.array, &schema, &features, NULL),
                     SHRIKE_OK);
    features.release(&features);
    schema.release(&schema);
    assert_null(shrike_state_filtered(state)); /* the plan has no WHERE */
    assert_int_equal(shrike_state_counter(state, SHRIKE_FILTERED), 0);
    shrike_state_free(state);
    options.memory = 1000;
    state = start(&options);
    refused(state, &batch, SHRIKE_LIMIT, "memory limit of 1000 bytes");
    assert_int_equal(shrike_state_counter(state, SHRIKE_EVENTS), 0);
    shrike_state_free(state);
}

static void test_filtered_events_have_a_row_of_nulls(void **unused)
{
    (void)unused;
    static const char sql[] = "CREATE TABLE payments (ts TIMESTAMP, card BIGINT); SELECT card, count(*) OVER "
                              "(ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) AS n "
                              "FROM payments WHERE card > 7";
    struct shrike_plan *plan = NULL;
    struct shrike_state *state = NULL;
    struct batch batch;
    struct ArrowSchema schema;
    struct ArrowArray features;
    int64_t left_out = 0;
    assert_int_equal(shrike_plan_compile(sql, strlen(sql), "payments.sql", &plan, NULL), SHRIKE_OK);
    assert_int_equal(shrike_state_new(plan, NULL, &state, NULL), SHRIKE_OK);
    batch_init(&batch);
    assert_int_equal(shrike_state_take(state, &batch.schema, &batch.array, &schema, &features, NULL),
                     SHRIKE_OK);
    const uint8_t *filtered = shrike_state_filtered(state);
    const uint8_t *there = features.children[1]->buffers[0];
    assert_int_equal(features.length, ROWS);
    assert_non_null(there);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(filtered[i], card[i + 1] <= 7);
        assert_int_equal(there[i / 8] >> (i % 8) & 1, !filtered[i]);
        left_out += filtered[i];
    }
    assert_in_range(left_out, 1, ROWS - 1);
    assert_int_equal(shrike_state_counter(state, SHRIKE_FILTERED), left_out);
    features.release(&features);
    schema.release(&schema);
    shrike_state_free(state);
    shrike_plan_free(plan);
}

static void test_integers_are_times_where_their_unit_is_said(void **unused)
{
    (void)unused;
    struct shrike_options options = {.size = sizeof options, .time_unit = SHRIKE_TIME_US, .strict = 1};
    struct shrike_state *state = start(&options);
    struct batch batch;
    struct ArrowSchema schema;
    struct ArrowArray features;
    batch_init(&batch);
    batch.fields[0].format = "l";
    assert_int_equal(shrike_state_take(state, &batch.schema, &batch.array, &schema, &features, NULL),
                     SHRIKE_OK);
    features.release(&features);
    schema.release(&schema);
    /* The amount below the bitmap's hole is 0, whose logarithm strict refuses. */
    batch.buffers[4][0] = NULL;
    batch.columns[4].null_count = 0;
    struct shrike_error error = {0};
    assert_int_equal(shrike_state_take(state, &batch.schema, &batch.array, &schema, &features, &error),
                     SHRIKE_INVALID);
    assert_non_null(strstr(error.message, "could not be computed"));
    shrike_state_free(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_the_exit_statuses),
        cmocka_unit_test(test_a_bad_plan_has_a_place),
        cmocka_unit_test(test_a_plan_tells_its_columns),
        cmocka_unit_test(test_features_of_a_batch),
        cmocka_unit_test(test_a_batch_of_one_equals_the_whole),
        cmocka_unit_test(test_a_state_outlives_its_batches),
        cmocka_unit_test(test_threads_share_a_plan),
        cmocka_unit_test(test_bad_events_are_refused),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_beyond_the_memory_limit_nothing_is_taken),
        cmocka_unit_test(test_filtered_events_have_a_row_of_nulls),
        cmocka_unit_test(test_integers_are_times_where_their_unit_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
