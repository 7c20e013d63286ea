/* Bound expressions of DuckDB to struct expr. Types are DuckDB's; only representations and functions are
 * chosen here. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "feature/compile.h"
#include "feature/findings.h"
#include "feature/kernels.h"

int bind_refuse(const struct binder *binder, const char *function, enum code code, struct error *error,
                const char *format, ...)
{
    char message[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    error_set(error, code, "%s", message);
    int first = 0;
    uint64_t place = function && binder->item ? parse_find_call(binder->item, function, &first) : UINT64_MAX;
    if (place == UINT64_MAX && binder->item)
        place = parse_location(binder->item);
    parse_place(binder->parsed, place, error);
    return (int)code;
}

int bind_note(struct binder *binder, int rc, const struct error *error)
{
    bool blamed = binder->blamed;
    binder->blamed = false;
    if (rc != CODE_INVALID && rc != CODE_UNSUPPORTED && rc != CODE_LIMIT)
        return rc;
    return blamed || findings_add(binder->findings, error) ? OK : CODE_MEMORY;
}

static bool same_type(const struct type *a, const struct type *b)
{
    return a->id == b->id && a->precision == b->precision && a->scale == b->scale &&
           (a->id != TYPE_ENUM || a->values == b->values);
}

static bool same_value(const struct expr *a, const struct expr *b)
{
    if (a->is_null || b->is_null)
        return a->is_null == b->is_null;
    if (a->rep == REP_TEXT)
        return a->value.text.size == b->value.text.size &&
               memcmp(a->value.text.data, b->value.text.data, a->value.text.size) == 0;
    return memcmp(&a->value, &b->value, rep_width(a->rep)) == 0;
}

static bool same_expr(const struct expr *a, const struct expr *b)
{
    if (a->kind != b->kind || a->rep != b->rep || !same_type(&a->type, &b->type) || a->n_args != b->n_args)
        return false;
    if (a->kind == EXPR_CONSTANT)
        return same_value(a, b);
    if (a->kind != EXPR_CALL)
        return a->index == b->index;
    for (int i = 0; i < a->n_args; i++)
        if (a->args[i] != b->args[i])
            return false;
    return a->run == b->run;
}

struct expr *bind_intern(struct plan *plan, const struct expr *expr)
{
    for (size_t i = 0; i < plan->n_exprs; i++)
        if (same_expr(plan->exprs[i], expr))
            return plan->exprs[i];
    struct expr *copy = arena_new(&plan->arena, 1, sizeof *copy);
    if (!copy || !memory_grow(&plan->exprs, &plan->exprs_capacity, plan->n_exprs + 1, sizeof *plan->exprs))
        return NULL;
    *copy = *expr;
    copy->id = (int)plan->n_exprs;
    for (int i = 0; i < copy->n_args; i++) {
        copy->late |= copy->args[i]->late;
        copy->level = copy->args[i]->level > copy->level ? copy->args[i]->level : copy->level;
        copy->depth = copy->args[i]->depth >= copy->depth ? copy->args[i]->depth + 1 : copy->depth;
    }
    plan->exprs[plan->n_exprs++] = copy;
    return copy;
}

bool bind_inputs(struct binder *binder, size_t n)
{
    return memory_grow(&binder->inputs, &binder->inputs_capacity, n + 1, sizeof *binder->inputs);
}

int bind_add(struct binder *binder, const struct expr *expr, struct expr **ret, struct error *error)
{
    struct expr *known = bind_intern(binder->plan, expr);
    if (!known)
        return error_set(error, CODE_MEMORY, "no memory for an expression");
    if (known->depth > LIMIT_EXPRESSION_CHAIN)
        return bind_refuse(binder, NULL, CODE_LIMIT, error, "an expression is a chain of more than %d calls",
                           LIMIT_EXPRESSION_CHAIN);
    *ret = known;
    return OK;
}

int bind_type(yyjson_val *type, struct type *ret, struct plan *plan, struct error *error)
{
    static const struct {
        const char *name;
        enum type_id id;
    } names[] = {
        {"BOOLEAN", TYPE_BOOLEAN},   {"TINYINT", TYPE_INT8},
        {"SMALLINT", TYPE_INT16},    {"INTEGER", TYPE_INT32},
        {"BIGINT", TYPE_INT64},      {"UTINYINT", TYPE_UINT8},
        {"USMALLINT", TYPE_UINT16},  {"UINTEGER", TYPE_UINT32},
        {"UBIGINT", TYPE_UINT64},    {"HUGEINT", TYPE_HUGEINT},
        {"FLOAT", TYPE_FLOAT},       {"DOUBLE", TYPE_DOUBLE},
        {"DECIMAL", TYPE_DECIMAL},   {"VARCHAR", TYPE_VARCHAR},
        {"DATE", TYPE_DATE},         {"TIMESTAMP", TYPE_TIMESTAMP},
        {"ENUM", TYPE_ENUM},         {"TIMESTAMP WITH TIME ZONE", TYPE_TIMESTAMPTZ},
        {"INTERVAL", TYPE_INTERVAL},
    };
    const char *id = tree_text(type, "id");
    yyjson_val *info = yyjson_obj_get(type, "type_info");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(id, names[i].name) != 0)
            continue;
        struct type found = {.id = names[i].id};
        if (found.id == TYPE_DECIMAL) {
            found.precision = (uint8_t)yyjson_get_int(yyjson_obj_get(info, "width"));
            found.scale = (uint8_t)yyjson_get_int(yyjson_obj_get(info, "scale"));
        }
        /* An ENUM in a plan is always that of some event column: types cannot be made in a SELECT. */
        for (int c = 0; found.id == TYPE_ENUM && !found.values && c < plan->events->n; c++) {
            const struct type *column = &plan->events->fields[c].type;
            yyjson_val *values = yyjson_obj_get(info, "values");
            size_t n = yyjson_arr_size(values), same = 0;
            if (column->id != TYPE_ENUM || (size_t)dictionary_size(column->values) != n)
                continue;
            for (size_t v = 0; v < n; v++) {
                const char *text = yyjson_get_str(yyjson_arr_get(values, v));
                same += text && dictionary_find(column->values, text, strlen(text)) == (int32_t)v;
            }
            if (same == n)
                found.values = column->values;
        }
        if (found.id == TYPE_ENUM && !found.values)
            return error_set(error, CODE_UNSUPPORTED, "an ENUM that no event column has");
        *ret = found;
        return OK;
    }
    return error_set(error, CODE_UNSUPPORTED, "type %s is not supported", *id ? id : "NULL");
}

