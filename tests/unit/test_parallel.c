/* Every task of every loop runs exactly once and has returned when the loop has, whatever the threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(the_caller_waits_for_slow_tasks),
        cmocka_unit_test(one_thread_runs_inline),
        cmocka_unit_test(counts_of_threads_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
