/* Labels in the durable engine: what is written, whom it reaches, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/linear.h"
#include "score/durable.h"
#include "score/ids.h"
#include "score/replay.h"
#include "table/json_rows.h"
#include "unit/crash_disk.h"

#define TABLE                                                                                               \
    "CREATE TABLE tx (id VARCHAR PRIMARY KEY, ts BIGINT, shop VARCHAR, y TINYINT DEFAULT 0, bank VARCHAR, " \
    "test BOOLEAN);\n"                                                                                      \
    "COMMENT ON COLUMN tx.y IS 'shrike: label, late after=2 steps';\n"                                      \
    "COMMENT ON COLUMN tx.bank IS 'shrike: late after=2 steps';\n"
#define OVER(start) " OVER (PARTITION BY shop ORDER BY ts RANGE BETWEEN " start " PRECEDING AND 2 PRECEDING)"

static const char plan_text[] =
    TABLE "SELECT sum(y)" OVER("100") " AS frauds, count(*) FILTER (WHERE bank = 'no')" OVER(
        "100") " AS refused FROM tx WHERE coalesce(NOT test, true)";
static const char endless_text[] = TABLE "SELECT sum(y)" OVER("UNBOUNDED") " AS frauds FROM tx";

struct fixture {
    struct crash_disk *disk;
    struct plan *plan;
    struct model *model;
    struct durable *durable;
    struct table events, labels;
    struct decisions decisions;
    struct error error;
    int64_t lateness;
    uint64_t segment_bytes;
    bool learns;
};

static struct model *model_of(const struct plan *plan)
{
    enum { MOST = 2 };
    const double weights[MOST] = {1, 1}, means[MOST] = {0}, sds[MOST] = {1, 1};
    const char *names[MOST];
    const struct schema *features = plan_features(plan);
    for (int f = 0; f < features->n; f++)
        names[f] = features->fields[f].name;
    struct linear linear = {.n = features->n, .weights = weights, .means = means, .sds = sds, .names = names};
    struct model *model;
    char *text;
    size_t size;
    assert_int_equal(linear_write(&linear, &text, &size, NULL), OK);
    assert_int_equal(model_parse(text, size, &model, NULL), OK);
    free(text);
    return model;
}

static int open_durable(struct fixture *fixture)
{
    struct durable_version version = {fixture->plan,    fixture->model, NULL,
                                      "models:/test/1", "identity",     NULL};
    struct durable_options options = {
        .io = crash_disk_io(fixture->disk),
        .directory = "/state",
        .engine = {.state = {.threads = 1, .lateness_us = fixture->lateness, .learns = fixture->learns},
                   .threshold = NAN},
        .segment_bytes = fixture->segment_bytes,
        .in_process = true};
    return durable_open(&version, &options, &fixture->durable, NULL, &fixture->error);
}

static void must(struct fixture *fixture, int rc)
{
    if (rc != OK)
        fail_msg("%s", fixture->error.message);
}

static void start(struct fixture *fixture, const char *sql, int64_t lateness)
{
    *fixture = (struct fixture){.disk = crash_disk_new(1), .lateness = lateness, .learns = true};
    must(fixture, plan_compile(sql, strlen(sql), "test.sql", &fixture->plan, &fixture->error));
    fixture->model = model_of(fixture->plan);
    must(fixture, open_durable(fixture));
    must(fixture, table_init(&fixture->events, plan_events(fixture->plan), NULL));
    must(fixture, table_init(&fixture->labels, durable_label_schema(fixture->durable), NULL));
}

static void stop(struct fixture *fixture)
{
    durable_abandon(fixture->durable);
    table_done(&fixture->events);
    table_done(&fixture->labels);
    model_unref(fixture->model);
    plan_unref(fixture->plan);
    crash_disk_free(fixture->disk);
}

/* As if the process had died, or (with `whole`) had been told to end. */
static void restart(struct fixture *fixture, bool whole)
{
    if (whole) {
        must(fixture, durable_close(fixture->durable, &fixture->error));
    } else {
        durable_abandon(fixture->durable);
        crash_disk_kill(fixture->disk);
    }
    fixture->durable = NULL;
    must(fixture, open_durable(fixture));
}

static void read_rows(struct table *table, const char *lines)
{
    struct json_rows *rows;
    table_clear(table);
    assert_int_equal(json_rows_new(table->schema, TIME_UNIT_NONE, &rows, NULL), OK);
    for (const char *line = lines, *end; *line; line = *end ? end + 1 : end) {
        end = strchr(line, '\n');
        end = end ? end : line + strlen(line);
        assert_int_equal(json_rows_parse(rows, line, (size_t)(end - line), table, NULL), OK);
    }
    json_rows_free(rows);
}

