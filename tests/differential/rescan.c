#include "differential/rescan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "differential/big.h"
#include "feature/kernels.h"

struct sight {
    struct plan *plan;
    const struct table *events;
    int64_t n, lateness;
    int64_t *times, *floors;
    bool *late, *too_late;
    struct vector *results; /* per window */
    struct rescan *out;
    struct arena texts; /* strings that expressions made */
};

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
    result.data = memory_new(n, width);
    result.state = memory_new(n, 1);
    if (!result.data || !result.state)
        abort();
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

static int order(const struct vector *v, int64_t a, int64_t b)
{
    switch (v->rep) {
    case REP_BOOLEAN:
        return BOOLEANS(v)[a] - BOOLEANS(v)[b];
    case REP_INT:
        return (INTS(v)[a] > INTS(v)[b]) - (INTS(v)[a] < INTS(v)[b]);
    case REP_WIDE:
        return (WIDES(v)[a] > WIDES(v)[b]) - (WIDES(v)[a] < WIDES(v)[b]);
    case REP_DOUBLE:
        return double_order(DOUBLES(v)[a], DOUBLES(v)[b]);
    default:
        return text_order(TEXTS(v)[a], TEXTS(v)[b]);
    }
}

static bool same_key(const struct vector *keys, size_t n, int64_t a, int64_t b)
{
    for (size_t k = 0; k < n; k++) {
        bool known_a = keys[k].state[a] == STATE_VALUE, known_b = keys[k].state[b] == STATE_VALUE;
        if (known_a != known_b || (known_a && order(&keys[k], a, b) != 0))
            return false;
    }
    return true;
}

