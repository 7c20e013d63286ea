/* Bound expressions as SQL text: for constants, which DuckDB evaluates, and for the oracle's queries. */
#include <string.h>

#include "base/limits.h"
#include "feature/parse.h"

static const struct {
    const char *bound, *sql;
} comparisons[] = {
    {"COMPARE_EQUAL", "="},
    {"COMPARE_NOTEQUAL", "<>"},
    {"COMPARE_LESSTHAN", "<"},
    {"COMPARE_GREATERTHAN", ">"},
    {"COMPARE_LESSTHANOREQUALTO", "<="},
    {"COMPARE_GREATERTHANOREQUALTO", ">="},
    {"COMPARE_DISTINCT_FROM", "IS DISTINCT FROM"},
    {"COMPARE_NOT_DISTINCT_FROM", "IS NOT DISTINCT FROM"},
};

static int print(yyjson_val *bound, const struct sql_context *context, int depth, struct buffer *out,
                 struct error *error);

void parse_print_column_type(const struct type *type, struct buffer *out)
{
    char text[64];
    if (type->id != TYPE_ENUM) {
        buffer_text(out, type_text(type, text, sizeof text));
        return;
    }
    buffer_text(out, "ENUM(");
    for (int32_t code = 0; code < dictionary_size(type->values); code++) {
        size_t size;
        const char *value = dictionary_text(type->values, code, &size);
        buffer_text(out, code ? ", '" : "'");
        for (size_t i = 0; i < size; i++) {
            buffer_append(out, value + i, 1);
            if (value[i] == '\'')
                buffer_append(out, "'", 1);
        }
        buffer_text(out, "'");
    }
    buffer_text(out, ")");
}

int parse_print_type(yyjson_val *type, struct buffer *out, struct error *error)
{
    const char *id = tree_text(type, "id");
    yyjson_val *info = yyjson_obj_get(type, "type_info");
    if (strcmp(id, "DECIMAL") == 0) {
        buffer_format(out, "DECIMAL(%d,%d)", yyjson_get_int(yyjson_obj_get(info, "width")),
                      yyjson_get_int(yyjson_obj_get(info, "scale")));
    } else if (strcmp(id, "ENUM") == 0) {
        yyjson_val *values = yyjson_obj_get(info, "values");
        buffer_text(out, "ENUM(");
        yyjson_arr_iter iter = yyjson_arr_iter_with(values);
        int n = 0;
        for (yyjson_val *value; (value = yyjson_arr_iter_next(&iter));) {
            buffer_text(out, n++ ? ", " : "");
            duck_literal(out, yyjson_get_str(value));
        }
        buffer_text(out, ")");
    } else if (info && !yyjson_is_null(info)) {
        return error_set(error, CODE_UNSUPPORTED, "type %s is not supported", id);
    } else {
        buffer_text(out, id);
    }
    return OK;
}

