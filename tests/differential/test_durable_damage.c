/*
 * A whole state directory with one file cut at some byte, or one bit of it flipped: it opens with the newest
 * good state, says what was left out, and goes on to the bit from there; or an error names the file.
 *
 *   test_durable_damage [--step N]     every N-th byte; 1 takes minutes
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "model/linear.h"
#include "score/durable.h"
#include "unit/crash_disk.h"

enum { EVENTS = 48, BATCH = 4, KEPT = 40, FILES = 32 }; /* KEPT: events that the directory has */

static const char sql[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, amount DOUBLE);\n"
    "SELECT count(*) OVER (c RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n,\n"
    "  avg(amount) OVER (c RANGE UNBOUNDED PRECEDING) AS mean,\n"
    "  lag(amount, 2) OVER c AS before_it FROM tx WINDOW c AS (PARTITION BY card ORDER BY ts);";

static struct plan *plan;
static struct model *model;
static struct table events;
static float expected[EVENTS];

struct file {
    char path[IO_PATH_SIZE];
    uint8_t *data;
    uint64_t size;
};
static struct file files[FILES];
static int n_files;

static void stop(const char *what, const struct file *file, const struct error *error)
{
    fprintf(stderr, "FAILED: %s: %s: %s\n", file ? file->path : "", what, error ? error->message : "");
    exit(1);
}

static void must(bool fine, const char *what)
{
    if (!fine)
        stop(what, NULL, NULL);
}

static void make_version(void)
{
    const double weights[] = {1, 0.02, 0.03}, means[] = {1, 1, 1}, sds[] = {1, 1, 1};
    const char *names[] = {"n", "mean", "before_it"};
    struct linear linear = {
        .n = 3, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    char *text;
    size_t size;
    must(plan_compile(sql, strlen(sql), "features.sql", &plan, NULL) == OK &&
             linear_write(&linear, &text, &size, NULL) == OK && model_parse(text, size, &model, NULL) == OK,
         "the version");
    free(text);
}

static void make_events(void)
{
    must(table_init(&events, plan_events(plan), NULL) == OK && table_reserve(&events, EVENTS, NULL) == OK,
         "events");
    const struct field *fields = events.schema->fields;
    for (int i = 0; i < EVENTS; i++) {
        char card[2] = {(char)('a' + i % 5)};
        column_append_int(&events.columns[0], &fields[0].type, i);
        column_append_int(&events.columns[1], &fields[1].type, i * INT64_C(600000000));
        must(column_append_text(&events.columns[2], card, 1, NULL) == OK, "a text");
        column_append_double(&events.columns[3], &fields[3].type, i * 1.1);
    }
    events.length = EVENTS;
}

static struct engine_options engine_options(void)
{
    return (struct engine_options){.state.threads = 1, .threshold = NAN};
}

static void expect(void)
{
    struct engine_options options = engine_options();
    struct engine *engine;
    struct decisions decisions;
    must(engine_new(plan, model, NULL, &options, &engine, NULL) == OK &&
             engine_take(engine, &events, &decisions, NULL) == OK,
         "the oracle");
    memcpy(expected, decisions.scores, sizeof expected);
    engine_free(engine);
}

static int open_state(struct crash_disk *disk, struct durable **ret, struct durable_recovery *ret_recovery,
                      struct error *error)
{
    struct durable_version version = {plan, model, NULL, "models:/test/1", "identity", NULL};
    struct durable_options options = {.io = crash_disk_io(disk),
                                      .directory = "/state",
                                      .engine = engine_options(),
                                      .segment_bytes = 2000,
                                      .retain_bytes = 1 << 30,
                                      .in_process = true};
    return durable_open(&version, &options, ret, ret_recovery, error);
}

/* Takes events up to `to` and compares what is decided. */
static void take(struct durable *durable, int64_t to, const struct file *file)
{
    struct error error = {0};
    for (int64_t from = (int64_t)durable_next_seq(durable) - 1; from < to; from += BATCH) {
        int64_t n = to - from < BATCH ? to - from : BATCH;
        struct durable_batch about = {.source = "stream", .source_position = (uint64_t)(from + n)};
        struct decisions decisions;
        struct table some;
        must(table_init(&some, events.schema, NULL) == OK &&
                 table_append(&some, &events, from, n, NULL) == OK,
             "a batch");
        if (durable_take(durable, &some, &about, &decisions, &error) != OK)
            stop("what was opened does not go on", file, &error);
        if (memcmp(decisions.scores, expected + from, (size_t)n * sizeof *expected) != 0)
            stop("what was opened decides otherwise", file, NULL);
        table_done(&some);
    }
}

static const char *const folders[] = {"/state", "/state/journal", "/state/snapshots", "/state/versions",
                                      "/state/versions/1"};

static int note_name(void *argument, const char *name)
{
    struct file *file = &files[n_files];
    snprintf(file->path, sizeof file->path, "%s/%s", (const char *)argument, name);
    n_files++;
    return 0;
}

/* Two snapshots, and events behind the newer one. */
static void make_directory(void)
{
    struct crash_disk *disk = crash_disk_new(1);
    struct durable *durable;
    must(open_state(disk, &durable, NULL, NULL) == OK, "a new state");
    for (int part = 1; part <= 2; part++) {
        take(durable, part * KEPT / 3, NULL);
        must(durable_snapshot(durable, true, NULL) == OK, "a snapshot");
    }
    take(durable, KEPT, NULL);
    must(durable_commit(durable, durable_position(durable), NULL) == OK, "a commit");
    durable_abandon(durable);
    const struct io *io = crash_disk_io(disk);
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++)
        must(io_list(io, folders[f], note_name, (void *)(uintptr_t)folders[f], NULL) == OK, "a folder");
    int kept = 0;
    for (int i = 0; i < n_files; i++) {
        uint8_t *bytes = crash_disk_bytes(disk, files[i].path, &files[i].size);
        if (!bytes || strstr(files[i].path, "/lock"))
            continue; /* a folder */
        files[kept] = files[i];
        files[kept].data = malloc(files[i].size + 1);
        memcpy(files[kept].data, bytes, files[i].size);
        kept++;
    }
    n_files = kept;
    crash_disk_free(disk);
}

