/*
 * Strings: what makes new ones, in the program's scratch memory; and LIKE, whose ILIKE has to lower both
 * sides first. A result longer than LIMIT_STRING is an error, as is one for which there is no memory.
 */
#include "base/limits.h"
#include "feature/case_map.h"
#include "feature/kernels.h"
#include "feature/utf8.h"

/* Room for a new string of row i, or an error there. */
static char *take(const struct call *call, int64_t i, size_t size)
{
    char *out = size <= LIMIT_STRING ? scratch_take(call->scratch, size) : NULL;
    if (!out)
        call->out->state[i] = STATE_ERROR;
    TEXTS(call->out)[i] = (struct text){out ? out : "", out ? size : 0};
    return out;
}

static void copy(char *out, struct text text)
{
    if (text.size)
        memcpy(out, text.data, text.size);
}

/* Maps every character. No character's case has more than 3 bytes where the character has 2, or 4 where it
 * has 3. */
static bool map_case(struct scratch *scratch, struct text text, uint32_t (*map)(uint32_t), struct text *ret)
{
    char *out = scratch_take(scratch, text.size * 2 + 4);
    if (!out)
        return false;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i = utf8_next(text, i))
        size += utf8_put(map(utf8_code(text, i)), out + size);
    *ret = (struct text){out, size};
    return true;
}

#define CASE(name)                                                                                  \
    static void name##_run(const struct call *call, int64_t n)                                      \
    {                                                                                               \
        states_copy(call, n);                                                                       \
        for (int64_t i = 0; i < n; i++)                                                             \
            if (call->out->state[i] == STATE_VALUE &&                                               \
                !map_case(call->scratch, TEXTS(call->in[0])[i], case_##name, &TEXTS(call->out)[i])) \
                call->out->state[i] = STATE_ERROR;                                                  \
    }

CASE(lower)
CASE(upper)

static void join(const struct call *call, int64_t i, struct text a, struct text middle, struct text b)
{
    char *out = take(call, i, a.size + middle.size + b.size);
    if (!out)
        return;
    copy(out, a);
    copy(out + a.size, middle);
    copy(out + a.size + middle.size, b);
}

/* a || b */
static void append_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++)
        if (call->out->state[i] == STATE_VALUE)
            join(call, i, TEXTS(call->in[0])[i], (struct text){"", 0}, TEXTS(call->in[1])[i]);
}

static struct text text_or_empty(const struct vector *vector, int64_t i)
{
    return vector->state[i] == STATE_VALUE ? TEXTS(vector)[i] : (struct text){"", 0};
}

/* concat(a, b) is never NULL: NULLs are left out. */
static void concat_run(const struct call *call, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const struct vector *a = call->in[0], *b = call->in[1] ? call->in[1] : a;
        call->out->state[i] = (a->state[i] | b->state[i]) & STATE_ERROR ? STATE_ERROR : STATE_VALUE;
        if (b == a)
            TEXTS(call->out)[i] = text_or_empty(a, i);
        else if (call->out->state[i] == STATE_VALUE)
            join(call, i, text_or_empty(a, i), (struct text){"", 0}, text_or_empty(b, i));
    }
}

/* concat_ws(separator, a, b): NULL where neither is a value, one of them where the other is none. */
static void concat_with_run(const struct call *call, int64_t n)
{
    const struct vector *separator = call->in[0], *a = call->in[1], *b = call->in[2];
    for (int64_t i = 0; i < n; i++) {
        uint8_t all = (uint8_t)(separator->state[i] | a->state[i] | b->state[i]);
        if (all & STATE_ERROR || separator->state[i] == STATE_NULL) {
            call->out->state[i] = all & STATE_ERROR ? STATE_ERROR : STATE_NULL;
        } else if (a->state[i] == STATE_VALUE && b->state[i] == STATE_VALUE) {
            call->out->state[i] = STATE_VALUE;
            join(call, i, TEXTS(a)[i], TEXTS(separator)[i], TEXTS(b)[i]);
        } else {
            const struct vector *one = a->state[i] == STATE_VALUE ? a : b;
            call->out->state[i] = one->state[i];
            TEXTS(call->out)[i] = TEXTS(one)[i];
        }
    }
}

