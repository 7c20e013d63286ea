/*
 * Reading a plan file with DuckDB: its statements are split, run (CREATE, COMMENT) or serialised (the SELECT)
 * there. What is kept are the events' columns with their roles, the SELECT's bound tree (types) and its
 * syntax tree (places).
 */
#ifndef SHRIKE_FEATURE_PARSE_H
#define SHRIKE_FEATURE_PARSE_H

#include <yyjson.h>

#include "base/error.h"
#include "base/memory.h"
#include "table/duck.h"
#include "table/table.h"

/* What a late column's comment and DEFAULT say; index = column. */
struct late {
    bool is_late;
    int64_t after_us, after_steps; /* one of them: after_steps where it was written in steps, from 1 up */
    char *default_sql; /* the DEFAULT expression, cast to the column's type; NULL = none */
    bool has_number;   /* and its value, where it is a number */
    double number;
};

/* An item of a SELECT that was left out, bytes [from, to), and its name in there, if AS gives it one. */
struct blank {
    size_t from, to, name, name_size;
};

struct parsed {
    const char *name; /* of the file, for messages; borrowed */
    const char *sql;  /* the whole file; borrowed */
    bool over; /* one SELECT over given columns: no windows, no event time */
    size_t select_offset;
    char *select_sql;
    struct blank *blanks; /* items that DuckDB cannot bind: noted, and NULL in select_sql */
    size_t n_blanks;
    struct duck duck;
    char *table_name;
    struct schema *events;
    struct late *late; /* events->n */
    yyjson_doc *syntax, *bound;
    yyjson_val *select; /* the SELECT's node in the syntax tree */
    yyjson_val *plan;   /* the top operator of the bound tree */
};

/* A text of a tree's node, "" where it has none of that name. */
static inline const char *tree_text(yyjson_val *object, const char *key)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text ? text : "";
}

/* Reads a plan: one CREATE TABLE, COMMENTs, one SELECT at the end. Errors in single items of the SELECT are
 * findings, and the rest goes on without those items. */
struct plan_findings;
int parse_plan(const char *sql, size_t size, const char *name, struct plan_findings *findings,
               struct parsed *ret, struct error *error);
/* Reads one SELECT over one table of the given columns. */
int parse_over(struct schema *schema, const char *table, const char *sql, size_t size, const char *name,
               struct plan_findings *findings, struct parsed *ret, struct error *error);
void parse_done(struct parsed *parsed);

/* The last step of both: the trees of select_sql. */
int parse_select(struct parsed *parsed, struct plan_findings *findings, struct error *error);
bool parse_is_blank(const struct parsed *parsed, uint64_t position);
/* Overwrites the item of a SELECT's list that has this position. False where there is none, or no room. */
bool blank_item(char *sql, uint64_t position, struct blank *ret);
/* Does an item use the name of another? */
bool blank_mentions(const char *sql, const struct blank *item, const struct blank *other);

/* Turns a byte position in the SELECT into a place of the file in the error; UINT64_MAX: the file alone. */
void parse_place(const struct parsed *parsed, uint64_t position, struct error *error);

/* query_location of a syntax tree node or, where it has none, of the first node below that has one. */
uint64_t parse_location(yyjson_val *node);
/* Location of the n-th (from 0) function or window call named `name` in a syntax subtree; UINT64_MAX if
 * absent. */
uint64_t parse_find_call(yyjson_val *node, const char *name, int *n);

/* The SELECT in the FROM of another, as a subselect or by a name of WITH; NULL where the text has none. */
yyjson_val *parse_inner_select(const struct parsed *parsed, yyjson_val *select);

/* Appends a bound expression as SQL that DuckDB reads back. `reference` prints BOUND_REF index i.
 * CODE_UNSUPPORTED for nodes it does not know. */
struct sql_context {
    void (*reference)(void *context, int64_t index, struct buffer *out);
    void *context;
};
int parse_print(yyjson_val *bound, const struct sql_context *context, struct buffer *out,
                struct error *error);
/* A bound type as SQL: "DECIMAL(10,2)". */
int parse_print_type(yyjson_val *type, struct buffer *out, struct error *error);
/* A column's type as SQL, an ENUM with all of its values. */
void parse_print_column_type(const struct type *type, struct buffer *out);

#endif
