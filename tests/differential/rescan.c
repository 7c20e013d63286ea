#include "differential/rescan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "differential/aggregates.h"
#include "feature/kernels.h"

struct sight {
    struct plan *plan;
    const struct table *events;
    int64_t n, lateness;
    const struct erasures *erasures;
    int64_t *times, *floors;
    int64_t *order; /* all events in (time, arrival) order */
    int64_t max_ahead;
    bool *late, *too_late, *ahead, *wanted;
    struct vector *results; /* per window */
    int64_t last_known;     /* the last event that was not ahead */
    struct rescan *out;
    struct arena texts; /* strings that expressions made */
    /* With labels: `events` are these, whose late columns are what is known of them at the event at hand. */
    const struct labels *labels;
    struct table known;
    int64_t next;           /* label that has not arrived */
    int64_t *said;          /* per event: the label that counts, -1 without */
    bool *corrected, *overtaken;
};

static void *new_array(int64_t n, size_t size)
{
    void *array = memory_new((size_t)n, size);
    if (!array)
        abort();
    return array;
}

/* One expression over all events. */
static struct vector evaluate(struct sight *sight, struct expr *expr)
{
    struct program *program = NULL;
    struct vector result = {.rep = expr->rep};
    size_t n = (size_t)sight->n, width = rep_width(expr->rep);
    if (program_new(&expr, 1, sight->n, &program, NULL) != OK)
        abort();
    program_run(program, sight->events, sight->plan->events, 0, sight->n, sight->results, 0);
    const struct vector *root = program_root(program, 0);
    result.data = new_array(sight->n, width);
    result.state = new_array(sight->n, 1);
    memcpy(result.data, root->data, n * width);
    memcpy(result.state, root->state, n);
    for (size_t i = 0; expr->rep == REP_TEXT && i < n; i++)
        if (result.state[i] == STATE_VALUE)
            TEXTS(&result)
    [i].data = arena_text(&sight->texts, TEXTS(&result)[i].data, TEXTS(&result)[i].size);
    program_free(program);
    return result;
}

static void vector_drop(struct vector *vector)
{
    free(vector->data);
    free(vector->state);
}

/* Which events WHERE wants. */
static void look_at_where(struct sight *sight)
{
    struct expr *where = sight->plan->where;
    struct vector truth = where ? evaluate(sight, where) : (struct vector){0};
    for (int64_t i = 0; i < sight->n; i++) {
        sight->wanted[i] = !where || (truth.state[i] == STATE_VALUE && BOOLEANS(&truth)[i]);
        sight->out->filtered += !sight->wanted[i];
    }
    vector_drop(&truth);
}

/* Are `i` and those before it that are ahead, without one between that is not, enough to say that time has
 * moved on? From the last one back, as long as they lie together. */
static bool has_moved_on(const struct sight *sight, int64_t i)
{
    int64_t least = 0, n = 0;
    for (int64_t first = sight->last_known + 1; first <= i; first++) {
        int64_t time = sight->times[first];
        if (!sight->wanted[first] || (n && time - least > sight->max_ahead))
            continue;
        bool others = !n || least - time > sight->max_ahead;
        n = others ? 1 : n + 1;
        least = others || time < least ? time : least;
    }
    return n >= LIMIT_AHEAD_IN_A_ROW && sight->times[i] - least <= sight->max_ahead;
}

static int64_t time_of(const struct sight *sight, int64_t i)
{
    int column = sight->plan->time_column;
    const struct column *times = column < 0 ? NULL : &sight->events->columns[column];
    return times ? column_int(times, &sight->plan->events->fields[column].type, i) * sight->plan->time_scale
                 : 0;
}

