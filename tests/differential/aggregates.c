#include "differential/aggregates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "differential/big.h"
#include "feature/kernels.h"

int values_order(const struct vector *vector, int64_t a, int64_t b)
{
    switch (vector->rep) {
    case REP_BOOLEAN:
        return BOOLEANS(vector)[a] - BOOLEANS(vector)[b];
    case REP_INT:
        return (INTS(vector)[a] > INTS(vector)[b]) - (INTS(vector)[a] < INTS(vector)[b]);
    case REP_WIDE:
        return (WIDES(vector)[a] > WIDES(vector)[b]) - (WIDES(vector)[a] < WIDES(vector)[b]);
    case REP_DOUBLE:
        return double_order(DOUBLES(vector)[a], DOUBLES(vector)[b]);
    default:
        return text_order(TEXTS(vector)[a], TEXTS(vector)[b]);
    }
}

static int64_t count(const struct values *values, struct members members)
{
    int64_t n = 0;
    for (int64_t i = 0; i < members.n; i++)
        n += values->marks[members.rows[i]];
    return n;
}

/* The first or last member that counts, -1 if there is none. */
static int64_t find_end(const struct values *values, struct members members, bool last)
{
    for (int64_t i = 0; i < members.n; i++) {
        int64_t row = members.rows[last ? members.n - 1 - i : i];
        if (values->marks[row])
            return row;
    }
    return -1;
}

/* The smallest (sign 1) or largest (-1) value; of equal ones the newest. */
static int64_t find_extreme(const struct values *values, struct members members, int sign)
{
    int64_t best = -1;
    for (int64_t i = 0; i < members.n; i++) {
        int64_t row = members.rows[i];
        if (values->marks[row] && (best < 0 || values_order(&values->argument, row, best) * sign <= 0))
            best = row;
    }
    return best;
}

static int64_t count_distinct(const struct values *values, struct members members)
{
    int64_t n = 0;
    for (int64_t i = 0; i < members.n; i++) {
        bool known = !values->marks[members.rows[i]];
        for (int64_t j = 0; !known && j < i; j++)
            known = values->marks[members.rows[j]] &&
                    values_order(&values->argument, members.rows[i], members.rows[j]) == 0;
        n += !known;
    }
    return n;
}

static bool find_truth(const struct values *values, struct members members, bool wanted)
{
    for (int64_t i = 0; i < members.n; i++)
        if (values->marks[members.rows[i]] && BOOLEANS(&values->argument)[members.rows[i]] == wanted)
            return true;
    return false;
}

/* The sum, and that of the finite |x| where they are doubles. */
static double add_up(const struct values *values, struct members members, struct big *ret)
{
    const struct vector *v = &values->argument;
    double magnitude = 0;
    for (int64_t i = 0; i < members.n; i++) {
        int64_t row = members.rows[i];
        if (!values->marks[row])
            continue;
        if (v->rep == REP_DOUBLE) {
            big_add_double(ret, DOUBLES(v)[row]);
            magnitude += isfinite(DOUBLES(v)[row]) ? fabs(DOUBLES(v)[row]) : 0;
        } else {
            big_add_wide(ret, v->rep == REP_WIDE  ? WIDES(v)[row]
                              : v->rep == REP_INT ? INTS(v)[row]
                                                  : BOOLEANS(v)[row]);
        }
    }
    return magnitude;
}

static uint8_t store_sum(const struct window *window, const struct big *big, struct vector *result, int64_t e)
{
    if (result->rep == REP_DOUBLE) {
        DOUBLES(result)[e] = big_sum(big);
        return STATE_VALUE;
    }
    __int128 sum = 0, limit = power10_wide(38);
    bool fits = big_wide(big, &sum) && result->rep == REP_WIDE;
    if (window->type.id == TYPE_DECIMAL)
        fits &= sum < limit && sum > -limit;
    WIDES(result)[e] = sum;
    return fits ? STATE_VALUE : STATE_ERROR;
}

static uint8_t copy_value(const struct values *values, int64_t row, struct vector *result, int64_t e)
{
    size_t width = rep_width(result->rep);
    if (row < 0 || !values->marks[row])
        return STATE_NULL;
    memcpy((char *)result->data + (size_t)e * width, (char *)values->argument.data + (size_t)row * width,
           width);
    return STATE_VALUE;
}

static uint8_t store_variance(const struct window *window, const struct values *values,
                              struct members members, struct vector *result, int64_t e, double *magnitude)
{
    enum aggregate kind = window->aggregate;
    bool sample = kind == AGGREGATE_VAR_SAMP || kind == AGGREGATE_STDDEV_SAMP;
    bool root = kind == AGGREGATE_STDDEV_POP || kind == AGGREGATE_STDDEV_SAMP;
    double *list = memory_new((size_t)members.n, sizeof *list), variance = 0, squares = 0;
    int64_t n = 0;
    if (!list)
        abort();
    for (int64_t i = 0; i < members.n; i++)
        if (values->marks[members.rows[i]]) {
            list[n] = DOUBLES(&values->argument)[members.rows[i]];
            squares += list[n] * list[n];
            n++;
        }
    bool known = big_variance(list, n, sample, &variance);
    free(list);
    DOUBLES(result)[e] = root ? sqrt(variance) : variance;
    *magnitude = known ? squares / (double)(n - sample) : 0;
    return known ? STATE_VALUE : STATE_NULL;
}

static uint8_t store_truth(bool truth, int64_t n, struct vector *result, int64_t e)
{
    BOOLEANS(result)[e] = truth;
    return n ? STATE_VALUE : STATE_NULL;
}

double aggregate_members(const struct window *window, const struct slot *slot, const struct values *values,
                         const struct values *rows, struct members members, struct vector *result, int64_t e)
{
    uint8_t *state = &result->state[e];
    int64_t n = count(values, members);
    struct big big = {0};
    double magnitude = 0;
    *state = n ? STATE_VALUE : STATE_NULL;
    switch (window->aggregate) {
    case AGGREGATE_COUNT:
        INTS(result)[e] = n;
        *state = STATE_VALUE;
        break;
    case AGGREGATE_DISTINCT:
        INTS(result)[e] = count_distinct(values, members);
        *state = STATE_VALUE;
        break;
    case AGGREGATE_SUM:
        magnitude = add_up(values, members, &big);
        if (n)
            *state = store_sum(window, &big, result, e);
        break;
    case AGGREGATE_AVG:
        magnitude = add_up(values, members, &big) / (double)(n ? n : 1);
        DOUBLES(result)
        [e] = n ? big_quotient(&big, n, slot->type.id == TYPE_DECIMAL ? slot->type.scale : 0) : 0;
        break;
    case AGGREGATE_MIN:
    case AGGREGATE_MAX:
        *state = copy_value(
            values, find_extreme(values, members, window->aggregate == AGGREGATE_MIN ? 1 : -1), result, e);
        break;
    case AGGREGATE_BOOL_OR:
        *state = store_truth(find_truth(values, members, true), n, result, e);
        break;
    case AGGREGATE_BOOL_AND:
        *state = store_truth(!find_truth(values, members, false), n, result, e);
        break;
    case AGGREGATE_FIRST:
    case AGGREGATE_LAST:
        *state = copy_value(values, find_end(rows, members, window->aggregate == AGGREGATE_LAST), result, e);
        break;
    default:
        *state = store_variance(window, values, members, result, e, &magnitude);
    }
    return magnitude;
}
