/* The journal as its callers see it: places, commits, readers, trimming, rewriting, errors that name things.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "journal/reader.h"
#include "unit/crash_disk.h"

static struct crash_disk *disk;
static struct error error;

static int make_disk(void **state)
{
    (void)state;
    disk = crash_disk_new(1);
    const struct io *io = crash_disk_io(disk);
    return io->make_directory(disk, "/d") || io->sync_directory(disk, "/");
}

static int free_disk(void **state)
{
    (void)state;
    crash_disk_free(disk);
    return 0;
}

static struct journal_options options(void)
{
    return (struct journal_options){
        .io = crash_disk_io(disk), .directory = "/d", .identity = {1, 2, 3}, .segment_bytes = 4096};
}

static void must(int code)
{
    if (code)
        fail_msg("%s", error.message);
}

static struct journal *open_with(struct journal_options with, struct journal_recovery *recovery)
{
    struct journal *journal = NULL;
    must(journal_open(&with, &journal, recovery, &error));
    return journal;
}

static struct journal_place append(struct journal *journal, uint32_t count, const char *text)
{
    struct journal_place place;
    must(journal_append(journal, count ? RECORD_EVENTS : RECORD_DECISIONS, count, text, strlen(text), &place,
                        &error));
    return place;
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void assert_next(struct journal_reader *reader, uint64_t position, uint64_t seq, uint32_t count,
                        const char *text)
{
    struct record record;
    bool found;
    must(journal_reader_next(reader, &found, &record, &error));
    assert_true(found);
    assert_int_equal(record.position, position);
    assert_int_equal(record.seq, seq);
    assert_int_equal(record.count, count);
    assert_int_equal(record.size, strlen(text));
    assert_memory_equal(record.body, text, record.size);
}

static void assert_end(struct journal_reader *reader)
{
    struct record record;
    bool found;
    must(journal_reader_next(reader, &found, &record, &error));
    assert_false(found);
}

static void places_have_no_gaps(void **state)
{
    (void)state;
    struct journal *journal = open_with(options(), NULL);
    struct journal_place place = append(journal, 64, "first");
    assert_int_equal(place.position, 1);
    assert_int_equal(place.seq, 1);
    place = append(journal, 0, "its decisions");
    assert_int_equal(place.position, 2);
    assert_int_equal(place.seq, 65);
    place = append(journal, 1, "second");
    assert_int_equal(place.position, 3);
    assert_int_equal(place.seq, 65);
    must(journal_close(journal, &error));

    struct journal_recovery recovery;
    journal = open_with(options(), &recovery);
    assert_int_equal(recovery.dropped, 0);
    place = append(journal, 1, "after opening");
    assert_int_equal(place.position, 4);
    assert_int_equal(place.seq, 66);
    must(journal_close(journal, &error));
}

static void only_what_is_durable_is_read(void **state)
{
    (void)state;
    struct journal *journal = open_with(options(), NULL);
    struct journal_reader *reader;
    must(journal_reader_new(journal, &reader, &error));
    append(journal, 1, "one");
    assert_end(reader);
    append(journal, 1, "");
    must(journal_commit(journal, 2, &error));
    append(journal, 1, "three");
    assert_next(reader, 1, 1, 1, "one");
    assert_next(reader, 2, 2, 1, "");
    assert_end(reader);
    assert_int_equal(journal_reader_position(reader), 3);
    must(journal_commit(journal, 3, &error));
    assert_next(reader, 3, 3, 1, "three");
    assert_end(reader);
    journal_reader_free(reader);
    must(journal_close(journal, &error));
}

static const char *text_of(uint64_t i)
{
    static char text[400];
    int n = snprintf(text, sizeof text, "record %llu ", (unsigned long long)i);
    memset(text + n, 'a' + (int)(i % 26), i * 7 % 300);
    text[n + (int)(i * 7 % 300)] = 0;
    return text;
}

/* Records of 1 + i % 3 numbers over many segments; position i has text_of(i). */
static void fill(struct journal *journal, uint64_t n)
{
    for (uint64_t i = 1; i <= n; i++)
        assert_int_equal(append(journal, (uint32_t)(i % 3), text_of(i)).position, i);
    must(journal_commit(journal, n, &error));
}

