#include "differential/reborn.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct reading {
    const struct buffer *buffer;
    size_t at;
};

static int write_buffer(void *context, const void *data, size_t size, struct error *error)
{
    struct buffer *buffer = context;
    buffer_append(buffer, data, size);
    return buffer_check(buffer, "a state", error);
}

static int read_buffer(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    (void)error;
    struct reading *reading = context;
    size_t left = reading->buffer->size - reading->at, n = left < capacity ? left : capacity;
    memcpy(data, reading->buffer->data + reading->at, n);
    reading->at += n;
    *ret_size = n;
    return OK;
}

int reborn(struct plan *plan, const struct state_options *options, struct state **state, struct error *error)
{
    struct buffer before, after;
    struct state *new = NULL;
    buffer_init(&before, SIZE_MAX / 2);
    buffer_init(&after, SIZE_MAX / 2);
    struct reading reading = {&before, 0};
    int rc = state_save(*state, write_buffer, &before, error);
    if (rc == OK)
        rc = state_new(plan, options, &new, error);
    if (rc == OK)
        rc = state_load(new, read_buffer, &reading, error);
    if (rc == OK)
        rc = state_save(new, write_buffer, &after, error);
    if (rc == OK && after.size > before.size)
        rc = error_set(error, CODE_MISMATCH, "a state of %zu bytes has %zu once it was loaded", before.size,
                       after.size);
    if (rc == OK) {
        state_free(*state);
        *state = new;
        new = NULL;
    }
    state_free(new);
    buffer_done(&before);
    buffer_done(&after);
    return rc;
}
