/*
 * The state of one plan becomes that of another:
 *
 *   1. the former state is restored, with an engine of its plan, and what waits for a decision is decided by
 *      who decided then;
 *   2. the windows of the new plan take history again, unless all of them are in the former plan, too;
 *   3. those that are the same take over what the former ones remember (feature/adopt.h);
 *   4. a snapshot is put in place that lies ahead of the journal;
 *   5. the journal says who decides from now on.
 *
 * Before the last step is on the disk the state is that of the former plan: whoever opens it leaves the
 * snapshot out that lies ahead of the journal, and removes it before the journal grows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/units.h"
#include "score/durable_struct.h"
#include "score/erasing.h"
#include "table/packed.h"

struct migration {
    struct durable *durable; /* becomes that of the new plan */
    struct durable *former;  /* the state as it was */
    const struct durable_version *version;
    const struct durable_backfill *backfill;
    struct durable_recovery *recovery;
    struct adoption *adoption;
    struct adoption_need need;
    bool other_rows; /* events have other columns: what is known of ids has to be made anew */
    bool lost;       /* the former state cannot be had: all is taken again */
    struct journal_state journal;
    struct past past;
    struct undecided *undecided;
};

/* ---- the former state ---- */

/* Of the newest snapshot that can be begun with; *ret_found is false where there is none. */
static int read_snapshot_plan(struct durable *durable, bool *ret_found, struct buffer *ret,
                              struct error *error)
{
    uint64_t most = UINT64_MAX;
    int rc = OK;
    *ret_found = false;
    while (rc == OK && !*ret_found) {
        struct snapshot_reader *reader = NULL;
        struct snapshot_block block;
        struct switch_record version;
        bool found = false;
        size_t at;
        rc = snapshots_newest(&durable->snapshots, most, false, &reader, NULL, error);
        if (rc != OK || !reader)
            break;
        const struct snapshot_head *head = snapshot_reader_head(reader);
        *ret_found = !durable_is_ahead(durable, head) && snapshot_next(reader, &found, &block, NULL) == OK &&
                     found && snapshot_version(&block, &version, &at, NULL) == OK;
        if (*ret_found)
            buffer_append(ret, version.plan_sql.data, version.plan_sql.size);
        most = head->seq - 1;
        snapshot_reader_free(reader);
        if (most == UINT64_MAX)
            break;
    }
    return rc;
}

/* Of the journal's first record. */
static int read_journal_plan(struct durable *durable, bool *ret_found, struct buffer *ret,
                             struct error *error)
{
    struct journal_reader *reader = NULL;
    struct switch_record version;
    struct record record;
    int rc = journal_reader_new(durable->journal, &reader, error);
    if (rc == OK)
        rc = journal_reader_next(reader, ret_found, &record, error);
    *ret_found = rc == OK && *ret_found && record.kind == RECORD_SWITCH;
    if (*ret_found)
        rc = record_read_switch(record.body, record.size, &version, error);
    if (*ret_found && rc == OK)
        buffer_append(ret, version.plan_sql.data, version.plan_sql.size);
    journal_reader_free(reader);
    return rc;
}

static int find_plan_sql(struct durable *durable, struct buffer *ret, struct error *error)
{
    bool found;
    int rc = read_snapshot_plan(durable, &found, ret, error);
    if (rc == OK && !found)
        rc = read_journal_plan(durable, &found, ret, error);
    if (rc == OK && !found)
        rc = error_set(error, CODE_CORRUPT, "%s does not say of which plan it is", durable->directory.path);
    return rc == OK ? buffer_check(ret, "a plan", error) : rc;
}

