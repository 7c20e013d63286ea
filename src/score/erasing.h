/*
 * Erased events and the journal: where their rows are, what the windows have to forget, and records without
 * them. Rows and decisions keep their places; all columns of such a row are NULL. Events of former plans are
 * given with the columns of the plan that is asked for (past.h).
 *
 * Threads: one. Memory: a record, and a few of its kind.
 */
#ifndef SHRIKE_SCORE_ERASING_H
#define SHRIKE_SCORE_ERASING_H

#include "base/memory.h"
#include "journal/reader.h"
#include "score/ids.h"
#include "score/past.h"
#include "score/records.h"

/* Was the event erased, and is no longer there? */
bool event_is_erased(const struct table *events, int64_t i);
/* Is any of them? */
bool events_have_erased(const struct table *events);

/* Takes the rows out that were erased. */
int erased_rows_drop(struct table *rows, struct error *error);

/* Calls `each` for what the journal still has of these events, ascending numbers: with the row and whether it
 * has entered the windows. Only events whose decisions are there, too. */
struct erasing_place {
    struct journal *journal;
    const struct archive *archive; /* of the versions that have decided */
    struct plan *plan;             /* that is asked for */
};
typedef int erasing_each(void *context, uint64_t seq, const struct table *events, int64_t i, bool entered,
                         struct error *error);
int erasing_find(const struct erasing_place *place, const uint64_t *seqs, size_t n, erasing_each *each,
                 void *context, struct error *error);

/* What else there is to do. */
struct erasing_how {
    /* Appends the row as the windows know it; NULL: as it is in the journal. */
    int (*append)(void *context, uint64_t seq, const struct table *events, int64_t i, struct table *ret,
                  struct error *error);
    erasing_each *erased; /* hears of each row behind that; or NULL */
    void *context;
};
/* The windows forget them. ret_traces, per feature of the engine's plan: state_forget. */
int erasing_forget(const struct erasing_place *place, struct engine *engine, const uint64_t *seqs, size_t n,
                   bool *ret_traces, const struct erasing_how *how, struct error *error);

/* Adds the numbers of the labels in the journal that speak of events with these ids (ascending by
 * erasing_by_key). */
int erasing_by_key(const void *a, const void *b);
int erasing_find_labels(const struct erasing_place *place, const struct id_key *keys, size_t n,
                        int (*each)(void *context, uint64_t seq, struct error *error), void *context,
                        struct error *error);

/* Records without what was erased, for journal_rewrite. */
struct blanking {
    const uint64_t *seqs; /* ascending; the caller's */
    size_t n;
    uint64_t last; /* erasures up to this position are carried out with that */
    struct past past;
    struct decided decided; /* of the version at hand */
    char plan[65];          /* hash of the plan that it is of */
    struct table labels;    /* where the plan has labels */
    uint8_t *speaks;
    struct buffer body;
};
int blanking_init(struct blanking *ret, const struct erasing_place *place, const uint64_t *seqs, size_t n,
                  uint64_t last, struct error *error);
void blanking_done(struct blanking *blanking);
/* A journal_replace; the context is a struct blanking. */
int blanking_replace(void *context, const struct record *record, const void **ret_body, uint32_t *ret_size,
                     struct error *error);

#endif
