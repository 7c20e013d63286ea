#include "score/label_said.h"

#include <stdlib.h>
#include <string.h>

#include "score/label_file.h"
#include "table/packed.h"

/* times: of the label that counts, per late column; behind them the row, packed. */
struct said {
    uint32_t size; /* of the row */
    int64_t times[];
};
static const int64_t never = INT64_MIN;

static char *row_of(const struct sayings *sayings, const struct said *said)
{
    return (char *)(said->times + sayings->n);
}

static struct said *new_said(const struct sayings *sayings, size_t size)
{
    struct said *said = malloc(sizeof *said + (size_t)sayings->n * sizeof *said->times + size);
    if (said)
        said->size = (uint32_t)size;
    return said;
}

struct schema *label_schema_new(const struct plan *plan)
{
    const struct schema *events = plan_events(plan);
    const struct field *id = &events->fields[plan_id_column(plan)];
    struct schema *schema = schema_new(0);
    bool fine = schema && schema_add(schema, id->name, id->type, NULL) == OK &&
                schema_add(schema, "when it arrived", label_time_type(plan), NULL) == OK;
    for (int c = 0; fine && c < events->n; c++)
        if (events->fields[c].roles & ROLE_LATE)
            fine = schema_add(schema, events->fields[c].name, events->fields[c].type, NULL) == OK;
    if (fine) {
        schema->fields[LABEL_ID].roles = id->roles;
        return schema;
    }
    schema_unref(schema);
    return NULL;
}

int64_t label_time(const struct label_rows *labels, int64_t i)
{
    return column_int(&labels->rows->columns[LABEL_TIME], &labels->rows->schema->fields[LABEL_TIME].type, i);
}

int sayings_init(struct sayings *ret, const struct schema *labels, struct error *error)
{
    struct sayings sayings = {.n = labels->n - LABEL_COLUMNS};
    struct schema *late = schema_new(0);
    int rc = late ? OK : error_set(error, CODE_MEMORY, "no memory for labels");
    for (int c = LABEL_COLUMNS; rc == OK && c < labels->n; c++)
        rc = schema_add(late, labels->fields[c].name, labels->fields[c].type, error);
    if (rc == OK)
        rc = table_init(&sayings.was, late, error);
    if (rc == OK)
        rc = table_init(&sayings.is, late, error);
    schema_unref(late);
    buffer_init(&sayings.bytes, SIZE_MAX / 2);
    *ret = sayings;
    return rc;
}

void sayings_done(struct sayings *sayings)
{
    if (sayings->was.schema)
        table_done(&sayings->was);
    if (sayings->is.schema)
        table_done(&sayings->is);
    buffer_done(&sayings->bytes);
}

int sayings_read(struct sayings *sayings, const struct said *said, struct error *error)
{
    struct table *was = &sayings->was;
    size_t used;
    if (said)
        return packed_read(row_of(sayings, said), said->size, 1, was, &used, error);
    table_clear(was);
    int rc = table_reserve(was, 1, error);
    for (int c = 0; rc == OK && c < sayings->n; c++)
        column_append_null(&was->columns[c], &was->schema->fields[c].type);
    was->length = rc == OK;
    return rc;
}

/* Puts together the row that is said from now on; *ret_news: does any column change its label? */
static int put_together(struct sayings *sayings, const struct said *before, const struct label_rows *labels,
                        int64_t i, bool *ret_news, struct error *error)
{
    int64_t time = label_time(labels, i);
    int rc = sayings_read(sayings, before, error);
    table_clear(&sayings->is);
    *ret_news = false;
    if (rc == OK)
        rc = table_reserve(&sayings->is, 1, error);
    for (int c = 0; rc == OK && c < sayings->n; c++) {
        bool counts = labels->speaks[c] && (!before || time >= before->times[c]);
        const struct column *from =
            counts ? &labels->rows->columns[LABEL_COLUMNS + c] : &sayings->was.columns[c];
        rc = column_append_from(&sayings->is.columns[c], &sayings->is.schema->fields[c].type, from,
                                counts ? i : 0, error);
        *ret_news |= counts && (!before || time > before->times[c]);
    }
    if (rc != OK)
        return rc;
    sayings->is.length = 1;
    buffer_clear(&sayings->bytes);
    packed_write(&sayings->is, 0, 1, &sayings->bytes);
    return sayings->bytes.failed ? error_set(error, CODE_MEMORY, "no memory for labels") : OK;
}

int sayings_add(struct sayings *sayings, const struct said *before, const struct label_rows *labels,
                int64_t i, struct said **ret, struct error *error)
{
    bool news;
    int rc = put_together(sayings, before, labels, i, &news, error);
    if (rc != OK)
        return rc;
    size_t size = sayings->bytes.size;
    *ret = NULL;
    /* Of the same time another value is news, too. */
    if (!news && before &&
        (before->size != size || memcmp(row_of(sayings, before), sayings->bytes.data, size)))
        news = true;
    if (!news)
        return OK;
    struct said *said = new_said(sayings, size);
    if (!said)
        return error_set(error, CODE_MEMORY, "no memory for labels");
    int64_t time = label_time(labels, i);
    for (int c = 0; c < sayings->n; c++) {
        int64_t was = before ? before->times[c] : never;
        said->times[c] = labels->speaks[c] && time >= was ? time : was;
    }
    memcpy(row_of(sayings, said), sayings->bytes.data, size);
    *ret = said;
    return OK;
}

int64_t said_latest(const struct sayings *sayings, const struct said *said)
{
    int64_t latest = never;
    for (int c = 0; c < sayings->n; c++)
        latest = said->times[c] > latest ? said->times[c] : latest;
    return latest;
}

void said_save(const struct sayings *sayings, const struct said *said, struct bytes_out *out)
{
    bytes_put_u8(out, said != NULL);
    if (!said)
        return;
    bytes_put_u32(out, said->size);
    bytes_put(out, said->times, (size_t)sayings->n * sizeof *said->times);
    bytes_put(out, row_of(sayings, said), said->size);
}

bool said_load(struct sayings *sayings, struct bytes_in *in, struct said **ret)
{
    enum { PIECE = 4096 };
    *ret = NULL;
    if (!bytes_get_u8(in))
        return in->rc == OK;
    uint32_t size = bytes_get_u32(in);
    size_t times = (size_t)sayings->n * sizeof(int64_t);
    buffer_clear(&sayings->bytes);
    /* Piece by piece: what says how much follows may be wrong. */
    for (size_t left = times + size, n; left; left -= n) {
        char piece[PIECE];
        n = left < PIECE ? left : PIECE;
        if (!bytes_get(in, piece, n))
            return false;
        buffer_append(&sayings->bytes, piece, n);
    }
    struct said *said = sayings->bytes.failed ? NULL : new_said(sayings, size);
    if (!said)
        return bytes_no_memory(in);
    memcpy(said->times, sayings->bytes.data, times + size);
    struct error error = {0};
    size_t used = 0;
    if (packed_read(row_of(sayings, said), size, 1, &sayings->was, &used, &error) != OK || used != size ||
        sayings->was.length != 1) {
        free(said);
        return bytes_refuse(in, "what labels have said of an event cannot be read%s%s",
                            error.code ? ": " : "", error.message);
    }
    *ret = said;
    return true;
}
