/*
 * yyjson keeps a document as one array of 16-byte values in the order of the text: a container is followed by
 * its members (a key, then its value, in an object) and knows the distance to what follows it. That array is
 * filled here. Offsets are relative, so it may move while it grows.
 */
#include "model/ubjson.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

struct reading {
    char *text; /* a copy, in which strings are given their terminating zero */
    size_t size, at;
    yyjson_val *values;
    size_t n, capacity;
    int depth;
    struct error *error;
};

/* Bytes of one value of a fixed size, 0 for every other marker. */
static size_t width_of(char marker)
{
    switch (marker) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

bool ubjson_recognise(const char *data, size_t size)
{
    return size >= 2 && data[0] == '{' && memchr("iUIlL#$", data[1], 7);
}

static int cut(const struct reading *reading)
{
    return error_set(reading->error, CODE_CORRUPT, "the model is not whole UBJSON: it ends at byte %zu",
                     reading->size);
}

static int unknown(const struct reading *reading, size_t at, const char *expected)
{
    unsigned char marker = (unsigned char)reading->text[at];
    return error_set(reading->error, CODE_CORRUPT,
                     "the model is not whole UBJSON: byte %zu is 0x%02x; expected %s", at, marker, expected);
}

static int take(struct reading *reading, char *ret)
{
    if (reading->at == reading->size)
        return cut(reading);
    *ret = reading->text[reading->at++];
    return OK;
}

/* UBJSON is big-endian. The caller has seen that the bytes are there. */
static uint64_t bits_at(const char *bytes, size_t width)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < width; i++)
        bits = bits << 8 | (unsigned char)bytes[i];
    return bits;
}

static int64_t integer_of(char marker, uint64_t bits)
{
    switch (marker) {
    case 'i':
        return (int8_t)bits;
    case 'I':
        return (int16_t)bits;
    case 'l':
        return (int32_t)bits;
    default:
        return (int64_t)bits; /* 'U' has no sign, 'L' fills all bits */
    }
}

static void fill_number(yyjson_val *value, char marker, const char *bytes)
{
    uint64_t bits = bits_at(bytes, width_of(marker));
    if (marker == 'd') {
        uint32_t half = (uint32_t)bits;
        float number;
        memcpy(&number, &half, sizeof number);
        unsafe_yyjson_set_real(value, (double)number);
    } else if (marker == 'D') {
        double number;
        memcpy(&number, &bits, sizeof number);
        unsafe_yyjson_set_real(value, number);
    } else {
        unsafe_yyjson_set_sint(value, integer_of(marker, bits));
    }
}

/* Room for `more` values, zeroed; the pointer holds until the next call. */
static int add(struct reading *reading, size_t more, yyjson_val **ret)
{
    if (more > LIMIT_MODEL_VALUES - reading->n)
        return error_set(reading->error, CODE_LIMIT, "the model has more than %d values", LIMIT_MODEL_VALUES);
    if (!memory_grow(&reading->values, &reading->capacity, reading->n + more, sizeof *reading->values))
        return error_set(reading->error, CODE_MEMORY, "no memory to read a model of %zu bytes",
                         reading->size);
    *ret = reading->values + reading->n;
    memset(*ret, 0, more * sizeof **ret);
    reading->n += more;
    return OK;
}

/* An integer with its marker: the length of a string or a container. */
static int take_length(struct reading *reading, int64_t *ret)
{
    char marker = 0;
    int code = take(reading, &marker);
    if (code)
        return code;
    size_t width = width_of(marker);
    if (!width || marker == 'd' || marker == 'D')
        return unknown(reading, reading->at - 1, "the type of a length");
    if (reading->size - reading->at < width)
        return cut(reading);
    *ret = integer_of(marker, bits_at(reading->text + reading->at, width));
    reading->at += width;
    return *ret >= 0 ? OK
                     : error_set(reading->error, CODE_CORRUPT,
                                 "the model is not whole UBJSON: a length of %" PRId64 " before byte %zu",
                                 *ret, reading->at);
}

/* A string moves one byte down, over its own length, so that its terminating zero has a place. */
static int take_string(struct reading *reading)
{
    int64_t length = 0;
    yyjson_val *value;
    int code = take_length(reading, &length);
    if (!code && (uint64_t)length > reading->size - reading->at)
        code = cut(reading);
    if (!code)
        code = add(reading, 1, &value);
    if (code)
        return code;
    size_t n = (size_t)length;
    char *string = reading->text + reading->at - 1;
    memmove(string, string + 1, n);
    string[n] = 0;
    unsafe_yyjson_set_strn(value, string, n);
    reading->at += n;
    return OK;
}

static int take_value(struct reading *reading, char marker);

