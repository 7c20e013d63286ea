#include "feature/expr_walk.h"

void expr_walk_slot(const struct plan *plan, const struct group *group, int slot, bool *seen)
{
    if (slot < 0)
        return;
    if (group->slots[slot].argument)
        expr_walk(plan, group->slots[slot].argument, seen);
    if (group->slots[slot].filter)
        expr_walk(plan, group->slots[slot].filter, seen);
}

void expr_walk(const struct plan *plan, const struct expr *expr, bool *seen)
{
    if (seen[expr->id])
        return;
    seen[expr->id] = true;
    for (int i = 0; i < expr->n_args; i++)
        expr_walk(plan, expr->args[i], seen);
    if (expr->kind != EXPR_WINDOW)
        return;
    const struct window *window = &plan->windows[expr->index];
    const struct group *group = &plan->groups[window->group];
    for (size_t k = 0; k < group->n_keys; k++)
        expr_walk(plan, group->keys[k], seen);
    expr_walk_slot(plan, group, window->slot, seen);
    expr_walk_slot(plan, group, window->rows, seen);
}

static bool is_signed(enum type_id id)
{
    return id < TYPE_UINT8 || id > TYPE_UINT64;
}

/* What cannot fail is passed: a negative value does not fit an unsigned type, however wide. */
struct expr *expr_narrowest(struct expr *expr)
{
    while (expr->kind == EXPR_CALL && expr->n_args == 1 && expr->rep == REP_INT &&
           expr->args[0]->rep == REP_INT && type_is_integer(expr->type.id) &&
           type_is_integer(expr->args[0]->type.id) &&
           type_width(expr->args[0]->type.id) < type_width(expr->type.id) &&
           !(is_signed(expr->args[0]->type.id) && !is_signed(expr->type.id)) &&
           expr->run == expr_find_cast(&expr->args[0]->type, &expr->type))
        expr = expr->args[0];
    return expr;
}
