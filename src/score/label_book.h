/*
 * What has to be known of events so that labels can reach them later: the events by their ids, what labels
 * have said of each, and labels whose events have not come yet. It is for labels that come one by one, in the
 * order of a journal; labels.h is for whole files.
 *
 * Of an event it keeps what windows over late columns look at: their keys, arguments and filters, and its
 * time. So a label never waits for a disk, and reaches its event whatever is left of the journal. An event is
 * kept until the high water has moved on, since it was taken, by as long as a label can matter to a window
 * and twice the lateness; frames without a start are taken as LIMIT_LABEL_HORIZON long. Beyond it a label has
 * an id that nobody knows. Of two events with one id within that time the first has it.
 *
 * Everything follows from the order of calls and not from how events were cut into batches, as long as an
 * event that a label waits for is the last of its batch (label_book_together).
 *
 * Threads: one caller at a time. Memory: 70 to 100 bytes per event besides the columns, about 40 more for one
 * that has a label.
 */
#ifndef SHRIKE_SCORE_LABEL_BOOK_H
#define SHRIKE_SCORE_LABEL_BOOK_H

#include "feature/state.h"
#include "score/label_said.h"

struct label_book;

/* Can labels be told to a plan's events: has it an id, an event time and a late column? */
int label_book_check(const struct plan *plan, struct error *error);
/* labels: of label_schema_new, of this plan or of another one over the same events. The state, with
 * options.learns, is that of `plan`. */
int label_book_new(struct plan *plan, struct schema *labels, const struct state *state, int64_t lateness,
                   struct label_book **ret, struct error *error);
void label_book_free(struct label_book *book); /* takes NULL */

/* How many rows of events, from `from` on, may be taken as one batch. */
int64_t label_book_together(const struct label_book *book, const struct table *events, int64_t from);
/* Events that the state has just taken, the first of them as number `seq` (state_set_arrival). Labels that
 * waited for them are told. */
int label_book_take(struct label_book *book, struct state *state, const struct table *events, uint64_t seq,
                    struct error *error);

/* Would label i change anything that is known? */
int label_book_is_news(struct label_book *book, const struct label_rows *labels, int64_t i, bool *ret,
                       struct error *error);
/* Tells them, one after the other. */
int label_book_learn(struct label_book *book, struct state *state, const struct label_rows *labels,
                     struct error *error);

/* An event that the journal has is erased: nothing is kept of it any more, and no label reaches it. */
int label_book_forget(struct label_book *book, const struct table *events, int64_t i, uint64_t seq,
                      struct error *error);
/* Appends it with its late columns as labels have said them, NULL where none has. *ret_kept: is it still
 * known what they said? */
int label_book_as_known(struct label_book *book, const struct table *events, int64_t i, uint64_t seq,
                        struct table *ret, bool *ret_kept, struct error *error);

struct schema *label_book_schema(const struct label_book *book); /* of labels; borrowed */
int64_t label_book_latest(const struct label_book *book); /* the largest event time; INT64_MIN: no event */

/* Ids, as JSON, whose labels were given up since they were last forgotten. */
size_t label_book_lost(const struct label_book *book, const char *const **ret_ids);
void label_book_forget_lost(struct label_book *book);

struct label_counters {
    int64_t told;          /* to the windows */
    int64_t outside;       /* of events in no window: too late, or left out by WHERE */
    int64_t waiting;       /* now: ids that no event has had yet */
    int64_t lost;          /* ids whose event did not come in time */
    int64_t events, bytes; /* kept now */
};
void label_book_count(const struct label_book *book, struct label_counters *ret);

/* To bytes and back, into a new one. */
void label_book_save(const struct label_book *book, struct bytes_out *out);
bool label_book_load(struct label_book *book, struct bytes_in *in);

#endif
