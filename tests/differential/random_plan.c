#include "differential/random_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

enum { DEPTH = 3 };

/* The columns: keys k0..k2 of few values, numbers a0..a3, and one of each other kind. */
static const char *const key_types[] = {
    "INTEGER",      "VARCHAR", "DOUBLE", "BOOLEAN",   "DATE",    "DECIMAL(5,2)",
    "HUGEINT",      "UBIGINT", "FLOAT",  "TIMESTAMP", "TINYINT", "ENUM('red', 'green', 'blue')",
    "DECIMAL(24,3)"};
static const char *const number_types[] = {
    "TINYINT",  "SMALLINT",     "INTEGER",      "BIGINT",        "UTINYINT",      "USMALLINT",
    "UINTEGER", "UBIGINT",      "HUGEINT",      "FLOAT",         "DOUBLE",        "DOUBLE",
    "DOUBLE",   "DECIMAL(4,1)", "DECIMAL(9,2)", "DECIMAL(18,4)", "DECIMAL(24,6)", "DECIMAL(38,10)"};
static const char *const label_types[] = {"TINYINT", "INTEGER",      "DOUBLE",
                                          "BOOLEAN", "DECIMAL(6,2)", "BIGINT"};

struct maker {
    struct random *random;
    struct random_plan *plan;
    bool windows; /* may a window be part of the expression? */
    bool inexact, has_window;
    char label_type[32];
};

#define PICK(maker, list) (list)[random_below((maker)->random, (int64_t)(sizeof(list) / sizeof *(list)))]

static void number(struct maker *maker, int depth, struct buffer *out);
static void truth(struct maker *maker, int depth, struct buffer *out);
static void window(struct maker *maker, bool plain, struct buffer *out);

static int die(struct maker *maker, int n)
{
    return (int)random_below(maker->random, n);
}

static void text(struct maker *maker, int depth, struct buffer *out)
{
    static const char *const simple[] = {"coalesce(v, 'none')",
                                         "CAST(c AS VARCHAR)",
                                         "upper(v)",
                                         "lower(v)",
                                         "substring(v, 2, 3)",
                                         "v || '-' || v",
                                         "concat(v, a0)",
                                         "replace(v, 'a', 'bb')",
                                         "left(v, 2)",
                                         "trim(v)",
                                         "lpad(v, 8, '*')",
                                         "CAST(d AS VARCHAR)",
                                         "split_part(v, '-', 2)",
                                         "CAST(a1 AS VARCHAR)",
                                         "CAST(u AS VARCHAR)",
                                         "dayname(u)",
                                         "repeat(v, 2)"};
    int kind = depth <= 0 ? 0 : die(maker, 6);
    if (kind == 0) {
        buffer_text(out, "v");
    } else if (kind == 1) {
        buffer_text(out, "CASE WHEN ");
        truth(maker, depth - 1, out);
        buffer_text(out, " THEN v ELSE 'it''s' END");
    } else {
        buffer_text(out, PICK(maker, simple));
    }
}

static void moment(struct maker *maker, struct buffer *out)
{
    static const char *const moments[] = {"u",
                                          "d",
                                          "u",
                                          "coalesce(u, TIMESTAMP '2020-02-29 23:59:59.999999')",
                                          "CAST(u AS DATE)",
                                          "CAST(d AS TIMESTAMP)",
                                          "date_trunc('day', u)",
                                          "date_trunc('hour', u)",
                                          "date_trunc('day', d)",
                                          "date_trunc('hour', d)",
                                          "d + 1",
                                          "greatest(u, CAST(d AS TIMESTAMP))",
                                          "least(d, DATE '1970-01-01')"};
    buffer_text(out, PICK(maker, moments));
}

/* f(x), or f(x, y) where `second` is given. */
static void call(struct maker *maker, int depth, const char *function, const char *cast, const char *second,
                 struct buffer *out)
{
    buffer_format(out, "%s(%s", function, *cast ? "CAST(" : "");
    number(maker, depth - 1, out);
    buffer_format(out, "%s", *cast ? cast : "");
    if (second) {
        buffer_text(out, ", ");
        if (*second)
            buffer_text(out, second);
        else
            number(maker, depth - 1, out);
    }
    buffer_text(out, ")");
}

