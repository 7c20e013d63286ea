#include "table/parquet_pages.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "table/parquet_thrift.h"

/* The sample: one piece of each eighth. Below SMALL, compressing it all is the sample. */
enum { PIECES = 8, PIECE = 512, SMALL = 4 * PIECES * PIECE };

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for writing");
}

bool parquet_bytes_room(struct parquet_bytes *bytes, size_t more)
{
    return memory_grow(&bytes->data, &bytes->capacity, bytes->size + more, 1);
}

int parquet_scratch_init(struct parquet_scratch *ret, int64_t rows, struct error *error)
{
    struct parquet_scratch scratch = {.codes = memory_aligned((size_t)(rows + 8) * sizeof *scratch.codes),
                                      .lz4 = memory_aligned((size_t)LZ4_sizeofState())};
    bool numbers = numbers_init(&scratch.numbers);
    crc32_init(&scratch.crc32);
    if (!numbers || !scratch.codes || !scratch.lz4) {
        parquet_scratch_done(&scratch);
        return no_memory(error);
    }
    *ret = scratch;
    return OK;
}

void parquet_scratch_done(struct parquet_scratch *scratch)
{
    numbers_done(&scratch->numbers);
    free(scratch->codes);
    free(scratch->dictionary.data);
    free(scratch->body.data);
    free(scratch->lz4);
}

int parquet_body_begin(struct parquet_scratch *scratch, const uint8_t *validity, int64_t from, int64_t n,
                       size_t more, struct error *error)
{
    scratch->body.size = 0;
    if (!parquet_bytes_room(&scratch->body, parquet_levels_bound(n) + more))
        return no_memory(error);
    scratch->body.size = parquet_levels(validity, from, n, scratch->body.data);
    return OK;
}

void parquet_codec_choose(struct parquet_scratch *scratch, const struct parquet_bytes *bytes,
                          struct parquet_facts *facts)
{
    char sample[SMALL], out[LZ4_COMPRESSBOUND(SMALL)];
    size_t size = bytes->size;
    if (size <= SMALL) {
        memcpy(sample, bytes->data, size);
    } else {
        for (size_t i = 0; i < PIECES; i++)
            memcpy(sample + i * PIECE, bytes->data + size / PIECES * i + (size / PIECES - PIECE) / 2, PIECE);
        size = (size_t)PIECES * PIECE;
    }
    int packed = LZ4_compress_fast_extState(scratch->lz4, sample, out, (int)size, (int)sizeof out, 1);
    facts->codec = packed <= (int)size / 4 * 3 ? PARQUET_LZ4_RAW : PARQUET_UNCOMPRESSED;
}

static void put_header(struct buffer *out, enum parquet_page kind, int64_t n, size_t plain_size, size_t size,
                       uint32_t crc, const struct parquet_facts *facts)
{
    struct thrift thrift = {.out = out};
    thrift_begin(&thrift);
    thrift_int(&thrift, 1, THRIFT_I32, kind);
    thrift_int(&thrift, 2, THRIFT_I32, (int64_t)plain_size);
    thrift_int(&thrift, 3, THRIFT_I32, (int64_t)size);
    thrift_int(&thrift, 4, THRIFT_I32, (int32_t)crc);
    thrift_struct(&thrift, kind == PARQUET_DATA_PAGE ? 5 : 7);
    thrift_int(&thrift, 1, THRIFT_I32, n);
    if (kind == PARQUET_DATA_PAGE) {
        thrift_int(&thrift, 2, THRIFT_I32, facts->encoding);
        thrift_int(&thrift, 3, THRIFT_I32, PARQUET_RLE);
        thrift_int(&thrift, 4, THRIFT_I32, PARQUET_RLE);
    } else {
        thrift_int(&thrift, 2, THRIFT_I32, PARQUET_PLAIN);
    }
    thrift_end(&thrift);
    thrift_end(&thrift);
}

int parquet_page_add(struct parquet_scratch *scratch, enum parquet_page kind, int64_t n,
                     const struct parquet_bytes *body, struct parquet_bytes *pages,
                     struct parquet_facts *facts, struct error *error)
{
    enum { HEADER = 64 };
    bool packed = facts->codec == PARQUET_LZ4_RAW;
    size_t size = body->size, room = packed ? (size_t)LZ4_compressBound((int)size) : size;
    if (!parquet_bytes_room(pages, HEADER + room))
        return no_memory(error);
    /* The header in front tells size and checksum: bytes are compressed behind where it may end at most. */
    const uint8_t *bytes = body->data;
    if (packed) {
        char *out = (char *)pages->data + pages->size + HEADER;
        size = (size_t)LZ4_compress_fast_extState(scratch->lz4, (const char *)body->data, out,
                                                  (int)body->size, (int)room, 1);
        bytes = (const uint8_t *)out;
    }
    struct buffer header;
    buffer_init(&header, HEADER);
    put_header(&header, kind, n, body->size, size, crc32_of(&scratch->crc32, bytes, size), facts);
    int code = buffer_check(&header, "a page's header", error);
    if (code == OK) {
        memmove(pages->data + pages->size + header.size, bytes, size);
        memcpy(pages->data + pages->size, header.data, header.size);
        pages->size += header.size + size;
        facts->plain_size += (int64_t)(header.size + body->size);
    }
    buffer_done(&header);
    return code;
}

int parquet_pages_coded(struct parquet_scratch *scratch, const uint8_t *validity, uint16_t *codes,
                        int64_t n_codes, int64_t distinct, struct parquet_bytes *pages,
                        struct parquet_facts *facts, struct error *error)
{
    struct parquet_bytes *body = &scratch->body, *dictionary = &scratch->dictionary;
    int bits = parquet_code_bits(distinct);
    int code =
        parquet_body_begin(scratch, validity, 0, facts->rows, 1 + parquet_hybrid_bound(n_codes, bits), error);
    if (code != OK)
        return code;
    body->data[body->size++] = (uint8_t)bits;
    body->size += parquet_hybrid(codes, n_codes, bits, body->data + body->size);
    parquet_codec_choose(scratch, dictionary->size > body->size ? dictionary : body, facts);
    facts->encoding = PARQUET_DICTIONARY;
    code = parquet_page_add(scratch, PARQUET_DICTIONARY_PAGE, distinct, dictionary, pages, facts, error);
    facts->dictionary_size = (int64_t)pages->size;
    return code == OK ? parquet_page_add(scratch, PARQUET_DATA_PAGE, facts->rows, body, pages, facts, error)
                      : code;
}
