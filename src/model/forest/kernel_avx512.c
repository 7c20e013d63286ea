/*
 * The kernel for AVX-512 (F, BW, DQ, VL). As AVX2's, with 16 comparisons in one instruction and 64 rows to a
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
    const __m512i unknown = _mm512_set1_epi32(KEY_MISSING), one = _mm512_set1_epi32(1);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 here = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
        __m512i bits = _mm512_maskz_loadu_epi32(here, row + i);
        __m512i magnitude = _mm512_and_si512(bits, low), sign = _mm512_srai_epi32(bits, 31);
        __m512i key = _mm512_add_epi32(_mm512_sub_epi32(_mm512_xor_si512(magnitude, sign), sign), one);
        __mmask16 missing = _mm512_cmpgt_epi32_mask(magnitude, infinity);
        _mm512_storeu_si512(ret + i, _mm512_mask_mov_epi32(key, missing, unknown));
    }
}

typedef __m512i cut_key;

static inline cut_key take_key(const int32_t *key, int32_t less)
{
    return _mm512_sub_epi32(_mm512_set1_epi32(*key), _mm512_set1_epi32(less));
}

static inline size_t count16(const int32_t *cuts, cut_key key)
{
    return (size_t)_mm_popcnt_u32(_mm512_cmpgt_epi32_mask(key, _mm512_loadu_si512(cuts)));
}

#define VECTOR __m512i
#define CHOOSE(way, left, right) _mm512_ternarylogic_epi32(way, right, left, 0xca)
#define BIT(way, to) _mm512_srli_epi16(_mm512_and_si512(way, _mm512_set1_epi8((char)0x80)), 7 - (to))
#define EACH(byte) _mm512_set1_epi8((char)(byte))
#define OR(a, b) _mm512_or_si512(a, b)
#define MEAN(bytes, limit) _mm512_avg_epu8(_mm512_loadu_si512(bytes), _mm512_set1_epi32((int)(limit)))
#define STORE(to, vector) _mm512_storeu_si512(to, vector)
#include "model/forest/kernel_rows.inc"
#include "model/forest/kernel_vector.inc"

const struct forest_kernel kernel_avx512 = {"avx512", true, kernel_batch, kernel_row, kernel_explain};
#endif
