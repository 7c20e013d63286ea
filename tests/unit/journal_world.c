#include "unit/journal_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/directory.h"
#include "journal/reader.h"
#include "journal/snapshots.h"

enum { MOST = 4096, LARGEST = 700, SEGMENT = 2048, ACTIONS = 60 };
static const char path[] = "/d";

/* What was appended at a position. */
struct told {
    uint64_t seq, nonce;
    uint32_t count;
    enum record_kind kind;
    enum { KEPT, MAYBE, ERASED } erased;
};

struct world {
    struct crash_disk *disk;
    struct state_directory directory;
    struct snapshots snapshots;
    struct journal *journal;
    uint64_t random;
    bool even; /* records of one size and count, so that old ones fit where new ones should be */
    struct told told[MOST + 1];
    uint64_t last, seq;    /* appended so far; the next seq */
    uint64_t acknowledged; /* position up to which commits answered OK, or which was found when opening */
    uint64_t oldest;       /* position that the journal begins at most with, as trimming answered */
    uint64_t trimmed;      /* position up to which it was asked to trim */
    uint64_t snapshot;     /* seq of the newest that was finished or found */
    uint64_t snapshot_position;
    struct world_counts *counts;
    char *problem;
};

static bool broken(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool broken(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->problem, WORLD_PROBLEM, format, arguments);
    va_end(arguments);
    return false;
}

static uint64_t below(struct world *world, uint64_t n)
{
    return crash_random(&world->random) % n;
}

/* ---- bodies ---- */

static size_t body_of(const struct told *told, bool erased, uint8_t body[LARGEST])
{
    uint64_t random = told->nonce;
    size_t size = 8 + crash_random(&random) % (told->nonce & 1 ? 40 : LARGEST - 8);
    if (told->nonce & 2)
        size = 152; /* an even world's */
    memcpy(body, &told->nonce, 8);
    memset(body + 8, 'a' + (int)(told->nonce >> 8 & 15), size - 8);
    if (!erased)
        return size;
    memcpy(body + 8, "erased", 6);
    return told->nonce & 4 ? 14 : 200;
}

static bool is_body(const struct told *told, bool erased, const struct record *record)
{
    uint8_t body[LARGEST] = {0};
    size_t size = body_of(told, erased, body);
    return record->size == size && memcmp(record->body, body, size) == 0;
}

/* ---- what the engine does ---- */

static int append(struct world *world, struct error *error)
{
    struct told told = {.seq = world->seq, .nonce = crash_random(&world->random) & ~UINT64_C(2)};
    struct journal_place place;
    uint8_t body[LARGEST] = {0};
    if (world->last == MOST)
        return OK;
    told.count = world->even ? 1 : (uint32_t)below(world, 4);
    told.kind = told.count ? RECORD_EVENTS : RECORD_DECISIONS;
    told.nonce |= world->even ? 2 : 0;
    size_t size = body_of(&told, false, body);
    int code = journal_append(world->journal, told.kind, told.count, body, size, &place, error);
    if (code)
        return code;
    if (place.position != world->last + 1 || place.seq != world->seq)
        abort();
    world->told[++world->last] = told;
    world->seq += told.count;
    world->counts->appended++;
    return OK;
}

static int commit(struct world *world, uint64_t position, struct error *error)
{
    if (position > world->last || position == 0)
        return OK;
    int code = journal_commit(world->journal, position, error);
    if (!code && position > world->acknowledged) {
        world->counts->committed += position - world->acknowledged;
        world->acknowledged = position;
    }
    return code;
}

static int take_snapshot(struct world *world, struct error *error)
{
    struct snapshot_head head = {
        .seq = world->seq - 1, .position = world->last, .plan = "plan", .plan_size = 4};
    struct snapshot_writer *writer;
    int code = commit(world, world->last, error);
    if (!code)
        code = snapshot_writer_new(&world->snapshots, &head, &writer, error);
    if (code)
        return code;
    for (uint64_t i = 0; !code && i < 1 + head.seq % 7; i++) {
        uint8_t block[900];
        memset(block, (int)('a' + i), sizeof block);
        memcpy(block, &head.seq, sizeof head.seq);
        code = snapshot_put(writer, (uint32_t)i + 1, block, sizeof block - i, error);
    }
    if (!code)
        code = snapshot_finish(writer, error);
    snapshot_writer_free(writer);
    if (!code) {
        world->snapshot = head.seq;
        world->snapshot_position = head.position;
        world->counts->snapshots++;
    }
    return code;
}

/* As an engine does: up to the older of two snapshots. */
static int trim(struct world *world, struct error *error)
{
    struct snapshot_place places[LIMIT_SNAPSHOTS];
    uint64_t removed;
    int n, code = snapshots_kept(&world->snapshots, places, &n, error);
    if (code || n < LIMIT_SNAPSHOTS)
        return code;
    uint64_t to = places[LIMIT_SNAPSHOTS - 1].position + 1;
    world->trimmed = to > world->trimmed ? to : world->trimmed;
    code = journal_trim(world->journal, to, &removed, error);
    if (!code) {
        struct journal_state is;
        journal_state(world->journal, &is);
        world->oldest = is.oldest_position;
        world->counts->trimmed += removed;
    }
    return code;
}

