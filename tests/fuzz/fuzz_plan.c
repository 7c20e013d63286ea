/* Plans of any text: refused with a place and a message, or compiled; what compiles takes an event. DuckDB,
 * which parses and binds, is not instrumented: what is looked for are faults in what is made of its trees. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "feature/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Three events of all NULLs but their time. */
static void take(struct plan *plan)
{
    struct state_options options = {.threads = 1, .lateness_us = 5};
    struct state *state = NULL;
    struct table events = {0}, features = {0};
    struct schema *schema = plan_events(plan);
    require(table_init(&events, schema, NULL) == OK &&
            table_init(&features, plan_features(plan), NULL) == OK);
    require(table_reserve(&events, 3, NULL) == OK);
    for (int64_t row = 0; row < 3; row++)
        for (int c = 0; c < schema->n; c++)
            if (c == plan_time_column(plan))
                column_append_int(&events.columns[c], &schema->fields[c].type, row);
            else
                column_append_null(&events.columns[c], &schema->fields[c].type);
    events.length = 3;
    require(state_new(plan, &options, &state, NULL) == OK);
    require(state_take(state, &events, &features, NULL) == OK && features.length == 3);
    state_free(state);
    table_done(&events);
    table_done(&features);
}

/* Statements that DuckDB runs are not of interest, and may run for long. */
static bool is_wanted(const char *text)
{
    static const char *const heavy[] = {
        "range", "generate_series", "repeat", "recursive", "pad(", "array", "list", "::", "cross", "nextval"};
    for (size_t i = 0; i < sizeof heavy / sizeof *heavy; i++)
        if (strcasestr(text, heavy[i]))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan *plan = NULL;
    struct error error = {0};
    char *text = memory_text((const char *)data, size);
    if (text && size < 4096 && is_wanted(text)) {
        int rc = plan_compile(text, size, "fuzz.sql", &plan, &error);
        if (rc == OK) {
            take(plan);
            plan_unref(plan);
        } else {
            require(!plan && (int)error.code == rc && error.message[0] && error.place[0]);
            require(rc == CODE_INVALID || rc == CODE_UNSUPPORTED || rc == CODE_LIMIT || rc == CODE_MEMORY);
        }
    }
    free(text);
    return 0;
}
