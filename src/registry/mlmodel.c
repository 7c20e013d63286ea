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

static void put_signature(struct buffer *out, const struct schema *features)
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
    buffer_text(out, "\n  outputs: '[{\"type\": \"tensor\", \"tensor-spec\": "
                     "{\"dtype\": \"float32\", \"shape\": [-1]}}]'\n  params: null\n");
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
    if (!strcmp(content->model_flavor, "xgboost")) {
        buffer_text(ret, "  python_function:\n"
                         "    data: model.json\n"
                         "    env:\n"
                         "      conda: conda.yaml\n"
                         "      virtualenv: python_env.yaml\n"
                         "    loader_module: mlflow.xgboost\n"
                         "    python_version: '3.11'\n"
                         "  xgboost:\n"
                         "    code: null\n"
                         "    data: model.json\n"
                         "    model_class: xgboost.core.Booster\n"
                         "    model_format: json\n"
                         "    xgb_version: ");
        put_quoted(ret, content->library_version);
        buffer_text(ret, "\n");
    }
    buffer_text(ret, "  shrike:\n"
                     "    data: model.json\n"
                     "    features: features.sql\n"
                     "    kind: ");
    put_quoted(ret, content->model_flavor);
    buffer_text(ret, "\n    shrike_version: ");
    put_quoted(ret, SHRIKE_VERSION);
    buffer_format(ret, "\nmodel_uuid: %.32s\n", uuid);
    put_signature(ret, plan_features(content->plan));
    buffer_text(ret, "utc_time_created: ");
    put_quoted(ret, created);
    buffer_text(ret, "\n");
}

const char *mlmodel_environment(const struct version_content *content, int n, struct buffer *ret)
{
    static const char *const names[] = {"conda.yaml", "python_env.yaml", "requirements.txt"};
    static const char *const texts[] = {
        "channels:\n"
        "- conda-forge\n"
        "dependencies:\n"
        "- python>=3.10\n"
        "- pip\n"
        "- pip:\n"
        "  - mlflow\n"
        "  - pandas\n"
        "  - xgboost>=1.7\n"
        "name: mlflow-env\n",
        "python: '3.11'\n"
        "build_dependencies:\n"
        "- pip\n"
        "dependencies:\n"
        "- -r requirements.txt\n",
        "mlflow\n"
        "pandas\n"
        "xgboost>=1.7\n",
    };
    if (strcmp(content->model_flavor, "xgboost") || n >= (int)(sizeof names / sizeof *names))
        return NULL;
    buffer_text(ret, texts[n]);
    return names[n];
}
