#include "cli/scored.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/pipe.h"
#include "table/json_rows.h"

int scorer_open(const struct arguments *arguments, int reasons, int threads, struct scorer *ret,
                struct error *error)
{
    struct scorer scorer = {0};
    int rc = version_open(argument_positional(arguments, 0), argument_text(arguments, "registry"),
                          &scorer.version, error);
    if (rc != OK)
        return rc;
    struct engine_options options = {
        .state = {.threads = threads,
                  .lateness_us = argument_integer(arguments, "lateness"),
                  .memory = pipe_memory(arguments)},
        .reasons = reasons,
        .explain_from =
            argument_given(arguments, "explain-from") ? argument_real(arguments, "explain-from") : -INFINITY,
        .threshold = argument_given(arguments, "threshold") ? argument_real(arguments, "threshold")
                                                            : scorer.version.threshold,
    };
    /* A threshold that is asked for takes the place of the version's rules, too. */
    struct rules *rules = argument_given(arguments, "threshold") ? NULL : scorer.version.rules;
    rc = engine_new(scorer.version.plan, scorer.version.model, rules, &options, &scorer.engine, error);
    if (rc != OK) {
        scorer_close(&scorer);
        return rc;
    }
    *ret = scorer;
    return OK;
}

void scorer_close(struct scorer *scorer)
{
    engine_free(scorer->engine);
    version_done(&scorer->version);
    *scorer = (struct scorer){0};
}

struct schema *scored_schema(const struct scorer *scorer, const struct schema *in, const int *kept,
                             int n_kept, int reasons, struct error *error)
{
    static const struct type real = {.id = TYPE_DOUBLE}, score = {.id = TYPE_FLOAT},
                             text = {.id = TYPE_VARCHAR};
    struct schema *schema = schema_new(0);
    int rc = schema ? OK : error_set(error, CODE_MEMORY, "no memory for the columns");
    for (int i = 0; rc == OK && i < n_kept; i++)
        rc = schema_add(schema, in->fields[kept[i]].name, in->fields[kept[i]].type, error);
    if (rc == OK)
        rc = schema_add(schema, "score", score, error);
    if (rc == OK)
        rc = schema_add(schema, "decision", text, error);
    if (rc == OK && engine_rules(scorer->engine))
        rc = schema_add(schema, "rules", text, error);
    for (int r = 0; rc == OK && r < reasons; r++) {
        char name[32];
        snprintf(name, sizeof name, "reason_%d", r + 1);
        rc = schema_add(schema, name, text, error);
        snprintf(name, sizeof name, "contribution_%d", r + 1);
        if (rc == OK)
            rc = schema_add(schema, name, real, error);
    }
    if (rc == OK)
        return schema;
    schema_unref(schema);
    return NULL;
}

static int append_rules(const struct rules *rules, uint64_t fired, struct column *column, struct error *error)
{
    char text[4096];
    size_t size = 0;
    for (int r = 0; r < rules_count(rules); r++)
        if (fired >> r & 1 && size < sizeof text)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", size ? "," : "",
                                     rules_name(rules, r));
    return column_append_text(column, text, size < sizeof text ? size : sizeof text - 1, error);
}

static int append_decision(const struct scorer *scorer, const struct decisions *decisions, int64_t i, int at,
                           struct table *out, struct error *error)
{
    static const struct type real = {.id = TYPE_DOUBLE}, score = {.id = TYPE_FLOAT},
                             text = {.id = TYPE_VARCHAR};
    const struct rules *rules = engine_rules(scorer->engine);
    const char *decision = decision_text(decisions->decisions[i]);
    int rc = OK;
    bool filtered = decisions->decisions[i] == DECISION_FILTERED;
    if (filtered)
        column_append_null(&out->columns[at++], &score);
    else
        column_append_double(&out->columns[at++], &score, (double)decisions->scores[i]);
    if (decision)
        rc = column_append_text(&out->columns[at++], decision, strlen(decision), error);
    else
        column_append_null(&out->columns[at++], &text);
    if (rc == OK && rules)
        rc = append_rules(rules, decisions->rules_fired[i], &out->columns[at++], error);
    for (int r = 0; rc == OK && r < decisions->reasons_per_row; r++, at += 2) {
        const struct reason *reason = &decisions->reasons[i * decisions->reasons_per_row + r];
        if (reason->feature < 0) {
            if (filtered && r == 0)
                rc = column_append_text(&out->columns[at], decision, strlen(decision), error);
            else
                column_append_null(&out->columns[at], &text);
            column_append_null(&out->columns[at + 1], &real);
            continue;
        }
        const char *name = decisions->features->schema->fields[reason->feature].name;
        rc = column_append_text(&out->columns[at], name, strlen(name), error);
        column_append_double(&out->columns[at + 1], &real, reason->contribution);
    }
    return rc;
}

