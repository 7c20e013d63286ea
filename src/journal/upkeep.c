/* Segments that are removed when nobody needs them, and rewritten when something in them is to be forgotten.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "journal/inside.h"

static int sync_directory(struct journal *journal, struct error *error)
{
    struct error own;
    int code = io_sync_directory(journal->io, journal->directory, &own);
    if (code) {
        pthread_mutex_lock(&journal->lock);
        journal_fail(journal, &own);
        pthread_mutex_unlock(&journal->lock);
        if (error)
            *error = own;
    }
    return code;
}

static int check_health(struct journal *journal, struct error *error)
{
    pthread_mutex_lock(&journal->lock);
    int code = (int)journal->failure.code;
    if (code && error)
        *error = journal->failure;
    pthread_mutex_unlock(&journal->lock);
    return code;
}

/* ---- trimming ---- */

/* Takes the oldest segment from the table where all its records come before the position. */
static bool drop_oldest(struct journal *journal, uint64_t position, uint64_t *ret_number)
{
    pthread_mutex_lock(&journal->lock);
    bool can = journal->n_segments > 1 && journal->segments[1].first_position <= position;
    if (can) {
        *ret_number = journal->segments[0].number;
        kept_done(&journal->segments[0]);
        journal->n_segments--;
        memmove(journal->segments, journal->segments + 1, journal->n_segments * sizeof *journal->segments);
        atomic_fetch_add(&journal->changes, 1);
    }
    pthread_mutex_unlock(&journal->lock);
    return can;
}

int journal_trim(struct journal *journal, uint64_t position, uint64_t *ret_removed, struct error *error)
{
    uint64_t number, removed = 0;
    pthread_mutex_lock(&journal->upkeep);
    int code = check_health(journal, error);
    while (!code && drop_oldest(journal, position, &number)) {
        char path[IO_PATH_SIZE];
        code = segment_path(journal->directory, number, path, error);
        if (!code)
            code = io_remove(journal->io, path, error);
        /* One by one: a segment that came back behind one that did not would look like a missing one. */
        if (!code)
            code = sync_directory(journal, error);
        removed += !code;
    }
    pthread_mutex_unlock(&journal->upkeep);
    if (ret_removed)
        *ret_removed = removed;
    return code;
}

/* ---- rewriting ---- */

enum { OUT_BUFFER = 256 << 10 };

struct rewriting {
    struct journal *journal;
    const struct kept *kept;
    journal_replace *replace;
    void *context;
    char path[IO_PATH_SIZE], staging[IO_PATH_SIZE];
    int in, out; /* out: -1 until something is replaced */
    uint8_t *buffer;
    size_t buffered;
    uint64_t offset; /* of the buffer in the new file */
    struct segment_head head;
    struct segment_cursor cursor;
};

static int write_out(struct rewriting *rewriting, struct error *error)
{
    int code = io_write(rewriting->journal->io, rewriting->out, rewriting->staging, rewriting->buffer,
                        rewriting->buffered, rewriting->offset, error);
    rewriting->offset += rewriting->buffered;
    rewriting->buffered = 0;
    return code;
}

static int put(struct rewriting *rewriting, const void *data, size_t size, struct error *error)
{
    const uint8_t *bytes = data;
    int code = OK;
    while (!code && size) {
        size_t room = OUT_BUFFER - rewriting->buffered, n = size < room ? size : room;
        memcpy(rewriting->buffer + rewriting->buffered, bytes, n);
        rewriting->buffered += n;
        bytes += n;
        size -= n;
        if (rewriting->buffered == OUT_BUFFER)
            code = write_out(rewriting, error);
    }
    return code;
}

static int put_record(struct rewriting *rewriting, const struct record *record, struct error *error)
{
    static const uint8_t zeros[RECORD_ALIGN];
    uint8_t head[RECORD_HEAD];
    record_put_head(record, rewriting->cursor.lag, record_sum(record->body, record->size), head);
    int code = put(rewriting, head, sizeof head, error);
    if (!code)
        code = put(rewriting, record->body, record->size, error);
    if (!code)
        code = put(rewriting, zeros, record_bytes(record->size) - RECORD_HEAD - record->size, error);
    return code;
}

/* The new file, with what is in the old one before byte `end`. */
static int begin(struct rewriting *rewriting, uint64_t end, struct error *error)
{
    const struct io *io = rewriting->journal->io;
    uint8_t head[SEGMENT_HEAD];
    int code = io_open(io, rewriting->staging, IO_WRITE | IO_CREATE | IO_EMPTY, &rewriting->out, error);
    rewriting->head.generation++;
    segment_put_head(&rewriting->head, head);
    if (!code)
        code = put(rewriting, head, sizeof head, error);
    for (uint64_t at = SEGMENT_HEAD; !code && at < end;) {
        uint8_t bytes[16 << 10];
        size_t n = end - at < sizeof bytes ? (size_t)(end - at) : sizeof bytes, got;
        code = io_read(io, rewriting->in, rewriting->path, bytes, n, at, &got, error);
        if (!code && got < n)
            code = error_set(error, CODE_CORRUPT, "%s became shorter while it was read", rewriting->path);
        if (!code)
            code = put(rewriting, bytes, n, error);
        at += n;
    }
    return code;
}

