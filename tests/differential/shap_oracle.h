/*
 * The published algorithm of TreeSHAP, slow: what the engine's contributions are compared with.
 */
#ifndef SHRIKE_TESTS_SHAP_ORACLE_H
#define SHRIKE_TESTS_SHAP_ORACLE_H

#include "model/forest/forest.h"

size_t shap_oracle_scratch(const struct forest *forest);
/* As model_explain. */
void shap_oracle(const struct forest *forest, const float *rows, size_t n, double *ret_contributions,
                 void *scratch);

#endif
