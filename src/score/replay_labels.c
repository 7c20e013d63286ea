#include "score/replay_labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "score/erasing.h"

int replay_labels_plan(struct replay_labels *labels, const struct plan *plan, struct error *error)
{
    struct schema *schema = label_schema_new(plan);
    uint8_t *speaks = schema ? memory_new((size_t)schema->n, 1) : NULL;
    struct table rows;
    int rc =
        speaks ? table_init(&rows, schema, error) : error_set(error, CODE_MEMORY, "no memory for labels");
    schema_unref(schema);
    if (rc != OK) {
        free(speaks);
        return rc;
    }
    if (labels->rows.schema)
        table_done(&labels->rows);
    free(labels->speaks);
    labels->rows = rows;
    labels->speaks = speaks;
    return OK;
}

void replay_labels_done(struct replay_labels *labels)
{
    label_book_free(labels->book);
    if (labels->rows.schema)
        table_done(&labels->rows);
    free(labels->speaks);
    *labels = (struct replay_labels){0};
}

int replay_labels_read(struct replay_labels *labels, const struct record *record, struct error *error)
{
    if (!labels->rows.schema)
        return error_set(error, CODE_CORRUPT, "labels in a journal that was begun without them");
    int rc = record_read_labels(record->body, record->size, &labels->rows, labels->speaks, error);
    return rc == OK ? erased_rows_drop(&labels->rows, error) : rc;
}

/* ---- what they have said in the end ---- */

struct saying {
    struct id_key key;
    int64_t time;
    uint64_t order;
    int says;
};

struct label_truth {
    struct saying *list; /* by id; of one id the one that counts comes last */
    size_t n, capacity;
};

static int compare_keys(struct id_key a, struct id_key b)
{
    int high = (a.words[0] > b.words[0]) - (a.words[0] < b.words[0]);
    return high ? high : (a.words[1] > b.words[1]) - (a.words[1] < b.words[1]);
}

static int by_id(const void *a, const void *b)
{
    const struct saying *x = a, *y = b;
    int keys = compare_keys(x->key, y->key);
    if (keys)
        return keys;
    return x->time != y->time ? (x->time < y->time ? -1 : 1) : (x->order > y->order) - (x->order < y->order);
}

static int says(const struct column *column, const struct type *type, int64_t i)
{
    if (column_is_null(column, i))
        return -1;
    return type->id == TYPE_BOOLEAN ? column_boolean(column, i) : column_double(column, type, i) != 0;
}

/* column: of the rows. */
static int add_rows(struct label_truth *truth, const struct label_rows *labels, int column,
                    struct error *error)
{
    const struct table *rows = labels->rows;
    const struct field *fields = rows->schema->fields;
    if (!labels->speaks[column - LABEL_COLUMNS])
        return OK;
    if (!memory_grow(&truth->list, &truth->capacity, truth->n + (size_t)rows->length, sizeof *truth->list))
        return error_set(error, CODE_MEMORY, "no memory for labels");
    for (int64_t i = 0; i < rows->length; i++, truth->n++)
        truth->list[truth->n] =
            (struct saying){.key = id_key_of(&rows->columns[LABEL_ID], &fields[LABEL_ID].type, i),
                            .time = label_time(labels, i),
                            .order = truth->n,
                            .says = says(&rows->columns[column], &fields[column].type, i)};
    return OK;
}

static int read_all(struct label_truth *truth, struct journal *journal, struct replay_labels *labels,
                    int column, struct error *error)
{
    struct label_rows rows = {&labels->rows, labels->speaks};
    struct journal_reader *reader;
    struct record record;
    bool found = true;
    int rc = journal_reader_new(journal, &reader, error);
    while (rc == OK) {
        rc = journal_reader_next(reader, &found, &record, error);
        if (rc != OK || !found)
            break;
        if (record.kind != RECORD_LABELS)
            continue;
        rc = replay_labels_read(labels, &record, error);
        if (rc == OK)
            rc = add_rows(truth, &rows, column, error);
    }
    journal_reader_free(reader);
    return rc;
}

int label_truth_new(struct journal *journal, const struct plan *plan, struct label_truth **ret,
                    struct error *error)
{
    const struct schema *events = plan_events(plan);
    struct replay_labels labels = {0};
    struct label_truth *truth = memory_new(1, sizeof *truth);
    int rc = truth ? replay_labels_plan(&labels, plan, error)
                   : error_set(error, CODE_MEMORY, "no memory for labels");
    int column = LABEL_COLUMNS;
    for (int c = 0; c < plan_label_column(plan); c++)
        column += (events->fields[c].roles & ROLE_LATE) != 0;
    if (rc == OK)
        rc = read_all(truth, journal, &labels, column, error);
    replay_labels_done(&labels);
    if (rc != OK) {
        label_truth_free(truth);
        return rc;
    }
    if (truth->n)
        qsort(truth->list, truth->n, sizeof *truth->list, by_id);
    *ret = truth;
    return OK;
}

void label_truth_free(struct label_truth *truth)
{
    if (!truth)
        return;
    free(truth->list);
    free(truth);
}

int label_truth_find(const struct label_truth *truth, struct id_key key)
{
    size_t from = 0, to = truth->n; /* behind the last of this id */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare_keys(truth->list[middle].key, key) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from && compare_keys(truth->list[from - 1].key, key) == 0 ? truth->list[from - 1].says : -1;
}
