/*
 * A record of the journal: a head of 40 bytes, a body that is the caller's business, zeros up to the next
 * multiple of 8. docs/journal.md has the layout byte by byte.
 *
 * Every record has a position, its number in the journal from 1 on, without gaps. One that takes sequence
 * numbers has them from `seq` on, `count` of them; one that takes none (count 0) carries the number that the
 * next one to be given has.
 *
 * Threads: any. Memory: none is allocated.
 */
#ifndef SHRIKE_JOURNAL_RECORD_H
#define SHRIKE_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Every kind there is. The numbers are in files: new ones are added at the end. */
enum record_kind {
    RECORD_EVENTS = 1,
    RECORD_DECISIONS,
    RECORD_LABELS,
    RECORD_ERASURE,  /* what is to be forgotten */
    RECORD_SWITCH,   /* of model, rules or plan */
    RECORD_POSITION, /* of a source or a sink */
    RECORD_KINDS     /* one more than the last */
};

const char *record_kind_name(enum record_kind kind); /* "events" */

struct record {
    uint64_t position;
    uint64_t seq;
    uint32_t count;
    enum record_kind kind;
    uint32_t size; /* of the body */
    const void *body;
};

enum { RECORD_HEAD = 40, RECORD_ALIGN = 8 };

/* The last position and sequence number there is: a million a second would take 292,000 years. */
#define RECORD_MOST ((uint64_t)INT64_MAX)

/* Bytes that a record with such a body takes. */
static inline size_t record_bytes(size_t size)
{
    return RECORD_HEAD + (size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* The sum of a body and the zeros behind it; `body` need not have them. */
uint32_t record_sum(const void *body, size_t size);

/* Writes the head. lag: how many records before this one were not yet known to be on the disk, itself
 * excepted; sum: of the body. */
void record_put_head(const struct record *record, uint32_t lag, uint32_t sum, uint8_t head[RECORD_HEAD]);

/* What a head says, without the body (NULL). False where it is not the head of a record: it then says in
 * `ret_reason`, unless that is NULL, what was found and what was expected. */
enum { RECORD_REASON_SIZE = 192 };
bool record_read_head(const uint8_t head[RECORD_HEAD], struct record *ret, uint32_t *ret_lag,
                      char ret_reason[RECORD_REASON_SIZE]);

/* Whether the bytes behind a head, record_bytes(size) - RECORD_HEAD of them, are those it was made for. */
bool record_check_body(const uint8_t head[RECORD_HEAD], const uint8_t *bytes,
                       char ret_reason[RECORD_REASON_SIZE]);

#endif
