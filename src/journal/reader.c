#include "journal/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/inside.h"

struct journal_reader {
    struct journal *journal;
    uint64_t position; /* that the next record given has; not used while from_seq is looked for */
    uint64_t from_seq; /* 0, or: records before it are passed over */
    uint64_t changes;  /* of the journal, when the file was opened */
    uint64_t marked;   /* offset of the last mark known of this segment */
    struct located at; /* the segment that is open */
    struct segment_cursor cursor;
    char path[IO_PATH_SIZE];
    int file; /* -1: none is open */
};

int journal_reader_new(struct journal *journal, struct journal_reader **ret, struct error *error)
{
    struct journal_reader *reader = memory_new(1, sizeof *reader);
    if (!reader)
        return error_set(error, CODE_MEMORY, "no memory for a reader of the journal");
    reader->journal = journal;
    reader->file = -1;
    pthread_mutex_lock(&journal->lock);
    reader->position = journal->segments[0].first_position;
    pthread_mutex_unlock(&journal->lock);
    *ret = reader;
    return OK;
}

static void leave(struct journal_reader *reader)
{
    io_close(reader->journal->io, reader->file);
    reader->file = -1;
}

void journal_reader_free(struct journal_reader *reader)
{
    if (!reader)
        return;
    leave(reader);
    segment_cursor_done(&reader->cursor);
    free(reader);
}

uint64_t journal_reader_position(const struct journal_reader *reader)
{
    return reader->position;
}

/* ---- to a place ---- */

static int gone(const struct journal *journal, const char *what, uint64_t target, struct error *error)
{
    const struct kept *oldest = &journal->segments[0];
    return error_set(error, CODE_NOT_FOUND,
                     "%s %" PRIu64 " is kept no longer in %s: the oldest record has position %" PRIu64
                     " and seq %" PRIu64,
                     what, target, journal->directory, oldest->first_position, oldest->first_seq);
}

int journal_reader_seek(struct journal_reader *reader, uint64_t position, struct error *error)
{
    struct journal *journal = reader->journal;
    int code = OK;
    pthread_mutex_lock(&journal->lock);
    if (position < journal->segments[0].first_position)
        code = gone(journal, "position", position, error);
    else if (position > journal->next_position)
        code =
            error_set(error, CODE_INVALID, "position %" PRIu64 " is not in %s: the next record has %" PRIu64,
                      position, journal->directory, journal->next_position);
    pthread_mutex_unlock(&journal->lock);
    if (code)
        return code;
    leave(reader);
    reader->position = position;
    reader->from_seq = 0;
    return OK;
}

int journal_reader_seek_seq(struct journal_reader *reader, uint64_t seq, struct error *error)
{
    struct journal *journal = reader->journal;
    struct located at;
    int code = OK;
    pthread_mutex_lock(&journal->lock);
    if (!journal_locate(journal, true, seq, &at))
        code = gone(journal, "seq", seq, error);
    else if (seq > journal->next_seq)
        code = error_set(error, CODE_INVALID, "seq %" PRIu64 " is not in %s: the next thing has %" PRIu64,
                         seq, journal->directory, journal->next_seq);
    pthread_mutex_unlock(&journal->lock);
    if (code)
        return code;
    leave(reader);
    reader->position = at.from.position;
    reader->from_seq = seq;
    return OK;
}

/* Opens a segment that was located, at the mark before the position. *ret_again: meanwhile it was rewritten.
 */
static int open_segment(struct journal_reader *reader, bool *ret_again, struct error *error)
{
    const struct io *io = reader->journal->io;
    const struct located *at = &reader->at;
    struct segment_head head;
    int file, code = segment_path(reader->journal->directory, at->number, reader->path, error);
    *ret_again = false;
    if (!code)
        code = io_open(io, reader->path, IO_READ, &file, error);
    if (code == CODE_NOT_FOUND)
        *ret_again = atomic_load(&reader->journal->changes) != reader->changes;
    if (code)
        return *ret_again ? OK : code;
    code = segment_check_head(io, file, reader->path, reader->journal->options.identity, at->number, &head,
                              error);
    if (code || head.generation != at->generation) {
        io_close(io, file);
        *ret_again = !code && atomic_load(&reader->journal->changes) != reader->changes;
        if (!code && !*ret_again)
            code = error_set(error, CODE_CORRUPT,
                             "%s was rewritten %u times, expected %u: another program has changed it",
                             reader->path, head.generation, at->generation);
        return code;
    }
    segment_cursor_done(&reader->cursor);
    segment_cursor_init(&reader->cursor, io, file, reader->path, &head, at->end);
    reader->cursor.offset = reader->cursor.start = at->from.offset;
    reader->cursor.position = at->from.position;
    reader->cursor.seq = at->from.seq;
    reader->marked = at->from.offset;
    reader->file = file;
    return OK;
}

