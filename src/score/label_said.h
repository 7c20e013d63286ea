/*
 * What labels have said of one event so far: per late column the time of the label that counts, and its
 * value. Of a column's labels the one with the highest time counts; of equal ones the last.
 *
 * Threads: one. Memory: a struct said is one block of a few dozen bytes, freed with free().
 */
#ifndef SHRIKE_SCORE_LABEL_SAID_H
#define SHRIKE_SCORE_LABEL_SAID_H

#include "base/bytes.h"
#include "base/memory.h"
#include "feature/plan.h"

/* Labels as rows: the id, the label's time, and the plan's late columns in its order. */
enum { LABEL_ID, LABEL_TIME, LABEL_COLUMNS };
struct label_rows {
    const struct table *rows;
    const uint8_t *speaks; /* per late column: 1 where these labels speak of it */
};
/* NULL: no memory. */
struct schema *label_schema_new(const struct plan *plan);
int64_t label_time(const struct label_rows *labels, int64_t i);

struct said; /* NULL: nothing */

struct sayings {
    int n;                /* late columns */
    struct table was, is; /* one row of them each */
    struct buffer bytes;
};
int sayings_init(struct sayings *ret, const struct schema *labels, struct error *error);
void sayings_done(struct sayings *sayings);

/* What is said of an event with one label more. *ret: NULL where that changes nothing. */
int sayings_add(struct sayings *sayings, const struct said *before, const struct label_rows *labels,
                int64_t i, struct said **ret, struct error *error);
/* What is said as a row of the late columns, in sayings->was; NULLs for nothing. */
int sayings_read(struct sayings *sayings, const struct said *said, struct error *error);
int64_t said_latest(const struct sayings *sayings, const struct said *said); /* label's time */

void said_save(const struct sayings *sayings, const struct said *said, struct bytes_out *out);
/* False: see in->rc. */
bool said_load(struct sayings *sayings, struct bytes_in *in, struct said **ret);

#endif
