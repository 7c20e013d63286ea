/*
 * Fuzzing of the journal's files (libFuzzer): whatever is in them, opening answers an error or a journal
 * whose records go on without a gap, which takes more, and which opens again with all of them.
 *
 * The first byte says what is done, the next two how much is the older of two segments. So that the fuzzer
 * gets behind them, checksums are put right where it says so.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/crc32c.h"
#include "base/limits.h"
#include "journal/bytes.h"
#include "journal/reader.h"
#include "memory_io.h"

enum { RIGHT_HEADS = 1, RIGHT_RECORDS = 2, CUT_DAMAGE = 4, REWRITE = 8, OPTIONS = 3 };
static const uint8_t identity[JOURNAL_IDENTITY] = "fuzz";

static void must(bool good)
{
    if (!good)
        abort();
}

static void right_head(struct memory_file *file, uint64_t number)
{
    struct segment_head head = {.number = number};
    if (file->size < SEGMENT_HEAD)
        return;
    memcpy(head.identity, identity, sizeof identity);
    head.first_position = get_u64(file->data + 40);
    head.first_seq = get_u64(file->data + 48);
    head.generation = get_u32(file->data + 56);
    segment_put_head(&head, file->data);
}

static void right_records(struct memory_file *file)
{
    for (uint64_t at = SEGMENT_HEAD; at + RECORD_HEAD <= file->size;) {
        uint8_t *head = file->data + at;
        uint32_t size = get_u32(head + 8);
        size_t bytes = size <= LIMIT_JOURNAL_RECORD ? record_bytes(size) : SIZE_MAX;
        if (bytes > file->size - at)
            return;
        put_u32(head + 4, crc32c(0, head + RECORD_HEAD, bytes - RECORD_HEAD));
        put_u32(head, crc32c(0, head + 4, RECORD_HEAD - 4));
        at += bytes;
    }
}

static struct journal_options options_of(uint8_t flags)
{
    struct journal_options options = {.io = &memory_io, .directory = "/d", .sync = JOURNAL_SYNC_NEVER};
    options.segment_bytes = 4096;
    options.cut_damage = flags & CUT_DAMAGE;
    memcpy(options.identity, identity, sizeof identity);
    return options;
}

/* How many records are read, or UINT64_MAX where something is damaged. That the newer of two segments does
 * not begin where the older one ends is noticed when reading gets there. */
static uint64_t read_all(struct journal *journal, bool older)
{
    struct journal_reader *reader;
    struct journal_state is;
    struct record record;
    struct error error = {0};
    uint64_t n = 0, seq;
    bool found = true;
    journal_state(journal, &is);
    seq = is.oldest_seq;
    must(journal_reader_new(journal, &reader, &error) == OK);
    int code = OK;
    while (!code && found) {
        code = journal_reader_next(reader, &found, &record, &error);
        if (code || !found)
            break;
        must(record.position == is.oldest_position + n++ && record.seq == seq);
        crc32c(0, record.body, record.size); /* all of it can be read */
        seq += record.count;
    }
    must(!code || (code == CODE_CORRUPT && error.message[0]));
    must(code || is.oldest_position + n == is.next_position);
    must(code || older || seq == is.next_seq);
    journal_reader_free(reader);
    return code ? UINT64_MAX : n;
}

static int blank(void *context, const struct record *record, const void **ret_body, uint32_t *ret_size,
                 struct error *error)
{
    (void)context, (void)error;
    if (record->position % 2)
        *ret_size = record->size / 2;
    (void)ret_body;
    return OK;
}

static void use(struct journal *journal, uint8_t flags, bool older)
{
    struct journal_options options = options_of(flags);
    struct journal_place place;
    struct journal_state is;
    uint64_t n = read_all(journal, older), segments;
    journal_state(journal, &is);
    bool room = is.next_seq < RECORD_MOST - 1 && is.next_position <= RECORD_MOST;
    if (room) {
        must(journal_append(journal, RECORD_LABELS, 3, "appended", 8, &place, NULL) == OK);
        must(place.position == is.next_position && place.seq == is.next_seq);
        must(journal_commit(journal, place.position, NULL) == OK);
        must(journal_roll(journal, NULL) == OK);
    }
    if (room && n != UINT64_MAX && flags & REWRITE) {
        int code =
            journal_rewrite(journal, is.oldest_position, is.next_position, blank, NULL, &segments, NULL);
        must(code == OK || (older && code == CODE_CORRUPT));
    }
    must(journal_close(journal, NULL) == OK);
    must(journal_open(&options, &journal, NULL, NULL) == OK);
    uint64_t again = read_all(journal, older);
    must(again == UINT64_MAX ? older || n == again : again == n + room);
    must(journal_close(journal, NULL) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < OPTIONS)
        return 0;
    uint8_t flags = data[0];
    size_t older = (size_t)data[1] | (size_t)data[2] << 8;
    data += OPTIONS;
    size -= OPTIONS;
    older = older < size ? older : 0;
    memory_clear();
    for (uint64_t i = older ? 1 : 2; i <= 2; i++) {
        struct memory_file *file =
            memory_put(i == 1 ? "/d/00000000000000000001.seg" : "/d/00000000000000000002.seg",
                       i == 1 ? data : data + older, i == 1 ? older : size - older);
        if (flags & RIGHT_HEADS)
            right_head(file, i);
        if (flags & RIGHT_RECORDS)
            right_records(file);
    }
    struct journal_options options = options_of(flags);
    struct journal *journal;
    struct error error = {0};
    int code = journal_open(&options, &journal, NULL, &error);
    must(!code || error.message[0]);
    if (!code)
        use(journal, flags, older);
    return 0;
}