/* value / 10^scale with all its digits: '2.5' for 25 and scale 1. */
static void print_decimal(yyjson_val *value, int scale, struct buffer *out)
{
    char text[48], *at = text + sizeof text;
    __int128 number =
        yyjson_is_obj(value)
            ? (__int128)((unsigned __int128)yyjson_get_sint(yyjson_obj_get(value, "upper")) << 64 |
                         yyjson_get_uint(yyjson_obj_get(value, "lower")))
            : yyjson_get_sint(value);
    unsigned __int128 rest = number < 0 ? -(unsigned __int128)number : (unsigned __int128)number;
    *--at = 0;
    for (int digit = 0; rest || digit <= scale; digit++) {
        if (digit && digit == scale)
            *--at = '.';
        *--at = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    buffer_format(out, "'%s%s'", number < 0 ? "-" : "", at);
}

static int print_wide(yyjson_val *value, struct buffer *out)
{
    /* HUGEINT comes as {upper, lower}; printed as a sum so that no 128-bit text conversion is needed. */
    buffer_format(out,
                  "(CAST(%lld AS HUGEINT) * CAST(18446744073709551616 AS HUGEINT) + CAST(%llu AS HUGEINT))",
                  (long long)yyjson_get_sint(yyjson_obj_get(value, "upper")),
                  (unsigned long long)yyjson_get_uint(yyjson_obj_get(value, "lower")));
    return OK;
}

static int print_constant(yyjson_val *bound, struct buffer *out, struct error *error)
{
    yyjson_val *holder = yyjson_obj_get(bound, "value"), *type = yyjson_obj_get(holder, "type");
    yyjson_val *value = yyjson_obj_get(holder, "value");
    const char *id = tree_text(type, "id");
    if (yyjson_get_bool(yyjson_obj_get(holder, "is_null"))) {
        if (strcmp(id, "NULL") == 0) {
            buffer_text(out, "NULL");
            return OK;
        }
        buffer_text(out, "CAST(NULL AS ");
        int rc = parse_print_type(type, out, error);
        buffer_text(out, ")");
        return rc;
    }
    if (strcmp(id, "DECIMAL") == 0) {
        int scale = yyjson_get_int(yyjson_obj_get(yyjson_obj_get(type, "type_info"), "scale"));
        buffer_text(out, "CAST(");
        print_decimal(value, scale, out);
        buffer_text(out, " AS ");
        int rc = parse_print_type(type, out, error);
        buffer_text(out, ")");
        return rc;
    }
    if (yyjson_is_obj(value)) {
        if (strcmp(id, "HUGEINT") != 0)
            return error_set(error, CODE_UNSUPPORTED, "constants of type %s are not supported", id);
        return print_wide(value, out);
    }
    buffer_text(out, "CAST(");
    if (yyjson_is_str(value))
        duck_literal(out, yyjson_get_str(value));
    else if (yyjson_is_bool(value))
        buffer_text(out, yyjson_get_bool(value) ? "true" : "false");
    else if (yyjson_is_real(value))
        buffer_format(out, "%.17e", yyjson_get_real(value));
    else if (yyjson_is_uint(value))
        buffer_format(out, "%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_sint(value))
        buffer_format(out, "(%lld)", (long long)yyjson_get_sint(value));
    else
        return error_set(error, CODE_UNSUPPORTED, "constants of type %s are not supported", id);
    buffer_text(out, " AS ");
    int rc = parse_print_type(type, out, error);
    buffer_text(out, ")");
    return rc;
}

static int print_list(yyjson_val *list, const char *separator, const struct sql_context *context, int depth,
                      struct buffer *out, struct error *error)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    int rc = OK, n = 0;
    for (yyjson_val *item; rc == OK && (item = yyjson_arr_iter_next(&iter));) {
        buffer_text(out, n++ ? separator : "");
        rc = print(item, context, depth, out, error);
    }
    return rc;
}

static int print_call(yyjson_val *bound, const struct sql_context *context, int depth, struct buffer *out,
                      struct error *error)
{
    yyjson_val *children = yyjson_obj_get(bound, "children");
    const char *name = tree_text(bound, "name");
    size_t n = yyjson_arr_size(children);
    /* What DuckDB's binder puts around compared intervals, and does itself where it reads them back. */
    if (strcmp(name, "normalized_interval") == 0)
        return print(yyjson_arr_get(children, 0), context, depth, out, error);
    bool infix = yyjson_get_bool(yyjson_obj_get(bound, "is_operator"));
    int rc;
    if (infix && n == 2) {
        char separator[LIMIT_NAME + 3];
        snprintf(separator, sizeof separator, " %s ", name);
        buffer_text(out, "(");
        rc = print_list(children, separator, context, depth, out, error);
    } else if (infix) {
        buffer_format(out, "(%s ", name);
        rc = print_list(children, ", ", context, depth, out, error);
    } else {
        duck_identifier(out, name);
        buffer_text(out, "(");
        rc = print_list(children, ", ", context, depth, out, error);
    }
    buffer_text(out, ")");
    return rc;
}

/* Read back, a DECIMAL function's arguments are casts already, which makes its result wider: cast to what it
 * was. */
static int print_function(yyjson_val *bound, const struct sql_context *context, int depth, struct buffer *out,
                          struct error *error)
{
    yyjson_val *type = yyjson_obj_get(bound, "return_type");
    bool decimal = strcmp(tree_text(type, "id"), "DECIMAL") == 0;
    buffer_text(out, decimal ? "CAST(" : "");
    int rc = print_call(bound, context, depth, out, error);
    buffer_text(out, decimal ? " AS " : "");
    if (rc == OK && decimal)
        rc = parse_print_type(type, out, error);
    buffer_text(out, decimal ? ")" : "");
    return rc;
}

static int print_operator(yyjson_val *bound, const struct sql_context *context, int depth, struct buffer *out,
                          struct error *error)
{
    yyjson_val *children = yyjson_obj_get(bound, "children"), *first = yyjson_arr_get(children, 0);
    const char *type = tree_text(bound, "type");
    int rc;
    buffer_text(out, "(");
    if (strcmp(type, "OPERATOR_IS_NULL") == 0 || strcmp(type, "OPERATOR_IS_NOT_NULL") == 0) {
        rc = print(first, context, depth, out, error);
        buffer_text(out, strcmp(type, "OPERATOR_IS_NULL") == 0 ? " IS NULL" : " IS NOT NULL");
    } else if (strcmp(type, "OPERATOR_NOT") == 0) {
        buffer_text(out, "NOT ");
        rc = print(first, context, depth, out, error);
    } else if (strcmp(type, "OPERATOR_COALESCE") == 0 || strcmp(type, "OPERATOR_TRY") == 0) {
        buffer_text(out, strcmp(type, "OPERATOR_TRY") == 0 ? "TRY(" : "coalesce(");
        rc = print_list(children, ", ", context, depth, out, error);
        buffer_text(out, ")");
    } else if (strcmp(type, "COMPARE_IN") == 0 || strcmp(type, "COMPARE_NOT_IN") == 0) {
        rc = print(first, context, depth, out, error);
        buffer_text(out, strcmp(type, "COMPARE_IN") == 0 ? " IN (" : " NOT IN (");
        for (size_t i = 1; rc == OK && i < yyjson_arr_size(children); i++) {
            buffer_text(out, i > 1 ? ", " : "");
            rc = print(yyjson_arr_get(children, i), context, depth, out, error);
        }
        buffer_text(out, ")");
    } else {
        rc = error_set(error, CODE_UNSUPPORTED, "%s is not supported", type);
    }
    buffer_text(out, ")");
    return rc;
}

static int print_case(yyjson_val *bound, const struct sql_context *context, int depth, struct buffer *out,
                      struct error *error)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(bound, "case_checks"));
    int rc = OK;
    buffer_text(out, "CASE");
    for (yyjson_val *check; rc == OK && (check = yyjson_arr_iter_next(&iter));) {
        buffer_text(out, " WHEN ");
        rc = print(yyjson_obj_get(check, "when_expr"), context, depth, out, error);
        buffer_text(out, " THEN ");
        if (rc == OK)
            rc = print(yyjson_obj_get(check, "then_expr"), context, depth, out, error);
    }
    buffer_text(out, " ELSE ");
    if (rc == OK)
        rc = print(yyjson_obj_get(bound, "else_expr"), context, depth, out, error);
    buffer_text(out, " END");
    return rc;
}

