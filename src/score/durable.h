/*
 * The engine behind a journal: what it takes and what it decides is on the disk before anyone is told, and a
 * restart goes on where the last one ended.
 *
 *   events -> admitted -> journal -> engine_take -> decisions -> journal -> committed -> told
 *
 * A state directory (journal/directory.h) holds one journal and two snapshots of the windows. A restart reads
 * the newest good snapshot and the journal behind it; events whose decisions had not reached the disk are
 * decided then, as they would have been. The windows follow from the journal's order alone, so the result is
 * to the bit what it would have been without the restart.
 *
 * Snapshots are made by a forked process while events go on: it sees memory as it was at the fork, and what
 * is changed meanwhile is copied page by page by the system (at worst all of it once more). Events wait for
 * the fork, and behind it for single pages that are brought together again (base/pages.h): a thread that
 * lives as long as that commits the journal and trims it.
 *
 * Threads: one caller at a time, but for durable_commit and durable_committed, which any may call. Memory:
 * the windows', the ids' (ids.h), and a few MiB. After a failure of the disk, but for CODE_NO_SPACE at
 * durable_take, the engine answers that error until it is opened anew.
 */
#ifndef SHRIKE_SCORE_DURABLE_H
#define SHRIKE_SCORE_DURABLE_H

#include "journal/directory.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "journal/snapshots.h"
#include "score/engine.h"
#include "score/label_book.h"
#include "score/records.h"

struct durable;

/* What decides. Texts are copied. Without a model nothing is decided, and whoever decided before stays noted:
 * for erasures. */
struct durable_version {
    struct plan *plan;
    struct model *model;
    struct rules *rules;  /* or NULL */
    const char *name;     /* as the user wrote it: "models:/fraud/3" */
    const char *identity; /* equal where plan, model and rules are: their checksums */
    const char *files; /* the directory that it was read from, whose files are kept with the state; or NULL */
};

/* Who decided last, opened again: references. */
struct durable_decider {
    struct model *model;
    struct rules *rules;
    struct engine_options options;
};

/* How a state of another plan becomes one of this. Groups of windows that are the same in both plans keep
 * what they remember (feature/adopt.h); the others take all events again, those of `next` and then those of
 * the journal. */
struct durable_backfill {
    void *context;
    /* Events from before the journal's first one, in order, with the columns of the new plan; none at the
     * end. What follows the journal's first event is not taken. NULL: the journal has all that is needed. */
    int (*next)(void *context, struct table *ret, struct error *error);
    /* Opens the version of a switch, whose files are in the directory, unless that is NULL: for events whose
     * decisions had not reached the disk. */
    int (*open_decider)(void *context, const struct switch_record *version, const char *files,
                        struct durable_decider *ret, struct error *error);
    void (*begin)(void *context, int64_t events); /* of the journal; may be NULL */
    void (*taken)(void *context, int64_t events); /* so many more; may be NULL */
};

struct durable_options {
    const struct io *io; /* NULL: the system's */
    const char *directory;
    struct engine_options engine;
    enum journal_sync sync;
    int interval_ms;
    uint64_t segment_bytes;  /* 0: LIMIT_JOURNAL_SEGMENT */
    uint64_t snapshot_bytes; /* of the journal between two snapshots; 0: LIMIT_SNAPSHOT_EVERY */
    uint64_t retain_bytes;   /* of the journal kept for replay, beyond what a restart needs */
    /* How long ids are known; 0: they are not looked at; below 0: as long as before, in a new directory as
     * long as plan_dedupe says. */
    int64_t dedupe_us;
    bool in_process;         /* snapshots are made by this process while events wait: for tests */
    const struct durable_backfill *backfill; /* NULL: a state of another plan is refused */
};

/* What opening found and did. */
struct durable_recovery {
    struct journal_recovery journal;
    struct snapshots_report snapshots;
    uint64_t snapshot_seq;  /* that the windows were loaded at; 0: from the beginning */
    uint64_t taken_again;   /* events behind it */
    uint64_t decided_again; /* of them, those whose decisions were not on the disk */
    int64_t ids_us;         /* how long ids are known; 0: they are not looked at */
    int64_t ids_were_us;    /* before; below 0: the directory is new, or does not say */
    bool switched;          /* another model, other rules or options decide from now on */
    char change[ERROR_MESSAGE_SIZE]; /* which, for people; "" with another plan */
    bool migrated;          /* the plan is another, too */
    int kept, filled;       /* groups of windows, where it is */
    uint64_t from_files;    /* events taken that were not in the journal */
    bool files_reach;       /* the last of them is the one before the journal's first */
};

/* CODE_CONFLICT: the directory is of another plan; the message says what to do. ret_recovery may be NULL. */
int durable_open(const struct durable_version *version, const struct durable_options *options,
                 struct durable **ret, struct durable_recovery *ret_recovery, struct error *error);
/* Commits, makes a snapshot where events were taken since the last one, and gives the directory back. Takes
 * NULL. */
int durable_close(struct durable *durable, struct error *error);
/* The same without either: as if the process had died. For tests. */
void durable_abandon(struct durable *durable);

/* Where a batch came from, and which numbers it got. */
struct durable_batch {
    const char *source;       /* in: "" where positions mean nothing */
    uint64_t source_position; /* in: behind its last event, as the source counts */
    uint64_t seq;             /* out: of its first event */
    uint64_t position;        /* out: to commit before anyone is told */
};