static uint64_t seq_of(uint64_t position)
{
    uint64_t seq = 1;
    for (uint64_t i = 1; i < position; i++)
        seq += i % 3;
    return seq;
}

static void readers_begin_anywhere(void **state)
{
    (void)state;
    enum { N = 300 };
    struct journal *journal = open_with(options(), NULL);
    struct journal_reader *reader;
    fill(journal, N);
    must(journal_reader_new(journal, &reader, &error));
    for (uint64_t i = 1; i <= N; i++)
        assert_next(reader, i, seq_of(i), (uint32_t)(i % 3), text_of(i));
    assert_end(reader);
    for (uint64_t i = N + 1; i >= 1; i--) {
        must(journal_reader_seek(reader, i, &error));
        for (uint64_t j = i; j <= N && j < i + 3; j++)
            assert_next(reader, j, seq_of(j), (uint32_t)(j % 3), text_of(j));
    }
    for (uint64_t i = 1; i <= N; i++) {
        for (uint32_t k = 0; k < i % 3; k++) {
            struct record record;
            must(journal_find(reader, seq_of(i) + k, &record, &error));
            assert_int_equal(record.position, i);
        }
    }
    assert_int_equal(journal_find(reader, seq_of(N + 1), &(struct record){0}, &error), CODE_NOT_FOUND);
    assert_int_equal(journal_reader_seek(reader, N + 2, &error), CODE_INVALID);
    assert_int_equal(journal_reader_seek_seq(reader, seq_of(N + 1) + 1, &error), CODE_INVALID);
    journal_reader_free(reader);
    must(journal_close(journal, &error));
}

static void trimmed_segments_are_gone(void **state)
{
    (void)state;
    enum { N = 200 };
    struct journal *journal = open_with(options(), NULL);
    struct journal_reader *behind, *ahead;
    struct journal_state is;
    uint64_t removed;
    fill(journal, N);
    must(journal_reader_new(journal, &behind, &error));
    must(journal_reader_new(journal, &ahead, &error));
    must(journal_reader_seek(ahead, 150, &error));
    assert_next(behind, 1, 1, 1, text_of(1));
    assert_next(ahead, 150, seq_of(150), 0, text_of(150));
    must(journal_trim(journal, 150, &removed, &error));
    assert_true(removed > 3);
    journal_state(journal, &is);
    assert_true(is.oldest_position > 100 && is.oldest_position <= 150);
    assert_next(ahead, 151, seq_of(151), 1, text_of(151));
    struct record record;
    bool found;
    assert_int_equal(journal_reader_next(behind, &found, &record, &error), CODE_NOT_FOUND);
    assert_contains(error.message, "position 2 is kept no longer in /d: the oldest record has position 1");
    assert_int_equal(journal_reader_seek_seq(behind, 3, &error), CODE_NOT_FOUND);
    assert_contains(error.message, "seq 3 is kept no longer in /d");
    journal_reader_free(behind);
    journal_reader_free(ahead);
    /* The newest stays, whatever is asked for. */
    must(journal_trim(journal, UINT64_MAX, &removed, &error));
    must(journal_close(journal, &error));
    journal = open_with(options(), NULL);
    assert_int_equal(append(journal, 1, "more").position, N + 1);
    must(journal_close(journal, &error));
}

/* Every tenth body is to be forgotten, or to become longer. */
static int forget(void *context, const struct record *record, const void **ret_body, uint32_t *ret_size,
                  struct error *ret_error)
{
    (void)ret_error;
    static const char longer[] = "this body has become longer than it was and still is where it was";
    uint64_t *seen = context;
    ++*seen;
    if (record->position % 20 == 10) {
        *ret_size = 0;
    } else if (record->position % 20 == 0) {
        *ret_body = longer;
        *ret_size = sizeof longer - 1;
    }
    return OK;
}

static void check_forgotten(struct journal_reader *reader, uint64_t from, uint64_t n, uint64_t last)
{
    for (uint64_t i = from; i <= n; i++)
        assert_next(reader, i, seq_of(i), (uint32_t)(i % 3),
                    i > last || i % 10 ? text_of(i)
                    : i % 20           ? ""
                                       : "this body has become longer than it was and still is where it was");
}

