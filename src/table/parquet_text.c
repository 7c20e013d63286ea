#include "table/parquet_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/bits.h"

/* A dictionary is given up when it takes more bytes than this, or when, after a trial, more than half of the
 * strings are new. Pages of plain strings end with the one that fills them. */
enum { DICTIONARY_BYTES = 1 << 20, TRIAL = 4096, PAGE_BYTES = 1 << 20, LENGTH = 4 };

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for writing");
}

int parquet_text_init(struct parquet_text *text, int64_t rows, struct error *error)
{
    *text = (struct parquet_text){.codes = memory_aligned((size_t)(rows + 8) * sizeof *text->codes)};
    return text->codes ? OK : no_memory(error);
}

void parquet_text_clear(struct parquet_text *text)
{
    dictionary_unref(text->strings);
    dictionary_unref(text->known);
    text->strings = text->known = NULL;
    text->plain = false;
    text->n = 0;
    text->size = text->bytes.size = 0;
}

void parquet_text_done(struct parquet_text *text)
{
    parquet_text_clear(text);
    free(text->codes);
    free(text->bytes.data);
    free(text->recoded);
}

static bool put_string(struct parquet_bytes *bytes, const char *data, size_t size)
{
    assert(size <= LIMIT_STRING);
    if (!parquet_bytes_room(bytes, LENGTH + size))
        return false;
    uint32_t length = (uint32_t)size;
    memcpy(bytes->data + bytes->size, &length, LENGTH);
    if (size)
        memcpy(bytes->data + bytes->size + LENGTH, data, size);
    bytes->size += LENGTH + size;
    return true;
}

/* From codes to strings: what was taken so far, and what will be. */
static bool give_up_codes(struct parquet_text *text)
{
    for (int64_t i = 0; i < text->n; i++) {
        size_t size;
        const char *data = dictionary_text(text->strings, text->codes[i], &size);
        if (!put_string(&text->bytes, data, size))
            return false;
    }
    text->plain = true;
    return true;
}

/* The code of a string; -1 where the dictionary is full. */
static int32_t add(struct parquet_text *text, const char *data, size_t size)
{
    int32_t before = dictionary_size(text->strings);
    int32_t code = text->size + size > DICTIONARY_BYTES ? dictionary_find(text->strings, data, size)
                                                        : dictionary_add(text->strings, data, size);
    text->size += dictionary_size(text->strings) > before ? size : 0;
    return code;
}

/* The code of row i, by the column's own code where it has one. */
static int32_t code_of(struct parquet_text *text, const struct column *column, int64_t i)
{
    size_t size;
    int32_t *recoded = column->dictionary ? &text->recoded[((const int32_t *)column->data)[i]] : NULL;
    if (recoded && *recoded >= 0)
        return *recoded;
    const char *data = column_text(column, i, &size);
    int32_t code = add(text, data, size);
    if (recoded)
        *recoded = code;
    return code;
}

/* Makes `recoded` that of the column's dictionary. Dictionaries that are shared do not change. */
static bool know(struct parquet_text *text, struct dictionary *dictionary)
{
    if (!dictionary || text->known == dictionary)
        return true;
    size_t n = (size_t)dictionary_size(dictionary);
    if (!memory_grow(&text->recoded, &text->recoded_capacity, n, sizeof *text->recoded))
        return false;
    for (size_t i = 0; i < n; i++)
        text->recoded[i] = -1;
    dictionary_unref(text->known);
    text->known = dictionary_ref(dictionary);
    return true;
}

static bool take_plain(struct parquet_text *text, const struct column *column, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        size_t size;
        if (column_is_null(column, i))
            continue;
        const char *data = column_text(column, i, &size);
        if (!put_string(&text->bytes, data, size))
            return false;
        text->n++;
    }
    return true;
}

