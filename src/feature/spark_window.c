/* Windows in Spark SQL. Spark has no FILTER, EXCLUDE or count(DISTINCT) in windows: CASE, a frame that ends a
 * moment earlier, and the size of a collected set say the same. */
#include "base/units.h"
#include "feature/spark.h"

/* Both ends of a frame have one type of interval: days, or days to seconds. */
static void print_range_bound(const struct plan *plan, int64_t bound, bool days, struct buffer *out)
{
    int64_t rest = bound % DAY_US;
    if (plan->time_is_step)
        buffer_format(out, "%lldL PRECEDING", (long long)bound);
    else if (days)
        buffer_format(out, "INTERVAL '%lld' DAY PRECEDING", (long long)(bound / DAY_US));
    else
        buffer_format(out, "INTERVAL '%lld %02d:%02d:%02d.%06d' DAY TO SECOND PRECEDING",
                      (long long)(bound / DAY_US), (int)(rest / HOUR_US), (int)(rest / MINUTE_US % 60),
                      (int)(rest / SECOND_US % 60), (int)(rest % SECOND_US));
}

static void print_bound(const struct plan *plan, const struct frame *frame, int64_t bound, struct buffer *out)
{
    bool days = (frame->start == FRAME_UNBOUNDED || frame->start % DAY_US == 0) && frame->end % DAY_US == 0;
    if (bound == FRAME_UNBOUNDED)
        buffer_text(out, "UNBOUNDED PRECEDING");
    else if (bound == 0)
        buffer_text(out, "CURRENT ROW");
    else if (frame->unit == FRAME_RANGE)
        print_range_bound(plan, bound, days, out);
    else
        buffer_format(out, "%lld PRECEDING", (long long)bound);
}

/* The event time as a timestamp or a BIGINT, which frames can be laid over. */
static void print_time(struct spark *spark, struct buffer *out)
{
    const struct plan *plan = spark->plan;
    const struct field *field = &plan->events->fields[plan->time_column];
    bool cast = plan->time_is_step || field->type.id == TYPE_DATE;
    spark->columns[plan->time_column] = true;
    buffer_text(out, cast ? "CAST(" : "");
    spark_identifier(field->name, out);
    if (cast)
        buffer_format(out, " AS %s)", plan->time_is_step ? "BIGINT" : "TIMESTAMP_NTZ");
}

static int print_over(struct spark *spark, const struct window *window, struct buffer *out)
{
    const struct group *group = &spark->plan->groups[window->group];
    struct frame frame = group->frames[window->frame];
    /* Without events of one time, all but the event itself is what lies before it. */
    if (frame.exclusive && frame.start == 0)
        return spark_refuse(spark, NULL, "a frame of one moment without the event itself");
    frame.end = frame.exclusive ? 1 : frame.end;
    buffer_text(out, " OVER (");
    for (size_t k = 0; k < group->n_keys; k++) {
        buffer_text(out, k ? ", " : "PARTITION BY ");
        int rc = spark_expr(spark, group->keys[k], out);
        if (rc != OK)
            return rc;
    }
    buffer_text(out, group->n_keys ? " ORDER BY " : "ORDER BY ");
    print_time(spark, out);
    buffer_text(out, frame.unit == FRAME_ROWS ? " ROWS BETWEEN " : " RANGE BETWEEN ");
    print_bound(spark->plan, &frame, frame.start, out);
    buffer_text(out, " AND ");
    print_bound(spark->plan, &frame, frame.end, out);
    buffer_text(out, ")");
    return OK;
}

/* CASE WHEN filter THEN prefix argument suffix END: what is NULL is not aggregated. */
static int print_argument(struct spark *spark, const struct slot *slot, const char *prefix,
                          const char *suffix, struct buffer *out)
{
    int rc = OK;
    if (slot->filter) {
        buffer_text(out, "CASE WHEN ");
        rc = spark_expr(spark, slot->filter, out);
        buffer_text(out, " THEN ");
    }
    buffer_text(out, prefix);
    if (rc == OK && slot->argument)
        rc = spark_expr(spark, slot->argument, out);
    else
        buffer_text(out, slot->argument ? "" : "1");
    buffer_text(out, suffix);
    buffer_text(out, slot->filter ? " END" : "");
    return rc;
}

