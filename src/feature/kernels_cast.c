/*
 * Casts as DuckDB does them: DOUBLE to integer rounds half to even, DECIMAL to fewer digits rounds half away
 * from zero, what does not fit is an error. Where DuckDB's own steps round twice (128 bits to DOUBLE or
 * FLOAT) or wrap around (127.6 to TINYINT is -128: the range is checked before rounding), so do these.
 */
#include <math.h>

#include "base/units.h"
#include "feature/kernels.h"
#include "feature/time_math.h"

#define CAST(name, in_values, out_values, statement)                 \
    static void name(const struct call *call, int64_t n)             \
    {                                                                \
        typeof(in_values(call->in[0])) ins = in_values(call->in[0]); \
        typeof(out_values(call->out)) outs = out_values(call->out);  \
        uint8_t *states = call->out->state;                          \
        states_copy(call, n);                                        \
        for (int64_t i = 0; i < n; i++) {                            \
            if (states[i] != STATE_VALUE)                            \
                continue;                                            \
            bool fits = true;                                        \
            typeof(ins[0]) in = ins[i];                              \
            typeof(outs[0]) out;                                     \
            statement;                                               \
            outs[i] = out;                                           \
            if (!fits)                                               \
                states[i] = STATE_ERROR;                             \
        }                                                            \
    }

static inline double to_real(const struct call *call, double value)
{
    return call->type == TYPE_FLOAT ? (double)(float)value : value;
}

static inline bool decimal_fits(__int128 value, int precision)
{
    return value < power10_wide(precision) && value > -power10_wide(precision);
}

/* value * 10^(to - from), rounded half away from zero where digits are lost. False on overflow. */
static bool rescale(__int128 value, int from, int to, __int128 *ret)
{
    if (to >= from)
        return !__builtin_mul_overflow(value, power10_wide(to - from), ret);
    __int128 power = power10_wide(from - to), half = value < 0 ? -power / 2 : power / 2;
    return !__builtin_add_overflow(value, half, &value) && ((*ret = value / power), true);
}

/* 128 bits in two halves. */
static double wide_double(__int128 in)
{
    uint64_t low = (uint64_t)in;
    if (in >> 64 == -1)
        return -(double)(UINT64_MAX - low) - 1;
    return (double)low + (double)(int64_t)(in >> 64) * (double)UINT64_MAX;
}

static float wide_float(__int128 in)
{
    return (float)wide_double(in);
}

/* DECIMAL: whole part and rest apart where the digits exceed what the type holds exactly. */
#define DECIMAL_REAL(name, real, wide, bits)                                 \
    static real name(__int128 value, int scale)                              \
    {                                                                        \
        real power = (real)(double)power10_wide(scale);                      \
        __int128 exact = (__int128)1 << (bits), whole = power10_wide(scale); \
        if (scale == 0 || (value <= exact && value >= -exact))               \
            return wide(value) / power;                                      \
        return wide(value / whole) + wide(value % whole) / power;            \
    }

DECIMAL_REAL(decimal_double, double, wide_double, 53)
DECIMAL_REAL(decimal_float, float, wide_float, 24)

static double wide_real(__int128 in, enum type_id type)
{
    return type == TYPE_FLOAT ? (double)wide_float(in) : wide_double(in);
}

static bool real_to_decimal(const struct call *call, double in, __int128 *ret)
{
    double power = (double)power10_wide(call->scale), limit = (double)power10_wide(call->precision);
    double rounded = round(in * power);
    if (!(rounded > -limit && rounded < limit))
        return false;
    *ret = (__int128)(call->from == TYPE_FLOAT ? (double)(float)rounded : rounded);
    return true;
}

