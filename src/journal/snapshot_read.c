#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "journal/bytes.h"
#include "journal/snapshot_format.h"

enum {
    READ_AHEAD = 1 << 20,
    FORGET_AFTER = 8 << 20 /* what was read leaves the cache in pieces of this */
};

struct snapshot_reader {
    struct snapshots snapshots;
    struct snapshot_head head;
    char path[IO_PATH_SIZE];
    int file;
    char *plan;
    uint64_t size;          /* of the file */
    uint64_t first, offset; /* of the first block, of the next */
    uint64_t blocks, bytes; /* given so far, and what they held */
    bool ended;
    uint8_t *data; /* bytes of the file from `start` on */
    uint64_t start, forgotten;
    size_t at_hand, capacity;
};

static int damaged(const struct snapshot_reader *reader, uint64_t at, struct error *error, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

static int damaged(const struct snapshot_reader *reader, uint64_t at, struct error *error, const char *format,
                   ...)
{
    char reason[RECORD_REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return error_set(error, CODE_CORRUPT, "the snapshot %s is damaged at byte %" PRIu64 ": %s", reader->path,
                     at, reason);
}

/* A snapshot is read once and may be as large as all windows: its pages in the cache are given back as it is
 * read, so that few serve for all of it, and the windows have the memory. A cache that keeps them does no
 * harm. */
static void forget_read(struct snapshot_reader *reader)
{
    if (reader->start < reader->forgotten + FORGET_AFTER)
        return;
    uint64_t size = (reader->start - reader->forgotten) / FORGET_AFTER * FORGET_AFTER;
    if (io_forget(reader->snapshots.io, reader->file, reader->path, reader->forgotten, size, NULL) == OK)
        reader->forgotten += size;
}

/* The bytes from the offset on, `need` of them, in memory. */
static int fetch(struct snapshot_reader *reader, size_t need, const uint8_t **ret, struct error *error)
{
    uint64_t before = reader->offset - reader->start;
    size_t have = before < reader->at_hand ? reader->at_hand - (size_t)before : 0, n;
    if (reader->offset > reader->size || need > reader->size - reader->offset)
        return damaged(reader, reader->offset, error,
                       "%zu bytes are missing at the end of the file, which has %" PRIu64, need,
                       reader->size);
    if (have < need) {
        size_t wanted = need > READ_AHEAD ? need : READ_AHEAD;
        if (have)
            memmove(reader->data, reader->data + before, have);
        reader->start = reader->offset;
        reader->at_hand = have;
        forget_read(reader);
        if (wanted > reader->capacity) {
            uint8_t *grown = realloc(reader->data, wanted);
            if (!grown)
                return error_set(error, CODE_MEMORY, "no memory to read %s", reader->path);
            reader->data = grown;
            reader->capacity = wanted;
        }
        int code = io_read(reader->snapshots.io, reader->file, reader->path, reader->data + have,
                           reader->capacity - have, reader->start + have, &n, error);
        if (code)
            return code;
        reader->at_hand += n;
        if (reader->at_hand < need)
            return damaged(reader, reader->offset, error, "the file became shorter while it was read");
    }
    *ret = reader->data + (reader->offset - reader->start);
    return OK;
}

/* ---- the head ---- */

static int check_head(struct snapshot_reader *reader, const uint8_t *bytes, uint64_t seq, struct error *error)
{
    uint32_t order, sum = crc32c(0, bytes, SNAP_SUM);
    if (memcmp(bytes + SNAP_MAGIC, snapshot_magic, sizeof snapshot_magic) != 0)
        return damaged(reader, 0, error, "it does not begin with \"%.8s\"", snapshot_magic);
    if (get_u32(bytes + SNAP_SUM) != sum)
        return damaged(reader, SNAP_SUM, error, "the head has the checksum %08x, expected %08x",
                       get_u32(bytes + SNAP_SUM), sum);
    memcpy(&order, bytes + SNAP_ORDER, sizeof order);
    if (order != snapshot_order)
        return error_set(error, CODE_UNSUPPORTED,
                         "%s was written on a machine of another byte order (mark %08x, here %08x): open it "
                         "on a machine of that kind",
                         reader->path, order, snapshot_order);
    if (get_u32(bytes + SNAP_FORMAT) != SNAPSHOT_FORMAT)
        return error_set(error, CODE_UNSUPPORTED,
                         "%s has format %u, this version of Shrike reads format %d: open it with the version "
                         "that wrote it, or remove the snapshots to start from the journal",
                         reader->path, get_u32(bytes + SNAP_FORMAT), SNAPSHOT_FORMAT);
    if (memcmp(bytes + SNAP_IDENTITY, reader->snapshots.identity, JOURNAL_IDENTITY) != 0)
        return damaged(reader, SNAP_IDENTITY, error, "it belongs to another state: its identity differs");
    if (get_u64(bytes + SNAP_SEQ) != seq)
        return damaged(reader, SNAP_SEQ, error, "it is of seq %" PRIu64 ", its name says %" PRIu64,
                       get_u64(bytes + SNAP_SEQ), seq);
    if (get_u32(bytes + SNAP_PLAN_SIZE) > LIMIT_SNAPSHOT_PLAN)
        return damaged(reader, SNAP_PLAN_SIZE, error, "a plan's text of %u bytes, at most %d",
                       get_u32(bytes + SNAP_PLAN_SIZE), LIMIT_SNAPSHOT_PLAN);
    return OK;
}

static int read_head(struct snapshot_reader *reader, uint64_t seq, struct error *error)
{
    const uint8_t *bytes;
    int code = fetch(reader, SNAP_HEAD, &bytes, error);
    if (!code)
        code = check_head(reader, bytes, seq, error);
    if (code)
        return code;
    uint32_t plan_sum = get_u32(bytes + SNAP_PLAN_SUM), zero = get_u32(bytes + SNAP_SUM + 4);
    reader->head = (struct snapshot_head){.seq = seq,
                                          .position = get_u64(bytes + SNAP_POSITION),
                                          .made_us = (int64_t)get_u64(bytes + SNAP_MADE),
                                          .plan_size = get_u32(bytes + SNAP_PLAN_SIZE)};
    reader->offset = SNAP_HEAD;
    code = fetch(reader, snapshot_padded(reader->head.plan_size), &bytes, error);
    if (code)
        return code;
    for (size_t i = reader->head.plan_size; i < snapshot_padded(reader->head.plan_size); i++)
        zero |= bytes[i];
    if (zero || crc32c(0, bytes, reader->head.plan_size) != plan_sum)
        return damaged(reader, SNAP_HEAD, error, "the plan's text does not have the checksum %08x", plan_sum);
    reader->plan = memory_text((const char *)bytes, reader->head.plan_size);
    if (!reader->plan)
        return error_set(error, CODE_MEMORY, "no memory to read %s", reader->path);
    reader->head.plan = reader->plan;
    reader->first = reader->offset += snapshot_padded(reader->head.plan_size);
    return OK;
}

/* ---- blocks ---- */

static int read_block(struct snapshot_reader *reader, uint64_t *ret_number, struct snapshot_block *ret,
                      struct error *error)
{
    const uint8_t *bytes;
    uint64_t at = reader->offset;
    int code = fetch(reader, BLOCK_HEAD, &bytes, error);
    if (code)
        return code;
    uint32_t sum = crc32c(0, bytes + BLOCK_SUM, BLOCK_HEAD - BLOCK_SUM);
    uint32_t size = get_u32(bytes + BLOCK_SIZE), body_sum = get_u32(bytes + BLOCK_SUM);
    if (get_u32(bytes + BLOCK_HEAD_SUM) != sum)
        return damaged(reader, at, error, "the head of a block has the checksum %08x, expected %08x",
                       get_u32(bytes + BLOCK_HEAD_SUM), sum);
    if (size > LIMIT_SNAPSHOT_BLOCK)
        return damaged(reader, at, error, "a block of %u bytes, at most %d", size, LIMIT_SNAPSHOT_BLOCK);
    code = fetch(reader, BLOCK_HEAD + snapshot_padded(size), &bytes, error);
    if (code)
        return code;
    sum = crc32c(0, bytes + BLOCK_HEAD, snapshot_padded(size));
    if (sum != body_sum)
        return damaged(reader, at, error, "a block of %u bytes has the checksum %08x, its head says %08x",
                       size, sum, body_sum);
    *ret_number = get_u64(bytes + BLOCK_NUMBER);
    *ret = (struct snapshot_block){get_u32(bytes + BLOCK_KIND), size, bytes + BLOCK_HEAD};
    reader->offset += BLOCK_HEAD + snapshot_padded(size);
    return OK;
}

static int check_end(struct snapshot_reader *reader, const struct snapshot_block *end, uint64_t at,
                     uint64_t blocks, uint64_t bytes, struct error *error)
{
    const uint8_t *data = end->data;
    if (end->size != END_SIZE)
        return damaged(reader, at, error, "its end has %u bytes, expected %d", end->size, END_SIZE);
    if (get_u64(data + END_BLOCKS) != blocks || get_u64(data + END_BYTES) != bytes)
        return damaged(reader, at, error,
                       "its end says %" PRIu64 " blocks of %" PRIu64 " bytes, there are %" PRIu64
                       " of %" PRIu64,
                       get_u64(data + END_BLOCKS), get_u64(data + END_BYTES), blocks, bytes);
    if (reader->offset != reader->size)
        return damaged(reader, reader->offset, error, "%" PRIu64 " bytes behind its end",
                       reader->size - reader->offset);
    return OK;
}

int snapshot_next(struct snapshot_reader *reader, bool *ret_found, struct snapshot_block *ret,
                  struct error *error)
{
    struct snapshot_block block;
    uint64_t number, at = reader->offset;
    *ret_found = false;
    if (reader->ended)
        return OK;
    int code = read_block(reader, &number, &block, error);
    if (code)
        return code;
    if (number != reader->blocks + 1)
        return damaged(reader, at, error, "block %" PRIu64 ", expected %" PRIu64, number, reader->blocks + 1);
    if (block.kind == 0) {
        code = check_end(reader, &block, at, reader->blocks, reader->bytes, error);
        reader->ended = !code;
        return code;
    }
    reader->blocks++;
    reader->bytes += block.size;
    *ret = block;
    *ret_found = true;
    return OK;
}

/* ---- opening ---- */

static void rewind_blocks(struct snapshot_reader *reader)
{
    reader->offset = reader->first;
    reader->start = reader->first;
    reader->forgotten = 0;
    reader->at_hand = 0;
    reader->blocks = reader->bytes = 0;
    reader->ended = false;
}

/* A file that was cut has no end. */
static int look_at_end(struct snapshot_reader *reader, struct error *error)
{
    struct snapshot_block block;
    uint64_t number, end = BLOCK_HEAD + END_SIZE;
    if (reader->size < reader->first + end)
        return damaged(reader, reader->size, error, "it has no end: %" PRIu64 " bytes", reader->size);
    reader->offset = reader->start = reader->forgotten = reader->size - end;
    reader->at_hand = 0;
    int code = read_block(reader, &number, &block, error);
    if (!code && block.kind != 0)
        code =
            damaged(reader, reader->size - end, error, "a block of kind %u in place of its end", block.kind);
    if (!code) {
        uint64_t bytes = block.size == END_SIZE ? get_u64((const uint8_t *)block.data + END_BYTES) : 0;
        code = check_end(reader, &block, reader->size - end, number - 1, bytes, error);
    }
    rewind_blocks(reader);
    return code;
}

static int check_all(struct snapshot_reader *reader, struct error *error)
{
    struct snapshot_block block;
    bool found = true;
    int code = OK;
    while (!code && found)
        code = snapshot_next(reader, &found, &block, error);
    rewind_blocks(reader);
    return code;
}

int snapshot_open(const struct snapshots *snapshots, uint64_t seq, bool check, struct snapshot_reader **ret,
                  struct error *error)
{
    struct snapshot_reader *reader = memory_new(1, sizeof *reader);
    if (!reader)
        return error_set(error, CODE_MEMORY, "no memory to read a snapshot");
    reader->snapshots = *snapshots;
    reader->file = -1;
    int code = snapshot_path(snapshots, seq, false, reader->path, error);
    if (!code)
        code = io_open(snapshots->io, reader->path, IO_READ, &reader->file, error);
    if (!code)
        code = io_size(snapshots->io, reader->file, reader->path, &reader->size, error);
    if (!code)
        code = read_head(reader, seq, error);
    if (!code)
        code = look_at_end(reader, error);
    if (!code && check)
        code = check_all(reader, error);
    if (code) {
        snapshot_reader_free(reader);
        return code;
    }
    *ret = reader;
    return OK;
}

const struct snapshot_head *snapshot_reader_head(const struct snapshot_reader *reader)
{
    return &reader->head;
}

void snapshot_reader_free(struct snapshot_reader *reader)
{
    if (!reader)
        return;
    io_close(reader->snapshots.io, reader->file);
    free(reader->data);
    free(reader->plan);
    free(reader);
}
