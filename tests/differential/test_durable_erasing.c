/*
 * The durable engine on a disk that crashes: events of one stream are taken in batches, and again and again
 * the power fails or the process dies, anywhere. After each restart everything that was acknowledged is
 * there, and in the end the journal holds every event once, in order, with the features, scores and decisions
 * that an engine without a journal gives, to the bit. Between them some events are erased; once that is
 * carried out, the journal has nothing of them.
 *
 *   test_durable_erasing [--crashes N] [--seed S]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "differential/random.h"
#include "model/linear.h"
#include "score/durable.h"
#include "score/erasing.h"
#include "unit/crash_disk.h"

enum { EVENTS = 220, MOST_ERASURES = 6, AT_ONCE = 12 };
static const int64_t lateness = INT64_C(3600000000);

static const char plan_text[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, shop INTEGER, amount DOUBLE,\n"
    "  kind ENUM('web', 'shop'), y TINYINT DEFAULT 0);\n"
    "COMMENT ON COLUMN tx.y IS 'shrike: label, late after=1 day';\n"
    "SELECT amount, count(*) OVER (c RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n,\n"
    "  avg(amount) OVER (c RANGE UNBOUNDED PRECEDING) AS mean,\n"
    "  count(DISTINCT shop) OVER (c RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND CURRENT ROW) AS shops,\n"
    "  max(amount) OVER (PARTITION BY shop ORDER BY ts ROWS 5 PRECEDING) AS top,\n"
    "  kind\n"
    "FROM tx WHERE amount > 1 WINDOW c AS (PARTITION BY card ORDER BY ts);";
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
    enum { N = 6 };
    const double weights[N] = {1, 0.5, -0.3, 0.2, 0.4, 0.1}, means[N] = {50, 1, 50, 1, 60, 0},
                 sds[N] = {20, 1, 20, 1, 20, 1};
    const char *names[N] = {"amount", "n", "mean", "shops", "top", "kind"};
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
        column_append_null(&columns[6], &fields[6].type);
    }
    ret->length = EVENTS;
}

static struct engine_options engine_options(int threads)
{
    return (struct engine_options){.state = {.threads = threads, .lateness_us = lateness, .forgets = true},
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

/* Some events are erased when `before` of them have been taken. */
struct erasing {
    int64_t before;
    uint64_t seqs[AT_ONCE]; /* ascending */
    int n;
};

struct plot {
    struct erasing list[MOST_ERASURES];
    int n;
};

static void make_plot(struct random *random, struct plot *ret)
{
    *ret = (struct plot){.n = (int)random_below(random, MOST_ERASURES + 1)};
    int64_t before = 0;
    for (int e = 0; e < ret->n; e++) {
        struct erasing *erasing = &ret->list[e];
        before += 1 + random_below(random, 2 * EVENTS / MOST_ERASURES);
        before = before < EVENTS ? before : EVENTS;
        erasing->before = before;
        uint64_t seq = 0;
        while (erasing->n < AT_ONCE && seq < (uint64_t)before) {
            seq += 1 + (uint64_t)random_below(random, random_chance(random, 50) ? 3 : before);
            if (seq <= (uint64_t)before)
                erasing->seqs[erasing->n++] = seq;
        }
    }
}

static bool is_erased(const struct plot *plot, uint64_t seq)
{
    bool found = false;
    for (int e = 0; e < plot->n; e++)
        for (int i = 0; i < plot->list[e].n; i++)
            found |= plot->list[e].seqs[i] == seq;
    return found;
}

