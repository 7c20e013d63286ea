/*
 * An entity to bytes and back. Internal to feature/.
 *
 * What is written is what an entity cannot be made from again: its retained events, the time its frames stand
 * at and, of frames without a start, what counts on of events that are gone. Cursors, sums of frames with a
 * start, extremes and links follow from these, to the bit, because none of them depends on history.
 *
 *   position i64 | retained u32 | event ... | of a layout with frames without a start: evicted i64, gone
 *   extremes and values, accumulators of such frames, maps
 *   event: time i64 | stored values, packed | arrival number u32, where there is one | marks
 *
 * Texts go by their number in the strings at hand; whoever reads says what the numbers are now.
 */
#ifndef SHRIKE_FEATURE_ENTITY_SAVE_H
#define SHRIKE_FEATURE_ENTITY_SAVE_H

#include "base/bytes.h"
#include "feature/entity.h"
#include "feature/strings.h"

/* A number of layouts that are written alike. */
uint64_t entity_shape(const struct layout *layout);

void entity_save(const struct layout *layout, const struct entity *entity, struct bytes_out *out);
/* Into a new entity; every text that it comes to hold is held. texts NULL: their numbers are what they were.
 * False: see in. */
bool entity_load(struct share *share, struct entity *entity, const struct renumbering *texts,
                 struct bytes_in *in);
/* How many of the retained events an end has been fed where the entity's frames stand. */
uint32_t entity_stand(const struct layout *layout, const struct entity *entity, const struct layout_end *end);
/* A text's number as it is now, held once more. */
bool renumber(const struct renumbering *texts, struct strings *strings, uint64_t *number,
              struct bytes_in *in);

#endif
