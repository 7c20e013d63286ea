/*
 * Labels of a stream, as they are told and as they count: some before their events, some too early by more
 * than the lateness, some of events that never come, corrected, repeated, overtaken by newer ones.
 *
 * What waits for its event and what is given up is found here by the definition alone, going through all that
 * waits at every event.
 */
#ifndef SHRIKE_TESTS_LABEL_STORY_H
#define SHRIKE_TESTS_LABEL_STORY_H

#include "differential/labels.h"
#include "differential/rescan.h"

struct story_label {
    int64_t event;    /* its row; from the number of events on: nobody's */
    int64_t position; /* it is told before this event */
    int64_t time;
    int value; /* -1: NULL */
};

struct label_story {
    struct story_label *list; /* in the order in which they are told */
    int64_t n;
    struct labels counting;         /* those whose events come, from when on they count */
    int64_t lost, waiting, awaited; /* ids that are given up; that still wait at the end; whose event came */
};

/* events: with the id in column 0, which is the row, and a late column that `late` names. */
void label_story_make(struct random *random, struct plan *plan, const struct table *events, int late,
                      int64_t lateness, struct label_story *ret);
void label_story_done(struct label_story *story);

/* Labels [from, to) of a story as rows of a label schema whose only late column it is. */
void label_story_rows(const struct label_story *story, int64_t from, int64_t to, struct table *ret);

#endif
