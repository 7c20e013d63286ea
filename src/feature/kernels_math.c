/*
 * Mathematical functions over DOUBLE. Outside their domain: an error, where DuckDB raises one.
 */
#include <math.h>

#include "feature/kernels.h"

#define UNARY(name, domain, expression)                                                      \
    static void name##_run(const struct call *call, int64_t n)                               \
    {                                                                                        \
        const double *in = DOUBLES(call->in[0]);                                             \
        states_copy(call, n);                                                                \
        for (int64_t i = 0; i < n; i++) {                                                    \
            double x = in[i];                                                                \
            if (call->out->state[i] != STATE_VALUE)                                          \
                continue;                                                                    \
            if (domain)                                                                      \
                DOUBLES(call->out)                                                           \
                [i] = call->type == TYPE_FLOAT ? (double)(float)(expression) : (expression); \
            else                                                                             \
                call->out->state[i] = STATE_ERROR;                                           \
        }                                                                                    \
    }

UNARY(ln, x > 0 || x != x, log(x))
UNARY(log10, x > 0 || x != x, log10(x))
UNARY(log2, x > 0 || x != x, log2(x))
UNARY(sqrt, x >= 0 || x != x, sqrt(x))
UNARY(exp, true, exp(x))
UNARY(cbrt, true, cbrt(x))
UNARY(floor, true, floor(x))
UNARY(ceil, true, ceil(x))
UNARY(trunc, true, trunc(x))
UNARY(round, true, round(x))
UNARY(sin, !isinf(x), sin(x))
UNARY(cos, !isinf(x), cos(x))
UNARY(tan, !isinf(x), tan(x))
UNARY(asin, !(x < -1 || x > 1), asin(x))
UNARY(acos, !(x < -1 || x > 1), acos(x))
UNARY(atan, true, atan(x))
UNARY(radians, true, x *(3.14159265358979323846 / 180))
UNARY(degrees, true, x *(180 / 3.14159265358979323846))

UNARY(sinh, true, sinh(x))
UNARY(cosh, true, cosh(x))
UNARY(tanh, true, tanh(x))
UNARY(asinh, true, asinh(x))
UNARY(acosh, true, acosh(x))
/* DuckDB's is infinite in one direction only. */
UNARY(atanh, !(x < -1 || x > 1), fabs(atanh(x)) < INFINITY ? atanh(x) : x == x ? INFINITY : x)
UNARY(cot, !isinf(x) && x != 0, 1 / tan(x))
UNARY(gamma, x != 0, tgamma(x))
UNARY(lgamma, x != 0, lgamma(x))
UNARY(even, true, x >= 0 ? 2 * ceil(ceil(x) / 2) : -2 * ceil(ceil(-x) / 2))

/* log(base, x) */
static void log_base_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++) {
        double base = DOUBLES(call->in[0])[i], x = DOUBLES(call->in[1])[i], divisor = log10(base);
        DOUBLES(call->out)[i] = log10(x) / divisor;
        if (call->out->state[i] == STATE_VALUE && (base <= 0 || x <= 0 || divisor == 0))
            call->out->state[i] = STATE_ERROR;
    }
}

static void next_after_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++) {
        double x = DOUBLES(call->in[0])[i], to = DOUBLES(call->in[1])[i];
        DOUBLES(call->out)
        [i] = call->type == TYPE_FLOAT ? (double)nextafterf((float)x, (float)to) : nextafter(x, to);
    }
}

static void sign_bit_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] = signbit(DOUBLES(call->in[0])[i]) != 0;
}

static void pow_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++)
        DOUBLES(call->out)[i] = pow(DOUBLES(call->in[0])[i], DOUBLES(call->in[1])[i]);
}

/* round and trunc to digits, by DuckDB's own steps. */
static void to_digits(const struct call *call, int64_t n, double (*whole)(double))
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t digits = INTS(call->in[1])[i];
        double x = DOUBLES(call->in[0])[i], power = pow(10, fabs((double)digits));
        double out = digits < 0 ? whole(x / power) * power : whole(x * power) / power;
        out = fabs(out) < INFINITY ? out : digits < 0 && whole == round ? 0 : x;
        DOUBLES(call->out)[i] = call->type == TYPE_FLOAT ? (double)(float)out : out;
    }
}

static void round_digits_run(const struct call *call, int64_t n)
{
    to_digits(call, n, round);
}

static void trunc_digits_run(const struct call *call, int64_t n)
{
    to_digits(call, n, trunc);
}

static void atan2_run(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; i < n; i++)
        DOUBLES(call->out)[i] = atan2(DOUBLES(call->in[0])[i], DOUBLES(call->in[1])[i]);
}

static void sign_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++) {
        double x = DOUBLES(call->in[0])[i];
        INTS(call->out)[i] = (x > 0) - (x < 0);
    }
}

static void is_nan_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] = DOUBLES(call->in[0])[i] != DOUBLES(call->in[0])[i];
}

static void is_finite_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] = fabs(DOUBLES(call->in[0])[i]) < INFINITY;
}

static void is_infinite_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] = fabs(DOUBLES(call->in[0])[i]) == INFINITY;
}

const struct kernel kernels_math[] = {
    {"ln", "d", "d", ln_run},
    {"log", "d", "d", log10_run},
    {"log10", "d", "d", log10_run},
    {"log2", "d", "d", log2_run},
    {"sqrt", "d", "d", sqrt_run},
    {"exp", "d", "d", exp_run},
    {"cbrt", "d", "d", cbrt_run},
    {"floor", "d", "d", floor_run},
    {"ceil", "d", "d", ceil_run},
    {"ceiling", "d", "d", ceil_run},
    {"trunc", "d", "d", trunc_run},
    {"round", "d", "d", round_run},
    {"sin", "d", "d", sin_run},
    {"cos", "d", "d", cos_run},
    {"tan", "d", "d", tan_run},
    {"asin", "d", "d", asin_run},
    {"acos", "d", "d", acos_run},
    {"atan", "d", "d", atan_run},
    {"radians", "d", "d", radians_run},
    {"degrees", "d", "d", degrees_run},
    {"pow", "dd", "d", pow_run},
    {"power", "dd", "d", pow_run},
    {"**", "dd", "d", pow_run},
    {"^", "dd", "d", pow_run},
    {"round", "di", "d", round_digits_run},
    {"trunc", "di", "d", trunc_digits_run},
    {"log", "dd", "d", log_base_run},
    {"sinh", "d", "d", sinh_run},
    {"cosh", "d", "d", cosh_run},
    {"tanh", "d", "d", tanh_run},
    {"asinh", "d", "d", asinh_run},
    {"acosh", "d", "d", acosh_run},
    {"atanh", "d", "d", atanh_run},
    {"cot", "d", "d", cot_run},
    {"gamma", "d", "d", gamma_run},
    {"lgamma", "d", "d", lgamma_run},
    {"even", "d", "d", even_run},
    {"nextafter", "dd", "d", next_after_run},
    {"signbit", "d", "b", sign_bit_run},
    {"atan2", "dd", "d", atan2_run},
    {"sign", "d", "i", sign_run},
    {"isnan", "d", "b", is_nan_run},
    {"isfinite", "d", "b", is_finite_run},
    {"isinf", "d", "b", is_infinite_run},
    {0},
};
