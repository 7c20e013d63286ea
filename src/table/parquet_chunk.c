#include "table/parquet_chunk.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "table/bits.h"
#include "table/parquet_bounds.h"

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for writing");
}

enum parquet_physical parquet_physical(const struct type *type)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
        return PARQUET_BOOLEAN;
    case TYPE_FLOAT:
        return PARQUET_FLOAT;
    case TYPE_DOUBLE:
        return PARQUET_DOUBLE;
    case TYPE_INT64:
    case TYPE_UINT64:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return PARQUET_INT64;
    case TYPE_VARCHAR:
    case TYPE_ENUM:
        return PARQUET_BYTE_ARRAY;
    case TYPE_HUGEINT:
        return PARQUET_FIXED;
    case TYPE_DECIMAL:
        return type->precision <= 9 ? PARQUET_INT32 : type->precision <= 18 ? PARQUET_INT64 : PARQUET_FIXED;
    default:
        return PARQUET_INT32;
    }
}

int parquet_width(const struct type *type)
{
    static const int widths[] = {
        [PARQUET_BOOLEAN] = 1, [PARQUET_INT32] = 4,  [PARQUET_INT64] = 8,      [PARQUET_FLOAT] = 4,
        [PARQUET_DOUBLE] = 8,  [PARQUET_FIXED] = 16, [PARQUET_BYTE_ARRAY] = 2,
    };
    return widths[parquet_physical(type)];
}

static bool is_text(const struct parquet_chunk *chunk)
{
    return parquet_physical(&chunk->type) == PARQUET_BYTE_ARRAY;
}

int parquet_chunk_init(struct parquet_chunk *ret, const struct type *type, int64_t rows, struct error *error)
{
    /* A word more: bits are stored by words, and a NULL behind the last value leaves its place written. */
    struct parquet_chunk chunk = {.type = *type, .validity = memory_aligned((size_t)rows / 8 + 64)};
    bool memory = chunk.validity;
    int code = OK;
    if (is_text(&chunk))
        code = parquet_text_init(&chunk.text, rows, error);
    else
        memory &= (chunk.values = memory_aligned((size_t)(rows + 64) * (size_t)parquet_width(type))) != NULL;
    if (code == OK && !memory)
        code = no_memory(error);
    if (code == OK)
        *ret = chunk;
    else
        parquet_chunk_done(&chunk);
    return code;
}

void parquet_chunk_done(struct parquet_chunk *chunk)
{
    free(chunk->validity);
    free(chunk->values);
    parquet_text_done(&chunk->text);
    free(chunk->pages.data);
}

/* The validity of the rows taken so far and of those to come, which have their first NULLs or more of them.
 */
static void take_validity(struct parquet_chunk *chunk, const struct column *column, int64_t from, int64_t n)
{
    if (chunk->n == chunk->rows && !column->nulls)
        return;
    if (chunk->n == chunk->rows)
        bits_fill(chunk->validity, 0, chunk->rows);
    if (column->nulls)
        bits_copy(chunk->validity, chunk->rows, column->validity, from, n);
    else
        bits_fill(chunk->validity, chunk->rows, n);
}

static void take_booleans(struct parquet_chunk *chunk, const struct column *column, int64_t from, int64_t n)
{
    if (!column->nulls) {
        bits_copy(chunk->values, chunk->n, column->data, from, n);
        return;
    }
    int64_t to = chunk->n;
    for (int64_t i = from; i < from + n; i++) {
        bits_put(chunk->values, to, column_boolean(column, i));
        to += bits_get(column->validity, i);
    }
}

/* Values from the table's type to the file's, without the NULLs: every row is stored, and only one that is
 * there moves the place on. */
#define TAKE(type_out, type_in)                                       \
    do {                                                              \
        const type_in *in = (const type_in *)column->data + from;     \
        type_out *out = (type_out *)(void *)chunk->values + chunk->n; \
        if (!column->nulls) {                                         \
            for (int64_t i = 0; i < n; i++)                           \
                out[i] = (type_out)in[i];                             \
        } else {                                                      \
            for (int64_t i = 0; i < n; i++) {                         \
                *out = (type_out)in[i];                               \
                out += bits_get(column->validity, from + i);          \
            }                                                         \
        }                                                             \
    } while (0)

