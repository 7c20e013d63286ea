/* shrike models import: a model that another library trained becomes a version */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "cli/commands.h"
#include "cli/entry.h"
#include "registry/match.h"

struct import {
    struct entry entry;
    int positive_class;
    struct model *model;
    enum match match;
    char *data, *origin; /* origin: JSON, where the model came from */
    size_t size;
};

static void import_done(struct import *import)
{
    entry_done(&import->entry);
    model_unref(import->model);
    free(import->data);
    free(import->origin);
}

static const char *match_text(const struct import *import)
{
    return import->match == MATCH_BY_NAME ? "by name" : "by position";
}

static int read_model(const char *path, struct import *import, struct error *error)
{
    int code = file_read(path, LIMIT_MODEL_BYTES, &import->data, &import->size, error);
    if (code)
        return code;
    code = match_model(import->data, import->size, import->positive_class, import->entry.plan, &import->model,
                       &import->match, error);
    if (code)
        error_at(error, path, 0, 0);
    return code;
}

/* What stands in the manifest where a version that Shrike trained says how. */
static int make_origin(const char *path, struct import *import, struct error *error)
{
    char sha256[FILE_SHA256_SIZE];
    const char *slash = strrchr(path, '/');
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(document, root, "imported");
    file_sha256_bytes(import->data, import->size, sha256);
    yyjson_mut_obj_add_str(document, object, "file", slash ? slash + 1 : path);
    yyjson_mut_obj_add_str(document, object, "sha256", sha256);
    yyjson_mut_obj_add_str(document, object, "format", model_format(import->model)->name);
    yyjson_mut_obj_add_str(document, object, "features", match_text(import));
    import->origin = yyjson_mut_write(document, 0, NULL);
    yyjson_mut_doc_free(document);
    return import->origin ? OK : error_set(error, CODE_INVALID, "the file's name is not UTF-8");
}

static int enter(const struct arguments *arguments, struct import *import, struct error *error)
{
    const char *version = model_library_version(import->model);
    struct version_content content = {
        .model_data = import->data,
        .model_size = import->size,
        .model_format = model_format(import->model),
        .library_version = *version ? version : "unknown",
        .positive_class = import->positive_class,
        .threshold = argument_given(arguments, "threshold") ? argument_real(arguments, "threshold") : NAN,
        .training_json = import->origin,
    };
    return entry_add(arguments, &import->entry, &content, error);
}

static int print_json(const struct arguments *arguments, const struct import *import, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    entry_put_json(arguments, &import->entry, document, root);
    yyjson_mut_obj_add_str(document, root, "format", model_format(import->model)->name);
    yyjson_mut_obj_add_str(document, root, "library_version", model_library_version(import->model));
    yyjson_mut_obj_add_int(document, root, "features", model_features(import->model));
    yyjson_mut_obj_add_str(document, root, "matched", match_text(import));
    if (import->positive_class != NO_CLASS)
        yyjson_mut_obj_add_int(document, root, "positive_class", import->positive_class);
    return entry_print_json(document, error);
}

static void print_text(const struct arguments *arguments, const struct import *import)
{
    const char *version = model_library_version(import->model);
    printf("%s%s%s, %d features, matched %s%s\n", model_format(import->model)->name, *version ? " " : "",
           version, model_features(import->model), match_text(import),
           import->match == MATCH_BY_POSITION ? ": the model has no names for them, so check their order"
                                              : "");
    if (import->positive_class != NO_CLASS)
        printf("the score is the probability of class %d\n", import->positive_class);
    entry_print(arguments, &import->entry);
}

static int run_import(const struct arguments *arguments, struct error *error)
{
    const char *path = argument_positional(arguments, 0);
    struct import import = {.positive_class = NO_CLASS};
    if (argument_given(arguments, "positive-class"))
        import.positive_class = (int)argument_integer(arguments, "positive-class");
    int code = entry_open(arguments, &import.entry, error);
    if (!code)
        code = read_model(path, &import, error);
    if (!code)
        code = make_origin(path, &import, error);
    if (!code)
        code = enter(arguments, &import, error);
    if (!code && argument_flag(arguments, "json"))
        code = print_json(arguments, &import, error);
    else if (!code)
        print_text(arguments, &import);
    import_done(&import);
    return code;
}

static const struct option options[] = {
    {.name = "plan",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .fallback = "features.sql",
     .text = "The plan: its columns are the model's input, matched by name where the model has names."},
    ENTRY_OPTION_NAME,
    ENTRY_OPTION_RULES,
    {.name = "positive-class",
     .kind = OPTION_INTEGER,
     .argument = "N",
     .minimum = 0,
     .maximum = LIMIT_MODEL_OUTPUTS - 1,
     .text = "Of a model of several classes, counted from 0: the one whose probability is the score."},
    {.name = "threshold",
     .kind = OPTION_REAL,
     .argument = "X",
     .minimum = 0,
     .maximum = 1,
     .text = "Without rules: the score from which on a payment is declined."},
    ENTRY_OPTION_REASONS,
    ENTRY_OPTION_ALIAS,
    ENTRY_OPTION_REGISTRY,
    {.name = "json", .kind = OPTION_FLAG, .text = "Print JSON."},
    {0},
};

const struct command command_models_import = {
    .name = "models import",
    .summary = "Register a model that XGBoost, LightGBM or scikit-learn trained.",
    .positionals = "FILE",
    .minimum = 1,
    .maximum = 1,
    .example = "shrike models import model.ubj --plan features.sql --name fraud\n"
               "shrike models import lightgbm.txt --name fraud --alias challenger",
    .options = options,
    .run = run_import,
};
