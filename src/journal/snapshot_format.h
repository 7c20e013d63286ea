/* Where the fields of a snapshot's file are; shared by its writer and its reader. docs/journal.md explains.
 */
#ifndef SHRIKE_JOURNAL_SNAPSHOT_FORMAT_H
#define SHRIKE_JOURNAL_SNAPSHOT_FORMAT_H

#include "journal/snapshots.h"

/* The head. The text of the plan follows it, with zeros up to a multiple of 8. */
enum {
    SNAP_MAGIC = 0,
    SNAP_ORDER = 8, /* in the machine's own order */
    SNAP_FORMAT = 12,
    SNAP_IDENTITY = 16,
    SNAP_SEQ = 32,
    SNAP_POSITION = 40,
    SNAP_MADE = 48,
    SNAP_PLAN_SIZE = 56,
    SNAP_PLAN_SUM = 60,
    SNAP_SUM = 64,  /* of all before it */
    SNAP_HEAD = 72, /* zeros in between */
};

/* The head of a block. Its bytes follow, with zeros up to a multiple of 8. */
enum {
    BLOCK_HEAD_SUM = 0, /* of the head behind it */
    BLOCK_SUM = 4,      /* of the bytes and the zeros behind them */
    BLOCK_SIZE = 8,
    BLOCK_KIND = 12,   /* 0: the end */
    BLOCK_NUMBER = 16, /* from 1 on */
    BLOCK_HEAD = 24,
};

/* What the end has: how many blocks came before it, how many bytes they held. The file ends behind it. */
enum { END_BLOCKS = 0, END_BYTES = 8, END_SIZE = 16 };

static const char snapshot_magic[8] = {'s', 'h', 'r', 'k', 's', 'n', 'a', 'p'};
static const uint32_t snapshot_order = 0x01020304;

static inline size_t snapshot_padded(size_t size)
{
    return (size + 7) / 8 * 8;
}

/* snapshots.c */
struct snapshot_names {
    uint64_t *seqs; /* ascending */
    size_t n, capacity;
    uint64_t *staging;
    size_t n_staging, staging_capacity;
};
int snapshot_list(const struct snapshots *snapshots, struct snapshot_names *ret, struct error *error);
void snapshot_names_done(struct snapshot_names *names);
int snapshot_path(const struct snapshots *snapshots, uint64_t seq, bool staging, char ret[IO_PATH_SIZE],
                  struct error *error);

/* snapshot_read.c. Checks head and end, and all between where `check` says so. */
int snapshot_open(const struct snapshots *snapshots, uint64_t seq, bool check, struct snapshot_reader **ret,
                  struct error *error);

#endif
