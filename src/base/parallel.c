/*
 * One 64-bit word carries the loop: its number in the upper half, the tasks not yet taken in the lower half.
 * A thread takes a task by counting the lower half down with one compare-and-swap; the number makes the swap
 * fail where the loop that the thread looked at is over. The fields that describe a loop change only after
 * its last task has returned, therefore what was read before a successful swap belongs to the loop of that
 * swap. Workers that sleep through a short loop, or are at a job, are not waited for.
 */
#include "base/parallel.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/limits.h"
#include "base/memory.h"

/* Pauses before a thread sleeps. SPINS are some 100 to 200 microseconds: longer than the gaps between loops,
 * shorter than a scheduler's slice; a virtual processor that sleeps may take its host milliseconds to wake.
 * Where there are more threads than processors, who spins may stand in the way of who works. */
enum { SPINS = 5000, SPINS_CROWDED = 500 };

struct parallel {
    _Alignas(64) _Atomic uint64_t ticket;
    _Atomic(void (*)(void *, int)) run;
    _Atomic(void *) context;
    _Atomic int n_tasks;
    _Alignas(64) _Atomic int finished; /* tasks of this loop that have returned */
    _Atomic int sleepers;              /* workers in or about to enter pthread_cond_wait */
    _Atomic bool caller_sleeps;
    _Atomic bool stop;
    _Atomic int n_posted;
    pthread_mutex_t lock; /* guards the waits, and the jobs: their list and their states */
    pthread_cond_t work, done;
    struct parallel_job *first, *last; /* posted */
    int threads, started, spins;
    pthread_t workers[];
};

