/*
 * The durable engine on a disk that crashes: events of one stream are taken in batches, labels are told
 * between them, and again and again the power fails or the process dies, anywhere. After each restart
 * everything that was acknowledged is there, and in the end the journal holds every event once, in order,
 * with the features, scores and decisions that an engine without a journal gives, to the bit. Its features
 * are those of the rescan.
 *
 *   test_durable [--crashes N] [--seed S]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "differential/label_story.h"
#include "differential/random.h"
#include "differential/trial.h"
#include "model/linear.h"
#include "score/durable.h"
#include "unit/crash_disk.h"

enum { EVENTS = 220, LATE = 6 };
static const int64_t lateness = INT64_C(3600000000);

static const char plan_text[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, shop INTEGER, amount DOUBLE,\n"
    "  kind ENUM('web', 'shop'), y TINYINT DEFAULT 0);\n"
    "COMMENT ON COLUMN tx.y IS 'shrike: label, late after=20 minutes';\n"
    "SELECT amount, count(*) OVER (c RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n,\n"
    "  avg(amount) OVER (c RANGE UNBOUNDED PRECEDING) AS mean,\n"
    "  count(DISTINCT shop) OVER (c RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND CURRENT ROW) AS shops,\n"
    "  max(amount) OVER (PARTITION BY shop ORDER BY ts ROWS 5 PRECEDING) AS top,\n"
    "  kind,\n"
    "  avg(y) OVER (PARTITION BY shop ORDER BY ts RANGE BETWEEN INTERVAL 3 HOUR PRECEDING\n"
    "    AND INTERVAL 20 MINUTE PRECEDING) AS risk,\n"
    "  max(y) OVER (c RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND INTERVAL 20 MINUTE PRECEDING) AS worst,\n"
    "  count(*) FILTER (WHERE y = 1) OVER (c RANGE BETWEEN UNBOUNDED PRECEDING\n"
    "    AND INTERVAL 20 MINUTE PRECEDING) AS frauds\n"
    "FROM tx WHERE amount > 10 WINDOW c AS (PARTITION BY card ORDER BY ts);";
static const char rules_text[] = "SELECT CASE WHEN amount > 90 THEN 'decline' WHEN score > 0.9 THEN 'review' "
                                 "ELSE 'approve' END AS decision,\n"
                                 "  amount > 90 AS large, n > 3 AS often FROM scored";

static struct plan *plan;
static struct model *model;
static struct rules *rules;

static void stop(const char *what, const struct error *error)
{
    fprintf(stderr, "FAILED: %s: %s\n", what, error ? error->message : "");
    exit(1);
}

static void make_version(void)
{
    enum { N = 9 };
    const double weights[N] = {1, 0.5, -0.3, 0.2, 0.4, 0.1, 1.5, 0.7, 0.3},
                 means[N] = {50, 1, 50, 1, 60, 0, 0.3, 0.5, 1}, sds[N] = {20, 1, 20, 1, 20, 1, 0.5, 0.5, 1};
    const char *names[N] = {"amount", "n", "mean", "shops", "top", "kind", "risk", "worst", "frauds"};
    struct linear linear = {
        .n = N, .intercept = -1, .weights = weights, .means = means, .sds = sds, .names = names};
    struct error error = {0};
    char *text;
    size_t size;
    if (plan_compile(plan_text, strlen(plan_text), "features.sql", &plan, &error) != OK ||
        linear_write(&linear, &text, &size, &error) != OK || model_parse(text, size, &model, &error) != OK ||
        rules_compile(rules_text, strlen(rules_text), "rules.sql", plan, &rules, &error) != OK)
        stop("the version", &error);
    free(text);
}

/* Some late, some too late, some that WHERE leaves out, some of one time. */
static void make_events(struct random *random, struct table *ret)
{
    const struct field *fields = plan_events(plan)->fields;
    int64_t ts = INT64_C(1700000000000000);
    if (table_init(ret, plan_events(plan), NULL) != OK || table_reserve(ret, EVENTS, NULL) != OK)
        abort();
    for (int i = 0; i < EVENTS; i++) {
        char card[32];
        struct column *columns = ret->columns;
        ts += random_below(random, 3) * 200000000;
        int64_t late = random_chance(random, 20) ? random_below(random, 2 * lateness) : 0;
        snprintf(card, sizeof card, "card number %d", (int)random_below(random, 7));
        column_append_int(&columns[0], &fields[0].type, i);
        column_append_int(&columns[1], &fields[1].type, ts - late);
        if (column_append_text(&columns[2], card, strlen(card), NULL) != OK)
            abort();
        column_append_int(&columns[3], &fields[3].type, random_below(random, 5));
        column_append_double(&columns[4], &fields[4].type, (double)random_below(random, 10000) / 100);
        column_append_int(&columns[5], &fields[5].type, random_below(random, 2));
        column_append_int(&columns[LATE], &fields[LATE].type, random_below(random, 2)); /* a lie */
    }
    ret->length = EVENTS;
}

