/* shrike plan explain: what a plan computes, shares and keeps, and what that costs under a load. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/limits.h"
#include "cli/commands.h"
#include "feature/explain.h"

enum { USERS_SHOWN = 3, CALL_WIDTH = 44, MOST_KEYS = 256 };

/* ---- text ---- */

static const char *count_text(double value, char text[UNITS_TEXT_SIZE])
{
    char digits[UNITS_TEXT_SIZE];
    int n = snprintf(digits, sizeof digits, "%.0f", value), at = 0;
    for (int i = 0; i < n && at < UNITS_TEXT_SIZE - 2; i++) {
        if (i && (n - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}

static const char *bytes_text(double bytes, char text[UNITS_TEXT_SIZE])
{
    return units_size_text(bytes < 9e18 ? (int64_t)bytes : INT64_MAX, text);
}

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

static void print_head(const struct plan *plan, const struct explain *explain)
{
    int features = plan_features(plan)->n;
    printf("%s: %d feature%s, %d of them without a window; %d window%s in %d group%s\n\n",
           plan_table_name(plan), features, plural(features), explain->n_plain, explain->n_windows,
           plural(explain->n_windows), explain->n_groups, plural(explain->n_groups));
    printf("scan      %d of %d columns:", explain->n_columns, explain->n_all_columns);
    for (int c = 0; c < explain->n_columns; c++)
        printf("%s %s", c ? "," : "", explain->columns[c]);
    if (explain->where)
        printf("\nwhere     %s", explain->where);
    printf("\ncompute   %d different function call%s per event\n", explain->n_calls,
           plural(explain->n_calls));
}

static void print_users(const struct explain_window *window)
{
    int shown = window->n_features > USERS_SHOWN ? USERS_SHOWN - 1 : window->n_features;
    for (int f = 0; f < shown; f++)
        printf("%s%s", f ? ", " : "", window->features[f]);
    if (shown < window->n_features)
        printf(" and %d more", window->n_features - shown);
}

static void print_windows(const struct explain_group *group)
{
    int call = 0, frame = 0, cost = 0;
    for (int w = 0; w < group->n_windows; w++) {
        const struct explain_window *window = &group->windows[w];
        int a = (int)strlen(window->call), b = (int)strlen(window->frame);
        int c = (int)strlen(explain_cost_text(window->cost));
        call = a > call && a <= CALL_WIDTH ? a : call;
        frame = b > frame ? b : frame;
        cost = c > cost ? c : cost;
    }
    for (int w = 0; w < group->n_windows; w++) {
        const struct explain_window *window = &group->windows[w];
        printf("│    %-*s  %-*s  %-*s  ", frame, window->frame, cost, explain_cost_text(window->cost), call,
               window->call);
        print_users(window);
        printf("\n");
    }
}

static void print_group(const struct explain_group *group)
{
    char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE], c[UNITS_TEXT_SIZE];
    printf("│\n├─ %s%s%s\n", group->keyed ? "by " : "over ", group->keys,
           group->level ? ", over the results of other windows" : "");
    print_windows(group);
    for (int s = 0; s < group->n_shared; s++)
        printf("│    %s%s\n", s ? "          " : "shared    ", group->shared[s]);
    printf("│    keeps     %s%s\n", group->kept,
           group->grows ? "; different values of a frame without a start stay for ever, too" : "");
    printf("│    state     %zu bytes per entity, %zu per retained event (%s per million)",
           group->entity_bytes, group->event_bytes, bytes_text((double)group->event_bytes * 1e6, a));
    printf(", %zu more with %s--state", group->erasure_bytes, group->label_bytes ? "--labels or " : "");
    printf("%s\n", group->has_texts ? "; texts come on top, each different one once" : "");
    printf("│    estimate  %s of %s entities alive, ", count_text(group->live, a),
           count_text(group->entities, b));
    printf("%s events retained, %s\n", count_text(group->retained, a), bytes_text(group->bytes, c));
}

static const char *length_text(bool steps, int64_t length, char text[UNITS_TEXT_SIZE])
{
    if (!steps)
        return units_duration_text(length, text);
    snprintf(text, UNITS_TEXT_SIZE, "%lld step%s", (long long)length, length == 1 ? "" : "s");
    return text;
}

static void print_late(const struct explain *explain)
{
    char after[UNITS_TEXT_SIZE], nearest[UNITS_TEXT_SIZE];
    for (int i = 0; i < explain->n_late; i++) {
        const struct explain_late *late = &explain->late[i];
        printf("late      %s: known %s after the event", late->column,
               length_text(late->after_steps, late->after_steps ? late->after_steps : late->after_us, after));
        printf(late->fallback ? ", then %s where nobody said otherwise; " : "; ", late->fallback);
        if (late->n_windows)
            printf("%d window%s read%s it, none nearer than %s\n", late->n_windows, plural(late->n_windows),
                   late->n_windows == 1 ? "s" : "", length_text(explain->steps, late->nearest, nearest));
        else
            printf("no window reads it\n");
    }
}

static void print_tail(const struct plan *plan, const struct explain *explain, double events_per_day)
{
    char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE], c[UNITS_TEXT_SIZE];
    int id = plan_id_column(plan);
    printf("│\n└─ %d feature%s\n\n", plan_features(plan)->n, plural(plan_features(plan)->n));
    print_late(explain);
    if (id >= 0 && explain->dedupe > 0) {
        printf("ids       %s: with --state they are known for %s, which takes %s",
               plan_events(plan)->fields[id].name, length_text(explain->steps, explain->dedupe, a),
               bytes_text(explain->ids * EXPLAIN_ID_BYTES, b));
        printf(" (%s ids of %d bytes)\n", count_text(explain->ids, c), EXPLAIN_ID_BYTES);
    } else if (id >= 0) {
        printf("ids       %s: not looked at without --dedupe\n", plan_events(plan)->fields[id].name);
    }
    printf("memory    %s for %s events a day", bytes_text(explain->bytes, a), count_text(events_per_day, b));
    printf(", estimated: %s retained events", count_text(explain->retained, c));
    if (explain->retained > 0)
        printf(", %s per million", bytes_text(explain->bytes / explain->retained * 1e6, a));
    printf("\n");
    for (int w = 0; plan_warning(plan, w); w++)
        printf("warning   %s\n", plan_warning(plan, w));
}

/* ---- JSON ---- */

static void put_texts(yyjson_mut_doc *document, yyjson_mut_val *object, const char *name,
                      const char *const *texts, int n)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, name);
    for (int i = 0; i < n; i++)
        yyjson_mut_arr_add_str(document, list, texts[i]);
}

