#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "model/forest/kernel.h"

static bool always(void)
{
    return true;
}

/* The best last. */
static const struct {
    const struct forest_kernel *kernel;
    bool (*runs)(void);
    const char *why;
} known[] = {
    {&kernel_scalar, always, "the processor has neither AVX2 nor AVX-512"},
#if defined(__x86_64__)
    {&kernel_avx2, cpu_has_avx2, "the processor has AVX2 and no AVX-512"},
    {&kernel_avx512, cpu_has_avx512, "the processor has AVX-512"},
#endif
};
enum { KNOWN = sizeof known / sizeof known[0] };

int kernel_choose(const struct forest_kernel **ret, const char **ret_why, struct error *error)
{
    const char *name = getenv("SHRIKE_KERNEL");
    int chosen = -1;
    for (int i = 0; i < KNOWN; i++)
        if (name && *name ? strcmp(name, known[i].kernel->name) == 0 : known[i].runs())
            chosen = i;
    if (chosen < 0)
        return error_set(error, CODE_USAGE,
                         "SHRIKE_KERNEL: '%s' is no kernel; expected scalar, avx2 or avx512", name);
    if (!known[chosen].runs())
        return error_set(error, CODE_USAGE, "SHRIKE_KERNEL: this processor cannot run the kernel %s", name);
    *ret = known[chosen].kernel;
    *ret_why = name && *name ? "SHRIKE_KERNEL names it" : known[chosen].why;
    return OK;
}

int model_kernel_default(const char **ret, const char **ret_why, struct error *error)
{
    const struct forest_kernel *kernel;
    int code = kernel_choose(&kernel, ret_why, error);
    if (!code)
        *ret = kernel->name;
    return code;
}
