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
        bool missing = (bits & 0x7fffffff) > KEY_INFINITY;
        int32_t key = engine_key(bits) + 1;
        ret[i] = missing ? KEY_LEFT : key;
        ret[n + i] = missing ? KEY_RIGHT : key;
    }
}

/* Halving without branches; the cuts are padded with the largest integer. */
static inline uint8_t count_small(const int32_t *cuts, int32_t key)
{
    size_t at = 0;
    for (size_t half = ENGINE_CUT_BLOCK / 2; half; half /= 2)
        at += cuts[at + half - 1] < key ? half : 0;
    return (uint8_t)(at + (cuts[at] < key));
}

static inline uint8_t count_large(const int32_t *cuts, int32_t key)
{
    size_t at = 0;
    cuts += ENGINE_CUT_BLOCK;
    for (size_t half = ENGINE_CUT_BLOCK * ENGINE_CUT_BLOCK / 2; half; half /= 2)
        at += cuts[at + half - 1] < key ? half : 0;
    return (uint8_t)(at + (cuts[at] < key));
}

#include "model/forest/kernel_body.inc"
#include "model/forest/shap_walk.inc"

const struct forest_kernel kernel_scalar = {"scalar", false, kernel_batch, kernel_row, kernel_explain};
