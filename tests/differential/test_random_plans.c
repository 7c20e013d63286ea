/*
 * Random plans over random events, three ways: state_take in batches of every size and with several threads,
 * the rescan of the definition, DuckDB. The first two agree bit for bit; DuckDB exactly, but for sums of
 * doubles, which it does not round only once.
 *
 *   test_random_plans [--seed S] [--from I] [--plans N] [--plan I]      --plan: that one alone, printed
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "differential/duck_oracle.h"
#include "differential/random_plan.h"
#include "differential/rescan.h"
#include "feature/kernels.h"
#include "feature/state.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PLANS = 40 };
#else
enum { PLANS = 500 };
#endif

enum frame_kind { FRAME_CURRENT, FRAME_ZERO, FRAME_DELAYED, FRAME_POINT, FRAME_KINDS };
enum { WORKERS = 2 }; /* processes */
enum { ERRORS = 12 }; /* rows in error per feature that are looked at */
enum { COUNT_STAR = AGGREGATE_MAX + 1, AGGREGATES, REASONS = 32 };

struct run {
    uint64_t seed;
    int64_t plans, failed, refused;
    int64_t compared, in_error, scalars, windows, own_sql, duck_errors; /* values; features */
    int64_t coverage[AGGREGATES][FRAME_KINDS][SEEN_COUNT + 1];          /* last: windows */
    struct {
        char text[200];
        int64_t n;
    } reasons[REASONS];
    struct duck duck;
    bool verbose;
};

/* One plan at hand. */
struct trial {
    struct run *run;
    int64_t number;
    struct random random;
    struct random_plan made;
    char *sql;
    struct plan *plan;
    struct table events;
    struct rescan rescan;
    int64_t errors; /* rows that DuckDB had an error for, of the scalar feature at hand */
    bool failed;
};

static void print_value(const struct column *column, const struct type *type, int64_t i)
{
    size_t size;
    if (column_is_null(column, i)) {
        printf("NULL");
        return;
    }
    switch (type->id) {
    case TYPE_BOOLEAN:
        printf("%s", column_boolean(column, i) ? "true" : "false");
        break;
    case TYPE_HUGEINT:
    case TYPE_DECIMAL:
        printf("%lld * 2^64 + %llu", (long long)(column_wide(column, i) >> 64),
               (unsigned long long)column_wide(column, i));
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        printf("%.17g", column_double(column, type, i));
        break;
    case TYPE_VARCHAR:
    case TYPE_ENUM: {
        const char *text = column_text(column, i, &size);
        printf("'%.*s'", (int)size, text);
        break;
    }
    default:
        printf("%lld", (long long)column_int(column, type, i));
    }
}

static void complain(struct trial *trial, const char *what, int feature, int64_t row,
                     const struct table *expected, const struct table *found)
{
    const struct type *type = &trial->plan->features->fields[feature].type;
    char name[512];
    if (trial->failed)
        return;
    trial->failed = true;
    printf("FAILED plan %lld (--seed %llu --plan %lld): %s: feature %s %s, row %lld: expected ",
           (long long)trial->number, (unsigned long long)trial->run->seed, (long long)trial->number, what,
           trial->plan->features->fields[feature].name, type_text(type, name, sizeof name), (long long)row);
    print_value(&expected->columns[feature], type, row);
    printf(", found ");
    print_value(&found->columns[feature], type, row);
    int item = 0;
    sscanf(trial->plan->features->fields[feature].name, "f%d", &item);
    printf("\n  %s\n  time %s, lateness %lld, %d rows\n", trial->made.items[item].text, trial->made.time_type,
           (long long)trial->made.lateness, trial->made.rows);
}

