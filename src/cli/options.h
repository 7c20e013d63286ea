/*
 * The command line: one option table per verb feeds parsing, --help, man page, bash completion and docs.
 *
 * A value comes from, in this order: a flag, the environment (SHRIKE_OUT for --out; a list is split at
 * commas), shrike.yaml in the working directory (a mapping per verb, or at top level for all), the option's
 * default. --check-config prints which one won. Every verb has --help, --check-config, and --quiet; they are
 * not in the tables.
 *
 * Threads: arguments are read-only while a verb runs. Memory: texts live as long as the arguments.
 */
#ifndef SHRIKE_CLI_OPTIONS_H
#define SHRIKE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/units.h"

enum option_kind {
    OPTION_FLAG,     /* --json */
    OPTION_TEXT,     /* --out FILE */
    OPTION_LIST,     /* --in FILE... : repeated, or several after one flag up to the next one */
    OPTION_INTEGER,  /* --seed N, within [minimum, maximum] */
    OPTION_REAL,     /* --threshold X, within [minimum, maximum] */
    OPTION_DURATION, /* --delay 7d */
    OPTION_SIZE,     /* --memory 64MiB */
    OPTION_TIME,     /* --from 2018-04-01 */
    OPTION_SPAN,     /* --train FROM..TO */
    OPTION_CHOICE    /* --split time|stratified : one of `argument`, split at | */
};

struct option {
    const char *name;     /* "out", without dashes */
    enum option_kind kind;
    const char *argument; /* as shown: "FILE" */
    const char *fallback; /* default as text, NULL = none */
    const char *text;     /* one or two sentences */
    bool required;
    double minimum, maximum; /* INTEGER and REAL, both 0 = unbounded */
    const char *with;        /* "state", "split=stratified": what this one says nothing without; or NULL */
};

struct arguments;

struct command {
    const char *name;        /* "features" or "models list": a verb of one or two words */
    const char *summary;     /* one line */
    const char *positionals; /* "features.sql", "MODEL", "[NAME]", "MODEL..." or "" */
    int minimum, maximum;    /* number of positionals */
    const char *example;     /* shown by --help; lines separated by \n */
    const struct option *options; /* ended by a zeroed one */
    int (*run)(const struct arguments *arguments, struct error *error);
};

/* All verbs in the order of --help; ended by NULL. Defined in commands.c. */
extern const struct command *const commands[];

/* Values of the verb that runs. `name` must be in its table (asserted). */
bool argument_flag(const struct arguments *arguments, const char *name);
/* Has the option any value, a default included? */
bool argument_given(const struct arguments *arguments, const char *name);
const char *argument_text(const struct arguments *arguments, const char *name); /* NULL = none */
const char *const *argument_list(const struct arguments *arguments, const char *name, int *ret_n);
/* Also DURATION and TIME in microseconds, SIZE in bytes. */
int64_t argument_integer(const struct arguments *arguments, const char *name);
double argument_real(const struct arguments *arguments, const char *name);
struct span argument_span(const struct arguments *arguments, const char *name);
const char *argument_positional(const struct arguments *arguments, int i); /* NULL beyond the last */
int argument_positionals(const struct arguments *arguments);

#endif
