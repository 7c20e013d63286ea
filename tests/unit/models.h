/* What the tests of models share: reading a text that is a model, and one that is none. */
#ifndef SHRIKE_TESTS_UNIT_MODELS_H
#define SHRIKE_TESTS_UNIT_MODELS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/model.h"

static inline struct model *parse_bytes(const void *data, size_t size)
{
    struct model *model = NULL;
    struct error error = {0};
    if (model_parse(data, size, &model, &error))
        fail_msg("%s", error.message);
    return model;
}

static inline struct model *parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

/* The text is refused with that code and a message that has the part. */
static inline void expect_error(const char *text, enum code code, const char *part)
{
    struct model *model = NULL;
    struct error error = {0};
    int got = model_parse(text, strlen(text), &model, &error);
    if (got != (int)code || !strstr(error.message, part))
        fail_msg("expected %s with \"%s\", got %d \"%s\"", code_info(code)->name, part, got, error.message);
    assert_null(model);
}

#endif
