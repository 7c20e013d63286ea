/* What lies below a SELECT's list in a bound plan: the events, WHERE, windows, and SELECTs inside of it. */
#include <string.h>

#include "base/limits.h"
#include "feature/compile.h"

/* A WITH in scope, by the index that references to it carry. */
struct cte {
    uint64_t index;
    yyjson_val *body;
    const struct cte *outer;
};

static int compile_source(struct binder *binder, yyjson_val *op, struct error *error);

/* What DuckDB calls an operator, what the user wrote, and what to do instead. */
static int refuse_operator(struct binder *binder, yyjson_val *op, struct error *error)
{
    static const struct {
        const char *type, *text;
    } known[] = {
        {"LOGICAL_ORDER_BY",
         "ORDER BY at the end has no meaning for features: one row per event, in arrival order"},
        {"LOGICAL_LIMIT", "LIMIT has no meaning for features: one row per event"},
        {"LOGICAL_DISTINCT", "DISTINCT has no meaning for features: one row per event"},
        {"LOGICAL_AGGREGATE_AND_GROUP_BY",
         "GROUP BY cannot run event by event; write the aggregate with OVER (PARTITION BY ...)"},
        {"LOGICAL_RECURSIVE_CTE", "WITH RECURSIVE cannot run event by event; lag(x) looks back"},
        {"LOGICAL_UNION", "UNION has no meaning for features: one row per event of one table"},
        {"LOGICAL_COMPARISON_JOIN", "a join cannot run event by event; bring the columns into the events"},
        {"LOGICAL_CROSS_PRODUCT",
         "a join or subquery cannot run event by event; bring the columns into the events"},
        {"LOGICAL_DELIM_JOIN", "a subquery cannot run event by event; write a window instead"},
        {"LOGICAL_DUMMY_SCAN", "a SELECT without FROM gives one row; select from the events table"},
        {"LOGICAL_EXPRESSION_GET", "VALUES cannot be the events; select from the events table"},
        {"LOGICAL_CHUNK_GET", "VALUES cannot be the events; select from the events table"},
        {"LOGICAL_GET", "a table function cannot be the events; select from the events table"},
        {"LOGICAL_UNNEST", "unnest makes several rows of one; a feature is one value per event"},
        {"LOGICAL_SAMPLE", "a sample has no meaning for features: one row per event"},
    };
    const char *type = tree_text(op, "type");
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(binder->select, "select_list"));
    binder->item = parse_location(first) == UINT64_MAX ? binder->item : first;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i].type) == 0)
            return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s", known[i].text);
    return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error, "%s cannot run event by event", type);
}

static int compile_scan(struct binder *binder, yyjson_val *op, struct error *error)
{
    struct plan *plan = binder->plan;
    yyjson_val *columns = yyjson_obj_get(op, "column_indexes"), *column;
    size_t i, max;
    if (strcmp(tree_text(op, "name"), "seq_scan") != 0)
        return refuse_operator(binder, op, error);
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

/* One more condition of WHERE: what follows an earlier one is only looked at where that holds. */
static int add_condition(struct binder *binder, yyjson_val *bound, struct error *error)
{
    static const struct type boolean = {.id = TYPE_BOOLEAN};
    struct plan *plan = binder->plan;
    struct expr *both[2] = {plan->where, NULL};
    int rc = bind_condition(binder, bound, 0, &both[1], error);
    int late = rc == OK ? leakage_column(both[1]) : -1;
    if (late >= 0)
        return bind_refuse(
            binder, NULL, CODE_INVALID, error,
            "leakage: WHERE looks at the late column %s, which is not known at the event; put it into "
            "FILTER (WHERE ...) of a window that ends in the past",
            plan->events->fields[late].name);
    if (rc == OK && both[0])
        rc = bind_call(binder, "AND THEN", &boolean, both, 2, &both[1], error);
    if (rc == OK)
        rc = oracle_condition(binder, bound, error);
    if (rc == OK)
        plan->where = both[1];
    return rc;
}

static int compile_where(struct binder *binder, yyjson_val *op, struct error *error)
{
    yyjson_val *child = yyjson_arr_get(yyjson_obj_get(op, "children"), 0), *bound;
    bool qualify = strcmp(tree_text(child, "type"), "LOGICAL_WINDOW") == 0;
    size_t i, n;
    int rc = compile_source(binder, child, error);
    if (rc != OK)
        return rc;
    binder->item = yyjson_obj_get(binder->select, qualify ? "qualify" : "where_clause");
    if (qualify)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "QUALIFY has no meaning for features: one row per event; make the condition a feature");
    if (binder->parsed->over)
        return bind_refuse(binder, NULL, CODE_UNSUPPORTED, error,
                           "WHERE has no place here: every event has an answer; write CASE WHEN ...");
    if (binder->plan->n_windows)
        return bind_refuse(
            binder, NULL, CODE_UNSUPPORTED, error,
            "WHERE over the windows of an inner SELECT: put it into the inner SELECT, for events that "
            "no window shall see, or into FILTER (WHERE ...)");
    yyjson_arr_foreach(yyjson_obj_get(op, "expressions"), i, n, bound)
    {
        rc = bind_note(binder, add_condition(binder, bound, error), error);
        if (rc != OK)
            return rc;
    }
    return OK;
}