static struct engine_options engine_options(int threads)
{
    return (struct engine_options){.state = {.threads = threads, .lateness_us = lateness, .learns = true},
                                   .reasons = 2,
                                   .explain_from = -INFINITY,
                                   .threshold = NAN};
}

/* What is compared of a decision: as the journal keeps it, one event at a time, so that batches do not show.
 */
static void describe(const struct decisions *decisions, int64_t i, struct buffer *out)
{
    struct table one = {0};
    struct decisions single = {.n = 1,
                               .features = &one,
                               .scores = decisions->scores + i,
                               .decisions = decisions->decisions + i,
                               .reasons = decisions->reasons + i * decisions->reasons_per_row,
                               .reasons_per_row = decisions->reasons_per_row,
                               .rules_fired = decisions->rules_fired + i,
                               .marks = decisions->marks + i};
    if (table_init(&one, decisions->features->schema, NULL) != OK ||
        table_append(&one, decisions->features, i, 1, NULL) != OK)
        abort();
    record_decisions(0, 0, &single, out);
    table_done(&one);
}

struct answers {
    struct buffer list[EVENTS];
    int64_t n;
};

static void answers_done(struct answers *answers)
{
    for (int i = 0; i < EVENTS; i++)
        buffer_done(&answers->list[i]);
}

/* Tells an engine without a journal what an event's label is now, by what it was told before (-1: nothing).
 */
static void teach(struct engine *engine, const struct table *events, const struct labels *labels,
                  const struct label *label, int64_t before)
{
    int64_t says[2] = {before < 0 ? -1 : labels->list[before].source, label->source};
    struct table rows[2];
    for (int t = 0; t < 2; t++) {
        if (table_init(&rows[t], events->schema, NULL) != OK || table_reserve(&rows[t], 1, NULL) != OK)
            abort();
        for (int c = 0; c < events->schema->n; c++)
            labels_append(&rows[t].columns[c], &events->schema->fields[c].type,
                          c == LATE ? &labels->values.columns[c] : &events->columns[c],
                          c == LATE ? says[t] : label->event);
        rows[t].length = 1;
    }
    if (state_learn(engine_windows(engine), &rows[0], &rows[1], &label->event, NULL) != OK)
        abort();
    table_done(&rows[0]);
    table_done(&rows[1]);
}

