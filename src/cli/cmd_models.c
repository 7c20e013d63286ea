/* shrike models list | show | alias | stage | rm */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/limits.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "model/model.h"
#include "registry/manifest.h"
#include "registry/registry.h"

#define REGISTRY_OPTION                                                                   \
    {                                                                                     \
        .name = "registry", .kind = OPTION_TEXT, .argument = "DIR", .fallback = "models", \
        .text = "Directory of the registry."                                              \
    }
#define JSON_OPTION                                                \
    {                                                              \
        .name = "json", .kind = OPTION_FLAG, .text = "Print JSON." \
    }

static int read_number(const char *text, int *ret, struct error *error)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || number < 1 || number > INT32_MAX)
        return error_set(error, CODE_USAGE, "VERSION '%s': expected a number from 1 on", text);
    *ret = (int)number;
    return OK;
}

static int print_json(yyjson_mut_doc *document, struct error *error)
{
    char *text = yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory to print the answer");
    puts(text);
    free(text);
    return OK;
}

/* ---- list ---- */

static void put_aliases(yyjson_mut_doc *document, yyjson_mut_val *object, const char *aliases)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "aliases");
    while (*aliases) {
        size_t n = strcspn(aliases, ",");
        yyjson_mut_arr_add_strncpy(document, list, aliases, n);
        aliases += n;
        aliases += strspn(aliases, ", ");
    }
}

static int list_json(const struct registry_listing *listing, const char *directory, struct error *error)
{
    char created[UNITS_TEXT_SIZE];
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "registry", directory);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "versions");
    for (int i = 0; i < listing->n; i++) {
        const struct registry_entry *entry = &listing->entries[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_str(document, object, "name", entry->name);
        yyjson_mut_obj_add_int(document, object, "version", entry->number);
        yyjson_mut_obj_add_str(document, object, "stage", entry->stage);
        put_aliases(document, object, entry->aliases);
        yyjson_mut_obj_add_strcpy(document, object, "created", units_time_text(entry->created_us, created));
        yyjson_mut_obj_add_str(document, object, "directory", entry->directory);
    }
    int code = print_json(document, error);
    yyjson_mut_doc_free(document);
    return code;
}

static void list_text(const struct registry_listing *listing, const char *directory)
{
    char created[UNITS_TEXT_SIZE];
    int name = 4, aliases = 7;
    for (int i = 0; i < listing->n; i++) {
        int n = (int)strlen(listing->entries[i].name), m = (int)strlen(listing->entries[i].aliases);
        name = n > name ? n : name;
        aliases = m > aliases ? m : aliases;
    }
    if (!listing->n) {
        printf("no versions in %s\n", directory);
        return;
    }
    printf("%-*s  version  %-10s  %-*s  created\n", name, "name", "stage", aliases, "aliases");
    for (int i = 0; i < listing->n; i++) {
        const struct registry_entry *entry = &listing->entries[i];
        /* Whole seconds do for reading. */
        printf("%-*s  %7d  %-10s  %-*s  %.19s\n", name, entry->name, entry->number, entry->stage, aliases,
               entry->aliases, units_time_text(entry->created_us, created));
    }
}

static int run_list(const struct arguments *arguments, struct error *error)
{
    struct registry *registry;
    struct registry_listing listing;
    const char *directory = argument_text(arguments, "registry");
    int code = registry_open(directory, false, &registry, error);
    if (code)
        return code;
    code = registry_list(registry, argument_positional(arguments, 0), &listing, error);
    registry_close(registry);
    if (code)
        return code;
    if (argument_flag(arguments, "json"))
        code = list_json(&listing, directory, error);
    else
        list_text(&listing, directory);
    registry_listing_done(&listing);
    return code;
}

/* ---- show ---- */

/* One line per scalar below a key of the manifest, "  a.b  value"; of what is long, its length: --json has
 * it. */
