#include "shrike/features.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/answer.h"
#include "base/limits.h"
#include "base/memory.h"
#include "feature/state.h"
#include "table/arrow.h"

struct shrike_plan {
    struct plan *plan;
};

/* Events are copied from Arrow into a table that keeps its room; features move out with their buffers. */
struct shrike_state {
    struct state *state;
    struct table events, features;
    enum time_unit time_unit;
    int64_t unknown_enums;
};

_Static_assert(SHRIKE_TIME_S == (int)TIME_UNIT_S && SHRIKE_TIME_MS == (int)TIME_UNIT_MS &&
                   SHRIKE_TIME_US == (int)TIME_UNIT_US,
               "time units have one numbering");

/* Takes the plan over. */
static int wrap(struct plan *plan, struct shrike_plan **ret, struct error *error)
{
    struct shrike_plan *wrapped = memory_new(1, sizeof *wrapped);
    if (!wrapped) {
        plan_unref(plan);
        return error_set(error, CODE_MEMORY, "no memory for a plan");
    }
    wrapped->plan = plan;
    *ret = wrapped;
    return OK;
}

int shrike_plan_compile(const char *sql, size_t size, const char *name, struct shrike_plan **ret_plan,
                        struct shrike_error *error)
{
    struct error inner;
    struct plan *plan;
    error_clear(&inner);
    int rc = plan_compile(sql, size, name, &plan, &inner);
    if (rc == OK)
        rc = wrap(plan, ret_plan, &inner);
    return api_answer(rc, &inner, error);
}

int shrike_plan_load(const char *path, struct shrike_plan **ret_plan, struct shrike_error *error)
{
    struct error inner;
    struct plan *plan;
    error_clear(&inner);
    int rc = plan_load(path, &plan, &inner);
    if (rc == OK)
        rc = wrap(plan, ret_plan, &inner);
    return api_answer(rc, &inner, error);
}

void shrike_plan_free(struct shrike_plan *plan)
{
    if (!plan)
        return;
    plan_unref(plan->plan);
    free(plan);
}

static int export_schema(struct schema *schema, struct ArrowSchema *ret, struct shrike_error *error)
{
    struct error inner;
    struct table empty;
    struct ArrowArray array;
    error_clear(&inner);
    int rc = table_init(&empty, schema, &inner);
    if (rc == OK) {
        rc = arrow_export(&empty, ret, &array, &inner);
        if (rc == OK)
            array.release(&array);
        table_done(&empty);
    }
    return api_answer(rc, &inner, error);
}

int shrike_plan_events(const struct shrike_plan *plan, struct ArrowSchema *ret_schema,
                       struct shrike_error *error)
{
    return export_schema(plan_events(plan->plan), ret_schema, error);
}

int shrike_plan_features(const struct shrike_plan *plan, struct ArrowSchema *ret_schema,
                         struct shrike_error *error)
{
    return export_schema(plan_features(plan->plan), ret_schema, error);
}

const char *shrike_plan_warning(const struct shrike_plan *plan, int n)
{
    return n < 0 ? NULL : plan_warning(plan->plan, n);
}

static int check_options(const struct shrike_options *options, struct error *error)
{
    if (options->size != sizeof *options)
        return error_set(error, CODE_USAGE,
                         "shrike_options.size is %zu, sizeof(struct shrike_options) = %zu is expected",
                         options->size, sizeof *options);
    if (options->threads < 0 || options->threads > LIMIT_THREADS)
        return error_set(error, CODE_USAGE, "shrike_options.threads is %d, 0 to %d is expected",
                         options->threads, LIMIT_THREADS);
    if (options->time_unit < SHRIKE_TIME_REFUSED || options->time_unit > SHRIKE_TIME_US)
        return error_set(error, CODE_USAGE,
                         "shrike_options.time_unit is %d, an enum shrike_time_unit is expected",
                         options->time_unit);
    if (options->lateness_us < 0)
        return error_set(error, CODE_USAGE, "shrike_options.lateness_us is %lld, it must not be negative",
                         (long long)options->lateness_us);
    if (options->memory < 0)
        return error_set(error, CODE_USAGE, "shrike_options.memory is %lld, it must not be negative",
                         (long long)options->memory);
    return OK;
}

static int state_start(struct plan *plan, const struct shrike_options *options, struct shrike_state **ret,
                       struct error *error)
{
    int rc = check_options(options, error);
    if (rc != OK)
        return rc;
    struct state_options with = {.threads = options->threads,
                                 .lateness_us = options->lateness_us,
                                 .memory = options->memory,
                                 .strict = options->strict != 0};
    struct shrike_state *state = memory_new(1, sizeof *state);
    if (!state)
        return error_set(error, CODE_MEMORY, "no memory for a state");
    state->time_unit = (enum time_unit)options->time_unit;
    rc = table_init(&state->events, plan_events(plan), error);
    if (rc == OK)
        rc = table_init(&state->features, plan_features(plan), error);
    if (rc == OK)
        rc = state_new(plan, &with, &state->state, error);
    if (rc != OK) {
        shrike_state_free(state);
        return rc;
    }
    *ret = state;
    return OK;
}

