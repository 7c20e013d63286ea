#include "score/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "score/label_book.h"
#include "score/label_file.h"

enum { TOLD_AT_ONCE = 512 };

/* All labels of one id, by the first of them in the file. */
enum { EVENT_UNSEEN = -1, EVENT_OUTSIDE = -2 };
struct owner {
    int64_t event;   /* its row in `events`, or EVENT_... */
    int64_t arrival; /* the state's number of it */
    int64_t row;     /* in its source, from 1 */
    int64_t said;    /* the label that the windows know, -1 without */
    int32_t first;   /* of its labels, by rank */
    bool seen;
};

struct labels {
    struct plan *plan;
    struct labels_options options;
    struct table rows; /* of the file: id, time, late columns */
    int *columns;      /* of `rows`, per column of the events; -1: it has none */
    int64_t n;
    int32_t *ranked;   /* rows by time; of equal ones the last in the file comes last */
    int32_t *next;     /* per rank: the next label of the same id, -1 at the end */
    int32_t *owner_of; /* per rank */
    struct owner *owners;
    int32_t n_owners;
    int32_t *buckets; /* hash -> owner + 1 */
    uint32_t mask;
    /* The events so far. */
    struct table events; /* of plan_events: those with a label; only what the windows need is there */
    int64_t high;        /* the largest time */
    bool started;
    int32_t due; /* ranks below have arrived, as far as their events have */
    /* Of the piece at hand: owners whose event is in it, and labels to tell behind it. */
    int32_t *arrived, *telling;
    size_t n_arrived, n_telling, arrived_capacity, telling_capacity;
    int64_t *rows_arrived; /* per arrived owner: the event's row in the batch */
    size_t rows_capacity;
    struct table piece, features, before, now;
    uint8_t *filtered, *marks; /* of the last batch, whose pieces were taken one by one */
    size_t filtered_capacity, marks_capacity;
    int64_t told, outside;
};

static int no_memory(struct error *error)
{
    return error_set(error, CODE_MEMORY, "no memory for the labels");
}

/* ---- the file ---- */

static int read_file(struct labels *labels, struct error *error)
{
    struct reader *reader = NULL;
    struct table batch = {0};
    int rc = label_file_open(labels->plan, &labels->options, labels->columns, &reader, error);
    if (rc == OK)
        rc = table_init(&labels->rows, reader_schema(reader), error);
    if (rc == OK)
        rc = table_init(&batch, reader_schema(reader), error);
    while (rc == OK && (rc = label_file_next(reader, &batch, error)) == OK && batch.length > 0) {
        if (labels->rows.length + batch.length > INT32_MAX / 2)
            rc = error_set(error, CODE_LIMIT, "labels: more than %d rows", INT32_MAX / 2);
        if (rc == OK)
            rc = table_append(&labels->rows, &batch, 0, batch.length, error);
    }
    reader_close(reader);
    table_done(&batch);
    labels->n = labels->rows.length;
    return rc;
}

static int64_t time_of(const struct labels *labels, int32_t rank)
{
    return column_int(&labels->rows.columns[1], &labels->rows.schema->fields[1].type, labels->ranked[rank]);
}

static int by_time(const void *a, const void *b, void *context)
{
    const struct labels *labels = context;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    const struct column *column = &labels->rows.columns[1];
    const struct type *type = &labels->rows.schema->fields[1].type;
    int64_t s = column_int(column, type, x), t = column_int(column, type, y);
    return s != t ? (s < t ? -1 : 1) : (x > y) - (x < y);
}

/* ---- ids ---- */

struct key {
    uint64_t words[2];
    const char *text; /* of a text; words[0] is its size */
};

static struct key key_of(const struct column *column, const struct type *type, int64_t i)
{
    struct key key = {{0, 0}, NULL};
    __int128 wide;
    double real;
    size_t size;
    switch (type->id) {
    case TYPE_VARCHAR:
    case TYPE_ENUM:
        key.text = column_text(column, i, &size);
        key.words[0] = size;
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        real = column_double(column, type, i);
        memcpy(key.words, &real, sizeof real);
        break;
    case TYPE_HUGEINT:
    case TYPE_DECIMAL:
        wide = column_wide(column, i);
        memcpy(key.words, &wide, sizeof wide);
        break;
    default:
        key.words[0] =
            (uint64_t)(type->id == TYPE_BOOLEAN ? column_boolean(column, i) : column_int(column, type, i));
    }
    return key;
}

