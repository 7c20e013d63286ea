/*
 * Random plans over random events, three ways: state_take in batches of every size and with several threads,
 * the rescan of the definition, DuckDB. The first two agree bit for bit; DuckDB exactly, but for sums, means
 * and variances of doubles, which it does not round only once.
 *
 *   test_random_plans [--seed S] [--plans N] [--from I]     N plans
 *   test_random_plans [--seed S] [--seconds T]              as many as fit, but no fewer than fill the table
 *   test_random_plans [--seed S] --plan I                   that one alone, printed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "differential/trial.h"

/* FULL plans nearly fill the coverage table; MOST do, and are drawn if need be. With sanitizers everything
 * takes about ten times as long. */
enum { WORKERS = 2, FULL = 500, MOST = 1500 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LEAST = 20, SECONDS = 60 };
#else
enum { LEAST = FULL, SECONDS = 100 };
#endif

/* What the processes share. */
struct shared {
    int64_t next; /* the plan that nobody has taken yet */
    int64_t first, least, most, deadline_ns;
    struct run workers[WORKERS];
};

static void note_refusal(struct run *run, const struct error *error, const char *sql)
{
    char text[sizeof run->reasons[0].text];
    int i = 0;
    snprintf(text, sizeof text, "%.190s", error->message);
    run->refused++;
    while (i < REASONS - 1 && run->reasons[i].n && strcmp(run->reasons[i].text, text) != 0)
        i++;
    if (!run->reasons[i].n)
        snprintf(run->reasons[i].text, sizeof run->reasons[i].text, "%s", text);
    run->reasons[i].n++;
    if (run->verbose)
        printf("%s%s\n", sql, error->message);
}

/* A plan that compiles; what DuckDB or Shrike refuses is drawn again. */
static void draw_plan(struct trial *trial)
{
    for (;;) {
        struct error error = {0};
        random_plan_make(&trial->random, trial->number, &trial->made);
        trial->sql = random_plan_sql(&trial->made, NULL, trial->made.n_items);
        if (plan_compile(trial->sql, strlen(trial->sql), "plan.sql", &trial->plan, &error) == OK)
            return;
        note_refusal(trial->run, &error, trial->sql);
        random_plan_done(&trial->made);
        free(trial->sql);
    }
}

static void try_plan(struct run *run, int64_t number)
{
    struct trial trial = {.run = run,
                          .number = number,
                          .random = {run->seed * UINT64_C(0x2545f4914f6cdd1d) + (uint64_t)number}};
    struct error error = {0};
    run->current = number;
    draw_plan(&trial);
    if (run->verbose)
        printf("%s", trial.sql);
    random_plan_events(&trial.random, &trial.made, trial.plan->events, trial.plan->time_column,
                       &trial.events);
    struct rescan_options options = {.lateness = trial.made.lateness};
    if (rescan_run(trial.plan, &trial.events, &options, &trial.rescan, &error) != OK)
        abort();
    compare_with_state(&trial);
    compare_with_duck(&trial);
    coverage_note(&run->coverage, trial.plan, &trial.rescan);
    compare_learning(&trial);
    /* In turn: each takes as long as all before. */
    if (number % 2)
        compare_erasing(&trial);
    else
        compare_ahead(&trial);
    run->plans++;
    run->failed += trial.failed;
    run->current = -1;
    fflush(stdout);
    rescan_done(&trial.rescan);
    table_done(&trial.events);
    plan_unref(trial.plan);
    random_plan_done(&trial.made);
    free(trial.sql);
}

/* Is a cell of the table still empty, where it is to be filled? */
static bool is_wanting(const struct shared *shared, int64_t done)
{
    struct coverage coverage = {0};
    if (shared->least < FULL || done >= MOST)
        return false;
    for (int w = 0; w < WORKERS; w++)
        coverage_add(&coverage, &shared->workers[w].coverage);
    return coverage_empty(&coverage) > 0;
}

static bool take_next(struct shared *shared, int64_t *ret)
{
    int64_t next = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED), done = next - shared->first;
    *ret = next;
    if (done < shared->least)
        return true;
    return done < shared->most && (clock_monotonic_ns() < shared->deadline_ns || is_wanting(shared, done));
}

static bool work(struct shared *shared, struct run *run)
{
    struct error error = {0};
    int64_t number;
    /* DuckDB's optimizer drops calls whose result it need not know, and with them their errors, and moves
     * others out of the branches that they stand in. */
    int rc = duck_open(&run->duck, NULL, &error);
    if (rc == OK)
        rc = duck_run(&run->duck,
                      "SET disabled_optimizers = 'expression_rewriter, statistics_propagation, "
                      "common_subexpressions'",
                      &error);
    if (rc != OK)
        printf("%s\n", error.message);
    while (rc == OK && take_next(shared, &number))
        try_plan(run, number);
    duck_close(&run->duck);
    fflush(stdout);
    return rc == OK;
}

