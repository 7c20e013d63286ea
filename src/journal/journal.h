/*
 * The journal: records in the order in which they were appended, in segments of a directory. What a commit
 * has acknowledged is there after the power fails; what was torn while it fails is cut when the journal
 * opens, and said.
 *
 * Appending copies a record into memory and gives its place. Committing waits until everything up to a
 * position is on the disk; callers that wait at the same time share one flush: the first does it for all that
 * have appended by then, those who come meanwhile are the next group.
 *
 * When a flush fails, the journal has failed: every later call answers that error, and only opening anew says
 * what is on the disk, because the system may have dropped what it could not write. A full disk is no such
 * failure: commits answer CODE_NO_SPACE, what is durable stays readable, and a commit or an append that finds
 * space again goes on where it was.
 *
 * Threads: all functions but open and close, by any number of them; the journal has one of its own. A forked
 * child must not use it. Memory: two buffers of up to LIMIT_JOURNAL_BUFFER; nothing is allocated by appending
 * once they have grown. Limits: LIMIT_JOURNAL_RECORD, LIMIT_JOURNAL_SEGMENT, LIMIT_JOURNAL_SEGMENTS.
 */
#ifndef SHRIKE_JOURNAL_JOURNAL_H
#define SHRIKE_JOURNAL_JOURNAL_H

#include "journal/segment.h"

struct journal;

/* When what was appended is flushed to the disk. */
enum journal_sync {
    JOURNAL_SYNC_COMMIT,   /* a commit waits for it */
    JOURNAL_SYNC_INTERVAL, /* every so often; a commit waits for the system's cache: it survives the process,
                              not the power */
    JOURNAL_SYNC_NEVER,    /* by the system, some time: for tests */
};

/* How a commit gets its flush. */
enum journal_flusher {
    JOURNAL_FLUSH_CALLER, /* by the first who waits */
    JOURNAL_FLUSH_THREAD, /* by the journal's thread: slower, kept to be measured against */
};

struct journal_options {
    const struct io *io;   /* NULL: the system's */
    const char *directory; /* exists; one journal at a time, which directory.h sees to */
    uint8_t identity[JOURNAL_IDENTITY];
    enum journal_sync sync;
    int interval_ms;        /* of JOURNAL_SYNC_INTERVAL */
    uint64_t segment_bytes; /* 0: LIMIT_JOURNAL_SEGMENT */
    size_t buffer_bytes;    /* 0: LIMIT_JOURNAL_BUFFER; at least room for the largest record */
    enum journal_flusher flusher;
    /* A damaged record that had been durable, in the newest segment, is an error unless this is set: then it
     * is cut off with all behind it, as a torn one is. */
    bool cut_damage;
    /* Called when the durable position has moved, by whoever moved it, without locks: it may write to an
     * eventfd, and must not call the journal. NULL: nobody is told. */
    void (*moved)(void *context, uint64_t durable);
    void *context;
};

/* What opening found. */
struct journal_recovery {
    uint64_t segments, bytes;
    uint64_t dropped;    /* bytes cut off behind the last good record, up to the last that was not 0 */
    uint64_t dropped_at; /* from this byte of the file on */
    bool damaged;        /* some of them had been durable: not torn but damaged, cut because asked to */
    char dropped_from[SEGMENT_NAME_SIZE]; /* the file; "" where nothing was dropped */
    char reason[RECORD_REASON_SIZE];      /* what was there in place of a record */
};

/* Starts a journal where the directory has none. ret_recovery may be NULL. */
int journal_open(const struct journal_options *options, struct journal **ret,
                 struct journal_recovery *ret_recovery, struct error *error);

/* Flushes what was appended and frees the journal, also where that fails. Takes NULL. */
int journal_close(struct journal *journal, struct error *error);

struct journal_place {
    uint64_t position; /* of the record, from 1 on */
    uint64_t seq;      /* of the first thing in it; of the next thing where it takes none */
};

/* Appends a record that takes `count` sequence numbers. It is durable only when a commit of its position has
 * answered OK. CODE_NO_SPACE: the disk is full, nothing was appended. */
int journal_append(struct journal *journal, enum record_kind kind, uint32_t count, const void *body,
                   size_t size, struct journal_place *ret, struct error *error);

/* Waits until all records up to `position` are durable, in the sense of the options. */
int journal_commit(struct journal *journal, uint64_t position, struct error *error);

/* Asks that all records up to `position` become durable soon, and does not wait. */
void journal_request(struct journal *journal, uint64_t position);

/* Waits until all up to `position` are durable, for at most so long (negative: for ever), without flushing
 * itself. Gives the durable position either way. */
int journal_wait(struct journal *journal, uint64_t position, int64_t timeout_us, uint64_t *ret_durable,
                 struct error *error);

struct journal_state {
    uint64_t oldest_position, oldest_seq; /* of the first record kept, or of the next where none is */
    uint64_t next_position, next_seq;     /* that the next record gets */
    uint64_t durable;                     /* position up to which records are, 0: none */
    uint64_t segments, bytes;             /* kept, on the disk */
    uint64_t syncs;                       /* flushes of data since it was opened */
};
void journal_state(struct journal *journal, struct journal_state *ret);
uint64_t journal_durable(struct journal *journal); /* the same as above, without a lock */

/* Closes the newest segment, so that it can be trimmed or rewritten, and starts another; does nothing where
 * it has no records. All that was appended becomes durable. */
int journal_roll(struct journal *journal, struct error *error);

/* Removes the segments whose records all come before `position`, never the newest. */
int journal_trim(struct journal *journal, uint64_t position, uint64_t *ret_removed, struct error *error);

/* Decides about one record of a rewriting. *ret_body is record->body at first; another body, which must stay
 * valid until the next call, replaces it. The record keeps its place, kind and count. */
typedef int journal_replace(void *context, const struct record *record, const void **ret_body,
                            uint32_t *ret_size, struct error *error);

/* Rewrites the closed segments that hold records from `from` to `to` (both positions, inclusive) through
 * `replace`, one after the other; each is either as it was or wholly rewritten, whenever the power fails. A
 * segment in which nothing was replaced is left alone. Readers see the new bodies from then on. */
int journal_rewrite(struct journal *journal, uint64_t from, uint64_t to, journal_replace *replace,
                    void *context, uint64_t *ret_segments, struct error *error);

#endif
