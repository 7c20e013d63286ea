/*
 * Engines: forests compiled to score fast, with the bits of the walk over the plain nodes (forest_margins).
 *
 * How. A row is quantised once: every feature's value becomes the number of the forest's thresholds of that
 * feature that are not above it, a byte. A split then is one comparison of bytes, exact by construction, for
 * NaN, both zeros, infinities and denormals too, because thresholds are counted on ordered integers and not
 * with floating-point comparisons, which a program may have told to flush denormals.
 *
 * Column: a feature's bytes. A byte counts up to 255 thresholds, so a feature with more has several columns;
 * one whose missing values go left at some splits and right at others has two. At a split with the j-th
 * threshold of its column "left" is byte <= j. Category sets and equality get columns of their own, whose
 * byte says 0 (yes, left) or 1.
 *
 * Trees: those that are full enough are laid out complete, without pointers: leaves above the lowest level
 * are repeated below themselves, behind splits that lead to them either way. Kernels with wide registers pass
 * the first levels, up to ENGINE_TOP, for many rows or trees at once; behind them lies one tile per place:
 *
 * - a tile has 2^steps nodes of 16 bits, column << 8 | threshold, as a heap whose root is node 1 (node 0 is
 *   padding), then 2^steps leaves: of a tree of depth 8 behind 6 levels 24 bytes, so that the rest of a way
 *   is mostly in one cache line;
 * - a packed tile has two steps, whose three splits lie as registers compare them: bytes for the columns,
 *   then the limits, then four leaves;
 * - tops have the splits of the first levels, with thresholds as registers compare them; bundles the same
 *   once more, split after split for 32 trees, for a single row; heads the same as 16-bit nodes, for a single
 *   row through trees that are in no bundle.
 *
 * The scalar kernel has no tops: a tree is one tile. The other trees have nodes with a pointer (struct
 * engine_node).
 *
 * Quantising costs something for each column, whatever the trees look at. Where they are too few for that
 * they are walked over the values (kernel_direct.c).
 *
 * Kernels: one file per instruction set (kernel_*.c), chosen once when a forest is compiled: the best that
 * the processor has, or what SHRIKE_KERNEL names (scalar, avx2, avx512). Threads: an engine is immutable and
 * shared. Memory: compiling allocates; scoring has its rows on the stack.
 */
#ifndef SHRIKE_MODEL_FOREST_ENGINE_H
#define SHRIKE_MODEL_FOREST_ENGINE_H

#include "model/forest/forest.h"
#include "model/forest/shap.h"

enum {
    ENGINE_BLOCK = 64,           /* rows that are quantised and walked together */
    ENGINE_TOP = 6,              /* levels at most that batches evaluate without walking */
    ENGINE_NARROW = 256,         /* columns that a 16-bit node can name; more: wide nodes, no top */
    ENGINE_COLUMNS = 8192,       /* with more, the row's bytes outgrow the stack and the first cache */
    ENGINE_CUTS = 255,           /* of one column */
    ENGINE_CUT_BLOCK = 16,       /* cuts are found by two rounds of 16 comparisons */
    ENGINE_ROW_BYTES = 16 << 10, /* of quantised rows on the stack */
    ENGINE_BUNDLE = 32,          /* trees whose tops one row passes together */
    ENGINE_BUNDLE_LEAST = 6,     /* with fewer, walking each from its root is as fast */
    ENGINE_REGISTER = 16,        /* columns in one register of a bundle's row */
    ENGINE_REGISTERS = 4,        /* with more columns there are no bundles and no packed tiles */
    ENGINE_PACKED = 8,           /* bytes of a packed tile in front of its leaves */
    ENGINE_PACKED_STEPS = 2,
};

enum engine_column_kind { COLUMN_LARGE, COLUMN_SMALL, COLUMN_SPECIAL };

struct engine_column {
    int32_t feature;
    uint8_t kind;
    uint8_t missing_left, zero_missing;
    uint8_t test;  /* COLUMN_SPECIAL: FOREST_EQUAL or FOREST_MEMBER */
    int32_t set;   /* FOREST_MEMBER */
    int32_t equal; /* FOREST_EQUAL: the ordered integer of the value */
    int32_t cuts;  /* where its cuts begin, in units of ENGINE_CUT_BLOCK; a large one's pivots come first */
};

/* A split in a top: where its column lies in a block, and the threshold as kernels compare with it. */
struct engine_top {
    uint32_t offset; /* column * ENGINE_BLOCK */
    uint32_t limit;  /* 254 - threshold, in all four bytes */
};