static void show_value(const char *path, yyjson_val *value, int depth)
{
    enum { SHORT_LIST = 8, SHORT_OBJECT = 16, DEEPEST = 8 };
    char below[2 * LIMIT_NAME];
    yyjson_val *key, *member;
    size_t i, n;
    if ((depth && yyjson_obj_size(value) > SHORT_OBJECT) || yyjson_arr_size(value) > SHORT_LIST) {
        printf("  %-30s %zu values\n", path, yyjson_obj_size(value) + yyjson_arr_size(value));
        return;
    }
    if (yyjson_is_obj(value) && depth < DEEPEST) {
        yyjson_obj_foreach(value, i, n, key, member)
        {
            (void)snprintf(below, sizeof below, "%s%s%s", path, path[0] ? "." : "", yyjson_get_str(key));
            show_value(below, member, depth + 1);
        }
        return;
    }
    char *text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, NULL);
    if (yyjson_is_str(value))
        printf("  %-30s %s\n", path, yyjson_get_str(value));
    else
        printf("  %-30s %s\n", path, text ? text : "");
    free(text);
}

static void show_section(yyjson_val *root, const char *key)
{
    yyjson_val *value = yyjson_obj_get(root, key);
    if (!yyjson_is_obj(value) || !yyjson_obj_size(value))
        return;
    printf("\n%s\n", key);
    show_value("", value, 0);
}

/* Where a feature of a model stands among others: its number and what it matters. */
struct ranked {
    int feature;
    struct importance importance;
};

static int by_gain(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    double x = a->importance.total_gain, y = b->importance.total_gain;
    return x != y ? (x < y) - (x > y) : (a->feature > b->feature) - (a->feature < b->feature);
}

/* Features that no split asks for are left out. */
static int show_importance(const struct manifest *manifest, const struct model *model, struct error *error)
{
    int n = model_features(model);
    struct importance *importance = memory_new((size_t)n, sizeof *importance);
    struct ranked *ranked = memory_new((size_t)n, sizeof *ranked);
    bool good = importance && ranked;
    if (good) {
        model_importance(model, importance);
        for (int f = 0; f < n; f++)
            ranked[f] = (struct ranked){f, importance[f]};
        qsort(ranked, (size_t)n, sizeof *ranked, by_gain);
        printf("\n%-30s  %12s %12s %8s %12s %12s\n", "importance", "gain", "cover", "weight", "total gain",
               "total cover");
        for (int i = 0; i < n && ranked[i].importance.weight > 0; i++) {
            const struct importance *of = &ranked[i].importance;
            const char *name = model_feature_name(model, ranked[i].feature);
            printf("  %-30s%12.6g %12.6g %8.6g %12.6g %12.6g\n",
                   name ? name : manifest->features[ranked[i].feature].name, of->gain, of->cover, of->weight,
                   of->total_gain, of->total_cover);
        }
    }
    free(importance);
    free(ranked);
    return good ? OK : error_set(error, CODE_MEMORY, "no memory to show a version");
}

static int load_model(const struct manifest *manifest, const struct place *place, struct model **ret,
                      struct error *error)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", place->directory, manifest->model_file);
    int code = model_load(path, ret, error);
    if (!code && model_features(*ret) != manifest->n_features) {
        code = error_set(error, CODE_INVALID, "the model takes %d features, the manifest has %d",
                         model_features(*ret), manifest->n_features);
        model_unref(*ret);
        *ret = NULL;
    }
    return code;
}

