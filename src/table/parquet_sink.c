/*
 * Parquet files. Rows gather in one chunk per column; a full row group is encoded, column by column, and
 * written. In a pool of several threads that is a job beside what the caller does next, who fills another
 * group meanwhile:
 *
 *   append -> chunks take rows -> full? -> chunks become pages (lanes) -> write, in column order
 *
 * Memory: a row group as its values and as its pages, GROUP_BYTES of the first at most; with several threads
 * twice that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "table/parquet_chunk.h"
#include "table/parquet_footer.h"
#include "table/sink.h"

/* Row groups have as many rows as DuckDB's, whose scans share them out to threads; of very wide tables fewer,
 * and fewer where strings fill them earlier. */
enum { GROUP_ROWS = 122880, LEAST_ROWS = 2048, GROUP_BYTES = 64 << 20, TEXT_BYTES = 64 << 20 };

struct group {
    struct parquet_chunk *chunks;
    int64_t rows;
};

/* What went wrong first, in whichever thread: the one that claims it says what. */
struct failure {
    _Atomic bool claimed, said;
    int code;
    struct error error;
};

/* What one thread works with that encodes. */
struct lane {
    struct parallel_job job;
    struct parquet_sink *sink;
    struct parquet_scratch scratch;
};

struct parquet_sink {
    struct sink base;
    struct schema *schema;
    struct parallel *pool, *own;
    int64_t capacity; /* rows of a group */
    struct group groups[2];
    struct group *filled, *leaving; /* with one thread the same */
    struct failure failure;
    /* The loop over columns that take rows [from, from + n) of a table. */
    const struct table *table;
    int64_t from, n;
    /* The job that encodes and writes the group that leaves: all below is its own until it is waited for. */
    struct lane *lanes;
    int n_lanes;
    _Atomic int next, busy; /* column to encode; lanes that have not ended */
    struct parquet_facts *facts;
    int64_t *sizes;
    struct parquet_footer footer;
    int fd;
    int64_t offset; /* bytes written */
};

static void fail(struct parquet_sink *sink, int code, const struct error *error)
{
    if (atomic_exchange(&sink->failure.claimed, true))
        return;
    sink->failure.code = code;
    sink->failure.error = *error;
    sink->failure.said = true;
}

static int check(const struct parquet_sink *sink, struct error *error)
{
    if (!sink->failure.said)
        return OK;
    if (error)
        *error = sink->failure.error;
    return sink->failure.code;
}

static void take_column(void *context, int column)
{
    struct parquet_sink *sink = context;
    struct error error = {0};
    int code = parquet_chunk_take(&sink->filled->chunks[column], &sink->table->columns[column], sink->from,
                                  sink->n, &error);
    if (code != OK)
        fail(sink, code, &error);
}

static int put(struct parquet_sink *sink, const void *data, size_t size, struct error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(sink->fd, (const char *)data + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return error_set_errno(error, errno, "cannot write");
    }
    sink->offset += (int64_t)size;
    return OK;
}

/* The mark that a file begins with, where nothing has been written yet. */
static int put_mark(struct parquet_sink *sink, struct error *error)
{
    static const char mark[] = {'P', 'A', 'R', '1'};
    return sink->offset == 0 ? put(sink, mark, sizeof mark, error) : OK;
}

static void write_group(struct parquet_sink *sink)
{
    struct error error = {0};
    int code = put_mark(sink, &error);
    int64_t start = sink->offset;
    for (int i = 0; code == OK && i < sink->schema->n; i++) {
        const struct parquet_bytes *pages = &sink->leaving->chunks[i].pages;
        sink->sizes[i] = (int64_t)pages->size;
        code = put(sink, pages->data, pages->size, &error);
    }
    if (code == OK)
        parquet_footer_add(&sink->footer, start, sink->facts, sink->sizes);
    else
        fail(sink, code, &error);
}

/* Every column once, by whichever lane comes first; the last lane writes them all. */
static void encode(struct parallel_job *job)
{
    struct lane *lane = (struct lane *)job;
    struct parquet_sink *sink = lane->sink;
    for (int i; !sink->failure.claimed && (i = atomic_fetch_add(&sink->next, 1)) < sink->schema->n;) {
        struct error error = {0};
        int code = parquet_chunk_encode(&sink->leaving->chunks[i], &lane->scratch, &sink->facts[i], &error);
        if (code != OK)
            fail(sink, code, &error);
    }
    if (atomic_fetch_sub(&sink->busy, 1) == 1 && !sink->failure.claimed)
        write_group(sink);
}

/* Waits for the group that leaves; the last lane first, which the caller runs where no worker does yet. */
static void settle(struct parquet_sink *sink)
{
    for (int i = sink->n_lanes - 1; i >= 0; i--)
        parallel_wait(sink->pool, &sink->lanes[i].job);
}

/* The group that was filled leaves, and the one that left before is filled next. */
static int end_group(struct parquet_sink *sink, struct error *error)
{
    settle(sink);
    int code = check(sink, error);
    if (code != OK)
        return code;
    struct group *next = sink->leaving;
    sink->leaving = sink->filled;
    sink->filled = next;
    sink->next = 0;
    sink->busy = sink->n_lanes;
    for (int i = 0; i < sink->n_lanes; i++)
        parallel_post(sink->pool, &sink->lanes[i].job);
    sink->filled->rows = 0;
    return check(sink, error);
}

static bool is_full(const struct parquet_sink *sink)
{
    size_t texts = 0;
    for (int i = 0; i < sink->schema->n; i++)
        texts += sink->filled->chunks[i].text.bytes.size;
    return sink->filled->rows == sink->capacity || texts >= TEXT_BYTES;
}

