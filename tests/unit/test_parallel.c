/* Every task of every loop runs exactly once and has returned when the loop has, whatever the threads; so
 * does every job beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/limits.h"
#include "base/parallel.h"

enum { TASKS = 64 };

/* Plain integers on purpose: where two threads run one task, or the loop returns early, the sanitizer sees
 * it. */
static int counts[TASKS];
static int loop_number;

static void count(void *context, int task)
{
    assert_ptr_equal(context, &loop_number);
    counts[task] += loop_number;
}

static void every_task_runs_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct parallel *parallel = NULL;
        assert_int_equal(parallel_new(threads, &parallel, NULL), OK);
        assert_int_equal(parallel_threads(parallel), threads);
        for (int loop = 0; loop < 3000; loop++) {
            int tasks = loop % (TASKS + 1);
            loop_number = loop + 1;
            for (int i = 0; i < TASKS; i++)
                counts[i] = 0;
            parallel_for(parallel, tasks, count, &loop_number);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(counts[i], i < tasks ? loop_number : 0);
            /* Long enough now and then for the workers to fall asleep. */
            if (loop % 500 == 0)
                usleep(2000);
        }
        parallel_free(parallel);
    }
}

static void sleep_in_turn(void *context, int task)
{
    (void)context;
    usleep(task % 2 ? 5000 : 10);
    counts[task] = 1;
}

/* The caller finishes first and must sleep until the last worker is done. */
static void the_caller_waits_for_slow_tasks(void **state)
{
    (void)state;
    struct parallel *parallel = NULL;
    assert_int_equal(parallel_new(3, &parallel, NULL), OK);
    for (int loop = 0; loop < 10; loop++) {
        for (int i = 0; i < TASKS; i++)
            counts[i] = 0;
        parallel_for(parallel, 8, sleep_in_turn, NULL);
        for (int i = 0; i < 8; i++)
            assert_int_equal(counts[i], 1);
    }
    parallel_free(parallel);
}

static void note_thread(void *context, int task)
{
    ((pthread_t *)context)[task] = pthread_self();
}

static void one_thread_runs_inline(void **state)
{
    (void)state;
    struct parallel *parallel = NULL;
    pthread_t seen[4];
    assert_int_equal(parallel_new(1, &parallel, NULL), OK);
    parallel_for(parallel, 4, note_thread, seen);
    for (int i = 0; i < 4; i++)
        assert_true(pthread_equal(seen[i], pthread_self()));
    parallel_free(parallel);
}

struct job {
    struct parallel_job job;
    _Atomic bool begun;
    _Atomic bool go;  /* where the job waits for it */
    int runs, serial; /* plain on purpose, as above */
    pthread_t thread;
};

static _Atomic int last_serial;

static void run_job(struct parallel_job *pointer)
{
    struct job *job = (struct job *)pointer;
    job->begun = true;
    while (!job->go)
        usleep(10);
    job->runs++;
    job->serial = ++last_serial;
    job->thread = pthread_self();
}

static void jobs_run_once_beside_loops(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        struct parallel *parallel = NULL;
        struct job jobs[3] = {0};
        assert_int_equal(parallel_new(threads, &parallel, NULL), OK);
        for (int j = 0; j < 3; j++)
            jobs[j] = (struct job){.job.run = run_job, .go = true};
        parallel_wait(parallel, &jobs[0].job);
        for (int round = 0; round < 2000; round++) {
            for (int j = 0; j < 3; j++)
                parallel_post(parallel, &jobs[j].job);
            loop_number = round + 1;
            for (int i = 0; i < TASKS; i++)
                counts[i] = 0;
            parallel_for(parallel, TASKS, count, &loop_number);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(counts[i], loop_number);
            for (int j = 2; j >= 0; j--) {
                parallel_wait(parallel, &jobs[j].job);
                assert_int_equal(jobs[j].runs, round + 1);
                parallel_wait(parallel, &jobs[j].job);
            }
            if (round % 500 == 0)
                usleep(2000);
        }
        parallel_free(parallel);
    }
}