/* The end of every concat_ws: '' where all were NULL, NULL where the separator is. */
static void concat_end_run(const struct call *call, int64_t n)
{
    const struct vector *separator = call->in[0], *joined = call->in[1];
    for (int64_t i = 0; i < n; i++) {
        uint8_t all = (uint8_t)(separator->state[i] | joined->state[i]);
        call->out->state[i] = all & STATE_ERROR ? STATE_ERROR : separator->state[i];
        TEXTS(call->out)[i] = text_or_empty(joined, i);
    }
}

static void replace(const struct call *call, int64_t i, struct text text, struct text from, struct text to)
{
    size_t hits = 0, at = 0, found;
    for (; from.size && text_find(text, from, at, &found); at = found + from.size)
        hits++;
    char *out = take(call, i, text.size - hits * from.size + hits * to.size);
    if (!out)
        return;
    for (at = 0; hits > 0; hits--) {
        text_find(text, from, at, &found);
        copy(out, (struct text){text.data + at, found - at});
        copy(out + (found - at), to);
        out += found - at + to.size;
        at = found + from.size;
    }
    copy(out, (struct text){text.data + at, text.size - at});
}

static void replace_run(const struct call *call, int64_t n)
{
    states_all(call, n);
    for (int64_t i = 0; i < n; i++)
        if (call->out->state[i] == STATE_VALUE)
            replace(call, i, TEXTS(call->in[0])[i], TEXTS(call->in[1])[i], TEXTS(call->in[2])[i]);
}

static void repeat_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++) {
        struct text text = TEXTS(call->in[0])[i];
        int64_t times = INTS(call->in[1])[i];
        if (call->out->state[i] != STATE_VALUE)
            continue;
        times = times < 0 || text.size == 0 ? 0 : times;
        char *out = take(call, i, times > LIMIT_STRING ? SIZE_MAX : text.size * (size_t)times);
        for (; out && times > 0; times--, out += text.size)
            copy(out, text);
    }
}

/* lpad and rpad: exactly `length` characters, cut at the end or filled up with `filling` again and again. */
static void pad(const struct call *call, int64_t i, bool left)
{
    struct text text = TEXTS(call->in[0])[i], filling = TEXTS(call->in[2])[i];
    int64_t length = INTS(call->in[1])[i], missing = length - utf8_length(text);
    size_t cut = text.size;
    if (missing < 0) {
        int64_t keep = length > 0 ? length : 0;
        for (cut = 0; keep > 0; keep--)
            cut = utf8_next(text, cut);
    }
    size_t fill = 0;
    if (missing > 0 && (filling.size == 0 || missing > LIMIT_STRING)) {
        call->out->state[i] = STATE_ERROR;
        return;
    }
    for (int64_t k = 0, at = 0; k < missing; k++) {
        size_t end = utf8_next(filling, (size_t)at);
        fill += end - (size_t)at;
        at = end < filling.size ? (int64_t)end : 0;
    }
    char *out = take(call, i, cut + fill);
    if (!out)
        return;
    copy(left ? out + fill : out, (struct text){text.data, cut});
    out += left ? 0 : cut;
    for (size_t k = 0; k < fill; k++)
        out[k] = filling.data[k % filling.size];
}

#define PAD(name, left)                                        \
    static void name##_run(const struct call *call, int64_t n) \
    {                                                          \
        states_all(call, n);                                   \
        for (int64_t i = 0; i < n; i++)                        \
            if (call->out->state[i] == STATE_VALUE)            \
                pad(call, i, left);                            \
    }

PAD(pad_left, true)
PAD(pad_right, false)

enum { NO_ESCAPE = -1 };

enum like { LIKE_NO, LIKE_YES, LIKE_ERROR };

