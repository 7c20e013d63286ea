#include "score/label_file.h"

#include "base/memory.h"

/* id, time, and the late columns that the file has; found: NULL where a file does not say its columns, which
 * may be any then. */
static int choose_columns(const struct plan *plan, const char *time, const struct schema *found,
                          struct schema *ret, int *ret_columns, struct error *error)
{
    const struct schema *events = plan_events(plan);
    const struct field *id = &events->fields[plan_id_column(plan)];
    struct buffer names;
    buffer_init(&names, ERROR_MESSAGE_SIZE / 2);
    int rc = schema_add(ret, id->name, id->type, error);
    if (rc == OK)
        rc = schema_add(ret, time, label_time_type(plan), error);
    for (int c = 0; rc == OK && c < events->n; c++) {
        ret_columns[c] = c == plan_id_column(plan) ? 0 : -1;
        if (!(events->fields[c].roles & ROLE_LATE))
            continue;
        buffer_format(&names, "%s%s", names.size ? ", " : "", events->fields[c].name);
        if (found && schema_find(found, events->fields[c].name) < 0)
            continue;
        ret_columns[c] = ret->n;
        rc = schema_add(ret, events->fields[c].name, events->fields[c].type, error);
    }
    if (rc == OK && ret->n == 2)
        rc = error_set(error, CODE_INVALID, "labels: the file has none of the plan's late columns (%s)",
                       names.data);
    buffer_done(&names);
    return rc;
}

static int open_reader(const struct labels_options *options, struct schema *columns, struct reader **ret,
                       struct error *error)
{
    struct reader_options from = {.paths = options->paths,
                                  .n_paths = options->n_paths,
                                  .columns = columns,
                                  .time_unit = options->time_unit};
    int rc = reader_open(&from, ret, error);
    if (rc != OK)
        error_prefix(error, "labels");
    return rc;
}

int label_file_open(const struct plan *plan, const struct labels_options *options, int *ret_columns,
                    struct reader **ret, struct error *error)
{
    const char *time = options->time_column ? options->time_column : "label_time";
    struct reader *reader = NULL;
    struct schema *columns = schema_new(0);
    int rc = columns ? open_reader(options, NULL, &reader, error)
                     : error_set(error, CODE_MEMORY, "no memory for the labels");
    if (rc == OK || rc == CODE_UNSUPPORTED)
        rc = choose_columns(plan, time, reader ? reader_schema(reader) : NULL, columns, ret_columns, error);
    reader_close(reader);
    if (rc == OK)
        rc = open_reader(options, columns, ret, error);
    schema_unref(columns);
    return rc;
}

int label_file_next(struct reader *reader, struct table *batch, struct error *error)
{
    int rc = reader_next(reader, batch, error);
    for (int64_t i = 0; rc == OK && i < batch->length; i++)
        for (int c = 0; c < 2; c++)
            if (column_is_null(&batch->columns[c], i))
                return error_set(error, CODE_INVALID,
                                 "labels: row %lld: %s is NULL: every label needs its id and its time",
                                 (long long)(batch->first_row + i), batch->schema->fields[c].name);
    return rc;
}

struct type label_time_type(const struct plan *plan)
{
    int column = plan_time_column(plan);
    struct type type = {.id = TYPE_TIMESTAMP};
    if (column >= 0 && plan_events(plan)->fields[column].type.id != TYPE_DATE)
        type = plan_events(plan)->fields[column].type;
    return type;
}
