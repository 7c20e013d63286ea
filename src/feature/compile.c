/* From a plan's text to a plan: reads it, compiles what is below the SELECT, then its list. */
#include "feature/compile.h"
#include "feature/findings.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"

int plan_warn(struct plan *plan, struct error *error, const char *format, ...)
{
    char message[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < plan->n_warnings; i++)
        if (strcmp(plan->warnings[i], message) == 0)
            return OK;
    char *copy = arena_text(&plan->arena, message, strlen(message));
    if (!copy ||
        !memory_grow(&plan->warnings, &plan->warnings_capacity, plan->n_warnings + 1, sizeof *plan->warnings))
        return error_set(error, CODE_MEMORY, "no memory for a warning");
    plan->warnings[plan->n_warnings++] = copy;
    return OK;
}

static int check_name(struct binder *binder, const char *name, size_t i, struct error *error)
{
    struct plan *plan = binder->plan;
    if (!*name)
        return bind_refuse(binder, NULL, CODE_INVALID, error, "feature %zu has no name: write ... AS name",
                           i + 1);
    if (strpbrk(name, "[]<>"))
        return bind_refuse(binder, NULL, CODE_INVALID, error,
                           "feature name \"%s\" has one of [ ] < >, which XGBoost refuses", name);
    if (strlen(name) > LIMIT_NAME)
        return bind_refuse(binder, NULL, CODE_LIMIT, error, "a feature's name is longer than %d bytes",
                           LIMIT_NAME);
    if (schema_find(plan->features, name) >= 0)
        return bind_refuse(binder, NULL, CODE_INVALID, error, "two features are named %s", name);
    return OK;
}

static const char *feature_name(yyjson_val *item, yyjson_val *bound)
{
    const char *name = tree_text(item, "alias");
    if (*name)
        return name;
    name = tree_text(bound, "alias");
    if (!*name && strcmp(tree_text(item, "class"), "COLUMN_REF") == 0)
        name = yyjson_get_str(yyjson_arr_get_last(yyjson_obj_get(item, "column_names")));
    /* A window without an alias comes back under DuckDB's own name for it, which is the whole expression. */
    return name && !strpbrk(name, "()") ? name : "";
}

static int compile_feature(struct binder *binder, yyjson_val *bound, const char *name, struct expr **ret,
                           struct error *error)
{
    struct plan *plan = binder->plan;
    struct expr *root;
    int rc = bind_expr(binder, bound, 0, &root, error);
    int late = rc == OK ? leakage_column(root) : -1;
    if (late >= 0)
        rc = bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: feature %s uses the late column %s of the event itself, which is not known at "
            "that moment; use a window that ends in the past",
            name, plan->events->fields[late].name);
    if (rc == OK && *name)
        rc = schema_add(plan->features, name, root->type, error);
    if (rc == OK)
        rc = oracle_feature(binder, bound, name, error);
    if (rc != OK)
        return rc;
    plan->has_text |= root->rep == REP_TEXT;
    *ret = root;
    return OK;
}

