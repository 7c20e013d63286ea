#include "registry/registry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/names.h"
#include "registry/store.h"
#include "registry/tree.h"

/* Names that exist, for an error's message; cut where there are many. */
static void list_names(struct registry *registry, struct buffer *out)
{
    sqlite3_stmt *statement;
    bool row;
    if (store_query(registry, &statement, NULL,
                    "SELECT name FROM models m WHERE EXISTS "
                    "(SELECT 1 FROM versions v WHERE v.name = m.name) ORDER BY name",
                    ""))
        return;
    while (out->size < 600 && !store_next(registry, statement, &row, NULL) && row)
        buffer_format(out, "%s%s", out->size ? ", " : "", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
}

static int unknown_name(struct registry *registry, const char *name, struct error *error)
{
    struct buffer names;
    buffer_init(&names, 1024);
    list_names(registry, &names);
    int code = error_set(error, CODE_NOT_FOUND, "no model '%s' in %s; there %s", name, registry->directory,
                         names.size ? "are: " : "is none");
    if (error && names.size)
        snprintf(error->message + strlen(error->message), sizeof error->message - strlen(error->message),
                 "%s", names.data);
    buffer_done(&names);
    return code;
}

static int fill_entry(struct registry *registry, struct registry_listing *listing, sqlite3_stmt *row,
                      struct error *error)
{
    struct registry_entry *entry = &listing->entries[listing->n];
    const char *name = (const char *)sqlite3_column_text(row, 0),
               *stage = (const char *)sqlite3_column_text(row, 2),
               *aliases = (const char *)sqlite3_column_text(row, 3),
               *sum = (const char *)sqlite3_column_text(row, 5);
    if (!name || !stage || !sum)
        return error_set(error, CODE_CORRUPT,
                         "%s/" REGISTRY_FILE ": a version without name, stage or checksum",
                         registry->directory);
    entry->number = sqlite3_column_int(row, 1);
    entry->created_us = sqlite3_column_int64(row, 4);
    entry->name = arena_text(&listing->arena, name, strlen(name));
    entry->stage = arena_text(&listing->arena, stage, strlen(stage));
    entry->aliases = arena_text(&listing->arena, aliases ? aliases : "", aliases ? strlen(aliases) : 0);
    entry->manifest_sha256 = arena_text(&listing->arena, sum, strlen(sum));
    entry->directory = arena_format(&listing->arena, "%s/%s/%d", registry->directory, name, entry->number);
    if (!entry->name || !entry->stage || !entry->aliases || !entry->manifest_sha256 || !entry->directory)
        return error_set(error, CODE_MEMORY, "no memory for the list of versions");
    listing->n++;
    return OK;
}

static int fill_listing(struct registry *registry, const char *name, struct registry_listing *listing,
                        struct error *error)
{
    /* Aliases are joined in their own order, which group_concat keeps for an ordered subquery. */
    static const char sql[] =
        "SELECT name, number, stage, (SELECT group_concat(alias, ', ') FROM (SELECT alias FROM aliases a "
        "WHERE a.name = v.name AND a.number = v.number ORDER BY alias)), created_us, manifest_sha256 "
        "FROM versions v WHERE ?1 = '' OR name = ?1 ORDER BY name, number";
    int64_t n = 0;
    int code =
        store_integer(registry, 0, &n, error, "SELECT count(*) FROM versions WHERE ?1 = '' OR name = ?1", "t",
                      name ? name : "");
    if (code)
        return code;
    if (!n && name)
        return unknown_name(registry, name, error);
    listing->entries = arena_new(&listing->arena, (size_t)n, sizeof *listing->entries);
    if (!listing->entries)
        return error_set(error, CODE_MEMORY, "no memory for the list of versions");
    sqlite3_stmt *statement;
    code = store_query(registry, &statement, error, sql, "t", name ? name : "");
    if (code)
        return code;
    bool row = true;
    while (!code && row && listing->n < n) {
        code = store_next(registry, statement, &row, error);
        if (!code && row)
            code = fill_entry(registry, listing, statement, error);
    }
    sqlite3_finalize(statement);
    return code;
}

/* Within the caller's transaction, so that count and rows belong together. */
static int read_listing(struct registry *registry, const char *name, struct registry_listing *ret,
                        struct error *error)
{
    struct registry_listing listing = {0};
    int code = fill_listing(registry, name, &listing, error);
    if (code)
        registry_listing_done(&listing);
    else
        *ret = listing;
    return code;
}

int registry_list(struct registry *registry, const char *name, struct registry_listing *ret,
                  struct error *error)
{
    int code = name ? name_check("model", name, error) : OK;
    if (!code)
        code = store_run(registry, error, "BEGIN", "");
    if (code)
        return code;
    code = read_listing(registry, name, ret, error);
    store_rollback(registry);
    return code;
}

void registry_listing_done(struct registry_listing *listing)
{
    arena_done(&listing->arena);
    *listing = (struct registry_listing){0};
}

static int no_version(const struct registry_listing *listing, const char *name, int number,
                      struct error *error)
{
    struct buffer known;
    buffer_init(&known, 1024);
    for (int i = listing->n; i-- > 0 && known.size < 600;)
        buffer_format(&known, "%s%d", known.size ? ", " : "", listing->entries[i].number);
    int code = error_set(error, CODE_NOT_FOUND, "model '%s' has no version %d; there are: %s", name, number,
                         known.data ? known.data : "");
    buffer_done(&known);
    return code;
}

static int check_unused(const struct registry_entry *entry, struct error *error)
{
    if (entry->aliases[0])
        return error_set(error, CODE_CONFLICT,
                         "version %d of model '%s' is what the alias %s points at; remove the "
                         "alias first, or use --force",
                         entry->number, entry->name, entry->aliases);
    if (!strcmp(entry->stage, "Production"))
        return error_set(error, CODE_CONFLICT,
                         "version %d of model '%s' is in Production; set another stage first, "
                         "or use --force",
                         entry->number, entry->name);
    return OK;
}

/* Begins the transaction of a change to a version that exists (and that nothing points at, if so wanted). */
static int begin_change(struct registry *registry, const char *name, int number, bool unused,
                        struct error *error)
{
    int code = name_check("model", name, error);
    if (!code)
        code = store_begin(registry, error);
    if (code)
        return code;
    struct registry_listing listing = {0};
    code = read_listing(registry, name, &listing, error);
    int i = 0;
    while (!code && i < listing.n && listing.entries[i].number != number)
        i++;
    if (!code && i == listing.n)
        code = no_version(&listing, name, number, error);
    if (!code && unused)
        code = check_unused(&listing.entries[i], error);
    registry_listing_done(&listing);
    if (code)
        store_rollback(registry);
    return code;
}

static int end_change(struct registry *registry, int code, struct error *error)
{
    if (!code)
        return store_commit(registry, error);
    store_rollback(registry);
    return code;
}

int registry_set_alias(struct registry *registry, const char *name, int number, const char *alias,
                       struct error *error)
{
    int code = alias_check(alias, error);
    if (!code)
        code = begin_change(registry, name, number, false, error);
    if (code)
        return code;
    code = store_run(
        registry, error,
        "INSERT INTO aliases VALUES (?1, ?2, ?3) ON CONFLICT (name, alias) DO UPDATE SET number = ?3", "tti",
        name, alias, (int64_t)number);
    return end_change(registry, code, error);
}

int registry_remove_alias(struct registry *registry, const char *name, int number, const char *alias,
                          struct error *error)
{
    int code = begin_change(registry, name, number, false, error);
    if (code)
        return code;
    code = store_run(registry, error, "DELETE FROM aliases WHERE name = ?1 AND number = ?2 AND alias = ?3",
                     "tit", name, (int64_t)number, alias);
    if (!code && !sqlite3_changes(registry->database))
        code = error_set(error, CODE_NOT_FOUND, "version %d of model '%s' has no alias '%s'", number, name,
                         alias);
    return end_change(registry, code, error);
}

int registry_set_stage(struct registry *registry, const char *name, int number, const char *stage,
                       struct error *error)
{
    const char *known = stage_find(stage);
    if (!known)
        return error_set(error, CODE_USAGE, "stage '%s': expected None, Staging, Production or Archived",
                         stage);
    int code = begin_change(registry, name, number, false, error);
    if (code)
        return code;
    code = store_run(registry, error, "UPDATE versions SET stage = ?3 WHERE name = ?1 AND number = ?2", "tit",
                     name, (int64_t)number, known);
    return end_change(registry, code, error);
}

int registry_remove(struct registry *registry, const char *name, int number, bool force, struct error *error)
{
    int code = begin_change(registry, name, number, !force, error);
    if (code)
        return code;
    code = store_run(registry, error, "DELETE FROM versions WHERE name = ?1 AND number = ?2", "ti", name,
                     (int64_t)number);
    code = end_change(registry, code, error);
    if (code)
        return code;
    /* The entry goes first: what is left of an interrupted removal is a directory that no name leads to. */
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s/%d", registry->directory, name, number) >= (int)sizeof path)
        return error_set(error, CODE_LIMIT, "the path of version %d of '%s' is too long", number, name);
    return tree_remove(path, error);
}