/* Those that an erasure is the first to name, and that have entered the windows. */
static void forget(struct engine *engine, const struct plot *plot, int which, const struct table *events,
                   const uint8_t *entered)
{
    const struct erasing *erasing = &plot->list[which];
    struct plot before = *plot;
    struct table rows;
    int64_t arrivals[AT_ONCE];
    bool traces[16];
    struct error error = {0};
    before.n = which;
    if (table_init(&rows, events->schema, NULL) != OK)
        abort();
    for (int i = 0; i < erasing->n; i++) {
        if (!entered[erasing->seqs[i] - 1] || is_erased(&before, erasing->seqs[i]))
            continue;
        arrivals[rows.length] = (int64_t)erasing->seqs[i];
        if (table_append(&rows, events, (int64_t)erasing->seqs[i] - 1, 1, NULL) != OK)
            abort();
    }
    if (state_forget(engine_windows(engine), &rows, arrivals, traces, &error) != OK)
        stop("the oracle", &error);
    table_done(&rows);
}

/* The oracle: events one by one, without a journal. */
static void expect(const struct table *events, const struct plot *plot, struct answers *ret)
{
    struct engine_options options = engine_options(1);
    struct engine *engine;
    struct decisions decisions;
    struct table one;
    struct error error = {0};
    uint8_t entered[EVENTS];
    int next = 0;
    if (engine_new(plan, model, rules, &options, &engine, &error) != OK ||
        table_init(&one, events->schema, &error) != OK)
        stop("the oracle", &error);
    for (int i = 0; i < EVENTS; i++) {
        for (; next < plot->n && plot->list[next].before <= i; next++)
            forget(engine, plot, next, events, entered);
        table_clear(&one);
        state_set_arrival(engine_windows(engine), i + 1);
        if (table_append(&one, events, i, 1, &error) != OK ||
            engine_take(engine, &one, &decisions, &error) != OK)
            stop("the oracle", &error);
        entered[i] = state_entered(engine_state(engine))[0];
        buffer_init(&ret->list[i], 1 << 16);
        describe(&decisions, 0, &ret->list[i]);
    }
    ret->n = EVENTS;
    table_done(&one);
    engine_free(engine);
}

struct comparing {
    const struct answers *expected;
    const struct table *events;
    const struct plot *plot;
    int64_t n;
};

