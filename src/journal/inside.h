/*
 * What the files of the journal share; nothing outside of them includes it.
 *
 * Locks: `lock` guards everything marked so. Who sets `busy` owns the newest segment's file and the batch in
 * flight until he clears it, without the lock. `upkeep` is held while segments are removed or rewritten, and
 * is taken before `lock`.
 */
#ifndef SHRIKE_JOURNAL_INSIDE_H
#define SHRIKE_JOURNAL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "journal/gate.h"
#include "journal/journal.h"

/* One entry of a segment's index: where a record is. */
struct mark {
    uint64_t position, seq, offset;
};

/* A segment that is kept. */
struct kept {
    uint64_t number, first_position, first_seq;
    uint64_t end;        /* bytes of it that are durable */
    uint32_t generation; /* how often it was rewritten */
    struct mark *marks;  /* of what has been read of it */
    size_t n_marks, marks_capacity;
};

/* Records that wait to be written, or are being written. */
struct batch {
    uint8_t *data;
    size_t size, capacity;
    uint64_t next_position, next_seq; /* behind its last record */
};

struct journal {
    struct journal_options options;
    const struct io *io;
    char directory[IO_PATH_SIZE];

    pthread_mutex_t lock;
    pthread_mutex_t upkeep;
    struct gate done[2];  /* who waits for a batch, by the last bit of its turn */
    pthread_cond_t moved; /* the durable position has, or the journal failed */
    pthread_cond_t work;  /* for the thread */
    pthread_t thread;
    bool threaded, stopping; /* lock */

    /* lock */
    uint64_t next_position, next_seq;
    struct batch *filling, *flight; /* of `batches` */
    uint64_t turn;                  /* of the batch that is being filled */
    uint64_t requested;             /* position that the thread is to make durable */
    _Atomic uint64_t written;       /* position up to which the system has the records */
    uint64_t refusals;              /* how often the disk was full */
    uint32_t joined, group;         /* who commits and waits for the batch being filled; for the one before */
    int64_t flush_ns;               /* that the last flush took */
    bool busy, gathering, full;
    int waiting;          /* for `moved` */
    struct error refusal; /* of the full disk */
    struct error failure; /* code OK: none */
    struct kept *segments;
    size_t n_segments, segments_capacity;

    _Atomic uint64_t durable;
    _Atomic uint64_t changes; /* how often segments were removed or rewritten */

    /* busy */
    struct batch batches[2];
    int file;
    char path[IO_PATH_SIZE]; /* of the newest segment */
    uint64_t offset;         /* where its next record goes */
    uint64_t prepared;       /* the file has no more bytes; those behind `offset` are zeros */
    uint64_t flown;          /* bytes of the batch in flight that are written */
    bool unsynced;           /* something was written since the last flush */
    bool closing;            /* the newest segment is cut and flushed, its successor is not there yet */
    _Atomic uint64_t syncs;
    _Atomic uint64_t synced; /* position up to which records are flushed, whatever the options say */
};

/* recover.c: fills the table of segments and opens the newest, ready to append. */
int journal_recover(struct journal *journal, struct journal_recovery *ret, struct error *error);

/* flush.c. The caller has the lock and `busy` is false; both are so again afterwards. */
enum lead {
    LEAD_WRITE, /* what was appended goes to the system */
    LEAD_SYNC,  /* and to the disk */
    LEAD_ROLL   /* and the next segment begins, unless this one has no records */
};
int journal_lead(struct journal *journal, enum lead how, struct error *error);
void *journal_thread(void *journal);
/* What a commit needs by the options. */
enum lead journal_lead_of_commit(const struct journal *journal);
bool journal_reached(const struct journal *journal, uint64_t position);
/* From then on every call answers this error. Has the lock. */
void journal_fail(struct journal *journal, const struct error *error);
/* Adds a segment to the table, the newest. Has the lock, or is alone. */
int journal_add_segment(struct journal *journal, const struct segment_head *head, uint64_t end,
                        struct error *error);

/* find.c: where to begin reading for a position or a seq, and what reading has learnt. */
struct located {
    struct mark from; /* a record at or before the one that is looked for */
    uint64_t number;  /* of the segment */
    uint64_t end;     /* bytes of it that are durable */
    uint64_t behind;  /* first position of the next segment, UINT64_MAX where there is none */
    uint32_t generation;
};
/* False: what is looked for comes before all that is kept. Has the lock. */
bool journal_locate(const struct journal *journal, bool by_seq, uint64_t target, struct located *ret);
/* Whether a record at this offset should be in the index, which has one in so many bytes. */
bool journal_worth_marking(uint64_t offset, uint64_t last);
/* Takes the lock. */
void journal_learn(struct journal *journal, uint64_t number, uint32_t generation, const struct mark *mark);
void kept_done(struct kept *kept);

#endif
