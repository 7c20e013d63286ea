/*
 * What Shrike's C interfaces share: how a call fails, and the version. features.h and scorer.h include it.
 */
#ifndef SHRIKE_ERROR_H
#define SHRIKE_ERROR_H

#include <stdint.h>

#if defined(__GNUC__)
#define SHRIKE_API __attribute__((visibility("default")))
#else
#define SHRIKE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Why a call failed. The numbers are those with which the program `shrike` exits. */
enum shrike_code {
    SHRIKE_OK = 0,
    SHRIKE_USAGE = 2,   /* an argument or an option cannot be understood */
    SHRIKE_INVALID = 3, /* the plan, the events or the model cannot be used: type, column, leakage, value */
    SHRIKE_UNSUPPORTED = 4, /* understood, but not possible */
    SHRIKE_NOT_FOUND = 5,   /* no such file */
    SHRIKE_CONFLICT = 6,
    SHRIKE_CORRUPT = 7,
    SHRIKE_LIMIT = 8,  /* larger than a limit */
    SHRIKE_MEMORY = 9, /* no memory */
    SHRIKE_IO = 10,    /* the operating system refused */
    SHRIKE_NO_SPACE = 11,
    SHRIKE_UNAVAILABLE = 12,
    SHRIKE_INTERNAL = 70, /* a library failed in a way that Shrike did not expect */
    SHRIKE_INTERRUPTED = 130
};

/* Owned by the caller, who need not initialise it. Filled by a call that fails, untouched by one that does
 * not. */
struct shrike_error {
    int code;           /* what the call returned */
    int64_t line;       /* of the plan file; for events the row of the batch; from 1, 0 = unknown */
    int64_t column;     /* of the plan file, in characters, from 1; 0 = unknown */
    char place[256];    /* the plan's name or path, "events", the model's path, or "" */
    char message[1024]; /* what is wrong and what was expected; UTF-8, zero-terminated */
};

/* "0.1.0"; a string that lives as long as the library. */
SHRIKE_API const char *shrike_version(void);

/* "invalid", "not_found": the name of a code; "unknown" for other numbers. Lives as long as the library. */
SHRIKE_API const char *shrike_code_name(int code);

#ifdef __cplusplus
}
#endif

#endif
