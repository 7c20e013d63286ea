/*
 * A plan as one Spark SQL query (Spark 3.5) that computes the same features in a batch, from the compiled
 * expressions and windows, not from the plan's text. What is not known to give the same values in Spark is
 * refused by name, with the place of the feature in the plan.
 *
 * The same, where no two events of an entity have one time and none comes late: counts, minima, maxima and
 * all that is exact, by value; sums, means and deviations but for Spark's rounding on the way.
 */
#ifndef SHRIKE_FEATURE_EXPORT_SPARK_H
#define SHRIKE_FEATURE_EXPORT_SPARK_H

#include "base/memory.h"
#include "feature/plan.h"

int export_spark(const struct plan *plan, struct buffer *out, struct error *error);

#endif
