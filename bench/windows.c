/*
 * Window state alone, in memory: how many events a second state_take takes on how many threads, and the
 * latency of batches of one. No files are read or written while the clock runs.
 *
 *   bench_windows PLAN.sql FILE [--threads N] [--batch N] [--rounds N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "feature/state.h"

#include "read_all.h"

struct settings {
    const char *plan, *file;
    int threads, rounds;
    int64_t batch;
};

static int compare_longs(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Cuts the events into tables of `batch` rows. */
static int cut(const struct table *events, int64_t batch, struct table *ret, struct error *error)
{
    int rc = OK;
    for (int64_t from = 0, i = 0; rc == OK && from < events->length; from += batch, i++) {
        int64_t n = events->length - from < batch ? events->length - from : batch;
        rc = table_init(&ret[i], events->schema, error);
        if (rc == OK)
            rc = table_append(&ret[i], events, from, n, error);
    }
    return rc;
}

static int measure(const struct settings *settings, struct plan *plan, const struct table *batches, int64_t n,
                   int64_t rows, struct error *error)
{
    struct state_options options = {.threads = settings->threads};
    struct state *state;
    struct table features;
    int64_t *times = memory_new((size_t)n, sizeof *times);
    int rc = times ? state_new(plan, &options, &state, error) : error_set(error, CODE_MEMORY, "no memory");
    if (rc != OK)
        return rc;
    rc = table_init(&features, plan_features(plan), error);
    int64_t cpu = clock_process_cpu_ns(), wall = clock_monotonic_ns();
    for (int64_t i = 0; rc == OK && i < n; i++) {
        int64_t before = clock_monotonic_ns();
        rc = state_take(state, &batches[i], &features, error);
        times[i] = clock_monotonic_ns() - before;
    }
    wall = clock_monotonic_ns() - wall;
    cpu = clock_process_cpu_ns() - cpu;
    if (rc == OK) {
        qsort(times, (size_t)n, sizeof *times, compare_longs);
        printf("%lld events, batches of %lld, %d threads: %.2f M events/s wall, %.2f M events/s CPU; "
               "a batch: p50 %.2f us, p99 %.2f us, p99.9 %.2f us, max %.1f us\n",
               (long long)rows, (long long)settings->batch, settings->threads,
               (double)rows / (double)wall * 1e3, (double)rows / (double)cpu * 1e3,
               (double)times[n / 2] / 1e3, (double)times[n * 99 / 100] / 1e3,
               (double)times[n * 999 / 1000] / 1e3, (double)times[n - 1] / 1e3);
    }
    table_done(&features);
    state_free(state);
    free(times);
    return rc;
}

int main(int argc, char **argv)
{
    struct settings settings = {.threads = 1, .rounds = 3, .batch = 16384};
    struct error error = {0};
    struct plan *plan;
    struct table events;
    char text[2048];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            settings.threads = (int)strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--batch") == 0 && i + 1 < argc)
            settings.batch = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            settings.rounds = (int)strtol(argv[++i], NULL, 10);
        else if (!settings.plan)
            settings.plan = argv[i];
        else
            settings.file = argv[i];
    }
    if (!settings.file || settings.batch < 1) {
        fprintf(stderr, "usage: bench_windows PLAN.sql FILE [--threads N] [--batch N] [--rounds N]\n");
        return 2;
    }
    int rc = plan_load(settings.plan, &plan, &error);
    if (rc == OK)
        rc = table_init(&events, plan_events(plan), &error);
    if (rc == OK)
        rc = read_all(settings.file, plan, &events, &error);
    int64_t n = rc == OK ? (events.length + settings.batch - 1) / settings.batch : 0;
    struct table *batches = memory_new((size_t)n, sizeof *batches);
    if (rc == OK)
        rc = cut(&events, settings.batch, batches, &error);
    for (int r = 0; rc == OK && r < settings.rounds; r++)
        rc = measure(&settings, plan, batches, n, events.length, &error);
    if (rc != OK) {
        fprintf(stderr, "%s\n", error_format(&error, text, sizeof text));
        return 1;
    }
    for (int64_t i = 0; i < n; i++)
        table_done(&batches[i]);
    free(batches);
    table_done(&events);
    plan_unref(plan);
    return 0;
}