/* Takes one event; its features are in the decisions. */
static void take(struct fixture *fixture, const char *line)
{
    struct durable_batch about = {.source = ""};
    read_rows(&fixture->events, line);
    must(fixture,
         durable_take(fixture->durable, &fixture->events, &about, &fixture->decisions, &fixture->error));
}

static int64_t feature(const struct fixture *fixture, int f)
{
    const struct table *features = fixture->decisions.features;
    const struct column *column = &features->columns[f];
    enum type_id id = features->schema->fields[f].type.id;
    if (column_is_null(column, 0))
        return -1;
    return id == TYPE_HUGEINT ? (int64_t)column_wide(column, 0)
                              : column_int(column, &features->schema->fields[f].type, 0);
}

/* Says of each column whether these labels speak of it; how many of them were written. */
static int64_t learn(struct fixture *fixture, bool y, bool bank, const char *lines)
{
    uint8_t speaks[] = {y, bank};
    uint64_t before = durable_next_seq(fixture->durable);
    read_rows(&fixture->labels, lines);
    must(fixture,
         durable_learn(fixture->durable, &(struct label_rows){&fixture->labels, speaks}, &fixture->error));
    return (int64_t)(durable_next_seq(fixture->durable) - before);
}

static struct label_counters counted(const struct fixture *fixture)
{
    struct label_counters counters;
    durable_count_labels(fixture->durable, &counters);
    return counters;
}

#define LABEL(id, y, at) "{\"id\":\"" id "\",\"y\":" #y ",\"when it arrived\":" #at "}"
#define BANK(id, says, at) "{\"id\":\"" id "\",\"bank\":" says ",\"when it arrived\":" #at "}"
#define EVENT(id, ts) "{\"id\":\"" id "\",\"ts\":" #ts ",\"shop\":\"a\",\"y\":1,\"bank\":\"no\"}"

static void test_what_changes_nothing_is_not_written(void **unused)
{
    (void)unused;
    struct fixture fixture;
    start(&fixture, plan_text, 0);
    take(&fixture, EVENT("one", 1));
    assert_int_equal(learn(&fixture, true, false, LABEL("one", 1, 5)), 1);
    for (int life = 0; life < 3; life++) {
        assert_int_equal(learn(&fixture, true, false, LABEL("one", 1, 5)), 0);
        assert_int_equal(learn(&fixture, true, false, LABEL("one", 0, 4)), 0);
        restart(&fixture, life == 1);
    }
    take(&fixture, EVENT("two", 3));
    assert_int_equal(feature(&fixture, 0), 1);
    /* Of the same time the last counts, also within one call. */
    assert_int_equal(learn(&fixture, true, false, LABEL("one", 0, 5)), 1);
    take(&fixture, EVENT("three", 4));
    assert_int_equal(feature(&fixture, 0), 0);
    assert_int_equal(learn(&fixture, true, false, LABEL("one", 1, 5) "\n" LABEL("one", 0, 5)), 2);
    take(&fixture, EVENT("four", 5));
    assert_int_equal(feature(&fixture, 0), 0);
    assert_int_equal(counted(&fixture).told, 4);
    stop(&fixture);
}

/* A file of frauds says nothing of the bank's answers, and the other way round. */
static void test_each_column_has_its_own_label(void **unused)
{
    (void)unused;
    struct fixture fixture;
    start(&fixture, plan_text, 0);
    take(&fixture, EVENT("one", 1));
    learn(&fixture, false, true, BANK("one", "\"no\"", 9));
    assert_int_equal(learn(&fixture, true, false, LABEL("one", 1, 5)), 1);
    restart(&fixture, true);
    take(&fixture, EVENT("two", 3));
    assert_int_equal(feature(&fixture, 0), 1);
    assert_int_equal(feature(&fixture, 1), 1);
    learn(&fixture, true, true, BANK("one", "\"yes\"", 7));
    take(&fixture, EVENT("three", 3));
    assert_int_equal(feature(&fixture, 0), 0);
    assert_int_equal(feature(&fixture, 1), 1);
    learn(&fixture, false, true, BANK("one", "null", 10));
    take(&fixture, EVENT("four", 3));
    assert_int_equal(feature(&fixture, 1), 0);
    stop(&fixture);
}

