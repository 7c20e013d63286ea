/*
 * Arithmetic. Integers of every width are computed in 64 bits and checked against their type's range;
 * WIDE in 128. Overflow is an error. Division by zero: inf or NaN for `/` and `%` of doubles, NULL for `//`
 * and for `%` of integers, as in DuckDB 1.5.
 */
#include <math.h>

#include "feature/kernels.h"

const int64_t power10[19] = {1,
                             10,
                             100,
                             1000,
                             10000,
                             100000,
                             1000000,
                             10000000,
                             100000000,
                             1000000000,
                             10000000000,
                             100000000000,
                             1000000000000,
                             10000000000000,
                             100000000000000,
                             1000000000000000,
                             10000000000000000,
                             100000000000000000,
                             1000000000000000000};

__int128 power10_wide(int exponent)
{
    return exponent <= 18 ? (__int128)power10[exponent] : (__int128)power10[18] * power10_wide(exponent - 18);
}

/* DECIMAL results must stay below 10^precision; other integers within their type. */
static inline bool int_result_fits(int64_t value, const struct call *call)
{
    if (call->type == TYPE_DECIMAL)
        return call->precision > 18 ||
               (value < power10[call->precision] && value > -power10[call->precision]);
    return int_fits(value, call->type);
}

static inline bool wide_result_fits(__int128 value, const struct call *call)
{
    if (call->type == TYPE_DECIMAL)
        return value < power10_wide(call->precision) && value > -power10_wide(call->precision);
    return wide_fits(value, call->type);
}

#define CHECKED(name, builtin)                                                                       \
    static void name##_int(const struct call *call, int64_t n)                                       \
    {                                                                                                \
        const int64_t *a = INTS(call->in[0]), *b = INTS(call->in[1]);                                \
        int64_t *out = INTS(call->out);                                                              \
        uint8_t *state = call->out->state;                                                           \
        states_both(call, n);                                                                        \
        for (int64_t i = 0; i < n; i++)                                                              \
            if ((builtin(a[i], b[i], &out[i]) || !int_result_fits(out[i], call)) &&                \
                state[i] == STATE_VALUE)                                                             \
                state[i] = STATE_ERROR;                                                              \
    }                                                                                                \
    static void name##_wide(const struct call *call, int64_t n)                                      \
    {                                                                                                \
        const __int128 *a = WIDES(call->in[0]), *b = WIDES(call->in[1]);                             \
        __int128 *out = WIDES(call->out);                                                            \
        uint8_t *state = call->out->state;                                                           \
        states_both(call, n);                                                                        \
        for (int64_t i = 0; i < n; i++)                                                              \
            if ((builtin(a[i], b[i], &out[i]) || !wide_result_fits(out[i], call)) &&                \
                state[i] == STATE_VALUE)                                                             \
                state[i] = STATE_ERROR;                                                              \
    }

CHECKED(add, __builtin_add_overflow)
CHECKED(subtract, __builtin_sub_overflow)
CHECKED(multiply, __builtin_mul_overflow)

#define REAL(name, expression)                                            \
    static void name##_double(const struct call *call, int64_t n)         \
    {                                                                     \
        const double *a = DOUBLES(call->in[0]), *b = DOUBLES(call->in[1]); \
        double *out = DOUBLES(call->out);                                 \
        states_both(call, n);                                             \
        if (call->type == TYPE_FLOAT)                                     \
            for (int64_t i = 0; i < n; i++)                               \
                out[i] = (double)(float)(expression);                     \
        else                                                              \
            for (int64_t i = 0; i < n; i++)                               \
                out[i] = (expression);                                    \
    }

REAL(add, a[i] + b[i])
REAL(subtract, a[i] - b[i])
REAL(multiply, a[i] * b[i])
REAL(divide, a[i] / b[i])
REAL(modulo, fmod(a[i], b[i]))

/* `//` of doubles divides like `/`, but by zero it is NULL. */
static void quotient_double(const struct call *call, int64_t n)
{
    divide_double(call, n);
    for (int64_t i = 0; i < n; i++)
        if (DOUBLES(call->in[1])[i] == 0 && call->out->state[i] == STATE_VALUE)
            call->out->state[i] = STATE_NULL;
}

