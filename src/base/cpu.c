#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/limits.h"

int cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int n =
        sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > LIMIT_THREADS ? LIMIT_THREADS : n;
}

void cpu_beside(cpu_set_t *ret)
{
    int here = sched_getcpu();
    CPU_ZERO(ret);
    if (sched_getaffinity(0, sizeof *ret, ret) == 0 && here >= 0 && here < CPU_SETSIZE && CPU_COUNT(ret) > 1)
        CPU_CLR((size_t)here, ret);
}

/* An empty set is of a machine with more processors than a set has room for. */
void cpu_use(const cpu_set_t *set)
{
    if (CPU_COUNT(set))
        sched_setaffinity(0, sizeof *set, set);
}

#if defined(__x86_64__)

/* The compiler's run-time library asks XGETBV too, so "supports" includes the operating system. */
bool cpu_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

bool cpu_has_avx512(void)
{
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

const char *cpu_name(char name[CPU_NAME_SIZE])
{
    /* Leaves 0x80000002 to 0x80000004 hold 48 bytes of text. */
    unsigned words[12 + 1] = {0};
    if (__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u) {
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
                        &words[4 * i + 3]);
    }
    const char *text = (const char *)words;
    text += strspn(text, " ");
    snprintf(name, CPU_NAME_SIZE, "%s", *text ? text : "unknown");
    return name;
}

#else

bool cpu_has_avx2(void)
{
    return false;
}

bool cpu_has_avx512(void)
{
    return false;
}

const char *cpu_name(char name[CPU_NAME_SIZE])
{
    snprintf(name, CPU_NAME_SIZE, "unknown");
    return name;
}

#endif
