/*
 * `run --state` while it runs: on SIGHUP, or with --follow every second, MODEL is looked up again; where it
 * is another version, that one is loaded beside the run and handed over between two batches.
 *
 * Threads: one of its own, which loads; the run asks run_follow_next, which costs one load of an atomic where
 * there is nothing.
 */
#ifndef SHRIKE_CLI_RUN_FOLLOW_H
#define SHRIKE_CLI_RUN_FOLLOW_H

#include "cli/scored.h"

struct run_follow;

/* From here on SIGHUP ends nothing: it waits for run_follow_start. Once in a process. */
void run_follow_prepare(void);

/* `decides`: who does now. */
int run_follow_start(const struct arguments *arguments, const struct scorer *decides,
                     const struct engine_options *options, struct run_follow **ret, struct error *error);
void run_follow_stop(struct run_follow *follow); /* takes NULL */

/* Is there another version of the same plan? It is the caller's then. */
bool run_follow_next(struct run_follow *follow, struct scorer *ret, struct engine_options *ret_options);

#endif
