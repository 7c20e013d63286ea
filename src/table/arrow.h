/*
 * Tables to and from other programs in the same process, by the Arrow C Data Interface
 * (https://arrow.apache.org/docs/format/CDataInterface.html): two structs of plain C, handed over by pointer.
 *
 * A table is a struct array ("+s") with one child per column. Types: BOOLEAN b, integers c C s S i I l L,
 * FLOAT f, DOUBLE g, DECIMAL d:precision,scale, HUGEINT d:38,0, VARCHAR u (dictionary: int32 indices), ENUM
 * dictionary of u, DATE tdD, TIMESTAMP tsu:, TIMESTAMPTZ tsu:UTC. Taken in, besides: large text U, times of
 * other units, dates in milliseconds, dictionaries with other indices, null columns.
 *
 * Threads: an exported array belongs to who takes it; its release may be called by any thread.
 */
#ifndef SHRIKE_TABLE_ARROW_H
#define SHRIKE_TABLE_ARROW_H

#include <stdint.h>

#include "table/file_io.h"

/* The names, the order of members and this guard are those of the interface. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

/* Both outputs are to be released by the taker. The table's buffers move into the array: it is then empty,
 * with its schema. VARCHAR columns with a dictionary differ from batch to batch, so schema and array go
 * together. */
int arrow_export(struct table *table, struct ArrowSchema *ret_schema, struct ArrowArray *ret_array,
                 struct error *error);

/* The schema of a struct array. */
int arrow_import_schema(const struct ArrowSchema *arrow, struct schema **ret, struct error *error);

/* Appends the array's rows to the table: its columns are found by name and converted where that loses
 * nothing, as file_io.h does for Parquet. Columns the table lacks are left. Copies; the array stays the
 * caller's. Texts that are not among their ENUM's values become NULL and are added to *unknown_enums. On
 * failure the table has its former rows, and the error's line is the row, from 1. */
int arrow_import(const struct ArrowSchema *arrow, const struct ArrowArray *array, enum time_unit time_unit,
                 struct table *table, int64_t *unknown_enums, struct error *error);

#endif
