#include "cli/run_labels.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/pipe.h"
#include "score/label_feed.h"

enum { NAME_SIZE = PATH_MAX + 8 };

struct run_labels {
    struct durable *durable;
    struct plan *plan;
    struct label_feed *feed;
    struct label_counters before; /* this run */
};

/* As the journal knows a file; false: it has no place that could be noted. */
static bool name_of(const char *path, char name[NAME_SIZE])
{
    char whole[PATH_MAX];
    if (strcmp(path, "-") == 0 || !realpath(path, whole))
        return false;
    snprintf(name, NAME_SIZE, "labels %s", whole);
    return true;
}

static int64_t read_before(void *context, const char *path)
{
    const struct run_labels *labels = context;
    struct position_record record;
    char name[NAME_SIZE];
    return name_of(path, name) && durable_where(labels->durable, name, &record) ? (int64_t)record.number : 0;
}

static int tell_due(struct run_labels *labels, int64_t latest, struct error *error)
{
    const struct label_rows *due;
    int rc = label_feed_due(labels->feed, latest, &due, error);
    while (rc == OK && due) {
        rc = durable_learn(labels->durable, due, error);
        if (rc == OK)
            rc = label_feed_due(labels->feed, latest, &due, error);
    }
    return rc;
}

/* From here on the rows that were read now are no new ones. What was told of them stands in the journal
 * before that. */
static int note_files(struct run_labels *labels, struct error *error)
{
    const char *path;
    char name[NAME_SIZE];
    int64_t rows;
    int rc = OK;
    for (int f = 0; rc == OK && (path = label_feed_file(labels->feed, f, &rows)); f++)
        if (rows != read_before(labels, path) && name_of(path, name))
            rc = durable_reached(labels->durable, name, (uint64_t)rows, 0, error);
    return rc;
}

int run_labels_open(const struct arguments *arguments, struct plan *plan, struct durable *durable,
                    struct run_labels **ret, struct error *error)
{
    struct labels_options options;
    int64_t latest = durable_latest(durable);
    if (!pipe_labels(arguments, &options))
        return OK;
    struct run_labels *labels = memory_new(1, sizeof *labels);
    if (!labels)
        return error_set(error, CODE_MEMORY, "no memory for the labels");
    labels->durable = durable;
    labels->plan = plan;
    durable_count_labels(durable, &labels->before);
    int rc = label_feed_open(plan, durable_label_schema(durable), &options, read_before, labels, latest,
                             &labels->feed, error);
    if (rc == OK)
        rc = tell_due(labels, latest, error);
    if (rc == OK)
        rc = note_files(labels, error);
    if (rc != OK) {
        run_labels_close(labels);
        return rc;
    }
    *ret = labels;
    return OK;
}

void run_labels_close(struct run_labels *labels)
{
    if (!labels)
        return;
    label_feed_free(labels->feed);
    free(labels);
}

/* Of events that all have their times. */
static int64_t time_of(const struct run_labels *labels, const struct table *events, int64_t i)
{
    int column = plan_time_column(labels->plan);
    const struct type *type = &events->schema->fields[column].type;
    return column_int(&events->columns[column], type, i) * (type->id == TYPE_DATE ? DAY_US : 1);
}

int run_labels_next(struct run_labels *labels, const struct table *events, int64_t from, int64_t to,
                    int64_t *ret_n, struct error *error)
{
    int64_t latest = durable_latest(labels->durable), time = time_of(labels, events, from), n = 1;
    latest = time > latest ? time : latest;
    int rc = tell_due(labels, latest, error);
    if (rc != OK)
        return rc;
    int64_t most = durable_together(labels->durable, events, from);
    most = most < to - from ? most : to - from;
    for (; n < most; n++) {
        time = time_of(labels, events, from + n);
        latest = time > latest ? time : latest;
        if (label_feed_is_due(labels->feed, latest))
            break;
    }
    *ret_n = n;
    return OK;
}

int run_labels_lost(struct run_labels *labels, run_lost *lost, void *context, struct error *error)
{
    const char *const *ids;
    size_t n = durable_lost_labels(labels->durable, &ids);
    int rc = OK;
    for (size_t i = 0; rc == OK && i < n; i++)
        rc = lost(context, ids[i], error);
    if (rc == OK)
        durable_forget_lost_labels(labels->durable);
    return rc;
}

void run_labels_report(const struct run_labels *labels)
{
    struct label_counters now;
    struct labels_counters report = {0};
    durable_count_labels(labels->durable, &now);
    label_feed_count(labels->feed, &report.labels, &report.pending);
    report.told = now.told - labels->before.told;
    report.outside = now.outside - labels->before.outside;
    report.unknown = now.lost - labels->before.lost;
    pipe_report_labels(&report);
    pipe_report_book(&now);
}