int scored_append(const struct scorer *scorer, const struct table *events, const int *kept, int n_kept,
                  const struct decisions *decisions, struct table *out, struct error *error)
{
    struct schema kept_schema = {.n = n_kept, .fields = out->schema->fields};
    struct column columns[n_kept + 1];
    for (int i = 0; i < n_kept; i++)
        columns[i] = events->columns[kept[i]];
    struct table source = {.schema = &kept_schema, .columns = columns, .length = events->length};
    struct table target = {.schema = &kept_schema, .columns = out->columns, .length = out->length};
    int rc = table_reserve(out, out->length + events->length, error);
    if (rc == OK && n_kept)
        rc = table_append(&target, &source, 0, events->length, error);
    for (int64_t i = 0; rc == OK && i < events->length; i++)
        rc = append_decision(scorer, decisions, i, n_kept, out, error);
    if (rc == OK)
        out->length += events->length;
    return rc;
}

static void write_reasons(const struct decisions *decisions, int64_t i, struct buffer *out)
{
    struct buffer row;
    if (decisions->decisions[i] == DECISION_FILTERED) {
        buffer_text(out, ",\"reasons\":[{\"reason\":\"filtered\"}]");
        return;
    }
    buffer_text(out, ",\"reasons\":[");
    for (int r = 0; r < decisions->reasons_per_row; r++) {
        const struct reason *reason = &decisions->reasons[i * decisions->reasons_per_row + r];
        if (reason->feature < 0)
            break;
        const struct field *field = &decisions->features->schema->fields[reason->feature];
        struct schema one = {.n = 1, .fields = (struct field *)field};
        struct table value = {.schema = &one, .columns = &decisions->features->columns[reason->feature],
                              .length = decisions->n};
        buffer_text(out, r ? ",{\"feature\":" : "{\"feature\":");
        json_write_string(out, field->name, strlen(field->name));
        buffer_text(out, ",\"value\":");
        /* The member is `"name":value`; what follows the name is the value as rows are written. */
        buffer_init(&row, out->maximum);
        json_rows_write_members(&value, i, &row);
        struct buffer name;
        buffer_init(&name, out->maximum);
        json_write_string(&name, field->name, strlen(field->name));
        if (!row.failed && !name.failed && row.size > name.size)
            buffer_append(out, row.data + name.size + 1, row.size - name.size - 1);
        else
            buffer_text(out, "null");
        buffer_done(&name);
        buffer_done(&row);
        buffer_text(out, ",\"contribution\":");
        json_write_double(out, reason->contribution);
        buffer_text(out, "}");
    }
    buffer_text(out, "]");
}

static void write_member(const struct table *events, int column, int64_t i, struct buffer *out)
{
    struct schema one = {.n = 1, .fields = &events->schema->fields[column]};
    struct table value = {.schema = &one, .columns = &events->columns[column], .length = events->length};
    buffer_text(out, ",");
    json_rows_write_members(&value, i, out);
}

void scored_json(const struct scorer *scorer, const struct table *events, const struct decisions *decisions,
                 int64_t i, int64_t seq, struct buffer *out)
{
    const struct plan *plan = scorer->version.plan;
    const struct rules *rules = engine_rules(scorer->engine);
    const char *decision = decision_text(decisions->decisions[i]);
    buffer_format(out, "{\"seq\":%lld", (long long)seq);
    if (plan_id_column(plan) >= 0)
        write_member(events, plan_id_column(plan), i, out);
    if (plan_time_column(plan) >= 0)
        write_member(events, plan_time_column(plan), i, out);
    buffer_text(out, ",\"score\":");
    if (decisions->decisions[i] == DECISION_FILTERED)
        buffer_text(out, "null");
    else
        json_write_float(out, decisions->scores[i]);
    buffer_format(out, decision ? ",\"decision\":\"%s\"" : ",\"decision\":null", decision);
    if (rules) {
        buffer_text(out, ",\"rules\":[");
        bool first = true;
        for (int r = 0; r < rules_count(rules); r++)
            if (decisions->rules_fired[i] >> r & 1) {
                buffer_text(out, first ? "" : ",");
                json_write_string(out, rules_name(rules, r), strlen(rules_name(rules, r)));
                first = false;
            }
        buffer_text(out, "]");
    }
    if (decisions->reasons_per_row)
        write_reasons(decisions, i, out);
    buffer_text(out, ",\"features\":{");
    json_rows_write_members(decisions->features, i, out);
    buffer_text(out, "}}");
}
