/* The journal under many threads, by each policy, and under kill -9. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "journal/reader.h"
#include "unit/allocations.h"
#include "unit/crash_disk.h"

static struct crash_disk *disk;
static struct error error;

static void must(int code)
{
    if (code)
        fail_msg("%s", error.message);
}

static int make_disk(void **state)
{
    (void)state;
    disk = crash_disk_new(1);
    const struct io *io = crash_disk_io(disk);
    return io->make_directory(disk, "/d") || io->sync_directory(disk, "/");
}

static int free_disk(void **state)
{
    (void)state;
    crash_disk_free(disk);
    return 0;
}

static struct journal *open_with(struct journal_options options)
{
    struct journal *journal = NULL;
    options.io = crash_disk_io(disk);
    options.directory = "/d";
    must(journal_open(&options, &journal, NULL, &error));
    return journal;
}

/* ---- many callers ---- */

enum { CALLERS = 64, EACH = 40 };

struct caller {
    struct journal *journal;
    pthread_t thread;
    uint32_t number;
    bool asks; /* for its record to become durable, and is woken */
    int code;
};

static void *call(void *argument)
{
    struct caller *caller = argument;
    for (uint32_t i = 0; !caller->code && i < EACH; i++) {
        uint32_t body[2] = {caller->number, i};
        struct journal_place place;
        uint64_t durable;
        int code = journal_append(caller->journal, RECORD_EVENTS, 1, body, sizeof body, &place, NULL);
        if (!code && caller->asks) {
            journal_request(caller->journal, place.position);
            code = journal_wait(caller->journal, place.position, -1, &durable, NULL);
        } else if (!code) {
            code = journal_commit(caller->journal, place.position, NULL);
        }
        if (!code && journal_durable(caller->journal) < place.position)
            code = CODE_INTERNAL;
        caller->code = code;
    }
    return NULL;
}

/* Each caller's records are there, in its order; a flush served many. */
static void check_calls(struct journal *journal)
{
    struct journal_reader *reader;
    uint32_t next[CALLERS] = {0};
    struct record record;
    bool found = true;
    must(journal_reader_new(journal, &reader, &error));
    for (uint64_t i = 1; i <= CALLERS * EACH; i++) {
        must(journal_reader_next(reader, &found, &record, &error));
        assert_true(found);
        assert_int_equal(record.position, i);
        const uint32_t *body = record.body;
        assert_int_equal(body[1], next[body[0]]++);
    }
    must(journal_reader_next(reader, &found, &record, &error));
    assert_false(found);
    journal_reader_free(reader);
}

static void many_callers(struct journal_options options, bool asks)
{
    struct caller callers[CALLERS];
    struct journal_state is;
    options.segment_bytes = 32768;
    struct journal *journal = open_with(options);
    crash_disk_set_slow(disk, 500);
    for (uint32_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.journal = journal, .number = i, .asks = asks};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].code, OK);
    }
    journal_state(journal, &is);
    assert_true(is.syncs < CALLERS * EACH / 8);
    check_calls(journal);
    must(journal_close(journal, &error));
}

static void callers_share_flushes(void **state)
{
    (void)state;
    many_callers((struct journal_options){0}, false);
}

static void the_thread_flushes_for_callers(void **state)
{
    (void)state;
    many_callers((struct journal_options){.flusher = JOURNAL_FLUSH_THREAD}, false);
}

static void callers_may_ask_and_be_woken(void **state)
{
    (void)state;
    many_callers((struct journal_options){0}, true);
}

static void *commit_second(void *argument)
{
    static struct journal_place place;
    usleep(10000); /* until the first is being flushed */
    int code = journal_append(argument, RECORD_EVENTS, 1, "second", 6, &place, NULL);
    if (!code)
        code = journal_commit(argument, place.position, NULL);
    return code ? NULL : &place;
}

/* Who came while another was served is woken to lead, though nobody else comes. */
static void the_next_is_woken(void **state)
{
    (void)state;
    struct journal *journal = open_with((struct journal_options){0});
    struct journal_place place;
    pthread_t second;
    void *committed;
    crash_disk_set_slow(disk, 100000);
    assert_int_equal(pthread_create(&second, NULL, commit_second, journal), 0);
    must(journal_append(journal, RECORD_EVENTS, 1, "first", 5, &place, &error));
    must(journal_commit(journal, place.position, &error));
    pthread_join(second, &committed);
    assert_non_null(committed);
    must(journal_close(journal, &error));
}

/* ---- without waiting ---- */

static _Atomic uint64_t told_last, told_times;

static void note_moved(void *context, uint64_t durable)
{
    (void)context;
    told_last = durable;
    told_times++;
}

