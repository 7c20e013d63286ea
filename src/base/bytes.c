#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bytes_out_init(struct bytes_out *ret, bytes_write *write, void *context, struct error *error)
{
    *ret = (struct bytes_out){.write = write, .context = context, .error = error};
    ret->block = malloc(BYTES_BLOCK);
    return ret->block ? OK : error_set(error, CODE_MEMORY, "no memory for writing");
}

static void hand_on(struct bytes_out *out, const void *data, size_t size)
{
    if (out->rc == OK && size)
        out->rc = out->write(out->context, data, size, out->error);
}

int bytes_out_finish(struct bytes_out *out)
{
    hand_on(out, out->block, out->size);
    free(out->block);
    out->block = NULL;
    return out->rc;
}

void bytes_put(struct bytes_out *out, const void *data, size_t size)
{
    out->total += (int64_t)size;
    if (size > BYTES_BLOCK - out->size) {
        hand_on(out, out->block, out->size);
        out->size = 0;
        if (size > BYTES_BLOCK) {
            hand_on(out, data, size);
            return;
        }
    }
    memcpy(out->block + out->size, data, size);
    out->size += size;
}

int bytes_in_init(struct bytes_in *ret, bytes_read *read, void *context, struct error *error)
{
    *ret = (struct bytes_in){.read = read, .context = context, .error = error};
    ret->block = malloc(BYTES_BLOCK);
    return ret->block ? OK : error_set(error, CODE_MEMORY, "no memory for reading");
}

void bytes_in_done(struct bytes_in *in)
{
    free(in->block);
    in->block = NULL;
}

static bool refill(struct bytes_in *in)
{
    in->at = in->size = 0;
    if (in->rc == OK)
        in->rc = in->read(in->context, in->block, BYTES_BLOCK, &in->size, in->error);
    return in->rc == OK && in->size;
}

bool bytes_get(struct bytes_in *in, void *data, size_t size)
{
    char *to = data;
    size_t left = size;
    while (in->rc == OK && left) {
        if (in->at == in->size && !refill(in)) {
            bytes_refuse(in, "it ends before it should");
            break;
        }
        size_t n = in->size - in->at < left ? in->size - in->at : left;
        memcpy(to, in->block + in->at, n);
        in->at += n;
        to += n;
        left -= n;
        in->total += (int64_t)n;
    }
    if (in->rc != OK)
        memset(data, 0, size);
    return in->rc == OK;
}

bool bytes_refuse(struct bytes_in *in, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (in->rc != OK)
        return false;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    in->rc = error_set(in->error, CODE_CORRUPT, "after %lld bytes: %s", (long long)in->total, text);
    return false;
}

bool bytes_no_memory(struct bytes_in *in)
{
    if (in->rc == OK)
        in->rc = error_set(in->error, CODE_MEMORY, "no memory for what is read");
    return false;
}

bool bytes_at_end(struct bytes_in *in)
{
    if (in->rc == OK && (in->at < in->size || refill(in)))
        return bytes_refuse(in, "there is more than there should be");
    return in->rc == OK;
}
