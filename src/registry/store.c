#include "registry/store.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "registry/names.h"

enum {
    SCHEMA_VERSION = 1,
    APPLICATION_ID = 0x53687269, /* "Shri": tells the registry from another program's database */
};

static const char schema[] =
    "CREATE TABLE models (name TEXT PRIMARY KEY, last_number INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE versions (name TEXT NOT NULL REFERENCES models, number INTEGER NOT NULL,"
    " stage TEXT NOT NULL DEFAULT 'None' CHECK (stage IN ('None', 'Staging', 'Production', 'Archived')),"
    " created_us INTEGER NOT NULL, manifest_sha256 TEXT NOT NULL, PRIMARY KEY (name, number)) WITHOUT ROWID;"
    "CREATE TABLE aliases (name TEXT NOT NULL, alias TEXT NOT NULL, number INTEGER NOT NULL,"
    " PRIMARY KEY (name, alias), FOREIGN KEY (name, number) REFERENCES versions ON DELETE CASCADE) WITHOUT "
    "ROWID;";

static int fail(struct registry *registry, struct error *error)
{
    enum code code = CODE_INTERNAL;
    switch (sqlite3_errcode(registry->database)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        code = CODE_UNAVAILABLE;
        break;
    case SQLITE_FULL:
        code = CODE_NO_SPACE;
        break;
    case SQLITE_NOMEM:
        code = CODE_MEMORY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = CODE_CORRUPT;
        break;
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        code = CODE_IO;
        break;
    default:
        break;
    }
    return error_set(error, code, "%s/" REGISTRY_FILE ": %s", registry->directory,
                     sqlite3_errmsg(registry->database));
}

static int query(struct registry *registry, sqlite3_stmt **ret, struct error *error, const char *sql,
                 const char *kinds, va_list values)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(registry->database, sql, -1, &statement, NULL) != SQLITE_OK)
        return fail(registry, error);
    for (int i = 1; *kinds; i++, kinds++) {
        int result = *kinds == 't'
                         ? sqlite3_bind_text(statement, i, va_arg(values, const char *), -1, SQLITE_TRANSIENT)
                         : sqlite3_bind_int64(statement, i, va_arg(values, int64_t));
        if (result != SQLITE_OK) {
            int code = fail(registry, error);
            sqlite3_finalize(statement);
            return code;
        }
    }
    *ret = statement;
    return OK;
}

int store_query(struct registry *registry, sqlite3_stmt **ret, struct error *error, const char *sql,
                const char *kinds, ...)
{
    va_list values;
    va_start(values, kinds);
    int code = query(registry, ret, error, sql, kinds, values);
    va_end(values);
    return code;
}

