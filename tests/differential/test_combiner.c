/*
 * Many callers and one durable engine: whatever batches they end up in, every caller is told what the journal
 * says, and the journal's events, given to an engine without a journal one by one, have the same features,
 * scores and decisions to the bit. Events that are refused are refused to the caller who brought them. Then
 * the same with ids: callers bring events of which some were taken before, or are being taken for others.
 *
 *   test_combiner [--events N] [--seed S]
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "differential/random.h"
#include "model/linear.h"
#include "score/combiner.h"
#include "unit/crash_disk.h"

enum { CALLERS = 16, MOST = 1 << 20, MOST_ROWS = 3, REASONS = 2 };

static const char plan_text[] =
    "CREATE TABLE tx (id BIGINT PRIMARY KEY, ts TIMESTAMP, card VARCHAR, amount DOUBLE);\n"
    "SELECT amount, count(*) OVER (c RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW) AS n,\n"
    "  avg(amount) OVER (c ROWS 5 PRECEDING) AS mean, length(card) AS size\n"
    "FROM tx WHERE amount > 1 WINDOW c AS (PARTITION BY card ORDER BY ts);";
static const char rules_text[] =
    "SELECT CASE WHEN amount > 90 THEN 'decline' ELSE 'approve' END AS decision, amount > 90 AS large "
    "FROM scored";

static struct plan *plan;
static struct model *model;
static struct rules *rules;
static struct engine_options engine_options = {
    .state = {.lateness_us = INT64_C(3600000000)}, .reasons = REASONS, .explain_from = -INFINITY};

static void stop(const char *what, const struct error *error)
{
    fprintf(stderr, "FAILED: %s: %s\n", what, error ? error->message : "");
    exit(1);
}

static void make_version(void)
{
    enum { N = 4 };
    const double weights[N] = {1, 0.5, -0.3, 0.2}, means[N] = {50, 1, 50, 9}, sds[N] = {20, 1, 20, 1};
    const char *names[N] = {"amount", "n", "mean", "size"};
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

/* What was told about an event, by its id. */
static struct told {
    struct buffer answer;
    uint64_t seq;
} * told;
static int64_t each_caller;

/* Events come every five seconds; those of `span` ids later lie at the same times again: every caller has ids
 * of his own, and all the same span of time. */
static void append_event(struct random *random, struct table *events, int64_t id, int64_t span, bool timeless)
{
    const struct field *fields = plan_events(plan)->fields;
    char card[32];
    int64_t ts = INT64_C(1700000000000000) + id % span * 5000000 + random_below(random, 100000000);
    snprintf(card, sizeof card, "card %d", (int)random_below(random, 20));
    if (table_reserve(events, events->length + 1, NULL) != OK ||
        column_append_text(&events->columns[2], card, strlen(card), NULL) != OK)
        abort();
    column_append_int(&events->columns[0], &fields[0].type, id);
    if (timeless)
        column_append_null(&events->columns[1], &fields[1].type);
    else
        column_append_int(&events->columns[1], &fields[1].type, ts);
    column_append_double(&events->columns[3], &fields[3].type, (double)random_below(random, 10000) / 100);
    events->length++;
}

/* A decision as the journal keeps it, alone. */
static void describe(const struct decisions *decisions, int64_t i, struct buffer *out)
{
    struct decided one;
    if (decided_init(&one, decisions->features->schema, NULL) != OK ||
        decided_copy(decisions, i, 1, &one, NULL) != OK)
        abort();
    buffer_clear(out);
    record_decisions(0, 0, &one.decisions, out);
    decided_done(&one);
}

struct caller {
    pthread_t thread;
    struct combiner *combiner;
    struct random random;
    int64_t first, taken, refused;
};

static void keep(struct caller *caller, const struct decided *decided, int64_t id, int64_t n)
{
    if (decided->decisions.n != n)
        stop("another number of decisions than of events", NULL);
    for (int64_t i = 0; i < n; i++) {
        struct told *of = &told[id + i];
        buffer_init(&of->answer, 1 << 16);
        describe(&decided->decisions, i, &of->answer);
        of->seq = decided->seq + (uint64_t)i;
    }
    caller->taken += n;
}

static void *call(void *argument)
{
    struct caller *caller = argument;
    struct decided decided;
    struct table events;
    struct error error = {0};
    if (decided_init(&decided, plan_features(plan), NULL) != OK ||
        table_init(&events, plan_events(plan), NULL) != OK)
        abort();
    for (int64_t id = caller->first; id < caller->first + each_caller;) {
        int64_t left = caller->first + each_caller - id, n = 1 + random_below(&caller->random, MOST_ROWS);
        bool timeless = random_chance(&caller->random, 10);
        n = n < left ? n : left;
        table_clear(&events);
        for (int64_t i = 0; i < n; i++)
            append_event(&caller->random, &events, id + i, each_caller, timeless && i == n - 1);
        int rc = combiner_take(caller->combiner, &events, &decided, &error);
        if (rc != (timeless ? CODE_INVALID : OK))
            stop(timeless ? "an event without a time was not refused" : "events were refused", &error);
        if (rc == OK)
            keep(caller, &decided, id, n);
        else
            caller->refused += n;
        id += n;
    }
    table_done(&events);
    decided_done(&decided);
    return NULL;
}

