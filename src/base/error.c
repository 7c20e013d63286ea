#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The one table of codes. Exit statuses are part of the interface: do not renumber. */
static const struct code_info table[CODE_COUNT] = {
    [OK] = {"ok", 0, 200, 0, false},
    [CODE_MISMATCH] = {"mismatch", 1, 409, 10, false},
    [CODE_USAGE] = {"usage", 2, 400, 3, false},
    [CODE_INVALID] = {"invalid", 3, 400, 3, false},
    [CODE_UNSUPPORTED] = {"unsupported", 4, 501, 12, false},
    [CODE_NOT_FOUND] = {"not_found", 5, 404, 5, false},
    [CODE_CONFLICT] = {"conflict", 6, 409, 6, false},
    [CODE_CORRUPT] = {"corrupt", 7, 500, 15, false},
    [CODE_LIMIT] = {"limit", 8, 429, 8, false},
    [CODE_MEMORY] = {"memory", 9, 503, 8, true},
    [CODE_IO] = {"io", 10, 500, 13, true},
    [CODE_NO_SPACE] = {"no_space", 11, 507, 8, true},
    [CODE_UNAVAILABLE] = {"unavailable", 12, 503, 14, true},
    [CODE_INTERRUPTED] = {"interrupted", 130, 499, 1, true},
    [CODE_INTERNAL] = {"internal", 70, 500, 13, false},
};

const struct code_info *code_info(enum code code)
{
    assert(code >= OK && code < CODE_COUNT);
    return &table[code];
}

void error_clear(struct error *error)
{
    if (error) {
        error->code = OK;
        error->place[0] = 0;
        error->line = 0;
        error->column = 0;
        error->message[0] = 0;
    }
}

int error_set(struct error *error, enum code code, const char *format, ...)
{
    assert(code != OK);
    if (error) {
        error_clear(error);
        error->code = code;
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return (int)code;
}

static enum code code_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return CODE_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return CODE_NO_SPACE;
    case ENOMEM:
        return CODE_MEMORY;
    case EEXIST:
        return CODE_CONFLICT;
    case EINTR:
        return CODE_INTERRUPTED;
    case EFBIG:
        return CODE_LIMIT;
    default:
        return CODE_IO;
    }
}

int error_set_errno(struct error *error, int number, const char *format, ...)
{
    enum code code = code_of_errno(number);
    if (error) {
        char message[ERROR_MESSAGE_SIZE];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
        error_set(error, code, "%s: %s", message, strerror(number));
    }
    return (int)code;
}

void error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return;
    char context[ERROR_MESSAGE_SIZE], message[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    memcpy(message, error->message, sizeof message);
    /* Longer text is cut on purpose: the beginning says the most. */
    enum { SIZE = ERROR_MESSAGE_SIZE };
    size_t used = strnlen(context, SIZE - 3);
    memcpy(error->message, context, used);
    memcpy(error->message + used, ": ", 2);
    size_t rest = strnlen(message, SIZE - 3 - used);
    memcpy(error->message + used + 2, message, rest);
    error->message[used + 2 + rest] = 0;
}

void error_at(struct error *error, const char *place, int64_t line, int64_t column)
{
    if (!error)
        return;
    if (place)
        snprintf(error->place, sizeof error->place, "%s", place);
    error->line = line;
    error->column = column;
}

const char *error_format(const struct error *error, char *buffer, int size)
{
    assert(size > 0);
    size_t room = (size_t)size;
    if (error->place[0] && error->line && error->column)
        snprintf(buffer, room, "%s:%lld:%lld: %s", error->place, (long long)error->line,
                 (long long)error->column, error->message);
    else if (error->place[0] && error->line)
        snprintf(buffer, room, "%s:%lld: %s", error->place, (long long)error->line, error->message);
    else if (error->place[0])
        snprintf(buffer, room, "%s: %s", error->place, error->message);
    else
        snprintf(buffer, room, "%s", error->message);
    return buffer;
}
