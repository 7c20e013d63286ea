/* Operators of a bound plan below the SELECT's list: the scan of the events and the windows over it. */
#include <string.h>

#include "base/limits.h"
#include "feature/compile.h"

/* What DuckDB calls an operator, what the user wrote, and what to do instead. */
int compile_refuse_operator(struct binder *binder, yyjson_val *operator, struct error * error)
{
    static const struct {
        const char *type, *text;
    } known[] = {
        {"LOGICAL_FILTER",
         "WHERE is not supported yet; put the condition into FILTER (WHERE ...) of each aggregate"},
        {"LOGICAL_ORDER_BY",
         "ORDER BY at the end has no meaning for features: one row per event, in arrival order"},
        {"LOGICAL_LIMIT", "LIMIT has no meaning for features: one row per event"},
        {"LOGICAL_DISTINCT", "DISTINCT has no meaning for features: one row per event"},
        {"LOGICAL_AGGREGATE_AND_GROUP_BY",
         "GROUP BY cannot run event by event; write the aggregate with OVER (PARTITION BY ...)"},
        {"LOGICAL_MATERIALIZED_CTE", "WITH is not supported yet; write the expression in the SELECT itself"},
        {"LOGICAL_PROJECTION", "a subselect is not supported yet; write the expression in the SELECT itself"},
        {"LOGICAL_COMPARISON_JOIN", "a join cannot run event by event; bring the columns into the events"},
        {"LOGICAL_CROSS_PRODUCT",
         "a join or subquery cannot run event by event; bring the columns into the events"},
        {"LOGICAL_DELIM_JOIN", "a subquery cannot run event by event; write a window instead"},
        {"LOGICAL_DUMMY_SCAN", "a SELECT without FROM gives one row; select from the events table"},
        {"LOGICAL_CHUNK_GET", "VALUES cannot be the events; select from the events table"},
        {"LOGICAL_GET", "a table function cannot be the events; select from the events table"},
        {"LOGICAL_UNNEST", "unnest makes several rows of one; a feature is one value per event"},
        {"LOGICAL_SAMPLE", "a sample has no meaning for features: one row per event"},
    };
    const char *type = tree_text(operator, "type");
    binder->item = yyjson_arr_get_first(yyjson_obj_get(binder->select, "select_list"));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0)
            return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s", known[i].text);
    return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s cannot run event by event", type);
}

static int compile_scan(struct binder *binder, yyjson_val *operator, struct error * error)
{
    struct plan *plan = binder->plan;
    yyjson_val *columns = yyjson_obj_get(operator, "column_indexes"), *column;
    size_t i, max;
    if (strcmp(tree_text(operator, "name"), "seq_scan") != 0)
        return compile_refuse_operator(binder, operator, error);
    if (!bind_inputs(binder, yyjson_arr_size(columns)))
        return error_set(error, CODE_MEMORY, "no memory for the plan");
    binder->n_inputs = 0;
    yyjson_arr_foreach(columns, i, max, column)
    {
        struct input input = {0}; /* as it stays for a row number, where no column is needed */
        uint64_t index = yyjson_get_uint(yyjson_obj_get(column, "index"));
        if (index < (uint64_t)plan->events->n) {
            const struct field *field = &plan->events->fields[index];
            struct expr expr = {.kind = EXPR_COLUMN,
                                .type = field->type,
                                .rep = rep_of_type(&field->type),
                                .index = (int)index,
                                .late = plan->late[index].is_late};
            int rc = bind_add(binder, &expr, &input.expr, error);
            if (rc == OK)
                rc = oracle_column(binder, (int)index, &input, error);
            if (rc != OK)
                return rc;
        }
        binder->inputs[binder->n_inputs++] = input;
    }
    return OK;
}

int compile_source(struct binder *binder, yyjson_val *operator, struct error * error)
{
    const char *type = tree_text(operator, "type");
    if (strcmp(type, "LOGICAL_GET") == 0)
        return compile_scan(binder, operator, error);
    if (strcmp(type, "LOGICAL_WINDOW") != 0)
        return compile_refuse_operator(binder, operator, error);
    int rc = compile_source(binder, yyjson_arr_get(yyjson_obj_get(operator, "children"), 0), error);
    return rc == OK ? compile_windows(binder, operator, error) : rc;
}