/* Times, high water and what is late or ahead, by the definition. */
static void look_at_times(struct sight *sight)
{
    int64_t high = INT64_MIN;
    sight->last_known = -1;
    for (int64_t i = 0; i < sight->n; i++) {
        if (!sight->wanted[i])
            continue;
        int64_t time = time_of(sight, i);
        sight->times[i] = time;
        sight->ahead[i] = sight->max_ahead && high != INT64_MIN && time - high > sight->max_ahead &&
                          !has_moved_on(sight, i);
        sight->last_known = sight->ahead[i] ? sight->last_known : i;
        sight->late[i] = time < high;
        high = time > high && !sight->ahead[i] ? time : high;
        sight->floors[i] = high - sight->lateness;
        sight->too_late[i] = time < sight->floors[i];
        sight->out->late += sight->late[i];
        sight->out->too_late += sight->too_late[i];
        sight->out->ahead += sight->ahead[i];
    }
}

static bool enters(const struct sight *sight, int64_t i)
{
    return sight->wanted[i] && !sight->too_late[i] && !sight->ahead[i];
}

static void sort_by_time(struct sight *sight)
{
    for (int64_t i = 0; i < sight->n; i++) {
        int64_t at = i;
        for (; at > 0 && sight->times[sight->order[at - 1]] > sight->times[i]; at--)
            sight->order[at] = sight->order[at - 1];
        sight->order[at] = i;
    }
}

static bool uses_late(const struct plan *plan, const struct expr *expr)
{
    if (!expr)
        return false;
    bool found = expr->kind == EXPR_COLUMN && plan->late[expr->index].is_late;
    for (int i = 0; i < expr->n_args; i++)
        found |= uses_late(plan, expr->args[i]);
    return found;
}

/* The late columns by the labels that count. */
static void fill_known(struct sight *sight)
{
    struct plan *plan = sight->plan;
    for (int c = 0; c < plan->events->n; c++) {
        const struct type *type = &plan->events->fields[c].type;
        struct column *column = &sight->known.columns[c];
        if (!plan->late[c].is_late)
            continue;
        column_truncate(column, type, 0);
        for (int64_t i = 0; i < sight->n; i++)
            labels_append(column, type, &sight->labels->values.columns[c],
                          sight->said[i] < 0 ? -1 : sight->labels->list[sight->said[i]].source);
    }
}

static void know_nothing(struct sight *sight)
{
    sight->next = 0;
    for (int64_t i = 0; i < sight->n; i++) {
        sight->said[i] = -1;
        sight->corrected[i] = sight->overtaken[i] = false;
    }
    fill_known(sight);
}

static bool same_label(const struct sight *sight, int64_t a, int64_t b)
{
    return sight->labels->list[a].source == sight->labels->list[b].source;
}

/* Takes in the labels that come before e; true where one did. */
static bool know(struct sight *sight, int64_t e)
{
    int64_t first = sight->next;
    for (; sight->next < sight->labels->n && sight->labels->list[sight->next].position <= e; sight->next++) {
        const struct label *label = &sight->labels->list[sight->next];
        int64_t *said = &sight->said[label->event];
        if (*said >= 0 && label->time < sight->labels->list[*said].time) {
            sight->overtaken[label->event] = true;
            continue;
        }
        sight->corrected[label->event] |= *said >= 0 && !same_label(sight, *said, sight->next);
        *said = sight->next;
    }
    if (first != sight->next)
        fill_known(sight);
    return first != sight->next;
}

/* Everything one window needs, evaluated once. */
struct pane {
    const struct window *window;
    struct frame frame;
    const struct slot *slot;
    struct values values, rows; /* of the slot, and of window.rows */
    struct vector *keys, filter;
    size_t n_keys;
    bool learns; /* its members' labels reach it */
    bool *seen;
    int64_t *group, *members; /* room for all events */
    int64_t erasure;          /* the next one */
    bool *erased;             /* per event: it is */
    bool *cut;                /* it was given back before another of its key was erased */
    struct retained {
        int64_t *list; /* in (time, arrival) order */
        int64_t n, newest;
        bool *has; /* per event: it is in the list */
    } retained;
};