static int parquet_sink_append(struct sink *base, const struct table *table, struct error *error)
{
    struct parquet_sink *sink = (struct parquet_sink *)base;
    int code = OK;
    sink->table = table;
    for (sink->from = 0; code == OK && sink->from < table->length; sink->from += sink->n) {
        /* In pieces of a batch, so that strings are looked at before they are too many. */
        int64_t room = sink->capacity - sink->filled->rows, left = table->length - sink->from;
        sink->n = left < room ? left : room;
        sink->n = sink->n < LIMIT_BATCH_ROWS ? sink->n : LIMIT_BATCH_ROWS;
        parallel_for(sink->pool, sink->schema->n, take_column, sink);
        sink->filled->rows += sink->n;
        code = check(sink, error);
        if (code == OK && is_full(sink))
            code = end_group(sink, error);
    }
    return code;
}

static int parquet_sink_end(struct sink *base, struct error *error)
{
    struct parquet_sink *sink = (struct parquet_sink *)base;
    struct buffer footer;
    buffer_init(&footer, LIMIT_PARQUET_FOOTER);
    int code = sink->filled->rows ? end_group(sink, error) : OK;
    settle(sink);
    if (code == OK)
        code = check(sink, error);
    if (code == OK)
        code = put_mark(sink, error);
    if (code == OK)
        code = parquet_footer_write(&sink->footer, &footer, error);
    if (code == OK)
        code = put(sink, footer.data, footer.size, error);
    buffer_done(&footer);
    int fd = sink->fd;
    sink->fd = -1;
    if (close(fd) && code == OK)
        code = error_set_errno(error, errno, "cannot write");
    return code;
}

static void group_done(struct group *group, int n)
{
    for (int i = 0; group->chunks && i < n; i++)
        parquet_chunk_done(&group->chunks[i]);
    free(group->chunks);
}

static void parquet_sink_close(struct sink *base)
{
    struct parquet_sink *sink = (struct parquet_sink *)base;
    settle(sink);
    parallel_free(sink->own);
    for (int i = 0; i < 2; i++)
        group_done(&sink->groups[i], sink->schema->n);
    for (int i = 0; i < sink->n_lanes; i++)
        parquet_scratch_done(&sink->lanes[i].scratch);
    if (sink->fd >= 0)
        close(sink->fd);
    parquet_footer_done(&sink->footer);
    free(sink->facts);
    free(sink->sizes);
    free(sink->lanes);
    schema_unref(sink->schema);
    free(sink);
}

static int64_t rows_of_group(const struct schema *schema)
{
    int64_t bytes = 0;
    for (int i = 0; i < schema->n; i++)
        bytes += parquet_width(&schema->fields[i].type);
    int64_t rows = GROUP_BYTES / bytes;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows < GROUP_ROWS ? rows : GROUP_ROWS;
}

static int group_new(const struct parquet_sink *sink, struct group *ret, struct error *error)
{
    ret->chunks = memory_new((size_t)sink->schema->n, sizeof *ret->chunks);
    if (!ret->chunks)
        return error_set(error, CODE_MEMORY, "no memory for writing");
    int code = OK;
    for (int i = 0; code == OK && i < sink->schema->n; i++)
        code = parquet_chunk_init(&ret->chunks[i], &sink->schema->fields[i].type, sink->capacity, error);
    return code;
}

static int prepare(struct parquet_sink *sink, const struct writer_options *options, struct error *error)
{
    size_t n = (size_t)sink->schema->n;
    int code =
        options->pool ? OK : parallel_new(options->threads > 1 ? options->threads : 1, &sink->own, error);
    if (code != OK)
        return code;
    sink->pool = options->pool ? options->pool : sink->own;
    int threads = parallel_threads(sink->pool);
    sink->capacity = rows_of_group(sink->schema);
    sink->facts = memory_new(n, sizeof *sink->facts);
    sink->sizes = memory_new(n, sizeof *sink->sizes);
    sink->lanes = memory_new((size_t)threads, sizeof *sink->lanes);
    if (!sink->facts || !sink->sizes || !sink->lanes)
        return error_set(error, CODE_MEMORY, "no memory for writing");
    sink->filled = &sink->groups[0];
    sink->leaving = &sink->groups[threads > 1];
    code = group_new(sink, sink->filled, error);
    if (code == OK && threads > 1)
        code = group_new(sink, sink->leaving, error);
    for (; code == OK && sink->n_lanes < threads; sink->n_lanes++) {
        struct lane *lane = &sink->lanes[sink->n_lanes];
        *lane = (struct lane){.job.run = encode, .sink = sink};
        code = parquet_scratch_init(&lane->scratch, sink->capacity, error);
    }
    return code;
}

int parquet_sink_open(const struct writer_options *options, const char *target, struct sink **ret,
                      struct error *error)
{
    if (options->schema->n == 0)
        return error_set(error, CODE_INVALID, "a table without columns cannot be written");
    struct parquet_sink *sink = memory_new(1, sizeof *sink);
    if (!sink)
        return error_set(error, CODE_MEMORY, "no memory for writing");
    sink->base = (struct sink){parquet_sink_append, parquet_sink_end, parquet_sink_close};
    sink->schema = schema_ref(options->schema);
    parquet_footer_init(&sink->footer, sink->schema);
    sink->fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int code = sink->fd < 0 ? error_set_errno(error, errno, "cannot write") : OK;
    if (code == OK)
        code = prepare(sink, options, error);
    if (code == OK)
        *ret = &sink->base;
    else
        parquet_sink_close(&sink->base);
    return code;
}