/* The bucket of an id: its owner + 1, or 0 where it belongs. */
static int32_t *find_bucket(const struct labels *labels, const struct column *column, int64_t i)
{
    const struct column *ids = &labels->rows.columns[0];
    const struct type *type = &labels->rows.schema->fields[0].type;
    struct key key = key_of(column, type, i);
    uint64_t hash = key.text ? hash_bytes(key.text, (size_t)key.words[0], 0)
                             : hash_word(key.words[1], hash_word(key.words[0], 0));
    uint32_t at = (uint32_t)hash & labels->mask;
    for (; labels->buckets[at]; at = (at + 1) & labels->mask) {
        const struct owner *owner = &labels->owners[labels->buckets[at] - 1];
        struct key other = key_of(ids, type, labels->ranked[owner->first]);
        if (key.words[0] == other.words[0] && key.words[1] == other.words[1] &&
            (!key.text || memcmp(key.text, other.text, (size_t)key.words[0]) == 0))
            break;
    }
    return &labels->buckets[at];
}

static int index_rows(struct labels *labels, struct error *error)
{
    size_t n = (size_t)labels->n, buckets = 16;
    while (buckets < 2 * n)
        buckets *= 2;
    labels->mask = (uint32_t)(buckets - 1);
    labels->ranked = memory_new(n, sizeof *labels->ranked);
    labels->next = memory_new(n, sizeof *labels->next);
    labels->owner_of = memory_new(n, sizeof *labels->owner_of);
    labels->owners = memory_new(n, sizeof *labels->owners);
    labels->buckets = memory_new(buckets, sizeof *labels->buckets);
    int32_t *last = memory_new(n, sizeof *last); /* per owner, so far */
    if (!labels->ranked || !labels->next || !labels->owner_of || !labels->owners || !labels->buckets ||
        !last) {
        free(last);
        return no_memory(error);
    }
    for (int32_t i = 0; i < labels->n; i++)
        labels->ranked[i] = i;
    qsort_r(labels->ranked, n, sizeof *labels->ranked, by_time, labels);
    for (int32_t rank = 0; rank < labels->n; rank++) {
        int32_t *bucket = find_bucket(labels, &labels->rows.columns[0], labels->ranked[rank]);
        labels->next[rank] = -1;
        if (*bucket) {
            labels->next[last[*bucket - 1]] = rank;
        } else {
            labels->owners[labels->n_owners] =
                (struct owner){.event = EVENT_UNSEEN, .said = -1, .first = rank};
            *bucket = ++labels->n_owners;
        }
        labels->owner_of[rank] = *bucket - 1;
        last[*bucket - 1] = rank;
    }
    free(last);
    return OK;
}

int labels_open(struct plan *plan, const struct labels_options *options, struct labels **ret,
                struct error *error)
{
    int rc = label_book_check(plan, error);
    if (rc != OK)
        return rc;
    struct labels *labels = memory_new(1, sizeof *labels);
    if (!labels)
        return no_memory(error);
    int n = plan_events(plan)->n;
    labels->plan = plan_ref(plan);
    labels->options = *options;
    labels->columns = memory_new((size_t)n, sizeof *labels->columns);
    labels->filtered = memory_new(1, 1);
    labels->marks = memory_new(1, 1);
    rc = labels->columns && labels->filtered && labels->marks ? OK : no_memory(error);
    if (rc == OK)
        rc = read_file(labels, error);
    if (rc == OK)
        rc = index_rows(labels, error);
    struct table *tables[] = {&labels->events, &labels->before, &labels->now};
    for (int t = 0; rc == OK && t < 3; t++)
        rc = table_init(tables[t], plan_events(plan), error);
    for (int t = 1; rc == OK && t < 3; t++)
        rc = table_reserve(tables[t], TOLD_AT_ONCE, error);
    if (rc == OK)
        rc = table_init(&labels->features, plan_features(plan), error);
    if (rc != OK) {
        labels_free(labels);
        return rc;
    }
    *ret = labels;
    return OK;
}

void labels_free(struct labels *labels)
{
    if (!labels)
        return;
    struct table *tables[] = {&labels->rows,   &labels->events,   &labels->piece,
                              &labels->before, &labels->features, &labels->now};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        if (tables[t]->schema)
            table_done(tables[t]);
    free(labels->columns);
    free(labels->ranked);
    free(labels->next);
    free(labels->owner_of);
    free(labels->owners);
    free(labels->buckets);
    free(labels->arrived);
    free(labels->telling);
    free(labels->rows_arrived);
    free(labels->filtered);
    free(labels->marks);
    plan_unref(labels->plan);
    free(labels);
}

/* ---- telling ---- */

/* Keeps what the windows will need of an event again. */
static int keep_event(struct labels *labels, const struct state *state, const struct table *batch, int64_t i,
                      struct error *error)
{
    struct schema *schema = plan_events(labels->plan);
    int64_t n = labels->events.length + 1;
    int rc = OK;
    for (int c = 0; rc == OK && c < schema->n; c++) {
        const struct type *type = &schema->fields[c].type;
        if (!state_learns_from(state, c) || (schema->fields[c].roles & ROLE_LATE))
            continue;
        rc = column_reserve(&labels->events.columns[c], type, n > 64 ? (n | 63) + n / 2 : 64, error);
        if (rc == OK)
            rc = column_append_from(&labels->events.columns[c], type, &batch->columns[c], i, error);
    }
    labels->events.length += rc == OK;
    return rc;
}

