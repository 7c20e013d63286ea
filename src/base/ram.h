/*
 * How much memory there is for this process: the machine's, or less where the control group it runs in (a
 * container, a service) has a limit, beyond which the kernel would kill it. Asked once, when a verb starts.
 */
#ifndef SHRIKE_BASE_RAM_H
#define SHRIKE_BASE_RAM_H

#include <stdint.h>

/* In bytes; at least 1. */
int64_t ram_bytes(void);

/* The lowest limit of the groups that `groups` (/proc/self/cgroup) names, and of those above them, in the
 * hierarchy mounted at `mount` (/sys/fs/cgroup; both versions of it); INT64_MAX where there is none. */
int64_t ram_group_limit(const char *groups, const char *mount);

#endif
