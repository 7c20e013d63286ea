/*
 * Random forests of many shapes and rows that meet their thresholds: what engines and contributions are
 * compared on. Reproducible by the random state.
 */
#ifndef SHRIKE_TESTS_RANDOM_FOREST_H
#define SHRIKE_TESTS_RANDOM_FOREST_H

#include <stdbool.h>
#include <stdint.h>

#include "model/forest/forest.h"

struct forest_random {
    uint64_t state;
};

/* Where missing values go. */
enum forest_missing {
    MISSING_BY_FEATURE, /* to one side for all splits of a feature */
    MISSING_EITHER_WAY, /* left here and right there */
    MISSING_AND_ZEROS   /* the same, and zeros are among them for some splits */
};

/* What a random forest is made of. */
struct forest_shape {
    const char *name;
    int features, trees, depth, groups;
    int thresholds;  /* distinct ones per feature */
    int full;        /* of 100 places above the depth, how many are splits */
    int odd;         /* of 100 splits, how many test equality or membership */
    enum forest_missing missing;
    enum forest_sum sum;
};

enum { FOREST_SHAPES = 28, FOREST_ROWS = 301 };
extern const struct forest_shape forest_shapes[FOREST_SHAPES];

void random_forest(const struct forest_shape *shape, struct forest_random *random, struct forest *ret);
/* FOREST_ROWS of them. */
void random_rows(const struct forest_shape *shape, struct forest_random *random, float *rows);

#endif