/* The SELECT's list. */
static int compile_features(struct binder *binder, yyjson_val *projection, struct error *error)
{
    struct plan *plan = binder->plan;
    yyjson_val *list = yyjson_obj_get(projection, "expressions"), *bound;
    yyjson_val *items = yyjson_obj_get(binder->select, "select_list");
    size_t n = yyjson_arr_size(list), i, max;
    bool aligned = n == yyjson_arr_size(items); /* not where SELECT has a star */
    plan->roots = arena_new(&plan->arena, n, sizeof *plan->roots);
    plan->features = schema_new(0);
    if (!plan->roots || !plan->features)
        return error_set(error, CODE_MEMORY, "no memory for %zu features", n);
    yyjson_arr_foreach(list, i, max, bound)
    {
        binder->item = aligned ? yyjson_arr_get(items, i) : items;
        const char *name = feature_name(aligned ? binder->item : NULL, bound);
        if (parse_is_blank(binder->parsed, parse_location(binder->item)))
            continue;
        int rc = bind_note(binder, check_name(binder, name, i, error), error);
        if (rc == OK)
            rc = bind_note(binder, compile_feature(binder, bound, name, &plan->roots[i], error), error);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* Roles that follow from the compiled plan: the event time; a plan without windows takes its only time
 * column. */
static int settle_roles(struct plan *plan, bool over, struct error *error)
{
    int times = 0, last = -1;
    for (int i = 0; i < plan->events->n; i++) {
        enum type_id id = plan->events->fields[i].type.id;
        if (plan->events->fields[i].roles & ROLE_ID)
            plan->id_column = plan->id_column < 0 ? i : plan->id_column;
        if (plan->events->fields[i].roles & ROLE_LABEL) {
            if (plan->label_column >= 0)
                return error_set(error, CODE_INVALID, "columns %s and %s are both labels; a plan has one",
                                 plan->events->fields[plan->label_column].name, plan->events->fields[i].name);
            plan->label_column = i;
        }
        if (id == TYPE_TIMESTAMP || id == TYPE_TIMESTAMPTZ || id == TYPE_DATE)
            times++, last = i;
    }
    if (plan->time_column < 0 && times == 1 && !over) {
        plan->time_column = last;
        plan->time_scale = plan->events->fields[last].type.id == TYPE_DATE ? INT64_C(86400000000) : 1;
    }
    if (plan->time_column < 0)
        return OK;
    for (int i = 0; i < plan->events->n; i++)
        if (plan->late[i].after_steps && !plan->time_is_step)
            return error_set(
                error, CODE_INVALID,
                "column %s is late by steps, but the event time %s is none: write a duration, as in "
                "late after=7 days",
                plan->events->fields[i].name, plan->events->fields[plan->time_column].name);
    struct field *time = &plan->events->fields[plan->time_column];
    struct buffer sql;
    buffer_init(&sql, LIMIT_SQL);
    time->roles |= ROLE_TIME;
    buffer_text(&sql, type_is_integer(time->type.id) ? "CAST(e." : "epoch_us(CAST(e.");
    duck_identifier(&sql, time->name);
    buffer_text(&sql, type_is_integer(time->type.id) ? " AS BIGINT)" : " AS TIMESTAMP))");
    plan->time_sql = arena_text(&plan->arena, sql.data, sql.size);
    buffer_done(&sql);
    return plan->time_sql ? OK : error_set(error, CODE_MEMORY, "no memory for the plan");
}

static int take_late(struct plan *plan, const struct parsed *parsed, struct error *error)
{
    plan->late = arena_new(&plan->arena, (size_t)plan->events->n, sizeof *plan->late);
    if (!plan->late)
        return error_set(error, CODE_MEMORY, "no memory for the plan");
    for (int i = 0; i < plan->events->n; i++) {
        plan->late[i] = parsed->late[i];
        if (parsed->late[i].default_sql)
            plan->late[i].default_sql =
                arena_text(&plan->arena, parsed->late[i].default_sql, strlen(parsed->late[i].default_sql));
    }
    return OK;
}

static int compile(struct plan *plan, struct parsed *parsed, struct plan_findings *findings,
                   struct error *error)
{
    struct binder binder = {.plan = plan, .parsed = parsed, .findings = findings};
    plan->events = schema_ref(parsed->events);
    oracle_init(&binder.oracle);
    int rc = take_late(plan, parsed, error);
    if (rc == OK)
        rc = compile_select(&binder, parsed->plan, parsed->select, compile_features, error);
    if (rc == OK)
        rc = settle_roles(plan, parsed->over, error);
    if (rc == OK)
        rc = oracle_finish(&binder, error);
    plan->table_name =
        rc == OK ? arena_text(&plan->arena, parsed->table_name, strlen(parsed->table_name)) : NULL;
    if (rc == OK && !plan->table_name)
        rc = error_set(error, CODE_MEMORY, "no memory for the plan");
    oracle_done(&binder.oracle);
    free(binder.inputs);
    return rc;
}

/* Takes `parsed` over. */
static int plan_new(struct parsed *parsed, const char *sql, size_t size, struct plan_findings *findings,
                    struct plan **ret, struct error *error)
{
    struct plan *plan = memory_new(1, sizeof *plan);
    if (!plan) {
        parse_done(parsed);
        return error_set(error, CODE_MEMORY, "no memory for the plan");
    }
    plan->references = 1;
    plan->id_column = plan->time_column = plan->label_column = -1;
    plan->time_scale = 1;
    plan->sql = arena_text(&plan->arena, sql, size);
    plan->name = arena_text(&plan->arena, parsed->name, strlen(parsed->name));
    int rc = plan->sql && plan->name ? compile(plan, parsed, findings, error)
                                     : error_set(error, CODE_MEMORY, "no memory for the plan");
    parse_done(parsed);
    if (rc != OK) {
        plan_unref(plan);
        return rc;
    }
    file_sha256_bytes(sql, size, plan->hash);
    *ret = plan;
    return OK;
}

/* What came out, and all that was found on the way: the plan only where nothing was. */
static int answer(int rc, const char *name, struct plan_findings *findings, struct plan *plan,
                  struct plan **ret, struct error *error)
{
    if (rc != OK && !findings_add(findings, error))
        findings->n = 0;
    for (size_t i = 0; i < findings->n; i++)
        if (!findings->list[i].place[0])
            error_at(&findings->list[i], name, 0, 0);
    findings_sort(findings);
    if (findings->n)
        rc = findings_first(findings, error);
    if (rc == OK)
        *ret = plan;
    else
        plan_unref(plan);
    return rc;
}

int plan_check(const char *sql, size_t size, const char *name, struct plan_findings *ret_findings,
               struct plan **ret, struct error *error)
{
    struct parsed parsed;
    struct plan *plan = NULL;
    struct error found = {0};
    int rc = parse_plan(sql, size, name, ret_findings, &parsed, &found);
    if (rc == OK)
        rc = plan_new(&parsed, sql, size, ret_findings, &plan, &found);
    rc = answer(rc, name, ret_findings, plan, ret, &found);
    if (rc != OK && error)
        *error = found;
    return rc;
}

int plan_compile(const char *sql, size_t size, const char *name, struct plan **ret, struct error *error)
{
    struct plan_findings findings = {0};
    int rc = plan_check(sql, size, name, &findings, ret, error);
    plan_findings_done(&findings);
    return rc;
}

int plan_compile_over(struct schema *schema, const char *table, const char *sql, size_t size,
                      const char *name, struct plan **ret, struct error *error)
{
    struct parsed parsed;
    struct plan *plan = NULL;
    struct plan_findings findings = {0};
    struct error found = {0};
    int rc = parse_over(schema, table, sql, size, name, &findings, &parsed, &found);
    if (rc == OK)
        rc = plan_new(&parsed, sql, size, &findings, &plan, &found);
    rc = answer(rc, name, &findings, plan, ret, &found);
    if (rc != OK && error)
        *error = found;
    plan_findings_done(&findings);
    return rc;
}

int plan_load(const char *path, struct plan **ret, struct error *error)
{
    char *sql;
    size_t size;
    int rc = file_read(path, LIMIT_SQL, &sql, &size, error);
    if (rc != OK)
        return rc;
    rc = plan_compile(sql, size, path, ret, error);
    free(sql);
    return rc;
}
