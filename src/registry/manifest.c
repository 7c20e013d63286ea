#include "registry/manifest.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "base/limits.h"

/* What a reading function needs to say where it stands: the path of the object it looks into. */
struct cursor {
    struct manifest *manifest;
    struct error *error;
    char path[2 * LIMIT_NAME];
};

static const struct {
    const char *name;
    unsigned bit;
} role_names[] = {
    {"id", ROLE_ID}, {"time", ROLE_TIME}, {"late", ROLE_LATE}, {"label", ROLE_LABEL}, {"secret", ROLE_SECRET},
};
enum { ROLES = sizeof role_names / sizeof *role_names };

static int wrong(struct cursor *cursor, const char *key, const char *expected, yyjson_val *found)
{
    return error_set(cursor->error, CODE_INVALID, "key %s%s%s: expected %s, found %s", cursor->path,
                     cursor->path[0] && key[0] ? "." : "", key, expected,
                     found ? yyjson_get_type_desc(found) : "nothing");
}

static int take_text(struct cursor *cursor, yyjson_val *value, const char *key, const char **ret)
{
    const char *text = yyjson_get_str(value);
    if (!text)
        return wrong(cursor, key, "a string", value);
    size_t size = yyjson_get_len(value);
    if (memchr(text, 0, size))
        return wrong(cursor, key, "a string without a zero byte", value);
    char *copy = arena_text(&cursor->manifest->arena, text, size);
    if (!copy)
        return error_set(cursor->error, CODE_MEMORY, "no memory for the manifest");
    *ret = copy;
    return OK;
}

static int text_of(struct cursor *cursor, yyjson_val *object, const char *key, const char **ret)
{
    return take_text(cursor, yyjson_obj_get(object, key), key, ret);
}

static int integer_of(struct cursor *cursor, yyjson_val *object, const char *key, int64_t maximum,
                      int64_t *ret)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) > (uint64_t)maximum) {
        char expected[64];
        snprintf(expected, sizeof expected, "an integer from 0 to %lld", (long long)maximum);
        return wrong(cursor, key, expected, value);
    }
    *ret = (int64_t)yyjson_get_uint(value);
    return OK;
}

static int object_of(struct cursor *cursor, yyjson_val *object, const char *key, yyjson_val **ret)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_obj(value))
        return wrong(cursor, key, "an object", value);
    *ret = value;
    return OK;
}

/* A file of a version lies in its own directory: a path could lead anywhere. */
static bool is_plain_name(const char *name)
{
    return name[0] && name[0] != '.' && strlen(name) <= LIMIT_NAME && !strchr(name, '/');
}

static int file_name_of(struct cursor *cursor, yyjson_val *object, const char *key, const char **ret)
{
    const char *name;
    int code = text_of(cursor, object, key, &name);
    if (code)
        return code;
    if (!is_plain_name(name))
        return wrong(cursor, key, "a file's name without a path", yyjson_obj_get(object, key));
    *ret = name;
    return OK;
}

static int sum_of(struct cursor *cursor, yyjson_val *object, const char *key, const char **ret)
{
    const char *sum;
    int code = text_of(cursor, object, key, &sum);
    if (code)
        return code;
    if (strlen(sum) != FILE_SHA256_SIZE - 1 || strspn(sum, "0123456789abcdef") != FILE_SHA256_SIZE - 1)
        return wrong(cursor, key, "64 hexadecimal digits", yyjson_obj_get(object, key));
    *ret = sum;
    return OK;
}

static int take_roles(struct cursor *cursor, yyjson_val *column, unsigned *ret)
{
    yyjson_val *roles = yyjson_obj_get(column, "roles"), *role;
    if (!roles)
        return OK;
    if (!yyjson_is_arr(roles))
        return wrong(cursor, "roles", "a list of strings", roles);
    size_t i, n;
    unsigned bits = 0;
    yyjson_arr_foreach(roles, i, n, role)
    {
        size_t known = 0;
        while (known < ROLES && !yyjson_equals_str(role, role_names[known].name))
            known++;
        if (known == ROLES)
            return wrong(cursor, "roles", "id, time, late, label or secret", role);
        bits |= role_names[known].bit;
    }
    *ret = bits;
    return OK;
}

