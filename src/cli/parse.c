#include "cli/parse.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_SIZE = 96 };

/* ---- finding the verb ---- */

static int verb_words(const struct command *command)
{
    return strchr(command->name, ' ') ? 2 : 1;
}

static bool is_verb(const struct command *command, int argc, char *const *argv)
{
    const char *space = strchr(command->name, ' ');
    if (!space)
        return argc >= 1 && strcmp(command->name, argv[0]) == 0;
    size_t n = (size_t)(space - command->name);
    return argc >= 2 && strlen(argv[0]) == n && memcmp(command->name, argv[0], n) == 0 &&
           strcmp(space + 1, argv[1]) == 0;
}

const struct command *command_find(int argc, char *const *argv, int *ret_words, struct error *error)
{
    for (int i = 0; commands[i]; i++)
        if (is_verb(commands[i], argc, argv)) {
            *ret_words = verb_words(commands[i]);
            return commands[i];
        }
    char written[128], hint[128];
    bool group = help_is_group(argv[0]);
    if (group && argc >= 2 && argv[1][0] != '-')
        snprintf(written, sizeof written, "%s %s", argv[0], argv[1]);
    else
        snprintf(written, sizeof written, "%s", argv[0]);
    struct suggestion suggestion;
    suggestion_start(&suggestion, written);
    for (int i = 0; commands[i]; i++)
        suggestion_offer(&suggestion, commands[i]->name);
    if (group && strcmp(written, argv[0]) == 0)
        error_set(error, CODE_USAGE, "'%s' needs a second word; 'shrike %s --help' lists them", written,
                  written);
    else
        error_set(error, CODE_USAGE, "'%s' is not a verb of shrike%s", written,
                  suggestion_text(&suggestion, hint, sizeof hint));
    return NULL;
}

/* ---- options ---- */

int option_count(const struct command *command)
{
    int n = 0;
    while (command->options && command->options[n].name)
        n++;
    return n;
}

int option_find(const struct command *command, const char *name, size_t n)
{
    for (int i = 0; i < option_count(command); i++)
        if (strlen(command->options[i].name) == n && memcmp(command->options[i].name, name, n) == 0)
            return i;
    return -1;
}

static int out_of_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the command line");
}

int arguments_add(struct arguments *arguments, int option, enum origin origin, const char *text,
                  const char *place, struct error *error)
{
    struct candidate *candidate = &arguments->values[option].candidates[origin];
    char *copy = arena_text(&arguments->arena, text, strlen(text));
    if (!candidate->place)
        candidate->place = arena_text(&arguments->arena, place, strlen(place));
    if (!copy || !candidate->place ||
        !memory_grow(&candidate->items, &candidate->capacity, candidate->n + 1, sizeof copy))
        return out_of_memory(error);
    candidate->items[candidate->n++] = copy;
    return OK;
}

static int unknown_option(const struct command *command, const char *text, struct error *error)
{
    char name[64], hint[128];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
    struct suggestion suggestion;
    suggestion_start(&suggestion, name + strspn(name, "-"));
    for (int i = 0; i < option_count(command); i++)
        suggestion_offer(&suggestion, command->options[i].name);
    static const char *const common[] = {"help", "check-config", "quiet"};
    for (int i = 0; i < 3; i++)
        suggestion_offer(&suggestion, common[i]);
    if (suggestion.best)
        snprintf(hint, sizeof hint, "; did you mean '--%s'?", suggestion.best);
    else
        hint[0] = 0;
    return error_set(error, CODE_USAGE, "'shrike %s' has no option '%s'%s", command->name, name, hint);
}

static bool is_option(const char *text)
{
    return strncmp(text, "--", 2) == 0;
}

/* Reads the option at argv[*i] with its value or values; leaves *i at the last word taken. */
static int read_option(struct arguments *arguments, int argc, char *const *argv, int *i, struct error *error)
{
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    int index = option_find(arguments->command, word, n);
    if (index < 0)
        return unknown_option(arguments->command, argv[*i], error);
    const struct option *option = &arguments->command->options[index];
    char place[PLACE_SIZE];
    snprintf(place, sizeof place, "--%s", option->name);
    if (option->kind != OPTION_LIST && arguments->values[index].candidates[ORIGIN_FLAG].n)
        return error_set(error, CODE_USAGE, "--%s is given twice", option->name);
    if (equals)
        return arguments_add(arguments, index, ORIGIN_FLAG, equals + 1, place, error);
    if (option->kind == OPTION_FLAG)
        return arguments_add(arguments, index, ORIGIN_FLAG, "true", place, error);
    int first = *i + 1;
    while (*i + 1 < argc && !is_option(argv[*i + 1]) && (*i + 1 == first || option->kind == OPTION_LIST)) {
        ++*i;
        int code = arguments_add(arguments, index, ORIGIN_FLAG, argv[*i], place, error);
        if (code)
            return code;
    }
    if (*i < first)
        return error_set(error, CODE_USAGE, "--%s needs a value: %s", option->name, option->argument);
    return OK;
}

static int add_positional(struct arguments *arguments, char *text, struct error *error)
{
    if (!memory_grow(&arguments->positionals, &arguments->positionals_capacity, arguments->n_positionals + 1,
                     sizeof *arguments->positionals))
        return out_of_memory(error);
    arguments->positionals[arguments->n_positionals++] = text;
    return OK;
}

