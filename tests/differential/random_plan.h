/*
 * Random plans of the dialect, and random events for them: what a user could write, leaning towards what goes
 * wrong (ties, late rows, NULL, NaN, infinities, -0.0, values at the ends of their types, frames of no
 * length, events that are no longer retained).
 */
#ifndef SHRIKE_TESTS_RANDOM_PLAN_H
#define SHRIKE_TESTS_RANDOM_PLAN_H

#include "base/memory.h"
#include "differential/random.h"
#include "table/table.h"

/* The first PLAN_WINDOWS items of a plan are windows and nothing else. */
enum { MAX_ITEMS = 16, PLAN_WINDOWS = 12, ITEM_TEXT = 4096 };

/* An argument that cannot be computed now and then, which counts as NULL. The only use of column h. */
#define HAZARD "CAST(h AS TINYINT)"

/* How a feature may be compared with DuckDB. */
enum item_kind {
    ITEM_SCALAR, /* no window: exactly */
    ITEM_WINDOW, /* a window alone: exactly, but for the rounding of sums, means and variances of doubles */
    ITEM_MIXED   /* an expression over windows: exactly, unless some window in it is a double */
};

struct item {
    enum item_kind kind;
    bool inexact; /* computed from windows whose doubles DuckDB rounds differently, or by another library's
                     pow */
    char text[ITEM_TEXT];
};

struct random_plan {
    char *create;       /* CREATE TABLE and COMMENT statements */
    char *with;         /* "WITH inner AS (...)" or nothing */
    char *from;         /* "FROM ...", with WHERE where it has one */
    char *windows;      /* "WINDOW ..." or nothing */
    char *from_scalars; /* the same as `from`, without windows */
    struct item items[MAX_ITEMS];
    int n_items;
    int64_t lateness; /* microseconds or steps */
    int64_t unit;     /* what frames and gaps are multiples of: a second, a day, one step */
    bool in_order;    /* no ties and no late rows: the plan's own SQL is an oracle too */
    int rows;
    const char *time_type;
};

/* `number` says which kinds of windows have their turn. */
void random_plan_make(struct random *random, int64_t number, struct random_plan *ret);
void random_plan_done(struct random_plan *plan);

/* The SELECT of these n items (NULL: all), named f and their number, and what follows. To be freed. */
char *random_plan_select(const struct random_plan *plan, const int *items, int n, const char *tail);
/* The SELECT of items without windows. */
char *random_plan_scalars(const struct random_plan *plan, const int *items, int n, const char *tail);
/* The whole file. */
char *random_plan_sql(const struct random_plan *plan, const int *items, int n);
/* Events of the plan's schema. */
void random_plan_events(struct random *random, const struct random_plan *plan, struct schema *schema,
                        int time_column, struct table *ret);

#endif
