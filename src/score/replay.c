#include "score/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "score/durable_struct.h"
#include "score/erasing.h"

struct replay {
    struct state_directory directory;
    struct snapshots snapshots;
    struct journal *journal;
    struct journal_reader *reader;
    struct switch_record version, switched;
    char *first, *later;     /* bodies that their texts are in */
    uint64_t base, base_seq; /* of the snapshot that it begins at; 0: the journal's beginning */
    struct archive archive;
    struct plan *plan;
    struct table events;
    struct decided decided;
    struct replay_labels labels;
    struct label_rows told;        /* the labels of the last record */
    struct erasure_record erasure;
    uint64_t events_seq, position; /* position: of the last record */
    uint64_t from_files;           /* events that were, when the plan changed last */
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
    rc = archive_init(&replay->archive, &replay->directory, error);
    if (rc != OK)
        return rc;
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
    replay_labels_done(&replay->labels);
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

int replay_files(const struct replay *replay, uint32_t version, bool *ret_found, char ret[IO_PATH_SIZE],
                 struct error *error)
{
    uint32_t number;
    struct buffer body;
    buffer_init(&body, LIMIT_JOURNAL_RECORD);
    int rc = archive_find(&replay->archive, version, &number, &body, error);
    buffer_done(&body);
    *ret_found = rc == OK && number == version;
    return rc == OK ? archive_path(&replay->archive, version, ret, error) : rc;
}

/* From here on records are those of this plan. */
static int use_plan(struct replay *replay, struct piece sql, struct error *error)
{
    struct plan *plan;
    int rc = plan_compile(sql.data, sql.size, "the plan in the journal", &plan, error);
    if (rc != OK)
        return rc;
    plan_unref(replay->plan);
    replay->plan = plan;
    table_done(&replay->events);
    decided_done(&replay->decided);
    replay->events = (struct table){0};
    replay->has_events = false;
    if (replay->version.learns)
        rc = replay_labels_plan(&replay->labels, plan, error);
    if (rc == OK)
        rc = table_init(&replay->events, plan_events(plan), error);
    return rc == OK ? decided_init(&replay->decided, plan_features(plan), error) : rc;
}

int replay_start(struct replay *replay, struct error *error)
{
    return use_plan(replay, replay->version.plan_sql, error);
}

struct plan *replay_plan(const struct replay *replay)
{
    return replay->plan;
}

int replay_change(struct replay *replay, const struct engine *before, struct model *model,
                  struct rules *rules, const struct engine_options *options,
                  const struct durable_backfill *backfill, struct engine **ret, struct error *error)
{
    struct durable_backfill how = backfill ? *backfill : (struct durable_backfill){0};
    struct durable_options both = {.engine = *options};
    struct durable former = {.plan = engine_plan(before), .options = both}, durable = {.options = both};
    if (replay->from_files && !how.next)
        return error_set(
            error, CODE_CONFLICT,
            "when the plan changed behind event %llu, its windows were filled with %llu events of "
            "files: give the same ones, --backfill FILE...",
            (unsigned long long)replay->decided.seq, (unsigned long long)replay->from_files);
    if (!replay->from_files)
        how.next = NULL;
    former.engine = (struct engine *)(uintptr_t)before;
    former.newest = state_high_water(engine_state(before));
    durable.directory = former.directory = replay->directory;
    durable.journal = replay->journal;
    durable.archive = replay->archive;
    durable.plan = replay->plan;
    durable.model = model;
    durable.rules = rules;
    buffer_init(&durable.body, LIMIT_JOURNAL_RECORD);
    buffer_init(&durable.row, LIMIT_JOURNAL_RECORD);
    buffer_init(&durable.in_force, LIMIT_JOURNAL_RECORD);
    int rc = durable_rebuild(&durable, &former, replay->position - 1, &how, error);
    if (rc == OK) {
        *ret = durable.engine;
        durable.engine = NULL;
        label_book_free(replay->labels.book);
        replay->labels.book = durable.labels;
        durable.labels = NULL;
    }
    durable_forget(&durable);
    return rc;
}

int replay_prepare(struct replay *replay, struct engine *engine, struct error *error)
{
    struct snapshot_loading loading = {0};
    bool found;
    if (replay->version.learns) {
        int made = label_book_new(engine_plan(engine), replay->labels.rows.schema, engine_state(engine),
                                  replay->version.lateness_us, &replay->labels.book, error);
        if (made != OK)
            return made;
    }
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
        rc = snapshot_read_labels(&loading, replay->labels.book, error);
    if (rc == OK)
        rc = engine_load(engine, snapshot_read_state, &loading, error);
    snapshot_reader_free(loading.reader);
    return rc;
}

void replay_number(struct engine *engine, uint64_t seq)
{
    state_set_arrival(engine_windows(engine), (int64_t)seq);
}

int replay_taken(struct replay *replay, struct engine *engine, const struct table *events, uint64_t seq,
                 struct error *error)
{
    struct label_book *book = replay->labels.book;
    int rc = book ? label_book_take(book, engine_windows(engine), events, seq, error) : OK;
    if (book)
        label_book_forget_lost(book);
    return rc;
}

int replay_learn(struct replay *replay, struct engine *engine, const struct label_rows *labels,
                 struct error *error)
{
    return label_book_learn(replay->labels.book, engine_windows(engine), labels, error);
}

int replay_truth(const struct replay *replay, struct label_truth **ret, struct error *error)
{
    *ret = NULL;
    if (!replay->version.learns || plan_label_column(replay->plan) < 0)
        return OK;
    return label_truth_new(replay->journal, replay->plan, ret, error);
}

/* A switch; where it is to another plan, its records follow. */
static int take_switch(struct replay *replay, const struct record *record, struct replayed *ret,
                       struct error *error)
{
    struct switch_record version;
    int rc = record_read_switch(record->body, record->size, &version, error);
    if (rc == OK)
        rc = keep_switch(&version, record->body, record->size, &replay->later, &replay->switched, error);
    if (rc != OK)
        return rc;
    const char *sql = plan_sql(replay->plan);
    bool other = replay->switched.plan_sql.size != strlen(sql) ||
                 memcmp(replay->switched.plan_sql.data, sql, strlen(sql)) != 0;
    *ret = (struct replayed){.seq = record->seq, .version = &replay->switched, .other_plan = other};
    return other ? use_plan(replay, replay->switched.plan_sql, error) : OK;
}

static int take_position(struct replay *replay, const struct record *record, struct error *error)
{
    struct position_record found;
    int rc = record_read_position(record->body, record->size, &found, error);
    if (rc == OK && found.what.size == strlen(PLACE_FILES) &&
        memcmp(found.what.data, PLACE_FILES, found.what.size) == 0)
        replay->from_files = found.number;
    return rc;
}

static int take_record(struct replay *replay, const struct record *record, struct replayed *ret,
                       struct error *error)
{
    struct events_head head;
    int rc = OK;
    replay->position = record->position;
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
    case RECORD_LABELS:
        rc = replay_labels_read(&replay->labels, record, error);
        replay->told = (struct label_rows){&replay->labels.rows, replay->labels.speaks};
        *ret = (struct replayed){.seq = record->seq, .labels = &replay->told};
        return rc;
    case RECORD_ERASURE:
        rc = record_read_erasure(record->body, record->size, &replay->erasure, error);
        *ret = (struct replayed){.seq = record->seq, .erasure = &replay->erasure};
        return rc;
    case RECORD_SWITCH:
        return take_switch(replay, record, ret, error);
    case RECORD_POSITION:
        return take_position(replay, record, error);
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
        if (rc != OK || ret->events || ret->labels || ret->version || ret->erasure)
            return rc;
    }
}