static int print_binary(yyjson_val *bound, const char *sql, const struct sql_context *context, int depth,
                        struct buffer *out, struct error *error)
{
    buffer_text(out, "(");
    int rc = print(yyjson_obj_get(bound, "left"), context, depth, out, error);
    buffer_format(out, " %s ", sql);
    if (rc == OK)
        rc = print(yyjson_obj_get(bound, "right"), context, depth, out, error);
    buffer_text(out, ")");
    return rc;
}

static int print(yyjson_val *bound, const struct sql_context *context, int depth, struct buffer *out,
                 struct error *error)
{
    const char *class = tree_text(bound, "expression_class"), *type = tree_text(bound, "type");
    if (depth >= LIMIT_EXPRESSION_DEPTH)
        return error_set(error, CODE_LIMIT, "expressions nest deeper than %d", LIMIT_EXPRESSION_DEPTH);
    depth++;
    if (strcmp(class, "BOUND_CONSTANT") == 0)
        return print_constant(bound, out, error);
    if (strcmp(class, "BOUND_FUNCTION") == 0)
        return print_function(bound, context, depth, out, error);
    if (strcmp(class, "BOUND_OPERATOR") == 0)
        return print_operator(bound, context, depth, out, error);
    if (strcmp(class, "BOUND_CASE") == 0)
        return print_case(bound, context, depth, out, error);
    if (strcmp(class, "BOUND_REF") == 0 && context) {
        context->reference(context->context, yyjson_get_sint(yyjson_obj_get(bound, "index")), out);
        return OK;
    }
    if (strcmp(class, "BOUND_CAST") == 0) {
        buffer_text(out, yyjson_get_bool(yyjson_obj_get(bound, "try_cast")) ? "TRY_CAST(" : "CAST(");
        int rc = print(yyjson_obj_get(bound, "child"), context, depth, out, error);
        buffer_text(out, " AS ");
        if (rc == OK)
            rc = parse_print_type(yyjson_obj_get(bound, "return_type"), out, error);
        buffer_text(out, ")");
        return rc;
    }
    if (strcmp(class, "BOUND_CONJUNCTION") == 0) {
        buffer_text(out, "(");
        int rc =
            print_list(yyjson_obj_get(bound, "children"),
                       strcmp(type, "CONJUNCTION_AND") == 0 ? " AND " : " OR ", context, depth, out, error);
        buffer_text(out, ")");
        return rc;
    }
    if (strcmp(class, "BOUND_COMPARISON") == 0)
        for (size_t i = 0; i < sizeof comparisons / sizeof *comparisons; i++)
            if (strcmp(type, comparisons[i].bound) == 0)
                return print_binary(bound, comparisons[i].sql, context, depth, out, error);
    return error_set(error, CODE_UNSUPPORTED, "%s is not supported", *type ? type : class);
}

int parse_print(yyjson_val *bound, const struct sql_context *context, struct buffer *out, struct error *error)
{
    return print(bound, context, 0, out, error);
}
