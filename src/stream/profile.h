/*
 * A generator profile: a world (who exists, fixed by the seed) and a rule that gives the transactions of one
 * day of it.
 *
 * A day is a function of the world and the day's number alone, so days may be generated in any order and by
 * any number of threads; the generator (generator.h) puts them in order and numbers the rows.
 *
 * Threads: a world is immutable after open and shared; a worker belongs to one thread.
 */
#ifndef SHRIKE_STREAM_PROFILE_H
#define SHRIKE_STREAM_PROFILE_H

#include "table/table.h"

struct profile_parameter {
    const char *name; /* as on the command line, without dashes */
    double fallback, minimum, maximum;
    bool whole; /* a whole number */
    const char *text;
};

enum { PROFILE_PARAMETERS = 16 };

struct profile {
    const char *name, *text;
    const struct profile_parameter *parameters; /* ended by a zeroed one; at most PROFILE_PARAMETERS */

    /* Columns of the events. Column 0 is the id, a BIGINT that day() leaves to the generator; one column
     * is the time (ROLE_TIME, TIMESTAMP); one may be the label (ROLE_LABEL, TINYINT). */
    int (*schema)(struct schema **ret, struct error *error);

    /* values: one per parameter, checked against its bounds. */
    int (*open)(const double *values, uint64_t seed, void **ret_world, struct error *error);
    void (*close)(void *world); /* takes NULL */

    int (*worker_new)(const void *world, void **ret_worker, struct error *error);
    void (*worker_free)(void *worker); /* takes NULL */

    /* Replaces the content of `ret` by the events of day `day` (0 = the first), ordered by time, every
     * column but the id filled. start_us is the first instant of that day. */
    int (*day)(void *worker, uint32_t day, int64_t start_us, struct table *ret, struct error *error);
};

extern const struct profile profile_handbook;

/* All profiles, ended by NULL. */
extern const struct profile *const profiles[];

#endif