/* An event with its late columns by a label, or by none (-1). */
static int append_event(const struct labels *labels, int64_t event, int64_t label, struct table *ret,
                        struct error *error)
{
    struct schema *schema = plan_events(labels->plan);
    int rc = OK;
    for (int c = 0; rc == OK && c < schema->n; c++) {
        const struct column *kept = &labels->events.columns[c], *from = kept->length ? kept : NULL;
        int64_t row = event;
        if (schema->fields[c].roles & ROLE_LATE) {
            from = label >= 0 && labels->columns[c] >= 1 ? &labels->rows.columns[labels->columns[c]] : NULL;
            row = label;
        }
        rc = column_append_from(&ret->columns[c], &schema->fields[c].type, from, row, error);
    }
    ret->length += rc == OK;
    return rc;
}

static int tell_some(struct labels *labels, struct state *state, const int64_t *arrivals, struct error *error)
{
    int rc = labels->now.length ? state_learn(state, &labels->before, &labels->now, arrivals, error) : OK;
    table_clear(&labels->before);
    table_clear(&labels->now);
    return rc;
}

static int tell(struct labels *labels, struct state *state, struct error *error)
{
    int64_t arrivals[TOLD_AT_ONCE];
    int rc = OK;
    for (size_t i = 0; rc == OK && i < labels->n_telling; i++) {
        int32_t rank = labels->telling[i];
        struct owner *owner = &labels->owners[labels->owner_of[rank]];
        if (owner->event == EVENT_OUTSIDE) {
            labels->outside++;
            continue;
        }
        arrivals[labels->now.length] = owner->arrival;
        rc = append_event(labels, owner->event, owner->said, &labels->before, error);
        if (rc == OK)
            rc = append_event(labels, owner->event, labels->ranked[rank], &labels->now, error);
        owner->said = labels->ranked[rank];
        labels->told++;
        if (rc == OK && labels->now.length == TOLD_AT_ONCE)
            rc = tell_some(labels, state, arrivals, error);
    }
    labels->n_telling = 0;
    return rc == OK ? tell_some(labels, state, arrivals, error) : rc;
}

/* ---- events ---- */

static bool push(int32_t **list, size_t *n, size_t *capacity, int32_t value)
{
    if (!memory_grow(list, capacity, *n + 1, sizeof **list))
        return false;
    (*list)[(*n)++] = value;
    return true;
}

/* What becomes known when event time has come to `high`: labels whose events have been there. */
static bool advance(struct labels *labels, int64_t high)
{
    for (; labels->due < labels->n && time_of(labels, labels->due) <= high; labels->due++)
        if (labels->owners[labels->owner_of[labels->due]].seen &&
            !push(&labels->telling, &labels->n_telling, &labels->telling_capacity, labels->due))
            return false;
    return true;
}

/* An event that has labels; those that arrived before it are told behind it. */
static int arrive(struct labels *labels, const struct table *events, int64_t i, struct error *error)
{
    int32_t owner = *find_bucket(labels, &events->columns[plan_id_column(labels->plan)], i) - 1;
    if (owner < 0)
        return OK;
    struct owner *o = &labels->owners[owner];
    if (o->seen)
        return error_set(error, CODE_CONFLICT,
                         "row %lld: its %s has labels and was there before, in row %lld: labels go by ids, "
                         "which have to differ",
                         (long long)(events->first_row + i),
                         plan_events(labels->plan)->fields[plan_id_column(labels->plan)].name,
                         (long long)o->row);
    o->seen = true;
    o->row = events->first_row + i;
    if (!memory_grow(&labels->rows_arrived, &labels->rows_capacity, labels->n_arrived + 1,
                     sizeof *labels->rows_arrived))
        return no_memory(error);
    labels->rows_arrived[labels->n_arrived] = i;
    if (!push(&labels->arrived, &labels->n_arrived, &labels->arrived_capacity, owner))
        return no_memory(error);
    for (int32_t rank = o->first; rank >= 0 && rank < labels->due; rank = labels->next[rank])
        if (!push(&labels->telling, &labels->n_telling, &labels->telling_capacity, rank))
            return no_memory(error);
    return OK;
}

static int64_t event_time(const struct labels *labels, const struct table *events, int64_t i)
{
    int column = plan_time_column(labels->plan);
    const struct type *type = &plan_events(labels->plan)->fields[column].type;
    return column_int(&events->columns[column], type, i) * (type->id == TYPE_DATE ? DAY_US : 1);
}

