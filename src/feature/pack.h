/*
 * Values as retained events keep them: in the bytes of their SQL type, unaligned. A retained event of a small
 * label is 10 bytes instead of 24, and the windows' speed is that of memory.
 */
#ifndef SHRIKE_FEATURE_PACK_H
#define SHRIKE_FEATURE_PACK_H

#include <string.h>

#include "feature/expr.h"

enum pack {
    PACK_INT8,
    PACK_UINT8,
    PACK_INT16,
    PACK_UINT16,
    PACK_INT32,
    PACK_UINT32,
    PACK_INT64,
    PACK_FLOAT,
    PACK_DOUBLE,
    PACK_WIDE
};

/* How a type's values are kept. Every value of the type comes back as it was. */
static inline enum pack pack_of_type(const struct type *type)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
    case TYPE_UINT8:
        return PACK_UINT8;
    case TYPE_INT8:
        return PACK_INT8;
    case TYPE_INT16:
        return PACK_INT16;
    case TYPE_UINT16:
        return PACK_UINT16;
    case TYPE_INT32:
    case TYPE_DATE:
    case TYPE_ENUM:
        return PACK_INT32;
    case TYPE_UINT32:
    case TYPE_VARCHAR: /* a number of the strings */
        return PACK_UINT32;
    case TYPE_FLOAT:
        return PACK_FLOAT;
    case TYPE_DOUBLE:
        return PACK_DOUBLE;
    case TYPE_DECIMAL:
        return type->precision <= 4    ? PACK_INT16
               : type->precision <= 9  ? PACK_INT32
               : type->precision <= 18 ? PACK_INT64
                                       : PACK_WIDE;
    case TYPE_UINT64:
    case TYPE_HUGEINT:
        return PACK_WIDE;
    default:
        return PACK_INT64;
    }
}

static inline size_t pack_width(enum pack pack)
{
    static const uint8_t widths[] = {1, 1, 2, 2, 4, 4, 8, 4, 8, 16};
    return widths[pack];
}

/* `value` in its representation (integers in .integer, BOOLEAN too). */
static inline void pack_put(char *at, enum pack pack, const union value *value)
{
    /* Integers: the low bytes of a little-endian number. */
    float narrow;
    switch (pack) {
    case PACK_INT8:
    case PACK_UINT8:
        memcpy(at, value, 1);
        break;
    case PACK_INT16:
    case PACK_UINT16:
        memcpy(at, value, 2);
        break;
    case PACK_INT32:
    case PACK_UINT32:
        memcpy(at, value, 4);
        break;
    case PACK_FLOAT:
        narrow = (float)value->real;
        memcpy(at, &narrow, sizeof narrow);
        break;
    case PACK_WIDE:
        memcpy(at, value, 16);
        break;
    default:
        memcpy(at, value, 8);
    }
}

#define PACK_LOAD(c_type)                 \
    {                                     \
        c_type value;                     \
        memcpy(&value, at, sizeof value); \
        return value;                     \
    }

static inline int64_t pack_int(const char *at, enum pack pack)
{
    switch (pack) {
    case PACK_INT8:
        PACK_LOAD(int8_t)
    case PACK_UINT8:
        PACK_LOAD(uint8_t)
    case PACK_INT16:
        PACK_LOAD(int16_t)
    case PACK_UINT16:
        PACK_LOAD(uint16_t)
    case PACK_INT32:
        PACK_LOAD(int32_t)
    case PACK_UINT32:
        PACK_LOAD(uint32_t)
    default:
        PACK_LOAD(int64_t)
    }
}

static inline double pack_real(const char *at, enum pack pack)
{
    if (pack == PACK_FLOAT) {
        float narrow;
        memcpy(&narrow, at, sizeof narrow);
        return (double)narrow;
    }
    PACK_LOAD(double)
}

static inline __int128 pack_wide(const char *at)
{
    PACK_LOAD(__int128)
}

#undef PACK_LOAD

/* A value in its representation; of a text its number (.integer). */
static inline void pack_value(const char *at, enum pack pack, enum rep rep, union value *ret)
{
    if (rep == REP_DOUBLE)
        ret->real = pack_real(at, pack);
    else if (rep == REP_WIDE)
        ret->wide = pack_wide(at);
    else
        ret->integer = pack_int(at, pack);
}

#endif
