/* Which features give a secret away: their value is that of a secret column, or computed from it. */
#include "base/limits.h"
#include "feature/compile.h"

/* Counts and truths say little of a value; everything else may be turned back into it. */
static bool shows(const struct plan *plan, const struct expr *expr, int depth)
{
    if (!expr || depth > LIMIT_EXPRESSION_DEPTH)
        return expr != NULL;
    if (expr->kind == EXPR_COLUMN)
        return plan->events->fields[expr->index].roles & ROLE_SECRET;
    if (expr->type.id == TYPE_BOOLEAN)
        return false;
    if (expr->kind == EXPR_WINDOW) {
        const struct window *window = &plan->windows[expr->index];
        const struct group *group = &plan->groups[window->group];
        bool counts = window->aggregate == AGGREGATE_COUNT || window->aggregate == AGGREGATE_DISTINCT;
        return !counts && window->slot >= 0 && shows(plan, group->slots[window->slot].argument, depth + 1);
    }
    bool found = false;
    for (int i = 0; !found && i < expr->n_args; i++)
        found = shows(plan, expr->args[i], depth + 1);
    return found;
}

bool plan_feature_is_secret(const struct plan *plan, int feature)
{
    return shows(plan, plan->roots[feature], 0);
}

bool plan_has_secrets(const struct plan *plan)
{
    bool any = false;
    for (int c = 0; !any && c < plan->events->n; c++)
        any = (plan->events->fields[c].roles & ROLE_SECRET) != 0;
    return any;
}
