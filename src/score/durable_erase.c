/*
 * Erasure in the durable engine, in two steps. A record says which events go; windows and ids forget them at
 * once. Later the erasure is carried out: a snapshot without the events takes the place of all others, and
 * then the segments are rewritten, the oldest first, those of the records last, which from then on say that
 * it is done. So an interruption leaves either all as it was or records that still wait.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "score/durable_struct.h"
#include "score/erasing.h"

enum { SEQS_OF_RECORD = 1 << 16 };

struct seqs {
    uint64_t *list;
    size_t n, capacity;
};

static int by_seq(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int add_seq(struct seqs *seqs, uint64_t seq, struct error *error)
{
    if (!memory_grow(&seqs->list, &seqs->capacity, seqs->n + 1, sizeof *seqs->list))
        return error_set(error, CODE_MEMORY, "no memory for an erasure");
    seqs->list[seqs->n++] = seq;
    return OK;
}

static bool has_seq(const struct seqs *seqs, uint64_t seq)
{
    return seqs->n && bsearch(&seq, seqs->list, seqs->n, sizeof seq, by_seq);
}

static struct erasing_place place_of(const struct durable *durable)
{
    return (struct erasing_place){durable->journal, &durable->archive, durable->plan};
}

/* ---- which erasures wait ---- */

static bool waiting(const struct durable *durable, uint64_t *ret_first, uint64_t *ret_last)
{
    struct position_record place;
    if (!durable_where(durable, PLACE_ERASURES, &place) || !place.number)
        return false;
    *ret_first = place.number;
    *ret_last = place.bytes;
    return true;
}

static int note_waiting(struct durable *durable, uint64_t first, uint64_t last, struct error *error)
{
    struct piece what = {PLACE_ERASURES, sizeof PLACE_ERASURES - 1};
    return durable_note(durable, what, first, last, error);
}

/* Notes one more. */
static int wait_for(struct durable *durable, uint64_t position, struct error *error)
{
    uint64_t first, last;
    bool any = waiting(durable, &first, &last);
    return note_waiting(durable, any ? first : position, position, error);
}

/* The erasure at a position. CODE_NOT_FOUND: the journal has it no longer. */
static int read_erasure(struct journal_reader *reader, uint64_t position, struct erasure_record *ret,
                        struct error *error)
{
    struct record record;
    bool found;
    int rc = journal_reader_seek(reader, position, error);
    if (rc == OK)
        rc = journal_reader_next(reader, &found, &record, error);
    if (rc == OK && (!found || record.kind != RECORD_ERASURE))
        return error_set(error, CODE_CORRUPT, "record %llu of the journal is no erasure",
                         (unsigned long long)position);
    return rc == OK ? record_read_erasure(record.body, record.size, ret, error) : rc;
}

int durable_check_erasures(struct durable *durable, struct error *error)
{
    struct journal_reader *reader;
    struct erasure_record erasure;
    struct error own = {0};
    uint64_t first, last;
    if (!waiting(durable, &first, &last))
        return OK;
    int rc = journal_reader_new(durable->journal, &reader, error);
    if (rc != OK)
        return rc;
    rc = read_erasure(reader, last, &erasure, &own);
    journal_reader_free(reader);
    if (rc == CODE_NOT_FOUND || (rc == OK && erasure.done))
        return note_waiting(durable, 0, 0, error);
    if (rc != OK && error)
        *error = own;
    return rc;
}

int durable_erasures_wait(struct durable *durable, bool *ret_waits, int64_t *ret_since_us,
                          struct error *error)
{
    struct journal_reader *reader;
    struct erasure_record erasure = {0};
    uint64_t first, last;
    *ret_waits = waiting(durable, &first, &last);
    if (!*ret_waits)
        return OK;
    int rc = journal_reader_new(durable->journal, &reader, error);
    if (rc != OK)
        return rc;
    rc = read_erasure(reader, first, &erasure, error);
    journal_reader_free(reader);
    /* Its segment was trimmed; there are others behind it. */
    if (rc == CODE_NOT_FOUND)
        rc = OK;
    *ret_since_us = erasure.asked_us;
    return rc;
}

