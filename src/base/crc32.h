/*
 * CRC-32 with the polynomial of gzip, 0x04C11DB7: what files that others read are checked by.
 *
 * The table belongs to whoever made it and is only read afterwards, by any number of threads.
 */
#ifndef SHRIKE_BASE_CRC32_H
#define SHRIKE_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

enum { CRC32_STEP = 16 };

struct crc32_table {
    uint32_t of[CRC32_STEP][256]; /* the rest of each byte that has so many bytes behind it */
};

void crc32_init(struct crc32_table *table);
uint32_t crc32_of(const struct crc32_table *table, const void *data, size_t size);

#endif
