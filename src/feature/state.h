/*
 * State: what the windows of a plan remember of the events taken so far.
 *
 * state_take takes events in arrival order, any number at a time; how the stream is cut into batches, and how
 * many threads work on a batch, never shows in the bits. A batch of one is the online case.
 *
 * Where the windows take more than options.memory, state_take answers CODE_LIMIT. A batch of up to
 * LIMIT_BATCH_ROWS events is then not taken at all, so that it may be given again to a state with more; of a
 * larger one, a multiple of LIMIT_BATCH_ROWS events was taken, whose features are lost. One such batch is
 * what the windows may go beyond the limit.
 *
 * Threads: one caller at a time; inside, a batch may be spread over options.threads threads, each with its
 * own share of the entities. Memory: after warm-up nothing is allocated unless a window grows or a new entity
 * appears.
 */
#ifndef SHRIKE_FEATURE_STATE_H
#define SHRIKE_FEATURE_STATE_H

#include "base/bytes.h"
#include "feature/plan.h"

struct state;

struct state_options {
    int threads;         /* 0 = 1 */
    int64_t lateness_us; /* how far behind the high water an event may be and still enter the windows */
    /* How far beyond the high water an event may be and still move it, and enter the windows; 0 = as far as
     * it likes. */
    int64_t max_ahead_us;
    int64_t memory;      /* bytes that windows may take; 0 = no limit */
    bool strict;         /* stop at the first expression error instead of making that feature NULL */
    /* Late columns come by state_learn alone: what events themselves say of them is not looked at. Costs 4
     * bytes per retained event of the groups that look at one. A plan whose windows cannot follow is refused
     * (CODE_UNSUPPORTED). */
    bool learns;
    /* Events can be erased (state_forget). Costs 4 bytes per retained event; together with `learns` no more
     * than that. */
    bool forgets;
};

struct state_counters {
    int64_t events, late, too_late, filtered, expression_errors;
    int64_t ahead;              /* of the high water, by more than options.max_ahead_us */
    int64_t learnt;             /* rows of state_learn */
    int64_t outlived;           /* of them, those whose event no window can see any more, but a frame without
                                   a start */
    int64_t entities, retained; /* now */
    int64_t bytes; /* of windows, entities and their texts, now; without what a batch needs, allocated once */
};

int state_new(struct plan *plan, const struct state_options *options, struct state **ret,
              struct error *error);
void state_free(struct state *state); /* takes NULL */

/* events: columns of plan_events. ret_features: initialised with plan_features; gets one row per event, in
 * order. */
int state_take(struct state *state, const struct table *events, struct table *ret_features,
               struct error *error);

/* Would these events be taken? Every one needs a time, and the windows their memory. What this admits,
 * state_take takes, unless the machine has no memory. */
int state_admit(const struct state *state, const struct table *events, struct error *error);

/* Per row of the last batch whether WHERE left it out (1); NULL where the plan has no WHERE. */
const uint8_t *state_filtered(const struct state *state);

/* The threads that batches are spread over, idle between two of them. */
struct parallel *state_pool(const struct state *state);

/* Late columns of events that were taken are known, or known otherwise than before. `now`: these events, with
 * what their late columns are now; `before`: the same events with what the state has known of them until now,
 * NULL at first. Both have columns of plan_events, of which only those that are late or that keys and slots
 * over late columns need have to be filled in (state_learns_from). arrivals: the events' numbers
 * (state_arrival). All of them have entered the windows (state_entered).
 *
 * From here on every window reads as if the events had come like that; what was read before stays, and so do
 * windows over results of windows. The same event may come again, with another value or the same. */
int state_learn(struct state *state, const struct table *before, const struct table *now,
                const int64_t *arrivals, struct error *error);
/* Events that were taken are erased. events: as they were taken, but for late columns with `learns`, which
 * are as they are known now; arrivals: their numbers. All of them have entered the windows (state_entered).
 *
 * From here on every window reads as if they had never been taken. What was read before stays, and so do
 * results of inner windows that are part of other events, the high water, and what was given back before: a
 * frame of ROWS then reaches back to what is still retained.
 *
 * Of events that are no longer retained, frames without a start keep sums, which follow, and the least, the
 * largest, the first and the last value, which cannot: ret_traces, per feature of the plan, is set true where
 * such a value may be that of an erased event. Costs what the entities of the events have retained; with
 * windows over results of windows, what all have. */
int state_forget(struct state *state, const struct table *events, const int64_t *arrivals, bool *ret_traces,
                 struct error *error);

/* The number of the next event to arrive. It grows by one with each event, from 0 on; whoever has numbers of
 * his own says where they go on, never back. Two events of one entity and one time are told apart by the
 * lowest 32 bits. */
int64_t state_arrival(const struct state *state);
void state_set_arrival(struct state *state, int64_t arrival);
/* Per row of the last batch whether it has entered the windows (1): WHERE wants it and it did not come too
 * late. NULL without options.learns and options.forgets. */
const uint8_t *state_entered(const struct state *state);
/* For how long after an event a label of it can matter: the longest frame with a start over a late column,
 * and the longest time until such a column is its DEFAULT. *ret_endless: is there a frame without a start? */
int64_t state_learns_for(const struct state *state, bool *ret_endless);
/* Per row of the last batch: enum state_mark, together. */
enum state_mark { STATE_TOO_LATE = 1, STATE_AHEAD = 2 };
const uint8_t *state_marks(const struct state *state);
/* Does state_learn look at a column of the events? */
bool state_learns_from(const struct state *state, int column);

/* Everything that the windows remember, as bytes. The state is only read, so that a forked process may save
 * it. */
int state_save(const struct state *state, bytes_write *write, void *context, struct error *error);
/* The same into a new state of the same plan: from then on it answers as the one that was saved. options may
 * differ, but for the lateness and max_ahead_us, which say what was kept. CODE_CORRUPT: it cannot be read, or
 * is of another plan; the state is then of no use. */
int state_load(struct state *state, bytes_read *read, void *context, struct error *error);

/* Goes through all entities; state_bytes alone does not. */
void state_counters(const struct state *state, struct state_counters *ret);
int64_t state_bytes(const struct state *state);

#endif
