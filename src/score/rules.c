#include "score/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "score/engine.h"

struct rules {
    int references;
    struct plan *plan;      /* over `scored` */
    struct schema *scored;
    int *event_columns;     /* per column of scored: event column, or -1 */
    int *feature_columns;   /* feature, or -1; both -1: the score */
    char *sql;
};

/* scored: the events' columns that are known by then, the features, the score. A feature hides a column of
 * its name. */
static int scored_schema(struct plan *plan, struct rules *rules, struct error *error)
{
    struct schema *events = plan_events(plan), *features = plan_features(plan);
    size_t n = (size_t)(events->n + features->n + 1);
    struct type score = {.id = TYPE_FLOAT};
    rules->scored = schema_new(0);
    rules->event_columns = memory_new(n, sizeof(int));
    rules->feature_columns = memory_new(n, sizeof(int));
    if (!rules->scored || !rules->event_columns || !rules->feature_columns)
        return error_set(error, CODE_MEMORY, "no memory for the rules");
    memset(rules->event_columns, -1, n * sizeof(int));
    memset(rules->feature_columns, -1, n * sizeof(int));
    int rc = OK;
    for (int i = 0; rc == OK && i < events->n; i++) {
        const struct field *field = &events->fields[i];
        if ((field->roles & ROLE_LATE) || schema_find(features, field->name) >= 0)
            continue;
        rules->event_columns[rules->scored->n] = i;
        rc = schema_add(rules->scored, field->name, field->type, error);
    }
    for (int i = 0; rc == OK && i < features->n; i++) {
        rules->feature_columns[rules->scored->n] = i;
        rc = schema_add(rules->scored, features->fields[i].name, features->fields[i].type, error);
    }
    if (rc == OK && schema_find(rules->scored, "score") >= 0)
        rc = error_set(
            error, CODE_CONFLICT,
            "rules need the name score for the model's score, but the plan has a column of that name");
    return rc == OK ? schema_add(rules->scored, "score", score, error) : rc;
}

/* The words that CASE may end in, as far as they stand in the text. */
static int check_decisions(const struct plan *plan, struct error *error)
{
    size_t size;
    const char *text;
    for (int n = 0; (text = plan_text_outcome(plan, 0, n, &size)); n++)
        if (decision_read(text, size) == DECISION_NONE)
            return error_set(error, CODE_INVALID,
                             "decision '%.*s' is unknown; the decisions are approve, review and decline",
                             (int)(size < 100 ? size : 100), text);
    return OK;
}

static int check_columns(const struct rules *rules, const char *name, struct error *error)
{
    struct schema *columns = plan_features(rules->plan);
    int rc = OK;
    if (columns->n > 64)
        rc = error_set(error, CODE_LIMIT, "more than 63 rules");
    else if (strcasecmp(columns->fields[0].name, "decision") != 0 ||
             columns->fields[0].type.id != TYPE_VARCHAR)
        rc = error_set(error, CODE_INVALID,
                       "the first column must be the decision: CASE ... THEN 'decline' ... ELSE 'approve' "
                       "END AS decision");
    for (int i = 1; rc == OK && i < columns->n; i++)
        if (columns->fields[i].type.id != TYPE_BOOLEAN)
            rc = error_set(error, CODE_INVALID, "rule %s is not BOOLEAN: a rule is a condition",
                           columns->fields[i].name);
    if (rc == OK)
        rc = check_decisions(rules->plan, error);
    if (rc != OK)
        error_at(error, name, 0, 0);
    return rc;
}

int rules_compile(const char *sql, size_t size, const char *name, struct plan *plan, struct rules **ret,
                  struct error *error)
{
    struct rules *rules = memory_new(1, sizeof *rules);
    if (!rules)
        return error_set(error, CODE_MEMORY, "no memory for the rules");
    rules->references = 1;
    rules->sql = memory_text(sql, size);
    int rc = rules->sql ? scored_schema(plan, rules, error)
                        : error_set(error, CODE_MEMORY, "no memory for the rules");
    if (rc == OK)
        rc = plan_compile_over(rules->scored, "scored", sql, size, name, &rules->plan, error);
    if (rc == OK)
        rc = check_columns(rules, name, error);
    if (rc != OK) {
        rules_unref(rules);
        return rc;
    }
    *ret = rules;
    return OK;
}

struct rules *rules_ref(struct rules *rules)
{
    __atomic_add_fetch(&rules->references, 1, __ATOMIC_RELAXED);
    return rules;
}

void rules_unref(struct rules *rules)
{
    if (!rules || __atomic_sub_fetch(&rules->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    plan_unref(rules->plan);
    schema_unref(rules->scored);
    free(rules->event_columns);
    free(rules->feature_columns);
    free(rules->sql);
    free(rules);
}

int rules_count(const struct rules *rules)
{
    return plan_features(rules->plan)->n - 1;
}

const char *rules_name(const struct rules *rules, int i)
{
    return plan_features(rules->plan)->fields[i + 1].name;
}

const char *rules_sql(const struct rules *rules)
{
    return rules->sql;
}

struct plan *rules_plan(const struct rules *rules)
{
    return rules->plan;
}

struct schema *rules_scored(const struct rules *rules)
{
    return rules->scored;
}

void rules_source(const struct rules *rules, int column, int *ret_event, int *ret_feature)
{
    *ret_event = rules->event_columns[column];
    *ret_feature = rules->feature_columns[column];
}