static void rewriting_keeps_places(void **state)
{
    (void)state;
    enum { N = 200, LAST = 150 };
    struct journal *journal = open_with(options(), NULL);
    struct journal_reader *reader;
    uint64_t seen = 0, segments;
    fill(journal, N);
    must(journal_reader_new(journal, &reader, &error));
    assert_next(reader, 1, 1, 1, text_of(1));
    must(journal_rewrite(journal, 5, LAST, forget, &seen, &segments, &error));
    assert_int_equal(seen, LAST - 4);
    assert_true(segments > 3);
    check_forgotten(reader, 2, N, LAST);
    assert_int_equal(journal_rewrite(journal, 1, N, forget, &seen, &segments, &error), CODE_INVALID);
    assert_contains(error.message, "newest segment, which must be closed first");
    must(journal_roll(journal, &error));
    must(journal_roll(journal, &error)); /* an empty segment is not closed */
    must(journal_rewrite(journal, 1, N, forget, &seen, &segments, &error));
    must(journal_reader_seek(reader, 1, &error));
    check_forgotten(reader, 1, N, N);
    /* Where nothing is replaced, nothing is written. */
    must(journal_rewrite(journal, 1, 9, forget, &seen, &segments, &error));
    assert_int_equal(segments, 0);
    journal_reader_free(reader);
    must(journal_close(journal, &error));
    journal = open_with(options(), NULL);
    must(journal_reader_new(journal, &reader, &error));
    check_forgotten(reader, 1, N, N);
    journal_reader_free(reader);
    must(journal_close(journal, &error));
}

static void large_records(void **state)
{
    (void)state;
    struct journal *journal = open_with(options(), NULL);
    struct journal_reader *reader;
    struct journal_place place;
    struct record record;
    char *body = malloc(LIMIT_JOURNAL_RECORD + 1);
    assert_non_null(body);
    memset(body, 'x', LIMIT_JOURNAL_RECORD + 1);
    append(journal, 1, "small");
    must(journal_append(journal, RECORD_EVENTS, 2, body, LIMIT_JOURNAL_RECORD, &place, &error));
    append(journal, 1, "small again");
    assert_int_equal(
        journal_append(journal, RECORD_EVENTS, 2, body, LIMIT_JOURNAL_RECORD + 1, &place, &error),
        CODE_LIMIT);
    must(journal_commit(journal, 3, &error));
    must(journal_reader_new(journal, &reader, &error));
    must(journal_find(reader, 3, &record, &error));
    assert_int_equal(record.size, LIMIT_JOURNAL_RECORD);
    assert_memory_equal(record.body, body, LIMIT_JOURNAL_RECORD);
    assert_next(reader, 3, 4, 1, "small again");
    free(body);
    journal_reader_free(reader);
    must(journal_close(journal, &error));
}

static void full_disk(void **state)
{
    (void)state;
    struct journal *journal = open_with(options(), NULL);
    struct journal_reader *reader;
    struct journal_place place;
    must(journal_reader_new(journal, &reader, &error));
    fill(journal, 50);
    crash_disk_set_space(disk, 3000);
    uint64_t last = 50;
    int code = OK;
    while (!code) {
        code = journal_append(journal, RECORD_EVENTS, 1, "0123456789", 10, &place, &error);
        if (!code)
            code = journal_commit(journal, last = place.position, &error);
    }
    assert_int_equal(code, CODE_NO_SPACE);
    assert_contains(error.message, "cannot write /d/0000000000000000");
    /* The same for those who come later, and what is durable is there to be read. */
    assert_int_equal(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error), CODE_NO_SPACE);
    assert_int_equal(journal_commit(journal, last, &error), CODE_NO_SPACE);
    assert_int_equal(journal_durable(journal), last - 1);
    for (uint64_t i = 1; i <= 50; i++)
        assert_next(reader, i, seq_of(i), (uint32_t)(i % 3), text_of(i));
    for (uint64_t i = 51; i < last; i++)
        assert_next(reader, i, seq_of(51) + i - 51, 1, "0123456789");
    assert_end(reader);
    /* Space again: what waited is written. */
    must(journal_trim(journal, 40, NULL, &error));
    must(journal_commit(journal, last, &error));
    assert_next(reader, last, seq_of(51) + last - 51, 1, "0123456789");
    crash_disk_set_space(disk, UINT64_MAX);
    append(journal, 1, "more");
    must(journal_commit(journal, last + 1, &error));
    assert_next(reader, last + 1, seq_of(51) + last - 50, 1, "more");
    journal_reader_free(reader);
    must(journal_close(journal, &error));
}

