#include "score/erasing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

bool event_is_erased(const struct table *events, int64_t i)
{
    bool erased = true;
    for (int c = 0; erased && c < events->schema->n; c++)
        erased = column_is_null(&events->columns[c], i);
    return erased;
}

bool events_have_erased(const struct table *events)
{
    bool can = true, found = false;
    for (int c = 0; can && c < events->schema->n; c++)
        can = events->columns[c].nulls > 0;
    for (int64_t i = 0; can && !found && i < events->length; i++)
        found = event_is_erased(events, i);
    return found;
}

int erased_rows_drop(struct table *rows, struct error *error)
{
    struct table left = {0}, swap;
    if (!events_have_erased(rows))
        return OK;
    int rc = table_init(&left, rows->schema, error);
    for (int64_t i = 0; rc == OK && i < rows->length; i++)
        if (!event_is_erased(rows, i))
            rc = table_append(&left, rows, i, 1, error);
    if (rc == OK) {
        swap = *rows;
        *rows = left;
        left = swap;
    }
    table_done(&left);
    return rc;
}

/* The first of the numbers that is not below `seq`. */
static size_t first_from(const uint64_t *seqs, size_t n, uint64_t seq)
{
    size_t low = 0;
    while (n) {
        size_t half = n / 2;
        bool below = seqs[low + half] < seq;
        low += below ? half + 1 : 0;
        n = below ? n - half - 1 : half;
    }
    return low;
}

/* ---- finding ---- */

struct finding {
    struct journal_reader *reader;
    struct past past;
    struct table events;
    struct decided decided;
    char plan[65]; /* hash of the plan that those are of */
};

/* Decisions are read with the features of the version that made them. */
static int enter(struct past *past, uint32_t version, struct decided *decided, char plan[65],
                 struct error *error)
{
    int rc = past_enter(past, version, error);
    if (rc != OK || strcmp(plan, plan_hash(past->plan)) == 0)
        return rc;
    memcpy(plan, plan_hash(past->plan), 65);
    decided_done(decided);
    return decided_init(decided, plan_features(past->plan), error);
}

static int read_decisions(struct past *past, const struct record *record, struct decided *ret, char plan[65],
                          struct error *error)
{
    uint64_t seq;
    uint32_t version;
    int rc = record_read_decisions_head(record->body, record->size, &seq, &version, error);
    if (rc == OK)
        rc = enter(past, version, ret, plan, error);
    return rc == OK ? record_read_decisions(record->body, record->size, ret, error) : rc;
}

/* The next record of this kind; *ret_found is false where the journal ends. */
static int next_of(struct finding *finding, enum record_kind kind, struct record *ret, bool *ret_found,
                   struct error *error)
{
    int rc;
    do
        rc = journal_reader_next(finding->reader, ret_found, ret, error);
    while (rc == OK && *ret_found && ret->kind != kind);
    return rc;
}

/* The events of one record, and what was decided about them. */
static int read_pair(struct finding *finding, uint64_t seq, uint64_t *ret_seq, bool *ret_found,
                     struct error *error)
{
    struct events_head head;
    struct record record;
    int rc = journal_reader_seek_seq(finding->reader, seq, error);
    if (rc == OK)
        rc = next_of(finding, RECORD_EVENTS, &record, ret_found, error);
    if (rc != OK || !*ret_found)
        return rc;
    *ret_seq = record.seq;
    rc = past_read(&finding->past, record.body, record.size, &head, &finding->events, error);
    if (rc == OK)
        rc = next_of(finding, RECORD_DECISIONS, &record, ret_found, error);
    if (rc == OK && *ret_found)
        rc = read_decisions(&finding->past, &record, &finding->decided, finding->plan, error);
    if (rc == OK && *ret_found &&
        (finding->decided.seq != *ret_seq || finding->decided.decisions.n != finding->events.length))
        rc = error_set(error, CODE_CORRUPT, "decisions do not stand behind their events");
    return rc;
}