/* The range of an integer type of up to 64 bits as doubles: lowest <= x < beyond. */
static void int_range(enum type_id type, double *ret_lowest, double *ret_beyond)
{
    static const int bits[TYPE_COUNT] = {[TYPE_INT8] = 7,  [TYPE_INT16] = 15,  [TYPE_INT32] = 31,
                                         [TYPE_UINT8] = 8, [TYPE_UINT16] = 16, [TYPE_UINT32] = 32};
    bool is_unsigned = type == TYPE_UINT8 || type == TYPE_UINT16 || type == TYPE_UINT32;
    *ret_beyond = ldexp(1, bits[type] ? bits[type] : 63);
    *ret_lowest = is_unsigned ? 0 : -*ret_beyond;
}

/* The low bits of a value as the type reads them. */
static int64_t wrap(int64_t value, enum type_id type)
{
    switch (type) {
    case TYPE_INT8:
        return (int8_t)value;
    case TYPE_INT16:
        return (int16_t)value;
    case TYPE_INT32:
        return (int32_t)value;
    case TYPE_UINT8:
        return (uint8_t)value;
    case TYPE_UINT16:
        return (uint16_t)value;
    case TYPE_UINT32:
        return (uint32_t)value;
    default:
        return value;
    }
}

static bool real_to_int(double in, enum type_id type, int64_t *ret)
{
    double lowest, beyond;
    int_range(type, &lowest, &beyond);
    if (!(in >= lowest && in < beyond))
        return false;
    *ret = wrap((int64_t)nearbyint(in), type);
    return true;
}

static bool real_to_wide(double in, enum type_id type, __int128 *ret)
{
    double beyond = ldexp(1, type == TYPE_UINT64 ? 64 : 127);
    if (!(in < beyond && (type == TYPE_UINT64 ? in >= 0 : in > -beyond)))
        return false;
    *ret = (__int128)nearbyint(in);
    return wide_fits(*ret, type);
}

static bool wide_to_int(__int128 in, enum type_id type, int64_t *ret)
{
    *ret = (int64_t)in;
    return *ret == in && int_fits(*ret, type);
}

CAST(boolean_to_int, BOOLEANS, INTS, out = in)
CAST(boolean_to_wide, BOOLEANS, WIDES, out = in)
CAST(boolean_to_double, BOOLEANS, DOUBLES, out = (double)in)
CAST(int_to_int, INTS, INTS, (out = in, fits = int_fits(in, call->type)))
CAST(int_to_wide, INTS, WIDES, (out = in, fits = wide_fits(in, call->type)))
CAST(int_to_double, INTS, DOUBLES, out = call->type == TYPE_FLOAT ? (double)(float)in : (double)in)
CAST(int_to_boolean, INTS, BOOLEANS, out = in != 0)
CAST(wide_to_int_run, WIDES, INTS, (out = 0, fits = wide_to_int(in, call->type, &out)))
CAST(wide_to_wide, WIDES, WIDES, (out = in, fits = wide_fits(in, call->type)))
CAST(wide_to_double, WIDES, DOUBLES, out = wide_real(in, call->type))
CAST(wide_to_boolean, WIDES, BOOLEANS, out = in != 0)
CAST(double_to_int, DOUBLES, INTS, (out = 0, fits = real_to_int(in, call->type, &out)))
CAST(double_to_wide, DOUBLES, WIDES, (out = 0, fits = real_to_wide(in, call->type, &out)))
CAST(double_to_double, DOUBLES, DOUBLES, (out = to_real(call, in), fits = isinf(in) || !isinf(out)))
CAST(double_to_boolean, DOUBLES, BOOLEANS, out = in != 0)
CAST(date_to_timestamp, INTS, INTS,
     (out = in > 0 ? INT64_MAX : -INT64_MAX, fits = !time_is_finite(in, TYPE_DATE) || time_join(in, 0, &out)))
CAST(timestamp_to_date, INTS, INTS,
     out = time_is_finite(in, TYPE_TIMESTAMP) ? floor_divide(in, DAY_US)
           : in > 0                           ? INT32_MAX
                                              : -INT32_MAX)
CAST(enum_to_text, INTS, TEXTS, out.data = dictionary_text(call->values, (int32_t)in, &out.size))

