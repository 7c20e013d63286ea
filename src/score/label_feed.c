#include "score/label_feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "score/label_file.h"

enum { DUE_AT_ONCE = 512 };

struct file {
    char *path;
    int64_t rows, before; /* read now, and before this run */
};

/* When a row is told: by time, and of one time as it was read. */
struct turn {
    int64_t time, row;
};

struct label_feed {
    struct table rows; /* of label_schema_new, in the order in which they were read */
    uint8_t *speaks;
    struct turn *turns;
    int64_t capacity; /* of the rows */
    int64_t next;     /* of the turns */
    int64_t read;     /* rows, with those told before */
    struct file *files;
    size_t n_files, files_capacity;
    struct table due;
    struct label_rows told; /* what the last call gave */
};

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the labels");
}

static int enter_file(struct label_feed *feed, const char *path, label_feed_read *read, void *context,
                      struct error *error)
{
    if (feed->n_files && strcmp(feed->files[feed->n_files - 1].path, path) == 0)
        return OK;
    char *copy = memory_text(path, strlen(path));
    if (!copy || !memory_grow(&feed->files, &feed->files_capacity, feed->n_files + 1, sizeof *feed->files)) {
        free(copy);
        return no_memory(error);
    }
    feed->files[feed->n_files++] = (struct file){copy, 0, read(context, path)};
    return OK;
}

/* Appends row i of a batch as a row of the label schema. columns: of the batch, per column of those behind
 * the time; -1: the files do not have it. */
static int append_row(struct label_feed *feed, const struct table *batch, int64_t i, const int *columns,
                      struct error *error)
{
    struct table *rows = &feed->rows;
    int64_t n = rows->length + 1;
    int rc = OK;
    if (n > feed->capacity) {
        feed->capacity = n > 64 ? 2 * n : 64;
        rc = table_reserve(rows, feed->capacity, error);
    }
    for (int c = 0; rc == OK && c < rows->schema->n; c++) {
        int from = c < LABEL_COLUMNS ? c : columns[c - LABEL_COLUMNS];
        rc = column_append_from(&rows->columns[c], &rows->schema->fields[c].type,
                                from < 0 ? NULL : &batch->columns[from], i, error);
    }
    rows->length += rc == OK;
    return rc;
}

/* The rows that were not told before. */
static int keep_rows(struct label_feed *feed, const struct table *batch, const int *columns, int64_t latest,
                     struct error *error)
{
    struct file *file = &feed->files[feed->n_files - 1];
    int rc = OK;
    for (int64_t i = 0; rc == OK && i < batch->length; i++, file->rows++) {
        int64_t time = column_int(&batch->columns[LABEL_TIME], &batch->schema->fields[LABEL_TIME].type, i);
        if (file->rows >= file->before || time > latest)
            rc = append_row(feed, batch, i, columns, error);
    }
    feed->read += batch->length;
    return rc;
}

static int read_files(struct label_feed *feed, struct reader *reader, const int *columns,
                      label_feed_read *read, void *context, int64_t latest, struct error *error)
{
    struct table batch = {0};
    int rc = table_init(&batch, reader_schema(reader), error);
    while (rc == OK && (rc = label_file_next(reader, &batch, error)) == OK && batch.length > 0) {
        rc = enter_file(feed, reader_path(reader), read, context, error);
        if (rc == OK)
            rc = keep_rows(feed, &batch, columns, latest, error);
    }
    table_done(&batch);
    for (size_t f = 0; rc == OK && f < feed->n_files; f++)
        if (feed->files[f].rows < feed->files[f].before)
            rc = error_set(error, CODE_CONFLICT,
                           "labels: %s has %lld rows, and %lld of it were read before; it may grow, and must "
                           "not change before that",
                           feed->files[f].path, (long long)feed->files[f].rows,
                           (long long)feed->files[f].before);
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    return x->time != y->time ? (x->time < y->time ? -1 : 1) : (x->row > y->row) - (x->row < y->row);
}

