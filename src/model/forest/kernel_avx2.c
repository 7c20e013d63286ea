/*
 * The kernel for AVX2.
 *
 * Cuts: 16 comparisons at once, twice; how many hold is the number of bits in the mask. Tops
 * (kernel_top.inc): a register holds 32 rows; the highest bit of a byte is what blendv chooses by.
 */
#if defined(__AVX2__)
#define TOPS 1

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "model/forest/engine.h"

static inline void make_keys(const float *row, size_t n, int32_t *ret)
{
    const __m256i low = _mm256_set1_epi32(0x7fffffff), infinity = _mm256_set1_epi32(KEY_INFINITY);
    const __m256i left = _mm256_set1_epi32(KEY_LEFT), right = low, one = _mm256_set1_epi32(1);
    for (size_t i = 0; i < n; i += 8) {
        const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        __m256i here = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n - i)), lanes);
        __m256i bits = i + 8 <= n ? _mm256_loadu_si256((const __m256i *)(row + i))
                                  : _mm256_maskload_epi32((const int *)(row + i), here);
        __m256i magnitude = _mm256_and_si256(bits, low), sign = _mm256_srai_epi32(bits, 31);
        __m256i key = _mm256_sub_epi32(_mm256_xor_si256(magnitude, sign), sign);
        __m256i missing = _mm256_cmpgt_epi32(magnitude, infinity);
        key = _mm256_add_epi32(key, one);
        __m256i with_left = _mm256_blendv_epi8(key, left, missing);
        __m256i with_right = _mm256_blendv_epi8(key, right, missing);
        if (i + 8 <= n) {
            _mm256_storeu_si256((__m256i *)(ret + i), with_left);
            _mm256_storeu_si256((__m256i *)(ret + n + i), with_right);
        } else {
            _mm256_maskstore_epi32(ret + i, here, with_left);
            _mm256_maskstore_epi32(ret + n + i, here, with_right);
        }
    }
}

/* Twice the number of 16 cuts that are below the key. */
static inline size_t count_twice(const int32_t *cuts, __m256i key)
{
    __m256i low = _mm256_cmpgt_epi32(key, _mm256_loadu_si256((const __m256i *)cuts));
    __m256i high = _mm256_cmpgt_epi32(key, _mm256_loadu_si256((const __m256i *)(cuts + 8)));
    uint32_t mask = (uint32_t)_mm256_movemask_epi8(_mm256_packs_epi32(low, high));
    return (size_t)_mm_popcnt_u32(mask);
}

static inline uint8_t count_small(const int32_t *cuts, int32_t key)
{
    return (uint8_t)(count_twice(cuts, _mm256_set1_epi32(key)) / 2);
}

static inline uint8_t count_large(const int32_t *cuts, int32_t key)
{
    __m256i keys = _mm256_set1_epi32(key);
    size_t blocks = count_twice(cuts, keys);
    size_t within = count_twice(cuts + ENGINE_CUT_BLOCK + blocks * (ENGINE_CUT_BLOCK / 2), keys);
    return (uint8_t)((blocks * ENGINE_CUT_BLOCK + within) / 2);
}

#define VECTOR __m256i
#define CHOOSE(way, left, right) _mm256_blendv_epi8(left, right, way)
#define BIT(way, to) _mm256_srli_epi16(_mm256_and_si256(way, _mm256_set1_epi8((char)0x80)), 7 - (to))
#define EACH(byte) _mm256_set1_epi8((char)(byte))
#define OR(a, b) _mm256_or_si256(a, b)
#define VECTOR_BYTES 32
#define MEAN(bytes, limit) \
    _mm256_avg_epu8(_mm256_loadu_si256((const __m256i *)(bytes)), _mm256_set1_epi32((int)(limit)))
#define STORE(to, vector) _mm256_storeu_si256((__m256i *)(to), vector)
#include "model/forest/kernel_rows.inc"

#define REGISTERS 1
#include "model/forest/kernel_bundle.inc"
#define REGISTERS 2
#include "model/forest/kernel_bundle.inc"
#define REGISTERS 4
#include "model/forest/kernel_bundle.inc"

/* How many registers hold a row is decided by the number of columns. */
static void evaluate_bundle(const uint8_t *splits, int levels, int registers, const uint8_t *bytes,
                            uint8_t *ret_places)
{
    if (registers == 1)
        evaluate_bundle1(splits, levels, bytes, ret_places);
    else if (registers == 2)
        evaluate_bundle2(splits, levels, bytes, ret_places);
    else
        evaluate_bundle4(splits, levels, bytes, ret_places);
}

#include "model/forest/kernel_body.inc"
#include "model/forest/shap_walk.inc"

const struct forest_kernel kernel_avx2 = {"avx2", true, kernel_batch, kernel_row, kernel_explain};
#endif