static void test_events_in_no_window_are_outside(void **unused)
{
    (void)unused;
    struct fixture fixture;
    start(&fixture, plan_text, 0);
    take(&fixture, "{\"id\":\"left out\",\"ts\":1,\"shop\":\"a\",\"test\":true}");
    take(&fixture, EVENT("one", 10));
    take(&fixture, EVENT("too late", 3));
    assert_int_equal(learn(&fixture, true, false,
                           LABEL("left out", 1, 11) "\n" LABEL("too late", 1, 11) "\n" LABEL("one", 1, 11)),
                     3);
    restart(&fixture, false);
    take(&fixture, EVENT("two", 12));
    assert_int_equal(feature(&fixture, 0), 1);
    assert_int_equal(counted(&fixture).outside, 2);
    assert_int_equal(counted(&fixture).told, 1);
    stop(&fixture);
}

static void test_a_label_waits_as_long_as_its_event_may_come(void **unused)
{
    (void)unused;
    struct fixture fixture;
    const char *const *ids;
    start(&fixture, plan_text, 10);
    take(&fixture, EVENT("one", 100));
    learn(&fixture, true, false, LABEL("late", 1, 100) "\n" LABEL("never", 1, 100));
    take(&fixture, EVENT("two", 102));
    restart(&fixture, true);
    take(&fixture, EVENT("late", 95));
    take(&fixture, EVENT("three", 104));
    assert_int_equal(feature(&fixture, 0), 1);
    /* It has waited since the event at 102. */
    take(&fixture, EVENT("four", 112));
    assert_int_equal(durable_lost_labels(fixture.durable, &ids), 0);
    take(&fixture, EVENT("five", 113));
    assert_int_equal(durable_lost_labels(fixture.durable, &ids), 1);
    assert_string_equal(ids[0], "\"never\"");
    durable_forget_lost_labels(fixture.durable);
    take(&fixture, EVENT("six", 114));
    assert_int_equal(durable_lost_labels(fixture.durable, &ids), 0);
    assert_int_equal(counted(&fixture).lost, 1);
    /* Whoever was killed before saying so says it again, but only of the last events. */
    restart(&fixture, false);
    assert_int_equal(durable_lost_labels(fixture.durable, &ids), 0);
    learn(&fixture, true, false, LABEL("nobody", 1, 114));
    take(&fixture, EVENT("seven", 114));
    take(&fixture, EVENT("eight", 150));
    restart(&fixture, false);
    assert_int_equal(durable_lost_labels(fixture.durable, &ids), 1);
    assert_string_equal(ids[0], "\"nobody\"");
    stop(&fixture);
}

/* So the batch ends with it, however it was cut. */
static void test_an_event_that_is_waited_for_is_the_last_of_its_batch(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct durable_batch about = {.source = ""};
    start(&fixture, plan_text, 0);
    learn(&fixture, true, false, LABEL("two", 1, 1));
    read_rows(&fixture.events, EVENT("one", 1) "\n" EVENT("two", 2) "\n" EVENT("three", 4));
    assert_int_equal(durable_together(fixture.durable, &fixture.events, 0), 2);
    assert_int_equal(durable_together(fixture.durable, &fixture.events, 2), 1);
    assert_int_equal(
        durable_take(fixture.durable, &fixture.events, &about, &fixture.decisions, &fixture.error),
        CODE_INTERNAL);
    assert_int_equal(durable_next_seq(fixture.durable), 2);
    stop(&fixture);
}

/* A frame of 100 and a delay of 2: then nothing is kept of an event. */
static void test_events_are_kept_as_long_as_labels_matter(void **unused)
{
    (void)unused;
    struct fixture fixture;
    char line[128];
    start(&fixture, plan_text, 5);
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof line, "{\"id\":\"tx %d\",\"ts\":%d,\"shop\":\"a\"}", i, i);
        take(&fixture, line);
        if (i == 3000)
            restart(&fixture, true);
    }
    struct label_counters counters = counted(&fixture);
    assert_int_equal(counters.events, 100 + 2 + 2 * 5 + 1);
    assert_true(counters.bytes < 1 << 19);
    assert_int_equal(learn(&fixture, true, false, LABEL("tx 4999", 1, 1)), 1);
    assert_int_equal(learn(&fixture, true, false, LABEL("tx 4887", 1, 1)), 1);
    assert_int_equal(counted(&fixture).waiting, 0);
    assert_int_equal(learn(&fixture, true, false, LABEL("tx 4886", 1, 1)), 1);
    assert_int_equal(counted(&fixture).waiting, 1);
    stop(&fixture);
    start(&fixture, endless_text, 5);
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof line, "{\"id\":\"tx %d\",\"ts\":%d,\"shop\":\"a\"}", i, i);
        take(&fixture, line);
    }
    assert_int_equal(counted(&fixture).events, 5000);
    assert_int_equal(learn(&fixture, true, false, LABEL("tx 0", 1, 1)), 1);
    take(&fixture, "{\"id\":\"last\",\"ts\":5000,\"shop\":\"a\"}");
    assert_int_equal(feature(&fixture, 0), 1);
    stop(&fixture);
}

