#include "stream/generator.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/units.h"

/* As many days as there are threads are made at once, one by each; then they are given out in order. */
struct slot {
    struct table table;
    bool has_table; /* initialised */
    void *worker;   /* the profile's */
    int code;       /* how the day went */
    struct error error;
};

struct generator {
    const struct profile *profile;
    struct schema *schema;
    void *world;
    int64_t start_us, days, rows;
    bool whole_days;
    struct parallel *parallel;
    struct slot *slots;
    int n_slots;

    int64_t first_day; /* the day in slots[0] */
    int n_made, slot;  /* days made, and which of them is being given out */
    int64_t row;       /* of it, the next */
    int64_t next_id;
};

const struct profile *const profiles[] = {&profile_handbook, NULL};

static int find_profile(const char *name, const struct profile **ret, struct error *error)
{
    for (int i = 0; profiles[i]; i++)
        if (!strcmp(profiles[i]->name, name)) {
            *ret = profiles[i];
            return OK;
        }
    struct buffer known;
    buffer_init(&known, ERROR_MESSAGE_SIZE);
    for (int i = 0; profiles[i]; i++)
        buffer_format(&known, "%s%s", i ? ", " : "", profiles[i]->name);
    error_set(error, CODE_USAGE, "no generator profile is called '%s'; there are: %s", name,
              known.data ? known.data : "");
    buffer_done(&known);
    return CODE_USAGE;
}

static int set_values(const struct profile *profile, const struct generator_options *options, double *values,
                      struct error *error)
{
    int n = 0;
    for (; profile->parameters[n].name; n++)
        values[n] = profile->parameters[n].fallback;
    assert(n <= PROFILE_PARAMETERS);
    for (int i = 0; i < options->n_values; i++) {
        const struct generator_value *given = &options->values[i];
        int k = 0;
        while (k < n && strcmp(profile->parameters[k].name, given->name))
            k++;
        if (k == n)
            return error_set(error, CODE_USAGE, "profile %s has no parameter '%s'", profile->name,
                             given->name);
        const struct profile_parameter *parameter = &profile->parameters[k];
        bool whole = !parameter->whole || given->value == (double)(int64_t)given->value;
        /* Written so that NaN is refused too. */
        if (!(given->value >= parameter->minimum && given->value <= parameter->maximum) || !whole)
            return error_set(error, CODE_USAGE, "%s is %g; it must be %s from %.15g to %.15g",
                             parameter->name, given->value, parameter->whole ? "a whole number" : "a number",
                             parameter->minimum, parameter->maximum);
        values[k] = given->value;
    }
    return OK;
}

static void make_day(void *context, int task)
{
    struct generator *generator = context;
    struct slot *slot = &generator->slots[task];
    int64_t day = generator->first_day + task;
    slot->code = generator->profile->day(slot->worker, (uint32_t)day, generator->start_us + day * DAY_US,
                                         &slot->table, &slot->error);
}

/* The next days, as many as there are slots. None where the span is over. */
static int make_days(struct generator *generator, struct error *error)
{
    generator->first_day += generator->n_made;
    int64_t left = generator->days - generator->first_day;
    generator->n_made = left < generator->n_slots ? (int)left : generator->n_slots;
    generator->slot = 0;
    generator->row = 0;
    parallel_for(generator->parallel, generator->n_made, make_day, generator);
    for (int i = 0; i < generator->n_made; i++)
        if (generator->slots[i].code) {
            if (error)
                *error = generator->slots[i].error;
            return generator->slots[i].code;
        }
    return OK;
}

static int prepare_slots(struct generator *generator, struct error *error)
{
    generator->slots = memory_new((size_t)generator->n_slots, sizeof *generator->slots);
    if (!generator->slots)
        return error_set(error, CODE_MEMORY, "no memory for the generator");
    for (int i = 0; i < generator->n_slots; i++) {
        struct slot *slot = &generator->slots[i];
        int code = table_init(&slot->table, generator->schema, error);
        if (code)
            return code;
        slot->has_table = true;
        code = generator->profile->worker_new(generator->world, &slot->worker, error);
        if (code)
            return code;
    }
    return OK;
}