/* Times, high water and what is late, by the definition. */
static void look_at_times(struct sight *sight)
{
    int column = sight->plan->time_column;
    int64_t high = INT64_MIN;
    for (int64_t i = 0; i < sight->n; i++) {
        int64_t time = column < 0 ? 0
                                  : column_int(&sight->events->columns[column],
                                               &sight->plan->events->fields[column].type, i) *
                                        sight->plan->time_scale;
        sight->late[i] = time < high;
        high = time > high ? time : high;
        sight->times[i] = time;
        sight->floors[i] = high - sight->lateness;
        sight->too_late[i] = time < sight->floors[i];
        sight->out->late += sight->late[i];
        sight->out->too_late += sight->too_late[i];
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

/* Everything one window needs: evaluated once, looked at for every pair of events. */
struct pane {
    const struct window *window;
    struct frame frame;
    const struct slot *slot;
    struct vector *keys, argument, filter;
    size_t n_keys;
    bool *seen;
};

static bool is_member(const struct sight *sight, const struct pane *pane, int64_t e, int64_t p)
{
    int64_t time = sight->times[p];
    if (time < sight->times[e] - pane->frame.start || time > sight->times[e] - pane->frame.end)
        return false;
    if (p != e && (sight->too_late[p] || time < sight->floors[e] - pane->frame.start))
        return false;
    return same_key(pane->keys, pane->n_keys, e, p);
}

static void note(const struct sight *sight, const struct pane *pane, int64_t e, int64_t p)
{
    const struct slot *slot = pane->slot;
    bool label = slot && (uses_late(sight->plan, slot->argument) || uses_late(sight->plan, slot->filter));
    pane->seen[SEEN_NULL] |= slot && slot->argument && pane->argument.state[p] == STATE_NULL;
    pane->seen[SEEN_FILTERED] |= slot && slot->filter;
    pane->seen[SEEN_TIE] |= p != e && sight->times[p] == sight->times[e] - pane->frame.end;
    pane->seen[SEEN_LATE] |= p != e && sight->late[p];
    pane->seen[SEEN_LABEL] |= label;
    for (int c = 0; label && c < sight->plan->events->n; c++)
        pane->seen[SEEN_DEFAULT] |= sight->plan->late[c].is_late && sight->plan->late[c].default_sql &&
                                    column_is_null(&sight->events->columns[c], p);
}

static bool has_value(const struct pane *pane, int64_t p)
{
    if (!pane->slot)
        return true;
    if (pane->slot->argument && pane->argument.state[p] != STATE_VALUE)
        return false;
    return !pane->slot->filter || (pane->filter.state[p] == STATE_VALUE && BOOLEANS(&pane->filter)[p]);
}

static void add_value(const struct pane *pane, int64_t p, struct big *big, double *magnitude)
{
    const struct vector *v = &pane->argument;
    if (v->rep == REP_DOUBLE) {
        big_add_double(big, DOUBLES(v)[p]);
        *magnitude += isfinite(DOUBLES(v)[p]) ? fabs(DOUBLES(v)[p]) : 0;
    } else {
        __int128 value = v->rep == REP_WIDE ? WIDES(v)[p] : v->rep == REP_INT ? INTS(v)[p] : BOOLEANS(v)[p];
        big_add_wide(big, value);
    }
}

/* The result from what was found: the values in big, their number, the place of the smallest or largest. */
static void store(const struct pane *pane, struct vector *result, int64_t e, const struct big *big,
                  int64_t count, int64_t best)
{
    size_t width = rep_width(result->rep);
    result->state[e] = STATE_VALUE;
    if (pane->window->aggregate == AGGREGATE_COUNT) {
        INTS(result)[e] = count;
    } else if (count == 0) {
        result->state[e] = STATE_NULL;
    } else if (pane->window->aggregate == AGGREGATE_AVG) {
        DOUBLES(result)
        [e] = big_quotient(big, count, pane->slot->type.id == TYPE_DECIMAL ? pane->slot->type.scale : 0);
    } else if (pane->window->aggregate != AGGREGATE_SUM) {
        memcpy((char *)result->data + (size_t)e * width, (char *)pane->argument.data + (size_t)best * width,
               width);
    } else if (result->rep == REP_DOUBLE) {
        DOUBLES(result)[e] = big_sum(big);
    } else {
        __int128 sum = 0, limit = power10_wide(38);
        bool fits = big_wide(big, &sum) && (result->rep == REP_WIDE);
        if (pane->window->type.id == TYPE_DECIMAL)
            fits &= sum < limit && sum > -limit;
        WIDES(result)[e] = sum;
        result->state[e] = fits ? STATE_VALUE : STATE_ERROR;
    }
}

static void compute(struct sight *sight, const struct pane *pane, struct vector *result, double *magnitudes)
{
    enum aggregate aggregate = pane->window->aggregate;
    for (int64_t e = 0; e < sight->n; e++) {
        struct big big = {0};
        int64_t count = 0, best = -1;
        double magnitude = 0;
        pane->seen[SEEN_TOO_LATE] |= sight->too_late[e];
        for (int64_t p = 0; p <= e; p++) {
            if (!is_member(sight, pane, e, p))
                continue;
            note(sight, pane, e, p);
            if (!has_value(pane, p))
                continue;
            count++;
            if (aggregate == AGGREGATE_SUM || aggregate == AGGREGATE_AVG)
                add_value(pane, p, &big, &magnitude);
            if (aggregate != AGGREGATE_MIN && aggregate != AGGREGATE_MAX)
                continue;
            int sign =
                best < 0 ? -1 : order(&pane->argument, p, best) * (aggregate == AGGREGATE_MIN ? 1 : -1);
            /* Of equal values (0.0 and -0.0) the first in (time, arrival) order. */
            if (sign < 0 || (sign == 0 && sight->times[p] < sight->times[best]))
                best = p;
        }
        store(pane, result, e, &big, count, best);
        magnitudes[e] = aggregate == AGGREGATE_AVG && count ? magnitude / (double)count : magnitude;
    }
}

static void look_at_window(struct sight *sight, int w)
{
    const struct window *window = &sight->plan->windows[w];
    const struct group *group = &sight->plan->groups[window->group];
    struct pane pane = {.window = window,
                        .frame = group->frames[window->frame],
                        .n_keys = group->n_keys,
                        .seen = sight->out->seen[w]};
    pane.keys = memory_new(group->n_keys, sizeof *pane.keys);
    for (size_t k = 0; k < group->n_keys; k++)
        pane.keys[k] = evaluate(sight, group->keys[k]);
    pane.slot = window->slot < 0 ? NULL : &group->slots[window->slot];
    if (pane.slot && pane.slot->argument)
        pane.argument = evaluate(sight, pane.slot->argument);
    if (pane.slot && pane.slot->filter)
        pane.filter = evaluate(sight, pane.slot->filter);
    compute(sight, &pane, &sight->results[w], sight->out->magnitudes[w]);
    for (size_t k = 0; k < group->n_keys; k++)
        vector_drop(&pane.keys[k]);
    free(pane.keys);
    vector_drop(&pane.argument);
    vector_drop(&pane.filter);
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

int rescan_run(struct plan *plan, const struct table *events, int64_t lateness, struct rescan *ret,
               struct error *error)
{
    size_t n = (size_t)events->length, windows = plan->n_windows;
    struct rescan out = {.n_windows = (int)windows};
    struct sight sight = {
        .plan = plan, .events = events, .n = events->length, .lateness = lateness, .out = &out};
    sight.times = memory_new(n, sizeof *sight.times);
    sight.floors = memory_new(n, sizeof *sight.floors);
    sight.late = memory_new(n, sizeof *sight.late);
    sight.too_late = memory_new(n, sizeof *sight.too_late);
    sight.results = memory_new(windows, sizeof *sight.results);
    out.magnitudes = memory_new(windows, sizeof *out.magnitudes);
    out.seen = memory_new(windows, sizeof *out.seen);
    if (!sight.times || !sight.floors || !sight.late || !sight.too_late || !sight.results ||
        !out.magnitudes || !out.seen)
        abort();
    look_at_times(&sight);
    for (size_t w = 0; w < windows; w++) {
        struct vector *result = &sight.results[w];
        result->rep = plan->windows[w].rep;
        result->data = memory_new(n, rep_width(result->rep));
        result->state = memory_new(n, 1);
        out.magnitudes[w] = memory_new(n, sizeof(double));
        if (!result->data || !result->state || !out.magnitudes[w])
            abort();
        look_at_window(&sight, (int)w);
    }
    int rc = write_features(&sight, &out.features, error);
    for (size_t w = 0; w < windows; w++)
        vector_drop(&sight.results[w]);
    free(sight.results);
    arena_done(&sight.texts);
    free(sight.times);
    free(sight.floors);
    free(sight.late);
    free(sight.too_late);
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
    table_done(&rescan->features);
    *rescan = (struct rescan){0};
}
