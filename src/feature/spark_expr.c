/*
 * Expressions in Spark SQL. Shrike's errors (overflow, a cast that fails) are NULL, so whatever can fail is
 * written with Spark's try_ functions. A template's $1, $2, $3 are the arguments, $t is the result's type.
 */
#include <math.h>
#include <string.h>

#include "base/units.h"
#include "feature/spark.h"

static const char *const CALLS[][3] = {
    /* name, arguments (as kernels.h has them), template */
    {"AND", "bb", "($1 AND $2)"},
    {"OR", "bb", "($1 OR $2)"},
    {"AND THEN", "bb", "($1 AND $2)"},
    {"OR ELSE", "bb", "($1 OR $2)"},
    {"NOT", "b", "(NOT $1)"},
    {"TRY", "", "$1"},
    {"TRY_CAST", "", "$1"},
    {"IS NULL", "", "($1 IS NULL)"},
    {"IS NOT NULL", "", "($1 IS NOT NULL)"},
    {"COALESCE", "", "coalesce($1, $2)"},
    {"IF", "", "CASE WHEN $1 THEN $2 ELSE $3 END"},
    {"hour", "i", "CAST(hour($1) AS BIGINT)"},
    {"minute", "i", "CAST(minute($1) AS BIGINT)"},
    {"second", "i", "CAST(second($1) AS BIGINT)"},
    {"day", "i", "CAST(day($1) AS BIGINT)"},
    {"month", "i", "CAST(month($1) AS BIGINT)"},
    {"quarter", "i", "CAST(quarter($1) AS BIGINT)"},
    {"year", "i", "CAST(year($1) AS BIGINT)"},
    {"dayofyear", "i", "CAST(dayofyear($1) AS BIGINT)"},
    {"dayofweek", "i", "CAST(dayofweek($1) - 1 AS BIGINT)"}, /* Sunday is 0, in Spark 1 */
    {"isodow", "i", "CAST(weekday($1) + 1 AS BIGINT)"},      /* Monday is 1, in Spark 0 */
    {"week", "i", "CAST(weekofyear($1) AS BIGINT)"},
    {"isoyear", "i", "CAST(extract(YEAROFWEEK FROM $1) AS BIGINT)"},
    {"epoch_us", "i", "timestampdiff(MICROSECOND, TIMESTAMP_NTZ'1970-01-01', CAST($1 AS TIMESTAMP_NTZ))"},
    {"epoch", "i",
     "(timestampdiff(MICROSECOND, TIMESTAMP_NTZ'1970-01-01', CAST($1 AS TIMESTAMP_NTZ)) / 1000000D)"},
    {"date_trunc second", "i", "CAST(date_trunc('SECOND', $1) AS $t)"},
    {"date_trunc minute", "i", "CAST(date_trunc('MINUTE', $1) AS $t)"},
    {"date_trunc hour", "i", "CAST(date_trunc('HOUR', $1) AS $t)"},
    {"date_trunc day", "i", "CAST(date_trunc('DAY', $1) AS $t)"},
    {"date_trunc week", "i", "CAST(date_trunc('WEEK', $1) AS $t)"},
    {"date_trunc month", "i", "CAST(date_trunc('MONTH', $1) AS $t)"},
    {"date_trunc quarter", "i", "CAST(date_trunc('QUARTER', $1) AS $t)"},
    {"date_trunc year", "i", "CAST(date_trunc('YEAR', $1) AS $t)"},
    {"date_diff day", "ii", "CAST(datediff(CAST($2 AS DATE), CAST($1 AS DATE)) AS BIGINT)"},
    {"ln", "d", "ln($1)"},
    {"log", "d", "log10($1)"},
    {"log2", "d", "log2($1)"},
    {"exp", "d", "exp($1)"},
    {"sqrt", "d", "CASE WHEN NOT $1 < 0 THEN sqrt($1) END"},
    {"round", "d", "round($1)"},
    /* Spark's floor and ceil give BIGINT; beyond 2^52 a DOUBLE is whole already. */
    {"floor", "d", "CASE WHEN abs($1) < 4503599627370496D THEN CAST(floor($1) AS DOUBLE) ELSE $1 END"},
    {"ceil", "d", "CASE WHEN abs($1) < 4503599627370496D THEN CAST(ceil($1) AS DOUBLE) ELSE $1 END"},
    {"isnan", "d", "CASE WHEN $1 IS NOT NULL THEN isnan($1) END"},
    {"abs", "d", "abs($1)"},
    {"length", "t", "CAST(length($1) AS BIGINT)"},
    {"||", "tt", "concat($1, $2)"},
    {"concat", "t", "coalesce($1, '')"},
    {"concat", "tt", "concat(coalesce($1, ''), coalesce($2, ''))"},
    {"contains", "tt", "contains($1, $2)"},
    {"starts_with", "tt", "startswith($1, $2)"},
    {"ends_with", "tt", "endswith($1, $2)"},
    {"replace", "ttt", "replace($1, $2, $3)"},
};

