/*
 * Snapshots: files that hold a state as it was at a place of the journal, so that a restart need not read the
 * journal from its beginning. A file is a head, blocks of the caller's bytes, each with its checksum, and an
 * end; docs/journal.md has the layout. What a block means is the caller's business.
 *
 * A file has its name, "SEQ.snap", only when it is whole and on the disk. Two are kept: where the newest is
 * damaged, the one before it serves, and the journal must reach back to that one.
 *
 * Threads: a writer and a reader belong to one thread each. A forked child may write a snapshot: a
 * writer needs no lock and no thread that the parent has.
 * Memory: a writer has 1 MiB; a reader a block. Limits: LIMIT_SNAPSHOT_BLOCK, LIMIT_SNAPSHOT_PLAN,
 * LIMIT_SNAPSHOTS.
 */
#ifndef SHRIKE_JOURNAL_SNAPSHOTS_H
#define SHRIKE_JOURNAL_SNAPSHOTS_H

#include "base/limits.h"
#include "journal/segment.h"

enum { SNAPSHOT_FORMAT = 1, SNAPSHOT_NAME_SIZE = 40 };

/* Where they are. */
struct snapshots {
    const struct io *io;
    char directory[IO_PATH_SIZE];
    uint8_t identity[JOURNAL_IDENTITY]; /* of the state directory */
};

/* Flushes the names in the directory, which a process that died may have left unflushed, and removes what it
 * was writing. io NULL: the system's. */
int snapshots_init(struct snapshots *snapshots, const struct io *io, const char *directory,
                   const uint8_t identity[JOURNAL_IDENTITY], struct error *error);

struct snapshot_head {
    uint64_t seq;      /* the last that the state has seen */
    uint64_t position; /* of the last record of the journal that it has seen */
    int64_t made_us;   /* since 1970 UTC; the writer sets it */
    const char *plan;  /* a text that says of which plan the state is; need not end with a zero */
    uint32_t plan_size;
};

/* ---- writing ---- */

struct snapshot_writer;

int snapshot_writer_new(const struct snapshots *snapshots, const struct snapshot_head *head,
                        struct snapshot_writer **ret, struct error *error);

/* A block; kind 1 and up. */
int snapshot_put(struct snapshot_writer *writer, uint32_t kind, const void *data, size_t size,
                 struct error *error);

/* Ends the file, puts it in place and removes those that are too old. CODE_NO_SPACE and others leave the ones
 * before as they were. */
int snapshot_finish(struct snapshot_writer *writer, struct error *error);

uint64_t snapshot_writer_bytes(const struct snapshot_writer *writer); /* so far */

/* Removes what was written unless it was finished. Takes NULL. */
void snapshot_writer_free(struct snapshot_writer *writer);

/* ---- reading ---- */

struct snapshot_reader;

/* What was passed over on the way to a good one. */
struct snapshots_report {
    int dropped;
    char text[ERROR_MESSAGE_SIZE]; /* which and why, separated by "; " */
};

/* The newest good snapshot whose seq is at most `most`; *ret is NULL where there is none. With `check`, all
 * its blocks are read and checked first. Without, the head and the end are: whoever then meets a damaged
 * block asks again for a seq below. One of another format or kind of machine is an error. ret_report may be
 * NULL. */
int snapshots_newest(const struct snapshots *snapshots, uint64_t most, bool check,
                     struct snapshot_reader **ret, struct snapshots_report *ret_report, struct error *error);

const struct snapshot_head *snapshot_reader_head(const struct snapshot_reader *reader);

struct snapshot_block {
    uint32_t kind;
    uint32_t size;
    const void *data; /* on a multiple of 8; until the next call */
};

/* The next block; *ret_found is false behind the last, when all was as its end says. CODE_CORRUPT names file
 * and byte. */
int snapshot_next(struct snapshot_reader *reader, bool *ret_found, struct snapshot_block *ret,
                  struct error *error);
void snapshot_reader_free(struct snapshot_reader *reader); /* takes NULL */

/* Seqs and positions of the snapshots that are kept, newest first, as their heads say; those with a damaged
 * head are left out. The journal may be trimmed up to the last position of LIMIT_SNAPSHOTS of them. */
struct snapshot_place {
    uint64_t seq, position;
};
int snapshots_kept(const struct snapshots *snapshots, struct snapshot_place ret[LIMIT_SNAPSHOTS], int *ret_n,
                   struct error *error);

/* Removes one, for good when it returns. */
int snapshots_remove(const struct snapshots *snapshots, uint64_t seq, struct error *error);

#endif
