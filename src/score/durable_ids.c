/* Ids in the durable engine: which events are known. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/units.h"
#include "score/durable_struct.h"
#include "score/erasing.h"
#include "table/packed.h"

/* All columns of a row as one number: equal rows have equal ones. */
static uint64_t body_of(struct durable *durable, const struct table *events, int64_t i)
{
    buffer_clear(&durable->row);
    packed_write(events, i, 1, &durable->row);
    return hash_bytes(durable->row.data, durable->row.size, 0);
}

static int64_t time_of(const struct durable *durable, const struct table *events, int64_t i)
{
    int column = plan_time_column(durable->plan);
    if (column < 0)
        return 0;
    const struct type *type = &events->schema->fields[column].type;
    return column_int(&events->columns[column], type, i) * (type->id == TYPE_DATE ? DAY_US : 1);
}

static struct id_key key_of(const struct durable *durable, const struct table *events, int64_t i)
{
    int column = plan_id_column(durable->plan);
    return id_key_of(&events->columns[column], &events->schema->fields[column].type, i);
}

/* An event without an id is always a new one. */
static bool has_id(const struct durable *durable, const struct table *events, int64_t i)
{
    return !column_is_null(&events->columns[plan_id_column(durable->plan)], i);
}

void durable_forget_id(struct durable *durable, const struct table *events, int64_t i, uint64_t seq)
{
    if (durable->ids && has_id(durable, events, i))
        ids_remove(durable->ids, key_of(durable, events, i), seq);
}

/* The high water by which ids go: a clock that is wrong does not move it, and the first event is ahead of
 * nothing. */
static void move_high(struct durable *durable, int64_t time)
{
    int64_t most = durable->options.engine.state.max_ahead_us;
    bool first = durable->high < -LIMIT_EVENT_TIME;
    if (time > durable->high && (most <= 0 || first || time <= durable->high + most))
        durable->high = time;
}

int durable_note_ids(struct durable *durable, const struct table *events, uint64_t seq, struct error *error)
{
    if (!durable->ids)
        return OK;
    /* Where time has moved on by more than that, the windows know. */
    int64_t sure = state_high_water(engine_state(durable->engine));
    durable->high = sure > durable->high ? sure : durable->high;
    for (int64_t i = 0; i < events->length; i++) {
        if (event_is_erased(events, i))
            continue;
        int64_t time = time_of(durable, events, i);
        uint64_t body = body_of(durable, events, i);
        move_high(durable, time);
        if (!has_id(durable, events, i))
            continue;
        int64_t high = time > durable->high ? time : durable->high;
        if (durable->row.failed ||
            !ids_add(durable->ids, key_of(durable, events, i), seq + (uint64_t)i, body, high))
            return error_set(error, CODE_MEMORY, "no memory for the ids of events");
        ids_expire(durable->ids, durable->high);
    }
    return OK;
}

void durable_note_times(struct durable *durable, const struct table *events)
{
    if (plan_time_column(durable->plan) < 0)
        return;
    for (int64_t i = 0; i < events->length; i++) {
        int64_t time = time_of(durable, events, i);
        durable->newest = time > durable->newest ? time : durable->newest;
    }
}

bool durable_noted_horizon(const struct durable *durable, int64_t *ret)
{
    struct position_record noted;
    if (!durable_where(durable, PLACE_IDS, &noted))
        return false;
    *ret = (int64_t)noted.number;
    return true;
}

int durable_settle_ids(struct durable *durable, bool decides, struct durable_recovery *recovery,
                       struct error *error)
{
    struct durable_options *options = &durable->options;
    int64_t before = -1;
    bool noted = durable_noted_horizon(durable, &before);
    /* A version that did not note it has it in its snapshot, where it kept ids. */
    if (!noted && durable->seq > 0 && options->dedupe_us < 0) {
        before = durable->ids ? ids_horizon(durable->ids) : 0;
        if (before < 0 && !decides) /* the next run will say */
            return OK;
        before = before < 0 ? 0 : before;
    }
    if (options->dedupe_us < 0)
        options->dedupe_us = before >= 0 ? before : plan_dedupe(durable->plan);
    if (plan_id_column(durable->plan) < 0)
        options->dedupe_us = 0;
    recovery->ids_were_us = before;
    recovery->ids_us = options->dedupe_us;
    if (options->dedupe_us == 0) {
        ids_free(durable->ids);
        durable->ids = NULL;
        return OK;
    }
    if (!durable->ids)
        durable->ids = ids_new(options->dedupe_us);
    if (!durable->ids)
        return error_set(error, CODE_MEMORY, "no memory for the ids of events");
    ids_set_horizon(durable->ids, options->dedupe_us);
    return OK;
}

int durable_put_horizon(struct durable *durable, struct error *error)
{
    int64_t noted = -1;
    if (durable_noted_horizon(durable, &noted) && noted == durable->options.dedupe_us)
        return OK;
    return durable_reached(durable, PLACE_IDS, (uint64_t)durable->options.dedupe_us, 0, error);
}

void keyed_rows_init(struct keyed_rows *keyed)
{
    memset(keyed->rows, 0, sizeof keyed->rows);
}

bool keyed_rows_enter(struct keyed_rows *keyed, struct id_key key, int64_t i)
{
    uint64_t place = hash_word(key.words[1], hash_word(key.words[0], 0)) % KEYED_ROWS;
    keyed->keys[i] = key;
    for (; keyed->rows[place]; place = (place + 1) % KEYED_ROWS)
        if (memcmp(&keyed->keys[keyed->rows[place] - 1], &key, sizeof key) == 0)
            return false;
    keyed->rows[place] = (uint16_t)(i + 1);
    return true;
}

bool durable_looks(const struct durable *durable)
{
    return durable->ids != NULL;
}

int durable_look(struct durable *durable, const struct table *events, uint8_t *ret_known, uint64_t *ret_seqs,
                 struct error *error)
{
    struct keyed_rows batch;
    if (events->length > LIMIT_DURABLE_ROWS)
        return error_set(error, CODE_LIMIT, "a batch of %lld events; at most %d are looked at",
                         (long long)events->length, LIMIT_DURABLE_ROWS);
    memset(ret_known, DURABLE_NEW, (size_t)events->length);
    if (!durable->ids)
        return OK;
    keyed_rows_init(&batch);
    for (int64_t i = 0; i < events->length; i++) {
        if (!has_id(durable, events, i))
            continue;
        struct id_key key = key_of(durable, events, i);
        uint64_t body;
        if (ids_find(durable->ids, key, durable->high, &ret_seqs[i], &body))
            ret_known[i] = body == body_of(durable, events, i) ? DURABLE_AGAIN : DURABLE_CONFLICT;
        else if (!keyed_rows_enter(&batch, key, i))
            ret_known[i] = DURABLE_LATER;
    }
    return durable->row.failed ? error_set(error, CODE_MEMORY, "no memory for an event") : OK;
}