/* The journal against what was told, and against an engine that is given one event at a time. */
struct comparing {
    struct engine *plain;
    struct table one;
    struct buffer found, expected;
    int64_t n, batches, largest;
};

static void compare_one(struct comparing *comparing, uint64_t seq, const struct table *events,
                        const struct decisions *decisions, int64_t i)
{
    struct decisions plain;
    struct error error = {0};
    int64_t id = column_int(&events->columns[0], &events->schema->fields[0].type, i);
    const struct told *of = &told[id];
    describe(decisions, i, &comparing->found);
    if (of->seq != seq || of->answer.size != comparing->found.size ||
        memcmp(of->answer.data, comparing->found.data, comparing->found.size) != 0)
        stop("a caller was told something else than the journal says", NULL);
    table_clear(&comparing->one);
    if (table_append(&comparing->one, events, i, 1, &error) != OK ||
        engine_take(comparing->plain, &comparing->one, &plain, &error) != OK)
        stop("an engine without a journal", &error);
    describe(&plain, 0, &comparing->expected);
    if (comparing->expected.size != comparing->found.size ||
        memcmp(comparing->expected.data, comparing->found.data, comparing->found.size) != 0)
        stop("an engine without a journal decides otherwise", NULL);
}

static int compare(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                   const struct decisions *decisions, struct error *error)
{
    struct comparing *comparing = context;
    (void)then;
    (void)error;
    for (int64_t i = 0; i < events->length; i++)
        compare_one(comparing, seq + (uint64_t)i, events, decisions, i);
    comparing->n += events->length;
    comparing->batches++;
    comparing->largest = events->length > comparing->largest ? events->length : comparing->largest;
    return OK;
}

static void check(struct durable *durable, int64_t taken)
{
    struct comparing comparing = {0};
    struct error error = {0};
    buffer_init(&comparing.found, 1 << 16);
    buffer_init(&comparing.expected, 1 << 16);
    if (table_init(&comparing.one, plan_events(plan), &error) != OK ||
        engine_new(plan, model, rules, &engine_options, &comparing.plain, &error) != OK ||
        durable_history(durable, 1, compare, &comparing, &error) != OK)
        stop("the journal", &error);
    if (comparing.n != taken)
        stop("the journal does not have the events that were acknowledged", NULL);
    if (comparing.largest <= MOST_ROWS)
        stop("no two callers were taken together", NULL);
    printf("%lld events of %d callers in %lld batches, the largest of %lld\n", (long long)taken, CALLERS,
           (long long)comparing.batches, (long long)comparing.largest);
    engine_free(comparing.plain);
    table_done(&comparing.one);
    buffer_done(&comparing.found);
    buffer_done(&comparing.expected);
}

static struct durable *open_durable(struct crash_disk *disk, bool looks)
{
    struct durable_version version = {plan, model, rules, "models:/test/1", "identity", NULL};
    struct durable_options options = {.io = crash_disk_io(disk),
                                      .directory = "/state",
                                      .engine = engine_options,
                                      .segment_bytes = 100000,
                                      .retain_bytes = 1 << 30,
                                      .dedupe_us = looks ? INT64_C(1) << 50 : 0,
                                      .in_process = true};
    struct durable *durable;
    struct error error = {0};
    if (durable_open(&version, &options, &durable, NULL, &error) != OK)
        stop("opening", &error);
    return durable;
}

static int64_t run(struct durable *durable, uint64_t seed)
{
    static struct caller callers[CALLERS];
    struct combiner *combiner;
    struct error error = {0};
    int64_t taken = 0, refused = 0;
    if (combiner_new(durable, &combiner, &error) != OK)
        stop("callers", &error);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] =
            (struct caller){.combiner = combiner, .random = {seed + (uint64_t)i}, .first = i * each_caller};
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]))
            abort();
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        taken += callers[i].taken;
        refused += callers[i].refused;
    }
    combiner_free(combiner);
    if (!refused)
        stop("no event was refused", NULL);
    return taken;
}

/* ---- with ids ---- */

enum { IDS = 600, EACH = 900 };