/* All events whose erasure waits, ascending. */
static int read_waiting(struct durable *durable, struct seqs *ret, struct error *error)
{
    struct journal_reader *reader;
    struct journal_state state;
    struct record record;
    uint64_t first, last;
    bool found = true;
    if (!waiting(durable, &first, &last))
        return OK;
    journal_state(durable->journal, &state);
    int rc = journal_reader_new(durable->journal, &reader, error);
    if (rc != OK)
        return rc;
    rc = journal_reader_seek(reader, first > state.oldest_position ? first : state.oldest_position, error);
    while (rc == OK && journal_reader_position(reader) <= last) {
        struct erasure_record erasure;
        rc = journal_reader_next(reader, &found, &record, error);
        if (rc != OK || !found)
            break;
        if (record.kind != RECORD_ERASURE)
            continue;
        rc = record_read_erasure(record.body, record.size, &erasure, error);
        for (uint32_t i = 0; rc == OK && i < erasure.n; i++)
            rc = add_seq(ret, erasure_seq(&erasure, i), error);
    }
    journal_reader_free(reader);
    if (ret->n)
        qsort(ret->list, ret->n, sizeof *ret->list, by_seq);
    return rc;
}

/* ---- forgetting ---- */

struct erasing_one {
    struct durable *durable;
    bool *traces; /* per feature */
};

/* What a label has said long ago is not known any more, and frames without a start may have it still. */
static int append_known(void *context, uint64_t seq, const struct table *events, int64_t i, struct table *ret,
                        struct error *error)
{
    const struct erasing_one *one = context;
    const struct durable *durable = one->durable;
    bool kept, endless;
    if (!durable->labels)
        return table_append(ret, events, i, 1, error);
    int rc = label_book_as_known(durable->labels, events, i, seq, ret, &kept, error);
    state_learns_for(engine_state(durable->engine), &endless);
    for (int f = 0; !kept && endless && f < plan_features(durable->plan)->n; f++)
        one->traces[f] = true;
    return rc;
}

static int forget_id(void *context, uint64_t seq, const struct table *events, int64_t i, bool entered,
                     struct error *error)
{
    const struct erasing_one *one = context;
    (void)entered;
    durable_forget_id(one->durable, events, i, seq);
    return one->durable->labels ? label_book_forget(one->durable->labels, events, i, seq, error) : OK;
}

/* traces: per feature, or NULL where nobody asks. */
static int forget(struct durable *durable, const uint64_t *seqs, size_t n, bool *traces, struct error *error)
{
    bool *own = memory_new((size_t)plan_features(durable->plan)->n, sizeof *own);
    struct erasing_one one = {durable, traces ? traces : own};
    struct erasing_how how = {append_known, forget_id, &one};
    struct erasing_place place = place_of(durable);
    if (!own)
        return error_set(error, CODE_MEMORY, "no memory for an erasure");
    durable->forgot = true;
    int rc = erasing_forget(&place, durable->engine, seqs, n, one.traces, &how, error);
    free(own);
    return rc;
}

int durable_take_erasure(struct durable *durable, const struct record *record, struct error *error)
{
    struct erasure_record erasure;
    int rc = record_read_erasure(record->body, record->size, &erasure, error);
    if (rc != OK)
        return rc;
    uint64_t *seqs = memory_new((size_t)erasure.n + 1, sizeof *seqs);
    if (!seqs)
        return error_set(error, CODE_MEMORY, "no memory for an erasure");
    memcpy(seqs, erasure.seqs, erasure.n * sizeof *seqs);
    rc = forget(durable, seqs, erasure.n, NULL, error);
    free(seqs);
    return rc == OK && !erasure.done ? wait_for(durable, record->position, error) : rc;
}

/* Events without those that were erased go in pieces, so that each keeps its number. */
int durable_follow_events(struct durable *durable, const struct table *events, uint64_t seq,
                          struct error *error)
{
    struct table part = {0};
    int rc = OK;
    state_set_arrival(engine_windows(durable->engine), (int64_t)(seq));
    if (!events_have_erased(events)) {
        rc = engine_follow(durable->engine, events, error);
        return rc == OK ? durable_taken(durable, events, seq, error) : rc;
    }
    rc = table_init(&part, events->schema, error);
    for (int64_t from = 0, to; rc == OK && from < events->length; from = to) {
        for (to = from; to < events->length && !event_is_erased(events, to);)
            to++;
        table_clear(&part);
        rc = table_append(&part, events, from, to - from, error);
        state_set_arrival(engine_windows(durable->engine), (int64_t)(seq + (uint64_t)from));
        if (rc == OK && to > from)
            rc = engine_follow(durable->engine, &part, error);
        if (rc == OK && to > from)
            rc = durable_taken(durable, &part, seq + (uint64_t)from, error);
        to += to < events->length;
    }
    table_done(&part);
    return rc;
}

