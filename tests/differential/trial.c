#include "differential/trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "differential/reborn.h"
#include "feature/state.h"

void trial_fail(struct trial *trial, const char *what, const char *format, ...)
{
    va_list arguments;
    if (trial->failed)
        return;
    trial->failed = true;
    printf("FAILED plan %lld (--seed %llu --plan %lld): %s: ", (long long)trial->number,
           (unsigned long long)trial->run->seed, (long long)trial->number, what);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

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

void trial_differs(struct trial *trial, const char *what, int feature, int64_t row,
                   const struct column *expected, const struct column *found)
{
    const struct field *field = &trial->plan->features->fields[feature];
    char name[512];
    if (trial->failed)
        return;
    trial_fail(trial, what, "%s %s, row %lld", field->name, type_text(&field->type, name, sizeof name),
               (long long)row);
    printf("  expected ");
    print_value(expected, &field->type, row);
    printf(", found ");
    print_value(found, &field->type, row);
    printf("\n  %s\n  time %s, lateness %lld, %d rows%s\n", trial->made.items[feature].text,
           trial->made.time_type, (long long)trial->made.lateness, trial->made.rows,
           trial->made.in_order ? ", in order" : "");
}

bool same_bits(const struct column *a, const struct column *b, const struct type *type, int64_t i)
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

void compare_bits(struct trial *trial, const char *what, const struct table *expected,
                  const struct table *found)
{
    if (expected->length != found->length) {
        trial_fail(trial, what, "%lld rows, expected %lld", (long long)found->length,
                   (long long)expected->length);
        return;
    }
    for (int f = 0; f < trial->plan->features->n; f++)
        for (int64_t i = 0; i < expected->length; i++)
            if (!same_bits(&expected->columns[f], &found->columns[f], &trial->plan->features->fields[f].type,
                           i)) {
                trial_differs(trial, what, f, i, &expected->columns[f], &found->columns[f]);
                return;
            }
}

static void compare_counters(struct trial *trial, const char *what, const struct state *state)
{
    const struct rescan *rescan = &trial->rescan;
    struct state_counters counters;
    state_counters(state, &counters);
    bool same = counters.late == rescan->late && counters.too_late == rescan->too_late &&
                counters.ahead == rescan->ahead;
    if (trial->plan->n_groups && !same)
        trial_fail(trial, what, "%lld late, %lld too late, %lld ahead; expected %lld, %lld, %lld",
                   (long long)counters.late, (long long)counters.too_late, (long long)counters.ahead,
                   (long long)rescan->late, (long long)rescan->too_late, (long long)rescan->ahead);
}

/* state_take over batches: size 0 = all at once, -1 = random sizes. restarts: now and then, in the middle,
 * the state is saved and loaded. */
static void take_in_batches(struct trial *trial, int threads, int64_t size, bool restarts, const char *what)
{
    struct state_options options = {
        .threads = threads, .lateness_us = trial->made.lateness, .max_ahead_us = trial->max_ahead};
    struct state *state = NULL;
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
        if (rc == OK && restarts && random_chance(&trial->random, 30)) {
            options.threads = 1 + (int)random_below(&trial->random, 3);
            rc = reborn(trial->plan, &options, &state, &error);
        }
        from += n;
    }
    if (rc == OK) {
        compare_counters(trial, what, state);
        compare_bits(trial, what, &trial->rescan.features, &all);
    } else {
        trial_fail(trial, what, "%s", error.message);
    }
    table_done(&batch);
    table_done(&out);
    table_done(&all);
    state_free(state);
}

void compare_with_state(struct trial *trial)
{
    take_in_batches(trial, 1, 0, false, "one batch");
    take_in_batches(trial, 1, 1, false, "batches of one");
    take_in_batches(trial, 2, -1, false, "two threads, random batches");
    take_in_batches(trial, 3, -1, false, "three threads, random batches");
    take_in_batches(trial, 2, -1, true, "restarts");
    trial->run->features += trial->plan->features->n;
}

int64_t trial_max_ahead(struct trial *trial)
{
    static const int64_t units[] = {1, 2, 5, 30, 200};
    return trial->made.unit * units[random_below(&trial->random, 5)];
}

void compare_ahead(struct trial *trial)
{
    struct rescan before = trial->rescan;
    struct error error = {0};
    trial->max_ahead = trial_max_ahead(trial);
    struct rescan_options options = {.lateness = trial->made.lateness, .max_ahead = trial->max_ahead};
    if (rescan_run(trial->plan, &trial->events, &options, &trial->rescan, &error) != OK)
        abort();
    take_in_batches(trial, 1, 1, false, "ahead, batches of one");
    take_in_batches(trial, 3, -1, false, "ahead, three threads");
    take_in_batches(trial, 2, -1, true, "ahead, restarts");
    coverage_note(&trial->run->coverage, trial->plan, &trial->rescan);
    trial->run->ahead += trial->rescan.ahead;
    rescan_done(&trial->rescan);
    trial->rescan = before;
    trial->max_ahead = 0;
}
