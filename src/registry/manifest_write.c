#include "registry/manifest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>
#include <yyjson.h>

#include "base/limits.h"
#include "base/units.h"
#include "table/duck.h"

static void put_roles(yyjson_mut_doc *document, yyjson_mut_val *column, unsigned roles)
{
    static const char *const names[] = {"id", "time", "late", "label", "secret"};
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, column, "roles");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (roles >> i & 1)
            yyjson_mut_arr_add_str(document, list, names[i]);
}

static bool put_columns(yyjson_mut_doc *document, yyjson_mut_val *root, const char *key,
                        const struct schema *schema, bool with_roles)
{
    /* An ENUM's type is as long as its values, which the text of a plan bounds. */
    size_t room = LIMIT_SQL + 64;
    char *type = malloc(room);
    if (!type)
        return false;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, key);
    for (int i = 0; i < schema->n; i++) {
        yyjson_mut_val *column = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_strcpy(document, column, "name", schema->fields[i].name);
        yyjson_mut_obj_add_strcpy(document, column, "type", type_text(&schema->fields[i].type, type, room));
        if (with_roles)
            put_roles(document, column, schema->fields[i].roles);
    }
    free(type);
    return true;
}

/* A fragment that its maker wrote wrongly is a fault of the program, but one that should not cost the
 * training. */
static int put_fragment(yyjson_mut_doc *document, yyjson_mut_val *root, const char *key, const char *json,
                        struct error *error)
{
    if (!json) {
        yyjson_mut_obj_add_obj(document, root, key);
        return OK;
    }
    yyjson_doc *fragment = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    if (!fragment || !yyjson_is_obj(yyjson_doc_get_root(fragment))) {
        yyjson_doc_free(fragment);
        return error_set(error, CODE_INTERNAL, "the manifest's %s is not a JSON object", key);
    }
    yyjson_mut_val *copy = yyjson_val_mut_copy(document, yyjson_doc_get_root(fragment));
    yyjson_doc_free(fragment);
    if (!copy)
        return error_set(error, CODE_MEMORY, "no memory for the manifest");
    yyjson_mut_obj_add_val(document, root, key, copy);
    return OK;
}

static void put_label(yyjson_mut_doc *document, yyjson_mut_val *root, const struct plan *plan)
{
    int label = plan_label_column(plan);
    if (label < 0) {
        yyjson_mut_obj_add_null(document, root, "label");
        return;
    }
    char after[UNITS_TEXT_SIZE];
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(document, root, "label");
    yyjson_mut_obj_add_strcpy(document, object, "column", plan_events(plan)->fields[label].name);
    yyjson_mut_obj_add_strcpy(document, object, "after", plan_label_after_text(plan, after));
}

static void put_head(yyjson_mut_doc *document, yyjson_mut_val *root, const struct version_content *content,
                     int number, int64_t created_us)
{
    char created[UNITS_TEXT_SIZE];
    units_time_text(created_us, created);
    yyjson_mut_obj_add_str(document, root, "format", "shrike-model");
    yyjson_mut_obj_add_int(document, root, "format_version", MANIFEST_FORMAT_VERSION);
    yyjson_mut_obj_add_strcpy(document, root, "name", content->name);
    yyjson_mut_obj_add_int(document, root, "version", number);
    yyjson_mut_obj_add_strcpy(document, root, "created", created);

    yyjson_mut_val *model = yyjson_mut_obj_add_obj(document, root, "model");
    yyjson_mut_obj_add_str(document, model, "file", content->model_format->file);
    yyjson_mut_obj_add_str(document, model, "flavor", content->model_format->flavor);
    yyjson_mut_obj_add_strcpy(document, model, "library_version", content->library_version);
    if (content->positive_class != NO_CLASS)
        yyjson_mut_obj_add_int(document, model, "positive_class", content->positive_class);

    yyjson_mut_val *plan = yyjson_mut_obj_add_obj(document, root, "plan");
    yyjson_mut_obj_add_str(document, plan, "file", "features.sql");
    yyjson_mut_obj_add_strcpy(document, plan, "sha256", plan_hash(content->plan));
    yyjson_mut_obj_add_strcpy(document, plan, "table", plan_table_name(content->plan));
    if (content->rules_sql) {
        yyjson_mut_val *rules = yyjson_mut_obj_add_obj(document, root, "rules");
        yyjson_mut_obj_add_str(document, rules, "file", "rules.sql");
    } else {
        yyjson_mut_obj_add_null(document, root, "rules");
    }
    put_label(document, root, content->plan);
}

static void put_tail(yyjson_mut_doc *document, yyjson_mut_val *root, const struct version_content *content,
                     const struct manifest_sum *sums, int n_sums)
{
    if (isfinite(content->threshold))
        yyjson_mut_obj_add_real(document, root, "threshold", content->threshold);
    else
        yyjson_mut_obj_add_null(document, root, "threshold");

    yyjson_mut_val *libraries = yyjson_mut_obj_add_obj(document, root, "libraries");
    yyjson_mut_obj_add_str(document, libraries, "shrike", SHRIKE_VERSION);
    yyjson_mut_obj_add_str(document, libraries, "duckdb", SHRIKE_DUCKDB_VERSION);
    yyjson_mut_obj_add_str(document, libraries, "sqlite", sqlite3_libversion());
    yyjson_mut_obj_add_str(document, libraries, "yyjson", YYJSON_VERSION_STRING);

    yyjson_mut_val *files = yyjson_mut_obj_add_obj(document, root, "files");
    for (int i = 0; i < n_sums; i++) {
        yyjson_mut_val *file = yyjson_mut_obj(document);
        yyjson_mut_obj_add(files, yyjson_mut_strcpy(document, sums[i].name), file);
        yyjson_mut_obj_add_int(document, file, "bytes", sums[i].bytes);
        yyjson_mut_obj_add_strcpy(document, file, "sha256", sums[i].sha256);
    }
}

int manifest_write(const struct version_content *content, int number, int64_t created_us,
                   const struct manifest_sum *sums, int n_sums, struct buffer *ret, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    if (!document)
        return error_set(error, CODE_MEMORY, "no memory for the manifest");
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    put_head(document, root, content, number, created_us);
    char *text = NULL;
    int code = OK;
    if (!put_columns(document, root, "events", plan_events(content->plan), true) ||
        !put_columns(document, root, "features", plan_features(content->plan), false))
        code = error_set(error, CODE_MEMORY, "no memory for the manifest");
    if (!code)
        code = put_fragment(document, root, "training", content->training_json, error);
    if (!code)
        code = put_fragment(document, root, "metrics", content->metrics_json, error);
    if (!code)
        code = put_fragment(document, root, "profile", content->profile_json, error);
    if (!code)
        code = put_fragment(document, root, "reasons", content->reasons_json, error);
    if (!code) {
        put_tail(document, root, content, sums, n_sums);
        size_t size;
        text = yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, &size);
        if (!text)
            code = error_set(error, CODE_MEMORY, "no memory for the manifest");
    }
    if (!code) {
        buffer_text(ret, text);
        buffer_text(ret, "\n");
        code = buffer_check(ret, MANIFEST_FILE, error);
    }
    free(text);
    yyjson_mut_doc_free(document);
    return code;
}