static void failed_flush_is_final(void **state)
{
    (void)state;
    struct journal *journal = open_with(options(), NULL);
    struct journal_place place;
    uint64_t durable;
    fill(journal, 3);
    append(journal, 1, "lost");
    crash_disk_fail_sync_in(disk, 0);
    assert_int_equal(journal_commit(journal, 4, &error), CODE_IO);
    assert_contains(error.message, "cannot flush /d/00000000000000000001.seg to the disk");
    uint64_t flushes = crash_disk_flushes(disk, SITE_COMMIT);
    assert_int_equal(journal_commit(journal, 4, &error), CODE_IO);
    assert_int_equal(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error), CODE_IO);
    assert_int_equal(journal_roll(journal, &error), CODE_IO);
    assert_int_equal(journal_trim(journal, 2, NULL, &error), CODE_IO);
    assert_int_equal(journal_wait(journal, 4, -1, &durable, &error), CODE_IO);
    assert_int_equal(durable, 3);
    assert_int_equal(journal_close(journal, &error), CODE_IO);
    assert_int_equal(crash_disk_flushes(disk, SITE_COMMIT), flushes); /* never tried again */
    /* The process goes on without a crash: the cache still shows the lost record, the disk does not have it.
     */
    crash_disk_kill(disk);
    journal = open_with(options(), NULL);
    struct journal_state is;
    journal_state(journal, &is);
    uint64_t recovered = is.durable;
    assert_true(recovered == 3 || recovered == 4);
    must(journal_close(journal, &error));
    crash_disk_crash(disk);
    journal = open_with(options(), NULL);
    journal_state(journal, &is);
    assert_int_equal(is.durable, recovered);
    must(journal_close(journal, &error));
}

/* What a failed write has left in the file is cut when it is opened again. */
static void failed_write_is_final(void **state)
{
    (void)state;
    struct journal *journal = open_with(options(), NULL);
    struct journal_place place;
    fill(journal, 3);
    append(journal, 1, "lost");
    crash_disk_fail_write_in(disk, 0);
    assert_int_equal(journal_commit(journal, 4, &error), CODE_IO);
    assert_contains(error.message, "cannot write /d/00000000000000000001.seg at byte ");
    assert_int_equal(journal_append(journal, RECORD_EVENTS, 1, "x", 1, &place, &error), CODE_IO);
    assert_int_equal(journal_close(journal, &error), CODE_IO);
    journal = open_with(options(), NULL);
    assert_int_equal(append(journal, 1, "again").position, 4);
    must(journal_close(journal, &error));
}

/* The first commit of many may meet a disk that is full for a while; none is acknowledged before it is there.
 */
static void a_full_disk_while_segments_change(void **state)
{
    (void)state;
    for (uint64_t space = 0; space < 12000; space += 97) {
        struct journal *journal = open_with(options(), NULL);
        struct journal_state is;
        journal_state(journal, &is);
        uint64_t first = is.next_position;
        for (uint64_t i = 0; i < 40; i++)
            append(journal, 1, text_of(i));
        crash_disk_set_space(disk, space);
        int code = journal_commit(journal, first + 39, &error);
        assert_true(code == OK || code == CODE_NO_SPACE);
        crash_disk_set_space(disk, UINT64_MAX);
        must(journal_commit(journal, first + 39, &error));
        struct journal_reader *reader;
        must(journal_reader_new(journal, &reader, &error));
        must(journal_reader_seek(reader, first, &error));
        for (uint64_t i = 0; i < 40; i++)
            assert_next(reader, first + i, first + i, 1, text_of(i));
        journal_reader_free(reader);
        must(journal_close(journal, &error));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(places_have_no_gaps, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(only_what_is_durable_is_read, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(readers_begin_anywhere, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(trimmed_segments_are_gone, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(rewriting_keeps_places, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(large_records, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(full_disk, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(failed_flush_is_final, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(failed_write_is_final, make_disk, free_disk),
        cmocka_unit_test_setup_teardown(a_full_disk_while_segments_change, make_disk, free_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
