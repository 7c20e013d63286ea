/*
 * Opening what is there. All segments but the newest were flushed before the next had its name, so they are
 * taken by their heads; whoever reads them checks their records. The newest is read whole, and cut behind its
 * last good record.
 *
 * Another process may have died between writing and flushing: what it left in the system's cache looks as if
 * it were on the disk. So the names and the newest segment are flushed before anything in them counts, and
 * read anew, because a flush that failed before leaves bytes in the cache that the disk does not have.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "journal/inside.h"

/* ---- names ---- */

struct names {
    uint64_t *numbers;
    size_t n, capacity;
    uint64_t *staging; /* numbers of segments that were being made */
    size_t n_staging, staging_capacity;
};

static int take_name(void *argument, const char *name)
{
    struct names *names = argument;
    uint64_t number;
    if (segment_number(name, &number)) {
        if (!memory_grow(&names->numbers, &names->capacity, names->n + 1, sizeof number))
            return ENOMEM;
        names->numbers[names->n++] = number;
    } else if (segment_staging_number(name, &number)) {
        if (!memory_grow(&names->staging, &names->staging_capacity, names->n_staging + 1, sizeof number))
            return ENOMEM;
        names->staging[names->n_staging++] = number;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int remove_staging(struct journal *journal, const struct names *names, struct error *error)
{
    int code = OK;
    for (size_t i = 0; !code && i < names->n_staging; i++) {
        char path[IO_PATH_SIZE];
        code = segment_staging_path(journal->directory, names->staging[i], path, error);
        if (!code)
            code = io_remove(journal->io, path, error);
    }
    return code;
}

/* ---- heads ---- */

static int take_segment(struct journal *journal, uint64_t number, struct error *error)
{
    char path[IO_PATH_SIZE];
    struct segment_head head;
    uint64_t size;
    int file, code = segment_path(journal->directory, number, path, error);
    if (!code)
        code = io_open(journal->io, path, IO_READ, &file, error);
    if (code)
        return code;
    code = segment_check_head(journal->io, file, path, journal->options.identity, number, &head, error);
    if (!code)
        code = io_size(journal->io, file, path, &size, error);
    io_close(journal->io, file);
    if (code)
        return code;
    if (journal->n_segments) {
        const struct kept *before = &journal->segments[journal->n_segments - 1];
        if (head.first_position <= before->first_position || head.first_seq < before->first_seq)
            return error_set(error, CODE_CORRUPT,
                             "%s begins with position %" PRIu64 " and seq %" PRIu64
                             ", the segment before it with %" PRIu64 " and %" PRIu64,
                             path, head.first_position, head.first_seq, before->first_position,
                             before->first_seq);
    }
    return journal_add_segment(journal, &head, size, error);
}

static int take_segments(struct journal *journal, const struct names *names, struct error *error)
{
    int code = OK;
    for (size_t i = 0; !code && i < names->n; i++) {
        if (i && names->numbers[i] != names->numbers[i - 1] + 1)
            return error_set(
                error, CODE_CORRUPT,
                "segment %" PRIu64 " of the journal in %s is missing: there are %" PRIu64 " and %" PRIu64,
                names->numbers[i - 1] + 1, journal->directory, names->numbers[i - 1], names->numbers[i]);
        code = take_segment(journal, names->numbers[i], error);
    }
    return code;
}

/* ---- the end of the newest ---- */

/* One behind the last byte that is not zero, from `from` on; `from` where all are. */
static int find_last(struct journal *journal, uint64_t from, uint64_t size, uint64_t *ret,
                     struct error *error)
{
    static const size_t STEP = 64 << 10;
    uint64_t last = from;
    uint8_t *bytes = malloc(STEP);
    int code = bytes ? OK : error_set(error, CODE_MEMORY, "no memory to read %s", journal->path);
    for (uint64_t at = from; !code && at < size;) {
        size_t n = 0;
        code = io_read(journal->io, journal->file, journal->path, bytes, STEP, at, &n, error);
        if (!code && n == 0)
            break;
        for (size_t i = n; !code && i-- > 0;)
            if (bytes[i]) {
                last = at + i + 1;
                break;
            }
        at += n;
    }
    free(bytes);
    *ret = last;
    return code;
}

/* Whether a record behind the bad one was written when the bad one was already on the disk: then the bad one
 * is damaged, and more is lost than what was being written. */
static int was_durable(struct journal *journal, const struct segment_cursor *bad, uint64_t end, bool *ret,
                       struct error *error)
{
    enum { STEP = 64 << 10 };
    uint8_t *bytes = malloc(STEP + RECORD_HEAD);
    *ret = false;
    if (!bytes)
        return error_set(error, CODE_MEMORY, "no memory to read %s", journal->path);
    int code = OK;
    for (uint64_t at = bad->offset + RECORD_ALIGN; !code && !*ret && at < end; at += STEP) {
        size_t n = 0;
        code = io_read(journal->io, journal->file, journal->path, bytes, STEP + RECORD_HEAD, at, &n, error);
        for (size_t i = 0; !code && i < STEP && i + RECORD_HEAD <= n; i += RECORD_ALIGN) {
            struct record record;
            uint32_t lag;
            if (record_read_head(bytes + i, &record, &lag, NULL) && record.position > bad->position &&
                record.position - bad->position > lag)
                *ret = true;
        }
    }
    free(bytes);
    return code;
}

static int cut(struct journal *journal, const struct segment_cursor *bad, uint64_t last,
               struct journal_recovery *ret, struct error *error)
{
    int code = was_durable(journal, bad, last, &ret->damaged, error);
    if (code)
        return code;
    if (ret->damaged && !journal->options.cut_damage) {
        segment_bad(bad, error);
        error_prefix(error, "records that had been acknowledged are lost, not merely one that was being "
                            "written");
        return CODE_CORRUPT;
    }
    segment_name(journal->segments[journal->n_segments - 1].number, ret->dropped_from);
    ret->dropped = last - bad->offset;
    ret->dropped_at = bad->offset;
    memcpy(ret->reason, bad->reason, sizeof ret->reason);
    /* Before anything is appended: half a record that comes back would stand behind the new ones. */
    code = io_truncate(journal->io, journal->file, journal->path, bad->offset, error);
    return code ? code : io_sync(journal->io, journal->file, journal->path, error);
}

/* Up to the end of the records; what is behind them must be zeros, or is cut. */
static int find_end(struct journal *journal, struct segment_cursor *cursor, uint64_t size,
                    struct journal_recovery *ret, struct error *error)
{
    enum segment_step step = SEGMENT_RECORD;
    struct record record;
    uint64_t last;
    int code = OK;
    while (!code && step == SEGMENT_RECORD)
        code = segment_next(cursor, &step, &record, error);
    if (code)
        return code;
    journal->offset = cursor->offset;
    journal->prepared = size;
    if (step == SEGMENT_END)
        return OK;
    code = find_last(journal, cursor->offset, size, &last, error);
    if (code || last == cursor->offset)
        return code;
    journal->prepared = cursor->offset;
    return cut(journal, cursor, last, ret, error);
}

static int open_newest(struct journal *journal, struct journal_recovery *ret, struct error *error)
{
    struct kept *newest = &journal->segments[journal->n_segments - 1];
    struct segment_cursor cursor;
    struct segment_head head;
    uint64_t size;
    int code = segment_path(journal->directory, newest->number, journal->path, error);
    if (!code)
        code = io_open(journal->io, journal->path, IO_WRITE, &journal->file, error);
    if (!code)
        code = io_sync(journal->io, journal->file, journal->path, error);
    if (!code)
        code = io_forget(journal->io, journal->file, journal->path, 0, 0, error);
    if (!code)
        code = segment_check_head(journal->io, journal->file, journal->path, journal->options.identity,
                                  newest->number, &head, error);
    if (!code)
        code = io_size(journal->io, journal->file, journal->path, &size, error);
    if (code)
        return code;
    segment_cursor_init(&cursor, journal->io, journal->file, journal->path, &head, size);
    code = find_end(journal, &cursor, size, ret, error);
    segment_cursor_done(&cursor);
    newest->end = journal->offset;
    journal->next_position = cursor.position;
    journal->next_seq = cursor.seq;
    return code;
}

static int start(struct journal *journal, struct error *error)
{
    struct segment_head head = {.number = 1, .first_position = 1, .first_seq = 1};
    memcpy(head.identity, journal->options.identity, JOURNAL_IDENTITY);
    int code = segment_path(journal->directory, head.number, journal->path, error);
    if (!code)
        code = segment_create(journal->io, journal->directory, &head, &journal->file, error);
    if (!code)
        code = journal_add_segment(journal, &head, SEGMENT_HEAD, error);
    journal->offset = journal->prepared = SEGMENT_HEAD;
    journal->next_position = journal->next_seq = 1;
    return code;
}

int journal_recover(struct journal *journal, struct journal_recovery *ret, struct error *error)
{
    struct names names = {0};
    int code = io_list(journal->io, journal->directory, take_name, &names, error);
    if (!code)
        code = io_sync_directory(journal->io, journal->directory, error);
    if (!code)
        code = remove_staging(journal, &names, error);
    if (!code && names.n) {
        qsort(names.numbers, names.n, sizeof *names.numbers, by_number);
        code = take_segments(journal, &names, error);
        if (!code)
            code = open_newest(journal, ret, error);
    } else if (!code) {
        code = start(journal, error);
    }
    for (size_t i = 0; !code && i < journal->n_segments; i++)
        ret->bytes += journal->segments[i].end;
    ret->segments = journal->n_segments;
    free(names.numbers);
    free(names.staging);
    return code;
}
