/*
 * What a durable engine does when it opens: the directory, the newest snapshot, the journal behind it, and
 * the decisions that had not reached the disk.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "score/durable_struct.h"

static struct piece text_piece(const char *text)
{
    return (struct piece){text ? text : "", text ? (uint32_t)strlen(text) : 0};
}

static bool same_text(struct piece piece, const char *text)
{
    return piece.size == strlen(text) && memcmp(piece.data, text, piece.size) == 0;
}

int durable_check_kept(const struct durable *durable, const struct switch_record *found, struct error *error)
{
    char kept[UNITS_TEXT_SIZE], given[UNITS_TEXT_SIZE];
    const struct state_options *options = &durable->options.engine.state;
    if (found->lateness_us != options->lateness_us)
        return error_set(error, CODE_CONFLICT,
                         "the state in %s was kept with --lateness %s, not %s: give the same, or another "
                         "--state",
                         durable->directory.path, units_duration_text(found->lateness_us, kept),
                         units_duration_text(options->lateness_us, given));
    if (found->max_ahead_us != options->max_ahead_us)
        return error_set(error, CODE_CONFLICT,
                         "the state in %s was kept with --max-ahead %s, not %s: give the same, or another "
                         "--state",
                         durable->directory.path, units_duration_text(found->max_ahead_us, kept),
                         units_duration_text(options->max_ahead_us, given));
    if (found->learns && !options->learns)
        return error_set(error, CODE_CONFLICT,
                         "the state in %s was kept with --labels: give them, where there are none a file "
                         "with the header line alone, or another --state",
                         durable->directory.path);
    if (options->learns && !found->learns)
        return error_set(
            error, CODE_CONFLICT,
            "the state in %s was kept without --labels, and its windows have what events said of "
            "late columns: leave --labels away, or give another --state",
            durable->directory.path);
    return OK;
}

int durable_refuse_plan(struct durable *durable, struct piece name, struct error *error)
{
    durable->other_plan = true;
    return error_set(error, CODE_CONFLICT,
                     "the state in %s is that of %.*s, whose plan differs from this one's; windows that stay "
                     "keep what they remember, and others take past events again, with --backfill journal or "
                     "--backfill FILE...; else give the same plan, or another --state",
                     durable->directory.path, (int)name.size, name.size ? name.data : "");
}

int durable_new_engine(struct durable *durable, struct error *error)
{
    return engine_new(durable->plan, durable->model, durable->rules, &durable->options.engine,
                      &durable->engine, error);
}

/* Events are taken when their decisions are known to be there, or when the journal ends. */
static int take_events(struct durable *durable, struct undecided *undecided, const struct record *record,
                       struct durable_recovery *recovery, struct error *error)
{
    struct events_head head;
    if (undecided->waits)
        return error_set(error, CODE_CORRUPT, "the decisions about the events from %llu on are missing",
                         (unsigned long long)undecided->seq);
    int rc = undecided->past
                 ? past_read(undecided->past, record->body, record->size, &head, &undecided->events, error)
                 : record_read_events(record->body, record->size, &head, &undecided->events, error);
    if (rc == OK && undecided->events.length != record->count)
        rc = error_set(error, CODE_CORRUPT, "a record of %u events has %lld rows", record->count,
                       (long long)undecided->events.length);
    if (rc == OK && head.source.size)
        rc = durable_note(durable, head.source, head.position, 0, error);
    if (rc == OK)
        rc = durable_note_ids(durable, &undecided->events, record->seq, error);
    if (rc == OK)
        durable_note_times(durable, &undecided->events);
    if (undecided->backfill && undecided->backfill->taken)
        undecided->backfill->taken(undecided->backfill->context, record->count);
    undecided->waits = true;
    undecided->seq = record->seq;
    durable->seq = record->seq + record->count - 1;
    recovery->taken_again += record->count;
    return rc;
}

static int take_decisions(struct durable *durable, struct undecided *undecided, const struct record *record,
                          struct error *error)
{
    uint64_t seq;
    uint32_t version;
    int rc = record_read_decisions_head(record->body, record->size, &seq, &version, error);
    if (rc != OK)
        return rc;
    /* A journal that was trimmed may begin with them. */
    if (undecided->past && !undecided->waits && !undecided->seq)
        return OK;
    /* Behind a snapshot that lies between events and decisions; there is none such. */
    if (!undecided->waits || seq != undecided->seq)
        return error_set(error, CODE_CORRUPT,
                         "decisions about events from %llu on, which do not stand before",
                         (unsigned long long)seq);
    undecided->waits = false;
    /* Ids that were given up before were told of then. */
    durable_forget_lost_labels(durable);
    return durable_follow_events(durable, &undecided->events, undecided->seq, error);
}