/* Each worker in a process of its own: what one allocates or breaks is not another's. */
static bool run_workers(struct shared *shared)
{
    bool fine = true;
    pid_t children[WORKERS];
    fflush(stdout);
    for (int w = 0; w < WORKERS; w++) {
        children[w] = fork();
        if (children[w] == 0)
            _exit(!work(shared, &shared->workers[w]));
    }
    for (int w = 0; w < WORKERS; w++) {
        const struct run *run = &shared->workers[w];
        int status = 1;
        if (children[w] > 0 && waitpid(children[w], &status, 0) > 0 && status == 0)
            continue;
        fine = false;
        if (run->current >= 0)
            printf("FAILED plan %lld (--seed %llu --plan %lld): the process died\n", (long long)run->current,
                   (unsigned long long)run->seed, (long long)run->current);
        else
            printf("FAILED: a process did not end well\n");
    }
    return fine;
}

/* What the workers counted, together. */
static void add_up(const struct shared *shared, struct run *total)
{
    for (int w = 0; w < WORKERS; w++) {
        const struct run *run = &shared->workers[w];
        total->plans += run->plans;
        total->failed += run->failed;
        total->refused += run->refused;
        total->features += run->features;
        total->values += run->values;
        total->in_error += run->in_error;
        total->scalars += run->scalars;
        total->windows += run->windows;
        total->own_sql += run->own_sql;
        total->duck_errors += run->duck_errors;
        total->taught += run->taught;
        total->labels += run->labels;
        total->ahead += run->ahead;
        total->erased += run->erased;
        total->traced += run->traced;
        coverage_add(&total->coverage, &run->coverage);
    }
}

static void print_total(const struct shared *shared, const struct run *total)
{
    printf(
        "seed %llu, %lld plans: %lld features compared with the rescan to the bit; %lld values of %lld "
        "features without\nand %lld with windows with DuckDB (%lld errors among them), %lld of these by the "
        "plan's own SQL, too. DuckDB had\nan error for %lld more. %lld plans were told %lld labels "
        "later.\n%lld events were erased again; %lld features then kept a trace; %lld were ahead.\n",
        (unsigned long long)total->seed, (long long)total->plans, (long long)total->features,
        (long long)total->values, (long long)total->scalars, (long long)total->windows,
        (long long)total->in_error, (long long)total->own_sql, (long long)total->duck_errors,
        (long long)total->taught, (long long)total->labels, (long long)total->erased,
        (long long)total->traced, (long long)total->ahead);
    if (total->refused)
        printf("%lld drawn plans were refused:\n", (long long)total->refused);
    for (int w = 0; w < WORKERS; w++)
        for (int i = 0; i < REASONS && shared->workers[w].reasons[i].n; i++)
            printf("%6lld  %s\n", (long long)shared->workers[w].reasons[i].n,
                   shared->workers[w].reasons[i].text);
}

static int read_options(int argc, char **argv, struct shared *shared, uint64_t *seed, bool *verbose)
{
    int64_t seconds = SECONDS;
    shared->least = LEAST;
    shared->most = INT64_MAX;
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        int64_t value = i + 1 < argc ? strtoll(argv[i + 1], &end, 10) : 0;
        if (!end || *end || end == argv[i + 1])
            return printf("%s: expected a whole number\n", argv[i]), 2;
        if (strcmp(argv[i], "--seed") == 0) {
            *seed = (uint64_t)value;
        } else if (strcmp(argv[i], "--plans") == 0) {
            shared->least = shared->most = value;
        } else if (strcmp(argv[i], "--from") == 0) {
            shared->first = value;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = value;
        } else if (strcmp(argv[i], "--plan") == 0) {
            shared->first = value;
            shared->least = shared->most = 1;
            *verbose = true;
        } else {
            return printf("%s: expected --seed, --plans, --from, --seconds or --plan\n", argv[i]), 2;
        }
    }
    shared->next = shared->first;
    shared->deadline_ns = clock_monotonic_ns() + seconds * 1000000000;
    return 0;
}

int main(int argc, char **argv)
{
    struct run total = {.seed = 1};
    bool verbose = false;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    int status = read_options(argc, argv, shared, &total.seed, &verbose);
    if (status)
        return status;
    for (int w = 0; w < WORKERS; w++) {
        shared->workers[w].seed = total.seed;
        shared->workers[w].current = -1;
        shared->workers[w].verbose = verbose;
    }
    printf("seed %llu\n", (unsigned long long)total.seed);
    bool fine = run_workers(shared);
    add_up(shared, &total);
    int empty = verbose ? 0 : coverage_print(&total.coverage);
    bool full = empty == 0 || total.plans < FULL;
    print_total(shared, &total);
    if (!full)
        printf("FAILED: %d cells of the table are empty\n", empty);
    printf("%lld passed, %lld failed\n", (long long)(total.plans - total.failed), (long long)total.failed);
    return total.failed || !full || !fine;
}
