#include "journal/segment.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "journal/bytes.h"

/* ---- the head ---- */

enum {
    MAGIC = 0,
    ORDER = 8, /* written in the machine's own order, so that another machine reads another number */
    FORMAT = 12,
    IDENTITY = 16,
    NUMBER = 32,
    FIRST_POSITION = 40,
    FIRST_SEQ = 48,
    GENERATION = 56,
    SUM = 60, /* of all bytes before it */
};
static const char magic[8] = {'s', 'h', 'r', 'k', 'j', 'r', 'n', 'l'};
static const uint32_t byte_order = 0x01020304;

void segment_put_head(const struct segment_head *head, uint8_t bytes[SEGMENT_HEAD])
{
    memcpy(bytes + MAGIC, magic, sizeof magic);
    memcpy(bytes + ORDER, &byte_order, sizeof byte_order);
    put_u32(bytes + FORMAT, JOURNAL_FORMAT);
    memcpy(bytes + IDENTITY, head->identity, JOURNAL_IDENTITY);
    put_u64(bytes + NUMBER, head->number);
    put_u64(bytes + FIRST_POSITION, head->first_position);
    put_u64(bytes + FIRST_SEQ, head->first_seq);
    put_u32(bytes + GENERATION, head->generation);
    put_u32(bytes + SUM, crc32c(0, bytes, SUM));
}

int segment_read_head(const uint8_t bytes[SEGMENT_HEAD], const char *path, struct segment_head *ret,
                      struct error *error)
{
    uint32_t sum = crc32c(0, bytes, SUM), found = get_u32(bytes + SUM), order;
    if (memcmp(bytes + MAGIC, magic, sizeof magic) != 0)
        return error_set(error, CODE_CORRUPT,
                         "%s is no segment of a journal: it begins with other bytes than \"%.8s\"", path,
                         magic);
    if (sum != found)
        return error_set(error, CODE_CORRUPT, "the head of %s has the checksum %08x, expected %08x", path,
                         found, sum);
    memcpy(&order, bytes + ORDER, sizeof order);
    if (order != byte_order)
        return error_set(error, CODE_UNSUPPORTED,
                         "%s was written on a machine of another byte order (mark %08x, here %08x): open it "
                         "on a machine of that kind",
                         path, order, byte_order);
    if (get_u32(bytes + FORMAT) != JOURNAL_FORMAT)
        return error_set(error, CODE_UNSUPPORTED,
                         "%s has format %u, this version of Shrike reads format %d: open it with the version "
                         "that wrote it",
                         path, get_u32(bytes + FORMAT), JOURNAL_FORMAT);
    *ret = (struct segment_head){.number = get_u64(bytes + NUMBER),
                                 .first_position = get_u64(bytes + FIRST_POSITION),
                                 .first_seq = get_u64(bytes + FIRST_SEQ),
                                 .generation = get_u32(bytes + GENERATION)};
    memcpy(ret->identity, bytes + IDENTITY, JOURNAL_IDENTITY);
    return OK;
}

int segment_check_head(const struct io *io, int file, const char *path,
                       const uint8_t identity[JOURNAL_IDENTITY], uint64_t number, struct segment_head *ret,
                       struct error *error)
{
    uint8_t bytes[SEGMENT_HEAD];
    struct segment_head head;
    size_t n;
    int code = io_read(io, file, path, bytes, sizeof bytes, 0, &n, error);
    if (code)
        return code;
    if (n < sizeof bytes)
        return error_set(error, CODE_CORRUPT, "%s ends after %zu bytes, the head of a segment has %d", path,
                         n, SEGMENT_HEAD);
    code = segment_read_head(bytes, path, &head, error);
    if (code)
        return code;
    if (memcmp(head.identity, identity, JOURNAL_IDENTITY) != 0)
        return error_set(error, CODE_CORRUPT, "%s belongs to another journal: its identity differs", path);
    if (head.number != number)
        return error_set(error, CODE_CORRUPT, "%s says that it is segment %" PRIu64 ", expected %" PRIu64,
                         path, head.number, number);
    /* One more than the last is what the next record would have. */
    if (head.first_position - 1 > RECORD_MOST || head.first_seq - 1 > RECORD_MOST)
        return error_set(error, CODE_CORRUPT,
                         "%s begins with position %" PRIu64 " and seq %" PRIu64 ", expected 1 to %" PRId64,
                         path, head.first_position, head.first_seq, INT64_MAX);
    *ret = head;
    return OK;
}

/* ---- names ---- */

void segment_name(uint64_t number, char ret[SEGMENT_NAME_SIZE])
{
    snprintf(ret, SEGMENT_NAME_SIZE, "%020" PRIu64 ".seg", number);
}

static bool read_name(const char *name, const char *end, uint64_t *ret)
{
    uint64_t number = 0;
    int i = 0;
    for (; name[i] >= '0' && name[i] <= '9'; i++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(name[i] - '0'), &number))
            return false;
    }
    if (i != 20 || strcmp(name + i, end) != 0)
        return false;
    *ret = number;
    return true;
}

bool segment_number(const char *name, uint64_t *ret)
{
    return read_name(name, ".seg", ret);
}

bool segment_staging_number(const char *name, uint64_t *ret)
{
    return read_name(name, ".seg.new", ret);
}

int segment_path(const char *directory, uint64_t number, char ret[IO_PATH_SIZE], struct error *error)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    return io_path(ret, directory, name, error);
}

int segment_staging_path(const char *directory, uint64_t number, char ret[IO_PATH_SIZE], struct error *error)
{
    char name[SEGMENT_NAME_SIZE];
    snprintf(name, sizeof name, "%020" PRIu64 ".seg.new", number);
    return io_path(ret, directory, name, error);
}

