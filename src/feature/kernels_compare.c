/* Comparisons, and greatest and least, which are comparisons that choose. NaN is equal to itself and
 * greatest. */
#include "feature/kernels.h"

#define ORDER_PLAIN(a, b) (((a) > (b)) - ((a) < (b)))

#define COMPARISON(name, letter, values, order, relation)                           \
    static void name##_##letter(const struct call *call, int64_t n)                 \
    {                                                                               \
        typeof(values(call->out)) a = values(call->in[0]), b = values(call->in[1]); \
        const uint8_t *state = call->out->state;                                    \
        uint8_t *out = BOOLEANS(call->out);                                         \
        states_both(call, n);                                                       \
        for (int64_t i = 0; i < n; i++)                                             \
            if (state[i] == STATE_VALUE)                                            \
                out[i] = order(a[i], b[i]) relation 0;                              \
    }

/* IS [NOT] DISTINCT FROM: NULL compares like a value of its own. */
#define DISTINCT(letter, values, order)                                                            \
    static void distinct_##letter(const struct call *call, int64_t n)                              \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            uint8_t a = call->in[0]->state[i], b = call->in[1]->state[i];                          \
            call->out->state[i] = (a | b) & STATE_ERROR ? STATE_ERROR : STATE_VALUE;               \
            BOOLEANS(call->out)[i] =                                                               \
                a != b || (a == STATE_VALUE && order(values(call->in[0])[i], values(call->in[1])[i]) != 0); \
        }                                                                                          \
    }                                                                                              \
    static void same_##letter(const struct call *call, int64_t n)                                  \
    {                                                                                              \
        distinct_##letter(call, n);                                                                \
        for (int64_t i = 0; i < n; i++)                                                            \
            BOOLEANS(call->out)[i] ^= 1;                                                           \
    }

/* greatest and least leave NULL out. */
#define EXTREME(name, letter, values, order, operator)                                             \
    static void name##_##letter(const struct call *call, int64_t n)                                \
    {                                                                                              \
        const struct vector *a = call->in[0], *b = call->in[1];                                    \
        for (int64_t i = 0; i < n; i++) {                                                          \
            uint8_t either = (uint8_t)(a->state[i] | b->state[i]);                                 \
            bool first = b->state[i] == STATE_NULL ||                                              \
                         (either == STATE_VALUE && a->state[i] && b->state[i] &&                   \
                          order(values(a)[i], values(b)[i]) operator 0);                           \
            call->out->state[i] = either & STATE_ERROR ? STATE_ERROR : either;                     \
            values(call->out)[i] = first ? values(a)[i] : values(b)[i];                            \
        }                                                                                          \
    }

#define ALL(letter, values, order)                      \
    COMPARISON(equal, letter, values, order, ==)        \
    COMPARISON(not_equal, letter, values, order, !=)    \
    COMPARISON(less, letter, values, order, <)          \
    COMPARISON(greater, letter, values, order, >)       \
    COMPARISON(at_most, letter, values, order, <=)      \
    COMPARISON(at_least, letter, values, order, >=)     \
    DISTINCT(letter, values, order)

ALL(boolean, BOOLEANS, ORDER_PLAIN)
ALL(int, INTS, ORDER_PLAIN)
ALL(wide, WIDES, ORDER_PLAIN)
ALL(double, DOUBLES, double_order)
ALL(text, TEXTS, text_order)
EXTREME(greatest, int, INTS, ORDER_PLAIN, >=)
EXTREME(greatest, wide, WIDES, ORDER_PLAIN, >=)
EXTREME(greatest, double, DOUBLES, double_order, >=)
EXTREME(greatest, boolean, BOOLEANS, ORDER_PLAIN, >=)
EXTREME(greatest, text, TEXTS, text_order, >=)
EXTREME(least, boolean, BOOLEANS, ORDER_PLAIN, <=)
EXTREME(least, text, TEXTS, text_order, <=)
EXTREME(least, int, INTS, ORDER_PLAIN, <=)
EXTREME(least, wide, WIDES, ORDER_PLAIN, <=)
EXTREME(least, double, DOUBLES, double_order, <=)

#define ENTRIES(sql, name)                       \
    {sql, "bb", "b", name##_boolean},            \
    {sql, "ii", "b", name##_int},                \
    {sql, "ww", "b", name##_wide},               \
    {sql, "dd", "b", name##_double},             \
    {sql, "tt", "b", name##_text}

const struct kernel kernels_compare[] = {
    ENTRIES("COMPARE_EQUAL", equal),
    ENTRIES("COMPARE_NOTEQUAL", not_equal),
    ENTRIES("COMPARE_LESSTHAN", less),
    ENTRIES("COMPARE_GREATERTHAN", greater),
    ENTRIES("COMPARE_LESSTHANOREQUALTO", at_most),
    ENTRIES("COMPARE_GREATERTHANOREQUALTO", at_least),
    ENTRIES("COMPARE_DISTINCT_FROM", distinct),
    ENTRIES("COMPARE_NOT_DISTINCT_FROM", same),
    {"greatest", "ii", "i", greatest_int},
    {"greatest", "ww", "w", greatest_wide},
    {"greatest", "dd", "d", greatest_double},
    {"greatest", "bb", "b", greatest_boolean},
    {"greatest", "tt", "t", greatest_text},
    {"least", "bb", "b", least_boolean},
    {"least", "tt", "t", least_text},
    {"least", "ii", "i", least_int},
    {"least", "ww", "w", least_wide},
    {"least", "dd", "d", least_double},
    {0},
};
