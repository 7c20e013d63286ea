/*
 * Registering a version. The whole of it happens inside one writing
 * transaction, which is also what gives the number:
 *
 *   begin -> NAME/.N.partial/ with all files, each flushed -> rename to NAME/N
 * -> flush NAME -> enter -> commit
 *
 * Stopped before the rename, it leaves a .partial directory, which the next
 * writer removes; stopped after it, a directory that no name leads to and whose
 * number is passed over. Either way no reader ever sees half a version.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "registry/manifest.h"
#include "registry/mlmodel.h"
#include "registry/names.h"
#include "registry/store.h"
#include "registry/tree.h"

enum { PATH_SIZE = PATH_MAX };

struct writing {
    struct registry *registry;
    const struct version_content *content;
    int number;
    int64_t created_us;
    char parent[PATH_SIZE], final[PATH_SIZE], staging[PATH_SIZE];
    struct manifest_sum sums[LIMIT_VERSION_FILES];
    int n_sums;
    char manifest_sha256[FILE_SHA256_SIZE];
};

static int write_file(const struct writing *writing, const char *name, const char *data, size_t size,
                      struct error *error)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%s", writing->staging, name) >= (int)sizeof path)
        return error_set(error, CODE_LIMIT, "the path of the new version is too long");
    file_guard(path);
    int code = file_write(path, data, size, error);
    if (code)
        file_forget(path);
    return code;
}

static int add_file(struct writing *writing, const char *name, const char *data, size_t size,
                    struct error *error)
{
    int code = write_file(writing, name, data, size, error);
    if (code)
        return code;
    struct manifest_sum *sum = &writing->sums[writing->n_sums++];
    sum->name = name;
    sum->bytes = (int64_t)size;
    file_sha256_bytes(data, size, sum->sha256);
    return OK;
}

static int add_buffer(struct writing *writing, const char *name, const struct buffer *text,
                      struct error *error)
{
    int code = buffer_check(text, name, error);
    return code ? code : add_file(writing, name, text->data, text->size, error);
}

static int write_mlflow(struct writing *writing, struct error *error)
{
    struct buffer text;
    buffer_init(&text, LIMIT_MANIFEST_BYTES);
    /* The model is the first file that was written. */
    mlmodel_write(writing->content, writing->number, writing->created_us, writing->sums[0].sha256, &text);
    int code = add_buffer(writing, "MLmodel", &text, error);
    for (int i = 0; !code; i++) {
        buffer_clear(&text);
        const char *name = mlmodel_environment(writing->content, i, &text);
        if (!name)
            break;
        code = add_buffer(writing, name, &text, error);
    }
    buffer_done(&text);
    return code;
}

static int write_manifest(struct writing *writing, struct error *error)
{
    struct buffer text;
    struct manifest manifest;
    buffer_init(&text, LIMIT_MANIFEST_BYTES);
    int code = manifest_write(writing->content, writing->number, writing->created_us, writing->sums,
                              writing->n_sums, &text, error);
    /* What cannot be read back must not be registered. */
    if (!code)
        code = manifest_parse(text.data, text.size, MANIFEST_FILE, &manifest, error);
    if (!code) {
        manifest_done(&manifest);
        file_sha256_bytes(text.data, text.size, writing->manifest_sha256);
        code = write_file(writing, MANIFEST_FILE, text.data, text.size, error);
    }
    buffer_done(&text);
    return code;
}

static int write_files(struct writing *writing, struct error *error)
{
    const struct version_content *content = writing->content;
    const char *sql = plan_sql(content->plan);
    file_guard(writing->staging);
    int code = file_make_directory(writing->staging, error);
    if (!code)
        code =
            add_file(writing, content->model_format->file, content->model_data, content->model_size, error);
    if (!code)
        code = add_file(writing, "features.sql", sql, strlen(sql), error);
    if (!code && content->rules_sql)
        code = add_file(writing, "rules.sql", content->rules_sql, strlen(content->rules_sql), error);
    if (!code)
        code = write_mlflow(writing, error);
    if (!code)
        code = write_manifest(writing, error);
    if (!code)
        code = file_sync_directory(writing->staging, error);
    return code;
}