int store_next(struct registry *registry, sqlite3_stmt *statement, bool *ret_row, struct error *error)
{
    int result = sqlite3_step(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return fail(registry, error);
    *ret_row = result == SQLITE_ROW;
    return OK;
}

int store_run(struct registry *registry, struct error *error, const char *sql, const char *kinds, ...)
{
    va_list values;
    sqlite3_stmt *statement;
    va_start(values, kinds);
    int code = query(registry, &statement, error, sql, kinds, values);
    va_end(values);
    if (code)
        return code;
    bool row = false;
    code = store_next(registry, statement, &row, error);
    sqlite3_finalize(statement);
    return code;
}

int store_integer(struct registry *registry, int64_t fallback, int64_t *ret, struct error *error,
                  const char *sql, const char *kinds, ...)
{
    va_list values;
    sqlite3_stmt *statement;
    va_start(values, kinds);
    int code = query(registry, &statement, error, sql, kinds, values);
    va_end(values);
    if (code)
        return code;
    bool row = false;
    code = store_next(registry, statement, &row, error);
    if (!code)
        *ret = row && sqlite3_column_type(statement, 0) != SQLITE_NULL ? sqlite3_column_int64(statement, 0)
                                                                       : fallback;
    sqlite3_finalize(statement);
    return code;
}

int store_begin(struct registry *registry, struct error *error)
{
    return store_run(registry, error, "BEGIN IMMEDIATE", "");
}

int store_commit(struct registry *registry, struct error *error)
{
    int code = store_run(registry, error, "COMMIT", "");
    if (code)
        store_rollback(registry);
    return code;
}

void store_rollback(struct registry *registry)
{
    /* It can fail only where SQLite has rolled back itself. */
    sqlite3_exec(registry->database, "ROLLBACK", NULL, NULL, NULL);
}

static int make_tables(struct registry *registry, struct error *error)
{
    int code = store_begin(registry, error);
    if (code)
        return code;
    /* Another process may have been first. */
    int64_t version = 0;
    code = store_integer(registry, 0, &version, error, "PRAGMA user_version", "");
    if (!code && !version) {
        char pragmas[96];
        snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %d;",
                 APPLICATION_ID, SCHEMA_VERSION);
        if (sqlite3_exec(registry->database, schema, NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(registry->database, pragmas, NULL, NULL, NULL) != SQLITE_OK)
            code = fail(registry, error);
    }
    if (code) {
        store_rollback(registry);
        return code;
    }
    return store_commit(registry, error);
}

static int check_tables(struct registry *registry, bool create, struct error *error)
{
    int64_t version = 0, application = 0;
    /* In one transaction, or another process fills the file between the two. */
    int code = store_run(registry, error, "BEGIN", "");
    if (code)
        return code;
    code = store_integer(registry, 0, &version, error, "PRAGMA user_version", "");
    if (!code)
        code = store_integer(registry, 0, &application, error, "PRAGMA application_id", "");
    store_rollback(registry);
    if (code)
        return code;
    if (!version && !application) {
        /* An empty file: a process was stopped between making it and filling it, or is about to fill it. */
        if (create)
            return make_tables(registry, error);
        return error_set(error, CODE_NOT_FOUND, "%s holds no registry yet", registry->directory);
    }
    if (application != APPLICATION_ID)
        return error_set(error, CODE_CONFLICT, "%s/" REGISTRY_FILE " is another program's database",
                         registry->directory);
    if (version != SCHEMA_VERSION)
        return error_set(error, CODE_UNSUPPORTED,
                         "%s/" REGISTRY_FILE " has layout %lld, this release of Shrike knows %d",
                         registry->directory, (long long)version, SCHEMA_VERSION);
    return OK;
}

static int set_up(struct registry *registry, bool create, struct error *error)
{
    /* Registering a large model holds the lock while its files are flushed. */
    sqlite3_busy_timeout(registry->database, LIMIT_REGISTRY_WAIT_MS);
    int code = store_run(registry, error, "PRAGMA foreign_keys = ON", "");
    if (!code)
        code = store_run(registry, error, "PRAGMA synchronous = FULL", "");
    return code ? code : check_tables(registry, create, error);
}

int registry_open(const char *directory, bool create, struct registry **ret, struct error *error)
{
    struct buffer path;
    buffer_init(&path, PATH_MAX);
    buffer_format(&path, "%s/" REGISTRY_FILE, directory);
    int code = buffer_check(&path, "the path of the registry", error);
    if (!code && create)
        code = file_make_directory(directory, error);
    if (!code && !create && access(path.data, F_OK))
        code = error_set(
            error, CODE_NOT_FOUND,
            "there is no registry in %s (no file %s); training makes one, --registry DIR names another",
            directory, path.data);
    if (code) {
        buffer_done(&path);
        return code;
    }
    struct registry *registry = memory_new(1, sizeof *registry);
    if (registry)
        registry->directory = memory_text(directory, strlen(directory));
    if (!registry || !registry->directory) {
        code = error_set(error, CODE_MEMORY, "no memory for the registry");
    } else {
        int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
        if (sqlite3_open_v2(path.data, &registry->database, flags, NULL) != SQLITE_OK)
            code = registry->database ? fail(registry, error)
                                      : error_set(error, CODE_MEMORY, "no memory for the registry");
        else
            code = set_up(registry, create, error);
    }
    buffer_done(&path);
    if (code)
        registry_close(registry);
    else
        *ret = registry;
    return code;
}

void registry_close(struct registry *registry)
{
    if (!registry)
        return;
    sqlite3_close(registry->database);
    free(registry->directory);
    free(registry);
}
