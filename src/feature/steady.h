/*
 * The step that nearly all events take: an event that is the newest of its entity, in a group whose windows
 * are counts, sums and means of one column over RANGEs with a start. Its loops know how the frames run along
 * and keep in registers what the general way (entity_take, view_read) looks up in the layout. Both end in the
 * same bits and leave the same entity; an event that is late takes the general way. Internal to feature/.
 *
 * Threads: immutable once made, shared by all.
 */
#ifndef SHRIKE_FEATURE_STEADY_H
#define SHRIKE_FEATURE_STEADY_H

#include "feature/entities.h"

struct steady;

/* What the step of a layout's group needs to know; NULL where its events take the general way. The readings
 * of the layout know where to write. */
int steady_new(const struct layout *layout, struct steady **ret, struct error *error);
void steady_free(struct steady *steady); /* takes NULL */

/* Rows of a slice, by their number in it, and the entities that were found for them. */
struct arrivals {
    const int64_t *times, *floors;
    const uint64_t *marks;
    const union value *values; /* n_slots per row */
    struct entity **entities;
    int64_t number; /* of row 0 */
};

/* Takes these rows in order and writes the results of the group's windows to them. steady: NULL for the
 * general way. False: no memory. */
bool arrivals_take(struct share *share, const struct steady *steady, const struct arrivals *arrivals,
                   const uint32_t *rows, int n);
/* The same for rows whose entities are to be found by their keys, n_words each, and the keys' hashes, both by
 * row: memory is asked for ahead. Of a group that has a steady step. */
bool arrivals_find_and_take(struct entities *entities, const struct steady *steady,
                            const struct arrivals *arrivals, const uint64_t *hashes, const uint64_t *keys,
                            const uint32_t *rows, int n);

#endif