/* DECIMAL in both representations: computed in 128 bits, stored in what the result type takes. */
static inline __int128 decimal_in(const struct call *call, int64_t i)
{
    if (call->in[0]->rep == REP_BOOLEAN)
        return BOOLEANS(call->in[0])[i];
    return call->in[0]->rep == REP_INT ? INTS(call->in[0])[i] : WIDES(call->in[0])[i];
}

static void to_decimal(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        if (call->out->state[i] != STATE_VALUE)
            continue;
        __int128 out = 0;
        bool fits = call->in[0]->rep == REP_DOUBLE
                        ? real_to_decimal(call, DOUBLES(call->in[0])[i], &out)
                        : rescale(decimal_in(call, i), call->from_scale, call->scale, &out);
        if (!fits || !decimal_fits(out, call->precision))
            call->out->state[i] = STATE_ERROR;
        else if (call->out->rep == REP_INT)
            INTS(call->out)[i] = (int64_t)out;
        else
            WIDES(call->out)[i] = out;
    }
}

static void from_decimal(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        if (call->out->state[i] != STATE_VALUE)
            continue;
        __int128 in = decimal_in(call, i), whole;
        bool fits = true;
        if (call->out->rep == REP_DOUBLE)
            DOUBLES(call->out)
            [i] = call->type == TYPE_FLOAT ? (double)decimal_float(in, call->from_scale)
                                           : decimal_double(in, call->from_scale);
        else if (call->out->rep == REP_BOOLEAN)
            BOOLEANS(call->out)[i] = in != 0;
        else if (!rescale(in, call->from_scale, 0, &whole))
            fits = false;
        else if (call->out->rep == REP_INT)
            fits = wide_to_int(whole, call->type, &INTS(call->out)[i]);
        else
            WIDES(call->out)[i] = whole, fits = wide_fits(whole, call->type);
        if (!fits)
            call->out->state[i] = STATE_ERROR;
    }
}

static bool is_time(enum type_id id)
{
    return id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ;
}

static expr_run cast_time(enum type_id from, enum type_id to)
{
    if (is_time(from) && is_time(to))
        return int_to_int;
    if (from == TYPE_DATE && is_time(to))
        return date_to_timestamp;
    if (is_time(from) && to == TYPE_DATE)
        return timestamp_to_date;
    return NULL;
}

expr_run expr_find_cast(const struct type *from, const struct type *to)
{
    static const expr_run numbers[4][4] = {
        [REP_BOOLEAN] = {NULL, boolean_to_int, boolean_to_wide, boolean_to_double},
        [REP_INT] = {int_to_boolean, int_to_int, int_to_wide, int_to_double},
        [REP_WIDE] = {wide_to_boolean, wide_to_int_run, wide_to_wide, wide_to_double},
        [REP_DOUBLE] = {double_to_boolean, double_to_int, double_to_wide, double_to_double},
    };
    enum rep in = rep_of_type(from), out = rep_of_type(to);
    if (from->id == TYPE_INTERVAL || to->id == TYPE_INTERVAL)
        return NULL;
    if (from->id == TYPE_VARCHAR)
        return expr_find_parse(to);
    if (to->id == TYPE_VARCHAR && from->id != TYPE_ENUM)
        return expr_find_format(from);
    bool from_time = is_time(from->id) || from->id == TYPE_DATE;
    bool to_time = is_time(to->id) || to->id == TYPE_DATE;
    if (from_time || to_time)
        return from_time && to_time ? cast_time(from->id, to->id) : NULL;
    if (from->id == TYPE_ENUM)
        return to->id == TYPE_VARCHAR ? enum_to_text : NULL;
    if (to->id == TYPE_ENUM)
        return NULL;
    if (to->id == TYPE_DECIMAL)
        return to_decimal;
    if (from->id == TYPE_DECIMAL)
        return from_decimal;
    return numbers[in][out];
}
