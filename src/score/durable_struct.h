/* What a durable engine is made of. Internal to score/durable*.c. */
#ifndef SHRIKE_SCORE_DURABLE_STRUCT_H
#define SHRIKE_SCORE_DURABLE_STRUCT_H

#include "base/limits.h"
#include "base/memory.h"
#include "score/durable.h"
#include "score/ids.h"
#include "score/label_book.h"

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
    uint32_t version; /* the number of its switch */
    struct engine *engine;
    struct buffer body;
    struct ids *ids; /* NULL: they are not looked at */
    int64_t high;    /* the largest time of an event taken */
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
    struct keeper *keeper; /* makes a snapshot (durable_keeper.c); NULL: none */
    bool opened;           /* the directory is taken */
    bool failed;
    struct error failure;
};

/* What a snapshot's blocks are: places, then ids, then what labels need, then the windows. */
enum { SNAPSHOT_STATE = 1, SNAPSHOT_PLACES, SNAPSHOT_IDS, SNAPSHOT_LABELS };

/* Events that are taken, from `seq` on, become known by their ids. */
int durable_note_ids(struct durable *durable, const struct table *events, uint64_t seq, struct error *error);

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
/* What the windows and the places are now, as a snapshot. may_finish, unless NULL, waits and says whether the
 * file may be put in place. */
int durable_write_snapshot(struct durable *durable, bool (*may_finish)(void *), void *context,
                           struct error *error);
/* Has a snapshot come to its end? With `wait` it has. */
void durable_reap(struct durable *durable, bool wait);

#endif
