/*
 * What stands behind a reader: one opened file that appends rows to tables. For src/table only.
 *
 * Threads: a source belongs to the thread that reads, which may be one of a pool; never two at once.
 */
#ifndef SHRIKE_TABLE_SOURCE_H
#define SHRIKE_TABLE_SOURCE_H

#include "table/duck.h"
#include "table/file_io.h"

enum format { FORMAT_PARQUET, FORMAT_CSV, FORMAT_TSV, FORMAT_JSON };

/* From the ending of a path ("-" is JSON lines); CODE_USAGE lists the endings known. */
int format_of(const char *path, enum format *ret, struct error *error);

/* What all files of a reader share. */
struct source_options {
    struct schema *schema; /* the columns wanted */
    enum time_unit time_unit;
    int64_t batch_rows;
    struct duck *duck;     /* NULL where every file is JSON */
    struct coder *coders;  /* one per column: the dictionaries of VARCHAR columns, kept over all files */
    reader_lacks *lacks;   /* or NULL */
    int64_t unknown_enums; /* counted here */
};

/* The growing dictionary of one VARCHAR column, until its strings turn out not to repeat. */
struct coder {
    struct dictionary *dictionary;
    int64_t seen; /* strings */
    bool plain;   /* given up */
};

struct source {
    /* Appends up to batch_rows rows to an empty table; none at the end of the file. Errors name the row. */
    int (*next)(struct source *source, struct table *table, struct error *error);
    void (*close)(struct source *source);
};

/* The schema of a Parquet or CSV file, as typed there; CSV types are those that its first rows allow. */
int duck_source_schema(struct duck *duck, const char *path, enum format format, struct schema **ret,
                       struct error *error);

/* Opens a file and checks that the wanted columns are there and of types that convert. `options` is kept. */
int duck_source_open(struct source_options *options, const char *path, enum format format,
                     struct source **ret, struct error *error);
int json_source_open(struct source_options *options, const char *path, struct source **ret,
                     struct error *error);

/* Rows of a Parquet file. */
int duck_source_rows(struct duck *duck, const char *path, int64_t *ret, struct error *error);

/* The header and shape of a CSV file. */
struct csv {
    char delimiter;
    int n;
    char **names; /* n of them */
};
int csv_open(struct duck *duck, const char *path, enum format format, struct csv *ret, struct error *error);
void csv_done(struct csv *csv); /* takes a zeroed struct */
/* Index of a column, or -1. */
int csv_find(const struct csv *csv, const char *name);
/* Appends "read_csv('path', ...)", whose columns are c0, c1, ... of text. */
void csv_sql(const struct csv *csv, const char *path, struct buffer *sql);
/* The error of a broken CSV file, with its line. */
int csv_error(const char *path, const char *message, struct error *error);

/* CODE_INVALID: there is no such column; lists names (n of them) and suggests the nearest. */
int missing_column(const char *path, const char *wanted, const char *const *names, int n,
                   struct error *error);

#endif
