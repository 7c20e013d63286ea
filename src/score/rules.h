/*
 * Rules: a rules.sql compiled; immutable and shared by reference.
 *
 * SELECT CASE ... END AS decision, <boolean> AS rule_name, ... FROM scored
 * `scored` has the event columns (not late ones), the features and score (FLOAT). Booleans that are true are
 * fired rules; a NULL decision is `review`; no aggregates and no windows.
 */
#ifndef SHRIKE_SCORE_RULES_H
#define SHRIKE_SCORE_RULES_H

#include "feature/plan.h"

struct rules;
int rules_compile(const char *sql, size_t size, const char *name, struct plan *plan, struct rules **ret,
                  struct error *error);
struct rules *rules_ref(struct rules *rules);
void rules_unref(struct rules *rules); /* takes NULL */
int rules_count(const struct rules *rules);
const char *rules_name(const struct rules *rules, int i);
const char *rules_sql(const struct rules *rules);

/* For the engine: the compiled SELECT (its first column is the decision), the table it reads, and where each
 * column of that table comes from: an event column, a feature, or (both -1) the score. */
struct plan *rules_plan(const struct rules *rules);
struct schema *rules_scored(const struct rules *rules);
void rules_source(const struct rules *rules, int column, int *ret_event, int *ret_feature);

#endif
