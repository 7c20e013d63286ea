/*
 * Pages of a Parquet column chunk: a header, then levels and values, compressed where that pays. For
 * src/table only.
 *
 * Compression is LZ4 (LZ4_RAW) where a sample of a chunk's bytes shrinks by a quarter, else none: packed
 * codes and most doubles hardly shrink, and to find that out costs little. Every page has its CRC-32.
 *
 * Threads: a scratch belongs to one thread.
 */
#ifndef SHRIKE_TABLE_PARQUET_PAGES_H
#define SHRIKE_TABLE_PARQUET_PAGES_H

#include "base/crc32.h"
#include "base/error.h"
#include "table/parquet_encode.h"
#include "table/parquet_format.h"

/* Bytes that grow. */
struct parquet_bytes {
    uint8_t *data;
    size_t size, capacity;
};
/* Room for so many more; false where memory is out. */
bool parquet_bytes_room(struct parquet_bytes *bytes, size_t more);

enum { PARQUET_BOUND = 64 }; /* a least or greatest value that is longer is left out */

/* What the footer tells of a chunk. */
struct parquet_facts {
    int64_t rows, nulls, nans;
    enum parquet_encoding encoding;
    enum parquet_codec codec;
    int64_t plain_size;      /* of all pages with their headers, before compression */
    int64_t dictionary_size; /* of the dictionary page as written; 0: there is none */
    bool bounded;            /* least and greatest are known */
    size_t least_size, greatest_size;
    uint8_t least[PARQUET_BOUND], greatest[PARQUET_BOUND];
};

/* Working memory of one thread, for chunks of up to so many rows. */
struct parquet_scratch {
    struct numbers numbers;
    uint16_t *codes;
    struct parquet_bytes dictionary, body; /* of the pages in work */
    void *lz4;
    struct crc32_table crc32;
};
int parquet_scratch_init(struct parquet_scratch *ret, int64_t rows, struct error *error);
void parquet_scratch_done(struct parquet_scratch *scratch); /* takes a zeroed struct */

/* Starts scratch->body with the levels of rows [from, from + n), room for `more` bytes behind them. */
int parquet_body_begin(struct parquet_scratch *scratch, const uint8_t *validity, int64_t from, int64_t n,
                       size_t more, struct error *error);

/* Chooses facts->codec for bytes like these. */
void parquet_codec_choose(struct parquet_scratch *scratch, const struct parquet_bytes *bytes,
                          struct parquet_facts *facts);

/* Appends a page of `body` to `pages`: a data page of n rows encoded as the facts say, or the dictionary page
 * of n values. */
int parquet_page_add(struct parquet_scratch *scratch, enum parquet_page kind, int64_t n,
                     const struct parquet_bytes *body, struct parquet_bytes *pages,
                     struct parquet_facts *facts, struct error *error);

/* The pages of a chunk of facts->rows rows by n_codes codes: the dictionary in scratch->dictionary, which
 * holds `distinct` values, and one data page. */
int parquet_pages_coded(struct parquet_scratch *scratch, const uint8_t *validity, uint16_t *codes,
                        int64_t n_codes, int64_t distinct, struct parquet_bytes *pages,
                        struct parquet_facts *facts, struct error *error);

#endif
