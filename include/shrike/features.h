/*
 * Window features of payments, computed event by event: Shrike's C interface.
 *
 *   plan    a compiled features.sql: which columns events have, which features come out
 *   state   what the windows of a plan remember of the events taken so far
 *
 * A program compiles a plan once, makes a state, and hands it batches of events in the order in which they
 * arrived. It gets one row of features per event. How the stream is cut into batches never shows in the
 * result: a batch of one and a batch of a million give the same bits, and those are the bits of `shrike
 * features` over the same rows.
 *
 * Batches travel by the Arrow C Data Interface (https://arrow.apache.org/docs/format/CDataInterface.html),
 * which pyarrow, Polars, DuckDB, arrow-rs and others speak; examples/c and examples/python show both ends.
 *
 * Errors: a function that can fail returns SHRIKE_OK (0) or another shrike_code, and then fills the caller's
 * error (NULL: not wanted) and leaves its outputs untouched. The library never prints, never exits and
 * installs no signal handler. Pointers must not be NULL unless said.
 *
 * Threads: a plan is immutable and may be used by any number of threads at once. A state belongs to one
 * caller at a time; inside, a batch may be spread over threads of its own. States know nothing of each other.
 * Memory: a state grows with the entities and events that its windows retain, and keeps room for its largest
 * batch. Limits: 1 MiB of SQL, 4096 columns, 2^31 - 1 rows and 2 GiB of text per column and batch, 1 MiB per
 * text, 256 threads.
 *
 * Stability: names, numbers and the meaning of members stay within a major version; members are only added to
 * shrike_options, which carries its size.
 */
#ifndef SHRIKE_FEATURES_H
#define SHRIKE_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#include "shrike/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The two structs of the Arrow C Data Interface; the guard is the interface's own: any copy will do. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

struct shrike_plan;

/* Compiles `size` bytes of SQL (a CREATE TABLE for the events, COMMENTs, one SELECT for the features). `name`
 * stands for the file in errors, which carry line and column. Takes some 100 ms: DuckDB parses and types the
 * text. Any thread. */
SHRIKE_API int shrike_plan_compile(const char *sql, size_t size, const char *name,
                                   struct shrike_plan **ret_plan, struct shrike_error *error);

/* The same from a file. */
SHRIKE_API int shrike_plan_load(const char *path, struct shrike_plan **ret_plan, struct shrike_error *error);

/* Takes NULL. States made from the plan stay good. */
SHRIKE_API void shrike_plan_free(struct shrike_plan *plan);

/* The columns that events have (the CREATE TABLE) and the features that come out (the SELECT), in order, as a
 * struct ("+s") with one child per column. The caller releases it: schema.release(&schema). A DOUBLE is g, an
 * ENUM a dictionary of text. Late columns (labels) may be absent from events or NULL: windows then count them
 * as their DEFAULT. */
SHRIKE_API int shrike_plan_events(const struct shrike_plan *plan, struct ArrowSchema *ret_schema,
                                  struct shrike_error *error);
SHRIKE_API int shrike_plan_features(const struct shrike_plan *plan, struct ArrowSchema *ret_schema,
                                    struct shrike_error *error);

/* The n-th (from 0) of the things that are allowed but deserve a look, as text that lives as long as the
 * plan; NULL: there are no more. */
SHRIKE_API const char *shrike_plan_warning(const struct shrike_plan *plan, int n);

/* What an integer counts that stands where the plan has a TIMESTAMP, since 1970-01-01 UTC. Never guessed. */
enum shrike_time_unit {
    SHRIKE_TIME_REFUSED = 0, /* integers are an error there; Arrow's timestamps say their unit themselves */
    SHRIKE_TIME_S = 1,
    SHRIKE_TIME_MS = 2,
    SHRIKE_TIME_US = 3
};

