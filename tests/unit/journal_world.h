/*
 * A life of a state directory under crashes: an engine that appends, commits, trims, rewrites and takes
 * snapshots, and a model that knows what it was told. The power fails, the process dies, flushes fail, the
 * disk is full; after each, what is found is compared with what was promised.
 */
#ifndef SHRIKE_TESTS_UNIT_JOURNAL_WORLD_H
#define SHRIKE_TESTS_UNIT_JOURNAL_WORLD_H

#include "unit/crash_disk.h"

struct world_counts {
    uint64_t lives, appended, committed, rewritten, trimmed, snapshots, dropped, full, failed_flushes;
};

/* Lives of one seed. With `end`, flushes at `site` of names that end so are left out. False: a promise was
 * broken, `problem` says which. */
enum { WORLD_PROBLEM = 1200 };
bool world_run(uint64_t seed, enum crash_site site, const char *end, struct world_counts *counts,
               char problem[WORLD_PROBLEM]);

#endif
