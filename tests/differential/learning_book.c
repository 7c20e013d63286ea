/* The same labels by a book of labels, which finds events by their ids and survives restarts with the state,
 * against the same rescan. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "differential/reborn.h"
#include "differential/trial.h"
#include "score/label_book.h"

struct keeper {
    struct trial *trial;
    const struct labels *labels;
    struct table events; /* those of the trial, each with an id of its own */
    struct state_options options;
    struct state *state;
    struct schema *schema;
    struct label_book *book;
    struct table rows, batch, out, all;
    int64_t next;
    uint64_t seq;
};

struct reading {
    const struct buffer *buffer;
    size_t at;
};

static int write_buffer(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "a book of labels", error);
}

static int read_buffer(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    (void)error;
    struct reading *reading = context;
    size_t left = reading->buffer->size - reading->at, n = left < capacity ? left : capacity;
    memcpy(data, reading->buffer->data + reading->at, n);
    reading->at += n;
    *ret_size = n;
    return OK;
}

static int new_book(struct keeper *keeper, struct error *error)
{
    return label_book_new(keeper->trial->plan, keeper->schema, keeper->state, keeper->options.lateness_us,
                          &keeper->book, error);
}

/* The state and the book from their own bytes. */
static int restart(struct keeper *keeper, struct error *error)
{
    struct label_book *former = keeper->book;
    struct buffer buffer;
    struct bytes_out out;
    struct bytes_in in;
    buffer_init(&buffer, SIZE_MAX / 2);
    struct reading reading = {&buffer, 0};
    keeper->options.threads = 1 + (int)random_below(&keeper->trial->random, 3);
    int rc = reborn(keeper->trial->plan, &keeper->options, &keeper->state, error);
    if (rc != OK)
        return rc;
    if (bytes_out_init(&out, write_buffer, &buffer, error) != OK)
        abort();
    label_book_save(former, &out);
    rc = bytes_out_finish(&out);
    if (rc == OK)
        rc = new_book(keeper, error);
    if (rc == OK && bytes_in_init(&in, read_buffer, &reading, error) != OK)
        abort();
    if (rc == OK) {
        label_book_load(keeper->book, &in);
        bytes_at_end(&in);
        rc = in.rc;
        bytes_in_done(&in);
        label_book_free(former);
    }
    buffer_done(&buffer);
    return rc;
}

static int tell(struct keeper *keeper, int64_t at, struct error *error)
{
    uint8_t speaks[LIMIT_SLOTS];
    const struct labels *labels = keeper->labels;
    const struct schema *events = keeper->trial->plan->events;
    struct table *rows = &keeper->rows;
    memset(speaks, 1, sizeof speaks);
    table_clear(rows);
    for (; keeper->next < labels->n && labels->list[keeper->next].position <= at; keeper->next++) {
        const struct label *label = &labels->list[keeper->next];
        int to = LABEL_COLUMNS;
        if (table_reserve(rows, rows->length + 1, error) != OK)
            abort();
        column_append_int(&rows->columns[LABEL_ID], &rows->schema->fields[LABEL_ID].type, label->event);
        column_append_int(&rows->columns[LABEL_TIME], &rows->schema->fields[LABEL_TIME].type, label->time);
        for (int c = 0; c < events->n; c++)
            if (keeper->trial->plan->late[c].is_late)
                labels_append(&rows->columns[to++], &events->fields[c].type, &labels->values.columns[c],
                              label->source);
        rows->length++;
    }
    return label_book_learn(keeper->book, keeper->state, &(struct label_rows){rows, speaks}, error);
}

