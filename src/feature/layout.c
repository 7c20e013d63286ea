#include "feature/layout.h"

#include <stdlib.h>

#include "feature/expr_walk.h"

static size_t align(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

void accumulator_clear(const struct accumulator *accumulator, char *base)
{
    char *at = base + accumulator->offset;
    switch (accumulator->kind) {
    case ACCUMULATE_COUNT:
    case ACCUMULATE_LINKED:
    case ACCUMULATE_DISTINCT:
        *(int64_t *)at = 0;
        break;
    case ACCUMULATE_SMALL:
        *(struct small_sum *)at = (struct small_sum){0};
        break;
    case ACCUMULATE_SQUARES:
        exact_squares_done((struct exact_squares *)at);
        *(struct exact_squares *)at = (struct exact_squares){0};
        break;
    default:
        exact_done((struct exact *)at);
        *(struct exact *)at = (struct exact){0};
    }
}

static size_t accumulator_width(enum accumulator_kind kind)
{
    switch (kind) {
    case ACCUMULATE_COUNT:
    case ACCUMULATE_LINKED:
    case ACCUMULATE_DISTINCT:
        return sizeof(int64_t);
    case ACCUMULATE_SMALL:
        return sizeof(struct small_sum);
    case ACCUMULATE_SQUARES:
        return sizeof(struct exact_squares);
    default:
        return sizeof(struct exact);
    }
}

static bool is_variance(enum aggregate aggregate)
{
    return aggregate >= AGGREGATE_VAR_POP && aggregate <= AGGREGATE_STDDEV_SAMP;
}

static bool is_extreme(enum aggregate aggregate)
{
    return aggregate == AGGREGATE_MIN || aggregate == AGGREGATE_MAX;
}

static bool is_place(enum aggregate aggregate)
{
    return aggregate == AGGREGATE_FIRST || aggregate == AGGREGATE_LAST;
}

/* Frames and their ends. */
static void lay_out_frames(struct layout *layout)
{
    const struct group *group = layout->group;
    for (size_t f = 0; f < group->n_frames; f++) {
        const struct frame *frame = &group->frames[f];
        int e = 0;
        while (e < layout->n_ends &&
               !(layout->ends[e].unit == frame->unit && layout->ends[e].exclusive == frame->exclusive &&
                 layout->ends[e].end == frame->end))
            e++;
        if (e == layout->n_ends)
            layout->ends[layout->n_ends++] =
                (struct layout_end){.unit = frame->unit, .exclusive = frame->exclusive, .end = frame->end};
        layout->frames[layout->n_frames++] =
            (struct layout_frame){.unit = frame->unit,
                                  .unbounded = frame->start == FRAME_UNBOUNDED,
                                  .start = frame->start,
                                  .end = e};
        bool unbounded = frame->start == FRAME_UNBOUNDED;
        int64_t reach = unbounded ? frame->end : frame->start;
        layout->unbounded |= unbounded;
        layout->lasting |= unbounded || frame->unit == FRAME_ROWS;
        if (frame->unit == FRAME_ROWS && (uint32_t)reach > layout->retain_rows)
            layout->retain_rows = (uint32_t)reach;
        if (frame->unit == FRAME_RANGE && reach > layout->retain)
            layout->retain = reach;
    }
}

static const struct stored *find_stored(const struct layout *layout, int slot)
{
    for (int i = 0; i < layout->n_stored; i++)
        if (layout->stored[i].slot == slot)
            return &layout->stored[i];
    return NULL;
}

/* The type that a slot's values fit: an integer that was only widened is kept as it was. */
static const struct type *narrowest(const struct slot *slot)
{
    return &expr_narrowest(slot->argument)->type;
}

/* What a group of level 1 carries was computed when the event was taken, and stays. */
static void find_late(struct layout *layout)
{
    const struct group *group = layout->group;
    for (size_t s = 0; group->level == 0 && s < group->n_slots; s++) {
        const struct slot *slot = &group->slots[s];
        bool late = (slot->argument && slot->argument->late) || (slot->filter && slot->filter->late);
        layout->late |= (uint64_t)late << s;
    }
}

static void lay_out_event(const struct plan *plan, int group, enum layout_finds finds, struct layout *layout)
{
    const struct group *g = layout->group;
    size_t at = sizeof(int64_t);
    for (size_t s = 0; s < g->n_slots; s++) {
        bool stored = false, forever = false, linked = false;
        for (size_t w = 0; w < plan->n_windows; w++) {
            const struct window *window = &plan->windows[w];
            if (window->group != group || window->slot != (int)s || window->aggregate == AGGREGATE_COUNT)
                continue;
            stored = true;
            if (window->aggregate == AGGREGATE_DISTINCT)
                *(layout->frames[window->frame].unbounded ? &forever : &linked) = true;
        }
        if (!stored || !g->slots[s].argument)
            continue;
        enum pack pack = pack_of_type(narrowest(&g->slots[s]));
        bool text = g->slots[s].rep == REP_TEXT;
        layout->stored[layout->n_stored++] = (struct stored){(int)s, at, pack, text, forever};
        layout->has_text |= text;
        at += pack_width(pack);
        if (linked) {
            int l = layout->n_linked++;
            layout->linked[l] = (struct linked){(int)s, l, pack, at - pack_width(pack), 0};
        }
    }
    if (finds == LAYOUT_FINDS_ALL || (finds == LAYOUT_FINDS_LATE && layout->late)) {
        layout->arrival_offset = at;
        at += sizeof(uint32_t);
    }
    layout->marks_offset = at;
    layout->event_size = at + (size_t)layout->mark_width;
}

static enum accumulator_kind sum_kind(const struct slot *slot)
{
    if (slot->rep == REP_DOUBLE)
        return ACCUMULATE_DOUBLE;
    if (slot->rep == REP_WIDE)
        return ACCUMULATE_WIDE;
    return pack_width(pack_of_type(narrowest(slot))) <= 4 ? ACCUMULATE_SMALL : ACCUMULATE_INT;
}

static bool is_distinct(enum accumulator_kind kind)
{
    return kind == ACCUMULATE_LINKED || kind == ACCUMULATE_DISTINCT;
}

/* A frame needs one accumulator per slot for count, sum and variance, the widest that is asked for, and
 * another one for count(DISTINCT). */
static void need_accumulator(struct layout *layout, int frame, int slot, enum accumulator_kind kind)
{
    bool distinct = is_distinct(kind);
    for (int i = 0; i < layout->n_accumulators; i++) {
        struct accumulator *known = &layout->accumulators[i];
        if (known->frame == frame && known->slot == slot && is_distinct(known->kind) == distinct) {
            known->kind = kind > known->kind ? kind : known->kind;
            return;
        }
    }
    layout->accumulators[layout->n_accumulators++] =
        (struct accumulator){.frame = frame, .slot = slot, .kind = kind};
}

static int compare_int(int a, int b)
{
    return (a > b) - (a < b);
}

static int compare_accumulators(const void *a, const void *b, void *context)
{
    const struct accumulator *x = a, *y = b;
    const struct layout *layout = context;
    int order = compare_int(layout->frames[x->frame].end, layout->frames[y->frame].end);
    order = order ? order : compare_int(x->slot, y->slot);
    order = order ? order : compare_int((int)x->kind, (int)y->kind);
    return order ? order : compare_int(x->frame, y->frame);
}

static void place_in_map(struct layout *layout, struct accumulator *accumulator)
{
    int m = 0;
    while (m < layout->n_maps && layout->maps[m].slot != accumulator->slot)
        m++;
    if (m == layout->n_maps)
        layout->maps[layout->n_maps++] = (struct map){
            .slot = accumulator->slot, .shape = {.key_words = accumulator->pack == PACK_WIDE ? 2 : 1}};
    accumulator->map = m;
    accumulator->place = layout->maps[m].shape.n_frames++;
}

static void lay_out_accumulators(const struct plan *plan, int group, struct layout *layout)
{
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        if (window->group != group || window->slot < 0 || is_extreme(window->aggregate) ||
            is_place(window->aggregate))
            continue;
        bool unbounded = layout->frames[window->frame].unbounded;
        enum accumulator_kind kind =
            window->aggregate == AGGREGATE_COUNT      ? ACCUMULATE_COUNT
            : window->aggregate == AGGREGATE_DISTINCT ? unbounded ? ACCUMULATE_DISTINCT : ACCUMULATE_LINKED
            : is_variance(window->aggregate)          ? ACCUMULATE_SQUARES
                                                      : sum_kind(&layout->group->slots[window->slot]);
        need_accumulator(layout, window->frame, window->slot, kind);
    }
    qsort_r(layout->accumulators, (size_t)layout->n_accumulators, sizeof *layout->accumulators,
            compare_accumulators, layout);
    for (int i = 0; i < layout->n_accumulators; i++) {
        struct accumulator *accumulator = &layout->accumulators[i];
        struct layout_frame *frame = &layout->frames[accumulator->frame];
        struct layout_end *end = &layout->ends[frame->end];
        const struct stored *stored = find_stored(layout, accumulator->slot);
        end->first = end->last ? end->first : i;
        end->last = i + 1;
        frame->n_accumulators++;
        if (stored) {
            accumulator->value = stored->offset;
            accumulator->pack = stored->pack;
        }
        accumulator->mark_byte = layout->marks_offset + (size_t)accumulator->slot / 8;
        accumulator->mark_bit = accumulator->slot % 8;
        if (accumulator->kind == ACCUMULATE_DISTINCT)
            place_in_map(layout, accumulator);
        for (int l = 0; l < layout->n_linked; l++)
            if (layout->linked[l].slot == accumulator->slot)
                accumulator->linked = l;
    }
}