/* Equal to the bit. */
static bool same_bits(const struct column *a, const struct column *b, const struct type *type, int64_t i)
{
    size_t width = type_width(type->id), size_a, size_b;
    if (column_is_null(a, i) || column_is_null(b, i))
        return column_is_null(a, i) == column_is_null(b, i);
    if (type->id == TYPE_BOOLEAN)
        return column_boolean(a, i) == column_boolean(b, i);
    if (type->id == TYPE_VARCHAR) {
        const char *x = column_text(a, i, &size_a), *y = column_text(b, i, &size_b);
        return size_a == size_b && memcmp(x, y, size_a) == 0;
    }
    return memcmp((const char *)a->data + (size_t)i * width, (const char *)b->data + (size_t)i * width,
                  width) == 0;
}

static bool compare_bits(struct trial *trial, const char *what, const struct table *expected,
                         const struct table *found)
{
    for (int f = 0; f < trial->plan->features->n; f++)
        for (int64_t i = 0; i < expected->length; i++)
            if (expected->length != found->length || !same_bits(&expected->columns[f], &found->columns[f],
                                                                &trial->plan->features->fields[f].type, i)) {
                complain(trial, what, f, i, expected, found);
                return false;
            }
    return true;
}

/* state_take over batches: size 0 = all at once, -1 = random sizes. */
static void take_in_batches(struct trial *trial, int threads, int64_t size, const char *what)
{
    struct state_options options = {.threads = threads, .lateness_us = trial->made.lateness};
    struct state *state = NULL;
    struct state_counters counters;
    struct table batch, out, all;
    struct error error = {0};
    struct schema *events = trial->plan->events, *features = trial->plan->features;
    int rc = state_new(trial->plan, &options, &state, &error);
    if (rc != OK || table_init(&batch, events, &error) != OK || table_init(&out, features, &error) != OK ||
        table_init(&all, features, &error) != OK)
        abort();
    for (int64_t from = 0; rc == OK && from < trial->events.length;) {
        int64_t left = trial->events.length - from;
        int64_t n = size > 0 ? size : size == 0 ? left : 1 + random_below(&trial->random, 1 + left / 4);
        n = n < left ? n : left;
        table_clear(&batch);
        rc = table_append(&batch, &trial->events, from, n, &error);
        if (rc == OK)
            rc = state_take(state, &batch, &out, &error);
        if (rc == OK)
            rc = table_append(&all, &out, 0, n, &error);
        from += n;
    }
    state_counters(state, &counters);
    if (rc != OK && !trial->failed) {
        printf("FAILED plan %lld: %s: %s\n", (long long)trial->number, what, error.message);
        trial->failed = true;
    }
    if (rc == OK && trial->plan->n_groups &&
        (counters.late != trial->rescan.late || counters.too_late != trial->rescan.too_late) &&
        !trial->failed) {
        printf("FAILED plan %lld: %s: %lld late, %lld too late; expected %lld, %lld\n",
               (long long)trial->number, what, (long long)counters.late, (long long)counters.too_late,
               (long long)trial->rescan.late, (long long)trial->rescan.too_late);
        trial->failed = true;
    }
    if (rc == OK)
        compare_bits(trial, what, &trial->rescan.features, &all);
    table_done(&batch);
    table_done(&out);
    table_done(&all);
    state_free(state);
}

/* May a value differ from DuckDB's? A sum or mean of doubles within 1e-12 of the sum of magnitudes, a mean of
 * integers by its roundings, other libraries' functions by one unit in the last place. */