static int tell_pair(const struct finding *finding, uint64_t first, const uint64_t *seqs, size_t n,
                     size_t *done, erasing_each *each, void *context, struct error *error)
{
    int rc = OK;
    for (; rc == OK && *done < n && seqs[*done] - first < (uint64_t)finding->events.length; ++*done) {
        int64_t i = (int64_t)(seqs[*done] - first);
        int word = finding->decided.words[i];
        bool entered = word != DECISION_FILTERED && !finding->decided.marks[i];
        if (!event_is_erased(&finding->events, i))
            rc = each(context, seqs[*done], &finding->events, i, entered, error);
    }
    return rc;
}

int erasing_find(const struct erasing_place *place, const uint64_t *seqs, size_t n, erasing_each *each,
                 void *context, struct error *error)
{
    struct finding finding = {.reader = NULL};
    struct journal_state state;
    journal_state(place->journal, &state);
    past_init(&finding.past, place->archive, place->plan);
    int rc = journal_reader_new(place->journal, &finding.reader, error);
    if (rc == OK)
        rc = table_init(&finding.events, plan_events(place->plan), error);
    for (size_t done = first_from(seqs, n, state.oldest_seq); rc == OK && done < n;) {
        uint64_t first;
        bool found;
        size_t before = done;
        rc = read_pair(&finding, seqs[done], &first, &found, error);
        if (rc != OK || !found)
            break;
        rc = tell_pair(&finding, first, seqs, n, &done, each, context, error);
        done += done == before; /* no event has this number */
    }
    decided_done(&finding.decided);
    table_done(&finding.events);
    past_done(&finding.past);
    journal_reader_free(finding.reader);
    return rc;
}

/* ---- forgetting ---- */

enum { AT_ONCE = 4096 };

struct forgetting {
    struct engine *engine;
    struct table events;
    int64_t *arrivals;
    bool *traces;
    const struct erasing_how *how;
};

static int forget_some(struct forgetting *forgetting, struct error *error)
{
    int rc = forgetting->events.length ? state_forget(engine_windows(forgetting->engine), &forgetting->events,
                                                      forgetting->arrivals, forgetting->traces, error)
                                       : OK;
    table_clear(&forgetting->events);
    return rc;
}

static int forget_one(void *context, uint64_t seq, const struct table *events, int64_t i, bool entered,
                      struct error *error)
{
    struct forgetting *forgetting = context;
    const struct erasing_how *how = forgetting->how;
    int rc = OK;
    if (entered) {
        forgetting->arrivals[forgetting->events.length] = (int64_t)seq;
        rc = how->append ? how->append(how->context, seq, events, i, &forgetting->events, error)
                         : table_append(&forgetting->events, events, i, 1, error);
    }
    if (rc == OK && how->erased)
        rc = how->erased(how->context, seq, events, i, entered, error);
    return rc == OK && forgetting->events.length == AT_ONCE ? forget_some(forgetting, error) : rc;
}

int erasing_forget(const struct erasing_place *place, struct engine *engine, const uint64_t *seqs, size_t n,
                   bool *ret_traces, const struct erasing_how *how, struct error *error)
{
    struct forgetting forgetting = {.engine = engine,
                                    .traces = ret_traces,
                                    .how = how,
                                    .arrivals = memory_new(AT_ONCE, sizeof *forgetting.arrivals)};
    int rc = forgetting.arrivals ? table_init(&forgetting.events, plan_events(place->plan), error)
                                 : error_set(error, CODE_MEMORY, "no memory for an erasure");
    if (rc == OK)
        rc = table_reserve(&forgetting.events, AT_ONCE, error);
    if (rc == OK)
        rc = erasing_find(place, seqs, n, forget_one, &forgetting, error);
    if (rc == OK)
        rc = forget_some(&forgetting, error);
    table_done(&forgetting.events);
    free(forgetting.arrivals);
    return rc;
}

/* ---- their labels ---- */