/* The type of an expression: where the class has no return_type, it follows from the class. */
int bind_type_of(struct binder *binder, yyjson_val *bound, struct type *ret, struct error *error)
{
    const char *class = tree_text(bound, "expression_class");
    yyjson_val *type = yyjson_obj_get(bound, "return_type");
    if (strcmp(class, "BOUND_COMPARISON") == 0 || strcmp(class, "BOUND_CONJUNCTION") == 0) {
        *ret = (struct type){.id = TYPE_BOOLEAN};
        return OK;
    }
    if (strcmp(class, "BOUND_CONSTANT") == 0)
        type = yyjson_obj_get(yyjson_obj_get(bound, "value"), "type");
    int rc = bind_type(type, ret, binder->plan, error);
    return rc == OK ? OK : bind_refuse(binder, NULL, (enum code)rc, error, "%s", error ? error->message : "");
}

/* Representations that a function's arguments must share: DECIMALs of up to 18 digits meet wider ones as
 * WIDE. */
static int widen(struct binder *binder, struct expr **args, int n, enum rep result, struct error *error)
{
    bool wide = result == REP_WIDE;
    for (int i = 0; i < n; i++)
        wide |= args[i]->rep == REP_WIDE;
    for (int i = 0; wide && i < n; i++) {
        if (args[i]->rep != REP_INT)
            continue;
        struct type type = args[i]->type;
        if (type.id == TYPE_DECIMAL)
            type.precision = 38;
        else
            type.id = TYPE_HUGEINT;
        struct expr cast = {.kind = EXPR_CALL, .type = type, .rep = REP_WIDE, .n_args = 1, .args = {args[i]}};
        cast.run = expr_find_cast(&args[i]->type, &type);
        int rc = bind_add(binder, &cast, &args[i], error);
        if (rc != OK)
            return rc;
    }
    return OK;
}