static bool close_enough(const struct trial *trial, const struct item *item, int feature, int64_t row,
                         double x, double y)
{
    const struct expr *root = trial->plan->roots[feature];
    bool window = root->kind == EXPR_WINDOW, nan = isnan(x) || isnan(y);
    if ((isnan(x) && isnan(y)) || x == y)
        return true;
    if (window) {
        const struct window *found = &trial->plan->windows[root->index];
        double magnitude = trial->rescan.magnitudes[root->index][row];
        if (found->aggregate != AGGREGATE_SUM && found->aggregate != AGGREGATE_AVG)
            return false;
        if (trial->plan->groups[found->group].slots[found->slot].rep != REP_DOUBLE)
            return found->aggregate == AGGREGATE_AVG && fabs(x - y) <= 1e-14 * fabs(x);
        /* DuckDB's sum may have overflowed on the way. */
        return magnitude >= 1e300 || (!nan && fabs(x - y) <= 1e-12 * magnitude);
    }
    if (nan)
        return false;
    double unit = root->type.id == TYPE_FLOAT ? 0x1p-23 : 0x1p-52;
    return item->inexact && (fabs(x - y) <= 4 * unit * fabs(x) || fabs(x - y) < 1e-300);
}

/* DuckDB lets a DECIMAL sum have 39 digits, which its type does not; there it is an error. */
static bool has_too_many_digits(const struct type *type, const struct column *column, int64_t i)
{
    return type->id == TYPE_DECIMAL && !column_is_null(column, i) &&
           (column_wide(column, i) >= power10_wide(38) || column_wide(column, i) <= -power10_wide(38));
}

/* One feature with DuckDB's column of it. */
static void compare_with_duck(struct trial *trial, const char *what, int feature, const struct column *column)
{
    const struct type *type = &trial->plan->features->fields[feature].type;
    const struct item *item = &trial->made.items[feature];
    const struct column *ours = &trial->rescan.features.columns[feature];
    bool real = type->id == TYPE_DOUBLE || type->id == TYPE_FLOAT;
    /* Where an inexact value decides (a comparison, a cast, a branch), the difference may be of any size. */
    if (item->inexact && item->kind != ITEM_WINDOW && (item->kind == ITEM_MIXED || !real))
        return;
    for (int64_t i = 0; i < column->length; i++) {
        trial->run->compared++;
        bool null = column_is_null(column, i), null_ours = column_is_null(ours, i);
        bool fine = null == null_ours;
        if (fine && !null)
            fine = real ? close_enough(trial, item, feature, i, column_double(column, type, i),
                                       column_double(ours, type, i))
                        : same_bits(column, ours, type, i);
        if (fine || trial->failed || has_too_many_digits(type, column, i))
            continue;
        struct table shown = {.columns = memory_new((size_t)trial->plan->features->n, sizeof *shown.columns)};
        shown.columns[feature] = *column;
        complain(trial, what, feature, i, &shown, &trial->rescan.features);
        free(shown.columns);
    }
}

/* A query whose columns are these features. False where DuckDB has an error instead. */
static bool ask_duck(struct trial *trial, const char *what, const int *items, int n, const char *sql)
{
    struct error error = {0};
    struct table expected = {0};
    struct schema *schema = schema_new(0);
    int rc = OK;
    for (int i = 0; rc == OK && i < n; i++)
        rc = schema_add(schema, trial->plan->features->fields[items[i]].name,
                        trial->plan->features->fields[items[i]].type, &error);
    if (rc == OK)
        rc = duck_oracle_query(&trial->run->duck, sql, schema, &expected, &error);
    for (int i = 0; rc == OK && i < n; i++)
        compare_with_duck(trial, what, items[i], &expected.columns[i]);
    if (rc == CODE_MISMATCH && !trial->failed) {
        printf("FAILED plan %lld: %s: %s\n", (long long)trial->number, what, error.message);
        trial->failed = true;
    }
    if (rc == OK)
        table_done(&expected);
    else if (trial->run->verbose)
        printf("  %s: DuckDB: %s\n", what, error.message);
    schema_unref(schema);
    return rc == OK || rc == CODE_MISMATCH;
}

/* Scalar features of rows [from, to) into `all`; where DuckDB has an error, of each half by itself, so that
 * the rows that give it are found. They are NULL. (TRY would do the same, but DuckDB 1.5.6 writes beyond its
 * buffers there.) Ends early where it has found enough of them. */
