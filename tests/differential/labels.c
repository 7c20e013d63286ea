#include "differential/labels.h"

#include <stdlib.h>

static int by_position(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    /* Any order that is not that of the events. */
    return (x->source > y->source) - (x->source < y->source);
}

static int64_t random_delay(struct random *random)
{
    static const int64_t most[] = {1, 3, 12, 40, 300};
    return 1 + random_below(random, most[random_below(random, 5)]);
}

void labels_make(struct random *random, const struct random_plan *made, struct plan *plan, struct labels *ret)
{
    int64_t rows = made->rows;
    struct labels labels = {.list = memory_new((size_t)rows * 4, sizeof *labels.list)};
    if (!labels.list)
        abort();
    random_plan_events(random, made, plan->events, plan->time_column, &labels.values);
    for (int64_t e = 0; e < rows; e++) {
        int n = random_chance(random, 20)   ? 0
                : random_chance(random, 60) ? 1
                                            : 1 + (int)random_below(random, 3);
        for (int i = 0; i < n; i++) {
            struct label label = {.event = e,
                                  .position = e + random_delay(random),
                                  .time = random_below(random, 4),
                                  .source = random_below(random, rows)};
            labels.list[labels.n++] = label;
            if (random_chance(random, 10)) { /* once more */
                label.position += random_below(random, 5);
                labels.list[labels.n++] = label;
            }
        }
    }
    qsort(labels.list, (size_t)labels.n, sizeof *labels.list, by_position);
    *ret = labels;
}

void labels_done(struct labels *labels)
{
    free(labels->list);
    if (labels->values.schema)
        table_done(&labels->values);
    *labels = (struct labels){0};
}

void labels_append(struct column *to, const struct type *type, const struct column *from, int64_t i)
{
    size_t size;
    if (i < 0 || column_is_null(from, i)) {
        column_append_null(to, type);
        return;
    }
    switch (type->id) {
    case TYPE_BOOLEAN:
        column_append_boolean(to, column_boolean(from, i));
        break;
    case TYPE_HUGEINT:
    case TYPE_DECIMAL:
        column_append_wide(to, column_wide(from, i));
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        column_append_double(to, type, column_double(from, type, i));
        break;
    case TYPE_VARCHAR: {
        const char *text = column_text(from, i, &size);
        if (column_append_text(to, text, size, NULL) != OK)
            abort();
        break;
    }
    default:
        column_append_int(to, type, column_int(from, type, i));
    }
}
