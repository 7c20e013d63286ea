#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential/trial.h"
#include "feature/kernels.h"

enum { ERRORS = 12 }; /* rows in error per feature that are looked at */

/*
 * What a window's double may differ from DuckDB's by, in units of the magnitude that rescan.h gives:
 *   sums and means  each of n additions rounds by 2^-53 of at most the sum of |x|: 1e-12 does for n < 9000
 *   variances       Welford's recurrence errs by about n 2^-53 sqrt(Sxx S) <= n 2^-53 Sxx in S, the sum of
 *                   squared deviations (Chan, Golub, LeVeque 1983): the same bound, of Sxx / n; for a
 *                   standard deviation this holds of its square
 * A sum of magnitudes beyond 1e300 may have overflowed on the way; integers' means are off by two roundings.
 */
static bool close_window(const struct trial *trial, const struct window *window, double magnitude, double x,
                         double y)
{
    bool squared = false;
    switch (window->aggregate) {
    case AGGREGATE_AVG:
    case AGGREGATE_SUM:
        if (trial->plan->groups[window->group].slots[window->slot].rep != REP_DOUBLE)
            return window->aggregate == AGGREGATE_AVG && fabs(x - y) <= 1e-14 * fabs(x);
        break;
    case AGGREGATE_STDDEV_POP:
    case AGGREGATE_STDDEV_SAMP:
        squared = true;
        break;
    case AGGREGATE_VAR_POP:
    case AGGREGATE_VAR_SAMP:
        break;
    default:
        return false;
    }
    if (!(magnitude < 1e300))
        return true;
    return squared ? fabs(x * x - y * y) <= 1e-12 * magnitude + 1e-300 : fabs(x - y) <= 1e-12 * magnitude;
}