/* The oracle: event by event, without a journal, each label told when it counts. */
static void expect(const struct table *events, const struct label_story *story, struct answers *ret)
{
    struct engine_options options = engine_options(1);
    const struct labels *labels = &story->counting;
    struct rescan_options by_definition = {.lateness = lateness, .labels = labels};
    struct engine *engine;
    struct decisions decisions;
    struct rescan rescan;
    struct table one, features;
    struct error error = {0};
    int64_t next = 0, *said = memory_new(EVENTS, sizeof *said);
    if (!said || engine_new(plan, model, rules, &options, &engine, &error) != OK ||
        rescan_run(plan, events, &by_definition, &rescan, &error) != OK ||
        table_init(&one, events->schema, &error) != OK ||
        table_init(&features, plan_features(plan), &error) != OK)
        stop("the oracle", &error);
    memset(said, -1, EVENTS * sizeof *said);
    for (int i = 0; i < EVENTS; i++) {
        for (; next < labels->n && labels->list[next].position <= i; next++) {
            const struct label *label = &labels->list[next];
            int64_t *known = &said[label->event];
            if (!rescan.entered[label->event] || (*known >= 0 && label->time < labels->list[*known].time))
                continue;
            teach(engine, events, labels, label, *known);
            *known = next;
        }
        table_clear(&one);
        if (table_append(&one, events, i, 1, &error) != OK ||
            engine_take(engine, &one, &decisions, &error) != OK ||
            table_append(&features, decisions.features, 0, 1, &error) != OK)
            stop("the oracle", &error);
        buffer_init(&ret->list[i], 1 << 16);
        describe(&decisions, 0, &ret->list[i]);
    }
    for (int f = 0; f < features.schema->n; f++)
        for (int i = 0; i < EVENTS; i++)
            if (!same_bits(&features.columns[f], &rescan.features.columns[f],
                           &features.schema->fields[f].type, i))
                stop("a feature is not that of the rescan", NULL);
    ret->n = EVENTS;
    free(said);
    table_done(&one);
    table_done(&features);
    rescan_done(&rescan);
    engine_free(engine);
}

struct comparing {
    const struct answers *expected;
    const struct table *events;
    int64_t n;
    uint64_t seq; /* of the last event */
};

static int compare(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                   const struct decisions *decisions, struct error *error)
{
    struct comparing *comparing = context;
    (void)then;
    /* Labels have numbers, too. */
    if (seq <= comparing->seq)
        return error_set(error, CODE_MISMATCH, "events from %llu on follow %llu", (unsigned long long)seq,
                         (unsigned long long)comparing->seq);
    comparing->seq = seq + (uint64_t)decisions->n - 1;
    for (int64_t i = 0; i < decisions->n; i++) {
        int64_t at = comparing->n++;
        struct buffer found;
        if (at >= EVENTS || column_int(&events->columns[0], &events->schema->fields[0].type, i) != at)
            return error_set(error, CODE_MISMATCH, "event %lld is not what was sent", (long long)at);
        buffer_init(&found, 1 << 16);
        describe(decisions, i, &found);
        const struct buffer *expected = &comparing->expected->list[at];
        bool same = found.size == expected->size && memcmp(found.data, expected->data, found.size) == 0;
        buffer_done(&found);
        if (!same)
            return error_set(error, CODE_MISMATCH, "the decision about event %lld differs", (long long)at);
    }
    return OK;
}

struct world {
    struct random random;
    struct crash_disk *disk;
    struct table events;
    struct label_story story;
    struct answers expected;
    int64_t acknowledged;
    uint64_t seqs[EVENTS];
    int64_t crashes, snapshots, again, decided;
};

static int start(struct world *world, struct durable **ret, struct error *error)
{
    struct durable_version version = {plan, model, rules, "models:/test/1", "identity", NULL};
    /* A state that has events says itself for how long ids are known. */
    bool says = world->acknowledged > 0 && random_below(&world->random, 2) == 0;
    struct durable_options options = {.io = crash_disk_io(world->disk),
                                      .directory = "/state",
                                      .engine = engine_options(1 + (int)random_below(&world->random, 2)),
                                      .segment_bytes = 20000,
                                      .snapshot_bytes = 1 + (uint64_t)random_below(&world->random, 20000),
                                      .retain_bytes = 1 << 30,
                                      .dedupe_us = says ? -1 : INT64_C(1) << 50,
                                      .in_process = true};
    struct durable_recovery recovery;
    int rc = durable_open(&version, &options, ret, &recovery, error);
    if (rc == OK) {
        world->snapshots += recovery.snapshot_seq > 0;
        world->again += (int64_t)recovery.taken_again;
        world->decided += (int64_t)recovery.decided_again;
    }
    return rc;
}

