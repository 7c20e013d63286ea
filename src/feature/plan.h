/*
 * Plans: a features.sql compiled to operators. Immutable after compile and shared by reference.
 *
 * A plan file is SQL that DuckDB accepts: one CREATE TABLE for the events, COMMENTs that give columns their
 * roles, one SELECT for the features. DuckDB splits, parses and types it (json_serialize_plan for types,
 * json_serialize_sql for places in the text); this compiler turns the bound tree into expressions and
 * windows. What cannot run online is an error with line and column that says what to write instead.
 */
#ifndef SHRIKE_FEATURE_PLAN_H
#define SHRIKE_FEATURE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "table/table.h"

struct plan;

/* Compiles SQL text; `name` is for messages ("features.sql"). */
int plan_compile(const char *sql, size_t size, const char *name, struct plan **ret, struct error *error);
/* Compiles one SELECT over a table of the given columns: what rules are. */
int plan_compile_over(struct schema *schema, const char *table, const char *sql, size_t size,
                      const char *name, struct plan **ret, struct error *error);
/* Everything that is wrong with a plan, in the order of the text: a zeroed struct at first. */
struct plan_findings {
    struct error *list;
    size_t n, capacity;
};
void plan_findings_done(struct plan_findings *findings);
/* plan_compile, which also says what else is wrong where it fails: after an error in an item of a SELECT it
 * goes on with the others. *error is the first of *ret_findings. */
int plan_check(const char *sql, size_t size, const char *name, struct plan_findings *ret_findings,
               struct plan **ret, struct error *error);
int plan_load(const char *path, struct plan **ret, struct error *error);
/* Several plans over one table as one, which has the features of all, in order, and keeps what their windows
 * share only once. One of the plans has all columns of the others; all have the same WHERE, or none; else
 * CODE_CONFLICT says what differs. The features are to the bit those of each plan alone. Where a name is
 * taken, the n-th plan's is plann_name. Its SQL and name are theirs one after the other; it has no oracle
 * (NULL): that is theirs. */
int plan_join(struct plan *const *plans, int n, struct plan **ret, struct error *error);
/* How many plans were joined, 1 for any other plan, and which features are those of plan i. */
int plan_parts(const struct plan *plan);
void plan_part(const struct plan *plan, int i, int *ret_first, int *ret_n);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan); /* takes NULL */

struct schema *plan_events(const struct plan *plan);   /* the CREATE TABLE: columns, types, roles */
struct schema *plan_features(const struct plan *plan); /* the SELECT's columns, in order */
/* Is a column secret? Would the value of a feature show what is in one? */
bool plan_has_secrets(const struct plan *plan);
bool plan_feature_is_secret(const struct plan *plan, int feature);
const char *plan_table_name(const struct plan *plan);
const char *plan_sql(const struct plan *plan);
const char *plan_hash(const struct plan *plan); /* SHA-256 of the text, hex */

/* Index in plan_events, or -1 where there is none. */
int plan_id_column(const struct plan *plan);
/* How long ids are known unless somebody says otherwise, in the unit of event times: the longest delay of a
 * late column, or a day. 0: not at all, where there are no ids, or no time by which they could be given up */
int64_t plan_dedupe(const struct plan *plan);
int plan_time_column(const struct plan *plan);
int plan_label_column(const struct plan *plan);

/* The delay after which the label is its default, in microseconds or, where the event time is an integer, in
 * steps. False where the plan does not say: it has no label, or one whose delay is not in steps though its
 * time is. */
bool plan_label_after(const struct plan *plan, int64_t *ret);
/* As "7d" or "24 steps"; text: UNITS_TEXT_SIZE bytes. Only where the plan has a label. */
const char *plan_label_after_text(const struct plan *plan, char *text);

/* What a late column is once its delay has passed: its DEFAULT as a number. False: none, or not a number. */
bool plan_late_default(const struct plan *plan, int column, double *ret);

/* Does the plan have a WHERE? Events for which it is not true enter no window and have no features (NULL). */
bool plan_has_where(const struct plan *plan);

/* The same features by the definition itself, as correlated subqueries for DuckDB: a query over a table
 * shrike_events, which holds what plan_oracle_events selects. */
const char *plan_oracle(const struct plan *plan);
/* Appends a SELECT of all columns of the relation `from`, as SQL: those of plan_events and shrike_seq, the
 * arrival order. It adds shrike_time (event time as BIGINT, microseconds or steps), shrike_filtered (WHERE
 * leaves it out), shrike_high and shrike_floor (high water with the event itself, less the lateness) and
 * shrike_too_late. */
struct buffer;
void plan_oracle_events(const struct plan *plan, const char *from, int64_t lateness, struct buffer *out);

/* The n-th constant text that feature f may come out as through its CASE branches, or NULL: what rules'
 * decisions are checked by. Branches that are computed do not show. */
const char *plan_text_outcome(const struct plan *plan, int f, int n, size_t *ret_size);

/* Things that are allowed but deserve a look ("a frame that ends before `after`"): n-th warning or NULL. */
const char *plan_warning(const struct plan *plan, int n);

#endif