/* Labels of a plan as they are in the journal; none where it has no ids. */
static int labels_init(struct plan *plan, struct table *ret, uint8_t **ret_speaks, struct error *error)
{
    if (plan_id_column(plan) < 0 || plan_time_column(plan) < 0)
        return OK;
    struct schema *schema = label_schema_new(plan);
    uint8_t *speaks = schema ? memory_new((size_t)schema->n, 1) : NULL;
    int rc = speaks ? table_init(ret, schema, error) : error_set(error, CODE_MEMORY, "no memory for labels");
    schema_unref(schema);
    if (rc != OK)
        free(speaks);
    else
        *ret_speaks = speaks;
    return rc;
}

int erasing_by_key(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id_key));
}

int erasing_find_labels(const struct erasing_place *place, const struct id_key *keys, size_t n,
                        int (*each)(void *context, uint64_t seq, struct error *error), void *context,
                        struct error *error)
{
    struct journal_reader *reader = NULL;
    struct table labels = {0};
    uint8_t *speaks = NULL;
    struct record record;
    bool found = true;
    int rc = labels_init(place->plan, &labels, &speaks, error);
    if (rc == OK && labels.schema)
        rc = journal_reader_new(place->journal, &reader, error);
    while (rc == OK && reader) {
        rc = journal_reader_next(reader, &found, &record, error);
        if (rc != OK || !found)
            break;
        if (record.kind != RECORD_LABELS)
            continue;
        rc = record_read_labels(record.body, record.size, &labels, speaks, error);
        for (int64_t i = 0; rc == OK && i < labels.length; i++) {
            const struct column *ids = &labels.columns[LABEL_ID];
            struct id_key key = id_key_of(ids, &labels.schema->fields[LABEL_ID].type, i);
            if (!event_is_erased(&labels, i) && bsearch(&key, keys, n, sizeof key, erasing_by_key))
                rc = each(context, record.seq + (uint64_t)i, error);
        }
    }
    journal_reader_free(reader);
    if (labels.schema)
        table_done(&labels);
    free(speaks);
    return rc;
}

/* ---- records without them ---- */

int blanking_init(struct blanking *ret, const struct erasing_place *place, const uint64_t *seqs, size_t n,
                  uint64_t last, struct error *error)
{
    *ret = (struct blanking){.seqs = seqs, .n = n, .last = last};
    buffer_init(&ret->body, LIMIT_JOURNAL_RECORD);
    past_init(&ret->past, place->archive, place->plan);
    return labels_init(place->plan, &ret->labels, &ret->speaks, error);
}

void blanking_done(struct blanking *blanking)
{
    past_done(&blanking->past);
    decided_done(&blanking->decided);
    if (blanking->labels.schema)
        table_done(&blanking->labels);
    free(blanking->speaks);
    buffer_done(&blanking->body);
}

/* Has the record things from `seq` on, `count` of them, that are to go? */
static bool concerns(const struct blanking *blanking, uint64_t seq, uint64_t count)
{
    size_t at = first_from(blanking->seqs, blanking->n, seq);
    return at < blanking->n && blanking->seqs[at] - seq < count;
}

static bool goes(const struct blanking *blanking, uint64_t seq)
{
    return concerns(blanking, seq, 1);
}

/* The rows without those; the caller's to free, also after a failure. */
static int blank_rows(const struct blanking *blanking, const struct table *rows, uint64_t seq,
                      struct table *ret, struct error *error)
{
    *ret = (struct table){0};
    int rc = table_init(ret, rows->schema, error);
    if (rc == OK)
        rc = table_reserve(ret, rows->length, error);
    for (int64_t i = 0; rc == OK && i < rows->length; i++) {
        if (!goes(blanking, seq + (uint64_t)i)) {
            rc = table_append(ret, rows, i, 1, error);
            continue;
        }
        for (int c = 0; c < ret->schema->n; c++)
            column_append_null(&ret->columns[c], &ret->schema->fields[c].type);
        ret->length++;
    }
    return rc;
}