/* May x be DuckDB's where the rescan has y? Other libraries' functions by a few units in the last place. */
static bool close_enough(const struct trial *trial, const struct item *item, int feature, int64_t row,
                         double x, double y)
{
    const struct expr *root = trial->plan->roots[feature];
    if ((isnan(x) && isnan(y)) || x == y)
        return true;
    if (root->kind == EXPR_WINDOW)
        return close_window(trial, &trial->plan->windows[root->index],
                            trial->rescan.magnitudes[root->index][row], x, y);
    if (isnan(x) || isnan(y))
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
static void compare_column(struct trial *trial, const char *what, int feature, const struct column *column)
{
    const struct type *type = &trial->plan->features->fields[feature].type;
    const struct item *item = &trial->made.items[feature];
    const struct column *ours = &trial->rescan.features.columns[feature];
    bool real = type->id == TYPE_DOUBLE || type->id == TYPE_FLOAT;
    /* Where an inexact value decides (a comparison, a cast, a branch), the difference may be of any size. */
    if (item->inexact && (item->kind == ITEM_MIXED || !real))
        return;
    for (int64_t i = 0; i < column->length; i++) {
        trial->run->values += trial->rescan.wanted[i];
        bool null = column_is_null(column, i), fine = null == column_is_null(ours, i);
        if (fine && !null)
            fine = real ? close_enough(trial, item, feature, i, column_double(column, type, i),
                                       column_double(ours, type, i))
                        : same_bits(column, ours, type, i);
        if (!fine && !has_too_many_digits(type, column, i))
            trial_differs(trial, what, feature, i, column, ours);
    }
}

/* Compares what DuckDB has for the wanted events, or for all; only for the first ones where it is not
 * complete. The others' features are NULL. */
static void compare_rows(struct trial *trial, const char *what, const int *items, const struct table *found,
                         bool complete)
{
    int64_t n = trial->events.length, wanted = n - trial->rescan.filtered;
    struct table all = {0};
    if (complete && found->length != wanted && found->length != n) {
        trial_fail(trial, what, "%lld rows, expected %lld", (long long)found->length, (long long)wanted);
        return;
    }
    if (table_init(&all, found->schema, NULL) != OK || table_reserve(&all, n, NULL) != OK)
        abort();
    for (int64_t i = 0, at = 0; i < n && at < found->length; i++) {
        if (trial->rescan.wanted[i] || found->length == n) {
            if (table_append(&all, found, at++, 1, NULL) != OK)
                abort();
            continue;
        }
        for (int f = 0; f < all.schema->n; f++)
            column_append_null(&all.columns[f], &all.schema->fields[f].type);
        all.length++;
    }
    for (int f = 0; f < all.schema->n; f++)
        compare_column(trial, what, items[f], &all.columns[f]);
    table_done(&all);
}

static struct schema *schema_of(const struct trial *trial, const int *items, int n)
{
    struct schema *schema = schema_new(0);
    for (int i = 0; schema && i < n; i++) {
        const struct field *field = &trial->plan->features->fields[items[i]];
        if (schema_add(schema, field->name, field->type, NULL) != OK)
            abort();
    }
    if (!schema)
        abort();
    return schema;
}

/* A query whose columns are these features. False where DuckDB has an error instead. */
static bool ask_query(struct trial *trial, const char *what, const int *items, int n, const char *sql)
{
    struct error error = {0};
    struct table found = {0};
    struct schema *schema = schema_of(trial, items, n);
    int rc = duck_oracle_query(&trial->run->duck, sql, schema, &found, &error);
    if (rc == OK)
        compare_rows(trial, what, items, &found, true);
    else if (rc == CODE_MISMATCH)
        trial_fail(trial, what, "%s", error.message);
    else if (trial->run->verbose)
        printf("  %s: DuckDB: %s\n", what, error.message);
    if (rc == OK)
        table_done(&found);
    schema_unref(schema);
    return rc == OK || rc == CODE_MISMATCH;
}

/* One scalar feature of the rows [from, to) into `all`; where DuckDB has an error, of each half by itself, so
 * that the rows that give it are found. They are NULL. (TRY would do the same, but DuckDB 1.5.6 writes beyond
 * its buffers there.) Ends early where it has found enough of them. */
static void ask_rows(struct trial *trial, int item, int64_t from, int64_t to, struct table *all)
{
    char tail[200];
    struct table rows = {0};
    if (trial->errors >= ERRORS)
        return;
    snprintf(tail, sizeof tail, " WHERE shrike_seq >= %lld AND shrike_seq < %lld ORDER BY shrike_seq",
             (long long)from, (long long)to);
    char *sql = random_plan_scalars(&trial->made, &item, 1, tail);
    int rc = duck_oracle_query(&trial->run->duck, sql, all->schema, &rows, NULL);
    free(sql);
    if (rc == OK) {
        if (table_append(all, &rows, 0, rows.length, NULL) != OK)
            abort();
        table_done(&rows);
    } else if (to - from > 1) {
        ask_rows(trial, item, from, (from + to) / 2, all);
        ask_rows(trial, item, (from + to) / 2, to, all);
    } else if (trial->rescan.wanted[from] && trial->made.with && *trial->made.with) {
        /* DuckDB computes every column of WITH, also where the feature asks for none: its error says nothing.
         */
        struct table ours = {.schema = all->schema,
                             .columns = &trial->rescan.features.columns[item],
                             .length = trial->events.length};
        if (table_append(all, &ours, from, 1, NULL) != OK)
            abort();
        trial->errors++;
        trial->run->in_error++;
    } else if (trial->rescan.wanted[from]) {
        if (table_reserve(all, all->length + 1, NULL) != OK)
            abort();
        column_append_null(&all->columns[0], &all->schema->fields[0].type);
        all->length++;
        trial->errors++;
        trial->run->in_error++;
    }
}

static void ask_scalar(struct trial *trial, int item)
{
    struct table all = {0};
    struct schema *schema = schema_of(trial, &item, 1);
    if (table_init(&all, schema, NULL) != OK)
        abort();
    trial->errors = 0;
    ask_rows(trial, item, 0, trial->events.length, &all);
    compare_rows(trial, "DuckDB", &item, &all, trial->errors < ERRORS);
    table_done(&all);
    schema_unref(schema);
}

static bool ask_own_sql(struct trial *trial, const int *items, int n)
{
    char *sql = random_plan_select(&trial->made, items, n, "\nORDER BY shrike_seq");
    bool fine = ask_query(trial, "own SQL", items, n, sql);
    trial->run->own_sql += fine ? n : 0;
    free(sql);
    return fine;
}

/* True where DuckDB had no error. */
static bool ask_scalars(struct trial *trial, const int *items, int n)
{
    if (n == 0)
        return true;
    char *sql = random_plan_scalars(&trial->made, items, n, " ORDER BY shrike_seq");
    bool fine = ask_query(trial, "DuckDB", items, n, sql);
    for (int i = 0; !fine && i < n; i++)
        ask_scalar(trial, items[i]);
    trial->run->scalars += n;
    free(sql);
    return fine;
}

static bool ask_oracle(struct trial *trial, const int *items, int n)
{
    struct plan *plan = n == trial->made.n_items ? plan_ref(trial->plan) : NULL;
    char *text = random_plan_sql(&trial->made, items, n);
    bool fine = (plan || plan_compile(text, strlen(text), "plan.sql", &plan, NULL) == OK) &&
                ask_query(trial, "oracle", items, n, plan_oracle(plan));
    trial->run->windows += fine ? n : 0;
    plan_unref(plan);
    free(text);
    return fine;
}

/* All at once; where DuckDB has an error, each half by itself, so that the error of one leaves the others. */
static void ask(struct trial *trial, bool (*question)(struct trial *, const int *, int), const int *items,
                int n)
{
    if (n == 0 || question(trial, items, n))
        return;
    trial->run->duck_errors += n == 1;
    if (n > 1) {
        ask(trial, question, items, n / 2);
        ask(trial, question, items + n / 2, n - n / 2);
    }
}

/* What cannot be computed counts as NULL, where DuckDB would stop: it gets NULL to begin with. */
static int defuse_hazards(struct duck *duck, struct error *error)
{
    return duck_run(duck,
                    "UPDATE shrike_events SET h = NULL WHERE h NOT BETWEEN -128 AND 127;"
                    "UPDATE transactions SET h = NULL WHERE h NOT BETWEEN -128 AND 127",
                    error);
}

void compare_with_duck(struct trial *trial)
{
    int all[MAX_ITEMS], scalars[MAX_ITEMS], windows[MAX_ITEMS], n_scalars = 0, n_windows = 0;
    struct error error = {0};
    struct duck *duck = &trial->run->duck;
    int rc = duck_oracle_load(duck, trial->plan, &trial->events, trial->made.lateness, &error);
    if (rc == CODE_INVALID && plan_has_where(trial->plan)) {
        /* An event whose WHERE cannot be computed is left out; DuckDB stops, and says nothing. */
        trial->run->duck_errors += trial->plan->features->n;
        if (trial->run->verbose)
            printf("  DuckDB cannot compute WHERE: %s\n", error.message);
        return;
    }
    if (rc != OK || defuse_hazards(duck, &error) != OK) {
        trial_fail(trial, "DuckDB", "%s", error.message);
        return;
    }
    for (int f = 0; f < trial->plan->features->n; f++) {
        const struct item *item = &trial->made.items[f];
        all[f] = f;
        if (item->kind == ITEM_SCALAR)
            scalars[n_scalars++] = f;
        else if (item->kind == ITEM_WINDOW || !item->inexact)
            windows[n_windows++] = f;
    }
    if (ask_scalars(trial, scalars, n_scalars)) /* the whole plan's oracle is there already */
        ask(trial, ask_oracle, all, trial->plan->features->n);
    else
        ask(trial, ask_oracle, windows, n_windows);
    if (trial->made.in_order)
        ask(trial, ask_own_sql, windows, n_windows);
}