/* Accumulators that are the same but for their frames. */
static enum run_along run_of(const struct accumulator *accumulators, int n)
{
    enum run_along run = RUN_NOTHING;
    for (int i = 0; i < n; i++) {
        const struct accumulator *one = &accumulators[i];
        run = one->kind == ACCUMULATE_SMALL                                ? RUN_SMALL
              : one->kind == ACCUMULATE_DOUBLE && one->pack == PACK_DOUBLE ? RUN_DOUBLE
                                                                           : RUN_ANYTHING;
        if (run == RUN_ANYTHING || one->slot != accumulators[0].slot || one->kind != accumulators[0].kind)
            return RUN_ANYTHING;
    }
    return run;
}

static void lay_out_runs(struct layout *layout)
{
    struct accumulator *at = layout->frame_accumulators;
    for (int f = 0; f < layout->n_frames; f++) {
        struct layout_frame *frame = &layout->frames[f];
        frame->accumulators = at;
        for (int i = 0; i < layout->n_accumulators; i++)
            if (layout->accumulators[i].frame == f)
                *at++ = layout->accumulators[i];
        frame->run =
            frame->n_accumulators > 1 ? RUN_ANYTHING : run_of(frame->accumulators, frame->n_accumulators);
    }
    for (int e = 0; e < layout->n_ends; e++) {
        struct layout_end *end = &layout->ends[e];
        bool more = end->first_extreme < end->last_extreme || end->first_marked < end->last_marked;
        end->run = more ? RUN_ANYTHING : run_of(layout->accumulators + end->first, end->last - end->first);
    }
}

