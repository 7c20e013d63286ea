/*
 * Models: a forest, a net or a linear model behind one face. Immutable after loading and shared by
 * reference.
 *
 * Rows in: float32, row-major, n x features, NaN = missing. Scores out: float32 probabilities (binary
 * models; of several classes one per class) or values (regression), n x outputs. Threads: every function
 * may be called by many threads at once on one model. Memory: scoring allocates nothing, takes no lock and
 * makes no system call.
 */
#ifndef SHRIKE_MODEL_MODEL_H
#define SHRIKE_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/parallel.h"

struct model;

/* Loads a model that a training library wrote, or Shrike's own linear one: what it is, its bytes say.
 * CODE_CORRUPT: not whole; CODE_INVALID: it contradicts itself (the message names tree and node);
 * CODE_UNSUPPORTED: what Shrike cannot score, by name. */
int model_load(const char *path, struct model **ret, struct error *error);
int model_parse(const char *data, size_t size, struct model **ret, struct error *error);
/* The same, for rows whose columns have these names: where the model has the same names in another order, its
 * features are put into the order of the columns. Where the names differ, or it has none, nothing changes:
 * who checks that says what is missing. */
int model_parse_for(const char *data, size_t size, const char *const *columns, int n, struct model **ret,
                    struct error *error);

/* One class of a model of several as a model with one score: the class's probability, explained by the
 * contributions to its margin. References the model. CODE_INVALID: it has no classes, or not that one.
 * CODE_UNSUPPORTED: it gives the likeliest class and no probabilities. */
int model_of_class(struct model *model, int class, struct model **ret, struct error *error);

/* What a model was read from. */
struct model_format {
    const char *name;   /* "XGBoost JSON" */
    const char *flavor; /* what MLflow calls the library: "xgboost"; "linear" is Shrike's own */
    const char *file;   /* what the file is called in a model version: "model.ubj" */
};
const struct model_format *model_format(const struct model *model);
/* What the file says of the library that wrote it, "3.2.0"; "" where it says nothing. */
const char *model_library_version(const struct model *model);

struct model *model_ref(struct model *model);
void model_unref(struct model *model); /* takes NULL */

const char *model_kind(const struct model *model);   /* "forest", "linear" */
/* What scores it, and why that: of forests "scalar", "avx2" or "avx512" for those whose rows are quantised,
 * "direct" or "plain" where walking the trees as they are is faster; else "scalar". SHRIKE_KERNEL in the
 * environment names the kernel of models that are loaded after it was set. */
const char *model_kernel(const struct model *model);
const char *model_kernel_why(const struct model *model);
/* The kernel of this processor for compiled forests. */
int model_kernel_default(const char **ret, const char **ret_why, struct error *error);
int model_features(const struct model *model);
int model_outputs(const struct model *model); /* scores per row: 1, or one per class */
/* Margins per row: what the outputs are made of and what is explained; differs from the outputs where a score
 * is the number of the likeliest class. */
int model_margins(const struct model *model);
/* Name of feature i, or NULL where the model carries no names. */
const char *model_feature_name(const struct model *model, int i);
/* Whether the model splits feature i by category: its values are codes, whole numbers from 0 on. */
bool model_feature_categorical(const struct model *model, int i);

/* n x outputs scores. XGBoost models: the bits of the library's CPU prediction. */
void model_predict(const struct model *model, const float *rows, size_t n, float *ret_scores);
/* The same bits by the threads of a pool: of a batch that is large enough each takes a part after another. */
void model_predict_spread(const struct model *model, struct parallel *pool, const float *rows, size_t n,
                          float *ret_scores);

/* Contributions to the margins (log odds for binary models): n x margins x (features + 1) doubles, the last
 * of each margin the base value; they sum to the margin. Forests: path-dependent TreeSHAP (Lundberg 2018,
 * Algorithm 2), as XGBoost's pred_contribs. Linear: weight * (value - mean). scratch:
 * model_explain_scratch() bytes, 16-byte aligned. */
size_t model_explain_scratch(const struct model *model);
void model_explain(const struct model *model, const float *rows, size_t n, double *ret_contributions,
                   void *scratch);

/* How much each feature matters to the whole model: `features` structs. Forests, as XGBoost defines them:
 * mean gain and mean cover of the feature's splits, the number of its splits, and the sums of gain and cover
 * over them. Linear: the absolute weight, for all. */
struct importance {
    double gain, cover, weight, total_gain, total_cover;
};
void model_importance(const struct model *model, struct importance *ret);

/* Whether Shrike trains with this objective and booster of XGBoost: it scores more than that. */
bool model_supports(const char *objective, const char *booster);

#endif
