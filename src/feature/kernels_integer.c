/*
 * Integers and DECIMALs: bits, divisors, signs, rounding to tens. Rounding beyond an integer's range wraps
 * around, as it does in DuckDB (round(127::TINYINT, -1) is -126).
 */
#include "feature/kernels.h"

static int bits_of(enum type_id type)
{
    static const int bits[TYPE_COUNT] = {
        [TYPE_INT8] = 8,    [TYPE_INT16] = 16,  [TYPE_INT32] = 32,  [TYPE_INT64] = 64,   [TYPE_UINT8] = 8,
        [TYPE_UINT16] = 16, [TYPE_UINT32] = 32, [TYPE_UINT64] = 64, [TYPE_HUGEINT] = 128};
    return bits[type];
}

static bool is_unsigned(enum type_id type)
{
    return type >= TYPE_UINT8 && type <= TYPE_UINT64;
}

/* The low bits of a value, as its type reads them. */
static __int128 wrap(__int128 value, enum type_id type)
{
    int unused = 128 - bits_of(type);
    if (is_unsigned(type))
        return (__int128)((unsigned __int128)value << unused >> unused);
    return (__int128)((unsigned __int128)value << unused) >> unused;
}

#define BITS(name, op)                                                            \
    static void name##_int(const struct call *call, int64_t n)                    \
    {                                                                             \
        states_both(call, n);                                                     \
        for (int64_t i = 0; i < n; i++)                                           \
            INTS(call->out)[i] = INTS(call->in[0])[i] op INTS(call->in[1])[i];    \
    }                                                                             \
    static void name##_wide(const struct call *call, int64_t n)                   \
    {                                                                             \
        states_both(call, n);                                                     \
        for (int64_t i = 0; i < n; i++)                                           \
            WIDES(call->out)[i] = WIDES(call->in[0])[i] op WIDES(call->in[1])[i]; \
    }

BITS(and, &)
BITS(or, |)
BITS(xor, ^)

/* Only what is positive moves left, and only as far as no bit is lost. */
static bool shift_left(__int128 value, __int128 shift, enum type_id type, __int128 *ret)
{
    int most = bits_of(type) + is_unsigned(type);
    *ret = 0;
    if (value < 0 || shift < 0 || value == 0)
        return value == 0 && shift >= 0;
    if (shift == 0) {
        *ret = value;
        return true;
    }
    if (shift >= most || (unsigned __int128)value >= (unsigned __int128)1 << (most - (int)shift - 1))
        return false;
    *ret = value << (int)shift;
    return true;
}

static bool shift_right(__int128 value, __int128 shift, enum type_id type, __int128 *ret)
{
    *ret = shift >= 0 && shift < bits_of(type) ? value >> (int)shift : 0;
    return true;
}

static bool gcd(__int128 a, __int128 b, enum type_id type, __int128 *ret)
{
    unsigned __int128 x = a < 0 ? -(unsigned __int128)a : (unsigned __int128)a;
    unsigned __int128 y = b < 0 ? -(unsigned __int128)b : (unsigned __int128)b;
    while (y) {
        unsigned __int128 rest = x % y;
        x = y;
        y = rest;
    }
    *ret = (__int128)x;
    return *ret >= 0 && wrap(*ret, type) == *ret;
}

static bool lcm(__int128 a, __int128 b, enum type_id type, __int128 *ret)
{
    __int128 divisor;
    *ret = 0;
    if (a == 0 || b == 0)
        return true;
    if (!gcd(a, b, TYPE_HUGEINT, &divisor) || __builtin_mul_overflow(a, b / divisor, ret) ||
        wrap(*ret, type) != *ret)
        return false;
    *ret = *ret < 0 ? -*ret : *ret;
    return *ret >= 0 && wrap(*ret, type) == *ret;
}

static bool absolute(__int128 value, __int128 unused, enum type_id type, __int128 *ret)
{
    (void)unused, (void)type;
    *ret = value;
    return value >= 0 || !__builtin_sub_overflow((__int128)0, value, ret);
}