static void test_a_state_kept_otherwise_is_refused(void **unused)
{
    (void)unused;
    struct fixture fixture;
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        for (int learns = 0; learns < 2; learns++) {
            start(&fixture, plan_text, 0);
            durable_abandon(fixture.durable);
            crash_disk_free(fixture.disk);
            fixture.disk = crash_disk_new(1);
            fixture.learns = learns;
            must(&fixture, open_durable(&fixture));
            take(&fixture, EVENT("one", 1));
            if (snapshot)
                must(&fixture, durable_close(fixture.durable, &fixture.error));
            else
                durable_abandon(fixture.durable);
            fixture.durable = NULL;
            crash_disk_kill(fixture.disk);
            fixture.learns = !learns;
            assert_int_equal(open_durable(&fixture), CODE_CONFLICT);
            assert_non_null(strstr(fixture.error.message, learns ? "was kept with --labels: give them"
                                                                 : "was kept without --labels"));
            stop(&fixture);
        }
    }
}

static void test_plans_that_labels_cannot_reach_are_refused(void **unused)
{
    (void)unused;
    static const char *const texts[][2] = {
        {"CREATE TABLE t (id BIGINT, ts BIGINT, y INTEGER DEFAULT 0);\n"
         "COMMENT ON COLUMN t.y IS 'shrike: label, late after=2 steps';\n"
         "SELECT count(*) OVER (ORDER BY ts RANGE 5 PRECEDING) AS n FROM t",
         "declare the id of t as PRIMARY KEY"},
        {"CREATE TABLE t (id BIGINT PRIMARY KEY, ts BIGINT);\n"
         "SELECT count(*) OVER (ORDER BY ts RANGE 5 PRECEDING) AS n FROM t",
         "has no late column"},
        {TABLE "SELECT max(y)" OVER("UNBOUNDED") " AS n FROM tx", "cannot follow labels"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct fixture fixture = {.disk = crash_disk_new(1), .learns = true};
        must(&fixture,
             plan_compile(texts[i][0], strlen(texts[i][0]), "test.sql", &fixture.plan, &fixture.error));
        fixture.model = model_of(fixture.plan);
        assert_int_not_equal(open_durable(&fixture), OK);
        if (!strstr(fixture.error.message, texts[i][1]))
            fail_msg("%s", fixture.error.message);
        model_unref(fixture.model);
        plan_unref(fixture.plan);
        crash_disk_free(fixture.disk);
    }
}

/* Nothing of it is taken then, and the next time it is. */
static void test_a_full_disk_takes_no_label(void **unused)
{
    (void)unused;
    struct fixture fixture;
    uint8_t speaks[] = {1, 0};
    start(&fixture, plan_text, 0);
    take(&fixture, EVENT("one", 1));
    must(&fixture, durable_commit(fixture.durable, durable_position(fixture.durable), &fixture.error));
    crash_disk_set_space(fixture.disk, 0);
    read_rows(&fixture.labels, LABEL("one", 1, 5));
    int rc = OK;
    for (int i = 0; rc == OK && i < 20000; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"id\":\"one\",\"y\":%d,\"when it arrived\":%d}", i % 2, i);
        read_rows(&fixture.labels, line);
        rc = durable_learn(fixture.durable, &(struct label_rows){&fixture.labels, speaks}, &fixture.error);
        if (rc == OK)
            rc = durable_commit(fixture.durable, durable_position(fixture.durable), &fixture.error);
    }
    assert_int_equal(rc, CODE_NO_SPACE);
    crash_disk_set_space(fixture.disk, UINT64_MAX);
    learn(&fixture, true, false, LABEL("one", 1, 100000));
    must(&fixture, durable_commit(fixture.durable, durable_position(fixture.durable), &fixture.error));
    restart(&fixture, false);
    take(&fixture, EVENT("two", 3));
    assert_int_equal(feature(&fixture, 0), 1);
    stop(&fixture);
}