static int take_columns(struct cursor *cursor, yyjson_val *root, const char *key,
                        struct manifest_column **ret, int *ret_n)
{
    cursor->path[0] = 0;
    yyjson_val *list = yyjson_obj_get(root, key), *column;
    if (!yyjson_is_arr(list) || !yyjson_arr_size(list))
        return wrong(cursor, key, "a list with at least one column", list);
    if (yyjson_arr_size(list) > LIMIT_COLUMNS)
        return error_set(cursor->error, CODE_LIMIT, "key %s: %zu columns, the limit is %d", key,
                         yyjson_arr_size(list), LIMIT_COLUMNS);
    struct manifest_column *columns =
        arena_new(&cursor->manifest->arena, yyjson_arr_size(list), sizeof *columns);
    if (!columns)
        return error_set(cursor->error, CODE_MEMORY, "no memory for the manifest");
    size_t i, n;
    yyjson_arr_foreach(list, i, n, column)
    {
        snprintf(cursor->path, sizeof cursor->path, "%s[%zu]", key, i);
        if (!yyjson_is_obj(column))
            return wrong(cursor, "", "an object", column);
        int code = text_of(cursor, column, "name", &columns[i].name);
        if (!code)
            code = text_of(cursor, column, "type", &columns[i].type);
        if (!code)
            code = take_roles(cursor, column, &columns[i].roles);
        if (code)
            return code;
    }
    cursor->path[0] = 0;
    *ret = columns;
    *ret_n = (int)n;
    return OK;
}

static int take_files(struct cursor *cursor, yyjson_val *root)
{
    struct manifest *manifest = cursor->manifest;
    yyjson_val *files, *key, *file;
    int code = object_of(cursor, root, "files", &files);
    if (code)
        return code;
    if (yyjson_obj_size(files) > LIMIT_VERSION_FILES)
        return error_set(cursor->error, CODE_LIMIT, "key files: %zu files, the limit is %d",
                         yyjson_obj_size(files), LIMIT_VERSION_FILES);
    manifest->files = arena_new(&manifest->arena, yyjson_obj_size(files), sizeof *manifest->files);
    if (!manifest->files)
        return error_set(cursor->error, CODE_MEMORY, "no memory for the manifest");
    size_t i, n;
    yyjson_obj_foreach(files, i, n, key, file)
    {
        struct manifest_file *entry = &manifest->files[i];
        snprintf(cursor->path, sizeof cursor->path, "files");
        code = take_text(cursor, key, "", &entry->name);
        if (code)
            return code;
        if (!is_plain_name(entry->name) || !strcmp(entry->name, MANIFEST_FILE))
            return error_set(cursor->error, CODE_INVALID,
                             "key files: '%.100s' is not the name of a version's file", entry->name);
        if (manifest_find_file(manifest, entry->name))
            return error_set(cursor->error, CODE_INVALID, "key files: '%s' is given twice", entry->name);
        snprintf(cursor->path, sizeof cursor->path, "files.%s", entry->name);
        if (!yyjson_is_obj(file))
            return wrong(cursor, "", "an object", file);
        code = integer_of(cursor, file, "bytes", INT64_MAX, &entry->bytes);
        if (!code)
            code = sum_of(cursor, file, "sha256", &entry->sha256);
        if (code)
            return code;
        manifest->n_files++;
    }
    cursor->path[0] = 0;
    return OK;
}

/* A file that is used must have a sum, or damage to it would go unseen. */
static int check_entered(struct cursor *cursor, const char *key, const char *file)
{
    if (!manifest_find_file(cursor->manifest, file))
        return error_set(cursor->error, CODE_INVALID, "key %s: '%s' has no checksum under files", key, file);
    return OK;
}

