/*
 * The kernel for AVX-512 (F, BW, VL). As AVX2's, with 16 comparisons in one instruction and 64 rows to a
 * register; vpternlog chooses bit by bit, which is right in the highest bit, the only one that counts.
 */
#if defined(__AVX512BW__)
#define TOPS 1

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "model/forest/engine.h"

static inline void make_keys(const float *row, size_t n, int32_t *ret)
{
    const __m512i low = _mm512_set1_epi32(0x7fffffff), infinity = _mm512_set1_epi32(KEY_INFINITY);
    const __m512i left = _mm512_set1_epi32(KEY_LEFT), right = low, one = _mm512_set1_epi32(1);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 here = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
        __m512i bits = _mm512_maskz_loadu_epi32(here, row + i);
        __m512i magnitude = _mm512_and_si512(bits, low), sign = _mm512_srai_epi32(bits, 31);
        __m512i key = _mm512_add_epi32(_mm512_sub_epi32(_mm512_xor_si512(magnitude, sign), sign), one);
        __mmask16 missing = _mm512_cmpgt_epi32_mask(magnitude, infinity);
        _mm512_mask_storeu_epi32(ret + i, here, _mm512_mask_mov_epi32(key, missing, left));
        _mm512_mask_storeu_epi32(ret + n + i, here, _mm512_mask_mov_epi32(key, missing, right));
    }
}

static inline size_t count(const int32_t *cuts, __m512i key)
{
    return (size_t)_mm_popcnt_u32(_mm512_cmpgt_epi32_mask(key, _mm512_loadu_si512(cuts)));
}

static inline uint8_t count_small(const int32_t *cuts, int32_t key)
{
    return (uint8_t)count(cuts, _mm512_set1_epi32(key));
}

static inline uint8_t count_large(const int32_t *cuts, int32_t key)
{
    __m512i keys = _mm512_set1_epi32(key);
    size_t blocks = count(cuts, keys);
    return (uint8_t)(blocks * ENGINE_CUT_BLOCK + count(cuts + (1 + blocks) * ENGINE_CUT_BLOCK, keys));
}

#define VECTOR __m512i
#define VECTOR_BYTES 64
#define MEAN(bytes, limit) _mm512_avg_epu8(_mm512_loadu_si512(bytes), _mm512_set1_epi32((int)(limit)))
#define CHOOSE(way, left, right) _mm512_ternarylogic_epi32(way, right, left, 0xca)
#define BIT(way, to) _mm512_srli_epi16(_mm512_and_si512(way, _mm512_set1_epi8((char)0x80)), 7 - (to))
#define EACH(byte) _mm512_set1_epi8((char)(byte))
#define OR(a, b) _mm512_or_si512(a, b)
#define STORE(to, vector) _mm512_storeu_si512(to, vector)
#include "model/forest/kernel_rows.inc"
#undef VECTOR
#undef CHOOSE
#undef BIT
#undef EACH
#undef OR

#define VECTOR __m256i
#define CHOOSE(way, left, right) _mm256_ternarylogic_epi32(way, right, left, 0xca)
#define BIT(way, to) _mm256_srli_epi16(_mm256_and_si256(way, _mm256_set1_epi8((char)0x80)), 7 - (to))
#define EACH(byte) _mm256_set1_epi8((char)(byte))
#define OR(a, b) _mm256_or_si256(a, b)
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

const struct forest_kernel kernel_avx512 = {"avx512", true, kernel_batch, kernel_row, kernel_explain};
#endif
