/* What compiled expressions look at. Internal to feature/. */
#ifndef SHRIKE_FEATURE_EXPR_WALK_H
#define SHRIKE_FEATURE_EXPR_WALK_H

#include "feature/compile.h"

/* Marks an expression and what is below it by expr->id; below a window are its argument, FILTER and keys.
 * seen: plan->n_exprs of them. */
void expr_walk(const struct plan *plan, const struct expr *expr, bool *seen);
/* The same for what a slot of a group computes; -1: none. */
void expr_walk_slot(const struct plan *plan, const struct group *group, int slot, bool *seen);
/* Of an integer that was only widened what it was before; of everything else itself. */
struct expr *expr_narrowest(struct expr *expr);

#endif
