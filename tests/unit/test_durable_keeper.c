/* Snapshots that a forked process makes while events go on. The disk is the real one: a child has its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/linear.h"
#include "score/durable.h"

/* Before a fork DuckDB's allocator takes more locks at once than the sanitizer's detector of deadlocks has
 * room for. */
#if defined(__SANITIZE_THREAD__)
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}
#endif

static const char plan_text[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card INTEGER);\n"
    "SELECT count(*) OVER (PARTITION BY card ORDER BY ts ROWS 5 PRECEDING) AS n FROM tx;";

static char folder[64];
static struct plan *plan;
static struct model *model;
static struct error error;
static pid_t parent;
static bool parent_fails; /* to flush: its children do not */

static void must(int code)
{
    if (code)
        fail_msg("%s", error.message);
}

static int sync_unless_parent(void *context, int file)
{
    if (parent_fails && getpid() == parent)
        return EIO;
    return io_system()->sync(context, file);
}

static int make_version(void **state)
{
    (void)state;
    const double weights[] = {1}, means[] = {1}, sds[] = {1};
    const char *names[] = {"n"};
    struct linear linear = {
        .n = 1, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    char *text;
    size_t size;
    must(plan_compile(plan_text, strlen(plan_text), "features.sql", &plan, &error));
    must(linear_write(&linear, &text, &size, &error));
    must(model_parse(text, size, &model, &error));
    free(text);
    snprintf(folder, sizeof folder, "/tmp/shrike-keeper-%ld", (long)getpid());
    parent = getpid();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    parent_fails = false;
    return system(command) != 0;
}

static int free_version(void **state)
{
    (void)state;
    model_unref(model);
    plan_unref(plan);
    return 0;
}

static struct durable *open_durable(uint64_t *ret_snapshot)
{
    static struct io io;
    io = *io_system();
    io.sync = sync_unless_parent;
    struct durable_version version = {plan, model, NULL, "models:/test/1", "identity", NULL};
    struct durable_options options = {.io = &io, .directory = folder, .engine.threshold = NAN};
    struct durable_recovery recovery;
    struct durable *durable;
    must(durable_open(&version, &options, &durable, &recovery, &error));
    *ret_snapshot = recovery.snapshot_seq;
    return durable;
}

static void take_events(struct durable *durable, int n)
{
    const struct field *fields = plan_events(plan)->fields;
    struct durable_batch about = {.source = ""};
    struct decisions decisions;
    struct table events;
    must(table_init(&events, plan_events(plan), &error));
    must(table_reserve(&events, n, &error));
    for (int i = 0; i < n; i++) {
        column_append_int(&events.columns[0], &fields[0].type, i);
        column_append_int(&events.columns[1], &fields[1].type, INT64_C(1700000000000000) + i);
        column_append_int(&events.columns[2], &fields[2].type, i % 3);
    }
    events.length = n;
    must(durable_take(durable, &events, &about, &decisions, &error));
    table_done(&events);
}

static void *begin_snapshot(void *durable)
{
    must(durable_snapshot(durable, false, &error));
    return NULL;
}

static void wait_for_snapshot(struct durable *durable)
{
    while (durable_snapshot_stage(durable) != SNAPSHOT_NONE)
        usleep(1000);
}

/* A child ends with the thread that forked it: that must not be the caller. */
static void test_outlives_its_caller(void **state)
{
    (void)state;
    uint64_t seq;
    pthread_t thread;
    struct durable *durable = open_durable(&seq);
    take_events(durable, 100);
    assert_int_equal(pthread_create(&thread, NULL, begin_snapshot, durable), 0);
    pthread_join(thread, NULL);
    take_events(durable, 100);
    wait_for_snapshot(durable);
    durable_abandon(durable);
    durable = open_durable(&seq);
    assert_int_equal(seq, 100);
    assert_int_equal(durable_next_seq(durable), 201);
    durable_abandon(durable);
}

/* What the journal lost may not be in a snapshot. */
static void test_waits_for_the_journal(void **state)
{
    (void)state;
    uint64_t seq;
    struct durable *durable = open_durable(&seq);
    take_events(durable, 100);
    parent_fails = true;
    must(durable_snapshot(durable, false, &error));
    wait_for_snapshot(durable);
    durable_abandon(durable);
    parent_fails = false;
    durable = open_durable(&seq);
    assert_int_equal(seq, 0);
    durable_abandon(durable);
}

/* By the same thread. */
static void test_makes_one_after_another(void **state)
{
    (void)state;
    uint64_t seq;
    struct durable *durable = open_durable(&seq);
    for (int i = 0; i < 3; i++) {
        take_events(durable, 100);
        must(durable_snapshot(durable, false, &error));
        take_events(durable, 10);
        wait_for_snapshot(durable);
    }
    durable_abandon(durable);
    durable = open_durable(&seq);
    assert_int_equal(seq, 320);
    assert_int_equal(durable_next_seq(durable), 331);
    take_events(durable, 5);
    must(durable_snapshot(durable, false, &error));
    durable_abandon(durable); /* waits for it */
    durable = open_durable(&seq);
    assert_int_equal(seq, 335);
    durable_abandon(durable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_outlives_its_caller, clean),
        cmocka_unit_test_teardown(test_waits_for_the_journal, clean),
        cmocka_unit_test_teardown(test_makes_one_after_another, clean),
    };
    return cmocka_run_group_tests(tests, make_version, free_version);
}
