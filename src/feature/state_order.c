/* Step 2 of taking events (state.c): times, the high water, and which events are late, too late or ahead. */
#include <string.h>

#include "base/limits.h"
#include "feature/state_struct.h"

const int64_t *state_plain_times(const struct column *column, const struct type *type)
{
    bool plain = type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMPTZ || type->id == TYPE_INT64;
    return plain ? column->data : NULL;
}

static void find_times(struct state *state)
{
    int index = state->plan->time_column;
    const struct column *column = &state->events->columns[index];
    const struct type *type = &state->plan->events->fields[index].type;
    const int64_t *plain = state_plain_times(column, type);
    int64_t scale = state->plan->time_scale;
    if (plain)
        memcpy(state->times, plain + state->from, (size_t)state->n * sizeof *plain);
    for (int64_t i = 0; plain && scale != 1 && i < state->n; i++)
        state->times[i] *= scale;
    for (int64_t i = 0; !plain && i < state->n; i++)
        state->times[i] = column_int(column, type, state->from + i) * scale;
}

/* Many events in a row that are ahead, and not ahead of each other, are no wrong clock: time has moved on.
 * The event is one more of them, or the first of others; those even further ahead do not count. */
static bool has_moved_on(struct state *state, int64_t time)
{
    int64_t most = state->options.max_ahead_us;
    if (state->n_ahead && time - state->least_ahead > most)
        return false;
    bool others = !state->n_ahead || state->least_ahead - time > most;
    state->n_ahead = others ? 1 : state->n_ahead + 1;
    state->least_ahead = others || time < state->least_ahead ? time : state->least_ahead;
    return state->n_ahead == LIMIT_AHEAD_IN_A_ROW;
}

static bool is_ahead(struct state *state, int64_t time)
{
    if (!state->options.max_ahead_us || !state->started)
        return false;
    bool ahead = time - state->high_water > state->options.max_ahead_us && !has_moved_on(state, time);
    state->n_ahead = ahead ? state->n_ahead : 0;
    return ahead;
}

static uint8_t mark(struct state *state, int64_t time)
{
    struct state_counters *counters = &state->counters;
    bool ahead = is_ahead(state, time);
    bool late = state->started && time < state->high_water;
    bool too_late = late && time < state->high_water - state->options.lateness_us;
    counters->ahead += ahead;
    counters->late += late;
    counters->too_late += too_late;
    if (!ahead && !late) {
        state->high_water = time;
        state->started = true;
    }
    return ahead ? STATE_AHEAD : too_late ? STATE_TOO_LATE : 0;
}

/* Do all events come in the order of their times, none left out, and none ahead? Where one is late its step
 * from the one before is negative, and where one is ahead what is left of the most there may be. */
static bool is_in_order(const struct state *state)
{
    const int64_t *times = state->times;
    uint64_t most = (uint64_t)(state->options.max_ahead_us ? state->options.max_ahead_us : INT64_MAX);
    uint64_t step = state->started ? (uint64_t)(times[0] - state->high_water) : 0,
             found = step | (most - step);
    for (int64_t i = 1; i < state->n; i++) {
        step = (uint64_t)(times[i] - times[i - 1]);
        found |= step | (most - step);
    }
    return !state->wanted && (int64_t)found >= 0;
}

/* What mark says of such events. */
static void take_order(struct state *state)
{
    for (int64_t i = 0; i < state->n; i++)
        state->floors[i] = state->times[i] - state->options.lateness_us;
    memset(state->marks + state->from, 0, (size_t)state->n);
    if (state->entered)
        memset(state->entered + state->from, 1, (size_t)state->n);
    state->high_water = state->times[state->n - 1];
    state->started = true;
    state->n_ahead = 0;
}

void state_order(struct state *state)
{
    find_times(state);
    if (is_in_order(state)) {
        take_order(state);
        return;
    }
    for (int64_t i = 0; i < state->n; i++) {
        bool wanted = !state->wanted || state->wanted[i];
        uint8_t marks = wanted ? mark(state, state->times[i]) : 0;
        state->counters.filtered += !wanted;
        state->marks[state->from + i] = marks;
        state->floors[i] =
            marks == STATE_AHEAD ? FLOOR_AHEAD : state->high_water - state->options.lateness_us;
        if (state->entered)
            state->entered[state->from + i] = wanted && !marks;
    }
}
