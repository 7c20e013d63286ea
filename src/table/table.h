/*
 * Tables: batches of rows in columnar form, the one in-memory form that every stage takes and gives.
 *
 * Memory layout is Arrow's: a validity bitmap (bit set = value present, least significant bit first), a data
 * buffer of fixed-width values (BOOLEAN: one bit each), for plain VARCHAR int32 offsets (length + 1 of them)
 * into UTF-8 bytes, for ENUM and dictionary VARCHAR int32 codes into a dictionary. Buffers are 64-byte
 * aligned and padded to 64 bytes.
 *
 *   column:  validity -> [1011....]     data -> [v0 v1 v2 v3 ...]      offsets (VARCHAR) -> [0 3 3 7 ...]
 *
 * Ownership: a table owns its columns' buffers; schemas and dictionaries are shared by reference count and
 * immutable once shared. Threads: a table belongs to one thread, or is read by many while nobody writes. A
 * table is filled, cleared and filled again: its buffers are kept, so a warm table allocates nothing. Limits:
 * LIMIT_COLUMNS columns; a column holds at most INT32_MAX rows and 2 GiB of string bytes.
 */
#ifndef SHRIKE_TABLE_TABLE_H
#define SHRIKE_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum type_id {
    TYPE_BOOLEAN,
    TYPE_INT8,
    TYPE_INT16,
    TYPE_INT32,
    TYPE_INT64,
    TYPE_UINT8,
    TYPE_UINT16,
    TYPE_UINT32,
    TYPE_UINT64,
    TYPE_HUGEINT, /* __int128 */
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DECIMAL,     /* __int128, value * 10^scale (Arrow's decimal128) */
    TYPE_VARCHAR,     /* plain, or int32 codes where the column has a dictionary */
    TYPE_DATE,        /* int32 days since 1970-01-01 */
    TYPE_TIMESTAMP,   /* int64 microseconds since 1970-01-01, no time zone */
    TYPE_TIMESTAMPTZ, /* the same, UTC */
    TYPE_ENUM,        /* int32 codes into type.values */
    TYPE_COUNT,       /* of the types that columns have */
    TYPE_INTERVAL     /* inside of expressions only */
};

/* Distinct strings with codes 0..n-1. Built by one thread, then shared and immutable. */
struct dictionary;
struct dictionary *dictionary_new(void);
struct dictionary *dictionary_ref(struct dictionary *dictionary);
void dictionary_unref(struct dictionary *dictionary); /* takes NULL */
int32_t dictionary_size(const struct dictionary *dictionary);
/* The code of a string, or -1. */
int32_t dictionary_find(const struct dictionary *dictionary, const char *data, size_t size);
/* The code of a string, added where it is new; -1 where LIMIT_DICTIONARY or memory is reached. */
int32_t dictionary_add(struct dictionary *dictionary, const char *data, size_t size);
/* The string of a code (not zero-terminated). */
const char *dictionary_text(const struct dictionary *dictionary, int32_t code, size_t *ret_size);
bool dictionary_is_shared(const struct dictionary *dictionary); /* has more than one reference */
/* A new dictionary with the same codes, for adding to it; NULL where memory is out. */
struct dictionary *dictionary_copy(const struct dictionary *dictionary);

struct type {
    enum type_id id;
    uint8_t precision, scale;  /* DECIMAL */
    struct dictionary *values; /* ENUM; a reference held by the schema */
};

/* Bytes of one value in the data buffer; 0 for BOOLEAN (bits) and plain VARCHAR. */
size_t type_width(enum type_id id);
bool type_is_integer(enum type_id id);                       /* INT8..UINT64 and HUGEINT */
bool type_equal(const struct type *a, const struct type *b); /* ENUM: the same values in the same order */
/* "INTEGER", "DECIMAL(10,2)", "ENUM('a', 'b')": DuckDB's names, as SQL that DuckDB reads back (a long ENUM
 * that does not fit ends in "..."). Returns text. */
const char *type_text(const struct type *type, char *text, size_t size);

enum role {
    ROLE_ID = 1,     /* PRIMARY KEY */
    ROLE_TIME = 2,   /* the event time */
    ROLE_LATE = 4,   /* becomes known later: labels and the like */
    ROLE_LABEL = 8,  /* the late column that says what an event truly was */
    ROLE_SECRET = 16 /* never in logs, dead letters or reports */
};

struct field {
    char *name;
    struct type type;
    unsigned roles;
    bool optional; /* an input may lack this column: it is then NULL everywhere */
};

struct schema {
    int references;
    int n;
    struct field *fields;
};

struct schema *schema_new(int n); /* fields zeroed: the caller sets name (malloc'ed) and type */
struct schema *schema_ref(struct schema *schema);
void schema_unref(struct schema *schema); /* takes NULL */
int schema_find(const struct schema *schema,
                const char *name); /* index or -1; DuckDB's rule: case-insensitive */
