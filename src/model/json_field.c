#include "model/json_field.h"

#include <locale.h>
#include <math.h>
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
    return number ? text : NULL;
}

/* The C locale is a constant of the C library: nothing is allocated and nothing has to be freed. */
static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Digits that fit 53 bits, times or by a power of ten that a double holds exactly: one rounding, so the
 * nearest double (Clinger: How to Read Floating Point Numbers Accurately, 1990). Nearly every number of a
 * model is such a one, and a large model is little else than numbers. False where it does not hold. */
static bool near_double(const char *text, double *ret)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    enum { LARGEST_POWER = 22, MOST_DIGITS = 18 };
    bool negative = *text == '-', signed_exponent;
    uint64_t digits = 0;
    int n = 0, exponent = 0, written = 0;
    text += negative;
    for (; *text >= '0' && *text <= '9' && n <= MOST_DIGITS; text++, n++)
        digits = digits * 10 + (uint64_t)(*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9' && n <= MOST_DIGITS; text++, n++, exponent--)
            digits = digits * 10 + (uint64_t)(*text - '0');
    if (*text == 'e' || *text == 'E') {
        signed_exponent = text[1] == '-';
        text += signed_exponent || text[1] == '+' ? 2 : 1;
        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9' && written < 1000; text++)
            written = written * 10 + (*text - '0');
        exponent += signed_exponent ? -written : written;
    }
    if (*text || !n || n > MOST_DIGITS || digits >> 53 || exponent < -LARGEST_POWER ||
        exponent > LARGEST_POWER)
        return false;
    double number = exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    *ret = negative ? -number : number;
    return true;
}

/* The nearest float of a number whose nearest double is known. Only where the double lies in the middle of
 * two floats, or where floats lie closer than usual (denormals) or end, can a second rounding go another way.
 */
static bool near_float(double number, float *ret)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    double size = fabs(number);
    if (number != 0 && (size < 0x1p-126 || size > 0x1p127 || (bits & 0x1fffffff) == 0x10000000))
        return false;
    *ret = (float)number;
    return true;
}

bool json_field_float(yyjson_val *value, float *ret)
{
    if (yyjson_is_num(value)) {
        *ret = (float)yyjson_get_num(value);
        return true;
    }
    const char *text = number_text(value);
    char *end;
    double number;
    if (!text)
        return false;
    if (near_double(text, &number) && near_float(number, ret))
        return true;
    float rounded = strtof_l(text, &end, c_locale());
    if (end == text || *end || strpbrk(text, "xX"))
        return false;
    *ret = rounded;
    return true;
}

static bool text_double(const char *text, double *ret)
{
    char *end;
    if (near_double(text, ret))
        return true;
    double number = strtod_l(text, &end, c_locale());
    if (end == text || *end || strpbrk(text, "xX"))
        return false;
    *ret = number;
    return true;
}

bool json_field_double(yyjson_val *value, double *ret)
{
    if (yyjson_is_num(value)) {
        *ret = yyjson_get_num(value);
        return true;
    }
    const char *text = number_text(value);
    return text && text_double(text, ret);
}

bool json_text_double(const char *text, double *ret)
{
    const char *digits = text + (*text == '-');
    return *digits >= '0' && *digits <= '9' && text_double(text, ret);
}

bool json_field_integer(yyjson_val *value, int64_t *ret)
{
    if (yyjson_is_int(value)) {
        *ret = yyjson_get_sint(value);
        return true;
    }
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
    if (yyjson_is_str(value) || !json_field_integer(value, &number) || number < 0 || number > 1)
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
