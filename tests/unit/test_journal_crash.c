/*
 * Thousands of seeded crashes: what was acknowledged is there, in its order, nothing twice, nothing invented.
 * And the tests of the test: without any one of the flushes, some seed notices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/journal_world.h"

enum { SEEDS = 3000 };

/* JOURNAL_SEEDS: how many instead. JOURNAL_SEED: only this one. */
static uint64_t setting(const char *name, uint64_t usual)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : usual;
}

static void crashes(void **state)
{
    (void)state;
    struct world_counts counts = {0};
    char problem[WORLD_PROBLEM] = "";
    uint64_t first = setting("JOURNAL_SEED", 0),
             n = getenv("JOURNAL_SEED") ? 1 : setting("JOURNAL_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + n; seed++)
        if (!world_run(seed, SITE_COUNT, NULL, &counts, problem))
            fail_msg("JOURNAL_SEED=%llu: %s", (unsigned long long)seed, problem);
    printf(
        "%llu seeds, %llu processes: %llu records appended, %llu acknowledged, %llu segments rewritten, %llu "
        "trimmed, %llu snapshots, %llu torn ends cut, %llu times the disk was full, %llu flushes failed\n",
        (unsigned long long)n, (unsigned long long)counts.lives, (unsigned long long)counts.appended,
        (unsigned long long)counts.committed, (unsigned long long)counts.rewritten,
        (unsigned long long)counts.trimmed, (unsigned long long)counts.snapshots,
        (unsigned long long)counts.dropped, (unsigned long long)counts.full,
        (unsigned long long)counts.failed_flushes);
    if (n < SEEDS)
        return;
    /* All of it happened. */
    assert_true(counts.rewritten > n && counts.trimmed > n && counts.snapshots > n);
    assert_true(counts.dropped > n / 8 && counts.full > n / 8 && counts.failed_flushes > n / 8);
}

/* Every flush there is, by its place and the end of the name that is flushed; docs/journal.md has this table.
 */
static const struct {
    enum crash_site site;
    const char *end;
} flushes[] = {
    {SITE_COMMIT, ".seg"},
    {SITE_CLOSE, ".seg"},
    {SITE_OPEN, ".seg"},
    {SITE_CUT, ".seg"},
    {SITE_FORGET, ".seg"},
    {SITE_STAGED_HEAD, ".seg.new"},
    {SITE_STAGED, ".seg.new"},
    {SITE_STAGED, ".snap.new"},
    {SITE_STAGED, "format.new"},
    {SITE_DIRECTORY_OPEN, "/journal"},
    {SITE_DIRECTORY_OPEN, "/snapshots"},
    {SITE_DIRECTORY_OPEN, "/d"},
    {SITE_DIRECTORY_OPEN, "/"},
    {SITE_DIRECTORY_MADE, "/"},
    {SITE_DIRECTORY_MADE, "/d"},
    {SITE_DIRECTORY_CREATE, "/d"},
    {SITE_DIRECTORY_CREATE, "/journal"},
    {SITE_DIRECTORY_CREATE, "/snapshots"},
    {SITE_DIRECTORY_REPLACE, "/journal"},
    {SITE_DIRECTORY_REMOVE, "/journal"},
};

static void no_flush_can_be_left_out(void **state)
{
    (void)state;
    int unnoticed = 0;
    for (size_t i = 0; i < sizeof flushes / sizeof *flushes; i++) {
        struct world_counts counts = {0};
        char problem[WORLD_PROBLEM] = "";
        uint64_t seed = 0;
        while (seed < SEEDS && world_run(seed, flushes[i].site, flushes[i].end, &counts, problem))
            seed++;
        printf("without the flush of %s (*%s): ", crash_site_name(flushes[i].site), flushes[i].end);
        if (seed < SEEDS)
            printf("seed %llu: %s\n", (unsigned long long)seed, problem);
        else
            printf("UNNOTICED\n");
        unnoticed += seed == SEEDS;
    }
    assert_int_equal(unnoticed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crashes),
        cmocka_unit_test(no_flush_can_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
