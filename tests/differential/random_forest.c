#include "differential/random_forest.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "model/forest/build.h"

static uint64_t draw(struct forest_random *random, uint64_t below)
{
    return hash_word(++random->state, 29) % below;
}

const struct forest_shape forest_shapes[FOREST_SHAPES] = {
    {"constant", 1, 3, 0, 1, 1, 0, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"stump", 1, 1, 1, 1, 1, 100, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"small", 3, 10, 3, 1, 5, 90, 0, MISSING_AND_ZEROS, FOREST_SUM_DOUBLE},
    {"all depths", 5, 40, 8, 1, 12, 60, 0, MISSING_AND_ZEROS, FOREST_SUM_FLOAT},
    {"typical", 13, 100, 8, 1, 250, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"in double", 28, 50, 7, 1, 100, 97, 0, MISSING_AND_ZEROS, FOREST_SUM_DOUBLE},
    {"many thresholds", 4, 60, 9, 1, 2000, 97, 0, MISSING_AND_ZEROS, FOREST_SUM_FLOAT},
    {"exactly 255", 1, 30, 8, 1, 255, 100, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"exactly 256", 1, 30, 8, 1, 256, 100, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"depth 12", 20, 12, 12, 1, 60, 99, 0, MISSING_AND_ZEROS, FOREST_SUM_FLOAT},
    {"leaf-wise", 20, 40, 30, 1, 60, 70, 0, MISSING_AND_ZEROS, FOREST_SUM_DOUBLE},
    {"three classes", 10, 90, 5, 3, 40, 95, 0, MISSING_AND_ZEROS, FOREST_SUM_FLOAT},
    {"seven classes", 10, 70, 9, 7, 40, 90, 10, MISSING_AND_ZEROS, FOREST_SUM_DOUBLE},
    {"categories", 8, 60, 6, 1, 20, 95, 40, MISSING_AND_ZEROS, FOREST_SUM_FLOAT},
    {"40 columns", 40, 60, 7, 1, 30, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"60 columns", 60, 60, 7, 1, 30, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"28 columns, depth 8", 28, 50, 8, 1, 100, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_DOUBLE},
    {"60 columns, depth 8", 60, 62, 8, 1, 30, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"600 classes", 6, 1200, 2, 600, 20, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"150 columns", 150, 80, 7, 1, 30, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"700 features", 700, 200, 8, 1, 30, 97, 0, MISSING_AND_ZEROS, FOREST_SUM_FLOAT},
    {"2000 features", 2000, 300, 7, 1, 500, 97, 0, MISSING_AND_ZEROS, FOREST_SUM_DOUBLE},
    {"2000 trees", 30, 2000, 6, 1, 100, 97, 0, MISSING_BY_FEATURE, FOREST_SUM_FLOAT},
    {"few trees", 200, 10, 8, 1, 60, 97, 0, MISSING_EITHER_WAY, FOREST_SUM_FLOAT},
    {"few trees, three classes", 300, 12, 7, 3, 40, 90, 0, MISSING_EITHER_WAY, FOREST_SUM_DOUBLE},
    {"few of its features", 1000, 3, 5, 1, 100, 80, 0, MISSING_EITHER_WAY, FOREST_SUM_FLOAT},
    {"1500 features", 1500, 40, 9, 1, 100, 97, 0, MISSING_EITHER_WAY, FOREST_SUM_FLOAT},
    {"few trees, leaf-wise", 90, 12, 20, 1, 100, 70, 0, MISSING_BY_FEATURE, FOREST_SUM_DOUBLE},
};
enum { MOST_ITEMS = 1 << 14, MOST_GROUPS = 600 };

/* Thresholds and values come from the same few numbers, so that they meet. */
static float number(const struct forest_shape *shape, uint64_t feature, uint64_t which)
{
    static const float special[] = {0, -0.0f, 1e-40f, -1e-45f, 1e-35f, 3e38f, -3e38f, 1, 2, 7};
    uint64_t i = which % (uint64_t)shape->thresholds;
    if (i < sizeof special / sizeof special[0] && shape->thresholds > 8)
        return special[i];
    return (float)((double)(hash_word(i, feature) >> 40) * 0x1p-20 - 8);
}

