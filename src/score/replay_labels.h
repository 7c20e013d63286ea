/*
 * Labels in a replay: told again where the journal has them, and what they have said of each event in the
 * end.
 *
 * Threads: one. Memory: a label_book; of label_truth 48 bytes per label of the journal.
 */
#ifndef SHRIKE_SCORE_REPLAY_LABELS_H
#define SHRIKE_SCORE_REPLAY_LABELS_H

#include "journal/reader.h"
#include "score/ids.h"
#include "score/label_book.h"
#include "score/records.h"

struct replay_labels {
    struct label_book *book; /* NULL: labels do not come by themselves */
    struct table rows;       /* of a record of labels */
    uint8_t *speaks;
};

/* Records of labels are from now on those of this plan. */
int replay_labels_plan(struct replay_labels *labels, const struct plan *plan, struct error *error);
void replay_labels_done(struct replay_labels *labels); /* takes a zeroed one */
int replay_labels_read(struct replay_labels *labels, const struct record *record, struct error *error);

/* What labels of the journal say in the end of the plan's label: whether it was a fraud. The labels' times
 * decide, as everywhere. */
struct label_truth;
int label_truth_new(struct journal *journal, const struct plan *plan, struct label_truth **ret,
                    struct error *error);
void label_truth_free(struct label_truth *truth); /* takes NULL */
/* 1, 0, or -1 where nothing is known of it. */
int label_truth_find(const struct label_truth *truth, struct id_key key);

#endif
