/*
 * The durable engine beside the disk it stands on, in one run: events in batches of 64 whose commits are
 * pipelined, single events beside raw flushes, many callers that wait, the path of one event without a flush,
 * a snapshot beside dd and the pause it makes, a restart, and memory over a long stream.
 *
 *   bench_durable PLAN.sql MODEL EVENTS... [--only batches|single|snapshot|memory] [--directory DIR]
 *                 [--rounds N] [--seconds S] [--entities N] [--each N] [--stream N] [--threads N]
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/limits.h"
#include "base/memory.h"
#include "model/linear.h"
#include "score/combiner.h"
#include "table/file_io.h"

enum { CALLERS = 64, MOST_ROUNDS = 99, MOST_TIMES = 1 << 21, BATCH = 64, WAITING = 64 };

static struct {
    const char *directory, *only;
    const char *plan, *model;
    const char *files[16];
    int n_files, rounds, threads;
    double seconds;
    int64_t entities, each, stream;
} settings = {".", NULL, NULL, NULL, {NULL}, 0, 3, 1, 3, 1000000, 60, 10000000};

static char folder[512];
static struct error error;

static void must(int code)
{
    char text[2048];
    if (code) {
        fprintf(stderr, "%s\n", error_format(&error, text, sizeof text));
        exit(1);
    }
}

static void check(bool failed, const char *what)
{
    if (failed) {
        perror(what);
        exit(1);
    }
}

static double now(void)
{
    return (double)clock_monotonic_ns() * 1e-9;
}

static void empty_folder(void)
{
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir '%s'", folder, folder);
    check(system(command), command);
}

/* ---- figures ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of one way of doing it: rates by round, unless only times are asked for, and times of single calls over
 * all rounds. */
struct figure {
    const char *name;
    double rates[MOST_ROUNDS], cpu[MOST_ROUNDS];
    double *times;
    int n_rounds, n_times;
};

static void note_time(struct figure *figure, double seconds)
{
    if (!figure->times) {
        figure->times = malloc(MOST_TIMES * sizeof *figure->times);
        check(!figure->times, "malloc");
    }
    if (figure->n_times < MOST_TIMES)
        figure->times[figure->n_times++] = seconds;
}

static void note_rate(struct figure *figure, int64_t n, double seconds, double cpu)
{
    figure->rates[figure->n_rounds] = (double)n / seconds;
    figure->cpu[figure->n_rounds++] = cpu / (double)n * 1e6;
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 2];
}

static void print_head(void)
{
    printf("| | events/s | best | CPU us each | p50 us | p99 us | longest us |\n"
           "|---|---|---|---|---|---|---|\n");
}

static void print_figure(struct figure *figure)
{
    printf("| %s |", figure->name);
    if (figure->n_rounds) {
        double rate = median(figure->rates, figure->n_rounds);
        printf(" %.0f | %.0f | %.2f |", rate, figure->rates[figure->n_rounds - 1],
               median(figure->cpu, figure->n_rounds));
    } else {
        printf(" | | |");
    }
    if (figure->n_times) {
        double *times = figure->times;
        int n = figure->n_times;
        qsort(times, (size_t)n, sizeof *times, ascending);
        printf(" %.1f | %.1f | %.0f |\n", times[n / 2] * 1e6, times[(int)(n * 0.99)] * 1e6,
               times[n - 1] * 1e6);
    } else {
        printf(" | | |\n");
    }
    free(figure->times);
    *figure = (struct figure){.name = figure->name};
}

/* ---- the engine and its events ---- */

static struct plan *plan;
static struct model *model;
static struct table events;

static double cpu(void)
{
    return (double)clock_process_cpu_ns() * 1e-9;
}

