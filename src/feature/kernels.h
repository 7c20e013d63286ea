/*
 * The functions behind expr_find and expr_find_cast: loops over vectors, one file per kind. Each takes states
 * along: NULL in, NULL out; error in, error out.
 */
#ifndef SHRIKE_FEATURE_KERNELS_H
#define SHRIKE_FEATURE_KERNELS_H

#include <string.h>

#include "feature/expr.h"

/* One entry of a file's table. `args` has one letter per argument, `result` one:
 * b BOOLEAN, i INT, w WIDE, d DOUBLE, t TEXT, v INTERVAL. */
struct kernel {
    const char *name, *args, *result;
    expr_run run;
};

extern const struct kernel kernels_arithmetic[], kernels_logic[], kernels_compare[], kernels_math[],
    kernels_time[];
extern const struct kernel kernels_integer[], kernels_calendar[], kernels_interval[], kernels_text[],
    kernels_build[];
extern const struct kernel kernels_hash[];

#define BOOLEANS(v) ((uint8_t *)(v)->data)
#define INTS(v) ((int64_t *)(v)->data)
#define WIDES(v) ((__int128 *)(v)->data)
#define DOUBLES(v) ((double *)(v)->data)
#define TEXTS(v) ((struct text *)(v)->data)
#define INTERVALS(v) ((struct interval *)(v)->data)

/* NULL unless both are values; an error in either is an error. */
static inline uint8_t state_both(uint8_t a, uint8_t b)
{
    uint8_t error = (uint8_t)((a | b) & STATE_ERROR);
    return error ? STATE_ERROR : (uint8_t)(a & b);
}

static inline void states_both(const struct call *call, int64_t n)
{
    const uint64_t errors = UINT64_C(0x0202020202020202);
    const uint8_t *a = call->in[0]->state, *b = call->in[1]->state;
    uint8_t *out = call->out->state;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x, y, error;
        memcpy(&x, a + i, sizeof x);
        memcpy(&y, b + i, sizeof y);
        error = (x | y) & errors;
        x = error | (x & y & ~(error >> 1));
        memcpy(out + i, &x, sizeof x);
    }
    for (; i < n; i++)
        out[i] = state_both(a[i], b[i]);
}

/* The same for two or three inputs. */
static inline void states_all(const struct call *call, int64_t n)
{
    states_both(call, n);
    for (int64_t i = 0; call->in[2] && i < n; i++)
        call->out->state[i] = state_both(call->out->state[i], call->in[2]->state[i]);
}

static inline void states_copy(const struct call *call, int64_t n)
{
    memcpy(call->out->state, call->in[0]->state, (size_t)n);
}

/* NaN equals NaN and is greater than all else, as in DuckDB. */
static inline int double_order(double a, double b)
{
    if (a != a)
        return b != b ? 0 : 1;
    if (b != b)
        return -1;
    return (a > b) - (a < b);
}

/* Intervals compare by their length, with 30 days to a month. */
static inline __int128 interval_length(struct interval interval)
{
    return ((__int128)interval.months * 30 + interval.days) * INT64_C(86400000000) + interval.micros;
}

static inline int text_order(struct text a, struct text b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Does an integer fit the SQL type? */
static inline bool int_fits(int64_t value, enum type_id type)
{
    switch (type) {
    case TYPE_INT8:
        return value >= INT8_MIN && value <= INT8_MAX;
    case TYPE_INT16:
        return value >= INT16_MIN && value <= INT16_MAX;
    case TYPE_INT32:
        return value >= INT32_MIN && value <= INT32_MAX;
    case TYPE_UINT8:
        return value >= 0 && value <= UINT8_MAX;
    case TYPE_UINT16:
        return value >= 0 && value <= UINT16_MAX;
    case TYPE_UINT32:
        return value >= 0 && value <= UINT32_MAX;
    default:
        return true;
    }
}

static inline bool wide_fits(__int128 value, enum type_id type)
{
    if (type == TYPE_UINT64)
        return value >= 0 && value <= (__int128)UINT64_MAX;
    return true;
}

extern const int64_t power10[19];    /* 10^0 .. 10^18 */
__int128 power10_wide(int exponent); /* 10^0 .. 10^38 */

/* Pieces of the kernels that several files share. */
expr_run expr_find_parse(const struct type *to);    /* casts from VARCHAR */
expr_run expr_find_format(const struct type *from); /* casts to VARCHAR */
/* Where b first lies in a at or after byte `from`. */
bool text_find(struct text a, struct text b, size_t from, size_t *ret);
void try_run(const struct call *call, int64_t n);      /* TRY(x): an error is NULL */
void try_cast_run(const struct call *call, int64_t n); /* TRY_CAST: in[0] the cast, in[1] what was cast */

#endif
