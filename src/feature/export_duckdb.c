#include "feature/export.h"

#include "base/limits.h"
#include "table/duck.h"

int export_duckdb(const struct plan *plan, int64_t lateness, struct buffer *out, struct error *error)
{
    struct buffer from;
    buffer_init(&from, LIMIT_SQL);
    buffer_text(&from, "(SELECT *, row_number() OVER () - 1 AS shrike_seq FROM ");
    duck_identifier(&from, plan_table_name(plan));
    buffer_text(&from, ")");
    buffer_format(
        out,
        "-- The features of a plan (SHA-256 %s) by their definition, for DuckDB %s;\n"
        "-- made by `shrike plan export --dialect duckdb`. Run it where the plan's CREATE TABLE was "
        "run and the\n"
        "-- events were inserted in the order of their arrival: ties and late events come out as in "
        "Shrike.\n"
        "-- Every event looks through all others: thousands of events, not millions.\n"
        "CREATE OR REPLACE TEMP TABLE shrike_events AS\n",
        plan_hash(plan), SHRIKE_DUCKDB_VERSION);
    plan_oracle_events(plan, from.data, lateness, out);
    buffer_format(out, ";\n%s;\n", plan_oracle(plan));
    int rc = buffer_check(&from, "the query", error);
    buffer_done(&from);
    return rc == OK ? buffer_check(out, "the query", error) : rc;
}