static bool invert(__int128 value, __int128 unused, enum type_id type, __int128 *ret)
{
    (void)unused;
    *ret = wrap(~value, type);
    return true;
}

static bool sign(__int128 value, __int128 unused, enum type_id type, __int128 *ret)
{
    (void)unused, (void)type;
    *ret = (value > 0) - (value < 0);
    return true;
}

/* round and trunc to 10^-digits where digits < 0. Sums of 64 bits wrap around before they are divided. */
static bool round_tens(__int128 value, __int128 digits, enum type_id type, __int128 *ret)
{
    int most = type == TYPE_HUGEINT ? 39 : 19;
    *ret = digits < 0 ? 0 : value;
    if (digits >= 0 || digits <= -most)
        return true;
    __int128 power = power10_wide((int)-digits), half = value < 0 ? -(power / 2) : power / 2;
    __int128 sum =
        type == TYPE_HUGEINT || type == TYPE_UINT64 ? value + half : wrap(value + half, TYPE_INT64);
    *ret = wrap(sum / power * power, type);
    return true;
}

static bool trunc_tens(__int128 value, __int128 digits, enum type_id type, __int128 *ret)
{
    int most = type == TYPE_HUGEINT ? 39 : 19;
    *ret = digits >= 0       ? value
           : digits <= -most ? 0
                             : value / power10_wide((int)-digits) * power10_wide((int)-digits);
    return true;
}

static bool same(__int128 value, __int128 unused, enum type_id type, __int128 *ret)
{
    (void)unused, (void)type;
    *ret = value;
    return true;
}

static inline __int128 number(const struct vector *vector, int64_t i)
{
    return vector->rep == REP_INT ? INTS(vector)[i] : WIDES(vector)[i];
}

static inline void put(const struct vector *vector, int64_t i, __int128 value)
{
    if (vector->rep == REP_INT)
        INTS(vector)[i] = (int64_t)value;
    else
        WIDES(vector)[i] = value;
}

/* One or two integers of either width to one; the function works in 128 bits. */
#define FUNCTION(name)                                                  \
    static void name##_run(const struct call *call, int64_t n)          \
    {                                                                   \
        uint8_t *state = call->out->state;                              \
        states_copy(call, n);                                           \
        if (call->in[1])                                                \
            states_both(call, n);                                       \
        for (int64_t i = 0; i < n; i++) {                               \
            __int128 out, second = 0;                                   \
            if (state[i] != STATE_VALUE)                                \
                continue;                                               \
            if (call->in[1])                                            \
                second = number(call->in[1], i);                        \
            if (name(number(call->in[0], i), second, call->from, &out)) \
                put(call->out, i, out);                                 \
            else                                                        \
                state[i] = STATE_ERROR;                                 \
        }                                                               \
    }

static bool count_bits(__int128 value, __int128 unused, enum type_id type, __int128 *ret)
{
    (void)unused;
    unsigned __int128 bits = (unsigned __int128)value << (128 - bits_of(type));
    *ret = __builtin_popcountll((uint64_t)bits) + __builtin_popcountll((uint64_t)(bits >> 64));
    return true;
}

FUNCTION(shift_left)
FUNCTION(shift_right)
FUNCTION(gcd)
FUNCTION(lcm)
FUNCTION(absolute)
FUNCTION(invert)
FUNCTION(sign)
FUNCTION(same)
FUNCTION(count_bits)

/* A DECIMAL divided by 10^drop. */
static __int128 drop_round(__int128 value, __int128 power)
{
    return (value < 0 ? value - power / 2 : value + power / 2) / power;
}

static __int128 drop_trunc(__int128 value, __int128 power)
{
    return value / power;
}

static __int128 drop_floor(__int128 value, __int128 power)
{
    return value / power - (value % power < 0);
}

static __int128 drop_ceil(__int128 value, __int128 power)
{
    return value / power + (value % power > 0);
}

