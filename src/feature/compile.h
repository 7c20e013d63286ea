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
 * One meaning has one form: what ROWS says from an unbounded start to the current row, or to the one before
 * it, is RANGE; exclusive (EXCLUDE CURRENT ROW: all of it but e) is only set where a RANGE frame ends at the
 * current row, elsewhere it has no effect or moves the end of ROWS by one.
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
    int n_parts;         /* of a plan that plan_join made; else 0 */
    int *first_features; /* n_parts + 1: the first feature of each part, and their number */
    struct expr *where;  /* BOOLEAN over the event's columns: others enter no window; NULL: all are wanted */
    bool has_text;       /* a feature is VARCHAR: its column is written from front to back */
    char **warnings;
    size_t n_warnings, warnings_capacity;
    char *time_sql, *where_sql; /* over a relation e of events; where_sql: NULL without WHERE */
    char *oracle; /* the features as correlated subqueries over "shrike_events", for DuckDB */
};

/* What a call over a window becomes. */
struct aggregation {
    enum aggregate aggregate;
    bool skips_nulls; /* FIRST and LAST: events whose argument is NULL do not count */
    bool is_lag;      /* FIRST of the one row that lies so many rows back */
};

/* What BOUND_REF i means in the operator at hand. */
struct input {
    struct expr *expr;  /* NULL: no column of the events, as a row number */
    struct expr *known; /* inside of windows, where a late column that is NULL is its DEFAULT; NULL: expr */
    char *sql, *member_sql; /* for the oracle: of the event e, and of an event p in a window of it */
    bool refused; /* its error is among the findings: what uses it has none of its own */
};

/* The oracle's query as it grows: WITH parts, one per operator of windows, and the features. */
struct oracle {
    struct buffer with, features, where; /* where: over a relation e that has the columns of the events */
    int n_relations, n_windows;
    char relation[48]; /* what the SELECT at hand is over: shrike_events or the last of WITH */
};

/* Binding: bound expressions to struct expr. */
struct binder {
    struct plan *plan;
    struct parsed *parsed;
    struct input *inputs;
    size_t n_inputs, inputs_capacity;
    yyjson_val *select;     /* syntax tree node of the SELECT at hand, */
    struct sites *sites;    /* and where its windows stand in the text */
    const struct cte *ctes; /* what WITH gave a name */
    int depth;              /* of SELECTs inside of SELECTs */
    yyjson_val *item;       /* syntax tree node that errors point at */
    bool in_window;         /* binding what a window aggregates */
    struct plan_findings *findings;
    bool blamed; /* the error at hand is that of a refused input */
    struct oracle oracle;
};

/* Takes note of an error in one item, for which the plan is refused in the end. OK: look at the others. */
int bind_note(struct binder *binder, int rc, const struct error *error);
int bind_expr(struct binder *binder, yyjson_val *bound, int depth, struct expr **ret, struct error *error);
/* The same for a WHEN or a FILTER. */
int bind_condition(struct binder *binder, yyjson_val *bound, int depth, struct expr **ret,
                   struct error *error);
int bind_type(yyjson_val *type, struct type *ret, struct plan *plan, struct error *error);
int bind_type_of(struct binder *binder, yyjson_val *bound, struct type *ret, struct error *error);
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
int bind_add(struct binder *binder, const struct expr *expr, struct expr **ret, struct error *error);
struct expr *bind_intern(struct plan *plan, const struct expr *expr); /* NULL: no memory */
/* The number of what is there already, or is added; -1: no memory. keys stay the plan's. */
int intern_frame(struct group *group, const struct frame *frame);
int intern_slot(struct group *group, const struct slot *slot);
int intern_group(struct plan *plan, struct expr **keys, size_t n, int level);
int intern_window(struct plan *plan, const struct window *window);
bool bind_inputs(struct binder *binder, size_t n); /* makes room; false: no memory */

