#include "score/durable.h"

#include <stdlib.h>
#include <string.h>

#include "score/durable_struct.h"

static struct piece text_piece(const char *text)
{
    return (struct piece){text, (uint32_t)strlen(text)};
}

int durable_fail(struct durable *durable, int rc, const struct error *error)
{
    durable->failed = true;
    durable->failure = error ? *error : (struct error){0};
    durable->failure.code = (enum code)rc;
    return rc;
}

static int refuse(const struct durable *durable, struct error *error)
{
    if (error)
        *error = durable->failure;
    return durable->failure.code;
}

int durable_append(struct durable *durable, enum record_kind kind, uint32_t count, struct journal_place *ret,
                   struct error *error)
{
    int rc = buffer_check(&durable->body, "a record of the journal", error);
    if (rc == OK)
        rc =
            journal_append(durable->journal, kind, count, durable->body.data, durable->body.size, ret, error);
    if (rc != OK)
        return rc;
    durable->appended += record_bytes(durable->body.size);
    durable->position = ret->position;
    if (count)
        durable->seq = ret->seq + count - 1;
    return OK;
}

static struct reached *find_reached(const struct durable *durable, struct piece what)
{
    for (int i = 0; i < durable->n_reached; i++) {
        const char *known = durable->reached[i].what;
        if (strlen(known) == what.size && memcmp(known, what.data, what.size) == 0)
            return (struct reached *)&durable->reached[i];
    }
    return NULL;
}

int durable_note(struct durable *durable, struct piece what, uint64_t number, uint64_t bytes,
                 struct error *error)
{
    struct reached *reached = find_reached(durable, what);
    if (!reached) {
        if (durable->n_reached == LIMIT_POSITIONS)
            return error_set(error, CODE_LIMIT,
                             "one state directory keeps the positions of at most %d sources and sinks",
                             LIMIT_POSITIONS);
        char *copy = memory_text(what.data, what.size);
        if (!copy)
            return error_set(error, CODE_MEMORY, "no memory for a position");
        reached = &durable->reached[durable->n_reached++];
        reached->what = copy;
    }
    reached->number = number;
    reached->bytes = bytes;
    return OK;
}

bool durable_where(const struct durable *durable, const char *what, struct position_record *ret)
{
    const struct reached *reached = find_reached(durable, text_piece(what));
    if (reached)
        *ret = (struct position_record){text_piece(reached->what), reached->number, reached->bytes};
    return reached != NULL;
}

int durable_reached(struct durable *durable, const char *what, uint64_t number, uint64_t bytes,
                    struct error *error)
{
    struct position_record record = {text_piece(what), number, bytes};
    struct journal_place place;
    if (durable->failed)
        return refuse(durable, error);
    int rc = durable_note(durable, record.what, number, bytes, error);
    if (rc != OK)
        return rc;
    buffer_clear(&durable->body);
    record_position(&record, &durable->body);
    return durable_append(durable, RECORD_POSITION, 0, &place, error);
}

/* Decides about events that are in the journal, and puts the decisions there. From here on a failure cannot
 * be taken back: the windows or the journal know more than the other. */
int durable_decide(struct durable *durable, const struct table *events, uint64_t seq, struct decisions *ret,
                   struct error *error)
{
    struct error own = {0};
    struct journal_place place;
    state_set_arrival(engine_windows(durable->engine), (int64_t)seq);
    int rc = engine_take(durable->engine, events, ret, &own);
    if (rc == OK)
        rc = durable_taken(durable, events, seq, &own);
    if (rc == OK) {
        buffer_clear(&durable->body);
        record_decisions(durable->version, seq, ret, &durable->body);
        rc = durable_append(durable, RECORD_DECISIONS, 0, &place, &own);
    }
    if (rc != OK) {
        durable_fail(durable, rc, &own);
        if (error)
            *error = own;
    }
    return rc;
}

