/*
 * The rescan: the features of a whole table by the definition itself, event by event, looking at every
 * earlier event each time. The oracle of src/feature/state.c, with which it shares the compiled plan and the
 * scalar expressions (which DuckDB checks) and nothing else: no entity, no ring, no running sum.
 *
 * For each event e the members of a window are collected in (time, arrival) order, then aggregated
 * (aggregates.h). Which events p are members is said in three steps:
 *
 *   1. Of e's group are e and all earlier p with the same key that WHERE wants and that were not too late
 *      themselves, nor ahead.
 *   2. Of these, some are no longer retained. It shows only where e is too late (floor = high water -
 * lateness): RANGE from `start`      p other than e with p.time < floor - start unbounded everything but e
 *        ROWS from `start`       p with p.time < floor, but for the newest `start` of these
 *   3. Of what is left the frame takes a range of times up to e's, or of ranks up to e's.
 *
 * Of erased events: p is in no window of events taken after its erasure. What its key had retained then, by
 * the widest frames over it, is all that frames of ROWS with a start see of what came before; frames without
 * a start count the rest on.
 *
 * With labels, a late column of p is what the label says that has arrived before e and has the highest time,
 * and NULL without one. Windows over results of windows look at p as it was when it was taken.
 */
#ifndef SHRIKE_TESTS_RESCAN_H
#define SHRIKE_TESTS_RESCAN_H

#include "differential/erasures.h"
#include "differential/labels.h"

/* What a window met. */
enum seen {
    SEEN_NULL,      /* a member without an argument */
    SEEN_ERROR,     /* a member whose argument or FILTER cannot be computed */
    SEEN_FILTER,    /* a member that FILTER leaves out */
    SEEN_SPECIAL,   /* NaN or an infinity among the values */
    SEEN_NOTHING,   /* no value at all */
    SEEN_TIE,       /* RANGE: another event at the newer end's very time; ROWS: two members of one time */
    SEEN_EDGE,      /* RANGE: an event at the older end's very time; ROWS: one more event before the oldest */
    SEEN_LATE,      /* a member that came late */
    SEEN_TOO_LATE,  /* the event itself is too late */
    SEEN_AHEAD,     /* or ahead */
    SEEN_FORGOTTEN, /* its frame would have held an event that is no longer retained */
    SEEN_WHERE,     /* an event of the same key that WHERE does not want */
    SEEN_LABEL,     /* a late column's value */
    SEEN_DEFAULT,   /* a late column's DEFAULT */
    SEEN_INNER,     /* the window is one over results of windows */
    SEEN_LEARNT,    /* a member whose label came before the frame's end had passed it */
    SEEN_OVERDUE,   /* one whose label came after that: until then it was the DEFAULT */
    SEEN_CORRECTED, /* one whose label had another before it that said something else */
    SEEN_OVERTAKEN, /* one of whose labels came after a newer one */
    SEEN_ERASED,    /* an event that would be a member had it not been erased */
    SEEN_TWIN,      /* two members of one time, of which one's label has come */
    SEEN_COUNT
};

struct rescan {
    struct table features;
    /* Per window and event, what errors of rounding are measured by: of a sum of doubles the sum of |x|, of a
     * mean that divided by their number, of a variance the sum of x^2 divided by what it divides by. */
    double **magnitudes;
    bool (*seen)[SEEN_COUNT]; /* per window */
    bool *wanted;             /* per event: WHERE is TRUE */
    bool *entered;            /* and it was not too late */
    int64_t late, too_late, ahead, filtered;
    int n_windows;
};

struct rescan_options {
    int64_t lateness, max_ahead;     /* max_ahead 0: none is */
    const struct labels *labels;     /* NULL: the events' own late columns are on time */
    const struct erasures *erasures; /* NULL: none */
};
int rescan_run(struct plan *plan, const struct table *events, const struct rescan_options *options,
               struct rescan *ret, struct error *error);
void rescan_done(struct rescan *rescan);

#endif
