/*
 * UBJSON (Universal Binary JSON, draft 12), as XGBoost writes its models in since 2.1: decoded into the tree
 * that yyjson makes of JSON text, so that a model has one reader and not two.
 *
 * Numbers are numbers here where JSON_FIELD_FLAGS keeps their text; the functions of json_field.h take both.
 * Arrays of one type (`[$d#`) become plain arrays. What no model contains is refused by its marker: high-
 * precision numbers, characters, no-ops, and arrays of elements that take no bytes, which could claim any
 * length for nothing. Every value therefore stands for at least one byte of the file.
 *
 * Memory: 16 bytes per value, and a copy of the text. Limits: LIMIT_MODEL_VALUES, LIMIT_MODEL_NESTING.
 */
#ifndef SHRIKE_MODEL_UBJSON_H
#define SHRIKE_MODEL_UBJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <yyjson.h>

#include "base/error.h"

/* A document: values[0] is the root. */
struct ubjson {
    yyjson_val *values;
    char *text;
};

/* Whether these bytes are UBJSON and not JSON: both begin with '{', then a key's length or a quote. */
bool ubjson_recognise(const char *data, size_t size);

/* CODE_CORRUPT: not whole UBJSON, with the byte where it ends or goes wrong; CODE_LIMIT. */
int ubjson_read(const char *data, size_t size, struct ubjson *ret, struct error *error);
void ubjson_done(struct ubjson *document); /* takes a zeroed one */

#endif
