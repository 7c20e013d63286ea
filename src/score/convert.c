/* Features to model input: one float32 per value, as semantics say. */
#include <math.h>
#include <string.h>

#include "score/dataset.h"

static bool is_numeric(enum type_id id)
{
    return id == TYPE_BOOLEAN || type_is_integer(id) || id == TYPE_FLOAT || id == TYPE_DOUBLE ||
           id == TYPE_DECIMAL || id == TYPE_ENUM;
}

int dataset_check_features(const struct schema *features, struct error *error)
{
    char type[256];
    for (int f = 0; f < features->n; f++)
        if (!is_numeric(features->fields[f].type.id))
            return error_set(
                error, CODE_INVALID,
                "feature %s is %.80s, which a model cannot take; it takes numbers, BOOLEAN and ENUM",
                features->fields[f].name, type_text(&features->fields[f].type, type, sizeof type));
    return OK;
}

/*
 * A DECIMAL to float32, rounded once: the quotient is first rounded to odd in double (inexact quotients get
 * an odd last bit, which no later rounding mistakes for a tie). Exact for values of up to 53 bits and scales
 * of up to 22, whose power of ten is a double; beyond that the double next to the quotient is good enough to
 * be within half a float.
 */
static float decimal_float(__int128 value, int scale)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const __int128 limit = (__int128)1 << 53;
    if (value > limit || value < -limit || scale > 22) {
        long double power = 1;
        for (int i = 0; i < scale; i++)
            power *= 10;
        return (float)((long double)value / power);
    }
    double whole = (double)value, quotient = whole / powers[scale];
    double rest = fma(-quotient, powers[scale], whole);
    if (rest != 0) {
        uint64_t bits;
        if ((rest > 0) != (quotient > 0))
            quotient = nextafter(quotient, 0);
        memcpy(&bits, &quotient, sizeof bits);
        bits |= 1;
        memcpy(&quotient, &bits, sizeof quotient);
    }
    return (float)quotient;
}

#define COPY(c_type)                                           \
    {                                                          \
        const c_type *in = column->data;                       \
        for (int64_t i = 0; i < n; i++)                        \
            ret[i * stride] = (float)in[i];                    \
    }                                                          \
    break

static void convert_column(const struct column *column, const struct type *type, int64_t n, int64_t stride,
                           float *ret)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
        for (int64_t i = 0; i < n; i++)
            ret[i * stride] = column_boolean(column, i) ? 1.0f : 0.0f;
        break;
    case TYPE_INT32:
    case TYPE_ENUM:
        COPY(int32_t);
    case TYPE_INT64:
        COPY(int64_t);
    case TYPE_FLOAT:
        COPY(float);
    case TYPE_DOUBLE:
        COPY(double);
    case TYPE_DECIMAL:
        for (int64_t i = 0; i < n; i++)
            ret[i * stride] = decimal_float(column_wide(column, i), type->scale);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            ret[i * stride] = type->id == TYPE_UINT64   ? (float)(uint64_t)column_int(column, type, i)
                              : type->id == TYPE_HUGEINT ? (float)column_wide(column, i)
                                                         : (float)column_double(column, type, i);
    }
    for (int64_t i = 0; column->nulls && i < n; i++)
        if (column_is_null(column, i))
            ret[i * stride] = NAN;
}

void dataset_convert_raw(const struct table *features, float *ret)
{
    for (int f = 0; f < features->schema->n; f++)
        convert_column(&features->columns[f], &features->schema->fields[f].type, features->length,
                       features->schema->n, ret + f);
}

void dataset_convert(const struct table *features, float *ret)
{
    dataset_convert_raw(features, ret);
    for (int64_t i = 0; i < features->length * features->schema->n; i++)
        if (isinf(ret[i]))
            ret[i] = NAN;
}