int bind_call(struct binder *binder, const char *name, const struct type *type, struct expr **args, int n,
              struct expr **ret, struct error *error)
{
    struct expr expr = {.kind = EXPR_CALL, .type = *type, .rep = rep_of_type(type), .n_args = n};
    enum rep reps[3];
    int rc = n <= 3 ? widen(binder, args, n, expr.rep, error) : OK;
    if (rc != OK)
        return rc;
    for (int i = 0; i < n && i < 3; i++) {
        reps[i] = args[i]->rep;
        expr.args[i] = args[i];
    }
    expr.run = n <= 3 ? expr_find(name, n, reps, expr.rep) : NULL;
    if (!expr.run) {
        char types[256] = "", one[4096];
        for (int i = 0; i < n && i < 3; i++)
            snprintf(types + strlen(types), sizeof types - strlen(types), "%s%.60s", i ? ", " : "",
                     type_text(&args[i]->type, one, sizeof one));
        return bind_refuse(
            binder, name, CODE_UNSUPPORTED, error,
            "%s(%s) cannot run event by event yet; compute it before the stream, or write it with "
            "arithmetic, CASE, comparisons and the functions that docs/plans.md lists",
            name, types);
    }
    return bind_add(binder, &expr, ret, error);
}

/* name(a, b, c, ...) as name(a, name(b, ...)), from the right. */
int bind_fold(struct binder *binder, const char *name, const struct type *type, yyjson_val *list, size_t from,
              int depth, struct expr **ret, struct error *error)
{
    struct expr *result = NULL;
    for (size_t i = yyjson_arr_size(list); i-- > from;) {
        struct expr *args[2] = {NULL, result};
        int rc = bind_expr(binder, yyjson_arr_get(list, i), depth, &args[0], error);
        if (rc == OK && result)
            rc = bind_call(binder, name, type, args, 2, &args[0], error);
        if (rc != OK)
            return rc;
        result = args[0];
    }
    if (!result)
        return bind_refuse(binder, name, CODE_UNSUPPORTED, error, "%s without arguments", name);
    *ret = result;
    return OK;
}

static int bind_in(struct binder *binder, yyjson_val *children, bool negated, int depth, struct expr **ret,
                   struct error *error)
{
    static const struct type boolean = {.id = TYPE_BOOLEAN};
    struct expr *needle, *result = NULL;
    int rc = bind_expr(binder, yyjson_arr_get(children, 0), depth, &needle, error);
    for (size_t i = 1; rc == OK && i < yyjson_arr_size(children); i++) {
        struct expr *args[2] = {needle}, *equal, *both[2] = {result};
        rc = bind_expr(binder, yyjson_arr_get(children, i), depth, &args[1], error);
        if (rc == OK)
            rc = bind_call(binder, "COMPARE_EQUAL", &boolean, args, 2, &equal, error);
        both[1] = rc == OK ? equal : NULL;
        if (rc == OK && result)
            rc = bind_call(binder, "OR", &boolean, both, 2, &equal, error);
        result = rc == OK ? equal : result;
    }
    if (rc == OK && negated)
        rc = bind_call(binder, "NOT", &boolean, &result, 1, &result, error);
    if (rc == OK)
        *ret = result;
    return rc;
}

/* A condition that chooses: the children of its AND and OR are looked at from the left, as far as needed. */
int bind_condition(struct binder *binder, yyjson_val *bound, int depth, struct expr **ret,
                   struct error *error)
{
    static const struct type boolean = {.id = TYPE_BOOLEAN};
    if (strcmp(tree_text(bound, "expression_class"), "BOUND_CONJUNCTION") != 0 || bind_is_constant(bound))
        return bind_expr(binder, bound, depth, ret, error);
    if (depth >= LIMIT_EXPRESSION_DEPTH)
        return bind_refuse(binder, NULL, CODE_LIMIT, error, "expressions nest deeper than %d",
                           LIMIT_EXPRESSION_DEPTH);
    const char *name = strcmp(tree_text(bound, "type"), "CONJUNCTION_AND") == 0 ? "AND THEN" : "OR ELSE";
    yyjson_val *list = yyjson_obj_get(bound, "children");
    struct expr *result = NULL;
    for (size_t i = yyjson_arr_size(list); i-- > 0;) {
        struct expr *args[2] = {NULL, result};
        int rc = bind_condition(binder, yyjson_arr_get(list, i), depth + 1, &args[0], error);
        if (rc == OK && result)
            rc = bind_call(binder, name, &boolean, args, 2, &args[0], error);
        if (rc != OK)
            return rc;
        result = args[0];
    }
    *ret = result;
    return OK;
}