static int new_former(struct migration *migration, struct error *error)
{
    const struct durable *durable = migration->durable;
    struct durable *former = memory_new(1, sizeof *former);
    struct buffer sql;
    if (!former)
        return error_set(error, CODE_MEMORY, "no memory for the former state");
    migration->former = former;
    former->directory = durable->directory;
    former->snapshots = durable->snapshots;
    former->archive = durable->archive;
    former->journal = durable->journal;
    former->options = durable->options;
    former->options.backfill = NULL;
    former->name = memory_text("", 0);
    buffer_init(&former->body, LIMIT_JOURNAL_RECORD);
    buffer_init(&former->row, LIMIT_JOURNAL_RECORD);
    buffer_init(&former->in_force, LIMIT_JOURNAL_RECORD);
    buffer_init(&sql, LIMIT_JOURNAL_RECORD);
    int rc = find_plan_sql(migration->durable, &sql, error);
    if (rc == OK)
        rc = plan_compile(sql.data ? sql.data : "", sql.size, "the former plan", &former->plan, error);
    buffer_done(&sql);
    if (rc == OK && plan_id_column(former->plan) < 0)
        former->options.dedupe_us = 0;
    return rc;
}

/* Those that the last run could not decide any more. */
static int decide_last(struct migration *migration, struct undecided *undecided, struct error *error)
{
    struct durable *former = migration->former;
    struct durable_decider decider = {0};
    struct switch_record version;
    struct decisions decisions;
    char path[IO_PATH_SIZE];
    uint32_t kept = 0;
    struct buffer body;
    if (!migration->backfill->open_decider)
        return error_set(error, CODE_CONFLICT,
                         "the last %lld events have no decision yet: start the former "
                         "version once",
                         (long long)undecided->events.length);
    buffer_init(&body, LIMIT_JOURNAL_RECORD);
    int rc = record_read_switch(former->in_force.data, former->in_force.size, &version, error);
    if (rc == OK)
        rc = archive_find(&former->archive, former->version, &kept, &body, error);
    if (rc == OK)
        rc = archive_path(&former->archive, former->version, path, error);
    if (rc == OK)
        rc = migration->backfill->open_decider(migration->backfill->context, &version,
                                               kept == former->version ? path : NULL, &decider, error);
    buffer_done(&body);
    if (rc != OK) {
        error_prefix(error, "the last %lld events wait for the decision of %.*s",
                     (long long)undecided->events.length, (int)version.name.size, version.name.data);
        return rc;
    }
    rc = engine_switch(former->engine, decider.model, decider.rules, &decider.options, error);
    if (rc == OK)
        rc = durable_decide(former, &undecided->events, undecided->seq, &decisions, error);
    if (rc == OK)
        rc = journal_commit(former->journal, former->position, error);
    uint64_t durable;
    if (rc == OK) /* readers are given what is flushed */
        rc = journal_wait(former->journal, former->position, -1, &durable, error);
    migration->recovery->decided_again = (uint64_t)undecided->events.length;
    model_unref(decider.model);
    rules_unref(decider.rules);
    return rc;
}

/* Where the journal goes on with yet another plan than the one that the snapshot is of, which happens when
 * the snapshot behind a change of plan is damaged, that state cannot be had. */
static int restore_former(struct migration *migration, struct error *error)
{
    struct undecided undecided = {0};
    struct durable *former = migration->former;
    struct error own = {0};
    int rc = durable_load(former, migration->recovery, error);
    if (rc == OK)
        rc = table_init(&undecided.events, plan_events(former->plan), error);
    if (rc == OK) {
        rc = durable_follow(former, &undecided, migration->recovery, &own);
        migration->lost = rc == CODE_CONFLICT && former->other_plan;
        if (migration->lost)
            rc = OK;
        else if (rc != OK && error)
            *error = own;
    }
    if (rc == OK)
        rc = durable_drop_ahead(former, error);
    undecided.waits &= !migration->lost;
    struct durable_recovery unsaid = {0};
    if (rc == OK)
        rc = durable_settle_ids(former, true, &unsaid, error);
    if (rc == OK && migration->durable->options.dedupe_us < 0)
        migration->durable->options.dedupe_us =
            plan_id_column(migration->durable->plan) < 0 ? 0 : former->options.dedupe_us;
    if (rc == OK && undecided.waits)
        rc = decide_last(migration, &undecided, error);
    table_done(&undecided.events);
    return rc;
}

