/*
 * Strings: what looks at them or takes a piece of them. Nothing is copied: a piece points into its string.
 * Positions and lengths count characters (code points), comparisons go by bytes.
 */
#include "feature/kernels.h"
#include "feature/utf8.h"

#define FOR_VALUES                  \
    states_all(call, n);            \
    for (int64_t i = 0; i < n; i++) \
        if (call->out->state[i] == STATE_VALUE)

#define UNARY(name, values, expression)                        \
    static void name##_run(const struct call *call, int64_t n) \
    {                                                          \
        states_copy(call, n);                                  \
        for (int64_t i = 0; i < n; i++)                        \
            if (call->out->state[i] == STATE_VALUE) {          \
                struct text in = TEXTS(call->in[0])[i];        \
                values(call->out)[i] = (expression);           \
            }                                                  \
    }

#define BINARY(name, values, expression)                                      \
    static void name##_run(const struct call *call, int64_t n)                \
    {                                                                         \
        FOR_VALUES                                                            \
        {                                                                     \
            struct text a = TEXTS(call->in[0])[i], b = TEXTS(call->in[1])[i]; \
            values(call->out)[i] = (expression);                              \
        }                                                                     \
    }

static bool same_bytes(const char *a, const char *b, size_t size)
{
    return size == 0 || memcmp(a, b, size) == 0;
}

static bool starts(struct text a, struct text b)
{
    return a.size >= b.size && same_bytes(a.data, b.data, b.size);
}

static bool ends(struct text a, struct text b)
{
    return a.size >= b.size && same_bytes(a.data + (a.size - b.size), b.data, b.size);
}

bool text_find(struct text a, struct text b, size_t from, size_t *ret)
{
    if (b.size == 0 || a.size - from < b.size) {
        *ret = from;
        return b.size == 0;
    }
    const char *found = memmem(a.data + from, a.size - from, b.data, b.size);
    *ret = found ? (size_t)(found - a.data) : 0;
    return found;
}

static bool contains(struct text a, struct text b)
{
    size_t at;
    return text_find(a, b, 0, &at);
}

/* The position of b in a, in characters from 1; 0: not there. */
static int64_t position(struct text a, struct text b)
{
    size_t at;
    return text_find(a, b, 0, &at) ? utf8_length((struct text){a.data, at}) + 1 : 0;
}

UNARY(length, INTS, utf8_length(in))
UNARY(bytes, INTS, (int64_t)in.size)
UNARY(code, INTS, in.size ? (int64_t)utf8_code(in, 0) : -1)
UNARY(ascii, INTS, in.size ? (int64_t)utf8_code(in, 0) : 0)
BINARY(contains, BOOLEANS, contains(a, b))
BINARY(starts, BOOLEANS, starts(a, b))
BINARY(ends, BOOLEANS, ends(a, b))
BINARY(position, INTS, position(a, b))

