/*
 * A state whose plan changes, on a disk that crashes: events are taken under one plan, then under another
 * one, and again and again the power fails or the process dies, in the middle of the change, too. In the end
 * every event has its decision once; those of the second plan are to the bit what an engine decides that has
 * had that plan from the first event on. As long as the change is not on the disk the first plan goes on.
 *
 *   test_migrate [--trials N] [--seed S]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "differential/random.h"
#include "model/linear.h"
#include "score/durable.h"
#include "table/remap.h"
#include "unit/crash_disk.h"

enum { EVENTS = 240, PLANS = 6, FEATURES = 4 };
static const int64_t lateness = INT64_C(1800000000);

#define TABLE \
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, shop INTEGER, amount DOUBLE"
#define COUNT "count(*) OVER (c RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n"
#define MEAN "avg(amount) OVER (c RANGE UNBOUNDED PRECEDING) AS mean"
#define TOP "max(amount) OVER (PARTITION BY shop ORDER BY ts ROWS 5 PRECEDING) AS top"
#define BY_CARD "WINDOW c AS (PARTITION BY card ORDER BY ts);"

/* The first is what each trial begins with. Each has four features. */
static const char *const plan_texts[PLANS] = {
    TABLE ", gone VARCHAR);\nSELECT amount, " COUNT ", " MEAN ", " TOP " FROM tx WHERE amount > 1 " BY_CARD,
    /* A column that is new, one that is gone; one group stays, one is other. */
    TABLE ", kind ENUM('web', 'shop'));\nSELECT kind, " COUNT ", " MEAN
          ", max(amount) OVER (PARTITION BY shop ORDER BY ts ROWS 3 PRECEDING) AS top "
          "FROM tx WHERE amount > 1 " BY_CARD,
    /* WHERE is other: nothing stays. */
    TABLE ", gone VARCHAR);\nSELECT amount, " COUNT ", " MEAN ", " TOP " FROM tx WHERE amount > 30 " BY_CARD,
    /* All windows stay, what is computed of them changes. */
    TABLE ", gone VARCHAR);\nSELECT 2 * amount AS amount, " COUNT ", " MEAN ", " TOP
          " FROM tx WHERE amount > 1 " BY_CARD,
    /* Windows over windows, and texts. */
    TABLE
    ", note VARCHAR);\nWITH inner_one AS (SELECT *, " COUNT " FROM tx WHERE amount > 1 " BY_CARD "%s"
    ") SELECT n, max(n) OVER (PARTITION BY shop ORDER BY ts RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND "
    "CURRENT ROW) AS most, count(DISTINCT card) OVER (PARTITION BY shop ORDER BY ts RANGE BETWEEN "
    "INTERVAL 2 HOUR PRECEDING AND CURRENT ROW) AS cards, note IS NULL AS bare FROM inner_one;",
    /* What it needs is of the last hours. */
    TABLE ", gone VARCHAR);\nSELECT amount, " COUNT ", " MEAN
          ", sum(amount) OVER (PARTITION BY shop ORDER BY ts RANGE BETWEEN INTERVAL 30 MINUTE PRECEDING AND "
          "CURRENT ROW) AS shop_sum FROM tx WHERE amount > 1 " BY_CARD,
};

static struct plan *plans[PLANS];
static struct model *models[PLANS];

static void stop(const char *what, const struct error *error)
{
    fprintf(stderr, "FAILED: %s: %s\n", what, error ? error->message : "");
    exit(1);
}

