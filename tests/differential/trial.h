/*
 * One random plan at hand, and what a run of many adds up. A run belongs to one process.
 */
#ifndef SHRIKE_TESTS_TRIAL_H
#define SHRIKE_TESTS_TRIAL_H

#include "differential/coverage.h"
#include "differential/duck_oracle.h"
#include "differential/random_plan.h"
#include "differential/rescan.h"

enum { REASONS = 64 };

struct run {
    uint64_t seed;
    int64_t current; /* the plan at hand, -1 between them: what to look at when the process died */
    int64_t plans, failed, refused;
    int64_t features, values, in_error; /* compared with the state: features; with DuckDB: values, errors */
    int64_t scalars, windows, own_sql, duck_errors; /* features compared with DuckDB, or not for its errors */
    int64_t taught, labels; /* plans with labels that come later, and how many */
    int64_t ahead;          /* events ahead of their time */
    int64_t erased, traced; /* events that were erased; features that kept a trace of one */
    struct coverage coverage;
    struct {
        char text[200];
        int64_t n;
    } reasons[REASONS];
    struct duck duck;
    bool verbose;
};

struct trial {
    struct run *run;
    int64_t number;
    struct random random;
    struct random_plan made;
    char *sql;
    struct plan *plan;
    struct table events;
    struct rescan rescan;
    int64_t max_ahead;
    int64_t errors; /* rows that DuckDB had an error for, of the scalar feature at hand */
    bool failed;
};

/* Says what failed and how to see it again. Only the first failure of a plan is told. */
void trial_fail(struct trial *trial, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One value that differs. */
void trial_differs(struct trial *trial, const char *what, int feature, int64_t row,
                   const struct column *expected, const struct column *found);

/* Equal to the bit, all of it. */
void compare_bits(struct trial *trial, const char *what, const struct table *expected,
                  const struct table *found);
/* Equal to the bit. */
bool same_bits(const struct column *a, const struct column *b, const struct type *type, int64_t i);

/* How far ahead events may be: their own gaps, and whatever clocks are wrong among them, are many or few of
 * its length. */
int64_t trial_max_ahead(struct trial *trial);

/* The state in batches of every size and with several threads against the rescan, to the bit. */
void compare_with_state(struct trial *trial);
/* The same with events that are ahead of their time. */
void compare_ahead(struct trial *trial);
/* The same with labels that come later than their events, where the plan's windows can follow them. */
void compare_learning(struct trial *trial);
void compare_book(struct trial *trial, const struct labels *labels);
/* The same with events that are erased later. */
void compare_erasing(struct trial *trial);
/* DuckDB against the rescan. */
void compare_with_duck(struct trial *trial);

#endif
