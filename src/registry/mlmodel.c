#include "registry/mlmodel.h"

#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/units.h"
#include "table/json_rows.h"

/* A YAML scalar in single quotes, in which only the quote itself needs doubling. */
static void put_quoted(struct buffer *out, const char *text)
{
    buffer_text(out, "'");
    for (; *text; text++) {
        buffer_append(out, text, 1);
        if (*text == '\'')
            buffer_append(out, text, 1);
    }
    buffer_text(out, "'");
}

/* The libraries that MLflow loads models with: what their flavor in MLmodel says, and what has to be
 * installed. */
struct library {
    const char *flavor, *version; /* the key of the library's version */
    const char *settings;
    const char *packages[5];
    bool function; /* as a python_function too: for ONNX that takes columns of one type only */
};

static const struct library libraries[] = {
    {"xgboost",
     "xgb_version",
     "    model_class: xgboost.core.Booster\n",
     {"mlflow", "pandas", "xgboost>=1.7"},
     true},
    {"lightgbm",
     "lgb_version",
     "    model_class: lightgbm.basic.Booster\n",
     {"mlflow", "pandas", "lightgbm>=3.3"},
     true},
    {"onnx",
     "onnx_version",
     "    onnx_session_options: null\n    providers:\n    - CPUExecutionProvider\n",
     {"mlflow", "pandas", "onnx", "onnxruntime"},
     false},
};

static const struct library *library_find(const char *flavor)
{
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++)
        if (!strcmp(libraries[i].flavor, flavor))
            return &libraries[i];
    return NULL;
}

static void put_packages(const struct library *library, const char *before, struct buffer *out)
{
    for (int i = 0; library->packages[i]; i++)
        buffer_format(out, "%s%s\n", before, library->packages[i]);
}

/* MLflow's column type. What may be NULL reaches pandas as a float, so everything but a BOOLEAN is a double,
 * into which MLflow widens integers; 64-bit integers are `long`, which it does not widen. An ENUM goes in by
 * its code. */
static const char *mlflow_type(const struct type *type)
{
    switch (type->id) {
    case TYPE_BOOLEAN:
        return "boolean";
    case TYPE_INT64:
    case TYPE_UINT32:
        return "long";
    default:
        return "double";
    }
}

/* A model of several classes gives a row of scores where Python loads it. */
static void put_signature(struct buffer *out, const struct schema *features, bool classes)
{
    struct buffer inputs;
    buffer_init(&inputs, LIMIT_MANIFEST_BYTES);
    buffer_text(&inputs, "[");
    for (int i = 0; i < features->n; i++) {
        const char *name = features->fields[i].name;
        buffer_format(&inputs, "%s{\"type\": \"%s\", \"name\": ", i ? ", " : "",
                      mlflow_type(&features->fields[i].type));
        json_write_string(&inputs, name, strlen(name));
        buffer_text(&inputs, ", \"required\": true}");
    }
    buffer_text(&inputs, "]");
    buffer_text(out, "signature:\n  inputs: ");
    if (inputs.failed)
        out->failed = true;
    else
        put_quoted(out, inputs.data);
    buffer_format(out,
                  "\n  outputs: '[{\"type\": \"tensor\", \"tensor-spec\": "
                  "{\"dtype\": \"float32\", \"shape\": [-1%s]}}]'\n  params: null\n",
                  classes ? ", -1" : "");
    buffer_done(&inputs);
}

void mlmodel_write(const struct version_content *content, int number, int64_t created_us,
                   const char *model_sha256, struct buffer *ret)
{
    char created[UNITS_TEXT_SIZE], uuid[FILE_SHA256_SIZE];
    units_time_text(created_us, created);
    struct buffer seed;
    buffer_init(&seed, 4096);
    buffer_format(&seed, "%s/%d/%s/%s", content->name, number, created, model_sha256);
    file_sha256_bytes(seed.data ? seed.data : "", seed.size, uuid);
    buffer_done(&seed);

    buffer_text(ret, "artifact_path: ");
    put_quoted(ret, content->name);
    buffer_text(ret, "\nflavors:\n");
    const char *file = content->model_format->file, *flavor = content->model_format->flavor;
    const struct library *library = library_find(flavor);
    if (library && library->function)
        buffer_format(ret,
                      "  python_function:\n"
                      "    data: %s\n"
                      "    env:\n"
                      "      conda: conda.yaml\n"
                      "      virtualenv: python_env.yaml\n"
                      "    loader_module: mlflow.%s\n"
                      "    python_version: '3.11'\n",
                      file, flavor);
    if (library) {
        buffer_format(ret,
                      "  %s:\n"
                      "    code: null\n"
                      "    data: %s\n"
                      "%s",
                      flavor, file, library->settings);
        if (!strcmp(flavor, "xgboost"))
            buffer_format(ret, "    model_format: %s\n", strrchr(file, '.') + 1);
        buffer_format(ret, "    %s: ", library->version);
        put_quoted(ret, content->library_version);
        buffer_text(ret, "\n");
    }
    buffer_format(ret,
                  "  shrike:\n"
                  "    data: %s\n"
                  "    features: features.sql\n"
                  "    kind: ",
                  file);
    put_quoted(ret, flavor);
    buffer_text(ret, "\n    shrike_version: ");
    put_quoted(ret, SHRIKE_VERSION);
    buffer_format(ret, "\nmodel_uuid: %.32s\n", uuid);
    put_signature(ret, plan_features(content->plan), content->positive_class != NO_CLASS);
    buffer_text(ret, "utc_time_created: ");
    put_quoted(ret, created);
    buffer_text(ret, "\n");
}

const char *mlmodel_environment(const struct version_content *content, int n, struct buffer *ret)
{
    static const char *const names[] = {"conda.yaml", "python_env.yaml", "requirements.txt"};
    const struct library *library = library_find(content->model_format->flavor);
    if (!library || n >= (int)(sizeof names / sizeof *names))
        return NULL;
    if (n == 0) {
        buffer_text(ret, "channels:\n"
                         "- conda-forge\n"
                         "dependencies:\n"
                         "- python>=3.10\n"
                         "- pip\n"
                         "- pip:\n");
        put_packages(library, "  - ", ret);
        buffer_text(ret, "name: mlflow-env\n");
    } else if (n == 1) {
        buffer_text(ret, "python: '3.11'\n"
                         "build_dependencies:\n"
                         "- pip\n"
                         "dependencies:\n"
                         "- -r requirements.txt\n");
    } else {
        put_packages(library, "", ret);
    }
    return names[n];
}
