/*
 * A fixed pool of threads that shares out the tasks of one loop at a time, and does jobs beside the loops.
 *
 * The caller works too: a pool of n threads starts n - 1. A pool of one runs its tasks inline, without a lock
 * or a system call. Which thread runs which task is not defined, so tasks must not depend on it. Between two
 * loops the workers spin for some 100 microseconds, because the next batch usually follows at once, and then
 * sleep.
 *
 * Jobs are what a pipeline has to do besides the loops: read the next batch, encode the last one. Workers
 * take them before tasks, and the caller goes on alone with the tasks meanwhile: so as many threads as there
 * are processors are busy with everything, instead of threads for each part that push each other aside. In a
 * pool of one a job is run by whoever posts it.
 *
 * Threads: parallel_for and parallel_wait are called by one thread at a time, and not from inside a task or a
 * job. Workers block all signals, so that handlers run in the threads of the program. Memory:
 * nothing is allocated after parallel_new. Limits: LIMIT_THREADS.
 */
#ifndef SHRIKE_BASE_PARALLEL_H
#define SHRIKE_BASE_PARALLEL_H

#include "base/error.h"

struct parallel;

enum parallel_state { PARALLEL_IDLE, PARALLEL_POSTED, PARALLEL_RUNNING };

/* Part of whatever the job is about, zeroed but for `run` before it is first posted. */
struct parallel_job {
    void (*run)(struct parallel_job *job);
    struct parallel_job *next; /* of those posted */
    enum parallel_state state;
};

/* threads 0 = as many as the process may use (cpu_count). */
int parallel_new(int threads, struct parallel **ret, struct error *error);
void parallel_free(struct parallel *parallel); /* takes NULL */
int parallel_threads(const struct parallel *parallel);

/* Runs run(context, 0) ... run(context, n_tasks - 1), each exactly once, and returns when all have returned.
 * All that the tasks wrote is visible to the caller then. */
void parallel_for(struct parallel *parallel, int n_tasks, void (*run)(void *context, int task),
                  void *context);

/* The job is run once, by a worker or, if none has come to it until then, by parallel_wait. One that has been
 * posted is posted again only after parallel_wait. */
void parallel_post(struct parallel *parallel, struct parallel_job *job);
/* Returns when the job has returned, at once where it was never posted; all that it wrote is visible then. */
void parallel_wait(struct parallel *parallel, struct parallel_job *job);

#endif