static int take_switch(struct durable *durable, const struct undecided *undecided,
                       const struct record *record, struct error *error)
{
    struct switch_record found;
    int rc = record_read_switch(record->body, record->size, &found, error);
    if (rc != OK)
        return rc;
    if (!undecided->past && !same_text(found.plan_sql, plan_sql(durable->plan)))
        return durable_refuse_plan(durable, found.name, error);
    rc = durable_check_kept(durable, &found, error);
    if (rc != OK)
        return rc;
    char *identity = memory_text(found.identity.data, found.identity.size);
    if (!identity)
        return error_set(error, CODE_MEMORY, "no memory for a version's name");
    free(durable->identity);
    durable->identity = identity;
    durable->version = found.version;
    buffer_clear(&durable->in_force);
    buffer_append(&durable->in_force, record->body, record->size);
    return buffer_check(&durable->in_force, "a version", error);
}

static int take_position(struct durable *durable, const struct record *record, struct error *error)
{
    struct position_record found;
    int rc = record_read_position(record->body, record->size, &found, error);
    if (rc == OK)
        rc = durable_note(durable, found.what, found.number, found.bytes, error);
    /* What comes behind it was kept for so long. */
    int64_t horizon;
    if (rc == OK && durable->ids && durable->options.dedupe_us < 0 &&
        durable_noted_horizon(durable, &horizon) && horizon > 0)
        ids_set_horizon(durable->ids, horizon);
    return rc;
}

static int take_record(struct durable *durable, struct undecided *undecided, const struct record *record,
                       struct durable_recovery *recovery, struct error *error)
{
    durable->position = record->position;
    switch (record->kind) {
    case RECORD_EVENTS:
        return take_events(durable, undecided, record, recovery, error);
    case RECORD_DECISIONS:
        return take_decisions(durable, undecided, record, error);
    case RECORD_LABELS:
        return undecided->waits ? error_set(error, CODE_CORRUPT, "labels between events and their decisions")
                                : durable_take_labels(durable, record, error);
    case RECORD_ERASURE:
        return durable_take_erasure(durable, record, error);
    case RECORD_SWITCH:
        return take_switch(durable, undecided, record, error);
    case RECORD_POSITION:
        return take_position(durable, record, error);
    default:
        return error_set(error, CODE_UNSUPPORTED, "a record of %s, which this version does not read",
                         record_kind_name(record->kind));
    }
}

int durable_follow(struct durable *durable, struct undecided *undecided, struct durable_recovery *recovery,
                   struct error *error)
{
    struct journal_reader *reader;
    struct record record;
    bool found = true;
    int rc = journal_reader_new(durable->journal, &reader, error);
    if (rc != OK)
        return rc;
    rc = journal_reader_seek(reader, durable->position + 1, error);
    if (rc != OK)
        error_prefix(error, "there is no snapshot that the journal reaches back to");
    while (rc == OK) {
        rc = journal_reader_next(reader, &found, &record, error);
        if (rc != OK || !found || (undecided->last && record.position > undecided->last))
            break;
        rc = take_record(durable, undecided, &record, recovery, error);
        if (rc != OK)
            error_prefix(error, "%s, record %llu", durable->directory.journal,
                         (unsigned long long)record.position);
    }
    journal_reader_free(reader);
    return rc;
}

void durable_describe(const struct durable *durable, struct switch_record *ret)
{
    const struct engine_options *options = &durable->options.engine;
    *ret = (struct switch_record){.version = durable->version,
                                  .reasons = (uint32_t)options->reasons,
                                  .threshold = options->threshold,
                                  .explain_from = options->explain_from,
                                  .lateness_us = options->state.lateness_us,
                                  .max_ahead_us = options->state.max_ahead_us,
                                  .learns = options->state.learns,
                                  .name = text_piece(durable->name),
                                  .identity = text_piece(durable->identity),
                                  .plan_sql = text_piece(plan_sql(durable->plan)),
                                  .rules_sql = text_piece(durable->rules ? rules_sql(durable->rules) : NULL)};
}

