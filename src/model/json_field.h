/*
 * Reading models out of JSON. Documents are read with numbers kept as text (JSON_FIELD_FLAGS), so that a
 * float32 is rounded once, from the digits, and not a second time after a double. Binary documents
 * (ubjson.h) have numbers instead, which are taken as they are. No function depends on the locale.
 */
#ifndef SHRIKE_MODEL_JSON_FIELD_H
#define SHRIKE_MODEL_JSON_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

#include "base/error.h"

/* NaN and Infinity are let through so that their place can be named when they are refused. */
#define JSON_FIELD_FLAGS (YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_ALLOW_INF_AND_NAN)

/* A JSON number, or a string that holds one (XGBoost writes its parameters as strings). False: it is none,
 * or has trailing text. */
bool json_field_float(yyjson_val *value, float *ret);
bool json_field_double(yyjson_val *value, double *ret);
/* The same of a zero-terminated text. */
bool json_text_double(const char *text, double *ret);
bool json_field_integer(yyjson_val *value, int64_t *ret); /* digits with an optional minus, within int64 */
bool json_field_boolean(yyjson_val *value, bool *ret);    /* true, false, 0 or 1 */

/* Members of an object, with an error that names `place` ("learner") and the member. */
int json_field_object(yyjson_val *object, const char *name, const char *place, yyjson_val **ret,
                      struct error *error);
int json_field_array(yyjson_val *object, const char *name, const char *place, yyjson_val **ret,
                     struct error *error);
int json_field_text(yyjson_val *object, const char *name, const char *place, const char **ret,
                    struct error *error);
/* An integer, also as a string, within [minimum, maximum]; beyond the maximum CODE_LIMIT. */
int json_field_count(yyjson_val *object, const char *name, const char *place, int64_t minimum,
                     int64_t maximum, int64_t *ret, struct error *error);

#endif