static void read_events(void)
{
    struct reader_options options = {
        .paths = settings.files, .n_paths = settings.n_files, .columns = plan_events(plan)};
    struct reader *reader;
    struct table batch;
    must(reader_open(&options, &reader, &error));
    must(table_init(&batch, plan_events(plan), &error));
    must(table_init(&events, plan_events(plan), &error));
    for (;;) {
        must(reader_next(reader, &batch, &error));
        if (!batch.length)
            break;
        must(table_append(&events, &batch, 0, batch.length, &error));
    }
    table_done(&batch);
    reader_close(reader);
}

static struct durable *open_engine(struct durable_options options, struct durable_recovery *recovery)
{
    struct durable_version version = {plan, model, NULL, "models:/bench/1", "bench", NULL};
    struct durable *durable;
    options.directory = folder; /* ids are not looked at unless the options say so */
    options.engine.state.threads = settings.threads;
    options.engine.threshold = 0.5;
    must(durable_open(&version, &options, &durable, recovery, &error));
    return durable;
}

static struct durable *open_empty(struct durable_options options)
{
    empty_folder();
    return open_engine(options, NULL);
}

/* ---- batches ---- */

static struct table *batches;
static int64_t n_batches;

static void cut(void)
{
    n_batches = events.length / BATCH;
    batches = memory_new((size_t)n_batches, sizeof *batches);
    check(!batches, "memory");
    for (int64_t i = 0; i < n_batches; i++) {
        must(table_init(&batches[i], events.schema, &error));
        must(table_append(&batches[i], &events, i * BATCH, BATCH, &error));
    }
}

static void drop_batches(void)
{
    for (int64_t i = 0; i < n_batches; i++)
        table_done(&batches[i]);
    free(batches);
}

/* Commits are asked for and not waited for, until WAITING batches wait. */
static void batches_round(enum journal_sync sync, int64_t dedupe_us, struct figure *figure)
{
    struct durable *durable = open_empty((struct durable_options){
        .sync = sync, .retain_bytes = INT64_MAX, .interval_ms = 10, .dedupe_us = dedupe_us});
    uint8_t known[BATCH];
    uint64_t seqs[BATCH];
    struct durable_batch about = {.source = "bench"};
    struct decisions decisions;
    uint64_t positions[WAITING] = {0};
    double begin = now(), before = begin, used = cpu();
    int64_t n = 0;
    for (; before - begin < settings.seconds && n < n_batches; n++) {
        about.source_position = (uint64_t)(n + 1) * BATCH;
        must(durable_look(durable, &batches[n], known, seqs, &error));
        must(durable_take(durable, &batches[n], &about, &decisions, &error));
        if (durable_committed(durable, about.position) < positions[n % WAITING])
            must(durable_commit(durable, positions[n % WAITING], &error));
        positions[n % WAITING] = about.position;
        double after = now();
        note_time(figure, after - before);
        before = after;
    }
    must(durable_commit(durable, about.position, &error));
    note_rate(figure, n * BATCH, now() - begin, cpu() - used);
    durable_abandon(durable);
}

static void plain_round(struct figure *figure)
{
    struct engine_options options = {.state.threads = settings.threads, .threshold = 0.5};
    struct engine *engine;
    struct decisions decisions;
    must(engine_new(plan, model, NULL, &options, &engine, &error));
    double begin = now(), before = begin, used = cpu();
    int64_t n = 0;
    for (; before - begin < settings.seconds && n < n_batches; n++) {
        must(engine_take(engine, &batches[n], &decisions, &error));
        double after = now();
        note_time(figure, after - before);
        before = after;
    }
    note_rate(figure, n * BATCH, now() - begin, cpu() - used);
    engine_free(engine);
}

