#include "train/training_json.h"

#include <duckdb.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/memory.h"

static int finish(yyjson_mut_doc *document, char **ret, struct error *error)
{
    char *text = yyjson_mut_write(document, YYJSON_WRITE_INF_AND_NAN_AS_NULL, NULL);
    yyjson_mut_doc_free(document);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory to describe the training");
    *ret = text;
    return OK;
}

static yyjson_mut_doc *start(yyjson_mut_val **ret_root)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    *ret_root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, *ret_root);
    return document;
}

static void put_quality(yyjson_mut_doc *document, yyjson_mut_val *root, const char *name,
                        const struct training_quality *quality)
{
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(document, root, name);
    yyjson_mut_obj_add_sint(document, object, "rows", quality->rows);
    yyjson_mut_obj_add_sint(document, object, "frauds", quality->frauds);
    yyjson_mut_obj_add_real(document, object, "auc", quality->auc);
    yyjson_mut_obj_add_real(document, object, "average_precision", quality->average_precision);
    yyjson_mut_obj_add_real(document, object, "log_loss", quality->log_loss);
    yyjson_mut_obj_add_real(document, object, "precision", quality->precision);
    yyjson_mut_obj_add_real(document, object, "recall", quality->recall);
    yyjson_mut_obj_add_real(document, object, "f1", quality->f1);
}

int training_json_metrics(const struct training *training, char **ret, struct error *error)
{
    yyjson_mut_val *root;
    yyjson_mut_doc *document = start(&root);
    put_quality(document, root, "train", &training->train);
    if (training->has_valid)
        put_quality(document, root, "valid", &training->valid);
    yyjson_mut_val *threshold = yyjson_mut_obj_add_obj(document, root, "threshold");
    yyjson_mut_obj_add_real(document, threshold, "value", training->threshold);
    yyjson_mut_obj_add_str(document, threshold, "chosen", training->threshold_from);
    return finish(document, ret, error);
}

/* Steps are numbers, times are texts. */
static void put_span(yyjson_mut_doc *document, yyjson_mut_val *root, const char *name, bool steps,
                     struct span span)
{
    char from[UNITS_TEXT_SIZE], to[UNITS_TEXT_SIZE];
    yyjson_mut_val *object = yyjson_mut_obj_add_obj(document, root, name);
    if (steps) {
        yyjson_mut_obj_add_sint(document, object, "from", span.from_us);
        yyjson_mut_obj_add_sint(document, object, "to", span.to_us);
    } else {
        yyjson_mut_obj_add_strcpy(document, object, "from", units_time_text(span.from_us, from));
        yyjson_mut_obj_add_strcpy(document, object, "to", units_time_text(span.to_us, to));
    }
}

static void put_time(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name, bool steps,
                     int64_t time)
{
    char text[UNITS_TEXT_SIZE];
    if (steps)
        yyjson_mut_obj_add_sint(document, object, name, time);
    else
        yyjson_mut_obj_add_strcpy(document, object, name, units_time_text(time, text));
}

static void put_split(yyjson_mut_doc *document, yyjson_mut_val *root, const struct training_options *options)
{
    char delay[UNITS_TEXT_SIZE];
    bool stratified = options->split == TRAINING_STRATIFIED;
    yyjson_mut_obj_add_str(document, root, "split", stratified ? "stratified" : "time");
    if (stratified)
        yyjson_mut_obj_add_real(document, root, "fraction", options->fraction);
    if (options->has_train)
        put_span(document, root, "train", options->steps, options->train);
    if (options->has_valid)
        put_span(document, root, "valid", options->steps, options->valid);
    yyjson_mut_obj_add_str(document, root, "label", options->label);
    if (options->steps)
        yyjson_mut_obj_add_sint(document, root, "label_delay", options->delay_us);
    else
        yyjson_mut_obj_add_strcpy(document, root, "label_delay",
                                  units_duration_text(options->delay_us, delay));
    yyjson_mut_obj_add_str(document, root, "labels",
                           options->labels ? "as they arrived"
                           : stratified    ? "assumed known: the split by chance ignores time"
                                           : "assumed on time");
    if (options->labels && options->labels->until != INT64_MAX)
        put_time(document, root, "labels_until", options->steps, options->labels->until);
    if (options->sample)
        yyjson_mut_obj_add_sint(document, root, "sample", options->sample);
}

