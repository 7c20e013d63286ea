/* Another version takes over while events go on. */
#include <stdlib.h>
#include <string.h>

#include "score/durable_struct.h"

/* Who decides, but for the engine. */
struct deciding {
    struct model *model;
    struct rules *rules;
    char *name, *identity;
    uint32_t version;
    struct engine_options options;
};

static struct deciding who(const struct durable *durable)
{
    return (struct deciding){durable->model,    durable->rules,   durable->name,
                             durable->identity, durable->version, durable->options.engine};
}

static void let_decide(struct durable *durable, const struct deciding *deciding)
{
    durable->model = deciding->model;
    durable->rules = deciding->rules;
    durable->name = deciding->name;
    durable->identity = deciding->identity;
    durable->version = deciding->version;
    durable->options.engine = deciding->options;
}

static void let_go(struct deciding *deciding)
{
    model_unref(deciding->model);
    rules_unref(deciding->rules);
    free(deciding->name);
    free(deciding->identity);
}

/* The engine first, because the journal does not take back what it says. */
static int change(struct durable *durable, const struct deciding *before, const struct deciding *now,
                  const struct durable_version *version, struct error *error)
{
    struct error own = {0};
    int rc = engine_switch(durable->engine, now->model, now->rules, &now->options, error);
    if (rc != OK)
        return rc;
    let_decide(durable, now);
    rc = durable_put_switch(durable, version, error);
    if (rc == OK)
        return OK;
    let_decide(durable, before);
    int back = engine_switch(durable->engine, before->model, before->rules, &before->options, &own);
    if (back != OK)
        durable_fail(durable, back, &own);
    return rc;
}

int durable_switch(struct durable *durable, const struct durable_version *version,
                   const struct engine_options *options, struct error *error)
{
    if (durable->failed) {
        if (error)
            *error = durable->failure;
        return durable->failure.code;
    }
    if (strcmp(plan_hash(version->plan), plan_hash(durable->plan)) != 0)
        return error_set(error, CODE_CONFLICT, "%s has another plan than the state", version->name);
    if (strcmp(version->identity, durable->identity) == 0)
        return OK;
    struct deciding before = who(durable);
    struct deciding now = {.model = model_ref(version->model),
                           .rules = version->rules ? rules_ref(version->rules) : NULL,
                           .name = memory_text(version->name, strlen(version->name)),
                           .identity = memory_text(version->identity, strlen(version->identity)),
                           .version = before.version + 1,
                           .options = *options};
    now.options.state = before.options.state;
    int rc = now.name && now.identity ? OK : error_set(error, CODE_MEMORY, "no memory for a version's name");
    if (rc == OK)
        rc = change(durable, &before, &now, version, error);
    let_go(rc == OK ? &before : &now);
    return rc;
}
