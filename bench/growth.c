/*
 * How the cost of an event grows: with the length of a window, the events of an entity, the number of windows
 * and of entities, and the share of late events; what retained events take in memory; and how long a single
 * event takes. Prints the tables of docs/performance.md. Events are made in memory; no file is read or
 * written but the handbook's plan.
 *
 *   bench_growth [--quick] [--only TABLE] [--rounds N] [--handbook PLAN.sql]
 *
 * Costs are nanoseconds of CPU time per event, batches of 16,384, one thread, windows full: the least of
 * seven stretches of 100,000 events, because what else a machine does only adds. Latencies are those of
 * batches of one: the same events are taken in several rounds, each by a new state, and every event has the
 * least of its times, so that what the machine did meanwhile drops out and what the engine did stays.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "feature/state.h"

enum { BATCH = 16384, STRETCHES = 7, SQL_MOST = 1 << 16 };

static const int64_t SECOND = 1000000, HOUR = 3600 * SECOND, DAY = 24 * HOUR, START = 1700000000 * SECOND;

static struct {
    bool quick;
    const char *only, *handbook;
    int rounds;
} settings = {.rounds = 3, .handbook = "examples/handbook/features.sql"};

/* An event every step_us. Entities are drawn evenly; 0 of them: each event has another. */
struct stream {
    int64_t customers, terminals, step_us;
    double late;     /* share of events that come late, */
    int64_t late_us; /* by at most so much */
    bool rising;     /* amounts */
};

struct run {
    struct plan *plan;
    struct state *state;
    struct stream stream;
    struct table events, features;
    int64_t next;
};

static void must(int rc, const struct error *error)
{
    char text[2048];
    if (rc == OK)
        return;
    fprintf(stderr, "%s\n", error_format(error, text, sizeof text));
    exit(1);
}

/* Fewer where it has to be quick. */
static int64_t scaled(int64_t n)
{
    return settings.quick ? n / 16 : n;
}

static struct plan *compile(const char *features, const char *windows)
{
    static const char columns[] = "tx_id BIGINT PRIMARY KEY, ts TIMESTAMP, customer_id INTEGER, terminal_id "
                                  "INTEGER, amount DOUBLE, is_fraud TINYINT DEFAULT 0";
    struct buffer sql;
    struct error error = {0};
    struct plan *plan = NULL;
    buffer_init(&sql, SQL_MOST);
    buffer_format(&sql, "CREATE TABLE transactions (%s); SELECT %s FROM transactions WINDOW %s", columns,
                  features, windows);
    must(buffer_check(&sql, "the plan", &error), &error);
    must(plan_compile(sql.data, sql.size, "bench", &plan, &error), &error);
    buffer_done(&sql);
    return plan;
}

/* One window `w` of so many seconds over `key`. */
static struct plan *compile_one(const char *features, const char *key, int64_t length_us)
{
    char windows[256];
    snprintf(
        windows, sizeof windows,
        "w AS (PARTITION BY %s ORDER BY ts RANGE BETWEEN INTERVAL %lld SECOND PRECEDING AND CURRENT ROW)",
        key, (long long)(length_us / SECOND));
    return compile(features, windows);
}

static void run_init(struct run *run, struct plan *plan, const struct stream *stream)
{
    struct state_options options = {.threads = 1, .lateness_us = stream->late_us};
    struct error error = {0};
    *run = (struct run){.plan = plan_ref(plan), .stream = *stream};
    must(state_new(plan, &options, &run->state, &error), &error);
    must(table_init(&run->events, plan_events(plan), &error), &error);
    must(table_init(&run->features, plan_features(plan), &error), &error);
}

static void run_done(struct run *run)
{
    state_free(run->state);
    table_done(&run->events);
    table_done(&run->features);
    plan_unref(run->plan);
}

static int64_t draw(int64_t i, int64_t n, uint64_t purpose)
{
    return n ? (int64_t)(hash_word((uint64_t)i, purpose) % (uint64_t)n) : i;
}