static void ask_rows(struct trial *trial, const char *items, int64_t from, int64_t to, struct table *all)
{
    struct buffer sql;
    struct table rows = {0};
    if (trial->errors >= ERRORS)
        return;
    buffer_init(&sql, 1 << 20);
    buffer_format(
        &sql,
        "SELECT %s FROM transactions WHERE shrike_seq >= %lld AND shrike_seq < %lld ORDER BY shrike_seq",
        items, (long long)from, (long long)to);
    int rc = duck_oracle_query(&trial->run->duck, sql.data, all->schema, &rows, NULL);
    buffer_done(&sql);
    if (rc == OK) {
        if (table_append(all, &rows, 0, rows.length, NULL) != OK)
            abort();
        table_done(&rows);
    } else if (to - from > 1) {
        ask_rows(trial, items, from, (from + to) / 2, all);
        ask_rows(trial, items, (from + to) / 2, to, all);
    } else {
        if (table_reserve(all, all->length + 1, NULL) != OK)
            abort();
        for (int f = 0; f < all->schema->n; f++)
            column_append_null(&all->columns[f], &all->schema->fields[f].type);
        all->length++;
        trial->errors++;
        trial->run->in_error++;
    }
}

static void ask_scalar(struct trial *trial, int item)
{
    struct table all = {0};
    struct schema *schema = schema_new(0);
    const struct field *field = &trial->plan->features->fields[item];
    if (!schema || schema_add(schema, field->name, field->type, NULL) != OK ||
        table_init(&all, schema, NULL) != OK)
        abort();
    trial->errors = 0;
    ask_rows(trial, trial->made.items[item].text, 0, trial->events.length, &all);
    compare_with_duck(trial, "DuckDB", item, &all.columns[0]);
    table_done(&all);
    schema_unref(schema);
}

static bool ask_scalars(struct trial *trial, const int *items, int n)
{
    struct buffer sql;
    buffer_init(&sql, 1 << 20);
    for (int i = 0; i < n; i++)
        buffer_format(&sql, "%s %s AS f%d", i ? "," : "SELECT", trial->made.items[items[i]].text, items[i]);
    buffer_text(&sql, " FROM transactions ORDER BY shrike_seq");
    trial->run->scalars += n;
    if (!ask_duck(trial, "DuckDB", items, n, sql.data))
        for (int i = 0; i < n; i++)
            ask_scalar(trial, items[i]);
    buffer_done(&sql);
    return true;
}

static bool ask_oracle(struct trial *trial, const int *items, int n)
{
    struct plan *plan = n == trial->made.n_items ? plan_ref(trial->plan) : NULL;
    char *text = random_plan_sql(&trial->made, items, n);
    bool fine = (plan || plan_compile(text, strlen(text), "plan.sql", &plan, NULL) == OK) &&
                ask_duck(trial, "oracle", items, n, plan_oracle(plan));
    trial->run->windows += fine ? n : 0;
    plan_unref(plan);
    free(text);
    return fine;
}

static bool ask_own_sql(struct trial *trial, const int *items, int n)
{
    struct buffer sql;
    buffer_init(&sql, 1 << 20);
    for (int i = 0; i < n; i++)
        buffer_format(&sql, "%s %s AS f%d", i ? "," : "SELECT", trial->made.items[items[i]].text, items[i]);
    buffer_text(&sql, " FROM transactions ORDER BY shrike_seq");
    bool fine = ask_duck(trial, "own SQL", items, n, sql.data);
    trial->run->own_sql += fine ? n : 0;
    buffer_done(&sql);
    return fine;
}

/* All at once; where DuckDB has an error, each by itself, so that the error of one leaves the others. */
static void ask(struct trial *trial, bool (*question)(struct trial *, const int *, int), const int *items,
                int n)
{
    if (n == 0 || question(trial, items, n))
        return;
    for (int i = 0; i < n; i++)
        trial->run->duck_errors += n == 1 || !question(trial, &items[i], 1);
}

