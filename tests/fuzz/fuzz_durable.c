/*
 * Fuzzing of a state directory's snapshot (libFuzzer), as the durable engine reads it: a snapshot that is no
 * good is left out, and the journal gives what it has; one that can be loaded is gone on with; or an error
 * says what is wrong. The state then takes an event.
 *
 * The first byte says whether checksums are put right, so that the fuzzer gets behind them.
 */
#include <math.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "journal/bytes.h"
#include "journal/snapshot_format.h"
#include "memory_io.h"
#include "model/linear.h"
#include "score/durable.h"

static const char sql[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, amount DOUBLE);\n"
    "SELECT count(*) OVER (c RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n,\n"
    "  avg(amount) OVER (c RANGE UNBOUNDED PRECEDING) AS mean FROM tx\n"
    "WINDOW c AS (PARTITION BY card ORDER BY ts);";

enum { EVENTS = 24 };

static struct plan *plan;
static struct model *model;
static struct table events;
static struct memory_file saved[MEMORY_FILES]; /* the directory as it was made */
static char snapshot[64];                      /* path of its one snapshot */

static void must(bool good)
{
    if (!good)
        abort();
}

static void make_version(void)
{
    const double weights[] = {1, 1}, means[] = {1, 1}, sds[] = {1, 1};
    const char *names[] = {"n", "mean"};
    struct linear linear = {
        .n = 2, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    char *text;
    size_t size;
    must(plan_compile(sql, strlen(sql), "fuzz.sql", &plan, NULL) == OK &&
         linear_write(&linear, &text, &size, NULL) == OK && model_parse(text, size, &model, NULL) == OK);
    free(text);
}

static void make_events(void)
{
    must(table_init(&events, plan_events(plan), NULL) == OK && table_reserve(&events, EVENTS, NULL) == OK);
    const struct field *fields = events.schema->fields;
    for (int i = 0; i < EVENTS; i++) {
        char card[2] = {(char)('a' + i % 5)};
        column_append_int(&events.columns[0], &fields[0].type, i);
        column_append_int(&events.columns[1], &fields[1].type, i * INT64_C(600000000));
        must(column_append_text(&events.columns[2], card, 1, NULL) == OK);
        column_append_double(&events.columns[3], &fields[3].type, i * 1.1);
    }
    events.length = EVENTS;
}

static int open_state(struct durable **ret, struct error *error)
{
    struct durable_version version = {plan, model, NULL, "models:/fuzz/1", "identity", NULL};
    struct durable_options options = {.io = &memory_io,
                                      .directory = "/s",
                                      .engine = {.state.threads = 1, .threshold = NAN},
                                      .dedupe_us = INT64_C(86400000000),
                                      .in_process = true};
    return durable_open(&version, &options, ret, NULL, error);
}

static int take(struct durable *durable, int64_t from, int64_t n)
{
    struct durable_batch about = {.source = "stream", .source_position = (uint64_t)(from + n)};
    struct decisions decisions;
    struct table some;
    must(table_init(&some, events.schema, NULL) == OK && table_append(&some, &events, from, n, NULL) == OK);
    int rc = durable_take(durable, &some, &about, &decisions, NULL);
    table_done(&some);
    return rc;
}

static void prepare(void)
{
    struct durable *durable;
    log_set_level(LOG_ERROR);
    make_version();
    make_events();
    must(open_state(&durable, NULL) == OK && take(durable, 0, EVENTS - 4) == OK &&
         durable_snapshot(durable, true, NULL) == OK && take(durable, EVENTS - 4, 2) == OK &&
         durable_commit(durable, durable_position(durable), NULL) == OK);
    durable_abandon(durable);
    for (int i = 0; i < MEMORY_FILES; i++) {
        const struct memory_file *file = &memory_files[i];
        saved[i] = *file;
        saved[i].data = malloc(file->size + 1);
        must(saved[i].data != NULL);
        if (file->size)
            memcpy(saved[i].data, file->data, file->size);
        if (strstr(file->path, ".snap"))
            memcpy(snapshot, file->path, sizeof snapshot);
    }
    must(snapshot[0]);
}

static void put_right(struct memory_file *file, const struct memory_file *good)
{
    uint8_t *data = file->data;
    if (file->size < SNAP_HEAD)
        return;
    uint64_t at = SNAP_HEAD + (uint64_t)snapshot_padded(get_u32(data + SNAP_PLAN_SIZE));
    memcpy(data, good->data, SNAP_PLAN_SIZE);
    if (at <= file->size)
        put_u32(data + SNAP_PLAN_SUM, crc32c(0, data + SNAP_HEAD, get_u32(data + SNAP_PLAN_SIZE)));
    put_u32(data + SNAP_SUM, crc32c(0, data, SNAP_SUM));
    while (at + BLOCK_HEAD <= file->size) {
        uint8_t *head = data + at;
        uint64_t bytes = BLOCK_HEAD + (uint64_t)snapshot_padded(get_u32(head + BLOCK_SIZE));
        if (bytes > file->size - at)
            return;
        put_u32(head + BLOCK_SUM, crc32c(0, head + BLOCK_HEAD, bytes - BLOCK_HEAD));
        put_u32(head + BLOCK_HEAD_SUM, crc32c(0, head + BLOCK_SUM, BLOCK_HEAD - BLOCK_SUM));
        at += bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct durable *durable = NULL;
    struct error error = {0};
    if (size < 1)
        return 0;
    if (!plan)
        prepare();
    memory_clear();
    for (int i = 0; i < MEMORY_FILES; i++) {
        bool fuzzed = strcmp(saved[i].path, snapshot) == 0;
        if (!saved[i].path[0])
            continue;
        struct memory_file *file = fuzzed ? memory_put(snapshot, data + 1, size - 1)
                                          : memory_put(saved[i].path, saved[i].data, saved[i].size);
        if (fuzzed && data[0] & 1)
            put_right(file, &saved[i]);
    }
    int rc = open_state(&durable, &error);
    must(rc == OK || error.message[0]);
    if (rc == OK) {
        /* What a good checksum says is believed, and may be nonsense. */
        take(durable, EVENTS - 2, 2);
        durable_abandon(durable);
    }
    return 0;
}