static void number_leaf(struct maker *maker, struct buffer *out)
{
    static const char *const literals[] = {"0",
                                           "1",
                                           "-3",
                                           "100",
                                           "2.5",
                                           "0.01",
                                           "1e3",
                                           "CAST(0.1 AS DOUBLE)",
                                           "NULL",
                                           "CAST(7 AS TINYINT)",
                                           "1000000000000",
                                           "-0.5"};
    int kind = die(maker, 10);
    if (maker->windows && kind < 4)
        window(maker, false, out);
    else if (kind < 8)
        buffer_format(out, "a%d", die(maker, 4));
    else
        buffer_text(out, PICK(maker, literals));
}

static void choice(struct maker *maker, int depth, struct buffer *out)
{
    bool simple = die(maker, 3) == 0;
    buffer_text(out, "CASE ");
    if (simple) {
        number(maker, depth - 1, out);
        buffer_text(out, " WHEN 1 THEN ");
        number(maker, depth - 1, out);
        buffer_text(out, " WHEN 2");
    } else {
        buffer_text(out, "WHEN ");
        truth(maker, depth - 1, out);
    }
    buffer_text(out, " THEN ");
    number(maker, depth - 1, out);
    if (die(maker, 4)) {
        buffer_text(out, " ELSE ");
        number(maker, depth - 1, out);
    }
    buffer_text(out, " END");
}

static void arithmetic(struct maker *maker, int depth, struct buffer *out)
{
    static const char *const operators[] = {"+", "-", "*", "/", "//", "+", "-", "*"};
    static const char *const whole[] = {"BIGINT", "DECIMAL(9,2)", "DOUBLE", "INTEGER"};
    if (die(maker, 6) == 0) {
        /* DuckDB's % of DECIMALs that exceed 38 digits together has a zero rule of its own: operands are
         * cast. */
        const char *type = PICK(maker, whole);
        buffer_text(out, "(CAST(");
        number(maker, depth - 1, out);
        buffer_format(out, " AS %s) %% CAST(", type);
        number(maker, depth - 1, out);
        buffer_format(out, " AS %s))", type);
        return;
    }
    buffer_text(out, "(");
    number(maker, depth - 1, out);
    buffer_format(out, " %s ", PICK(maker, operators));
    number(maker, depth - 1, out);
    buffer_text(out, ")");
}

static void mathematics(struct maker *maker, int depth, struct buffer *out)
{
    static const char *const exact[] = {"sqrt", "floor", "ceil", "trunc", "round", "abs", "sign", "-"};
    static const char *const rounded[] = {"ln",  "log10", "log2", "exp",  "cbrt",    "sin",    "cos",
                                          "tan", "asin",  "acos", "atan", "radians", "degrees"};
    static const char *const casts[] = {" AS DOUBLE)", " AS DOUBLE)", " AS FLOAT)"};
    int kind = die(maker, 8);
    maker->inexact |= kind >= 4 && kind != 7;
    if (kind < 4)
        call(maker, depth, PICK(maker, exact), PICK(maker, casts), NULL, out);
    else if (kind < 6)
        call(maker, depth, PICK(maker, rounded), " AS DOUBLE)", NULL, out);
    else if (kind == 6)
        call(maker, depth, die(maker, 2) ? "pow" : "atan2", " AS DOUBLE)", "", out);
    else
        call(maker, depth, "round", " AS DOUBLE)", die(maker, 2) ? "2" : "-1", out);
}

static void cast(struct maker *maker, int depth, struct buffer *out)
{
    static const char *const targets[] = {"INTEGER",      "BIGINT",  "DOUBLE",        "FLOAT",
                                          "TINYINT",      "HUGEINT", "DECIMAL(18,3)", "DECIMAL(30,5)",
                                          "DECIMAL(4,2)", "UBIGINT", "USMALLINT"};
    buffer_text(out, "CAST(");
    if (die(maker, 5) == 0)
        truth(maker, depth - 1, out);
    else
        number(maker, depth - 1, out);
    buffer_format(out, " AS %s)", PICK(maker, targets));
}

