#include "score/past.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void past_init(struct past *ret, const struct archive *archive, struct plan *now)
{
    *ret = (struct past){.archive = archive, .now = plan_ref(now)};
    buffer_init(&ret->body, LIMIT_JOURNAL_RECORD);
}

static void leave(struct past *past)
{
    table_done(&past->events);
    past->events = (struct table){0};
    remap_done(&past->remap);
    plan_unref(past->plan);
    past->plan = NULL;
    past->number = 0;
    past->version = (struct switch_record){0};
}

void past_done(struct past *past)
{
    leave(past);
    buffer_done(&past->body);
    plan_unref(past->now);
    *past = (struct past){0};
}

static int compile(struct past *past, struct error *error)
{
    const struct piece *sql = &past->version.plan_sql;
    bool same =
        sql->size == strlen(plan_sql(past->now)) && memcmp(sql->data, plan_sql(past->now), sql->size) == 0;
    if (same) {
        past->plan = plan_ref(past->now);
        return OK;
    }
    int rc = plan_compile(sql->data, sql->size, "a former plan", &past->plan, error);
    if (rc != OK)
        error_prefix(error, "the plan of %.*s", (int)past->version.name.size, past->version.name.data);
    return rc;
}

int past_enter(struct past *past, uint32_t number, struct error *error)
{
    uint32_t found;
    if (number && number == past->number)
        return OK;
    leave(past);
    int rc = archive_find(past->archive, number, &found, &past->body, error);
    if (rc == OK && found)
        rc = record_read_switch(past->body.data, past->body.size, &past->version, error);
    if (rc == OK && found)
        rc = compile(past, error);
    else if (rc == OK)
        past->plan = plan_ref(past->now);
    if (rc == OK)
        rc = remap_init(&past->remap, plan_events(past->plan), plan_events(past->now), error);
    if (rc == OK)
        rc = table_init(&past->events, plan_events(past->plan), error);
    past->number = rc == OK ? number : 0;
    return rc;
}

int past_read(struct past *past, const void *body, size_t size, struct events_head *ret_head,
              struct table *ret, struct error *error)
{
    int rc = record_read_events_head(body, size, ret_head, error);
    if (rc == OK)
        rc = past_enter(past, ret_head->version, error);
    if (rc != OK)
        return rc;
    if (past->remap.same)
        return record_read_events(body, size, ret_head, ret, error);
    rc = record_read_events(body, size, ret_head, &past->events, error);
    return rc == OK ? remap_rows(&past->remap, &past->events, ret, error) : rc;
}
