/*
 * CRC-32C, the sum with Castagnoli's polynomial 0x1EDC6F41 (iSCSI, RFC 3720, appendix B.4): what Shrike
 * checks its own files by, because processors have an instruction for it.
 *
 * Threads: any. Memory: none is allocated. The value is the same on every machine.
 */
#ifndef SHRIKE_BASE_CRC32C_H
#define SHRIKE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The sum of what `before` is the sum of (0: of nothing), followed by these bytes. */
uint32_t crc32c(uint32_t before, const void *data, size_t size);

/* The same, as processors without the instruction compute it. */
uint32_t crc32c_by_table(uint32_t before, const void *data, size_t size);

#endif
