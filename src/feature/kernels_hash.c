/*
 * hash(x) as DuckDB computes it: a multiply-and-xorshift mix of 64 bits ("SplitMix"-like, Wellons 2018).
 * Integers of up to 32 bits, DATE, ENUM codes and BOOLEAN enter as 32 bits, DECIMAL as the integer that holds
 * it. hash(a, b, ...) combines.
 */
#include "feature/kernels.h"

#define MULTIPLIER UINT64_C(0xd6e8feb86659fd93)
#define HASH_OF_NULL UINT64_C(0xbf58476d1ce4e5b9)

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * MULTIPLIER;
    x = (x ^ x >> 32) * MULTIPLIER;
    return x ^ x >> 32;
}

static uint64_t hash_int(int64_t value, const struct call *call)
{
    bool narrow = call->from == TYPE_DECIMAL ? call->from_precision <= 9
                                             : call->from != TYPE_INT64 && call->from != TYPE_TIMESTAMP &&
                                                   call->from != TYPE_TIMESTAMPTZ;
    return mix(narrow ? (uint32_t)value : (uint64_t)value);
}

static uint64_t hash_wide(__int128 value, const struct call *call)
{
    return call->from == TYPE_UINT64 ? mix((uint64_t)value)
                                     : mix((uint64_t)value) ^ mix((uint64_t)(value >> 64));
}

static uint64_t hash_double(double value, const struct call *call)
{
    uint64_t bits = 0;
    float narrow = (float)value;
    if (value != value)
        return mix(call->from == TYPE_FLOAT ? UINT64_C(0x7fc00000) : UINT64_C(0x7ff8000000000000));
    if (value == 0)
        return mix(0);
    if (call->from == TYPE_FLOAT)
        memcpy(&bits, &narrow, sizeof narrow);
    else
        memcpy(&bits, &value, sizeof value);
    return mix(bits);
}

static uint64_t hash_text(struct text text, const struct call *call)
{
    (void)call;
    uint64_t h = UINT64_C(0xe17a1465) ^ text.size * UINT64_C(0xc6a4a7935bd1e995);
    for (size_t at = 0; at < text.size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, text.data + at, text.size - at < 8 ? text.size - at : 8);
        h = (h ^ word) * MULTIPLIER;
    }
    return mix(h);
}

static uint64_t hash_boolean(uint8_t value, const struct call *call)
{
    (void)call;
    return mix(value);
}

#define HASH(letter, values)                                                                       \
    static void letter##_run(const struct call *call, int64_t n)                                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            uint8_t state = call->in[0]->state[i];                                                 \
            uint64_t out =                                                                         \
                state == STATE_VALUE ? hash_##letter(values(call->in[0])[i], call) : HASH_OF_NULL; \
            WIDES(call->out)[i] = out;                                                             \
            call->out->state[i] = state == STATE_ERROR ? STATE_ERROR : STATE_VALUE;                \
        }                                                                                          \
    }

HASH(boolean, BOOLEANS)
HASH(int, INTS)
HASH(wide, WIDES)
HASH(double, DOUBLES)
HASH(text, TEXTS)

/* The hash so far and the next one. */
static void combine_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++) {
        uint64_t a = (uint64_t)WIDES(call->in[0])[i], b = (uint64_t)WIDES(call->in[1])[i];
        WIDES(call->out)[i] = ((a ^ a >> 32) * MULTIPLIER) ^ b;
    }
}

const struct kernel kernels_hash[] = {
    {"hash", "b", "w", boolean_run},
    {"hash", "i", "w", int_run},
    {"hash", "w", "w", wide_run},
    {"hash", "d", "w", double_run},
    {"hash", "t", "w", text_run},
    {"combine hash", "ww", "w", combine_run},
    {0},
};