static int blank_events(struct blanking *blanking, const struct record *record, struct error *error)
{
    struct events_head head;
    struct table *events = &blanking->past.events, blank = {0};
    int rc = record_read_events_head(record->body, record->size, &head, error);
    if (rc == OK)
        rc = past_enter(&blanking->past, head.version, error);
    if (rc == OK)
        rc = record_read_events(record->body, record->size, &head, events, error);
    if (rc == OK)
        rc = blank_rows(blanking, events, record->seq, &blank, error);
    if (rc == OK)
        record_events(&head, &blank, &blanking->body);
    table_done(&blank);
    return rc;
}

static int blank_decisions(struct blanking *blanking, const struct record *record, struct error *error)
{
    struct decided *decided = &blanking->decided;
    struct table blank = {0};
    int rc = read_decisions(&blanking->past, record, decided, blanking->plan, error);
    if (rc == OK)
        rc = blank_rows(blanking, &decided->features, decided->seq, &blank, error);
    struct decisions decisions = decided->decisions;
    for (int64_t i = 0; rc == OK && i < decisions.n; i++) {
        if (!goes(blanking, decided->seq + (uint64_t)i))
            continue;
        decided->scores[i] = NAN;
        decided->words[i] = DECISION_ERASED;
        decided->marks[i] = 0;
        decided->fired[i] = 0;
        for (int r = 0; r < decisions.reasons_per_row; r++)
            decided->reasons[i * decisions.reasons_per_row + r] = (struct reason){-1, 0};
    }
    decisions.features = &blank;
    if (rc == OK)
        record_decisions(decided->version, decided->seq, &decisions, &blanking->body);
    table_done(&blank);
    return rc;
}

static int blank_labels(struct blanking *blanking, const struct record *record, struct error *error)
{
    struct table blank = {0};
    if (!blanking->labels.schema)
        return error_set(error, CODE_CORRUPT, "labels in a journal whose events have no id");
    int rc = record_read_labels(record->body, record->size, &blanking->labels, blanking->speaks, error);
    if (rc == OK)
        rc = blank_rows(blanking, &blanking->labels, record->seq, &blank, error);
    if (rc == OK)
        record_labels(&(struct label_rows){&blank, blanking->speaks}, &blanking->body);
    table_done(&blank);
    return rc;
}

/* The decisions of a record have its number, and are no more than the events of one. */
static bool has_decisions(const struct blanking *blanking, const struct record *record)
{
    uint64_t seq;
    uint32_t version;
    return record_read_decisions_head(record->body, record->size, &seq, &version, NULL) != OK ||
           concerns(blanking, seq, LIMIT_BATCH_ROWS);
}

static int carry_out(struct blanking *blanking, const struct record *record, struct error *error)
{
    struct erasure_record erasure;
    int rc = record_read_erasure(record->body, record->size, &erasure, error);
    if (rc == OK)
        buffer_append(&blanking->body, record->body, record->size);
    if (rc == OK && !blanking->body.failed)
        blanking->body.data[0] = 1;
    return rc;
}

int blanking_replace(void *context, const struct record *record, const void **ret_body, uint32_t *ret_size,
                     struct error *error)
{
    struct blanking *blanking = context;
    int rc = OK;
    buffer_clear(&blanking->body);
    if (record->kind == RECORD_EVENTS && concerns(blanking, record->seq, record->count))
        rc = blank_events(blanking, record, error);
    else if (record->kind == RECORD_LABELS && concerns(blanking, record->seq, record->count))
        rc = blank_labels(blanking, record, error);
    else if (record->kind == RECORD_DECISIONS && has_decisions(blanking, record))
        rc = blank_decisions(blanking, record, error);
    else if (record->kind == RECORD_ERASURE && record->position <= blanking->last)
        rc = carry_out(blanking, record, error);
    else
        return OK;
    if (rc == OK)
        rc = buffer_check(&blanking->body, "a record without what was erased", error);
    if (rc == OK) {
        *ret_body = blanking->body.data;
        *ret_size = (uint32_t)blanking->body.size;
    }
    return rc;
}
