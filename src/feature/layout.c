#include "feature/layout.h"

#include <stdlib.h>

static size_t align(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static struct stored *find_stored(const struct layout *layout, int slot)
{
    for (int i = 0; i < layout->n_stored; i++)
        if (layout->stored[i].slot == slot)
            return &layout->stored[i];
    return NULL;
}

static int find_accumulator(struct layout *layout, int frame, int slot)
{
    for (int i = layout->frame_first[frame]; i < layout->n_accumulators; i++)
        if (layout->accumulators[i].slot == slot)
            return i;
    layout->accumulators[layout->n_accumulators] = (struct accumulator){.frame = frame, .slot = slot};
    return layout->n_accumulators++;
}

/* Windows of one frame after the other, so that a frame's accumulators stand together. min and max need one
 * too: its count says whether the frame has any value. */
static void find_accumulators(const struct plan *plan, int group, struct layout *layout)
{
    static const enum accumulator_kind kinds[] = {[REP_INT] = ACCUMULATE_INT,
                                                  [REP_WIDE] = ACCUMULATE_WIDE,
                                                  [REP_DOUBLE] = ACCUMULATE_DOUBLE,
                                                  [REP_BOOLEAN] = ACCUMULATE_INT};
    int n_frames = (int)layout->group->n_frames;
    for (int frame = 0; frame < n_frames; frame++) {
        layout->frame_first[frame] = layout->n_accumulators;
        for (size_t w = 0; w < plan->n_windows; w++) {
            const struct window *window = &plan->windows[w];
            bool extreme = window->aggregate == AGGREGATE_MIN || window->aggregate == AGGREGATE_MAX;
            if (window->group != group || window->slot < 0 || window->frame != frame || extreme)
                continue;
            struct accumulator *accumulator =
                &layout->accumulators[find_accumulator(layout, frame, window->slot)];
            accumulator->summed |= window->aggregate == AGGREGATE_SUM || window->aggregate == AGGREGATE_AVG;
            if (accumulator->summed) {
                accumulator->kind = kinds[layout->group->slots[window->slot].rep];
                accumulator->value = find_stored(layout, window->slot)->offset;
                accumulator->pack = find_stored(layout, window->slot)->pack;
            }
        }
    }
    layout->frame_first[n_frames] = layout->n_accumulators;
}

static void lay_out_entity(struct layout *layout)
{
    size_t at = align(sizeof(struct entity), 8);
    layout->keys_offset = at;
    at += (size_t)layout->n_words * 8;
    layout->cursors_offset = at;
    at += layout->group->n_frames * sizeof(struct cursor);
    at = align(at, 16);
    for (int i = 0; i < layout->n_accumulators; i++)
        if (layout->accumulators[i].summed) {
            layout->accumulators[i].offset = at;
            at += sizeof(struct exact);
        }
    for (int i = 0; i < layout->n_accumulators; i++)
        if (!layout->accumulators[i].summed) {
            layout->accumulators[i].offset = at;
            at += sizeof(int64_t);
        }
    layout->entity_size = align(at, 16);
}

static void lay_out_event(const struct plan *plan, int group, struct layout *layout)
{
    const struct group *g = layout->group;
    size_t at = sizeof(int64_t);
    for (size_t s = 0; s < g->n_slots; s++) {
        bool stored = false;
        for (size_t w = 0; w < plan->n_windows; w++)
            stored |= plan->windows[w].group == group && plan->windows[w].slot == (int)s &&
                      plan->windows[w].aggregate != AGGREGATE_COUNT;
        if (!stored)
            continue;
        enum pack pack = pack_of_type(&g->slots[s].type);
        layout->stored[layout->n_stored++] = (struct stored){(int)s, at, pack};
        at += pack_width(pack);
    }
    layout->marks_offset = at;
    layout->event_size = at + (size_t)layout->mark_width;
}

static void find_readings(const struct plan *plan, int group, struct layout *layout)
{
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        if (window->group != group)
            continue;
        struct reading *reading = &layout->readings[layout->n_readings++];
        *reading =
            (struct reading){READ_EVENTS, .window = (int)w, .frame = window->frame, .slot = window->slot};
        if (window->slot < 0)
            continue;
        const struct slot *slot = &layout->group->slots[window->slot];
        if (window->aggregate == AGGREGATE_MIN || window->aggregate == AGGREGATE_MAX) {
            reading->kind = READ_EXTREME;
            reading->value = find_stored(layout, window->slot)->offset;
            reading->pack = find_stored(layout, window->slot)->pack;
            reading->sign = window->aggregate == AGGREGATE_MAX ? 1 : -1;
            continue;
        }
        const struct accumulator *accumulator =
            &layout->accumulators[find_accumulator(layout, window->frame, window->slot)];
        bool real = slot->rep == REP_DOUBLE, mean = window->aggregate == AGGREGATE_AVG;
        reading->offset = accumulator->offset;
        reading->decimal = window->type.id == TYPE_DECIMAL;
        reading->scale = slot->type.id == TYPE_DECIMAL ? slot->type.scale : 0;
        if (window->aggregate == AGGREGATE_COUNT)
            reading->kind = accumulator->summed ? READ_SUM_COUNT : READ_COUNT;
        else if (mean)
            reading->kind = real ? READ_MEAN_DOUBLE : READ_MEAN_WIDE;
        else
            reading->kind = real ? READ_SUM_DOUBLE : READ_SUM_WIDE;
    }
}

int layout_new(const struct plan *plan, int group, struct layout *ret, struct error *error)
{
    const struct group *g = &plan->groups[group];
    struct layout layout = {.group = g, .n_words = 1};
    for (size_t k = 0; k < g->n_keys; k++)
        layout.n_words += g->keys[k]->rep == REP_WIDE ? 2 : 1;
    layout.mark_width = g->n_slots == 0 ? 0 : g->n_slots <= 8 ? 1 : 8;
    layout.stored = memory_new(g->n_slots, sizeof *layout.stored);
    layout.accumulators = memory_new(plan->n_windows, sizeof *layout.accumulators);
    layout.frame_first = memory_new(g->n_frames + 1, sizeof *layout.frame_first);
    layout.readings = memory_new(plan->n_windows, sizeof *layout.readings);
    if (!layout.stored || !layout.accumulators || !layout.frame_first || !layout.readings) {
        layout_done(&layout);
        return error_set(error, CODE_MEMORY, "no memory for a window's layout");
    }
    for (size_t f = 0; f < g->n_frames; f++)
        if (g->frames[f].start > layout.longest) {
            layout.longest = g->frames[f].start;
            layout.longest_frame = (int)f;
        }
    lay_out_event(plan, group, &layout);
    find_accumulators(plan, group, &layout);
    lay_out_entity(&layout);
    find_readings(plan, group, &layout);
    *ret = layout;
    return OK;
}

void layout_done(struct layout *layout)
{
    free(layout->stored);
    free(layout->accumulators);
    free(layout->frame_first);
    free(layout->readings);
    *layout = (struct layout){0};
}