/*
 * One walk over the text; after a mismatch it goes back to the last %, which takes one byte more. A pattern
 * that ends with the escape character is an error, when it is reached.
 */
static enum like like(struct text text, struct text pattern, int escape)
{
    size_t s = 0, p = 0, star_s = 0, star_p = SIZE_MAX;
    while (s < text.size) {
        unsigned char c = p < pattern.size ? (unsigned char)pattern.data[p] : 0;
        bool more = p < pattern.size, escaped = more && c == escape;
        if (escaped && p + 1 == pattern.size)
            return LIKE_ERROR;
        if (escaped ? pattern.data[p + 1] == text.data[s]
                    : more && c != '_' && c != '%' && pattern.data[p] == text.data[s]) {
            p += escaped ? 2 : 1;
            s++;
        } else if (more && !escaped && c == '_') {
            s = utf8_next(text, s);
            p++;
        } else if (more && !escaped && c == '%') {
            star_p = ++p;
            star_s = s;
        } else if (star_p != SIZE_MAX) {
            if (star_p == pattern.size)
                return LIKE_YES;
            s = ++star_s;
            p = star_p;
        } else {
            return LIKE_NO;
        }
        if (star_p == p && p == pattern.size)
            return LIKE_YES;
    }
    while (p < pattern.size && pattern.data[p] == '%')
        p++;
    return p == pattern.size ? LIKE_YES : LIKE_NO;
}

static enum like like_row(const struct call *call, int64_t i, bool fold)
{
    struct text text = TEXTS(call->in[0])[i], pattern = TEXTS(call->in[1])[i];
    struct text escape = call->in[2] ? TEXTS(call->in[2])[i] : (struct text){"", 0};
    if (escape.size > 1 || (fold && (!map_case(call->scratch, text, case_lower, &text) ||
                                     !map_case(call->scratch, pattern, case_lower, &pattern))))
        return LIKE_ERROR;
    return like(text, pattern, escape.size ? (unsigned char)escape.data[0] : NO_ESCAPE);
}

#define LIKE(name, fold, yes)                                    \
    static void name##_run(const struct call *call, int64_t n)   \
    {                                                            \
        states_all(call, n);                                     \
        for (int64_t i = 0; i < n; i++) {                        \
            if (call->out->state[i] != STATE_VALUE)              \
                continue;                                        \
            enum like found = like_row(call, i, fold);           \
            BOOLEANS(call->out)[i] = (found == LIKE_YES) == yes; \
            if (found == LIKE_ERROR)                             \
                call->out->state[i] = STATE_ERROR;               \
        }                                                        \
    }

LIKE(like, false, true)
LIKE(not_like, false, false)
LIKE(ilike, true, true)
LIKE(not_ilike, true, false)

const struct kernel kernels_build[] = {
    {"lower", "t", "t", lower_run},
    {"lcase", "t", "t", lower_run},
    {"upper", "t", "t", upper_run},
    {"ucase", "t", "t", upper_run},
    {"||", "tt", "t", append_run},
    {"concat", "t", "t", concat_run},
    {"concat", "tt", "t", concat_run},
    {"concat_ws", "ttt", "t", concat_with_run},
    {"concat_ws", "tt", "t", concat_end_run},
    {"replace", "ttt", "t", replace_run},
    {"repeat", "ti", "t", repeat_run},
    {"lpad", "tit", "t", pad_left_run},
    {"rpad", "tit", "t", pad_right_run},
    {"~~", "tt", "b", like_run},
    {"!~~", "tt", "b", not_like_run},
    {"~~*", "tt", "b", ilike_run},
    {"!~~*", "tt", "b", not_ilike_run},
    {"like_escape", "ttt", "b", like_run},
    {"not_like_escape", "ttt", "b", not_like_run},
    {"ilike_escape", "ttt", "b", ilike_run},
    {"not_ilike_escape", "ttt", "b", not_ilike_run},
    {0},
};