static int rewrite_record(struct rewriting *rewriting, struct record *record, uint64_t offset,
                          struct error *error)
{
    const void *body = record->body;
    uint32_t size = record->size;
    int code = rewriting->replace(rewriting->context, record, &body, &size, error);
    if (code)
        return code;
    if (size > LIMIT_JOURNAL_RECORD)
        return error_set(error, CODE_LIMIT, "a record of %u bytes, at most %d", size, LIMIT_JOURNAL_RECORD);
    bool replaced = body != record->body || size != record->size;
    if (replaced && rewriting->out < 0)
        code = begin(rewriting, offset, error);
    record->body = body;
    record->size = size;
    if (!code && rewriting->out >= 0)
        code = put_record(rewriting, record, error);
    return code;
}

static int rewrite_records(struct rewriting *rewriting, uint64_t from, uint64_t to, struct error *error)
{
    struct segment_cursor *cursor = &rewriting->cursor;
    for (;;) {
        uint64_t offset = cursor->offset;
        enum segment_step step;
        struct record record;
        int code = segment_next(cursor, &step, &record, error);
        if (code)
            return code;
        if (step == SEGMENT_BAD)
            return segment_bad(cursor, error);
        if (step == SEGMENT_END)
            return OK;
        if (record.position >= from && record.position <= to)
            code = rewrite_record(rewriting, &record, offset, error);
        else if (rewriting->out >= 0)
            code = put_record(rewriting, &record, error);
        if (code)
            return code;
    }
}

/* The new file takes the old one's place, for those who read as for the disk. */
static int put_in_place(struct rewriting *rewriting, struct error *error)
{
    struct journal *journal = rewriting->journal;
    int code = write_out(rewriting, error);
    if (!code)
        code = io_sync(journal->io, rewriting->out, rewriting->staging, error);
    if (code)
        return code;
    pthread_mutex_lock(&journal->lock);
    code = io_rename(journal->io, rewriting->staging, rewriting->path, error);
    if (!code) {
        struct kept *kept = &journal->segments[rewriting->kept->number - journal->segments[0].number];
        kept->end = rewriting->offset;
        kept->generation = rewriting->head.generation;
        kept_done(kept);
        atomic_fetch_add(&journal->changes, 1);
    }
    pthread_mutex_unlock(&journal->lock);
    return code ? code : sync_directory(journal, error);
}

static int rewrite_segment(struct rewriting *rewriting, uint64_t from, uint64_t to, uint64_t *rewritten,
                           struct error *error)
{
    struct journal *journal = rewriting->journal;
    uint64_t number = rewriting->kept->number;
    int code = segment_path(journal->directory, number, rewriting->path, error);
    if (!code)
        code = segment_staging_path(journal->directory, number, rewriting->staging, error);
    if (!code)
        code = io_open(journal->io, rewriting->path, IO_READ, &rewriting->in, error);
    if (code)
        return code;
    rewriting->out = -1;
    rewriting->offset = rewriting->buffered = 0;
    code = segment_check_head(journal->io, rewriting->in, rewriting->path, journal->options.identity, number,
                              &rewriting->head, error);
    if (!code) {
        segment_cursor_init(&rewriting->cursor, journal->io, rewriting->in, rewriting->path, &rewriting->head,
                            rewriting->kept->end);
        code = rewrite_records(rewriting, from, to, error);
        segment_cursor_done(&rewriting->cursor);
    }
    if (!code && rewriting->out >= 0) {
        code = put_in_place(rewriting, error);
        *rewritten += !code;
    }
    if (code && rewriting->out >= 0)
        io_remove(journal->io, rewriting->staging, NULL);
    io_close(journal->io, rewriting->out);
    io_close(journal->io, rewriting->in);
    return code;
}

/* The closed segment that holds `position`, or a later one; its index is the table's and not to be used. */
static int find_closed(struct journal *journal, uint64_t position, uint64_t to, struct kept *ret,
                       bool *ret_any, struct error *error)
{
    pthread_mutex_lock(&journal->lock);
    const struct kept *newest = &journal->segments[journal->n_segments - 1];
    int code = OK;
    *ret_any = false;
    if (to >= newest->first_position)
        code = error_set(error, CODE_INVALID,
                         "records up to %" PRIu64 " cannot be rewritten: those from %" PRIu64
                         " on are in the newest segment, which must be closed first",
                         to, newest->first_position);
    for (size_t i = 0; !code && !*ret_any && i + 1 < journal->n_segments; i++) {
        if (journal->segments[i + 1].first_position > position && journal->segments[i].first_position <= to) {
            *ret = journal->segments[i];
            *ret_any = true;
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return code;
}

int journal_rewrite(struct journal *journal, uint64_t from, uint64_t to, journal_replace *replace,
                    void *context, uint64_t *ret_segments, struct error *error)
{
    struct rewriting rewriting = {.journal = journal, .replace = replace, .context = context};
    struct kept kept;
    uint64_t rewritten = 0, position = from;
    bool any = true;
    pthread_mutex_lock(&journal->upkeep);
    int code = check_health(journal, error);
    rewriting.buffer = malloc(OUT_BUFFER);
    if (!code && !rewriting.buffer)
        code = error_set(error, CODE_MEMORY, "no memory to rewrite segments");
    while (!code && any && position <= to) {
        code = find_closed(journal, position, to, &kept, &any, error);
        if (code || !any)
            break;
        rewriting.kept = &kept;
        code = rewrite_segment(&rewriting, from, to, &rewritten, error);
        position = rewriting.cursor.position;
    }
    free(rewriting.buffer);
    pthread_mutex_unlock(&journal->upkeep);
    if (ret_segments)
        *ret_segments = rewritten;
    return code;
}
