/*
 * What stands behind the face of model.h: one struct of callbacks per kind of model. A kind embeds struct
 * model as its first member and fills it when it reads itself from JSON; after that nothing changes any
 * more.
 */
#ifndef SHRIKE_MODEL_KIND_H
#define SHRIKE_MODEL_KIND_H

#include <yyjson.h>

#include "model/model.h"
#include "model/xgboost_learner.h"

enum { MODEL_LIBRARY_SIZE = 32 };

struct model_kind {
    const char *name;
    const char *(*kernel)(const struct model *model); /* NULL: there is one, the scalar one; so for its why */
    const char *(*kernel_why)(const struct model *model);
    void (*predict)(const struct model *model, const float *rows, size_t n, float *ret_scores);
    size_t (*explain_scratch)(const struct model *model); /* NULL: none is needed */
    void (*explain)(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                    void *scratch);
    void (*importance)(const struct model *model, struct importance *ret);
    void (*free)(struct model *model); /* releases the kind's own memory and the struct; model_done first */
};

struct model {
    const struct model_kind *kind;
    int references;
    int features;
    int outputs;       /* scores per row; model_init sets 1 */
    int margins;       /* sums per row that scores come from, each explained by itself; 1 */
    char **names;      /* `features` of them, or NULL */
    bool *categorical; /* by feature, or NULL: none is */
    const struct model_format *format;
    char library[MODEL_LIBRARY_SIZE]; /* the version of what wrote it, or "" */
};

/* The columns of the rows that a model is to take, in their order. */
struct model_columns {
    const char *const *names;
    int n;
};

/* *ret: for each of the model's features the column that has its name; NULL where the names are not the same
 * ones, or already in order. */
int model_order(char *const *names, int features, const struct model_columns *columns, int **ret,
                struct error *error);
/* Puts the names (NULL: none) into that order. False: no memory. */
bool model_names_sort(char **names, int features, const int *order);

/* Sets the face: kind, one reference, features, and the names, which are moved into it (NULL: none). */
void model_init(struct model *model, const struct model_kind *kind, int features, char **names);
void model_done(struct model *model);

/* A copy of a JSON array of strings, one per feature; NULL where there is none or it is empty. */
int model_names_read(yyjson_val *names, int features, char ***ret, struct error *error);
void model_names_free(char **names, int features); /* takes NULL */

/* Each kind reads itself: from the root of the JSON document, or from the learner of an XGBoost model, whose
 * names (or NULL) are moved into it on success; `order` is model_order's. */
int linear_read(yyjson_val *root, struct model **ret, struct error *error);
int gblinear_read(const struct xgboost_learner *learner, char **names, const int *order, struct model **ret,
                  struct error *error);

#endif