static int erase(void *context, const struct record *record, const void **ret_body, uint32_t *ret_size,
                 struct error *error)
{
    (void)error;
    static uint8_t body[LARGEST];
    struct world *world = context;
    struct told *told = &world->told[record->position];
    if (told->nonce % 5 && told->erased != ERASED) {
        memset(body, 0, sizeof body);
        *ret_size = (uint32_t)body_of(told, true, body);
        *ret_body = body;
        told->erased = MAYBE;
    }
    return OK;
}

static int rewrite(struct world *world, struct error *error)
{
    struct journal_state is;
    uint64_t segments;
    int code = journal_roll(world->journal, error);
    journal_state(world->journal, &is);
    if (code || is.next_position == is.oldest_position)
        return code;
    if (is.durable > world->acknowledged)
        world->acknowledged = is.durable;
    uint64_t from = is.oldest_position + below(world, is.next_position - is.oldest_position);
    code = journal_rewrite(world->journal, from, is.next_position - 1, erase, world, &segments, error);
    for (uint64_t i = from; !code && i < is.next_position; i++)
        if (world->told[i].erased == MAYBE)
            world->told[i].erased = ERASED;
    world->counts->rewritten += code ? 0 : segments;
    return code;
}

static int act(struct world *world, struct error *error)
{
    int code = OK;
    switch (below(world, 12)) {
    case 0:
    case 1:
    case 2:
        return commit(world, world->last, error);
    case 3:
        return commit(world, world->acknowledged + below(world, 4), error);
    case 4:
        if (below(world, 3) == 0)
            code = rewrite(world, error);
        return code;
    case 5:
        if (below(world, 2) == 0)
            code = take_snapshot(world, error);
        return code ? code : trim(world, error);
    case 6:
        crash_disk_set_space(world->disk, below(world, 4) ? UINT64_MAX : below(world, 3000));
        return OK;
    default:
        for (uint64_t n = 1 + below(world, 6); !code && n; n--)
            code = append(world, error);
        return code;
    }
}

/* Until something ends it. False: an error that nothing explains. */
static bool live(struct world *world)
{
    struct error error = {0};
    for (uint64_t n = below(world, ACTIONS); n; n--) {
        int code = act(world, &error);
        if (code == CODE_NO_SPACE && !crash_disk_stopped(world->disk)) {
            world->counts->full++;
            crash_disk_set_space(world->disk, UINT64_MAX);
        } else if (code) {
            if (crash_disk_stopped(world->disk) || crash_disk_sync_failed(world->disk))
                return true;
            return broken(world, "an engine was answered: %s", error.message);
        }
    }
    return true;
}

/* ---- what is found ---- */

static bool check_record(struct world *world, const struct record *record)
{
    struct told *told = &world->told[record->position];
    if (record->seq != told->seq || record->count != told->count || record->kind != told->kind)
        return broken(world, "record %llu is another one: seq %llu, told %llu",
                      (unsigned long long)record->position, (unsigned long long)record->seq,
                      (unsigned long long)told->seq);
    bool original = is_body(told, false, record), erased = is_body(told, true, record);
    if (!(told->erased == KEPT ? original : told->erased == ERASED ? erased : original || erased))
        return broken(world, "record %llu has another body%s", (unsigned long long)record->position,
                      told->erased == ERASED && original ? ": it was erased" : "");
    told->erased = erased ? ERASED : KEPT;
    return true;
}

static bool check_records(struct world *world, const struct journal_state *is)
{
    struct journal_reader *reader;
    struct error error = {0};
    struct record record;
    bool found = true, good = true;
    uint64_t next = is->oldest_position;
    if (journal_reader_new(world->journal, &reader, &error))
        return broken(world, "no reader: %s", error.message);
    while (good && found) {
        if (journal_reader_next(reader, &found, &record, &error))
            good = broken(world, "reading: %s", error.message);
        else if (found && record.position != next++)
            good = broken(world, "record %llu, expected %llu", (unsigned long long)record.position,
                          (unsigned long long)next - 1);
        else if (found)
            good = check_record(world, &record);
    }
    journal_reader_free(reader);
    if (good && next != is->next_position)
        good = broken(world, "records end before %llu, the journal before %llu", (unsigned long long)next,
                      (unsigned long long)is->next_position);
    return good;
}

static bool check_journal(struct world *world)
{
    struct journal_state is;
    journal_state(world->journal, &is);
    uint64_t last = is.next_position - 1;
    if (last < world->acknowledged)
        return broken(world, "records from %llu to %llu were acknowledged and are gone",
                      (unsigned long long)last + 1, (unsigned long long)world->acknowledged);
    if (last > world->last)
        return broken(world, "records from %llu to %llu were never appended",
                      (unsigned long long)world->last + 1, (unsigned long long)last);
    if (is.oldest_position < world->oldest)
        return broken(world, "record %llu was trimmed and is back", (unsigned long long)is.oldest_position);
    if (is.oldest_position > 1 && is.oldest_position > world->trimmed)
        return broken(world, "records before %llu are gone, trimmed was to %llu",
                      (unsigned long long)is.oldest_position, (unsigned long long)world->trimmed);
    if (!check_records(world, &is))
        return false;
    /* What was found is relied on from now on. */
    world->last = world->acknowledged = last;
    world->seq = is.next_seq;
    world->oldest = is.oldest_position;
    return true;
}

