/* Versions kept with a state: found by number, whole or not there, whenever the power fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "score/archive.h"
#include "unit/crash_disk.h"

static const char body[] = "the body of a switch";
static char files[64];

static void open_archive(struct crash_disk *disk, struct archive *ret)
{
    struct state_directory directory;
    assert_int_equal(state_directory_open(&directory, crash_disk_io(disk), "/state", NULL), OK);
    assert_int_equal(archive_init(ret, &directory, NULL), OK);
    state_directory_close(&directory);
}

static uint32_t find(const struct archive *archive, uint32_t number)
{
    struct buffer text;
    uint32_t found;
    buffer_init(&text, 1 << 16);
    assert_int_equal(archive_find(archive, number, &found, &text, NULL), OK);
    if (found) {
        assert_int_equal(text.size, sizeof body);
        assert_memory_equal(text.data, body, sizeof body);
    }
    buffer_done(&text);
    return found;
}

static bool has(struct crash_disk *disk, const char *path)
{
    uint64_t size;
    return crash_disk_bytes(disk, path, &size) != NULL;
}

/* A version's directory on the real disk, as the registry has it. */
static int make_files(void **state)
{
    char path[128];
    (void)state;
    snprintf(files, sizeof files, "/tmp/shrike-archive-%ld", (long)getpid());
    assert_int_equal(file_make_directory(files, NULL), OK);
    static const char *const names[] = {"shrike.json", "model.json", ".hidden"};
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", files, names[i]);
        assert_int_equal(file_write(path, names[i], strlen(names[i]), NULL), OK);
    }
    snprintf(path, sizeof path, "%s/folder", files);
    return file_make_directory(path, NULL);
}

static int remove_files(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", files);
    return system(command) != 0;
}

static void test_finds_what_was_kept(void **state)
{
    (void)state;
    struct crash_disk *disk = crash_disk_new(1);
    struct archive archive;
    open_archive(disk, &archive);
    assert_int_equal(find(&archive, 1), 0);
    assert_int_equal(archive_put(&archive, 2, body, sizeof body, files, NULL), OK);
    assert_int_equal(archive_put(&archive, 11, body, sizeof body, NULL, NULL), OK);
    /* One that was not kept is as the next one that is. */
    assert_int_equal(find(&archive, 1), 2);
    assert_int_equal(find(&archive, 2), 2);
    assert_int_equal(find(&archive, 3), 11);
    assert_int_equal(find(&archive, 12), 0);
    assert_true(has(disk, "/state/versions/2/shrike.json") && has(disk, "/state/versions/2/model.json"));
    assert_false(has(disk, "/state/versions/2/.hidden"));
    assert_int_equal(archive_trim(&archive, 3, NULL), OK);
    assert_int_equal(find(&archive, 1), 11);
    assert_false(has(disk, "/state/versions/2/model.json"));
    crash_disk_free(disk);
}

/* A number that was used by a change which never came about. */
static void test_leaves_nothing_of_another(void **state)
{
    (void)state;
    struct crash_disk *disk = crash_disk_new(1);
    struct archive archive;
    open_archive(disk, &archive);
    assert_int_equal(archive_put(&archive, 2, "other", 5, files, NULL), OK);
    assert_int_equal(archive_put(&archive, 2, body, sizeof body, NULL, NULL), OK);
    assert_int_equal(find(&archive, 2), 2);
    assert_false(has(disk, "/state/versions/2/model.json"));
    crash_disk_free(disk);
}

static void test_refuses_a_damaged_one(void **state)
{
    (void)state;
    struct crash_disk *disk = crash_disk_new(1);
    struct archive archive;
    struct error error = {0};
    struct buffer text;
    uint32_t found;
    uint64_t size;
    open_archive(disk, &archive);
    assert_int_equal(archive_put(&archive, 1, body, sizeof body, NULL, NULL), OK);
    uint8_t *bytes = crash_disk_bytes(disk, "/state/versions/1/switch", &size);
    bytes[size - 3] ^= 4;
    buffer_init(&text, 1 << 16);
    assert_int_equal(archive_find(&archive, 1, &found, &text, &error), CODE_CORRUPT);
    assert_non_null(strstr(error.message, "/state/versions/1/switch is damaged"));
    buffer_done(&text);
    crash_disk_free(disk);
}

/* What archive_put has answered OK to is there after the power fails, with its files; what it has not is
 * whole or not there. False: it is not so. */
static bool crashes_well(uint64_t seed, enum crash_site left_out, const char *end)
{
    struct crash_disk *disk = crash_disk_new(seed);
    struct archive archive;
    uint64_t random = seed;
    bool fine = true;
    open_archive(disk, &archive);
    if (end)
        crash_disk_leave_out(disk, left_out, end);
    for (uint32_t number = 1; fine && number <= 3; number++) {
        crash_disk_stop_after(disk,
                              crash_random(&random) % 3 ? 1 + (int64_t)(crash_random(&random) % 40) : -1);
        bool put = archive_put(&archive, number, body, sizeof body, files, NULL) == OK;
        crash_disk_crash(disk);
        crash_disk_stop_after(disk, -1);
        struct buffer text;
        uint32_t found = 0;
        buffer_init(&text, 1 << 16);
        fine = archive_find(&archive, number, &found, &text, NULL) == OK && (!put || found == number);
        fine &= !found || (text.size == sizeof body && memcmp(text.data, body, sizeof body) == 0);
        buffer_done(&text);
        char path[IO_PATH_SIZE], name[IO_PATH_SIZE];
        uint64_t size;
        archive_path(&archive, number, path, NULL);
        io_path(name, path, "model.json", NULL);
        uint8_t *bytes = found ? crash_disk_bytes(disk, name, &size) : NULL;
        fine &= !found || (bytes && size == 10 && memcmp(bytes, "model.json", 10) == 0);
    }
    crash_disk_free(disk);
    return fine;
}

static void test_is_whole_whenever_the_power_fails(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        assert_true(crashes_well(seed, 0, NULL));
}

/* Each flush is needed: without it some seed notices. */
static void test_needs_each_flush(void **state)
{
    (void)state;
    static const struct {
        enum crash_site site;
        const char *end;
    } flushes[] = {
        {SITE_STAGED_HEAD, "switch.new"},   {SITE_COMMIT, "model.json"},     {SITE_DIRECTORY_CREATE, "/1"},
        {SITE_DIRECTORY_MADE, "/versions"}, {SITE_DIRECTORY_MADE, "/state"},
    };
    for (size_t i = 0; i < sizeof flushes / sizeof *flushes; i++) {
        bool noticed = false;
        for (uint64_t seed = 1; !noticed && seed <= 2000; seed++)
            noticed = !crashes_well(seed, flushes[i].site, flushes[i].end);
        if (!noticed)
            fail_msg("not noticed: %s, %s", crash_site_name(flushes[i].site), flushes[i].end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_kept),
        cmocka_unit_test(test_leaves_nothing_of_another),
        cmocka_unit_test(test_refuses_a_damaged_one),
        cmocka_unit_test(test_is_whole_whenever_the_power_fails),
        cmocka_unit_test(test_needs_each_flush),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
