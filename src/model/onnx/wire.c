#include "model/onnx/wire.h"

#include <string.h>

enum { VARINT_BITS = 70 };

static bool take_varint(struct wire *wire, uint64_t *ret)
{
    uint64_t value = 0;
    for (int shift = 0; shift < VARINT_BITS && wire->at < wire->end; shift += 7) {
        unsigned char byte = *wire->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct wire *wire, size_t width, uint64_t *ret)
{
    if (wire_size(*wire) < width)
        return false;
    *ret = 0;
    for (size_t i = 0; i < width; i++)
        *ret |= (uint64_t)wire->at[i] << (8 * i);
    wire->at += width;
    return true;
}

static bool take_value(struct wire *wire, enum wire_type type, uint64_t *ret)
{
    return type == WIRE_VARINT ? take_varint(wire, ret) : take_fixed(wire, type == WIRE_FIXED64 ? 8 : 4, ret);
}

int wire_next(struct wire *message, struct wire_field *ret)
{
    uint64_t tag, size;
    if (message->at == message->end)
        return 0;
    if (!take_varint(message, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX)
        return -1;
    *ret = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
    switch (tag & 7) {
    case WIRE_VARINT:
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        return take_value(message, ret->type, &ret->value) ? 1 : -1;
    case WIRE_BYTES:
        if (!take_varint(message, &size) || size > wire_size(*message))
            return -1;
        ret->bytes = (struct wire){message->at, message->at + size};
        message->at += size;
        return 1;
    default:
        return -1; /* groups, which nobody writes any more, and what does not exist */
    }
}

bool wire_find(struct wire message, uint32_t number, enum wire_type type, struct wire_field *ret)
{
    struct wire_field field;
    while (wire_next(&message, &field) > 0)
        if (field.number == number && field.type == type) {
            *ret = field;
            return true;
        }
    return false;
}

int wire_next_number(struct wire *message, struct wire *packed, uint32_t number, enum wire_type type,
                     uint64_t *ret)
{
    struct wire_field field;
    for (;;) {
        if (packed->at < packed->end)
            return take_value(packed, type, ret) ? 1 : -1;
        int got = wire_next(message, &field);
        if (got <= 0)
            return got;
        if (field.number != number)
            continue;
        if (field.type == type) {
            *ret = field.value;
            return 1;
        }
        if (field.type != WIRE_BYTES)
            return -1;
        *packed = field.bytes;
    }
}

size_t wire_size(struct wire bytes)
{
    return (size_t)(bytes.end - bytes.at);
}

bool wire_is(struct wire bytes, const char *text)
{
    return wire_size(bytes) == strlen(text) && memcmp(bytes.at, text, wire_size(bytes)) == 0;
}

float wire_float(uint64_t bits)
{
    uint32_t half = (uint32_t)bits;
    float value;
    memcpy(&value, &half, sizeof value);
    return value;
}
