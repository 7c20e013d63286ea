#include "score/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/duck.h"

/* read_parquet(...), read_csv(...) or read_json(...) of a path. */
static void print_source(struct buffer *sql, const char *path)
{
    const char *ending = strrchr(path, '.');
    const char *function = ending && strncmp(ending, ".json", 5) == 0  ? "read_json"
                           : ending && strcmp(ending, ".parquet") == 0 ? "read_parquet"
                                                                       : "read_csv";
    buffer_format(sql, "%s(", function);
    duck_literal(sql, path);
    buffer_text(sql, ")");
}

/* The events with the columns that the oracle needs. */
static int load_events(struct duck *duck, const struct verify_options *options, struct error *error)
{
    struct buffer sql, from;
    buffer_init(&from, LIMIT_SQL);
    buffer_init(&sql, 4 * (size_t)LIMIT_SQL);
    buffer_text(&from, "(SELECT *, file_row_number AS shrike_seq FROM read_parquet(");
    duck_literal(&from, options->events_path);
    buffer_text(&from, ", file_row_number = true))");
    buffer_text(&sql, "CREATE TABLE shrike_events AS ");
    plan_oracle_events(options->plan, from.data, options->lateness_us, &sql);
    buffer_done(&from);
    int rc = buffer_check(&sql, "the oracle's query", error);
    if (rc == OK)
        rc = duck_run(duck, sql.data, error);
    buffer_done(&sql);
    return rc;
}

static int load_results(struct duck *duck, const struct verify_options *options, struct error *error)
{
    struct buffer sql;
    buffer_init(&sql, 128 * (size_t)LIMIT_SQL);
    /* Files have no rows of what WHERE leaves out. */
    buffer_format(
        &sql,
        "CREATE TABLE expected AS SELECT row_number() OVER (ORDER BY shrike_at) AS shrike_row, * EXCLUDE "
        "(shrike_at) FROM (SELECT row_number() OVER () - 1 AS shrike_at, * FROM (%s)) WHERE shrike_at NOT "
        "IN (SELECT shrike_seq FROM shrike_events WHERE shrike_filtered)",
        plan_oracle(options->plan));
    int rc = buffer_check(&sql, "the oracle's query", error);
    if (rc == OK)
        rc = duck_run(duck, sql.data, error);
    buffer_clear(&sql);
    buffer_text(&sql, "CREATE TABLE found AS SELECT row_number() OVER () AS shrike_row, * FROM ");
    print_source(&sql, options->features_path);
    if (rc == OK)
        rc = duck_run(duck, sql.data, error);
    buffer_done(&sql);
    return rc;
}

/* How many rows differ in one feature, and the first of them. */
static int compare_feature(struct duck *duck, const struct field *field, struct verify_result *result,
                           struct error *error)
{
    struct buffer sql;
    bool real = field->type.id == TYPE_DOUBLE || field->type.id == TYPE_FLOAT;
    duckdb_result rows;
    buffer_init(&sql, LIMIT_SQL);
    buffer_text(&sql,
                "SELECT count(*), min(r), arg_min(x, r), arg_min(y, r) FROM (SELECT shrike_row AS r, e.");
    duck_identifier(&sql, field->name);
    buffer_text(&sql, " AS x, f.");
    duck_identifier(&sql, field->name);
    buffer_text(&sql, " AS y FROM expected e JOIN found f USING (shrike_row)) WHERE x IS DISTINCT FROM y");
    if (real)
        buffer_text(&sql, " AND NOT coalesce(isfinite(x) AND isfinite(y) AND abs(x - y) <= 1e-9 * "
                          "greatest(1, abs(x)), false)");
    int rc = duck_query(duck, sql.data, NULL, 0, &rows, error);
    buffer_done(&sql);
    if (rc != OK)
        return rc;
    int64_t mismatches = duckdb_value_int64(&rows, 0, 0);
    if (mismatches && result->mismatches == 0) {
        char *expected = duckdb_value_varchar(&rows, 2, 0), *found = duckdb_value_varchar(&rows, 3, 0);
        error_set(error, CODE_MISMATCH,
                  "feature %s differs in %lld rows, first in row %lld: DuckDB has %s, Shrike %s", field->name,
                  (long long)mismatches, (long long)duckdb_value_int64(&rows, 1, 0),
                  expected ? expected : "NULL", found ? found : "NULL");
        duckdb_free(expected);
        duckdb_free(found);
    }
    result->mismatches += mismatches;
    duckdb_destroy_result(&rows);
    return OK;
}

static int compare(struct duck *duck, const struct schema *features, struct verify_result *ret,
                   struct error *error)
{
    char *expected = NULL, *found = NULL;
    struct verify_result result = {0};
    int rc = duck_value(duck, "SELECT CAST(count(*) AS VARCHAR) FROM expected", NULL, 0, &expected, error);
    if (rc == OK)
        rc = duck_value(duck, "SELECT CAST(count(*) AS VARCHAR) FROM found", NULL, 0, &found, error);
    if (rc == OK && strcmp(expected, found) != 0)
        rc = error_set(error, CODE_MISMATCH, "DuckDB has %s rows, Shrike %s", expected, found);
    if (rc == OK)
        result.rows = strtoll(found, NULL, 10);
    for (int f = 0; rc == OK && f < features->n; f++)
        rc = compare_feature(duck, &features->fields[f], &result, error);
    result.values = result.rows * features->n;
    free(expected);
    free(found);
    if (rc == OK)
        *ret = result;
    return rc == OK && result.mismatches ? (int)CODE_MISMATCH : rc;
}

int verify_with_duckdb(const struct verify_options *options, struct verify_result *ret, struct error *error)
{
    struct duck duck = {0};
    struct duck_options with = {.threads = options->threads > 0 ? options->threads : 1};
    int rc = duck_open(&duck, &with, error);
    if (rc == OK)
        rc = load_events(&duck, options, error);
    if (rc == OK)
        rc = load_results(&duck, options, error);
    if (rc == OK)
        rc = compare(&duck, plan_features(options->plan), ret, error);
    duck_close(&duck);
    return rc;
}
