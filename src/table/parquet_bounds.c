#include "table/parquet_bounds.h"

#include <math.h>
#include <string.h>

/* So many values are compared side by side: each comparison would else wait for the one before. */
enum { SIDES = 4 };

static void keep(struct parquet_facts *facts, const void *least, const void *greatest, size_t size)
{
    facts->bounded = true;
    facts->least_size = facts->greatest_size = size;
    memcpy(facts->least, least, size);
    memcpy(facts->greatest, greatest, size);
}

#define BOUNDS(type, values, n, low, high)                              \
    do {                                                                \
        type lows[SIDES], highs[SIDES];                                 \
        int64_t i = 0;                                                  \
        for (int k = 0; k < SIDES; k++)                                 \
            lows[k] = low, highs[k] = high;                             \
        for (; i + SIDES <= n; i += SIDES) {                            \
            for (int k = 0; k < SIDES; k++) {                           \
                type value = (values)[i + k];                           \
                lows[k] = value < lows[k] ? value : lows[k];            \
                highs[k] = value > highs[k] ? value : highs[k];         \
            }                                                           \
        }                                                               \
        for (; i < n; i++) {                                            \
            lows[0] = (values)[i] < lows[0] ? (values)[i] : lows[0];    \
            highs[0] = (values)[i] > highs[0] ? (values)[i] : highs[0]; \
        }                                                               \
        for (int k = 0; k < SIDES; k++) {                               \
            low = lows[k] < low ? lows[k] : low;                        \
            high = highs[k] > high ? highs[k] : high;                   \
        }                                                               \
    } while (0)

#define INTEGERS(name, type)                                                         \
    static uint64_t name(const type *values, int64_t n, struct parquet_facts *facts) \
    {                                                                                \
        type least = values[0], greatest = values[0];                                \
        BOUNDS(type, values, n, least, greatest);                                    \
        keep(facts, &least, &greatest, sizeof least);                                \
        return (uint64_t)greatest - (uint64_t)least;                                 \
    }

INTEGERS(bound_int32, int32_t)
INTEGERS(bound_uint32, uint32_t)
INTEGERS(bound_int64, int64_t)
INTEGERS(bound_uint64, uint64_t)

uint64_t parquet_bound_integers(const void *values, int64_t n, const struct type *type,
                                struct parquet_facts *facts)
{
    switch (type->id) {
    case TYPE_UINT32:
        return bound_uint32(values, n, facts);
    case TYPE_UINT64:
        return bound_uint64(values, n, facts);
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return bound_int64(values, n, facts);
    case TYPE_DECIMAL:
        return type->precision > 9 ? bound_int64(values, n, facts) : bound_int32(values, n, facts);
    default:
        return bound_int32(values, n, facts);
    }
}

/* Zeros are widened to both signs, as the format asks. */
#define REALS(name, type)                                                        \
    static void name(const type *values, int64_t n, struct parquet_facts *facts) \
    {                                                                            \
        type least = (type)INFINITY, greatest = -(type)INFINITY;                 \
        int64_t nans = 0;                                                        \
        for (int64_t i = 0; i < n; i++)                                          \
            nans += values[i] != values[i];                                      \
        facts->nans = nans;                                                      \
        if (nans)                                                                \
            return;                                                              \
        BOUNDS(type, values, n, least, greatest);                                \
        least = least == 0 ? -(type)0 : least;                                   \
        greatest = greatest == 0 ? (type)0 : greatest;                           \
        keep(facts, &least, &greatest, sizeof least);                            \
    }

REALS(bound_float, float)
REALS(bound_double, double)

void parquet_bound_reals(const void *values, int64_t n, int width, struct parquet_facts *facts)
{
    if (width == 4)
        bound_float(values, n, facts);
    else
        bound_double(values, n, facts);
}