static int find_extreme(const struct layout *layout, int end, int slot, int sign)
{
    for (int i = 0; i < layout->n_extremes; i++) {
        const struct extreme *extreme = &layout->extremes[i];
        if (extreme->end == end && extreme->slot == slot && extreme->sign == sign)
            return i;
    }
    return -1;
}

static void lay_out_extremes(const struct plan *plan, int group, struct layout *layout)
{
    for (int end = 0; end < layout->n_ends; end++) {
        layout->ends[end].first_extreme = layout->n_extremes;
        for (size_t w = 0; w < plan->n_windows; w++) {
            const struct window *window = &plan->windows[w];
            if (window->group != group || !is_extreme(window->aggregate) ||
                layout->frames[window->frame].end != end)
                continue;
            int sign = window->aggregate == AGGREGATE_MAX ? 1 : -1;
            int i = find_extreme(layout, end, window->slot, sign);
            const struct stored *stored = find_stored(layout, window->slot);
            if (i < 0) {
                i = layout->n_extremes++;
                layout->extremes[i] = (struct extreme){.slot = window->slot,
                                                       .end = end,
                                                       .sign = sign,
                                                       .rep = layout->group->slots[window->slot].rep,
                                                       .pack = stored->pack,
                                                       .value = stored->offset};
            }
            layout->extremes[i].gone |= layout->frames[window->frame].unbounded;
        }
        layout->ends[end].last_extreme = layout->n_extremes;
    }
}

