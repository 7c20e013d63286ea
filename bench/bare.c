/*
 * A yardstick for bench_windows: the bare work of the handbook's 12 windows, for this plan and these columns
 * alone. Rings of events per customer and terminal, exact sums, correctly rounded means but for one in some
 * millions, memory asked for ahead, results in columns of 4,096 rows. No keys to find (ids index an array),
 * no NULLs, nothing late, no expressions, nothing given back.
 *
 *   bench_bare PLAN.sql FILE [--rounds N]        PLAN.sql: examples/handbook/published.sql
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "feature/exact.h"

#include "read_all.h"

enum { WINDOWS = 3, SLICE = 4096, FIRST = 4, ENTITY_AHEAD = 24, RING_AHEAD = 12 };

static const int64_t day = INT64_C(86400000000), delay = 7 * INT64_C(86400000000);
static const int64_t lengths[WINDOWS] = {1, 7, 30};

struct __attribute__((packed)) event {
    int64_t time;
    double value;
    char mark;
};

struct entity {
    struct event *ring;
    uint32_t first, end, capacity, low[WINDOWS], high;
    int32_t count[WINDOWS];
    __int128 sum[WINDOWS];
};

/* Columns, as arrays. */
struct input {
    int64_t n, *times;
    uint32_t *customers, *terminals, n_customers, n_terminals;
    double *amounts, *frauds;
};