int durable_take(struct durable *durable, const struct table *events, struct durable_batch *batch,
                 struct decisions *ret, struct error *error)
{
    struct events_head head = {durable->version, text_piece(batch->source), batch->source_position};
    struct journal_place place;
    if (durable->failed)
        return refuse(durable, error);
    if (events->length > LIMIT_DURABLE_ROWS)
        return error_set(error, CODE_LIMIT, "a batch of %lld events; the journal takes at most %d at once",
                         (long long)events->length, LIMIT_DURABLE_ROWS);
    durable_reap(durable, false);
    if (durable_together(durable, events, 0) < events->length)
        return error_set(error, CODE_INTERNAL,
                         "a label waits for an event that is not the last of its batch");
    int rc = engine_admit(durable->engine, events, error);
    if (rc == OK && head.source.size && !find_reached(durable, head.source))
        rc = durable_note(durable, head.source, 0, 0, error);
    if (rc != OK)
        return rc;
    buffer_clear(&durable->body);
    record_events(&head, events, &durable->body);
    rc = durable_append(durable, RECORD_EVENTS, (uint32_t)events->length, &place, error);
    if (rc == OK && head.source.size)
        rc = durable_note(durable, head.source, batch->source_position, 0, error);
    if (rc != OK)
        return rc;
    rc = durable_note_ids(durable, events, place.seq, error);
    if (rc != OK)
        return durable_fail(durable, rc, error);
    durable_note_times(durable, events);
    rc = durable_decide(durable, events, place.seq, ret, error);
    if (rc != OK)
        return rc;
    batch->seq = place.seq;
    batch->position = durable->position;
    durable_snapshot_if_due(durable);
    return OK;
}

/* What was taken was taken: whoever commits it hears what became of the disk. */
void durable_snapshot_if_due(struct durable *durable)
{
    uint64_t every = durable->options.snapshot_bytes ? durable->options.snapshot_bytes : LIMIT_SNAPSHOT_EVERY;
    struct error own = {0};
    if (durable->appended - durable->tried.appended < every)
        return;
    int rc = durable_snapshot(durable, false, &own);
    if (rc != OK && rc != CODE_NO_SPACE)
        durable_fail(durable, rc, &own);
}

int durable_commit(struct durable *durable, uint64_t position, struct error *error)
{
    return journal_commit(durable->journal, position, error);
}

uint64_t durable_committed(struct durable *durable, uint64_t position)
{
    journal_request(durable->journal, position);
    return journal_durable(durable->journal);
}

bool durable_failed(const struct durable *durable)
{
    return durable->failed;
}

struct engine *durable_engine(struct durable *durable)
{
    return durable->engine;
}

uint64_t durable_next_seq(struct durable *durable)
{
    return durable->seq + 1;
}

uint64_t durable_position(struct durable *durable)
{
    return durable->position;
}

void durable_journal_state(struct durable *durable, struct journal_state *ret)
{
    journal_state(durable->journal, ret);
}

/* What is in it, but for what is shared by reference. */
void durable_forget(struct durable *durable)
{
    for (int i = 0; i < durable->n_reached; i++)
        free(durable->reached[i].what);
    buffer_done(&durable->body);
    buffer_done(&durable->row);
    buffer_done(&durable->in_force);
    ids_free(durable->ids);
    durable_free_labels(durable);
    free(durable->name);
    free(durable->identity);
    engine_free(durable->engine);
}

void durable_free(struct durable *durable)
{
    if (!durable)
        return;
    durable_end_keeper(durable);
    durable_forget(durable);
    rules_unref(durable->rules);
    model_unref(durable->model);
    plan_unref(durable->plan);
    if (durable->opened)
        state_directory_close(&durable->directory);
    free(durable);
}

void durable_abandon(struct durable *durable)
{
    if (!durable)
        return;
    durable_reap(durable, true);
    journal_close(durable->journal, NULL);
    durable_free(durable);
}

int durable_close(struct durable *durable, struct error *error)
{
    if (!durable)
        return OK;
    durable_reap(durable, true);
    int rc = durable->failed ? refuse(durable, error) : durable_snapshot(durable, true, error);
    struct error own = {0};
    int closed = journal_close(durable->journal, &own);
    if (rc == OK && closed != OK) {
        rc = closed;
        if (error)
            *error = own;
    }
    durable_free(durable);
    return rc;
}