static int find_marked(const struct layout *layout, int frame, int end, int slot)
{
    for (int i = 0; i < layout->n_marked; i++) {
        const struct marked *marked = &layout->marked[i];
        if (marked->slot == slot && marked->frame == frame && marked->end == end)
            return i;
    }
    return -1;
}

static void need_marked(struct layout *layout, int frame, int end, int slot)
{
    if (find_marked(layout, frame, end, slot) < 0)
        layout->marked[layout->n_marked++] = (struct marked){.slot = slot, .frame = frame, .end = end};
}

static bool places(const struct plan *plan, int group, size_t w, enum aggregate aggregate)
{
    return plan->windows[w].group == group && plan->windows[w].aggregate == aggregate;
}

static void lay_out_marked(const struct plan *plan, int group, struct layout *layout)
{
    for (int end = 0; end < layout->n_ends; end++) {
        layout->ends[end].first_marked = layout->n_marked;
        for (size_t w = 0; w < plan->n_windows; w++)
            if (places(plan, group, w, AGGREGATE_LAST) && plan->windows[w].rows >= 0 &&
                layout->frames[plan->windows[w].frame].end == end)
                need_marked(layout, -1, end, plan->windows[w].rows);
        layout->ends[end].last_marked = layout->n_marked;
    }
    for (size_t w = 0; w < plan->n_windows; w++)
        if (places(plan, group, w, AGGREGATE_FIRST) && plan->windows[w].rows >= 0)
            need_marked(layout, plan->windows[w].frame, layout->frames[plan->windows[w].frame].end,
                        plan->windows[w].rows);
}

static int find_remembered(const struct layout *layout, const struct window *window)
{
    for (int i = 0; i < layout->n_remembered; i++) {
        const struct remembered *remembered = &layout->remembered[i];
        if (remembered->rows == window->rows && remembered->slot == window->slot &&
            remembered->last == (window->aggregate == AGGREGATE_LAST))
            return i;
    }
    return -1;
}

static void lay_out_remembered(const struct plan *plan, int group, struct layout *layout)
{
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        if (window->group != group || !is_place(window->aggregate) ||
            !layout->frames[window->frame].unbounded || find_remembered(layout, window) >= 0)
            continue;
        const struct stored *stored = find_stored(layout, window->slot);
        layout->remembered[layout->n_remembered++] =
            (struct remembered){.rows = window->rows,
                                .slot = window->slot,
                                .last = window->aggregate == AGGREGATE_LAST,
                                .rep = layout->group->slots[window->slot].rep,
                                .pack = stored->pack,
                                .value = stored->offset};
    }
}

static size_t take_place(size_t *at, size_t size, size_t to)
{
    size_t place = align(*at, to);
    *at = place + size;
    return place;
}

