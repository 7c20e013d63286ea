/*
 * Fuzzing of what windows remember, as bytes (libFuzzer): they are refused with a reason, or the state that
 * is made of them takes events and can be saved and loaded again.
 *
 * The first byte says whether the head is put right, so that the fuzzer gets behind it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "feature/state.h"

static const char sql[] =
    "CREATE TABLE t (ts TIMESTAMP, card VARCHAR, amount DOUBLE, kind ENUM('a', 'b', 'c'), shop VARCHAR);\n"
    "WITH inner_one AS (SELECT *, count(*) OVER (PARTITION BY shop ORDER BY ts\n"
    "    RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) AS n FROM t)\n"
    "SELECT sum(amount) OVER day AS s, stddev_samp(amount) OVER ever AS v, min(shop) OVER ever AS earliest,\n"
    "  count(DISTINCT shop) OVER ever AS shops, count(DISTINCT kind) OVER day AS kinds,\n"
    "  last_value(kind) OVER past AS last_kind, max(amount) OVER day AS largest,\n"
    "  lag(amount) OVER card AS before_it, max(n) OVER day AS most\n"
    "FROM inner_one WINDOW card AS (PARTITION BY card ORDER BY ts),\n"
    "  day AS (card RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW),\n"
    "  past AS (card RANGE BETWEEN INTERVAL 3 DAY PRECEDING AND INTERVAL 1 HOUR PRECEDING),\n"
    "  ever AS (card RANGE UNBOUNDED PRECEDING);";

enum { HEAD = 8 + 64, EVENTS = 40 }; /* HEAD: magic and the plan's hash */

static struct plan *plan;
static struct table events;
static struct buffer good; /* a state of some events */

static void must(bool fine)
{
    if (!fine)
        abort();
}

static int put(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "a state", error);
}

struct reading {
    const uint8_t *data;
    size_t size, at;
};

static int get(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    struct reading *reading = context;
    size_t left = reading->size - reading->at, n = left < capacity ? left : capacity;
    (void)error;
    memcpy(data, reading->data + reading->at, n);
    reading->at += n;
    *ret_size = n;
    return OK;
}

static void make_events(void)
{
    must(table_init(&events, plan_events(plan), NULL) == OK && table_reserve(&events, EVENTS, NULL) == OK);
    const struct field *fields = events.schema->fields;
    for (int i = 0; i < EVENTS; i++) {
        char card[2] = {(char)('a' + i % 5)}, shop[2] = {(char)('p' + i * 7 % 11)};
        column_append_int(&events.columns[0], &fields[0].type, i * INT64_C(3600000000));
        must(column_append_text(&events.columns[1], card, 1, NULL) == OK);
        column_append_double(&events.columns[2], &fields[2].type, i % 3 ? i * 1.1 : 1e300);
        column_append_int(&events.columns[3], &fields[3].type, i % 3);
        must(column_append_text(&events.columns[4], shop, 1, NULL) == OK);
    }
    events.length = EVENTS;
}

static struct state *new_state(void)
{
    struct state_options options = {.threads = 1, .lateness_us = INT64_C(3600000000)};
    struct state *state;
    must(state_new(plan, &options, &state, NULL) == OK);
    return state;
}

static void take(struct state *state)
{
    struct table features;
    must(table_init(&features, plan_features(plan), NULL) == OK);
    /* What was loaded may be anything; that it ends in an error is fine. */
    state_take(state, &events, &features, NULL);
    table_done(&features);
}

static void prepare(void)
{
    must(plan_compile(sql, strlen(sql), "fuzz.sql", &plan, NULL) == OK);
    make_events();
    struct state *state = new_state();
    take(state);
    buffer_init(&good, 1 << 24);
    must(state_save(state, put, &good, NULL) == OK);
    state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct buffer again;
    if (size < 1)
        return 0;
    if (!plan)
        prepare();
    size_t n = size - 1;
    uint8_t *bytes = malloc(n + 1);
    must(bytes != NULL);
    memcpy(bytes, data + 1, n);
    if (data[0] & 1)
        memcpy(bytes, good.data, n < HEAD ? n : HEAD);
    struct reading reading = {bytes, n, 0};
    struct state *state = new_state();
    int rc = state_load(state, get, &reading, &error);
    must(rc == OK || ((rc == CODE_CORRUPT || rc == CODE_MEMORY) && error.message[0]));
    take(state);
    buffer_init(&again, 1 << 28);
    if (rc == OK && state_save(state, put, &again, NULL) == OK) {
        struct state *other = new_state();
        reading = (struct reading){(const uint8_t *)again.data, again.size, 0};
        must(state_load(other, get, &reading, &error) == OK);
        state_free(other);
    }
    buffer_done(&again);
    state_free(state);
    free(bytes);
    return 0;
}