static struct values look_at_slot(struct sight *sight, const struct slot *slot)
{
    struct values values = {.marks = new_array(sight->n, sizeof(bool))};
    struct vector filter = {0};
    if (slot && slot->argument)
        values.argument = evaluate(sight, slot->argument);
    if (slot && slot->filter)
        filter = evaluate(sight, slot->filter);
    for (int64_t i = 0; i < sight->n; i++)
        values.marks[i] = (!values.argument.state || values.argument.state[i] == STATE_VALUE) &&
                          (!filter.state || (filter.state[i] == STATE_VALUE && BOOLEANS(&filter)[i]));
    vector_drop(&filter);
    return values;
}

static bool same_key(const struct pane *pane, int64_t a, int64_t b)
{
    for (size_t k = 0; k < pane->n_keys; k++) {
        const struct vector *key = &pane->keys[k];
        bool known_a = key->state[a] == STATE_VALUE, known_b = key->state[b] == STATE_VALUE;
        if (known_a != known_b || (known_a && values_order(key, a, b) != 0))
            return false;
    }
    return true;
}

/* Frames of ROWS do not see beyond what was retained when an event was erased. */
static bool is_cut(const struct pane *pane, int64_t p)
{
    return pane->cut[p] && pane->frame.unit == FRAME_ROWS && pane->frame.start != FRAME_UNBOUNDED;
}

/* Step 1: e's group in order. */
static int64_t find_group(const struct sight *sight, const struct pane *pane, int64_t e)
{
    int64_t n = 0;
    for (int64_t i = 0; i < sight->n; i++) {
        int64_t p = sight->order[i];
        if (p > e || !same_key(pane, e, p))
            continue;
        if (!sight->wanted[p])
            pane->seen[SEEN_WHERE] = true;
        else if (p == e || (enters(sight, p) && !pane->erased[p] && !is_cut(pane, p)))
            pane->group[n++] = p;
    }
    return n;
}

/* Step 2: drops from the group of n what is no longer retained. */
static int64_t drop_forgotten(const struct sight *sight, const struct pane *pane, int64_t e, int64_t n)
{
    const struct frame *frame = &pane->frame;
    bool unbounded = frame->start == FRAME_UNBOUNDED;
    int64_t older = 0, passed = 0, kept = 0, floor = sight->floors[e];
    for (int64_t i = 0; i < n; i++)
        older += pane->group[i] != e && sight->times[pane->group[i]] < floor;
    for (int64_t i = 0; i < n; i++) {
        int64_t p = pane->group[i], time = sight->times[p];
        bool keep = p == e;
        if (unbounded)
            keep |= !sight->too_late[e];
        else if (frame->unit == FRAME_RANGE)
            keep |= time >= floor - frame->start;
        else /* of those before the floor the newest `start`: what is left of them from here on */
            keep |= time >= floor || older - passed <= frame->start;
        passed += p != e && time < floor;
        if (keep)
            pane->group[kept++] = p;
    }
    return kept;
}

/* Step 3: the frame's part of the group of n. */
static int64_t find_members(const struct sight *sight, const struct pane *pane, int64_t e, int64_t n)
{
    const struct frame *frame = &pane->frame;
    bool unbounded = frame->start == FRAME_UNBOUNDED;
    int64_t rank = 0, found = 0;
    while (pane->group[rank] != e)
        rank++;
    for (int64_t i = 0; i < n; i++) {
        int64_t p = pane->group[i];
        int64_t back = frame->unit == FRAME_ROWS ? rank - i : sight->times[e] - sight->times[p];
        bool passed = back >= frame->end || (unbounded && pane->cut[p]);
        if ((unbounded || back <= frame->start) && passed && !(frame->exclusive && p == e))
            pane->members[found++] = p;
    }
    return found;
}

/* An event at the very end of the frame, or one just outside. */
static void note_ends(const struct sight *sight, const struct pane *pane, int64_t e, int64_t group, int64_t n)
{
    const struct frame *frame = &pane->frame;
    bool rows = frame->unit == FRAME_ROWS, bounded = frame->start != FRAME_UNBOUNDED;
    for (int64_t i = 0; i < n; i++) {
        int64_t p = pane->members[i], back = sight->times[e] - sight->times[p];
        bool twin = i && sight->times[p] == sight->times[pane->members[i - 1]];
        pane->seen[SEEN_TIE] |= rows ? twin : p != e && back == frame->end;
        pane->seen[SEEN_EDGE] |= !rows && bounded && p != e && back == frame->start;
    }
    pane->seen[SEEN_EDGE] |= rows && bounded && n && pane->group[0] != pane->members[0] && group > n;
}

