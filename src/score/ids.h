/*
 * Ids of the events that were taken: so that a retry is answered with the first decision, and another event
 * under a known id is refused. An id is kept until the high water has moved on by the horizon since it was
 * taken; beyond that the same id is a new event.
 *
 * An id has 40 bytes in order of arrival, in pages that are freed as they expire, and 8 to 32 in a hash
 * table; a table of another size takes its place a few entries at a time, so that no call does work in
 * proportion to their number. Texts are known by 128 bits of hash.
 *
 * Threads: one owner.
 */
#ifndef SHRIKE_SCORE_IDS_H
#define SHRIKE_SCORE_IDS_H

#include "base/bytes.h"
#include "table/table.h"

struct ids;

struct id_key {
    uint64_t words[2];
};

struct ids *ids_new(int64_t horizon_us); /* NULL: no memory */
void ids_free(struct ids *ids);          /* takes NULL */

/* The key of a row's id: an integer as it is, a text by its hash. */
struct id_key id_key_of(const struct column *column, const struct type *type, int64_t i);

/* The seq and the body's hash of an event taken under this id; false: none, or beyond the horizon. high: the
 * high water now. */
bool ids_find(const struct ids *ids, struct id_key key, int64_t high, uint64_t *ret_seq, uint64_t *ret_body);

/* Notes an event that was taken under an id that is not found; high: the high water with it, or its own time
 * where that is ahead. False: no memory, nothing changed. */
bool ids_add(struct ids *ids, struct id_key key, uint64_t seq, uint64_t body, int64_t high);

/* Forgets the event that was taken as this one under the id, if it is known. It still counts, until it
 * expires, and is saved without its id. */
void ids_remove(struct ids *ids, struct id_key key, uint64_t seq);

/* Takes memory back from some of those beyond the horizon. Call it as often as ids_add. */
void ids_expire(struct ids *ids, int64_t high);

/* Below 0: no id was ever given up; then a horizon can still be said. */
int64_t ids_horizon(const struct ids *ids);
void ids_set_horizon(struct ids *ids, int64_t horizon_us);

int64_t ids_count(const struct ids *ids);
int64_t ids_bytes(const struct ids *ids);

/* To bytes and back, into an empty one. One with a horizon below 0 gets that of those that are read. */
void ids_save(const struct ids *ids, struct bytes_out *out);
bool ids_load(struct ids *ids, struct bytes_in *in);

#endif
