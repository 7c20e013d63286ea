#include "train/xgboost.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xgboost/c_api.h>
#include <yyjson.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/model.h"

/* What one training works with; freed in one place. */
struct session {
    const struct trainer_options *options;
    DMatrixHandle matrices[2]; /* train, valid */
    int n_matrices;
    BoosterHandle booster;
    int rounds, early_stopping;
    int best_round;
    double best_score;
    char metric[64];
};

/* Takes the place and the stack trace off XGBoost's messages: "[10:11:12] src/x.cc:12: what\nStack
 * trace:\n...". */
static void clean_message(const char *raw, char *ret, size_t size)
{
    const char *start = raw, *end = strstr(raw, "\nStack trace");
    if (*start == '[') {
        const char *place = strchr(start, ' ');
        const char *text = place ? strstr(place, ": ") : NULL;
        start = text ? text + 2 : start;
    }
    size_t n = end && end > start ? (size_t)(end - start) : strlen(start), used = 0;
    for (size_t i = 0; i < n && used + 1 < size; i++) {
        bool space = isspace((unsigned char)start[i]);
        if (space && (used == 0 || ret[used - 1] == ' '))
            continue;
        ret[used++] = (char)(space ? ' ' : start[i]);
    }
    while (used > 0 && ret[used - 1] == ' ')
        used--;
    ret[used] = 0;
}

static int failed(const char *what, struct error *error)
{
    char message[ERROR_MESSAGE_SIZE / 2];
    clean_message(XGBGetLastError(), message, sizeof message);
    return error_set(error, CODE_INVALID, "XGBoost cannot %s: %s", what, message);
}

/* XGBoost names unknown parameters in a warning and goes on. The callback is per thread and has no context,
 * hence a thread's own variable. */
static _Thread_local char warnings[4096];

static void take_warning(const char *text)
{
    size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", text);
}

/* Warnings look like: Parameters: { "foo", "bar" } are not used. */
static int check_unknown(struct error *error)
{
    const char *list = strstr(warnings, "Parameters: {");
    if (!list)
        return OK;
    list += strlen("Parameters: {");
    int n = (int)strcspn(list, "}");
    while (n > 0 && (list[n - 1] == ' ' || list[n - 1] == '\n'))
        n--;
    while (n > 0 && (*list == ' ' || *list == '\n')) {
        list++;
        n--;
    }
    return error_set(error, CODE_USAGE, "XGBoost does not use these parameters with these settings: %.*s", n,
                     list);
}

static const char *param_value(const struct trainer_options *options, const char *name)
{
    const char *value = NULL;
    for (int i = 0; i < options->n_params; i++)
        if (strcmp(options->params[i].name, name) == 0)
            value = options->params[i].value;
    return value;
}

static int set_param(struct session *session, const char *name, const char *value, struct error *error)
{
    if (XGBoosterSetParam(session->booster, name, value)) {
        char what[128];
        snprintf(what, sizeof what, "take the parameter %.48s=%.48s", name, value);
        return failed(what, error);
    }
    return OK;
}

static bool is_rounds(const char *name)
{
    return strcmp(name, "n_estimators") == 0 || strcmp(name, "num_boost_round") == 0;
}

static int count_param(const struct param *param, int minimum, int *ret, struct error *error)
{
    char *end;
    long value = strtol(param->value, &end, 10);
    if (end == param->value || *end || value < minimum || value > LIMIT_MODEL_TREES)
        return error_set(error, CODE_USAGE, "%s=%s: expected a whole number from %d to %d", param->name,
                         param->value, minimum, LIMIT_MODEL_TREES);
    *ret = (int)value;
    return OK;
}

/* Parameters that are Shrike's or the Python package's business, and those that would make a model Shrike
 * cannot score. */
static int read_params(struct session *session, bool has_valid, struct error *error)
{
    const struct trainer_options *options = session->options;
    session->rounds = options->rounds ? options->rounds : XGBOOST_ROUNDS;
    session->early_stopping = options->early_stopping;
    for (int i = 0; i < options->n_params; i++) {
        const struct param *param = &options->params[i];
        int code = is_rounds(param->name) ? count_param(param, 1, &session->rounds, error)
                   : strcmp(param->name, "early_stopping_rounds") == 0
                       ? count_param(param, 0, &session->early_stopping, error)
                       : OK;
        if (code)
            return code;
    }
    const char *objective = param_value(options, "objective"), *booster = param_value(options, "booster");
    if (!model_supports(objective ? objective : "binary:logistic", booster ? booster : "gbtree"))
        return error_set(
            error, CODE_UNSUPPORTED,
            "objective %s with booster %s: Shrike could not score the model; it takes binary:logistic, "
            "binary:logitraw and reg:squarederror with gbtree",
            objective ? objective : "binary:logistic", booster ? booster : "gbtree");
    if (session->early_stopping && !has_valid)
        return error_set(error, CODE_USAGE, "early stopping needs valid rows to look at");
    return OK;
}

