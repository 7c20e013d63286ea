/* Three-valued logic, NULL tests, choice. The compiler folds AND, OR, coalesce, CASE and IN into these. */
#include "feature/kernels.h"

static void and_run(const struct call *call, int64_t n)
{
    const struct vector *a = call->in[0], *b = call->in[1];
    for (int64_t i = 0; i < n; i++) {
        uint8_t sa = a->state[i], sb = b->state[i], va = BOOLEANS(a)[i], vb = BOOLEANS(b)[i];
        bool is_false = (sa == STATE_VALUE && !va) || (sb == STATE_VALUE && !vb);
        uint8_t both = state_both(sa, sb);
        call->out->state[i] = both == STATE_ERROR ? STATE_ERROR : is_false ? STATE_VALUE : both;
        BOOLEANS(call->out)[i] = !is_false;
    }
}

static void or_run(const struct call *call, int64_t n)
{
    const struct vector *a = call->in[0], *b = call->in[1];
    for (int64_t i = 0; i < n; i++) {
        uint8_t sa = a->state[i], sb = b->state[i], va = BOOLEANS(a)[i], vb = BOOLEANS(b)[i];
        bool is_true = (sa == STATE_VALUE && va) || (sb == STATE_VALUE && vb);
        uint8_t both = state_both(sa, sb);
        call->out->state[i] = both == STATE_ERROR ? STATE_ERROR : is_true ? STATE_VALUE : both;
        BOOLEANS(call->out)[i] = is_true;
    }
}

/* AND and OR where they decide a branch of CASE or a FILTER: what the left side has settled, the right cannot
 * spoil. */
static void and_then_run(const struct call *call, int64_t n)
{
    const struct vector *a = call->in[0], *b = call->in[1];
    for (int64_t i = 0; i < n; i++) {
        bool open = a->state[i] == STATE_VALUE && BOOLEANS(a)[i];
        call->out->state[i] = open ? b->state[i] : a->state[i];
        BOOLEANS(call->out)[i] = open && BOOLEANS(b)[i];
    }
}

static void or_else_run(const struct call *call, int64_t n)
{
    const struct vector *a = call->in[0], *b = call->in[1];
    for (int64_t i = 0; i < n; i++) {
        bool settled = a->state[i] == STATE_ERROR || (a->state[i] == STATE_VALUE && BOOLEANS(a)[i]);
        bool unknown = a->state[i] == STATE_NULL && b->state[i] == STATE_VALUE && !BOOLEANS(b)[i];
        call->out->state[i] = settled ? a->state[i] : unknown ? STATE_NULL : b->state[i];
        BOOLEANS(call->out)[i] = settled || BOOLEANS(b)[i];
    }
}

static void not_run(const struct call *call, int64_t n)
{
    states_copy(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] = !BOOLEANS(call->in[0])[i];
}

static void is_null_run(const struct call *call, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint8_t state = call->in[0]->state[i];
        BOOLEANS(call->out)[i] = state == STATE_NULL;
        call->out->state[i] = state == STATE_ERROR ? STATE_ERROR : STATE_VALUE;
    }
}

static void is_not_null_run(const struct call *call, int64_t n)
{
    is_null_run(call, n);
    for (int64_t i = 0; i < n; i++)
        BOOLEANS(call->out)[i] ^= 1;
}

/* coalesce(a, b): b where a is NULL. */
#define COALESCE(letter, values)                                                                             \
    static void coalesce_##letter(const struct call *call, int64_t n)                                        \
    {                                                                                                        \
        typeof(values(call->out)) a = values(call->in[0]), b = values(call->in[1]), out = values(call->out); \
        const uint8_t *state_a = call->in[0]->state, *state_b = call->in[1]->state;                          \
        uint8_t *state = call->out->state;                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            bool first = state_a[i] != STATE_NULL;                                                           \
            out[i] = first ? a[i] : b[i];                                                                    \
            state[i] = first ? state_a[i] : state_b[i];                                                      \
        }                                                                                                    \
    }

/* if(condition, a, b): b where the condition is NULL; an error where the condition is one. */
#define CHOOSE(letter, values)                                                                       \
    static void choose_##letter(const struct call *call, int64_t n)                                  \
    {                                                                                                \
        const struct vector *condition = call->in[0];                                                \
        for (int64_t i = 0; i < n; i++) {                                                            \
            bool yes = condition->state[i] == STATE_VALUE && BOOLEANS(condition)[i];                 \
            const struct vector *from = call->in[yes ? 1 : 2];                                       \
            values(call->out)[i] = values(from)[i];                                                  \
            call->out->state[i] = condition->state[i] == STATE_ERROR ? STATE_ERROR : from->state[i]; \
        }                                                                                            \
    }

COALESCE(boolean, BOOLEANS)
COALESCE(int, INTS)
COALESCE(wide, WIDES)
COALESCE(double, DOUBLES)
COALESCE(text, TEXTS)
CHOOSE(boolean, BOOLEANS)
CHOOSE(int, INTS)
CHOOSE(wide, WIDES)
CHOOSE(double, DOUBLES)
CHOOSE(text, TEXTS)

void try_run(const struct call *call, int64_t n)
{
    memcpy(call->out->data, call->in[0]->data, (size_t)n * rep_width(call->out->rep));
    for (int64_t i = 0; i < n; i++)
        call->out->state[i] = call->in[0]->state[i] == STATE_VALUE;
}

void try_cast_run(const struct call *call, int64_t n)
{
    try_run(call, n);
    for (int64_t i = 0; i < n; i++)
        if (call->in[1]->state[i] == STATE_ERROR)
            call->out->state[i] = STATE_ERROR;
}

const struct kernel kernels_logic[] = {
    {"AND", "bb", "b", and_run},
    {"OR", "bb", "b", or_run},
    {"AND THEN", "bb", "b", and_then_run},
    {"OR ELSE", "bb", "b", or_else_run},
    {"NOT", "b", "b", not_run},
    {"IS NULL", "b", "b", is_null_run},
    {"IS NULL", "i", "b", is_null_run},
    {"IS NULL", "w", "b", is_null_run},
    {"IS NULL", "d", "b", is_null_run},
    {"IS NULL", "t", "b", is_null_run},
    {"IS NOT NULL", "b", "b", is_not_null_run},
    {"IS NOT NULL", "i", "b", is_not_null_run},
    {"IS NOT NULL", "w", "b", is_not_null_run},
    {"IS NOT NULL", "d", "b", is_not_null_run},
    {"IS NOT NULL", "t", "b", is_not_null_run},
    {"COALESCE", "bb", "b", coalesce_boolean},
    {"COALESCE", "ii", "i", coalesce_int},
    {"COALESCE", "ww", "w", coalesce_wide},
    {"COALESCE", "dd", "d", coalesce_double},
    {"COALESCE", "tt", "t", coalesce_text},
    {"IF", "bbb", "b", choose_boolean},
    {"IF", "bii", "i", choose_int},
    {"IF", "bww", "w", choose_wide},
    {"IF", "bdd", "d", choose_double},
    {"IF", "btt", "t", choose_text},
    {0},
};
