/*
 * Errors: one code table for every way Shrike can answer, and one caller-owned struct that carries a message.
 *
 * Every function that can fail returns an `enum code` as int (OK = 0) and takes a `struct error *` as its
 * last argument. On failure it fills the error and leaves its outputs untouched. The library never prints and
 * never exits; the program decides what to do. A NULL error pointer is allowed: the code is still returned.
 *
 * Threads: a struct error belongs to one thread. Memory: nothing is allocated; long messages are cut.
 */
#ifndef SHRIKE_BASE_ERROR_H
#define SHRIKE_BASE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

enum code {
    OK = 0,
    CODE_MISMATCH,    /* a comparison that was asked for found a difference */
    CODE_USAGE,       /* the command line or a setting cannot be understood */
    CODE_INVALID,     /* input that was read but cannot be used: type, missing column, broken row, leakage */
    CODE_UNSUPPORTED, /* understood, but Shrike cannot do it */
    CODE_NOT_FOUND,   /* a file, a model version or a name that does not exist */
    CODE_CONFLICT,    /* exists already, or contradicts what is there */
    CODE_CORRUPT,     /* bytes that are damaged: checksum, truncation */
    CODE_LIMIT,       /* larger than a limit in base/limits.h or one the user gave */
    CODE_MEMORY,      /* no memory */
    CODE_IO,          /* the operating system refused to read or write */
    CODE_NO_SPACE,    /* the disk is full */
    CODE_UNAVAILABLE, /* not now; trying again may help */
    CODE_INTERRUPTED, /* stopped by a signal */
    CODE_INTERNAL,    /* a library failed in a way that Shrike did not expect */
    CODE_COUNT
};

/* What a code means to each kind of caller. */
struct code_info {
    const char *name;  /* as printed in --json: "invalid" */
    int exit_status;   /* of the program */
    int http_status;   /* of the server */
    int grpc_code;     /* of the server */
    bool retriable;    /* may the same request succeed later? */
};

enum { ERROR_MESSAGE_SIZE = 1024, ERROR_PLACE_SIZE = 256 };

struct error {
    enum code code;
    char place[ERROR_PLACE_SIZE]; /* the input file or "" */
    int64_t line;                 /* 1-based line or row of it, 0 = unknown */
    int64_t column;               /* 1-based, 0 = unknown */
    char message[ERROR_MESSAGE_SIZE];
};

const struct code_info *code_info(enum code code);

void error_clear(struct error *error);

/* Fills the error (if any) and returns `code`, so that callers can write `return error_set(...)`. */
int error_set(struct error *error, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same from errno: picks the code (not found, no space, memory, limit, else io) and appends strerror. */
int error_set_errno(struct error *error, int number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the message of an error that is passed up. */
void error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says where in an input the error is. place may be NULL (unchanged), line and column 0 (unknown). */
void error_at(struct error *error, const char *place, int64_t line, int64_t column);

/* "place:line:column: message" into buffer (always terminated); returns buffer. */
const char *error_format(const struct error *error, char *buffer, int size);

#endif
