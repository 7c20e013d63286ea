#include "base/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int secret_key_read(const char *path, struct secret_key *ret, struct error *error)
{
    char *text;
    size_t size;
    int rc = file_read(path, SECRET_KEY_MOST + 2, &text, &size, error);
    if (rc != OK)
        return rc;
    while (size && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (size < SECRET_KEY_LEAST || size > SECRET_KEY_MOST)
        rc = error_set(error, CODE_INVALID, "%s: a key of %zu bytes; expected %d to %d", path, size,
                       SECRET_KEY_LEAST, SECRET_KEY_MOST);
    if (rc == OK) {
        memcpy(ret->bytes, text, size);
        ret->size = size;
    }
    memset(text, 0, size);
    free(text);
    return rc;
}

void secret_text(const struct secret_key *key, const void *data, size_t size, char ret[SECRET_TEXT_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    snprintf(ret, SECRET_TEXT_SIZE, "secret");
    if (!key->size || !HMAC(EVP_sha256(), key->bytes, (int)key->size, data, size, digest, &n) || n < 16)
        return;
    snprintf(ret, SECRET_TEXT_SIZE, "hmac:");
    for (int i = 0; i < 16; i++)
        snprintf(ret + 5 + 2 * i, 3, "%02x", digest[i]);
}
