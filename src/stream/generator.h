/*
 * The generator: simulated payments in order of time, the same for a seed on any machine and with any number
 * of threads, and the same day by day whatever span is asked for (the first 10 days of 100 are the 10 days).
 *
 * Memory: a few days of events at a time (34 bytes an event and day in flight) and the profile's world.
 * Threads: a struct generator belongs to the thread that calls it; with n threads it makes n days at once.
 */
#ifndef SHRIKE_STREAM_GENERATOR_H
#define SHRIKE_STREAM_GENERATOR_H

#include "stream/profile.h"

struct generator_value {
    const char *name; /* of a profile's parameter */
    double value;
};

struct generator_options {
    const char *profile;                  /* its name */
    const struct generator_value *values; /* parameters that differ from their fallback */
    int n_values;
    uint64_t seed;
    int64_t start_us; /* first day, at midnight */
    int64_t days;     /* 1..LIMIT_GENERATOR_DAYS */
    int64_t rows;     /* stops after so many; 0 = all of the days */
    int threads;      /* 0 = 1 */
    bool whole_days;  /* no batch holds events of two days */
};

struct generator;

/* CODE_USAGE names what is wrong: an unknown profile or parameter (with those that exist), a value out of
 * bounds. */
int generator_open(const struct generator_options *options, struct generator **ret, struct error *error);
struct schema *generator_schema(const struct generator *generator); /* borrowed */

/* Replaces the content of `table` (initialised with generator_schema) by the next events, at most
 * LIMIT_BATCH_ROWS; length 0 at the end. */
int generator_next(struct generator *generator, struct table *table, struct error *error);
void generator_close(struct generator *generator); /* takes NULL; ends its threads */

#endif
