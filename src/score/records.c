#include "score/records.h"

#include "score/erasing.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "table/packed.h"

static void put(struct buffer *out, const void *data, size_t size)
{
    buffer_append(out, data, size);
}

static void put_u32(struct buffer *out, uint32_t value)
{
    put(out, &value, sizeof value);
}

static void put_u64(struct buffer *out, uint64_t value)
{
    put(out, &value, sizeof value);
}

static void put_piece(struct buffer *out, struct piece piece)
{
    put_u32(out, piece.size);
    put(out, piece.data, piece.size);
}

/* What is left of a body, and whether all that was asked for was there. */
struct rest {
    const char *data;
    size_t size;
    bool failed;
};

static const char *take(struct rest *rest, size_t n)
{
    if (rest->failed || n > rest->size) {
        rest->failed = true;
        return NULL;
    }
    const char *data = rest->data;
    rest->data += n;
    rest->size -= n;
    return data;
}

static void get(struct rest *rest, void *data, size_t n)
{
    const char *from = take(rest, n);
    if (n && from)
        memcpy(data, from, n);
    else if (n)
        memset(data, 0, n);
}

static uint32_t get_u32(struct rest *rest)
{
    uint32_t value;
    get(rest, &value, sizeof value);
    return value;
}

static uint64_t get_u64(struct rest *rest)
{
    uint64_t value;
    get(rest, &value, sizeof value);
    return value;
}

static struct piece get_piece(struct rest *rest)
{
    uint32_t size = get_u32(rest);
    const char *data = take(rest, size);
    return (struct piece){data, data ? size : 0};
}

static int ended(const struct rest *rest, const char *what, struct error *error)
{
    if (rest->failed)
        return error_set(error, CODE_CORRUPT, "a record of %s ends before it should", what);
    if (rest->size)
        return error_set(error, CODE_CORRUPT, "a record of %s has %zu bytes too many", what, rest->size);
    return OK;
}

static int read_rows(struct rest *rest, struct table *ret, const char *what, struct error *error)
{
    size_t used;
    if (rest->failed)
        return ended(rest, what, error);
    int rc = packed_read(rest->data, rest->size, LIMIT_BATCH_ROWS, ret, &used, error);
    if (rc != OK) {
        error_prefix(error, "a record of %s", what);
        return rc;
    }
    take(rest, used);
    return OK;
}

void record_events(const struct events_head *head, const struct table *events, struct buffer *out)
{
    put_u32(out, head->version);
    put_piece(out, head->source);
    put_u64(out, head->position);
    packed_write(events, 0, events->length, out);
}

static struct events_head read_events_head(struct rest *rest)
{
    struct events_head head;
    head.version = get_u32(rest);
    head.source = get_piece(rest);
    head.position = get_u64(rest);
    return head;
}

int record_read_events_head(const void *body, size_t size, struct events_head *ret, struct error *error)
{
    struct rest rest = {body, size, false};
    *ret = read_events_head(&rest);
    rest.size = 0;
    return ended(&rest, "events", error);
}

int record_read_events(const void *body, size_t size, struct events_head *ret_head, struct table *ret,
                       struct error *error)
{
    struct rest rest = {body, size, false};
    *ret_head = read_events_head(&rest);
    int rc = read_rows(&rest, ret, "events", error);
    return rc == OK ? ended(&rest, "events", error) : rc;
}

void record_decisions(uint32_t version, uint64_t seq, const struct decisions *decisions, struct buffer *out)
{
    size_t n = (size_t)decisions->n;
    uint8_t marks[2] = {(uint8_t)decisions->reasons_per_row, decisions->rules_fired != NULL};
    put_u32(out, version);
    put_u64(out, seq);
    put(out, marks, sizeof marks);
    packed_write(decisions->features, 0, decisions->n, out);
    put(out, decisions->scores, n * sizeof *decisions->scores);
    put(out, decisions->decisions, n);
    put(out, decisions->marks, n);
    if (decisions->rules_fired)
        put(out, decisions->rules_fired, n * sizeof *decisions->rules_fired);
    for (size_t i = 0; i < n * (size_t)decisions->reasons_per_row; i++) {
        int32_t feature = decisions->reasons[i].feature;
        put(out, &feature, sizeof feature);
        put(out, &decisions->reasons[i].contribution, sizeof(double));
    }
}

int decided_init(struct decided *ret, struct schema *features, struct error *error)
{
    *ret = (struct decided){0};
    return table_init(&ret->features, features, error);
}

void decided_done(struct decided *decided)
{
    table_done(&decided->features);
    free(decided->scores);
    free(decided->words);
    free(decided->marks);
    free(decided->fired);
    free(decided->reasons);
    *decided = (struct decided){0};
}