/* The events that come next, in the columns of the plan's CREATE TABLE. */
static void make_events(struct run *run, int64_t n)
{
    const struct stream *stream = &run->stream;
    const struct field *fields = plan_events(run->plan)->fields;
    struct column *columns = run->events.columns;
    struct error error = {0};
    table_clear(&run->events);
    must(table_reserve(&run->events, n, &error), &error);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = run->next++, time = START + i * stream->step_us;
        if ((double)draw(i, 1000000, 1) < stream->late * 1e6)
            time -= draw(i, stream->late_us, 2);
        double amount = stream->rising ? (double)i : (double)draw(i, 50000, 3) / 100;
        column_append_int(&columns[0], &fields[0].type, i);
        column_append_int(&columns[1], &fields[1].type, time);
        column_append_int(&columns[2], &fields[2].type, draw(i, stream->customers, 4));
        column_append_int(&columns[3], &fields[3].type, draw(i, stream->terminals, 5));
        column_append_double(&columns[4], &fields[4].type, amount);
        column_append_int(&columns[5], &fields[5].type, draw(i, 100, 6) == 0);
    }
    run->events.length = n;
}

/* Takes n events; nanoseconds of CPU time. */
static int64_t take(struct run *run, int64_t n)
{
    struct error error = {0};
    int64_t spent = 0;
    for (int64_t from = 0; from < n; from += BATCH) {
        make_events(run, n - from < BATCH ? n - from : BATCH);
        int64_t before = clock_process_cpu_ns();
        must(state_take(run->state, &run->events, &run->features, &error), &error);
        spent += clock_process_cpu_ns() - before;
    }
    return spent;
}

static int compare_longs(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds of CPU time per event once `fill` events were taken. Gives the plan back. */
static double cost(struct plan *plan, const struct stream *stream, int64_t fill)
{
    struct run run;
    int64_t least = INT64_MAX, n = scaled(100000);
    run_init(&run, plan, stream);
    take(&run, fill);
    for (int i = 0; i < STRETCHES; i++) {
        int64_t spent = take(&run, n);
        least = spent < least ? spent : least;
    }
    run_done(&run);
    plan_unref(plan);
    return (double)least / (double)n;
}

struct latencies {
    int64_t *least, *first; /* per event: of all rounds, of the first */
    bool *moved;            /* it took memory from the system, or gave some back */
    int64_t n;
};

/* Takes n events one by one after `fill` others. */
static void measure_latencies(struct plan *plan, const struct stream *stream, int64_t fill, int64_t n,
                              struct latencies *ret)
{
    struct error error = {0};
    *ret = (struct latencies){.least = memory_new((size_t)n, sizeof *ret->least),
                              .first = memory_new((size_t)n, sizeof *ret->first),
                              .moved = memory_new((size_t)n, sizeof *ret->moved),
                              .n = n};
    if (!ret->least || !ret->first || !ret->moved)
        must(error_set(&error, CODE_MEMORY, "no memory for %lld times", (long long)n), &error);
    for (int r = 0; r < settings.rounds; r++) {
        struct run run;
        run_init(&run, plan, stream);
        take(&run, fill);
        for (int64_t i = 0; i < n; i++) {
            make_events(&run, 1);
            int64_t bytes = state_bytes(run.state), time = clock_monotonic_ns();
            must(state_take(run.state, &run.events, &run.features, &error), &error);
            time = clock_monotonic_ns() - time;
            if (r == 0) {
                ret->first[i] = time;
                ret->moved[i] = state_bytes(run.state) != bytes;
            }
            if (r == 0 || time < ret->least[i])
                ret->least[i] = time;
        }
        run_done(&run);
    }
    plan_unref(plan);
}

static void latencies_done(struct latencies *latencies)
{
    free(latencies->least);
    free(latencies->first);
    free(latencies->moved);
}

/* Sorts. Microseconds that the share `quantile` of the times does not exceed. */
static double quantile_us(int64_t *times, int64_t n, double quantile)
{
    qsort(times, (size_t)n, sizeof *times, compare_longs);
    int64_t rank = (int64_t)((double)n * quantile);
    return n ? (double)times[rank < n ? rank : n - 1] / 1e3 : 0;
}

static bool wanted(const char *table, const char *title)
{
    if (settings.only && strcmp(settings.only, table) != 0)
        return false;
    printf("\n### %s\n\n", title);
    return true;
}

/* What windows compute: the columns of most tables. */
struct kind {
    const char *name, *features;
};
static const struct kind KINDS[] = {{"sum, avg", "sum(amount) OVER w AS a, avg(amount) OVER w AS b"},
                                    {"stddev", "stddev_samp(amount) OVER w AS a"},
                                    {"min, max", "min(amount) OVER w AS a, max(amount) OVER w AS b"},
                                    {"distinct", "count(DISTINCT terminal_id) OVER w AS a"}};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS, TERMINALS = 1000 };