/* Characters [from, to) of a text. */
static struct text slice(struct text text, int64_t from, int64_t to)
{
    size_t begin = 0;
    for (; from > 0; from--, to--)
        begin = utf8_next(text, begin);
    size_t end = begin;
    for (; to > 0; to--)
        end = utf8_next(text, end);
    return (struct text){text.data + begin, end - begin};
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* SQL's substring with DuckDB's extensions: a negative start counts from the end, a negative length goes
 * backwards. */
static struct text substring(struct text text, int64_t start, int64_t length)
{
    int64_t n = utf8_length(text), from = start > 0 ? start - 1 : start < 0 ? n + start : -1;
    int64_t to = length < 0 ? from : from + length;
    from = length < 0 ? from + length : from;
    return slice(text, least(most(from, 0), n), least(most(to, 0), n));
}

/* DuckDB takes starts and lengths of 32 bits and a sign. */
static bool in_range(int64_t number)
{
    return number >= -(int64_t)UINT32_MAX - 1 && number <= UINT32_MAX;
}

static void substring_run(const struct call *call, int64_t n)
{
    FOR_VALUES
    {
        int64_t start = INTS(call->in[1])[i], length = call->in[2] ? INTS(call->in[2])[i] : UINT32_MAX;
        if (in_range(start) && in_range(length))
            TEXTS(call->out)[i] = substring(TEXTS(call->in[0])[i], start, length);
        else
            call->out->state[i] = STATE_ERROR;
    }
}

/* s[i]: one character; nothing at 0. */
static void character_run(const struct call *call, int64_t n)
{
    FOR_VALUES
    {
        int64_t at = INTS(call->in[1])[i];
        if (in_range(at))
            TEXTS(call->out)[i] = substring(TEXTS(call->in[0])[i], at, at != 0);
        else
            call->out->state[i] = STATE_ERROR;
    }
}

static void left_run(const struct call *call, int64_t n)
{
    FOR_VALUES
    {
        struct text text = TEXTS(call->in[0])[i];
        int64_t count = INTS(call->in[1])[i], all = utf8_length(text);
        if (count > UINT32_MAX)
            call->out->state[i] = STATE_ERROR;
        else
            TEXTS(call->out)[i] = slice(text, 0, count >= 0 ? least(count, all) : most(all + count, 0));
    }
}

static void right_run(const struct call *call, int64_t n)
{
    FOR_VALUES
    {
        struct text text = TEXTS(call->in[0])[i];
        int64_t count = INTS(call->in[1])[i], all = utf8_length(text);
        int64_t keep = count >= 0 ? least(count, all) : count == INT64_MIN ? 0 : all - least(all, -count);
        TEXTS(call->out)[i] = slice(text, all - keep, all);
    }
}

/* Without a list of characters, trim takes Unicode's space separators: neither tabs nor line ends. */
static bool is_space(uint32_t code)
{
    return code == 0x20 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
           code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool is_trimmed(struct text text, size_t at, const struct text *characters)
{
    uint32_t code = utf8_code(text, at);
    if (!characters)
        return is_space(code);
    for (size_t i = 0; i < characters->size; i = utf8_next(*characters, i))
        if (utf8_code(*characters, i) == code)
            return true;
    return false;
}

static struct text trim(struct text text, const struct text *characters, bool left, bool right)
{
    size_t begin = 0;
    while (left && begin < text.size && is_trimmed(text, begin, characters))
        begin = utf8_next(text, begin);
    size_t end = right ? begin : text.size;
    for (size_t at = begin; right && at < text.size;) {
        bool trimmed = is_trimmed(text, at, characters);
        at = utf8_next(text, at);
        end = trimmed ? end : at;
    }
    return (struct text){text.data + begin, end - begin};
}

#define TRIM(name, left, right)                                                                              \
    static void name##_run(const struct call *call, int64_t n)                                               \
    {                                                                                                        \
        states_copy(call, n);                                                                                \
        if (call->in[1])                                                                                     \
            states_both(call, n);                                                                            \
        for (int64_t i = 0; i < n; i++)                                                                      \
            if (call->out->state[i] == STATE_VALUE)                                                          \
                TEXTS(call->out)                                                                             \
                [i] = trim(TEXTS(call->in[0])[i], call->in[1] ? &TEXTS(call->in[1])[i] : NULL, left, right); \
    }

TRIM(trim_both, true, true)
TRIM(trim_left, true, false)
TRIM(trim_right, false, true)

/* Where the part that begins at byte `at` ends; false where it is the last. Without a separator, characters
 * are parts. */
static bool part_end(struct text text, struct text separator, size_t at, size_t *ret)
{
    if (separator.size == 0) {
        *ret = at < text.size ? utf8_next(text, at) : at;
        return *ret < text.size;
    }
    if (text_find(text, separator, at, ret))
        return true;
    *ret = text.size;
    return false;
}

/* The n-th part between separators, from 1, from the end where n is negative; false where there is none. */
static bool split_part(struct text text, struct text separator, int64_t wanted, struct text *ret)
{
    int64_t parts = 1, n = 1;
    size_t at = 0, end;
    for (; wanted < 0 && part_end(text, separator, at, &end); parts++)
        at = end + separator.size;
    wanted += wanted < 0 ? parts + 1 : 0;
    at = 0;
    while (part_end(text, separator, at, &end) && n < wanted) {
        at = end + separator.size;
        n++;
    }
    *ret = (struct text){text.data + at, end - at};
    return n == wanted;
}

/* Without a separator, that is where it is NULL, the whole text is the only part. */
static void split_part_run(const struct call *call, int64_t n)
{
    const uint8_t *separator = call->in[1]->state;
    for (int64_t i = 0; i < n; i++) {
        uint8_t *state = &call->out->state[i];
        int64_t wanted = INTS(call->in[2])[i];
        *state = state_both(call->in[0]->state[i], call->in[2]->state[i]);
        *state = separator[i] == STATE_ERROR ? STATE_ERROR : *state;
        if (*state != STATE_VALUE)
            continue;
        struct text text = TEXTS(call->in[0])[i];
        TEXTS(call->out)[i] = text;
        if (separator[i] == STATE_NULL
                ? wanted != 1 && wanted != -1
                : !split_part(text, TEXTS(call->in[1])[i], wanted, &TEXTS(call->out)[i]))
            *state = STATE_NULL;
    }
}

const struct kernel kernels_text[] = {
    {"length", "t", "i", length_run},
    {"len", "t", "i", length_run},
    {"char_length", "t", "i", length_run},
    {"character_length", "t", "i", length_run},
    {"strlen", "t", "i", bytes_run},
    {"ascii", "t", "i", ascii_run},
    {"ord", "t", "i", code_run},
    {"unicode", "t", "i", code_run},
    {"contains", "tt", "b", contains_run},
    {"starts_with", "tt", "b", starts_run},
    {"prefix", "tt", "b", starts_run},
    {"^@", "tt", "b", starts_run},
    {"ends_with", "tt", "b", ends_run},
    {"suffix", "tt", "b", ends_run},
    {"instr", "tt", "i", position_run},
    {"position", "tt", "i", position_run},
    {"strpos", "tt", "i", position_run},
    {"substring", "ti", "t", substring_run},
    {"substring", "tii", "t", substring_run},
    {"substr", "ti", "t", substring_run},
    {"substr", "tii", "t", substring_run},
    {"array_extract", "ti", "t", character_run},
    {"left", "ti", "t", left_run},
    {"right", "ti", "t", right_run},
    {"trim", "t", "t", trim_both_run},
    {"trim", "tt", "t", trim_both_run},
    {"ltrim", "t", "t", trim_left_run},
    {"ltrim", "tt", "t", trim_left_run},
    {"rtrim", "t", "t", trim_right_run},
    {"rtrim", "tt", "t", trim_right_run},
    {"split_part", "tti", "t", split_part_run},
    {0},
};