/* ---- how far history reaches ---- */

/* What came before the journal's first record is no later than what it notes first. */
static int find_oldest(struct migration *migration, int64_t *ret, struct error *error)
{
    struct journal_reader *reader = NULL;
    struct position_record found;
    struct record record;
    bool more = true;
    *ret = INT64_MAX;
    int rc = journal_reader_new(migration->durable->journal, &reader, error);
    while (rc == OK && *ret == INT64_MAX) {
        rc = journal_reader_next(reader, &more, &record, error);
        if (rc != OK || !more)
            break;
        if (record.kind != RECORD_POSITION)
            continue;
        rc = record_read_position(record.body, record.size, &found, error);
        if (rc == OK && found.what.size == strlen(PLACE_NEWEST) &&
            memcmp(found.what.data, PLACE_NEWEST, found.what.size) == 0)
            *ret = (int64_t)found.number;
    }
    journal_reader_free(reader);
    return rc;
}

static const char *time_text(const struct plan *plan, int64_t time, char text[UNITS_TEXT_SIZE])
{
    const struct type *type = &plan_events(plan)->fields[plan_time_column(plan)].type;
    if (type_is_integer(type->id)) {
        snprintf(text, UNITS_TEXT_SIZE, "step %lld", (long long)time);
        return text;
    }
    return units_time_text(time, text);
}

/* Of everything that the new windows remember when the newest event is of this time. */
static int check_reach(const struct migration *migration, int64_t newest, int64_t oldest, struct error *error)
{
    const struct durable_options *options = &migration->durable->options;
    const struct plan *plan = migration->durable->plan;
    char needed[UNITS_TEXT_SIZE], had[UNITS_TEXT_SIZE];
    int64_t reach = migration->need.reach + options->engine.state.lateness_us;
    const char *what = migration->need.window;
    if (migration->other_rows && options->dedupe_us > reach) {
        reach = options->dedupe_us;
        what = "the ids that --dedupe knows";
    }
    unsigned long long first = migration->journal.oldest_seq;
    if (migration->need.all)
        return error_set(error, CODE_CONFLICT,
                         "%s: its windows need history from the first event on, and the journal begins with "
                         "event %llu; give those before: --backfill FILE...",
                         what, first);
    if (newest < -LIMIT_EVENT_TIME || oldest < newest - reach) /* the former: of no event */
        return OK;
    return error_set(
        error, CODE_CONFLICT,
        "%s: events back to %s are needed, and the journal, which begins with event %llu, has all "
        "only behind %s; give those before: --backfill FILE...",
        what, time_text(plan, newest - reach, needed), first,
        oldest <= LIMIT_EVENT_TIME ? time_text(plan, oldest, had) : "a time that it does not say");
}

/* ---- history again ---- */

/* A row by which an event is told: its id, or the columns that both plans have. */
static void pack_row(const struct migration *migration, const struct table *events, int64_t i,
                     struct buffer *out)
{
    const struct schema *schema = events->schema;
    int id = plan_id_column(migration->durable->plan);
    buffer_clear(out);
    for (int c = 0; c < schema->n; c++) {
        if (migration->past.remap.sources[c] < 0 || (id >= 0 && c != id))
            continue;
        struct schema one = {.n = 1, .fields = &schema->fields[c]};
        struct table column = {.schema = &one, .columns = &events->columns[c], .length = events->length};
        packed_write(&column, i, 1, out);
    }
}

/* The journal's first event that was not erased; *ret stays empty where it has none. */
static int find_first(struct migration *migration, struct buffer *ret, struct error *error)
{
    struct journal_reader *reader = NULL;
    struct events_head head;
    struct record record;
    struct table events = {0};
    bool more = true;
    int rc = journal_reader_new(migration->durable->journal, &reader, error);
    if (rc != OK)
        return rc;
    rc = table_init(&events, plan_events(migration->durable->plan), error);
    while (rc == OK && more && !ret->size) {
        rc = journal_reader_next(reader, &more, &record, error);
        if (rc != OK || !more || record.kind != RECORD_EVENTS)
            continue;
        rc = past_read(&migration->past, record.body, record.size, &head, &events, error);
        for (int64_t i = 0; rc == OK && i < events.length && !ret->size; i++)
            if (!event_is_erased(&events, i))
                pack_row(migration, &events, i, ret);
    }
    table_done(&events);
    journal_reader_free(reader);
    return rc;
}