/* Opens the segment of the position. */
static int enter(struct journal_reader *reader, struct error *error)
{
    struct journal *journal = reader->journal;
    for (bool again = true; again;) {
        pthread_mutex_lock(&journal->lock);
        reader->changes = atomic_load(&journal->changes);
        bool kept = journal_locate(journal, false, reader->position, &reader->at);
        int code = kept ? OK : gone(journal, "position", reader->position, error);
        pthread_mutex_unlock(&journal->lock);
        if (!code)
            code = open_segment(reader, &again, error);
        if (code)
            return code;
    }
    return OK;
}

/* Whether the segment after this one begins where this one ends. */
static int check_next(const struct journal_reader *reader, const struct kept *next, struct error *error)
{
    const struct segment_cursor *cursor = &reader->cursor;
    if (next->first_position == cursor->position && next->first_seq == cursor->seq)
        return OK;
    return error_set(error, CODE_CORRUPT,
                     "%s ends before position %" PRIu64 " and seq %" PRIu64
                     ", the segment after it begins with "
                     "%" PRIu64 " and %" PRIu64,
                     reader->path, cursor->position, cursor->seq, next->first_position, next->first_seq);
}

/* At the end of what was known to be durable in the segment: there may be more now, or another segment. */
static int go_on(struct journal_reader *reader, bool *ret_more, struct error *error)
{
    struct journal *journal = reader->journal;
    bool stays = false;
    int code = OK;
    pthread_mutex_lock(&journal->lock);
    if (reader->changes == atomic_load(&journal->changes)) { /* else the segment is looked for again */
        const struct kept *kept = &journal->segments[reader->at.number - journal->segments[0].number];
        bool newest = kept == &journal->segments[journal->n_segments - 1];
        stays = newest || kept->end > reader->cursor.offset;
        *ret_more = kept->end > reader->cursor.offset || !newest;
        reader->cursor.limit = kept->end;
        if (!stays)
            code = check_next(reader, kept + 1, error);
    }
    pthread_mutex_unlock(&journal->lock);
    if (!code && !stays) {
        if (reader->position < reader->cursor.position)
            reader->position = reader->cursor.position;
        leave(reader);
    }
    return code;
}

static bool is_wanted(struct journal_reader *reader, const struct record *record)
{
    if (record->position < reader->position)
        return false;
    return record->seq + (record->count ? record->count : 1) > reader->from_seq;
}

/* One step over the open segment. *ret_found is false at its end and where the record is passed over. */
static int step(struct journal_reader *reader, bool *ret_end, bool *ret_found, struct record *ret,
                struct error *error)
{
    struct segment_cursor *cursor = &reader->cursor;
    struct mark mark = {cursor->position, cursor->seq, cursor->offset};
    struct record record;
    enum segment_step found;
    int code = segment_next(cursor, &found, &record, error);
    if (code)
        return code;
    *ret_end = found == SEGMENT_END;
    *ret_found = false;
    if (found == SEGMENT_BAD)
        return segment_bad(cursor, error);
    if (found == SEGMENT_END)
        return OK;
    if (record.position >= reader->at.behind)
        return error_set(error, CODE_CORRUPT,
                         "%s has record %" PRIu64 ", the segment after it begins with %" PRIu64, reader->path,
                         record.position, reader->at.behind);
    if (journal_worth_marking(mark.offset, reader->marked)) {
        journal_learn(reader->journal, reader->at.number, reader->at.generation, &mark);
        reader->marked = mark.offset;
    }
    *ret_found = is_wanted(reader, &record);
    if (*ret_found) {
        reader->position = record.position + 1;
        reader->from_seq = 0;
        *ret = record;
    }
    return OK;
}

int journal_reader_next(struct journal_reader *reader, bool *ret_found, struct record *ret,
                        struct error *error)
{
    struct journal *journal = reader->journal;
    *ret_found = false;
    if (reader->position > journal_durable(journal))
        return OK;
    for (bool more = true; more;) {
        bool end, found;
        if (reader->file >= 0 && reader->changes != atomic_load(&journal->changes))
            leave(reader);
        int code = reader->file < 0 ? enter(reader, error) : OK;
        if (!code)
            code = step(reader, &end, &found, ret, error);
        if (!code && end)
            code = go_on(reader, &more, error);
        if (code)
            return code;
        if (found) {
            *ret_found = true;
            return OK;
        }
    }
    return OK;
}

int journal_find(struct journal_reader *reader, uint64_t seq, struct record *ret, struct error *error)
{
    int code = journal_reader_seek_seq(reader, seq, error);
    bool found = true;
    while (!code && found) {
        code = journal_reader_next(reader, &found, ret, error);
        if (!code && found && ret->count)
            return OK;
    }
    if (!code)
        code = error_set(error, CODE_NOT_FOUND, "seq %" PRIu64 " is not durable in %s yet", seq,
                         reader->journal->directory);
    return code;
}