static int set_params(struct session *session, double others_per_fraud, struct error *error)
{
    const struct trainer_options *options = session->options;
    char seed[24], threads[16], weight[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)(options->seed & INT32_MAX));
    snprintf(threads, sizeof threads, "%d", options->threads > 0 ? options->threads : 1);
    snprintf(weight, sizeof weight, "%.9g", others_per_fraud);
    const struct param defaults[] = {
        {"validate_parameters", "1"},
        {"verbosity", "1"},
        {"objective", "binary:logistic"},
        {"base_score", "0.5"},
        {"tree_method", "hist"},
        {"seed", seed},
        {"nthread", threads},
        {"scale_pos_weight", options->balanced ? weight : NULL},
    };
    int code = OK;
    for (size_t i = 0; !code && i < sizeof defaults / sizeof defaults[0]; i++)
        if (defaults[i].value && !param_value(options, defaults[i].name))
            code = set_param(session, defaults[i].name, defaults[i].value, error);
    for (int i = 0; !code && i < options->n_params; i++) {
        const struct param *param = &options->params[i];
        if (is_rounds(param->name) || strcmp(param->name, "early_stopping_rounds") == 0)
            continue;
        bool automatic = strcmp(param->name, "scale_pos_weight") == 0 && strcmp(param->value, "auto") == 0;
        code = set_param(session, param->name, automatic ? weight : param->value, error);
    }
    return code;
}

static int add_matrix(struct session *session, const struct examples *examples, struct error *error)
{
    const struct trainer_options *options = session->options;
    DMatrixHandle matrix;
    if (XGDMatrixCreateFromMat_omp(examples->x, (bst_ulong)examples->rows, (bst_ulong)options->features, NAN,
                                   &matrix, options->threads > 0 ? options->threads : 1))
        return failed("read the rows", error);
    session->matrices[session->n_matrices++] = matrix;
    if (XGDMatrixSetFloatInfo(matrix, "label", examples->labels, (bst_ulong)examples->rows) ||
        (examples->weights &&
         XGDMatrixSetFloatInfo(matrix, "weight", examples->weights, (bst_ulong)examples->rows)) ||
        XGDMatrixSetStrFeatureInfo(matrix, "feature_name", (const char **)options->names,
                                   (bst_ulong)options->features))
        return failed("take labels, weights and names of the rows", error);
    return OK;
}

/* Adds the leaves of XGBoost's configuration to one flat object: {"learner":{"x_param":{"eta":"0.3"}}} ->
 * "eta". Groups are looked at in their order; the first of a name counts. The recursion is as deep as the
 * configuration. */
static void flatten(yyjson_val *object, yyjson_mut_doc *document, yyjson_mut_val *flat, int depth)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        const char *name = yyjson_get_str(key);
        if (yyjson_is_obj(value) && depth < 16)
            flatten(value, document, flat, depth + 1);
        else if (yyjson_is_str(value) && strcmp(name, "name") != 0 && !yyjson_mut_obj_get(flat, name))
            yyjson_mut_obj_add_strcpy(document, flat, name, yyjson_get_str(value));
    }
}

/* Makes XGBoost configure itself, which is when it looks at its parameters, and keeps what it made of them.
 */
static int configure(struct session *session, char **ret_parameters, struct error *error)
{
    bst_ulong size;
    const char *config;
    warnings[0] = 0;
    if (XGBoosterSaveJsonConfig(session->booster, &size, &config))
        return failed("be configured", error);
    int code = check_unknown(error);
    if (code)
        return code;
    yyjson_doc *read = yyjson_read(config, size, 0);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *flat = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, flat);
    for (int i = 0; i < session->options->n_params; i++) {
        const struct param *param = &session->options->params[i];
        if (!is_rounds(param->name) && strcmp(param->name, "scale_pos_weight") != 0 &&
            !yyjson_mut_obj_get(flat, param->name))
            yyjson_mut_obj_add_strcpy(document, flat, param->name, param->value);
    }
    yyjson_val *learner = yyjson_obj_get(yyjson_doc_get_root(read), "learner");
    flatten(learner, document, flat, 0);
    yyjson_mut_obj_remove_key(flat, "early_stopping_rounds");
    yyjson_mut_obj_add_int(document, flat, "num_boost_round", session->rounds);
    yyjson_mut_obj_add_int(document, flat, "early_stopping_rounds", session->early_stopping);
    *ret_parameters = yyjson_mut_write(document, 0, NULL);
    yyjson_mut_doc_free(document);
    yyjson_doc_free(read);
    return *ret_parameters ? OK : error_set(error, CODE_MEMORY, "no memory for the parameters");
}

/* Metrics where more is better; for all others XGBoost has, less is. */
static bool more_is_better(const char *metric)
{
    static const char *const names[] = {"auc", "aucpr", "map", "ndcg", "pre"};
    const char *name = strchr(metric, '-');
    name = name ? name + 1 : metric;
    size_t n = strcspn(name, "@");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && strncmp(names[i], name, n) == 0)
            return true;
    return false;
}