/* Which row is the journal's first event; their number where none is. */
static int64_t find_row(const struct migration *migration, const struct table *events,
                        const struct buffer *first, struct buffer *row)
{
    int64_t i = 0;
    for (; first->size && i < events->length; i++) {
        pack_row(migration, events, i, row);
        if (row->size == first->size && memcmp(row->data, first->data, row->size) == 0)
            return i;
    }
    return events->length;
}

static int take_some(struct migration *migration, const struct table *events, int64_t n, struct error *error)
{
    struct engine *engine = migration->durable->engine;
    struct table part = {0};
    migration->recovery->from_files += (uint64_t)n;
    if (n == events->length)
        return engine_follow(engine, events, error);
    int rc = table_init(&part, events->schema, error);
    if (rc == OK)
        rc = table_append(&part, events, 0, n, error);
    if (rc == OK && n)
        rc = engine_follow(engine, &part, error);
    table_done(&part);
    return rc;
}

/* Events of files, up to the journal's first one. */
static int take_files(struct migration *migration, struct error *error)
{
    const struct durable_backfill *backfill = migration->backfill;
    struct table events = {0};
    struct buffer wanted, row;
    bool more = true;
    buffer_init(&wanted, LIMIT_JOURNAL_RECORD);
    buffer_init(&row, LIMIT_JOURNAL_RECORD);
    int rc = table_init(&events, plan_events(migration->durable->plan), error);
    if (rc == OK)
        rc = find_first(migration, &wanted, error);
    while (rc == OK && more) {
        rc = backfill->next(backfill->context, &events, error);
        if (rc != OK)
            break;
        int64_t n = find_row(migration, &events, &wanted, &row);
        migration->recovery->files_reach = n < events.length;
        more = events.length && n == events.length;
        rc = take_some(migration, &events, n, error);
        if (rc == OK && backfill->taken)
            backfill->taken(backfill->context, n);
    }
    buffer_done(&wanted);
    buffer_done(&row);
    table_done(&events);
    return rc;
}

/* The journal's last version has this plan: there is nothing to say about it. */
static bool goes_on(const struct migration *migration)
{
    struct switch_record version;
    const struct buffer *body = &migration->durable->in_force;
    const char *sql = plan_sql(migration->durable->plan);
    return migration->lost && record_read_switch(body->data, body->size, &version, NULL) == OK &&
           version.plan_sql.size == strlen(sql) && memcmp(version.plan_sql.data, sql, strlen(sql)) == 0;
}

static int take_history(struct migration *migration, struct error *error)
{
    struct durable *durable = migration->durable;
    const struct durable_backfill *backfill = migration->backfill;
    struct durable_recovery unsaid = {0};
    bool complete = migration->journal.oldest_position == 1;
    int64_t oldest = 0;
    int rc = OK;
    /* What was too far ahead follows from all that came before it. */
    if (!complete && !backfill->next && durable->options.engine.state.max_ahead_us > 0)
        return error_set(error, CODE_CONFLICT,
                         "with --max-ahead windows are filled with all events from the first one on, and the "
                         "journal begins with event %llu; give those before: --backfill FILE...",
                         (unsigned long long)migration->journal.oldest_seq);
    if (!complete && !backfill->next) {
        rc = find_oldest(migration, &oldest, error);
        if (rc == OK && !migration->lost)
            rc = check_reach(migration, migration->former->newest, oldest, error);
    }
    if (rc == OK && backfill->begin)
        backfill->begin(backfill->context,
                        (int64_t)(migration->journal.next_seq - migration->journal.oldest_seq));
    if (rc == OK && backfill->next)
        rc = take_files(migration, error);
    durable->position = migration->journal.oldest_position - 1;
    migration->undecided->past = &migration->past;
    migration->undecided->backfill = backfill;
    if (rc == OK)
        rc = durable_follow(durable, migration->undecided, &unsaid, error);
    migration->undecided->past = NULL;
    migration->undecided->backfill = NULL;
    if (rc == OK && migration->undecided->waits && !goes_on(migration))
        rc = error_set(error, CODE_CORRUPT, "the decisions about the last events of %s are missing",
                       durable->directory.path);
    /* WHERE may have left out what is newest. */
    if (rc == OK && !complete && !backfill->next)
        rc = check_reach(migration, state_high_water(engine_state(durable->engine)), oldest, error);
    return rc;
}

