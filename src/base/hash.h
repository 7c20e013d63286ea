/*
 * Hashing of keys: 64 bits, well mixed, the same on every machine (little-endian reads), never for security.
 * The construction is multiply-and-fold ("mum") over 128-bit products, after Wang Yi's wyhash.
 */
#ifndef SHRIKE_BASE_HASH_H
#define SHRIKE_BASE_HASH_H

#include <stdint.h>
#include <string.h>

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_word(uint64_t word, uint64_t seed)
{
    return hash_fold(word ^ UINT64_C(0xa0761d6478bd642f), seed ^ UINT64_C(0xe7037ed1a0b428db));
}

static inline uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    const unsigned char *p = data;
    uint64_t h = seed ^ hash_word(size, UINT64_C(0x8ebc6af09c88c6e3)), a, b;
    for (; size > 16; size -= 16, p += 16) {
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        h = hash_fold(a ^ UINT64_C(0x589965cc75374cc3), b ^ h);
    }
    a = b = 0;
    memcpy(&a, p, size < 8 ? size : 8);
    if (size > 8)
        memcpy(&b, p + 8, size - 8);
    return hash_word(hash_fold(a ^ UINT64_C(0x1d8e4e27c47d124f), b ^ h), h);
}

#endif