static void bench_batches(void)
{
    static struct figure figures[] = {{.name = "engine alone, no journal"},
                                      {.name = "journal never flushed"},
                                      {.name = "journal flushed every 10 ms"},
                                      {.name = "durable, 64 batches may wait"},
                                      {.name = "the same, ids known as long as the plan's labels take"}};
    cut();
    for (int round = 0; round < settings.rounds; round++) {
        plain_round(&figures[0]);
        batches_round(JOURNAL_SYNC_NEVER, 0, &figures[1]);
        batches_round(JOURNAL_SYNC_INTERVAL, 0, &figures[2]);
        batches_round(JOURNAL_SYNC_COMMIT, 0, &figures[3]);
        batches_round(JOURNAL_SYNC_COMMIT, -1, &figures[4]);
    }
    printf("Batches of %d events, one caller; times are of a batch. Medians of %d rounds.\n\n", BATCH,
           settings.rounds);
    print_head();
    for (int i = 0; i < 5; i++)
        print_figure(&figures[i]);
    printf("\n");
    drop_batches();
}

/* ---- single events ---- */

/* As many bytes as an event and its decision have, over zeros: the least that a flush costs. */
static void raw_round(struct figure *figure)
{
    enum { RECORD = 256 };
    static char zeros[1 << 20];
    char path[600], data[RECORD];
    memset(data, 1, sizeof data);
    snprintf(path, sizeof path, "%s/raw", folder);
    empty_folder();
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    check(file < 0, path);
    for (int i = 0; i < 16; i++)
        check(pwrite(file, zeros, sizeof zeros, (off_t)i << 20) != sizeof zeros, path);
    check(fsync(file), path);
    double begin = now(), end = begin, used = cpu();
    off_t at = 0;
    int64_t n = 0;
    for (; end - begin < settings.seconds && at + RECORD <= 16 << 20; n++, at += RECORD) {
        double before = end;
        check(pwrite(file, data, sizeof data, at) != sizeof data, path);
        check(fdatasync(file), path);
        end = now();
        note_time(figure, end - before);
    }
    note_rate(figure, n, end - begin, cpu() - used);
    close(file);
}

/* One of the events in a table of its own, as a request brings it. */
static void put_event(struct table *ret, int64_t i)
{
    table_clear(ret);
    check(table_append(ret, &events, i, 1, NULL) != OK, "an event");
}

/* With commits, or the path of an event alone. */
static void single_round(bool commits, struct figure *figure)
{
    struct durable *durable =
        open_empty((struct durable_options){.sync = commits ? JOURNAL_SYNC_COMMIT : JOURNAL_SYNC_NEVER});
    struct durable_batch about = {.source = ""};
    struct decisions decisions;
    struct table event;
    double begin = now(), end = begin, used = cpu();
    int64_t n = 0;
    must(table_init(&event, events.schema, &error));
    for (; end - begin < settings.seconds && n < events.length; n++) {
        put_event(&event, n);
        double before = now();
        must(durable_take(durable, &event, &about, &decisions, &error));
        if (commits)
            must(durable_commit(durable, about.position, &error));
        end = now();
        note_time(figure, end - before);
    }
    table_done(&event);
    note_rate(figure, n, end - begin, cpu() - used);
    durable_abandon(durable);
}

struct caller {
    struct combiner *combiner;
    pthread_t thread;
    struct figure *figure; /* NULL: times are not kept */
    double until;
    int64_t first, n;
};

static void *call(void *argument)
{
    struct caller *caller = argument;
    struct decided decided;
    struct table event;
    struct error own = {0};
    check(decided_init(&decided, plan_features(plan), &own) != OK, "decisions");
    check(table_init(&event, events.schema, &own) != OK, "an event");
    for (double after = 0; after < caller->until; caller->n++) {
        int64_t at = caller->first + caller->n * CALLERS;
        if (at >= events.length)
            break;
        put_event(&event, at);
        double before = now();
        check(combiner_take(caller->combiner, &event, &decided, &own) != OK, own.message);
        after = now();
        if (caller->figure)
            note_time(caller->figure, after - before);
    }
    table_done(&event);
    decided_done(&decided);
    return NULL;
}