static int take_parts(struct cursor *cursor, yyjson_val *root)
{
    struct manifest *manifest = cursor->manifest;
    yyjson_val *model, *plan, *rules = yyjson_obj_get(root, "rules");
    int64_t class = NO_CLASS;
    int code = object_of(cursor, root, "model", &model);
    if (!code)
        code = object_of(cursor, root, "plan", &plan);
    if (code)
        return code;
    snprintf(cursor->path, sizeof cursor->path, "model");
    code = file_name_of(cursor, model, "file", &manifest->model_file);
    if (!code)
        code = text_of(cursor, model, "flavor", &manifest->model_flavor);
    if (!code)
        code = text_of(cursor, model, "library_version", &manifest->model_library_version);
    if (!code && yyjson_obj_get(model, "positive_class"))
        code = integer_of(cursor, model, "positive_class", LIMIT_MODEL_OUTPUTS - 1, &class);
    if (code)
        return code;
    manifest->positive_class = (int)class;
    snprintf(cursor->path, sizeof cursor->path, "plan");
    code = file_name_of(cursor, plan, "file", &manifest->plan_file);
    if (!code)
        code = sum_of(cursor, plan, "sha256", &manifest->plan_sha256);
    if (!code)
        code = text_of(cursor, plan, "table", &manifest->plan_table);
    if (code)
        return code;
    if (rules && !yyjson_is_null(rules)) {
        cursor->path[0] = 0;
        if (!yyjson_is_obj(rules))
            return wrong(cursor, "rules", "an object or null", rules);
        snprintf(cursor->path, sizeof cursor->path, "rules");
        code = file_name_of(cursor, rules, "file", &manifest->rules_file);
    }
    cursor->path[0] = 0;
    return code;
}

/* Versions from before there were reasons have none. Which features there are, the plan knows. */
static int take_reasons(struct cursor *cursor, yyjson_val *root)
{
    struct manifest *manifest = cursor->manifest;
    yyjson_val *reasons = yyjson_obj_get(root, "reasons"), *key, *text;
    if (!reasons)
        return OK;
    if (!yyjson_is_obj(reasons))
        return wrong(cursor, "reasons", "an object", reasons);
    if (yyjson_obj_size(reasons) > LIMIT_COLUMNS)
        return error_set(cursor->error, CODE_LIMIT, "key reasons: %zu texts, the limit is %d",
                         yyjson_obj_size(reasons), LIMIT_COLUMNS);
    manifest->reasons = arena_new(&manifest->arena, yyjson_obj_size(reasons), sizeof *manifest->reasons);
    if (!manifest->reasons)
        return error_set(cursor->error, CODE_MEMORY, "no memory for the manifest");
    size_t i, n;
    snprintf(cursor->path, sizeof cursor->path, "reasons");
    yyjson_obj_foreach(reasons, i, n, key, text)
    {
        struct reason_text *reason = &manifest->reasons[manifest->n_reasons++];
        int code = take_text(cursor, key, "", &reason->feature);
        if (!code)
            code = take_text(cursor, text, reason->feature, &reason->text);
        if (code)
            return code;
    }
    cursor->path[0] = 0;
    return OK;
}

static int take_threshold(struct cursor *cursor, yyjson_val *root)
{
    yyjson_val *threshold = yyjson_obj_get(root, "threshold");
    cursor->manifest->threshold = NAN;
    if (!threshold || yyjson_is_null(threshold))
        return OK;
    double value = yyjson_is_num(threshold) ? yyjson_get_num(threshold) : NAN;
    if (!(value >= 0 && value <= 1))
        return wrong(cursor, "threshold", "a number from 0 to 1, or null", threshold);
    cursor->manifest->threshold = value;
    return OK;
}

static int take_format(struct cursor *cursor, yyjson_val *root)
{
    int64_t version;
    if (!yyjson_is_obj(root))
        return error_set(cursor->error, CODE_INVALID, "expected a JSON object, found %s",
                         yyjson_get_type_desc(root));
    if (!yyjson_equals_str(yyjson_obj_get(root, "format"), "shrike-model"))
        return wrong(cursor, "format", "\"shrike-model\"", yyjson_obj_get(root, "format"));
    int code = integer_of(cursor, root, "format_version", INT32_MAX, &version);
    if (!code && version != MANIFEST_FORMAT_VERSION)
        code = error_set(cursor->error, CODE_UNSUPPORTED,
                         "key format_version: %lld, this release of Shrike reads %d", (long long)version,
                         MANIFEST_FORMAT_VERSION);
    return code;
}

