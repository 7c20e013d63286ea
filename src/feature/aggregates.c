/* Aggregates and window functions by DuckDB's names: what they become here, and what to write instead of
 * those that cannot be. */
#include <string.h>

#include "feature/compile.h"

static const struct {
    const char *name; /* of a WINDOW_AGGREGATE, else the type of the window */
    struct aggregation becomes;
} known[] = {
    {"count", {.aggregate = AGGREGATE_COUNT}},
    {"count_star", {.aggregate = AGGREGATE_COUNT}},
    {"sum", {.aggregate = AGGREGATE_SUM}},
    {"count_if", {.aggregate = AGGREGATE_SUM}}, /* also in DuckDB: NULL of nothing, HUGEINT */
    {"countif", {.aggregate = AGGREGATE_SUM}},
    {"avg", {.aggregate = AGGREGATE_AVG}},
    {"mean", {.aggregate = AGGREGATE_AVG}},
    {"min", {.aggregate = AGGREGATE_MIN}},
    {"max", {.aggregate = AGGREGATE_MAX}},
    {"var_pop", {.aggregate = AGGREGATE_VAR_POP}},
    {"var_samp", {.aggregate = AGGREGATE_VAR_SAMP}},
    {"variance", {.aggregate = AGGREGATE_VAR_SAMP}},
    {"stddev_pop", {.aggregate = AGGREGATE_STDDEV_POP}},
    {"stddev_samp", {.aggregate = AGGREGATE_STDDEV_SAMP}},
    {"stddev", {.aggregate = AGGREGATE_STDDEV_SAMP}},
    {"bool_or", {.aggregate = AGGREGATE_BOOL_OR}},
    {"bool_and", {.aggregate = AGGREGATE_BOOL_AND}},
    {"any_value", {.aggregate = AGGREGATE_FIRST, .skips_nulls = true}},
    {"arbitrary", {.aggregate = AGGREGATE_FIRST}},
    {"WINDOW_FIRST_VALUE", {.aggregate = AGGREGATE_FIRST}},
    {"WINDOW_LAST_VALUE", {.aggregate = AGGREGATE_LAST}},
    {"WINDOW_LAG", {.aggregate = AGGREGATE_FIRST, .is_lag = true}},
};

static const struct {
    const char *name, *instead;
} unknown[] = {
    {"WINDOW_LEAD", "lead would see the future; lag(x) looks back"},
    {"WINDOW_FILL", "fill would see the future; coalesce(x, lag(x) OVER ...) looks back"},
    {"WINDOW_ROW_NUMBER", "row_number: write count(*) OVER (... ROWS UNBOUNDED PRECEDING)"},
    {"WINDOW_RANK", "rank: by time it is a count, write count(*) OVER (... RANGE UNBOUNDED PRECEDING)"},
    {"WINDOW_RANK_DENSE", "dense_rank: write count(DISTINCT ts) OVER (... RANGE UNBOUNDED PRECEDING)"},
    {"WINDOW_PERCENT_RANK", "percent_rank would see the future; write a quotient of two counts"},
    {"WINDOW_CUME_DIST", "cume_dist would see the future; write a quotient of two counts"},
    {"WINDOW_NTILE", "ntile would see the future; write a quotient of two counts"},
    {"WINDOW_NTH_VALUE",
     "nth_value: write lag(x, n) to count back from the event, or first_value, last_value"},
    {"median", "median: write avg, or count(*) FILTER (WHERE x > ...) with a threshold"},
    {"quantile", "quantiles: write count(*) FILTER (WHERE x > ...) with a threshold, or avg and stddev"},
    {"quantile_cont", "quantiles: write count(*) FILTER (WHERE x > ...) with a threshold, or avg and stddev"},
    {"quantile_disc", "quantiles: write count(*) FILTER (WHERE x > ...) with a threshold, or avg and stddev"},
    {"approx_quantile",
     "quantiles: write count(*) FILTER (WHERE x > ...) with a threshold, or avg and stddev"},
    {"reservoir_quantile",
     "quantiles: write count(*) FILTER (WHERE x > ...) with a threshold, or avg and stddev"},
    {"mad", "mad: write stddev_samp, or avg(abs(x - ...))"},
    {"mode", "mode: write count(*) FILTER (WHERE x = ...) of the values that matter, or count(DISTINCT x)"},
    {"approx_count_distinct", "approx_count_distinct: write count(DISTINCT x), which is exact"},
    {"approx_top_k", "a list is no feature; write count(*) FILTER (WHERE x = ...) of the values that matter"},
    {"histogram", "a list is no feature; write count(*) FILTER (WHERE x < ...) of each bin"},
    {"list", "a list is no feature; write count(DISTINCT x), first_value, last_value or lag"},
    {"array_agg", "a list is no feature; write count(DISTINCT x), first_value, last_value or lag"},
    {"string_agg", "a list is no feature; write count(DISTINCT x), first_value, last_value or lag"},
    {"group_concat", "a list is no feature; write count(DISTINCT x), first_value, last_value or lag"},
    {"listagg", "a list is no feature; write count(DISTINCT x), first_value, last_value or lag"},
    {"arg_max", "arg_max: write max(x), or last_value where the order is that of time"},
    {"argmax", "arg_max: write max(x), or last_value where the order is that of time"},
    {"max_by", "max_by: write max(x), or last_value where the order is that of time"},
    {"arg_min", "arg_min: write min(x), or first_value where the order is that of time"},
    {"argmin", "arg_min: write min(x), or first_value where the order is that of time"},
    {"min_by", "min_by: write min(x), or first_value where the order is that of time"},
    {"fsum", "fsum: write sum(x), which is exact"},
    {"kahan_sum", "kahan_sum: write sum(x), which is exact"},
    {"sumkahan", "sumkahan: write sum(x), which is exact"},
    {"favg", "favg: write avg(x), which is exact"},
    {"sum_no_overflow", "sum_no_overflow: write sum(x)"},
    {"product", "product: write exp(sum(ln(x)) OVER ...)"},
    {"sem", "sem: write stddev_pop(x) OVER ... / sqrt(count(x) OVER ...)"},
    {"skewness", "skewness: write it with avg(x), avg(x * x) and avg(x * x * x)"},
    {"kurtosis", "kurtosis: write it with avg(x), avg(x * x) and further powers"},
    {"kurtosis_pop", "kurtosis: write it with avg(x), avg(x * x) and further powers"},
    {"corr", "corr: write it with avg(x * y), avg(x), avg(y), stddev_pop(x) and stddev_pop(y)"},
    {"covar_pop", "covar_pop: write avg(x * y) - avg(x) * avg(y)"},
    {"covar_samp", "covar_samp: write it with sum(x * y), sum(x), sum(y) and count(*)"},
    {"bit_or", "bit_or: write bool_or(x & 1 = 1) of each bit that matters"},
    {"bit_and", "bit_and: write bool_and(x & 1 = 1) of each bit that matters"},
};

