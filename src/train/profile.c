#include "train/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/limits.h"
#include "base/memory.h"

enum { QUANTILES = 101, DECILES = 11 };

/* Order of floats as order of unsigned numbers: negatives are turned over, the rest moved above them. Both
 * zeros become one first, so that they are one value. */
static uint32_t key_of(float value)
{
    uint32_t bits;
    value = value == 0 ? 0 : value;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float value_of(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Radix sort, least significant digit first, 11 bits a pass: 3 passes, so the result is in `spare`. */
static void sort_keys(uint32_t *keys, uint32_t *spare, size_t n)
{
    enum { BITS = 11, SIZE = 1 << BITS };
    size_t start[SIZE];
    for (int shift = 0; shift < 32; shift += BITS) {
        memset(start, 0, sizeof start);
        for (size_t i = 0; i < n; i++)
            start[keys[i] >> shift & (SIZE - 1)]++;
        size_t sum = 0;
        for (size_t d = 0; d < SIZE; d++) {
            size_t count = start[d];
            start[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            spare[start[keys[i] >> shift & (SIZE - 1)]++] = keys[i];
        uint32_t *swap = keys;
        keys = spare;
        spare = swap;
    }
}

/* numpy's default: linear between the two values around position p * (n - 1). */
static double quantile(const uint32_t *sorted, size_t n, double p)
{
    double place = p * (double)(n - 1), low = floor(place), share = place - low;
    size_t i = (size_t)low;
    double a = (double)value_of(sorted[i]), b = i + 1 < n ? (double)value_of(sorted[i + 1]) : a;
    return a + (b - a) * share;
}

/* Adds the distinct values with their counts; false where there are too many. */
static bool add_values(yyjson_mut_doc *document, yyjson_mut_val *object, const uint32_t *sorted, size_t n)
{
    size_t distinct = 1;
    for (size_t i = 1; i < n && distinct <= LIMIT_PROFILE_VALUES; i++)
        distinct += sorted[i] != sorted[i - 1];
    if (distinct > LIMIT_PROFILE_VALUES)
        return false;
    yyjson_mut_val *values = yyjson_mut_obj_add_arr(document, object, "values");
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && sorted[next] == sorted[i];)
            next++;
        yyjson_mut_val *value = yyjson_mut_arr_add_obj(document, values);
        yyjson_mut_obj_add_real(document, value, "value", (double)value_of(sorted[i]));
        yyjson_mut_obj_add_uint(document, value, "count", next - i);
    }
    return true;
}

static void add_histogram(yyjson_mut_doc *document, yyjson_mut_val *object, const uint32_t *sorted, size_t n)
{
    yyjson_mut_val *histogram = yyjson_mut_obj_add_obj(document, object, "histogram");
    yyjson_mut_val *edges = yyjson_mut_obj_add_arr(document, histogram, "edges");
    yyjson_mut_val *counts = yyjson_mut_obj_add_arr(document, histogram, "counts");
    double edge = quantile(sorted, n, 0), last = quantile(sorted, n, 1);
    yyjson_mut_arr_add_real(document, edges, edge);
    size_t at = 0;
    for (int i = 1; i < DECILES && edge < last; i++) {
        double next = quantile(sorted, n, i / (double)(DECILES - 1));
        if (next <= edge)
            continue;
        size_t from = at;
        while (at < n && ((double)value_of(sorted[at]) < next || next == last))
            at++;
        yyjson_mut_arr_add_real(document, edges, next);
        yyjson_mut_arr_add_uint(document, counts, at - from);
        edge = next;
    }
}

/* Profiles one column, whose present values come as keys. */
static void add_column(yyjson_mut_doc *document, yyjson_mut_val *object, uint32_t *keys, uint32_t *spare,
                       size_t n, int64_t missing)
{
    yyjson_mut_obj_add_uint(document, object, "count", n);
    yyjson_mut_obj_add_sint(document, object, "missing", missing);
    if (n == 0)
        return;
    sort_keys(keys, spare, n);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)value_of(spare[i]);
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        double apart = (double)value_of(spare[i]) - mean;
        squares += apart * apart;
    }
    yyjson_mut_obj_add_real(document, object, "mean", mean);
    yyjson_mut_obj_add_real(document, object, "sd", sqrt(squares / (double)n));
    yyjson_mut_obj_add_real(document, object, "min", (double)value_of(spare[0]));
    yyjson_mut_obj_add_real(document, object, "max", (double)value_of(spare[n - 1]));
    yyjson_mut_val *quantiles = yyjson_mut_obj_add_arr(document, object, "quantiles");
    for (int i = 0; i < QUANTILES; i++)
        yyjson_mut_arr_add_real(document, quantiles, quantile(spare, n, i / (double)(QUANTILES - 1)));
    if (!add_values(document, object, spare, n))
        add_histogram(document, object, spare, n);
}

static size_t gather(const float *values, int64_t rows, size_t stride, uint32_t *keys)
{
    size_t n = 0;
    for (int64_t r = 0; r < rows; r++) {
        float value = values[(size_t)r * stride];
        if (!isnan(value))
            keys[n++] = key_of(value);
    }
    return n;
}

int profile_write(const struct profile_input *input, char **ret_json, struct error *error)
{
    uint32_t *keys = memory_new(2 * (size_t)input->rows, sizeof *keys), *spare = keys + input->rows;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    char *json = NULL;
    if (keys && document) {
        yyjson_mut_val *root = yyjson_mut_obj(document);
        yyjson_mut_doc_set_root(document, root);
        yyjson_mut_obj_add_sint(document, root, "rows", input->rows);
        yyjson_mut_obj_add_sint(document, root, "frauds", input->frauds);
        yyjson_mut_val *features = yyjson_mut_obj_add_arr(document, root, "features");
        for (int f = 0; f < input->features; f++) {
            yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, features);
            yyjson_mut_obj_add_str(document, object, "name", input->names[f]);
            size_t n = gather(input->x + f, input->rows, (size_t)input->features, keys);
            add_column(document, object, keys, spare, n, input->rows - (int64_t)n);
        }
        if (input->scores) {
            yyjson_mut_val *object = yyjson_mut_obj_add_obj(document, root, "score");
            size_t n = gather(input->scores, input->rows, 1, keys);
            add_column(document, object, keys, spare, n, input->rows - (int64_t)n);
        }
        json = yyjson_mut_write(document, 0, NULL);
    }
    yyjson_mut_doc_free(document);
    free(keys);
    if (!json)
        return error_set(error, CODE_MEMORY, "no memory for the reference profile");
    *ret_json = json;
    return OK;
}
