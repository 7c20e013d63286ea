/*
 * Numbers for texts: while a text is held, equal texts have the same number, and the number has its text. A
 * new text gets the lowest number that no text ever had, or one that a freed text leaves.
 *
 * Each holder of a number counts as a reference. A text without references stays, in case it comes again,
 * until a sweep finds it; then its memory goes back. The table grows and shrinks by one bucket at a time
 * (linear hashing), and nothing in it ever moves, so that no call does work in proportion to the size.
 *
 * Threads: one owner calls everything. Others may at the same time hold, release and read numbers that are
 * held, while the owner calls strings_number, but not while it sweeps. Memory: what the texts take and 36 to
 * 72 bytes for each, of which 32 stay for every text there ever was at one time. Limits: 2^32 - 2 texts, each
 * shorter than 4 GiB.
 */
#ifndef SHRIKE_FEATURE_STRINGS_H
#define SHRIKE_FEATURE_STRINGS_H

#include "feature/expr.h"

struct bytes_in;
struct bytes_out;
struct strings;
struct strings *strings_new(void);          /* NULL: no memory */
void strings_free(struct strings *strings); /* takes NULL */

/* The text's number, with a reference for the caller. False: no memory or no number left, nothing changed. */
bool strings_number(struct strings *strings, struct text text, uint64_t *ret);

/* One reference more to a number that is held, one less. */
void strings_hold(struct strings *strings, uint64_t number);
void strings_release(struct strings *strings, uint64_t number);

/* The text of a number, valid while it is held. */
struct text strings_text(const struct strings *strings, uint64_t number);

/* To bytes and back: the number of texts that are held, and of each its number and the text. Reading gives
 * what the texts' numbers were, in order, and what they are now, each held once. */
struct renumbering {
    uint32_t *was;
    uint64_t *now;
    size_t n, was_capacity, now_capacity;
};
void strings_save(const struct strings *strings, struct bytes_out *out);
bool strings_load(struct strings *strings, struct renumbering *ret, struct bytes_in *in);
void renumbering_done(struct renumbering *renumbering); /* takes a zeroed one */

/* Looks at the next n numbers, in turn, and frees the texts without references; returns how many. Nobody else
 * may use the table meanwhile. */
int64_t strings_sweep(struct strings *strings, int64_t n);

int64_t strings_count(const struct strings *strings); /* texts, now */
size_t strings_bytes(const struct strings *strings);  /* allocated, now */

#endif
