/* Whether a model and a plan belong together. */
#include <string.h>

#include "base/memory.h"
#include "score/dataset.h"
#include "score/engine.h"

static int find_name(const struct model *model, const char *name)
{
    for (int i = 0; i < model_features(model); i++)
        if (!strcmp(model_feature_name(model, i), name))
            return i;
    return -1;
}

static void append_name(struct buffer *list, const char *what, const char *name)
{
    if (list->size < 600)
        buffer_format(list, "%s%s", list->size ? ", " : what, name);
}

int engine_check_features(const struct plan *plan, const struct model *model, struct error *error)
{
    const struct schema *schema = plan_features(plan);
    int n = model_features(model), code = dataset_check_features(schema, error);
    if (code != OK)
        return code;
    if (model_margins(model) != 1 && model_outputs(model) == 1)
        return error_set(
            error, CODE_UNSUPPORTED,
            "the model answers with the number of the likeliest of its %d classes, and a decision "
            "takes a probability (multi:softprob gives one for each)",
            model_margins(model));
    if (model_margins(model) != 1)
        return error_set(error, CODE_UNSUPPORTED,
                         "the model tells %d classes apart, and a decision takes one score: name the class "
                         "whose probability it is with --positive-class 0 to %d",
                         model_margins(model), model_margins(model) - 1);
    if (!n || !model_feature_name(model, 0)) {
        if (n == schema->n)
            return OK;
        return error_set(error, CODE_INVALID, "the model takes %d features, the plan gives %d", n, schema->n);
    }
    struct buffer missing, extra, elsewhere;
    buffer_init(&missing, 1024);
    buffer_init(&extra, 1024);
    buffer_init(&elsewhere, 1024);
    for (int i = 0; i < schema->n; i++) {
        const char *name = schema->fields[i].name;
        int at = find_name(model, name);
        if (at < 0)
            append_name(&extra, "; the model does not take: ", name);
        else if (at != i)
            append_name(&elsewhere, "; at another place: ", name);
    }
    for (int i = 0; i < n; i++) {
        int at = 0;
        while (at < schema->n && strcmp(schema->fields[at].name, model_feature_name(model, i)))
            at++;
        if (at == schema->n)
            append_name(&missing, "; the plan does not give: ", model_feature_name(model, i));
    }
    if (missing.size || extra.size || elsewhere.size || n != schema->n)
        code = error_set(error, CODE_INVALID, "the model's features are not the plan's%s%s%s",
                         missing.size ? missing.data : "", extra.size ? extra.data : "",
                         elsewhere.size ? elsewhere.data : "");
    buffer_done(&missing);
    buffer_done(&extra);
    buffer_done(&elsewhere);
    return code;
}