static int choose_number(struct writing *writing, struct error *error)
{
    const char *name = writing->content->name;
    int64_t last = 0;
    int code = store_integer(writing->registry, 0, &last, error,
                             "SELECT last_number FROM models WHERE name = ?1", "t", name);
    if (code)
        return code;
    const char *directory = writing->registry->directory;
    struct stat status;
    int size;
    do {
        last++;
        size = snprintf(writing->final, PATH_SIZE, "%s/%s/%lld", directory, name, (long long)last);
    } while (size < PATH_SIZE && !lstat(writing->final, &status));
    /* The longest path that follows is the staging file of a file in the staging directory. */
    if (size >= PATH_SIZE - 128 || last > INT32_MAX)
        return error_set(error, CODE_LIMIT, "the path %s is too long", directory);
    writing->number = (int)last;
    (void)snprintf(writing->parent, PATH_SIZE, "%s/%s", directory, name);
    (void)snprintf(writing->staging, PATH_SIZE, "%s/%s/.%d.partial", directory, name, writing->number);
    return OK;
}

static int enter(const struct writing *writing, struct error *error)
{
    struct registry *registry = writing->registry;
    const char *name = writing->content->name;
    int64_t number = writing->number;
    int code = store_run(registry, error,
                         "INSERT INTO models VALUES (?1, ?2) ON CONFLICT (name) "
                         "DO UPDATE SET last_number = ?2",
                         "ti", name, number);
    if (!code)
        code = store_run(registry, error,
                         "INSERT INTO versions (name, number, created_us, "
                         "manifest_sha256) VALUES (?1, ?2, ?3, ?4)",
                         "tiit", name, number, writing->created_us, writing->manifest_sha256);
    return code;
}

static void forget_guards(const struct writing *writing)
{
    char path[PATH_SIZE];
    for (int i = 0; i < writing->n_sums; i++)
        if (snprintf(path, sizeof path, "%s/%s", writing->staging, writing->sums[i].name) < (int)sizeof path)
            file_forget(path);
    if (snprintf(path, sizeof path, "%s/" MANIFEST_FILE, writing->staging) < (int)sizeof path)
        file_forget(path);
    file_forget(writing->staging);
}

static int write_version(struct writing *writing, struct error *error)
{
    int code = choose_number(writing, error);
    if (code)
        return code;
    tree_remove_partial(writing->parent);
    code = write_files(writing, error);
    if (!code && rename(writing->staging, writing->final))
        code = error_set_errno(error, errno, "cannot rename %s to %s", writing->staging, writing->final);
    if (code)
        (void)tree_remove(writing->staging, NULL);
    forget_guards(writing);
    if (code)
        return code;
    code = file_sync_directory(writing->parent, error);
    if (!code)
        code = file_sync_directory(writing->registry->directory, error);
    if (!code)
        code = enter(writing, error);
    if (code)
        (void)tree_remove(writing->final, NULL);
    return code;
}

int registry_add(struct registry *registry, const struct version_content *content, char *ret_directory,
                 size_t ret_directory_size, int *ret_number, struct error *error)
{
    struct writing writing = {.registry = registry, .content = content, .created_us = clock_wall_us()};
    int code = name_check("model", content->name, error);
    if (!code)
        code = store_begin(registry, error);
    if (code)
        return code;
    code = write_version(&writing, error);
    if (code) {
        store_rollback(registry);
        return code;
    }
    if (strlen(writing.final) >= ret_directory_size)
        code = error_set(error, CODE_LIMIT, "the path %s is too long", writing.final);
    if (code)
        store_rollback(registry);
    else
        code = store_commit(registry, error);
    if (code) {
        (void)tree_remove(writing.final, NULL);
        return code;
    }
    memcpy(ret_directory, writing.final, strlen(writing.final) + 1);
    *ret_number = writing.number;
    return OK;
}