static void callers_round(int n_callers, struct figure *figure)
{
    static struct caller callers[CALLERS];
    struct durable *durable = open_empty((struct durable_options){.sync = JOURNAL_SYNC_COMMIT});
    struct combiner *combiner;
    must(combiner_new(durable, &combiner, &error));
    double begin = now(), used = cpu();
    int64_t n = 0;
    for (int i = 0; i < n_callers; i++) {
        callers[i] = (struct caller){
            .combiner = combiner, .figure = i ? NULL : figure, .until = begin + settings.seconds, .first = i};
        check(pthread_create(&callers[i].thread, NULL, call, &callers[i]), "pthread_create");
    }
    for (int i = 0; i < n_callers; i++) {
        pthread_join(callers[i].thread, NULL);
        n += callers[i].n;
    }
    note_rate(figure, n, now() - begin, cpu() - used);
    combiner_free(combiner);
    durable_abandon(durable);
}

static void bench_single(void)
{
    static struct figure figures[] = {{.name = "raw fdatasync of 256 bytes over zeros"},
                                      {.name = "1 caller, each event durable"},
                                      {.name = "4 callers, each event durable"},
                                      {.name = "64 callers, each event durable"},
                                      {.name = "1 caller, never flushed"}};
    for (int round = 0; round < settings.rounds; round++) {
        raw_round(&figures[0]);
        single_round(true, &figures[1]);
        callers_round(4, &figures[2]);
        callers_round(CALLERS, &figures[3]);
        single_round(false, &figures[4]);
    }
    double raw = median(figures[0].rates, settings.rounds), one = median(figures[1].rates, settings.rounds);
    printf("Single events. Medians of %d rounds.\n\n", settings.rounds);
    print_head();
    for (int i = 0; i < 5; i++)
        print_figure(&figures[i]);
    printf("\n1 caller: %.2f of raw flushes.\n\n", one / raw);
}

/* ---- generated events: every entity as often ---- */

static const char generated_plan[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card BIGINT, amount DOUBLE);\n"
    "SELECT amount, count(*) OVER d AS n_1d, avg(amount) OVER d AS mean_1d,\n"
    "  count(*) OVER w AS n_7d, avg(amount) OVER w AS mean_7d,\n"
    "  count(*) OVER m AS n_30d, avg(amount) OVER m AS mean_30d\n"
    "FROM tx WINDOW c AS (PARTITION BY card ORDER BY ts),\n"
    "  d AS (c RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),\n"
    "  w AS (c RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW),\n"
    "  m AS (c RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW);";

static void generate_version(void)
{
    enum { N = 7 };
    const char *names[N] = {"amount", "n_1d", "mean_1d", "n_7d", "mean_7d", "n_30d", "mean_30d"};
    double weights[N], means[N], sds[N];
    char *text;
    size_t size;
    for (int i = 0; i < N; i++) {
        weights[i] = 0.1;
        means[i] = 50;
        sds[i] = 20;
    }
    struct linear linear = {
        .n = N, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    must(plan_compile(generated_plan, strlen(generated_plan), "features.sql", &plan, &error));
    must(linear_write(&linear, &text, &size, &error));
    must(model_parse(text, size, &model, &error));
    free(text);
}

/* Event number i goes to the entity `card`; `span_us` pass between two events. */
static void generate(struct table *ret, int64_t from, int64_t n, double span_us, int64_t first_card,
                     int64_t cards)
{
    const struct field *fields = plan_events(plan)->fields;
    table_clear(ret);
    must(table_reserve(ret, n, &error));
    for (int64_t i = from; i < from + n; i++) {
        uint64_t mixed = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
        int64_t card = first_card + i * 611953 % cards; /* a prime: all of them, in no order */
        column_append_int(&ret->columns[0], &fields[0].type, i);
        column_append_int(&ret->columns[1], &fields[1].type,
                          INT64_C(1700000000000000) + (int64_t)((double)i * span_us));
        column_append_int(&ret->columns[2], &fields[2].type, card);
        column_append_double(&ret->columns[3], &fields[3].type, (double)(mixed >> 44) / 1000);
    }
    ret->length = n;
}

static int64_t resident_mib(void)
{
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    check(!file || fscanf(file, "%ld %ld", &all, &pages) != 2, "/proc/self/statm");
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) >> 20;
}

