/*
 * Memory for the values that one run of a program makes: new strings. Pieces live until the next reset;
 * blocks are kept, so that a warm program allocates nothing. Not zeroed, not aligned. One thread.
 */
#ifndef SHRIKE_FEATURE_SCRATCH_H
#define SHRIKE_FEATURE_SCRATCH_H

#include <stddef.h>

struct scratch_block;

struct scratch {
    struct scratch_block *first, *current;
    size_t bytes; /* of all blocks */
};

char *scratch_take(struct scratch *scratch, size_t size); /* NULL: no memory */
void scratch_reset(struct scratch *scratch);
void scratch_done(struct scratch *scratch);

#endif