/* What every event touches stands in front. */
static void lay_out_entity(struct layout *layout)
{
    size_t at = sizeof(struct entity), widest = layout->n_remembered ? 16 : 8;
    layout->keys_offset = take_place(&at, (size_t)layout->n_words * 8, 8);
    layout->lows_offset = take_place(&at, (size_t)layout->n_frames * sizeof(uint32_t), 4);
    layout->highs_offset = take_place(&at, (size_t)layout->n_ends * sizeof(uint32_t), 4);
    for (int i = 0; i < layout->n_marked; i++)
        layout->marked[i].offset = take_place(&at, sizeof(uint32_t), 4);
    for (int i = 0; i < layout->n_accumulators; i++) {
        struct accumulator *accumulator = &layout->accumulators[i];
        size_t width = accumulator_width(accumulator->kind);
        size_t to = width >= sizeof(struct exact) ? 16 : 8;
        accumulator->offset = take_place(&at, width, to);
        widest = to > widest ? to : widest;
    }
    for (int i = 0; i < layout->n_extremes; i++)
        layout->extremes[i].offset = take_place(&at, sizeof(struct extremes), 8);
    for (int i = 0; i < layout->n_linked; i++)
        layout->linked[i].offset = take_place(&at, sizeof(struct recent *), 8);
    for (int i = 0; i < layout->n_maps; i++)
        layout->maps[i].offset = take_place(&at, sizeof(struct distinct), 8);
    if (layout->unbounded)
        layout->evicted_offset = take_place(&at, sizeof(int64_t), 8);
    for (int i = 0; i < layout->n_extremes; i++)
        if (layout->extremes[i].gone) {
            layout->extremes[i].gone = take_place(&at, sizeof(struct gone), 16);
            widest = 16;
        }
    for (int i = 0; i < layout->n_remembered; i++)
        layout->remembered[i].offset = take_place(&at, sizeof(struct gone), 16);
    layout->entity_size = align(at, widest);
}

static const struct accumulator *find_accumulator(const struct layout *layout, const struct window *window)
{
    bool distinct = window->aggregate == AGGREGATE_DISTINCT;
    for (int i = 0; i < layout->n_accumulators; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        if (accumulator->frame == window->frame && accumulator->slot == window->slot &&
            is_distinct(accumulator->kind) == distinct)
            return accumulator;
    }
    return NULL;
}

static enum reading_kind reading_of(enum aggregate aggregate, enum accumulator_kind kind)
{
    bool mean = aggregate == AGGREGATE_AVG;
    if (is_variance(aggregate))
        return READ_VARIANCE;
    if (kind == ACCUMULATE_COUNT || is_distinct(kind))
        return READ_COUNT;
    if (kind == ACCUMULATE_SMALL)
        return aggregate == AGGREGATE_COUNT      ? READ_SMALL_COUNT
               : aggregate == AGGREGATE_BOOL_OR  ? READ_SMALL_OR
               : aggregate == AGGREGATE_BOOL_AND ? READ_SMALL_AND
               : mean                            ? READ_SMALL_MEAN
                                                 : READ_SMALL_SUM;
    if (aggregate == AGGREGATE_COUNT)
        return READ_EXACT_COUNT;
    if (kind == ACCUMULATE_DOUBLE || kind == ACCUMULATE_SQUARES)
        return mean ? READ_MEAN_DOUBLE : READ_SUM_DOUBLE;
    return mean ? READ_MEAN_WIDE : READ_SUM_WIDE;
}

static void find_reading(const struct layout *layout, const struct window *window, struct reading *reading)
{
    const struct slot *slot = &layout->group->slots[window->slot];
    const struct stored *stored = find_stored(layout, window->slot);
    reading->rep = slot->rep;
    if (stored) {
        reading->value = stored->offset;
        reading->pack = stored->pack;
    }
    if (is_extreme(window->aggregate)) {
        reading->kind = READ_EXTREME;
        reading->extreme =
            find_extreme(layout, reading->end, window->slot, window->aggregate == AGGREGATE_MAX ? 1 : -1);
    } else if (is_place(window->aggregate)) {
        bool last = window->aggregate == AGGREGATE_LAST;
        reading->kind = last ? READ_LAST : READ_FIRST;
        reading->remembered = reading->unbounded ? find_remembered(layout, window) : -1;
        reading->marked = window->rows < 0
                              ? -1
                              : find_marked(layout, last ? -1 : window->frame, reading->end, window->rows);
    } else {
        const struct accumulator *accumulator = find_accumulator(layout, window);
        reading->kind = reading_of(window->aggregate, accumulator->kind);
        reading->offset = accumulator->offset;
        reading->decimal = window->type.id == TYPE_DECIMAL;
        reading->scale = slot->type.id == TYPE_DECIMAL ? slot->type.scale : 0;
        reading->sample =
            window->aggregate == AGGREGATE_VAR_SAMP || window->aggregate == AGGREGATE_STDDEV_SAMP;
        reading->root =
            window->aggregate == AGGREGATE_STDDEV_POP || window->aggregate == AGGREGATE_STDDEV_SAMP;
    }
}