static void compare_features(struct trial *trial)
{
    int scalars[MAX_ITEMS], windows[MAX_ITEMS], n_scalars = 0, n_windows = 0;
    for (int f = 0; f < trial->plan->features->n; f++) {
        const struct item *item = &trial->made.items[f];
        if (item->kind == ITEM_SCALAR)
            scalars[n_scalars++] = f;
        else if (item->kind == ITEM_WINDOW || !item->inexact)
            windows[n_windows++] = f;
    }
    ask(trial, ask_scalars, scalars, n_scalars);
    ask(trial, ask_oracle, windows, n_windows);
    if (trial->made.in_order)
        ask(trial, ask_own_sql, windows, n_windows);
}

static void note_coverage(struct trial *trial)
{
    for (size_t w = 0; w < trial->plan->n_windows; w++) {
        const struct window *window = &trial->plan->windows[w];
        const struct frame *frame = &trial->plan->groups[window->group].frames[window->frame];
        bool point = frame->start == frame->end;
        enum frame_kind kind = frame->end ? (point ? FRAME_POINT : FRAME_DELAYED)
                               : point    ? FRAME_ZERO
                                          : FRAME_CURRENT;
        bool star = window->slot < 0 || !trial->plan->groups[window->group].slots[window->slot].argument;
        int64_t *cell = trial->run->coverage[star ? (int)COUNT_STAR : (int)window->aggregate][kind];
        for (int s = 0; s < SEEN_COUNT; s++)
            cell[s] += trial->rescan.seen[w][s];
        cell[SEEN_COUNT]++;
    }
}

static void note_refusal(struct run *run, const struct error *error, const char *sql)
{
    char text[sizeof run->reasons[0].text];
    int i = 0;
    snprintf(text, sizeof text, "%.150s", error->message);
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
        random_plan_make(&trial->random, &trial->made);
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
    draw_plan(&trial);
    if (run->verbose)
        printf("%s", trial.sql);
    random_plan_events(&trial.random, &trial.made, trial.plan->events, trial.plan->time_column,
                       &trial.events);
    if (rescan_run(trial.plan, &trial.events, trial.made.lateness, &trial.rescan, &error) != OK)
        abort();
    take_in_batches(&trial, 1, 0, "one batch");
    take_in_batches(&trial, 1, 1, "batches of one");
    take_in_batches(&trial, 2, -1, "two threads, random batches");
    take_in_batches(&trial, 3, -1, "three threads, random batches");
    if (duck_oracle_load(&run->duck, trial.plan, &trial.events, trial.made.lateness, &error) != OK) {
        printf("FAILED plan %lld: DuckDB: %s\n", (long long)number, error.message);
        trial.failed = true;
    } else {
        compare_features(&trial);
    }
    note_coverage(&trial);
    run->plans++;
    run->failed += trial.failed;
    rescan_done(&trial.rescan);
    table_done(&trial.events);
    plan_unref(trial.plan);
    random_plan_done(&trial.made);
    free(trial.sql);
}

/* What each kind of window met. A cell that stayed empty is a hole in the test. */
static bool print_coverage(const struct run *run)
{
    static const char *const aggregates[] = {"count", "sum", "avg", "min", "max", "count(*)"};
    static const char *const frames[] = {"to now", "zero", "delayed", "point"};
    static const char *const seen[] = {"null", "filter", "tie", "late", "too late", "label", "default"};
    bool full = true;
    printf("%-10s%-9s", "", "windows");
    for (int s = 0; s < SEEN_COUNT; s++)
        printf("%9s", seen[s]);
    printf("\n");
    for (int a = 0; a < AGGREGATES; a++)
        for (int k = 0; k < FRAME_KINDS; k++) {
            printf("%-10s%-8s%9lld", aggregates[a], frames[k], (long long)run->coverage[a][k][SEEN_COUNT]);
            for (int s = 0; s < SEEN_COUNT; s++) {
                bool late = k == FRAME_DELAYED || k == FRAME_POINT,
                     label = s == SEEN_LABEL || s == SEEN_DEFAULT;
                bool possible = !(label && !late) && !(a == COUNT_STAR && s == SEEN_NULL);
                if (possible)
                    printf("%9lld", (long long)run->coverage[a][k][s]);
                else
                    printf("%9s", "-");
                full &= !possible || run->coverage[a][k][s] > 0;
            }
            printf("\n");
        }
    return full;
}

