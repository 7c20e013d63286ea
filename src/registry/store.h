/*
 * The registry's SQLite file: opening it, its tables, and statements with parameters.
 *
 * The parameters of a statement are given by a text of kinds, one letter each: t = const char *, i = int64_t.
 */
#ifndef SHRIKE_REGISTRY_STORE_H
#define SHRIKE_REGISTRY_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "registry/registry.h"

struct registry {
    char *directory;
    sqlite3 *database;
};

/* Runs a statement that gives no rows. */
int store_run(struct registry *registry, struct error *error, const char *sql, const char *kinds, ...);

/* Starts a statement that gives rows; release it with sqlite3_finalize. */
int store_query(struct registry *registry, sqlite3_stmt **ret, struct error *error, const char *sql,
                const char *kinds, ...);
/* The next row; *ret_row is false after the last. */
int store_next(struct registry *registry, sqlite3_stmt *statement, bool *ret_row, struct error *error);

/* The integer in the first column of the first row; `fallback` where there is no row or it is NULL. */
int store_integer(struct registry *registry, int64_t fallback, int64_t *ret, struct error *error,
                  const char *sql, const char *kinds, ...);

/* A writing transaction: no other process writes to the registry until its end. */
int store_begin(struct registry *registry, struct error *error);
int store_commit(struct registry *registry, struct error *error); /* rolls back where it fails */
void store_rollback(struct registry *registry);

#endif