static uint32_t remaining(uint64_t ticket)
{
    return (uint32_t)ticket;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes and runs one task; false where none is left. */
static bool work_once(struct parallel *parallel)
{
    uint64_t ticket = atomic_load(&parallel->ticket);
    while (remaining(ticket)) {
        void (*run)(void *, int) = atomic_load_explicit(&parallel->run, memory_order_relaxed);
        void *context = atomic_load_explicit(&parallel->context, memory_order_relaxed);
        int n_tasks = atomic_load_explicit(&parallel->n_tasks, memory_order_relaxed);
        int task = n_tasks - (int)remaining(ticket);
        if (!atomic_compare_exchange_weak(&parallel->ticket, &ticket, ticket - 1))
            continue;
        run(context, task);
        if (atomic_fetch_add(&parallel->finished, 1) + 1 == n_tasks &&
            atomic_load(&parallel->caller_sleeps)) {
            pthread_mutex_lock(&parallel->lock);
            pthread_cond_signal(&parallel->done);
            pthread_mutex_unlock(&parallel->lock);
        }
        return true;
    }
    return false;
}

static void run_job(struct parallel *parallel, struct parallel_job *job)
{
    job->run(job);
    pthread_mutex_lock(&parallel->lock);
    job->state = PARALLEL_IDLE;
    pthread_cond_signal(&parallel->done);
    pthread_mutex_unlock(&parallel->lock);
}

/* Takes and runs the oldest job; false where none is posted. */
static bool job_once(struct parallel *parallel)
{
    if (!atomic_load(&parallel->n_posted))
        return false;
    pthread_mutex_lock(&parallel->lock);
    struct parallel_job *job = parallel->first;
    if (job) {
        parallel->first = job->next;
        job->state = PARALLEL_RUNNING;
        atomic_fetch_sub(&parallel->n_posted, 1);
    }
    pthread_mutex_unlock(&parallel->lock);
    if (job)
        run_job(parallel, job);
    return job;
}

static void *worker_main(void *pointer)
{
    struct parallel *parallel = pointer;
    int spins = 0;
    while (!atomic_load(&parallel->stop)) {
        if (job_once(parallel) || work_once(parallel)) {
            spins = 0;
        } else if (spins < parallel->spins) {
            spins++;
            pause_briefly();
        } else {
            /* The sleeper announces itself before it looks again; the caller publishes before it looks for
             * sleepers. One of the two sees the other. */
            pthread_mutex_lock(&parallel->lock);
            atomic_fetch_add(&parallel->sleepers, 1);
            while (!remaining(atomic_load(&parallel->ticket)) && !parallel->first &&
                   !atomic_load(&parallel->stop))
                pthread_cond_wait(&parallel->work, &parallel->lock);
            atomic_fetch_sub(&parallel->sleepers, 1);
            pthread_mutex_unlock(&parallel->lock);
            spins = 0;
        }
    }
    return NULL;
}

static int start_workers(struct parallel *parallel, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (!failed && parallel->started < parallel->threads - 1) {
        failed = pthread_create(&parallel->workers[parallel->started], NULL, worker_main, parallel);
        if (!failed)
            parallel->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_set_errno(error, failed, "cannot start thread %d of %d", parallel->started + 2,
                               parallel->threads);
    return OK;
}

int parallel_new(int threads, struct parallel **ret, struct error *error)
{
    if (threads == 0)
        threads = cpu_count();
    if (threads < 1 || threads > LIMIT_THREADS)
        return error_set(error, CODE_LIMIT, "%d threads asked for, 1 to %d are possible", threads,
                         LIMIT_THREADS);
    struct parallel *parallel = memory_aligned(sizeof *parallel + (size_t)threads * sizeof(pthread_t));
    if (!parallel)
        return error_set(error, CODE_MEMORY, "no memory for a pool of %d threads", threads);
    *parallel =
        (struct parallel){.threads = threads, .spins = threads <= cpu_count() ? SPINS : SPINS_CROWDED};
    pthread_mutex_init(&parallel->lock, NULL);
    pthread_cond_init(&parallel->work, NULL);
    pthread_cond_init(&parallel->done, NULL);
    int code = start_workers(parallel, error);
    if (code) {
        parallel_free(parallel);
        return code;
    }
    *ret = parallel;
    return OK;
}

void parallel_free(struct parallel *parallel)
{
    if (!parallel)
        return;
    pthread_mutex_lock(&parallel->lock);
    atomic_store(&parallel->stop, true);
    pthread_cond_broadcast(&parallel->work);
    pthread_mutex_unlock(&parallel->lock);
    for (int i = 0; i < parallel->started; i++)
        pthread_join(parallel->workers[i], NULL);
    pthread_cond_destroy(&parallel->done);
    pthread_cond_destroy(&parallel->work);
    pthread_mutex_destroy(&parallel->lock);
    free(parallel);
}

int parallel_threads(const struct parallel *parallel)
{
    return parallel->threads;
}

/* Waits until the workers have returned from the last tasks. */
static void wait_for_rest(struct parallel *parallel, int n_tasks)
{
    for (int spins = 0; spins < parallel->spins; spins++) {
        if (atomic_load(&parallel->finished) == n_tasks)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&parallel->lock);
    atomic_store(&parallel->caller_sleeps, true);
    while (atomic_load(&parallel->finished) != n_tasks)
        pthread_cond_wait(&parallel->done, &parallel->lock);
    atomic_store(&parallel->caller_sleeps, false);
    pthread_mutex_unlock(&parallel->lock);
}

void parallel_for(struct parallel *parallel, int n_tasks, void (*run)(void *context, int task), void *context)
{
    if (parallel->threads == 1 || n_tasks <= 1) {
        for (int task = 0; task < n_tasks; task++)
            run(context, task);
        return;
    }
    uint64_t loop = (atomic_load(&parallel->ticket) >> 32) + 1;
    atomic_store_explicit(&parallel->run, run, memory_order_relaxed);
    atomic_store_explicit(&parallel->context, context, memory_order_relaxed);
    atomic_store_explicit(&parallel->n_tasks, n_tasks, memory_order_relaxed);
    atomic_store(&parallel->finished, 0);
    atomic_store(&parallel->ticket, loop << 32 | (uint32_t)n_tasks);
    if (atomic_load(&parallel->sleepers)) {
        pthread_mutex_lock(&parallel->lock);
        pthread_cond_broadcast(&parallel->work);
        pthread_mutex_unlock(&parallel->lock);
    }
    while (work_once(parallel))
        continue;
    wait_for_rest(parallel, n_tasks);
}

void parallel_post(struct parallel *parallel, struct parallel_job *job)
{
    if (parallel->threads == 1) {
        job->run(job);
        return;
    }
    pthread_mutex_lock(&parallel->lock);
    assert(job->state == PARALLEL_IDLE);
    job->state = PARALLEL_POSTED;
    job->next = NULL;
    if (parallel->first)
        parallel->last->next = job;
    else
        parallel->first = job;
    parallel->last = job;
    atomic_fetch_add(&parallel->n_posted, 1);
    if (atomic_load(&parallel->sleepers))
        pthread_cond_signal(&parallel->work);
    pthread_mutex_unlock(&parallel->lock);
}

/* Takes a job that is posted out of the list, wherever it stands. */
static void unpost(struct parallel *parallel, struct parallel_job *job)
{
    struct parallel_job *before = NULL;
    for (struct parallel_job *at = parallel->first; at != job; at = at->next)
        before = at;
    if (before)
        before->next = job->next;
    else
        parallel->first = job->next;
    if (parallel->last == job)
        parallel->last = before;
    atomic_fetch_sub(&parallel->n_posted, 1);
}

void parallel_wait(struct parallel *parallel, struct parallel_job *job)
{
    pthread_mutex_lock(&parallel->lock);
    bool mine = job->state == PARALLEL_POSTED;
    if (mine) {
        unpost(parallel, job);
        job->state = PARALLEL_RUNNING;
    }
    while (!mine && job->state == PARALLEL_RUNNING)
        pthread_cond_wait(&parallel->done, &parallel->lock);
    pthread_mutex_unlock(&parallel->lock);
    if (mine)
        run_job(parallel, job);
}
