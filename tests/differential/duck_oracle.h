/* DuckDB as the oracle of random plans: events in, the features of a query out. */
#ifndef SHRIKE_TESTS_DUCK_ORACLE_H
#define SHRIKE_TESTS_DUCK_ORACLE_H

#include "feature/compile.h"
#include "table/duck.h"

/* Makes the tables `shrike_events` (what plan_oracle reads) and one of the plan's own name with the extra
 * column shrike_seq, whose late columns are their DEFAULT where NULL. */
int duck_oracle_load(struct duck *duck, const struct plan *plan, const struct table *events, int64_t lateness,
                     struct error *error);

/* Runs a query whose first columns are the schema's. CODE_MISMATCH where a column has another type. */
int duck_oracle_query(struct duck *duck, const char *sql, struct schema *schema, struct table *ret,
                      struct error *error);

#endif
