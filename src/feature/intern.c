/* What a plan has only once: frames, slots, groups and windows. */
#include <string.h>

#include "feature/compile.h"

int intern_frame(struct group *group, const struct frame *frame)
{
    for (size_t i = 0; i < group->n_frames; i++)
        if (group->frames[i].unit == frame->unit && group->frames[i].exclusive == frame->exclusive &&
            group->frames[i].start == frame->start && group->frames[i].end == frame->end)
            return (int)i;
    if (!memory_grow(&group->frames, &group->frames_capacity, group->n_frames + 1, sizeof *group->frames))
        return -1;
    group->frames[group->n_frames] = *frame;
    return (int)group->n_frames++;
}

int intern_slot(struct group *group, const struct slot *slot)
{
    for (size_t i = 0; i < group->n_slots; i++)
        if (group->slots[i].argument == slot->argument && group->slots[i].filter == slot->filter)
            return (int)i;
    if (!memory_grow(&group->slots, &group->slots_capacity, group->n_slots + 1, sizeof *group->slots))
        return -1;
    group->slots[group->n_slots] = *slot;
    return (int)group->n_slots++;
}

int intern_group(struct plan *plan, struct expr **keys, size_t n, int level)
{
    for (size_t g = 0; g < plan->n_groups; g++)
        if (plan->groups[g].n_keys == n && plan->groups[g].level == level &&
            (n == 0 || memcmp(plan->groups[g].keys, keys, n * sizeof *keys) == 0))
            return (int)g;
    if (!memory_grow(&plan->groups, &plan->groups_capacity, plan->n_groups + 1, sizeof *plan->groups))
        return -1;
    plan->groups[plan->n_groups] = (struct group){.keys = keys, .n_keys = n, .level = level};
    return (int)plan->n_groups++;
}

int intern_window(struct plan *plan, const struct window *window)
{
    for (size_t i = 0; i < plan->n_windows; i++)
        if (plan->windows[i].group == window->group && plan->windows[i].frame == window->frame &&
            plan->windows[i].slot == window->slot && plan->windows[i].rows == window->rows &&
            plan->windows[i].aggregate == window->aggregate)
            return (int)i;
    if (!memory_grow(&plan->windows, &plan->windows_capacity, plan->n_windows + 1, sizeof *plan->windows))
        return -1;
    plan->windows[plan->n_windows] = *window;
    return (int)plan->n_windows++;
}