/* ---- erasing ---- */

struct asking {
    struct durable *durable;
    const struct seqs *waiting;
    struct seqs found;
    struct id_key *keys; /* where there are labels: of the events found */
    size_t n_keys, keys_capacity;
};

static int note_found(void *context, uint64_t seq, const struct table *events, int64_t i, bool entered,
                      struct error *error)
{
    struct asking *asking = context;
    (void)entered;
    if (has_seq(asking->waiting, seq))
        return OK;
    if (asking->durable->labels) {
        if (!memory_grow(&asking->keys, &asking->keys_capacity, asking->n_keys + 1, sizeof *asking->keys))
            return error_set(error, CODE_MEMORY, "no memory for an erasure");
        int id = plan_id_column(asking->durable->plan);
        asking->keys[asking->n_keys++] = id_key_of(&events->columns[id], &events->schema->fields[id].type, i);
    }
    return add_seq(&asking->found, seq, error);
}

static int note_label(void *context, uint64_t seq, struct error *error)
{
    struct asking *asking = context;
    return has_seq(asking->waiting, seq) ? OK : add_seq(&asking->found, seq, error);
}

/* Labels go with their events. */
static int find_labels(struct asking *asking, struct error *error)
{
    struct erasing_place place = place_of(asking->durable);
    if (!asking->n_keys)
        return OK;
    qsort(asking->keys, asking->n_keys, sizeof *asking->keys, erasing_by_key);
    int rc = erasing_find_labels(&place, asking->keys, asking->n_keys, note_label, asking, error);
    qsort(asking->found.list, asking->found.n, sizeof *asking->found.list, by_seq);
    return rc;
}

static int append_erasures(struct durable *durable, const struct seqs *seqs, struct error *error)
{
    const struct io *io = durable->options.io ? durable->options.io : io_system();
    int64_t now = io->wall_us(io->context);
    int rc = OK;
    for (size_t from = 0; rc == OK && from < seqs->n; from += SEQS_OF_RECORD) {
        size_t n = seqs->n - from < SEQS_OF_RECORD ? seqs->n - from : SEQS_OF_RECORD;
        struct journal_place place;
        buffer_clear(&durable->body);
        record_erasure(false, now, seqs->list + from, (uint32_t)n, &durable->body);
        rc = durable_append(durable, RECORD_ERASURE, 0, &place, error);
        if (rc == OK)
            rc = wait_for(durable, place.position, error);
    }
    return rc;
}

/* From the first record on, a failure cannot be taken back. */
static int erase(struct durable *durable, const struct seqs *seqs, struct durable_erased *ret,
                 struct error *error)
{
    struct error own = {0};
    int rc = append_erasures(durable, seqs, &own);
    if (rc == OK)
        rc = journal_commit(durable->journal, durable->position, &own);
    if (rc == OK)
        rc = forget(durable, seqs->list, seqs->n, ret->traces, &own);
    if (rc != OK) {
        durable_fail(durable, rc, &own);
        if (error)
            *error = own;
    }
    return rc;
}

/* Those of the events that are there and were not erased before. */
static int find_events(struct asking *asking, struct seqs *before, const uint64_t *seqs, size_t n,
                       struct error *error)
{
    struct durable *durable = asking->durable;
    struct erasing_place place = place_of(durable);
    int rc = journal_commit(durable->journal, durable->position, error);
    if (rc == OK)
        rc = read_waiting(durable, before, error);
    return rc == OK ? erasing_find(&place, seqs, n, note_found, asking, error) : rc;
}