/* Numbers of strings, of spans of time and of other kinds. */
static void counted(struct maker *maker, struct buffer *out)
{
    static const char *const counts[] = {"length(v)",
                                         "strlen(v)",
                                         "TRY_CAST(v AS INTEGER)",
                                         "TRY_CAST(a0 AS TINYINT)",
                                         "instr(v, 'a')",
                                         "unicode(v)",
                                         "date_diff('day', u, CAST(d AS TIMESTAMP))",
                                         "date_sub('month', u, CAST(d AS TIMESTAMP))",
                                         "epoch(u - CAST(d AS TIMESTAMP))",
                                         "abs(CAST(a0 AS INTEGER))",
                                         "sign(a1)",
                                         "round(CAST(a2 AS DECIMAL(20,4)), 2)",
                                         "floor(CAST(a3 AS DECIMAL(9,2)))",
                                         "CAST(a0 AS BIGINT) & 255",
                                         "gcd(CAST(a0 AS BIGINT), 12)",
                                         "bit_count(CAST(a1 AS INTEGER))",
                                         "hash(v, a0)",
                                         "TRY(ln(a2))",
                                         "epoch(u + INTERVAL 1 MONTH)",
                                         "year(d - INTERVAL 40 DAY)",
                                         "last_day(d) - d",
                                         "CAST('12' || '3' AS INTEGER)"};
    buffer_text(out, PICK(maker, counts));
}

static void part(struct maker *maker, struct buffer *out)
{
    static const char *const parts[] = {
        "hour",  "minute",  "second", "dayofweek", "isodow",   "dayofyear", "week",        "day",
        "month", "quarter", "year",   "epoch",     "epoch_ms", "epoch_us",  "millisecond", "microsecond"};
    if (die(maker, 4) == 0)
        buffer_format(out, "date_part('%s', ", die(maker, 2) ? "hour" : "dow");
    else
        buffer_format(out, "%s(", PICK(maker, parts));
    moment(maker, out);
    buffer_text(out, ")");
}

static void number(struct maker *maker, int depth, struct buffer *out)
{
    if (depth <= 0) {
        number_leaf(maker, out);
        return;
    }
    switch (die(maker, 17)) {
    case 0:
    case 1:
    case 2:
    case 3:
        arithmetic(maker, depth, out);
        break;
    case 4:
        call(maker, depth, "coalesce", "", "", out);
        break;
    case 5:
        call(maker, depth, "nullif", "", die(maker, 2) ? "0" : "", out);
        break;
    case 6:
    case 7:
        choice(maker, depth, out);
        break;
    case 8:
        call(maker, depth, die(maker, 2) ? "greatest" : "least", "", "", out);
        break;
    case 9:
        cast(maker, depth, out);
        break;
    case 10:
    case 11:
        mathematics(maker, depth, out);
        break;
    case 12:
        part(maker, out);
        break;
    case 13:
        counted(maker, out);
        break;
    default:
        number_leaf(maker, out);
    }
}

