#include "model/xgboost_learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/json_field.h"

/* base_score is a prediction; the margin that gives it is the link's inverse of it. */
enum base { BASE_IS_MARGIN, BASE_IS_PROBABILITY, BASE_IS_MEAN };

struct objective {
    const char *name;
    enum forest_link link;
    enum base base;
};

static const struct objective objectives[] = {
    {"binary:logistic", FOREST_SIGMOID, BASE_IS_PROBABILITY},
    {"reg:logistic", FOREST_SIGMOID, BASE_IS_PROBABILITY},
    {"binary:logitraw", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"binary:hinge", FOREST_HINGE, BASE_IS_MARGIN},
    {"multi:softprob", FOREST_SOFTMAX, BASE_IS_MARGIN},
    {"multi:softmax", FOREST_ARGMAX, BASE_IS_MARGIN},
    {"reg:squarederror", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"reg:linear", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"reg:squaredlogerror", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"reg:absoluteerror", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"reg:pseudohubererror", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"reg:quantileerror", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"reg:gamma", FOREST_EXP, BASE_IS_MEAN},
    {"reg:tweedie", FOREST_EXP, BASE_IS_MEAN},
    {"count:poisson", FOREST_EXP, BASE_IS_MEAN},
    {"survival:cox", FOREST_EXP, BASE_IS_MEAN},
    {"survival:aft", FOREST_EXP_DOUBLE, BASE_IS_MEAN},
    {"rank:pairwise", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"rank:ndcg", FOREST_IDENTITY, BASE_IS_MARGIN},
    {"rank:map", FOREST_IDENTITY, BASE_IS_MARGIN},
};
enum { OBJECTIVES = sizeof objectives / sizeof objectives[0] };

static const struct objective *objective_find(const char *name)
{
    for (int i = 0; i < OBJECTIVES; i++)
        if (strcmp(objectives[i].name, name) == 0)
            return &objectives[i];
    return NULL;
}

static bool booster_known(const char *name)
{
    return !strcmp(name, "gbtree") || !strcmp(name, "dart") || !strcmp(name, "gblinear");
}

/* Training wants one score per row, and trees: Shrike trains linear models itself. */
bool model_supports(const char *objective, const char *booster)
{
    const struct objective *known = objective_find(objective);
    return known && known->link != FOREST_SOFTMAX && known->link != FOREST_ARGMAX && booster_known(booster) &&
           strcmp(booster, "gblinear") != 0;
}

static int read_objective(yyjson_val *learner, const struct objective **ret, struct error *error)
{
    yyjson_val *object;
    const char *name;
    int code = json_field_object(learner, "objective", "learner", &object, error);
    if (!code)
        code = json_field_text(object, "name", "objective", &name, error);
    if (code)
        return code;
    *ret = objective_find(name);
    if (*ret)
        return OK;
    char known[ERROR_MESSAGE_SIZE] = "";
    for (int i = 0, n = 0; i < OBJECTIVES; i++)
        n += snprintf(known + n, sizeof known - (size_t)n, "%s%s", i ? ", " : "", objectives[i].name);
    return error_set(error, CODE_UNSUPPORTED, "objective \"%s\" is not supported; Shrike scores %s", name,
                     known);
}

/* Whether base_score is kept off 0 and 1, as the library does from 3.1 on, where it may be 0 or 1. */
static bool bounds_base(yyjson_val *root)
{
    yyjson_val *version = yyjson_obj_get(root, "version");
    int64_t major = 0, minor = 0;
    return json_field_integer(yyjson_arr_get(version, 0), &major) &&
           json_field_integer(yyjson_arr_get(version, 1), &minor) &&
           (major > 3 || (major == 3 && minor >= 1));
}

/* The margin in float32, as the library computes it. */
static int base_margin(const struct objective *objective, bool bounded, float base, double *ret,
                       struct error *error)
{
    if (objective->base == BASE_IS_PROBABILITY && bounded && base >= 0 && base <= 1)
        base = fminf(fmaxf(base, 1e-6f), 1.0f - 1e-6f);
    if (objective->base == BASE_IS_PROBABILITY && !(base > 0 && base < 1))
        return error_set(error, CODE_INVALID, "base_score %g of %s is not a probability between 0 and 1",
                         (double)base, objective->name);
    if (objective->base == BASE_IS_MEAN && !(base > 0))
        return error_set(error, CODE_INVALID, "base_score %g of %s is not above 0", (double)base,
                         objective->name);
    *ret = (double)(objective->base == BASE_IS_PROBABILITY ? -logf(1.0f / base - 1.0f)
                    : objective->base == BASE_IS_MEAN      ? logf(base)
                                                           : base);
    return OK;
}

