/* Late columns: a label, or what a bank answers days later. Nothing may look at one before it can be known.
 */
#include <stdio.h>
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

int leakage_slot_column(const struct slot *slot)
{
    int column = leakage_column(slot->argument);
    return column >= 0 ? column : leakage_column(slot->filter);
}

bool leakage_is_stuck(const struct plan *plan, const struct window *window)
{
    const struct group *group = &plan->groups[window->group];
    bool sums = window->aggregate != AGGREGATE_MIN && window->aggregate != AGGREGATE_MAX &&
                window->aggregate != AGGREGATE_FIRST && window->aggregate != AGGREGATE_LAST;
    return !sums && group->level == 0 && window->slot >= 0 &&
           group->frames[window->frame].start == FRAME_UNBOUNDED &&
           leakage_slot_column(&group->slots[window->slot]) >= 0;
}

int leakage_warn(const struct binder *binder, const struct window *window, struct error *error)
{
    struct plan *plan = binder->plan;
    const struct group *group = &plan->groups[window->group];
    int column = window->slot < 0 ? -1 : leakage_slot_column(&group->slots[window->slot]);
    if (column >= 0 && group->level > 0)
        return plan_warn(plan, error,
                         "a window over results of windows looks at %s: labels that come later (--labels) do "
                         "not reach it",
                         plan->events->fields[column].name);
    if (leakage_is_stuck(plan, window))
        return plan_warn(plan, error,
                         "min, max, first and last of %s in a frame without a start cannot follow labels "
                         "that come later: --labels refuses the plan",
                         plan->events->fields[column].name);
    return OK;
}

static const char *length_text(bool steps, int64_t length, char text[UNITS_TEXT_SIZE])
{
    if (!steps)
        return units_duration_text(length, text);
    snprintf(text, UNITS_TEXT_SIZE, "%lld step%s", (long long)length, length == 1 ? "" : "s");
    return text;
}

const char *leakage_after_text(const struct late *late, char *text)
{
    return length_text(late->after_steps, late->after_steps ? late->after_steps : late->after_us, text);
}

static int check_column(const struct binder *binder, int column, const struct frame *frame, bool rows,
                        struct error *error)
{
    struct plan *plan = binder->plan;
    const struct late *late = &plan->late[column];
    const char *name = plan->events->fields[column].name, *length = plan->time_is_step ? "n" : "INTERVAL ...";
    char after[UNITS_TEXT_SIZE], end[UNITS_TEXT_SIZE];
    int64_t known = plan->time_is_step ? late->after_steps : late->after_us;
    leakage_after_text(late, after);
    if (plan->time_is_step && !known)
        known = 1; /* how many steps make a duration is the user's word */
    if (rows)
        return bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: rows may be of any age, also from before %s is known, which takes %s: write "
            "RANGE BETWEEN ... AND %s PRECEDING of at least that",
            name, after, length);
    if (frame->end == 0)
        return bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: this frame ends at the current row, where %s is not known yet; it is known after %s: "
            "let the frame end at %s PRECEDING of at least that",
            name, after, length);
    if (frame->end < known)
        return plan_warn(plan, error,
                         "a frame over %s ends %s before the event, but %s is known only after %s: it sees "
                         "labels half known (frauds arrive, their absence does not)",
                         name, length_text(plan->time_is_step, frame->end, end), name, after);
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
