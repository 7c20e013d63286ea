/* What a durable engine is made of. Internal to score/durable*.c. */
#ifndef SHRIKE_SCORE_DURABLE_STRUCT_H
#define SHRIKE_SCORE_DURABLE_STRUCT_H

#include "base/limits.h"
#include "base/memory.h"
#include "score/archive.h"
#include "score/durable.h"
#include "score/ids.h"
#include "score/label_book.h"
#include "score/past.h"

/* How far a source or a sink has come. */
struct reached {
    char *what;
    uint64_t number, bytes;
};

/* Where a snapshot was made. */
struct mark {
    uint64_t position, seq, appended;
};
enum { MARKS = 64 };

struct durable {
    struct state_directory directory;
    struct snapshots snapshots;
    struct journal *journal;
    struct durable_options options;
    struct plan *plan;
    struct model *model;
    struct rules *rules;
    char *name, *identity;
    uint32_t version;       /* the number of its switch */
    struct buffer in_force; /* the body of that */
    struct archive archive;
    struct engine *engine;
    struct buffer body;
    struct ids *ids; /* NULL: they are not looked at */
    int64_t high;    /* the largest time of an event taken */
    int64_t newest;  /* the same whether ids are looked at or not; where it is not known, more than any */
    struct label_book *labels; /* NULL: they do not come by themselves */
    struct table news;         /* labels on their way into a record */
    uint8_t *speaks;           /* of a record of them */
    struct buffer row;
    struct reached reached[LIMIT_POSITIONS];
    int n_reached;
    uint64_t position, seq;   /* of the last record and the last event that the windows have seen */
    uint64_t appended;        /* bytes appended since the directory was opened */
    struct mark marks[MARKS]; /* the newest last */
    int n_marks;
    struct mark tried;     /* the last snapshot that was begun */
    struct keeper *keeper; /* makes snapshots (durable_keeper.c); NULL: none asked for */
    bool opened;           /* the directory is taken */
    bool other_plan;       /* the state is of another */
    bool forgot;           /* events were erased since the last snapshot was begun */
    bool failed;
    struct error failure;
};

/* As what a snapshot notes, among the places, that `newest` was then: events that come before the note have
 * no later time. What the journal no longer has is then no older than what it begins with. */
#define PLACE_NEWEST "newest event"
/* The same: how many events were taken from files when the plan last changed. */
#define PLACE_FILES "events from files"
/* The same: how long ids are known, microseconds; 0: they are not looked at. */
#define PLACE_IDS "ids are known"

/* The events of the last record whose decisions are not there yet. */
struct undecided {
    struct table events;
    bool waits;
    uint64_t seq;
    struct past *past; /* events may be those of other plans, and are taken as this one's; or NULL */
    const struct durable_backfill *backfill; /* hears how far it is; or NULL */
    uint64_t last; /* position of the last record that is taken; 0: of the journal */
};

/* Takes the records of the journal behind durable->position. CODE_CONFLICT: another plan's switch is among
 * them, and undecided->past is NULL. */
int durable_follow(struct durable *durable, struct undecided *undecided, struct durable_recovery *recovery,
                   struct error *error);
/* Makes the state of another plan one of this plan, and the version the one that decides. */
int durable_migrate(struct durable *durable, struct undecided *undecided,
                    const struct durable_version *version, struct durable_recovery *recovery,
                    struct error *error);
/* A new engine whose windows are as if it had taken all history with its plan, up to the record `last` of the
 * journal: what the former engine has of them, and the rest anew. Of both, the journal, archive, plan and
 * options matter. */
int durable_rebuild(struct durable *durable, struct durable *former, uint64_t last,
                    const struct durable_backfill *backfill, struct error *error);
/* Gives all back, the directory only where it was taken. Takes NULL. */
void durable_free(struct durable *durable);
/* Gives back what it has made itself. */
void durable_forget(struct durable *durable);
/* CODE_CONFLICT, with what to do. */
int durable_refuse_plan(struct durable *durable, struct piece name, struct error *error);
/* Says in the journal who decides from now on, and keeps it in the archive. */
int durable_put_switch(struct durable *durable, const struct durable_version *version, struct error *error);
/* Notes the times of events that are taken. */
void durable_note_times(struct durable *durable, const struct table *events);

/* What a snapshot's blocks are: places, then ids, then what labels need, then the windows. */
enum { SNAPSHOT_STATE = 1, SNAPSHOT_PLACES, SNAPSHOT_IDS, SNAPSHOT_LABELS };

/* Among the places: the first and the last record of erasures that are not carried out. */
#define PLACE_ERASURES "erasures"

