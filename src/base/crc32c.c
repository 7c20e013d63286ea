/*
 * Whole blocks are folded as in crc32.c: four sums of sixteen bytes, each carried forward over 64 bytes by a
 * product without carries. What is left, the rest of a block and the folded sum itself, goes through the
 * processor's instruction for this polynomial, eight bytes at a time; short data goes through it alone.
 */
#include "base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- by table ---- */

enum { STEP = 8 };
static uint32_t table[STEP][256]; /* the rest of each byte that has so many bytes behind it */

static void make_table(void)
{
    const uint32_t polynomial = 0x82f63b78; /* its bits turned round, as those of the bytes are */
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest >> 1 ^ (rest & 1 ? polynomial : 0);
        table[0][byte] = rest;
    }
    for (int step = 1; step < STEP; step++) {
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = table[step - 1][byte];
            table[step][byte] = before >> 8 ^ table[0][before & 0xff];
        }
    }
}

uint32_t crc32c_by_table(uint32_t before, const void *data, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *bytes = data;
    uint32_t rest = ~before;
    pthread_once(&once, make_table);
    for (; size >= STEP; size -= STEP, bytes += STEP) {
        uint64_t word = 0;
        for (int i = 0; i < STEP; i++)
            word |= (uint64_t)bytes[i] << (8 * i);
        word ^= rest;
        rest = 0;
        for (int i = 0; i < STEP; i++)
            rest ^= table[STEP - 1 - i][word >> (8 * i) & 0xff];
    }
    for (; size; size--, bytes++)
        rest = rest >> 8 ^ table[0][(rest ^ *bytes) & 0xff];
    return ~rest;
}

#if defined(__x86_64__)

/* ---- by instruction ---- */

enum { BLOCK = 64, WORTH_FOLDING = 4 * BLOCK };
#define WITH_INSTRUCTION __attribute__((target("sse4.2")))
#define WITH_PRODUCTS __attribute__((target("sse4.2,pclmul")))

WITH_INSTRUCTION static uint32_t by_instruction(uint32_t rest, const uint8_t *bytes, size_t size)
{
    uint64_t wide = rest, word;
    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        wide = _mm_crc32_u64(wide, word);
    }
    rest = (uint32_t)wide;
    for (; size; size--, bytes++)
        rest = _mm_crc32_u8(rest, *bytes);
    return rest;
}

/* The sum carried forward over the bits between it and `next`: each half times x to the power of their
 * number, modulo the polynomial, which `powers` has for both. */
WITH_PRODUCTS static inline __m128i carry(__m128i sum, __m128i powers, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(sum, powers, 0x00), high = _mm_clmulepi64_si128(sum, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* Of one or more whole blocks. */
WITH_PRODUCTS static uint32_t by_products(uint32_t rest, const uint8_t *bytes, size_t size)
{
    /* x to the powers 512 + 32 and 512 - 32, 128 + 32 and 128 - 32, bits turned round. */
    const __m128i over_block = _mm_set_epi64x(0x09e4addf8, 0x0740eef02);
    const __m128i over_one = _mm_set_epi64x(0x14cd00bd6, 0x0f20c0dfe);
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
    return by_instruction(0, left, sizeof left);
}

uint32_t crc32c(uint32_t before, const void *data, size_t size)
{
    if (!__builtin_cpu_supports("sse4.2"))
        return crc32c_by_table(before, data, size);
    const uint8_t *bytes = data;
    uint32_t rest = ~before;
    if (size >= WORTH_FOLDING && __builtin_cpu_supports("pclmul")) {
        size_t blocks = size / BLOCK * BLOCK;
        rest = by_products(rest, bytes, blocks);
        bytes += blocks;
        size -= blocks;
    }
    return ~by_instruction(rest, bytes, size);
}

#else

uint32_t crc32c(uint32_t before, const void *data, size_t size)
{
    return crc32c_by_table(before, data, size);
}

#endif
