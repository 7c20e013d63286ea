/* Whether a model from elsewhere takes what a plan gives. */
#ifndef SHRIKE_REGISTRY_MATCH_H
#define SHRIKE_REGISTRY_MATCH_H

#include "registry/registry.h"

enum match { MATCH_BY_NAME, MATCH_BY_POSITION };

/* Reads the model with its features in the plan's order. A model that names its features has to name exactly
 * the plan's, in any order; CODE_INVALID lists what is missing, what is too much, and which columns have a
 * type that the model cannot take: categories are codes, so only an ENUM, a BOOLEAN or an integer will do. A
 * model without names takes the plan's columns one after another, as many as it has features. positive_class:
 * of a model of several classes the one that is scored (model_of_class), or NO_CLASS. */
int match_model(const char *data, size_t size, int positive_class, const struct plan *plan,
                struct model **ret, enum match *ret_match, struct error *error);

/* The same without comparing: the model, its features in the order of the plan's where it has the same names.
 */
int match_read(const char *data, size_t size, int positive_class, const struct schema *columns,
               struct model **ret, struct error *error);

#endif
