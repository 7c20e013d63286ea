/*
 * What the journal takes beside what the disk takes, in one run: appends, commits by one caller and by 64,
 * raw flushes in files that are prepared in different ways, a snapshot beside dd.
 *
 * bench_journal [--directory DIR] [--rounds N] [--seconds S] [--snapshot-mib N]
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "journal/journal.h"
#include "journal/snapshots.h"

enum { CALLERS = 64, MOST_ROUNDS = 99, MOST_TIMES = 1 << 20, RECORD = 256 };

static struct {
    const char *directory;
    int rounds;
    double seconds;
    int snapshot_mib;
} settings = {".", 5, 1, 1024};

static char folder[512];

static void must(int code, const struct error *error)
{
    if (code) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

static void check(int failed, const char *what)
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
    return x < y ? -1 : x > y;
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 2];
}

/* Of one way of doing it: rates by round, and times of single commits over all rounds. */
struct figure {
    const char *name;
    double rates[MOST_ROUNDS];
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

static double print_figure(struct figure *figure, double bytes)
{
    double rate = median(figure->rates, figure->n_rounds);
    printf("| %s | %.0f | %.1f |", figure->name, rate, rate * bytes / 1e6);
    if (figure->n_times) {
        double *times = figure->times;
        int n = figure->n_times;
        qsort(times, (size_t)n, sizeof *times, ascending);
        printf(" %.0f | %.0f |\n", times[n / 2] * 1e6, times[(int)(n * 0.99)] * 1e6);
    } else {
        printf(" | |\n");
    }
    free(figure->times);
    return rate;
}

/* ---- raw flushes ---- */

enum raw { GROWING, ALLOCATED, ZEROED };

static void raw_round(enum raw how, struct figure *figure)
{
    static char zeros[1 << 20];
    char path[600], data[RECORD];
    memset(data, 1, sizeof data);
    snprintf(path, sizeof path, "%s/raw", folder);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    check(file < 0, path);
    for (int i = 0; how == ZEROED && i < 16; i++)
        check(pwrite(file, zeros, sizeof zeros, (off_t)i << 20) != sizeof zeros, path);
    if (how == ALLOCATED)
        check(posix_fallocate(file, 0, 16 << 20), path);
    check(fsync(file), path);
    double begin = now(), end = begin;
    off_t at = 0;
    int n = 0;
    for (; end - begin < settings.seconds && at + RECORD <= 16 << 20; n++, at += RECORD) {
        double before = end;
        check(pwrite(file, data, sizeof data, at) != sizeof data, path);
        check(fdatasync(file), path);
        end = now();
        note_time(figure, end - before);
    }
    figure->rates[figure->n_rounds++] = n / (end - begin);
    close(file);
    unlink(path);
}

/* ---- the journal ---- */

struct caller {
    struct journal *journal;
    pthread_t thread;
    struct figure *figure; /* NULL: times are not kept */
    double until;
    int64_t n;
    bool commits;
};

static void *call(void *argument)
{
    struct caller *caller = argument;
    struct error error;
    char data[RECORD];
    memset(data, 1, sizeof data);
    for (double before = now(); before < caller->until; caller->n++) {
        struct journal_place place;
        must(journal_append(caller->journal, RECORD_EVENTS, 1, data, sizeof data, &place, &error), &error);
        if (caller->commits)
            must(journal_commit(caller->journal, place.position, &error), &error);
        else if (caller->n % 64)
            continue; /* looks at the clock after as many as a batch has */
        double after = now();
        if (caller->figure)
            note_time(caller->figure, after - before);
        before = after;
    }
    return NULL;
}

static void journal_round(struct journal_options options, int n_callers, bool commits, struct figure *figure)
{
    static struct caller callers[CALLERS];
    struct journal *journal;
    struct error error;
    empty_folder();
    options.directory = folder;
    must(journal_open(&options, &journal, NULL, &error), &error);
    double begin = now();
    int64_t n = 0;
    for (int i = 0; i < n_callers; i++) {
        callers[i] = (struct caller){.journal = journal,
                                     .figure = i || !commits ? NULL : figure,
                                     .until = begin + settings.seconds,
                                     .commits = commits};
        check(pthread_create(&callers[i].thread, NULL, call, &callers[i]), "pthread_create");
    }
    for (int i = 0; i < n_callers; i++) {
        pthread_join(callers[i].thread, NULL);
        n += callers[i].n;
    }
    must(journal_close(journal, &error), &error);
    figure->rates[figure->n_rounds++] = (double)n / (now() - begin);
}

static void commits(void)
{
    static struct figure figures[] = {
        {.name = "raw fdatasync, growing file"},
        {.name = "raw fdatasync, fallocate"},
        {.name = "raw fdatasync, over zeros"},
        {.name = "1 caller, flushes itself"},
        {.name = "1 caller, thread flushes"},
        {.name = "64 callers, first of them flushes"},
        {.name = "64 callers, thread flushes"},
        {.name = "64 callers, flushed every 10 ms"},
        {.name = "1 caller, appends, flushed every 10 ms"},
        {.name = "1 caller, appends, never flushed"},
    };
    enum { N = sizeof figures / sizeof *figures };
    struct journal_options caller = {0}, thread = {.flusher = JOURNAL_FLUSH_THREAD};
    struct journal_options interval = {.sync = JOURNAL_SYNC_INTERVAL, .interval_ms = 10};
    struct journal_options never = {.sync = JOURNAL_SYNC_NEVER};
    for (int round = 0; round < settings.rounds; round++) {
        empty_folder();
        for (int how = GROWING; how <= ZEROED; how++)
            raw_round((enum raw)how, &figures[how]);
        journal_round(caller, 1, true, &figures[3]);
        journal_round(thread, 1, true, &figures[4]);
        journal_round(caller, CALLERS, true, &figures[5]);
        journal_round(thread, CALLERS, true, &figures[6]);
        journal_round(interval, CALLERS, true, &figures[7]);
        journal_round(interval, 1, false, &figures[8]);
        journal_round(never, 1, false, &figures[9]);
    }
    printf("Records of %d bytes; medians of %d rounds of %.1f s, one after the other.\n\n"
           "| | per second | MB/s | p50 us | p99 us |\n|---|---|---|---|---|\n",
           RECORD, settings.rounds, settings.seconds);
    double rates[N];
    for (int i = 0; i < N; i++)
        rates[i] = print_figure(&figures[i], RECORD);
    printf("\n1 caller: %.2f of raw flushes over zeros, %.2f with a thread; 64 callers: %.1f and %.1f "
           "times.\n\n",
           rates[3] / rates[2], rates[4] / rates[2], rates[5] / rates[2], rates[6] / rates[2]);
}

/* ---- snapshots ---- */

static double write_snapshot(void)
{
    enum { BLOCK = 256 << 10 };
    static uint8_t block[BLOCK];
    struct snapshots snapshots;
    struct snapshot_writer *writer;
    struct error error;
    uint8_t identity[JOURNAL_IDENTITY] = {1};
    memset(block, 7, sizeof block);
    must(snapshots_init(&snapshots, NULL, folder, identity, &error), &error);
    struct snapshot_head head = {.seq = 1, .position = 1};
    double begin = now();
    must(snapshot_writer_new(&snapshots, &head, &writer, &error), &error);
    for (int64_t i = 0; i < (int64_t)settings.snapshot_mib * 4; i++)
        must(snapshot_put(writer, 1, block, sizeof block, &error), &error);
    must(snapshot_finish(writer, &error), &error);
    snapshot_writer_free(writer);
    return settings.snapshot_mib / 1024.0 / (now() - begin);
}

static double read_snapshot(void)
{
    struct snapshots snapshots;
    struct snapshot_reader *reader;
    struct error error;
    uint8_t identity[JOURNAL_IDENTITY] = {1};
    must(snapshots_init(&snapshots, NULL, folder, identity, &error), &error);
    double begin = now();
    must(snapshots_newest(&snapshots, UINT64_MAX, true, &reader, NULL, &error), &error);
    check(!reader, "no snapshot");
    snapshot_reader_free(reader);
    return settings.snapshot_mib / 1024.0 / (now() - begin);
}

static double run_dd(void)
{
    char command[1400];
    snprintf(command, sizeof command,
             "dd if=/dev/zero of='%s/dd' bs=1M count=%d conv=fsync 2>/dev/null && rm '%s/dd'", folder,
             settings.snapshot_mib, folder);
    double begin = now();
    check(system(command), command);
    return settings.snapshot_mib / 1024.0 / (now() - begin);
}

static void *write_in_background(void *argument)
{
    (void)argument;
    write_snapshot();
    return NULL;
}

/* What single commits take while a snapshot is written beside them. */
static void print_commits_beside(void)
{
    static struct figure figure;
    struct journal_options options = {.directory = folder};
    struct journal *journal;
    struct error error;
    pthread_t thread;
    empty_folder();
    must(journal_open(&options, &journal, NULL, &error), &error);
    check(pthread_create(&thread, NULL, write_in_background, NULL), "pthread_create");
    struct caller caller = {.journal = journal, .figure = &figure, .until = now() + 2, .commits = true};
    call(&caller);
    pthread_join(thread, NULL);
    must(journal_close(journal, &error), &error);
    qsort(figure.times, (size_t)figure.n_times, sizeof *figure.times, ascending);
    printf("Commits of 2 s beside a snapshot: %d, p50 %.0f us, p99 %.0f us, longest %.0f us.\n",
           figure.n_times, figure.times[figure.n_times / 2] * 1e6,
           figure.times[(int)(figure.n_times * 0.99)] * 1e6, figure.times[figure.n_times - 1] * 1e6);
    free(figure.times);
}

static void snapshot(void)
{
    double ours[MOST_ROUNDS], dds[MOST_ROUNDS], reads[MOST_ROUNDS];
    for (int round = 0; round < settings.rounds; round++) {
        empty_folder();
        dds[round] = run_dd();
        ours[round] = write_snapshot();
        reads[round] = read_snapshot();
    }
    double mine = median(ours, settings.rounds), theirs = median(dds, settings.rounds);
    printf("Snapshot of %d MiB in blocks of 256 KiB: %.2f GiB/s; dd conv=fsync: %.2f GiB/s; %.2f of it. "
           "Checked again, from the cache: %.2f GiB/s.\n\n",
           settings.snapshot_mib, mine, theirs, mine / theirs, median(reads, settings.rounds));
    print_commits_beside();
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--directory") == 0 && i + 1 < argc) {
            settings.directory = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            settings.rounds = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            settings.seconds = strtod(argv[++i], NULL);
        } else if (strcmp(argv[i], "--snapshot-mib") == 0 && i + 1 < argc) {
            settings.snapshot_mib = (int)strtol(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: bench_journal [--directory DIR] [--rounds N] [--seconds S] "
                            "[--snapshot-mib N]\n");
            return 2;
        }
    }
    if (settings.rounds < 1 || settings.rounds > MOST_ROUNDS)
        settings.rounds = 5;
    snprintf(folder, sizeof folder, "%s/bench-journal.%ld", settings.directory, (long)getpid());
    empty_folder();
    commits();
    snapshot();
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) != 0;
}