static void the_position_is_told(void **state)
{
    (void)state;
    struct journal *journal = open_with((struct journal_options){.moved = note_moved});
    struct journal_place place;
    uint64_t durable;
    told_last = told_times = 0;
    for (int i = 0; i < 10; i++)
        must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
    must(journal_wait(journal, 1, 0, &durable, &error)); /* nobody asked for it */
    assert_int_equal(durable, 0);
    int64_t before = clock_monotonic_ns();
    must(journal_wait(journal, 1, 20000, &durable, &error));
    assert_int_equal(durable, 0);
    assert_true(clock_monotonic_ns() - before >= 20000000);
    journal_request(journal, 10);
    must(journal_wait(journal, 10, -1, &durable, &error));
    assert_int_equal(durable, 10);
    while (told_last < 10) /* told right after waiters are woken */
        usleep(1000);
    must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
    must(journal_commit(journal, 11, &error));
    assert_int_equal(told_last, 11);
    assert_int_equal(told_times, 2);
    assert_int_equal(journal_commit(journal, 12, &error), CODE_INVALID);
    must(journal_close(journal, &error));
}

static void every_so_often(void **state)
{
    (void)state;
    struct journal *journal =
        open_with((struct journal_options){.sync = JOURNAL_SYNC_INTERVAL, .interval_ms = 50});
    struct journal_place place;
    struct journal_state is;
    uint64_t durable;
    for (int i = 0; i < 100; i++) {
        must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
        must(journal_commit(journal, place.position, &error));
    }
    journal_state(journal, &is);
    assert_true(is.syncs < 10); /* the commits did not wait for the disk */
    must(journal_wait(journal, 100, 10000000, &durable, &error));
    assert_int_equal(durable, 100);
    must(journal_close(journal, &error));
    struct journal_options none = {
        .io = crash_disk_io(disk), .directory = "/d", .sync = JOURNAL_SYNC_INTERVAL};
    assert_int_equal(journal_open(&none, &journal, NULL, &error), CODE_INVALID);
}

static void never(void **state)
{
    (void)state;
    struct journal *journal = open_with((struct journal_options){.sync = JOURNAL_SYNC_NEVER});
    struct journal_place place;
    struct journal_state is;
    for (int i = 0; i < 100; i++) {
        must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
        must(journal_commit(journal, place.position, &error));
    }
    journal_state(journal, &is);
    assert_int_equal(is.syncs, 0);
    assert_int_equal(is.durable, 100); /* as far as readers are concerned */
    must(journal_close(journal, &error));
}

/* The thread tries once for each who asks, and does not keep a processor busy with it. */
static void a_full_disk_is_not_tried_for_ever(void **state)
{
    (void)state;
    struct journal *journal = open_with((struct journal_options){0});
    struct journal_place place;
    uint64_t durable;
    crash_disk_set_space(disk, 0);
    must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
    journal_request(journal, 1);
    int64_t before = clock_process_cpu_ns();
    must(journal_wait(journal, 1, 300000, &durable, &error));
    assert_int_equal(durable, 0);
    assert_true(clock_process_cpu_ns() - before < 100000000);
    crash_disk_set_space(disk, UINT64_MAX);
    journal_request(journal, 1);
    must(journal_wait(journal, 1, -1, &durable, &error));
    assert_int_equal(durable, 1);
    must(journal_close(journal, &error));
}

/* ---- no memory after a while ---- */

