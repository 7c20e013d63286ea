#include "table/parquet_thrift.h"

#include <assert.h>
#include <string.h>

#include "table/varint.h"

enum { THRIFT_BYTE = 3, SHORT_LIST = 15 };

static void put_byte(struct thrift *thrift, unsigned value)
{
    char byte = (char)value;
    buffer_append(thrift->out, &byte, 1);
}

static void put_varint(struct thrift *thrift, uint64_t value)
{
    uint8_t bytes[VARINT_SIZE];
    size_t size = varint_put(bytes, value);
    buffer_append(thrift->out, (const char *)bytes, size);
}

static void put_field(struct thrift *thrift, int id, unsigned type)
{
    int *last = &thrift->last[thrift->depth - 1];
    assert(id > *last && id - *last <= 15);
    put_byte(thrift, (unsigned)(id - *last) << 4 | type);
    *last = id;
}

void thrift_begin(struct thrift *thrift)
{
    assert(thrift->depth < THRIFT_DEPTH);
    thrift->last[thrift->depth++] = 0;
}

void thrift_end(struct thrift *thrift)
{
    assert(thrift->depth > 0);
    put_byte(thrift, 0);
    thrift->depth--;
}

void thrift_bool(struct thrift *thrift, int id, bool value)
{
    put_field(thrift, id, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_int(struct thrift *thrift, int id, enum thrift_type type, int64_t value)
{
    put_field(thrift, id, type);
    put_varint(thrift, varint_zigzag(value));
}

void thrift_byte(struct thrift *thrift, int id, int8_t value)
{
    put_field(thrift, id, THRIFT_BYTE);
    put_byte(thrift, (uint8_t)value);
}

void thrift_binary(struct thrift *thrift, int id, const void *data, size_t size)
{
    put_field(thrift, id, THRIFT_BINARY);
    put_varint(thrift, size);
    if (size)
        buffer_append(thrift->out, data, size);
}

void thrift_struct(struct thrift *thrift, int id)
{
    put_field(thrift, id, THRIFT_STRUCT);
    thrift_begin(thrift);
}

void thrift_empty(struct thrift *thrift, int id)
{
    thrift_struct(thrift, id);
    thrift_end(thrift);
}

void thrift_list(struct thrift *thrift, int id, enum thrift_type type, int64_t n)
{
    put_field(thrift, id, THRIFT_LIST);
    put_byte(thrift, (n < SHORT_LIST ? (unsigned)n : SHORT_LIST) << 4 | type);
    if (n >= SHORT_LIST)
        put_varint(thrift, (uint64_t)n);
}

void thrift_element_int(struct thrift *thrift, int64_t value)
{
    put_varint(thrift, varint_zigzag(value));
}

void thrift_element_text(struct thrift *thrift, const char *text)
{
    size_t size = strlen(text);
    put_varint(thrift, size);
    buffer_append(thrift->out, text, size);
}