static int make_room(struct decided *decided, size_t n, size_t reasons, struct error *error)
{
    size_t a = decided->capacity, b = a, c = a, d = a;
    bool fine =
        memory_grow(&decided->scores, &a, n, sizeof *decided->scores) &&
        memory_grow(&decided->words, &b, n, sizeof *decided->words) &&
        memory_grow(&decided->marks, &d, n, sizeof *decided->marks) &&
        memory_grow(&decided->fired, &c, n, sizeof *decided->fired) &&
        memory_grow(&decided->reasons, &decided->reasons_capacity, n * reasons, sizeof *decided->reasons);
    if (!fine)
        return error_set(error, CODE_MEMORY, "no memory for decisions");
    decided->capacity = a;
    return OK;
}

static void refer(struct decided *decided, size_t n, size_t reasons, bool rules)
{
    decided->decisions = (struct decisions){.n = (int64_t)n,
                                            .features = &decided->features,
                                            .scores = decided->scores,
                                            .decisions = decided->words,
                                            .reasons = reasons ? decided->reasons : NULL,
                                            .reasons_per_row = (int)reasons,
                                            .rules_fired = rules ? decided->fired : NULL,
                                            .marks = decided->marks};
}

int decided_copy(const struct decisions *decisions, int64_t from, int64_t n, struct decided *ret,
                 struct error *error)
{
    size_t rows = (size_t)n, reasons = (size_t)decisions->reasons_per_row;
    table_clear(&ret->features);
    int rc = table_append(&ret->features, decisions->features, from, n, error);
    if (rc == OK)
        rc = make_room(ret, rows, reasons, error);
    if (rc != OK)
        return rc;
    memcpy(ret->scores, decisions->scores + from, rows * sizeof *ret->scores);
    memcpy(ret->words, decisions->decisions + from, rows);
    memcpy(ret->marks, decisions->marks + from, rows);
    if (decisions->rules_fired)
        memcpy(ret->fired, decisions->rules_fired + from, rows * sizeof *ret->fired);
    if (reasons)
        memcpy(ret->reasons, decisions->reasons + (size_t)from * reasons,
               rows * reasons * sizeof *ret->reasons);
    refer(ret, rows, reasons, decisions->rules_fired != NULL);
    return OK;
}

static int check_decisions(const struct decided *decided, size_t n, size_t reasons, struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (decided->words[i] < DECISION_NONE || decided->words[i] >= DECISIONS)
            return error_set(error, CODE_CORRUPT, "a record of decisions has a decision %d",
                             decided->words[i]);
    for (size_t i = 0; i < n * reasons; i++)
        if (decided->reasons[i].feature < -1 || decided->reasons[i].feature >= decided->features.schema->n)
            return error_set(error, CODE_CORRUPT, "a record of decisions has a reason in feature %d",
                             decided->reasons[i].feature);
    return OK;
}

int record_read_decisions(const void *body, size_t size, struct decided *ret, struct error *error)
{
    struct rest rest = {body, size, false};
    uint8_t marks[2];
    ret->version = get_u32(&rest);
    ret->seq = get_u64(&rest);
    get(&rest, marks, sizeof marks);
    size_t reasons = marks[0];
    if (reasons > LIMIT_REASONS || marks[1] > 1)
        return error_set(error, CODE_CORRUPT, "a record of decisions has %u reasons per row, rules %u",
                         marks[0], marks[1]);
    int rc = read_rows(&rest, &ret->features, "decisions", error);
    if (rc != OK)
        return rc;
    size_t n = (size_t)ret->features.length;
    rc = make_room(ret, n, reasons, error);
    if (rc != OK)
        return rc;
    get(&rest, ret->scores, n * sizeof *ret->scores);
    get(&rest, ret->words, n);
    get(&rest, ret->marks, n);
    if (marks[1])
        get(&rest, ret->fired, n * sizeof *ret->fired);
    for (size_t i = 0; i < n * reasons && !rest.failed; i++) {
        int32_t feature;
        get(&rest, &feature, sizeof feature);
        ret->reasons[i].feature = feature;
        get(&rest, &ret->reasons[i].contribution, sizeof(double));
    }
    rc = ended(&rest, "decisions", error);
    if (rc == OK)
        rc = check_decisions(ret, n, reasons, error);
    refer(ret, n, reasons, marks[1]);
    return rc;
}

int record_read_decisions_head(const void *body, size_t size, uint64_t *ret_seq, uint32_t *ret_version,
                               struct error *error)
{
    struct rest rest = {body, size, false};
    *ret_version = get_u32(&rest);
    *ret_seq = get_u64(&rest);
    rest.size = 0;
    return ended(&rest, "decisions", error);
}

void record_switch(const struct switch_record *record, struct buffer *out)
{
    put_u32(out, record->version);
    put_u32(out, record->reasons);
    put(out, &record->threshold, sizeof record->threshold);
    put(out, &record->explain_from, sizeof record->explain_from);
    put(out, &record->lateness_us, sizeof record->lateness_us);
    put(out, &record->max_ahead_us, sizeof record->max_ahead_us);
    put_u32(out, record->learns);
    put_piece(out, record->name);
    put_piece(out, record->identity);
    put_piece(out, record->plan_sql);
    put_piece(out, record->rules_sql);
}

