#include "score/dataset.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "feature/state.h"
#include "feature/strings.h"

/* What one run through the files needs besides the dataset itself. */
struct reading {
    const struct dataset_options *options;
    struct plan *plan;
    struct dataset dataset;
    int64_t capacity;
    int label, entity;     /* event columns, -1 = none */
    struct labels *labels; /* NULL: the rows' own */
    struct strings *strings;
};

static int find_column(const struct plan *plan, const char *name, const char *what, int *ret,
                       struct error *error)
{
    *ret = -1;
    if (!name)
        return OK;
    *ret = schema_find(plan_events(plan), name);
    if (*ret >= 0)
        return OK;
    return error_set(error, CODE_INVALID, "the %s column %s is not in the plan's CREATE TABLE %s", what, name,
                     plan_table_name(plan));
}

static bool wanted(const struct dataset_options *options, int64_t time)
{
    for (int s = 0; s < options->n_spans; s++)
        if (time >= options->spans[s].from_us && time < options->spans[s].to_us)
            return true;
    return options->n_spans == 0;
}

static int grow(struct reading *reading, struct error *error)
{
    struct dataset *d = &reading->dataset;
    size_t capacity = (size_t)(reading->capacity ? reading->capacity * 2 : 4096),
           features = (size_t)d->features;
    struct {
        void **array;
        size_t size;
        bool used;
    } arrays[] = {{(void **)&d->x, features * sizeof *d->x, true},
                  {(void **)&d->label, sizeof *d->label, reading->label >= 0},
                  {(void **)&d->time_us, sizeof *d->time_us, true},
                  {(void **)&d->entity, sizeof *d->entity, reading->entity >= 0},
                  {(void **)&d->row, sizeof *d->row, true}};
    for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++) {
        size_t bytes;
        if (!arrays[a].used)
            continue;
        void *grown = __builtin_mul_overflow(capacity, arrays[a].size, &bytes)
                          ? NULL
                          : realloc(*arrays[a].array, bytes);
        if (!grown)
            return error_set(error, CODE_MEMORY, "no memory for %zu rows of %zu features", capacity,
                             features);
        *arrays[a].array = grown;
    }
    reading->capacity = (int64_t)capacity;
    return OK;
}

static bool is_late(const struct plan *plan, int column)
{
    return plan_events(plan)->fields[column].roles & ROLE_LATE;
}

/* The label as 0 or 1. A missing one is the column's default, as it is once its delay has passed. */
static int read_label(const struct reading *reading, const struct table *events, int64_t i, float *ret,
                      struct error *error)
{
    const struct field *field = &plan_events(reading->plan)->fields[reading->label];
    const struct column *column = &events->columns[reading->label];
    int64_t at = i;
    double value = 0;
    if (reading->labels && is_late(reading->plan, reading->label))
        column = labels_truth(reading->labels, events, i, reading->label, &at);
    if (!column || column_is_null(column, at)) {
        if (!plan_late_default(reading->plan, reading->label, &value))
            return error_set(error, CODE_INVALID, "row %lld: label %s is NULL and has no DEFAULT",
                             (long long)(events->first_row + i), field->name);
    } else {
        value = field->type.id == TYPE_BOOLEAN ? column_boolean(column, at)
                                               : column_double(column, &field->type, at);
    }
    if (value != 0 && value != 1)
        return error_set(error, CODE_INVALID, "row %lld: label %s is %g, expected 0 or 1",
                         (long long)(events->first_row + i), field->name, value);
    *ret = (float)value;
    return OK;
}

/* A number per distinct entity value; all NULLs are one entity. */
static bool read_entity(const struct reading *reading, const struct table *events, int64_t i, int64_t *ret)
{
    const struct type *type = &plan_events(reading->plan)->fields[reading->entity].type;
    const struct column *column = &events->columns[reading->entity];
    struct text text = {"", 0};
    int64_t integer;
    __int128 wide;
    double real;
    if (!column_is_null(column, i)) {
        if (type->id == TYPE_VARCHAR || type->id == TYPE_ENUM) {
            text.data = column_text(column, i, &text.size);
        } else if (type->id == TYPE_DOUBLE || type->id == TYPE_FLOAT) {
            real = column_double(column, type, i);
            text = (struct text){(const char *)&real, sizeof real};
        } else if (type->id == TYPE_HUGEINT || type->id == TYPE_DECIMAL) {
            wide = column_wide(column, i);
            text = (struct text){(const char *)&wide, sizeof wide};
        } else {
            integer = type->id == TYPE_BOOLEAN ? column_boolean(column, i) : column_int(column, type, i);
            text = (struct text){(const char *)&integer, sizeof integer};
        }
    }
    uint64_t number;
    if (!strings_number(reading->strings, text, &number))
        return false;
    *ret = (int64_t)number;
    return true;
}