static void note_member(const struct sight *sight, const struct pane *pane, int64_t e, int64_t p)
{
    const struct slot *slot = pane->slot;
    const struct vector *argument = &pane->values.argument;
    pane->seen[SEEN_LATE] |= p != e && sight->late[p];
    if (!slot)
        return;
    bool label = uses_late(sight->plan, slot->argument) || uses_late(sight->plan, slot->filter);
    pane->seen[SEEN_LABEL] |= label;
    for (int c = 0; label && c < sight->plan->events->n; c++)
        pane->seen[SEEN_DEFAULT] |= sight->plan->late[c].is_late && sight->plan->late[c].default_sql &&
                                    column_is_null(&sight->events->columns[c], p);
    if (slot->argument) {
        pane->seen[SEEN_NULL] |= argument->state[p] == STATE_NULL;
        pane->seen[SEEN_ERROR] |= argument->state[p] == STATE_ERROR;
        pane->seen[SEEN_SPECIAL] |=
            pane->values.marks[p] && argument->rep == REP_DOUBLE && !isfinite(DOUBLES(argument)[p]);
    }
    if (slot->filter) {
        pane->seen[SEEN_ERROR] |= pane->filter.state[p] == STATE_ERROR;
        pane->seen[SEEN_FILTER] |= pane->filter.state[p] != STATE_VALUE || !BOOLEANS(&pane->filter)[p];
    }
}

/* What has become known of a member. */
static void note_label(const struct sight *sight, const struct pane *pane, int64_t i, int64_t n)
{
    int64_t p = pane->members[i], time = sight->times[p];
    if (sight->said[p] < 0)
        return;
    int64_t before = sight->labels->list[sight->said[p]].position - 1;
    while (!sight->wanted[before])
        before--;
    bool passed = time <= sight->floors[before] + sight->lateness - pane->frame.end;
    pane->seen[passed ? SEEN_OVERDUE : SEEN_LEARNT] = true;
    pane->seen[SEEN_CORRECTED] |= sight->corrected[p];
    pane->seen[SEEN_OVERTAKEN] |= sight->overtaken[p];
    pane->seen[SEEN_TWIN] |= (i && sight->times[pane->members[i - 1]] == time) ||
                             (i + 1 < n && sight->times[pane->members[i + 1]] == time);
}

static void note(const struct sight *sight, const struct pane *pane, int64_t e, int64_t group, int64_t n)
{
    bool any = false;
    for (int64_t i = 0; i < n; i++) {
        note_member(sight, pane, e, pane->members[i]);
        if (pane->learns)
            note_label(sight, pane, i, n);
        any |= pane->values.marks[pane->members[i]];
    }
    note_ends(sight, pane, e, group, n);
    pane->seen[SEEN_NOTHING] |= !any;
    pane->seen[SEEN_TOO_LATE] |= sight->too_late[e];
    pane->seen[SEEN_AHEAD] |= sight->ahead[e];
}

static void look_at_slots(struct sight *sight, const struct group *group, struct pane *pane)
{
    const struct window *window = pane->window;
    pane->values = look_at_slot(sight, pane->slot);
    pane->rows = look_at_slot(sight, window->rows < 0 ? NULL : &group->slots[window->rows]);
    if (pane->slot && pane->slot->filter)
        pane->filter = evaluate(sight, pane->slot->filter);
}

static void drop_slots(struct pane *pane)
{
    vector_drop(&pane->filter);
    vector_drop(&pane->values.argument);
    vector_drop(&pane->rows.argument);
    free(pane->values.marks);
    free(pane->rows.marks);
}