/* name(CAST(argument AS type)) OVER ...; type NULL: as it is. */
static int print_aggregate(struct spark *spark, const struct window *window, const char *name,
                           const struct type *type, struct buffer *out)
{
    static const struct slot every = {0};
    const struct slot *slot =
        window->slot < 0 ? &every : &spark->plan->groups[window->group].slots[window->slot];
    struct buffer suffix;
    type = type && slot->argument && type_equal(type, &slot->type) ? NULL : type;
    buffer_init(&suffix, 64);
    if (type) {
        buffer_text(&suffix, " AS ");
        spark_type(type, &suffix);
        buffer_text(&suffix, ")");
    }
    buffer_format(out, "%s(", name);
    int rc = print_argument(spark, slot, type ? "CAST(" : "", type ? suffix.data : "", out);
    buffer_done(&suffix);
    buffer_text(out, ")");
    return rc == OK ? print_over(spark, window, out) : rc;
}

/* Sums of integers are DECIMAL(38,0), of DECIMALs such of 38 digits: exact, and NULL beyond. */
static int print_sum(struct spark *spark, const struct window *window, struct buffer *out)
{
    struct type type = window->type;
    if (type.id == TYPE_DECIMAL)
        type.precision = 38;
    return print_aggregate(spark, window, "sum", &type, out);
}

static bool is_enum(const struct spark *spark, const struct window *window)
{
    return spark->plan->groups[window->group].slots[window->slot].type.id == TYPE_ENUM;
}

static int print_extreme(struct spark *spark, const struct window *window, const char *name,
                         struct buffer *out)
{
    if (is_enum(spark, window))
        return spark_refuse(spark, name, "%s of an ENUM, which is text in Spark", name);
    return print_aggregate(spark, window, name, NULL, out);
}

/* -0.0 + 0 is 0.0: one value, as here. */
static int print_distinct(struct spark *spark, const struct window *window, struct buffer *out)
{
    const struct slot *slot = &spark->plan->groups[window->group].slots[window->slot];
    buffer_text(out, "CAST(size(collect_set(");
    int rc = print_argument(spark, slot, slot->rep == REP_DOUBLE ? "(0 + " : "",
                            slot->rep == REP_DOUBLE ? ")" : "", out);
    buffer_text(out, ")");
    if (rc == OK)
        rc = print_over(spark, window, out);
    buffer_text(out, ") AS BIGINT)");
    return rc;
}

/* A struct keeps a NULL that counts apart from an event that FILTER leaves out. */
static int print_place(struct spark *spark, const struct window *window, struct buffer *out)
{
    const struct slot *slot = &spark->plan->groups[window->group].slots[window->slot];
    bool skips = window->rows == window->slot, boxed = !skips && slot->filter;
    buffer_format(out, "%s%s(", boxed ? "(" : "", window->aggregate == AGGREGATE_FIRST ? "first" : "last");
    int rc = print_argument(spark, slot, boxed ? "named_struct('v', " : "", boxed ? ")" : "", out);
    buffer_text(out, skips || boxed ? ", true)" : ")");
    if (rc == OK)
        rc = print_over(spark, window, out);
    buffer_text(out, boxed ? ").v" : "");
    return rc;
}

int spark_window(struct spark *spark, const struct window *window, struct buffer *out)
{
    static const struct type real = {.id = TYPE_DOUBLE};
    static const char *const names[] = {[AGGREGATE_COUNT] = "count",
                                        [AGGREGATE_MIN] = "min",
                                        [AGGREGATE_MAX] = "max",
                                        [AGGREGATE_VAR_POP] = "var_pop",
                                        [AGGREGATE_VAR_SAMP] = "var_samp",
                                        [AGGREGATE_STDDEV_POP] = "stddev_pop",
                                        [AGGREGATE_STDDEV_SAMP] = "stddev_samp",
                                        [AGGREGATE_BOOL_OR] = "bool_or",
                                        [AGGREGATE_BOOL_AND] = "bool_and"};
    switch (window->aggregate) {
    case AGGREGATE_SUM:
        return print_sum(spark, window, out);
    case AGGREGATE_AVG:
        return print_aggregate(spark, window, "avg", &real, out);
    case AGGREGATE_MIN:
    case AGGREGATE_MAX:
        return print_extreme(spark, window, names[window->aggregate], out);
    case AGGREGATE_VAR_POP:
    case AGGREGATE_VAR_SAMP:
    case AGGREGATE_STDDEV_POP:
    case AGGREGATE_STDDEV_SAMP:
        return print_aggregate(spark, window, names[window->aggregate], &real, out);
    case AGGREGATE_DISTINCT:
        return print_distinct(spark, window, out);
    case AGGREGATE_FIRST:
    case AGGREGATE_LAST:
        return print_place(spark, window, out);
    default:
        return print_aggregate(spark, window, names[window->aggregate], NULL, out);
    }
}
