/*
 * Snapshots of the durable engine. A first block says how far sources and sinks have come and who decides;
 * those behind it are the ids that are known, what labels need (label_book.c), each only where it is kept,
 * and what the windows remember (feature/state_save.c).
 *
 *   places: a switch (records.h) | number of places u32 | of each a position; each record behind its size,
 * u32
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "score/durable_struct.h"

static struct piece text_piece(const char *text)
{
    return (struct piece){text, (uint32_t)strlen(text)};
}

/* ---- writing ---- */

/* A record behind its size. */
static void begin_record(struct buffer *out, size_t *ret_at)
{
    uint32_t size = 0;
    *ret_at = out->size;
    buffer_append(out, (const char *)&size, sizeof size);
}

static void end_record(struct buffer *out, size_t at)
{
    uint32_t size = (uint32_t)(out->size - at - sizeof size);
    if (!out->failed)
        memcpy(out->data + at, &size, sizeof size);
}

static void put_places(const struct durable *durable, struct buffer *out)
{
    uint32_t n = (uint32_t)durable->n_reached;
    struct switch_record version;
    size_t at;
    durable_describe(durable, &version);
    begin_record(out, &at);
    if (durable->model)
        record_switch(&version, out);
    else
        buffer_append(out, durable->in_force.data, durable->in_force.size);
    end_record(out, at);
    buffer_append(out, (const char *)&n, sizeof n);
    for (int i = 0; i < durable->n_reached; i++) {
        const struct reached *reached = &durable->reached[i];
        struct position_record record = {text_piece(reached->what), reached->number, reached->bytes};
        begin_record(out, &at);
        record_position(&record, out);
        end_record(out, at);
    }
}

static int write_block(void *context, const void *data, size_t size, struct error *error)
{
    return snapshot_put(context, SNAPSHOT_STATE, data, size, error);
}

static int write_ids_block(void *context, const void *data, size_t size, struct error *error)
{
    return snapshot_put(context, SNAPSHOT_IDS, data, size, error);
}

static int write_labels_block(void *context, const void *data, size_t size, struct error *error)
{
    return snapshot_put(context, SNAPSHOT_LABELS, data, size, error);
}

static int write_labels(const struct durable *durable, struct snapshot_writer *writer, struct error *error)
{
    struct bytes_out out;
    int rc = bytes_out_init(&out, write_labels_block, writer, error);
    if (rc != OK)
        return rc;
    label_book_save(durable->labels, &out);
    return bytes_out_finish(&out);
}

static int write_ids(const struct durable *durable, struct snapshot_writer *writer, struct error *error)
{
    struct bytes_out out;
    int rc = bytes_out_init(&out, write_ids_block, writer, error);
    if (rc != OK)
        return rc;
    bytes_put_i64(&out, durable->high);
    ids_save(durable->ids, &out);
    return bytes_out_finish(&out);
}

int durable_write_snapshot(struct durable *durable, bool (*may_finish)(void *), void *context,
                           struct error *error)
{
    struct snapshot_head head = {.seq = durable->seq,
                                 .position = durable->position,
                                 .plan = plan_hash(durable->plan),
                                 .plan_size = (uint32_t)strlen(plan_hash(durable->plan))};
    struct snapshot_writer *writer = NULL;
    struct buffer places;
    buffer_init(&places, LIMIT_SNAPSHOT_BLOCK);
    put_places(durable, &places);
    int rc = buffer_check(&places, "the places of a snapshot", error);
    if (rc == OK)
        rc = snapshot_writer_new(&durable->snapshots, &head, &writer, error);
    if (rc == OK)
        rc = snapshot_put(writer, SNAPSHOT_PLACES, places.data, places.size, error);
    if (rc == OK && durable->ids)
        rc = write_ids(durable, writer, error);
    if (rc == OK && durable->labels)
        rc = write_labels(durable, writer, error);
    if (rc == OK)
        rc = engine_save(durable->engine, write_block, writer, error);
    if (rc == OK && may_finish && !may_finish(context))
        rc = error_set(error, CODE_IO, "the journal before it could not be committed");
    if (rc == OK)
        rc = snapshot_finish(writer, error);
    snapshot_writer_free(writer);
    buffer_done(&places);
    return rc;
}

/* ---- reading ---- */

/* Blocks of one kind; at the first of another it ends, and that one stays at hand. */
static int read_blocks(struct snapshot_loading *loading, uint32_t kind, void *data, size_t capacity,
                       size_t *ret_size, struct error *error)
{
    *ret_size = 0;
    while (loading->at == loading->block.size) {
        int rc = snapshot_next(loading->reader, &loading->found, &loading->block, error);
        loading->at = 0;
        if (rc != OK)
            return rc;
        if (!loading->found) {
            loading->block.size = 0;
            return OK;
        }
    }
    if (loading->block.kind != kind)
        return OK;
    size_t left = loading->block.size - loading->at, n = left < capacity ? left : capacity;
    memcpy(data, (const char *)loading->block.data + loading->at, n);
    loading->at += n;
    *ret_size = n;
    return OK;
}

