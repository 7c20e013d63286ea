/* Codes and definition levels, packed bit by bit or as runs. */
#include <assert.h>
#include <string.h>

#include "table/bits.h"
#include "table/parquet_encode.h"
#include "table/varint.h"

/* Codes are looked at in groups of eight. A run is worth its header from RUN_GROUPS equal groups on. */
enum { GROUP = 8, RUN_GROUPS = 4, WORDS = 16 };

int parquet_code_bits(int64_t n)
{
    return n <= 2 ? 1 : 64 - __builtin_clzll((uint64_t)n - 1);
}

/* Eight codes into `bits` bytes; sixteen bytes are stored. */
static void pack_group(const uint16_t *codes, int bits, uint8_t *out)
{
    uint64_t low = codes[0] | (uint64_t)codes[1] << bits | (uint64_t)codes[2] << (2 * bits) |
                   (uint64_t)codes[3] << (3 * bits);
    uint64_t high = codes[4] | (uint64_t)codes[5] << bits | (uint64_t)codes[6] << (2 * bits) |
                    (uint64_t)codes[7] << (3 * bits);
    int half = 4 * bits;
    uint64_t first = half < 64 ? low | high << half : low;
    uint64_t second = half < 64 ? high >> (64 - half) : high;
    memcpy(out, &first, 8);
    memcpy(out + 8, &second, 8);
}

static size_t put_packed(const uint16_t *codes, int64_t groups, int bits, uint8_t *out)
{
    if (groups == 0)
        return 0;
    size_t size = varint_put(out, (uint64_t)groups << 1 | 1);
    for (int64_t i = 0; i < groups; i++, size += (size_t)bits)
        pack_group(codes + i * GROUP, bits, out + size);
    return size;
}

static size_t put_run(uint16_t code, int64_t n, int bits, uint8_t *out)
{
    size_t size = varint_put(out, (uint64_t)n << 1);
    out[size++] = (uint8_t)code;
    if (bits > 8)
        out[size++] = (uint8_t)(code >> 8);
    return size;
}

/* How many groups from the first on hold the first code only. */
static int64_t equal_groups(const uint16_t *codes, int64_t groups)
{
    uint64_t all = codes[0] * UINT64_C(0x0001000100010001), words[2];
    int64_t n = 0;
    for (; n < groups; n++) {
        memcpy(words, codes + n * GROUP, sizeof words);
        if (words[0] != all || words[1] != all)
            break;
    }
    return n;
}

size_t parquet_hybrid_bound(int64_t n, int bits)
{
    /* A run takes less room than its groups packed would; each is followed by at most one header more. */
    return ((size_t)n / GROUP + 1) * (size_t)bits + (size_t)n / (GROUP * RUN_GROUPS) * VARINT_SIZE +
           VARINT_SIZE + WORDS;
}

size_t parquet_hybrid(uint16_t *codes, int64_t n, int bits, uint8_t *out)
{
    assert(bits >= 1 && bits <= 16);
    int64_t groups = (n + GROUP - 1) / GROUP, whole = n / GROUP, packed = 0, i = 0;
    size_t size = 0;
    memset(codes + n, 0, (size_t)(groups * GROUP - n) * sizeof *codes);
    while (i < whole) {
        int64_t equal = equal_groups(codes + i * GROUP, whole - i);
        if (equal >= RUN_GROUPS) {
            size += put_packed(codes + packed * GROUP, i - packed, bits, out + size);
            size += put_run(codes[i * GROUP], equal * GROUP, bits, out + size);
            packed = i + equal;
        }
        i += equal ? equal : 1;
    }
    return size + put_packed(codes + packed * GROUP, groups - packed, bits, out + size);
}

size_t parquet_levels_bound(int64_t n)
{
    return 4 + VARINT_SIZE + (size_t)n / 8 + WORDS;
}

size_t parquet_levels(const uint8_t *validity, int64_t from, int64_t n, uint8_t *out)
{
    size_t size = 4;
    if (!validity) {
        size += varint_put(out + size, (uint64_t)n << 1);
        out[size++] = 1;
    } else {
        int64_t groups = (n + 7) / 8;
        size += varint_put(out + size, (uint64_t)groups << 1 | 1);
        for (int64_t done = 0; done < n; done += 64) {
            int some = n - done < 64 ? (int)(n - done) : 64;
            uint64_t word = bits_some(validity, from + done, some);
            word &= some < 64 ? (UINT64_C(1) << some) - 1 : UINT64_MAX;
            memcpy(out + size + done / 8, &word, 8);
        }
        size += (size_t)groups;
    }
    uint32_t length = (uint32_t)(size - 4);
    memcpy(out, &length, 4);
    return size;
}