/* Takes the rows [from, to) and then what is to be told. */
static int take_piece(struct labels *labels, struct state *state, const struct table *events, int64_t from,
                      int64_t to, struct table *features, struct error *error)
{
    bool whole = from == 0 && to == events->length;
    int64_t arrival = state_arrival(state);
    int rc = OK;
    if (!whole) {
        table_clear(&labels->piece);
        rc = table_append(&labels->piece, events, from, to - from, error);
        labels->piece.first_row = events->first_row + (events->first_row ? from : 0);
    }
    if (rc == OK)
        rc = state_take(state, whole ? events : &labels->piece, whole ? features : &labels->features, error);
    if (rc == OK && !whole)
        rc = table_append(features, &labels->features, 0, to - from, error);
    if (rc == OK && state_filtered(state))
        memcpy(labels->filtered + from, state_filtered(state), (size_t)(to - from));
    if (rc == OK)
        memcpy(labels->marks + from, state_marks(state), (size_t)(to - from));
    for (size_t a = 0; rc == OK && a < labels->n_arrived; a++) {
        struct owner *owner = &labels->owners[labels->arrived[a]];
        int64_t row = labels->rows_arrived[a];
        owner->event = EVENT_OUTSIDE;
        if (!state_entered(state)[row - from])
            continue;
        owner->event = labels->events.length;
        owner->arrival = arrival + row - from;
        rc = keep_event(labels, state, events, row, error);
    }
    labels->n_arrived = 0;
    return rc == OK ? tell(labels, state, error) : rc;
}

static int take_rows(struct labels *labels, struct state *state, const struct table *events,
                     struct table *features, struct error *error)
{
    int64_t from = 0;
    int rc = OK;
    for (int64_t i = 0; rc == OK && i < events->length; i++) {
        int64_t time = event_time(labels, events, i);
        labels->high = labels->started && labels->high > time ? labels->high : time;
        labels->started = true;
        if (!advance(labels, labels->high))
            return no_memory(error);
        if (labels->n_telling && i > from) {
            rc = take_piece(labels, state, events, from, i, features, error);
            from = i;
        } else if (labels->n_telling) {
            rc = tell(labels, state, error);
        }
        if (rc == OK)
            rc = arrive(labels, events, i, error);
    }
    return rc == OK && from < events->length
               ? take_piece(labels, state, events, from, events->length, features, error)
               : rc;
}

/* Times have to be there before the labels are looked at; the state says which is not. */
static bool has_times(const struct labels *labels, const struct table *events)
{
    int column = plan_time_column(labels->plan);
    for (int64_t i = 0; i < events->length; i++)
        if (column_is_null(&events->columns[column], i))
            return false;
    return true;
}

int labels_take(struct labels *labels, struct state *state, const struct table *events,
                struct table *ret_features, struct error *error)
{
    int rc = OK;
    if (!has_times(labels, events))
        return state_take(state, events, ret_features, error);
    if (!memory_grow(&labels->filtered, &labels->filtered_capacity, (size_t)events->length, 1) ||
        !memory_grow(&labels->marks, &labels->marks_capacity, (size_t)events->length, 1))
        return no_memory(error);
    if (!labels->piece.schema)
        rc = table_init(&labels->piece, events->schema, error);
    table_clear(ret_features);
    if (rc == OK)
        rc = take_rows(labels, state, events, ret_features, error);
    ret_features->first_row = events->first_row;
    return rc;
}

const uint8_t *labels_marks(const struct labels *labels)
{
    return labels->marks;
}

const uint8_t *labels_filtered(const struct labels *labels)
{
    return plan_has_where(labels->plan) ? labels->filtered : NULL;
}

bool labels_has(const struct labels *labels, int column)
{
    return labels->columns[column] >= 1;
}

const struct column *labels_truth(const struct labels *labels, const struct table *events, int64_t i,
                                  int column, int64_t *ret_row)
{
    int32_t owner = *find_bucket(labels, &events->columns[plan_id_column(labels->plan)], i) - 1;
    const struct column *truth = NULL;
    if (owner < 0 || !labels_has(labels, column))
        return NULL;
    for (int32_t rank = labels->owners[owner].first;
         rank >= 0 && time_of(labels, rank) <= labels->options.until; rank = labels->next[rank]) {
        truth = &labels->rows.columns[labels->columns[column]];
        *ret_row = labels->ranked[rank];
    }
    return truth;
}

void labels_count(const struct labels *labels, struct labels_counters *ret)
{
    struct labels_counters counters = {.labels = labels->n, .told = labels->told, .outside = labels->outside};
    for (int32_t rank = 0; rank < labels->n; rank++) {
        bool seen = labels->owners[labels->owner_of[rank]].seen;
        counters.unknown += !seen;
        counters.pending += seen && rank >= labels->due;
    }
    *ret = counters;
}
