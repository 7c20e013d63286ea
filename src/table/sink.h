/*
 * What stands behind a writer: a sink that takes tables in order. For src/table only.
 *
 * Threads: a sink is called by one thread; the CSV sink has a second one that encodes, the Parquet sink as
 * many more as it is told.
 */
#ifndef SHRIKE_TABLE_SINK_H
#define SHRIKE_TABLE_SINK_H

#include "table/source.h"

struct sink {
    int (*append)(struct sink *sink, const struct table *table, struct error *error);
    /* Everything taken is in the file (not flushed to the disk). */
    int (*end)(struct sink *sink, struct error *error);
    /* Frees the sink, before its end too; what was written is of no use then. */
    void (*close)(struct sink *sink);
};

/* All write to the file `target`; `path` is for messages, and its ending chooses. CSV: */
int duck_sink_open(const struct writer_options *options, enum format format, const char *target,
                   struct sink **ret, struct error *error);
int parquet_sink_open(const struct writer_options *options, const char *target, struct sink **ret,
                      struct error *error);
int json_sink_open(const struct writer_options *options, const char *target, struct sink **ret,
                   struct error *error);

#endif
