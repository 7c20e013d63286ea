#include "journal/record.h"

#include <assert.h>
#include <stdio.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "journal/bytes.h"

/* Where the fields of a head are. */
enum {
    HEAD_SUM = 0,  /* of the bytes of the head behind it */
    BODY_SUM = 4,  /* of the body and the zeros behind it */
    BODY_SIZE = 8, /* without the zeros */
    COUNT = 12,    /* of sequence numbers taken */
    POSITION = 16, /* of the record */
    SEQ = 24,      /* of the first thing in it */
    LAG = 32,      /* records before it that were not yet on the disk */
    KIND = 36,     /* enum record_kind */
};

const char *record_kind_name(enum record_kind kind)
{
    static const char *const names[RECORD_KINDS] = {
        [RECORD_EVENTS] = "events",   [RECORD_DECISIONS] = "decisions", [RECORD_LABELS] = "labels",
        [RECORD_ERASURE] = "erasure", [RECORD_SWITCH] = "switch",       [RECORD_POSITION] = "position",
    };
    assert(kind > 0 && kind < RECORD_KINDS);
    return names[kind];
}

static const uint8_t zeros[RECORD_ALIGN];

uint32_t record_sum(const void *body, size_t size)
{
    uint32_t sum = crc32c(0, body, size);
    return crc32c(sum, zeros, record_bytes(size) - RECORD_HEAD - size);
}

void record_put_head(const struct record *record, uint32_t lag, uint32_t sum, uint8_t head[RECORD_HEAD])
{
    put_u32(head + BODY_SUM, sum);
    put_u32(head + BODY_SIZE, record->size);
    put_u32(head + COUNT, record->count);
    put_u64(head + POSITION, record->position);
    put_u64(head + SEQ, record->seq);
    put_u32(head + LAG, lag);
    put_u32(head + KIND, (uint32_t)record->kind);
    put_u32(head + HEAD_SUM, crc32c(0, head + BODY_SUM, RECORD_HEAD - BODY_SUM));
}

bool record_read_head(const uint8_t head[RECORD_HEAD], struct record *ret, uint32_t *ret_lag,
                      char ret_reason[RECORD_REASON_SIZE])
{
    uint32_t kind = get_u32(head + KIND), size = get_u32(head + BODY_SIZE);
    uint32_t found = get_u32(head + HEAD_SUM);
    /* Before the sum, which takes longer: most bytes that are no head are told by these. */
    bool possible = kind > 0 && kind < RECORD_KINDS && size <= LIMIT_JOURNAL_RECORD;
    uint32_t sum = possible ? crc32c(0, head + BODY_SUM, RECORD_HEAD - BODY_SUM) : 0;
    if (possible && found == sum) {
        *ret = (struct record){.position = get_u64(head + POSITION),
                               .seq = get_u64(head + SEQ),
                               .count = get_u32(head + COUNT),
                               .kind = (enum record_kind)kind,
                               .size = size};
        *ret_lag = get_u32(head + LAG);
        return true;
    }
    if (ret_reason && !possible)
        snprintf(ret_reason, RECORD_REASON_SIZE,
                 "no record: kind %u and %u bytes, expected a kind from 1 to %d and at most %d bytes", kind,
                 size, RECORD_KINDS - 1, LIMIT_JOURNAL_RECORD);
    else if (ret_reason)
        snprintf(ret_reason, RECORD_REASON_SIZE, "the head of a record has the checksum %08x, expected %08x",
                 found, sum);
    return false;
}

bool record_check_body(const uint8_t head[RECORD_HEAD], const uint8_t *bytes,
                       char ret_reason[RECORD_REASON_SIZE])
{
    size_t padded = record_bytes(get_u32(head + BODY_SIZE)) - RECORD_HEAD;
    uint32_t found = get_u32(head + BODY_SUM), sum = crc32c(0, bytes, padded);
    if (found == sum)
        return true;
    snprintf(ret_reason, RECORD_REASON_SIZE,
             "the body of record %llu (%u bytes) has the checksum %08x, its head says %08x",
             (unsigned long long)get_u64(head + POSITION), get_u32(head + BODY_SIZE), sum, found);
    return false;
}
