/*
 * Tables from and to files, streaming with bounded memory: Parquet read by DuckDB and written by
 * parquet_sink.c, CSV through DuckDB, JSON lines through yyjson.
 *
 * A path is a file or a glob ("data/2018-*.parquet"); several files are read in the order given (a glob's in
 * name order), each file's rows in their order: this is the arrival order. The format follows the ending:
 * .parquet, .csv (also .csv.gz, .tsv), .jsonl .ndjson .json; "-" is JSON lines on standard input or output.
 *
 * A reader may read ahead, and a Parquet writer encode, in threads that they are lent or have of their own; a
 * CSV writer runs one that formats. All keep a few batches at most, the Parquet writer two row groups. Each
 * struct belongs to the thread that calls it, which is the one that the pool's loops are called by.
 */
#ifndef SHRIKE_TABLE_FILE_IO_H
#define SHRIKE_TABLE_FILE_IO_H

#include "base/parallel.h"
#include "table/table.h"

enum time_unit { TIME_UNIT_NONE, TIME_UNIT_S, TIME_UNIT_MS, TIME_UNIT_US };

/* A column that none of the first so many rows of a file of JSON lines has, and that is NULL therefore; NULL:
 * they have no column at all. Columns that may be absent are passed by. From other threads, too. */
typedef void reader_lacks(const char *path, const char *column, int64_t rows);

struct reader;
struct reader_options {
    const char *const *paths;
    int n_paths;
    /* The columns wanted, in this order, converted to these types where that loses nothing (numbers widened
     * or, where every value fits, narrowed; text parsed in CSV and JSON). Columns of the files that are not
     * named are not read. NULL: every column of the first file, as typed there. */
    struct schema *columns;
    enum time_unit time_unit; /* what integers mean that go into a TIMESTAMP; NONE: refused with a hint */
    int64_t batch_rows;       /* 0 = LIMIT_BATCH_ROWS */
    int threads;              /* above 1: files are read ahead by a thread of the reader's own; 0 = 1 */
    struct parallel *pool; /* lent: its threads read ahead, if there are several. NULL: as `threads` says */
    reader_lacks *lacks;   /* or NULL */
};

/* Opens and checks all files: missing file, missing column (the error lists what there is), wrong type, empty
 * list. */
int reader_open(const struct reader_options *options, struct reader **ret, struct error *error);
struct schema *reader_schema(const struct reader *reader); /* borrowed */
/* The file that the last batch came from, or in which the last error lies. */
const char *reader_path(const struct reader *reader);
/* How many texts so far were not among their ENUM's values and became NULL. */
int64_t reader_unknown_enums(struct reader *reader);
/* Total rows where the format knows it (Parquet), else 0: for progress. */
int64_t reader_rows(const struct reader *reader);
/* Replaces the content of `table` (initialised with reader_schema) by the next rows, all of one file; length
 * 0 at the end. From standard input it gives what has arrived, at least one row, instead of waiting for a
 * full batch. Errors name file and row or line; the table is then empty. */
int reader_next(struct reader *reader, struct table *table, struct error *error);
void reader_close(struct reader *reader); /* takes NULL */

struct writer;
struct writer_options {
    const char *path; /* written under a staging name until writer_finish */
    struct schema *schema;
    int threads; /* above 1: Parquet columns are encoded by so many threads; 0 = 1 */
    struct parallel
        *pool; /* lent: its threads do that beside the loops of the caller. NULL: as `threads` says */
};

int writer_open(const struct writer_options *options, struct writer **ret, struct error *error);
/* ENUM is written as text, HUGEINT (up to 38 digits) as DECIMAL(38,0), since Parquet has neither. To standard
 * output rows go at once. Takes a copy of the rows. An error of the thread that writes CSV is reported
 * by the next call. */
int writer_append(struct writer *writer, const struct table *table, struct error *error);
/* Everything written, flushed to the disk and renamed. Frees the writer, also on failure. */
int writer_finish(struct writer *writer, struct error *error);
/* Removes what was written. Frees the writer; takes NULL. */
void writer_abandon(struct writer *writer);

#endif
