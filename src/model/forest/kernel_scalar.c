/* The kernel without vector instructions: what every processor runs. */
#define TOPS 0

#include <stdint.h>
#include <string.h>

#include "model/forest/engine.h"

static inline void make_keys(const float *row, size_t n, int32_t *ret)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        ret[i] = (bits & 0x7fffffff) > KEY_INFINITY ? KEY_MISSING : engine_key(bits) + 1;
    }
}

typedef int32_t cut_key;

static inline cut_key take_key(const int32_t *key, int32_t less)
{
    return (int32_t)((uint32_t)*key - (uint32_t)less);
}

/* Halving without branches; the cuts are in order, padded with the largest integer. */
static inline size_t count16(const int32_t *cuts, cut_key key)
{
    size_t at = 0;
    for (size_t half = ENGINE_CUT_BLOCK / 2; half; half /= 2)
        at += cuts[at + half - 1] < key ? half : 0;
    return at + (cuts[at] < key);
}

#include "model/forest/kernel_body.inc"
#include "model/forest/shap_walk.inc"

const struct forest_kernel kernel_scalar = {"scalar", false, kernel_batch, kernel_row, kernel_explain};