static void take_values(struct parquet_chunk *chunk, const struct column *column, int64_t from, int64_t n)
{
    enum parquet_physical physical = parquet_physical(&chunk->type);
    switch (chunk->type.id) {
    case TYPE_BOOLEAN:
        take_booleans(chunk, column, from, n);
        break;
    case TYPE_INT8:
        TAKE(int32_t, int8_t);
        break;
    case TYPE_INT16:
        TAKE(int32_t, int16_t);
        break;
    case TYPE_UINT8:
        TAKE(int32_t, uint8_t);
        break;
    case TYPE_UINT16:
        TAKE(int32_t, uint16_t);
        break;
    case TYPE_DECIMAL:
    case TYPE_HUGEINT:
        if (physical == PARQUET_INT32)
            TAKE(int32_t, __int128);
        else if (physical == PARQUET_INT64)
            TAKE(int64_t, __int128);
        else
            TAKE(__int128, __int128);
        break;
    default:
        if (parquet_width(&chunk->type) == 4)
            TAKE(uint32_t, uint32_t);
        else
            TAKE(uint64_t, uint64_t);
    }
}

int parquet_chunk_take(struct parquet_chunk *chunk, const struct column *column, int64_t from, int64_t n,
                       struct error *error)
{
    int64_t present = column->nulls ? bits_count(column->validity, from, n) : n;
    if (is_text(chunk)) {
        int code = parquet_text_take(&chunk->text, column, from, n, error);
        if (code != OK)
            return code;
    } else {
        take_values(chunk, column, from, n);
    }
    take_validity(chunk, column, from, n);
    chunk->rows += n;
    chunk->n += present;
    return OK;
}

/* Without a validity every row is there. */
static const uint8_t *validity_of(const struct parquet_chunk *chunk)
{
    return chunk->n < chunk->rows ? chunk->validity : NULL;
}

static int encode_coded(struct parquet_chunk *chunk, struct parquet_scratch *scratch, int64_t distinct,
                        struct parquet_facts *facts, struct error *error)
{
    return parquet_pages_coded(scratch, validity_of(chunk), scratch->codes, chunk->n, distinct, &chunk->pages,
                               facts, error);
}

/* Every value from `least` on, as the dictionary, where there are so few that this is as good as the distinct
 * ones. The code is then the distance. */
static bool code_range(const struct parquet_chunk *chunk, struct parquet_scratch *scratch, int width,
                       const struct parquet_facts *facts, uint64_t range)
{
    enum { ROWS_PER_VALUE = 8, MOST = 32768 };
    if (range >= MOST || (int64_t)range > chunk->n / ROWS_PER_VALUE)
        return false;
    scratch->dictionary.size = 0;
    if (!parquet_bytes_room(&scratch->dictionary, (range + 1) * (size_t)width))
        return false;
    if (width == 4) {
        uint32_t least, *out = (uint32_t *)(void *)scratch->dictionary.data;
        const uint32_t *values = (const uint32_t *)(const void *)chunk->values;
        memcpy(&least, facts->least, sizeof least);
        for (uint32_t i = 0; i <= range; i++)
            out[i] = least + i;
        for (int64_t i = 0; i < chunk->n; i++)
            scratch->codes[i] = (uint16_t)(values[i] - least);
    } else {
        uint64_t least, *out = (uint64_t *)(void *)scratch->dictionary.data;
        const uint64_t *values = (const uint64_t *)(const void *)chunk->values;
        memcpy(&least, facts->least, sizeof least);
        for (uint64_t i = 0; i <= range; i++)
            out[i] = least + i;
        for (int64_t i = 0; i < chunk->n; i++)
            scratch->codes[i] = (uint16_t)(values[i] - least);
    }
    scratch->dictionary.size = (range + 1) * (size_t)width;
    return true;
}

/* The distinct values as the dictionary, where they repeat enough. */
static bool code_numbers(const struct parquet_chunk *chunk, struct parquet_scratch *scratch, int width)
{
    struct numbers *numbers = &scratch->numbers;
    if (!numbers_assign(numbers, chunk->values, chunk->n, width, scratch->codes))
        return false;
    scratch->dictionary.size = 0;
    if (!parquet_bytes_room(&scratch->dictionary, (size_t)numbers->n * (size_t)width))
        return false;
    for (int i = 0; i < numbers->n; i++)
        memcpy(scratch->dictionary.data + i * width, &numbers->values[i], (size_t)width);
    scratch->dictionary.size = (size_t)numbers->n * (size_t)width;
    return true;
}

/* A page of everything, of which the caller has put the values behind the levels. */
static int encode_body(struct parquet_chunk *chunk, struct parquet_scratch *scratch,
                       enum parquet_encoding encoding, struct parquet_facts *facts, struct error *error)
{
    facts->encoding = encoding;
    parquet_codec_choose(scratch, &scratch->body, facts);
    return parquet_page_add(scratch, PARQUET_DATA_PAGE, chunk->rows, &scratch->body, &chunk->pages, facts,
                            error);
}

static int begin(struct parquet_chunk *chunk, struct parquet_scratch *scratch, size_t more,
                 struct error *error)
{
    return parquet_body_begin(scratch, validity_of(chunk), 0, chunk->rows, more, error);
}