static void truth_of_numbers(struct maker *maker, int depth, struct buffer *out)
{
    static const char *const operators[] = {
        "=", "<>", "<", ">", "<=", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"};
    int kind = die(maker, 6);
    buffer_text(out, "(");
    number(maker, depth - 1, out);
    if (kind == 0) {
        buffer_text(out, die(maker, 2) ? " IN (1, 2, " : " NOT IN (0, ");
        number(maker, 0, out);
        buffer_text(out, ")");
    } else if (kind == 1) {
        buffer_text(out, die(maker, 2) ? " BETWEEN -1 AND " : " NOT BETWEEN 0 AND ");
        number(maker, depth - 1, out);
    } else if (kind == 2) {
        buffer_text(out, die(maker, 2) ? " IS NULL" : " IS NOT NULL");
    } else {
        buffer_format(out, " %s ", PICK(maker, operators));
        number(maker, depth - 1, out);
    }
    buffer_text(out, ")");
}

static void truth(struct maker *maker, int depth, struct buffer *out)
{
    static const char *const leaves[] = {"b",
                                         "b",
                                         "c = 'red'",
                                         "c IN ('green', 'blue')",
                                         "v = 'x'",
                                         "v < 'm'",
                                         "d IS NULL",
                                         "u >= TIMESTAMP '2020-01-15'",
                                         "d BETWEEN DATE '1969-12-01' AND DATE '2020-02-01'",
                                         "isnan(CAST(a0 AS DOUBLE))",
                                         "isinf(CAST(a1 AS DOUBLE))",
                                         "isfinite(CAST(a2 AS DOUBLE))",
                                         "c IS DISTINCT FROM 'red'",
                                         "v LIKE '%a%'",
                                         "v ILIKE 'CARD-_'",
                                         "contains(v, 'x')",
                                         "starts_with(v, 'a')",
                                         "u + INTERVAL 3 DAY > CAST(d AS TIMESTAMP)",
                                         "u - CAST(d AS TIMESTAMP) > INTERVAL 1 HOUR",
                                         "v IN ('x', 'y')"};
    if (depth <= 0) {
        buffer_text(out, PICK(maker, leaves));
        return;
    }
    switch (die(maker, 7)) {
    case 0:
    case 1:
        buffer_text(out, "(");
        truth(maker, depth - 1, out);
        buffer_text(out, die(maker, 2) ? " AND " : " OR ");
        truth(maker, depth - 1, out);
        buffer_text(out, ")");
        break;
    case 2:
        buffer_text(out, "(NOT ");
        truth(maker, depth - 1, out);
        buffer_text(out, ")");
        break;
    case 3:
        buffer_text(out, "coalesce(");
        truth(maker, depth - 1, out);
        buffer_text(out, ", b)");
        break;
    case 4:
        buffer_text(out, PICK(maker, leaves));
        break;
    default:
        truth_of_numbers(maker, depth, out);
    }
}

/* A length in units of the plan's time: INTERVAL 3 DAY, INTERVAL (5 * 3600) SECOND or 7. */
static void length(struct maker *maker, int64_t units, struct buffer *out)
{
    int64_t us = units * maker->plan->unit;
    if (maker->plan->unit == 1)
        buffer_format(out, "%lld", (long long)units);
    else if (us % DAY_US == 0 && die(maker, 2))
        buffer_format(out, "INTERVAL %lld DAY", (long long)(us / DAY_US));
    else if (us % DAY_US == 0 && die(maker, 2))
        buffer_format(out, "INTERVAL (%lld * 24) HOUR", (long long)(us / DAY_US));
    else
        buffer_format(out, "INTERVAL %lld SECOND", (long long)(us / SECOND_US));
}

static void over(struct maker *maker, bool late, struct buffer *out)
{
    static const char *const keys[] = {
        "k0", "k1", "k2", "k0, k1", "k0, k1, k2", "k2, k0", "coalesce(k0, k0)", "hour(u)", "b", "c"};
    int64_t end = late || die(maker, 3) == 0 ? 1 + die(maker, 12) : 0;
    int64_t start = end + (die(maker, 3) ? 1 + die(maker, die(maker, 3) ? 20 : 200) : 0);
    buffer_text(out, " OVER (");
    if (die(maker, 8))
        buffer_format(out, "PARTITION BY %s ", PICK(maker, keys));
    buffer_text(out, "ORDER BY ts RANGE BETWEEN ");
    length(maker, start, out);
    buffer_text(out, " PRECEDING AND ");
    if (end) {
        length(maker, end, out);
        buffer_text(out, " PRECEDING)");
    } else if (die(maker, 5)) {
        buffer_text(out, "CURRENT ROW)");
    } else {
        length(maker, 0, out);
        buffer_text(out, " PRECEDING)");
    }
}

static void argument(struct maker *maker, const char *aggregate, bool late, struct buffer *out)
{
    bool count = strcmp(aggregate, "count") == 0, extreme = aggregate[0] == 'm';
    bool windows = maker->windows;
    maker->windows = false;
    if (late)
        buffer_text(out, strcmp(maker->label_type, "BOOLEAN") == 0 ? "CAST(y AS INTEGER)"
                         : die(maker, 3)                           ? "y"
                                                                   : "y * 2");
    else if ((count || extreme) && die(maker, 5) == 0)
        moment(maker, out);
    else if (count && die(maker, 4) == 0)
        text(maker, 1, out);
    else if (count && die(maker, 3) == 0)
        truth(maker, 1, out);
    else if (extreme && die(maker, 8) == 0)
        buffer_text(out, die(maker, 2) ? "b" : "c");
    else
        number(maker, die(maker, 3) ? 0 : 2, out);
    maker->windows = windows;
}

/* A window. One that is not plain is part of an expression and gives a number. */
static void window(struct maker *maker, bool plain, struct buffer *out)
{
    static const char *const aggregates[] = {"count(*)", "count", "sum", "avg", "min", "max"};
    const char *aggregate = PICK(maker, aggregates);
    bool late = die(maker, 5) == 0, filtered = die(maker, 4) == 0,
         late_filter = late && filtered && die(maker, 2);
    bool windows = maker->windows;
    maker->has_window = true;
    maker->inexact |= strcmp(aggregate, "sum") == 0 || strcmp(aggregate, "avg") == 0;
    if (aggregate == aggregates[0]) {
        buffer_text(out, aggregate);
        late_filter = late && filtered;
    } else {
        buffer_format(out, "%s(", aggregate);
        if (!plain && aggregate[0] == 'm')
            buffer_format(out, "a%d", die(maker, 4));
        else
            argument(maker, aggregate, late && !late_filter, out);
        buffer_text(out, ")");
    }
    if (filtered) {
        maker->windows = false;
        buffer_text(out, " FILTER (WHERE ");
        if (late_filter)
            buffer_text(out, strcmp(maker->label_type, "BOOLEAN") == 0 ? "y" : "y = 1");
        else
            truth(maker, 1, out);
        buffer_text(out, ")");
        maker->windows = windows;
    }
    over(maker, late, out);
}

static void item(struct maker *maker, struct item *ret)
{
    struct buffer out;
    int kind = die(maker, 10);
    bool inexact_plain;
    buffer_init(&out, ITEM_TEXT);
    maker->inexact = maker->has_window = false;
    maker->windows = kind >= 9;
    if (kind < 6)
        window(maker, true, &out);
    else if (kind == 6 && die(maker, 2))
        truth(maker, DEPTH, &out);
    else if (kind == 7 && die(maker, 2))
        text(maker, 2, &out);
    else
        number(maker, DEPTH, &out);
    inexact_plain = kind >= 6 && maker->inexact;
    ret->kind = !maker->has_window ? ITEM_SCALAR : kind < 6 ? ITEM_WINDOW : ITEM_MIXED;
    ret->inexact = inexact_plain;
    /* An expression that grew too long is a small one instead. */
    snprintf(ret->text, sizeof ret->text, "%s", out.failed || out.size > ITEM_TEXT - 2 ? "a0" : out.data);
    if (out.failed || out.size > ITEM_TEXT - 2)
        ret->kind = ITEM_SCALAR;
    buffer_done(&out);
}

void random_plan_make(struct random *random, struct random_plan *ret)
{
    static const char *const time_types[] = {"TIMESTAMP", "TIMESTAMP", "TIMESTAMP",   "DATE",
                                             "INTEGER",   "BIGINT",    "TIMESTAMPTZ", "USMALLINT"};
    struct random_plan plan = {0};
    struct maker maker = {.random = random, .plan = &plan};
    struct buffer sql;
    buffer_init(&sql, 1 << 16);
    plan.time_type = PICK(&maker, time_types);
    plan.unit = strstr(plan.time_type, "TIME")        ? (die(&maker, 2) ? HOUR_US : 7 * MINUTE_US)
                : strcmp(plan.time_type, "DATE") == 0 ? DAY_US
                                                      : 1;
    plan.in_order = die(&maker, 4) == 0;
    plan.rows = 100 + die(&maker, 300);
    plan.lateness = plan.in_order || die(&maker, 3) == 0 ? 0 : die(&maker, 40) * plan.unit;
    buffer_format(&sql, "CREATE TABLE transactions (id BIGINT PRIMARY KEY, ts %s", plan.time_type);
    for (int k = 0; k < 3; k++)
        buffer_format(&sql, ", k%d %s", k, PICK(&maker, key_types));
    for (int a = 0; a < 4; a++)
        buffer_format(&sql, ", a%d %s", a, PICK(&maker, number_types));
    snprintf(maker.label_type, sizeof maker.label_type, "%s", PICK(&maker, label_types));
    buffer_format(&sql,
                  ", b BOOLEAN, v VARCHAR, c ENUM('red', 'green', 'blue'), d DATE, u TIMESTAMP, y %s%s);\n",
                  maker.label_type, die(&maker, 4) ? " DEFAULT 0" : "");
    buffer_text(&sql, "COMMENT ON COLUMN transactions.y IS 'shrike: label, late after=1 hour';\n");
    plan.create = sql.data;
    plan.n_items = 1 + die(&maker, MAX_ITEMS);
    for (int i = 0; i < plan.n_items; i++)
        item(&maker, &plan.items[i]);
    *ret = plan;
}

void random_plan_done(struct random_plan *plan)
{
    free(plan->create);
    *plan = (struct random_plan){0};
}

char *random_plan_sql(const struct random_plan *plan, const int *items, int n)
{
    struct buffer sql;
    buffer_init(&sql, 1 << 20);
    buffer_text(&sql, plan->create);
    for (int i = 0; i < n; i++) {
        int at = items ? items[i] : i;
        buffer_format(&sql, "%s%s AS f%d", i ? ",\n       " : "SELECT ", plan->items[at].text, at);
    }
    buffer_text(&sql, "\nFROM transactions;\n");
    return sql.data;
}