/*
 * DECIMAL to fewer digits. The result's scale says how many stay behind the point; where digits before the
 * point go, they come back as zeros.
 */
static void decimal_run(const struct call *call, int64_t n, __int128 (*drop)(__int128, __int128))
{
    int gone = call->from_scale - call->scale, whole = call->from_precision - call->from_scale;
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        uint8_t *state = &call->out->state[i];
        __int128 digits = call->in[1] ? number(call->in[1], i) : 0, value = 0;
        int tens = digits >= 0 ? 0 : digits < -38 ? 39 : (int)-digits;
        if (*state == STATE_ERROR)
            continue;
        if (tens && tens >= whole)
            *state = STATE_VALUE; /* as in DuckDB: beyond all digits the result is 0, even of NULL */
        else if (*state == STATE_VALUE)
            value = number(call->in[0], i);
        if (tens + gone > 0 && value)
            value = drop(value, power10_wide(gone + tens)) * power10_wide(tens);
        put(call->out, i, value);
    }
}

#define ROUNDING(name, drop, tens)                                                             \
    static bool name##_tens(__int128 value, __int128 digits, enum type_id type, __int128 *ret) \
    {                                                                                          \
        return tens(value, digits, type, ret);                                                 \
    }                                                                                          \
    FUNCTION(name##_tens)                                                                      \
    static void name##_run(const struct call *call, int64_t n)                                 \
    {                                                                                          \
        if (call->from == TYPE_DECIMAL)                                                        \
            decimal_run(call, n, drop);                                                        \
        else                                                                                   \
            name##_tens_run(call, n);                                                          \
    }

ROUNDING(rounding, drop_round, round_tens)
ROUNDING(truncating, drop_trunc, trunc_tens)
ROUNDING(flooring, drop_floor, same)
ROUNDING(ceiling, drop_ceil, same)

const struct kernel kernels_integer[] = {
    {"&", "ii", "i", and_int},
    {"&", "ww", "w", and_wide},
    {"|", "ii", "i", or_int},
    {"|", "ww", "w", or_wide},
    {"xor", "ii", "i", xor_int},
    {"xor", "ww", "w", xor_wide},
    {"~", "i", "i", invert_run},
    {"~", "w", "w", invert_run},
    {"<<", "ii", "i", shift_left_run},
    {"<<", "ww", "w", shift_left_run},
    {">>", "ii", "i", shift_right_run},
    {">>", "ww", "w", shift_right_run},
    {"bit_count", "i", "i", count_bits_run},
    {"bit_count", "w", "i", count_bits_run},
    {"gcd", "ii", "i", gcd_run},
    {"gcd", "ww", "w", gcd_run},
    {"greatest_common_divisor", "ii", "i", gcd_run},
    {"greatest_common_divisor", "ww", "w", gcd_run},
    {"lcm", "ii", "i", lcm_run},
    {"lcm", "ww", "w", lcm_run},
    {"least_common_multiple", "ii", "i", lcm_run},
    {"least_common_multiple", "ww", "w", lcm_run},
    {"abs", "w", "w", absolute_run},
    {"@", "w", "w", absolute_run},
    {"sign", "i", "i", sign_run},
    {"sign", "w", "i", sign_run},
    {"round", "i", "i", rounding_run},
    {"round", "w", "w", rounding_run},
    {"round", "ii", "i", rounding_run},
    {"round", "ww", "w", rounding_run},
    {"trunc", "i", "i", truncating_run},
    {"trunc", "w", "w", truncating_run},
    {"trunc", "ii", "i", truncating_run},
    {"trunc", "ww", "w", truncating_run},
    {"floor", "i", "i", flooring_run},
    {"floor", "w", "w", flooring_run},
    {"ceil", "i", "i", ceiling_run},
    {"ceil", "w", "w", ceiling_run},
    {"ceiling", "i", "i", ceiling_run},
    {"ceiling", "w", "w", ceiling_run},
    {"enum_code", "i", "i", same_run},
    {0},
};