static int compare(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                   const struct decisions *decisions, struct error *error)
{
    struct comparing *comparing = context;
    (void)then;
    if (seq != (uint64_t)comparing->n + 1)
        return error_set(error, CODE_MISMATCH, "events from %llu on follow %lld", (unsigned long long)seq,
                         (long long)comparing->n);
    for (int64_t i = 0; i < decisions->n; i++) {
        int64_t at = comparing->n++;
        struct buffer found;
        if (at < EVENTS && is_erased(comparing->plot, (uint64_t)at + 1)) {
            if (decisions->decisions[i] != DECISION_ERASED || !event_is_erased(events, i) ||
                !event_is_erased(decisions->features, i) || !isnan(decisions->scores[i]))
                return error_set(error, CODE_MISMATCH, "event %lld was erased, and is there", (long long)at);
            continue;
        }
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
    struct answers expected;
    struct plot plot;
    int64_t acknowledged;
    int erased; /* erasures that were acknowledged */
    int64_t crashes, snapshots, again, decided, waited;
};

static int start(struct world *world, struct durable **ret, struct error *error)
{
    struct durable_version version = {plan, model, rules, "models:/test/1", "identity", NULL};
    struct durable_options options = {.io = crash_disk_io(world->disk),
                                      .directory = "/state",
                                      .engine = engine_options(1 + (int)random_below(&world->random, 2)),
                                      .segment_bytes = 20000,
                                      .snapshot_bytes = 1 + (uint64_t)random_below(&world->random, 20000),
                                      .retain_bytes = 1 << 30,
                                      .dedupe_us = INT64_C(1) << 50,
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
    if (old && is_erased(&world->plot, (uint64_t)i + 1))
        return;
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
        (old && seqs[2] != (uint64_t)i + 1))
        stop("an id is not known as it should be", NULL);
    table_done(&rows);
}

/* Again where it is not known that it was done before; an erasure that was acknowledged finds nothing. */
static int erase_some(struct world *world, struct durable *durable, int which, struct error *error)
{
    const struct erasing *erasing = &world->plot.list[which];
    bool traces[16], waits = false;
    int64_t since;
    struct durable_erased erased = {.traces = traces};
    int rc = durable_erase(durable, erasing->seqs, (size_t)erasing->n, &erased, error);
    if (rc != OK)
        return rc;
    if (which < world->erased && erased.events)
        stop("an erasure that was acknowledged is gone", NULL);
    world->erased = which < world->erased ? world->erased : which + 1;
    rc = durable_erasures_wait(durable, &waits, &since, error);
    world->waited += waits;
    return rc == OK && random_chance(&world->random, 60) ? durable_carry_out(durable, NULL, error) : rc;
}

/* Sends what the engine does not have yet, until the end or until it fails. */
static int send(struct world *world, struct durable *durable, struct error *error)
{
    struct position_record at = {0};
    int next = 0;
    durable_where(durable, "stream", &at);
    int64_t from = (int64_t)at.number;
    if ((uint64_t)from + 1 != durable_next_seq(durable))
        stop("the source's position is not the number of events", NULL);
    if (from < world->acknowledged)
        stop("an acknowledged event is gone", NULL);
    while (next < world->plot.n && world->plot.list[next].before < from)
        next++;
    int rc = OK;
    while (rc == OK && (from < EVENTS || next < world->plot.n)) {
        if (next < world->plot.n && world->plot.list[next].before == from) {
            rc = erase_some(world, durable, next++, error);
            continue;
        }
        struct table batch;
        struct decisions decisions;
        int64_t n = 1 + random_below(&world->random, 12);
        int64_t until = next < world->plot.n ? world->plot.list[next].before : EVENTS;
        n = n < until - from ? n : until - from;
        struct durable_batch about = {.source = "stream", .source_position = (uint64_t)(from + n)};
        if (table_init(&batch, world->events.schema, NULL) != OK ||
            table_append(&batch, &world->events, from, n, NULL) != OK)
            abort();
        look(world, durable, from);
        rc = durable_take(durable, &batch, &about, &decisions, error);
        if (rc == OK && about.seq != (uint64_t)from + 1)
            stop("a batch has another seq than its place", NULL);
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
    struct comparing comparing = {&world->expected, &world->events, &world->plot, 0};
    crash_disk_stop_after(world->disk, -1);
    if (start(world, &durable, &error) != OK || send(world, durable, &error) != OK ||
        durable_commit(durable, durable_position(durable), &error) != OK ||
        durable_carry_out(durable, NULL, &error) != OK ||
        durable_history(durable, 1, compare, &comparing, &error) != OK ||
        durable_close(durable, &error) != OK)
        stop("the end", &error);
    if (comparing.n != EVENTS)
        stop("events are missing in the journal", NULL);
}

int main(int argc, char **argv)
{
    int64_t crashes = 300, done = 0, snapshots = 0, again = 0, decided = 0, waited = 0;
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
        make_plot(&world.random, &world.plot);
        expect(&world.events, &world.plot, &world.expected);
        for (int life = 0; life < 25 && !live(&world); life++)
            continue;
        check(&world);
        done += world.crashes;
        snapshots += world.snapshots;
        again += world.again;
        decided += world.decided;
        waited += world.waited;
        crash_disk_free(world.disk);
        table_done(&world.events);
        answers_done(&world.expected);
    }
    printf("%lld crashes up to seed %llu: all events once, in order, decided alike to the bit; %lld restarts "
           "from a snapshot, %lld events taken again, %lld decided again, %lld erasures\n",
           (long long)done, (unsigned long long)seed - 1, (long long)snapshots, (long long)again,
           (long long)decided, (long long)waited);
    if (crashes >= 300 && (!snapshots || !again || !decided || !waited))
        stop("a way to restart was not met", NULL);
    rules_unref(rules);
    model_unref(model);
    plan_unref(plan);
    printf("[  PASSED  ] %lld crashes.\n", (long long)done);
    return 0;
}
