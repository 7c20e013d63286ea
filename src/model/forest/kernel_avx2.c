/*
 * The kernel for AVX2.
 *
 * Cuts: 16 comparisons at once; how many hold is the number of bits in the mask. Tops (kernel_top.inc): two
 * registers hold the 64 rows of a block and share a split's threshold; the highest bit of a byte is what
 * blendv chooses by.
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
    const __m256i unknown = _mm256_set1_epi32(KEY_MISSING), one = _mm256_set1_epi32(1);
    for (size_t i = 0; i < n; i += 8) {
        const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        __m256i here = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n - i)), lanes);
        __m256i bits = i + 8 <= n ? _mm256_loadu_si256((const __m256i *)(row + i))
                                  : _mm256_maskload_epi32((const int *)(row + i), here);
        __m256i magnitude = _mm256_and_si256(bits, low), sign = _mm256_srai_epi32(bits, 31);
        __m256i key = _mm256_sub_epi32(_mm256_xor_si256(magnitude, sign), sign);
        __m256i missing = _mm256_cmpgt_epi32(magnitude, infinity);
        key = _mm256_blendv_epi8(_mm256_add_epi32(key, one), unknown, missing);
        _mm256_storeu_si256((__m256i *)(ret + i), key);
    }
}

typedef __m256i cut_key;

static inline cut_key take_key(const int32_t *key, int32_t less)
{
    return _mm256_sub_epi32(_mm256_set1_epi32(*key), _mm256_set1_epi32(less));
}

static inline size_t count16(const int32_t *cuts, cut_key key)
{
    __m256i low = _mm256_cmpgt_epi32(key, _mm256_loadu_si256((const __m256i *)cuts));
    __m256i high = _mm256_cmpgt_epi32(key, _mm256_loadu_si256((const __m256i *)(cuts + 8)));
    uint32_t mask = (uint32_t)_mm256_movemask_epi8(_mm256_packs_epi32(low, high));
    return (size_t)_mm_popcnt_u32(mask) / 2;
}

/* A byte for each row of a block. */
struct lanes {
    __m256i low, high;
};

#define LANES(a, b) ((struct lanes){a, b})
#define INLINE_LANES static inline __attribute__((always_inline)) struct lanes

INLINE_LANES choose_lanes(struct lanes way, struct lanes left, struct lanes right)
{
    return LANES(_mm256_blendv_epi8(left.low, right.low, way.low),
                 _mm256_blendv_epi8(left.high, right.high, way.high));
}

INLINE_LANES bit_lanes(struct lanes way, int to)
{
    __m256i highest = _mm256_set1_epi8((char)0x80);
    return LANES(_mm256_srli_epi16(_mm256_and_si256(way.low, highest), 7 - to),
                 _mm256_srli_epi16(_mm256_and_si256(way.high, highest), 7 - to));
}

INLINE_LANES mean_lanes(const uint8_t *bytes, uint32_t limit)
{
    __m256i limits = _mm256_set1_epi32((int)limit);
    return LANES(_mm256_avg_epu8(_mm256_loadu_si256((const __m256i *)bytes), limits),
                 _mm256_avg_epu8(_mm256_loadu_si256((const __m256i *)(bytes + 32)), limits));
}

static inline void store_lanes(uint8_t *to, struct lanes lanes)
{
    _mm256_storeu_si256((__m256i *)to, lanes.low);
    _mm256_storeu_si256((__m256i *)(to + 32), lanes.high);
}

#define VECTOR struct lanes
#define CHOOSE choose_lanes
#define BIT bit_lanes
#define EACH(byte) LANES(_mm256_set1_epi8((char)(byte)), _mm256_set1_epi8((char)(byte)))
#define OR(a, b) LANES(_mm256_or_si256((a).low, (b).low), _mm256_or_si256((a).high, (b).high))
#define MEAN mean_lanes
#define STORE store_lanes
#include "model/forest/kernel_rows.inc"
#include "model/forest/kernel_vector.inc"

const struct forest_kernel kernel_avx2 = {"avx2", true, kernel_batch, kernel_row, kernel_explain};
#endif