/* `$` type `#` length, then the elements without markers. */
static int take_typed_array(struct reading *reading, size_t *ret_length)
{
    char type = 0, mark = 0;
    int64_t length = 0;
    yyjson_val *values;
    int code = take(reading, &type);
    if (code)
        return code;
    size_t width = width_of(type);
    if (!width)
        return unknown(reading, reading->at - 1, "the type of a number");
    code = take(reading, &mark);
    if (!code && mark != '#')
        code = unknown(reading, reading->at - 1, "'#' before an array's length");
    if (!code)
        code = take_length(reading, &length);
    if (!code && (uint64_t)length > (reading->size - reading->at) / width)
        code = cut(reading);
    if (!code)
        code = add(reading, (size_t)length, &values);
    if (code)
        return code;
    for (size_t i = 0; i < (size_t)length; i++)
        fill_number(&values[i], type, reading->text + reading->at + i * width);
    reading->at += (size_t)length * width;
    *ret_length = (size_t)length;
    return OK;
}

/* Elements with markers, up to `length` of them, or (length < 0) up to the closing mark. */
static int take_members(struct reading *reading, int64_t length, bool keys, size_t *ret_length)
{
    char marker = 0, closing = keys ? '}' : ']';
    int code = OK;
    int64_t i = 0;
    for (; i != length; i++) {
        if (length < 0 && reading->at < reading->size && reading->text[reading->at] == closing) {
            reading->at++;
            break;
        }
        if (keys)
            code = take_string(reading);
        if (!code)
            code = take(reading, &marker);
        if (!code)
            code = take_value(reading, marker);
        if (code)
            return code;
    }
    *ret_length = (size_t)i;
    return OK;
}

static int take_container(struct reading *reading, bool object)
{
    size_t at = reading->n, length = 0;
    int64_t announced = -1;
    yyjson_val *value;
    char mark = 0;
    if (reading->depth == LIMIT_MODEL_NESTING)
        return error_set(reading->error, CODE_LIMIT, "byte %zu: the model is nested deeper than %d",
                         reading->at - 1, LIMIT_MODEL_NESTING);
    int code = add(reading, 1, &value);
    if (!code && reading->at < reading->size)
        mark = reading->text[reading->at];
    if (!code && mark == '$' && object)
        code = unknown(reading, reading->at, "an object without a type of its own");
    if (code)
        return code;
    reading->depth++;
    if (mark == '$') {
        reading->at++;
        code = take_typed_array(reading, &length);
    } else {
        if (mark == '#') {
            reading->at++;
            code = take_length(reading, &announced);
        }
        if (!code)
            code = take_members(reading, announced, object, &length);
    }
    reading->depth--;
    if (code)
        return code;
    value = reading->values + at;
    if (object)
        unsafe_yyjson_set_obj(value, length);
    else
        unsafe_yyjson_set_arr(value, length);
    value->uni.ofs = (reading->n - at) * sizeof *value;
    return OK;
}

static int take_value(struct reading *reading, char marker)
{
    yyjson_val *value;
    size_t width = width_of(marker);
    int code;
    if (width) {
        if (reading->size - reading->at < width)
            return cut(reading);
        code = add(reading, 1, &value);
        if (code)
            return code;
        fill_number(value, marker, reading->text + reading->at);
        reading->at += width;
        return OK;
    }
    switch (marker) {
    case '{':
    case '[':
        return take_container(reading, marker == '{');
    case 'S':
        return take_string(reading);
    case 'T':
    case 'F':
    case 'Z':
        code = add(reading, 1, &value);
        if (code)
            return code;
        if (marker == 'Z')
            unsafe_yyjson_set_null(value);
        else
            unsafe_yyjson_set_bool(value, marker == 'T');
        return OK;
    default:
        return unknown(reading, reading->at - 1, "the type of a value");
    }
}

int ubjson_read(const char *data, size_t size, struct ubjson *ret, struct error *error)
{
    struct reading reading = {.size = size, .error = error};
    char marker = 0;
    reading.text = memory_text(data, size);
    if (!reading.text)
        return error_set(error, CODE_MEMORY, "no memory to read a model of %zu bytes", size);
    int code = take(&reading, &marker);
    if (!code)
        code = take_value(&reading, marker);
    if (!code && reading.at != size)
        code = error_set(error, CODE_CORRUPT,
                         "the model is not whole UBJSON: it ends at byte %zu, the file at %zu", reading.at,
                         size);
    if (code) {
        free(reading.values);
        free(reading.text);
        return code;
    }
    *ret = (struct ubjson){.values = reading.values, .text = reading.text};
    return OK;
}

void ubjson_done(struct ubjson *document)
{
    free(document->values);
    free(document->text);
    *document = (struct ubjson){0};
}
