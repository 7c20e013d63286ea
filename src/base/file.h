/*
 * Files that are either whole or absent: written under a staging name beside the final one, flushed to the
 * disk, then renamed; the directory is flushed too. An interrupted program leaves nothing under the final
 * name.
 *
 * Threads: all functions may be called by any thread, on different paths.
 */
#ifndef SHRIKE_BASE_FILE_H
#define SHRIKE_BASE_FILE_H

#include "base/error.h"
#include "base/memory.h"

/* Reads a whole file into a new zero-terminated block, released with free(). CODE_LIMIT beyond `maximum`. */
int file_read(const char *path, size_t maximum, char **ret_data, size_t *ret_size, struct error *error);

/* Writes path atomically and durably. */
int file_write(const char *path, const char *data, size_t size, struct error *error);

/* The staging name for path: "DIR/.NAME.PID.partial". The caller writes it and then calls file_commit or
 * unlink. A device or pipe (/dev/stdout) is its own staging name: it is written directly, commit and guard
 * leave it alone. */
int file_staging(const char *path, char *ret, size_t ret_size, struct error *error);
int file_commit(const char *staging, const char *path, struct error *error);

/* Registers a staging file, or a staging directory, to be removed when the program is stopped by a signal or
 * exits early; forget removes the registration. A directory is removed when it is empty: guard the files in
 * it too. Up to LIMIT_STAGED at once. Any thread. file_clean_up is async-signal-safe: the program calls it
 * from its handler. */
void file_guard(const char *staging);
void file_forget(const char *staging);
void file_clean_up(void);

int file_make_directory(const char *path, struct error *error); /* with parents; exists: OK */
int file_sync_directory(const char *path, struct error *error);

enum { FILE_SHA256_SIZE = 65 };
int file_sha256(const char *path, char ret_hex[FILE_SHA256_SIZE], struct error *error);
void file_sha256_bytes(const void *data, size_t size, char ret_hex[FILE_SHA256_SIZE]);

#endif
