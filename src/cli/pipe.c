#include "cli/pipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/ram.h"
#include "score/dataset.h"

int pipe_threads(const struct arguments *arguments)
{
    int threads = (int)argument_integer(arguments, "threads");
    return threads ? threads : cpu_count();
}

/* What is left is for the batches, the model, the reader and the kernel's own caches. */
int64_t pipe_memory(const struct arguments *arguments)
{
    return argument_given(arguments, "memory") ? argument_integer(arguments, "memory") : ram_bytes() / 5 * 4;
}

enum time_unit pipe_time_unit(const struct arguments *arguments)
{
    const char *unit = argument_text(arguments, "time-unit");
    if (!unit)
        return TIME_UNIT_NONE;
    return strcmp(unit, "s") == 0 ? TIME_UNIT_S : strcmp(unit, "ms") == 0 ? TIME_UNIT_MS : TIME_UNIT_US;
}

int pipe_reader(const struct arguments *arguments, struct schema *columns, struct parallel *pool,
                struct reader **ret, struct error *error)
{
    struct reader_options options = {.columns = columns,
                                     .time_unit = pipe_time_unit(arguments),
                                     .pool = pool,
                                     .lacks = dataset_warn_lacks};
    options.paths = argument_list(arguments, "in", &options.n_paths);
    return reader_open(&options, ret, error);
}

/* The types of columns that only the file knows. */
static int add_unknown(const struct arguments *arguments, const char *const *names, int n, struct kept *kept,
                       struct error *error)
{
    struct reader *reader = NULL;
    int rc = OK;
    for (int i = 0; rc == OK && i < n; i++) {
        if (schema_find(kept->in, names[i]) >= 0)
            continue;
        if (!reader)
            rc = pipe_reader(arguments, NULL, NULL, &reader, error);
        int found = rc == OK ? schema_find(reader_schema(reader), names[i]) : -1;
        if (rc == OK && found < 0)
            rc = error_set(error, CODE_INVALID, "--keep %s: the input has no such column", names[i]);
        if (rc == OK)
            rc = schema_add(kept->in, reader_schema(reader)->fields[found].name,
                            reader_schema(reader)->fields[found].type, error);
    }
    reader_close(reader);
    return rc;
}

int pipe_keep(const struct arguments *arguments, struct plan *plan, struct kept *ret, struct error *error)
{
    struct schema *events = plan_events(plan);
    struct kept kept = {.in = schema_new(0)};
    const char *const *names = argument_list(arguments, "keep", &kept.n);
    kept.columns = memory_new((size_t)kept.n, sizeof *kept.columns);
    int rc = kept.in && kept.columns ? OK : error_set(error, CODE_MEMORY, "no memory for the columns");
    for (int i = 0; rc == OK && i < events->n; i++) {
        rc = schema_add(kept.in, events->fields[i].name, events->fields[i].type, error);
        if (rc == OK) {
            kept.in->fields[i].roles = events->fields[i].roles;
            kept.in->fields[i].optional = events->fields[i].optional;
        }
    }
    if (rc == OK)
        rc = add_unknown(arguments, names, kept.n, &kept, error);
    for (int i = 0; rc == OK && i < kept.n; i++)
        kept.columns[i] = schema_find(kept.in, names[i]);
    if (rc != OK) {
        pipe_kept_done(&kept);
        return rc;
    }
    *ret = kept;
    return OK;
}

void pipe_kept_done(struct kept *kept)
{
    schema_unref(kept->in);
    free(kept->columns);
    *kept = (struct kept){0};
}

bool pipe_labels(const struct arguments *arguments, struct labels_options *ret)
{
    int n;
    const char *const *paths = argument_list(arguments, "labels", &n);
    if (!n)
        return false;
    *ret = (struct labels_options){.paths = paths,
                                   .n_paths = n,
                                   .time_column = argument_text(arguments, "label-time"),
                                   .time_unit = pipe_time_unit(arguments),
                                   .until = INT64_MAX};
    return true;
}

void pipe_report_labels(const struct labels_counters *counters)
{
    log_line(LOG_INFO, "%lld labels, %lld told to the windows", (long long)counters->labels,
             (long long)counters->told);
    if (counters->pending)
        log_line(LOG_INFO, "%lld labels arrived after the last event", (long long)counters->pending);
    if (counters->outside)
        log_line(LOG_INFO,
                 "%lld labels are of events in no window: too late, or left out by the plan's WHERE",
                 (long long)counters->outside);
    if (counters->unknown)
        log_line(LOG_WARNING, "%lld labels have an id that no event has", (long long)counters->unknown);
}

void pipe_print_labels(const struct labels_counters *counters)
{
    if (counters)
        printf(",\"labels\":{\"rows\":%lld,\"told\":%lld,\"outside\":%lld,\"pending\":%lld,"
               "\"unknown\":%lld}",
               (long long)counters->labels, (long long)counters->told, (long long)counters->outside,
               (long long)counters->pending, (long long)counters->unknown);
}

void pipe_report_book(const struct label_counters *counters)
{
    char size[UNITS_TEXT_SIZE];
    if (counters->waiting)
        log_line(LOG_INFO, "labels of %lld ids wait for their events", (long long)counters->waiting);
    log_line(LOG_INFO, "%lld events are kept for labels to come, in %s", (long long)counters->events,
             units_size_text(counters->bytes, size));
}

void pipe_report_filtered(const struct state_counters *counters)
{
    if (counters->filtered)
        log_line(LOG_INFO, "%lld of %lld events left out by the plan's WHERE", (long long)counters->filtered,
                 (long long)counters->events);
}

void pipe_report_enums(struct reader *reader)
{
    int64_t unknown = reader_unknown_enums(reader);
    if (unknown)
        log_line(LOG_WARNING, "%lld values are not in the list of their ENUM and are NULL",
                 (long long)unknown);
}
