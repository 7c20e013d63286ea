/*
 * Fuzzing of snapshots (libFuzzer): whatever is in the file, it is passed over with a reason or all its
 * blocks are given; what was checked before is given without an error.
 *
 * The first byte says whether checksums are put right, so that the fuzzer gets behind them.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/snapshot_format.h"
#include "memory_io.h"

static const uint8_t identity[JOURNAL_IDENTITY] = "fuzz";

static void must(bool good)
{
    if (!good)
        abort();
}

static void put_right(struct memory_file *file)
{
    uint8_t *data = file->data;
    if (file->size < SNAP_HEAD)
        return;
    uint64_t at = SNAP_HEAD + (uint64_t)snapshot_padded(get_u32(data + SNAP_PLAN_SIZE));
    memcpy(data, "shrksnap\4\3\2\1\1\0\0\0", 16);
    memcpy(data + SNAP_IDENTITY, identity, sizeof identity);
    put_u64(data + SNAP_SEQ, 7);
    if (at <= file->size)
        put_u32(data + SNAP_PLAN_SUM, crc32c(0, data + SNAP_HEAD, get_u32(data + SNAP_PLAN_SIZE)));
    put_u32(data + SNAP_SUM, crc32c(0, data, SNAP_SUM));
    while (at + BLOCK_HEAD <= file->size) {
        uint8_t *head = data + at;
        uint64_t bytes = BLOCK_HEAD + (uint64_t)snapshot_padded(get_u32(head + BLOCK_SIZE));
        if (bytes > file->size - at)
            return;
        put_u32(head + BLOCK_SUM, crc32c(0, head + BLOCK_HEAD, bytes - BLOCK_HEAD));
        put_u32(head + BLOCK_HEAD_SUM, crc32c(0, head + BLOCK_SUM, BLOCK_HEAD - BLOCK_SUM));
        at += bytes;
    }
}

/* Sums up what is given. */
static int read_blocks(struct snapshot_reader *reader, uint64_t size, uint64_t *ret_bytes)
{
    struct snapshot_block block;
    struct error error = {0};
    bool found = true;
    *ret_bytes = 0;
    while (found) {
        int code = snapshot_next(reader, &found, &block, &error);
        if (code) {
            must(code == CODE_CORRUPT && error.message[0]);
            return code;
        }
        if (!found)
            break;
        must(block.kind > 0 && (uintptr_t)block.data % 8 == 0);
        crc32c(0, block.data, block.size); /* all of it can be read */
        *ret_bytes += block.size;
    }
    must(*ret_bytes < size);
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snapshots snapshots;
    if (size < 1)
        return 0;
    memory_clear();
    struct memory_file *file = memory_put("/d/00000000000000000007.snap", data + 1, size - 1);
    if (data[0] & 1)
        put_right(file);
    must(snapshots_init(&snapshots, &memory_io, "/d", identity, NULL) == OK);
    for (int check = 0; check < 2; check++) {
        struct snapshot_reader *reader = NULL;
        struct snapshots_report report = {0};
        struct error error = {0};
        uint64_t bytes;
        int code = snapshots_newest(&snapshots, UINT64_MAX, check, &reader, &report, &error);
        must(code ? code == CODE_UNSUPPORTED && error.message[0] : reader || report.dropped == 1);
        if (reader) {
            const struct snapshot_head *head = snapshot_reader_head(reader);
            must(head->seq == 7 && head->plan[head->plan_size] == 0);
            code = read_blocks(reader, size, &bytes);
            must(!check || code == OK);
        }
        snapshot_reader_free(reader);
    }
    return 0;
}
