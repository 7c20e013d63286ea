/* Snapshots: what is put is given, two are kept, the newest good one is found whatever happens to the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/snapshots.h"
#include "unit/crash_disk.h"

static const uint8_t identity[JOURNAL_IDENTITY] = {9, 8, 7};
static struct crash_disk *disk;
static struct snapshots snapshots;
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
    return io->make_directory(disk, "/d") || io->sync_directory(disk, "/") ||
           snapshots_init(&snapshots, io, "/d", identity, &error);
}

static int free_disk(void **state)
{
    (void)state;
    crash_disk_free(disk);
    return 0;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static struct snapshot_writer *begin(const struct snapshots *where, uint64_t seq)
{
    struct snapshot_head head = {.seq = seq, .position = 2 * seq, .plan = "plan 7", .plan_size = 6};
    struct snapshot_writer *writer;
    must(snapshot_writer_new(where, &head, &writer, &error));
    return writer;
}

/* Blocks "0", "11", "222" and so on. */
static void write_small(const struct snapshots *where, uint64_t seq, int blocks)
{
    struct snapshot_writer *writer = begin(where, seq);
    for (int i = 0; i < blocks; i++) {
        char text[16];
        memset(text, '0' + i, sizeof text);
        must(snapshot_put(writer, (uint32_t)i + 1, text, (size_t)i + 1, &error));
    }
    must(snapshot_finish(writer, &error));
    snapshot_writer_free(writer);
}

static int read_small(struct snapshot_reader *reader, int blocks)
{
    struct snapshot_block block;
    bool found = true;
    int n = 0;
    while (found) {
        int code = snapshot_next(reader, &found, &block, &error);
        if (code)
            return code;
        if (!found)
            break;
        assert_int_equal(block.kind, n + 1);
        assert_int_equal(block.size, n + 1);
        for (uint32_t i = 0; i < block.size; i++)
            assert_int_equal(((const char *)block.data)[i], '0' + n);
        n++;
    }
    assert_int_equal(n, blocks);
    return OK;
}

/* The newest, checked; its seq or 0. */
static uint64_t newest(struct snapshots_report *report, int blocks)
{
    struct snapshot_reader *reader;
    must(snapshots_newest(&snapshots, UINT64_MAX, true, &reader, report, &error));
    if (!reader)
        return 0;
    struct snapshot_head head = *snapshot_reader_head(reader);
    assert_int_equal(head.position, 2 * head.seq);
    assert_int_equal(head.plan_size, 6);
    assert_string_equal(head.plan, "plan 7");
    must(read_small(reader, blocks));
    snapshot_reader_free(reader);
    return head.seq;
}

static void two_are_kept(void **state)
{
    (void)state;
    struct snapshots_report report;
    struct snapshot_place places[LIMIT_SNAPSHOTS];
    uint64_t size;
    int n;
    assert_int_equal(newest(&report, 3), 0);
    for (uint64_t seq = 10; seq <= 40; seq += 10)
        write_small(&snapshots, seq, 3);
    assert_int_equal(newest(&report, 3), 40);
    assert_int_equal(report.dropped, 0);
    must(snapshots_kept(&snapshots, places, &n, &error));
    assert_int_equal(n, 2);
    assert_int_equal(places[0].seq, 40);
    assert_int_equal(places[1].seq, 30);
    assert_int_equal(places[1].position, 60);
    assert_null(crash_disk_bytes(disk, "/d/00000000000000000020.snap", &size));
    struct snapshot_reader *reader;
    must(snapshots_newest(&snapshots, 39, false, &reader, NULL, &error));
    assert_int_equal(snapshot_reader_head(reader)->seq, 30);
    snapshot_reader_free(reader);
}

