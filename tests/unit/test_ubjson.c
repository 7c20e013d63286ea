/*
 * UBJSON: values worked out by hand, models that XGBoost's library writes in both forms, and damage.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xgboost/c_api.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/model.h"
#include "model/ubjson.h"

/* A literal with its zero bytes, as data and size. */
#define BYTES(text) text, sizeof(text) - 1

static void xgb(int result)
{
    if (result)
        fail_msg("%s", XGBGetLastError());
}

/* The JSON text that the document has; freed by the caller. */
static char *text_of(const char *data, size_t size)
{
    struct ubjson document = {0};
    struct error error = {0};
    if (ubjson_read(data, size, &document, &error))
        fail_msg("%s", error.message);
    char *text = yyjson_val_write(document.values, YYJSON_WRITE_NOFLAG, NULL);
    ubjson_done(&document);
    assert_non_null(text);
    return text;
}

static void assert_reads(const char *data, size_t size, const char *expected)
{
    char *text = text_of(data, size);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_refused(const char *data, size_t size, enum code code, const char *part)
{
    struct ubjson document = {0};
    struct error error = {0};
    int got = ubjson_read(data, size, &document, &error);
    if (got != (int)code || !strstr(error.message, part))
        fail_msg("expected %s with \"%s\", got %d \"%s\"", code_info(code)->name, part, got, error.message);
    assert_null(document.values);
}

static void test_values(void **state)
{
    (void)state;
    assert_reads(BYTES("{}"), "{}");
    assert_reads(BYTES("[]"), "[]");
    assert_reads(BYTES("[ZTF]"), "[null,true,false]");
    assert_reads(BYTES("[i\xffU\xffI\x80\x00l\xff\xff\xff\xfeL\x7f\xff\xff\xff\xff\xff\xff\xff]"),
                 "[-1,255,-32768,-2,9223372036854775807]");
    assert_reads(BYTES("[d\x3f\x80\x00\x00"
                       "D\xbf\xe0\x00\x00\x00\x00\x00\x00]"),
                 "[1.0,-0.5]");
    assert_reads(BYTES("{i\x01"
                       "aSi\x02xyU\x02"
                       "bbS\x4c\x00\x00\x00\x00\x00\x00\x00\x00}"),
                 "{\"a\":\"xy\",\"bb\":\"\"}");
}

static void test_containers(void **state)
{
    (void)state;
    assert_reads(BYTES("[#i\x02[i\x01]{}"), "[[1],{}]");
    assert_reads(BYTES("{#i\x01i\x01"
                       "a[[[]]]"),
                 "{\"a\":[[[]]]}");
    assert_reads(BYTES("[[$d#i\x02\x3f\x80\x00\x00\xbf\x80\x00\x00i\x07]"), "[[1.0,-1.0],7]");
    assert_reads(BYTES("[[$U#i\x03\x00\x01\xff[$l#i\x00[$i#i\x01\x80[$I#i\x01\xff\xff]"),
                 "[[0,1,255],[],[-128],[-1]]");
    assert_reads(BYTES("[$D#i\x01\x3f\xf0\x00\x00\x00\x00\x00\x00"), "[1.0]");
    assert_reads(BYTES("[$L#i\x01\xff\xff\xff\xff\xff\xff\xff\xff"), "[-1]");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    assert_refused(BYTES(""), CODE_CORRUPT, "ends at byte 0");
    assert_refused(BYTES("{}x"), CODE_CORRUPT, "ends at byte 2, the file at 3");
    assert_refused(BYTES("[H"), CODE_CORRUPT, "byte 1 is 0x48; expected the type of a value");
    assert_refused(BYTES("[$Z#i\x7f"), CODE_CORRUPT, "byte 2 is 0x5a; expected the type of a number");
    assert_refused(BYTES("[$di\x01"), CODE_CORRUPT, "expected '#'");
    assert_refused(BYTES("{$i#i\x01"), CODE_CORRUPT, "an object without a type");
    assert_refused(BYTES("[#d\x3f\x80\x00\x00"), CODE_CORRUPT, "expected the type of a length");
    assert_refused(BYTES("[#i\xff"), CODE_CORRUPT, "a length of -1 before byte 4");
    assert_refused(BYTES("[$U#L\x7f\xff\xff\xff\xff\xff\xff\xff\x01"), CODE_CORRUPT, "ends at byte 14");
    assert_refused(BYTES("[#L\x7f\xff\xff\xff\xff\xff\xff\xffTT"), CODE_CORRUPT, "ends at byte 13");
    assert_refused(BYTES("SL\x00\x00\x00\x00\x40\x00\x00\x00 "), CODE_CORRUPT, "ends at byte 11");
    char deep[2 * LIMIT_MODEL_NESTING + 2];
    memset(deep, '[', sizeof deep);
    assert_refused(deep, LIMIT_MODEL_NESTING + 1, CODE_LIMIT, "byte 64: the model is nested deeper than 64");
    memset(deep + LIMIT_MODEL_NESTING, ']', LIMIT_MODEL_NESTING);
    free(text_of(deep, 2 * LIMIT_MODEL_NESTING));
}

static void test_which_is_which(void **state)
{
    (void)state;
    assert_true(ubjson_recognise(BYTES("{L")));
    assert_true(ubjson_recognise(BYTES("{#")));
    assert_false(ubjson_recognise(BYTES("{\"")));
    assert_false(ubjson_recognise(BYTES("{ ")));
    assert_false(ubjson_recognise(BYTES("{}")));
    assert_false(ubjson_recognise(BYTES("{")));
}

/* ---- XGBoost's own ---- */

enum { ROWS = 300, FEATURES = 5 };

struct trained {
    float x[ROWS * FEATURES];
    char *data[2]; /* UBJSON, JSON */
    size_t size[2];
};

static void train(struct trained *ret)
{
    DMatrixHandle matrix;
    BoosterHandle booster;
    float y[ROWS];
    uint32_t seed = 7;
    for (int i = 0; i < ROWS * FEATURES; i++) {
        seed = seed * 1664525 + 1013904223;
        ret->x[i] = seed >> 29 == 0 ? NAN : (float)(seed >> 8) / 1e5f;
    }
    for (int r = 0; r < ROWS; r++)
        y[r] = ret->x[r * FEATURES] > 80 || ret->x[r * FEATURES + 1] < 20;
    xgb(XGDMatrixCreateFromMat(ret->x, ROWS, FEATURES, NAN, &matrix));
    xgb(XGDMatrixSetFloatInfo(matrix, "label", y, ROWS));
    xgb(XGBoosterCreate(&matrix, 1, &booster));
    xgb(XGBoosterSetParam(booster, "objective", "binary:logistic"));
    xgb(XGBoosterSetParam(booster, "nthread", "1"));
    for (int i = 0; i < 5; i++)
        xgb(XGBoosterUpdateOneIter(booster, i, matrix));
    static const char *const formats[] = {"{\"format\":\"ubj\"}", "{\"format\":\"json\"}"};
    for (int i = 0; i < 2; i++) {
        const char *data;
        bst_ulong size;
        xgb(XGBoosterSaveModelToBuffer(booster, formats[i], &size, &data));
        ret->data[i] = memory_text(data, size);
        ret->size[i] = size;
        assert_non_null(ret->data[i]);
    }
    XGBoosterFree(booster);
    XGDMatrixFree(matrix);
}

static void test_the_same_model_in_both_forms(void **state)
{
    (void)state;
    struct trained trained;
    float scores[2][ROWS];
    double contributions[2][ROWS * (FEATURES + 1)];
    train(&trained);
    assert_true(ubjson_recognise(trained.data[0], trained.size[0]));
    assert_false(ubjson_recognise(trained.data[1], trained.size[1]));
    for (int i = 0; i < 2; i++) {
        struct model *model;
        struct error error = {0};
        if (model_parse(trained.data[i], trained.size[i], &model, &error))
            fail_msg("%s", error.message);
        void *scratch = memory_aligned(model_explain_scratch(model));
        model_predict(model, trained.x, ROWS, scores[i]);
        model_explain(model, trained.x, ROWS, contributions[i], scratch);
        free(scratch);
        model_unref(model);
        free(trained.data[i]);
    }
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    assert_memory_equal(contributions[0], contributions[1], sizeof contributions[0]);
    assert_true(scores[0][0] > 0 && scores[0][0] < 1);
}

/* Every part of a model is refused; every damaged one is refused or can be used. */
static void test_damage(void **state)
{
    (void)state;
    struct trained trained;
    struct error error = {0};
    train(&trained);
    free(trained.data[1]);
    size_t size = trained.size[0], step = size / 2000 + 1;
    for (size_t n = 2; n < size; n += n < 600 || size - n < 600 ? 1 : step) {
        struct model *model = NULL;
        char *part = malloc(n); /* an exact block: reading behind it is seen by the sanitizer */
        assert_non_null(part);
        memcpy(part, trained.data[0], n);
        assert_int_equal(model_parse(part, n, &model, &error), CODE_CORRUPT);
        assert_null(model);
        free(part);
    }
    uint32_t seed = 11;
    for (int i = 0; i < 3000; i++) {
        struct model *model = NULL;
        char *copy = memory_text(trained.data[0], size);
        assert_non_null(copy);
        for (int k = 0; k < 3; k++) {
            seed = seed * 1664525 + 1013904223;
            copy[(seed >> 4) % size] = (char)(seed >> 24);
        }
        if (model_parse(copy, size, &model, &error) == OK && model_features(model) == FEATURES) {
            float score;
            model_predict(model, trained.x, 1, &score);
        }
        model_unref(model);
        free(copy);
    }
    free(trained.data[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_which_is_which),
        cmocka_unit_test(test_the_same_model_in_both_forms),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
