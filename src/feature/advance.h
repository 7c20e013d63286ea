/*
 * What runs along with an entity's frames while they move over its events. Internal to feature/.
 */
#ifndef SHRIKE_FEATURE_ADVANCE_H
#define SHRIKE_FEATURE_ADVANCE_H

#include "feature/entity.h"
#include "feature/recent.h"

/* Adds (sign 1) or removes (-1) an event's value; `base` is the entity, or share->alone. False: no memory. */
bool accumulator_run(struct share *share, const struct accumulator *accumulator, struct entity *entity,
                     char *base, const char *event, int sign);
/* The same for all that runs along with a frame. reach: of the frame with the event in it. */
bool frame_run(struct share *share, const struct layout_frame *frame, struct entity *entity,
               const char *event, struct reach reach, int sign);
/* Moves every frame forward to `time`, which is not before where they stand. current: the newest event is the
 * current row; else there is none. */
bool frames_advance(struct share *share, struct entity *entity, int64_t time, bool current);

#endif