/* An event that was taken is known by its id, whatever restarts there were; another one under it is not it.
 */
static void look(struct world *world, struct durable *durable, int64_t taken)
{
    struct table rows;
    uint8_t known[5];
    uint64_t seqs[5];
    int64_t i = random_below(&world->random, EVENTS);
    bool old = i < taken;
    if (table_init(&rows, world->events.schema, NULL) != OK ||
        table_append(&rows, &world->events, i, 1, NULL) != OK ||
        table_append(&rows, &world->events, i, 1, NULL) != OK ||
        table_append(&rows, &world->events, i, 1, NULL) != OK)
        abort();
    ((int32_t *)rows.columns[3].data)[2]++;
    /* Without an id every event is new. */
    for (int64_t without = 3; without < 5; without++)
        if (table_append(&rows, &world->events, i, 1, NULL) != OK ||
            column_set_null(&rows.columns[0], without, NULL) != OK)
            abort();
    if (durable_look(durable, &rows, known, seqs, NULL) != OK ||
        known[0] != (old ? DURABLE_AGAIN : DURABLE_NEW) ||
        known[1] != (old ? DURABLE_AGAIN : DURABLE_LATER) || known[3] != DURABLE_NEW ||
        known[4] != DURABLE_NEW || known[2] != (old ? DURABLE_CONFLICT : DURABLE_LATER) ||
        (old && seqs[2] != world->seqs[i]))
        stop("an id is not known as it should be", NULL);
    table_done(&rows);
}

/* Tells the labels that come before an event; those told by an earlier life once more, which does no harm.
 */
static int tell(struct world *world, struct durable *durable, int64_t at, struct error *error)
{
    const struct label_story *story = &world->story;
    static const uint8_t speaks[] = {1};
    struct table rows;
    int64_t from = 0, to;
    int rc = OK;
    while (from < story->n && story->list[from].position < at)
        from++;
    for (to = from; to < story->n && story->list[to].position == at; to++)
        continue;
    if (table_init(&rows, durable_label_schema(durable), NULL) != OK)
        abort();
    while (rc == OK && from < to) {
        int64_t n = 1 + random_below(&world->random, to - from);
        label_story_rows(story, from, from + n, &rows);
        rc = durable_learn(durable, &(struct label_rows){&rows, speaks}, error);
        uint64_t seq = durable_next_seq(durable);
        label_story_rows(story, from + n - 1, from + n, &rows);
        if (rc == OK)
            rc = durable_learn(durable, &(struct label_rows){&rows, speaks}, error);
        if (rc == OK && durable_next_seq(durable) != seq)
            stop("the same label is written again", NULL);
        from += n;
    }
    table_done(&rows);
    return rc;
}

/* Where the next labels come, or the end. */
static int64_t next_labels(const struct world *world, int64_t at)
{
    for (int64_t i = 0; i < world->story.n; i++)
        if (world->story.list[i].position > at)
            return world->story.list[i].position;
    return EVENTS;
}

/* Sends what the engine does not have yet, until the end or until it fails. */
static int send(struct world *world, struct durable *durable, struct error *error)
{
    struct position_record at = {0};
    durable_where(durable, "stream", &at);
    int64_t from = (int64_t)at.number;
    if (from < world->acknowledged)
        stop("an acknowledged event is gone", NULL);
    int rc = OK;
    while (rc == OK && from < EVENTS) {
        struct table batch;
        struct decisions decisions;
        int64_t n = 1 + random_below(&world->random, 12), until = next_labels(world, from) - from;
        rc = tell(world, durable, from, error);
        if (rc != OK)
            break;
        n = n < EVENTS - from ? n : EVENTS - from;
        n = n < until ? n : until;
        struct table upcoming = world->events;
        upcoming.length = from + n;
        n = durable_together(durable, &upcoming, from);
        uint64_t seq = durable_next_seq(durable);
        struct durable_batch about = {.source = "stream", .source_position = (uint64_t)(from + n)};
        if (table_init(&batch, world->events.schema, NULL) != OK ||
            table_append(&batch, &world->events, from, n, NULL) != OK)
            abort();
        look(world, durable, from);
        rc = durable_take(durable, &batch, &about, &decisions, error);
        if (rc == OK && about.seq != seq)
            stop("a batch has another seq than its place", NULL);
        for (int64_t i = 0; rc == OK && i < n; i++)
            world->seqs[from + i] = seq + (uint64_t)i;
        from += n;
        if (rc == OK && random_chance(&world->random, 60)) {
            rc = durable_commit(durable, about.position, error);
            world->acknowledged = rc == OK ? from : world->acknowledged;
        }
        table_done(&batch);
    }
    return rc;
}

