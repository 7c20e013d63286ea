/* UTF-8: counting, walking, writing. Texts are valid UTF-8, as DuckDB's are; a broken one is never read
 * beyond its end. */
#ifndef SHRIKE_FEATURE_UTF8_H
#define SHRIKE_FEATURE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "feature/expr.h"

static inline bool utf8_starts(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static inline int64_t utf8_length(struct text text)
{
    int64_t n = 0;
    for (size_t i = 0; i < text.size; i++)
        n += utf8_starts(text.data[i]);
    return n;
}

/* Where the character at byte `at` ends. */
static inline size_t utf8_next(struct text text, size_t at)
{
    do
        at++;
    while (at < text.size && !utf8_starts(text.data[at]));
    return at;
}

static inline uint32_t utf8_code(struct text text, size_t at)
{
    unsigned char first = (unsigned char)text.data[at];
    size_t end = utf8_next(text, at);
    uint32_t code = first < 0x80   ? first
                    : first < 0xe0 ? first & 0x1f
                    : first < 0xf0 ? first & 0x0f
                                   : first & 0x07;
    while (++at < end)
        code = code << 6 | ((unsigned char)text.data[at] & 0x3f);
    return code;
}

/* Writes a character and returns how many bytes it has: 1 to 4. */
static inline size_t utf8_put(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n; --i > 0; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(code | (n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u));
    return n;
}

#endif
