/* Time of the machine. All functions are thread-safe and cannot fail. */
#ifndef SHRIKE_BASE_CLOCK_H
#define SHRIKE_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ns(void);   /* for durations */
int64_t clock_wall_us(void);        /* microseconds since 1970 UTC */
int64_t clock_process_cpu_ns(void); /* CPU time of all threads, user and system */

#endif