static int read_words(struct arguments *arguments, int argc, char *const *argv, struct error *error)
{
    bool plain = false;
    int code = OK;
    for (int i = 0; i < argc && !code; i++) {
        if (plain || argv[i][0] != '-' || argv[i][1] == 0)
            code = add_positional(arguments, argv[i], error);
        else if (strcmp(argv[i], "--") == 0)
            plain = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            arguments->help = true;
        else if (strcmp(argv[i], "--check-config") == 0)
            arguments->check_config = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            arguments->quiet = true;
        else if (!is_option(argv[i]))
            code = unknown_option(arguments->command, argv[i], error);
        else
            code = read_option(arguments, argc, argv, &i, error);
    }
    return code;
}

/* ---- environment and defaults ---- */

static int read_environment(struct arguments *arguments, int index, struct error *error)
{
    const struct option *option = &arguments->command->options[index];
    char name[PLACE_SIZE], place[PLACE_SIZE + 16];
    int n = snprintf(name, sizeof name, "SHRIKE_%s", option->name);
    for (int i = 0; i < n; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    const char *text = getenv(name);
    if (!text || !*text)
        return OK;
    snprintf(place, sizeof place, "environment %s", name);
    if (option->kind != OPTION_LIST)
        return arguments_add(arguments, index, ORIGIN_ENVIRONMENT, text, place, error);
    int code = OK;
    while (*text && !code) {
        size_t length = strcspn(text, ",");
        char *item = arena_text(&arguments->arena, text, length);
        code = item ? arguments_add(arguments, index, ORIGIN_ENVIRONMENT, item, place, error)
                    : out_of_memory(error);
        text += length + (text[length] == ',');
    }
    return code;
}

static int check_complete(const struct arguments *arguments, struct error *error)
{
    const struct command *command = arguments->command;
    int n = (int)arguments->n_positionals;
    if (n < command->minimum)
        return error_set(error, CODE_USAGE, "'shrike %s' needs %s%s", command->name, command->positionals,
                         n == 0 && arguments->n_values ? " (write it before options that take several values)"
                                                       : "");
    if (n > command->maximum)
        return error_set(error, CODE_USAGE, "'shrike %s' does not expect '%s'%s%s", command->name,
                         arguments->positionals[command->maximum], command->maximum ? " after " : "",
                         command->maximum ? arguments->positionals[command->maximum - 1] : "");
    for (int i = 0; i < arguments->n_values; i++)
        if (command->options[i].required && arguments->values[i].origin == ORIGIN_NONE)
            return error_set(error, CODE_USAGE, "'shrike %s' needs --%s %s", command->name,
                             command->options[i].name, command->options[i].argument);
    return OK;
}

/* Of words of the command line: settings and the environment may be there for other calls. */
static int check_partners(const struct arguments *arguments, struct error *error)
{
    const struct command *command = arguments->command;
    for (int i = 0; i < arguments->n_values; i++) {
        const struct option *option = &command->options[i];
        if (!option->with || arguments->values[i].origin != ORIGIN_FLAG)
            continue;
        size_t n = strcspn(option->with, "=");
        const char *wanted = option->with[n] ? option->with + n + 1 : NULL;
        int other = option_find(command, option->with, n);
        assert(other >= 0);
        const struct value *value = &arguments->values[other];
        if (value->origin == ORIGIN_NONE ||
            (wanted && strcmp(value->candidates[value->origin].items[0], wanted) != 0))
            return error_set(error, CODE_USAGE, "--%s says nothing without --%.*s %s", option->name, (int)n,
                             option->with, wanted ? wanted : command->options[other].argument);
    }
    return OK;
}

int arguments_parse(struct arguments *arguments, const struct command *command, int argc, char *const *argv,
                    struct error *error)
{
    *arguments = (struct arguments){.command = command, .n_values = option_count(command)};
    arguments->values =
        arena_new(&arguments->arena, (size_t)arguments->n_values + 1, sizeof *arguments->values);
    if (!arguments->values)
        return out_of_memory(error);
    int code = read_words(arguments, argc, argv, error);
    if (code || arguments->help)
        return code;
    code = settings_read(arguments, "shrike.yaml", error);
    for (int i = 0; i < arguments->n_values && !code; i++) {
        const struct option *option = &command->options[i];
        code = read_environment(arguments, i, error);
        if (!code && option->fallback)
            code = arguments_add(arguments, i, ORIGIN_DEFAULT, option->fallback, "default", error);
        if (!code)
            code = value_read(option, &arguments->values[i], error);
    }
    if (!code && !arguments->check_config)
        code = check_complete(arguments, error);
    if (!code && !arguments->check_config)
        code = check_partners(arguments, error);
    return code;
}

void arguments_done(struct arguments *arguments)
{
    for (int i = 0; arguments->values && i < arguments->n_values; i++)
        for (int origin = 0; origin < ORIGIN_COUNT; origin++)
            free(arguments->values[i].candidates[origin].items);
    free(arguments->positionals);
    arena_done(&arguments->arena);
    *arguments = (struct arguments){0};
}