/* ---- the new state ---- */

static bool same_ids(const struct migration *migration)
{
    return !migration->other_rows &&
           plan_id_column(migration->durable->plan) == plan_id_column(migration->former->plan);
}

/* How far sources and sinks have come, whatever the plan is. */
static void take_places(struct migration *migration)
{
    struct durable *durable = migration->durable, *former = migration->former;
    for (int i = 0; i < durable->n_reached; i++)
        free(durable->reached[i].what);
    memcpy(durable->reached, former->reached, sizeof durable->reached);
    durable->n_reached = former->n_reached;
    former->n_reached = 0;
}

static void take_over(struct migration *migration)
{
    struct durable *durable = migration->durable, *former = migration->former;
    take_places(migration);
    if (same_ids(migration) && former->ids) {
        ids_free(durable->ids);
        durable->ids = former->ids;
        durable->high = former->high;
        former->ids = NULL;
    }
    durable->newest = former->newest;
    durable->version = former->version;
    durable->seq = former->seq;
    durable->position = former->position;
    durable->appended += former->appended;
}

/* Labels in the journal are rows of the late columns, and what is kept for them is made from all of it. */
static int check_labels(const struct migration *migration, struct error *error)
{
    const struct durable *durable = migration->durable, *former = migration->former;
    if (!durable->options.engine.state.learns)
        return OK;
    struct schema *is = label_schema_new(durable->plan), *was = label_schema_new(former->plan);
    bool same = is && was && is->n == was->n;
    for (int c = 0; same && c < is->n; c++)
        same = strcasecmp(is->fields[c].name, was->fields[c].name) == 0 &&
               type_equal(&is->fields[c].type, &was->fields[c].type);
    schema_unref(is);
    schema_unref(was);
    if (!same)
        return error_set(error, CODE_CONFLICT,
                         "with --labels a plan keeps its PRIMARY KEY and its late columns: past labels are "
                         "rows of them");
    if (migration->backfill->next || migration->journal.oldest_position != 1)
        return error_set(error, CODE_CONFLICT,
                         "with --labels a plan changes only where the journal has all events and labels from "
                         "the first one on (this one begins with event %llu), and without files",
                         (unsigned long long)migration->journal.oldest_seq);
    return OK;
}

static int compare_plans(struct migration *migration, struct error *error)
{
    struct durable *durable = migration->durable, *former = migration->former;
    struct remap remap = {0};
    journal_state(durable->journal, &migration->journal);
    int rc = check_labels(migration, error);
    if (rc == OK)
        rc = remap_init(&remap, plan_events(former->plan), plan_events(durable->plan), error);
    if (rc != OK)
        return rc;
    migration->other_rows = !remap.same && durable->options.dedupe_us > 0;
    remap_done(&remap);
    rc = adoption_new(migration->lost ? NULL : former->plan, durable->plan, &migration->adoption, error);
    if (rc == OK)
        adoption_need(migration->adoption, &migration->need);
    return rc;
}

