/* What a sink has missed: decisions as they are in the journal, each as the version that made it had them. */
#include <string.h>

#include "score/durable_struct.h"

struct history {
    struct durable *durable;
    struct journal_reader *reader;
    struct past past;
    struct durable_then then;
    char plan[65]; /* hash of the plan that the tables below are of */
    struct table events;
    struct decided decided;
    uint64_t events_seq;
    bool has_events;
};

/* Records are read with the columns of the plan that they were written for. Another version of the same plan
 * may have decided than the one that had taken the events. */
static int enter(struct history *history, uint32_t version, struct error *error)
{
    struct past *past = &history->past;
    int rc = past_enter(past, version, error);
    if (rc != OK)
        return rc;
    bool other = past->version.version && past->version.version != history->durable->version;
    history->then = (struct durable_then){past->plan, other ? &past->version : NULL};
    if (strcmp(history->plan, plan_hash(past->plan)) == 0)
        return OK;
    memcpy(history->plan, plan_hash(past->plan), sizeof history->plan);
    table_done(&history->events);
    decided_done(&history->decided);
    history->events = (struct table){0};
    history->has_events = false;
    rc = table_init(&history->events, plan_events(past->plan), error);
    return rc == OK ? decided_init(&history->decided, plan_features(past->plan), error) : rc;
}

static int read_events(struct history *history, const struct record *record, struct error *error)
{
    struct events_head head;
    int rc = record_read_events_head(record->body, record->size, &head, error);
    if (rc == OK)
        rc = enter(history, head.version, error);
    history->has_events = rc == OK;
    history->events_seq = record->seq;
    return rc == OK ? record_read_events(record->body, record->size, &head, &history->events, error) : rc;
}

static int read_decisions(struct history *history, const struct record *record, struct error *error)
{
    uint64_t seq;
    uint32_t version;
    int rc = record_read_decisions_head(record->body, record->size, &seq, &version, error);
    if (rc == OK)
        rc = enter(history, version, error);
    return rc == OK ? record_read_decisions(record->body, record->size, &history->decided, error) : rc;
}

static int tell(struct history *history, const struct record *record, uint64_t from, durable_each *each,
                void *context, struct error *error)
{
    if (record->kind == RECORD_EVENTS)
        return read_events(history, record, error);
    if (record->kind != RECORD_DECISIONS)
        return OK;
    int rc = read_decisions(history, record, error);
    if (rc != OK)
        return rc;
    bool paired = history->has_events && history->decided.seq == history->events_seq &&
                  history->decided.decisions.n == history->events.length;
    history->has_events = false;
    if (!paired || history->events_seq + (uint64_t)history->events.length <= from)
        return OK;
    return each(context, &history->then, history->events_seq, &history->events, &history->decided.decisions,
                error);
}

int durable_history(struct durable *durable, uint64_t seq, durable_each *each, void *context,
                    struct error *error)
{
    struct history history = {.durable = durable};
    struct record record;
    bool found = true;
    if (seq >= durable_next_seq(durable))
        return OK;
    past_init(&history.past, &durable->archive, durable->plan);
    int rc = journal_reader_new(durable->journal, &history.reader, error);
    if (rc == OK)
        rc = journal_reader_seek_seq(history.reader, seq, error);
    while (rc == OK) {
        rc = journal_reader_next(history.reader, &found, &record, error);
        if (rc != OK || !found)
            break;
        rc = tell(&history, &record, seq, each, context, error);
    }
    decided_done(&history.decided);
    table_done(&history.events);
    journal_reader_free(history.reader);
    past_done(&history.past);
    return rc;
}

int durable_version_path(const struct durable *durable, uint32_t number, char ret[IO_PATH_SIZE],
                         struct error *error)
{
    return archive_path(&durable->archive, number, ret, error);
}