static int keep_row(struct reading *reading, const struct table *events, const float *x, int64_t i,
                    int64_t time, struct error *error)
{
    struct dataset *d = &reading->dataset;
    int rc = d->rows == reading->capacity ? grow(reading, error) : OK;
    if (rc != OK)
        return rc;
    int64_t r = d->rows;
    for (int f = 0; f < d->features; f++) {
        if (isinf(x[f]))
            return error_set(error, CODE_INVALID,
                             "row %lld: feature %s is infinite as float32, which cannot be trained on",
                             (long long)(events->first_row + i),
                             plan_features(reading->plan)->fields[f].name);
        d->x[r * d->features + f] = x[f];
    }
    if (reading->label >= 0)
        rc = read_label(reading, events, i, &d->label[r], error);
    if (rc == OK && reading->entity >= 0 && !read_entity(reading, events, i, &d->entity[r]))
        rc = error_set(error, CODE_MEMORY, "no memory for the entities");
    d->time_us[r] = time;
    d->row[r] = d->rows_seen + i;
    d->rows += rc == OK;
    return rc;
}

/* filtered: per row, or NULL for none. */
static int take_batch(struct reading *reading, const struct table *events, const struct table *features,
                      const uint8_t *filtered, float *x, struct error *error)
{
    struct schema *schema = plan_events(reading->plan);
    int column = plan_time_column(reading->plan);
    const struct type *type = column >= 0 ? &schema->fields[column].type : NULL;
    int64_t scale = type && type->id == TYPE_DATE ? DAY_US : 1;
    int rc = OK;
    dataset_convert_raw(features, x);
    for (int64_t i = 0; rc == OK && i < events->length; i++) {
        int64_t time = type ? column_int(&events->columns[column], type, i) * scale : 0;
        bool left_out = filtered && filtered[i];
        reading->dataset.rows_filtered += left_out;
        if (!left_out && wanted(reading->options, time))
            rc = keep_row(reading, events, x + i * reading->dataset.features, i, time, error);
    }
    reading->dataset.rows_seen += events->length;
    return rc;
}

/* Rows are kept beside the windows. What their arrays hold in reserve was never touched: it does not count.
 */
static int check_memory(const struct reading *reading, const struct state *state, struct error *error)
{
    const struct dataset *d = &reading->dataset;
    char limit[UNITS_TEXT_SIZE], bytes[UNITS_TEXT_SIZE];
    int64_t row = d->features * (int64_t)sizeof *d->x + (int64_t)sizeof *d->time_us + (int64_t)sizeof *d->row;
    row += (d->label ? (int64_t)sizeof *d->label : 0) + (d->entity ? (int64_t)sizeof *d->entity : 0);
    int64_t needed = state_bytes(state) + d->rows * row;
    if (!reading->options->memory || needed <= reading->options->memory)
        return OK;
    return error_set(error, CODE_LIMIT,
                     "after %lld events, windows and %lld rows of %d features take %s, more than the memory "
                     "limit of %s; raise the limit (--memory), or choose a shorter span",
                     (long long)d->rows_seen, (long long)d->rows, d->features, units_size_text(needed, bytes),
                     units_size_text(reading->options->memory, limit));
}

static int take_events(struct reading *reading, struct state *state, const struct table *events,
                       struct table *features, const uint8_t **ret_filtered, struct error *error)
{
    int rc = reading->labels ? labels_take(reading->labels, state, events, features, error)
                             : state_take(state, events, features, error);
    if (rc == OK)
        *ret_filtered = reading->labels ? labels_filtered(reading->labels) : state_filtered(state);
    return rc;
}

void dataset_warn_lacks(const char *path, const char *column, int64_t rows)
{
    if (column)
        log_line(LOG_WARNING, "%s: none of the first %lld events has %s: it is NULL", path, (long long)rows,
                 column);
    else
        log_line(LOG_WARNING, "%s: none of the first %lld events has any column of the plan: all are NULL",
                 path, (long long)rows);
}