static void put_window(yyjson_mut_doc *document, yyjson_mut_val *list, const struct explain_window *window)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_str(document, object, "call", window->call);
    yyjson_mut_obj_add_str(document, object, "frame", window->frame);
    yyjson_mut_obj_add_str(document, object, "cost", explain_cost_text(window->cost));
    put_texts(document, object, "features", window->features, window->n_features);
}

static void put_group(yyjson_mut_doc *document, yyjson_mut_val *list, const struct explain *explain,
                      const struct explain_group *group)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_str(document, object, "keys", group->keys);
    yyjson_mut_obj_add_int(document, object, "level", group->level);
    yyjson_mut_val *windows = yyjson_mut_obj_add_arr(document, object, "windows");
    for (int w = 0; w < group->n_windows; w++)
        put_window(document, windows, &group->windows[w]);
    put_texts(document, object, "shared", group->shared, group->n_shared);
    yyjson_mut_obj_add_int(document, object, "frames", group->n_frames);
    yyjson_mut_obj_add_int(document, object, "slots", group->n_slots);
    yyjson_mut_obj_add_int(document, object, "accumulators", group->n_accumulators);
    yyjson_mut_obj_add_int(document, object, "extremes", group->n_extremes);
    yyjson_mut_obj_add_int(document, object, "distinct_maps", group->n_maps);
    yyjson_mut_obj_add_uint(document, object, "entity_bytes", group->entity_bytes);
    yyjson_mut_obj_add_uint(document, object, "event_bytes", group->event_bytes);
    yyjson_mut_obj_add_uint(document, object, "label_bytes", group->label_bytes);
    yyjson_mut_obj_add_uint(document, object, "erasure_bytes", group->erasure_bytes);
    yyjson_mut_obj_add_int(document, object, explain->steps ? "retain_steps" : "retain_us", group->retain);
    yyjson_mut_obj_add_int(document, object, "retain_rows", group->retain_rows);
    yyjson_mut_obj_add_bool(document, object, "entities_stay", group->lasting);
    yyjson_mut_obj_add_bool(document, object, "values_stay", group->grows);
    yyjson_mut_obj_add_bool(document, object, "texts", group->has_texts);
    yyjson_mut_val *estimate = yyjson_mut_obj_add_obj(document, object, "estimate");
    yyjson_mut_obj_add_real(document, estimate, "entities", group->entities);
    yyjson_mut_obj_add_real(document, estimate, "live", group->live);
    yyjson_mut_obj_add_real(document, estimate, "retained_events", group->retained);
    yyjson_mut_obj_add_real(document, estimate, "bytes", group->bytes);
}

