/*
 * Rows as JSON objects, one per line. Reading matches keys to columns by name; keys without a column are
 * ignored, a missing key or null is NULL; of a key that comes twice the last counts. Names match as in
 * DuckDB, case ignored. Numbers go into DECIMAL by their digits; times are ISO text (or integers with a time
 * unit); ENUM and VARCHAR are strings, and a string outside the ENUM is NULL; integers and DECIMAL may be
 * strings too, since other programs keep only 53 bits of a number. Writing is the reverse; NaN and
 * infinities, which JSON lacks, are null. DOUBLE and FLOAT are written so that they read back to the same
 * bits.
 *
 * A struct json_rows belongs to one thread and keeps its memory from line to line.
 */
#ifndef SHRIKE_TABLE_JSON_ROWS_H
#define SHRIKE_TABLE_JSON_ROWS_H

#include "base/memory.h"
#include "table/file_io.h"

struct json_rows;
int json_rows_new(struct schema *schema, enum time_unit time_unit, struct json_rows **ret,
                  struct error *error);
void json_rows_free(struct json_rows *rows); /* takes NULL */
/* How many texts so far were not among their ENUM's values and became NULL. */
int64_t json_rows_unknown_enums(const struct json_rows *rows);
/* Has any line so far had this column as a key? */
bool json_rows_seen(const struct json_rows *rows, int column);

/* Parses one object and appends a row to the table, or leaves the table as it was and says what is wrong (the
 * error's column is the byte in the line where the JSON breaks). A value of the wrong type names its key; the
 * value itself is shown unless the column is secret. A line longer than LIMIT_JSON_LINE is CODE_LIMIT. */
int json_rows_parse(struct json_rows *rows, const char *line, size_t size, struct table *table,
                    struct error *error);

/* Appends row i as one JSON object without a newline. */
void json_rows_write(const struct table *table, int64_t i, struct buffer *out);
/* The same without the braces, for callers that add members of their own: "a":1,"b":null */
void json_rows_write_members(const struct table *table, int64_t i, struct buffer *out);
/* One value of a column; NULL, NaN and infinities are null. */
void json_write_value(const struct column *column, const struct type *type, int64_t i, struct buffer *out);
/* Appends a JSON string literal with quotes and escapes. */
void json_write_string(struct buffer *out, const char *data, size_t size);
/* The shortest decimal that reads back to the same value; null for NaN and infinities. */
void json_write_double(struct buffer *out, double value);
void json_write_float(struct buffer *out, float value);

#endif
