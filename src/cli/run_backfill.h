/*
 * `run --state` with another plan than before: where past events come from, and what former versions were.
 */
#ifndef SHRIKE_CLI_RUN_BACKFILL_H
#define SHRIKE_CLI_RUN_BACKFILL_H

#include "base/log.h"
#include "cli/scored.h"
#include "score/durable.h"
#include "table/file_io.h"

struct run_backfill {
    struct durable_backfill hooks;
    const struct arguments *arguments;
    struct schema *events; /* columns that the new plan has */
    struct reader *reader; /* of --backfill FILE..., opened by the first call */
    struct progress progress;
    bool shown;
};

/* What --backfill says; ret->hooks is for durable_options, unless this is false: it was not given. */
bool run_backfill_init(const struct arguments *arguments, struct schema *events, struct run_backfill *ret);
void run_backfill_done(struct run_backfill *backfill);

/* How a version's engine is made that a switch names. */
struct engine_options run_version_options(const struct arguments *arguments,
                                          const struct switch_record *version);
/* A version as a switch has it: its files from `files`, unless NULL, or where its name says. CODE_CONFLICT:
 * it is not what it was. */
int run_open_version(const struct arguments *arguments, const struct switch_record *version,
                     const char *files, struct scorer *ret, struct engine_options *ret_options,
                     struct error *error);

/* The same for decisions that it has made, to print them: without files, reasons have no texts. */
int run_open_printer(const struct arguments *arguments, const struct durable *durable,
                     const struct durable_then *then, struct scorer *ret, struct error *error);

#endif
