/*
 * Many callers, one durable engine: each brings its events and leaves with their decisions when they are
 * durable. Callers that come while the engine works, or the disk flushes, are taken as one batch and share
 * one commit: the first of them leads, and does for the others what it does for itself. While one batch is
 * being flushed the next is decided.
 *
 * What a caller is told does not depend on whom it was taken with: windows follow from the order of events
 * alone, and events that the engine refuses are refused to the caller who brought them.
 *
 * Where the engine looks at ids (dedupe_us), a caller brings one event. One that was taken before gets its
 * first decision, which is on the disk by then, and another one under its id is refused (CODE_CONFLICT). Of
 * callers that bring the same event at the same time, one has it taken and all have its decision.
 *
 * Threads: combiner_take by any number of them; meanwhile nobody else uses the durable engine but for
 * durable_commit and durable_committed. Memory: a batch of up to LIMIT_DURABLE_ROWS events for the callers of
 * each commit under way, kept.
 */
#ifndef SHRIKE_SCORE_COMBINER_H
#define SHRIKE_SCORE_COMBINER_H

#include "score/durable.h"

struct combiner;

int combiner_new(struct durable *durable, struct combiner **ret, struct error *error);
void combiner_free(struct combiner *combiner); /* takes NULL; nobody is inside */

/* At most LIMIT_DURABLE_ROWS events, one as a rule. ret: initialised with plan_features; seq is that of the
 * first event. CODE_NOT_FOUND: the event was taken before, and the journal no longer has what was decided;
 * CODE_UNSUPPORTED: that was under another plan. An error of durable_take: none of these events was taken; of
 * durable_commit: they may have been. */
int combiner_take(struct combiner *combiner, const struct table *events, struct decided *ret,
                  struct error *error);

#endif