int shrike_state_new(const struct shrike_plan *plan, const struct shrike_options *options,
                     struct shrike_state **ret_state, struct shrike_error *error)
{
    static const struct shrike_options defaults = {.size = sizeof defaults};
    struct error inner;
    error_clear(&inner);
    return api_answer(state_start(plan->plan, options ? options : &defaults, ret_state, &inner), &inner,
                      error);
}

void shrike_state_free(struct shrike_state *state)
{
    if (!state)
        return;
    table_done(&state->events);
    table_done(&state->features);
    state_free(state->state);
    free(state);
}

static bool has_column(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->name && strcasecmp(schema->children[i]->name, name) == 0)
            return true;
    }
    return false;
}

/* One message for all that is missing, and for what there is instead. */
static int check_columns(const struct schema *wanted, const struct ArrowSchema *schema, struct error *error)
{
    struct buffer missing, present;
    buffer_init(&missing, ERROR_MESSAGE_SIZE);
    buffer_init(&present, ERROR_MESSAGE_SIZE);
    for (int i = 0; i < wanted->n; i++) {
        if (!wanted->fields[i].optional && !has_column(schema, wanted->fields[i].name))
            buffer_format(&missing, "%s%s", missing.size ? ", " : "", wanted->fields[i].name);
    }
    for (int64_t i = 0; missing.size && i < schema->n_children; i++) {
        const char *name = schema->children[i]->name;
        buffer_format(&present, "%s%s", i ? ", " : "", name ? name : "");
    }
    int rc = OK;
    if (missing.size || missing.failed)
        rc = error_set(error, CODE_INVALID, "the events lack %s; they have %s%s",
                       missing.size ? missing.data : "columns", present.size ? present.data : "no columns",
                       present.failed ? ", ..." : "");
    buffer_done(&missing);
    buffer_done(&present);
    return rc;
}

static int check_events(const struct ArrowSchema *schema, const struct ArrowArray *events,
                        struct error *error)
{
    if (!schema->release || !events->release)
        return error_set(error, CODE_USAGE, "the events were released already");
    if (!schema->format || strcmp(schema->format, "+s") != 0)
        return error_set(error, CODE_INVALID,
                         "events are an Arrow struct (\"+s\") with a child per column, not \"%s\"",
                         schema->format ? schema->format : "");
    if (events->length < 0 || events->offset < 0)
        return error_set(error, CODE_INVALID, "an Arrow array of %lld rows at offset %lld is not possible",
                         (long long)events->length, (long long)events->offset);
    if (events->length > INT32_MAX)
        return error_set(error, CODE_LIMIT, "%lld events in one batch, at most %d are possible",
                         (long long)events->length, INT32_MAX);
    return OK;
}

static int take(struct shrike_state *state, const struct ArrowSchema *schema, const struct ArrowArray *events,
                struct ArrowSchema *ret_schema, struct ArrowArray *ret_features, struct error *error)
{
    int64_t unknown = 0;
    int rc = check_events(schema, events, error);
    if (rc == OK)
        rc = check_columns(state->events.schema, schema, error);
    if (rc == OK) {
        table_clear(&state->events);
        rc = arrow_import(schema, events, state->time_unit, &state->events, &unknown, error);
    }
    if (rc == OK) {
        state->events.first_row = 1;
        rc = state_take(state->state, &state->events, &state->features, error);
    }
    if (rc != OK) {
        if (!error->place[0])
            error_at(error, "events", error->line, error->column);
        return rc;
    }
    state->unknown_enums += unknown;
    return arrow_export(&state->features, ret_schema, ret_features, error);
}

int shrike_state_take(struct shrike_state *state, const struct ArrowSchema *events_schema,
                      const struct ArrowArray *events, struct ArrowSchema *ret_features_schema,
                      struct ArrowArray *ret_features, struct shrike_error *error)
{
    struct error inner;
    error_clear(&inner);
    int rc = take(state, events_schema, events, ret_features_schema, ret_features, &inner);
    return api_answer(rc, &inner, error);
}

const uint8_t *shrike_state_filtered(const struct shrike_state *state)
{
    return state_filtered(state->state);
}

int64_t shrike_state_counter(const struct shrike_state *state, int counter)
{
    struct state_counters counters;
    if (counter == SHRIKE_UNKNOWN_ENUMS)
        return state->unknown_enums;
    state_counters(state->state, &counters);
    switch (counter) {
    case SHRIKE_EVENTS:
        return counters.events;
    case SHRIKE_LATE:
        return counters.late;
    case SHRIKE_TOO_LATE:
        return counters.too_late;
    case SHRIKE_EXPRESSION_ERRORS:
        return counters.expression_errors;
    case SHRIKE_ENTITIES:
        return counters.entities;
    case SHRIKE_RETAINED:
        return counters.retained;
    case SHRIKE_BYTES:
        return counters.bytes;
    case SHRIKE_FILTERED:
        return counters.filtered;
    default:
        return -1;
    }
}
