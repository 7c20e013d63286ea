/* Reference profiles against slow definitions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/hash.h"
#include "train/profile.h"

enum { ROWS = 5000, FEATURES = 5 };
static float x[ROWS * FEATURES], scores[ROWS];
static const char *const names[FEATURES] = {"amount", "night", "empty", "sparse", "capped"};

static double unit(uint64_t i, uint64_t seed)
{
    return (double)(hash_word(i, seed) >> 11) * 0x1p-53;
}

static yyjson_doc *make(void)
{
    for (uint64_t r = 0; r < ROWS; r++) {
        float *row = x + r * FEATURES;
        row[0] = (float)(200 * unit(r, 1) * unit(r, 2) - 20);
        row[1] = r % 3 == 0 ? -0.0f : r % 3 == 1 ? 0.0f : 1;
        row[2] = NAN;
        row[3] = unit(r, 3) < 0.95 ? 0 : (float)unit(r, 4); /* most deciles are equal */
        row[4] = (float)fmin(1, 1.2 * unit(r, 6));          /* the last two deciles are equal */
        scores[r] = (float)unit(r, 5);
        if (r % 10 == 7)
            row[0] = NAN;
    }
    struct profile_input input = {
        .rows = ROWS, .features = FEATURES, .x = x, .names = names, .scores = scores, .frauds = 12};
    char *json;
    struct error error = {0};
    assert_int_equal(profile_write(&input, &json, &error), OK);
    yyjson_doc *document = yyjson_read(json, strlen(json), 0);
    assert_non_null(document);
    free(json);
    return document;
}

static yyjson_val *feature(yyjson_doc *document, size_t i)
{
    return yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(document), "features"), i);
}

static double number(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    assert_true(yyjson_is_num(value));
    return yyjson_get_num(value);
}

static int compare(const void *a, const void *b)
{
    float x1 = *(const float *)a, x2 = *(const float *)b;
    return (x1 > x2) - (x1 < x2);
}

static void test_figures(void **state)
{
    (void)state;
    yyjson_doc *document = make();
    static float sorted[ROWS];
    int n = 0;
    double sum = 0, squares = 0;
    for (int r = 0; r < ROWS; r++)
        if (!isnan(x[r * FEATURES]))
            sorted[n++] = x[r * FEATURES];
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    for (int i = 0; i < n; i++)
        sum += (double)sorted[i];
    for (int i = 0; i < n; i++)
        squares += ((double)sorted[i] - sum / n) * ((double)sorted[i] - sum / n);
    yyjson_val *amount = feature(document, 0);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(amount, "name")), "amount");
    assert_true(number(amount, "count") == n);
    assert_true(number(amount, "missing") == ROWS - n);
    assert_true(fabs(number(amount, "mean") - sum / n) < 1e-12);
    assert_true(fabs(number(amount, "sd") - sqrt(squares / n)) < 1e-9);
    assert_true(number(amount, "min") == (double)sorted[0]);
    assert_true(number(amount, "max") == (double)sorted[n - 1]);
    yyjson_val *quantiles = yyjson_obj_get(amount, "quantiles");
    assert_int_equal(yyjson_arr_size(quantiles), 101);
    for (size_t q = 0; q <= 100; q++) {
        double place = (double)q / 100 * (n - 1);
        int i = (int)place;
        double a = (double)sorted[i], b = i + 1 < n ? (double)sorted[i + 1] : a;
        assert_true(fabs(yyjson_get_num(yyjson_arr_get(quantiles, q)) - (a + (b - a) * (place - i))) < 1e-9);
    }
    assert_true(number(yyjson_doc_get_root(document), "frauds") == 12);
    assert_non_null(yyjson_obj_get(yyjson_obj_get(yyjson_doc_get_root(document), "score"), "histogram"));
    yyjson_doc_free(document);
}

static void check_histogram(yyjson_val *object, size_t column)
{
    yyjson_val *histogram = yyjson_obj_get(object, "histogram");
    yyjson_val *edges = yyjson_obj_get(histogram, "edges"), *counts = yyjson_obj_get(histogram, "counts");
    size_t bins = yyjson_arr_size(counts);
    assert_int_equal(yyjson_arr_size(edges), bins + 1);
    for (size_t b = 0; b < bins; b++) {
        double low = yyjson_get_num(yyjson_arr_get(edges, b)),
               high = yyjson_get_num(yyjson_arr_get(edges, b + 1));
        int64_t n = 0;
        for (size_t r = 0; r < ROWS; r++) {
            double value = (double)x[r * FEATURES + column];
            n += value >= low && (value < high || (b == bins - 1 && value == high));
        }
        assert_true(low < high);
        assert_int_equal(n, yyjson_get_sint(yyjson_arr_get(counts, b)));
    }
}

static void test_histograms(void **state)
{
    (void)state;
    yyjson_doc *document = make();
    check_histogram(feature(document, 0), 0);
    check_histogram(feature(document, 3), 3);
    check_histogram(feature(document, 4), 4);
    assert_int_equal(
        yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(feature(document, 0), "histogram"), "counts")), 10);
    yyjson_doc_free(document);
}

static void test_few_values_and_none(void **state)
{
    (void)state;
    yyjson_doc *document = make();
    yyjson_val *night = feature(document, 1), *values = yyjson_obj_get(night, "values");
    assert_int_equal(yyjson_arr_size(values), 2); /* both zeros are one value */
    assert_true(number(yyjson_arr_get(values, 0), "value") == 0);
    assert_int_equal(number(yyjson_arr_get(values, 0), "count"), ROWS - ROWS / 3);
    assert_null(yyjson_obj_get(night, "histogram"));
    yyjson_val *empty = feature(document, 2);
    assert_true(number(empty, "count") == 0 && number(empty, "missing") == ROWS);
    assert_null(yyjson_obj_get(empty, "mean"));
    yyjson_doc_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_few_values_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
