/* Text files that are compiled in (cmake/embed.cmake says which and how). Immutable: any thread may read. */
#ifndef SHRIKE_BASE_EMBEDDED_H
#define SHRIKE_BASE_EMBEDDED_H

#include <stddef.h>

/* One file; arrays of them end with an entry without a name. */
struct embedded_file {
    const char *name;
    const char *data; /* zero-terminated */
    size_t size;
};

#endif
