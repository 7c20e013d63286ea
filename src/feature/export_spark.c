#include "feature/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "feature/expr_walk.h"
#include "feature/spark.h"

int spark_refuse(struct spark *spark, const char *function, const char *format, ...)
{
    char message[ERROR_MESSAGE_SIZE / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    spark->function = function;
    return error_set(spark->error, CODE_UNSUPPORTED,
                     "%s is not known to give the same values in Spark SQL; leave it out of the plan that is "
                     "exported, or compute it before the stream",
                     message);
}

/* ---- where a refused feature stands in the plan ---- */

static yyjson_val *find_list(yyjson_val *node)
{
    yyjson_val *found = yyjson_is_obj(node) ? yyjson_obj_get(node, "select_list") : NULL;
    size_t i, n;
    yyjson_val *key, *member;
    if (found || (!yyjson_is_obj(node) && !yyjson_is_arr(node)))
        return found;
    if (yyjson_is_arr(node))
        yyjson_arr_foreach(node, i, n, member)
        {
            found = found ? found : find_list(member);
        }
    else
        yyjson_obj_foreach(node, i, n, key, member)
        {
            found = found || strcmp(yyjson_get_str(key), "cte_map") == 0 ? found : find_list(member);
        }
    return found;
}

static void place(const struct spark *spark, int feature)
{
    const struct plan *plan = spark->plan;
    struct plan_findings findings = {0};
    struct parsed parsed;
    int first = 0;
    if (!spark->error)
        return;
    if (feature >= 0)
        error_prefix(spark->error, "feature %s", plan->features->fields[feature].name);
    if (parse_plan(plan->sql, strlen(plan->sql), plan->name, &findings, &parsed, NULL) == OK) {
        yyjson_val *list = find_list(yyjson_doc_get_root(parsed.syntax)), *item = list;
        if (feature >= 0 && yyjson_arr_size(list) == (size_t)plan->features->n)
            item = yyjson_arr_get(list, (size_t)feature);
        uint64_t at = spark->function ? parse_find_call(item, spark->function, &first) : UINT64_MAX;
        parse_place(&parsed, at != UINT64_MAX ? at : parse_location(item), spark->error);
        parse_done(&parsed);
    }
    plan_findings_done(&findings);
}

/* A feature that uses a window. */
static int feature_of(const struct plan *plan, int window)
{
    int found = -1;
    bool *seen = memory_new(plan->n_exprs, sizeof *seen);
    for (int f = 0; seen && found < 0 && f < plan->features->n; f++) {
        expr_walk(plan, plan->roots[f], seen);
        for (size_t e = 0; e < plan->n_exprs; e++)
            if (seen[e] && plan->exprs[e]->kind == EXPR_WINDOW && plan->exprs[e]->index == window)
                found = f;
    }
    free(seen);
    return found;
}

/* ---- the query ---- */

static void print_head(const struct plan *plan, struct buffer *out)
{
    buffer_format(out,
                  "-- Features of %s (SHA-256 %s)\n"
                  "-- as Spark SQL, made by `shrike plan export --dialect spark`. Reads the table or view ",
                  plan->name, plan->hash);
    spark_identifier(plan->table_name, out);
    buffer_text(out,
                ".\n"
                "-- Run it with spark.sql.session.timeZone = UTC and spark.sql.ansi.enabled = false.\n"
                "-- Spark shows events of one time to each other and sorts late ones in: where two events "
                "of an\n"
                "-- entity have one time, or one came late, its features differ from Shrike's. Sums, "
                "means and\n"
                "-- deviations of DOUBLEs are rounded on the way, in Shrike once. What overflows is NULL in "
                "both;\n"
                "-- coalesce() catches it here.\n");
}

/* Every column as the CREATE TABLE declares it; what is not among an ENUM's values is NULL. */
static void print_column(const struct field *field, struct buffer *out)
{
    bool is_enum = field->type.id == TYPE_ENUM;
    buffer_text(out, is_enum ? "CASE WHEN CAST(" : "CAST(");
    spark_identifier(field->name, out);
    buffer_text(out, " AS ");
    spark_type(&field->type, out);
    buffer_text(out, ")");
    if (is_enum) {
        buffer_text(out, " IN (");
        for (int32_t code = 0; code < dictionary_size(field->type.values); code++) {
            size_t size;
            const char *text = dictionary_text(field->type.values, code, &size);
            buffer_text(out, code ? ", " : "");
            spark_string(text, size, out);
        }
        buffer_text(out, ") THEN CAST(");
        spark_identifier(field->name, out);
        buffer_text(out, " AS STRING) END");
    }
    buffer_text(out, " AS ");
    spark_identifier(field->name, out);
}

static void print_events(const struct spark *spark, struct buffer *out)
{
    const struct plan *plan = spark->plan;
    int n = 0;
    buffer_text(out, "WITH shrike_events AS (\n  SELECT");
    for (int c = 0; c < plan->events->n; c++) {
        if (!spark->columns[c])
            continue;
        buffer_text(out, n++ ? ",\n    " : "\n    ");
        print_column(&plan->events->fields[c], out);
    }
    buffer_text(out, n ? "\n  FROM " : "\n    1 AS shrike_none\n  FROM ");
    spark_identifier(plan->table_name, out);
    buffer_text(out, "\n)");
}

/* CTEs that each add to the rows of the one before: what WHERE wants, the windows level by level. */
static int print_steps(struct spark *spark, const char **ret_from, struct buffer *out)
{
    static const char *const names[] = {"shrike_windows", "shrike_windows_of_windows"};
    const struct plan *plan = spark->plan;
    const char *from = "shrike_events";
    int rc = OK;
    if (plan->where) {
        buffer_format(out, ",\nshrike_wanted AS (\n  SELECT * FROM %s WHERE ", from);
        rc = spark_expr(spark, plan->where, out);
        buffer_text(out, "\n)");
        from = "shrike_wanted";
        if (rc != OK)
            place(spark, -1);
    }
    for (int level = 0; level < 2; level++) {
        int n = 0;
        for (size_t w = 0; rc == OK && w < plan->n_windows; w++) {
            if (plan->groups[plan->windows[w].group].level != level)
                continue;
            if (n++ == 0)
                buffer_format(out, ",\n%s AS (\n  SELECT *", names[level]);
            buffer_text(out, ",\n    ");
            rc = spark_window(spark, &plan->windows[w], out);
            buffer_format(out, " AS shrike_w%zu", w);
            if (rc != OK)
                place(spark, feature_of(plan, (int)w));
        }
        if (n) {
            buffer_format(out, "\n  FROM %s\n)", from);
            from = names[level];
        }
    }
    *ret_from = from;
    return rc;
}

static int print_features(struct spark *spark, const char *from, struct buffer *out)
{
    const struct plan *plan = spark->plan;
    int rc = OK, id = plan->id_column;
    buffer_text(out, "\nSELECT\n    ");
    if (id >= 0 && schema_find(plan->features, plan->events->fields[id].name) < 0) {
        spark->columns[id] = true;
        spark_identifier(plan->events->fields[id].name, out);
        buffer_text(out, ",\n    ");
    }
    for (int f = 0; rc == OK && f < plan->features->n; f++) {
        buffer_text(out, f ? ",\n    " : "");
        rc = spark_expr(spark, plan->roots[f], out);
        buffer_text(out, " AS ");
        spark_identifier(plan->features->fields[f].name, out);
        if (rc != OK)
            place(spark, f);
    }
    buffer_format(out, "\nFROM %s\n", from);
    return rc;
}

int export_spark(const struct plan *plan, struct buffer *out, struct error *error)
{
    struct spark spark = {.plan = plan, .error = error};
    struct buffer steps;
    const char *from;
    buffer_init(&steps, out->maximum);
    spark.columns = memory_new((size_t)plan->events->n, sizeof *spark.columns);
    int rc = spark.columns ? OK : error_set(error, CODE_MEMORY, "no memory for the query");
    if (rc == OK)
        rc = print_steps(&spark, &from, &steps);
    if (rc == OK)
        rc = print_features(&spark, from, &steps);
    if (rc == OK)
        rc = buffer_check(&steps, "the query", error);
    if (rc == OK) {
        print_head(plan, out);
        print_events(&spark, out);
        buffer_append(out, steps.data, steps.size);
        rc = buffer_check(out, "the query", error);
    }
    buffer_done(&steps);
    free(spark.columns);
    return rc;
}
