#include "model/json_field.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* The text of a number; NULL for anything else. Raw numbers and strings both end with a zero byte in
 * yyjson. */
static const char *number_text(yyjson_val *value)
{
    const char *text = yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value);
    if (!text)
        return NULL;
    /* strtod takes spaces, hexadecimals and "inf" in many spellings; a model has digits, or JSON's
     * literals. */
    const char *digits = text + (*text == '-');
    bool number = (*digits >= '0' && *digits <= '9') || yyjson_is_raw(value);
    return number && !strpbrk(text, "xX") ? text : NULL;
}

/* The C locale is a constant of the C library: nothing is allocated and nothing has to be freed. */
static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool json_field_float(yyjson_val *value, float *ret)
{
    const char *text = number_text(value);
    char *end;
    if (!text)
        return false;
    float number = strtof_l(text, &end, c_locale());
    if (end == text || *end)
        return false;
    *ret = number;
    return true;
}

bool json_field_double(yyjson_val *value, double *ret)
{
    const char *text = number_text(value);
    char *end;
    if (!text)
        return false;
    double number = strtod_l(text, &end, c_locale());
    if (end == text || *end)
        return false;
    *ret = number;
    return true;
}

bool json_field_integer(yyjson_val *value, int64_t *ret)
{
    const char *text = number_text(value);
    if (!text)
        return false;
    bool negative = *text == '-';
    int64_t number = 0;
    for (text += negative; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *text - '0', &number))
            return false;
    }
    *ret = negative ? -number : number;
    return true;
}

bool json_field_boolean(yyjson_val *value, bool *ret)
{
    int64_t number;
    if (yyjson_is_bool(value)) {
        *ret = yyjson_get_bool(value);
        return true;
    }
    if (!yyjson_is_raw(value) || !json_field_integer(value, &number) || number < 0 || number > 1)
        return false;
    *ret = number == 1;
    return true;
}

static int missing(const char *name, const char *place, const char *wanted, bool there, struct error *error)
{
    return error_set(error, CODE_INVALID,
                     there ? "%s: \"%s\" is not %s" : "%s: \"%s\" is missing; expected %s", place, name,
                     wanted);
}

int json_field_object(yyjson_val *object, const char *name, const char *place, yyjson_val **ret,
                      struct error *error)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!yyjson_is_obj(value))
        return missing(name, place, "an object", value != NULL, error);
    *ret = value;
    return OK;
}

int json_field_array(yyjson_val *object, const char *name, const char *place, yyjson_val **ret,
                     struct error *error)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!yyjson_is_arr(value))
        return missing(name, place, "an array", value != NULL, error);
    *ret = value;
    return OK;
}

int json_field_text(yyjson_val *object, const char *name, const char *place, const char **ret,
                    struct error *error)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    if (!yyjson_is_str(value))
        return missing(name, place, "a string", value != NULL, error);
    *ret = yyjson_get_str(value);
    return OK;
}

int json_field_count(yyjson_val *object, const char *name, const char *place, int64_t minimum,
                     int64_t maximum, int64_t *ret, struct error *error)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    int64_t number;
    if (!json_field_integer(value, &number))
        return missing(name, place, "a whole number", value != NULL, error);
    if (number < minimum)
        return error_set(error, CODE_INVALID, "%s: \"%s\" is %lld; expected at least %lld", place, name,
                         (long long)number, (long long)minimum);
    if (number > maximum)
        return error_set(error, CODE_LIMIT, "%s: \"%s\" is %lld; Shrike takes at most %lld", place, name,
                         (long long)number, (long long)maximum);
    *ret = number;
    return OK;
}
