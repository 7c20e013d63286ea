/*
 * A fixed pool of threads that shares out the tasks of one loop at a time.
 *
 * The caller works too: a pool of n threads starts n - 1. A pool of one runs its tasks inline, without a lock
 * or a system call. Which thread runs which task is not defined, so tasks must not depend on it. Between two
 * loops the workers spin for some microseconds, because the next batch usually follows at once, and then
 * sleep.
 *
 * Threads: parallel_for is called by one thread at a time and not from inside a task. Workers block all
 * signals, so that handlers run in the threads of the program. Memory: parallel_for allocates nothing.
 * Limits: LIMIT_THREADS.
 */
#ifndef SHRIKE_BASE_PARALLEL_H
#define SHRIKE_BASE_PARALLEL_H

#include "base/error.h"

struct parallel;

/* threads 0 = as many as the process may use (cpu_count). */
int parallel_new(int threads, struct parallel **ret, struct error *error);
void parallel_free(struct parallel *parallel); /* takes NULL */
int parallel_threads(const struct parallel *parallel);

/* Runs run(context, 0) ... run(context, n_tasks - 1), each exactly once, and returns when all have returned.
 * All that the tasks wrote is visible to the caller then. */
void parallel_for(struct parallel *parallel, int n_tasks, void (*run)(void *context, int task),
                  void *context);

#endif
