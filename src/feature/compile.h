/*
 * What a compiled plan is made of. Internal to feature/: plan.h is the view of the other rooms.
 *
 *   event columns --> slots and keys (per event) --> groups (state) --> windows --> features
 *
 * A group is what is kept per entity: all windows with the same PARTITION BY share its retained events. A
 * slot is a distinct (argument, FILTER) pair that retained events carry. A frame is a distinct range of time
 * or of rows. A window is an aggregate of a slot over a frame.
 *
 * Windows over windows (features of features): a window whose argument, FILTER or key uses another window's
 * result belongs to a group of level 1, which is taken after all groups of level 0. What its events carry was
 * computed when they were taken and stays.
 */
#ifndef SHRIKE_FEATURE_COMPILE_H
#define SHRIKE_FEATURE_COMPILE_H

#include "base/memory.h"
#include "feature/expr.h"
#include "feature/parse.h"
#include "feature/plan.h"

#define FRAME_UNBOUNDED INT64_MAX

/*
 * RANGE: events with e.ts - start <= p.ts <= e.ts - end; in microseconds, or in steps where the event time is
 * an integer. ROWS: from the start-th event before e in (time, arrival) order to the end-th. start may be
 * FRAME_UNBOUNDED.
 *
 * One meaning has one form: what ROWS says from an unbounded start to the current row is RANGE; exclusive
 * (EXCLUDE CURRENT ROW: all of it but e) is only set where a RANGE frame ends at the current row, elsewhere
 * it has no effect or moves the end of ROWS by one.
 */
enum frame_unit { FRAME_RANGE, FRAME_ROWS };
struct frame {
    enum frame_unit unit;
    bool exclusive;
    int64_t start, end;
};

enum aggregate {
    AGGREGATE_COUNT,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_VAR_POP,
    AGGREGATE_VAR_SAMP,
    AGGREGATE_STDDEV_POP,
    AGGREGATE_STDDEV_SAMP,
    AGGREGATE_DISTINCT, /* count(DISTINCT argument) */
    AGGREGATE_BOOL_OR,  /* of a BOOLEAN slot; the NULL of no value at all apart */
    AGGREGATE_BOOL_AND,
    AGGREGATE_FIRST, /* the slot's value at the first event of the frame that window.rows marks */
    AGGREGATE_LAST
};

/* An event has a slot's mark where FILTER is true and the argument is not NULL. */
struct slot {
    struct expr *argument; /* NULL: count(*) FILTER, only the mark matters */
    struct expr *filter;   /* NULL: none */
    struct type type;      /* of the argument */
    enum rep rep;
};

struct window {
    int group, frame, slot; /* slot -1: every event counts */
    /* FIRST and LAST: the slot whose mark says which events count, -1 every event. With IGNORE NULLS it is
     * `slot` itself; without, a slot of the same FILTER without an argument, and the result is NULL where the
     * event found lacks the mark of `slot`. */
    int rows;
    enum aggregate aggregate;
    struct type type; /* of the result */
    enum rep rep;
};

struct group {
    struct expr **keys;
    struct frame *frames;
    struct slot *slots;
    size_t n_keys, n_frames, n_slots;
    size_t frames_capacity, slots_capacity;
    int level; /* 1: keys or slots use results of windows of level 0 */
};

struct plan {
    int references;
    struct arena arena;
    char *name, *sql, *table_name;
    char hash[65];
    struct schema *events, *features;
    struct late *late; /* events->n; default_sql of the arena */
    int id_column, time_column, label_column;
    bool time_is_step;   /* the event time is an integer */
    int64_t time_scale;  /* column value * time_scale = time: DAY_US for DATE, else 1 */
    struct expr **exprs; /* distinct expressions, arguments before their users */
    size_t n_exprs, exprs_capacity;
    struct group *groups;
    size_t n_groups, groups_capacity;
    struct window *windows;
    size_t n_windows, windows_capacity;
    struct expr **roots; /* one per feature */
    struct expr *where;  /* BOOLEAN over the event's columns: others enter no window; NULL: all are wanted */
    bool has_text;       /* a feature is VARCHAR: its column is written from front to back */
    char **warnings;
    size_t n_warnings, warnings_capacity;
    char *time_sql;
    char *oracle; /* the features as correlated subqueries over "shrike_events", for DuckDB */
};

/* Binding: bound expressions to struct expr. */
struct binder {
    struct plan *plan;
    struct parsed *parsed;
    struct expr **inputs; /* what BOUND_REF i means in the operator at hand */
    char **inputs_sql;    /* the same as SQL, for the oracle */
    size_t n_inputs, inputs_capacity, sql_capacity;
    yyjson_val *item;  /* syntax tree node that errors point at */
    bool default_late; /* inside a window's argument: a late column that is NULL is its DEFAULT */
};

int bind_expr(struct binder *binder, yyjson_val *bound, int depth, struct expr **ret, struct error *error);
/* The same for a WHEN or a FILTER. */
int bind_condition(struct binder *binder, yyjson_val *bound, int depth, struct expr **ret,
                   struct error *error);
int bind_type(yyjson_val *type, struct type *ret, struct plan *plan, struct error *error);
/* Evaluates a bound expression without references, with DuckDB. */
int bind_constant(struct binder *binder, yyjson_val *bound, struct expr **ret, struct error *error);
int bind_sql_constant(struct binder *binder, const char *sql, const struct type *type, struct expr **ret,
                      struct error *error);
bool bind_is_constant(yyjson_val *bound);
/* An error at the item's place, or at the first call of `function` in it if given. */
int bind_refuse(const struct binder *binder, const char *function, enum code code, struct error *error,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
/* name(args) of representations that some kernel takes, DECIMALs and integers widened alike where one of them
 * is WIDE. */
int bind_call(struct binder *binder, const char *name, const struct type *type, struct expr **args, int n,
              struct expr **ret, struct error *error);
/* name(a, b, c, ...) as name(a, name(b, ...)), over list[from..]. */
int bind_fold(struct binder *binder, const char *name, const struct type *type, yyjson_val *list, size_t from,
              int depth, struct expr **ret, struct error *error);
int bind_function(struct binder *binder, yyjson_val *bound, const struct type *type, int depth,
                  struct expr **ret, struct error *error);
int bind_interval(struct binder *binder, const char *sql, struct expr **ret, struct error *error);
int bind_add(struct binder *binder, const struct expr *expr, struct expr **ret, struct error *error);
struct expr *bind_intern(struct plan *plan, const struct expr *expr); /* NULL: no memory */

/* Windows: adds LOGICAL_WINDOW's expressions to the binder's inputs. */
int compile_windows(struct binder *binder, yyjson_val *operator, struct error *error);
int plan_warn(struct plan *plan, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
