/*
 * Readers: positions in the journal that move over its records in order and follow it as it grows. Only what
 * is durable is given.
 *
 * Threads: a reader belongs to one; there may be many of them, in any threads, beside those that append,
 * trim and rewrite. All are closed before the journal. Memory: a buffer of 256 KiB, more for larger records.
 */
#ifndef SHRIKE_JOURNAL_READER_H
#define SHRIKE_JOURNAL_READER_H

#include "journal/journal.h"

struct journal_reader;

/* Before the oldest record that is kept. */
int journal_reader_new(struct journal *journal, struct journal_reader **ret, struct error *error);
void journal_reader_free(struct journal_reader *reader); /* takes NULL */

/* The next record given is the one with this position, at most one behind the last that was appended.
 * CODE_NOT_FOUND: it is kept no longer. */
int journal_reader_seek(struct journal_reader *reader, uint64_t position, struct error *error);

/* The next record given is the first that holds this seq or something behind it, or stands between it and the
 * one before. CODE_NOT_FOUND: it is kept no longer. */
int journal_reader_seek_seq(struct journal_reader *reader, uint64_t seq, struct error *error);

/* The next record; *ret_found is false where no further one is durable yet. The body stays valid until the
 * next call. CODE_NOT_FOUND: the record was removed before it was read. CODE_CORRUPT names file and byte; the
 * reader then stays where it is. */
int journal_reader_next(struct journal_reader *reader, bool *ret_found, struct record *ret,
                        struct error *error);

/* That the next record has: what a sink keeps to go on from later. */
uint64_t journal_reader_position(const struct journal_reader *reader);

/* The record that holds `seq`; the reader then stands behind it. CODE_NOT_FOUND: it is kept no longer, or not
 * durable yet. */
int journal_find(struct journal_reader *reader, uint64_t seq, struct record *ret, struct error *error);

#endif
