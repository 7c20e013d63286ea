#include "shrike/scorer.h"

#include <stdint.h>
#include <stdlib.h>

#include "api/answer.h"
#include "base/memory.h"
#include "model/model.h"

/* What model.h asks of scratch memory. */
enum { SCRATCH_ALIGNMENT = 16 };

struct shrike_scorer {
    struct model *model;
};

static int missing(const char *what, struct error *error)
{
    return error_set(error, CODE_USAGE, "%s is NULL", what);
}

/* Takes the model over. */
static int wrap(struct model *model, struct shrike_scorer **ret, struct error *error)
{
    struct shrike_scorer *scorer = memory_new(1, sizeof *scorer);
    if (!scorer) {
        model_unref(model);
        return error_set(error, CODE_MEMORY, "no memory for a scorer");
    }
    scorer->model = model;
    *ret = scorer;
    return OK;
}

int shrike_scorer_load(const char *path, struct shrike_scorer **ret_scorer, struct shrike_error *error)
{
    struct error inner;
    struct model *model;
    error_clear(&inner);
    int rc = !path         ? missing("path", &inner)
             : !ret_scorer ? missing("ret_scorer", &inner)
                           : model_load(path, &model, &inner);
    if (rc == OK)
        rc = wrap(model, ret_scorer, &inner);
    return api_answer(rc, &inner, error);
}

int shrike_scorer_parse(const void *data, size_t size, struct shrike_scorer **ret_scorer,
                        struct shrike_error *error)
{
    struct error inner;
    struct model *model;
    error_clear(&inner);
    int rc = !data         ? missing("data", &inner)
             : !ret_scorer ? missing("ret_scorer", &inner)
                           : model_parse(data, size, &model, &inner);
    if (rc == OK)
        rc = wrap(model, ret_scorer, &inner);
    return api_answer(rc, &inner, error);
}

void shrike_scorer_free(struct shrike_scorer *scorer)
{
    if (!scorer)
        return;
    model_unref(scorer->model);
    free(scorer);
}

const char *shrike_scorer_format(const struct shrike_scorer *scorer)
{
    return scorer ? model_format(scorer->model)->name : NULL;
}

int shrike_scorer_features(const struct shrike_scorer *scorer)
{
    return scorer ? model_features(scorer->model) : 0;
}

int shrike_scorer_outputs(const struct shrike_scorer *scorer)
{
    return scorer ? model_outputs(scorer->model) : 0;
}

int shrike_scorer_margins(const struct shrike_scorer *scorer)
{
    return scorer ? model_margins(scorer->model) : 0;
}

static bool has_feature(const struct shrike_scorer *scorer, int feature)
{
    return scorer && feature >= 0 && feature < model_features(scorer->model);
}

const char *shrike_scorer_feature_name(const struct shrike_scorer *scorer, int feature)
{
    return has_feature(scorer, feature) ? model_feature_name(scorer->model, feature) : NULL;
}

int shrike_scorer_feature_categorical(const struct shrike_scorer *scorer, int feature)
{
    return has_feature(scorer, feature) && model_feature_categorical(scorer->model, feature);
}

static int check_array(const char *what, const void *array, size_t alignment, struct error *error)
{
    if (!array)
        return missing(what, error);
    if ((uintptr_t)array % alignment)
        return error_set(error, CODE_USAGE, "%s is not aligned to %zu bytes", what, alignment);
    return OK;
}

/* Whether n rows can be meant: their width is the model's, and neither they nor the results (`row_bytes` per
 * row) are larger than an address space. */
static int check_shape(const struct shrike_scorer *scorer, size_t n, int features, size_t row_bytes,
                       struct error *error)
{
    if (!scorer)
        return missing("scorer", error);
    int wanted = model_features(scorer->model);
    if (features != wanted)
        return error_set(error, CODE_INVALID, "rows of %d features, the model has %d", features, wanted);
    size_t widest = (size_t)wanted * sizeof(float);
    if (row_bytes > widest)
        widest = row_bytes;
    if (n > PTRDIFF_MAX / widest)
        return error_set(error, CODE_LIMIT, "%zu rows are more than memory can hold", n);
    return OK;
}

int shrike_scorer_predict(const struct shrike_scorer *scorer, const float *rows, size_t n, int features,
                          float *ret_scores, struct shrike_error *error)
{
    struct error inner;
    error_clear(&inner);
    int rc = check_shape(scorer, n, features, (size_t)shrike_scorer_outputs(scorer) * sizeof(float), &inner);
    if (rc == OK && n > 0)
        rc = check_array("rows", rows, _Alignof(float), &inner);
    if (rc == OK && n > 0)
        rc = check_array("ret_scores", ret_scores, _Alignof(float), &inner);
    if (rc == OK && n > 0)
        model_predict(scorer->model, rows, n, ret_scores);
    return api_answer(rc, &inner, error);
}

int shrike_scorer_predict_row(const struct shrike_scorer *scorer, const float *row, int features,
                              float *ret_scores, struct shrike_error *error)
{
    return shrike_scorer_predict(scorer, row, 1, features, ret_scores, error);
}

size_t shrike_scorer_scratch(const struct shrike_scorer *scorer)
{
    return scorer ? model_explain_scratch(scorer->model) : 0;
}

static int explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                   void *scratch, struct error *error)
{
    void *own = NULL;
    if (!scratch && !(own = memory_aligned(model_explain_scratch(model))))
        return error_set(error, CODE_MEMORY, "no memory to explain rows: %zu bytes of scratch",
                         model_explain_scratch(model));
    model_explain(model, rows, n, ret_contributions, scratch ? scratch : own);
    free(own);
    return OK;
}

int shrike_scorer_explain(const struct shrike_scorer *scorer, const float *rows, size_t n, int features,
                          double *ret_contributions, void *scratch, struct shrike_error *error)
{
    struct error inner;
    error_clear(&inner);
    size_t row_bytes =
        (size_t)shrike_scorer_margins(scorer) * ((size_t)shrike_scorer_features(scorer) + 1) * sizeof(double);
    int rc = check_shape(scorer, n, features, row_bytes, &inner);
    if (rc == OK && n > 0)
        rc = check_array("rows", rows, _Alignof(float), &inner);
    if (rc == OK && n > 0)
        rc = check_array("ret_contributions", ret_contributions, _Alignof(double), &inner);
    if (rc == OK && n > 0 && scratch)
        rc = check_array("scratch", scratch, SCRATCH_ALIGNMENT, &inner);
    if (rc == OK && n > 0)
        rc = explain(scorer->model, rows, n, ret_contributions, scratch, &inner);
    return api_answer(rc, &inner, error);
}
