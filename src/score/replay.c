#include "score/replay.h"

#include <stdlib.h>
#include <string.h>

#include "score/durable_struct.h"

struct replay {
    struct state_directory directory;
    struct snapshots snapshots;
    struct journal *journal;
    struct journal_reader *reader;
    struct switch_record version, switched;
    char *first, *later;     /* bodies that their texts are in */
    uint64_t base, base_seq; /* of the snapshot that it begins at; 0: the journal's beginning */
    struct plan *plan;
    struct table events;
    struct decided decided;
    uint64_t events_seq;
    bool opened, has_events;
};

static struct piece rebase(struct piece piece, const char *from, const char *to)
{
    return (struct piece){piece.data ? to + (piece.data - from) : "", piece.size};
}

/* A copy of a switch and of the body that it was read from. */
static int keep_switch(const struct switch_record *record, const char *body, size_t size, char **copy,
                       struct switch_record *ret, struct error *error)
{
    char *new = memory_text(body, size);
    if (!new)
        return error_set(error, CODE_MEMORY, "no memory for a version");
    free(*copy);
    *copy = new;
    *ret = *record;
    ret->name = rebase(record->name, body, new);
    ret->identity = rebase(record->identity, body, new);
    ret->plan_sql = rebase(record->plan_sql, body, new);
    ret->rules_sql = rebase(record->rules_sql, body, new);
    return OK;
}

/* The older snapshot: the journal reaches back to it. */
static int open_base(struct replay *replay, struct snapshot_reader **ret, struct error *error)
{
    struct snapshot_place places[LIMIT_SNAPSHOTS];
    struct snapshots_report report = {0};
    int n;
    int rc = snapshots_kept(&replay->snapshots, places, &n, error);
    if (rc == OK && n == 0)
        return error_set(error, CODE_CORRUPT,
                         "%s: the journal does not begin with its first record, and there is no snapshot",
                         replay->directory.path);
    if (rc == OK)
        rc = snapshots_newest(&replay->snapshots, places[n - 1].seq, false, ret, &report, error);
    if (rc == OK && !*ret)
        rc = error_set(error, CODE_CORRUPT, "%s: no snapshot can be read: %s", replay->directory.path,
                       report.text);
    return rc;
}

static int read_base(struct replay *replay, struct error *error)
{
    struct snapshot_reader *reader = NULL;
    struct snapshot_block block;
    struct switch_record record;
    bool found;
    size_t at;
    int rc = open_base(replay, &reader, error);
    if (rc == OK)
        rc = snapshot_next(reader, &found, &block, error);
    if (rc == OK && !found)
        rc = error_set(error, CODE_CORRUPT, "a snapshot is empty");
    if (rc == OK)
        rc = snapshot_version(&block, &record, &at, error);
    if (rc == OK)
        rc = keep_switch(&record, block.data, block.size, &replay->first, &replay->version, error);
    if (rc == OK) {
        replay->base = snapshot_reader_head(reader)->position;
        replay->base_seq = snapshot_reader_head(reader)->seq;
    }
    snapshot_reader_free(reader);
    return rc;
}

/* The first record of a journal says who decides. */
static int read_first(struct replay *replay, struct error *error)
{
    struct switch_record found;
    struct record record;
    bool any = false;
    int rc = journal_reader_next(replay->reader, &any, &record, error);
    if (rc == OK && (!any || record.kind != RECORD_SWITCH))
        return error_set(error, CODE_NOT_FOUND, "%s holds no decisions yet", replay->directory.path);
    if (rc == OK)
        rc = record_read_switch(record.body, record.size, &found, error);
    return rc == OK ? keep_switch(&found, record.body, record.size, &replay->first, &replay->version, error)
                    : rc;
}

/* Opening would make one. */
static int check_there(const struct io *io, const char *directory, struct error *error)
{
    char path[IO_PATH_SIZE];
    int file;
    int rc = io_path(path, directory, "format", error);
    if (rc == OK && io_open(io, path, IO_READ, &file, NULL) != OK)
        rc = error_set(error, CODE_NOT_FOUND, "%s is no state directory of a run", directory);
    else if (rc == OK)
        io_close(io, file);
    return rc;
}