static int read_rows(struct reading *reading, struct error *error)
{
    const struct dataset_options *o = reading->options;
    struct reader_options from = {.paths = o->paths,
                                  .n_paths = o->n_paths,
                                  .columns = plan_events(reading->plan),
                                  .time_unit = o->time_unit,
                                  .lacks = dataset_warn_lacks};
    struct state_options with = {.threads = o->threads, .memory = o->memory, .learns = o->labels};
    struct reader *reader = NULL;
    struct state *state = NULL;
    struct table events = {0}, features = {0};
    struct progress progress;
    float *x = memory_new((size_t)LIMIT_BATCH_ROWS * (size_t)reading->dataset.features, sizeof *x);
    int rc = x ? state_new(reading->plan, &with, &state, error)
               : error_set(error, CODE_MEMORY, "no memory for a batch");
    if (rc == OK) {
        from.pool = state_pool(state);
        rc = reader_open(&from, &reader, error);
    }
    if (rc == OK)
        rc = table_init(&events, plan_events(reading->plan), error);
    if (rc == OK)
        rc = table_init(&features, plan_features(reading->plan), error);
    if (rc == OK) {
        progress_start(&progress, "computing features", "rows", reader_rows(reader));
        while ((rc = reader_next(reader, &events, error)) == OK && events.length > 0) {
            const uint8_t *filtered = NULL;
            rc = take_events(reading, state, &events, &features, &filtered, error);
            if (rc == OK)
                rc = take_batch(reading, &events, &features, filtered, x, error);
            if (rc == OK)
                rc = check_memory(reading, state, error);
            if (rc != OK)
                break;
            progress_add(&progress, events.length);
        }
        progress_stop(&progress);
    }
    table_done(&events);
    table_done(&features);
    reader_close(reader);
    state_free(state);
    free(x);
    return rc;
}

/* SHA-256 over the names, sizes and sums of all files, in their order. */
static int fingerprint(const struct dataset_options *options, char ret[65], struct error *error)
{
    struct buffer text;
    buffer_init(&text, LIMIT_MANIFEST_BYTES);
    int rc = OK;
    for (int p = 0; rc == OK && p < options->n_paths; p++) {
        glob_t found;
        if (glob(options->paths[p], GLOB_NOCHECK, NULL, &found) != 0) {
            rc = error_set(error, CODE_NOT_FOUND, "cannot list %s", options->paths[p]);
            break;
        }
        for (size_t i = 0; rc == OK && i < found.gl_pathc; i++) {
            char sum[FILE_SHA256_SIZE];
            const char *name = strrchr(found.gl_pathv[i], '/');
            rc = file_sha256(found.gl_pathv[i], sum, error);
            if (rc == OK)
                buffer_format(&text, "%s %s\n", name ? name + 1 : found.gl_pathv[i], sum);
        }
        globfree(&found);
    }
    if (rc == OK)
        rc = buffer_check(&text, "the list of input files", error);
    if (rc == OK)
        file_sha256_bytes(text.data, text.size, ret);
    buffer_done(&text);
    return rc;
}

int dataset_read(struct plan *plan, const struct dataset_options *options, struct dataset *ret,
                 struct error *error)
{
    struct reading reading = {.options = options, .plan = plan, .dataset.features = plan_features(plan)->n};
    int rc = dataset_check_features(plan_features(plan), error);
    if (rc == OK)
        rc = find_column(plan, options->label, "label", &reading.label, error);
    if (rc == OK)
        rc = find_column(plan, options->entity, "entity", &reading.entity, error);
    if (rc == OK && options->n_spans && plan_time_column(plan) < 0)
        rc = error_set(error, CODE_INVALID,
                       "spans of time need an event time, and the plan has none: no window, and not "
                       "exactly one TIMESTAMP or DATE column");
    if (rc == OK && !(reading.strings = strings_new()))
        rc = error_set(error, CODE_MEMORY, "no memory for the entities");
    if (rc == OK)
        rc = grow(&reading, error);
    if (rc == OK && options->labels)
        rc = labels_open(plan, options->labels, &reading.labels, error);
    if (rc == OK && options->labels && reading.label >= 0 && is_late(plan, reading.label) &&
        !labels_has(reading.labels, reading.label))
        rc = error_set(error, CODE_INVALID, "labels: the file has no column %s, which is the label",
                       options->label);
    if (rc == OK)
        rc = read_rows(&reading, error);
    if (rc == OK && reading.labels)
        labels_count(reading.labels, &reading.dataset.labels);
    labels_free(reading.labels);
    if (rc == OK)
        rc = fingerprint(options, reading.dataset.fingerprint, error);
    strings_free(reading.strings);
    if (rc != OK) {
        dataset_done(&reading.dataset);
        return rc;
    }
    *ret = reading.dataset;
    return OK;
}

void dataset_done(struct dataset *dataset)
{
    free(dataset->x);
    free(dataset->label);
    free(dataset->time_us);
    free(dataset->entity);
    free(dataset->row);
    *dataset = (struct dataset){0};
}