static int take(struct keeper *keeper, int64_t from, int64_t n, struct error *error)
{
    keeper->seq += (uint64_t)random_below(&keeper->trial->random, 5);
    state_set_arrival(keeper->state, (int64_t)keeper->seq);
    table_clear(&keeper->batch);
    int rc = table_append(&keeper->batch, &keeper->events, from, n, error);
    if (rc == OK)
        rc = state_take(keeper->state, &keeper->batch, &keeper->out, error);
    if (rc == OK)
        rc = label_book_take(keeper->book, keeper->state, &keeper->batch, keeper->seq, error);
    keeper->seq += (uint64_t)n;
    return rc == OK ? table_append(&keeper->all, &keeper->out, 0, n, error) : rc;
}

static int keep_all(struct keeper *keeper, struct error *error)
{
    struct trial *trial = keeper->trial;
    int rc = OK;
    for (int64_t from = 0, n; rc == OK && from < trial->events.length; from += n) {
        int64_t left = trial->events.length - from;
        rc = tell(keeper, from, error);
        if (rc == OK && random_chance(&trial->random, 5))
            rc = restart(keeper, error);
        n = 1 + random_below(&trial->random, left);
        if (keeper->next < keeper->labels->n && keeper->labels->list[keeper->next].position - from < n)
            n = keeper->labels->list[keeper->next].position - from;
        if (rc == OK)
            rc = take(keeper, from, n, error);
    }
    return rc;
}

/* Random ids are not all different. */
static void number_events(struct trial *trial, struct table *ret)
{
    int id = plan_id_column(trial->plan);
    const struct type *type = &trial->plan->events->fields[id].type;
    if (table_init(ret, trial->plan->events, NULL) != OK ||
        table_append(ret, &trial->events, 0, trial->events.length, NULL) != OK)
        abort();
    column_truncate(&ret->columns[id], type, 0);
    for (int64_t i = 0; i < trial->events.length; i++)
        column_append_int(&ret->columns[id], type, i);
}

/* Events far enough apart that an id may be forgotten while a frame without a start still has its event. */
static bool spans_ages(const struct trial *trial)
{
    const struct plan *plan = trial->plan;
    const struct column *column = &trial->events.columns[plan->time_column];
    const struct type *type = &plan->events->fields[plan->time_column].type;
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (int64_t i = 0; i < trial->events.length; i++) {
        int64_t time = column_int(column, type, i) * plan->time_scale;
        least = time < least ? time : least;
        most = time > most ? time : most;
    }
    return most - LIMIT_LABEL_HORIZON > least;
}

void compare_book(struct trial *trial, const struct labels *labels)
{
    struct keeper keeper = {.trial = trial,
                            .labels = labels,
                            .options = {.threads = 1, .lateness_us = trial->made.lateness, .learns = true},
                            .schema = label_schema_new(trial->plan)};
    struct rescan_options options = {.lateness = trial->made.lateness, .labels = labels};
    struct rescan expected;
    struct error error = {0};
    if (spans_ages(trial)) {
        schema_unref(keeper.schema);
        return;
    }
    number_events(trial, &keeper.events);
    if (!keeper.schema || rescan_run(trial->plan, &keeper.events, &options, &expected, &error) != OK ||
        table_init(&keeper.rows, keeper.schema, NULL) != OK ||
        table_init(&keeper.batch, trial->plan->events, NULL) != OK ||
        table_init(&keeper.out, trial->plan->features, NULL) != OK ||
        table_init(&keeper.all, trial->plan->features, NULL) != OK ||
        state_new(trial->plan, &keeper.options, &keeper.state, &error) != OK ||
        new_book(&keeper, &error) != OK)
        abort();
    if (keep_all(&keeper, &error) == OK)
        compare_bits(trial, "labels, by a book", &expected.features, &keeper.all);
    else
        trial_fail(trial, "labels, by a book", "%s", error.message);
    rescan_done(&expected);
    label_book_free(keeper.book);
    state_free(keeper.state);
    table_done(&keeper.events);
    table_done(&keeper.rows);
    table_done(&keeper.batch);
    table_done(&keeper.out);
    table_done(&keeper.all);
    schema_unref(keeper.schema);
}