/* What an entity of the group retains: the longest RANGE, and so many rows. */
static void find_reach(const struct group *group, int64_t *ret_range, int64_t *ret_rows)
{
    *ret_range = *ret_rows = 0;
    for (size_t f = 0; f < group->n_frames; f++) {
        const struct frame *frame = &group->frames[f];
        bool unbounded = frame->start == FRAME_UNBOUNDED;
        int64_t reach = unbounded ? frame->end : frame->start;
        int64_t *to = frame->unit == FRAME_ROWS ? ret_rows : ret_range;
        *to = reach > *to ? reach : *to;
    }
}

/* One more event of the key. The newest in time has the oldest given back that no frame reaches. */
static void retain(const struct sight *sight, const struct group *group, struct retained *retained, int64_t p)
{
    int64_t range, rows, at = retained->n++, gone = 0;
    find_reach(group, &range, &rows);
    for (; at > 0 && sight->times[retained->list[at - 1]] > sight->times[p]; at--)
        retained->list[at] = retained->list[at - 1];
    retained->list[at] = p;
    retained->has[p] = true;
    if (sight->times[p] < retained->newest)
        return;
    retained->newest = sight->times[p];
    int64_t floor = sight->floors[p];
    for (; gone < retained->n; gone++) {
        const int64_t *oldest = retained->list + gone;
        bool few = retained->n - gone <= rows + 1;
        if (sight->times[oldest[0]] >= floor - range ||
            (rows && (few || sight->times[oldest[rows]] >= floor)))
            break;
    }
    for (int64_t i = 0; i < gone; i++)
        retained->has[retained->list[i]] = false;
    retained->n -= gone;
    memmove(retained->list, retained->list + gone, (size_t)retained->n * sizeof *retained->list);
}

/* What x's key has retained when event e is about to come: what came and what was erased, in order. Where the
 * newest is erased, the newest of those that are left is. */
static void find_retained(const struct sight *sight, const struct group *group, struct pane *pane, int64_t x,
                          int64_t e)
{
    const struct erasures *erasures = sight->erasures;
    struct retained *retained = &pane->retained;
    int64_t next = 0;
    retained->n = 0;
    retained->newest = INT64_MIN;
    memset(retained->has, 0, (size_t)sight->n);
    for (int64_t p = 0; p <= e; p++) {
        for (; next < pane->erasure && erasures->list[next].position <= p; next++) {
            int64_t gone = erasures->list[next].event, kept = 0;
            if (!same_key(pane, x, gone) || !enters(sight, gone))
                continue;
            for (int64_t i = 0; i < retained->n; i++)
                if (retained->list[i] != gone)
                    retained->list[kept++] = retained->list[i];
            retained->n = kept;
            if (retained->has[gone]) {
                int64_t last = kept ? sight->times[retained->list[kept - 1]] : INT64_MIN;
                retained->newest = last < retained->newest ? last : retained->newest;
            }
            retained->has[gone] = false;
        }
        if (p == e || !same_key(pane, x, p) || !enters(sight, p))
            continue;
        retain(sight, group, retained, p);
    }
}

static bool has_rows(const struct group *group)
{
    for (size_t f = 0; f < group->n_frames; f++)
        if (group->frames[f].unit == FRAME_ROWS)
            return true;
    return false;
}

/* Erases what is to be erased before e. What is retained shows in frames of ROWS alone. */
static void erase(const struct sight *sight, const struct group *group, struct pane *pane, int64_t e)
{
    const struct erasures *erasures = sight->erasures;
    for (; erasures && pane->erasure < erasures->n && erasures->list[pane->erasure].position <= e;
         pane->erasure++) {
        int64_t x = erasures->list[pane->erasure].event;
        if (!enters(sight, x))
            continue;
        pane->erased[x] = true;
        if (!has_rows(group))
            continue;
        find_retained(sight, group, pane, x, e);
        for (int64_t p = 0; pane->retained.has[x] && p < e; p++)
            pane->cut[p] |= !pane->retained.has[p] && same_key(pane, x, p);
    }
}