static void print_kinds(const char *first, const char *second)
{
    printf("| %s | %s |", first, second);
    for (int k = 0; k < N_KINDS; k++)
        printf(" %s |", KINDS[k].name);
    printf("\n|---|---|");
    for (int k = 0; k < N_KINDS; k++)
        printf("---|");
    printf("\n");
}

/* The cost of each kind with a window that holds `inside` events of each of `customers`. */
static void print_costs(const struct stream *stream, int64_t length_us, int64_t inside)
{
    for (int k = 0; k < N_KINDS; k++) {
        int64_t fill = inside * stream->customers * 11 / 10;
        printf(" %.0f |", cost(compile_one(KINDS[k].features, "customer_id", length_us), stream, fill));
        fflush(stdout);
    }
    printf("\n");
}

static void by_length(void)
{
    static const int days[] = {0, 1, 7, 30, 90, 365};
    int64_t customers = scaled(1000);
    struct stream stream = {customers, TERMINALS, HOUR / customers, 0, 0, false};
    if (!wanted("length", "Length of the window"))
        return;
    printf("%lld customers with a payment an hour each; ns of CPU per event.\n\n", (long long)customers);
    print_kinds("window", "events inside");
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        int64_t length = days[i] ? days[i] * DAY : HOUR;
        printf("| %d %s | %lld |", days[i] ? days[i] : 1, days[i] ? "d" : "h", (long long)(length / HOUR));
        print_costs(&stream, length, length / HOUR);
    }
}

static void by_events(void)
{
    int64_t all = scaled(1 << 20);
    if (!wanted("events", "Events of an entity"))
        return;
    printf("%lld events retained in all, by fewer and fewer entities; a window of 30 days; ns of CPU per "
           "event.\n\n",
           (long long)all);
    print_kinds("entities", "events of each");
    for (int64_t inside = 16; inside <= all; inside *= 16) {
        struct stream stream = {all / inside, TERMINALS, 30 * DAY / all, 0, 0, false};
        printf("| %lld | %lld |", (long long)stream.customers, (long long)inside);
        print_costs(&stream, 30 * DAY, inside);
    }
}

/* One entity with `all` events against `all` / 100 with 100 each. */
static void print_hot(const struct kind *kind, int64_t terminals, bool rising, int64_t all)
{
    double costs[2];
    struct stream streams[2] = {{all / 100, terminals, 30 * DAY / all, 0, 0, rising},
                                {1, terminals, 30 * DAY / all, 0, 0, rising}};
    for (int i = 0; i < 2; i++)
        costs[i] = cost(compile_one(kind->features, "customer_id", 30 * DAY), &streams[i], all * 11 / 10);
    printf("| %s | %.0f | %.0f | %.1f |", kind->name, costs[0], costs[1], costs[1] / costs[0]);
    for (int i = 0; i < 2; i++) {
        struct latencies latencies;
        struct plan *plan = compile_one(kind->features, "customer_id", 30 * DAY);
        measure_latencies(plan, &streams[i], 0, all * 3 / 2, &latencies);
        printf(" %.2f | %.1f |", quantile_us(latencies.least, latencies.n, 0.999),
               quantile_us(latencies.least, latencies.n, 1));
        latencies_done(&latencies);
    }
    printf("\n");
    fflush(stdout);
}