/* ---- snapshots ---- */

static double run_dd(int64_t bytes)
{
    char command[1400];
    snprintf(command, sizeof command,
             "dd if=/dev/zero of='%s/dd' bs=1M count=%lld conv=fsync 2>/dev/null && rm '%s/dd'", folder,
             (long long)(bytes >> 20), folder);
    double begin = now();
    check(system(command), command);
    return (double)(bytes >> 20) / 1024 / (now() - begin);
}

static int64_t snapshot_bytes(bool forget)
{
    char command[1200], line[600];
    int64_t bytes = 0;
    snprintf(command, sizeof command, "ls -t '%s'/snapshots/* | head -1", folder);
    FILE *list = popen(command, "r");
    check(!list || !fgets(line, sizeof line, list), command);
    pclose(list);
    line[strcspn(line, "\n")] = 0;
    int file = open(line, O_RDONLY);
    check(file < 0, line);
    bytes = lseek(file, 0, SEEK_END);
    if (forget)
        check(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), line);
    close(file);
    return bytes;
}

/* Windows only: the journal need not know of what the snapshot is made of. */
static int64_t fill(struct durable *durable)
{
    int64_t n = settings.entities * settings.each;
    double span_us = 29.0 * 86400e6 / (double)n, begin = now();
    struct table batch;
    must(table_init(&batch, plan_events(plan), &error));
    for (int64_t at = 0; at < n;) {
        int64_t rows = n - at < LIMIT_BATCH_ROWS ? n - at : LIMIT_BATCH_ROWS;
        generate(&batch, at, rows, span_us, 0, settings.entities);
        must(engine_follow(durable_engine(durable), &batch, &error));
        at += rows;
    }
    table_done(&batch);
    printf("%lld entities of %lld events, generated and taken in %.0f s; %lld MiB resident.\n",
           (long long)settings.entities, (long long)settings.each, now() - begin, (long long)resident_mib());
    return n;
}

/* Waits of single events, and how much of the longest was this thread at work: the rest is other processes
 * and what the host of a virtual machine does meanwhile. */
struct waits {
    struct figure wall;
    double longest, longest_cpu;
};

struct pauses {
    struct waits alone, beside, behind;
    struct figure begins;
    int64_t n; /* of the next event */
};

