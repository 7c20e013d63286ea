/*
 * From the command line, the environment and shrike.yaml to the arguments of one verb; what options.h hides
 * from verbs.
 *
 * Threads: used by the main thread before the verb runs. Memory: everything hangs on the arena of the
 * arguments.
 */
#ifndef SHRIKE_CLI_PARSE_H
#define SHRIKE_CLI_PARSE_H

#include <stdio.h>

#include "base/memory.h"
#include "cli/options.h"

/* Where a value came from; the highest one wins. */
enum origin { ORIGIN_NONE, ORIGIN_DEFAULT, ORIGIN_SETTINGS, ORIGIN_ENVIRONMENT, ORIGIN_FLAG, ORIGIN_COUNT };

/* One way in which an option was given: its texts (one, except for lists) and the place, for messages. */
struct candidate {
    char **items;
    size_t n, capacity;
    char *place; /* "--seed", "environment SHRIKE_SEED", "shrike.yaml:3" */
};

struct value {
    struct candidate candidates[ORIGIN_COUNT];
    enum origin origin;
    bool flag;
    int64_t integer;
    double real;
    struct span span;
};

struct arguments {
    const struct command *command;
    struct value *values; /* one per option of the command */
    int n_values;
    char **positionals;
    size_t n_positionals, positionals_capacity;
    bool help, check_config, quiet;
    struct arena arena;
};

/* The verb that argv (without the program's name) begins with; *ret_words of it are the verb. NULL with an
 * error that suggests the nearest verb. */
const struct command *command_find(int argc, char *const *argv, int *ret_words, struct error *error);

/* argv holds what follows the verb. The arguments are valid, and must be released, whatever is returned. */
int arguments_parse(struct arguments *arguments, const struct command *command, int argc, char *const *argv,
                    struct error *error);
void arguments_done(struct arguments *arguments);

/* Adds one text to an option of the command from an origin. */
int arguments_add(struct arguments *arguments, int option, enum origin origin, const char *text,
                  const char *place, struct error *error);
int option_count(const struct command *command);
int option_find(const struct command *command, const char *name, size_t n); /* index or -1 */

/* Turns the winning text of an option into its value and checks it. */
int value_read(const struct option *option, struct value *value, struct error *error);

/* settings.c: shrike.yaml of the working directory, if there is one. */
int settings_read(struct arguments *arguments, const char *path, struct error *error);

/* suggest.c: the name of `names` nearest to `text`, NULL where none is near. */
struct suggestion {
    const char *text;
    const char *best;
    int best_distance;
};
void suggestion_start(struct suggestion *suggestion, const char *text);
void suggestion_offer(struct suggestion *suggestion, const char *name);
/* "; did you mean 'best'?" or "". */
const char *suggestion_text(const struct suggestion *suggestion, char *buffer, int size);

/* help.c */
void help_program(FILE *out);
void help_group(FILE *out, const char *word); /* the verbs that begin with `word` */
void help_command(FILE *out, const struct command *command);
void help_settings(FILE *out, const struct arguments *arguments);
bool help_is_group(const char *word);
void help_signature(const struct option *option, char *buffer, int size); /* "--in FILE..." */

/* manual.c: texts generated from the tables. */
void manual_man(FILE *out);
void manual_completion(FILE *out);
void manual_commands(FILE *out); /* docs/commands.md */
void manual_errors(FILE *out);   /* docs/errors.md */

/* version.c */
int version_print(FILE *out, bool json, struct error *error);

#endif
