#include "cli/run_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/options.h"
#include "cli/run_backfill.h"
#include "cli/run_follow.h"

enum {
    WAITING = 256,         /* batches whose decisions wait for the disk at most */
    NOTE_EVERY_MS = 1000,  /* how often the sink's place is noted */
    NOTE_BYTES = 32 << 20, /* or after so much */
    LINES_MOST = 256 << 20 /* bytes of decisions that wait */
};

/* Decisions that are out once the journal is durable up to a position. */
struct waiting {
    uint64_t position, seq; /* seq: of the last of them */
    size_t end;             /* in the lines */
};

struct run_state {
    struct durable *durable;
    bool looks; /* at ids */
    struct run_letters letters;
    struct run_labels *labels; /* NULL: without --labels */
    int64_t repeated;
    struct scorer *scorer;
    const struct arguments *arguments;
    struct scorer former; /* who decided what is printed late */
    uint32_t former_number;
    struct run_follow *follow; /* other versions, while it runs */
    struct plan *plan;         /* of the first: whoever reads events has its columns */
    char *sink;                /* "sink PATH", as the journal knows it */
    int file;                  /* standard output for "-" */
    bool grows;                /* a file, not standard output */
    struct buffer lines;
    size_t out; /* of the lines, written */
    struct waiting waiting[WAITING];
    int first, n;
    uint64_t seq, bytes; /* of the last decision that is out; the file's length */
    uint64_t noted_seq, noted_bytes;
    int64_t noted_ns;
    int64_t erase_within_us;
    uint64_t asked; /* whose first decision is looked for */
};