static void put_libraries(yyjson_mut_doc *document, yyjson_mut_val *root, const struct trained *trained)
{
    yyjson_mut_val *libraries = yyjson_mut_obj_add_obj(document, root, "libraries");
    const char *duckdb = duckdb_library_version();
    yyjson_mut_obj_add_str(document, libraries, "shrike", SHRIKE_VERSION);
    yyjson_mut_obj_add_str(document, libraries, "duckdb", duckdb + (*duckdb == 'v'));
    yyjson_mut_obj_add_str(document, libraries, trained->library, trained->library_version);
}

static int put_importance(yyjson_mut_doc *document, yyjson_mut_val *root, const struct model *model,
                          struct error *error)
{
    int n = model_features(model);
    struct importance *importance = memory_new((size_t)n, sizeof *importance);
    if (!importance)
        return error_set(error, CODE_MEMORY, "no memory to describe the training");
    model_importance(model, importance);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "importance");
    for (int i = 0; i < n; i++) {
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_strcpy(document, object, "feature", model_feature_name(model, i));
        yyjson_mut_obj_add_real(document, object, "gain", importance[i].gain);
        yyjson_mut_obj_add_real(document, object, "cover", importance[i].cover);
        yyjson_mut_obj_add_real(document, object, "weight", importance[i].weight);
        yyjson_mut_obj_add_real(document, object, "total_gain", importance[i].total_gain);
        yyjson_mut_obj_add_real(document, object, "total_cover", importance[i].total_cover);
    }
    free(importance);
    return OK;
}

/* Only names: folders are this machine's business, and the fingerprint tells files of one name apart. */
static void put_data(yyjson_mut_doc *document, yyjson_mut_val *root, const struct training_options *options,
                     const struct training *training, const char *fingerprint)
{
    yyjson_mut_val *data = yyjson_mut_obj_add_obj(document, root, "data");
    yyjson_mut_val *files = yyjson_mut_obj_add_arr(document, data, "files");
    for (int i = 0; i < options->n_paths; i++) {
        const char *slash = strrchr(options->paths[i], '/');
        yyjson_mut_arr_add_str(document, files, slash ? slash + 1 : options->paths[i]);
    }
    yyjson_mut_obj_add_strcpy(document, data, "sha256", fingerprint);
    yyjson_mut_obj_add_sint(document, data, "rows", training->rows_seen);
    yyjson_mut_obj_add_sint(document, data, "rows_filtered", training->rows_filtered);
}

int training_json_training(const struct training_options *options, const struct training *training,
                           const char *fingerprint, char **ret, struct error *error)
{
    const struct trained *trained = &training->trained;
    yyjson_mut_val *root;
    yyjson_mut_doc *document = start(&root);
    yyjson_mut_obj_add_str(document, root, "model", options->kind == TRAINING_LINEAR ? "linear" : "xgboost");
    put_split(document, root, options);
    yyjson_mut_obj_add_uint(document, root, "seed", options->seed);
    yyjson_mut_obj_add_str(document, root, "class_weight",
                           options->class_weight == CLASS_WEIGHT_BALANCED ? "balanced" : "none");
    yyjson_mut_obj_add_int(document, root, "rounds", trained->rounds);
    if (trained->best_round >= 0) {
        yyjson_mut_val *best = yyjson_mut_obj_add_obj(document, root, "early_stopping");
        yyjson_mut_obj_add_int(document, best, "best_round", trained->best_round);
        yyjson_mut_obj_add_str(document, best, "metric", trained->metric);
        yyjson_mut_obj_add_real(document, best, "score", trained->best_score);
    }
    yyjson_mut_obj_add_bool(document, root, "converged", trained->converged);
    yyjson_doc *parameters = yyjson_read(trained->parameters, strlen(trained->parameters), 0);
    yyjson_mut_val *copy = yyjson_val_mut_copy(document, yyjson_doc_get_root(parameters));
    yyjson_doc_free(parameters);
    if (copy)
        yyjson_mut_obj_add_val(document, root, "parameters", copy);
    put_data(document, root, options, training, fingerprint);
    put_libraries(document, root, trained);
    int code = copy ? put_importance(document, root, training->model, error)
                    : error_set(error, CODE_MEMORY, "no memory to describe the training");
    if (code) {
        yyjson_mut_doc_free(document);
        return code;
    }
    return finish(document, ret, error);
}
