/*
 * Labels whose events have not come yet. A label waits from the next event on, until the high water has moved
 * on by more than the lateness since: an event that comes later would be in no window. Then it is given up.
 *
 * Threads: one. Memory: about 100 bytes per id that is waited for; LIMIT_LABELS_WAITING of them, beyond which
 * the oldest is given up.
 */
#ifndef SHRIKE_SCORE_LABEL_WAITS_H
#define SHRIKE_SCORE_LABEL_WAITS_H

#include "score/ids.h"
#include "score/label_said.h"

struct label_waits;

struct label_waits *label_waits_new(int64_t lateness); /* NULL: no memory */
void label_waits_free(struct label_waits *waits);      /* takes NULL */

/* What labels say of an id that is waited for; NULL: it is not. */
const struct said *label_waits_find(const struct label_waits *waits, struct id_key key);
/* From now on this is said of it, and owned by the waits. id: as text, for whoever hears that it was given
 * up; only looked at where it was not waited for. False: no memory, `said` stays the caller's. */
bool label_waits_put(struct label_waits *waits, struct id_key key, const char *id, struct said *said);
/* Its event has come: no more is waited for. The caller owns what was said. NULL: nobody waited. */
struct said *label_waits_take(struct label_waits *waits, struct id_key key);

/* An event was taken. latest: the largest event time so far, WHERE or not; high: the high water. Both with
 * the event. False: no memory. */
bool label_waits_pass(struct label_waits *waits, int64_t latest, int64_t high);

int64_t label_waits_count(const struct label_waits *waits);
/* Ids that were given up since the last call of label_waits_forget; how many ever. */
size_t label_waits_lost(const struct label_waits *waits, const char *const **ret_ids);
int64_t label_waits_lost_ever(const struct label_waits *waits);
void label_waits_forget(struct label_waits *waits);

/* To bytes and back, into an empty one; not those given up. */
void label_waits_save(const struct label_waits *waits, const struct sayings *sayings, struct bytes_out *out);
bool label_waits_load(struct label_waits *waits, struct sayings *sayings, struct bytes_in *in);

#endif