/* The windows and the ids forget what a record of an erasure says. */
int durable_take_erasure(struct durable *durable, const struct record *record, struct error *error);
/* Tells the engine of events whose decisions are known; of those that are left of them. */
int durable_follow_events(struct durable *durable, const struct table *events, uint64_t seq,
                          struct error *error);
/* When the journal was read: whether erasures were carried out that a snapshot did not know of. */
int durable_check_erasures(struct durable *durable, struct error *error);
void durable_forget_id(struct durable *durable, const struct table *events, int64_t i, uint64_t seq);

/* Events that are taken, from `seq` on, become known by their ids. */
int durable_note_ids(struct durable *durable, const struct table *events, uint64_t seq, struct error *error);

/* When the journal was read: how long ids are known from now on, where that was not asked for. */
int durable_settle_ids(struct durable *durable, bool decides, struct durable_recovery *recovery,
                       struct error *error);
/* What the journal has said of it, up to where it was read; false: nothing. */
bool durable_noted_horizon(const struct durable *durable, int64_t *ret);
/* Says it in the journal, where that has changed. */
int durable_put_horizon(struct durable *durable, struct error *error);

/* Rows by their keys: which are there twice? */
enum { KEYED_ROWS = 4 * LIMIT_DURABLE_ROWS };
struct keyed_rows {
    uint16_t rows[KEYED_ROWS]; /* row + 1; 0 = empty */
    struct id_key keys[LIMIT_DURABLE_ROWS];
};
void keyed_rows_init(struct keyed_rows *keyed);
/* False: an earlier row has the key. i < LIMIT_DURABLE_ROWS. */
bool keyed_rows_enter(struct keyed_rows *keyed, struct id_key key, int64_t i);

/* durable_labels.c: a book for a new engine, as if nothing had been learnt. */
int durable_new_labels(struct durable *durable, struct error *error);
void durable_free_labels(struct durable *durable);
/* The engine has taken events as its last batch. */
int durable_taken(struct durable *durable, const struct table *events, uint64_t seq, struct error *error);
/* A record of labels behind the snapshot. */
int durable_take_labels(struct durable *durable, const struct record *record, struct error *error);
/* Begins a snapshot where enough was appended since the last one. */
void durable_snapshot_if_due(struct durable *durable);

/* What a snapshot's first block says of who decides; *ret_at: what follows it. */
int snapshot_version(const struct snapshot_block *block, struct switch_record *ret, size_t *ret_at,
                     struct error *error);
/* A bytes_read of the windows' state, from blocks of a snapshot; the block at hand is used up. */
struct snapshot_loading {
    struct snapshot_reader *reader;
    struct snapshot_block block;
    size_t at;
    bool found;
};
int snapshot_read_state(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error);
/* What labels need, into a new book; passed by where it is NULL. */
int snapshot_read_labels(struct snapshot_loading *loading, struct label_book *book, struct error *error);

/* Who decides, as the journal says it. Texts are the durable's. */
void durable_describe(const struct durable *durable, struct switch_record *ret);
/* Notes how far something has come. CODE_LIMIT: too many of them. */
int durable_note(struct durable *durable, struct piece what, uint64_t number, uint64_t bytes,
                 struct error *error);
int durable_append(struct durable *durable, enum record_kind kind, uint32_t count, struct journal_place *ret,
                   struct error *error);
/* From now on it answers this error. */
int durable_fail(struct durable *durable, int rc, const struct error *error);
int durable_decide(struct durable *durable, const struct table *events, uint64_t seq, struct decisions *ret,
                   struct error *error);
/* CODE_CONFLICT where the windows were kept for another lateness, or with labels and now without. */
int durable_check_kept(const struct durable *durable, const struct switch_record *found, struct error *error);
int durable_new_engine(struct durable *durable, struct error *error);

/* Makes the engine anew and loads the newest snapshot that fits into it; seq stays 0 where there is none. The
 * identity is then that of whoever decided last. */
int durable_load(struct durable *durable, struct durable_recovery *recovery, struct error *error);
/* As if nothing had been taken. */
int durable_begin_anew(struct durable *durable, struct error *error);
/* Removes snapshots that lie ahead of the journal: what they have seen is gone, or was never said. Before
 * anything is appended. */
int durable_drop_ahead(struct durable *durable, struct error *error);
bool durable_is_ahead(const struct durable *durable, const struct snapshot_head *head);
/* What the windows and the places are now, as a snapshot. may_finish, unless NULL, waits and says whether the
 * file may be put in place. */
int durable_write_snapshot(struct durable *durable, bool (*may_finish)(void *), void *context,
                           struct error *error);
/* Has a snapshot come to its end? With `wait` it has. */
void durable_reap(struct durable *durable, bool wait);
/* Waits for a snapshot, too. */
void durable_end_keeper(struct durable *durable);

#endif