void spark_identifier(const char *name, struct buffer *out)
{
    buffer_text(out, "`");
    for (; *name; name++)
        buffer_append(out, *name == '`' ? "``" : name, *name == '`' ? 2 : 1);
    buffer_text(out, "`");
}

void spark_string(const char *data, size_t size, struct buffer *out)
{
    buffer_text(out, "'");
    for (size_t i = 0; i < size; i++) {
        bool escaped = data[i] == '\'' || data[i] == '\\';
        buffer_text(out, escaped ? "\\" : "");
        buffer_append(out, data + i, 1);
    }
    buffer_text(out, "'");
}

void spark_type(const struct type *type, struct buffer *out)
{
    static const char *const names[TYPE_COUNT] = {
        [TYPE_BOOLEAN] = "BOOLEAN",
        [TYPE_INT8] = "TINYINT",
        [TYPE_INT16] = "SMALLINT",
        [TYPE_INT32] = "INT",
        [TYPE_INT64] = "BIGINT",
        [TYPE_UINT8] = "SMALLINT",
        [TYPE_UINT16] = "INT",
        [TYPE_UINT32] = "BIGINT",
        [TYPE_UINT64] = "DECIMAL(20,0)",
        [TYPE_HUGEINT] = "DECIMAL(38,0)",
        [TYPE_FLOAT] = "FLOAT",
        [TYPE_DOUBLE] = "DOUBLE",
        [TYPE_VARCHAR] = "STRING",
        [TYPE_ENUM] = "STRING",
        [TYPE_DATE] = "DATE",
        [TYPE_TIMESTAMP] = "TIMESTAMP_NTZ",
        [TYPE_TIMESTAMPTZ] = "TIMESTAMP",
    };
    if (type->id == TYPE_DECIMAL)
        buffer_format(out, "DECIMAL(%d,%d)", type->precision, type->scale);
    else
        buffer_text(out, names[type->id]);
}

/* ---- kinds of types ---- */

static bool is_real(const struct type *type)
{
    return type->id == TYPE_DOUBLE || type->id == TYPE_FLOAT;
}

static bool is_signed(const struct type *type)
{
    return type->id >= TYPE_INT8 && type->id <= TYPE_INT64;
}

/* Integers that Spark keeps as DECIMAL, and DECIMALs. */
static bool is_decimal(const struct type *type)
{
    return type->id == TYPE_DECIMAL || type->id == TYPE_HUGEINT;
}

static bool is_date(const struct type *type)
{
    return type->id == TYPE_DATE || type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMPTZ;
}

static int digits(const struct type *type)
{
    return type->id == TYPE_DECIMAL ? type->precision : 38;
}

/* ---- constants ---- */

