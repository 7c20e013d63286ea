/* Late columns: a label, or what a bank answers days later. Nothing may look at one before it can be known.
 */
#include <stdlib.h>

#include "base/units.h"
#include "feature/compile.h"

/* Sets used[c] for every late column c that the expression looks at outside of windows. Expressions share
 * their parts, so that each is visited once, users before arguments. False: no memory. */
static bool find_late(const struct plan *plan, const struct expr *expr, bool *used)
{
    if (!expr || !expr->late)
        return true;
    bool *reached = memory_new((size_t)expr->id + 1, sizeof *reached);
    if (!reached)
        return false;
    reached[expr->id] = true;
    for (int id = expr->id; id >= 0; id--) {
        const struct expr *part = plan->exprs[id];
        if (!reached[id] || !part->late)
            continue;
        if (part->kind == EXPR_COLUMN)
            used[part->index] = true;
        for (int i = 0; i < part->n_args; i++)
            reached[part->args[i]->id] = true;
    }
    free(reached);
    return true;
}

int leakage_column(const struct expr *expr)
{
    while (expr && expr->late && expr->kind != EXPR_COLUMN) {
        int i = 0;
        while (!expr->args[i]->late)
            i++;
        expr = expr->args[i];
    }
    return expr && expr->late ? expr->index : -1;
}

static int check_column(const struct binder *binder, int column, const struct frame *frame, bool rows,
                        struct error *error)
{
    struct plan *plan = binder->plan;
    const char *name = plan->events->fields[column].name;
    char after[UNITS_TEXT_SIZE], end[UNITS_TEXT_SIZE];
    int64_t known_us = plan->late[column].after_us;
    units_duration_text(known_us, after);
    if (plan->time_is_step)
        known_us = 1; /* steps have no length of their own: any delay is the user's word */
    if (rows)
        return bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: rows may be of any age, also from before %s is known, which takes %s: write "
            "RANGE BETWEEN ... AND INTERVAL ... PRECEDING of at least that",
            name, after);
    if (frame->end == 0)
        return bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: this frame ends at the current row, where %s is not known yet; it is known after %s: "
            "let the frame end at INTERVAL ... PRECEDING of at least that",
            name, after);
    if (frame->end < known_us)
        return plan_warn(plan, error,
                         "a frame over %s ends %s before the event, but %s is known only after %s: it sees "
                         "labels half known (frauds arrive, their absence does not)",
                         name, units_duration_text(frame->end, end), name, after);
    return OK;
}

int leakage_check(const struct binder *binder, const struct slot *slot, const struct frame *frame, bool rows,
                  struct error *error)
{
    const struct plan *plan = binder->plan;
    bool *used = memory_new((size_t)plan->events->n, sizeof *used);
    int rc = used && find_late(plan, slot->argument, used) && find_late(plan, slot->filter, used)
                 ? OK
                 : error_set(error, CODE_MEMORY, "no memory for the plan");
    for (int c = 0; rc == OK && c < plan->events->n; c++)
        if (used[c])
            rc = check_column(binder, c, frame, rows, error);
    free(used);
    return rc;
}