/* Appends a field; the name is copied, an ENUM's dictionary referenced. Only before the schema is shared. */
int schema_add(struct schema *schema, const char *name, struct type type, struct error *error);

struct column {
    int64_t length;
    int64_t nulls;     /* how many values are NULL */
    uint8_t *validity; /* maintained only while nulls > 0; otherwise its content does not matter */
    void *data;
    int32_t *offsets;              /* plain VARCHAR only */
    struct dictionary *dictionary; /* VARCHAR by codes; NULL for plain. ENUM: the type's values */
    size_t validity_capacity, data_capacity, offsets_capacity; /* bytes */
    size_t data_size;                                          /* bytes in use of plain VARCHAR data */
};

struct table {
    struct schema *schema;
    struct column *columns; /* schema->n of them */
    int64_t length;
    int64_t reserved;  /* rows that every column has room for; stays 0 with VARCHAR, whose buffers change with
                          its form */
    int64_t first_row; /* number of row 0 in its source, from 1: for messages; 0 = unknown */
};

int table_init(struct table *table, struct schema *schema,
               struct error *error); /* takes a reference to schema */
void table_done(struct table *table);
/* A table of columns that others own and the caller puts in: it frees none of them. */
int table_init_lent(struct table *table, struct schema *schema, struct error *error);
void table_done_lent(struct table *table);
void table_clear(struct table *table); /* length 0, buffers kept; plain again where a dictionary was used */

/* Room for n rows in all, in the fixed-width buffers and bitmaps of every column (VARCHAR: offsets), contents
 * kept. */
int table_reserve(struct table *table, int64_t n, struct error *error);
/* The same for one column. */
int column_reserve(struct column *column, const struct type *type, int64_t n, struct error *error);
/* Room for n bytes of text in all in a plain VARCHAR column. */
int column_reserve_bytes(struct column *column, size_t n, struct error *error);

/* Copies rows [from, from + n) of `source`, whose schema has the same types, to the end of `table`.
 * Dictionaries of VARCHAR columns may differ: the target's is extended, or the target becomes plain beyond
 * LIMIT_DICTIONARY. After a failure the table has its former rows. */
int table_append(struct table *table, const struct table *source, int64_t from, int64_t n,
                 struct error *error);

static inline bool column_is_null(const struct column *column, int64_t i)
{
    return column->nulls && !(column->validity[i >> 3] >> (i & 7) & 1);
}

static inline bool column_boolean(const struct column *column, int64_t i)
{
    return ((const uint8_t *)column->data)[i >> 3] >> (i & 7) & 1;
}

/* Appending, one value at a time. The column must have room (table_reserve), except for column_append_text,
 * which grows. The caller keeps all columns the same length and then sets table->length. */
void column_append_null(struct column *column, const struct type *type);
void column_append_boolean(struct column *column, bool value);
void column_append_int(struct column *column, const struct type *type,
                       int64_t value);                          /* any integer, date, time, code */
void column_append_wide(struct column *column, __int128 value); /* HUGEINT, DECIMAL */
void column_append_double(struct column *column, const struct type *type, double value); /* FLOAT, DOUBLE */
int column_append_text(struct column *column, const char *data, size_t size, struct error *error);
/* Value i of another column of this type, of an ENUM with the same values; NULL where `from` is. */
int column_append_from(struct column *to, const struct type *type, const struct column *from, int64_t i,
                       struct error *error);

/* The bitmap made true to the values, for writing to it directly: allocated, and all bits up to length set
 * where there were no NULLs. Room for the column's reserved rows. NULL where memory is out. */
uint8_t *column_validity(struct column *column);

/* Copies the NULLs of rows [from, from + n) of `source` behind the target's rows, whose buffers have room;
 * the length stays. For callers that copy the values themselves. */
void column_append_validity(struct column *target, const struct column *source, int64_t from, int64_t n);

/* Turns a dictionary VARCHAR column into a plain one. */
int column_decode(struct column *column, struct error *error);

/* Drops all values from row n on, of which there are at least n. */
void column_truncate(struct column *column, const struct type *type, int64_t n);

/* Marks value i of a column of `length` values NULL (allocates the bitmap the first time it is needed). */
int column_set_null(struct column *column, int64_t i, struct error *error);

/* Reading. For integers, dates, times and codes: */
int64_t column_int(const struct column *column, const struct type *type, int64_t i);
__int128 column_wide(const struct column *column, int64_t i);
double column_double(const struct column *column, const struct type *type, int64_t i); /* any numeric type */
const char *column_text(const struct column *column, int64_t i, size_t *ret_size);     /* VARCHAR and ENUM */

#endif
