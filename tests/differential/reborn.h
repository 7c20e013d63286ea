/* A state that was saved and loaded again: what a restart makes of it. */
#ifndef SHRIKE_TESTS_REBORN_H
#define SHRIKE_TESTS_REBORN_H

#include "feature/state.h"

/* Puts in the place of *state one that was loaded from its bytes. Saved again, it has no more of them; it may
 * have fewer, because texts of too late events are held for frames without a start until a restart. */
int reborn(struct plan *plan, const struct state_options *options, struct state **state, struct error *error);

#endif