static void appending_allocates_nothing(void **state)
{
    (void)state;
    char folder[] = "/tmp/shrike_test_XXXXXX", command[64];
    struct journal_options options = {.directory = folder, .sync = JOURNAL_SYNC_NEVER};
    struct journal *journal;
    struct journal_place place;
    char body[300] = {0};
    assert_non_null(mkdtemp(folder));
    must(journal_open(&options, &journal, NULL, &error));
    for (int round = 0; round < 10; round++) {
        size_t before = allocations;
        for (int i = 0; i < 200; i++)
            must(journal_append(journal, RECORD_EVENTS, 1, body, sizeof body, &place, &error));
        must(journal_commit(journal, place.position, &error));
        if (counting && round > 1)
            assert_int_equal(allocations, before);
    }
    must(journal_close(journal, &error));
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* ---- everything at once ---- */

struct storm {
    struct journal *journal;
    _Atomic bool stop;
    _Atomic int code;
    struct error error;
};

static void *read_along(void *argument)
{
    struct storm *storm = argument;
    struct journal_reader *reader;
    struct record record;
    uint64_t next = 1;
    bool found;
    int code = journal_reader_new(storm->journal, &reader, NULL);
    while (!code && !storm->stop) {
        struct error own;
        code = journal_reader_next(reader, &found, &record, &own);
        if (code == CODE_NOT_FOUND) { /* trimmed: from the oldest on */
            struct journal_state is;
            journal_state(storm->journal, &is);
            next = is.oldest_position;
            code = OK; /* or it is trimmed again, and asked once more */
            journal_reader_seek(reader, next, NULL);
        } else if (!code && found) {
            code = record.position < next ? CODE_INTERNAL : OK;
            next = record.position + 1;
        } else if (code) {
            storm->error = own;
        }
    }
    journal_reader_free(reader);
    if (code)
        storm->code = code;
    return NULL;
}

static int blank(void *context, const struct record *record, const void **ret_body, uint32_t *ret_size,
                 struct error *ret_error)
{
    (void)context, (void)ret_error;
    static const char blanks[] = "forgotten";
    if (record->position % 3 == 0) {
        *ret_body = blanks;
        *ret_size = sizeof blanks;
    }
    return OK;
}

static void *keep_up(void *argument)
{
    struct storm *storm = argument;
    while (!storm->code && !storm->stop) {
        struct journal_state is;
        journal_state(storm->journal, &is);
        int code = journal_trim(storm->journal, is.next_position / 2, NULL, &storm->error);
        if (!code)
            code = journal_roll(storm->journal, &storm->error);
        if (!code)
            code = journal_rewrite(storm->journal, is.next_position / 2, is.next_position - 1, blank, NULL,
                                   NULL, &storm->error);
        if (code)
            storm->code = code;
        usleep(2000);
    }
    return NULL;
}

static void all_at_once(void **state)
{
    (void)state;
    struct storm storm = {
        .journal = open_with((struct journal_options){.segment_bytes = 8192, .buffer_bytes = 4096})};
    struct caller callers[8];
    pthread_t helpers[3];
    crash_disk_set_slow(disk, 100);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&helpers[i], NULL, i ? read_along : keep_up, &storm), 0);
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            callers[i] = (struct caller){.journal = storm.journal, .number = i, .asks = i % 2};
            assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(callers[i].thread, NULL);
            assert_int_equal(callers[i].code, OK);
        }
    }
    storm.stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(helpers[i], NULL);
    if (storm.code)
        fail_msg("%d: %s", storm.code, storm.error.message);
    must(journal_close(storm.journal, &error));
}

/* ---- kill -9 ---- */

enum { KILLS = 200 };

/* Appends, commits, and says so through the pipe, until it is killed. */
static void live(const char *folder, int out)
{
    struct journal_options options = {.directory = folder, .segment_bytes = 16384};
    struct journal *journal;
    uint64_t body[16] = {0};
    if (journal_open(&options, &journal, NULL, NULL))
        _exit(1);
    for (;;) {
        struct journal_place place;
        struct journal_state is;
        journal_state(journal, &is);
        body[0] = is.next_position;
        if (journal_append(journal, RECORD_EVENTS, 1, body, sizeof body, &place, NULL) ||
            (place.position % 4 == 0 && journal_commit(journal, place.position, NULL)))
            _exit(1);
        if (place.position % 4 == 0 &&
            write(out, &place.position, sizeof place.position) != sizeof place.position)
            _exit(1);
        if (place.position % 256 == 0 && journal_trim(journal, place.position - 200, NULL, NULL))
            _exit(1);
    }
}

static uint64_t check_life(const char *folder, uint64_t acknowledged)
{
    struct journal_options options = {.directory = folder, .segment_bytes = 16384};
    struct journal *journal;
    struct journal_reader *reader;
    struct journal_state is;
    struct record record;
    bool found;
    must(journal_open(&options, &journal, NULL, &error));
    must(journal_reader_new(journal, &reader, &error));
    journal_state(journal, &is);
    assert_true(is.durable >= acknowledged);
    for (uint64_t i = is.oldest_position; i < is.next_position; i++) {
        must(journal_reader_next(reader, &found, &record, &error));
        assert_true(found && record.position == i && *(const uint64_t *)record.body == i);
    }
    journal_reader_free(reader);
    must(journal_close(journal, &error));
    return is.durable;
}

static void killed(void **state)
{
    (void)state;
    char folder[] = "/tmp/shrike_test_XXXXXX", command[64];
    uint64_t acknowledged = 0, random = 1;
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < KILLS; i++) {
        int ends[2], status;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            live(folder, ends[1]);
        close(ends[1]);
        for (uint64_t n = crash_random(&random) % 6; n; n--) /* sometimes none: killed while it opens */
            assert_int_equal(read(ends[0], &acknowledged, sizeof acknowledged), sizeof acknowledged);
        usleep((useconds_t)(crash_random(&random) % 3000));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        for (uint64_t position; read(ends[0], &position, sizeof position) == sizeof position;)
            acknowledged = position;
        close(ends[0]);
        acknowledged = check_life(folder, acknowledged);
    }
    assert_true(acknowledged > KILLS);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(callers_share_flushes, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(the_thread_flushes_for_callers, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(callers_may_ask_and_be_woken, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(the_position_is_told, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(every_so_often, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(never, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(the_next_is_woken, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(a_full_disk_is_not_tried_for_ever, make_disk, free_disk),
        cmocka_unit_test(appending_allocates_nothing),
        cmocka_unit_test_setup_teardown(all_at_once, make_disk, free_disk),
        cmocka_unit_test(killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