int durable_put_switch(struct durable *durable, const struct durable_version *version, struct error *error)
{
    struct journal_place place;
    struct switch_record record;
    durable_describe(durable, &record);
    buffer_clear(&durable->in_force);
    record_switch(&record, &durable->in_force);
    int rc = buffer_check(&durable->in_force, "a version", error);
    if (rc == OK)
        rc = archive_put(&durable->archive, durable->version, durable->in_force.data, durable->in_force.size,
                         version->files, error);
    if (rc != OK)
        return rc;
    buffer_clear(&durable->body);
    record_switch(&record, &durable->body);
    return durable_append(durable, RECORD_SWITCH, 0, &place, error);
}

/* A state that was made before versions were kept. */
static int keep_version(struct durable *durable, const struct durable_version *version, struct error *error)
{
    uint32_t number;
    struct buffer body;
    buffer_init(&body, LIMIT_JOURNAL_RECORD);
    int rc = archive_find(&durable->archive, durable->version, &number, &body, error);
    if (rc == OK && number != durable->version)
        rc = archive_put(&durable->archive, durable->version, durable->in_force.data, durable->in_force.size,
                         version->files, error);
    buffer_done(&body);
    return rc;
}

static bool same_piece(struct piece a, struct piece b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* An option that is a number, where it is another now. */
static void say_number(const char *name, double was, double is, struct buffer *out)
{
    double numbers[] = {is, was};
    if (was == is || (isnan(was) && isnan(is)))
        return;
    buffer_format(out, "%s--%s", out->size ? ", " : "", name);
    for (int i = 0; i < 2; i++) {
        buffer_text(out, i ? " (before: " : " ");
        if (isfinite(numbers[i]))
            buffer_format(out, "%.10g", numbers[i]);
        else
            buffer_text(out, "none");
    }
    buffer_text(out, ")");
}

/* What is other than before. */
static void say_change(const struct switch_record *was, const struct switch_record *is,
                       char ret[ERROR_MESSAGE_SIZE])
{
    struct buffer options;
    buffer_init(&options, ERROR_MESSAGE_SIZE);
    say_number("threshold", was->threshold, is->threshold, &options);
    say_number("explain", was->reasons, is->reasons, &options);
    say_number("explain-from", was->explain_from, is->explain_from, &options);
    if (!same_piece(was->rules_sql, is->rules_sql))
        buffer_format(&options, "%s%s", options.size ? ", " : "",
                      is->rules_sql.size == 0    ? "without the version's rules"
                      : was->rules_sql.size == 0 ? "by the version's rules"
                                                 : "by other rules");
    if (same_piece(was->name, is->name) && options.size && !options.failed)
        snprintf(ret, ERROR_MESSAGE_SIZE, "%.*s decides with other options from now on: %s",
                 (int)is->name.size, is->name.data, options.data);
    else
        snprintf(ret, ERROR_MESSAGE_SIZE, "another version decides from now on: %.*s (before: %.*s)",
                 (int)is->name.size, is->name.data, (int)was->name.size, was->name.data);
    buffer_done(&options);
}

/* Says in the journal who decides from now on, where that has changed. */
static int switch_version(struct durable *durable, const struct durable_version *version,
                          struct durable_recovery *recovery, struct error *error)
{
    if (durable->version && strcmp(durable->identity, version->identity) == 0)
        return keep_version(durable, version, error);
    char *identity = memory_text(version->identity, strlen(version->identity));
    if (!identity)
        return error_set(error, CODE_MEMORY, "no memory for a version's name");
    free(durable->identity);
    durable->identity = identity;
    recovery->switched = durable->version > 0;
    struct switch_record was, is;
    durable_describe(durable, &is);
    if (recovery->switched &&
        record_read_switch(durable->in_force.data, durable->in_force.size, &was, NULL) == OK)
        say_change(&was, &is, recovery->change);
    durable->version++;
    return durable_put_switch(durable, version, error);
}

/* The state as the directory has it, with the windows of this plan. */
static int restore(struct durable *durable, struct undecided *undecided,
                   const struct durable_version *version, struct durable_recovery *recovery,
                   struct error *error)
{
    struct error own = {0};
    int rc = durable_load(durable, recovery, &own);
    if (rc == OK)
        rc = table_init(&undecided->events, plan_events(durable->plan), &own);
    if (rc == OK)
        rc = durable_follow(durable, undecided, recovery, &own);
    if (rc == OK)
        return durable_drop_ahead(durable, error);
    if (rc == CODE_CONFLICT && durable->other_plan && durable->options.backfill)
        return durable_migrate(durable, undecided, version, recovery, error);
    if (error)
        *error = own;
    return rc;
}

static int recover(struct durable *durable, const struct durable_version *version,
                   struct durable_recovery *recovery, struct error *error)
{
    struct undecided undecided = {0};
    struct decisions decisions;
    int rc = restore(durable, &undecided, version, recovery, error);
    if (rc == OK)
        rc = durable_settle_ids(durable, version->model != NULL, recovery, error);
    if (rc == OK)
        rc = durable_check_erasures(durable, error);
    if (rc == OK && version->model)
        rc = switch_version(durable, version, recovery, error);
    if (rc == OK && version->model)
        rc = durable_put_horizon(durable, error);
    if (rc == OK && undecided.waits && !version->model) {
        rc = error_set(error, CODE_CONFLICT,
                       "%s: nothing has been decided yet about the events from %llu on; let the run go on "
                       "once, which decides, and then ask again",
                       durable->directory.path, (unsigned long long)undecided.seq);
    } else if (rc == OK && undecided.waits) {
        recovery->decided_again = (uint64_t)undecided.events.length;
        rc = durable_decide(durable, &undecided.events, undecided.seq, &decisions, error);
    }
    if (rc == OK)
        rc = journal_commit(durable->journal, durable->position, error);
    table_done(&undecided.events);
    return rc;
}

static int open_journal(struct durable *durable, struct durable_recovery *recovery, struct error *error)
{
    const struct durable_options *options = &durable->options;
    int rc = state_directory_open(&durable->directory, options->io, options->directory, error);
    if (rc != OK)
        return rc;
    durable->opened = true;
    rc = archive_init(&durable->archive, &durable->directory, error);
    if (rc != OK)
        return rc;
    rc = snapshots_init(&durable->snapshots, options->io, durable->directory.snapshots,
                        durable->directory.identity, error);
    if (rc != OK)
        return rc;
    struct journal_options journal = {.io = options->io,
                                      .directory = durable->directory.journal,
                                      .sync = options->sync,
                                      .interval_ms = options->interval_ms,
                                      .segment_bytes = options->segment_bytes};
    memcpy(journal.identity, durable->directory.identity, sizeof journal.identity);
    return journal_open(&journal, &durable->journal, &recovery->journal, error);
}

int durable_open(const struct durable_version *version, const struct durable_options *options,
                 struct durable **ret, struct durable_recovery *ret_recovery, struct error *error)
{
    struct durable_recovery recovery = {0};
    struct durable *durable = memory_new(1, sizeof *durable);
    if (!durable)
        return error_set(error, CODE_MEMORY, "no memory for the engine");
    durable->options = *options;
    durable->plan = plan_ref(version->plan);
    durable->model = version->model ? model_ref(version->model) : NULL;
    durable->options.engine.state.forgets = true;
    durable->rules = version->rules ? rules_ref(version->rules) : NULL;
    buffer_init(&durable->body, LIMIT_JOURNAL_RECORD);
    buffer_init(&durable->row, LIMIT_JOURNAL_RECORD);
    buffer_init(&durable->in_force, LIMIT_JOURNAL_RECORD);
    const char *name = version->model ? version->name : "";
    durable->name = memory_text(name, strlen(name));
    int rc = durable->name ? OK : error_set(error, CODE_MEMORY, "no memory for the engine");
    if (rc == OK && options->dedupe_us > 0 && plan_id_column(version->plan) < 0)
        rc = error_set(error, CODE_USAGE,
                       "ids are asked for, and the plan has none: give its table a PRIMARY KEY");
    if (rc == OK && options->engine.state.learns)
        rc = label_book_check(version->plan, error);
    if (rc == OK)
        rc = open_journal(durable, &recovery, error);
    if (rc == OK)
        rc = recover(durable, version, &recovery, error);
    if (rc != OK) {
        durable_abandon(durable);
        return rc;
    }
    durable->options.backfill = NULL; /* the caller's */
    if (ret_recovery)
        *ret_recovery = recovery;
    *ret = durable;
    return OK;
}
