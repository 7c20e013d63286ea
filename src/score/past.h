/*
 * Events and decisions that the journal has of former versions, whose plans may be others: what they were
 * then, and the events with the columns of a later plan.
 *
 * Threads: one. Memory: a plan and a record of events. Versions are read from the archive once each time that
 * the version changes.
 */
#ifndef SHRIKE_SCORE_PAST_H
#define SHRIKE_SCORE_PAST_H

#include "score/archive.h"
#include "score/records.h"
#include "table/remap.h"

struct past {
    const struct archive *archive;
    struct plan *now;
    uint32_t number; /* of the version at hand; 0: none */
    struct buffer body;
    struct switch_record version; /* texts in the body; zeroed where the version was never kept */
    struct plan *plan;            /* that the version has: `now` itself where the texts are the same */
    struct remap remap;           /* its events to those of `now` */
    struct table events;          /* of the plan */
};

/* References the plan; the archive stays. */
void past_init(struct past *ret, const struct archive *archive, struct plan *now);
void past_done(struct past *past); /* takes a zeroed one */

/* Takes a version at hand. One that was never kept has the plan of `now`. */
int past_enter(struct past *past, uint32_t number, struct error *error);

/* Reads a record of events into `ret`, which has the columns of `now`'s events; its version is then at hand.
 */
int past_read(struct past *past, const void *body, size_t size, struct events_head *ret_head,
              struct table *ret, struct error *error);

#endif
