/* Function calls whose bound form is not that of a kernel: parts of dates, folded lists of arguments, hash,
 * splits. */
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "feature/compile.h"
#include "feature/kernels.h"

/* Every name that DuckDB knows for a part of a date, and the one that the kernels have. */
static const char *part_name(const char *part)
{
    static const char *const names[][8] = {
        {"year", "yr", "y", "years", "yrs"},
        {"month", "mon", "months", "mons"},
        {"day", "days", "d", "dayofmonth"},
        {"decade", "dec", "decades", "decs"},
        {"century", "cent", "centuries", "c"},
        {"millennium", "mil", "millenniums", "millennia", "mils", "millenium"},
        {"microsecond", "microseconds", "us", "usec", "usecs", "usecond", "useconds"},
        {"millisecond", "milliseconds", "ms", "msec", "msecs", "msecond", "mseconds"},
        {"second", "sec", "seconds", "secs", "s"},
        {"minute", "min", "minutes", "mins", "m"},
        {"hour", "hr", "hours", "hrs", "h"},
        {"dow", "dayofweek", "weekday"},
        {"week", "weeks", "w", "weekofyear"},
        {"doy", "dayofyear"},
        {"quarter", "quarters"},
        {"julian", "jd"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < 8 && names[i][k]; k++)
            if (strcasecmp(part, names[i][k]) == 0)
                return names[i][0];
    return part;
}

/* date_part('hour', x) is hour(x): the part is a constant, and becomes a piece of the kernel's name. */
static bool takes_part(const char *name, size_t n, const char **ret_prefix)
{
    static const struct {
        const char *name, *prefix;
        size_t n;
    } functions[] = {{"date_part", "", 2},
                     {"datepart", "", 2},
                     {"date_trunc", "date_trunc ", 2},
                     {"datetrunc", "date_trunc ", 2},
                     {"date_diff", "date_diff ", 3},
                     {"datediff", "date_diff ", 3},
                     {"date_sub", "date_sub ", 3},
                     {"datesub", "date_sub ", 3}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (n == functions[i].n && strcasecmp(name, functions[i].name) == 0) {
            *ret_prefix = functions[i].prefix;
            return true;
        }
    return false;
}

/* hash(a, b, ...): each on its own, in the width of its type, combined from the left. */
static int bind_hash(struct binder *binder, yyjson_val *children, const struct type *type, int depth,
                     struct expr **ret, struct error *error)
{
    struct expr *result = NULL;
    for (size_t i = 0; i < yyjson_arr_size(children); i++) {
        struct expr one = {.kind = EXPR_CALL, .type = *type, .rep = rep_of_type(type), .n_args = 1},
                    *both[2] = {result};
        int rc = bind_expr(binder, yyjson_arr_get(children, i), depth, &one.args[0], error);
        if (rc != OK)
            return rc;
        one.run = expr_find("hash", 1, &one.args[0]->rep, one.rep);
        if (!one.run)
            return bind_refuse(binder, "hash", CODE_UNSUPPORTED, error,
                               "hash() of an INTERVAL cannot run event by event; hash its epoch()");
        rc = bind_add(binder, &one, &both[1], error);
        if (rc == OK && result)
            rc = bind_call(binder, "combine hash", type, both, 2, &both[1], error);
        if (rc != OK)
            return rc;
        result = both[1];
    }
    *ret = result;
    return OK;
}

static int bind_args(struct binder *binder, yyjson_val *list, size_t from, int depth, struct expr **args,
                     struct error *error)
{
    int rc = OK;
    for (size_t i = from; rc == OK && i < yyjson_arr_size(list); i++)
        rc = bind_expr(binder, yyjson_arr_get(list, i), depth, &args[i - from], error);
    return rc;
}

/* concat_ws(separator, a, b, ...): joined from the right, two at a time. */
static int bind_join(struct binder *binder, yyjson_val *children, const struct type *type, int depth,
                     struct expr **ret, struct error *error)
{
    struct expr *separator, *result = NULL;
    int rc = bind_expr(binder, yyjson_arr_get(children, 0), depth, &separator, error);
    for (size_t i = yyjson_arr_size(children); rc == OK && i-- > 1;) {
        struct expr *args[3] = {separator, NULL, result};
        rc = bind_expr(binder, yyjson_arr_get(children, i), depth, &args[1], error);
        if (rc == OK && result)
            rc = bind_call(binder, "concat_ws", type, args, 3, &args[1], error);
        result = args[1];
    }
    struct expr *end[2] = {separator, result};
    return rc == OK ? bind_call(binder, "concat_ws", type, end, 2, ret, error) : rc;
}

static bool is_split(yyjson_val *bound)
{
    static const char *const names[] = {"string_split", "str_split", "string_to_array", "split"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(tree_text(bound, "name"), names[i]) == 0)
            return yyjson_arr_size(yyjson_obj_get(bound, "children")) == 2;
    return false;
}

/* string_split(s, separator)[i], which split_part is made of. */
static int bind_split(struct binder *binder, yyjson_val *children, const struct type *type, int depth,
                      struct expr **ret, struct error *error)
{
    struct expr *args[3];
    yyjson_val *split = yyjson_obj_get(yyjson_arr_get(children, 0), "children");
    int rc = bind_args(binder, split, 0, depth + 1, args, error);
    if (rc == OK)
        rc = bind_expr(binder, yyjson_arr_get(children, 1), depth, &args[2], error);
    return rc == OK ? bind_call(binder, "split_part", type, args, 3, ret, error) : rc;
}

/* DATE + INTEGER counts days and keeps infinite dates. */
static const char *date_shift(const char *name, const struct type *type, struct expr *const *args, size_t n)
{
    if (type->id != TYPE_DATE || n != 2 || args[0]->rep != REP_INT || args[1]->rep != REP_INT)
        return name;
    if (strcmp(name, "+") == 0 || strcasecmp(name, "add") == 0)
        return args[0]->type.id == TYPE_DATE ? "DATE +" : "+ DATE";
    return strcmp(name, "-") == 0 || strcasecmp(name, "subtract") == 0 ? "DATE -" : name;
}

int bind_function(struct binder *binder, yyjson_val *bound, const struct type *type, int depth,
                  struct expr **ret, struct error *error)
{
    yyjson_val *children = yyjson_obj_get(bound, "children"), *first = yyjson_arr_get(children, 0);
    const char *name = tree_text(bound, "name"), *prefix;
    size_t n = yyjson_arr_size(children);
    char part[64];
    if (strcasecmp(name, "greatest") == 0 || strcasecmp(name, "least") == 0 ||
        (n > 1 && strcasecmp(name, "concat") == 0))
        return bind_fold(binder, name, type, children, 0, depth, ret, error);
    if (n > 1 && strcasecmp(name, "concat_ws") == 0)
        return bind_join(binder, children, type, depth, ret, error);
    if (strcasecmp(name, "hash") == 0)
        return bind_hash(binder, children, type, depth, ret, error);
    if (n == 2 && (strcasecmp(name, "array_extract") == 0 || strcasecmp(name, "list_extract") == 0) &&
        is_split(first))
        return bind_split(binder, children, type, depth, ret, error);
    size_t skip = takes_part(name, n, &prefix);
    if (skip) {
        snprintf(part, sizeof part, "%s%.40s", prefix,
                 part_name(tree_text(yyjson_obj_get(first, "value"), "value")));
        name = part;
    }
    if (n - skip > 3)
        return bind_refuse(binder, name, CODE_UNSUPPORTED, error,
                           "%s of %zu arguments cannot run event by event", name, n);
    struct expr *args[3];
    int rc = bind_args(binder, children, skip, depth, args, error);
    if (rc != OK)
        return rc;
    bool zoned = n - skip == 2 && args[0]->type.id == TYPE_TIMESTAMPTZ;
    if (zoned && skip && (strncmp(name, "date_sub", 8) == 0 || strcmp(name, "date_diff yearweek") == 0))
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "%s of times with a time zone cannot run event by event; cast both to TIMESTAMP, which is UTC",
            tree_text(bound, "name"));
    return bind_call(binder, date_shift(name, type, args, n - skip), type, args, (int)(n - skip), ret, error);
}