/* Would an erased event be a member? The newest few are asked. */
static void note_erased(const struct sight *sight, struct pane *pane, int64_t e)
{
    int64_t asked = 0;
    for (int64_t i = pane->erasure - 1; i >= 0 && asked < 3 && !pane->seen[SEEN_ERASED]; i--) {
        int64_t x = sight->erasures->list[i].event;
        if (!pane->erased[x] || !same_key(pane, e, x))
            continue;
        asked++;
        pane->erased[x] = false;
        int64_t n = find_members(sight, pane, e, drop_forgotten(sight, pane, e, find_group(sight, pane, e)));
        for (int64_t m = 0; m < n; m++)
            pane->seen[SEEN_ERASED] |= pane->members[m] == x;
        pane->erased[x] = true;
    }
}

static void compute(struct sight *sight, const struct group *groups, struct pane *pane, struct vector *result,
                    double *magnitudes)
{
    for (int64_t e = 0; e < sight->n; e++) {
        if (pane->learns && know(sight, e)) {
            drop_slots(pane);
            look_at_slots(sight, groups, pane);
        }
        erase(sight, groups, pane, e);
        if (!sight->wanted[e])
            continue;
        note_erased(sight, pane, e);
        int64_t group = find_group(sight, pane, e);
        int64_t all = find_members(sight, pane, e, group);
        group = drop_forgotten(sight, pane, e, group);
        int64_t n = find_members(sight, pane, e, group);
        pane->seen[SEEN_FORGOTTEN] |= n < all;
        note(sight, pane, e, group, n);
        magnitudes[e] = aggregate_members(pane->window, pane->slot, &pane->values, &pane->rows,
                                          (struct members){pane->members, n}, result, e);
    }
}

static void look_at_window(struct sight *sight, int w)
{
    const struct window *window = &sight->plan->windows[w];
    const struct group *group = &sight->plan->groups[window->group];
    const struct slot *slot = window->slot < 0 ? NULL : &group->slots[window->slot];
    struct pane pane = {
        .window = window,
        .frame = group->frames[window->frame],
        .slot = slot,
        .keys = new_array((int64_t)group->n_keys, sizeof(struct vector)),
        .n_keys = group->n_keys,
        .seen = sight->out->seen[w],
        .group = new_array(sight->n, sizeof(int64_t)),
        .members = new_array(sight->n, sizeof(int64_t)),
        .erased = new_array(sight->n, sizeof(bool)),
        .cut = new_array(sight->n, sizeof(bool)),
        .retained = {.list = new_array(sight->n, sizeof(int64_t)), .has = new_array(sight->n, sizeof(bool))}};
    for (size_t k = 0; k < group->n_keys; k++)
        pane.keys[k] = evaluate(sight, group->keys[k]);
    if (sight->labels)
        know_nothing(sight);
    look_at_slots(sight, group, &pane);
    pane.learns = sight->labels && group->level == 0 && slot &&
                  (uses_late(sight->plan, slot->argument) || uses_late(sight->plan, slot->filter));
    pane.seen[SEEN_INNER] = group->level > 0;
    compute(sight, group, &pane, &sight->results[w], sight->out->magnitudes[w]);
    for (size_t k = 0; k < group->n_keys; k++)
        vector_drop(&pane.keys[k]);
    drop_slots(&pane);
    free(pane.keys);
    free(pane.group);
    free(pane.members);
    free(pane.erased);
    free(pane.cut);
    free(pane.retained.list);
    free(pane.retained.has);
}

/* Windows of level 0 first: what those of level 1 look at. */
static void look_at_windows(struct sight *sight)
{
    for (int level = 0; level < 2; level++)
        for (size_t w = 0; w < sight->plan->n_windows; w++)
            if (sight->plan->groups[sight->plan->windows[w].group].level == level)
                look_at_window(sight, (int)w);
}

