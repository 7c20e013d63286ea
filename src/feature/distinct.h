/*
 * How many different values the frames of one entity hold: a table from value to its number of occurrences in
 * each frame. A value is one or two words, equal if the words are; callers make equal values equal words.
 *
 *   struct distinct (16 bytes, all zero = empty, nothing allocated): [ table 8 | used 4 | capacity 4 ]
 *   entry: [ key words | count per frame, 4 bytes each ], rounded up to 8 bytes; in use while a count is not
 * 0
 *
 * Up to 192 values lie in one open-addressing table of 4, 8, ... 256 entries. Beyond, there are segments,
 * such tables each, and linear hashing (Litwin 1980): when the segments hold more than 128 values on average,
 * one of them, in turn, hands half of its values to a new one, and when fewer than 32, the last goes back to
 * where it came from. The lists of segments double without being copied. So no single call does work in
 * proportion to the size: it moves the entries of one segment that grows or shrinks, and of at most two that
 * are split or joined, fewer than a thousand in all as long as the hash spreads the values. Memory goes back
 * as values go.
 *
 * Threads: one owner. Limits: 2^32 - 1 occurrences of a value in a frame; 2^31 segments.
 */
#ifndef SHRIKE_FEATURE_DISTINCT_H
#define SHRIKE_FEATURE_DISTINCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* The same in every call for a table. */
struct distinct_shape {
    int n_frames;
    int key_words; /* 1 or 2 */
};

struct distinct_segments;

struct distinct {
    union {
        char *entries;
        struct distinct_segments *segments; /* if capacity is DISTINCT_SEGMENTED */
    };
    uint32_t used, capacity; /* of the entries */
};

#define DISTINCT_SEGMENTED UINT32_MAX

/* One occurrence more of the key in the frame; if it is the first there, ++*live, the frame's number of
 * different values. False: no memory, nothing changed. */
bool distinct_add(const struct distinct_shape *shape, struct distinct *distinct, const uint64_t *key,
                  int frame, int64_t *live);
/* One occurrence less, which must be there; if it was the last in the frame, --*live. Never fails. */
void distinct_remove(const struct distinct_shape *shape, struct distinct *distinct, const uint64_t *key,
                     int frame, int64_t *live);

/* To bytes and back: the number of values, and of each its key and its occurrences in each frame. Loads into
 * an empty one. key: what a key is now, if it is not what it was; false, with the error in `in`, if it cannot
 * be. */
typedef bool distinct_rekey(void *context, uint64_t *key, struct bytes_in *in);
void distinct_save(const struct distinct_shape *shape, const struct distinct *distinct,
                   struct bytes_out *out);
bool distinct_load(const struct distinct_shape *shape, struct distinct *distinct, distinct_rekey *rekey,
                   void *context, struct bytes_in *in);

/* Frees the table; it is empty then. */
void distinct_done(struct distinct *distinct);

size_t distinct_bytes(const struct distinct_shape *shape, const struct distinct *distinct); /* allocated */
/* How many entries adding and removing have moved in memory since the table has segments: so that a test can
 * see that no call moves many. */
uint64_t distinct_moved(const struct distinct *distinct);

#endif