static void large_and_empty_blocks(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, 7,    8, 1 << 20, (1 << 20) - 24, LIMIT_SNAPSHOT_BLOCK, 1000000, 3 << 20, (1 << 20) + 1,
        0, 0, 12345};
    enum { N = sizeof sizes / sizeof *sizes };
    uint8_t *data = malloc(LIMIT_SNAPSHOT_BLOCK + 1);
    struct snapshot_writer *writer = begin(&snapshots, 5);
    struct snapshot_reader *reader;
    struct snapshot_block block;
    bool found;
    for (size_t i = 0; i <= LIMIT_SNAPSHOT_BLOCK; i++)
        data[i] = (uint8_t)(i * 7 + i / 999);
    for (uint32_t i = 0; i < N; i++)
        must(snapshot_put(writer, i + 1, data + i, sizes[i] - (sizes[i] > N ? i : 0), &error));
    assert_int_equal(snapshot_put(writer, 1, data, LIMIT_SNAPSHOT_BLOCK + 1, &error), CODE_LIMIT);
    must(snapshot_finish(writer, &error));
    uint64_t bytes = snapshot_writer_bytes(writer), size;
    snapshot_writer_free(writer);
    assert_non_null(crash_disk_bytes(disk, "/d/00000000000000000005.snap", &size));
    assert_int_equal(size, bytes);
    must(snapshots_newest(&snapshots, UINT64_MAX, true, &reader, NULL, &error));
    for (uint32_t i = 0; i < N; i++) {
        must(snapshot_next(reader, &found, &block, &error));
        assert_true(found);
        assert_int_equal(block.kind, i + 1);
        assert_int_equal(block.size, sizes[i] - (sizes[i] > N ? i : 0));
        assert_int_equal((uintptr_t)block.data % 8, 0);
        assert_memory_equal(block.data, data + i, block.size);
    }
    must(snapshot_next(reader, &found, &block, &error));
    assert_false(found);
    must(snapshot_next(reader, &found, &block, &error));
    assert_false(found);
    snapshot_reader_free(reader);
    free(data);
}

