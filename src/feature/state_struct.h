/* What a state is made of. Internal to feature/: state.h is the view of the other rooms. */
#ifndef SHRIKE_FEATURE_STATE_STRUCT_H
#define SHRIKE_FEATURE_STATE_STRUCT_H

#include "base/parallel.h"
#include "feature/stage.h"
#include "feature/state.h"
#include "feature/strings.h"

enum {
    LEVELS = 2,
    RUN = 512, /* rows per run of an expression program: its vectors stay in the caches, too */
};

struct learning;

struct state {
    struct plan *plan;
    struct state_options options;
    struct parallel *parallel;
    int threads;
    struct program **before[LEVELS], **after; /* one per thread */
    const struct vector ***roots;             /* of `after`, per thread and feature */
    struct staged *groups;
    struct strings *strings; /* texts in keys and windows; NULL where the plan has none */
    int64_t *times, *floors; /* SLICE */
    uint8_t *wanted;         /* SLICE: WHERE is true; NULL without WHERE */
    uint8_t *filtered;       /* per row of the last batch: it is not; NULL without WHERE */
    size_t filtered_capacity;
    uint8_t *marks; /* per row of the last batch: enum state_mark */
    size_t marks_capacity;
    uint8_t *entered; /* per row of the last batch: it is in the windows; NULL unless they learn or forget */
    size_t entered_capacity;
    int64_t arrival; /* number of the next event to arrive */
    struct learning *learning; /* NULL unless options.learns */
    struct vector *windows; /* results of SLICE rows per window */
    int64_t high_water;
    int64_t least_ahead, n_ahead; /* of the events ahead in a row: the earliest time; how many */
    bool started, failed;
    struct state_counters counters;
    int64_t *errors; /* expression errors per thread */
    int64_t *nulls;  /* NULLs per thread and feature, of the slice */
    /* The batch at hand, for the tasks. */
    const struct table *events;
    struct table *features;
    int64_t from, n;
    bool alone; /* the batch is one event, whose features need neither room nor text */
    bool early; /* the part of `after` that needs no window was run */
    int level, where_root;
};

/* Step 2 of the slice at hand (state_order.c). */
void state_order(struct state *state);
/* The values of a time column, where they lie as they are computed with; else NULL. */
const int64_t *state_plain_times(const struct column *column, const struct type *type);

/* What options.learns takes; NULL stays NULL. */
int learning_new(const struct plan *plan, struct learning **ret, struct error *error);
void learning_free(struct learning *learning);
/* The events with NULL for all late columns, until the next call. */
int learning_blind(struct learning *learning, const struct plan *plan, const struct table *events,
                   const struct table **ret, struct error *error);

/* The entities of a group as state_save.c writes them: of each 1 and what it is; 0 behind the last. */
struct bytes_in;
struct bytes_out;
void state_save_entity(const struct layout *layout, const struct entity *entity, struct bytes_out *out);
bool state_load_entities(struct state *state, struct staged *staged, const struct renumbering *texts,
                         struct bytes_in *in);

#endif
