/*
 * What stands in messages in the place of a secret value: a keyed hash, so that equal values can be told to
 * be equal, and nobody without the key can find out by trying which value it was.
 *
 * Threads: a key is read-only once it is read. Memory: none is allocated.
 */
#ifndef SHRIKE_BASE_SECRET_H
#define SHRIKE_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { SECRET_KEY_LEAST = 16, SECRET_KEY_MOST = 4096, SECRET_TEXT_SIZE = 40 };

struct secret_key {
    uint8_t bytes[SECRET_KEY_MOST];
    size_t size; /* 0: there is none */
};

/* The bytes of a file without the end of its last line. CODE_INVALID: fewer than SECRET_KEY_LEAST, or more
 * than SECRET_KEY_MOST. */
int secret_key_read(const char *path, struct secret_key *ret, struct error *error);

/* "hmac:" and 32 hexadecimal digits: the first 128 bits of HMAC-SHA256. Without a key "secret". */
void secret_text(const struct secret_key *key, const void *data, size_t size, char ret[SECRET_TEXT_SIZE]);

#endif
