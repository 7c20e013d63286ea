/* Rules of any text: refused with a place and a message, or compiled; what compiles decides about an event.
 * DuckDB, which parses and binds, is not instrumented. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "feature/state.h"
#include "score/rules.h"

static const char sql[] =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, ts TIMESTAMP, amount DOUBLE, shop VARCHAR,\n"
    "  kind ENUM('a', 'b'), y TINYINT DEFAULT 0);\n"
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=1 day';\n"
    "SELECT amount, count(*) OVER (PARTITION BY shop ORDER BY ts) AS n FROM t;";

static struct plan *plan;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A row of all NULLs, and what is said of it. */
static void decide(struct rules *rules)
{
    struct state_options options = {.threads = 1};
    struct schema *schema = rules_scored(rules);
    struct table scored = {0}, judged = {0};
    struct state *state = NULL;
    require(table_init(&scored, schema, NULL) == OK &&
            table_init(&judged, plan_features(rules_plan(rules)), NULL) == OK &&
            table_reserve(&scored, 1, NULL) == OK);
    for (int c = 0; c < schema->n; c++) {
        int event, feature;
        column_append_null(&scored.columns[c], &schema->fields[c].type);
        rules_source(rules, c, &event, &feature);
        require(event < plan_events(plan)->n && feature < plan_features(plan)->n);
    }
    scored.length = 1;
    require(state_new(rules_plan(rules), &options, &state, NULL) == OK);
    require(state_take(state, &scored, &judged, NULL) == OK && judged.length == 1);
    require(judged.schema->n == rules_count(rules) + 1);
    for (int r = 0; r < rules_count(rules); r++)
        require(rules_name(rules, r)[0]);
    state_free(state);
    table_done(&scored);
    table_done(&judged);
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

static void prepare(void)
{
    require(plan_compile(sql, strlen(sql), "plan.sql", &plan, NULL) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rules *rules = NULL;
    struct error error = {0};
    if (!plan)
        prepare();
    char *text = memory_text((const char *)data, size);
    if (text && size < 4096 && is_wanted(text)) {
        int rc = rules_compile(text, size, "rules.sql", plan, &rules, &error);
        if (rc == OK) {
            decide(rules);
            rules_unref(rules);
        } else {
            require(!rules && (int)error.code == rc && error.message[0]);
            require(rc == CODE_INVALID || rc == CODE_UNSUPPORTED || rc == CODE_LIMIT || rc == CODE_MEMORY);
        }
    }
    free(text);
    return 0;
}