static int take_manifest(struct cursor *cursor, yyjson_val *root)
{
    struct manifest *manifest = cursor->manifest;
    int64_t number = 0;
    int code = take_format(cursor, root);
    if (!code)
        code = text_of(cursor, root, "name", &manifest->name);
    if (!code)
        code = integer_of(cursor, root, "version", INT32_MAX, &number);
    if (!code)
        code = text_of(cursor, root, "created", &manifest->created);
    if (!code)
        code = take_parts(cursor, root);
    if (!code)
        code = take_columns(cursor, root, "events", &manifest->events, &manifest->n_events);
    if (!code)
        code = take_columns(cursor, root, "features", &manifest->features, &manifest->n_features);
    if (!code)
        code = take_threshold(cursor, root);
    if (!code)
        code = take_reasons(cursor, root);
    if (!code)
        code = take_files(cursor, root);
    if (!code)
        code = check_entered(cursor, "model.file", manifest->model_file);
    if (!code)
        code = check_entered(cursor, "plan.file", manifest->plan_file);
    if (!code && manifest->rules_file)
        code = check_entered(cursor, "rules.file", manifest->rules_file);
    manifest->number = (int)number;
    return code;
}

int manifest_parse(const char *data, size_t size, const char *place, struct manifest *ret,
                   struct error *error)
{
    if (size > LIMIT_MANIFEST_BYTES) {
        int code = error_set(error, CODE_LIMIT, "%zu bytes, the limit is %d", size, LIMIT_MANIFEST_BYTES);
        error_at(error, place, 0, 0);
        return code;
    }
    yyjson_read_err problem;
    /* The library takes a non-const pointer for its in-place mode, which is not asked for. */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)data, size, YYJSON_READ_NOFLAG, NULL, &problem);
    if (!document) {
        size_t line = 0, column = 0, character = 0;
        yyjson_locate_pos(data, size, problem.pos, &line, &column, &character);
        int code = error_set(error, CODE_CORRUPT, "not a whole JSON document: %s", problem.msg);
        error_at(error, place, (int64_t)line, (int64_t)column);
        return code;
    }
    struct manifest manifest = {0};
    struct cursor cursor = {.manifest = &manifest, .error = error};
    int code = take_manifest(&cursor, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    if (code) {
        error_at(error, place, 0, 0);
        manifest_done(&manifest);
        return code;
    }
    *ret = manifest;
    return OK;
}

void manifest_done(struct manifest *manifest)
{
    arena_done(&manifest->arena);
    *manifest = (struct manifest){0};
}

const struct manifest_file *manifest_find_file(const struct manifest *manifest, const char *name)
{
    for (int i = 0; i < manifest->n_files; i++)
        if (!strcmp(manifest->files[i].name, name))
            return &manifest->files[i];
    return NULL;
}

static int damaged(const struct manifest_file *file, const char *directory, const char *found,
                   struct error *error)
{
    return error_set(error, CODE_CORRUPT,
                     "%s/%s is not the file that was registered: expected SHA-256 %s, found %s", directory,
                     file->name, file->sha256, found);
}

int manifest_check_bytes(const struct manifest_file *file, const char *directory, const void *data,
                         size_t size, struct error *error)
{
    char found[FILE_SHA256_SIZE];
    file_sha256_bytes(data, size, found);
    return strcmp(found, file->sha256) ? damaged(file, directory, found, error) : OK;
}

int manifest_check_file(const struct manifest_file *file, const char *directory, struct error *error)
{
    char found[FILE_SHA256_SIZE], path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, file->name) >= (int)sizeof path)
        return error_set(error, CODE_LIMIT, "the path of %s is too long", file->name);
    int code = file_sha256(path, found, error);
    if (!code && strcmp(found, file->sha256))
        code = damaged(file, directory, found, error);
    return code;
}

int manifest_read(const struct place *place, char **ret_text, struct manifest *ret, struct error *error)
{
    char path[PATH_MAX], found[FILE_SHA256_SIZE], *text;
    size_t size;
    if (snprintf(path, sizeof path, "%s/" MANIFEST_FILE, place->directory) >= (int)sizeof path)
        return error_set(error, CODE_LIMIT, "the path %s is too long", place->directory);
    int code = file_read(path, LIMIT_MANIFEST_BYTES, &text, &size, error);
    if (code)
        return code;
    file_sha256_bytes(text, size, found);
    if (place->manifest_sha256[0] && strcmp(found, place->manifest_sha256))
        code = error_set(error, CODE_CORRUPT,
                         "%s is not the file that was registered: expected SHA-256 %s, found %s", path,
                         place->manifest_sha256, found);
    else
        code = manifest_parse(text, size, path, ret, error);
    if (!code && ret_text)
        *ret_text = text;
    else
        free(text);
    return code;
}