/* What scores the model on this machine. A model that cannot be loaded is shown as far as it can be. */
static void show_head(const struct manifest *manifest, const struct place *place, const struct model *model,
                      const struct error *why)
{
    printf("name        %s\n", manifest->name[0] ? manifest->name : "-");
    printf("version     %d\n", manifest->number);
    printf("created     %s\n", manifest->created);
    printf("directory   %s\n", place->directory);
    printf("model       %s (%s %s)\n", manifest->model_file, manifest->model_flavor,
           manifest->model_library_version);
    if (model)
        printf("kernel      %s: %s\n", model_kernel(model), model_kernel_why(model));
    else
        printf("kernel      none: %s\n", why->message);
    if (manifest->positive_class != NO_CLASS)
        printf("score       the probability of class %d\n", manifest->positive_class);
    printf("plan        %s, SHA-256 %s\n", manifest->plan_file, manifest->plan_sha256);
    printf("rules       %s\n", manifest->rules_file ? manifest->rules_file : "none");
    if (manifest->threshold == manifest->threshold)
        printf("threshold   %.9g\n", manifest->threshold);
    else
        printf("threshold   none\n");
    printf("events      %d columns of %s\n\nfeatures\n", manifest->n_events, manifest->plan_table);
    for (int i = 0; i < manifest->n_features; i++)
        printf("  %-30s %s\n", manifest->features[i].name, manifest->features[i].type);
}

/* Prints every file, the damaged ones too; the first damage is the error. */
static int show_files(const struct manifest *manifest, const struct place *place, struct error *error)
{
    int code = OK;
    printf("\nfiles\n");
    for (int i = 0; i < manifest->n_files; i++) {
        const struct manifest_file *file = &manifest->files[i];
        int result = manifest_check_file(file, place->directory, code ? NULL : error);
        printf("  %-30s %12lld bytes  %s\n", file->name, (long long)file->bytes,
               !result                    ? "checksum ok"
               : result == CODE_NOT_FOUND ? "MISSING"
               : result == CODE_CORRUPT   ? "DAMAGED"
                                          : "UNREADABLE");
        code = code ? code : result;
    }
    return code;
}

static int check_files(const struct manifest *manifest, const struct place *place, struct error *error)
{
    int code = OK;
    for (int i = 0; i < manifest->n_files && !code; i++)
        code = manifest_check_file(&manifest->files[i], place->directory, error);
    return code;
}

static int show_text(const struct manifest *manifest, const struct place *place, const char *text,
                     struct error *error)
{
    yyjson_doc *document = yyjson_read(text, strlen(text), YYJSON_READ_NOFLAG);
    if (!document)
        return error_set(error, CODE_MEMORY, "no memory to show a version");
    yyjson_val *root = yyjson_doc_get_root(document);
    struct model *model = NULL;
    struct error why = {0};
    int code = OK;
    (void)load_model(manifest, place, &model, &why);
    show_head(manifest, place, model, &why);
    if (model)
        code = show_importance(manifest, model, error);
    model_unref(model);
    show_section(root, "label");
    show_section(root, "reasons");
    show_section(root, "training");
    show_section(root, "metrics");
    show_section(root, "libraries");
    yyjson_doc_free(document);
    return code ? code : show_files(manifest, place, error);
}

static int run_show(const struct arguments *arguments, struct error *error)
{
    struct place place;
    struct manifest manifest;
    char *text;
    int code =
        place_find(argument_positional(arguments, 0), argument_text(arguments, "registry"), &place, error);
    if (code)
        return code;
    code = manifest_read(&place, &text, &manifest, error);
    if (!code) {
        if (argument_flag(arguments, "json")) {
            fputs(text, stdout);
            code = check_files(&manifest, &place, error);
        } else {
            code = show_text(&manifest, &place, text, error);
        }
        free(text);
        manifest_done(&manifest);
    }
    place_done(&place);
    return code;
}

/* ---- alias, stage, rm ---- */

enum change { CHANGE_ALIAS, CHANGE_NO_ALIAS, CHANGE_STAGE, CHANGE_REMOVE };

static int apply(struct registry *registry, enum change change, const struct arguments *arguments, int number,
                 struct error *error)
{
    const char *name = argument_positional(arguments, 0), *what = argument_positional(arguments, 2);
    switch (change) {
    case CHANGE_ALIAS:
        return registry_set_alias(registry, name, number, what, error);
    case CHANGE_NO_ALIAS:
        return registry_remove_alias(registry, name, number, what, error);
    case CHANGE_STAGE:
        return registry_set_stage(registry, name, number, what, error);
    default:
        return registry_remove(registry, name, number, argument_flag(arguments, "force"), error);
    }
}