static int bind_case(struct binder *binder, yyjson_val *bound, const struct type *type, int depth,
                     struct expr **ret, struct error *error)
{
    yyjson_val *checks = yyjson_obj_get(bound, "case_checks");
    struct expr *result;
    int rc = bind_expr(binder, yyjson_obj_get(bound, "else_expr"), depth, &result, error);
    for (size_t i = yyjson_arr_size(checks); rc == OK && i-- > 0;) {
        yyjson_val *check = yyjson_arr_get(checks, i);
        struct expr *args[3] = {NULL, NULL, result};
        rc = bind_condition(binder, yyjson_obj_get(check, "when_expr"), depth, &args[0], error);
        if (rc == OK)
            rc = bind_expr(binder, yyjson_obj_get(check, "then_expr"), depth, &args[1], error);
        if (rc == OK)
            rc = bind_call(binder, "IF", type, args, 3, &result, error);
    }
    if (rc == OK)
        *ret = result;
    return rc;
}

static int bind_cast(struct binder *binder, yyjson_val *bound, const struct type *type, int depth,
                     struct expr **ret, struct error *error)
{
    struct expr *child;
    int rc = bind_expr(binder, yyjson_obj_get(bound, "child"), depth, &child, error);
    if (rc != OK)
        return rc;
    if (same_type(&child->type, type)) {
        *ret = child;
        return OK;
    }
    struct expr expr = {
        .kind = EXPR_CALL, .type = *type, .rep = rep_of_type(type), .n_args = 1, .args = {child}};
    expr.run = expr_find_cast(&child->type, type);
    if (!expr.run) {
        char from[4096], to[4096];
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "a cast from %.80s to %.80s cannot run event by event; declare the column with the type you need",
            type_text(&child->type, from, sizeof from), type_text(type, to, sizeof to));
    }
    rc = bind_add(binder, &expr, ret, error);
    if (rc != OK || !yyjson_get_bool(yyjson_obj_get(bound, "try_cast")))
        return rc;
    expr.run = try_cast_run;
    expr.n_args = 2;
    expr.args[0] = *ret;
    expr.args[1] = child;
    return bind_add(binder, &expr, ret, error);
}

static int bind_try(struct binder *binder, yyjson_val *children, const struct type *type, int depth,
                    struct expr **ret, struct error *error)
{
    struct expr expr = {
        .kind = EXPR_CALL, .type = *type, .rep = rep_of_type(type), .n_args = 1, .run = try_run};
    int rc = bind_expr(binder, yyjson_arr_get(children, 0), depth, &expr.args[0], error);
    return rc == OK ? bind_add(binder, &expr, ret, error) : rc;
}

static int bind_operator(struct binder *binder, yyjson_val *bound, const struct type *type, int depth,
                         struct expr **ret, struct error *error)
{
    static const struct {
        const char *bound, *name;
    } unary[] = {
        {"OPERATOR_IS_NULL", "IS NULL"}, {"OPERATOR_IS_NOT_NULL", "IS NOT NULL"}, {"OPERATOR_NOT", "NOT"}};
    yyjson_val *children = yyjson_obj_get(bound, "children");
    const char *kind = tree_text(bound, "type");
    if (strcmp(kind, "OPERATOR_COALESCE") == 0)
        return bind_fold(binder, "COALESCE", type, children, 0, depth, ret, error);
    if (strcmp(kind, "COMPARE_IN") == 0 || strcmp(kind, "COMPARE_NOT_IN") == 0)
        return bind_in(binder, children, kind[8] == 'N', depth, ret, error);
    if (strcmp(kind, "OPERATOR_TRY") == 0)
        return bind_try(binder, children, type, depth, ret, error);
    for (size_t i = 0; i < sizeof unary / sizeof *unary; i++)
        if (strcmp(kind, unary[i].bound) == 0) {
            struct expr *arg;
            int rc = bind_expr(binder, yyjson_arr_get(children, 0), depth, &arg, error);
            return rc == OK ? bind_call(binder, unary[i].name, type, &arg, 1, ret, error) : rc;
        }
    return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s cannot run event by event", kind);
}