/* What the first who was told of an id was told. */
static struct {
    pthread_mutex_t lock;
    struct told told[IDS];
    int64_t again, conflicts;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The event of an id is the same whoever brings it; with `other`, another one. */
static void make_event(int64_t id, bool other, struct table *events)
{
    struct random random = {(uint64_t)id};
    table_clear(events);
    append_event(&random, events, id, IDS, false);
    if (other)
        ((double *)events->columns[3].data)[0] += 1;
}

static void compare_told(int64_t id, const struct decided *decided, const struct buffer *answer)
{
    pthread_mutex_lock(&seen.lock);
    struct told *first = &seen.told[id];
    if (first->answer.size) {
        seen.again++;
        if (first->seq != decided->seq || first->answer.size != answer->size ||
            memcmp(first->answer.data, answer->data, answer->size) != 0)
            stop("the same event has another decision", NULL);
    } else {
        buffer_init(&first->answer, 1 << 16);
        buffer_append(&first->answer, answer->data, answer->size);
        first->seq = decided->seq;
    }
    pthread_mutex_unlock(&seen.lock);
}

static void *call_with_ids(void *argument)
{
    struct caller *caller = argument;
    struct decided decided;
    struct table events;
    struct buffer answer;
    buffer_init(&answer, 1 << 16);
    if (decided_init(&decided, plan_features(plan), NULL) != OK ||
        table_init(&events, plan_events(plan), NULL) != OK)
        abort();
    for (int64_t i = 0; i < EACH; i++) {
        struct error error = {0};
        /* All callers go through the ids at about the same pace, so that they meet. */
        int64_t id = i * IDS / EACH + random_below(&caller->random, 8);
        id = id < IDS ? id : IDS - 1;
        bool other = caller->first > 0 && random_chance(&caller->random, 10);
        make_event(id, other, &events);
        int rc = combiner_take(caller->combiner, &events, &decided, &error);
        if (rc == CODE_CONFLICT) {
            __atomic_add_fetch(&seen.conflicts, 1, __ATOMIC_RELAXED);
            continue;
        }
        if (rc != OK)
            stop("an event", &error);
        if (decided.decisions.n != 1)
            stop("another number of decisions than of events", NULL);
        describe(&decided.decisions, 0, &answer);
        /* The first that came may have been the other one: then it is the one that counts. */
        compare_told(id, &decided, &answer);
    }
    buffer_done(&answer);
    table_done(&events);
    decided_done(&decided);
    return NULL;
}

static int count_ids(void *context, const struct durable_then *then, uint64_t seq, const struct table *events,
                     const struct decisions *decisions, struct error *error)
{
    int64_t *times = context;
    (void)then, (void)seq, (void)decisions, (void)error;
    for (int64_t i = 0; i < events->length; i++)
        times[column_int(&events->columns[0], &events->schema->fields[0].type, i)]++;
    return OK;
}

static void run_with_ids(uint64_t seed)
{
    static struct caller callers[CALLERS];
    static int64_t times[IDS];
    struct crash_disk *disk = crash_disk_new(seed);
    struct durable *durable = open_durable(disk, true);
    struct combiner *combiner;
    struct error error = {0};
    if (combiner_new(durable, &combiner, &error) != OK)
        stop("callers", &error);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.combiner = combiner, .random = {seed + 99 + (uint64_t)i}, .first = i};
        if (pthread_create(&callers[i].thread, NULL, call_with_ids, &callers[i]))
            abort();
    }
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i].thread, NULL);
    combiner_free(combiner);
    if (durable_history(durable, 1, count_ids, times, &error) != OK)
        stop("the journal", &error);
    for (int id = 0; id < IDS; id++)
        if (times[id] != (seen.told[id].answer.size > 0))
            stop("an event is in the journal more or less than once", NULL);
    if (!seen.again || !seen.conflicts)
        stop("no event came again", NULL);
    printf("%lld times an event came again, %lld times another one under its id\n", (long long)seen.again,
           (long long)seen.conflicts);
    if (durable_close(durable, &error) != OK)
        stop("closing", &error);
    crash_disk_free(disk);
    for (int id = 0; id < IDS; id++)
        buffer_done(&seen.told[id].answer);
}

int main(int argc, char **argv)
{
    int64_t n = 20000;
    uint64_t seed = 1;
    struct error error = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--events") == 0)
            n = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
    }
    each_caller = (n < MOST ? n : MOST) / CALLERS;
    told = memory_new((size_t)(each_caller * CALLERS), sizeof *told);
    if (!told)
        abort();
    make_version();
    struct crash_disk *disk = crash_disk_new(seed);
    struct durable *durable = open_durable(disk, false);
    int64_t taken = run(durable, seed);
    check(durable, taken);
    durable_abandon(durable);
    crash_disk_crash(disk);
    durable = open_durable(disk, false);
    check(durable, taken);
    if (durable_close(durable, &error) != OK)
        stop("closing", &error);
    crash_disk_free(disk);
    run_with_ids(seed);
    for (int64_t i = 0; i < each_caller * CALLERS; i++)
        buffer_done(&told[i].answer);
    free(told);
    rules_unref(rules);
    model_unref(model);
    plan_unref(plan);
    printf("[  PASSED  ] %lld events.\n", (long long)taken);
    return 0;
}
