/* Columns to vectors and back: the only places where both layouts meet. */
#include <string.h>

#include "feature/kernels.h"

static void load_states(const struct column *column, int64_t from, int64_t n, uint8_t *state)
{
    if (!column->nulls) {
        memset(state, STATE_VALUE, (size_t)n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        state[i] = column_is_null(column, from + i) ? STATE_NULL : STATE_VALUE;
}

#define WIDEN(type_name, out_type)                            \
    do {                                                      \
        const type_name *in = (const type_name *)data + from; \
        out_type *out = ret->data;                            \
        for (int64_t i = 0; i < n; i++)                       \
            out[i] = (out_type)in[i];                         \
        return;                                               \
    } while (0)

static void load_numbers(const struct column *column, const struct type *type, int64_t from, int64_t n,
                         struct vector *ret)
{
    const void *data = column->data;
    switch (type->id) {
    case TYPE_INT8:
        WIDEN(int8_t, int64_t);
    case TYPE_INT16:
        WIDEN(int16_t, int64_t);
    case TYPE_INT32:
    case TYPE_DATE:
    case TYPE_ENUM:
        WIDEN(int32_t, int64_t);
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        WIDEN(int64_t, int64_t);
    case TYPE_UINT8:
        WIDEN(uint8_t, int64_t);
    case TYPE_UINT16:
        WIDEN(uint16_t, int64_t);
    case TYPE_UINT32:
        WIDEN(uint32_t, int64_t);
    case TYPE_UINT64:
        WIDEN(uint64_t, __int128);
    case TYPE_HUGEINT:
        WIDEN(__int128, __int128);
    case TYPE_DECIMAL:
        if (ret->rep != REP_INT)
            WIDEN(__int128, __int128);
        WIDEN(__int128, int64_t);
    case TYPE_FLOAT:
        WIDEN(float, double);
    default:
        WIDEN(double, double);
    }
}

/* One value of the types that events mostly have, without the loops' preparations. */
static inline bool load_one(const struct column *column, enum type_id type, int64_t i, struct vector *ret)
{
    switch (type) {
    case TYPE_INT8:
        INTS(ret)[0] = ((const int8_t *)column->data)[i];
        break;
    case TYPE_INT32:
        INTS(ret)[0] = ((const int32_t *)column->data)[i];
        break;
    case TYPE_DOUBLE:
    case TYPE_INT64:
    case TYPE_TIMESTAMP:
        memcpy(ret->data, (const uint64_t *)column->data + i, sizeof(uint64_t));
        break;
    default:
        return false;
    }
    ret->state[0] = STATE_VALUE;
    return true;
}

void vector_load(const struct column *column, const struct type *type, int64_t from, int64_t n,
                 struct vector *ret)
{
    if (n == 1 && !column->nulls && load_one(column, type->id, from, ret))
        return;
    load_states(column, from, n, ret->state);
    if (type->id == TYPE_BOOLEAN) {
        for (int64_t i = 0; i < n; i++)
            BOOLEANS(ret)[i] = column_boolean(column, from + i);
    } else if (type->id == TYPE_VARCHAR) {
        for (int64_t i = 0; i < n; i++) {
            TEXTS(ret)[i] = (struct text){"", 0};
            if (ret->state[i])
                TEXTS(ret)[i].data = column_text(column, from + i, &TEXTS(ret)[i].size);
        }
    } else {
        load_numbers(column, type, from, n, ret);
    }
}

static inline void put_state(uint8_t state, uint8_t *validity, int64_t bit, int64_t *nulls, int64_t *errors)
{
    bool value = state == STATE_VALUE;
    validity[bit >> 3] = (uint8_t)((validity[bit >> 3] & ~(1u << (bit & 7))) | (unsigned)value << (bit & 7));
    *nulls += !value;
    *errors += state == STATE_ERROR;
}

/* The bitmap of rows [at, at + n). Eight states that are all values, which is nearly always so, are one
 * comparison. */
static void put_states(const struct vector *vector, int64_t n, uint8_t *validity, int64_t at, int64_t *nulls,
                       int64_t *errors)
{
    const uint64_t values = UINT64_C(0x0101010101010101);
    int64_t i = 0;
    while (i < n) {
        uint64_t eight = 0;
        if ((at + i) % 8 == 0 && i + 8 <= n)
            memcpy(&eight, vector->state + i, 8);
        if (eight == values) {
            validity[(at + i) >> 3] = 0xff;
            i += 8;
        } else {
            put_state(vector->state[i], validity, at + i, nulls, errors);
            i++;
        }
    }
}

#define NARROW(in_values, out_type)                               \
    do {                                                          \
        const typeof(*in_values(vector)) *in = in_values(vector); \
        out_type *out = (out_type *)column->data + at;            \
        for (int64_t i = 0; i < n; i++)                           \
            out[i] = (out_type)in[i];                             \
        return;                                                   \
    } while (0)

static void put_numbers(const struct vector *vector, int64_t n, const struct type *type,
                        struct column *column, int64_t at)
{
    switch (type->id) {
    case TYPE_INT8:
        NARROW(INTS, int8_t);
    case TYPE_INT16:
        NARROW(INTS, int16_t);
    case TYPE_INT32:
    case TYPE_DATE:
    case TYPE_ENUM:
        NARROW(INTS, int32_t);
    case TYPE_UINT8:
        NARROW(INTS, uint8_t);
    case TYPE_UINT16:
        NARROW(INTS, uint16_t);
    case TYPE_UINT32:
        NARROW(INTS, uint32_t);
    case TYPE_UINT64:
        NARROW(WIDES, uint64_t);
    case TYPE_HUGEINT:
        NARROW(WIDES, __int128);
    case TYPE_DECIMAL:
        if (vector->rep != REP_INT)
            NARROW(WIDES, __int128);
        NARROW(INTS, __int128);
    case TYPE_FLOAT:
        NARROW(DOUBLES, float);
    default: /* DOUBLE, and integers of 64 bits */
        memcpy((uint64_t *)column->data + at, vector->data, (size_t)n * sizeof(uint64_t));
    }
}

/* Eight at a time: a byte of 0 or 1 each, gathered into one of bits by a multiplication. */
static void put_booleans(const struct vector *vector, int64_t n, uint8_t *bits, int64_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), gather = UINT64_C(0x0102040810204080);
    const uint8_t *states = vector->state, *values = BOOLEANS(vector);
    int64_t i = 0;
    while (i < n) {
        int64_t bit = at + i;
        if (bit % 8 == 0 && i + 8 <= n) {
            uint64_t state, value;
            memcpy(&state, states + i, sizeof state);
            memcpy(&value, values + i, sizeof value);
            bits[bit >> 3] = (uint8_t)((state & value & ones) * gather >> 56);
            i += 8;
        } else {
            unsigned value = states[i] == STATE_VALUE && values[i];
            bits[bit >> 3] = (uint8_t)((bits[bit >> 3] & ~(1u << (bit & 7))) | value << (bit & 7));
            i++;
        }
    }
}

static bool put_texts(const struct vector *vector, int64_t n, const struct type *type, struct column *column)
{
    for (int64_t i = 0; i < n; i++)
        if (vector->state[i] != STATE_VALUE)
            column_append_null(column, type);
        else if (column_append_text(column, TEXTS(vector)[i].data, TEXTS(vector)[i].size, NULL) != OK)
            return false;
    return true;
}

void vectors_put_row(const struct vector *const *vectors, const struct schema *schema, struct column *columns,
                     int64_t *errors)
{
    for (int i = 0; i < schema->n; i++) {
        const struct vector *vector = vectors[i];
        struct column *column = &columns[i];
        uint8_t state = vector->state[0];
        column->length = 1;
        column->nulls = state != STATE_VALUE;
        column->validity[0] = state == STATE_VALUE;
        *errors += state == STATE_ERROR;
        switch (schema->fields[i].type.id) {
        case TYPE_DOUBLE:
        case TYPE_INT64:
        case TYPE_TIMESTAMP:
        case TYPE_TIMESTAMPTZ:
            memcpy(column->data, vector->data, sizeof(uint64_t));
            break;
        case TYPE_BOOLEAN:
            *(uint8_t *)column->data = state == STATE_VALUE && BOOLEANS(vector)[0];
            break;
        default:
            put_numbers(vector, 1, &schema->fields[i].type, column, 0);
        }
    }
}

bool vector_put(const struct vector *vector, int64_t n, const struct type *type, struct column *column,
                int64_t at, int64_t *nulls, int64_t *errors)
{
    if (vector->rep == REP_TEXT) {
        for (int64_t i = 0; i < n; i++)
            *errors += vector->state[i] == STATE_ERROR;
        return put_texts(vector, n, type, column); /* column_append_null counts the NULLs itself */
    }
    put_states(vector, n, column->validity, at, nulls, errors);
    if (vector->rep == REP_BOOLEAN)
        put_booleans(vector, n, column->data, at);
    else
        put_numbers(vector, n, type, column, at);
    return true;
}