struct output {
    double *values[4 * WINDOWS];
    uint8_t *states[4 * WINDOWS];
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static struct event *at(const struct entity *entity, uint32_t position)
{
    return &entity->ring[position & (entity->capacity - 1)];
}

static __attribute__((noinline)) void grow(struct entity *entity)
{
    struct entity old = *entity;
    entity->capacity = old.capacity ? 2 * old.capacity : FIRST;
    entity->ring = must(malloc(entity->capacity * sizeof *entity->ring));
    for (uint32_t p = old.first; p != old.end; p++)
        *at(entity, p) = *at(&old, p);
    free(old.ring);
}

static inline void append(struct entity *entity, int64_t time, double value)
{
    if (entity->end - entity->first == entity->capacity)
        grow(entity);
    *at(entity, entity->end++) = (struct event){time, value, 1};
}

static inline __int128 grid_of(double value)
{
    __int128 grid = 0;
    if (!exact_is_usual(value, &grid))
        (void)exact_on_grid(value, &grid);
    return grid;
}

static inline void put(const struct output *output, int column, int64_t row, double value, bool state)
{
    output->values[column][row % SLICE] = value;
    output->states[column][row % SLICE] = state;
}

static inline __attribute__((always_inline)) void take_customer(const struct input *input, int64_t i,
                                                                struct entity *entity,
                                                                const struct output *output)
{
    __int128 gain = grid_of(input->amounts[i]);
    append(entity, input->times[i], input->amounts[i]);
    for (int w = 0; w < WINDOWS; w++) {
        uint32_t low = entity->low[w];
        int64_t oldest = input->times[i] - lengths[w] * day;
        __int128 sum = entity->sum[w] + gain;
        double mean = 0;
        int32_t count = entity->count[w] + 1;
        for (; at(entity, low)->time <= oldest; low++, count--)
            sum -= grid_of(at(entity, low)->value);
        entity->low[w] = low;
        entity->sum[w] = sum;
        entity->count[w] = count;
        (void)exact_divide(sum, (uint64_t)count, &mean);
        put(output, 2 * w, i, (double)(entity->end - low), true);
        put(output, 2 * w + 1, i, mean * EXACT_UNIT, true);
    }
    entity->first = entity->low[WINDOWS - 1];
}

static inline __attribute__((always_inline)) void take_terminal(const struct input *input, int64_t i,
                                                                struct entity *entity,
                                                                const struct output *output)
{
    int64_t time = input->times[i] - delay, gain = 0;
    uint32_t high = entity->high;
    append(entity, input->times[i], input->frauds[i]);
    for (; at(entity, high)->time <= time; high++)
        gain += (int64_t)at(entity, high)->value;
    for (int w = 0; w < WINDOWS; w++) {
        uint32_t low = entity->low[w];
        int64_t oldest = time - lengths[w] * day, sum = (int64_t)entity->sum[w] + gain;
        int32_t count = entity->count[w] + (int32_t)(high - entity->high);
        for (; at(entity, low)->time <= oldest; low++, count--)
            sum -= (int64_t)at(entity, low)->value;
        entity->low[w] = low;
        entity->sum[w] = sum;
        entity->count[w] = count;
        put(output, 6 + 2 * w, i, (double)(high - low), true);
        put(output, 7 + 2 * w, i, count ? (double)sum / count : 0, count != 0);
    }
    entity->high = high;
    entity->first = entity->low[WINDOWS - 1];
}

static inline __attribute__((always_inline)) void look_ahead(const struct input *input, int64_t i,
                                                             struct entity *entities, const uint32_t *ids)
{
    if (i + ENTITY_AHEAD < input->n)
        for (size_t line = 0; line < sizeof *entities; line += 64)
            __builtin_prefetch((char *)&entities[ids[i + ENTITY_AHEAD]] + line);
    if (i + RING_AHEAD >= input->n || !entities[ids[i + RING_AHEAD]].capacity)
        return;
    const struct entity *entity = &entities[ids[i + RING_AHEAD]];
    const uint32_t cursors[] = {entity->low[0], entity->low[1], entity->low[2], entity->high, entity->end};
    for (size_t c = 0; c < sizeof cursors / sizeof *cursors; c++) {
        __builtin_prefetch(at(entity, cursors[c]));
        __builtin_prefetch((char *)at(entity, cursors[c]) + sizeof(struct event) + 7);
    }
}

static void measure(const struct input *input, const struct output *output)
{
    struct entity *customers = must(memory_new(input->n_customers, sizeof *customers)),
                  *terminals = must(memory_new(input->n_terminals, sizeof *terminals));
    double check = 0;
    int64_t cpu = clock_process_cpu_ns();
    for (int64_t from = 0, to; from < input->n; from = to) {
        to = from + SLICE < input->n ? from + SLICE : input->n;
        for (int64_t i = from; i < to; i++) {
            look_ahead(input, i, customers, input->customers);
            take_customer(input, i, &customers[input->customers[i]], output);
        }
        for (int64_t i = from; i < to; i++) {
            look_ahead(input, i, terminals, input->terminals);
            take_terminal(input, i, &terminals[input->terminals[i]], output);
        }
        for (int c = 0; c < 4 * WINDOWS; c++)
            for (int64_t i = from; i < to; i++)
                check += output->states[c][i % SLICE] ? output->values[c][i % SLICE] : 0;
    }
    cpu = clock_process_cpu_ns() - cpu;
    printf("%lld events: %.2f M events/s CPU (all values together: %.9g)\n", (long long)input->n,
           (double)input->n / (double)cpu * 1e3, check);
    for (uint32_t e = 0; e < input->n_customers; e++)
        free(customers[e].ring);
    for (uint32_t e = 0; e < input->n_terminals; e++)
        free(terminals[e].ring);
    free(customers);
    free(terminals);
}

static uint32_t *ids_of(const struct table *events, const char *name, uint32_t *ret_n)
{
    int c = schema_find(events->schema, name);
    uint32_t *ids = must(memory_new((size_t)events->length, sizeof *ids));
    for (int64_t i = 0; i < events->length; i++) {
        ids[i] = (uint32_t)column_int(&events->columns[c], &events->schema->fields[c].type, i);
        *ret_n = ids[i] >= *ret_n ? ids[i] + 1 : *ret_n;
    }
    return ids;
}

static double *numbers_of(const struct table *events, const char *name)
{
    int c = schema_find(events->schema, name);
    double *numbers = must(memory_new((size_t)events->length, sizeof *numbers));
    for (int64_t i = 0; i < events->length; i++)
        numbers[i] = column_double(&events->columns[c], &events->schema->fields[c].type, i);
    return numbers;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    struct plan *plan;
    struct table events;
    struct input input = {0};
    struct output output;
    char text[2048];
    int rounds = argc == 5 && strcmp(argv[3], "--rounds") == 0 ? (int)strtol(argv[4], NULL, 10) : 3;
    if (argc != 3 && argc != 5) {
        fprintf(stderr, "usage: bench_bare PLAN.sql FILE [--rounds N]\n");
        return 2;
    }
    int rc = plan_load(argv[1], &plan, &error);
    if (rc == OK)
        rc = table_init(&events, plan_events(plan), &error);
    if (rc == OK)
        rc = read_all(argv[2], plan, &events, &error);
    if (rc != OK) {
        fprintf(stderr, "%s\n", error_format(&error, text, sizeof text));
        return 1;
    }
    int ts = schema_find(events.schema, "ts");
    input.n = events.length;
    input.times = must(memory_new((size_t)events.length, sizeof *input.times));
    for (int64_t i = 0; i < events.length; i++)
        input.times[i] = column_int(&events.columns[ts], &events.schema->fields[ts].type, i);
    input.customers = ids_of(&events, "customer_id", &input.n_customers);
    input.terminals = ids_of(&events, "terminal_id", &input.n_terminals);
    input.amounts = numbers_of(&events, "amount");
    input.frauds = numbers_of(&events, "is_fraud");
    for (int c = 0; c < 4 * WINDOWS; c++) {
        output.values[c] = must(memory_new(SLICE, sizeof(double)));
        output.states[c] = must(memory_new(SLICE, 1));
    }
    for (int r = 0; r < rounds; r++)
        measure(&input, &output);
    for (int c = 0; c < 4 * WINDOWS; c++) {
        free(output.values[c]);
        free(output.states[c]);
    }
    free(input.times);
    free(input.customers);
    free(input.terminals);
    free(input.amounts);
    free(input.frauds);
    table_done(&events);
    plan_unref(plan);
    return 0;
}
