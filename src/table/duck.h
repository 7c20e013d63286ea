/*
 * DuckDB as a library: one in-memory database per struct duck, used for reading and writing files, for
 * parsing and typing SQL, and as the oracle. Exactly one version is accepted (SHRIKE_DUCKDB_VERSION), because
 * the shape of its syntax tree and some of its semantics change between versions.
 *
 * Threads: one struct duck belongs to one thread at a time; several may exist.
 */
#ifndef SHRIKE_TABLE_DUCK_H
#define SHRIKE_TABLE_DUCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "table/table.h"

/* DuckDB's header declares functions without parameters in the old way. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <duckdb.h>
#pragma GCC diagnostic pop

#define SHRIKE_DUCKDB_VERSION "v1.5.6"

struct duck {
    duckdb_database database;
    duckdb_connection connection;
};

struct duck_options {
    int threads;          /* 0 = 1 */
    int64_t memory_bytes; /* 0 = 1 GiB; DuckDB's own limit, spilling to the temporary directory beyond it */
};

/* Opens an in-memory database; options may be NULL. CODE_UNSUPPORTED where the library has another version.
 */
int duck_open(struct duck *ret, const struct duck_options *options, struct error *error);
void duck_close(struct duck *duck); /* takes a zeroed struct */

/* Runs one or more statements and drops their results. Sessions are in UTC, whatever TZ says. */
int duck_run(struct duck *duck, const char *sql, struct error *error);

/* Runs a statement with VARCHAR parameters and gives the first column of its first row as a new string
 * (free()), NULL where that is NULL or there is no row. */
int duck_value(struct duck *duck, const char *sql, const char *const *parameters, int n_parameters,
               char **ret, struct error *error);

/* Runs a statement with VARCHAR parameters and keeps the result; release with duckdb_destroy_result. */
int duck_query(struct duck *duck, const char *sql, const char *const *parameters, int n_parameters,
               duckdb_result *ret, struct error *error);

/* Fills the error from DuckDB's message, whose own prefix and caret lines are made one readable line.
 * A message about memory becomes CODE_MEMORY, about a full disk CODE_NO_SPACE, about a file-size limit
 * CODE_LIMIT, else `code`. */
int duck_error(struct error *error, enum code code, const char *message);

/* Type of a DuckDB logical type (from a result column). CODE_UNSUPPORTED names the type. ENUM values are new.
 */
int duck_type(duckdb_logical_type logical, struct type *ret, struct error *error);

/* Appends a chunk's column (vector) of n rows to a column of the type that duck_type gave for it. On failure
 * the column has its former rows, and the error's line is the row of the chunk, from 1, where one is to
 * blame. */
int duck_append(duckdb_vector vector, int64_t n, const struct type *type, struct column *column,
                struct error *error);

/* Writes rows [from, from + n) of a column into a vector that has room for n rows: the reverse. ENUM goes
 * into a vector of VARCHAR, HUGEINT into one of DECIMAL(38,0), everything else into one of its own type. */
void duck_fill(duckdb_vector vector, const struct type *type, const struct column *column, int64_t from,
               int64_t n);

/* Appends `text` to sql as an SQL string literal ('...'), or as a quoted identifier ("..."). */
struct buffer;
void duck_literal(struct buffer *sql, const char *text);
void duck_identifier(struct buffer *sql, const char *text);

#endif
