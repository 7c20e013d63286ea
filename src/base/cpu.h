/*
 * What the processor can do, where the operating system lets programs use it. Asked once, before threads
 * start; reading is thread-safe.
 */
#ifndef SHRIKE_BASE_CPU_H
#define SHRIKE_BASE_CPU_H

#include <sched.h>
#include <stdbool.h>

/* The processors that this process may run on (its affinity), at least 1, at most LIMIT_THREADS. */
int cpu_count(void);

/* The processors that the calling thread may use but the one that it runs on now; that one, too, where it is
 * the only one. For cpu_use of another thread. */
void cpu_beside(cpu_set_t *ret);
/* The calling thread runs on these from now on, and so do the processes that it forks. */
void cpu_use(const cpu_set_t *set);

bool cpu_has_avx2(void);   /* AVX2, FMA, POPCNT, BMI and BMI2 */
bool cpu_has_avx512(void); /* AVX-512 F, BW, DQ and VL */

enum { CPU_NAME_SIZE = 128 };
/* The processor's own name, or "unknown". Returns name. */
const char *cpu_name(char name[CPU_NAME_SIZE]);

#endif
