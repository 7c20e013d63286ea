/*
 * What stands behind the face of model.h: one struct of callbacks per kind of model. A kind embeds struct
 * model as its first member and fills it when it reads itself from JSON; after that nothing changes any
 * more.
 */
#ifndef SHRIKE_MODEL_KIND_H
#define SHRIKE_MODEL_KIND_H

#include <yyjson.h>

#include "model/model.h"

struct model_kind {
    const char *name;
    const char *(*kernel)(const struct model *model);
    void (*predict)(const struct model *model, const float *rows, size_t n, float *ret_scores);
    size_t (*explain_scratch)(const struct model *model);
    void (*explain)(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                    void *scratch);
    void (*importance)(const struct model *model, struct importance *ret);
    void (*free)(struct model *model); /* releases the kind's own memory and the struct; model_done first */
};

struct model {
    const struct model_kind *kind;
    int references;
    int features;
    int outputs; /* scores per row; model_init sets 1 */
    int margins; /* sums per row that scores come from, each explained by itself; 1 */
    char **names; /* `features` of them, or NULL */
};

/* Sets the face: kind, one reference, features and a copy of the names (a JSON array of strings; NULL or
 * empty: none). After a failure model_done releases what there is. */
int model_init(struct model *model, const struct model_kind *kind, int features, yyjson_val *names,
               struct error *error);
void model_done(struct model *model);

/* Each kind reads itself from the root of the JSON document. */
int forest_read(yyjson_val *root, struct model **ret, struct error *error);
int linear_read(yyjson_val *root, struct model **ret, struct error *error);

#endif