/* The older one serves, and the report says why, for files cut anywhere and with any bit flipped. */
static void damaged_anywhere(void **state)
{
    (void)state;
    static const char path[] = "/d/00000000000000000020.snap";
    struct snapshots_report report;
    uint64_t size;
    write_small(&snapshots, 10, 2);
    write_small(&snapshots, 20, 2);
    uint8_t *bytes = crash_disk_bytes(disk, path, &size), *copy = malloc(size);
    memcpy(copy, bytes, size);
    for (uint64_t n = 0; n < size; n++) {
        crash_disk_put(disk, path, copy, n);
        assert_int_equal(newest(&report, 2), 10);
        assert_int_equal(report.dropped, 1);
        assert_contains(report.text, "the snapshot /d/00000000000000000020.snap is damaged at byte ");
        struct snapshot_reader *reader; /* a file that was cut is found without reading it all */
        must(snapshots_newest(&snapshots, UINT64_MAX, false, &reader, NULL, &error));
        assert_int_equal(snapshot_reader_head(reader)->seq, 10);
        snapshot_reader_free(reader);
    }
    for (uint64_t bit = 0; bit < 8 * size; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        crash_disk_put(disk, path, copy, size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(newest(&report, 2), 10);
        assert_int_equal(report.dropped, 1);
    }
    crash_disk_put(disk, path, copy, size);
    assert_int_equal(newest(&report, 2), 20);
    free(copy);
}

static void damage_is_met_while_streaming(void **state)
{
    (void)state;
    struct snapshot_reader *reader;
    uint64_t size;
    write_small(&snapshots, 20, 5);
    crash_disk_bytes(disk, "/d/00000000000000000020.snap", &size)[80 + 2 * 32 + 24] ^= 1;
    must(snapshots_newest(&snapshots, UINT64_MAX, false, &reader, NULL, &error));
    assert_int_equal(read_small(reader, 5), CODE_CORRUPT);
    assert_contains(error.message, "/d/00000000000000000020.snap is damaged at byte 144: a block of 3 bytes");
    snapshot_reader_free(reader);
    must(snapshots_newest(&snapshots, 19, false, &reader, NULL, &error));
    assert_null(reader);
}

static int open_with(size_t at, const void *bytes, size_t n)
{
    static const char path[] = "/d/00000000000000000020.snap";
    struct snapshot_reader *reader = NULL;
    struct snapshots_report report = {0};
    uint64_t size;
    write_small(&snapshots, 20, 2);
    uint8_t *data = crash_disk_bytes(disk, path, &size);
    memcpy(data + at, bytes, n);
    put_u32(data + 64, crc32c(0, data, 64));
    int code = snapshots_newest(&snapshots, UINT64_MAX, true, &reader, &report, &error);
    if (!code && !reader)
        memcpy(error.message, report.text, sizeof error.message);
    snapshot_reader_free(reader);
    return code ? code : reader ? OK : CODE_CORRUPT;
}

static void files_of_others(void **state)
{
    (void)state;
    assert_int_equal(open_with(0, "shrksnap", 8), OK);
    assert_int_equal(open_with(8, (uint32_t[]){0x04030201}, 4), CODE_UNSUPPORTED);
    assert_contains(error.message, "another byte order");
    assert_int_equal(open_with(12, (uint32_t[]){3}, 4), CODE_UNSUPPORTED);
    assert_contains(error.message, "has format 3, this version of Shrike reads format 1");
    assert_int_equal(open_with(16, "other", 5), CODE_CORRUPT);
    assert_contains(error.message, "belongs to another state");
    assert_int_equal(open_with(32, (uint64_t[]){21}, 8), CODE_CORRUPT);
    assert_contains(error.message, "it is of seq 21, its name says 20");
    assert_int_equal(open_with(56, (uint32_t[]){UINT32_MAX}, 4), CODE_CORRUPT);
    assert_contains(error.message, "a plan's text of 4294967295 bytes");
}

static void a_full_disk_keeps_the_others(void **state)
{
    (void)state;
    struct snapshots_report report;
    char block[600] = {0};
    uint64_t size;
    write_small(&snapshots, 10, 3);
    write_small(&snapshots, 20, 3);
    for (uint64_t space = 0; space < 800; space += 50) {
        struct snapshot_head head = {.seq = 30, .position = 60};
        struct snapshot_writer *writer;
        crash_disk_set_space(disk, space);
        int code = snapshot_writer_new(&snapshots, &head, &writer, &error);
        if (!code) {
            must(snapshot_put(writer, 1, block, sizeof block, &error)); /* gathered, not written */
            code = snapshot_finish(writer, &error);
            snapshot_writer_free(writer);
        }
        assert_int_equal(code, space < 750 ? CODE_NO_SPACE : OK);
        assert_null(crash_disk_bytes(disk, "/d/00000000000000000030.snap.new", &size));
        crash_disk_set_space(disk, UINT64_MAX);
        if (code)
            assert_int_equal(newest(&report, 3), 20);
    }
}

static void leftovers_are_removed(void **state)
{
    (void)state;
    uint64_t size;
    crash_disk_put(disk, "/d/00000000000000000030.snap.new", "half", 4);
    must(snapshots_init(&snapshots, crash_disk_io(disk), "/d", identity, &error));
    assert_null(crash_disk_bytes(disk, "/d/00000000000000000030.snap.new", &size));
}

/* On the real disk, written by a forked child, as an engine does that goes on meanwhile. */
static void a_child_writes(void **state)
{
    (void)state;
    char folder[] = "/tmp/shrike_test_XXXXXX", command[64];
    struct snapshots real;
    assert_non_null(mkdtemp(folder));
    must(snapshots_init(&real, NULL, folder, identity, &error));
    struct snapshot_writer *writer = begin(&real, 77);
    pid_t child = fork();
    if (child == 0) {
        int code = snapshot_put(writer, 1, "0", 1, &error);
        if (!code)
            code = snapshot_put(writer, 2, "11", 2, &error);
        if (!code)
            code = snapshot_finish(writer, &error);
        _exit(code);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    snapshot_writer_free(writer); /* the parent's, which wrote nothing */
    snapshots = real;
    struct snapshots_report report;
    assert_int_equal(newest(&report, 2), 77);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_are_kept, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(large_and_empty_blocks, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(damaged_anywhere, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(damage_is_met_while_streaming, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(files_of_others, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(a_full_disk_keeps_the_others, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(leftovers_are_removed, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(a_child_writes, make_disk, free_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
