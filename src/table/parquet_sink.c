/*
 * Parquet files. Rows gather in one chunk per column; a full row group is encoded, column by column, and
 * written. With several threads, the columns of a batch are taken, and those of a group encoded, by as many:
 *
 *   append -> chunks take rows (lanes) -> full? -> chunks become pages (lanes) -> write, in column order
 *
 * Memory: a row group as its values and as its pages, GROUP_BYTES of the first at most.
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

/* What one thread works with. */
struct lane {
    struct parquet_scratch scratch;
    int code;
    struct error error;
};

struct parquet_sink {
    struct sink base;
    int fd;
    struct schema *schema;
    int64_t capacity; /* rows of a group */
    int64_t rows;     /* of the group in work */
    int64_t offset;   /* bytes written */
    struct parquet_chunk *chunks;
    struct parquet_facts *facts;
    int64_t *sizes;
    struct parquet_footer footer;
    struct parallel *parallel;
    struct lane *lanes;
    int n_lanes;
    /* The loop over columns that runs. */
    _Atomic int next;
    const struct table *table; /* to take rows [from, from + n) of; NULL: to encode */
    int64_t from, n;
};

static void run_lane(void *context, int number)
{
    struct parquet_sink *sink = context;
    struct lane *lane = &sink->lanes[number];
    for (int i; lane->code == OK && (i = atomic_fetch_add(&sink->next, 1)) < sink->schema->n;) {
        if (sink->table)
            lane->code = parquet_chunk_take(&sink->chunks[i], &sink->table->columns[i], sink->from, sink->n,
                                            &lane->error);
        else
            lane->code =
                parquet_chunk_encode(&sink->chunks[i], &lane->scratch, &sink->facts[i], &lane->error);
    }
}

/* Every column once, by whichever lane comes first. */
static int run_columns(struct parquet_sink *sink, const struct table *table, struct error *error)
{
    sink->table = table;
    sink->next = 0;
    parallel_for(sink->parallel, sink->n_lanes, run_lane, sink);
    for (int i = 0; i < sink->n_lanes; i++) {
        if (sink->lanes[i].code != OK && error)
            *error = sink->lanes[i].error;
        if (sink->lanes[i].code != OK)
            return sink->lanes[i].code;
    }
    return OK;
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

/* Writes what was taken as a row group; at the file's beginning the mark that it begins with, too. */
static int end_group(struct parquet_sink *sink, struct error *error)
{
    static const char mark[] = {'P', 'A', 'R', '1'};
    int code = sink->offset == 0 ? put(sink, mark, sizeof mark, error) : OK;
    int64_t start = sink->offset;
    if (code != OK || sink->rows == 0)
        return code;
    code = run_columns(sink, NULL, error);
    for (int i = 0; code == OK && i < sink->schema->n; i++) {
        const struct parquet_bytes *pages = &sink->chunks[i].pages;
        sink->sizes[i] = (int64_t)pages->size;
        code = put(sink, pages->data, pages->size, error);
    }
    if (code == OK)
        parquet_footer_add(&sink->footer, start, sink->facts, sink->sizes);
    sink->rows = 0;
    return code;
}

static bool is_full(const struct parquet_sink *sink)
{
    size_t texts = 0;
    for (int i = 0; i < sink->schema->n; i++)
        texts += sink->chunks[i].text.bytes.size;
    return sink->rows == sink->capacity || texts >= TEXT_BYTES;
}

static int parquet_sink_append(struct sink *base, const struct table *table, struct error *error)
{
    struct parquet_sink *sink = (struct parquet_sink *)base;
    int code = OK;
    for (int64_t from = 0; code == OK && from < table->length; from += sink->n) {
        /* In pieces of a batch, so that strings are looked at before they are too many. */
        int64_t room = sink->capacity - sink->rows, left = table->length - from;
        sink->n = left < room ? left : room;
        sink->n = sink->n < LIMIT_BATCH_ROWS ? sink->n : LIMIT_BATCH_ROWS;
        sink->from = from;
        code = run_columns(sink, table, error);
        sink->rows += sink->n;
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
    int code = end_group(sink, error);
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

static void parquet_sink_close(struct sink *base)
{
    struct parquet_sink *sink = (struct parquet_sink *)base;
    parallel_free(sink->parallel);
    for (int i = 0; sink->chunks && i < sink->schema->n; i++)
        parquet_chunk_done(&sink->chunks[i]);
    for (int i = 0; i < sink->n_lanes; i++)
        parquet_scratch_done(&sink->lanes[i].scratch);
    if (sink->fd >= 0)
        close(sink->fd);
    parquet_footer_done(&sink->footer);
    free(sink->chunks);
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

static int prepare(struct parquet_sink *sink, int threads, struct error *error)
{
    size_t n = (size_t)sink->schema->n;
    sink->capacity = rows_of_group(sink->schema);
    sink->chunks = memory_new(n, sizeof *sink->chunks);
    sink->facts = memory_new(n, sizeof *sink->facts);
    sink->sizes = memory_new(n, sizeof *sink->sizes);
    sink->lanes = memory_new((size_t)threads, sizeof *sink->lanes);
    if (!sink->chunks || !sink->facts || !sink->sizes || !sink->lanes)
        return error_set(error, CODE_MEMORY, "no memory for writing");
    sink->n_lanes = threads;
    int code = parallel_new(threads, &sink->parallel, error);
    for (size_t i = 0; code == OK && i < n; i++)
        code = parquet_chunk_init(&sink->chunks[i], &sink->schema->fields[i].type, sink->capacity, error);
    for (int i = 0; code == OK && i < threads; i++)
        code = parquet_scratch_init(&sink->lanes[i].scratch, sink->capacity, error);
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
        code = prepare(sink, options->threads > 1 ? options->threads : 1, error);
    if (code == OK)
        *ret = &sink->base;
    else
        parquet_sink_close(&sink->base);
    return code;
}