/* The values of "5E-1" or "[5E-1,2E-1]": one for all outputs, or one each. */
static int read_base_values(yyjson_val *list, const struct objective *objective, bool bounded,
                            struct xgboost_learner *ret, struct error *error)
{
    size_t given = yyjson_is_arr(list) ? yyjson_arr_size(list) : 1;
    if (given != 1 && given != (size_t)ret->head.groups)
        return error_set(error, CODE_INVALID, "base_score has %zu values for %d outputs", given,
                         ret->head.groups);
    for (int g = 0; g < ret->head.groups; g++) {
        yyjson_val *value = yyjson_is_arr(list) ? yyjson_arr_get(list, given == 1 ? 0 : (size_t)g) : list;
        float base;
        if (!json_field_float(value, &base) || !isfinite(base))
            return error_set(error, CODE_INVALID, "base_score is not a finite number");
        int code = base_margin(objective, bounded, base, &ret->base[g], error);
        if (code)
            return code;
    }
    return OK;
}

static int read_base(yyjson_val *root, yyjson_val *param, const struct objective *objective,
                     struct xgboost_learner *ret, struct error *error)
{
    const char *text;
    int code = json_field_text(param, "base_score", "learner_model_param", &text, error);
    if (code)
        return code;
    ret->base = memory_new((size_t)ret->head.groups, sizeof *ret->base);
    if (!ret->base)
        return error_set(error, CODE_MEMORY, "no memory for the model");
    yyjson_read_err problem;
    yyjson_doc *document = yyjson_read_opts((char *)text, strlen(text), JSON_FIELD_FLAGS, NULL, &problem);
    code = read_base_values(yyjson_doc_get_root(document), objective, bounds_base(root), ret, error);
    yyjson_doc_free(document);
    if (code)
        error_prefix(error, "base_score \"%.100s\"", text);
    return code;
}

static int read_param(yyjson_val *param, const struct objective *objective, struct forest_head *ret,
                      struct error *error)
{
    int64_t classes = 0, targets = 1, features = 0;
    int code = OK;
    if (yyjson_obj_get(param, "num_class"))
        code = json_field_count(param, "num_class", "learner_model_param", 0, LIMIT_MODEL_OUTPUTS, &classes,
                                error);
    if (!code && yyjson_obj_get(param, "num_target"))
        code = json_field_count(param, "num_target", "learner_model_param", 0, INT32_MAX, &targets, error);
    if (!code)
        code =
            json_field_count(param, "num_feature", "learner_model_param", 1, LIMIT_COLUMNS, &features, error);
    if (code)
        return code;
    bool multiclass = objective->link == FOREST_SOFTMAX || objective->link == FOREST_ARGMAX;
    if (targets > 1)
        return error_set(error, CODE_UNSUPPORTED,
                         "the model has %lld targets; Shrike scores models with one target",
                         (long long)targets);
    if (multiclass != (classes > 1) && (multiclass || classes > 1))
        return error_set(error, CODE_INVALID, "the model has %lld classes; %s has %s", (long long)classes,
                         objective->name, multiclass ? "at least 2" : "one output");
    *ret = (struct forest_head){.features = (int)features,
                                .groups = multiclass ? (int)classes : 1,
                                .sum = FOREST_SUM_FLOAT,
                                .link = objective->link};
    return OK;
}

static void read_version(yyjson_val *root, char *ret, size_t size)
{
    yyjson_val *version = yyjson_obj_get(root, "version");
    int64_t parts[3];
    for (size_t i = 0; i < 3; i++)
        if (!json_field_integer(yyjson_arr_get(version, i), &parts[i]) || parts[i] < 0 || parts[i] > 9999)
            return;
    snprintf(ret, size, "%d.%d.%d", (int)parts[0], (int)parts[1], (int)parts[2]);
}

int xgboost_learner_read(yyjson_val *root, struct xgboost_learner *ret, struct error *error)
{
    struct xgboost_learner learner = {0};
    const struct objective *objective = NULL;
    yyjson_val *object, *param;
    int code = json_field_object(root, "learner", "model", &object, error);
    if (!code)
        code = json_field_object(object, "gradient_booster", "learner", &learner.booster, error);
    if (!code)
        code = json_field_text(learner.booster, "name", "gradient_booster", &learner.booster_name, error);
    if (!code && !booster_known(learner.booster_name))
        code = error_set(error, CODE_UNSUPPORTED,
                         "booster \"%s\" is not supported; Shrike scores gbtree, dart and gblinear",
                         learner.booster_name);
    if (!code)
        code = read_objective(object, &objective, error);
    if (!code)
        code = json_field_object(object, "learner_model_param", "learner", &param, error);
    if (!code)
        code = read_param(param, objective, &learner.head, error);
    if (!code)
        code = read_base(root, param, objective, &learner, error);
    if (code) {
        xgboost_learner_done(&learner);
        return code;
    }
    learner.names = yyjson_obj_get(object, "feature_names");
    read_version(root, learner.version, sizeof learner.version);
    *ret = learner;
    return OK;
}

void xgboost_learner_done(struct xgboost_learner *learner)
{
    free(learner->base);
    *learner = (struct xgboost_learner){0};
}
