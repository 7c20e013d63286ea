/*
 * CSV files through DuckDB's COPY, whose rows come from a table function that this file provides.
 *
 *   writer_append -> slots (bounded queue of tables) -> table function -> COPY (formats, writes)
 *        caller's thread          | lock |                     the sink's own thread
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "table/sink.h"

/* Tables on their way: enough to bridge the pauses in which what is full is written. */
enum { SLOTS = 8, VECTOR_ROWS = 2048 };

struct duck_sink {
    struct sink base;
    struct schema *schema;
    struct duck duck; /* the thread's, once it runs */
    struct buffer copy;
    pthread_t thread;
    bool running;
    struct table slots[SLOTS]; /* slot i % SLOTS belongs to the caller until filled > i, then to the thread */
    int64_t offset;            /* the thread's: rows of slot `taken` that are done */
    pthread_mutex_t lock;      /* guards what follows */
    pthread_cond_t changed;
    int64_t filled, taken;
    bool ended, abandoned, done;
    int code;
    struct error error;
};

static duckdb_logical_type logical_of(const struct type *type)
{
    static const duckdb_type types[TYPE_COUNT] = {
        [TYPE_BOOLEAN] = DUCKDB_TYPE_BOOLEAN,
        [TYPE_INT8] = DUCKDB_TYPE_TINYINT,
        [TYPE_INT16] = DUCKDB_TYPE_SMALLINT,
        [TYPE_INT32] = DUCKDB_TYPE_INTEGER,
        [TYPE_INT64] = DUCKDB_TYPE_BIGINT,
        [TYPE_UINT8] = DUCKDB_TYPE_UTINYINT,
        [TYPE_UINT16] = DUCKDB_TYPE_USMALLINT,
        [TYPE_UINT32] = DUCKDB_TYPE_UINTEGER,
        [TYPE_UINT64] = DUCKDB_TYPE_UBIGINT,
        [TYPE_FLOAT] = DUCKDB_TYPE_FLOAT,
        [TYPE_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [TYPE_VARCHAR] = DUCKDB_TYPE_VARCHAR,
        [TYPE_DATE] = DUCKDB_TYPE_DATE,
        [TYPE_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP,
        [TYPE_TIMESTAMPTZ] = DUCKDB_TYPE_TIMESTAMP_TZ,
        [TYPE_ENUM] = DUCKDB_TYPE_VARCHAR,
    };
    if (type->id == TYPE_DECIMAL)
        return duckdb_create_decimal_type(type->precision, type->scale);
    /* HUGEINT is written by its digits, as every file of Shrike has it. */
    if (type->id == TYPE_HUGEINT)
        return duckdb_create_decimal_type(38, 0);
    return duckdb_create_logical_type(types[type->id]);
}

static void bind(duckdb_bind_info info)
{
    struct duck_sink *sink = duckdb_bind_get_extra_info(info);
    for (int i = 0; i < sink->schema->n; i++) {
        duckdb_logical_type logical = logical_of(&sink->schema->fields[i].type);
        duckdb_bind_add_result_column(info, sink->schema->fields[i].name, logical);
        duckdb_destroy_logical_type(&logical);
    }
}

static void init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

/* The slot with the next rows; NULL at the end. Waits for the caller. */
static struct table *wait_for_rows(struct duck_sink *sink, bool *ret_abandoned)
{
    pthread_mutex_lock(&sink->lock);
    while (sink->filled == sink->taken && !sink->ended && !sink->abandoned)
        pthread_cond_wait(&sink->changed, &sink->lock);
    struct table *table = sink->filled > sink->taken ? &sink->slots[sink->taken % SLOTS] : NULL;
    *ret_abandoned = sink->abandoned;
    pthread_mutex_unlock(&sink->lock);
    return table;
}

static void give_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
    struct duck_sink *sink = duckdb_function_get_extra_info(info);
    bool abandoned;
    struct table *table = wait_for_rows(sink, &abandoned);
    if (abandoned)
        duckdb_function_set_error(info, "writing was given up");
    if (abandoned || !table) {
        duckdb_data_chunk_set_size(chunk, 0);
        return;
    }
    int64_t left = table->length - sink->offset, n = left < VECTOR_ROWS ? left : VECTOR_ROWS;
    for (int i = 0; i < table->schema->n; i++)
        duck_fill(duckdb_data_chunk_get_vector(chunk, (idx_t)i), &table->schema->fields[i].type,
                  &table->columns[i], sink->offset, n);
    duckdb_data_chunk_set_size(chunk, (idx_t)n);
    sink->offset += n;
    if (n < left)
        return;
    sink->offset = 0;
    pthread_mutex_lock(&sink->lock);
    sink->taken++;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
}

static void *run_copy(void *argument)
{
    struct duck_sink *sink = argument;
    struct error error = {0};
    int code = duck_run(&sink->duck, sink->copy.data, &error);
    if (code == CODE_INVALID)
        error.code = CODE_IO, code = CODE_IO;
    pthread_mutex_lock(&sink->lock);
    sink->done = true;
    sink->code = code;
    sink->error = error;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
    return NULL;
}

static int failure(struct duck_sink *sink, struct error *error)
{
    if (sink->code != OK && error)
        *error = sink->error;
    return sink->code;
}

/* Hands the slot in work to the thread and waits for a free one, which is then empty. */
static int hand_over(struct duck_sink *sink, struct error *error)
{
    pthread_mutex_lock(&sink->lock);
    sink->filled++;
    pthread_cond_broadcast(&sink->changed);
    while (sink->filled - sink->taken == SLOTS && !sink->done)
        pthread_cond_wait(&sink->changed, &sink->lock);
    int code = failure(sink, error);
    pthread_mutex_unlock(&sink->lock);
    if (code == OK)
        table_clear(&sink->slots[sink->filled % SLOTS]);
    return code;
}

static int duck_sink_append(struct sink *base, const struct table *table, struct error *error)
{
    struct duck_sink *sink = (struct duck_sink *)base;
    pthread_mutex_lock(&sink->lock);
    int code = failure(sink, error);
    pthread_mutex_unlock(&sink->lock);
    for (int64_t from = 0; code == OK && from < table->length;) {
        struct table *slot = &sink->slots[sink->filled % SLOTS];
        int64_t room = LIMIT_BATCH_ROWS - slot->length, left = table->length - from;
        int64_t n = left < room ? left : room;
        code = table_append(slot, table, from, n, error);
        from += n;
        if (code == OK && slot->length == LIMIT_BATCH_ROWS)
            code = hand_over(sink, error);
    }
    return code;
}

/* Ends the thread, by the end of the rows or because nobody wants them. */
static void stop(struct duck_sink *sink, bool abandoned)
{
    if (!sink->running)
        return;
    pthread_mutex_lock(&sink->lock);
    sink->ended = true;
    sink->abandoned = abandoned;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->lock);
    pthread_join(sink->thread, NULL);
    sink->running = false;
}