/* Says what the name's versions are now, which is what one wants to see after a change. */
static int run_change(const struct arguments *arguments, enum change change, struct error *error)
{
    int number = 0;
    struct registry *registry;
    struct registry_listing listing;
    const char *directory = argument_text(arguments, "registry");
    int code = read_number(argument_positional(arguments, 1), &number, error);
    if (!code)
        code = registry_open(directory, false, &registry, error);
    if (code)
        return code;
    code = apply(registry, change, arguments, number, error);
    if (!code) {
        /* The last version may be gone, and with it the name. */
        code = registry_list(registry, argument_positional(arguments, 0), &listing, error);
        if (code == CODE_NOT_FOUND && change == CHANGE_REMOVE) {
            listing = (struct registry_listing){0};
            code = OK;
        }
        if (!code && argument_flag(arguments, "json"))
            code = list_json(&listing, directory, error);
        else if (!code)
            list_text(&listing, directory);
        if (!code)
            registry_listing_done(&listing);
    }
    registry_close(registry);
    return code;
}

static int run_alias(const struct arguments *arguments, struct error *error)
{
    return run_change(arguments, argument_flag(arguments, "remove") ? CHANGE_NO_ALIAS : CHANGE_ALIAS, error);
}

static int run_stage(const struct arguments *arguments, struct error *error)
{
    return run_change(arguments, CHANGE_STAGE, error);
}

static int run_rm(const struct arguments *arguments, struct error *error)
{
    return run_change(arguments, CHANGE_REMOVE, error);
}

static const struct option common_options[] = {REGISTRY_OPTION, JSON_OPTION, {0}};
static const struct option alias_options[] = {
    {.name = "remove", .kind = OPTION_FLAG, .text = "Take the alias away from the version."},
    REGISTRY_OPTION,
    JSON_OPTION,
    {0},
};
static const struct option rm_options[] = {
    {.name = "force",
     .kind = OPTION_FLAG,
     .text = "Even while an alias or the stage Production points at it."},
    REGISTRY_OPTION,
    JSON_OPTION,
    {0},
};

const struct command command_models_list = {
    .name = "models list",
    .summary = "List model versions with their stages and aliases.",
    .positionals = "[NAME]",
    .minimum = 0,
    .maximum = 1,
    .example = "shrike models list\nshrike models list fraud --json",
    .options = common_options,
    .run = run_list,
};

const struct command command_models_show = {
    .name = "models show",
    .summary = "Show what a model version is made of and check its files.",
    .positionals = "MODEL",
    .minimum = 1,
    .maximum = 1,
    .example = "shrike models show models:/fraud@champion\nshrike models show models:/fraud/latest --json",
    .options = common_options,
    .run = run_show,
};

const struct command command_models_alias = {
    .name = "models alias",
    .summary = "Point an alias at a model version, or remove it.",
    .positionals = "NAME VERSION ALIAS",
    .minimum = 3,
    .maximum = 3,
    .example = "shrike models alias fraud 3 champion\nshrike models alias fraud 3 champion --remove",
    .options = alias_options,
    .run = run_alias,
};

const struct command command_models_stage = {
    .name = "models stage",
    .summary = "Set the stage of a model version: None, Staging, Production or Archived.",
    .positionals = "NAME VERSION STAGE",
    .minimum = 3,
    .maximum = 3,
    .example = "shrike models stage fraud 3 Production",
    .options = common_options,
    .run = run_stage,
};

const struct command command_models_rm = {
    .name = "models rm",
    .summary = "Remove a model version that nothing points at.",
    .positionals = "NAME VERSION",
    .minimum = 2,
    .maximum = 2,
    .example = "shrike models rm fraud 1",
    .options = rm_options,
    .run = run_rm,
};