/* Constants: evaluated once, by DuckDB. */
bool bind_is_constant(yyjson_val *bound);
int bind_constant(struct binder *binder, yyjson_val *bound, struct expr **ret, struct error *error);
int bind_sql_constant(struct binder *binder, const char *sql, const struct type *type, struct expr **ret,
                      struct error *error);
int bind_sql_interval(struct binder *binder, const char *sql, struct expr **ret, struct error *error);
/* The DEFAULT of a column. */
int bind_default(struct binder *binder, const char *fallback, const struct type *type, struct expr **ret,
                 struct error *error);

/* A SELECT from its source up: makes what is below its list the binder's inputs, then calls `list` for the
 * list. `select` is its node in the syntax tree, NULL where the text has none. */
typedef int compile_list(struct binder *binder, yyjson_val *projection, struct error *error);
int compile_select(struct binder *binder, yyjson_val *op, yyjson_val *select, compile_list *list,
                   struct error *error);

/* Windows: adds LOGICAL_WINDOW's expressions to the binder's inputs. */
int compile_windows(struct binder *binder, yyjson_val *op, struct error *error);
/* A window's ORDER BY and frame. */
int compile_order(struct binder *binder, yyjson_val *bound, struct error *error);
int compile_frame(struct binder *binder, yyjson_val *bound, struct frame *ret, struct error *error);
int compile_row_count(struct binder *binder, yyjson_val *bound, int64_t *ret, struct error *error);

/* Finds what a bound window calls, or refuses it with what to write instead. */
int aggregate_find(const struct binder *binder, yyjson_val *bound, struct aggregation *ret,
                   struct error *error);

/* Late columns: one that an expression looks at outside of any window, -1 if none. */
int leakage_column(const struct expr *expr);
/* The same of a slot. */
int leakage_slot_column(const struct slot *slot);
/* Can a window over a late column not follow one that becomes known? What is left of the events that frames
 * without a start have forgotten is the extreme, the first and the last: without the event that it was, there
 * is no saying what it would be. */
bool leakage_is_stuck(const struct plan *plan, const struct window *window);
/* Warns of windows that labels which come later do not reach. */
int leakage_warn(const struct binder *binder, const struct window *window, struct error *error);
/* A late column's delay as "7d" or "24 steps". */
const char *leakage_after_text(const struct late *late, char *text); /* UNITS_TEXT_SIZE */
/* rows: the frame was written with ROWS. */
int leakage_check(const struct binder *binder, const struct slot *slot, const struct frame *frame, bool rows,
                  struct error *error);

/* Where the windows of one SELECT stand in the text. */
int sites_new(yyjson_val *select, struct sites **ret, struct error *error);
void sites_free(struct sites *sites); /* takes NULL */
/* The syntax tree's node of a bound window, once per window in the order of binding; the SELECT's list where
 * none fits. */
yyjson_val *sites_take(struct sites *sites, yyjson_val *bound);

/* The oracle's SQL: of an event column; of a column of an inner SELECT; of an operator's windows, whose
 * subqueries oracle_window makes; of a condition of WHERE; of a feature. */
void oracle_init(struct oracle *ret);
void oracle_done(struct oracle *oracle);
int oracle_column(struct binder *binder, int column, struct input *input, struct error *error);
int oracle_inner(struct binder *binder, yyjson_val *bound, struct input *input, struct error *error);
int oracle_window(struct binder *binder, yyjson_val *bound, const struct aggregation *how,
                  const struct frame *frame, struct input *input, struct error *error);
void oracle_begin_windows(struct oracle *oracle);
void oracle_end_windows(struct oracle *oracle);
int oracle_condition(struct binder *binder, yyjson_val *bound, struct error *error);
int oracle_feature(struct binder *binder, yyjson_val *bound, const char *name, struct error *error);
int oracle_finish(struct binder *binder, struct error *error); /* fills the plan's texts */

int plan_warn(struct plan *plan, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
