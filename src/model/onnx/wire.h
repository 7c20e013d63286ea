/*
 * Protocol Buffers on the wire, read in place: just the walk over the fields of one message. A message is the
 * bytes between two pointers, a field a number and either a value or bytes, which may be a message again.
 *
 * Written here because what a model needs of the format is this: libprotobuf is C++ and large, protobuf-c
 * unpacks the whole schema of ONNX into objects of its own, and nanopb wants it generated with fixed limits.
 * Nothing is allocated, and nothing outside the given bytes is read.
 */
#ifndef SHRIKE_MODEL_ONNX_WIRE_H
#define SHRIKE_MODEL_ONNX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
    const unsigned char *at, *end;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;    /* of a varint or a fixed one */
    struct wire bytes; /* of WIRE_BYTES */
};

/* 1: the next field of the message; 0: it ends here; -1: it is damaged. */
int wire_next(struct wire *message, struct wire_field *ret);

/* The first field with this number and type, or none; a damaged message has none behind the damage. */
bool wire_find(struct wire message, uint32_t number, enum wire_type type, struct wire_field *ret);

/* Repeated numbers, packed or one by one: the next one of field `number`. `packed` starts zeroed and belongs
 * to the walk. 1, 0 and -1 as wire_next. */
int wire_next_number(struct wire *message, struct wire *packed, uint32_t number, enum wire_type type,
                     uint64_t *ret);

size_t wire_size(struct wire bytes);
bool wire_is(struct wire bytes, const char *text);
float wire_float(uint64_t bits); /* of a WIRE_FIXED32 */

#endif