static int read_ids(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    return read_blocks(context, SNAPSHOT_IDS, data, capacity, ret_size, error);
}

/* Blocks of one kind, where others that nobody asks for stand before them. */
static int read_behind(struct snapshot_loading *loading, uint32_t kind, uint32_t passed, void *data,
                       size_t capacity, size_t *ret_size, struct error *error)
{
    int rc = read_blocks(loading, kind, data, capacity, ret_size, error);
    while (rc == OK && *ret_size == 0 && loading->found && loading->block.kind < 32 &&
           (passed >> loading->block.kind & 1)) {
        loading->at = loading->block.size;
        rc = read_blocks(loading, kind, data, capacity, ret_size, error);
    }
    return rc;
}

static int read_labels(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    return read_behind(context, SNAPSHOT_LABELS, 1u << SNAPSHOT_IDS, data, capacity, ret_size, error);
}

int snapshot_read_state(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    struct snapshot_loading *loading = context;
    uint32_t passed = 1u << SNAPSHOT_IDS | 1u << SNAPSHOT_LABELS;
    int rc = read_behind(loading, SNAPSHOT_STATE, passed, data, capacity, ret_size, error);
    if (rc == OK && *ret_size == 0 && loading->found)
        rc = error_set(error, CODE_CORRUPT, "a block of kind %u where the windows' state should be",
                       loading->block.kind);
    return rc;
}

static int load_ids(struct durable *durable, struct snapshot_loading *loading, struct error *error)
{
    struct bytes_in in;
    if (!durable->ids)
        return OK;
    int rc = bytes_in_init(&in, read_ids, loading, error);
    if (rc != OK)
        return rc;
    /* There are none where nobody asked for them before. */
    size_t n;
    rc = read_ids(loading, in.block, BYTES_BLOCK, &n, error);
    in.size = n;
    if (rc == OK && n) {
        durable->high = bytes_get_i64(&in);
        ids_load(durable->ids, &in);
        bytes_at_end(&in);
        rc = in.rc;
    }
    bytes_in_done(&in);
    return rc;
}

int snapshot_read_labels(struct snapshot_loading *loading, struct label_book *book, struct error *error)
{
    struct bytes_in in;
    if (!book)
        return OK;
    int rc = bytes_in_init(&in, read_labels, loading, error);
    if (rc != OK)
        return rc;
    label_book_load(book, &in);
    bytes_at_end(&in);
    rc = in.rc;
    bytes_in_done(&in);
    return rc;
}

/* The record that stands behind its size at *at. */
static int next_record(const struct snapshot_block *block, size_t *at, struct piece *ret, struct error *error)
{
    if (block->size - *at < 4)
        return error_set(error, CODE_CORRUPT, "the places of a snapshot end before they should");
    memcpy(&ret->size, (const char *)block->data + *at, 4);
    ret->data = (const char *)block->data + *at + 4;
    if (ret->size > block->size - *at - 4)
        return error_set(error, CODE_CORRUPT, "the places of a snapshot end before they should");
    *at += 4 + (size_t)ret->size;
    return OK;
}

int snapshot_version(const struct snapshot_block *block, struct switch_record *ret, size_t *ret_at,
                     struct error *error)
{
    struct piece piece;
    *ret_at = 0;
    if (block->kind != SNAPSHOT_PLACES)
        return error_set(error, CODE_CORRUPT, "a snapshot does not begin with its places");
    int rc = next_record(block, ret_at, &piece, error);
    return rc == OK ? record_read_switch(piece.data, piece.size, ret, error) : rc;
}

static int read_places(struct durable *durable, const struct snapshot_block *block, struct error *error)
{
    struct switch_record version;
    uint32_t n = 0;
    size_t at;
    int rc = snapshot_version(block, &version, &at, error);
    if (rc == OK)
        rc = durable_check_kept(durable, &version, error);
    if (rc != OK)
        return rc;
    durable->version = version.version;
    const struct piece body = {(const char *)block->data + 4, (uint32_t)at - 4};
    buffer_clear(&durable->in_force);
    buffer_append(&durable->in_force, body.data, body.size);
    free(durable->identity);
    durable->identity = memory_text(version.identity.data, version.identity.size);
    if (!durable->identity)
        return error_set(error, CODE_MEMORY, "no memory for a version's name");
    if (block->size - at < 4)
        return error_set(error, CODE_CORRUPT, "the places of a snapshot end before they should");
    memcpy(&n, (const char *)block->data + at, 4);
    at += 4;
    for (uint32_t i = 0; rc == OK && i < n; i++) {
        struct position_record record;
        struct piece piece;
        rc = next_record(block, &at, &piece, error);
        if (rc == OK)
            rc = record_read_position(piece.data, piece.size, &record, error);
        if (rc == OK)
            rc = durable_note(durable, record.what, record.number, record.bytes, error);
    }
    if (rc == OK && at != block->size)
        rc = error_set(error, CODE_CORRUPT, "the places of a snapshot are too long");
    return rc;
}