/* The last metric of "[3]\ttrain-logloss:0.4\tvalid-logloss:0.5". False: there is none that can be read. */
static bool last_metric(const char *text, char metric[64], double *ret)
{
    const char *start = strrchr(text, '\t');
    const char *colon = start ? strrchr(start, ':') : NULL;
    char *end;
    if (!colon || colon - start > 63)
        return false;
    double value = strtod(colon + 1, &end);
    if (end == colon + 1 || isnan(value))
        return false;
    snprintf(metric, 64, "%.*s", (int)(colon - start - 1), start + 1);
    *ret = value;
    return true;
}

/* Runs the rounds; stops early where that was asked for. */
static int boost(struct session *session, struct error *error)
{
    const char *names[] = {"train", "valid"}, *text;
    session->best_round = -1;
    for (int round = 0; round < session->rounds; round++) {
        double score;
        if (XGBoosterUpdateOneIter(session->booster, round, session->matrices[0]))
            return failed("train", error);
        if (XGBoosterEvalOneIter(session->booster, round, session->matrices, names,
                                 (bst_ulong)session->n_matrices, &text))
            return failed("evaluate a round", error);
        if (session->options->progress) {
            const char *values = strchr(text, '\t');
            session->options->progress(session->options->context, round, values ? values + 1 : text);
        }
        if (!session->early_stopping)
            continue;
        if (!last_metric(text, session->metric, &score))
            return error_set(error, CODE_INVALID,
                             "early stopping: round %d gave no number to compare: \"%s\"", round, text);
        bool better =
            more_is_better(session->metric) ? score > session->best_score : score < session->best_score;
        if (session->best_round < 0 || better) {
            session->best_round = round;
            session->best_score = score;
        }
        if (round - session->best_round >= session->early_stopping)
            break;
    }
    return OK;
}

/* Cuts the booster after its best round and notes what Python's early stopping would note. */
static int keep_best(struct session *session, struct error *error)
{
    BoosterHandle sliced;
    char round[16], score[40];
    if (session->best_round < 0)
        return OK;
    if (XGBoosterSlice(session->booster, 0, session->best_round + 1, 1, &sliced))
        return failed("keep the best rounds", error);
    XGBoosterFree(session->booster);
    session->booster = sliced;
    snprintf(round, sizeof round, "%d", session->best_round);
    snprintf(score, sizeof score, "%.17g", session->best_score);
    if (XGBoosterSetAttr(sliced, "best_iteration", round) || XGBoosterSetAttr(sliced, "best_score", score))
        return failed("note the best round", error);
    return OK;
}

static int save(struct session *session, struct trained *trained, struct error *error)
{
    bst_ulong size;
    const char *data;
    int major, minor, patch;
    if (XGBoosterSetStrFeatureInfo(session->booster, "feature_name", (const char **)session->options->names,
                                   (bst_ulong)session->options->features) ||
        XGBoosterBoostedRounds(session->booster, &trained->rounds) ||
        XGBoosterSaveModelToBuffer(session->booster, "{\"format\":\"json\"}", &size, &data))
        return failed("save the model", error);
    trained->model = memory_text(data, size);
    if (!trained->model)
        return error_set(error, CODE_MEMORY, "no memory for a model of %llu bytes", (unsigned long long)size);
    trained->model_size = size;
    XGBoostVersion(&major, &minor, &patch);
    snprintf(trained->library, sizeof trained->library, "xgboost");
    snprintf(trained->library_version, sizeof trained->library_version, "%d.%d.%d", major, minor, patch);
    trained->best_round = session->best_round;
    trained->best_score = session->best_score;
    snprintf(trained->metric, sizeof trained->metric, "%s", session->metric);
    trained->converged = true;
    return OK;
}

static int run(struct session *session, const struct examples *train, const struct examples *valid,
               struct trained *trained, struct error *error)
{
    int64_t frauds;
    int code = read_params(session, valid != NULL, error);
    if (!code)
        code = examples_check(train, "the training rows", &frauds, error);
    if (!code)
        code = add_matrix(session, train, error);
    if (!code && valid)
        code = add_matrix(session, valid, error);
    if (code)
        return code;
    if (XGBoosterCreate(session->matrices, (bst_ulong)session->n_matrices, &session->booster))
        return failed("start", error);
    code = set_params(session, (double)(train->rows - frauds) / (double)frauds, error);
    if (!code)
        code = configure(session, &trained->parameters, error);
    if (!code)
        code = boost(session, error);
    if (!code)
        code = keep_best(session, error);
    if (!code)
        code = save(session, trained, error);
    return code;
}

int xgboost_train(const struct examples *train, const struct examples *valid,
                  const struct trainer_options *options, struct trained *ret, struct error *error)
{
    struct session session = {.options = options};
    struct trained trained = {0};
    XGBRegisterLogCallback(take_warning);
    int code = run(&session, train, valid, &trained, error);
    if (session.booster)
        XGBoosterFree(session.booster);
    for (int i = 0; i < session.n_matrices; i++)
        XGDMatrixFree(session.matrices[i]);
    if (code) {
        trained_done(&trained);
        return code;
    }
    *ret = trained;
    return OK;
}
