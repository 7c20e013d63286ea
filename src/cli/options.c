#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/parse.h"

/* ---- what verbs ask ---- */

static const struct value *value_of(const struct arguments *arguments, const char *name)
{
    int i = option_find(arguments->command, name, strlen(name));
    assert(i >= 0);
    return &arguments->values[i];
}

static const struct candidate *winner(const struct value *value)
{
    return &value->candidates[value->origin];
}

bool argument_flag(const struct arguments *arguments, const char *name)
{
    return value_of(arguments, name)->flag;
}

bool argument_given(const struct arguments *arguments, const char *name)
{
    return value_of(arguments, name)->origin != ORIGIN_NONE;
}

const char *argument_text(const struct arguments *arguments, const char *name)
{
    const struct value *value = value_of(arguments, name);
    return value->origin == ORIGIN_NONE ? NULL : winner(value)->items[0];
}

const char *const *argument_list(const struct arguments *arguments, const char *name, int *ret_n)
{
    const struct candidate *list = winner(value_of(arguments, name));
    *ret_n = (int)list->n;
    return (const char *const *)list->items;
}

int64_t argument_integer(const struct arguments *arguments, const char *name)
{
    return value_of(arguments, name)->integer;
}

double argument_real(const struct arguments *arguments, const char *name)
{
    return value_of(arguments, name)->real;
}

struct span argument_span(const struct arguments *arguments, const char *name)
{
    return value_of(arguments, name)->span;
}

const char *argument_positional(const struct arguments *arguments, int i)
{
    assert(i >= 0);
    return (size_t)i < arguments->n_positionals ? arguments->positionals[i] : NULL;
}

int argument_positionals(const struct arguments *arguments)
{
    return (int)arguments->n_positionals;
}

/* ---- from text to value ---- */

static int read_flag(const char *text, bool *ret, struct error *error)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return OK;
        }
    return error_set(error, CODE_USAGE, "'%s' is neither true nor false", text);
}

static int read_integer(const struct option *option, const char *text, int64_t *ret, struct error *error)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end || errno)
        return error_set(error, CODE_USAGE, "'%s' is not an integer", text);
    bool bounded = option->minimum != 0 || option->maximum != 0;
    if (bounded && ((double)number < option->minimum || (double)number > option->maximum))
        return error_set(error, CODE_USAGE, "%s is out of range; expected %.0f to %.0f", text,
                         option->minimum, option->maximum);
    *ret = number;
    return OK;
}

static int read_real(const struct option *option, const char *text, double *ret, struct error *error)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !isfinite(number))
        return error_set(error, CODE_USAGE, "'%s' is not a number", text);
    bool bounded = option->minimum != 0 || option->maximum != 0;
    if (bounded && (number < option->minimum || number > option->maximum))
        return error_set(error, CODE_USAGE, "%s is out of range; expected %g to %g", text, option->minimum,
                         option->maximum);
    *ret = number;
    return OK;
}

static int check_choice(const struct option *option, const char *text, struct error *error)
{
    enum { MOST = 16, SIZE = 64 };
    char names[MOST][SIZE], hint[SIZE + 32];
    struct suggestion suggestion;
    suggestion_start(&suggestion, text);
    int n = 0;
    for (const char *p = option->argument; *p && n < MOST; n++) {
        size_t length = strcspn(p, "|");
        assert(length < SIZE);
        memcpy(names[n], p, length);
        names[n][length] = 0;
        if (strcmp(names[n], text) == 0)
            return OK;
        suggestion_offer(&suggestion, names[n]);
        p += length + (p[length] == '|');
    }
    return error_set(error, CODE_USAGE, "'%s' is not one of %s%s", text, option->argument,
                     suggestion_text(&suggestion, hint, sizeof hint));
}

static int read_kind(const struct option *option, const char *text, struct value *value, struct error *error)
{
    switch (option->kind) {
    case OPTION_FLAG:
        return read_flag(text, &value->flag, error);
    case OPTION_INTEGER:
        return read_integer(option, text, &value->integer, error);
    case OPTION_REAL:
        return read_real(option, text, &value->real, error);
    case OPTION_DURATION:
        return units_duration(text, &value->integer, error);
    case OPTION_SIZE:
        return units_size(text, &value->integer, error);
    case OPTION_TIME:
        return units_time(text, &value->integer, error);
    case OPTION_SPAN:
        return units_span(text, &value->span, error);
    case OPTION_CHOICE:
        return check_choice(option, text, error);
    case OPTION_TEXT:
    case OPTION_LIST:
        if (*text)
            return OK;
        return error_set(error, CODE_USAGE, "is empty; expected %s", option->argument);
    }
    return error_set(error, CODE_INTERNAL, "the option has no kind");
}

int value_read(const struct option *option, struct value *value, struct error *error)
{
    value->origin = ORIGIN_NONE;
    for (int origin = ORIGIN_COUNT - 1; origin > ORIGIN_NONE && value->origin == ORIGIN_NONE; origin--)
        if (value->candidates[origin].n)
            value->origin = (enum origin)origin;
    const struct candidate *candidate = winner(value);
    for (size_t i = 0; i < candidate->n; i++) {
        if (read_kind(option, candidate->items[i], value, error) == OK)
            continue;
        /* Whatever could not be read, it is the command line or a setting that has to change. */
        if (error)
            error->code = CODE_USAGE;
        error_prefix(error, "%s", candidate->place);
        return CODE_USAGE;
    }
    return OK;
}