/* Where the journal no longer has what came first, a replay begins with what a snapshot knew of labels. */
static void test_a_replay_begins_in_the_middle(void **unused)
{
    (void)unused;
    struct fixture fixture;
    struct replay *replay;
    struct replayed replayed;
    struct engine *engine;
    struct decisions now;
    struct label_truth *truth;
    struct buffer again;
    bool found = true;
    char line[160];
    int64_t decided = 0, told = 0;
    start(&fixture, plan_text, 5);
    durable_abandon(fixture.durable);
    crash_disk_free(fixture.disk);
    fixture.disk = crash_disk_new(1);
    fixture.segment_bytes = 4096;
    must(&fixture, open_durable(&fixture));
    for (int i = 0; i < 600; i++) {
        /* Of the event ten before, or of the next one. */
        snprintf(line, sizeof line, "{\"id\":\"tx %d\",\"y\":%d,\"when it arrived\":%d}",
                 i % 3 ? i - 10 : i + 1, i % 5 == 0, i);
        learn(&fixture, true, false, line);
        snprintf(line, sizeof line, "{\"id\":\"tx %d\",\"ts\":%d,\"shop\":\"a\"}", i, i);
        take(&fixture, line);
        if (i % 150 == 100)
            must(&fixture, durable_snapshot(fixture.durable, true, &fixture.error));
    }
    must(&fixture, durable_close(fixture.durable, &fixture.error));
    fixture.durable = NULL;
    must(&fixture, replay_open(crash_disk_io(fixture.disk), "/state", &replay, &fixture.error));
    must(&fixture, replay_start(replay, &fixture.error));
    assert_true(replay_first_seq(replay) > 1 && replay_version(replay)->learns);
    struct engine_options options = {
        .state = {.threads = 1, .lateness_us = 5, .learns = true, .forgets = true}, .threshold = NAN};
    must(&fixture, engine_new(fixture.plan, fixture.model, NULL, &options, &engine, &fixture.error));
    must(&fixture, replay_prepare(replay, engine, &fixture.error));
    must(&fixture, replay_truth(replay, &truth, &fixture.error));
    buffer_init(&again, 1 << 20);
    for (;;) {
        must(&fixture, replay_next(replay, &found, &replayed, &fixture.error));
        if (!found)
            break;
        if (replayed.labels) {
            told += replayed.labels->rows->length;
            must(&fixture, replay_learn(replay, engine, replayed.labels, &fixture.error));
        }
        if (!replayed.events)
            continue;
        replay_number(engine, replayed.seq);
        must(&fixture, engine_take(engine, replayed.events, &now, &fixture.error));
        must(&fixture, replay_taken(replay, engine, replayed.events, replayed.seq, &fixture.error));
        buffer_clear(&again);
        record_decisions(replayed.decided->version, replayed.seq, &now, &again);
        assert_int_equal(again.size, replayed.body.size);
        assert_memory_equal(again.data, replayed.body.data, again.size);
        decided++;
    }
    assert_true(decided > 30 && decided < 600 && told > 30);
    read_rows(&fixture.events, EVENT("tx 580", 1) "\n" EVENT("tx 583", 1) "\n" EVENT("nobody", 1));
    for (int64_t i = 0; i < 3; i++) {
        struct id_key key = id_key_of(&fixture.events.columns[0], &fixture.events.schema->fields[0].type, i);
        static const int expected[] = {1, 0, -1}; /* as i = 590 says against 579, and 593 */
        assert_int_equal(label_truth_find(truth, key), expected[i]);
    }
    label_truth_free(truth);
    buffer_done(&again);
    engine_free(engine);
    replay_close(replay);
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_changes_nothing_is_not_written),
        cmocka_unit_test(test_each_column_has_its_own_label),
        cmocka_unit_test(test_events_in_no_window_are_outside),
        cmocka_unit_test(test_a_label_waits_as_long_as_its_event_may_come),
        cmocka_unit_test(test_an_event_that_is_waited_for_is_the_last_of_its_batch),
        cmocka_unit_test(test_events_are_kept_as_long_as_labels_matter),
        cmocka_unit_test(test_a_state_kept_otherwise_is_refused),
        cmocka_unit_test(test_plans_that_labels_cannot_reach_are_refused),
        cmocka_unit_test(test_a_full_disk_takes_no_label),
        cmocka_unit_test(test_a_replay_begins_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
