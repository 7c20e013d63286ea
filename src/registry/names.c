#include "registry/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

int name_check(const char *what, const char *name, struct error *error)
{
    size_t size = strlen(name);
    if (!size)
        return error_set(error, CODE_USAGE, "the %s's name is empty", what);
    if (size > LIMIT_NAME)
        return error_set(error, CODE_LIMIT, "the %s's name has %zu bytes, the limit is %d", what, size,
                         LIMIT_NAME);
    size_t good = strspn(name, letters);
    if (good < size)
        return error_set(
            error, CODE_USAGE,
            "%s name '%s': expected letters, digits, '.', '_' and '-', found another at byte %zu", what, name,
            good + 1);
    if (strchr("._-", name[0]))
        return error_set(error, CODE_USAGE, "%s name '%s': expected a letter or digit first", what, name);
    if (!strncmp(name, REGISTRY_FILE, strlen(REGISTRY_FILE)))
        return error_set(error, CODE_USAGE,
                         "%s name '%s': names that begin with " REGISTRY_FILE " are the registry's own", what,
                         name);
    return OK;
}

int alias_check(const char *alias, struct error *error)
{
    int code = name_check("alias", alias, error);
    if (!code && !strcasecmp(alias, "latest"))
        code = error_set(error, CODE_USAGE,
                         "alias 'latest' is not for giving: models:/NAME/latest is the newest version");
    return code;
}

const char *stage_find(const char *text)
{
    static const char *const stages[] = {"None", "Staging", "Production", "Archived"};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (!strcasecmp(text, stages[i]))
            return stages[i];
    return NULL;
}

static int take_suffix(const char *text, const char *suffix, struct reference *reference, struct error *error)
{
    if (strspn(suffix, "0123456789") == strlen(suffix) && suffix[0]) {
        long number = strlen(suffix) > 9 ? 0 : strtol(suffix, NULL, 10);
        if (number < 1)
            return error_set(error, CODE_USAGE, "%s: expected a version from 1 on", text);
        reference->kind = REFERENCE_NUMBER;
        reference->number = (int)number;
        return OK;
    }
    if (!strcasecmp(suffix, "latest")) {
        reference->kind = REFERENCE_LATEST;
        return OK;
    }
    reference->stage = stage_find(suffix);
    if (!reference->stage)
        return error_set(error, CODE_USAGE,
                         "%s: expected a version number, None, Staging, Production, Archived "
                         "or latest after the name, found '%s'; an alias is written models:/NAME@ALIAS",
                         text, suffix);
    reference->kind = REFERENCE_STAGE;
    return OK;
}

int reference_parse(const char *text, struct reference *ret, struct error *error)
{
    struct reference reference = {0};
    const char *name = text + strlen(NAME_PREFIX);
    size_t size = strcspn(name, "/@");
    if (!name[size] || !name[size + 1])
        return error_set(error, CODE_USAGE,
                         "%s: expected models:/NAME/VERSION, models:/NAME@ALIAS, "
                         "models:/NAME/STAGE or models:/NAME/latest",
                         text);
    if (size > LIMIT_NAME)
        return error_set(error, CODE_LIMIT, "the model's name has %zu bytes, the limit is %d", size,
                         LIMIT_NAME);
    snprintf(reference.name, sizeof reference.name, "%.*s", (int)size, name);
    int code = name_check("model", reference.name, error);
    if (code)
        return code;
    if (name[size] == '/') {
        code = take_suffix(text, name + size + 1, &reference, error);
    } else {
        code = name_check("alias", name + size + 1, error);
        if (!code)
            snprintf(reference.alias, sizeof reference.alias, "%s", name + size + 1);
        reference.kind = REFERENCE_ALIAS;
    }
    if (!code)
        *ret = reference;
    return code;
}