static void hot_entity(void)
{
    int64_t all = scaled(1000000);
    const struct kind rising = {"min, max of values that only rise", KINDS[2].features};
    const struct kind different = {"distinct, all different", KINDS[3].features};
    if (!wanted("hot", "A hot entity"))
        return;
    printf("Cards of 100 events each, and one hot entity with %lld; either way %lld retained, a window of 30 "
           "days.\nns of CPU per event; us of single events, from the first on until half as many again were "
           "taken.\n\n",
           (long long)all, (long long)all);
    printf("| | card | hot | hot / card | card p99.9 | card max | hot p99.9 | hot max |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (int k = 0; k < N_KINDS; k++)
        print_hot(&KINDS[k], TERMINALS, false, all);
    print_hot(&rising, TERMINALS, true, all);
    print_hot(&different, 0, false, all);
}

/* n windows of different lengths, the longest of 30 days, with one aggregate each. */
static struct plan *compile_many(const char *call, int n)
{
    struct buffer features, windows;
    buffer_init(&features, SQL_MOST);
    buffer_init(&windows, SQL_MOST);
    buffer_text(&windows, "k AS (PARTITION BY customer_id ORDER BY ts)");
    for (int i = 1; i <= n; i++) {
        buffer_format(&features, "%s%s OVER w%d AS f%d", i > 1 ? ", " : "", call, i, i);
        buffer_format(&windows, ", w%d AS (k RANGE BETWEEN INTERVAL %lld SECOND PRECEDING AND CURRENT ROW)",
                      i, (long long)(30 * DAY / SECOND / n * i));
    }
    struct plan *plan = compile(features.data, windows.data);
    buffer_done(&features);
    buffer_done(&windows);
    return plan;
}

static void by_windows(void)
{
    static const char *const calls[N_KINDS] = {"sum(amount)", "stddev_samp(amount)", "max(amount)",
                                               "count(DISTINCT terminal_id)"};
    struct stream stream = {scaled(3200), TERMINALS, 30 * DAY / scaled(320000), 0, 0, false};
    if (!wanted("windows", "Number of windows"))
        return;
    printf(
        "%lld customers with 100 payments in 30 days; windows of different lengths, the longest of 30 days; "
        "ns of CPU per event.\n\n",
        (long long)stream.customers);
    printf("| windows | %s | %s | %s | %s |\n|---|---|---|---|---|\n", calls[0], calls[1], calls[2],
           calls[3]);
    for (int n = 1; n <= 64; n *= 2) {
        printf("| %d |", n);
        for (int k = 0; k < N_KINDS; k++) {
            printf(" %.0f |", cost(compile_many(calls[k], n), &stream, scaled(352000)));
            fflush(stdout);
        }
        printf("\n");
    }
}

/* Four payments of each customer in 30 days. */
static void print_entities(int64_t customers)
{
    static const char features[] = "count(*) OVER w AS a, sum(amount) OVER w AS b";
    struct stream stream = {customers, TERMINALS, 30 * DAY / 4 / customers, 0, 0, false};
    struct plan *plan = compile_one(features, "customer_id", 30 * DAY);
    struct run run;
    struct state_counters counters;
    struct latencies latencies;
    run_init(&run, plan, &stream);
    plan_unref(plan);
    take(&run, customers * 9 / 2);
    int64_t n = scaled(1000000), spent = take(&run, n);
    state_counters(run.state, &counters);
    printf("| %lld | %.0f | %.0f |", (long long)customers, (double)spent / (double)n,
           (double)counters.bytes / (double)counters.entities);
    run_done(&run);
    stream.customers = 0; /* each event brings another */
    measure_latencies(compile_one(features, "customer_id", 30 * DAY), &stream, 0, customers, &latencies);
    printf(" %.2f | %.0f |\n", quantile_us(latencies.least, latencies.n, 0.999),
           quantile_us(latencies.least, latencies.n, 1));
    latencies_done(&latencies);
    fflush(stdout);
}

static void by_entities(void)
{
    if (!wanted("entities", "Number of entities"))
        return;
    printf(
        "Four payments of each customer in a window of 30 days, count and sum. ns of CPU per event; bytes of "
        "state per entity; us of single\nevents while all these entities appear, one with each event.\n\n");
    printf("| entities | ns | bytes | new: p99.9 | new: max |\n|---|---|---|---|---|\n");
    for (int64_t customers = 1000; customers <= scaled(10000000); customers *= 10)
        print_entities(customers);
}

static void by_lateness(void)
{
    static const double shares[] = {0, 0.001, 0.01, 0.1, 0.5};
    static const int sets[] = {0, 2, 3};
    int64_t all = scaled(1000000);
    if (!wanted("late", "Late events"))
        return;
    printf("Events come up to a day late. A card has 100 events in its window of 30 days, so up to 3 came "
           "since; "
           "a busy one 10,000,\nso up to 333. ns of CPU per event.\n\n");
    printf("| late |");
    for (int busy = 0; busy < 2; busy++)
        for (size_t k = 0; k < 3; k++)
            printf(" %s: %s |", busy ? "busy" : "card", KINDS[sets[k]].name);
    printf("\n|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        printf("| %g %% |", shares[i] * 100);
        for (size_t k = 0; k < 6; k++) {
            struct stream stream = {
                k < 3 ? all / 100 : all / 10000, TERMINALS, 30 * DAY / all, shares[i], DAY, false};
            struct plan *plan = compile_one(KINDS[sets[k % 3]].features, "customer_id", 30 * DAY);
            printf(" %.0f |", cost(plan, &stream, all * 11 / 10));
            fflush(stdout);
        }
        printf("\n");
    }
}

/* The handbook's 12 windows, six for each of two entities; their longest reach 30 and 37 days back. */
static struct plan *handbook(void)
{
    struct error error = {0};
    struct plan *plan = NULL;
    must(plan_load(settings.handbook, &plan, &error), &error);
    return plan;
}

/* Bytes of memory that the process holds now. malloc is asked to give back what it keeps. */
static int64_t resident(void)
{
    long long pages = 0;
    malloc_trim(0);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*s %lld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* What so many events of so many entities take. */
static void print_state(const char *name, struct plan *plan, int groups, int columns, int64_t all,
                        int64_t each)
{
    struct stream stream = {all / each, all / each, 30 * DAY / all, 0, 0, false};
    struct state_counters counters;
    struct run run;
    int64_t before = resident();
    run_init(&run, plan, &stream);
    take(&run, all * (groups > 1 ? 38 : 31) / 30);
    state_counters(run.state, &counters);
    int64_t after = resident();
    double per_event = (double)counters.bytes / (double)counters.retained;
    printf("| %s | %lld | %.1f | %.0f | %.0f | %.1f | %.1f |\n", name, (long long)each,
           (double)counters.retained / 1e6, (double)counters.bytes / (1 << 20),
           (double)(after - before) / (1 << 20), per_event, per_event * groups / columns);
    fflush(stdout);
    run_done(&run);
    plan_unref(plan);
}

static void state_memory(void)
{
    static const int64_t each[] = {10, 100, 1000};
    int64_t all = scaled(10000000);
    if (!wanted("state", "Memory of retained events"))
        return;
    printf(
        "%lld events in the longest window. MiB as the state counts them, and by how much the process grew, "
        "with "
        "what a batch needs;\nbytes per retained event, and the same by window column that looks at it.\n\n",
        (long long)all);
    printf("| windows | events per entity | retained, M | MiB | process, MiB | per event | per column |\n"
           "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        print_state("the handbook's 12", handbook(), 2, 12, all, each[i]);
        for (int k = 0; k < N_KINDS; k += k ? 1 : 2) /* deviations keep what sums keep */
            print_state(KINDS[k].name, compile_one(KINDS[k].features, "customer_id", 30 * DAY), 1,
                        k < 3 ? 2 : 1, all, each[i]);
    }
}

static void print_quantiles(const char *name, int64_t *times, int64_t n)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    printf("| %s | %lld |", name, (long long)n);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        printf(" %.2f |", quantile_us(times, n, quantiles[i]));
    printf("\n");
}

/* The clock itself, read twice. */
static void print_clock(void)
{
    enum { READINGS = 100000 };
    static int64_t times[READINGS];
    for (int i = 0; i < READINGS; i++) {
        times[i] = clock_monotonic_ns();
        times[i] = clock_monotonic_ns() - times[i];
    }
    print_quantiles("the clock alone", times, READINGS);
}

/* What the times of single events come from. */
static void print_causes(const struct latencies *latencies)
{
    /* entities.c looks for memory to give back so often. */
    enum { SWEEP = 64, SWEEPING = 0, MOVED, OTHER, CAUSES };
    static const char *const names[CAUSES] = {"every 64th: it looks for memory to give back",
                                              "of the others, those that allocate or free", "all others"};
    struct error error = {0};
    int64_t *times = memory_new((size_t)latencies->n, sizeof *times);
    if (!times)
        must(error_set(&error, CODE_MEMORY, "no memory for the times"), &error);
    for (int cause = 0; cause < CAUSES; cause++) {
        int64_t n = 0;
        for (int64_t i = 0; i < latencies->n; i++)
            if (cause == (i % SWEEP == SWEEP - 1 ? SWEEPING : latencies->moved[i] ? MOVED : OTHER))
                times[n++] = latencies->least[i];
        print_quantiles(names[cause], times, n);
    }
    free(times);
}

static void online(void)
{
    static const int64_t counts[] = {100, 100000};
    if (!wanted("online", "One event at a time"))
        return;
    printf("The handbook's plan, features only; as many terminals as customers, two payments a day of each; "
           "windows full.\nus of single events.\n");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t customers = counts[i] > 100 ? scaled(counts[i]) : counts[i];
        struct stream stream = {customers, customers, DAY / 2 / customers, 0, 0, false};
        struct latencies latencies;
        printf("\n| %lld customers | events | p50 | p90 | p99 | p99.9 | p99.99 | max |\n"
               "|---|---|---|---|---|---|---|---|\n",
               (long long)customers);
        /* Whole batches first: then every 64th of the single events looks for memory to give back. */
        int64_t fill = (2 * customers * 38 / BATCH + 1) * BATCH;
        measure_latencies(handbook(), &stream, fill, scaled(1000000), &latencies);
        print_quantiles("one round", latencies.first, latencies.n);
        print_causes(&latencies);
        print_quantiles("least of all rounds", latencies.least, latencies.n);
        latencies_done(&latencies);
    }
    print_clock();
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            settings.quick = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            settings.only = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            settings.rounds = (int)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--handbook") == 0 && i + 1 < argc) {
            settings.handbook = argv[++i];
        } else {
            fprintf(stderr,
                    "usage: bench_growth [--quick] [--only length|events|hot|windows|entities|late|state|"
                    "online] [--rounds N] [--handbook PLAN.sql]\n");
            return 2;
        }
    }
    if (settings.rounds < 1)
        settings.rounds = 1;
    by_length();
    by_events();
    hot_entity();
    by_windows();
    by_entities();
    by_lateness();
    state_memory();
    online();
    return 0;
}
