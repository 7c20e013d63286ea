/*
 * Kernels: what scores a compiled forest, one per instruction set. All give the same bits. A kernel's file is
 * compiled with its set's flags, so nothing in it may run before kernel_choose has asked the processor.
 */
#ifndef SHRIKE_MODEL_FOREST_KERNEL_H
#define SHRIKE_MODEL_FOREST_KERNEL_H

#include "model/forest/engine.h"
#include "model/forest/shap.h"

struct forest_kernel {
    const char *name;
    bool tops; /* uses the tops of trees */
    /* The margins of all groups for n rows, n x groups; many rows, and one row. */
    void (*batch)(const struct forest_engine *engine, const float *rows, size_t n, double *ret_margins);
    void (*row)(const struct forest_engine *engine, const float *row, double *ret_margins);
    shap_explain *explain;
};

extern const struct forest_kernel kernel_direct; /* of no instruction set: see direct.h */
extern const struct forest_kernel kernel_scalar, kernel_avx2, kernel_avx512;

/* The best kernel of this processor, or what SHRIKE_KERNEL names; *ret_why says which of both. CODE_USAGE:
 * the name is unknown or the processor cannot run it. */
int kernel_choose(const struct forest_kernel **ret, const char **ret_why, struct error *error);

#endif
