/*
 * What a state directory was last decided by, for those who open it without a version of their own.
 *
 * The directory is taken while it is read. Threads: one.
 */
#ifndef SHRIKE_SCORE_CURRENT_H
#define SHRIKE_SCORE_CURRENT_H

#include "score/durable.h"

struct current {
    struct switch_record version; /* texts are in the body */
    char *body;
    uint64_t size;
};
/* CODE_NOT_FOUND: there is no such directory, or nothing has been decided there. io NULL: the system's. */
int current_read(const struct io *io, const char *directory, struct current *ret, struct error *error);
void current_done(struct current *current); /* takes a zeroed one */

#endif
