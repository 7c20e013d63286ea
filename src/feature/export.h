/*
 * A plan's features as SQL for other engines. From the compiled plan, not from its text.
 *
 * Spark (3.5): one query for a batch. What is not known to give the same values in Spark is refused by name,
 * with the place of the feature in the plan. The same, where no two events of an entity have one time and
 * none comes late: counts, minima, maxima and all that is exact, by value; sums, means and deviations but for
 * Spark's rounding on the way.
 *
 * DuckDB: the definition itself, which is what verification compares with: ties, late events and WHERE as
 * here, at a cost quadratic in the events.
 */
#ifndef SHRIKE_FEATURE_EXPORT_H
#define SHRIKE_FEATURE_EXPORT_H

#include "base/memory.h"
#include "feature/plan.h"

int export_spark(const struct plan *plan, struct buffer *out, struct error *error);
int export_duckdb(const struct plan *plan, int64_t lateness, struct buffer *out, struct error *error);

#endif
