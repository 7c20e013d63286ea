/*
 * Bytes written to and read from somewhere else, piece by piece: what the windows remember, on its way into a
 * snapshot and back. Little-endian, as every machine that Shrike runs on has them.
 *
 * Errors stick: after one, writing does nothing and reading gives zeros, so that it is enough to look at the
 * end, and wherever a number that was read says how much follows.
 *
 * Threads: one owner. Memory: one block of BYTES_BLOCK, allocated at the start.
 */
#ifndef SHRIKE_BASE_BYTES_H
#define SHRIKE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { BYTES_BLOCK = 1 << 18 };

/* Takes all of `size` bytes. */
typedef int bytes_write(void *context, const void *data, size_t size, struct error *error);
/* Gives at most `capacity` bytes; 0 at the end. */
typedef int bytes_read(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error);

struct bytes_out {
    bytes_write *write;
    void *context;
    char *block;
    size_t size;
    int64_t total; /* written so far, with what waits in the block */
    int rc;
    struct error *error; /* filled by the first failure */
};

int bytes_out_init(struct bytes_out *ret, bytes_write *write, void *context, struct error *error);
/* Hands the rest on; how it all went. Also frees the block: call it always. */
int bytes_out_finish(struct bytes_out *out);
void bytes_put(struct bytes_out *out, const void *data, size_t size);

static inline void bytes_put_u8(struct bytes_out *out, uint8_t value)
{
    bytes_put(out, &value, sizeof value);
}

static inline void bytes_put_u32(struct bytes_out *out, uint32_t value)
{
    bytes_put(out, &value, sizeof value);
}

static inline void bytes_put_u64(struct bytes_out *out, uint64_t value)
{
    bytes_put(out, &value, sizeof value);
}

static inline void bytes_put_i64(struct bytes_out *out, int64_t value)
{
    bytes_put(out, &value, sizeof value);
}

struct bytes_in {
    bytes_read *read;
    void *context;
    char *block;
    size_t size, at;
    int64_t total; /* read so far */
    int rc;
    struct error *error;
};

int bytes_in_init(struct bytes_in *ret, bytes_read *read, void *context, struct error *error);
void bytes_in_done(struct bytes_in *in);
/* False at the end (CODE_CORRUPT) and after any failure; data is then zeroed. */
bool bytes_get(struct bytes_in *in, void *data, size_t size);
/* Says what is wrong with what was read; unless something was wrong before. Always false. */
bool bytes_refuse(struct bytes_in *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool bytes_no_memory(struct bytes_in *in);
/* Is there nothing more? Something more is refused. */
bool bytes_at_end(struct bytes_in *in);

static inline uint8_t bytes_get_u8(struct bytes_in *in)
{
    uint8_t value;
    bytes_get(in, &value, sizeof value);
    return value;
}

static inline uint32_t bytes_get_u32(struct bytes_in *in)
{
    uint32_t value;
    bytes_get(in, &value, sizeof value);
    return value;
}

static inline uint64_t bytes_get_u64(struct bytes_in *in)
{
    uint64_t value;
    bytes_get(in, &value, sizeof value);
    return value;
}

static inline int64_t bytes_get_i64(struct bytes_in *in)
{
    int64_t value;
    bytes_get(in, &value, sizeof value);
    return value;
}

#endif
