/* How much memory there is: the limits of control groups, of both versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include "base/ram.h"
#include "unit/files.h"

static void make(const char *name)
{
    assert_int_equal(mkdir(in(name), 0700), 0);
}

static int64_t limit_of(const char *groups)
{
    return ram_group_limit(text_file("groups", groups), directory);
}

static void test_version_2(void **state)
{
    (void)state;
    make("a");
    make("a/b");
    text_file("a/memory.max", "max\n");
    text_file("a/b/memory.max", "max\n");
    assert_true(limit_of("0::/a/b\n") == INT64_MAX);
    text_file("a/b/memory.max", "4096\n");
    assert_int_equal(limit_of("0::/a/b\n"), 4096);
    /* A group is bound by those above it; the group at the root has a limit only inside of a container. */
    text_file("a/memory.max", "1024\n");
    assert_int_equal(limit_of("0::/a/b\n"), 1024);
    assert_int_equal(limit_of("0::/a\n"), 1024);
    text_file("memory.max", "512\n");
    assert_int_equal(limit_of("0::/a/b\n"), 512);
    assert_int_equal(limit_of("0::/\n"), 512);
    assert_int_equal(limit_of("0::/../elsewhere\n"), 512);
}

static void test_version_1(void **state)
{
    (void)state;
    make("memory");
    make("memory/service");
    text_file("memory/memory.limit_in_bytes", "9223372036854771712\n");
    text_file("memory/service/memory.limit_in_bytes", "2048\n");
    assert_int_equal(limit_of("4:cpu,memory:/service\n1:pids:/\n"), 2048);
    assert_int_equal(limit_of("4:memory:/service\n"), 2048);
    assert_true(limit_of("4:memory:/not/in/this/mount\n") == INT64_C(9223372036854771712));
    assert_true(limit_of("4:memoryless,cpu:/service\n") == INT64_MAX);
}

static void test_no_groups(void **state)
{
    (void)state;
    assert_true(ram_group_limit(in("absent"), directory) == INT64_MAX);
    assert_true(limit_of("no colons\n4:one\n") == INT64_MAX);
    text_file("memory.max", "not a number\n");
    assert_true(limit_of("0::/\n") == INT64_MAX);
    assert_true(ram_bytes() > 0 && ram_bytes() < INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_version_1, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_no_groups, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
