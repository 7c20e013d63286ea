#include "differential/random_maker.h"

void make_text(struct maker *maker, int depth, struct buffer *out)
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
    if (maker->windows && die(maker, 4) == 0) {
        make_text_window(maker, out);
    } else if (maker->inner && die(maker, 3) == 0) {
        maker->has_window = true;
        buffer_text(out, "i3");
    } else if (kind == 0) {
        buffer_text(out, "v");
    } else if (kind == 1) {
        buffer_text(out, "CASE WHEN ");
        make_truth(maker, depth - 1, out);
        buffer_text(out, " THEN v ELSE 'it''s' END");
    } else {
        buffer_text(out, PICK(maker, simple));
    }
}

void make_moment(struct maker *maker, struct buffer *out)
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
    make_number(maker, depth - 1, out);
    buffer_format(out, "%s", *cast ? cast : "");
    if (second) {
        buffer_text(out, ", ");
        if (*second)
            buffer_text(out, second);
        else
            make_number(maker, depth - 1, out);
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
    int kind = die(maker, 10), inner = die(maker, 4);
    if (maker->windows && kind < 4) {
        make_number_window(maker, out);
    } else if (maker->inner && kind < 5) {
        maker->uses_inexact |= inner == 2 && maker->inner_inexact;
        maker->has_window |= inner < 3;
        buffer_format(out, "i%d", inner < 3 ? inner : 5);
    } else if (kind < 8) {
        buffer_format(out, "a%d", die(maker, 4));
    } else if (kind == 8) {
        buffer_text(out, "x");
    } else {
        buffer_text(out, PICK(maker, literals));
    }
}

static void choice(struct maker *maker, int depth, struct buffer *out)
{
    bool simple = die(maker, 3) == 0;
    buffer_text(out, "CASE ");
    if (simple) {
        make_number(maker, depth - 1, out);
        buffer_text(out, " WHEN 1 THEN ");
        make_number(maker, depth - 1, out);
        buffer_text(out, " WHEN 2");
    } else {
        buffer_text(out, "WHEN ");
        make_truth(maker, depth - 1, out);
    }
    buffer_text(out, " THEN ");
    make_number(maker, depth - 1, out);
    if (die(maker, 4)) {
        buffer_text(out, " ELSE ");
        make_number(maker, depth - 1, out);
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
        make_number(maker, depth - 1, out);
        buffer_format(out, " AS %s) %% CAST(", type);
        make_number(maker, depth - 1, out);
        buffer_format(out, " AS %s))", type);
        return;
    }
    buffer_text(out, "(");
    make_number(maker, depth - 1, out);
    buffer_format(out, " %s ", PICK(maker, operators));
    make_number(maker, depth - 1, out);
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
        make_truth(maker, depth - 1, out);
    else
        make_number(maker, depth - 1, out);
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
    make_moment(maker, out);
    buffer_text(out, ")");
}

void make_number(struct maker *maker, int depth, struct buffer *out)
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
    make_number(maker, depth - 1, out);
    if (kind == 0) {
        buffer_text(out, die(maker, 2) ? " IN (1, 2, " : " NOT IN (0, ");
        make_number(maker, 0, out);
        buffer_text(out, ")");
    } else if (kind == 1) {
        buffer_text(out, die(maker, 2) ? " BETWEEN -1 AND " : " NOT BETWEEN 0 AND ");
        make_number(maker, depth - 1, out);
    } else if (kind == 2) {
        buffer_text(out, die(maker, 2) ? " IS NULL" : " IS NOT NULL");
    } else {
        buffer_format(out, " %s ", PICK(maker, operators));
        make_number(maker, depth - 1, out);
    }
    buffer_text(out, ")");
}

void make_truth(struct maker *maker, int depth, struct buffer *out)
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
    if (maker->windows && die(maker, 6) == 0) {
        make_truth_window(maker, out);
        return;
    }
    if (maker->inner && die(maker, 4) == 0) {
        maker->has_window = true;
        buffer_text(out, "i4");
        return;
    }
    if (depth <= 0) {
        buffer_text(out, PICK(maker, leaves));
        return;
    }
    switch (die(maker, 7)) {
    case 0:
    case 1:
        buffer_text(out, "(");
        make_truth(maker, depth - 1, out);
        buffer_text(out, die(maker, 2) ? " AND " : " OR ");
        make_truth(maker, depth - 1, out);
        buffer_text(out, ")");
        break;
    case 2:
        buffer_text(out, "(NOT ");
        make_truth(maker, depth - 1, out);
        buffer_text(out, ")");
        break;
    case 3:
        buffer_text(out, "coalesce(");
        make_truth(maker, depth - 1, out);
        buffer_text(out, ", b)");
        break;
    case 4:
        buffer_text(out, PICK(maker, leaves));
        break;
    default:
        truth_of_numbers(maker, depth, out);
    }
}
