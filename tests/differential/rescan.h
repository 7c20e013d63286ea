/*
 * The rescan: the features of a whole table by the definition itself, event by event, looking at every
 * earlier event each time. The oracle of src/feature/state.c, with which it shares the compiled plan and the
 * scalar expressions (which DuckDB checks) and nothing else: no entity, no ring, no running sum.
 *
 *   window of e over key K and frame [a, b] = { p : K(p) = K(e), p not after e in arrival,
 *                                               e.time - a <= p.time <= e.time - b }
 *
 * Of the p other than e, those that came too late themselves were never kept, and those older than e's floor
 * (high water minus lateness) minus a are no longer.
 */
#ifndef SHRIKE_TESTS_RESCAN_H
#define SHRIKE_TESTS_RESCAN_H

#include "feature/compile.h"

enum seen {
    SEEN_NULL,
    SEEN_FILTERED,
    SEEN_TIE,
    SEEN_LATE,
    SEEN_TOO_LATE,
    SEEN_LABEL,
    SEEN_DEFAULT,
    SEEN_COUNT
};

struct rescan {
    struct table features;
    double **magnitudes; /* per window and event: the sum of finite |x| (of a mean: divided by the count) */
    bool (*seen)[SEEN_COUNT]; /* per window: what its data had */
    int64_t late, too_late;
    int n_windows;
};

int rescan_run(struct plan *plan, const struct table *events, int64_t lateness, struct rescan *ret,
               struct error *error);
void rescan_done(struct rescan *rescan);

#endif