/* How a state works. Set all to zero, then size; zero is the default of every member. */
struct shrike_options {
    size_t size;         /* sizeof(struct shrike_options) */
    int threads;         /* for one batch: 0 = 1, at most 256; the result is the same for any number */
    int time_unit;       /* enum shrike_time_unit */
    int64_t lateness_us; /* how far behind the newest event another may be and still enter the windows */
    int strict; /* not 0: an expression that cannot be computed (overflow, domain) fails the batch instead of
                   making that feature NULL */
    int64_t memory; /* bytes that windows may take; 0 = no limit */
};

struct shrike_state;

/* A state that has taken no event. options NULL: all defaults. */
SHRIKE_API int shrike_state_new(const struct shrike_plan *plan, const struct shrike_options *options,
                                struct shrike_state **ret_state, struct shrike_error *error);

/* Takes NULL. Batches of features that it gave stay good. */
SHRIKE_API void shrike_state_free(struct shrike_state *state);

/*
 * Takes a batch of events, in arrival order, and gives their features: one row per event, in order.
 *
 * Events: a struct array. Columns are found by name (case does not matter), others are ignored. A column that
 * is missing is an error that lists what is missing and what there is. Types are converted where that loses
 * nothing: numbers to wider types, or to narrower ones where every value fits; text to an ENUM (unknown text
 * becomes NULL and is counted); times of any unit to microseconds (nanoseconds are cut, as in files);
 * dictionaries of text to text. All else is an error that names column, row and types. The events are only
 * read. They stay the caller's, who releases them as before, whether the call succeeds or not; the state
 * keeps no pointer into them.
 *
 * Features: both outputs become the caller's, who releases both: schema.release(&schema),
 * array.release(&array). They outlive state and plan, may be moved and may be released by any thread.
 *
 * An event for which the plan's WHERE is not true enters no window. It has a row like any other, whose
 * features are NULL; shrike_state_filtered tells it from others.
 *
 * Beyond `memory` the answer is SHRIKE_LIMIT. It is looked at before every 16384 events, by which the windows
 * may exceed it.
 *
 * On failure no event of the batch was taken, with three exceptions. SHRIKE_MEMORY leaves the state unusable.
 * SHRIKE_LIMIT in a batch of more than 16384 events comes after a multiple of so many: SHRIKE_EVENTS tells.
 * With `strict`, an expression error is found after the windows have taken the batch: its events count as
 * seen (so does a HUGEINT feature of 39 digits, one more than Arrow's decimals hold, strict or not).
 *
 * Cost: O(1) per event and window, amortised (min and max: in proportion to the events in the window), plus
 * some microseconds per call for Arrow's structs.
 */
SHRIKE_API int shrike_state_take(struct shrike_state *state, const struct ArrowSchema *events_schema,
                                 const struct ArrowArray *events, struct ArrowSchema *ret_features_schema,
                                 struct ArrowArray *ret_features, struct shrike_error *error);

/* Per row that the last call of shrike_state_take gave: 1 where the plan's WHERE left the event out, else 0.
 * NULL where the plan has no WHERE. The state's own, until its next call. */
SHRIKE_API const uint8_t *shrike_state_filtered(const struct shrike_state *state);

enum shrike_counter {
    SHRIKE_EVENTS = 0,            /* taken */
    SHRIKE_LATE = 1,              /* of them older than the newest before them */
    SHRIKE_TOO_LATE = 2,          /* of those beyond lateness_us: they have features but entered no window */
    SHRIKE_EXPRESSION_ERRORS = 3, /* features that could not be computed and are NULL */
    SHRIKE_UNKNOWN_ENUMS = 4,     /* texts that are not among their ENUM's values and became NULL */
    SHRIKE_ENTITIES = 5,          /* now */
    SHRIKE_RETAINED = 6,          /* events in windows, now, once per kind of entity */
    SHRIKE_BYTES = 7,             /* of windows, entities and their texts, now */
    SHRIKE_FILTERED = 8           /* events that the plan's WHERE left out */
};

/* Since the state was made; -1 for an unknown counter. Takes time in proportion to the entities. */
SHRIKE_API int64_t shrike_state_counter(const struct shrike_state *state, int counter);

#ifdef __cplusplus
}
#endif

#endif