static int new_windows(struct migration *migration, struct error *error)
{
    struct durable *durable = migration->durable, *former = migration->former;
    int rc = durable_begin_anew(durable, error);
    if (rc == OK)
        rc = table_init(&migration->undecided->events, plan_events(durable->plan), error);
    if (rc != OK)
        return rc;
    past_init(&migration->past, &durable->archive, durable->plan);
    if (migration->lost)
        take_places(migration);
    bool learns = durable->options.engine.state.learns;
    if (migration->lost || migration->need.filled || !same_ids(migration) || learns)
        rc = take_history(migration, error);
    if (rc != OK || migration->lost)
        return rc;
    rc = engine_adopt(durable->engine, former->engine, migration->adoption, error);
    if (rc == OK)
        take_over(migration);
    return rc;
}

/* The version that decided until now is kept: its plan says what the events of the journal are. */
static int keep_former(struct migration *migration, struct error *error)
{
    struct durable *former = migration->former;
    uint32_t number;
    struct buffer body;
    buffer_init(&body, LIMIT_JOURNAL_RECORD);
    int rc = archive_find(&former->archive, former->version, &number, &body, error);
    if (rc == OK && number != former->version)
        rc = archive_put(&former->archive, former->version, former->in_force.data, former->in_force.size,
                         NULL, error);
    buffer_done(&body);
    return rc;
}

/* The snapshot first, then what makes it true. */
static int conclude(struct migration *migration, struct error *error)
{
    struct durable *durable = migration->durable;
    uint64_t position = durable->position;
    char *identity = memory_text(migration->version->identity, strlen(migration->version->identity));
    struct position_record files = {
        {PLACE_FILES, (uint32_t)strlen(PLACE_FILES)}, migration->recovery->from_files, 0};
    if (!identity)
        return error_set(error, CODE_MEMORY, "no memory for a version's name");
    free(durable->identity);
    durable->identity = identity;
    durable->version++;
    int rc = durable_note(durable, files.what, files.number, 0, error);
    durable->position = position + 2;
    if (rc == OK)
        rc = durable_write_snapshot(durable, NULL, NULL, error);
    durable->position = position;
    if (rc == OK)
        rc = durable_reached(durable, PLACE_FILES, files.number, 0, error);
    if (rc == OK)
        rc = durable_put_switch(durable, migration->version, error);
    if (rc == OK)
        rc = journal_commit(durable->journal, durable->position, error);
    if (rc != OK)
        return rc;
    durable->tried = (struct mark){durable->position, durable->seq, durable->appended};
    durable->n_marks = 1;
    durable->marks[0] = durable->tried;
    return OK;
}

int durable_migrate(struct durable *durable, struct undecided *undecided,
                    const struct durable_version *version, struct durable_recovery *recovery,
                    struct error *error)
{
    struct migration migration = {.durable = durable,
                                  .version = version,
                                  .backfill = durable->options.backfill,
                                  .recovery = recovery,
                                  .undecided = undecided};
    int rc = new_former(&migration, error);
    if (rc == OK)
        rc = restore_former(&migration, error);
    if (rc == OK)
        rc = keep_former(&migration, error);
    if (rc == OK)
        rc = compare_plans(&migration, error);
    if (rc == OK)
        rc = new_windows(&migration, error);
    if (rc == OK && !goes_on(&migration))
        rc = conclude(&migration, error);
    if (rc == OK) {
        recovery->migrated = recovery->switched = true;
        recovery->kept = migration.need.kept;
        recovery->filled = migration.need.filled;
    }
    adoption_free(migration.adoption);
    past_done(&migration.past);
    if (migration.former)
        migration.former->journal = NULL;
    durable_free(migration.former);
    return rc;
}

int durable_rebuild(struct durable *durable, struct durable *former, uint64_t last,
                    const struct durable_backfill *backfill, struct error *error)
{
    struct durable_recovery recovery = {0};
    struct undecided undecided = {.last = last};
    struct migration migration = {.durable = durable,
                                  .former = former,
                                  .backfill = backfill,
                                  .recovery = &recovery,
                                  .undecided = &undecided};
    int rc = compare_plans(&migration, error);
    if (rc == OK)
        rc = new_windows(&migration, error);
    adoption_free(migration.adoption);
    past_done(&migration.past);
    table_done(&undecided.events);
    return rc;
}