static bool check_blocks(struct world *world, struct snapshot_reader *reader, uint64_t seq)
{
    struct snapshot_block block;
    struct error error = {0};
    uint64_t n = 0;
    bool found = true;
    while (found) {
        if (snapshot_next(reader, &found, &block, &error))
            return broken(world, "a checked snapshot: %s", error.message);
        n += found;
        if (found && (block.kind != n || block.size != 901 - n || memcmp(block.data, &seq, sizeof seq) != 0))
            return broken(world, "the snapshot of %llu has another block %llu", (unsigned long long)seq,
                          (unsigned long long)n);
    }
    return n == 1 + seq % 7 || broken(world, "the snapshot of %llu has %llu blocks", (unsigned long long)seq,
                                      (unsigned long long)n);
}

static bool check_snapshots(struct world *world)
{
    struct snapshot_reader *reader;
    struct snapshots_report report;
    struct error error = {0};
    struct journal_state is;
    if (snapshots_newest(&world->snapshots, UINT64_MAX, true, &reader, &report, &error))
        return broken(world, "looking for snapshots: %s", error.message);
    if (report.dropped) {
        snapshot_reader_free(reader);
        return broken(world, "a damaged snapshot: %s", report.text);
    }
    if (!reader)
        return !world->snapshot_position || broken(world, "the snapshot is gone");
    struct snapshot_head head = *snapshot_reader_head(reader);
    bool good = check_blocks(world, reader, head.seq);
    journal_state(world->journal, &is);
    if (good && head.position < world->snapshot_position)
        good = broken(world, "the newest snapshot is of %llu, that of %llu is gone",
                      (unsigned long long)head.position, (unsigned long long)world->snapshot_position);
    if (good && (is.oldest_position > head.position + 1 || is.next_position <= head.position))
        good = broken(world, "the journal has %llu to %llu, the snapshot is of %llu",
                      (unsigned long long)is.oldest_position, (unsigned long long)is.next_position - 1,
                      (unsigned long long)head.position);
    snapshot_reader_free(reader);
    world->snapshot = head.seq;
    world->snapshot_position = head.position;
    return good;
}

static int open_all(struct world *world, struct journal_recovery *recovery, struct error *error)
{
    const struct io *io = crash_disk_io(world->disk);
    world->journal = NULL;
    world->directory.lock = -1;
    int code = state_directory_open(&world->directory, io, path, error);
    if (code)
        return code;
    struct journal_options options = {
        .io = io, .directory = world->directory.journal, .segment_bytes = SEGMENT};
    memcpy(options.identity, world->directory.identity, sizeof options.identity);
    code =
        snapshots_init(&world->snapshots, io, world->directory.snapshots, world->directory.identity, error);
    if (!code)
        code = journal_open(&options, &world->journal, recovery, error);
    if (code)
        state_directory_close(&world->directory);
    return code;
}

/* One process, from its start to its end. */
static bool run_process(struct world *world)
{
    struct error error = {0};
    struct journal_recovery recovery = {0};
    crash_disk_set_unruly(world->disk, below(world, 4) == 0);
    crash_disk_set_space(world->disk, UINT64_MAX);
    if (below(world, 3))
        crash_disk_stop_after(world->disk, (int64_t)below(world, below(world, 3) ? 150 : 20));
    if (below(world, 8) == 0)
        crash_disk_fail_sync_in(world->disk, (int64_t)below(world, 40));
    world->counts->lives++;
    int code = open_all(world, &recovery, &error);
    if (code)
        return crash_disk_stopped(world->disk) || crash_disk_sync_failed(world->disk) ||
               broken(world, "cannot open: %s", error.message);
    world->counts->dropped += recovery.dropped > 0;
    bool good = (check_journal(world) && check_snapshots(world)) || crash_disk_stopped(world->disk);
    good = good && live(world);
    world->counts->failed_flushes += crash_disk_sync_failed(world->disk);
    crash_disk_stop_after(world->disk, 0);
    journal_close(world->journal, NULL);
    state_directory_close(&world->directory);
    return good;
}

bool world_run(uint64_t seed, enum crash_site site, const char *end, struct world_counts *counts,
               char problem[WORLD_PROBLEM])
{
    struct world *world = calloc(1, sizeof *world);
    if (!world)
        abort();
    *world = (struct world){
        .disk = crash_disk_new(seed), .random = ~seed, .seq = 1, .counts = counts, .problem = problem};
    world->even = below(world, 2);
    crash_disk_leave_out(world->disk, site, end);
    bool good = true;
    for (uint64_t lives = 3 + below(world, 8); good && lives; lives--) {
        good = run_process(world);
        if (below(world, 3))
            crash_disk_crash(world->disk);
        else
            crash_disk_kill(world->disk);
    }
    crash_disk_free(world->disk);
    free(world);
    return good;
}
