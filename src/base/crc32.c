/*
 * The sum is linear, so bytes can be summed apart and what comes out added up.
 *
 * By table: sixteen bytes are looked up at once, each in the table of its distance from the end; 2 GB a
 * second at best, and the tables push other data out of the first cache. By multiplication without carries,
 * where the processor has it: four sums of sixteen bytes, each carried forward over 64 bytes by a product;
 * ten times that.
 */
#include "base/crc32.h"

#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 64 };

void crc32_init(struct crc32_table *table)
{
    const uint32_t polynomial = 0xedb88320; /* its bits turned round, as those of the bytes are */
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest >> 1 ^ (rest & 1 ? polynomial : 0);
        table->of[0][byte] = rest;
    }
    for (int step = 1; step < CRC32_STEP; step++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = table->of[step - 1][byte];
            table->of[step][byte] = before >> 8 ^ table->of[0][before & 0xff];
        }
    }
}

/* Of the eight bytes of a word that has `behind` bytes behind it. */
static inline uint32_t of_word(const struct crc32_table *table, uint64_t word, int behind)
{
    uint32_t rest = 0;
    for (int i = 0; i < 8; i++)
        rest ^= table->of[behind + 7 - i][word >> (8 * i) & 0xff];
    return rest;
}

static uint32_t by_table(const struct crc32_table *table, uint32_t rest, const uint8_t *bytes, size_t size)
{
    for (; size >= CRC32_STEP; size -= CRC32_STEP, bytes += CRC32_STEP) {
        uint64_t words[2];
        memcpy(words, bytes, sizeof words);
        rest = of_word(table, words[0] ^ rest, 8) ^ of_word(table, words[1], 0);
    }
    for (; size; size--, bytes++)
        rest = rest >> 8 ^ table->of[0][(rest ^ *bytes) & 0xff];
    return rest;
}

#if defined(__x86_64__)

#define WITH_PRODUCTS __attribute__((target("pclmul")))

static bool has_products(void)
{
    return __builtin_cpu_supports("pclmul");
}

/* The sum carried forward over the bits between it and `next`: each half times x to the power of their
 * number, modulo the polynomial, which `powers` has for both. */
WITH_PRODUCTS static inline __m128i carry(__m128i sum, __m128i powers, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(sum, powers, 0x00), high = _mm_clmulepi64_si128(sum, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* Of one or more whole blocks. */
WITH_PRODUCTS static uint32_t by_products(const struct crc32_table *table, uint32_t rest,
                                          const uint8_t *bytes, size_t size)
{
    /* x to the powers 512 + 32 and 512 - 32, 128 + 32 and 128 - 32, bits turned round. */
    const __m128i over_block = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i over_one = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i sums[4], last = _mm_cvtsi32_si128((int)rest);
    for (int i = 0; i < 4; i++)
        sums[i] = _mm_loadu_si128((const __m128i *)(const void *)bytes + i);
    sums[0] = _mm_xor_si128(sums[0], last);
    for (size_t at = BLOCK; at < size; at += BLOCK) {
        for (int i = 0; i < 4; i++)
            sums[i] =
                carry(sums[i], over_block, _mm_loadu_si128((const __m128i *)(const void *)(bytes + at) + i));
    }
    last = sums[0];
    for (int i = 1; i < 4; i++)
        last = carry(last, over_one, sums[i]);
    uint8_t left[16];
    memcpy(left, &last, sizeof left);
    return by_table(table, 0, left, sizeof left);
}

#else

static bool has_products(void)
{
    return false;
}

static uint32_t by_products(const struct crc32_table *table, uint32_t rest, const uint8_t *bytes, size_t size)
{
    return by_table(table, rest, bytes, size);
}

#endif

uint32_t crc32_of(const struct crc32_table *table, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint32_t rest = UINT32_MAX;
    size_t blocks = has_products() ? size / BLOCK * BLOCK : 0;
    if (blocks) {
        rest = by_products(table, rest, bytes, blocks);
        bytes += blocks;
        size -= blocks;
    }
    return ~by_table(table, rest, bytes, size);
}