/* ---- a new one ---- */

static int write_head(const struct io *io, int file, const char *path, const struct segment_head *head,
                      struct error *error)
{
    uint8_t bytes[SEGMENT_HEAD];
    segment_put_head(head, bytes);
    int code = io_write(io, file, path, bytes, sizeof bytes, 0, error);
    return code ? code : io_sync(io, file, path, error);
}

int segment_create(const struct io *io, const char *directory, const struct segment_head *head, int *ret_file,
                   struct error *error)
{
    char path[IO_PATH_SIZE], staging[IO_PATH_SIZE];
    int file, code = segment_path(directory, head->number, path, error);
    if (!code)
        code = segment_staging_path(directory, head->number, staging, error);
    if (!code)
        code = io_open(io, staging, IO_WRITE | IO_CREATE | IO_EMPTY, &file, error);
    if (code)
        return code;
    code = write_head(io, file, staging, head, error);
    if (!code)
        code = io_rename(io, staging, path, error);
    if (!code)
        code = io_sync_directory(io, directory, error);
    if (code) {
        io_close(io, file);
        return code;
    }
    *ret_file = file;
    return OK;
}

/* ---- the cursor ---- */

enum { READ_AHEAD = 256 << 10 };

void segment_cursor_init(struct segment_cursor *cursor, const struct io *io, int file, const char *path,
                         const struct segment_head *head, uint64_t limit)
{
    *cursor = (struct segment_cursor){.io = io,
                                      .path = path,
                                      .file = file,
                                      .offset = SEGMENT_HEAD,
                                      .limit = limit,
                                      .position = head->first_position,
                                      .seq = head->first_seq,
                                      .start = SEGMENT_HEAD};
}

void segment_cursor_done(struct segment_cursor *cursor)
{
    free(cursor->data);
    cursor->data = NULL;
    cursor->size = cursor->capacity = 0;
}

/* How many bytes from the offset on are in memory. */
static size_t at_hand(const struct segment_cursor *cursor)
{
    assert(cursor->offset >= cursor->start);
    uint64_t before = cursor->offset - cursor->start;
    return before < cursor->size ? cursor->size - (size_t)before : 0;
}

/* Brings `need` bytes from the offset on into memory, fewer where the file or the limit ends. */
static int fetch(struct segment_cursor *cursor, size_t need, struct error *error)
{
    size_t have = at_hand(cursor), wanted = need > READ_AHEAD ? need : READ_AHEAD, n;
    if (have >= need)
        return OK;
    if (have)
        memmove(cursor->data, cursor->data + (cursor->offset - cursor->start), have);
    cursor->start = cursor->offset;
    cursor->size = have;
    if (wanted > cursor->capacity) {
        uint8_t *grown = realloc(cursor->data, wanted);
        if (!grown)
            return error_set(error, CODE_MEMORY, "no memory to read %s", cursor->path);
        cursor->data = grown;
        cursor->capacity = wanted;
    }
    uint64_t from = cursor->start + have, rest = cursor->limit > from ? cursor->limit - from : 0;
    size_t room = cursor->capacity - have;
    int code = io_read(cursor->io, cursor->file, cursor->path, cursor->data + have,
                       rest < room ? (size_t)rest : room, from, &n, error);
    if (!code)
        cursor->size += n;
    return code;
}

static bool goes_on(struct segment_cursor *cursor, const struct record *record)
{
    if (record->position != cursor->position)
        snprintf(cursor->reason, sizeof cursor->reason,
                 "a record has position %" PRIu64 ", expected %" PRIu64, record->position, cursor->position);
    else if (record->seq != cursor->seq || record->count > RECORD_MOST + 1 - record->seq)
        snprintf(cursor->reason, sizeof cursor->reason,
                 "record %" PRIu64 " has seq %" PRIu64 ", expected %" PRIu64, record->position, record->seq,
                 cursor->seq);
    else
        return true;
    return false;
}

static enum segment_step ends(struct segment_cursor *cursor, size_t have, size_t need)
{
    snprintf(cursor->reason, sizeof cursor->reason, "a record of %zu bytes is cut off after %zu", need, have);
    return SEGMENT_BAD;
}

int segment_next(struct segment_cursor *cursor, enum segment_step *ret_step, struct record *ret,
                 struct error *error)
{
    struct record record;
    uint32_t lag;
    int code = fetch(cursor, RECORD_HEAD, error);
    if (code)
        return code;
    size_t have = at_hand(cursor);
    if (have < RECORD_HEAD) {
        *ret_step = have ? ends(cursor, have, RECORD_HEAD) : SEGMENT_END;
        return OK;
    }
    uint8_t *head = cursor->data + (cursor->offset - cursor->start);
    *ret_step = SEGMENT_BAD;
    if (!record_read_head(head, &record, &lag, cursor->reason) || !goes_on(cursor, &record))
        return OK;
    size_t need = record_bytes(record.size);
    code = fetch(cursor, need, error);
    if (code)
        return code;
    have = at_hand(cursor);
    if (have < need) {
        *ret_step = ends(cursor, have, need);
        return OK;
    }
    head = cursor->data + (cursor->offset - cursor->start);
    if (!record_check_body(head, head + RECORD_HEAD, cursor->reason))
        return OK;
    record.body = head + RECORD_HEAD;
    cursor->offset += need;
    cursor->position++;
    cursor->seq += record.count;
    cursor->lag = lag;
    *ret = record;
    *ret_step = SEGMENT_RECORD;
    return OK;
}

int segment_bad(const struct segment_cursor *cursor, struct error *error)
{
    return error_set(error, CODE_CORRUPT, "%s is damaged at byte %" PRIu64 ": %s", cursor->path,
                     cursor->offset, cursor->reason);
}
