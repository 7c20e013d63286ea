/* Which processors a thread leaves to its caller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>

#include "base/cpu.h"

static cpu_set_t usable;

static int read_usable(void **state)
{
    (void)state;
    return sched_getaffinity(0, sizeof usable, &usable);
}

static int give_back(void **state)
{
    (void)state;
    return sched_setaffinity(0, sizeof usable, &usable);
}

static void stay_on(int processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET((size_t)processor, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static void test_leaves_one_out(void **state)
{
    (void)state;
    cpu_set_t beside, now;
    cpu_beside(&beside);
    if (CPU_COUNT(&usable) == 1)
        skip();
    assert_int_equal(CPU_COUNT(&beside), CPU_COUNT(&usable) - 1);
    cpu_use(&beside);
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    assert_true(CPU_EQUAL(&now, &beside));
    assert_true(CPU_ISSET((size_t)sched_getcpu(), &beside));
}

static void test_keeps_the_only_one(void **state)
{
    (void)state;
    cpu_set_t beside;
    int here = sched_getcpu();
    stay_on(here);
    cpu_beside(&beside);
    assert_int_equal(CPU_COUNT(&beside), 1);
    assert_true(CPU_ISSET((size_t)here, &beside));
}

static void test_nothing_changes_where_nothing_is_known(void **state)
{
    (void)state;
    cpu_set_t none, now;
    CPU_ZERO(&none);
    cpu_use(&none);
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    assert_true(CPU_EQUAL(&now, &usable));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_leaves_one_out, read_usable, give_back),
        cmocka_unit_test_setup_teardown(test_keeps_the_only_one, read_usable, give_back),
        cmocka_unit_test_setup_teardown(test_nothing_changes_where_nothing_is_known, read_usable, give_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
