/*
 * What the engine writes into the journal: the bodies of its records, to bytes and back. All numbers are
 * little-endian; a text is its size, u32, and its bytes.
 *
 *   events     version u32 | source text | position in the source u64 | rows (table/packed.h)
 *   decisions  version u32 | seq of the first event u64 | reasons per row u8 | rules u8 (0: none)
 *              | features, rows | score f32 each | decision i8 each | marks u8 each (enum state_mark)
 *              | with rules: fired u64 each | reasons: feature i32 and contribution f64 each
 *   erasure    carried out u8 | asked for at i64, microseconds since 1970 UTC | number u32 | seq u64 each,
 *              ascending
 *   switch     version u32 | reasons per row u32 | threshold f64 (NaN: none) | explain from f64
 *              | lateness i64 | max ahead i64 | labels u32 (1: they come by themselves)
 *              | name, identity, plan's SQL, rules' SQL ("": none)
 *   labels     late columns of the plan u32 | of each u8: 1 where these labels speak of it
 *              | rows: the id, when the label arrived, the late columns
 *   position   what text | number u64 | bytes u64
 *
 * Of an event that was erased, and is no longer there, all columns are NULL; the decision about it says so,
 * and its features are NULL, too.
 *
 * A version is what decides: it has the number of its switch, from 1 on.
 *
 * Threads: any. Memory: a struct decided owns what it was read into and is used again.
 */
#ifndef SHRIKE_SCORE_RECORDS_H
#define SHRIKE_SCORE_RECORDS_H

#include "score/engine.h"
#include "score/label_said.h"

/* A text that is not terminated. */
struct piece {
    const char *data;
    uint32_t size;
};

struct events_head {
    uint32_t version;
    struct piece source; /* where they came from; "" */
    uint64_t position;   /* behind the last of them, as that source counts */
};
void record_events(const struct events_head *head, const struct table *events, struct buffer *out);
/* ret: initialised with the plan's events. */
int record_read_events(const void *body, size_t size, struct events_head *ret_head, struct table *ret,
                       struct error *error);
/* Only the head. */
int record_read_events_head(const void *body, size_t size, struct events_head *ret, struct error *error);

void record_decisions(uint32_t version, uint64_t seq, const struct decisions *decisions, struct buffer *out);
struct decided {
    uint32_t version;
    uint64_t seq; /* of the first */
    struct decisions decisions;
    struct table features;
    size_t capacity, reasons_capacity;
    float *scores;
    int8_t *words;
    uint8_t *marks;
    uint64_t *fired;
    struct reason *reasons;
};
int decided_init(struct decided *ret, struct schema *features, struct error *error);
void decided_done(struct decided *decided);
int record_read_decisions(const void *body, size_t size, struct decided *ret, struct error *error);
/* Rows [from, from + n) of decisions that somebody else owns. Leaves version and seq. */
int decided_copy(const struct decisions *decisions, int64_t from, int64_t n, struct decided *ret,
                 struct error *error);
/* Only the seq of the first event and their number. */
int record_read_decisions_head(const void *body, size_t size, uint64_t *ret_seq, uint32_t *ret_version,
                               struct error *error);

struct switch_record {
    uint32_t version, reasons;
    double threshold, explain_from; /* as in struct engine_options */
    int64_t lateness_us, max_ahead_us;
    bool learns; /* late columns come by records of labels alone */
    struct piece name, identity, plan_sql, rules_sql;
};
void record_switch(const struct switch_record *record, struct buffer *out);
int record_read_switch(const void *body, size_t size, struct switch_record *ret, struct error *error);

void record_labels(const struct label_rows *labels, struct buffer *out);
/* ret: initialised with a label_schema_new; ret_speaks: one per late column. */
int record_read_labels(const void *body, size_t size, struct table *ret, uint8_t *ret_speaks,
                       struct error *error);
struct erasure_record {
    bool done;
    int64_t asked_us;
    uint32_t n;
    const char *seqs; /* u64 each, not aligned */
};
uint64_t erasure_seq(const struct erasure_record *record, uint32_t i);
void record_erasure(bool done, int64_t asked_us, const uint64_t *seqs, uint32_t n, struct buffer *out);
int record_read_erasure(const void *body, size_t size, struct erasure_record *ret, struct error *error);

struct position_record {
    struct piece what; /* "sink out.jsonl" */
    uint64_t number, bytes;
};
void record_position(const struct position_record *record, struct buffer *out);
int record_read_position(const void *body, size_t size, struct position_record *ret, struct error *error);

#endif