static int duck_sink_end(struct sink *base, struct error *error)
{
    struct duck_sink *sink = (struct duck_sink *)base;
    int code = OK;
    if (sink->slots[sink->filled % SLOTS].length)
        code = hand_over(sink, error);
    stop(sink, code != OK);
    return code == OK ? failure(sink, error) : code;
}

static void duck_sink_close(struct sink *base)
{
    struct duck_sink *sink = (struct duck_sink *)base;
    stop(sink, true);
    for (int i = 0; i < SLOTS; i++) {
        if (sink->slots[i].schema)
            table_done(&sink->slots[i]);
    }
    duck_close(&sink->duck);
    buffer_done(&sink->copy);
    schema_unref(sink->schema);
    pthread_mutex_destroy(&sink->lock);
    pthread_cond_destroy(&sink->changed);
    free(sink);
}

static bool ends_in(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n > m && strcasecmp(text + n - m, ending) == 0;
}

static void copy_sql(struct buffer *sql, const char *path, enum format format, const char *target)
{
    buffer_text(sql, "COPY (FROM shrike_rows()) TO ");
    duck_literal(sql, target);
    buffer_format(sql, " (FORMAT csv, HEADER true, USE_TMP_FILE false, DELIMITER %s%s)",
                  format == FORMAT_TSV ? "'\t'" : "','", ends_in(path, ".gz") ? ", COMPRESSION gzip" : "");
}

static int register_rows(struct duck_sink *sink, struct error *error)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "shrike_rows");
    duckdb_table_function_set_extra_info(function, sink, NULL);
    duckdb_table_function_set_bind(function, bind);
    duckdb_table_function_set_init(function, init);
    duckdb_table_function_set_function(function, give_rows);
    duckdb_state state = duckdb_register_table_function(sink->duck.connection, function);
    duckdb_destroy_table_function(&function);
    return state == DuckDBSuccess
               ? OK
               : error_set(error, CODE_INTERNAL, "DuckDB refused the writer's table function");
}

int duck_sink_open(const struct writer_options *options, enum format format, const char *target,
                   struct sink **ret, struct error *error)
{
    struct duck_sink *sink = memory_new(1, sizeof *sink);
    if (!sink)
        return error_set(error, CODE_MEMORY, "no memory for writing");
    sink->base = (struct sink){duck_sink_append, duck_sink_end, duck_sink_close};
    sink->schema = schema_ref(options->schema);
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->changed, NULL);
    buffer_init(&sink->copy, LIMIT_SQL);
    copy_sql(&sink->copy, options->path, format, target);
    int code = buffer_check(&sink->copy, "the statement for a file", error);
    for (int i = 0; code == OK && i < SLOTS; i++)
        code = table_init(&sink->slots[i], sink->schema, error);
    if (code == OK && sink->schema->n == 0)
        code = error_set(error, CODE_INVALID, "a table without columns cannot be written");
    if (code == OK)
        code = duck_open(&sink->duck, NULL, error);
    if (code == OK)
        code = register_rows(sink, error);
    if (code == OK) {
        int number = pthread_create(&sink->thread, NULL, run_copy, sink);
        code = number ? error_set_errno(error, number, "cannot start the writing thread") : OK;
        sink->running = number == 0;
    }
    if (code == OK)
        *ret = &sink->base;
    else
        duck_sink_close(&sink->base);
    return code;
}