static int write_features(struct sight *sight, struct table *features, struct error *error)
{
    struct schema *schema = sight->plan->features;
    int rc = table_init(features, schema, error);
    if (rc == OK)
        rc = table_reserve(features, sight->n, error);
    for (int f = 0; rc == OK && f < schema->n; f++) {
        struct vector vector = evaluate(sight, sight->plan->roots[f]);
        struct column *column = &features->columns[f];
        int64_t nulls = 0, errors = 0;
        for (int64_t i = 0; i < sight->n; i++)
            if (!sight->wanted[i])
                vector.state[i] = STATE_NULL;
        if (!column_validity(column))
            abort();
        if (schema->fields[f].type.id != TYPE_VARCHAR)
            column->length = sight->n;
        vector_put(&vector, sight->n, &schema->fields[f].type, column, 0, &nulls, &errors);
        column->nulls += nulls;
        vector_drop(&vector);
    }
    features->length = sight->n;
    return rc;
}

/* The events by themselves, to write the late columns of. */
static void copy_events(struct sight *sight)
{
    if (table_init(&sight->known, sight->plan->events, NULL) != OK ||
        table_reserve(&sight->known, sight->n, NULL) != OK ||
        table_append(&sight->known, sight->events, 0, sight->n, NULL) != OK)
        abort();
    sight->said = new_array(sight->n, sizeof *sight->said);
    sight->corrected = new_array(sight->n, sizeof *sight->corrected);
    sight->overtaken = new_array(sight->n, sizeof *sight->overtaken);
    sight->events = &sight->known;
}

int rescan_run(struct plan *plan, const struct table *events, const struct rescan_options *options,
               struct rescan *ret, struct error *error)
{
    int64_t n = events->length, windows = (int64_t)plan->n_windows;
    struct rescan out = {.n_windows = (int)windows,
                         .magnitudes = new_array(windows, sizeof *out.magnitudes),
                         .seen = new_array(windows, sizeof *out.seen),
                         .wanted = new_array(n, sizeof *out.wanted)};
    struct sight sight = {.plan = plan,
                          .events = events,
                          .n = n,
                          .lateness = options->lateness,
                          .max_ahead = options->max_ahead,
                          .labels = options->labels,
                          .erasures = options->erasures,
                          .out = &out,
                          .times = new_array(n, sizeof *sight.times),
                          .floors = new_array(n, sizeof *sight.floors),
                          .order = new_array(n, sizeof *sight.order),
                          .late = new_array(n, sizeof *sight.late),
                          .too_late = new_array(n, sizeof *sight.too_late),
                          .ahead = new_array(n, sizeof *sight.ahead),
                          .wanted = out.wanted,
                          .results = new_array(windows, sizeof *sight.results)};
    for (int64_t w = 0; w < windows; w++) {
        struct vector *result = &sight.results[w];
        result->rep = plan->windows[w].rep;
        result->data = new_array(n, rep_width(result->rep));
        result->state = new_array(n, 1);
        out.magnitudes[w] = new_array(n, sizeof(double));
    }
    if (options->labels)
        copy_events(&sight);
    look_at_where(&sight);
    look_at_times(&sight);
    sort_by_time(&sight);
    look_at_windows(&sight);
    int rc = write_features(&sight, &out.features, error);
    for (int64_t w = 0; w < windows; w++)
        vector_drop(&sight.results[w]);
    free(sight.results);
    arena_done(&sight.texts);
    free(sight.times);
    free(sight.floors);
    free(sight.order);
    free(sight.late);
    out.entered = new_array(n, sizeof *out.entered);
    for (int64_t i = 0; i < n; i++)
        out.entered[i] = enters(&sight, i);
    free(sight.too_late);
    free(sight.ahead);
    free(sight.said);
    free(sight.corrected);
    free(sight.overtaken);
    if (options->labels)
        table_done(&sight.known);
    if (rc == OK)
        *ret = out;
    else
        rescan_done(&out);
    return rc;
}

void rescan_done(struct rescan *rescan)
{
    for (int w = 0; w < rescan->n_windows; w++)
        free(rescan->magnitudes[w]);
    free(rescan->magnitudes);
    free(rescan->seen);
    free(rescan->wanted);
    free(rescan->entered);
    table_done(&rescan->features);
    *rescan = (struct rescan){0};
}