/* Nodes of trees that are not complete. A leaf leads to itself, at a threshold that no byte passes. */
struct engine_node {
    uint32_t test; /* column << 8 | threshold */
    uint32_t left; /* index of the left child; the right one is next to it */
};

enum engine_tree_kind { TREE_COMPLETE, TREE_PACKED, TREE_LINKED };

struct engine_tree {
    uint8_t kind;
    uint8_t depth; /* of complete trees */
    uint8_t top;   /* levels */
    int32_t group;
    int32_t run; /* this tree and those after it that have the same kind, depth and group */
    size_t tops, heads, tiles, linked, starts; /* where its parts begin in the engine's arrays */
};

/* Trees in a row with tops of one height: what one row passes together. */
struct engine_part {
    int32_t first, trees;
    bool bundled;  /* else each tree is walked from its root */
    size_t splits; /* where the bundle's splits begin: for each the indexes, then the limits */
};

struct forest_kernel;

struct forest_engine {
    const struct forest *forest;
    const struct forest_kernel *kernel; /* NULL: the walk over the plain nodes */
    shap_explain *explain;              /* the kernel's, also where it does not score */
    char why[160];                      /* why this kernel, for people */
    int columns, large, small;          /* large columns come first, then small, then special ones */
    struct engine_column *column;
    int32_t *cuts; /* ordered integers, in blocks of ENGINE_CUT_BLOCK, padded with INT32_MAX */
    size_t stride; /* bytes of a quantised row */
    int trees;
    struct engine_tree *tree; /* by group, within a group in the forest's order */
    int32_t *group_starts;    /* groups + 1 */
    struct engine_part *part;
    int32_t *part_starts; /* groups + 1 */
    size_t alone;         /* so many rows that fill no block are fastest one by one */
    bool packed;          /* bundles, and tiles of two steps as registers take them */
    int registers;        /* that a row's bytes lie in */
    uint8_t *bundles;
    struct engine_top *tops;
    uint16_t *heads;
    uint8_t *tiles;
    struct engine_node *linked; /* nodes of trees that are not complete */
    uint32_t *starts;           /* of linked trees with a top: the node behind each place below it */
    struct direct_node *direct; /* where values are not quantised, instead of these; starts: the roots */
    int32_t *used;              /* features that direct nodes look at */
    int n_used;
    bool wide;                  /* leaves are doubles */
    float *leaves;              /* by node of linked or direct trees, one of the two */
    double *leaves_wide;
};

/* Bytes of a tile's nodes and of the whole tile. The nodes are padded to the alignment of the leaves. */
static inline size_t engine_tile_nodes(int steps, size_t real)
{
    size_t nodes = steps ? (size_t)2 << steps : 0;
    return (nodes + real - 1) / real * real;
}

static inline size_t engine_tile(int steps, size_t real)
{
    return engine_tile_nodes(steps, real) + (real << steps);
}

/* A column as registers fetch its byte: the highest bit says that it is in the second of two. */
static inline uint8_t engine_index(const struct forest_engine *engine, uint32_t column)
{
    if (engine->registers > 2 || column < ENGINE_REGISTER)
        return (uint8_t)column;
    return (uint8_t)(column - ENGINE_REGISTER + 0x80);
}

/* Compiles; the engine refers to the forest, which must outlive it. */
int forest_engine_init(struct forest_engine *engine, const struct forest *forest, struct error *error);
void forest_engine_done(struct forest_engine *engine);

/* n x forest_outputs scores. */
void forest_engine_predict(const struct forest_engine *engine, const float *rows, size_t n,
                           float *ret_scores);

const char *forest_engine_name(const struct forest_engine *engine);

/* The float32 whose bits these are, as an integer in the same order: a < b for numbers as for their integers,
 * and both zeros are 0. */
static inline int32_t engine_key(uint32_t bits)
{
    int32_t magnitude = (int32_t)(bits & 0x7fffffff), sign = -(int32_t)(bits >> 31);
    return (magnitude ^ sign) - sign;
}

/* Columns count the cuts below key + 1, which are those that are not above the key: one comparison does it.
 * A missing value's key + 1 is KEY_MISSING, below all cuts: it goes left. Where it shall go right the cuts
 * and key + 1 are both 1 less, which makes it INT32_MAX. KEY_ZERO is the key of FOREST_ZERO. */
enum { KEY_MISSING = INT32_MIN, KEY_INFINITY = 0x7f800000, KEY_ZERO = 0x0554ad2e };

#endif
