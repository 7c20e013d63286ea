/*
 * Opening a version. Each file is read once, and what is used are the very
 * bytes whose checksum was compared.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "registry/manifest.h"
#include "registry/match.h"
#include "registry/registry.h"
#include "score/engine.h"

/* Reads a file of the version and compares its sum. */
static int read_part(const struct manifest *manifest, const char *directory, const char *name, size_t maximum,
                     char **ret, size_t *ret_size, struct error *error)
{
    char path[PATH_MAX], *data;
    size_t size;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return error_set(error, CODE_LIMIT, "the path of %s is too long", name);
    int code = file_read(path, maximum, &data, &size, error);
    if (code)
        return code;
    code = manifest_check_bytes(manifest_find_file(manifest, name), directory, data, size, error);
    if (code) {
        free(data);
        return code;
    }
    *ret = data;
    *ret_size = size;
    return OK;
}

static int open_plan(struct version *version, const struct manifest *manifest, struct error *error)
{
    char *sql, place[PATH_MAX];
    size_t size;
    int code = read_part(manifest, version->directory, manifest->plan_file, LIMIT_SQL, &sql, &size, error);
    if (code)
        return code;
    (void)snprintf(place, sizeof place, "%s/%s", version->directory, manifest->plan_file);
    code = plan_compile(sql, size, place, &version->plan, error);
    free(sql);
    if (!code && strcmp(plan_hash(version->plan), manifest->plan_sha256)) {
        code = error_set(error, CODE_CORRUPT, "key plan.sha256: the manifest has %s, the plan itself %s",
                         manifest->plan_sha256, plan_hash(version->plan));
        error_at(error, place, 0, 0);
    }
    return code;
}

static int open_model(struct version *version, const struct manifest *manifest, struct error *error)
{
    char *data;
    size_t size;
    int code =
        read_part(manifest, version->directory, manifest->model_file, LIMIT_MODEL_BYTES, &data, &size, error);
    if (code)
        return code;
    code = match_read(data, size, manifest->positive_class, plan_features(version->plan), &version->model,
                      error);
    free(data);
    if (code)
        error_prefix(error, "%s/%s", version->directory, manifest->model_file);
    return code;
}

static int open_rules(struct version *version, const struct manifest *manifest, struct error *error)
{
    if (!manifest->rules_file)
        return OK;
    char *sql, place[PATH_MAX];
    size_t size;
    int code = read_part(manifest, version->directory, manifest->rules_file, LIMIT_SQL, &sql, &size, error);
    if (code)
        return code;
    (void)snprintf(place, sizeof place, "%s/%s", version->directory, manifest->rules_file);
    code = rules_compile(sql, size, place, version->plan, &version->rules, error);
    free(sql);
    return code;
}

/* Files that scoring does not use are part of the version too: damage to one is damage to it. */
static int check_rest(const struct version *version, const struct manifest *manifest, struct error *error)
{
    for (int i = 0; i < manifest->n_files; i++) {
        const struct manifest_file *file = &manifest->files[i];
        if (!strcmp(file->name, manifest->model_file) || !strcmp(file->name, manifest->plan_file) ||
            (manifest->rules_file && !strcmp(file->name, manifest->rules_file)))
            continue;
        int code = manifest_check_file(file, version->directory, error);
        if (code)
            return code;
    }
    return OK;
}

/* The same plan text may give other columns with another release; the model would then be fed wrongly. */
static int check_columns(const struct schema *schema, const struct manifest *manifest, struct error *error)
{
    if (schema->n != manifest->n_features)
        return error_set(error, CODE_INVALID, "the plan gives %d features, the manifest has %d", schema->n,
                         manifest->n_features);
    size_t room = LIMIT_SQL + 64;
    char *type = malloc(room);
    if (!type)
        return error_set(error, CODE_MEMORY, "no memory to open a version");
    int code = OK;
    for (int i = 0; i < schema->n && !code; i++) {
        type_text(&schema->fields[i].type, type, room);
        if (strcmp(schema->fields[i].name, manifest->features[i].name) ||
            strcmp(type, manifest->features[i].type))
            code = error_set(
                error, CODE_INVALID, "key features[%d]: the manifest has %s %.200s, the plan %s %.200s", i,
                manifest->features[i].name, manifest->features[i].type, schema->fields[i].name, type);
    }
    free(type);
    return code;
}

static int fill_version(struct version *version, const struct manifest *manifest, struct place *place,
                        struct error *error)
{
    version->name = memory_text(manifest->name, strlen(manifest->name));
    if (!version->name)
        return error_set(error, CODE_MEMORY, "no memory to open a version");
    version->number = manifest->number;
    version->threshold = manifest->threshold;
    version->directory = place->directory;
    place->directory = NULL;
    int code = open_plan(version, manifest, error);
    if (!code)
        code = open_model(version, manifest, error);
    if (!code)
        code = open_rules(version, manifest, error);
    if (!code)
        code = check_rest(version, manifest, error);
    if (code)
        return code;
    code = check_columns(plan_features(version->plan), manifest, error);
    if (!code)
        code = reasons_new(manifest->reasons, manifest->n_reasons, plan_features(version->plan),
                           &version->reasons, error);
    if (!code)
        code = engine_check_features(version->plan, version->model, error);
    if (code)
        error_prefix(error, "%s", version->directory);
    return code;
}

int version_open(const char *model, const char *registry_directory, struct version *ret, struct error *error)
{
    struct place place;
    struct manifest manifest;
    struct version version = {0};
    int code = place_find(model, registry_directory, &place, error);
    if (code)
        return code;
    code = manifest_read(&place, &version.manifest, &manifest, error);
    if (!code) {
        code = fill_version(&version, &manifest, &place, error);
        manifest_done(&manifest);
    }
    place_done(&place);
    if (code)
        version_done(&version);
    else
        *ret = version;
    return code;
}

void version_done(struct version *version)
{
    free(version->directory);
    free(version->name);
    free(version->manifest);
    reasons_free(version->reasons);
    rules_unref(version->rules);
    model_unref(version->model);
    plan_unref(version->plan);
    *version = (struct version){0};
}