static void make_plan(int p)
{
    const double weights[FEATURES] = {1, 0.5, -0.3, 0.2}, means[FEATURES] = {1, 1, 1, 1},
                 sds[FEATURES] = {20, 1, 20, 20};
    const char *names[FEATURES];
    struct error error = {0};
    char *text, sql[4096];
    size_t size;
    snprintf(sql, sizeof sql, plan_texts[p], "");
    /* WINDOW ends a SELECT: in WITH without its semicolon. */
    char *inner = strstr(sql, "ts);)");
    if (inner)
        memmove(inner + 3, inner + 4, strlen(inner + 4) + 1);
    if (plan_compile(sql, strlen(sql), "features.sql", &plans[p], &error) != OK)
        stop(sql, &error);
    for (int f = 0; f < FEATURES; f++)
        names[f] = plan_features(plans[p])->fields[f].name;
    struct linear linear = {
        .n = FEATURES, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    if (linear_write(&linear, &text, &size, &error) != OK ||
        model_parse(text, size, &models[p], &error) != OK)
        stop("a model", &error);
    free(text);
}

static struct engine_options engine_options(int threads)
{
    return (struct engine_options){
        .state = {.threads = threads, .lateness_us = lateness}, .explain_from = -INFINITY, .threshold = 0.5};
}

struct world {
    struct random random;
    struct crash_disk *disk;
    int first, second;      /* plans */
    struct table events[2]; /* of each plan, all columns filled */
    struct table past;      /* those of the first with the columns of the second */
    int64_t switched;       /* events that the first plan has; -1: not yet known */
    int64_t given;          /* of the past, to a backfill from files */
    bool trims, from_files;
    int64_t acknowledged;
};

/* ---- events ---- */

static void put_value(struct world *world, const struct field *field, struct column *column, int64_t i,
                      int64_t ts, struct random *random)
{
    char text[32];
    if (strcmp(field->name, "id") == 0) {
        column_append_int(column, &field->type, i);
    } else if (strcmp(field->name, "ts") == 0) {
        column_append_int(column, &field->type, ts);
    } else if (strcmp(field->name, "shop") == 0) {
        column_append_int(column, &field->type, random_below(random, 5));
    } else if (strcmp(field->name, "amount") == 0) {
        column_append_double(column, &field->type, (double)random_below(random, 10000) / 100);
    } else if (strcmp(field->name, "kind") == 0) {
        column_append_int(column, &field->type, i % 2);
    } else {
        snprintf(text, sizeof text, "%s %d", field->name,
                 strcmp(field->name, "card") == 0 ? (int)random_below(random, 7) : (int)(i % 3));
        if (column_append_text(column, text, strlen(text), NULL) != OK)
            abort();
    }
    (void)world;
}

static void make_events(struct world *world, int which, struct plan *plan)
{
    struct random random = {world->random.state + 77}; /* the same rows for both plans */
    struct table *ret = &world->events[which];
    int64_t ts = INT64_C(1700000000000000);
    if (table_init(ret, plan_events(plan), NULL) != OK || table_reserve(ret, EVENTS, NULL) != OK)
        abort();
    for (int64_t i = 0; i < EVENTS; i++) {
        ts += random_below(&random, 3) * 200000000;
        int64_t late = random_chance(&random, 20) ? random_below(&random, 2 * lateness) : 0;
        for (int c = 0; c < ret->schema->n; c++)
            put_value(world, &ret->schema->fields[c], &ret->columns[c], i, ts - late, &random);
    }
    ret->length = EVENTS;
}

static void make_past(struct world *world)
{
    struct remap remap;
    if (remap_init(&remap, world->events[0].schema, world->events[1].schema, NULL) != OK ||
        table_init(&world->past, world->events[1].schema, NULL) != OK ||
        remap_rows(&remap, &world->events[0], &world->past, NULL) != OK)
        stop("the columns of the second plan", NULL);
    remap_done(&remap);
}

/* ---- the oracle ---- */

struct answers {
    struct buffer list[EVENTS];
};

static void describe(const struct decisions *decisions, int64_t i, struct buffer *out)
{
    struct table one = {0};
    struct decisions single = {.n = 1,
                               .features = &one,
                               .scores = decisions->scores + i,
                               .decisions = decisions->decisions + i,
                               .marks = decisions->marks + i};
    if (table_init(&one, decisions->features->schema, NULL) != OK ||
        table_append(&one, decisions->features, i, 1, NULL) != OK)
        abort();
    record_decisions(0, 0, &single, out);
    table_done(&one);
}

/* What an engine of one plan decides that takes all events from the first on. */
static void expect(int p, const struct table *events, struct answers *ret)
{
    struct engine_options options = engine_options(1);
    struct engine *engine;
    struct decisions decisions;
    struct error error = {0};
    if (engine_new(plans[p], models[p], NULL, &options, &engine, &error) != OK ||
        engine_take(engine, events, &decisions, &error) != OK)
        stop("the oracle", &error);
    for (int64_t i = 0; i < EVENTS; i++) {
        buffer_init(&ret->list[i], 1 << 16);
        describe(&decisions, i, &ret->list[i]);
    }
    engine_free(engine);
}

/* The second plan's: what the first one took has none of the new columns. */
static void expect_second(const struct world *world, struct answers *ret)
{
    struct table all;
    if (table_init(&all, world->events[1].schema, NULL) != OK ||
        table_append(&all, &world->past, 0, world->switched, NULL) != OK ||
        table_append(&all, &world->events[1], world->switched, EVENTS - world->switched, NULL) != OK)
        abort();
    expect(world->second, &all, ret);
    table_done(&all);
}

struct comparing {
    struct world *world;
    const struct answers *expected[2];
    int64_t n, second;
};

static int compare(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                   const struct decisions *decisions, struct error *error)
{
    struct comparing *comparing = context;
    const struct world *world = comparing->world;
    bool second = strcmp(plan_hash(then->plan), plan_hash(plans[world->second])) == 0;
    if (seq != (uint64_t)comparing->n + 1)
        return error_set(error, CODE_MISMATCH, "events from %llu on follow %lld", (unsigned long long)seq,
                         (long long)comparing->n);
    for (int64_t i = 0; i < decisions->n; i++) {
        int64_t at = comparing->n++;
        struct buffer found;
        if (second != (at >= world->switched))
            return error_set(error, CODE_MISMATCH, "event %lld is of the other plan", (long long)at);
        if (at >= EVENTS || column_int(&events->columns[0], &events->schema->fields[0].type, i) != at)
            return error_set(error, CODE_MISMATCH, "event %lld is not what was sent", (long long)at);
        comparing->second += second;
        buffer_init(&found, 1 << 16);
        describe(decisions, i, &found);
        const struct buffer *expected = &comparing->expected[second]->list[at];
        bool same = found.size == expected->size && memcmp(found.data, expected->data, found.size) == 0;
        buffer_done(&found);
        if (!same)
            return error_set(error, CODE_MISMATCH, "the decision about event %lld differs, plan %d",
                             (long long)at, second ? world->second : world->first);
    }
    return OK;
}

/* ---- lives ---- */

static int next_past(void *context, struct table *ret, struct error *error)
{
    struct world *world = context;
    int64_t left = EVENTS - world->given, n = 1 + random_below(&world->random, 50);
    n = n < left ? n : left;
    table_clear(ret);
    int rc = table_append(ret, &world->past, world->given, n, error);
    world->given += n;
    return rc;
}

static int open_decider(void *context, const struct switch_record *version, const char *files,
                        struct durable_decider *ret, struct error *error)
{
    const struct world *world = context;
    (void)error;
    if (files == NULL || version->identity.size != 5 || memcmp(version->identity.data, "first", 5) != 0)
        stop("another version than the first is asked to decide", NULL);
    *ret = (struct durable_decider){model_ref(models[world->first]), NULL, engine_options(1)};
    return OK;
}

static int64_t asked, decided, grew, refused;

static int start(struct world *world, bool second, bool fills, struct durable **ret, struct error *error)
{
    int p = second ? world->second : world->first;
    struct durable_backfill backfill = {.context = world, .open_decider = open_decider};
    struct durable_version version = {
        plans[p], models[p], NULL, "models:/test/1", second ? "second" : "first", NULL};
    struct durable_options options = {.io = crash_disk_io(world->disk),
                                      .directory = "/state",
                                      .engine = engine_options(1 + (int)random_below(&world->random, 2)),
                                      .segment_bytes = 3000,
                                      .snapshot_bytes = 1 + (uint64_t)random_below(&world->random, 3000),
                                      .retain_bytes = world->trims ? 6000 : 1 << 30,
                                      .dedupe_us = world->trims ? 0 : INT64_C(1) << 50,
                                      .in_process = true};
    struct durable_recovery recovery;
    world->given = 0;
    if (world->from_files)
        backfill.next = next_past;
    if (fills)
        options.backfill = &backfill;
    int rc = durable_open(&version, &options, ret, &recovery, error);
    if (rc == OK && recovery.migrated) {
        decided += recovery.decided_again > 0;
        grew += recovery.filled > 0;
        if (world->from_files && recovery.from_files && !recovery.files_reach)
            stop("the journal's first event was not found in the files", NULL);
    }
    return rc;
}

/* Events that were taken are known by their ids, in the columns of either plan. */
static void look(struct world *world, struct durable *durable, bool second, int64_t taken)
{
    struct table rows;
    uint8_t known[1];
    uint64_t seqs[1];
    int64_t i = random_below(&world->random, EVENTS);
    bool of_first = second && i < world->switched;
    if (world->trims)
        return;
    if (table_init(&rows, world->events[second].schema, NULL) != OK ||
        table_append(&rows, of_first ? &world->past : &world->events[second], i, 1, NULL) != OK)
        abort();
    if (durable_look(durable, &rows, known, seqs, NULL) != OK ||
        known[0] != (i < taken ? DURABLE_AGAIN : DURABLE_NEW))
        stop("an id is not known as it should be", NULL);
    table_done(&rows);
}

static int send(struct world *world, struct durable *durable, bool second, int64_t to, struct error *error)
{
    struct position_record at = {0};
    durable_where(durable, "stream", &at);
    int64_t from = (int64_t)at.number;
    if ((uint64_t)from + 1 != durable_next_seq(durable))
        stop("the source's position is not the number of events", NULL);
    if (from < world->acknowledged)
        stop("an acknowledged event is gone", NULL);
    if (second && world->switched < 0)
        world->switched = from;
    int rc = OK;
    while (rc == OK && from < to) {
        struct table batch;
        struct decisions decisions;
        int64_t n = 1 + random_below(&world->random, 12);
        n = n < to - from ? n : to - from;
        struct durable_batch about = {.source = "stream", .source_position = (uint64_t)(from + n)};
        if (table_init(&batch, world->events[second].schema, NULL) != OK ||
            table_append(&batch, &world->events[second], from, n, NULL) != OK)
            abort();
        look(world, durable, second, from);
        rc = durable_take(durable, &batch, &about, &decisions, error);
        from += n;
        if (rc == OK && random_chance(&world->random, 60)) {
            rc = durable_commit(durable, about.position, error);
            world->acknowledged = rc == OK ? from : world->acknowledged;
        }
        table_done(&batch);
    }
    return rc;
}

static void crash(struct world *world)
{
    if (random_chance(&world->random, 30))
        crash_disk_kill(world->disk);
    else
        crash_disk_crash(world->disk);
}

/* One life of one plan: until `to`, or until the disk stops. CODE_CONFLICT where the state is not of it. */
static int live(struct world *world, bool second, bool fills, int64_t to, int64_t calls)
{
    struct durable *durable = NULL;
    struct error error = {0};
    crash_disk_stop_after(world->disk, calls);
    int rc = start(world, second, fills, &durable, &error);
    if (rc == OK)
        rc = send(world, durable, second, to, &error);
    if (rc == OK && random_chance(&world->random, 50)) {
        rc = durable_close(durable, &error);
        world->acknowledged = rc == OK ? to : world->acknowledged;
        durable = NULL;
    }
    durable_abandon(durable);
    if (rc != OK && rc != CODE_CONFLICT && !crash_disk_stopped(world->disk))
        stop("an error without a crash", &error);
    if (rc == CODE_CONFLICT && second && fills && !strstr(error.message, "--backfill FILE..."))
        stop("a refusal that does not say what to do", &error);
    crash(world);
    return rc;
}

/* Does the journal say that the second plan decides? */
static bool has_switch(struct world *world)
{
    struct state_directory directory;
    struct journal *journal = NULL;
    struct journal_reader *reader = NULL;
    struct switch_record version;
    struct record record;
    struct error error = {0};
    bool found = false, more = true;
    crash_disk_stop_after(world->disk, -1);
    if (state_directory_open(&directory, crash_disk_io(world->disk), "/state", &error) != OK)
        stop("the state directory", &error);
    struct journal_options options = {.io = crash_disk_io(world->disk), .directory = directory.journal};
    memcpy(options.identity, directory.identity, sizeof options.identity);
    if (journal_open(&options, &journal, NULL, &error) != OK ||
        journal_reader_new(journal, &reader, &error) != OK)
        stop("the journal", &error);
    while (more && journal_reader_next(reader, &more, &record, &error) == OK && more)
        found |= record.kind == RECORD_SWITCH &&
                 record_read_switch(record.body, record.size, &version, &error) == OK &&
                 version.identity.size == 6;
    journal_reader_free(reader);
    journal_close(journal, NULL);
    state_directory_close(&directory);
    return found;
}

/* The change of plan, with crashes; whichever plan the state is of goes on. False: history does not reach. */
static bool change(struct world *world, int64_t before)
{
    for (int life = 0; life < 12; life++) {
        bool last = life == 11;
        int rc = live(world, true, true, EVENTS, last ? -1 : 1 + random_below(&world->random, 120));
        if (rc == OK || world->switched >= 0)
            return true;
        if (rc == CODE_CONFLICT) {
            refused++;
            return false;
        }
        asked++;
        /* The first plan goes on and comes back, whatever the change had put there. */
        before += before < EVENTS - 50 ? 9 : 0;
        rc = live(world, false, false, before, -1);
        if (rc == OK)
            rc = live(world, false, false, before, -1);
        if (rc == CODE_CONFLICT) {
            /* It had reached the disk: then it is whole. */
            if (!has_switch(world))
                stop("the first plan is refused, and the second was not said", NULL);
            if (live(world, true, false, EVENTS, -1) != OK)
                stop("the second plan is neither there nor not there", NULL);
            return true;
        }
    }
    return true;
}

static void check(struct world *world)
{
    struct durable *durable;
    struct error error = {0};
    struct answers first, second;
    crash_disk_stop_after(world->disk, -1);
    if (start(world, true, false, &durable, &error) != OK ||
        send(world, durable, true, EVENTS, &error) != OK ||
        durable_commit(durable, durable_position(durable), &error) != OK)
        stop("the end", &error);
    expect(world->first, &world->events[0], &first);
    expect_second(world, &second);
    struct journal_state journal;
    durable_journal_state(durable, &journal);
    struct comparing comparing = {world, {&first, &second}, 0, 0};
    uint64_t from = world->trims ? (uint64_t)world->switched + 1 : 1;
    from = from > journal.oldest_seq ? from : journal.oldest_seq;
    comparing.n = (int64_t)from - 1;
    int rc = OK;
    if (!world->trims)
        rc = durable_history(durable, from, compare, &comparing, &error);
    else /* begins in the middle of a batch, maybe */
        rc = durable_history(durable, (uint64_t)world->switched + 1, compare, &comparing, &error);
    if (rc != OK && !(world->trims && rc == CODE_NOT_FOUND))
        stop("what was decided", &error);
    if (rc == OK && (comparing.n != EVENTS || comparing.second != EVENTS - world->switched))
        stop("events are missing in the journal", NULL);
    if (durable_close(durable, &error) != OK)
        stop("the end", &error);
    for (int i = 0; i < EVENTS; i++) {
        buffer_done(&first.list[i]);
        buffer_done(&second.list[i]);
    }
}

static void try_seed(uint64_t seed)
{
    struct world world = {.random = {seed * 977}, .disk = crash_disk_new(seed), .switched = -1};
    world.second = 1 + (int)(seed % (PLANS - 1));
    world.trims = random_chance(&world.random, 40);
    world.from_files = random_chance(&world.random, world.trims ? 50 : 20);
    make_events(&world, 0, plans[world.first]);
    make_events(&world, 1, plans[world.second]);
    make_past(&world);
    int64_t before = EVENTS / 2 + random_below(&world.random, EVENTS / 4);
    int lives = (int)random_below(&world.random, 4);
    for (int life = 0; life < lives; life++)
        live(&world, false, false, before, 1 + random_below(&world.random, 150));
    live(&world, false, false, before, lives ? 20 + random_below(&world.random, 400) : -1);
    if (change(&world, before))
        check(&world);
    crash_disk_free(world.disk);
    table_done(&world.events[0]);
    table_done(&world.events[1]);
    table_done(&world.past);
}

static bool is_kept(struct world *world, uint32_t version)
{
    char path[64];
    uint64_t size;
    snprintf(path, sizeof path, "/state/versions/%u/switch", version);
    return crash_disk_bytes(world->disk, path, &size) != NULL;
}

/* A version is kept for as long as the journal has something of it. */
static void check_versions(void)
{
    struct world world = {
        .random = {5}, .disk = crash_disk_new(5), .second = 3, .switched = -1, .trims = true};
    make_events(&world, 0, plans[world.first]);
    make_events(&world, 1, plans[world.second]);
    make_past(&world);
    if (live(&world, false, false, EVENTS / 3, -1) != OK || !is_kept(&world, 1))
        stop("the first version is not kept", NULL);
    if (live(&world, true, true, EVENTS / 3, -1) != OK || !is_kept(&world, 1) || !is_kept(&world, 2))
        stop("the journal has events of both versions, and they are not kept", NULL);
    if (live(&world, true, false, EVENTS, -1) != OK || is_kept(&world, 1) || !is_kept(&world, 2))
        stop("the first version is kept for nothing", NULL);
    crash_disk_free(world.disk);
    table_done(&world.events[0]);
    table_done(&world.events[1]);
    table_done(&world.past);
}

int main(int argc, char **argv)
{
    int64_t trials = 120;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--trials") == 0)
            trials = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    for (int p = 0; p < PLANS; p++)
        make_plan(p);
    check_versions();
    for (int64_t i = 0; i < trials; i++, seed++)
        try_seed(seed);
    printf("%lld changes of plan up to seed %llu: %lld crashes in them, %lld with windows to fill, %lld with "
           "events that waited for a decision; %lld had too little history\n",
           (long long)trials, (unsigned long long)seed - 1, (long long)asked, (long long)grew,
           (long long)decided, (long long)refused);
    if (trials >= 120 && (!asked || !grew || !decided || !refused))
        stop("a way was not met", NULL);
    for (int p = 0; p < PLANS; p++) {
        model_unref(models[p]);
        plan_unref(plans[p]);
    }
    printf("[  PASSED  ] %lld changes of plan.\n", (long long)trials);
    return 0;
}
