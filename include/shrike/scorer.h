/*
 * Scores of rows by a model that a training library wrote: Shrike's C interface.
 *
 *   scorer  a loaded model: XGBoost JSON and UBJSON, LightGBM text, ONNX trees, Shrike's linear models; which
 *           of them a file is, its bytes say
 *
 * Rows: float32, row-major, rows x features without gaps: feature j of row i is rows[i * features + j].
 * Features stand in the model's order. NaN is a missing value; a categorical feature is the number of its
 * category, from 0. Scores: float32, rows x outputs: probabilities of classifiers (0 to 1), values of
 * regressions in the target's unit, as the library's own prediction gives them (of XGBoost models its bits).
 * Rows and scores are the caller's, aligned as floats are; they must not overlap, and nothing keeps a pointer
 * to them.
 *
 * Errors: a function that can fail returns SHRIKE_OK (0) or another shrike_code, and then fills the caller's
 * error (NULL: not wanted) and leaves its outputs untouched. A NULL where a pointer is needed is
 * SHRIKE_USAGE. The library never prints and never exits.
 *
 * Threads: a scorer is immutable after loading. Any number of threads may use one at once, without locks; one
 * thread frees it when no other uses it any more. A call works in the thread that made it: large batches are
 * spread by giving each thread a part of the rows. How rows are cut into calls never shows in the scores.
 * Memory: predicting allocates nothing, takes no lock and makes no system call; explaining neither, where the
 * caller lends it scratch memory. Scoring works on the stack: of a thread that calls it takes up to 64 KiB,
 * with a model of more than 512 outputs 128 KiB, with an ONNX model 256 KiB. Limits: 1 GiB of model, 100,000
 * trees, 4096 outputs.
 *
 * Stability: names, numbers and the meaning of arguments stay within a major version.
 */
#ifndef SHRIKE_SCORER_H
#define SHRIKE_SCORER_H

#include <stddef.h>

#include "shrike/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct shrike_scorer;

/* Loads the model in a file. SHRIKE_NOT_FOUND, SHRIKE_IO: the file; SHRIKE_CORRUPT: it is not whole;
 * SHRIKE_INVALID: it contradicts itself, or is no model (the message names tree and node);
 * SHRIKE_UNSUPPORTED: what Shrike cannot score, by name; SHRIKE_LIMIT: too large; SHRIKE_USAGE: SHRIKE_KERNEL
 * in the environment names no kernel that this processor can run. */
SHRIKE_API int shrike_scorer_load(const char *path, struct shrike_scorer **ret_scorer,
                                  struct shrike_error *error);

/* The same from `size` bytes in memory, which are not needed any more afterwards. */
SHRIKE_API int shrike_scorer_parse(const void *data, size_t size, struct shrike_scorer **ret_scorer,
                                   struct shrike_error *error);

/* Takes NULL. */
SHRIKE_API void shrike_scorer_free(struct shrike_scorer *scorer);

/* "XGBoost JSON", "LightGBM text": what the model was read from. Lives as long as the library. NULL: the
 * scorer is NULL. */
SHRIKE_API const char *shrike_scorer_format(const struct shrike_scorer *scorer);

/* How many values a row has. This and the next two are 1 or more; 0: the scorer is NULL. */
SHRIKE_API int shrike_scorer_features(const struct shrike_scorer *scorer);

/* How many scores a row gets: 1, or one per class. */
SHRIKE_API int shrike_scorer_outputs(const struct shrike_scorer *scorer);

/* How many sums over the trees a row has, each explained by itself: one per class where there are several,
 * even where the only output is the number of the likeliest class. */
SHRIKE_API int shrike_scorer_margins(const struct shrike_scorer *scorer);

/* The name of a feature, from 0, in UTF-8; lives as long as the scorer. NULL: the model has no names, there
 * is no such feature, or the scorer is NULL. */
SHRIKE_API const char *shrike_scorer_feature_name(const struct shrike_scorer *scorer, int feature);

/* 1: the model splits the feature by category; 0: by size, or there is no such feature. */
SHRIKE_API int shrike_scorer_feature_categorical(const struct shrike_scorer *scorer, int feature);

/* Scores n rows (0: rows and scores may be NULL). `features` is how many values the caller's rows have:
 * SHRIKE_INVALID where the model wants another number. ret_scores: n x outputs floats. SHRIKE_LIMIT: no
 * memory could hold so many rows. */
SHRIKE_API int shrike_scorer_predict(const struct shrike_scorer *scorer, const float *rows, size_t n,
                                     int features, float *ret_scores, struct shrike_error *error);

/* The same for one row: `features` floats in, `outputs` floats out. */
SHRIKE_API int shrike_scorer_predict_row(const struct shrike_scorer *scorer, const float *row, int features,
                                         float *ret_scores, struct shrike_error *error);

/* How many bytes of scratch memory explaining needs, for any number of rows; 0: none (as linear models), or
 * the scorer is NULL. */
SHRIKE_API size_t shrike_scorer_scratch(const struct shrike_scorer *scorer);

/*
 * What every feature of n rows contributes to the margins. A margin is what the score is made of, in its unit
 * before the link: log odds for probabilities, the logarithm of the value where the objective has a log link,
 * else the value itself.
 *
 * ret_contributions: n x margins x (features + 1) doubles. The last of each margin is the base: what the
 * model says where nothing is known of the row. All of them together are the margin, within float32's
 * rounding. Trees: exact path-dependent SHAP values, as XGBoost's pred_contribs and LightGBM's pred_contrib.
 * ONNX files need not say how many rows of the training went where: both sides of their splits count the
 * same. Linear models: weight * (value - mean), with XGBoost's a mean of 0.
 *
 * scratch: shrike_scorer_scratch bytes, aligned to 16, as malloc's are, for one call at a time (threads have
 * one each); its content does not matter before or after. NULL: the call allocates its own, which may fail
 * with SHRIKE_MEMORY.
 */
SHRIKE_API int shrike_scorer_explain(const struct shrike_scorer *scorer, const float *rows, size_t n,
                                     int features, double *ret_contributions, void *scratch,
                                     struct shrike_error *error);

#ifdef __cplusplus
}
#endif

#endif