static int rank(struct label_feed *feed, struct error *error)
{
    int64_t n = feed->rows.length;
    struct label_rows rows = {&feed->rows, feed->speaks};
    feed->turns = memory_new((size_t)n, sizeof *feed->turns);
    if (!feed->turns)
        return no_memory(error);
    for (int64_t i = 0; i < n; i++)
        feed->turns[i] = (struct turn){label_time(&rows, i), i};
    qsort(feed->turns, (size_t)n, sizeof *feed->turns, by_time);
    return OK;
}

/* Which of the late columns, in the label schema's order, stands where in the rows that are read. */
static void note_columns(struct label_feed *feed, const struct plan *plan, const int *found, int *ret)
{
    const struct schema *events = plan_events(plan);
    for (int c = 0, late = 0; c < events->n; c++) {
        if (!(events->fields[c].roles & ROLE_LATE))
            continue;
        ret[late] = found[c];
        feed->speaks[late++] = found[c] >= 0;
    }
}

int label_feed_open(const struct plan *plan, struct schema *labels, const struct labels_options *options,
                    label_feed_read *read, void *context, int64_t latest, struct label_feed **ret,
                    struct error *error)
{
    struct label_feed *feed = memory_new(1, sizeof *feed);
    struct reader *reader = NULL;
    int *found = memory_new((size_t)plan_events(plan)->n, sizeof *found);
    int *columns = memory_new((size_t)labels->n, sizeof *columns);
    if (feed)
        feed->speaks = memory_new((size_t)labels->n, 1);
    int rc = feed && feed->speaks && found && columns ? OK : no_memory(error);
    if (rc == OK)
        rc = table_init(&feed->rows, labels, error);
    if (rc == OK)
        rc = table_init(&feed->due, labels, error);
    if (rc == OK)
        rc = label_file_open(plan, options, found, &reader, error);
    if (rc == OK) {
        note_columns(feed, plan, found, columns);
        rc = read_files(feed, reader, columns, read, context, latest, error);
    }
    if (rc == OK)
        rc = rank(feed, error);
    reader_close(reader);
    free(found);
    free(columns);
    if (rc != OK) {
        label_feed_free(feed);
        return rc;
    }
    *ret = feed;
    return OK;
}

void label_feed_free(struct label_feed *feed)
{
    if (!feed)
        return;
    for (size_t f = 0; f < feed->n_files; f++)
        free(feed->files[f].path);
    free(feed->files);
    if (feed->rows.schema)
        table_done(&feed->rows);
    if (feed->due.schema)
        table_done(&feed->due);
    free(feed->turns);
    free(feed->speaks);
    free(feed);
}

bool label_feed_is_due(const struct label_feed *feed, int64_t latest)
{
    return feed->next < feed->rows.length && feed->turns[feed->next].time <= latest;
}

int label_feed_due(struct label_feed *feed, int64_t latest, const struct label_rows **ret,
                   struct error *error)
{
    int rc = OK;
    table_clear(&feed->due);
    while (rc == OK && feed->due.length < DUE_AT_ONCE && label_feed_is_due(feed, latest)) {
        rc = table_append(&feed->due, &feed->rows, feed->turns[feed->next].row, 1, error);
        feed->next += rc == OK;
    }
    feed->told = (struct label_rows){&feed->due, feed->speaks};
    *ret = feed->due.length ? &feed->told : NULL;
    return rc;
}

const char *label_feed_file(const struct label_feed *feed, int n, int64_t *ret_rows)
{
    if ((size_t)n >= feed->n_files)
        return NULL;
    *ret_rows = feed->files[n].rows;
    return feed->files[n].path;
}

void label_feed_count(const struct label_feed *feed, int64_t *ret_rows, int64_t *ret_pending)
{
    *ret_rows = feed->read;
    *ret_pending = feed->rows.length - feed->next;
}
