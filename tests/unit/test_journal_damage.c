/* Files that were cut anywhere, and files with any bit flipped: never a crash, never another record than was
 * appended, and an error or a report that says what was found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "journal/bytes.h"
#include "journal/reader.h"
#include "unit/crash_disk.h"

enum { RECORDS = 12, IN_FIRST = 8 };
static const uint8_t identity[JOURNAL_IDENTITY] = {7, 7, 7};
static const char first_segment[] = "/d/00000000000000000001.seg";
static const char second_segment[] = "/d/00000000000000000002.seg";
static struct error error;

static struct crash_disk *new_disk(void)
{
    struct crash_disk *disk = crash_disk_new(1);
    const struct io *io = crash_disk_io(disk);
    assert_int_equal(io->make_directory(disk, "/d"), 0);
    assert_int_equal(io->sync_directory(disk, "/"), 0);
    return disk;
}

static int open_on(struct crash_disk *disk, bool cut_damage, struct journal **ret,
                   struct journal_recovery *recovery)
{
    struct journal_options options = {.io = crash_disk_io(disk), .directory = "/d", .cut_damage = cut_damage};
    memcpy(options.identity, identity, sizeof identity);
    return journal_open(&options, ret, recovery, &error);
}

static void must(int code)
{
    if (code)
        fail_msg("%s", error.message);
}

/* Two segments, each record committed before the next is appended if `each`; the bytes of both files. */
static void make(bool each, uint8_t *files[2], uint64_t sizes[2])
{
    struct crash_disk *disk = new_disk();
    struct journal *journal;
    must(open_on(disk, false, &journal, NULL));
    for (int i = 0; i < RECORDS; i++) {
        struct journal_place place;
        char text[40];
        int n = snprintf(text, sizeof text, "body %d %.*s", i, i, "abcdefghijklm");
        must(journal_append(journal, RECORD_EVENTS, 1, text, (size_t)n, &place, &error));
        if (each || i == IN_FIRST - 1)
            must(journal_commit(journal, place.position, &error));
        if (i == IN_FIRST - 1)
            must(journal_roll(journal, &error));
    }
    must(journal_close(journal, &error));
    for (int i = 0; i < 2; i++) {
        uint8_t *bytes = crash_disk_bytes(disk, i ? second_segment : first_segment, &sizes[i]);
        while (i == 1 && bytes[sizes[i] - 1] == 0) /* what was prepared */
            sizes[i]--;
        sizes[i] = (sizes[i] + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
        files[i] = malloc(sizes[i] + 1);
        memcpy(files[i], bytes, sizes[i]);
    }
    crash_disk_free(disk);
}

/* All that is read is as it was appended; how many there are, or the error. */
static int read_all(struct journal *journal, uint64_t *ret_n)
{
    struct journal_reader *reader;
    struct record record;
    bool found = true;
    int code = journal_reader_new(journal, &reader, &error);
    *ret_n = 0;
    while (!code && found) {
        code = journal_reader_next(reader, &found, &record, &error);
        if (code || !found)
            break;
        char text[40];
        int i = (int)*ret_n, n = snprintf(text, sizeof text, "body %d %.*s", i, i, "abcdefghijklm");
        assert_int_equal(record.position, ++*ret_n);
        assert_int_equal(record.seq, *ret_n);
        assert_int_equal(record.size, n);
        assert_memory_equal(record.body, text, record.size);
    }
    journal_reader_free(reader);
    return code;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    uint8_t *files[2];
    uint64_t sizes[2], before = IN_FIRST, good_end = SEGMENT_HEAD;
    make(false, files, sizes);
    for (uint64_t size = SEGMENT_HEAD; size <= sizes[1]; size++) {
        struct crash_disk *disk = new_disk();
        struct journal_recovery recovery;
        struct journal *journal;
        uint64_t n;
        crash_disk_put(disk, first_segment, files[0], sizes[0]);
        crash_disk_put(disk, second_segment, files[1], size);
        must(open_on(disk, false, &journal, &recovery));
        must(read_all(journal, &n));
        assert_true(n >= before && n <= RECORDS);
        if (n > before)
            good_end = size;
        before = n;
        bool torn = false;
        for (uint64_t i = good_end; i < size; i++)
            torn |= files[1][i] != 0;
        assert_int_equal(recovery.dropped > 0, torn);
        if (torn) {
            assert_string_equal(recovery.dropped_from, second_segment + 3);
            assert_int_equal(recovery.dropped_at, good_end);
            assert_true(recovery.dropped_at + recovery.dropped <= size);
            assert_false(recovery.damaged);
        }
        struct journal_place place;
        must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
        assert_int_equal(place.position, n + 1);
        must(journal_close(journal, &error));
        crash_disk_free(disk);
    }
    assert_int_equal(before, RECORDS);
    free(files[0]);
    free(files[1]);
}

/* The newest: cut, or refused as damaged where later records prove that it was durable. */
static void flip_newest(uint8_t *files[2], const uint64_t sizes[2], uint64_t bit, bool cut_damage,
                        bool *refused)
{
    struct crash_disk *disk = new_disk();
    struct journal_recovery recovery;
    struct journal *journal;
    uint64_t n;
    files[1][bit / 8] ^= (uint8_t)(1 << bit % 8);
    crash_disk_put(disk, first_segment, files[0], sizes[0]);
    crash_disk_put(disk, second_segment, files[1], sizes[1]);
    files[1][bit / 8] ^= (uint8_t)(1 << bit % 8);
    int code = open_on(disk, cut_damage, &journal, &recovery);
    *refused = code != OK;
    if (code) {
        assert_int_equal(code, CODE_CORRUPT);
        assert_contains(error.message, second_segment);
        assert_true(bit / 8 < SEGMENT_HEAD || !cut_damage);
    } else {
        assert_true(bit / 8 >= SEGMENT_HEAD);
        must(read_all(journal, &n));
        assert_true(n >= IN_FIRST && n < RECORDS);
        assert_true(recovery.dropped > 0);
        assert_true(recovery.dropped_at <= bit / 8);
        assert_non_null(recovery.reason[0] ? recovery.reason : NULL);
        must(journal_close(journal, &error));
    }
    crash_disk_free(disk);
}

static void bits_of_the_newest(void **state)
{
    (void)state;
    uint8_t *files[2];
    uint64_t sizes[2];
    bool refused;
    make(true, files, sizes);
    uint64_t last = sizes[1];
    while (memcmp(files[1] + last - 4, "body", 4) != 0)
        last--;
    last -= 4 + RECORD_HEAD;
    for (uint64_t bit = 0; bit < 8 * sizes[1]; bit++) {
        flip_newest(files, sizes, bit, false, &refused);
        /* Only behind the last record is nothing that proves it. */
        assert_true(refused == (bit / 8 < last));
        flip_newest(files, sizes, bit, true, &refused);
        assert_true(refused == (bit / 8 < SEGMENT_HEAD));
    }
    free(files[0]);
    free(files[1]);
    /* Appended together, they may have been torn together. */
    make(false, files, sizes);
    for (uint64_t bit = 8 * SEGMENT_HEAD; bit < 8 * sizes[1]; bit += 5) {
        flip_newest(files, sizes, bit, false, &refused);
        assert_false(refused);
    }
    free(files[0]);
    free(files[1]);
}

static void bits_of_an_older_segment(void **state)
{
    (void)state;
    uint8_t *files[2];
    uint64_t sizes[2], n;
    make(true, files, sizes);
    for (uint64_t bit = 0; bit < 8 * sizes[0]; bit++) {
        struct crash_disk *disk = new_disk();
        struct journal *journal;
        files[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
        crash_disk_put(disk, first_segment, files[0], sizes[0]);
        crash_disk_put(disk, second_segment, files[1], sizes[1]);
        files[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
        int code = open_on(disk, false, &journal, NULL);
        if (bit / 8 >= SEGMENT_HEAD) {
            must(code);
            code = read_all(journal, &n);
            assert_true(n < IN_FIRST);
            assert_contains(error.message, "is damaged at byte ");
            must(journal_close(journal, &error));
        }
        assert_int_equal(code, CODE_CORRUPT);
        assert_contains(error.message, first_segment);
        crash_disk_free(disk);
    }
    free(files[0]);
    free(files[1]);
}

static void older_segments_are_whole(void **state)
{
    (void)state;
    uint8_t *files[2];
    uint64_t sizes[2], n;
    make(true, files, sizes);
    for (uint64_t size = 0; size < sizes[0]; size++) {
        struct crash_disk *disk = new_disk();
        struct journal *journal;
        crash_disk_put(disk, first_segment, files[0], size);
        crash_disk_put(disk, second_segment, files[1], sizes[1]);
        int code = open_on(disk, false, &journal, NULL);
        if (!code) {
            code = read_all(journal, &n);
            must(journal_close(journal, NULL));
        }
        assert_int_equal(code, CODE_CORRUPT);
        assert_contains(error.message, first_segment);
        crash_disk_free(disk);
    }
    free(files[0]);
    free(files[1]);
}

/* A head that was made by another program of this kind. */
static int open_with_heads(uint8_t *files[2], const uint64_t sizes[2], int which, size_t at,
                           const void *bytes, size_t n)
{
    struct crash_disk *disk = new_disk();
    struct journal *journal;
    uint8_t *other = malloc(sizes[which]);
    memcpy(other, files[which], sizes[which]);
    memcpy(other + at, bytes, n);
    put_u32(other + 60, crc32c(0, other, 60));
    crash_disk_put(disk, first_segment, which ? files[0] : other, sizes[0]);
    crash_disk_put(disk, second_segment, which ? other : files[1], sizes[1]);
    free(other);
    int code = open_on(disk, true, &journal, NULL);
    if (!code)
        journal_close(journal, NULL);
    crash_disk_free(disk);
    return code;
}

static int open_with_head(uint8_t *files[2], const uint64_t sizes[2], size_t at, const void *bytes, size_t n)
{
    return open_with_heads(files, sizes, 1, at, bytes, n);
}

static void files_of_others(void **state)
{
    (void)state;
    uint8_t *files[2];
    uint64_t sizes[2];
    make(true, files, sizes);
    assert_int_equal(open_with_head(files, sizes, 0, "shrkjrnl", 8), OK);
    assert_int_equal(open_with_head(files, sizes, 0, "SQLite f", 8), CODE_CORRUPT);
    assert_contains(error.message, "no segment of a journal");
    assert_int_equal(open_with_head(files, sizes, 8, (uint32_t[]){0x04030201}, 4), CODE_UNSUPPORTED);
    assert_contains(error.message, "another byte order (mark 04030201, here 01020304)");
    assert_int_equal(open_with_head(files, sizes, 12, (uint32_t[]){2}, 4), CODE_UNSUPPORTED);
    assert_contains(error.message, "has format 2, this version of Shrike reads format 1");
    assert_int_equal(open_with_head(files, sizes, 16, "other", 5), CODE_CORRUPT);
    assert_contains(error.message, "belongs to another journal");
    assert_int_equal(open_with_head(files, sizes, 32, (uint64_t[]){9}, 8), CODE_CORRUPT);
    assert_contains(error.message, "says that it is segment 9, expected 2");
    assert_int_equal(open_with_head(files, sizes, 40, (uint64_t[]){0}, 8), CODE_CORRUPT);
    assert_contains(error.message, "begins with position 0 and seq 9, expected 1 to ");
    assert_int_equal(open_with_head(files, sizes, 40, (uint64_t[]){1}, 8), CODE_CORRUPT);
    assert_contains(error.message, "begins with position 1 and seq 9, the segment before it with 1 and 1");
    assert_int_equal(open_with_heads(files, sizes, 0, 40, (uint64_t[]){100}, 8), CODE_CORRUPT);
    assert_contains(error.message, "begins with position 9 and seq 9, the segment before it with 100 and 1");
    assert_int_equal(open_with_head(files, sizes, 48, (uint64_t[]){UINT64_MAX}, 8), CODE_CORRUPT);
    free(files[0]);
    free(files[1]);
}

/* A journal that has given all its numbers refuses more, and opens again. */
static void out_of_numbers(void **state)
{
    (void)state;
    const struct segment_head heads[] = {{.number = 1, .first_position = 5, .first_seq = RECORD_MOST - 1},
                                         {.number = 1, .first_position = RECORD_MOST, .first_seq = 9}};
    for (int i = 0; i < 2; i++) {
        struct crash_disk *disk = new_disk();
        struct segment_head head = heads[i];
        struct journal_place place;
        struct journal *journal;
        uint8_t bytes[SEGMENT_HEAD];
        memcpy(head.identity, identity, sizeof identity);
        segment_put_head(&head, bytes);
        crash_disk_put(disk, first_segment, bytes, sizeof bytes);
        must(open_on(disk, false, &journal, NULL));
        assert_int_equal(journal_append(journal, RECORD_EVENTS, i ? 0 : 3, "x", 1, &place, &error),
                         i ? OK : CODE_LIMIT);
        assert_int_equal(journal_append(journal, RECORD_EVENTS, 2, "x", 1, &place, &error),
                         i ? CODE_LIMIT : OK);
        assert_int_equal(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error), CODE_LIMIT);
        assert_contains(error.message, "the journal in /d is out of numbers");
        must(journal_roll(journal, &error));
        must(journal_close(journal, &error));
        must(open_on(disk, false, &journal, NULL));
        must(journal_close(journal, &error));
        crash_disk_free(disk);
    }
}

/* A good record that does not go on where the one before it ended. */
static void gaps_between_records(void **state)
{
    (void)state;
    static const struct record others[] = {{.position = 10, .seq = 9, .count = 1, .kind = RECORD_EVENTS},
                                           {.position = 9, .seq = 10, .count = 1, .kind = RECORD_EVENTS}};
    static const char *const reasons[] = {"a record has position 10, expected 9",
                                          "record 9 has seq 10, expected 9"};
    uint8_t *files[2], bytes[SEGMENT_HEAD + RECORD_HEAD];
    uint64_t sizes[2];
    make(true, files, sizes);
    for (int i = 0; i < 2; i++) {
        struct crash_disk *disk = new_disk();
        struct journal_recovery recovery;
        struct journal *journal;
        memcpy(bytes, files[1], SEGMENT_HEAD);
        record_put_head(&others[i], 0, record_sum(NULL, 0), bytes + SEGMENT_HEAD);
        crash_disk_put(disk, first_segment, files[0], sizes[0]);
        crash_disk_put(disk, second_segment, bytes, sizeof bytes);
        must(open_on(disk, false, &journal, &recovery));
        assert_int_equal(recovery.dropped_at, SEGMENT_HEAD);
        assert_string_equal(recovery.reason, reasons[i]);
        must(journal_close(journal, &error));
        crash_disk_free(disk);
    }
    free(files[0]);
    free(files[1]);
}

static void a_missing_segment(void **state)
{
    (void)state;
    uint8_t *files[2];
    uint64_t sizes[2];
    struct journal *journal;
    make(true, files, sizes);
    struct crash_disk *disk = new_disk();
    crash_disk_put(disk, first_segment, files[0], sizes[0]);
    crash_disk_put(disk, "/d/00000000000000000004.seg", files[1], sizes[1]);
    assert_int_equal(open_on(disk, true, &journal, NULL), CODE_CORRUPT);
    assert_contains(error.message, "segment 2 of the journal in /d is missing: there are 1 and 4");
    crash_disk_free(disk);
    free(files[0]);
    free(files[1]);
}

/* Segments that do not fit together, each good by itself. */
static void segments_of_different_journals(void **state)
{
    (void)state;
    static const struct segment_head heads[] = {
        {.number = 2, .first_position = IN_FIRST + 1, .first_seq = 50},
        {.number = 2, .first_position = IN_FIRST, .first_seq = 9}};
    uint8_t *files[2], bytes[SEGMENT_HEAD];
    uint64_t sizes[2], n;
    make(true, files, sizes);
    for (int i = 0; i < 2; i++) {
        struct crash_disk *disk = new_disk();
        struct segment_head head = heads[i];
        struct journal *journal;
        memcpy(head.identity, identity, sizeof identity);
        segment_put_head(&head, bytes);
        crash_disk_put(disk, first_segment, files[0], sizes[0]);
        crash_disk_put(disk, second_segment, bytes, sizeof bytes);
        struct journal_place place;
        must(open_on(disk, false, &journal, NULL));
        must(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error));
        must(journal_commit(journal, place.position, &error));
        assert_int_equal(read_all(journal, &n), CODE_CORRUPT);
        assert_int_equal(n, IN_FIRST - (uint64_t)i);
        assert_contains(error.message, i ? "has record 8, the segment after it begins with 8"
                                         : "ends before position 9 and seq 9, the segment after it begins "
                                           "with 9 and 50");
        must(journal_close(journal, &error));
        crash_disk_free(disk);
    }
    free(files[0]);
    free(files[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(bits_of_the_newest),
        cmocka_unit_test(bits_of_an_older_segment),
        cmocka_unit_test(older_segments_are_whole),
        cmocka_unit_test(files_of_others),
        cmocka_unit_test(a_missing_segment),
        cmocka_unit_test(gaps_between_records),
        cmocka_unit_test(out_of_numbers),
        cmocka_unit_test(segments_of_different_journals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