int record_read_switch(const void *body, size_t size, struct switch_record *ret, struct error *error)
{
    struct rest rest = {body, size, false};
    ret->version = get_u32(&rest);
    ret->reasons = get_u32(&rest);
    get(&rest, &ret->threshold, sizeof ret->threshold);
    get(&rest, &ret->explain_from, sizeof ret->explain_from);
    get(&rest, &ret->lateness_us, sizeof ret->lateness_us);
    get(&rest, &ret->max_ahead_us, sizeof ret->max_ahead_us);
    uint32_t learns = get_u32(&rest);
    ret->learns = learns == 1;
    ret->name = get_piece(&rest);
    ret->identity = get_piece(&rest);
    ret->plan_sql = get_piece(&rest);
    ret->rules_sql = get_piece(&rest);
    int rc = ended(&rest, "a switch", error);
    if (rc == OK && learns > 1)
        rc = error_set(error, CODE_CORRUPT,
                       "a record of a switch has %u where 0 or 1 says whether labels come", learns);
    return rc;
}

void record_labels(const struct label_rows *labels, struct buffer *out)
{
    uint32_t n = (uint32_t)(labels->rows->schema->n - LABEL_COLUMNS);
    put_u32(out, n);
    put(out, labels->speaks, n);
    packed_write(labels->rows, 0, labels->rows->length, out);
}

/* Every label needs its id and its time; one that was erased has neither. */
static int check_labels(const struct table *rows, struct error *error)
{
    for (int64_t i = 0; rows->columns[LABEL_ID].nulls + rows->columns[LABEL_TIME].nulls && i < rows->length;
         i++) {
        int c = column_is_null(&rows->columns[LABEL_ID], i) ? LABEL_ID : LABEL_TIME;
        if (column_is_null(&rows->columns[c], i) && !event_is_erased(rows, i))
            return error_set(error, CODE_CORRUPT, "a record of labels has one without %s",
                             c == LABEL_ID ? "an id" : "a time");
    }
    return OK;
}

int record_read_labels(const void *body, size_t size, struct table *ret, uint8_t *ret_speaks,
                       struct error *error)
{
    struct rest rest = {body, size, false};
    uint32_t n = get_u32(&rest);
    if (!rest.failed && n != (uint32_t)(ret->schema->n - LABEL_COLUMNS))
        return error_set(error, CODE_CORRUPT, "a record of labels has %u late columns; the plan has %d", n,
                         ret->schema->n - LABEL_COLUMNS);
    get(&rest, ret_speaks, rest.failed ? 0 : n);
    for (uint32_t c = 0; !rest.failed && c < n; c++)
        if (ret_speaks[c] > 1)
            return error_set(error, CODE_CORRUPT, "a record of labels has %u where 0 or 1 should be",
                             ret_speaks[c]);
    int rc = read_rows(&rest, ret, "labels", error);
    if (rc == OK)
        rc = ended(&rest, "labels", error);
    return rc == OK ? check_labels(ret, error) : rc;
}

uint64_t erasure_seq(const struct erasure_record *record, uint32_t i)
{
    uint64_t seq;
    memcpy(&seq, record->seqs + (size_t)i * sizeof seq, sizeof seq);
    return seq;
}

void record_erasure(bool done, int64_t asked_us, const uint64_t *seqs, uint32_t n, struct buffer *out)
{
    uint8_t mark = done;
    put(out, &mark, sizeof mark);
    put(out, &asked_us, sizeof asked_us);
    put_u32(out, n);
    put(out, seqs, n * sizeof *seqs);
}

int record_read_erasure(const void *body, size_t size, struct erasure_record *ret, struct error *error)
{
    struct rest rest = {body, size, false};
    uint8_t mark;
    get(&rest, &mark, sizeof mark);
    get(&rest, &ret->asked_us, sizeof ret->asked_us);
    ret->done = mark;
    ret->n = get_u32(&rest);
    ret->seqs = take(&rest, (size_t)ret->n * sizeof(uint64_t));
    int rc = ended(&rest, "an erasure", error);
    if (rc == OK && mark > 1)
        rc = error_set(error, CODE_CORRUPT, "a record of an erasure is marked %u", mark);
    for (uint32_t i = 0; rc == OK && i < ret->n; i++)
        if (erasure_seq(ret, i) == 0 || (i && erasure_seq(ret, i) <= erasure_seq(ret, i - 1)))
            rc = error_set(error, CODE_CORRUPT, "the events of an erasure are not in their order");
    return rc;
}

void record_position(const struct position_record *record, struct buffer *out)
{
    put_piece(out, record->what);
    put_u64(out, record->number);
    put_u64(out, record->bytes);
}

int record_read_position(const void *body, size_t size, struct position_record *ret, struct error *error)
{
    struct rest rest = {body, size, false};
    ret->what = get_piece(&rest);
    ret->number = get_u64(&rest);
    ret->bytes = get_u64(&rest);
    return ended(&rest, "a position", error);
}