static int check_options(const struct generator_options *options, struct error *error)
{
    char text[UNITS_TEXT_SIZE];
    if (options->start_us % DAY_US)
        return error_set(error, CODE_USAGE, "the simulation starts at midnight (UTC), not at %s",
                         units_time_text(options->start_us, text));
    if (options->days < 1 || options->days > LIMIT_GENERATOR_DAYS)
        return error_set(error, CODE_USAGE, "%lld days: from 1 to %d are possible", (long long)options->days,
                         LIMIT_GENERATOR_DAYS);
    if (options->rows < 0)
        return error_set(error, CODE_USAGE, "%lld rows: a number from 1 up was expected",
                         (long long)options->rows);
    if (options->threads < 0 || options->threads > LIMIT_THREADS)
        return error_set(error, CODE_USAGE, "%d threads: from 1 to %d are possible", options->threads,
                         LIMIT_THREADS);
    return OK;
}

int generator_open(const struct generator_options *options, struct generator **ret, struct error *error)
{
    double values[PROFILE_PARAMETERS];
    const struct profile *profile = NULL;
    int code = check_options(options, error);
    if (!code)
        code = find_profile(options->profile, &profile, error);
    if (!code)
        code = set_values(profile, options, values, error);
    if (code)
        return code;

    struct generator *generator = memory_new(1, sizeof *generator);
    if (!generator)
        return error_set(error, CODE_MEMORY, "no memory for the generator");
    generator->profile = profile;
    generator->start_us = options->start_us;
    generator->days = options->days;
    generator->rows = options->rows ? options->rows : INT64_MAX;
    generator->whole_days = options->whole_days;
    generator->n_slots = options->threads ? options->threads : 1;
    code = parallel_new(generator->n_slots, &generator->parallel, error);
    if (!code)
        code = profile->schema(&generator->schema, error);
    if (!code)
        code = profile->open(values, options->seed, &generator->world, error);
    if (!code)
        code = prepare_slots(generator, error);
    if (code)
        generator_close(generator);
    else
        *ret = generator;
    return code;
}

struct schema *generator_schema(const struct generator *generator)
{
    return generator->schema;
}

/* Gives the next n rows of a day to the table, with their ids. */
static int take_rows(struct generator *generator, struct slot *slot, int64_t n, struct table *table,
                     struct error *error)
{
    int64_t *ids = (int64_t *)slot->table.columns[0].data + generator->row;
    for (int64_t i = 0; i < n; i++)
        ids[i] = generator->next_id + i;
    int code = table_append(table, &slot->table, generator->row, n, error);
    if (code)
        return code;
    generator->next_id += n;
    generator->row += n;
    return OK;
}

int generator_next(struct generator *generator, struct table *table, struct error *error)
{
    table_clear(table);
    table->first_row = generator->next_id + 1;
    while (table->length < LIMIT_BATCH_ROWS && generator->next_id < generator->rows) {
        int code = generator->slot == generator->n_made ? make_days(generator, error) : OK;
        if (code)
            return code;
        if (!generator->n_made)
            break;
        struct slot *slot = &generator->slots[generator->slot];
        int64_t n = slot->table.length - generator->row, room = LIMIT_BATCH_ROWS - table->length;
        n = n < room ? n : room;
        n = n < generator->rows - generator->next_id ? n : generator->rows - generator->next_id;
        if (n)
            code = take_rows(generator, slot, n, table, error);
        if (code)
            return code;
        if (generator->row == slot->table.length) {
            generator->slot++;
            generator->row = 0;
        }
        if (generator->whole_days && table->length)
            break;
    }
    return OK;
}

void generator_close(struct generator *generator)
{
    if (!generator)
        return;
    parallel_free(generator->parallel);
    for (int i = 0; i < generator->n_slots && generator->slots; i++) {
        generator->profile->worker_free(generator->slots[i].worker);
        if (generator->slots[i].has_table)
            table_done(&generator->slots[i].table);
    }
    generator->profile->close(generator->world);
    schema_unref(generator->schema);
    free(generator->slots);
    free(generator);
}
