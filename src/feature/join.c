/*
 * Several plans as one: what they compute alike is computed, and kept, once.
 *
 * Expressions are copied in their order, arguments before their users, into a plan that keeps each only once;
 * a window comes after the arguments, filters and keys that it needs. Events get the columns of the plan that
 * has most of them; the others' are found there by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/limits.h"
#include "feature/compile.h"

/* What a part's things are in the joined plan. */
struct joining {
    struct plan *plan;       /* the joined one */
    const struct plan *part; /* the one at hand */
    int *columns;            /* by event column of the part */
    int *groups;             /* -1: not yet there */
    struct expr **exprs;     /* by id */
};

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the joined plan");
}

/* ---- the events ---- */

static const struct plan *widest(struct plan *const *plans, int n)
{
    const struct plan *found = plans[0];
    for (int i = 1; i < n; i++)
        if (plans[i]->events->n > found->events->n)
            found = plans[i];
    return found;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_late(const struct late *a, const struct late *b)
{
    return a->is_late == b->is_late && (!a->is_late || a->after_us == b->after_us) &&
           same_text(a->default_sql, b->default_sql);
}

static int check_column(const struct plan *part, int column, const struct plan *base, int at,
                        struct error *error)
{
    const struct field *mine = &part->events->fields[column], *other = &base->events->fields[at];
    char types[2][256];
    if (!type_equal(&mine->type, &other->type))
        return error_set(error, CODE_CONFLICT, "%s: column %s is %.80s, and %.80s in %s", part->name,
                         mine->name, type_text(&mine->type, types[0], sizeof types[0]),
                         type_text(&other->type, types[1], sizeof types[1]), base->name);
    /* Which column is the event time says the SELECT; all else stands in the CREATE TABLE and its comments.
     */
    if ((mine->roles | ROLE_TIME) != (other->roles | ROLE_TIME) || mine->optional != other->optional ||
        !same_late(&part->late[column], &base->late[at]))
        return error_set(error, CODE_CONFLICT, "%s: column %s has another role, delay or DEFAULT than in %s",
                         part->name, mine->name, base->name);
    return OK;
}

/* Where the part's columns are among the joined plan's. */
static int map_columns(struct joining *joining, const struct plan *base, struct error *error)
{
    const struct plan *part = joining->part;
    if (strcasecmp(part->table_name, base->table_name) != 0)
        return error_set(error, CODE_CONFLICT,
                         "%s is over the table %s, %s over %s: plans that go together are "
                         "over one",
                         part->name, part->table_name, base->name, base->table_name);
    for (int c = 0; c < part->events->n; c++) {
        int at = schema_find(base->events, part->events->fields[c].name);
        if (at < 0)
            return error_set(
                error, CODE_CONFLICT,
                "%s: the table %s has no column %s in %s, which has the most: one of the plans must "
                "have all columns",
                part->name, part->table_name, part->events->fields[c].name, base->name);
        int rc = check_column(part, c, base, at, error);
        if (rc != OK)
            return rc;
        joining->columns[c] = at;
    }
    return OK;
}

static int take_events(struct plan *plan, const struct plan *base, struct error *error)
{
    int n = base->events->n;
    plan->events = schema_new(0);
    plan->late = arena_new(&plan->arena, (size_t)n, sizeof *plan->late);
    if (!plan->events || !plan->late)
        return no_memory(error);
    for (int c = 0; c < n; c++) {
        const struct field *field = &base->events->fields[c];
        int rc = schema_add(plan->events, field->name, field->type, error);
        if (rc != OK)
            return rc;
        plan->events->fields[c].roles = field->roles & ~(unsigned)ROLE_TIME;
        plan->events->fields[c].optional = field->optional;
        plan->late[c] = base->late[c];
        const char *sql = base->late[c].default_sql;
        if (sql && !(plan->late[c].default_sql = arena_text(&plan->arena, sql, strlen(sql))))
            return no_memory(error);
    }
    plan->id_column = base->id_column;
    plan->label_column = base->label_column;
    plan->table_name = arena_text(&plan->arena, base->table_name, strlen(base->table_name));
    return plan->table_name ? OK : no_memory(error);
}

/* A plan without windows may have no event time; it then takes that of the others. */
static int take_time(struct joining *joining, const struct plan *first, struct error *error)
{
    struct plan *plan = joining->plan;
    const struct plan *part = joining->part;
    if (part->time_column < 0)
        return OK;
    int column = joining->columns[part->time_column];
    if (plan->time_column >= 0 && plan->time_column != column)
        return error_set(error, CODE_CONFLICT, "%s: the event time is %s, and %s in %s", part->name,
                         plan->events->fields[column].name, plan->events->fields[plan->time_column].name,
                         first->name);
    plan->time_column = column;
    plan->time_is_step = part->time_is_step;
    plan->time_scale = part->time_scale;
    plan->events->fields[column].roles |= ROLE_TIME;
    if (!plan->time_sql)
        plan->time_sql = arena_text(&plan->arena, part->time_sql, strlen(part->time_sql));
    return plan->time_sql ? OK : no_memory(error);
}

/* ---- expressions and windows ---- */

/* Where the type is an ENUM, it is that of some event column. */
static void map_type(struct joining *joining, struct type *type)
{
    const struct schema *events = joining->plan->events;
    for (int c = 0; type->id == TYPE_ENUM && c < events->n; c++)
        if (type_equal(&events->fields[c].type, type)) {
            *type = events->fields[c].type;
            return;
        }
}

static struct expr *mapped(const struct joining *joining, const struct expr *expr)
{
    return expr ? joining->exprs[expr->id] : NULL;
}

/* -1: no memory. */
static int map_group(struct joining *joining, int g)
{
    const struct group *group = &joining->part->groups[g];
    if (joining->groups[g] >= 0)
        return joining->groups[g];
    struct expr **keys = arena_new(&joining->plan->arena, group->n_keys + 1, sizeof *keys);
    if (!keys)
        return -1;
    for (size_t k = 0; k < group->n_keys; k++)
        keys[k] = mapped(joining, group->keys[k]);
    return joining->groups[g] = intern_group(joining->plan, keys, group->n_keys, group->level);
}

/* -1: no memory. */
static int map_slot(struct joining *joining, const struct group *from, struct group *to, int slot)
{
    struct slot copy = from->slots[slot];
    copy.argument = mapped(joining, copy.argument);
    copy.filter = mapped(joining, copy.filter);
    if (copy.argument)
        copy.type = copy.argument->type;
    return intern_slot(to, &copy);
}

static int map_window(struct joining *joining, int w, int *ret, struct error *error)
{
    struct plan *plan = joining->plan;
    struct window window = joining->part->windows[w];
    const struct group *from = &joining->part->groups[window.group];
    window.group = map_group(joining, window.group);
    if (window.group < 0)
        return no_memory(error);
    map_type(joining, &window.type);
    struct group *to = &plan->groups[window.group];
    int slot = window.slot, rows = window.rows;
    window.frame = intern_frame(to, &from->frames[window.frame]);
    window.slot = slot < 0 ? -1 : map_slot(joining, from, to, slot);
    window.rows = rows < 0 ? -1 : map_slot(joining, from, to, rows);
    if (window.frame < 0 || (slot >= 0 && window.slot < 0) || (rows >= 0 && window.rows < 0))
        return no_memory(error);
    if (to->n_slots > LIMIT_SLOTS)
        return error_set(
            error, CODE_LIMIT,
            "%s: with the plans before it, an entity has more than %d different (argument, FILTER) "
            "pairs",
            joining->part->name, LIMIT_SLOTS);
    int found = intern_window(plan, &window);
    if (found < 0)
        return no_memory(error);
    *ret = found;
    return OK;
}

static int map_expr(struct joining *joining, const struct expr *expr, struct error *error)
{
    struct plan *plan = joining->plan;
    struct expr copy = *expr;
    int rc = OK;
    map_type(joining, &copy.type);
    for (int i = 0; i < copy.n_args; i++)
        copy.args[i] = mapped(joining, expr->args[i]);
    if (expr->kind == EXPR_COLUMN)
        copy.index = joining->columns[expr->index];
    if (expr->kind == EXPR_WINDOW)
        rc = map_window(joining, expr->index, &copy.index, error);
    if (rc != OK)
        return rc;
    if (expr->kind == EXPR_CONSTANT && expr->rep == REP_TEXT && !expr->is_null) {
        copy.value.text.data = arena_text(&plan->arena, expr->value.text.data, expr->value.text.size);
        if (!copy.value.text.data)
            return no_memory(error);
    }
    joining->exprs[expr->id] = bind_intern(plan, &copy);
    return joining->exprs[expr->id] ? OK : no_memory(error);
}

/* Equal conditions are one expression by now. */
static int map_where(struct joining *joining, const struct plan *first, struct error *error)
{
    struct plan *plan = joining->plan;
    const struct plan *part = joining->part;
    struct expr *where = mapped(joining, part->where);
    if (part == first) {
        plan->where = where;
        if (part->where_sql)
            plan->where_sql = arena_text(&plan->arena, part->where_sql, strlen(part->where_sql));
        return part->where_sql && !plan->where_sql ? no_memory(error) : OK;
    }
    if (where == plan->where)
        return OK;
    return error_set(
        error, CODE_CONFLICT,
        "%s: the WHERE is not that of %s: plans that go together take the same events into windows",
        part->name, first->name);
}

/* ---- the features ---- */

/* `name`, or plan2_name where it is taken. */
static int free_name(const struct schema *features, const char *name, int number, char *ret, size_t size,
                     struct error *error)
{
    int length = snprintf(ret, size, "%s", name);
    for (int taken = 1; length <= LIMIT_NAME && schema_find(features, ret) >= 0; taken++) {
        length = 0;
        for (int i = 0; i < taken && length <= LIMIT_NAME; i++)
            length += snprintf(ret + length, size - (size_t)length, "plan%d_", number);
        if (length <= LIMIT_NAME)
            length += snprintf(ret + length, size - (size_t)length, "%s", name);
    }
    if (length <= LIMIT_NAME)
        return OK;
    return error_set(error, CODE_LIMIT, "two plans have a feature %s, and a longer name is not possible",
                     name);
}

static int add_features(struct joining *joining, int number, struct error *error)
{
    struct plan *plan = joining->plan;
    const struct schema *features = joining->part->features;
    char name[2 * LIMIT_NAME];
    int rc = OK;
    for (int f = 0; rc == OK && f < features->n; f++) {
        struct expr *root = mapped(joining, joining->part->roots[f]);
        rc = free_name(plan->features, features->fields[f].name, number, name, sizeof name, error);
        if (rc == OK)
            rc = schema_add(plan->features, name, root->type, error);
        if (rc == OK)
            plan->roots[plan->features->n - 1] = root;
        plan->has_text |= root->rep == REP_TEXT;
    }
    return rc;
}

static int add_warnings(struct plan *plan, const struct plan *part, struct error *error)
{
    int rc = OK;
    for (size_t i = 0; rc == OK && i < part->n_warnings; i++) {
        bool known = false;
        for (size_t k = 0; k < plan->n_warnings; k++)
            known |= strcmp(plan->warnings[k], part->warnings[i]) == 0;
        if (!known)
            rc = plan_warn(plan, error, "%s", part->warnings[i]);
    }
    return rc;
}

/* ---- all together ---- */

static int add_part(struct joining *joining, const struct plan *base, struct plan *const *plans, int i,
                    struct error *error)
{
    const struct plan *part = joining->part;
    int rc = map_columns(joining, base, error);
    if (rc == OK)
        rc = take_time(joining, plans[0], error);
    for (size_t e = 0; rc == OK && e < part->n_exprs; e++)
        rc = map_expr(joining, part->exprs[e], error);
    if (rc == OK)
        rc = map_where(joining, plans[0], error);
    if (rc == OK)
        rc = add_features(joining, i + 1, error);
    if (rc == OK)
        rc = add_warnings(joining->plan, part, error);
    joining->plan->first_features[i + 1] = joining->plan->features->n;
    return rc;
}

static int add_parts(struct plan *plan, const struct plan *base, struct plan *const *plans, int n,
                     struct error *error)
{
    int rc = OK;
    for (int i = 0; rc == OK && i < n; i++) {
        const struct plan *part = plans[i];
        struct joining joining = {.plan = plan, .part = part};
        joining.columns = memory_new((size_t)part->events->n, sizeof *joining.columns);
        joining.groups = memory_new(part->n_groups, sizeof *joining.groups);
        joining.exprs = memory_new(part->n_exprs, sizeof *joining.exprs);
        if (joining.columns && joining.groups && joining.exprs) {
            memset(joining.groups, -1, part->n_groups * sizeof *joining.groups);
            rc = add_part(&joining, base, plans, i, error);
        } else {
            rc = no_memory(error);
        }
        free(joining.columns);
        free(joining.groups);
        free(joining.exprs);
    }
    return rc;
}

/* The texts one after the other, and what tells them from others. */
static int take_texts(struct plan *plan, struct plan *const *plans, int n, struct error *error)
{
    struct buffer name, sql;
    buffer_init(&name, (size_t)n * (LIMIT_SQL + 2));
    buffer_init(&sql, (size_t)n * (LIMIT_SQL + 2));
    for (int i = 0; i < n; i++) {
        buffer_format(&name, i ? ", %s" : "%s", plans[i]->name);
        buffer_text(&sql, plans[i]->sql);
        buffer_text(&sql, "\n");
    }
    if (!name.failed && !sql.failed) {
        plan->name = arena_text(&plan->arena, name.data, name.size);
        plan->sql = arena_text(&plan->arena, sql.data, sql.size);
        file_sha256_bytes(sql.data, sql.size, plan->hash);
    }
    buffer_done(&name);
    buffer_done(&sql);
    return plan->name && plan->sql ? OK : no_memory(error);
}

int plan_join(struct plan *const *plans, int n, struct plan **ret, struct error *error)
{
    const struct plan *base = widest(plans, n);
    struct plan *plan = memory_new(1, sizeof *plan);
    size_t features = 0;
    if (!plan)
        return no_memory(error);
    plan->references = 1;
    plan->time_column = -1;
    plan->time_scale = 1;
    plan->n_parts = n;
    for (int i = 0; i < n; i++)
        features += (size_t)plans[i]->features->n;
    plan->features = schema_new(0);
    plan->roots = arena_new(&plan->arena, features, sizeof *plan->roots);
    plan->first_features = arena_new(&plan->arena, (size_t)n + 1, sizeof *plan->first_features);
    int rc = plan->features && plan->roots && plan->first_features ? OK : no_memory(error);
    if (rc == OK)
        rc = take_events(plan, base, error);
    if (rc == OK)
        rc = take_texts(plan, plans, n, error);
    if (rc == OK)
        rc = add_parts(plan, base, plans, n, error);
    if (rc != OK) {
        plan_unref(plan);
        return rc;
    }
    *ret = plan;
    return OK;
}

int plan_parts(const struct plan *plan)
{
    return plan->n_parts ? plan->n_parts : 1;
}

void plan_part(const struct plan *plan, int i, int *ret_first, int *ret_n)
{
    *ret_first = plan->n_parts ? plan->first_features[i] : 0;
    *ret_n = (plan->n_parts ? plan->first_features[i + 1] : plan->features->n) - *ret_first;
}
