/*
 * Labels in the durable engine: into the journal, then to the windows. One that changes nothing is not
 * written; what was written is told again by a restart, in the order of the journal.
 */
#include <stdlib.h>
#include <string.h>

#include "score/durable_struct.h"
#include "score/erasing.h"

void durable_free_labels(struct durable *durable)
{
    label_book_free(durable->labels);
    if (durable->news.schema)
        table_done(&durable->news);
    free(durable->speaks);
    durable->labels = NULL;
    durable->news = (struct table){0};
    durable->speaks = NULL;
}

int durable_new_labels(struct durable *durable, struct error *error)
{
    const struct state_options *options = &durable->options.engine.state;
    durable_free_labels(durable);
    if (!options->learns)
        return OK;
    struct schema *schema = label_schema_new(durable->plan);
    durable->speaks = schema ? memory_new((size_t)schema->n, 1) : NULL;
    int rc = durable->speaks ? table_init(&durable->news, schema, error)
                             : error_set(error, CODE_MEMORY, "no memory for labels");
    if (rc == OK)
        rc = label_book_new(durable->plan, schema, engine_state(durable->engine), options->lateness_us,
                            &durable->labels, error);
    schema_unref(schema);
    return rc;
}

int durable_taken(struct durable *durable, const struct table *events, uint64_t seq, struct error *error)
{
    return durable->labels
               ? label_book_take(durable->labels, engine_windows(durable->engine), events, seq, error)
               : OK;
}

int durable_take_labels(struct durable *durable, const struct record *record, struct error *error)
{
    struct label_rows labels = {&durable->news, durable->speaks};
    if (!durable->labels)
        return error_set(error, CODE_CORRUPT, "labels in a journal that was begun without them");
    int rc = record_read_labels(record->body, record->size, &durable->news, durable->speaks, error);
    if (rc == OK && durable->news.length != record->count)
        rc = error_set(error, CODE_CORRUPT, "a record of %u labels has %lld rows", record->count,
                       (long long)durable->news.length);
    if (rc != OK)
        return rc;
    durable->seq = record->seq + record->count - 1;
    rc = erased_rows_drop(&durable->news, error);
    return rc == OK ? label_book_learn(durable->labels, engine_windows(durable->engine), &labels, error) : rc;
}

/* The next labels that change anything, `most` at most; *at: behind the last one looked at. No id is looked
 * at twice, since what its second label changes depends on the first. */
static int gather(struct durable *durable, const struct label_rows *labels, int64_t most, int64_t *at,
                  struct error *error)
{
    const struct table *rows = labels->rows;
    const struct type *type = &rows->schema->fields[LABEL_ID].type;
    struct keyed_rows keyed;
    int rc = OK;
    keyed_rows_init(&keyed);
    table_clear(&durable->news);
    int64_t from = *at,
            to = rows->length - from < LIMIT_DURABLE_ROWS ? rows->length : from + LIMIT_DURABLE_ROWS;
    for (int64_t i = from; rc == OK && i < to && durable->news.length < most; i++) {
        bool news = false;
        if (!keyed_rows_enter(&keyed, id_key_of(&rows->columns[LABEL_ID], type, i), i - from))
            return OK;
        rc = label_book_is_news(durable->labels, labels, i, &news, error);
        if (rc == OK && news)
            rc = table_append(&durable->news, rows, i, 1, error);
        *at = i + 1;
    }
    return rc;
}

static int append(struct durable *durable, const struct label_rows *news, struct error *error)
{
    struct journal_place place;
    buffer_clear(&durable->body);
    record_labels(news, &durable->body);
    return durable_append(durable, RECORD_LABELS, (uint32_t)news->rows->length, &place, error);
}

/* One record of them, from *at on. */
static int learn_some(struct durable *durable, const struct label_rows *labels, int64_t *at,
                      struct error *error)
{
    struct label_rows news = {&durable->news, labels->speaks};
    int64_t most = LIMIT_DURABLE_ROWS, behind = *at;
    int rc = gather(durable, labels, most, &behind, error);
    for (;;) {
        if (rc != OK || durable->news.length == 0)
            break;
        rc = append(durable, &news, error);
        if (rc != CODE_LIMIT || durable->news.length == 1)
            break;
        /* Too many bytes for one record. */
        error_clear(error);
        most = durable->news.length / 2;
        behind = *at;
        rc = gather(durable, labels, most, &behind, error);
    }
    if (rc != OK)
        return rc;
    *at = behind;
    struct error own = {0};
    rc = label_book_learn(durable->labels, engine_windows(durable->engine), &news, &own);
    if (rc == OK)
        return OK;
    if (error)
        *error = own;
    return durable_fail(durable, rc, &own);
}

static int check_rows(const struct label_rows *labels, struct error *error)
{
    for (int c = LABEL_ID; c <= LABEL_TIME; c++)
        if (labels->rows->columns[c].nulls)
            return error_set(error, CODE_INVALID, "every label needs its id and the time when it arrived");
    return OK;
}

int durable_learn(struct durable *durable, const struct label_rows *labels, struct error *error)
{
    if (durable->failed) {
        if (error)
            *error = durable->failure;
        return durable->failure.code;
    }
    if (!durable->labels)
        return error_set(error, CODE_INTERNAL, "an engine that was not opened for it cannot learn labels");
    durable_reap(durable, false);
    int rc = check_rows(labels, error);
    for (int64_t at = 0; rc == OK && at < labels->rows->length;)
        rc = learn_some(durable, labels, &at, error);
    if (rc == OK)
        durable_snapshot_if_due(durable);
    return rc;
}

struct schema *durable_label_schema(struct durable *durable)
{
    return durable->news.schema;
}

int64_t durable_together(const struct durable *durable, const struct table *events, int64_t from)
{
    return durable->labels ? label_book_together(durable->labels, events, from) : events->length - from;
}

int64_t durable_latest(const struct durable *durable)
{
    return durable->labels ? label_book_latest(durable->labels) : INT64_MIN;
}

size_t durable_lost_labels(const struct durable *durable, const char *const **ret_ids)
{
    return durable->labels ? label_book_lost(durable->labels, ret_ids) : 0;
}

void durable_forget_lost_labels(struct durable *durable)
{
    if (durable->labels)
        label_book_forget_lost(durable->labels);
}

void durable_count_labels(const struct durable *durable, struct label_counters *ret)
{
    *ret = (struct label_counters){0};
    if (durable->labels)
        label_book_count(durable->labels, ret);
}