static int open_all(struct replay *replay, const struct io *io, const char *directory, struct error *error)
{
    struct journal_state state;
    int rc = check_there(io, directory, error);
    if (rc == OK)
        rc = state_directory_open(&replay->directory, io, directory, error);
    if (rc != OK)
        return rc;
    replay->opened = true;
    rc = snapshots_init(&replay->snapshots, io, replay->directory.snapshots, replay->directory.identity,
                        error);
    if (rc != OK)
        return rc;
    struct journal_options options = {.io = io, .directory = replay->directory.journal};
    memcpy(options.identity, replay->directory.identity, sizeof options.identity);
    rc = journal_open(&options, &replay->journal, NULL, error);
    if (rc == OK)
        rc = journal_reader_new(replay->journal, &replay->reader, error);
    if (rc != OK)
        return rc;
    journal_state(replay->journal, &state);
    if (state.oldest_position == 1)
        return read_first(replay, error);
    rc = read_base(replay, error);
    return rc == OK ? journal_reader_seek(replay->reader, replay->base + 1, error) : rc;
}

int replay_open(const struct io *io, const char *directory, struct replay **ret, struct error *error)
{
    struct replay *replay = memory_new(1, sizeof *replay);
    if (!replay)
        return error_set(error, CODE_MEMORY, "no memory for a replay");
    int rc = open_all(replay, io ? io : io_system(), directory, error);
    if (rc != OK) {
        replay_close(replay);
        return rc;
    }
    *ret = replay;
    return OK;
}

void replay_close(struct replay *replay)
{
    if (!replay)
        return;
    decided_done(&replay->decided);
    table_done(&replay->events);
    plan_unref(replay->plan);
    journal_reader_free(replay->reader);
    journal_close(replay->journal, NULL);
    if (replay->opened)
        state_directory_close(&replay->directory);
    free(replay->first);
    free(replay->later);
    free(replay);
}

const struct switch_record *replay_version(const struct replay *replay)
{
    return &replay->version;
}

uint64_t replay_first_seq(const struct replay *replay)
{
    return replay->base_seq + 1;
}

int replay_start(struct replay *replay, struct plan *plan, struct error *error)
{
    replay->plan = plan_ref(plan);
    int rc = table_init(&replay->events, plan_events(plan), error);
    return rc == OK ? decided_init(&replay->decided, plan_features(plan), error) : rc;
}

int replay_prepare(struct replay *replay, struct engine *engine, struct error *error)
{
    struct snapshot_loading loading = {0};
    bool found;
    if (!replay->base)
        return OK;
    if (strcmp(plan_hash(engine_plan(engine)), plan_hash(replay->plan)) != 0)
        return error_set(
            error, CODE_CONFLICT,
            "the journal begins at event %llu, and only windows of the plan that was used then can "
            "begin there",
            (unsigned long long)replay->base_seq + 1);
    int rc = open_base(replay, &loading.reader, error);
    if (rc == OK)
        rc = snapshot_next(loading.reader, &found, &loading.block, error);
    loading.at = loading.block.size;
    if (rc == OK)
        rc = engine_load(engine, snapshot_read_state, &loading, error);
    snapshot_reader_free(loading.reader);
    return rc;
}

static int take_record(struct replay *replay, const struct record *record, struct replayed *ret,
                       struct error *error)
{
    struct events_head head;
    struct switch_record version;
    int rc = OK;
    switch (record->kind) {
    case RECORD_EVENTS:
        replay->has_events = true;
        replay->events_seq = record->seq;
        return record_read_events(record->body, record->size, &head, &replay->events, error);
    case RECORD_DECISIONS:
        rc = record_read_decisions(record->body, record->size, &replay->decided, error);
        if (rc == OK && (!replay->has_events || replay->decided.seq != replay->events_seq ||
                         replay->decided.decisions.n != replay->events.length))
            rc = error_set(error, CODE_CORRUPT, "decisions do not stand behind their events");
        replay->has_events = false;
        *ret = (struct replayed){.seq = replay->events_seq,
                                 .events = &replay->events,
                                 .decided = &replay->decided,
                                 .body = {record->body, record->size}};
        return rc;
    case RECORD_SWITCH:
        rc = record_read_switch(record->body, record->size, &version, error);
        if (rc == OK)
            rc = keep_switch(&version, record->body, record->size, &replay->later, &replay->switched, error);
        *ret = (struct replayed){.seq = record->seq, .version = &replay->switched};
        return rc;
    default:
        return OK;
    }
}

int replay_next(struct replay *replay, bool *ret_found, struct replayed *ret, struct error *error)
{
    struct record record;
    *ret = (struct replayed){0};
    for (;;) {
        int rc = journal_reader_next(replay->reader, ret_found, &record, error);
        if (rc != OK || !*ret_found)
            return rc;
        rc = take_record(replay, &record, ret, error);
        if (rc != OK)
            error_prefix(error, "%s, record %llu", replay->directory.journal,
                         (unsigned long long)record.position);
        if (rc != OK || ret->events || ret->version)
            return rc;
    }
}
