/*
 * Expressions: what the compiler makes of a bound SQL expression, and how it is evaluated.
 *
 * An expression is a DAG of calls over vectors: columns of a batch, window results and constants go in, one
 * vector per expression comes out. Values live in six representations, whatever their SQL type:
 *
 *   REP_BOOLEAN  uint8_t 0 or 1
 *   REP_INT      int64_t   INT8..INT64, UINT8..UINT32, DATE, TIMESTAMP, ENUM codes, DECIMAL up to 18 digits
 *                          (unscaled)
 *   REP_WIDE     __int128  UINT64, HUGEINT, DECIMAL beyond 18 digits (unscaled)
 *   REP_DOUBLE   double    DOUBLE, and FLOAT whose every result is rounded to float: exact, since a double
 *                          holds twice a float's digits and two more, which makes the double rounding of
 *                          + - * / sqrt innocuous
 *   REP_TEXT     struct text, borrowed from the batch, the plan, a dictionary or the program's scratch memory
 *   REP_INTERVAL struct interval: only inside of expressions, no column has it
 *
 * Beside each value stands a state byte: NULL, a value, or an error. An error (overflow, logarithm of zero)
 * makes every result that depends on it an error; where a feature ends as one, it is NULL and counted. An
 * error in a branch of CASE that is not taken does not count, which is why states travel instead of being
 * counted where they arise.
 *
 * Semantics are those of the one DuckDB version that bound the expression; types and casts come from its
 * bound plan.
 */
#ifndef SHRIKE_FEATURE_EXPR_H
#define SHRIKE_FEATURE_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "feature/scratch.h"
#include "table/table.h"

enum rep { REP_BOOLEAN, REP_INT, REP_WIDE, REP_DOUBLE, REP_TEXT, REP_INTERVAL };

enum { STATE_NULL = 0, STATE_VALUE = 1, STATE_ERROR = 2 };

struct text {
    const char *data;
    size_t size;
};

/* DuckDB's INTERVAL: three counts that do not carry over into each other. */
struct interval {
    int32_t months, days;
    int64_t micros;
};

struct vector {
    enum rep rep;
    void *data;     /* capacity values of the representation */
    uint8_t *state; /* capacity bytes */
};

union value {
    uint8_t boolean;
    int64_t integer;
    __int128 wide;
    double real;
    struct text text;
    struct interval interval;
};

size_t rep_width(enum rep rep);
enum rep rep_of_type(const struct type *type);

/* One call of a compiled program: out[i] = f(in[0][i], ...) for i < n. */
struct call {
    void (*run)(const struct call *call, int64_t n);
    struct vector *out;
    const struct vector *in[3];
    enum type_id type; /* of the result: for ranges, FLOAT rounding and casts */
    uint8_t precision, scale; /* of a DECIMAL result */
    enum type_id from, second; /* types of the first and the second input */
    uint8_t from_precision, from_scale; /* of a DECIMAL first input */
    struct scratch *scratch;  /* for new strings */
    const struct dictionary *values; /* of an ENUM first input */
};

enum expr_kind { EXPR_CONSTANT, EXPR_COLUMN, EXPR_WINDOW, EXPR_CALL };

struct expr {
    enum expr_kind kind;
    struct type type;
    enum rep rep;
    int index;        /* EXPR_COLUMN: of the events; EXPR_WINDOW: of the plan's windows */
    bool is_null;     /* EXPR_CONSTANT */
    union value value;
    void (*run)(const struct call *call, int64_t n);
    struct expr *args[3];
    int n_args;
    int depth;        /* longest chain of calls below, this one included */
    bool late;        /* depends on a late column outside of any window */
    int level;        /* 0: no window below it; 1: of level 0; 2: a window of level 1 */
    int id;           /* position in the plan's list of distinct expressions */
};

/* Finds the function that computes DuckDB's `name` over arguments of these representations, or NULL. */
typedef void (*expr_run)(const struct call *call, int64_t n);
expr_run expr_find(const char *name, int n_args, const enum rep *args, enum rep result);

/* The other way round: a name that the call of an EXPR_CALL has (a function may have several), "CAST", "TRY"
 * or "TRY_CAST". */
const char *expr_name(const struct expr *expr);

/* Casts between representations of the same or other types; NULL where it cannot. */
expr_run expr_find_cast(const struct type *from, const struct type *to);

/* A program: distinct expressions in the order of their dependence, for one thread at a time. */
struct program;
/* Compiles `roots` (n of them). capacity: rows per run at most. */
int program_new(struct expr *const *roots, int n, int64_t capacity, struct program **ret,
                struct error *error);
void program_free(struct program *program); /* takes NULL */
/* Evaluates rows [from, from + n) of `events`; window results come from windows[w] (vectors that start at
 * `from`). */
void program_run(struct program *program, const struct table *events, const struct schema *schema,
                 int64_t from, int64_t n, const struct vector *windows, int64_t window_from);
/* The same in two steps: what needs no window, and, with the windows of the same rows, the rest. */
void program_run_early(struct program *program, const struct table *events, const struct schema *schema,
                       int64_t from, int64_t n);
void program_run_late(struct program *program, const struct table *events, const struct schema *schema,
                      int64_t from, int64_t n, const struct vector *windows, int64_t window_from);
/* The vector of root i after a run. */
const struct vector *program_root(const struct program *program, int i);
size_t program_bytes(const struct program *program);

/* Writes n values of a vector to rows [at, at + n) of a column that has room for them and whose bitmap is
 * maintained (column_validity); VARCHAR is appended. Errors become NULL. Counts are added to *nulls and
 * *errors. Two threads may write disjoint rows that share no multiple of 8. False: no memory (VARCHAR only).
 */
bool vector_put(const struct vector *vector, int64_t n, const struct type *type, struct column *column,
                int64_t at, int64_t *nulls, int64_t *errors);
/* The same for a table that is to have one row, without VARCHAR: the columns' lengths and NULLs are set, too.
 * vectors: schema->n of them. */
void vectors_put_row(const struct vector *const *vectors, const struct schema *schema, struct column *columns,
                     int64_t *errors);
/* Loads rows [from, from + n) of a column into a vector. */
void vector_load(const struct column *column, const struct type *type, int64_t from, int64_t n,
                 struct vector *ret);

#endif
