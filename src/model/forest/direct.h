/* Nodes of trees that are walked over values, and who compiles them; kernel_direct.c walks them. */
#ifndef SHRIKE_MODEL_FOREST_DIRECT_H
#define SHRIKE_MODEL_FOREST_DIRECT_H

#include "model/forest/kernel.h"

struct direct_node {
    int32_t cut; /* right where it is below the value's key + 1; both 1 less where missing values go right */
    uint32_t test; /* number of the feature among the used << 1 | whether missing values go right */
    uint32_t left; /* index of the left child; the right one is next to it. A leaf leads to itself */
};

/* Can every split be asked so? Not of category sets, equality, and zeros that count as missing. A forest of
 * leaves has none to ask. */
bool direct_fits(const struct forest *forest);
/* How many features are used: those that splits look at, or where they are more than half, all of them, which
 * are taken faster. By feature its number among them, unless NULL, or -1. */
int direct_features(const struct forest *forest, int32_t *ret_numbers);
/* The forest's trees in the order of `numbers`: engine->direct, starts and leaves. */
int direct_compile(struct forest_engine *engine, const int32_t *numbers, struct error *error);

#endif