static bool live(struct world *world)
{
    struct durable *durable = NULL;
    struct error error = {0};
    crash_disk_stop_after(world->disk, 1 + random_below(&world->random, 150));
    int rc = start(world, &durable, &error);
    if (rc == OK)
        rc = send(world, durable, &error);
    if (rc == OK && random_chance(&world->random, 50)) {
        rc = durable_close(durable, &error);
        world->acknowledged = rc == OK ? EVENTS : world->acknowledged;
        durable = NULL;
    }
    bool whole = rc == OK;
    if (rc != OK && !crash_disk_stopped(world->disk))
        stop("an error without a crash", &error);
    durable_abandon(durable);
    if (random_chance(&world->random, 30))
        crash_disk_kill(world->disk);
    else
        crash_disk_crash(world->disk);
    world->crashes++;
    return whole;
}

static void check(struct world *world)
{
    struct durable *durable;
    struct error error = {0};
    struct comparing comparing = {&world->expected, &world->events, 0, 0};
    struct label_counters labels;
    crash_disk_stop_after(world->disk, -1);
    if (start(world, &durable, &error) != OK || send(world, durable, &error) != OK ||
        durable_commit(durable, durable_position(durable), &error) != OK ||
        durable_history(durable, 1, compare, &comparing, &error) != OK)
        stop("the end", &error);
    durable_count_labels(durable, &labels);
    if (labels.lost != world->story.lost || labels.waiting != world->story.waiting)
        stop("other labels wait, or were given up, than should", NULL);
    if (durable_close(durable, &error) != OK)
        stop("the end", &error);
    if (comparing.n != EVENTS)
        stop("events are missing in the journal", NULL);
}

int main(int argc, char **argv)
{
    int64_t crashes = 300, done = 0, snapshots = 0, again = 0, decided = 0;
    int64_t labels = 0, awaited = 0, lost = 0;
    uint64_t seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--crashes") == 0)
            crashes = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    make_version();
    for (; done < crashes; seed++) {
        struct world world = {.random = {seed}, .disk = crash_disk_new(seed)};
        make_events(&world.random, &world.events);
        label_story_make(&world.random, plan, &world.events, LATE, lateness, &world.story);
        expect(&world.events, &world.story, &world.expected);
        for (int life = 0; life < 25 && !live(&world); life++)
            continue;
        check(&world);
        done += world.crashes;
        snapshots += world.snapshots;
        again += world.again;
        decided += world.decided;
        labels += world.story.n;
        awaited += world.story.awaited;
        lost += world.story.lost;
        crash_disk_free(world.disk);
        label_story_done(&world.story);
        table_done(&world.events);
        answers_done(&world.expected);
    }
    printf("%lld crashes up to seed %llu: all events once, in order, decided alike to the bit; %lld restarts "
           "from a snapshot, %lld events taken again, %lld decided again; %lld labels, for %lld ids before "
           "their "
           "events, for %lld too early\n",
           (long long)done, (unsigned long long)seed - 1, (long long)snapshots, (long long)again,
           (long long)decided, (long long)labels, (long long)awaited, (long long)lost);
    if (crashes >= 300 && (!snapshots || !again || !decided || !awaited || !lost))
        stop("a way to restart was not met", NULL);
    rules_unref(rules);
    model_unref(model);
    plan_unref(plan);
    printf("[  PASSED  ] %lld crashes.\n", (long long)done);
    return 0;
}