static int encode_plain(struct parquet_chunk *chunk, struct parquet_scratch *scratch, size_t size,
                        struct parquet_facts *facts, struct error *error)
{
    int code = begin(chunk, scratch, size, error);
    if (code != OK)
        return code;
    memcpy(scratch->body.data + scratch->body.size, chunk->values, size);
    scratch->body.size += size;
    return encode_body(chunk, scratch, PARQUET_PLAIN, facts, error);
}

/* Differences save at least a quarter, or the values stay as they are. */
static int encode_integers(struct parquet_chunk *chunk, struct parquet_scratch *scratch,
                           struct parquet_facts *facts, struct error *error)
{
    int width = parquet_width(&chunk->type);
    size_t plain = (size_t)chunk->n * (size_t)width;
    uint64_t range = parquet_bound_integers(chunk->values, chunk->n, &chunk->type, facts);
    if (code_range(chunk, scratch, width, facts, range))
        return encode_coded(chunk, scratch, (int64_t)range + 1, facts, error);
    if (code_numbers(chunk, scratch, width))
        return encode_coded(chunk, scratch, scratch->numbers.n, facts, error);
    int code = begin(chunk, scratch, parquet_delta_bound(chunk->n, width), error);
    if (code != OK)
        return code;
    size_t size = parquet_delta(chunk->values, chunk->n, width, scratch->body.data + scratch->body.size);
    if (size > plain / 4 * 3)
        return encode_plain(chunk, scratch, plain, facts, error);
    scratch->body.size += size;
    return encode_body(chunk, scratch, PARQUET_DELTA, facts, error);
}

static int encode_reals(struct parquet_chunk *chunk, struct parquet_scratch *scratch,
                        struct parquet_facts *facts, struct error *error)
{
    int width = parquet_width(&chunk->type);
    bool coded = code_numbers(chunk, scratch, width);
    /* Of codes, the dictionary has all values; NaNs are to be counted one by one. */
    if (coded)
        parquet_bound_reals(scratch->dictionary.data, scratch->numbers.n, width, facts);
    if (!coded || facts->nans)
        parquet_bound_reals(chunk->values, chunk->n, width, facts);
    if (coded)
        return encode_coded(chunk, scratch, scratch->numbers.n, facts, error);
    return encode_plain(chunk, scratch, (size_t)chunk->n * (size_t)width, facts, error);
}

/* Sixteen bytes each, the uppermost first. */
static int encode_wide(struct parquet_chunk *chunk, struct parquet_scratch *scratch,
                       struct parquet_facts *facts, struct error *error)
{
    enum { WIDTH = 16 };
    int code = begin(chunk, scratch, (size_t)chunk->n * WIDTH, error);
    for (int64_t i = 0; code == OK && i < chunk->n; i++) {
        uint64_t halves[2], turned[2];
        memcpy(halves, chunk->values + i * WIDTH, WIDTH);
        turned[0] = __builtin_bswap64(halves[1]);
        turned[1] = __builtin_bswap64(halves[0]);
        memcpy(scratch->body.data + scratch->body.size, turned, WIDTH);
        scratch->body.size += WIDTH;
    }
    return code == OK ? encode_body(chunk, scratch, PARQUET_PLAIN, facts, error) : code;
}

static int encode(struct parquet_chunk *chunk, struct parquet_scratch *scratch, struct parquet_facts *facts,
                  struct error *error)
{
    if (is_text(chunk))
        return parquet_text_encode(&chunk->text, validity_of(chunk), scratch, &chunk->pages, facts, error);
    if (chunk->n == 0)
        return encode_plain(chunk, scratch, 0, facts, error);
    switch (parquet_physical(&chunk->type)) {
    case PARQUET_BOOLEAN:
        return encode_plain(chunk, scratch, (size_t)(chunk->n + 7) / 8, facts, error);
    case PARQUET_FLOAT:
    case PARQUET_DOUBLE:
        return encode_reals(chunk, scratch, facts, error);
    case PARQUET_FIXED:
        return encode_wide(chunk, scratch, facts, error);
    default:
        return encode_integers(chunk, scratch, facts, error);
    }
}

int parquet_chunk_encode(struct parquet_chunk *chunk, struct parquet_scratch *scratch,
                         struct parquet_facts *ret, struct error *error)
{
    struct parquet_facts facts = {.rows = chunk->rows, .nulls = chunk->rows - chunk->n};
    chunk->pages.size = 0;
    int code = encode(chunk, scratch, &facts, error);
    parquet_text_clear(&chunk->text);
    chunk->rows = chunk->n = 0;
    if (code == OK)
        *ret = facts;
    return code;
}
