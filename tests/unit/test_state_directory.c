/* The state directory: made whole or not at all, one process at a time, others' versions and files refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "journal/directory.h"
#include "unit/crash_disk.h"

static struct crash_disk *disk;
static struct error error;

static int make_disk(void **state)
{
    (void)state;
    disk = crash_disk_new(1);
    return 0;
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

static int open_at(struct state_directory *directory, const char *path)
{
    return state_directory_open(directory, crash_disk_io(disk), path, &error);
}

static void made_once(void **state)
{
    (void)state;
    struct state_directory first, again;
    assert_int_equal(open_at(&first, "/var/lib/shrike/"), OK);
    assert_true(first.made);
    assert_string_equal(first.path, "/var/lib/shrike");
    assert_string_equal(first.journal, "/var/lib/shrike/journal");
    assert_string_equal(first.snapshots, "/var/lib/shrike/snapshots");
    state_directory_close(&first);
    crash_disk_crash(disk);
    assert_int_equal(open_at(&again, "/var/lib/shrike"), OK);
    assert_false(again.made);
    assert_memory_equal(again.identity, first.identity, JOURNAL_IDENTITY);
    state_directory_close(&again);
    struct state_directory other;
    assert_int_equal(open_at(&other, "/other"), OK);
    assert_memory_not_equal(other.identity, first.identity, JOURNAL_IDENTITY);
    state_directory_close(&other);
    assert_int_equal(open_at(&other, ""), CODE_INVALID);
}

static void one_at_a_time(void **state)
{
    (void)state;
    struct state_directory first, second;
    char holder[64];
    assert_int_equal(open_at(&first, "/d"), OK);
    assert_int_equal(open_at(&second, "/d"), CODE_UNAVAILABLE);
    snprintf(holder, sizeof holder, "the state directory /d is in use by process %ld on ", (long)getpid());
    assert_contains(error.message, holder);
    assert_contains(error.message, " since 2023-11-14T22:13:20Z: stop it, or name another directory");
    state_directory_close(&first);
    assert_int_equal(open_at(&second, "/d"), OK);
    state_directory_close(&second);
}

static void files_of_something_else(void **state)
{
    (void)state;
    struct state_directory directory;
    uint64_t size;
    const struct io *io = crash_disk_io(disk);
    assert_int_equal(io->make_directory(disk, "/d"), 0);
    crash_disk_put(disk, "/d/photo.jpg", "x", 1);
    assert_int_equal(open_at(&directory, "/d"), CODE_CONFLICT);
    assert_contains(error.message, "/d is no state directory: it has 'photo.jpg' and no file 'format'");
    assert_null(crash_disk_bytes(disk, "/d/lock", &size)); /* nothing was put into it */
    assert_int_equal(io->remove(disk, "/d/photo.jpg"), 0);
    assert_int_equal(open_at(&directory, "/d"), OK); /* an empty one will do */
    state_directory_close(&directory);
    crash_disk_put(disk, "/d/journal/00000000000000000001.seg", "x", 1);
    assert_int_equal(io->remove(disk, "/d/format"), 0);
    assert_int_equal(open_at(&directory, "/d"), CODE_CORRUPT);
    assert_contains(error.message, "has a journal and no file 'format'");
}

static void put_format(const char *format)
{
    char text[300];
    int n = snprintf(text, sizeof text, "%s", format);
    n += snprintf(text + n, sizeof text - (size_t)n, "checksum %08x\n", crc32c(0, text, (size_t)n));
    crash_disk_put(disk, "/d/format", text, (uint64_t)n);
}

static void other_versions_and_machines(void **state)
{
    (void)state;
    struct state_directory directory;
    assert_int_equal(open_at(&directory, "/d"), OK);
    state_directory_close(&directory);
    put_format("shrike state\nformat 1\nbyte order little\nidentity 00112233445566778899aabbccddeeff\n");
    assert_int_equal(open_at(&directory, "/d"), OK);
    assert_int_equal(directory.identity[15], 0xff);
    state_directory_close(&directory);
    put_format("shrike state\nformat 2\nbyte order little\nanything\n");
    assert_int_equal(open_at(&directory, "/d"), CODE_UNSUPPORTED);
    assert_contains(error.message, "/d has format 2, this version of Shrike reads format 1: open it with the "
                                   "version that wrote it, or name another directory");
    put_format("shrike state\nformat 1\nbyte order big\nidentity 00112233445566778899aabbccddeeff\n");
    assert_int_equal(open_at(&directory, "/d"), CODE_UNSUPPORTED);
    assert_contains(error.message, "written on a machine of big-endian byte order");
}

static void damaged_anywhere(void **state)
{
    (void)state;
    struct state_directory directory;
    uint64_t size;
    assert_int_equal(open_at(&directory, "/d"), OK);
    state_directory_close(&directory);
    const uint8_t *bytes = crash_disk_bytes(disk, "/d/format", &size);
    char copy[512];
    memcpy(copy, bytes, size);
    for (uint64_t n = 0; n < size; n++) {
        crash_disk_put(disk, "/d/format", copy, n);
        assert_int_equal(open_at(&directory, "/d"), CODE_CORRUPT);
    }
    for (uint64_t bit = 0; bit < 8 * size; bit++) {
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        crash_disk_put(disk, "/d/format", copy, size);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        int code = open_at(&directory, "/d");
        assert_true(code == CODE_CORRUPT || code == CODE_UNSUPPORTED);
    }
    assert_contains(error.message, "/d/format is damaged: expected \"shrike state\", format 1");
}

/* Real processes: the child of the holder lets go without taking the lock along, if a moment later. */
static void processes(void **state)
{
    (void)state;
    char folder[] = "/tmp/shrike_test_XXXXXX", path[64], command[64];
    struct state_directory directory;
    int ready[2], status;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/state", folder);
    assert_int_equal(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0) {
        int code = state_directory_open(&directory, NULL, path, &error);
        pid_t child = code ? -1 : fork();
        if (child == 0) { /* outlives the holder */
            usleep(150000);
            state_directory_forked(&directory);
            sleep(60);
            _exit(0);
        }
        if (write(ready[1], &child, sizeof child) != sizeof child)
            _exit(1);
        sleep(60);
        _exit(code);
    }
    pid_t child;
    assert_int_equal(read(ready[0], &child, sizeof child), sizeof child);
    assert_true(child > 0);
    assert_int_equal(state_directory_open(&directory, NULL, path, &error), CODE_UNAVAILABLE);
    snprintf(command, sizeof command, "in use by process %ld on ", (long)holder);
    assert_contains(error.message, command);
    assert_int_equal(kill(holder, 9), 0);
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(state_directory_open(&directory, NULL, path, &error), OK);
    state_directory_close(&directory);
    kill(child, 9);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    assert_int_equal(system(command), 0);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_once, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(one_at_a_time, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(files_of_something_else, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(other_versions_and_machines, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(damaged_anywhere, make_disk, free_disk),
        cmocka_unit_test(processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