static void decimal_constant(__int128 value, const struct type *type, struct buffer *out)
{
    char text[48], *at = text + sizeof text;
    int scale = type->id == TYPE_DECIMAL ? type->scale : 0;
    unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    *--at = 0;
    for (int digit = 0; rest || digit <= scale; digit++) {
        if (digit && digit == scale)
            *--at = '.';
        *--at = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    buffer_format(out, "CAST('%s%s' AS ", value < 0 ? "-" : "", at);
    spark_type(type, out);
    buffer_text(out, ")");
}

/* value: not negative. */
static void real_constant(const struct type *type, double value, struct buffer *out)
{
    if (type->id == TYPE_DOUBLE && isfinite(value))
        buffer_format(out, "%.17gD", value);
    else
        buffer_format(out, "CAST('%.9g' AS %s)", value, type->id == TYPE_DOUBLE ? "DOUBLE" : "FLOAT");
}

static void int_constant(const struct expr *expr, struct buffer *out)
{
    char text[UNITS_TEXT_SIZE];
    size_t size;
    int64_t value = expr->value.integer;
    const char *data;
    switch (expr->type.id) {
    case TYPE_ENUM:
        data = dictionary_text(expr->type.values, (int32_t)value, &size);
        spark_string(data, size, out);
        break;
    case TYPE_DATE:
        buffer_format(out, "DATE'%s'", units_date_text((int32_t)value, text));
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        buffer_format(out, "%s'%s%s'", expr->type.id == TYPE_TIMESTAMP ? "TIMESTAMP_NTZ" : "TIMESTAMP",
                      units_time_text(value, text), expr->type.id == TYPE_TIMESTAMP ? "" : " UTC");
        break;
    case TYPE_DECIMAL:
        decimal_constant(value, &expr->type, out);
        break;
    case TYPE_INT32:
    case TYPE_INT64:
        if (value > INT32_MIN) {
            const char *suffix = expr->type.id == TYPE_INT64 ? "L" : "";
            buffer_format(out, value < 0 ? "(%lld%s)" : "%lld%s", (long long)value, suffix);
            break;
        }
        /* The lowest number is no literal: -n is the negative of n. */
        __attribute__((fallthrough));
    default:
        buffer_format(out, "CAST('%lld' AS ", (long long)value);
        spark_type(&expr->type, out);
        buffer_text(out, ")");
    }
}

static int constant(struct spark *spark, const struct expr *expr, struct buffer *out)
{
    /* Spark has neither infinite times nor years of more than four digits in its text. */
    if (is_date(&expr->type) && !expr->is_null) {
        int64_t day = expr->type.id == TYPE_DATE ? expr->value.integer : expr->value.integer / DAY_US;
        if (day < units_days(1, 1, 1) || day > units_days(9999, 12, 31))
            return spark_refuse(spark, NULL, "a date outside of the years 1 to 9999");
    }
    if (expr->rep == REP_INTERVAL)
        return spark_refuse(spark, NULL, "an INTERVAL");
    if (expr->is_null) {
        buffer_text(out, "CAST(NULL AS ");
        spark_type(&expr->type, out);
        buffer_text(out, ")");
    } else if (expr->rep == REP_BOOLEAN) {
        buffer_text(out, expr->value.boolean ? "true" : "false");
    } else if (expr->rep == REP_WIDE) {
        decimal_constant(expr->value.wide, &expr->type, out);
    } else if (expr->rep == REP_DOUBLE) {
        bool negative = signbit(expr->value.real);
        buffer_text(out, negative ? "(-" : "");
        real_constant(&expr->type, fabs(expr->value.real), out);
        buffer_text(out, negative ? ")" : "");
    } else if (expr->rep == REP_TEXT) {
        spark_string(expr->value.text.data, expr->value.text.size, out);
    } else {
        int_constant(expr, out);
    }
    return OK;
}

/* ---- calls ---- */

static int expand(struct spark *spark, const struct expr *expr, const char *template, struct buffer *out)
{
    int rc = OK;
    for (const char *at = template; rc == OK && *at; at++) {
        if (*at != '$') {
            buffer_append(out, at, 1);
        } else if (*++at == 't') {
            spark_type(&expr->type, out);
        } else {
            rc = spark_expr(spark, expr->args[*at - '1'], out);
        }
    }
    return rc;
}

static int refuse_call(struct spark *spark, const struct expr *expr)
{
    const char *name = expr_name(expr);
    char types[256] = "", one[4096];
    for (int i = 0; i < expr->n_args; i++) {
        size_t n = strlen(types);
        snprintf(types + n, sizeof types - n, "%s%.60s", i ? ", " : "",
                 type_text(&expr->args[i]->type, one, sizeof one));
    }
    return spark_refuse(spark, name, "%s(%s)", name, types);
}

static bool is_constant(const struct expr *expr)
{
    return expr->kind == EXPR_CONSTANT && !expr->is_null;
}

static bool is_zero(const struct expr *expr)
{
    return is_constant(expr) && (expr->rep == REP_DOUBLE ? expr->value.real == 0
                                 : expr->rep == REP_WIDE ? expr->value.wide == 0
                                                         : expr->value.integer == 0);
}

/* nullif(x, 0) or a cast of it, or a constant that is not 0. */
static bool is_never_zero(const struct expr *expr)
{
    if (expr->kind == EXPR_CONSTANT)
        return expr->is_null || !is_zero(expr);
    if (expr->kind != EXPR_CALL)
        return false;
    if (strcmp(expr_name(expr), "CAST") == 0 && expr->rep == REP_DOUBLE)
        return is_never_zero(expr->args[0]);
    if (strcmp(expr_name(expr), "IF") != 0)
        return false;
    const struct expr *when = expr->args[0], *then = expr->args[1];
    return then->kind == EXPR_CONSTANT && then->is_null && when->kind == EXPR_CALL &&
           strcmp(expr_name(when), "COMPARE_EQUAL") == 0 && when->args[0] == expr->args[2] &&
           is_zero(when->args[1]);
}

/* Spark gives NULL for x / 0, Shrike what the hardware gives: x times an infinity of the divisor's sign. */
static int division(struct spark *spark, const struct expr *expr, struct buffer *out)
{
    if (is_never_zero(expr->args[1]))
        return expand(spark, expr, "($1 / $2)", out);
    return expand(spark, expr,
                  "CASE WHEN $2 = 0 THEN $1 * CAST(CASE WHEN CAST($2 AS STRING) = '-0.0' THEN '-Infinity' "
                  "ELSE 'Infinity' END AS $t) ELSE $1 / $2 END",
                  out);
}

/* epoch(a - b) of two times: Spark's intervals differ, the time between does not. */
static bool is_time_between(const struct expr *expr)
{
    const struct expr *minus = expr->args[0];
    return minus->kind == EXPR_CALL && minus->n_args == 2 && minus->rep == REP_INTERVAL &&
           strcmp(expr_name(minus), "-") == 0 && is_date(&minus->args[0]->type) &&
           is_date(&minus->args[1]->type);
}

static const char *real_template(const char *name)
{
    static const char *const templates[][2] = {{"+", "($1 + $2)"}, {"-", "($1 - $2)"}, {"*", "($1 * $2)"}};
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (strcmp(name, templates[i][0]) == 0)
            return templates[i][1];
    return NULL;
}

/* The lowest BIGINT by -1 wraps around in Spark: only where the divisor is known. */
static const char *integer_template(const struct expr *expr, const char *name)
{
    bool narrow = expr->type.id < TYPE_INT64;
    bool known = is_constant(expr->args[1]) && expr->args[1]->value.integer != -1;
    if (strcmp(name, "+") == 0)
        return "try_add($1, $2)";
    if (strcmp(name, "-") == 0)
        return "try_subtract($1, $2)";
    if (strcmp(name, "*") == 0)
        return "try_multiply($1, $2)";
    if (strcmp(name, "//") == 0 && (narrow || known))
        return "try_cast($1 div $2 AS $t)";
    return strcmp(name, "%") == 0 && (narrow || known) ? "($1 % $2)" : NULL;
}

static const char *decimal_template(const struct expr *expr, const char *name)
{
    if (strcmp(name, "+") == 0)
        return "try_cast(try_add($1, $2) AS $t)";
    if (strcmp(name, "-") == 0)
        return "try_cast(try_subtract($1, $2) AS $t)";
    /* Beyond 38 digits Spark gives up some behind the point. */
    bool whole = expr->type.id == TYPE_HUGEINT;
    bool fits = whole || digits(&expr->args[0]->type) + digits(&expr->args[1]->type) < 38;
    return strcmp(name, "*") == 0 && fits ? "try_cast(try_multiply($1, $2) AS $t)" : NULL;
}

static bool all(const struct expr *expr, bool (*is)(const struct type *))
{
    bool fine = is(&expr->type);
    for (int i = 0; i < expr->n_args; i++)
        fine &= is(&expr->args[i]->type);
    return fine;
}

static const char *unary_template(const struct expr *expr, const char *name)
{
    bool minus = strcmp(name, "-") == 0, absolute = strcmp(name, "abs") == 0;
    if (minus && all(expr, is_signed))
        return "try_subtract(CAST(0 AS $t), $1)";
    if (absolute && all(expr, is_signed))
        return "CASE WHEN $1 < 0 THEN try_subtract(CAST(0 AS $t), $1) ELSE $1 END";
    if (minus && (all(expr, is_real) || all(expr, is_decimal)))
        return "(-$1)";
    if (absolute && all(expr, is_decimal))
        return "abs($1)";
    if (strcmp(name, "round") == 0 && all(expr, is_decimal))
        return "try_cast(round($1) AS $t)";
    return NULL;
}

/* +, -, *, //, % of two numbers of like types. */
static const char *binary_template(const struct expr *expr, const char *name)
{
    if (all(expr, is_real))
        return real_template(name);
    if (all(expr, is_signed))
        return integer_template(expr, name);
    return all(expr, is_decimal) ? decimal_template(expr, name) : NULL;
}

static bool is_enum(const struct type *type)
{
    return type->id == TYPE_ENUM;
}

static const char *comparison_template(const struct expr *expr, const char *name)
{
    static const struct {
        const char *name, *template;
        bool equality;
    } templates[] = {
        {"COMPARE_EQUAL", "($1 = $2)", true},
        {"COMPARE_NOTEQUAL", "($1 <> $2)", true},
        {"COMPARE_NOT_DISTINCT_FROM", "($1 <=> $2)", true},
        {"COMPARE_DISTINCT_FROM", "(NOT $1 <=> $2)", true},
        {"COMPARE_LESSTHAN", "($1 < $2)", false},
        {"COMPARE_GREATERTHAN", "($1 > $2)", false},
        {"COMPARE_LESSTHANOREQUALTO", "($1 <= $2)", false},
        {"COMPARE_GREATERTHANOREQUALTO", "($1 >= $2)", false},
        {"greatest", "greatest($1, $2)", false},
        {"least", "least($1, $2)", false},
    };
    bool text = is_enum(&expr->args[0]->type) || is_enum(&expr->args[1]->type);
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        if (strcmp(name, templates[i].name) == 0 && (templates[i].equality || !text))
            return templates[i].template;
    return NULL;
}

/* Functions that are the same for some constants only. */
static const char *constant_template(const struct expr *expr, const char *name)
{
    const struct expr *second = expr->n_args > 1 ? expr->args[1] : NULL;
    const struct expr *third = expr->n_args > 2 ? expr->args[2] : NULL;
    bool like = strcmp(name, "~~") == 0, unlike = strcmp(name, "!~~") == 0;
    if ((like || unlike) && is_constant(second)) /* a backslash escapes in Spark */
        return memchr(second->value.text.data, '\\', second->value.text.size) ? NULL
               : like                                                         ? "($1 LIKE $2)"
                                                                              : "($1 NOT LIKE $2)";
    bool from_one = second && is_constant(second) && second->rep == REP_INT && second->value.integer >= 1 &&
                    second->value.integer <= INT32_MAX;
    if (strcmp(name, "substring") != 0 || !from_one)
        return NULL;
    if (!third)
        return "substring($1, CAST($2 AS INT))";
    bool length = is_constant(third) && third->value.integer >= 0 && third->value.integer <= INT32_MAX;
    return length ? "substring($1, CAST($2 AS INT), CAST($3 AS INT))" : NULL;
}

/* ---- casts ---- */

static const char *cast_from_real(const struct type *to)
{
    /* Both round half to even; what the type cannot hold is NULL. */
    if (to->id == TYPE_INT32 || to->id == TYPE_INT64)
        return "try_cast(rint($1) AS $t)";
    if (to->id == TYPE_BOOLEAN)
        return "($1 <> 0)";
    return to->id == TYPE_DOUBLE ? "CAST($1 AS $t)" : NULL;
}

static const char *cast_from_number(const struct type *from, const struct type *to)
{
    if (to->id == TYPE_BOOLEAN)
        return "($1 <> 0)";
    if (is_signed(to) && from->id == TYPE_DECIMAL)
        return "try_cast(round($1) AS $t)"; /* half away from zero, as there */
    if (is_signed(from) && is_signed(to) && to->id > from->id)
        return "CAST($1 AS $t)";
    if (is_signed(to) || is_decimal(to))
        return "try_cast($1 AS $t)";
    if (to->id == TYPE_VARCHAR && from->id != TYPE_DECIMAL)
        return "CAST($1 AS STRING)";
    return to->id == TYPE_DOUBLE ? "CAST($1 AS $t)" : NULL;
}

static const char *cast_template(const struct type *from, const struct type *to)
{
    bool narrow_unsigned = from->id == TYPE_UINT8 || from->id == TYPE_UINT16 || from->id == TYPE_UINT32;
    if (is_real(from))
        return cast_from_real(to);
    if (is_signed(from) || is_decimal(from) || narrow_unsigned || from->id == TYPE_UINT64)
        return cast_from_number(from, to);
    if (from->id == TYPE_BOOLEAN &&
        (is_signed(to) || is_decimal(to) || is_real(to) || to->id == TYPE_VARCHAR))
        return "CAST($1 AS $t)";
    if (is_date(from) && is_date(to))
        return "CAST($1 AS $t)";
    if (from->id == TYPE_DATE && to->id == TYPE_VARCHAR)
        return "CAST($1 AS $t)";
    return from->id == TYPE_ENUM && to->id == TYPE_VARCHAR ? "$1" : NULL;
}

/* ---- the whole ---- */

static const char *listed_template(const struct expr *expr, const char *name)
{
    static const char letters[] = "biwdtv";
    char args[4] = {0};
    for (int i = 0; i < expr->n_args; i++)
        args[i] = letters[expr->args[i]->rep];
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
        if (strcmp(CALLS[i][0], name) == 0 && (!*CALLS[i][1] || strcmp(CALLS[i][1], args) == 0))
            return CALLS[i][2];
    return NULL;
}

static int call(struct spark *spark, const struct expr *expr, struct buffer *out)
{
    const char *name = expr_name(expr), *template = NULL;
    if (strcmp(name, "CAST") == 0) {
        template = cast_template(&expr->args[0]->type, &expr->type);
        if (!template) {
            char from[4096], to[4096];
            return spark_refuse(spark, NULL, "a cast from %.80s to %.80s",
                                type_text(&expr->args[0]->type, from, sizeof from),
                                type_text(&expr->type, to, sizeof to));
        }
        return expand(spark, expr, template, out);
    }
    if (expr->n_args == 2 && strcmp(name, "/") == 0 && all(expr, is_real))
        return division(spark, expr, out);
    if (expr->n_args == 1 && strcmp(name, "epoch") == 0 && is_time_between(expr))
        return expand(spark, expr->args[0], "(timestampdiff(MICROSECOND, $2, $1) / 1000000D)", out);
    template = listed_template(expr, name);
    if (!template && expr->n_args == 1)
        template = unary_template(expr, name);
    if (!template && expr->n_args == 2)
        template = comparison_template(expr, name);
    if (!template && expr->n_args == 2)
        template = binary_template(expr, name);
    if (!template)
        template = constant_template(expr, name);
    return template ? expand(spark, expr, template, out) : refuse_call(spark, expr);
}

int spark_expr(struct spark *spark, const struct expr *expr, struct buffer *out)
{
    if (out->failed)
        return buffer_check(out, "the query", spark->error);
    if (expr->kind == EXPR_CONSTANT)
        return constant(spark, expr, out);
    if (expr->kind == EXPR_CALL)
        return call(spark, expr, out);
    if (expr->kind == EXPR_WINDOW) {
        buffer_format(out, "shrike_w%d", expr->index);
        return OK;
    }
    spark->columns[expr->index] = true;
    spark_identifier(spark->plan->events->fields[expr->index].name, out);
    return OK;
}
