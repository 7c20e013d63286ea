/* Files are whole or absent: the disk is full, writing is cut short, the program is stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/shrike_test_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static int entries(void)
{
    int n = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return n;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    char *data;
    size_t size;
    assert_int_equal(file_write(in_folder("a"), "one\0two", 7, NULL), OK);
    assert_int_equal(file_write(in_folder("a"), "three", 5, NULL), OK);
    assert_int_equal(file_read(in_folder("a"), 100, &data, &size, NULL), OK);
    assert_int_equal(size, 5);
    assert_string_equal(data, "three");
    free(data);
    assert_int_equal(entries(), 1);
}

static void reading_says_what_is_wrong(void **state)
{
    (void)state;
    char *data = NULL;
    size_t size;
    struct error error = {0};
    assert_int_equal(file_read(in_folder("absent"), 100, &data, &size, &error), CODE_NOT_FOUND);
    assert_non_null(strstr(error.message, "absent"));
    assert_int_equal(file_read(folder, 100, &data, &size, &error), CODE_IO);
    assert_int_equal(file_write(in_folder("b"), "0123456789", 10, NULL), OK);
    assert_int_equal(file_read(in_folder("b"), 9, &data, &size, &error), CODE_LIMIT);
    assert_null(data);
    assert_int_equal(file_read(in_folder("b"), 10, &data, &size, &error), OK);
    free(data);
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(file_write("/dev/full", "x", 1, &error), CODE_NO_SPACE);
    assert_non_null(strstr(error.message, "/dev/full"));
    struct stat status;
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

/* The system cuts the file at 1000 bytes: the older file stays, nothing else is left. */
static void a_cut_write_leaves_the_old_file(void **state)
{
    (void)state;
    struct rlimit before, small;
    char block[5000] = {0}, *data;
    size_t size;
    assert_int_equal(file_write(in_folder("c"), "old", 3, NULL), OK);
    int files = entries();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 1000, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct error error = {0};
    int code = file_write(in_folder("c"), block, sizeof block, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(code, CODE_LIMIT);
    assert_int_equal(entries(), files);
    assert_int_equal(file_read(in_folder("c"), 100, &data, &size, NULL), OK);
    assert_string_equal(data, "old");
    free(data);
}

static void refused_places_are_named(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(file_write(in_folder("no/such/file"), "x", 1, &error), CODE_NOT_FOUND);
    assert_int_equal(file_write(folder, "x", 1, &error), CODE_INVALID);
    assert_non_null(strstr(error.message, "is a directory"));
    assert_int_equal(file_write(in_folder("a/"), "x", 1, &error), CODE_INVALID);
}

static void directories_are_made_with_parents(void **state)
{
    (void)state;
    struct error error = {0};
    assert_int_equal(file_make_directory(in_folder("x/y/z"), &error), OK);
    assert_int_equal(file_make_directory(in_folder("x/y/z/"), &error), OK);
    assert_int_equal(file_write(in_folder("x/file"), "x", 1, NULL), OK);
    assert_int_equal(file_make_directory(in_folder("x/file"), &error), CODE_CONFLICT);
    assert_int_not_equal(file_make_directory(in_folder("x/file/y"), &error), OK);
    assert_int_equal(file_make_directory("", &error), CODE_INVALID);
}

static void guarded_files_go_at_clean_up(void **state)
{
    (void)state;
    char kept[128], staged[128], directory[128], inside[160];
    snprintf(kept, sizeof kept, "%s", in_folder("kept"));
    snprintf(staged, sizeof staged, "%s", in_folder("staged"));
    snprintf(directory, sizeof directory, "%s", in_folder("staged_directory"));
    snprintf(inside, sizeof inside, "%s/inside", directory);
    assert_int_equal(file_make_directory(directory, NULL), OK);
    file_guard(directory);
    file_guard(inside);
    file_guard(staged);
    file_guard(kept);
    file_forget(kept);
    fclose(fopen(kept, "w"));
    fclose(fopen(staged, "w"));
    fclose(fopen(inside, "w"));
    file_clean_up();
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(access(staged, F_OK), -1);
    assert_int_equal(access(inside, F_OK), -1);
    assert_int_equal(access(directory, F_OK), -1);
    file_forget(directory);
    file_forget(inside);
    file_forget(staged);
}

static void checksums_are_sha256(void **state)
{
    (void)state;
    char hex[FILE_SHA256_SIZE], again[FILE_SHA256_SIZE];
    /* FIPS 180-2, appendix B.1. */
    file_sha256_bytes("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(file_write(in_folder("abc"), "abc", 3, NULL), OK);
    assert_int_equal(file_sha256(in_folder("abc"), again, NULL), OK);
    assert_string_equal(again, hex);
    assert_int_equal(file_sha256(in_folder("absent"), again, NULL), CODE_NOT_FOUND);
    assert_int_equal(file_sha256(folder, again, NULL), CODE_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(reading_says_what_is_wrong),
        cmocka_unit_test(a_full_disk_is_said),
        cmocka_unit_test(a_cut_write_leaves_the_old_file),
        cmocka_unit_test(refused_places_are_named),
        cmocka_unit_test(directories_are_made_with_parents),
        cmocka_unit_test(guarded_files_go_at_clean_up),
        cmocka_unit_test(checksums_are_sha256),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
