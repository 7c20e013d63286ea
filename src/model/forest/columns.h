/*
 * Columns: what the values of a row are counted against (engine.h), made from all splits of a forest.
 */
#ifndef SHRIKE_MODEL_FOREST_COLUMNS_H
#define SHRIKE_MODEL_FOREST_COLUMNS_H

#include "model/forest/engine.h"

/* Where a split of the forest is decided: by node of the forest; unset for leaves. */
struct split_place {
    int32_t column;
    uint8_t threshold; /* left iff the column's byte is not above it */
};

/* Fills the engine's columns and cuts, and a place per node of the forest in `places`. CODE_LIMIT: more than
 * ENGINE_COLUMNS; the engine then has none. */
int engine_columns(struct forest_engine *engine, const struct forest *forest, struct split_place *places,
                   struct error *error);

#endif