int durable_erase(struct durable *durable, const uint64_t *seqs, size_t n, struct durable_erased *ret,
                  struct error *error)
{
    struct seqs before = {0};
    struct asking asking = {.durable = durable, .waiting = &before};
    if (durable->failed) {
        if (error)
            *error = durable->failure;
        return durable->failure.code;
    }
    int rc = find_events(&asking, &before, seqs, n, error);
    size_t events = asking.found.n;
    if (rc == OK)
        rc = find_labels(&asking, error);
    if (rc == OK && events)
        rc = erase(durable, &asking.found, ret, error);
    ret->events = rc == OK ? events : 0;
    ret->position = durable->position;
    free(before.list);
    free(asking.found.list);
    free(asking.keys);
    return rc;
}

int durable_erasable(struct durable *durable, const uint64_t *seqs, size_t n, uint64_t *ret_events,
                     struct error *error)
{
    struct seqs before = {0};
    struct asking asking = {.durable = durable, .waiting = &before};
    int rc = find_events(&asking, &before, seqs, n, error);
    if (rc == OK)
        *ret_events = asking.found.n;
    free(before.list);
    free(asking.found.list);
    free(asking.keys);
    return rc;
}

/* ---- carrying it out ---- */

enum { NAMES_MOST = 64 };
struct names {
    char list[NAMES_MOST][SNAPSHOT_NAME_SIZE];
    int n;
};

static int add_name(void *argument, const char *name)
{
    struct names *names = argument;
    if (names->n < NAMES_MOST && strlen(name) < SNAPSHOT_NAME_SIZE)
        snprintf(names->list[names->n++], SNAPSHOT_NAME_SIZE, "%s", name);
    return 0;
}

/* All snapshots but the one that was just made, also those that cannot be read. */
static int remove_snapshots(struct durable *durable, struct error *error)
{
    const struct snapshots *snapshots = &durable->snapshots;
    char kept[SNAPSHOT_NAME_SIZE];
    struct names names = {.n = 0};
    snprintf(kept, sizeof kept, "%020llu.snap", (unsigned long long)durable->seq);
    int rc = io_list(snapshots->io, snapshots->directory, add_name, &names, error);
    for (int i = 0; rc == OK && i < names.n; i++) {
        char path[IO_PATH_SIZE];
        if (strcmp(names.list[i], kept) == 0)
            continue;
        rc = io_path(path, snapshots->directory, names.list[i], error);
        if (rc == OK)
            rc = io_remove(snapshots->io, path, error);
    }
    return rc == OK ? io_sync_directory(snapshots->io, snapshots->directory, error) : rc;
}

static int rewrite(struct durable *durable, const struct seqs *seqs, uint64_t last, uint64_t *ret_segments,
                   struct error *error)
{
    struct blanking blanking;
    struct erasing_place place = place_of(durable);
    struct journal_state state;
    int rc = journal_roll(durable->journal, error);
    if (rc != OK)
        return rc;
    journal_state(durable->journal, &state);
    rc = blanking_init(&blanking, &place, seqs->list, seqs->n, last, error);
    if (rc == OK)
        rc = journal_rewrite(durable->journal, state.oldest_position, last, blanking_replace, &blanking,
                             ret_segments, error);
    blanking_done(&blanking);
    return rc;
}

static int carry_out(struct durable *durable, uint64_t last, uint64_t *ret_segments, struct error *error)
{
    struct seqs seqs = {0};
    durable_reap(durable, true);
    durable->forgot = true; /* a snapshot is made even if no event came since the last one */
    int rc = durable_snapshot(durable, true, error);
    if (rc == OK)
        rc = remove_snapshots(durable, error);
    if (rc == OK)
        rc = read_waiting(durable, &seqs, error);
    if (rc == OK)
        rc = rewrite(durable, &seqs, last, ret_segments, error);
    free(seqs.list);
    if (rc == OK)
        rc = note_waiting(durable, 0, 0, error);
    return rc == OK ? durable_reached(durable, PLACE_ERASURES, 0, 0, error) : rc;
}

int durable_carry_out(struct durable *durable, uint64_t *ret_segments, struct error *error)
{
    struct error own = {0};
    uint64_t first, last, segments = 0;
    int rc = OK;
    if (durable->failed) {
        if (error)
            *error = durable->failure;
        return durable->failure.code;
    }
    if (waiting(durable, &first, &last))
        rc = carry_out(durable, last, &segments, &own);
    if (ret_segments)
        *ret_segments = segments;
    if (rc != OK && error)
        *error = own;
    return rc;
}
