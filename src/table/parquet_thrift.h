/*
 * Thrift's compact protocol, written: what page headers and the footer of a Parquet file are in
 * (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). For src/table only.
 *
 * A field's id is written as its distance from the field before it, so fields of a struct come in the order
 * of their ids. A failed append shows in the buffer (buffer_check).
 */
#ifndef SHRIKE_TABLE_PARQUET_THRIFT_H
#define SHRIKE_TABLE_PARQUET_THRIFT_H

#include "base/memory.h"

enum thrift_type {
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_STRUCT = 12
};

enum { THRIFT_DEPTH = 8 };

struct thrift {
    struct buffer *out;
    int last[THRIFT_DEPTH]; /* id of the field last written, of each struct that is open */
    int depth;
};

/* A struct on its own: the outermost one, or the element of a list. */
void thrift_begin(struct thrift *thrift);
void thrift_end(struct thrift *thrift);

void thrift_bool(struct thrift *thrift, int id, bool value);
void thrift_int(struct thrift *thrift, int id, enum thrift_type type, int64_t value); /* I32, I64 */
void thrift_binary(struct thrift *thrift, int id, const void *data, size_t size);
void thrift_byte(struct thrift *thrift, int id, int8_t value);
/* Opens a field that is a struct; thrift_end closes it. */
void thrift_struct(struct thrift *thrift, int id);
/* A field that is a struct without fields: how unions name a case that says everything. */
void thrift_empty(struct thrift *thrift, int id);
/* A list of n elements, which follow: structs by thrift_begin, others by thrift_element_*. */
void thrift_list(struct thrift *thrift, int id, enum thrift_type type, int64_t n);
void thrift_element_int(struct thrift *thrift, int64_t value);
void thrift_element_text(struct thrift *thrift, const char *text);

#endif