/* A column of an inner SELECT. */
static int compile_column(struct binder *binder, yyjson_val *bound, struct input *ret, struct error *error)
{
    struct input input = {0};
    uint64_t index = yyjson_get_uint(yyjson_obj_get(bound, "index"));
    if (strcmp(tree_text(bound, "expression_class"), "BOUND_REF") == 0 && index < binder->n_inputs) {
        *ret = binder->inputs[index];
        return OK;
    }
    /* An INTERVAL may be one: not at depth 0. */
    int rc = bind_expr(binder, bound, 1, &input.expr, error);
    if (rc == OK && input.expr->late) {
        binder->in_window = true;
        rc = bind_expr(binder, bound, 1, &input.known, error);
        binder->in_window = false;
    }
    if (rc == OK)
        rc = oracle_inner(binder, bound, &input, error);
    if (rc == OK)
        *ret = input;
    return rc;
}

/* The list of an inner SELECT becomes the inputs of the outer one. */
static int compile_columns(struct binder *binder, yyjson_val *projection, struct error *error)
{
    yyjson_val *list = yyjson_obj_get(projection, "expressions"), *bound;
    yyjson_val *items = yyjson_obj_get(binder->select, "select_list");
    size_t n = yyjson_arr_size(list), i, max;
    bool aligned = n == yyjson_arr_size(items);
    struct input *columns = memory_new(n, sizeof *columns);
    int rc = columns && bind_inputs(binder, n) ? OK : error_set(error, CODE_MEMORY, "no memory for the plan");
    yyjson_arr_foreach(list, i, max, bound)
    {
        binder->item = aligned ? yyjson_arr_get(items, i) : items;
        columns[i].refused = parse_is_blank(binder->parsed, parse_location(binder->item));
        if (rc != OK || columns[i].refused)
            continue;
        rc = compile_column(binder, bound, &columns[i], error);
        columns[i].refused |= rc != OK;
        rc = bind_note(binder, rc, error);
    }
    if (rc == OK) {
        memcpy(binder->inputs, columns, n * sizeof *columns);
        binder->n_inputs = n;
    }
    free(columns);
    return rc;
}

static int compile_with(struct binder *binder, yyjson_val *op, yyjson_val *select, compile_list *list,
                        struct error *error)
{
    yyjson_val *children = yyjson_obj_get(op, "children");
    struct cte cte = {.index = yyjson_get_uint(yyjson_obj_get(op, "table_index")),
                      .body = yyjson_arr_get(children, 0),
                      .outer = binder->ctes};
    binder->ctes = &cte;
    int rc = compile_select(binder, yyjson_arr_get(children, 1), select, list, error);
    binder->ctes = cte.outer;
    return rc;
}

int compile_select(struct binder *binder, yyjson_val *op, yyjson_val *select, compile_list *list,
                   struct error *error)
{
    if (strcmp(tree_text(op, "type"), "LOGICAL_MATERIALIZED_CTE") == 0)
        return compile_with(binder, op, select, list, error);
    yyjson_val *outer = binder->select;
    struct sites *outer_sites = binder->sites;
    binder->item = yyjson_arr_get_first(yyjson_obj_get(outer, "select_list"));
    binder->select = select;
    binder->sites = NULL;
    int rc = ++binder->depth > LIMIT_EXPRESSION_DEPTH
                 ? error_set(error, CODE_LIMIT, "SELECTs nest deeper than %d", LIMIT_EXPRESSION_DEPTH)
                 : sites_new(select, &binder->sites, error);
    if (rc == OK && strcmp(tree_text(op, "type"), "LOGICAL_PROJECTION") != 0)
        rc = refuse_operator(binder, op, error);
    if (rc == OK)
        rc = compile_source(binder, yyjson_arr_get(yyjson_obj_get(op, "children"), 0), error);
    if (rc == OK)
        rc = list(binder, op, error);
    sites_free(binder->sites);
    binder->sites = outer_sites;
    binder->select = outer;
    binder->depth--;
    return rc;
}

static int compile_reference(struct binder *binder, yyjson_val *op, struct error *error)
{
    uint64_t index = yyjson_get_uint(yyjson_obj_get(op, "cte_index"));
    const struct cte *cte = binder->ctes;
    while (cte && cte->index != index)
        cte = cte->outer;
    if (!cte)
        return refuse_operator(binder, op, error);
    return compile_select(binder, cte->body, parse_inner_select(binder->parsed, binder->select),
                          compile_columns, error);
}

static int compile_source(struct binder *binder, yyjson_val *op, struct error *error)
{
    const char *type = tree_text(op, "type");
    if (strcmp(type, "LOGICAL_GET") == 0)
        return compile_scan(binder, op, error);
    if (strcmp(type, "LOGICAL_FILTER") == 0)
        return compile_where(binder, op, error);
    if (strcmp(type, "LOGICAL_CTE_REF") == 0)
        return compile_reference(binder, op, error);
    if (strcmp(type, "LOGICAL_PROJECTION") == 0 || strcmp(type, "LOGICAL_MATERIALIZED_CTE") == 0)
        return compile_select(binder, op, parse_inner_select(binder->parsed, binder->select), compile_columns,
                              error);
    if (strcmp(type, "LOGICAL_WINDOW") != 0)
        return refuse_operator(binder, op, error);
    int rc = compile_source(binder, yyjson_arr_get(yyjson_obj_get(op, "children"), 0), error);
    return rc == OK ? compile_windows(binder, op, error) : rc;
}
