/* Pieces come zeroed, on their boundary, whatever came and went before; huge pages that a fork has broken up
 * are made whole again, with what was in them. */
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

static _Atomic bool leave;

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
    pages_gather(&leave);
    long gathered = huge_kib(pieces[0]);
    for (int i = 0; i < PIECES; i++)
        for (int at = 0; at < PAGES_HUGE; at++)
            assert_int_equal(pieces[i][at], at == 12345 ? 99 : 1 + i);
    for (int i = 0; i < PIECES; i++)
        pages_free(pieces[i], PAGES_HUGE);
    pages_gather(&leave);
    if (broken >= whole) {
        print_message("skipped: the system gives no huge pages, or forks without breaking them up\n");
        skip();
    }
    assert_true(gathered > broken);
}

static void check_filled(const unsigned char *piece, size_t size, int value)
{
    for (size_t at = 0; at < size; at += 509)
        assert_int_equal(piece[at], value);
}

/* More than two chunks of either kind, and large ones between them. */
static void test_pieces_come_and_go(void **unused)
{
    (void)unused;
    enum { PLACES = 2 * (PAGES_CHUNK / PAGES_HUGE) + 9, STEPS = 4000 };
    static struct {
        unsigned char *piece;
        size_t size;
        int value;
    } places[PLACES];
    unsigned step = 0, random = 7;
    for (; step < STEPS; step++) {
        random = random * 1103515245 + 12345;
        unsigned i = (random >> 8) % PLACES;
        if (places[i].piece) {
            check_filled(places[i].piece, places[i].size, places[i].value);
            pages_free(places[i].piece, places[i].size);
            places[i].piece = NULL;
            continue;
        }
        places[i].size = random % 41 == 0 ? 2 * PAGES_HUGE + 12345 : 4096 + random % 60000;
        places[i].value = 1 + (int)(random % 255);
        places[i].piece = pages_new(places[i].size, random % 3 == 0);
        assert_non_null(places[i].piece);
        assert_int_equal((uintptr_t)places[i].piece % PAGES_HUGE, 0);
        check_filled(places[i].piece, places[i].size, 0);
        memset(places[i].piece, places[i].value, places[i].size);
    }
    for (unsigned i = 0; i < PLACES; i++)
        pages_free(places[i].piece, places[i].size);
}

static void test_tables_of_any_size(void **unused)
{
    (void)unused;
    for (size_t n = 1000; n < 2000000; n *= 7) {
        uint64_t *table = pages_table(n, sizeof *table);
        assert_non_null(table);
        for (size_t i = 0; i < n; i++)
            assert_true(table[i] == 0);
        memset(table, 1, n * sizeof *table);
        pages_table_free(table, n, sizeof *table);
    }
    assert_null(pages_table(SIZE_MAX / 4, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces_come_and_go),
                                       cmocka_unit_test(test_tables_of_any_size),
                                       cmocka_unit_test(test_gathers_what_a_fork_broke_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