#define DIVISION(name, operator)                                                \
    static void name##_int(const struct call *call, int64_t n)                  \
    {                                                                           \
        const int64_t *a = INTS(call->in[0]), *b = INTS(call->in[1]);           \
        int64_t *out = INTS(call->out);                                         \
        uint8_t *state = call->out->state;                                      \
        states_both(call, n);                                                   \
        for (int64_t i = 0; i < n; i++) {                                       \
            out[i] = 0;                                                         \
            if (state[i] != STATE_VALUE)                                        \
                continue;                                                       \
            if (b[i] == 0)                                                      \
                state[i] = STATE_NULL;                                          \
            else if (b[i] == -1 && a[i] == INT64_MIN)                           \
                state[i] = STATE_ERROR;                                         \
            else if (!int_fits(out[i] = a[i] operator b[i], call->type))        \
                state[i] = STATE_ERROR;                                         \
        }                                                                       \
    }                                                                           \
    static void name##_wide(const struct call *call, int64_t n)                 \
    {                                                                           \
        const __int128 *a = WIDES(call->in[0]), *b = WIDES(call->in[1]);        \
        __int128 *out = WIDES(call->out);                                       \
        uint8_t *state = call->out->state;                                      \
        states_both(call, n);                                                   \
        for (int64_t i = 0; i < n; i++) {                                       \
            out[i] = 0;                                                         \
            if (state[i] != STATE_VALUE)                                        \
                continue;                                                       \
            if (b[i] == 0)                                                      \
                state[i] = STATE_NULL;                                          \
            else if (b[i] == -1 && -(unsigned __int128)a[i] == (unsigned __int128)a[i] && a[i]) \
                state[i] = STATE_ERROR;                                         \
            else                                                                \
                out[i] = a[i] operator b[i];                                    \
        }                                                                       \
    }

DIVISION(quotient, /)
DIVISION(remainder, %)

static void negate_int(const struct call *call, int64_t n)
{
    const int64_t *a = INTS(call->in[0]);
    int64_t *out = INTS(call->out);
    uint8_t *state = call->out->state;
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        if ((__builtin_sub_overflow((int64_t)0, a[i], &out[i]) || !int_fits(out[i], call->type)) &&
            state[i] == STATE_VALUE)
            state[i] = STATE_ERROR;
}

static void negate_wide(const struct call *call, int64_t n)
{
    const __int128 *a = WIDES(call->in[0]);
    __int128 *out = WIDES(call->out);
    uint8_t *state = call->out->state;
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        if (__builtin_sub_overflow((__int128)0, a[i], &out[i]) && state[i] == STATE_VALUE)
            state[i] = STATE_ERROR;
}

static void negate_double(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        DOUBLES(call->out)[i] = -DOUBLES(call->in[0])[i];
}

static void absolute_int(const struct call *call, int64_t n)
{
    const int64_t *a = INTS(call->in[0]);
    int64_t *out = INTS(call->out);
    uint8_t *state = call->out->state;
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        bool overflow = __builtin_sub_overflow((int64_t)0, a[i], &out[i]);
        if (a[i] >= 0)
            out[i] = a[i];
        else if ((overflow || !int_fits(out[i], call->type)) && state[i] == STATE_VALUE)
            state[i] = STATE_ERROR;
    }
}

static void absolute_double(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        DOUBLES(call->out)[i] = fabs(DOUBLES(call->in[0])[i]);
}

const struct kernel kernels_arithmetic[] = {
    {"+", "ii", "i", add_int},
    {"+", "ww", "w", add_wide},
    {"+", "dd", "d", add_double},
    {"-", "ii", "i", subtract_int},
    {"-", "ww", "w", subtract_wide},
    {"-", "dd", "d", subtract_double},
    {"*", "ii", "i", multiply_int},
    {"*", "ww", "w", multiply_wide},
    {"*", "dd", "d", multiply_double},
    {"/", "dd", "d", divide_double},
    {"//", "dd", "d", quotient_double},
    {"//", "ii", "i", quotient_int},
    {"//", "ww", "w", quotient_wide},
    {"%", "ii", "i", remainder_int},
    {"%", "ww", "w", remainder_wide},
    {"%", "dd", "d", modulo_double},
    {"mod", "ii", "i", remainder_int},
    {"mod", "ww", "w", remainder_wide},
    {"mod", "dd", "d", modulo_double},
    {"add", "ii", "i", add_int},
    {"add", "ww", "w", add_wide},
    {"add", "dd", "d", add_double},
    {"subtract", "ii", "i", subtract_int},
    {"subtract", "ww", "w", subtract_wide},
    {"subtract", "dd", "d", subtract_double},
    {"multiply", "ii", "i", multiply_int},
    {"multiply", "ww", "w", multiply_wide},
    {"multiply", "dd", "d", multiply_double},
    {"divide", "ii", "i", quotient_int},
    {"divide", "ww", "w", quotient_wide},
    {"-", "i", "i", negate_int},
    {"-", "w", "w", negate_wide},
    {"-", "d", "d", negate_double},
    {"abs", "i", "i", absolute_int},
    {"abs", "d", "d", absolute_double},
    {"@", "i", "i", absolute_int},
    {"@", "d", "d", absolute_double},
    {0},
};