/* The only worker is at a job that does not end: the loop goes on without it, and who waits for the next job
 * runs it, in whatever order. */
static void nobody_waits_for_a_busy_worker(void **state)
{
    (void)state;
    struct parallel *parallel = NULL;
    struct job slow = {.job.run = run_job}, jobs[3] = {0};
    assert_int_equal(parallel_new(2, &parallel, NULL), OK);
    parallel_post(parallel, &slow.job);
    while (!slow.begun)
        usleep(10);
    for (int j = 0; j < 3; j++) {
        jobs[j] = (struct job){.job.run = run_job, .go = true};
        parallel_post(parallel, &jobs[j].job);
    }
    loop_number = 1;
    counts[0] = counts[1] = 0;
    parallel_for(parallel, 2, count, &loop_number);
    assert_int_equal(counts[0] + counts[1], 2);
    for (int j = 0; j < 3; j++) {
        static const int order[] = {1, 2, 0};
        struct job *job = &jobs[order[j]];
        parallel_wait(parallel, &job->job);
        assert_true(pthread_equal(job->thread, pthread_self()));
    }
    assert_int_equal(slow.runs, 0);
    slow.go = true;
    parallel_wait(parallel, &slow.job);
    assert_int_equal(slow.runs, 1);
    assert_false(pthread_equal(slow.thread, pthread_self()));
    parallel_free(parallel);
}

static void jobs_are_taken_in_their_order(void **state)
{
    (void)state;
    struct parallel *parallel = NULL;
    struct job jobs[4] = {0};
    int before = last_serial;
    assert_int_equal(parallel_new(2, &parallel, NULL), OK);
    for (int j = 0; j < 4; j++) {
        jobs[j] = (struct job){.job.run = run_job, .go = j > 0};
        parallel_post(parallel, &jobs[j].job);
    }
    jobs[0].go = true;
    /* All by the worker: who waits for one would take it out of its turn. */
    while (last_serial < before + 4)
        usleep(10);
    for (int j = 0; j < 4; j++)
        parallel_wait(parallel, &jobs[j].job);
    for (int j = 1; j < 4; j++)
        assert_true(jobs[j - 1].serial < jobs[j].serial);
    parallel_free(parallel);
}

static void one_thread_runs_jobs_at_once(void **state)
{
    (void)state;
    struct parallel *parallel = NULL;
    struct job job = {.job.run = run_job, .go = true};
    assert_int_equal(parallel_new(1, &parallel, NULL), OK);
    parallel_post(parallel, &job.job);
    assert_int_equal(job.runs, 1);
    assert_true(pthread_equal(job.thread, pthread_self()));
    parallel_wait(parallel, &job.job);
    assert_int_equal(job.runs, 1);
    parallel_free(parallel);
}

/* The threads of a process, before main has started any. */
static int n_threads;

static void no_library_starts_threads(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    assert_int_equal(n_threads, 1);
}

static int count_threads(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        n += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    return n;
}

static void counts_of_threads_are_checked(void **state)
{
    (void)state;
    struct parallel *parallel = NULL;
    assert_int_equal(parallel_new(-1, &parallel, NULL), CODE_LIMIT);
    assert_int_equal(parallel_new(LIMIT_THREADS + 1, &parallel, NULL), CODE_LIMIT);
    assert_null(parallel);
    assert_int_equal(parallel_new(0, &parallel, NULL), OK);
    assert_int_equal(parallel_threads(parallel), cpu_count());
    parallel_free(parallel);
    parallel_free(NULL);
}

int main(void)
{
    n_threads = count_threads();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),           cmocka_unit_test(the_caller_waits_for_slow_tasks),
        cmocka_unit_test(one_thread_runs_inline),         cmocka_unit_test(jobs_run_once_beside_loops),
        cmocka_unit_test(nobody_waits_for_a_busy_worker), cmocka_unit_test(jobs_are_taken_in_their_order),
        cmocka_unit_test(one_thread_runs_jobs_at_once),   cmocka_unit_test(no_library_starts_threads),
        cmocka_unit_test(counts_of_threads_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