struct forgetting_labels {
    struct label_book *book; /* NULL: labels do not come by themselves */
};

static int append_known(void *context, uint64_t seq, const struct table *events, int64_t i, struct table *ret,
                        struct error *error)
{
    const struct forgetting_labels *forgetting = context;
    bool kept;
    return forgetting->book ? label_book_as_known(forgetting->book, events, i, seq, ret, &kept, error)
                            : table_append(ret, events, i, 1, error);
}

static int forget_label(void *context, uint64_t seq, const struct table *events, int64_t i, bool entered,
                        struct error *error)
{
    const struct forgetting_labels *forgetting = context;
    (void)entered;
    return forgetting->book ? label_book_forget(forgetting->book, events, i, seq, error) : OK;
}

int replay_forget(struct replay *replay, const struct erasure_record *erasure, struct engine *engine,
                  struct error *error)
{
    if (erasure->done)
        return OK;
    struct forgetting_labels forgetting = {replay->labels.book};
    const struct erasing_how how = {append_known, forget_label, &forgetting};
    struct erasing_place place = {replay->journal, &replay->archive, engine_plan(engine)};
    uint64_t *seqs = memory_new((size_t)erasure->n + 1, sizeof *seqs);
    bool *traces = memory_new((size_t)plan_features(engine_plan(engine))->n, sizeof *traces);
    int rc = OK;
    if (!seqs || !traces)
        rc = error_set(error, CODE_MEMORY, "no memory for an erasure");
    for (uint32_t i = 0; rc == OK && i < erasure->n; i++)
        seqs[i] = erasure_seq(erasure, i);
    if (rc == OK)
        rc = erasing_forget(&place, engine, seqs, erasure->n, traces, &how, error);
    free(seqs);
    free(traces);
    return rc;
}