/* Inside of a window's argument a late column that is NULL is its DEFAULT. */
static int bind_known(struct binder *binder, struct input *input, struct error *error)
{
    const struct expr *column = input->expr;
    const struct late *late = column->kind == EXPR_COLUMN ? &binder->plan->late[column->index] : NULL;
    if (input->known || !late || !late->is_late || !late->default_sql)
        return OK;
    struct expr *args[2] = {input->expr};
    int rc = bind_default(binder, late->default_sql, &column->type, &args[1], error);
    return rc == OK ? bind_call(binder, "COALESCE", &column->type, args, 2, &input->known, error) : rc;
}

static int bind_reference(struct binder *binder, yyjson_val *bound, struct expr **ret, struct error *error)
{
    uint64_t index = yyjson_get_uint(yyjson_obj_get(bound, "index"));
    if (index < binder->n_inputs && binder->inputs[index].refused) {
        binder->blamed = true;
        return error_set(error, CODE_INVALID, "what this uses is refused");
    }
    if (index >= binder->n_inputs || !binder->inputs[index].expr)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "a reference to something that is not a column of the events");
    struct input *input = &binder->inputs[index];
    int rc = binder->in_window ? bind_known(binder, input, error) : OK;
    if (rc == OK)
        *ret = binder->in_window && input->known ? input->known : input->expr;
    return rc;
}

int bind_expr(struct binder *binder, yyjson_val *bound, int depth, struct expr **ret, struct error *error)
{
    const char *class = tree_text(bound, "expression_class");
    struct type type;
    if (depth >= LIMIT_EXPRESSION_DEPTH)
        return bind_refuse(binder, NULL, CODE_LIMIT, error, "expressions nest deeper than %d",
                           LIMIT_EXPRESSION_DEPTH);
    if (depth == 0) {
        int code = bind_expr(binder, bound, 1, ret, error);
        return code == OK && (*ret)->rep == REP_INTERVAL
                   ? bind_refuse(
                         binder, NULL, CODE_UNSUPPORTED, error,
                         "an INTERVAL is no value that a feature or a window can have; write epoch(...) or "
                         "date_diff('second', ..., ...)")
                   : code;
    }
    depth++;
    if (strcmp(class, "BOUND_REF") == 0)
        return bind_reference(binder, bound, ret, error);
    if (bind_is_constant(bound))
        return bind_constant(binder, bound, ret, error);
    int rc = bind_type_of(binder, bound, &type, error);
    if (rc != OK)
        return rc;
    if (strcmp(class, "BOUND_FUNCTION") == 0)
        return bind_function(binder, bound, &type, depth, ret, error);
    if (strcmp(class, "BOUND_OPERATOR") == 0)
        return bind_operator(binder, bound, &type, depth, ret, error);
    if (strcmp(class, "BOUND_CASE") == 0)
        return bind_case(binder, bound, &type, depth, ret, error);
    if (strcmp(class, "BOUND_CAST") == 0)
        return bind_cast(binder, bound, &type, depth, ret, error);
    if (strcmp(class, "BOUND_CONJUNCTION") == 0)
        return bind_fold(binder, strcmp(tree_text(bound, "type"), "CONJUNCTION_AND") == 0 ? "AND" : "OR",
                         &type, yyjson_obj_get(bound, "children"), 0, depth, ret, error);
    if (strcmp(class, "BOUND_COMPARISON") == 0) {
        struct expr *args[2];
        rc = bind_expr(binder, yyjson_obj_get(bound, "left"), depth, &args[0], error);
        if (rc == OK)
            rc = bind_expr(binder, yyjson_obj_get(bound, "right"), depth, &args[1], error);
        return rc == OK ? bind_call(binder, tree_text(bound, "type"), &type, args, 2, ret, error) : rc;
    }
    return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s cannot run event by event",
                       *class ? class : "this");
}
