/*
 * What a compiled plan does and costs: its operators, what its windows share, the bytes that it keeps per
 * entity and event, and an estimate of the memory under a load. What is exact (layouts) comes from layout.h,
 * by which the engine works; what is estimated says so.
 *
 * Threads: the result belongs to one thread. Memory: it borrows from the plan, which must live longer.
 */
#ifndef SHRIKE_FEATURE_EXPLAIN_H
#define SHRIKE_FEATURE_EXPLAIN_H

#include "base/memory.h"
#include "feature/plan.h"

/* A stream to estimate for. Events are spread evenly over time and entities; one that is busier than others
 * costs more, but the events that are retained, which are most of the memory, stay the same. */
struct explain_load {
    double events_per_day;
    double steps_per_day;       /* where the event time counts steps */
    double entities;            /* of each PARTITION BY that is not listed */
    const char *const *keys;    /* PARTITION BYs as explain_group.keys has them, */
    const double *key_entities; /* and their numbers of entities */
    int n_keys;
    int64_t dedupe; /* how long ids are kept, in the unit of event times; INT64_MIN: as plan_dedupe says */
};

/* What a window costs per event, its reading included. */
enum explain_cost {
    COST_CONSTANT,  /* nothing ever leaves it, or one event per event */
    COST_AMORTISED, /* as many events leave as enter */
    COST_HASHED,    /* the same, with a table of the different values */
    COST_BISECTED   /* the same, and a search in what may be an extreme */
};
const char *explain_cost_text(enum explain_cost cost);

struct explain_window {
    const char *call, *frame; /* "sum(amount)", "7d .. now" */
    enum explain_cost cost;
    const char **features; /* that use it, itself or through a window of the next level */
    int n_features;
};

struct explain_group {
    const char *keys; /* "customer_id"; "all events" */
    bool keyed;
    int level; /* 1: over results of windows of level 0 */
    int n_frames, n_slots, n_accumulators, n_extremes, n_maps;
    struct explain_window *windows;
    int n_windows;
    const char **shared; /* sentences */
    int n_shared;
    /* Exact. */
    size_t entity_bytes, event_bytes;
    size_t label_bytes; /* per retained event on top, where labels come later (state_options.learns) */
    size_t erasure_bytes; /* the same where events can be erased (state_options.forgets); not both */
    int64_t retain;      /* time (microseconds or steps) an event is kept, without lateness */
    int64_t retain_rows; /* and so many of the last events however old */
    bool lasting;        /* entities stay for ever */
    bool grows;          /* different values are kept for ever, too */
    bool has_texts;      /* texts come on top, each different one once */
    const char *kept;    /* the same in words */
    /* Estimated. */
    double entities; /* that there are */
    double live;     /* that have something retained */
    double retained; /* events */
    double bytes;
};

struct explain_late {
    const char *column, *fallback; /* fallback: its DEFAULT, NULL = none */
    int64_t after_us, after_steps; /* after_steps: 0 where the plan says a duration */
    int n_windows;   /* that read it */
    int64_t nearest; /* the shortest distance of their ends; meaningless without windows */
};

struct explain {
    struct arena arena;
    const char **columns; /* of the events that are read, in their order */
    int n_columns, n_all_columns;
    const char *where; /* NULL = none */
    int n_calls;       /* distinct function calls per event */
    int n_plain;       /* features without a window */
    struct explain_group *groups;
    int n_groups, n_windows;
    struct explain_late *late;
    int n_late;
    double bytes, retained; /* of all groups */
    double ids;             /* that --dedupe keeps; 0 without an id */
    int64_t dedupe;         /* for so long */
    bool steps;
};

enum { EXPLAIN_ID_BYTES = 72 }; /* 40 in order of arrival, the rest in a hash table (score/ids.h) */

int explain_new(const struct plan *plan, const struct explain_load *load, struct explain *ret,
                struct error *error);
void explain_done(struct explain *explain);

#endif
