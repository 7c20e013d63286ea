/*
 * `run --state`: the engine behind a journal, and a sink that reads it. Decisions go out when they are on the
 * disk. A file grows, and what it has is noted in the journal with its length: a restart cuts it back to that
 * and writes what is missing from the journal, so each decision stands there once. Standard output cannot be
 * cut: what was printed since the last note is printed again.
 */
#ifndef SHRIKE_CLI_RUN_STATE_H
#define SHRIKE_CLI_RUN_STATE_H

#include "cli/run_labels.h"
#include "cli/scored.h"
#include "score/durable.h"

struct run_state;

/* An event under the id of another: seq is that one's. */
typedef int run_conflict(void *context, const struct table *events, int64_t i, uint64_t seq,
                         struct error *error);

/* What is set aside. */
struct run_letters {
    run_conflict *conflict;
    run_lost *lost;
    void *context;
};

/* Opens --state, --labels and --sink; the scorer's engine is then that of the state. */
int run_state_open(const struct arguments *arguments, struct scorer *scorer,
                   const struct engine_options *options, const struct run_letters *letters,
                   struct run_state **ret, struct error *error);

/* How many rows of a source have been taken before. */
int64_t run_state_taken(const struct run_state *state, const char *source);

/* Takes events of a source ("": one without positions), behind which it is at row `position`. With `wait`
 * their decisions are out when this returns. */
int run_state_take(struct run_state *state, const struct table *events, const char *source, int64_t position,
                   bool wait, struct error *error);

/* Hands on what labels were given up and not told of yet; run_state_take does that, too. */
int run_state_lost(struct run_state *state, struct error *error);
/* Says what became of the labels, where there are any. */
void run_state_report_labels(const struct run_state *state);

/* Events that were there again, as they were before. */
int64_t run_state_repeated(const struct run_state *state);

/* Waits for what is on its way, and closes. `rc` is how the run went: after a failure nothing more is taken
 * for good than what the journal has. Takes NULL. */
int run_state_close(struct run_state *state, int rc, struct error *error);

#endif
