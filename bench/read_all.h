/* What the benches that measure in memory have in common: all events of a file as one table. */
#ifndef SHRIKE_BENCH_READ_ALL_H
#define SHRIKE_BENCH_READ_ALL_H

#include "feature/plan.h"
#include "table/file_io.h"

/* ret: initialised with plan_events. */
static int read_all(const char *file, struct plan *plan, struct table *ret, struct error *error)
{
    struct reader_options options = {.paths = &file, .n_paths = 1, .columns = plan_events(plan)};
    struct reader *reader;
    struct table batch;
    int rc = reader_open(&options, &reader, error);
    if (rc != OK)
        return rc;
    rc = table_init(&batch, plan_events(plan), error);
    while (rc == OK && (rc = reader_next(reader, &batch, error)) == OK && batch.length)
        rc = table_append(ret, &batch, 0, batch.length, error);
    table_done(&batch);
    reader_close(reader);
    return rc;
}

#endif