/* The plans of one process: every WORKERS-th. */
static bool work(struct run *run, int64_t from, int64_t to, int step)
{
    struct error error = {0};
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
    for (int64_t i = from; rc == OK && i < to; i += step)
        try_plan(run, i);
    duck_close(&run->duck);
    fflush(stdout);
    return rc == OK;
}

/* What the workers counted, together. */
static void add_up(const struct run *workers, struct run *total)
{
    for (int w = 0; w < WORKERS; w++) {
        const struct run *run = &workers[w];
        total->plans += run->plans;
        total->failed += run->failed;
        total->refused += run->refused;
        total->compared += run->compared;
        total->in_error += run->in_error;
        total->scalars += run->scalars;
        total->windows += run->windows;
        total->own_sql += run->own_sql;
        total->duck_errors += run->duck_errors;
        for (int a = 0; a < AGGREGATES; a++)
            for (int k = 0; k < FRAME_KINDS; k++)
                for (int s = 0; s <= SEEN_COUNT; s++)
                    total->coverage[a][k][s] += run->coverage[a][k][s];
    }
}

static void print_refusals(const struct run *run)
{
    for (int i = 0; i < REASONS && run->reasons[i].n; i++)
        printf("%6lld  %s\n", (long long)run->reasons[i].n, run->reasons[i].text);
}

int main(int argc, char **argv)
{
    struct run total = {.seed = 1};
    int64_t plans = PLANS, only = -1, first = 0;
    struct run *workers =
        mmap(NULL, WORKERS * sizeof *workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED)
        return 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        int64_t value = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            total.seed = (uint64_t)value;
        else if (strcmp(argv[i], "--plans") == 0)
            plans = value;
        else if (strcmp(argv[i], "--from") == 0)
            first = value;
        else if (strcmp(argv[i], "--plan") == 0)
            only = value;
    }
    printf("seed %llu\n", (unsigned long long)total.seed);
    fflush(stdout);
    bool fine = true;
    for (int w = 0; w < WORKERS; w++) {
        workers[w].seed = total.seed;
        workers[w].verbose = only >= 0;
        pid_t child = fork();
        if (child == 0)
            _exit(!(only < 0 ? work(&workers[w], first + w, first + plans, WORKERS)
                    : w == 0 ? work(&workers[w], only, only + 1, 1)
                             : true));
        fine &= child > 0;
    }
    for (int status; wait(&status) > 0;)
        fine &= status == 0;
    add_up(workers, &total);
    bool full = print_coverage(&total) || plans < 500 || only >= 0;
    printf(
        "%lld values compared with DuckDB (%lld errors among them): of %lld features without and %lld with "
        "windows, %lld of\nthese by the plan's own SQL, too. DuckDB had an error for %lld more. %lld drawn "
        "plans were refused:\n",
        (long long)total.compared, (long long)total.in_error, (long long)total.scalars,
        (long long)total.windows, (long long)total.own_sql, (long long)total.duck_errors,
        (long long)total.refused);
    for (int w = 0; w < WORKERS; w++)
        print_refusals(&workers[w]);
    printf("%s%s%lld passed, %lld failed\n", full ? "" : "a cell of the table is empty\n",
           fine ? "" : "a process did not end well\n", (long long)(total.plans - total.failed),
           (long long)total.failed);
    return total.failed || !full || !fine;
}
