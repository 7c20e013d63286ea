#include "table/remap.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { TYPE_SHOWN = 128 };

static int refuse_type(const struct field *was, const struct field *is, struct error *error)
{
    char before[TYPE_SHOWN], now[TYPE_SHOWN];
    return error_set(error, CODE_CONFLICT,
                     "the column %s was %s and is %s now: a column keeps its type, or is "
                     "called otherwise",
                     is->name, type_text(&was->type, before, sizeof before),
                     type_text(&is->type, now, sizeof now));
}

int remap_init(struct remap *ret, const struct schema *from, struct schema *to, struct error *error)
{
    struct remap remap = {.same = from->n == to->n};
    remap.sources = memory_new((size_t)to->n + 1, sizeof *remap.sources);
    if (!remap.sources)
        return error_set(error, CODE_MEMORY, "no memory for the columns of events");
    for (int c = 0; c < to->n; c++) {
        int source = schema_find(from, to->fields[c].name);
        remap.sources[c] = source;
        remap.same &= source == c;
        if (source >= 0 && !type_equal(&from->fields[source].type, &to->fields[c].type)) {
            remap_done(&remap);
            return refuse_type(&from->fields[source], &to->fields[c], error);
        }
    }
    remap.to = schema_ref(to);
    *ret = remap;
    return OK;
}

void remap_done(struct remap *remap)
{
    schema_unref(remap->to);
    free(remap->sources);
    *remap = (struct remap){0};
}

/* A column as a table of its own. */
static int append_column(struct field *field, struct column *to, const struct column *from, int64_t n,
                         struct error *error)
{
    struct schema one = {.n = 1, .fields = field};
    struct column lent = *from;
    struct table source = {.schema = &one, .columns = &lent, .length = n};
    struct table target = {.schema = &one, .columns = to, .length = 0};
    return table_append(&target, &source, 0, n, error);
}

int remap_rows(const struct remap *remap, const struct table *from, struct table *ret, struct error *error)
{
    int64_t n = from->length;
    table_clear(ret);
    int rc = table_reserve(ret, n, error);
    for (int c = 0; rc == OK && c < remap->to->n; c++) {
        struct column *column = &ret->columns[c];
        if (remap->sources[c] >= 0)
            rc = append_column(&remap->to->fields[c], column, &from->columns[remap->sources[c]], n, error);
        else
            for (int64_t i = 0; i < n; i++)
                column_append_null(column, &remap->to->fields[c].type);
    }
    if (rc != OK) {
        table_clear(ret);
        return rc;
    }
    ret->length = n;
    ret->first_row = from->first_row;
    return OK;
}
