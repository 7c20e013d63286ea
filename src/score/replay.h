/*
 * What a state directory has to tell: events and the decisions about them, in the order of the journal, from
 * the oldest that is kept. Where the journal no longer reaches back to the beginning, the windows begin as
 * the older snapshot has them. Where the plan has changed, events and features have the columns of the plan
 * that there was.
 *
 * The directory is taken as by an engine: no engine may have it at the same time. Nothing is written but what
 * opening a journal writes (a torn tail is cut).
 *
 * Threads: one.
 */
#ifndef SHRIKE_SCORE_REPLAY_H
#define SHRIKE_SCORE_REPLAY_H

#include "score/durable.h"
#include "score/replay_labels.h"

struct replay;

int replay_open(const struct io *io, const char *directory, struct replay **ret, struct error *error);
void replay_close(struct replay *replay); /* takes NULL */

/* Who decided first; its texts live until replay_close. */
const struct switch_record *replay_version(const struct replay *replay);

/* Where the files of a version are kept; *ret_found is false where they are not. */
int replay_files(const struct replay *replay, uint32_t version, bool *ret_found, char ret[IO_PATH_SIZE],
                 struct error *error);

/* Begins. */
int replay_start(struct replay *replay, struct error *error);
/* That events and decisions are of, at first or behind the last switch. */
struct plan *replay_plan(const struct replay *replay);

/* Brings an engine that has taken nothing to where the replay begins. CODE_CONFLICT: that is in the middle,
 * and the engine is of another plan. */
int replay_prepare(struct replay *replay, struct engine *engine, struct error *error);

/* Behind a switch to another plan: an engine of that plan whose windows are what they were then, from those
 * of the engine before and from history. backfill: as when the plan changed; CODE_CONFLICT where files were
 * given then and are not given now, or where history does not reach back far enough. */
int replay_change(struct replay *replay, const struct engine *before, struct model *model,
                  struct rules *rules, const struct engine_options *options,
                  const struct durable_backfill *backfill, struct engine **ret, struct error *error);
uint64_t replay_first_seq(const struct replay *replay);

/* Before and behind each engine_take of events that the journal has from `seq` on. `events` as the engine
 * took them. */
void replay_number(struct engine *engine, uint64_t seq);
int replay_taken(struct replay *replay, struct engine *engine, const struct table *events, uint64_t seq,
                 struct error *error);
/* Tells the engine labels where the journal has them. */
int replay_learn(struct replay *replay, struct engine *engine, const struct label_rows *labels,
                 struct error *error);
/* What the journal's labels say in the end; *ret is NULL where labels do not come by themselves, or say
 * nothing of the plan's label. */
int replay_truth(const struct replay *replay, struct label_truth **ret, struct error *error);

/* Either the events of a record and what was decided about them, or labels, or a switch, or an erasure: other
 * fields are then NULL. */
struct replayed {
    uint64_t seq;
    const struct table *events;
    const struct decided *decided;
    struct piece body; /* of the record of decisions, as it is in the journal */
    const struct label_rows *labels;
    const struct switch_record *version;
    bool other_plan; /* of that switch */
    const struct erasure_record *erasure;
};
/* The next; *ret_found is false at the end. Valid until the next call. */
int replay_next(struct replay *replay, bool *ret_found, struct replayed *ret, struct error *error);

/* The engine's windows forget what an erasure says, as they did then; nothing where it was carried out: then
 * they have not taken it. */
int replay_forget(struct replay *replay, const struct erasure_record *erasure, struct engine *engine,
                  struct error *error);

#endif
