/*
 * Small blocks are gathered, large ones written as they are. The disk is asked to begin with each part when
 * it is full, so that the flush at the end has little left to do and the journal's flushes meanwhile do not
 * wait behind all of it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "journal/bytes.h"
#include "journal/snapshot_format.h"

enum { BUFFER = 1 << 20 };

struct snapshot_writer {
    struct snapshots snapshots;
    uint64_t seq;
    uint64_t blocks, bytes; /* put so far, and what they held */
    uint64_t offset;        /* of the buffer in the file */
    size_t buffered;
    int file;
    bool failed, finished;
    char path[IO_PATH_SIZE], staging[IO_PATH_SIZE];
    uint8_t buffer[BUFFER];
};

static int write_through(struct snapshot_writer *writer, const void *data, size_t size, struct error *error)
{
    const struct io *io = writer->snapshots.io;
    int code = io_write(io, writer->file, writer->staging, data, size, writer->offset, error);
    if (!code) {
        io->write_back(io->context, writer->file, writer->offset, size);
        writer->offset += size;
    }
    return code;
}

static int flush(struct snapshot_writer *writer, struct error *error)
{
    int code = write_through(writer, writer->buffer, writer->buffered, error);
    writer->buffered = 0;
    return code;
}

static int put(struct snapshot_writer *writer, const void *data, size_t size, struct error *error)
{
    int code = OK;
    if (size > BUFFER - writer->buffered) {
        code = flush(writer, error);
        if (!code && size > BUFFER)
            return write_through(writer, data, size, error);
    }
    if (!code && size) {
        memcpy(writer->buffer + writer->buffered, data, size);
        writer->buffered += size;
    }
    return code;
}

static const uint8_t zeros[8];

static int put_head(struct snapshot_writer *writer, const struct snapshot_head *head, struct error *error)
{
    const struct io *io = writer->snapshots.io;
    uint8_t bytes[SNAP_HEAD] = {0};
    memcpy(bytes + SNAP_MAGIC, snapshot_magic, sizeof snapshot_magic);
    memcpy(bytes + SNAP_ORDER, &snapshot_order, sizeof snapshot_order);
    put_u32(bytes + SNAP_FORMAT, SNAPSHOT_FORMAT);
    memcpy(bytes + SNAP_IDENTITY, writer->snapshots.identity, JOURNAL_IDENTITY);
    put_u64(bytes + SNAP_SEQ, head->seq);
    put_u64(bytes + SNAP_POSITION, head->position);
    put_u64(bytes + SNAP_MADE, (uint64_t)io->wall_us(io->context));
    put_u32(bytes + SNAP_PLAN_SIZE, head->plan_size);
    put_u32(bytes + SNAP_PLAN_SUM, crc32c(0, head->plan, head->plan_size));
    put_u32(bytes + SNAP_SUM, crc32c(0, bytes, SNAP_SUM));
    int code = put(writer, bytes, sizeof bytes, error);
    if (!code)
        code = put(writer, head->plan, head->plan_size, error);
    if (!code)
        code = put(writer, zeros, snapshot_padded(head->plan_size) - head->plan_size, error);
    return code;
}

int snapshot_writer_new(const struct snapshots *snapshots, const struct snapshot_head *head,
                        struct snapshot_writer **ret, struct error *error)
{
    if (head->plan_size > LIMIT_SNAPSHOT_PLAN)
        return error_set(error, CODE_LIMIT, "the text of a snapshot's plan has %u bytes, at most %d",
                         head->plan_size, LIMIT_SNAPSHOT_PLAN);
    struct snapshot_writer *writer = memory_new(1, sizeof *writer);
    if (!writer)
        return error_set(error, CODE_MEMORY, "no memory for a snapshot");
    writer->snapshots = *snapshots;
    writer->seq = head->seq;
    writer->file = -1;
    int code = snapshot_path(snapshots, head->seq, false, writer->path, error);
    if (!code)
        code = snapshot_path(snapshots, head->seq, true, writer->staging, error);
    if (!code)
        code = io_open(snapshots->io, writer->staging, IO_WRITE | IO_CREATE | IO_EMPTY, &writer->file, error);
    if (!code)
        code = put_head(writer, head, error);
    if (code) {
        snapshot_writer_free(writer);
        return code;
    }
    *ret = writer;
    return OK;
}

static int put_block(struct snapshot_writer *writer, uint32_t kind, const void *data, size_t size,
                     struct error *error)
{
    uint8_t head[BLOCK_HEAD];
    size_t rest = snapshot_padded(size) - size;
    if (writer->failed)
        return error_set(error, CODE_INVALID, "the snapshot %s could not be written before", writer->path);
    put_u32(head + BLOCK_SUM, crc32c(crc32c(0, data, size), zeros, rest));
    put_u32(head + BLOCK_SIZE, (uint32_t)size);
    put_u32(head + BLOCK_KIND, kind);
    put_u64(head + BLOCK_NUMBER, writer->blocks + 1);
    put_u32(head + BLOCK_HEAD_SUM, crc32c(0, head + BLOCK_SUM, BLOCK_HEAD - BLOCK_SUM));
    int code = put(writer, head, sizeof head, error);
    if (!code)
        code = put(writer, data, size, error);
    if (!code)
        code = put(writer, zeros, rest, error);
    if (code)
        writer->failed = true;
    writer->blocks++;
    writer->bytes += size;
    return code;
}

int snapshot_put(struct snapshot_writer *writer, uint32_t kind, const void *data, size_t size,
                 struct error *error)
{
    assert(kind > 0);
    if (size > LIMIT_SNAPSHOT_BLOCK)
        return error_set(error, CODE_LIMIT, "a block of a snapshot has %zu bytes, at most %d", size,
                         LIMIT_SNAPSHOT_BLOCK);
    return put_block(writer, kind, data, size, error);
}

uint64_t snapshot_writer_bytes(const struct snapshot_writer *writer)
{
    return writer->offset + writer->buffered;
}

/* Best effort: one too many does no harm, and the next snapshot tries again. */
static void remove_old(const struct snapshots *snapshots)
{
    struct snapshot_names names;
    if (snapshot_list(snapshots, &names, NULL))
        return;
    for (size_t i = 0; i + LIMIT_SNAPSHOTS < names.n; i++) {
        char path[IO_PATH_SIZE];
        if (!snapshot_path(snapshots, names.seqs[i], false, path, NULL))
            io_remove(snapshots->io, path, NULL);
    }
    snapshot_names_done(&names);
}

int snapshot_finish(struct snapshot_writer *writer, struct error *error)
{
    const struct io *io = writer->snapshots.io;
    uint8_t end[END_SIZE];
    put_u64(end + END_BLOCKS, writer->blocks);
    put_u64(end + END_BYTES, writer->bytes);
    int code = put_block(writer, 0, end, sizeof end, error);
    if (!code)
        code = flush(writer, error);
    if (!code)
        code = io_sync(io, writer->file, writer->staging, error);
    if (!code)
        code = io_rename(io, writer->staging, writer->path, error);
    if (code)
        return code;
    writer->finished = true;
    code = io_sync_directory(io, writer->snapshots.directory, error);
    if (!code)
        remove_old(&writer->snapshots);
    return code;
}

void snapshot_writer_free(struct snapshot_writer *writer)
{
    if (!writer)
        return;
    if (writer->file >= 0) {
        io_close(writer->snapshots.io, writer->file);
        if (!writer->finished)
            io_remove(writer->snapshots.io, writer->staging, NULL);
    }
    free(writer);
}