static void put_late(yyjson_mut_doc *document, yyjson_mut_val *root, const struct explain *explain)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, "late");
    for (int i = 0; i < explain->n_late; i++) {
        const struct explain_late *late = &explain->late[i];
        yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_str(document, object, "column", late->column);
        if (late->after_steps)
            yyjson_mut_obj_add_int(document, object, "after_steps", late->after_steps);
        else
            yyjson_mut_obj_add_int(document, object, "after_us", late->after_us);
        if (late->fallback)
            yyjson_mut_obj_add_str(document, object, "default", late->fallback);
        yyjson_mut_obj_add_int(document, object, "windows", late->n_windows);
        if (late->n_windows)
            yyjson_mut_obj_add_int(document, object, explain->steps ? "nearest_steps" : "nearest_us",
                                   late->nearest);
    }
}

static int print_json(const struct plan *plan, const struct explain *explain, double events_per_day,
                      struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    yyjson_mut_obj_add_str(document, root, "table", plan_table_name(plan));
    yyjson_mut_obj_add_str(document, root, "hash", plan_hash(plan));
    put_texts(document, root, "columns", explain->columns, explain->n_columns);
    if (explain->where)
        yyjson_mut_obj_add_str(document, root, "where", explain->where);
    yyjson_mut_obj_add_int(document, root, "calls", explain->n_calls);
    yyjson_mut_obj_add_int(document, root, "features", plan_features(plan)->n);
    yyjson_mut_obj_add_int(document, root, "features_without_window", explain->n_plain);
    yyjson_mut_val *groups = yyjson_mut_obj_add_arr(document, root, "groups");
    for (int g = 0; g < explain->n_groups; g++)
        put_group(document, groups, explain, &explain->groups[g]);
    put_late(document, root, explain);
    yyjson_mut_val *ids = yyjson_mut_obj_add_obj(document, root, "ids");
    yyjson_mut_obj_add_int(document, ids, explain->steps ? "dedupe_steps" : "dedupe_us", explain->dedupe);
    yyjson_mut_obj_add_real(document, ids, "ids", explain->ids);
    yyjson_mut_obj_add_int(document, ids, "bytes_per_id", EXPLAIN_ID_BYTES);
    yyjson_mut_val *estimate = yyjson_mut_obj_add_obj(document, root, "estimate");
    yyjson_mut_obj_add_real(document, estimate, "events_per_day", events_per_day);
    yyjson_mut_obj_add_real(document, estimate, "retained_events", explain->retained);
    yyjson_mut_obj_add_real(document, estimate, "bytes", explain->bytes);
    yyjson_mut_val *warnings = yyjson_mut_obj_add_arr(document, root, "warnings");
    for (int w = 0; plan_warning(plan, w); w++)
        yyjson_mut_arr_add_str(document, warnings, plan_warning(plan, w));
    char *text = yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
    yyjson_mut_doc_free(document);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory to print the explanation");
    puts(text);
    free(text);
    return OK;
}

/* ---- the verb ---- */

struct key_counts {
    char *names[MOST_KEYS];
    double counts[MOST_KEYS];
};