static int compare_readings(const void *a, const void *b)
{
    const struct reading *x = a, *y = b;
    int order = compare_int((int)x->kind, (int)y->kind);
    return order ? order : compare_int(x->window, y->window);
}

static void find_readings(const struct plan *plan, int group, struct layout *layout)
{
    for (size_t w = 0; w < plan->n_windows; w++) {
        const struct window *window = &plan->windows[w];
        if (window->group != group)
            continue;
        struct reading *reading = &layout->readings[layout->n_readings++];
        const struct layout_frame *frame = &layout->frames[window->frame];
        *reading = (struct reading){.kind = READ_EVENTS,
                                    .window = (int)w,
                                    .frame = window->frame,
                                    .end = frame->end,
                                    .slot = window->slot,
                                    .rows = window->rows,
                                    .unbounded = frame->unbounded};
        if (window->slot >= 0)
            find_reading(layout, window, reading);
    }
    qsort(layout->readings, (size_t)layout->n_readings, sizeof *layout->readings, compare_readings);
}

static bool make_room(const struct plan *plan, struct layout *layout)
{
    size_t windows = plan->n_windows, frames = layout->group->n_frames;
    layout->frames = memory_new(frames, sizeof *layout->frames);
    layout->ends = memory_new(frames, sizeof *layout->ends);
    layout->stored = memory_new(layout->group->n_slots, sizeof *layout->stored);
    layout->accumulators = memory_new(windows, sizeof *layout->accumulators);
    layout->frame_accumulators = memory_new(windows, sizeof *layout->frame_accumulators);
    layout->linked = memory_new(layout->group->n_slots, sizeof *layout->linked);
    layout->maps = memory_new(windows, sizeof *layout->maps);
    layout->extremes = memory_new(windows, sizeof *layout->extremes);
    layout->marked = memory_new(windows, sizeof *layout->marked);
    layout->remembered = memory_new(windows, sizeof *layout->remembered);
    layout->readings = memory_new(windows, sizeof *layout->readings);
    return layout->frames && layout->ends && layout->stored && layout->accumulators &&
           layout->frame_accumulators && layout->linked && layout->maps && layout->extremes &&
           layout->marked && layout->remembered && layout->readings;
}

int layout_new(const struct plan *plan, int group, enum layout_finds finds, struct layout *ret,
               struct error *error)
{
    const struct group *g = &plan->groups[group];
    struct layout layout = {.group = g, .n_words = 1};
    layout.text_keys = memory_new(g->n_keys, sizeof *layout.text_keys);
    for (size_t k = 0; k < g->n_keys && layout.text_keys; k++) {
        if (g->keys[k]->rep == REP_TEXT)
            layout.text_keys[layout.n_text_keys++] = (struct text_key){(int)k, layout.n_words - 1};
        layout.n_words += g->keys[k]->rep == REP_WIDE ? 2 : 1;
    }
    layout.mark_width = g->n_slots == 0 ? 0 : g->n_slots <= 8 ? 1 : 8;
    if (!layout.text_keys || !make_room(plan, &layout)) {
        layout_done(&layout);
        return error_set(error, CODE_MEMORY, "no memory for a window's layout");
    }
    lay_out_frames(&layout);
    find_late(&layout);
    lay_out_event(plan, group, finds, &layout);
    lay_out_accumulators(plan, group, &layout);
    lay_out_extremes(plan, group, &layout);
    lay_out_marked(plan, group, &layout);
    lay_out_remembered(plan, group, &layout);
    lay_out_entity(&layout);
    lay_out_runs(&layout);
    find_readings(plan, group, &layout);
    *ret = layout;
    return OK;
}

void layout_done(struct layout *layout)
{
    free(layout->text_keys);
    free(layout->frames);
    free(layout->ends);
    free(layout->stored);
    free(layout->accumulators);
    free(layout->frame_accumulators);
    free(layout->linked);
    free(layout->maps);
    free(layout->extremes);
    free(layout->marked);
    free(layout->remembered);
    free(layout->readings);
    *layout = (struct layout){0};
}