static struct crash_disk *copy_with(const struct file *damaged, const uint8_t *data, uint64_t size)
{
    struct crash_disk *disk = crash_disk_new(1);
    const struct io *io = crash_disk_io(disk);
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++)
        io_make_directory(io, folders[f], NULL);
    for (int i = 0; i < n_files; i++) {
        bool is = &files[i] == damaged;
        crash_disk_put(disk, files[i].path, is ? data : files[i].data, is ? size : files[i].size);
    }
    return disk;
}

static int64_t opened, refused, shorter, passed_over;

static void try(const struct file *file, const uint8_t *data, uint64_t size)
{
    struct crash_disk *disk = copy_with(file, data, size);
    struct durable_recovery recovery = {0};
    struct durable *durable;
    struct error error = {0};
    int rc = open_state(disk, &durable, &recovery, &error);
    if (rc != OK) {
        refused++;
        if (rc != CODE_CORRUPT && rc != CODE_UNSUPPORTED && rc != CODE_CONFLICT && rc != CODE_NOT_FOUND)
            stop("an error of another kind", file, &error);
        if (rc == CODE_CORRUPT && strstr(file->path, ".snap"))
            stop("a damaged snapshot is not passed over", file, &error);
        if (!strstr(error.message, "/state"))
            stop("an error that does not name the place", file, &error);
        crash_disk_free(disk);
        return;
    }
    opened++;
    bool loses = durable_next_seq(durable) < KEPT + 1;
    shorter += loses;
    passed_over += recovery.snapshots.dropped;
    /* Cut behind a record, a journal is one that ended there. */
    bool ended = size < file->size && size % 8 == 0;
    if (loses && !recovery.journal.dropped && !ended)
        stop("events are gone, and nothing is said", file, NULL);
    if (strstr(file->path, ".snap") && loses)
        stop("a damaged snapshot costs events", file, NULL);
    take(durable, EVENTS, file);
    durable_abandon(durable);
    crash_disk_free(disk);
}

static void damage(const struct file *file, uint64_t step)
{
    uint8_t *data = malloc(file->size + 1);
    /* Another first byte in each file. */
    for (uint64_t at = strlen(file->path) % step; at < file->size; at += step) {
        memcpy(data, file->data, file->size);
        try(file, data, at);
        data[at] ^= (uint8_t)(1 << (at / step) % 8);
        try(file, data, file->size);
    }
    free(data);
}

int main(int argc, char **argv)
{
    uint64_t step = 13;
    if (argc == 3 && strcmp(argv[1], "--step") == 0)
        step = strtoull(argv[2], NULL, 10);
    log_set_level(LOG_ERROR);
    make_version();
    make_events();
    expect();
    make_directory();
    for (int i = 0; i < n_files; i++)
        damage(&files[i], step);
    printf("%lld damaged directories opened (%lld with a shorter journal, %lld snapshots left out), %lld "
           "refused\n",
           (long long)opened, (long long)shorter, (long long)passed_over, (long long)refused);
    must(opened && refused && shorter && passed_over, "a way was not met");
    for (int i = 0; i < n_files; i++)
        free(files[i].data);
    table_done(&events);
    model_unref(model);
    plan_unref(plan);
    printf("[  PASSED  ] %lld directories.\n", (long long)(opened + refused));
    return 0;
}