static double thread_cpu(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* Seconds that the host gave to others while this machine wanted them, over all its processors. */
static double stolen(void)
{
    long long ticks = 0;
    FILE *file = fopen("/proc/stat", "r");
    if (file) {
        if (fscanf(file, "cpu %*d %*d %*d %*d %*d %*d %*d %lld", &ticks) != 1)
            ticks = 0;
        fclose(file);
    }
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* A single event, generated before the clock runs. */
static void take_one(struct durable *durable, int64_t n, struct waits *waits)
{
    struct table batch;
    double span_us = 29.0 * 86400e6 / (double)(settings.entities * settings.each);
    struct durable_batch about = {.source = ""};
    struct decisions decisions;
    must(table_init(&batch, plan_events(plan), &error));
    generate(&batch, n, 1, span_us, 0, settings.entities);
    double used = thread_cpu(), before = now();
    must(durable_take(durable, &batch, &about, &decisions, &error));
    durable_committed(durable, about.position);
    double took = now() - before;
    used = thread_cpu() - used;
    note_time(&waits->wall, took);
    if (took > waits->longest) {
        waits->longest = took;
        waits->longest_cpu = used;
    }
    table_done(&batch);
    usleep(20);
}

/* Single events for three seconds; then while a child writes a snapshot, and while memory is tidied behind
 * it. Seconds until the snapshot stands. */
static double beside_snapshot(struct durable *durable, struct pauses *pauses)
{
    for (double until = now() + 3; now() < until;)
        take_one(durable, pauses->n++, &pauses->alone);
    double begin = now(), took = 0;
    must(durable_snapshot(durable, false, &error));
    note_time(&pauses->begins, now() - begin);
    enum snapshot_stage stage = SNAPSHOT_WRITING;
    while (stage != SNAPSHOT_NONE) {
        take_one(durable, pauses->n++, stage == SNAPSHOT_WRITING ? &pauses->beside : &pauses->behind);
        stage = durable_snapshot_stage(durable);
        if (stage != SNAPSHOT_WRITING && took == 0)
            took = now() - begin;
    }
    return took;
}

static void restart(const char *how, bool forget)
{
    struct durable_recovery recovery;
    if (forget)
        snapshot_bytes(true);
    double begin = now(), used = cpu();
    struct durable *durable = open_engine((struct durable_options){.snapshot_bytes = INT64_MAX}, &recovery);
    printf("Restart, %s: %.2f s (%.2f s of CPU); from the snapshot at %llu, %llu events behind it.\n", how,
           now() - begin, cpu() - used, (unsigned long long)recovery.snapshot_seq,
           (unsigned long long)recovery.taken_again);
    durable_abandon(durable);
}

static void bench_snapshot(void)
{
    static struct pauses pauses = {.alone.wall.name = "single events alone, three seconds each time",
                                   .begins.name = "beginning a snapshot",
                                   .beside.wall.name = "single events beside it",
                                   .behind.wall.name = "single events while memory is tidied behind it"};
    double ours[MOST_ROUNDS], dds[MOST_ROUNDS];
    generate_version();
    struct durable *durable = open_empty((struct durable_options){.snapshot_bytes = INT64_MAX});
    int64_t bytes = 0;
    pauses.n = fill(durable);
    double begin = now(), before = stolen();
    for (int round = 0; round < settings.rounds; round++) {
        double took = beside_snapshot(durable, &pauses);
        bytes = snapshot_bytes(false);
        ours[round] = (double)bytes / (1 << 30) / took;
        dds[round] = run_dd(bytes);
    }
    double stole = stolen() - before, waited = (now() - begin) * cpu_count();
    double mine = median(ours, settings.rounds), theirs = median(dds, settings.rounds);
    printf("Snapshot of %lld MiB: %.3f GiB/s; dd conv=fsync: %.3f GiB/s; %.2f of it.\n\n",
           (long long)(bytes >> 20), mine, theirs, mine / theirs);
    print_head();
    print_figure(&pauses.alone.wall);
    print_figure(&pauses.begins);
    print_figure(&pauses.beside.wall);
    print_figure(&pauses.behind.wall);
    printf(
        "\nOf the longest, this thread's own work: alone %.0f us, beside %.0f us, behind %.0f us; the host "
        "took %.1f s of %.0f s of this machine's processors.\n\n",
        pauses.alone.longest_cpu * 1e6, pauses.beside.longest_cpu * 1e6, pauses.behind.longest_cpu * 1e6,
        stole, waited);
    durable_abandon(durable);
    restart("snapshot in the cache", false);
    restart("snapshot from the disk", true);
    printf("\n");
    model_unref(model);
    plan_unref(plan);
}

/* ---- memory over a long stream ---- */

/* A tenth as many entities as events, each heard of for a while and never again. */
static void bench_memory(void)
{
    enum { ROWS = 256, LIFE = 100000, LINES = 20 };
    struct durable_batch about = {.source = "stream"};
    struct decisions decisions;
    struct state_counters counters;
    struct journal_state state;
    struct table batch;
    generate_version();
    struct durable *durable = open_empty((struct durable_options){.sync = JOURNAL_SYNC_INTERVAL,
                                                                  .interval_ms = 100,
                                                                  .segment_bytes = 16 << 20,
                                                                  .snapshot_bytes = 64 << 20,
                                                                  .retain_bytes = 64 << 20});
    must(table_init(&batch, plan_events(plan), &error));
    printf(
        "| events | resident MiB | windows MiB | entities | journal MiB | segments |\n|---|---|---|---|---|"
        "---|\n");
    double begin = now();
    for (int64_t at = 0, line = 1; at < settings.stream; at += ROWS) {
        /* 30 days are 2 M events. */
        generate(&batch, at, ROWS, 30.0 * 86400e6 / 2e6, at / 10 / LIFE * LIFE, LIFE);
        about.source_position = (uint64_t)(at + ROWS);
        must(durable_take(durable, &batch, &about, &decisions, &error));
        if (at + ROWS < line * (settings.stream / LINES))
            continue;
        line++;
        state_counters(engine_state(durable_engine(durable)), &counters);
        durable_journal_state(durable, &state);
        printf("| %lld | %lld | %lld | %lld | %llu | %llu |\n", (long long)(at + ROWS),
               (long long)resident_mib(), (long long)(counters.bytes >> 20), (long long)counters.entities,
               (unsigned long long)(state.bytes >> 20), (unsigned long long)state.segments);
        fflush(stdout);
    }
    printf("\n%lld events in %.0f s.\n\n", (long long)settings.stream, now() - begin);
    table_done(&batch);
    must(durable_close(durable, &error));
    model_unref(model);
    plan_unref(plan);
}

/* ---- */

static bool read_option(int argc, char **argv, int *i)
{
    const struct {
        const char *name;
        int64_t *wide;
        int *narrow;
        double *real;
        const char **text;
    } options[] = {{.name = "--directory", .text = &settings.directory},
                   {.name = "--only", .text = &settings.only},
                   {.name = "--rounds", .narrow = &settings.rounds},
                   {.name = "--threads", .narrow = &settings.threads},
                   {.name = "--seconds", .real = &settings.seconds},
                   {.name = "--entities", .wide = &settings.entities},
                   {.name = "--each", .wide = &settings.each},
                   {.name = "--stream", .wide = &settings.stream}};
    for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
        if (strcmp(argv[*i], options[o].name) != 0 || *i + 1 >= argc)
            continue;
        const char *value = argv[++*i];
        if (options[o].text)
            *options[o].text = value;
        else if (options[o].wide)
            *options[o].wide = strtoll(value, NULL, 10);
        else if (options[o].narrow)
            *options[o].narrow = (int)strtol(value, NULL, 10);
        else
            *options[o].real = strtod(value, NULL);
        return true;
    }
    return false;
}

static bool read_settings(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (read_option(argc, argv, &i))
            continue;
        if (argv[i][0] == '-' || settings.n_files == 16)
            return false;
        if (!settings.plan)
            settings.plan = argv[i];
        else if (!settings.model)
            settings.model = argv[i];
        else
            settings.files[settings.n_files++] = argv[i];
    }
    return settings.n_files && settings.rounds >= 1 && settings.rounds <= MOST_ROUNDS &&
           settings.entities > 0 && settings.each > 0;
}

static bool wanted(const char *what)
{
    return !settings.only || strcmp(settings.only, what) == 0;
}

int main(int argc, char **argv)
{
    if (!read_settings(argc, argv)) {
        fprintf(stderr, "usage: bench_durable PLAN.sql MODEL EVENTS... [--only "
                        "batches|single|snapshot|memory]\n  [--directory DIR] [--rounds N] [--seconds S] "
                        "[--entities N] [--each N] [--stream N] [--threads N]\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/bench-durable.%ld", settings.directory, (long)getpid());
    if (wanted("batches") || wanted("single")) {
        must(plan_load(settings.plan, &plan, &error));
        must(model_load(settings.model, &model, &error));
        read_events();
        if (wanted("batches"))
            bench_batches();
        if (wanted("single"))
            bench_single();
        table_done(&events);
        model_unref(model);
        plan_unref(plan);
    }
    if (wanted("snapshot"))
        bench_snapshot();
    if (wanted("memory"))
        bench_memory();
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}