/* DISTINCT changes nothing for these. */
static bool ignores_doubles(enum aggregate aggregate)
{
    return aggregate == AGGREGATE_MIN || aggregate == AGGREGATE_MAX || aggregate == AGGREGATE_BOOL_OR ||
           aggregate == AGGREGATE_BOOL_AND || aggregate == AGGREGATE_FIRST || aggregate == AGGREGATE_LAST;
}

static int check(const struct binder *binder, yyjson_val *bound, const struct aggregation *found,
                 const char *name, struct error *error)
{
    bool distinct = yyjson_get_bool(yyjson_obj_get(bound, "distinct"));
    if (yyjson_arr_size(yyjson_obj_get(bound, "arg_orders")))
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "ORDER BY inside of a call: values come in the order of the event time; leave it out");
    if (yyjson_arr_size(yyjson_obj_get(bound, "children")) > 1)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s takes one argument here", name);
    if (distinct && found->aggregate != AGGREGATE_COUNT && !ignores_doubles(found->aggregate))
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "%s(DISTINCT ...) cannot run event by event; count(DISTINCT x) can", name);
    if (found->is_lag && found->skips_nulls)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "lag(... IGNORE NULLS): write last_value(x IGNORE NULLS) OVER (... ROWS BETWEEN "
                           "UNBOUNDED PRECEDING AND 1 PRECEDING)");
    return OK;
}

int aggregate_find(const struct binder *binder, yyjson_val *bound, struct aggregation *ret,
                   struct error *error)
{
    const char *name = tree_text(bound, "name"), *type = tree_text(bound, "type");
    name = strcmp(type, "WINDOW_AGGREGATE") == 0 ? name : type;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        struct aggregation found = known[i].becomes;
        found.skips_nulls |= yyjson_get_bool(yyjson_obj_get(bound, "ignore_nulls"));
        int rc = check(binder, bound, &found, name, error);
        if (rc == OK && found.aggregate == AGGREGATE_COUNT &&
            yyjson_get_bool(yyjson_obj_get(bound, "distinct")))
            found.aggregate = AGGREGATE_DISTINCT;
        if (rc == OK)
            *ret = found;
        return rc;
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (strcmp(name, unknown[i].name) == 0)
            return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s", unknown[i].instead);
    return bind_refuse(
        binder, NULL, CODE_UNSUPPORTED, error,
        "the window function %s cannot run event by event; there are count, sum, avg, min, max, "
        "stddev, variance, count(DISTINCT ...), first_value, last_value, any_value, bool_or, "
        "bool_and, count_if and lag",
        name);
}
