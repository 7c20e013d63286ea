/*
 * Fuzzing of what the engine writes into a journal and into the labels' part of a snapshot (libFuzzer):
 * whatever a body says, reading it is an error, or gives what is written and read again as the same.
 *
 * The first byte says what the rest is the body of.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "score/label_book.h"
#include "score/records.h"

/* Every type that columns have. */
static const char plan_text[] =
    "CREATE TABLE t (id VARCHAR PRIMARY KEY, ts TIMESTAMP, b BOOLEAN, i TINYINT, j UINTEGER, w HUGEINT, f "
    "FLOAT,\n"
    "  r DOUBLE, m DECIMAL(9, 2), d DATE, z TIMESTAMPTZ, e ENUM('one', 'two'), y TINYINT DEFAULT 0,\n"
    "  says VARCHAR);\n"
    "COMMENT ON COLUMN t.y IS 'shrike: label, late after=1 hour';\n"
    "COMMENT ON COLUMN t.says IS 'shrike: late after=1 hour';\n"
    "SELECT b, i, w::DOUBLE AS w, r, e, m::DOUBLE AS m,\n"
    "  sum(y) OVER (PARTITION BY e, id ORDER BY ts\n"
    "    RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS frauds,\n"
    "  count(*) FILTER (WHERE says = 'no') OVER (PARTITION BY j ORDER BY ts\n"
    "    RANGE BETWEEN INTERVAL 2 HOUR PRECEDING AND INTERVAL 1 HOUR PRECEDING) AS refused FROM t";

static struct plan *plan;
static struct schema *labels;
static struct state *windows;

static void must(bool good)
{
    if (!good)
        abort();
}

static void make_plan(void)
{
    struct state_options options = {.threads = 1, .learns = true};
    if (plan)
        return;
    must(plan_compile(plan_text, sizeof plan_text - 1, "fuzz.sql", &plan, NULL) == OK);
    must((labels = label_schema_new(plan)) != NULL);
    must(state_new(plan, &options, &windows, NULL) == OK);
}

/* A body is read; where that succeeds it is written anew. */
typedef bool again(const void *body, size_t size, struct buffer *out);

static bool events_again(const void *body, size_t size, struct buffer *out)
{
    struct events_head head, alone;
    struct table rows;
    must(table_init(&rows, plan_events(plan), NULL) == OK);
    bool fine = record_read_events(body, size, &head, &rows, NULL) == OK;
    if (fine) {
        must(record_read_events_head(body, size, &alone, NULL) == OK && alone.version == head.version);
        record_events(&head, &rows, out);
    }
    table_done(&rows);
    return fine;
}

static bool decisions_again(const void *body, size_t size, struct buffer *out)
{
    struct decided decided;
    uint64_t seq;
    uint32_t version;
    must(decided_init(&decided, plan_features(plan), NULL) == OK);
    bool fine = record_read_decisions(body, size, &decided, NULL) == OK;
    if (fine) {
        must(record_read_decisions_head(body, size, &seq, &version, NULL) == OK && seq == decided.seq);
        record_decisions(decided.version, decided.seq, &decided.decisions, out);
    }
    decided_done(&decided);
    return fine;
}

static bool labels_again(const void *body, size_t size, struct buffer *out)
{
    uint8_t speaks[64];
    struct table rows;
    must(table_init(&rows, labels, NULL) == OK);
    bool fine = record_read_labels(body, size, &rows, speaks, NULL) == OK;
    if (fine)
        record_labels(&(struct label_rows){&rows, speaks}, out);
    table_done(&rows);
    return fine;
}

static bool switch_again(const void *body, size_t size, struct buffer *out)
{
    struct switch_record record;
    bool fine = record_read_switch(body, size, &record, NULL) == OK;
    if (fine)
        record_switch(&record, out);
    return fine;
}

static bool position_again(const void *body, size_t size, struct buffer *out)
{
    struct position_record record;
    bool fine = record_read_position(body, size, &record, NULL) == OK;
    if (fine)
        record_position(&record, out);
    return fine;
}

static bool erasure_again(const void *body, size_t size, struct buffer *out)
{
    struct erasure_record record;
    if (record_read_erasure(body, size, &record, NULL) != OK)
        return false;
    uint64_t *seqs = malloc((record.n + (size_t)1) * sizeof *seqs);
    must(seqs != NULL);
    for (uint32_t i = 0; i < record.n; i++)
        seqs[i] = erasure_seq(&record, i);
    record_erasure(record.done, record.asked_us, seqs, record.n, out);
    free(seqs);
    return true;
}

struct bytes {
    const char *data;
    size_t size;
};

static int read_bytes(void *context, void *data, size_t capacity, size_t *ret_size, struct error *error)
{
    struct bytes *bytes = context;
    (void)error;
    *ret_size = bytes->size < capacity ? bytes->size : capacity;
    memcpy(data, bytes->data, *ret_size);
    bytes->data += *ret_size;
    bytes->size -= *ret_size;
    return OK;
}

static int write_bytes(void *context, const void *data, size_t size, struct error *error)
{
    buffer_append(context, data, size);
    return buffer_check(context, "a book of labels", error);
}

static bool book_again(const void *body, size_t size, struct buffer *out)
{
    struct bytes bytes = {body, size};
    struct label_book *book;
    struct bytes_in in;
    struct bytes_out to;
    must(label_book_new(plan, labels, windows, 1000, &book, NULL) == OK);
    must(bytes_in_init(&in, read_bytes, &bytes, NULL) == OK);
    bool fine = label_book_load(book, &in) && bytes_at_end(&in);
    bytes_in_done(&in);
    if (fine) {
        must(bytes_out_init(&to, write_bytes, out, NULL) == OK);
        label_book_save(book, &to);
        must(bytes_out_finish(&to) == OK);
    }
    label_book_free(book);
    return fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static again *const kinds[] = {events_again,   decisions_again, labels_again, switch_again,
                                   position_again, book_again,      erasure_again};
    struct buffer first, second;
    if (size == 0 || data[0] >= sizeof kinds / sizeof *kinds)
        return 0;
    make_plan();
    buffer_init(&first, SIZE_MAX / 2);
    buffer_init(&second, SIZE_MAX / 2);
    if (kinds[data[0]](data + 1, size - 1, &first)) {
        must(kinds[data[0]](first.data ? first.data : "", first.size, &second));
        must(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    }
    buffer_done(&first);
    buffer_done(&second);
    return 0;
}
