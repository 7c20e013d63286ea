/*
 * A segment: one file of the journal, "NUMBER.seg" with twenty digits, a head of 64 bytes and records behind
 * it. docs/journal.md has the layout. A segment has its name only when its head is on the disk, so one with a
 * bad head is damaged and never merely unfinished.
 *
 * The cursor walks over the records of a file and checks each: sums, and that positions and sequence numbers
 * go on without a gap.
 *
 * Threads: a cursor belongs to one. Memory: it holds LIMIT_JOURNAL_RECORD and a little at most.
 */
#ifndef SHRIKE_JOURNAL_SEGMENT_H
#define SHRIKE_JOURNAL_SEGMENT_H

#include "journal/io.h"
#include "journal/record.h"

enum { JOURNAL_IDENTITY = 16, JOURNAL_FORMAT = 1, SEGMENT_HEAD = 64, SEGMENT_NAME_SIZE = 40 };

struct segment_head {
    uint8_t identity[JOURNAL_IDENTITY]; /* of the state directory */
    uint64_t number;                    /* of the segment, from 1 on */
    uint64_t first_position;            /* of its first record */
    uint64_t first_seq;                 /* that the first thing in it has */
    uint32_t generation;                /* how often it was rewritten */
};

void segment_put_head(const struct segment_head *head, uint8_t bytes[SEGMENT_HEAD]);

/* CODE_CORRUPT, or CODE_UNSUPPORTED for another format or kind of machine; `path` is for the message. */
int segment_read_head(const uint8_t bytes[SEGMENT_HEAD], const char *path, struct segment_head *ret,
                      struct error *error);

/* The head of an open file. CODE_CORRUPT where it is of another journal or number as well. */
int segment_check_head(const struct io *io, int file, const char *path,
                       const uint8_t identity[JOURNAL_IDENTITY], uint64_t number, struct segment_head *ret,
                       struct error *error);

void segment_name(uint64_t number, char ret[SEGMENT_NAME_SIZE]);
bool segment_number(const char *name, uint64_t *ret); /* false: not the name of a segment */
int segment_path(const char *directory, uint64_t number, char ret[IO_PATH_SIZE], struct error *error);

/* What is being made lies beside, as "NUMBER.seg.new"; a journal that opens removes it. */
bool segment_staging_number(const char *name, uint64_t *ret);
int segment_staging_path(const char *directory, uint64_t number, char ret[IO_PATH_SIZE], struct error *error);

/* A new segment without records: made under its staging name, flushed, renamed, its directory flushed.
 * CODE_NO_SPACE leaves nothing that matters behind and may be tried again. */
int segment_create(const struct io *io, const char *directory, const struct segment_head *head, int *ret_file,
                   struct error *error);

struct segment_cursor {
    const struct io *io;
    const char *path;  /* for messages; the caller's */
    int file;          /* the caller's */
    uint64_t offset;   /* of the next record */
    uint64_t limit;    /* nothing behind it is looked at */
    uint64_t position; /* that the next record must have */
    uint64_t seq;      /* likewise */
    uint32_t lag;      /* of the last record given */
    uint8_t *data;     /* bytes of the file from `start` on */
    uint64_t start;
    size_t size, capacity;
    char reason[RECORD_REASON_SIZE]; /* of SEGMENT_BAD */
};

enum segment_step {
    SEGMENT_RECORD,
    SEGMENT_END, /* of the file, or the limit: exactly behind a record */
    SEGMENT_BAD, /* at `offset` is something else: `reason` says what */
};

/* From the first record of a segment. */
void segment_cursor_init(struct segment_cursor *cursor, const struct io *io, int file, const char *path,
                         const struct segment_head *head, uint64_t limit);
void segment_cursor_done(struct segment_cursor *cursor);

/* The record and its body stay valid until the next call. Errors are of reading and memory only. */
int segment_next(struct segment_cursor *cursor, enum segment_step *ret_step, struct record *ret,
                 struct error *error);

/* SEGMENT_BAD as an error: CODE_CORRUPT with file, offset and reason. */
int segment_bad(const struct segment_cursor *cursor, struct error *error);

#endif