static struct forest_item random_split(const struct forest_shape *shape, struct forest_random *random,
                                       const uint32_t *words)
{
    uint64_t feature = draw(random, (uint64_t)shape->features);
    struct forest_item item = {.test = draw(random, 3) ? FOREST_LESS : FOREST_AT_MOST,
                               .feature = (int64_t)feature,
                               .value = (double)number(shape, feature, draw(random, UINT64_MAX)),
                               .missing_yes = shape->missing ? draw(random, 2) : feature % 2,
                               .zero_missing = shape->missing == MISSING_AND_ZEROS && draw(random, 10) == 0};
    if (draw(random, 100) < (uint64_t)shape->odd) {
        item.test = draw(random, 3) ? FOREST_MEMBER : FOREST_EQUAL;
        item.set = words + draw(random, 3);
        item.set_words = draw(random, 3);
    }
    if (item.test == FOREST_AT_MOST && draw(random, 20) == 0)
        item.value = INFINITY;
    return item;
}

/* Grows a tree in the items and returns how many there are. */
static int64_t random_tree(const struct forest_shape *shape, struct forest_random *random,
                           const uint32_t *words, struct forest_item *items, int *levels)
{
    int64_t n = 1;
    levels[0] = 0;
    items[0].cover = 1 << 20;
    for (int64_t i = 0; i < n; i++) {
        double cover = items[i].cover;
        bool split = levels[i] < shape->depth && n + 2 <= MOST_ITEMS &&
                     draw(random, 100) < (i ? (uint64_t)shape->full : 95);
        if (split)
            items[i] = random_split(shape, random, words);
        else
            items[i] = (struct forest_item){.test = FOREST_LEAF,
                                            .value = ((double)draw(random, 1 << 30) - (1 << 29)) * 0x1.7p-31};
        items[i].cover = cover;
        if (!split)
            continue;
        items[i].yes = n;
        items[i].no = n + 1;
        double left = floor(cover * (double)draw(random, 9) / 8);
        for (int side = 0; side < 2; side++, n++) {
            items[n].cover = side ? cover - left : left;
            levels[n] = levels[i] + 1;
        }
    }
    return n;
}

void random_forest(const struct forest_shape *shape, struct forest_random *random, struct forest *ret)
{
    static const uint32_t words[] = {0x86, 0, 0x80000001, 0x13, 0};
    struct forest_head head = {.features = shape->features,
                               .groups = shape->groups,
                               .sum = shape->sum,
                               .link = FOREST_IDENTITY,
                               .divisor = draw(random, 2) ? 1 : 3,
                               .fractions_of_category = draw(random, 2)};
    double base[MOST_GROUPS] = {0.25, -1, 0.125, 3, 0, 1, 2};
    struct forest_item *items = memory_new(MOST_ITEMS, sizeof *items);
    int *levels = memory_new(MOST_ITEMS, sizeof *levels);
    struct forest_builder builder;
    struct error error = {0};
    int code = forest_builder_init(&builder, &head, base, &error);
    for (int t = 0; !code && t < shape->trees; t++) {
        int64_t n = random_tree(shape, random, words, items, levels);
        code = forest_builder_tree(&builder, items, n, (int64_t)draw(random, (uint64_t)shape->groups), 1,
                                   &error);
    }
    if (code || forest_builder_finish(&builder, ret, &error))
        abort();
    forest_builder_done(&builder);
    free(items);
    free(levels);
}

void random_rows(const struct forest_shape *shape, struct forest_random *random, float *rows)
{
    for (size_t i = 0; i < (size_t)FOREST_ROWS * (size_t)shape->features; i++) {
        uint64_t kind = draw(random, 20);
        float value = number(shape, i % (uint64_t)shape->features, draw(random, UINT64_MAX));
        rows[i] = kind == 0   ? NAN
                  : kind == 1 ? -NAN
                  : kind == 2 ? INFINITY
                  : kind == 3 ? -INFINITY
                  : kind == 4 ? (float)draw(random, 100)
                  : kind == 5 ? -0.5f
                  : kind == 6 ? nextafterf(value, INFINITY)
                  : kind == 7 ? nextafterf(value, -INFINITY)
                  : kind == 8 ? -value
                              : value;
    }
}
