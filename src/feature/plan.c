#include "feature/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "feature/compile.h"

struct plan *plan_ref(struct plan *plan)
{
    __atomic_add_fetch(&plan->references, 1, __ATOMIC_RELAXED);
    return plan;
}

void plan_unref(struct plan *plan)
{
    if (!plan || __atomic_sub_fetch(&plan->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t g = 0; g < plan->n_groups; g++) {
        free(plan->groups[g].frames);
        free(plan->groups[g].slots);
    }
    free(plan->groups);
    free(plan->windows);
    free(plan->exprs);
    free(plan->warnings);
    schema_unref(plan->events);
    schema_unref(plan->features);
    arena_done(&plan->arena);
    free(plan);
}

struct schema *plan_events(const struct plan *plan)
{
    return plan->events;
}

struct schema *plan_features(const struct plan *plan)
{
    return plan->features;
}

const char *plan_table_name(const struct plan *plan)
{
    return plan->table_name;
}

const char *plan_sql(const struct plan *plan)
{
    return plan->sql;
}

const char *plan_hash(const struct plan *plan)
{
    return plan->hash;
}

int plan_id_column(const struct plan *plan)
{
    return plan->id_column;
}

int64_t plan_dedupe(const struct plan *plan)
{
    int64_t longest = 0;
    if (plan->id_column < 0 || plan->time_column < 0)
        return 0;
    for (int i = 0; i < plan->events->n; i++) {
        const struct late *late = &plan->late[i];
        int64_t after = plan->time_is_step ? late->after_steps : late->after_us;
        longest = late->is_late && after > longest ? after : longest;
    }
    /* How many steps are a day, nobody says. */
    return longest || plan->time_is_step ? longest : DAY_US;
}

int plan_time_column(const struct plan *plan)
{
    return plan->time_column;
}

int plan_label_column(const struct plan *plan)
{
    return plan->label_column;
}

bool plan_label_after(const struct plan *plan, int64_t *ret)
{
    const struct late *late = plan->label_column < 0 ? NULL : &plan->late[plan->label_column];
    if (!late || plan->time_is_step != (late->after_steps > 0))
        return false;
    *ret = plan->time_is_step ? late->after_steps : late->after_us;
    return true;
}

const char *plan_label_after_text(const struct plan *plan, char *text)
{
    return leakage_after_text(&plan->late[plan->label_column], text);
}

bool plan_late_default(const struct plan *plan, int column, double *ret)
{
    if (!plan->late[column].has_number)
        return false;
    *ret = plan->late[column].number;
    return true;
}

bool plan_has_where(const struct plan *plan)
{
    return plan->where;
}

const char *plan_oracle(const struct plan *plan)
{
    return plan->oracle;
}

/* CASE is IF(condition, a, b), and IF is the only call of three arguments that begins with a condition. */
static const struct expr *text_outcome(const struct expr *expr, int *n)
{
    if (expr->kind == EXPR_CONSTANT && expr->rep == REP_TEXT && !expr->is_null)
        return (*n)-- == 0 ? expr : NULL;
    if (expr->kind != EXPR_CALL || expr->n_args != 3 || expr->args[0]->rep != REP_BOOLEAN)
        return NULL;
    const struct expr *found = text_outcome(expr->args[1], n);
    return found ? found : text_outcome(expr->args[2], n);
}

const char *plan_text_outcome(const struct plan *plan, int f, int n, size_t *ret_size)
{
    const struct expr *found = text_outcome(plan->roots[f], &n);
    if (!found)
        return NULL;
    *ret_size = found->value.text.size;
    return found->value.text.data;
}

const char *plan_warning(const struct plan *plan, int n)
{
    return n >= 0 && (size_t)n < plan->n_warnings ? plan->warnings[n] : NULL;
}
