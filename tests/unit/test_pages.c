/* Huge pages that a fork has broken up are made whole again, with what was in them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/pages.h"

enum { PIECES = 6 };

/* KiB in huge pages of the mapping that has the address. */
static long huge_kib(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long from, to;
    long kib = 0;
    bool here = false;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)address && (uintptr_t)address < to;
        else if (here && sscanf(line, "AnonHugePages: %ld", &kib) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kib;
}

static pid_t fork_sleeper(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    return child;
}

static void test_gathers_what_a_fork_broke_up(void **unused)
{
    (void)unused;
    char *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = pages_new(PAGES_HUGE, true);
        assert_non_null(pieces[i]);
        memset(pieces[i], 1 + i, PAGES_HUGE);
    }
    long whole = huge_kib(pieces[0]);
    pid_t child = fork_sleeper();
    assert_true(child > 0);
    for (int i = 0; i < PIECES; i++)
        pieces[i][12345] = 99;
    long broken = huge_kib(pieces[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    pages_gather();
    long gathered = huge_kib(pieces[0]);
    for (int i = 0; i < PIECES; i++)
        for (int at = 0; at < PAGES_HUGE; at++)
            assert_int_equal(pieces[i][at], at == 12345 ? 99 : 1 + i);
    for (int i = 0; i < PIECES; i++)
        pages_free(pieces[i], PAGES_HUGE);
    pages_gather();
    if (broken >= whole) {
        print_message("skipped: the system gives no huge pages, or forks without breaking them up\n");
        skip();
    }
    assert_true(gathered > broken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gathers_what_a_fork_broke_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
