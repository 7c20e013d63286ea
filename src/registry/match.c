#include "registry/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "score/engine.h"

/* Three lists, each with its heading before the first entry. */
struct findings {
    struct buffer missing, extra, types;
};

static void add(struct buffer *list, const char *heading, const char *name)
{
    buffer_format(list, "%s%.*s", list->size ? ", " : heading, LIMIT_NAME, name);
}

static int find_column(const struct schema *columns, const char *name)
{
    for (int i = 0; i < columns->n; i++)
        if (!strcmp(columns->fields[i].name, name))
            return i;
    return -1;
}

static int find_feature(const struct model *model, const char *name)
{
    for (int i = 0; i < model_features(model); i++)
        if (!strcmp(model_feature_name(model, i), name))
            return i;
    return -1;
}

static void check_type(const struct model *model, int feature, const struct field *column,
                       struct findings *findings)
{
    char type[256];
    enum type_id id = column->type.id;
    if (!model_feature_categorical(model, feature) || id == TYPE_ENUM || id == TYPE_BOOLEAN ||
        type_is_integer(id))
        return;
    add(&findings->types, "; of another type: ", column->name);
    buffer_format(&findings->types, " (categories for the model, %.100s in the plan)",
                  type_text(&column->type, type, sizeof type));
}

static void compare(const struct model *model, const struct schema *columns, bool named,
                    struct findings *findings)
{
    for (int i = 0; i < model_features(model); i++) {
        int at = named ? find_column(columns, model_feature_name(model, i)) : i;
        if (at < 0)
            add(&findings->missing, "; missing from the plan: ", model_feature_name(model, i));
        else
            check_type(model, i, &columns->fields[at], findings);
    }
    for (int i = 0; named && i < columns->n; i++)
        if (find_feature(model, columns->fields[i].name) < 0)
            add(&findings->extra, "; not in the model: ", columns->fields[i].name);
}

static const char *text_of(const struct buffer *list)
{
    return list->size ? list->data : "";
}

static int check(const struct model *model, const struct schema *columns, struct error *error)
{
    bool named = model_feature_name(model, 0);
    struct findings findings;
    int code = OK;
    if (!named && model_features(model) != columns->n)
        return error_set(
            error, CODE_INVALID,
            "the model takes %d features, without names, and the plan gives %d: they are matched "
            "by position",
            model_features(model), columns->n);
    buffer_init(&findings.missing, ERROR_MESSAGE_SIZE);
    buffer_init(&findings.extra, ERROR_MESSAGE_SIZE);
    buffer_init(&findings.types, ERROR_MESSAGE_SIZE);
    compare(model, columns, named, &findings);
    if (findings.missing.size || findings.extra.size || findings.types.size)
        code = error_set(error, CODE_INVALID, "the model's features are not the plan's%.300s%.300s%.300s",
                         text_of(&findings.missing), text_of(&findings.extra), text_of(&findings.types));
    buffer_done(&findings.missing);
    buffer_done(&findings.extra);
    buffer_done(&findings.types);
    return code;
}

static int read_model(const char *data, size_t size, const struct schema *columns, struct model **ret,
                      struct error *error)
{
    const char **names = memory_new((size_t)columns->n, sizeof *names);
    if (!names)
        return error_set(error, CODE_MEMORY, "no memory to match a model with a plan");
    for (int i = 0; i < columns->n; i++)
        names[i] = columns->fields[i].name;
    int code = model_parse_for(data, size, names, columns->n, ret, error);
    free(names);
    return code;
}

int match_read(const char *data, size_t size, int positive_class, const struct schema *columns,
               struct model **ret, struct error *error)
{
    struct model *model;
    int code = read_model(data, size, columns, &model, error);
    if (code || positive_class == NO_CLASS) {
        *ret = code ? NULL : model;
        return code;
    }
    code = model_of_class(model, positive_class, ret, error);
    model_unref(model);
    return code;
}

int match_model(const char *data, size_t size, int positive_class, const struct plan *plan,
                struct model **ret, enum match *ret_match, struct error *error)
{
    const struct schema *columns = plan_features(plan);
    struct model *model;
    int code = match_read(data, size, positive_class, columns, &model, error);
    if (code)
        return code;
    code = check(model, columns, error);
    if (!code)
        code = engine_check_features(plan, model, error);
    if (code) {
        model_unref(model);
        return code;
    }
    *ret_match = model_feature_name(model, 0) ? MATCH_BY_NAME : MATCH_BY_POSITION;
    *ret = model;
    return OK;
}
