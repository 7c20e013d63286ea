/* Integers as they lie in files: little-endian, at any place. */
#ifndef SHRIKE_JOURNAL_BYTES_H
#define SHRIKE_JOURNAL_BYTES_H

#include <stdint.h>
#include <string.h>

/* Turned round on machines that store the other way; compilers make the rest a plain move. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE_32(value) (value)
#define LITTLE_64(value) (value)
#else
#define LITTLE_32(value) __builtin_bswap32(value)
#define LITTLE_64(value) __builtin_bswap64(value)
#endif

static inline void put_u32(uint8_t *to, uint32_t value)
{
    value = LITTLE_32(value);
    memcpy(to, &value, sizeof value);
}

static inline void put_u64(uint8_t *to, uint64_t value)
{
    value = LITTLE_64(value);
    memcpy(to, &value, sizeof value);
}

static inline uint32_t get_u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return LITTLE_32(value);
}

static inline uint64_t get_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return LITTLE_64(value);
}

#endif