/* Whether events were taken before, by the plan's id. */
enum durable_known {
    DURABLE_NEW,
    DURABLE_AGAIN,    /* it was, in all columns alike: its seq is given */
    DURABLE_CONFLICT, /* another event was, under its id: that one's seq is given */
    DURABLE_LATER     /* an earlier row of these has its id: look again when that was taken */
};
/* Of each row of at most LIMIT_DURABLE_ROWS: enum durable_known, and the seq. All are new where ids are not
 * looked at. */
int durable_look(struct durable *durable, const struct table *events, uint8_t *ret_known, uint64_t *ret_seqs,
                 struct error *error);

/* Are they looked at? */
bool durable_looks(const struct durable *durable);

/* At most LIMIT_DURABLE_ROWS events, new ones. ret as of engine_take. CODE_INVALID, CODE_LIMIT,
 * CODE_NO_SPACE: nothing was taken. */
int durable_take(struct durable *durable, const struct table *events, struct durable_batch *batch,
                 struct decisions *ret, struct error *error);
/* Another version of the same plan decides from the next event on; of the options, those of the windows stay.
 * After CODE_CONFLICT (another plan), CODE_NO_SPACE and whatever leaves durable_failed false, nothing has
 * changed. */
int durable_switch(struct durable *durable, const struct durable_version *version,
                   const struct engine_options *options, struct error *error);
int durable_commit(struct durable *durable, uint64_t position, struct error *error);
/* Asks that all up to `position` be committed soon, and says up to where all is. */
uint64_t durable_committed(struct durable *durable, uint64_t position);

/* Labels, where options.engine.state.learns (label_book.h): rows of durable_label_schema, and of each late
 * column whether they speak of it. Those that change anything are appended and told; the next commit has
 * them. An id that no event has waits for it, at most as long as the lateness. CODE_INVALID, CODE_LIMIT,
 * CODE_NO_SPACE: some may have been taken; the same again does no harm. */
int durable_learn(struct durable *durable, const struct label_rows *labels, struct error *error);
struct schema *durable_label_schema(struct durable *durable); /* borrowed */
/* How many events, from row `from` on, may be taken as one batch: one that a label waits for is the last. */
int64_t durable_together(const struct durable *durable, const struct table *events, int64_t from);
/* The largest time of an event taken; INT64_MIN: none was. */
int64_t durable_latest(const struct durable *durable);
/* Ids, as JSON, that no event had in time, since they were last forgotten. After a restart those that were
 * given up with the last events are there, perhaps again. */
size_t durable_lost_labels(const struct durable *durable, const char *const **ret_ids);
void durable_forget_lost_labels(struct durable *durable);
void durable_count_labels(const struct durable *durable, struct label_counters *ret);

/* How far a source or a sink has come, by its name; false: never heard of. A sink that has written up to a
 * number says so; that is on the disk with the next commit. */
bool durable_where(const struct durable *durable, const char *what, struct position_record *ret);
int durable_reached(struct durable *durable, const char *what, uint64_t number, uint64_t bytes,
                    struct error *error);

/* Who decided, and what its events and features are. */
struct durable_then {
    struct plan *plan;
    const struct switch_record *version; /* NULL: it is who decides now, or one that was not kept */
};

/* Decisions from `seq` on, with their events, as they are in the journal: what a sink has missed. each: with
 * the seq of the first event of the batch. */
typedef int durable_each(void *context, const struct durable_then *then, uint64_t seq,
                         const struct table *events, const struct decisions *decisions, struct error *error);
int durable_history(struct durable *durable, uint64_t seq, durable_each *each, void *context,
                    struct error *error);

/* Where the files of a version are kept (archive.h). */
int durable_version_path(const struct durable *durable, uint32_t number, char ret[IO_PATH_SIZE],
                         struct error *error);
/* What an erasure did. */
struct durable_erased {
    uint64_t events;   /* erased by it, and not before */
    bool *traces;      /* out, per feature of the plan, the caller's: may it still say something of them? */
    uint64_t position; /* of the last record about it */
};
/* Erases events: windows and ids forget them at once, and the journal says which. Numbers ascending; those
 * that were erased before, or that the journal does not have, are passed by. Committed when it returns. */
int durable_erase(struct durable *durable, const uint64_t *seqs, size_t n, struct durable_erased *ret,
                  struct error *error);
/* How many of these events it would erase. */
int durable_erasable(struct durable *durable, const uint64_t *seqs, size_t n, uint64_t *ret_events,
                     struct error *error);
/* Since when the oldest erasure waits to be carried out, microseconds since 1970 UTC; false: none does. */
int durable_erasures_wait(struct durable *durable, bool *ret_waits, int64_t *ret_since_us,
                          struct error *error);
/* Rewrites journal and snapshots without the events whose erasure waits. Events wait meanwhile. Where it is
 * interrupted, it is done again when it is next asked for. ret_segments: rewritten; may be NULL. */
int durable_carry_out(struct durable *durable, uint64_t *ret_segments, struct error *error);

/* A snapshot that is made beside events: being written; it stands, and memory is tidied behind it. */
enum snapshot_stage { SNAPSHOT_NONE, SNAPSHOT_WRITING, SNAPSHOT_TIDYING };

/* Begins a snapshot unless there is one in either stage; with `wait` it ends before the call does. */
int durable_snapshot(struct durable *durable, bool wait, struct error *error);
enum snapshot_stage durable_snapshot_stage(struct durable *durable);

bool durable_failed(const struct durable *durable);
struct engine *durable_engine(struct durable *durable);
uint64_t durable_next_seq(struct durable *durable);
uint64_t durable_position(struct durable *durable); /* of the last record appended */
void durable_journal_state(struct durable *durable, struct journal_state *ret);

#endif