int parquet_text_take(struct parquet_text *text, const struct column *column, int64_t from, int64_t n,
                      struct error *error)
{
    if (!text->plain && !text->strings && !(text->strings = dictionary_new()))
        return no_memory(error);
    if (!text->plain && !know(text, column->dictionary))
        return no_memory(error);
    int64_t i = from, to = from + n;
    for (; i < to && !text->plain; i++) {
        if (column_is_null(column, i))
            continue;
        int32_t code = code_of(text, column, i);
        if (code < 0)
            break;
        text->codes[text->n++] = (uint16_t)code;
    }
    bool wasteful = text->n >= TRIAL && dictionary_size(text->strings) > text->n / 2;
    if (!text->plain && (i < to || wasteful) && !give_up_codes(text))
        return no_memory(error);
    return take_plain(text, column, i, to) ? OK : no_memory(error);
}

static int order(const void *a, size_t a_size, const void *b, size_t b_size)
{
    int found = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return found ? found : (a_size > b_size) - (a_size < b_size);
}

/* The dictionary's page, and the first and last of its strings in the order of their bytes. */
static bool put_dictionary(const struct parquet_text *text, struct parquet_bytes *out,
                           struct parquet_facts *facts)
{
    const char *least = NULL, *greatest = NULL;
    size_t least_size = 0, greatest_size = 0, size;
    out->size = 0;
    for (int32_t i = 0; i < dictionary_size(text->strings); i++) {
        const char *data = dictionary_text(text->strings, i, &size);
        if (!put_string(out, data, size))
            return false;
        if (!least || order(data, size, least, least_size) < 0)
            least = data, least_size = size;
        if (!greatest || order(data, size, greatest, greatest_size) > 0)
            greatest = data, greatest_size = size;
    }
    facts->bounded = least_size <= PARQUET_BOUND && greatest_size <= PARQUET_BOUND;
    if (facts->bounded) {
        memcpy(facts->least, least, least_size);
        memcpy(facts->greatest, greatest, greatest_size);
        facts->least_size = least_size;
        facts->greatest_size = greatest_size;
    }
    return true;
}

/* The bytes of the next strings that fill a page, and how many rows they take. */
static size_t page_of(const struct parquet_text *text, const uint8_t *validity, size_t from, int64_t row,
                      int64_t rows, int64_t *ret_rows)
{
    size_t size = 0;
    int64_t i = row;
    for (; i < rows && size < PAGE_BYTES; i++) {
        if (validity && !bits_get(validity, i))
            continue;
        uint32_t length;
        memcpy(&length, text->bytes.data + from + size, LENGTH);
        size += LENGTH + length;
    }
    *ret_rows = i - row;
    return size;
}

static int encode_plain(struct parquet_text *text, const uint8_t *validity, struct parquet_scratch *scratch,
                        struct parquet_bytes *pages, struct parquet_facts *facts, struct error *error)
{
    size_t done = 0;
    int code = OK;
    facts->encoding = PARQUET_PLAIN;
    for (int64_t row = 0, n; code == OK && row < facts->rows; row += n) {
        size_t size = page_of(text, validity, done, row, facts->rows, &n);
        code = parquet_body_begin(scratch, validity, row, n, size, error);
        if (code != OK)
            break;
        if (size)
            memcpy(scratch->body.data + scratch->body.size, text->bytes.data + done, size);
        scratch->body.size += size;
        if (row == 0)
            parquet_codec_choose(scratch, &scratch->body, facts);
        code = parquet_page_add(scratch, PARQUET_DATA_PAGE, n, &scratch->body, pages, facts, error);
        done += size;
    }
    return code;
}

int parquet_text_encode(struct parquet_text *text, const uint8_t *validity, struct parquet_scratch *scratch,
                        struct parquet_bytes *pages, struct parquet_facts *facts, struct error *error)
{
    if (text->plain || text->n == 0)
        return encode_plain(text, validity, scratch, pages, facts, error);
    if (!put_dictionary(text, &scratch->dictionary, facts))
        return no_memory(error);
    return parquet_pages_coded(scratch, validity, text->codes, text->n, dictionary_size(text->strings), pages,
                               facts, error);
}