bool durable_is_ahead(const struct durable *durable, const struct snapshot_head *head)
{
    struct journal_state state;
    journal_state(durable->journal, &state);
    return head->position >= state.next_position;
}

/* Of a snapshot from before it was noted, what WHERE left out is not known. */
static void read_newest(struct durable *durable)
{
    struct position_record found;
    if (durable_where(durable, PLACE_NEWEST, &found))
        durable->newest = (int64_t)found.number;
    else
        durable->newest = plan_has_where(durable->plan) ? LIMIT_EVENT_TIME + 1
                                                        : state_high_water(engine_state(durable->engine));
}

int durable_drop_ahead(struct durable *durable, struct error *error)
{
    struct snapshot_place places[LIMIT_SNAPSHOTS];
    int n, rc = snapshots_kept(&durable->snapshots, places, &n, error);
    for (int i = 0; rc == OK && i < n; i++) {
        const struct snapshot_head head = {.position = places[i].position};
        if (durable_is_ahead(durable, &head))
            rc = snapshots_remove(&durable->snapshots, places[i].seq, error);
    }
    return rc;
}

static int load_one(struct durable *durable, struct snapshot_reader *reader, struct error *error)
{
    struct snapshot_loading loading = {.reader = reader};
    const struct snapshot_head *head = snapshot_reader_head(reader);
    const char *hash = plan_hash(durable->plan);
    struct switch_record version;
    size_t at;
    bool found;
    if (durable_is_ahead(durable, head))
        return error_set(error, CODE_CORRUPT, "it lies ahead of the journal, which ends before record %llu",
                         (unsigned long long)head->position);
    int rc = snapshot_next(reader, &found, &loading.block, error);
    if (rc != OK)
        return rc;
    if (!found)
        return error_set(error, CODE_CORRUPT, "a snapshot is empty");
    rc = snapshot_version(&loading.block, &version, &at, error);
    if (rc != OK)
        return rc;
    if (head->plan_size != strlen(hash) || memcmp(head->plan, hash, head->plan_size) != 0)
        return durable_refuse_plan(durable, version.name, error);
    rc = read_places(durable, &loading.block, error);
    loading.at = loading.block.size;
    if (rc == OK)
        rc = load_ids(durable, &loading, error);
    if (rc == OK)
        rc = snapshot_read_labels(&loading, durable->labels, error);
    if (rc == OK)
        rc = engine_load(durable->engine, snapshot_read_state, &loading, error);
    read_newest(durable);
    durable->seq = head->seq;
    durable->position = head->position;
    return rc;
}

int durable_begin_anew(struct durable *durable, struct error *error)
{
    for (int i = 0; i < durable->n_reached; i++)
        free(durable->reached[i].what);
    durable->n_reached = 0;
    durable->seq = durable->position = durable->version = 0;
    free(durable->identity);
    durable->identity = memory_text("", 0);
    if (!durable->identity)
        return error_set(error, CODE_MEMORY, "no memory for a version's name");
    ids_free(durable->ids);
    bool keeps_ids = durable->options.dedupe_us > 0 ||
                     (durable->options.dedupe_us < 0 && plan_id_column(durable->plan) >= 0);
    durable->ids = keeps_ids ? ids_new(durable->options.dedupe_us) : NULL;
    durable->high = durable->newest = INT64_MIN / 2;
    if (keeps_ids && !durable->ids)
        return error_set(error, CODE_MEMORY, "no memory for the ids of events");
    engine_free(durable->engine);
    durable->engine = NULL;
    int rc = durable_new_engine(durable, error);
    return rc == OK ? durable_new_labels(durable, error) : rc;
}

int durable_load(struct durable *durable, struct durable_recovery *recovery, struct error *error)
{
    uint64_t most = UINT64_MAX;
    int dropped = 0;
    for (;;) {
        struct snapshot_reader *reader = NULL;
        struct error own = {0};
        int rc = durable_begin_anew(durable, error);
        if (rc == OK)
            rc = snapshots_newest(&durable->snapshots, most, false, &reader, &recovery->snapshots, error);
        if (rc != OK || !reader)
            return rc;
        rc = load_one(durable, reader, &own);
        uint64_t seq = snapshot_reader_head(reader)->seq;
        snapshot_reader_free(reader);
        if (rc == OK) {
            recovery->snapshot_seq = seq;
            recovery->snapshots.dropped += dropped;
            durable->tried = (struct mark){durable->position, durable->seq, 0};
            durable->marks[durable->n_marks++] = durable->tried;
            return OK;
        }
        if (rc != CODE_CORRUPT || seq == 0) {
            if (error)
                *error = own;
            return rc;
        }
        log_line(LOG_WARNING, "the snapshot at %llu is left out: %s", (unsigned long long)seq, own.message);
        dropped++;
        most = seq - 1;
    }
}