static int read_count(const char *text, double *ret, struct error *error)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 1 && value <= 1e15))
        return error_set(error, CODE_USAGE,
                         "--entities: '%s' is not a number of entities; expected N or KEY=N, N from 1 on",
                         text);
    *ret = value;
    return OK;
}

/* --entities N KEY=N...: the last = separates, because a key may be an expression. */
static int read_entities(const struct arguments *arguments, struct key_counts *counts,
                         struct explain_load *load, struct error *error)
{
    int n, rc = OK;
    const char *const *list = argument_list(arguments, "entities", &n);
    for (int i = 0; rc == OK && i < n; i++) {
        const char *equals = strrchr(list[i], '=');
        if (!equals) {
            rc = read_count(list[i], &load->entities, error);
            continue;
        }
        if (load->n_keys == MOST_KEYS)
            return error_set(error, CODE_LIMIT, "--entities: more than %d keys", MOST_KEYS);
        rc = read_count(equals + 1, &counts->counts[load->n_keys], error);
        if (rc == OK && !(counts->names[load->n_keys] = memory_text(list[i], (size_t)(equals - list[i]))))
            rc = error_set(error, CODE_MEMORY, "no memory for --entities");
        load->n_keys += rc == OK;
    }
    return rc;
}

static int explain_plan(const struct arguments *arguments, const struct explain_load *load,
                        struct error *error)
{
    struct plan *plan;
    struct explain explain;
    int rc = plan_load(argument_positional(arguments, 0), &plan, error);
    if (rc != OK)
        return rc;
    rc = explain_new(plan, load, &explain, error);
    if (rc == OK && argument_flag(arguments, "json")) {
        rc = print_json(plan, &explain, load->events_per_day, error);
    } else if (rc == OK) {
        print_head(plan, &explain);
        for (int g = 0; g < explain.n_groups; g++)
            print_group(&explain.groups[g]);
        print_tail(plan, &explain, load->events_per_day);
    }
    if (rc == OK)
        explain_done(&explain);
    plan_unref(plan);
    return rc;
}

static int run(const struct arguments *arguments, struct error *error)
{
    struct key_counts counts = {0};
    struct explain_load load = {
        .events_per_day = argument_real(arguments, "events-per-day"),
        .steps_per_day = argument_real(arguments, "steps-per-day"),
        .entities = 1e5,
        .keys = (const char *const *)counts.names,
        .key_entities = counts.counts,
        .dedupe = argument_given(arguments, "dedupe") ? argument_integer(arguments, "dedupe") : INT64_MIN};
    int rc = read_entities(arguments, &counts, &load, error);
    if (rc == OK)
        rc = explain_plan(arguments, &load, error);
    for (int i = 0; i < load.n_keys; i++)
        free(counts.names[i]);
    return rc;
}

static const struct option options[] = {
    {.name = "events-per-day",
     .kind = OPTION_REAL,
     .argument = "N",
     .fallback = "1000000",
     .minimum = 1e-3,
     .maximum = 1e12,
     .text = "Events a day that memory is estimated for."},
    {.name = "entities",
     .kind = OPTION_LIST,
     .argument = "N|KEY=N",
     .fallback = "100000",
     .text =
         "Entities among which these events are spread: N for every PARTITION BY, KEY=N for one of them."},
    {.name = "steps-per-day",
     .kind = OPTION_REAL,
     .argument = "N",
     .fallback = "24",
     .minimum = 1e-3,
     .maximum = 1e9,
     .text = "Steps a day, for plans whose event time is an integer."},
    {.name = "dedupe",
     .kind = OPTION_DURATION,
     .argument = "DURATION",
     .text = "How long ids would be known again; by default as long as a new `run --state` knows them: the "
             "longest delay of a late column, or a day."},
    {.name = "json", .kind = OPTION_FLAG, .text = "Print JSON."},
    {0},
};

const struct command command_plan_explain = {
    .name = "plan explain",
    .summary = "Show what a plan computes, shares and keeps, and what that costs.",
    .positionals = "features.sql",
    .minimum = 1,
    .maximum = 1,
    .example =
        "shrike plan explain features.sql --events-per-day 5000000 --entities 2000000 terminal_id=80000",
    .options = options,
    .run = run,
};