static int write_all(struct run_state *state, const char *data, size_t size, struct error *error)
{
    while (size) {
        ssize_t n = write(state->file, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(error, errno, "cannot write the decisions to %s", state->sink + 5);
        data += n;
        size -= (size_t)n;
        state->bytes += (uint64_t)n;
    }
    return OK;
}

/* Erased events that have waited long enough go. */
static int carry_out_due(struct run_state *state, struct error *error)
{
    uint64_t segments;
    int64_t since;
    bool waits;
    int rc = durable_erasures_wait(state->durable, &waits, &since, error);
    if (rc != OK || !waits || clock_wall_us() - since < state->erase_within_us)
        return rc;
    struct error own = {0};
    rc = durable_carry_out(state->durable, &segments, &own);
    if (rc == CODE_NO_SPACE) {
        log_line(LOG_WARNING, "erased events are still on the disk: %s", own.message);
        return OK;
    }
    if (rc != OK && error)
        *error = own;
    if (rc == OK)
        log_line(LOG_INFO,
                 "erased events are gone from the disk; %llu segments of the journal were rewritten",
                 (unsigned long long)segments);
    return rc;
}

/* Notes in the journal what the sink has. */
static int note(struct run_state *state, struct error *error)
{
    if (state->seq == state->noted_seq)
        return OK;
    if (state->grows && fdatasync(state->file) != 0)
        return error_set_errno(error, errno, "cannot flush the decisions in %s", state->sink + 5);
    state->noted_seq = state->seq;
    state->noted_bytes = state->bytes;
    state->noted_ns = clock_monotonic_ns();
    int rc = durable_reached(state->durable, state->sink, state->seq, state->grows ? state->bytes : 0, error);
    return rc == OK ? carry_out_due(state, error) : rc;
}

/* Writes what waits for nothing any more. */
static int emit(struct run_state *state, uint64_t durable, struct error *error)
{
    size_t end = state->out;
    while (state->n && state->waiting[state->first].position <= durable) {
        end = state->waiting[state->first].end;
        state->seq = state->waiting[state->first].seq;
        state->first = (state->first + 1) % WAITING;
        state->n--;
    }
    int rc = write_all(state, state->lines.data + state->out, end - state->out, error);
    state->out = end;
    if (rc == OK && state->n == 0) {
        buffer_clear(&state->lines);
        state->out = 0;
    }
    bool due = state->bytes - state->noted_bytes > NOTE_BYTES ||
               clock_monotonic_ns() - state->noted_ns > NOTE_EVERY_MS * INT64_C(1000000);
    return rc == OK && due ? note(state, error) : rc;
}

static int emit_all(struct run_state *state, struct error *error)
{
    if (!state->n)
        return OK;
    uint64_t last = state->waiting[(state->first + state->n - 1) % WAITING].position;
    int rc = durable_commit(state->durable, last, error);
    return rc == OK ? emit(state, last, error) : rc;
}

/* Whose rules and texts a decision of the past has. */
static int find_printer(struct run_state *state, const struct durable_then *then, const struct scorer **ret,
                        struct error *error)
{
    *ret = state->scorer;
    if (!then->version)
        return OK;
    if (state->former_number != then->version->version) {
        scorer_close(&state->former);
        state->former_number = 0;
        int rc = run_open_printer(state->arguments, state->durable, then, &state->former, error);
        if (rc != OK)
            return rc;
        state->former_number = then->version->version;
    }
    *ret = &state->former;
    return OK;
}

static int put_lines(struct run_state *state, const struct scorer *scorer, const struct table *events,
                     const struct decisions *decisions, uint64_t seq, uint64_t from, struct error *error)
{
    for (int64_t i = 0; i < decisions->n; i++) {
        if (seq + (uint64_t)i < from || decisions->decisions[i] == DECISION_ERASED)
            continue;
        scored_json(scorer, events, decisions, i, (int64_t)(seq + (uint64_t)i), &state->lines);
        buffer_text(&state->lines, "\n");
    }
    return buffer_check(&state->lines, "the decisions that wait for the disk", error);
}

static int put(struct run_state *state, const struct table *events, const struct decisions *decisions,
               uint64_t seq, uint64_t position, uint64_t from, struct error *error)
{
    int rc = put_lines(state, state->scorer, events, decisions, seq, from, error);
    if (rc != OK)
        return rc;
    state->waiting[(state->first + state->n++) % WAITING] =
        (struct waiting){position, seq + (uint64_t)decisions->n - 1, state->lines.size};
    if (state->n == WAITING || state->lines.size > LINES_MOST / 2)
        return emit_all(state, error);
    return OK;
}

int64_t run_state_taken(const struct run_state *state, const char *source)
{
    struct position_record record;
    return durable_where(state->durable, source, &record) ? (int64_t)record.number : 0;
}

static int take_some(struct run_state *state, const struct table *events, const char *source,
                     int64_t position, struct error *error)
{
    struct decisions decisions;
    struct durable_batch batch = {.source = source, .source_position = (uint64_t)position};
    int rc = durable_take(state->durable, events, &batch, &decisions, error);
    if (rc == OK)
        rc = put(state, events, &decisions, batch.seq, batch.position, 0, error);
    return rc == OK ? emit(state, durable_committed(state->durable, batch.position), error) : rc;
}

static int take_part(struct run_state *state, const struct table *events, int64_t from, int64_t n,
                     const char *source, int64_t position, struct error *error)
{
    struct table part = {0};
    int64_t behind = position - (events->length - from - n);
    if (n == events->length)
        return take_some(state, events, source, position, error);
    int rc = table_init(&part, events->schema, error);
    if (rc == OK)
        rc = table_append(&part, events, from, n, error);
    part.first_row = events->first_row ? events->first_row + from : 0;
    if (rc == OK)
        rc = take_some(state, &part, source, behind, error);
    table_done(&part);
    return rc;
}

/* Rows [from, from + n); where they are too many, or too many bytes, for one record, in halves. */
static int take_rows(struct run_state *state, const struct table *events, int64_t from, int64_t n,
                     const char *source, int64_t position, struct error *error)
{
    int rc = n > LIMIT_DURABLE_ROWS ? CODE_LIMIT : take_part(state, events, from, n, source, position, error);
    if (rc != CODE_LIMIT || n < 2 || durable_failed(state->durable))
        return rc;
    error_clear(error);
    rc = take_rows(state, events, from, n / 2, source, position, error);
    return rc == OK ? take_rows(state, events, from + n / 2, n - n / 2, source, position, error) : rc;
}

/* Rows [from, from + n), each behind the labels that come before it. */
static int take_pieces(struct run_state *state, const struct table *events, int64_t from, int64_t n,
                       const char *source, int64_t position, struct error *error)
{
    int64_t to = from + n, piece;
    int rc = OK;
    if (!state->labels)
        return take_rows(state, events, from, n, source, position, error);
    for (; rc == OK && from < to; from += piece) {
        int64_t end = to - from < LIMIT_DURABLE_ROWS ? to : from + LIMIT_DURABLE_ROWS;
        rc = run_labels_next(state->labels, events, from, end, &piece, error);
        if (rc == OK)
            rc = take_rows(state, events, from, piece, source, position, error);
    }
    return rc;
}

/* The first decision about an event again: only to standard output, a file has it. */
static int answer(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                  const struct decisions *decisions, struct error *error)
{
    struct run_state *state = context;
    const struct scorer *scorer;
    int64_t i = (int64_t)(state->asked - seq);
    int rc = find_printer(state, then, &scorer, error);
    if (rc != OK)
        return rc;
    if (i < 0 || i >= decisions->n)
        return error_set(error, CODE_INTERNAL, "the decision about event %llu is not where it should be",
                         (unsigned long long)state->asked);
    buffer_clear(&state->lines);
    scored_json(scorer, events, decisions, i, (int64_t)state->asked, &state->lines);
    buffer_text(&state->lines, "\n");
    rc = buffer_check(&state->lines, "a decision", error);
    if (rc == OK)
        rc = write_all(state, state->lines.data, state->lines.size, error);
    buffer_clear(&state->lines);
    state->asked = 0;
    return rc == OK ? CODE_INTERRUPTED : rc; /* it was the one */
}

static int answer_again(struct run_state *state, uint64_t seq, struct error *error)
{
    struct error own = {0};
    state->repeated++;
    if (state->grows)
        return OK;
    int rc = emit_all(state, error);
    if (rc != OK)
        return rc;
    state->asked = seq;
    rc = durable_history(state->durable, seq, answer, state, &own);
    if (rc == CODE_NOT_FOUND) {
        log_line(LOG_WARNING, "event %llu is there again; its decision is no longer in the journal",
                 (unsigned long long)seq);
        return OK;
    }
    if (rc == CODE_INTERRUPTED && !state->asked)
        return OK;
    if (error)
        *error = own;
    return rc;
}

/* Looks at rows from `from` on, `most` at most; how many is given. */
static int look(struct run_state *state, const struct table *events, int64_t from, int64_t most,
                struct table *part, uint8_t *ret_known, uint64_t *ret_seqs, int64_t *ret_n,
                struct error *error)
{
    int64_t left = events->length - from, n = left < most ? left : most;
    *ret_n = n;
    if (n == events->length)
        return durable_look(state->durable, events, ret_known, ret_seqs, error);
    table_clear(part);
    int rc = table_append(part, events, from, n, error);
    return rc == OK ? durable_look(state->durable, part, ret_known, ret_seqs, error) : rc;
}

/* Events of which some may be known. Whether one is depends on those before it, which move the high water,
 * too: behind those that were taken it is looked at again. Where that is soon, few are looked at. */
static int take_unknown(struct run_state *state, const struct table *events, const char *source,
                        int64_t position, struct error *error)
{
    enum { LEAST = 16 };
    uint8_t known[LIMIT_DURABLE_ROWS];
    uint64_t seqs[LIMIT_DURABLE_ROWS];
    struct table part = {0};
    int64_t from = 0, most = LIMIT_DURABLE_ROWS, n = 0;
    int rc = table_init(&part, events->schema, error);
    while (rc == OK && from < events->length) {
        int64_t i = 0;
        rc = look(state, events, from, most, &part, known, seqs, &n, error);
        for (; rc == OK && i < n && (known[i] == DURABLE_AGAIN || known[i] == DURABLE_CONFLICT); i++)
            rc = known[i] == DURABLE_AGAIN
                     ? answer_again(state, seqs[i], error)
                     : state->letters.conflict(state->letters.context, events, from + i, seqs[i], error);
        int64_t new = i;
        while (rc == OK && new < n && known[new] == DURABLE_NEW)
            new ++;
        if (rc == OK && new > i)
            rc = take_pieces(state, events, from + i, new - i, source, position, error);
        from += new;
        most = new < n ? 2 * new : 2 * most;
        most = most < LEAST ? LEAST : most > LIMIT_DURABLE_ROWS ? LIMIT_DURABLE_ROWS : most;
    }
    table_done(&part);
    return rc;
}

int64_t run_state_repeated(const struct run_state *state)
{
    return state->repeated;
}

/* What a durable engine is told of a version. */
struct described {
    struct durable_version version;
    char name[PATH_MAX], identity[FILE_SHA256_SIZE];
};

static void describe(const struct arguments *arguments, const struct scorer *scorer,
                     const struct engine_options *options, struct described *ret)
{
    scorer_identity(scorer, options, ret->identity);
    scorer_name(scorer, ret->name, sizeof ret->name);
    ret->version = (struct durable_version){.plan = scorer->version.plan,
                                            .model = scorer->version.model,
                                            .rules = scorer_rules(arguments, scorer),
                                            .name = ret->name,
                                            .identity = ret->identity,
                                            .files = scorer->version.directory};
}

/* From here on `next` decides, or nothing has changed. */
static int take_over(struct run_state *state, struct scorer *next, const struct engine_options *options,
                     struct error *error)
{
    struct described described;
    struct error own = {0};
    describe(state->arguments, next, options, &described);
    int rc = durable_switch(state->durable, &described.version, options, &own);
    if (rc != OK) {
        scorer_close(next);
        if (durable_failed(state->durable)) {
            if (error)
                *error = own;
            return rc;
        }
        log_line(LOG_WARNING, "%s does not take over, and who decides goes on: %s", described.name,
                 own.message);
        return OK;
    }
    log_line(LOG_INFO, "%s decides from event %llu on", described.name,
             (unsigned long long)durable_next_seq(state->durable));
    next->engine = state->scorer->engine;
    state->scorer->engine = NULL;
    scorer_close(state->scorer);
    *state->scorer = *next;
    return OK;
}

static int look_for_other(struct run_state *state, struct error *error)
{
    struct scorer next;
    struct engine_options options;
    return run_follow_next(state->follow, &next, &options) ? take_over(state, &next, &options, error) : OK;
}

int run_state_take(struct run_state *state, const struct table *events, const char *source, int64_t position,
                   bool wait, struct error *error)
{
    int rc = look_for_other(state, error);
    if (rc == OK)
        rc = state->looks ? take_unknown(state, events, source, position, error)
                          : take_pieces(state, events, 0, events->length, source, position, error);
    if (rc == OK)
        rc = run_state_lost(state, error);
    return rc == OK && wait ? emit_all(state, error) : rc;
}

int run_state_lost(struct run_state *state, struct error *error)
{
    const struct run_letters *letters = &state->letters;
    return state->labels ? run_labels_lost(state->labels, letters->lost, letters->context, error) : OK;
}

void run_state_report_labels(const struct run_state *state)
{
    if (state->labels)
        run_labels_report(state->labels);
}

/* ---- opening ---- */

static int missed(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                  const struct decisions *decisions, struct error *error)
{
    struct run_state *state = context;
    const struct scorer *scorer;
    int rc = find_printer(state, then, &scorer, error);
    if (rc == OK)
        rc = put_lines(state, scorer, events, decisions, seq, state->seq + 1, error);
    if (rc != OK)
        return rc;
    rc = write_all(state, state->lines.data, state->lines.size, error);
    buffer_clear(&state->lines);
    state->seq = seq + (uint64_t)decisions->n - 1;
    return rc;
}

static int open_sink(struct run_state *state, const char *path, struct error *error)
{
    char whole[4096];
    struct position_record at = {0};
    state->grows = strcmp(path, "-") != 0;
    state->file = STDOUT_FILENO;
    const char *name = path;
    if (state->grows) {
        state->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (state->file < 0)
            return error_set_errno(error, errno, "cannot write %s", path);
        name = realpath(path, whole);
        if (!name)
            return error_set_errno(error, errno, "cannot write %s", path);
    }
    struct buffer text;
    buffer_init(&text, sizeof whole + 8);
    buffer_format(&text, "sink %s", name);
    state->sink = text.data;
    if (text.failed)
        return error_set(error, CODE_MEMORY, "no memory for the sink's name");
    bool known = durable_where(state->durable, state->sink, &at);
    state->seq = state->noted_seq = at.number;
    if (!state->grows)
        return OK;
    off_t size = lseek(state->file, 0, SEEK_END);
    if (size < 0)
        return error_set_errno(error, errno, "cannot write %s", path);
    if ((uint64_t)size < at.bytes)
        return error_set(
            error, CODE_CONFLICT,
            "%s has %lld bytes, %llu were written there before; put it back, or name another sink, "
            "which gets all that the journal has",
            path, (long long)size, (unsigned long long)at.bytes);
    if (!known && size > 0)
        return error_set(error, CODE_CONFLICT,
                         "%s is not empty and not of this state; name another sink, or remove it", path);
    if (ftruncate(state->file, (off_t)at.bytes) != 0 || lseek(state->file, (off_t)at.bytes, SEEK_SET) < 0)
        return error_set_errno(error, errno, "cannot cut %s back", path);
    state->bytes = state->noted_bytes = at.bytes;
    if (known)
        return OK;
    /* Before its first line: else a restart would take that for somebody else's. */
    int rc = durable_reached(state->durable, state->sink, state->seq, 0, error);
    return rc == OK ? durable_commit(state->durable, durable_position(state->durable), error) : rc;
}

static void report(const char *directory, const struct durable_recovery *recovery, uint64_t next)
{
    if (recovery->journal.dropped)
        log_line(LOG_WARNING, "%s: %llu bytes of the journal were cut off at byte %llu of %s: %s", directory,
                 (unsigned long long)recovery->journal.dropped,
                 (unsigned long long)recovery->journal.dropped_at, recovery->journal.dropped_from,
                 recovery->journal.reason);
    if (recovery->snapshots.dropped)
        log_line(LOG_WARNING, "%s: %d snapshots are damaged and left out: %s", directory,
                 recovery->snapshots.dropped, recovery->snapshots.text);
    if (next > 1)
        log_line(LOG_INFO, "%s: goes on behind event %llu; %llu events taken again behind the snapshot",
                 directory, (unsigned long long)next - 1, (unsigned long long)recovery->taken_again);
    if (recovery->migrated)
        log_line(LOG_INFO, "%s: another plan from now on; %d groups of windows stayed, %d were filled",
                 directory, recovery->kept, recovery->filled);
    else if (recovery->switched)
        log_line(LOG_INFO, "%s: %s", directory, recovery->change);
    if (recovery->from_files && recovery->files_reach)
        log_line(LOG_INFO, "%s: %llu events of --backfill, up to the first of the journal", directory,
                 (unsigned long long)recovery->from_files);
    else if (recovery->from_files)
        log_line(LOG_WARNING,
                 "%s: %llu events of --backfill; the journal's first is not among them: that it follows the "
                 "last of them is taken on trust",
                 directory, (unsigned long long)recovery->from_files);
}

/* Where ids are known for another time than they were, or than a new state would know them without a word
 * (usual; below 0: it was asked for). */
static void report_ids(const char *directory, const struct durable_recovery *recovery, int64_t usual)
{
    char now[UNITS_TEXT_SIZE], were[UNITS_TEXT_SIZE];
    int64_t before = recovery->ids_were_us;
    units_duration_text(recovery->ids_us, now);
    units_duration_text(before, were);
    if (before < 0)
        return;
    if (usual >= 0 && recovery->ids_us == 0 && usual > 0)
        log_line(LOG_INFO,
                 "%s: goes on without looking at ids, as it was kept; --dedupe %s knows them from now on",
                 directory, units_duration_text(usual, now));
    else if (usual >= 0 && recovery->ids_us != usual)
        log_line(LOG_INFO, "%s: ids are known for %s, as it was kept; another --dedupe changes that",
                 directory, now);
    else if (recovery->ids_us == 0 && before > 0)
        log_line(LOG_INFO, "%s: ids were known for %s, and are not looked at from now on", directory, were);
    else if (recovery->ids_us > 0 && before == 0)
        log_line(LOG_INFO, "%s: ids are known for %s from now on, but for those of events before", directory,
                 now);
    else if (recovery->ids_us != before)
        log_line(LOG_INFO, "%s: ids were known for %s, and are for %s from now on", directory, were, now);
}

static int open_durable(const struct arguments *arguments, struct run_state *state,
                        const struct engine_options *options, struct error *error)
{
    struct scorer *scorer = state->scorer;
    struct described described;
    struct durable_recovery recovery;
    const char *sync = argument_text(arguments, "fsync");
    bool asked = argument_given(arguments, "dedupe");
    describe(arguments, scorer, options, &described);
    struct run_backfill backfill;
    bool fills = run_backfill_init(arguments, plan_events(scorer->version.plan), &backfill);
    struct durable_options how = {.directory = argument_text(arguments, "state"),
                                  .engine = *options,
                                  .sync = strcmp(sync, "commit") == 0     ? JOURNAL_SYNC_COMMIT
                                          : strcmp(sync, "interval") == 0 ? JOURNAL_SYNC_INTERVAL
                                                                          : JOURNAL_SYNC_NEVER,
                                  .interval_ms = 100,
                                  .dedupe_us = asked ? argument_integer(arguments, "dedupe") : -1,
                                  .snapshot_bytes = (uint64_t)argument_integer(arguments, "snapshot-every"),
                                  .retain_bytes = (uint64_t)argument_integer(arguments, "retain"),
                                  .backfill = fills ? &backfill.hooks : NULL};
    int rc = durable_open(&described.version, &how, &state->durable, &recovery, error);
    run_backfill_done(&backfill);
    if (rc != OK)
        return rc;
    scorer->engine = durable_engine(state->durable);
    state->looks = durable_looks(state->durable);
    report(how.directory, &recovery, durable_next_seq(state->durable));
    if (plan_id_column(scorer->version.plan) >= 0)
        report_ids(how.directory, &recovery, asked ? -1 : plan_dedupe(scorer->version.plan));
    return OK;
}

int run_state_open(const struct arguments *arguments, struct scorer *scorer,
                   const struct engine_options *options, const struct run_letters *letters,
                   struct run_state **ret, struct error *error)
{
    struct run_state *state = memory_new(1, sizeof *state);
    if (!state)
        return error_set(error, CODE_MEMORY, "no memory for the run");
    state->scorer = scorer;
    state->arguments = arguments;
    state->letters = *letters;
    state->plan = plan_ref(scorer->version.plan);
    state->file = -1;
    buffer_init(&state->lines, LINES_MOST);
    state->erase_within_us = argument_integer(arguments, "erase-within");
    int rc = open_durable(arguments, state, options, error);
    if (rc == OK)
        rc = carry_out_due(state, error);
    if (rc == OK)
        rc = open_sink(state, argument_text(arguments, "sink"), error);
    if (rc == OK)
        rc = durable_history(state->durable, state->seq + 1, missed, state, error);
    if (rc == OK)
        rc = note(state, error);
    if (rc == OK)
        rc = run_labels_open(arguments, scorer->version.plan, state->durable, &state->labels, error);
    if (rc == OK)
        rc = run_follow_start(arguments, scorer, options, &state->follow, error);
    if (rc != OK) {
        run_state_close(state, rc, error);
        return rc;
    }
    *ret = state;
    return OK;
}

int run_state_close(struct run_state *state, int rc, struct error *error)
{
    struct error own = {0};
    if (!state)
        return rc;
    run_follow_stop(state->follow);
    /* Also after a failure of the input: what was taken goes out. */
    int closed = state->durable && !durable_failed(state->durable) ? emit_all(state, &own) : OK;
    if (closed == OK && state->sink && rc == OK)
        closed = note(state, &own);
    run_labels_close(state->labels);
    if (state->durable) {
        int last = durable_close(state->durable, closed == OK ? &own : NULL);
        closed = closed == OK ? last : closed;
    }
    state->scorer->engine = NULL;
    scorer_close(&state->former);
    plan_unref(state->plan);
    if (rc == OK && closed != OK) {
        rc = closed;
        if (error)
            *error = own;
    }
    if (state->grows && state->file >= 0)
        close(state->file);
    free(state->sink);
    buffer_done(&state->lines);
    free(state);
    return rc;
}
