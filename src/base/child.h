/*
 * A forked process that does one thing with the memory as it was at the fork, and ends; at the latest when
 * the thread that forked it does.
 *
 * Threads: the child has only the one that forked. Work in it may allocate, and must not wait for locks that
 * other threads could have held.
 */
#ifndef SHRIKE_BASE_CHILD_H
#define SHRIKE_BASE_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Starts `work` in a child, which ends with it; true is success. */
typedef bool child_work(void *context);
int child_start(child_work *work, void *context, pid_t *ret, struct error *error);

/* Has it ended? With `wait`, it has. *ret_fine: it did its work. */
bool child_ended(pid_t child, bool wait, bool *ret_fine);

#endif
